package modeltest

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"workbench/models/exchange"
)

// The models in this file are broken, each in one way that real servers are.

// A serve is a broken model.
type serve func(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error

func (f serve) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	return f(ctx, ln, x)
}

// acceptByHand is the accept loop that everybody writes first. failed is asked
// about each error that is not the stop: it says whether to go on. A stop ends
// the accept and doesn't close the listener: a Close beside an Accept may go on
// for a moment when that has returned, and clients then still connect.
func acceptByHand(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange, failed func(error) bool, each func(ctx context.Context, nc *net.TCPConn)) error {
	defer context.AfterFunc(ctx, func() { _ = ln.SetDeadline(time.Now()) })()
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	serving, stop := context.WithCancel(ctx)
	defer stop() // after a fault too, or who keeps talking would be waited for
	for {
		nc, err := ln.AcceptTCP()
		switch {
		case err == nil:
			wg.Go(func() { each(serving, nc) })
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed), errors.Is(err, syscall.EINVAL), !failed(err): // closed, or shut down
			return err
		}
	}
}

// spinner tries again at once, whatever the error.
func spinner(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	return acceptByHand(ctx, ln, x, func(error) bool { return true }, func(ctx context.Context, nc *net.TCPConn) { x.Hold(ctx, x.Adopt(nc)) })
}

// quitter takes a shortage of descriptors for the end.
func quitter(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	return acceptByHand(ctx, ln, x, func(error) bool { return false }, func(ctx context.Context, nc *net.TCPConn) { x.Hold(ctx, x.Adopt(nc)) })
}

// resetter avoids TIME_WAIT by an option that makes each close a reset.
func resetter(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	return acceptByHand(ctx, ln, x, func(error) bool { return true }, func(ctx context.Context, nc *net.TCPConn) {
		_ = nc.SetLinger(0)
		x.Hold(ctx, x.Adopt(nc))
	})
}

// hangUp closes every connection at a stop.
func hangUp(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	return acceptByHand(ctx, ln, x, func(error) bool { return true }, func(ctx context.Context, nc *net.TCPConn) {
		defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
		x.Hold(ctx, x.Adopt(nc))
	})
}

// handmade drives the machine by itself, and closes without lingering: the
// loser of answers. It may also spoil bodies, or forget what is left of a read
// after a request.
type handmade struct{ spoils, forgets bool }

func (h handmade) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	return acceptByHand(ctx, ln, x, func(error) bool { return true }, func(ctx context.Context, nc *net.TCPConn) {
		defer nc.Close()
		defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
		h.hold(nc, x)
	})
}

func (h handmade) hold(nc *net.TCPConn, x *exchange.Exchange) {
	var m exchange.Machine
	m.Reset(x.Options().Conversation, nil)
	buf := make([]byte, exchange.OnceRead)
	for {
		switch m.Next() {
		case exchange.NeedMore:
			n, err := nc.Read(buf)
			if n > 0 {
				m.Feed(buf[:n])
			} else if err != nil {
				m.EOF()
			}
		case exchange.DoWork:
			timer := time.NewTimer(m.Work().Wait)
			<-timer.C
			m.Worked(m.Work().Wait)
		case exchange.Output:
			head, n := m.Response()
			if _, err := nc.Write(head); err != nil {
				return
			}
			for n > 0 {
				part := exchange.Filler()
				part = part[:min(n, int64(len(part)))]
				if h.spoils {
					part = append([]byte("?"), part[1:]...)
				}
				if _, err := nc.Write(part); err != nil {
					return
				}
				n -= int64(len(part))
			}
			if h.forgets && !m.Interim() && !bytes.Contains(head, []byte("Connection: close")) {
				m.Reset(x.Options().Conversation, nil)
			}
		case exchange.Close:
			return
		}
	}
}

// oneTooMany holds up to 5 connections and says 4.
func oneTooMany(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "goroutines", Held: 4, Open: 5})
	return holdAtMost(ctx, ln, x, 5)
}

// halfTheWorkers says that it has 8, and starts 4.
func halfTheWorkers(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "goroutines", Held: 8, Open: 8})
	return holdAtMost(ctx, ln, x, 4)
}

// oneTooManyAtWork works on up to 5 requests at once and says 4.
func oneTooManyAtWork(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "workers", Work: 4})
	return holdAtMost(ctx, ln, x, 5)
}

// halfAtWork works on up to 4 requests at once and says 8.
func halfAtWork(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "workers", Work: 8})
	return holdAtMost(ctx, ln, x, 4)
}

func holdAtMost(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange, n int) error {
	places := make(chan struct{}, n)
	var wg sync.WaitGroup
	for conn := range x.AcceptWhen(ctx, ln, func() bool {
		select {
		case places <- struct{}{}:
			return true
		case <-ctx.Done():
			return false
		}
	}) {
		wg.Go(func() {
			defer func() { <-places }()
			x.Hold(ctx, conn)
		})
	}
	wg.Wait()
	return x.Err()
}

// rejectsEarly turns clients away with one of its 4 places free.
func rejectsEarly(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "goroutines", Held: 4, Open: 4})
	places := make(chan struct{}, 3)
	var wg sync.WaitGroup
	for conn := range x.Accept(ctx, ln) {
		select {
		case places <- struct{}{}:
			wg.Go(func() {
				x.Hold(ctx, conn)
				<-places
			})
		default:
			x.Reject(ctx, conn)
		}
	}
	wg.Wait()
	return x.Err()
}

// unlimited says 4 and has no limit, but the right declaration.
func unlimited(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "goroutines", Held: 4, Open: 4})
	return perConnection(ctx, ln, x)
}

// anonymous has 4 workers and doesn't say which of them holds what.
func anonymous(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "workers", Held: 4, Open: 4})
	return holdAtMost(ctx, ln, x, 4)
}

// perConnection is the reference, and not broken.
func perConnection(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	var wg sync.WaitGroup
	for conn := range x.Accept(ctx, ln) {
		wg.Go(func() { x.Hold(ctx, conn) })
	}
	wg.Wait()
	return x.Err()
}

// oneLoop is iterative and doesn't say so.
func oneLoop(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	for conn := range x.Accept(ctx, ln) {
		x.Hold(ctx, conn)
	}
	return x.Err()
}

// leaked is what the leakers leave; it is put in order when the test is over.
type leaked struct {
	release chan struct{}
	mu      sync.Mutex
	files   []*os.File
}

// goroutine leaves one that waits for something that never comes.
func (l *leaked) goroutine(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	release := l.release
	go func() { <-release }()
	return perConnection(ctx, ln, x)
}

// descriptor leaves one open.
func (l *leaked) descriptor(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.files = append(l.files, f)
	l.mu.Unlock()
	return perConnection(ctx, ln, x)
}

func (l *leaked) putInOrder() {
	close(l.release)
	for _, f := range l.files {
		_ = f.Close()
	}
	l.release, l.files = make(chan struct{}), nil // for -count
}

// sitsOut gives everybody the whole grace at a stop, though nobody needs it.
func sitsOut(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	err := perConnection(ctx, ln, x)
	timer := time.NewTimer(x.Options().Grace)
	<-timer.C
	return err
}

// leaves returns at a stop without waiting for its goroutines.
func leaves(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	for conn := range x.Accept(ctx, ln) {
		go x.Hold(ctx, conn)
	}
	return x.Err()
}

// deafToStop looks at its context after each accept only.
func deafToStop(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	defer ln.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	for ctx.Err() == nil {
		nc, err := ln.AcceptTCP()
		if err != nil {
			return err
		}
		wg.Go(func() { x.Hold(ctx, x.Adopt(nc)) })
	}
	return nil
}

// deafToFaults takes every end of accepting for a stop.
func deafToFaults(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	_ = perConnection(ctx, ln, x)
	return nil
}

// queueing is a pool of 2 workers with a queue of 3, with two mistakes to
// choose from.
type queueing struct {
	dropsQueue bool // at a stop the workers leave what is in the queue
	mortal     bool // a worker ends with the first panic
}

func (q queueing) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "workers", Held: 2, Open: 5})
	places, queue := make(chan struct{}, 5), make(chan *exchange.Conn, 5)
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			for conn := range queue {
				if q.dropsQueue && ctx.Err() != nil {
					return
				}
				before := x.Stats().Panics
				x.HoldBy(ctx, i, conn)
				<-places
				if q.mortal && x.Stats().Panics > before {
					return
				}
			}
		})
	}
	for conn := range x.AcceptWhen(ctx, ln, func() bool {
		select {
		case places <- struct{}{}:
			return true
		case <-ctx.Done():
			return false
		}
	}) {
		queue <- conn
	}
	close(queue)
	wg.Wait()
	return x.Err()
}

// dropper gives connections to 4 workers, and where none is ready forgets
// about one.
func dropper(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	queue := make(chan *exchange.Conn, 8)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for conn := range queue {
				x.Hold(ctx, conn)
			}
		})
	}
	for conn := range x.Accept(ctx, ln) {
		select {
		case queue <- conn:
		default:
		}
	}
	close(queue)
	wg.Wait()
	return x.Err()
}

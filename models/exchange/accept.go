package exchange

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"syscall"
	"time"
)

// How long accept waits when descriptors have run out.
const (
	backoffMin = 5 * time.Millisecond
	backoffMax = time.Second
)

// Accept yields connections from ln until ctx is done, the caller breaks off,
// or the listener fails (see Err); then it closes ln, so that whoever still
// waits in the backlog is told at once, and waits for connections that are
// being turned away. Each connection must be given to Hold or Reject.
//
// When the process or the system is out of descriptors, accept fails while the
// connection stays in the backlog: trying again at once would spin. Accept
// waits 5 ms, then twice as long each time up to 1 s, and counts it.
func (x *Exchange) Accept(ctx context.Context, ln *net.TCPListener) iter.Seq[*Conn] {
	return x.AcceptWhen(ctx, ln, nil)
}

// AcceptWhen is Accept for models that take no connection before they have
// room for it: ready is called before each accept and blocks until there is
// room; false ends the acceptance.
func (x *Exchange) AcceptWhen(ctx context.Context, ln *net.TCPListener, ready func() bool) iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		x.stopWith(ctx)
		interrupt := context.AfterFunc(ctx, func() { _ = ln.SetDeadline(past) })
		defer x.waitForLeaving()
		defer ln.Close()
		defer interrupt()
		var backoff time.Duration
		for ctx.Err() == nil && (ready == nil || ready()) {
			nc, err := x.accept(ctx, ln, &backoff)
			if err != nil {
				if ctx.Err() == nil {
					x.AcceptFailed(fmt.Errorf("accept on %v: %w", ln.Addr(), err))
				}
				return
			}
			if !yield(x.Adopt(nc)) {
				return
			}
		}
	}
}

// acceptor is what accept needs of a listener.
type acceptor interface{ AcceptTCP() (*net.TCPConn, error) }

// accept returns the next connection, or an error that will not pass.
func (x *Exchange) accept(ctx context.Context, ln acceptor, backoff *time.Duration) (*net.TCPConn, error) {
	for {
		nc, err := ln.AcceptTCP()
		if err == nil {
			*backoff = 0
			return nc, nil
		}
		pause, err := x.AcceptError(err, *backoff)
		if err != nil {
			return nil, err
		}
		if pause == 0 {
			continue
		}
		*backoff = pause
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
}

// AcceptError says what to do about an error of accept, for models that accept
// by themselves: to try again after a pause, which is none when the client gave
// up while it waited, or to end, with the error that it returns. last is the
// pause that the try before this one had to make, 0 if that went well.
func (x *Exchange) AcceptError(err error, last time.Duration) (pause time.Duration, _ error) {
	switch {
	case errors.Is(err, syscall.ECONNABORTED):
		return 0, nil
	case !outOfDescriptors(err):
		return 0, err
	}
	x.backoffs.Add(1)
	return min(max(backoffMin, 2*last), backoffMax), nil
}

// AcceptFailed says that the listener is of no use any more: Err returns err
// from now on, and the exchange stops, or clients that keep talking would hide
// that nobody else can come.
func (x *Exchange) AcceptFailed(err error) {
	x.mu.Lock()
	if x.acceptErr == nil {
		x.acceptErr = err
	}
	x.mu.Unlock()
	x.stop()
}

// outOfDescriptors reports whether err says that accept lacked something that
// comes back when connections end.
func outOfDescriptors(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
		errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

// Adopt takes a connection that a model accepted by itself into the exchange's
// care, as Accept does with every one. It must then be given to Hold or
// Reject.
func (x *Exchange) Adopt(nc *net.TCPConn) *Conn { return x.adopt(nc) }

func (x *Exchange) adopt(nc stream) *Conn {
	c := x.conns.Get().(*Conn)
	c.reset(nc)
	c.id = x.opened(c)
	c.moment(Moment{Event: Accepted})
	return c
}

// rejection is what a full model answers.
const rejection = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Connection: close\r\nContent-Length: 45\r\n\r\nevery place is taken: please try again later\n"

// Reject answers 503 with Connection: close, unread. It does not block: the
// lingering close, without which the unread request would cost the client its
// answer, goes on by itself, within its bound.
func (x *Exchange) Reject(ctx context.Context, c *Conn) {
	x.stopWith(ctx)
	x.turns()
	go func() {
		c.sits()
		if !x.stopping.Load() && c.write([]byte(rejection), 0) {
			c.linger()
		}
		c.moment(Moment{Event: TurnedAway})
		c.close(false)
		x.mu.Lock()
		if x.leaving--; x.leaving == 0 {
			x.left.Broadcast()
		}
		x.mu.Unlock()
	}()
}

// waitForLeaving waits for connections that are being turned away. Several
// loops of a model may accept, so that one of them waits here while another
// still rejects: a WaitGroup would call that misuse.
func (x *Exchange) waitForLeaving() {
	x.mu.Lock()
	for x.leaving > 0 {
		x.left.Wait()
	}
	x.mu.Unlock()
}

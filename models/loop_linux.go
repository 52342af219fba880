package models

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"workbench/models/eventloop"
	"workbench/models/exchange"
)

// A loop is what the event-driven models are made of: one thread that asks the
// kernel which of its connections are ready (epoll, edge-triggered), does for
// each what can be done without blocking, and goes on to the next. The
// conversation is the exchange's (see exchange.Talk); what is here is which
// descriptor is read, written or closed when, and by whose timer.
//
// A model gives it connections by a listener of its own, by take, or both, and
// decides in work what becomes of a request that asks for any.
type loop struct {
	x  *exchange.Exchange
	d  *exchange.Driver
	p  *eventloop.Poller
	ln int // the descriptor of the listener; -1 for none

	batch int // most connections that are accepted in a turn
	took  func()
	give  func(fd int) // hands an accepted connection to another loop; nil: this one keeps them
	work  func(*conn)  // begins the work of a request; nil: on the loop itself

	now     int64
	conns   []*[chunk]conn
	free    []int32
	open    int
	timers  eventloop.Timers
	in      []byte
	parts   [][]byte
	again   []*conn // that have had their share of this turn
	backlog bool    // more connections may wait to be accepted
	pause   time.Duration
	resume  int64 // when the listener may be asked again, after a lack of descriptors
	err     error

	mu    sync.Mutex
	inbox []int   // connections from other loops
	done  []*conn // back from workers
	awake bool    // it knows of inbox or done, or has been woken for them
	over  bool    // nobody looks there any more
}

// chunk is how many connections' states are allocated at once.
const chunk = 64

// share is how many steps a connection may take before the others have their
// turn: one that sends requests without an end must not have the loop to itself.
const share = 32

// eventBatch is how many events a loop asks for at once.
const eventBatch = 64

// A conn is a connection in a loop.
type conn struct {
	talk  exchange.Talk
	fd    int32
	slot  int32
	gen   uint32 // tells events of this connection from those of the slot's last one
	ready bool   // there may be something to receive
	ended bool   // the kernel has said that the other side has ended
	added bool   // the poller knows it
	out   bool   // the poller is asked for room to send
	away  bool   // with a worker
	timed int64  // what its timer is set to; 0 for none
}

func (c *conn) token() uint64 { return uint64(c.gen)<<32 | uint64(uint32(c.slot)) }

// listenerToken is no connection's: the generation of a slot begins at 1.
const listenerToken = uint64(0)

// newLoop makes a loop; ln is a descriptor that it closes, or -1.
func newLoop(x *exchange.Exchange, ln, batch int) (*loop, error) {
	p, err := eventloop.NewPoller(eventBatch)
	if err != nil {
		return nil, err
	}
	l := &loop{x: x, p: p, ln: ln, batch: batch,
		in: make([]byte, x.ReadSize()), parts: make([][]byte, 0, eventloop.MostParts)}
	if ln >= 0 {
		if errno := p.Add(ln, listenerToken, eventloop.In); errno != 0 {
			p.Close()
			return nil, os.NewSyscallError("epoll_ctl", errno)
		}
	}
	return l, nil
}

// run is the loop. It returns when ctx is done, or the listener fails, and its
// last connection is closed.
func (l *loop) run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer context.AfterFunc(ctx, func() { l.post(func() {}) })()
	defer l.p.Close()
	defer l.shut()
	l.d = l.x.NewDriver(ctx)
	for stopping := false; ; {
		if !stopping && l.x.Stopping(ctx) {
			stopping = true
			l.stop()
		}
		if stopping && l.open == 0 && !l.expects() {
			return
		}
		events := l.p.Poll()
		if len(events) == 0 {
			events = l.p.Wait(l.patience())
		}
		l.now = l.d.Tick()
		for i := range events {
			l.happened(&events[i])
		}
		l.takeIn()
		l.strike()
		again := l.again
		l.again = nil
		for _, c := range again {
			l.play(c)
		}
		if l.again == nil {
			l.again = again[:0]
		}
		l.accept()
	}
}

// patience is how long the loop may wait for events.
func (l *loop) patience() time.Duration {
	if len(l.again) > 0 || l.backlog && l.resume == 0 {
		return 0
	}
	next, any := l.timers.Next()
	if l.resume != 0 && (!any || l.resume < next) {
		next, any = l.resume, true
	}
	if !any {
		return -1
	}
	return max(0, time.Duration(next-l.d.Tick()))
}

// happened does what an event is about.
func (l *loop) happened(e *eventloop.Event) {
	if e.Token() == listenerToken {
		l.backlog = true
		return
	}
	c := l.at(int32(uint32(e.Token())))
	if c.gen != uint32(e.Token()>>32) || c.fd < 0 {
		return // its connection was closed a moment ago
	}
	ready := e.Ready()
	if ready&(eventloop.In|eventloop.End) != 0 {
		c.ready = true
		c.ended = c.ended || ready&eventloop.End != 0
	}
	if !c.away {
		l.play(c)
	}
}

// accept takes what waits in the backlog, up to a batch.
func (l *loop) accept() {
	if l.ln < 0 || !l.backlog || l.resume != 0 && l.now < l.resume {
		return
	}
	l.resume = 0
	for range l.batch {
		fd, errno := eventloop.Accept(l.ln)
		switch {
		case errno == 0:
			l.pause = 0
			if l.took != nil {
				l.took()
			}
			if l.give != nil {
				l.give(fd)
			} else {
				l.begin(fd)
			}
		case errno == unix.EAGAIN:
			l.backlog = false
			return
		case errno == unix.EINTR:
		default:
			pause, err := l.x.AcceptError(os.NewSyscallError("accept4", errno), l.pause)
			if err != nil {
				l.err = err
				l.x.AcceptFailed(fmt.Errorf("accept: %w", err))
				l.p.Wake()
				l.deaf()
				return
			}
			if l.pause = pause; pause > 0 {
				l.resume = l.now + int64(pause)
				return
			}
		}
	}
}

// deaf closes the listener.
func (l *loop) deaf() {
	if l.ln >= 0 {
		eventloop.Close(l.ln)
		l.ln = -1
	}
	l.backlog, l.resume = false, 0
}

// stop has every connection see that the exchange is stopping.
func (l *loop) stop() {
	l.deaf()
	l.now = l.d.Tick()
	for _, some := range l.conns {
		for i := range some {
			if c := &some[i]; c.fd >= 0 && !c.away {
				l.d.Stopping(&c.talk)
				l.play(c)
			}
		}
	}
}

// take gives the loop a connection that was accepted elsewhere. Any goroutine
// may call it. It reports false when the loop is over.
func (l *loop) take(fd int) bool { return l.post(func() { l.inbox = append(l.inbox, fd) }) }

// back gives a connection back whose work is done. Any goroutine may call it.
func (l *loop) back(c *conn) { l.post(func() { l.done = append(l.done, c) }) }

// post has the loop find what put leaves, and wakes it if it may sleep.
func (l *loop) post(put func()) bool {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return false
	}
	put()
	wake := !l.awake
	l.awake = true
	if wake {
		l.p.Wake() // under the lock: the poller is closed once over is set
	}
	l.mu.Unlock()
	return true
}

// expects reports whether something lies in the loop's boxes, and closes them
// if nothing does.
func (l *loop) expects() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = len(l.inbox) == 0 && len(l.done) == 0
	return !l.over
}

// shut is the end of a loop that has no connections left.
func (l *loop) shut() {
	l.deaf()
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
}

// takeIn takes what others have put into the boxes.
func (l *loop) takeIn() {
	l.mu.Lock()
	inbox, done := l.inbox, l.done
	l.inbox, l.done, l.awake = nil, nil, false
	l.mu.Unlock()
	for _, fd := range inbox {
		l.begin(fd)
	}
	for _, c := range done {
		c.away = false
		if l.ln < 0 && l.x.Stopping(context.Background()) {
			l.d.Stopping(&c.talk)
		}
		l.play(c)
	}
}

func (l *loop) at(slot int32) *conn { return &l.conns[slot/chunk][slot%chunk] }

// begin begins the conversation on a connection. What the client has sent has
// often come with it, so it is read at once: a connection whose request needs no
// waiting is answered and closed before the poller ever hears of it.
func (l *loop) begin(fd int) {
	if len(l.free) == 0 {
		some := new([chunk]conn)
		first := int32(len(l.conns) * chunk)
		l.conns = append(l.conns, some)
		for i := chunk - 1; i >= 0; i-- {
			some[i] = conn{fd: -1, slot: first + int32(i)}
			l.free = append(l.free, some[i].slot)
		}
	}
	slot := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	c := l.at(slot)
	*c = conn{fd: int32(fd), slot: slot, gen: c.gen + 1, ready: true}
	if c.gen == 0 {
		c.gen = 1
	}
	l.open++
	l.d.Accept(&c.talk)
	l.d.Hold(&c.talk, -1)
	l.play(c)
}

// play does for a connection what can be done now.
func (l *loop) play(c *conn) {
	if c.fd < 0 {
		return
	}
	d, t := l.d, &c.talk
	for range share {
		switch d.Next(t) {
		case exchange.ToReceive:
			if !c.ready {
				l.await(c, eventloop.In)
				return
			}
			l.receive(c)
		case exchange.ToSend:
			l.parts = t.Unsent(l.parts[:0])
			n, errno := eventloop.SendParts(int(c.fd), l.parts)
			switch errno {
			case 0:
				d.Sent(t, n)
			case unix.EAGAIN:
				d.Keep(t)
				l.await(c, eventloop.In|eventloop.Out)
				return
			case unix.EINTR:
			default:
				d.Broken(t)
			}
		case exchange.ToWork:
			if l.work != nil {
				d.Keep(t)
				l.timers.Cancel(int(c.slot))
				c.timed, c.away = 0, true
				l.work(c)
				return
			}
			d.StartWork(t)
		case exchange.ToWait:
			d.Keep(t)
			l.await(c, 0)
			return
		case exchange.ToHalfClose:
			if eventloop.HalfClose(int(c.fd)) != 0 {
				d.Broken(t)
			}
		case exchange.ToClose:
			l.end(c)
			return
		}
	}
	d.Keep(t)
	l.again = append(l.again, c)
}

// receive receives once.
func (l *loop) receive(c *conn) {
	n, errno := eventloop.Recv(int(c.fd), l.in)
	switch {
	case n > 0 && errno == 0:
		// A receive that leaves room has taken all there was: what comes later
		// is another edge. An end that was announced has to be fetched.
		c.ready = n == len(l.in) || c.ended
		l.d.Received(&c.talk, l.in[:n])
	case errno == 0:
		c.ready = false
		l.d.Ended(&c.talk)
	case errno == unix.EAGAIN:
		c.ready = false
	case errno == unix.EINTR:
	default:
		l.d.Broken(&c.talk)
	}
}

// await has the poller tell of a connection, and sets its timer.
func (l *loop) await(c *conn, ask eventloop.Ready) {
	var errno unix.Errno
	out := ask&eventloop.Out != 0
	switch {
	case !c.added:
		errno = l.p.Add(int(c.fd), c.token(), eventloop.In|ask)
	case out && !c.out:
		errno = l.p.Change(int(c.fd), c.token(), eventloop.In|eventloop.Out)
	}
	c.added, c.out = true, c.out || out
	if errno != 0 { // no memory for another descriptor
		l.d.Broken(&c.talk)
		l.end(c)
		return
	}
	// A timer that is early does no harm: it is set anew when it strikes.
	if at := c.talk.Deadline(); at != 0 && (c.timed == 0 || at < c.timed) {
		c.timed = at
		l.timers.Set(int(c.slot), at)
	}
}

// strike looks after connections whose timers are due.
func (l *loop) strike() {
	for {
		slot, due := l.timers.Pop(l.now)
		if !due {
			return
		}
		c := l.at(int32(slot))
		c.timed = 0
		if !c.away {
			l.play(c)
		}
	}
}

// end closes a connection.
func (l *loop) end(c *conn) {
	if c.timed != 0 {
		l.timers.Cancel(int(c.slot))
		c.timed = 0
	}
	eventloop.Close(int(c.fd))
	c.fd = -1
	l.free = append(l.free, c.slot)
	l.open--
	l.d.Closed(&c.talk)
}

// ownDescriptor returns a descriptor of the listener's socket that is the
// caller's to close, and closes ln.
func ownDescriptor(ln *net.TCPListener) (fd int, err error) {
	defer ln.Close()
	raw, err := ln.SyscallConn()
	if err != nil {
		return -1, fmt.Errorf("listener %v: %w", ln.Addr(), err)
	}
	if e := raw.Control(func(s uintptr) {
		fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0)
	}); e != nil {
		return -1, fmt.Errorf("listener %v: %w", ln.Addr(), e)
	}
	return fd, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
}

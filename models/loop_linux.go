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
// may leave steps of the conversation to others: it then hands the connection
// over, until they give it back.
type loop struct {
	x     *exchange.Exchange
	p     *eventloop.Poller
	ln    int             // the descriptor of the listener; -1 for none
	batch int             // most connections that are accepted in a turn
	waits *exchange.Queue // what is to be seen to

	// What a model may set before run.
	give   func(arrival) bool            // is offered each accepted connection first, and says whether somebody else has it now
	hands  [exchange.ToClose]func(*conn) // by step: gives a connection to whoever does it; nil for the steps that the loop does itself
	each   bool                          // requests that ask for no work are a ToWork too
	failed func()                        // the listener has failed

	tools
	conns    []*[chunk]conn
	free     []int32
	open     int
	timers   eventloop.Timers
	again    []*conn // that have had their share of this turn
	next     []*conn // those of the turn before
	backlog  bool    // more connections may wait to be accepted
	pause    time.Duration
	resume   int64 // when the listener may be asked again, after a lack of descriptors
	stopping bool

	mu     sync.Mutex
	inbox  []arrival // connections from other loops
	done   []*conn   // connections that come back
	called bool      // there is something to see to since the loop last looked
	asleep bool      // it has to be woken for that
	over   bool      // nobody looks there any more
}

// An arrival is a connection that nobody holds yet.
type arrival struct {
	fd   int
	talk exchange.Talk
}

// chunk is how many connections' states are allocated at once.
const chunk = 64

// share is how many steps a connection may take before the others have their
// turn: one that sends requests without an end must not have the loop to itself.
const share = 32

// eventBatch is how many events a loop asks for at once.
const eventBatch = 64

// A conn is a connection in a loop, or in the hands of somebody to whom the loop
// has given it: the first part belongs to whoever has it, the second to the loop.
type conn struct {
	talk  exchange.Talk
	ready bool // there may be something to receive
	ended bool // the kernel has said that the other side has ended
	room  bool // there may be room to send

	away   bool            // somebody else has it
	queued bool            // it is in again
	added  bool            // the poller knows it
	out    bool            // the poller is asked for room to send
	news   eventloop.Ready // what the poller has said of it and nobody has seen to
	fd     int32           // -1 for a free slot; doesn't change while it is away
	slot   int32
	gen    uint32 // tells events of this connection from those of the slot's last one
	timed  int64  // what its timer is set to; 0 for none
}

func (c *conn) token() uint64 { return uint64(c.gen)<<32 | uint64(uint32(c.slot)) }

// listenerToken is no connection's: the generation of a slot begins at 1.
const listenerToken = uint64(0)

// newLoop makes a loop; ln is a descriptor that it closes, whatever comes of it,
// or -1.
func newLoop(x *exchange.Exchange, ln, batch int) (*loop, error) {
	p, err := eventloop.NewPoller(eventBatch)
	if err != nil {
		if ln >= 0 {
			eventloop.Close(ln)
		}
		return nil, err
	}
	l := &loop{x: x, p: p, ln: ln, batch: batch, waits: x.Queue("events")}
	if ln >= 0 {
		if errno := p.Add(ln, listenerToken, eventloop.In); errno != 0 {
			l.close()
			return nil, os.NewSyscallError("epoll_ctl", errno)
		}
	}
	return l, nil
}

// newLoopOn makes a loop that accepts from ln, which it closes, whatever comes
// of it.
func newLoopOn(ln *net.TCPListener, x *exchange.Exchange, batch int) (*loop, error) {
	fd, err := ownDescriptor(ln)
	if err != nil {
		return nil, err
	}
	return newLoop(x, fd, batch)
}

// close gives back what a loop has that never ran.
func (l *loop) close() {
	l.deaf()
	l.p.Close()
}

// run is the loop. It returns when ctx is done, or the listener fails, and its
// last connection is closed.
func (l *loop) run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer context.AfterFunc(ctx, func() { l.post(func() {}) })()
	defer l.p.Close()
	defer l.shut()
	l.tools = l.newTools(ctx)
	for {
		if !l.stopping && l.x.Stopping(ctx) {
			l.stop()
		}
		if l.stopping && l.open == 0 && !l.expects() {
			return
		}
		l.turn()
	}
}

// turn sees to everything that has happened, once. Each connection that it is
// about waits until those before it have been seen to: that is a loop's queue, as
// far as it can be seen. What is more than a batch of events waits in the kernel.
func (l *loop) turn() {
	events := l.p.Poll()
	if len(events) == 0 {
		if patience := l.patience(); patience != 0 && l.dozes() {
			events = l.p.Wait(patience)
		}
	}
	l.again, l.next = l.next[:0], l.again
	inbox, done := l.takeIn()
	l.waits.Enters(len(events) + len(inbox) + len(done) + len(l.next))
	now := l.d.Tick()
	for i := range events {
		l.waits.Leaves()
		l.happened(&events[i])
	}
	for _, a := range inbox {
		l.waits.Leaves()
		l.begin(a)
	}
	for _, c := range done {
		l.waits.Leaves()
		c.away = false
		if l.stopping {
			l.d.Stopping(&c.talk)
		}
		l.play(c)
	}
	l.strike(now)
	for _, c := range l.next {
		l.waits.Leaves()
		c.queued = false
		l.play(c)
	}
	l.accept()
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
	c.news |= e.Ready()
	l.play(c)
}

// accept takes what waits in the backlog, up to a batch.
func (l *loop) accept() {
	if l.ln < 0 || !l.backlog || l.resume != 0 && l.d.Tick() < l.resume {
		return
	}
	l.resume = 0
	l.d.Tick() // what was done since the turn began is nothing to those who come now
	for range l.batch {
		fd, errno := eventloop.Accept(l.ln)
		switch {
		case errno == 0:
			l.pause = 0
			a := arrival{fd: fd}
			l.d.Accept(&a.talk)
			if l.give == nil || !l.give(a) {
				l.begin(a)
			}
		case errno == unix.EAGAIN:
			l.backlog = false
			return
		case errno == unix.EINTR:
		default:
			pause, err := l.x.AcceptError(os.NewSyscallError("accept4", errno), l.pause)
			if err != nil {
				l.deaf()
				l.x.AcceptFailed(fmt.Errorf("accept: %w", err))
				if l.failed != nil {
					l.failed()
				}
				return
			}
			if pause > 0 {
				l.pause, l.resume = pause, l.d.Tick()+int64(pause)
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
	l.stopping = true
	l.deaf()
	l.d.Tick()
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
// may call it. It reports false when the loop is over, which is after a stop
// alone: the connection is then still the caller's.
func (l *loop) take(a arrival) bool { return l.post(func() { l.inbox = append(l.inbox, a) }) }

// back gives back a connection that the loop had handed over, with what it has
// in memory its own (see exchange.Driver.Keep). Any goroutine may call it, and
// it doesn't block: the box has room for every connection that there is.
func (l *loop) back(c *conn) { l.post(func() { l.done = append(l.done, c) }) }

// post has the loop find what put leaves. It wakes it only if it sleeps, so that
// a busy one takes in many at once for nothing.
func (l *loop) post(put func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return false
	}
	put()
	l.called = true
	if l.asleep {
		l.asleep = false
		l.p.Wake() // under the lock: the poller is closed once over is set
	}
	return true
}

// dozes says that the loop is to be woken from now on, and reports whether it
// may sleep: not if something was put into its boxes meanwhile.
func (l *loop) dozes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asleep = !l.called
	return l.asleep
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
func (l *loop) takeIn() (inbox []arrival, done []*conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	inbox, done = l.inbox, l.done
	l.inbox, l.done, l.called, l.asleep = nil, nil, false, false
	return inbox, done
}

func (l *loop) at(slot int32) *conn { return &l.conns[slot/chunk][slot%chunk] }

// begin begins the conversation on a connection. What the client has sent has
// often come with it, so it is read at once: a connection whose request needs no
// waiting is answered and closed before the poller ever hears of it.
func (l *loop) begin(a arrival) {
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
	*c = conn{talk: a.talk, fd: int32(a.fd), slot: slot, gen: c.gen + 1, ready: true, room: true}
	if c.gen == 0 {
		c.gen = 1
	}
	l.open++
	l.d.Hold(&c.talk, -1)
	l.play(c)
}

// play does for a connection what can be done now, unless somebody else has it
// or its turn comes yet.
func (l *loop) play(c *conn) {
	if c.fd < 0 || c.away || c.queued {
		return
	}
	c.hears()
	for range share {
		step := l.d.Next(&c.talk)
		switch {
		case step == exchange.ToClose:
			l.end(c)
			return
		case step == exchange.ToReceive && !c.ready:
			l.await(c, eventloop.In)
			return
		case step == exchange.ToSend && !c.room:
			l.d.Keep(&c.talk)
			l.await(c, eventloop.In|eventloop.Out)
			return
		case step == exchange.ToWait:
			l.d.Keep(&c.talk)
			l.await(c, 0)
			return
		case l.hands[step] != nil:
			l.hand(c, l.hands[step])
			return
		}
		l.do(c, step)
	}
	l.d.Keep(&c.talk)
	c.queued = true
	l.again = append(l.again, c)
}

// hears has the connection know what the poller has said of it.
func (c *conn) hears() {
	if c.news&(eventloop.In|eventloop.End) != 0 {
		c.ready = true
		c.ended = c.ended || c.news&eventloop.End != 0
	}
	if c.news&(eventloop.Out|eventloop.End) != 0 {
		c.room = true
	}
	c.news = 0
}

// hand gives a connection to somebody else, which may have to wait for room
// there.
func (l *loop) hand(c *conn, give func(*conn)) {
	l.d.Keep(&c.talk)
	if c.timed != 0 {
		l.timers.Cancel(int(c.slot))
		c.timed = 0
	}
	c.away = true
	give(c)
	l.d.Tick() // or the next connection's deadline would begin in the past
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
func (l *loop) strike(now int64) {
	for {
		slot, due := l.timers.Pop(now)
		if !due {
			return
		}
		c := l.at(int32(slot))
		c.timed = 0
		l.play(c)
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

// tools are what a goroutine needs to do something for connections that it has
// in its hands: a driver and buffers, which are its own.
type tools struct {
	d     *exchange.Driver
	in    []byte
	parts [][]byte
}

// newTools returns tools for the calling goroutine, for connections of the loop.
func (l *loop) newTools(ctx context.Context) tools {
	d := l.x.NewDriver(ctx)
	d.EachRequest = l.each
	return tools{d: d, in: make([]byte, l.x.ReadSize()), parts: make([][]byte, 0, eventloop.MostParts)}
}

// do does a step that isn't waiting or closing.
func (w *tools) do(c *conn, step exchange.Step) {
	switch step {
	case exchange.ToReceive:
		w.receive(c)
	case exchange.ToSend:
		w.send(c)
	case exchange.ToWork:
		w.d.StartWork(&c.talk)
	case exchange.ToHalfClose:
		if eventloop.HalfClose(int(c.fd)) != 0 {
			w.d.Broken(&c.talk)
		}
	}
}

// receive receives once.
func (w *tools) receive(c *conn) {
	n, errno := eventloop.Recv(int(c.fd), w.in)
	switch {
	case n > 0 && errno == 0:
		// A receive that leaves room has taken all there was: what comes later
		// is another edge. An end that was announced has to be fetched.
		c.ready = n == len(w.in) || c.ended
		w.d.Received(&c.talk, w.in[:n])
	case errno == 0:
		c.ready = false
		w.d.Ended(&c.talk)
	case errno == unix.EAGAIN:
		c.ready = false
	case errno == unix.EINTR:
	default:
		w.d.Broken(&c.talk)
	}
}

// send sends once.
func (w *tools) send(c *conn) {
	w.parts = c.talk.Unsent(w.parts[:0])
	n, errno := eventloop.SendParts(int(c.fd), w.parts)
	switch errno {
	case 0:
		w.d.Sent(&c.talk, n)
	case unix.EAGAIN:
		c.room = false
	case unix.EINTR:
	default:
		w.d.Broken(&c.talk)
	}
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

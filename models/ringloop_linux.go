package models

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"workbench/models/eventloop"
	"workbench/models/exchange"
)

// A ringLoop is what loop is, on io_uring: the kernel isn't asked who is ready,
// it is asked to accept, receive, send and close, and says when it has. The
// conversation is the exchange's (see exchange.Talk); what is here is which
// request to the kernel is made when, and what must live until it is over.
//
// A connection has one receive and one send with the kernel at most. Both may
// be there at once: a client that is too late is told so while its bytes may
// still come. And both must be back before its descriptor is closed.
type ringLoop struct {
	x     *exchange.Exchange
	d     *exchange.Driver
	ring  *eventloop.Ring
	ln    int             // the descriptor of the listener; -1 for none
	waits *exchange.Queue // completions that are to be seen to

	now     int64
	conns   []*ringConn
	free    []int32
	open    int
	timers  eventloop.Timers
	parts   [][]byte
	spare   []*outgoing
	accepts bool // the kernel accepts
	stopped bool
	pause   time.Duration
	resume  int64 // when it may be asked to accept again, after a lack of descriptors
}

// A ringConn is a connection in a ringLoop.
type ringConn struct {
	talk exchange.Talk
	fd   int32
	slot int32
	gen  uint32

	receives bool // a receive is with the kernel
	sends    bool // a send is
	drained  bool // the last receive took all there was
	closing  bool
	came     bool       // what a receive has come to, in or errno, is yet to be looked at
	errno    unix.Errno // 0 for none
	in       []byte     // empty for the end
	out      *outgoing  // what is being sent; nil for nothing
	again    int64      // when a send may be tried again; 0 for now
	timed    int64      // what its timer is set to; 0 for none
}

// An outgoing is memory that an answer is sent from.
type outgoing struct {
	head    [4096]byte // and a body that fits behind it
	message eventloop.Message
}

// spareOutgoing is how many of them a loop keeps for later.
const spareOutgoing = 256

// receiveBuffers is how many receives may bring something in one turn of the
// loop. More are asked for again in the next one.
const receiveBuffers = 256

// A request's token says what was asked for, and for which connection: its slot,
// and the slot's generation, so that a cancel that comes late finds nobody.
type request uint64

const (
	receiveRequest request = iota
	sendRequest
	closeRequest
	acceptRequest // no connection's
)

func (c *ringConn) token(r request) uint64 {
	return uint64(c.gen)<<32 | uint64(r)<<30 | uint64(uint32(c.slot))
}

const (
	slotBits    = 1<<30 - 1
	acceptToken = uint64(acceptRequest) << 30
)

// newRingLoop makes a loop for the calling thread; ln is a descriptor that it
// closes, or -1.
func newRingLoop(x *exchange.Exchange, ln, entries int) (*ringLoop, error) {
	ring, err := eventloop.NewRing(entries, receiveBuffers, x.ReadSize())
	if err != nil {
		return nil, err
	}
	return &ringLoop{x: x, ring: ring, ln: ln, waits: x.Queue("completions"), parts: make([][]byte, 0, eventloop.MostParts)}, nil
}

// run is the loop. It returns when ctx is done, or the listener fails, and its
// last connection is closed.
func (l *ringLoop) run(ctx context.Context) {
	defer l.ring.Close()
	defer context.AfterFunc(ctx, l.ring.Wake)()
	l.d = l.x.NewDriver(ctx)
	for {
		if !l.stopped && l.x.Stopping(ctx) {
			l.stop()
		}
		if l.stopped && l.open == 0 && !l.accepts {
			return
		}
		l.accept()
		l.waits.Enters(l.ring.Turn(l.patience()))
		l.now = l.d.Tick()
		for c, ok := l.ring.Next(); ok; c, ok = l.ring.Next() {
			l.waits.Leaves()
			l.happened(&c)
		}
		l.strike()
	}
}

// patience is how long the loop may wait for the kernel.
func (l *ringLoop) patience() time.Duration {
	next, any := l.timers.Next()
	if l.resume != 0 && (!any || l.resume < next) {
		next, any = l.resume, true
	}
	if !any {
		return -1
	}
	return max(0, time.Duration(next-l.d.Tick()))
}

// accept has the kernel accept, if it doesn't.
func (l *ringLoop) accept() {
	if l.accepts || l.stopped || l.resume != 0 && l.now < l.resume {
		return
	}
	l.accepts, l.resume = true, 0
	l.ring.Accept(l.ln, acceptToken)
}

// happened does what a completion is about.
func (l *ringLoop) happened(done *eventloop.Completion) {
	r := request(done.Token >> 30 & 3)
	if r == acceptRequest {
		l.accepted(done)
		return
	}
	c := l.conns[done.Token&slotBits]
	switch r {
	case receiveRequest:
		l.received(c, done)
	case sendRequest:
		l.sent(c, done)
	case closeRequest:
		l.closed(c)
	}
}

// accepted begins with a connection, or sees to what keeps the kernel from
// accepting any.
func (l *ringLoop) accepted(done *eventloop.Completion) {
	l.accepts = !done.Last()
	switch errno := done.Errno(); {
	case errno == 0:
		l.pause = 0
		l.begin(done.Result())
	case l.stopped || errno == unix.EINTR:
	default:
		pause, err := l.x.AcceptError(os.NewSyscallError("accept4", errno), l.pause)
		if err != nil {
			l.x.AcceptFailed(fmt.Errorf("accept: %w", err))
			return // the loop sees that the exchange stops
		}
		if l.pause = pause; pause > 0 {
			l.resume = l.now + int64(pause)
		}
	}
	l.deaf()
}

// deaf closes the listener of a loop that has stopped, once the kernel has no
// more to do with it.
func (l *ringLoop) deaf() {
	if l.stopped && !l.accepts && l.ln >= 0 {
		eventloop.Close(l.ln)
		l.ln = -1
	}
}

// stop has every connection see that the exchange is stopping.
func (l *ringLoop) stop() {
	l.stopped, l.resume = true, 0
	l.now = l.d.Tick()
	if l.accepts {
		l.ring.Cancel(acceptToken)
	}
	l.deaf()
	for _, c := range l.conns {
		if c.fd >= 0 && !c.closing {
			l.d.Stopping(&c.talk)
			l.play(c)
		}
	}
}

// begin begins the conversation on a connection.
func (l *ringLoop) begin(fd int) {
	if len(l.free) == 0 {
		l.free = append(l.free, int32(len(l.conns)))
		l.conns = append(l.conns, new(ringConn))
	}
	slot := l.free[len(l.free)-1]
	l.free = l.free[:len(l.free)-1]
	c := l.conns[slot]
	*c = ringConn{fd: int32(fd), slot: slot, gen: c.gen + 1}
	l.open++
	l.d.Accept(&c.talk)
	l.d.Hold(&c.talk, -1)
	l.play(c)
}

// play does for a connection what can be done now, and asks for the rest.
func (l *ringLoop) play(c *ringConn) {
	d, t := l.d, &c.talk
	for !c.closing {
		switch d.Next(t) {
		case exchange.ToReceive:
			if c.came {
				l.give(c)
				continue
			}
			if !c.receives {
				c.receives = true
				l.ring.Recv(int(c.fd), c.token(receiveRequest), c.drained)
			}
			l.await(c)
			return
		case exchange.ToSend:
			if !c.sends && l.now >= c.again {
				l.send(c)
			}
			l.await(c)
			return
		case exchange.ToWork:
			d.StartWork(t)
		case exchange.ToWait:
			d.Keep(t)
			l.await(c)
			return
		case exchange.ToHalfClose:
			// The kernel would have another thread do it, if it were asked here.
			if eventloop.HalfClose(int(c.fd)) != 0 {
				d.Broken(t)
			}
		case exchange.ToClose:
			l.end(c)
		}
	}
}

// received takes what a receive has come to. What the conversation doesn't want
// yet is kept for it, and nothing more is asked for before.
func (l *ringLoop) received(c *ringConn, done *eventloop.Completion) {
	c.receives = false
	switch errno := done.Errno(); {
	case c.closing:
		l.finish(c)
	case errno == unix.ENOBUFS || errno == unix.EINTR:
		c.drained = false
		l.play(c) // asks again; by the next turn every buffer is back
	default:
		c.came, c.in, c.errno, c.drained = true, l.ring.Received(done), errno, !done.MoreToReceive()
		if l.play(c); c.came {
			c.in = append([]byte(nil), c.in...)
		}
	}
	l.ring.Return(done)
}

// give gives the conversation what came.
func (l *ringLoop) give(c *ringConn) {
	switch {
	case c.errno != 0:
		l.d.Broken(&c.talk)
	case len(c.in) == 0:
		l.d.Ended(&c.talk)
	default:
		l.d.Received(&c.talk, c.in)
	}
	c.came, c.in = false, nil
}

// send has the kernel send what there is to be sent. It reads that when it comes
// to it, so it must be from memory that is nobody else's meanwhile.
func (l *ringLoop) send(c *ringConn) {
	if c.out == nil {
		if n := len(l.spare); n > 0 {
			c.out, l.spare = l.spare[n-1], l.spare[:n-1]
		} else {
			c.out = new(outgoing)
		}
	}
	l.d.KeepIn(&c.talk, c.out.head[:])
	c.sends, c.again = true, 0
	parts := c.talk.Unsent(l.parts[:0])
	if len(parts) == 1 {
		l.ring.Send(int(c.fd), c.token(sendRequest), parts[0])
		return
	}
	c.out.message.Set(parts)
	l.ring.SendMessage(int(c.fd), c.token(sendRequest), &c.out.message)
}

// sent takes what a send has come to.
func (l *ringLoop) sent(c *ringConn, done *eventloop.Completion) {
	c.sends = false
	switch errno := done.Errno(); {
	case c.closing:
		l.finish(c)
	case errno == 0:
		l.d.Sent(&c.talk, done.Result())
		l.play(c)
	case errno == unix.EINTR:
		l.play(c)
	case errno == unix.EAGAIN:
		c.again = l.now + int64(sendPause)
		l.play(c)
	default:
		l.d.Broken(&c.talk)
		l.play(c)
	}
	if !c.sends && c.again == 0 {
		l.spareOut(c)
	}
}

// sendPause is how long a send waits that the kernel has given up for want of
// room. It does so where the peer has ended its side: its sockets are always
// ready then, as it sees it, and after 128 tries in a row it is tired of them.
const sendPause = 5 * time.Millisecond

// spareOut keeps for later what was sent from, if there is anything.
func (l *ringLoop) spareOut(c *ringConn) {
	if o := c.out; o != nil {
		if c.out = nil; len(l.spare) < spareOutgoing {
			l.spare = append(l.spare, o)
		}
	}
}

// await sets a connection's timer. One that is early does no harm: it is set
// anew when it strikes.
func (l *ringLoop) await(c *ringConn) {
	at := c.talk.Deadline()
	if c.again != 0 && (at == 0 || c.again < at) {
		at = c.again
	}
	if at != 0 && (c.timed == 0 || at < c.timed) {
		c.timed = at
		l.timers.Set(int(c.slot), at)
	}
}

// strike looks after connections whose timers are due.
func (l *ringLoop) strike() {
	for {
		slot, due := l.timers.Pop(l.now)
		if !due {
			return
		}
		c := l.conns[slot]
		c.timed = 0
		l.play(c)
	}
}

// end begins to close a connection: what the kernel still has of it is called
// back first.
func (l *ringLoop) end(c *ringConn) {
	c.closing = true
	if c.timed != 0 {
		l.timers.Cancel(int(c.slot))
		c.timed = 0
	}
	if c.receives {
		l.ring.Cancel(c.token(receiveRequest))
	}
	if c.sends {
		l.ring.Cancel(c.token(sendRequest))
	}
	l.finish(c)
}

// finish closes the descriptor of a connection of which the kernel has nothing
// more.
func (l *ringLoop) finish(c *ringConn) {
	if !c.receives && !c.sends {
		l.ring.CloseDescriptor(int(c.fd), c.token(closeRequest))
	}
}

// closed gives the place of a connection back.
func (l *ringLoop) closed(c *ringConn) {
	c.fd = -1
	l.spareOut(c)
	l.free = append(l.free, c.slot)
	l.open--
	l.d.Closed(&c.talk)
}

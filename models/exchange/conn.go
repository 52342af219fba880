package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// stream is what the blocking driver needs of a connection; *net.TCPConn is
// one.
type stream interface {
	net.Conn
	CloseWrite() error
}

// readSize is the most that one read takes, in bytes; most requests fit.
const readSize = 4 << 10

// A Conn is a connection in the exchange's care: a socket, its conversation,
// and the blocking driver that brings them together. Conns are used again for
// later connections, so a model must not keep one that it gave to Hold or
// Reject.
//
// What a conversation needs of memory, buffers and the machine, it has only
// while something of a request is there. And frames are kept small on the way to
// where a silent connection waits: its goroutine then lives on the smallest stack
// that there is, 2 KiB, of which the runtime grants 1.2 KiB before it doubles it
// for good. Both are what a server of many silent connections consists of.
type Conn struct {
	x      *Exchange
	nc     stream
	raw    syscall.RawConn // of nc, to read without having a buffer before there is something to read; nil where there is none
	desk   *desk           // nil while nothing of a request is there
	id     uint64
	worker int32
	begun  bool // something of the answer at hand may have been written

	// What readDeadline is for: a phase, unless something was written since.
	waits bool
	phase Phase

	// What a read, or a small write, came to.
	n       int
	err     error
	tryRead func(fd uintptr) bool
	trySend func(fd uintptr) bool

	// Deadlines are armed lazily: one that is armed and early is left alone,
	// and when it strikes it is armed again for what is left. So a kept-alive
	// connection touches the runtime's timers once in a timeout's length, not
	// with each request, and yet no timeout comes early or late.
	readDeadline, writeDeadline deadline
}

// A desk is what a conversation needs while something of a request is there.
type desk struct {
	m        Machine
	date     func() []byte
	dated    int64       // when date was called for the answer at hand; 0 if it wasn't
	in       []byte      // what is read
	out      []byte      // a head with a body that fits behind it
	rest     []byte      // of out, unsent
	parts    [][]byte    // a head, and a body that doesn't fit
	gathered net.Buffers // of parts, unsent
	timer    *time.Timer
}

func newConn(x *Exchange) *Conn {
	c := &Conn{x: x}
	c.tryRead, c.trySend = c.readSome, c.sendSome
	return c
}

func newDesk(x *Exchange) *desk {
	d := &desk{in: make([]byte, x.ReadSize()), out: make([]byte, 0, readSize)}
	if x.opts.Conversation == HTTP {
		d.date = func() []byte {
			d.dated = x.now() // write needs it too, and asking twice is a cost to see
			return x.dateAt(d.dated)
		}
	}
	return d
}

func (c *Conn) reset(nc stream) {
	c.nc, c.raw, c.worker, c.begun, c.waits, c.phase = nc, nil, -1, false, false, PhaseHead
	c.readDeadline, c.writeDeadline = deadline{}, deadline{}
	if s, ok := nc.(syscall.Conn); ok && readsRaw {
		c.raw, _ = s.SyscallConn()
	}
}

// sits gives the conversation a desk.
func (c *Conn) sits() {
	d := c.x.desks.Get().(*desk)
	d.m.Reset(c.x.opts.Conversation, d.date)
	d.m.phase, d.dated = c.phase, 0
	c.desk = d
}

// rises gives the desk back.
func (c *Conn) rises() {
	d := c.desk
	clear(d.parts)
	d.gathered, d.rest = nil, nil
	c.desk = nil
	c.x.desks.Put(d)
}

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Hold has the whole conversation on c and closes it. It blocks until then:
// for as long as the client keeps the connection, asks for work and is within
// its timeouts. It never panics. When ctx is done it returns at once if no
// request has been read whole, and after its answer and the close that this
// needs otherwise, within the grace.
func (x *Exchange) Hold(ctx context.Context, c *Conn) { x.HoldBy(ctx, -1, c) }

// HoldBy is Hold by one of the workers that were declared: 0 ≤ worker < n, or
// -1 for none.
func (x *Exchange) HoldBy(ctx context.Context, worker int, c *Conn) {
	x.stopWith(ctx)
	c.worker = int32(worker)
	x.holds(c.id, worker)
	if c.converse() == CloseLingering {
		c.linger()
	}
	c.close(true)
}

// converse drives the machine until it closes, and says how to close.
func (c *Conn) converse() (how Closing) {
	defer func() {
		if p := recover(); p != nil {
			how = c.panicked(p)
		}
	}()
	c.happens(Held)
	for {
		act := NeedMore
		if c.desk != nil {
			if c.x.stopping.Load() {
				c.desk.m.Stop()
			}
			act, c.begun = c.desk.m.Next(), false
		}
		switch act {
		case NeedMore:
			if c.awaits(); !c.armRead() {
				return CloseNow
			}
			c.receive()
			if !c.received() {
				return CloseNow
			}
		case DoWork:
			if !c.perform() {
				return CloseNow
			}
		case Output:
			c.lays(c.desk.m.Response())
			for c.unsent() {
				if !c.armWrite() {
					return CloseNow
				}
				c.send()
				if !c.sent() {
					return CloseNow
				}
			}
			if !c.desk.m.Interim() {
				c.answered()
			}
		case Close:
			return c.desk.m.Closing()
		}
	}
}

// panicked ends a conversation whose work panicked: the client is told, unless
// half an answer went out already.
func (c *Conn) panicked(p any) Closing {
	c.x.panics.Add(1)
	c.moment(Moment{Event: Panicked, Err: fmt.Errorf("panic while answering: %v", p)})
	if c.begun || c.desk == nil {
		return CloseNow
	}
	m := &c.desk.m
	m.Fail()
	if !c.write(m.Response()) {
		return CloseNow
	}
	c.answered()
	return m.Closing()
}

// answered counts an answer that was written whole.
func (c *Conn) answered() {
	c.x.requests.Add(1)
	c.happens(Answered)
}

// received feeds what a receive has brought. It reports false when the
// connection is to be closed at once. After a deadline that struck early nothing
// has happened, and the machine still needs more.
func (c *Conn) received() bool {
	switch {
	case c.n > 0:
		c.reads()
		c.desk.m.Feed(c.desk.in[:c.n])
		return true
	case errors.Is(c.err, io.EOF):
		c.endsBy((*Machine).EOF)
		return true
	case !errors.Is(c.err, os.ErrDeadlineExceeded): // a reset: nobody is there to be told
		return false
	case c.x.stopping.Load():
		return false
	case c.readDeadline.early(c.x.now()):
		return true
	}
	c.timedOut(c.err)
	c.endsBy((*Machine).Timeout)
	return true
}

// awaits begins the deadline of the phase in which the conversation waits for
// bytes, if that is another one than before.
func (c *Conn) awaits() {
	phase := c.phase
	if c.desk != nil {
		phase = c.desk.m.Phase()
	}
	if !c.waits || phase != c.phase {
		c.waits, c.phase = true, phase
		c.readDeadline.begin(c.x.now(), c.x.timeout(phase))
	}
}

// endsBy tells the machine that no more will come.
func (c *Conn) endsBy(say func(*Machine)) {
	if c.desk == nil {
		c.sits()
	}
	say(&c.desk.m)
}

// receive waits for bytes, and says in n and err what came.
func (c *Conn) receive() {
	if c.raw == nil {
		if c.desk == nil {
			c.sits()
		}
		c.n, c.err = c.nc.Read(c.desk.in)
		return
	}
	c.n, c.err = 0, nil
	if err := c.raw.Read(c.tryRead); err != nil {
		c.n, c.err = 0, err
	}
}

// readSome reads what there is. While there is nothing, and nothing of a request
// was there before, the conversation has no desk.
func (c *Conn) readSome(fd uintptr) bool {
	if c.desk == nil {
		c.sits()
	}
	again := false
	if c.n, again, c.err = readDescriptor(fd, c.desk.in); !again {
		return true
	}
	if c.desk.m.blank() {
		c.rises()
	}
	return false
}

// timeout is how long a phase may last; 0 is for ever.
func (x *Exchange) timeout(p Phase) time.Duration {
	switch p {
	case PhaseIdle:
		return x.opts.IdleTimeout
	case PhaseHead:
		return x.opts.HeadTimeout
	default:
		return x.opts.BodyTimeout
	}
}

// perform does the work that a request asks for, and has the machine report
// how long it took. It reports false when it was called off by the end of the
// grace.
func (c *Conn) perform() (done bool) {
	d := c.desk
	w := d.m.Work()
	begin := c.x.now()
	c.moment(Moment{Event: Working, Work: w})
	done = true
	if w.Wait > 0 {
		if d.timer == nil {
			d.timer = time.NewTimer(w.Wait)
		} else {
			d.timer.Reset(w.Wait)
		}
		select {
		case <-d.timer.C:
		case <-c.x.graceOver:
			d.timer.Stop()
			done = false
		}
	}
	if done && w.Spin > 0 {
		done = c.x.spin(w.Spin)
	}
	d.m.Worked(time.Duration(c.x.now() - begin))
	c.moment(Moment{Event: Worked, Work: w})
	return done
}

// write sends head and n bytes of the filler within the write timeout, and
// reports whether all was sent.
func (c *Conn) write(head []byte, n int64) bool {
	c.lays(head, n)
	for c.unsent() {
		if !c.armWrite() {
			return false
		}
		c.send()
		if !c.sent() {
			return false
		}
	}
	return true
}

// lays lays head and n bytes of the filler out to be sent, and begins the
// deadline.
func (c *Conn) lays(head []byte, n int64) {
	d := c.desk
	c.begun, c.waits = true, false
	now := d.dated
	if d.dated = 0; now == 0 {
		now = c.x.now()
	}
	c.writeDeadline.begin(now, c.x.opts.WriteTimeout)
	d.gathered = nil
	if int64(len(head))+n <= int64(cap(d.out)) { // one plain write is cheaper than one that gathers
		d.out = append(append(d.out[:0], head...), filler[:n]...)
		d.rest = d.out
		return
	}
	d.rest, d.parts = nil, append(d.parts[:0], head)
	for ; n > int64(len(filler)); n -= int64(len(filler)) {
		d.parts = append(d.parts, filler)
	}
	d.parts = append(d.parts, filler[:n])
	d.gathered = d.parts // WriteTo eats it up
}

// unsent reports whether something of what was laid out is yet to be sent.
func (c *Conn) unsent() bool { return len(c.desk.rest) > 0 || len(c.desk.gathered) > 0 }

// send sends what is unsent; err says what kept it from doing so.
func (c *Conn) send() {
	d := c.desk
	c.err = nil
	switch {
	case len(d.gathered) > 0:
		_, c.err = d.gathered.WriteTo(c.nc)
	case c.raw != nil:
		if err := c.raw.Write(c.trySend); err != nil {
			c.err = err
		}
	default:
		var k int
		k, c.err = c.nc.Write(d.rest)
		d.rest = d.rest[k:]
	}
}

// sent reports whether a send went well, or may be tried again.
func (c *Conn) sent() bool {
	switch {
	case c.err == nil:
		return true
	case !errors.Is(c.err, os.ErrDeadlineExceeded):
		return false
	case c.writeDeadline.early(c.x.now()):
		return true
	}
	c.timedOut(c.err)
	return false
}

// sendSome sends what there is room for, and reports whether that was all, or
// nothing more can be.
func (c *Conn) sendSome(fd uintptr) bool {
	d := c.desk
	for len(d.rest) > 0 {
		n, again, err := writeDescriptor(fd, d.rest)
		d.rest = d.rest[n:]
		if c.err = err; err != nil {
			return true
		}
		if again {
			return false
		}
	}
	return true
}

// linger half-closes and drops what the peer still sends until it closes too,
// the bounds of a lingering close are reached, or the grace is over. A stop
// doesn't cut it short: the answer before it was promised.
func (c *Conn) linger() {
	x, d := c.x, &c.readDeadline
	if x.opts.LingerTimeout == 0 || c.nc.CloseWrite() != nil {
		return
	}
	if c.desk == nil {
		c.sits()
	}
	d.begin(x.now(), x.opts.LingerTimeout)
	for left := x.opts.LingerBytes; left > 0; {
		err := c.tellRead()
		if x.stopping.Load() && d.noLaterThan(x.graceEnd.Load()) {
			continue // see stop
		}
		if err != nil {
			return
		}
		n, err := c.nc.Read(c.desk.in)
		left -= int64(n)
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && d.early(x.now())) {
			return
		}
	}
}

// close closes the connection and gives c back.
func (c *Conn) close(held bool) {
	_ = c.nc.Close()
	c.x.closed(c, int(c.worker), held)
	c.happens(Closed)
	if c.desk != nil {
		c.rises()
	}
	c.nc, c.raw, c.err = nil, nil, nil
	c.x.conns.Put(c)
}

func (c *Conn) timedOut(err error) {
	c.x.timeouts.Add(1)
	c.moment(Moment{Event: TimedOut, Err: err})
}

// happens is moment for those that are nothing but their event. Without an
// observer it needs no room on the stack for one.
func (c *Conn) happens(e Event) {
	if c.x.observe != nil {
		c.moment(Moment{Event: e})
	}
}

// reads is the moment of what was read.
func (c *Conn) reads() {
	if c.x.observe != nil {
		c.moment(Moment{Event: Read, Bytes: c.desk.in[:c.n]})
	}
}

// moment tells the observer, if there is one.
//
//go:noinline
func (c *Conn) moment(m Moment) {
	if f := c.x.observe; f != nil {
		m.Conn, m.Worker = c.id, int(c.worker)
		f(m)
	}
}

// A deadline is one of a connection's two, armed lazily. Times are nanoseconds
// since the exchange's epoch; 0 is none.
type deadline struct {
	wanted int64 // when time is up
	armed  int64 // what the socket was told; not later than wanted
	struck bool  // the socket goes on striking until it is told something else
}

// armRead has the socket strike when the read deadline is over. It reports false
// when the exchange is stopping, or the socket is of no use.
func (c *Conn) armRead() bool {
	err := c.tellRead()
	return err == nil && !c.x.stopping.Load() // looked at only now: see stop
}

// armWrite is armRead of the write deadline. A stop only brings it forward.
func (c *Conn) armWrite() bool {
	for {
		err := c.tellWrite()
		if !c.x.stopping.Load() || !c.writeDeadline.noLaterThan(c.x.graceEnd.Load()) { // see stop
			return err == nil
		}
	}
}

// tellRead tells the socket the read deadline, where it has to know.
func (c *Conn) tellRead() error {
	if c.readDeadline.known() {
		return nil
	}
	return c.nc.SetReadDeadline(c.x.at(c.readDeadline.wanted))
}

func (c *Conn) tellWrite() error {
	if c.writeDeadline.known() {
		return nil
	}
	return c.nc.SetWriteDeadline(c.x.at(c.writeDeadline.wanted))
}

// begin says that time is up in timeout from now, or never with a timeout of 0.
func (d *deadline) begin(now int64, timeout time.Duration) {
	d.wanted = 0
	if timeout > 0 {
		d.wanted = now + int64(timeout)
	}
}

// noLaterThan brings the deadline forward to end, and reports whether it was
// later.
func (d *deadline) noLaterThan(end int64) bool {
	if d.wanted == 0 || end < d.wanted {
		d.wanted = end
		return true
	}
	return false
}

// known reports whether the socket needn't be told, since it will strike in time
// anyway; else it takes it for told.
func (d *deadline) known() bool {
	if !d.struck && (d.wanted == 0 || d.armed != 0 && d.armed <= d.wanted) {
		return true
	}
	d.armed, d.struck = d.wanted, false
	return false
}

// early is asked when the deadline has struck, at now. If time isn't up yet it
// reports true, and the socket has to be told what is wanted.
func (d *deadline) early(now int64) bool {
	if d.wanted != 0 && now >= d.wanted {
		return false
	}
	d.struck = true
	return true
}

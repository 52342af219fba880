package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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
type Conn struct {
	x      *Exchange
	nc     stream
	id     uint64
	worker int
	m      Machine
	begun  bool // something of the answer at hand may have been written
	date   func() []byte
	dated  time.Time // when date was called for the answer at hand

	in     []byte      // what is read
	out    []byte      // a head with a body that fits behind it
	parts  [][]byte    // a head, and a body that doesn't
	unsent net.Buffers // of parts
	timer  *time.Timer

	// What readDeadline is for: a phase of the nth request.
	waits bool
	phase Phase
	nth   int64

	// Deadlines are armed lazily: one that is armed and early is left alone,
	// and when it strikes it is armed again for what is left. So a kept-alive
	// connection touches the runtime's timers once in a timeout's length, not
	// with each request, and yet no timeout comes early or late.
	readDeadline, writeDeadline deadline
}

func newConn(x *Exchange) *Conn {
	c := &Conn{x: x, in: make([]byte, readSize), out: make([]byte, 0, readSize)}
	if x.opts.Conversation == HTTP {
		c.date = func() []byte {
			c.dated = time.Now() // write needs it too, and asking twice is a cost to see
			return x.dateHeader(c.dated.Unix())
		}
	}
	return c
}

func (c *Conn) reset(nc stream) {
	c.nc, c.worker, c.begun, c.waits, c.dated = nc, -1, false, false, time.Time{}
	c.readDeadline, c.writeDeadline = deadline{}, deadline{}
	c.m.Reset(c.x.opts.Conversation, c.date)
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
	c.worker = worker
	x.holds(c.id, worker)
	defer c.close(true)
	if c.converse() == CloseLingering {
		c.linger()
	}
}

// converse drives the machine until it closes, and says how to close.
func (c *Conn) converse() (how Closing) {
	defer func() {
		if p := recover(); p != nil {
			how = c.panicked(p)
		}
	}()
	c.moment(Moment{Event: Held})
	for {
		if c.x.stopping.Load() {
			c.m.Stop()
		}
		c.begun = false
		switch c.m.Next() {
		case NeedMore:
			if !c.read() {
				return CloseNow
			}
		case DoWork:
			if !c.perform(c.m.Work()) {
				return CloseNow
			}
		case Output:
			head, n := c.m.Response()
			if !c.write(head, n) {
				return CloseNow
			}
			if !c.m.Interim() {
				c.answered()
			}
		case Close:
			return c.m.Closing()
		}
	}
}

// panicked ends a conversation whose work panicked: the client is told, unless
// half an answer went out already.
func (c *Conn) panicked(p any) Closing {
	c.x.panics.Add(1)
	c.moment(Moment{Event: Panicked, Err: fmt.Errorf("panic while answering: %v", p)})
	if c.begun {
		return CloseNow
	}
	c.m.Fail()
	head, n := c.m.Response()
	if !c.write(head, n) {
		return CloseNow
	}
	c.answered()
	return c.m.Closing()
}

// answered counts an answer that was written whole.
func (c *Conn) answered() {
	c.x.requests.Add(1)
	c.moment(Moment{Event: Answered})
}

// read waits for bytes and feeds them. It reports false when the connection
// is to be closed at once.
func (c *Conn) read() bool {
	x := c.x
	if phase, nth := c.m.Phase(), c.m.Started(); !c.waits || phase != c.phase || nth != c.nth {
		c.waits, c.phase, c.nth = true, phase, nth
		c.readDeadline.begin(time.Now(), x.timeout(phase))
	}
	buf := c.in
	if x.opts.Conversation == Once {
		buf = buf[:OnceRead]
	}
	for {
		err := c.readDeadline.arm(c.nc, setReadDeadline)
		if err != nil || x.stopping.Load() { // looked at only now: see stop
			return false
		}
		n, err := c.nc.Read(buf)
		switch {
		case n > 0:
			c.moment(Moment{Event: Read, Bytes: buf[:n]})
			c.m.Feed(buf[:n])
			return true
		case errors.Is(err, os.ErrDeadlineExceeded):
			if x.stopping.Load() {
				return false
			}
			if c.readDeadline.early(c.nc, setReadDeadline) {
				continue
			}
			c.timedOut(err)
			c.m.Timeout()
			return true
		case errors.Is(err, io.EOF):
			c.m.EOF()
			return true
		default: // a reset: nobody is there to be told
			return false
		}
	}
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
func (c *Conn) perform(w Work) (done bool) {
	begin := time.Now()
	c.moment(Moment{Event: Working, Work: w})
	done = true
	if w.Wait > 0 {
		if c.timer == nil {
			c.timer = time.NewTimer(w.Wait)
		} else {
			c.timer.Reset(w.Wait)
		}
		select {
		case <-c.timer.C:
		case <-c.x.graceOver:
			c.timer.Stop()
			done = false
		}
	}
	if done && w.Spin > 0 {
		done = c.x.spin(w.Spin)
	}
	c.m.Worked(time.Since(begin))
	c.moment(Moment{Event: Worked, Work: w})
	return done
}

// write sends head and n bytes of the filler within the write timeout, and
// reports whether all was sent.
func (c *Conn) write(head []byte, n int64) bool {
	x := c.x
	c.begun = true
	now := c.dated
	if c.dated = (time.Time{}); now.IsZero() {
		now = time.Now()
	}
	c.writeDeadline.begin(now, x.opts.WriteTimeout)
	small := int64(len(head))+n <= int64(cap(c.out))
	if small { // one plain write is cheaper than one that gathers
		c.out = append(append(c.out[:0], head...), filler[:n]...)
	} else {
		c.parts = append(c.parts[:0], head)
		for ; n > int64(len(filler)); n -= int64(len(filler)) {
			c.parts = append(c.parts, filler)
		}
		c.parts = append(c.parts, filler[:n])
	}
	rest := c.out
	c.unsent = c.parts // WriteTo eats it up
	for {
		err := c.writeDeadline.arm(c.nc, setWriteDeadline)
		if x.stopping.Load() && c.writeDeadline.noLaterThan(x.graceEnds()) {
			continue // see stop
		}
		if err != nil {
			return false
		}
		if small {
			var k int
			k, err = c.nc.Write(rest)
			rest = rest[k:]
		} else {
			_, err = c.unsent.WriteTo(c.nc)
		}
		switch {
		case err == nil:
			return true
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return false
		case !c.writeDeadline.early(c.nc, setWriteDeadline):
			c.timedOut(err)
			return false
		}
	}
}

// linger half-closes and drops what the peer still sends until it closes too,
// the bounds of a lingering close are reached, or the grace is over. A stop
// doesn't cut it short: the answer before it was promised.
func (c *Conn) linger() {
	x, d := c.x, &c.readDeadline
	if x.opts.LingerTimeout == 0 || c.nc.CloseWrite() != nil {
		return
	}
	d.begin(time.Now(), x.opts.LingerTimeout)
	for left := x.opts.LingerBytes; left > 0; {
		err := d.arm(c.nc, setReadDeadline)
		if x.stopping.Load() && d.noLaterThan(x.graceEnds()) {
			continue // see stop
		}
		if err != nil {
			return
		}
		n, err := c.nc.Read(c.in)
		left -= int64(n)
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && d.early(c.nc, setReadDeadline)) {
			return
		}
	}
}

// close closes the connection and gives c back.
func (c *Conn) close(held bool) {
	_ = c.nc.Close()
	c.x.closed(c, c.worker, held)
	c.moment(Moment{Event: Closed})
	c.nc = nil
	clear(c.parts)
	c.unsent = nil
	c.x.conns.Put(c)
}

func (c *Conn) timedOut(err error) {
	c.x.timeouts.Add(1)
	c.moment(Moment{Event: TimedOut, Err: err})
}

// moment tells the observer, if there is one.
func (c *Conn) moment(m Moment) {
	if f := c.x.observe; f != nil {
		m.Conn, m.Worker = c.id, c.worker
		f(m)
	}
}

// A deadline is one of a connection's two, armed lazily. The zero time is
// none.
type deadline struct {
	wanted time.Time // when time is up
	armed  time.Time // what the socket was told; not later than wanted
}

func setReadDeadline(nc stream, t time.Time) error  { return nc.SetReadDeadline(t) }
func setWriteDeadline(nc stream, t time.Time) error { return nc.SetWriteDeadline(t) }

// begin says that time is up in timeout from now, or never with a timeout of 0.
func (d *deadline) begin(now time.Time, timeout time.Duration) {
	d.wanted = time.Time{}
	if timeout > 0 {
		d.wanted = now.Add(timeout)
	}
}

// noLaterThan brings the deadline forward to end, and reports whether it was
// later.
func (d *deadline) noLaterThan(end time.Time) bool {
	if w := earlier(d.wanted, end); w != d.wanted {
		d.wanted = w
		return true
	}
	return false
}

// arm tells the socket, unless it will strike in time anyway.
func (d *deadline) arm(nc stream, set func(stream, time.Time) error) error {
	if d.wanted.IsZero() || !d.armed.IsZero() && !d.wanted.Before(d.armed) {
		return nil
	}
	d.armed = d.wanted
	return set(nc, d.wanted)
}

// early is asked when the deadline has struck. If time isn't up yet it tells
// the socket the deadline that is wanted and reports true.
func (d *deadline) early(nc stream, set func(stream, time.Time) error) bool {
	if !d.wanted.IsZero() && !time.Now().Before(d.wanted) {
		return false
	}
	d.armed = d.wanted
	return set(nc, d.wanted) == nil
}

// earlier returns the earlier of two deadlines.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

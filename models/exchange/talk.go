package exchange

import (
	"context"
	"fmt"
	"os"
	"time"
)

// A Talk is the conversation on one connection for a driver that must never
// block: an event loop. It does no I/O and knows no descriptor. What to do next
// is what [Driver.Next] says; what came of it is what the driver then tells it.
// It is to an event loop what Hold is to a goroutine: the same machine, the same
// timeouts, the same counts and moments, in the same order.
//
// A Talk is for one goroutine at a time. It may pass from one to another, as
// long as whoever gives it away doesn't look back.
//
// A silent connection is nothing but its Talk, of some ninety bytes: the machine
// that reads requests, and whatever memory it needs, are a driver's, lent for as
// long as a request is on its way.
type Talk struct {
	m        *Machine // nil while nothing of a request has come
	id       uint64
	deadline int64 // nanoseconds since the exchange's epoch; 0 for none
	begin    int64 // of the work, on the same clock
	left     int64 // sending: bytes of the body; lingering: bytes that may still be dropped
	from     int64 // sending: bytes of the body that were sent
	head     []byte
	worker   int32
	state    talkState
	phase    Phase // in which it waits for bytes
	waits    bool  // the deadline is that of phase
	gone     bool  // the peer, without a goodbye
	ended    bool  // the peer will send no more
	last     bool  // lingering, or to be closed, next
	interim  bool  // what is sent is no answer yet
	kept     bool  // head is the talk's own
}

type talkState uint8

const (
	talkOn      talkState = iota
	talkWork              // work is to be begun
	talkWait              // work waits
	talkSend              // something is to be sent
	talkLinger            // half-closed
	talkOver              // to be closed
	talkNothing           // closed, or not begun
)

// A Step is what a driver is to do next for a [Talk].
type Step uint8

// The steps.
const (
	ToReceive   Step = iota // wait for bytes until the deadline, then say Received, Ended or Broken
	ToWork                  // a request was read whole: perform its work, by StartWork, or by Perform on a goroutine that may block
	ToWait                  // nothing before the deadline: the work waits
	ToSend                  // send what Unsent says, and say Sent, by the deadline; or Broken
	ToHalfClose             // shut down the sending side, and ask again
	ToClose                 // close the descriptor, then say Closed
)

// A Driver is one goroutine's part in holding talks: its clock, and the memory
// that conversations need while something of a request is on its way. It is for
// that goroutine alone.
type Driver struct {
	// EachRequest has Next say ToWork for requests that ask for no work, too:
	// for models that hand each request to somebody else. It must be the same
	// for all drivers of a model, and set before the first talk begins.
	EachRequest bool

	x     *Exchange
	now   int64 // nanoseconds since the exchange's epoch
	date  func() []byte
	out   []byte
	spare []*Machine
	timer *time.Timer // of Perform
}

// spareMachines is how many machines a driver keeps for later. Where talks pass
// from one driver to another one gains what the other lacks: what is over goes
// through the exchange.
const spareMachines = 256

// NewDriver returns a driver for the calling goroutine. The exchange stops when
// ctx is done, even while all its drivers are at work.
func (x *Exchange) NewDriver(ctx context.Context) *Driver {
	x.stopWith(ctx)
	d := &Driver{x: x, out: make([]byte, 0, readSize)}
	if x.opts.Conversation == HTTP {
		d.date = func() []byte { return x.dateAt(d.now) }
	}
	d.Tick()
	return d
}

// Tick reads the clock. A loop does it once after each wait; timeouts are kept
// to what a turn of the loop takes.
func (d *Driver) Tick() int64 {
	d.now = d.x.now()
	return d.now
}

// ReadSize is the most bytes that one receive may take, the same for every
// model: it is part of the conversation "once".
func (x *Exchange) ReadSize() int {
	if x.opts.Conversation == Once {
		return OnceRead
	}
	return readSize
}

// Accept begins the talk of a connection that was accepted just now.
func (d *Driver) Accept(t *Talk) {
	*t = Talk{worker: -1, phase: PhaseHead}
	t.id = d.x.opened(nil)
	d.moment(t, Moment{Event: Accepted})
}

// Hold says that somebody holds the connection from now on: worker is one of
// those that were declared, or -1.
func (d *Driver) Hold(t *Talk, worker int) {
	t.worker = int32(worker)
	d.x.holds(t.id, worker)
	defer d.guard(t)
	d.moment(t, Moment{Event: Held})
}

// Deadline is when Next must be asked again at the latest, in nanoseconds on
// the clock that Tick reads; 0 for never. It changes with Next alone, and most
// often it moves away: a loop that leaves its timer as it was, and sets it anew
// when it strikes early, touches it seldom.
func (t *Talk) Deadline() int64 { return t.deadline }

// Received gives the talk bytes that the peer sent. They must stay unchanged
// until Next has returned anything but ToWork or ToSend, or Keep was called.
func (d *Driver) Received(t *Talk, b []byte) {
	if t.state == talkLinger {
		t.left -= int64(len(b))
		return
	}
	defer d.guard(t)
	d.lend(t)
	t.m.Feed(b)
	d.moment(t, Moment{Event: Read, Bytes: b})
}

// Ended says that the peer will send no more.
func (d *Driver) Ended(t *Talk) {
	if t.state == talkLinger {
		t.state = talkOver
		return
	}
	if t.ended = true; t.m != nil {
		t.m.EOF()
	}
}

// Broken says that nobody is there any more.
func (d *Driver) Broken(t *Talk) { t.gone = true }

// lend gives the talk a machine, if it has none.
func (d *Driver) lend(t *Talk) {
	if t.m == nil {
		if n := len(d.spare); n > 0 {
			t.m, d.spare = d.spare[n-1], d.spare[:n-1]
		} else if m, ok := d.x.spare.Get().(*Machine); ok {
			t.m = m
		} else {
			t.m = new(Machine)
		}
		t.m.Reset(d.x.opts.Conversation, d.date)
		t.m.phase, t.m.each = t.phase, d.EachRequest
		if t.ended {
			t.m.EOF()
		}
	}
	t.m.date = d.date // it may come from another driver
}

// takeBack takes the machine back.
func (d *Driver) takeBack(t *Talk) {
	if m := t.m; m != nil {
		t.m = nil
		if m.out, m.in, m.date = nil, nil, nil; len(d.spare) < spareMachines {
			d.spare = append(d.spare, m)
		} else {
			d.x.spare.Put(m)
		}
	}
}

// Keep has the talk keep what it needs of memory that isn't its own: what was
// received and not yet looked at, and what is to be sent of a head. A driver
// calls it before it turns to another connection, or gives the talk away, when
// Next has said ToWork, ToWait or ToSend.
func (d *Driver) Keep(t *Talk) { d.KeepIn(t, nil) }

// KeepIn is Keep for a driver that has memory for a head itself: it is kept in
// room, if that is large enough, which must then stay as it is until the head is
// sent.
func (d *Driver) KeepIn(t *Talk, room []byte) {
	if t.m != nil {
		t.m.keep()
	}
	if t.state == talkSend && len(t.head) > 0 && !t.kept {
		if cap(room) < len(t.head) {
			room = make([]byte, 0, len(t.head))
		}
		t.head, t.kept = append(room[:0], t.head...), true
	}
}

// Next says what to do now.
func (d *Driver) Next(t *Talk) (step Step) {
	defer func() {
		if p := recover(); p != nil {
			d.panicked(t, p)
			step = d.next(t)
		}
	}()
	return d.next(t)
}

func (d *Driver) next(t *Talk) Step {
	x := d.x
	for {
		if t.gone {
			t.state = talkOver
		}
		switch t.state {
		case talkOver, talkNothing:
			return ToClose
		case talkWork:
			return ToWork
		case talkWait:
			switch {
			case x.killed.Load():
				d.worked(t)
				t.state = talkOver
			case d.now < t.deadline:
				return ToWait
			default:
				d.spin(t)
			}
			continue
		case talkSend:
			if !d.late(t) {
				return ToSend
			}
			d.timedOut(t)
			t.state = talkOver
			continue
		case talkLinger:
			if t.last { // once
				t.last = false
				return ToHalfClose
			}
			if d.late(t) || t.left <= 0 {
				t.state = talkOver
				continue
			}
			return ToReceive
		}

		stopping := x.stopping.Load()
		if t.m == nil && !t.ended {
			if stopping {
				t.state = talkOver
				continue
			}
			d.awaits(t, t.phase)
			if !d.late(t) {
				return ToReceive
			}
		}
		d.lend(t)
		if stopping {
			t.m.Stop()
		}
		t.m.out = d.out
		act := t.m.Next()
		switch act {
		case NeedMore:
			d.out = t.m.out
			if stopping {
				t.state = talkOver
				continue
			}
			d.awaits(t, t.m.Phase())
			if d.late(t) {
				d.timedOut(t)
				t.m.Timeout()
				continue
			}
			if t.m.blank() {
				d.takeBack(t)
			}
			return ToReceive
		case DoWork:
			t.state = talkWork
		case Output:
			d.outputs(t)
		case Close:
			d.out = t.m.out
			d.closing(t)
		}
	}
}

// awaits begins the deadline of the phase in which the talk waits for bytes,
// if that is another one than before.
func (d *Driver) awaits(t *Talk, phase Phase) {
	if !t.waits || phase != t.phase {
		t.phase, t.waits, t.deadline = phase, true, 0
		if timeout := d.x.timeout(phase); timeout > 0 {
			t.deadline = d.now + int64(timeout)
		}
	}
}

// outputs makes the machine's response what is to be sent.
func (d *Driver) outputs(t *Talk) {
	head, n := t.m.Response()
	d.out = t.m.out
	t.from, t.waits = 0, false
	if int64(len(head))+n <= int64(cap(d.out)) { // in one piece
		head = append(head, filler[:n]...)
		n = 0
	}
	t.head, t.left, t.state, t.interim, t.kept = head, n, talkSend, t.m.Interim(), false
	t.deadline = 0
	if d.x.opts.WriteTimeout > 0 {
		t.deadline = d.now + int64(d.x.opts.WriteTimeout)
	}
	if d.x.stopping.Load() {
		d.noLaterThanGrace(t)
	}
}

// Unsent appends to parts what is to be sent, in their order, as far as parts
// has room for it.
func (t *Talk) Unsent(parts [][]byte) [][]byte {
	if len(t.head) > 0 {
		parts = append(parts, t.head)
	}
	size := int64(len(filler))
	for left, from := t.left, t.from%size; left > 0 && len(parts) < cap(parts); from = 0 {
		part := filler[from:min(size, from+left)]
		parts = append(parts, part)
		left -= int64(len(part))
	}
	return parts
}

// Sending reports whether something is still to be sent of what Next last said
// ToSend for.
func (t *Talk) Sending() bool { return t.state == talkSend }

// Sent says that n bytes of what is to be sent are.
func (d *Driver) Sent(t *Talk, n int) {
	defer d.guard(t)
	k := min(n, len(t.head))
	t.head = t.head[k:]
	t.from += int64(n - k)
	t.left -= int64(n - k)
	if len(t.head) > 0 || t.left > 0 {
		return
	}
	t.head = nil
	if !t.interim {
		d.x.requests.Add(1)
		d.moment(t, Moment{Event: Answered})
	}
	t.state = talkOn
}

// closing ends the conversation as the machine wants it.
func (d *Driver) closing(t *Talk) {
	x := d.x
	if t.m.Closing() != CloseLingering || x.opts.LingerTimeout == 0 {
		t.state = talkOver
		return
	}
	t.state, t.last, t.left = talkLinger, true, x.opts.LingerBytes
	t.deadline = d.now + int64(x.opts.LingerTimeout)
	if x.stopping.Load() {
		d.noLaterThanGrace(t)
	}
	d.takeBack(t)
}

// Stopping tells a talk that the exchange is stopping. A driver that sees it
// (see Exchange.Stopping) tells all its talks, and asks each what is next.
func (d *Driver) Stopping(t *Talk) {
	if t.state == talkWait || t.state == talkSend || t.state == talkLinger {
		d.noLaterThanGrace(t)
	}
}

// noLaterThanGrace brings the deadline forward to the end of the grace.
func (d *Driver) noLaterThanGrace(t *Talk) {
	if end := d.x.graceEnd.Load(); t.deadline == 0 || end < t.deadline {
		t.deadline = end
	}
}

// StartWork begins the work without blocking: Next then says ToWait until what
// it waits for is over. CPU that the work is to burn is burnt by Next, on the
// loop's own thread: a loop has no other.
func (d *Driver) StartWork(t *Talk) {
	defer d.guard(t)
	w := t.m.Work()
	if t.begin = d.Tick(); !w.asked() {
		t.state = talkOn
		return
	}
	d.moment(t, Moment{Event: Working, Work: w})
	t.state, t.deadline, t.waits = talkWait, t.begin+int64(w.Wait), false
	if d.x.stopping.Load() {
		d.noLaterThanGrace(t)
	}
}

// spin ends the work, when its wait is over.
func (d *Driver) spin(t *Talk) {
	w := t.m.Work()
	if waited := t.begin + int64(w.Wait); d.now < waited { // its deadline was brought forward
		t.deadline = waited
		if d.x.stopping.Load() {
			d.noLaterThanGrace(t)
		}
		if d.now < t.deadline {
			return
		}
		d.worked(t)
		t.state = talkOver // the grace is over
		return
	}
	t.state = talkOn
	if w.Spin > 0 && !d.x.spin(w.Spin) {
		t.state = talkOver
	}
	d.worked(t)
}

// Perform does the whole work, on a goroutine that may block for it. Its driver
// is the one that asks Next afterwards. A request that asks for no work isn't
// counted as at work.
func (d *Driver) Perform(t *Talk) {
	defer d.guard(t)
	x, w := d.x, t.m.Work()
	if t.begin = d.Tick(); !w.asked() {
		t.state = talkOn
		return
	}
	x.worksOn()
	defer x.worksOff()
	d.moment(t, Moment{Event: Working, Work: w})
	done := true
	if w.Wait > 0 {
		if d.timer == nil {
			d.timer = time.NewTimer(w.Wait)
		} else {
			d.timer.Reset(w.Wait)
		}
		select {
		case <-d.timer.C:
		case <-x.graceOver:
			d.timer.Stop()
			done = false
		}
	}
	t.state = talkOn
	if !done || w.Spin > 0 && !x.spin(w.Spin) {
		t.state = talkOver
	}
	d.worked(t)
}

// worked says how long the work took.
func (d *Driver) worked(t *Talk) {
	took := d.Tick() - t.begin
	t.m.Worked(time.Duration(took))
	d.moment(t, Moment{Event: Worked, Work: t.m.Work()})
}

// guard, deferred, has a panic cost its connection and nothing else.
func (d *Driver) guard(t *Talk) {
	if p := recover(); p != nil {
		d.panicked(t, p)
	}
}

// panicked ends a talk whose work panicked: the client is told, unless something
// of an answer may have gone out already.
func (d *Driver) panicked(t *Talk, p any) {
	d.x.panics.Add(1)
	d.moment(t, Moment{Event: Panicked, Err: fmt.Errorf("panic while answering: %v", p)})
	if t.state >= talkSend || t.m == nil || t.m.blank() {
		t.state = talkOver
		return
	}
	t.m.out, t.m.date = d.out, d.date
	t.m.Fail()
	d.outputs(t)
}

// Closed ends the talk: its descriptor is closed.
func (d *Driver) Closed(t *Talk) {
	d.takeBack(t)
	d.x.closed(nil, int(t.worker), true)
	d.moment(t, Moment{Event: Closed})
	*t = Talk{state: talkNothing, worker: -1}
}

// late reports whether the deadline has passed.
func (d *Driver) late(t *Talk) bool { return t.deadline != 0 && d.now >= t.deadline }

func (d *Driver) timedOut(t *Talk) {
	d.x.timeouts.Add(1)
	d.moment(t, Moment{Event: TimedOut, Err: os.ErrDeadlineExceeded})
}

func (d *Driver) moment(t *Talk, m Moment) {
	if f := d.x.observe; f != nil {
		m.Conn, m.Worker = t.id, int(t.worker)
		f(m)
	}
}

package load

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"workbench/harness/scenario"
	"workbench/models/eventloop"
)

// A customer, in the word of queueing theory, is whoever asks: a client of a
// closed loop for as long as there is a window, or one arrival after another.
// This file is the life of its requests: connect, send, receive, judge, account.
// Who asks when is another's. The rules are the portable engine's (see client).
type customer struct {
	slot       int
	generation uint32 // of its connection: events of one before are none of this one's
	fd         int    // -1: not connected

	stream   scenario.Stream
	request  scenario.Request // the present one
	number   int              // of it on its connection, by the plan: from 1
	last     bool             // the connection's, by the plan
	slow     bool             // it dribbles
	counts   bool             // not closed: its arrival was due in the window
	finished bool             // closed: a right answer, in settling or window
	met      bool             // it had a connection at all
	failures int              // in a row

	underWay    bool
	established bool            // of its connection: known to be
	reused      bool            // a request before was answered on it
	noticed     bool            // an event came while nothing was under way
	watched     eventloop.Ready // what its connection is watched for; 0: not yet
	text        []byte          // the request
	own         []byte          // room for one
	sent        int             // bytes of it
	answer      reader
	broken      unix.Errno // sending failed

	due       int64 // when the request was to be sent; what its times count from
	began     int64 // when it was
	dialled   int64 // when its connect began
	connect   int64 // how long that took, ns; below 0: there was none
	firstByte int64
	dribbled  int64 // when a slow one sent its first byte
	rested    int64 // when the present pause began
	wakes     int64 // and when it is to end

	waiting        *fifo // that it is in, while under way
	before, behind *customer
}

// A reference is to a customer's present connection.
type reference struct {
	*customer
	generation uint32
}

func (c *customer) token() uint64 { return uint64(c.slot) | uint64(c.generation)<<32 }

// ask sends the customer's next request: that of an arrival, which was due at
// due, or one (below 0) that is due when it is sent.
func (l *loop) ask(c *customer, due int64) {
	p := l.play
	c.began = l.read()
	if c.began >= p.window.to.Load() {
		l.turnAway(c, due)
		return
	}
	c.number++
	c.last = c.number == p.job.Scenario.RequestsPerConnection
	c.request = c.stream.Next()
	l.planUsed++
	c.waiting, c.due = &l.waiting[0], due
	switch {
	case due < 0:
		c.waiting, c.due = &l.waiting[1], c.began
		if !p.closed {
			l.series.due(c.due - int64(p.job.Settle))
		}
	case c.counts:
		l.sent++
		l.recorder.recordLatenessUnlocked(time.Duration(c.began - due))
	}
	if c.waiting.push(c); c.waiting.first == c {
		l.soon(c.due + int64(p.job.Timeout))
	}
	c.underWay = true
	l.began(c.began)
	c.text, c.sent, c.broken, c.connect = l.phrase(c), 0, 0, -1
	c.answer.begin(&l.judge, c.request)
	switch c.reused = c.fd >= 0; {
	case c.began-c.due >= int64(p.job.Timeout): // it waited for too long in here
		l.expire(c)
	case c.reused:
		l.outbox = append(l.outbox, reference{c, c.generation})
		if c.noticed { // it may be over, and then there will be no further event
			c.noticed = false
			l.lookAgainAt(c)
		}
	default:
		l.dial(c, c.began)
	}
}

// sendAll sends the requests that have begun on connections that are there.
func (l *loop) sendAll() {
	for i := 0; i < len(l.outbox); i++ { // there may come more
		if r := l.outbox[i]; r.customer.generation == r.generation && r.underWay && r.sent == 0 {
			l.send(r.customer)
		}
	}
	l.outbox = l.outbox[:0]
}

// dial connects and sends the request behind it, without waiting.
func (l *loop) dial(c *customer, at int64) {
	l.asked++
	c.dialled = at
	fd, errno := l.sources.connect(&l.play.server, l.open)
	if errno != 0 {
		l.finish(c, l.read(), failureOf(errno), os.NewSyscallError("connect", errno))
		return
	}
	c.fd, c.established, c.noticed, c.watched = fd, false, false, 0
	l.open++
	if c.slow {
		// Every byte is a send; the kernel would hold them back and make two of them.
		eventloop.SetNoDelay(fd)
	}
	// By now a connection on the same machine is there, or was refused. That it
	// is shows in that sending works.
	l.read()
	l.send(c)
}

// send sends what can be sent now, and has the connection watched.
func (l *loop) send(c *customer) {
	watch := eventloop.In
	switch errno := l.push(c); {
	case errno == 0:
	case errno == unix.EAGAIN:
		watch |= eventloop.Out
	case !c.established && errno != unix.ECONNRESET && errno != unix.EPIPE:
		l.finish(c, l.read(), failureOf(errno), os.NewSyscallError("connect", errno))
		return
	case errno != unix.ECONNRESET && errno != unix.EPIPE: // the kernel's lack of memory, say: no answer will come of it
		l.finish(c, l.read(), failureOf(errno), os.NewSyscallError("send", errno))
		return
	default:
		// A server that rejects may answer and close before it has read
		// anything. Sending then fails, but the answer may be there.
		l.establish(c)
		c.broken = errno
		l.timers.Cancel(c.slot)
		l.lookAgainAt(c)
	}
	var errno unix.Errno
	switch {
	case c.watched == 0:
		errno = l.poller.Add(c.fd, c.token(), watch)
	case watch&^c.watched != 0:
		errno = l.poller.Change(c.fd, c.token(), watch)
	default:
		return
	}
	if c.watched |= watch; errno != 0 {
		l.finish(c, l.read(), other, os.NewSyscallError("epoll_ctl", errno))
	}
}

// push sends as much of the request as may be sent now: all of it, or of a
// slow one the bytes whose time has come.
func (l *loop) push(c *customer) unix.Errno {
	for c.sent < len(c.text) {
		part := c.text[c.sent:]
		if c.slow {
			// Equal distances from the first byte to the last, counted from the
			// first: late timers don't add up.
			if over := int64(l.play.job.Scenario.Slow.Over()); c.sent > 0 {
				at := c.dribbled + over*int64(c.sent)/int64(len(c.text)-1)
				if at > l.now {
					l.timers.Set(c.slot, at)
					l.soon(at)
					return 0
				}
			}
			part = part[:1]
		}
		n, errno := eventloop.Send(c.fd, part)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0:
			return errno
		}
		l.establish(c)
		if c.sent == 0 {
			c.dribbled = l.now
		}
		c.sent += n
	}
	return 0
}

// establish notes that the connection was there when the clock was last read.
func (l *loop) establish(c *customer) {
	if !c.established {
		c.established, c.met = true, true
		c.connect = l.now - c.dialled
		l.connections++
	}
}

// handle does what a connection is ready for.
func (l *loop) handle(e *eventloop.Event) {
	token := e.Token()
	c := l.customers[uint32(token)]
	if c.generation != uint32(token>>32) {
		return // of a connection that was closed meanwhile
	}
	if !c.underWay {
		c.noticed = true // what it is, the next request will see
		return
	}
	ready := e.Ready()
	if ready&(eventloop.Out|eventloop.End) != 0 && c.watched&eventloop.Out != 0 && c.sent < len(c.text) && c.broken == 0 {
		l.read()
		if l.send(c); c.generation != uint32(token>>32) || !c.underWay {
			return
		}
	}
	if ready&(eventloop.In|eventloop.End) != 0 {
		l.receive(c, ready&eventloop.End != 0)
	}
}

// receive takes what there is of the answer. ended says that the connection's
// end has come already and won't be told again.
func (l *loop) receive(c *customer, ended bool) {
	for range mostReads {
		n, errno := eventloop.Recv(c.fd, l.buffer)
		switch {
		case errno == unix.EAGAIN:
			return
		case errno == unix.EINTR:
			continue
		case errno != 0:
			l.lost(c, errno)
			return
		case n == 0:
			l.lost(c, io.EOF)
			return
		}
		now := l.read()
		if c.answer.empty {
			c.firstByte = now
		}
		done, f, err := c.answer.feed(&l.judge, l.buffer[:n])
		switch {
		case done:
			l.finish(c, now, f, err)
			return
		case n < len(l.buffer) && !ended:
			return // that was all, until the next event
		}
	}
	l.lookAgainAt(c)
}

// lost takes the end of the connection, err, before that of the answer.
func (l *loop) lost(c *customer, err error) {
	now := l.read()
	if c.answer.empty && c.broken != 0 {
		err = c.broken
	}
	syscall := "recv"
	if c.broken != 0 {
		syscall = "send"
	}
	f, err := c.answer.end(&l.judge, os.NewSyscallError(syscall, err))
	if c.reused && c.answer.empty && (f == reset || f == truncated) {
		// The server had closed the connection before this request came: its
		// right, and no failure. A new connection can't be stale, so this
		// happens once a request.
		l.stale++
		l.hangUp(c)
		c.reused, c.sent, c.broken = false, 0, 0
		c.answer.begin(&l.judge, c.request)
		l.dial(c, now)
		return
	}
	l.finish(c, now, f, err)
}

var errTimeout = fmt.Errorf("no whole answer in time: %w", os.ErrDeadlineExceeded)

// expire ends a request whose time is over.
func (l *loop) expire(c *customer) {
	f, err := c.answer.end(&l.judge, errTimeout)
	l.finish(c, l.now, f, err)
}

// finish accounts for a request that ended at t, rightly or not, and goes on
// with what its customer does next. c may be somebody else when it returns.
func (l *loop) finish(c *customer, t int64, f failure, err error) {
	p := l.play
	l.conclude(c, t)
	if to := p.window.to.Load(); c.began < to && t > to {
		l.unfinished++
	}
	if f == none {
		l.right(c, t)
	} else {
		f.count(&l.errors)
		l.series.failed(c.due - int64(p.job.Settle))
		if l.firstError == nil {
			l.firstError = fmt.Errorf("%s http://%s%s: %w", method(c.text), p.host, target(c.text), err)
			l.firstErrorAt = t
		}
	}
	if c.fd < 0 || !c.last && f == none && !c.answer.last && c.sent == len(c.text) {
		l.goOn(c, t, f == none)
		return
	}
	// To close takes 15 µs, which are nobody's request: the next one begins
	// before that.
	old := l.detach(c)
	l.goOn(c, t, f == none)
	eventloop.Close(old)
}

// right accounts for a right answer.
func (l *loop) right(c *customer, t int64) {
	p := l.play
	l.requestsAll++
	holds := p.window.holds(t)
	if l.series != nil {
		at := t - int64(p.job.Settle)
		if !holds {
			at = outside
		}
		l.series.answered(c.due-int64(p.job.Settle), at)
	}
	if p.closed && !c.finished && t <= p.window.to.Load() {
		c.finished = true
		if p.yetToFinish.Add(-1) == 0 {
			p.loops[0].nudge()
		}
	}
	if holds {
		l.requests++
		if p.job.MinRequests > 0 && p.counted.Add(1) == p.job.MinRequests {
			p.loops[0].nudge()
		}
	}
	if p.closed && holds || c.counts {
		l.edges -= t - c.due
		l.recorder.recordUnlocked(sample{
			latency: time.Duration(t - c.due), firstByte: time.Duration(c.firstByte - c.due),
			connect: time.Duration(c.connect), service: c.answer.took,
		})
	}
}

// cut ends a request that is under way: by this side.
func (l *loop) cut(c *customer) {
	if c.underWay {
		l.conclude(c, l.now)
		l.unfinished++
	}
	l.dismiss(c)
}

// conclude takes a request that ended at t off the lists.
func (l *loop) conclude(c *customer, t int64) {
	c.underWay = false
	l.ended(t)
	l.edges += l.play.window.overlap(c.began, t)
	c.waiting.remove(c)
	if c.slow {
		l.timers.Cancel(c.slot)
	}
}

// hangUp closes the connection: with FIN, if there is nothing left to read.
func (l *loop) hangUp(c *customer) { eventloop.Close(l.detach(c)) }

// detach parts c from its connection, which is to be closed.
func (l *loop) detach(c *customer) (fd int) {
	fd, c.fd = c.fd, -1
	c.generation++
	l.open--
	return fd
}

// lookAgainAt has c looked at though there may be no event: after everybody
// else who is ready.
func (l *loop) lookAgainAt(c *customer) {
	l.again = append(l.again, reference{c, c.generation})
}

func (l *loop) lookAgain() {
	n := len(l.again)
	for _, r := range l.again[:n] {
		if r.customer.generation == r.generation && r.underWay {
			l.receive(r.customer, true)
		}
	}
	l.again = append(l.again[:0], l.again[n:]...)
}

package load

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A client plays streams of the plan, one after the other, in a goroutine of
// its own. In a closed loop it plays one stream for as long as there is a
// window:
//
//	connect, k requests, close, think, and again
//
// Which request is a connection's last, and so followed by a close and a
// think time, is a matter of its number in the stream alone: request i is, if
// k divides i+1. A server that closes early, or fails, costs a connection more
// and shifts nothing. The think time is the one that the plan drew with that
// last request; those drawn with the others are not used.
//
// After a failure the client closes, backs off for 1 ms, twice that with every
// further failure in a row and at most 100 ms, and goes on with its next
// request on a new connection. Without, a server that refuses would be asked
// by 64 clients without a pause. Back-off belongs to no request: it is
// accounted for beside them.
//
// In the other loops it plays a session for each arrival that it is given:
//
//	connect, request, think, request, ..., close
//
// k requests with a think time between two of them; in an open loop k is 1. A
// failure ends the session: whoever was failed isn't served by a second try,
// and an arrival that came twice would be two.
type client struct {
	play     *playing
	stream   *scenario.Stream
	recorder *recorder
	judge    judge
	answer   reader        // of the request under way
	in, out  []byte        // what was read; the request
	slow     time.Duration // over which it dribbles a request; 0: it sends it at once
	timer    *time.Timer   // of think time, back-off and dribbling; nil until needed

	mu   sync.Mutex // for abandon, which another goroutine calls
	conn net.Conn   // nil: not connected. Written under mu, by this client alone
	gone bool       // abandoned: no further connection

	// What it saw; read by others when it is done.
	requests, requestsAll, planUsed, asked, connections, stale, unfinished int64
	sent                                                                   int64 // arrivals that were due in the window

	errors       result.Errors
	finished     bool  // a right answer, in settling or window
	recorded     int64 // ns of the window spent in requests
	paused       int64 // ns of the window spent thinking or backing off
	firstError   error
	firstErrorAt int64
}

// Buffers hold a head and a small body in one read. For large bodies they are
// larger, to save system calls, but bounded: there may be 10,000 of them.
const (
	smallBuffer = 4 << 10
	largeBuffer = 32 << 10
)

func newClient(p *playing, s *scenario.Stream, r *recorder) *client {
	size := smallBuffer
	if p.job.Scenario.Bytes > smallBuffer/2 {
		size = largeBuffer
	}
	return &client{play: p, stream: s, recorder: r, judge: newJudge(p.job), in: make([]byte, size), out: make([]byte, 0, 256)}
}

// beSlow has c dribble if the scenario has client, or arrival, n do so.
func (c *client) beSlow(n int) {
	c.slow = 0
	if s := c.play.job.Scenario; s.IsSlow(n) {
		c.slow = s.Slow.Over()
	}
}

// live plays a client of a closed loop.
func (c *client) live() {
	defer c.hangUp()
	p := c.play
	perConnection, failures := p.job.Scenario.RequestsPerConnection, 0
	for i := 1; ; i++ {
		now := p.now()
		if now >= p.window.to.Load() {
			return
		}
		r := c.stream.Next()
		c.planUsed++
		last := i == perConnection
		if last {
			i = 0
		}
		ok := c.request(r, last, arrival{due: now, sent: now})
		if last || !ok {
			c.hangUp()
		}
		if last && r.ThinkUs > 0 {
			c.pause(time.Duration(r.ThinkUs) * time.Microsecond)
		}
		if failures++; ok {
			failures = 0
		} else {
			c.pause(backOff(failures))
		}
	}
}

// backOff is the pause after so many failures in a row.
func backOff(failures int) time.Duration {
	return min(time.Millisecond<<min(failures-1, 10), 100*time.Millisecond)
}

// session plays an arrival that is due at the given time of the slice's clock.
func (c *client) session(due int64) {
	defer c.hangUp()
	p := c.play
	perConnection := p.job.Scenario.RequestsPerConnection
	counts := p.window.admits(due)
	for i := 1; ; i++ {
		now := p.now()
		switch {
		case now >= p.window.to.Load():
			if i == 1 { // it came too late to its turn
				c.unfinished++
			}
			return
		case i > 1:
			due = now
			p.vary(func(s *series, opened int64) { s.due(due - opened) })
		}
		r := c.stream.Next()
		c.planUsed++
		ok := c.request(r, i == perConnection, arrival{due: due, sent: now, counts: counts})
		if i == 1 && counts {
			c.sent++
			c.recorder.recordLateness(time.Duration(now - due))
		}
		if !ok || i == perConnection {
			return
		}
		if r.ThinkUs > 0 {
			c.pause(time.Duration(r.ThinkUs) * time.Microsecond)
		}
	}
}

// pause returns after d, or when the window is over. It is time that the
// clients mean to pass without a request, and so accounted for; to wake late
// isn't meant.
func (c *client) pause(d time.Duration) {
	start := c.play.now()
	c.wait(d, c.play.over)
	c.paused += c.play.window.overlap(start, start+int64(d))
}

// wait returns after d, or when early is closed.
func (c *client) wait(d time.Duration, early <-chan struct{}) {
	if c.timer == nil {
		c.timer = time.NewTimer(d)
	} else {
		c.timer.Reset(d)
	}
	select {
	case <-c.timer.C:
	case <-early:
		c.timer.Stop()
	}
}

// An arrival is when a request was to be sent, and when it was. In a closed
// loop, and within a session, both are the same: nothing intends an earlier
// send than the answer to the one before lets it.
type arrival struct {
	due, sent int64 // on the slice's clock
	counts    bool  // not closed: its arrival was due in the window
}

// request asks for r, connecting first if need be, and accounts for it. It
// reports whether the answer was right.
func (c *client) request(r scenario.Request, last bool, a arrival) (ok bool) {
	p := c.play
	if p.fixed != nil {
		c.out = p.fixed // and never written to
	} else {
		c.out = appendRequest(c.out[:0], p.addr, p.job.Scenario.Conversation, r, last)
	}
	p.underWay.change(p, 1)
	deadline := p.begin.Add(time.Duration(a.due) + p.job.Timeout)
	connect := time.Duration(-1)
	var firstByte int64
	var f failure
	var err error
	for {
		reused := c.conn != nil
		if !reused {
			before := p.now()
			if f, err = c.connect(deadline); f != none {
				break
			}
			connect = time.Duration(p.now() - before)
		}
		firstByte, f, err = c.converse(r, deadline)
		if reused && c.answer.empty && (f == reset || f == truncated) && !p.abandoned.Load() {
			// The server had closed the connection before this request came:
			// its right, and no failure. A new connection can't be stale, so
			// this happens once a request.
			c.stale++
			c.hangUp()
			continue
		}
		break
	}
	end := p.now()
	p.underWay.change(p, -1)

	c.recorded += p.window.overlap(a.sent, end)
	cut := f != none && p.abandoned.Load() // by this side
	if to := p.window.to.Load(); cut || a.sent < to && end > to {
		c.unfinished++
	}
	switch {
	case cut:
		return false
	case f != none:
		f.count(&c.errors)
		p.vary(func(s *series, opened int64) { s.failed(a.due - opened) })
		if c.firstError == nil {
			c.firstError, c.firstErrorAt = fmt.Errorf("%s http://%s%s: %w", method(c.out), p.addr, target(c.out), err), end
		}
		return false
	}
	c.requestsAll++
	inWindow := p.window.holds(end)
	p.vary(func(s *series, opened int64) {
		at := end - opened
		if !inWindow {
			at = outside
		}
		s.answered(a.due-opened, at)
	})
	if p.closed && !c.finished && end <= p.window.to.Load() {
		c.finished = true
		if p.yetToFinish.Add(-1) == 0 {
			close(p.allFinished)
		}
	}
	if inWindow {
		c.requests++
		if p.job.MinRequests > 0 && p.counted.Add(1) == p.job.MinRequests {
			close(p.enough)
		}
	}
	if p.closed && inWindow || a.counts {
		c.recorder.record(sample{
			latency: time.Duration(end - a.due), firstByte: time.Duration(firstByte - a.due),
			connect: connect, service: c.answer.took,
		})
	}
	if c.answer.last {
		c.hangUp()
	}
	return true
}

// appendRequest appends a request to b, in the words of the conversation.
func appendRequest(b []byte, host, conversation string, r scenario.Request, last bool) []byte {
	b = append(b, "GET /"...)
	if conversation == scenario.ConversationHTTP {
		mark := byte('?')
		for _, asked := range [...]struct {
			key, unit string
			n         int64
		}{{"wait=", "us", r.WaitUs}, {"spin=", "us", r.SpinUs}, {"bytes=", "", r.Bytes}} {
			if asked.n != 0 {
				b = append(append(b, mark), asked.key...)
				b = append(strconv.AppendInt(b, asked.n, 10), asked.unit...)
				mark = '&'
			}
		}
	}
	b = append(append(append(b, " HTTP/1.1\r\nHost: "...), host...), "\r\n"...)
	if last && conversation == scenario.ConversationHTTP {
		b = append(b, "Connection: close\r\n"...)
	}
	return append(b, "\r\n"...)
}

// fixedRequest is the request that is sent instead of what the plan asks for,
// or nil where there is none. People write such a file in an editor: "{host}"
// in it becomes host, the lines of its head may end in LF alone, and the empty
// line behind the head may be missing.
func (j Job) fixedRequest(host string) []byte {
	if len(j.Request) == 0 {
		return nil
	}
	rest := bytes.ReplaceAll(j.Request, []byte("{host}"), []byte(host))
	var b []byte
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) == 0 {
			break
		}
		b = append(append(b, line...), "\r\n"...)
	}
	return append(append(b, "\r\n"...), rest...)
}

// method is the first word of a request: "GET".
func method(request []byte) []byte {
	word, _, _ := bytes.Cut(request, []byte(" "))
	return word
}

// target is what a request asks for: "/?wait=10us".
func target(request []byte) []byte {
	if fields := bytes.Fields(request); len(fields) > 1 {
		return fields[1]
	}
	return []byte("/")
}

// connect makes c.conn, until deadline.
func (c *client) connect(deadline time.Time) (failure, error) {
	c.asked++
	conn, err := c.play.engine.dial(c.play.dialling, c.play.addr, deadline)
	if err != nil {
		return failureOf(err), err
	}
	c.connections++
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	if c.gone {
		conn.Close() // what follows fails at once
	}
	return none, nil
}

// hangUp closes the connection, if there is one: an orderly end, for there is
// nothing left to read.
func (c *client) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// abandon ends what c is doing. Unlike all else here it is called by another
// goroutine.
func (c *client) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.conn != nil {
		c.conn.Close()
	}
}

// The default body is this once; a body of n bytes is the first n bytes of its
// endless repetition.
const greeting = "Hello, World!\n"

// pattern is so long that any part of a body that fits into a buffer can be
// compared with a part of it, wherever it begins.
var pattern = bytes.Repeat([]byte(greeting), largeBuffer/len(greeting)+2)

// isBody reports whether part, at the given offset of a body, is right.
func isBody(part []byte, offset int64) bool {
	begin := int(offset % int64(len(greeting)))
	return bytes.Equal(part, pattern[begin:begin+len(part)])
}

// converse sends the request in c.out and reads its answer, to the last byte
// of the body, into c.answer. firstByte is when that began, on the slice's
// clock. An error goes with every failure. It doesn't allocate unless something
// fails.
func (c *client) converse(r scenario.Request, deadline time.Time) (firstByte int64, f failure, err error) {
	c.answer.begin(&c.judge, r)
	// Only reading has a deadline, which saves a timer: a request of 200 bytes
	// always fits into the empty buffer of a socket.
	if err := c.conn.SetReadDeadline(deadline); err != nil {
		return 0, failureOf(err), err
	}
	// A server that rejects may answer and close before it has read anything.
	// Writing then fails, but the answer may be there.
	writeErr := c.send(deadline)
	for {
		n, err := c.conn.Read(c.in)
		if n > 0 && c.answer.empty {
			firstByte = c.play.now()
		}
		done, f, wrong := c.answer.feed(&c.judge, c.in[:n])
		switch {
		case done:
			return firstByte, f, wrong
		case err == nil:
			continue
		case c.answer.empty && writeErr != nil:
			err = writeErr
		}
		f, err = c.answer.end(&c.judge, err)
		return firstByte, f, err
	}
}

// send writes the request: at once, or as slowly as c is.
func (c *client) send(deadline time.Time) error {
	if c.slow == 0 {
		_, err := c.conn.Write(c.out)
		return err
	}
	// Byte by byte at equal distances, the first at once and the last when the
	// time is over. The distances are from the beginning: late timers don't
	// add up.
	begin, gaps := time.Now(), time.Duration(max(1, len(c.out)-1))
	for i := range c.out {
		next := begin.Add(c.slow * time.Duration(i) / gaps)
		if next.After(deadline) {
			next = deadline
		}
		if d := time.Until(next); d > 0 {
			c.wait(d, c.play.hungUp)
		}
		if c.play.abandoned.Load() || !time.Now().Before(deadline) {
			return os.ErrDeadlineExceeded
		}
		if _, err := c.conn.Write(c.out[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

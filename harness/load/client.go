package load

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A client plays one stream of the plan, in a goroutine of its own:
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
// by 64 clients without a pause. Back-off belongs to no request: it shows in
// the residual of Little's law.
type client struct {
	play     *playing
	stream   *scenario.Stream
	recorder *recorder
	judge    judge
	answer   reader      // of the request under way
	in, out  []byte      // what was read; the request
	timer    *time.Timer // of think time and back-off; nil until needed

	mu   sync.Mutex // for abandon, which another goroutine calls
	conn net.Conn   // nil: not connected. Written under mu, by this client alone
	gone bool       // abandoned: no further connection

	// What it saw; read by others when it is done.
	requests, requestsAll, planUsed, connections, stale, unfinished int64

	errors       result.Errors
	finished     bool  // a right answer, in settling or window
	covered      int64 // ns of the window spent in requests or thinking
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

func (c *client) live() {
	defer c.hangUp()
	p := c.play
	perConnection, failures := p.job.Scenario.RequestsPerConnection, 0
	for i := 1; p.now() < p.window.to.Load(); i++ {
		r := c.stream.Next()
		c.planUsed++
		last := i == perConnection
		if last {
			i = 0
		}
		ok := c.request(r, last)
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

// pause returns after d, or when the window is over. It is time that the
// clients mean to pass without a request, and so accounted for.
func (c *client) pause(d time.Duration) {
	start := c.play.now()
	defer func() { c.covered += c.play.window.overlap(start, c.play.now()) }()
	if c.timer == nil {
		c.timer = time.NewTimer(d)
	} else {
		c.timer.Reset(d)
	}
	select {
	case <-c.timer.C:
	case <-c.play.over:
		c.timer.Stop()
	}
}

// request asks for r, connecting first if need be, and accounts for it. It
// reports whether the answer was right.
func (c *client) request(r scenario.Request, last bool) (ok bool) {
	p := c.play
	c.out = appendRequest(c.out[:0], p.addr, p.job.Scenario.Conversation, r, last)
	start := p.now()
	deadline := p.begin.Add(time.Duration(start) + p.job.Timeout)
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

	c.covered += p.window.overlap(start, end)
	cut := f != none && p.abandoned.Load() // by this side
	if to := p.window.to.Load(); cut || start < to && end > to {
		c.unfinished++
	}
	switch {
	case cut:
		return false
	case f != none:
		f.count(&c.errors)
		if c.firstError == nil {
			c.firstError, c.firstErrorAt = fmt.Errorf("GET http://%s%s: %w", p.addr, target(c.out), err), end
		}
		return false
	}
	c.requestsAll++
	if !c.finished && end <= p.window.to.Load() {
		c.finished = true
		if p.yetToFinish.Add(-1) == 0 {
			close(p.allFinished)
		}
	}
	if p.window.holds(end) {
		c.requests++
		c.recorder.record(sample{
			latency: time.Duration(end - start), firstByte: time.Duration(firstByte - start),
			connect: connect, service: c.answer.took,
		})
		if p.job.MinRequests > 0 && p.counted.Add(1) == p.job.MinRequests {
			close(p.enough)
		}
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

// target is what a request asks for: "/?wait=10us".
func target(request []byte) []byte {
	return bytes.Fields(request)[1]
}

// connect makes c.conn, until deadline.
func (c *client) connect(deadline time.Time) (failure, error) {
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
	_, writeErr := c.conn.Write(c.out)
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

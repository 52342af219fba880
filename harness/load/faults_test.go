package load

import (
	"bufio"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A fault is a way of not answering rightly, or just so, and what the clients
// are to count it as.
type fault struct {
	is     string
	counts func(*result.Errors) *int64 // nil: a right answer
	early  bool                        // it doesn't wait for a request
	answer func(c *net.TCPConn, right string)
}

var (
	asReset     = func(e *result.Errors) *int64 { return &e.Reset }
	asTimeout   = func(e *result.Errors) *int64 { return &e.Timeout }
	asRejected  = func(e *result.Errors) *int64 { return &e.Rejected }
	asTruncated = func(e *result.Errors) *int64 { return &e.Truncated }
	asBad       = func(e *result.Errors) *int64 { return &e.BadResponse }
)

// say writes s and closes; sayAndReset resets instead.
func say(s string) func(*net.TCPConn, string) {
	return func(c *net.TCPConn, _ string) { io.WriteString(c, s) }
}

func sayPart(n int, reset bool) func(*net.TCPConn, string) {
	return func(c *net.TCPConn, right string) {
		if n < 0 {
			n += len(right)
		}
		io.WriteString(c, right[:n])
		if reset {
			c.SetLinger(0)
		}
	}
}

// garbage writes a for ever, behind the head, if any.
func garbage(head, a string) func(*net.TCPConn, string) {
	return func(c *net.TCPConn, _ string) {
		io.WriteString(c, head)
		for {
			if _, err := io.WriteString(c, a); err != nil {
				return
			}
		}
	}
}

func hush(c *net.TCPConn, _ string) { io.Copy(io.Discard, c) }

var faults = []fault{
	{"right", nil, false, func(c *net.TCPConn, right string) { io.WriteString(c, right) }},
	{"right, a byte at a time", nil, false, func(c *net.TCPConn, right string) {
		for i := range right {
			io.WriteString(c, right[i:i+1])
		}
	}},
	{"reset at accept", asReset, true, func(c *net.TCPConn, _ string) { c.SetLinger(0) }},
	{"reset for an answer", asReset, false, sayPart(0, true)},
	{"reset in the head", asReset, false, sayPart(20, true)},
	{"reset in the body", asReset, false, sayPart(-3, true)},
	{"closed for an answer", asTruncated, false, sayPart(0, false)},
	{"closed in the head", asTruncated, false, sayPart(20, false)},
	{"closed in the body", asTruncated, false, sayPart(-1, false)},
	{"503", asRejected, false, say("HTTP/1.1 503 Full\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlater")},
	{"503 in half", asRejected, false, say("HTTP/1.1 503 Full\r\nContent-Length: 5\r\nConnection: close\r\n\r\nla")},
	{"another status", asBad, false, say("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")},
	{"another body", asBad, false, func(c *net.TCPConn, right string) {
		io.WriteString(c, strings.Replace(right, "World", "Moon!", 1))
	}},
	{"another length", asBad, false, say("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\nHello, World!")},
	{"surplus", asBad, false, func(c *net.TCPConn, right string) { io.WriteString(c, right+"!") }},
	{"no HTTP", asBad, false, say("220 smtp.example.org ESMTP\r\n\r\n")},
	{"garbage for ever", asBad, false, garbage("", "garbage ")},
	{"lines of garbage for ever", asBad, false, garbage("", "garbage\r\n")},
	{"a right head, then garbage for ever", asBad, false, garbage("HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n", "garbage ")},
	{"silence", asTimeout, true, hush},
	{"silence after half an answer", asTimeout, false, func(c *net.TCPConn, right string) {
		io.WriteString(c, right[:30])
		hush(c, right)
	}},
}

// A faultServer injects faults, and counts them.
type faultServer struct {
	mu       sync.Mutex
	random   *rand.Rand
	injected map[string]int64
}

// next draws a fault. Silence costs a client its timeout and so is drawn less.
func (s *faultServer) next() fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		f := faults[s.random.IntN(len(faults))]
		if strings.HasPrefix(f.is, "silence") && s.random.IntN(8) > 0 {
			continue
		}
		s.injected[f.is]++
		return f
	}
}

func (s *faultServer) serve(c *net.TCPConn) {
	f := s.next()
	right := string(asked{close: true}.answer())
	if !f.early {
		if _, err := readRequest(bufio.NewReader(c)); err != nil {
			panic("a client without a request: " + err.Error())
		}
	}
	f.answer(c, right)
}

// A server that does everything wrong that there is, in an order of its own:
// both sides count the same, kind by kind, and nothing else.
func TestEveryFaultIsCountedUnderItsKind(t *testing.T) {
	for _, row := range []struct {
		is string
		s  scenario.Scenario
	}{
		{"by clients of a closed loop", closed(16, 1, "", "")},
		{"in an open loop", open(500, scenario.ArrivalsPoisson, "")},
		{"by sessions, which it ends or sends on to another connection", sessions(500, scenario.ArrivalsPoisson, 2, "", "")},
	} {
		t.Run(row.is, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, e Engine) {
				server := &faultServer{random: rand.New(rand.NewPCG(1, 2)), injected: map[string]int64{}}
				addr, shut := listen(t, server.serve)
				l := play(t, e, Job{Addr: addr, Scenario: row.s, Seed: 3, Count: 400 * ms, Timeout: 500 * ms})
				shut()
				var want, got result.Errors
				var right, all int64
				for _, f := range faults {
					if n := server.injected[f.is]; f.counts != nil {
						*f.counts(&want) += n
					} else {
						right += n
					}
					all += server.injected[f.is]
				}
				if len(server.injected) < len(faults)-1 {
					t.Errorf("of %d faults only %d came: %v", len(faults), len(server.injected), server.injected)
				}
				if got = l.Errors; got != want {
					t.Errorf("(-injected +counted):\n%s\nof %v (%s)", cmp.Diff(want, got), maps.Collect(maps.All(server.injected)), l.FirstError)
				}
				// A reset at accept may come before the client knows that it is connected.
				if l.RequestsAll != right || l.PlanUsed != all || l.Connections > all || l.Connections < all-server.injected["reset at accept"] || l.ConnectionsAsked != all || l.Stale != 0 {
					t.Errorf("%d right of %d requests on %d connections (%d asked), %d stale; the server says %d of %d",
						l.RequestsAll, l.PlanUsed, l.Connections, l.ConnectionsAsked, l.Stale, right, all)
				}
			})
		})
	}
}

// Whatever a server does to its clients, a slice ends when it should: a
// request's timeout after the window, and not later.
func TestSliceEndsOnTime(t *testing.T) {
	for _, f := range faults {
		if f.counts == nil {
			continue
		}
		t.Run(f.is, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, e Engine) {
				addr, shut := listen(t, func(c *net.TCPConn) {
					if !f.early {
						readRequest(bufio.NewReader(c))
					}
					f.answer(c, string(asked{close: true}.answer()))
				})
				job := Job{Addr: addr, Scenario: open(200, scenario.ArrivalsConstant, ""), Count: 50 * ms}
				if strings.HasPrefix(f.is, "silence") {
					job.Timeout = 100 * ms
				}
				begin := time.Now()
				l := play(t, e, job)
				took := time.Since(begin)
				shut()
				// On an idle machine it is over after 150 ms at most. What this is to
				// find is a wait for something that never comes, such as the timeout of
				// 10 s where there is no silence.
				if took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				if n := *f.counts(&l.Errors); n == 0 || n != l.Errors.Total() || l.RequestsAll != 0 || l.PlanUsed != n {
					t.Errorf("errors %+v of %d requests, %d right (%s)", l.Errors, l.PlanUsed, l.RequestsAll, l.FirstError)
				}
			})
		})
	}
}

// Nobody listens: every arrival is refused, each on its own.
func TestRefusedArrivals(t *testing.T) {
	eachEngine(t, func(t *testing.T, e Engine) {
		addr, shut := listen(t, func(*net.TCPConn) {})
		shut()
		l := play(t, e, Job{Addr: addr, Scenario: open(500, scenario.ArrivalsConstant, ""), Count: 101 * ms})
		if l.Due != 50 || l.Errors.Refused != l.Sent || l.Errors.Total() != l.Sent || l.Sent == 0 || l.Sent+l.Unfinished < l.Due || l.Connections != 0 || l.ConnectionsAsked != l.Sent {
			t.Errorf("%d due, %d sent, errors %+v, %d connections of %d, %d unfinished", l.Due, l.Sent, l.Errors, l.Connections, l.ConnectionsAsked, l.Unfinished)
		}
	})
}

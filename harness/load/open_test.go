package load

import (
	"bufio"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// open is a load of so many arrivals a second.
func open(rate float64, arrivals, wait string) scenario.Scenario {
	s := closed(1, 1, wait, "")
	s.Loop, s.Clients, s.Rate, s.Arrivals = scenario.LoopOpen, 0, rate, arrivals
	return s
}

// sessions is a load of so many sessions a second, of k requests each.
func sessions(rate float64, arrivals string, k int, wait, think string) scenario.Scenario {
	s := closed(1, k, wait, think)
	s.Loop, s.Clients, s.Rate, s.Arrivals = scenario.LoopPartlyOpen, 0, rate, arrivals
	return s
}

// Arrivals every 10 ms, the first after 10 ms: on synctest's clock a send is
// never late of itself, and every figure is exact.
func TestOpenSlice(t *testing.T) {
	const constant = scenario.ArrivalsConstant
	type figures struct {
		due, sent, delayed, requests, requestsAll, planUsed, unfinished, timeouts int64
		windowUs                                                                  float64
		latencies, lateness                                                       []time.Duration
		took                                                                      time.Duration
	}
	list := func(first, step time.Duration, n int) (l []time.Duration) {
		for i := range n {
			l = append(l, first+time.Duration(i)*step)
		}
		return l
	}
	for _, row := range []struct {
		is   string
		job  Job
		want figures
	}{
		{"5 ms each: whoever is due when the window opens is in it, and who is due when it closes isn't sent",
			Job{Scenario: open(100, constant, "5ms"), Settle: 20 * ms, Count: 100 * ms},
			figures{10, 10, 0, 10, 11, 11, 0, 0, 100_000, list(5*ms, 0, 10), list(0, 0, 10), 120 * ms}},
		{"15 ms each: the last is unfinished when the window ends, and recorded all the same; the two of settling come in it, and aren't",
			Job{Scenario: open(100, constant, "15ms"), Settle: 21 * ms, Count: 89 * ms},
			figures{8, 8, 0, 9, 10, 10, 1, 0, 89_000, list(15*ms, 0, 8), list(0, 0, 8), 115 * ms}},
		{"settling until all have finished is for clients, and there are none",
			Job{Scenario: open(100, constant, "5ms"), Settle: 20 * ms, SettleUntilAll: time.Second, Count: 100 * ms},
			figures{10, 10, 0, 10, 11, 11, 0, 0, 100_000, list(5*ms, 0, 10), list(0, 0, 10), 120 * ms}},
		{"25 ms each on one connection: all but the first wait in the client, and five of nine are never sent",
			Job{Scenario: open(100, constant, "25ms"), Count: 100 * ms, MaxConnections: 1},
			figures{9, 4, 8, 3, 4, 4, 6, 0, 100_000, list(25*ms, 15*ms, 4), list(0, 15*ms, 4), 110 * ms}},
		{"25 ms each on three connections: enough, and nobody waits",
			Job{Scenario: open(100, constant, "25ms"), Count: 101 * ms, MaxConnections: 3},
			figures{10, 10, 0, 7, 10, 10, 3, 0, 101_000, list(25*ms, 0, 10), list(0, 0, 10), 125 * ms}},
		{"counting until five are in",
			Job{Scenario: open(100, constant, "5ms"), Count: 20 * ms, MinRequests: 5, CountMax: time.Second},
			figures{5, 5, 0, 5, 5, 5, 0, 0, 56_000, list(5*ms, 0, 5), list(0, 0, 5), 56 * ms}},
		{"nobody answers: every request times out on its own, from its intended send",
			Job{Scenario: open(100, constant, "60s"), Count: 45 * ms, Timeout: 30 * ms, MaxConnections: 1},
			figures{4, 2, 3, 0, 0, 2, 3, 2, 45_000, nil, list(0, 20*ms, 2), 50 * ms}},
		{"sessions of two requests that think for 7 ms between them: the first counts from its arrival",
			Job{Scenario: sessions(100, constant, 2, "5ms", "7ms"), Settle: 20 * ms, Count: 81 * ms},
			figures{9, 9, 0, 16, 18, 18, 1, 0, 81_000, list(5*ms, 0, 16), list(0, 0, 9), 105 * ms}},
		{"sessions that wait in the client: only their first request is late",
			Job{Scenario: sessions(100, constant, 2, "5ms", "5ms"), Count: 45 * ms, MaxConnections: 1},
			figures{4, 3, 3, 5, 5, 5, 1, 0, 45_000, []time.Duration{5 * ms, 5 * ms, 5 * ms, 10 * ms, 15 * ms}, list(0, 5*ms, 3), 45 * ms}},
	} {
		t.Run(row.is, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, took, err := playOnPipes(t.Context(), t, row.job, answering)
				if err != nil {
					t.Fatal(err)
				}
				l := o.Load
				got := figures{l.Due, l.Sent, l.Delayed, l.Requests, l.RequestsAll, l.PlanUsed, l.Unfinished, l.Errors.Timeout,
					l.WindowUs, nil, nil, took}
				want := row.want
				got.latencies, want.latencies = nil, nil
				want.lateness = nil
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(figures{})); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				same(t, "latencies", l.Latency, row.want.latencies)
				same(t, "lateness", l.Lateness, row.want.lateness)
				if l.Errors.Total() != l.Errors.Timeout || l.Clients != 0 || l.Starved != 0 || l.ClientsConnected != 0 || l.Series != nil {
					t.Errorf("errors %+v (%s), %d clients, %d of them starved", l.Errors, l.FirstError, l.Clients, l.Starved)
				}
				if l.LittleResidual != 0 || l.RecordedUs == 0 {
					t.Errorf("residual %v of %v µs recorded, %v µs in flight", l.LittleResidual, l.RecordedUs, l.InFlightUs)
				}
			})
		})
	}
}

// same compares a histogram with what it should hold, as far as it can tell
// values apart: by their number, sum, median and maximum.
func same(t *testing.T, what string, h *result.Histogram, want []time.Duration) {
	t.Helper()
	if len(want) == 0 {
		if h != nil && h.Count() != 0 {
			t.Errorf("%d %s, want none", h.Count(), what)
		}
		return
	}
	var sum time.Duration
	for _, d := range want {
		sum += d
	}
	if h == nil || h.Count() != int64(len(want)) || h.Sum() != sum {
		t.Errorf("%s: %v, want %v", what, h, want)
		return
	}
	if most, longest := h.Max(), slices.Max(want); most < longest || most > longest+longest/500 {
		t.Errorf("%s: at most %v, want %v", what, most, longest)
	}
}

// In an open loop a failure ends a session, is not tried again, and is not
// backed off from.
func TestFailureEndsASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := Job{Scenario: sessions(100, scenario.ArrivalsConstant, 3, "1ms", ""), Count: 51 * ms}
		var mu sync.Mutex
		var asks []int // by connection
		o, _, err := playOnPipes(t.Context(), t, job, func(c net.Conn) {
			n := 0
			defer func() {
				mu.Lock()
				asks = append(asks, n)
				mu.Unlock()
			}()
			r := bufio.NewReader(c)
			for {
				q, err := readRequest(r)
				if err != nil {
					return
				}
				n++
				if n == 2 {
					io.WriteString(c, "HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n")
				} else {
					c.Write(q.answer())
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if l := o.Load; l.Errors.Rejected != 5 || l.Errors.Total() != 5 || l.RequestsAll != 5 || l.PlanUsed != 10 || l.Connections != 5 || !slices.Equal(asks, []int{2, 2, 2, 2, 2}) {
			t.Errorf("errors %+v, %d right of %d on %d connections, asked %v", l.Errors, l.RequestsAll, l.PlanUsed, l.Connections, asks)
		}
	})
}

// Clients that hang up, in an open loop: what is under way and what waits are
// unfinished, and nobody's failure.
func TestHangingUpInAnOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := Job{Scenario: open(100, scenario.ArrivalsConstant, "9s"), Count: 95 * ms, HangUp: true, MaxConnections: 4}
		o, took, err := playOnPipes(t.Context(), t, job, func(c net.Conn) { io.Copy(io.Discard, c) })
		if l := o.Load; err != nil || l.Due != 9 || l.Sent != 4 || l.Delayed != 5 || l.Unfinished != 9 || l.Errors.Total() != 0 || took != 95*ms {
			t.Errorf("%d due, %d sent, %d delayed, %d unfinished, errors %+v after %v, %v; want 9, 4, 5, 9, none, 95ms",
				l.Due, l.Sent, l.Delayed, l.Unfinished, l.Errors, took, err)
		}
	})
}

// A load that comes in the first half of each cycle of 200 ms, on one
// connection and at 15 ms each: what is answered in the second half was due in
// the first.
func TestSeriesOfALoadThatVaries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(100, scenario.ArrivalsConstant, "15ms")
		if err := s.Cycle.UnmarshalText([]byte("100ms*1,100ms*0")); err != nil {
			t.Fatal(err)
		}
		// In each cycle ten are due, at 10, 20, … 100 ms, and answered at 25, 40, … 160 ms.
		job := Job{Scenario: s, Settle: 200 * ms, Count: 400 * ms, MaxConnections: 1}
		o, _, err := playOnPipes(t.Context(), t, job, answering)
		if err != nil {
			t.Fatal(err)
		}
		want := &result.Series{
			BinUs:    50_000,
			Intended: []int64{8, 10, 2, 0}, Answered: []int64{8, 10, 2, 0}, Failed: []int64{0, 0, 0, 0}, Done: []int64{4, 6, 8, 2},
		}
		if diff := cmp.Diff(want, o.Load.Series); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if l := o.Load; l.Due != 20 || l.Delayed != 18 || l.Requests != 20 {
			t.Errorf("%d due, %d delayed, %d requests; want 20, 18 (all but the first of each cycle), 20", l.Due, l.Delayed, l.Requests)
		}
	})
}

// What an open loop counts adds up, with every engine: whatever was due was
// sent or is unfinished, and never were more connections open than may be.
func TestOpenLoopsAddUp(t *testing.T) {
	for _, row := range []struct {
		is   string
		s    scenario.Scenario
		most int
	}{
		{"enough connections", open(400, scenario.ArrivalsPoisson, "5ms"), 0},
		{"four connections, of which each is good for 50 requests/s", open(400, scenario.ArrivalsPoisson, "20ms"), 4},
		{"sessions", sessions(200, scenario.ArrivalsPoisson, 3, "2ms", "exp:3ms"), 0},
		{"sessions on four connections", sessions(200, scenario.ArrivalsPoisson, 3, "5ms", "5ms"), 4},
	} {
		t.Run(row.is, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, e Engine) {
				var now, peak, answered atomic.Int64
				addr, shut := listen(t, func(c *net.TCPConn) {
					for n := now.Add(1); ; {
						if before := peak.Load(); n <= before || peak.CompareAndSwap(before, n) {
							break
						}
					}
					r := bufio.NewReader(c)
					for {
						q, err := readRequest(r)
						if err != nil {
							now.Add(-1)
							return
						}
						time.Sleep(q.wait)
						if q.close {
							now.Add(-1)
						}
						c.Write(q.answer())
						answered.Add(1)
						if q.close {
							return
						}
					}
				})
				l := play(t, e, Job{Addr: addr, Scenario: row.s, Seed: 5, Settle: 50 * ms, Count: 200 * ms, MaxConnections: row.most})
				shut()
				if l.Errors.Total() != 0 || l.RequestsAll != answered.Load() || l.PlanUsed != l.RequestsAll || l.Requests > l.RequestsAll {
					t.Errorf("%d right of %d requests, %d in the window, the server says %d, errors %+v (%s)",
						l.RequestsAll, l.PlanUsed, l.Requests, answered.Load(), l.Errors, l.FirstError)
				}
				if l.Due == 0 || l.Sent > l.Due || l.Sent+l.Unfinished < l.Due || l.Lateness == nil || l.Lateness.Count() != l.Sent {
					t.Errorf("%d due, %d sent, %d unfinished, lateness %v", l.Due, l.Sent, l.Unfinished, l.Lateness)
				}
				if n := l.Latency.Count(); n < l.Sent || n > l.RequestsAll || l.Service.Count() != n || l.FirstByte.Count() != n {
					t.Errorf("%d latencies of %d sent in the window, %d right in all", n, l.Sent, l.RequestsAll)
				}
				if l.Latency.Sum() < l.Lateness.Sum() {
					t.Errorf("latencies of %v in all, of requests that were %v late", l.Latency.Sum(), l.Lateness.Sum())
				}
				if row.most > 0 && (peak.Load() > int64(row.most) || l.Delayed == 0 || l.Sent == l.Due) {
					t.Errorf("at most %d connections, %d delayed, %d of %d sent; want no more than %d and some", peak.Load(), l.Delayed, l.Sent, l.Due, row.most)
				}
				if row.most == 0 && l.Delayed != 0 {
					t.Errorf("%d delayed, though connections were free", l.Delayed)
				}
				if l.Clients != 0 || l.Starved != 0 || l.ClientsConnected != 0 || l.Stale != 0 {
					t.Errorf("%d clients, %d starved, %d connected, %d stale, of an open loop", l.Clients, l.Starved, l.ClientsConnected, l.Stale)
				}
			})
		})
	}
}

// A load that varies is told apart, bin by bin, with every engine.
func TestSeriesAddsUp(t *testing.T) {
	eachEngine(t, func(t *testing.T, e Engine) {
		s := open(800, scenario.ArrivalsPoisson, "")
		if err := s.Cycle.UnmarshalText([]byte("50ms*1,50ms*0")); err != nil {
			t.Fatal(err)
		}
		var asks atomic.Int64
		addr, shut := listen(t, func(c *net.TCPConn) {
			if _, err := readRequest(bufio.NewReader(c)); err == nil && asks.Add(1)%4 != 0 { // every fourth gets no answer
				c.Write(asked{close: true}.answer())
			}
		})
		l := play(t, e, Job{Addr: addr, Scenario: s, Seed: 6, Settle: 100 * ms, Count: 300 * ms})
		shut()
		v := l.Series
		if v == nil || v.BinUs != 50_000 || len(v.Intended) != 2 || len(v.Answered) != 2 || len(v.Failed) != 2 || len(v.Done) != 2 {
			t.Fatalf("series %+v, want two bins of 50 ms", v)
		}
		if v.Intended[0] != l.Due || v.Intended[1] != 0 || v.Answered[1] != 0 || v.Failed[1] != 0 {
			t.Errorf("series %+v of %d due, all in the first bin", v, l.Due)
		}
		if v.Answered[0] != l.Latency.Count() || v.Answered[0]+v.Failed[0] != l.Sent || v.Failed[0] == 0 {
			t.Errorf("series %+v of %d sent, %d of them answered rightly", v, l.Sent, l.Latency.Count())
		}
		if v.Done[0]+v.Done[1] != l.Requests {
			t.Errorf("series %+v of %d requests in the window", v, l.Requests)
		}
	})
}

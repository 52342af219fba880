package load

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"workbench/harness/scenario"
)

const ms = time.Millisecond

// In these tests clocks are synctest's and connections are pipes: time passes
// only in the server's work, in thinking and in back-off, and every figure is
// exact.

// playOnPipes plays job against a server that serves each connection by
// serve, and returns how long that took.
func playOnPipes(ctx context.Context, t *testing.T, job Job, serve func(net.Conn)) (Outcome, time.Duration, error) {
	t.Helper()
	return playOn(ctx, t, job, serve, func(ours net.Conn) net.Conn { return ours })
}

// playOn is playOnPipes with the clients' ends in a wrapping.
func playOn(ctx context.Context, t *testing.T, job Job, serve func(net.Conn), wrap func(net.Conn) net.Conn) (Outcome, time.Duration, error) {
	t.Helper()
	begin := time.Now()
	var servers sync.WaitGroup
	defer servers.Wait() // for the end of every connection
	e := newNetEngine()
	e.dial = func(context.Context, string, time.Time) (net.Conn, error) {
		ours, theirs := net.Pipe()
		servers.Go(func() {
			defer theirs.Close()
			serve(theirs)
		})
		return wrap(ours), nil
	}
	e.cpu = func() time.Duration { return 2 * time.Since(begin) } // two processors, busy all the time
	job.Addr = "127.0.0.1:1"
	o, err := e.Play(ctx, job, nil)
	return o, time.Since(begin), err
}

// answering reads requests and answers each after its wait, by the book.
func answering(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		q, err := readRequest(r)
		if err != nil {
			return
		}
		time.Sleep(q.wait)
		if _, err := conn.Write(q.answer()); err != nil || q.close {
			io.Copy(io.Discard, r)
			return
		}
	}
}

func closed(clients, perConnection int, wait, think string) scenario.Scenario {
	s := scenario.Scenario{
		Name: scenario.Custom, Loop: scenario.LoopClosed, Conversation: scenario.ConversationHTTP,
		Clients: clients, RequestsPerConnection: perConnection,
	}
	for d, text := range map[*scenario.Dist]string{&s.Wait: wait, &s.Think: think} {
		if text != "" {
			if err := d.UnmarshalText([]byte(text)); err != nil {
				panic(err)
			}
		}
	}
	return s
}

func TestSlice(t *testing.T) {
	type figures struct {
		requests, requestsAll, planUsed, connections, unfinished, starved int64
		windowUs                                                          float64
		settledUs                                                         int64
		took                                                              time.Duration
	}
	for _, row := range []struct {
		is   string
		job  Job
		want figures
	}{
		{"4 clients, 10 ms each, a window of 100 ms after 20: ten requests each, and the two of settling",
			Job{Scenario: closed(4, 1, "10ms", ""), Settle: 20 * ms, Count: 100 * ms},
			figures{40, 48, 48, 48, 0, 0, 100_000, 20_000, 120 * ms}},
		{"a window that ends in the third request: it is unfinished, and collected",
			Job{Scenario: closed(4, 1, "10ms", ""), Count: 25 * ms},
			figures{8, 12, 12, 12, 4, 0, 25_000, 0, 30 * ms}},
		{"connections of 5 requests",
			Job{Scenario: closed(2, 5, "10ms", ""), Count: 100 * ms},
			figures{20, 20, 20, 4, 0, 0, 100_000, 0, 100 * ms}},
		{"a think time after every second request, where the connection closes",
			Job{Scenario: closed(1, 2, "10ms", "30ms"), Count: 100 * ms},
			figures{4, 4, 4, 2, 0, 0, 100_000, 0, 100 * ms}},
		{"a client that thinks is not waited for",
			Job{Scenario: closed(1, 1, "10ms", "60s"), Count: 100 * ms},
			figures{1, 1, 1, 1, 0, 0, 100_000, 0, 100 * ms}},
		{"a response time longer than the slice: everybody is starved",
			Job{Scenario: closed(3, 1, "1s", ""), Settle: 50 * ms, Count: 50 * ms},
			figures{0, 3, 3, 3, 3, 3, 50_000, 50_000, time.Second}},
		{"settling until all have finished, announced a millisecond ahead",
			Job{Scenario: closed(2, 1, "40ms", ""), Settle: 10 * ms, SettleUntilAll: time.Second, Count: 80 * ms},
			figures{4, 8, 8, 8, 2, 0, 80_000, 41_000, 160 * ms}},
		{"settling until all have finished, in vain",
			Job{Scenario: closed(2, 1, "1s", ""), Settle: 10 * ms, SettleUntilAll: 100 * ms, Count: 80 * ms},
			figures{0, 2, 2, 2, 2, 2, 80_000, 101_000, time.Second}},
		{"settling is never cut short",
			Job{Scenario: closed(2, 1, "10ms", ""), Settle: 35 * ms, SettleUntilAll: 100 * ms, Count: 80 * ms},
			figures{16, 24, 24, 24, 2, 0, 80_000, 36_000, 120 * ms}},
		{"counting until five are in",
			Job{Scenario: closed(1, 1, "10ms", ""), Count: 20 * ms, MinRequests: 5, CountMax: time.Second},
			figures{5, 6, 6, 6, 1, 0, 51_000, 0, 60 * ms}},
		{"counting until five are in, in vain",
			Job{Scenario: closed(1, 1, "10ms", ""), Count: 20 * ms, MinRequests: 5, CountMax: 35 * ms},
			figures{3, 4, 4, 4, 1, 0, 36_000, 0, 40 * ms}},
		{"five are in before the window's time: it is not cut short",
			Job{Scenario: closed(1, 1, "10ms", ""), Count: 74 * ms, MinRequests: 5, CountMax: time.Second},
			figures{7, 8, 8, 8, 1, 0, 75_000, 0, 80 * ms}},
	} {
		t.Run(row.is, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, took, err := playOnPipes(t.Context(), t, row.job, answering)
				if err != nil {
					t.Fatal(err)
				}
				l := o.Load
				got := figures{l.Requests, l.RequestsAll, l.PlanUsed, l.Connections, l.Unfinished, l.Starved, l.WindowUs, o.SettledUs, took}
				if got != row.want {
					t.Errorf("got  %+v\nwant %+v", got, row.want)
				}
				if l.LittleResidual != 0 {
					t.Errorf("residual %v, want 0: a client is always in a request or thinks", l.LittleResidual)
				}
				if l.Errors.Total() != 0 || l.Stale != 0 || l.FirstError != "" || l.HistogramDropped != 0 {
					t.Errorf("errors %+v, stale %d, %q, dropped %d, want none", l.Errors, l.Stale, l.FirstError, l.HistogramDropped)
				}
				if n := l.Latency.Count(); n != l.Requests || l.FirstByte.Count() != n || l.Service.Count() != n || l.Waited.Count() != n {
					t.Errorf("histograms of %d, %d, %d and %d, want %d each", n, l.FirstByte.Count(), l.Service.Count(), l.Waited.Count(), l.Requests)
				}
				if l.Latency.Mean() != row.job.Scenario.Wait.Mean() && l.Requests > 0 || l.Waited.Sum() != 0 {
					t.Errorf("mean latency %v, waited %v in all; want %v and 0", l.Latency.Mean(), l.Waited.Sum(), row.job.Scenario.Wait.Mean())
				}
				if want := 2 * l.WindowUs; l.WindowCPUUs != want || l.WindowCPUWallUs != l.WindowUs || l.CPUUs != us(int64(2*took)) {
					t.Errorf("CPU %v µs in a window of %v, %v in all; want %v, %v, %v",
						l.WindowCPUUs, l.WindowCPUWallUs, l.CPUUs, want, l.WindowUs, us(int64(2*took)))
				}
				if got := us(int64(o.WindowEnd.Sub(o.WindowStart))); got != l.WindowUs {
					t.Errorf("marks %v µs apart, want %v", got, l.WindowUs)
				}
			})
		})
	}
}

// One at a time, 50 ms each: in 120 ms two of four clients get their turn.
func TestStarvedClientsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turn := make(chan struct{}, 1)
		o, _, err := playOnPipes(t.Context(), t, Job{Scenario: closed(4, 1, "50ms", ""), Count: 120 * ms}, func(c net.Conn) {
			turn <- struct{}{}
			defer func() { <-turn }()
			answering(c)
		})
		if l := o.Load; err != nil || l.Requests != 2 || l.Starved != 2 || l.Unfinished != 4 {
			t.Errorf("%d requests, %d starved, %d unfinished, %v; want 2, 2 and all 4", l.Requests, l.Starved, l.Unfinished, err)
		}
	})
}

// slowToClose is a connection whose close takes the clients 90 ms: time that
// belongs to no request.
type slowToClose struct{ net.Conn }

func (c slowToClose) Close() error {
	time.Sleep(90 * ms)
	return c.Conn.Close()
}

// Clients that are in requests for 10 of 100 ms, and in nothing that is
// recorded for the others.
func TestResidualShowsWhatNoRequestCovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := Job{Scenario: closed(3, 1, "10ms", ""), Settle: time.Second, Count: time.Second}
		o, _, err := playOn(t.Context(), t, job, answering, func(c net.Conn) net.Conn { return slowToClose{c} })
		if err != nil {
			t.Fatal(err)
		}
		if got, want := o.Load.LittleResidual, 0.9; got < want-1e-9 || got > want+1e-9 {
			t.Errorf("residual %v, want %v", got, want)
		}
	})
}

// A server that rejects after 10 ms: most of the time clients back off, on
// purpose, so that nothing is left unaccounted for.
func TestBackingOffIsAccountedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := Job{Scenario: closed(3, 1, "10ms", ""), Settle: 10 * time.Second, Count: 1100 * ms}
		o, _, err := playOnPipes(t.Context(), t, job, func(c net.Conn) {
			if _, err := readRequest(bufio.NewReader(c)); err == nil {
				time.Sleep(10 * ms)
				io.WriteString(c, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		l := o.Load
		if l.LittleResidual > 1e-9 {
			t.Errorf("residual %v, want 0", l.LittleResidual)
		}
		if l.Errors.Rejected == 0 || l.Errors.Rejected != l.Errors.Total() || l.Requests != 0 || l.Starved != 3 {
			t.Errorf("errors %+v, %d requests, %d starved; want rejections only", l.Errors, l.Requests, l.Starved)
		}
	})
}

// Clients that hang up at the end of the window don't wait for a server that
// takes a minute, and blame nobody.
func TestHangingUpAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := Job{Scenario: closed(3, 1, "9s", ""), Settle: 10 * ms, Count: 90 * ms, HangUp: true}
		o, took, err := playOnPipes(t.Context(), t, job, func(c net.Conn) {
			if _, err := readRequest(bufio.NewReader(c)); err == nil {
				io.Copy(io.Discard, c) // until it is hung up
			}
		})
		l := o.Load
		if err != nil || l.Unfinished != 3 || l.Errors.Total() != 0 || took != 100*ms {
			t.Errorf("%d unfinished, errors %+v, after %v, %v; want all 3, none, 100ms", l.Unfinished, l.Errors, took, err)
		}
	})
}

func TestBackOffIsBounded(t *testing.T) {
	want := []time.Duration{1, 2, 4, 8, 16, 32, 64, 100, 100}
	for i, w := range want {
		if got := backOff(i + 1); got != w*ms {
			t.Errorf("after %d failures %v, want %v", i+1, got, w*ms)
		}
	}
	if got := backOff(1 << 30); got != 100*ms {
		t.Errorf("after very many %v", got)
	}
}

// Failures and early closes move nothing: which request is a connection's
// last, and is followed by a think time, is fixed by the plan.
func TestServerThatClosesEarlyMovesNoThinkTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Cycles of 4 requests of 10 ms and a think time of 60 ms: 100 ms.
		job := Job{Scenario: closed(1, 4, "10ms", "60ms"), Count: time.Second}
		o, _, err := playOnPipes(t.Context(), t, job, func(c net.Conn) {
			q, err := readRequest(bufio.NewReader(c))
			if err != nil {
				return
			}
			time.Sleep(q.wait)
			q.close = true
			c.Write(q.answer())
		})
		if l := o.Load; err != nil || l.Requests != 40 || l.Connections != 40 || l.Stale != 0 || l.LittleResidual != 0 {
			t.Errorf("%d requests on %d connections, %d stale, residual %v, %v; want 40 on 40 and no more",
				l.Requests, l.Connections, l.Stale, l.LittleResidual, err)
		}
	})
}

func TestCancelEndsAtOnce(t *testing.T) {
	silence := func(c net.Conn) { io.Copy(io.Discard, c) }
	for _, row := range []struct {
		is       string
		job      Job
		serve    func(net.Conn)
		windowUs float64
		requests int64
	}{
		{"in settling, with requests outstanding", Job{Scenario: closed(4, 1, "1ms", ""), Settle: time.Second, Count: time.Second}, silence, 0, 0},
		{"in settling until all have finished", Job{Scenario: closed(4, 1, "1ms", ""), SettleUntilAll: time.Second, Count: time.Second}, silence, 0, 0},
		{"in the window, with requests outstanding", Job{Scenario: closed(4, 1, "1ms", ""), Count: time.Second}, silence, 105_000, 0},
		{"in the window, after ten answers each", Job{Scenario: closed(4, 1, "10ms", ""), Count: time.Second}, answering, 105_000, 40},
		{"in the drain", Job{Scenario: closed(4, 1, "1ms", ""), Count: 10 * ms}, silence, 10_000, 0},
	} {
		t.Run(row.is, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 105*ms)
				defer cancel()
				o, took, err := playOnPipes(ctx, t, row.job, row.serve)
				if !errors.Is(err, context.DeadlineExceeded) || took != 105*ms {
					t.Errorf("%v after %v, want the context's error after 105 ms", err, took)
				}
				l := o.Load
				if l.WindowUs != row.windowUs || l.Requests != row.requests || l.Unfinished != 4 || l.Errors.Total() != 0 {
					t.Errorf("window %v µs, %d requests, %d unfinished, errors %+v; want %v, %d, 4, none",
						l.WindowUs, l.Requests, l.Unfinished, l.Errors, row.windowUs, row.requests)
				}
			})
		})
	}
	t.Run("in dial", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 105*ms)
			defer cancel()
			e := newNetEngine()
			e.dial = func(ctx context.Context, _ string, _ time.Time) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			begin := time.Now()
			o, err := e.Play(ctx, Job{Addr: "127.0.0.1:1", Scenario: closed(4, 1, "", ""), Count: time.Second}, nil)
			if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != 105*ms {
				t.Errorf("%v after %v, want the context's error after 105 ms", err, took)
			}
			if l := o.Load; l.Unfinished != 4 || l.Errors.Total() != 0 || l.Connections != 0 {
				t.Errorf("%d unfinished, errors %+v, %d connections; want 4, none, none", l.Unfinished, l.Errors, l.Connections)
			}
		})
	})
	t.Run("before the beginning", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, took, err := playOnPipes(ctx, t, Job{Scenario: closed(4, 1, "10ms", ""), Count: time.Second}, answering); !errors.Is(err, context.Canceled) || took > 10*ms {
				t.Errorf("%v after %v, want the context's error at once", err, took)
			}
		})
	})
}

// A request that times out takes its timeout, connect and all, and no longer.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		job := Job{Scenario: closed(2, 1, "", ""), Count: 10 * ms, Timeout: 50 * ms}
		o, took, err := playOnPipes(t.Context(), t, job, func(c net.Conn) { io.Copy(io.Discard, c) })
		if l := o.Load; err != nil || l.Errors.Timeout != 2 || l.Errors.Total() != 2 || l.Unfinished != 2 || took != 50*ms {
			t.Errorf("errors %+v, %d unfinished after %v, %v; want 2 timeouts after 50 ms", l.Errors, l.Unfinished, took, err)
		}
	})
}

func TestJobIsValidated(t *testing.T) {
	good := Job{Addr: "127.0.0.1:80", Scenario: closed(1, 1, "", ""), Count: time.Second}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		is     string
		change func(*Job)
		says   string
	}{
		{"no window", func(j *Job) { j.Count = 0 }, "want a window"},
		{"negative settling", func(j *Job) { j.Settle = -1 }, "want 0 or more"},
		{"requests to wait for, but no time for it", func(j *Job) { j.MinRequests = 1 }, "no less than the window"},
		{"an address without a port", func(j *Job) { j.Addr = "127.0.0.1" }, `server's address "127.0.0.1"`},
		{"less than no connection", func(j *Job) { j.MaxConnections = -1 }, "max connections -1"},
		{"a request that begins with nothing", func(j *Job) { j.Request = []byte("\n\n") }, "GET / HTTP/1.1"},
		{"a request without an answer's body", func(j *Job) { j.Request = []byte("HEAD / HTTP/1.1\n\n") }, "HEAD"},
		{"a request of one's own beside work", func(j *Job) {
			j.Request, j.Scenario = []byte("GET / HTTP/1.1\n\n"), closed(1, 1, "5ms", "")
		}, "take one without"},
		{"a status that no answer ends with", func(j *Job) { j.Expect.Status = 100 }, "want 200 to 599"},
		{"a negative length", func(j *Job) { j.Expect.Length = -1 }, "want 0"},
		{"a rate that nobody knows yet", func(j *Job) {
			j.Scenario = open(0, scenario.ArrivalsPoisson, "")
			j.Scenario.OfCapacity = true
		}, "rate 0"},
		{"settling that ends within a cycle", func(j *Job) {
			j.Scenario = open(1, scenario.ArrivalsPoisson, "")
			j.Scenario.Cycle.UnmarshalText([]byte("1s*1,1s*0"))
			j.Settle = time.Second
		}, "whole cycles of 2s"},
		{"a scenario that can't be", func(j *Job) { j.Scenario.Clients = 0 }, "want 1 to"},
	} {
		j := good
		row.change(&j)
		if err := j.Validate(); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want an error that says %q", row.is, err, row.says)
		}
		e, _ := New("net")
		if _, err := e.Play(t.Context(), j, nil); err == nil {
			t.Errorf("%s: it was played", row.is)
		}
	}
}

func TestNew(t *testing.T) {
	for _, name := range []string{"net", DefaultEngine()} {
		if e, err := New(name); err != nil || e.Name() != name {
			t.Errorf("New(%q) = %v, %v", name, e, err)
		}
	}
	if _, err := New("wrk"); err == nil || !strings.Contains(err.Error(), `"net"`) {
		t.Errorf("New(wrk): %v, want an error that says what there is", err)
	}
}

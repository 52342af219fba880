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

	"workbench/harness/scenario"
)

func slow(s scenario.Scenario, which string) scenario.Scenario {
	if err := s.Slow.UnmarshalText([]byte(which)); err != nil {
		panic(err)
	}
	return s
}

// stamped reads a request byte by byte, and says how long after the first of
// them each came.
func stamped(c io.Reader) (at []time.Duration, err error) {
	var b [1]byte
	var begin time.Time
	for end := 0; end < 4; { // CR LF CR LF
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return at, err
		}
		if len(at) == 0 {
			begin = time.Now()
		}
		at = append(at, time.Since(begin))
		if b[0] == "\r\n\r\n"[end] {
			end++
		} else {
			end = 0
		}
	}
	return at, nil
}

// A slow client's bytes come at equal distances, the last when its time is
// over; a request takes as long, and the other clients are as fast as ever.
func TestSlowClientsOfTheNetEngineAreExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var slowOnes, fastOnes int
		job := Job{Scenario: slow(closed(4, 1, "", "50ms"), "25%*50ms"), Count: 250*ms - 1}
		o, _, err := playOnPipes(t.Context(), t, job, func(c net.Conn) {
			at, err := stamped(c)
			if err != nil {
				return
			}
			mu.Lock()
			if gap := 50 * ms / time.Duration(len(at)-1); at[len(at)-1] > 0 {
				slowOnes++
				for i := range at {
					if want := time.Duration(i) * gap; (at[i] - want).Abs() > time.Duration(len(at)) {
						t.Errorf("byte %d came after %v, want %v", i, at[i], want)
					}
				}
			} else {
				fastOnes++
			}
			mu.Unlock()
			c.Write(asked{close: true}.answer())
		})
		if err != nil {
			t.Fatal(err)
		}
		// Fast ones: at 0, 50, 100, 150 and 200 ms; the slow one at 0, 100 and 200.
		if fastOnes != 15 || slowOnes != 3 || o.Load.RequestsAll != 18 || o.Load.Unfinished != 1 || o.Load.Errors.Total() != 0 || o.Load.LittleResidual != 0 {
			t.Errorf("%d fast requests, %d slow ones; %d right, %d unfinished, errors %+v, residual %v", fastOnes, slowOnes, o.Load.RequestsAll, o.Load.Unfinished, o.Load.Errors, o.Load.LittleResidual)
		}
	})
}

// One client, or arrival, in four is slow. No stall of the machine makes a
// slow request faster; but it makes bytes come together, so that they are seen
// apart is asked of one slice in five.
func TestSlowClients(t *testing.T) {
	const over = 100 * ms
	for _, row := range []struct {
		is string
		s  scenario.Scenario
	}{
		{"clients of a closed loop", slow(closed(8, 1, "", "20ms"), "25%*100ms")},
		{"arrivals of an open loop", slow(open(100, scenario.ArrivalsConstant, ""), "25%*100ms")},
		{"sessions", slow(sessions(50, scenario.ArrivalsConstant, 2, "", ""), "25%*100ms")},
	} {
		t.Run(row.is, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, e Engine) {
				var requests, apart, together atomic.Int64
				addr, shut := listen(t, func(c *net.TCPConn) {
					r := bufio.NewReader(c)
					for {
						at, err := stamped(r)
						if err != nil {
							return
						}
						requests.Add(1)
						switch n := len(slices.Compact(rounded(at))); {
						case n > 10:
							apart.Add(1)
						case n <= 2:
							together.Add(1)
						}
						c.Write(asked{}.answer())
					}
				})
				for range 5 {
					l := play(t, e, Job{Addr: addr, Scenario: row.s, Count: 250 * ms})
					if l.Errors.Total() != 0 || l.PlanUsed != l.RequestsAll || requests.Swap(0) != l.RequestsAll {
						t.Errorf("%d right of %d requests, errors %+v (%s)", l.RequestsAll, l.PlanUsed, l.Errors, l.FirstError)
					}
					// Every fourth arrival of those that were sent is among the slowest,
					// all of which took as long as it takes to dribble.
					if row.s.Loop != scenario.LoopClosed && l.Sent >= 4 {
						n := l.Latency.Count()
						if got := l.Latency.Quantile((float64(n-l.Sent/4) + 0.5) / float64(n)); got < over-over/1000 {
							t.Errorf("of %d requests the %d slowest took %v and more, want %v", n, l.Sent/4, got, over)
						}
					}
					if apart.Load() > 0 && together.Load() > 0 {
						break
					}
				}
				if apart.Load() == 0 || together.Load() == 0 {
					t.Errorf("%d requests came byte by byte, %d at once; want some of either", apart.Load(), together.Load())
				}
				shut()
			})
		})
	}
}

// rounded is at, in milliseconds.
func rounded(at []time.Duration) (r []time.Duration) {
	for _, d := range at {
		r = append(r, d.Truncate(ms))
	}
	return r
}

// A dribble that takes longer than the client's patience times out, and one
// that is under way when the clients hang up ends at once.
func TestDribblingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, row := range []struct {
			is       string
			job      Job
			took     time.Duration
			timeouts int64
		}{
			{"at the timeout", Job{Scenario: slow(closed(2, 1, "", ""), "100%*4s"), Count: 10 * ms, Timeout: 70 * ms}, 70 * ms, 2},
			{"at a hang-up", Job{Scenario: slow(closed(2, 1, "", ""), "100%*4s"), Count: 10 * ms, HangUp: true}, 10 * ms, 0},
		} {
			o, took, err := playOnPipes(t.Context(), t, row.job, func(c net.Conn) { io.Copy(io.Discard, c) })
			if l := o.Load; err != nil || took != row.took || l.Errors.Timeout != row.timeouts || l.Errors.Total() != row.timeouts || l.Unfinished != 2 {
				t.Errorf("%s: after %v, errors %+v, %d unfinished, %v", row.is, took, l.Errors, l.Unfinished, err)
			}
		}
	})
}

package load

import (
	"bufio"
	"fmt"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A freezing server answers each request after a millisecond. A while after
// the first that it sees it freezes: what comes then is answered when the
// freeze is over.
type freezing struct {
	after, freeze time.Duration

	begin    sync.Once
	from, to time.Time // of the freeze

	mu   sync.Mutex
	late time.Duration // of the last answer behind the freeze
}

func (f *freezing) serve(c *net.TCPConn) {
	r := bufio.NewReader(c)
	for {
		q, err := readRequest(r)
		if err != nil {
			return
		}
		now := time.Now()
		f.begin.Do(func() { f.from, f.to = now.Add(f.after), now.Add(f.after+f.freeze) })
		frozen := now.After(f.from) && now.Before(f.to)
		if frozen {
			time.Sleep(time.Until(f.to))
		}
		time.Sleep(ms)
		c.Write(q.answer())
		if frozen {
			f.mu.Lock()
			f.late = max(f.late, time.Since(f.to)-ms)
			f.mu.Unlock()
		}
		if q.close {
			return
		}
	}
}

// Coordinated omission, a known answer (facts.md): a constant rate, 1 ms each,
// good for a while, then frozen for as long. Timed from the intended sends, a
// quarter of all requests take longer than half of the freeze. A closed client
// sends one request into the freeze, waits with it, and reports that all was
// well.
func TestCoordinatedOmission(t *testing.T) {
	const (
		rate = 50 // requests/s
		gap  = time.Second / rate
		half = 900 * ms
	)
	// The ideal schedule: requests are due every 20 ms, the first after 20 ms.
	// Each is answered after 1 ms or, if it is due in the freeze, 1 ms after the
	// freeze, of which the server says when it was.
	ideal := func(begin time.Time, frozen *freezing) *result.Histogram {
		latencies := result.NewHistogram()
		for due := gap; due < 2*half; due += gap {
			latency := ms
			if at := begin.Add(due); at.After(frozen.from) && at.Before(frozen.to) {
				latency = frozen.to.Sub(at) + ms
			}
			latencies.Record(latency)
		}
		return latencies
	}

	eachEngine(t, func(t *testing.T, e Engine) {
		run := func(s scenario.Scenario) (Outcome, *freezing) {
			// It freezes between two sends, so that there is no doubt which are in it.
			server := &freezing{after: half + gap/2, freeze: half}
			addr, shut := listen(t, server.serve)
			o, err := e.Play(t.Context(), Job{Addr: addr, Scenario: s, Count: 2 * half}, nil)
			shut()
			if err != nil || o.Load.Errors.Total() != 0 {
				t.Fatalf("errors %+v (%s), %v", o.Load.Errors, o.Load.FirstError, err)
			}
			return o, server
		}
		// The ideal is a server that answers all at once when it has thawed. By
		// its own clock it does, unless the machine is busy with other things:
		// then it is played again, at most three times, and the last time counts
		// whatever the clock says.
		var opened result.Load
		var latencies *result.Histogram
		for range 3 {
			o, frozen := run(open(rate, scenario.ArrivalsConstant, ""))
			opened, latencies = o.Load, ideal(o.WindowStart, frozen)
			if frozen.late < half/100 {
				break
			}
			t.Logf("the server thawed %v too late", frozen.late)
		}
		o, _ := run(closed(1, 1, "", ""))
		single := o.Load

		var table strings.Builder
		fmt.Fprintf(&table, "%6s %10s %10s %10s\n", "", "expected", "open", "closed")
		for _, q := range []float64{0.5, 0.75, 0.9, 0.99} {
			want, got, closed := latencies.Quantile(q), opened.Latency.Quantile(q), single.Latency.Quantile(q)
			fmt.Fprintf(&table, "p%-5g %10s %10s %10s\n", 100*q, want.Round(100*time.Microsecond), got.Round(100*time.Microsecond), closed.Round(100*time.Microsecond))
			if off := math.Abs(float64(got-want)) / float64(want); q > 0.5 && off > 0.02 {
				t.Errorf("p%g is %v, want %v within 2 %%, it is %.1f %% off", 100*q, got, want, 100*off)
			}
			if q > 0.5 && closed > want/10 {
				t.Errorf("p%g of the closed client is %v: it has seen the freeze, or the machine stood still", 100*q, closed)
			}
		}
		t.Logf("%d requests due, %d answered to the closed client\n%s", opened.Due, single.Requests, &table)
		if opened.Due != latencies.Count() || opened.Latency.Count() != opened.Due {
			t.Errorf("%d due, %d recorded, want %d", opened.Due, opened.Latency.Count(), latencies.Count())
		}
	})
}

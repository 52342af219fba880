package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// What was expected is compared with what was seen, at each point that it is
// about, and the worst of them counts.
func TestWhatBecameOfExpectations(t *testing.T) {
	silent := func(n string) []scenario.Axis { return []scenario.Axis{{Key: "idle", Value: n}} }
	kept := func(c *result.Cell) { c.Unable = "silent connections hold all its 16 workers" }
	invalid := func(c *result.Cell) { c.Valid = false }
	worked := func(c *result.Cell) { c.ServiceUs = &result.Percentiles{N: 60_000, P99: new(2000.0)} }
	entries := func(change func(*result.Cell)) []gridEntry {
		return []gridEntry{
			{label: "goroutine", perS: 1000, cpu: 10},
			{label: "pool", perS: 500, cpu: 15, cpuIs: result.VerdictMore, perSIs: result.VerdictLess, change: change},
			{label: "reactor-pool", perS: 900, cpu: 8, cpuIs: result.VerdictLess, perSIs: result.VerdictLess},
		}
	}
	run := result.Run{
		Questions: []string{"who serves?"},
		Experiments: []result.Experiment{
			point(t, "keepalive", 64, silent("0"), entries(worked)...),
			point(t, "keepalive", 64, silent("1000"), entries(kept)...),
			point(t, "keepalive", 64, silent("5000"), entries(invalid)...),
		},
	}
	for _, row := range []struct{ text, want string }{
		{"spread of cpu < 2 at idle=0 | w", "Held: CPU per request from 8.00 µs (reactor-pool) to 15.0 µs (pool): 1.88 ×, expected below 2 ×"},
		{"spread of throughput < 2 at idle=0 | w", "Did not hold: requests/s from 500/s (pool) to 1,000/s (goroutine): 2 ×, expected below 2 ×"},
		{"p99 of pool > 1.5 x goroutine at idle=0 | w", "Held: pool 8.00 ms, goroutine 4.00 ms: 2 ×, expected above 1.5 ×"},
		{"p99 of pool < 1.5 x goroutine at idle=0 | w", "Did not hold: pool 8.00 ms, goroutine 4.00 ms: 2 ×, expected below 1.5 ×"},
		{"p99 of pool > 1.5 x goroutine at idle=1000 | w", "Can't be told: pool can't: silent connections hold all its 16 workers"},
		{"p99 of pool > 1.5 x goroutine at idle=5000 | w", "Can't be told: pool has no valid figures"},
		{"p99 of pool > 1.5 x service at idle=0 | w", "Held: pool 8.00 ms, its service 2.00 ms: 4 ×, expected above 1.5 ×"},
		{"p50 of pool > 1.5 x service at idle=0 | w", "Can't be told: pool has no p50 of its service"},
		{"cpu of pol > 1.5 x goroutine at idle=0 | w", "Can't be told: pol did not take part"},
		{"pool unable at idle=1000 | w", "Held: pool can't: silent connections hold all its 16 workers"},
		{"pool able at idle=1000 | w", "Did not hold: pool can't: silent connections hold all its 16 workers"},
		{"reactor-pool able at idle=1000 | w", "Held: reactor-pool answered 900 requests/s"},
		{"reactor-pool unable at idle=1000 | w", "Did not hold: reactor-pool answered 900 requests/s"},
		{"reactor-pool able | everywhere", "Held: with idle 0: reactor-pool answered 900 requests/s; with idle 1000: reactor-pool answered 900 requests/s; with idle 5000: reactor-pool answered 900 requests/s"},
		{"pool able | the worst counts", "Did not hold: with idle 0: pool answered 500 requests/s; with idle 1000: pool can't: silent connections hold all its 16 workers; with idle 5000: pool has no valid figures"},
		{"reactor-pool able at idle=7 | w", "Can't be told: nothing was measured there"},
		{"of another version", "Can't be told: this version does not understand it"},
	} {
		run.Expected = [][]string{{row.text}}
		o := outcomes(run, 0)
		if len(o) != 1 {
			t.Fatalf("%q: %d outcomes", row.text, len(o))
		}
		if diff := cmp.Diff(row.want, o[0].held+": "+strings.Join(o[0].seen, "; ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", row.text, diff)
		}
	}

	run.Expected = [][]string{{"pool unable at idle=1000 | silent clients keep workers", "spread of throughput < 2 at idle=0 | tens of per cent", "cpu of pol < 1 x pool | a slip"}}
	want := "Of 3 expectations 1 held; did not hold: tens of per cent; can't be told: a slip."
	if got := expectedBriefly(run, 0); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if page := Sweep(run, 0); !strings.Contains(page, "What was expected, and what became of it") || !strings.Contains(page, "Held: silent clients keep workers (pool can't:") {
		t.Errorf("the page doesn't say it:\n%s", page)
	}
	run.Expected = nil
	if page := Sweep(run, 0); strings.Contains(page, "expected") || expectedBriefly(run, 0) != "" {
		t.Errorf("nothing was expected, and the page says:\n%s", page)
	}
}

package report

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/stats"
)

func moved(model, metric, verdict string, was, is, low, high float64) analysis.Change {
	resolution := math.Sqrt(high/low) - 1
	return analysis.Change{Model: model, Metric: metric, Verdict: verdict,
		First: analysis.Then{Figure: was, Blocks: 14}, Second: analysis.Then{Figure: is, Blocks: 12},
		Ratio: &stats.Interval{Estimate: is / was, Low: low, High: high, N: 26}, Resolution: &resolution}
}

func noVerdictOn(model, metric, why string) analysis.Change {
	return analysis.Change{Model: model, Metric: metric, Verdict: result.VerdictNone, Why: why, First: analysis.Then{Figure: 0.5, Blocks: 1}}
}

func TestChanges(t *testing.T) {
	first := Source{Path: "results/20260102T150405Z-tour", Run: recordOf()}
	second := Source{Path: "results/20260102T154005Z-tour", Run: recordOf()}
	second.Run.Started = first.Run.Started.Add(36 * time.Minute)
	nothing := []analysis.Change{
		moved("pool", cpuMetric, result.VerdictSame, 0.971, 0.974, 0.99, 1.016), moved("pool", rateMetric, result.VerdictSame, 1.01, 1, 0.96, 1.03),
	}
	for _, tt := range []struct {
		name string
		c    analysis.Changes
	}{
		{"changes-none", analysis.Changes{Apart: 36 * time.Minute, Matched: []analysis.Matched{{Name: "io", Reference: "goroutine", Changes: nothing}}}},
		{"changes-some", analysis.Changes{
			Apart:     -50 * time.Hour,
			Differs:   []analysis.Difference{{What: "kernel", First: "6.18.1", Second: "6.18.3"}, {What: "revision", First: "abc1234", Second: "abc1234 with changes not committed"}},
			OnlyFirst: []string{"cpu"}, OnlySecond: []string{"large", "burst"},
			Matched: []analysis.Matched{
				{Name: "io", Reference: "goroutine", Changes: append([]analysis.Change{
					moved("iterative", cpuMetric, result.VerdictMore, 0.76, 0.81, 1.04, 1.09), moved("iterative", rateMetric, result.VerdictLess, 1.3, 0.6, 0.45, 0.47),
					noVerdictOn("errgroup", cpuMetric, "large, so that it left the rounds early (the first)"), noVerdictOn("errgroup", rateMetric, "large, so that it left the rounds early (the first)"),
				}, nothing...), OnlyFirst: []string{"mine"}, Differs: []analysis.Difference{{What: "CPUs of the servers", First: "0", Second: "1"}}},
				{Name: "mixed", Why: "the reference was goroutine, then pool"},
				{Name: "hello", Reference: "goroutine", Changes: []analysis.Change{nothing[0], noVerdictOn("pool", rateMetric, "the clients were the bottleneck: these are lower bounds, which have no order (the second)")}},
			}}},
		{"changes-absolute", analysis.Changes{Absolute: true, Apart: time.Hour, Matched: []analysis.Matched{{Name: "io", Reference: "goroutine", Changes: []analysis.Change{
			moved("goroutine", cpuMetric, result.VerdictMore, 61, 74, 1.19, 1.23), moved("goroutine", rateMetric, result.VerdictSame, 6012, 6030, 0.98, 1.02)}}}}},
		{"changes-undecided", analysis.Changes{Matched: []analysis.Matched{{Name: "io", Reference: "goroutine", Changes: []analysis.Change{
			noVerdictOn("pool", cpuMetric, "a quick look: 5 restarts, a verdict takes ten (the first)"), noVerdictOn("pool", rateMetric, "a quick look: 5 restarts, a verdict takes ten (the first)")}}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, tt.name+".txt", Changes(tt.c, first, second, 0))
			narrow := Changes(tt.c, first, second, 80)
			for line := range strings.Lines(narrow) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
					t.Errorf("%d columns in %q, want at most 80", n, line)
				}
			}
		})
	}
}

func TestApart(t *testing.T) {
	for _, tt := range []struct {
		d    time.Duration
		want string
	}{
		{0, "at the same time"},
		{36 * time.Minute, "36 min later"},
		{26*time.Hour + 59*time.Minute, "1 d 2 h later"},
		{24*time.Hour - 100*time.Millisecond, "1 d later"},
		{-90 * time.Second, "1 min 30 s EARLIER than the first"},
	} {
		if got := apart(tt.d); got != tt.want {
			t.Errorf("apart(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

package main

import (
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/trial"
)

func TestAPlanSaysWhatAVerdictWouldTake(t *testing.T) {
	for _, tt := range []struct {
		name     string
		blocks   int // asked for
		forecast trial.Forecast
		want     string // of the last line
	}{
		{"room enough", 0, trial.Forecast{Blocks: 10}, "entries"},
		{"a budget that is too small", 0, trial.Forecast{Blocks: 4, Needs: 11 * time.Second}, "--budget 15s would hold them"},
		{"the same, and ten were asked for", 10, trial.Forecast{Blocks: 4, Needs: 11 * time.Second}, "--budget 15s would hold them"},
		{"a quick look, which no budget makes more of", 5, trial.Forecast{Blocks: 2, Needs: 6 * time.Second}, "2 restarts, and a verdict takes 10"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := trial.Experiment{Name: "io", Reference: "goroutine", Budget: 5 * time.Second, Blocks: tt.blocks}
			tt.forecast.Entries, tt.forecast.Rounds = 3, 1
			p := newProgress(io.Discard, trial.Plan{Experiments: []trial.Experiment{e}})
			lines := p.plan(trial.Event{Forecast: &tt.forecast})
			if last := lines[len(lines)-1]; !strings.Contains(last, tt.want) {
				t.Errorf("it says %q, want %q", last, tt.want)
			}
		})
	}
}

func TestTheChangingLineSaysHowFarItIs(t *testing.T) {
	widths := func(cpu, rate float64) *analysis.Narrowing {
		return &analysis.Narrowing{Ranked: true, Widest: map[string]float64{result.MetricServerCPU: cpu, result.MetricThroughput: rate}}
	}
	for _, tt := range []struct {
		name    string
		blocks  int // asked for
		planned int
		narrow  *analysis.Narrowing
		want    string
	}{
		{"a budget, and widths that say something", 0, 12, widths(0.05, 0.0712), "io · restart 3 of 12 · 1.5s of 50s · CPU ±5.0 %, requests/s ±7.1 % · pool"},
		{"widths that say nothing yet", 0, 12, widths(math.Inf(1), 10.5), "io · restart 3 of 12 · 1.5s of 50s · pool"},
		{"so many restarts", 5, 5, nil, "io · restart 3 of 5 · 1.5s · pool"},
		{"so many, and the budget holds fewer", 20, 12, nil, "io · restart 3 of 12 · 1.5s of 50s · pool"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProgress(io.Discard, trial.Plan{Experiments: []trial.Experiment{{Name: "io", Budget: 50 * time.Second, Blocks: tt.blocks}}})
			got := p.line(trial.Event{Block: 3, Elapsed: 1500 * time.Millisecond, Forecast: &trial.Forecast{Blocks: tt.planned}, Narrow: tt.narrow, Doing: "pool"})
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

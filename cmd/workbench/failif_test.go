package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"workbench/harness/result"
	"workbench/harness/trial"
)

func TestAGateIsReadOffAnInterval(t *testing.T) {
	interval := func(low, high float64) *result.Comparison {
		return &result.Comparison{Verdict: result.VerdictMore, Ratio: result.Ratio{Estimate: (low + high) / 2, Low: &low, High: &high}}
	}
	large := &result.Comparison{Verdict: result.VerdictLarge, Seen: result.Seen{Median: 3, Low: 2.5, High: 4, N: 3}}
	one := &result.Comparison{Verdict: result.VerdictLarge, Seen: result.Seen{Median: 3, Low: 3, High: 3, N: 1}}
	for _, tt := range []struct {
		name string
		gate string
		seen *result.Comparison
		want ruling
	}{
		{"the whole interval lies beyond: exceeded", "cpu>5%", interval(1.06, 1.08), isExceeded},
		{"the interval holds the limit: nobody knows", "cpu>5%", interval(1.04, 1.08), isUndecided},
		{"it ends at the limit: nobody knows", "cpu>5%", interval(1.02, 1.05), isUndecided},
		{"none of it lies beyond: passed", "cpu>5%", interval(1.01, 1.04), isPassed},
		{"less than none is no excess", "cpu > 5 %", interval(0.5, 0.6), isPassed},
		{"a fall", "throughput<-5%", interval(0.90, 0.94), isExceeded},
		{"a fall that may be smaller", "throughput<-5%", interval(0.90, 0.96), isUndecided},
		{"a rise is no fall", "throughput<-5%", interval(1.0, 1.1), isPassed},
		{"percentiles", "p99>10.5%", interval(1.11, 1.2), isExceeded},
		{"any change at all", "cpu>0%", interval(1.001, 1.002), isExceeded},
		{"what left the rounds is decided by what they showed", "cpu>5%", large, isExceeded},
		{"either way", "cpu<-5%", large, isPassed},
		{"by every one of them", "cpu>200%", large, isUndecided},
		{"by one alone, that it is beyond 2 ×", "cpu>5%", one, isExceeded},
		{"and not how far", "cpu>150%", one, isUndecided},
		{"nor that it is no farther", "cpu>1000%", one, isUndecided},
		{"by none, nothing", "throughput<-5%", &result.Comparison{Verdict: result.VerdictLarge}, isUndecided},
		{"no verdict, no ruling", "cpu>5%", &result.Comparison{Verdict: result.VerdictNone, Why: "suspect"}, isUndecided},
		{"not compared", "cpu>5%", nil, isUndecided},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, err := parseGate(tt.gate)
			if err != nil {
				t.Fatal(err)
			}
			if got, why := g.rule(tt.seen); got != tt.want {
				t.Errorf("%d (%s), want %d", got, why, tt.want)
			}
		})
	}
	for _, wrong := range []string{"", "cpu", "cpu>5", "cpu=5%", "memory>5%", "cpu>-100%", "cpu>5%%", "cpu>x%"} {
		if g, err := parseGate(wrong); err == nil {
			t.Errorf("--fail-if %q was read as %+v", wrong, g)
		}
	}
}

func TestHowARunEndsByItsGates(t *testing.T) {
	low, high, beyond := 1.04, 1.08, 1.2
	one := func(model string, low, high float64) result.Comparison {
		return result.Comparison{Metric: result.MetricServerCPU, Model: model, Verdict: result.VerdictMore, Ratio: result.Ratio{Estimate: low, Low: &low, High: &high}}
	}
	run := result.Run{Experiments: []result.Experiment{{
		Name: "keepalive", Reference: "old",
		Entries:     []result.Entry{{Label: "old"}, {Label: "old#2", Twin: true}, {Label: "new"}, {Label: "newer"}},
		Comparisons: []result.Comparison{one("old#2", 3, 4), one("new", low, high), one("newer", high, beyond)},
	}}}
	for _, tt := range []struct {
		name  string
		gates []string
		code  int
		says  string
	}{
		{"the twin is no model", []string{"cpu>50%"}, exitDone, "newer under keepalive: passed"},
		{"one that can't be decided", []string{"cpu>5%", "cpu>50%"}, exitExceeded, "new under keepalive: inconclusive"},
		{"what is exceeded outweighs what isn't known", []string{"cpu>6%"}, exitExceeded, "exceeded"},
		{"nobody is beyond it for certain", []string{"cpu>10%"}, exitInconclusive, "newer under keepalive: inconclusive"},
		{"a figure that nobody has", []string{"p99>5%"}, exitInconclusive, "it was not compared"},
		{"which no budget would decide", []string{"p99>5%"}, exitInconclusive, "newer under keepalive\n"},
		{"an interval that a budget narrows", []string{"cpu>10%"}, exitInconclusive, "(a larger --budget"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var gates []gate
			for _, text := range tt.gates {
				g, err := parseGate(text)
				if err != nil {
					t.Fatal(err)
				}
				gates = append(gates, g)
			}
			var said strings.Builder
			code := exitDone
			if end, ok := errors.AsType[exitError](judge(&said, gates, run)); ok {
				code = end.code
				fmt.Fprintln(&said, end.err)
			}
			if code != tt.code || !strings.Contains(said.String(), tt.says) {
				t.Errorf("exit %d, want %d; said, where %q was wanted:\n%s", code, tt.code, tt.says, said.String())
			}
		})
	}
}

func TestGatesThatCouldNeverBeDecidedAreRefused(t *testing.T) {
	plan := func(change func(*trial.Experiment)) trial.Plan {
		e := trial.Experiment{Reference: "a", Entries: []result.Entry{{Label: "a"}, {Label: "a#2", Twin: true}, {Label: "b"}}}
		change(&e)
		return trial.Plan{Experiments: []trial.Experiment{e}}
	}
	c := runCmd{FailIf: []string{"cpu>5%"}}
	if list, err := c.gates(plan(func(*trial.Experiment) {})); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	for name, p := range map[string]trial.Plan{
		"alone":            plan(func(e *trial.Experiment) { e.Reference = "" }),
		"nothing else":     plan(func(e *trial.Experiment) { e.Entries = e.Entries[:2] }),
		"too few restarts": plan(func(e *trial.Experiment) { e.Blocks = 5 }),
	} {
		if _, err := c.gates(p); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
}

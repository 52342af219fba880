package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/trial"
)

// A gate is a change against the reference beyond which a run fails.
type gate struct {
	text   string // as it was given
	metric string // as in a comparison
	above  bool   // it fails above the limit, else below it
	limit  float64
}

// gateMetrics are what a gate may be about, by the name that it gives.
var gateMetrics = map[string]string{
	"cpu":        result.MetricServerCPU,
	"throughput": result.MetricThroughput,
	"p50":        result.MetricP50,
	"p99":        result.MetricP99,
}

var gateForm = regexp.MustCompile(`^\s*(\w+)\s*([<>])\s*([+-]?\d+(?:\.\d+)?)\s*%\s*$`)

// parseGate reads "cpu>5%".
func parseGate(text string) (gate, error) {
	m := gateForm.FindStringSubmatch(text)
	if m == nil || gateMetrics[m[1]] == "" {
		return gate{}, fmt.Errorf("--fail-if %q: want a figure (cpu, throughput, p50 or p99), > or <, and a change in per cent, such as cpu>5%% or throughput<-5%%", text)
	}
	change, err := strconv.ParseFloat(m[3], 64)
	if err != nil || change <= -100 || change > 1e6 {
		return gate{}, fmt.Errorf("--fail-if %q: a change is above -100 %%", text)
	}
	return gate{text: text, metric: gateMetrics[m[1]], above: m[2] == ">", limit: 1 + change/100}, nil
}

// gates reads --fail-if. What could never be decided is refused before anything
// is measured.
func (c runCmd) gates(p trial.Plan) (list []gate, err error) {
	for _, text := range c.FailIf {
		g, err := parseGate(text)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	if len(list) == 0 {
		return nil, nil
	}
	for _, e := range p.Experiments {
		switch {
		case e.Reference == "":
			return nil, errors.New("--fail-if: a change is one against the reference, which --alone leaves out")
		case len(e.Entries) < 3:
			return nil, fmt.Errorf("--fail-if: there is nothing to compare with the reference %s: name with --model or --server what may have changed", e.Reference)
		case e.Blocks > 0 && e.Blocks < analysis.VerdictBlocks:
			return nil, fmt.Errorf("--fail-if: it takes %d restarts to decide, and there are to be %d (leave out --quick and --blocks)", analysis.VerdictBlocks, e.Blocks)
		}
	}
	return list, nil
}

// A ruling is what a gate says of one model.
type ruling int

const (
	isPassed ruling = iota
	isUndecided
	isExceeded
)

// rule reads a gate off a comparison's interval: it fails only where the whole
// of it lies beyond the limit, and passes only where none of it does. A model
// that left the rounds because it is far off has no interval; what its rounds
// showed, all of them, decides.
func (g gate) rule(c *result.Comparison) (r ruling, why string) {
	switch {
	case c == nil:
		return isUndecided, "it was not compared"
	case c.Verdict == result.VerdictLarge && c.Seen.N == 0:
		return isUndecided, "it left the rounds early, and none of its own counts"
	case c.Verdict == result.VerdictLarge && c.Seen.N < 3:
		// The others were disturbed. That it is beyond 2 × all showed, and no more.
		low, high := 2.0, math.Inf(1)
		if c.Seen.Median < 1 {
			low, high = 0, 0.5
		}
		return g.of(low, high), fmt.Sprintf("beyond 2 ×, %s in %s that nothing disturbed", change(c.Seen.Median), counted(c.Seen.N, "round"))
	case c.Verdict == result.VerdictLarge:
		return g.of(c.Seen.Low, c.Seen.High), fmt.Sprintf("%s in each of its %d rounds", changes(c.Seen.Low, c.Seen.High), c.Seen.N)
	case c.Verdict == result.VerdictNone:
		return isUndecided, "there is no verdict: " + c.Why
	case c.Ratio.Low == nil || c.Ratio.High == nil:
		return isUndecided, "there is no interval"
	}
	return g.of(*c.Ratio.Low, *c.Ratio.High), fmt.Sprintf("%s (%s)", change(c.Ratio.Estimate), changes(*c.Ratio.Low, *c.Ratio.High))
}

func (g gate) of(low, high float64) ruling {
	switch {
	case g.above && low > g.limit, !g.above && high < g.limit:
		return isExceeded
	case low <= g.limit && g.limit <= high:
		return isUndecided
	}
	return isPassed
}

// change is a ratio in per cent, with its sign.
func change(ratio float64) string { return fmt.Sprintf("%+.1f %%", 100*(ratio-1)) }

func changes(low, high float64) string {
	return fmt.Sprintf("%+.1f to %+.1f %%", 100*(low-1), 100*(high-1))
}

// judge holds a run against its gates, says what each says of each model, and
// ends the program accordingly.
func judge(w io.Writer, gates []gate, run result.Run) error {
	var exceeded, undecided []string
	narrows := false // a longer run would decide
	for _, g := range gates {
		for _, e := range run.Experiments {
			for _, entry := range e.Entries {
				if entry.Twin || entry.Label == e.Reference {
					continue
				}
				c := comparisonOf(e, entry.Label, g.metric)
				r, why := g.rule(c)
				said := fmt.Sprintf("%s under %s", entry.Label, e.Name)
				fmt.Fprintf(w, "workbench: --fail-if %s: %s: %s: %s\n", g.text, said,
					[...]string{isPassed: "passed", isUndecided: "inconclusive", isExceeded: "exceeded"}[r], why)
				switch r {
				case isExceeded:
					exceeded = append(exceeded, g.text+" by "+said)
				case isUndecided:
					undecided = append(undecided, g.text+" for "+said)
					narrows = narrows || c != nil && c.Verdict != result.VerdictLarge && c.Verdict != result.VerdictNone
				}
			}
		}
	}
	switch {
	case len(exceeded) > 0:
		return exitError{exitExceeded, fmt.Errorf("--fail-if: exceeded: %s", strings.Join(exceeded, "; "))}
	case len(undecided) > 0:
		cure := ""
		if narrows {
			cure = " (a larger --budget and a smaller --precision narrow the intervals)"
		}
		return exitError{exitInconclusive, fmt.Errorf("--fail-if: inconclusive: %s%s", strings.Join(undecided, "; "), cure)}
	}
	return nil
}

func comparisonOf(e result.Experiment, label, metric string) *result.Comparison {
	for i, c := range e.Comparisons {
		if c.Model == label && c.Metric == metric {
			return &e.Comparisons[i]
		}
	}
	return nil
}

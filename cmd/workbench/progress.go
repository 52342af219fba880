package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/trial"
)

// progress tells whoever watches how a run gets on: one line that changes on a
// terminal, lines that stay elsewhere. It is written between slices only.
type progress struct {
	w       io.Writer
	live    bool // w is a terminal
	plans   []trial.Experiment
	planned map[int]bool // experiments whose plan was said
	shown   bool
}

func newProgress(w io.Writer, p trial.Plan) *progress {
	return &progress{w: w, live: width(w) > 0, plans: p.Experiments, planned: map[int]bool{}}
}

func counted(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "y"):
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(what, "y"))
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// event shows where the run is.
func (p *progress) event(e trial.Event) {
	if e.Forecast != nil && !p.planned[e.Experiment] {
		p.planned[e.Experiment] = true
		p.clear()
		for _, line := range p.plan(e) {
			fmt.Fprintf(p.w, "workbench: %s\n", line)
		}
	}
	if e.Notable {
		p.clear()
		fmt.Fprintf(p.w, "workbench: %s: %s\n", p.plans[e.Experiment].Name, e.Doing)
		return
	}
	if !p.live {
		return
	}
	line := p.line(e)
	if runes := []rune(line); len(runes) >= width(p.w) {
		line = string(runes[:max(0, width(p.w)-1)])
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	p.shown = true
}

// plan is what an experiment is about to do, now that its pilot is over, and
// what may be concluded from that.
func (p *progress) plan(e trial.Event) []string {
	exp, f := p.plans[e.Experiment], e.Forecast
	name := exp.Name
	if len(p.plans) > 1 {
		name = fmt.Sprintf("%s (%d of %d)", exp.Name, e.Experiment+1, len(p.plans))
	}
	if f.Entries == 0 {
		return []string{name + ": nobody is left to play"}
	}
	lines := []string{fmt.Sprintf("%s: %s × %s × %s × %s ≈ %s", name, counted(f.Entries, "entry"), counted(f.Blocks, "restart"), counted(f.Rounds, "round"), rounded(f.Slice), rounded(f.Takes))}
	if f.Large > 0 {
		lines[0] += fmt.Sprintf(" (%d of them far off and soon left out)", f.Large)
	}
	switch {
	case exp.Reference == "" || f.Blocks >= analysis.VerdictBlocks:
	case f.Needs > 0 && (exp.Blocks == 0 || exp.Blocks >= analysis.VerdictBlocks):
		lines = append(lines, fmt.Sprintf("%s: a quick look without verdicts: the budget of %v holds %s of the %d that a verdict takes; --budget %v would hold them",
			exp.Name, exp.Budget, counted(f.Blocks, "restart"), analysis.VerdictBlocks, ceil(f.Needs)))
	default:
		lines = append(lines, fmt.Sprintf("%s: a quick look without verdicts: %s, and a verdict takes %d", exp.Name, counted(f.Blocks, "restart"), analysis.VerdictBlocks))
	}
	return lines
}

// rounded is a time for a reader, to two or three digits.
func rounded(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// ceil is d in whole seconds, upwards, in steps that a budget is given in.
func ceil(d time.Duration) time.Duration {
	return time.Duration(math.Ceil(d.Seconds()/5)) * 5 * time.Second
}

// line is what the run is at: which experiment, what runs, what is left, and how
// wide the intervals still are.
func (p *progress) line(e trial.Event) string {
	exp := p.plans[e.Experiment]
	parts := []string{exp.Name}
	if len(p.plans) > 1 {
		parts[0] = fmt.Sprintf("%s (%d of %d)", exp.Name, e.Experiment+1, len(p.plans))
	}
	if e.Block > 0 { // else it is the pilot
		restart := fmt.Sprintf("restart %d", e.Block)
		if f := e.Forecast; f != nil {
			restart += fmt.Sprintf(" of %d", max(f.Blocks, e.Block))
		}
		parts = append(parts, restart)
	}
	if e.Elapsed > 0 {
		left := "" // where the number of restarts is to end it, the budget says nothing
		if f := e.Forecast; exp.Budget < unlimited && (exp.Blocks == 0 || f != nil && f.Blocks < exp.Blocks) {
			left = fmt.Sprintf(" of %v", exp.Budget)
		}
		parts = append(parts, e.Elapsed.Round(100*time.Millisecond).String()+left)
	}
	if n := e.Narrow; n != nil && n.Ranked {
		var widest []string
		for _, m := range []struct{ metric, name string }{{result.MetricServerCPU, "CPU"}, {result.MetricThroughput, "requests/s"}} {
			if w, ok := n.Widest[m.metric]; ok && w < 1 { // of two or three restarts it says nothing yet
				widest = append(widest, fmt.Sprintf("%s ±%.1f %%", m.name, 100*w))
			}
		}
		if len(widest) > 0 {
			parts = append(parts, strings.Join(widest, ", "))
		}
	}
	return strings.Join(append(parts, e.Doing), " · ")
}

// clear takes the changing line away.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

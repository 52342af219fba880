package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"workbench/harness/trial"
)

// progress tells whoever watches how a run gets on: one line that changes on a
// terminal, lines that stay elsewhere. It is written between slices only.
type progress struct {
	w     io.Writer
	live  bool // w is a terminal
	plans []trial.Experiment
	said  int // experiments that were announced
	shown bool
}

func newProgress(w io.Writer, p trial.Plan) *progress {
	return &progress{w: w, live: width(w) > 0, plans: p.Experiments}
}

// plan says what is about to happen and how long it may take.
func (p *progress) plan(plan trial.Plan) {
	var parts []string
	for _, e := range plan.Experiments {
		var effort []string
		if e.Blocks > 0 {
			effort = append(effort, counted(e.Blocks, "restart")+" × "+counted(e.Rounds, "round"))
		}
		if e.Budget < unlimited {
			effort = append(effort, fmt.Sprintf("at most %v", e.Budget))
		}
		parts = append(parts, fmt.Sprintf("%s: %s, %s", e.Name, counted(len(e.Entries), "server"), strings.Join(effort, ", ")))
	}
	fmt.Fprintf(p.w, "workbench: %s (and a pilot each)\n", strings.Join(parts, " · "))
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// event shows where the run is.
func (p *progress) event(e trial.Event) {
	exp := p.plans[e.Experiment]
	if e.Notable {
		p.clear()
		fmt.Fprintf(p.w, "workbench: %s: %s\n", exp.Name, e.Doing)
		return
	}
	if !p.live {
		if p.said == e.Experiment {
			p.said++
			fmt.Fprintf(p.w, "workbench: %s (%d of %d)\n", exp.Name, e.Experiment+1, len(p.plans))
		}
		return
	}
	doing := e.Doing
	if e.Block > 0 { // else it is the pilot
		doing = fmt.Sprintf("restart %d · %s", e.Block, e.Doing)
		if exp.Blocks > 0 {
			doing = fmt.Sprintf("restart %d of %d · %s", e.Block, exp.Blocks, e.Doing)
		}
	}
	line := fmt.Sprintf("%s (%d of %d) · %s", exp.Name, e.Experiment+1, len(p.plans), doing)
	if e.Elapsed > 0 {
		line += fmt.Sprintf(" · %v", e.Elapsed.Round(100*time.Millisecond))
		if exp.Budget < unlimited {
			line += fmt.Sprintf(" of %v", exp.Budget)
		}
	}
	if runes := []rune(line); len(runes) >= width(p.w) {
		line = string(runes[:max(0, width(p.w)-1)])
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
	p.shown = true
}

// clear takes the changing line away.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

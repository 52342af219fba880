package report

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"workbench/harness/analysis"
	"workbench/harness/result"
)

// A goodput is a load that varies as a table: of what was due in each part of
// its cycle, the share that was answered rightly and in time.
type goodput struct {
	within, every time.Duration
	last          time.Duration // how long the last part is, which may be less
	names         []string
	parts         [][]string // in per cent; "–" where nothing was due
}

// mostParts of a cycle are about what a line has room for.
const mostParts = 12

// goodputs is nil for a load that doesn't vary.
func goodputs(exp result.Experiment, most int) *goodput {
	g := goodput{within: exp.Load.Patience()}
	for _, c := range rows(exp) {
		if c.GoodputSeries == nil || c.Unable != "" {
			continue
		}
		s, lastUs := analysis.Fold(*c.GoodputSeries, most)
		var parts []string
		for i := range s.Intended {
			if i >= len(s.Answered) || s.Intended[i] == 0 {
				parts = append(parts, "–")
				continue
			}
			parts = append(parts, wholePercent(s.Answered[i], s.Intended[i]))
		}
		g.every, g.last = time.Duration(s.BinUs)*time.Microsecond, time.Duration(lastUs)*time.Microsecond
		g.names = append(g.names, marked(exp, c))
		g.parts = append(g.parts, parts)
	}
	if len(g.names) == 0 {
		return nil
	}
	return &g
}

// wholePercent rounds down, so that 100 is all and nothing less.
func wholePercent(of, whole int64) string { return fmt.Sprintf("%d", 100*of/whole) }

func (g *goodput) title() string {
	s := fmt.Sprintf("answered within %s, %% of what was due, every %s of the load's cycle", span(g.within), span(g.every))
	if g.last != g.every {
		s += fmt.Sprintf(" (the last %s)", span(g.last))
	}
	return s
}

// lines are the table for a terminal.
func (g *goodput) lines() []string {
	names, parts := 0, 3
	for i, n := range g.names {
		names = max(names, utf8.RuneCountInString(n))
		for _, p := range g.parts[i] {
			parts = max(parts, utf8.RuneCountInString(p))
		}
	}
	lines := []string{g.title()}
	for i, n := range g.names {
		l := n + strings.Repeat(" ", names-utf8.RuneCountInString(n)) + " "
		for _, p := range g.parts[i] {
			l += " " + strings.Repeat(" ", parts-utf8.RuneCountInString(p)) + p
		}
		lines = append(lines, l)
	}
	return lines
}

// markdown is the same for a page.
func (g *goodput) markdown() string {
	var b strings.Builder
	most := 0
	for _, p := range g.parts {
		most = max(most, len(p))
	}
	fmt.Fprintf(&b, "%s:\n\n| from |", escape(g.title()))
	for i := range most {
		fmt.Fprintf(&b, " %s |", span(time.Duration(i)*g.every))
	}
	b.WriteString("\n| --- |" + strings.Repeat(" ---: |", most) + "\n")
	for i, n := range g.names {
		fmt.Fprintf(&b, "| %s |", escape(n))
		for _, p := range g.parts[i] {
			fmt.Fprintf(&b, " %s |", p)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	return b.String()
}

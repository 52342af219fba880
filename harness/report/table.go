package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"workbench/harness/result"
	"workbench/harness/stats"
)

// A column of a table: a title, what stands in each row, and whether figures
// line up at its right.
type column struct {
	title string
	right bool
	of    func(result.Experiment, result.Cell) string
	about string // a word on it below the table
}

// The columns by name, so that what is left out can be said in one line.
var (
	colModel     = column{title: "model", of: marked}
	colRate      = column{title: "requests/s", right: true, of: rate, about: spreadAbout}
	colRateRange = column{title: "", of: func(_ result.Experiment, c result.Cell) string { return seen(c.ThroughputPerS, result.Significant) }, about: rangeAbout}
	colRateLarge = column{title: "", of: func(e result.Experiment, c result.Cell) string {
		return large(comparison(e, c.Label, metricThroughput))
	}}
	colP50       = column{title: "p50", right: true, of: func(_ result.Experiment, c result.Cell) string { return percentile(c.LatencyUs, 0.5) }, about: percentilesAbout}
	colP99       = column{title: "p99", right: true, of: func(_ result.Experiment, c result.Cell) string { return percentile(c.LatencyUs, 0.99) }, about: percentilesAbout}
	colWaited    = column{title: "waited", right: true, of: func(_ result.Experiment, c result.Cell) string { return mean(c.WaitedUs) }, about: "waited: mean of response time less work"}
	colCPU       = column{title: "CPU/request", right: true, of: func(_ result.Experiment, c result.Cell) string { return median(c.ServerCPUUsPerRequest, result.Micros) }, about: spreadAbout}
	colCPURange  = column{title: "", of: func(_ result.Experiment, c result.Cell) string { return seen(c.ServerCPUUsPerRequest, result.Micros) }, about: rangeAbout}
	colCPULarge  = column{title: "", of: func(e result.Experiment, c result.Cell) string { return large(comparison(e, c.Label, metricCPU)) }}
	colMemory    = column{title: "memory", right: true, of: memory, about: "memory: most that was resident"}
	colBound     = column{title: "bound by", of: bound}
	colBoundWord = column{title: "bound by", of: boundWord} // the same in a word, for a narrow terminal
)

const (
	spreadAbout      = "requests/s, CPU/request: median of slices"
	rangeAbout       = "(lowest–highest slice)"
	percentilesAbout = "p50, p99: of all requests together"
)

// layouts are the tables from the whole to the narrowest. Each leaves out what
// a reader would miss least of the one before; a name, the ranked figures and
// what is large about them stay to the last.
var layouts = [][]*column{
	{&colModel, &colRate, &colRateRange, &colRateLarge, &colP50, &colP99, &colWaited, &colCPU, &colCPURange, &colCPULarge, &colMemory, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateLarge, &colP50, &colP99, &colWaited, &colCPU, &colCPURange, &colCPULarge, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateLarge, &colP50, &colP99, &colCPU, &colCPURange, &colCPULarge, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateLarge, &colP99, &colCPU, &colCPURange, &colCPULarge, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateLarge, &colP99, &colCPU, &colCPULarge, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateLarge, &colP99, &colCPU, &colCPULarge, &colBoundWord},
	{&colModel, &colRate, &colRateLarge, &colP99, &colCPU, &colCPULarge, &colBoundWord},
	{&colModel, &colRate, &colRateLarge, &colCPU, &colCPULarge, &colBoundWord},
	{&colModel, &colRate, &colRateLarge, &colCPU, &colCPULarge},
}

// Table is an experiment's cells for a terminal of the given width in columns;
// 0 for no limit. Where they don't fit, the least important columns are left
// out, down to about 60; below that lines are long. It ends in a newline.
func Table(exp result.Experiment, width int) string {
	var lines, about []string
	for _, layout := range layouts {
		lines, about = lay(exp, layout)
		if width <= 0 || !slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > width }) {
			break
		}
	}
	return strings.Join(append(lines, wrap(about, width)...), "\n") + "\n"
}

// lay fills the columns, leaves out those that no row has anything for, and
// lines up the rest.
func lay(exp result.Experiment, columns []*column) (lines, about []string) {
	cells := rows(exp)
	lines = make([]string, len(cells)+1)
	gap := ""
	for _, col := range columns {
		text, some := fill(exp, cells, col)
		if !some {
			continue
		}
		if col.about != "" && !slices.Contains(about, col.about) {
			about = append(about, col.about)
		}
		width := 0
		for _, t := range text {
			width = max(width, utf8.RuneCountInString(t))
		}
		for i, t := range text {
			pad := strings.Repeat(" ", width-utf8.RuneCountInString(t))
			if col.right {
				t = pad + t
			} else {
				t += pad
			}
			lines[i] += gap + t
		}
		gap = "  "
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines, about
}

// fill is a column from its title down, and whether any cell has something to
// say in it. "–" is a figure that a cell doesn't have.
func fill(exp result.Experiment, cells []result.Cell, col *column) (text []string, some bool) {
	text = []string{col.title}
	for _, c := range cells {
		t := col.of(exp, c)
		some = some || t != "" && t != "–"
		text = append(text, t)
	}
	return text, some
}

// wrap joins phrases with dots, in lines of at most width where they can be.
func wrap(phrases []string, width int) (lines []string) {
	for _, p := range phrases {
		if n := len(lines); n > 0 {
			if joined := lines[n-1] + " · " + p; width <= 0 || utf8.RuneCountInString(joined) <= width {
				lines[n-1] = joined
				continue
			}
		}
		lines = append(lines, p)
	}
	return lines
}

// marked is a cell's name, with a warning that no width leaves out where its
// figures are not to be believed.
func marked(exp result.Experiment, c result.Cell) string {
	n := name(exp, c)
	if !c.Valid && c.Slices > 0 {
		n += " (not valid)"
	}
	return n
}

func rate(_ result.Experiment, c result.Cell) string {
	s := median(c.ThroughputPerS, result.Significant)
	if lowerBound(c) && c.ThroughputPerS != nil {
		return "≥ " + s
	}
	return s
}

func median(s *result.Spread, format func(float64) string) string {
	if s == nil {
		return "–"
	}
	return format(s.Median)
}

// seen is the range of a figure, nothing where there is but one.
func seen(s *result.Spread, format func(float64) string) string {
	if s == nil || s.N < 2 {
		return ""
	}
	low, high := format(s.Low), format(s.High)
	if l, unit, ok := strings.Cut(low, " "); ok && strings.HasSuffix(high, " "+unit) {
		low = l // the unit once
	}
	return fmt.Sprintf("(%s–%s)", low, high)
}

func large(c *result.Comparison) string {
	switch {
	case !isLarge(c):
		return ""
	case c.Ratio.Estimate > 1:
		return "large × " + factor(c.Ratio.Estimate)
	case c.Ratio.Estimate > 0:
		return "large ÷ " + factor(1/c.Ratio.Estimate)
	}
	return "large" // nothing answered in most rounds: there is no factor
}

// percentile is null in the record where too few requests were seen; then it
// says how many there were and how many it takes.
func percentile(p *result.Percentiles, q float64) string {
	if p == nil {
		return "–"
	}
	x := p.P50
	if q == 0.99 {
		x = p.P99
	}
	if x == nil {
		return fmt.Sprintf("n/a (%s of %s requests)", result.Thousands(p.N), result.Thousands(int64(stats.MinSamples(q))))
	}
	return result.Micros(*x)
}

func mean(p *result.Percentiles) string {
	if p == nil {
		return "–"
	}
	return result.Micros(p.Mean)
}

func memory(_ result.Experiment, c result.Cell) string {
	if c.RSSPeakBytes == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f MB", float64(c.RSSPeakBytes)/1e6)
}

func bound(_ result.Experiment, c result.Cell) string {
	if c.BoundBy == "" {
		return c.BoundByWhy
	}
	if c.BoundByWhy == "" {
		return c.BoundBy
	}
	return c.BoundBy + ": " + c.BoundByWhy
}

func boundWord(_ result.Experiment, c result.Cell) string {
	if c.BoundBy == "" {
		return "–"
	}
	return c.BoundBy
}

package report

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/stats"
)

// A column of a table: a title, what stands in each row, and whether figures
// line up at its right.
type column struct {
	title string
	right bool
	of    func(result.Experiment, result.Cell) string
	about string // a word on it below the table

	legend func(result.Experiment) []string // the same where it depends on what stands in it
}

func verdictOn(metric string, words func(result.Experiment, result.Cell, string) string) column {
	return column{
		of:     func(e result.Experiment, c result.Cell) string { return words(e, c, metric) },
		legend: func(e result.Experiment) []string { return verdictLegend(e, metric) },
	}
}

// The columns by name, so that what is left out can be said in one line.
var (
	colModel     = column{title: "model", of: marked}
	colRate      = column{title: "requests/s", right: true, of: rate, about: spreadAbout}
	colRateRange = column{title: "", of: func(_ result.Experiment, c result.Cell) string { return seen(c.ThroughputPerS, result.Significant) }, about: rangeAbout}
	colP50       = column{title: "p50", right: true, of: func(e result.Experiment, c result.Cell) string { return percentile(e, c, 0.5) }, about: percentilesAbout}
	colP99       = column{title: "p99", right: true, of: func(e result.Experiment, c result.Cell) string { return percentile(e, c, 0.99) }, about: percentilesAbout}
	colWaited    = column{title: "waited", right: true, of: func(_ result.Experiment, c result.Cell) string { return mean(c.WaitedUs) }, about: "waited: mean of response time less work"}
	colCPU       = column{title: "CPU/request", right: true, of: func(_ result.Experiment, c result.Cell) string { return median(c.ServerCPUUsPerRequest, result.Micros) }, about: spreadAbout}
	colCPURange  = column{title: "", of: func(_ result.Experiment, c result.Cell) string { return seen(c.ServerCPUUsPerRequest, result.Micros) }, about: rangeAbout}
	colLate      = column{title: "sent late", right: true, of: late, about: "sent late: median of actual less intended send"}
	colHeld      = column{title: "bytes/held", right: true, of: perHeld, about: "bytes/held: growth of resident memory per held connection"}
	colMemory    = column{title: "memory", right: true, of: memory, about: "memory: most that was resident"}
	colPeak      = column{title: "held", right: true, of: heldPeak, about: "held: most connections at once"}
	colWaiting   = column{title: "waiting", right: true, of: counted(func(c result.Cell) int64 { return c.WaitingPeak }), about: "waiting: most that were accepted and yet to be held"}
	colRejected  = column{title: "rejected", right: true, of: counted(func(c result.Cell) int64 { return c.Rejected }), about: "rejected: connections answered 503, in all slices"}
	colQueues    = column{title: "queues", of: queues, about: "queues: most that waited in each"}
	colImbalance = column{title: "busiest part", of: imbalance, about: "busiest part: connections that it took, as a multiple of an even share"}
	colBound     = column{title: "bound by", of: bound}
	colBoundWord = column{title: "bound by", of: boundWord} // the same in a word, for a narrow terminal

	// How the figure before each stands to the reference's.
	colRateVerdict = verdictOn(metricThroughput, Verdict)
	colCPUVerdict  = verdictOn(metricCPU, Verdict)
	colP50Verdict  = verdictOn(result.MetricP50, differing)
	colP99Verdict  = verdictOn(result.MetricP99, differing)
	colRateBrief   = verdictOn(metricThroughput, briefly) // for a narrow terminal
	colCPUBrief    = verdictOn(metricCPU, briefly)
	colRateGroup   = column{title: "group", of: func(e result.Experiment, c result.Cell) string { return group(e, c, metricThroughput) }, about: groupAbout}
	colCPUGroup    = column{title: "group", of: func(e result.Experiment, c result.Cell) string { return group(e, c, metricCPU) }, about: groupAbout}
)

const (
	spreadAbout      = "requests/s, CPU/request: median of slices"
	rangeAbout       = "(lowest–highest slice)"
	percentilesAbout = "p50, p99: of all requests answered rightly"
	groupAbout       = "group: models that share a letter can't be told apart in the figure before it"
)

// verdictLegend says what the words beside a metric's figures mean: whom they
// compare with, and how sure they are.
func verdictLegend(exp result.Experiment, metric string) (said []string) {
	if !hasVerdicts(exp) {
		return nil // "large" is all, and needs no more words than the header's
	}
	some := func(p func(c *result.Comparison) bool) bool {
		return slices.ContainsFunc(exp.Comparisons, func(c result.Comparison) bool { return isRanked(c.Metric) == isRanked(metric) && p(&c) })
	}
	moreOrLess := some(differs)
	multiples := some(func(c *result.Comparison) bool { return differs(c) && differenceOf(c.Ratio).times })
	switch {
	case !isRanked(metric) && moreOrLess:
		words := "more or less"
		if multiples {
			words = "more, less, ×, ÷"
		}
		return []string{fmt.Sprintf("beside p50, p99: %s than %s's, each interval at %s %%", words, exp.Reference, confidence(exp, metric))}
	case !isRanked(metric):
		return nil
	case moreOrLess:
		words := "more, less"
		if multiples {
			words += ", ×, ÷"
		}
		said = append(said, fmt.Sprintf("%s (interval): than %s's", words, exp.Reference), "these intervals hold together at 95 %")
	}
	if some(func(c *result.Comparison) bool { return c.Verdict == result.VerdictSame }) {
		said = append(said, "no difference, ~ (±): none found, one above this would have shown")
	}
	return said
}

// differing is a verdict where there is a difference, and "" elsewhere: most
// percentiles of most models have none, and a table has better things to say.
func differing(exp result.Experiment, c result.Cell, metric string) string {
	if !differs(comparison(exp, c.Label, metric)) {
		return ""
	}
	return Verdict(exp, c, metric)
}

// group is a cell's letters in a metric. There are none unless they tell
// something apart among three models at least; of two the verdict says it all.
func group(exp result.Experiment, c result.Cell, metric string) string {
	var all []string
	own := ""
	for _, cmp := range exp.Comparisons {
		if cmp.Metric != metric {
			continue
		}
		if len(all) == 0 && cmp.ReferenceGroup != "" {
			all = append(all, cmp.ReferenceGroup)
		}
		if cmp.Group != "" {
			all = append(all, cmp.Group)
		}
		switch c.Label {
		case cmp.Model:
			own = cmp.Group
		case cmp.Reference:
			if cmp.ReferenceGroup != "" { // beside a model without letters it has none either
				own = cmp.ReferenceGroup
			}
		}
	}
	if len(all) < 3 {
		return ""
	}
	for _, letter := range all[0] {
		if !slices.ContainsFunc(all, func(letters string) bool { return !strings.ContainsRune(letters, letter) }) {
			return "" // one that all share
		}
	}
	return own
}

// layouts are the tables of a quick look from the whole to the narrowest. Each
// leaves out what a reader would miss least of the one before; a name, the
// ranked figures and what is large about them stay to the last.
var layouts = [][]*column{
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colP50, &colP99, &colWaited, &colLate, &colCPU, &colCPURange, &colCPUVerdict, &colHeld, &colMemory, &colPeak, &colWaiting, &colRejected, &colQueues, &colImbalance, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colP50, &colP99, &colWaited, &colLate, &colCPU, &colCPURange, &colCPUVerdict, &colHeld, &colMemory, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colP50, &colP99, &colWaited, &colLate, &colCPU, &colCPURange, &colCPUVerdict, &colHeld, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colP50, &colP99, &colLate, &colCPU, &colCPURange, &colCPUVerdict, &colHeld, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colP99, &colLate, &colCPU, &colCPURange, &colCPUVerdict, &colHeld, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colP99, &colCPU, &colCPUVerdict, &colHeld, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colP99, &colCPU, &colCPUVerdict, &colHeld, &colBoundWord},
	{&colModel, &colRate, &colRateVerdict, &colP99, &colCPU, &colCPUVerdict, &colHeld, &colBoundWord},
	{&colModel, &colRate, &colRateVerdict, &colCPU, &colCPUVerdict, &colHeld, &colBoundWord},
	{&colModel, &colRate, &colRateVerdict, &colCPU, &colCPUVerdict, &colHeld},
}

// verdictLayouts are those of experiments with verdicts. An interval says more
// than the range that slices were seen in, so that goes first.
var verdictLayouts = [][]*column{
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colRateGroup, &colP50, &colP50Verdict, &colP99, &colP99Verdict, &colWaited, &colLate, &colCPU, &colCPURange, &colCPUVerdict, &colCPUGroup, &colHeld, &colMemory, &colPeak, &colWaiting, &colRejected, &colQueues, &colImbalance, &colBound},
	{&colModel, &colRate, &colRateRange, &colRateVerdict, &colRateGroup, &colP50, &colP50Verdict, &colP99, &colP99Verdict, &colWaited, &colLate, &colCPU, &colCPURange, &colCPUVerdict, &colCPUGroup, &colHeld, &colMemory, &colBound},
	{&colModel, &colRate, &colRateVerdict, &colRateGroup, &colP50, &colP50Verdict, &colP99, &colP99Verdict, &colWaited, &colLate, &colCPU, &colCPUVerdict, &colCPUGroup, &colHeld, &colMemory, &colBound},
	{&colModel, &colRate, &colRateVerdict, &colRateGroup, &colP50, &colP50Verdict, &colP99, &colP99Verdict, &colWaited, &colLate, &colCPU, &colCPUVerdict, &colCPUGroup, &colHeld, &colBound},
	{&colModel, &colRate, &colRateVerdict, &colRateGroup, &colP50, &colP50Verdict, &colP99, &colP99Verdict, &colLate, &colCPU, &colCPUVerdict, &colCPUGroup, &colHeld, &colBound},
	{&colModel, &colRate, &colRateVerdict, &colRateGroup, &colP99, &colP99Verdict, &colLate, &colCPU, &colCPUVerdict, &colCPUGroup, &colHeld, &colBound},
	{&colModel, &colRate, &colRateVerdict, &colRateGroup, &colP99, &colP99Verdict, &colCPU, &colCPUVerdict, &colCPUGroup, &colHeld, &colBoundWord},
	{&colModel, &colRate, &colRateVerdict, &colP99, &colP99Verdict, &colCPU, &colCPUVerdict, &colHeld, &colBoundWord},
	{&colModel, &colRate, &colRateVerdict, &colCPU, &colCPUVerdict, &colHeld, &colBoundWord},
	{&colModel, &colRate, &colRateVerdict, &colCPU, &colCPUVerdict, &colBoundWord},
	{&colModel, &colRate, &colRateBrief, &colP99, &colCPU, &colCPUBrief, &colBoundWord},
	{&colModel, &colRate, &colRateBrief, &colCPU, &colCPUBrief, &colBoundWord},
	{&colModel, &colRate, &colRateBrief, &colCPU, &colCPUBrief},
}

// Table is an experiment's cells for a terminal of the given width in columns;
// 0 for no limit, and below them, of a load that varies, how each part of its
// cycle was answered. Where the cells don't fit, the least important columns are left
// out, down to about 60; below that lines are long. It ends in a newline.
func Table(exp result.Experiment, width int) string {
	var lines, about []string
	layouts := layouts
	if hasVerdicts(exp) {
		layouts = verdictLayouts
	}
	for _, layout := range layouts {
		lines, about = lay(exp, layout, width)
		if width <= 0 || !slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > width }) {
			break
		}
	}
	for _, l := range wrap(about, width) {
		lines = append(lines, strings.Split(Wrap(l, width), "\n")...)
	}
	for most := mostParts; ; most = (most + 1) / 2 {
		g := goodputs(exp, most)
		if g == nil {
			break
		}
		varying := g.lines()
		if most == 1 || width <= 0 || !slices.ContainsFunc(varying[1:], func(l string) bool { return utf8.RuneCountInString(l) > width }) {
			lines = append(append(lines, ""), append(wrap(varying[:1], width), varying[1:]...)...)
			break
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// lay fills the columns, leaves out those that no row has anything for, and
// lines up the rest. Who can't take part has no figures, and the reason stands
// in their place, over as many lines as the width asks for.
func lay(exp result.Experiment, columns []*column, width int) (lines, about []string) {
	cells := rows(exp)
	able := slices.DeleteFunc(slices.Clone(cells), func(c result.Cell) bool { return c.Unable != "" })
	filled := make([]string, len(able)+1)
	gap := ""
	names := 0 // width of the first column
	for _, col := range columns {
		of := able
		if col == &colModel {
			of = cells
		}
		text, some := fill(exp, of, col)
		if !some {
			continue
		}
		words := []string{col.about}
		if col.legend != nil {
			words = col.legend(exp)
		}
		for _, w := range words {
			if w != "" && !slices.Contains(about, w) {
				about = append(about, w)
			}
		}
		wide := 0
		for _, t := range text {
			wide = max(wide, utf8.RuneCountInString(t))
		}
		if col == &colModel {
			names = wide
			text, _ = fill(exp, able, col)
		}
		for i, t := range text {
			pad := strings.Repeat(" ", wide-utf8.RuneCountInString(t))
			if col.right {
				t = pad + t
			} else {
				t += pad
			}
			filled[i] += gap + t
		}
		gap = "  "
	}
	next := 1
	lines = slices.Clone(filled[:1])
	for _, c := range cells {
		if c.Unable == "" {
			lines = append(lines, filled[next])
			next++
			continue
		}
		lines = append(lines, unable(exp, c, names, width)...)
	}
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines, about
}

// unable is the row, or rows, of a cell that can't take part.
func unable(exp result.Experiment, c result.Cell, names, width int) []string {
	n := marked(exp, c)
	words := "can't: " + c.Unable
	if width > 0 {
		words = strings.TrimSuffix(Wrap(words, max(20, width-names-2)), "\n")
	}
	lines := strings.Split(words, "\n")
	for i, l := range lines {
		pad := names + 2
		if i == 0 {
			lines[i] = n + strings.Repeat(" ", pad-utf8.RuneCountInString(n)) + l
			continue
		}
		lines[i] = strings.Repeat(" ", pad) + l
	}
	return lines
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

// percentile is null in the record where too few requests were seen; then it
// says how many there were and how many it takes. Where it lies among requests
// that had no answer, it is longer than the clients' patience, if that is why,
// and else not known.
func percentile(exp result.Experiment, c result.Cell, q float64) string {
	p := c.LatencyUs
	if p == nil {
		return noneAnswered(exp, c)
	}
	x := p.P50
	if q == 0.99 {
		x = p.P99
	}
	asked := float64(p.N) // all of whom something is known
	if p.Censored < 1 {
		asked /= 1 - p.Censored
	}
	switch enough := asked+0.5 >= float64(stats.MinSamples(q)); {
	case x != nil:
		return result.Micros(*x)
	case enough && p.TimedOut > 1-q:
		return "> " + span(exp.Load.Patience())
	case enough && p.Censored > 1-q:
		return "n/a (" + shareInPercent(p.Censored) + " % unanswered)"
	}
	return fmt.Sprintf("n/a (%s of %s requests)", result.Thousands(p.N), result.Thousands(int64(stats.MinSamples(q))))
}

// noneAnswered stands for the times of a cell that was measured and has none.
func noneAnswered(exp result.Experiment, c result.Cell) string {
	switch {
	case c.Slices == 0 || c.Unable != "":
		return "–"
	case c.Due == 0:
		return "n/a (none was answered)"
	case exp.Load.Loop == scenario.LoopPartlyOpen:
		return fmt.Sprintf("n/a (none of the %s due was answered)", count(int(c.Due), "session"))
	}
	return fmt.Sprintf("n/a (none of the %s due was answered)", result.Thousands(c.Due))
}

func mean(p *result.Percentiles) string {
	if p == nil {
		return "–"
	}
	return result.Micros(p.Mean)
}

func late(_ result.Experiment, c result.Cell) string {
	p := c.SendLatenessUs
	if p == nil || p.P50 == nil {
		return "–"
	}
	return result.Micros(*p.P50)
}

func perHeld(_ result.Experiment, c result.Cell) string {
	b := c.BytesPerHeldConnection
	switch {
	case b == nil:
		return "–"
	case b.Median <= 0: // what the runtime gave back was more
		return "n/a (no growth)"
	}
	return result.Thousands(int64(math.Round(b.Median)))
}

func memory(_ result.Experiment, c result.Cell) string {
	if c.RSSPeakBytes == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f MB", float64(c.RSSPeakBytes)/1e6)
}

// heldPeak is not known of a server that is not ours, nor of one that nobody
// reached.
func heldPeak(_ result.Experiment, c result.Cell) string {
	if c.HeldPeak == 0 {
		return "–"
	}
	return result.Thousands(c.HeldPeak)
}

// counted is what the exchange counted, nothing where no cell has any.
func counted(of func(result.Cell) int64) func(result.Experiment, result.Cell) string {
	return func(exp result.Experiment, c result.Cell) string {
		switch {
		case !slices.ContainsFunc(exp.Cells, func(c result.Cell) bool { return of(c) > 0 }):
			return ""
		case c.HeldPeak == 0 && of(c) == 0:
			return "–"
		}
		return result.Thousands(of(c))
	}
}

// queues are a model's, by name, with the most that waited in each.
func queues(_ result.Experiment, c result.Cell) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(c.Queues)) {
		all = append(all, name+" "+result.Thousands(c.Queues[name]))
	}
	return strings.Join(all, ", ")
}

func imbalance(_ result.Experiment, c result.Cell) string {
	if c.Spread == nil || c.Spread.Parts < 2 || c.Spread.Imbalance == nil {
		return ""
	}
	return fmt.Sprintf("%s of %d %s", times(c.Spread.Imbalance.Median), c.Spread.Parts, c.Spread.Name)
}

func bound(_ result.Experiment, c result.Cell) string {
	if c.Unable != "" { // where a row is made of columns all the same
		return "can't: " + c.Unable
	}
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

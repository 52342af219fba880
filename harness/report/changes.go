package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/stats"
)

// Source is a record that others are compared with, and where it was read.
type Source struct {
	Path string
	Run  result.Run
}

// Changes says what a second record shows otherwise than a first: what else
// differs between them, before any figure; then the figures; then the answer
// in words. Lines are at most width columns long where they can be; 0 is no
// limit. It ends in a newline.
func Changes(c analysis.Changes, first, second Source, width int) string {
	var b strings.Builder
	for _, line := range []string{
		fmt.Sprintf("first:   %s", source(first)),
		fmt.Sprintf("second:  %s, %s", source(second), apart(c.Apart)),
		"",
	} {
		b.WriteString(Wrap(line+"\n", width))
	}
	b.WriteString(Wrap(circumstances(c), width))
	for _, m := range c.Matched {
		if len(m.Changes) == 0 {
			continue
		}
		b.WriteString("\n" + Wrap(changesHead(c, m), width))
		b.WriteString(changesTable(c, m, width))
	}
	b.WriteString("\n" + Wrap(changesAnswer(c), width))
	return b.String()
}

func source(s Source) string {
	return fmt.Sprintf("%s (%s, %s)", s.Path, cmp.Or(s.Run.Name, "unnamed"), s.Run.Started.UTC().Format("2006-01-02 15:04 UTC"))
}

// apart is the time between two runs, in its two largest units.
func apart(d time.Duration) string {
	word := "later"
	if d < 0 {
		d, word = -d, "EARLIER than the first"
	}
	d = d.Round(time.Second) // before days are taken off: what rounds up to one is one
	days, d := d/(24*time.Hour), d%(24*time.Hour)
	var parts []string
	for _, u := range []struct {
		n    int64
		unit string
	}{{int64(days), "d"}, {int64(d / time.Hour), "h"}, {int64(d / time.Minute % 60), "min"}, {int64(d / time.Second % 60), "s"}} {
		if u.n > 0 && len(parts) < 2 {
			parts = append(parts, fmt.Sprintf("%d %s", u.n, u.unit))
		}
	}
	if len(parts) == 0 {
		return "at the same time"
	}
	return strings.Join(parts, " ") + " " + word
}

// circumstances come first: a change of kernel is no change of a model.
func circumstances(c analysis.Changes) string {
	var lines []string
	for _, d := range c.Differs {
		lines = append(lines, d.String())
	}
	for _, m := range c.Matched {
		for _, d := range m.Differs {
			lines = append(lines, m.Name+": "+d.String())
		}
	}
	var b strings.Builder
	if len(lines) == 0 {
		b.WriteString("Machine, build and seed agree, as far as is recorded.\n")
	} else {
		b.WriteString("DIFFERENT, besides the time:\n")
		for _, l := range lines {
			b.WriteString("  " + l + "\n")
		}
	}
	if c.Absolute {
		b.WriteString("ABSOLUTE FIGURES: the machine's own drift is in every one of them. A shared machine has been seen to drift by a factor of two within an hour; without --absolute ratios to a reference are compared, in which both sides drift alike.\n")
	}
	return b.String()
}

// EnvironmentChanges are what differs between two machines and builds, a line
// for each: "kernel: 6.18.1 → 6.18.3".
func EnvironmentChanges(first, second result.Environment) (lines []string) {
	for _, d := range analysis.EnvironmentsDiffer(first, second) {
		lines = append(lines, d.String())
	}
	return lines
}

func changesHead(c analysis.Changes, m analysis.Matched) string {
	if c.Absolute {
		return m.Name + ": absolute figures\n"
	}
	return fmt.Sprintf("%s: ratios to %s\n", m.Name, m.Reference)
}

// changesTable has a line for each model and figure. Where it would be wider
// than the terminal it goes without what either record showed by itself.
func changesTable(c analysis.Changes, m analysis.Matched, width int) string {
	full := changesColumns(c, m, true)
	widest := 0
	for line := range strings.Lines(full) {
		widest = max(widest, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	if width > 0 && widest > width {
		return changesColumns(c, m, false)
	}
	return full
}

func changesColumns(c analysis.Changes, m analysis.Matched, both bool) string {
	rows := [][]string{{"model", "figure", "first", "second", "change", "verdict"}}
	for _, x := range m.Changes {
		rows = append(rows, []string{x.Model, figureName(x.Metric), figureThen(c, x.Metric, x.First), figureThen(c, x.Metric, x.Second), changed(x), changeVerdict(x)})
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if !both {
			r = slices.Delete(r, 2, 4)
		}
		fmt.Fprintln(w, strings.Join(r, "\t"))
	}
	_ = w.Flush() // to a strings.Builder, which takes all
	return b.String()
}

// figureName is what a metric is called in tables and sentences.
func figureName(metric string) string {
	switch metric {
	case result.MetricServerCPU:
		return "CPU per request"
	case result.MetricThroughput:
		return "requests/s"
	case result.MetricP50:
		return "p50"
	case result.MetricP99:
		return "p99"
	}
	return metric
}

func figureThen(c analysis.Changes, metric string, t analysis.Then) string {
	switch {
	case t.Blocks == 0:
		return "–"
	case !c.Absolute:
		return result.Significant(t.Figure) + " ×"
	case metric == result.MetricServerCPU:
		return result.Micros(t.Figure)
	}
	return result.Significant(t.Figure)
}

// changed is "+1.2 % (−0.3 to +2.8)".
func changed(x analysis.Change) string {
	if x.Ratio == nil {
		return "–"
	}
	r := *x.Ratio
	if r.Estimate > 2 || r.Estimate < 0.5 {
		e, l, h := figures(r.Estimate, r.Low, r.High, 1, 2)
		return fmt.Sprintf("%s × (%s–%s)", e, l, h)
	}
	e, l, h := figures(100*(r.Estimate-1), 100*(r.Low-1), 100*(r.High-1), 0, 0)
	return fmt.Sprintf("%s %% (%s to %s)", signed(e), signed(l), signed(h))
}

func changeVerdict(x analysis.Change) string {
	if x.Verdict == result.VerdictSame {
		return "no difference found"
	}
	return x.Verdict
}

// signed is a number as strconv writes it, with a sign before it unless it is 0.
func signed(s string) string {
	switch {
	case strings.Trim(s, "-0.") == "":
		return strings.TrimPrefix(s, "-")
	case strings.HasPrefix(s, "-"):
		return "−" + s[1:]
	}
	return "+" + s
}

// wouldHaveShown is "more than 2.1 % in CPU per request or 3.8 % in requests/s
// would have shown", of the widest interval of each metric; "" of none.
func wouldHaveShown(widest map[string]float64) string {
	var parts []string
	for _, metric := range []string{result.MetricServerCPU, result.MetricThroughput} {
		if w, ok := widest[metric]; ok {
			parts = append(parts, percent(w)+" % in "+figureName(metric))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "more than " + strings.Join(parts, " or ") + " would have shown"
}

// changesAnswer is the comparison in words: what differs, what does not and how
// little would have shown, what carries no verdict and why, and what only one
// of the records holds.
func changesAnswer(c analysis.Changes) string {
	said := slices.Concat(changesFound(c), changesUndecided(c), changesUnmatched(c))
	return "Between the two:\n  " + strings.Join(said, "\n  ") + "\n"
}

func changesFound(c analysis.Changes) (said []string) {
	widest, same := map[string]float64{}, 0
	for _, m := range c.Matched {
		for _, x := range m.Changes {
			switch x.Verdict {
			case result.VerdictMore, result.VerdictLess:
				said = append(said, changeSentence(c, m, x))
			case result.VerdictSame:
				same++
				widest[x.Metric] = max(widest[x.Metric], *x.Resolution)
			}
		}
	}
	found := len(said)
	switch {
	case found == 0 && same == 0:
		return []string{"No verdict can be given on any figure."}
	case found == 0:
		return []string{"No difference found: " + wouldHaveShown(widest) + "."}
	case same == 1:
		said = append(said, fmt.Sprintf("In the other figure no difference was found: %s.", wouldHaveShown(widest)))
	case same > 0:
		said = append(said, fmt.Sprintf("In the other %s no difference was found: %s.", count(same, "figure"), wouldHaveShown(widest)))
	}
	switch {
	case c.Absolute:
		said = append(said, "Each of these differences may be the machine's drift and nothing else.")
	case len(c.Differs) > 0 || slices.ContainsFunc(c.Matched, func(m analysis.Matched) bool { return len(m.Differs) > 0 }):
		said = append(said, "What else differs between the two (above) may be the cause.")
	}
	return said
}

// changeSentence is "iterative under io: 6.2 % more CPU per request than in the
// first, relative to goroutine (4.1–8.3 %; 1.10 ×, then 1.17 ×)".
func changeSentence(c analysis.Changes, m analysis.Matched, x analysis.Change) string {
	by, interval := by(ratioOf(*x.Ratio), x.Metric, figureName(x.Metric))
	against := ""
	if !c.Absolute {
		against = ", relative to " + m.Reference
	}
	return fmt.Sprintf("%s under %s: %s than in the first%s (%s; %s, then %s).", x.Model, m.Name, by, against, interval,
		figureThen(c, x.Metric, x.First), figureThen(c, x.Metric, x.Second))
}

// by is a difference in words, "24 % less CPU per request", and its interval,
// "22–26 %", which is "" where there is none.
func by(r result.Ratio, metric, figure string) (words, interval string) {
	d := differenceOf(r)
	less, unit := "less", " %"
	if metric == result.MetricThroughput {
		less = "fewer"
	}
	if d.times {
		unit = " ×"
	}
	switch {
	case d.times && d.more: // "120 % more" is read as 1.2 × by half of its readers
		words = "the " + figure
	case d.more:
		words = "more " + figure
	default:
		words = less + " " + figure
	}
	if d.interval != "" {
		interval = d.interval + unit
	}
	return d.by + unit + " " + words, interval
}

func ratioOf(i stats.Interval) result.Ratio {
	return result.Ratio{Estimate: i.Estimate, Low: &i.Low, High: &i.High}
}

// changesUndecided says once for each reason what it keeps from a verdict.
func changesUndecided(c analysis.Changes) (said []string) {
	for _, m := range c.Matched {
		var order []string
		of := map[string][]analysis.Change{}
		for _, x := range m.Changes {
			if x.Verdict != result.VerdictNone {
				continue
			}
			if of[x.Why] == nil {
				order = append(order, x.Why)
			}
			of[x.Why] = append(of[x.Why], x)
		}
		for _, why := range order {
			said = append(said, fmt.Sprintf("%s: no verdict on %s: %s.", m.Name, undecidedFigures(of[why]), why))
		}
	}
	return said
}

// undecidedFigures is "pool and errgroup", with the metric behind a model of which only
// one has no verdict: "pool (requests/s)".
func undecidedFigures(xs []analysis.Change) string {
	var models []string
	metrics := map[string][]string{}
	for _, x := range xs {
		if metrics[x.Model] == nil {
			models = append(models, x.Model)
		}
		metrics[x.Model] = append(metrics[x.Model], figureName(x.Metric))
	}
	for i, m := range models {
		if len(metrics[m]) == 1 {
			models[i] = fmt.Sprintf("%s (%s)", m, metrics[m][0])
		}
	}
	return list(models)
}

func changesUnmatched(c analysis.Changes) (said []string) {
	for _, m := range c.Matched {
		if m.Why != "" {
			said = append(said, fmt.Sprintf("%s was not compared: %s.", m.Name, m.Why))
		}
	}
	for _, side := range []struct {
		which       string
		experiments []string
		entries     func(analysis.Matched) []string
	}{
		{"first", c.OnlyFirst, func(m analysis.Matched) []string { return m.OnlyFirst }},
		{"second", c.OnlySecond, func(m analysis.Matched) []string { return m.OnlySecond }},
	} {
		if len(side.experiments) > 0 {
			said = append(said, fmt.Sprintf("Only in the %s: %s.", side.which, list(side.experiments)))
		}
		for _, m := range c.Matched {
			if entries := side.entries(m); len(entries) > 0 {
				said = append(said, fmt.Sprintf("Only in the %s, under %s: %s.", side.which, m.Name, list(entries)))
			}
		}
	}
	return said
}

// Package report makes tables, pages and answers in words from a record.
//
// Its position: words must be true, and never say more than the figures
// carry. A difference is named only where the record's comparison names it, and
// where none is found, how small a one would have shown; a figure stands beside
// the range that it was seen in; what is null is shown as not available, with
// the reason; and where the clients were the bottleneck a rate is a lower bound
// and written as one. Everything here is a function of the record alone: the
// same record gives the same text, today and from an archive. Nothing here
// prints, and nothing is measured anew.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// verdictBlocks is the number of restarts below which a run is a quick look.
const verdictBlocks = analysis.VerdictBlocks

// Header says in a few lines what was played, how long and where: the load, the
// effort, and, where less than usual may be concluded, what. It ends in a
// newline.
func Header(exp result.Experiment, run result.Run) string {
	lines := []string{
		fmt.Sprintf("%s: %s · %s loop · seed %d", cmp.Or(exp.Name, exp.Scenario), load(exp), exp.Loop, run.Seed),
		strings.Join(effort(exp, run.Environment), " · "),
	}
	if exp.Reference == "" {
		return strings.Join(lines, "\n") + "\n"
	}
	switch {
	case exp.Suspect:
		lines = append(lines, fmt.Sprintf("suspect: %s and its twin, the same server again, came out different: no verdicts", exp.Reference))
	case exp.Blocks < verdictBlocks:
		lines = append(lines, "quick look, no verdicts: only differences above 2 × are named")
	case exp.StoppedBy == "interrupt":
		lines = append(lines, "interrupted: intervals, no verdicts")
	case exp.StoppedBy == "":
		lines = append(lines, "cut short: intervals, no verdicts")
	}
	if n := exp.RoundsLeftOut; n > 0 {
		left := fmt.Sprintf("%s of %s left out of comparisons: the host or other processes took CPU time", result.Thousands(int64(n)), count(exp.Rounds, "round"))
		if exp.Blocks >= verdictBlocks && tooFewLeft(exp) {
			left += "; too few are left for verdicts"
		}
		lines = append(lines, left)
	}
	return strings.Join(lines, "\n") + "\n"
}

// tooFewLeft reports whether the models that took part to the end have fewer
// restarts left in their comparisons than verdicts take.
func tooFewLeft(exp result.Experiment) bool {
	most := 0
	for _, c := range exp.Comparisons {
		if isRanked(c.Metric) {
			most = max(most, c.Ratio.Blocks)
		}
	}
	return most > 0 && most < verdictBlocks
}

// EngineLine says in one line which of a run's figures may be compared where
// the instrument is not at its best: clients on package net, or nothing pinned.
// It is "" where there is nothing to say, and ends in a newline elsewhere.
func EngineLine(run result.Run) string {
	var why []string
	if run.Engine == "net" {
		why = append(why, "clients on package net need more CPU and send later")
	}
	switch env := run.Environment; {
	case env.ServerCPUs == "" && env.LoadCPUs == "":
		why = append(why, "server and clients are not pinned and take CPU from each other")
	case env.ServerCPUs == "" || env.LoadCPUs == "":
		why = append(why, "one side is not pinned and may take CPU from the other")
	case env.ServerCPUs == env.LoadCPUs:
		why = append(why, "server and clients share CPUs")
	}
	if len(why) == 0 {
		return ""
	}
	return fmt.Sprintf("Mind the instrument: %s. Ratios of CPU per request mean what they say; requests/s and latencies are of server and clients together.\n",
		strings.Join(why, "; "))
}

// dist is a distribution in words, from its canonical form.
func dist(d scenario.Dist) string {
	form, rest, _ := strings.Cut(d.String(), ":")
	switch form {
	case d.String():
		return lasting(form)
	case "exp":
		return "≈ " + lasting(rest) + " (exponential)"
	case "two":
		var points []string
		for p := range strings.SplitSeq(rest, ",") {
			share, at, _ := strings.Cut(p, "*")
			points = append(points, fmt.Sprintf("%s (%s)", lasting(at), spaced(share)))
		}
		return strings.Join(points, " or ")
	case "lognormal":
		mean, cs2, _ := strings.Cut(rest, ",cs2=")
		return fmt.Sprintf("≈ %s (lognormal, variance %s × mean²)", lasting(mean), cs2)
	}
	return fmt.Sprintf("≈ %s (%s)", result.Micros(float64(d.Mean())/float64(time.Microsecond)), d)
}

// lasting is a time of a distribution's canonical form, as span has it.
func lasting(s string) string {
	d, err := time.ParseDuration(s)
	if err != nil {
		return spaced(s)
	}
	return span(d)
}

// spaced sets a figure apart from its unit: "4KiB" is "4 KiB".
func spaced(s string) string {
	at := strings.IndexFunc(s, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if at <= 0 {
		return s
	}
	return s[:at] + " " + s[at:]
}

func effort(exp result.Experiment, env result.Environment) []string {
	models, twins, foreign := 0, 0, 0
	for _, e := range exp.Entries {
		switch {
		case e.Twin:
			twins++
		case e.Foreign():
			foreign++
		default:
			models++
		}
	}
	var who []string
	if models > 0 || foreign == 0 {
		who = append(who, count(models, "model"))
	}
	if foreign > 0 {
		who = append(who, count(foreign, "foreign server"))
	}
	if twins > 0 {
		who = append(who, "a twin")
	}
	played := list(who)
	switch {
	case exp.Rounds == 0:
		played += ", no round completed"
	case exp.Blocks > 0 && exp.Rounds%exp.Blocks == 0:
		played += fmt.Sprintf(" × %s × %s", count(exp.Blocks, "restart"), count(exp.Rounds/exp.Blocks, "round"))
	default:
		played += fmt.Sprintf(" × %s (%s completed)", count(exp.Rounds, "round"), count(exp.Blocks, "restart"))
	}
	parts := []string{played}
	if exp.DurationS > 0 {
		parts = append(parts, result.Significant(exp.DurationS)+" s")
	}
	switch {
	case exp.StoppedBy == "":
	case allRestarts(exp):
		parts = append(parts, "all restarts done")
	default:
		parts = append(parts, "stopped by "+exp.StoppedBy)
	}
	if exp.ServerCPUs == "" && exp.LoadCPUs == "" { // a record from when they were the run's
		exp.ServerCPUs, exp.LoadCPUs = env.ServerCPUs, env.LoadCPUs
	}
	server, clients := onCPUs(exp.ServerCPUs), onCPUs(exp.LoadCPUs)
	if server == clients {
		return append(parts, "server and clients "+server)
	}
	return append(parts, fmt.Sprintf("server %s, clients %s", server, clients))
}

// allRestarts reports whether an experiment ended because so many restarts were
// asked for, which the record calls "budget" too: time for another was there
// twice over.
func allRestarts(exp result.Experiment) bool {
	n := float64(exp.Blocks)
	return exp.StoppedBy == "budget" && n > 0 && 2*exp.DurationS*(n+1)/n < exp.BudgetS
}

func onCPUs(list string) string {
	switch {
	case list == "":
		return "not pinned to CPUs"
	case strings.ContainsAny(list, ",-"):
		return "on CPUs " + list
	}
	return "on CPU " + list
}

// Again is the last line: how to do it again, and where the record is.
// A record of "" is left out. It ends in a newline.
func Again(run result.Run, record string) string {
	s := "Again:  " + run.Command
	if record != "" {
		s += "          Record:  " + record
	}
	return s + "\n"
}

// rows are the cells in the order that they are shown in: the reference, its
// twin, and the others as they were asked for. They are not sorted by any
// figure: an order of neighbours would be a ranking that nobody has shown.
func rows(exp result.Experiment) []result.Cell {
	rank := func(c result.Cell) int {
		switch {
		case c.Label == exp.Reference:
			return 0
		case c.Twin:
			return 1
		}
		return 2
	}
	return slices.SortedStableFunc(slices.Values(exp.Cells), func(a, b result.Cell) int { return rank(a) - rank(b) })
}

// name is what a cell goes by in tables and sentences: its spec as short as
// it was asked for, where no other cell goes by the same.
func name(exp result.Experiment, c result.Cell) string {
	if c.Twin {
		return c.Label + " (twin)"
	}
	same := 0
	for _, o := range exp.Cells {
		if !o.Twin && o.Display == c.Display {
			same++
		}
	}
	if c.Display == "" || same > 1 {
		return c.Label
	}
	return c.Display
}

// comparison is that of a cell in a metric, nil where there is none.
func comparison(exp result.Experiment, label, metric string) *result.Comparison {
	for _, c := range exp.Comparisons {
		if c.Model == label && c.Metric == metric {
			return &c
		}
	}
	return nil
}

func isLarge(c *result.Comparison) bool { return c != nil && c.Verdict == result.VerdictLarge }

// open reports whether an experiment's load keeps to a schedule.
func open(exp result.Experiment) bool { return exp.Load.Loop != scenario.LoopClosed }

// lowerBound reports whether a cell's throughput is what the clients managed.
func lowerBound(c result.Cell) bool { return c.BoundBy == "clients" }

const (
	metricThroughput = result.MetricThroughput
	metricCPU        = result.MetricServerCPU
)

// factor is how many times, for a reader: "2.0", "62", "1,234".
func factor(x float64) string {
	if x < 9.95 {
		return fmt.Sprintf("%.1f", x)
	}
	return result.Thousands(int64(x + 0.5))
}

func count(n int, of string) string {
	s := result.Thousands(int64(n)) + " " + of
	if n != 1 {
		s += "s"
	}
	return s
}

// list is "a", "a and b", "a, b and c".
func list(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"workbench/harness/result"
)

// A compared metric, and the words that it is spoken of in.
type spoken struct {
	key, name  string
	is, again  string // between a model and by how much: "needs", and nothing where others came before it
	more, less string // "24 % less than goroutine"
	times      string // "2.3 × as much as goroutine"; the other way round it is less
	whose      string // behind the reference's name
}

var (
	ranked = []spoken{
		{metricCPU, "CPU per request", " needs", "", "more than", "less than", "as much as", ""},
		{metricThroughput, "requests/s", " answers", "", "more than", "fewer than", "as many as", ""},
	}
	latencies = []spoken{
		{result.MetricP50, "p50", "'s is", "'s", "longer than", "shorter than", "as long as", "'s"},
		{result.MetricP99, "p99", "'s is", "'s", "longer than", "shorter than", "as long as", "'s"},
	}
)

// than is "24 % less than goroutine (22–26)", and without a reference, where it
// has been named before, "24 % less (22–26)".
func (m spoken) than(r result.Ratio, reference string) string {
	d := differenceOf(r)
	by, words := d.by+" % ", m.less
	switch {
	case d.times && d.more:
		by, words = d.by+" × ", m.times
	case d.times:
		by = d.by + " × "
	case d.more:
		words = m.more
	}
	if reference == "" {
		words = strings.TrimSuffix(strings.TrimSuffix(words, " than"), " as")
	} else {
		words += " " + reference + m.whose
	}
	if d.interval != "" {
		words += " (" + d.interval + ")"
	}
	return by + words
}

// differences are those whose intervals leave 1 out, a line for each metric.
func (a *answer) differences() {
	for _, m := range slices.Concat(ranked, latencies) {
		var said []string
		resolution := 0.0
		for _, c := range a.models() {
			if a.finding(c, m.key) != isDifferent {
				continue
			}
			cmp := comparison(a.exp, c.Label, m.key)
			reference, is := a.refName(), m.is
			if len(said) > 0 {
				reference, is = "", m.again
			}
			said = append(said, a.name(c)+is+" "+m.than(cmp.Ratio, reference))
			if cmp.Resolution != nil {
				resolution = max(resolution, *cmp.Resolution)
			}
		}
		if len(said) == 0 {
			continue
		}
		line := m.name + ": " + strings.Join(said, ", ")
		if !isRanked(m.key) {
			line += fmt.Sprintf(", at %s %% confidence", confidence(a.exp, m.key))
		}
		line += "."
		if resolution > 0 {
			line += fmt.Sprintf(" A difference above %s %% would have shown.", percent(resolution))
		}
		a.say("%s", upperFirst(line))
	}
}

func isRanked(metric string) bool { return metric == metricCPU || metric == metricThroughput }

// confidence is that of each interval of a metric, in per cent, rounded down: no
// more is claimed than is had.
func confidence(exp result.Experiment, metric string) string {
	for _, c := range exp.Comparisons {
		if c.Metric == metric && c.Confidence > 0 {
			tenths := math.Floor(1000*c.Confidence + 1e-9) // .999 is not quite 999 thousandths
			return strings.TrimSuffix(fixed(tenths/10, 1), ".0")
		}
	}
	return "99.9"
}

// upperFirst begins a sentence, unless with a name of a percentile.
func upperFirst(s string) string {
	if strings.HasPrefix(s, "p50") || strings.HasPrefix(s, "p99") {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// noDifference names the models whose intervals hold 1, and what would have
// shown. That is not to say that they are the same.
func (a *answer) noDifference() {
	for _, g := range []struct {
		cpu, rate bool
		in        string // where only one of the two metrics is meant
	}{
		{true, true, ""}, {true, false, " in CPU per request"}, {false, true, " in requests/s"},
	} {
		var names []string
		var cpu, rate float64 // the widest resolution is true of all
		for _, c := range a.models() {
			if (a.finding(c, metricCPU) == isSame) != g.cpu || (a.finding(c, metricThroughput) == isSame) != g.rate {
				continue
			}
			names = append(names, a.name(c))
			if g.cpu {
				cpu = max(cpu, resolution(comparison(a.exp, c.Label, metricCPU)))
			}
			if g.rate {
				rate = max(rate, resolution(comparison(a.exp, c.Label, metricThroughput)))
			}
		}
		var shown []string
		for _, m := range []struct {
			of   float64
			name string
		}{{cpu, "CPU per request"}, {rate, "requests/s"}} {
			switch {
			case m.of == 0:
			case g.in == "":
				shown = append(shown, fmt.Sprintf("%s %% in %s", percent(m.of), m.name))
			default:
				shown = append(shown, percent(m.of)+" %")
			}
		}
		said := ""
		switch len(names) {
		case 0:
			continue
		case 1:
			said = fmt.Sprintf("%s and %s: no difference found%s.", names[0], a.refName(), g.in)
		default: // nothing is said of each other
			said = fmt.Sprintf("%s: no difference from %s found%s.", list(names), a.refName(), g.in)
		}
		if len(shown) > 0 {
			said += fmt.Sprintf(" More than %s would have shown.", or(shown))
		}
		a.say("%s", said)
	}
}

func resolution(c *result.Comparison) float64 {
	if c == nil || c.Resolution == nil {
		return 0
	}
	return *c.Resolution
}

// bySpeed reports whether speed may be a reason to choose a model or the
// reference: unless no difference was found in either ranked metric, nor one in
// a latency.
func (a *answer) bySpeed(c result.Cell) bool {
	for _, m := range ranked {
		if a.finding(c, m.key) != isSame {
			return true
		}
	}
	for _, m := range latencies {
		if a.finding(c, m.key) == isDifferent {
			return true
		}
	}
	return false
}

// noVerdict names the models that may have none, with the reason, once for all
// that it is true of, and what was seen all the same.
func (a *answer) noVerdict() {
	if a.exp.Suspect {
		return // said at the top
	}
	type group struct {
		why     string
		metrics []spoken
		bounded bool // there are intervals
	}
	of := func(c result.Cell) (gs []group) {
		for _, m := range ranked {
			if a.finding(c, m.key) != isUndecided {
				continue
			}
			cmp := comparison(a.exp, c.Label, m.key)
			_, _, bounded := ends(cmp.Ratio)
			why := cmp.Why
			if why == "" {
				why = "no reason is recorded"
			}
			if n := len(gs); n > 0 && gs[n-1].why == why && gs[n-1].bounded == bounded {
				gs[n-1].metrics = append(gs[n-1].metrics, m)
				continue
			}
			gs = append(gs, group{why, []spoken{m}, bounded})
		}
		return gs
	}
	key := func(g group) string {
		s := fmt.Sprint(g.why, g.bounded)
		for _, m := range g.metrics {
			s += " " + m.key
		}
		return s
	}
	var order []group
	members := map[string][]result.Cell{}
	for _, c := range a.models() {
		for _, g := range of(c) {
			if members[key(g)] == nil {
				order = append(order, g)
			}
			members[key(g)] = append(members[key(g)], c)
		}
	}
	for _, g := range order {
		var names, metrics, seen []string
		for _, c := range members[key(g)] {
			names = append(names, a.name(c))
		}
		for _, m := range g.metrics {
			metrics = append(metrics, m.name)
			var each []string
			for _, c := range members[key(g)] {
				cmp := comparison(a.exp, c.Label, m.key)
				if low, high, ok := ends(cmp.Ratio); ok {
					each = append(each, interval(low, high))
				} else {
					each = append(each, strings.TrimSuffix(times(cmp.Seen.Median), " ×"))
				}
			}
			seen = append(seen, m.name+" "+list(each))
		}
		why := g.why
		if rest, ok := strings.CutPrefix(why, "it "); ok && len(names) > 1 {
			why = "each " + rest
		}
		what := "Seen in the median round"
		if g.bounded {
			what = "Intervals"
		}
		order := ""
		if len(names) > 1 {
			order = ", in that order"
		}
		a.say("%s: no verdict on %s, since %s. %s, as multiples of %s's%s: %s.",
			list(names), list(metrics), why, what, a.refName(), order, strings.Join(seen, "; "))
	}
}

// restsOnRounds names the verdicts that would be others with the rounds that
// were left out.
func (a *answer) restsOnRounds() {
	with := "Note: with the round counted that was left out, "
	if n := a.exp.RoundsLeftOut; n != 1 {
		with = fmt.Sprintf("Note: with the %s counted that were left out, ", count(n, "round"))
	}
	for _, c := range a.models() {
		for _, m := range slices.Concat(ranked, latencies) {
			cmp, found := comparison(a.exp, c.Label, m.key), a.finding(c, m.key)
			if cmp == nil || cmp.AllRounds == nil || found != isDifferent && found != isSame {
				continue
			}
			low, high, ok := ends(*cmp.AllRounds)
			if !ok {
				continue
			}
			opposite := (cmp.AllRounds.Estimate > 1) != (cmp.Ratio.Estimate > 1)
			switch would := excludes(*cmp.AllRounds); {
			case would && (found == isSame || opposite):
				m.whose = "'s"
				a.say("%s%s of %s would come out %s.", with, m.name, a.name(c), m.than(*cmp.AllRounds, a.refName()))
			case !would && found == isDifferent:
				a.say("%sno difference in %s would be found between %s and %s (±%s %%).", with, m.name, a.name(c), a.refName(), percent(math.Sqrt(high/low)-1))
			}
		}
	}
}

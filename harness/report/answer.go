package report

import (
	"fmt"
	"slices"
	"strings"

	"workbench/harness/result"
)

// Answer says in words what an experiment showed: what differs, by how much
// and over how many rounds; what does not, as far as was seen; and what
// limited each. "For this load:" and one finding to a line, indented by two.
// It ends in a newline.
func Answer(exp result.Experiment) string {
	a := answer{exp: exp, cells: rows(exp)}
	a.alarm()
	a.withoutFigures()
	a.reference()
	a.largeDifferences()
	a.limits()
	a.withinTwo()
	a.undecided()
	a.twin()
	a.lowerBounds()
	a.disturbed()
	a.notes()
	if len(a.said) == 0 {
		a.say("nothing was measured.")
	}
	return "For this load:\n  " + strings.Join(a.said, "\n  ") + "\n"
}

type answer struct {
	exp   result.Experiment
	cells []result.Cell
	said  []string
}

func (a *answer) say(format string, args ...any) {
	a.said = append(a.said, fmt.Sprintf(format, args...))
}

func (a *answer) name(c result.Cell) string { return name(a.exp, c) }

func (a *answer) refName() string {
	for _, c := range a.cells {
		if c.Label == a.exp.Reference {
			return a.name(c)
		}
	}
	return a.exp.Reference
}

// names are those of the cells that p holds for.
func (a *answer) names(p func(result.Cell) bool) (ns []string) {
	for _, c := range a.cells {
		if p(c) {
			ns = append(ns, a.name(c))
		}
	}
	return ns
}

// models are the valid cells that are compared with the reference; the twin is
// no model of its own.
func (a *answer) models() (ms []result.Cell) {
	for _, c := range a.cells {
		if c.Valid && !c.Twin && c.Label != a.exp.Reference {
			ms = append(ms, c)
		}
	}
	return ms
}

// referenceCell is nil where there is none, or none whose figures are valid.
func (a *answer) referenceCell() *result.Cell {
	for _, c := range a.cells {
		if c.Label == a.exp.Reference && c.Valid {
			return &c
		}
	}
	return nil
}

// alarm comes first: where the same server differs from itself, no difference
// is to be believed.
func (a *answer) alarm() {
	for _, c := range a.cells {
		if !c.Twin {
			continue
		}
		for _, m := range metrics {
			if cmp := comparison(a.exp, c.Label, m.key); isLarge(cmp) {
				a.say("The twin of %s, the same server again, came out at %s in %s: something disturbs this experiment. Believe no difference in it.",
					a.refName(), times(cmp.Ratio.Estimate), m.name)
			}
		}
	}
}

var metrics = []struct{ key, name string }{
	{metricThroughput, "requests/s"},
	{metricCPU, "CPU per request"},
}

// times is a ratio for a reader, to two decimals.
func times(x float64) string { return fmt.Sprintf("%.2f ×", x) }

// timesRange is "0.93–1.04 ×", and a single ratio where both are printed alike.
func timesRange(low, high float64) string {
	l, h := fmt.Sprintf("%.2f", low), times(high)
	if times(low) == h {
		return h
	}
	return l + "–" + h
}

// withoutFigures names what failed, by its reason.
func (a *answer) withoutFigures() {
	for _, c := range a.cells {
		switch {
		case c.Valid:
		case c.Slices == 0:
			a.say("%s was not measured: %s.", a.name(c), strings.Join(reasons(c), "; "))
		default:
			a.say("%s has no valid figures: %s.", a.name(c), strings.Join(reasons(c), "; "))
		}
	}
	if a.exp.Reference != "" && a.referenceCell() == nil && len(a.cells) > 1 {
		a.say("Without valid figures of the reference %s no difference is named.", a.refName())
	}
}

// reasons leave out the one that the sentence begins with.
func reasons(c result.Cell) []string {
	var rs []string
	for _, w := range c.Warnings {
		rs = append(rs, strings.TrimPrefix(w, "no figures: "))
	}
	if len(rs) == 0 {
		return []string{"no reason is recorded"}
	}
	return rs
}

// reference says how the reference stood, or every model where nothing is
// compared.
func (a *answer) reference() {
	for _, c := range a.cells {
		if c.Valid && !c.Twin && (c.Label == a.exp.Reference || a.referenceCell() == nil) {
			if s := a.standing(c); s != "" {
				a.say("%s", s)
			}
		}
	}
}

// standing is how one server met the load. Those that the clients or the host
// bound are named together elsewhere.
func (a *answer) standing(c result.Cell) string {
	n := a.name(c)
	switch c.BoundBy {
	case "server":
		return fmt.Sprintf("%s has no CPU left (%s): %s.", n, c.BoundByWhy, split(c))
	case "limit":
		return fmt.Sprintf("%s was at its limit (%s): %s.", n, c.BoundByWhy, split(c))
	case "load":
		// "All that the clients ask for" is N/(Z+S): it is reached if next to
		// nothing is waited beside the work.
		if c.ServiceUs != nil && c.WaitedUs != nil && c.WaitedUs.Mean <= 0.1*c.ServiceUs.Mean {
			return fmt.Sprintf("%s answers all that the clients ask for: %s.", n, split(c))
		}
		return fmt.Sprintf("%s: %s; %s.", n, notFull(c), split(c))
	}
	return ""
}

// notFull says what was seen not to be the bottleneck, with how busy it was.
func notFull(c result.Cell) string {
	clients, server := c.ClientCPUUtilisation, c.ServerCPUUtilisation
	switch {
	case server != nil && clients != nil:
		return fmt.Sprintf("neither its CPU (%.0f %% busy) nor the clients' (%.0f %%) was full", 100*server.Median, 100*clients.Median)
	case clients != nil:
		return fmt.Sprintf("the clients' CPU was not full (%.0f %% busy), its own was not seen", 100*clients.Median)
	}
	return "no CPU was seen full"
}

// split is how a request's time divides, on average.
func split(c result.Cell) string {
	switch {
	case c.ServiceUs != nil && c.WaitedUs != nil:
		return fmt.Sprintf("on average a request waits %s for its turn and %s for its work", result.Micros(c.WaitedUs.Mean), result.Micros(c.ServiceUs.Mean))
	case c.LatencyUs != nil:
		return fmt.Sprintf("a request takes %s on average", result.Micros(c.LatencyUs.Mean))
	}
	return "how long a request takes was not seen"
}

// largeDifferences are those that the record's verdicts name.
func (a *answer) largeDifferences() {
	if a.referenceCell() == nil {
		return
	}
	for _, c := range a.models() {
		if cmp := comparison(a.exp, c.Label, metricThroughput); isLarge(cmp) {
			a.say("%s answers %s %s (%s; bound by %s): %s.", a.name(c), multiple(cmp.Ratio, "as many requests/s as", "fewer requests/s than"), a.refName(),
				inRounds(cmp.Ratio), bound(a.exp, c), split(c))
		}
	}
	for _, c := range a.models() {
		if cmp := comparison(a.exp, c.Label, metricCPU); isLarge(cmp) {
			a.say("%s needs %s %s (%s).", a.name(c), multiple(cmp.Ratio, "as much CPU per request as", "less CPU per request than"), a.refName(), inRounds(cmp.Ratio))
		}
	}
}

// multiple is "62 × fewer than", or "3.1 × as many as". Of a model that
// answered nothing in most rounds there is no factor but the least.
func multiple(r result.Ratio, more, less string) string {
	switch {
	case r.Estimate > 1:
		return factor(r.Estimate) + " × " + more
	case r.Estimate > 0:
		return factor(1/r.Estimate) + " × " + less
	case r.High > 0:
		return "at least " + factor(1/r.High) + " × " + less
	}
	return "far " + less // a factor would be a division by 0
}

// inRounds is the range of factors that rounds saw, the way of the estimate.
func inRounds(r result.Ratio) string {
	low, high := r.Low, r.High
	if r.Estimate < 1 {
		if r.Low == 0 {
			return fmt.Sprintf("none at all in some of its %s", count(r.Rounds, "round"))
		}
		low, high = 1/r.High, 1/r.Low
	}
	if factor(low) == factor(high) {
		return fmt.Sprintf("%s × in each of its %s", factor(low), count(r.Rounds, "round"))
	}
	return fmt.Sprintf("%s–%s × in its %s", factor(low), factor(high), count(r.Rounds, "round"))
}

// limits says of the other models whether what they are made for came to bear.
func (a *answer) limits() {
	for _, c := range a.models() {
		l := c.Limit
		n := a.name(c)
		switch {
		case l == nil:
		case c.BoundBy == "limit" && a.referenceCell() != nil && !isLarge(comparison(a.exp, c.Label, metricThroughput)):
			a.say("%s", a.standing(c))
		case c.HeldPeak == 0 || c.HeldPeak >= l.Size:
		case l.Name == "goroutines":
			a.say("The limit of %s was never reached (peak %s): here %s is goroutine-per-connection.", result.Thousands(l.Size), result.Thousands(c.HeldPeak), n)
		case l.Name == "workers":
			a.say("Of %s's %s workers at most %s were busy: no connection waited for lack of one.", n, result.Thousands(l.Size), result.Thousands(c.HeldPeak))
		default:
			a.say("%s never reached its limit of %s %s (peak %s).", n, result.Thousands(l.Size), l.Name, result.Thousands(c.HeldPeak))
		}
	}
}

// finding is what a comparison carries in one metric.
type finding int

const (
	isAbsent   finding = iota // no round held both
	isNamed                   // large
	isUnranked                // the clients bound one of them
	isWithin                  // the median round is within a factor of 2
	isBeyond                  // it is not, but not every round agrees, or there are too few
)

func (a *answer) finding(c result.Cell, metric string) finding {
	cmp, ref := comparison(a.exp, c.Label, metric), a.referenceCell()
	switch {
	case cmp == nil || ref == nil:
		return isAbsent
	case isLarge(cmp):
		return isNamed
	case metric == metricThroughput && (lowerBound(c) || lowerBound(*ref)):
		return isUnranked
	case cmp.Ratio.Estimate >= 0.5 && cmp.Ratio.Estimate <= 2:
		return isWithin
	}
	return isBeyond
}

// withinTwo names the models of which this record shows no difference, and
// what was seen all the same. That is not to say that there is none.
func (a *answer) withinTwo() {
	for _, g := range []struct {
		rate, cpu bool
		words     string
	}{
		{true, true, "within 2 × of %s in requests/s and CPU per request"},
		{true, false, "within 2 × of %s in requests/s"},
		{false, true, "within 2 × of %s in CPU per request"},
	} {
		var ns, seen []string
		var rates, cpus []float64
		for _, c := range a.models() {
			if (a.finding(c, metricThroughput) == isWithin) != g.rate || (a.finding(c, metricCPU) == isWithin) != g.cpu {
				continue
			}
			ns = append(ns, a.name(c))
			if g.rate {
				rates = append(rates, comparison(a.exp, c.Label, metricThroughput).Ratio.Estimate)
			}
			if g.cpu {
				cpus = append(cpus, comparison(a.exp, c.Label, metricCPU).Ratio.Estimate)
			}
		}
		if len(ns) == 0 {
			continue
		}
		for _, xs := range [][]float64{rates, cpus} {
			if len(xs) > 0 {
				seen = append(seen, timesRange(slices.Min(xs), slices.Max(xs)))
			}
		}
		a.say("%s: "+g.words+"; no smaller difference is named (median round: %s).", list(ns), a.refName(), strings.Join(seen, " and "))
	}
}

// undecided are those beyond a factor of 2 that may not be named.
func (a *answer) undecided() {
	for _, c := range a.models() {
		for _, m := range metrics {
			if a.finding(c, m.key) != isBeyond {
				continue
			}
			r := comparison(a.exp, c.Label, m.key).Ratio
			why := "not beyond 2 × in every one"
			if r.Rounds < 3 {
				why = "too few rounds"
			}
			a.say("%s: %s %s's %s in the median of %s (%s), %s: no difference is named.",
				a.name(c), times(r.Estimate), a.refName(), m.name, count(r.Rounds, "round"), timesRange(r.Low, r.High), why)
		}
	}
}

// twin shows what chance does to one and the same server. It is a single draw
// of that, so it bounds nothing: what is smaller means nothing, what is larger
// need not mean anything.
func (a *answer) twin() {
	for _, c := range a.cells {
		if !c.Twin || !c.Valid {
			continue
		}
		var seen []string
		for _, m := range metrics {
			cmp := comparison(a.exp, c.Label, m.key)
			if isLarge(cmp) {
				return // said at the top
			}
			if cmp != nil {
				seen = append(seen, fmt.Sprintf("%s in %s (rounds: %s)", times(cmp.Ratio.Estimate), m.name, timesRange(cmp.Ratio.Low, cmp.Ratio.High)))
			}
		}
		if len(seen) > 0 {
			a.say("The twin of %s, the same server again, came out at %s: differences of that size mean nothing here.", a.refName(), list(seen))
		}
	}
}

// lowerBounds are the cells whose clients were the bottleneck, and what can
// still be said: a model slower than a lower bound is slower.
func (a *answer) lowerBounds() {
	ns := a.names(func(c result.Cell) bool { return c.Valid && lowerBound(c) })
	if len(ns) == 0 {
		return
	}
	those := "those requests/s are lower bounds (≥) and aren't ranked"
	if len(ns) == 1 {
		those = "its requests/s are a lower bound (≥) and aren't ranked"
	}
	a.say("The clients were the bottleneck for %s: %s.", list(ns), those)
	ref := a.referenceCell()
	if ref == nil || !lowerBound(*ref) {
		return
	}
	for _, c := range a.models() {
		cmp := comparison(a.exp, c.Label, metricThroughput)
		if cmp == nil || lowerBound(c) || cmp.Ratio.Rounds < 3 || cmp.Ratio.High >= 0.5 || cmp.Ratio.Estimate <= 0 {
			continue
		}
		a.say("%s answers at least %s, whose own are a lower bound (%s; bound by %s): %s.", a.name(c),
			multiple(cmp.Ratio, "", "fewer requests/s than "+a.refName()), inRounds(cmp.Ratio), bound(a.exp, c), split(c))
	}
}

// disturbed are the cells that the host took CPU time from.
func (a *answer) disturbed() {
	if ns := a.names(func(c result.Cell) bool { return c.Valid && c.BoundBy == "host" }); len(ns) > 0 {
		a.say("The host took CPU time from %s in more than half of the slices: run it again on a quieter machine.", list(ns))
	}
}

// notes are the warnings of cells whose figures stand, each once with all that
// it is true of, and those of the experiment.
func (a *answer) notes() {
	var order []string
	of := map[string][]string{}
	for _, c := range a.cells {
		if !c.Valid {
			continue // told with its reasons
		}
		for _, w := range c.Warnings {
			if of[w] == nil {
				order = append(order, w)
			}
			of[w] = append(of[w], a.name(c))
		}
	}
	for _, w := range order {
		a.say("Note: %s: %s.", list(of[w]), w)
	}
	for _, w := range a.exp.Warnings {
		a.say("Note: %s.", w)
	}
}

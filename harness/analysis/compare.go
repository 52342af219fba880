package analysis

import (
	"fmt"
	"maps"
	"slices"

	"workbench/harness/result"
	"workbench/harness/stats"
)

const (
	largeFactor = 2 // either way
	largeRounds = 3 // the least number of rounds that must all agree

	verdictLarge = "large"
	verdictNone  = "none"
)

// Metrics that are compared, as [result.Comparison] names them.
const (
	MetricServerCPU  = "server_cpu_us_per_request"
	MetricThroughput = "throughput_per_s"
)

var compared = []struct {
	name string
	of   metric
}{
	{MetricServerCPU, serverCPU},
	{MetricThroughput, throughput},
}

// compare sets each cell against the reference, in both metrics, and leaves
// out what no round holds both of.
func compare(exp result.Experiment, cells []result.Cell, byLabel map[string][]result.Slice) (comparisons []result.Comparison, warnings []string) {
	if exp.Reference == "" {
		return nil, nil
	}
	at := slices.IndexFunc(cells, func(c result.Cell) bool { return c.Label == exp.Reference })
	if at < 0 {
		return nil, []string{fmt.Sprintf("nothing is compared: the reference %q is no entry", exp.Reference)}
	}
	reference, twin := cells[at], twinOf(cells, exp.Reference)
	for _, c := range cells {
		if c.Label == reference.Label {
			continue
		}
		base := []string{reference.Label}
		if twin != "" && c.Label != twin {
			base = append(base, twin)
		}
		for _, m := range compared {
			rs := perRound(byLabel, c.Label, base, m.of, result.PhaseRound)
			if len(rs) == 0 {
				continue
			}
			comparisons = append(comparisons, result.Comparison{
				Metric: m.name, Reference: reference.Label, Model: c.Label,
				Ratio:   summary(rs),
				Verdict: verdict(m.name, rs, c, reference),
			})
		}
	}
	if !slices.ContainsFunc(cells, func(c result.Cell) bool { return c.Label == reference.Label && c.Slices > 0 }) {
		warnings = append(warnings, fmt.Sprintf("nothing is compared: the reference %s was not measured", reference.Label))
	}
	return comparisons, warnings
}

// twinOf is the label of the reference's twin, "" where it has none.
func twinOf(cells []result.Cell, reference string) string {
	for _, c := range cells {
		if c.Twin && c.Label != reference {
			return c.Label
		}
	}
	return ""
}

// A roundRatio is model over reference within one round, where both met the
// same load within the same second.
type roundRatio struct {
	block, round int
	ratio        float64 // 0 where the model answered nothing
}

// perRound divides label's figure by the geometric mean of base's (of those
// that have one) in every round of a phase that holds both. They are paired
// because between rounds a shared machine moves more than models differ.
func perRound(byLabel map[string][]result.Slice, label string, base []string, of metric, phase string) []roundRatio {
	type key struct{ block, round int }
	figures := func(label string) map[key]float64 {
		xs := map[key]float64{}
		for _, s := range byLabel[label] {
			if s.Phase != phase || !good(s) {
				continue
			}
			k := key{s.Block, s.Round}
			if phase == result.PhasePilot {
				k = key{} // there is one pilot; looked at again, the last look counts
			}
			if x, ok := of(s); ok {
				xs[k] = x
			}
		}
		return xs
	}
	under := map[key][]float64{}
	for _, b := range base {
		for k, x := range figures(b) {
			if x > 0 {
				under[k] = append(under[k], x)
			}
		}
	}
	var rs []roundRatio
	for k, x := range figures(label) {
		if len(under[k]) > 0 {
			rs = append(rs, roundRatio{k.block, k.round, x / stats.GeometricMean(under[k]...)})
		}
	}
	slices.SortFunc(rs, func(a, b roundRatio) int { return a.round - b.round })
	return rs
}

func summary(rs []roundRatio) result.Ratio {
	var xs []float64
	blocks := map[int]bool{}
	for _, r := range rs {
		xs = append(xs, r.ratio)
		blocks[r.block] = true
	}
	m := stats.Summarise(xs)
	return result.Ratio{Estimate: m.Median, Low: m.Low, High: m.High, Rounds: m.N, Blocks: len(slices.Collect(maps.Keys(blocks)))}
}

// verdict is "large" only where every round agrees and nothing else explains
// it. Where the clients were the bottleneck of either, its throughput is a
// lower bound, and lower bounds have no order.
func verdict(metric string, rs []roundRatio, model, reference result.Cell) string {
	switch {
	case len(rs) < largeRounds || !model.Valid || !reference.Valid:
		return verdictNone
	case metric == MetricThroughput && (model.BoundBy == byClients || reference.BoundBy == byClients):
		return verdictNone
	case direction(rs) == 0:
		return verdictNone
	}
	return verdictLarge
}

// direction is +1 where every ratio is above 2, −1 where every one is below ½,
// and 0 otherwise.
func direction(rs []roundRatio) int {
	more, less := 0, 0
	for _, r := range rs {
		switch {
		case r.ratio > largeFactor:
			more++
		case r.ratio < 1.0/largeFactor:
			less++
		}
	}
	switch len(rs) {
	case 0:
		return 0
	case more:
		return +1
	case less:
		return -1
	}
	return 0
}

// Large reports whether the entry label may be left out of further rounds,
// because nothing that they could show is in doubt: it is more than a factor
// of 2 from the reference, in throughput or in CPU per request, in the pilot
// and in each of its first three rounds, always the same way. taken are the
// experiment's slices so far. Until there are a pilot and three rounds of both
// the answer is no.
//
// Unlike a verdict it takes the throughput of a reference that the clients
// bound: the model is then slower by at least so much. Of two only the slower
// one's must not be bound by the clients.
func Large(exp result.Experiment, taken []result.Slice, label string) bool {
	byLabel, _ := sortOut(exp, taken)
	entry := func(label string) (result.Entry, bool) {
		i := slices.IndexFunc(exp.Entries, func(e result.Entry) bool { return e.Label == label })
		if i < 0 {
			return result.Entry{}, false
		}
		return exp.Entries[i], true
	}
	model, ok := entry(label)
	reference, ok2 := entry(exp.Reference)
	if !ok || !ok2 || label == exp.Reference || model.Twin {
		return false
	}
	base := []string{reference.Label}
	for _, e := range exp.Entries {
		if e.Twin && e.Label != reference.Label {
			base = append(base, e.Label)
		}
	}
	for _, m := range compared {
		pilot := perRound(byLabel, label, base, m.of, result.PhasePilot)
		rounds := perRound(byLabel, label, base, m.of, result.PhaseRound)
		if len(pilot) == 0 || len(rounds) < largeRounds {
			continue
		}
		way := direction(slices.Concat(pilot, rounds[:largeRounds]))
		if way == 0 {
			continue
		}
		// The figures must be fit to be compared, by the same rules as in the end.
		a, b := cellOf(exp, model, byLabel[label]), cellOf(exp, reference, byLabel[reference.Label])
		if !a.Valid || !b.Valid {
			continue
		}
		slower := a
		if way > 0 {
			slower = b
		}
		if m.name == MetricThroughput && slower.BoundBy == byClients {
			continue
		}
		return true
	}
	return false
}

package analysis

import (
	"cmp"
	"math"
	"slices"

	"workbench/harness/result"
)

// MetricRSSPeak is the most that was resident, in bytes. It is sampled and not
// compared: of a process it only ever grows.
const MetricRSSPeak = "rss_peak_bytes"

// A Sample is what one block saw of one entry: fresh processes, which makes it
// independent of the others, and the undisturbed rounds that comparisons are
// made of. Figures are by metric, in its unit (requests/s, µs, bytes); one that
// the block can't carry is not there.
type Sample struct {
	Label    string
	Block    int
	Requests int64 // answered rightly, in the windows of these rounds
	Figures  map[string]float64
}

// Samples are exp's, entry by entry (the reference first, then its twin, then
// the others as they were asked for) and block by block. Single slices are none:
// those of one block share its processes and the machine's mood, and a test that
// takes them for independent finds differences that aren't there.
//
// A cell that is not valid, or can't take part, has none, and one whose clients
// were the bottleneck no requests/s: whoever reads samples has no other way to
// know that a figure is not to be believed, or is a lower bound. exp's cells are
// those that [Analyse] made. What levels there are is [Levels]'s to say; here
// they are taken for all labels and metrics at once.
func Samples(exp result.Experiment, taken []result.Slice) []Sample {
	l := newLedger(exp, taken)
	type round struct{ block, round int }
	kept := map[round]bool{}
	for _, r := range l.rounds {
		kept[round{r.block, r.round}] = !r.out
	}
	type place struct {
		label string
		block int
	}
	at := map[place]*Sample{}
	for _, s := range taken {
		if s.Phase != result.PhaseRound || !good(s) || !kept[round{s.Block, s.Round}] || s.Experiment != "" && s.Experiment != exp.Name {
			continue
		}
		p := place{s.Label, s.Block}
		if at[p] == nil {
			at[p] = &Sample{Label: s.Label, Block: s.Block, Figures: map[string]float64{}}
		}
		at[p].Requests += s.Load.Requests
		if s.Server != nil && s.Server.RSSPeakBytes > 0 {
			at[p].Figures[MetricRSSPeak] = max(at[p].Figures[MetricRSSPeak], float64(s.Server.RSSPeakBytes))
		}
	}
	for _, m := range metrics {
		k := l.weigh(m.name, taken)
		for e, label := range l.labels {
			if c, _ := cellNamed(exp, label); m.name == result.MetricThroughput && c.BoundBy == byClients {
				continue
			}
			for _, b := range means(l.singles(k, e, nil, false)) {
				s := at[place{label, b.Block}]
				if x := math.Exp(b.Log); s != nil && x > 0 && !math.IsInf(x, 0) { // 0 where a round answered nothing: it has no logarithm
					s.Figures[m.name] = x
				}
			}
		}
	}
	var samples []Sample
	for _, e := range referenceFirst(exp) {
		c, ok := cellNamed(exp, e.Label)
		if !ok || !c.Valid || c.Unable != "" {
			continue
		}
		for _, b := range l.blocks {
			s := at[place{e.Label, b.block}]
			if s == nil {
				continue
			}
			if _, memory := s.Figures[MetricRSSPeak]; len(s.Figures) > 1 || !memory && len(s.Figures) > 0 {
				samples = append(samples, *s)
			}
		}
	}
	return samples
}

// referenceFirst are exp's entries: the reference, its twin, the others.
func referenceFirst(exp result.Experiment) []result.Entry {
	rank := func(e result.Entry) int {
		switch {
		case e.Label == exp.Reference:
			return 0
		case e.Twin:
			return 1
		}
		return 2
	}
	return slices.SortedStableFunc(slices.Values(exp.Entries), func(a, b result.Entry) int { return cmp.Compare(rank(a), rank(b)) })
}

func cellNamed(exp result.Experiment, label string) (result.Cell, bool) {
	i := slices.IndexFunc(exp.Cells, func(c result.Cell) bool { return c.Label == label })
	if i < 0 {
		return result.Cell{}, false
	}
	return exp.Cells[i], true
}

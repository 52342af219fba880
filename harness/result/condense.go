package result

import (
	"slices"
	"strings"
)

// Condense is the same slices with histograms merged, so that a record is small
// enough to be kept with the code: histograms are most of a slice, and a reader
// asks for those of many slices together. Merging loses nothing that a
// percentile is made of. The first slice of those that are merged has them, the
// others have none; the slices given stay as they are.
//
// Latencies of rounds are merged by block, since they are compared by block; all
// else over the experiment. A slice keeps its own where a reader may have to
// tell it from the rest:
//
//   - its latency in rounds that the host may have interfered with, which are
//     left out of comparisons;
//   - its latency in blocks whose rounds don't show the same models, since one
//     failed, left or was cut short;
//   - its latency and lateness in open loops, for together they say whether the
//     clients kept up in it.
func Condense(taken []Slice) []Slice {
	type group struct {
		experiment, phase, label string
		hungUp                   bool
		kind, block, round       int // all for the last two
	}
	const all = -1
	type first struct {
		h      **Histogram
		copied bool // it is ours to merge into
	}
	apart := apartRounds(taken)
	firsts := map[group]*first{}
	out := slices.Clone(taken)
	for i, s := range taken {
		if !figured(s) {
			continue
		}
		l := *s.Load
		out[i].Load = &l
		open := l.Lateness != nil
		for kind, h := range l.histograms() {
			if *h == nil || open && (h == &l.Latency || h == &l.Lateness) {
				continue
			}
			g := group{s.Experiment, s.Phase, s.Label, s.HungUp, kind, all, all}
			if h == &l.Latency && s.Phase == PhaseRound {
				g.block = s.Block
				if apart[roundOf(s)] {
					g.round = s.Round
				}
			}
			f, ok := firsts[g]
			if !ok {
				firsts[g] = &first{h: h}
				continue
			}
			if !f.copied { // 220 KB, so only for what is merged
				merged := NewHistogram()
				merged.Merge(*f.h)
				*f.h, f.copied = merged, true
			}
			(*f.h).Merge(*h)
			*h = nil
		}
	}
	return out
}

// figured reports whether a slice is one that figures are made of.
func figured(s Slice) bool { return s.Failed == "" && s.Load != nil && s.Load.WindowUs > 0 }

// histograms are a slice's, each where it stands.
func (l *Load) histograms() []**Histogram {
	return []**Histogram{&l.Latency, &l.FirstByte, &l.Connect, &l.Service, &l.Waited, &l.Lateness}
}

// A roundKey is a round; in other phases, one look at all models.
type roundKey struct {
	experiment, phase string
	block, round      int
}

func roundOf(s Slice) roundKey { return roundKey{s.Experiment, s.Phase, s.Block, s.Round} }

// interferedUs is the least time taken by the host, or by other processes, for
// which any reader leaves out a round.
const interferedUs = 20_000

// apartRounds are those that a reader may tell from others of their block.
func apartRounds(taken []Slice) map[roundKey]bool {
	apart := map[roundKey]bool{}
	company := map[roundKey][]string{}
	for _, s := range taken {
		at := roundOf(s)
		if s.Host.StealUs >= interferedUs || s.Host.OtherCPUUs >= interferedUs {
			apart[at] = true
		}
		if figured(s) {
			company[at] = append(company[at], s.Label)
		} else {
			apart[at] = true
		}
	}
	first := map[roundKey]string{} // of a block, with no round
	uneven := map[roundKey]bool{}
	for at, labels := range company {
		slices.Sort(labels)
		all := strings.Join(labels, "\n")
		block := roundKey{at.experiment, at.phase, at.block, 0}
		if before, ok := first[block]; ok && before != all {
			uneven[block] = true
		}
		first[block] = all
	}
	for at := range company {
		if uneven[roundKey{at.experiment, at.phase, at.block, 0}] {
			apart[at] = true
		}
	}
	return apart
}

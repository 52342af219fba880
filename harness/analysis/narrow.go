package analysis

import (
	"math"
	"slices"

	"workbench/harness/result"
)

// A Narrowing is how far the intervals of ranked metrics have narrowed, of the
// models that still take part.
type Narrowing struct {
	Blocks int                // restarts that the fewest of them are made of, without the rounds that are left out
	Widest map[string]float64 // by ranked metric: the widest half-width of an interval, as a share; +Inf where one has none yet
	Ranked bool               // there is a model whose intervals may narrow any further
}

// Within reports whether an experiment may stop, since there are restarts enough
// for verdicts and no interval is wider than precision, a share, to either side.
// It asks how wide intervals are and never where they lie: to stop when a
// difference shows is to find one in every fourth experiment that has none
// (stopping when precise costs one or two points of coverage, from ten on).
func (n Narrowing) Within(precision float64) bool {
	if n.Blocks < VerdictBlocks || !n.Ranked {
		return false
	}
	for _, w := range n.Widest {
		if w > precision {
			return false
		}
	}
	return true
}

// Narrow says how far the intervals have narrowed that [Analyse] would give of
// the same slices: it is what a stop rule asks after every block, and looks at
// no more than that takes. Of a closed loop it opens no histogram; of an open
// one it must know whether the clients were late. A model that left the rounds,
// or failed, is waited for no longer, and nor is a throughput that is but a
// lower bound, or a metric of which there can be no verdict.
func Narrow(exp result.Experiment, taken []result.Slice) Narrowing {
	l := newLedger(exp, taken)
	return l.narrow(l.boundByClients(taken))
}

// narrow is Narrow of what has been entered. bound tells of which entries the
// clients were the bottleneck.
func (l *ledger) narrow(bound func(e int) bool) Narrowing {
	n := Narrowing{Blocks: math.MaxInt, Widest: map[string]float64{}}
	if l.reference >= 0 {
		for e := range l.labels {
			if e == l.reference || e == l.twin || !l.takesPart(e) {
				continue
			}
			for k := range ranked {
				base := l.base(e)
				if metrics[k].name == MetricThroughput && (bound(e) || slices.ContainsFunc(base, bound)) {
					continue
				}
				bs := means(l.singles(k, e, base, false))
				if len(bs) == 0 && len(l.singles(k, e, base, true)) == 0 { // of a server whose CPU nobody sees
					continue
				}
				if l.silent(k, e) || l.silent(k, base...) {
					continue
				}
				wide := math.Inf(1)
				if i, ok := meanInterval(bs, l.confidence(k, e)); ok {
					wide = math.Expm1(i.HalfWidth())
				}
				n.Ranked = true
				n.Blocks = min(n.Blocks, len(bs))
				n.Widest[metrics[k].name] = max(n.Widest[metrics[k].name], wide)
			}
		}
	}
	if !n.Ranked {
		n.Blocks = l.keptBlocks()
	}
	return n
}

// boundByClients tells of which entries the clients were the bottleneck, by the
// rules of a cell. Each is looked at once.
func (l *ledger) boundByClients(taken []result.Slice) func(e int) bool {
	known := map[int]bool{}
	return func(e int) bool {
		by, ok := known[e]
		if ok {
			return by
		}
		o := observation{exp: l.exp, entry: l.exp.Entries[e], seen: make([]result.Slice, 0, len(l.rounds))}
		for i := range taken {
			if s := &taken[i]; s.Label == l.labels[e] && s.Phase == result.PhaseRound && good(*s) && (s.Experiment == "" || s.Experiment == l.exp.Name) {
				o.seen = append(o.seen, *s)
			}
		}
		if len(o.seen) == 0 {
			return false
		}
		if o.open = isOpen(l.exp, o.seen[0]); o.open {
			o.late = o.latenesses()
		}
		known[e] = o.full() == byClients
		return known[e]
	}
}

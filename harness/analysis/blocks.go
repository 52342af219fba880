package analysis

import (
	"cmp"
	"math"
	"slices"

	"workbench/harness/result"
)

// A BlockMean is what one restart says: the mean over its rounds of a figure's
// logarithm, or of a difference of logarithms. Rounds of one restart share
// their processes, and so their luck; restarts share nothing, which is why
// intervals are made of these and of nothing smaller. Of a percentile it is
// that of the restart's merged histogram.
type BlockMean struct {
	Block  int
	Rounds int     // that it is made of
	Log    float64 // natural; −∞ where a model answered nothing in one of them
}

// LogRatios is what a model's comparison with the reference in one metric is
// made of: ln(model) less the mean of ln(reference) and ln(twin), of those that
// have a figure in the round; of the twin, ln(twin) less ln(reference). Rounds
// in which the host interfered are left out, and so is a block that has no
// other.
func LogRatios(exp result.Experiment, taken []result.Slice, label, metric string) []BlockMean {
	l := newLedger(exp, taken)
	e := slices.Index(l.labels, label)
	k := l.weigh(metric, taken)
	if e < 0 || k < 0 || l.reference < 0 || e == l.reference {
		return nil
	}
	return means(l.singles(k, e, l.base(e), false))
}

// Levels is LogRatios of ln(model) alone: exp of one is the geometric mean of
// the block's rounds, in the metric's own unit.
func Levels(exp result.Experiment, taken []result.Slice, label, metric string) []BlockMean {
	l := newLedger(exp, taken)
	e := slices.Index(l.labels, label)
	k := l.weigh(metric, taken)
	if e < 0 || k < 0 {
		return nil
	}
	return means(l.singles(k, e, nil, false))
}

// metrics are what is compared, in the order of comparisons. Those that are
// ranked have a figure in each slice, the others one in each block.
var metrics = []struct {
	name string
	of   metric                             // ranked: of a slice
	at   func(*result.Percentiles) *float64 // else: of a block
	q    float64                            // ... and which it is
}{
	{name: result.MetricServerCPU, of: serverCPU},
	{name: result.MetricThroughput, of: throughput},
	{name: result.MetricP50, at: func(p *result.Percentiles) *float64 { return p.P50 }, q: 0.5},
	{name: result.MetricP99, at: func(p *result.Percentiles) *float64 { return p.P99 }, q: 0.99},
}

const (
	ranked       = 2 // the first so many of metrics
	inThroughput = 1 // the place of throughput
)

// A ledger holds an experiment's figures as logarithms, so that whatever is
// asked of them is a difference and a mean. It is made once for all
// comparisons, and holds completed rounds alone: one that was cut short shows
// some models and not others.
type ledger struct {
	exp       result.Experiment
	labels    []string
	reference int // index of a label; −1 where there is none
	twin      int
	rounds    []ledgerRound // in order
	blocks    []ledgerBlock // in order
	completed int           // blocks
	failed    []bool        // by label: its last slice did
}

// A ledgerRound is what the models showed side by side.
type ledgerRound struct {
	block, round int
	out          bool              // the host or other processes interfered
	present      []bool            // by label: it has a slice, good or not
	ln           [ranked][]float64 // by label; NaN where it has no figure
}

// A ledgerBlock holds the percentiles of a restart, by label, NaN where it has
// none. They are there once they have been asked for.
type ledgerBlock struct {
	block, kept, all int         // rounds
	ln               [][]float64 // by metric, then label: of the rounds that are kept
	lnAll            [][]float64 // ... and of all
	hidden           [][]bool    // ... of those that are kept: it has none since it lies among requests whose time isn't known
}

// newLedger enters an experiment's slices. It looks into no histogram.
func newLedger(exp result.Experiment, taken []result.Slice) *ledger {
	l := &ledger{exp: exp, reference: -1, twin: -1}
	index := map[string]int{}
	for i, e := range exp.Entries {
		index[e.Label] = i
		l.labels = append(l.labels, e.Label)
		switch {
		case e.Label == exp.Reference:
			l.reference = i
		case e.Twin && l.twin < 0:
			l.twin = i
		}
	}
	type key struct{ block, round int }
	rows := map[key]int{}
	ends := make([]*result.Slice, len(l.labels)) // by label: the last slice
	warm := make([]int, len(l.labels))           // by label: the last block that it warmed up for
	for i := range warm {
		warm[i] = -1
	}
	for _, s := range inOrder(taken) {
		e, ok := index[s.Label]
		if !ok || s.Experiment != "" && s.Experiment != exp.Name {
			continue
		}
		ends[e] = s
		if s.Phase == result.PhaseWarm && good(*s) {
			warm[e] = max(warm[e], s.Block)
		}
		if s.Phase != result.PhaseRound {
			continue
		}
		at, ok := rows[key{s.Block, s.Round}]
		if !ok {
			at = len(l.rounds)
			rows[key{s.Block, s.Round}] = at
			r := ledgerRound{block: s.Block, round: s.Round, present: make([]bool, len(l.labels))}
			for k := range r.ln {
				r.ln[k] = unknown(len(l.labels))
			}
			l.rounds = append(l.rounds, r)
		}
		r := &l.rounds[at]
		r.present[e] = true
		if !good(*s) {
			continue
		}
		r.out = r.out || disturbed(*s)
		for k := range ranked {
			if x, ok := metrics[k].of(*s); ok {
				r.ln[k][e] = math.Log(x)
			}
		}
	}
	l.failed = make([]bool, len(l.labels))
	for e, s := range ends {
		l.failed[e] = s != nil && s.Failed != ""
	}
	slices.SortFunc(l.rounds, func(a, b ledgerRound) int { return cmp.Or(a.round-b.round, a.block-b.block) })
	if !ended(exp) && !l.lastComplete(taken, warm) {
		l.rounds = l.rounds[:len(l.rounds)-1]
	}
	for _, r := range l.rounds {
		if n := len(l.blocks); n == 0 || l.blocks[n-1].block != r.block {
			l.blocks = append(l.blocks, ledgerBlock{block: r.block})
		}
		b := &l.blocks[len(l.blocks)-1]
		b.all++
		if !r.out {
			b.kept++
		}
	}
	l.completed = len(l.blocks)
	if n := len(l.blocks); n > 0 && !ended(exp) && l.blocks[n-1].all < exp.RoundsPerBlock {
		l.completed--
	}
	return l
}

// inOrder is the slices in the order in which they were begun, whatever order
// they come in.
func inOrder(taken []result.Slice) []*result.Slice {
	ordered := make([]*result.Slice, len(taken))
	for i := range taken {
		ordered[i] = &taken[i]
	}
	begun := func(a, b *result.Slice) int {
		if c := a.Started.Compare(b.Started); c != 0 {
			return c
		}
		return cmp.Or(a.Block-b.Block, a.Round-b.Round, a.Place-b.Place, cmp.Compare(a.Label, b.Label))
	}
	if !slices.IsSortedFunc(ordered, begun) {
		slices.SortStableFunc(ordered, begun)
	}
	return ordered
}

// keptBlocks is how many have a round in which nobody interfered.
func (l *ledger) keptBlocks() (n int) {
	for _, b := range l.blocks {
		if b.kept > 0 {
			n++
		}
	}
	return n
}

// unknown is n figures that nobody has.
func unknown(n int) []float64 {
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = math.NaN()
	}
	return xs
}

// ended reports whether an experiment came to an end between two rounds: not
// when it was interrupted, nor while it is under way or when its program was
// killed, which look the same.
func ended(exp result.Experiment) bool { return exp.StoppedBy != "" && exp.StoppedBy != byInterrupt }

const byInterrupt = "interrupt"

// lastComplete reports whether every entry that was to take part in the last
// round did. Of the rounds before it that is certain, since a round begins when
// the one before is over. Who was to take part, slices tell:
//
//   - whoever was in the round before, or, in the first, has warmed up;
//   - but for one whose last sign of life is a failure: it had left by then;
//   - and but for one that left as large, after three rounds.
func (l *ledger) lastComplete(taken []result.Slice, warm []int) bool {
	n := len(l.rounds)
	if n == 0 {
		return true
	}
	last := l.rounds[n-1]
	for e, label := range l.labels {
		awaited := warm[e] == last.block
		if n > 1 {
			awaited = l.rounds[n-2].present[e]
		}
		switch {
		case !awaited || last.present[e]:
		case l.failed[e]:
		case n == largeRounds+1 && Large(l.exp, taken, label):
		default:
			return false
		}
	}
	return true
}

// takesPart reports whether an entry was in the last round, and may be in the
// next.
func (l *ledger) takesPart(e int) bool {
	n := len(l.rounds)
	return n > 0 && l.rounds[n-1].present[e] &&
		!slices.ContainsFunc(l.exp.Failures, func(f result.Failure) bool { return f.Label == l.labels[e] })
}

// leftAsLarge reports whether an entry was in the first rounds alone, without
// having failed: there is no other reason to leave.
func (l *ledger) leftAsLarge(e int) bool {
	in := 0
	for _, r := range l.rounds {
		if r.present[e] {
			in++
		}
	}
	return in == largeRounds && len(l.rounds) > in && l.rounds[in-1].present[e] && !l.failed[e]
}

// leftOut is how many rounds the host interfered in.
func (l *ledger) leftOut() (n int) {
	for _, b := range l.blocks {
		n += b.all - b.kept
	}
	return n
}

// base is what label e is compared with: the reference and its twin, or, of the
// twin, the reference alone.
func (l *ledger) base(e int) []int {
	if l.twin < 0 || e == l.twin {
		return []int{l.reference}
	}
	return []int{l.reference, l.twin}
}

// A single is one difference of logarithms: of a round, or of a percentile's
// block.
type single struct {
	block, rounds int
	log           float64
}

// singles are label e's figures in metric k less the mean of those of base, of
// whom one that has a figure will do: a round that one of them lost still shows
// the model beside the other. A base that answered nothing has none. Rounds in
// which the host interfered are there if all are asked for.
func (l *ledger) singles(k, e int, base []int, all bool) (ss []single) {
	add := func(block, rounds int, ln []float64) {
		if d, ok := less(ln, e, base); ok {
			ss = append(ss, single{block, rounds, d})
		}
	}
	if k >= ranked {
		for i := range l.blocks {
			switch b := &l.blocks[i]; {
			case all && b.all > 0:
				add(b.block, b.all, b.lnAll[k-ranked])
			case !all && b.kept > 0:
				add(b.block, b.kept, b.ln[k-ranked])
			}
		}
		return ss
	}
	for i := range l.rounds {
		if r := &l.rounds[i]; all || !r.out {
			add(r.block, 1, r.ln[k])
		}
	}
	return ss
}

func less(ln []float64, e int, base []int) (float64, bool) {
	under, n := 0.0, 0
	for _, b := range base {
		if x := ln[b]; !math.IsNaN(x) && !math.IsInf(x, 0) {
			under += x
			n++
		}
	}
	if math.IsNaN(ln[e]) || len(base) > 0 && n == 0 {
		return 0, false
	}
	return ln[e] - under/float64(max(n, 1)), true
}

// silent reports whether there is a round, of those that count, in which somebody
// had nothing to show in metric k: no answer, or answers at no CPU time. It has
// no logarithm, and to leave out just the rounds in which one was at its worst
// would flatter it.
func (l *ledger) silent(k int, entries ...int) bool {
	if k >= ranked {
		return false
	}
	for _, r := range l.rounds {
		for _, e := range entries {
			if !r.out && (math.IsInf(r.ln[k][e], 0) || math.IsNaN(r.ln[k][e]) && math.IsInf(r.ln[inThroughput][e], 0)) {
				return true
			}
		}
	}
	return false
}

// hiddenIn is in how many blocks a percentile lies among requests whose time
// isn't known, of somebody's. To compare the other blocks alone would be to
// leave out the slow ones.
func (l *ledger) hiddenIn(k int, entries ...int) (n int) {
	for _, b := range l.blocks {
		if b.kept > 0 && slices.ContainsFunc(entries, func(e int) bool { return b.hidden[k-ranked][e] }) {
			n++
		}
	}
	return n
}

// means takes singles together by block.
func means(ss []single) (bs []BlockMean) {
	for i := 0; i < len(ss); {
		b := BlockMean{Block: ss[i].block}
		sum, n := 0.0, 0
		for ; i < len(ss) && ss[i].block == b.Block; i++ {
			sum += ss[i].log
			b.Rounds += ss[i].rounds
			n++
		}
		b.Log = sum / float64(n)
		bs = append(bs, b)
	}
	return bs
}

// never reports whether there will be no interval, however many blocks come: a
// model answered nothing in some round.
func never(bs []BlockMean) bool {
	return slices.ContainsFunc(bs, func(b BlockMean) bool { return math.IsInf(b.Log, 0) })
}

func logs(bs []BlockMean) []float64 {
	xs := make([]float64, len(bs))
	for i, b := range bs {
		xs[i] = b.Log
	}
	return xs
}

// weigh makes sure that the ledger holds a metric, and says which it is; −1 for
// none.
func (l *ledger) weigh(name string, taken []result.Slice) (k int) {
	for k := range metrics {
		if metrics[k].name == name {
			if k >= ranked {
				byLabel, _ := sortOut(l.exp, taken)
				l.weighPercentiles(byLabel)
			}
			return k
		}
	}
	return -1
}

// weighPercentiles enters the percentiles of latency of each block, from its
// rounds' histograms as one: a block's p99 is not the mean of its rounds'.
func (l *ledger) weighPercentiles(byLabel map[string][]result.Slice) {
	at := map[int]int{} // block → its index
	for i := range l.blocks {
		b := &l.blocks[i]
		at[b.block] = i
		b.ln, b.lnAll, b.hidden = nil, nil, nil
		for range len(metrics) - ranked {
			b.ln, b.lnAll = append(b.ln, unknown(len(l.labels))), append(b.lnAll, unknown(len(l.labels)))
			b.hidden = append(b.hidden, make([]bool, len(l.labels)))
		}
	}
	out := map[[2]int]bool{}
	for _, r := range l.rounds {
		out[[2]int{r.block, r.round}] = r.out
	}
	for e, label := range l.labels {
		kept, left := make([][]result.Slice, len(l.blocks)), make([][]result.Slice, len(l.blocks))
		for _, s := range byLabel[label] {
			isOut, complete := out[[2]int{s.Block, s.Round}]
			if s.Phase != result.PhaseRound || !complete || !good(s) {
				continue
			}
			if i := at[s.Block]; isOut {
				left[i] = append(left[i], s)
			} else {
				kept[i] = append(kept[i], s)
			}
		}
		for i := range l.blocks {
			b := &l.blocks[i]
			if apart(kept[i], left[i]) {
				l.enter(b.ln, b.hidden, e, kept[i])
			}
			if len(left[i]) == 0 {
				for k := range b.ln {
					b.lnAll[k][e] = b.ln[k][e]
				}
				continue
			}
			l.enter(b.lnAll, nil, e, slices.Concat(kept[i], left[i]))
		}
	}
}

// apart reports whether the latencies of the rounds that are kept can be told
// from those of the rounds that are left out: a record whose histograms were
// merged over both has them in a slice of either.
func apart(kept, left []result.Slice) bool {
	recorded := func(ss []result.Slice) bool {
		return slices.ContainsFunc(ss, func(s result.Slice) bool { return s.Load.Latency != nil })
	}
	return len(left) == 0 || recorded(left) && recorded(kept)
}

// enter enters the percentiles of some slices of a block, and which of them are
// hidden if that is asked for. Who would lie above them, but has no latency,
// counts by the rules that a cell's do.
func (l *ledger) enter(ln [][]float64, hidden [][]bool, e int, seen []result.Slice) {
	if len(seen) == 0 {
		return
	}
	o := observation{exp: l.exp, entry: l.exp.Entries[e], seen: seen, cell: &result.Cell{}}
	o.sum()
	p := o.percentiles(latency, o.lost())
	for k := range hidden {
		hidden[k][e] = p == nil && o.cell.Requests == 0 || p != nil && p.Censored > 1-metrics[ranked+k].q
	}
	if p == nil {
		return
	}
	for k := range ln {
		if x := metrics[ranked+k].at(p); x != nil && *x > 0 {
			ln[k][e] = math.Log(*x)
		}
	}
}

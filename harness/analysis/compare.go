package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"workbench/harness/result"
	"workbench/harness/stats"
)

// VerdictBlocks is how many restarts a verdict takes, at the least. Below it an
// interval's coverage hangs on how the noise is spread, which nobody knows; and
// of five even the signs can't reject anything: their smallest p is 0.0625.
const VerdictBlocks = 10

const (
	// confidence is that of all intervals of ranked metrics together.
	confidence = 0.95
	// Latencies are no part of that. Each has an interval wide enough that a false
	// verdict is rare; and where so many models are compared that it wouldn't be,
	// all of them together are held to less than half a per cent: the promise is
	// of no false verdict anywhere in 19 of 20 experiments, however large.
	latencyConfidence      = 0.999
	latencyConfidenceOfAll = 0.995
	// The twin is an alarm, and no finding: that it goes off for nothing costs
	// an experiment.
	alarmConfidence = 0.99

	largeFactor = 2 // either way
	largeRounds = 3 // the least number of rounds that must all agree
)

// Metrics that are ranked, as [result.Comparison] names them.
const (
	MetricServerCPU  = result.MetricServerCPU
	MetricThroughput = result.MetricThroughput
)

// A contest is an experiment's comparisons in the making.
type contest struct {
	*ledger
	cells   []result.Cell
	suspect string // why no verdict here is to be believed, "" if nothing speaks against
	alarmed bool   // the twin could tell, whatever it told
}

// compare sets each cell against the reference, in every metric, and leaves
// out what no round holds both of. Whatever chooses what is compared is fixed
// by the plan, and never by what came out.
func compare(l *ledger, cells []result.Cell) (comparisons []result.Comparison, suspect bool, warnings []string) {
	exp := l.exp
	if exp.Reference == "" {
		return nil, false, nil
	}
	if l.reference < 0 {
		return nil, false, []string{fmt.Sprintf("nothing is compared: the reference %q is no entry", exp.Reference)}
	}
	c := contest{ledger: l, cells: cells}
	c.alarm()
	for e := range l.labels {
		if e == l.reference || cells[e].Unable != "" || cells[l.reference].Unable != "" {
			continue
		}
		for k := range metrics {
			one, warning, ok := c.one(k, e)
			if ok {
				comparisons = append(comparisons, one)
			}
			if warning != "" {
				warnings = append(warnings, warning)
			}
		}
	}
	for k := range ranked {
		c.group(k, comparisons)
	}
	if cells[l.reference].Slices == 0 {
		warnings = append(warnings, fmt.Sprintf("nothing is compared: the reference %s was not measured", exp.Reference))
	}
	if c.twin >= 0 && !c.alarmed && slices.ContainsFunc(comparisons, verdictGiven) {
		warnings = append(warnings, fmt.Sprintf("%s, the same server as %s, can be compared with it in fewer than %s restarts: nothing would have told that the experiment is suspect",
			c.labels[c.twin], exp.Reference, numeral(VerdictBlocks)))
	}
	if c.suspect != "" {
		warnings = append([]string{c.suspect + ": no verdict of this experiment is to be believed, so none is given"}, warnings...)
	}
	return comparisons, c.suspect != "", warnings
}

// alarm looks for a difference between the reference and its twin. It can have
// but one reason, that something other than the servers differed.
func (c *contest) alarm() {
	if c.twin < 0 {
		return
	}
	for k := range ranked {
		bs := means(c.singles(k, c.twin, c.base(c.twin), false))
		i, ok := meanInterval(bs, c.confidence(k, c.twin))
		if !ok || len(bs) < VerdictBlocks {
			continue
		}
		if c.alarmed = true; !i.Holds(0) {
			c.suspect = fmt.Sprintf("suspect: %s, the same server as %s, differs from it in %s by %s",
				c.labels[c.twin], c.labels[c.reference], inWords(metrics[k].name), change(i))
			return
		}
	}
}

// confidence is what each interval of a metric needs by itself.
func (l *ledger) confidence(k, e int) float64 {
	models := 0
	for i := range l.labels {
		if i != l.reference && i != l.twin {
			models++
		}
	}
	switch {
	case k >= ranked:
		return max(latencyConfidence, stats.Joint(latencyConfidenceOfAll, models*(len(metrics)-ranked)))
	case e == l.twin:
		return stats.Joint(alarmConfidence, ranked)
	}
	return stats.Joint(confidence, models*ranked)
}

// meanInterval is of the mean over blocks, as a logarithm. There is none where a
// model answered nothing.
func meanInterval(bs []BlockMean, confidence float64) (stats.Interval, bool) {
	if never(bs) {
		return stats.Interval{}, false
	}
	return stats.MeanInterval(logs(bs), confidence)
}

// one sets entry e against the reference in metric k. It is false where there
// is nothing to compare. What warning says is of the experiment.
func (c *contest) one(k, e int) (one result.Comparison, warning string, ok bool) {
	name, base := metrics[k].name, c.base(e)
	all := c.singles(k, e, base, true)
	kept := c.singles(k, e, base, false)
	if len(all) == 0 || k >= ranked && len(all) < 2 {
		return one, "", false
	}
	one = result.Comparison{
		Metric: name, Reference: c.labels[c.reference], Model: c.labels[e],
		Confidence: c.confidence(k, e), Seen: seenOf(kept),
	}
	bs, allBs := means(kept), means(all)
	i, ok := meanInterval(bs, one.Confidence)
	one.Ratio = ratioOf(bs, i, ok)
	if ok {
		one.Resolution = new(math.Expm1(i.HalfWidth()))
	}
	if c.leftOut() > 0 && (k >= ranked || len(all) != len(kept)) {
		i, ok := meanInterval(allBs, one.Confidence)
		one.AllRounds = new(ratioOf(allBs, i, ok))
		if len(kept) == 0 { // an estimate of nothing would be worse than one without an interval
			one.Ratio.Estimate, one.Seen = one.AllRounds.Estimate, seenOf(all)
		}
	}
	if ok && k < ranked {
		if p, ok := stats.SignedRank(logs(bs)); ok {
			one.SignedRankP = new(p)
		}
	}
	switch why := c.whyNone(k, e, allBs, bs); {
	case k < ranked && c.large(k, e, all):
		one.Verdict = result.VerdictLarge
	case why != "":
		one.Verdict, one.Why = result.VerdictNone, why
	case i.Low > 0:
		one.Verdict = result.VerdictMore
	case i.High < 0:
		one.Verdict = result.VerdictLess
	default:
		one.Verdict = result.VerdictSame
	}
	return one, disagreement(one, i), true
}

// whyNone says why there may be no verdict, "" where there may be one. The
// twin has none: it is the same server.
func (c *contest) whyNone(k, e int, all, kept []BlockMean) string {
	model, reference := c.cells[e], c.cells[c.reference]
	base := c.base(e)
	switch {
	case e == c.twin:
		return "the same server again"
	case !reference.Valid:
		return fmt.Sprintf("the figures of the reference %s are not valid", reference.Label)
	case c.twin >= 0 && c.cells[c.twin].Slices > 0 && !c.cells[c.twin].Valid: // it is half of what is compared with
		return fmt.Sprintf("the figures of %s, the reference's twin, are not valid", c.labels[c.twin])
	case !model.Valid:
		return "its figures are not valid"
	case c.completed < VerdictBlocks:
		return fmt.Sprintf("a quick look: %s, a verdict takes %s", counted(c.completed, "restart"), numeral(VerdictBlocks))
	case c.leftAsLarge(e):
		return fmt.Sprintf("it left the others after %d rounds, being more than a factor of %d away; a verdict takes %s restarts", largeRounds, largeFactor, numeral(VerdictBlocks))
	case k >= ranked && c.hiddenIn(k, append(base, e)...) > 0:
		return fmt.Sprintf("in %d of %s the %s of it or of the reference lies among requests whose time is not known",
			c.hiddenIn(k, append(base, e)...), counted(c.keptBlocks(), "restart"), inWords(metrics[k].name))
	case len(all) < VerdictBlocks:
		return fmt.Sprintf("it can be compared in %d of %s, a verdict takes %s", len(all), counted(c.completed, "restart"), numeral(VerdictBlocks))
	case len(kept) < VerdictBlocks:
		return fmt.Sprintf("%s left of %d: in %d of %s the host or other processes took CPU time, and a verdict takes %s restarts",
			counted(len(kept), "restart"), len(all), c.leftOut(), counted(len(c.rounds), "round"), numeral(VerdictBlocks))
	case metrics[k].name == result.MetricThroughput && (model.BoundBy == byClients || slices.ContainsFunc(base, func(b int) bool { return c.cells[b].BoundBy == byClients })):
		return "the clients were the bottleneck: these are lower bounds, which have no order"
	case c.exp.StoppedBy == byInterrupt:
		return "the experiment was interrupted"
	case c.exp.StoppedBy == "":
		return "the experiment was cut short"
	case c.suspect != "":
		return c.suspect
	case never(kept) && metrics[k].name == result.MetricServerCPU:
		return "in some round no CPU time of it was seen"
	case c.silent(k, e):
		return "in some round it answered nothing"
	case c.silent(k, base...):
		return "in some round the reference, or its twin, has no figure"
	}
	return ""
}

// verdictGiven reports whether a comparison has a verdict that restarts gave it.
func verdictGiven(one result.Comparison) bool {
	switch one.Verdict {
	case result.VerdictMore, result.VerdictLess, result.VerdictSame:
		return true
	}
	return false
}

// large reports whether every round agrees on more than a factor of two, those
// included in which the host interfered, and nothing else explains it. Where
// the clients were the bottleneck of either, its throughput is a lower bound,
// and lower bounds have no order.
func (c *contest) large(k, e int, all []single) bool {
	model, reference := c.cells[e], c.cells[c.reference]
	switch {
	case e == c.twin || len(all) < largeRounds || !model.Valid || !reference.Valid:
		return false
	case metrics[k].name == MetricThroughput && (model.BoundBy == byClients || reference.BoundBy == byClients):
		return false
	}
	rs := make([]float64, len(all))
	for i, s := range all {
		rs[i] = math.Exp(s.log)
	}
	return direction(rs) != 0
}

// disagreement is what to say where two ways of reading the same block means
// contradict each other. One of them is then misled: Student's t by an outlier,
// or by figures that are far from normal.
func disagreement(one result.Comparison, i stats.Interval) string {
	if one.SignedRankP == nil {
		return ""
	}
	p := *one.SignedRankP
	says := "no difference"
	switch {
	case one.Verdict == result.VerdictSame && p < 1-one.Confidence:
		says = "a difference"
	case (one.Verdict == result.VerdictMore || one.Verdict == result.VerdictLess) && p > 0.05:
	default:
		return ""
	}
	reads := "shows a difference"
	if one.Verdict == result.VerdictSame {
		reads = "holds no difference"
	}
	return fmt.Sprintf("%s, %s: the interval (%s) %s, a signed rank test of the same restarts finds %s (p = %.2g): look at single restarts before believing either",
		one.Model, inWords(one.Metric), change(i), reads, says, p)
}

// group tells by letters which entries can't be told apart in a ranked metric,
// all pairs considered, the best first. The reference is pooled with its twin,
// which is no item of its own; and so is nobody who has no verdict.
func (c *contest) group(k int, comparisons []result.Comparison) {
	k0 := len(c.labels)
	if c.twin >= 0 {
		k0--
	}
	conf := stats.Joint(confidence, k0*(k0-1)/2*ranked)
	type item struct {
		entry int
		level float64 // ln of the ratio to the reference, less is better
		at    int     // its comparison
	}
	items := []item{{entry: c.reference, at: -1}}
	for i, one := range comparisons {
		if verdictGiven(one) && one.Metric == metrics[k].name {
			items = append(items, item{slices.Index(c.labels, one.Model), better(k) * math.Log(one.Ratio.Estimate), i})
		}
	}
	if len(items) < 2 {
		return
	}
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(items[a].level, items[b].level) })
	letters := stats.Letters(order, func(i, j int) bool {
		if items[i].entry == c.reference {
			i, j = j, i
		}
		base := []int{items[j].entry}
		if items[j].entry == c.reference {
			base = c.base(items[i].entry)
		}
		bs := means(c.singles(k, items[i].entry, base, false))
		d, ok := meanInterval(bs, conf)
		return ok && len(bs) >= VerdictBlocks && !d.Holds(0)
	})
	for i, it := range items[1:] {
		comparisons[it.at].Group, comparisons[it.at].ReferenceGroup = letters[i+1], letters[0]
	}
}

// better is −1 for a metric of which more is better, else +1.
func better(k int) float64 {
	if metrics[k].name == result.MetricThroughput {
		return -1
	}
	return +1
}

// ratioOf is exp of what the blocks say.
func ratioOf(bs []BlockMean, i stats.Interval, ok bool) result.Ratio {
	r := result.Ratio{Blocks: len(bs)}
	switch {
	case ok:
		r.Estimate, r.Low, r.High = math.Exp(i.Estimate), new(math.Exp(i.Low)), new(math.Exp(i.High))
	case len(bs) > 0:
		sum := 0.0
		for _, b := range bs {
			sum += b.Log
		}
		r.Estimate = math.Exp(sum / float64(len(bs)))
	}
	return r
}

func seenOf(ss []single) result.Seen {
	if len(ss) == 0 {
		return result.Seen{}
	}
	xs := make([]float64, len(ss))
	for i, s := range ss {
		xs[i] = math.Exp(s.log)
	}
	m := stats.Summarise(xs)
	return result.Seen{Median: m.Median, Low: m.Low, High: m.High, N: m.N}
}

// inWords names a metric as a sentence does.
func inWords(metric string) string {
	switch metric {
	case result.MetricServerCPU:
		return "CPU per request"
	case result.MetricThroughput:
		return "throughput"
	case result.MetricP50:
		return "p50"
	}
	return "p99"
}

// change writes an interval of logarithms as per cent: "+3.1 %, +1.2 to +5.0".
func change(i stats.Interval) string {
	of := func(x float64) float64 { return 100 * math.Expm1(x) }
	return fmt.Sprintf("%+.1f %%, %+.1f to %+.1f", of(i.Estimate), of(i.Low), of(i.High))
}

// numeral is a small number as a sentence has it.
func numeral(n int) string {
	if n == 10 {
		return "ten"
	}
	return fmt.Sprint(n)
}

// perRound divides label's figure by the geometric mean of base's (of those
// that have one) in every round of a phase that holds both, in their order: 0
// where it answered nothing. They are paired because between rounds a shared
// machine moves more than models differ.
func perRound(byLabel map[string][]result.Slice, label string, base []string, of metric, phase string) (ratios []float64) {
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
	over := figures(label)
	for _, k := range slices.SortedFunc(maps.Keys(over), func(a, b key) int { return cmp.Or(a.round-b.round, a.block-b.block) }) {
		if len(under[k]) > 0 {
			ratios = append(ratios, over[k]/stats.GeometricMean(under[k]...))
		}
	}
	return ratios
}

// rounding is what a ratio of exactly 2 may be off by after a logarithm and back.
const rounding = 1e-9

// direction is +1 where every ratio is above 2, −1 where every one is below ½,
// and 0 otherwise.
func direction(rs []float64) int {
	more, less := 0, 0
	for _, r := range rs {
		switch {
		case r > largeFactor+rounding:
			more++
		case r < 1/(largeFactor+rounding):
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
	for _, m := range metrics[:ranked] {
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

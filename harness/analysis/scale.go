package analysis

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strconv"
	"strings"

	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/stats"
)

const (
	// scaleConfidence is of each interval of a fit by itself.
	scaleConfidence = 0.95

	// scaleBlocks is how many blocks a cell needs to have a spread at all. A
	// model that left as large has one.
	scaleBlocks = 2
)

// Scale fits the universal scalability law to each model of each grid that
// varies the number of clients in a closed loop, once for every combination of
// the grid's other axes. run's cells are those that [Analyse] made; slicesOf
// gives an experiment's slices by its name, and its errors come back with that.
//
// What enters are block means of requests/s. A number of clients is left out
// where the cell is not valid, where its clients were the bottleneck (a lower
// bound is no point of a curve), where the experiment is suspect, and where
// there is but one block. Why says so wherever what remains is too little, and
// Clients which numbers a fit is over: of a model that leaves as large where it
// collapses, those before.
//
// Absolute figures of different experiments have the machine's drift between
// them, up to a factor of two within an hour. No resampling of blocks can see
// that: the intervals hold for the hour in which the sweep ran.
//
// Source: N. J. Gunther, Guerrilla Capacity Planning, Springer 2007, ch. 4–5.
func Scale(run result.Run, slicesOf func(experiment string) ([]result.Slice, error)) ([]result.Scalability, error) {
	var fits []result.Scalability
	for _, line := range clientLines(run) {
		all := labels(line.exps)
		means := make([][]levels, len(all)) // by label, then experiment
		for _, exp := range line.exps {
			taken, err := slicesOf(exp.Name) // one experiment's at a time: they are large
			if err != nil {
				return nil, fmt.Errorf("scalability over %s: %w", exp.Name, err)
			}
			for i, label := range all {
				means[i] = append(means[i], levelsOf(exp, taken, label))
			}
		}
		for i, label := range all {
			fits = append(fits, line.fit(run.Seed, label, means[i]))
		}
	}
	return fits, nil
}

// A clientLine is the experiments of a grid that differ in the number of
// clients alone, in its order.
type clientLine struct {
	grid  int
	where []scenario.Axis // the other axes
	exps  []result.Experiment
}

func clientLines(run result.Run) (lines []clientLine) {
	for _, exp := range run.Experiments {
		if exp.Load.Loop != scenario.LoopClosed {
			continue
		}
		at := slices.IndexFunc(exp.Axes, func(a scenario.Axis) bool { return a.Key == axisClients })
		if at < 0 {
			continue
		}
		where := slices.Delete(slices.Clone(exp.Axes), at, at+1)
		i := slices.IndexFunc(lines, func(l clientLine) bool { return l.grid == exp.Grid && slices.Equal(l.where, where) })
		if i < 0 {
			i = len(lines)
			lines = append(lines, clientLine{grid: exp.Grid, where: where})
		}
		lines[i].exps = append(lines[i].exps, exp)
	}
	for _, l := range lines {
		slices.SortStableFunc(l.exps, func(a, b result.Experiment) int { return a.Load.Clients - b.Load.Clients })
	}
	return lines
}

// labels are those of the experiments' entries, in order, without twins: a twin
// is there to raise an alarm, and would be a second fit of the same.
func labels(exps []result.Experiment) (all []string) {
	for _, exp := range exps {
		for _, e := range referenceFirst(exp) {
			if !e.Twin && !slices.Contains(all, e.Label) {
				all = append(all, e.Label)
			}
		}
	}
	return all
}

// fit is that of one label, whose means are given by experiment.
func (l clientLine) fit(seed uint64, label string, means []levels) result.Scalability {
	fit := result.Scalability{Grid: l.grid, Label: label, Where: l.where, Clients: []int{}, Confidence: scaleConfidence}
	var blocks [][]float64
	var reasons []string
	without := map[string][]int{} // by reason, the numbers of clients that are left out
	for i, exp := range l.exps {
		n := exp.Load.Clients
		if why := means[i].why; why != "" {
			if !slices.Contains(reasons, why) {
				reasons = append(reasons, why)
			}
			without[why] = append(without[why], n)
			continue
		}
		// The same number in two experiments is one value with more blocks.
		if at := slices.Index(fit.Clients, n); at >= 0 {
			blocks[at] = append(blocks[at], means[i].perS...)
			continue
		}
		fit.Clients = append(fit.Clients, n)
		blocks = append(blocks, means[i].perS)
	}
	if have := len(fit.Clients); have < stats.MinUSLClients {
		fit.Why = fmt.Sprintf("a fit takes %d numbers of clients, there are %d", stats.MinUSLClients, have)
		for _, r := range reasons {
			fit.Why += fmt.Sprintf("; %s at %s", r, numbers(without[r]))
		}
		return fit
	}
	gamma, sigma, kappa, peak, err := stats.BootstrapUSL(fit.Clients, blocks, scaleConfidence, l.seed(seed, label))
	if err != nil {
		fit.Why = err.Error()
		return fit
	}
	fit.Gamma, fit.Sigma, fit.Kappa = interval(gamma), interval(sigma), interval(kappa)
	if peak != nil {
		fit.PeakAt = interval(*peak)
	}
	return fit
}

// levels are requests/s by block, or why there are none that may enter a fit.
type levels struct {
	perS []float64
	why  string
}

func levelsOf(exp result.Experiment, taken []result.Slice, label string) levels {
	c, ok := cellNamed(exp, label)
	switch {
	case !ok || c.Slices == 0 && c.Unable == "":
		return levels{why: "not measured"}
	case c.Unable != "":
		return levels{why: "can't take part"}
	case !c.Valid:
		return levels{why: "not valid"}
	case exp.Suspect:
		return levels{why: "suspect"}
	case c.BoundBy == byClients:
		return levels{why: "lower bounds, with the clients as the bottleneck,"}
	}
	var perS []float64
	for _, m := range Levels(exp, taken, label, result.MetricThroughput) {
		if x := math.Exp(m.Log); x > 0 && !math.IsInf(x, 0) {
			perS = append(perS, x)
		}
	}
	if len(perS) < scaleBlocks {
		return levels{why: fmt.Sprintf("fewer than %d restarts", scaleBlocks)}
	}
	return levels{perS: perS}
}

// seed is of one fit alone: it doesn't change when models are added.
func (l clientLine) seed(seed uint64, label string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %q %q", l.grid, l.where, label)
	return seed ^ h.Sum64()
}

func interval(i stats.Interval) *result.Interval {
	return &result.Interval{Estimate: i.Estimate, Low: i.Low, High: i.High}
}

// numbers is "1", "1 and 8", "1, 8 and 64".
func numbers(ns []int) string {
	words := make([]string, len(ns))
	for i, n := range ns {
		words[i] = result.Thousands(int64(n))
	}
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// Axes by the names that they have in a sweep's file, or in the record.
const axisClients = "clients"

// A Cliff is a fall of requests/s by more than half between neighbours: of one
// model between two values of an axis, or of two entries of one model, in one
// experiment, between two values of a parameter.
type Cliff struct {
	Grid      int
	Model     string          // as a table shows it; of a parameter's cliff without what no other entry of the model has otherwise
	Key       string          // what differs: "clients", "workers"
	From, To  string          // its value on the high side and on the low one
	High, Low float64         // requests/s there, medians
	AtLeast   bool            // High is a lower bound, and so is the fall
	Where     []scenario.Axis // what both sides have in common
	Scenario  string          // that both sides have in common
}

// Fall is how many times lower the low side is.
func (c Cliff) Fall() float64 { return c.High / c.Low }

const (
	cliffFall = 2 // a fall of more than half

	// drift is by how much this kind of machine changes within an hour. A fall
	// from one experiment to the next is no cliff where that may be all of it.
	drift = 2
)

// Cliffs names them for each grid, those of parameters first, in the order of
// the record. It takes the cells' medians; both cells are valid, and the low
// side is no lower bound, since it might be as high as the other.
//
// Within an experiment models were measured in turns, so a ratio of two medians
// is one of the models. Between experiments lies the machine's drift, which
// takes up to half away from everybody and looks like a cliff. The reference met
// the same drift: of a model's fall is taken away what the reference fell as
// well, and the rest must still be more than half. What was seen of the
// reference is taken as it is, a lower bound too, for it stands for the machine
// here and not for the server. Of the reference itself, and of models without
// one, the fall must be more than half beyond all that drift may do: a factor of
// four. A cliff that all models have in common is thus the reference's, if it is
// deep enough, and nobody's else. Where each request asks for more work all
// servers answer fewer, and by how many is nobody's cliff: there a model is
// named for what it fell beyond the reference, and the reference never.
//
// Along an axis the fall must be where more is asked for: more clients, a
// higher rate, more or longer work. That less is answered where less arrives is
// none. Nor is it where a cell is bound by its load, except along the number of
// clients.
func Cliffs(run result.Run) []Cliff {
	var cliffs []Cliff
	for _, grid := range grids(run) {
		var exps []result.Experiment
		for _, exp := range run.Experiments {
			if exp.Grid == grid {
				exps = append(exps, exp)
			}
		}
		for _, exp := range exps {
			cliffs = append(cliffs, parameterCliffs(exp)...)
		}
		for _, line := range axisLines(exps) {
			cliffs = append(cliffs, line.cliffs()...)
		}
	}
	return cliffs
}

func grids(run result.Run) (all []int) {
	for _, exp := range run.Experiments {
		if !slices.Contains(all, exp.Grid) {
			all = append(all, exp.Grid)
		}
	}
	return all
}

// A spec is a model's, taken apart.
type spec struct {
	name string
	keys []string // in its order
	of   map[string]string
}

func specOf(s string) spec {
	name, rest, _ := strings.Cut(s, ":")
	p := spec{name: name, of: map[string]string{}}
	for kv := range strings.SplitSeq(rest, ",") {
		if key, value, ok := strings.Cut(kv, "="); ok {
			p.keys = append(p.keys, key)
			p.of[key] = value
		}
	}
	return p
}

// apart reports whether two specs differ in key alone.
func (p spec) apart(o spec, key string) bool {
	if p.name != o.name || !slices.Equal(p.keys, o.keys) || p.of[key] == o.of[key] {
		return false
	}
	return !slices.ContainsFunc(p.keys, func(k string) bool { return k != key && p.of[k] != o.of[k] })
}

// but is the name of a spec's model, with those of its parameters, but for key,
// that tell it from others.
func (p spec) but(key string, others []spec) string {
	var telling []string
	for _, k := range p.keys {
		if k != key && slices.ContainsFunc(others, func(o spec) bool { return o.name == p.name && o.of[k] != p.of[k] }) {
			telling = append(telling, k+"="+p.of[k])
		}
	}
	if len(telling) == 0 {
		return p.name
	}
	return p.name + ":" + strings.Join(telling, ",")
}

// parameterCliffs are those within an experiment: neighbours are entries of a
// model that differ in one numeric parameter, with none between them.
func parameterCliffs(exp result.Experiment) (cliffs []Cliff) {
	type entry struct {
		spec spec
		cell result.Cell
	}
	var entries []entry
	for _, e := range exp.Entries {
		if c, ok := cellNamed(exp, e.Label); ok && !e.Twin && !e.Foreign() && measured(c) {
			entries = append(entries, entry{specOf(e.Model), c})
		}
	}
	var specs []spec
	for _, e := range entries {
		specs = append(specs, e.spec)
	}
	for i, a := range entries {
		for _, key := range a.spec.keys {
			x, err := strconv.ParseFloat(a.spec.of[key], 64)
			if err != nil {
				continue
			}
			// The next higher value, of the first entry that has it.
			next, at := math.Inf(1), -1
			for j, b := range entries {
				y, err := strconv.ParseFloat(b.spec.of[key], 64)
				if err == nil && a.spec.apart(b.spec, key) && y > x && y < next {
					next, at = y, j
				}
			}
			first := slices.IndexFunc(entries, func(b entry) bool { return b.cell.Model == a.cell.Model })
			if at < 0 || first != i { // the same entry more than once is looked at once
				continue
			}
			high, low := a, entries[at]
			if high.cell.ThroughputPerS.Median < low.cell.ThroughputPerS.Median {
				high, low = low, high
			}
			c := Cliff{
				Grid: exp.Grid, Model: a.spec.but(key, specs), Key: key, From: high.spec.of[key], To: low.spec.of[key],
				High: high.cell.ThroughputPerS.Median, Low: low.cell.ThroughputPerS.Median, AtLeast: high.cell.BoundBy == byClients,
				Where: exp.Axes, Scenario: exp.Scenario,
			}
			if low.cell.BoundBy != byClients && c.Fall() > cliffFall {
				cliffs = append(cliffs, c)
			}
		}
	}
	return cliffs
}

// measured reports whether a cell has a throughput that another's can be set
// against.
func measured(c result.Cell) bool {
	return c.Valid && c.Unable == "" && c.ThroughputPerS != nil && c.ThroughputPerS.Median > 0
}

// An order is what of a load an axis varies, and whether more of it is more work
// for each request: then fewer are answered, by whatever server.
type order struct {
	of   func(scenario.Scenario) float64
	work bool
}

// ordered are the axes that have one.
var ordered = map[string]order{
	axisClients:               {of: func(s scenario.Scenario) float64 { return float64(s.Clients) }},
	"rate":                    {of: func(s scenario.Scenario) float64 { return s.Rate }},
	"rates":                   {of: func(s scenario.Scenario) float64 { return s.Rate }},
	"idle":                    {of: func(s scenario.Scenario) float64 { return float64(s.Idle) }},
	"requests_per_connection": {of: func(s scenario.Scenario) float64 { return float64(s.RequestsPerConnection) }},
	"wait":                    {of: func(s scenario.Scenario) float64 { return float64(s.Wait.Mean()) }, work: true},
	"spin":                    {of: func(s scenario.Scenario) float64 { return float64(s.Spin.Mean()) }, work: true},
	"bytes":                   {of: func(s scenario.Scenario) float64 { return float64(s.Bytes) }, work: true},
}

// An axisLine is the experiments of a grid that differ in one ordered axis
// alone, in its order.
type axisLine struct {
	key   string
	where []scenario.Axis // the other axes
	exps  []result.Experiment
}

func axisLines(exps []result.Experiment) (lines []axisLine) {
	for _, exp := range exps {
		for at, axis := range exp.Axes {
			if ordered[axis.Key].of == nil {
				continue
			}
			where := slices.Delete(slices.Clone(exp.Axes), at, at+1)
			i := slices.IndexFunc(lines, func(l axisLine) bool { return l.key == axis.Key && slices.Equal(l.where, where) })
			if i < 0 {
				i = len(lines)
				lines = append(lines, axisLine{key: axis.Key, where: where})
			}
			lines[i].exps = append(lines[i].exps, exp)
		}
	}
	for _, l := range lines {
		of := ordered[l.key].of
		slices.SortStableFunc(l.exps, func(a, b result.Experiment) int { return cmp.Compare(of(a.Load), of(b.Load)) })
	}
	return lines
}

func (l axisLine) cliffs() (cliffs []Cliff) {
	axis := ordered[l.key]
	for _, label := range labels(l.exps) {
		for i := 1; i < len(l.exps); i++ {
			before, after := l.exps[i-1], l.exps[i]
			high, ok := cellNamed(before, label)
			low, ok2 := cellNamed(after, label)
			switch {
			case axis.of(before.Load) == axis.of(after.Load),
				!ok || !ok2 || !measured(high) || !measured(low),
				low.BoundBy == byClients,
				low.BoundBy == byLoad && l.key != axisClients:
				continue
			}
			c := Cliff{
				Grid: after.Grid, Model: cmp.Or(high.Display, label), Key: l.key, From: valueOf(before, l.key), To: valueOf(after, l.key),
				High: high.ThroughputPerS.Median, Low: low.ThroughputPerS.Median, AtLeast: high.BoundBy == byClients,
				Where: l.where, Scenario: after.Scenario,
			}
			natural, known := referenceFell(before, after, label)
			switch {
			case !known && axis.work:
				continue
			case !known:
				natural = drift
			}
			if c.Fall() > cliffFall*natural {
				cliffs = append(cliffs, c)
			}
		}
	}
	return cliffs
}

// referenceFell is how many times lower the reference of a model is in the
// second experiment: the part of a fall that need not be the model's. That it
// rose takes nothing away from a fall: 1. Of the reference itself nobody knows,
// nor where two experiments have none, or different ones.
func referenceFell(before, after result.Experiment, label string) (times float64, known bool) {
	a, ok := cellNamed(before, before.Reference)
	b, ok2 := cellNamed(after, after.Reference)
	if !ok || !ok2 || a.Model != b.Model || label == before.Reference || label == after.Reference || !measured(a) || !measured(b) {
		return 0, false
	}
	return max(1, a.ThroughputPerS.Median/b.ThroughputPerS.Median), true
}

func valueOf(exp result.Experiment, key string) string {
	for _, a := range exp.Axes {
		if a.Key == key {
			return a.Value
		}
	}
	return ""
}

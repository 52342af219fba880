package analysis

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/stats"
)

// Recorded is a record as it was read: run.json, and the slices of each
// experiment by its name. Of run.json only what was asked for is believed;
// the rest is made from the slices again.
type Recorded struct {
	Run    result.Run
	Slices map[string][]result.Slice
}

// Changes are what a later record shows otherwise than an earlier one.
type Changes struct {
	Absolute   bool
	Apart      time.Duration // from the start of the first to that of the second; below 0 where the second is the older
	Confidence float64       // of each interval by itself: all of them hold together with 95 %
	Differs    []Difference  // between machines, builds and what was asked for
	Matched    []Matched     // experiments that both hold
	OnlyFirst  []string      // those that the other doesn't, by name
	OnlySecond []string
}

// Matched is an experiment that both records hold: of one name, under one load.
type Matched struct {
	Name       string
	Reference  string       // label; "" where there is none in common
	Differs    []Difference // in this experiment alone
	Why        string       // nothing is compared, in words; "" where something is
	Changes    []Change
	OnlyFirst  []string // entries that the other doesn't hold, by label, with the reason where the labels alone agree
	OnlySecond []string
}

// Change is one figure of one model, then and now: the ratio to the reference,
// or the figure itself where absolute ones were asked for.
type Change struct {
	Model         string // label
	Metric        string
	First, Second Then
	Ratio         *stats.Interval // second over first; nil where either has fewer than two restarts
	Verdict       string          // "more", "less" and "same" are of the second against the first; else "none"
	Why           string          // there is none, in words
	Resolution    *float64        // half-width of the interval, as a share
}

// Then is what one record says of a figure.
type Then struct {
	Figure float64 // geometric mean over blocks; 0 where there is none
	Blocks int
}

// Difference is one fact in which two records differ.
type Difference struct{ What, First, Second string }

// String is "kernel: 6.18.1 → 6.18.3".
func (d Difference) String() string { return d.What + ": " + d.First + " → " + d.Second }

// ErrNoCommonReference is why two records can't be compared but in absolute
// figures.
var ErrNoCommonReference = errors.New("no reference in common")

// Between compares two records made at different times.
//
// The absolute speed of a machine that is shared drifts by a factor of two
// within an hour, and both sides of a ratio to a reference that was measured
// within the same second drift alike. So what is compared is each model's ratio
// to the reference that both records hold: the difference of the means over
// blocks of log ratios, with Welch's interval, since restarts of two runs are
// no pairs and need not scatter alike. Bonferroni holds together the intervals
// of the whole comparison: all models and both ranked metrics of all
// experiments.
//
// absolute compares the figures themselves, those of the reference included,
// and has the drift of the machine in every one of its verdicts. It is an
// error if no experiment is in both, or (not absolute) none has a reference in
// common.
func Between(first, second Recorded, absolute bool) (Changes, error) {
	c := Changes{Absolute: absolute, Apart: second.Run.Started.Sub(first.Run.Started), Differs: runsDiffer(first.Run, second.Run)}
	var pairs []matching
	for _, e := range first.Run.Experiments {
		at := slices.IndexFunc(second.Run.Experiments, func(o result.Experiment) bool { return o.Name == e.Name })
		if at < 0 {
			c.OnlyFirst = append(c.OnlyFirst, e.Name)
			continue
		}
		p := matchUp(e, second.Run.Experiments[at], absolute)
		p.Differs = experimentsDiffer(first.Run, second.Run, p)
		pairs = append(pairs, p)
	}
	for _, e := range second.Run.Experiments {
		if !slices.ContainsFunc(first.Run.Experiments, func(o result.Experiment) bool { return o.Name == e.Name }) {
			c.OnlySecond = append(c.OnlySecond, e.Name)
		}
	}
	if len(pairs) == 0 {
		return Changes{}, fmt.Errorf("no experiment is in both (in the first: %s; in the second: %s)", experimentNames(first.Run), experimentNames(second.Run))
	}
	m := 0
	for _, p := range pairs {
		m += len(p.labels) * len(acrossMetrics)
	}
	if m == 0 {
		return Changes{}, nothingToCompare(pairs)
	}
	c.Confidence = stats.Joint(0.95, m)
	for _, p := range pairs {
		if len(p.labels) > 0 {
			a := side{Analyse(p.first, first.Slices[p.first.Name]), first.Slices[p.first.Name]}
			b := side{Analyse(p.second, second.Slices[p.second.Name]), second.Slices[p.second.Name]}
			for _, label := range p.labels {
				for _, metric := range acrossMetrics {
					p.Changes = append(p.Changes, changeOf(a, b, label, metric, absolute, c.Confidence))
				}
			}
		}
		c.Matched = append(c.Matched, p.Matched)
	}
	c.raise()
	return c, nil
}

// raise says once of the runs what would be said of each of their experiments.
func (c *Changes) raise() {
	for _, d := range slices.Clone(c.Matched[0].Differs) {
		if slices.ContainsFunc(c.Matched, func(m Matched) bool { return !slices.Contains(m.Differs, d) }) {
			continue
		}
		c.Differs = append(c.Differs, d)
		for i := range c.Matched {
			c.Matched[i].Differs = slices.DeleteFunc(c.Matched[i].Differs, func(o Difference) bool { return o == d })
		}
	}
}

// acrossMetrics are the metrics that a comparison of records gives verdicts on.
var acrossMetrics = []string{result.MetricServerCPU, result.MetricThroughput}

// experimentNames lists a run's experiments for an error.
func experimentNames(run result.Run) string {
	var ns []string
	for _, e := range run.Experiments {
		ns = append(ns, e.Name)
	}
	return cmp.Or(strings.Join(ns, ", "), "none")
}

// nothingToCompare is the error where experiments match and no two figures do.
func nothingToCompare(pairs []matching) error {
	var whys []string
	unreferenced := true
	for _, p := range pairs {
		unreferenced = unreferenced && p.unreferenced
		whys = append(whys, p.Name+": "+p.Why)
	}
	if unreferenced {
		return fmt.Errorf("%w (%s)", ErrNoCommonReference, strings.Join(whys, "; "))
	}
	return fmt.Errorf("no figure is in both (%s)", strings.Join(whys, "; "))
}

// A matching is a match in the making.
type matching struct {
	Matched
	first, second result.Experiment
	labels        []string // whose figures are compared
	unreferenced  bool     // Why is that they have no reference in common
}

// matchUp finds what of two experiments of one name can be compared.
func matchUp(a, b result.Experiment, absolute bool) matching {
	p := matching{Matched: Matched{Name: a.Name}, first: a, second: b}
	if identity(a.Load) != identity(b.Load) {
		p.Why = fmt.Sprintf("another load: %s → %s", cmp.Or(a.Flags, "unnamed"), cmp.Or(b.Flags, "unnamed"))
		return p
	}
	reference, why := commonReference(a, b)
	if p.Reference = reference; reference == "" && !absolute {
		p.Why, p.unreferenced = why, true
		return p
	}
	for _, e := range a.Entries {
		o, ok := entryNamed(b, e.Label)
		switch {
		case e.Twin: // the reference again
		case !ok:
			p.OnlyFirst = append(p.OnlyFirst, e.Label)
		case !sameServer(e, o):
			why := fmt.Sprintf("%s: another server of the same label: %s → %s", e.Label, served(e), served(o))
			p.OnlyFirst, p.OnlySecond = append(p.OnlyFirst, why), append(p.OnlySecond, why)
		case absolute || e.Label != reference:
			p.labels = append(p.labels, e.Label)
		}
	}
	for _, e := range b.Entries {
		if _, ok := entryNamed(a, e.Label); !ok && !e.Twin {
			p.OnlySecond = append(p.OnlySecond, e.Label)
		}
	}
	if len(p.labels) == 0 {
		p.Why = "no model is in both"
	}
	return p
}

// identity is what a load asks for, whatever its seed: the digest of its plan
// under a fixed one. A rate that is a multiple of what the reference answers at
// most is that, and not the figure that it came to.
func identity(s scenario.Scenario) string {
	if s.OfCapacity {
		s.Rate = 0
	}
	return scenario.NewPlan(s, 0).Digest()
}

// commonReference is the label that both experiments' ratios are to, or why
// there is none.
func commonReference(a, b result.Experiment) (label, why string) {
	if a.Reference == "" || b.Reference == "" {
		return "", "measured without a reference"
	}
	x, okX := entryNamed(a, a.Reference)
	y, okY := entryNamed(b, b.Reference)
	switch {
	case !okX || !okY:
		return "", "the reference is no entry"
	case a.Reference != b.Reference:
		return "", fmt.Sprintf("the reference was %s, then %s", a.Reference, b.Reference)
	case !sameServer(x, y) || x.Command != y.Command:
		return "", fmt.Sprintf("the reference %s is another server: %s → %s", a.Reference, served(x), served(y))
	}
	return a.Reference, ""
}

// sameServer reports whether two entries of one label are the same server: of
// ours by the whole spec, for defaults may have changed since. A server that is
// not ours is what its user calls by that name; its command is of no help, since
// what it starts may be the very thing that changed.
func sameServer(a, b result.Entry) bool {
	return a.Foreign() == b.Foreign() && (a.Foreign() || a.Model == b.Model)
}

func served(e result.Entry) string { return cmp.Or(e.Command, e.Attach, e.Model, e.Label) }

func entryNamed(exp result.Experiment, label string) (result.Entry, bool) {
	i := slices.IndexFunc(exp.Entries, func(e result.Entry) bool { return e.Label == label })
	if i < 0 {
		return result.Entry{}, false
	}
	return exp.Entries[i], true
}

// A side is one of two experiments that are compared.
type side struct {
	exp   result.Experiment // analysed
	taken []result.Slice
}

// logs are the block means that a side's figure is made of.
func (s side) logs(label, metric string, absolute bool) (xs []float64) {
	means := LogRatios
	if absolute {
		means = Levels
	}
	for _, b := range means(s.exp, s.taken, label, metric) {
		xs = append(xs, b.Log)
	}
	return xs
}

func (s side) cell(label string) (result.Cell, bool) {
	i := slices.IndexFunc(s.exp.Cells, func(c result.Cell) bool { return c.Label == label })
	if i < 0 {
		return result.Cell{}, false
	}
	return s.exp.Cells[i], true
}

func changeOf(a, b side, label, metric string, absolute bool, confidence float64) Change {
	x, y := a.logs(label, metric, absolute), b.logs(label, metric, absolute)
	c := Change{Model: label, Metric: metric, First: then(x), Second: then(y), Verdict: result.VerdictNone}
	diff, ok := stats.Welch(y, x, confidence)
	if ok = ok && finiteInterval(diff); ok {
		resolution := math.Expm1(diff.HalfWidth())
		c.Resolution = &resolution
		c.Ratio = &stats.Interval{Estimate: math.Exp(diff.Estimate), Low: math.Exp(diff.Low), High: math.Exp(diff.High), N: diff.N}
	}
	switch c.Why = because(a.whyNot(label, metric, x, absolute), b.whyNot(label, metric, y, absolute)); {
	case c.Why != "":
	case !ok:
		c.Why = "in some round it answered nothing"
	case diff.Low > 0:
		c.Verdict = result.VerdictMore
	case diff.High < 0:
		c.Verdict = result.VerdictLess
	default:
		c.Verdict = result.VerdictSame
	}
	return c
}

func then(logs []float64) Then {
	if len(logs) == 0 {
		return Then{}
	}
	sum := 0.0
	for _, x := range logs {
		sum += x
	}
	return Then{Figure: math.Exp(sum / float64(len(logs))), Blocks: len(logs)}
}

func finiteInterval(i stats.Interval) bool {
	for _, x := range []float64{i.Estimate, i.Low, i.High} {
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// because says why there is no verdict, of which record.
func because(first, second string) string {
	switch {
	case first == "" && second == "":
		return ""
	case first == second:
		return first + " (both)"
	case second == "":
		return first + " (the first)"
	case first == "":
		return second + " (the second)"
	}
	return first + " (the first); " + second + " (the second)"
}

// whyNot is the reason for which a side's figure carries no verdict, "" where
// it does. Of ratios it is what the experiment's own comparison says; absolute
// figures have the same rules, as far as they aren't about the reference.
func (s side) whyNot(label, metric string, logs []float64, absolute bool) string {
	cell, ok := s.cell(label)
	if !ok || cell.Unable != "" {
		return "it could not take part"
	}
	if !absolute {
		i := slices.IndexFunc(s.exp.Comparisons, func(c result.Comparison) bool { return c.Model == label && c.Metric == metric })
		switch {
		case i < 0:
			return "no round holds both it and the reference"
		case s.exp.Comparisons[i].Verdict == result.VerdictNone:
			return s.exp.Comparisons[i].Why
		case len(logs) < VerdictBlocks: // left as large
			return "large, so that it left the rounds early"
		}
		return ""
	}
	switch {
	case !cell.Valid:
		return "its figures are not valid"
	case len(logs) < VerdictBlocks:
		return fmt.Sprintf("%s have figures of it, a verdict takes ten", counted(len(logs), "restart"))
	case metric == result.MetricThroughput && cell.BoundBy == byClients:
		return "the clients were the bottleneck: these are lower bounds, which have no order"
	case s.exp.StoppedBy == "" || s.exp.StoppedBy == byInterrupt:
		return "the experiment was cut short"
	case s.exp.Suspect:
		return "suspect: the twin differs from the reference"
	}
	return ""
}

// runsDiffer is what sets two runs apart besides their time, machine and build
// included. What never agrees (the calibration of the spin loop, the host's
// steal) is left out.
func runsDiffer(a, b result.Run) []Difference {
	ds := slices.DeleteFunc(EnvironmentsDiffer(a.Environment, b.Environment), func(d Difference) bool {
		return d.What == serverCPUs || d.What == clientCPUs // of which experiments know better
	})
	return append(ds, differing([]Difference{
		{"clients' engine", a.Engine, b.Engine},
		{"seed", strconv.FormatUint(a.Seed, 10), strconv.FormatUint(b.Seed, 10)},
	})...)
}

// What environments know of a run, and experiments of themselves.
const (
	serverCPUs = "CPUs of the servers"
	clientCPUs = "CPUs of the clients"
)

// EnvironmentsDiffer is what sets two machines and builds apart, with what was
// not known named as that. Two builds of one revision are told apart too where
// either has changes that nobody committed, for nobody can say that they are
// the same.
func EnvironmentsDiffer(a, b result.Environment) []Difference {
	ds := differing([]Difference{
		{"operating system", a.OS, b.OS},
		{"architecture", a.Arch, b.Arch},
		{"kernel", a.Kernel, b.Kernel},
		{"CPU model", a.CPUModel, b.CPUModel},
		{"CPUs", wholeNumber(a.CPUs), wholeNumber(b.CPUs)},
		{serverCPUs, pinned(a.ServerCPUs), pinned(b.ServerCPUs)},
		{clientCPUs, pinned(a.LoadCPUs), pinned(b.LoadCPUs)},
		{"Go version", a.GoVersion, b.GoVersion},
		{"GOMAXPROCS", wholeNumber(a.GOMAXPROCS), wholeNumber(b.GOMAXPROCS)},
		{"GOGC", a.GOGC, b.GOGC},
		{"descriptor limit", wholeNumber(a.DescriptorLimit), wholeNumber(b.DescriptorLimit)},
		{"somaxconn", wholeNumber(a.Somaxconn), wholeNumber(b.Somaxconn)},
		{"backlog", wholeNumber(a.Backlog), wholeNumber(b.Backlog)},
		{"port range", a.PortRange, b.PortRange},
		{"tcp_tw_reuse", a.TCPTWReuse, b.TCPTWReuse},
		{"congestion control", a.CongestionControl, b.CongestionControl},
	})
	x, y := build(a), build(b)
	if a.Dirty && b.Dirty && a.Revision == b.Revision {
		y += ", perhaps others"
	}
	return append(ds, differing([]Difference{{"revision", x, y}})...)
}

func build(e result.Environment) string {
	if e.Dirty {
		return cmp.Or(e.Revision, "not known") + " with changes not committed"
	}
	return e.Revision
}

// experimentsDiffer is what sets two experiments of one load apart. Where a
// record is older than CPUs of experiments, its environment has them. Plans of one load and one seed differ where
// the two versions of the program draw otherwise.
func experimentsDiffer(first, second result.Run, p matching) []Difference {
	a, b := p.first, p.second
	on := func(exp, run string) string { return pinned(cmp.Or(exp, run)) }
	all := []Difference{
		{serverCPUs, on(a.ServerCPUs, first.Environment.ServerCPUs), on(b.ServerCPUs, second.Environment.ServerCPUs)},
		{clientCPUs, on(a.LoadCPUs, first.Environment.LoadCPUs), on(b.LoadCPUs, second.Environment.LoadCPUs)},
	}
	switch {
	case a.Load.OfCapacity && b.Load.OfCapacity:
		all = append(all, Difference{"capacity that the rate is a multiple of", perS(a.CapacityPerS), perS(b.CapacityPerS)})
	case first.Seed == second.Seed && identity(a.Load) == identity(b.Load):
		all = append(all, Difference{"plan", shortDigest(a.PlanDigest), shortDigest(b.PlanDigest)})
	}
	for _, e := range a.Entries {
		if o, ok := entryNamed(b, e.Label); ok && !e.Twin && e.Foreign() && o.Foreign() {
			all = append(all, Difference{e.Label, served(e), served(o)})
		}
	}
	return differing(all)
}

// differing keeps what differs, with what is empty named as not known.
func differing(all []Difference) (ds []Difference) {
	for _, d := range all {
		if d.First != d.Second {
			ds = append(ds, Difference{d.What, cmp.Or(d.First, "not known"), cmp.Or(d.Second, "not known")})
		}
	}
	return ds
}

func wholeNumber[T int | uint64](n T) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(n), 10)
}

func pinned(list string) string { return cmp.Or(list, "not pinned") }

func perS(rate float64) string {
	if rate == 0 {
		return ""
	}
	return result.Significant(rate) + "/s"
}

// shortDigest is enough of a digest to tell two apart.
func shortDigest(digest string) string {
	kind, hex, ok := strings.Cut(digest, ":")
	if !ok || len(hex) < 12 {
		return digest
	}
	return kind + ":" + hex[:12]
}

package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"workbench/harness/result"
)

// Cite is one sentence to quote from a record: a figure, its interval, the
// machine, the seed, the revision and the command that repeats it. Of the
// experiment of that name, or with "" of all, it takes the largest difference
// whose interval leaves no doubt, in CPU per request before requests/s; then one
// that is large; then that none was found, and how small a one would have shown.
// Where there is no verdict it says that, and why, and names no figure: what
// carries none is not to be quoted. It ends in a newline.
func Cite(run result.Run, experiment string) string {
	var within []result.Experiment
	for _, e := range run.Experiments {
		if experiment == "" || e.Name == experiment {
			within = append(within, e)
		}
	}
	found := findIn(within)
	metrics := []string{result.MetricServerCPU, result.MetricThroughput}
	for _, pick := range []map[string]*claim{found.sure, found.large} {
		for _, metric := range metrics {
			if f := pick[metric]; f != nil {
				return f.quotable(run) + "\n"
			}
		}
	}
	if f := found.same; f != nil {
		return f.quotable(run) + "\n"
	}
	return fmt.Sprintf("There is no verdict to quote from %s: %s.\n", quoted(run, experiment), whyNone(within))
}

// A claim is one comparison that something is said of.
type claim struct {
	exp result.Experiment
	c   result.Comparison
}

// findings are what is most worth saying of some experiments.
type findings struct {
	sure  map[string]*claim // by metric: the largest difference with an interval
	large map[string]*claim // by metric: the largest of those above a factor of 2
	same  *nothing          // where no difference was found; of the experiment that would have shown the smallest
}

// nothing is an experiment in which no difference was found.
type nothing struct {
	exp    result.Experiment
	models []string
	widest map[string]float64 // by metric: what would have shown, of all models
}

func findIn(within []result.Experiment) findings {
	f := findings{sure: map[string]*claim{}, large: map[string]*claim{}}
	for _, exp := range within {
		for _, c := range exp.Comparisons {
			switch {
			case isTwin(exp, c.Model) || !isRanked(c.Metric):
			case differs(&c):
				larger(f.sure, exp, c, c.Ratio.Estimate)
			case isLarge(&c) && exp.Blocks >= verdictBlocks && !exp.Suspect:
				larger(f.large, exp, c, c.Seen.Median)
			}
		}
		if n := nothingIn(exp); n != nil && (f.same == nil || n.finer(f.same)) {
			f.same = n
		}
	}
	return f
}

func larger(by map[string]*claim, exp result.Experiment, c result.Comparison, ratio float64) {
	size := func(x float64) float64 { return math.Abs(math.Log(x)) } // of 0, which nothing exceeds: infinite
	of := func(f *claim) float64 {
		if isLarge(&f.c) {
			return f.c.Seen.Median
		}
		return f.c.Ratio.Estimate
	}
	if o := by[c.Metric]; o == nil || size(ratio) > size(of(o)) {
		by[c.Metric] = &claim{exp, c}
	}
}

func isTwin(exp result.Experiment, label string) bool {
	return slices.ContainsFunc(exp.Entries, func(e result.Entry) bool { return e.Twin && e.Label == label })
}

// nothingIn is nil where a difference was found, or nothing was looked for.
func nothingIn(exp result.Experiment) *nothing {
	n := nothing{exp: exp, widest: map[string]float64{}}
	for _, c := range exp.Comparisons {
		switch {
		case isTwin(exp, c.Model) || !isRanked(c.Metric):
		case differs(&c) || isLarge(&c):
			return nil
		case c.Verdict == result.VerdictSame && c.Resolution != nil:
			n.widest[c.Metric] = max(n.widest[c.Metric], *c.Resolution)
			if m := labelled(exp, c.Model); !slices.Contains(n.models, m) {
				n.models = append(n.models, m)
			}
		}
	}
	if len(n.models) == 0 {
		return nil
	}
	return &n
}

// finer prefers CPU per request, which clients don't bound.
func (n *nothing) finer(o *nothing) bool {
	for _, metric := range []string{result.MetricServerCPU, result.MetricThroughput} {
		a, okA := n.widest[metric]
		b, okB := o.widest[metric]
		if okA != okB {
			return okA
		}
		if a != b {
			return a < b
		}
	}
	return false
}

// labelled is what a cell goes by in sentences.
func labelled(exp result.Experiment, label string) string {
	for _, c := range exp.Cells {
		if c.Label == label {
			return name(exp, c)
		}
	}
	return label
}

// server is "the model pool", or "the server mine ('./mine --port {port}')".
func server(exp result.Experiment, label string) string {
	for _, e := range exp.Entries {
		if e.Label == label && e.Foreign() {
			return fmt.Sprintf("the server %s (%s)", label, cmp.Or(e.Command, e.Attach))
		}
	}
	return "the model " + labelled(exp, label)
}

func (f claim) quotable(run result.Run) string {
	exp, c := f.exp, f.c
	figure, verb := "server CPU per request", "needed"
	if c.Metric == result.MetricThroughput {
		figure, verb = "requests/s", "answered"
	}
	reference := labelled(exp, exp.Reference)
	if isLarge(&c) {
		words, than := largeWords(c, figure)
		return fmt.Sprintf("Under %s %s %s %s %s %s (%s; %s).", loadOf(exp), server(exp, c.Model), verb, words, than, reference,
			seenRounds(c), provenance(run, exp, false))
	}
	words, interval := by(c.Ratio, c.Metric, figure)
	return fmt.Sprintf("Under %s %s %s %s %s %s (95 %% joint interval %s; %s).", loadOf(exp), server(exp, c.Model), verb, words, than(words), reference,
		interval, provenance(run, exp, true))
}

// than is the word between a difference and what it is to: "24 % less … than",
// "2.3 × the … of".
func than(words string) string {
	if strings.Contains(words, "× the ") {
		return "of"
	}
	return "than"
}

// largeWords are of a model that left the rounds, since what they could still
// show was in no doubt: of its factor no interval is known, but the range.
func largeWords(c result.Comparison, figure string) (words, before string) {
	less := "less"
	if c.Metric == result.MetricThroughput {
		less = "fewer"
	}
	switch {
	case c.Seen.Median > 1:
		words = factor(c.Seen.Median) + " × the " + figure
	case c.Seen.Median > 0:
		words = factor(1/c.Seen.Median) + " × " + less + " " + figure
	default: // a factor would be a division by 0
		words = "far " + less + " " + figure
	}
	return words, than(words)
}

func seenRounds(c result.Comparison) string {
	low, high := c.Seen.Low, c.Seen.High
	if c.Seen.Median < 1 {
		if low == 0 {
			return fmt.Sprintf("none at all in some of its %s", count(c.Seen.N, "round"))
		}
		low, high = 1/high, 1/low
	}
	return fmt.Sprintf("%s–%s × in its %s, after which it was left out", factor(low), factor(high), count(c.Seen.N, "round"))
}

func (n nothing) quotable(run result.Run) string {
	return fmt.Sprintf("Under %s no difference was found between %s and %s: %s (95 %% joint intervals; %s).",
		loadOf(n.exp), list(n.models), labelled(n.exp, n.exp.Reference), wouldHaveShown(n.widest), provenance(run, n.exp, true))
}

// loadOf is "keepalive (64 clients, 100 requests per connection, closed loop)".
func loadOf(exp result.Experiment) string {
	return fmt.Sprintf("%s (%s, %s loop)", cmp.Or(exp.Name, exp.Scenario), load(exp), exp.Loop)
}

// provenance is all that is needed to repeat a figure.
func provenance(run result.Run, exp result.Experiment, restarts bool) string {
	e := run.Environment
	var parts []string
	if restarts {
		parts = append(parts, count(exp.Blocks, "restart"))
	}
	if !run.Started.IsZero() {
		parts = append(parts, run.Started.UTC().Format("2006-01-02"))
	}
	parts = append(parts, machine(e)...)
	parts = append(parts, revision(e), fmt.Sprintf("seed %d", run.Seed))
	s := strings.Join(parts, ", ")
	if run.Command != "" {
		s += "; repeat: " + run.Command
	}
	return s
}

// machine is what a figure was measured on.
func machine(e result.Environment) (parts []string) {
	for _, p := range []string{e.CPUModel, cpus(e.CPUs), system(e), e.GoVersion} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return parts
}

// system names what it runs on once, where the kernel's name has it already.
func system(e result.Environment) string {
	if os, _, _ := strings.Cut(e.Kernel, " "); strings.EqualFold(os, e.OS) {
		return e.Kernel
	}
	return strings.TrimSpace(e.OS + " " + e.Kernel)
}

func cpus(n int) string {
	if n == 0 {
		return ""
	}
	return count(n, "CPU")
}

// revision flags what no checkout brings back.
func revision(e result.Environment) string {
	r := e.Revision
	if len(r) > 12 {
		r = r[:12]
	}
	switch {
	case r == "" || r == "unknown":
		return "workbench of an unknown revision"
	case e.Dirty:
		return "workbench revision " + r + " with changes not committed"
	}
	return "workbench revision " + r
}

// quoted is what was looked in.
func quoted(run result.Run, experiment string) string {
	of := cmp.Or(experiment, run.Name, "this record")
	if !run.Started.IsZero() {
		of += " of " + run.Started.UTC().Format("2006-01-02")
	}
	return of
}

// whyNone is the reason for which experiments have no verdict, that of most of
// their comparisons.
func whyNone(within []result.Experiment) string {
	var suspect []string
	n := map[string]int{}
	var order []string
	for _, exp := range within {
		if exp.Suspect {
			suspect = append(suspect, exp.Name)
		}
		for _, c := range exp.Comparisons {
			if isTwin(exp, c.Model) || !isRanked(c.Metric) || c.Why == "" {
				continue
			}
			if n[c.Why]++; n[c.Why] == 1 {
				order = append(order, c.Why)
			}
		}
	}
	if len(suspect) > 0 {
		return "the twin differs from its reference under " + list(suspect)
	}
	slices.SortStableFunc(order, func(a, b string) int { return n[b] - n[a] })
	switch {
	case len(order) > 0:
		return order[0]
	case len(within) == 0 || !slices.ContainsFunc(within, func(e result.Experiment) bool { return e.Blocks > 0 }):
		return "nothing was measured"
	case !slices.ContainsFunc(within, func(e result.Experiment) bool { return e.Reference != "" }):
		return "nothing was compared, for there was no reference"
	}
	return "no reason is recorded"
}

// Finding is a run in one sentence: what differs most, or that nothing does and
// how small a difference would have shown. A sweep's has one for each of its
// grids, after the grid's question. It doesn't end in a newline.
func Finding(run result.Run) string {
	if len(run.Questions) == 0 {
		return findingOf(run.Experiments)
	}
	var said []string
	for grid, question := range run.Questions {
		said = append(said, strings.TrimSpace(question+" "+findingOf(ofGrid(run, grid))))
	}
	return strings.Join(said, " ")
}

func findingOf(within []result.Experiment) string {
	found := findIn(within)
	var said string
	var before *claim
	for _, metric := range []string{result.MetricServerCPU, result.MetricThroughput} {
		f := largest(found, metric)
		if f == nil {
			continue
		}
		words, to := f.briefly()
		under := ""
		if len(within) > 1 {
			under = "under " + f.exp.Name + ", "
		}
		switch model := labelled(f.exp, f.c.Model); {
		case before == nil:
			said += under + model + " " + words[0] + to + words[1]
		case before.exp.Name == f.exp.Name && before.c.Model == f.c.Model:
			said += " and " + words[0] + words[1]
		default:
			said += "; " + under + model + " " + words[0] + to + words[1]
		}
		before = f
	}
	if said != "" {
		if without := withoutDifference(within); without > 0 {
			said += fmt.Sprintf(" (no difference found in %d of %s)", without, count(len(within), "experiment"))
		}
		return "What differs most: " + said + suspects(within) + "."
	}
	widest, names := map[string]float64{}, map[string]bool{}
	for _, exp := range within {
		if n := nothingIn(exp); n != nil {
			names[exp.Name] = true
			for m, w := range n.widest {
				widest[m] = max(widest[m], w)
			}
		}
	}
	if len(names) == 0 {
		return "No verdict: " + whyNone(within) + "."
	}
	s := "No difference found: " + wouldHaveShown(widest)
	if none := len(within) - len(names); none > 0 {
		s += fmt.Sprintf(" (%d of %s without a verdict)", none, count(len(within), "experiment"))
	}
	return s + suspects(within) + "."
}

func withoutDifference(within []result.Experiment) (n int) {
	for _, exp := range within {
		if nothingIn(exp) != nil {
			n++
		}
	}
	return n
}

func suspects(within []result.Experiment) string {
	var names []string
	for _, exp := range within {
		if exp.Suspect {
			names = append(names, exp.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; suspect, without verdicts: " + list(names)
}

// largest is what differs most in a metric. Unlike what is cited it may be a
// factor without an interval: a list is to say what there is to see.
func largest(found findings, metric string) *claim {
	sure, far := found.sure[metric], found.large[metric]
	switch {
	case sure == nil:
		return far
	case far != nil && math.Abs(math.Log(far.c.Seen.Median)) > math.Abs(math.Log(sure.c.Ratio.Estimate)):
		return far
	}
	return sure
}

// briefly is "needs 24 % less CPU per request", " than goroutine", " (22–26 %)".
func (f claim) briefly() (words [2]string, to string) {
	verb := "needs "
	if f.c.Metric == result.MetricThroughput {
		verb = "answers "
	}
	reference := labelled(f.exp, f.exp.Reference)
	if isLarge(&f.c) {
		w, than := largeWords(f.c, figureName(f.c.Metric))
		return [2]string{verb + w, ""}, " " + than + " " + reference
	}
	w, interval := by(f.c.Ratio, f.c.Metric, figureName(f.c.Metric))
	return [2]string{verb + w, " (" + interval + ")"}, " " + than(w) + " " + reference
}

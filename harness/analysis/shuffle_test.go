package analysis

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"workbench/harness/result"
)

const allShuffles = 2000

// Servers that are one and the same program have labels that mean nothing: who
// is called what in a block may be drawn anew, and whatever a shuffle finds is
// found for nothing. Over the shuffles of a real record, with its real noise, it
// must be found in no more than 5 %. (Intervals are made to err in 5 % at most,
// latencies included in 5.5 %, and by how much less depends on how the metrics
// go together: 4 % in simulations, of ten entries. A share of 4 % comes out above 5 % of 2,000
// independent draws with a chance of 1 %, one of 3.5 % with 0.03 %.)
func TestShuffledLabelsOfIdenticalModels(t *testing.T) {
	paths, err := filepath.Glob("../../results/published/*/run.json")
	if err != nil {
		t.Fatal(err)
	}
	looked := 0
	for _, path := range paths {
		dir := filepath.Dir(path)
		run, err := result.ReadRun(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, exp := range run.Experiments {
			if !oneModel(exp) {
				continue
			}
			looked++
			t.Run(filepath.Base(dir)+"/"+exp.Name, func(t *testing.T) {
				taken, damage, err := result.ReadSlices(result.SlicesPath(dir, exp.Name))
				if err != nil || len(damage) > 0 {
					t.Fatal(err, damage)
				}
				holdShuffles(t, exp, taken)
			})
		}
	}
	if looked == 0 {
		t.Error("no record of identical models is published under results/published (scripts/same.yaml makes one)")
	}
}

func TestShuffledLabelsOfASimulation(t *testing.T) {
	s := likeOurs(8)
	s.latencies, s.disturbed = true, 0.01
	exp, taken := drawn(s, 3)
	holdShuffles(t, exp, taken)
}

func holdShuffles(t *testing.T, exp result.Experiment, taken []result.Slice) {
	t.Helper()
	const n = shuffles
	found := shuffle(exp, taken, n)
	t.Logf("a false verdict in %d of %d shuffles of %d entries in %d blocks", found, n, len(exp.Entries), exp.Blocks)
	most := 0.05 * n
	if n < allShuffles {
		// Of so few a share of 5 % or less comes out above 5 % half the time. Without
		// the race detector all are drawn, and the bar is what it says.
		most += 3 * math.Sqrt(0.05*0.95*n)
	}
	if float64(found) > most {
		t.Errorf("a false verdict in %d of %d shuffles, want at most %.1f", found, n, most)
	}
}

// oneModel reports whether all entries, two at the least beside each other, are
// one and the same model and an experiment is long enough for verdicts.
func oneModel(exp result.Experiment) bool {
	return exp.Reference != "" && exp.Blocks >= VerdictBlocks && len(exp.Entries) > 2 &&
		!slices.ContainsFunc(exp.Entries, func(e result.Entry) bool {
			return e.Model != exp.Entries[0].Model || e.Command != exp.Entries[0].Command
		})
}

// shuffle draws labels anew within each block, n times, and says in how many a
// difference is found. What is shuffled is the ledger, so that histograms are
// merged once and not n times; cells, which tell whether figures are fit to be
// compared, stay as they were.
func shuffle(exp result.Experiment, taken []result.Slice, n int) (found int) {
	byLabel, _ := sortOut(exp, taken)
	l := newLedger(exp, taken)
	l.weighPercentiles(byLabel)
	var cells []result.Cell
	for _, e := range exp.Entries {
		cells = append(cells, cellOf(exp, e, byLabel[e.Label]))
	}
	r := rand.New(rand.NewPCG(4, 2000))
	for range n {
		shuffled := l.relabelled(func() []int { return r.Perm(len(l.labels)) })
		comparisons, _, _ := compare(shuffled, cells)
		if len(falseVerdicts(result.Experiment{Comparisons: comparisons})) > 0 {
			found++
		}
	}
	return found
}

// relabelled is a ledger in which each block's entries have changed places.
func (l *ledger) relabelled(perm func() []int) *ledger {
	other := *l
	other.rounds, other.blocks = slices.Clone(l.rounds), slices.Clone(l.blocks)
	places := map[int][]int{}
	for i := range other.blocks {
		b := &other.blocks[i]
		to := perm()
		places[b.block] = to
		b.ln, b.lnAll, b.hidden = slices.Clone(b.ln), slices.Clone(b.lnAll), slices.Clone(b.hidden)
		for k := range b.ln {
			b.ln[k], b.lnAll[k], b.hidden[k] = moved(b.ln[k], to), moved(b.lnAll[k], to), moved(b.hidden[k], to)
		}
	}
	for i := range other.rounds {
		r := &other.rounds[i]
		for k := range r.ln {
			r.ln[k] = moved(r.ln[k], places[r.block])
		}
	}
	return &other
}

func moved[T any](xs []T, to []int) []T {
	there := make([]T, len(xs))
	for from, x := range xs {
		there[to[from]] = x
	}
	return there
}

// Shuffling the ledger is shuffling the slices.
func TestAShuffledLedgerIsThatOfShuffledSlices(t *testing.T) {
	s := likeOurs(2)
	s.blocks, s.latencies, s.disturbed = 10, true, 0.03
	exp, taken := drawn(s, 5)
	r := rand.New(rand.NewPCG(1, 2))
	places := map[int][]int{}
	byLabel, _ := sortOut(exp, taken)
	l := newLedger(exp, taken)
	l.weighPercentiles(byLabel)
	block := 0
	moved := l.relabelled(func() []int {
		p := r.Perm(len(l.labels))
		places[block] = p
		block++
		return p
	})
	for i := range taken {
		taken[i].Label = l.labels[places[taken[i].Block][slices.Index(l.labels, taken[i].Label)]]
	}
	want := Analyse(exp, taken)
	got, _, _ := compare(moved, want.Cells)
	if len(got) != len(want.Comparisons) {
		t.Fatalf("%d comparisons, want %d", len(got), len(want.Comparisons))
	}
	for i := range got {
		a, b := got[i], want.Comparisons[i]
		if a.Ratio.Estimate != b.Ratio.Estimate || *a.Ratio.Low != *b.Ratio.Low || a.Verdict != b.Verdict || a.Seen != b.Seen {
			t.Errorf("%s, %s: %+v, want %+v", a.Model, a.Metric, a, b)
		}
	}
}

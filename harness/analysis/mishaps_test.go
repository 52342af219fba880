package analysis

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
)

// Whatever became of an experiment (a kill in the middle, a model that failed,
// rounds left out), what a record keeps for good says the same as what was
// written first, and in any order.
func TestMishapsAreReadTheSame(t *testing.T) {
	for seed := range max(uint64(3), 24/fewer) {
		r := rand.New(rand.NewPCG(seed, 8))
		s := likeOurs(2)
		s.blocks, s.disturbed = 3, 0.05
		exp, taken := drawn(s, seed)
		for i := range taken {
			h := result.NewHistogram()
			for range 100 + r.IntN(50) {
				h.Record(time.Duration(float64(time.Millisecond) * (0.5 + r.ExpFloat64())))
			}
			taken[i].Load.Latency = h
			if r.IntN(12) == 0 {
				taken[i].Load.Errors.Timeout = r.Int64N(200)
			}
		}
		exp.StoppedBy = []string{"", "interrupt", "budget"}[r.IntN(3)]
		what := fmt.Sprintf("seed %d, stopped by %q", seed, exp.StoppedBy)
		if r.IntN(2) == 0 {
			label, from := exp.Entries[r.IntN(len(exp.Entries))].Label, r.IntN(12)
			what += fmt.Sprintf(", %s failed in round %d", label, from)
			kept := taken[:0]
			for _, one := range taken {
				switch {
				case one.Label != label || one.Round < from:
				case one.Round == from:
					one.Failed, one.Load, one.Server = "it exited", nil, nil
				default:
					continue
				}
				kept = append(kept, one)
			}
			taken = kept
		}
		if exp.StoppedBy != "budget" {
			taken = taken[:len(taken)-r.IntN(len(taken)/2)]
			what += fmt.Sprintf(", cut after %d slices", len(taken))
		}
		want := Analyse(exp, taken)
		if diff := cmp.Diff(want, Analyse(exp, result.Condense(taken)), wholeScenario); diff != "" {
			t.Errorf("%s: condensed (-before +after):\n%s", what, diff)
		}
		shuffled := result.Condense(taken)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(want, Analyse(exp, shuffled), wholeScenario); diff != "" {
			t.Errorf("%s: condensed and shuffled (-before +after):\n%s", what, diff)
		}
		if diff := cmp.Diff(want, Analyse(want, taken), wholeScenario); diff != "" {
			t.Errorf("%s: analysed twice:\n%s", what, diff)
		}
	}
}

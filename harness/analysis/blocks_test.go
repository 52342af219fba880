package analysis

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
)

// drawn is one experiment that is over.
func drawn(s simulation, seed uint64) (result.Experiment, []result.Slice) {
	return s.experiment(), s.draw(rand.New(rand.NewPCG(seed, 1)))
}

func TestWhichRoundsAndBlocksAreComplete(t *testing.T) {
	s := likeOurs(1) // three entries
	s.blocks = 3
	_, all := drawn(s, 1)
	var taken []result.Slice // with each block's warm-up
	for i, one := range all {
		if i%12 == 0 {
			for _, label := range []string{"goroutine", "goroutine#2", "model1"} {
				w := one
				w.Label, w.Phase = label, result.PhaseWarm
				taken = append(taken, w)
			}
		}
		taken = append(taken, one)
	}
	fail := func(n int) []result.Slice { // the last model's last slice, and it has no part in what follows
		cut := slices.Clone(taken[:n])
		at := n - 1 - slices.IndexFunc(reversed(cut), func(s result.Slice) bool { return s.Label == "model1" })
		cut[at].Failed, cut[at].Load, cut[at].Server = "it exited", nil, nil
		return cut
	}
	without := func(label string, from int, taken []result.Slice) []result.Slice {
		return slices.DeleteFunc(slices.Clone(taken), func(s result.Slice) bool { return s.Label == label && s.Round >= from })
	}
	tests := []struct {
		name           string
		taken          []result.Slice
		stopped        string
		rounds, blocks int
	}{
		{"all of it", taken, "budget", 12, 3},
		{"all of it, and nobody said that it was over", taken, "", 12, 3},
		{"killed within the last round", taken[:len(taken)-1], "", 11, 2},
		{"interrupted there", taken[:len(taken)-1], "interrupt", 11, 2},
		{"interrupted after a round", taken[:len(taken)-3], "interrupt", 11, 2},
		{"the budget was spent there", taken[:len(taken)-3], "budget", 11, 3},
		{"killed in the first round of a block", taken[:2*15+3+1], "", 8, 2},
		{"killed while a block warmed up", taken[:2*15+1], "", 8, 2},
		{"killed within the first round of all", taken[:3+2], "", 0, 0},
		{"killed after it", taken[:3+3], "", 1, 0},
		{"a model failed at the end of a round and the rest went on until killed", without("model1", 11, fail(2*15+3+9)), "", 11, 2},
		{"nothing", nil, "", 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			exp := s.experiment()
			exp.StoppedBy = tt.stopped
			got := Analyse(exp, tt.taken)
			if got.Rounds != tt.rounds || got.Blocks != tt.blocks {
				t.Errorf("%d rounds in %d blocks, want %d in %d", got.Rounds, got.Blocks, tt.rounds, tt.blocks)
			}
		})
	}
}

func reversed(ss []result.Slice) []result.Slice {
	ss = slices.Clone(ss)
	slices.Reverse(ss)
	return ss
}

// A model that left as large is not awaited in the fourth round.
func TestARoundIsCompleteWithoutThoseWhoLeft(t *testing.T) {
	all := slices.Concat(
		rounds("goroutine", 4), rounds("goroutine#2", 4), rounds("iterative", 3, requests(5)),
		rounds("goroutine", 1, phase(result.PhasePilot)), rounds("iterative", 1, phase(result.PhasePilot), requests(5)))
	if got := Analyse(ioExperiment(), all); got.Rounds != 4 {
		t.Errorf("%d rounds, want 4", got.Rounds)
	}
	all = slices.DeleteFunc(all, func(s result.Slice) bool { return s.Phase == result.PhasePilot })
	if got := Analyse(ioExperiment(), all); got.Rounds != 3 {
		t.Errorf("without a pilot it had no reason to leave: %d rounds, want 3", got.Rounds)
	}
}

// condensed does to slices what a record does that is kept for good: of each
// phase, block and label the histograms of a kind are in one slice, those of
// rounds in which the host interfered in another.
func condensed(taken []result.Slice) []result.Slice {
	type round struct {
		block, round int
	}
	out := map[round]bool{}
	for _, s := range taken {
		if s.Phase == result.PhaseRound && good(s) && disturbed(s) {
			out[round{s.Block, s.Round}] = true
		}
	}
	type key struct {
		phase, label string
		block        int
		out          bool
	}
	first := map[key]*result.Load{}
	condensed := slices.Clone(taken)
	for i := range condensed {
		s := &condensed[i]
		if s.Load == nil {
			continue
		}
		s.Load = new(*s.Load)
		k := key{s.Phase, s.Label, s.Block, s.Phase == result.PhaseRound && out[round{s.Block, s.Round}]}
		kinds := func(l *result.Load) []**result.Histogram {
			return []**result.Histogram{&l.Lateness, &l.Latency, &l.FirstByte, &l.Connect, &l.Service, &l.Waited}
		}
		into := first[k]
		if into == nil {
			for _, h := range kinds(s.Load) {
				if *h != nil {
					copied := result.NewHistogram()
					copied.Merge(*h)
					*h = copied
				}
			}
			first[k] = s.Load
			continue
		}
		to := kinds(into)
		for n, h := range kinds(s.Load) {
			if *h != nil {
				if *to[n] == nil {
					*to[n] = result.NewHistogram()
				}
				(*to[n]).Merge(*h)
				*h = nil
			}
		}
	}
	return condensed
}

// An analysis is a function: of the same slices in another order, or of those
// of a record whose histograms were merged by block, it says the same, and it
// leaves them as they were.
func TestWhatDoesNotMatter(t *testing.T) {
	lateIn := func(block int) func(*result.Slice) {
		return func(s *result.Slice) {
			if s.Block == block {
				scheduled(300, 3*time.Millisecond)(s)
			}
		}
	}
	open := func(label string, change ...func(*result.Slice)) []result.Slice {
		return rounds(label, 8, append([]func(*result.Slice){scheduled(300, 20*time.Microsecond), lateIn(1)}, change...)...)
	}
	short := likeOurs(2)
	short.blocks, short.latencies, short.disturbed = 3, true, 0.1
	exp, sim := drawn(short, 7)
	tests := []struct {
		name  string
		exp   result.Experiment
		taken []result.Slice
	}{
		{"clients who wait", ioExperiment(), slices.Concat(rounds("goroutine", 5), rounds("goroutine#2", 5, inRound(2, stolen(25_000))), rounds("pool", 5, requests(200), inRound(3, working(9_000))), rounds("iterative", 3, requests(5)))},
		{"a schedule", openExperiment(), slices.Concat(open("goroutine"), open("goroutine#2"),
			open("pool", inRound(1, scheduled(300, time.Millisecond)), inRound(2, load(func(l *result.Load) { l.Sent -= 20 })), inRound(6, stolen(25_000))),
			open("iterative", answering(100), load(func(l *result.Load) { l.Errors.Timeout = 100 })))},
		{"noise", exp, sim},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := Analyse(tt.exp, tt.taken)
			compare := func(name string, taken []result.Slice) {
				t.Helper()
				if diff := cmp.Diff(want, Analyse(tt.exp, taken), wholeScenario); diff != "" {
					t.Errorf("%s (-before +after):\n%s", name, diff)
				}
			}
			before := slices.Clone(tt.taken)
			compare("backwards", reversed(tt.taken))
			shuffled := slices.Clone(tt.taken)
			rand.New(rand.NewPCG(1, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			compare("shuffled", shuffled)
			compare("condensed", condensed(tt.taken))
			compare("condensed and backwards", reversed(condensed(tt.taken)))
			compare("analysed before", tt.taken)
			if !reflect.DeepEqual(before, tt.taken) {
				t.Error("the slices were changed")
			}
			if again := Analyse(want, tt.taken); !cmp.Equal(want, again, wholeScenario) {
				t.Error("an analysis reads what an earlier one wrote")
			}
		})
	}
}

// Where histograms were merged over rounds that are kept and rounds that are
// not, nobody can take them apart: such a block is not compared.
func TestLatenciesOfBlocksThatCannotBeTakenApart(t *testing.T) {
	taken := slices.Concat(rounds("goroutine", 12), rounds("pool", 12, inRound(5, stolen(25_000))))
	merged := slices.Clone(taken)
	for i := range merged {
		s := &merged[i]
		if s.Block == 1 && s.Round != 4 { // all of block 1 in its first slice
			s.Load = new(*s.Load)
			s.Load.Latency = nil
		}
	}
	for _, tt := range []struct {
		name   string
		taken  []result.Slice
		blocks int
	}{{"apart", taken, 3}, {"merged", merged, 2}} {
		c := against(t, ioExperiment(), tt.taken, "pool", result.MetricP50)
		if c == nil || c.Ratio.Blocks != tt.blocks || c.AllRounds == nil || c.AllRounds.Blocks != 3 {
			t.Errorf("%s: %+v, want %d blocks, and 3 of all rounds", tt.name, c, tt.blocks)
		}
	}
}

func TestBlockMeans(t *testing.T) {
	exp := ioExperiment()
	taken := slices.Concat(
		rounds("goroutine", 8, cpu(50), inRound(1, cpu(100))), // of the reference
		rounds("goroutine#2", 8, cpu(200), inRound(2, failed("x"))),
		rounds("pool", 8, cpu(100), inRound(5, stolen(30_000)), inRound(6, cpu(400))))
	ln := math.Log
	near := func(got []BlockMean, want ...BlockMean) {
		t.Helper()
		if !slices.EqualFunc(got, want, func(a, b BlockMean) bool {
			return a.Block == b.Block && a.Rounds == b.Rounds && math.Abs(a.Log-b.Log) < 1e-9
		}) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	near(LogRatios(exp, taken, "pool", MetricServerCPU),
		// 100 beside 50 and 200; 100 and 200; 50 alone; 50 and 200.
		BlockMean{0, 4, (0 + ln(100/math.Sqrt(100*200)) + ln(2) + 0) / 4},
		BlockMean{1, 3, (0 + ln(4) + 0) / 3})
	near(LogRatios(exp, taken, "goroutine#2", MetricServerCPU),
		BlockMean{0, 3, (ln(4) + ln(2) + ln(4)) / 3}, BlockMean{1, 3, ln(4)})
	near(Levels(exp, taken, "pool", MetricServerCPU),
		BlockMean{0, 4, ln(100)}, BlockMean{1, 3, (2*ln(100) + ln(400)) / 3})
	near(Levels(exp, taken, "goroutine", MetricServerCPU),
		BlockMean{0, 4, (3*ln(50) + ln(100)) / 4}, BlockMean{1, 3, ln(50)})
	near(LogRatios(exp, taken, "goroutine", MetricServerCPU))
	near(LogRatios(exp, taken, "epoll", MetricServerCPU))
	near(LogRatios(exp, taken, "pool", "rss"))
	if p99 := Levels(exp, taken, "pool", result.MetricP99); len(p99) != 2 || math.Abs(math.Exp(p99[0].Log)-10_600) > 10 || p99[1].Rounds != 3 {
		t.Errorf("p99 of 10.6 ms: %+v", p99)
	}
	silent := LogRatios(exp, slices.Concat(rounds("goroutine", 1), rounds("pool", 1, requests(0))), "pool", MetricThroughput)
	if len(silent) != 1 || !math.IsInf(silent[0].Log, -1) {
		t.Errorf("a model that answered nothing: %+v", silent)
	}
}

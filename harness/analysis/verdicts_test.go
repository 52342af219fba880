package analysis

import (
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"workbench/harness/result"
)

// repeat draws n experiments, each from a seed of its own, on all CPUs. What one
// returns is counted by name.
func repeat(n int, one func(r *rand.Rand) (seen []string)) map[string]int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[string]int{}
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				seen := one(rand.New(rand.NewPCG(uint64(i), 4)))
				mu.Lock()
				for _, s := range seen {
					counts[s]++
				}
				mu.Unlock()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return counts
}

// The promise: five equal models and the twin, and a difference is found
// anywhere (four metrics of four models) in no more than one experiment of
// twenty, whenever the stop rule ended it. By the intervals' construction it is
// at most 5 % in ranked metrics, and at most 0.5 % more in latencies; that the
// metrics go together, and models share the reference, makes it less: 4 %.
func TestEqualModelsAreFoundEqual(t *testing.T) {
	for _, tt := range []struct {
		name        string
		experiments int
		change      func(*simulation)
	}{
		{"noise like ours", 2000, func(*simulation) {}},
		{"a noisy host", 1000, func(s *simulation) { s.disturbed = 0.05 }},
		{"less noise, so that some stop as soon as they are precise", 1000, func(s *simulation) { s.cpuNoise, s.rateNoise = 0.05, 0.05 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := likeOurs(4)
			tt.change(&s)
			n := tt.experiments / fewer
			counts := repeat(n, func(r *rand.Rand) (seen []string) {
				exp, taken := s.stopped(s.draw(r), 0.03)
				seen = append(seen, exp.StoppedBy)
				exp = s.analyse(exp, taken, r)
				if exp.Suspect {
					seen = append(seen, "suspect")
				}
				for i, c := range falseVerdicts(exp) {
					if i == 0 {
						seen = append(seen, "false")
					}
					seen = append(seen, "false "+c.Metric)
				}
				return seen
			})
			t.Logf("of %d: %v", n, counts)
			if share := float64(counts["false"]) / float64(n); share > 0.05 {
				t.Errorf("a false verdict in %.1f %% of experiments, want at most 5 %%", 100*share)
			}
			// The alarm is meant to go off for nothing in 1 %, and less than that where
			// the metrics go together.
			if share := float64(counts["suspect"]) / float64(n); share > 0.02 {
				t.Errorf("%.1f %% were suspect, want about 1 %%", 100*share)
			}
		})
	}
}

// With histograms, and all the way through Analyse: that latencies of equal
// models have no more false verdicts than others.
func TestLatenciesOfEqualModelsAreFoundEqual(t *testing.T) {
	s := likeOurs(2)
	s.blocks, s.latencies = 12, true
	n := 200 / fewer
	counts := repeat(n, func(r *rand.Rand) (seen []string) {
		for _, c := range Analyse(s.experiment(), s.draw(r)).Comparisons {
			if c.Metric != result.MetricP50 && c.Metric != result.MetricP99 {
				continue
			}
			seen = append(seen, c.Verdict)
		}
		return seen
	})
	t.Logf("of %d: %v", n, counts)
	// 4 comparisons of each experiment at 0.1 %: 0.8 in all, and 5 with a chance of 0.1 %.
	if wrong := counts[result.VerdictMore] + counts[result.VerdictLess]; wrong > 4 || counts[result.VerdictSame] == 0 {
		t.Errorf("%d false verdicts, %d right ones", wrong, counts[result.VerdictSame])
	}
}

// A model that really costs 5 % more is found, with the right sign: in a run of
// 50 s, beside the reference and its twin, whenever the stop rule ended it.
func TestATrueDifferenceIsFound(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cpu   float64
		found string
	}{
		{"5 % more", 1.05, result.VerdictMore},
		{"5 % less", 1 / 1.05, result.VerdictLess},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := likeOurs(1)
			s.cpu = map[string]float64{"model1": tt.cpu}
			n := 500 / max(1, fewer/5) // of 50 one could not tell 95 % from 90
			counts := repeat(n, func(r *rand.Rand) []string {
				exp, taken := s.stopped(s.draw(r), 0.03)
				for _, c := range Analyse(exp, taken).Comparisons {
					if c.Metric == MetricServerCPU && c.Model == "model1" {
						return []string{c.Verdict, exp.StoppedBy}
					}
				}
				return nil
			})
			t.Logf("%d blocks at most, of %d: %v", s.blocks, n, counts)
			if share := float64(counts[tt.found]) / float64(n); share < 0.95 {
				t.Errorf("found in %.1f %%, want at least 95 %%", 100*share)
			}
		})
	}
}

// All intervals of an experiment's ranked metrics hold what is true at once, in
// 95 of 100 experiments, however many blocks there are: less what simulation
// itself is unsure of.
func TestIntervalsHoldTogether(t *testing.T) {
	for _, blocks := range []int{10, 30} {
		s := likeOurs(4)
		s.blocks = blocks
		s.cpu = map[string]float64{"model1": 1.05, "model2": 0.9, "model3": 1.5}
		s.rate = map[string]float64{"model1": 0.97, "model4": 1.2}
		n := 1000 / fewer
		counts := repeat(n, func(r *rand.Rand) []string {
			for _, c := range Analyse(s.experiment(), s.draw(r)).Comparisons {
				truth := s.cpu
				if c.Metric == MetricThroughput {
					truth = s.rate
				}
				is, ok := truth[c.Model]
				if !ok {
					is = 1
				}
				if c.Model != "goroutine#2" && (is < *c.Ratio.Low || is > *c.Ratio.High) {
					return []string{"missed"}
				}
			}
			return nil
		})
		t.Logf("%d blocks: %d of %d experiments with an interval that misses", blocks, counts["missed"], n)
		if share := 1 - float64(counts["missed"])/float64(n); share < 0.94 {
			t.Errorf("%d blocks: all hold in %.1f %%, want 95 %%", blocks, 100*share)
		}
	}
}

// What the stop rule goes by is what the record will say.
func TestNarrowAgreesWithAnalyse(t *testing.T) {
	for seed := range uint64(20) {
		s := likeOurs(3)
		s.disturbed, s.blocks = 0.05, 8+int(seed)
		exp, taken := drawn(s, seed)
		if seed%3 == 0 { // one that leaves
			for i := range taken {
				if taken[i].Label == "model2" && taken[i].Round >= 3 {
					taken[i].Label = "nobody"
				}
			}
		}
		if seed%4 == 1 { // one whose throughput is the clients'
			for i := range taken {
				if taken[i].Label == "model1" {
					taken[i].Load.WindowCPUUs = taken[i].Load.WindowCPUWallUs
				}
			}
		}
		n, got := Narrow(exp, taken), Analyse(exp, taken)
		widest, blocks := map[string]float64{}, math.MaxInt
		for _, c := range got.Comparisons {
			if c.Model == "goroutine#2" || seed%3 == 0 && c.Model == "model2" || seed%4 == 1 && c.Model == "model1" && c.Metric == MetricThroughput {
				continue
			}
			blocks = min(blocks, c.Ratio.Blocks)
			widest[c.Metric] = max(widest[c.Metric], *c.Resolution)
			if verdict := c.Verdict != result.VerdictNone; verdict != (n.Blocks >= VerdictBlocks) && !got.Suspect {
				t.Errorf("seed %d: %d blocks, and a verdict of %q on %s", seed, n.Blocks, c.Verdict, c.Model)
			}
		}
		if n.Blocks != blocks || len(n.Widest) != len(widest) || !n.Ranked {
			t.Errorf("seed %d: %+v, the record says %d blocks", seed, n, blocks)
		}
		top := 0.0
		for m, w := range widest {
			top = max(top, w)
			if n.Widest[m] != w {
				t.Errorf("seed %d: the widest interval of %s is ±%v, the record says %v", seed, m, n.Widest[m], w)
			}
		}
		if n.Within(top) != (blocks >= VerdictBlocks) || n.Within(0.999*top) {
			t.Errorf("seed %d: with %d blocks and ±%v it may stop at that: %v, at less: %v", seed, blocks, top, n.Within(top), n.Within(0.999*top))
		}
	}
}

// The simulated stop rule enters slices once, and not after each block.
func TestStoppedIsWhatNarrowSays(t *testing.T) {
	for seed := range uint64(5) {
		s := likeOurs(2)
		s.cpuNoise, s.rateNoise, s.disturbed = 0.05, 0.05, 0.03
		_, taken := drawn(s, seed)
		got, kept := s.stopped(taken, 0.03)
		exp, each := s.experiment(), s.rounds*len(got.Entries)
		exp.StoppedBy = ""
		n := VerdictBlocks
		for n < s.blocks && !Narrow(exp, taken[:n*each]).Within(0.03) {
			n++
		}
		if len(kept) != n*each {
			t.Errorf("seed %d: %d blocks, want %d", seed, len(kept)/each, n)
		}
	}
}

// What can't be compared is not waited for.
func TestNarrowWaitsForNoMore(t *testing.T) {
	base := slices.Concat(blocks("goroutine", 10), blocks("goroutine#2", 10), blocks("iterative", 10))
	for _, tt := range []struct {
		name    string
		taken   []result.Slice
		metrics []string
	}{
		{"a server whose CPU nobody sees", slices.Concat(base[:80], blocks("pool", 10, unseen)), []string{MetricThroughput}},
		{"... beside one whose CPU is seen", slices.Concat(base, blocks("pool", 10, unseen)), []string{MetricServerCPU, MetricThroughput}},
		{"a model that answered nothing in a round", slices.Concat(base[:80], blocks("pool", 10, inRound(7, requests(0)))), []string{MetricServerCPU}},
		{"a reference that did", slices.Concat(blocks("goroutine", 10, inRound(7, requests(0))), base[40:]), []string{MetricServerCPU}},
		{"a twin that the clients bound", slices.Concat(base[:40], blocks("goroutine#2", 10, clientsBusy(1)), base[80:]), []string{MetricServerCPU}},
	} {
		n := Narrow(ioExperiment(), tt.taken)
		if got := slices.Sorted(maps.Keys(n.Widest)); !slices.Equal(got, tt.metrics) || n.Blocks != 10 || !n.Within(0.01) {
			t.Errorf("%s: %+v, want %v of 10 blocks", tt.name, n, tt.metrics)
		}
	}
}

func TestNothingToNarrow(t *testing.T) {
	large := slices.Concat(rounds("goroutine", 40), rounds("goroutine#2", 40), rounds("pool", 3, requests(5)))
	silent := slices.Concat(rounds("goroutine", 40), rounds("goroutine#2", 40), rounds("pool", 40, requests(0), server(func(v *result.Server) { v.CPUUs = 0 })))
	left := slices.Concat(rounds("goroutine", 80), rounds("goroutine#2", 80), rounds("pool", 80, early(48, stolen(30_000))))
	alone := ioExperiment()
	alone.Reference = ""
	for _, tt := range []struct {
		name   string
		exp    result.Experiment
		taken  []result.Slice
		ranked bool
		blocks int
	}{
		{"nothing yet", ioExperiment(), nil, false, 0},
		{"a model alone", alone, rounds("pool", 40), false, 10},
		{"the reference and its twin", ioExperiment(), slices.Concat(rounds("goroutine", 40), rounds("goroutine#2", 40)), false, 10},
		{"a model that left as large", ioExperiment(), large, false, 10},
		{"a model that answers nothing has no interval, ever", ioExperiment(), silent, false, 10},
		{"rounds that are left out are not counted", ioExperiment(), left, true, 8},
	} {
		n := Narrow(tt.exp, tt.taken)
		if n.Ranked != tt.ranked || n.Blocks != tt.blocks || n.Within(1) {
			t.Errorf("%s: %+v, within 100 %%: %v", tt.name, n, n.Within(1))
		}
	}
}

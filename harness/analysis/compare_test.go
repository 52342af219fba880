package analysis

import (
	"math"
	"slices"
	"testing"

	"workbench/harness/result"
)

// against returns pool's comparison in one metric.
func against(t *testing.T, exp result.Experiment, taken []result.Slice, label, metric string) *result.Comparison {
	t.Helper()
	_, comparisons, _ := Analyse(exp, taken)
	for _, c := range comparisons {
		if c.Model == label && c.Metric == metric {
			if c.Reference != exp.Reference {
				t.Errorf("compared with %q", c.Reference)
			}
			return &c
		}
	}
	return nil
}

func TestRatio(t *testing.T) {
	tests := []struct {
		name                string
		taken               []result.Slice
		label               string
		estimate, low, high float64
		rounds, blocks      int
	}{
		{"against reference and twin alike: their geometric mean",
			slices.Concat(rounds("goroutine", 3, requests(200)), rounds("goroutine#2", 3, requests(800)), rounds("pool", 3, requests(100))),
			"pool", .25, .25, .25, 3, 1},
		{"the twin against the reference alone",
			slices.Concat(rounds("goroutine", 3, requests(200)), rounds("goroutine#2", 3, requests(800))),
			"goroutine#2", 4, 4, 4, 3, 1},
		{"where the twin failed against the reference",
			slices.Concat(rounds("goroutine", 1, requests(200)), rounds("goroutine#2", 1, failed("x")), rounds("pool", 1, requests(100))),
			"pool", .5, .5, .5, 1, 1},
		{"where the reference failed against the twin",
			slices.Concat(rounds("goroutine", 2, inRound(0, failed("x"))), rounds("goroutine#2", 2, requests(200)), rounds("pool", 1, requests(100))),
			"pool", .5, .5, .5, 1, 1},
		{"rounds are paired: a machine half as fast in one of them changes nothing",
			slices.Concat(rounds("goroutine", 3, requests(400), inRound(1, requests(200))), rounds("pool", 3, requests(300), inRound(1, requests(150)))),
			"pool", .75, .75, .75, 3, 1},
		{"the median of rounds, and their range",
			slices.Concat(rounds("goroutine", 5, requests(100)), rounds("pool", 5, requests(100), inRound(0, requests(300)), inRound(4, requests(50)))),
			"pool", 1, .5, 3, 5, 2},
		{"only rounds that hold both",
			slices.Concat(rounds("goroutine", 9, requests(100)), rounds("pool", 3, requests(10))),
			"pool", .1, .1, .1, 3, 1},
		{"a model that answered nothing in a round is not left out of it",
			slices.Concat(rounds("goroutine", 3, requests(100)), rounds("pool", 3, requests(10), inRound(1, requests(0)))),
			"pool", .1, 0, .1, 3, 1},
		{"pilots and warm-ups are no rounds",
			slices.Concat(rounds("goroutine", 1, requests(100)), rounds("pool", 1, requests(100)),
				rounds("goroutine", 1, phase(result.PhaseWarm)), rounds("pool", 1, requests(1), phase(result.PhaseWarm)),
				rounds("goroutine", 1, phase(result.PhasePilot)), rounds("pool", 1, requests(1), phase(result.PhasePilot))),
			"pool", 1, 1, 1, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := against(t, ioExperiment(), tt.taken, tt.label, MetricThroughput)
			if c == nil {
				t.Fatal("no comparison")
			}
			near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
			r := c.Ratio
			if !near(r.Estimate, tt.estimate) || !near(r.Low, tt.low) || !near(r.High, tt.high) || r.Rounds != tt.rounds || r.Blocks != tt.blocks {
				t.Errorf("%+v, want %v (%v to %v) of %d rounds in %d blocks", r, tt.estimate, tt.low, tt.high, tt.rounds, tt.blocks)
			}
		})
	}
}

func TestNothingToCompare(t *testing.T) {
	alone := ioExperiment()
	alone.Reference = ""
	gone := ioExperiment()
	gone.Reference = "epoll"
	tests := []struct {
		name  string
		exp   result.Experiment
		taken []result.Slice
		warns bool
	}{
		{"a model that ran alone", alone, rounds("pool", 3), false},
		{"a reference that is no entry", gone, rounds("pool", 3), true},
		{"a reference that never succeeded", ioExperiment(), append(rounds("pool", 3), rounds("goroutine", 3, failed("x"))...), true},
		{"no round holds both", ioExperiment(), []result.Slice{slice("pool", 0), slice("goroutine", 1)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, comparisons, warnings := Analyse(tt.exp, tt.taken)
			if len(comparisons) != 0 || (len(warnings) > 0) != tt.warns {
				t.Errorf("comparisons %v, warnings %v", comparisons, warnings)
			}
		})
	}
}

func TestVerdict(t *testing.T) {
	base := func(change ...func(*result.Slice)) []result.Slice {
		return slices.Concat(rounds("goroutine", 4, change...), rounds("goroutine#2", 4, change...))
	}
	wrong := load(func(l *result.Load) { l.HistogramDropped = 1 })
	tests := []struct {
		name            string
		taken           []result.Slice
		throughput, cpu string
	}{
		{"equal servers", append(base(), rounds("pool", 4)...), "none", "none"},
		{"three times fewer in every round", append(base(), rounds("pool", 4, requests(100))...), "large", "none"},
		{"three times more in every round", append(base(requests(90)), rounds("pool", 4, requests(270))...), "large", "none"},
		{"three times the CPU in every round", append(base(), rounds("pool", 4, cpu(180))...), "none", "large"},
		{"a third of the CPU in every round", append(base(), rounds("pool", 4, cpu(20))...), "none", "large"},
		{"exactly twice is not more than twice", append(base(), rounds("pool", 4, requests(150), cpu(120))...), "none", "none"},
		{"one round that says otherwise", append(base(), rounds("pool", 4, requests(100), inRound(2, requests(200)))...), "none", "none"},
		{"rounds that differ in direction", append(base(), rounds("pool", 4, requests(100), inRound(2, requests(900)))...), "none", "none"},
		{"three rounds are enough", append(base(), rounds("pool", 3, requests(100))...), "large", "none"},
		{"two rounds are not", append(base(), rounds("pool", 2, requests(100))...), "none", "none"},
		{"clients that bound the reference", append(base(clientsBusy(.99)), rounds("pool", 4, requests(100), cpu(180))...), "none", "large"},
		{"clients that bound the model", append(base(requests(90)), rounds("pool", 4, requests(270), cpu(20), clientsBusy(.99))...), "none", "large"},
		{"more than there can be: 64 clients have no more than 6,214/s of 10.3 ms", append(base(), rounds("pool", 4, requests(900), cpu(20))...), "none", "none"},
		{"a model whose figures are wrong", append(base(), rounds("pool", 4, requests(100), cpu(180), wrong)...), "none", "none"},
		{"a reference whose figures are wrong", append(base(wrong), rounds("pool", 4, requests(100), cpu(180))...), "none", "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for metric, want := range map[string]string{MetricThroughput: tt.throughput, MetricServerCPU: tt.cpu} {
				c := against(t, ioExperiment(), tt.taken, "pool", metric)
				if c == nil {
					t.Fatalf("%s: no comparison", metric)
				}
				if c.Verdict != want {
					t.Errorf("%s: %q (%+v), want %q", metric, c.Verdict, c.Ratio, want)
				}
			}
		})
	}
}

func TestLarge(t *testing.T) {
	// A pilot and rounds of the reference, its twin and the others.
	base := func(change ...func(*result.Slice)) []result.Slice {
		return slices.Concat(
			rounds("goroutine", 1, append(change, phase(result.PhasePilot))...),
			rounds("goroutine", 6, change...), rounds("goroutine#2", 6, change...))
	}
	pilot := func(label string, change ...func(*result.Slice)) []result.Slice {
		return rounds(label, 1, append(change, phase(result.PhasePilot))...)
	}
	tests := []struct {
		name  string
		label string
		taken []result.Slice
		want  bool
	}{
		{"slower in pilot and three rounds", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 3, requests(5))), true},
		{"more CPU in pilot and three rounds", "iterative",
			slices.Concat(base(), pilot("iterative", cpu(200)), rounds("iterative", 3, cpu(200))), true},
		{"less CPU in pilot and three rounds", "iterative",
			slices.Concat(base(), pilot("iterative", cpu(20)), rounds("iterative", 3, cpu(20))), true},
		{"a fourth round that says otherwise comes too late", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 4, requests(5), inRound(3, requests(300)))), true},
		{"two rounds are too few", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 2, requests(5))), false},
		{"no pilot", "iterative", slices.Concat(base(), rounds("iterative", 3, requests(5))), false},
		{"a pilot that says otherwise", "iterative",
			slices.Concat(base(), pilot("iterative"), rounds("iterative", 3, requests(5))), false},
		{"a round that says otherwise", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 3, requests(5), inRound(1, requests(300)))), false},
		{"throughput in the pilot, CPU in the rounds", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 3, cpu(200))), false},
		{"a failed round does not count", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 3, requests(5), inRound(1, failed("x")))), false},
		{"the next one counts in its place", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 4, requests(5), inRound(1, failed("x")))), true},
		{"a pilot looked at twice: the later look counts", "iterative",
			slices.Concat(base(), pilot("iterative"), pilot("iterative", requests(5)), rounds("iterative", 3, requests(5))), true},
		{"slower than a reference that the clients bound: by at least as much", "iterative",
			slices.Concat(base(clientsBusy(1)), pilot("iterative", requests(5)), rounds("iterative", 3, requests(5))), true},
		{"slower, and bound by the clients itself: it may be faster than seen", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 3, requests(5), clientsBusy(1))), false},
		{"faster than a reference that the clients bound: who knows", "iterative",
			slices.Concat(base(requests(90), clientsBusy(1)), pilot("iterative", requests(270)), rounds("iterative", 3, requests(270))), false},
		{"faster than a reference that nobody bound", "iterative",
			slices.Concat(base(requests(90)), pilot("iterative", requests(270)), rounds("iterative", 3, requests(270))), true},
		{"figures that are wrong", "iterative",
			slices.Concat(base(), pilot("iterative", requests(5)), rounds("iterative", 3, requests(5), load(func(l *result.Load) { l.LittleResidual = .3 }))), false},
		{"the reference never leaves", "goroutine", base(), false},
		{"nor does its twin", "goroutine#2",
			slices.Concat(base(), pilot("goroutine#2", requests(5)), rounds("goroutine#2", 3, requests(5))), false},
		{"a label that is no entry", "epoll", base(), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Large(ioExperiment(), tt.taken, tt.label); got != tt.want {
				t.Errorf("Large = %v, want %v", got, tt.want)
			}
		})
	}
}

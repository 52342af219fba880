package analysis

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/harness/result"
)

// against returns pool's comparison in one metric.
func against(t *testing.T, exp result.Experiment, taken []result.Slice, label, metric string) *result.Comparison {
	t.Helper()
	for _, c := range Analyse(exp, taken).Comparisons {
		if c.Model == label && c.Metric == metric {
			if c.Reference != exp.Reference {
				t.Errorf("compared with %q", c.Reference)
			}
			return &c
		}
	}
	return nil
}

func TestSingleRounds(t *testing.T) {
	tests := []struct {
		name              string
		taken             []result.Slice
		label             string
		median, low, high float64
		rounds, blocks    int
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
			if s := c.Seen; !near(s.Median, tt.median) || !near(s.Low, tt.low) || !near(s.High, tt.high) || s.N != tt.rounds || c.Ratio.Blocks != tt.blocks {
				t.Errorf("%+v in %d blocks, want %v (%v to %v) of %d rounds in %d", s, c.Ratio.Blocks, tt.median, tt.low, tt.high, tt.rounds, tt.blocks)
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
			got := Analyse(tt.exp, tt.taken)
			if len(got.Comparisons) != 0 || (len(got.Warnings) > 0) != tt.warns {
				t.Errorf("comparisons %v, warnings %v", got.Comparisons, got.Warnings)
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
					t.Errorf("%s: %q (%+v, %q), want %q", metric, c.Verdict, c.Seen, c.Why, want)
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

// wobbling makes figures of a slice f times what they are: a little more in one
// block, a little less in the next, and the other way round in labels of even
// length.
func wobbling(f float64) func(*result.Slice) {
	return func(s *result.Slice) {
		wobble := 0.02 * float64(1-2*((s.Block+len(s.Label))%2))
		s.Load.WindowUs /= f * math.Exp(wobble)
		s.Server.CPUUs *= f * math.Exp(wobble)
	}
}

// blocks is a slice in each of the four rounds of blocks 0 to n−1, without
// histograms, which are most of the work.
func blocks(label string, n int, change ...func(*result.Slice)) (ss []result.Slice) {
	one := slice(label, 0)
	for r := range 4 * n {
		s := one
		s.Block, s.Round, s.Server, s.Load = r/4, r, new(*one.Server), new(*one.Load)
		s.Load.Latency, s.Load.FirstByte, s.Load.Connect, s.Load.Service, s.Load.Waited = nil, nil, nil, nil, nil
		for _, c := range change {
			c(&s)
		}
		ss = append(ss, s)
	}
	return ss
}

func over(exp result.Experiment) result.Experiment {
	exp.StoppedBy = "budget"
	return exp
}

func TestVerdictsAreReadOffIntervals(t *testing.T) {
	wrong := load(func(l *result.Load) { l.HistogramDropped = 1 })
	base := func(n int, change ...func(*result.Slice)) []result.Slice {
		return slices.Concat(blocks("goroutine", n, append(change, wobbling(1))...), blocks("goroutine#2", n, append(change, wobbling(1))...))
	}
	stopped := func(by string) result.Experiment {
		exp := ioExperiment()
		exp.StoppedBy = by
		return exp
	}
	const quick = "a quick look: 9 restarts, a verdict takes ten"
	tests := []struct {
		name             string
		exp              result.Experiment
		taken            []result.Slice
		throughput, cpu  string
		whyThroughput    string
		whyCPU           string
		suspect          bool
		leftOut, atLeast int // rounds that were left out, and blocks that must remain
	}{
		{name: "equal servers", exp: over(ioExperiment()), taken: append(base(10), blocks("pool", 10, wobbling(1))...),
			throughput: "same", cpu: "same", atLeast: 10},
		{name: "a tenth more", exp: over(ioExperiment()), taken: append(base(10), blocks("pool", 10, wobbling(1.1))...),
			throughput: "more", cpu: "more", atLeast: 10},
		{name: "a tenth less", exp: over(ioExperiment()), taken: append(base(10), blocks("pool", 10, wobbling(0.9))...),
			throughput: "less", cpu: "less", atLeast: 10},
		{name: "nine restarts", exp: over(ioExperiment()), taken: append(base(9), blocks("pool", 9, wobbling(1.1))...),
			throughput: "none", cpu: "none", whyThroughput: quick, whyCPU: quick, atLeast: 9},
		{name: "ten, of which one is left out", exp: over(ioExperiment()),
			taken:      append(base(10, inRound(4, stolen(30_000)), inRound(5, stolen(30_000)), inRound(6, stolen(30_000))), blocks("pool", 10, inRound(7, others(30_000)), wobbling(1.1))...),
			throughput: "none", cpu: "none", leftOut: 4, atLeast: 9,
			whyThroughput: "9 restarts left of 10: in 4 of 40 rounds the host or other processes took CPU time, and a verdict takes ten restarts",
			whyCPU:        "9 restarts left of 10: in 4 of 40 rounds the host or other processes took CPU time, and a verdict takes ten restarts"},
		{name: "ten, of each of which a round is left", exp: over(ioExperiment()),
			taken:      append(base(10, early(3, stolen(30_000))), blocks("pool", 10, wobbling(1.1))...),
			throughput: "more", cpu: "more", leftOut: 3, atLeast: 10},
		{name: "a model that failed in the third", exp: over(ioExperiment()), taken: append(base(10), rounds("pool", 10, wobbling(1.1), inRound(9, failed("x")))...),
			throughput: "none", cpu: "none", atLeast: 3,
			whyThroughput: "it can be compared in 3 of 10 restarts, a verdict takes ten", whyCPU: "it can be compared in 3 of 10 restarts, a verdict takes ten"},
		{name: "a model that left as large, in throughput alone", exp: over(ioExperiment()), taken: append(base(10), rounds("pool", 3, wobbling(1), requests(9))...),
			throughput: "large", cpu: "none", atLeast: 1,
			whyCPU: "it left the others after 3 rounds, being more than a factor of 2 away; a verdict takes ten restarts"},
		{name: "a reference whose figures are wrong", exp: over(ioExperiment()), taken: append(base(10, wrong), blocks("pool", 10, wobbling(1.1))...),
			throughput: "none", cpu: "none", whyThroughput: "the figures of the reference goroutine are not valid", whyCPU: "the figures of the reference goroutine are not valid", atLeast: 10},
		{name: "a model whose figures are wrong", exp: over(ioExperiment()), taken: append(base(10), blocks("pool", 10, wrong, wobbling(1.1))...),
			throughput: "none", cpu: "none", whyThroughput: "its figures are not valid", whyCPU: "its figures are not valid", atLeast: 10},
		{name: "clients that bound the model", exp: over(ioExperiment()), taken: append(base(10), blocks("pool", 10, clientsBusy(.99), wobbling(1.1))...),
			throughput: "none", cpu: "more", whyThroughput: "the clients were the bottleneck: these are lower bounds, which have no order", atLeast: 10},
		{name: "clients that bound the reference", exp: over(ioExperiment()), taken: append(base(10, clientsBusy(.99)), blocks("pool", 10, wobbling(1.1))...),
			throughput: "none", cpu: "more", whyThroughput: "the clients were the bottleneck: these are lower bounds, which have no order", atLeast: 10},
		{name: "an interrupt", exp: stopped("interrupt"), taken: append(base(10), blocks("pool", 10, wobbling(1.1))...),
			throughput: "none", cpu: "none", whyThroughput: "the experiment was interrupted", whyCPU: "the experiment was interrupted", atLeast: 10},
		{name: "a run that was killed", exp: stopped(""), taken: append(base(10), blocks("pool", 10, wobbling(1.1))...),
			throughput: "none", cpu: "none", whyThroughput: "the experiment was cut short", whyCPU: "the experiment was cut short", atLeast: 10},
		{name: "a twin that differs", exp: over(ioExperiment()),
			taken:      slices.Concat(blocks("goroutine", 10, wobbling(1)), blocks("goroutine#2", 10, wobbling(1.2)), blocks("pool", 10, wobbling(1.5)), rounds("iterative", 3, requests(5))),
			throughput: "none", cpu: "none", suspect: true, atLeast: 10},
		{name: "a round in which it answered nothing", exp: over(ioExperiment()), taken: append(base(10), blocks("pool", 10, wobbling(1.1), inRound(7, requests(0)))...),
			throughput: "none", cpu: "more", whyThroughput: "in some round it answered nothing", atLeast: 10},
		{name: "a round in which nobody got an answer from it, not even afterwards", exp: over(ioExperiment()), taken: append(base(10), blocks("pool", 10, wobbling(1.1), inRound(7, answeredNobody))...),
			throughput: "none", cpu: "none", whyThroughput: "in some round it answered nothing", whyCPU: "in some round it answered nothing", atLeast: 10},
		{name: "a round in which the reference answered nothing", exp: over(ioExperiment()),
			taken:      slices.Concat(blocks("goroutine", 10, wobbling(1), inRound(7, requests(0))), blocks("goroutine#2", 10, wobbling(1)), blocks("pool", 10, wobbling(1.1))),
			throughput: "none", cpu: "more", whyThroughput: "in some round the reference, or its twin, has no figure", atLeast: 10},
		{name: "a twin that answered nothing, and so could raise no alarm", exp: over(ioExperiment()),
			taken:      slices.Concat(blocks("goroutine", 10, wobbling(1)), blocks("goroutine#2", 10, wobbling(1), requests(150), inRound(7, requests(0))), blocks("pool", 10, wobbling(1.1))),
			throughput: "none", cpu: "more", whyThroughput: "in some round the reference, or its twin, has no figure", atLeast: 10},
		{name: "a round left out in which the reference answered nothing", exp: over(ioExperiment()),
			taken:      slices.Concat(blocks("goroutine", 10, wobbling(1), inRound(7, requests(0)), inRound(7, stolen(30_000))), blocks("goroutine#2", 10, wobbling(1)), blocks("pool", 10, wobbling(1.1))),
			throughput: "more", cpu: "more", leftOut: 1, atLeast: 10},
		{name: "a twin whose figures are wrong", exp: over(ioExperiment()),
			taken:      slices.Concat(blocks("goroutine", 10, wobbling(1)), blocks("goroutine#2", 10, wobbling(1), wrong), blocks("pool", 10, wobbling(1.1))),
			throughput: "none", cpu: "none", whyThroughput: "the figures of goroutine#2, the reference's twin, are not valid", whyCPU: "the figures of goroutine#2, the reference's twin, are not valid", atLeast: 10},
		{name: "clients that bound the twin, and the reference just not", exp: over(ioExperiment()),
			taken:      slices.Concat(blocks("goroutine", 10, wobbling(1)), blocks("goroutine#2", 10, clientsBusy(.99), wobbling(1)), blocks("pool", 10, wobbling(1.1))),
			throughput: "none", cpu: "more", whyThroughput: "the clients were the bottleneck: these are lower bounds, which have no order", atLeast: 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Analyse(tt.exp, tt.taken)
			if got.Suspect != tt.suspect || got.RoundsLeftOut != tt.leftOut {
				t.Errorf("suspect %v, %d rounds left out, want %v, %d", got.Suspect, got.RoundsLeftOut, tt.suspect, tt.leftOut)
			}
			for metric, want := range map[string][2]string{MetricThroughput: {tt.throughput, tt.whyThroughput}, MetricServerCPU: {tt.cpu, tt.whyCPU}} {
				c := against(t, tt.exp, tt.taken, "pool", metric)
				if tt.suspect {
					want[1] = c.Why
					if c.Why == "" || len(got.Warnings) == 0 {
						t.Error("nobody says why")
					}
				}
				if c.Verdict != want[0] || c.Why != want[1] || c.Ratio.Blocks != tt.atLeast {
					t.Errorf("%s: %q of %d blocks, since %q; want %q of %d, %q", metric, c.Verdict, c.Ratio.Blocks, c.Why, want[0], tt.atLeast, want[1])
				}
				if (c.AllRounds != nil) != (tt.leftOut > 0) {
					t.Errorf("%s: of all rounds %+v", metric, c.AllRounds)
				}
				twin := against(t, tt.exp, tt.taken, "goroutine#2", metric)
				if twin.Verdict != "none" || twin.Why != "the same server again" || twin.Group != "" {
					t.Errorf("the twin: %q, %q, group %q", twin.Verdict, twin.Why, twin.Group)
				}
				if tt.suspect {
					if large := against(t, tt.exp, tt.taken, "iterative", MetricThroughput); large.Verdict != "large" {
						t.Errorf("what is large stays so: %q", large.Verdict)
					}
				}
				// A verdict never contradicts its interval.
				if r := c.Ratio; r.Low != nil {
					says := map[string]bool{"more": *r.Low > 1, "less": *r.High < 1, "same": *r.Low <= 1 && *r.High >= 1}
					if ok, verdict := says[c.Verdict]; verdict && !ok {
						t.Errorf("%q beside %v to %v", c.Verdict, *r.Low, *r.High)
					}
				}
			}
		})
	}
}

func answeredNobody(s *result.Slice) { s.Load.Requests, s.Load.RequestsAll = 0, 0 }

// A verdict whose twin was hardly there comes with a word of warning.
func TestAnAlarmThatCouldNotHaveGoneOff(t *testing.T) {
	for _, tt := range []struct {
		name  string
		twin  []result.Slice
		warns bool
	}{
		{"a twin in all restarts", blocks("goroutine#2", 12, wobbling(1)), false},
		{"in nine", blocks("goroutine#2", 9, wobbling(1)), true},
		{"in none", nil, true},
		{"without CPU: throughput can tell", blocks("goroutine#2", 12, wobbling(1), unseen), false},
	} {
		got := Analyse(over(ioExperiment()), slices.Concat(blocks("goroutine", 12, wobbling(1)), tt.twin, blocks("pool", 12, wobbling(1.1))))
		if warns := slices.ContainsFunc(got.Warnings, func(w string) bool { return strings.Contains(w, "nothing would have told") }); warns != tt.warns {
			t.Errorf("%s: warnings %q", tt.name, got.Warnings)
		}
	}
}

// Blocks in which a percentile is longer than anybody knows are the slow ones:
// what the others say of it is no verdict.
func TestPercentilesThatAreHidden(t *testing.T) {
	seen := filled(1200, 10*time.Millisecond)
	answers := func(s *result.Slice) {
		if s.Round%4 == 0 {
			s.Load.Latency = seen
		}
	}
	late := func(s *result.Slice) {
		if s.Block == 3 {
			s.Load.Errors.Timeout = 20 // one of twenty
		}
	}
	for _, tt := range []struct {
		name     string
		of       string
		p50, p99 string
		why      string
	}{
		{"of nobody", "", "same", "same", ""},
		{"of the model", "pool", "same", "none", "in 1 of 12 restarts the p99 of it or of the reference lies among requests whose time is not known"},
		{"of the twin", "goroutine#2", "same", "none", "in 1 of 12 restarts the p99 of it or of the reference lies among requests whose time is not known"},
	} {
		var taken []result.Slice
		for _, label := range []string{"goroutine", "goroutine#2", "pool"} { // one of four slices has histograms: a condensed record
			changes := []func(*result.Slice){answers}
			if label == tt.of {
				changes = append(changes, late)
			}
			taken = append(taken, blocks(label, 12, changes...)...)
		}
		p50, p99 := against(t, over(ioExperiment()), taken, "pool", result.MetricP50), against(t, over(ioExperiment()), taken, "pool", result.MetricP99)
		if p50 == nil || p99 == nil || p50.Verdict != tt.p50 || p99.Verdict != tt.p99 || p99.Why != tt.why {
			t.Errorf("%s: p50 %+v, p99 %+v", tt.name, p50, p99)
		}
	}
}

// The interval of the design, figured out by another hand: block means of log
// ratios 0.01, 0.03, 0.02, 0.06, 0.03 have mean 0.03 and SD 0.0187083; t at 4
// degrees is 4.313 for what is 1 − 0.05/4, two-sided between (tables: 3.495 at
// 97.5 %, 4.604 at 99 %); here m = 4, so 1 − 0.05/8 each end.
func TestTheInterval(t *testing.T) {
	ds := []float64{0.01, 0.03, 0.02, 0.06, 0.03}
	apart := func(s *result.Slice) { s.Server.CPUUs *= math.Exp(ds[s.Block]) }
	exp := over(ioExperiment())
	c := against(t, exp, slices.Concat(blocks("goroutine", 5), blocks("goroutine#2", 5), blocks("pool", 5, apart)), "pool", MetricServerCPU)
	if got, want := c.Confidence, 1-0.05/4; math.Abs(got-want) > 1e-12 {
		t.Errorf("two models in two metrics: each at %v, want %v", got, want)
	}
	const tQuantile = 4.3147 // of 4 degrees of freedom at 0.99375
	half := tQuantile * 0.01870829 / math.Sqrt(5)
	for name, x := range map[string][2]float64{
		"estimate": {c.Ratio.Estimate, math.Exp(0.03)}, "low": {*c.Ratio.Low, math.Exp(0.03 - half)}, "high": {*c.Ratio.High, math.Exp(0.03 + half)},
		"resolution": {*c.Resolution, math.Exp(half) - 1},
	} {
		if math.Abs(x[0]-x[1]) > 2e-4 {
			t.Errorf("%s %v, want %v", name, x[0], x[1])
		}
	}
	if c.SignedRankP == nil || *c.SignedRankP != 0.0625 {
		t.Errorf("five of one sign: p %v, want 2/2⁵", c.SignedRankP)
	}
	if twin := against(t, exp, slices.Concat(blocks("goroutine", 5), blocks("goroutine#2", 5)), "goroutine#2", MetricServerCPU); math.Abs(twin.Confidence-0.995) > 1e-12 {
		t.Errorf("the alarm is at %v in each of two metrics, want 99.5 %%", twin.Confidence)
	}
}

func TestLetters(t *testing.T) {
	exp := over(ioExperiment())
	exp.Entries = append(exp.Entries, result.Entry{Label: "prefork"}, result.Entry{Label: "leaves"})
	taken := slices.Concat(blocks("goroutine", 12, wobbling(1)), blocks("goroutine#2", 12, wobbling(1)),
		blocks("pool", 12, wobbling(0.75)), blocks("iterative", 12, wobbling(0.6)), blocks("prefork", 12, wobbling(0.755)),
		rounds("leaves", 3, requests(5), cpu(1000)))
	for metric, want := range map[string][2]map[string]string{
		MetricServerCPU:  {{"iterative": "a", "pool": "b", "prefork": "b", "leaves": "", "goroutine#2": ""}, {"": "c"}},
		MetricThroughput: {{"iterative": "c", "pool": "b", "prefork": "b", "leaves": "", "goroutine#2": ""}, {"": "a"}},
	} {
		for label, letters := range want[0] {
			c := against(t, exp, taken, label, metric)
			if c == nil {
				t.Fatalf("%s, %s: no comparison", metric, label)
			}
			reference := want[1][""]
			if letters == "" {
				reference = ""
			}
			if c.Group != letters || c.ReferenceGroup != reference {
				t.Errorf("%s: %s has %q beside %q of the reference, want %q and %q (%s, %s)", metric, label, c.Group, c.ReferenceGroup, letters, reference, c.Verdict, c.Why)
			}
		}
	}
}

// An outlier that Student's t is misled by and ranks are not: said, and neither
// believed.
func TestTwoWaysThatDisagree(t *testing.T) {
	exp := over(ioExperiment())
	outlier := func(s *result.Slice) {
		s.Server.CPUUs *= math.Exp(0.02 + 0.002*float64(s.Block))
		if s.Block == 3 {
			s.Server.CPUUs *= 1.6
		}
	}
	taken := slices.Concat(blocks("goroutine", 12), blocks("goroutine#2", 12), blocks("pool", 12, outlier))
	c := against(t, exp, taken, "pool", MetricServerCPU)
	got := Analyse(exp, taken).Warnings
	if c.Verdict != "same" || len(got) != 1 || !strings.Contains(got[0], "pool, CPU per request") || !strings.Contains(got[0], "signed rank") {
		t.Errorf("%q, %v to %v, p %v: warnings %q", c.Verdict, *c.Ratio.Low, *c.Ratio.High, *c.SignedRankP, got)
	}
}

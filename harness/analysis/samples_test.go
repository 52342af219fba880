package analysis

import (
	"math"
	"slices"
	"testing"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// sampledExperiment has three restarts of two rounds, in which requests/s are
// 100 and 400, and CPU per request is 50 µs and 200 µs, whatever the model.
func sampledExperiment(labels ...string) (exp result.Experiment, taken []result.Slice) {
	exp = result.Experiment{Name: "x", Reference: "goroutine", RoundsPerBlock: 2, StoppedBy: "budget",
		Load: scenario.Scenario{Loop: scenario.LoopClosed, Clients: 4, RequestsPerConnection: 1}}
	for _, l := range labels {
		exp.Entries = append(exp.Entries, result.Entry{Label: l, Model: l, Twin: l == "goroutine#2"})
		exp.Cells = append(exp.Cells, result.Cell{Label: l, Twin: l == "goroutine#2", Valid: true, Slices: 6, BoundBy: byServer})
	}
	for round := range 6 {
		for _, l := range labels {
			perS, cpu := 100.0, 50.0
			if round%2 == 1 {
				perS, cpu = 400, 200
			}
			taken = append(taken, result.Slice{
				Experiment: "x", Phase: result.PhaseRound, Block: round / 2, Round: round, Label: l, CountUs: 1e6,
				Load:   &result.Load{WindowUs: 1e6, Requests: int64(perS), RequestsAll: int64(perS), Clients: 4, CPUs: 1},
				Server: &result.Server{CPUUs: perS * cpu, CPUs: 1, RSSPeakBytes: int64(round+1) << 20},
				Host:   result.Host{WallUs: 1e6},
			})
		}
	}
	return exp, taken
}

func TestSamples(t *testing.T) {
	exp, taken := sampledExperiment("pool", "goroutine", "goroutine#2")
	samples := Samples(exp, taken)
	var order []string
	for _, s := range samples {
		order = append(order, s.Label)
	}
	if want := []string{"goroutine", "goroutine", "goroutine", "goroutine#2", "goroutine#2", "goroutine#2", "pool", "pool", "pool"}; !slices.Equal(order, want) {
		t.Fatalf("samples of %v, want the reference, its twin and the rest, each block by block: %v", order, want)
	}
	s := samples[1]
	near := func(metric string, want float64) {
		if got, ok := s.Figures[metric]; !ok || math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s = %v, want %v", metric, got, want)
		}
	}
	near(result.MetricThroughput, 200) // the geometric mean of 100 and 400
	near(result.MetricServerCPU, 100)
	near(MetricRSSPeak, 4<<20) // of its second round, which is the fourth of all
	if s.Block != 1 || s.Requests != 500 {
		t.Errorf("block %d has %d requests, want block 1 and 500", s.Block, s.Requests)
	}
	if _, ok := s.Figures[result.MetricP99]; ok {
		t.Error("a p99 without any histogram")
	}

	slices.Reverse(taken)
	again := Samples(exp, taken)
	for i := range samples {
		if samples[i].Label != again[i].Label || samples[i].Block != again[i].Block || samples[i].Figures[result.MetricThroughput] != again[i].Figures[result.MetricThroughput] {
			t.Errorf("sample %d depends on the order of slices: %+v, %+v", i, samples[i], again[i])
		}
	}
}

func TestSamplesLeaveOut(t *testing.T) {
	blocks := func(samples []Sample, label string) (ns []int) {
		for _, s := range samples {
			if s.Label == label {
				ns = append(ns, s.Block)
			}
		}
		return ns
	}
	for _, tt := range []struct {
		name   string
		change func(*result.Experiment, []result.Slice)
		pool   []int
		figure string // that no sample of the pool has
	}{
		{"nothing of a quiet experiment", func(*result.Experiment, []result.Slice) {}, []int{0, 1, 2}, ""},
		{"what is not valid", func(e *result.Experiment, _ []result.Slice) { e.Cells[1].Valid = false }, nil, ""},
		{"who can't take part", func(e *result.Experiment, _ []result.Slice) { e.Cells[1].Unable = "why" }, nil, ""},
		{"requests/s that are a lower bound", func(e *result.Experiment, _ []result.Slice) { e.Cells[1].BoundBy = byClients }, []int{0, 1, 2}, result.MetricThroughput},
		{"a block whose every round was disturbed, by whoever's slice", func(_ *result.Experiment, s []result.Slice) {
			for i := range s {
				if s[i].Block == 1 && s[i].Label == "goroutine" {
					s[i].Host.StealUs = 500_000
				}
			}
		}, []int{0, 2}, ""},
		{"blocks of which all slices failed", func(_ *result.Experiment, s []result.Slice) {
			for i := range s {
				if s[i].Block > 0 && s[i].Label == "pool" {
					s[i].Failed, s[i].Load = "it exited", nil
				}
			}
		}, []int{0}, ""},
		{"warm-ups, and slices of other experiments", func(_ *result.Experiment, s []result.Slice) {
			for i := range s {
				switch s[i].Block {
				case 0:
					s[i].Phase = result.PhaseWarm
				case 1:
					s[i].Experiment = "y"
				}
			}
		}, []int{2}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			exp, taken := sampledExperiment("goroutine", "pool")
			tt.change(&exp, taken)
			samples := Samples(exp, taken)
			if got := blocks(samples, "pool"); !slices.Equal(got, tt.pool) {
				t.Errorf("blocks %v, want %v", got, tt.pool)
			}
			for _, s := range samples {
				if _, ok := s.Figures[tt.figure]; ok && s.Label == "pool" {
					t.Errorf("a sample has %s", tt.figure)
				}
			}
		})
	}
}

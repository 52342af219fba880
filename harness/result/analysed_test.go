package result_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// All that is made from slices comes out the same of those that are published:
// or no table could be made again.
func TestCondensedSlicesAreAnalysedAlike(t *testing.T) {
	figures := func(seed uint64, change func(*result.Slice)) func(*result.Slice) {
		r := rand.New(rand.NewPCG(seed, 1))
		return func(s *result.Slice) {
			n := 300 + r.Int64N(30)
			l := s.Load
			l.Clients, l.CPUs, l.Requests, l.RequestsAll, l.PlanUsed = 64, 1, n, n+64, n+64
			l.CPUUs, l.WindowCPUUs, l.WindowCPUWallUs = 20_000, 15_000, 50_000
			s.SettleUs, s.CountUs = 15_000, 50_000
			s.Server = &result.Server{CPUUs: 18_000 + 100*r.Float64(), WindowCPUUs: 14_000, WindowCPUWallUs: 50_000, CPUs: 1, Requests: n + 64, WindowHeldUs: 1e6}
			s.Host.WallUs = 80_000
			if change != nil {
				change(s)
			}
		}
	}
	closed, open := scenario.Scenario{Name: "io", Loop: scenario.LoopClosed, Clients: 64, RequestsPerConnection: 1}, scenario.Scenario{Name: "burst", Loop: scenario.LoopOpen, Rate: 6000, RequestsPerConnection: 1}
	for _, tt := range []struct {
		name   string
		load   scenario.Scenario
		change func(*result.Slice)
	}{
		{"a quiet run", closed, nil},
		{"rounds that the host took from", closed, func(s *result.Slice) {
			if s.Round%5 == 2 && s.Label == "pool" {
				s.Host.OtherCPUUs = 30_000
			}
		}},
		{"a block that the host took from", closed, func(s *result.Slice) {
			if s.Block == 2 {
				s.Host.StealUs = 30_000
			}
		}},
		{"a model that failed", closed, func(s *result.Slice) {
			if s.Round > 17 && s.Label == "pool" {
				s.Load, s.Server, s.Failed = nil, nil, "the server died"
			}
		}},
		{"requests that failed", closed, func(s *result.Slice) { s.Load.Errors.Timeout, s.Load.Starved = 9, int64(s.Round%3) }},
		{"a schedule that was kept", open, func(s *result.Slice) {
			s.Load.Due, s.Load.Sent = 320, 320
			s.Load.Lateness = s.Load.Connect
		}},
		{"one that the clients were behind in half of the time", open, func(s *result.Slice) {
			s.Load.Due, s.Load.Sent = 320, 320
			if s.Load.Lateness = s.Load.Connect; s.Round%2 == 0 {
				s.Load.Lateness = result.NewHistogram()
			}
		}},
		{"slices that were hung up on", open, func(s *result.Slice) {
			s.Load.Due, s.Load.Sent, s.Load.Unfinished, s.HungUp = 320, 310, 4, s.Round%4 == 3
			s.Load.Lateness = s.Load.Connect
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			exp := result.Experiment{
				Name: "io", Scenario: tt.load.Name, Load: tt.load, Loop: tt.load.Loop, Clients: tt.load.Clients, Rate: tt.load.Rate,
				Reference: "goroutine", Precision: 0.03, BudgetS: 50, RoundsPerBlock: 4, StoppedBy: "budget",
				Entries: []result.Entry{{Label: "goroutine", Model: "goroutine"}, {Label: "goroutine#2", Model: "goroutine", Twin: true}, {Label: "pool", Model: "pool"}},
			}
			taken := result.PlayedExperiment(6, figures(1, tt.change))
			want := analysis.Analyse(exp, taken)
			if len(want.Cells) != 3 || want.Cells[0].LatencyUs == nil || len(want.Comparisons) < 3 {
				t.Fatalf("it says nothing: %+v, %+v", want.Cells, want.Comparisons)
			}
			if diff := cmp.Diff(want, analysis.Analyse(exp, result.Condense(taken))); diff != "" {
				t.Errorf("(-of all +of what is published):\n%s", diff)
			}
		})
	}
}

package result

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func someRun() Run {
	return Run{
		Name: "io", Command: "workbench run --scenario io", StoppedBy: "budget",
		Experiments: []Experiment{{
			Name: "io", Reference: "goroutine", StoppedBy: "budget",
			Cells: []Cell{{
				Label: "pool", ThroughputPerS: &Spread{1540, 1500, 1600, 40}, ServerCPUUsPerRequest: &Spread{57.9, 57, 59, 40},
				LatencyUs: &Percentiles{N: 3, Mean: 41_000, P50: new(41_200.), Max: 60_000}, CeilingPerS: new(1553.),
			}},
			Comparisons: []Comparison{{
				Metric: MetricThroughput, Reference: "goroutine", Model: "pool", Ratio: Ratio{Estimate: .26, Low: new(.25), High: new(.27), Blocks: 10},
				AllRounds: &Ratio{Estimate: .26, Blocks: 10}, Verdict: VerdictLess, Resolution: new(.03), SignedRankP: new(.002),
			}},
		}},
		Scalability: []Scalability{{Label: "pool", Gamma: &Interval{100, 90, 110}, Sigma: &Interval{.1, 0, .2}, PeakAt: &Interval{40, 30, 60}}},
	}
}

// A division by nothing somewhere must not cost the record that shows it.
func TestWhatIsNoNumberDoesNotBreakTheRecord(t *testing.T) {
	run := someRun()
	e := &run.Experiments[0]
	e.Rate = math.Inf(1)
	e.Cells[0].ThroughputPerS.High = math.Inf(1)
	*e.Cells[0].CeilingPerS = math.NaN()
	*e.Cells[0].LatencyUs.P50 = math.NaN()
	*e.Comparisons[0].Ratio.Low = math.Inf(-1)
	e.Comparisons[0].Ratio.Estimate = math.NaN()
	e.Comparisons[0].AllRounds.Estimate = math.NaN()
	run.Scalability[0].PeakAt.High = math.Inf(1)
	before := e.Cells[0].ThroughputPerS.High

	d := create(t)
	for range 2 { // nothing is said twice
		if err := d.WriteRun(run); err != nil {
			t.Fatal(err)
		}
		if e.Cells[0].ThroughputPerS == nil || e.Cells[0].ThroughputPerS.High != before || run.NotNumbers != nil {
			t.Fatal("its caller's run was changed")
		}
	}
	got, err := ReadRun(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	g := got.Experiments[0]
	if g.Rate != 0 || g.Cells[0].ThroughputPerS != nil || g.Cells[0].CeilingPerS != nil || g.Comparisons[0].Ratio.Low != nil || g.Comparisons[0].AllRounds != nil || got.Scalability[0].PeakAt != nil {
		t.Errorf("what is no number is not gone: %+v", g)
	}
	if p := g.Cells[0].LatencyUs; p == nil || p.P50 != nil || p.Max != 60_000 || g.Cells[0].ServerCPUUsPerRequest == nil || *g.Comparisons[0].Ratio.High != .27 {
		t.Errorf("what is a number is gone: %+v, latency %+v", g.Cells[0], p)
	}
	want := []string{
		"experiments[0].rate is +Inf",
		"experiments[0].cells[0].throughput_per_s.high is +Inf",
		"experiments[0].cells[0].latency_us.p50 is NaN",
		"experiments[0].cells[0].ceiling_per_s is NaN",
		"experiments[0].comparisons[0].ratio.estimate is NaN",
		"experiments[0].comparisons[0].ratio.low is -Inf",
		"experiments[0].comparisons[0].all_rounds.estimate is NaN",
		"scalability[0].peak_at.high is +Inf",
	}
	if diff := cmp.Diff(want, got.NotNumbers); diff != "" {
		t.Errorf("what it says of them (-want +got):\n%s", diff)
	}
}

func TestASliceWithWhatIsNoNumberIsKept(t *testing.T) {
	d := create(t)
	l, err := d.Slices("io")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := sample(0)
	s.Load.LittleResidual = math.NaN()
	if err := l.Append(s); err != nil {
		t.Fatal(err)
	}
	got, damage, err := ReadSlices(SlicesPath(d.Path(), "io"))
	if err != nil || damage != nil || len(got) != 1 {
		t.Fatalf("%d slices, damage %v, %v", len(got), damage, err)
	}
	if !math.IsNaN(s.Load.LittleResidual) {
		t.Error("its caller's slice was changed")
	}
	want := sample(0)
	want.NotNumbers = []string{"load.littles_law_residual is NaN"}
	if diff := cmp.Diff(want, got[0], sameHistogram); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every figure of a record is reached, however deep: no type of it hides one.
func TestFiniteKnowsEveryType(t *testing.T) {
	var b strings.Builder
	run := someRun()
	run.Experiments[0].Load.Rate = math.NaN()
	if err := run.Encode(&b); err != nil || !strings.Contains(b.String(), "experiments[0].load") {
		t.Errorf("a scenario's rate: %v", err)
	}
}

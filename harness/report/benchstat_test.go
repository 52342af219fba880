package report

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"

	"workbench/harness/analysis"
	"workbench/harness/result"
)

// readBench reads bench.txt as benchstat -col /model does: samples by row,
// column and unit. Whatever benchstat would warn of fails the test.
func readBench(t *testing.T, text string) (samples map[[3]string][]float64, units benchfmt.UnitMetadataMap) {
	t.Helper()
	var parser benchproc.ProjectionParser
	project := func(by string) *benchproc.Projection {
		p, err := parser.Parse(by, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	model, row := project("/model"), project(".fullname")
	samples = map[[3]string][]float64{}
	r := benchfmt.NewReader(strings.NewReader(text), "bench.txt")
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Errorf("benchstat would warn: %v", rec)
		case *benchfmt.Result:
			for _, v := range rec.Values {
				k := [3]string{row.Project(rec).String(), strings.TrimPrefix(model.Project(rec).String(), "/model:"), v.Unit}
				samples[k] = append(samples[k], v.Value)
			}
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return samples, r.Units()
}

func TestBenchIsReadByBenchstat(t *testing.T) {
	run, slicesOf := benchRun(t)
	text, err := Bench(run, slicesOf)
	if err != nil {
		t.Fatal(err)
	}
	samples, units := readBench(t, text)
	for unit, better := range map[string]int{"requests/s": +1, "server-CPU-sec/request": -1, "p50-sec": -1, "p99-sec": -1, "server-RSS-peak-bytes": -1} {
		if got := units.GetBetter(unit); got != better {
			t.Errorf("of %s benchstat takes %+d for better, want %+d", unit, got, better)
		}
		if units.GetAssumption(unit) != benchmath.AssumeNothing {
			t.Errorf("of %s something is assumed", unit)
		}
	}
	rows, models := map[string]bool{}, map[string]bool{}
	for k := range samples {
		rows[k[0]] = true
		models[k[1]] = true
	}
	if got, want := slices.Sorted(maps.Keys(models)), []string{"127.0.0.1:8080", "goroutine", "goroutine#2", "odd%20name%2F50%25", "pool:workers=4", "python3-8"}; !slices.Equal(got, want) {
		t.Errorf("columns %q, want %q", got, want)
	}
	if got, want := slices.Sorted(maps.Keys(rows)), []string{".fullname:Workbench/scenario=hello-1", ".fullname:Workbench/scenario=keepalive-1"}; !slices.Equal(got, want) {
		t.Errorf("rows %q, want %q", got, want)
	}

	// What is read is what comparisons are made of, restart by restart.
	keepalive := run.Experiments[0]
	taken, _ := slicesOf("keepalive")
	for _, u := range []struct {
		metric, unit string
		times        float64
	}{
		{result.MetricThroughput, "requests/s", 1}, {result.MetricServerCPU, "server-CPU-sec/request", 1e-6},
		{result.MetricP50, "p50-sec", 1e-6}, {result.MetricP99, "p99-sec", 1e-6},
	} {
		for _, label := range []string{"goroutine", "goroutine#2", "pool:workers=4", "python3-8"} {
			levels := analysis.Levels(keepalive, taken, label, u.metric)
			got := samples[[3]string{".fullname:Workbench/scenario=keepalive-1", label, u.unit}]
			if len(got) != len(levels) || len(got) != 3 {
				t.Errorf("%s of %s: %d samples, want one for each of %d restarts", u.unit, label, len(got), len(levels))
				continue
			}
			for i, m := range levels {
				if want := math.Exp(m.Log) * u.times; math.Abs(got[i]-want) > 1e-8*want {
					t.Errorf("%s of %s in restart %d is %v, want %v", u.unit, label, i, got[i], want)
				}
			}
		}
	}
	for k := range samples {
		if strings.Contains(k[0], "hello") && k[2] == "requests/s" {
			t.Errorf("%s has requests/s that are a lower bound", k[1])
		}
	}
}

// benchstat's U test knows nothing of rounds, so it finds less. Where both find
// a difference they must agree on which way it goes.
func TestBenchstatAgrees(t *testing.T) {
	labels := []string{"goroutine", "goroutine#2", "a", "b", "c", "d"}
	both, ours, theirs := 0, 0, 0
	for seed := range uint64(20) {
		step := 0.005 * float64(seed)
		exp, taken := simulated(seed, "keepalive", 25, 0, map[string][2]float64{
			"a": {1 - step, 1 + step}, "b": {1 + step, 1 - step}, "c": {1 + 2*step, 1}, "d": {1, 1 + 3*step},
		}, labels...)
		run := result.Run{Experiments: []result.Experiment{exp}}
		text, err := Bench(run, func(string) ([]result.Slice, error) { return taken, nil })
		if err != nil {
			t.Fatal(err)
		}
		samples, units := readBench(t, text)
		unitOf := map[string]string{result.MetricThroughput: "requests/s", result.MetricServerCPU: "server-CPU-sec/request"}
		for _, c := range exp.Comparisons {
			sample := func(label string) *benchmath.Sample {
				return benchmath.NewSample(slices.Clone(samples[[3]string{".fullname:Workbench/scenario=keepalive-1", label, unitOf[c.Metric]}]), &benchmath.DefaultThresholds)
			}
			reference, model := sample(c.Reference), sample(c.Model)
			if len(model.Values) != 25 {
				t.Fatalf("seed %d: %d samples of %s in %s, want 25", seed, len(model.Values), c.Model, c.Metric)
			}
			assume := units.GetAssumption(unitOf[c.Metric])
			theirCall := assume.Compare(reference, model)
			differs := theirCall.P <= theirCall.Alpha
			more := assume.Summary(model, 0.95).Center > assume.Summary(reference, 0.95).Center
			if differs {
				theirs++
			}
			if c.Verdict != result.VerdictMore && c.Verdict != result.VerdictLess {
				continue
			}
			ours++
			if !differs {
				continue
			}
			both++
			if more != (c.Verdict == result.VerdictMore) {
				t.Errorf("seed %d: %s of %s: verdict %q, ratio %.3f; benchstat finds the median more: %v (p = %.3f)", seed, c.Metric, c.Model, c.Verdict, c.Ratio.Estimate, more, theirCall.P)
			}
		}
	}
	t.Logf("differences that are called: ours %d, benchstat's %d, both %d", ours, theirs, both)
	if both < 10 {
		t.Errorf("both call %d differences significant: too few for their signs to say anything", both)
	}
}

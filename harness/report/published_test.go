package report

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchmath"

	"workbench/harness/result"
)

// Of what is published, every difference that both call significant, benchstat
// from bench.txt and the record by its verdict, must have the same sign.
func TestBenchstatAgreesOnWhatIsPublished(t *testing.T) {
	records, err := filepath.Glob("../../results/published/*/run.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(records) == 0 {
		t.Fatal("nothing is published under results/published")
	}
	both := 0
	for _, path := range records {
		dir := filepath.Dir(path)
		run, err := result.ReadRun(dir)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "bench.txt"))
		if err != nil {
			t.Fatal(err)
		}
		samples, units := readBench(t, string(text))
		names := benchNames(run)
		for i, exp := range run.Experiments {
			var rows []string
			for k := range samples {
				if name, _, ok := cutLast(strings.TrimPrefix(k[0], ".fullname:"), "-"); ok && name == names[i] && !slices.Contains(rows, k[0]) {
					rows = append(rows, k[0])
				}
			}
			if len(rows) != 1 {
				t.Errorf("%s: %s has rows %q in bench.txt, want one", filepath.Base(dir), exp.Name, rows)
				continue
			}
			for _, c := range exp.Comparisons {
				unit, ok := map[string]string{result.MetricThroughput: "requests/s", result.MetricServerCPU: "server-CPU-sec/request"}[c.Metric]
				if !ok || c.Verdict != result.VerdictMore && c.Verdict != result.VerdictLess {
					continue
				}
				of := func(label string) *benchmath.Sample {
					return benchmath.NewSample(slices.Clone(samples[[3]string{rows[0], label, unit}]), &benchmath.DefaultThresholds)
				}
				reference, model := of(c.Reference), of(c.Model)
				assume := units.GetAssumption(unit)
				theirs := assume.Compare(reference, model)
				if theirs.P > theirs.Alpha {
					continue
				}
				both++
				more := assume.Summary(model, 0.95).Center > assume.Summary(reference, 0.95).Center
				if more != (c.Verdict == result.VerdictMore) {
					t.Errorf("%s, %s: %s of %s: verdict %q, ratio %.3f; benchstat finds the median more: %v (p = %.3f)",
						filepath.Base(dir), exp.Name, c.Metric, c.Model, c.Verdict, c.Ratio.Estimate, more, theirs.P)
				}
			}
		}
	}
	t.Logf("both call %d differences", both)
}

// cutLast is strings.Cut at the last separator.
func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// benchUnits are the units of bench.txt, in the order of a line's figures: for
// each a metric, what it is multiplied by to be in that unit, and which way is
// better. The names are such that benchstat scales them: of "ns" it makes
// seconds, of "bytes" KiB and MiB.
var benchUnits = []struct {
	metric, unit, better string
	times                float64
}{
	{analysis.MetricThroughput, "requests/s", "higher", 1},
	{analysis.MetricServerCPU, "server-CPU-ns/request", "lower", 1e3},
	{result.MetricP50, "p50-ns", "lower", 1e3},
	{result.MetricP99, "p99-ns", "lower", 1e3},
	{analysis.MetricRSSPeak, "server-RSS-peak-bytes", "lower", 1},
}

const benchAbout = `# A line is a restart: geometric means of its undisturbed rounds, and percentiles of their requests.
# Compare models: benchstat -col /model bench.txt
# (It doesn't know which rounds were side by side, so it finds less than workbench does.)
# A name that ends in #2 is the same server once more. Models under one scenario were measured in
# turns; between scenarios, and between files, the machine has drifted by up to a factor of two.
`

// Bench is bench.txt: the samples that comparisons are made of, in Go's
// benchmark format (https://go.dev/design/14313-benchmark-format), for
// benchstat. The model and all that a sweep varies are parts of a benchmark's
// name, what holds of the whole run stands above:
//
//	goos: linux
//	Unit requests/s assume=nothing better=higher
//	BenchmarkWorkbench/scenario=keepalive/model=pool:workers=4-1 30112 48211.5 requests/s …
//
// Every name ends in -N, the CPUs that Go used in the servers, also where N is
// 1: benchstat would else take the end of "python3-8" for that. An experiment
// has one N, of its servers the most, so that they stand in one row. What can't
// be in a name ("/", "%" and spaces) is escaped as in a URL.
//
// run's cells are those that analysis made; slicesOf gives an experiment's slices
// by its name, and its errors come back with that. What is not valid, or a lower
// bound, is left out and named.
func Bench(run result.Run, slicesOf func(experiment string) ([]result.Slice, error)) (string, error) {
	var b strings.Builder
	b.WriteString(benchAbout)
	for _, kv := range benchConfig(run) {
		if kv[1] != "" { // without a value a line says to forget the key
			fmt.Fprintf(&b, "%s: %s\n", kv[0], kv[1])
		}
	}
	for _, u := range benchUnits {
		// Nothing is assumed of how samples are distributed: U test, medians.
		fmt.Fprintf(&b, "Unit %s assume=nothing better=%s\n", u.unit, u.better)
	}
	names := benchNames(run)
	for i, exp := range run.Experiments {
		taken, err := slicesOf(exp.Name)
		if err != nil {
			return "", fmt.Errorf("samples of %s: %w", exp.Name, err)
		}
		b.WriteString("\n")
		for _, remark := range benchRemarks(exp) {
			fmt.Fprintf(&b, "# %s: %s\n", exp.Name, strings.Join(strings.Fields(remark), " ")) // in one line, whatever it quotes
		}
		n := benchCPUs(run, taken)
		for _, s := range analysis.Samples(exp, taken) {
			fmt.Fprintf(&b, "Benchmark%s/model=%s-%d %d", names[i], benchEscape(s.Label), n, s.Requests)
			for _, u := range benchUnits {
				if x, ok := s.Figures[u.metric]; ok {
					// Nine digits are more than a clock carries, and the same everywhere
					// however a processor rounds a logarithm's last bit.
					fmt.Fprintf(&b, " %s %s", strconv.FormatFloat(x*u.times, 'g', 9, 64), u.unit)
				}
			}
			b.WriteString("\n")
		}
	}
	return b.String(), nil
}

// benchConfig is what holds of the whole run. benchstat sets samples whose
// configuration differs in tables of their own, so the time of day is not in it.
func benchConfig(run result.Run) [][2]string {
	e := run.Environment
	revision := e.Revision
	if revision != "" && e.Dirty {
		revision += "+dirty"
	}
	return [][2]string{
		{"goos", e.OS}, {"goarch", e.Arch}, {"pkg", "workbench"}, {"cpu", oneLine(e.CPUModel)}, {"kernel", oneLine(e.Kernel)},
		{"go", oneLine(e.GoVersion)}, {"revision", oneLine(revision)}, {"engine", run.Engine}, {"seed", strconv.FormatUint(run.Seed, 10)},
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// benchRemarks say what a reader of samples alone couldn't know.
func benchRemarks(exp result.Experiment) (remarks []string) {
	if exp.Suspect {
		remarks = append(remarks, "suspect: the twin differs from the reference, so whatever else differs may be nothing")
	}
	if exp.Rounds > 0 && exp.RoundsLeftOut == exp.Rounds {
		remarks = append(remarks, fmt.Sprintf("no samples: the host or other processes interfered with all of its %s", count(exp.Rounds, "round")))
	}
	var bound []string
	for _, c := range rows(exp) {
		switch {
		case c.Unable != "":
			remarks = append(remarks, fmt.Sprintf("%s is left out, it can't take part: %s", c.Label, c.Unable))
		case !c.Valid && c.Slices > 0:
			remarks = append(remarks, fmt.Sprintf("%s is left out, it is not valid: %s", c.Label, strings.Join(c.Warnings, "; ")))
		case lowerBound(c):
			bound = append(bound, c.Label)
		}
	}
	if len(bound) > 0 {
		remarks = append(remarks, fmt.Sprintf("requests/s of %s left out: lower bounds, the clients were the bottleneck", list(bound)))
	}
	return remarks
}

// benchNames are the experiments' names as a benchmark has them: "Workbench" and
// what is varied, as /key=value. Where two would be the same, they have their
// experiments' names as well, or their samples would be taken for one's.
func benchNames(run result.Run) []string {
	names := make([]string, len(run.Experiments))
	seen := map[string]int{}
	grids := slices.ContainsFunc(run.Experiments, func(e result.Experiment) bool { return e.Grid > 0 })
	for i, exp := range run.Experiments {
		played := exp.Name
		var others []scenario.Axis
		for _, a := range exp.Axes {
			if !isScenario(a) {
				others = append(others, a)
			}
		}
		if len(exp.Axes) > 0 {
			played = exp.Scenario
		}
		for _, a := range exp.Axes {
			if isScenario(a) {
				played = a.Value // also that of a file
			}
		}
		var at []scenario.Axis
		if grids {
			at = append(at, scenario.Axis{Key: "grid", Value: strconv.Itoa(exp.Grid + 1)})
		}
		at = append(append(at, scenario.Axis{Key: "scenario", Value: played}), others...)
		name := "Workbench"
		for _, a := range at {
			name += "/" + benchEscape(a.Key) + "=" + benchEscape(a.Value)
		}
		names[i] = name
		seen[name]++
	}
	for i, exp := range run.Experiments {
		if seen[names[i]] > 1 {
			names[i] += "/experiment=" + benchEscape(exp.Name)
		}
	}
	return names
}

func isScenario(a scenario.Axis) bool { return a.Key == "scenario" || a.Key == "scenarios" }

// benchCPUs is how many CPUs Go used in an experiment's servers: GOMAXPROCS of
// the one that had most, since entries whose names end in different numbers
// don't stand in one row. Servers that are not ours don't say.
func benchCPUs(run result.Run, taken []result.Slice) int {
	n := 0
	for _, s := range taken {
		if s.Server != nil {
			n = max(n, s.Server.GOMAXPROCS)
		}
	}
	if n == 0 {
		n = run.Environment.GOMAXPROCS
	}
	return max(n, 1)
}

// benchEscape leaves a label as it is but for what ends a name or a part of it.
// Escapes are those of URLs, and "%" is one too, so that no two labels become
// the same.
func benchEscape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '/' || r == '%' || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			for _, c := range []byte(string(r)) {
				fmt.Fprintf(&b, "%%%02X", c)
			}
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

package report

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A gridEntry is a model of a grid's fixture: its figures under one load, and
// how it stands to the reference.
type gridEntry struct {
	label              string
	perS, cpu          float64
	cpuIs, perSIs      string // verdicts
	cpuGroup, perGroup string // letters
	change             func(*result.Cell)
}

// point is an experiment of a grid, the first entry its reference.
func point(t *testing.T, name string, clients int, axes []scenario.Axis, entries ...gridEntry) result.Experiment {
	t.Helper()
	s, err := scenario.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	s.Clients = clients
	e := result.Experiment{
		Name: fmt.Sprintf("%s-clients-%d", name, clients), Scenario: name, Load: s, Clients: clients, Loop: s.Loop,
		Reference: entries[0].label, Axes: axes, Blocks: 14, Rounds: 56, RoundsPerBlock: 4, StoppedBy: "precision",
	}
	for i, x := range entries {
		model, parameters, _ := strings.Cut(x.label, ":")
		spec := model + ":" + parameters + ",when-full=wait"
		if parameters == "" {
			spec = model
		}
		c := result.Cell{
			Label: x.label, Model: spec, Display: x.label, Slices: 56, Requests: 60_000, Valid: true, BoundBy: "server",
			ThroughputPerS:        &result.Spread{Median: x.perS, Low: 0.9 * x.perS, High: 1.1 * x.perS, N: 56},
			ServerCPUUsPerRequest: &result.Spread{Median: x.cpu, Low: 0.9 * x.cpu, High: 1.1 * x.cpu, N: 56},
			LatencyUs:             &result.Percentiles{N: 60_000, Mean: 1e6 / x.perS, P50: new(1e6 / x.perS), P99: new(4e6 / x.perS), Max: 9e6 / x.perS},
		}
		if x.change != nil {
			x.change(&c)
		}
		e.Cells = append(e.Cells, c)
		e.Entries = append(e.Entries, result.Entry{Label: c.Label, Model: c.Model, Display: c.Display})
		if i == 0 {
			twin := c
			twin.Label, twin.Twin = c.Label+"#2", true
			e.Cells = append(e.Cells, twin)
			e.Entries = append(e.Entries, result.Entry{Label: twin.Label, Model: c.Model, Display: c.Display, Twin: true})
			continue
		}
		ref := entries[0]
		beside := func(group, reference string) string { // who has no letter isn't told the reference's
			if group == "" {
				return ""
			}
			return reference
		}
		why := func(verdict string) string {
			if verdict == result.VerdictNone {
				return "it left the others after 3 rounds, being more than a factor of 2 away; a verdict takes ten restarts"
			}
			return ""
		}
		e.Comparisons = append(e.Comparisons,
			result.Comparison{Metric: result.MetricServerCPU, Reference: ref.label, Model: x.label, Ratio: result.Ratio{Estimate: x.cpu / ref.cpu, Blocks: 14},
				Verdict: x.cpuIs, Why: why(x.cpuIs), Group: x.cpuGroup, ReferenceGroup: beside(x.cpuGroup, ref.cpuGroup)},
			result.Comparison{Metric: result.MetricThroughput, Reference: ref.label, Model: x.label, Ratio: result.Ratio{Estimate: x.perS / ref.perS, Blocks: 14},
				Verdict: x.perSIs, Why: why(x.perSIs), Group: x.perGroup, ReferenceGroup: beside(x.perGroup, ref.perGroup)})
	}
	return e
}

func byClients(c *result.Cell) { c.BoundBy, c.BoundByWhy = "clients", "their CPU 97 % busy" }

func fewOf(n int64) func(*result.Cell) {
	return func(c *result.Cell) { c.LatencyUs = &result.Percentiles{N: n, Mean: 1e4, P50: new(1e4), Max: 2e4} }
}

// clientsRun is a sweep of two scenarios × three numbers of clients with
// everything in it: lower bounds, percentiles that can't be had, a model that
// can't take part, one that is not valid, a suspect experiment, cliffs of a
// parameter and of an axis, fits and reasons for none.
func clientsRun(t *testing.T) result.Run {
	at := func(name, clients string) []scenario.Axis {
		return []scenario.Axis{{Key: "scenario", Value: name}, {Key: "clients", Value: clients}}
	}
	const more, less, same, large, none = result.VerdictMore, result.VerdictLess, result.VerdictSame, result.VerdictLarge, result.VerdictNone
	bound := "the clients were the bottleneck of either: lower bounds have no order"
	run := result.Run{
		Name: "clients", Seed: 1, Questions: []string{"How do the models take more clients, and which pool suits?"},
		Experiments: []result.Experiment{
			point(t, "keepalive", 1, at("keepalive", "1"),
				gridEntry{"goroutine", 9100, 21.0, "", "", "b", "a", nil},
				gridEntry{"iterative", 9300, 18.2, less, same, "a", "a", nil},
				gridEntry{"pool:workers=4", 9050, 18.5, less, same, "a", "a", nil},
				gridEntry{"pool:workers=16", 9060, 21.1, same, same, "b", "a", nil}),
			point(t, "keepalive", 8, at("keepalive", "8"),
				gridEntry{"goroutine", 31_000, 19.0, "", "", "b", "a", nil},
				gridEntry{"iterative", 9000, 17.0, none, large, "", "", nil},
				gridEntry{"pool:workers=4", 30_700, 18.1, less, same, "a", "a", nil},
				gridEntry{"pool:workers=16", 30_900, 18.9, same, less, "ab", "b", nil}),
			point(t, "keepalive", 64, at("keepalive", "64"),
				gridEntry{"goroutine", 48_000, 18.0, "", "", "a", "", byClients},
				gridEntry{"iterative", 8800, 17.0, none, large, "", "", func(c *result.Cell) {
					fewOf(212)(c)
					c.Valid, c.Warnings = false, []string{"62 of 64 clients finished nothing"}
				}},
				gridEntry{"pool:workers=4", 11_500, 18.4, none, large, "", "", nil},
				gridEntry{"pool:workers=16", 47_500, 18.1, same, none, "a", "", byClients}),
			point(t, "io", 1, at("io", "1"),
				gridEntry{"goroutine", 96, 71, "", "", "a", "a", fewOf(300)},
				gridEntry{"iterative", 97, 70, same, same, "a", "a", fewOf(310)},
				gridEntry{"pool:workers=4", 96.5, 71, same, same, "a", "a", fewOf(310)},
				gridEntry{"pool:workers=16", 96.4, 70.5, same, same, "a", "a", nil}),
			point(t, "io", 8, at("io", "8"),
				gridEntry{"goroutine", 760, 66, "", "", "", "", nil},
				gridEntry{"iterative", 97, 60, none, large, "", "", nil},
				gridEntry{"pool:workers=4", 385, 61, none, none, "", "", nil},
				gridEntry{"pool:workers=16", 758, 66.5, none, none, "", "", nil}),
			point(t, "io", 64, at("io", "64"),
				gridEntry{"goroutine", 6010, 61, "", "", "a", "", nil},
				gridEntry{"iterative", 97, 46, none, large, "", "", func(c *result.Cell) {
					c.Unable, c.Slices, c.ThroughputPerS, c.ServerCPUUsPerRequest, c.LatencyUs = "one at a time would take 651 ms for each", 0, nil, nil, nil
				}},
				gridEntry{"pool:workers=4", 388, 58, none, large, "", "", nil},
				gridEntry{"pool:workers=16", 1540, 57.9, less, large, "a", "", nil}),
		},
	}
	for i := range run.Experiments[2].Comparisons {
		if c := &run.Experiments[2].Comparisons[i]; c.Metric == result.MetricThroughput && c.Verdict == none {
			c.Why = bound
		}
	}
	suspect := &run.Experiments[4]
	suspect.Suspect = true
	for i := range suspect.Comparisons {
		if c := &suspect.Comparisons[i]; c.Verdict == none {
			c.Why = "suspect: the twin differs from the reference"
		}
	}
	in := func(name string) []scenario.Axis { return []scenario.Axis{{Key: "scenario", Value: name}} }
	interval := func(estimate, low, high float64) *result.Interval {
		return &result.Interval{Estimate: estimate, Low: low, High: high}
	}
	few := "a fit takes 6 numbers of clients, there are 2; lower bounds, with the clients as the bottleneck, at 64"
	run.Scalability = []result.Scalability{
		{Label: "goroutine", Where: in("keepalive"), Clients: []int{1, 8}, Confidence: 0.95, Why: few},
		{Label: "pool:workers=16", Where: in("keepalive"), Clients: []int{1, 8}, Confidence: 0.95, Why: few},
		{Label: "goroutine", Where: in("io"), Clients: []int{1, 2, 4, 8, 16, 64}, Confidence: 0.95,
			Gamma: interval(96.2, 94.9, 97.4), Sigma: interval(0, 0, 0.0004), Kappa: interval(0, 0, 0.00002)},
		{Label: "pool:workers=16", Where: in("io"), Clients: []int{1, 2, 4, 8, 16, 64}, Confidence: 0.95,
			Gamma: interval(97, 92, 104), Sigma: interval(0.031, 0.012, 0.045), Kappa: interval(0.00042, 0.00031, 0.00058), PeakAt: interval(48, 41, 56)},
	}
	return run
}

// workersRun is a grid in which the models alone vary, and one after it that
// was not begun.
func workersRun(t *testing.T) result.Run {
	const less, large = result.VerdictLess, result.VerdictLarge
	e := point(t, "io", 64, nil,
		gridEntry{"goroutine", 6010, 61, "", "", "b", "", nil},
		gridEntry{"pool:workers=4", 388, 58, result.VerdictNone, large, "", "", nil},
		gridEntry{"pool:workers=64", 5950, 60.2, less, large, "a", "", nil},
		gridEntry{"pool:workers=16", 1540, 57.9, result.VerdictNone, large, "", "", nil})
	e.Name = "io"
	for i := range e.Comparisons { // all lettered in requests/s but the large ones
		c := &e.Comparisons[i]
		if c.Metric == result.MetricThroughput && c.Model == "pool:workers=64" {
			c.Verdict, c.Group, c.ReferenceGroup = result.VerdictSame, "a", "a"
		}
	}
	next := e
	next.Name, next.Grid, next.Cells, next.Comparisons, next.Blocks, next.Rounds, next.StoppedBy = "cpu", 1, nil, nil, 0, 0, ""
	return result.Run{Name: "workers", Questions: []string{"How many workers does a pool need?"}, Experiments: []result.Experiment{e, next}}
}

func TestSweep(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  result.Run
	}{{"sweep-clients", clientsRun(t)}, {"sweep-workers", workersRun(t)}} {
		t.Run(tt.name, func(t *testing.T) {
			golden(t, tt.name+".txt", Sweep(tt.run, 0))
			golden(t, tt.name+".md", SweepMarkdown(tt.run))
		})
	}
}

// In a narrow terminal a wide grid is several tables, each with all models.
func TestSweepFits(t *testing.T) {
	run := clientsRun(t)
	golden(t, "sweep-clients-60.txt", Sweep(run, 60))
	for width := 60; width <= 140; width++ {
		for line := range strings.Lines(Sweep(run, width)) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("at a width of %d a line has %d: %q", width, n, line)
			}
		}
	}
	if Sweep(run, 0) != Sweep(run, 10_000) {
		t.Error("without a limit the tables are not the whole ones")
	}
}

func TestBest(t *testing.T) {
	const none, same, large = result.VerdictNone, result.VerdictSame, result.VerdictLarge
	for _, tt := range []struct {
		name    string
		entries []gridEntry // of CPU per request
		suspect bool
		want    string
	}{
		{"one letter is all that is best", []gridEntry{{label: "goroutine", cpu: 20, cpuGroup: "b"}, {label: "pool", cpu: 18, cpuGroup: "a"}}, false, "pool"},
		{"who shares a letter with the best is among them", []gridEntry{{label: "goroutine", cpu: 20, cpuGroup: "ab"}, {label: "pool", cpu: 18, cpuGroup: "a"}, {label: "iterative", cpu: 21, cpuGroup: "b"}}, false, "goroutine pool"},
		{"nobody without letters", []gridEntry{{label: "goroutine", cpu: 20}, {label: "pool", cpu: 18, cpuIs: none}}, false, ""},
		{"a large one on the worse side is not", []gridEntry{{label: "goroutine", cpu: 20, cpuGroup: "a"}, {label: "pool", cpu: 19, cpuGroup: "a", cpuIs: same}, {label: "iterative", cpu: 60, cpuIs: large}}, false, "goroutine pool"},
		{"nor does one without a letter take the reference's away", []gridEntry{{label: "goroutine", cpu: 20, cpuGroup: "a"}, {label: "iterative", cpu: 18, cpuIs: none}, {label: "pool", cpu: 20.1, cpuGroup: "a", cpuIs: same}}, false, "goroutine pool"},
		{"a large one on the better side leaves the others behind", []gridEntry{{label: "goroutine", cpu: 20, cpuGroup: "a"}, {label: "pool", cpu: 19, cpuGroup: "a", cpuIs: same}, {label: "iterative", cpu: 6, cpuIs: large}}, false, "iterative"},
		{"two large ones are not told apart", []gridEntry{{label: "goroutine", cpu: 20}, {label: "pool", cpu: 5, cpuIs: large}, {label: "iterative", cpu: 6, cpuIs: large}}, false, "iterative pool"},
		{"where all others are large and worse it is the reference", []gridEntry{{label: "goroutine", cpu: 20}, {label: "pool", cpu: 50, cpuIs: large}}, false, "goroutine"},
		{"a suspect experiment has none", []gridEntry{{label: "goroutine", cpu: 20, cpuGroup: "b"}, {label: "pool", cpu: 18, cpuGroup: "a"}}, true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.entries {
				tt.entries[i].perS = 100
			}
			exp := point(t, "io", 8, nil, tt.entries...)
			exp.Suspect = tt.suspect
			among := best(exp, result.MetricServerCPU)
			var got []string
			for _, l := range []string{"goroutine", "goroutine#2", "iterative", "pool"} {
				if among[l] {
					got = append(got, l)
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("best are %q, want %q", strings.Join(got, " "), tt.want)
			}
		})
	}
}

// Of a quick look there is no more to say than who is far off.
func TestSweepOfAQuickLook(t *testing.T) {
	const none, large = result.VerdictNone, result.VerdictLarge
	axes := func(clients string) []scenario.Axis { return []scenario.Axis{{Key: "clients", Value: clients}} }
	run := result.Run{Experiments: []result.Experiment{
		point(t, "io", 8, axes("8"), gridEntry{label: "goroutine", perS: 700, cpu: 60}, gridEntry{label: "pool", perS: 690, cpu: 61, cpuIs: none, perSIs: none}, gridEntry{label: "iterative", perS: 97, cpu: 60, cpuIs: none, perSIs: large}),
		point(t, "io", 64, axes("64"), gridEntry{label: "goroutine", perS: 6000, cpu: 60}, gridEntry{label: "pool", perS: 1500, cpu: 61, cpuIs: none, perSIs: large}, gridEntry{label: "iterative", perS: 97, cpu: 60, cpuIs: none, perSIs: large}),
	}}
	got := strings.Join(gridsOf(run)[0].answer(), "\n")
	want := "By CPU per request, nothing is ranked.\n" +
		"By requests/s, goroutine is best at 64 clients; nothing is ranked at 8 clients; more than a factor of 2 from goroutine: iterative everywhere, pool at 64 clients."
	if got != want {
		t.Errorf("it says\n%s\nwant\n%s", got, want)
	}
}

func TestSweepWithoutReference(t *testing.T) {
	run := clientsRun(t)
	for i := range run.Experiments {
		run.Experiments[i].Reference, run.Experiments[i].Comparisons = "", nil
	}
	if got := Sweep(run, 0); strings.Contains(got, "µs*") || !strings.Contains(got, "  Without a reference nothing is compared.\n") {
		t.Errorf("%s", got)
	}
}

// What users wrote must not become markup, and no table a list.
func TestSweepOfNothing(t *testing.T) {
	if got := Sweep(result.Run{}, 80) + SweepMarkdown(result.Run{}); got != "" {
		t.Errorf("a run of nothing says %q", got)
	}
	run := result.Run{Questions: []string{"a_b*c"}, Experiments: []result.Experiment{{Name: "x_y", Load: scenario.Scenario{Loop: scenario.LoopClosed}}}}
	if got := SweepMarkdown(run); !strings.Contains(got, `## a\_b\*c`) || strings.Contains(got, "| --- |") {
		t.Errorf("%s", got)
	}
}

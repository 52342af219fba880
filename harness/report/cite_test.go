package report

import (
	"strings"
	"testing"
	"time"

	"workbench/harness/result"
)

// A verdict on a model against goroutine, so that a row reads as a sentence.
func judged(model, metric, verdict string, estimate, low, high float64) result.Comparison {
	resolution := (high - low) / 2 / estimate
	return result.Comparison{Metric: metric, Reference: "goroutine", Model: model, Verdict: verdict, Confidence: 0.9917,
		Ratio: result.Ratio{Estimate: estimate, Low: &low, High: &high, Blocks: 14}, Resolution: &resolution,
		Seen: result.Seen{Median: estimate, Low: low, High: high, N: 56}}
}

func undecided(model, metric, why string) result.Comparison {
	return result.Comparison{Metric: metric, Reference: "goroutine", Model: model, Verdict: result.VerdictNone, Why: why,
		Ratio: result.Ratio{Estimate: 0.97, Blocks: 5}, Seen: result.Seen{Median: 0.97, Low: 0.8, High: 1.2, N: 5}}
}

func farOff(model, metric string, median, low, high float64) result.Comparison {
	return result.Comparison{Metric: metric, Reference: "goroutine", Model: model, Verdict: result.VerdictLarge,
		Ratio: result.Ratio{Estimate: median, Blocks: 1}, Seen: result.Seen{Median: median, Low: low, High: high, N: 3}}
}

// compared is an experiment of 14 restarts in which these comparisons came out.
func compared(t *testing.T, load string, comparisons ...result.Comparison) result.Experiment {
	t.Helper()
	s := named(t, load)
	exp := result.Experiment{
		Name: s.Name, Scenario: s.Name, Load: s, Flags: s.Flags(), Clients: s.Clients, Loop: s.Loop,
		Reference: "goroutine", Blocks: 14, Rounds: 56, DurationS: 20.3, StoppedBy: "precision", Comparisons: comparisons,
		Entries: []result.Entry{
			{Label: "goroutine", Model: "goroutine", Display: "goroutine"},
			{Label: "goroutine#2", Model: "goroutine", Display: "goroutine", Twin: true},
		},
	}
	for _, c := range comparisons {
		if c.Metric == result.MetricServerCPU {
			exp.Entries = append(exp.Entries, result.Entry{Label: c.Model, Model: c.Model, Display: c.Model})
		}
	}
	for _, e := range exp.Entries {
		exp.Cells = append(exp.Cells, result.Cell{Label: e.Label, Model: e.Model, Display: e.Display, Twin: e.Twin, Slices: 56, Valid: true})
	}
	return exp
}

func recordOf(experiments ...result.Experiment) result.Run {
	return result.Run{
		Schema: result.RunSchema, Name: "tour", Command: "workbench run --seed 1", Seed: 1, Engine: "epoll", StoppedBy: "precision",
		Started: time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC),
		Environment: result.Environment{OS: "linux", Kernel: "6.18.1", CPUModel: "Example CPU 3", CPUs: 2, GoVersion: "go1.26",
			Revision: "0123456789abcdef0123456789abcdef01234567"},
		Experiments: experiments,
	}
}

const (
	cpuMetric  = result.MetricServerCPU
	rateMetric = result.MetricThroughput
)

func TestCite(t *testing.T) {
	quick := func(e result.Experiment) result.Experiment { e.Blocks = 5; return e }
	suspect := func(e result.Experiment) result.Experiment { e.Suspect = true; return e }
	differing := compared(t, "keepalive",
		judged("iterative", cpuMetric, result.VerdictLess, 0.76, 0.742, 0.779), judged("iterative", rateMetric, result.VerdictMore, 1.31, 1.29, 1.33),
		judged("pool", cpuMetric, result.VerdictSame, 1.003, 0.989, 1.017), judged("pool", rateMetric, result.VerdictSame, 1.01, 0.97, 1.05))
	same := compared(t, "io", judged("pool", cpuMetric, result.VerdictSame, 1.003, 0.989, 1.017), judged("pool", rateMetric, result.VerdictSame, 1.01, 0.97, 1.05))
	const machine = "2026-01-02, Example CPU 3, 2 CPUs, linux 6.18.1, go1.26, workbench revision 0123456789ab, seed 1; repeat: workbench run --seed 1"
	for _, tt := range []struct {
		name       string
		run        result.Run
		experiment string
		want       string
	}{
		{"the largest difference in CPU, wherever it is", recordOf(same, differing), "",
			"Under keepalive (64 clients, 100 requests per connection, closed loop) the model iterative needed 24 % less server CPU per request than goroutine (95 % joint interval 22–26 %; 14 restarts, " + machine + ")."},
		{"of one experiment alone", recordOf(same, differing), "io",
			"Under io (64 clients, one request per connection, each request waits ≈ 10 ms (exponential), closed loop) no difference was found between pool and goroutine: more than 1.4 % in CPU per request or 4.0 % in requests/s would have shown (95 % joint intervals; 14 restarts, " + machine + ")."},
		{"throughput where CPU shows nothing", recordOf(compared(t, "hello", judged("pool", cpuMetric, result.VerdictSame, 1, 0.98, 1.02), judged("pool", rateMetric, result.VerdictLess, 0.9, 0.88, 0.92))), "",
			"Under hello (64 clients, one request per connection, closed loop) the model pool answered 10 % fewer requests/s than goroutine (95 % joint interval 8–12 %; 14 restarts, " + machine + ")."},
		{"a factor", recordOf(compared(t, "hello", judged("pool", cpuMetric, result.VerdictMore, 2.31, 2.25, 2.4))), "",
			"Under hello (64 clients, one request per connection, closed loop) the model pool needed 2.3 × the server CPU per request of goroutine (95 % joint interval 2.2–2.4 ×; 14 restarts, " + machine + ")."},
		{"large, since nothing else has a verdict", recordOf(compared(t, "hello", undecided("iterative", cpuMetric, "1 restart"), farOff("iterative", rateMetric, 1.0/62, 1.0/65, 1.0/58))), "",
			"Under hello (64 clients, one request per connection, closed loop) the model iterative answered 62 × fewer requests/s than goroutine (58–65 × in its 3 rounds, after which it was left out; " + machine + ")."},
		{"a quick look", recordOf(quick(compared(t, "hello", undecided("pool", cpuMetric, "a quick look: 5 restarts, a verdict takes ten"), farOff("pool", rateMetric, 0.1, 0.1, 0.1)))), "",
			"There is no verdict to quote from tour of 2026-01-02: a quick look: 5 restarts, a verdict takes ten."},
		{"a twin that differs", recordOf(suspect(compared(t, "hello", undecided("pool", cpuMetric, "suspect")))), "hello",
			"There is no verdict to quote from hello of 2026-01-02: the twin differs from its reference under hello."},
		{"nothing", recordOf(), "", "There is no verdict to quote from tour of 2026-01-02: nothing was measured."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Cite(tt.run, tt.experiment); got != tt.want+"\n" {
				t.Errorf("got  %swant %s", got, tt.want)
			}
		})
	}
}

func TestCiteFlagsWhatNoCheckoutBringsBack(t *testing.T) {
	run := recordOf(compared(t, "hello", judged("mine", cpuMetric, result.VerdictLess, 0.9, 0.88, 0.92)))
	run.Environment.Dirty = true
	run.Experiments[0].Entries[2] = result.Entry{Label: "mine", Command: "./mine --port {port}"}
	got := Cite(run, "")
	for _, want := range []string{"workbench revision 0123456789ab with changes not committed", "the server mine (./mine --port {port}) needed"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
}

func TestFinding(t *testing.T) {
	differing := compared(t, "keepalive", judged("iterative", cpuMetric, result.VerdictLess, 0.76, 0.742, 0.779), judged("iterative", rateMetric, result.VerdictMore, 1.31, 1.29, 1.33))
	same := compared(t, "hello", judged("pool", cpuMetric, result.VerdictSame, 1.003, 0.989, 1.017), judged("pool", rateMetric, result.VerdictSame, 1.01, 0.97, 1.05))
	far := compared(t, "io", undecided("iterative", cpuMetric, "3 rounds"), farOff("iterative", rateMetric, 1.0/62, 1.0/65, 1.0/58))
	undone := compared(t, "cpu", undecided("pool", cpuMetric, "the clients were the bottleneck"))
	suspect := compared(t, "large", undecided("pool", cpuMetric, "suspect"))
	suspect.Suspect = true
	of := func(grid int, e result.Experiment) result.Experiment { e.Grid = grid; return e }
	sweep := recordOf(of(0, differing), of(0, same), of(1, same))
	sweep.Questions = []string{"Who needs least?", "Does a queue matter?"}
	for _, tt := range []struct {
		name string
		run  result.Run
		want string
	}{
		{"one experiment", recordOf(differing), "What differs most: iterative needs 24 % less CPU per request than goroutine (22–26 %) and answers 31 % more requests/s (29–33 %)."},
		{"several, one of them without a difference, one suspect", recordOf(differing, same, far, suspect),
			"What differs most: under keepalive, iterative needs 24 % less CPU per request than goroutine (22–26 %); under io, iterative answers 62 × fewer requests/s than goroutine (no difference found in 1 of 4 experiments); suspect, without verdicts: large."},
		{"two models", recordOf(differing, far), "What differs most: under keepalive, iterative needs 24 % less CPU per request than goroutine (22–26 %); under io, iterative answers 62 × fewer requests/s than goroutine."},
		{"large alone", recordOf(far), "What differs most: iterative answers 62 × fewer requests/s than goroutine."},
		{"none", recordOf(same), "No difference found: more than 1.4 % in CPU per request or 4.0 % in requests/s would have shown."},
		{"none, and one without a verdict", recordOf(same, undone), "No difference found: more than 1.4 % in CPU per request or 4.0 % in requests/s would have shown (1 of 2 experiments without a verdict)."},
		{"no verdict", recordOf(undone), "No verdict: the clients were the bottleneck."},
		{"a sweep", sweep, "Who needs least? What differs most: under keepalive, iterative needs 24 % less CPU per request than goroutine (22–26 %) and answers 31 % more requests/s (29–33 %) (no difference found in 1 of 2 experiments). Does a queue matter? No difference found: more than 1.4 % in CPU per request or 4.0 % in requests/s would have shown."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Finding(tt.run); got != tt.want {
				t.Errorf("\ngot  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	golden(t, "index-none.md", Index(nil))
	same := compared(t, "hello", judged("pool", cpuMetric, result.VerdictSame, 1.003, 0.989, 1.017), judged("pool", rateMetric, result.VerdictSame, 1.01, 0.97, 1.05))
	differing := compared(t, "keepalive", judged("pool:workers=2", cpuMetric, result.VerdictLess, 0.76, 0.742, 0.779))
	sweep := recordOf(same, differing)
	sweep.Name, sweep.Command, sweep.Environment.Dirty = "two_grids", "workbench sweep scripts/two_grids.yaml", true
	sweep.Started = sweep.Started.Add(time.Hour)
	sweep.Questions, sweep.Experiments[1].Grid = []string{"Does a pool matter to hello?", "And to *keepalive*?"}, 1
	// In the order of their directories, whichever they are read in.
	golden(t, "index.md", Index([]Published{
		{"published/20260102T160405Z-two_grids", sweep},
		{"published/20260102T150405Z-tour", recordOf(differing, same)},
	}))
}

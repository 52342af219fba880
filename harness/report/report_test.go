package report

import (
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make it with: go test ./harness/report -update)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s\n(if it is meant: go test ./harness/report -update)", path, diff)
	}
}

func spread(median, low, high float64) *result.Spread {
	return &result.Spread{Median: median, Low: low, High: high, N: 20}
}

func percentiles(n int64, mean, p50, p99 float64) *result.Percentiles {
	return &result.Percentiles{N: n, Mean: mean, P50: &p50, P90: &p99, P99: &p99, Max: 2 * p99}
}

func entryOf(c result.Cell) result.Entry {
	return result.Entry{Label: c.Label, Model: c.Model, Display: c.Display, Twin: c.Twin}
}

// experiment makes an experiment of cells and comparisons, with goroutine as
// the reference of 20 rounds in 5 restarts.
func experiment(s scenario.Scenario, cells []result.Cell, comparisons ...result.Comparison) result.Experiment {
	e := result.Experiment{
		Name: s.Name, Scenario: s.Name, Load: s, Flags: s.Flags(), Clients: s.Clients, Loop: s.Loop, PlanDigest: "sha256:0123",
		Reference: "goroutine", Blocks: 5, Rounds: 20, DurationS: 4.312, StoppedBy: "budget",
		Cells: cells, Comparisons: comparisons,
	}
	for _, c := range cells {
		e.Entries = append(e.Entries, entryOf(c))
	}
	return e
}

func named(t *testing.T, name string) scenario.Scenario {
	t.Helper()
	s, err := scenario.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// cell is a server under a load that it has no trouble with.
func cell(label, display string, change ...func(*result.Cell)) result.Cell {
	c := result.Cell{
		Label: label, Model: display + ",when-full=wait", Display: display, Slices: 20, Requests: 60_120, PlanUsed: 61_400,
		ThroughputPerS:        spread(6012.3, 5801, 6100),
		LatencyUs:             percentiles(60_120, 10_600, 10_100, 47_000),
		ConnectUs:             percentiles(60_120, 90, 80, 400),
		FirstByteUs:           percentiles(60_120, 10_500, 10_000, 46_900),
		ServiceUs:             percentiles(60_120, 10_300, 9_800, 46_000),
		WaitedUs:              percentiles(60_120, 300, 250, 900),
		ServerCPUUsPerRequest: spread(61.0, 55.2, 66.1), ClientCPUUsPerRequest: spread(70, 65, 80),
		ServerCPUUtilisation: spread(0.37, 0.3, 0.4), ClientCPUUtilisation: spread(0.42, 0.4, 0.5),
		ContextSwitchesPerRequest: spread(2, 1.9, 2.2), GCCPUFraction: spread(0.01, 0, 0.02), LittlesLawResidual: spread(0.001, 0, 0.002),
		RSSPeakBytes: 9_130_000, HeldPeak: 64, GoroutinesPeak: 70, ThreadsPeak: 6,
		BoundBy: "load", BoundByWhy: "64 clients ÷ 10.6 ms", Valid: true,
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func twin(c *result.Cell) { c.Twin, c.Model = true, "goroutine" }

func full(by, why string, limit int64, perS, waited float64) func(*result.Cell) {
	return func(c *result.Cell) {
		c.ThroughputPerS = spread(perS, 0.95*perS, 1.04*perS)
		c.WaitedUs = percentiles(20_000, waited, waited, 2*waited)
		c.LatencyUs = percentiles(20_000, waited+10_300, waited+10_000, 2*waited+10_000)
		c.Limit = &result.Limit{Name: by, Size: limit}
		c.LimitUtilisation = spread(0.99, 0.98, 1)
		c.BoundBy, c.BoundByWhy = "limit", why
		c.HeldPeak = limit
	}
}

func against(model, metric string, estimate, low, high float64, rounds int, verdict string) result.Comparison {
	return result.Comparison{Metric: metric, Reference: "goroutine", Model: model, Verdict: verdict,
		Ratio: result.Ratio{Estimate: estimate, Low: low, High: high, Rounds: rounds, Blocks: (rounds + 3) / 4}}
}

// ioRun is what the tour's second experiment looks like.
func ioRun(t *testing.T) result.Run {
	left := func(c *result.Cell) { c.Slices = 3 }
	e := experiment(named(t, "io"), []result.Cell{
		cell("errgroup", "errgroup:limit=32", full("goroutines", "32 of 32 at work", 32, 3070, 10_300)),
		cell("goroutine", "goroutine"),
		cell("iterative", "iterative", full("one at a time", "one at a time", 1, 97.3, 641_000), left),
		cell("pool", "pool:workers=16", full("workers", "16 of 16 workers busy", 16, 1540, 30_800), left),
		cell("goroutine#2", "goroutine", twin),
	},
		against("errgroup", metricCPU, 0.96, 0.8, 1.2, 20, "none"),
		against("errgroup", metricThroughput, 0.51, 0.48, 0.55, 20, "none"),
		against("iterative", metricCPU, 0.76, 0.7, 0.8, 3, "none"),
		against("iterative", metricThroughput, 0.0161, 0.0158, 0.0165, 3, "large"),
		against("pool", metricCPU, 0.95, 0.9, 1.1, 3, "none"),
		against("pool", metricThroughput, 0.256, 0.25, 0.26, 3, "large"),
		against("goroutine#2", metricCPU, 1.02, 0.85, 1.21, 20, "none"),
		against("goroutine#2", metricThroughput, 0.994, 0.93, 1.05, 20, "none"),
	)
	return result.Run{
		Name: "io", Command: "workbench run --scenario io --seed 1", Started: time.Date(2026, 11, 22, 19, 0, 1, 0, time.UTC), Seed: 1, Quick: true,
		Environment: result.Environment{OS: "linux", Kernel: "6.18.5", CPUModel: "Virtual | CPU", CPUs: 2, GoVersion: "go1.26.8", ServerCPUs: "0", LoadCPUs: "1"},
		Experiments: []result.Experiment{e},
	}
}

// awkwardRun holds what goes wrong: an interrupt, a model that doesn't start,
// percentiles of too few requests, clients that are the bottleneck, failures.
func awkwardRun(t *testing.T) result.Run {
	busy := func(c *result.Cell) {
		c.BoundBy, c.BoundByWhy = "clients", "their CPU 99 % busy"
		c.ServiceUs, c.WaitedUs = nil, nil
		c.ThroughputPerS = spread(13_912, 12_000, 14_400)
		c.ClientCPUUtilisation, c.ServerCPUUtilisation = spread(.99, .97, 1), spread(.71, .6, .8)
		c.LatencyUs = percentiles(70_000, 4600, 4500, 9000)
	}
	e := experiment(named(t, "hello"), []result.Cell{
		cell("goroutine", "goroutine", busy, func(c *result.Cell) {
			c.Warnings = []string{"listen queue overflowed 312 times: 1 s steps in the tail are SYN retransmissions, not the server"}
		}),
		cell("goroutine#2", "goroutine", busy, twin, func(c *result.Cell) {
			c.Warnings = []string{"listen queue overflowed 312 times: 1 s steps in the tail are SYN retransmissions, not the server"}
		}),
		{Label: "mine", Model: "mine", Display: "./my_server --port {port}", BoundByWhy: "not measured: no round was reached",
			Warnings: []string{"1 of 1 slice failed: not ready in 5s", "no figures: no round was reached"}},
		cell("iterative", "iterative", func(c *result.Cell) {
			c.ServiceUs, c.WaitedUs, c.Slices, c.Requests = nil, nil, 3, 212
			c.BoundBy, c.BoundByWhy = "server", "its CPU 98 % busy"
			c.ThroughputPerS = spread(1400, 1000, 1500)
			c.LatencyUs = &result.Percentiles{N: 212, Mean: 45_000, P50: new(44_800.0), Max: 210_000}
			c.Limit = &result.Limit{Name: "one at a time", Size: 1}
			c.Warnings = []string{"up to 12 of 64 clients finished nothing in a slice: their waiting is not in the latencies"}
		}),
		cell("pool", "pool:workers=16", busy, func(c *result.Cell) {
			c.Errors = result.Errors{Reset: 70_000}
			c.Valid = false
			c.Warnings = []string{"75.0 % of requests failed (70,000 reset): what was answered says little"}
		}),
	},
		against("goroutine#2", metricCPU, 1.1, 0.85, 1.3, 7, "none"),
		against("goroutine#2", metricThroughput, 0.97, 0.8, 1.2, 7, "none"),
		against("iterative", metricCPU, 0.45, 0.4, 0.6, 3, "none"),
		against("iterative", metricThroughput, 0.1, 0.08, 0.12, 3, "none"),
		against("pool", metricCPU, 9, 8, 10, 7, "none"),
		against("pool", metricThroughput, 0.1, 0.05, 0.2, 7, "none"),
	)
	e.Blocks, e.Rounds, e.StoppedBy, e.DurationS = 1, 7, "interrupt", 1.5
	e.Warnings = []string{"1 slice of a server that is no entry left out"}
	run := ioRun(t)
	run.Name, run.Command = "hello", "workbench run --scenario hello --server './my_server --port {port}' --seed 1"
	run.Environment.ServerCPUs, run.Environment.LoadCPUs = "", ""
	run.StoppedBy = "interrupt"
	run.Warnings = []string{"somaxconn is 128"}
	run.Experiments = []result.Experiment{e}
	return run
}

func TestGolden(t *testing.T) {
	for name, run := range map[string]result.Run{"io": ioRun(t), "awkward": awkwardRun(t)} {
		t.Run(name, func(t *testing.T) {
			e := run.Experiments[0]
			golden(t, name+".txt", Header(e, run)+"\n"+Table(e, 0)+"\n"+Answer(e)+Again(run, "results/20261122T190001Z-"+name))
			golden(t, name+"-table.md", Markdown(run))
			golden(t, name+"-answer.md", AnswerMarkdown(run))
			golden(t, name+".csv", CSV(run))
			var narrow strings.Builder
			for _, width := range []int{150, 120, 100, 80, 60} {
				narrow.WriteString(strings.Repeat("-", width) + "\n" + Table(e, width) + "\n")
			}
			golden(t, name+"-widths.txt", narrow.String())
		})
	}
}

// A table fits whatever width it is given, from 60 on: but for long names and
// for reasons, which stand below or are left out.
func TestTableFits(t *testing.T) {
	e := ioRun(t).Experiments[0]
	for width := 60; width <= 200; width++ {
		for line := range strings.Lines(Table(e, width)) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("at a width of %d a line has %d: %q", width, n, line)
			}
		}
	}
	if Table(e, 0) != Table(e, 1000) {
		t.Error("without a limit the table is not the whole one")
	}
}

func TestEmptyRecordsSaySo(t *testing.T) {
	run := result.Run{Name: "io", Experiments: []result.Experiment{{Name: "io", Load: named(t, "io"), Loop: "closed", Entries: []result.Entry{{Label: "pool"}}}}}
	e := run.Experiments[0]
	if got := Answer(e); got != "For this load:\n  nothing was measured.\n" {
		t.Errorf("Answer = %q", got)
	}
	if got := Header(e, run); !strings.Contains(got, "1 model, no round completed · server and clients not pinned to CPUs\n") {
		t.Errorf("Header = %q", got)
	}
	for _, text := range []string{Table(e, 80), Markdown(run), AnswerMarkdown(run), CSV(run), CSV(result.Run{}), Markdown(result.Run{})} {
		if !strings.HasSuffix(text, "\n") {
			t.Errorf("%q doesn't end in a newline", text)
		}
	}
}

func TestCSVIsWhole(t *testing.T) {
	run := awkwardRun(t)
	records, err := csv.NewReader(strings.NewReader(CSV(run))).ReadAll() // refuses rows of unequal length
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 1+5 {
		t.Fatalf("%d lines, want a header and 5 cells", len(records))
	}
	at := map[string]int{}
	for i, name := range records[0] {
		if _, dup := at[name]; dup {
			t.Errorf("two columns %q", name)
		}
		at[name] = i
	}
	iterative := records[4]
	for column, want := range map[string]string{
		"label": "iterative", "throughput_per_s_median": "1400", "latency_us_p50": "44800", "latency_us_p99": "",
		"throughput_per_s_ratio": "0.1", "server_cpu_us_per_request_median": "61", "limit_size": "1", "valid": "true",
	} {
		i, ok := at[column]
		if !ok {
			t.Errorf("no column %q", column)
			continue
		}
		if iterative[i] != want {
			t.Errorf("%s = %q, want %q", column, iterative[i], want)
		}
	}
}

func TestHeader(t *testing.T) {
	custom := func(change func(*scenario.Scenario)) scenario.Scenario {
		s := scenario.Scenario{Name: "custom", Loop: "closed", Conversation: "http", Clients: 1, RequestsPerConnection: 1}
		change(&s)
		return s
	}
	dist := func(s string) scenario.Dist {
		d, err := scenario.ParseDist(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, tt := range []struct {
		name string
		load scenario.Scenario
		want string
	}{
		{"no work is not spoken of", custom(func(*scenario.Scenario) {}), "1 client, one request per connection"},
		{"exponential waits are about", custom(func(s *scenario.Scenario) { s.Clients, s.Wait = 1500, dist("exp:10ms") }),
			"1,500 clients, one request per connection, each request waits ≈ 10 ms (exponential)"},
		{"constant work is exact, and works add up", custom(func(s *scenario.Scenario) {
			s.RequestsPerConnection, s.Wait, s.Spin, s.Bytes = 100, dist("5ms"), dist("200us"), 256<<10
		}), "1 client, 100 requests per connection, each request waits 5 ms, spins 200 µs and is answered with 256 KiB"},
		{"two points with their shares", custom(func(s *scenario.Scenario) { s.Wait = dist("two:99%*2ms,1%*100ms") }),
			"1 client, one request per connection, each request waits 2 ms (99 %) or 100 ms (1 %)"},
		{"think time", custom(func(s *scenario.Scenario) { s.Think = dist("exp:1s") }),
			"1 client, one request per connection, then ≈ 1 s (exponential) of thinking"},
		{"the old conversation", custom(func(s *scenario.Scenario) { s.Conversation = "once" }),
			"1 client, one request per connection, conversation once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := load(tt.load); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}

	run := ioRun(t)
	for _, tt := range []struct {
		name   string
		change func(*result.Experiment, *result.Run)
		want   string // in it
		not    string // and not
	}{
		{"a quick look says so", func(*result.Experiment, *result.Run) {}, "\nquick look, no verdicts: only differences above 2 × are named\n", "yet"},
		{"few restarts are one too", func(e *result.Experiment, r *result.Run) { r.Quick = false }, "\nquick look", "yet"},
		{"many are not, yet give no verdicts", func(e *result.Experiment, r *result.Run) { r.Quick, e.Blocks, e.Rounds = false, 12, 48 },
			"× 12 restarts × 4 rounds · 4.31 s · stopped by budget · server on CPU 0, clients on CPU 1\nno verdicts yet: only differences above 2 × are named\n", "quick"},
		{"a model alone is not compared", func(e *result.Experiment, r *result.Run) { e.Reference = "" }, "4 models", "verdict"},
		{"an interrupted restart is not counted as one", func(e *result.Experiment, r *result.Run) { e.Rounds, e.StoppedBy = 18, "interrupt" },
			"4 models and a twin × 18 rounds (5 restarts completed) · 4.31 s · stopped by interrupt", ""},
		{"several CPUs", func(e *result.Experiment, r *result.Run) {
			r.Environment.ServerCPUs, r.Environment.LoadCPUs = "0-3", "4,6"
		},
			"server on CPUs 0-3, clients on CPUs 4,6", ""},
		{"one side unpinned", func(e *result.Experiment, r *result.Run) { r.Environment.LoadCPUs = "" }, "server on CPU 0, clients not pinned to CPUs", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, r := run.Experiments[0], run
			tt.change(&e, &r)
			got := Header(e, r)
			if !strings.Contains(got, tt.want) || tt.not != "" && strings.Contains(got, tt.not) {
				t.Errorf("%q, want %q in it and not %q", got, tt.want, tt.not)
			}
		})
	}
}

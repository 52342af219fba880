package report

import (
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/analysis"
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
		Ratio: result.Ratio{Estimate: estimate, Blocks: (rounds + 3) / 4},
		Seen:  result.Seen{Median: estimate, Low: low, High: high, N: rounds}}
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

// openRun is a burst: requests arrive, and a foreign server takes part.
func openRun(t *testing.T) result.Run {
	met := func(c *result.Cell) {
		c.ServiceUs, c.WaitedUs = nil, nil
		c.ThroughputPerS = spread(1996, 1980, 2020)
		c.IntendedPerS, c.AchievedPerS = spread(1999, 1985, 2021), spread(1999, 1985, 2021)
		c.SendLatenessUs = &result.Percentiles{N: 40_000, Mean: 31, P50: new(12.4), P90: new(50.0), P99: new(410.0), Max: 2_200}
		c.LatencyUs = percentiles(40_000, 420, 310, 2_300)
		c.Due, c.Requests = 40_000, 39_980
		c.ClientCPUUtilisation = spread(0.2, 0.19, 0.25)
		c.CeilingPerS, c.CeilingReached = new(1999.2), new(0.998)
		c.BoundBy, c.BoundByWhy = "load", "1,999/s arrived"
		c.GoodputSeries = cycle(20, func(i int) (int64, int64) {
			if i < 5 {
				return 8_000, 8_000
			}
			return 0, 0
		})
	}
	python := cell("python3", "python3", met, func(c *result.Cell) {
		c.Model = "python3 -m http.server {port}"
		c.BoundBy, c.BoundByWhy = "server", "its CPU 99 % busy"
		c.ThroughputPerS = spread(850, 700, 900)
		c.LatencyUs = percentiles(20_000, 410_000, 400_000, 900_000)
		c.Requests = 17_000
		c.Errors.Reset = 20_000
		c.ServerCPUUsPerRequest, c.ServerCPUUtilisation, c.GCCPUFraction = spread(1100, 1050, 1200), spread(.99, .98, 1), nil
		c.HeldPeak = 0
		c.GoodputSeries = cycle(20, func(i int) (int64, int64) {
			if i < 5 {
				return 8_000, 8_000 - int64(i)*1000
			}
			return 0, 0
		})
	})
	e := experiment(named(t, "burst"), []result.Cell{cell("goroutine", "goroutine", met), cell("goroutine#2", "goroutine", met, twin), cell("iterative", "iterative", met), python},
		against("goroutine#2", metricCPU, 1.01, 0.95, 1.06, 20, "none"),
		against("goroutine#2", metricThroughput, 1, 0.99, 1.01, 20, "none"),
		against("iterative", metricCPU, 0.82, 0.8, 0.9, 20, "none"),
		against("iterative", metricThroughput, 1, 0.99, 1.01, 20, "none"),
		against("python3", metricCPU, 18, 17, 19, 3, "large"),
		against("python3", metricThroughput, 0.43, 0.4, 0.46, 3, "large"),
	)
	e.Rate = e.Load.Rate
	e.Entries[3].Command = "python3 -m http.server {port}"
	e.Entries[3].Abilities = &result.Abilities{Status: 200, Length: 512, AskedUs: 10_000, WaitedUs: 200}
	run := ioRun(t)
	run.Name, run.Command, run.Engine = "burst", "workbench run --scenario burst --server 'python3 -m http.server {port}' --seed 1", "epoll"
	run.Experiments = []result.Experiment{e}
	return run
}

// cycle is a series of so many bins of 50 ms.
func cycle(bins int, at func(bin int) (intended, answered int64)) *result.Series {
	s := &result.Series{BinUs: 50_000}
	for i := range bins {
		intended, answered := at(i)
		s.Intended, s.Answered = append(s.Intended, intended), append(s.Answered, answered)
		s.Failed, s.Done = append(s.Failed, intended-answered), append(s.Done, answered)
	}
	return s
}

// overloadRun is one in which a model collapses, and another recovers.
func overloadRun(t *testing.T) result.Run {
	answering := func(share func(bin int) float64) func(*result.Cell) {
		return func(c *result.Cell) {
			c.GoodputSeries = cycle(60, func(i int) (int64, int64) {
				due := int64(1300)
				if i >= 20 && i < 40 {
					due = 3900
				}
				return due, int64(float64(due) * share(i))
			})
			c.ThroughputPerS = spread(3_900, 3_700, 4_100)
			c.IntendedPerS, c.AchievedPerS = spread(4_341, 4_300, 4_400), spread(4_341, 4_300, 4_400)
			c.SendLatenessUs = &result.Percentiles{N: 40_000, Mean: 31, P50: new(12.4), P90: new(50.0), P99: new(410.0), Max: 2_200}
			c.ServiceUs, c.WaitedUs = percentiles(40_000, 205, 201, 260), percentiles(40_000, 240_000, 90_000, 990_000)
			c.LatencyUs = percentiles(40_000, 241_000, 91_000, 991_000)
			c.LatencyUs.P90, c.LatencyUs.P99, c.LatencyUs.Censored, c.LatencyUs.TimedOut = nil, nil, 0.1, 0.1
			c.Due, c.Requests = 44_440, 40_000
			c.Errors.Timeout = 4_440
			c.BoundBy, c.BoundByWhy = "", "unknown: its CPU was 90 % busy over the cycle; in the peak it answered 5,190/s of 7,810/s that arrived"
			c.ServerCPUUtilisation = spread(.9, .88, .92)
			c.Warnings = []string{"10.0 % of requests had no answer within 1.00 s; latencies are of those that had, CPU per request counts what all cost"}
		}
	}
	recovers := answering(func(i int) float64 {
		switch {
		case i >= 25 && i < 40:
			return .62
		case i >= 40 && i < 47:
			return .4
		}
		return 1
	})
	collapses := answering(func(i int) float64 {
		switch {
		case i < 5:
			return .9
		case i < 22:
			return 1
		}
		return .01
	})
	e := experiment(named(t, "overload"), []result.Cell{
		cell("goroutine", "goroutine", recovers),
		cell("goroutine#2", "goroutine", recovers, twin),
		cell("pool", "pool:workers=16", collapses, func(c *result.Cell) {
			c.LatencyUs.P50, c.LatencyUs.Censored, c.LatencyUs.TimedOut, c.LatencyUs.N = nil, 0.55, 0.5, 20_000
			c.Warnings[0] = "50.0" + strings.TrimPrefix(c.Warnings[0], "10.0")
		}),
		cell("errgroup", "errgroup:limit=32", answering(func(int) float64 { return 1 }), func(c *result.Cell) {
			c.LatencyUs = percentiles(44_440, 900, 800, 2_000)
			c.Errors, c.Warnings, c.BoundBy, c.BoundByWhy = result.Errors{}, nil, "clients", "they sent 120 µs late, of 900 µs in all (medians)"
		}),
	},
		against("goroutine#2", metricCPU, 1.01, 0.95, 1.06, 20, "none"),
		against("goroutine#2", metricThroughput, 1, 0.99, 1.01, 20, "none"),
		against("pool", metricCPU, 1.1, 0.8, 1.2, 20, "none"),
		against("pool", metricThroughput, 0.6, 0.55, 0.7, 20, "none"),
		against("errgroup", metricCPU, 1, 0.8, 1.2, 20, "none"),
		against("errgroup", metricThroughput, 1.1, 1, 1.2, 20, "none"),
	)
	e.CapacityPerS, e.Rate = 5210, 5210
	e.Load.Rate = 5210
	run := ioRun(t)
	run.Name, run.Command, run.Engine = "overload", "workbench run --scenario overload --seed 1", "epoll"
	run.Experiments = []result.Experiment{e}
	return run
}

// idleRun has connections that are held, a model that has no place for them,
// and one that has for some.
func idleRun(t *testing.T) result.Run {
	holds := func(bytes float64) func(*result.Cell) {
		return func(c *result.Cell) {
			c.ServiceUs, c.WaitedUs = nil, nil
			c.HeldAsked, c.HeldAnswered, c.HeldAnsweredAgain = 1000, 1000, 5000
			c.BytesPerHeldConnection = &result.Spread{Median: bytes, Low: 0.98 * bytes, High: 1.03 * bytes, N: 5}
			c.BoundBy, c.BoundByWhy = "server", "its CPU 98 % busy"
		}
	}
	e := experiment(named(t, "idle"), []result.Cell{
		cell("goroutine", "goroutine", holds(8412)),
		cell("goroutine#2", "goroutine", holds(8440), twin),
		{Label: "iterative", Model: "iterative", Display: "iterative", HeldAsked: 1000, HeldAnswered: 1,
			Unable:     "silent connections hold its only place, so nobody else is answered (1 of 1,000 that were to be held, and none that was active)",
			BoundByWhy: "can't take part: silent connections hold its only place, so nobody else is answered (1 of 1,000 that were to be held, and none that was active)"},
		cell("errgroup", "errgroup:limit=800", holds(8611), func(c *result.Cell) {
			c.HeldAnswered, c.HeldLost = 736, 1
			c.Warnings = []string{"264 of 1,000 connections that were to be held were never answered: they starved", "1 held connection was not answered once more at the end"}
		}),
	},
		against("goroutine#2", metricCPU, 1.01, 0.95, 1.06, 20, "none"),
		against("goroutine#2", metricThroughput, 1, 0.99, 1.01, 20, "none"),
		against("errgroup", metricCPU, 1, 0.8, 1.2, 20, "none"),
		against("errgroup", metricThroughput, 1.1, 1, 1.2, 20, "none"),
	)
	run := ioRun(t)
	run.Name, run.Command, run.Engine = "idle", "workbench run --scenario idle --seed 1", "epoll"
	run.Experiments = []result.Experiment{e}
	return run
}

// insideRun has models that say what is inside of them: connections that wait
// for a holder, and such as are turned away; queues, parts with connections of
// their own, a limit of requests.
func insideRun(t *testing.T) result.Run {
	queued := func(queues map[string]int64) func(*result.Cell) {
		return func(c *result.Cell) { c.Queues = queues }
	}
	turning := func(waiting, rejected int64) func(*result.Cell) { // away who comes when so many wait
		return func(c *result.Cell) { c.WaitingPeak, c.Rejected = waiting, rejected }
	}
	workers := func(size, peak int64) func(*result.Cell) {
		return func(c *result.Cell) {
			c.Limit = &result.Limit{Name: "workers", Size: size, Of: result.OfRequests}
			c.AtWorkPeak = peak
		}
	}
	parts := func(name string, n int, imbalance *result.Spread) func(*result.Cell) {
		return func(c *result.Cell) { c.Spread = &result.Imbalance{Name: name, Parts: n, Imbalance: imbalance} }
	}
	e := experiment(named(t, "io"), []result.Cell{
		cell("goroutine", "goroutine"),
		cell("goroutine#2", "goroutine", twin),
		cell("pool", "pool:workers=16,queue=40,when-full=reject", full("workers", "16 of 16 workers busy", 16, 1540, 30_800), turning(40, 1_234)),
		cell("reactor-pool", "reactor-pool:workers=128", workers(128, 64), queued(map[string]int64{"requests": 0})),
		cell("reactors", "reactors:loops=1", parts("loops", 1, spread(1, 1, 1))),
		cell("shards", "shards:shards=4", parts("shards", 4, spread(1.3125, 1.0625, 1.75))),
		cell("staged", "staged:workers=16", full("workers", "16 of 16 workers busy", 16, 1540, 30_800), workers(16, 16),
			queued(map[string]int64{"write": 3, "parse": 12, "work": 1040})),
	},
		against("goroutine#2", metricCPU, 1.02, 0.85, 1.21, 20, "none"),
		against("goroutine#2", metricThroughput, 0.994, 0.93, 1.05, 20, "none"),
	)
	run := ioRun(t)
	run.Experiments = []result.Experiment{e}
	return run
}

func TestGolden(t *testing.T) {
	for name, run := range map[string]result.Run{
		"io": ioRun(t), "awkward": awkwardRun(t), "open": openRun(t), "overload": overloadRun(t), "idle": idleRun(t), "inside": insideRun(t),
	} {
		t.Run(name, func(t *testing.T) { goldens(t, name, run) })
	}
}

// goldens holds all that is made of a run against the files of that name.
func goldens(t *testing.T, name string, run result.Run) {
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
}

// What stands where there is no percentile says why.
func TestPercentile(t *testing.T) {
	e := openRun(t).Experiments[0]
	e.Load.Timeout = scenario.Span(200_000)
	sessions := e
	sessions.Load.Loop = scenario.LoopPartlyOpen
	known := func(n int64, censored, timedOut float64) func(*result.Cell) {
		return func(c *result.Cell) {
			c.LatencyUs = &result.Percentiles{N: n, Mean: 90_000, Max: 199_000, Censored: censored, TimedOut: timedOut}
		}
	}
	none := func(c *result.Cell) { c.LatencyUs, c.Due = nil, 109 }
	for _, tt := range []struct {
		name     string
		exp      result.Experiment
		cell     result.Cell
		p50, p99 string
	}{
		{"both are known", e, cell("pool", "pool"), "10.1 ms", "47.0 ms"},
		{"too few requests", e, cell("pool", "pool", known(5, 0, 0)), "n/a (5 of 6 requests)", "n/a (5 of 368 requests)"},
		{"a third gave up", e, cell("pool", "pool", known(1000, .34, .34), func(c *result.Cell) { c.LatencyUs.P50 = new(90_000.0) }), "90.0 ms", "> 200 ms"},
		{"most gave up", e, cell("pool", "pool", known(1000, .9, .9)), "> 200 ms", "> 200 ms"},
		{"a third was hung up on", e, cell("pool", "pool", known(1000, .34, 0), func(c *result.Cell) { c.LatencyUs.P50 = new(90_000.0) }), "90.0 ms", "n/a (34 % unanswered)"},
		{"some gave up, more were hung up on", e, cell("pool", "pool", known(1000, .6, .3)), "n/a (60 % unanswered)", "> 200 ms"},
		{"one of three gave up", e, cell("pool", "pool", known(2, 1./3, 1./3)), "n/a (2 of 6 requests)", "n/a (2 of 368 requests)"},
		{"few were answered, and there were enough", e, cell("pool", "pool", known(4, .99, .99)), "> 200 ms", "> 200 ms"},
		{"none of those due was answered", e, cell("pool", "pool", none), "n/a (none of the 109 due was answered)", "n/a (none of the 109 due was answered)"},
		{"nor of sessions", sessions, cell("pool", "pool", none), "n/a (none of the 109 sessions due was answered)", "n/a (none of the 109 sessions due was answered)"},
		{"nobody in a closed loop", ioRun(t).Experiments[0], cell("pool", "pool", none, func(c *result.Cell) { c.Due = 0 }), "n/a (none was answered)", "n/a (none was answered)"},
		{"a server that was not measured", e, result.Cell{Label: "pool"}, "–", "–"},
		{"one that can't take part", e, result.Cell{Label: "pool", Slices: 0, Unable: "why"}, "–", "–"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if p50, p99 := colP50.of(tt.exp, tt.cell), colP99.of(tt.exp, tt.cell); p50 != tt.p50 || p99 != tt.p99 {
				t.Errorf("p50 %q, p99 %q; want %q, %q", p50, p99, tt.p50, tt.p99)
			}
		})
	}
}

// Of who can't take part no page has a figure.
func TestUnableHasNoFigures(t *testing.T) {
	held := func(asked, answered, before, after int64) result.Slice {
		return result.Slice{Label: "iterative", Phase: result.PhaseHold, Block: 0,
			Held: &result.Held{Asked: asked, Connected: asked, Answered: answered, RSSBeforeBytes: before, RSSAfterBytes: after}}
	}
	run := idleRun(t)
	e := &run.Experiments[0]
	*e = analysis.Analyse(*e, []result.Slice{held(1000, 1, 10_000_000, 10_123_456), {Label: "iterative", Phase: result.PhasePilot, Unable: "no place"}})
	i := slices.IndexFunc(e.Cells, func(c result.Cell) bool { return c.Label == "iterative" })
	e.Cells = e.Cells[i : i+1]
	for name, text := range map[string]string{"Markdown": Markdown(run), "CSV": CSV(run), "the table": Table(*e, 0)} {
		if strings.Contains(text, "123,456") || strings.Contains(text, "123456") || !strings.Contains(text, "no place") {
			t.Errorf("%s has what a connection would have cost, or no reason:\n%s", name, text)
		}
	}
}

func TestMarkupIsEscaped(t *testing.T) {
	if got, want := escape(`a\b|c*d_e`), `a\\b\|c\*d\_e`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A part that is narrower than the others is said to be.
func TestNarrowerPartsAreMarked(t *testing.T) {
	e := overloadRun(t).Experiments[0]
	for i := range e.Cells {
		e.Cells[i].GoodputSeries = cycle(53, func(int) (int64, int64) { return 10, 10 })
	}
	if got := Table(e, 0); !strings.Contains(got, "every 250 ms of the load's cycle (the last 150 ms)\n") {
		t.Errorf("%s", got)
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
	slow := func(s string) scenario.Slow {
		x, err := scenario.ParseSlow(s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	cycle := func(s string) scenario.Cycle {
		c, err := scenario.ParseCycle(s)
		if err != nil {
			t.Fatal(err)
		}
		return c
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
		{"lognormal waits", custom(func(s *scenario.Scenario) { s.Wait = dist("lognormal:5ms,cs2=4") }),
			"1 client, one request per connection, each request waits ≈ 5 ms (lognormal, variance 4 × mean²)"},
		{"connections held beside", custom(func(s *scenario.Scenario) { s.Clients, s.RequestsPerConnection, s.Idle = 64, 100, 1000 }),
			"64 clients, 100 requests per connection, beside 1,000 connections held silent"},
		{"slow clients", custom(func(s *scenario.Scenario) { s.Clients, s.Slow = 64, slow("10%*200ms") }),
			"64 clients, one request per connection, 6 of 64 clients take 200 ms to send a request"},
		{"times in the unit that suits them", custom(func(s *scenario.Scenario) { s.Wait, s.Timeout = dist("exp:1250us"), 1_250_000 }),
			"1 client, one request per connection, each request waits ≈ 1.25 ms (exponential), clients wait 1.25 s for an answer"},
		{"a rate with thousands and decimals", custom(func(s *scenario.Scenario) { s.Loop, s.Clients, s.Rate, s.Arrivals = "open", 0, 12345.678, "poisson" }),
			"requests arrive at 12,345.678/s (Poisson)"},
		{"a cycle of one phase doesn't vary", custom(func(s *scenario.Scenario) {
			s.Loop, s.Clients, s.Rate, s.Arrivals, s.Cycle = "open", 0, 500, "poisson", cycle("1s*1")
		}), "requests arrive at 500/s (Poisson)"},
		{"whatever it is a multiple of", custom(func(s *scenario.Scenario) {
			s.Loop, s.Clients, s.OfCapacity, s.Arrivals, s.Cycle = "open", 0, true, "poisson", cycle("1s*0.8")
		}), "requests arrive at 0.8 × what the reference answers at most (Poisson)"},
		{"an open loop", custom(func(s *scenario.Scenario) { s.Loop, s.Clients, s.Rate, s.Arrivals = "open", 0, 5000, "poisson" }),
			"requests arrive at 5,000/s (Poisson)"},
		{"constant arrivals", custom(func(s *scenario.Scenario) { s.Loop, s.Clients, s.Rate, s.Arrivals = "open", 0, 0.5, "constant" }),
			"requests arrive at 0.5/s (evenly spaced)"},
		{"requests that take their time", custom(func(s *scenario.Scenario) {
			s.Loop, s.Clients, s.Rate, s.Arrivals, s.Slow = "open", 0, 100, "poisson", slow("2.5%*1s")
		}), "requests arrive at 100/s (Poisson), 2.5 % of requests take 1 s to be sent"},
		{"a partly open one", custom(func(s *scenario.Scenario) {
			s.Loop, s.Clients, s.Rate, s.Arrivals, s.RequestsPerConnection, s.Think = "partly-open", 0, 200, "poisson", 5, dist("exp:1s")
		}), "sessions of 5 requests arrive at 200/s (Poisson), ≈ 1 s (exponential) of thinking between them"},
		{"bursts", custom(func(s *scenario.Scenario) {
			s.Loop, s.Clients, s.Rate, s.Arrivals, s.Cycle = "open", 0, 8000, "poisson", cycle("250ms*1,750ms*0")
		}), "requests arrive at 8,000/s (Poisson) for 250 ms of every second"},
		{"bursts of another measure", custom(func(s *scenario.Scenario) {
			s.Loop, s.Clients, s.Rate, s.Arrivals, s.Cycle = "open", 0, 8000, "poisson", cycle("1s*0,1s*1")
		}), "requests arrive at 8,000/s (Poisson) for 1 s of every 2 s"},
		{"a rate that varies, of unknown capacity", custom(func(s *scenario.Scenario) {
			s.Loop, s.Clients, s.OfCapacity, s.Arrivals, s.Cycle, s.Timeout = "open", 0, true, "poisson", cycle("1s*0.5,1s*1.5"), 1e6
		}), "requests arrive at 0.5 and 1.5 × what the reference answers at most (Poisson), a second each, clients wait 1 s for an answer"},
		{"phases that differ in length", custom(func(s *scenario.Scenario) {
			s.Loop, s.Clients, s.Rate, s.Arrivals, s.Cycle = "open", 0, 100, "poisson", cycle("1s*0.5,2s*1.5")
		}), "requests arrive 1 s at 0.5 and 2 s at 1.5 × 100/s (Poisson)"},
		{"the old conversation", custom(func(s *scenario.Scenario) { s.Conversation = "once" }),
			"1 client, one request per connection, conversation once"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := load(result.Experiment{Load: tt.load}); got != tt.want {
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
		{"many are not, and need no words", func(e *result.Experiment, r *result.Run) { r.Quick, e.Blocks, e.Rounds = false, 12, 48 },
			"× 12 restarts × 4 rounds · 4.31 s · stopped by budget · server on CPU 0, clients on CPU 1\n", "verdict"},
		{"an interrupt leaves intervals", func(e *result.Experiment, r *result.Run) { e.Blocks, e.Rounds, e.StoppedBy = 12, 48, "interrupt" },
			"\ninterrupted: intervals, no verdicts\n", "quick"},
		{"so does a record that ends in the middle", func(e *result.Experiment, r *result.Run) { e.Blocks, e.Rounds, e.StoppedBy = 12, 48, "" },
			"\ncut short: intervals, no verdicts\n", "quick"},
		{"an interrupted quick look is a quick look", func(e *result.Experiment, r *result.Run) { e.StoppedBy = "interrupt" }, "\nquick look", "interrupted:"},
		{"a suspect one", func(e *result.Experiment, r *result.Run) { e.Blocks, e.Rounds, e.Suspect = 12, 48, true },
			"\nsuspect: goroutine and its twin, the same server again, came out different: no verdicts\n", "quick"},
		{"rounds left out", func(e *result.Experiment, r *result.Run) {
			e.Blocks, e.Rounds, e.RoundsLeftOut, e.Comparisons = 14, 56, 3, nil
		},
			"clients on CPU 1\n3 of 56 rounds left out of comparisons: the host or other processes took CPU time\n", "verdict"},
		{"so many that too few are left", func(e *result.Experiment, r *result.Run) {
			e.Blocks, e.Rounds, e.RoundsLeftOut = 14, 56, 30
			e.Comparisons = []result.Comparison{{Metric: metricCPU, Model: "pool", Ratio: result.Ratio{Blocks: 8}}}
		}, "\n30 of 56 rounds left out of comparisons: the host or other processes took CPU time; too few are left for verdicts\n", "quick"},
		{"a round left out of a quick look", func(e *result.Experiment, r *result.Run) { e.RoundsLeftOut = 1 },
			"\nquick look, no verdicts: only differences above 2 × are named\n1 of 20 rounds left out of comparisons", ""},
		{"CPUs of the experiment go before the run's", func(e *result.Experiment, r *result.Run) { e.ServerCPUs, e.LoadCPUs = "0-1", "2" }, "server on CPUs 0-1, clients on CPU 2", ""},
		{"a model alone is not compared", func(e *result.Experiment, r *result.Run) { e.Reference = "" }, "4 models", "verdict"},
		{"an interrupted restart is not counted as one", func(e *result.Experiment, r *result.Run) { e.Rounds, e.StoppedBy = 18, "interrupt" },
			"4 models and a twin × 18 rounds (5 restarts completed) · 4.31 s · stopped by interrupt", ""},
		{"servers that are not ours are counted apart", func(e *result.Experiment, r *result.Run) {
			e.Entries = slices.Clone(e.Entries)
			e.Entries[0].Command, e.Entries[2].Attach = "mine {port}", "127.0.0.1:8080"
		}, "2 models, 2 foreign servers and a twin × 5 restarts", ""},
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

func TestEngineLine(t *testing.T) {
	const ratios = " Ratios of CPU per request mean what they say; requests/s and latencies are of server and clients together.\n"
	for _, tt := range []struct {
		name, engine, server, load string
		want                       string
	}{
		{"the instrument at its best", "epoll", "0", "1", ""},
		{"a record that doesn't name its engine", "", "0", "1", ""},
		{"the portable engine", "net", "0", "1", "Mind the instrument: clients on package net need more CPU and send later." + ratios},
		{"nothing pinned", "epoll", "", "", "Mind the instrument: server and clients are not pinned and take CPU from each other." + ratios},
		{"one side pinned", "epoll", "0", "", "Mind the instrument: one side is not pinned and may take CPU from the other." + ratios},
		{"one CPU", "epoll", "0", "0", "Mind the instrument: server and clients share CPUs." + ratios},
		{"a system without either", "net", "", "", "Mind the instrument: clients on package net need more CPU and send later; server and clients are not pinned and take CPU from each other." + ratios},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run := result.Run{Engine: tt.engine, Environment: result.Environment{ServerCPUs: tt.server, LoadCPUs: tt.load}}
			if got := EngineLine(run); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestAHeaderSaysWhatEndedAnExperiment(t *testing.T) {
	for _, tt := range []struct {
		name             string
		stopped          string
		blocks           int
		took, budget     float64
		want, wantsNever string
	}{
		{"the budget is spent", "budget", 20, 48, 50, "stopped by budget", "restarts done"},
		{"the next restart would not have fitted", "budget", 1, 14, 30, "stopped by budget", "restarts done"},
		{"five of a quick look", "budget", 5, 3.7, 30, "all restarts done", "stopped by"},
		{"so many restarts, however long they take", "budget", 1, 14, 86400, "all restarts done", "stopped by"},
		{"precise before that", "precision", 10, 12, 50, "stopped by precision", "restarts done"},
		{"a record that has no budget", "budget", 10, 12, 0, "stopped by budget", "restarts done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := result.Experiment{StoppedBy: tt.stopped, Blocks: tt.blocks, Rounds: tt.blocks, DurationS: tt.took, BudgetS: tt.budget}
			if got := Header(e, result.Run{}); !strings.Contains(got, tt.want) || strings.Contains(got, tt.wantsNever) {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
		})
	}
}

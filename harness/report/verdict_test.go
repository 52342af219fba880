package report

import (
	"encoding/csv"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// between is a comparison with an interval, whose verdict is read off it as
// the record's are.
func between(model, metric string, estimate, low, high float64, change ...func(*result.Comparison)) result.Comparison {
	c := result.Comparison{
		Metric: metric, Reference: "goroutine", Model: model, Confidence: 1 - 0.05/6, Verdict: result.VerdictSame,
		Ratio:      result.Ratio{Estimate: estimate, Low: &low, High: &high, Blocks: 14},
		Seen:       result.Seen{Median: estimate, Low: 0.9 * low, High: 1.1 * high, N: 56},
		Resolution: new(math.Sqrt(high/low) - 1),
	}
	if !isRanked(metric) {
		c.Confidence, c.Seen.N = 0.999, 14
	}
	switch {
	case low > 1:
		c.Verdict = result.VerdictMore
	case high < 1:
		c.Verdict = result.VerdictLess
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func none(why string) func(*result.Comparison) {
	return func(c *result.Comparison) { c.Verdict, c.Why = result.VerdictNone, why }
}

func grouped(model, reference string) func(*result.Comparison) {
	return func(c *result.Comparison) { c.Group, c.ReferenceGroup = model, reference }
}

func withAll(estimate, low, high float64) func(*result.Comparison) {
	return func(c *result.Comparison) {
		c.AllRounds = &result.Ratio{Estimate: estimate, Low: &low, High: &high, Blocks: 14}
	}
}

// left is a model that left after three rounds.
func left(model, metric string, median, low, high float64, verdict string) result.Comparison {
	c := against(model, metric, median, low, high, 3, verdict)
	c.Confidence = 1 - 0.05/6
	if verdict == result.VerdictNone {
		c.Why = "it left the others after 3 rounds, being more than a factor of 2 away; a verdict takes ten restarts"
	}
	return c
}

func sameServer(metric string, estimate, low, high float64) result.Comparison {
	return between("goroutine#2", metric, estimate, low, high, none("the same server again"), func(c *result.Comparison) { c.Confidence = 0.995 })
}

func limited(name string, size, peak int64) func(*result.Cell) {
	return func(c *result.Cell) { c.Limit, c.HeldPeak = &result.Limit{Name: name, Size: size}, peak }
}

func busy(c *result.Cell) {
	c.Slices, c.ServiceUs, c.WaitedUs = 56, nil, nil
	c.ThroughputPerS = spread(48_100, 46_000, 50_300)
	c.ServerCPUUsPerRequest, c.ServerCPUUtilisation = spread(20.1, 19.2, 21.7), spread(.98, .97, .99)
	c.LatencyUs = percentiles(2_600_000, 1_330, 1_210, 2_840)
	c.BoundBy, c.BoundByWhy = "server", "its CPU 98 % busy"
}

// finished is a run of an experiment that went on until verdicts could be given.
func finished(t *testing.T, play string, cells []result.Cell, comparisons ...result.Comparison) result.Run {
	e := experiment(named(t, play), cells, comparisons...)
	e.Blocks, e.Rounds, e.RoundsPerBlock, e.DurationS, e.StoppedBy = 14, 56, 4, 20.3, "precision"
	e.ServerCPUs, e.LoadCPUs = "0", "1"
	run := ioRun(t)
	run.Quick, run.Name, run.Engine = false, play, "epoll"
	run.Command = "workbench run --scenario " + play + " --seed 1"
	run.Experiments = []result.Experiment{e}
	return run
}

// verdictRun has a verdict of every kind.
func verdictRun(t *testing.T) result.Run {
	return finished(t, "keepalive", []result.Cell{
		cell("goroutine", "goroutine", busy),
		cell("goroutine#2", "goroutine", twin, busy),
		cell("iterative", "iterative", busy, func(c *result.Cell) {
			c.ServerCPUUsPerRequest, c.ThroughputPerS = spread(15.3, 14, 16), spread(60_200, 58_000, 62_000)
		}),
		cell("pool", "pool:workers=64", busy, limited("workers", 64, 64), func(c *result.Cell) { c.LatencyUs = percentiles(2_600_000, 1_380, 1_260, 3_210) }),
		cell("errgroup", "errgroup:limit=128", busy, limited("goroutines", 128, 64)),
	},
		sameServer(metricCPU, 1.004, 0.99, 1.018),
		sameServer(metricThroughput, 0.996, 0.98, 1.012),
		between("iterative", metricCPU, 0.76, 0.741, 0.779, grouped("a", "b")),
		between("iterative", metricThroughput, 1.252, 1.212, 1.293, grouped("a", "b")),
		between("iterative", result.MetricP50, 0.797, 0.75, 0.84),
		between("iterative", result.MetricP99, 0.95, 0.88, 1.03),
		between("pool", metricCPU, 1.027, 1.008, 1.046, grouped("c", "b")),
		between("pool", metricThroughput, 0.985, 0.952, 1.019, grouped("b", "b")),
		between("pool", result.MetricP50, 1.03, 0.99, 1.07),
		between("pool", result.MetricP99, 1.128, 1.061, 1.2),
		between("errgroup", metricCPU, 1.005, 0.984, 1.026, grouped("bc", "b")),
		between("errgroup", metricThroughput, 0.99, 0.953, 1.028, grouped("b", "b")),
		between("errgroup", result.MetricP50, 1.01, 0.97, 1.05),
		between("errgroup", result.MetricP99, 1.02, 0.93, 1.12),
	)
}

// mixedRun is the tour's second experiment gone on: three models left, one is
// told from the reference.
func mixedRun(t *testing.T) result.Run {
	gone := func(c *result.Cell) { c.Slices = 3 }
	run := finished(t, "io", []result.Cell{
		cell("goroutine", "goroutine"),
		cell("goroutine#2", "goroutine", twin),
		cell("errgroup", "errgroup:limit=48", full("goroutines", "48 of 48 at work", 48, 4600, 3_600), func(c *result.Cell) { c.ServerCPUUsPerRequest = spread(58.8, 50, 63) }),
		cell("pool", "pool:workers=16", full("workers", "16 of 16 workers busy", 16, 1540, 30_800), gone),
		cell("iterative", "iterative", full("one at a time", "one at a time", 1, 97.3, 641_000), gone),
	},
		sameServer(metricCPU, 1.002, 0.99, 1.014), sameServer(metricThroughput, 1, 0.995, 1.005),
		between("errgroup", metricCPU, 0.962, 0.938, 0.981), between("errgroup", metricThroughput, 0.766, 0.761, 0.771),
		left("pool", metricCPU, 0.95, 0.93, 0.97, "none"), left("pool", metricThroughput, 0.256, 0.25, 0.26, "large"),
		left("iterative", metricCPU, 0.76, 0.75, 0.78, "none"), left("iterative", metricThroughput, 0.0161, 0.0158, 0.0165, "large"),
	)
	run.Experiments[0].Warnings = []string{"errgroup, CPU per request: the interval (-3.8 %, -6.2 to -1.9) shows a difference, a signed rank test of the same restarts finds no difference (p = 0.07): look at single restarts before believing either"}
	return run
}

// suspectRun is one in which the twin differs.
func suspectRun(t *testing.T) result.Run {
	run := verdictRun(t)
	e := &run.Experiments[0]
	e.Suspect = true
	const why = "suspect: goroutine#2, the same server as goroutine, differs from it in CPU per request by +3.1 %, +1.2 to +5.0"
	for i := range e.Comparisons {
		c := &e.Comparisons[i]
		if c.Model == "goroutine#2" {
			continue
		}
		c.Verdict, c.Why, c.Group, c.ReferenceGroup = result.VerdictNone, why, "", ""
	}
	e.Comparisons[0] = sameServer(metricCPU, 1.031, 1.012, 1.05)
	e.Warnings = []string{why + ": no verdict of this experiment is to be believed, so none is given"}
	return run
}

// interruptedRun was stopped after enough restarts.
func interruptedRun(t *testing.T) result.Run {
	run := verdictRun(t)
	run.StoppedBy = "interrupt"
	e := &run.Experiments[0]
	e.StoppedBy, e.Rounds = "interrupt", 57
	for i := range e.Comparisons {
		c := &e.Comparisons[i]
		if c.Model != "goroutine#2" {
			c.Verdict, c.Why, c.Group, c.ReferenceGroup = result.VerdictNone, "the experiment was interrupted", "", ""
		}
	}
	return run
}

// leftOutRun lost rounds to the host, on which some verdicts rest.
func leftOutRun(t *testing.T) result.Run {
	run := verdictRun(t)
	e := &run.Experiments[0]
	e.RoundsLeftOut, e.StoppedBy = 3, "budget"
	for i := range e.Comparisons {
		c := &e.Comparisons[i]
		switch c.Model + " " + c.Metric {
		case "pool " + metricCPU: // a difference that is none with all
			withAll(1.02, 0.99, 1.051)(c)
		case "pool " + metricThroughput: // the other way round
			withAll(0.962, 0.94, 0.985)(c)
		default:
			withAll(c.Ratio.Estimate, *c.Ratio.Low, *c.Ratio.High)(c)
		}
	}
	return run
}

// foreignRun sets a server that is not ours against the reference, whose
// clients were the bottleneck of one model.
func foreignRun(t *testing.T) result.Run {
	run := finished(t, "keepalive", []result.Cell{
		cell("goroutine", "goroutine", busy),
		cell("goroutine#2", "goroutine", twin, busy),
		cell("nginx", "nginx", busy, func(c *result.Cell) {
			c.Model, c.BoundBy, c.BoundByWhy = "nginx -p {port}", "clients", "their CPU 99 % busy"
			c.ServerCPUUsPerRequest, c.ThroughputPerS = spread(8.31, 8, 9), spread(91_000, 90_000, 92_000)
			c.GCCPUFraction, c.HeldPeak = nil, 0 // nobody counts them
		}),
		cell("pool", "pool:workers=128", busy, limited("workers", 128, 64), func(c *result.Cell) { c.WaitingPeak = 12 }),
	},
		sameServer(metricCPU, 1.004, 0.99, 1.018), sameServer(metricThroughput, 0.996, 0.98, 1.012),
		between("nginx", metricCPU, 0.413, 0.405, 0.421),
		between("nginx", metricThroughput, 1.9, 1.85, 1.95, none("the clients were the bottleneck: these are lower bounds, which have no order")),
		between("pool", metricCPU, 0.997, 0.979, 1.015), between("pool", metricThroughput, 1.001, 0.975, 1.028),
	)
	e := &run.Experiments[0]
	e.Entries[2].Command, e.Entries[2].CPUs = "nginx -p {port}", "0"
	e.Entries[2].Abilities = &result.Abilities{Status: 200, Length: 615, KeepAlive: true, AskedUs: 10_000, WaitedUs: 200}
	return run
}

func TestGoldenVerdicts(t *testing.T) {
	for name, run := range map[string]result.Run{
		"verdict": verdictRun(t), "mixed": mixedRun(t), "suspect": suspectRun(t), "interrupted": interruptedRun(t),
		"left-out": leftOutRun(t), "foreign": foreignRun(t),
	} {
		t.Run(name, func(t *testing.T) { goldens(t, name, run) })
	}
}

// The words beside a figure, whole and for a narrow terminal.
func TestVerdictInTable(t *testing.T) {
	for _, tt := range []struct {
		name           string
		c              result.Comparison
		whole, briefly string
	}{
		{"less, with the ends of its interval", between("pool", metricCPU, 0.96, 0.94, 0.98), "4 % less (2–6)", "4 % less"},
		{"more", between("pool", metricCPU, 1.243, 1.221, 1.265), "24 % more (22–26)", "24 % more"},
		{"a narrow interval has a decimal", between("pool", metricCPU, 0.992, 0.986, 0.998), "0.8 % less (0.2–1.4)", "0.8 % less"},
		{"no end is printed as none", between("pool", metricCPU, 0.9498, 0.9001, 0.9996), "5.02 % less (0.04–9.99)", "5.02 % less"},
		{"nor as the other", between("pool", metricCPU, 1.05, 1.0499, 1.0501), "5.000 % more (4.990–5.010)", "5.000 % more"},
		{"above twice it is a factor", between("pool", metricCPU, 2.31, 2.12, 2.56), "× 2.3 (2.1–2.6)", "× 2.3"},
		{"and below half", between("pool", metricCPU, 0.4329, 0.392, 0.48), "÷ 2.3 (2.1–2.6)", "÷ 2.3"},
		{"a factor's end is not printed as 1", between("pool", metricCPU, 2.31, 1.02, 5.2), "× 2.31 (1.02–5.20)", "× 2.31"},
		{"up to twice it is not", between("pool", metricCPU, 1.98, 1.8, 2.2), "98 % more (80–120)", "98 % more"},
		{"no difference, and what would have shown", between("pool", metricCPU, 1.005, 0.984, 1.026), "no difference (±2.1 %)", "~ ±2.1 %"},
		{"large", against("pool", metricCPU, 0.256, 0.25, 0.26, 3, "large"), "large ÷ 3.9", "large ÷ 3.9"},
		{"large, and nothing answered", against("pool", metricThroughput, 0, 0, 0.01, 3, "large"), "large", "large"},
		{"none", against("pool", metricCPU, 0.9, 0.8, 1.1, 20, "none"), "", ""},
		{"none in spite of an interval", between("pool", metricCPU, 0.9, 0.8, 0.95, none("the experiment was interrupted")), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pool := cell("pool", "pool")
			e := experiment(named(t, "io"), []result.Cell{pool}, tt.c)
			if got, short := Verdict(e, pool, tt.c.Metric), briefly(e, pool, tt.c.Metric); got != tt.whole || short != tt.briefly {
				t.Errorf("%q, briefly %q; want %q, %q", got, short, tt.whole, tt.briefly)
			}
			if other := cell("goroutine", "goroutine"); Verdict(e, other, tt.c.Metric) != "" {
				t.Error("the reference has a verdict")
			}
		})
	}
}

func TestPercent(t *testing.T) {
	for share, want := range map[float64]string{
		0: "0", 0.00004: "0.0040", 0.0083: "0.83", 0.00996: "1.0", 0.02: "2.0", 0.0214: "2.1", 0.0994: "9.9", 0.0996: "10", 0.125: "13", 12.5: "1,250",
	} {
		if got := percent(share); got != want {
			t.Errorf("percent(%v) = %q, want %q", share, got, want)
		}
	}
}

// Letters stand in a table only where they tell something apart among three.
func TestGroup(t *testing.T) {
	for _, tt := range []struct {
		name                        string
		goroutine, pool, errgroup   string
		wantGoroutine, wantErrgroup string
	}{
		{"three apart", "a", "b", "c", "a", "c"},
		{"one between two", "a", "b", "ab", "a", "ab"},
		{"all in one", "a", "a", "a", "", ""},
		{"all share one of two", "a", "ab", "ab", "", ""},
		{"two with letters", "a", "", "b", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := experiment(named(t, "io"), nil,
				between("pool", metricCPU, 1, 0.9, 1.1, grouped(tt.pool, tt.goroutine)), between("errgroup", metricCPU, 1, 0.9, 1.1, grouped(tt.errgroup, tt.goroutine)))
			if a, b := group(e, cell("goroutine", "goroutine"), metricCPU), group(e, cell("errgroup", "errgroup"), metricCPU); a != tt.wantGoroutine || b != tt.wantErrgroup {
				t.Errorf("%q and %q, want %q and %q", a, b, tt.wantGoroutine, tt.wantErrgroup)
			}
		})
	}
}

// What an experiment of fourteen restarts shows, in words.
func TestFindings(t *testing.T) {
	const fine = "goroutine answers all that the clients ask for: on average a request spends 300 µs beside its work of 10.3 ms."
	const interrupted = "the experiment was interrupted"
	ref := cell("goroutine", "goroutine")
	pool := cell("pool", "pool:workers=16")
	errgroup := cell("errgroup", "errgroup:limit=128")
	both := func(model string) []result.Comparison {
		return []result.Comparison{between(model, metricCPU, 1.005, 0.984, 1.026), between(model, metricThroughput, 0.99, 0.953, 1.028)}
	}
	for _, tt := range []struct {
		name        string
		cells       []result.Cell
		comparisons []result.Comparison
		change      func(*result.Experiment)
		want        []string
	}{
		{"no difference, and how small a one would have shown", []result.Cell{ref, errgroup}, both("errgroup"), nil,
			[]string{"errgroup:limit=128 and goroutine: no difference found. More than 2.1 % in CPU per request or 3.9 % in requests/s would have shown."}},
		{"of several nothing is said of each other, and the widest is true of all", []result.Cell{ref, errgroup, pool},
			append(both("errgroup"), between("pool", metricCPU, 1.01, 0.96, 1.06), between("pool", metricThroughput, 1, 0.98, 1.02)), nil,
			[]string{"errgroup:limit=128 and pool:workers=16: no difference from goroutine found. More than 5.1 % in CPU per request or 3.9 % in requests/s would have shown."}},
		{"one metric differs and the other doesn't", []result.Cell{ref, pool},
			[]result.Comparison{between("pool", metricCPU, 0.76, 0.741, 0.779), between("pool", metricThroughput, 0.99, 0.953, 1.028)}, nil,
			[]string{"CPU per request: pool:workers=16 needs 24 % less than goroutine (22–26). A difference above 2.5 % would have shown.",
				"pool:workers=16 and goroutine: no difference found in requests/s. More than 3.9 % would have shown."}},
		{"several differ in one", []result.Cell{ref, pool, errgroup},
			[]result.Comparison{between("pool", metricThroughput, 0.9, 0.87, 0.93), between("errgroup", metricThroughput, 2.3, 2.1, 2.5)}, nil,
			[]string{"Requests/s: pool:workers=16 answers 10 % fewer than goroutine (7–13), errgroup:limit=128 2.3 × as many (2.1–2.5). A difference above 9.1 % would have shown."}},
		{"a percentile, with its own confidence", []result.Cell{ref, pool, errgroup},
			[]result.Comparison{between("pool", result.MetricP99, 1.12, 1.07, 1.17), between("errgroup", result.MetricP99, 0.42, 0.4, 0.44), between("pool", result.MetricP50, 1, 0.9, 1.1)}, nil,
			[]string{"p99: pool:workers=16's is 12 % longer than goroutine's (7–17), errgroup:limit=128's 2.4 × shorter (2.3–2.5), at 99.9 % confidence. A difference above 4.9 % would have shown."}},
		{"where speed decides nothing", []result.Cell{ref, cell("errgroup", "errgroup:limit=128", limited("goroutines", 128, 64))}, both("errgroup"), nil,
			[]string{"errgroup:limit=128 and goroutine: no difference found. More than 2.1 % in CPU per request or 3.9 % in requests/s would have shown.",
				"The limit of 128 was never reached (peak 64): here errgroup:limit=128 is goroutine-per-connection.",
				"Choose by something else than speed: errgroup:limit=128 bounds memory, goroutine does not."}},
		{"unless a percentile does", []result.Cell{ref, cell("errgroup", "errgroup:limit=128", limited("goroutines", 128, 64))},
			append(both("errgroup"), between("errgroup", result.MetricP99, 1.12, 1.07, 1.17)), nil,
			[]string{"p99: errgroup:limit=128's is 12 % longer than goroutine's (7–17), at 99.9 % confidence. A difference above 4.6 % would have shown.",
				"errgroup:limit=128 and goroutine: no difference found. More than 2.1 % in CPU per request or 3.9 % in requests/s would have shown.",
				"The limit of 128 was never reached (peak 64): here errgroup:limit=128 is goroutine-per-connection."}},
		{"one reason for all, once", []result.Cell{ref, pool, errgroup},
			[]result.Comparison{between("pool", metricCPU, 0.96, 0.94, 0.98, none(interrupted)), between("pool", metricThroughput, 1, 0.97, 1.03, none(interrupted)),
				between("errgroup", metricCPU, 1, 0.99, 1.01, none(interrupted)), between("errgroup", metricThroughput, 1, 0.98, 1.02, none(interrupted))}, nil,
			[]string{"pool:workers=16 and errgroup:limit=128: no verdict on CPU per request and requests/s, since the experiment was interrupted. Intervals, as multiples of goroutine's, in that order: CPU per request 0.94–0.98 and 0.99–1.01; requests/s 0.97–1.03 and 0.98–1.02."}},
		{"those who left have no verdict on the rest", []result.Cell{ref, pool, errgroup},
			[]result.Comparison{left("pool", metricCPU, 0.95, 0.9, 1, "none"), left("errgroup", metricCPU, 0.76, 0.7, 0.8, "none")}, nil,
			[]string{"pool:workers=16 and errgroup:limit=128: no verdict on CPU per request, since each left the others after 3 rounds, being more than a factor of 2 away; a verdict takes ten restarts. Seen in the median round, as multiples of goroutine's, in that order: CPU per request 0.95 and 0.76."}},
		{"what bounds the throughput is said without it", []result.Cell{ref, cell("pool", "pool:workers=16", func(c *result.Cell) { c.BoundBy, c.BoundByWhy = "clients", "their CPU 99 % busy" })},
			[]result.Comparison{between("pool", metricCPU, 1.005, 0.984, 1.026), between("pool", metricThroughput, 1.2, 1.1, 1.3, none("the clients were the bottleneck"))}, nil,
			[]string{"pool:workers=16 and goroutine: no difference found in CPU per request. More than 2.1 % would have shown.",
				"The clients were the bottleneck for pool:workers=16: its requests/s are a lower bound (≥) and aren't ranked."}},
		{"a suspect experiment gives the alarm and large differences alone", []result.Cell{ref, cell("goroutine#2", "goroutine", twin), pool},
			[]result.Comparison{sameServer(metricCPU, 1.031, 1.012, 1.05), sameServer(metricThroughput, 1, 0.98, 1.02), between("pool", metricCPU, 0.96, 0.94, 0.98, none("suspect: x"))},
			func(e *result.Experiment) {
				e.Suspect, e.Warnings = true, []string{"suspect: x: no verdict of this experiment is to be believed, so none is given"}
			},
			[]string{"Suspect: the twin of goroutine, the same server again, came out at 1.03 × in CPU per request (interval 1.01–1.05 ×). Something other than the servers makes a difference here, or this is the one time in a hundred that chance does: no difference is to be believed, so there are no verdicts. See what disturbs the machine (workbench doctor), and run it again."}},
		{"a twin that doesn't differ is not spoken of", []result.Cell{ref, cell("goroutine#2", "goroutine", twin)},
			[]result.Comparison{sameServer(metricCPU, 1, 0.98, 1.02)}, nil, nil},
		{"a verdict that rests on the rounds left out", []result.Cell{ref, pool},
			[]result.Comparison{between("pool", metricCPU, 1.05, 1.02, 1.08, withAll(1.03, 0.99, 1.07)), between("pool", metricThroughput, 1, 0.98, 1.02, withAll(0.96, 0.94, 0.98))},
			func(e *result.Experiment) { e.RoundsLeftOut = 3 },
			[]string{"CPU per request: pool:workers=16 needs 5 % more than goroutine (2–8). A difference above 2.9 % would have shown.",
				"pool:workers=16 and goroutine: no difference found in requests/s. More than 2.0 % would have shown.",
				"Note: with the 3 rounds counted that were left out, no difference in CPU per request would be found between pool:workers=16 and goroutine (±4.0 %).",
				"Note: with the 3 rounds counted that were left out, requests/s of pool:workers=16 would come out 4 % fewer than goroutine's (2–6)."}},
		{"one that doesn't needs no note", []result.Cell{ref, pool},
			[]result.Comparison{between("pool", metricCPU, 1.05, 1.02, 1.08, withAll(1.04, 1.01, 1.07))},
			func(e *result.Experiment) { e.RoundsLeftOut = 3 },
			[]string{"CPU per request: pool:workers=16 needs 5 % more than goroutine (2–8). A difference above 2.9 % would have shown."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := experiment(named(t, "io"), tt.cells, tt.comparisons...)
			e.Blocks, e.Rounds = 14, 56
			if tt.change != nil {
				tt.change(&e)
			}
			_, said, _ := strings.Cut(strings.TrimSuffix(Answer(e), "\n"), "\n  ")
			got := slices.DeleteFunc(strings.Split(said, "\n  "), func(s string) bool { return s == fine })
			if diff := gocmp.Diff(tt.want, got, gocmp.Comparer(func(a, b []string) bool { return slices.Equal(a, b) })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCSVHasVerdicts(t *testing.T) {
	run := leftOutRun(t)
	run.Experiments[0].Axes = []scenario.Axis{{Key: "scenario", Value: "keepalive"}, {Key: "clients", Value: "64"}}
	records, err := csv.NewReader(strings.NewReader(CSV(run))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	value := func(label, column string) string {
		t.Helper()
		i, row := slices.Index(records[0], column), slices.IndexFunc(records, func(r []string) bool { return slices.Contains(r, label) })
		if i < 0 || row < 0 {
			t.Fatalf("no column %q or no row of %q", column, label)
		}
		return records[row][i]
	}
	for _, tt := range []struct{ label, column, want string }{
		{"pool", "server_cpu_us_per_request_ratio", "1.027"},
		{"pool", "server_cpu_us_per_request_ratio_low", "1.008"},
		{"pool", "server_cpu_us_per_request_ratio_high", "1.046"},
		{"pool", "server_cpu_us_per_request_verdict", "more"},
		{"pool", "server_cpu_us_per_request_group", "c"},
		{"pool", "server_cpu_us_per_request_all_rounds_ratio_low", "0.99"},
		{"pool", "throughput_per_s_verdict", "same"},
		{"pool", "latency_us_p99_ratio", "1.128"},
		{"pool", "latency_us_p99_verdict", "more"},
		{"goroutine", "server_cpu_us_per_request_group", "b"},
		{"goroutine", "server_cpu_us_per_request_ratio", ""},
		{"goroutine#2", "throughput_per_s_verdict_why", "the same server again"},
		{"pool", "rounds_left_out", "3"},
		{"pool", "axes", "scenario=keepalive; clients=64"},
		{"pool", "server_cpus", "0"},
	} {
		if got := value(tt.label, tt.column); got != tt.want {
			t.Errorf("%s of %s = %q, want %q", tt.column, tt.label, got, tt.want)
		}
	}
}

// A table with verdicts fits narrow terminals too, and keeps them to the last.
func TestTableWithVerdictsFits(t *testing.T) {
	for name, e := range map[string]result.Experiment{"verdict": verdictRun(t).Experiments[0], "mixed": mixedRun(t).Experiments[0]} {
		for width := 70; width <= 220; width++ {
			text := Table(e, width)
			for line := range strings.Lines(text) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
					t.Errorf("%s: at a width of %d a line has %d: %q", name, width, n, line)
				}
			}
			if !strings.Contains(text, " % less") {
				t.Errorf("%s: at a width of %d there is no verdict:\n%s", name, width, text)
			}
		}
		if Table(e, 0) != Table(e, 1000) {
			t.Error("without a limit the table is not the whole one")
		}
	}
}

func TestConfidenceIsNeverRoundedUp(t *testing.T) {
	for of, want := range map[float64]string{
		0: "99.9", 0.99: "99", 0.999: "99.9", 1 - 0.005/6: "99.9", 1 - 0.005/8: "99.9", 0.9999: "99.9",
	} {
		e := result.Experiment{Comparisons: []result.Comparison{{Metric: result.MetricP99, Confidence: of}}}
		if got := confidence(e, result.MetricP99); got != want {
			t.Errorf("%v is said to be %s %%, want %s", of, got, want)
		}
	}
}

package report

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// simulated is an experiment of so many restarts × 4 rounds with noise like
// ours: the machine drifts from round to round (AR(1)), each fresh process has
// luck of its own (2 %), and so has each slice (15 %). Each label's throughput
// and CPU per request are the reference's by a factor. Each slice has so many
// latencies.
func simulated(seed uint64, name string, blocks, latencies int, factors map[string][2]float64, labels ...string) (result.Experiment, []result.Slice) {
	rng := rand.New(rand.NewPCG(seed, 1))
	exp := result.Experiment{
		Name: name, Scenario: name, Reference: labels[0], RoundsPerBlock: 4, StoppedBy: "budget",
		Load: scenario.Scenario{Name: name, Loop: scenario.LoopClosed, Clients: 64, RequestsPerConnection: 100},
	}
	for _, l := range labels {
		exp.Entries = append(exp.Entries, result.Entry{Label: l, Model: strings.TrimSuffix(l, "#2"), Display: l, Twin: strings.HasSuffix(l, "#2")})
	}
	var taken []result.Slice
	drift := 0.0
	for b := range blocks {
		luck := map[string]float64{}
		for _, l := range labels {
			luck[l] = 0.02 * rng.NormFloat64()
		}
		for r := range 4 {
			drift = 0.9*drift + 0.05*rng.NormFloat64()
			for _, i := range rng.Perm(len(labels)) {
				l := labels[i]
				f, ok := factors[l]
				if !ok {
					f = [2]float64{1, 1}
				}
				slow := math.Exp(drift + luck[l] + 0.15*rng.NormFloat64())
				requests := int64(2000 * f[0] / slow)
				var latency *result.Histogram // 220 KB
				if latencies > 0 {
					latency = result.NewHistogram()
				}
				for k := range latencies {
					latency.Record(time.Duration(float64(k+1) * slow / f[0] * float64(20*time.Microsecond)))
				}
				taken = append(taken, result.Slice{
					Schema: result.SliceSchema, Experiment: name, Phase: result.PhaseRound, Block: b, Round: 4*b + r, Place: i, Label: l, CountUs: 50_000,
					Load: &result.Load{WindowUs: 50_000, Requests: requests, RequestsAll: requests, Clients: 64, ClientsConnected: 64, CPUs: 1,
						WindowCPUUs: 30_000, WindowCPUWallUs: 50_000, Latency: latency},
					Server: &result.Server{CPUUs: float64(requests) * 20 * f[1] * slow, WindowCPUUs: 40_000, WindowCPUWallUs: 50_000, CPUs: 1, GOMAXPROCS: 1,
						RSSPeakBytes: 9_000_000 + int64(b)*1000},
					Host: result.Host{WallUs: 60_000},
				})
			}
		}
	}
	return analysis.Analyse(exp, taken), taken
}

func benchRun(t *testing.T) (result.Run, func(string) ([]result.Slice, error)) {
	t.Helper()
	keepalive, a := simulated(1, "keepalive", 3, 120, map[string][2]float64{"pool:workers=4": {0.9, 1.1}, "python3-8": {0.4, 3}}, "goroutine", "goroutine#2", "pool:workers=4", "python3-8", "127.0.0.1:8080")
	hello, b := simulated(2, "hello", 2, 120, nil, "goroutine", "goroutine#2", "pool:workers=4", "odd name/50%")
	for i := range hello.Cells {
		hello.Cells[i].BoundBy = "clients"
	}
	hello.Suspect = true
	run := result.Run{
		Name: "tour", Seed: 7, Engine: "epoll", Experiments: []result.Experiment{keepalive, hello},
		Environment: result.Environment{OS: "linux", Arch: "amd64", Kernel: "6.18.0", CPUModel: "Some  CPU @ 2.00GHz", GoVersion: "go1.26", Revision: "abc1234", Dirty: true},
	}
	taken := map[string][]result.Slice{"keepalive": a, "hello": b}
	return run, func(name string) ([]result.Slice, error) { return taken[name], nil }
}

func TestBench(t *testing.T) {
	run, slicesOf := benchRun(t)
	text, err := Bench(run, slicesOf)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "bench.txt", text)
	gone := errors.New("gone")
	if _, err := Bench(run, func(string) ([]result.Slice, error) { return nil, gone }); !errors.Is(err, gone) || !strings.Contains(err.Error(), "samples of keepalive") {
		t.Errorf("slices that can't be read: %v", err)
	}
	empty, err := Bench(result.Run{}, nil)
	if err != nil || strings.Contains(empty, "\nBenchmark") || strings.Contains(empty, ": \n") {
		t.Errorf("a run of nothing: %v\n%s", err, empty)
	}
}

// An experiment without a line says why: else it is taken for one that benchstat
// filtered.
func TestBenchOfDisturbedRounds(t *testing.T) {
	exp, taken := simulated(3, "io", 2, 0, nil, "goroutine", "goroutine#2", "pool")
	for i := range taken {
		taken[i].Host.StealUs = 50_000
	}
	exp = analysis.Analyse(exp, taken)
	text, err := Bench(result.Run{Experiments: []result.Experiment{exp}}, func(string) ([]result.Slice, error) { return taken, nil })
	if want := "# io: no samples: the host or other processes interfered with all of its 8 rounds\n"; err != nil || strings.Contains(text, "\nBenchmark") || !strings.Contains(text, want) {
		t.Errorf("%v, want %q in\n%s", err, want, text)
	}
}

// Two experiments whose samples would pass for one's have their own names too.
func TestBenchNames(t *testing.T) {
	at := func(name, scenarioName string, grid int, kv ...string) result.Experiment {
		e := result.Experiment{Name: name, Scenario: scenarioName, Grid: grid}
		for i := 0; i < len(kv); i += 2 {
			e.Axes = append(e.Axes, scenario.Axis{Key: kv[i], Value: kv[i+1]})
		}
		return e
	}
	for _, tt := range []struct {
		name string
		exps []result.Experiment
		want string
	}{
		{"a run's experiments by their names", []result.Experiment{at("io", "io", 0), at("io-2", "io", 0)}, "Workbench/scenario=io Workbench/scenario=io-2"},
		{"a sweep's by their axes", []result.Experiment{at("io-clients-8", "io", 0, "clients", "8"), at("io-clients-64", "io", 0, "clients", "64")},
			"Workbench/scenario=io/clients=8 Workbench/scenario=io/clients=64"},
		{"a scenario that varies is the scenario", []result.Experiment{at("a", "custom", 0, "clients", "8", "scenario", "io"), at("b", "custom", 0, "clients", "8", "scenario", "my/own")},
			"Workbench/scenario=io/clients=8 Workbench/scenario=my%2Fown/clients=8"},
		{"several grids by their numbers", []result.Experiment{at("a", "io", 0), at("b", "io", 1)}, "Workbench/grid=1/scenario=a Workbench/grid=2/scenario=b"},
		{"the same point twice by its names", []result.Experiment{at("x", "io", 0, "clients", "8"), at("x-2", "io", 0, "clients", "8")},
			"Workbench/scenario=io/clients=8/experiment=x Workbench/scenario=io/clients=8/experiment=x-2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := strings.Join(benchNames(result.Run{Experiments: tt.exps}), " "); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestBenchEscape(t *testing.T) {
	seen := map[string]string{}
	for in, want := range map[string]string{
		"pool:workers=4,queue=2": "pool:workers=4,queue=2",
		"python3-8":              "python3-8",
		"127.0.0.1:8080":         "127.0.0.1:8080",
		"goroutine#2":            "goroutine#2",
		"a/b":                    "a%2Fb",
		"a%2Fb":                  "a%252Fb",
		"a b\tc":                 "a%20b%09c",
		"a\u00a0b":               "a%C2%A0b",
		"größer":                 "größer",
	} {
		got := benchEscape(in)
		if got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q become the same", in, other)
		}
		seen[got] = in
	}
}

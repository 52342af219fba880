package analysis

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/stats"
)

// lineOf is a grid's experiments over clients under keepalive, in which each
// model's block means follow the law u to within a few per cent.
func lineOf(clients []int, laws map[string]stats.USL) (result.Run, func(string) ([]result.Slice, error)) {
	run := result.Run{Seed: 7}
	taken := map[string][]result.Slice{}
	for _, n := range clients {
		name := fmt.Sprintf("keepalive-clients-%d", n)
		exp := result.Experiment{
			Name: name, Scenario: "keepalive", Reference: "goroutine", RoundsPerBlock: 1, StoppedBy: "budget",
			Load: scenario.Scenario{Name: "keepalive", Loop: scenario.LoopClosed, Clients: n, RequestsPerConnection: 100},
			Axes: []scenario.Axis{{Key: "clients", Value: fmt.Sprint(n)}},
		}
		for _, label := range []string{"goroutine", "goroutine#2", "pool"} {
			u, ok := laws[strings.TrimSuffix(label, "#2")]
			if !ok {
				continue
			}
			exp.Entries = append(exp.Entries, result.Entry{Label: label, Model: strings.TrimSuffix(label, "#2"), Twin: strings.HasSuffix(label, "#2")})
			exp.Cells = append(exp.Cells, result.Cell{Label: label, Slices: 12, Valid: true, BoundBy: byServer})
			for b := range 12 {
				x := u.At(float64(n)) * (1 + 0.02*math.Sin(float64(7*b+n))) // ± 2 %, of mean 0 nearly
				taken[name] = append(taken[name], result.Slice{
					Experiment: name, Phase: result.PhaseRound, Block: b, Round: b, Label: label, CountUs: 1e6,
					Load:   &result.Load{WindowUs: 1e6, Requests: int64(x), RequestsAll: int64(x), Clients: n, CPUs: 1, WindowCPUUs: 1e5, WindowCPUWallUs: 1e6},
					Server: &result.Server{CPUUs: 5e5, WindowCPUUs: 5e5, WindowCPUWallUs: 1e6, CPUs: 1},
					Host:   result.Host{WallUs: 1e6},
				})
			}
		}
		run.Experiments = append(run.Experiments, exp)
	}
	return run, func(name string) ([]result.Slice, error) { return taken[name], nil }
}

var eight = []int{1, 2, 4, 8, 16, 32, 64, 128}

func TestScale(t *testing.T) {
	laws := map[string]stats.USL{
		"goroutine": {Gamma: 9000, Sigma: 0.02, Kappa: 0.0005},
		"pool":      {Gamma: 8000, Sigma: 0.3, Kappa: 0.002},
	}
	run, slicesOf := lineOf(eight, laws)
	fits, err := Scale(run, slicesOf)
	if err != nil {
		t.Fatal(err)
	}
	if len(fits) != 2 || fits[0].Label != "goroutine" || fits[1].Label != "pool" {
		t.Fatalf("%+v: want one fit of the reference and one of the pool, none of the twin", fits)
	}
	for _, f := range fits {
		u := laws[f.Label]
		if f.Why != "" || f.Gamma == nil || !reflect.DeepEqual(f.Clients, eight) {
			t.Fatalf("%s has no fit over all: %+v", f.Label, f)
		}
		near := func(what string, got *result.Interval, want float64) {
			if math.Abs(got.Estimate-want) > 0.1*want || got.Low > got.Estimate || got.High < got.Estimate {
				t.Errorf("%s: %s is %+v, the law has %v", f.Label, what, *got, want)
			}
		}
		near("γ", f.Gamma, u.Gamma)
		near("σ", f.Sigma, u.Sigma)
		near("κ", f.Kappa, u.Kappa)
		if f.PeakAt == nil {
			t.Errorf("%s has no peak", f.Label)
		}
	}
	again, _ := Scale(run, slicesOf)
	if !reflect.DeepEqual(fits, again) {
		t.Error("the same record gives another fit")
	}
	// A model more takes nothing from the others' fits.
	alone, _ := Scale(lineOf(eight, map[string]stats.USL{"goroutine": laws["goroutine"]}))
	if !reflect.DeepEqual(fits[:1], alone) {
		t.Errorf("beside another model the fit is %+v, alone %+v", fits[0], alone[0])
	}
}

func TestScaleRefuses(t *testing.T) {
	u := map[string]stats.USL{"goroutine": {Gamma: 9000, Sigma: 0.02, Kappa: 0.0005}}
	change := func(at int, f func(*result.Experiment, *result.Cell)) func(*result.Run) {
		return func(r *result.Run) {
			for i := at; i < len(r.Experiments); i++ {
				f(&r.Experiments[i], &r.Experiments[i].Cells[0])
			}
		}
	}
	for _, tt := range []struct {
		name    string
		clients []int
		change  func(*result.Run)
		want    string
	}{
		{"five numbers of clients are too few", eight[:5], func(*result.Run) {}, "a fit takes 6 numbers of clients, there are 5"},
		{"the same number twice is one", []int{1, 2, 4, 8, 16, 16}, func(*result.Run) {}, "a fit takes 6 numbers of clients, there are 5"},
		{"a lower bound is no point of a curve", eight, change(5, func(_ *result.Experiment, c *result.Cell) { c.BoundBy = byClients }),
			"a fit takes 6 numbers of clients, there are 5; lower bounds, with the clients as the bottleneck, at 32, 64 and 128"},
		{"nor is what is not valid", eight, change(5, func(_ *result.Experiment, c *result.Cell) { c.Valid = false }), "there are 5; not valid at 32, 64 and 128"},
		{"nor what is suspect", eight, change(5, func(e *result.Experiment, _ *result.Cell) { e.Suspect = true }), "there are 5; suspect at 32, 64 and 128"},
		{"nor what was not measured", eight, change(3, func(e *result.Experiment, _ *result.Cell) { e.Cells = nil }), "there are 3; not measured at 8, 16, 32, 64 and 128"},
		{"reasons are told apart", eight, func(r *result.Run) {
			r.Experiments[0].Cells[0].Unable = "why"
			r.Experiments[1].Cells[0].Valid, r.Experiments[7].Cells[0].Valid = false, false
		}, "there are 5; can't take part at 1; not valid at 2 and 128"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run, slicesOf := lineOf(tt.clients, u)
			tt.change(&run)
			fits, err := Scale(run, slicesOf)
			if err != nil || len(fits) != 1 {
				t.Fatalf("%+v, %v", fits, err)
			}
			if f := fits[0]; f.Gamma != nil || !strings.Contains(f.Why, tt.want) {
				t.Errorf("Why = %q, want %q in it, and no fit", f.Why, tt.want)
			}
		})
	}
	t.Run("one restart has no spread", func(t *testing.T) {
		run, slicesOf := lineOf(eight, u)
		fits, err := Scale(run, func(name string) ([]result.Slice, error) { s, err := slicesOf(name); return s[:1], err })
		if err != nil || len(fits) != 1 || !strings.Contains(fits[0].Why, "fewer than 2 restarts at 1, 2,") {
			t.Errorf("%+v, %v", fits, err)
		}
	})
	t.Run("a schedule has no clients to vary", func(t *testing.T) {
		run, slicesOf := lineOf(eight, u)
		change(0, func(e *result.Experiment, _ *result.Cell) { e.Load.Loop = scenario.LoopOpen })(&run)
		if fits, err := Scale(run, slicesOf); err != nil || len(fits) != 0 {
			t.Errorf("%+v, %v", fits, err)
		}
	})
	t.Run("slices that can't be read are an error", func(t *testing.T) {
		run, _ := lineOf(eight, u)
		gone := errors.New("gone")
		if _, err := Scale(run, func(string) ([]result.Slice, error) { return nil, gone }); !errors.Is(err, gone) || !strings.Contains(err.Error(), "keepalive-clients-1") {
			t.Errorf("%v", err)
		}
	})
}

// A grid of two scenarios has a fit for each.
func TestScaleKeepsTheOtherAxesApart(t *testing.T) {
	run, slicesOf := lineOf(eight, map[string]stats.USL{"goroutine": {Gamma: 9000, Sigma: 0.02, Kappa: 0.0005}})
	for i, e := range run.Experiments {
		of := "keepalive"
		if i%2 == 1 {
			of = "hello"
		}
		run.Experiments[i].Axes = append([]scenario.Axis{{Key: "scenario", Value: of}}, e.Axes...)
	}
	fits, err := Scale(run, slicesOf)
	if err != nil || len(fits) != 2 || fits[0].Where[0].Value != "keepalive" || fits[1].Where[0].Value != "hello" {
		t.Fatalf("%+v, %v", fits, err)
	}
	if want := []int{1, 4, 16, 64}; !reflect.DeepEqual(fits[0].Clients, want) {
		t.Errorf("keepalive is fitted over %v, want %v", fits[0].Clients, want)
	}
}

func TestCliffs(t *testing.T) {
	type server struct {
		model string
		perS  float64
		by    string
	}
	exp := func(axis, value string, load scenario.Scenario, servers ...server) result.Experiment {
		load.Loop = scenario.LoopClosed
		e := result.Experiment{Name: axis + value, Scenario: "io", Load: load, Reference: servers[0].model}
		if axis != "" {
			e.Axes = []scenario.Axis{{Key: axis, Value: value}}
		}
		for _, s := range servers {
			c := result.Cell{Label: s.model, Model: s.model, Display: s.model, Slices: 40, Valid: s.by != "invalid", BoundBy: s.by, ThroughputPerS: &result.Spread{Median: s.perS}}
			if s.by == "unable" {
				c.Unable = "why"
			}
			e.Cells = append(e.Cells, c)
			e.Entries = append(e.Entries, result.Entry{Label: s.model, Model: s.model, Display: s.model})
		}
		return e
	}
	clients := func(n int, servers ...server) result.Experiment {
		return exp("clients", fmt.Sprint(n), scenario.Scenario{Clients: n}, servers...)
	}
	waits := func(d string, servers ...server) result.Experiment {
		w, err := scenario.ParseDist(d)
		if err != nil {
			t.Fatal(err)
		}
		return exp("wait", d, scenario.Scenario{Wait: w}, servers...)
	}
	ref := func(x float64) server { return server{"goroutine", x, byServer} }
	pool := func(workers int, x float64, by string) server {
		return server{fmt.Sprintf("pool:workers=%d,queue=0,when-full=wait", workers), x, by}
	}
	one := func(x float64, by string) server { return server{"pool", x, by} }
	for _, tt := range []struct {
		name string
		exps []result.Experiment
		want []string
	}{
		{"half is no fall of more than half", []result.Experiment{exp("", "", scenario.Scenario{}, ref(100), pool(8, 100, ""), pool(4, 50, ""))}, nil},
		{"more than half between neighbours of a parameter", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(4, 98, byLimit), pool(16, 3070, byLimit))},
			[]string{"pool workers=16 3070 → workers=4 98"}},
		{"fewer workers may be the faster", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(4, 3070, ""), pool(16, 98, ""))},
			[]string{"pool workers=4 3070 → workers=16 98"}},
		{"neighbours are by value, not by place", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(64, 1000, ""), pool(4, 300, ""), pool(16, 550, ""))}, nil},
		{"values are compared as numbers", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(8, 200, ""), pool(16, 390, ""), pool(128, 1000, ""))},
			[]string{"pool workers=128 1000 → workers=16 390"}},
		{"other parameters that vary tell which entries fell", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, ""), pool(4, 98, ""),
			server{"pool:workers=16,queue=9,when-full=wait", 2900, ""}, server{"pool:workers=4,queue=9,when-full=wait", 2800, ""})},
			[]string{"pool:queue=0 workers=16 3000 → workers=4 98", "pool:workers=4 queue=9 2800 → queue=0 98"}},
		{"entries that differ in more are no neighbours", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, ""), server{"pool:workers=4,queue=9,when-full=wait", 98, ""})}, nil},
		{"nor in words", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, ""), server{"pool:workers=16,queue=0,when-full=reject", 98, ""})}, nil},
		{"nor models", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, ""), server{"errgroup:workers=4,queue=0,when-full=wait", 98, ""})}, nil},
		{"the same entry twice falls once", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, ""), pool(16, 3010, ""), pool(4, 98, ""))},
			[]string{"pool workers=16 3000 → workers=4 98"}},
		{"a lower bound on the high side is one at least", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, byClients), pool(4, 98, ""))},
			[]string{"pool workers=16 ≥ 3000 → workers=4 98"}},
		{"on the low side it is none", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, ""), pool(4, 98, byClients))}, nil},
		{"what is not valid has no neighbours", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, "invalid"), pool(4, 98, ""))}, nil},
		{"nor what can't take part", []result.Experiment{exp("", "", scenario.Scenario{}, ref(6000), pool(16, 3000, "unable"), pool(4, 98, ""))}, nil},

		{"more clients, fewer requests/s", []result.Experiment{clients(8, ref(1000), one(900, "")), clients(64, ref(1100), one(300, ""))}, []string{"pool clients=8 900 → clients=64 300"}},
		{"fewer with fewer clients is none", []result.Experiment{clients(8, ref(100), one(100, "")), clients(64, ref(800), one(800, ""))}, nil},
		{"columns are in order of their value", []result.Experiment{clients(64, ref(1100), one(300, "")), clients(8, ref(1000), one(900, ""))}, []string{"pool clients=8 900 → clients=64 300"}},
		{"what the reference fell as well is the machine's", []result.Experiment{clients(8, ref(1000), one(900, "")), clients(64, ref(510), one(300, ""))}, nil},
		{"what is beyond it is the model's", []result.Experiment{clients(8, ref(1000), one(900, "")), clients(64, ref(600), one(200, ""))}, []string{"pool clients=8 900 → clients=64 200"}},
		{"that the reference rose makes no cliff", []result.Experiment{clients(8, ref(1000), one(900, "")), clients(64, ref(1900), one(600, ""))}, nil},
		{"drift alone may halve the reference", []result.Experiment{clients(8, ref(1000)), clients(64, ref(300))}, nil},
		{"it doesn't take three quarters", []result.Experiment{clients(8, ref(1000)), clients(64, ref(240))}, []string{"goroutine clients=8 1000 → clients=64 240"}},
		{"a cliff that all have is the reference's", []result.Experiment{clients(8, ref(1000), one(900, "")), clients(64, ref(200), one(180, ""))}, []string{"goroutine clients=8 1000 → clients=64 200"}},
		{"a longer wait asks for less", []result.Experiment{waits("1ms", ref(6000), one(6000, "")), waits("10ms", server{"goroutine", 2900, byLoad}, one(690, byLoad))}, nil},
		{"longer work is no server's cliff", []result.Experiment{waits("1ms", ref(6000), one(6000, "")), waits("10ms", ref(600), one(590, ""))}, nil},
		{"and yet a pool may fall behind", []result.Experiment{waits("1ms", ref(6000), one(6000, "")), waits("exp:10ms", ref(3000), one(600, byLimit))}, []string{"pool wait=1ms 6000 → wait=exp:10ms 600"}},
		{"CPUs have no order", []result.Experiment{exp("server_cpus", "0-1", scenario.Scenario{}, ref(6000), one(6000, "")), exp("server_cpus", "0", scenario.Scenario{}, ref(3000), one(600, ""))}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range Cliffs(result.Run{Experiments: tt.exps}) {
				atLeast := ""
				if c.AtLeast {
					atLeast = "≥ "
				}
				got = append(got, fmt.Sprintf("%s %s=%s %s%v → %s=%s %v", c.Model, c.Key, c.From, atLeast, c.High, c.Key, c.To, c.Low))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

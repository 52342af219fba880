package analysis

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
)

// recordedAs is a record of one simulated experiment.
func recordedAs(s simulation, r *rand.Rand, change ...func(*result.Experiment)) Recorded {
	exp := s.experiment()
	for _, c := range change {
		c(&exp)
	}
	taken := s.draw(r)
	for i := range taken {
		taken[i].Experiment = exp.Name
	}
	return Recorded{
		Run:    result.Run{Seed: 1, Engine: "epoll", Started: time.Unix(0, 0).UTC(), Experiments: []result.Experiment{exp}},
		Slices: map[string][]result.Slice{exp.Name: taken},
	}
}

// slowedDown is a simulation on a machine that has become so many times slower.
func slowedDown(s simulation, by float64) simulation {
	s.cpu, s.rate = map[string]float64{}, map[string]float64{}
	for _, e := range s.experiment().Entries {
		s.cpu[e.Label], s.rate[e.Label] = by, 1/by
	}
	return s
}

func saidToDiffer(c Changes) (found []Change) {
	for _, m := range c.Matched {
		for _, x := range m.Changes {
			if x.Verdict == result.VerdictMore || x.Verdict == result.VerdictLess {
				found = append(found, x)
			}
		}
	}
	return found
}

// Two runs of the same, of which the second finds the machine slower by a
// third: of 200 comparisons at 95 % at most 10 may say anything, and 16 leave
// luck three standard deviations (√(200·.05·.95) = 3.1) more.
func TestBetweenRunsOfTheSame(t *testing.T) {
	tries, most := 200/fewer, 16
	if fewer > 1 {
		most = 4 // √(20·.05·.95) = 1
	}
	s := likeOurs(4)
	r := rand.New(rand.NewPCG(1, 41))
	wrong, absolutely := 0, 0
	for try := range tries {
		a, b := recordedAs(s, r), recordedAs(slowedDown(s, 1.33), r)
		c, err := Between(a, b, false)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(c.Matched[0].Changes); n != 8 {
			t.Fatalf("%d figures compared, want 2 of each of 4 models", n)
		}
		if len(saidToDiffer(c)) > 0 {
			wrong++
		}
		if try >= 20/fewer {
			continue
		}
		// What ratios are for: the figures themselves all move.
		if c, err = Between(a, b, true); err != nil {
			t.Fatal(err)
		}
		if len(saidToDiffer(c)) > 0 {
			absolutely++
		}
	}
	t.Logf("%d of %d comparisons of the same found something", wrong, tries)
	if wrong > most {
		t.Errorf("%d of %d comparisons of the same found something, want at most %d", wrong, tries, most)
	}
	if 10*absolutely < 9*(20/fewer) {
		t.Errorf("%d of %d comparisons of absolute figures found that the machine is slower by a third, want nearly all", absolutely, 20/fewer)
	}
}

// A model that needs 6 % more than it did, on a machine that is slower by a
// third. Of one ratio's block means the SD is about √1.5·√(.15²/4 + .02²) = .095,
// and of a difference of two means of 25 blocks .027: far from enough for 6 %. So
// the runs are of four times as many blocks, where the interval of 8 figures
// (2.7 standard errors of .0134) is ± 3.7 % and 6 % lies 1.7 beyond its end.
func TestBetweenFindsWhatChanged(t *testing.T) {
	tries := 60 / fewer
	before := likeOurs(4)
	before.blocks = 100
	after := slowedDown(before, 1.33)
	after.cpu["model2"] *= 1.06
	r := rand.New(rand.NewPCG(2, 42))
	found := 0
	for range tries {
		c, err := Between(recordedAs(before, r), recordedAs(after, r), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range saidToDiffer(c) {
			switch {
			case x.Model == "model2" && x.Metric == result.MetricServerCPU && x.Verdict == result.VerdictMore:
				found++
			case x.Model == "model2" && x.Metric == result.MetricServerCPU:
				t.Errorf("%s is said to be %s", x.Model, x.Verdict)
			}
		}
	}
	t.Logf("found in %d of %d", found, tries)
	if 10*found < 9*tries {
		t.Errorf("found in %d of %d comparisons, want nearly all", found, tries)
	}
}

// All intervals of one command hold together, however many experiments it is over.
func TestBetweenIsJoint(t *testing.T) {
	s := likeOurs(2)
	s.blocks = 10
	r := rand.New(rand.NewPCG(3, 43))
	a, b := recordedAs(s, r), recordedAs(s, r)
	one, err := Between(a, b, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range []*Recorded{&a, &b} {
		again := rec.Run.Experiments[0]
		again.Name = "again"
		rec.Run.Experiments = append(rec.Run.Experiments, again)
		for _, s := range rec.Slices["sim"] {
			s.Experiment = "again"
			rec.Slices["again"] = append(rec.Slices["again"], s)
		}
	}
	two, err := Between(a, b, false)
	if err != nil {
		t.Fatal(err)
	}
	if one.Confidence != 1-0.05/4 || two.Confidence != 1-0.05/8 {
		t.Errorf("confidence %v of 4 figures and %v of 8, want 0.05 divided by their number", one.Confidence, two.Confidence)
	}
	narrow, wide := one.Matched[0].Changes[0], two.Matched[0].Changes[0]
	if narrow.Ratio.Estimate != wide.Ratio.Estimate || *narrow.Resolution >= *wide.Resolution {
		t.Errorf("resolution %v of 4 figures and %v of 8, want the second wider about the same estimate", *narrow.Resolution, *wide.Resolution)
	}
}

func TestBetweenGivesNoVerdict(t *testing.T) {
	s := likeOurs(2)
	s.blocks = 10
	quick := s
	quick.blocks = 5
	r := rand.New(rand.NewPCG(4, 44))
	plain := func() Recorded { return recordedAs(s, r) }
	onSlices := func(change func(*result.Slice)) Recorded {
		rec := plain()
		for i := range rec.Slices["sim"] {
			change(&rec.Slices["sim"][i])
		}
		return rec
	}
	cut := func(e *result.Experiment) { e.StoppedBy = "" }
	interrupted := func(e *result.Experiment) { e.StoppedBy = "interrupt" }
	for _, tt := range []struct {
		name   string
		a, b   Recorded
		model  string
		metric string
		want   string // of Why; "" for a verdict
	}{
		{"of two whole records it does", plain(), plain(), "model1", result.MetricServerCPU, ""},
		{"a quick look in the first", recordedAs(quick, r), plain(), "model1", result.MetricServerCPU, "a quick look: 5 restarts, a verdict takes ten (the first)"},
		{"two quick looks", recordedAs(quick, r), recordedAs(quick, r), "model1", result.MetricServerCPU, "a quick look: 5 restarts, a verdict takes ten (both)"},
		{"a quick look and one that was killed", recordedAs(quick, r), recordedAs(s, r, cut), "model1", result.MetricServerCPU, "a quick look: 5 restarts, a verdict takes ten (the first); the experiment was cut short (the second)"},
		{"a quick look in the second", plain(), recordedAs(quick, r), "model1", result.MetricServerCPU, "a quick look: 5 restarts, a verdict takes ten (the second)"},
		{"interrupted", plain(), recordedAs(s, r, interrupted), "model1", result.MetricServerCPU, "the experiment was interrupted (the second)"},
		{"killed", recordedAs(s, r, cut), plain(), "model1", result.MetricServerCPU, "the experiment was cut short (the first)"},
		{"clients that were the bottleneck of the reference", onSlices(func(s *result.Slice) {
			if s.Label == "goroutine" {
				s.Load.WindowCPUUs = s.Load.WindowCPUWallUs
				s.Server.WindowCPUUs = 0.5 * s.Server.WindowCPUWallUs
			}
		}), plain(), "model1", result.MetricThroughput, "the clients were the bottleneck: these are lower bounds, which have no order (the first)"},
		{"which CPU per request doesn't mind", onSlices(func(s *result.Slice) {
			if s.Label == "goroutine" {
				s.Load.WindowCPUUs = s.Load.WindowCPUWallUs
				s.Server.WindowCPUUs = 0.5 * s.Server.WindowCPUWallUs
			}
		}), plain(), "model1", result.MetricServerCPU, ""},
		{"a twin that differs", plain(), onSlices(func(s *result.Slice) {
			if s.Label == "goroutine#2" {
				s.Server.CPUUs *= 1.9
			}
		}), "model1", result.MetricThroughput, "suspect: goroutine#2, the same server as goroutine, differs from it"},
		{"a model without valid figures", onSlices(func(s *result.Slice) {
			if s.Label == "model1" {
				s.Load.LittleResidual = 0.5
			}
		}), plain(), "model1", result.MetricServerCPU, "its figures are not valid (the first)"},
		{"which is nothing to another", onSlices(func(s *result.Slice) {
			if s.Label == "model1" {
				s.Load.LittleResidual = 0.5
			}
		}), plain(), "model2", result.MetricServerCPU, ""},
		{"a reference without valid figures", onSlices(func(s *result.Slice) {
			if s.Label == "goroutine" {
				s.Load.LittleResidual = 0.5
			}
		}), plain(), "model2", result.MetricServerCPU, "the figures of the reference goroutine are not valid (the first)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Between(tt.a, tt.b, false)
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(c.Matched[0].Changes, func(x Change) bool { return x.Model == tt.model && x.Metric == tt.metric })
			if i < 0 {
				t.Fatalf("no change of %s in %+v", tt.model, c)
			}
			x := c.Matched[0].Changes[i]
			if !strings.HasPrefix(x.Why, tt.want) || (x.Verdict == result.VerdictNone) != (tt.want != "") {
				t.Errorf("verdict %q since %q, want none since %q", x.Verdict, x.Why, tt.want)
			}
		})
	}
}

func TestBetweenMatches(t *testing.T) {
	record := func(exps ...result.Experiment) Recorded { return Recorded{Run: result.Run{Seed: 1, Experiments: exps}} }
	io := ioExperiment
	with := func(change func(*result.Experiment)) result.Experiment {
		e := io()
		e.Entries = slices.Clone(e.Entries)
		change(&e)
		return e
	}
	mine := func(command string) func(*result.Experiment) {
		return func(e *result.Experiment) {
			e.Entries[2] = result.Entry{Label: "mine", Model: "mine", Command: command}
		}
	}
	ofMine := func(command string) result.Experiment {
		return with(func(e *result.Experiment) {
			mine(command)(e)
			e.Reference = "mine"
		})
	}
	capacity := func(perS float64) result.Experiment {
		e := openExperiment()
		e.Load.OfCapacity, e.Load.Rate, e.CapacityPerS, e.Rate = true, perS, perS, perS
		return e
	}
	for _, tt := range []struct {
		name     string
		a, b     Recorded
		absolute bool
		want     string // models that are compared, or why not
	}{
		{"all that both hold, but the reference and its twin", record(io()), record(io()), false, "pool iterative"},
		{"absolute: the reference too", record(io()), record(io()), true, "goroutine pool iterative"},
		{"a model that only one holds", record(io()), record(with(func(e *result.Experiment) { e.Entries = e.Entries[:3] })), false, "pool"},
		{"a spec whose defaults have changed", record(io()), record(with(func(e *result.Experiment) { e.Entries[2].Model = "pool:workers=32,queue=0,when-full=wait" })), false, "iterative"},
		{"a server that is not ours, started otherwise", record(with(mine("./old {port}"))), record(with(mine("./new {port}"))), false, "mine iterative"},
		{"no experiment of one name", record(io()), record(with(func(e *result.Experiment) { e.Name = "cpu" })), false, "no experiment is in both (in the first: io; in the second: cpu)"},
		{"another load", record(io()), record(with(func(e *result.Experiment) { e.Load.Clients = 32 })), false, "no figure is in both (io: another load: unnamed → unnamed)"},
		{"a load of another name", record(io()), record(with(func(e *result.Experiment) { e.Load.Name, e.Load.Claim = "custom", "" })), false, "pool iterative"},
		{"capacities that differ, as they always will", record(capacity(7012)), record(capacity(6801.5)), false, "pool iterative"},
		{"another reference", record(io()), record(with(func(e *result.Experiment) { e.Reference = "pool" })), false, "no reference in common (io: the reference was goroutine, then pool)"},
		{"another reference, and absolute figures", record(io()), record(with(func(e *result.Experiment) { e.Reference = "pool" })), true, "goroutine pool iterative"},
		{"none at all", record(with(func(e *result.Experiment) { e.Reference = "" })), record(io()), false, "no reference in common (io: measured without a reference)"},
		{"a reference of another spec", record(io()), record(with(func(e *result.Experiment) { e.Entries[0].Model = "goroutine:x=1" })), false, "no reference in common (io: the reference goroutine is another server: goroutine → goroutine:x=1)"},
		{"a reference of one's own", record(ofMine("./mine {port}")), record(ofMine("./mine {port}")), false, "goroutine iterative"},
		{"a reference of one's own, started otherwise", record(ofMine("./old {port}")), record(ofMine("./new {port}")), false, "no reference in common (io: the reference mine is another server: ./old {port} → ./new {port})"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Between(tt.a, tt.b, tt.absolute)
			got := ""
			if err != nil {
				got = err.Error()
			} else {
				var models []string
				for _, x := range c.Matched[0].Changes {
					models = append(models, x.Model)
				}
				got = strings.Join(slices.Compact(models), " ")
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if errors.Is(err, ErrNoCommonReference) != strings.HasPrefix(tt.want, "no reference") {
				t.Errorf("%v: want ErrNoCommonReference where --absolute would help, and only there", err)
			}
		})
	}
}

func TestEnvironmentsDiffer(t *testing.T) {
	a := result.Environment{OS: "linux", Arch: "amd64", Kernel: "6.18.1", CPUModel: "X", CPUs: 2, GoVersion: "go1.26", GOMAXPROCS: 1, GOGC: "100",
		Revision: "abc", DescriptorLimit: 1024, Somaxconn: 4096, Backlog: 4096, PortRange: "32768 60999", TCPTWReuse: "2", CongestionControl: "cubic",
		ServerCPUs: "0", LoadCPUs: "1", SpinPerUs: 480, StealUs: 12}
	drifted := a
	drifted.SpinPerUs, drifted.StealUs = 510, 90_000
	if got := EnvironmentsDiffer(a, drifted); len(got) != 0 {
		t.Errorf("%v: want nothing said of what always differs", got)
	}
	b := a
	b.Kernel, b.GOGC, b.CongestionControl, b.Dirty, b.LoadCPUs = "6.18.3", "", "bbr", true, ""
	want := []string{
		"kernel: 6.18.1 → 6.18.3", "CPUs of the clients: 1 → not pinned", "GOGC: 100 → not known",
		"congestion control: cubic → bbr", "revision: abc → abc with changes not committed",
	}
	var got []string
	for _, d := range EnvironmentsDiffer(a, b) {
		got = append(got, d.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	a.Dirty = true
	a.Kernel, a.GOGC, a.CongestionControl, a.LoadCPUs = b.Kernel, b.GOGC, b.CongestionControl, b.LoadCPUs
	if got := EnvironmentsDiffer(a, b); len(got) != 1 || got[0].String() != "revision: abc with changes not committed → abc with changes not committed, perhaps others" {
		t.Errorf("%v: want it said that two builds with changes may be two", got)
	}
	if every := EnvironmentsDiffer(result.Environment{}, a); len(every) != 15 {
		t.Errorf("%d of 15 facts told apart: %v", len(every), every)
	}
}

// A record of before experiments had CPUs of their own has its run's.
func TestExperimentsDiffer(t *testing.T) {
	// Of two experiments only the first differs.
	one := func(server, ofRun, digest string) result.Run {
		e := ioExperiment()
		e.ServerCPUs, e.PlanDigest = server, digest
		same := ioExperiment()
		same.Name, same.ServerCPUs = "same", "2"
		return result.Run{Seed: 1, Environment: result.Environment{ServerCPUs: ofRun}, Experiments: []result.Experiment{e, same}}
	}
	other := func(r result.Run) result.Run { r.Seed = 2; return r }
	long := "sha256:0123456789abcdef"
	for _, tt := range []struct {
		name string
		a, b result.Run
		want []string
	}{
		{"the same", one("0", "", long), one("0", "", long), nil},
		{"an old record", one("", "0", long), one("0", "", long), nil},
		{"other CPUs", one("0", "", long), one("1", "", long), []string{"CPUs of the servers: 0 → 1"}},
		{"other CPUs, which experiments know better than runs", one("0", "0", long), one("1", "0", long), []string{"CPUs of the servers: 0 → 1"}},
		{"other plans of one seed", one("0", "", long), one("0", "", "sha256:1123456789abcdef"), []string{"plan: sha256:0123456789ab → sha256:1123456789ab"}},
		{"other plans of two seeds", one("0", "", long), other(one("0", "", "sha256:1123456789abcdef")), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := Between(Recorded{Run: tt.a}, Recorded{Run: tt.b}, false)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range c.Matched[0].Differs {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What differs in all experiments is said once.
func TestWhatDiffersEverywhereIsSaidOnce(t *testing.T) {
	run := func(cpus string) result.Run {
		r := result.Run{Seed: 1}
		for _, name := range []string{"one", "two"} {
			e := ioExperiment()
			e.Name, e.ServerCPUs = name, cpus
			r.Experiments = append(r.Experiments, e)
		}
		return r
	}
	c, err := Between(Recorded{Run: run("0")}, Recorded{Run: run("1")}, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Differs) != 1 || len(c.Matched[0].Differs)+len(c.Matched[1].Differs) != 0 {
		t.Errorf("%v of the runs, %v and %v of the experiments; want it said once", c.Differs, c.Matched[0].Differs, c.Matched[1].Differs)
	}
}

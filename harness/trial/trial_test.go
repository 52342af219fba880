package trial

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"workbench/harness/analysis"
	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

func TestMain(m *testing.M) {
	if code, child := process.RunChild(); child {
		os.Exit(code)
	}
	goleak.VerifyTestMain(m)
}

// entries are servers by their specs, the first the reference.
func entries(specs ...string) []result.Entry {
	var list []result.Entry
	for _, s := range specs {
		list = append(list, result.Entry{Label: s, Model: s, Display: s})
	}
	return list
}

// small is an experiment that takes a second or so.
func small(t *testing.T, specs ...string) Experiment {
	t.Helper()
	s, err := scenario.Named("io")
	if err != nil {
		t.Fatal(err)
	}
	s.Clients, s.Wait = 4, scenario.Constant(2*time.Millisecond)
	return Experiment{
		Name: "small", Scenario: s, Entries: entries(specs...), Reference: specs[0],
		Budget: time.Hour, Blocks: 2, Rounds: 2, Slice: 50 * time.Millisecond, Most: time.Second,
	}
}

// farApart has 16 clients wait for so long that one worker is 16 × slower than
// a goroutine for each, and more than 2 × on a machine that does much else.
func farApart(e *Experiment) {
	e.Scenario.Clients, e.Scenario.Wait = 16, scenario.Constant(10*time.Millisecond)
}

// unsaved is for who looks at slices alone.
func unsaved() error { return nil }

// play runs one experiment and returns it with its slices as they are on disk.
func play(ctx context.Context, t *testing.T, e Experiment, watch func(*trial, Event)) (result.Experiment, []result.Slice, error) {
	t.Helper()
	dir, err := result.Create(t.TempDir(), "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	setup := Setup{Seed: 7, Engine: "net", SpinPerUs: 1}
	out := describe(e, setup.Seed)
	tr := &trial{Setup: setup, exp: e, out: &out, save: unsaved}
	tr.tell = func(ev Event) {
		if watch != nil {
			watch(tr, ev)
		}
	}
	played := tr.run(ctx, dir)
	taken, damage, err := result.ReadSlices(result.SlicesPath(dir.Path(), e.Name))
	if err != nil || len(damage) > 0 {
		t.Fatal(err, damage)
	}
	return out, taken, played
}

func TestAnExperiment(t *testing.T) {
	e := small(t, "goroutine", "pool:workers=1", "errgroup")
	e.Entries = append(e.Entries, result.Entry{Label: "goroutine#2", Model: "goroutine", Twin: true})
	e.Rounds = 4
	farApart(&e)
	out, taken, err := play(t.Context(), t, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.StoppedBy != "budget" || out.Blocks != 2 || out.Rounds != 8 || len(out.Failures) != 0 {
		t.Errorf("stopped by %q after %d blocks and %d rounds, failures %v", out.StoppedBy, out.Blocks, out.Rounds, out.Failures)
	}
	visits := map[string]int{}
	orders := map[int][]string{}
	for _, s := range taken {
		if s.Failed != "" || s.Load.Errors.Total() != 0 {
			t.Errorf("%s of %s failed: %s %+v", s.Phase, s.Label, s.Failed, s.Load.Errors)
		}
		visits[s.Phase+" "+s.Label]++
		if s.Phase == result.PhaseRound {
			if s.Place != len(orders[s.Round]) {
				t.Errorf("round %d: %s says place %d, is at %d", s.Round, s.Label, s.Place, len(orders[s.Round]))
			}
			orders[s.Round] = append(orders[s.Round], s.Label)
		}
	}
	want := map[string]int{}
	for _, label := range []string{"goroutine", "goroutine#2", "errgroup", "pool:workers=1"} {
		want["pilot "+label], want["warm-up "+label], want["round "+label] = 1, 2, 8
	}
	// One at a time of sixteen: more than 2 × slower, and left out after three
	// rounds, all in the first block.
	want["warm-up pool:workers=1"], want["round pool:workers=1"] = 1, 3
	delete(want, "pilot goroutine#2") // a twin has its lengths from the reference
	if diff := cmp.Diff(want, visits); diff != "" {
		t.Errorf("visits (-want +got):\n%s", diff)
	}
	distinct := map[string]bool{}
	for _, o := range orders {
		distinct[strings.Join(o, " ")] = true
	}
	if len(distinct) < 2 {
		t.Errorf("8 rounds in one and the same order: %v", orders)
	}
	if len(out.Cells) != 4 || len(out.Comparisons) == 0 {
		t.Errorf("%d cells, %d comparisons", len(out.Cells), len(out.Comparisons))
	}
	if diff := cmp.Diff(out, analysis.Analyse(out, taken)); diff != "" {
		t.Errorf("analysed again from the disk it is another (-first +again):\n%s", diff)
	}
}

// Every model of a round must be asked the same questions.
func TestModelsOfARoundPlayTheSamePlaceOfThePlan(t *testing.T) {
	e := small(t, "goroutine", "errgroup")
	e.Scenario.Clients, e.Scenario.Wait = 1, scenario.Exponential(2*time.Millisecond)
	e.Blocks, e.Rounds = 1, 1
	_, taken, err := play(t.Context(), t, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	block, round := map[int]bool{}, map[int]bool{}
	n := 0
	for _, s := range taken {
		if s.Phase == result.PhaseRound {
			block[s.Block], round[s.Round] = true, true
			n++
		}
	}
	if n != 2 || len(block) != 1 || len(round) != 1 {
		t.Errorf("%d slices of blocks %v and rounds %v, want two of one place", n, block, round)
	}
}

func TestOrderIsDrawnFromTheSeed(t *testing.T) {
	list := entries("a", "b", "c", "d", "e")
	draw := func(seed uint64, round int) []string {
		var labels []string
		tr := &trial{Setup: Setup{Seed: seed}, round: round}
		for _, e := range tr.order(slices.Clone(list), playing) {
			labels = append(labels, e.Label)
		}
		return labels
	}
	if diff := cmp.Diff(draw(1, 3), draw(1, 3)); diff != "" {
		t.Errorf("the same seed and round give two orders:\n%s", diff)
	}
	first := map[string]int{}
	for seed := range uint64(10) {
		for round := range 100 {
			first[draw(seed, round)[0]]++
		}
	}
	// 1,000 draws of one in five: mean 200, standard deviation 12.6; six of
	// these either way.
	for _, e := range list {
		if n := first[e.Label]; n < 124 || n > 276 {
			t.Errorf("%s comes first in %d of 1,000 rounds, want about 200", e.Label, n)
		}
	}
}

func TestLengthsFromThePilot(t *testing.T) {
	io, err := scenario.Named("io")
	if err != nil {
		t.Fatal(err)
	}
	keepalive, err := scenario.Named("keepalive")
	if err != nil {
		t.Fatal(err)
	}
	thinking := io
	thinking.Think = scenario.Constant(3 * time.Second)
	for _, tt := range []struct {
		name     string
		load     scenario.Scenario
		most     time.Duration
		slice    time.Duration
		settled  time.Duration
		window   time.Duration
		requests int64
		want     lengths
	}{
		{"a fast model gets the shortest slice", io, time.Second, 0, time.Millisecond, 50 * time.Millisecond, 5000,
			lengths{15 * time.Millisecond, 50 * time.Millisecond, 640 * time.Microsecond}},
		{"200 completions, where they fit", io, time.Second, 0, 100 * time.Millisecond, 50 * time.Millisecond, 100,
			lengths{125 * time.Millisecond, 100 * time.Millisecond, 32 * time.Millisecond}},
		{"no more than the longest, where they don't", io, time.Second, 0, 0, time.Second, 100,
			lengths{15 * time.Millisecond, time.Second, 640 * time.Millisecond}},
		{"those that wait longer than the pilot did are foreseen", io, 100 * time.Millisecond, 0, 250 * time.Millisecond, 50 * time.Millisecond, 5,
			lengths{640 * time.Millisecond, 100 * time.Millisecond, 640 * time.Millisecond}},
		{"who waits for a place waits for whole connections", keepalive, 100 * time.Millisecond, 0, 250 * time.Millisecond, 50 * time.Millisecond, 500,
			lengths{640 * time.Millisecond, 50 * time.Millisecond, 6400 * time.Microsecond}},
		{"what the user says", io, time.Second, 70 * time.Millisecond, 200 * time.Millisecond, 50 * time.Millisecond, 5,
			lengths{250 * time.Millisecond, 70 * time.Millisecond, 640 * time.Millisecond}},
		{"a pilot that saw nothing knows the load", thinking, time.Minute, 0, 250 * time.Millisecond, 50 * time.Millisecond, 0,
			lengths{3010 * time.Millisecond, 9406250 * time.Microsecond, 3010 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Experiment{Scenario: tt.load, Most: tt.most, Slice: tt.slice}
			got := e.lengths(result.Slice{SettleUs: tt.settled.Microseconds(), Load: &result.Load{
				WindowUs: float64(tt.window.Microseconds()), Requests: tt.requests,
			}})
			if got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// once calls f at the first progress in block 0 after its first round.
func once(f func(*trial)) func(*trial, Event) {
	done := false
	return func(tr *trial, _ Event) {
		if !done && tr.round == 1 {
			done = true
			f(tr)
		}
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAModelThatDiesIsReportedAndTheOthersGoOn(t *testing.T) {
	out, taken, err := play(t.Context(), t, small(t, "goroutine", "pool", "errgroup"), once(func(tr *trial) {
		kill(t, tr.servers["pool"].PID())
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := []result.Failure{{Label: "pool", Reason: "the server pool exited in the middle (signal: killed)"}}
	if diff := cmp.Diff(want, out.Failures); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	rounds := map[string]int{}
	for _, s := range taken {
		if s.Phase == result.PhaseRound && s.Failed == "" {
			rounds[s.Label]++
		}
	}
	if diff := cmp.Diff(map[string]int{"goroutine": 4, "pool": 1, "errgroup": 4}, rounds); diff != "" {
		t.Errorf("good slices (-want +got):\n%s", diff)
	}
}

func TestAModelThatDoesNotStartIsReportedAndTheOthersGoOn(t *testing.T) {
	e := small(t, "goroutine", "nobody")
	e.Blocks = 1
	out, _, err := play(t.Context(), t, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Failures) != 1 || !strings.Contains(out.Failures[0].Reason, `no model "nobody"`) || out.Rounds != 2 {
		t.Errorf("failures %+v after %d rounds", out.Failures, out.Rounds)
	}
}

func TestClientsThatDieAreNoFaultOfTheModel(t *testing.T) {
	out, taken, err := play(t.Context(), t, small(t, "goroutine", "iterative"), once(func(tr *trial) {
		kill(t, tr.clients.PID())
	}))
	if err != nil {
		t.Fatal(err)
	}
	var lost []result.Slice
	for _, s := range taken {
		switch {
		case s.Failed != "":
			lost = append(lost, s)
		case s.Phase == result.PhasePilot: // whose clients hang up
		case s.Load.RequestsAll != s.Server.Requests:
			t.Errorf("%s, round %d: the clients got %d answers, the server gave %d", s.Label, s.Round, s.Load.RequestsAll, s.Server.Requests)
		}
	}
	if len(out.Failures) != 0 || len(lost) != 1 || lost[0].Failed != "the clients exited in the middle (signal: killed)" || out.Rounds != 4 {
		t.Errorf("failures %v, lost slices %+v, %d rounds", out.Failures, lost, out.Rounds)
	}
}

// A server that works on for clients that have given up is slow, and no
// failure: what the clients saw stands.
func TestABusyServerIsReplaced(t *testing.T) {
	e := small(t, "goroutine", "iterative")
	e.Blocks = 1
	var pid int
	_, taken, err := play(t.Context(), t, e, once(func(tr *trial) {
		pid = tr.servers["iterative"].PID()
		nc, err := net.Dial("tcp", tr.servers["iterative"].Addr) // a client that holds its place for 3 s
		if err == nil {
			_, err = nc.Write([]byte("GET /?wait=3s HTTP/1.1\r\nHost: test\r\n\r\n"))
		}
		if err != nil {
			t.Error(err)
		}
		t.Cleanup(func() {
			_ = nc.Close()
			if now := tr.out.Failures; len(now) != 0 {
				t.Errorf("failures %+v", now)
			}
		})
	}))
	if err != nil || pid == 0 {
		t.Fatal(err)
	}
	good := 0
	for _, s := range taken {
		if s.Label == "iterative" && s.Phase == result.PhaseRound && s.Failed == "" {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d good slices of a server that was busy in one of two", good)
	}
}

// Without models that could still be told from it, a reference is not
// compared with itself until its budget is spent.
func TestRoundsEndWhenNothingIsInDoubt(t *testing.T) {
	e := small(t, "goroutine", "pool:workers=1")
	e.Blocks, e.Rounds = 100, 3
	farApart(&e)
	out, _, err := play(t.Context(), t, e, nil)
	if err != nil || out.StoppedBy != "precision" || out.Blocks != 1 || out.Rounds != 3 {
		t.Errorf("error %v, stopped by %q after %d blocks and %d rounds; want precision after the first", err, out.StoppedBy, out.Blocks, out.Rounds)
	}
}

func TestWithoutServersAnExperimentEnds(t *testing.T) {
	out, _, err := play(t.Context(), t, small(t, "nobody"), nil)
	if err != nil || out.StoppedBy != "failure" || out.Rounds != 0 {
		t.Errorf("error %v, stopped by %q after %d rounds", err, out.StoppedBy, out.Rounds)
	}
	e := small(t, "goroutine", "nobody")
	e.Blocks = 100
	out, _, err = play(t.Context(), t, e, nil)
	if err != nil || out.StoppedBy != "failure" || out.Blocks != 1 {
		t.Errorf("with a reference: error %v, stopped by %q after %d blocks; want one block of its own", err, out.StoppedBy, out.Blocks)
	}
}

// What slow models cost before they are left out is no measure of what comes.
func TestTheNextBlockIsForeseenFromWhoTakesPart(t *testing.T) {
	tr := &trial{exp: Experiment{Entries: entries("a", "slow"), Rounds: 4}, leftOut: map[string]string{}, startCost: 20 * time.Millisecond,
		cost: map[string]time.Duration{"a": 80 * time.Millisecond, "slow": 2 * time.Second}}
	if got, want := tr.nextBlock(4), 8*time.Second+360*time.Millisecond; got != want {
		t.Errorf("with the slow model %v, want %v", got, want)
	}
	tr.leftOut["slow"] = "large"
	if got, want := tr.nextBlock(4), 340*time.Millisecond; got != want {
		t.Errorf("without it %v, want %v", got, want)
	}
}

func TestAnInterruptKeepsWhatWasMeasured(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out, taken, err := play(ctx, t, small(t, "goroutine", "pool"), once(func(*trial) { cancel() }))
	if err != nil || out.StoppedBy != "interrupt" || out.Rounds != 1 {
		t.Errorf("error %v, stopped by %q after %d rounds", err, out.StoppedBy, out.Rounds)
	}
	if len(taken) != 6 { // pilot, warm-up and one round of each
		t.Errorf("%d slices on disk, want 6", len(taken))
	}
	if len(out.Cells) != 2 || out.Cells[0].Requests == 0 {
		t.Errorf("cells %+v", out.Cells)
	}
}

func TestTheBudgetEndsAnExperiment(t *testing.T) {
	e := small(t, "goroutine")
	e.Blocks, e.Budget = 0, time.Nanosecond
	out, _, err := play(t.Context(), t, e, nil)
	if err != nil || out.Blocks != 1 || out.StoppedBy != "budget" {
		t.Errorf("error %v, %d blocks, stopped by %q; want the first block alone", err, out.Blocks, out.StoppedBy)
	}
}

func TestARecordThatVanishesStopsTheRun(t *testing.T) {
	dir, err := result.Create(t.TempDir(), "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if err := os.RemoveAll(filepath.Join(dir.Path(), "slices")); err != nil {
		t.Fatal(err)
	}
	plan := Plan{Setup{Seed: 1, Engine: "net"}, []Experiment{small(t, "goroutine")}}
	done := 0
	_, err = Run(t.Context(), plan, result.Run{Schema: result.RunSchema}, dir, Watcher{func(Event) {}, func(result.Run, int) { done++ }})
	if err == nil || done != 1 {
		t.Errorf("error %v, told of %d experiments; want an error, since slices can't be written, and what there is", err, done)
	}
}

// Precision ends an experiment at the tenth block at the soonest.
func TestNarrowIntervalsEndAnExperiment(t *testing.T) {
	e := small(t, "goroutine", "errgroup")
	e.Entries = append(e.Entries, result.Entry{Label: "goroutine#2", Model: "goroutine", Twin: true})
	e.Blocks, e.Rounds, e.Precision = 100, 1, 1e6 // any interval at all
	var told []int                                // blocks that nothing disturbed, while it went on
	var played *trial
	out, _, err := play(t.Context(), t, e, func(tr *trial, ev Event) {
		for i := range tr.slices { // whatever else this machine does meanwhile: no round but the last is to be left out for it
			tr.slices[i].Host = result.Host{}
		}
		if ev.Narrow != nil {
			told = append(told, ev.Narrow.Blocks)
		}
		played = tr
	})
	if err != nil || out.StoppedBy != "precision" || len(out.Comparisons) == 0 {
		t.Fatalf("error %v, stopped by %q after %d blocks, %d comparisons; want precision", err, out.StoppedBy, out.Blocks, len(out.Comparisons))
	}
	for _, c := range out.Comparisons {
		if c.Model == "errgroup" && (c.Metric == result.MetricServerCPU || c.Metric == result.MetricThroughput) && c.Ratio.Blocks != played.narrow.Blocks {
			t.Errorf("%s: %d blocks that nothing disturbed, and it stopped for %d", c.Metric, c.Ratio.Blocks, played.narrow.Blocks)
		}
	}
	if len(told) == 0 {
		t.Fatal("nobody was told how the intervals narrow")
	}
	if most := slices.Max(told); played.narrow.Blocks < 10 || most >= 10 {
		t.Errorf("it stopped after %d blocks that nothing disturbed, and went on after %d; want the ten that a verdict takes and no more", played.narrow.Blocks, most)
	}
}

// What is finished is not played again, and what was cut short begins anew with
// what was seen of it kept.
func TestARecordIsTakenUpAgain(t *testing.T) {
	parent := t.TempDir()
	dir, err := result.Create(parent, "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first, second := small(t, "goroutine"), small(t, "goroutine")
	first.Name, second.Name = "first", "second"
	plan := Plan{Setup{Seed: 1, Engine: "net", SpinPerUs: 1}, []Experiment{first, second}}
	ctx, cancel := context.WithCancel(t.Context())
	var ended []int
	run, err := Run(ctx, plan, result.Run{Schema: result.RunSchema}, dir, Watcher{func(ev Event) {
		if ev.Experiment == 1 && ev.Block == 2 {
			cancel()
		}
	}, func(_ result.Run, i int) { ended = append(ended, i) }})
	if err != nil || run.StoppedBy != stoppedByInterrupt || !Over(run.Experiments[0]) || Over(run.Experiments[1]) {
		t.Fatalf("error %v, stopped by %q, %+v", err, run.StoppedBy, run.Experiments)
	}
	kept := run.Experiments[0]
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	dir, run, err = result.Reopen(dir.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	ended = nil
	run, err = Run(t.Context(), plan, run, dir, Watcher{func(Event) {}, func(_ result.Run, i int) { ended = append(ended, i) }})
	if err != nil || !slices.Equal(ended, []int{1}) || run.StoppedBy != "budget" || run.Experiments[1].Blocks != 2 {
		t.Errorf("error %v, played %v, stopped by %q", err, ended, run.StoppedBy)
	}
	if diff := cmp.Diff(kept.Cells[0].ThroughputPerS, run.Experiments[0].Cells[0].ThroughputPerS); diff != "" {
		t.Errorf("the finished one changed:\n%s", diff)
	}
	for _, name := range []string{"first", "second"} {
		taken, damage, err := result.ReadSlices(result.SlicesPath(dir.Path(), name))
		if err != nil || len(damage) > 0 || len(taken) != 7 { // a pilot, two warm-ups, four rounds
			t.Errorf("%s: %d slices, damage %v, %v; want 7, each measured once", name, len(taken), damage, err)
		}
	}
	if cut, err := filepath.Glob(filepath.Join(dir.Path(), "cut", "second-1*")); err != nil || len(cut) != 1 {
		t.Errorf("what the interrupt left is in %v, want it kept in cut/", cut)
	}
}

// What a probe finds out about servers may differ from what it found before: an
// experiment that is over stays so, whatever else the plan has now.
func TestFinishedExperimentsOutliveAnotherPlan(t *testing.T) {
	plan := Plan{Setup: Setup{Seed: 1}}
	for _, name := range []string{"new", "finished", "cut"} {
		e := small(t, "goroutine")
		e.Name = name
		plan.Experiments = append(plan.Experiments, e)
	}
	joined := join(plan, []result.Experiment{
		{Name: "cut", StoppedBy: stoppedByInterrupt, Rounds: 7},
		{Name: "gone", StoppedBy: "budget", Rounds: 8},
		{Name: "finished", StoppedBy: "precision", Rounds: 9},
	})
	var got []string
	for _, e := range joined {
		got = append(got, fmt.Sprintf("%s %d %s", e.Name, e.Rounds, e.StoppedBy))
	}
	if diff := cmp.Diff([]string{"new 0 ", "finished 9 precision", "cut 0 ", "gone 8 budget"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A figure that is in no slice on the disk could never be made again.
func TestFiguresAreOfWhatIsOnTheDisk(t *testing.T) {
	parent := t.TempDir()
	dir, err := result.Create(parent, "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	e := small(t, "goroutine")
	out := describe(e, 1)
	tr := &trial{Setup: Setup{Seed: 1, Engine: "net", SpinPerUs: 1}, exp: e, out: &out, save: unsaved}
	var kept string // what the record held before its file went out of its place
	tr.tell = func(Event) {
		if name := result.SlicesPath(dir.Path(), e.Name); tr.round == 1 && kept == "" {
			kept = filepath.Join(parent, e.Name+".jsonl")
			if err := os.Rename(name, kept); err != nil {
				t.Error(err)
			}
		}
	}
	if err := tr.run(t.Context(), dir); err == nil {
		t.Fatal("slices went nowhere, and nobody said so")
	}
	if out.Cells[0].Slices != 1 {
		t.Errorf("figures of %d slices, want those of the one that was kept", out.Cells[0].Slices)
	}
}

// A kill in the middle must leave what no slice tells: the rate that a capacity
// made, the plan's digest, and the rounds of a block.
func TestWhatThePilotSettledOutlivesAKill(t *testing.T) {
	dir, err := result.Create(t.TempDir(), "test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	plan := Plan{Setup{Seed: 1, Engine: "net", SpinPerUs: 1}, []Experiment{small(t, "goroutine")}}
	plan.Experiments[0].Blocks = 1
	var seen *result.Run // at the first slice of the first block
	_, err = Run(t.Context(), plan, result.Run{Schema: result.RunSchema}, dir, Watcher{func(ev Event) {
		if ev.Block == 0 || seen != nil {
			return
		}
		run, err := result.ReadRun(dir.Path())
		if err != nil {
			t.Error(err)
		}
		seen = &run
	}, func(result.Run, int) {}})
	if err != nil || seen == nil {
		t.Fatal(err, seen)
	}
	if e := seen.Experiments[0]; e.RoundsPerBlock != 2 || e.PlanDigest == "" || e.StoppedBy != "" || seen.Environment.GOMAXPROCS == 0 {
		t.Errorf("in the middle run.json holds %d rounds per block, digest %q, stopped by %q, GOMAXPROCS %d", e.RoundsPerBlock, e.PlanDigest, e.StoppedBy, seen.Environment.GOMAXPROCS)
	}
}

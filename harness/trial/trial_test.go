package trial

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

func TestMain(m *testing.M) {
	if process.IsChild() {
		os.Exit(process.RunChild())
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
	tr := &trial{Setup: setup, exp: e, out: &out}
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
	// One worker of four: more than 2 × slower, and left out after three
	// rounds, all in the first block.
	want["warm-up pool:workers=1"], want["round pool:workers=1"] = 1, 3
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
		for _, e := range tr.order(slices.Clone(list)) {
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
	h := result.NewHistogram()
	for range 10 {
		h.Record(640 * time.Millisecond)
	}
	quick := result.NewHistogram()
	quick.Record(time.Millisecond)
	for _, tt := range []struct {
		name     string
		e        Experiment
		settled  time.Duration
		window   time.Duration
		requests int64
		latency  *result.Histogram
		want     lengths
	}{
		{"a fast model gets the shortest slice", Experiment{Most: time.Second}, time.Millisecond, 50 * time.Millisecond, 5000, quick,
			lengths{15 * time.Millisecond, 50 * time.Millisecond}},
		{"200 completions, where they fit", Experiment{Most: time.Second}, 100 * time.Millisecond, 50 * time.Millisecond, 100, quick,
			lengths{125 * time.Millisecond, 100 * time.Millisecond}},
		{"no more than the longest, where they don't", Experiment{Most: time.Second}, 0, time.Second, 100, quick,
			lengths{15 * time.Millisecond, time.Second}},
		{"but one response time always", Experiment{Most: 100 * time.Millisecond}, 640 * time.Millisecond, 50 * time.Millisecond, 5, h,
			lengths{800 * time.Millisecond, 640 * time.Millisecond}},
		{"what the user says", Experiment{Most: time.Second, Slice: 70 * time.Millisecond}, 640 * time.Millisecond, 50 * time.Millisecond, 5, h,
			lengths{800 * time.Millisecond, 70 * time.Millisecond}},
		{"a pilot that saw nothing", Experiment{Most: time.Second}, 20 * time.Second, 50 * time.Millisecond, 0, result.NewHistogram(),
			lengths{5 * time.Second, 50 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.e.lengths(result.Slice{SettleUs: tt.settled.Microseconds(), Load: &result.Load{
				WindowUs: float64(tt.window.Microseconds()), Requests: tt.requests, Latency: tt.latency,
			}})
			if got != tt.want {
				t.Errorf("settle %v, count %v; want %v, %v", got.settle, got.count, tt.want.settle, tt.want.count)
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
	out, taken, err := play(t.Context(), t, small(t, "goroutine", "pool"), once(func(tr *trial) {
		kill(t, tr.clients.PID())
	}))
	if err != nil {
		t.Fatal(err)
	}
	lost := slices.DeleteFunc(taken, func(s result.Slice) bool { return s.Failed == "" })
	if len(out.Failures) != 0 || len(lost) != 1 || lost[0].Failed != "the clients exited in the middle (signal: killed)" || out.Rounds != 4 {
		t.Errorf("failures %v, lost slices %+v, %d rounds", out.Failures, lost, out.Rounds)
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
	_, err = Run(t.Context(), plan, result.Run{Schema: result.RunSchema}, dir, Watcher{func(Event) {}, func(result.Experiment) {}})
	if err == nil {
		t.Error("no error, though slices can't be written")
	}
}

package trial

import (
	"testing"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// piloted is a trial whose pilot is over: entries a (the reference) and b, and
// what a slice of each takes.
func piloted(e Experiment, cost map[string]time.Duration) *trial {
	t := &trial{
		exp: e, out: &result.Experiment{}, leftOut: map[string]string{}, length: map[string]lengths{}, cost: cost,
		startCost: 50 * time.Millisecond, tell: func(Event) {},
	}
	t.out.Entries, t.out.Reference = e.Entries, e.Reference
	return t
}

func TestThePlanMakesRoomForAVerdict(t *testing.T) {
	const ms = time.Millisecond
	ten := 10000 * ms // blocks of a second each
	verdict := time.Duration(float64(ten) / roomFor)
	for _, tt := range []struct {
		name           string
		budget         time.Duration
		blocks, rounds int
		slice          time.Duration
		large          bool
		want           Forecast
	}{
		{"short slices: as many restarts as the budget holds", 20 * time.Second, 0, 4, 100 * ms, false,
			Forecast{Entries: 2, Blocks: 22, Rounds: 4, Slice: 100 * ms, Takes: 19800 * ms}},
		{"no room for ten of four rounds: two rounds each", 10 * time.Second, 0, 4, 150 * ms, false,
			Forecast{Entries: 2, Blocks: 14, Rounds: 2, Slice: 150 * ms, Takes: 9800 * ms}},
		{"one round is the least", 10 * time.Second, 0, 4, 350 * ms, false,
			Forecast{Entries: 2, Blocks: 12, Rounds: 1, Slice: 350 * ms, Takes: 9600 * ms}},
		{"not even so: how many there are, and what would do", 5 * time.Second, 0, 4, 450 * ms, false,
			Forecast{Entries: 2, Blocks: 5, Rounds: 1, Slice: 450 * ms, Takes: 5000 * ms, Needs: verdict}},
		{"at least one restart", time.Nanosecond, 0, 4, 450 * ms, false,
			Forecast{Entries: 2, Blocks: 1, Rounds: 1, Slice: 450 * ms, Takes: 1000 * ms, Needs: verdict}},
		{"no more restarts than were asked for", time.Hour, 5, 1, 100 * ms, false,
			Forecast{Entries: 2, Blocks: 5, Rounds: 1, Slice: 100 * ms, Takes: 1500 * ms}},
		{"a model that is far off costs three rounds", 20 * time.Second, 0, 4, 1000 * ms, true,
			Forecast{Entries: 2, Large: 1, Blocks: 37, Rounds: 4, Slice: 550 * ms, Takes: 19700 * ms}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Experiment{Entries: entries("a", "b"), Reference: "a", Budget: tt.budget, Blocks: tt.blocks, Rounds: tt.rounds}
			tr := piloted(e, map[string]time.Duration{"a": tt.slice, "b": tt.slice})
			if tt.large {
				tr.cost["a"] = 100 * ms
				for label, n := range map[string]int64{"a": 10_000, "b": 100} {
					tr.slices = append(tr.slices, result.Slice{Phase: result.PhasePilot, Label: label, Load: &result.Load{WindowUs: 1e5, Requests: n, RequestsAll: n}})
				}
			}
			tr.plan()
			if *tr.forecast != tt.want {
				t.Errorf("%+v, want %+v", *tr.forecast, tt.want)
			}
			if tr.out.RoundsPerBlock != tt.want.Rounds {
				t.Errorf("the record says %d rounds", tr.out.RoundsPerBlock)
			}
		})
	}
}

// Room is made by settling for less, too, but not for less than a pilot does.
func TestRoomIsMadeByShorterSettling(t *testing.T) {
	for _, tt := range []struct {
		name           string
		budget, settle time.Duration
		blocks         int
		want           time.Duration // of settling
	}{
		{"there is room", 40 * time.Second, 2 * time.Second, 15, 2 * time.Second},
		{"there is, if it settles for less", 20 * time.Second, 2 * time.Second, 11, 1310720 * time.Microsecond},
		{"there is none: then it settles as it should", 2 * time.Second, 2 * time.Second, 1, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Experiment{Entries: entries("a"), Reference: "a", Budget: tt.budget, Rounds: 4, Scenario: scenario.Scenario{Loop: scenario.LoopClosed, Clients: 64}}
			tr := piloted(e, map[string]time.Duration{})
			tr.startCost = 0
			tr.length["a"] = lengths{settle: tt.settle, count: 100 * time.Millisecond}
			tr.plan()
			if got := tr.lengths(e.Entries[0]).settle; got != tt.want || tr.forecast.Rounds != 1 || tr.forecast.Blocks < tt.blocks {
				t.Errorf("it settles for %v in %d blocks of %d rounds, want %v in %d of one", got, tr.forecast.Blocks, tr.forecast.Rounds, tt.want, tt.blocks)
			}
		})
	}
}

// A pilot is a single look: where blocks take longer than it said, those that a
// verdict takes are kept, with fewer rounds and at last a little overtime.
func TestPromisedBlocksAreKept(t *testing.T) {
	const ms = time.Millisecond
	e := Experiment{Entries: entries("a"), Reference: "a", Budget: 10 * time.Second, Rounds: 4}
	tr := piloted(e, map[string]time.Duration{"a": 150 * ms})
	tr.plan() // ten blocks of 650 ms
	tr.begun = time.Now()
	if got := tr.rounds(); got != 4 {
		t.Errorf("%d rounds at first, want 4 as planned", got)
	}
	tr.cost["a"] = 400 * ms
	if got := tr.rounds(); got != 2 {
		t.Errorf("%d rounds when a slice takes 400 ms, want 2: ten blocks of 850 ms fit, of 1,250 ms they don't", got)
	}
	if got := tr.allowed(); got != 11*time.Second {
		t.Errorf("allowed %v before the tenth block, want a tenth more than the budget", got)
	}
	tr.out.Blocks = 10
	if r, a := tr.rounds(), tr.allowed(); r != 4 || a != 10*time.Second {
		t.Errorf("after the tenth %d rounds and %v, want 4 and the budget", r, a)
	}
}

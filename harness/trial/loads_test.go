package trial

import (
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

func TestLengthsOfOpenLoops(t *testing.T) {
	steady := scenario.Scenario{Loop: scenario.LoopOpen, Rate: 1000, Arrivals: scenario.ArrivalsPoisson, RequestsPerConnection: 1, Wait: scenario.Constant(10 * time.Millisecond)}
	varying := steady
	var err error
	if varying.Cycle, err = scenario.ParseCycle("200ms*1,100ms*0"); err != nil {
		t.Fatal(err)
	}
	sessions := steady
	sessions.Loop, sessions.RequestsPerConnection, sessions.Think = scenario.LoopPartlyOpen, 5, scenario.Constant(20*time.Millisecond)
	rare := steady
	rare.Rate = 10
	for _, tt := range []struct {
		name     string
		load     scenario.Scenario
		slice    time.Duration
		response time.Duration // as the pilot saw it
		left     int64         // under way when it ended
		want     lengths
	}{
		{"200 arrivals, after four response times", steady, 0, 12 * time.Millisecond, 12, lengths{48 * time.Millisecond, 200 * time.Millisecond, 6 * time.Millisecond}},
		{"a pilot that saw no answer knows the work", steady, 0, 0, 100, lengths{40 * time.Millisecond, 200 * time.Millisecond, 50 * time.Millisecond}},
		{"what the user says", steady, 70 * time.Millisecond, 12 * time.Millisecond, 12, lengths{48 * time.Millisecond, 70 * time.Millisecond, 6 * time.Millisecond}},
		{"no more than the longest", rare, 0, 12 * time.Millisecond, 0, lengths{48 * time.Millisecond, time.Second, 0}},
		{"a session's pauses count too", sessions, 0, 12 * time.Millisecond, 0, lengths{140 * time.Millisecond, 140 * time.Millisecond, 0}},
		{"a load that varies is counted in whole cycles", varying, 0, 12 * time.Millisecond, 12, lengths{count: 300 * time.Millisecond}},
		{"as many of them as the user's slice takes", varying, 400 * time.Millisecond, 12 * time.Millisecond, 12, lengths{count: 600 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := Experiment{Scenario: tt.load, Most: time.Second, Slice: tt.slice}
			l := &result.Load{WindowUs: 100_000, Requests: 200, Unfinished: tt.left, Latency: result.NewHistogram()}
			if tt.response > 0 {
				l.Latency.Record(tt.response)
			}
			if got := e.lengths(result.Slice{Load: l}); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// bySlices counts slices by phase and label.
func bySlices(taken []result.Slice) map[string]int {
	n := map[string]int{}
	for _, s := range taken {
		n[s.Phase+" "+s.Label]++
	}
	return n
}

func TestSilentConnectionsAreHeldOverABlock(t *testing.T) {
	e := small(t, "goroutine", "iterative", "pool:workers=2")
	e.Scenario.Idle, e.Scenario.Wait = 40, scenario.Dist{}
	out, taken, err := play(t.Context(), t, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range taken {
		if s.Held == nil || s.Label != "goroutine" {
			continue
		}
		if s.Held.Answered != 40 || s.Held.Lost != 0 {
			t.Errorf("%s: %+v, want all 40 answered and none lost", s.Phase, *s.Held)
		}
		if s.Phase == result.PhaseHold && s.Held.RSSAfterBytes <= s.Held.RSSBeforeBytes {
			t.Errorf("memory %d before, %d after: want what 40 connections take", s.Held.RSSBeforeBytes, s.Held.RSSAfterBytes)
		}
	}
	n := bySlices(taken)
	if n["hold goroutine"] != 3 || n["release goroutine"] != 2 || n["round goroutine"] != 4 || out.StoppedBy != "budget" {
		t.Errorf("stopped by %q after %v; want a hold in the pilot and in each of two blocks, a release in each of those, four rounds", out.StoppedBy, n)
	}
	// Those that take one connection at a time per place have no place left.
	for _, c := range out.Cells[1:] {
		if c.Unable == "" || c.Valid || n["round "+c.Label] != 0 {
			t.Errorf("%s: unable %q, valid %v, %d rounds; want words instead of figures", c.Label, c.Unable, c.Valid, n["round "+c.Label])
		}
	}
	if len(out.Failures) != 0 || !strings.Contains(out.Cells[1].Unable, "its only place") || !strings.Contains(out.Cells[2].Unable, "all its 2 workers") {
		t.Errorf("failures %v, reasons %q and %q", out.Failures, out.Cells[1].Unable, out.Cells[2].Unable)
	}
	if c := out.Cells[0]; c.HeldAnswered != 40 || c.HeldLost != 0 || c.BytesPerHeldConnection == nil || !c.Valid {
		t.Errorf("%+v; want 40 held, and what each takes", c)
	}
}

func TestARateThatIsAMultipleOfTheReferencesCapacity(t *testing.T) {
	e := small(t, "goroutine", "pool")
	e.Scenario = scenario.Scenario{
		Name: "overload", Loop: scenario.LoopOpen, Conversation: scenario.ConversationHTTP, RequestsPerConnection: 1,
		OfCapacity: true, Arrivals: scenario.ArrivalsPoisson, Spin: scenario.Constant(200 * time.Microsecond),
		Timeout: scenario.Span(500_000),
	}
	var err error
	if e.Scenario.Cycle, err = scenario.ParseCycle("150ms*0.2,50ms*0.5"); err != nil {
		t.Fatal(err)
	}
	e.Blocks, e.Rounds = 1, 1
	out, taken, err := play(t.Context(), t, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.CapacityPerS <= 0 || out.Rate != out.CapacityPerS || out.Load.Rate != out.Rate || out.PlanDigest == "" {
		t.Fatalf("capacity %v, rate %v, of the load %v, digest %q: want one rate for all", out.CapacityPerS, out.Rate, out.Load.Rate, out.PlanDigest)
	}
	if n := bySlices(taken); n["capacity goroutine"] != capacityLooks || n["capacity pool"] != 0 {
		t.Errorf("%v; want the reference's capacity alone", n)
	}
	due := map[int64]bool{}
	for _, s := range taken {
		if s.Phase != result.PhaseRound {
			continue
		}
		if s.CountUs != 200_000 || s.Load.Series == nil || s.Load.Due == 0 {
			t.Errorf("%s: counted for %d µs, %d due, series %v; want a whole cycle", s.Label, s.CountUs, s.Load.Due, s.Load.Series)
		}
		due[s.Load.Due] = true
	}
	if len(due) != 1 {
		t.Errorf("requests that were due: %v; want as many for each model", due)
	}
}

// What the clients held is lost with them. A server that is to be measured
// beside silent connections must not be measured without.
func TestConnectionsAreHeldAnewWhenTheClientsAreLost(t *testing.T) {
	e := small(t, "goroutine")
	e.Reference = ""
	e.Scenario.Idle, e.Scenario.Wait = 40, scenario.Dist{}
	e.Blocks, e.Rounds = 1, 3
	killed := false
	out, taken, err := play(t.Context(), t, e, func(tr *trial, ev Event) {
		if !killed && tr.round == 1 && ev.Doing == "goroutine" {
			killed = true
			kill(t, tr.clients.PID())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !killed {
		t.Fatal("the clients were not lost: the test is void")
	}
	holding, lost := int64(0), 0
	for _, s := range taken {
		switch {
		case s.Failed != "":
			lost++
			holding = 0
		case s.Phase == result.PhaseHold:
			holding = s.Held.Answered
			if s.Held.RSSAfterBytes <= s.Held.RSSBeforeBytes {
				t.Errorf("memory %d before, %d after: want that of a fresh process", s.Held.RSSBeforeBytes, s.Held.RSSAfterBytes)
			}
		case s.Phase == result.PhaseRound && holding != 40:
			t.Errorf("round %d was played beside %d silent connections, want 40", s.Round, holding)
		case s.Phase == result.PhaseRound && s.Server == nil:
			t.Errorf("round %d: the server never became idle", s.Round)
		}
	}
	if lost != 1 || len(out.Failures) != 0 {
		t.Errorf("%d slices lost, failures %v; want one lost, and no failure of the model", lost, out.Failures)
	}
}

func TestWhoCannotTakePart(t *testing.T) {
	quick := scenario.Scenario{}
	slow := scenario.Scenario{Wait: scenario.Constant(2 * time.Second)}
	for _, tt := range []struct {
		is       string
		load     scenario.Scenario
		answered int64 // of 1,000 that were to be held
		active   int64 // requests of others, answered
		limit    *result.Limit
		heldPeak int64
		want     bool
	}{
		{"its only place is taken", quick, 1, 0, &result.Limit{Name: "one at a time", Size: 1}, 1, true},
		{"all its workers are", quick, 16, 0, &result.Limit{Name: "workers", Size: 16}, 16, true},
		{"a server that isn't ours and answers nobody else", quick, 8, 0, nil, 0, true},
		{"all that were to be held are", quick, 1000, 0, nil, 1000, false},
		{"one was lost on the way, and others were answered", quick, 999, 500, nil, 1000, false},
		{"places were free", quick, 999, 0, &result.Limit{Name: "goroutines", Size: 2000}, 1010, false},
		{"requests are bounded, which who is silent doesn't make", quick, 999, 0, &result.Limit{Name: "workers", Size: 16, Of: result.OfRequests}, 1010, false},
		{"a request takes longer than the pilot looked", slow, 999, 0, nil, 1000, false},
	} {
		s := result.Slice{
			SettleUs: 250_000, Load: &result.Load{WindowUs: 100_000, RequestsAll: tt.active},
			Server: &result.Server{Limit: tt.limit, HeldPeak: tt.heldPeak},
		}
		if why := unable(tt.load, result.Held{Asked: 1000, Answered: tt.answered}, s); (why != "") != tt.want {
			t.Errorf("%s: %q", tt.is, why)
		}
	}
}

func TestAModelThatCantTakePartByItsNature(t *testing.T) {
	const why = "it serves HTTP and nothing else"
	e := small(t, "goroutine", "pool")
	e.Blocks, e.Rounds = 1, 1
	at := slices.IndexFunc(e.Entries, func(e result.Entry) bool { return e.Label == "pool" })
	e.Entries[at].Unable = why
	out, taken, err := play(t.Context(), t, e, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := bySlices(taken); n["round pool"] != 0 || n["pilot pool"] != 1 || len(out.Failures) != 0 {
		t.Errorf("slices %v, failures %v; want the words alone in its pilot, and no failure", n, out.Failures)
	}
	for _, c := range out.Cells {
		if want := map[bool]string{true: why}[c.Label == "pool"]; c.Unable != want {
			t.Errorf("%s: unable %q, want %q", c.Label, c.Unable, want)
		}
	}
}

package process

import (
	"errors"
	"testing"
	"time"

	"workbench/harness/scenario"
)

// Connections are held while others are active, and a server that holds them
// is idle all the same.
func TestHeldConnections(t *testing.T) {
	for _, tt := range []struct {
		model    string
		asked    int
		within   time.Duration
		answered int64
		active   bool // others are answered too
	}{
		{"goroutine", 50, 10 * time.Second, 50, true},
		{"pool:workers=2", 5, 500 * time.Millisecond, 2, false},
	} {
		t.Run(tt.model, func(t *testing.T) {
			s, err := StartServer(t.Context(), nil, ServerConfig{Model: tt.model, Conversation: "http", NoIdleTimeout: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			clients, err := StartClients(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer clients.Stop()

			before, err := s.Memory(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			holding, err := clients.Hold(t.Context(), HoldJob{Addr: s.Addr, Conversation: "http", Connections: tt.asked, Within: tt.within})
			if err != nil || holding.Answered != tt.answered || holding.Asked != int64(tt.asked) {
				t.Fatalf("held %+v, %v; want %d of %d answered", holding, err, tt.answered, tt.asked)
			}
			if after, err := s.Memory(t.Context()); err != nil || (before > 0) != (after > 0) {
				t.Errorf("memory %d bytes and then %d (%v), want both or none", before, after, err)
			}

			for range 2 { // the baseline of the first slice holds for the second
				if err := s.Begin(t.Context(), Window{Held: true, Patience: Patience{Idle: 5 * time.Second}}); err != nil {
					t.Fatal(err)
				}
				if !tt.active {
					continue
				}
				j := job(t, s)
				j.Scenario.Wait = scenario.Dist{}
				if err := clients.Prepare(t.Context(), "net", j); err != nil {
					t.Fatal(err)
				}
				outcome, err := clients.Play(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				used, err := s.End(t.Context(), 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if outcome.Load.RequestsAll == 0 || used.Requests != outcome.Load.RequestsAll {
					t.Errorf("%d answers given, %d seen; want the same, and some", used.Requests, outcome.Load.RequestsAll)
				}
				if used.HeldPeak <= tt.answered {
					t.Errorf("at most %d connections held, want more than the %d silent ones", used.HeldPeak, tt.answered)
				}
			}
			if tt.active { // one more than those that are held isn't idle
				nc := held(t, s)
				_, err := s.End(t.Context(), 20*time.Millisecond)
				if want := (BusyError{"the server " + tt.model, 1}); !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
				nc.Close()
			}

			released, err := clients.Release(t.Context(), s.Addr, 10*time.Second)
			if err != nil || released.Answered != tt.answered || released.Lost != 0 {
				t.Errorf("released %+v, %v; want all %d answered once more", released, err, tt.answered)
			}
			if err := s.Begin(t.Context(), Window{Patience: Patience{Idle: 5 * time.Second}}); err != nil {
				t.Error("when nothing is held any more:", err)
			}
		})
	}
}

// What can't be held is an error in words, and no loss of the clients.
func TestErrorsOfHolding(t *testing.T) {
	clients, err := StartClients(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer clients.Stop()
	if _, err := clients.Hold(t.Context(), HoldJob{Addr: "127.0.0.1:1", Conversation: "once", Connections: 1, Within: time.Second}); err == nil {
		t.Error("connections were held in a conversation that closes them")
	}
}

func TestHowLongASliceMayTake(t *testing.T) {
	closed := scenario.Scenario{Loop: scenario.LoopClosed, Clients: 1000}
	open := scenario.Scenario{Loop: scenario.LoopOpen, Rate: 1000, Timeout: 1_000_000}
	for _, tt := range []struct {
		name string
		job  Job
		want time.Duration
	}{
		{"settling, window, the default timeout and the closing of 1,000 connections", Job{Scenario: closed, Settle: time.Second, Count: 2 * time.Second},
			3*time.Second + scenario.DefaultTimeout + 100*time.Millisecond},
		{"the bounds of settling and window, where they are longer", Job{Scenario: closed, Settle: 1, SettleUntilAll: time.Second, Count: 1, CountMax: 4 * time.Second},
			5*time.Second + scenario.DefaultTimeout + 100*time.Millisecond},
		{"the job's own timeout", Job{Scenario: closed, Timeout: time.Minute}, time.Minute + 100*time.Millisecond},
		{"the scenario's timeout, and as many connections as an open loop may have", Job{Scenario: open}, 2 * time.Second},
		{"which the job may say", Job{Scenario: open, MaxConnections: 100}, time.Second + 10*time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := playLimit(tt.job); got != tt.want+answerLimit {
				t.Errorf("limit %v, want %v and the %v that an answer takes at most", got, tt.want, answerLimit)
			}
		})
	}
}

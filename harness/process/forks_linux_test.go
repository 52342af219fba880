package process

import (
	"testing"
	"time"
)

// What a server's children use is what the server uses.
func TestAServerIsMeasuredWithItsChildren(t *testing.T) {
	for _, model := range []string{"prefork:processes=3", "prefork:processes=3,each=reactor"} {
		t.Run(model, func(t *testing.T) {
			s := serve(t, model)
			clients, err := StartClients(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer clients.Stop()
			children := awaitChildren(t, s.PID(), 3)
			for range 2 {
				j := job(t, s)
				if err := clients.Prepare(t.Context(), "net", j); err != nil {
					t.Fatal(err)
				}
				if err := s.Begin(t.Context(), Window{From: j.Settle, Until: j.Settle + j.Count, Patience: Patience{Idle: 5 * time.Second}}); err != nil {
					t.Fatal(err)
				}
				before, ours := cpuBelow(s.PID()), Used(s, clients)
				outcome, err := clients.Play(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				// What is idle by then had all this within the slice.
				within, oursWithin := cpuBelow(s.PID())-before, Used(s, clients)-ours
				used, err := s.End(t.Context(), 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if seen := outcome.Load.RequestsAll; seen == 0 || used.Requests != seen {
					t.Errorf("the server gave %d answers, the clients got %d", used.Requests, seen)
				}
				if within <= 0 || used.CPUUs < us(within) || used.WindowCPUUs <= 0 || used.WindowCPUUs > used.CPUUs {
					t.Errorf("CPU %v µs in all, %v in the window; its children had %v of it", used.CPUUs, used.WindowCPUUs, within)
				}
				if oursWithin < within {
					t.Errorf("server, clients and this process had %v of CPU together, and the server's children alone %v", oursWithin, within)
				}
				// Four programs of Go's: none has fewer than 3 threads, or a MiB.
				if used.Processes != 4 || used.Threads < 12 || used.RSSPeakBytes < 4<<20 || used.ContextSwitches < 1 {
					t.Errorf("%v before, %v now: %d processes, %d threads, %d bytes, %d context switches", children, walk(s.PID()), used.Processes, used.Threads, used.RSSPeakBytes, used.ContextSwitches)
				}
				memory, err := s.Memory(t.Context())
				if err != nil || memory < 4<<20 || memory > used.RSSPeakBytes+64<<20 {
					t.Errorf("memory of %d bytes, %v; the peak was %d", memory, err, used.RSSPeakBytes)
				}
			}
			s.Stop()
			for _, p := range children {
				awaitEnd(t, p.pid)
			}
		})
	}
}

// A server that is killed takes its children with it.
func TestChildrenOfAServerEndWithIt(t *testing.T) {
	s := serve(t, "prefork:processes=3")
	children := awaitChildren(t, s.PID(), 3)
	if err := s.c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, p := range children {
		awaitEnd(t, p.pid)
	}
}

func TestOtherModelsHaveNoChildren(t *testing.T) {
	s := serve(t, "goroutine")
	if s.Forks || cpuBelow(s.PID()) != 0 {
		t.Errorf("forks %v, %v of CPU below it", s.Forks, cpuBelow(s.PID()))
	}
	if err := s.Begin(t.Context(), Window{Patience: Patience{Idle: 5 * time.Second}}); err != nil {
		t.Fatal(err)
	}
	if used, err := s.End(t.Context(), time.Second); err != nil || used.Processes != 0 {
		t.Errorf("%+v, %v", used, err)
	}
}

// awaitChildren waits until a process has n children, and they are all this
// program.
func awaitChildren(t *testing.T, pid, n int) []proc {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		tree := walk(pid)
		if len(tree) == n {
			return tree
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d children of process %d, want %d", len(tree), pid, n)
		}
	}
}

package process

import (
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"workbench/harness/result"
	"workbench/models"
)

// What models say of their inside comes with their slices: of one slice, and not
// of what was before it.
func TestASliceOfAModelWithAnInside(t *testing.T) {
	for _, tt := range []struct {
		model  string
		spread string // over how many of what
		parts  int
		queues []string
		work   int64 // requests at work at once, 0 where they aren't bounded
	}{
		{"shards:shards=3", "shards", 3, nil, 0},
		{"reactor", "", 0, []string{"events"}, 0},
		{"uring", "", 0, []string{"completions"}, 0},
		{"reactors:loops=2", "loops", 2, []string{"events"}, 0},
		{"reactor-pool:workers=2", "", 0, []string{"events", "requests"}, 2},
		{"staged:workers=3", "", 0, []string{"events", "parse", "work", "write"}, 3},
	} {
		t.Run(tt.model, func(t *testing.T) {
			if err := models.Available(tt.model); err != nil {
				t.Skip(err) // io_uring may be forbidden
			}
			s := serve(t, tt.model)
			clients, err := StartClients(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer clients.Stop()
			worked := tt.work == 0
			for slice := 0; slice < 2 || !worked && slice < 50; slice++ {
				used := playedOnce(t, s, clients)
				worked = worked || used.WindowAtWorkUs > 0
				if v := used.Spread; (v != nil) != (tt.spread != "") {
					t.Errorf("spread %+v, want one over %q", v, tt.spread)
				} else if v != nil {
					all := int64(0)
					for n := range slices.Values(v.Taken) {
						all += n
					}
					if v.Name != tt.spread || len(v.Taken) != tt.parts || all != used.Accepted {
						t.Errorf("spread %+v of %d connections, want them over %d %s", v, used.Accepted, tt.parts, tt.spread)
					}
				}
				if names := slices.Sorted(maps.Keys(used.Queues)); !slices.Equal(names, tt.queues) {
					t.Errorf("queues %v, want %v", used.Queues, tt.queues)
				}
				for name, most := range used.Queues {
					if most < 1 {
						t.Errorf("the queue %s held %d at most, and requests were answered", name, most)
					}
				}
				l := used.Limit
				if tt.work == 0 {
					if l != nil || used.AtWorkPeak != 0 || used.WindowAtWorkUs != 0 {
						t.Errorf("limit %+v, at work %d for %v µs; want none", l, used.AtWorkPeak, used.WindowAtWorkUs)
					}
					continue
				}
				if l == nil || l.Of != result.OfRequests || l.Size != tt.work {
					t.Fatalf("limit %+v, want one of %d requests", l, tt.work)
				}
				if full := exactly(float64(l.Size) * used.WindowCPUWallUs); used.WindowAtWorkUs < 0 || exactly(used.WindowAtWorkUs) > full || used.AtWorkPeak < 1 || used.AtWorkPeak > l.Size {
					t.Errorf("at most %d at work, for %v µs; want 1 to %d, and %v ns at most", used.AtWorkPeak, used.WindowAtWorkUs, l.Size, full)
				}
			}
			if !worked { // on a busy machine a window may be over before the clients come, but not each
				t.Error("nobody was at work in any window")
			}
		})
	}
}

// exactly are whole nanoseconds, as they were measured.
func exactly(us float64) int64 { return int64(math.Round(us * 1000)) }

// playedOnce plays one slice, and returns what the server says of it.
func playedOnce(t *testing.T, s *Server, clients *Clients) *result.Server {
	t.Helper()
	j := job(t, s)
	if err := clients.Prepare(t.Context(), "net", j); err != nil {
		t.Fatal(err)
	}
	if err := s.Begin(t.Context(), Window{From: j.Settle, Until: j.Settle + j.Count}); err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Play(t.Context()); err != nil {
		t.Fatal(err)
	}
	used, err := s.End(t.Context(), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return used
}

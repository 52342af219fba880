package result

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// read are histograms as those of a record are: packed. They are not to be
// changed.
var read = sync.OnceValue(func() (hs []*Histogram) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 25 {
		h := NewHistogram()
		for range 20 {
			h.Record(time.Duration(r.ExpFloat64() * float64(10*time.Millisecond)))
		}
		b, err := json.Marshal(h)
		if err != nil {
			panic(err)
		}
		packed := new(Histogram)
		if err := json.Unmarshal(b, packed); err != nil {
			panic(err)
		}
		hs = append(hs, packed)
	}
	return hs
})

// experiment is what a few models leave: pilot, warm-ups and rounds, in which
// change may change what it likes.
func experiment(blocks int, change func(*Slice)) (taken []Slice) {
	r := rand.New(rand.NewPCG(7, 8))
	filled := func() *Histogram { return read()[r.IntN(len(read()))] }
	add := func(phase string, block, round int) {
		for _, label := range []string{"goroutine", "goroutine#2", "pool"} {
			s := Slice{
				Schema: SliceSchema, Experiment: "io", Phase: phase, Block: block, Round: round, Label: label,
				Load: &Load{WindowUs: 50_000, Latency: filled(), FirstByte: filled(), Connect: filled(), Service: filled(), Waited: filled()},
			}
			if change != nil {
				change(&s)
			}
			taken = append(taken, s)
		}
	}
	add(PhasePilot, 0, 0)
	for b := range blocks {
		add(PhaseWarm, b, 4*b)
		for i := range 4 {
			add(PhaseRound, b, 4*b+i)
		}
	}
	return taken
}

// kinds are histograms that a slice has, by key: of those that are treated
// alike, one.
func kinds(l *Load) map[string]*Histogram {
	return map[string]*Histogram{"latency": l.Latency, "waited": l.Waited, "lateness": l.Lateness}
}

// sums merges the histograms of the slices that part puts together; "" leaves
// one out.
func sums(taken []Slice, part func(s Slice, kind string) string) map[string]string {
	merged := map[string]*Histogram{}
	for _, s := range taken {
		if s.Load == nil {
			continue
		}
		for kind, h := range kinds(s.Load) {
			p := part(s, kind)
			if h == nil || p == "" {
				continue
			}
			if merged[p] == nil {
				merged[p] = NewHistogram()
			}
			merged[p].Merge(h)
		}
	}
	written := map[string]string{}
	for p, h := range merged {
		b, err := json.Marshal(h)
		if err != nil {
			panic(err)
		}
		written[p] = string(b)
	}
	return written
}

func TestCondensedSlicesHoldTheSame(t *testing.T) {
	disturbed := func(s *Slice) {
		if s.Phase == PhaseRound && s.Round%3 == 1 && s.Label == "pool" {
			s.Host.StealUs = 40_000
		}
	}
	tests := []struct {
		name   string
		change func(*Slice)
		apart  func(Slice) bool // is left out of comparisons
		// Those that are left: of latencies, and of each other kind.
		latencies, others int
	}{
		{"of quiet rounds one latency is left per model and restart, all else once per model", nil, nil, 3 + 3 + 3*3, 3 * 3},
		{"a round that the host took from keeps its latencies", disturbed, func(s Slice) bool { return s.Phase == PhaseRound && s.Round%3 == 1 },
			3 + 3 + 9 + 3*4, 9},
		{"where one fails, the rounds of the restart keep theirs", func(s *Slice) {
			if s.Round == 6 && s.Phase == PhaseRound && s.Label == "pool" {
				s.Failed = "the server died"
			}
		}, func(s Slice) bool { return s.Failed != "" }, 3 + 3 + 3*2 + 3*4, 9 + 1},
		{"and where one leaves", func(s *Slice) {
			if s.Round > 9 && s.Label == "pool" {
				s.Load = nil
			}
		}, func(s Slice) bool { return s.Round > 9 }, 3 + 3 + 3*2 + 3*2 + 2*2, 9},
		{"slices that were hung up on are not mixed with others", func(s *Slice) { s.HungUp = s.Round%2 == 1 }, func(s Slice) bool { return s.HungUp },
			3 + 3 + 2*9, 3 + 3 + 2*3},
		{"clients with a schedule keep what says whether they kept to it", func(s *Slice) { s.Load.Lateness = histogram(time.Millisecond) }, nil, 3 * (1 + 3 + 12), 9},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			taken := experiment(3, tt.change)
			before, err := pack(taken)
			if err != nil {
				t.Fatal(err)
			}
			got := Condense(taken)
			if after, err := pack(taken); err != nil || string(before) != string(after) {
				t.Fatalf("the slices given were changed (%v)", err)
			}
			latencies, others := 0, 0
			for i, s := range got {
				if s.Load == nil {
					continue
				}
				if s.Load.Latency != nil {
					latencies++
				}
				if s.Load.FirstByte != nil {
					others++
				}
				s, was := s, taken[i]
				l, lwas := *s.Load, *was.Load
				for _, h := range append(l.histograms(), lwas.histograms()...) {
					*h = nil
				}
				s.Load, was.Load = &l, &lwas
				if diff := cmp.Diff(was, s); diff != "" {
					t.Fatalf("slice %d has changed in more than histograms (-before +after):\n%s", i, diff)
				}
			}
			if latencies != tt.latencies || others != tt.others {
				t.Errorf("%d latencies and %d of each other kind are left, want %d and %d", latencies, others, tt.latencies, tt.others)
			}
			isApart := func(s Slice) bool { return tt.apart != nil && tt.apart(s) }
			for name, part := range map[string]func(s Slice, kind string) string{
				"of a model": func(s Slice, kind string) string { return fmt.Sprint(s.Phase, s.Label, kind) },
				"latencies of rounds, by restart": func(s Slice, kind string) string {
					if kind != "latency" || s.Phase != PhaseRound {
						return ""
					}
					return fmt.Sprint(s.Label, s.Block, isApart(s))
				},
			} {
				before, after := sums(taken, part), sums(got, part)
				for p, want := range before {
					if after[p] != want {
						t.Errorf("%s: those of %s are others", name, p)
					}
				}
				if len(after) != len(before) {
					t.Errorf("%s: %d are left of %d", name, len(after), len(before))
				}
			}
			for i, s := range Condense(got) {
				if s.Load == nil {
					continue
				}
				before := got[i].Load.histograms()
				for k, h := range s.Load.histograms() {
					if *h != *before[k] {
						t.Errorf("condensed again, slice %d has another histogram %d", i, k)
					}
				}
			}
		})
	}
}

package eventloop

import (
	"math/rand/v2"
	"testing"
)

// Whatever is set, changed, cancelled and taken, in any order, the timers say
// what a table that is searched from end to end says.
func TestTimersAgainstATable(t *testing.T) {
	const owners, moments = 40, 25 // few of either, so that much is changed and much is due at once
	r := rand.New(rand.NewPCG(1, 2))
	var timers Timers
	table := map[int]int64{}
	earliest := func() (when int64, any bool) {
		for _, w := range table {
			if !any || w < when {
				when, any = w, true
			}
		}
		return when, any
	}
	for step := range 100_000 {
		owner, when := r.IntN(owners), r.Int64N(moments)
		switch r.IntN(4) {
		case 0, 1:
			timers.Set(owner, when)
			table[owner] = when
		case 2:
			timers.Cancel(owner)
			delete(table, owner)
		case 3:
			want, any := earliest()
			got, ok := timers.Pop(when)
			if ok != (any && want <= when) {
				t.Fatalf("step %d: Pop(%d) is %v, and the earliest of %d is %d", step, when, ok, len(table), want)
			}
			if ok {
				if w, set := table[got]; !set || w != want {
					t.Fatalf("step %d: Pop took %d, whose moment is %d (%v), want one with %d", step, got, w, set, want)
				}
				delete(table, got)
			}
		}
		want, any := earliest()
		if got, ok := timers.Next(); ok != any || got != want || timers.Len() != len(table) {
			t.Fatalf("step %d: next is %d (%v) of %d, want %d (%v) of %d", step, got, ok, timers.Len(), want, any, len(table))
		}
	}
}

func TestTimersComeInOrder(t *testing.T) {
	const n = 10_000
	r := rand.New(rand.NewPCG(3, 4))
	var timers Timers
	for owner := range n {
		timers.Set(owner, r.Int64())
	}
	whens := map[int]int64{}
	for last := int64(0); timers.Len() > 0; {
		when, _ := timers.Next()
		if _, ok := timers.Pop(when - 1); ok {
			t.Fatal("a timer was taken before it was due")
		}
		owner, ok := timers.Pop(when)
		if _, twice := whens[owner]; !ok || twice || when < last {
			t.Fatalf("%d at %d after %d (%v), taken before: %v", owner, when, last, ok, twice)
		}
		whens[owner], last = when, when
	}
	if len(whens) != n {
		t.Errorf("%d came of %d", len(whens), n)
	}
}

func TestTimersWithoutAnyAreQuiet(t *testing.T) {
	var timers Timers
	timers.Cancel(7)
	if _, ok := timers.Next(); ok {
		t.Error("there is a next one")
	}
	if _, ok := timers.Pop(1 << 62); ok {
		t.Error("one was due")
	}
}

func TestTimersDontAllocate(t *testing.T) {
	var timers Timers
	timers.Grow(100)
	if n := testing.AllocsPerRun(100, func() {
		for owner := range 100 {
			timers.Set(owner, int64(owner*7919%100))
		}
		for owner := 0; owner < 100; owner += 3 {
			timers.Cancel(owner)
		}
		for timers.Len() > 0 {
			timers.Pop(100)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func BenchmarkTimers(b *testing.B) {
	var timers Timers
	r := rand.New(rand.NewPCG(5, 6))
	now := int64(0)
	for owner := range 1000 {
		timers.Set(owner, r.Int64N(1e6))
	}
	for b.Loop() {
		now, _ = timers.Next()
		owner, _ := timers.Pop(now)
		timers.Set(owner, now+r.Int64N(1e6))
	}
}

package exchange

import (
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"
)

// family makes a leader with n members, all in this process.
func family(t *testing.T, n int) (*Exchange, *Family, []*Exchange) {
	t.Helper()
	leader, err := New(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	f, err := leader.Lead(n)
	if err != nil {
		t.Fatal(err)
	}
	members := make([]*Exchange, n)
	for i := range members {
		members[i] = joins(t, f, i)
	}
	return leader, f, members
}

func joins(t *testing.T, f *Family, i int) *Exchange {
	t.Helper()
	x, err := New(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := x.Join(f.File(), i); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestAFamilyCountsAsOne(t *testing.T) {
	leader, f, members := family(t, 3)
	a, b, c := members[0], members[1], members[2]
	ids := []uint64{a.opened(nil), b.opened(nil), a.opened(nil), c.opened(nil)}
	if want := []uint64{1, 2, 3, 4}; !slices.Equal(ids, want) {
		t.Errorf("connections of three members have the numbers %v, want %v", ids, want)
	}
	a.holds(1, -1)
	b.holds(2, -1)
	a.turns()
	a.requests.Add(5)
	b.requests.Add(7)
	c.panics.Add(1)
	b.timeouts.Add(2)
	c.backoffs.Add(3)
	check := func(when string, want Stats) {
		t.Helper()
		got := leader.Stats()
		want.At, want.HeldTime = got.At, got.HeldTime
		if got.Accepted != want.Accepted || got.Open != want.Open || got.OpenPeak != want.OpenPeak || got.Held != want.Held ||
			got.HeldPeak != want.HeldPeak || got.WaitingPeak != want.WaitingPeak || got.Rejected != want.Rejected ||
			got.Requests != want.Requests || got.Panics != want.Panics || got.Timeouts != want.Timeouts || got.AcceptBackoffs != want.AcceptBackoffs ||
			!slices.Equal(got.Processes, want.Processes) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", when, got, want)
		}
	}
	f.Began(1, 42)
	all := Stats{Accepted: 4, Open: 4, OpenPeak: 4, Held: 2, HeldPeak: 2, WaitingPeak: 4, Rejected: 1,
		Requests: 12, Panics: 1, Timeouts: 2, AcceptBackoffs: 3, Processes: []int{42}}
	check("with three members", all)

	// What b had open ends with it; what it did stays done.
	f.Ended(1)
	all.Open, all.Held, all.Processes = 3, 1, nil
	check("with one ended", all)
	b = joins(t, f, 1)
	if id := b.opened(nil); id != 5 {
		t.Errorf("the first connection of a successor is number %d, want 5", id)
	}
	b.requests.Add(1)
	all.Accepted, all.Open, all.Requests = 5, 4, 13
	check("with a successor in its place", all)

	leader.ResetPeaks()
	all.HeldPeak, all.WaitingPeak = 1, 2 // 4 are open, 1 held and 1 turned away
	check("with new peaks", all)
	b.closed(nil, -1, false) // turned away, or so it says
	for i := range members {
		f.Ended(i)
	}
	f.Close()
	all.Open, all.Held = 0, 0
	check("when the family has ended", all)
}

// A member that is killed between what it says on the board and what it writes
// into its account must not leave the board wrong for ever.
func TestAMemberThatDiesWhileItWrites(t *testing.T) {
	leader, f, members := family(t, 2)
	members[1].opened(nil)
	for range 3 {
		members[0].opened(nil)
	}
	m := members[0].member
	m.begins()
	f.board.now.Add(int64(oneOpen))                              // and its account was to follow,
	m.account.last(m.account.turn.Load() + 1).accepted.Store(99) // of which half was written
	f.Ended(0)
	if got := gauges(f.board.now.Load()); got.open() != 1 || got.held() != 0 {
		t.Errorf("the board says %d open and %d held, want 1 and 0", got.open(), got.held())
	}
	if st := leader.Stats(); st.Accepted != 4 || st.Open != 1 {
		t.Errorf("%d accepted and %d open, want 4 and 1", st.Accepted, st.Open)
	}
}

// One that is stopped while it writes, and lives, is waited for, but not for ever.
func TestAMemberThatStopsWhileItWrites(t *testing.T) {
	leader, f, members := family(t, 2)
	members[0].opened(nil)
	members[0].member.begins()
	asked := time.Now()
	if st := leader.Stats(); st.Accepted != 1 || st.Open != 1 {
		t.Errorf("%d accepted and %d open, want what it wrote last: 1 and 1", st.Accepted, st.Open)
	}
	if waited := time.Since(asked); waited < lookBound {
		t.Errorf("the counts were read after %v, while one was about to write", waited)
	}
	f.gone[0].Store(true) // from here on nobody waits for it
	leader.Stats()
}

// Held connections and the time they were held belong together: at any moment the
// integral grows by what is held. Members' clocks are the leader's.
func TestHeldTimeOfAFamily(t *testing.T) {
	leader, f, members := family(t, 2)
	var wg sync.WaitGroup
	var held time.Duration // as the members measure it
	var mu sync.Mutex
	stop := make(chan struct{})
	for _, x := range members {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				id := x.opened(nil)
				x.holds(id, -1)
				x.mu.Lock()
				from := x.heldAt
				x.mu.Unlock()
				burn(20_000)
				x.closed(nil, -1, true)
				x.mu.Lock()
				until := x.heldAt
				x.mu.Unlock()
				mu.Lock()
				held += time.Duration(until - from)
				mu.Unlock()
				burn(20_000) // who did nothing but write would never be found idle
			}
		})
	}
	before := leader.Stats()
	for range 2000 {
		now := leader.Stats()
		passed, grew := now.At.Sub(before.At), now.HeldTime-before.HeldTime
		const apart = time.Microsecond // that two clocks may be
		if grew < -2*apart || grew > 2*(passed+apart) {
			t.Errorf("in %v two members held one connection each, at most, and the time that they held them grew by %v", passed, grew)
			break
		}
		if now.Held > 2 || now.Open < now.Held || now.Accepted < before.Accepted {
			t.Errorf("%d open, %d held, %d accepted after %d: these can't be", now.Open, now.Held, now.Accepted, before.Accepted)
			break
		}
		before = now
	}
	close(stop)
	wg.Wait()
	if st := leader.Stats(); st.HeldTime != held {
		t.Errorf("connections were held for %v in all, and their members say %v", st.HeldTime, held)
	}
	for i := range members {
		f.Ended(i)
	}
	if st := leader.Stats(); st.HeldTime != held || st.Open != 0 {
		t.Errorf("after the members' end: held for %v, %d open; want %v, 0", st.HeldTime, st.Open, held)
	}
}

// Peaks over members are exact: here each of them holds its connections until
// all do, so all are held at once, and never one more.
func TestPeaksOfAFamilyAreExact(t *testing.T) {
	const n, each = 8, 25
	leader, _, members := family(t, n)
	for range 20 {
		leader.ResetPeaks()
		var all, wg sync.WaitGroup
		all.Add(n)
		for _, x := range members {
			wg.Go(func() {
				for range each {
					x.holds(x.opened(nil), -1)
				}
				all.Done()
				all.Wait()
				for range each {
					x.closed(nil, -1, true)
				}
			})
		}
		wg.Wait()
		st := leader.Stats()
		if st.OpenPeak != n*each || st.HeldPeak != n*each {
			t.Fatalf("peaks of %d open and %d held, want %d and %d", st.OpenPeak, st.HeldPeak, n*each, n*each)
		}
		if st.WaitingPeak < 1 || st.WaitingPeak > n {
			t.Fatalf("a peak of %d waiting, where each of %d members holds what it accepts", st.WaitingPeak, n)
		}
	}
}

// Members die at any point of what they do, again and again, while others go on.
func TestMembersComeAndGo(t *testing.T) {
	leader, f, members := family(t, 4)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, x := range members[1:] {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					x.holds(x.opened(nil), -1)
					x.closed(nil, -1, true)
					burn(20_000) // who did nothing but write would never be found idle
				}
			}
		})
	}
	var accepted int64
	for i := range 300 {
		x := members[0]
		if i > 0 {
			x = joins(t, f, 0)
		}
		for range rand.IntN(5) {
			x.opened(nil)
			accepted++
		}
		if rand.IntN(2) == 0 {
			x.member.begins()
			if rand.IntN(2) == 0 {
				f.board.now.Add(int64(oneHeld - oneOpen))
			}
		}
		f.Ended(0)
	}
	close(stop)
	wg.Wait()
	st := leader.Stats()
	if got := f.board.now.Load(); got != 0 || st.Open != 0 || st.Held != 0 {
		t.Errorf("nothing is open, and the board says %#x, the counts %d open and %d held", got, st.Open, st.Held)
	}
	for _, x := range members[1:] {
		accepted += x.accepted
	}
	if st.Accepted != accepted {
		t.Errorf("%d accepted, want %d", st.Accepted, accepted)
	}
}

func TestJoinRefusesAPlaceThatIsNone(t *testing.T) {
	_, f, _ := family(t, 1)
	x, err := New(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []int{-1, 1} {
		if x.Join(f.File(), i) == nil {
			t.Errorf("place %d of a family of 1 could be had", i)
		}
	}
	empty, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if x.Join(empty, 0) == nil {
		t.Error("an empty file passes for a family's memory")
	}
}

func BenchmarkCountAConnection(b *testing.B) {
	for _, joined := range []bool{false, true} {
		x, err := New(DefaultOptions())
		if err != nil {
			b.Fatal(err)
		}
		name := "alone"
		if joined {
			name = "as a member"
			f, err := x.Lead(1)
			if err != nil {
				b.Fatal(err)
			}
			if x, err = New(DefaultOptions()); err == nil {
				err = x.Join(f.File(), 0)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				x.holds(x.opened(nil), -1)
				x.closed(nil, -1, true)
			}
		})
	}
}

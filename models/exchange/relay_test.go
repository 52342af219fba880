package exchange

import (
	"errors"
	"net"
	"os"
	"slices"
	"testing"
	"time"
)

func TestMomentsAreRelayed(t *testing.T) {
	leader, member := pairOfExchanges(t)
	var seen []Moment
	leader.Observe(func(m Moment) {
		m.Bytes = slices.Clone(m.Bytes)
		seen = append(seen, m)
		if m.Event == Working && m.Work.Bytes == 666 {
			panic("the observer says no")
		}
	})
	here, there := net.Pipe()
	done := make(chan func(), 1)
	go func() { done <- leader.Relay(here) }()
	member.RelayTo(there)
	tell := func(m Moment) (panicked any) {
		defer func() { panicked = recover() }()
		member.observe(m)
		return nil
	}
	moments := []Moment{
		{Event: Accepted, Conn: 7, Worker: -1},
		{Event: Accepted, Conn: 9, Worker: -1},
		{Event: Held, Conn: 7, Worker: 3},
		{Event: Read, Conn: 7, Worker: 3, Bytes: []byte("GET / \x00\xff")},
		{Event: Working, Conn: 7, Worker: 3, Work: Work{Wait: time.Second, Spin: time.Millisecond, Bytes: 5}},
		{Event: Worked, Conn: 7, Worker: 3, Work: Work{Wait: time.Second}},
		{Event: Panicked, Conn: 7, Worker: 3, Err: errors.New("why")},
		{Event: TimedOut, Conn: 7, Worker: 3, Err: os.ErrDeadlineExceeded},
		{Event: Closed, Conn: 7, Worker: 3},
	}
	for _, m := range moments {
		if p := tell(m); p != nil {
			t.Errorf("%+v panics: %v", m, p)
		}
	}
	if p := tell(Moment{Event: Working, Conn: 9, Work: Work{Bytes: 666}}); p != "the observer says no" {
		t.Errorf("an observer's panic comes back as %v", p)
	}
	_ = there.Close() // the member dies, with 9 open
	(<-done)()
	moments = append(moments, Moment{Event: Working, Conn: 9, Work: Work{Bytes: 666}}, Moment{Event: Closed, Conn: 9})
	if len(seen) != len(moments) {
		t.Fatalf("%d moments were told, and %d are seen: %+v", len(moments), len(seen), seen)
	}
	for i, want := range moments {
		got := seen[i]
		if want.Event == TimedOut && !errors.Is(got.Err, os.ErrDeadlineExceeded) {
			t.Errorf("moment %d is a timeout, and its error %v isn't one", i, got.Err)
		}
		if (got.Err == nil) != (want.Err == nil) || got.Err != nil && got.Err.Error() != want.Err.Error() {
			t.Errorf("moment %d: error %v, want %v", i, got.Err, want.Err)
		}
		if got.Event != want.Event || got.Conn != want.Conn || got.Worker != want.Worker || string(got.Bytes) != string(want.Bytes) || got.Work != want.Work {
			t.Errorf("moment %d: %+v, want %+v", i, got, want)
		}
	}
	if tell(Moment{Event: Working, Conn: 10}) != nil {
		t.Error("with nobody at the other end, work panics")
	}
}

func pairOfExchanges(t *testing.T) (a, b *Exchange) {
	t.Helper()
	a, err := New(DefaultOptions())
	if err == nil {
		b, err = New(DefaultOptions())
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

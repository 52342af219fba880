package exchange

import "testing"

// What is held and what is at work are read at one moment, and that is At: else a
// worker could be said to have worked for longer than there was time.
func TestCountsAreOfOneMoment(t *testing.T) {
	x, err := New(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	x.Declare(Limit{Name: "workers at work", Work: 1})
	x.holds(x.opened(nil), -1)
	x.worksOn()
	before := x.Stats()
	for range 10_000 {
		now := x.Stats()
		passed, held, worked := now.At.Sub(before.At), now.HeldTime-before.HeldTime, now.WorkTime-before.WorkTime
		if held != passed || worked != passed {
			t.Fatalf("in %v one connection was held for %v, and one request at work for %v", passed, held, worked)
		}
	}
}

package load

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

func TestBinsDivideTheCycle(t *testing.T) {
	for _, row := range []struct {
		is    string
		cycle time.Duration
		bin   time.Duration
	}{
		{"a second", time.Second, 50 * ms},
		{"three seconds, as overload has them", 3 * time.Second, 50 * ms},
		{"the least that has two", 100 * ms, 50 * ms},
		{"shorter than a bin", 20 * ms, 20 * ms},
		{"as many as there may be", 10 * time.Second, 50 * ms},
		{"more than there may be", 60 * time.Second, 300 * ms},
		{"70 ms, nearer to one bin than to two", 70 * ms, 70 * ms},
		{"77 ms, which 50 doesn't divide", 77 * ms, 38500 * time.Microsecond},
		{"a prime number of milliseconds", 997 * ms, 49850 * time.Microsecond},
		{"a prime number of microseconds: one bin", 99_991 * time.Microsecond, 99_991 * time.Microsecond},
	} {
		n := bins(row.cycle)
		if got := row.cycle / time.Duration(n); got != row.bin || row.cycle%time.Duration(n) != 0 || n > mostBins {
			t.Errorf("%s: %d bins of %v, want %v", row.is, n, got, row.bin)
		}
	}
}

func TestSeriesFoldsCyclesIntoOne(t *testing.T) {
	s := open(100, scenario.ArrivalsPoisson, "")
	if err := s.Cycle.UnmarshalText([]byte("50ms*1,100ms*0")); err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) int64 { return int64(d) }
	a, b := newSeries(s), newSeries(s)
	a.due(at(0))
	a.due(at(50*ms - 1))
	a.due(at(50 * ms))
	a.due(at(151 * ms))                       // of the second cycle
	a.due(-1)                                 // in settling
	a.answered(at(0), at(60*ms))              //
	a.answered(at(49*ms), outside)            // in the drain
	a.answered(-5, at(1*ms))                  // due in settling
	b.answered(at(151*ms), at(3*time.Second)) // another goroutine's
	b.failed(at(450*ms + 50*ms))              //
	b.failed(outside)                         //
	var l result.Load
	for range 2 { // the second time they are empty
		a.mergeInto(&l)
		b.mergeInto(&l)
	}
	want := &result.Series{
		BinUs: 50_000, Intended: []int64{3, 1, 0}, Answered: []int64{3, 0, 0}, Failed: []int64{0, 1, 0}, Done: []int64{2, 1, 0},
	}
	if diff := cmp.Diff(want, l.Series); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadThatDoesNotVaryHasNoSeries(t *testing.T) {
	s := newSeries(open(100, scenario.ArrivalsPoisson, ""))
	s.due(1)
	s.answered(1, 2)
	s.failed(1)
	var l result.Load
	s.mergeInto(&l)
	if s != nil || l.Series != nil {
		t.Errorf("a series %+v of nothing", l.Series)
	}
}

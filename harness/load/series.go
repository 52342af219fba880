package load

import (
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A series counts the requests of a load that varies, by the time at which
// they belong in its cycle: all cycles of a slice fall into one. Times are
// nanoseconds since the window opened, which it does at the beginning of a
// cycle; what lies before, or is [outside], isn't counted.
//
// Every method may be called on nil, a load that doesn't vary. A series is
// not to be used by several goroutines at once.
type series struct {
	bin   int64 // ns
	cycle int64 // ns

	intended, goodput, failures, done []int64 // requests, bin by bin
}

// outside is a time that isn't in the window.
const outside = -1

// Bins are as near to this as they can be, and divide the cycle.
const (
	usualBin = 50 * time.Millisecond
	mostBins = 200
)

// newSeries returns an empty series, nil where s doesn't vary.
func newSeries(s scenario.Scenario) *series {
	if s.Cycle.IsZero() {
		return nil
	}
	n := bins(s.Cycle.Length())
	return &series{
		bin: int64(s.Cycle.Length()) / int64(n), cycle: int64(s.Cycle.Length()),
		intended: make([]int64, n), goodput: make([]int64, n), failures: make([]int64, n), done: make([]int64, n),
	}
}

// bins is into how many bins of whole microseconds a cycle is divided.
func bins(cycle time.Duration) int {
	best, nearest := 1, 0.0
	for n := int64(1); n <= mostBins; n++ {
		if cycle.Microseconds()%n != 0 {
			continue
		}
		bin := cycle / time.Duration(n)
		if near := float64(min(bin, usualBin)) / float64(max(bin, usualBin)); near > nearest {
			best, nearest = int(n), near
		}
	}
	return best
}

// due counts a request whose intended send is at.
func (s *series) due(at int64) {
	if s != nil {
		s.count(s.intended, at)
	}
}

// answered counts a right answer: as goodput where the request was due, as
// done where the answer came.
func (s *series) answered(due, at int64) {
	if s != nil {
		s.count(s.goodput, due)
		s.count(s.done, at)
	}
}

// failed counts a request that failed, where it was due.
func (s *series) failed(due int64) {
	if s != nil {
		s.count(s.failures, due)
	}
}

func (s *series) count(bins []int64, at int64) {
	if at >= 0 {
		bins[at%s.cycle/s.bin]++
	}
}

// mergeInto adds what s counted to l's series, which it makes where there is
// none, and empties s.
func (s *series) mergeInto(l *result.Load) {
	if s == nil {
		return
	}
	if l.Series == nil {
		n := len(s.intended)
		l.Series = &result.Series{
			BinUs:    s.bin / int64(time.Microsecond),
			Intended: make([]int64, n), Answered: make([]int64, n), Failed: make([]int64, n), Done: make([]int64, n),
		}
	}
	for _, row := range []struct{ to, from []int64 }{
		{l.Series.Intended, s.intended}, {l.Series.Answered, s.goodput}, {l.Series.Failed, s.failures}, {l.Series.Done, s.done},
	} {
		for i, n := range row.from {
			row.to[i] += n
		}
		clear(row.from)
	}
}

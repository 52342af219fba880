package analysis

import (
	"math"
	"slices"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// together adds up the slices' series, bin by bin, and is nil where there is
// none. Bins of another width than the first slice's can't be added to them:
// such a slice is left out.
func together(load scenario.Scenario, seen []result.Slice) *result.Series {
	var all *result.Series
	add := func(to *[]int64, from []int64) {
		for len(*to) < len(from) {
			*to = append(*to, 0)
		}
		for i, n := range from {
			(*to)[i] += n
		}
	}
	for _, s := range seen {
		one := s.Load.Series
		if one == nil || one.BinUs <= 0 {
			continue
		}
		if all == nil {
			all = &result.Series{BinUs: one.BinUs}
		}
		if one.BinUs != all.BinUs {
			continue
		}
		if cycle := load.Cycle.Length().Microseconds(); cycle > 0 {
			all.Cycles = max(all.Cycles, int64(s.Load.WindowUs/float64(cycle)+0.5))
		}
		add(&all.Intended, one.Intended)
		add(&all.Answered, one.Answered)
		add(&all.Failed, one.Failed)
		add(&all.Done, one.Done)
	}
	return all
}

// A Peak is how a server met the phase of a load's cycle in which most arrives,
// and what came after it.
type Peak struct {
	Times     float64       // the rate in it, as a multiple of the load's
	For       time.Duration // how long it is
	Intended  int64         // requests that were due in it, of all cycles together
	Answered  int64         // of these, rightly and in time
	Done      int64         // right answers that came in it, whenever they were due
	Before    float64       // share that was answered of what was due in the cycle before it; 1 where nothing was, or where that is what comes after it, too
	Later     float64       // share that was answered of what was due after it, 1 where nothing was
	Recovered bool          // it answered again at least 99 % of what was due, from some time after the peak on and for as long as there were arrivals
	After     time.Duration // how long after the peak's end that began, in whole bins
	Rest      time.Duration // how long after the peak's end there are arrivals; 0: there are none, and nothing can be said
	Tail      time.Duration // for how long after the peak's end more answers came than requests were due: what had piled up
	Bin       time.Duration // what times are exact to
}

// Share is what was answered of what was due in the peak, 0 to 1.
func (p Peak) Share() float64 { return share(p.Answered, p.Intended) }

// all is the share of answered requests from which it counts as all of them:
// a single failure among a hundred may be the machine's.
const all = 0.99

// Overloaded reports whether less was answered in the peak than all.
func (p Peak) Overloaded() bool { return p.Share() < all }

// PeakOf looks for the peak of a load that varies in what was seen of it. It is
// false where the load has none: where it doesn't vary, or nothing was due in
// the phase with the highest rate. Of several such phases the first counts.
func PeakOf(load scenario.Scenario, s *result.Series) (p Peak, ok bool) {
	phases := load.Cycle.Phases()
	if s == nil || s.BinUs <= 0 || len(phases) < 2 {
		return Peak{}, false
	}
	at, highest := 0, int64(0)
	for i, ph := range phases {
		if ph.Thousandths > highest {
			at, highest = i, ph.Thousandths
		}
	}
	var from, to int64 // µs
	for i, ph := range phases {
		if i < at {
			from += int64(ph.For)
		}
		if i <= at {
			to += int64(ph.For)
		}
	}
	bins := min(len(s.Intended), len(s.Answered))
	// A bin belongs to the phase in which it begins.
	first, next := min(int(ceil(from, s.BinUs)), bins), min(int(ceil(to, s.BinUs)), bins)
	before, during, after := count(s, 0, first), count(s, first, next), count(s, next, bins)
	p = Peak{
		Times: float64(highest) / 1000, For: phases[at].For.Duration(), Bin: time.Duration(s.BinUs) * time.Microsecond,
		Intended: sum(during.due), Answered: sum(during.good), Done: sum(during.done), Before: 1, Later: 1,
	}
	if p.Intended == 0 {
		return Peak{}, false
	}
	switch due := sum(before.due); {
	case due == 0:
	case sum(after.due) == 0 && s.Cycles > 1:
		// The peak ends the cycle, and what comes after it is the beginning of the
		// next, but for that of the first.
		after = after.and(before)
	default:
		p.Before = share(sum(before.good), due)
	}
	p.Tail = p.Bin * time.Duration(tail(during, after))
	for i, n := range after.due {
		if n > 0 {
			p.Rest = p.Bin * time.Duration(i+1)
		}
	}
	if p.Rest == 0 {
		return p, true
	}
	p.Later = share(sum(after.good), sum(after.due))
	for i, now := range after.due {
		due, good := sum(after.due[i:]), sum(after.good[i:])
		if due == 0 { // to have answered all of nothing is no recovery
			break
		}
		if now > 0 && share(after.good[i], now) >= all && share(good, due) >= all {
			p.Recovered, p.After = true, time.Duration(i)*p.Bin
			break
		}
	}
	return p, true
}

// Counts are some bins of a series.
type counts struct{ due, good, done []int64 }

func count(s *result.Series, from, to int) (c counts) {
	for i := from; i < to; i++ {
		c.due, c.good = append(c.due, s.Intended[i]), append(c.good, s.Answered[i])
		done := s.Intended[i] // where a record doesn't say
		if i < len(s.Done) {
			done = s.Done[i]
		}
		c.done = append(c.done, done)
	}
	return c
}

func (c counts) and(o counts) counts {
	return counts{slices.Concat(c.due, o.due), slices.Concat(c.good, o.good), slices.Concat(c.done, o.done)}
}

// tail is for how many bins after a peak more answers come than requests are due:
// by more than chance makes of Poisson arrivals (three standard deviations), and
// than a hundredth of what a bin of the peak held.
func tail(during, after counts) (bins int) {
	least := float64(sum(during.due)) / float64(len(during.due)) / 100
	for i, due := range after.due {
		if float64(after.done[i]-due) <= max(least, 3*math.Sqrt(float64(due))) {
			return i
		}
	}
	return len(after.due)
}

func sum(xs []int64) (n int64) {
	for _, x := range xs {
		n += x
	}
	return n
}

func ceil(x, by int64) int64 { return (x + by - 1) / by }

func share(of, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(of) / float64(whole)
}

// Fold makes at most n bins of a series, by adding up neighbours: for a reader,
// who can't take in 60 of them. All are of one width where one that is less than
// twice the narrowest does it, without making one of all; else the last is
// narrower, as wide as lastUs says.
func Fold(s result.Series, n int) (folded result.Series, lastUs int64) {
	bins := len(s.Intended)
	if bins == 0 {
		return s, s.BinUs
	}
	least := max(1, (bins+n-1)/n)
	by := least
	for bins%by != 0 {
		if by++; by >= min(2*least, bins) {
			by = least
			break
		}
	}
	fold := func(xs []int64) (out []int64) {
		for c := range slices.Chunk(xs, by) {
			sum := int64(0)
			for _, x := range c {
				sum += x
			}
			out = append(out, sum)
		}
		return out
	}
	lastUs = s.BinUs * int64(bins-(bins-1)/by*by)
	return result.Series{
		BinUs: s.BinUs * int64(by), Cycles: s.Cycles, Intended: fold(s.Intended), Answered: fold(s.Answered), Failed: fold(s.Failed), Done: fold(s.Done),
	}, lastUs
}

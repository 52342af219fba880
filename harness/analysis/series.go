package analysis

import (
	"slices"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// together adds up the slices' series, bin by bin, and is nil where there is
// none. Bins of another width than the first slice's can't be added to them:
// such a slice is left out.
func together(seen []result.Slice) *result.Series {
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
	Before    float64       // share that was answered of what was due in the cycle before it, 1 where nothing was
	Later     float64       // share that was answered of what was due in the cycle after it, 1 where nothing was
	Recovered bool          // it answered again all of what was due, from some time after the peak on and to the cycle's end
	After     time.Duration // how long after the peak's end that began, in whole bins
	Rest      time.Duration // how long after the peak's end the cycle goes on with arrivals; 0: nothing arrives then, and nothing can be said
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
	sum := func(from, to int) (intended, answered int64) {
		for i := max(0, from); i < min(to, bins); i++ {
			intended += s.Intended[i]
			answered += s.Answered[i]
		}
		return intended, answered
	}
	// A bin belongs to the phase in which it begins.
	first, next := int(ceil(from, s.BinUs)), int(ceil(to, s.BinUs))
	p = Peak{Times: float64(highest) / 1000, For: phases[at].For.Duration(), Bin: time.Duration(s.BinUs) * time.Microsecond, Before: 1, Later: 1}
	p.Intended, p.Answered = sum(first, next)
	if p.Intended == 0 {
		return Peak{}, false
	}
	if due, answered := sum(0, first); due > 0 {
		p.Before = share(answered, due)
	}
	due, answered := sum(next, bins)
	if due == 0 {
		return p, true
	}
	p.Later, p.Rest = share(answered, due), time.Duration(bins-next)*p.Bin
	for i := next; i < bins; i++ {
		now, good := sum(i, i+1)
		due, answered := sum(i, bins)
		if due == 0 { // to have answered all of nothing is no recovery
			break
		}
		if now > 0 && share(good, now) >= all && share(answered, due) >= all {
			p.Recovered, p.After = true, time.Duration(i-next)*p.Bin
			break
		}
	}
	return p, true
}

func ceil(x, by int64) int64 { return (x + by - 1) / by }

func share(of, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(of) / float64(whole)
}

// Fold makes at most n bins of a series, by adding up neighbours, all of one
// width: for a reader, who can't take in 60 of them.
func Fold(s result.Series, n int) result.Series {
	bins := len(s.Intended)
	by := 1
	for by < bins && (bins+by-1)/by > n {
		by++
	}
	for by < bins && bins%by != 0 { // a last one that is narrower would look like a loss
		by++
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
	return result.Series{
		BinUs: s.BinUs * int64(by), Intended: fold(s.Intended), Answered: fold(s.Answered), Failed: fold(s.Failed), Done: fold(s.Done),
	}
}

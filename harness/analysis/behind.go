package analysis

import (
	"fmt"
	"math"
	"strings"
	"time"

	"workbench/harness/result"
)

// A pace is how a server's answers kept up with what arrived in the windows.
type pace int

const (
	keptUp pace = iota
	fellBehind
	untold // fewer answers came than requests, and that may be for want of time alone
)

// pace compares the answers that came in the windows with the requests that
// were due in them. The difference is by how much the number under way grew,
// from the beginning of a window to its end; a server that keeps up leaves it
// as it was, on average. There are two good reasons for some growth:
//
//   - Chance. Without any queue (M/G/∞) the number under way is Poisson, so that
//     its growth has a variance of at most twice its mean, which by Little's law
//     is requests × latency ÷ window, and of at most twice the arrivals: three
//     standard deviations are allowed for.
//   - Time. Slices begin with nobody under way. A request that takes longer than
//     the settling would not be answered in its turn by an idle server either:
//     see unripe.
//
// Requests that were never answered, in draining either, are behind whatever the
// windows say.
func (o *observation) pace() pace {
	arrived := float64(o.due) * float64(o.perArrival())
	if arrived == 0 {
		return untold
	}
	few := (1 - busy) * arrived
	if o.perArrival() == 1 {
		// Of all slices together: a block's histograms may be in one of them.
		unanswered, recorded := 0.0, false
		for _, s := range o.seen {
			if s.HungUp {
				continue
			}
			unanswered += float64(s.Load.Due)
			if h := s.Load.Latency; h != nil {
				recorded = true
				unanswered -= float64(h.Count())
			}
		}
		if recorded && unanswered > few {
			return fellBehind
		}
	}
	window := o.windowUs / float64(len(o.seen))
	underWay := 0.0
	if l := o.cell.LatencyUs; l != nil {
		underWay = float64(l.N) * l.Mean / window
	}
	grown := arrived - float64(o.cell.Requests) - max(few, 3*math.Sqrt(2*min(underWay, arrived)))
	if grown <= 0 {
		return keptUp
	}
	unripe, certain := o.unripe(o.spanUs-window, window)
	switch {
	case grown > unripe*arrived:
		return fellBehind
	case certain:
		return keptUp
	}
	return untold
}

// unripe is the share of requests that no server could have answered in the
// window, in µs, that follows so much settling, because they take their time: for
// a time T from the arrival to the answer
//
//	E[min(T, settle + window) − settle]⁺ ÷ window
//
// It is certain where T is known not to hold any waiting: where the server says
// how long it worked, or where there is no work. Else T is the latency, which may
// be either, and in sessions that of all requests before, thinking included.
func (o *observation) unripe(settle, window float64) (share float64, certain bool) {
	late := func(us float64) float64 { return max(0, min(us, settle+window)-settle) / window }
	load := o.exp.Load
	slow := load.Slow.Share() * late(float64(load.Slow.Over().Microseconds()))
	if k := o.perArrival(); k > 1 {
		if o.cell.LatencyUs == nil {
			return 1, false
		}
		each, think := o.cell.LatencyUs.Mean, float64(load.Think.Mean().Microseconds())
		for i := range k {
			share += late(float64(i+1)*each+float64(i)*think) / float64(k)
		}
		return min(1, share+slow), false
	}
	took := merged(o.seen, service)
	certain = took.Count() > 0
	switch {
	case certain:
	case !o.entry.Foreign() && load.Wait.IsZero() && load.Spin.IsZero():
		return slow, true
	default:
		took = merged(o.seen, latency)
	}
	const points = 100
	for i := range points {
		if took.Count() > 0 {
			share += late(float64(took.Quantile((float64(i)+0.5)/points))/float64(time.Microsecond)) / points
		}
	}
	return min(1, share+slow), certain
}

// behindInPeak says, of a load that varies, that the server fell behind in the
// phase in which most arrives; "" where it didn't, or where that wasn't seen. How
// busy anything was is known of whole windows alone: a CPU that is 85 % busy over
// a cycle may have been full in its peak, and nobody saw.
func (o *observation) behindInPeak() string {
	all := together(o.exp.Load, o.seen)
	p, ok := PeakOf(o.exp.Load, all)
	if !ok || len(all.Done) < len(all.Intended) {
		return ""
	}
	due, done := float64(p.Intended), float64(p.Done)
	length := float64(p.For.Microseconds())
	unripe, _ := o.unripe(0, length)
	if due-done <= max((1-busy)*due, 3*math.Sqrt(due))+unripe*due {
		return ""
	}
	c := o.cell
	var seen []string
	if u := c.ServerCPUUtilisation; u != nil {
		seen = append(seen, "its "+cpus(o.cpus(serverSide))+" was "+percent(u.Median)+" busy over the cycle")
	} else {
		seen = append(seen, "its CPU was not seen")
	}
	if u := c.LimitUtilisation; u != nil && c.Limit != nil {
		seen = append(seen, "its limit of "+result.Thousands(c.Limit.Size)+" was "+percent(u.Median)+" taken")
	}
	peaks := o.windowUs / float64(o.exp.Load.Cycle.Length().Microseconds()) * length / 1e6 // seconds
	return fmt.Sprintf("unknown: %s; in the peak it answered %s/s of %s/s that arrived",
		strings.Join(seen, ", "), result.Significant(done/peaks), result.Significant(due/peaks))
}

package analysis

import (
	"fmt"
	"math"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// Bounds of what arithmetic allows.
const (
	// Slack is the share by which a mean service time may be off: a server
	// reports it in whole microseconds, and reads its clock a moment away from
	// the work.
	Slack = 0.05
	// chance is how often a cell that is in order may be called impossible.
	chance = 1e-6
)

// reach sets the throughput against the least of
//
//	N/(Z/k + S)   N clients, each of which thinks for Z after k requests
//	c/S           c places, where the model has a limit
//	λ             what arrives, in open loops
//
// with S as it was measured, and not as it was asked for. What it comes to is
// a mean over the slices; so is S, and so both are of the same requests.
func (o *observation) reach() {
	c := o.cell
	if !(o.windowUs > 0) {
		return
	}
	x := float64(c.Requests) / o.windowUs // requests/µs
	s := 0.0                              // µs
	if c.ServiceUs != nil {
		s = c.ServiceUs.Mean
	}
	ceiling := math.Inf(1)
	most, why := math.Inf(1), "" // requests at work at once
	if each := o.thinkUs() + s; !o.open && each > 0 {
		ceiling = float64(o.clients()) / each
		most, why = float64(o.clients()), "the load is "+counted(o.clients(), "client")
	}
	if o.open && o.due > 0 {
		ceiling = float64(o.due) * float64(o.perArrival()) / o.windowUs
	}
	if l := c.Limit; l != nil && s > 0 {
		ceiling = min(ceiling, float64(l.Size)/s)
		if n := float64(l.Size); n < most {
			most, why = n, "its limit is "+result.Thousands(l.Size)
		}
	}
	if math.IsInf(ceiling, 1) || !(ceiling > 0) {
		return
	}
	c.CeilingPerS = new(ceiling * 1e6)
	c.CeilingReached = new(x / ceiling)
	if busy := x * s; busy > most*(1+Slack+o.edges()) {
		o.beyond = fmt.Sprintf("it answers more than arithmetic allows: %s/s of %s work each are %s at work at once, and %s",
			result.Significant(x*1e6), result.Micros(s), result.Significant(busy), why)
	}
}

// edges is the share by which work that ends in a window may exceed what the
// window has room for, without anything being wrong: in each place one request
// may have begun before it, by as much as the longest took. As much, on
// average, is cut off at the other end; over J slices the two cancel but for
// Hoeffding's
//
//	longest/W · √(2 ln(1/chance)/J)
//
// (W. Hoeffding, Probability inequalities for sums of bounded random
// variables, JASA 58, 1963, theorem 2).
func (o *observation) edges() float64 {
	if o.cell.ServiceUs == nil {
		return 0
	}
	j := float64(len(o.seen))
	return o.cell.ServiceUs.Max / (o.windowUs / j) * min(1, math.Sqrt(2*math.Log(1/chance)/j))
}

// working is how many requests were at work at once, on average: throughput
// times the mean service time, by Little's law. 0 where the server doesn't say
// how long its work took.
func (o *observation) working() float64 {
	var requests, took, windows float64
	for _, s := range o.seen {
		if h := s.Load.Service; h != nil {
			requests += float64(h.Count())
			took += float64(h.Sum().Microseconds())
		}
		windows += s.Load.WindowUs
	}
	mean, ok := ratio(took, requests)
	x, ok2 := ratio(float64(o.cell.Requests), windows)
	if !ok || !ok2 {
		return 0
	}
	return x * mean
}

// perArrival is the number of requests that come with one arrival.
func (o *observation) perArrival() int {
	if o.exp.Load.Loop == scenario.LoopPartlyOpen {
		return max(o.exp.Load.RequestsPerConnection, 1)
	}
	return 1
}

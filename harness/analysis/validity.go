package analysis

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/stats"
)

// Bounds of validity. Of each pair the first is from where a user should know,
// the second from where the figures aren't to be believed.
const (
	// The share of client-time in no recorded request or pause. By as much, at
	// most, requests/s are understated; a tenth is more than any cell's spread
	// from one restart to the next. Clients on package net have 0.4 % of it at
	// 14,000 connections/s.
	muchOwn = 0.01
	mostOwn = 0.10

	// The difference of the requests under way, as they were recorded, from the
	// same by an independent count. There is no good reason for any.
	muchOff = 0.01
	mostOff = 0.05

	// The share of requests that were due and not sent, for no reason but the
	// clients.
	muchUnsent = 0.005
	mostUnsent = 0.02

	muchFailed = 0.01 // share of failed requests
	mostFailed = 0.50 // ... from which the rest says nothing any more

	fewest        = 6     // requests below which not even a median has an interval: stats.MinSamples
	unconnected   = 0.01  // share of clients that had no connection at all, from which the load was not what was asked for; and of connects that came to nothing
	muchTaken     = 0.02  // share of the CPUs' time that the host took
	muchUsed      = 0.04  // ... that other processes did: the kernel's threads and the parent alone come to 1.7 % in the median published cell, 2.9 % in one of 20, 3.8 % in one of 100
	muchSentAgain = 0.001 // segments that were sent again, over requests: p99.9 is made of them
)

// A rule looks for one thing that a reader of a cell must know. It returns ""
// where there is nothing to say.
type rule struct {
	name  string
	fatal bool // the cell's figures are not to be believed
	look  func(*observation) string
}

// rules stand in the order in which a cell's warnings do.
var rules = []rule{
	{"slices failed", false, func(o *observation) string {
		reasons, n, all := o.failures()
		for i, r := range reasons {
			reasons[i] = fmt.Sprintf("%d of %s failed: %s", n[r], counted(all, "slice"), r)
		}
		return strings.Join(reasons, "; ")
	}},
	{"nothing was measured", true, func(o *observation) string {
		if len(o.seen) > 0 {
			return ""
		}
		return "no figures: " + o.unmeasured()
	}},
	{"nobody was answered", true, func(o *observation) string {
		if len(o.seen) == 0 || o.cell.Requests > 0 {
			return ""
		}
		return fmt.Sprintf("no request was answered rightly in %s", counted(len(o.seen), "slice"))
	}},
	{"hardly anybody was answered", true, func(o *observation) string {
		if n := o.cell.Requests; n == 0 || n >= fewest {
			return ""
		}
		return fmt.Sprintf("%s in all: too few for any figure (longer slices or more time: --slice, --budget)", counted(int(o.cell.Requests), "request"))
	}},
	{"most requests failed", true, func(o *observation) string {
		if o.failedShare() <= mostFailed {
			return ""
		}
		return o.failedInWords() + ": what was answered says little"
	}},
	{"some requests failed", false, func(o *observation) string {
		if share := o.failedShare(); share <= muchFailed || share > mostFailed {
			return ""
		}
		return o.failedInWords() + "; their CPU counts in CPU per request"
	}},
	{"answers came too late", false, func(o *observation) string {
		// By a schedule that doesn't wait for the server, to be too late is what an
		// overload is. Elsewhere it is a failure like others.
		n := o.cell.Errors.Timeout
		if all := float64(o.cell.Errors.Total() + o.answered); !o.open || !(float64(n) > muchFailed*all) {
			return ""
		}
		return fmt.Sprintf("%s %% of requests had no answer within %s; latencies are of those that had, CPU per request counts what all cost",
			result.Significant(100*float64(n)/float64(o.cell.Errors.Total()+o.answered)), result.Micros(float64(o.exp.Load.Patience().Microseconds())))
	}},
	{"latencies don't add up", true, func(o *observation) string {
		if o.off() <= mostOff {
			return ""
		}
		return fmt.Sprintf("Little's law fails by %.1f %%: so much does the time that requests were recorded for differ from the time that a separate count saw them under way: some were recorded wrongly, or not at all", 100*o.off())
	}},
	{"latencies hardly add up", false, func(o *observation) string {
		if x := o.off(); x <= muchOff || x > mostOff {
			return ""
		}
		return fmt.Sprintf("Little's law is off by %.1f %%: so much does the time that requests were recorded for differ from the time that a separate count saw them under way", 100*o.off())
	}},
	{"time is unaccounted for", true, func(o *observation) string {
		if o.own() <= mostOwn {
			return ""
		}
		return fmt.Sprintf("Little's law is off by %.1f %%: the clients spent that share of their time in no request, so the figures are more theirs than the server's", 100*o.own())
	}},
	{"some time is unaccounted for", false, func(o *observation) string {
		if r := o.own(); r <= muchOwn || r > mostOwn {
			return ""
		}
		return fmt.Sprintf("Little's law is off by %.1f %%: so much of the clients' time was their own, between requests; a faster client would ask for more", 100*o.own())
	}},
	{"the clients fell behind", true, func(o *observation) string {
		if o.unsentShare() <= mostUnsent {
			return ""
		}
		return o.unsentInWords() + ": this is not the load that was asked for"
	}},
	{"the clients hardly kept up", false, func(o *observation) string {
		if x := o.unsentShare(); x <= muchUnsent || x > mostUnsent {
			return ""
		}
		return o.unsentInWords()
	}},
	{"connections ran out", false, func(o *observation) string {
		if o.delayed == 0 {
			return ""
		}
		count := "count"
		if o.delayed == 1 {
			count = "counts"
		}
		words := fmt.Sprintf("%s waited in the clients for one of the connections that may be open, and %s as late", counted(int(o.delayed), o.arrival()), count)
		if n := o.delayedUnsent; n > 0 {
			was := "were"
			if n == 1 {
				was = "was"
			}
			words += fmt.Sprintf(", %s of them %s never sent", result.Thousands(n), was)
		}
		return words + ": raise --max-connections, or the server can't keep up"
	}},
	{"clients without a connection", true, func(o *observation) string {
		n, of := o.connected(false)
		if float64(of-n) <= unconnected*float64(of) || o.failedShare() > mostFailed { // which says why
			return ""
		}
		return fmt.Sprintf("only %s of %s got a connection in the median slice: this is not the load that was asked for",
			result.Thousands(n), counted(int(of), "client"))
	}},
	{"a client without a connection", false, func(o *observation) string {
		n, of := o.connected(true)
		median, _ := o.connected(false)
		if n == of || float64(of-median) > unconnected*float64(of) { // said, or by what failed
			return ""
		}
		return fmt.Sprintf("only %s of %s got a connection in the worst slice", result.Thousands(n), counted(int(of), "client"))
	}},
	{"connects that came to nothing", false, func(o *observation) string {
		if float64(o.fruitless) <= unconnected*float64(o.asked) {
			return ""
		}
		return fmt.Sprintf("only %s of %s that were begun were established, and no refusal, reset or timeout says why",
			result.Thousands(o.established), counted(int(o.asked), "connection"))
	}},
	{"more than there can be", true, func(o *observation) string { return o.beyond }},
	{"histograms overflowed", true, func(o *observation) string {
		if o.dropped == 0 {
			return ""
		}
		return fmt.Sprintf("%s did not fit the histograms (up to 2 min): percentiles and means are wrong", counted(int(o.dropped), "duration"))
	}},
	{"clients starved", false, func(o *observation) string {
		if o.cell.Starved == 0 {
			return ""
		}
		return fmt.Sprintf("up to %d of %s finished nothing in a slice: their waiting is not in the latencies", o.cell.Starved, counted(o.clients(), "client"))
	}},
	{"slices are short", false, func(o *observation) string {
		// Of clients that wait for their answers, a request that takes longer than
		// settling and window together is never seen to end in the window: the
		// longest are missing. By a schedule every request counts that was due in
		// the window, whenever it was answered.
		l := o.cell.LatencyUs
		if o.open || l == nil || !(l.Mean > o.spanUs/2) {
			return ""
		}
		return fmt.Sprintf("slices are short for a response time of %s on average: what takes longer than %s is missing from the latencies",
			result.Micros(l.Mean), result.Micros(o.spanUs))
	}},
	{"answers were not waited for", false, func(o *observation) string {
		if float64(o.cutOff) <= muchFailed*float64(o.due) {
			return ""
		}
		return fmt.Sprintf("%s not answered when a slice ended and its clients hung up: how long those would have waited is not in the latencies",
			were(o.cutOff, "request"))
	}},
	{"held connections starved", false, func(o *observation) string {
		n := o.cell.HeldAsked - o.cell.HeldAnswered
		if n == 0 {
			return ""
		}
		return fmt.Sprintf("%s of %s that were to be held were never answered: they starved", result.Thousands(n), counted(int(o.cell.HeldAsked), "connection"))
	}},
	{"held connections were lost", false, func(o *observation) string {
		if o.cell.HeldLost == 0 {
			return ""
		}
		return fmt.Sprintf("%s not answered once more at the end", were(o.cell.HeldLost, "held connection"))
	}},
	{"the host took time", false, func(o *observation) string {
		if x, ok := ratio(float64(o.stealUs), o.hadUs); ok && x >= muchTaken {
			return fmt.Sprintf("the host took %.1f %% of the time of the CPUs measured", 100*x)
		}
		return ""
	}},
	{"other processes took time", false, func(o *observation) string {
		if x, ok := ratio(float64(o.othersUs), o.hadUs); ok && x >= muchUsed {
			return fmt.Sprintf("other processes used %.1f %% of the CPUs measured", 100*x)
		}
		return ""
	}},
	{"the listen queue overflowed", false, func(o *observation) string {
		if o.overflows == 0 {
			return ""
		}
		return fmt.Sprintf("listen queue overflowed %s: 1 s steps in the tail are SYN retransmissions, not the server", times(o.overflows))
	}},
	{"connections were dropped", false, func(o *observation) string {
		if o.overflows > 0 || o.drops == 0 { // an overflow is a drop too
			return ""
		}
		return fmt.Sprintf("a listening socket dropped a connection %s: 1 s steps in the tail are SYN retransmissions, not the server", times(o.drops))
	}},
	{"segments were sent again", false, func(o *observation) string {
		if o.overflows > 0 || o.drops > 0 || float64(o.retransmits) <= muchSentAgain*float64(o.answered) {
			return ""
		}
		return fmt.Sprintf("%s retransmitted: some of the tail is TCP that sends again, not the server", were(o.retransmits, "segment"))
	}},
	{"connections were turned away", false, func(o *observation) string {
		if o.cell.Rejected == 0 {
			return ""
		}
		s := fmt.Sprintf("the server turned away %s with 503", counted(int(o.cell.Rejected), "connection"))
		if n := o.cell.Errors.Rejected; n > 0 {
			s += fmt.Sprintf(", %s %% of all; requests/s and latencies are of those that were answered", result.Significant(100*float64(n)/float64(n+o.answered)))
		}
		return s
	}},
	{"connections went stale", false, func(o *observation) string {
		if o.cell.Stale == 0 {
			return ""
		}
		return fmt.Sprintf("the server closed a connection about to be used again %s; the request was sent anew", times(o.cell.Stale))
	}},
	{"the server panicked", false, func(o *observation) string {
		if o.panics == 0 {
			return ""
		}
		return fmt.Sprintf("the server panicked %s", times(o.panics))
	}},
	{"descriptors ran out", false, func(o *observation) string {
		if o.backoffs == 0 {
			return ""
		}
		return fmt.Sprintf("the server was out of descriptors %s and paused accepting", times(o.backoffs))
	}},
}

// judge collects a cell's warnings and says whether it is valid.
func (o *observation) judge() {
	o.cell.Valid = true
	for _, r := range rules {
		if w := r.look(o); w != "" {
			o.cell.Warnings = append(o.cell.Warnings, w)
			o.cell.Valid = o.cell.Valid && !r.fatal
		}
	}
}

// unmeasured says why there is nothing, as far as slices can tell: whether an
// interrupt or the budget ended the experiment, they don't know.
func (o *observation) unmeasured() string {
	for _, s := range o.taken {
		if s.Phase == result.PhaseRound {
			return "no slice of any round succeeded"
		}
	}
	return "no round was reached"
}

// off is by how much the recorded requests and the count of those under way
// differ, of the count, in the median slice. 0 where nobody counted.
func (o *observation) off() float64 { return median(o.seen, offOf) }

func offOf(s result.Slice) (float64, bool) {
	return ratio(math.Abs(s.Load.RecordedUs-s.Load.InFlightUs), s.Load.InFlightUs)
}

// own is the share of a closed loop's client-time that lies in no recorded
// request or pause, in the median slice. The record holds the larger of that
// and of off: where that is off, the share is not known, and not larger.
func (o *observation) own() float64 {
	if o.open {
		return 0
	}
	return median(o.seen, func(s result.Slice) (float64, bool) {
		if off, _ := offOf(s); s.Load.LittleResidual <= off {
			return 0, true
		}
		return s.Load.LittleResidual, true
	})
}

func (o *observation) unsentShare() float64 {
	x, _ := ratio(o.unsent, float64(o.due))
	return x
}

func (o *observation) unsentInWords() string {
	return fmt.Sprintf("the clients sent %.1f %% of the %ss that were due", 100*(1-o.unsentShare()), o.arrival())
}

// arrival is what arrives in an open loop.
func (o *observation) arrival() string {
	if o.exp.Load.Loop == scenario.LoopPartlyOpen {
		return "session"
	}
	return "request"
}

// connected is how many of a closed loop's clients had a connection at all, in
// the median slice or in the worst. Slices that were hung up on are left out,
// and those of a record that doesn't say.
func (o *observation) connected(worst bool) (n, of int64) {
	var xs []int64
	for _, s := range o.seen {
		if l := s.Load; !o.open && !s.HungUp && l.ClientsConnected > 0 && l.Clients > 0 {
			xs = append(xs, min(l.ClientsConnected, int64(l.Clients)))
			of = int64(l.Clients)
		}
	}
	if len(xs) == 0 {
		return 0, 0
	}
	slices.Sort(xs)
	if worst {
		return xs[0], of
	}
	return xs[len(xs)/2], of
}

// failedShare is of all requests that came to an end, idle to idle. To be
// turned away with 503 is an answer that a full server means to give: the
// share of those is told, and takes nothing from what the others say. Nor does
// a timeout in an open loop, where it is what an overload does.
func (o *observation) failedShare() float64 {
	e := o.cell.Errors
	failed := e.Total() - e.Rejected
	if o.open {
		failed -= e.Timeout
	}
	if failed == 0 {
		return 0
	}
	return float64(failed) / float64(e.Total()-e.Rejected+o.answered)
}

func (o *observation) failedInWords() string {
	e := o.cell.Errors
	timeouts := e.Timeout
	if o.open { // told apart
		timeouts = 0
	}
	var kinds []string
	for _, k := range []struct {
		n    int64
		name string
	}{
		{e.Refused, "refused"}, {e.Reset, "reset"}, {timeouts, "timed out"},
		{e.Truncated, "cut short"}, {e.BadResponse, "answered wrongly"}, {e.Other, "failed otherwise"},
	} {
		if k.n > 0 {
			kinds = append(kinds, result.Thousands(k.n)+" "+k.name)
		}
	}
	s := fmt.Sprintf("%s %% of requests failed (%s", result.Significant(100*o.failedShare()), strings.Join(kinds, ", "))
	if o.firstError != "" {
		s += "; the first: " + o.firstError
	}
	return s + ")"
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return result.Thousands(n) + " times"
}

// were is "1 segment was" or "12 segments were".
func were(n int64, of string) string {
	if n == 1 {
		return counted(1, of) + " was"
	}
	return counted(int(n), of) + " were"
}

// median is of some slices' figures, 0 where none has it.
func median(seen []result.Slice, of metric) float64 {
	var xs []float64
	for _, s := range seen {
		if x, ok := of(s); ok {
			xs = append(xs, x)
		}
	}
	if len(xs) == 0 {
		return 0
	}
	return stats.Median(xs)
}

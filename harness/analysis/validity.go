package analysis

import (
	"fmt"
	"strings"

	"workbench/harness/result"
)

// Bounds of validity.
const (
	muchLittle = 0.05 // share of client-time in no recorded request or pause from which a user should know
	mostLittle = 0.20 // ... from which the figures are the clients' and not the server's
	fewest     = 6    // requests below which not even a median has an interval: stats.MinSamples
	muchFailed = 0.01 // share of failed requests from which a user should know
	mostFailed = 0.50 // ... from which the rest says nothing any more
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
		reasons, n := o.failures()
		for i, r := range reasons {
			reasons[i] = fmt.Sprintf("%d of %s failed: %s", n[r], counted(len(o.taken), "slice"), r)
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
	{"time is unaccounted for", true, func(o *observation) string {
		if o.residual() <= mostLittle {
			return ""
		}
		return fmt.Sprintf("Little's law is off by %.1f %%: the clients spent that share of their time in no request, so the figures are more theirs than the server's", 100*o.residual())
	}},
	{"some time is unaccounted for", false, func(o *observation) string {
		if r := o.residual(); r <= muchLittle || r > mostLittle {
			return ""
		}
		return fmt.Sprintf("Little's law is off by %.1f %%: so much of the clients' time was their own, between requests; a faster client would ask for more", 100*o.residual())
	}},
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
		// A request that takes longer than settling and window together is
		// never seen to end: the longest are missing.
		l := o.cell.LatencyUs
		if l == nil || !(l.Mean > o.spanUs/2) {
			return ""
		}
		return fmt.Sprintf("slices are short for a response time of %s on average: what takes longer than %s is missing from the latencies",
			result.Micros(l.Mean), result.Micros(o.spanUs))
	}},
	{"the listen queue overflowed", false, func(o *observation) string {
		if o.overflows == 0 {
			return ""
		}
		return fmt.Sprintf("listen queue overflowed %s: 1 s steps in the tail are SYN retransmissions, not the server", times(o.overflows))
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

// residual is Little's law's, of the median slice; 0 where it is unknown.
func (o *observation) residual() float64 {
	if r := o.cell.LittlesLawResidual; r != nil {
		return r.Median
	}
	return 0
}

// failedShare is of all requests that came to an end, idle to idle. To be
// turned away with 503 is an answer that a full server means to give: the
// share of those is told, and takes nothing from what the others say.
func (o *observation) failedShare() float64 {
	failed := o.cell.Errors.Total() - o.cell.Errors.Rejected
	if failed == 0 {
		return 0
	}
	return float64(failed) / float64(failed+o.answered)
}

func (o *observation) failedInWords() string {
	e := o.cell.Errors
	var kinds []string
	for _, k := range []struct {
		n    int64
		name string
	}{
		{e.Refused, "refused"}, {e.Reset, "reset"}, {e.Timeout, "timed out"},
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

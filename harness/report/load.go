package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// load is what an experiment's clients do, in words.
func load(exp result.Experiment) string {
	s := exp.Load
	var parts []string
	switch s.Loop {
	case scenario.LoopOpen:
		parts = append(parts, "requests arrive "+arrivals(exp))
	case scenario.LoopPartlyOpen:
		parts = append(parts, fmt.Sprintf("sessions of %s arrive %s", count(s.RequestsPerConnection, "request"), arrivals(exp)))
		if !s.Think.IsZero() {
			parts = append(parts, dist(s.Think)+" of thinking between them")
		}
	default:
		parts = append(parts, count(s.Clients, "client"))
		if s.RequestsPerConnection == 1 {
			parts = append(parts, "one request per connection")
		} else {
			parts = append(parts, count(s.RequestsPerConnection, "request")+" per connection")
		}
		if !s.Think.IsZero() {
			parts = append(parts, "then "+dist(s.Think)+" of thinking")
		}
	}
	if s.Idle > 0 {
		parts = append(parts, fmt.Sprintf("beside %s held silent", count(s.Idle, "connection")))
	}
	if work := work(s); len(work) > 0 {
		parts = append(parts, "each request "+list(work))
	}
	if !s.Slow.IsZero() {
		share := strconv.FormatFloat(100*s.Slow.Share(), 'f', -1, 64) + " %"
		switch over := span(s.Slow.Over()); s.Loop {
		case scenario.LoopOpen:
			parts = append(parts, fmt.Sprintf("%s of requests take %s to be sent", share, over))
		case scenario.LoopPartlyOpen:
			parts = append(parts, fmt.Sprintf("%s of sessions take %s to send a request", share, over))
		default: // of whom there are so many; a share of them is a fraction of one
			parts = append(parts, fmt.Sprintf("%d of %s take %s to send a request", s.SlowClients(), count(s.Clients, "client"), over))
		}
	}
	if s.Timeout > 0 {
		parts = append(parts, "clients wait "+span(s.Timeout.Duration())+" for an answer")
	}
	if s.Conversation == scenario.ConversationOnce {
		parts = append(parts, "conversation once")
	}
	return strings.Join(parts, ", ")
}

func work(s scenario.Scenario) (work []string) {
	if !s.Wait.IsZero() {
		work = append(work, "waits "+dist(s.Wait))
	}
	if !s.Spin.IsZero() {
		work = append(work, "spins "+dist(s.Spin))
	}
	if s.Bytes > 0 {
		work = append(work, "is answered with "+spaced(scenario.FormatBytes(s.Bytes)))
	}
	return work
}

// arrivals say when requests arrive: "at 5,000/s (Poisson)", "at 8,000/s
// (Poisson) for 250 ms of every second".
func arrivals(exp result.Experiment) string {
	s := exp.Load
	at := perSecond(baseRate(exp))
	var notes []string
	switch s.Arrivals {
	case scenario.ArrivalsPoisson:
		notes = append(notes, "Poisson")
	case scenario.ArrivalsConstant:
		notes = append(notes, "evenly spaced")
	}
	switch most := "what " + whose(exp) + " answers at most"; {
	case s.OfCapacity && baseRate(exp) > 0:
		notes = append(notes, most)
	case s.OfCapacity: // which nobody has looked for yet
		at = most
	}
	if len(notes) > 0 {
		at += " (" + strings.Join(notes, "; ") + ")"
	}
	phases := s.Cycle.Phases()
	var times, lasts []string
	var on []scenario.Phase // with arrivals
	for _, p := range phases {
		times = append(times, multiples(p.Thousandths))
		lasts = append(lasts, span(p.For.Duration()))
		if p.Thousandths > 0 {
			on = append(on, p)
		}
	}
	slices.Sort(lasts)
	switch same := slices.Compact(lasts); {
	case len(phases) == 0 || len(phases) == 1 && phases[0].Thousandths == 1000:
		return "at " + at
	case len(phases) == 1: // which lasts for ever
		return "at " + times[0] + " × " + at
	case len(on) == 1 && on[0].Thousandths == 1000 && len(phases) > 1:
		return fmt.Sprintf("at %s for %s of every %s", at, span(on[0].For.Duration()), strings.TrimPrefix(stretch(s.Cycle.Length()), "a "))
	case len(same) == 1:
		return fmt.Sprintf("at %s × %s, %s each", list(times), at, stretch(phases[0].For.Duration()))
	}
	var each []string
	for _, p := range phases {
		each = append(each, span(p.For.Duration())+" at "+multiples(p.Thousandths))
	}
	return fmt.Sprintf("%s × %s", list(each), at)
}

// baseRate is the rate that a cycle's multiples are of, 0 where nobody knows.
func baseRate(exp result.Experiment) float64 {
	for _, r := range []float64{exp.Load.Rate, exp.CapacityPerS, exp.Rate} {
		if r > 0 {
			return r
		}
	}
	return 0
}

// whose capacity a load's rate is a multiple of: the reference's, or that of
// the first server where there is none.
func whose(exp result.Experiment) string {
	for i, e := range exp.Entries {
		if e.Label == exp.Reference || exp.Reference == "" && i == 0 {
			return name(exp, result.Cell{Label: e.Label, Display: e.Display, Twin: e.Twin})
		}
	}
	return "the reference"
}

// perSecond is a rate with all its digits that matter: it was asked for, and
// not measured.
func perSecond(rate float64) string {
	whole, decimals, _ := strings.Cut(scenario.FormatRate(rate), ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return scenario.FormatRate(rate) + "/s"
	}
	if decimals != "" {
		decimals = "." + decimals
	}
	return result.Thousands(n) + decimals + "/s"
}

func multiples(thousandths int64) string {
	return strconv.FormatFloat(float64(thousandths)/1000, 'f', -1, 64)
}

// span is a time that was asked for, as people say it, in the largest unit of
// which it is at least one: "250 ms", "1.25 s".
func span(d time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d >= u.of {
			return strconv.FormatFloat(float64(d)/float64(u.of), 'f', -1, 64) + " " + u.name
		}
	}
	if d == 0 {
		return "0"
	}
	return strconv.FormatInt(d.Microseconds(), 10) + " µs"
}

// stretch is the same as people measure others by it: "a second", "250 ms".
func stretch(d time.Duration) string {
	if d == time.Second {
		return "a second"
	}
	return span(d)
}

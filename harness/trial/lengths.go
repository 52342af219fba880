package trial

import (
	"cmp"
	"context"
	"time"

	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// lengths of the parts of a model's slices.
type lengths struct {
	settle, count time.Duration
	drain         time.Duration // as foreseen: what is asked for last is answered one cycle of the clients later
}

// longDrain is how long draining may take where nobody needs the server any
// more. An iterative server with 64 clients in its backlog works for as long
// on answers that don't count as it did on those that do; but of a fast server
// what is in flight at the end is a good part of the slice, and its CPU too.
const longDrain = 150 * time.Millisecond

// pilot takes a short look at a model and settles the lengths of its slices.
// The twin is what the reference is, and needs none.
func (t *trial) pilot(ctx context.Context, e result.Entry) error {
	if l, ok := t.length[t.exp.Reference]; ok && e.Twin {
		t.length[e.Label] = l
		return nil
	}
	held := t.held[e.Label] // which a pilot that hangs up ends
	begin := time.Now()
	if err := t.slice(ctx, e, result.PhasePilot, -1, 0, t.exp.Scenario, t.exp.pilotJob()); err != nil {
		return err
	}
	took := time.Since(begin)
	s := t.last(e, result.PhasePilot)
	if s == nil {
		return nil
	}
	t.overhead = append(t.overhead, took-time.Duration((float64(s.SettleUs)+s.Load.WindowUs)*float64(time.Microsecond)))
	if why := unable(t.exp.Scenario, held, *s); why != "" {
		return t.leaveOutUnable(e, result.PhasePilot, why)
	}
	t.length[e.Label] = t.exp.lengths(*s)
	return nil
}

// pilotJob is a pilot's slice. Of a load that varies it is a whole cycle, and
// nobody hangs up: there is nothing to find out about its length.
func (e Experiment) pilotJob() process.Job {
	s := e.Scenario
	most := max(e.Most/4, 2*ShortestSlice)
	switch {
	case !s.Cycle.IsZero():
		return process.Job{Count: s.Cycle.Length()}
	case s.Loop != scenario.LoopClosed:
		return process.Job{Settle: ShortestSlice, Count: min(max(ShortestSlice, e.arrivalsOf(completions)), most), HangUp: true}
	}
	return process.Job{
		Settle:         shortestSettle,
		SettleUntilAll: pilotSettle,
		Count:          ShortestSlice,
		MinRequests:    completions,
		CountMax:       most,
		HangUp:         true,
	}
}

// arrivalsOf is how long n requests take to arrive in an open loop.
func (e Experiment) arrivalsOf(n int) time.Duration {
	perSecond := e.Scenario.Rate * float64(max(e.Scenario.RequestsPerConnection, 1))
	return time.Duration(float64(n) / perSecond * float64(time.Second))
}

// lengths derives from a pilot slice how long a model's slices settle and
// count. In a closed loop settling lasts until every client has been answered,
// and a quarter more; where the pilot didn't wait for that it is foreseen by
// Little's law: N clients that make X requests/s each make one in N/X, and one
// connection of k requests in kN/X, when whoever waits for a place has had it.
// Counting lasts, within bounds, for one request of each client, think time
// included, and for 200 completions.
func (e Experiment) lengths(pilot result.Slice) lengths {
	s := e.Scenario
	if s.Loop != scenario.LoopClosed {
		return e.openLengths(pilot)
	}
	settled := time.Duration(pilot.SettleUs) * time.Microsecond
	cycle := s.Wait.Mean() + s.Spin.Mean() + s.Think.Mean()/time.Duration(max(s.RequestsPerConnection, 1))
	each := cycle / time.Duration(max(s.Clients, 1)) // at the very least, where the pilot saw nothing
	if pilot.Load.Requests > 0 {
		each = time.Duration(pilot.Load.WindowUs * float64(time.Microsecond) / float64(pilot.Load.Requests))
		cycle = each * time.Duration(s.Clients)
	}
	l := lengths{settle: settled * 5 / 4, count: e.Slice}
	if settled >= pilotSettle { // somebody had not been answered
		l.settle = max(l.settle, cycle*time.Duration(s.RequestsPerConnection))
	}
	l.settle = min(max(l.settle, shortestSettle, s.Slow.Over()), longestSettle)
	if l.count == 0 {
		l.count = max(ShortestSlice, min(max(cycle, completions*each, s.Slow.Over()), e.Most))
	}
	l.drain = cycle
	return l
}

// openLengths are those of an open loop. A load that varies is counted in
// whole cycles from the beginning of one, so there is nothing to settle before.
// Else a slice settles for some response times, that those who come find as
// many under way as there usually are, and counts for 200 arrivals.
func (e Experiment) openLengths(pilot result.Slice) lengths {
	s := e.Scenario
	if cycle := s.Cycle.Length(); cycle > 0 {
		return lengths{count: max(1, (e.Slice+cycle-1)/cycle) * cycle}
	}
	response := s.Wait.Mean() + s.Spin.Mean()
	if h := pilot.Load.Latency; h != nil {
		response = max(response, h.Mean())
	}
	// Of a session as much, and the pauses between its requests: before that not
	// as many requests come as sessions will make.
	k := time.Duration(s.RequestsPerConnection)
	session := max(responses, k)*response + (k-1)*s.Think.Mean()
	l := lengths{settle: min(max(session, shortestSettle), longestSettle), count: e.Slice}
	if l.count == 0 {
		l.count = max(ShortestSlice, min(max(e.arrivalsOf(completions), session), e.Most))
	}
	if n := pilot.Load.Requests; n > 0 { // what is in the queue takes as long as it did to come out of it so far
		l.drain = time.Duration(pilot.Load.WindowUs*float64(time.Microsecond)/float64(n)) * time.Duration(pilot.Load.Unfinished)
	}
	return l
}

// responses is how many response times an open loop settles for.
const responses = 4

// lengths are those that the pilot settled, or bounds that suit most models
// where the pilot's slice was lost with the clients.
func (t *trial) lengths(e result.Entry) lengths {
	if l, ok := t.length[e.Label]; ok {
		if t.settleAtMost > 0 {
			l.settle = min(l.settle, t.settleAtMost)
		}
		return l
	}
	if cycle := t.exp.Scenario.Cycle.Length(); cycle > 0 {
		return lengths{count: cycle}
	}
	return lengths{settle: longestSettle / 10, count: cmp.Or(t.exp.Slice, ShortestSlice)}
}

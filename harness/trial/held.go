package trial

import (
	"context"
	"fmt"
	"time"

	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// holdWithin bounds how long connections may take to be answered that are then
// held: 1,000/s at the least.
func holdWithin(connections int) time.Duration {
	return 5*time.Second + time.Duration(connections)*time.Millisecond
}

// hold has the scenario's idle connections answered once by e's server, and
// held for the rest of the block. It comes before the warm-up, so that what the
// server's memory grows by is theirs.
func (t *trial) hold(ctx context.Context, e result.Entry, block int) error {
	n, server := t.exp.Scenario.Idle, t.servers[e.Label]
	if n == 0 || server == nil {
		return nil
	}
	t.progress(e.Label+": connections that are held", false)
	s := t.newSlice(e, result.PhaseHold, block, 0)
	t.held[e.Label] = result.Held{} // as far as is known
	before, err := server.Memory(ctx)
	if err != nil {
		return t.serverError(ctx, e, s, err)
	}
	held, err := t.clients.Hold(ctx, process.HoldJob{
		Addr: server.Addr, Conversation: t.exp.Scenario.Conversation, Connections: n, Within: holdWithin(n),
		Request: t.Request, Expect: t.expect(e),
	})
	if err != nil {
		return t.lostClients(ctx, s, err)
	}
	after, err := server.Memory(ctx)
	if err != nil {
		return t.serverError(ctx, e, s, err)
	}
	held.RSSBeforeBytes, held.RSSAfterBytes = before, after
	s.Held = &held
	t.held[e.Label] = held
	return t.keep(s)
}

// release has what is held answered once more, at the end of a block.
func (t *trial) release(ctx context.Context, block int) error {
	for _, e := range t.active() {
		server, before := t.servers[e.Label], t.held[e.Label]
		if server == nil || before.Answered == 0 {
			continue
		}
		s := t.newSlice(e, result.PhaseRelease, block, 0)
		held, err := t.clients.Release(ctx, server.Addr, holdWithin(t.exp.Scenario.Idle))
		delete(t.held, e.Label)
		if err != nil {
			clear(t.held) // lost with the clients, and the block is over
			return t.lostClients(ctx, s, err)
		}
		s.Held = &held
		if err := t.keep(s); err != nil {
			return err
		}
	}
	return nil
}

// unable says why a server can't take part in a scenario with silent
// connections, "" if it can: those that it holds take every place that it has,
// and nobody else is answered. A pilot that was too short for an answer, or that
// saw places free, says nothing of the kind. Nor does a limit of requests: who
// is silent takes none of its places.
func unable(s scenario.Scenario, held result.Held, pilot result.Slice) string {
	looked := time.Duration((float64(pilot.SettleUs) + pilot.Load.WindowUs) * float64(time.Microsecond))
	switch v := pilot.Server; {
	case held.Answered >= held.Asked || pilot.Load.RequestsAll > 0,
		looked < 2*(s.Wait.Mean()+s.Spin.Mean()),
		v != nil && v.Limit != nil && (v.Limit.Requests() || v.HeldPeak < v.Limit.Size):
		return ""
	}
	taken := "it"
	if v := pilot.Server; v != nil && v.Limit != nil {
		switch l := v.Limit; {
		case l.Size == 1:
			taken = "its only place"
		default:
			taken = fmt.Sprintf("all its %d %s", l.Size, l.Name)
		}
	}
	return fmt.Sprintf("silent connections hold %s, so nobody else is answered (%s of %s that were to be held, and none that was active)",
		taken, result.Thousands(held.Answered), result.Thousands(held.Asked))
}

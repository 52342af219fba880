package trial

import (
	"context"
	"fmt"

	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// config is how e's server is started.
func (s Setup) config(e result.Entry, sc scenario.Scenario) process.ServerConfig {
	c := process.ServerConfig{
		Model:         e.Model,
		Conversation:  sc.Conversation,
		Backlog:       s.Backlog,
		SpinPerUs:     s.SpinPerUs,
		NoIdleTimeout: sc.Idle > 0,
	}
	if e.Foreign() {
		f := s.foreign(e)
		c.Model, c.Foreign = "", &f
	}
	return c
}

func (s Setup) foreign(e result.Entry) process.Foreign {
	return process.Foreign{
		Label: e.Label, Command: e.Command, Attach: e.Attach, PID: e.PID,
		Request: s.Request, Expect: s.expect(e),
	}
}

// expect is what a right answer of e is. Of a server that is not ours, or of
// ours where a request of the user's own is sent, status and length are known.
func (s Setup) expect(e result.Entry) process.Expect {
	return process.Expect{Status: s.ExpectStatus, Foreign: e.Foreign() || s.Request != nil}
}

// expect is what a right answer of e's server of the block at hand is: of one
// that is not ours as long as its first answers were.
func (t *trial) expect(e result.Entry) process.Expect {
	x := t.Setup.expect(e)
	x.Length = max(t.plain[e.Label], 0)
	return x
}

// lookAt finds out how long the answers of e's server are, if it isn't ours.
func (t *trial) lookAt(ctx context.Context, e result.Entry, server *process.Server) (err error) {
	if e.Foreign() {
		t.plain[e.Label], err = process.PlainLength(ctx, server.Addr, t.foreign(e))
	}
	return err
}

// Probe starts each server that is not ours once, on cpus, and returns entries with what
// it was seen to do of what requests ask for.
func Probe(ctx context.Context, s Setup, cpus process.CPUs, entries []result.Entry) ([]result.Entry, error) {
	seen := map[string]result.Entry{} // by what is started: a twin needs no look of its own
	out := make([]result.Entry, 0, len(entries))
	for _, e := range entries {
		if key := e.Command + "\n" + e.Attach; e.Foreign() {
			if _, ok := seen[key]; !ok {
				looked, err := s.probe(ctx, cpus, e)
				if err != nil {
					return nil, err
				}
				seen[key] = looked
			}
			e.Abilities, e.CPUs = seen[key].Abilities, seen[key].CPUs
		}
		out = append(out, e)
	}
	return out, nil
}

func (s Setup) probe(ctx context.Context, cpus process.CPUs, e result.Entry) (result.Entry, error) {
	server, err := process.StartServer(ctx, cpus, s.config(e, scenario.Scenario{Conversation: scenario.ConversationHTTP}))
	if err != nil {
		return e, err
	}
	defer server.Stop()
	a, err := process.Probe(ctx, server.Addr, s.foreign(e))
	if err != nil {
		return e, fmt.Errorf("the server %s: %w", e.Label, err)
	}
	e.Abilities, e.CPUs = &a, server.ServerCPUs
	return e, nil
}

// leaveOutIncomparable takes out the models that can't take part by their
// nature, and the servers that don't do the work that the scenario asks for:
// their figures would be of another load.
func (t *trial) leaveOutIncomparable() error {
	for _, e := range t.active() {
		why := e.Unable
		if e.Abilities != nil {
			why = process.Incomparable(t.exp.Scenario, *e.Abilities)
		}
		if why != "" {
			if err := t.leaveOutUnable(e, result.PhasePilot, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// leaveOutUnable takes out a server that can't take part in the scenario,
// which is no failure, and writes down why.
func (t *trial) leaveOutUnable(e result.Entry, phase, why string) error {
	s := t.newSlice(e, phase, -1, 0)
	s.Unable = why
	t.leftOut[e.Label] = isUnable
	t.dismiss(e)
	t.progress(fmt.Sprintf("%s can't take part: %s", e.Label, why), true)
	return t.keep(s)
}

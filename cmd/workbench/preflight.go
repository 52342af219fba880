package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"workbench/harness/doctor"
	"workbench/harness/load"
	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/trial"
)

// spareDescriptors is what a process needs beside a descriptor for each
// connection: its standard streams, the poller, the listener, connections
// that are closing while their successors are open.
const spareDescriptors = 100

// preflight finds what would spoil the run in its middle, before it starts, and
// says what on this machine may spoil its figures.
func (c instrument) preflight(ctx context.Context, p *trial.Plan, t terminal) error {
	needs, err := c.fits(p)
	if err != nil {
		return err
	}
	printFindings(t.err, doctor.Examine(ctx, needs), doctor.Doubtful, width(t.err))
	return nil
}

// fits finds out whether the plan's connections can be had here, and what it
// needs of the machine.
func (c instrument) fits(p *trial.Plan) (doctor.Needs, error) {
	limit := process.DescriptorLimit()
	needs := doctor.Needs{
		Quick: true, OneSource: c.Engine == "net", Backlog: c.Backlog, Foreign: len(foreignEntries(p)) > 0,
		ServerCPUs: p.Experiments[0].ServerCPUs, LoadCPUs: p.Experiments[0].LoadCPUs,
	}
	for _, e := range p.Experiments {
		n, err := c.descriptors(p, e, limit)
		if err != nil {
			return needs, err
		}
		needs.Descriptors = max(needs.Descriptors, n)
		needs.Connections = max(needs.Connections, n-spareDescriptors-e.Scenario.Idle*len(e.Entries)) // those that are held come by and by
		if ports := process.Ports(); c.Engine == "net" && ports > 0 && e.Scenario.Clients > ports {
			return needs, fmt.Errorf("%s: %d clients need as many ports, and there are %d for them (fewer --clients, or widen net.ipv4.ip_local_port_range)", e.Name, e.Scenario.Clients, ports)
		}
	}
	return needs, nil
}

// descriptors is how many of them the clients need under an experiment, or an
// error where they may not have so many. Held connections of all servers are
// open at once, for a block's servers run side by side. An open loop takes what
// there is, unless told otherwise.
func (c instrument) descriptors(p *trial.Plan, e trial.Experiment, limit uint64) (int, error) {
	s := e.Scenario
	held := s.Idle * len(e.Entries)
	active, what := s.Clients, fmt.Sprintf("%d clients", s.Clients)
	if s.Loop != scenario.LoopClosed {
		active = load.DefaultMaxConnections
		if c.MaxConnections != nil {
			active = *c.MaxConnections
		}
		if free := int64(limit) - int64(held) - spareDescriptors; limit > 0 && c.MaxConnections == nil && free < int64(active) {
			active = int(max(free, 1))
			if p.MaxConnections == 0 || active < p.MaxConnections {
				p.MaxConnections = active // as many as every experiment can have
			}
		}
		what = fmt.Sprintf("%d connections at once", active)
	}
	if held > 0 {
		what += fmt.Sprintf(" beside %d held ones for each of %d servers", s.Idle, len(e.Entries))
	}
	n := active + held + spareDescriptors
	if limit > 0 && uint64(n) > limit {
		cure := "fewer --clients"
		switch {
		case held > 0 && len(e.Entries) > 1:
			cure = "fewer --idle, or one server with --model M --alone"
		case held > 0:
			cure = "fewer --idle"
		case s.Loop != scenario.LoopClosed && active > 1:
			cure = "fewer --max-connections"
		case s.Loop != scenario.LoopClosed:
			cure = "there is no doing with fewer"
		}
		return 0, fmt.Errorf("%s: %s need %d descriptors, and a process here may have %d (%s, or raise the limit: ulimit -n)", e.Name, what, n, limit, cure)
	}
	return n, nil
}

// foreignEntries are a plan's servers that are not ours, each once.
func foreignEntries(p *trial.Plan) (list []result.Entry) {
	for _, x := range p.Experiments {
		for _, e := range x.Entries {
			if e.Foreign() && !slices.ContainsFunc(list, func(o result.Entry) bool { return sameServer(o, e) }) {
				list = append(list, e)
			}
		}
	}
	return list
}

// sameServer reports whether two entries start, or attach to, the same.
func sameServer(a, b result.Entry) bool { return a.Command == b.Command && a.Attach == b.Attach }

// probe looks at what servers that are not ours do of what requests ask for,
// and leaves out the experiments in which none of them can be compared. Where
// no scenario was asked for, those remain of the tour that can, or all that can.
func (c instrument) probe(ctx context.Context, u *undertaking, t terminal) error {
	p := &u.plan
	foreign := foreignEntries(p)
	if len(foreign) == 0 {
		return nil
	}
	process.BeReaper()
	cpus := p.Experiments[0].ServerCPUs
	foreign, err := trial.Probe(ctx, p.Setup, cpus, foreign)
	if err != nil {
		return err
	}
	can := map[string]bool{} // by scenario: somebody can be compared
	for _, e := range foreign {
		names := process.Comparable(*e.Abilities)
		fmt.Fprintf(t.err, "workbench: %s: comparable: %s\n", e.Label, cmp.Or(strings.Join(names, ", "), "nothing"))
		for _, n := range names {
			can[n] = true
		}
		if own := cpus.String(); e.CPUs != "" && own != "" && e.CPUs != own {
			fmt.Fprintf(t.err, "workbench: %s may run on CPUs %s and the other servers on %s alone: pin it likewise (taskset -apc %s %d), or compare nothing\n", e.Label, e.CPUs, own, own, e.PID)
		}
	}
	if u.tour != nil {
		if err := u.tour(can, &u.plan, &u.run); err != nil {
			return err
		}
	}
	var left []trial.Experiment
	var reasons []string
	for _, x := range p.Experiments {
		x.Entries = slices.Clone(x.Entries)
		for i, e := range x.Entries {
			if at := slices.IndexFunc(foreign, func(o result.Entry) bool { return sameServer(o, e) }); at >= 0 && e.Foreign() {
				x.Entries[i].Abilities, x.Entries[i].CPUs = foreign[at].Abilities, foreign[at].CPUs
			}
		}
		if why := incomparable(x); why != "" {
			reasons = append(reasons, why)
			continue
		}
		left = append(left, x)
	}
	if len(left) == 0 {
		return wrong(fmt.Errorf("%s (take a load that it does, or one of those with a request of its own: --request FILE)", strings.Join(reasons, "; ")))
	}
	for _, why := range reasons {
		fmt.Fprintln(t.err, "workbench:", why)
	}
	p.Experiments = left
	_, err = c.fits(p) // they may not be those that were looked at before
	return err
}

// comparableTour puts in the tour's place what of it servers that are not ours
// can be compared under, or, if that is nothing, all that they can.
func (c runCmd) comparableTour(can map[string]bool, p *trial.Plan, run *result.Run) (err error) {
	if run.Name != tourName {
		return nil
	}
	var some []scenario.Scenario
	for _, s := range scenario.Catalogue() {
		if can[s.Name] && (slices.Contains(tour, s.Name) || !slices.ContainsFunc(tour, func(n string) bool { return can[n] })) {
			some = append(some, s)
		}
	}
	var names []string
	for i := range some {
		if err := c.adjust(&some[i]); err != nil {
			return wrong(err)
		}
		names = append(names, some[i].Name)
	}
	if len(some) > 0 {
		if p.Experiments, err = c.experiments(tourName, some); err != nil {
			return wrong(err)
		}
		run.Name = strings.Join(names, "-")
	}
	return nil
}

// incomparable says why none of the servers that are not ours can be compared
// under an experiment's scenario, "" if one can, or if there is none.
func incomparable(x trial.Experiment) string {
	var reasons []string
	for _, e := range x.Entries {
		if !e.Foreign() || e.Twin {
			continue
		}
		why := process.Incomparable(x.Scenario, *e.Abilities)
		if why == "" {
			return ""
		}
		reasons = append(reasons, fmt.Sprintf("%s does not do what requests ask for (%s): under %s it can't be compared", e.Label, why, x.Name))
	}
	return strings.Join(reasons, "; ")
}

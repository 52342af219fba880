package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"workbench/harness/process"
	"workbench/harness/report"
	"workbench/harness/result"
	"workbench/harness/trial"
	"workbench/models"
)

// instrument is how load is played, whatever it is.
type instrument struct {
	Engine         string `default:"${engine}" placeholder:"epoll|net" help:"Clients that play the load: one event loop per CPU (Linux), or package net's (${default})." group:"Machine"`
	MaxConnections *int   `placeholder:"N" help:"Connections that arrivals at a rate may have open at once; requests beyond wait in the client, and are late (10000)." group:"Machine"`
	Backlog        int    `placeholder:"N" help:"Connections that may wait to be accepted (the system's limit)." group:"Machine"`
}

// check refuses what no machine can do.
func (c instrument) check() error {
	if err := process.CheckEngine(c.Engine); err != nil {
		return fmt.Errorf("--engine: %w", err)
	}
	if err := models.CheckBacklog(c.Backlog); err != nil {
		return fmt.Errorf("--backlog: %w", err)
	}
	return nil
}

func (c instrument) setup(seed uint64) trial.Setup {
	s := trial.Setup{Seed: seed, Engine: c.Engine, Backlog: c.Backlog}
	if c.MaxConnections != nil {
		s.MaxConnections = *c.MaxConnections
	}
	return s
}

// An undertaking is a plan that is about to be played, made from flags or from a
// file, new or taken up again.
type undertaking struct {
	plan trial.Plan
	run  result.Run
	tour func(can map[string]bool, p *trial.Plan, run *result.Run) error // narrows what nobody asked for in particular, by what foreign servers can be compared under; nil where all was asked for
	open func(run *result.Run) (*result.Dir, error)                      // makes or opens the record, once nothing stands in the way any more
	done func(run result.Run, i int)                                     // an experiment is over
}

// conduct looks whether the plan can be played here, plays it, and leaves a
// record with its summaries. The directory is the caller's to close; with an
// error there is none.
func (c instrument) conduct(ctx context.Context, t terminal, u undertaking) (result.Run, *result.Dir, error) {
	none := func(err error) (result.Run, *result.Dir, error) { return result.Run{}, nil, err }
	if err := c.preflight(ctx, &u.plan, t); err != nil {
		return none(err)
	}
	env, spin := process.Environment(ctx), u.run.Environment.SpinPerUs
	env.ServerCPUs, env.LoadCPUs = u.plan.Experiments[0].ServerCPUs.String(), u.plan.Experiments[0].LoadCPUs.String()
	env.GOMAXPROCS, env.StealUs = u.run.Environment.GOMAXPROCS, u.run.Environment.StealUs // so far
	env.Backlog = cmp.Or(c.Backlog, env.Somaxconn)
	if spin == 0 { // a record that is taken up again goes on with the work that it began with
		var err error
		if spin, err = process.Calibrate(ctx, u.plan.Experiments[0].ServerCPUs); err != nil {
			return none(interrupted(ctx, err))
		}
	}
	u.plan.SpinPerUs, env.SpinPerUs = spin, spin
	u.run.Environment = env
	if err := c.probe(ctx, &u, t); err != nil {
		return none(interrupted(ctx, err))
	}
	if u.run.Started.IsZero() {
		u.run.Started = time.Now().UTC()
	}
	dir, err := u.open(&u.run)
	if err != nil {
		return none(err)
	}
	if c.Engine == "net" {
		fmt.Fprint(t.err, "workbench: "+report.EngineLine(u.run))
	}
	run, err := c.play(ctx, t, u, dir)
	if err != nil {
		return none(errors.Join(fmt.Errorf("%w (what could be written is in %s)", err, dir.Path()), dir.Close()))
	}
	return run, dir, nil
}

// play plays the plan into the record, and writes its summaries.
func (c instrument) play(ctx context.Context, t terminal, u undertaking, dir *result.Dir) (result.Run, error) {
	progress := newProgress(t.err, u.plan)
	var summaries error
	run, err := trial.Run(ctx, u.plan, u.run, dir, trial.Watcher{
		Progress: progress.event,
		Done: func(run result.Run, i int) {
			progress.clear()
			u.done(run, i)
			summaries = writeSummaries(dir, run, nil)
		},
	})
	progress.clear()
	if err := cmp.Or(err, summaries); err != nil {
		return run, err
	}
	slices := readingSlices(t, dir.Path(), run) // of what an interrupt came before there are none
	if run, err = acrossExperiments(run, slices); err != nil {
		return run, err
	}
	return run, cmp.Or(dir.WriteRun(run), writeSummaries(dir, run, slices))
}

// interrupted is err, or the interrupt that is behind it.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return exitError{exitInterrupted, errors.New("interrupted before anything was measured")}
	}
	return err
}

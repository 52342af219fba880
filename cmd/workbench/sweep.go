package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"workbench/harness/process"
	"workbench/harness/report"
	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/trial"
)

// sweepCmd plays a grid of experiments from a file.
type sweepCmd struct {
	File   string `arg:"" optional:"" placeholder:"FILE" help:"What to play: models, scenarios, clients and so on, each a list (see scripts/*.yaml)."`
	Out    string `default:"results" placeholder:"DIR" help:"Where the record goes (${default})."`
	Resume string `placeholder:"DIR" help:"Go on with this record, which was cut short: what is finished isn't repeated."`
	DryRun bool   `help:"Say what would be played and how long it takes, and play nothing."`

	instrument `embed:""`
}

// sweepFile is the copy of its file that a sweep's record holds.
const sweepFile = "sweep.yaml"

// pilotTakes is roughly what a pilot takes, of those beside the budgets.
const pilotTakes = 2 * time.Second

// Run plays the sweep and prints its tables.
func (c sweepCmd) Run(ctx context.Context, t terminal) error {
	file := cmp.Or(c.File, filepath.Join(c.Resume, sweepFile))
	if c.File == "" && c.Resume == "" {
		return wrong(errors.New("sweep: name the file to play, or with --resume the record to go on with"))
	}
	sweep, err := scenario.ReadSweep(file)
	if err != nil {
		return wrong(err)
	}
	plan, run, err := c.plan(sweep)
	if err != nil {
		return wrong(err)
	}
	if c.DryRun {
		c.forecast(t, plan)
		return nil
	}
	u := undertaking{plan: plan, run: run, done: func(run result.Run, i int) { sayDone(t, run, i) }}
	if c.Resume != "" {
		dir, before, err := result.Reopen(c.Resume)
		if err != nil {
			return err
		}
		if u.run, err = takeUp(before, u); err != nil {
			return errors.Join(wrong(fmt.Errorf("--resume %s: %w", c.Resume, err)), dir.Close())
		}
		defer dir.Close()
		env := before.Environment
		u.open = func(run *result.Run) (*result.Dir, error) {
			now := result.Resumption{At: time.Now().UTC(), Differs: report.EnvironmentChanges(env, run.Environment)}
			for _, d := range now.Differs {
				fmt.Fprintf(t.err, "workbench: since the sweep began, this has changed: %s\n", d)
			}
			run.Resumed = append(run.Resumed, now)
			return dir, nil
		}
	} else {
		if err := result.CheckWritable(c.Out); err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		u.open = func(run *result.Run) (*result.Dir, error) {
			dir, err := result.Create(c.Out, run.Name, run.Started)
			if err != nil {
				return nil, err
			}
			fmt.Fprintf(t.err, "workbench: cut short, it goes on with: workbench sweep --resume %s\n", quote(dir.Path()))
			return dir, dir.WriteFile(sweepFile, text)
		}
	}
	run, dir, err := c.conduct(ctx, t, u)
	if err != nil {
		return err
	}
	defer dir.Close()
	fmt.Fprint(t.out, report.Sweep(run, width(t.out.Writer)))
	fmt.Fprintln(t.out, report.Again(run, dir.Path()))
	if ctx.Err() != nil {
		return exitError{exitInterrupted, fmt.Errorf("interrupted: it goes on with workbench sweep --resume %s", quote(dir.Path()))}
	}
	return verdict(ctx, run)
}

// plan makes a sweep's experiments. Whatever is wrong is said with its place in
// the file.
func (c sweepCmd) plan(sweep scenario.Sweep) (trial.Plan, result.Run, error) {
	none := func(err error) (trial.Plan, result.Run, error) { return trial.Plan{}, result.Run{}, err }
	if err := c.check(); err != nil {
		return none(err)
	}
	seed := uint64(1)
	if s := sweep.Grids[0].Seed; s != nil {
		seed = *s
	}
	p := trial.Plan{Setup: c.setup(seed)}
	var questions []string
	var expected [][]string
	some := false
	for i, g := range sweep.Grids {
		if g.Seed != nil && *g.Seed != seed {
			return none(fmt.Errorf("%s: one sweep has one seed, and its grids name %d and %d", sweep.File, seed, *g.Seed))
		}
		questions = append(questions, g.Question)
		expected = append(expected, expectations(g))
		some = some || len(g.Expect) > 0
		list, err := c.experiments(sweep, g)
		if err != nil {
			return none(err)
		}
		for _, e := range list {
			e.Grid = i
			p.Experiments = append(p.Experiments, e)
		}
	}
	name := strings.TrimSuffix(filepath.Base(sweep.File), filepath.Ext(sweep.File))
	run := result.Run{
		Schema: result.RunSchema, Name: name, Seed: seed, Engine: c.Engine, Questions: questions,
		Command: "workbench sweep " + quote(sweep.File),
	}
	if some {
		run.Expected = expected
	}
	return p, run, nil
}

func expectations(g scenario.Grid) []string {
	all := []string{}
	for _, e := range g.Expect {
		all = append(all, e.Value)
	}
	return all
}

// experiments are a grid's points, as the flags of run would have each.
func (c sweepCmd) experiments(sweep scenario.Sweep, g scenario.Grid) (list []trial.Experiment, err error) {
	base := trial.Experiment{
		Budget: cmp.Or(g.Budget, defaultBudget), Precision: cmp.Or(g.Precision, defaultPrecision), Blocks: g.Blocks,
		Rounds: rounds,
	}
	if g.Blocks > 0 && g.Budget == 0 {
		base.Budget = unlimited
	}
	base.Most = max(min(longestSlice, base.Budget/20), shortSlice)
	if base.Entries, base.Reference, err = c.entries(sweep, g); err != nil {
		return nil, err
	}
	for _, point := range g.Points {
		e := base
		e.Name, e.Scenario, e.Axes = point.Name, point.Scenario, point.Axes
		e.Entries = underScenario(base.Entries, point.Scenario)
		flags := runCmd{ServerCPUs: point.ServerCPUs.Value}
		if e.ServerCPUs, e.LoadCPUs, err = flags.cpus(process.Allowed()); err != nil {
			if point.ServerCPUs.Value != "" {
				err = sweep.At(point.ServerCPUs, err)
			}
			return nil, err
		}
		if err := fitting(e); err != nil {
			return nil, fmt.Errorf("%s: %w", sweep.File, err)
		}
		list = append(list, e)
	}
	return list, nil
}

// entries are a grid's servers. Each is looked at by itself first, for the place
// of what is wrong with it.
func (c sweepCmd) entries(sweep scenario.Sweep, g scenario.Grid) ([]result.Entry, string, error) {
	flags := runCmd{Reference: g.Reference.Value, Alone: g.Alone}
	for _, m := range g.Models {
		if _, err := entryOf(m.Value); err != nil {
			return nil, "", sweep.At(m, err)
		}
		flags.Model = append(flags.Model, m.Value)
	}
	for _, s := range g.Servers {
		if _, err := (runCmd{Server: []string{s.Value}}).foreign(); err != nil {
			return nil, "", sweep.At(s, err)
		}
		flags.Server = append(flags.Server, s.Value)
	}
	entries, reference, err := flags.entries()
	switch {
	case err != nil && g.Reference.Value != "":
		return nil, "", sweep.At(g.Reference, err)
	case err != nil:
		return nil, "", fmt.Errorf("%s: %w", sweep.File, err)
	}
	return entries, reference, nil
}

// takeUp is the record's run, to go on with, if it is of the same plan: figures
// of one question and of another don't stand in one table.
func takeUp(before result.Run, u undertaking) (result.Run, error) {
	if len(before.Questions) == 0 {
		return before, errors.New("it is no sweep's record: a run is begun anew")
	}
	if before.Engine != u.run.Engine {
		return before, fmt.Errorf("it was begun with --engine %s", before.Engine)
	}
	if before.Seed != u.run.Seed {
		return before, fmt.Errorf("it is of another sweep: its seed is %d, here %d", before.Seed, u.run.Seed)
	}
	of := func(name string) func(trial.Experiment) bool {
		return func(e trial.Experiment) bool { return e.Name == name }
	}
	for _, b := range before.Experiments {
		why := fmt.Sprintf("%s is not in this one", b.Name)
		if i := slices.IndexFunc(u.plan.Experiments, of(b.Name)); i >= 0 {
			why = differs(b, u.plan.Experiments[i])
		}
		if why != "" {
			return before, fmt.Errorf("it is of another sweep: %s (begin anew, or give the file that it began with: %s in it)", why, sweepFile)
		}
	}
	for _, e := range u.plan.Experiments {
		begun := slices.ContainsFunc(before.Experiments, func(b result.Experiment) bool { return b.Name == e.Name })
		if !begun && !slices.ContainsFunc(e.Entries, result.Entry.Foreign) { // those were left out whose servers can't be compared under them
			return before, fmt.Errorf("it is of another sweep: it has no %s", e.Name)
		}
	}
	if !slices.ContainsFunc(before.Experiments, func(b result.Experiment) bool { return !trial.Over(b) }) {
		return before, errors.New("nothing is left to do: all its experiments are finished (its tables: workbench report)")
	}
	return before, nil
}

// differs says in what an experiment of a record is another than that of a plan.
func differs(b result.Experiment, e trial.Experiment) string {
	// What a record says of foreign servers that a probe found, and of models that the system can't run, is no part of what was asked for.
	asked := func(e result.Entry) result.Entry { e.Abilities, e.CPUs, e.Unable = nil, "", ""; return e }
	same := func(x, y result.Entry) bool { return asked(x) == asked(y) }
	switch {
	case b.Flags != e.Scenario.Flags():
		return b.Name + " has another load"
	case !slices.EqualFunc(b.Entries, e.Entries, same) || b.Reference != e.Reference:
		return b.Name + " has other servers"
	case b.BudgetS != e.Budget.Seconds() || b.Precision != e.Precision || b.BlocksAsked != e.Blocks:
		return b.Name + " has another budget, precision or number of restarts"
	case b.ServerCPUs != e.ServerCPUs.String() || b.LoadCPUs != e.LoadCPUs.String():
		return b.Name + " has other CPUs"
	}
	return ""
}

// sayDone says that an experiment is over, and what is left.
func sayDone(t terminal, run result.Run, i int) {
	left := 0
	for _, e := range run.Experiments {
		if !trial.Over(e) {
			left++
		}
	}
	e := run.Experiments[i]
	fmt.Fprintf(t.err, "workbench: %s: %s, stopped by %s; %d of %d left\n", e.Name, counted(e.Blocks, "restart"), cmp.Or(e.StoppedBy, "an error"), left, len(run.Experiments))
}

// forecast prints the grid and how long it takes.
func (c sweepCmd) forecast(t terminal, p trial.Plan) {
	name := 0
	for _, e := range p.Experiments {
		name = max(name, len(e.Name))
	}
	var all time.Duration
	for _, e := range p.Experiments {
		var who []string
		for _, entry := range e.Entries {
			if entry.Twin {
				continue
			}
			who = append(who, entry.Label)
		}
		takes := fmt.Sprintf("at most %v", e.Budget)
		if e.Budget == unlimited {
			takes = counted(e.Blocks, "restart")
		}
		all += e.Budget + pilotTakes
		fmt.Fprintf(t.out, "%-*s  %s, %s: %s\n", name, e.Name, takes, counted(len(e.Entries), "entry"), strings.Join(who, " "))
	}
	if all >= unlimited {
		fmt.Fprintf(t.out, "%s\n", counted(len(p.Experiments), "experiment"))
		return
	}
	fmt.Fprintf(t.out, "%s, at most %v (intervals that are narrow enough end one sooner)\n", counted(len(p.Experiments), "experiment"), all.Round(time.Second))
}

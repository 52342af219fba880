package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"workbench/harness/analysis"
	"workbench/harness/report"
	"workbench/harness/result"
)

// compareCmd sets two records against each other.
type compareCmd struct {
	First    string `arg:"" placeholder:"RESULT" help:"The record to compare with: its directory, or its run.json."`
	Second   string `arg:"" placeholder:"RESULT" help:"The record that is compared with it."`
	Absolute bool   `help:"Compare the figures themselves, and not their ratios to the reference: the machine's drift is then in every one."`
}

// Run prints what differs. Whatever it finds it has done what was asked for: a
// gate is what run --fail-if is.
func (c compareCmd) Run(t terminal) error {
	first, err := readRun(c.First)
	if err != nil {
		return err
	}
	second, err := readRun(c.Second)
	if err != nil {
		return err
	}
	if first.Started.Equal(second.Started) && first.Command == second.Command {
		fmt.Fprintf(t.err, "workbench: compare %s and %s: both are of the same run, so there is nothing to find\n", c.First, c.Second)
	}
	a, err := recorded(t, c.First, first, second)
	if err != nil {
		return err
	}
	b, err := recorded(t, c.Second, second, first)
	if err != nil {
		return err
	}
	changes, err := analysis.Between(a, b, c.Absolute)
	switch {
	case errors.Is(err, analysis.ErrNoCommonReference):
		return fmt.Errorf("compare %s and %s: %w: compare the figures themselves with --absolute, the machine's drift in them, or run again with a --reference that both have", c.First, c.Second, err)
	case err != nil:
		return fmt.Errorf("compare %s and %s: %w", c.First, c.Second, err)
	}
	fmt.Fprint(t.out, report.Changes(changes, report.Source{Path: c.First, Run: first}, report.Source{Path: c.Second, Run: second}, width(t.out.Writer)))
	return nil
}

// recorded reads the slices of the experiments whose names another run has too.
func recorded(t terminal, path string, run, other result.Run) (analysis.Recorded, error) {
	r := analysis.Recorded{Run: run, Slices: map[string][]result.Slice{}}
	dir := recordDir(path)
	read := readingSlices(t, dir, run)
	for _, e := range run.Experiments {
		if !slices.ContainsFunc(other.Experiments, func(o result.Experiment) bool { return o.Name == e.Name }) {
			continue
		}
		taken, err := read(e.Name)
		if err != nil {
			return r, err
		}
		r.Slices[e.Name] = taken
	}
	return r, nil
}

// recordDir is the directory of a record that is named by it, or by the run.json
// in it, which a shell completes to as readily.
func recordDir(path string) string {
	if filepath.Base(path) == "run.json" {
		return filepath.Dir(path)
	}
	return filepath.Clean(path)
}

func readRun(path string) (result.Run, error) { return result.ReadRun(recordDir(path)) }

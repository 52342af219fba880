package main

import (
	"errors"
	"fmt"

	"workbench/harness/analysis"
	"workbench/harness/report"
	"workbench/harness/result"
)

// A sliceReader reads an experiment's slices from the record.
type sliceReader func(experiment string) ([]result.Slice, error)

// acrossExperiments fills in what is made from several experiments together.
func acrossExperiments(run result.Run, slices sliceReader) (result.Run, error) {
	if len(run.Questions) == 0 { // no sweep
		return run, nil
	}
	scalability, err := analysis.Scale(run, slices)
	if err != nil {
		return run, fmt.Errorf("fit over clients: %w", err)
	}
	run.Scalability = scalability
	return run, nil
}

// writeSummaries writes what is made from the record for reading. Without
// slices it leaves out the samples, for which all of them are read again: while
// a run is under way the tables are enough.
func writeSummaries(dir *result.Dir, run result.Run, slices sliceReader) error {
	err := errors.Join(
		dir.WriteFile("answer.md", []byte(report.AnswerMarkdown(run))),
		dir.WriteFile("table.md", []byte(report.Markdown(run))),
		dir.WriteFile("table.csv", []byte(report.CSV(run))),
	)
	if err != nil || slices == nil {
		return err
	}
	samples, err := report.Bench(run, slices)
	if err != nil {
		return fmt.Errorf("make bench.txt: %w", err)
	}
	return dir.WriteFile("bench.txt", []byte(samples))
}

package main

import (
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
	for _, f := range []struct{ name, text string }{
		{"answer.md", report.AnswerMarkdown(run)}, {"table.md", report.Markdown(run)}, {"table.csv", report.CSV(run)},
	} {
		if err := dir.WriteFile(f.name, []byte(f.text)); err != nil {
			return err
		}
	}
	if slices == nil {
		return nil
	}
	samples, err := report.Bench(run, slices)
	if err != nil {
		return fmt.Errorf("make bench.txt: %w", err)
	}
	return dir.WriteFile("bench.txt", []byte(samples))
}

package main

import (
	"fmt"
	"slices"
	"strings"

	"workbench/harness/report"
	"workbench/harness/result"
)

// citeCmd prints one sentence to quote.
type citeCmd struct {
	Result     string `arg:"" placeholder:"RESULT" help:"Record to quote from: its directory, or its run.json."`
	Experiment string `placeholder:"NAME" help:"Quote from this experiment (the one with the largest difference)."`
}

// Run prints the sentence. That there is no verdict to quote is an answer too.
func (c citeCmd) Run(t terminal) error {
	run, err := readRun(c.Result)
	if err != nil {
		return err
	}
	if c.Experiment != "" && !slices.ContainsFunc(run.Experiments, func(e result.Experiment) bool { return e.Name == c.Experiment }) {
		var names []string
		for _, e := range run.Experiments {
			names = append(names, e.Name)
		}
		return wrong(fmt.Errorf("--experiment %s: not in %s (there are %s)", c.Experiment, c.Result, strings.Join(names, ", ")))
	}
	fmt.Fprint(t.out, report.Cite(run, c.Experiment))
	return nil
}

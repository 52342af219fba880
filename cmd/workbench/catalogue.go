package main

import (
	"errors"
	"fmt"
	"strings"

	"workbench/harness/scenario"
	"workbench/models"
)

// modelsCmd lists the models.
type modelsCmd struct {
	Name []string `arg:"" optional:"" hidden:""`
}

// Run prints a line for each model and each of its parameters.
func (c modelsCmd) Run(t terminal) error {
	if len(c.Name) > 0 {
		if c.Name[0] == "new" {
			return wrong(errors.New("models new is not there yet (the README says how to add a model by hand)"))
		}
		return wrong(fmt.Errorf("unexpected argument %q: workbench models lists them all", c.Name[0]))
	}
	for _, m := range models.Catalogue() {
		fmt.Fprintf(t.out, "%-10s  %s\n", m.Name, m.Claim)
		for _, p := range m.Params {
			fmt.Fprintf(t.out, "%-10s    %-26s  %s (default %s)\n", "", p.Name+"="+p.Allowed(), p.Doc, p.Default)
		}
	}
	return nil
}

// scenariosCmd lists the scenarios.
type scenariosCmd struct {
	Name string `arg:"" optional:"" help:"Show this one in full, as a file to start from: a name, or a file."`
}

// Run prints a line for each scenario, or one in full: as comments what it
// shows and how to play it, and then its file, so that the whole, sent to a
// file, is that of another scenario.
func (c scenariosCmd) Run(t terminal) error {
	if c.Name != "" {
		s, err := scenario.Find(c.Name)
		if err != nil {
			return wrong(err)
		}
		fmt.Fprintf(t.out, "# %s\n", strings.TrimSuffix(s.Name+": "+s.Claim, ": "))
		fmt.Fprintf(t.out, "# as it is:  workbench run --scenario %s\n", quote(c.Name))
		fmt.Fprintf(t.out, "# by flags:  workbench run %s\n", s.Flags())
		fmt.Fprintf(t.out, "# to change: workbench scenarios %s > my.yaml; workbench run --scenario my.yaml\n", quote(c.Name))
		if s.Name == c.Name {
			s.Name = "" // the catalogue's; what is made of it goes by its file's
		}
		fmt.Fprint(t.out, s.YAML())
		return nil
	}
	for _, s := range scenario.Catalogue() {
		fmt.Fprintf(t.out, "%-12s  %s\n%-12s    %s\n", s.Name, s.Claim, "", s.Flags())
	}
	return nil
}

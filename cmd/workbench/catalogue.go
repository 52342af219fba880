package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"workbench/harness/scenario"
	"workbench/models"
)

// modelsCmd lists the models, or begins a new one.
type modelsCmd struct {
	List listModelsCmd `cmd:"" default:"1" help:"List the models and their parameters."`
	New  newModelCmd   `cmd:"" help:"Begin a model of your own, in a clone of the workbench: its file, its line of the catalogue, and a test that says what is missing."`
}

// listModelsCmd lists the models.
type listModelsCmd struct{}

// Run prints a line for each model and each of its parameters, and what it
// can't do.
func (c listModelsCmd) Run(t terminal) error {
	for _, m := range models.Catalogue() {
		fmt.Fprint(t.out, modelLines(m))
	}
	return nil
}

func modelLines(m models.Model) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s  %s%s\n", m.Name, m.Claim, kind(m))
	for _, p := range m.Params {
		fmt.Fprintf(&b, "%-12s    %-26s  %s (default %s)\n", "", p.Name+"="+p.Allowed(), p.Doc, p.Default)
	}
	for _, what := range slices.Sorted(maps.Keys(m.Unable)) { // a scenario, or a conversation
		fmt.Fprintf(&b, "%-12s    %-26s  can't: %s\n", "", what, m.Unable[what])
	}
	return b.String()
}

// kind is what a reader must know of a model before taking it: where it runs,
// and whether it is ours.
func kind(m models.Model) string {
	var all []string
	if m.Reference {
		all = append(all, "not ours")
	}
	if only := m.Only(); only != "" {
		all = append(all, only)
	}
	if len(all) == 0 {
		return ""
	}
	return " [" + strings.Join(all, ", ") + "]"
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

package main

import (
	"testing"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// What the catalogue says that a model can't do stands in its entry wherever it
// is true, and nowhere else.
func TestWhoCantTakePartByNature(t *testing.T) {
	for _, row := range []struct {
		title, model, scenario string
		change                 func(*scenario.Scenario)
		want                   bool
	}{
		{"silent connections hold iterative's place", "iterative", "idle", nil, true},
		{"as they do under any load", "iterative", "keepalive", func(s *scenario.Scenario) { s.Idle = 10 }, true},
		{"without them idle is keepalive", "iterative", "idle", func(s *scenario.Scenario) { s.Idle = 0 }, false},
		{"without them nothing is held", "iterative", "keepalive", nil, false},
		{"a goroutine for each has a place for them", "goroutine", "idle", nil, false},
		{"an HTTP server has no other conversation", "nethttp", "hello", func(s *scenario.Scenario) { s.Conversation = "once" }, true},
		{"and holds its own", "nethttp", "hello", nil, false},
	} {
		s, err := scenario.Named(row.scenario)
		if err != nil {
			t.Fatal(err)
		}
		if row.change != nil {
			row.change(&s)
		}
		e := underScenario([]result.Entry{{Label: row.model, Model: row.model}}, s)[0]
		if (e.Unable != "") != row.want {
			t.Errorf("%s: %s under %s can't: %q", row.title, row.model, row.scenario, e.Unable)
		}
	}
}

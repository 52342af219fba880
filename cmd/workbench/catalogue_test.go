package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workbench/models"
)

// Where a model runs, whose it is and what it can't do stand in its lines.
func TestLinesOfAModel(t *testing.T) {
	for _, tt := range []struct {
		name  string
		model models.Model
		want  string
	}{
		{"one that runs everywhere", models.Model{Name: "iterative", Claim: "one loop"}, `
iterative     one loop
`},
		{"one with parameters, for one system", models.Model{Name: "reactor-pool", Claim: "a loop and workers", System: "linux", Params: []models.Param{
			{Name: "workers", Doc: "requests at work at once", Default: "16", Min: 1, Max: 100},
		}}, `
reactor-pool  a loop and workers [Linux only]
                workers=1 to 100            requests at work at once (default 16)
`},
		{"a library's server", models.Model{Name: "netpoll", Claim: "event loops", System: "linux", Reference: true, Unable: map[string]string{
			"slow-clients": "it gives up on them", "once": "it serves HTTP and nothing else",
		}}, `
netpoll       event loops [not ours, Linux only]
                once                        can't: it serves HTTP and nothing else
                slow-clients                can't: it gives up on them
`},
	} {
		if diff := cmp.Diff(tt.want[1:], modelLines(tt.model)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// Every model of the catalogue has lines that line up.
func TestLinesOfTheCatalogueLineUp(t *testing.T) {
	for _, m := range models.Catalogue() {
		lines := strings.Split(strings.TrimSuffix(modelLines(m), "\n"), "\n")
		if len(m.Name) > 12 || !strings.HasPrefix(lines[0][min(len(lines[0]), 14):], m.Claim) {
			t.Errorf("%q: a name has at most 12 characters, and the claim is in column 15", lines[0])
		}
		for _, l := range lines[1:] {
			if l[42:44] != "  " || l[44] == ' ' {
				t.Errorf("%q: what a parameter is doesn't begin in column 45", l)
			}
		}
	}
}

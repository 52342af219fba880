package models_test

import (
	"testing"

	"workbench/models"
	"workbench/models/modeltest"
)

// TestConformance is what makes a model one that may be compared. Its checks
// look at the whole process, so nothing here runs in parallel.
func TestConformance(t *testing.T) {
	var specs []string
	for _, m := range models.Catalogue() {
		specs = append(specs, m.Name)
	}
	// Limits that are soon reached, and each way to be full.
	specs = append(specs,
		"pool:workers=2,queue=3,when-full=reject",
		"pool:workers=1,when-full=reject",
		"errgroup:limit=3,when-full=reject",
		"pool:workers=2,queue=3",
		"errgroup:limit=1",
		"reactors:loops=1",
		"reactors:loops=3",
		"reactors:loops=3,spread=acceptor",
		"reactor-pool:workers=2,queue=0",
		"reactor-pool:workers=1,queue=1",
		"staged:workers=1,parsers=1,writers=1,queue=1",
		"staged:workers=3,parsers=2,writers=2",
		"semaphore:limit=3,when-full=reject",
		"semaphore:limit=1",
		"acceptors:workers=2",
		"acceptors:workers=1",
		"elastic:max=2,idle=1",
		"elastic:max=50,idle=5",
		"threads:limit=2",
		"uring:entries=8", // hardly ever enough for a turn
		"prefork:processes=4",
		"prefork:processes=2,each=reactor",
	)
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) { modeltest.RunExcept(t, spec, excused(spec)) })
	}
}

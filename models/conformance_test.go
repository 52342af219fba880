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
	)
	for _, spec := range specs {
		t.Run(spec, func(t *testing.T) { modeltest.Run(t, spec) })
	}
}

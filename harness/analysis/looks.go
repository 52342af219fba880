package analysis

import (
	"slices"

	"workbench/harness/result"
)

// LooksLarge reports whether an entry's pilot alone was more than a factor of 2
// from the reference's. It is for foreseeing how long an experiment takes, since
// such a model leaves the rounds soon; what is said of it waits for [Large].
func LooksLarge(exp result.Experiment, taken []result.Slice, label string) bool {
	if exp.Reference == "" || label == exp.Reference || slices.ContainsFunc(exp.Entries, func(e result.Entry) bool { return e.Twin && e.Label == label }) {
		return false
	}
	pilot := func(label string) *result.Slice {
		for i := len(taken) - 1; i >= 0; i-- {
			if s := &taken[i]; s.Label == label && s.Phase == result.PhasePilot && good(*s) {
				return s
			}
		}
		return nil
	}
	model, reference := pilot(label), pilot(exp.Reference)
	if model == nil || reference == nil {
		return false
	}
	for _, of := range []metric{throughput, serverCPU} {
		x, ok := of(*model)
		base, ok2 := of(*reference)
		if r, ok3 := ratio(x, base); ok && ok2 && ok3 && (r > largeFactor || r < 1.0/largeFactor) {
			return true
		}
	}
	return false
}

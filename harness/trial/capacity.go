package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"workbench/harness/process"
	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/harness/stats"
)

// How the reference's capacity is looked for.
const (
	capacityClients = 64
	capacitySettle  = 100 * time.Millisecond
	capacityCount   = 300 * time.Millisecond
	capacityLooks   = 3 // of which the median counts
)

// capacity finds how many of the scenario's requests the reference answers at
// most, each on a connection of its own: as many as 64 clients get that ask
// again as soon as they are answered. That settles the rate, the same for every
// model. Where there is no reference it is the first model's.
func (t *trial) capacity(ctx context.Context) error {
	able := t.active() // a reference that can't be compared under this load has no capacity for it
	of := able[0]
	if i := slices.IndexFunc(able, func(e result.Entry) bool { return e.Label == t.exp.Reference }); i >= 0 {
		of = able[i]
	}
	if err := t.startBlock(ctx, result.PhaseCapacity, -1, []result.Entry{of}); err != nil {
		return err
	}
	defer t.stopBlock()
	var seen []float64
	for range capacityLooks {
		s := closedForm(t.exp.Scenario, capacityClients)
		if err := t.slice(ctx, of, result.PhaseCapacity, -1, 0, s, process.Job{Settle: capacitySettle, Count: capacityCount}); err != nil {
			return err
		}
		if t.servers[of.Label] == nil { // it has failed
			break
		}
		if last := t.last(of, result.PhaseCapacity); last != nil && last.Load != nil && last.Load.Requests > 0 {
			seen = append(seen, float64(last.Load.Requests)/last.Load.WindowUs*1e6)
		}
	}
	s, why := t.exp.Scenario, errors.New("it answered nothing, so its capacity, of which the load is a multiple, is unknown")
	if len(seen) > 0 {
		s = s.Resolve(max(1, math.Round(stats.Median(seen))))
		if why = s.Validate(); why != nil {
			why = fmt.Errorf("at the capacity of %s: %w", of.Label, why)
		}
	}
	if why != nil {
		for _, e := range t.active() { // nobody can be measured without the rate
			if err := t.fail(e, t.newSlice(e, result.PhaseCapacity, -1, 0), cmp.Or(t.failureOf(of), why)); err != nil {
				return err
			}
		}
		return nil
	}
	t.exp.Scenario = s
	t.out.CapacityPerS, t.out.Rate, t.out.Load = s.Rate, s.Rate, s
	t.out.PlanDigest = scenario.NewPlan(s, t.Seed).Digest()
	return nil
}

// failureOf is why an entry failed, nil if it didn't.
func (t *trial) failureOf(e result.Entry) error {
	for _, f := range t.out.Failures {
		if f.Label == e.Label {
			return errors.New("the reference " + e.Label + " failed: " + f.Reason)
		}
	}
	return nil
}

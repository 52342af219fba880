package analysis

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
)

// A model that bounds requests at work may hold any number of connections: its
// limit is full when as many requests are at work, and only then.
func TestALimitOfRequests(t *testing.T) {
	for _, tt := range []struct {
		name        string
		change      func(*result.Slice)
		by, why     string
		utilisation float64
	}{
		{"all workers are at work", occupied(16, 0.99), "limit", "16 of 16 workers busy", 0.99},
		{"a few are, whatever is held", occupied(64, 0.5), "load", "64 clients ÷ 10.6 ms", 0.5},
		{"none is", occupied(64, 0), "load", "64 clients ÷ 10.6 ms", 0},
		{"the same of connections", limited("workers", 64, 0.99), "limit", "64 of 64 workers busy", 0.99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := cell(t, rounds("pool", 3, requests(310), tt.change))
			if c.BoundBy != tt.by || c.BoundByWhy != tt.why {
				t.Errorf("bound by %q: %q, want %q: %q", c.BoundBy, c.BoundByWhy, tt.by, tt.why)
			}
			if u := c.LimitUtilisation; u == nil || u.Median != tt.utilisation {
				t.Errorf("the limit was used by %+v, want %v", u, tt.utilisation)
			}
		})
	}
}

func TestWhatAServerSeesOfItsInside(t *testing.T) {
	queued := func(parse, work int64) func(*result.Slice) {
		return server(func(v *result.Server) {
			v.AtWorkPeak = work / 2
			v.Queues = map[string]int64{"parse": parse, "work": work}
		})
	}
	c := cell(t, []result.Slice{slice("pool", 0, queued(3, 8)), slice("pool", 1, queued(2, 10)), slice("pool", 2)})
	if diff := cmp.Diff(map[string]int64{"parse": 3, "work": 10}, c.Queues); diff != "" || c.AtWorkPeak != 5 {
		t.Errorf("queues (-want +got):\n%s and %d at work at most, want 5", diff, c.AtWorkPeak)
	}
	if c := cell(t, rounds("pool", 3)); c.Queues != nil || c.Spread != nil || c.AtWorkPeak != 0 {
		t.Errorf("of a server that says nothing of it: %+v", c)
	}
}

func TestImbalance(t *testing.T) {
	spreadOver := func(taken ...int64) result.Slice {
		return slice("pool", 0, server(func(v *result.Server) { v.Spread = &result.Shares{Name: "shards", Taken: taken} }))
	}
	for _, tt := range []struct {
		name string
		seen []result.Slice
		want *result.Imbalance
	}{
		{"an even share each", []result.Slice{spreadOver(16, 16, 16, 16)}, &result.Imbalance{Name: "shards", Parts: 4, Imbalance: &result.Spread{Median: 1, Low: 1, High: 1, N: 1}}},
		{"64 connections that SO_REUSEPORT spread", []result.Slice{spreadOver(20, 20, 12, 12)}, &result.Imbalance{Name: "shards", Parts: 4, Imbalance: &result.Spread{Median: 1.25, Low: 1.25, High: 1.25, N: 1}}},
		{"one takes all in one slice of three", []result.Slice{spreadOver(8, 0), spreadOver(4, 4), spreadOver(5, 3)},
			&result.Imbalance{Name: "shards", Parts: 2, Imbalance: &result.Spread{Median: 1.25, Low: 1, High: 2, N: 3}}},
		{"slices that took none don't count", []result.Slice{spreadOver(0, 0), spreadOver(6, 2)}, &result.Imbalance{Name: "shards", Parts: 2, Imbalance: &result.Spread{Median: 1.5, Low: 1.5, High: 1.5, N: 1}}},
		{"none took any", []result.Slice{spreadOver(0, 0)}, nil},
		{"no parts", rounds("pool", 2), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, cell(t, tt.seen).Spread); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

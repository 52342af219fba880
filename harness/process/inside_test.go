package process

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/models/exchange"
)

func TestWhatAModelDeclaresIsRecorded(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit exchange.Limit
		want  *result.Limit
	}{
		{"no limit", exchange.Limit{}, nil},
		{"connections", exchange.Limit{Name: "goroutines", Held: 32, Open: 33}, &result.Limit{Name: "goroutines", Size: 32}},
		{"requests", exchange.Limit{Name: "workers", Work: 16}, &result.Limit{Name: "workers", Size: 16, Of: result.OfRequests}},
		{"both", exchange.Limit{Name: "workers", Held: 64, Work: 16}, &result.Limit{Name: "workers", Size: 64}},
	} {
		if diff := cmp.Diff(tt.want, limitOf(tt.limit)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}

	queues := queuesOf([]exchange.QueueLength{{Name: "parse", Now: 9, Peak: 12}, {Name: "handed", Peak: 3}, {Name: "handed", Peak: 7}, {Name: "write"}})
	if diff := cmp.Diff(map[string]int64{"parse": 12, "handed": 7, "write": 0}, queues); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}

	begin := exchange.Spread{Name: "shards", Taken: []int64{100, 90}}
	end := exchange.Spread{Name: "shards", Taken: []int64{120, 95}}
	if diff := cmp.Diff(&result.Shares{Name: "shards", Taken: []int64{20, 5}}, sharesOf(begin, end)); diff != "" || end.Taken[0] != 120 {
		t.Errorf("shares of a slice (-want +got):\n%s (and %v at its end)", diff, end.Taken)
	}
	if s := sharesOf(exchange.Spread{}, exchange.Spread{}); s != nil || queuesOf(nil) != nil {
		t.Errorf("of a model that declares nothing: %+v, %v", s, queuesOf(nil))
	}
}

package scenario

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpectations(t *testing.T) {
	for _, row := range []struct {
		text string
		want Expectation
	}{
		{"p99 of iterative > 3 x goroutine at wait=two:99%*2ms,1%*100ms and idle=0 | it waits",
			Expectation{Words: "it waits", Kind: ExpectRatio, Metric: "p99", Model: "iterative", Against: "goroutine", Above: true, Factor: 3,
				At: []Axis{{"wait", "two:99%*2ms,1%*100ms"}, {"idle", "0"}}}},
		{"spread of cpu < 1.5 | tens of per cent", Expectation{Words: "tens of per cent", Kind: ExpectSpread, Metric: "cpu", Factor: 1.5}},
		{"pool:workers=16 unable at idle=1000 | kept", Expectation{Words: "kept", Kind: ExpectUnable, Model: "pool:workers=16", At: []Axis{{"idle", "1000"}}}},
		{"reactor-pool able|not kept", Expectation{Words: "not kept", Kind: ExpectAble, Model: "reactor-pool"}},
	} {
		got, err := ParseExpectation(row.text)
		if diff := cmp.Diff(row.want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got):\n%s", row.text, err, diff)
		}
	}
	for _, row := range []struct{ text, want string }{
		{"pool able", "no words behind a bar"},
		{"pool able | ", "no words behind a bar"},
		{"pool fast | w", "want METRIC of MODEL"},
		{"p95 of pool > 2 x goroutine | w", `no metric "p95": want one of cpu, throughput, p50, p99`},
		{"p99 of pool = 2 x goroutine | w", `"=": want > or <`},
		{"p99 of pool > 0 x goroutine | w", `factor "0"`},
		{"p99 of pool > NaN x goroutine | w", `factor "NaN"`},
		{"spread of cpu < many | w", `factor "many"`},
		{"pool able at idle | w", "want at AXIS=VALUE"},
		{"pool able | " + strings.Repeat("w", 201), "at most 200 bytes"},
	} {
		if _, err := ParseExpectation(row.text); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%q: %v, want %q in it", row.text, err, row.want)
		}
	}
}

func TestWhereAnExpectationIsMeant(t *testing.T) {
	here := []Axis{{"wait", "2ms"}, {"idle", "1000"}}
	for _, row := range []struct {
		text string
		want bool
	}{
		{"pool able | everywhere", true},
		{"pool able at idle=1000 | w", true},
		{"pool able at idle=1000 and wait=2ms | w", true},
		{"pool able at idle=0 | w", false},
		{"pool able at idle=1000 and wait=3ms | w", false},
		{"pool able at clients=64 | an axis that doesn't vary here", false},
	} {
		e, err := ParseExpectation(row.text)
		if err != nil || e.Here(here) != row.want {
			t.Errorf("%q: %v, %v; want %v", row.text, e.Here(here), err, row.want)
		}
	}
}

func TestASweepsExpectations(t *testing.T) {
	s, err := DecodeSweep("my.yaml", []byte("scenarios: io\nmodels: [pool, errgroup]\nexpect:\n  - 'pool able | w'\n  - 'spread of cpu < 2 | v'\n"))
	if err != nil || len(s.Grids) != 1 || len(s.Grids[0].Expect) != 2 || s.Grids[0].Expect[1].Value != "spread of cpu < 2 | v" {
		t.Errorf("%+v, %v", s, err)
	}
	for _, row := range []struct{ file, want string }{
		{"scenarios: io\nexpect: ['pool able']\n", "my.yaml:2:10: "},
		{"scenarios: io\nexpect: ['pool able at idle=3 | w']\n", `my.yaml:2:10: "pool able at idle=3 | w": no point of this grid has idle=3`},
	} {
		if _, err := DecodeSweep("my.yaml", []byte(row.file)); err == nil || !strings.HasPrefix(err.Error(), row.want) {
			t.Errorf("%q:\n got %v\nwant %s", row.file, err, row.want)
		}
	}
}

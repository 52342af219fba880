package analysis

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

func series(answered ...int64) *result.Series {
	s := &result.Series{BinUs: 250_000, Answered: answered}
	for range answered {
		s.Intended = append(s.Intended, 100)
	}
	return s
}

func varying(t *testing.T, cycle string) scenario.Scenario {
	t.Helper()
	c, err := scenario.ParseCycle(cycle)
	if err != nil {
		t.Fatal(err)
	}
	return scenario.Scenario{Loop: scenario.LoopOpen, Rate: 400, Cycle: c}
}

func TestPeak(t *testing.T) {
	const overload = "1s*0.5,1s*1.5,1s*0.5"
	during := func(change func(*result.Series), answered ...int64) *result.Series {
		s := series(answered...)
		change(s)
		return s
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	peak := Peak{Times: 1.5, For: time.Second, Intended: 400, Bin: ms(250), Before: 1, Later: 1, Rest: time.Second}
	with := func(change func(*Peak)) *Peak {
		p := peak
		change(&p)
		return &p
	}
	tests := []struct {
		name   string
		cycle  string
		series *result.Series
		want   *Peak // nil: none
	}{
		{"all is answered", overload, series(100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100),
			with(func(p *Peak) { p.Answered, p.Recovered = 400, true })},
		{"some is not, and it goes on for half a second", overload, series(100, 100, 100, 100, 90, 60, 50, 50, 30, 80, 100, 99),
			with(func(p *Peak) { p.Answered, p.Later, p.Recovered, p.After = 250, 309.0/400, true, ms(500) })},
		{"one good moment is no recovery", overload, series(100, 100, 100, 100, 0, 0, 0, 0, 100, 50, 100, 100),
			with(func(p *Peak) { p.Later, p.Recovered, p.After = 350.0/400, true, ms(500) })},
		{"a failure among hundreds doesn't take a recovery back", overload, series(100, 100, 100, 100, 90, 60, 50, 50, 30, 100, 100, 98),
			with(func(p *Peak) { p.Answered, p.Later, p.Recovered, p.After = 250, 328.0/400, true, ms(250) })},
		{"it never recovers", overload, series(100, 100, 100, 100, 90, 60, 50, 50, 30, 30, 30, 98),
			with(func(p *Peak) { p.Answered, p.Later = 250, 188.0/400 })},
		{"not all was answered even before", overload, series(100, 100, 100, 60, 90, 60, 50, 50, 100, 100, 100, 100),
			with(func(p *Peak) { p.Answered, p.Before, p.Recovered = 250, .9, true })},
		{"nothing was due at the end: that is no recovery", overload,
			during(func(s *result.Series) { s.Intended[11], s.Intended[10] = 0, 0 }, 100, 100, 100, 100, 100, 100, 100, 100, 50, 50, 0, 0),
			with(func(p *Peak) { p.Answered, p.Later = 400, .5 })},
		{"a burst, and then nothing", "500ms*1,500ms*0", during(func(s *result.Series) { s.Intended[2], s.Intended[3] = 0, 0 }, 100, 80, 0, 0),
			&Peak{Times: 1, For: ms(500), Intended: 200, Answered: 180, Bin: ms(250), Before: 1, Later: 1}},
		{"a phase that ends within a bin", "1100ms*0.5,900ms*1.5", series(100, 100, 100, 100, 100, 50, 50, 50),
			&Peak{Times: 1.5, For: ms(900), Intended: 300, Answered: 150, Bin: ms(250), Before: 1, Later: 1}},
		{"a rate that doesn't vary", "", series(100, 100), nil},
		{"no series", overload, nil, nil},
		{"nothing was due in the peak", overload, &result.Series{BinUs: 250_000, Intended: make([]int64, 12), Answered: make([]int64, 12)}, nil},
		{"a series of nothing", overload, &result.Series{}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := PeakOf(varying(t, tt.cycle), tt.series)
			if ok != (tt.want != nil) {
				t.Fatalf("%+v, %v", got, ok)
			}
			if ok {
				if diff := cmp.Diff(*tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestSeriesOfSlicesAreAdded(t *testing.T) {
	one := load(func(l *result.Load) { l.Series = series(100, 50) })
	taken := rounds("pool", 4, one, inRound(2, load(func(l *result.Load) { l.Series = nil })), inRound(3, load(func(l *result.Load) { l.Series.BinUs = 1 })))
	want := &result.Series{BinUs: 250_000, Intended: []int64{200, 200}, Answered: []int64{200, 100}}
	if diff := cmp.Diff(want, cell(t, taken).GoodputSeries); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{100, 50}, taken[0].Load.Series.Answered); diff != "" {
		t.Errorf("a slice was changed (-want +got):\n%s", diff)
	}
}

func TestFold(t *testing.T) {
	s := result.Series{BinUs: 50, Intended: []int64{1, 2, 3, 4, 5, 6}, Answered: []int64{1, 1, 1, 1, 1, 1}}
	for _, tt := range []struct {
		name     string
		n        int
		binUs    int64
		intended []int64
	}{
		{"as many as there are stay", 6, 50, []int64{1, 2, 3, 4, 5, 6}},
		{"two in one", 3, 100, []int64{3, 7, 11}},
		{"none is narrower than the others", 4, 100, []int64{3, 7, 11}},
		{"all in one", 1, 300, []int64{21}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Fold(s, tt.n)
			if got.BinUs != tt.binUs || !cmp.Equal(got.Intended, tt.intended) {
				t.Errorf("bins of %d µs: %v, want %d µs: %v", got.BinUs, got.Intended, tt.binUs, tt.intended)
			}
		})
	}
}

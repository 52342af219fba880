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
	peak := Peak{Times: 1.5, For: time.Second, Intended: 400, Done: 400, Bin: ms(250), Before: 1, Later: 1, Rest: time.Second}
	with := func(change func(*Peak)) *Peak {
		p := peak
		change(&p)
		return &p
	}
	of := func(s *result.Series, cycles int64) *result.Series {
		s.Cycles = cycles
		return s
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
			with(func(p *Peak) { p.Answered, p.Later, p.Rest = 400, .5, ms(500) })}, // nothing is due after that
		{"a burst, and then nothing", "500ms*1,500ms*0", during(func(s *result.Series) { s.Intended[2], s.Intended[3] = 0, 0 }, 100, 80, 0, 0),
			&Peak{Times: 1, For: ms(500), Intended: 200, Answered: 180, Done: 200, Bin: ms(250), Before: 1, Later: 1}},
		{"a burst that is answered in the pause after it", "500ms*1,750ms*0",
			during(func(s *result.Series) {
				s.Intended[2], s.Intended[3], s.Intended[4], s.Done = 0, 0, 0, []int64{60, 60, 60, 20, 0}
			}, 100, 100, 0, 0, 0),
			&Peak{Times: 1, For: ms(500), Intended: 200, Answered: 200, Done: 120, Bin: ms(250), Before: 1, Later: 1, Tail: ms(500)}},
		{"what has piled up is worked off while all is answered again", overload,
			during(func(s *result.Series) { s.Done = []int64{100, 100, 100, 100, 60, 60, 60, 60, 160, 160, 129, 99} }, 100, 100, 100, 100, 100, 90, 90, 90, 100, 100, 100, 100),
			with(func(p *Peak) { p.Answered, p.Done, p.Recovered, p.Tail = 370, 240, true, ms(500) })}, // 129 is within three standard deviations
		{"a peak at the end of the only cycle", "1s*0.5,500ms*1.5", of(series(100, 100, 100, 80, 50, 50), 1),
			&Peak{Times: 1.5, For: ms(500), Intended: 200, Answered: 100, Done: 200, Bin: ms(250), Before: .95, Later: 1}},
		{"of several cycles what comes before it comes after it as well", "1s*0.5,500ms*1.5", of(series(50, 100, 100, 100, 50, 50), 3),
			&Peak{Times: 1.5, For: ms(500), Intended: 200, Answered: 100, Done: 200, Bin: ms(250), Before: 1, Later: .875, Recovered: true, After: ms(250), Rest: time.Second}},
		{"with a pause between", "1s*0.5,250ms*1.5,250ms*0", of(during(func(s *result.Series) { s.Intended[5] = 0 }, 50, 100, 100, 100, 50, 0), 3),
			&Peak{Times: 1.5, For: ms(250), Intended: 100, Answered: 50, Done: 100, Bin: ms(250), Before: 1, Later: .875, Recovered: true, After: ms(500), Rest: ms(1250)}},
		{"a phase that ends within a bin", "1100ms*0.5,900ms*1.5", series(100, 100, 100, 100, 100, 50, 50, 50),
			&Peak{Times: 1.5, For: ms(900), Intended: 300, Answered: 150, Done: 300, Bin: ms(250), Before: 1, Later: 1}},
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
	for _, tt := range []struct {
		name        string
		bins, n     int
		width, last int64 // of a part, and of the last, in bins
		parts       int
	}{
		{"as many as there are stay", 6, 6, 1, 1, 6},
		{"two in one", 6, 3, 2, 2, 3},
		{"none is narrower than the others", 6, 4, 2, 2, 3},
		{"nor where a few more in each do it", 49, 12, 7, 7, 7},
		{"a prime number of them leaves a narrower last", 53, 12, 5, 3, 11},
		{"all in one", 6, 1, 6, 6, 1},
		{"a prime number of them in two", 7, 2, 4, 3, 2},
		{"none", 0, 3, 1, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := result.Series{BinUs: 50}
			for i := range tt.bins {
				s.Intended, s.Answered = append(s.Intended, int64(i)), append(s.Answered, 1)
			}
			got, last := Fold(s, tt.n)
			if got.BinUs != 50*tt.width || last != 50*tt.last || len(got.Intended) != tt.parts || sum(got.Intended) != sum(s.Intended) || sum(got.Answered) != sum(s.Answered) {
				t.Errorf("bins of %d µs, the last %d µs: %v, want %d parts of %d µs and %d µs", got.BinUs, last, got.Intended, tt.parts, 50*tt.width, 50*tt.last)
			}
			if tt.parts > 1 && got.Intended[0] != sum(s.Intended[:tt.width]) {
				t.Errorf("the first part is %d", got.Intended[0])
			}
		})
	}
}

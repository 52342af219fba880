package scenario

import (
	"math"
	"slices"
	"testing"
	"time"
)

func openLoop(rate float64, arrivals, cycle string) Scenario {
	return Scenario{
		Name: Custom, Loop: LoopOpen, Conversation: ConversationHTTP, Rate: rate, Arrivals: arrivals,
		Cycle: mustParseCycle(cycle), RequestsPerConnection: 1,
	}
}

func due(a *Arrivals, n int) []time.Duration {
	at := make([]time.Duration, n)
	for i := range at {
		at[i] = a.Next()
	}
	return at
}

// The golden values were written once and hold for ever, on every platform.
func TestArrivalsAreTheSameEverywhere(t *testing.T) {
	for _, row := range []struct {
		is   string
		s    Scenario
		us   []int64
		fold uint64 // of a million
	}{
		{"Poisson", openLoop(5000, ArrivalsPoisson, ""), []int64{38, 328, 440, 782, 850, 888}, 0x651425f529541c77},
		{"constant", openLoop(3000, ArrivalsConstant, ""), []int64{333, 666, 1000, 1333, 1666, 2000}, 0xfd6d8d7b1e815ad3},
		{"in cycles", openLoop(8000, ArrivalsPoisson, "250us*1,750us*0"), []int64{24, 205, 1025, 1238, 2031, 2055}, 0x87538bc88767b8c9},
	} {
		a, fold := NewPlan(row.s, 42).Arrivals(0, 0), uint64(0)
		var us []int64
		for i := range 1_000_000 {
			at := a.Next()
			fold = mix(fold ^ uint64(at))
			if i < 6 {
				us = append(us, at.Microseconds())
			}
		}
		if !slices.Equal(us, row.us) || fold != row.fold {
			t.Errorf("%s: the first arrivals are due after %v µs, and a million fold to %#x\nwant %v and %#x", row.is, us, fold, row.us, row.fold)
		}
	}
}

// Arrival n of a constant rate is due after n times its gap, rounded down: the
// hundred millionth as exactly as the first.
func TestConstantArrivalsDoNotDrift(t *testing.T) {
	for _, row := range []struct {
		rate        float64
		thousandths int64
	}{{5000, 5_000_000}, {3, 3000}, {0.001, 1}, {7919.123, 7_919_123}, {999_999.999, 999_999_999}, {1e6, 1_000_000_000}, {64, 64_000}} {
		a := NewPlan(openLoop(row.rate, ArrivalsConstant, ""), 1).Arrivals(0, 0)
		for n := int64(1); n <= 3_000_000; n++ {
			if got, want := a.Next().Microseconds(), n*1_000_000_000/row.thousandths; got != want {
				t.Fatalf("%v/s: arrival %d is due after %d µs, want %d", row.rate, n, got, want)
			}
		}
	}
}

// So many of a cycle's arrivals are due in each of its phases, cycle after
// cycle, and where there is nothing to come nothing comes.
func TestConstantArrivalsKeepToTheirPhases(t *testing.T) {
	a := NewPlan(openLoop(8000, ArrivalsConstant, "250ms*1,750ms*0"), 1).Arrivals(0, 0)
	for cycle := range 100 {
		for i := range 2000 {
			want := time.Duration(cycle)*time.Second + time.Duration(i+1)*125*time.Microsecond
			if got := a.Next(); got != want {
				t.Fatalf("cycle %d: arrival %d is due after %v, want %v", cycle, i, got, want)
			}
		}
	}
	// Cycles that hold a third of an arrival each.
	third := openLoop(1, ArrivalsConstant, "200ms*1.5,100ms*0,700ms*0.048")
	for i, at := range due(NewPlan(third, 1).Arrivals(0, 0), 1000) {
		if n := third.Offered(0, at); n > float64(i+1)+1e-9 || n < float64(i+1)-2e-6 {
			t.Fatalf("arrival %d is due after %v, when %v are to be expected", i, at, n)
		}
	}
}

func TestArrivalsOfEveryRoundAreTheirOwn(t *testing.T) {
	const n = 1000
	s := openLoop(5000, ArrivalsPoisson, "")
	p := NewPlan(s, 7)
	first := due(p.Arrivals(1, 2), n)
	if !slices.Equal(first, due(p.Arrivals(1, 2), n)) || !slices.Equal(first, due(NewPlan(s, 7).Arrivals(1, 2), n)) {
		t.Error("the same round again had other arrivals")
	}
	if !slices.IsSorted(first) {
		t.Error("an arrival is due before the one before")
	}
	for _, row := range []struct {
		is       string
		arrivals *Arrivals
	}{
		{"another seed", NewPlan(s, 8).Arrivals(1, 2)},
		{"another block", p.Arrivals(2, 2)},
		{"another round", p.Arrivals(1, 1)},
		{"block and round swapped", p.Arrivals(2, 1)},
	} {
		other := due(row.arrivals, n)
		if slices.Equal(first, other) {
			t.Errorf("%s had the same arrivals", row.is)
		}
		// The gaps of unrelated rounds are uncorrelated: within 3.29 standard errors.
		if r := rankCorrelation(gaps(first), gaps(other)); math.Abs(r) > 3.29/math.Sqrt(n-1) {
			t.Errorf("%s: the gaps correlate by %.3f", row.is, r)
		}
	}
	work := s
	work.Spin, work.Wait = Constant(time.Millisecond), Exponential(time.Millisecond)
	if !slices.Equal(first, due(NewPlan(work, 7).Arrivals(1, 2), n)) {
		t.Error("another work changed when requests arrive")
	}
}

// The gaps of a Poisson process are exponential and know nothing of one
// another. Where its rate varies that holds for what is to be expected between
// two arrivals. The rates are low, so that whole microseconds are as good as
// real numbers.
func TestPoissonArrivals(t *testing.T) {
	const n = 20_000
	for _, row := range []struct {
		rate  float64
		cycle string
	}{{1, ""}, {0.25, ""}, {2.5, "250ms*1,750ms*0"}, {1, "7s*0.5,11s*1.5,5s*0,3s*0.001"}, {0.001, "1s*0.5,1s*1.5"}} {
		s := openLoop(row.rate, ArrivalsPoisson, row.cycle)
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		for seed := range uint64(4) {
			at := due(NewPlan(s, seed).Arrivals(0, 0), n)
			expected, before := make([]float64, n), time.Duration(0)
			for i := range at {
				expected[i] = s.Offered(before, at[i])
				before = at[i]
			}
			if a := andersonDarling(expected); a > criticalAndersonDarling {
				t.Errorf("%v/s, cycle %q, seed %d: Anderson–Darling %.2f, want at most %.2f", row.rate, row.cycle, seed, a, criticalAndersonDarling)
			}
			if r := rankCorrelation(expected[1:], expected[:n-1]); math.Abs(r) > 3.29/math.Sqrt(n-2) {
				t.Errorf("%v/s, cycle %q, seed %d: a gap correlates by %.4f with the one before", row.rate, row.cycle, seed, r)
			}
		}
	}
}

// The test of the test: it sees a rate that is 5 % off, a rate that varies
// unseen, and gaps that are more regular than chance.
func TestAndersonDarlingCanFail(t *testing.T) {
	const n = 20_000
	off := gaps(due(NewPlan(openLoop(1, ArrivalsPoisson, ""), 1).Arrivals(0, 0), n))
	for i := range off {
		off[i] *= 1.05
	}
	unseen := gaps(due(NewPlan(openLoop(1, ArrivalsPoisson, "100s*0.5,100s*1.5"), 1).Arrivals(0, 0), n))
	regular := gaps(due(NewPlan(openLoop(1, ArrivalsConstant, ""), 1).Arrivals(0, 0), n))
	for is, sample := range map[string][]float64{"5 % off": off, "varying unseen": unseen, "regular": regular} {
		if a := andersonDarling(sample); a <= criticalAndersonDarling {
			t.Errorf("%s: A² is %.2f", is, a)
		}
	}
	if r := rankCorrelation([]float64{1, 2, 3, 4}, []float64{2, 4, 6, 9}); r != 1 {
		t.Errorf("rank correlation of what rises together is %v", r)
	}
}

// As many arrive in whole cycles as the rate and the phases say: of a Poisson
// process within 3.29 standard deviations, each the root of the number.
func TestArrivalsInWholeCycles(t *testing.T) {
	for _, row := range []struct {
		is       string
		rate     float64
		cycle    string
		cycles   int
		expected float64
	}{
		{"burst", 8000, "250ms*1,750ms*0", 100, 200_000},
		{"overload, at 10,000/s", 10_000, "1s*0.5,1s*1.5,1s*0.5", 10, 250_000},
		{"shorter than a gap", 10, "1ms*1,1ms*0", 1_000_000, 10_000},
	} {
		s := openLoop(row.rate, ArrivalsPoisson, row.cycle)
		end := time.Duration(row.cycles) * s.Cycle.Length()
		if offered := s.Offered(0, end); math.Abs(offered-row.expected) > 1e-6*row.expected {
			t.Errorf("%s: %v are offered, want %v", row.is, offered, row.expected)
		}
		n := 0
		for a := NewPlan(s, 3).Arrivals(0, 0); a.Next() < end; n++ {
		}
		if math.Abs(float64(n)-row.expected) > 3.29*math.Sqrt(row.expected) {
			t.Errorf("%s: %d arrive, want %v ± %.0f", row.is, n, row.expected, 3.29*math.Sqrt(row.expected))
		}
		s.Arrivals, n = ArrivalsConstant, 0
		for a := NewPlan(s, 3).Arrivals(0, 0); a.Next() <= end; n++ {
		}
		if float64(n) != row.expected {
			t.Errorf("%s: %d arrive at constant gaps, want %v", row.is, n, row.expected)
		}
	}
}

func TestOffered(t *testing.T) {
	burst := openLoop(8000, ArrivalsPoisson, "250ms*1,750ms*0")
	steady := openLoop(0.5, ArrivalsConstant, "")
	for _, row := range []struct {
		is       string
		s        Scenario
		from, to time.Duration
		want     float64
	}{
		{"a steady rate", steady, 10 * time.Second, 20 * time.Second, 5},
		{"no time", steady, time.Second, time.Second, 0},
		{"backwards", steady, 2 * time.Second, time.Second, 0},
		{"from before the beginning", steady, -time.Hour, 2 * time.Second, 1},
		{"a whole cycle", burst, 0, time.Second, 2000},
		{"a whole cycle, from its middle on", burst, 100 * time.Millisecond, 1100 * time.Millisecond, 2000},
		{"part of a burst", burst, 100 * time.Millisecond, 200 * time.Millisecond, 800},
		{"a pause", burst, 250 * time.Millisecond, time.Second, 0},
		{"a pause and the beginning of a burst", burst, 500 * time.Millisecond, 1001 * time.Millisecond, 8},
		{"an hour", burst, 0, time.Hour, 7_200_000},
		{"a closed loop", load, 0, time.Hour, 0},
		{"a capacity that isn't known", Scenario{Loop: LoopOpen, OfCapacity: true, Arrivals: ArrivalsPoisson}, 0, time.Hour, 0},
	} {
		if got := row.s.Offered(row.from, row.to); math.Abs(got-row.want) > 1e-9*max(1, row.want) {
			t.Errorf("%s: %v arrivals, want %v", row.is, got, row.want)
		}
	}
}

// What no experiment plays still ends.
func TestArrivalsOfNothing(t *testing.T) {
	for _, s := range []Scenario{
		openLoop(0, ArrivalsPoisson, ""), openLoop(math.NaN(), ArrivalsPoisson, ""), openLoop(-1, ArrivalsConstant, "1s*1"), load,
	} {
		if at := NewPlan(s, 1).Arrivals(0, 0).Next(); at != math.MaxInt64 {
			t.Errorf("rate %v: something is due after %v", s.Rate, at)
		}
	}
	// A gap of as many cycles as there can be is not walked through one by one.
	due(NewPlan(openLoop(0.001, ArrivalsPoisson, "1us*0.001,1us*0"), 1).Arrivals(0, 0), 1000)
}

func TestNextArrivalDoesNotAllocate(t *testing.T) {
	a := NewPlan(sessions, 1).Arrivals(0, 0)
	if n := testing.AllocsPerRun(1000, func() { a.Next() }); n != 0 {
		t.Errorf("%v allocations an arrival", n)
	}
}

func gaps(at []time.Duration) []float64 {
	g, before := make([]float64, len(at)), time.Duration(0)
	for i, t := range at {
		g[i] = (t - before).Seconds()
		before = t
	}
	return g
}

// andersonDarling is the statistic A² of a sample against the exponential
// distribution with mean 1, of which nothing is estimated from the sample.
func andersonDarling(sample []float64) float64 {
	xs := slices.Sorted(slices.Values(sample))
	n, sum := len(xs), 0.0
	for i, x := range xs {
		// ln F(x_i) + ln(1−F(x_{n+1−i})), with F(x) = 1 − e⁻ˣ
		sum += float64(2*i+1) * (math.Log(-math.Expm1(-x)) - xs[n-1-i])
	}
	return -float64(n) - sum/float64(n)
}

// criticalAndersonDarling is what A² exceeds in one of a thousand samples
// (D'Agostino, Stephens: Goodness-of-Fit Techniques, 1986, table 4.2, case 0).
const criticalAndersonDarling = 6.000

// rankCorrelation is Spearman's. Ties count in the order in which they stand.
func rankCorrelation(x, y []float64) float64 {
	ranks := func(v []float64) []float64 {
		order := make([]int, len(v))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			switch {
			case v[a] < v[b]:
				return -1
			case v[a] > v[b]:
				return 1
			}
			return 0
		})
		r := make([]float64, len(v))
		for rank, i := range order {
			r[i] = float64(rank)
		}
		return r
	}
	rx, ry := ranks(x), ranks(y)
	n, squares := float64(len(x)), 0.0
	for i := range rx {
		squares += (rx[i] - ry[i]) * (rx[i] - ry[i])
	}
	return 1 - 6*squares/(n*(n*n-1))
}

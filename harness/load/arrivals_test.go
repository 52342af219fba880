package load

import (
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"workbench/harness/scenario"
)

// andersonDarling is A² of gaps against the exponential distribution with the
// given mean (Anderson and Darling, A Test of Goodness of Fit, JASA 1954):
//
//	A² = −n − Σ (2i−1)/n · (ln u_i + ln(1−u_{n+1−i})),  u = 1 − exp(−gap/mean), sorted
//
// It weighs the ends of the distribution: gaps that are much too short, as
// sends make that catch up, or too long. A clock that can't tell two moments
// apart makes a gap of 0, which counts as a nanosecond.
func andersonDarling(gaps []time.Duration, mean time.Duration) float64 {
	sorted := slices.Clone(gaps)
	slices.Sort(sorted)
	n, sum := len(sorted), 0.0
	for i := range n {
		short := float64(max(sorted[i], 1)) / float64(mean)
		long := float64(sorted[n-1-i]) / float64(mean)
		sum += float64(2*i+1) * (math.Log(-math.Expm1(-short)) - long)
	}
	return -float64(n) - sum/float64(n)
}

// rankCorrelation is Spearman's of each gap with the next.
func rankCorrelation(gaps []time.Duration) float64 {
	order := make([]int, len(gaps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(gaps[a] - gaps[b]) })
	rank := make([]float64, len(gaps))
	for r, i := range order {
		rank[i] = float64(r)
	}
	n := len(rank) - 1
	mean := float64(n) / 2
	var both, one, two float64
	for i := range n {
		a, b := rank[i]-mean, rank[i+1]-mean
		both, one, two = both+a*b, one+a*a, two+b*b
	}
	return both / math.Sqrt(one*two)
}

// The chance of more, where gaps are exponential and independent, is less than
// one in a thousand: of A² by simulation (in 20,000 times 500 gaps one in a
// thousand was above 5.9), of the rank correlation by its normal limit, with SD
// 1/√n.
const mostAD = 6.0

func mostRankCorrelation(n int) float64 { return 3.29 / math.Sqrt(float64(n)) }

// The tests find what they are for, and nothing else.
func TestTestsOfArrivals(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n, mean = 1000, 2 * ms
	draw := func() time.Duration { return time.Duration(r.ExpFloat64() * float64(mean)) }
	var exponential, constant, bursts, pairs []time.Duration
	for i := range n {
		exponential = append(exponential, draw())
		constant = append(constant, mean)
		if i%5 == 0 { // every fifth send with the next two: a timer that fires each few ms
			bursts = append(bursts, 2*draw()+draw(), 0, 10*time.Microsecond)
		}
		g := draw()
		pairs = append(pairs, g, g)
	}
	for _, row := range []struct {
		is            string
		gaps          []time.Duration
		exponential   bool
		uncorrelated  bool
		aboutItsOrder bool
	}{
		{"exponential gaps", exponential, true, true, true},
		{"constant gaps", constant, false, true, false},
		{"sends that catch up", bursts, false, true, false},
		{"gaps that come twice", pairs[:n], true, false, true},
	} {
		if got := andersonDarling(row.gaps, mean) < mostAD; got != row.exponential {
			t.Errorf("%s: A² = %v", row.is, andersonDarling(row.gaps, mean))
		}
		if got := math.Abs(rankCorrelation(row.gaps)) < mostRankCorrelation(len(row.gaps)); row.aboutItsOrder && got != row.uncorrelated {
			t.Errorf("%s: rank correlation %v", row.is, rankCorrelation(row.gaps))
		}
	}
}

// Poisson arrivals are Poisson when they are sent, too, as the server sees
// them: gaps are exponential with the mean of the rate, and none says anything
// of the next. The plan is fixed, and passes; what could spoil it is the
// engine's lateness.
//
// The engine on package net is late by up to a millisecond, with the timers of
// Go's runtime: a quarter of a gap, such that sends fall into the same
// millisecond. Of it the intended sends are tested alone, which are the plan's.
func TestPoissonArrivals(t *testing.T) {
	const rate, count, seed = 250, 2 * time.Second, 11
	const mean = time.Second / rate
	s := open(rate, scenario.ArrivalsPoisson, "")
	check := func(t *testing.T, gaps []time.Duration) (ok bool) {
		ad, rho, most := andersonDarling(gaps, mean), rankCorrelation(gaps), mostRankCorrelation(len(gaps))
		t.Logf("%d gaps: A² = %.3f, want at most %v; rank correlation %.3f, want at most %.3f either way", len(gaps), ad, mostAD, rho, most)
		return ad <= mostAD && math.Abs(rho) <= most
	}
	t.Run("as intended", func(t *testing.T) {
		var gaps []time.Duration
		before := time.Duration(0)
		for arrivals := scenario.NewPlan(s, seed).Arrivals(0, 0); before < count; {
			at := arrivals.Next()
			gaps, before = append(gaps, at-before), at
		}
		if !check(t, gaps) {
			t.Error("the plan isn't Poisson")
		}
	})
	eachEngine(t, func(t *testing.T, e Engine) {
		if e.Name() == "net" {
			return
		}
		// A machine that is busy with other things sends late, and the engine
		// says so: then it is played again, at most five times, and the last
		// time counts whatever it says.
		for i := range 5 {
			var mu sync.Mutex
			var at []time.Time
			addr, shut := listen(t, func(c *net.TCPConn) {
				mu.Lock()
				at = append(at, time.Now())
				mu.Unlock()
				serveAll(c)
			})
			l := play(t, e, Job{Addr: addr, Scenario: s, Seed: seed, Count: count})
			shut()
			slices.SortFunc(at, time.Time.Compare)
			var gaps []time.Duration
			for i := 1; i < len(at); i++ {
				gaps = append(gaps, at[i].Sub(at[i-1]))
			}
			if l.Errors.Total() != 0 || int64(len(gaps)) != l.Sent-1 {
				t.Fatalf("%d gaps between %d sends, errors %+v (%s)", len(gaps), l.Sent, l.Errors, l.FirstError)
			}
			late := l.Lateness.Quantile(0.99)
			t.Logf("late by %v in the median, %v at p99", l.Lateness.Quantile(0.5), late)
			if ok := check(t, gaps); ok || late < mean/10 || i == 4 {
				if !ok {
					t.Error("the sends aren't Poisson")
				}
				break
			}
		}
	})
}

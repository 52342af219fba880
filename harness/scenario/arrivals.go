package scenario

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"time"
)

// Arrivals are the intended sends of an open or partly open loop in one round
// of one block, endlessly. They are not to be used by several goroutines at
// once.
//
// A Poisson process with a rate that varies is one of rate 1 on a clock that
// runs as fast as the rate (Çinlar, Introduction to Stochastic Processes,
// 1975, ch. 4): the clock is walked through the phases of the cycle until it
// has gone one exponential (constant arrivals: 1) further. The walk is done in
// whole numbers: the clock counts 10⁻¹² of an arrival, which is what a rate in
// thousandths per second, times a factor in thousandths, makes of a
// microsecond. So it doesn't drift, however long it goes on, and the only sum
// that could come out otherwise on another machine is that of the logarithm,
// which is taken care of (see [ln]).
type Arrivals struct {
	random  rand.PCG
	poisson bool
	phases  [maxPhases]pace
	n       int    // phases in use
	length  int64  // µs: of all phases
	holds   uint64 // units: of all phases, at most 2⁶⁴−1

	phase  int    // that the walk is in
	begun  int64  // µs: when it began
	passed int64  // µs of it that are over
	rest   uint64 // units beyond them: less than a microsecond's
}

// A pace is a phase as the walk needs it.
type pace struct {
	length int64  // µs
	units  uint64 // each µs
}

// unit is the fraction of an arrival that the walk counts in: 10¹² make one.
const unit = 1_000_000_000_000

// arrivalsOf is the number that the stream of arrivals has where requests have
// their client's: no client has a negative one.
const arrivalsOf = -1

// Arrivals returns when requests, or sessions, are to be sent in one round of
// one block. Arrival i (from 0) asks for what Stream(block, round, i) says.
func (p Plan) Arrivals(block, round int) *Arrivals {
	s := p.scenario
	a := &Arrivals{poisson: s.Arrivals == ArrivalsPoisson}
	p.seedFor(&a.random, block, round, arrivalsOf)
	for _, phase := range s.rhythm() {
		pace := pace{int64(phase.For), uint64(s.rateThousandths()) * uint64(phase.Thousandths)}
		a.phases[a.n] = pace
		a.n++
		a.length += pace.length
		over, holds := bits.Mul64(pace.units, uint64(pace.length))
		sum, carry := bits.Add64(a.holds, holds, 0)
		if a.holds = sum; over+carry > 0 {
			a.holds = math.MaxUint64 // more than any gap, which is all that matters
		}
	}
	return a
}

// rhythm is the scenario's cycle; a rate that doesn't vary is one long phase.
func (s Scenario) rhythm() []Phase {
	if s.Cycle.IsZero() {
		return []Phase{{For: Span(time.Hour / time.Microsecond), Thousandths: 1000}}
	}
	return s.Cycle.Phases()
}

// rateThousandths is the scenario's rate as the plan counts it.
func (s Scenario) rateThousandths() int64 {
	if !(s.Rate > 0) { // nor is it a number that has no order
		return 0
	}
	return int64(math.Round(min(s.Rate, MaxRate) * 1000))
}

// never is what is due when nothing ever is.
const never = time.Duration(math.MaxInt64)

// Next returns when the next arrival is due, since the beginning of the slice,
// in whole microseconds, rounded down. It doesn't allocate, and is never before
// the one before. Arrival i (from 0) of a constant rate is due after i+1 times
// the time between two, exactly. Where the rate is 0 nothing is ever due: the
// longest duration there is.
func (a *Arrivals) Next() time.Duration {
	if a.holds == 0 {
		return never
	}
	gap := uint64(unit)
	if a.poisson {
		gap = uint64(float64(unit*-ln(uniform(a.random.Uint64()))) + 0.5) // at most 36.74 arrivals
	}
	if cycles := gap / a.holds; cycles > 0 { // a slow rate, in a short cycle: from anywhere in it, it holds the same
		a.begun += int64(cycles) * a.length
		gap -= cycles * a.holds
	}
	for {
		pace := a.phases[a.phase]
		if pace.units > 0 {
			micros := int64((a.rest + gap) / pace.units)
			rest := (a.rest + gap) % pace.units
			if end := pace.length - a.passed; micros < end || micros == end && rest == 0 {
				a.passed, a.rest = a.passed+micros, rest
				return time.Duration(a.begun+a.passed) * time.Microsecond
			}
			// What the phase still holds is less than the gap: no overflow.
			gap -= uint64(pace.length-a.passed)*pace.units - a.rest
		}
		a.begun += pace.length
		a.passed, a.rest = 0, 0
		a.phase = (a.phase + 1) % a.n
	}
}

// Offered is how many arrivals are to be expected between two moments of a
// slice, counted from its beginning; in a closed loop 0.
func (s Scenario) Offered(from, to time.Duration) float64 {
	return max(s.offered(to)-s.offered(from), 0)
}

// offered is how many arrivals are to be expected until a moment.
func (s Scenario) offered(until time.Duration) (arrivals float64) {
	perSecond := float64(s.rateThousandths()) / 1000
	if until <= 0 || perSecond == 0 {
		return 0
	}
	length := s.Cycle.Length()
	if length == 0 {
		return perSecond * until.Seconds()
	}
	cycles, left := float64(until/length), until%length
	for _, p := range s.Cycle.Phases() {
		perSecond := perSecond * float64(p.Thousandths) / 1000
		arrivals += perSecond * (cycles*p.For.Duration().Seconds() + min(left, p.For.Duration()).Seconds())
		left = max(left-p.For.Duration(), 0)
	}
	return arrivals
}

package scenario

import (
	"math/rand/v2"
	"time"
)

// Arrivals are the intended sends of an open or partly open loop in one round
// of one block, endlessly. They are not to be used by several goroutines at
// once.
type Arrivals struct {
	scenario Scenario
	random   rand.PCG
	at       float64 // µs since the beginning
	phase    int     // of the cycle
	left     float64 // µs of the phase
}

// arrivalsOf is the number that the stream of arrivals has where requests have
// their client's: no client has a negative one.
const arrivalsOf = -1

// Arrivals returns when requests, or sessions, are to be sent in one round of
// one block. Arrival i (from 0) asks for what Stream(block, round, i) says.
func (p Plan) Arrivals(block, round int) *Arrivals {
	a := &Arrivals{scenario: p.scenario}
	p.seedFor(&a.random, block, round, arrivalsOf)
	if phases := p.scenario.Cycle.Phases(); len(phases) > 0 {
		a.left = float64(phases[0].For)
	}
	return a
}

// Next returns when the next arrival is due, since the beginning of the slice,
// in whole microseconds. It doesn't allocate, and is never before the one
// before. The scenario's rate must be above 0: without, nothing is ever due.
//
// A Poisson process with a rate that varies is one of rate 1 on a clock that
// runs as fast as the rate (Çinlar, Introduction to Stochastic Processes,
// 1975, ch. 4): the clock is walked through the phases of the cycle until it
// has gone one exponential (constant arrivals: 1) further.
func (a *Arrivals) Next() time.Duration {
	due := 1.0 // arrivals
	if random := a.random.Uint64(); a.scenario.Arrivals == ArrivalsPoisson {
		due = -ln(float64(random>>11+1) / (1 << 53))
	}
	perUs := a.scenario.Rate / 1e6
	phases := a.scenario.Cycle.phases[:a.scenario.Cycle.n]
	if len(phases) == 0 {
		a.at += due / perUs
		return time.Duration(a.at) * time.Microsecond
	}
	for {
		rate := float64(perUs * (float64(phases[a.phase].Thousandths) / 1000))
		holds := float64(rate * a.left)
		if rate > 0 && due <= holds {
			pass := due / rate
			a.at += pass
			a.left -= pass
			return time.Duration(a.at) * time.Microsecond
		}
		due -= holds
		a.at += a.left
		a.phase = (a.phase + 1) % len(phases)
		a.left = float64(phases[a.phase].For)
	}
}

package stats

import (
	"math"
	"sync"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// An Interval is an estimate made of N samples and the ends of its interval of
// confidence, in the samples' own unit.
type Interval struct {
	Estimate, Low, High float64
	N                   int
}

// Holds reports whether x lies in the interval, its ends included.
func (i Interval) Holds(x float64) bool { return i.Low <= x && x <= i.High }

// HalfWidth is half of what lies between the ends.
func (i Interval) HalfWidth() float64 { return (i.High - i.Low) / 2 }

// Joint is the confidence that each of m intervals needs by itself for all of
// them to hold together with confidence c, whatever ties them to each other:
// 1 − (1 − c)/m.
//
// Source: C. E. Bonferroni, 1936. Holm's procedure finds more, but its
// verdicts contradict the intervals that are printed beside them.
func Joint(c float64, m int) float64 { return 1 - (1-c)/float64(max(m, 1)) }

// MeanInterval is Student's interval for the mean of independent samples:
//
//	mean ± t·s/√n, with n − 1 degrees of freedom
//
// Confidence is a fraction of 1, below 1. Samples that are all the same give
// that point. There is no interval (false) of fewer than two samples, for one
// says nothing about how far the next would lie, nor where a sample is not
// finite: ln of a throughput of 0 has no mean with others.
//
// Samples that belong together (the rounds of one process) are one sample:
// pass their mean. A bootstrap is not offered in its place: of five blocks its
// 95 % hold the truth 84 times in 100, these 95 times, steal and all.
//
// Source: Student, The Probable Error of a Mean, Biometrika 6 (1908).
func MeanInterval(xs []float64, confidence float64) (Interval, bool) {
	mean, square, ok := meanAndSquaredError(xs)
	if !ok {
		return Interval{}, false
	}
	return around(mean, square, float64(len(xs)-1), confidence, len(xs)), true
}

// Welch is the interval of mean(a) − mean(b) for independent samples whose
// spreads may differ: the difference ± t·√(sa²/na + sb²/nb), with the degrees
// of freedom of Welch and Satterthwaite
//
//	    (sa²/na + sb²/nb)²
//	───────────────────────────────────
//	(sa²/na)²/(na−1) + (sb²/nb)²/(nb−1)
//
// Its N is that of the smaller side, for the larger can't make up for it.
// There is none (false) where [MeanInterval] would have none of either side.
// It takes no pairs: what a and b share (a host's slow minute) widens it, or
// misleads it where they don't share it; of samples taken together take
// differences, and [MeanInterval] of these.
//
// Source: B. L. Welch, Biometrika 34 (1947); F. E. Satterthwaite, Biometrics
// Bulletin 2 (1946).
func Welch(a, b []float64, confidence float64) (Interval, bool) {
	meanA, squareA, okA := meanAndSquaredError(a)
	meanB, squareB, okB := meanAndSquaredError(b)
	if !okA || !okB {
		return Interval{}, false
	}
	square := squareA + squareB
	degrees := float64(len(a) + len(b) - 2) // where neither side spreads, and any number will do
	if square > 0 {
		shareA, shareB := squareA/square, squareB/square // shares, whose squares don't vanish where spreads are tiny
		degrees = 1 / (shareA*shareA/float64(len(a)-1) + shareB*shareB/float64(len(b)-1))
	}
	return around(meanA-meanB, square, degrees, confidence, min(len(a), len(b))), true
}

// meanAndSquaredError is the mean of xs and the square of its standard error,
// s²/n. Of samples that are all the same the two are exactly that and 0,
// however a sum would round.
func meanAndSquaredError(xs []float64) (mean, square float64, ok bool) {
	if len(xs) < 2 {
		return 0, 0, false
	}
	from := make([]float64, len(xs)) // the first
	for i, x := range xs {
		from[i] = x - xs[0]
	}
	mean, variance := stat.MeanVariance(from, nil)
	mean, square = xs[0]+mean, variance/float64(len(xs))
	finite := !math.IsInf(mean, 0) && !math.IsNaN(mean) && !math.IsInf(square, 0) && !math.IsNaN(square)
	return mean, square, finite
}

// around is the interval at so many standard errors to either side as Student's
// t asks for.
func around(estimate, square, degrees, confidence float64, n int) Interval {
	half := 0.0
	if square > 0 {
		half = quantileT(confidence, degrees) * math.Sqrt(square)
	}
	return Interval{Estimate: estimate, Low: estimate - half, High: estimate + half, N: n}
}

// quantileT is how many standard errors an interval of this confidence reaches
// to either side, with so many degrees of freedom. It asks for the lower tail:
// (1−c)/2 keeps its digits where 1−(1−c)/2 has lost them.
//
// It costs 10 µs and more, beyond all else that an interval takes, and is asked
// for over and over: of whole degrees up to manyDegrees what was found is kept.
// Welch's are hardly ever whole.
func quantileT(confidence, degrees float64) float64 {
	key := [2]float64{confidence, degrees}
	whole := degrees == math.Trunc(degrees) && degrees <= manyDegrees
	if t, ok := quantilesT.Load(key); whole && ok {
		return t.(float64)
	}
	t := -distuv.StudentsT{Mu: 0, Sigma: 1, Nu: degrees}.Quantile((1 - confidence) / 2)
	if whole {
		quantilesT.Store(key, t)
	}
	return t
}

const manyDegrees = 1000

var quantilesT sync.Map // by confidence and degrees, [2]float64; float64

// Package stats summarises what repeated looks at a server saw.
//
// Its position: a figure without its spread is not a figure, and a percentile
// that the number of samples can't carry is not printed. A difference is an
// interval, never a p alone, and never two intervals held against each other
// by eye; intervals that are read together hold together. Each holds the truth
// as often as it says under noise like that of a shared machine, which the
// tests show, and show of the usual ways that they don't. Where there are too
// few samples for an answer there is none. Everything here is a pure function
// of its input, a seed included, and leaves that input as it was. Nothing here
// drops an outlier: a slow slice is something that a server did.
package stats

import (
	"math"
	"slices"
)

// A Summary is the middle of some figures and the lowest and highest of them,
// in the figures' own unit. The zero Summary stands for no figures at all.
type Summary struct {
	Median float64
	Low    float64
	High   float64
	N      int // how many figures there were
}

// Summarise takes the median and the range of xs. The range is what was seen
// and no interval of confidence: it widens with every further sample.
func Summarise(xs []float64) Summary {
	if len(xs) == 0 {
		return Summary{}
	}
	return Summary{Median: Median(xs), Low: slices.Min(xs), High: slices.Max(xs), N: len(xs)}
}

// Median is the middle of xs, between two middle ones their mean, and NaN
// where there is none.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(xs))
	m := len(s) / 2
	if len(s)%2 == 1 {
		return s[m]
	}
	return s[m-1] + (s[m]-s[m-1])/2
}

// GeometricMean is exp of the mean of logarithms: the mean that belongs to
// ratios, since the mean of r and 1/r is then 1. It is NaN where xs is empty
// or holds anything that is not above 0, for such a ratio does not exist.
func GeometricMean(xs ...float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, x := range xs {
		if !(x > 0) { // NaN too
			return math.NaN()
		}
		sum += math.Log(x / xs[0]) // relative to the first, so that the mean of equals is exactly that
	}
	return xs[0] * math.Exp(sum/float64(len(xs)))
}

// MinSamples is the least number of samples from which percentile q
// (0 < q < 1) may be printed: 6 for the median, 36 for p90, 368 for p99, 3,688
// for p99.9. From there on an order-statistic interval of 95 % exists, one
// whose either end misses with a chance of at most 2.5 %. Of n samples all lie
// below the percentile with chance qⁿ and all above it with (1−q)ⁿ:
//
//	max(q, 1−q)ⁿ ≤ 0.025
//
// With fewer, not even the largest sample bounds the percentile, and a "p99"
// is but another name for the maximum. For 0, 1 and beyond no number is
// enough, and MinSamples says math.MaxInt.
//
// Source: H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed., §7.1.
// Asking 5 % of both ends together instead would let p99 through at 299
// samples, with an interval whose upper end misses twice as often as its name
// says.
func MinSamples(q float64) int {
	if !(q > 0 && q < 1) {
		return math.MaxInt
	}
	const tail = 0.025
	return int(math.Ceil(math.Log(tail) / math.Log(max(q, 1-q))))
}

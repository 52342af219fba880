package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSignedRank(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	tests := []struct {
		name string
		in   []float64
		p    float64
		ok   bool
	}{
		// Darwin's maize: how much higher crossed plants grew than self-fertilised
		// ones, eighths of an inch; the example of scipy.stats.wilcoxon.
		{"of Darwin's maize is what scipy says", []float64{6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75}, 0.041259765625, true},
		// Hollander and Wolfe, Nonparametric Statistical Methods: V = 40 of nine,
		// 0.01953 to one side; the example of R's wilcox.test.
		{"of Hollander's depression is what R says", []float64{0.952, -0.147, 1.022, 0.430, 0.620, 0.590, 0.490, -0.080, 0.010}, 2 * 10.0 / 512, true},
		{"of five on one side is 2 in 32: five blocks can never reject at 5 %", []float64{1, 2, 3, 4, 5}, 0.0625, true},
		{"of five far on one side is the same: only ranks count", []float64{1e3, 1e6, 1e9, inf, 7}, 0.0625, true},
		{"of six on one side is 2 in 64", []float64{-1, -2, -3, -4, -5, -6}, 0.03125, true},
		{"of ten on one side is 2 in 1,024", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2.0 / 1024, true},
		{"of two that balance is 1", []float64{-3, 3}, 1, true},
		{"of one is 1", []float64{-3}, 1, true},
		{"leaves out zeros", []float64{0, 1, 0, 2, 3, math.Copysign(0, -1)}, 2.0 / 8, true},
		// Ranks 2, 2, 2, 4: 2 or less in 4 of 16 ways, 1+3.
		{"counts with ranks that are shared", []float64{1, 1, -1, 2}, 2 * 4.0 / 16, true},
		{"of zeros doesn't exist", []float64{0, 0, 0}, 0, false},
		{"of nothing doesn't exist", nil, 0, false},
		{"with a NaN doesn't exist", []float64{1, nan}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := slices.Clone(tt.in)
			p, ok := SignedRank(tt.in)
			if ok != tt.ok || math.Abs(p-tt.p) > 1e-15 {
				t.Errorf("SignedRank(%v) = %v, %v, want %v, %v", tt.in, p, ok, tt.p, tt.ok)
			}
			if ok && !slices.Equal(in, tt.in) {
				t.Errorf("SignedRank reordered its input: %v became %v", in, tt.in)
			}
		})
	}
}

// The definition: all 2ⁿ ways to give the sizes a sign, and the share of them
// whose ranks lie as far from balance as those that were seen.
func TestSignedRankCountsAllSigns(t *testing.T) {
	draw := rand.New(rand.NewPCG(4, 0))
	for range 200 {
		xs := make([]float64, 1+draw.IntN(9))
		for i := range xs {
			xs[i] = float64(1+draw.IntN(6)) * float64(2*draw.IntN(2)-1) // many ties
		}
		ranks, positive, total := doubledRanks(xs)
		off := func(sum int) int { return max(2*sum-total, total-2*sum) }
		asFar := 0
		for signs := range 1 << len(xs) {
			sum := 0
			for i, r := range ranks {
				sum += r * (signs >> i & 1)
			}
			if off(sum) >= off(positive) {
				asFar++
			}
		}
		want := float64(asFar) / float64(int(1)<<len(xs))
		if p, ok := SignedRank(xs); !ok || math.Abs(p-want) > 1e-14 {
			t.Errorf("SignedRank(%v) = %v, %v; of all signs %v lie as far out", xs, p, ok, want)
		}
	}
}

// Where counting ends the normal curve takes over. What that curve leaves out
// is, by Edgeworth, κ₄/12·(z³−3z)φ(z) on both sides together: the sum's excess
// κ₄ is −2Σr⁴/(Σr²)² = −3.6/n, and (z³−3z)φ(z) is 0.55 at most.
func TestSignedRankOfMany(t *testing.T) {
	draw := rand.New(rand.NewPCG(5, 0))
	for _, shift := range []float64{0, 0.1, 0.2, 0.4} {
		for range 20 {
			xs := make([]float64, exactSignedRank)
			for i := range xs {
				xs[i] = math.Round(20*(shift+draw.NormFloat64())) / 20 // some ties
			}
			xs = slices.DeleteFunc(xs, func(x float64) bool { return x == 0 })
			ranks, positive, total := doubledRanks(xs)
			sum := min(positive, total-positive)
			exact, normal := exactTails(ranks, sum, total), normalTails(ranks, sum, total)
			if math.Abs(exact-normal) > 3.6/12*0.55/float64(len(xs)) {
				t.Errorf("of %d values p is %.6f exactly and %.6f by the normal curve", len(xs), exact, normal)
			}
		}
	}
	same := slices.Repeat([]float64{1}, 10_000)
	if p, ok := SignedRank(same); !ok || p > 1e-300 || math.IsNaN(p) {
		t.Errorf("SignedRank of 10,000 on one side = %v, %v", p, ok)
	}
	balanced := slices.Repeat([]float64{1, -1}, 5_000)
	if p, ok := SignedRank(balanced); !ok || p != 1 {
		t.Errorf("SignedRank of 10,000 in balance = %v, %v, want 1", p, ok)
	}
}

package stats

import (
	"cmp"
	"math"
	"slices"
)

// exactSignedRank is how many values SignedRank counts out; of more it takes
// the normal curve, which is off by 0.17/n at most (Edgeworth's next term), and
// by a third of that where p is small. Counting costs n³ steps: 1 ms at a
// hundred.
const exactSignedRank = 100

// SignedRank is Wilcoxon's signed rank test: p of xs being symmetric about 0,
// against their lying to one side of it. It is two-sided, and exact up to 100
// values. It asks for less than Student's t (no normal curve, and an outlier
// is but the last in rank), so the two check each other, and it says less (no
// interval). Its least p is 2/2ⁿ: five values can't reach 0.05, whatever they are.
//
// Values of the same size share the mean of their ranks, and p is counted with
// these. Zeros are dropped, as Wilcoxon did: they speak for neither side. Pratt
// ranks them first and drops them then, which is better where zeros are many,
// as on a scale of five steps; a mean of measured logarithms is hardly ever 0,
// and R and scipy drop zeros too. An infinite value is ranked like any other, a
// NaN has no rank: ok is false then, and where no value is left.
//
// Source: F. Wilcoxon, Individual Comparisons by Ranking Methods, Biometrics
// Bulletin 1 (1945).
func SignedRank(xs []float64) (p float64, ok bool) {
	left := make([]float64, 0, len(xs))
	for _, x := range xs {
		if math.IsNaN(x) {
			return 0, false
		}
		if x != 0 {
			left = append(left, x)
		}
	}
	if len(left) == 0 {
		return 0, false
	}
	ranks, positive, total := doubledRanks(left)
	// Both tails lie as far out as the smaller sum.
	sum := min(positive, total-positive)
	if len(left) > exactSignedRank {
		return normalTails(ranks, sum, total), true
	}
	return exactTails(ranks, sum, total), true
}

// doubledRanks are twice the ranks of xs by size, whole even where some share a
// rank; with their sum over the positive, and over all.
func doubledRanks(xs []float64) (ranks []int, positive, total int) {
	bySize := slices.SortedFunc(slices.Values(xs), func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	for i := 0; i < len(bySize); {
		end := i + 1
		for end < len(bySize) && math.Abs(bySize[end]) == math.Abs(bySize[i]) {
			end++
		}
		shared := i + 1 + end // ranks i+1 … end, twice their mean
		for ; i < end; i++ {
			ranks = append(ranks, shared)
			total += shared
			if bySize[i] > 0 {
				positive += shared
			}
		}
	}
	return ranks, positive, total
}

// exactTails is the chance of a sum of ranks at or below the given one, and of
// one as far out on the other side, when each rank is on either side with
// chance ½: the distribution of the sum, rank by rank.
func exactTails(ranks []int, sum, total int) float64 {
	chance := make([]float64, total+1) // of each sum so far
	chance[0] = 1
	reach := 0
	for _, r := range ranks {
		reach += r
		for s := reach; s >= 0; s-- {
			chance[s] /= 2
			if s >= r {
				chance[s] += chance[s-r] / 2
			}
		}
	}
	tail := 0.0
	for _, c := range chance[:sum+1] {
		tail += c
	}
	return min(1, 2*tail)
}

// normalTails is the same by the normal curve, half a rank further in since
// sums of ranks are whole. Its variance is Σr²/4 over the ranks as they are
// shared, which is what the correction for ties comes to.
func normalTails(ranks []int, sum, total int) float64 {
	square := 0.0
	for _, r := range ranks {
		square += float64(r) * float64(r)
	}
	// All of it doubled, as the ranks are: half a rank is 1.
	z := max(0, float64(total)/2-float64(sum)-1) / (math.Sqrt(square) / 2)
	return math.Erfc(z / math.Sqrt2)
}

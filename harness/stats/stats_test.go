package stats

import (
	"math"
	"slices"
	"testing"
)

func TestSummarise(t *testing.T) {
	tests := []struct {
		name string
		in   []float64
		want Summary
	}{
		{"nothing gives the zero summary", nil, Summary{}},
		{"one figure is its own range", []float64{3}, Summary{3, 3, 3, 1}},
		{"an odd number has a middle one", []float64{9, 1, 4}, Summary{4, 1, 9, 3}},
		{"an even number takes the mean of the middle two", []float64{8, 1, 2, 4}, Summary{3, 1, 8, 4}},
		{"an outlier widens the range and leaves the median", []float64{1, 1, 1, 1, 1e9}, Summary{1, 1, 1e9, 5}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := slices.Clone(tt.in)
			if got := Summarise(tt.in); got != tt.want {
				t.Errorf("Summarise(%v) = %+v, want %+v", tt.in, got, tt.want)
			}
			if !slices.Equal(in, tt.in) {
				t.Errorf("Summarise reordered its input: %v became %v", in, tt.in)
			}
		})
	}
	if m := Median(nil); !math.IsNaN(m) {
		t.Errorf("Median of nothing = %v, want NaN", m)
	}
	if m := Median([]float64{math.MaxFloat64, math.MaxFloat64}); m != math.MaxFloat64 {
		t.Errorf("Median of two huge figures = %v: overflowed", m)
	}
}

func TestGeometricMean(t *testing.T) {
	tests := []struct {
		name string
		in   []float64
		want float64
	}{
		{"of a ratio and its inverse is 1", []float64{4, 0.25}, 1},
		{"of one figure is that figure", []float64{7}, 7},
		{"of 2 and 8 is 4", []float64{2, 8}, 4},
		{"of nothing does not exist", nil, math.NaN()},
		{"with a zero does not exist", []float64{1, 0}, math.NaN()},
		{"with a negative figure does not exist", []float64{1, -1}, math.NaN()},
		{"with a NaN does not exist", []float64{1, math.NaN()}, math.NaN()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := GeometricMean(tt.in...)
			if math.IsNaN(tt.want) != math.IsNaN(got) || math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("GeometricMean(%v) = %v, want %v", tt.in, got, tt.want)
			}
		})
	}
}

// A ratio to the mean of two equal figures must not depend on how a logarithm
// rounds.
func TestGeometricMeanOfEquals(t *testing.T) {
	for _, x := range []float64{60, 0.1, 6012.345, 1e-300, 1e300} {
		if got := GeometricMean(x, x, x); got != x {
			t.Errorf("GeometricMean of three times %v = %v", x, got)
		}
	}
}

// The figures everybody quotes: a 95 % interval of the median needs six
// samples (also in golang.org/x/perf/benchmath), one of p99 368.
func TestMinSamples(t *testing.T) {
	for q, want := range map[float64]int{
		0.5: 6, 0.9: 36, 0.99: 368, 0.999: 3688, 0.9999: 36887,
		0.1: 36, 0.01: 368, // as many as their mirror images
		0: math.MaxInt, 1: math.MaxInt, -1: math.MaxInt, 2: math.MaxInt,
	} {
		if got := MinSamples(q); got != want {
			t.Errorf("MinSamples(%v) = %d, want %d", q, got, want)
		}
	}
	if got := MinSamples(math.NaN()); got != math.MaxInt {
		t.Errorf("MinSamples(NaN) = %d, want math.MaxInt", got)
	}
}

// What the number stands for: with it the largest sample lies above the
// percentile in 97.5 % of cases, with one fewer it does not.
func TestMinSamplesIsTheLeast(t *testing.T) {
	for _, q := range []float64{0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999} {
		n := MinSamples(q)
		if miss := math.Pow(q, float64(n)); miss > 0.025 {
			t.Errorf("p%g of %d samples: all lie below it with chance %.4f", 100*q, n, miss)
		}
		if miss := math.Pow(q, float64(n-1)); miss <= 0.025 {
			t.Errorf("p%g: %d samples would do, MinSamples says %d", 100*q, n-1, n)
		}
	}
}

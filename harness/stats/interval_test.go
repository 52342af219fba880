package stats

import (
	"math"
	"slices"
	"testing"
)

// Student's own data: hours of sleep gained with either of two drugs, by ten
// patients (Biometrika 6, 1908). What is wanted of it below is what R's t.test
// says of its "sleep".
var (
	sleepWithFirst  = []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	sleepWithSecond = []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
)

func TestMeanInterval(t *testing.T) {
	var gained []float64
	for i, x := range sleepWithSecond {
		gained = append(gained, x-sleepWithFirst[i])
	}
	tests := []struct {
		name       string
		in         []float64
		confidence float64
		want       Interval
		ok         bool
	}{
		{"of Student's patients is what R says", gained, 0.95, Interval{1.58, 0.7001142, 2.4598858, 10}, true},
		{"of two is twelve standard errors wide to either side", []float64{-1, 1}, 0.95, Interval{0, -12.7062047, 12.7062047, 2}, true},
		{"of equals is that point", []float64{0.1, 0.1, 0.1}, 0.999, Interval{0.1, 0.1, 0.1, 3}, true},
		{"at no confidence is the mean", []float64{1, 2, 6}, 0, Interval{3, 3, 3, 3}, true},
		{"of one doesn't exist", []float64{7}, 0.95, Interval{}, false},
		{"of nothing doesn't exist", nil, 0.95, Interval{}, false},
		{"with an infinite sample doesn't exist", []float64{1, 2, math.Inf(-1)}, 0.95, Interval{}, false},
		{"with an infinite first sample doesn't either", []float64{math.Inf(1), 2, 3}, 0.95, Interval{}, false},
		{"of nothing but infinite samples doesn't either", []float64{math.Inf(1), math.Inf(1)}, 0.95, Interval{}, false},
		{"with a NaN doesn't exist", []float64{1, 2, math.NaN()}, 0.95, Interval{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := slices.Clone(tt.in)
			got, ok := MeanInterval(tt.in, tt.confidence)
			if ok != tt.ok || !alike(got, tt.want) {
				t.Errorf("MeanInterval(%v, %v) = %+v, %v, want %+v, %v", tt.in, tt.confidence, got, ok, tt.want, tt.ok)
			}
			if slices.Compare(in, tt.in) != 0 { // which takes a NaN for itself
				t.Errorf("MeanInterval changed its input: %v became %v", in, tt.in)
			}
		})
	}
}

func TestWelch(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		name string
		a, b []float64
		want Interval
		ok   bool
	}{
		{"of Student's patients is what R says", sleepWithFirst, sleepWithSecond, Interval{-1.58, -3.3654832, 0.2054832, 10}, true},
		{"the other way round is its mirror image", sleepWithSecond, sleepWithFirst, Interval{1.58, -0.2054832, 3.3654832, 10}, true},
		{"of equals is the point between them", []float64{0.3, 0.3, 0.3}, []float64{0.1, 0.1}, Interval{0.2, 0.2, 0.2, 2}, true},
		{"of one and the same is 0", []float64{0.1, 0.1, 0.1}, []float64{0.1, 0.1, 0.1}, Interval{0, 0, 0, 3}, true},
		// One side without spread is a constant, and the interval that of the
		// other's mean: 2 ± 4.3026527·1/√3.
		{"against equals is Student's", []float64{1, 2, 3}, []float64{0, 0, 0, 0}, Interval{2, -0.4841377, 4.4841377, 3}, true},
		{"of spreads too small to be squared still has its degrees of freedom", []float64{1e-155, 2e-155, 3e-155}, []float64{0, 0}, Interval{2e-155, -0.4841377e-155, 4.4841377e-155, 2}, true},
		{"of one doesn't exist", []float64{1}, []float64{1, 2, 3}, Interval{}, false},
		{"against one doesn't exist", []float64{1, 2, 3}, []float64{1}, Interval{}, false},
		{"with an infinite sample doesn't exist", []float64{1, 2, 3}, []float64{1, inf}, Interval{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := Welch(tt.a, tt.b, 0.95)
			if ok != tt.ok || !alike(got, tt.want) {
				t.Errorf("Welch(%v, %v) = %+v, %v, want %+v, %v", tt.a, tt.b, got, ok, tt.want, tt.ok)
			}
		})
	}
}

// alike compares to the digits that R prints.
func alike(got, want Interval) bool {
	near := func(x, y float64) bool {
		return math.Abs(x-y) <= 2e-7*max(math.Abs(want.Low), math.Abs(want.High))
	}
	return near(got.Estimate, want.Estimate) && near(got.Low, want.Low) && near(got.High, want.High) && got.N == want.N
}

// From the tables at the end of every textbook, and further out than these go:
// 45 pairs in two metrics at 95 % together ask for 99.94 % each.
func TestQuantileT(t *testing.T) {
	tests := []struct{ confidence, degrees, want float64 }{
		{0.95, 1, 12.706205}, {0.95, 4, 2.776445}, {0.95, 9, 2.262157}, {0.95, 29, 2.045230}, {0.95, 1000, 1.962339},
		{0.99, 9, 3.249836}, {0.99, 29, 2.756386},
		{0.999, 9, 4.780913}, {0.999, 29, 3.659405},
		{0.95, 1e6, 1.959966}, // the normal curve's 1.959964, all but
	}
	for _, tt := range tests {
		if got := quantileT(tt.confidence, tt.degrees); math.Abs(got-tt.want) > 2e-6 {
			t.Errorf("t of %v with %v degrees of freedom = %.6f, want %.6f", tt.confidence, tt.degrees, got, tt.want)
		}
	}
}

func TestJoint(t *testing.T) {
	tests := []struct {
		c    float64
		m    int
		want float64
	}{
		{0.95, 1, 0.95},
		{0.95, 8, 0.99375}, // four models in two metrics
		{0.99, 2, 0.995},   // the alarm
		{0.95, 0, 0.95},    // nothing to hold together
	}
	for _, tt := range tests {
		if got := Joint(tt.c, tt.m); math.Abs(got-tt.want) > 1e-15 {
			t.Errorf("Joint(%v, %d) = %v, want %v", tt.c, tt.m, got, tt.want)
		}
	}
}

// Overlap is not a test: two intervals of 95 % overlap here, and the means are
// apart all the same, for to add two half-widths asks for √2 times too much.
func TestOverlapIsNoTest(t *testing.T) {
	a := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	var b []float64
	for _, x := range a {
		b = append(b, x+3)
	}
	ofA, _ := MeanInterval(a, 0.95)
	ofB, _ := MeanInterval(b, 0.95)
	apart, _ := Welch(b, a, 0.95)
	if ofB.Low > ofA.High || apart.Low <= 0 {
		t.Errorf("want intervals that overlap and means that differ, got %+v, %+v, and between them %+v", ofA, ofB, apart)
	}
}

package scenario

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A million values of each, folded into one number: the last bit of one that
// rounds another way changes it. The numbers were written once and hold for
// ever; run this under GOARCH=386 and arm64 too.
func TestElementaryFunctionsAreTheSameEverywhere(t *testing.T) {
	for _, row := range []struct {
		name string
		f    func(random uint64) float64
		want uint64
	}{
		{"ln", func(random uint64) float64 { return ln(uniform(random)) }, 0xdebdba22f834660e},
		{"exp", func(random uint64) float64 { return exp((uniform(random) - 0.5) * 60) }, 0x27f76c385b04747e},
		{"normalQuantile", func(random uint64) float64 { return normalQuantile((float64(random>>12) + 0.5) / (1 << 52)) }, 0x9b710b7493d134d9},
		{"normalQuantile, in the tails", func(random uint64) float64 { return normalQuantile(exp(-36 * uniform(random))) }, 0x25289a99a17cab6f},
	} {
		random, fold := rand.NewPCG(1, 2), uint64(0)
		for range 1_000_000 {
			fold = mix(fold ^ math.Float64bits(row.f(random.Uint64())))
		}
		if fold != row.want {
			t.Errorf("a million values of %s fold to %#x, want %#x", row.name, fold, row.want)
		}
	}
}

func TestLn(t *testing.T) {
	random := rand.NewPCG(1, 2)
	check := func(x float64) {
		if got, want := ln(x), math.Log(x); math.Abs(got-want) > 1e-14*math.Abs(want) {
			t.Errorf("ln(%v) = %v, want %v", x, got, want)
		}
	}
	for _, x := range []float64{1, 0x1p-53, 0.5, math.Sqrt2 / 2, math.Sqrt2, math.Nextafter(1, 0), math.Nextafter(1, 2), math.Nextafter(math.Sqrt2, 0), 2, math.E, 10, math.MaxFloat64} {
		check(x)
	}
	for range 100_000 {
		check(float64(random.Uint64()>>11+1) / (1 << 53))
	}
}

func TestExp(t *testing.T) {
	random := rand.NewPCG(1, 2)
	check := func(x float64) {
		if got, want := exp(x), math.Exp(x); math.Abs(got-want) > 1e-15*want {
			t.Errorf("exp(%v) = %v, want %v", x, got, want)
		}
	}
	for _, x := range []float64{0, math.Copysign(0, -1), 0x1p-53, -0x1p-53, 1, -1, math.Ln2, -math.Ln2, math.Ln2 / 2, 0.5, 10, -10, 700, -700} {
		check(x)
	}
	for range 100_000 {
		check((uniform(random.Uint64()) - 0.5) * 100)
	}
}

// Beside the inverse of math's error function, which stands on the same
// algorithm in other clothes and is as good; in the lower tail beside a series,
// since there 2p−1 has lost the digits.
func TestNormalQuantile(t *testing.T) {
	random := rand.NewPCG(1, 2)
	for range 100_000 {
		p := uniform(random.Uint64())
		if p < 0.01 || p > 0.99 {
			continue
		}
		got, want := normalQuantile(p), math.Sqrt2*math.Erfinv(2*p-1)
		if math.Abs(got-want) > 1e-14*max(1, math.Abs(want)) {
			t.Errorf("normalQuantile(%v) = %v, want %v", p, got, want)
		}
	}
	for p := 0.01; p >= 0x1p-53; p /= 1.01 {
		z := normalQuantile(p)
		if back := math.Erfc(-z/math.Sqrt2) / 2; math.Abs(back-p) > 1e-13*p {
			t.Errorf("normalQuantile(%v) = %v, below which lies %v", p, z, back)
		}
		if mirrored := normalQuantile(1 - p); p > 1e-3 && math.Abs(mirrored+z) > 1e-11 {
			t.Errorf("normalQuantile(1−%v) = %v, want %v", p, mirrored, -z)
		}
	}
	for _, row := range []struct{ p, z float64 }{ // Wichura's own check values
		{0.25, -0.6744897501960817}, {0.001, -3.090232306167814}, {1e-20, -9.262340089798408},
	} {
		if z := normalQuantile(row.p); math.Abs(z-row.z) > 1e-15*math.Abs(row.z) {
			t.Errorf("normalQuantile(%v) = %.16g, want %.16g", row.p, z, row.z)
		}
	}
	if z := normalQuantile(0.5); z != 0 {
		t.Errorf("normalQuantile(½) = %v", z)
	}
}

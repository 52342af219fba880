package result

import (
	"math"
	"testing"
)

func TestSignificant(t *testing.T) {
	for _, tt := range []struct {
		in   float64
		want string
	}{
		{0, "0"},
		{61, "61.0"},
		{97.34, "97.3"},
		{6012.4, "6,010"},
		{103921, "104,000"},
		{1234567, "1,230,000"},
		{999.6, "1,000"},
		{9.996, "10.0"},
		{0.01234, "0.0123"},
		{-1234.5, "-1,230"},
		{-123, "-123"},
		{math.NaN(), "NaN"},
	} {
		if got := Significant(tt.in); got != tt.want {
			t.Errorf("Significant(%v) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestMicros(t *testing.T) {
	for _, tt := range []struct {
		in   float64
		want string
	}{
		{0, "0 µs"},
		{0.25, "0.250 µs"},
		{61, "61.0 µs"},
		{999.4, "999 µs"},
		{999.7, "1.00 ms"},
		{10_140, "10.1 ms"},
		{651_000, "651 ms"},
		{999_900, "1.00 s"},
		{1_100_000, "1.10 s"},
		{12_345_678_901, "12,300 s"},
		{-1500, "-1.50 ms"},
	} {
		if got := Micros(tt.in); got != tt.want {
			t.Errorf("Micros(%v) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %q, want %q", n, got, want)
		}
	}
}

package result

import (
	"math"
	"strconv"
	"strings"
)

// Significant writes a figure with three significant digits and commas between
// thousands: 6012.4 is "6,010", 61 is "61.0". A slice carries no more digits;
// the record itself keeps them all.
func Significant(x float64) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	x = round3(x)
	decimals := max(0, 2-exponent(x))
	return commas(strconv.FormatFloat(x, 'f', decimals, 64))
}

// Micros writes a duration given in microseconds with three significant
// digits and the unit that suits its size: "61.0 µs", "10.1 ms", "1.10 s".
func Micros(us float64) string {
	switch size := math.Abs(round3(us)); { // rounded first: 999.7 µs is 1.00 ms
	case size >= 1e6:
		return Significant(us/1e6) + " s"
	case size >= 1e3:
		return Significant(us/1e3) + " ms"
	}
	return Significant(us) + " µs"
}

// Thousands writes a count in full, with commas between thousands.
func Thousands(n int64) string { return commas(strconv.FormatInt(n, 10)) }

// round3 leaves the decimal expansion to strconv, which rounds it exactly.
func round3(x float64) float64 {
	y, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 2, 64), 64) // its own output always parses
	return y
}

// exponent is the power of ten of x's first digit; x is not 0.
func exponent(x float64) int {
	s := strconv.FormatFloat(x, 'e', -1, 64)
	e, _ := strconv.Atoi(s[strings.IndexByte(s, 'e')+1:])
	return e
}

func commas(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i, r := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	if fraction != "" {
		b.WriteString("." + fraction)
	}
	return b.String()
}

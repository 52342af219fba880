package scenario

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// A Dist is a distribution of durations in whole microseconds: a constant, an
// exponential, two points of which each has its share, or a lognormal. The zero
// value is the constant 0. Dists are comparable with ==, and equal when they
// say the same.
type Dist struct {
	kind kind
	a    int64 // µs: the constant, the mean, or the lower point
	b    int64 // two points: the upper one, µs; lognormal: thousandths of cs²
	ppm  int64 // two points: share of the lower one in millionths, 1 to 999,999
}

type kind uint8

const (
	constant kind = iota
	exponential
	twoPoints
	lognormal
)

// forms are how a distribution is written.
const forms = "5ms, exp:5ms, two:99%*2ms,1%*100ms or lognormal:5ms,cs2=4"

// maxCS2 bounds the squared coefficient of variation of a lognormal.
const maxCS2 = 1000

// distMost bounds what ParseDist accepts. What a scenario accepts is tighter
// (see [Scenario.Validate]); this is for values that can only be mistakes.
const distMost = time.Hour

// Constant is always d, of which whole microseconds count. It panics if d is
// negative or longer than an hour.
func Constant(d time.Duration) Dist { return mustParseDist(d.Truncate(time.Microsecond).String()) }

// Exponential has the mean d, of which whole microseconds count. It panics if
// d is below a microsecond or longer than an hour.
func Exponential(d time.Duration) Dist {
	return mustParseDist("exp:" + d.Truncate(time.Microsecond).String())
}

func mustParseDist(s string) Dist {
	d, err := ParseDist(s)
	if err != nil {
		panic("scenario: " + err.Error())
	}
	return d
}

// ParseDist reads a distribution as people write it:
//
//	0                       nothing
//	5ms                     always 5 ms
//	exp:5ms                 exponential with a mean of 5 ms
//	two:99%*2ms,1%*100ms    2 ms for 99 % of requests, 100 ms for 1 %
//	lognormal:5ms,cs2=4     lognormal with a mean of 5 ms and a squared
//	                        coefficient of variation (variance/mean²) of 4
//
// Durations are whole microseconds, up to an hour, in Go's notation; shares
// have up to four decimals and make 100 % together; cs2 is above 0, at most
// 1000, and has up to three decimals. Errors say what would have been right.
func ParseDist(s string) (Dist, error) {
	d, err := parseDist(s)
	if err != nil {
		return Dist{}, fmt.Errorf("distribution %q: %w", s, err)
	}
	return d, nil
}

func parseDist(s string) (Dist, error) {
	name, rest, found := strings.Cut(s, ":")
	switch {
	case !found:
		us, err := parseMicros(s)
		return Dist{a: us}, err
	case name == "exp":
		us, err := parseMicros(rest)
		if err != nil {
			return Dist{}, err
		}
		if us == 0 {
			return Dist{}, errors.New("want a mean above 0; without any work it is 0")
		}
		return Dist{kind: exponential, a: us}, nil
	case name == "two":
		return parseTwo(rest)
	case name == "lognormal":
		return parseLognormal(rest)
	}
	return Dist{}, fmt.Errorf("unknown form %q: want %s", name, forms)
}

func parseTwo(s string) (Dist, error) {
	const form = "two:99%*2ms,1%*100ms"
	first, second, found := strings.Cut(s, ",")
	if !found || strings.Contains(second, ",") {
		return Dist{}, errors.New("want two points: " + form)
	}
	var us, ppm [2]int64
	for i, point := range []string{first, second} {
		share, at, found := strings.Cut(point, "*")
		if !found {
			return Dist{}, fmt.Errorf("%q is no point: want SHARE%%*DURATION, as in %s", point, form)
		}
		var err error
		if ppm[i], err = parsePercent(share); err != nil {
			return Dist{}, err
		}
		if us[i], err = parseMicros(at); err != nil {
			return Dist{}, err
		}
	}
	switch {
	case ppm[0]+ppm[1] != 1e6:
		return Dist{}, fmt.Errorf("shares make %s together, want 100%%", formatPercent(ppm[0]+ppm[1]))
	case us[0] == us[1]:
		return Dist{}, fmt.Errorf("both points are the same: want %s", formatMicros(us[0]))
	case us[0] > us[1]: // one way to say it, so that equal distributions are equal
		us[0], us[1] = us[1], us[0]
		ppm[0] = ppm[1]
	}
	return Dist{kind: twoPoints, a: us[0], b: us[1], ppm: ppm[0]}, nil
}

func parseLognormal(s string) (Dist, error) {
	const form = "lognormal:5ms,cs2=4"
	mean, rest, _ := strings.Cut(s, ",")
	number, found := strings.CutPrefix(rest, "cs2=")
	if !found {
		return Dist{}, errors.New("want a mean and a squared coefficient of variation: " + form)
	}
	us, err := parseMicros(mean)
	if err != nil {
		return Dist{}, err
	}
	cs2, ok := parseThousandths(number)
	switch {
	case us == 0:
		return Dist{}, errors.New("want a mean above 0; without any work it is 0")
	case !ok || cs2 > maxCS2*1000:
		return Dist{}, fmt.Errorf("cs2 %q: want a number above 0, at most %d, with up to three decimals, as in %s", number, maxCS2, form)
	case cs2 == 0:
		return Dist{}, fmt.Errorf("cs2 %q: want a number above 0; without any variation it is %s", number, formatMicros(us))
	}
	return Dist{kind: lognormal, a: us, b: cs2}, nil
}

func parseMicros(s string) (int64, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil && isDigits(s):
		return 0, fmt.Errorf("%q has no unit: want %sus, %sms or %ss", s, s, s, s)
	case err != nil:
		return 0, fmt.Errorf("%q is no duration: want a number and a unit, as in 200us, 5ms or 1s", s)
	case d < 0:
		return 0, fmt.Errorf("%q is negative: want 0 or more", s)
	case d > distMost:
		return 0, fmt.Errorf("%q is too long: want at most an hour", s)
	case d%time.Microsecond != 0:
		return 0, fmt.Errorf("%q is finer than a microsecond: want whole microseconds", s)
	}
	return d.Microseconds(), nil
}

// formatMicros writes us in the largest unit in which it is a whole number.
func formatMicros(us int64) string {
	switch {
	case us == 0:
		return "0"
	case us%1e6 == 0:
		return strconv.FormatInt(us/1e6, 10) + "s"
	case us%1e3 == 0:
		return strconv.FormatInt(us/1e3, 10) + "ms"
	}
	return strconv.FormatInt(us, 10) + "us"
}

// parsePercent reads "99.9%" as millionths. It takes no detour by a float:
// 99.9 % is exactly 999,000 millionths.
func parsePercent(s string) (int64, error) {
	number, found := strings.CutSuffix(s, "%")
	whole, decimals, _ := strings.Cut(number, ".")
	if !found || !isDigits(whole) || len(whole) > 3 || len(decimals) > 4 || number != whole && !isDigits(decimals) {
		return 0, fmt.Errorf("%q is no share: want a percentage with up to four decimals, as in 99%% or 0.5%%", s)
	}
	ppm, err := strconv.ParseInt(whole+(decimals + "0000")[:4], 10, 64)
	if err != nil || ppm < 1 || ppm >= 1e6 {
		return 0, fmt.Errorf("share %s: want more than 0%% and less than 100%%", s)
	}
	return ppm, nil
}

func formatPercent(ppm int64) string {
	s := strconv.FormatInt(ppm/1e4, 10)
	if rest := ppm % 1e4; rest != 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%04d", rest), "0")
	}
	return s + "%"
}

// parseThousandths reads a number with up to three decimals, below 10¹², as
// thousandths, exactly.
func parseThousandths(s string) (thousandths int64, ok bool) {
	whole, decimals, point := strings.Cut(s, ".")
	if !isDigits(whole) || len(whole) > 12 || point && !isDigits(decimals) || len(decimals) > 3 {
		return 0, false
	}
	thousandths, err := strconv.ParseInt(whole+(decimals + "000")[:3], 10, 64)
	return thousandths, err == nil
}

func formatThousandths(n int64) string {
	s := strconv.FormatInt(n/1000, 10)
	if rest := n % 1000; rest != 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%03d", rest), "0")
	}
	return s
}

func isDigits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// String writes d in its canonical form, which [ParseDist] reads back as d.
func (d Dist) String() string {
	switch d.kind {
	case exponential:
		return "exp:" + formatMicros(d.a)
	case twoPoints:
		return fmt.Sprintf("two:%s*%s,%s*%s", formatPercent(d.ppm), formatMicros(d.a), formatPercent(1e6-d.ppm), formatMicros(d.b))
	case lognormal:
		return "lognormal:" + formatMicros(d.a) + ",cs2=" + formatThousandths(d.b)
	}
	return formatMicros(d.a)
}

// IsZero reports whether d is always 0.
func (d Dist) IsZero() bool { return d == Dist{} }

// Mean is the mean of d. Of an exponential or a lognormal it is the mean before
// long draws are cut to a scenario's bounds, which lowers it by a share that
// [Scenario.Validate] keeps below 1 %, and before draws below a microsecond are
// made one, which raises it: an exponential's of 100 µs by 1 in 20,000, of 1 µs
// by a third.
func (d Dist) Mean() time.Duration {
	if d.kind == twoPoints {
		// At most 10⁶ millionths of 3.6 · 10¹² ns: no overflow.
		return time.Duration((d.ppm*d.a + (1e6-d.ppm)*d.b) * int64(time.Microsecond) / 1e6)
	}
	return time.Duration(d.a) * time.Microsecond
}

// longest is the duration that bounds are checked against: the upper point,
// or an exponential's or lognormal's mean.
func (d Dist) longest() time.Duration {
	if d.kind == twoPoints {
		return time.Duration(d.b) * time.Microsecond
	}
	return time.Duration(d.a) * time.Microsecond
}

// cut is the share of d's mean that is lost where draws longer than most are cut
// to it: 1 − E[min(X, most)]/E[X]. Nothing that is drawn depends on it, so that
// it may come from package math.
func (d Dist) cut(most time.Duration) float64 {
	if d.a == 0 {
		return 0
	}
	bound := float64(most.Microseconds()) / float64(d.a) // in means
	switch d.kind {
	case exponential:
		return math.Exp(-bound)
	case lognormal:
		// With mean 1, μ = −σ²/2: E[min(X, b)] = Φ((ln b − σ²/2)/σ) + b·(1 − Φ((ln b + σ²/2)/σ))
		// (the limited expected value; Klugman, Panjer, Willmot: Loss Models, 4th ed., A.4).
		variance := math.Log1p(float64(d.b) / 1000)
		sigma := math.Sqrt(variance)
		below := func(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }
		return max(0, below((variance/2-math.Log(bound))/sigma)-bound*below(-(math.Log(bound)+variance/2)/sigma))
	}
	return 0
}

// rare is the duration that one draw in a million exceeds: of a constant and of
// two points the longest, though no draw exceeds that.
func (d Dist) rare() time.Duration {
	us := d.longest().Microseconds()
	switch d.kind {
	case exponential:
		us = d.draw(math.MaxUint64/1_000_000, math.MaxInt64)
	case lognormal:
		us = d.draw(math.MaxUint64-math.MaxUint64/1_000_000, math.MaxInt64)
	}
	return time.Duration(min(us, distMost.Microseconds())) * time.Microsecond
}

// draw maps 64 random bits to a value of d in microseconds, at most most. What
// is drawn from a continuous distribution is at least a microsecond, so that
// every request of such a scenario carries work.
func (d Dist) draw(random uint64, most int64) int64 {
	switch d.kind {
	case exponential:
		// −ln u is exponential with mean 1, and at most 36.74.
		return min(max(int64(float64(float64(d.a)*-ln(uniform(random)))+0.5), 1), most)
	case twoPoints:
		millionth, _ := bits.Mul64(random, 1e6) // random/2⁶⁴ × 10⁶, rounded down
		if millionth >= uint64(d.ppm) {
			return d.b
		}
	case lognormal:
		// exp(μ + σz) with σ² = ln(1+cs²) and μ = ln(mean) − σ²/2 has that mean
		// and that cs² (Johnson, Kotz, Balakrishnan: Continuous Univariate
		// Distributions, 1994, ch. 14). z is the normal quantile of one of 2⁵²
		// evenly spaced numbers, symmetrical in (0, 1): at most 8.2 either way,
		// so that the longest draw of the longest mean is below 2⁶³.
		variance := ln(1 + float64(d.b)/1000)
		z := normalQuantile((float64(random>>12) + 0.5) / (1 << 52))
		x := exp(float64(math.Sqrt(variance)*z) - float64(variance/2))
		return min(max(int64(float64(float64(d.a)*x)+0.5), 1), most)
	}
	return d.a
}

// uniform makes 53 random bits one of 2⁵³ evenly spaced numbers in (0, 1].
func uniform(random uint64) float64 { return float64(random>>11+1) / (1 << 53) }

// Equal reports whether d and o are the same. It is there for go-cmp.
func (d Dist) Equal(o Dist) bool { return d == o }

// MarshalText writes d as String does.
func (d Dist) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads d as ParseDist does.
func (d *Dist) UnmarshalText(text []byte) error {
	var err error
	*d, err = ParseDist(string(text))
	return err
}

package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A Dist is a distribution of durations in whole microseconds: a constant, an
// exponential, or two points of which each has its share. The zero value is
// the constant 0. Dists are comparable with ==, and equal when they say the
// same.
type Dist struct {
	kind kind
	a    int64 // µs: the constant, the mean, or the lower point
	b    int64 // µs: the upper point
	ppm  int64 // share of the lower point in millionths, 1 to 999,999
}

type kind uint8

const (
	constant kind = iota
	exponential
	twoPoints
)

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
//
// Durations are whole microseconds, up to an hour, in Go's notation; shares
// have up to four decimals and make 100 % together. Errors say what would
// have been right.
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
		return Dist{}, errors.New("lognormal isn't there yet; want 5ms, exp:5ms or two:99%*2ms,1%*100ms")
	}
	return Dist{}, fmt.Errorf("unknown form %q: want 5ms, exp:5ms or two:99%%*2ms,1%%*100ms", name)
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
	}
	return formatMicros(d.a)
}

// IsZero reports whether d is always 0.
func (d Dist) IsZero() bool { return d == Dist{} }

// Mean is the mean of d. Of an exponential it is the mean before long draws
// are cut to a scenario's bounds, which lowers it by the share exp(−bound/mean):
// less than one in 10⁹ where the bound is 21 means or more.
func (d Dist) Mean() time.Duration {
	if d.kind == twoPoints {
		// At most 10⁶ millionths of 3.6 · 10¹² ns: no overflow.
		return time.Duration((d.ppm*d.a + (1e6-d.ppm)*d.b) * int64(time.Microsecond) / 1e6)
	}
	return time.Duration(d.a) * time.Microsecond
}

// longest is the duration that bounds are checked against: the upper point,
// or an exponential's mean.
func (d Dist) longest() time.Duration {
	return time.Duration(cmp.Or(d.b, d.a)) * time.Microsecond
}

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

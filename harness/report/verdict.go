package report

import (
	"fmt"
	"math"
	"strconv"

	"workbench/harness/result"
	"workbench/harness/stats"
)

// Verdict is what a table says beside a cell's figure of how it stands to the
// reference in a metric of [result.Comparison]: "4 % less (2–6)" with the ends
// of the interval, "no difference (±2.1 %)" with the resolution,
// "large ÷ 3.9", and "" where there is no verdict.
func Verdict(exp result.Experiment, c result.Cell, metric string) string {
	return inTable(comparison(exp, c.Label, metric), true)
}

// briefly is the same where a terminal is narrow: "4 % less", "~ ±2.1 %".
func briefly(exp result.Experiment, c result.Cell, metric string) string {
	return inTable(comparison(exp, c.Label, metric), false)
}

func inTable(c *result.Comparison, whole bool) string {
	switch {
	case c == nil:
	case isLarge(c):
		return large(c)
	case differs(c):
		d := differenceOf(c.Ratio)
		s := fmt.Sprintf("%s %% %s", d.by, c.Verdict)
		switch {
		case d.times && d.more:
			s = "× " + d.by
		case d.times:
			s = "÷ " + d.by
		}
		if whole && d.interval != "" {
			s += " (" + d.interval + ")"
		}
		return s
	case c.Verdict == result.VerdictSame && c.Resolution == nil:
		return "no difference"
	case c.Verdict == result.VerdictSame && whole:
		return fmt.Sprintf("no difference (±%s %%)", percent(*c.Resolution))
	case c.Verdict == result.VerdictSame:
		return fmt.Sprintf("~ ±%s %%", percent(*c.Resolution))
	}
	return ""
}

func large(c *result.Comparison) string {
	switch {
	case !isLarge(c):
		return ""
	case c.Seen.Median > 1:
		return "large × " + factor(c.Seen.Median)
	case c.Seen.Median > 0:
		return "large ÷ " + factor(1/c.Seen.Median)
	}
	return "large" // nothing answered in most rounds: there is no factor
}

// differs reports whether a comparison's interval leaves 1 out and its verdict
// says so.
func differs(c *result.Comparison) bool {
	return c != nil && (c.Verdict == result.VerdictMore || c.Verdict == result.VerdictLess)
}

// hasVerdicts reports whether a table has more to say than what is large.
func hasVerdicts(exp result.Experiment) bool {
	for _, c := range exp.Comparisons {
		if differs(&c) || c.Verdict == result.VerdictSame {
			return true
		}
	}
	return false
}

// A difference is a ratio as figures that a reader takes in: up to a factor of
// 2 in per cent of the reference, above that a factor.
type difference struct {
	more     bool
	times    bool
	by       string // without its unit: "4", "2.3"
	interval string // "2–6", the same way and in the same unit; "" where there is none
}

func differenceOf(r result.Ratio) difference {
	d := difference{more: r.Estimate > 1}
	way := func(x float64) float64 { return 100 * (x - 1) }
	none, decimals := 0.0, 0
	switch d.times = r.Estimate > 2 || r.Estimate < 0.5; {
	case d.times && d.more:
		way, none, decimals = func(x float64) float64 { return x }, 1, 1
	case d.times:
		way, none, decimals = func(x float64) float64 { return 1 / x }, 1, 1
	case !d.more:
		way = func(x float64) float64 { return 100 * (1 - x) }
	}
	low, high, ok := ends(r)
	if !ok {
		d.by = percent(way(r.Estimate) / 100)
		if d.times {
			d.by = factor(way(r.Estimate))
		}
		return d
	}
	if !d.more {
		low, high = high, low
	}
	by, from, to := figures(way(r.Estimate), way(low), way(high), none, decimals)
	d.by, d.interval = by, from+"–"+to
	return d
}

// ends are those of a ratio's interval, if it has one.
func ends(r result.Ratio) (low, high float64, ok bool) {
	if r.Low == nil || r.High == nil {
		return 0, 0, false
	}
	return *r.Low, *r.High, true
}

// excludes reports whether a ratio has an interval that leaves 1 out.
func excludes(r result.Ratio) bool {
	low, high, ok := ends(r)
	return ok && !stats.Interval{Low: low, High: high}.Holds(1)
}

// figures are an estimate and the ends of its interval, all with so many
// decimals, and more where the three would not differ though they do, or where
// an end would be printed as none, which is no difference, though it isn't. Per
// cents, of which none is 0, have more below ten too, if their interval is
// narrow enough to carry them.
func figures(estimate, low, high, none float64, decimals int) (e, l, h string) {
	if none == 0 && math.Abs(estimate) < 10 {
		for width := high - low; width > 0 && width < 4 && decimals < 3; width *= 10 {
			decimals++
		}
	}
	for ; ; decimals++ {
		e, l, h = fixed(estimate, decimals), fixed(low, decimals), fixed(high, decimals)
		nothing := fixed(none, decimals)
		hidden := l == nothing && low != none || h == nothing && high != none
		if merged := l == h || low < estimate && e == l || estimate < high && e == h; !hidden && !merged || decimals >= 6 || low == high {
			return e, l, h
		}
	}
}

func fixed(x float64, decimals int) string {
	if decimals == 0 {
		return result.Thousands(int64(math.Round(x)))
	}
	return strconv.FormatFloat(x, 'f', decimals, 64)
}

// percent is a share in per cent, without the sign: two digits below ten,
// whole above.
func percent(share float64) string {
	x := 100 * math.Abs(share)
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	two, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 1, 64), 64) // its own output always parses
	return fixed(x, min(6, max(0, 1-int(math.Floor(math.Log10(two))))))
}

// interval is a ratio's, as multiples of the reference: "0.94–0.98".
func interval(low, high float64) string {
	_, l, h := figures((low+high)/2, low, high, 1, 2)
	if low == high {
		return l
	}
	return l + "–" + h
}

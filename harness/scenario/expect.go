package scenario

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// An Expectation is something that theory, or somebody else's measurement, lets
// one expect of a sweep's grid. It stands in the sweep's file, written before
// anything is measured, and the report says whether it held:
//
//	p99 of iterative > 3 x goroutine at wait=exp:3ms | it waits for all that came before
//	p50 of goroutine < 1.5 x service | a request waits for nothing but its own work
//	spread of cpu < 2 at idle=0 | an event loop and processes differ by tens of per cent
//	pool unable at idle=1000 | silent connections keep its workers
//	reactor-pool able at idle=1000 | a silent connection keeps none
//
// Before the bar is what is expected, and at which points of the grid: where
// every axis that is named has that value; without any, everywhere. Behind it are
// the words that it stands for. Figures are compared as they were seen, as
// medians or merged percentiles, so a factor should leave room for noise.
type Expectation struct {
	Words string

	Kind    string  // ExpectRatio, ExpectSpread, ExpectAble or ExpectUnable
	Metric  string  // of a ratio or spread: "cpu", "throughput", "p50" or "p99"
	Model   string  // a label, or a spec as tables show it; "" of a spread
	Against string  // the other model of a ratio, or ExpectService
	Above   bool    // the ratio, or the spread, is above the factor; else below it
	Factor  float64 // above 0
	At      []Axis
}

// The kinds of expectations.
const (
	ExpectRatio  = "ratio"  // the figure of a model over that of another
	ExpectSpread = "spread" // the largest figure over the least, of all models that can take part
	ExpectAble   = "able"   // the model takes part
	ExpectUnable = "unable" // it can't
)

// ExpectService stands, in the place of the other model, for the time that the
// model's own requests were at work.
const ExpectService = "service"

var expectable = []string{"cpu", "throughput", "p50", "p99"}

// ParseExpectation reads an expectation. An error says what would be right.
func ParseExpectation(text string) (e Expectation, err error) {
	const form = "want METRIC of MODEL > FACTOR x MODEL, spread of METRIC < FACTOR, MODEL able or MODEL unable, then perhaps at AXIS=VALUE and AXIS=VALUE, and behind a bar | what that stands for"
	rule, words, ok := strings.Cut(text, "|")
	if e.Words = strings.TrimSpace(words); !ok || e.Words == "" {
		return e, fmt.Errorf("%q has no words behind a bar: %s", text, form)
	}
	if err := checkClaim(e.Words); err != nil {
		return e, err
	}
	rule, where, located := strings.Cut(strings.TrimSpace(rule), " at ")
	if located {
		for term := range strings.SplitSeq(where, " and ") {
			key, value, ok := strings.Cut(strings.TrimSpace(term), "=")
			if !ok || key == "" || value == "" {
				return e, fmt.Errorf("%q: want at AXIS=VALUE, such as at idle=1000", text)
			}
			e.At = append(e.At, Axis{key, value})
		}
	}
	switch w := strings.Fields(rule); {
	case len(w) == 2 && (w[1] == ExpectAble || w[1] == ExpectUnable):
		e.Kind, e.Model = w[1], w[0]
		return e, nil
	case len(w) == 7 && w[1] == "of" && w[5] == "x":
		e.Kind, e.Metric, e.Model, e.Against = ExpectRatio, w[0], w[2], w[6]
		err = e.compare(w[3], w[4])
	case len(w) == 5 && w[0] == ExpectSpread && w[1] == "of":
		e.Kind, e.Metric = ExpectSpread, w[2]
		err = e.compare(w[3], w[4])
	default:
		err = errors.New(form)
	}
	if err != nil {
		return e, fmt.Errorf("%q: %w", text, err)
	}
	return e, nil
}

// compare reads the metric's sign and factor.
func (e *Expectation) compare(sign, factor string) error {
	known := false
	for _, m := range expectable {
		known = known || m == e.Metric
	}
	if !known {
		return fmt.Errorf("no metric %q: want one of %s", e.Metric, strings.Join(expectable, ", "))
	}
	if sign != ">" && sign != "<" {
		return fmt.Errorf("%q: want > or <", sign)
	}
	f, err := strconv.ParseFloat(factor, 64)
	if err != nil || !(f > 0 && f <= 1e6) {
		return fmt.Errorf("factor %q: want a number above 0, such as 1.5", factor)
	}
	e.Above, e.Factor = sign == ">", f
	return nil
}

// Here reports whether the expectation is of a point of the grid: axes are what
// varies there.
func (e Expectation) Here(axes []Axis) bool {
	for _, want := range e.At {
		found := false
		for _, a := range axes {
			found = found || a == want
		}
		if !found {
			return false
		}
	}
	return true
}

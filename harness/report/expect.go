package report

import (
	"fmt"
	"slices"
	"strings"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// An outcome is what became of an expectation.
type outcome struct {
	words string
	held  string   // "Held", "Did not hold" or "Can't be told"
	seen  []string // at each point
}

const (
	outcomeHeld    = "Held"
	outcomeNot     = "Did not hold"
	outcomeUnknown = "Can't be told"
)

// outcomes are what became of the expectations of a grid. One held if it did at
// every point that it is about.
func outcomes(run result.Run, number int) (all []outcome) {
	if number >= len(run.Expected) {
		return nil
	}
	within := ofGrid(run, number)
	for _, text := range run.Expected[number] {
		e, err := scenario.ParseExpectation(text)
		if err != nil {
			all = append(all, outcome{text, outcomeUnknown, []string{"this version does not understand it"}})
			continue
		}
		o := outcome{words: e.Words, held: outcomeHeld}
		for _, exp := range within {
			if !e.Here(exp.Axes) {
				continue
			}
			held, seen := became(e, exp)
			if varies := slices.DeleteFunc(slices.Clone(exp.Axes), func(a scenario.Axis) bool { return slices.Contains(e.At, a) }); len(varies) > 0 {
				seen = places(varies) + ": " + seen
			}
			o.seen = append(o.seen, seen)
			switch {
			case held == outcomeNot, held == outcomeUnknown && o.held == outcomeHeld:
				o.held = held
			}
		}
		if len(o.seen) == 0 {
			o.held, o.seen = outcomeUnknown, []string{"nothing was measured there"}
		}
		all = append(all, o)
	}
	return all
}

// became is what became of an expectation in one experiment, and what was seen.
func became(e scenario.Expectation, exp result.Experiment) (held, seen string) {
	switch e.Kind {
	case scenario.ExpectAble, scenario.ExpectUnable:
		return takesPart(e, exp)
	case scenario.ExpectSpread:
		return spreadOf(e, exp)
	}
	of, why := figureOf(e.Metric, exp, e.Model)
	if why != "" {
		return outcomeUnknown, why
	}
	if e.Against == scenario.ExpectService {
		c, _ := cellNamed(exp, e.Model)
		service, why := serviceIn(e.Metric, c)
		if why != "" {
			return outcomeUnknown, why
		}
		return judge(e, of/service, fmt.Sprintf("%s %s, its service %s", e.Model, inUnits(e.Metric, of), inUnits(e.Metric, service)))
	}
	against, why := figureOf(e.Metric, exp, e.Against)
	if why != "" {
		return outcomeUnknown, why
	}
	return judge(e, of/against, fmt.Sprintf("%s %s, %s %s", e.Model, inUnits(e.Metric, of), e.Against, inUnits(e.Metric, against)))
}

// judge compares a ratio with what was expected.
func judge(e scenario.Expectation, ratio float64, seen string) (held, _ string) {
	sign := "below"
	if e.Above {
		sign = "above"
	}
	seen += fmt.Sprintf(": %.3g ×, expected %s %g ×", ratio, sign, e.Factor)
	if (ratio > e.Factor) == e.Above && ratio != e.Factor {
		return outcomeHeld, seen
	}
	return outcomeNot, seen
}

func takesPart(e scenario.Expectation, exp result.Experiment) (held, seen string) {
	c, ok := cellNamed(exp, e.Model)
	switch {
	case !ok:
		return outcomeUnknown, e.Model + " did not take part"
	case c.Unable != "":
		held, seen = outcomeNot, fmt.Sprintf("%s can't: %s", e.Model, c.Unable)
	case c.Slices == 0 || !c.Valid:
		return outcomeUnknown, e.Model + " has no valid figures"
	default:
		held, seen = outcomeHeld, fmt.Sprintf("%s answered %s requests/s", e.Model, rate(exp, c))
	}
	if e.Kind == scenario.ExpectUnable {
		held = map[string]string{outcomeHeld: outcomeNot, outcomeNot: outcomeHeld}[held]
	}
	return held, seen
}

// spreadOf is about the largest figure over the least.
func spreadOf(e scenario.Expectation, exp result.Experiment) (held, seen string) {
	var least, most float64
	var leastOf, mostOf string
	n := 0
	for _, c := range exp.Cells {
		if c.Twin || c.Unable != "" {
			continue
		}
		v, why := figureIn(e.Metric, c)
		if why != "" {
			continue
		}
		if n++; n == 1 || v < least {
			least, leastOf = v, c.Display
		}
		if n == 1 || v > most {
			most, mostOf = v, c.Display
		}
	}
	if n < 2 {
		return outcomeUnknown, "fewer than two models have the figure"
	}
	return judge(e, most/least, fmt.Sprintf("%s from %s (%s) to %s (%s)", inWords(e.Metric), inUnits(e.Metric, least), leastOf, inUnits(e.Metric, most), mostOf))
}

// cellNamed is the cell of a model by its label, or by its spec as tables show it.
func cellNamed(exp result.Experiment, name string) (result.Cell, bool) {
	i := slices.IndexFunc(exp.Cells, func(c result.Cell) bool {
		return !c.Twin && (c.Label == name || c.Display == name || c.Model == name)
	})
	if i < 0 {
		return result.Cell{}, false
	}
	return exp.Cells[i], true
}

func figureOf(metric string, exp result.Experiment, name string) (v float64, why string) {
	c, ok := cellNamed(exp, name)
	if !ok {
		return 0, name + " did not take part"
	}
	return figureIn(metric, c)
}

// figureIn is a cell's figure, or why there is none.
func figureIn(metric string, c result.Cell) (v float64, why string) {
	var p *float64
	switch s := c.LatencyUs; {
	case c.Unable != "":
		return 0, fmt.Sprintf("%s can't: %s", c.Display, c.Unable)
	case !c.Valid:
		return 0, c.Display + " has no valid figures"
	case metric == "cpu" && c.ServerCPUUsPerRequest != nil:
		p = &c.ServerCPUUsPerRequest.Median
	case metric == "throughput" && c.ThroughputPerS != nil:
		p = &c.ThroughputPerS.Median
	case metric == "p50" && s != nil:
		p = s.P50
	case metric == "p99" && s != nil:
		p = s.P99
	}
	if p == nil || *p <= 0 {
		return 0, fmt.Sprintf("%s has no %s", c.Display, inWords(metric))
	}
	return *p, ""
}

// serviceIn is the percentile of the time that a cell's requests were at work.
func serviceIn(metric string, c result.Cell) (v float64, why string) {
	if s := c.ServiceUs; s != nil {
		p := map[string]*float64{"p50": s.P50, "p99": s.P99}[metric]
		if p != nil && *p > 0 {
			return *p, ""
		}
	}
	return 0, fmt.Sprintf("%s has no %s of its service", c.Display, inWords(metric))
}

func inWords(metric string) string {
	switch metric {
	case "cpu":
		return "CPU per request"
	case "throughput":
		return "requests/s"
	}
	return metric
}

func inUnits(metric string, v float64) string {
	if metric == "throughput" {
		return result.Thousands(int64(v)) + "/s"
	}
	return result.Micros(v)
}

// expected is the part of a grid's page about its expectations.
func (g grid) expected() []part {
	all := outcomes(g.run, g.number)
	if len(all) == 0 {
		return nil
	}
	p := part{heading: "What was expected, and what became of it", level: 3, listed: true}
	for _, o := range all {
		p.lines = append(p.lines, fmt.Sprintf("%s: %s (%s)", o.held, o.words, strings.Join(o.seen, "; ")))
	}
	return []part{p}
}

// expectedBriefly is one sentence about a grid's expectations, "" where there are
// none.
func expectedBriefly(run result.Run, number int) string {
	all := outcomes(run, number)
	if len(all) == 0 {
		return ""
	}
	held := 0
	var others []string
	for _, o := range all {
		if o.held == outcomeHeld {
			held++
			continue
		}
		others = append(others, fmt.Sprintf("%s: %s", strings.ToLower(o.held[:1])+o.held[1:], o.words))
	}
	said := fmt.Sprintf("Of %s %d held.", count(len(all), "expectation"), held)
	if len(others) > 0 {
		said = strings.TrimSuffix(said, ".") + "; " + strings.Join(others, "; ") + "."
	}
	return said
}

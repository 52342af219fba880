package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// cliffs are the grid's, in words.
func (g grid) cliffs() (lines []string) {
	for _, c := range analysis.Cliffs(g.run) {
		if c.Grid != g.number {
			continue
		}
		where := c.Where
		if !slices.ContainsFunc(where, isScenario) && c.Scenario != "" {
			where = append(slices.Clone(where), scenario.Axis{Key: "scenario", Value: c.Scenario})
		}
		between := fmt.Sprintf("%s=%s and %s=%s", c.Key, c.From, c.Key, c.To)
		if c.Key == "clients" {
			between = fmt.Sprintf("%s and %s clients", c.From, c.To)
		}
		from, by := result.Significant(c.High), factor(c.Fall())
		if c.AtLeast {
			from, by = "≥ "+from, by+" or more"
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s: requests/s fall from %s to %s (÷ %s) between %s %s",
			c.Model, from, result.Significant(c.Low), by, between, places(where))))
	}
	return lines
}

// scalability is the table of fits, and why there are no others.
func (g grid) scalability() []part {
	t := &gridTable{
		title:   "Scalability over clients: requests/s = γN/(1 + σ(N−1) + κN(N−1))",
		columns: []string{"model", "γ: one client alone", "σ: contention", "κ: coherency", "N*: peak at", "fitted over N"},
	}
	why := said{}
	confidence := 0.0
	several := false
	for _, s := range g.run.Scalability {
		several = several || s.Grid == g.number && len(s.Where) > 0
	}
	for _, s := range g.run.Scalability {
		if s.Grid != g.number {
			continue
		}
		label := g.nameOf(s.Label)
		if several {
			label += " " + places(s.Where)
		}
		if s.Gamma == nil || s.Sigma == nil || s.Kappa == nil {
			why.add(s.Why, label, "")
			continue
		}
		confidence = s.Confidence
		peak := "none in sight"
		if s.PeakAt != nil {
			peak = within(s.PeakAt)
		}
		t.rows = append(t.rows, []gridCell{{text: label}, {text: within(s.Gamma)}, {text: within(s.Sigma)}, {text: within(s.Kappa)}, {text: peak}, {text: spanned(s.Clients)}})
	}
	var notes []string
	for _, r := range why.list {
		notes = append(notes, fmt.Sprintf("no fit: %s (%s)", r.why, list(r.at[0].names)))
	}
	switch {
	case len(t.rows) > 0:
		about := fmt.Sprintf("intervals of %.4g %% each, from restarts; how the machine drifted from one number of clients to the next is not in them", 100*confidence)
		return []part{{table: t, lines: append([]string{about}, notes...)}}
	case len(notes) > 0:
		return []part{{heading: "Scalability over clients", level: 3, lines: notes, listed: true}}
	}
	return nil
}

// within is an estimate and its interval.
func within(i *result.Interval) string {
	return fmt.Sprintf("%s (%s–%s)", small(i.Estimate), small(i.Low), small(i.High))
}

// small is a figure that may be of any size.
func small(x float64) string {
	if x != 0 && x > -1e-6 && x < 1e-6 {
		return strconv.FormatFloat(x, 'e', 1, 64)
	}
	return result.Significant(x)
}

func spanned(clients []int) string {
	if len(clients) == 0 {
		return "–"
	}
	return fmt.Sprintf("%s–%s (%d values)", result.Thousands(int64(slices.Min(clients))), result.Thousands(int64(slices.Max(clients))), len(clients))
}

func (g grid) nameOf(label string) string {
	for _, p := range g.outer {
		for _, row := range gridRows(p.exps) {
			if row.label == label {
				return row.name
			}
		}
	}
	return label
}

// answer says by each ranked metric who is best and where, each set of models
// once, and who is far off.
func (g grid) answer() (lines []string) {
	if _, total := g.standings(metricCPU); total == 0 {
		return []string{"Nothing was measured."}
	}
	if !slices.ContainsFunc(g.outer, func(p panel) bool {
		return slices.ContainsFunc(p.exps, func(e result.Experiment) bool { return e.Reference != "" })
	}) {
		return []string{"Without a reference nothing is compared."}
	}
	for _, f := range gridFigures {
		if f.metric != "" {
			lines = append(lines, g.bestInWords(f))
		}
	}
	return lines
}

// A standing is who is best, and the experiments in which they are.
type standing struct {
	names []string // nil: nothing is ranked
	all   bool     // nobody is told apart
	some  bool     // others are not ranked
	exps  []string
}

func (g grid) standings(metric string) (standings []standing, total int) {
	for _, p := range g.outer {
		for _, exp := range p.exps {
			if len(exp.Cells) == 0 {
				continue
			}
			total++
			s := standing{exps: []string{exp.Name}}
			among := best(exp, metric)
			figures := 0
			for _, row := range gridRows([]result.Experiment{exp}) {
				if c, _ := cellOf(exp, row.label); c.Slices == 0 || c.Unable != "" {
					continue
				}
				figures++
				if among[row.label] {
					s.names = append(s.names, row.name)
				}
				c := comparison(exp, row.label, metric)
				s.some = s.some || row.label != exp.Reference && (c == nil || c.Group == "" && !isLarge(c))
			}
			if len(s.names) == 0 {
				s.some = false
			}
			if s.all = len(s.names) > 1 && len(s.names) == figures; s.all {
				s.names = []string{"all"}
			}
			i := slices.IndexFunc(standings, func(o standing) bool {
				return o.all == s.all && o.some == s.some && slices.Equal(o.names, s.names)
			})
			if i < 0 {
				standings = append(standings, s)
				continue
			}
			standings[i].exps = append(standings[i].exps, exp.Name)
		}
	}
	return standings, total
}

func (g grid) bestInWords(f gridFigure) string {
	standings, total := g.standings(f.metric)
	var words []string
	unranked := ""
	for _, s := range standings {
		where, best := g.everywhere(s.exps, total), "best"
		if s.some {
			best = "best of those ranked"
		}
		switch {
		case len(s.names) == 0 && where == everywhere:
			unranked = "nothing is ranked"
		case len(s.names) == 0:
			unranked = "nothing is ranked " + where
		case s.all && where == everywhere:
			words = append(words, "no model is told apart from another")
		case s.all:
			words = append(words, "no model is told apart from the others "+where)
		case len(s.names) == 1:
			words = append(words, fmt.Sprintf("%s is %s %s", s.names[0], best, where))
		default:
			words = append(words, fmt.Sprintf("%s are %s, and not told apart, %s", list(s.names), best, where))
		}
	}
	if unranked != "" {
		words = append(words, unranked)
	}
	if far := g.farOff(f, total); far != "" {
		words = append(words, far)
	}
	return "By " + f.say + ", " + strings.Join(words, "; ") + "."
}

// farOff names who is large and where: of a quick look it is all that can be
// said.
func (g grid) farOff(f gridFigure, total int) string {
	var names []string
	reference := ""
	at := map[string][]string{} // by name, experiments
	for _, p := range g.outer {
		for _, exp := range p.exps {
			for _, row := range gridRows([]result.Experiment{exp}) {
				if cell, _ := cellOf(exp, row.label); !isLarge(comparison(exp, row.label, f.metric)) || exp.Suspect || !cell.Valid || cell.Unable != "" {
					continue
				}
				if reference = labelled(exp, exp.Reference); at[row.name] == nil {
					names = append(names, row.name)
				}
				at[row.name] = append(at[row.name], exp.Name)
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	var spots []string
	who := map[string][]string{} // by place, names
	for _, n := range names {
		where := g.everywhere(at[n], total)
		if who[where] == nil {
			spots = append(spots, where)
		}
		who[where] = append(who[where], n)
	}
	for i, where := range spots {
		spots[i] = list(who[where]) + " " + where
	}
	return fmt.Sprintf("more than a factor of 2 from %s: %s", reference, strings.Join(spots, ", "))
}

const everywhere = "everywhere"

// everywhere is where some of a grid's experiments are, in as few words as tell
// it: whole panels without their columns.
func (g grid) everywhere(names []string, total int) string {
	if len(names) == total {
		if total == 1 && g.inner == "" {
			return place("", names)
		}
		return everywhere
	}
	type group struct {
		columns string   // "" is all of them
		values  []string // of the outer axis, where there is one
		words   []string
	}
	var groups []group
	for _, p := range g.outer {
		var columns []string
		measured := 0
		for _, exp := range p.exps {
			if len(exp.Cells) > 0 {
				measured++
			}
			if slices.Contains(names, exp.Name) {
				columns = append(columns, g.at(exp))
			}
		}
		if len(columns) == 0 {
			continue
		}
		at := ""
		if len(columns) < measured || len(p.where) == 0 {
			at = g.join(columns)
		}
		i := slices.IndexFunc(groups, func(o group) bool { return o.columns == at })
		if i < 0 {
			i = len(groups)
			groups = append(groups, group{columns: at})
		}
		if len(p.where) == 1 {
			groups[i].values = append(groups[i].values, p.where[0].Value)
		}
		groups[i].words = append(groups[i].words, strings.TrimSpace(at+" "+places(p.where)))
	}
	var words []string
	for _, o := range groups {
		if len(o.values) == len(o.words) { // one outer axis: its values in one breath
			words = append(words, strings.TrimSpace(o.columns+" "+place(g.outer[0].where[0].Key, o.values)))
			continue
		}
		words = append(words, o.words...)
	}
	return list(words)
}

// said collects reasons, each once, with whom they concern and where.
type said struct{ list []reason }

type reason struct {
	why string
	at  []spot // in the order of columns
}

type spot struct {
	column string
	names  []string
}

func (s *said) add(why, name, column string) {
	i := slices.IndexFunc(s.list, func(r reason) bool { return r.why == why })
	if i < 0 {
		i = len(s.list)
		s.list = append(s.list, reason{why: why})
	}
	r := &s.list[i]
	j := slices.IndexFunc(r.at, func(p spot) bool { return p.column == column })
	if j < 0 {
		j = len(r.at)
		r.at = append(r.at, spot{column: column})
	}
	if !slices.Contains(r.at[j].names, name) {
		r.at[j].names = append(r.at[j].names, name)
	}
}

// who is whom a reason concerns and where: "pool and iterative at 8 clients".
// Columns that concern the same are told together, and a whole row's without
// saying where.
func (g grid) who(r reason, p panel) string {
	var parts []string
	done := map[string]bool{}
	for _, s := range r.at {
		key := strings.Join(s.names, "\n")
		if done[key] {
			continue
		}
		done[key] = true
		var columns []string
		for _, o := range r.at {
			if slices.Equal(o.names, s.names) {
				columns = append(columns, o.column)
			}
		}
		words := list(s.names)
		if n := len(gridRows(p.exps)); n > 2 && len(s.names) >= n-1 { // the reference has no verdict of its own
			words = "all"
		}
		if g.inner != "" && len(columns) < len(p.exps) {
			words += " " + g.join(columns)
		}
		parts = append(parts, words)
	}
	return strings.Join(parts, "; ")
}

// at is an experiment's value on the inner axis.
func (g grid) at(exp result.Experiment) string { return columnTitle(exp, g.inner) }

// join says where on the inner axis some columns are.
func (g grid) join(columns []string) string { return place(g.inner, columns) }

// place is where on an axis something was seen, in words.
func place(key string, values []string) string {
	switch {
	case key == "" || key == "scenario" || key == "scenarios":
		return "under " + list(values)
	case key == "clients" && len(values) == 1 && values[0] == "1":
		return "at 1 client"
	case key == "clients":
		return "at " + list(values) + " clients"
	case isRate(key):
		return "at " + list(values) + " arrivals/s"
	}
	return "with " + key + " " + list(values)
}

// places is a point of several axes.
func places(where []scenario.Axis) string {
	var words []string
	for _, a := range where {
		words = append(words, place(a.Key, []string{a.Value}))
	}
	return strings.Join(words, ", ")
}

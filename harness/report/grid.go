package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// Sweep is what a sweep's experiments say together, for a terminal of the given
// width in columns; 0 for no limit: for each grid its question, tables of CPU
// per request, requests/s and p99 with a row for each model and a column for
// each value of the axis that varies, what falls off a cliff, how models scale
// over clients, and an answer in words. Where there are several axes, the number
// of clients or the rate makes the columns, else the last of them, and each
// combination of the others has tables of its own. It ends in a newline.
//
// The best are marked: the model with the best figure and all that can't be told
// apart from it, by the letters of the record's comparisons. Absolute figures
// are told apart within a column alone, where models were measured in turns.
func Sweep(run result.Run, width int) string {
	var b strings.Builder
	for _, g := range gridsOf(run) {
		for _, p := range g.page() {
			b.WriteString(p.text(width))
		}
	}
	if b.Len() == 0 {
		return ""
	}
	return strings.TrimRight(b.String(), "\n") + "\n" // a blank line sets grids apart, and none follows the last
}

// SweepMarkdown is the same in GitHub's Markdown, a section of the second level
// for each grid. The best are bold.
func SweepMarkdown(run result.Run) string {
	var b strings.Builder
	for _, g := range gridsOf(run) {
		for _, p := range g.page() {
			b.WriteString(p.markdown())
		}
	}
	return b.String()
}

// A grid is the experiments of a sweep that ask one question, as its tables show
// them.
type grid struct {
	run      result.Run
	number   int
	question string
	inner    string // key of the axis that makes the columns, "" where nothing varies
	outer    []panel
}

// A panel is the experiments of a grid that differ in the inner axis alone: the
// columns of a table.
type panel struct {
	where []scenario.Axis // the other axes
	exps  []result.Experiment
}

func gridsOf(run result.Run) (all []grid) {
	for _, exp := range run.Experiments {
		if slices.ContainsFunc(all, func(g grid) bool { return g.number == exp.Grid }) {
			continue
		}
		g := grid{run: run, number: exp.Grid}
		if exp.Grid < len(run.Questions) {
			g.question = run.Questions[exp.Grid]
		}
		g.inner = innerAxis(exp.Axes)
		for _, exp := range run.Experiments {
			if exp.Grid != g.number {
				continue
			}
			where := slices.DeleteFunc(slices.Clone(exp.Axes), func(a scenario.Axis) bool { return a.Key == g.inner })
			i := slices.IndexFunc(g.outer, func(p panel) bool { return slices.Equal(p.where, where) })
			if i < 0 {
				i = len(g.outer)
				g.outer = append(g.outer, panel{where: where})
			}
			g.outer[i].exps = append(g.outer[i].exps, exp)
		}
		all = append(all, g)
	}
	return all
}

// innerAxis is the one that is read along: what a server is asked for more of,
// if that varies.
func innerAxis(axes []scenario.Axis) string {
	for _, a := range axes {
		if a.Key == "clients" || isRate(a.Key) {
			return a.Key
		}
	}
	if len(axes) == 0 {
		return ""
	}
	return axes[len(axes)-1].Key
}

func isRate(key string) bool { return key == "rate" || key == "rates" }

// A part of a page is a heading, some lines of text, or a table with notes.
type part struct {
	heading string
	level   int // of the heading: 2 is a grid's
	table   *gridTable
	lines   []string // below it
	listed  bool     // the lines are items
}

type gridTable struct {
	title   string
	columns []string // the first is of the rows' names
	rows    [][]gridCell
}

type gridCell struct {
	text    string
	best    bool
	invalid bool
}

// mark is what a terminal shows behind the figure, in one column.
func (c gridCell) mark() string {
	switch {
	case c.best:
		return "*"
	case c.invalid:
		return "†"
	}
	return ""
}

// A figure is what a table is about.
type gridFigure struct {
	title  string // of the table
	say    string // in a sentence
	metric string // whose letters tell the best; "" where there are none
	of     func(result.Experiment, result.Cell) string
}

var gridFigures = []gridFigure{
	{"CPU per request", "CPU per request", metricCPU, func(_ result.Experiment, c result.Cell) string { return median(c.ServerCPUUsPerRequest, result.Micros) }},
	{"requests/s", "requests/s", metricThroughput, func(e result.Experiment, c result.Cell) string { return rate(e, c) }},
	{"p99", "p99", "", func(e result.Experiment, c result.Cell) string { return percentile(e, c, 0.99) }},
}

func (g grid) page() (page []part) {
	heading := g.question
	if heading == "" {
		heading = "Grid " + strconv.Itoa(g.number+1)
	}
	page = append(page, part{heading: oneLine(heading), level: 2}, part{lines: []string{g.summary()}})
	for _, p := range g.outer {
		if len(p.where) > 0 {
			page = append(page, part{heading: strings.ToUpper(places(p.where)[:1]) + places(p.where)[1:], level: 3})
		}
		for _, f := range gridFigures {
			t, notes, some := g.table(p, f)
			if some {
				page = append(page, part{table: t, lines: notes})
			}
		}
		if notes := g.notes(p); len(notes) > 0 {
			page = append(page, part{lines: notes, listed: true})
		}
	}
	if cliffs := g.cliffs(); len(cliffs) > 0 {
		page = append(page, part{heading: "Cliffs: requests/s fall by more than half between neighbours", level: 3, lines: cliffs, listed: true})
	}
	page = append(page, g.scalability()...)
	page = append(page, part{heading: "Over this grid", level: 3, lines: g.answer(), listed: true})
	return append(page, g.expected()...)
}

// summary says what was played, and what is missing.
func (g grid) summary() string {
	var keys []string
	values := map[string][]string{}
	n, begun := 0, 0
	for _, p := range g.outer {
		for _, exp := range p.exps {
			n++
			if len(exp.Cells) > 0 {
				begun++
			}
			for _, a := range exp.Axes {
				if !slices.Contains(keys, a.Key) {
					keys = append(keys, a.Key)
				}
				if !slices.Contains(values[a.Key], a.Value) {
					values[a.Key] = append(values[a.Key], a.Value)
				}
			}
		}
	}
	var over []string
	for _, k := range keys {
		over = append(over, fmt.Sprintf("%s (%s)", k, strings.Join(values[k], ", ")))
	}
	s := count(n, "experiment")
	if len(over) > 0 {
		s += ": " + strings.Join(over, " × ")
	}
	if begun < n {
		s += fmt.Sprintf(" · %d of %d measured", begun, n)
	}
	return s
}

// table is a figure of a panel, with what is to be said below it, and whether
// any cell has it.
func (g grid) table(p panel, f gridFigure) (t *gridTable, notes []string, some bool) {
	t = &gridTable{title: f.title, columns: []string{"model"}}
	if g.inner != "" && g.inner != "scenario" && g.inner != "scenarios" {
		t.title += ", by " + g.inner
	}
	for _, exp := range p.exps {
		title := columnTitle(exp, g.inner)
		if exp.Suspect {
			title += " (suspect)"
		}
		t.columns = append(t.columns, title)
	}
	bests := make([]map[string]bool, len(p.exps))
	marked := false
	for i, exp := range p.exps {
		bests[i] = best(exp, f.metric)
		marked = marked || len(bests[i]) > 0
	}
	short := said{}
	for _, row := range gridRows(p.exps) {
		cells := []gridCell{{text: row.name}}
		for i, exp := range p.exps {
			text, invalid := "–", false
			if c, ok := cellOf(exp, row.label); ok {
				switch {
				case c.Unable != "":
					text = "can't"
				default:
					text = f.of(exp, c)
					if why, ok := strings.CutPrefix(text, "n/a ("); ok {
						short.add(unavailable(strings.TrimSuffix(why, ")")), row.name, g.at(exp))
						text = "n/a"
					}
					invalid = !c.Valid && c.Slices > 0
				}
			}
			some = some || text != "–"
			cells = append(cells, gridCell{text, bests[i][row.label], invalid})
		}
		t.rows = append(t.rows, cells)
	}
	if marked {
		notes = append(notes, "")
	}
	for _, s := range short.list {
		notes = append(notes, fmt.Sprintf("n/a: %s (%s)", s.why, g.who(s, p)))
	}
	return t, append(notes, g.unranked(p, f)...), some
}

// unavailable is why a percentile is not to be had, without what differs from
// cell to cell: a table of each experiment has that.
func unavailable(why string) string {
	if _, of, ok := strings.Cut(why, " of "); ok && strings.HasSuffix(of, " requests") {
		return "fewer than " + of
	}
	if strings.HasSuffix(why, " % unanswered") {
		return "it lies among requests that had no answer"
	}
	return why
}

// unranked says of whom a table can't tell whether it is among the best, each
// reason once. That of a suspect experiment is told beside all tables: in the
// record it has figures of its own in every one.
func (g grid) unranked(p panel, f gridFigure) (notes []string) {
	if f.metric == "" {
		return nil
	}
	why := said{}
	for _, exp := range p.exps {
		if exp.Suspect {
			continue
		}
		for _, row := range gridRows([]result.Experiment{exp}) {
			cell, _ := cellOf(exp, row.label)
			c := comparison(exp, row.label, f.metric)
			if c == nil || c.Group != "" || isLarge(c) || cell.Unable != "" || !cell.Valid { // the latter are told of beside all tables
				continue
			}
			why.add(cmp.Or(c.Why, "no verdict"), row.name, g.at(exp))
		}
	}
	for _, s := range why.list {
		notes = append(notes, fmt.Sprintf("not ranked: %s (%s)", s.why, g.who(s, p)))
	}
	return notes
}

// best are the labels of those that no other was found to beat in a metric:
// whoever has the best ratio to the reference, and all that share a letter with
// it. A model that left the rounds as large has no letter; on the better side it
// is among the best, for it is beyond doubt better than the reference, and
// nothing tells it from others of which that is true. Where there are no
// letters, and others than large ones, nobody is.
func best(exp result.Experiment, metric string) map[string]bool {
	type item struct {
		label, letters string
		ratio          float64
	}
	var items []item
	lettered, undecided, sawReference := false, false, false
	for _, c := range exp.Comparisons {
		if cell, ok := cellOf(exp, c.Model); c.Metric != metric || !ok || cell.Twin {
			continue
		}
		if !sawReference {
			items = append(items, item{c.Reference, "", 1})
			sawReference = true
		}
		if c.ReferenceGroup != "" { // with those that have letters themselves alone
			items[0].letters, lettered = c.ReferenceGroup, true
		}
		switch {
		case c.Group != "":
			items = append(items, item{c.Model, c.Group, c.Ratio.Estimate})
			lettered = true
		case isLarge(&c):
			items = append(items, item{c.Model, "", c.Ratio.Estimate})
		default:
			undecided = true
		}
	}
	if len(items) == 0 || exp.Suspect || !lettered && undecided {
		return nil
	}
	better := func(a, b float64) bool {
		if metric == metricThroughput {
			return a > b
		}
		return a < b
	}
	top := items[0]
	for _, i := range items[1:] {
		if better(i.ratio, top.ratio) {
			top = i
		}
	}
	among := map[string]bool{}
	for _, i := range items {
		isReference := i.label == exp.Reference
		large := i.letters == "" && !isReference
		among[i.label] = i.label == top.label || strings.ContainsAny(i.letters, top.letters) || large && better(i.ratio, 1)
	}
	return trues(among)
}

// trues leaves out what is false, so that a length tells.
func trues(m map[string]bool) map[string]bool {
	for k, v := range m {
		if !v {
			delete(m, k)
		}
	}
	return m
}

// A gridRow is a model of a table.
type gridRow struct{ label, name string }

// gridRows are the labels of some experiments, the reference first and without
// its twin, whose part is to raise an alarm.
func gridRows(exps []result.Experiment) (all []gridRow) {
	for _, exp := range exps {
		for _, c := range rows(exp) {
			if !c.Twin && !slices.ContainsFunc(all, func(r gridRow) bool { return r.label == c.Label }) {
				all = append(all, gridRow{c.Label, name(exp, c)})
			}
		}
	}
	return all
}

func cellOf(exp result.Experiment, label string) (result.Cell, bool) {
	i := slices.IndexFunc(exp.Cells, func(c result.Cell) bool { return c.Label == label })
	if i < 0 {
		return result.Cell{}, false
	}
	return exp.Cells[i], true
}

func columnTitle(exp result.Experiment, inner string) string {
	for _, a := range exp.Axes {
		if a.Key == inner {
			return a.Value
		}
	}
	return exp.Name
}

// notes are what concerns all tables of a panel.
func (g grid) notes(p panel) (notes []string) {
	unable, invalid := said{}, said{}
	var suspect []string
	for _, exp := range p.exps {
		if exp.Suspect {
			suspect = append(suspect, g.at(exp))
		}
		for _, row := range gridRows([]result.Experiment{exp}) {
			c, _ := cellOf(exp, row.label)
			switch {
			case c.Unable != "":
				unable.add(c.Unable, row.name, g.at(exp))
			case !c.Valid && c.Slices > 0:
				invalid.add(cmp.Or(strings.Join(c.Warnings, "; "), "no reason recorded"), row.name, g.at(exp))
			}
		}
	}
	for _, s := range unable.list {
		notes = append(notes, fmt.Sprintf("can't: %s (%s)", s.why, g.who(s, p)))
	}
	for _, s := range invalid.list {
		notes = append(notes, fmt.Sprintf("†: not valid: %s (%s)", s.why, g.who(s, p)))
	}
	if len(suspect) > 0 {
		notes = append(notes, fmt.Sprintf("suspect %s: the reference's twin, the same server once more, differs from it, so whatever differs there may be nothing: no verdicts", g.join(suspect)))
	}
	return notes
}

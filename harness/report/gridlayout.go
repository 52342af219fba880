package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// What stands for the first line below a table that has marks.
const (
	bestText     = "*: best of those ranked, or not told apart from it"
	bestMarkdown = "bold: best of those ranked, or not told apart from it"
)

func (p part) text(width int) string {
	var b strings.Builder
	if p.heading != "" {
		b.WriteString(Wrap(p.heading+"\n", width))
		if p.level == 2 {
			return b.String()
		}
	}
	if p.table != nil {
		b.WriteString(Wrap(p.table.title+"\n", width))
		for i, lines := range p.table.columnsWithin(width - 2) {
			if i > 0 {
				b.WriteString("\n")
			}
			for _, l := range lines {
				b.WriteString(strings.TrimRight("  "+l, " ") + "\n")
			}
		}
	}
	for _, l := range p.lines {
		if l == "" {
			l = bestText
		}
		if p.heading != "" || p.table != nil || p.listed {
			l = "  " + l
		}
		b.WriteString(Wrap(l+"\n", width))
	}
	if p.table != nil || len(p.lines) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// columnsWithin lays a table out in as many tables as it takes for none to be
// wider than width. A column that doesn't fit beside the names stands alone.
func (t *gridTable) columnsWithin(width int) (tables [][]string) {
	texts := make([][]string, len(t.columns)) // by column, from its title down
	wide := make([]int, len(t.columns))
	for i, title := range t.columns {
		texts[i] = []string{title}
		marks := slices.ContainsFunc(t.rows, func(row []gridCell) bool { return row[i].mark() != "" })
		if marks {
			texts[i][0] += " "
		}
		for _, row := range t.rows {
			text := row[i].text + row[i].mark()
			if marks && row[i].mark() == "" {
				text += " "
			}
			texts[i] = append(texts[i], text)
		}
		for _, s := range texts[i] {
			wide[i] = max(wide[i], utf8.RuneCountInString(s))
		}
	}
	for from := 1; from < len(t.columns) || from == 1; {
		lines := make([]string, len(t.rows)+1)
		for i, s := range texts[0] {
			lines[i] = s + strings.Repeat(" ", wide[0]-utf8.RuneCountInString(s))
		}
		used := wide[0]
		to := from
		for ; to < len(t.columns) && (width <= 0 || to == from || used+2+wide[to] <= width); to++ {
			used += 2 + wide[to]
			for i, s := range texts[to] {
				lines[i] += "  " + strings.Repeat(" ", wide[to]-utf8.RuneCountInString(s)) + s
			}
		}
		tables = append(tables, lines)
		from = max(to, from+1)
	}
	return tables
}

func (p part) markdown() string {
	var b strings.Builder
	if p.heading != "" {
		fmt.Fprintf(&b, "%s %s\n\n", strings.Repeat("#", p.level), escape(p.heading))
	}
	if t := p.table; t != nil {
		fmt.Fprintf(&b, "%s\n\n|", escape(t.title))
		for _, c := range t.columns {
			fmt.Fprintf(&b, " %s |", escape(c))
		}
		b.WriteString("\n| --- |" + strings.Repeat(" ---: |", len(t.columns)-1) + "\n")
		for _, row := range t.rows {
			b.WriteString("|")
			for _, c := range row {
				text := escape(c.text)
				switch {
				case c.best:
					text = "**" + text + "**"
				case c.invalid:
					text += " " + c.mark()
				}
				fmt.Fprintf(&b, " %s |", text)
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
	}
	listed := p.listed || p.table != nil
	for _, l := range p.lines {
		if l == "" {
			l = bestMarkdown
		}
		if listed {
			b.WriteString("- ")
		}
		fmt.Fprintf(&b, "%s\n", escape(l))
	}
	if len(p.lines) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

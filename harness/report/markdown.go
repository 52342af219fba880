package report

import (
	"fmt"
	"strings"

	"workbench/harness/result"
)

// Markdown is table.md: of a sweep the tables over its grids, and each
// experiment's header and its whole table, in GitHub's Markdown.
func Markdown(run result.Run) string {
	var b strings.Builder
	title(&b, run)
	grids(&b, run)
	for _, exp := range run.Experiments {
		section(&b, exp, run)
	}
	again(&b, run)
	return b.String()
}

// AnswerMarkdown is answer.md: of a sweep what its grids show, and header, table
// and answer of each experiment.
func AnswerMarkdown(run result.Run) string {
	var b strings.Builder
	title(&b, run)
	grids(&b, run)
	for _, exp := range run.Experiments {
		section(&b, exp, run)
		said := strings.Split(strings.TrimSuffix(Answer(exp), "\n"), "\n")
		fmt.Fprintf(&b, "%s\n\n", said[0])
		for _, s := range said[1:] {
			fmt.Fprintf(&b, "- %s\n", escape(strings.TrimSpace(s)))
		}
		b.WriteString("\n")
	}
	again(&b, run)
	return b.String()
}

func title(b *strings.Builder, run result.Run) {
	fmt.Fprintf(b, "# %s\n\n", escape(run.Name))
	var parts []string
	if !run.Started.IsZero() {
		parts = append(parts, run.Started.UTC().Format("2006-01-02 15:04 UTC"))
	}
	e := run.Environment
	for _, p := range []string{e.CPUModel, system(e), e.GoVersion} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.CPUs > 0 {
		parts = append(parts, count(e.CPUs, "CPU"))
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "%s\n\n", escape(strings.Join(parts, " · ")))
	}
	for _, w := range run.Warnings {
		fmt.Fprintf(b, "**Note:** %s\n\n", escape(w))
	}
}

func grids(b *strings.Builder, run result.Run) {
	if len(run.Questions) > 0 {
		b.WriteString(SweepMarkdown(run))
		b.WriteString("\n")
	}
}

func section(b *strings.Builder, exp result.Experiment, run result.Run) {
	fmt.Fprintf(b, "## %s\n\n", escape(exp.Name))
	for line := range strings.Lines(Header(exp, run)) {
		fmt.Fprintf(b, "%s  \n", escape(strings.TrimSuffix(line, "\n"))) // two spaces break the line
	}
	b.WriteString("\n")
	cells := rows(exp)
	if len(cells) == 0 {
		return
	}
	lines := make([]string, len(cells)+2)
	var about []string
	_, about = lay(exp, verdictLayouts[0], 0)
	for _, cols := range [][]*column{
		{&colModel}, {&colRate, &colRateRange, &colRateVerdict}, {&colRateGroup}, {&colP50, &colP50Verdict}, {&colP99, &colP99Verdict}, {&colWaited}, {&colLate},
		{&colCPU, &colCPURange, &colCPUVerdict}, {&colCPUGroup}, {&colHeld}, {&colMemory}, {&colPeak}, {&colWaiting}, {&colRejected}, {&colQueues}, {&colImbalance}, {&colBound},
	} {
		// A page has room for a figure, its range and its verdict in one column.
		some := false
		joined := make([]string, len(cells)+1)
		for _, col := range cols {
			text, s := fill(exp, cells, col)
			some = some || s
			for i, t := range text {
				joined[i] = strings.TrimSpace(joined[i] + " " + t)
			}
		}
		if !some {
			continue
		}
		rule := " --- |"
		if cols[0].right {
			rule = " ---: |"
		}
		lines[0] += " " + escape(joined[0]) + " |"
		lines[1] += rule
		for i, t := range joined[1:] {
			lines[i+2] += " " + escape(t) + " |"
		}
	}
	for _, l := range lines {
		fmt.Fprintf(b, "|%s\n", l)
	}
	fmt.Fprintf(b, "\n%s\n\n", escape(strings.Join(about, " · ")))
	if g := goodputs(exp, mostParts); g != nil {
		b.WriteString(g.markdown())
	}
}

func again(b *strings.Builder, run result.Run) {
	if run.Command != "" {
		fmt.Fprintf(b, "Again:\n\n    %s\n", run.Command)
	}
}

// markup is what names that users chose must not be read as.
var markup = strings.NewReplacer(`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`)

func escape(s string) string { return markup.Replace(s) }

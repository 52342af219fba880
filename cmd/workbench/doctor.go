package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"workbench/harness/doctor"
	"workbench/harness/report"
)

// doctorCmd says what on this machine would spoil a measurement.
type doctorCmd struct {
	Clients int `placeholder:"N" help:"Connections to one server at once (what the named loads ask for)."`
}

// Run prints a line for each thing that was looked at, and below those that
// are not fine what they spoil and what cures them.
func (c doctorCmd) Run(ctx context.Context, t terminal) error {
	if c.Clients < 0 {
		return wrong(fmt.Errorf("--clients %d: must be at least 1", c.Clients))
	}
	findings := doctor.Examine(ctx, doctor.Needs{Connections: c.Clients})
	if ctx.Err() != nil {
		return interrupted(ctx, ctx.Err())
	}
	printFindings(t.out, findings, doctor.Fine, width(t.out.Writer))
	var bad []string
	for _, f := range findings {
		if f.Grade == doctor.Invalid {
			bad = append(bad, f.What)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("a run here would be invalid: %s", strings.Join(bad, ", "))
	}
	return nil
}

// printFindings prints those that are at least so grave.
func printFindings(w io.Writer, findings []doctor.Finding, least doctor.Grade, columns int) {
	for _, f := range findings {
		if f.Grade >= least {
			fmt.Fprint(w, examined(f, columns))
		}
	}
}

// examined is a finding for reading, in as many columns; 0 is no limit. A cure
// is never broken: it is there to be copied.
func examined(f doctor.Finding, columns int) string {
	text := hang(fmt.Sprintf("%-8s  %-12s  ", f.Grade, f.What), f.Found, columns)
	if f.Spoils != "" {
		text += hang("          spoils  ", f.Spoils, columns)
	}
	if f.Cure != "" {
		text += "          cure    " + f.Cure + "\n"
	}
	return text
}

// hang writes text behind its head, lines after the first below its beginning.
func hang(head, text string, columns int) string {
	const narrowest = 20 // of a column of text: below it, lines are too wide rather than many
	indent := utf8.RuneCountInString(head)
	if columns > 0 {
		text = report.Wrap(text, max(columns-indent, narrowest))
	}
	lines := strings.Split(text, "\n")
	for i := range lines[1:] {
		lines[i+1] = strings.Repeat(" ", indent) + strings.TrimLeft(lines[i+1], " ")
	}
	return head + strings.Join(lines, "\n") + "\n"
}

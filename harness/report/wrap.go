package report

import (
	"strings"
	"unicode/utf8"
)

// Wrap breaks lines that are wider than a terminal of so many columns between
// words. A broken line goes on below the beginning of its text, two columns
// further in. A word that is wider stays whole; 0 columns is no limit.
func Wrap(text string, columns int) string {
	if columns <= 0 {
		return text
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		body := strings.TrimRight(line, "\n")
		words := strings.TrimLeft(body, " ")
		indent := body[:len(body)-len(words)]
		used := len(indent)
		out.WriteString(indent)
		for i, word := range strings.Split(words, " ") {
			n := utf8.RuneCountInString(word)
			switch {
			case i == 0:
			case used+1+n > columns:
				out.WriteString("\n" + indent + "  ")
				used = len(indent) + 2
			default:
				out.WriteByte(' ')
				used++
			}
			out.WriteString(word)
			used += n
		}
		out.WriteString(line[len(body):])
	}
	return out.String()
}

package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		name    string
		text    string
		columns int
		want    string
	}{
		{"no terminal, no limit", "  one two three\n", 0, "  one two three\n"},
		{"what fits stays", "one two\n  three\n", 7, "one two\n  three\n"},
		{"a broken line hangs", "  one two three\nfour\n", 9, "  one two\n    three\nfour\n"},
		{"columns, not bytes", "µs µs µs", 8, "µs µs µs"},
		{"a word that is wider stays whole", "a incomprehensible b\n", 5, "a\n  incomprehensible\n  b\n"},
		{"double spaces are kept where they fit", "Again:  workbench\n", 40, "Again:  workbench\n"},
		{"an empty line", "\n", 5, "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Wrap(tt.text, tt.columns)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

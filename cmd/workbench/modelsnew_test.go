package main

import (
	"go/format"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestALineInTheCatalogue(t *testing.T) {
	for _, row := range []struct{ title, before, after string }{
		{"of none", `{}`, `{
	NEW
}`},
		{"before the first", `{
	{Name: "pool"}, // sixteen
}`, `{
	NEW
	{Name: "pool"}, // sixteen
}`},
		{"behind the last, past its comment", `{
	{Name: "errgroup"}, // bounded
}`, `{
	{Name: "errgroup"}, // bounded
	NEW
}`},
		{"between two, each with the comment above it", `{
	// The first.
	{Name: "errgroup"},

	// The second.
	{Name: "pool"},
}`, `{
	// The first.
	{Name: "errgroup"},
	NEW

	// The second.
	{Name: "pool"},
}`},
		{"on one line, without a comma at its end", `{{Name: "errgroup"}, {Name: "goroutine"}}`, `{{Name: "errgroup"}, {Name: "goroutine"},
	NEW
}`},
		{"among lines that aren't in order: behind the last that comes before it", `{
	{Name: "pool"},
	{Name: "errgroup"},
	{Name: "threads"},
}`, `{
	{Name: "pool"},
	{Name: "errgroup"},
	NEW
	{Name: "threads"},
}`},
		{"beside names that aren't written out", `{
	{Name: poolName},
	model("x"),
}`, `{
	NEW
	{Name: poolName},
	model("x"),
}`},
	} {
		t.Run(row.title, func(t *testing.T) {
			m, err := namedModel("lifo")
			if err != nil {
				t.Fatal(err)
			}
			const above = "package models\n\nvar catalogue = []Model"
			got, err := withLine(above+row.before+"\n", m)
			if err != nil {
				t.Fatal(err)
			}
			want, err := format.Source([]byte(above + strings.Replace(row.after, "NEW", m.line(), 1) + "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Whatever its name, what is written is formatted, and holds the names that the
// catalogue's line has.
func TestTheFileOfANewModel(t *testing.T) {
	for name, want := range map[string]newModel{
		"lifo":       {"lifo", "lifo.go", "lifoServer"},
		"two-queues": {"two-queues", "two_queues.go", "twoQueuesServer"},
		"a-1-b":      {"a-1-b", "a_1_b.go", "a1BServer"},
		"linux":      {"linux", "linux.go", "linuxServer"},
		"type":       {"type", "type.go", "typeServer"},
	} {
		m, err := namedModel(name)
		if err != nil || m != want {
			t.Errorf("%s: got %+v, %v; want %+v", name, m, err, want)
		}
		if formatted, err := format.Source([]byte(m.source())); err != nil || string(formatted) != m.source() {
			t.Errorf("%s: %v; formatted it is\n%s", name, err, formatted)
		}
		if line := m.line(); !strings.Contains(line, `"`+m.Name+`"`) || !strings.Contains(line, m.Type+"{}") {
			t.Errorf("%s: its line is\n%s", name, line)
		}
	}
	for _, name := range []string{"", "-", "a--b", "a_b", "a b", "é", "a-windows", "a-amd64", "a-linux-amd64", "pool:workers=3"} {
		if m, err := namedModel(name); err == nil || !strings.Contains(err.Error(), "can't name a model: ") {
			t.Errorf("%q: got %+v, %v", name, m, err)
		}
	}
}

func TestADirectoryThatCantBeWritten(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	top := t.TempDir()
	models := filepath.Join(top, "models")
	for name, text := range map[string]string{"go.mod": "module workbench\n", catalogueFile: "package models\n\nvar catalogue = []Model{}\n"} {
		file := filepath.Join(top, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(models, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(models, 0o700) })
	c := start(t, "models", "new", "lifo", "--dir", top)
	if code, said := c.wait(t), c.err.String(); code != exitFailed || strings.Count(said, "\n") != 1 || !strings.Contains(said, "lifo.go: permission denied") {
		t.Errorf("exit code %d, said %q; want %d and one line", code, said, exitFailed)
	}
}

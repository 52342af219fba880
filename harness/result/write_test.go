package result

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var evening = time.Date(2026, 11, 22, 20, 0, 1, 5, time.FixedZone("CET", 3600))

func create(t *testing.T) *Dir {
	t.Helper()
	d, err := Create(t.TempDir(), "io", evening)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	ns := []string{}
	for _, e := range entries {
		ns = append(ns, e.Name())
	}
	return ns
}

func TestCreateNeverTakesADirectoryThatExists(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "results", "nightly") // missing, two deep
	for _, want := range []string{"20261122T190001Z-io", "20261122T190001Z-io-2", "20261122T190001Z-io-3"} {
		d, err := Create(parent, "io", evening)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if got := filepath.Base(d.Path()); got != want {
			t.Errorf("made %s, want %s (UTC, and a suffix within one second)", got, want)
		}
		if diff := cmp.Diff([]string{"slices"}, names(t, d.Path())); diff != "" {
			t.Errorf("a new record holds (-want +got):\n%s", diff)
		}
	}
}

func TestNamesStayInTheirDirectory(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "../x", "/etc/x", `a\b`, "a\x00b"} {
		if _, err := Create(t.TempDir(), name, evening); err == nil {
			t.Errorf("Create took the name %q", name)
		}
		d := create(t)
		if _, err := d.Slices(name); err == nil {
			t.Errorf("Slices took the name %q", name)
		}
		if err := d.WriteFile(name, nil); err == nil {
			t.Errorf("WriteFile took the name %q", name)
		}
	}
}

func TestCheckWritable(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	link := filepath.Join(dir, "link")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nowhere"), link); err != nil {
		t.Fatal(err)
	}
	before := names(t, dir)
	tests := []struct {
		name   string
		parent string
		want   string // in the error; "" for none
	}{
		{"a directory that exists will do", dir, ""},
		{"a directory to be made below it too", filepath.Join(dir, "a", "b", "c"), ""},
		{"the working directory will do", "results-of-a-test", ""},
		{"a file is no directory", file, "is not a directory"},
		{"nor can one be made below a file", filepath.Join(file, "a", "b"), "file is not a directory"},
		{"a dangling link leads nowhere", filepath.Join(link, "a"), "link can't be followed"},
	}
	// /proc takes no files, not even from root.
	if _, err := os.Stat("/proc/self"); err == nil {
		tests = append(tests, struct{ name, parent, want string }{"a file system that takes no files is told apart", "/proc/results", "write results under /proc/results: "})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := CheckWritable(tt.parent)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("CheckWritable(%s) = %v", tt.parent, err)
			case tt.want != "" && err == nil:
				t.Errorf("CheckWritable(%s) finds nothing wrong", tt.parent)
			case err != nil:
				if msg := err.Error(); !strings.Contains(msg, tt.want) || !strings.Contains(msg, "--out") || strings.Contains(msg, "\n") {
					t.Errorf("CheckWritable(%s) = %q, want one line with %q and what to do", tt.parent, msg, tt.want)
				}
				if _, err := Create(tt.parent, "io", evening); err == nil {
					t.Errorf("yet Create succeeds under %s", tt.parent)
				}
			}
		})
	}
	if diff := cmp.Diff(before, names(t, dir)); diff != "" {
		t.Errorf("CheckWritable left something behind (-before +after):\n%s", diff)
	}
}

func TestWriteFileReplacesInOneStep(t *testing.T) {
	d := create(t)
	// What a run killed while it wrote would have left.
	if err := os.WriteFile(filepath.Join(d.Path(), ".answer.md.tmp"), []byte("half of a much longer ans"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first\n", "second, longer\n", "3\n"} {
		if err := d.WriteFile("answer.md", []byte(text)); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(d.Path(), "answer.md"))
		if err != nil || string(b) != text {
			t.Errorf("answer.md holds %q, %v; want %q", b, err, text)
		}
		if diff := cmp.Diff([]string{"answer.md", "slices"}, names(t, d.Path())); diff != "" {
			t.Errorf("the record holds (-want +got):\n%s", diff)
		}
	}
	// A directory in the way makes the rename fail.
	if err := os.Mkdir(filepath.Join(d.Path(), "table.md"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteFile("table.md", []byte("x")); err == nil || !strings.Contains(err.Error(), "table.md") {
		t.Errorf("WriteFile over a directory = %v, want an error that names it", err)
	}
	if diff := cmp.Diff([]string{"answer.md", "slices", "table.md"}, names(t, d.Path())); diff != "" {
		t.Errorf("a write that went wrong leaves (-want +got):\n%s", diff)
	}
}

func TestSlicesOfTwoExperimentsNeverMix(t *testing.T) {
	d := create(t)
	l, err := d.Slices("io")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := d.Slices("io"); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a second log of one name: %v, want a refusal", err)
	}
}

// A slice whose append fails must cost no other slice.
func TestAppendAfterATornLine(t *testing.T) {
	d := create(t)
	l, err := d.Slices("io")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.f.WriteString(`{"schema":"workbench/sl`); err != nil { // a disk that filled up in the middle
		t.Fatal(err)
	}
	l.torn = true
	for round := range 2 {
		if err := l.Append(Slice{Label: "pool", Round: round}); err != nil {
			t.Fatal(err)
		}
	}
	got, damage, err := ReadSlices(SlicesPath(d.Path(), "io"))
	if err != nil || len(got) != 2 || len(damage) != 1 {
		t.Errorf("read %d slices, damage %v, %v; want 2 slices and line 1 damaged", len(got), damage, err)
	}
}

func TestRunIsWrittenWithoutNullLists(t *testing.T) {
	d := create(t)
	run := Run{
		Name: "io", Command: "workbench run --scenario io --wait <5ms>",
		Experiments: []Experiment{{Name: "bare"}, {Name: "io", Cells: []Cell{{Label: "pool"}}}},
		Resumed:     []Resumption{{At: evening}}, Scalability: []Scalability{{Label: "pool", Why: "two numbers of clients"}},
	}
	if err := d.WriteRun(run); err != nil {
		t.Fatal(err)
	}
	if run.Experiments[1].Cells[0].Warnings != nil || run.Experiments[0].Cells != nil || run.Resumed[0].Differs != nil || run.Schema != "" {
		t.Error("WriteRun changed its caller's run")
	}
	b, err := os.ReadFile(filepath.Join(d.Path(), "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("--wait <5ms>")) {
		t.Error("a command is escaped for browsers: it can't be copied")
	}
	var j map[string]any
	if err := json.Unmarshal(b, &j); err != nil {
		t.Fatal(err)
	}
	noNullLists(t, "run", j, "warnings", "experiments", "entries", "cells", "comparisons", "failures", "differs", "where", "clients")

	got, err := ReadRun(d.Path())
	if err != nil {
		t.Fatal(err)
	}
	if got.Schema != RunSchema || got.Command != run.Command || len(got.Experiments) != 2 {
		t.Errorf("read back %+v", got)
	}
}

func noNullLists(t *testing.T, path string, j any, lists ...string) {
	switch j := j.(type) {
	case map[string]any:
		for k, v := range j {
			for _, l := range lists {
				if k == l && v == nil {
					t.Errorf("%s.%s is null, want []", path, k)
				}
			}
			noNullLists(t, path+"."+k, v, lists...)
		}
	case []any:
		for _, v := range j {
			noNullLists(t, path+"[]", v, lists...)
		}
	}
}

// The cells of all models under all loads, and more, fit into a file that may be
// published.
func TestALargeRunIsWrittenWithoutIndentation(t *testing.T) {
	spread := &Spread{Median: 12_345.678901234, Low: 11_111.234567, High: 13_333.345678, N: 40}
	r := Run{Schema: RunSchema, Name: "<family>", Started: evening.UTC()}
	for range 16 {
		e := Experiment{Name: "io", StoppedBy: "budget"}
		for range 19 {
			e.Cells = append(e.Cells, Cell{Label: "goroutine", ThroughputPerS: spread, ServerCPUUsPerRequest: spread, ClientCPUUsPerRequest: spread, LittlesLawResidual: spread})
			for range 4 {
				e.Comparisons = append(e.Comparisons, Comparison{Metric: MetricP99, Model: "goroutine", Ratio: Ratio{Estimate: spread.Low, Low: &spread.Low, High: &spread.High}})
			}
		}
		r.Experiments = append(r.Experiments, e)
	}
	for _, tt := range []struct {
		name        string
		experiments int
		lines       bool // one for each figure
	}{{"a small run", 1, true}, {"a large one", 16, false}} {
		d, small := create(t), r
		small.Experiments = r.Experiments[:tt.experiments]
		if err := d.WriteRun(small); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(d.Path(), runFile))
		if err != nil {
			t.Fatal(err)
		}
		if lines := bytes.Count(b, []byte("\n")); len(b) > largestPublished || b[len(b)-1] != '\n' || (lines > 1) != tt.lines || !bytes.Contains(b, []byte("<family>")) {
			t.Errorf("%s: %d bytes in %d lines, want at most %d in %v lines, ended by one", tt.name, len(b), lines, largestPublished, tt.lines)
		}
		read, err := ReadRun(d.Path())
		if err != nil {
			t.Fatal(err)
		}
		if len(read.Experiments) != tt.experiments || len(read.Experiments[0].Cells) != 19 || *read.Experiments[0].Cells[18].ThroughputPerS != *spread {
			t.Errorf("%s: it reads as %d experiments", tt.name, len(read.Experiments))
		}
	}
}

func TestCreateUnderAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Create(file, "io", evening)
	if err == nil || !strings.Contains(err.Error(), "not a directory") || !strings.Contains(err.Error(), "--out") {
		t.Errorf("Create under a file = %v, want what is wrong and what to do", err)
	}
	if _, err := os.Stat(file); err != nil || !isFile(file) {
		t.Error("the file in the way was touched")
	}
}

func isFile(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && fi.Mode()&fs.ModeType == 0
}

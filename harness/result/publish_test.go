package result

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// played is a record of a run that is over.
func played(t *testing.T, blocks int) string {
	t.Helper()
	d := create(t)
	b, err := pack(experiment(blocks, nil)) // an append takes a sync each
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(SlicesPath(d.Path(), "io")+".gz", b, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteRun(someRun()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"answer.md", "table.md", "table.csv", "bench.txt", "sweep.yaml", "notes-of-mine"} {
		if err := d.WriteFile(name, []byte(name+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(d.Path(), "cut"), 0o755); err != nil {
		t.Fatal(err)
	}
	return d.Path()
}

func TestPublish(t *testing.T) {
	from := played(t, 2)
	parent := filepath.Join(t.TempDir(), "results", "published") // missing, two deep
	// What a kill left.
	if err := os.MkdirAll(filepath.Join(parent, "."+filepath.Base(from)+".tmp", "slices"), 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := Publish(from, parent)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(parent, "20261122T190001Z-io"); dir != want {
		t.Errorf("it is in %s, want %s", dir, want)
	}
	if diff := cmp.Diff([]string{filepath.Base(from)}, names(t, parent)); diff != "" {
		t.Errorf("beside it there is (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"answer.md", "bench.txt", "run.json", "slices", "sweep.yaml", "table.csv", "table.md"}, names(t, dir)); diff != "" {
		t.Errorf("it holds (-want +got):\n%s", diff)
	}
	for _, name := range []string{"run.json", "answer.md", "table.csv"} {
		a, _ := os.ReadFile(filepath.Join(from, name))
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(a) != string(b) {
			t.Errorf("%s is another: %v", name, err)
		}
	}
	taken := readAll(t, SlicesPath(from, "io"))
	if diff := cmp.Diff(Condense(taken), readAll(t, SlicesPath(dir, "io")), sameHistogram); diff != "" {
		t.Errorf("its slices (-want +got):\n%s", diff)
	}

	// The same record again is no change, and neither is the copy of a copy.
	if again, err := Publish(from, parent); err != nil || again != dir {
		t.Errorf("published again: %s, %v", again, err)
	}
	copied, err := Publish(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	a, _ := os.ReadFile(SlicesPath(dir, "io"))
	b, _ := os.ReadFile(SlicesPath(copied, "io"))
	if string(a) != string(b) {
		t.Error("the copy of a copy has other slices")
	}
}

func TestPublishRefuses(t *testing.T) {
	write := func(name string, data []byte) func(from, parent string) error {
		return func(from, parent string) error { return os.WriteFile(filepath.Join(from, name), data, 0o644) }
	}
	rerun := func(change func(*Run)) func(from, parent string) error {
		return func(from, parent string) error {
			run := someRun()
			change(&run)
			var b strings.Builder
			if err := run.Encode(&b); err != nil {
				return err
			}
			return write("run.json", []byte(b.String()))(from, parent)
		}
	}
	huge := make([]byte, 1<<20+1)
	rand.Read(huge)
	tests := []struct {
		name string
		do   func(from, parent string) error
		want string
	}{
		{"what isn't finished", rerun(func(r *Run) { r.Experiments[0].StoppedBy = "" }), "its experiment io is not finished"},
		{"what was interrupted", rerun(func(r *Run) { r.Experiments[0].StoppedBy = "interrupt" }), "its experiment io was interrupted"},
		{"what holds nothing", rerun(func(r *Run) { r.Experiments = nil }), "it holds no experiment"},
		{"an experiment whose name leads elsewhere", rerun(func(r *Run) { r.Experiments[0].Name = "../io" }), "is not the name of a file"},
		{"a file too large for git", write("bench.txt", huge), "bench.txt would be 1,048,577 bytes, and no more than 1,048,576 are published in one file"},
		{"slices that are missing", func(from, parent string) error { return os.Remove(SlicesPath(from, "io")) }, "io.jsonl: no such file"},
		{"slices that are damaged", write("slices/io.jsonl.gz", []byte("no such thing")), "io.jsonl.gz: nothing of it can be read"},
		{"what would replace another", func(from, parent string) error {
			if _, err := Publish(from, parent); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(parent, filepath.Base(from), "answer.md"), []byte("what I think of it\n"), 0o644)
		}, "is there already, and answer.md differs"},
		{"what would be mixed with something else", func(from, parent string) error {
			if _, err := Publish(from, parent); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(parent, filepath.Base(from), "notes.md"), nil, 0o644)
		}, "is there already, and notes.md differs"},
		{"to write where nothing can be", func(from, parent string) error { return os.WriteFile(parent, nil, 0o644) }, "not a directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			from, parent := played(t, 1), filepath.Join(t.TempDir(), "published")
			if err := tt.do(from, parent); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadDir(parent)
			_, err := Publish(from, parent)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), from) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Publish = %v, want one line with %q and the record's name", err, tt.want)
			}
			if after, _ := os.ReadDir(parent); len(after) != len(before) {
				t.Errorf("something was left behind: %v", after)
			}
		})
	}
}

// What is too large for one file is read from its parts as if it were one.
func TestSlicesInParts(t *testing.T) {
	taken := readAll(t, SlicesPath(played(t, 2), "io"))
	whole, err := pack(taken)
	if err != nil {
		t.Fatal(err)
	}
	most := len(whole) * 2 / 5
	parts, err := packParts(taken, most)
	if err != nil || len(parts) < 3 {
		t.Fatalf("%d parts of %d bytes, %v", len(parts), len(whole), err)
	}
	dir := t.TempDir()
	for i, b := range parts {
		if len(b) > most {
			t.Errorf("part %d has %d bytes, at most %d were wanted", i+1, len(b), most)
		}
		if err := writeSynced(filepath.Join(dir, partName("io", i+1)+slicesExt+packedExt), b); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(taken, readAll(t, filepath.Join(dir, "io"+slicesExt+packedExt)), sameHistogram); diff != "" {
		t.Errorf("read from parts (-whole +parts):\n%s", diff)
	}
	if one, err := packParts(taken[:1], 1); err != nil || len(one) != 1 {
		t.Errorf("a single slice makes %d parts, %v", len(one), err)
	}
}

package result

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// abandoned is the path of a record that was begun and let go of.
func abandoned(t *testing.T, run Run) string {
	t.Helper()
	d, err := Create(t.TempDir(), "sweep", evening)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.WriteRun(run), d.Close()); err != nil {
		t.Fatal(err)
	}
	return d.Path()
}

func reopen(t *testing.T, path string) (*Dir, Run) {
	t.Helper()
	d, run, err := Reopen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d, run
}

func TestReopenTidiesUpWhatAKillLeft(t *testing.T) {
	path := abandoned(t, someRun())
	in := func(name string) string { return filepath.Join(path, name) }
	line, err := encode(sample(0), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		".run.json.tmp": "{", "slices/.io.jsonl.gz.tmp": "half", "slices/cpu.jsonl": string(line),
		"slices/io.jsonl": string(line), ".gitignore": "*\n",
	} {
		if err := os.WriteFile(in(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := pack([]Slice{sample(0)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("slices/io.jsonl.gz"), packed, 0o644); err != nil {
		t.Fatal(err)
	}
	_, run := reopen(t, path)
	if run.Name != "io" || len(run.Experiments) != 1 {
		t.Errorf("the run is %+v", run)
	}
	if diff := cmp.Diff([]string{".gitignore", "run.json", "slices"}, names(t, path)); diff != "" {
		t.Errorf("the record holds (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"cpu.jsonl", "io.jsonl.gz"}, names(t, in("slices"))); diff != "" {
		t.Errorf("slices/ holds (-want +got):\n%s", diff)
	}
}

// What is damaged is not trusted to hold what it is the copy of.
func TestTheCopyOfADamagedFileStays(t *testing.T) {
	path := abandoned(t, someRun())
	line, err := encode(sample(0), "")
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(path, "slices", "io.jsonl"), line, 0o644)
	os.WriteFile(filepath.Join(path, "slices", "io.jsonl.gz"), []byte("no such thing"), 0o644)
	d, _ := reopen(t, path)
	if got := names(t, filepath.Join(path, "slices")); len(got) != 2 {
		t.Errorf("slices/ holds %v", got)
	}
	if err := d.SetAside("io"); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, filepath.Join(path, "cut", "io-1.jsonl")); len(got) != 1 {
		t.Errorf("%d slices were kept, want 1", len(got))
	}
	if got := names(t, filepath.Join(path, "slices")); len(got) != 0 {
		t.Errorf("slices/ still holds %v", got)
	}
}

func TestReopenRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "nowhere")
	newer := abandoned(t, Run{})
	if err := os.WriteFile(filepath.Join(newer, "run.json"), []byte(`{"schema":"workbench/run/v2"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	taken := create(t)
	if err := taken.WriteRun(Run{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"what isn't there", missing, "no such file"},
		{"what is no record", t.TempDir(), "no such record"},
		{"a record of a newer workbench", newer, "written by a newer workbench"},
		{"a record that is being written", taken.Path(), "another process is writing it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Reopen(tt.path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Reopen = %v, want one line with %q and the path", err, tt.want)
			}
		})
	}
	_, run, err := Reopen(newer) // twice: a refusal lets go of the lock
	if err == nil || strings.Contains(err.Error(), "another process") {
		t.Errorf("once more: %+v, %v", run, err)
	}
}

func TestSetAside(t *testing.T) {
	line := func(round int) string {
		b, err := encode(sample(round), "")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	half := line(9)[:200]
	packed := func(rounds ...int) string {
		var taken []Slice
		for _, r := range rounds {
			taken = append(taken, sample(r))
		}
		b, err := pack(taken)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	tests := []struct {
		name   string
		before map[string]string
		cut    map[string][]int // file: its rounds
	}{
		{"nothing was taken", nil, nil},
		{"an empty log is nothing", map[string]string{"slices/io.jsonl": ""}, nil},
		{"nor is one of which nothing can be read", map[string]string{"slices/io.jsonl": half}, nil},
		{"a log that is whole is moved", map[string]string{"slices/io.jsonl": line(0) + line(1)}, map[string][]int{"io-1.jsonl": {0, 1}}},
		{"a torn last line stays behind", map[string]string{"slices/io.jsonl": line(0) + line(1) + half}, map[string][]int{"io-1.jsonl": {0, 1}}},
		{"one that lacks but its end doesn't", map[string]string{"slices/io.jsonl": line(0) + strings.TrimSuffix(line(1), "\n")}, map[string][]int{"io-1.jsonl": {0, 1}}},
		{"a torn line in the middle too", map[string]string{"slices/io.jsonl": line(0) + half + "\n" + line(2)}, map[string][]int{"io-1.jsonl": {0, 2}}},
		{"the second time has the next number", map[string]string{"cut/io-1.jsonl": line(0), "slices/io.jsonl": line(1)}, map[string][]int{"io-1.jsonl": {0}, "io-2.jsonl": {1}}},
		{"whichever file has the one before", map[string]string{"cut/io-1.jsonl.gz": packed(0), "slices/io.jsonl": line(1) + half}, map[string][]int{"io-1.jsonl.gz": {0}, "io-2.jsonl": {1}}},
		{"one that was compressed and not yet said to be over", map[string]string{"slices/io.jsonl.gz": packed(0, 1)}, map[string][]int{"io-1.jsonl.gz": {0, 1}}},
		{"and not yet removed", map[string]string{"slices/io.jsonl.gz": packed(0, 1), "slices/io.jsonl": line(0) + line(1)}, map[string][]int{"io-1.jsonl.gz": {0, 1}}},
		{"a kill between copy and removal", map[string]string{"cut/io-1.jsonl": line(0), "slices/io.jsonl": line(0) + half}, map[string][]int{"io-1.jsonl": {0}}},
		{"other experiments stay", map[string]string{"slices/io-1.jsonl": line(5), "cut/io.jsonl": line(6), "slices/io.jsonl": line(0)}, map[string][]int{"io-1.jsonl": {0}, "io.jsonl": {6}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := create(t)
			if err := os.Mkdir(filepath.Join(d.Path(), "cut"), 0o755); err != nil {
				t.Fatal(err)
			}
			for name, text := range tt.before {
				if err := os.WriteFile(filepath.Join(d.Path(), name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // the second time there is nothing to do
				if err := d.SetAside("io"); err != nil {
					t.Fatal(err)
				}
			}
			got := map[string][]int{}
			for _, name := range names(t, filepath.Join(d.Path(), "cut")) {
				for _, s := range readAll(t, filepath.Join(d.Path(), "cut", name)) {
					got[name] = append(got[name], s.Round)
				}
			}
			if tt.cut == nil {
				tt.cut = map[string][]int{}
			}
			if diff := cmp.Diff(tt.cut, got); diff != "" {
				t.Errorf("cut/ holds rounds (-want +got):\n%s", diff)
			}
			l, err := d.Slices("io")
			if err != nil {
				t.Fatalf("it can't begin anew: %v", err)
			}
			l.Close()
		})
	}
}

// What a damaged compressed file holds is more than its lines that can be read
// here, so it is kept to the byte.
func TestADamagedCompressedFileIsSetAsideWhole(t *testing.T) {
	b, err := pack([]Slice{sample(0), sample(1)})
	if err != nil {
		t.Fatal(err)
	}
	for name, damaged := range map[string][]byte{"its end is missing": b[:len(b)-9], "nothing of it can be read": b[3:]} {
		t.Run(name, func(t *testing.T) {
			d := create(t)
			if err := os.WriteFile(filepath.Join(d.Path(), "slices", "io.jsonl.gz"), damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := d.SetAside("io"); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(filepath.Join(d.Path(), "cut", "io-1.jsonl.gz"))
			if err != nil || !bytes.Equal(got, damaged) {
				t.Errorf("%d bytes are kept (%v), want all %d", len(got), err, len(damaged))
			}
			if l, err := d.Slices("io"); err != nil {
				t.Errorf("it can't begin anew: %v", err)
			} else {
				l.Close()
			}
		})
	}
}

// sweepOn is what a sweep does with its record, and nothing else: it goes on
// where it was, and says what it has on the disk.
func sweepOn(path string) error {
	d, run, err := Reopen(path)
	if err != nil {
		return err
	}
	serial := len(run.Resumed) * 1000
	run.Resumed = append(run.Resumed, Resumption{})
	if err := d.WriteRun(run); err != nil {
		return err
	}
	for i := range run.Experiments {
		e := &run.Experiments[i]
		if e.StoppedBy != "" {
			continue
		}
		if err := d.SetAside(e.Name); err != nil {
			return err
		}
		l, err := d.Slices(e.Name)
		if err != nil {
			return err
		}
		for range 4 {
			s := sample(serial)
			if err := l.Append(s); err != nil {
				return err
			}
			fmt.Println(e.Name, serial)
			serial++
		}
		if err := l.Finish(); err != nil {
			return err
		}
		e.StoppedBy = "budget"
		if err := d.WriteRun(run); err != nil {
			return err
		}
	}
	return nil
}

// A record that is killed again and again holds in the end all that was ever
// said to be on the disk, once, and each experiment whole.
func TestKilledAndTakenUpAgain(t *testing.T) {
	var run Run
	for i := range 5 {
		run.Experiments = append(run.Experiments, Experiment{Name: fmt.Sprintf("io-%d", i)})
	}
	path := abandoned(t, run)
	r := rand.New(rand.NewPCG(4, uint64(time.Now().UnixNano())))
	said := map[string]bool{} // "io-0 17": appended, as the child said
	torn := 0
	lives := 0
	for over := false; !over; lives++ {
		if lives == 200 {
			t.Fatal("it never ends")
		}
		c, out := child(t, "sweep", path)
		for left := r.IntN(8); out.Scan(); left-- {
			said[out.Text()] = true
			if left == 0 {
				// Not to wait for anything, but to end in another place each time.
				time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
				c.Process.Kill()
			}
		}
		err := c.Wait()
		over = err == nil
		if over {
			break
		}
		if c.ProcessState.Exited() {
			t.Fatalf("it ended by itself: %v", err)
		}
		where, damage := found(t, path)
		if damage > 1 {
			t.Fatalf("%d damaged lines after one kill", damage)
		}
		for s := range said {
			if len(where[s]) == 0 || len(where[s]) > 1 && filepath.Ext(where[s][1]) != ".gz" {
				t.Fatalf("life %d: slice %s, which was on the disk, is in %v", lives, s, where[s])
			}
		}
		// A power cut, unlike a kill, leaves half a line.
		logs, err := filepath.Glob(filepath.Join(path, "slices", "*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range logs {
			if _, err := os.Stat(name + ".gz"); err == nil {
				continue // it is compressed already
			}
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			f.WriteString(`{"schema":"workbench/slice/v1","exper`)
			f.Close()
			torn++
		}
	}
	where, damage := found(t, path)
	if damage != 0 {
		t.Errorf("%d damaged lines in the end", damage)
	}
	for s := range said {
		if len(where[s]) != 1 {
			t.Errorf("slice %s is in %v, want it once", s, where[s])
		}
	}
	last, err := ReadRun(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range last.Experiments {
		if e.StoppedBy != "budget" {
			t.Errorf("%s is not over", e.Name)
		}
		if got := readAll(t, SlicesPath(path, e.Name)); len(got) != 4 {
			t.Errorf("%s has %d slices, want 4", e.Name, len(got))
		}
	}
	t.Logf("%d lives, %d torn lines, %d slices", lives, torn, len(said))
}

// found is in which files each slice is, and how many lines are damaged.
func found(t *testing.T, path string) (where map[string][]string, damage int) {
	t.Helper()
	where = map[string][]string{}
	for _, dir := range []string{"slices", "cut"} {
		files, err := filepath.Glob(filepath.Join(path, dir, "io*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			taken, bad, err := ReadSlices(f)
			if err != nil {
				t.Fatal(err)
			}
			damage += len(bad)
			for _, s := range taken {
				key := fmt.Sprint(s.Experiment, " ", s.Round)
				where[key] = append(where[key], f)
			}
		}
	}
	return where, damage
}

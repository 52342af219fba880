package result

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func histogram(ds ...time.Duration) *Histogram {
	h := NewHistogram()
	for _, d := range ds {
		h.Record(d)
	}
	return h
}

// Histograms are equal if they would be written alike.
var sameHistogram = cmp.Comparer(func(a, b *Histogram) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
})

func sample(round int) Slice {
	return Slice{
		Schema: SliceSchema, Experiment: "io", Phase: PhaseRound, Round: round, Label: "pool",
		Started:  time.Date(2026, 11, 22, 19, 0, round, 0, time.UTC),
		SettleUs: 15_000, CountUs: 50_000,
		Load: &Load{
			WindowUs: 50_012, Clients: 64, Requests: 3, RequestsAll: 5,
			Latency: histogram(10*time.Millisecond, 11*time.Millisecond, time.Second), FirstByte: histogram(), Connect: histogram(time.Microsecond),
			Service: histogram(), Waited: histogram(),
		},
		Server: &Server{CPUUs: 183, Limit: &Limit{Name: "workers", Size: 16}},
	}
}

func TestSlicesComeBackAsTheyWere(t *testing.T) {
	d := create(t)
	l, err := d.Slices("io")
	if err != nil {
		t.Fatal(err)
	}
	want := []Slice{sample(0), sample(1), {Schema: SliceSchema, Experiment: "io", Phase: PhaseRound, Round: 2, Label: "iterative", Failed: "the server died: exit status 2"}}
	for _, s := range want {
		s.Schema, s.Experiment = "", "" // Append's to fill in
		if err := l.Append(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got, damage, err := ReadSlices(SlicesPath(d.Path(), "io"))
	if err != nil || damage != nil {
		t.Fatalf("damage %v, %v", damage, err)
	}
	if diff := cmp.Diff(want, got, sameHistogram); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

func TestReadSlicesKeepsWhatItCan(t *testing.T) {
	line := func(round int) string {
		b, err := encode(sample(round), "")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	half := line(9)[:200]
	tests := []struct {
		name   string
		in     string
		rounds []int
		damage []string // one in each
		err    string
	}{
		{"no slice was taken", "", nil, nil, ""},
		{"all is well", line(0) + line(1), []int{0, 1}, nil, ""},
		{"a kill tore the last line", line(0) + line(1) + half, []int{0, 1}, []string{"line 3 is damaged"}, ""},
		{"a kill took but the last line's end", line(0) + strings.TrimSuffix(line(1), "\n"), []int{0, 1}, nil, ""},
		{"a line in the middle is torn", line(0) + half + "\n" + line(2), []int{0, 2}, []string{"line 2 is damaged"}, ""},
		{"a power cut left zeros", line(0) + strings.Repeat("\x00", 100), []int{0}, []string{"line 2 is damaged"}, ""},
		{"a line is empty", "\n" + line(0), []int{0}, []string{"line 1 is damaged and left out: it is empty"}, ""},
		{"a line names no schema", `{"label":"pool"}` + "\n" + line(0), []int{0}, []string{"line 1 is damaged and left out: it names no schema"}, ""},
		{"a histogram says more than it holds", strings.Replace(line(0), `"n":3`, `"n":4`, 1) + line(1), []int{1}, []string{"line 1 is damaged"}, ""},
		{"a later layout is refused whole", line(0) + strings.Replace(line(1), "slice/v1", "slice/v2", 1), nil, nil, `line 2: written by a newer workbench (its schema is "workbench/slice/v2", this one reads "workbench/slice/v1"; use the one that wrote it)`},
		{"a layout that never was is a damaged line", line(0) + strings.Replace(line(1), "slice/v1", "slize/v1", 1), []int{0}, []string{`line 2 is damaged and left out: unknown schema "workbench/slize/v1" (want "workbench/slice/v1")`}, ""},
		{"a key that nobody writes", line(0) + strings.Replace(line(1), `"round":`, `"rond":`, 1), []int{0}, []string{`line 2 is damaged and left out: unknown key "rond"`}, ""},
		{"nor in the middle of it", strings.Replace(line(0), `"requests_all":`, `"requests_al":`, 1) + line(1), []int{1}, []string{`line 1 is damaged and left out: unknown key "requests_al"`}, ""},
		{"nor in a histogram", strings.Replace(line(0), `"sum_ns":`, `"sum":`, 1) + line(1), []int{1}, []string{`line 1 is damaged and left out: unknown key "sum"`}, ""},
		{"a key that is missing wasn't written yet", strings.Replace(line(0), `"stale":0,`, "", 1), []int{0}, nil, ""},
		{"a figure that isn't one", strings.Replace(line(0), `"clients":64`, `"clients":"64"`, 1) + line(1), []int{1}, []string{`line 1 is damaged and left out: load.clients is string, want an integer`}, ""},
		{"a second object on the line", strings.TrimSuffix(line(0), "\n") + "{}\n" + line(1), []int{1}, []string{`line 1 is damaged and left out: invalid character '{' after top-level value`}, ""},
		{"a slice of another experiment", line(0) + strings.Replace(line(1), `"experiment":"io"`, `"experiment":"cpu"`, 1), []int{0}, []string{`line 2 is damaged and left out: it is a slice of another experiment, "cpu"`}, ""},
		{"a histogram that says it is empty and isn't", strings.Replace(line(0), `"n":3`, `"n":0`, 1) + line(1), []int{1}, []string{"line 1 is damaged"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "io.jsonl")
			if err := os.WriteFile(path, []byte(tt.in), 0o644); err != nil {
				t.Fatal(err)
			}
			got, damage, err := ReadSlices(path)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), path) {
					t.Errorf("err = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var rounds []int
			for _, s := range got {
				rounds = append(rounds, s.Round)
			}
			if diff := cmp.Diff(tt.rounds, rounds); diff != "" {
				t.Errorf("rounds (-want +got):\n%s", diff)
			}
			if len(damage) != len(tt.damage) {
				t.Fatalf("damage %v, want %d", damage, len(tt.damage))
			}
			for i, d := range damage {
				if !strings.Contains(d.Error(), tt.damage[i]) || !strings.Contains(d.Error(), path) {
					t.Errorf("damage %q, want %q and the file's name in it", d, tt.damage[i])
				}
			}
		})
	}
}

func TestReadSlicesWithoutAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "io.jsonl")
	if _, _, err := ReadSlices(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("err = %v, want one that names %s", err, path)
	}
}

func TestReadRunRefuses(t *testing.T) {
	tests := []struct {
		name  string
		run   string // "" for no file
		slots bool   // is there slices/
		want  string
	}{
		{"a directory that is no record", "", false, "no such record"},
		{"a record cut short", "", true, "cut short"},
		{"a later schema", `{"schema":"workbench/run/v2","seed":"not even a number"}`, true, `written by a newer workbench (its schema is "workbench/run/v2", this one reads "workbench/run/v1"; use the one that wrote it)`},
		{"a much later schema", `{"schema":"workbench/run/v10"}`, true, "written by a newer workbench"},
		{"another schema", `{"schema":"workbench/slice/v2"}`, true, `unknown schema "workbench/slice/v2" (want "workbench/run/v1")`},
		{"a key that nobody writes", `{"schema":"workbench/run/v1","sed":1}`, true, `unknown key "sed"`},
		{"nor deep inside", `{"schema":"workbench/run/v1","experiments":[{"cells":[{"lable":"pool"}]}]}`, true, `unknown key "lable"`},
		{"no schema", `{}`, true, "names no schema"},
		{"a file that lacks its end", "{\"schema\":\"workbench/run/v1\",\n\"seed\":", true, "line 2: unexpected end of JSON input (the file is damaged; what the run saw is under "},
		{"what is not JSON", `seed: 1`, true, "invalid character"},
		{"a second object after the first", `{"schema":"workbench/run/v1"}{}`, true, "after top-level value"},
		{"a figure of the wrong kind", "{\"schema\":\"workbench/run/v1\",\n\"seed\":\"x\"}", true, "line 2: seed is string, want an integer of 0 or more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if tt.slots {
				os.Mkdir(filepath.Join(dir, "slices"), 0o755)
			}
			if tt.run != "" {
				os.WriteFile(filepath.Join(dir, "run.json"), []byte(tt.run), 0o644)
			}
			_, err := ReadRun(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("ReadRun = %v, want %q and the path", err, tt.want)
			}
		})
	}
}

// What a program before this one wrote has fewer keys, and must still be read.
func TestARunWithoutTheNewKeysIsRead(t *testing.T) {
	run, err := decodeRun([]byte(`{"schema":"workbench/run/v1","name":"io","experiments":[{"name":"io","stopped_by":"budget","cells":[{"label":"pool"}]}]}`))
	if err != nil || run.Experiments[0].Cells[0].Label != "pool" {
		t.Errorf("read %+v, %v", run, err)
	}
}

// What is read of a run can be written, and is the same when it is read again.
func FuzzReadRun(f *testing.F) {
	var b bytes.Buffer
	if err := someRun().Encode(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"schema":"workbench/run/v1","experiments":null,"scalability":[{}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		run, err := decodeRun(in)
		if err != nil {
			return
		}
		var once, twice bytes.Buffer
		if err := run.Encode(&once); err != nil {
			t.Fatalf("what was read can't be written: %v", err)
		}
		again, err := decodeRun(once.Bytes())
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if err := again.Encode(&twice); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("%v; written twice it is\n%s\nand\n%s", err, &once, &twice)
		}
	})
}

// Whatever a file holds, reading ends, every line is a slice or a damage, and
// what is read can be written and is the same when it is read again.
func FuzzReadSlices(f *testing.F) {
	b, err := encode(sample(0), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:100])
	f.Add([]byte("\n\n{}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		slices, damage, err := readSlices(bytes.NewReader(in), "io.jsonl")
		lines := bytes.Count(in, []byte("\n"))
		if len(in) > 0 && in[len(in)-1] != '\n' {
			lines++
		}
		if err == nil && len(slices)+len(damage) != lines {
			t.Errorf("%d slices and %d damages of %d lines", len(slices), len(damage), lines)
		}
		for _, s := range slices {
			once, err := encode(s, "")
			if err != nil {
				t.Fatalf("what was read can't be written: %v", err)
			}
			again, err := decodeSlice(once, "io")
			if err != nil {
				t.Fatalf("what was written can't be read: %v", err)
			}
			if twice, err := encode(again, ""); err != nil || !bytes.Equal(once, twice) {
				t.Errorf("%v; written twice it is\n%s\nand\n%s", err, once, twice)
			}
		}
	})
}

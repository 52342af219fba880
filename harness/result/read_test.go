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
		{"a later layout is refused whole", line(0) + strings.Replace(line(1), "slice/v1", "slice/v2", 1), nil, nil, `line 2: unknown schema "workbench/slice/v2" (this workbench reads "workbench/slice/v1"`},
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
		{"another schema", `{"schema":"workbench/run/v9","seed":"not even a number"}`, true, `unknown schema "workbench/run/v9" (this workbench reads "workbench/run/v1"`},
		{"no schema", `{}`, true, "names no schema"},
		{"what is not JSON", `seed: 1`, true, "invalid character"},
		{"a second object after the first", `{"schema":"workbench/run/v1"}{}`, true, "after top-level value"},
		{"a figure of the wrong kind", `{"schema":"workbench/run/v1","seed":"x"}`, true, "seed"},
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

// Whatever a file holds, reading ends, and every line is a slice or a damage.
func FuzzReadSlices(f *testing.F) {
	b, err := encode(sample(0), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:100])
	f.Add([]byte("\n\n{}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		slices, damage, err := readSlices(bytes.NewReader(in), "x")
		lines := bytes.Count(in, []byte("\n"))
		if len(in) > 0 && in[len(in)-1] != '\n' {
			lines++
		}
		if err == nil && len(slices)+len(damage) != lines {
			t.Errorf("%d slices and %d damages of %d lines", len(slices), len(damage), lines)
		}
	})
}

package result

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// logged is a new record with a log of so many slices in it, not yet closed.
func logged(t *testing.T, slices int) (*Dir, *SliceLog) {
	t.Helper()
	d := create(t)
	l, err := d.Slices("io")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() }) // most tests did
	for round := range slices {
		if err := l.Append(sample(round)); err != nil {
			t.Fatal(err)
		}
	}
	return d, l
}

func readAll(t *testing.T, path string) []Slice {
	t.Helper()
	got, damage, err := ReadSlices(path)
	if err != nil || damage != nil {
		t.Fatalf("%s: damage %v, %v", path, damage, err)
	}
	return got
}

func TestAFinishedLogIsCompressedAndTheSame(t *testing.T) {
	d, l := logged(t, 3)
	plain := SlicesPath(d.Path(), "io")
	want := readAll(t, plain)
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"io.jsonl.gz"}, names(t, filepath.Join(d.Path(), "slices"))); diff != "" {
		t.Errorf("slices/ holds (-want +got):\n%s", diff)
	}
	packed := SlicesPath(d.Path(), "io")
	if packed != plain+".gz" {
		t.Errorf("its slices are at %s", packed)
	}
	if diff := cmp.Diff(want, readAll(t, packed), sameHistogram); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if _, err := d.Slices("io"); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("a second log of one that is finished: %v, want a refusal", err)
	}

	// The same slices make the same file: it may be kept with the code.
	again, l := logged(t, 3)
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	a, _ := os.ReadFile(packed)
	b, _ := os.ReadFile(SlicesPath(again.Path(), "io"))
	if !bytes.Equal(a, b) {
		t.Error("compressed twice, it is two different files")
	}
}

// Where a kill left both files, the compressed one is whole and is read.
func TestTheCompressedFileWins(t *testing.T) {
	d, l := logged(t, 2)
	plain := SlicesPath(d.Path(), "io")
	before, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plain, before[:100], 0o644); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, SlicesPath(d.Path(), "io")); len(got) != 2 {
		t.Errorf("read %d slices, want 2", len(got))
	}
}

func TestADamagedCompressedFileGivesWhatItCan(t *testing.T) {
	d, l := logged(t, 20)
	if err := l.Finish(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(SlicesPath(d.Path(), "io"))
	if err != nil {
		t.Fatal(err)
	}
	// What is compressed is one block: it is read up to the place that is wrong.
	n := len(whole)
	tests := []struct {
		name   string
		in     []byte
		read   int // at least
		damage string
	}{
		{"it is empty", nil, 0, "nothing of it can be read: EOF"},
		{"it is something else", []byte("seed: 1\n" + strings.Repeat("x", 100)), 0, "nothing of it can be read: gzip: invalid header"},
		{"its end is cut off", whole[:n-n/8], 1, "the compressed file is damaged: unexpected EOF"},
		{"all but its last byte", whole[:n-1], 20, "from line 21 on nothing can be read, for the compressed file is damaged: unexpected EOF"},
		{"its checksum is wrong", append(bytes.Clone(whole[:n-8]), "xxxxxxxx"...), 20, "from line 21 on nothing can be read, for the compressed file is damaged: gzip: invalid checksum"},
		{"something follows", append(bytes.Clone(whole), "more than there was"...), 20, "from line 21 on nothing can be read, for the compressed file is damaged: gzip: invalid header"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "io.jsonl.gz")
			if err := os.WriteFile(path, tt.in, 0o644); err != nil {
				t.Fatal(err)
			}
			got, damage, err := ReadSlices(path)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range got {
				if s.Round != i {
					t.Errorf("slice %d is of round %d", i, s.Round)
				}
			}
			if len(got) < tt.read || len(damage) != 1 || !strings.Contains(damage[0].Error(), tt.damage) || !strings.Contains(damage[0].Error(), path) {
				t.Errorf("read %d slices, damage %q; want at least %d, and one damage with %q and the file's name", len(got), damage, tt.read, tt.damage)
			}
		})
	}
}

func TestAppendNoticesThatItsFileIsGone(t *testing.T) {
	tests := []struct {
		name string
		do   func(dir, file string) error
		want string // "" for no error
	}{
		{"the record was removed", func(dir, file string) error { return os.RemoveAll(dir) }, "the directory has vanished"},
		{"its slices were", func(dir, file string) error { return os.RemoveAll(filepath.Dir(file)) }, "the directory has vanished"},
		{"another file has its name", func(dir, file string) error {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if err := os.WriteFile(file+"~", b, 0o644); err != nil { // as editors do
				return err
			}
			return os.Rename(file+"~", file)
		}, "another file has taken its place"},
		{"a record that is moved takes what is written along", func(dir, file string) error { return os.Rename(dir, dir+"-moved") }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, l := logged(t, 1)
			file := SlicesPath(d.Path(), "io")
			if err := tt.do(d.Path(), file); err != nil {
				t.Fatal(err)
			}
			err := l.Append(sample(1))
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				if got := readAll(t, SlicesPath(d.Path()+"-moved", "io")); len(got) != 2 {
					t.Errorf("read %d slices, want 2", len(got))
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Append = %v, want one line with %q and the file's name", err, tt.want)
			}
		})
	}
}

func TestWhatIsWrittenIntoNothingSaysSo(t *testing.T) {
	d, l := logged(t, 1)
	if err := os.RemoveAll(d.Path()); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{"WriteRun": d.WriteRun(Run{}), "Finish": l.Finish()} {
		if err == nil || !strings.Contains(err.Error(), "vanished") {
			t.Errorf("%s = %v, want that the directory has vanished", what, err)
		}
	}
	if _, err := d.Slices("cpu"); err == nil || !strings.Contains(err.Error(), "vanished") {
		t.Errorf("Slices = %v, want that the directory has vanished", err)
	}
	if _, _, err := ReadSlices(SlicesPath(d.Path(), "io")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "moved or removed") {
		t.Errorf("ReadSlices = %v, want that the record was moved or removed", err)
	}
}

// Root passes permission bits, and a read-only file system takes a mount: the
// words are looked at by themselves.
func TestWhatCannotBeWrittenSaysWhatToDo(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EACCES: "make it writable again",
		syscall.EROFS:  "make it writable again",
		syscall.ENOSPC: "make room",
		syscall.EIO:    syscall.EIO.Error(),
	} {
		err := explained(&fs.PathError{Op: "open", Path: "x", Err: errno})
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) {
			t.Errorf("explained(%d) = %v, want %q in it", errno, err, want)
		}
	}
}

package result

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

func init() { children["fill"] = fill }

// fill appends slices to a record whose files may grow to 20,000 bytes: a full
// disk to whoever writes, without the need to have one.
func fill(dir string) error {
	signal.Ignore(syscall.SIGXFSZ) // or it would be the end, and not EFBIG
	d, _, err := Reopen(dir)
	if err != nil {
		return err
	}
	l, err := d.Slices("io")
	if err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 20_000, Max: 20_000}); err != nil {
		return err
	}
	for round := 0; ; round++ {
		if err := l.Append(sample(round)); err != nil {
			fmt.Println(round, "slices were appended")
			err = errors.Join(err, d.WriteFile("bench.txt", make([]byte, 30_000)))
			return errors.Join(err, d.WriteFile("answer.md", []byte("small\n")), l.Finish())
		}
	}
}

// A disk that fills up costs the slice at hand and no other, and says so.
func TestAFullDisk(t *testing.T) {
	path := abandoned(t, Run{Name: "io"})
	c, out := child(t, "fill", path)
	var said []string
	for out.Scan() {
		said = append(said, out.Text())
	}
	if c.Wait() == nil || len(said) != 3 {
		t.Fatalf("the child says %q, want how many slices there are, and two errors", said)
	}
	for i, what := range []string{"append to " + path + "/slices/io.jsonl: file too large", "write " + path + "/bench.txt: file too large"} {
		if got := said[i+1]; !strings.HasPrefix(got, what) || !strings.Contains(got, "what was written before stays readable") {
			t.Errorf("it says %q, want %q and what stays", got, what)
		}
	}
	var n int
	if _, err := fmt.Sscan(said[0], &n); err != nil || n == 0 {
		t.Fatalf("%q: %v", said[0], err)
	}
	if got := readAll(t, SlicesPath(path, "io")); len(got) != n {
		t.Errorf("read %d slices, want %d", len(got), n)
	}
	if _, err := os.Stat(path + "/bench.txt"); err == nil {
		t.Error("half of a file has taken its name")
	}
}

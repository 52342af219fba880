package result

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// largestPublished is the size, in bytes, up to which a file may be kept with
// the code.
const largestPublished = 1 << 20

// readable are the files of a record beside run.json that are published as they
// are, where there are any.
var readable = []string{"answer.md", "table.md", "table.csv", "bench.txt", "sweep.yaml"}

// Publish copies a finished record to parent, under its own name: run.json and
// what was made for reading as they are, the slices condensed (see [Condense])
// and compressed, in several files where one would be larger than 1 MiB, and
// nothing of what was cut short. It is refused for a record that is not finished
// or is damaged, and for one of which another file would be larger. A record that is there already is left as it is: that is
// an error unless it is the same, to the byte.
//
// The copy appears in one step, whole.
func Publish(from, parent string) (dir string, err error) {
	from, err = filepath.Abs(from) // "." has a name too
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", from, err)
	}
	files, err := toPublish(from)
	if err != nil {
		return "", fmt.Errorf("publish %s: %w", from, err)
	}
	name := filepath.Base(from)
	dir = filepath.Join(parent, name)
	if _, err := os.Lstat(dir); err == nil {
		if differs := differing(dir, files); differs != "" {
			return "", fmt.Errorf("publish %s: %s is there already, and %s differs (remove it first, or give the record another name)", from, dir, differs)
		}
		return dir, nil
	}
	tmp := filepath.Join(parent, temporary(name))
	if err := os.RemoveAll(tmp); err != nil { // what a kill left
		return "", fmt.Errorf("publish %s: %w", from, err)
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(tmp) // may not be there; the first error is the one to report
		}
	}()
	if err := os.MkdirAll(filepath.Join(tmp, slicesDir), 0o755); err != nil {
		return "", fmt.Errorf("publish %s: %w", from, err)
	}
	for _, f := range files {
		if err := writeSynced(filepath.Join(tmp, f.name), f.data); err != nil {
			return "", fmt.Errorf("publish %s: write %s: %w", from, filepath.Join(dir, f.name), explained(err))
		}
	}
	if err := os.Rename(tmp, dir); err != nil {
		return "", fmt.Errorf("publish %s: %w", from, err)
	}
	return dir, nil
}

// A published file is held whole: it is small by definition.
type published struct {
	name string // in the record
	data []byte
}

func toPublish(from string) (files []published, err error) {
	run, err := ReadRun(from)
	if err != nil {
		return nil, err
	}
	if err := finished(run); err != nil {
		return nil, err
	}
	add := func(name string, data []byte) error {
		if len(data) > largestPublished {
			return fmt.Errorf("%s would be %s bytes, and no more than %s are published in one file (publish a shorter run)", name, Thousands(int64(len(data))), Thousands(largestPublished))
		}
		files = append(files, published{name, data})
		return nil
	}
	for _, name := range append([]string{runFile}, readable...) {
		b, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue // run.json is there, or it would not have been read
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, bare(err))
		}
		if err := add(name, b); err != nil {
			return nil, err
		}
	}
	for _, e := range run.Experiments {
		taken, damage, err := ReadSlices(SlicesPath(from, e.Name))
		if err != nil {
			return nil, err
		}
		if len(damage) > 0 {
			return nil, damage[0]
		}
		parts, err := packParts(Condense(taken), largestPublished)
		if err != nil {
			return nil, fmt.Errorf("condense the slices of %s: %w", e.Name, err)
		}
		for i, b := range parts {
			if err := add(slicesDir+"/"+partName(e.Name, i+1)+slicesExt+packedExt, b); err != nil {
				return nil, err
			}
		}
	}
	return files, nil
}

// finished says what of a run was cut short.
func finished(run Run) error {
	if len(run.Experiments) == 0 {
		return errors.New("it holds no experiment")
	}
	for _, e := range run.Experiments {
		switch {
		case e.StoppedBy == "":
			return fmt.Errorf("its experiment %s is not finished (a sweep goes on with --resume)", e.Name)
		case e.StoppedBy == "interrupt":
			return fmt.Errorf("its experiment %s was interrupted (a sweep goes on with --resume)", e.Name)
		}
		if err := checkElement(e.Name); err != nil {
			return fmt.Errorf("the name of an experiment: %w", err)
		}
	}
	return nil
}

// packParts is what a slice log holds when it is finished, in so many parts that
// none is larger than most, if a single slice isn't.
func packParts(taken []Slice, most int) (parts [][]byte, err error) {
	b, err := pack(taken)
	if err != nil || len(b) <= most || len(taken) < 2 {
		return [][]byte{b}, err
	}
	for _, half := range [][]Slice{taken[:len(taken)/2], taken[len(taken)/2:]} {
		some, err := packParts(half, most)
		if err != nil {
			return nil, err
		}
		parts = append(parts, some...)
	}
	return parts, nil
}

// partName is what the n-th part, from 1, of an experiment's slices is called:
// io, io~2, io~3.
func partName(experiment string, n int) string {
	if n == 1 {
		return experiment
	}
	return experiment + "~" + strconv.Itoa(n)
}

// pack is what a slice log holds when it is finished.
func pack(taken []Slice) ([]byte, error) {
	var plain, packed bytes.Buffer
	for _, s := range taken {
		line, err := encode(s, "")
		if err != nil {
			return nil, err
		}
		plain.Write(line)
	}
	err := compress(&packed, &plain)
	return packed.Bytes(), err
}

// differing names a file that dir doesn't hold as it would be published, or
// holds beside what would be; "" where it is the same.
func differing(dir string, files []published) string {
	want := map[string]bool{}
	for _, f := range files {
		want[f.name] = true
		if b, err := os.ReadFile(filepath.Join(dir, f.name)); err != nil || !bytes.Equal(b, f.data) {
			return f.name
		}
	}
	differs := ""
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil && !want[filepath.ToSlash(name)] {
			differs = name
		}
		return err
	})
	if err != nil {
		return err.Error()
	}
	return differs
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

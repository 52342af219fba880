package result

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// ReadRun reads the run.json of a record's directory. A schema that this
// program doesn't know is refused, for a figure misread is worse than none;
// keys that it doesn't know under a schema that it does are passed over.
func ReadRun(dir string) (Run, error) {
	path := filepath.Join(dir, runFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if fi, serr := os.Stat(filepath.Join(dir, slicesDir)); serr == nil && fi.IsDir() {
			return Run{}, fmt.Errorf("read %s: there is none (the run was cut short; what it saw is under %s)", path, filepath.Join(dir, slicesDir))
		}
		return Run{}, fmt.Errorf("read %s: no such record (name the directory that a run printed as its record)", path)
	}
	if err != nil {
		return Run{}, fmt.Errorf("read %s: %w", path, bare(err))
	}
	if err := checkSchema(b, RunSchema); err != nil {
		return Run{}, fmt.Errorf("read %s: %w", path, err)
	}
	var r Run
	if err := json.Unmarshal(b, &r); err != nil {
		return Run{}, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

// errUnknownSchema marks a record of another layout, which no line of is read.
var errUnknownSchema = errors.New("unknown schema")

func checkSchema(b []byte, want string) error {
	var j struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	switch j.Schema {
	case want:
		return nil
	case "":
		return fmt.Errorf("it names no schema (want %q)", want)
	}
	return fmt.Errorf("%w %q (this workbench reads %q; use the one that wrote it)", errUnknownSchema, j.Schema, want)
}

// SlicesPath is where the record in dir keeps the slices of an experiment.
func SlicesPath(dir, experiment string) string {
	return filepath.Join(dir, slicesDir, experiment+slicesExt)
}

// ReadSlices reads an experiment's slices in the order they were taken. A line
// that can't be read (the last one, where a kill tore it) costs that slice and
// no other: each is named in damage with its number, from 1. err is for what
// leaves nothing to read: no file, or another schema.
func ReadSlices(path string) (slices []Slice, damage []error, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read slices %s: %w", path, bare(err))
	}
	defer f.Close()
	return readSlices(f, path)
}

func readSlices(r io.Reader, path string) (slices []Slice, damage []error, err error) {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, rerr := lines.ReadBytes('\n') // no Scanner: a line has no largest size
		if rerr != nil && rerr != io.EOF {
			return slices, damage, fmt.Errorf("read slices %s: line %d: %w", path, n, rerr)
		}
		if len(line) == 0 {
			return slices, damage, nil // only at the end
		}
		s, err := decodeSlice(line)
		switch {
		case errors.Is(err, errUnknownSchema):
			return nil, nil, fmt.Errorf("read slices %s: line %d: %w", path, n, err)
		case err != nil:
			damage = append(damage, fmt.Errorf("%s: line %d is damaged and left out: %w", path, n, err))
		default:
			slices = append(slices, s)
		}
	}
}

func decodeSlice(line []byte) (Slice, error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return Slice{}, errors.New("it is empty")
	}
	if err := checkSchema(line, SliceSchema); err != nil {
		return Slice{}, err
	}
	var s Slice
	if err := json.Unmarshal(line, &s); err != nil {
		return Slice{}, err
	}
	return s, nil
}

package result

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// ReadRun reads the run.json of a record's directory, strictly: a schema or a
// key that this program doesn't know is refused, for a figure misread, or
// passed over, is worse than none. A key that is missing is one that the
// program which wrote it didn't have yet.
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
	r, err := decodeRun(b)
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return Run{}, fmt.Errorf("read %s: %w (the file is damaged; what the run saw is under %s)", path, err, filepath.Join(dir, slicesDir))
	}
	if err != nil {
		return Run{}, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}

func decodeRun(b []byte) (Run, error) {
	var r Run
	if err := checkSchema(b, RunSchema); err != nil {
		return r, atLine(b, err)
	}
	if err := strictly(b, &r); err != nil {
		return Run{}, atLine(b, err)
	}
	return r, nil
}

// strictly is json.Unmarshal, but for keys that v has no field for.
func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows after its end")
	}
	return nil
}

// inWords says what encoding/json found in the words of who wrote the file.
func inWords(err error) error {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return fmt.Errorf("%s is %s, want %s", e.Field, e.Value, kindInWords(e.Type))
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("unknown key %s (a typing error, or of another workbench)", key)
	}
	return err
}

// kindInWords is what JSON calls a type, as encoding/json says what it found.
func kindInWords(t reflect.Type) string {
	switch k := t.Kind(); {
	case k >= reflect.Int && k <= reflect.Int64:
		return "an integer"
	case k >= reflect.Uint && k <= reflect.Uintptr:
		return "an integer of 0 or more"
	case k == reflect.Float64:
		return "number"
	case k == reflect.Slice:
		return "array"
	case k == reflect.Struct || k == reflect.Map:
		return "object"
	}
	return t.Kind().String()
}

// atLine names the line of what is wrong, where encoding/json says where it is.
func atLine(b []byte, err error) error {
	offset := int64(-1)
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = e.Offset
	}
	if err = inWords(err); offset < 0 {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(b[:min(offset, int64(len(b)))], []byte("\n")), err)
}

// errNewer marks a record of a later layout, of which no line is read.
var errNewer = errors.New("written by a newer workbench")

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
	layout, version := versionOf(j.Schema)
	if ours, known := versionOf(want); layout == ours && version > known {
		return fmt.Errorf("%w (its schema is %q, this one reads %q; use the one that wrote it)", errNewer, j.Schema, want)
	}
	return fmt.Errorf("unknown schema %q (want %q)", j.Schema, want)
}

var versioned = regexp.MustCompile(`^(workbench/[a-z]+)/v([0-9]{1,9})$`)

// versionOf takes a schema apart; "" and 0 where it is none of ours.
func versionOf(schema string) (layout string, version int) {
	m := versioned.FindStringSubmatch(schema)
	if m == nil {
		return "", 0
	}
	version, _ = strconv.Atoi(m[2]) // nine digits always fit
	return m[1], version
}

// SlicesPath is where the record in dir keeps the slices of an experiment:
// compressed, once it is over. Where a kill left both files, the compressed one
// is whole.
func SlicesPath(dir, experiment string) string {
	path := filepath.Join(dir, slicesDir, experiment+slicesExt)
	if _, err := os.Lstat(path + packedExt); err == nil {
		return path + packedExt
	}
	return path
}

// ReadSlices reads an experiment's slices in the order they were taken,
// compressed or not. A line that can't be read (the last one, where a kill tore
// it) costs that slice and no other: each is named in damage with its number,
// from 1, and what is wrong. So is the place where a compressed file breaks
// off. err is for what leaves nothing to read: no file, or a later schema.
//
// A compressed file may have others after it (io~2, io~3), where it was
// published in parts; they are read with it.
func ReadSlices(path string) (slices []Slice, damage []error, err error) {
	slices, damage, err = readFile(path)
	name, first := strings.CutSuffix(path, slicesExt+packedExt)
	for n := 2; err == nil && first; n++ {
		part := partName(name, n) + slicesExt + packedExt
		if _, serr := os.Lstat(part); serr != nil {
			break
		}
		more, bad, merr := readFile(part)
		slices, damage, err = append(slices, more...), append(damage, bad...), merr
	}
	if err != nil {
		return nil, nil, err
	}
	return slices, damage, nil
}

func readFile(path string) (slices []Slice, damage []error, err error) {
	f, err := os.Open(path)
	if err != nil {
		err = bare(err)
		if _, gone := os.Lstat(filepath.Dir(filepath.Dir(path))); errors.Is(gone, fs.ErrNotExist) {
			err = fmt.Errorf("%w: the record was moved or removed", err)
		}
		return nil, nil, fmt.Errorf("read slices %s: %w", path, err)
	}
	defer f.Close()
	return readSlices(f, path)
}

func readSlices(r io.Reader, path string) (slices []Slice, damage []error, err error) {
	err = eachLine(r, path, func(_ []byte, s Slice, err error) {
		if err != nil {
			damage = append(damage, err)
			return
		}
		slices = append(slices, s)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read slices %s: %w", path, err)
	}
	return slices, damage, nil
}

// eachLine hands over each line as it is, and the slice that it holds or, in
// full, what is wrong with it.
func eachLine(r io.Reader, path string, do func(line []byte, s Slice, err error)) error {
	experiment, packed := experimentOf(path)
	if packed {
		z, err := gzip.NewReader(r)
		if err != nil {
			do(nil, Slice{}, fmt.Errorf("%s: nothing of it can be read: %w", path, err))
			return nil
		}
		r = z
	}
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, rerr := lines.ReadBytes('\n') // no Scanner: a line has no largest size
		if rerr != nil && rerr != io.EOF && !packed {
			return fmt.Errorf("line %d: %w", n, bare(rerr))
		}
		broken := rerr != nil && rerr != io.EOF
		if len(line) == 0 && !broken {
			return nil // only at the end
		}
		s, err := decodeSlice(line, experiment)
		switch {
		case errors.Is(err, errNewer):
			return fmt.Errorf("line %d: %w", n, err)
		case err == nil:
			do(line, s, nil)
			if broken { // only its end was missing
				n++
			}
		case !broken:
			do(line, Slice{}, fmt.Errorf("%s: line %d is damaged and left out: %w", path, n, err))
		}
		if broken {
			do(nil, Slice{}, fmt.Errorf("%s: from line %d on nothing can be read, for the compressed file is damaged: %w", path, n, rerr))
			return nil
		}
	}
}

// partOf is the end of a part's name, after that of its experiment.
var partOf = regexp.MustCompile(`~[2-9][0-9]*$|~1[0-9]+$`)

// experimentOf is the name of the experiment whose slices a file holds, and
// whether they are compressed.
func experimentOf(path string) (name string, packed bool) {
	name, packed = strings.CutSuffix(filepath.Base(path), packedExt)
	name = strings.TrimSuffix(name, slicesExt)
	if packed {
		name = partOf.ReplaceAllString(name, "")
	}
	if filepath.Base(filepath.Dir(path)) == cutDir { // io-1, io-2, …
		if i := strings.LastIndexByte(name, '-'); i >= 0 {
			name = name[:i]
		}
	}
	return name, packed
}

func decodeSlice(line []byte, experiment string) (Slice, error) {
	if len(bytes.TrimSpace(line)) == 0 {
		return Slice{}, errors.New("it is empty")
	}
	if err := checkSchema(line, SliceSchema); err != nil {
		return Slice{}, inWords(err)
	}
	var s Slice
	if err := strictly(line, &s); err != nil {
		return Slice{}, inWords(err)
	}
	if s.Experiment != experiment {
		return Slice{}, fmt.Errorf("it is a slice of another experiment, %q", s.Experiment)
	}
	return s, nil
}

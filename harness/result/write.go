package result

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of what a record's directory holds.
const (
	runFile   = "run.json"
	slicesDir = "slices"
	slicesExt = ".jsonl"
)

// stamp is the UTC second in a directory's name: it sorts by age, and no file
// system minds any of its characters.
const stamp = "20060102T150405Z"

// CheckWritable reports whether a record could be made under parent, so that
// a measurement of minutes does not end in a refusal. Permission bits say
// little (root passes them all, a read-only file system ignores them), so it
// writes a file into the nearest directory that exists and removes it again;
// it makes nothing else. That a later [Create] succeeds is likely, not promised.
func CheckWritable(parent string) error {
	dir := filepath.Clean(parent)
	for {
		fi, err := os.Stat(dir)
		if err == nil {
			if !fi.IsDir() {
				return unwritable(parent, fmt.Errorf("%s is not a directory", dir))
			}
			break
		}
		if _, lerr := os.Lstat(dir); lerr == nil {
			// It is there and can't be followed. Going up would miss that
			// MkdirAll trips over it.
			return unwritable(parent, fmt.Errorf("%s can't be followed: %w", dir, bare(err)))
		}
		up := filepath.Dir(dir)
		if up == dir {
			return unwritable(parent, bare(err))
		}
		dir = up
	}
	f, err := os.CreateTemp(dir, ".workbench-may-write-*")
	if err != nil {
		return unwritable(parent, bare(err))
	}
	_, err = f.WriteString("x") // a full disk still makes empty files
	err = errors.Join(err, f.Close())
	if err := errors.Join(err, os.Remove(f.Name())); err != nil {
		return unwritable(parent, bare(err))
	}
	return nil
}

// unwritable is the one line that a user sees: what, on what, what to do.
func unwritable(parent string, err error) error {
	return fmt.Errorf("write results under %s: %w (choose another directory with --out)", parent, err)
}

// bare takes the path off an error whose message names it already.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// A Dir is the directory of one record while it is being written. Everything
// goes through an os.Root, so that no name, however odd, leads out of it. It
// is not synchronised.
type Dir struct {
	path string
	root *os.Root
}

// Create makes <parent>/<now in UTC>-<name>/ and slices/ in it, and parent
// where it is missing. It never takes a directory that exists: a second record
// of the same second gets "-2" after its name, and so on.
func Create(parent, name string, now time.Time) (*Dir, error) {
	if err := checkElement(name); err != nil {
		return nil, fmt.Errorf("name a record: %w", err)
	}
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, unwritable(parent, err)
	}
	base := filepath.Join(parent, now.UTC().Format(stamp)+"-"+name)
	path := base
	// Mkdir, not MkdirAll: of two processes that ask at once only one gets it.
	for n := 2; ; n++ {
		err := os.Mkdir(path, 0o755)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, unwritable(parent, err)
		}
		path = fmt.Sprintf("%s-%d", base, n)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, unwritable(parent, err)
	}
	d := &Dir{path: path, root: root}
	if err := root.Mkdir(slicesDir, 0o755); err != nil {
		return nil, errors.Join(unwritable(path, err), root.Close())
	}
	return d, nil
}

// checkElement refuses what is not the name of one file in one directory.
func checkElement(name string) error {
	if name == "." || !filepath.IsLocal(name) || strings.ContainsAny(name, "/\\\x00") {
		return fmt.Errorf("%q is not the name of a file (no slashes, not empty, not . or ..)", name)
	}
	return nil
}

// Path is where the directory is, as parent was given to [Create].
func (d *Dir) Path() string { return d.path }

// Close lets go of the directory; its files stay. Slice logs are closed by
// themselves.
func (d *Dir) Close() error { return d.root.Close() }

// A SliceLog is the file of one experiment's slices. It is not synchronised:
// one slice is over before the next begins.
type SliceLog struct {
	experiment string
	path       string
	f          *os.File
	torn       bool // the last append may have left half a line
}

// Slices opens the log of an experiment, which must be new: two experiments of
// one name would mix their slices.
func (d *Dir) Slices(experiment string) (*SliceLog, error) {
	if err := checkElement(experiment); err != nil {
		return nil, fmt.Errorf("name an experiment: %w", err)
	}
	name := slicesDir + "/" + experiment + slicesExt
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the slice log %s: %w", filepath.Join(d.path, name), bare(err))
	}
	if err := d.syncDir(slicesDir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &SliceLog{experiment: experiment, path: filepath.Join(d.path, name), f: f}, nil
}

// Append writes one slice and returns when it is on the disk: what a kill -9
// or a power cut leaves is every slice but the one being written. Schema and
// experiment are filled in. It takes as long as the disk needs to sync
// (milliseconds), so it belongs between slices.
func (l *SliceLog) Append(s Slice) error {
	s.Schema, s.Experiment = SliceSchema, l.experiment
	line, err := encode(s, "")
	if err != nil {
		return fmt.Errorf("encode a slice of %s for %s: %w", s.Label, l.path, err)
	}
	if l.torn { // or two lines would be lost instead of one
		line = append([]byte{'\n'}, line...)
	}
	if _, err := l.f.Write(line); err != nil {
		l.torn = true
		return fmt.Errorf("append to %s: %w", l.path, bare(err))
	}
	l.torn = false
	if err := l.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", l.path, bare(err))
	}
	return nil
}

// Close closes the file. Nothing is buffered, so nothing is lost without it.
func (l *SliceLog) Close() error { return l.f.Close() }

// WriteRun writes run.json in one step: a reader sees the old one or the new
// one, whole. It may be called again and again as a run goes on.
func (d *Dir) WriteRun(r Run) error {
	var b bytes.Buffer
	if err := r.Encode(&b); err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Join(d.path, runFile), err)
	}
	return d.WriteFile(runFile, b.Bytes())
}

// WriteFile writes a file of the record in one step: under a temporary name in
// the same directory, synced, then renamed over what was there.
func (d *Dir) WriteFile(name string, data []byte) (err error) {
	if err := checkElement(name); err != nil {
		return fmt.Errorf("name a file of the record: %w", err)
	}
	path := filepath.Join(d.path, name)
	tmp := "." + name + ".tmp" // one name only: a killed run leaves at most one behind, and the next write takes it
	defer func() {
		if err != nil {
			_ = d.root.Remove(tmp) // may not be there; the first error is the one to report
		}
	}()
	f, err := d.root.Create(tmp)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, bare(err))
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, bare(err))
	}
	if err := d.root.Rename(tmp, name); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return d.syncDir(".")
}

// syncDir makes names durable, which syncing a file alone doesn't promise.
func (d *Dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Join(d.path, name), bare(err))
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Join(d.path, name), bare(err))
	}
	return nil
}

// Encode writes the run as run.json holds it. A list that is empty is written
// as [], never as null, so that a script may loop over it unasked.
func (r Run) Encode(w io.Writer) error {
	r.Schema = RunSchema
	r.Warnings = list(r.Warnings)
	r.Experiments = list(slices.Clone(r.Experiments)) // the caller keeps its own
	for i := range r.Experiments {
		e := &r.Experiments[i]
		e.Warnings = list(e.Warnings)
		e.Entries = list(e.Entries)
		e.Comparisons = list(e.Comparisons)
		e.Failures = list(e.Failures)
		e.Cells = list(slices.Clone(e.Cells))
		for j := range e.Cells {
			e.Cells[j].Warnings = list(e.Cells[j].Warnings)
		}
	}
	b, err := encode(r, "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// encode ends in a newline, and leaves <, > and & as they are: a record is
// read by people and by jq, not by browsers.
func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

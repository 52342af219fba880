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
	"syscall"
	"time"
)

// Names of what a record's directory holds.
const (
	runFile   = "run.json"
	slicesDir = "slices"
	slicesExt = ".jsonl"
	packedExt = ".gz" // after slicesExt, of an experiment that is over
	cutDir    = "cut" // what experiments left that were cut short
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
// is not synchronised, and one process at a time has it: see [Reopen].
type Dir struct {
	path string
	root *os.Root
	lock *os.File // held as long as this is open
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
	if d.lock, err = lockDir(root); err != nil {
		return nil, errors.Join(unwritable(path, err), root.Close())
	}
	if err := root.Mkdir(slicesDir, 0o755); err != nil {
		return nil, errors.Join(unwritable(path, err), d.Close())
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
func (d *Dir) Close() error { return errors.Join(d.lock.Close(), d.root.Close()) }

// WriteRun writes run.json in one step: a reader sees the old one or the new
// one, whole. It may be called again and again as a run goes on. Of a run with a
// few hundred cells indentation is half of the file, and would make it larger than
// what is published: that goes without.
func (d *Dir) WriteRun(r Run) error {
	var b, dense bytes.Buffer
	err := r.Encode(&b)
	if err == nil && b.Len() > largestPublished {
		err = json.Compact(&dense, b.Bytes())
		dense.WriteByte('\n')
		b = dense
	}
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Join(d.path, runFile), err)
	}
	return d.WriteFile(runFile, b.Bytes())
}

// WriteFile writes a file of the record in one step: under a temporary name in
// the same directory, synced, then renamed over what was there.
func (d *Dir) WriteFile(name string, data []byte) error {
	if err := checkElement(name); err != nil {
		return fmt.Errorf("name a file of the record: %w", err)
	}
	return d.write(".", name, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// write is WriteFile for any directory of the record, and for what is too
// large to hold.
func (d *Dir) write(dir, name string, fill func(io.Writer) error) (err error) {
	path := filepath.Join(d.path, dir, name)
	final := dir + "/" + name
	tmp := dir + "/" + temporary(name)
	defer func() {
		if err != nil {
			_ = d.root.Remove(tmp) // may not be there; the first error is the one to report
		}
	}()
	f, err := d.root.Create(tmp)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, explained(err))
	}
	err = fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, explained(err))
	}
	if err := d.root.Rename(tmp, final); err != nil {
		return fmt.Errorf("write %s: %w", path, explained(err))
	}
	return d.syncDir(dir)
}

// temporary is the name under which a file is written. There is one only: a
// killed run leaves at most one behind, and the next write takes it.
func temporary(name string) string { return "." + name + temporaryExt }

const temporaryExt = ".tmp"

// explained is the bare error, and what it means for the record where that
// isn't plain.
func explained(err error) error {
	switch err = bare(err); {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w (what was written before stays readable; make room)", err)
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w (what was written before stays readable; make it writable again)", err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the directory has vanished, and what was written into it is lost with it", err)
	}
	return err
}

// syncDir makes names durable, which syncing a file alone doesn't promise.
func (d *Dir) syncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Join(d.path, name), explained(err))
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", filepath.Join(d.path, name), bare(err))
	}
	return nil
}

// Encode writes the run as run.json holds it. A list that is empty is written
// as [], never as null, so that a script may loop over it unasked. A figure
// that is no number never keeps the rest from being written: see [finite].
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
	r.Resumed = slices.Clone(r.Resumed)
	for i := range r.Resumed {
		r.Resumed[i].Differs = list(r.Resumed[i].Differs)
	}
	r.Scalability = slices.Clone(r.Scalability)
	for i := range r.Scalability {
		r.Scalability[i].Where = list(r.Scalability[i].Where)
		r.Scalability[i].Clients = list(r.Scalability[i].Clients)
	}
	b, err := encode(r, "  ")
	if notNumbers(err) {
		r, r.NotNumbers = finite(r, r.NotNumbers)
		b, err = encode(r, "  ")
	}
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

package result

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A SliceLog is the file of one experiment's slices. It is not synchronised:
// one slice is over before the next begins.
type SliceLog struct {
	dir        *Dir
	experiment string
	name       string // in the record
	path       string
	f          *os.File
	size       int64 // of all that was appended, bytes
	torn       bool  // the last append may have left half a line
}

// Slices opens the log of an experiment, which must be new: two experiments of
// one name would mix their slices. What one left that was cut short goes out of
// the way with [Dir.SetAside].
func (d *Dir) Slices(experiment string) (*SliceLog, error) {
	if err := checkElement(experiment); err != nil {
		return nil, fmt.Errorf("name an experiment: %w", err)
	}
	name := slicesDir + "/" + experiment + slicesExt
	if _, err := d.root.Lstat(name + packedExt); err == nil {
		return nil, fmt.Errorf("open the slice log %s: %w", filepath.Join(d.path, name+packedExt), fs.ErrExist)
	}
	f, err := d.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the slice log %s: %w", filepath.Join(d.path, name), explained(err))
	}
	if err := d.syncDir(slicesDir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &SliceLog{dir: d, experiment: experiment, name: name, path: filepath.Join(d.path, name), f: f}, nil
}

// Append writes one slice and returns when it is on the disk: what a kill -9
// or a power cut leaves is every slice but the one being written. Schema and
// experiment are filled in. It takes as long as the disk needs to sync
// (milliseconds), so it belongs between slices.
//
// An error means that the record can't go on: the disk is full, or the file is
// no longer where it was, so that what is written next would be nobody's.
func (l *SliceLog) Append(s Slice) error {
	s.Schema, s.Experiment = SliceSchema, l.experiment
	line, err := encode(s, "")
	if notNumbers(err) {
		s, s.NotNumbers = finite(s, s.NotNumbers)
		line, err = encode(s, "")
	}
	if err != nil {
		return fmt.Errorf("encode a slice of %s for %s: %w", s.Label, l.path, err)
	}
	if l.torn { // or two lines would be lost instead of one
		line = append([]byte{'\n'}, line...)
	}
	if n, err := l.f.Write(line); err != nil {
		// Half a line is of no use to anybody. A full disk lets go of it.
		l.torn = l.f.Truncate(l.size) != nil
		if l.torn {
			l.size += int64(n)
		}
		return fmt.Errorf("append to %s: %w", l.path, explained(err))
	}
	l.size += int64(len(line))
	l.torn = false
	if err := l.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", l.path, explained(err))
	}
	return l.inPlace()
}

// inPlace reports whether the name still leads to the file that is written. A
// file that was removed takes all that is written to it, and says nothing. A
// directory that was only moved takes its record along.
func (l *SliceLog) inPlace() error {
	now, err := l.dir.root.Lstat(l.name)
	if err != nil {
		return fmt.Errorf("append to %s: %w", l.path, explained(err))
	}
	mine, err := l.f.Stat()
	if err != nil {
		return fmt.Errorf("append to %s: %w", l.path, bare(err))
	}
	if !os.SameFile(now, mine) {
		return fmt.Errorf("append to %s: another file has taken its place, and what was written to it is lost (let nothing else write to %s)", l.path, l.dir.path)
	}
	return nil
}

// Close closes the file as it is, of an experiment that was cut short. Nothing
// is buffered, so nothing is lost without it.
func (l *SliceLog) Close() error { return l.f.Close() }

// Finish closes the file of an experiment that is over and compresses it. The
// compressed file takes its name when it is whole and on the disk, and the
// other goes after that: at any moment one of the two can be read.
func (l *SliceLog) Finish() error {
	if err := l.f.Close(); err != nil {
		return fmt.Errorf("close %s: %w", l.path, explained(err))
	}
	in, err := l.dir.root.Open(l.name)
	if err != nil {
		return fmt.Errorf("compress %s: %w", l.path, explained(err))
	}
	defer in.Close()
	err = l.dir.write(slicesDir, l.experiment+slicesExt+packedExt, func(w io.Writer) error { return compress(w, in) })
	if err != nil {
		return err
	}
	if err := l.dir.root.Remove(l.name); err != nil {
		return fmt.Errorf("remove %s, which is compressed: %w", l.path, explained(err))
	}
	return l.dir.syncDir(slicesDir)
}

// compress writes the same bytes whenever it is given the same: its header
// holds neither time nor name.
func compress(w io.Writer, r io.Reader) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(z, r); err != nil {
		return err
	}
	return z.Close()
}

package result

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

var errLocked = errors.New("another process is writing it (wait for its end, or end it)")

// Reopen takes up a record that was begun before, to go on with it: what a
// sweep does that was killed. Two processes that wrote one record would mix
// their slices, so it is refused while another has it open.
//
// What a kill left half done is cleared away: temporary files, and the slices
// that were compressed and not yet removed.
func Reopen(path string) (*Dir, Run, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, Run{}, fmt.Errorf("take up %s: %w (name the directory that a run printed as its record)", path, bare(err))
	}
	lock, err := lockDir(root)
	if err != nil {
		return nil, Run{}, errors.Join(fmt.Errorf("take up %s: %w", path, err), root.Close())
	}
	d := &Dir{path: path, root: root, lock: lock}
	run, err := ReadRun(path)
	if err == nil {
		err = d.tidy()
	}
	if err != nil {
		return nil, Run{}, errors.Join(err, d.Close())
	}
	return d, run, nil
}

// tidy ends what a kill interrupted.
func (d *Dir) tidy() error {
	if err := d.root.MkdirAll(slicesDir, 0o755); err != nil {
		return fmt.Errorf("take up %s: %w", d.path, explained(err))
	}
	for _, dir := range []string{".", slicesDir, cutDir} {
		entries, err := fs.ReadDir(d.root.FS(), dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // nothing was cut short
		}
		if err != nil {
			return fmt.Errorf("take up %s: %w", filepath.Join(d.path, dir), bare(err))
		}
		for _, e := range entries {
			name := e.Name()
			if strings.HasPrefix(name, ".") && strings.HasSuffix(name, temporaryExt) && e.Type().IsRegular() {
				if err := d.root.Remove(dir + "/" + name); err != nil {
					return fmt.Errorf("remove %s, which a kill left: %w", filepath.Join(d.path, dir, name), bare(err))
				}
			}
			if experiment, ok := strings.CutSuffix(name, slicesExt+packedExt); ok && dir == slicesDir {
				if err := d.dropSpare(experiment); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// dropSpare removes the uncompressed file of an experiment that has a whole
// compressed one: a kill came between the two steps of [SliceLog.Finish].
func (d *Dir) dropSpare(experiment string) error {
	spare := slicesDir + "/" + experiment + slicesExt
	if _, err := d.root.Lstat(spare); err != nil {
		return nil
	}
	packed, err := d.root.Open(spare + packedExt)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", filepath.Join(d.path, spare+packedExt), bare(err))
	}
	defer packed.Close()
	if _, damage, err := readSlices(packed, spare+packedExt); err != nil || len(damage) > 0 {
		return nil // both stay: what is lost in one may be in the other
	}
	if err := d.root.Remove(spare); err != nil {
		return fmt.Errorf("remove %s, which is compressed: %w", filepath.Join(d.path, spare), bare(err))
	}
	return d.syncDir(slicesDir)
}

// SetAside moves what an experiment left that was cut short to
// cut/<experiment>-1.jsonl (then -2, …), so that it can begin anew and nothing
// that can be read is lost. Lines that can't be read stay behind; a compressed
// file that is damaged goes as it is, since others may read more of it. Without a
// file there is nothing to do. A kill leaves the old file or the new one, and
// to set aside again ends what it interrupted.
func (d *Dir) SetAside(experiment string) error {
	if err := checkElement(experiment); err != nil {
		return fmt.Errorf("name an experiment: %w", err)
	}
	if err := d.dropSpare(experiment); err != nil {
		return err
	}
	for _, ext := range []string{slicesExt, slicesExt + packedExt} {
		if err := d.setAside(experiment, ext); err != nil {
			return fmt.Errorf("set aside %s: %w", filepath.Join(d.path, slicesDir, experiment+ext), err)
		}
	}
	return nil
}

func (d *Dir) setAside(experiment, ext string) error {
	name := slicesDir + "/" + experiment + ext
	f, err := d.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return bare(err)
	}
	defer f.Close()
	var legible bytes.Buffer
	whole := true
	err = eachLine(f, name, func(line []byte, _ Slice, err error) {
		if err != nil {
			whole = false
			return
		}
		legible.Write(bytes.TrimRight(line, "\n"))
		legible.WriteByte('\n')
	})
	if err != nil {
		return err
	}
	packed := strings.HasSuffix(ext, packedExt)
	if legible.Len() == 0 && !packed {
		return d.remove(name)
	}
	if err := d.root.MkdirAll(cutDir, 0o755); err != nil {
		return explained(err)
	}
	if err := d.syncDir("."); err != nil {
		return err
	}
	n := 1
	for d.exists(cutName(experiment, n, slicesExt)) || d.exists(cutName(experiment, n, slicesExt+packedExt)) {
		n++
	}
	if whole || packed {
		if err := d.root.Rename(name, cutName(experiment, n, ext)); err != nil {
			return explained(err)
		}
		return errors.Join(d.syncDir(cutDir), d.syncDir(slicesDir))
	}
	// A kill between the two steps that follow must not leave it twice.
	if last, err := d.root.ReadFile(cutName(experiment, n-1, slicesExt)); err != nil || !bytes.Equal(last, legible.Bytes()) {
		err := d.write(cutDir, filepath.Base(cutName(experiment, n, slicesExt)), func(w io.Writer) error {
			_, err := w.Write(legible.Bytes())
			return err
		})
		if err != nil {
			return err
		}
	}
	return d.remove(name)
}

func cutName(experiment string, n int, ext string) string {
	return fmt.Sprintf("%s/%s-%d%s", cutDir, experiment, n, ext)
}

func (d *Dir) exists(name string) bool {
	_, err := d.root.Lstat(name)
	return err == nil
}

func (d *Dir) remove(name string) error {
	if err := d.root.Remove(name); err != nil {
		return explained(err)
	}
	return d.syncDir(filepath.Dir(name))
}

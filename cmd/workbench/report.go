package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"workbench/harness/analysis"
	"workbench/harness/report"
	"workbench/harness/result"
)

// reportCmd makes all tables again.
type reportCmd struct {
	Result  []string `arg:"" optional:"" placeholder:"RESULT" help:"Record whose tables are made again from its slices: its directory, or its run.json."`
	Index   string   `placeholder:"DIR" help:"Write DIR/README.md: what the records under DIR/published found."`
	Publish string   `placeholder:"DIR" help:"Put a small copy of each record under DIR (results/published), for reading."`
}

// Run makes the tables of one record after the other, prints their answers, and
// last the index, which is of what has been published by then.
func (c reportCmd) Run(t terminal) error {
	if len(c.Result) == 0 && c.Index == "" {
		return wrong(errors.New("report: name the record whose tables are to be made again, or with --index the directory of published ones"))
	}
	if len(c.Result) == 0 && c.Publish != "" {
		return wrong(errors.New("--publish: name the record that is to be published"))
	}
	for _, r := range c.Result {
		if err := rewrite(t, recordDir(r)); err != nil {
			return err
		}
		if c.Publish != "" {
			if err := publish(t, recordDir(r), c.Publish); err != nil {
				return err
			}
		}
	}
	if c.Index != "" {
		return index(t, c.Index)
	}
	return nil
}

// rewrite makes everything of one record that is made from its slices. Nothing is
// written unless all could be made.
func rewrite(t terminal, at string) (err error) {
	dir, run, err := result.Reopen(at)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, dir.Close()) }()
	read := readingSlices(t, at, run)
	before := run
	if run, err = remake(run, read); err != nil {
		return err
	}
	if err := keepsAll(before, run); err != nil {
		return err
	}
	if err := errors.Join(dir.WriteRun(run), writeSummaries(dir, run, read)); err != nil {
		return err
	}
	if len(run.Questions) > 0 {
		fmt.Fprint(t.out, report.Sweep(run, width(t.out.Writer)))
	} else {
		for _, e := range run.Experiments {
			printExperiment(t, e, run)
		}
	}
	fmt.Fprintln(t.out, report.Again(run, at))
	return nil
}

// keepsAll refuses to put figures in the place of others that were made of more
// slices: what has been damaged since would be lost a second time.
func keepsAll(before, remade result.Run) error {
	for i, e := range remade.Experiments {
		for j, c := range e.Cells {
			if old := before.Experiments[i].Cells; j < len(old) && old[j].Label == c.Label && c.Slices < old[j].Slices {
				return fmt.Errorf("%s: of %d slices of %s that its figures were made of %d can be read now: its tables stay as they are (to see what can be read, copy the record and take the cells out of the copy's run.json)",
					e.Name, old[j].Slices, c.Label, c.Slices)
			}
		}
	}
	return nil
}

// publish puts a copy of a record under parent, and says where and how large.
func publish(t terminal, at, parent string) error {
	to, err := result.Publish(at, parent)
	if err != nil {
		return err
	}
	size, files, err := sizeOf(to)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "Published:  %s (%d KiB, %d files)\n", to, (size+1023)/1024, files)
	return nil
}

// remake makes of a run what its slices carry: of an experiment that nothing was
// seen of, cells that say so.
func remake(run result.Run, slices sliceReader) (result.Run, error) {
	remade := run
	remade.Experiments = nil
	for _, e := range run.Experiments {
		taken, err := slices(e.Name)
		if err != nil {
			return run, err
		}
		remade.Experiments = append(remade.Experiments, analysis.Analyse(e, taken))
	}
	return acrossExperiments(remade, slices)
}

// shownDamage is how many damaged lines are named one by one.
const shownDamage = 5

// readingSlices reads a record's slices, and says once what of each file is
// damaged. A file that isn't there is no error of an experiment that nothing was
// seen of: it was not begun when the run ended.
func readingSlices(t terminal, dir string, run result.Run) sliceReader {
	said := map[string]bool{}
	return func(experiment string) ([]result.Slice, error) {
		file := result.SlicesPath(dir, experiment)
		taken, damage, err := result.ReadSlices(file)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !wasSeen(run, experiment):
			return nil, nil
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%w (its figures can't be made again)", err)
		case err != nil:
			return nil, err
		}
		if !said[experiment] {
			said[experiment] = true
			for i, d := range damage {
				if i == shownDamage {
					fmt.Fprintf(t.err, "workbench: %s: %d more damaged lines\n", file, len(damage)-i)
					break
				}
				fmt.Fprintf(t.err, "workbench: %v\n", d)
			}
		}
		return taken, nil
	}
}

// wasSeen reports whether an experiment must have slices: it was finished, or
// has figures.
func wasSeen(run result.Run, experiment string) bool {
	for _, e := range run.Experiments {
		if e.Name != experiment {
			continue
		}
		if e.StoppedBy != "" && e.StoppedBy != "interrupt" {
			return true
		}
		for _, c := range e.Cells {
			if c.Slices > 0 {
				return true
			}
		}
	}
	return false
}

// sizeOf is what a directory takes, in bytes and files.
func sizeOf(dir string) (bytes int64, files int, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		bytes, files = bytes+info.Size(), files+1
		return nil
	})
	return bytes, files, err
}

// publishedDir is where under an index the records are that it lists.
const publishedDir = "published"

// index writes the README.md of a directory of results.
func index(t terminal, dir string) error {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("--index %s: no such directory (name the one that published/ is in)", dir)
	}
	entries, err := os.ReadDir(filepath.Join(dir, publishedDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--index: %w", err)
	}
	var records []report.Published
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		run, err := result.ReadRun(filepath.Join(dir, publishedDir, e.Name()))
		if err != nil {
			return fmt.Errorf("--index: %w", err)
		}
		records = append(records, report.Published{Dir: path.Join(publishedDir, e.Name()), Run: run})
	}
	to := filepath.Join(dir, "README.md")
	if err := replace(to, report.Index(records)); err != nil {
		return fmt.Errorf("--index: %w", err)
	}
	fmt.Fprintf(t.out, "Index:  %s (%s)\n", to, counted(len(records), "record"))
	return nil
}

// replace writes a file in one step: whoever reads it sees the old text or the
// new one, whole.
func replace(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".README-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

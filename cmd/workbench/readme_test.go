package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"workbench/harness/result"
)

// TestTheWalkOfTheREADME does what the README's section on a model of one's own
// says, in a clone: each command, in order, and what stands as a file. A command
// whose comment begins with "fails" must, and what it is said to print is looked
// for in what it prints.
func TestTheWalkOfTheREADME(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the module in a clone, and measures: half a minute")
	}
	if raceEnabled {
		t.Skip("its commands build without the race detector all the same: the tests without it have done the walk")
	}
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("the README's commands are for a Unix shell: ", err)
	}
	top := cloneHere(t)
	// What is built then goes by no directory's name, so that the next clone
	// finds it in the build cache.
	env := append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath"))
	var printed string
	var did struct{ commands, failures, files, looks int }
	for _, s := range steps(t, "A model of your own") {
		switch s.language {
		case "sh":
			for command := range strings.Lines(s.text) {
				sh := exec.CommandContext(t.Context(), "sh", "-c", command)
				sh.Dir, sh.Env = top, env
				out, err := sh.CombinedOutput()
				printed = string(out)
				t.Logf("%s%s", command, printed)
				if fails := strings.Contains(command, "# fails"); fails != (err != nil) {
					t.Fatalf("%s: %v; the README says otherwise", strings.TrimSpace(command), err)
				} else if fails {
					did.failures++
				}
				did.commands++
			}
		case "go":
			if err := os.WriteFile(filepath.Join(top, filepath.FromSlash(s.file)), []byte(s.text), 0o600); err != nil {
				t.Fatal(err)
			}
			did.files++
		case "text":
			for line := range strings.Lines(s.text) {
				if line = strings.TrimSpace(line); !strings.Contains(printed, line) {
					t.Errorf("the README says that it prints\n\t%s\nwhich isn't in\n%s", line, printed)
				}
			}
			did.looks++
		}
	}
	if did.commands < 4 || did.failures != 1 || did.files != 1 || did.looks != 1 {
		t.Fatalf("%+v: the README's section has lost a step", did)
	}

	// What was printed last, and what it left, are figures of the model.
	if rows := regexp.MustCompile(`(?m)^lifo +[\d,.]+ +\(`).FindAllString(printed, -1); len(rows) != 3 {
		t.Errorf("the tables of the tour have %d rows with figures of lifo, not 3:\n%s", len(rows), printed)
	}
	records, err := filepath.Glob(filepath.Join(top, "results", "*", "run.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records %q, %v; want one", records, err)
	}
	b, err := os.ReadFile(records[0])
	if err != nil {
		t.Fatal(err)
	}
	var run result.Run
	if err := json.Unmarshal(b, &run); err != nil {
		t.Fatal(err)
	}
	for _, e := range run.Experiments {
		for _, c := range e.Cells {
			if c.Label == "lifo" && (c.Requests == 0 || c.ThroughputPerS == nil || c.Errors.Total() != 0) {
				t.Errorf("%s: lifo answered %d requests, with errors %+v", e.Scenario, c.Requests, c.Errors)
			}
		}
	}
}

// A step is a block of the README.
type step struct {
	language string // "sh", "go", "text"
	file     string // that was named last before it
	text     string
}

var goFile = regexp.MustCompile("`([a-z]+/[a-z_/]+\\.go)`")

// steps returns the blocks of a section, without its indentation.
func steps(t *testing.T, section string) []step {
	t.Helper()
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(readme), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("the README has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var all []step
	var block *step
	indent, file := "", ""
	for line := range strings.Lines(text) {
		before, language, fence := strings.Cut(line, "```")
		switch {
		case fence && block == nil:
			indent, block = before, &step{language: strings.TrimSpace(language), file: file}
		case fence:
			all, block = append(all, *block), nil
		case block != nil:
			block.text += strings.TrimPrefix(line, indent)
		default:
			if named := goFile.FindAllStringSubmatch(line, -1); named != nil {
				file = named[len(named)-1][1]
			}
		}
	}
	return all
}

// cloneHere copies what a clone of the repository holds, but results, and
// returns where.
func cloneHere(t *testing.T) string {
	t.Helper()
	from, to := filepath.Join("..", ".."), t.TempDir()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case rel == ".":
			return nil
		case d.IsDir() && (rel == "results" || d.Name() == "results" || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case d.IsDir():
			return os.Mkdir(filepath.Join(to, rel), 0o700)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

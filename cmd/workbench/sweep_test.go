package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"workbench/harness/result"
	"workbench/harness/trial"
)

// asProgram is set for a test binary that is to be the program.
const asProgram = "WORKBENCH_TEST_AS_PROGRAM"

// smallSweep takes about three seconds.
const smallSweep = `question: does it go on?
models: [errgroup]
scenarios: [hello, keepalive]
clients: [1, 2, 3]
blocks: 2
budget: 30s
`

// program starts the program as a process of its own, to be killed.
func program(t *testing.T, args ...string) (p *exec.Cmd, says *lockedBuffer) {
	t.Helper()
	says = &lockedBuffer{}
	p = exec.CommandContext(t.Context(), os.Args[0], args...)
	p.Env = append(os.Environ(), asProgram+"=1")
	p.Stdout, p.Stderr = says, says
	p.WaitDelay = 10 * time.Second // its children have what it wrote to, too
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p, says
}

// A sweep that is killed goes on where it was: what is finished stays as it is,
// nothing is measured twice, and no line of the record is damaged.
func TestASweepGoesOnAfterAKill(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "small.yaml")
	if err := os.WriteFile(file, []byte(smallSweep), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"sweep", file, "--out", dir}
	record := ""
	finished := map[string]time.Time{} // when what is over was begun
	for kill := 1; ; kill++ {
		p, says := program(t, args...)
		if kill <= 3 {
			says.await(t, `; \d of 6 left`)
			// Anywhere in what comes next: pilot, round, the writing of the record.
			moment := time.NewTimer(time.Duration(rand.IntN(400)) * time.Millisecond)
			<-moment.C
			if err := p.Process.Kill(); err != nil {
				t.Logf("kill %d: %v", kill, err) // it had ended
			}
		}
		err := p.Wait()
		if record == "" {
			record = strings.TrimSpace(says.await(t, `goes on with: workbench sweep --resume (.*)`)[1])
			record = strings.Trim(record, "'")
			args = []string{"sweep", file, "--resume", record}
		}
		run, rerr := result.ReadRun(record)
		if rerr != nil {
			t.Fatalf("after kill %d: %v", kill, rerr)
		}
		left := 0
		for _, e := range run.Experiments {
			switch began, was := finished[e.Name]; {
			case was && !e.Started.Equal(began):
				t.Errorf("%s was finished, and played again", e.Name)
			case trial.Over(e):
				finished[e.Name] = e.Started
			default:
				left++
			}
		}
		if left > 0 && kill <= 4 {
			continue
		}
		if err != nil || left > 0 {
			t.Fatalf("resumed for the last time: %v, %d experiments left; it said:\n%s", err, left, says.String())
		}
		if kill > 1 && len(run.Resumed) == 0 {
			t.Error("the record doesn't say that it was taken up again")
		}
		once(t, record, run)
		return
	}
}

// once holds that a record has each experiment's slices, each once, and undamaged.
func once(t *testing.T, record string, run result.Run) {
	t.Helper()
	if len(run.Experiments) != 6 {
		t.Errorf("%d experiments, want 6", len(run.Experiments))
	}
	for _, e := range run.Experiments {
		taken, damage, err := result.ReadSlices(result.SlicesPath(record, e.Name))
		if err != nil || len(damage) > 0 {
			t.Errorf("%s: %v, damage %v", e.Name, err, damage)
		}
		seen := map[string]int{}
		for _, s := range taken {
			seen[fmt.Sprint(s.Phase, s.Block, s.Round, s.Label)]++
		}
		for what, n := range seen {
			if n > 1 {
				t.Errorf("%s: %s was measured %d times", e.Name, what, n)
			}
		}
		if e.Blocks != 2 || len(e.Cells) != 3 {
			t.Errorf("%s: %d restarts, %d cells", e.Name, e.Blocks, len(e.Cells))
		}
	}
	logs, err := filepath.Glob(filepath.Join(record, "*", "*.jsonl*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range logs {
		if _, damage, err := result.ReadSlices(path); err != nil || len(damage) > 0 {
			t.Errorf("%s: %v, damage %v", path, err, damage)
		}
	}
	for _, name := range []string{"answer.md", "table.md", "table.csv", "bench.txt", sweepFile} {
		if b, err := os.ReadFile(filepath.Join(record, name)); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
}

// What report makes again from slices is what the run wrote, byte for byte.
func TestReportMakesTheSameTables(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "run", "--model", "errgroup", "--scenario", "hello", "--clients", "4", "--blocks", "2", "--out", dir, "--format", "json")
	if code := c.wait(t); code != exitDone {
		t.Fatalf("exit %d: %s", code, c.err.String())
	}
	records, err := filepath.Glob(filepath.Join(dir, "*-hello"))
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	files := []string{"run.json", "answer.md", "table.md", "table.csv", "bench.txt"}
	before := map[string][]byte{}
	for _, name := range files {
		path := filepath.Join(records[0], name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if before[name] = b; name == "run.json" { // the plan and the environment are no part of what can be made again
			var run result.Run
			if err := json.Unmarshal(b, &run); err != nil {
				t.Fatal(err)
			}
			for i := range run.Experiments {
				run.Experiments[i].Cells, run.Experiments[i].Comparisons = nil, nil
			}
			var bare bytes.Buffer
			if err := run.Encode(&bare); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bare.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	c = start(t, "report", records[0])
	if code := c.wait(t); code != exitDone {
		t.Fatalf("exit %d: %s", code, c.err.String())
	}
	for _, name := range files {
		if b, err := os.ReadFile(filepath.Join(records[0], name)); err != nil || !bytes.Equal(b, before[name]) {
			t.Errorf("%s is another, %v:\n%s\nwas\n%s", name, err, b, before[name])
		}
	}

	// Of slices that have been lost since, figures are not lost a second time.
	path := result.SlicesPath(records[0], "hello")
	slices, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, slices[:len(slices)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	c = start(t, "report", records[0])
	if code := c.wait(t); code != exitFailed || !strings.Contains(c.err.String(), "its tables stay as they are") {
		t.Errorf("exit %d of a report on half the slices: %s", code, c.err.String())
	}
	for _, name := range files {
		if b, err := os.ReadFile(filepath.Join(records[0], name)); err != nil || !bytes.Equal(b, before[name]) {
			t.Errorf("%s is another after a report on half the slices, %v", name, err)
		}
	}
}

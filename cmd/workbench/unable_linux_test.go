package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"workbench/harness/result"
	"workbench/harness/trial"
)

const (
	noRings   = "no io_uring: io_uring_setup: operation not permitted (this system doesn't allow it: kernel.io_uring_disabled, or a container's seccomp profile); take model reactor"
	withURing = `question: what where one of them can't run?
models: [pool, uring]
scenarios: [hello]
clients: [1, 2]
blocks: 1
`
)

// Whoever names a model that this system can't run is told so before anything
// is started.
func TestAModelThatTheSystemCantRunIsRefused(t *testing.T) {
	dir := t.TempDir()
	reference := filepath.Join(dir, "reference.yaml")
	if err := os.WriteFile(reference, []byte(withURing+"reference: uring\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "results")
	for _, row := range []struct {
		title string
		args  []string
		want  string
	}{
		{"a run", []string{"run", "--quick", "--out", out, "--model", "pool", "--model", "uring:entries=16"}, "model uring: " + noRings},
		{"its reference", []string{"run", "--quick", "--out", out, "--model", "pool", "--reference", "uring"}, "--reference: model uring: " + noRings},
		{"a server", []string{"serve", "--addr", "127.0.0.1:0", "--model", "uring"}, "model uring: " + noRings},
		{"a sweep's reference", []string{"sweep", reference, "--out", out}, reference + ":6:12: --reference: model uring: " + noRings},
	} {
		t.Run(row.title, func(t *testing.T) {
			says, err := withoutRings(t, row.args...)
			exit, _ := errors.AsType[*exec.ExitError](err)
			if exit == nil || exit.ExitCode() != exitUsage || says != "workbench: "+row.want+"\n" {
				t.Errorf("%v, said %q; want exit code %d and one line, %q", err, says, exitUsage, row.want)
			}
			if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a record was begun: %v", err)
			}
		})
	}
}

// In a sweep it stands in the tables with its reason, and the others with their
// figures.
func TestASweepWithAModelThatTheSystemCantRun(t *testing.T) {
	if testing.Short() {
		t.Skip("measures")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "with.yaml")
	if err := os.WriteFile(file, []byte(withURing), 0o600); err != nil {
		t.Fatal(err)
	}
	says, err := withoutRings(t, "sweep", file, "--out", dir)
	if err != nil {
		t.Fatalf("%v; it said:\n%s", err, says)
	}
	if flat := strings.Join(strings.Fields(says), " "); !strings.Contains(flat, "can't: no io_uring: io_uring_setup: operation not permitted") {
		t.Errorf("what it prints doesn't say why uring has no figures:\n%s", says)
	}
	records, err := filepath.Glob(filepath.Join(dir, "*", "run.json"))
	if err != nil || len(records) != 1 {
		t.Fatalf("records %q, %v; want one", records, err)
	}
	run, err := result.ReadRun(filepath.Dir(records[0]))
	if err != nil || len(run.Experiments) != 2 {
		t.Fatalf("%d experiments, %v; want 2", len(run.Experiments), err)
	}
	for _, e := range run.Experiments {
		if len(e.Failures) != 0 {
			t.Errorf("%s: failures %+v", e.Name, e.Failures)
		}
		for _, c := range e.Cells {
			want := map[bool]string{true: noRings}[c.Label == "uring"]
			if c.Unable != want || (c.Requests > 0) != (want == "") {
				t.Errorf("%s: %s: %d requests, can't: %q; want %q", e.Name, c.Label, c.Requests, c.Unable, want)
			}
		}
	}
}

// A sweep that began where the model could run goes on where it can't.
func TestWhatASystemCantRunMakesNoOtherSweep(t *testing.T) {
	e := trial.Experiment{Name: "hello", Entries: []result.Entry{{Label: "uring", Model: "uring:entries=256", Unable: noRings}}}
	b := result.Experiment{Name: "hello", Flags: e.Scenario.Flags(), Entries: []result.Entry{{Label: "uring", Model: "uring:entries=256"}}}
	if why := differs(b, e); why != "" {
		t.Error(why)
	}
	b.Entries[0].Model = "uring:entries=16"
	if why := differs(b, e); why != "hello has other servers" {
		t.Errorf("another model: %q", why)
	}
}

// withoutRings runs the program where io_uring isn't allowed, and returns what
// it printed.
func withoutRings(t *testing.T, args ...string) (says string, err error) {
	t.Helper()
	p := exec.CommandContext(t.Context(), os.Args[0], args...)
	p.Env = append(os.Environ(), asProgram+"=1")
	p.WaitDelay = 10 * time.Second // its children have what it wrote to, too
	var out lockedBuffer
	p.Stdout, p.Stderr = &out, &out
	refused, started := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread ends with what it may not do
		err := refuseRings()
		refused <- err
		if err == nil {
			started <- p.Start() // a child of this thread, which inherits that
		}
	}()
	if err := <-refused; err != nil {
		t.Skipf("this system lets nobody refuse anything: %v", err)
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	err = p.Wait()
	return out.String(), err
}

// refuseRings has the calling thread's io_uring_setup say EPERM from now on.
func refuseRings() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

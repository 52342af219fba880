package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChildrenRunOnTheirCPUs(t *testing.T) {
	allowed := Allowed()
	if len(allowed) < 2 {
		t.Fatalf("this process may use CPU %v alone: the test needs two", allowed)
	}
	for _, cpus := range []CPUs{{allowed[0]}, {allowed[1]}, allowed[:2]} {
		s, err := StartServer(t.Context(), cpus, ServerConfig{Model: "goroutine", Conversation: "http"})
		if err != nil {
			t.Fatal(err)
		}
		if s.GOMAXPROCS != len(cpus) {
			t.Errorf("on CPU %v GOMAXPROCS is %d, want %d", cpus, s.GOMAXPROCS, len(cpus))
		}
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", s.PID()))
		if err != nil || len(threads) == 0 {
			t.Fatal(threads, err)
		}
		for _, f := range threads {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			_, list, _ := bytes.Cut(b, []byte("Cpus_allowed_list:"))
			list, _, _ = bytes.Cut(list, []byte("\n"))
			if got := string(bytes.TrimSpace(list)); got != cpus.String() {
				t.Errorf("%s: may run on CPU %s, want %v", f, got, cpus)
			}
		}
		s.Stop()
	}
	if diff := cmp.Diff(allowed, Allowed()); diff != "" {
		t.Errorf("the parent's own affinity changed (-before +after):\n%s", diff)
	}
}

// parentVar makes the test binary a parent that starts children and then does
// nothing, until it is killed.
const parentVar = "WORKBENCH_TEST_PARENT"

func TestBeAParent(t *testing.T) {
	if os.Getenv(parentVar) == "" {
		return // it is what TestChildrenDieWithTheirParent starts
	}
	s := serve(t, "goroutine")
	c, err := StartClients(nil)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("children %d %d\n", s.PID(), c.PID())
	j := job(t, s)
	j.Settle = time.Hour
	if err := c.Prepare(t.Context(), "net", j); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Play(t.Context())
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	parent := exec.Command(os.Args[0], "-test.run=^TestBeAParent$", "-test.v")
	parent.Env = append(os.Environ(), parentVar+"=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var server, clients int
	for lines := bufio.NewScanner(out); server == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "children %d %d", &server, &clients)
	}
	if server == 0 || clients == 0 {
		t.Fatal("the parent started no children")
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed, as it should be
	for _, pid := range []int{server, clients} {
		awaitEnd(t, pid)
	}
}

// awaitEnd returns when a process that is not our child is gone.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || bytes.Contains(stat, []byte(") Z ")) { // a zombie waits for whoever adopted it
			return
		}
	}
	t.Errorf("process %d outlived its parent", pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// A child that is stopped in its tracks is noticed, said and ended.
func TestAHungServerIsEnded(t *testing.T) {
	s := serve(t, "pool")
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err := s.c.ask(t.Context(), 100*time.Millisecond, request{Begin: &Window{}})
	want := "the server pool hung: it did not answer within 100ms, and was ended"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %q", err, want)
	}
	<-s.c.gone
}

func TestHostCounters(t *testing.T) {
	file := []byte("TcpExt: SyncookiesSent ListenOverflows ListenDrops\nTcpExt: 1 22 333\nIpExt: ListenOverflows\nIpExt: 5\n")
	for _, tt := range []struct {
		group, name string
		want        int64
	}{{"TcpExt:", "ListenOverflows", 22}, {"TcpExt:", "ListenDrops", 333}, {"IpExt:", "ListenOverflows", 5}, {"TcpExt:", "Nothing", 0}, {"Tcp:", "ListenDrops", 0}} {
		if got := counter(file, tt.group, tt.name); got != tt.want {
			t.Errorf("%s %s is %d, want %d", tt.group, tt.name, got, tt.want)
		}
	}
}

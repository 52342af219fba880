package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestChildrenRunOnTheirCPUs(t *testing.T) {
	t.Setenv("GOMAXPROCS", "") // children would inherit it
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

// A server's environment is as large as it is to be, whoever wrote the server.
func TestServersArePadded(t *testing.T) {
	for _, tt := range []struct {
		name    string
		conf    ServerConfig
		padding int // of all its processes
	}{
		{"one of ours, not at all", ServerConfig{Model: "goroutine", Conversation: "http"}, 0},
		{"one of ours", ServerConfig{Model: "goroutine", Conversation: "http", Padding: 1}, 1},
		{"one of ours, by the most there is", ServerConfig{Model: "goroutine", Conversation: "http", Padding: MaxPadding}, MaxPadding},
		{"one that is not", ServerConfig{Foreign: &Foreign{Label: "mine", Command: stranger("plain")}, Padding: 777}, 777},
		{"one that is not, and not at all", ServerConfig{Foreign: &Foreign{Label: "mine", Command: stranger("plain")}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(paddingVar, "of somebody else")
			s, err := StartServer(t.Context(), nil, tt.conf)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			list := []int{s.PID()}
			if tt.conf.Foreign != nil {
				list = append(list, pids(get(t, s.Addr, ""))...)
			}
			for _, pid := range list {
				environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for e := range strings.SplitSeq(string(environ), "\x00") {
					if v, ok := strings.CutPrefix(e, paddingVar+"="); ok {
						got = append(got, v)
					}
				}
				if len(got) != 1 || got[0] != strings.Repeat("x", tt.padding) {
					t.Errorf("process %d is padded with %q, want %d bytes, once", pid, got, tt.padding)
				}
			}
		})
	}
}

// parentVar makes the test binary a parent that starts children and then does
// nothing, until it is killed.
const parentVar = "WORKBENCH_TEST_PARENT"

func TestBeAParent(t *testing.T) {
	if os.Getenv(parentVar) == "" {
		return // it is what TestChildrenDieWithTheirParent starts
	}
	s, foreign := serve(t, "goroutine"), startStranger(t, "forgetful")
	c, err := StartClients(nil)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("children %d %d %d %s\n", s.PID(), c.PID(), foreign.PID(), get(t, foreign.Addr, ""))
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
	var list []int // server, clients, guardian, and what that one guards
	for lines := bufio.NewScanner(out); len(list) == 0 && lines.Scan(); {
		if said, ok := strings.CutPrefix(lines.Text(), "children "); ok {
			list = pids(said)
		}
	}
	if len(list) != 5 {
		t.Fatalf("the parent named children %v, want 5", list)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed, as it should be
	for _, pid := range list {
		awaitEnd(t, pid)
	}
}

// awaitEnd returns when a process has ended, all its threads with it; a zombie
// waits for whoever adopted it.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		if !alive(pid) {
			return
		}
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	t.Errorf("process %d should have ended: %s", pid, stat)
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

// A child that is stopped in its tracks is noticed, said and ended.
func TestAHungServerIsEnded(t *testing.T) {
	s := serve(t, "pool")
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil { // it may answer before the signal gets there
		_, err = s.c.ask(t.Context(), 100*time.Millisecond, request{Begin: &Window{}})
	}
	want := "the server pool hung: it did not answer within 100ms, and was ended"
	if err.Error() != want {
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

func TestTheHostIsReadOnOurCPUs(t *testing.T) {
	const stat = "cpu  70 0 30 400 40 0 0 9 0 0\ncpu0 50 0 10 100 20 0 0 2 0 0\ncpu1 10 0 10 200 10 0 0 3 0 0\ncpu2 10 0 10 100 10 0 0 4 0 0\nintr 1 2\n"
	for _, tt := range []struct {
		name string
		cpus CPUs
		want Host
	}{
		{"all, where nobody says which", nil, Host{cpus: 3, unused: 4490 * time.Millisecond, steal: 90 * time.Millisecond}},
		{"those that servers and clients run on; steal is of all", CPUs{0, 2}, Host{cpus: 2, unused: 2360 * time.Millisecond, steal: 90 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := parseHost([]byte(stat), tt.cpus); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

// What a process beside us burns on a CPU that we look at is seen, but for
// the clock's resolution.
func TestOthersAreSeen(t *testing.T) {
	cpus := Allowed()
	before := LookAtHostOn(cpus)
	if err := again("burner", "200").Run(); err != nil {
		t.Fatal(err)
	}
	after := LookAtHostOn(cpus)
	resolution := time.Duration(len(cpus)) * 3 * tick // idle, waiting for I/O, stolen
	if got := time.Duration(after.SinceWith(before, 0).OtherCPUUs) * time.Microsecond; got < 200*time.Millisecond-resolution {
		t.Errorf("others used %v, want 200ms at least, less %v", got, resolution)
	}
	wall := after.at.Sub(before.at).Microseconds()
	if a, b := after.SinceWith(before, 0).WallUs, after.Since(before).WallUs; wall <= 0 || a != wall || b != wall {
		t.Errorf("%d and %d µs between the looks, want %d", a, b, wall)
	}
	if got := after.SinceWith(before, time.Hour).OtherCPUUs; got != 0 {
		t.Errorf("where we used all there is, others used %d µs", got)
	}
	if got := after.Since(before).OtherCPUUs; got != 0 {
		t.Errorf("where nobody says what we used, others used %d µs", got)
	}
}

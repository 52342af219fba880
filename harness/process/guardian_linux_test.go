package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startStranger starts a server that is not ours.
func startStranger(t *testing.T, role string) *Server {
	t.Helper()
	return startForeign(t, Foreign{Label: role, Command: stranger(role)})
}

func startForeign(t *testing.T, f Foreign) *Server {
	t.Helper()
	s, err := StartServer(t.Context(), nil, ServerConfig{Foreign: &f})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// get asks a server, on a connection of its own, and returns what it answers.
func get(t *testing.T, addr, query string) string {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/?" + query)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%s: %s, %v", query, resp.Status, err)
	}
	return string(b)
}

var patience = Patience{Idle: 10 * time.Second}

// What a server's processes use is the server's, whether they still run or
// have come and gone.
func TestAForeignServerIsMeasuredWithItsProcesses(t *testing.T) {
	for _, tt := range []struct {
		name, query string
		least       time.Duration
	}{
		{"a child that runs on is counted to the nanosecond", "worker=60", 60 * time.Millisecond},
		{"one that ended, in ticks of 10 ms for user and system", "child=60", 40 * time.Millisecond},
		{"a server in the background is found all the same", "worker=60", 60 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			role := "plain"
			if strings.Contains(tt.name, "background") {
				role = "daemon"
			}
			s := startStranger(t, role)
			if err := s.Begin(t.Context(), Window{Patience: patience}); err != nil {
				t.Fatal(err)
			}
			get(t, s.Addr, tt.query)
			now, err := s.Memory(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			used, err := s.End(t.Context(), patience.Idle)
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Duration(used.CPUUs * float64(time.Microsecond)); got < tt.least {
				t.Errorf("used %v of CPU, want %v at least", got, tt.least)
			}
			if used.WindowCPUUs != used.CPUUs {
				t.Errorf("in the window %v µs of CPU, want all %v", used.WindowCPUUs, used.CPUUs)
			}
			if used.Processes < 2 || used.Threads < 2 || used.ContextSwitches < 1 || used.RSSPeakBytes < 1<<20 || used.CPUs < 1 {
				t.Errorf("2 processes with threads, memory, CPUs and context switches seen as %+v", used)
			}
			if now < 1<<20 || now > used.RSSPeakBytes {
				t.Errorf("%d bytes of memory before the end, want some, and no more than the peak of %d", now, used.RSSPeakBytes)
			}
		})
	}
}

func TestTheWindowOfAForeignServer(t *testing.T) {
	s := startStranger(t, "plain")
	w := Window{From: time.Millisecond, Until: 11 * time.Millisecond, Patience: patience}
	if err := s.Begin(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	get(t, s.Addr, "worker=200")
	used, err := s.End(t.Context(), patience.Idle)
	if err != nil {
		t.Fatal(err)
	}
	// Either look may be late: one comes after the other, no more is sure.
	if used.WindowCPUUs > used.CPUUs || used.WindowCPUWallUs <= 0 {
		t.Errorf("%v of %v µs of CPU in a window of %v µs, want no more than all, in some time", used.WindowCPUUs, used.CPUUs, used.WindowCPUWallUs)
	}
}

// A server that still works when nobody asks is busy; what nobody knows is how
// many connections it has.
func TestABusyForeignServer(t *testing.T) {
	s := startStranger(t, "plain")
	if err := s.Begin(t.Context(), Window{Patience: patience}); err != nil {
		t.Fatal(err)
	}
	get(t, s.Addr, "restless")
	want := BusyError{Server: "the server plain"}
	if _, err := s.End(t.Context(), 20*time.Millisecond); !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
	if used, err := s.EndNow(t.Context()); err != nil || used.CPUUs <= 0 {
		t.Errorf("in the middle %+v, %v; want some CPU", used, err)
	}
	get(t, s.Addr, "calm")
	if _, err := s.End(t.Context(), patience.Idle); err != nil {
		t.Error(err)
	}
}

// However a server that is not ours comes to its end, nothing of it stays.
func TestForeignServersGoWithAllTheirProcesses(t *testing.T) {
	BeReaper() // as the command does
	for _, end := range []struct {
		name string
		by   func(t *testing.T, s *Server)
	}{
		{"stopped", func(_ *testing.T, s *Server) { s.Stop() }},
		{"its guardian killed", func(t *testing.T, s *Server) {
			killed(t, s.PID())
			<-s.c.gone
			want := s.c.name + " is ended, since its guardian exited in the middle (signal: killed)"
			if err := s.Begin(t.Context(), Window{}); err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		}},
		{"its guardian stopped in its tracks, and ended for it", func(t *testing.T, s *Server) {
			if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			for err := error(nil); err == nil; { // it may answer before the signal gets there
				_, err = s.c.ask(t.Context(), 50*time.Millisecond, request{Memory: &struct{}{}})
			}
		}},
	} {
		for _, role := range []string{"plain", "daemon", "forgetful", "deaf"} {
			t.Run(role+" "+end.name, func(t *testing.T) {
				t.Parallel() // deaf ones take their time
				s := startStranger(t, role)
				list := pids(get(t, s.Addr, ""))
				if len(list) != 2 {
					t.Fatalf("the server named processes %v, want 2", list)
				}
				end.by(t, s)
				for _, pid := range list {
					if alive(pid) {
						t.Errorf("process %d is still there", pid)
						_ = syscall.Kill(pid, syscall.SIGKILL)
					}
				}
			})
		}
	}
}

func killed(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// A parent that gives up leaves nothing of a server behind, and asks that one
// to end before it is ended.
func TestGivingUpOnAForeignServer(t *testing.T) {
	// restless begins a slice that can't end.
	restless := func(t *testing.T, f Foreign) *Server {
		s := startForeign(t, f)
		if err := s.Begin(t.Context(), Window{Patience: patience}); err != nil {
			t.Fatal(err)
		}
		get(t, s.Addr, "restless")
		return s
	}
	for _, tt := range []struct {
		name, role string
		want       string
		giveUp     func(t *testing.T, f Foreign, started func()) error
	}{
		{"interrupted while it starts", "silent", "context canceled", func(t *testing.T, f Foreign, started func()) error {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := StartServer(ctx, nil, ServerConfig{Foreign: &f})
				done <- err
			}()
			started()
			cancel()
			return <-done
		}},
		{"interrupted while its guardian is asked", "plain", "context canceled", func(t *testing.T, f Foreign, _ func()) error {
			s := restless(t, f)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := s.End(ctx, time.Hour)
				done <- err
			}()
			cancel()
			return <-done
		}},
		{"its guardian doesn't answer in time", "plain", "the server mine hung: it did not answer within 100ms, and was ended", func(t *testing.T, f Foreign, _ func()) error {
			s := restless(t, f)
			_, err := s.c.ask(t.Context(), 100*time.Millisecond, request{End: &Patience{Idle: time.Hour}})
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pid := 0
			started := func() {
				for ; pid == 0; time.Sleep(time.Millisecond) {
					b, _ := os.ReadFile(dir + "/pid")
					pid, _ = strconv.Atoi(strings.TrimSpace(string(b)))
				}
			}
			const script = "cd '%s'; trap 'echo >asked' TERM; echo $$ >half; mv half pid; %s"
			server := strings.Replace(stranger(tt.role), " exec ", " ", 1) // the shell stays, to be asked
			err := tt.giveUp(t, Foreign{Label: "mine", Command: fmt.Sprintf(script, dir, server)}, started)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if started(); alive(pid) {
				t.Errorf("process %d is still there", pid)
			}
			if _, err := os.Stat(dir + "/asked"); err != nil {
				t.Error("it was ended without being asked to end")
			}
		})
	}
}

// A server's end may begin something, and that is asked to end as well: a shell
// that is asked between two commands heeds it after the second.
func TestWhatIsStartedInTheEndIsAskedToEndToo(t *testing.T) {
	dir := t.TempDir()
	first := strings.Replace(stranger("plain"), " exec ", " ", 1)
	second := fmt.Sprintf("%s=silent '%s'", strangerVar, os.Args[0])
	s := startForeign(t, Foreign{Label: "mine", Command: fmt.Sprintf("cd '%s'; trap : TERM; %s; %s; echo $? >how", dir, first, second)})
	s.Stop()
	const asked = "143\n" // 128 and SIGTERM
	if how, err := os.ReadFile(dir + "/how"); string(how) != asked {
		t.Errorf("the second command ended with %q (%v), want %q: asked to, and not killed", how, err, asked)
	}
}

func alive(pid int) bool {
	p, ok := readProc(pid)
	return ok && !p.ended()
}

func TestErrorsOfForeignServers(t *testing.T) {
	running := again("plain", freeAddr(t))
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = running.Process.Kill(); _ = running.Wait() }()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	ln, err := listen("0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	here := ln.Addr().String()
	_, port, _ := net.SplitHostPort(here)

	for _, tt := range []struct {
		name string
		f    Foreign
		want string
	}{
		{"one that exits at once says why", Foreign{Command: stranger("luckless")}, "it exited (exit status 3): no luck today"},
		{"one that isn't there", Foreign{Command: "./nobody-is-called-this {port}"}, "it exited (exit status 127): "},
		{"one that ends well is no server either", Foreign{Command: "true {port}"}, "it exited (exit status 0)"},
		{"a command without a port", Foreign{Command: "./mine"}, `"./mine" doesn't say where its port goes: put {port} into it, as in './mine --port {port}'`},
		{"attached to nobody", Foreign{Attach: "127.0.0.1:1"}, "it doesn't answer: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"attached to a process that is gone", Foreign{Attach: here, PID: gone.Process.Pid}, fmt.Sprintf("pid=%d: there is no such process", gone.Process.Pid)},
		{"attached to this run", Foreign{Attach: here, PID: os.Getpid()},
			fmt.Sprintf("pid=%d: that is this run or what started it, and all that the run uses would count as the server's (who listens there: ss -ltnp)", os.Getpid())},
		{"attached to what started this run", Foreign{Attach: here, PID: os.Getppid()},
			fmt.Sprintf("pid=%d: that is this run or what started it, ", os.Getppid())},
		{"attached to a process that doesn't listen there", Foreign{Attach: here, PID: running.Process.Pid},
			fmt.Sprintf("pid=%d: neither it nor a child of its listens on port %s (who does: ss -ltnp)", running.Process.Pid, port)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.f.Label = "mine"
			s, err := StartServer(t.Context(), nil, ServerConfig{Foreign: &tt.f})
			if err == nil {
				s.Stop()
			}
			if want := "the server mine: " + tt.want; err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

// freeAddr is a port that nobody listens on.
func freeAddr(t *testing.T) (port string) {
	t.Helper()
	n, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(n)
}

// A server has a bound to answer within, in HTTP.
func TestAForeignServerThatDoesNotAnswer(t *testing.T) {
	for role, want := range map[string]string{
		"silent": "connect: connection refused): thinking",
		"mute":   "(it accepts connections and answers nothing)",
		"rude":   `(it answered with "SSH-2.0", which isn't HTTP/1)`,
	} {
		t.Run(role, func(t *testing.T) {
			port := freeAddr(t)
			g := &guardian{addr: "127.0.0.1:" + port, command: again(role, port), exited: make(chan struct{})}
			var err error
			if g.output, err = outputFile(); err != nil {
				t.Fatal(err)
			}
			defer g.output.Close()
			g.command.Stdout = g.output
			if err := g.command.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = g.command.Process.Kill(); _ = g.command.Wait() }()
			if role == "silent" {
				for ; g.written() == 0; time.Sleep(time.Millisecond) {
				}
			} else {
				awaitListening(t, g.addr)
			}
			// Time is up during the first attempt, which says all the same what
			// the server does.
			err = g.await(time.Microsecond)
			if err == nil || !strings.HasPrefix(err.Error(), "it did not answer on 127.0.0.1:"+port+" within 1µs (") || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("error %v, want ... %s", err, want)
			}
		})
	}
}

// A server that stops listening is missed at the next slice, whatever of it
// runs on.
func TestAForeignServerThatLeavesItsHelpersBehind(t *testing.T) {
	s := startForeign(t, Foreign{Label: "mine", Command: "sleep 1000 & echo here I am; " + stranger("plain")})
	if err := s.Begin(t.Context(), Window{Patience: patience}); err != nil {
		t.Fatal(err)
	}
	killed(t, pids(get(t, s.Addr, ""))[0])
	awaitRefused(t, s.Addr)
	_, port, _ := net.SplitHostPort(s.Addr)
	want := "the server mine: it stopped listening on port " + port + ": here I am"
	if _, err := s.End(t.Context(), patience.Idle); err == nil || err.Error() != want {
		t.Errorf("end: error %v, want %s", err, want)
	}
	if err := s.Begin(t.Context(), Window{Patience: patience}); err == nil || err.Error() != want {
		t.Errorf("begin: error %v, want %s", err, want)
	}
}

// awaitListening returns when somebody listens on an address.
func awaitListening(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if nc, err := net.Dial("tcp", addr); err == nil {
			nc.Close()
			return
		}
	}
	t.Fatalf("nobody listens on %s", addr)
}

// awaitRefused returns when nobody listens on an address any more.
func awaitRefused(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		nc, err := net.Dial("tcp", addr)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			nc.Close()
		}
	}
	t.Fatalf("somebody still listens on %s", addr)
}

// A server that dies is missed at the next slice.
func TestAForeignServerThatDiesInTheMiddle(t *testing.T) {
	s := startForeign(t, Foreign{Label: "mine", Command: "echo here I am; " + stranger("plain")})
	if err := s.Begin(t.Context(), Window{Patience: patience}); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids(get(t, s.Addr, "")) {
		killed(t, pid)
		awaitEnd(t, pid)
	}
	want := "the server mine: it exited (signal: killed): here I am"
	if _, err := s.End(t.Context(), patience.Idle); err == nil || err.Error() != want {
		t.Errorf("end: error %v, want %s", err, want)
	}
	if err := s.Begin(t.Context(), Window{Patience: patience}); err == nil || err.Error() != want {
		t.Errorf("begin: error %v, want %s", err, want)
	}
}

// A server that runs already is looked at, and left alone.
func TestAnAttachedServer(t *testing.T) {
	port := freeAddr(t)
	running := again("plain", port)
	cpus := Allowed()[:1]
	if err := onCPUs(cpus, running.Start); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	go func() { over <- running.Wait() }()
	defer func() { _ = running.Process.Kill(); <-over }()
	addr := "127.0.0.1:" + port
	awaitListening(t, addr)

	known := startForeign(t, Foreign{Label: addr, Attach: addr, PID: running.Process.Pid})
	unknown := startForeign(t, Foreign{Label: addr, Attach: addr})
	if known.ServerCPUs != cpus.String() || unknown.ServerCPUs != "" {
		t.Errorf("on CPUs %q and, without a process, %q; want %q and none", known.ServerCPUs, unknown.ServerCPUs, cpus)
	}
	for _, s := range []*Server{known, unknown} {
		if err := s.Begin(t.Context(), Window{Patience: patience}); err != nil {
			t.Fatal(err)
		}
	}
	worker := pids(get(t, addr, "worker=60"))[1]
	used, err := known.End(t.Context(), patience.Idle)
	if err != nil || used == nil || used.CPUUs < 60_000 || used.Processes != 2 {
		t.Errorf("of its processes %+v, %v; want 60 ms of CPU in two", used, err)
	}
	if used, err := unknown.End(t.Context(), patience.Idle); err != nil || used != nil {
		t.Errorf("without a process %+v, %v; want nothing", used, err)
	}
	if now, err := unknown.Memory(t.Context()); err != nil || now != 0 {
		t.Errorf("without a process %d bytes, %v; want 0", now, err)
	}
	known.Stop()
	unknown.Stop()
	get(t, addr, "") // still there

	known = startForeign(t, Foreign{Label: addr, Attach: addr, PID: running.Process.Pid})
	unknown = startForeign(t, Foreign{Label: addr, Attach: addr})
	killed(t, running.Process.Pid)
	awaitEnd(t, running.Process.Pid)
	awaitRefused(t, addr)
	defer syscall.Kill(worker, syscall.SIGKILL)
	want := fmt.Sprintf("the server %s: process %d is gone", addr, running.Process.Pid)
	if err := known.Begin(t.Context(), Window{Patience: patience}); err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	want = fmt.Sprintf("the server %s: it no longer answers on %s: connection refused", addr, addr)
	if err := unknown.Begin(t.Context(), Window{Patience: patience}); err == nil || err.Error() != want {
		t.Errorf("begin, without a process: error %v, want %s", err, want)
	}
	if _, err := unknown.End(t.Context(), patience.Idle); err == nil || err.Error() != want {
		t.Errorf("end, without a process: error %v, want %s", err, want)
	}
}

// What a server writes is kept as far as it says how it ended, and no further.
func TestTheOutputOfAForeignServer(t *testing.T) {
	f, err := outputFile()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := &guardian{output: f}
	if got := g.lastWords(": "); got != "" {
		t.Errorf("of nothing %q", got)
	}
	for _, s := range []string{strings.Repeat("GET / 200\n", 100_000), "much\n"} {
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	g.trim()
	if got := g.lastWords(": "); g.written() == 0 || got != ": much" {
		t.Errorf("a megabyte is kept as %d bytes that end with %q", g.written(), got)
	}
	if _, err := f.WriteString(strings.Repeat("GET / 200\n", 10_000)); err != nil {
		t.Fatal(err)
	}
	g.trim()
	if g.written() != 0 {
		t.Errorf("%d bytes are kept of much", g.written())
	}
	if _, err := f.WriteString("goodbye\n"); err != nil {
		t.Fatal(err)
	}
	if got := g.lastWords(": "); g.written() != 8 || got != ": goodbye" {
		t.Errorf("then %d bytes that end with %q", g.written(), got)
	}
}

func TestProcessesAreRead(t *testing.T) {
	stat := "4711 (a) b) (c) S 12 4711 4700 0 -1 4194560 1 2 3 4 5 6 70 8 20 0 9 0 123456 1 2 3\n"
	want := proc{pid: 4711, parent: 12, session: 4700, state: 'S', threads: 9, started: 123456, children: 780 * time.Millisecond}
	if got, ok := parseStat([]byte(stat)); !ok || got != want {
		t.Errorf("%+v, %v; want %+v", got, ok, want)
	}
	for _, s := range []string{"", "1", "1 (x", "1 (x) S 1 2"} {
		if _, ok := parseStat([]byte(s)); ok {
			t.Errorf("%q is read as a process", s)
		}
	}
	if self, ok := readProc(os.Getpid()); !ok || self.parent != os.Getppid() || self.threads < 1 {
		t.Errorf("this process is read as %+v, %v", self, ok)
	}
}

func TestDescendants(t *testing.T) {
	all := []proc{{pid: 5, parent: 3}, {pid: 2, parent: 1}, {pid: 3, parent: 2}, {pid: 4, parent: 1}, {pid: 9, parent: 8}}
	var got []int
	for _, p := range descendants(all, 1) {
		got = append(got, p.pid)
	}
	if fmt.Sprint(got) != "[2 4 3 5]" {
		t.Errorf("descendants of 1: %v, want 2 and 4 before 3 before 5", got)
	}
}

func TestListenersAreRead(t *testing.T) {
	table := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0\n" +
		"   1: 0100007F:1F90 0100007F:8235 01 00000000:00000000 00:00000000 00000000  1000        0 4343 1 0 100 0 0 10 0\n" +
		"   2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4444 1 0 100 0 0 10 0\n"
	if got := parseListeners([]byte(table), 8080); fmt.Sprint(got) != "[socket:[4242]]" {
		t.Errorf("on port 8080 listens %v, want socket 4242", got)
	}
}

func FuzzProc(f *testing.F) {
	f.Add([]byte("4711 (a) b) (c) S 12 4711 4700 0 -1 4194560 1 2 3 4 5 6 70 8 20 0 9 0 123456 1 2 3\n"))
	f.Add([]byte("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1 0 100 0 0 10 0\n"))
	f.Add([]byte("cpu0 50 0 10 100 20 0 0 2 0 0\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		if p, ok := parseStat(file); ok && p.state == 0 {
			t.Errorf("a process without a state: %+v", p)
		}
		for _, inode := range parseListeners(file, 8080) {
			if !strings.Contains(string(file), strings.TrimSuffix(strings.TrimPrefix(inode, "socket:["), "]")) {
				t.Errorf("%s is nowhere in the table", inode)
			}
		}
		_, _ = parseHost(file, nil)
	})
}

// BenchmarkLook is what a look costs while a slice counts, on the server's
// CPUs.
func BenchmarkLook(b *testing.B) {
	server := again("worker")
	in, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if l := (tree{}).look(); l.processes != 1 {
			b.Fatalf("%d processes, want 1", l.processes)
		}
	}
	in.Close()
	if err := server.Wait(); err != nil {
		b.Fatal(err)
	}
}

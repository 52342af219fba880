package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"workbench/harness/process"
	"workbench/harness/result"
)

// TestMain makes the test binary what the program is: itself, and its own
// children.
func TestMain(m *testing.M) {
	if code, child := process.RunChild(); child {
		os.Exit(code)
	}
	if os.Getenv(asProgram) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"workbench": main})
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

// A command is one run of Main.
type command struct {
	out, err lockedBuffer
	stop     context.CancelFunc
	code     chan int
}

// start runs Main with args until it ends by itself, or stop is called.
func start(t *testing.T, args ...string) *command {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	c := &command{code: make(chan int, 1)}
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	go func() { c.code <- Main(ctx, args, &c.out, &c.err) }()
	t.Cleanup(func() {
		stop()
		goleak.VerifyNone(t, leaks)
	})
	return c
}

// wait returns the exit code.
func (c *command) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-c.code:
		return code
	case <-time.After(time.Minute):
		t.Fatalf("still running after a minute; standard error:\n%s", c.err.String())
		return -1
	}
}

// lockedBuffer is written by a command while a test looks at it.
type lockedBuffer struct {
	mu  sync.Mutex
	b   bytes.Buffer
	new chan struct{} // closed, and replaced, at each write
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.new != nil {
		close(b.new)
		b.new = nil
	}
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// await returns the first match of a pattern in what is written, and its
// groups.
func (b *lockedBuffer) await(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(30 * time.Second)
	for {
		b.mu.Lock()
		m := re.FindStringSubmatch(b.b.String())
		if b.new == nil {
			b.new = make(chan struct{})
		}
		changed := b.new
		b.mu.Unlock()
		if m != nil {
			return m
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no %q in %q", pattern, b.String())
		}
	}
}

// ask sends bytes and returns all that comes back until the end.
func ask(t *testing.T, addr, send string) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(nc, send); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(nc)
	if err != nil {
		t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

func TestServe(t *testing.T) {
	for _, tt := range []struct {
		conversation, send, want string
	}{
		{"http", "GET /?bytes=5 HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n", "\r\n\r\nHello"},
		{"once", "GET / HTTP/1.1\r\n\r\n", "\r\n\r\nHello, World!"},
		{"once", "\r\n", "\r\n\r\nHello, World!"}, // telnet and one press of Enter
	} {
		for _, model := range []string{"iterative", "goroutine", "pool", "errgroup"} {
			t.Run(tt.conversation+"/"+model, func(t *testing.T) {
				c := start(t, "serve", "--model", model, "--addr", "127.0.0.1:0", "--conversation", tt.conversation)
				port := c.out.await(t, `^Serving HTTP on port (\d+) \.\.\.\n`)[1]
				if got := ask(t, "127.0.0.1:"+port, tt.send); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, tt.want) {
					t.Errorf("sent %q, got %q, want status 200 and %q at the end", tt.send, got, tt.want)
				}
				c.stop() // as Ctrl-C does
				if code := c.wait(t); code != exitDone {
					t.Errorf("exit code %d after an interrupt, want %d: %s", code, exitDone, c.err.String())
				}
			})
		}
	}
}

func TestServeShowsRequestsAsTheyCame(t *testing.T) {
	c := start(t, "serve", "--addr", "127.0.0.1:0", "--conversation", "once", "--print")
	port := c.out.await(t, `port (\d+)`)[1]
	ask(t, "127.0.0.1:"+port, "GET / HTTP/1.0\r\nX: \x1b[31m\xff\\ é\r\n\r\n")
	c.out.await(t, regexp.QuoteMeta("GET / HTTP/1.0\\r\nX: \\x1b[31m\\xff\\\\ é\\r\n\\r\n"))
	c.stop()
	c.wait(t)
}

func TestServeSaysThatItsAddressIsInUse(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c := start(t, "serve", "--addr", ln.Addr().String())
	code, said := c.wait(t), c.err.String()
	want := "workbench: listen " + ln.Addr().String() + ": address already in use (choose another with --addr)\n"
	if code != exitFailed || said != want {
		t.Errorf("exit code %d, %q; want %d, %q", code, said, exitFailed, want)
	}
}

// What a script looks at is the exit code.
func TestExitCodes(t *testing.T) {
	t.Chdir(t.TempDir()) // what should be refused and isn't leaves its record there
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want int
	}{
		{"help", []string{"--help"}, exitDone},
		{"a list", []string{"models"}, exitDone},
		{"nothing", nil, exitUsage},
		{"an unknown command", []string{"walk"}, exitUsage},
		{"an unknown model", []string{"run", "--model", "poool"}, exitUsage},
		{"an unknown flag", []string{"run", "--mod", "pool"}, exitUsage},
		{"an unknown scenario", []string{"scenarios", "oi"}, exitUsage},
		{"a precision that is none", []string{"run", "--precision", "0%"}, exitUsage},
		{"a comparison of nothing", []string{"compare"}, exitUsage},
		{"a reference and none", []string{"run", "--model", "pool", "--alone", "--reference", "pool"}, exitUsage},
		{"a backlog that can't be had", []string{"run", "--backlog=-1"}, exitUsage},
		{"work that no client waits for", []string{"run", "--wait", "60s"}, exitUsage},
		{"an address that is none", []string{"serve", "--addr", "8888"}, exitUsage},
		{"a record that can't be written", []string{"run", "--out", file}, exitFailed},
		{"an address that can't be had", []string{"serve", "--addr", "192.0.2.1:80"}, exitFailed},
		// One client, and a window that is over before its first answer.
		{"nothing valid", []string{"run", "--clients", "1", "--wait", "1s", "--slice", "1ms", "--blocks", "1", "--alone", "--model", "iterative", "--out", t.TempDir()}, exitInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := start(t, tt.args...)
			if code := c.wait(t); code != tt.want {
				t.Errorf("exit code %d, want %d; it said %s", code, tt.want, c.err.String())
			}
			if said := c.err.String(); tt.want != exitDone && tt.want != exitInvalid && strings.Count(said, "\n") != 1 {
				t.Errorf("it said %q, want one line", said)
			}
		})
	}
}

// failingWriter takes n bytes and then fails, like a pipe whose reader left.
type failingWriter struct{ n int }

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.n -= len(b); w.n < 0 {
		return 0, syscall.EPIPE
	}
	return len(b), nil
}

func TestARunOutlivesItsReader(t *testing.T) {
	out := t.TempDir()
	var stderr lockedBuffer
	code := Main(t.Context(), quickly(out, "--model", "pool"), &failingWriter{100}, &stderr)
	if want := "\nworkbench: print the result: broken pipe (it is kept in "; code != exitFailed || !strings.Contains(stderr.String(), want) {
		t.Errorf("exit code %d, said %q; want %d, %q", code, stderr.String(), exitFailed, want)
	}
	if files, err := filepath.Glob(filepath.Join(out, "*", "answer.md")); err != nil || len(files) != 1 {
		t.Errorf("answers %v, %v; want the record whole", files, err)
	}
}

// quickly are the flags of a run that takes a second or two.
func quickly(out string, more ...string) []string {
	return append([]string{"run", "--clients", "4", "--wait", "2ms", "--blocks", "1", "--slice", "50ms", "--out", out}, more...)
}

func TestRunWritesARecordThatSaysWhatItPrints(t *testing.T) {
	out := t.TempDir()
	c := start(t, quickly(out, "--model", "iterative", "--model", "pool:workers=2", "--format", "json")...)
	if code := c.wait(t); code != exitDone {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	var printed result.Run
	if err := json.Unmarshal([]byte(c.out.String()), &printed); err != nil {
		t.Fatal(err)
	}
	dirs, err := filepath.Glob(filepath.Join(out, "*Z-custom"))
	if err != nil || len(dirs) != 1 {
		t.Fatalf("directories %q, %v; want one named after time and load", dirs, err)
	}
	written, err := os.ReadFile(filepath.Join(dirs[0], "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != c.out.String() {
		t.Error("run.json is not what --format json prints")
	}
	for _, name := range []string{"answer.md", "table.md", "table.csv"} {
		if b, err := os.ReadFile(filepath.Join(dirs[0], name)); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	e := printed.Experiments[0]
	var labels []string
	for _, cell := range e.Cells {
		labels = append(labels, cell.Label)
		if cell.Errors.Total() != 0 || !cell.Valid {
			t.Errorf("%s: errors %+v, valid %v, warnings %q", cell.Label, cell.Errors, cell.Valid, cell.Warnings)
		}
	}
	if want := []string{"goroutine", "goroutine#2", "iterative", "pool:workers=2"}; !slices.Equal(labels, want) {
		t.Errorf("cells %q, want %q", labels, want)
	}
	taken, damage, err := result.ReadSlices(result.SlicesPath(dirs[0], e.Name))
	if err != nil || len(damage) > 0 {
		t.Fatal(err, damage)
	}
	limited := 0
	for _, s := range taken {
		if s.Phase == result.PhasePilot {
			continue // its clients hang up
		}
		if s.Load.RequestsAll != s.Server.Requests {
			t.Errorf("%s, %s of block %d: the clients got %d answers, the server gave %d", s.Label, s.Phase, s.Block, s.Load.RequestsAll, s.Server.Requests)
		}
		// X ≤ limit/S, whatever the machine does; where the clients were kept from
		// their CPU as the window began, it holds an older answer of each as well.
		if l := s.Server.Limit; l != nil && s.Load.Requests > l.Size {
			most := s.Load.WindowUs/(float64(s.Load.Service.Sum().Microseconds())/float64(s.Load.Service.Count()))*float64(l.Size) + float64(e.Clients)
			if float64(s.Load.Requests) > most {
				t.Errorf("%s: %d requests in %.0f µs, more than its limit allows (%.0f)", s.Label, s.Load.Requests, s.Load.WindowUs, most)
			}
			limited++
		}
	}
	if limited == 0 {
		t.Error("no slice of a limited model")
	}
}

func TestRunInterruptedKeepsWhatItMeasured(t *testing.T) {
	out := t.TempDir()
	// The second experiment is not begun, and has no slices.
	c := start(t, "run", "--scenario", "keepalive", "--scenario", "io", "--clients", "2", "--budget", "1h", "--alone", "--model", "pool", "--out", out)
	path := awaitRounds(t, out)
	c.stop()
	begin := time.Now()
	code := c.wait(t)
	if took := time.Since(begin); took > time.Second {
		t.Errorf("took %v to end after an interrupt", took)
	}
	if code != exitInterrupted {
		t.Errorf("exit code %d, want %d: %s", code, exitInterrupted, c.err.String())
	}
	run, err := result.ReadRun(filepath.Dir(filepath.Dir(path)))
	if err != nil {
		t.Fatal(err)
	}
	if run.StoppedBy != "interrupt" || len(run.Experiments[0].Cells) != 1 || run.Experiments[0].Cells[0].Requests == 0 {
		t.Errorf("stopped by %q with cells %+v; want what was measured until the interrupt", run.StoppedBy, run.Experiments[0].Cells)
	}
	if !strings.Contains(c.out.String(), "Record:") {
		t.Errorf("no word of the record in %q", c.out.String())
	}
	if said := c.err.String(); strings.Contains(said, "no such") {
		t.Errorf("it said %s", said)
	}
}

// awaitRounds returns the file of slices under out once there is a counted
// one in it.
func awaitRounds(t *testing.T, out string) string {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); <-tick.C {
		files, err := filepath.Glob(filepath.Join(out, "*", "slices", "*.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil && bytes.Contains(b, []byte(`"phase":"round"`)) {
				return f
			}
		}
	}
	t.Fatal("no slice after 30 s")
	return ""
}

// A server that runs already is loaded, and neither started nor ended.
func TestAttach(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "mine") })}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	out := t.TempDir()
	c := start(t, "run", "--attach", ln.Addr().String(), "--scenario", "hello", "--clients", "4", "--blocks", "1", "--slice", "50ms", "--out", out, "--format", "json")
	if code := c.wait(t); code != exitDone {
		t.Fatalf("exit code %d: %s", code, c.err.String())
	}
	var run result.Run
	if err := json.Unmarshal([]byte(c.out.String()), &run); err != nil {
		t.Fatal(err)
	}
	cell := run.Experiments[0].Cells[2]
	if cell.Label != ln.Addr().String() || !cell.Valid || cell.Requests == 0 || cell.Errors.Total() != 0 {
		t.Errorf("%+v; want requests to %v, and no errors", cell, ln.Addr())
	}
	// Nothing is known of its process, and nothing may be claimed.
	if cell.ServerCPUUsPerRequest != nil || cell.RSSPeakBytes != 0 || cell.BoundBy == "load" || cell.BoundBy == "server" {
		t.Errorf("CPU %v, memory %d, bound by %q; want none of what was not seen", cell.ServerCPUUsPerRequest, cell.RSSPeakBytes, cell.BoundBy)
	}
}

package process

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"workbench/harness/load"
	"workbench/harness/scenario"
)

func TestMain(m *testing.M) {
	if code, child := RunChild(); child {
		os.Exit(code)
	}
	if role := os.Getenv(strangerVar); role != "" {
		os.Exit(beStranger(role, os.Args[1:]))
	}
	// Programs with the race detector in them take a second to exit, else.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// serve starts a server of a model for a test.
func serve(t *testing.T, model string) *Server {
	t.Helper()
	s, err := StartServer(t.Context(), nil, ServerConfig{Model: model, Conversation: "http", SpinPerUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

// job is a short load for s.
func job(t *testing.T, s *Server) load.Job {
	t.Helper()
	sc, err := scenario.Named("io")
	if err != nil {
		t.Fatal(err)
	}
	sc.Clients = 4
	return load.Job{Addr: s.Addr, Scenario: sc, Seed: 1, Settle: 5 * time.Millisecond, Count: 50 * time.Millisecond, Timeout: 5 * time.Second}
}

func TestASliceOfServerAndClients(t *testing.T) {
	for _, model := range []string{"iterative", "goroutine", "pool:workers=2", "errgroup:limit=3"} {
		t.Run(model, func(t *testing.T) {
			s := serve(t, model)
			clients, err := StartClients(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer clients.Stop()
			for range 2 { // the second slice must not remember the first
				j := job(t, s)
				if err := clients.Prepare(t.Context(), "net", j); err != nil {
					t.Fatal(err)
				}
				if err := s.Begin(t.Context(), Window{From: j.Settle, Until: j.Settle + j.Count}); err != nil {
					t.Fatal(err)
				}
				outcome, err := clients.Play(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				used, err := s.End(t.Context(), 5*time.Second)
				if err != nil {
					t.Fatal(err)
				}
				if seen := outcome.Load.RequestsAll; seen == 0 || used.Requests != seen {
					t.Errorf("the server gave %d answers, the clients got %d", used.Requests, seen)
				}
				if used.CPUUs <= 0 || used.WindowCPUUs <= 0 || used.WindowCPUUs > used.CPUUs {
					t.Errorf("CPU %v µs in all, %v in the window; want both, the window's the smaller", used.CPUUs, used.WindowCPUUs)
				}
				if used.WindowCPUWallUs <= 0 { // either look may be late: one comes after the other, no more is sure
					t.Errorf("window of %v µs, want some", used.WindowCPUWallUs)
				}
				// A client may be back before the server has done with its last
				// connection.
				most := 2 * int64(j.Scenario.Clients)
				if used.Limit != nil {
					most = min(most, used.Limit.Size)
					if full := float64(used.Limit.Size) * used.WindowCPUWallUs; used.WindowHeldUs > full {
						t.Errorf("held connections for %v µs in the window, more than its limit allows (%v)", used.WindowHeldUs, full)
					}
				}
				if used.HeldPeak < 1 || used.HeldPeak > most {
					t.Errorf("held peak %d, want 1 to %d", used.HeldPeak, most)
				}
			}
		})
	}
}

func TestCalibrate(t *testing.T) {
	perUs, err := Calibrate(t.Context(), Allowed())
	if err != nil || perUs <= 0 {
		t.Errorf("calibration gave %v iterations per µs, %v", perUs, err)
	}
}

// held opens a connection to s and has it answered once: only then is it sure
// that s has accepted it.
func held(t *testing.T, s *Server) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = nc.Close() })
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return nc
}

// A slice neither begins nor ends while somebody has a connection.
func TestABusyServer(t *testing.T) {
	s, err := StartServer(t.Context(), nil, ServerConfig{Model: "goroutine", Conversation: "http", NoIdleTimeout: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if err := s.Begin(t.Context(), Window{Patience: Patience{Idle: 5 * time.Second}}); err != nil {
		t.Fatal(err)
	}
	nc := held(t, s)
	want := BusyError{"the server goroutine", 1}
	for _, ask := range []func() error{
		func() error { _, err := s.End(t.Context(), 20*time.Millisecond); return err },
		func() error { return s.Begin(t.Context(), Window{Patience: Patience{Idle: 20 * time.Millisecond}}) },
	} {
		if err := ask(); !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	used, err := s.EndNow(t.Context())
	if err != nil || used.Requests != 1 || used.HeldPeak != 1 || used.CPUUs <= 0 {
		t.Errorf("in the middle %+v, %v; want one connection held, and its first answer", used, err)
	}
	if _, err := io.WriteString(nc, plainRequest(s.Addr)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(nc); err != nil { // the answer, and the end
		t.Fatal(err)
	}
	if used, err = s.End(t.Context(), 5*time.Second); err != nil || used.Requests != 2 {
		t.Errorf("in the end %+v, %v; want two answers", used, err)
	}
}

// What goes wrong with a child is one line that says what, on what.
func TestErrorsOfChildren(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(t *testing.T) error
		want string
	}{
		{"a model that isn't there", func(t *testing.T) error {
			_, err := StartServer(t.Context(), nil, ServerConfig{Model: "nobody", Conversation: "http"})
			return err
		}, `the server nobody: no model "nobody" (models: `},
		{"a padding that is larger than a page", func(t *testing.T) error {
			_, err := StartServer(t.Context(), nil, ServerConfig{Model: "pool", Conversation: "http", Padding: 5000})
			return err
		}, "the server pool: padding of 5000 bytes: must be 0 to 4096"},
		{"a slice of clients with an unknown engine", func(t *testing.T) error {
			c, err := StartClients(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Stop()
			return c.Prepare(t.Context(), "horse", load.Job{})
		}, `the clients: unknown engine "horse": want `},
		{"a server that is killed", func(t *testing.T) error {
			s := serve(t, "pool")
			end(t, s.PID())
			return s.Begin(t.Context(), Window{})
		}, "the server pool exited in the middle (signal: killed)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.make(t)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("error %q, want %q", err, tt.want)
			}
		})
	}
}

func end(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A parent that gives up waiting leaves no child behind.
func TestAskingStopsWithTheContext(t *testing.T) {
	s := serve(t, "iterative")
	clients, err := StartClients(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	j := job(t, s)
	j.Settle = time.Hour
	if err := clients.Prepare(ctx, "net", j); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := clients.Play(ctx)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	<-clients.c.gone
}

func TestLastWords(t *testing.T) {
	for _, tt := range []struct{ name, said, want string }{
		{"nothing", "", ""},
		{"the last line", "one\ntwo\n", "two"},
		{"a panic, not its stack", "noise\npanic: no such thing\n\ngoroutine 1 [running]:\nmain.main()\n", "panic: no such thing"},
		{"a fatal error of the runtime", "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1:\n", "fatal error: all goroutines are asleep - deadlock!"},
		{"the end of much", strings.Repeat("x", 3*tailSize) + "\nend", "end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var said tail
			for _, part := range strings.SplitAfter(tt.said, "\n") {
				if n, err := said.Write([]byte(part)); n != len(part) || err != nil {
					t.Fatal(n, err)
				}
			}
			if got := said.lastWords(); got != tt.want {
				t.Errorf("last words %q, want %q", got, tt.want)
			}
			if len(said.b) > tailSize {
				t.Errorf("kept %d bytes", len(said.b))
			}
		})
	}
}

func TestCPUs(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want CPUs
		out  string
	}{
		{"0", CPUs{0}, "0"},
		{"0-3,8", CPUs{0, 1, 2, 3, 8}, "0-3,8"},
		{"3,1,2,1", CPUs{1, 2, 3}, "1-3"},
		{"", nil, ""}, {"a", nil, ""}, {"3-1", nil, ""}, {"-1", nil, ""}, {"0,", nil, ""}, {"99999", nil, ""},
	} {
		got, err := ParseCPUs(tt.in)
		if (err != nil) != (tt.want == nil) {
			t.Errorf("ParseCPUs(%q): %v", tt.in, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" && err == nil {
			t.Errorf("ParseCPUs(%q) (-want +got):\n%s", tt.in, diff)
		}
		if got.String() != tt.out && err == nil {
			t.Errorf("%q as a list: %q, want %q", tt.in, got, tt.out)
		}
	}
	if got := (CPUs{0, 1, 2}).Without(CPUs{1}); cmp.Diff(CPUs{0, 2}, got) != "" {
		t.Errorf("without: %v", got)
	}
}

func FuzzParseCPUs(f *testing.F) {
	for _, s := range []string{"0", "0-3,8", "1,1", "0-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cpus, err := ParseCPUs(s)
		if err != nil {
			return
		}
		again, err := ParseCPUs(cpus.String())
		if diff := cmp.Diff(cpus, again); err != nil || diff != "" {
			t.Errorf("%q is %v, which reads back as %v, %v", s, cpus, again, err)
		}
	})
}

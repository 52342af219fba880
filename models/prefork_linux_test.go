package models_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workbench/models"
	"workbench/models/exchange"
)

// A serving is a model at work in this process.
type serving struct {
	x    *exchange.Exchange
	addr string
	stop context.CancelFunc
	done chan error
}

func startServing(t *testing.T, spec string, observe func(exchange.Moment)) *serving {
	t.Helper()
	model, _, err := models.New(spec)
	if err != nil {
		t.Fatal(err)
	}
	x, err := exchange.New(exchange.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	if observe != nil {
		x.Observe(observe)
	}
	ln, err := models.Listen(t.Context(), "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s := &serving{x: x, addr: ln.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() { s.done <- model.Serve(ctx, ln, x) }()
	t.Cleanup(func() {
		stop()
		if err := <-s.done; err != nil {
			t.Errorf("after a stop Serve returned %v", err)
		}
	})
	return s
}

// eventually waits for what happens in other processes, which nobody tells of.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	for giveUp := time.After(20 * time.Second); !is(); {
		select {
		case <-look.C:
		case <-giveUp:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// ask asks for an answer on a connection that stays open.
func ask(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	again(t, c)
	return c
}

func again(t *testing.T, c net.Conn) {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, a.Body); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", a.StatusCode, err)
	}
}

// running reports whether a process runs: one that ended may be a zombie for
// as long as whoever inherited it likes.
func running(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

func TestPreforkReplacesAProcessThatDies(t *testing.T) {
	for _, each := range []string{"iterative", "reactor"} {
		t.Run(each, func(t *testing.T) {
			var mu sync.Mutex
			closed := map[uint64]bool{}
			s := startServing(t, "prefork:processes=3,each="+each, func(m exchange.Moment) {
				if m.Event == exchange.Closed {
					mu.Lock()
					closed[m.Conn] = true
					mu.Unlock()
				}
			})
			eventually(t, "three processes", func() bool { return len(s.x.Stats().Processes) == 3 })
			for round := range 4 {
				before := s.x.Stats()
				conn := ask(t, s.addr)
				eventually(t, "the answer to be counted", func() bool { return s.x.Stats().Requests == before.Requests+1 })
				pids := s.x.Stats().Processes
				for _, pid := range pids { // one of them has it
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
				eventually(t, "three other processes", func() bool {
					now := s.x.Stats().Processes
					return len(now) == 3 && !slices.ContainsFunc(now, func(pid int) bool { return slices.Contains(pids, pid) })
				})
				st := s.x.Stats()
				if st.Open != 0 || st.Held != 0 || st.Accepted != before.Accepted+1 || st.Requests != before.Requests+1 || st.HeldTime <= before.HeldTime {
					t.Errorf("round %d: after the death of who held a connection, which had one answer:\nbefore %+v\nnow    %+v", round, before, st)
				}
				if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
					t.Errorf("round %d: a connection survives its process: %d bytes, %v", round, n, err)
				}
				eventually(t, "the loss to be told", func() bool {
					mu.Lock()
					defer mu.Unlock()
					return closed[uint64(st.Accepted)]
				})
			}
			c := ask(t, s.addr)
			again(t, c)
			if st := s.x.Stats(); st.OpenPeak != 1 || st.HeldPeak != 1 {
				t.Errorf("peaks of %d open and %d held, and there was one at a time", st.OpenPeak, st.HeldPeak)
			}
		})
	}
}

func TestPreforkLeavesNoProcess(t *testing.T) {
	s := startServing(t, "prefork:processes=3", nil)
	eventually(t, "three processes", func() bool { return len(s.x.Stats().Processes) == 3 })
	pids := s.x.Stats().Processes
	ask(t, s.addr)
	s.stop()
	err := <-s.done
	s.done <- err
	for _, pid := range pids {
		if _, err := os.Stat("/proc/" + strconv.Itoa(pid)); err == nil {
			t.Errorf("Serve has returned, and there is still process %d", pid)
		}
	}
	if st := s.x.Stats(); err != nil || st.Accepted != 1 || st.Requests != 1 || st.Open != 0 || st.OpenPeak != 1 || st.Processes != nil {
		t.Errorf("Serve returned %v, and its counts are %+v", err, st)
	}
}

// preforkParent is set for a process that is to be killed.
const preforkParent = "WORKBENCH_TEST_PREFORK_PARENT"

func init() {
	another = func() func() int {
		if spec := os.Getenv(preforkParent); spec != "" {
			return func() int { return bePreforkParent(spec) }
		}
		return nil
	}
}

// bePreforkParent serves, and prints its children's numbers.
func bePreforkParent(spec string) int {
	ln, err := models.Listen(context.Background(), "127.0.0.1:0", 0)
	if err != nil {
		return 1
	}
	x, err := exchange.New(exchange.DefaultOptions())
	if err != nil {
		return 1
	}
	model, _, err := models.New(spec)
	if err != nil {
		return 1
	}
	go func() { _ = model.Serve(context.Background(), ln, x) }()
	for len(x.Stats().Processes) < 3 {
		time.Sleep(time.Millisecond)
	}
	fmt.Println(ln.Addr(), x.Stats().Processes)
	select {}
}

// However the parent dies, its children end: those that wait, one that holds a
// silent client, and one that burns its CPU.
func TestPreforkEndsWithItsParent(t *testing.T) {
	for _, each := range []string{"iterative", "reactor"} {
		t.Run(each, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
			cmd.Env = append(os.Environ(), preforkParent+"=prefork:processes=3,each="+each)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			addr, list, _ := strings.Cut(strings.TrimSpace(line), " ")
			var pids []int
			for f := range strings.FieldsSeq(strings.Trim(list, "[]")) {
				pid, err := strconv.Atoi(f)
				if err != nil {
					t.Fatal(err)
				}
				pids = append(pids, pid)
			}
			ask(t, addr)
			busy, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer busy.Close()
			if _, err := io.WriteString(busy, "GET /?wait=50s HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			for _, pid := range pids {
				if !running(pid) {
					t.Errorf("process %d has ended before its parent", pid)
				}
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			for _, pid := range pids {
				eventually(t, fmt.Sprintf("the end of process %d, whose parent is killed", pid), func() bool { return !running(pid) })
			}
			// Of a process whose first thread has ended, others may be on their way.
			eventually(t, "nobody to listen", func() bool {
				c, err := net.Dial("tcp", addr)
				if err == nil {
					_ = c.Close()
				}
				return err != nil
			})
		})
	}
}

// The listening socket is shared by all processes, and so is whether it blocks:
// should one of them make it block, the others could sleep in accept for ever.
func TestPreforkKeepsTheSocketFromBlocking(t *testing.T) {
	ln, err := models.Listen(t.Context(), "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := ln.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	if e := raw.Control(func(s uintptr) { fd, err = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	defer unix.Close(fd)
	x, err := exchange.New(exchange.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	model, _, err := models.New("prefork:processes=4")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- model.Serve(ctx, ln, x) }()
	blocks := func() bool {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err != nil || flags&unix.O_NONBLOCK == 0
	}
	for range 200 { // the first processes serve while the last ones are started
		if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
			_ = c.Close()
		}
		if blocks() {
			t.Fatal("the listening socket blocks")
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// No model pays for TCP keep-alive probes.
func TestPreforkTurnsNoProbesOn(t *testing.T) {
	s := startServing(t, "prefork:processes=1", nil)
	c := ask(t, s.addr)
	local := c.LocalAddr().(*net.TCPAddr).Port
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err) // no such table here
	}
	_, port, _ := net.SplitHostPort(s.addr)
	listens, _ := strconv.Atoi(port)
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 7 || !strings.HasSuffix(f[1], fmt.Sprintf(":%04X", listens)) || !strings.HasSuffix(f[2], fmt.Sprintf(":%04X", local)) {
			continue
		}
		if timer, _, _ := strings.Cut(f[5], ":"); timer == "02" { // 01 is a retransmission
			t.Errorf("the server's side of a connection has a timer for keep-alive probes: %s", line)
		}
		return
	}
	t.Error("the connection isn't to be found in /proc/net/tcp")
}

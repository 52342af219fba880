package models

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"workbench/models/exchange"
)

// Where io_uring isn't allowed, whoever asks is told before, and Serve says the
// same: what was tried, why it was refused, and what to do.
func TestUringIsRefused(t *testing.T) {
	ln, err := Listen(t.Context(), "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	x, err := exchange.New(exchange.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct{ seccomp, probe, serve error }
	said := make(chan outcome)
	go func() {
		runtime.LockOSThread() // and never unlocks: the thread ends with what it may not do
		if err := refuseRings(); err != nil {
			said <- outcome{seccomp: err}
			return
		}
		probe := probeRing()
		said <- outcome{nil, probe, uringServer{entries: 8}.Serve(t.Context(), ln, x)}
	}()
	got := <-said
	if got.seccomp != nil {
		t.Skipf("this system lets nobody refuse anything: %v", got.seccomp)
	}
	const want = "no io_uring: io_uring_setup: operation not permitted (this system doesn't allow it: " +
		"kernel.io_uring_disabled, or a container's seccomp profile); take model reactor"
	if s := fmt.Sprint(got.probe); s != want {
		t.Errorf("before: %s\nwant %s", s, want)
	}
	if s := fmt.Sprint(got.serve); s != "uring: "+want {
		t.Errorf("Serve returned %s", s)
	}
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("somebody still listens")
	}
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

func TestAvailable(t *testing.T) {
	for _, spec := range []string{"goroutine", "pool:workers=2", "reactor"} {
		if err := Available(spec); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
	if err := Available("gorutine"); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("a model that doesn't exist: %v", err)
	}
}

// A client that has said its last word and reads slowly has its whole answer:
// the kernel then takes every send for one that could go on, tries for a while,
// and says EAGAIN.
func TestUringAnswersWhoHasHalfClosed(t *testing.T) {
	if err := Available("uring"); err != nil {
		t.Skip(err)
	}
	_, ln, _, _ := served(t, "uring", nil)
	const clients, body = 4, exchange.MaxBytes
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			nc, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			c := nc.(*net.TCPConn)
			_ = c.SetReadBuffer(64 << 10)
			if _, err := fmt.Fprintf(c, "GET /?bytes=%d HTTP/1.0\r\n\r\n", body); err != nil {
				t.Error(err)
			}
			_ = c.CloseWrite()
			n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 4<<10))
			if err != nil || n <= body { // there is a head, too
				t.Errorf("%d bytes came of more than %d, %v", n, body, err)
			}
		})
	}
	wg.Wait()
}

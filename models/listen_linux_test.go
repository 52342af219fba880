package models

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workbench/models/exchange"
)

// parity is what every socket of every model must be set to.
var parity = []struct {
	name       string
	level, opt int
	listening  int
	accepted   int
}{
	{"SO_PROTOCOL", unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP, unix.IPPROTO_TCP}, // multipath TCP is 262
	{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1, 1},
	{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0, 0},
	{"SO_REUSEADDR", unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, 1},
	{"SO_LINGER", unix.SOL_SOCKET, unix.SO_LINGER, 0, 0},
}

func getsockopt(t *testing.T, fd, level, opt int) int {
	t.Helper()
	v, err := unix.GetsockoptInt(fd, level, opt)
	if err != nil {
		t.Fatalf("getsockopt %d, %d: %v", level, opt, err)
	}
	return v
}

func TestListenersAreEqual(t *testing.T) {
	for _, backlog := range []int{0, 1, 7, somaxconn()} {
		ln, err := Listen(t.Context(), "127.0.0.1:0", backlog)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := ln.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Control(func(fd uintptr) {
			for _, p := range parity {
				if got := getsockopt(t, int(fd), p.level, p.opt); got != p.listening {
					t.Errorf("backlog %d: %s is %d, want %d", backlog, p.name, got, p.listening)
				}
			}
			// tcp(7), TCP_INFO of a listening socket: tcpi_sacked is its
			// backlog, tcpi_unacked how much of it is taken.
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			if err != nil {
				t.Fatal(err)
			}
			want := backlog
			if want == 0 {
				want = somaxconn()
			}
			if int(info.Sacked) != want || info.Unacked != 0 {
				t.Errorf("backlog %d: the kernel has %d, %d of it taken", backlog, info.Sacked, info.Unacked)
			}
		})
		if err != nil {
			t.Error(err)
		}
		_ = ln.Close()
	}
}

// Every model's accepted sockets are set alike, however it accepts them.
func TestAcceptedSocketsAreEqual(t *testing.T) {
	for _, m := range Catalogue() {
		t.Run(m.Name, func(t *testing.T) {
			if err := Available(m.Name); err != nil {
				t.Skip(err)
			}
			server, _, err := New(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			x, err := exchange.New(exchange.DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			held := make(chan struct{})
			x.Observe(func(m exchange.Moment) {
				if m.Event == exchange.Held {
					close(held)
				}
			})
			ln, err := Listen(t.Context(), "127.0.0.1:0", 0)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := server.Serve(ctx, ln, x); err != nil {
					t.Error(err)
				}
			})
			defer wg.Wait()
			defer stop()

			client, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			select {
			case <-held:
			case <-time.After(10 * time.Second): // a net for a model that hangs
				t.Fatal("the connection isn't held")
			}
			fd, flags := socketOf(t, append(x.Stats().Processes, os.Getpid()), client.LocalAddr().(*net.TCPAddr).Port, client.RemoteAddr().(*net.TCPAddr).Port)
			for _, p := range parity {
				if got := getsockopt(t, fd, p.level, p.opt); got != p.accepted {
					t.Errorf("%s is %d, want %d", p.name, got, p.accepted)
				}
			}
			if flags&unix.O_NONBLOCK == 0 {
				t.Errorf("the socket blocks: flags %#o", flags)
			}
			if flags&unix.O_CLOEXEC == 0 {
				t.Errorf("child processes inherit the socket: flags %#o", flags)
			}
		})
	}
}

// socketOf finds the socket of the connection from a peer's port to a port of
// ours: a connection that the exchange holds doesn't show it. It is this
// process's descriptor, or a duplicate of that of another; the flags are the
// original's.
func socketOf(t *testing.T, pids []int, peer, ours int) (fd int, flags uint64) {
	t.Helper()
	for _, pid := range pids {
		process, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatal(os.NewSyscallError("pidfd_open", err))
		}
		defer unix.Close(process)
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			number, err := strconv.Atoi(e.Name())
			if err != nil {
				continue
			}
			fd, err := unix.PidfdGetfd(process, number, 0)
			if errors.Is(err, unix.EBADF) {
				continue // closed by now
			}
			if err != nil {
				t.Fatal(os.NewSyscallError("pidfd_getfd", err))
			}
			from, err1 := unix.Getpeername(fd)
			to, err2 := unix.Getsockname(fd)
			if err1 != nil || err2 != nil || port(from) != peer || port(to) != ours {
				_ = unix.Close(fd) // at once: it may be the end of a pipe that somebody waits for
				continue
			}
			t.Cleanup(func() { unix.Close(fd) })
			info, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, number))
			if err != nil {
				t.Fatal(err)
			}
			_, line, _ := strings.Cut(string(info), "flags:\t")
			line, _, _ = strings.Cut(line, "\n")
			if flags, err = strconv.ParseUint(line, 8, 64); err != nil {
				t.Fatal(err)
			}
			return fd, flags
		}
	}
	t.Fatalf("no descriptor of a connection from port %d to port %d", peer, ours)
	return -1, 0
}

func port(a unix.Sockaddr) int {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return -1
}

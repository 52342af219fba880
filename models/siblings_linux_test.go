package models

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workbench/models/exchange"
)

// onSocket calls f with a socket's descriptor.
func onSocket(t *testing.T, c syscall.Conn, f func(fd int)) {
	t.Helper()
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { f(int(fd)) })
	}
	if err != nil {
		t.Fatal(err)
	}
}

type socketOption struct{ level, opt int }

// settings are all that a socket tells when it is asked for numbers: each
// option's value, or how it refuses.
func settings(t *testing.T, c syscall.Conn) map[string]string {
	t.Helper()
	s := map[string]string{}
	onSocket(t, c, func(fd int) {
		for _, level := range []int{unix.SOL_SOCKET, unix.IPPROTO_TCP, unix.IPPROTO_IP, unix.IPPROTO_IPV6} {
			for opt := range 128 {
				switch (socketOption{level, opt}) {
				case socketOption{unix.SOL_SOCKET, unix.SO_PEERNAME},
					socketOption{unix.SOL_SOCKET, unix.SO_INCOMING_CPU},
					socketOption{unix.SOL_SOCKET, unix.SO_INCOMING_NAPI_ID},
					socketOption{unix.IPPROTO_TCP, unix.TCP_TIMESTAMP}:
					continue // no settings: whom it is with, what it has seen, a clock
				}
				v, err := unix.GetsockoptInt(fd, level, opt)
				s[fmt.Sprintf("level %d, option %d", level, opt)] = fmt.Sprint(v, err)
			}
		}
		name, err := unix.GetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION)
		s["congestion control"] = fmt.Sprint(name, err)
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Error(err)
			return
		}
		if info.State == unix.BPF_TCP_LISTEN {
			s["backlog"] = fmt.Sprint(info.Sacked) // tcp(7)
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		s["flags"] = fmt.Sprint(flags, err)
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		s["descriptor's flags"] = fmt.Sprint(flags, err)
	})
	return s
}

// Siblings, and sockets accepted by them, are set like the listener that they
// join, and like what every listener is set to.
func TestSiblingsAreEqual(t *testing.T) {
	for _, row := range []struct {
		title, addr, dial string
		backlog           int
	}{
		{"IPv4", "127.0.0.1:0", "127.0.0.1", 0},
		{"IPv4 with a backlog of its own", "127.0.0.1:0", "127.0.0.1", 7},
		{"IPv6", "[::1]:0", "::1", 0},
		{"every address, over IPv4", ":0", "127.0.0.1", 0},
		{"every address, over IPv6", ":0", "::1", 0},
	} {
		t.Run(row.title, func(t *testing.T) {
			ln, err := Listen(t.Context(), row.addr, row.backlog)
			if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
				t.Skip(err) // a machine without IPv6
			}
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			more, err := siblings(t.Context(), ln, 4)
			if err != nil {
				t.Fatal(err)
			}
			if len(more) != 3 {
				t.Fatalf("%d siblings, want 3", len(more))
			}
			all := append(more, ln)

			// Each accepts one at least: by chance each client goes to one of four.
			var accepted sync.Map // number of the listener: the connection
			var loops sync.WaitGroup
			got := make(chan int)
			for i, ln := range all {
				loops.Go(func() {
					for first := true; ; first = false {
						conn, err := ln.AcceptTCP()
						if err != nil {
							return
						}
						if first {
							accepted.Store(i, conn)
						} else {
							_ = conn.Close()
						}
						got <- i
					}
				})
			}
			defer loops.Wait()
			defer func() {
				for _, ln := range all {
					_ = ln.Close()
				}
			}()
			to := net.JoinHostPort(row.dial, fmt.Sprint(ln.Addr().(*net.TCPAddr).Port))
			seen := map[int]bool{}
			for clients := 0; len(seen) < len(all); clients++ {
				if clients == 1000 {
					t.Fatalf("of %d listeners %d never had any of %d clients", len(all), len(all)-len(seen), clients)
				}
				client, err := net.Dial("tcp", to)
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				seen[<-got] = true
			}

			like := settings(t, ln)
			first, _ := accepted.Load(len(all) - 1)
			likeConn := settings(t, first.(*net.TCPConn))
			for i, ln := range all {
				if ln.Addr().String() != all[3].Addr().String() {
					t.Errorf("sibling %d has the address %v, not %v", i, ln.Addr(), all[3].Addr())
				}
				for what, v := range settings(t, ln) {
					if v != like[what] {
						t.Errorf("sibling %d: %s is %s, and of the first listener %s", i, what, v, like[what])
					}
				}
				conn, _ := accepted.Load(i)
				c := conn.(*net.TCPConn)
				defer c.Close()
				for what, v := range settings(t, c) {
					if v != likeConn[what] {
						t.Errorf("accepted by sibling %d: %s is %s, and by the first listener %s", i, what, v, likeConn[what])
					}
				}
				onSocket(t, ln, func(fd int) {
					for _, p := range parity {
						if got := getsockopt(t, fd, p.level, p.opt); got != p.listening {
							t.Errorf("sibling %d: %s is %d, want %d", i, p.name, got, p.listening)
						}
					}
				})
				onSocket(t, c, func(fd int) {
					for _, p := range parity {
						if got := getsockopt(t, fd, p.level, p.opt); got != p.accepted {
							t.Errorf("accepted by sibling %d: %s is %d, want %d", i, p.name, got, p.accepted)
						}
					}
				})
			}
		})
	}
}

// What waits in a sibling's backlog when it is closed isn't left to wait.
func TestSiblingsCloseWhatWaits(t *testing.T) {
	ln, err := Listen(t.Context(), "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	more, err := siblings(t.Context(), ln, 4)
	if err != nil {
		t.Fatal(err)
	}
	clients := make([]net.Conn, 64)
	for i := range clients {
		if clients[i], err = net.Dial("tcp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		defer clients[i].Close()
	}
	for _, ln := range append(more, ln) {
		_ = ln.Close()
	}
	for _, c := range clients {
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // a net
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a client in the backlog of a closed listener reads: %v", err)
		}
	}
}

func TestNoSiblings(t *testing.T) {
	ln, err := Listen(t.Context(), "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if more, err := siblings(t.Context(), ln, 1); err != nil || len(more) != 0 {
		t.Errorf("one listener in all: %d siblings, %v", len(more), err)
	}
	onSocket(t, ln, func(fd int) {
		if getsockopt(t, fd, unix.SOL_SOCKET, unix.SO_REUSEPORT) != 0 {
			t.Error("a listener without siblings lets others share its port")
		}
	})

	// Two descriptors are left for three siblings.
	free, fd := 0, 0
	for ; free < 3; fd++ {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			free++
		}
	}
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := descriptors()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(fd - 1), Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	_, err = siblings(t.Context(), ln, 4)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if want := "listen " + ln.Addr().String() + ": socket: too many open files"; err == nil || err.Error() != want || !errors.Is(err, unix.EMFILE) {
		t.Errorf("without descriptors: %v, want %s", err, want)
	}
	if after := descriptors(); after != before {
		t.Errorf("%d descriptors after an error, %d before", after, before)
	}

	_ = ln.Close()
	_, err = siblings(t.Context(), ln, 4)
	if want := "listener " + ln.Addr().String() + ", to share its port: "; !errors.Is(err, net.ErrClosed) || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("of a listener that is closed: %v, want %s…", err, want)
	}
}

// served has a server of that spec serve, and returns the exchange, the address
// and what stops it.
func served(t *testing.T, spec string, observe func(exchange.Moment)) (x *exchange.Exchange, ln *net.TCPListener, ended func() error, stop func()) {
	t.Helper()
	server, _, err := New(spec)
	if err != nil {
		t.Fatal(err)
	}
	if x, err = exchange.New(exchange.DefaultOptions()); err != nil {
		t.Fatal(err)
	}
	if observe != nil {
		x.Observe(observe)
	}
	if ln, err = Listen(t.Context(), "127.0.0.1:0", 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- server.Serve(ctx, ln, x) }()
	ended = sync.OnceValue(func() error { return <-result })
	t.Cleanup(func() {
		cancel()
		_ = ended()
	})
	return x, ln, ended, cancel
}

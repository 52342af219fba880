package modeltest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
)

// openDescriptors counts this process's descriptors.
func openDescriptors() (n int, ok bool) {
	_, n, err := descriptors()
	return n, err == nil
}

// descriptors returns the highest descriptor in use, and how many there are,
// the one that is needed for looking included.
func descriptors() (highest, n int, err error) {
	entries, err := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			highest = max(highest, fd)
		}
	}
	return highest, len(entries), err
}

// exhaustion takes every descriptor of the process, has clients connect, which
// the kernel does without the server, looks at what the server does about
// those that it can't accept, and gives the descriptors back.
func exhaustion(r *rig) error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	// It has begun, and has the descriptors that it needs for itself.
	if err := s.ask(1, ""); err != nil {
		return err
	}
	if err := s.awaitEmpty(); err != nil {
		return err
	}
	n := 8
	if r.Rejects {
		n = min(n, r.open)
	}
	// Descriptors of clients come first, while there are any. They block, and
	// are no concern of the runtime's poller.
	socks := make([]int, 0, n)
	defer func() {
		for _, fd := range socks {
			_ = syscall.Close(fd)
		}
	}()
	for range n {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		socks = append(socks, fd)
	}

	giveBack, err := takeDescriptors()
	if err != nil {
		return err
	}
	defer giveBack()
	addr := s.ln.Addr().(*net.TCPAddr)
	to := &syscall.SockaddrInet4{Port: addr.Port, Addr: [4]byte(addr.IP.To4())}
	for _, fd := range socks {
		err := os.NewSyscallError("connect", syscall.Connect(fd, to))
		if err == nil {
			_, err = syscall.Write(fd, []byte(get(100, "", "Connection: close")))
			err = os.NewSyscallError("write", err)
		}
		switch {
		case err != nil && s.ended(s.Patience):
			return outAndGone(s)
		case err != nil:
			return err
		}
	}

	// A naive loop takes a whole CPU, a model that waits next to nothing.
	const window = 300 * time.Millisecond
	before, begun := processCPU(), time.Now()
	over := time.NewTimer(window)
	<-over.C
	used, passed := processCPU()-before, time.Since(begun)
	backoffs := s.x.Stats().AcceptBackoffs
	giveBack()

	switch {
	case s.gone():
		return outAndGone(s)
	case used > passed/2:
		return fmt.Errorf("while there were no descriptors for %v, the process used %v of CPU", passed.Round(time.Millisecond), used.Round(time.Millisecond))
	case backoffs == 0:
		return fmt.Errorf("there were no descriptors for %v, and no back-off is counted", passed.Round(time.Millisecond))
	}
	for i := range socks {
		conn, err := netConn(socks[i])
		if err != nil {
			return err
		}
		c := newClient(conn, r.Patience)
		_, err = c.expect(http.StatusOK, 100)
		if err == nil {
			err = c.end()
		}
		c.close()
		if err != nil {
			return s.explain(fmt.Errorf("a client that connected while there were no descriptors, after there were some again: %w", err))
		}
	}
	return nil
}

func outAndGone(s *server) error {
	return fmt.Errorf("descriptors ran out, and Serve returned: %v", s.err)
}

// takeDescriptors takes all that the process may have: it lowers the limit to
// what is in use, and fills what is free below. Call what it returns to undo
// both; it may be called twice.
func takeDescriptors() (giveBack func(), err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	highest, _, err := descriptors()
	if err != nil {
		return nil, err
	}
	low := limit
	low.Cur = uint64(highest) + 1
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		return nil, os.NewSyscallError("setrlimit", err)
	}
	var taken []int
	giveBack = func() {
		for _, fd := range taken {
			_ = syscall.Close(fd)
		}
		taken = nil
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	for {
		fd, err := syscall.Dup(0)
		switch err {
		case nil:
			taken = append(taken, fd)
		case syscall.EMFILE:
			return giveBack, nil
		default:
			giveBack()
			return nil, os.NewSyscallError("dup", err)
		}
	}
}

// processCPU is the CPU time that this process has used.
func processCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// netConn makes a connection of package net from a copy of fd.
func netConn(fd int) (*net.TCPConn, error) {
	copied, err := syscall.Dup(fd)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	f := os.NewFile(uintptr(copied), "client")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

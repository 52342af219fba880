package modeltest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// exhaustion takes every descriptor of the process, and of its children where the
// model has some, has clients connect, which the kernel does without the server,
// looks at what the server does about those that it can't accept, and gives the
// descriptors back.
func exhaustion(r *rig) error {
	// Before the server begins: io_uring reads the limit when it is asked to
	// accept, and not again with each connection.
	raiseLimit, err := lowerLimit()
	if err != nil {
		return err
	}
	defer raiseLimit()
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

	children, err := s.processes()
	if err != nil {
		return err
	}
	feed, err := starve(children)
	if err != nil {
		return err
	}
	defer feed()
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
	before, begun := processCPU(children), time.Now()
	over := time.NewTimer(window)
	<-over.C
	used, passed := processCPU(children)-before, time.Since(begun)
	backoffs := s.x.Stats().AcceptBackoffs
	giveBack()
	feed()

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

// lowerLimit lowers the limit of descriptors to little more than what is in use,
// so that taking the rest is soon done. Call what it returns to undo it.
func lowerLimit() (undo func(), err error) {
	const room = 512 // for what a model needs for itself
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil, os.NewSyscallError("getrlimit", err)
	}
	highest, _, err := descriptors()
	if err != nil {
		return nil, err
	}
	low := limit
	low.Cur = min(limit.Cur, uint64(highest)+room)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		return nil, os.NewSyscallError("setrlimit", err)
	}
	return func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit) }, nil
}

// takeDescriptors takes all that the process may have. Call what it returns to
// give them back; it may be called twice.
func takeDescriptors() (giveBack func(), err error) {
	var taken []int
	giveBack = func() {
		for _, fd := range taken {
			_ = syscall.Close(fd)
		}
		taken = nil
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

// processes returns the child processes of the server, when all of them serve: one
// that is being started can't do without the descriptors that it asks for.
func (s *server) processes() ([]int, error) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for giveUp := time.Now().Add(s.Patience); ; <-look.C {
		st := s.x.Stats()
		switch {
		case st.Starting == 0:
			return st.Processes, nil
		case time.Now().After(giveUp):
			return nil, fmt.Errorf("after %v, %d of its processes don't serve yet", s.Patience, st.Starting)
		}
	}
}

// starve lowers the limit of other processes to what they use, so that none of
// them gets another descriptor. Call what it returns to undo it; it may be called
// twice. A process that ends meanwhile is left out.
func starve(pids []int) (feed func(), err error) {
	limits := map[int]unix.Rlimit{}
	feed = func() {
		for pid, limit := range limits {
			_ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil)
		}
	}
	for _, pid := range pids {
		fds, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var taken []int
		for _, e := range fds {
			if fd, err := strconv.Atoi(e.Name()); err == nil {
				taken = append(taken, fd)
			}
		}
		free := uint64(0) // the lowest that is
		for slices.Contains(taken, int(free)) {
			free++
		}
		var limit unix.Rlimit
		if err == nil {
			err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit)
		}
		if err == nil {
			err = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: free, Max: limit.Max}, nil)
		}
		switch {
		case err == nil:
			limits[pid] = limit
		case !errors.Is(err, unix.ESRCH):
			feed()
			return nil, fmt.Errorf("limit the descriptors of process %d: %w", pid, err)
		}
	}
	return feed, nil
}

// processCPU is the CPU time that this process has used, and others: see
// clock_getcpuclockid(3) for the number of their clocks.
func processCPU(others []int) time.Duration {
	var used time.Duration
	for _, clock := range append([]int32{unix.CLOCK_PROCESS_CPUTIME_ID}, clocks(others)...) {
		var ts unix.Timespec
		if unix.ClockGettime(clock, &ts) == nil {
			used += time.Duration(ts.Nano())
		}
	}
	return used
}

func clocks(pids []int) (ids []int32) {
	for _, pid := range pids {
		ids = append(ids, int32(^pid)<<3|2)
	}
	return ids
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

package models

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// siblings returns n-1 further listeners on the address of ln, so that there
// are n in all, between which the kernel spreads new connections by a hash of
// the client's address and port (SO_REUSEPORT; Linux 3.9, 2013). They are set
// like ln, which is one that [Listen] made, and have each a backlog of their
// own, as long as ln's: together, n times as long.
//
// What waits in ln's backlog stays there. ln stays the caller's to close, and
// so do the siblings; after an error there are none.
func siblings(ctx context.Context, ln *net.TCPListener, n int) (_ []*net.TCPListener, err error) {
	if n <= 1 {
		return nil, nil // and nobody else is let in
	}
	backlog, err := shares(ln)
	if err != nil {
		return nil, fmt.Errorf("listener %v, to share its port: %w", ln.Addr(), err)
	}
	lc := listenConfig()
	lc.Control = func(network, address string, c syscall.RawConn) error {
		if err := control(network, address, c); err != nil {
			return err
		}
		return withSocket(c, setReusePort)
	}
	var more []*net.TCPListener
	defer func() {
		if err != nil {
			for _, ln := range more {
				_ = ln.Close()
			}
		}
	}()
	addr := ln.Addr().String()
	for range n - 1 {
		sibling, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, listenError(addr, err)
		}
		tcp := sibling.(*net.TCPListener) // network "tcp" has no other
		more = append(more, tcp)
		if err := setBacklog(tcp, backlog); err != nil {
			return nil, fmt.Errorf("listen %s: backlog %d: %w", addr, backlog, err)
		}
	}
	return more, nil
}

// shares lets others listen where ln does, and returns its backlog. That the
// option is set only now, on a socket that listens already, is enough: the
// kernel makes a group of it when the first sibling comes.
func shares(ln *net.TCPListener) (backlog int, err error) {
	c, err := ln.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = withSocket(c, func(fd int) error {
		if err := setReusePort(fd); err != nil {
			return err
		}
		// tcp(7): of a listening socket, tcpi_sacked is the backlog.
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return os.NewSyscallError("getsockopt TCP_INFO", err)
		}
		backlog = int(info.Sacked)
		return nil
	})
	return backlog, err
}

func setReusePort(fd int) error {
	return os.NewSyscallError("setsockopt SO_REUSEPORT", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

// withSocket calls f with c's descriptor.
func withSocket(c syscall.RawConn, f func(fd int) error) (err error) {
	if e := c.Control(func(fd uintptr) { err = f(int(fd)) }); e != nil {
		return e
	}
	return err
}

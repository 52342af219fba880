//go:build unix

package models

import (
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func control(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) {
		// Go sets SO_REUSEADDR by itself; it is part of what a listener here
		// promises, so it stands here too.
		if err = os.NewSyscallError("setsockopt SO_REUSEADDR", syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)); err == nil {
			err = os.NewSyscallError("setsockopt TCP_NODELAY", syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
		}
	}); e != nil {
		return e
	}
	return err
}

// setBacklog changes the backlog of a listening socket: a second listen does.
func setBacklog(ln *net.TCPListener, n int) error {
	c, err := ln.SyscallConn()
	if err != nil {
		return err
	}
	if e := c.Control(func(fd uintptr) { err = os.NewSyscallError("listen", syscall.Listen(int(fd), n)) }); e != nil {
		return e
	}
	return err
}

// somaxconn is the system's limit for a backlog, 0 where it isn't known.
func somaxconn() int {
	b, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n
}

//go:build !unix

package models

import (
	"errors"
	"net"
	"syscall"
)

// control leaves the socket as Go makes it: TCP_NODELAY is set on accepted
// connections then, and SO_REUSEADDR means something else on Windows.
func control(_, _ string, _ syscall.RawConn) error { return nil }

func setBacklog(*net.TCPListener, int) error {
	return errors.New("can't be declared on this system: leave it at 0")
}

func somaxconn() int { return 0 }

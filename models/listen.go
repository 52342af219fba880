package models

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Listen makes the listener of every model, so that no model owes a difference
// to its socket:
//
//   - plain TCP: multipath TCP, Go's default for listeners, is off, since a raw
//     socket isn't one either;
//   - SO_REUSEADDR, so that a restart needn't wait for TIME_WAIT;
//   - TCP_NODELAY on the listener, from which accepted sockets inherit it;
//   - no TCP keep-alive probes: Go would make four more system calls for each
//     accepted connection, which a raw accept doesn't;
//   - the backlog as declared, in connections; 0 stands for the system's limit
//     (somaxconn). The kernel admits one more than is declared.
//
// addr is "host:port"; port 0 takes a free one.
func Listen(ctx context.Context, addr string, backlog int) (*net.TCPListener, error) {
	if err := CheckBacklog(backlog); err != nil {
		return nil, err
	}
	lc := listenConfig()
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, listenError(addr, err)
	}
	tcp := ln.(*net.TCPListener) // network "tcp" has no other
	if backlog > 0 {
		if err := setBacklog(tcp, backlog); err != nil {
			_ = ln.Close()
			return nil, fmt.Errorf("listen %s: backlog %d: %w", addr, backlog, err)
		}
	}
	return tcp, nil
}

// listenConfig is what all listeners have in common.
func listenConfig() net.ListenConfig {
	lc := net.ListenConfig{KeepAlive: -time.Second, Control: control}
	lc.SetMultipathTCP(false)
	return lc
}

// CheckBacklog reports whether a backlog can be had here.
func CheckBacklog(backlog int) error {
	if backlog < 0 {
		return fmt.Errorf("backlog %d: must not be negative (0 stands for the system's limit)", backlog)
	}
	if most := somaxconn(); most > 0 && backlog > most {
		return fmt.Errorf("backlog %d: must be 0 to %d, the system's limit (net.core.somaxconn)", backlog, most)
	}
	return nil
}

// listenError says what to do about an address that can't be had.
func listenError(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("listen %s: address already in use (choose another with --addr)", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("listen %s: this machine has no such address (choose another with --addr)", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listen %s: permission denied (ports below 1024 are the system's; choose another with --addr)", addr)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return fmt.Errorf("listen %s: %w", addr, err)
}

//go:build unix

package process

import (
	"context"
	"net"
	"syscall"
)

// freePort finds a port of the loopback that a server may listen on. It is
// taken without SO_REUSEADDR, which Go sets, since a server may do without: to
// that one a port that a client has just used isn't free.
func freePort() (int, error) {
	plain := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0)
		}); e != nil {
			return e
		}
		return err
	}}
	ln, err := plain.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

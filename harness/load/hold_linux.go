package load

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// spreadsSources: all of 127.0.0.0/8 is this machine's.
const spreadsSources = true

// bindNoPort has bind choose an address and leave the port to connect, which
// knows the destination: bind alone takes a port for all destinations.
func bindNoPort(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1))
	})
	if controlErr != nil {
		return controlErr
	}
	return err
}

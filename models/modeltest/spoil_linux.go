package modeltest

import (
	"net"
	"os"
	"syscall"
)

// spoiler returns a function that makes a listening socket fail, by a shutdown:
// accept then says that the argument is invalid, to whoever has a descriptor of
// it. Closing ln would be noticed by models alone that use ln itself.
func spoiler(ln *net.TCPListener) (func() error, error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	if e := raw.Control(func(s uintptr) {
		syscall.ForkLock.RLock()
		if fd, err = syscall.Dup(int(s)); err == nil {
			syscall.CloseOnExec(fd)
		}
		syscall.ForkLock.RUnlock()
	}); e != nil {
		err = e
	}
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return func() error {
		defer syscall.Close(fd)
		return os.NewSyscallError("shutdown", syscall.Shutdown(fd, syscall.SHUT_RDWR))
	}, nil
}

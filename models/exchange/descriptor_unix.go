//go:build unix

package exchange

import (
	"io"
	"syscall"
)

// readsRaw says that a connection can be read, and written, by its descriptor.
const readsRaw = true

// readDescriptor reads what there is of a socket that doesn't block; again says
// that there is nothing yet.
func readDescriptor(fd uintptr, b []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), b)
		switch {
		case err == nil && n == 0:
			return 0, false, io.EOF
		case err == nil:
			return n, false, nil
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != syscall.EINTR:
			return 0, false, err
		}
	}
}

// writeDescriptor writes what there is room for; again says that there is none.
func writeDescriptor(fd uintptr, b []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Write(int(fd), b)
		switch {
		case err == nil:
			return n, false, nil
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != syscall.EINTR:
			return 0, false, err
		}
	}
}

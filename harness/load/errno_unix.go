//go:build unix

package load

import "golang.org/x/sys/unix"

var (
	errnosRefused = []error{unix.ECONNREFUSED}
	errnosReset   = []error{unix.ECONNRESET, unix.EPIPE, unix.ECONNABORTED}
)

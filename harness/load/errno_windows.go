package load

import "golang.org/x/sys/windows"

var (
	errnosRefused = []error{windows.WSAECONNREFUSED}
	errnosReset   = []error{windows.WSAECONNRESET, windows.WSAECONNABORTED}
)

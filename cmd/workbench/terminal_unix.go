//go:build unix

package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// width is the number of columns of the terminal behind w, 0 where there is
// no terminal.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	c, err := f.SyscallConn() // Fd would make the file blocking
	if err != nil {
		return 0
	}
	var columns int
	err = c.Control(func(fd uintptr) {
		if size, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
			columns = int(size.Col)
		}
	})
	if err != nil {
		return 0
	}
	return columns
}

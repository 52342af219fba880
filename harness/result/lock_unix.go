//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package result

import (
	"errors"
	"os"
	"syscall"
)

// lockDir takes a record's directory for this process. The lock is the
// kernel's (flock) and not a file's existence, for it must not outlive a kill
// -9; children that are started meanwhile don't inherit it. A file system that
// knows no such locks is taken as it is: rather a record without a lock than
// none.
func lockDir(root *os.Root) (*os.File, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, bare(err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		f.Close()
		return nil, errLocked
	}
	return f, nil
}

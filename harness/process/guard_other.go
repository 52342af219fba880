//go:build !unix

package process

import (
	"errors"
	"os/exec"
	"time"
)

// guard refuses: a command is read by /bin/sh.
func guard() error {
	return errors.New("commands of servers are read by /bin/sh, which isn't there on this system: start it yourself, and give --attach HOST:PORT")
}

func freePort() (int, error) { return 0, errors.ErrUnsupported }

func underGuard(*exec.Cmd) {}

func endTree(int, time.Duration) {}

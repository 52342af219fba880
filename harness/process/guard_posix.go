//go:build unix && !linux

package process

import (
	"os/exec"
	"syscall"
	"time"
)

func guard() error { return nil }

// underGuard puts a command into a session of its own, whose processes can be
// ended together.
func underGuard(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// endTree ends the processes of a group: it asks, and after grace it kills.
// Processes that left the group are not found here.
func endTree(group int, grace time.Duration) {
	if syscall.Kill(-group, syscall.SIGTERM) != nil {
		return
	}
	for deadline := time.Now().Add(grace); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if syscall.Kill(-group, 0) != nil {
			return
		}
	}
	_ = syscall.Kill(-group, syscall.SIGKILL)
}

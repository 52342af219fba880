package process

import (
	"os/exec"
	"syscall"
)

// guard prepares this process to start a server that is not ours: orphans of
// that one fall to it.
func guard() error {
	BeReaper()
	return nil
}

// underGuard puts a command into a session of its own, and has it killed when
// the thread that starts it ends: should this process be killed, it can't
// outlive it.
func underGuard(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}

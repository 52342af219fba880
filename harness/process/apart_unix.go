//go:build unix

package process

import (
	"os/exec"
	"syscall"
)

// apart puts a child into a process group of its own: a terminal's Ctrl-C, or
// a SIGTERM for the whole group, is for the parent to act upon. The child still
// ends with its parent, when its input closes.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

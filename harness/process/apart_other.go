//go:build !unix

package process

import "os/exec"

// apart does nothing here: a child ignores interrupts by itself.
func apart(*exec.Cmd) {}

//go:build unix

package doctor

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// readDescriptors reads the limit of this process, which Go has raised as far
// as is allowed, and asks a child for the one that it hands on, which Go has
// put back to what the shell gave us.
func readDescriptors(ctx context.Context) (descriptors, error) {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		return descriptors{}, err
	}
	d := descriptors{limit: uint64(r.Cur)} //nolint:unconvert // it is an int64 on some systems
	if out, err := exec.CommandContext(ctx, "sh", "-c", "ulimit -n").Output(); err == nil {
		d.child, _ = strconv.ParseUint(strings.TrimSpace(string(out)), 10, 64) // or "unlimited"
	}
	return d, nil
}

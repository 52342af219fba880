//go:build unix && !linux

package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// ProcessCPU is the CPU time of this process so far, all threads, in steps of
// a microsecond at best. It is 0 where the system won't tell.
func ProcessCPU() time.Duration {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// ProcessCPU is the CPU time of this process so far, all threads, to the
// nanosecond. It is 0 where the system won't tell.
func ProcessCPU() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

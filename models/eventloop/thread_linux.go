package eventloop

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ThreadCPU is the CPU time of the calling thread so far, to the nanosecond.
func ThreadCPU() time.Duration {
	var ts unix.Timespec
	// Cannot block, and cannot fail with a clock that every kernel has.
	_, _, _ = unix.RawSyscall(unix.SYS_CLOCK_GETTIME, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&ts)), 0)
	return time.Duration(ts.Nano())
}

// SetTimerSlack says by how much the calling thread may be woken late so that
// the kernel can save wake-ups; it is 50 µs unless it is said otherwise. 0
// restores what the thread began with.
func SetTimerSlack(d time.Duration) error {
	return os.NewSyscallError("prctl PR_SET_TIMERSLACK", unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(d), 0, 0, 0))
}

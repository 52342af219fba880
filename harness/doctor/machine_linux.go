package doctor

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// allowed are the CPUs that this process may run on.
func allowed() []int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	var cpus []int
	for n := range len(set) * 64 {
		if set.IsSet(n) {
			cpus = append(cpus, n)
		}
	}
	return cpus
}

// burn keeps CPUs busy until stop is called, each by a thread that runs only
// when nobody else wants to. Its time is counted as niced, apart from the time
// of everybody else. Where such threads can't be had nothing is burnt.
//
// The scheduler gets a place for each on top of those that it has: whoever
// waits for the time to pass must not wait for a thread of the lowest priority
// as well. The threads end with their goroutines; none is used again.
func burn(cpus []int) (stop func()) {
	var over atomic.Bool
	var wg sync.WaitGroup
	before := runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + len(cpus))
	for _, cpu := range cpus {
		wg.Go(func() {
			runtime.LockOSThread() // for good
			var only unix.CPUSet
			only.Set(cpu)
			// Below SCHED_IDLE the nice value decides nothing but the column
			// of /proc/stat.
			if unix.SchedSetaffinity(0, &only) != nil ||
				unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 19) != nil ||
				unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0) != nil {
				return
			}
			for !over.Load() {
			}
		})
	}
	return func() {
		over.Store(true)
		wg.Wait()
		runtime.GOMAXPROCS(before)
	}
}

// readTimers has a thread sleep some times, as an open loop does between two
// sends.
func readTimers() (timers, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slack, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	if err != nil {
		return timers{}, err
	}
	var resolution unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC, &resolution); err != nil {
		return timers{}, err
	}
	const sleeps = 51
	var late []time.Duration
	for range sleeps {
		begin := time.Now()
		wait := unix.NsecToTimespec(int64(shortSleep))
		if err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &wait, nil); err == unix.EINTR {
			continue
		} else if err != nil {
			return timers{}, err
		}
		late = append(late, time.Since(begin)-shortSleep)
	}
	if len(late) == 0 {
		return timers{}, unix.EINTR
	}
	slices.Sort(late)
	return timers{late[len(late)/2], time.Duration(slack), time.Duration(resolution.Nano())}, nil
}

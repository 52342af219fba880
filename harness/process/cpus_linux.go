package process

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Allowed returns the CPUs that this process may run on.
func Allowed() CPUs { return affinity(0) }

// affinity is the CPUs that a thread may run on, that of the caller where tid
// is 0; none where that can't be read.
func affinity(tid int) (cpus CPUs) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(tid, &set) != nil {
		return nil
	}
	for n := range maxCPUs {
		if set.IsSet(n) {
			cpus = append(cpus, n)
		}
	}
	return cpus
}

// onCPUs calls start on a thread that may run on cpus alone. A process that
// start begins inherits that from its first instruction on, so its runtime
// makes GOMAXPROCS of it; setting the affinity of a process that runs already
// would miss the threads that it has.
func onCPUs(cpus CPUs, start func() error) error {
	if len(cpus) == 0 {
		return start()
	}
	var set, before unix.CPUSet
	for _, n := range cpus {
		set.Set(n)
	}
	runtime.LockOSThread()
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("read the CPU affinity: %w", err)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("pin to CPU %v: %w", cpus, err)
	}
	err := start()
	if unix.SchedSetaffinity(0, &before) == nil {
		runtime.UnlockOSThread()
	} // else the thread ends with this goroutine: nobody else may inherit its affinity
	return err
}

//go:build !linux

package doctor

import (
	"errors"
	"runtime"
)

// allowed are as many CPUs as there are: here a process can't be kept to some.
func allowed() []int {
	cpus := make([]int, runtime.NumCPU())
	for i := range cpus {
		cpus[i] = i
	}
	return cpus
}

// burn burns nothing: what it is for is read on Linux alone.
func burn([]int) (stop func()) { return func() {} }

func readTimers() (timers, error) { return timers{}, errors.ErrUnsupported }

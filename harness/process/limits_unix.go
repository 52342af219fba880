//go:build unix

package process

import "syscall"

// DescriptorLimit is how many descriptors a process here may have open; 0
// where there is no telling. Go programs raise their soft limit to it.
func DescriptorLimit() uint64 {
	var r syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r) != nil {
		return 0
	}
	return uint64(r.Cur) //nolint:unconvert // it is an int64 on some systems
}

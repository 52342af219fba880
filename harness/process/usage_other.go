//go:build !linux

package process

import "time"

// systemUsage knows nothing here: peak memory, threads and context switches
// are measured on Linux.
func systemUsage() usage { return usage{} }

// No model has child processes here.

func usageOfChild(int) usage            { return usage{} }
func cpuOfChildren([]int) time.Duration { return 0 }
func cpuBelow(int) time.Duration        { return 0 }

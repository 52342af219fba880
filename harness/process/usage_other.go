//go:build !linux

package process

// systemUsage knows nothing here: peak memory, threads and context switches
// are measured on Linux.
func systemUsage() usage { return usage{} }

//go:build !linux

package process

// Allowed is unknown here: processes are pinned to CPUs on Linux alone.
func Allowed() CPUs { return nil }

// onCPUs calls start; nothing is pinned here.
func onCPUs(_ CPUs, start func() error) error { return start() }

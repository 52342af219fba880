//go:build !linux

package process

import "workbench/harness/result"

// describeSystem knows nothing here: kernel settings are read on Linux alone.
func describeSystem(*result.Environment) {}

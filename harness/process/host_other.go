//go:build !linux

package process

import "time"

// LookAtHostOn knows nothing of the machine here but the time: its counters are
// read on Linux alone.
func LookAtHostOn(CPUs) Host { return Host{at: time.Now()} }

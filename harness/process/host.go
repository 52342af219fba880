package process

import (
	"time"

	"workbench/harness/result"
)

// A Host is a look at what the machine does beside us.
type Host struct {
	steal       time.Duration
	overflows   int64
	retransmits int64
}

// Since returns what happened since an earlier look.
func (h Host) Since(before Host) result.Host {
	return result.Host{
		StealUs:        (h.steal - before.steal).Microseconds(),
		ListenOverflow: h.overflows - before.overflows,
		Retransmits:    h.retransmits - before.retransmits,
	}
}

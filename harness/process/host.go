package process

import (
	"time"

	"workbench/harness/result"
)

// A Host is a look at what the machine does beside us.
type Host struct {
	at          time.Time
	cpus        int           // those looked at
	unused      time.Duration // time that these were idle, or not ours: stolen
	exact       bool          // unused is told to the microsecond, but for what was stolen
	steal       time.Duration // of all CPUs
	overflows   int64
	drops       int64
	retransmits int64
}

// LookAtHost reads the machine's counters: time stolen by the host, on all
// CPUs together, and TCP's listen-queue overflows and drops and retransmissions.
func LookAtHost() Host { return LookAtHostOn(Allowed()) }

// Since returns what happened since an earlier look, as far as it takes no
// knowledge of what servers and clients used.
func (h Host) Since(before Host) result.Host {
	return result.Host{
		WallUs:         h.at.Sub(before.at).Microseconds(),
		StealUs:        (h.steal - before.steal).Microseconds(),
		ListenOverflow: h.overflows - before.overflows,
		ListenDrops:    h.drops - before.drops,
		Retransmits:    h.retransmits - before.retransmits,
	}
}

// SinceWith is Since, with the CPU time that others used on the CPUs that both
// looks are of, ours being what servers, clients and all that directs them used
// meanwhile.
//
// It is made of time that went by and wasn't idle: the kernel knows that to the
// microsecond, while who used a CPU it asks at every tick only (on most systems
// 4 ms). Where nothing tells it but /proc/stat, in units of 10 ms for each CPU, a
// figure below some 20 ms is no news of a single slice; over a round or more the
// error stays what it is.
func (h Host) SinceWith(before Host, ours time.Duration) result.Host {
	r := h.Since(before)
	if h.cpus == 0 || h.cpus != before.cpus || h.exact != before.exact {
		return r
	}
	used := h.at.Sub(before.at)*time.Duration(h.cpus) - (h.unused - before.unused)
	r.OtherCPUUs = max(0, used-ours).Microseconds()
	return r
}

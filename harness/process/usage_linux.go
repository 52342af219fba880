package process

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// systemUsage reads the peak of the resident set from /proc, not from
// getrusage: that one's maximum is inherited over exec from whoever started
// this process.
func systemUsage() usage {
	u := statusOf("/proc/self")
	u.switches = contextSwitches()
	return u
}

// statusOf reads the status file in a directory of /proc, a process's or a
// task's: context switches are the task's alone.
func statusOf(dir string) (u usage) {
	status, _ := os.ReadFile(dir + "/status")
	for line := range bytes.Lines(status) {
		name, value, _ := bytes.Cut(line, []byte{':'})
		switch string(name) {
		case "VmRSS":
			u.rss = number(value) << 10
		case "VmHWM":
			u.rssPeak = number(value) << 10
		case "Threads":
			u.threads = number(value)
		case "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches":
			u.switches += number(value)
		}
	}
	return u
}

// number reads the number in a value such as "	 1234 kB".
func number(value []byte) int64 {
	fields := bytes.Fields(value)
	if len(fields) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return n
}

func contextSwitches() int64 {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return int64(r.Nvcsw) + int64(r.Nivcsw) //nolint:unconvert // they are int32 on 32 bits
}

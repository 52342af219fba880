package process

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// systemUsage reads the peak of the resident set from /proc, not from
// getrusage: that one's maximum is inherited over exec from whoever started
// this process.
func systemUsage() usage {
	u := statusOf("/proc/self")
	u.switches = contextSwitches()
	return u
}

// usageOfChild is what a child process uses; nothing where it has just ended.
// Context switches are those of the threads that it has now: ours don't end.
func usageOfChild(pid int) usage {
	u := statusOf("/proc/" + strconv.Itoa(pid))
	u.switches = switchesOf(pid)
	u.processes = min(u.threads, 1)
	return u
}

// cpuOfChildren is the CPU time that child processes have used so far, those of
// these numbers and all that ended and were waited for. As with any other
// process's, a clock may be 4 ms old while its process runs on another CPU than
// this one does: it is exact idle to idle, and on one CPU.
func cpuOfChildren(pids []int) (cpu time.Duration) {
	if pids == nil {
		return 0
	}
	cpu = childrenCPU()
	for _, pid := range pids {
		clock, _ := cpuClock(pid)
		cpu += clock
	}
	return cpu
}

// cpuBelow is the same of the children of another process, and theirs.
func cpuBelow(pid int) (cpu time.Duration) {
	p, _ := readProc(pid)
	cpu = p.children
	for _, p := range walk(pid) {
		clock, _ := cpuClock(p.pid)
		cpu += clock + p.children
	}
	return cpu
}

// switchesOf are the context switches of all tasks that a process has now.
func switchesOf(pid int) (n int64) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task/"
	tasks, _ := os.ReadDir(dir)
	for _, e := range tasks {
		n += statusOf(dir + e.Name()).switches
	}
	return n
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

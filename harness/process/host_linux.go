package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"
)

// tick is the unit of /proc/stat: USER_HZ is 100 on every architecture that Go
// knows but alpha, which it doesn't.
const tick = 10 * time.Millisecond

// LookAtHostOn is LookAtHost, and reads how busy the CPUs are that servers and
// clients run on; none stands for all that there are.
func LookAtHostOn(cpus CPUs) Host {
	stat, _ := os.ReadFile("/proc/stat")
	h, stolen := parseHost(stat, cpus)
	h.at = time.Now()
	if idle, ok := idleTime(stolen); ok {
		h.unused, h.exact = idle, true
	}
	netstat, _ := os.ReadFile("/proc/net/netstat")
	h.overflows = counter(netstat, "TcpExt:", "ListenOverflows")
	h.drops = counter(netstat, "TcpExt:", "ListenDrops")
	snmp, _ := os.ReadFile("/proc/net/snmp")
	h.retransmits = counter(snmp, "Tcp:", "RetransSegs")
	return h
}

// idleTime is how long CPUs have been idle, or stolen, all together. The kernel
// adds up to the microsecond how long a CPU was in each state of idleness, but
// only when it leaves one: so each is looked at from itself, awake. It is false
// where the kernel doesn't tell, or a CPU can't be had.
func idleTime(stolen map[int]time.Duration) (sum time.Duration, ok bool) {
	for cpu, steal := range stolen {
		sum += steal
		err := onCPUs(CPUs{cpu}, func() error {
			for state := range mostIdleStates {
				b, err := os.ReadFile(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/cpuidle/state%d/time", cpu, state))
				switch {
				case errors.Is(err, fs.ErrNotExist) && state > 0:
					return nil
				case err != nil:
					return err
				}
				us, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
				if err != nil {
					return err
				}
				sum += time.Duration(us) * time.Microsecond
			}
			return nil
		})
		if err != nil {
			return 0, false
		}
	}
	return sum, len(stolen) > 0
}

// mostIdleStates is how many a CPU may have: the kernel's CPUIDLE_STATE_MAX.
const mostIdleStates = 10

// parseHost reads /proc/stat: lines of "cpuN user nice system idle iowait irq
// softirq steal ...", in ticks, that of all CPUs first. stolen is from each CPU
// that is looked at.
func parseHost(stat []byte, cpus CPUs) (h Host, stolen map[int]time.Duration) {
	stolen = map[int]time.Duration{}
	for line := range bytes.Lines(stat) {
		f := bytes.Fields(line)
		if len(f) < 9 || !bytes.HasPrefix(f[0], []byte("cpu")) {
			continue
		}
		ticks := func(i int) time.Duration { return time.Duration(number(f[i])) * tick }
		name := string(f[0][len("cpu"):])
		if name == "" {
			h.steal = ticks(8)
			continue
		}
		if n, err := strconv.Atoi(name); err == nil && (len(cpus) == 0 || slices.Contains(cpus, n)) {
			h.cpus++
			stolen[n] = ticks(8)
			h.unused += ticks(4) + ticks(5) + ticks(8)
		}
	}
	return h, stolen
}

// counter finds a number in a file of pairs of lines, names above values.
func counter(file []byte, group, name string) int64 {
	var names [][]byte
	for line := range bytes.Lines(file) {
		f := bytes.Fields(line)
		if len(f) == 0 || string(f[0]) != group {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		if i := slices.IndexFunc(names, func(n []byte) bool { return string(n) == name }); i >= 0 && i < len(f) {
			return number(f[i])
		}
		names = nil
	}
	return 0
}

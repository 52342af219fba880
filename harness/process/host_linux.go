package process

import (
	"bytes"
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
	h := parseHost(stat, cpus)
	h.at = time.Now()
	netstat, _ := os.ReadFile("/proc/net/netstat")
	h.overflows = counter(netstat, "TcpExt:", "ListenOverflows")
	h.drops = counter(netstat, "TcpExt:", "ListenDrops")
	snmp, _ := os.ReadFile("/proc/net/snmp")
	h.retransmits = counter(snmp, "Tcp:", "RetransSegs")
	return h
}

// parseHost reads /proc/stat: lines of "cpuN user nice system idle iowait irq
// softirq steal ...", in ticks, that of all CPUs first.
func parseHost(stat []byte, cpus CPUs) (h Host) {
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
			h.unused += ticks(4) + ticks(5) + ticks(8)
		}
	}
	return h
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

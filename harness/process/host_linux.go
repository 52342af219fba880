package process

import (
	"bytes"
	"os"
	"slices"
	"time"
)

// tick is the unit of /proc/stat: USER_HZ is 100 on every architecture that Go
// knows but alpha, which it doesn't.
const tick = 10 * time.Millisecond

// LookAtHost reads the machine's counters: time stolen by the host, on all
// CPUs together, and TCP's listen-queue overflows and retransmissions.
func LookAtHost() Host {
	var h Host
	stat, _ := os.ReadFile("/proc/stat")
	if line, _, ok := bytes.Cut(stat, []byte{'\n'}); ok {
		if f := bytes.Fields(line); len(f) > 8 { // cpu user nice system idle iowait irq softirq steal
			h.steal = time.Duration(number(f[8])) * tick
		}
	}
	netstat, _ := os.ReadFile("/proc/net/netstat")
	h.overflows = counter(netstat, "TcpExt:", "ListenOverflows")
	snmp, _ := os.ReadFile("/proc/net/snmp")
	h.retransmits = counter(snmp, "Tcp:", "RetransSegs")
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

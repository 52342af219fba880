package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"workbench/harness/result"
)

func describeSystem(e *result.Environment) {
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		e.Kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(cpuinfo) {
		if name, value, ok := bytes.Cut(line, []byte{':'}); ok && string(bytes.TrimSpace(name)) == "model name" {
			e.CPUModel = string(bytes.TrimSpace(value))
			break
		}
	}
	e.Somaxconn, _ = strconv.Atoi(setting("net/core/somaxconn"))
	e.PortRange = strings.Join(strings.Fields(setting("net/ipv4/ip_local_port_range")), "-")
	e.TCPTWReuse = setting("net/ipv4/tcp_tw_reuse")
	e.CongestionControl = setting("net/ipv4/tcp_congestion_control")
}

// setting reads a kernel setting.
func setting(name string) string {
	b, _ := os.ReadFile("/proc/sys/" + name)
	return strings.TrimSpace(string(b))
}

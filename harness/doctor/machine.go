package doctor

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// machine is what its files tell: those under /proc and /sys, of Linux.
type machine struct{ root fs.FS }

// text reads a file of one line.
func (m machine) text(name string) (string, error) {
	b, err := fs.ReadFile(m.root, strings.TrimPrefix(name, "/"))
	return strings.TrimSpace(string(b)), err
}

// numbers reads a file of one line with n whole numbers or more.
func (m machine) numbers(name string, n int) ([]int, error) {
	s, err := m.text(name)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, f := range strings.Fields(s) {
		v, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is no number", name, f)
		}
		out = append(out, v)
	}
	if len(out) < n {
		return nil, fmt.Errorf("%s: %q: want %d numbers", name, s, n)
	}
	return out, nil
}

// setting reads a kernel setting that is a number.
func (m machine) setting(name string) (int, error) {
	v, err := m.numbers("/proc/sys/net/"+name, 1)
	if err != nil {
		return 0, err
	}
	return v[0], nil
}

// parseList reads a list such as "0-3,8".
func parseList(s string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(s, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		a, err := strconv.Atoi(low)
		b, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || a < 0 || b < a || b > 1<<16 {
			return nil, fmt.Errorf("%q is no list of CPUs", s)
		}
		for n := a; n <= b; n++ {
			cpus = append(cpus, n)
		}
	}
	return cpus, nil
}

func (m machine) cpus() (cpus, error) {
	c := cpus{allowed: allowed()}
	if s, err := m.text("/sys/devices/system/cpu/online"); err == nil {
		online, err := parseList(s)
		if err != nil {
			return cpus{}, err
		}
		c.online = len(online)
	}
	return c, nil
}

// quota looks at the control groups that this process is in, from the
// innermost outwards, of either version.
func (m machine) quota() (quota, error) {
	mounts, err := m.text("/proc/self/mountinfo")
	if err != nil {
		return quota{}, err
	}
	groups, err := m.text("/proc/self/cgroup")
	if err != nil {
		return quota{}, err
	}
	var tightest quota
	for line := range strings.Lines(groups) { // hierarchy:controllers:path
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) < 3 {
			continue
		}
		v2 := f[1] == ""
		if !v2 && !slices.Contains(strings.Split(f[1], ","), "cpu") {
			continue
		}
		mount, ok := controllerMount(mounts, v2, f[2])
		if !ok {
			continue
		}
		for group := mount.group; ; group = path.Dir(group) {
			q := m.quotaOf(path.Join(mount.at, group), v2)
			if q.cpus > 0 && (tightest.cpus == 0 || q.cpus < tightest.cpus) {
				tightest = q
			}
			if group == "/" || group == "." {
				break
			}
		}
	}
	return tightest, nil
}

// mount is where a hierarchy of control groups is to be seen, and the group of
// this process below it.
type mount struct{ at, group string }

// controllerMount finds a group in the table of mounts. Inside a container the
// mount may begin at the container's own group, and the path it is known by
// outside be no path here.
func controllerMount(mounts string, v2 bool, group string) (mount, bool) {
	for line := range strings.Lines(mounts) { // id parent device root at options … - type source superoptions
		before, after, ok := strings.Cut(strings.TrimSpace(line), " - ")
		b, a := strings.Fields(before), strings.Fields(after)
		if !ok || len(b) < 5 || len(a) < 3 {
			continue
		}
		switch {
		case v2 && a[0] == "cgroup2":
		case !v2 && a[0] == "cgroup" && slices.Contains(strings.Split(a[2], ","), "cpu"):
		default:
			continue
		}
		root, at := b[3], b[4]
		if root != "/" {
			if below, ok := strings.CutPrefix(group, root); ok && (below == "" || below[0] == '/') {
				group = "/" + strings.TrimPrefix(below, "/")
			} else {
				group = "/"
			}
		}
		return mount{at, path.Join("/", group)}, true
	}
	return mount{}, false
}

// quotaOf is the quota of one group; none where it has none, or can't be read.
func (m machine) quotaOf(dir string, v2 bool) quota {
	if v2 {
		file := dir + "/cpu.max" // "max 100000" or "150000 100000"
		s, err := m.text(file)
		if err != nil {
			return quota{}
		}
		share, period, _ := strings.Cut(s, " ")
		a, err := strconv.ParseFloat(share, 64)
		b, err2 := strconv.ParseFloat(period, 64)
		if err != nil || err2 != nil || a <= 0 || b <= 0 {
			return quota{}
		}
		return quota{a / b, "echo max | sudo tee " + file}
	}
	file := dir + "/cpu.cfs_quota_us" // -1: none
	share, err := m.numbers(file, 1)
	period, err2 := m.numbers(dir+"/cpu.cfs_period_us", 1)
	if err != nil || err2 != nil || share[0] <= 0 || period[0] <= 0 {
		return quota{}
	}
	return quota{float64(share[0]) / float64(period[0]), "echo -1 | sudo tee " + file}
}

func (m machine) cores(n Needs) (cores, error) {
	c := cores{}
	for _, cpu := range n.used() {
		s, err := m.text(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu))
		if err != nil {
			return nil, err
		}
		if c[cpu], err = parseList(s); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (m machine) frequency(n Needs) (frequency, error) {
	if _, err := fs.Stat(m.root, "sys/devices/system/cpu"); err != nil {
		return frequency{}, err
	}
	var f frequency
	for _, cpu := range n.used() {
		if g, err := m.text(fmt.Sprintf("/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu)); err == nil && !slices.Contains(f.governors, g) {
			f.governors = append(f.governors, g)
		}
	}
	for _, t := range []struct{ file, on, off string }{
		{"/sys/devices/system/cpu/intel_pstate/no_turbo", "0", "1"},
		{"/sys/devices/system/cpu/cpufreq/boost", "1", "0"},
	} {
		if s, err := m.text(t.file); err == nil && s == t.on {
			f.turbo, f.turboOff = true, "echo "+t.off+" | sudo tee "+t.file
			break
		}
	}
	return f, nil
}

// clock measures what a reading costs as the least of several batches, for
// whatever comes between only adds to it.
func (m machine) clock() (clock, error) {
	const dir = "/sys/devices/system/clocksource/clocksource0/"
	var c clock
	c.source, _ = m.text(dir + "current_clocksource")
	available, _ := m.text(dir + "available_clocksource")
	c.available = strings.Fields(available)
	const batches, readings = 20, 500
	for range batches {
		begin := time.Now()
		for range readings - 1 {
			_ = time.Now()
		}
		if d := time.Since(begin) / readings; c.reading == 0 || d < c.reading {
			c.reading = d
		}
	}
	return c, nil
}

func (m machine) memory() (memory, error) {
	info, err := fs.ReadFile(m.root, "proc/meminfo")
	if err != nil {
		return memory{}, err
	}
	for line := range bytes.Lines(info) {
		if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "MemAvailable:" {
			kib, err := strconv.ParseInt(string(f[1]), 10, 64)
			return memory{kib << 10}, err
		}
	}
	return memory{}, errors.New("/proc/meminfo: no MemAvailable")
}

func (m machine) ports() (ports, error) {
	v, err := m.numbers("/proc/sys/net/ipv4/ip_local_port_range", 2)
	if err != nil {
		return ports{}, err
	}
	return ports{v[0], v[1]}, nil
}

func (m machine) reuse() (reuse, error) {
	r, err := m.setting("ipv4/tcp_tw_reuse")
	stamps, err2 := m.setting("ipv4/tcp_timestamps")
	return reuse{r, stamps != 0}, errors.Join(err, err2)
}

func (m machine) backlog() (backlog, error) {
	somaxconn, err := m.setting("core/somaxconn")
	handshakes, err2 := m.setting("ipv4/tcp_max_syn_backlog")
	abort, err3 := m.setting("ipv4/tcp_abort_on_overflow")
	cookies, _ := m.setting("ipv4/tcp_syncookies") // a kernel without them has no such file
	return backlog{somaxconn, handshakes, cookies != 0, abort != 0}, errors.Join(err, err2, err3)
}

func (m machine) congestion() (congestion, error) {
	s, err := m.text("/proc/sys/net/ipv4/tcp_congestion_control")
	return congestion{s}, err
}

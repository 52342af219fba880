package doctor

import (
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// files are a machine made of files, by path.
func files(pairs ...string) machine {
	root := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		root[strings.TrimPrefix(pairs[i], "/")] = &fstest.MapFile{Data: []byte(pairs[i+1] + "\n")}
	}
	return machine{root}
}

func TestQuotas(t *testing.T) {
	const (
		v2     = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw"
		v1     = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
		inside = "33 31 0:30 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup ro,cpu"
	)
	for _, tt := range []struct {
		name string
		m    machine
		cpus float64
		lift string
	}{
		{"a group without one", files("/proc/self/mountinfo", v2, "/proc/self/cgroup", "0::/user", "/sys/fs/cgroup/user/cpu.max", "max 100000"), 0, ""},
		{"a group's own", files("/proc/self/mountinfo", v2, "/proc/self/cgroup", "0::/user", "/sys/fs/cgroup/user/cpu.max", "150000 100000"),
			1.5, "echo max | sudo tee /sys/fs/cgroup/user/cpu.max"},
		{"the tightest around it", files("/proc/self/mountinfo", v2, "/proc/self/cgroup", "0::/a/b/c",
			"/sys/fs/cgroup/a/cpu.max", "50000 100000", "/sys/fs/cgroup/a/b/c/cpu.max", "200000 100000"),
			0.5, "echo max | sudo tee /sys/fs/cgroup/a/cpu.max"},
		{"of a container that sees itself as the root", files("/proc/self/mountinfo", v2, "/proc/self/cgroup", "0::/", "/sys/fs/cgroup/cpu.max", "100000 100000"),
			1, "echo max | sudo tee /sys/fs/cgroup/cpu.max"},
		{"of the first version", files("/proc/self/mountinfo", v1, "/proc/self/cgroup", "9:name=systemd:/x\n3:cpu,cpuacct:/x",
			"/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "25000", "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "50000"),
			0.5, "echo -1 | sudo tee /sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us"},
		{"of the first version, none", files("/proc/self/mountinfo", v1, "/proc/self/cgroup", "3:cpu,cpuacct:/x",
			"/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "-1", "/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000"), 0, ""},
		{"of a container mounted at its own group", files("/proc/self/mountinfo", inside, "/proc/self/cgroup", "3:cpu:/docker/abc",
			"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000", "/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000"),
			1, "echo -1 | sudo tee /sys/fs/cgroup/cpu/cpu.cfs_quota_us"},
		{"nonsense", files("/proc/self/mountinfo", "x\n- -", "/proc/self/cgroup", "0\n0::/"), 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q, err := tt.m.quota()
			if err != nil || q != (quota{tt.cpus, tt.lift}) {
				t.Errorf("got %+v, %v; want %v, %q", q, err, tt.cpus, tt.lift)
			}
		})
	}
}

func TestClocksOfCPUsAndProcesses(t *testing.T) {
	cpus := parseStat([]byte("cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\ncpu11 10 0 0 0 0 0 0 1\ncpuX 1 1 1 1 1 1 1 1\nintr 5\n"))
	// Without nice, idle and iowait.
	if len(cpus) != 2 || cpus[0] != (cpuTimes{work: 1 + 3 + 6 + 7, steal: 8}) || cpus[11] != (cpuTimes{work: 10, steal: 1}) {
		t.Errorf("got %+v", cpus)
	}
	for _, tt := range []struct {
		name, stat string
		want       processTimes
		ok         bool
	}{
		{"a plain one", "7 (sshd) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 5 6 20 0 1 0 11", processTimes{"sshd", 120, false, 11}, true},
		{"a name with brackets and spaces", "7 (a) (b c) R 1 7 7 0 -1 4194560 1 2 3 4 1 2 5 6 39 19 1 0 11", processTimes{"a) (b c", 3, true, 11}, true},
		{"cut off", "7 (sshd) S 1 7", processTimes{}, false},
		{"empty", "", processTimes{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := parseProcess([]byte(tt.stat)); got != tt.want || ok != tt.ok {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestFrequenciesAreThoseOfTheCPUsInUse(t *testing.T) {
	m := files(
		"/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance",
		"/sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance",
		"/sys/devices/system/cpu/cpu2/cpufreq/scaling_governor", "powersave",
		"/sys/devices/system/cpu/cpufreq/boost", "1",
	)
	f, err := m.frequency(Needs{ServerCPUs: []int{0}, LoadCPUs: []int{1}})
	if err != nil || !slices.Equal(f.governors, []string{"performance"}) || f.turboOff != "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost" {
		t.Errorf("got %+v, %v", f, err)
	}
}

// What there is to be looked at, on any Linux.
var linux = []string{
	"CPUs", "CPU quota", "frequency", "steal", "other load", "clock", "timers", "memory", "descriptors", "ports", "tcp_tw_reuse", "backlog", "congestion",
}

func names(findings []Finding) []string {
	var out []string
	for _, f := range findings {
		out = append(out, f.What)
	}
	return out
}

func TestThisMachine(t *testing.T) {
	findings := examine(t.Context(), machine{os.DirFS("/")}, Needs{}, 50*time.Millisecond)
	for _, f := range findings {
		t.Logf("%s: %v", f.Grade, f)
	}
	if runtime.GOOS != "linux" {
		if len(findings) == 0 || findings[len(findings)-1].What != "not seen" {
			t.Errorf("findings %q, want to be told at the end what this system doesn't tell", names(findings))
		}
		return
	}
	for _, name := range linux {
		if !slices.Contains(names(findings), name) {
			t.Errorf("nothing about %s", name)
		}
	}
}

func TestQuickTakesNoSecond(t *testing.T) {
	for _, f := range Examine(t.Context(), Needs{Quick: true}) {
		if f.What == "steal" || f.What == "other load" || strings.Contains(f.Found, "steal") {
			t.Errorf("%v: takes a second", f)
		}
	}
}

func TestNothingReadableIsSaidOnce(t *testing.T) {
	findings := examine(t.Context(), machine{fstest.MapFS{}}, Needs{}, time.Nanosecond)
	if last := findings[len(findings)-1]; last.What != "not seen" || last.Grade != Fine || !strings.HasPrefix(last.Found, "CPU quota, cores, frequency, steal, other load, memory, ") && runtime.GOOS == "linux" {
		t.Errorf("the last is %v", last)
	}
	for i, f := range findings {
		if f.What == "not seen" && i < len(findings)-1 {
			t.Error("said twice")
		}
	}
}

func TestLists(t *testing.T) {
	for _, s := range []string{"0", "0-3", "0,2", "0-1,3,8-11"} {
		cpus, err := parseList(s)
		if err != nil || list(cpus) != s {
			t.Errorf("%q became %v, %v, written %q", s, cpus, err, list(cpus))
		}
	}
	for _, s := range []string{"", "x", "3-1", "-1", "0-", "0-9999999"} {
		if cpus, err := parseList(s); err == nil {
			t.Errorf("%q was taken for %v", s, cpus)
		}
	}
}

package doctor

import (
	"strings"
	"testing"
	"time"
)

func TestJudgements(t *testing.T) {
	usual := Needs{ServerCPUs: []int{0}, LoadCPUs: []int{1}}
	with := func(change func(*Needs)) Needs {
		n := usual
		change(&n)
		return n
	}
	clients := func(n int) Needs { return with(func(x *Needs) { x.Connections = n }) }
	for _, tt := range []struct {
		name   string
		got    Finding
		grade  Grade
		found  string // part of it
		spoils string // part of it
		cure   string // part of it
	}{
		{"two CPUs are divided", judgeCPUs(cpus{[]int{0, 1}, 2}, usual), Fine, "2: server on 0, clients on 1", "", ""},
		{"one CPU is shared", judgeCPUs(cpus{[]int{0}, 1}, Needs{ServerCPUs: []int{0}, LoadCPUs: []int{0}}), Doubtful, "1", "only ratios", "a machine with two"},
		{"one CPU of four may be widened", judgeCPUs(cpus{[]int{2}, 4}, Needs{ServerCPUs: []int{2}, LoadCPUs: []int{2}}), Doubtful, "1 of the 4 that are online", "only ratios", "taskset -c 0-3"},
		{"server and clients were put on the same CPU", judgeCPUs(cpus{[]int{0, 1}, 2}, Needs{ServerCPUs: []int{0, 1}, LoadCPUs: []int{1}}), Doubtful, "server on 0-1, clients on 1", "only ratios", "--server-cpus"},

		{"no quota", judgeQuota(quota{}, usual), Fine, "none", "", ""},
		{"a quota that is enough", judgeQuota(quota{2, "lift"}, usual), Fine, "2 CPUs", "", ""},
		{"a quota below what a run uses", judgeQuota(quota{1.5, "echo max"}, usual), Doubtful, "1.5 CPUs, and a run uses 2", "stand still", "echo max"},

		{"cores apart", judgeCores(cores{0: {0}, 1: {1}}, usual), Fine, "cores of their own", "", ""},
		{"two threads of one core", judgeCores(cores{0: {0, 1}, 1: {0, 1}}, usual), Doubtful, "CPU 1 of the clients", "slows the other", "different cores"},
		{"one of three load CPUs is the server's sibling", judgeCores(cores{0: {0, 2}, 1: {1, 3}, 2: {0, 2}, 3: {1, 3}}, Needs{ServerCPUs: []int{0}, LoadCPUs: []int{1, 2, 3}}),
			Doubtful, "CPU 2 of the clients", "slows the other", "--server-cpus 0 --load-cpus 1,3"},
		{"who shares a CPU isn't told about cores", judgeCores(cores{0: {0}}, Needs{ServerCPUs: []int{0}, LoadCPUs: []int{0}}), Fine, "", "", ""},

		{"no governor to be seen", judgeFrequency(frequency{}), Fine, "not visible", "", ""},
		{"full speed", judgeFrequency(frequency{governors: []string{"performance"}}), Fine, "performance", "", ""},
		{"a clock that follows the load", judgeFrequency(frequency{governors: []string{"schedutil"}}), Doubtful, "schedutil", "follows the load", "echo performance | sudo tee"},
		{"turbo alone", judgeFrequency(frequency{[]string{"performance"}, true, "echo 1 | sudo tee x"}), Doubtful, "performance, turbo on", "heat", "echo 1"},
		{"both", judgeFrequency(frequency{[]string{"powersave", "performance"}, true, "echo 1"}), Doubtful, "powersave, performance, turbo on", "load, so that a model which is often idle needs more CPU time for the same work; with turbo", "scaling_governor; echo 1"},

		{"no steal", judgeSteal(second{elapsed: time.Second}), Fine, "0.0 % over 1 s", "", ""},
		{"steal of 2 % is usual", judgeSteal(second{elapsed: time.Second, steal: 0.02}), Fine, "2.0 %", "", ""},
		{"steal of 3 %", judgeSteal(second{elapsed: time.Second, steal: 0.03}), Doubtful, "3.0 %", "the host", "a quieter host"},
		{"steal of 10 %", judgeSteal(second{elapsed: time.Second, steal: 0.1}), Doubtful, "10.0 %", "the host", "a quieter host"},
		{"steal of 11 %", judgeSteal(second{elapsed: time.Second, steal: 0.11}), Invalid, "11.0 %", "the host", "a quieter host"},

		{"an idle machine", judgeOtherLoad(second{elapsed: time.Second, other: 0.03, top: []share{{"sshd", 7, 0.03}}}), Fine, "3 % of a CPU over 1 s (sshd 3 %)", "", ""},
		{"a neighbour at work", judgeOtherLoad(second{elapsed: time.Second, other: 0.2, top: []share{{"make", 8, 0.15}, {"cc1 (x)", 9, 0.05}}}), Doubtful, "(make 15 %, cc1 (x) 5 %)", "missing in throughput", "ps 8 9"},
		{"a neighbour that has a CPU", judgeOtherLoad(second{elapsed: time.Second, other: 0.9, top: []share{{"make", 8, 0.9}}}), Invalid, "90 %", "missing in throughput", "ps 8"},
		{"a busy machine whose processes can't be seen", judgeOtherLoad(second{elapsed: time.Second, other: 0.9}), Invalid, "90 % of a CPU over 1 s", "missing in throughput", "top"},

		{"the processor's counter", judgeClock(clock{source: "tsc", reading: 40}), Fine, "tsc, 40 ns a reading", "", ""},
		{"a clock of an unknown system", judgeClock(clock{reading: 40}), Fine, "40 ns a reading", "", ""},
		{"a device", judgeClock(clock{"hpet", []string{"tsc", "hpet"}, 900}), Doubtful, "hpet", "system call", "echo tsc | sudo tee"},
		{"a device and nothing better", judgeClock(clock{"acpi_pm", []string{"acpi_pm"}, 900}), Doubtful, "acpi_pm", "system call", "boot with tsc=reliable"},
		{"a counter that is read by a system call", judgeClock(clock{"tsc", []string{"tsc"}, 400}), Doubtful, "400 ns", "system call", "boot with"},

		{"timers as usual", judgeTimers(timers{82 * time.Microsecond, usualSlack, 1}), Fine, "a sleep of 100 µs ends 82 µs late (median), slack 50 µs", "", ""},
		{"sleepy CPUs", judgeTimers(timers{300 * time.Microsecond, usualSlack, 1}), Doubtful, "300 µs late", "open loops", "cpupower idle-set"},
		{"slack that was inherited", judgeTimers(timers{time.Millisecond, time.Millisecond, 1}), Doubtful, "slack 1000 µs", "open loops", "timerslack_ns"},
		{"timers that tick", judgeTimers(timers{4 * time.Millisecond, usualSlack, 4 * time.Millisecond}), Doubtful, "4000 µs late", "open loops", "highres=on"},

		{"memory enough", judgeMemory(memory{24 << 30}), Fine, "24,576 MiB", "", ""},
		{"little memory", judgeMemory(memory{enoughMemory - 1}), Doubtful, "511 MiB", "swap", "ps aux"},

		{"descriptors enough", judgeDescriptors(descriptors{limit: 20_000}, usual), Fine, "20,000 per process", "", ""},
		{"descriptors just enough", judgeDescriptors(descriptors{limit: 600}, clients(500)), Fine, "600 per process", "", ""},
		{"one descriptor too few", judgeDescriptors(descriptors{limit: 599}, clients(500)), Invalid, "599 per process", "500 connections need 600", "--nofile=600:600, or fewer clients (at most 499 clients)"},
		{"no descriptors to speak of", judgeDescriptors(descriptors{limit: 50}, clients(1)), Invalid, "50 per process", "1 connections need 101", "none are left"},
		{"a shell's soft limit is raised by us", judgeDescriptors(descriptors{limit: 1 << 20, child: 1024}, usual), Fine, "1,048,576 per process, 1,024 for a server that is not ours", "", ""},
		{"but not by others", judgeDescriptors(descriptors{1 << 20, 1024}, with(func(n *Needs) { n.Foreign, n.Connections = true, 1064 })), Invalid, "1,024 for a server", "that server would run out", "ulimit -n 1164"},
		{"descriptors for most loads, not for idle with all models", judgeDescriptors(descriptors{limit: 4096}, usual), Doubtful, "4,096", "need 5,164", "--nofile=5164:5164"},
		{"descriptors for no named load", judgeDescriptors(descriptors{limit: 163}, usual), Invalid, "163", "64 clients need 164", "--nofile=164:164"},
		{"descriptors as counted by whoever asks", judgeDescriptors(descriptors{limit: 6000}, with(func(n *Needs) { n.Descriptors = 6001 })), Invalid, "6,000", "a process will need 6,001", "--nofile=6001:6001"},
		{"no limit", judgeDescriptors(descriptors{limit: 1<<63 - 1}, usual), Fine, "as many per process", "", ""},

		{"ports enough", judgePorts(ports{32768, 60999}, usual), Fine, "28,232 (32768-60999)", "", ""},
		{"ports nearly used up", judgePorts(ports{32768, 60999}, with(func(n *Needs) { n.Connections, n.OneSource = 20_000, true })), Doubtful, "28,232", "slow", "ip_local_port_range"},
		{"ports of many addresses", judgePorts(ports{32768, 60999}, clients(20_000)), Fine, "28,232", "", ""},
		{"no ports", judgePorts(ports{50_000, 50_099}, clients(101)), Invalid, "100", "more than there are", "ip_local_port_range"},

		{"ports on loopback are used again", judgeReuse(reuse{2, true}), Fine, "2 (on loopback)", "", ""},
		{"all ports are", judgeReuse(reuse{1, true}), Fine, "1 (yes)", "", ""},
		{"none is", judgeReuse(reuse{0, true}), Doubtful, "0 (never)", "60 s", "sysctl -w net.ipv4.tcp_tw_reuse=2"},
		{"none can be", judgeReuse(reuse{2, false}), Doubtful, "tcp_timestamps is off", "60 s", "sysctl -w net.ipv4.tcp_timestamps=1"},

		{"a backlog as usual", judgeBacklog(backlog{4096, 2048, true, false}, usual), Fine, "4,096", "", ""},
		{"the backlog of old kernels", judgeBacklog(backlog{128, 2048, true, false}, usual), Doubtful, "128", "repeated after 1 s", "net.core.somaxconn=4096"},
		{"which is enough for few clients", judgeBacklog(backlog{128, 2048, true, false}, clients(64)), Fine, "128", "", ""},
		{"more clients than may wait", judgeBacklog(backlog{4096, 8192, true, false}, clients(5000)), Doubtful, "4,096", "repeated after 1 s", "net.core.somaxconn=5000"},
		{"a backlog that was asked for", judgeBacklog(backlog{4096, 8192, true, false}, with(func(n *Needs) { n.Connections, n.Backlog = 64, 16 })), Doubtful, "16 connections may wait, of 4,096", "when 16 wait", "--backlog 64"},
		{"handshakes without cookies", judgeBacklog(backlog{4096, 256, false, false}, usual), Doubtful, "256 handshakes", "handshakes are dropped", "tcp_max_syn_backlog=4096"},
		{"a full backlog resets", judgeBacklog(backlog{4096, 256, true, true}, usual), Doubtful, "reset", "fails instead", "tcp_abort_on_overflow=0"},

		{"cubic", judgeCongestion(congestion{"cubic"}), Fine, "cubic, the same for every model", "", ""},
		{"bbr", judgeCongestion(congestion{"bbr"}), Fine, "paces large responses by timers", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got.Grade != tt.grade || !strings.Contains(tt.got.Found, tt.found) || !strings.Contains(tt.got.Spoils, tt.spoils) || !strings.Contains(tt.got.Cure, tt.cure) {
				t.Errorf("got %v: %+v\nwant %v with %q, %q, %q", tt.got.Grade, tt.got, tt.grade, tt.found, tt.spoils, tt.cure)
			}
			if wrong := tt.got.Grade != Fine; wrong != (tt.got.Spoils != "") || wrong != (tt.got.Cure != "") {
				t.Errorf("%+v: what is not fine says what it spoils and what cures it, and nothing else does", tt.got)
			}
			if strings.Contains(tt.got.String(), "%!") {
				t.Errorf("%q: a format without its value", tt.got)
			}
		})
	}
}

func TestWhereProcessesWillRun(t *testing.T) {
	for _, tt := range []struct {
		name         string
		allowed      []int
		asked        Needs
		server, load string
	}{
		{"the first, and the others", []int{0, 1, 2, 3}, Needs{}, "0", "1-3"},
		{"as asked", []int{0, 1, 2, 3}, Needs{ServerCPUs: []int{2, 3}, LoadCPUs: []int{0}}, "2-3", "0"},
		{"clients where servers are not", []int{0, 1, 2, 3}, Needs{ServerCPUs: []int{0, 1}}, "0-1", "2-3"},
		{"servers where clients are not", []int{0, 1, 2, 3}, Needs{LoadCPUs: []int{0, 1}}, "2", "0-1"},
		{"both on the only one", []int{5}, Needs{}, "5", "5"},
		{"clients took all", []int{0, 1}, Needs{LoadCPUs: []int{0, 1}}, "0-1", "0-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server, load := cpus{allowed: tt.allowed}.divide(tt.asked)
			if list(server) != tt.server || list(load) != tt.load {
				t.Errorf("servers on %s, clients on %s; want %s and %s", list(server), list(load), tt.server, tt.load)
			}
		})
	}
}

func TestWhatOthersDid(t *testing.T) {
	at := time.Unix(0, 0)
	before := sample{
		at:   at,
		cpus: map[int]cpuTimes{0: {work: 1000, steal: 50}, 1: {work: 2000, steal: 0}, 2: {work: 0}},
		processes: map[int]processTimes{
			1: {"init", 500, false, 1}, 10: {"doctor", 5, false, 2}, 11: {"make", 100, false, 3}, 12: {"backup", 7, true, 4}, 13: {"gone", 9, false, 5}, 14: {"reused", 800, false, 6},
		},
	}
	after := sample{
		at:   at.Add(2 * time.Second),
		cpus: map[int]cpuTimes{0: {work: 1030, steal: 54}, 1: {work: 2010, steal: 4}, 2: {work: 200}}, // 2 is nobody's
		processes: map[int]processTimes{
			1: {"init", 500, false, 1}, 10: {"doctor", 405, false, 2}, 11: {"renamed", 120, false, 3}, 12: {"backup", 17, true, 4}, 14: {"new", 6, false, 7}, 15: {"cc1", 4, false, 8}, 16: {"little", 1, false, 9},
		},
	}
	s := between(before, after, []int{0, 1}, 10)
	if s.elapsed != 2*time.Second || s.steal != 8.0/400 {
		t.Errorf("elapsed %v, steal %v; want 2 s, and 8 ticks of 400", s.elapsed, s.steal)
	}
	// 40 ticks of usual priority on the CPUs used, and 10 niced ones.
	if s.other != 50.0/200 {
		t.Errorf("others had %v of a CPU, want 50 ticks of 200", s.other)
	}
	want := []share{{"renamed", 11, 0.1}, {"backup", 12, 0.05}, {"new", 14, 0.03}}
	if len(s.top) != len(want) || s.top[0] != want[0] || s.top[1] != want[1] || s.top[2] != want[2] {
		t.Errorf("top %v, want %v", s.top, want)
	}
}

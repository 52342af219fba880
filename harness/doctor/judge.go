package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// fine, doubtful and invalid are findings before they are named.
func fine(format string, args ...any) Finding {
	return Finding{Found: fmt.Sprintf(format, args...)}
}

func doubtful(found, spoils, cure string) Finding {
	return Finding{Found: found, Grade: Doubtful, Spoils: spoils, Cure: cure}
}

func invalid(found, spoils, cure string) Finding {
	return Finding{Found: found, Grade: Invalid, Spoils: spoils, Cure: cure}
}

func (n Needs) connections() int { return cmp.Or(n.Connections, DefaultConnections) }

// used are the CPUs that a run keeps busy.
func (n Needs) used() []int {
	used := slices.Concat(n.ServerCPUs, n.LoadCPUs)
	slices.Sort(used)
	return slices.Compact(used)
}

// cpus are those that this process may run on, and how many are online.
type cpus struct {
	allowed []int
	online  int // 0: unknown
}

// divide says where servers and clients will run.
func (c cpus) divide(n Needs) (server, load []int) {
	server, load = n.ServerCPUs, n.LoadCPUs
	if len(c.allowed) < 2 {
		return cmpOr(server, c.allowed), cmpOr(load, c.allowed)
	}
	if len(server) == 0 {
		if server = without(c.allowed, load); len(server) > 0 {
			server = server[:1]
		}
	}
	if len(load) == 0 {
		load = without(c.allowed, server)
	}
	return cmpOr(server, c.allowed), cmpOr(load, c.allowed)
}

func cmpOr(a, b []int) []int {
	if len(a) > 0 {
		return a
	}
	return b
}

func without(a, b []int) []int {
	return slices.DeleteFunc(slices.Clone(a), func(n int) bool { return slices.Contains(b, n) })
}

func judgeCPUs(c cpus, n Needs) Finding {
	found := count(len(c.allowed))
	if c.online > len(c.allowed) {
		found += " of the " + count(c.online) + " that are online"
	}
	const spoils = "servers and clients take from each other what they need: throughput means little, only ratios of CPU per request do"
	switch shared := len(without(n.ServerCPUs, n.LoadCPUs)) < len(n.ServerCPUs); {
	case len(c.allowed) < 2 && c.online > 1:
		return doubtful(found, spoils, fmt.Sprintf("taskset -c 0-%d workbench run, or a container with more CPUs", c.online-1))
	case len(c.allowed) < 2:
		return doubtful(found, spoils, "a machine with two CPUs or more")
	case shared:
		return doubtful(fmt.Sprintf("%s: server on %s, clients on %s", found, list(n.ServerCPUs), list(n.LoadCPUs)), spoils, "--server-cpus and --load-cpus that have none in common")
	}
	return fine("%s: server on %s, clients on %s", found, list(n.ServerCPUs), list(n.LoadCPUs))
}

// quota is the CPU time that this process's control group may use; per and
// its file are those of the tightest.
type quota struct {
	cpus float64 // CPU time per time; 0: as much as there is
	lift string  // the command that lifts it
}

func judgeQuota(q quota, n Needs) Finding {
	switch used := len(n.used()); {
	case q.cpus == 0:
		return fine("none")
	case q.cpus < float64(used):
		return doubtful(fmt.Sprintf("CPU time of %.3g CPUs, and a run uses %d", q.cpus, used),
			"when a period's share is spent, servers and clients stand still until the next: steps of up to 100 ms that look like a slow server", q.lift)
	}
	return fine("CPU time of %.3g CPUs", q.cpus)
}

// cores are the CPUs that share a core with each CPU, itself among them.
type cores map[int][]int

func judgeCores(c cores, n Needs) Finding {
	if len(n.used()) < 2 || len(without(n.ServerCPUs, n.LoadCPUs)) < len(n.ServerCPUs) {
		return Finding{} // they share a whole CPU, which has been said
	}
	var taken []int // CPUs whose core a server has
	for _, s := range n.ServerCPUs {
		taken = append(taken, c[s]...)
	}
	slices.Sort(taken)
	apart := without(n.LoadCPUs, taken)
	both := without(n.LoadCPUs, apart)
	if len(both) == 0 {
		return fine("servers and clients have cores of their own")
	}
	cure := fmt.Sprintf("--server-cpus %s --load-cpus %s", list(n.ServerCPUs), list(apart))
	if len(apart) == 0 {
		cure = "--server-cpus and --load-cpus on different cores, or a machine with more of them"
	}
	return doubtful(fmt.Sprintf("CPU %s of the clients shares a core with a server's (simultaneous multithreading)", list(both)),
		"each slows the other down when both are at work: CPU per request rises with the clients' load", cure)
}

// frequency is what decides on the CPUs' clock rate.
type frequency struct {
	governors []string // of the CPUs that are used, each once; none: not visible
	turbo     bool
	turboOff  string // the command that turns it off
}

func judgeFrequency(f frequency) Finding {
	var spoils, cures []string
	governors := strings.Join(f.governors, ", ")
	found := cmp.Or(governors, "not visible (a virtual machine, or it is the firmware's)")
	if governors != "" && governors != "performance" {
		spoils = append(spoils, "the clock follows the load, so that a model which is often idle needs more CPU time for the same work")
		cures = append(cures, "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor")
	}
	if f.turbo {
		found += ", turbo on"
		spoils = append(spoils, "with turbo the clock depends on heat and on what other cores do")
		cures = append(cures, f.turboOff)
	}
	if len(spoils) == 0 {
		return fine("%s", found)
	}
	return doubtful(found, strings.Join(spoils, "; "), strings.Join(cures, "; "))
}

// Shares of CPU time that others may have. Above the first, rounds in which
// somebody interfered become frequent; above the second there are few others.
const (
	stealDoubtful = 0.02 // of the CPUs that a run uses
	stealInvalid  = 0.10
	otherDoubtful = 0.05 // of one CPU
	otherInvalid  = 0.50
)

func judgeSteal(s second) Finding {
	share := s.steal
	found := fmt.Sprintf("%.1f %% over %.2g s", 100*share, s.elapsed.Seconds())
	const (
		spoils = "the host gives the CPUs to others: whoever needs most loses most, and tails show the host's pauses"
		cure   = "a quieter host or a machine of one's own; nothing on this one cures it"
	)
	switch {
	case share > stealInvalid:
		return invalid(found, spoils, cure)
	case share > stealDoubtful:
		return doubtful(found, spoils, cure)
	}
	return fine("%s", found)
}

func judgeOtherLoad(s second) Finding {
	found := fmt.Sprintf("%.0f %% of a CPU over %.2g s", 100*s.other, s.elapsed.Seconds())
	var top, pids []string
	for _, p := range s.top {
		top = append(top, fmt.Sprintf("%s %.0f %%", p.name, 100*p.share))
		pids = append(pids, fmt.Sprint(p.pid))
	}
	if len(top) > 0 {
		found += " (" + strings.Join(top, ", ") + ")"
	}
	const spoils = "other processes take CPU time from servers and clients: what they take is missing in throughput, and stands in the tails"
	cure := "wait until the machine is idle: top"
	if len(pids) > 0 {
		cure = "wait until they are done, or stop them: ps " + strings.Join(pids, " ")
	}
	switch {
	case s.other > otherInvalid:
		return invalid(found, spoils, cure)
	case s.other > otherDoubtful:
		return doubtful(found, spoils, cure)
	}
	return fine("%s", found)
}

// clock is how the kernel tells the time, and what a reading costs.
type clock struct {
	source    string   // "": unknown
	available []string // that it could be set to
	reading   time.Duration
}

// slowSources are read from a device, by a system call.
var slowSources = []string{"hpet", "acpi_pm", "pit", "jiffies"}

// slowReading is well above what a reading costs without a system call, some
// 20 to 60 ns.
const slowReading = 250 * time.Nanosecond

func judgeClock(c clock) Finding {
	found := fmt.Sprintf("%d ns a reading", c.reading.Nanoseconds())
	if c.source != "" {
		found = c.source + ", " + found
	}
	if !slices.Contains(slowSources, c.source) && c.reading <= slowReading {
		return fine("%s", found)
	}
	cure := "boot with tsc=reliable, if the processor's counter is"
	for _, fast := range []string{"tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "arch_sys_counter"} {
		if fast != c.source && slices.Contains(c.available, fast) {
			cure = "echo " + fast + " | sudo tee /sys/devices/system/clocksource/clocksource0/current_clocksource"
			break
		}
	}
	return doubtful(found, "each reading of the clock is a system call, and a request takes several, on either side", cure)
}

// timers are how late a sleeping thread is woken.
type timers struct {
	overshoot  time.Duration // median, of sleeps of shortSleep
	slack      time.Duration // that the kernel may add
	resolution time.Duration
}

// shortSleep is as long as what an open loop waits between two sends at
// 10,000/s.
const shortSleep = 100 * time.Microsecond

const (
	lateWake         = 200 * time.Microsecond
	usualSlack       = 50 * time.Microsecond
	coarseResolution = time.Millisecond
)

func judgeTimers(t timers) Finding {
	found := fmt.Sprintf("a sleep of %d µs ends %d µs late (median), slack %d µs", shortSleep.Microseconds(), t.overshoot.Microseconds(), t.slack.Microseconds())
	if t.overshoot <= lateWake {
		return fine("%s", found)
	}
	cure := "keep the CPUs awake: sudo cpupower idle-set -D 0 (in a virtual machine: its host's)"
	switch {
	case t.resolution >= coarseResolution:
		cure = "a kernel with high-resolution timers: boot with highres=on"
	case t.slack > usualSlack:
		cure = "start from a shell whose timers have the usual slack: it is inherited (cat /proc/$$/timerslack_ns)"
	}
	return doubtful(found, "open loops: either sends are late by so much, or the clients' CPU is spent on waiting", cure)
}

// memory that can be had without swapping, bytes.
type memory struct{ available int64 }

const enoughMemory = 512 << 20

func judgeMemory(m memory) Finding {
	found := fmt.Sprintf("%s MiB available", count(m.available>>20))
	if m.available < enoughMemory {
		return doubtful(found, "held connections and large responses may swap, or have a process killed in the middle of a run", "end what holds memory: ps aux --sort -rss | head")
	}
	return fine("%s", found)
}

// descriptors are how many a process may have open.
type descriptors struct {
	limit uint64 // of ours, which raise theirs to what is allowed
	child uint64 // of a server that is not ours; 0: unknown
}

// spare is what a process has open beside its connections, those that are
// closing while their successors are open included.
const spare = 100

// What named loads need where nothing else is said: most have 64 clients, and
// under idle 1,000 connections are held to each of four models and a twin.
const (
	fewestDescriptors = 64 + spare
	mostDescriptors   = 64 + 5*1000 + spare
)

func judgeDescriptors(d descriptors, n Needs) Finding {
	const unlimited = 1 << 30 // more than any kernel gives
	need := uint64(cmp.Or(n.Descriptors, n.connections()+spare))
	asked := fmt.Sprintf("a process will need %s", count(need))
	if n.Descriptors == 0 {
		asked = fmt.Sprintf("%s connections need %s", count(n.connections()), count(need))
		if n.Connections == 0 {
			need = fewestDescriptors
			asked = fmt.Sprintf("64 clients need %s", count(need))
		}
	}
	found := count(d.limit) + " per process"
	if d.limit >= unlimited {
		found = "as many per process as it wants"
	}
	if d.limit < need {
		most := fmt.Sprintf("at most %s clients", count(max(int64(d.limit)-spare, 0)))
		if d.limit <= spare {
			most = "none are left for clients"
		}
		return invalid(found, asked+": a run would end in its middle",
			fmt.Sprintf("sudo prlimit --pid $$ --nofile=%d:%d, or fewer clients (%s)", need, need, most))
	}
	if d.child > 0 && d.child < min(d.limit, unlimited) {
		found += ", " + count(d.child) + " for a server that is not ours"
		if n.Foreign && d.child < need {
			return invalid(found, asked+": that server would run out in the middle of a run", fmt.Sprintf("ulimit -n %d", need))
		}
	}
	if n.Connections == 0 && n.Descriptors == 0 && d.limit < mostDescriptors {
		return doubtful(found, fmt.Sprintf("the load idle holds 1,000 connections to each model, for which its clients need %s: it can't have all models at once", count(mostDescriptors)),
			fmt.Sprintf("sudo prlimit --pid $$ --nofile=%d:%d, or fewer models at once", mostDescriptors, mostDescriptors))
	}
	return fine("%s", found)
}

// ports is the range that a connecting socket's port is taken from.
type ports struct{ low, high int }

// perSource is how many connections clients that spread open from one address.
const perSource = 4_000

func judgePorts(p ports, n Needs) Finding {
	size := max(p.high-p.low+1, 0)
	found := fmt.Sprintf("%s (%d-%d) for each source address", count(size), p.low, p.high)
	each := n.connections()
	if !n.OneSource {
		each = min(each, perSource)
	}
	const widen = "sudo sysctl -w net.ipv4.ip_local_port_range='16384 60999', or fewer clients"
	switch {
	case each > size:
		return invalid(found, fmt.Sprintf("%s connections at once need more than there are", count(n.connections())), widen)
	case 2*each > size:
		return doubtful(found, fmt.Sprintf("%s connections at once: with more than half of the ports taken, connect itself becomes slow", count(n.connections())), widen)
	}
	return fine("%s", found)
}

// reuse is whether a port whose connection was closed can be used at once.
type reuse struct {
	setting    int  // tcp_tw_reuse: 0 never, 1 always, 2 on loopback
	timestamps bool // which it needs
}

func judgeReuse(r reuse) Finding {
	const spoils = "loads with a connection for each request: a closed connection keeps its port for 60 s, and at 14,000/s they are used up after seconds; then connects fail"
	var cures []string
	found := map[int]string{0: "0 (never)", 1: "1 (yes)", 2: "2 (on loopback)"}[r.setting]
	found = cmp.Or(found, fmt.Sprint(r.setting))
	if r.setting == 0 {
		cures = append(cures, "net.ipv4.tcp_tw_reuse=2")
	}
	if !r.timestamps {
		found += ", but tcp_timestamps is off, without which it does nothing"
		cures = append(cures, "net.ipv4.tcp_timestamps=1")
	}
	if len(cures) > 0 {
		return doubtful(found, spoils, "sudo sysctl -w "+strings.Join(cures, " "))
	}
	return fine("%s", found)
}

// backlog is how many connections may wait for a server's accept, and what
// becomes of those that come then.
type backlog struct {
	somaxconn  int
	handshakes int  // tcp_max_syn_backlog: under way at once, where there are no cookies
	cookies    bool // tcp_syncookies
	abort      bool // tcp_abort_on_overflow
}

// usualBacklog is what kernels since 5.4 allow.
const usualBacklog = 4096

func judgeBacklog(b backlog, n Needs) Finding {
	most := b.somaxconn
	found := count(most) + " connections may wait"
	if n.Backlog > 0 && n.Backlog < most {
		most = n.Backlog
		found = fmt.Sprintf("%s connections may wait, of %s", count(most), count(b.somaxconn))
	}
	// Where nothing is said an open loop may come, of which a stalled server
	// sees all that is due at once.
	want := cmp.Or(n.Connections, usualBacklog)
	var spoils, cures []string
	if most < want {
		spoils = append(spoils, fmt.Sprintf("when %s wait, the next connect is repeated after 1 s, 3 s, 7 s: steps in the tail that look like a slow server", count(most)))
		switch {
		case b.somaxconn < want:
			cures = append(cures, fmt.Sprintf("sudo sysctl -w net.core.somaxconn=%d", max(want, usualBacklog)))
		default:
			cures = append(cures, fmt.Sprintf("--backlog %d, if it is not what is asked about", want))
		}
	}
	if !b.cookies && b.handshakes < want {
		found += fmt.Sprintf(", %s handshakes without cookies", count(b.handshakes))
		spoils = append(spoils, "when many connect at once, handshakes are dropped and repeated after 1 s")
		cures = append(cures, fmt.Sprintf("sudo sysctl -w net.ipv4.tcp_max_syn_backlog=%d", max(want, usualBacklog)))
	}
	if b.abort {
		found += ", the next are reset"
		spoils = append(spoils, "a connection that would wait for its turn fails instead (tcp_abort_on_overflow)")
		cures = append(cures, "sudo sysctl -w net.ipv4.tcp_abort_on_overflow=0")
	}
	if len(spoils) > 0 {
		return doubtful(found, strings.Join(spoils, "; "), strings.Join(cures, "; "))
	}
	return fine("%s", found)
}

// congestion is TCP's congestion control.
type congestion struct{ control string }

// judgeCongestion never complains: on loopback nothing is lost, and all models
// have the same. It is said because one that paces is not free.
func judgeCongestion(c congestion) Finding {
	if strings.HasPrefix(c.control, "bbr") {
		return fine("%s, the same for every model; it paces large responses by timers (not so: sudo sysctl -w net.ipv4.tcp_congestion_control=cubic)", c.control)
	}
	return fine("%s, the same for every model", c.control)
}

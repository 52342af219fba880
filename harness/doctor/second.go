package doctor

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"
)

// second is what others did to the CPUs of a run while it lasted.
type second struct {
	elapsed time.Duration
	steal   float64 // share of these CPUs that the host took
	other   float64 // CPUs' worth that other processes had: 0.5 is half of one CPU
	top     []share // who had most of it, the greediest first
}

// share is what one process had of a CPU.
type share struct {
	name  string
	pid   int
	share float64
}

// tick is the unit of /proc/stat: USER_HZ is 100 on every architecture that Go
// knows but alpha, which it doesn't.
const tick = 10 * time.Millisecond

// listed is how many processes are named, and least what one must have had.
const (
	listed = 3
	least  = 0.01 // of a CPU
)

// watch looks at the machine for so long. It keeps the CPUs busy meanwhile, as
// a run would, since the host steals nothing from a CPU that has nothing to do;
// and does so at a priority that gives way to everybody else at once.
func (m machine) watch(ctx context.Context, n Needs, d time.Duration) (second, error) {
	stop := burn(n.used())
	defer stop()
	before, err := m.sample(processesFirst)
	if err != nil {
		return second{}, err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return second{}, ctx.Err()
	case <-timer.C:
	}
	after, err := m.sample(cpusFirst)
	if err != nil {
		return second{}, err
	}
	return between(before, after, n.used(), os.Getpid()), nil
}

// sample is the state of the CPU clocks of CPUs and processes.
type sample struct {
	at        time.Time
	cpus      map[int]cpuTimes
	processes map[int]processTimes
}

// cpuTimes are what a CPU did so far, ticks.
type cpuTimes struct {
	work  int64 // user, system and interrupts, without what has a lower priority
	steal int64
}

// processTimes are what a process had so far.
type processTimes struct {
	name    string
	ticks   int64
	nice    bool  // has a lower priority than usual
	started int64 // ticks after the machine
}

// The order in which a sample is taken. Reading the processes takes a while,
// and is kept outside of what the CPUs are looked at for.
const (
	processesFirst = true
	cpusFirst      = false
)

func (m machine) sample(processesFirst bool) (s sample, err error) {
	if processesFirst {
		s.processes = m.processes()
	}
	s.at = time.Now()
	stat, err := fs.ReadFile(m.root, "proc/stat")
	if err != nil {
		return s, err
	}
	if s.cpus = parseStat(stat); len(s.cpus) == 0 {
		return s, errors.New("/proc/stat: no CPUs")
	}
	if !processesFirst {
		s.processes = m.processes()
	}
	return s, nil
}

// between is what happened from a to b on the CPUs used, beside process self.
// The clocks of CPUs count every process, however short it lived; those of
// processes say which, and hold what was done at a lower priority, among
// which only self must be told apart.
func between(a, b sample, used []int, self int) second {
	elapsed := b.at.Sub(a.at)
	s := second{elapsed: elapsed}
	share1 := func(ticks int64) float64 { return float64(ticks) * float64(tick) / float64(elapsed) }
	var steal, work int64
	for _, n := range used {
		x, y := a.cpus[n], b.cpus[n]
		steal += y.steal - x.steal
		work += y.work - x.work
	}
	for pid, y := range b.processes {
		x := a.processes[pid] // nothing, of one that is new
		if x.started != y.started {
			x.ticks = 0 // another process by the same number; a name is no mark, kernel threads change theirs
		}
		had := y.ticks - x.ticks
		if pid == self || had <= 0 {
			continue
		}
		if y.nice {
			work += had
		}
		if sh := share1(had); sh >= least {
			s.top = append(s.top, share{y.name, pid, sh})
		}
	}
	slices.SortFunc(s.top, func(p, q share) int { return cmp.Or(cmp.Compare(q.share, p.share), cmp.Compare(p.pid, q.pid)) })
	s.top = s.top[:min(len(s.top), listed)]
	s.steal = share1(max(steal, 0)) / float64(max(len(used), 1))
	s.other = share1(max(work, 0))
	return s
}

// parseStat reads the lines of single CPUs: cpuN user nice system idle iowait
// irq softirq steal.
func parseStat(stat []byte) map[int]cpuTimes {
	cpus := map[int]cpuTimes{}
	for line := range bytes.Lines(stat) {
		f := bytes.Fields(line)
		if len(f) < 9 {
			continue
		}
		digits, ok := bytes.CutPrefix(f[0], []byte("cpu"))
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil {
			continue
		}
		cpus[n] = cpuTimes{
			work:  number(f[1]) + number(f[3]) + number(f[6]) + number(f[7]),
			steal: number(f[8]),
		}
	}
	return cpus
}

// processes reads the clocks of all processes that can be seen. One that ends
// meanwhile is left out.
func (m machine) processes() map[int]processTimes {
	entries, _ := fs.ReadDir(m.root, "proc")
	all := map[int]processTimes{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := fs.ReadFile(m.root, "proc/"+e.Name()+"/stat")
		if err != nil {
			continue
		}
		if p, ok := parseProcess(stat); ok {
			all[pid] = p
		}
	}
	return all
}

// parseProcess reads "pid (name) state …". The name may hold anything, spaces
// and brackets included, so it ends at the last bracket.
func parseProcess(stat []byte) (processTimes, bool) {
	open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return processTimes{}, false
	}
	const state, utime, stime, nice, started = 3, 14, 15, 19, 22 // fields as proc(5) numbers them
	f := bytes.Fields(stat[end+1:])
	if len(f) <= started-state {
		return processTimes{}, false
	}
	return processTimes{
		name:    string(stat[open+1 : end]),
		ticks:   number(f[utime-state]) + number(f[stime-state]),
		nice:    number(f[nice-state]) > 0,
		started: number(f[started-state]),
	}, true
}

func number(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64)
	return n
}

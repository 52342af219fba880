package process

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A proc is a process as /proc/PID/stat has it.
type proc struct {
	pid, parent, session int
	state                byte          // 'Z': its first thread has ended
	threads              int64         // the first included, ended or not, until somebody waits for the process
	started              uint64        // ticks since the system's start; with pid it names a process for good
	children             time.Duration // CPU of those descendants that ended and were waited for, in ticks
}

// ended reports whether the process has, and only is to be waited for.
func (p proc) ended() bool { return p.state == 'Z' && p.threads <= 1 }

// readProc reads a process; ok is false where there is none.
func readProc(pid int) (p proc, ok bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return proc{}, false
	}
	return parseStat(b)
}

// parseStat reads "pid (name) state ppid pgrp session ...", proc_pid_stat(5).
// A name may hold anything, brackets and spaces too.
func parseStat(b []byte) (p proc, ok bool) {
	first, _, _ := bytes.Cut(b, []byte(" "))
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return proc{}, false
	}
	f := bytes.Fields(b[i+1:])
	if len(f) < 20 || f[0][0] == 0 { // a state is a letter
		return proc{}, false
	}
	return proc{
		pid:      int(number(first)),
		state:    f[0][0],
		parent:   int(number(f[1])),
		session:  int(number(f[3])),
		children: time.Duration(number(f[13])+number(f[14])) * tick,
		threads:  number(f[17]),
		started:  uint64(number(f[19])),
	}, true
}

// everybody is all processes that can be seen.
func everybody() (all []proc) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := readProc(pid); ok {
			all = append(all, p)
		}
	}
	return all
}

// descendants are those of root among all, parents before their children.
func descendants(all []proc, root int) (tree []proc) {
	below := map[int][]proc{}
	for _, p := range all {
		below[p.parent] = append(below[p.parent], p)
	}
	tree = slices.Clone(below[root])
	for i := 0; i < len(tree); i++ {
		tree = append(tree, below[tree[i].pid]...)
	}
	return tree
}

// walk finds the descendants of root by the lists of children that the kernel
// keeps: unlike a look at everybody it costs no more where a machine has many
// processes, and it is made while a slice counts. A child that is missed
// because a sister of its ended just then is found the next time.
func walk(root int) (tree []proc) {
	if !listsChildren() {
		return descendants(everybody(), root)
	}
	parents := []int{root}
	for len(parents) > 0 {
		pid := strconv.Itoa(parents[0])
		parents = parents[1:]
		tasks, _ := os.ReadDir("/proc/" + pid + "/task")
		for _, t := range tasks {
			list, _ := os.ReadFile("/proc/" + pid + "/task/" + t.Name() + "/children")
			for _, child := range bytes.Fields(list) {
				if p, ok := readProc(int(number(child))); ok {
					tree = append(tree, p)
					parents = append(parents, p.pid)
				}
			}
		}
	}
	return tree
}

// listsChildren reports whether the kernel was built with lists of children.
var listsChildren = sync.OnceValue(func() bool {
	_, err := os.Stat("/proc/thread-self/children")
	return err == nil
})

// cpuClock is the CPU time of a process, in nanoseconds: see
// clock_getcpuclockid(3) for the number of its clock.
func cpuClock(pid int) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|2, &ts); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(ts.Nano()), nil
}

// A tree is the processes of a server that is not ours: all descendants of
// this process where root is 0, else root and its descendants.
type tree struct {
	root    int
	started uint64 // of root
}

// known reports whether there is anything to be looked at.
func (t tree) known() bool { return true }

// treeOf is the tree of a process that runs already.
func treeOf(pid int) (tree, error) {
	p, ok := readProc(pid)
	if !ok {
		return tree{}, os.ErrNotExist
	}
	return tree{pid, p.started}, nil
}

// procs are the processes of the tree.
func (t tree) procs() []proc {
	if t.root == 0 {
		return walk(os.Getpid())
	}
	p, ok := readProc(t.root)
	if !ok || p.started != t.started {
		return nil // the number is another's by now
	}
	return append([]proc{p}, walk(t.root)...)
}

// A look is what a tree had used at a point in time.
type look struct {
	at        time.Time
	cpu       time.Duration
	processes int64 // that run
	threads   int64
}

// look reads the CPU clock of every process of the tree, and what those had
// used that ended: to the nanosecond of those that run, in ticks of 10 ms for
// each process with ended children. What ended without being waited for (its
// parent ignores SIGCHLD) is lost. A clock that is read on a CPU where its
// process might run is right, since that one isn't running then; on others it
// may be as old as the kernel's tick.
func (t tree) look() look {
	var l look
	if t.root == 0 { // orphans end as children of ours
		l.cpu = childrenCPU()
	}
	for _, p := range t.procs() {
		clock, _ := cpuClock(p.pid)
		l.cpu += clock + p.children
		if !p.ended() {
			l.processes++
			l.threads += p.threads
		}
	}
	l.at = time.Now()
	return l
}

// childrenCPU is what children of ours had used that ended.
func childrenCPU() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// idle reports whether the tree used less than 2 % of a CPU over a pause.
func (t tree) idle(pause time.Duration) bool {
	before := t.look()
	time.Sleep(pause)
	now := t.look()
	used := (now.cpu - before.cpu).Abs()
	return used < now.at.Sub(before.at)/50 && !t.runnable()
}

// runnable reports whether a thread of the tree runs or would like to. Where
// others have the CPUs the clock of a busy server stands still too.
func (t tree) runnable() bool {
	for _, p := range t.procs() {
		dir := "/proc/" + strconv.Itoa(p.pid) + "/task/"
		tasks, _ := os.ReadDir(dir)
		for _, e := range tasks {
			stat, _ := os.ReadFile(dir + e.Name() + "/stat")
			if task, ok := parseStat(stat); ok && task.state == 'R' {
				return true
			}
		}
	}
	return false
}

// memory is the resident memory of the tree, in bytes: now, and the sum of the
// most that each process ever had. Pages that several share count for each.
func (t tree) memory() (now, peak int64) {
	for _, p := range t.procs() {
		u := statusOf("/proc/" + strconv.Itoa(p.pid))
		now, peak = now+u.rss, peak+u.rssPeak
	}
	return now, peak
}

// switches are the context switches of all tasks that there are now.
func (t tree) switches() (n int64) {
	for _, p := range t.procs() {
		n += switchesOf(p.pid)
	}
	return n
}

// cpus is how many CPUs the tree may run on.
func (t tree) cpus() int {
	var set unix.CPUSet
	if unix.SchedGetaffinity(t.root, &set) != nil {
		return 0
	}
	return set.Count()
}

// affinity is the CPUs that some thread or other of the tree may run on.
func (t tree) affinity() (cpus CPUs) {
	for _, p := range t.procs() {
		tasks, _ := os.ReadDir("/proc/" + strconv.Itoa(p.pid) + "/task")
		for _, e := range tasks {
			if tid, err := strconv.Atoi(e.Name()); err == nil {
				cpus = append(cpus, affinity(tid)...)
			}
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus)
}

// holds reports whether a process is the tree's root or a descendant of it.
func (t tree) holds(pid int) bool {
	for pid != t.root {
		p, ok := readProc(pid)
		if !ok || p.parent == 0 {
			return false
		}
		pid = p.parent
	}
	return true
}

// listens reports whether a process of the tree listens on a port. known is
// false where that can't be told: its descriptors may not be read, or nobody in
// this network namespace listens there.
func (t tree) listens(port int) (yes, known bool) {
	inodes := listeners(port)
	if len(inodes) == 0 {
		return false, false
	}
	known = true
	for _, p := range t.procs() {
		dir := "/proc/" + strconv.Itoa(p.pid) + "/fd/"
		fds, err := os.ReadDir(dir)
		if err != nil {
			known = false
		}
		for _, fd := range fds {
			if to, _ := os.Readlink(dir + fd.Name()); slices.Contains(inodes, to) {
				return true, true
			}
		}
	}
	return false, known
}

// listeners are the sockets that listen on a port, "socket:[inode]" each.
func listeners(port int) (inodes []string) {
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, _ := os.ReadFile(file)
		inodes = append(inodes, parseListeners(table, port)...)
	}
	return inodes
}

// parseListeners reads /proc/net/tcp: after a line of names "sl local rem st
// tx:rx tr:when retrnsmt uid timeout inode ...", numbers in hexadecimal.
func parseListeners(table []byte, port int) (inodes []string) {
	const listen = "0A"
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[3] != listen {
			continue
		}
		_, local, _ := strings.Cut(f[1], ":")
		if n, err := strconv.ParseUint(local, 16, 16); err == nil && int(n) == port {
			inodes = append(inodes, "socket:["+f[9]+"]")
		}
	}
	return inodes
}

// reap waits for orphans that ended as children of this process, which nobody
// else waits for. One child, which somebody does wait for, is spared.
func reap(spared int) {
	for _, p := range walk(os.Getpid()) {
		if p.ended() && p.parent == os.Getpid() && p.pid != spared {
			_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// alive reports whether anything of the tree still runs.
func (t tree) alive() bool {
	some := func(procs []proc) bool {
		return slices.ContainsFunc(procs, func(p proc) bool { return !p.ended() })
	}
	return some(t.procs()) || t.root == 0 && some(descendants(everybody(), os.Getpid())) // a walk may miss some
}

// killPoll is how often the end of a killed process is looked for.
const killPoll = 2 * time.Millisecond

// killBound is how long that may take: a process in a system call that can't
// be interrupted ends when that returns.
const killBound = 2 * time.Second

// endTree ends all descendants of this process: it asks, and after grace it
// kills, until none is left, those included that are started meanwhile.
func endTree(spared int, grace time.Duration) {
	mine := func() []proc { reap(spared); return descendants(everybody(), os.Getpid()) }
	awaitNone(grace, mine, asked{}.ask)
	awaitNone(killBound, mine, kill)
}

// awaitNone returns when who has been nobody twice in a row, since processes
// that start and end while they are looked for can be missed once. It calls end
// for each that it finds, each time.
func awaitNone(bound time.Duration, who func() []proc, end func(proc)) {
	deadline := time.Now().Add(bound)
	for none := 0; time.Now().Before(deadline); time.Sleep(killPoll) {
		none++
		for _, p := range who() {
			if !p.ended() {
				none = 0
				end(p)
			}
		}
		if none == 2 {
			return
		}
	}
}

func kill(p proc) { _ = syscall.Kill(p.pid, syscall.SIGKILL) }

// asked are the programs that have been asked to end: each once, since for many
// a second time means at once.
type asked map[program]bool

// A program is what a process runs. A shell that is asked while it starts a
// command heeds that when the command is over, and the command may not have
// heard it: it came too late, or its process was still a copy of the shell, whose
// handler took the signal. So newcomers are asked too, and so is a process that
// became another program since.
type program struct {
	pid     int
	started uint64
	name    string
}

func (a asked) ask(p proc) {
	name, _ := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/comm")
	if is := (program{p.pid, p.started, string(name)}); !a[is] {
		a[is] = true
		_ = syscall.Kill(p.pid, syscall.SIGTERM)
	}
}

// adoptive is what children this process had when it began to adopt orphans;
// nil as long as it doesn't.
var adoptive atomic.Pointer[[]int]

// BeReaper makes this process the one that orphans among its descendants fall
// to. A program that starts servers that are not ours calls it first: should
// the process that guards such a server be killed, what it leaves behind is
// then found and ended, however it hides. It has no effect but on Linux.
func BeReaper() {
	if unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != nil {
		return
	}
	var before []int // of a shell's that turned into this program by exec
	for _, p := range walk(os.Getpid()) {
		before = append(before, p.pid)
	}
	adoptive.Store(&before)
}

// endOrphans kills what a guardian left behind: processes that were started
// under its mark, and orphans that this process adopted, marked or not (some
// servers write over their environment), with all their descendants. What this
// program starts itself is of its own session, what a guardian does is not.
func endOrphans(mark string) {
	awaitNone(killBound, func() []proc { return orphans(everybody(), mark) }, kill)
	for _, p := range orphans(everybody(), mark) { // ended, and children of ours
		if p.parent == os.Getpid() {
			_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
		}
	}
}

func orphans(all []proc, mark string) (found []proc) {
	self := os.Getpid()
	session, _ := unix.Getsid(0)
	before := adoptive.Load()
	entry := []byte(markVar + "=" + mark)
	for _, p := range all {
		adopted := before != nil && p.parent == self && p.session != session && !slices.Contains(*before, p.pid)
		if p.pid != self && (adopted || marked(p.pid, entry)) {
			found = append(append(found, p), descendants(all, p.pid)...)
		}
	}
	return found
}

// marked reports whether a process was started with an entry in its
// environment.
func marked(pid int, entry []byte) bool {
	environ, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	for e := range bytes.SplitSeq(environ, []byte{0}) {
		if bytes.Equal(e, entry) {
			return true
		}
	}
	return false
}

package process

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"workbench/harness/result"
)

// Bounds of a server that is not ours.
const (
	foreignStart = 10 * time.Second      // to answer for the first time
	foreignGrace = 2 * time.Second       // to end when it is asked to
	foreignPoll  = 5 * time.Millisecond  // between two attempts to reach it
	foreignTry   = time.Second           // that an attempt has at least
	foreignPause = 10 * time.Millisecond // between two looks at its CPU clock
	foreignDial  = time.Second           // to be connected to, between slices
)

// markVar is the environment variable that marks a guardian and all that is
// started under it. Its value is drawn for each guardian.
const markVar = "WORKBENCH_FOREIGN"

// A guardian is the child that stands for a server that is not ours. It starts
// the command, looks at what its processes use, and takes all of them with it
// when it ends, which it does when its input closes. It runs on the server's
// CPUs, so that what it starts inherits them, and sleeps while a slice counts
// but for a look at either end of the window.
//
// What it reads is less than our own servers say of themselves. A server is
// taken for idle when its CPU clock stands still, since its connections can't
// be seen; figures are those of its processes together (see tree); and of one
// that runs already, and of which no process is known, there are none.
//
// Should a guardian be killed, the system kills the command (on Linux), and
// the parent ends what that leaves behind. Where both are killed at the same
// moment nobody does: descendants of the command may run on.
type guardian struct {
	addr    string        // host:port of the server
	command *exec.Cmd     // nil for a server that runs already
	output  *os.File      // what the command wrote, at least the end of it
	exited  chan struct{} // closed when the command itself has ended, whatever it left running
	exit    error         // how; valid once exited is closed
	tree    tree
	seen    bool // there is a tree to be looked at

	began    look
	switches int64
	window   chan [2]look // both ends of it; nil where it is the whole slice
}

// guarding is the command of this process, where it is a guardian, under the
// lock that it is started under.
var guarding struct {
	sync.Mutex
	command *exec.Cmd
}

// newGuardian starts the server, or finds the one that runs, and returns when
// it has answered.
func newGuardian(f Foreign) (*guardian, *Listening, error) {
	g := &guardian{exited: make(chan struct{})}
	var err error
	if f.Command != "" {
		err = g.start(f.Command)
	} else {
		err = g.attach(f)
	}
	if err == nil {
		err = g.await(foreignStart)
	}
	if err != nil {
		return nil, nil, err
	}
	l := &Listening{Addr: g.addr, GOMAXPROCS: runtime.GOMAXPROCS(0)}
	if g.command == nil && g.seen {
		l.ServerCPUs = g.tree.affinity().String()
	}
	return g, l, nil
}

// start starts the command on a free port. Its output goes to a file and not
// to a pipe: somebody would have to read that, on the server's CPUs, while the
// server is measured.
func (g *guardian) start(command string) error {
	const mark = "{port}"
	if !strings.Contains(command, mark) {
		return fmt.Errorf("%q doesn't say where its port goes: put %s into it, as in './mine --port %s'", command, mark, mark)
	}
	if err := guard(); err != nil {
		return err
	}
	port, err := freePort()
	if err != nil {
		return err
	}
	g.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if g.output, err = outputFile(); err != nil {
		return fmt.Errorf("a file for its output: %w", err)
	}
	cmd := exec.Command("/bin/sh", "-c", strings.ReplaceAll(command, mark, strconv.Itoa(port)))
	cmd.Env = slices.DeleteFunc(os.Environ(), func(e string) bool { return strings.HasPrefix(e, roleVar+"=") })
	cmd.Stdout, cmd.Stderr = g.output, g.output
	underGuard(cmd)
	g.command, g.seen = cmd, g.tree.known()
	started := make(chan error)
	go func() {
		// The thread that starts it must not end before it does: see underGuard.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		guarding.Lock()
		guarding.command = cmd
		err := cmd.Start()
		guarding.Unlock()
		started <- err
		if err == nil {
			g.exit = cmd.Wait()
			close(g.exited)
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start it: %w", err)
	}
	return nil
}

// endGuarded ends all that this process started, if it is a guardian.
func endGuarded() {
	guarding.Lock() // and keeps it: nothing may start any more
	if cmd := guarding.command; cmd != nil && cmd.Process != nil {
		endTree(cmd.Process.Pid, foreignGrace)
	}
}

// attach finds the process of a server that runs already, if one is named.
func (g *guardian) attach(f Foreign) (err error) {
	if g.addr = f.Attach; f.PID == 0 {
		return nil
	}
	if g.tree, err = treeOf(f.PID); err != nil {
		return fmt.Errorf("pid=%d: there is no such process", f.PID)
	}
	if g.seen = g.tree.known(); !g.seen {
		return nil
	}
	if g.tree.holds(os.Getpid()) {
		return fmt.Errorf("pid=%d: that is this run or what started it, and all that the run uses would count as the server's (who listens there: ss -ltnp)", f.PID)
	}
	if _, err := cpuClock(f.PID); err != nil {
		return fmt.Errorf("pid=%d: its CPU clock can't be read: %w", f.PID, err)
	}
	_, port, err := net.SplitHostPort(f.Attach)
	if err != nil {
		return fmt.Errorf("%w: want HOST:PORT", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("port %q: want a number", port)
	}
	if yes, known := g.tree.listens(n); known && !yes {
		return fmt.Errorf("pid=%d: neither it nor a child of its listens on port %d (who does: ss -ltnp)", f.PID, n)
	}
	return nil
}

// await returns when the server has answered, whatever it answered. One that
// runs already has to be reached at once. What is said of one that doesn't
// answer is what it came to at last, since a server that starts gets on. The
// last attempt therefore has time of its own: else it would tell of time that
// was up, and not of the server.
func (g *guardian) await(limit time.Duration) error {
	for deadline := time.Now().Add(limit); ; time.Sleep(foreignPoll) {
		begin := time.Now()
		why := reach(g.addr, begin.Add(max(foreignTry, deadline.Sub(begin))))
		if why == nil {
			return nil
		}
		if gone := g.gone(); gone != nil {
			return gone
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it did not answer on %s within %v (%w)%s", g.addr, limit, why, g.lastWords(": "))
		}
		if g.command == nil {
			return fmt.Errorf("it doesn't answer: %w", why)
		}
	}
}

// errSilent is why a server that can be connected to doesn't answer.
var errSilent = errors.New("it accepts connections and answers nothing")

// reach wants any answer in HTTP.
func reach(addr string, deadline time.Time) error {
	nc, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	if err := nc.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := io.WriteString(nc, plainRequest(addr)); err != nil {
		return err
	}
	const form = "HTTP/1."
	answer := make([]byte, len(form))
	if n, err := io.ReadFull(nc, answer); string(answer[:n]) != form {
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() && n == 0 {
			return errSilent
		}
		return fmt.Errorf("it answered with %.40q, %w", answer[:n], cmp.Or(err, errors.New("which isn't HTTP/1")))
	}
	return nil
}

// gone says how the server ended, if it did: the command, and all that it
// left running.
func (g *guardian) gone() error {
	if reap(g.spared()); g.seen && g.tree.alive() {
		return nil // perhaps in the background
	}
	switch {
	case !g.seen && g.command == nil: // the clients will tell
		return nil
	case g.command == nil:
		return fmt.Errorf("process %d is gone", g.tree.root)
	case g.seen:
		<-g.exited // any moment: nothing of it runs
	default:
		select {
		case <-g.exited:
		default:
			return nil
		}
	}
	how := "exit status 0"
	if g.exit != nil {
		how = g.exit.Error()
	}
	return fmt.Errorf("it exited (%s)%s", how, g.lastWords(": "))
}

// lost says why the server can't be asked any more: it ended, or nobody listens
// where it did. Some of its processes may outlive the one that served, and of
// one that runs already none may be known.
//
// It connects, which costs the server an accept, and so belongs where nothing
// is counted: a look at who listens takes a list of all connections that the
// machine has. That nobody accepts in time is for the clients to tell.
func (g *guardian) lost() error {
	if err := g.gone(); err != nil {
		return err
	}
	nc, err := net.DialTimeout("tcp", g.addr, foreignDial)
	if err == nil {
		_ = nc.Close()
		return nil
	}
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, wsaRefused) {
		return nil
	}
	if err := g.gone(); err != nil { // it was about to
		return err
	}
	if _, port, err := net.SplitHostPort(g.addr); err == nil && g.seen {
		return fmt.Errorf("it stopped listening on port %s%s", port, g.lastWords(": "))
	}
	return fmt.Errorf("it no longer answers on %s: connection refused%s", g.addr, g.lastWords("; it said: "))
}

// wsaRefused is what Windows calls a refused connection; package syscall has
// no name for it.
const wsaRefused = syscall.Errno(10061)

// lastWords is the line of the server's output that tells most, behind a
// separator, or nothing.
func (g *guardian) lastWords(separator string) string {
	b := make([]byte, tailSize)
	n, _ := g.output.ReadAt(b, max(0, g.written()-tailSize))
	if last := lastWords(b[:n]); last != "" {
		return separator + last
	}
	return ""
}

// trim forgets what the server wrote, when it is much: servers that log their
// requests write a file full in the course of an experiment.
func (g *guardian) trim() {
	const much = 1 << 20
	if g.output != nil && g.written() > much {
		_ = g.output.Truncate(0)
	}
}

// written is the size of the server's output, in bytes.
func (g *guardian) written() int64 {
	if info, err := g.output.Stat(); err == nil {
		return info.Size()
	}
	return 0
}

// begin begins a slice. A server whose processes are not known is taken for
// idle.
func (g *guardian) begin(w Window) (busy bool, err error) {
	g.trim()
	if err := g.lost(); err != nil || !g.seen {
		return false, err
	}
	if !g.awaitIdle(w.Idle) {
		return true, nil
	}
	if err := g.gone(); err != nil {
		return false, err
	}
	g.switches, g.began, g.window = g.tree.switches(), g.tree.look(), nil
	if w.Until > w.From {
		g.window = make(chan [2]look, 1)
		go func(begin time.Time, out chan<- [2]look) {
			out <- atBothEnds(w, begin, g.tree.look)
		}(g.began.at, g.window)
	}
	return false, nil
}

// end ends a slice and returns what the server used, nil where that can't be
// known. Figures that only our own servers count are 0.
func (g *guardian) end(p Patience) (used *result.Server, busy bool, err error) {
	if g.seen && !p.None && !g.awaitIdle(p.Idle) {
		return nil, true, nil
	}
	if err := g.gone(); err != nil {
		return nil, false, err
	}
	if !g.seen {
		return nil, false, g.lost()
	}
	b, e := g.began, g.tree.look()
	_, peak := g.tree.memory()
	ends := [2]look{b, e}
	if g.window != nil {
		ends = <-g.window
	}
	from, until := ends[0], ends[1]
	used = &result.Server{
		CPUUs:           atLeast0(us(e.cpu - b.cpu)),
		WindowCPUUs:     atLeast0(us(until.cpu - from.cpu)),
		WindowCPUWallUs: us(until.at.Sub(from.at)),
		CPUs:            g.tree.cpus(),
		RSSPeakBytes:    peak,
		Processes:       max(b.processes, from.processes, until.processes, e.processes),
		Threads:         max(b.threads, from.threads, until.threads, e.threads),
		ContextSwitches: max(0, g.tree.switches()-g.switches), // those of threads that ended are lost
	}
	if err := g.lost(); err != nil {
		return nil, false, err
	}
	return used, false, nil
}

// atLeast0 is for what can seem to shrink because something ended unseen.
func atLeast0(x float64) float64 { return max(x, 0) }

// awaitIdle returns true when the CPU clock stands nearly still.
func (g *guardian) awaitIdle(patience time.Duration) bool {
	for deadline := time.Now().Add(patience); ; {
		reap(g.spared())
		if g.tree.idle(foreignPause) {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
	}
}

// spared is the process that the goroutine which started it waits for.
func (g *guardian) spared() int {
	if g.command == nil {
		return 0
	}
	return g.command.Process.Pid
}

// memory is the server's resident memory, in bytes; 0 where it isn't known.
func (g *guardian) memory() (int64, error) {
	if err := g.gone(); err != nil || !g.seen {
		return 0, err
	}
	now, _ := g.tree.memory()
	return now, nil
}

// outputFile is a file without a name, which the system removes when nobody
// has it open any more. What is written goes to its end, also after trim.
func outputFile() (*os.File, error) {
	f, err := os.CreateTemp("", "workbench-output-")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return os.OpenFile(f.Name(), os.O_RDWR|os.O_APPEND, 0)
}

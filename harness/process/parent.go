package process

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"workbench/harness/load"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// How long the parent waits for what should take no time at all, or hardly
// any, on a machine that is busy.
const answerLimit = 5 * time.Second

// Calibrate measures, on the CPUs that servers will run on, how many
// iterations of the spin loop make a microsecond.
func Calibrate(ctx context.Context, cpus CPUs) (float64, error) {
	c, err := start("the calibration", cpus, "")
	if err != nil {
		return 0, err
	}
	defer c.stop()
	r, err := c.ask(ctx, answerLimit, request{Calibrate: &struct{}{}})
	return r.SpinPerUs, err
}

// A Server is a server's process, seen from the parent. Its methods are called
// one at a time.
type Server struct {
	c *child
	Listening
}

// StartServer starts a server on cpus and returns once it has answered a
// probe. One that is not ours is started by a guardian, which takes all its
// processes with it when it ends; one that runs already is left as it is.
//
// Each start has a port of its own, one that the system finds free, and the
// padding that conf says.
func StartServer(ctx context.Context, cpus CPUs, conf ServerConfig) (*Server, error) {
	name, mark, limit := conf.Model, "", answerLimit
	if f := conf.Foreign; f != nil {
		name, mark, limit = f.Label, rand.Text(), foreignStart+answerLimit
	}
	if conf.Padding < 0 || conf.Padding > MaxPadding {
		return nil, fmt.Errorf("the server %s: padding of %d bytes: must be 0 to %d", name, conf.Padding, MaxPadding)
	}
	c, err := start("the server "+name, cpus, mark, paddingVar+"="+strings.Repeat("x", conf.Padding))
	if err != nil {
		return nil, err
	}
	r, err := c.ask(ctx, limit, request{Serve: &conf})
	if err != nil {
		c.stop()
		return nil, err
	}
	s := &Server{c, *r.Listening}
	if conf.Foreign != nil { // its guardian has seen it answer
		return s, nil
	}
	if err := probe(ctx, s.Addr); err != nil {
		c.stop()
		return nil, fmt.Errorf("%s is not ready: %w", c.name, err)
	}
	return s, nil
}

// probe sends a request that asks for no work and wants any answer of status
// 200.
func probe(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	deadline, _ := ctx.Deadline()
	if err := nc.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := io.WriteString(nc, plainRequest(addr)); err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(nc, 4<<10))
	if !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		return fmt.Errorf("it answered a probe with %.40q: %w", answer, cmp.Or(err, errors.New("want status 200")))
	}
	return nil
}

// plainRequest asks for no work, and for the connection's end.
func plainRequest(addr string) string {
	return "GET / HTTP/1.1\r\nHost: " + addr + "\r\nConnection: close\r\n\r\n"
}

// A BusyError says that a server still had open connections when patience was
// over, or, one that is not ours, that it still used its CPU. It works, but a
// slice can neither begin nor end with it.
type BusyError struct {
	Server string
	Open   int64 // 0 where nobody knows
}

func (e BusyError) Error() string {
	switch e.Open {
	case 0:
		return e.Server + " still uses its CPU, though nobody plays"
	case 1:
		return e.Server + " still has 1 connection open, though nobody plays"
	}
	return fmt.Sprintf("%s still has %d connections open, though nobody plays", e.Server, e.Open)
}

// Begin says that a slice begins as soon as the server is idle: its peaks begin
// anew. It fails with a BusyError if the server isn't idle in time.
func (s *Server) Begin(ctx context.Context, w Window) error {
	r, err := s.c.ask(ctx, w.Idle+answerLimit, request{Begin: &w})
	if err == nil && (r.Busy > 0 || r.Working) {
		err = BusyError{s.c.name, r.Busy}
	}
	return err
}

// End returns what the server used since Begin, once it is idle. It fails with
// a BusyError if the server still has open connections after patience. It
// returns nil for a server that is not ours and of which nothing can be read.
func (s *Server) End(ctx context.Context, patience time.Duration) (*result.Server, error) {
	return s.end(ctx, Patience{Idle: patience})
}

// EndNow returns what the server used since Begin, whatever it is at. It is for
// the last slice of a process, whose clients have hung up: what it had begun
// for them and not finished is in the CPU and not in the requests.
func (s *Server) EndNow(ctx context.Context) (*result.Server, error) {
	return s.end(ctx, Patience{None: true})
}

func (s *Server) end(ctx context.Context, patience Patience) (*result.Server, error) {
	r, err := s.c.ask(ctx, patience.Idle+answerLimit, request{End: &patience})
	if err == nil && (r.Busy > 0 || r.Working) {
		err = BusyError{s.c.name, r.Busy}
	}
	return r.Server, err
}

// Memory is the server's resident memory now, in bytes: of a server that is
// not ours the sum over its processes. It is 0 where nobody knows.
func (s *Server) Memory(ctx context.Context) (int64, error) {
	r, err := s.c.ask(ctx, answerLimit, request{Memory: &struct{}{}})
	return r.MemoryBytes, err
}

// PID is the process's number.
func (s *Server) PID() int { return s.c.cmd.Process.Pid }

// Stop ends the process and waits for it.
func (s *Server) Stop() { s.c.stop() }

// Clients is a process of clients, seen from the parent. Its methods are
// called one at a time.
type Clients struct {
	c   *child
	job Job // prepared
}

// StartClients starts a process of clients on cpus.
func StartClients(cpus CPUs) (*Clients, error) {
	c, err := start("the clients", cpus, "")
	if err != nil {
		return nil, err
	}
	return &Clients{c: c}, nil
}

// A Job is what clients are to play.
type Job = load.Job

// A HoldJob is connections that clients are to have answered once, and hold.
type HoldJob = load.HoldJob

// Expect says what a right answer is.
type Expect = load.Expect

// CheckEngine reports whether clients can be played by an engine.
func CheckEngine(name string) error {
	_, err := load.New(name)
	return err
}

// Prepare has the clients prepare a job, and returns when nothing is left to do
// but to Play it: what takes time beforehand, the more the more clients there
// are, must not be taken for a part of the slice.
func (l *Clients) Prepare(ctx context.Context, engine string, job Job) error {
	_, err := l.c.ask(ctx, answerLimit, request{Play: &Play{engine, job}})
	l.job = job
	return err
}

// Play has the clients play what they prepared and returns what they saw. The
// parent sleeps meanwhile.
func (l *Clients) Play(ctx context.Context) (load.Outcome, error) {
	r, err := l.c.ask(ctx, playLimit(l.job), request{Go: &struct{}{}})
	if err != nil {
		return load.Outcome{}, err
	}
	return *r.Outcome, nil
}

// playLimit bounds how long a slice may take: settling, window, what the last
// request has to be answered, and what closing every connection may take.
func playLimit(j Job) time.Duration {
	s := j.Scenario
	connections := s.Clients
	if s.Loop != scenario.LoopClosed {
		connections = cmp.Or(j.MaxConnections, load.DefaultMaxConnections)
	}
	return max(j.Settle, j.SettleUntilAll) + max(j.Count, j.CountMax) +
		cmp.Or(j.Timeout, s.Patience()) + time.Duration(connections)*closeLimit + answerLimit
}

// closeLimit is the time that a connection may take to be closed on a machine
// that is busy.
const closeLimit = 100 * time.Microsecond

// Hold has the clients open connections, have each answered once, and hold
// them, silent, while they play. What is not answered in time is closed.
func (l *Clients) Hold(ctx context.Context, job HoldJob) (result.Held, error) {
	limit := job.Within + time.Duration(job.Connections)*closeLimit + answerLimit
	return l.askHeld(ctx, limit, request{Hold: &job})
}

// Release has the connections that are held to a server answered once more,
// and closed.
func (l *Clients) Release(ctx context.Context, addr string, within time.Duration) (result.Held, error) {
	limit := within + scenario.MaxIdle*closeLimit + answerLimit
	return l.askHeld(ctx, limit, request{Release: &Release{Addr: addr, Within: within}})
}

// Drop closes the connections that are held to a server, without asking: for one
// that is ended, or begun anew.
func (l *Clients) Drop(ctx context.Context, addr string) error {
	_, err := l.askHeld(ctx, scenario.MaxIdle*closeLimit+answerLimit, request{Release: &Release{Addr: addr, Drop: true}})
	return err
}

func (l *Clients) askHeld(ctx context.Context, limit time.Duration, q request) (result.Held, error) {
	r, err := l.c.ask(ctx, limit, q)
	if err != nil {
		return result.Held{}, err
	}
	return *r.Held, nil
}

// PID is the process's number.
func (l *Clients) PID() int { return l.c.cmd.Process.Pid }

// Stop ends the process and waits for it.
func (l *Clients) Stop() { l.c.stop() }

// Used is the CPU time that a server's process, the clients' and this one have
// had so far, all that they do between slices included; 0 where it can't be
// read. Of a server that is not ours it is its guardian's.
func Used(s *Server, l *Clients) time.Duration {
	of := load.ProcessCPU()
	if s.Forks {
		of += cpuBelow(s.PID())
	}
	for _, pid := range []int{s.PID(), l.PID()} {
		clock, err := cpuClock(pid)
		if err != nil {
			return 0
		}
		of += clock
	}
	return of
}

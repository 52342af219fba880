package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"workbench/harness/load"
	"workbench/harness/result"
)

// How long the parent waits for what should take no time at all, or hardly
// any, on a machine that is busy.
const answerLimit = 5 * time.Second

// Calibrate measures, on the CPUs that servers will run on, how many
// iterations of the spin loop make a microsecond.
func Calibrate(ctx context.Context, cpus CPUs) (float64, error) {
	c, err := start("the calibration", cpus)
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
// probe.
func StartServer(ctx context.Context, cpus CPUs, conf ServerConfig) (*Server, error) {
	c, err := start("the server "+conf.Model, cpus)
	if err != nil {
		return nil, err
	}
	r, err := c.ask(ctx, answerLimit, request{Serve: &conf})
	if err != nil {
		c.stop()
		return nil, err
	}
	s := &Server{c, *r.Listening}
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
	if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: "+addr+"\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(nc, 4<<10))
	if !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		return fmt.Errorf("it answered a probe with %.40q: %w", answer, cmp.Or(err, errors.New("want status 200")))
	}
	return nil
}

// A BusyError says that a server still had open connections when patience was
// over. It works, but a slice can neither begin nor end with it.
type BusyError struct {
	Server string
	Open   int64
}

func (e BusyError) Error() string {
	if e.Open == 1 {
		return e.Server + " still has 1 connection open, though nobody plays"
	}
	return fmt.Sprintf("%s still has %d connections open, though nobody plays", e.Server, e.Open)
}

// Begin says that a slice begins as soon as the server is idle: its peaks begin
// anew. It fails with a BusyError if the server isn't idle in time.
func (s *Server) Begin(ctx context.Context, w Window) error {
	r, err := s.c.ask(ctx, w.Idle+answerLimit, request{Begin: &w})
	if err == nil && r.Busy > 0 {
		err = BusyError{s.c.name, r.Busy}
	}
	return err
}

// End returns what the server used since Begin, once it is idle. It fails with
// a BusyError if the server still has open connections after patience.
func (s *Server) End(ctx context.Context, patience time.Duration) (result.Server, error) {
	return s.end(ctx, Patience{Idle: patience})
}

// EndNow returns what the server used since Begin, whatever it is at. It is for
// the last slice of a process, whose clients have hung up: what it had begun
// for them and not finished is in the CPU and not in the requests.
func (s *Server) EndNow(ctx context.Context) (result.Server, error) {
	return s.end(ctx, Patience{None: true})
}

func (s *Server) end(ctx context.Context, patience Patience) (result.Server, error) {
	r, err := s.c.ask(ctx, patience.Idle+answerLimit, request{End: &patience})
	switch {
	case err != nil:
		return result.Server{}, err
	case r.Busy > 0:
		return result.Server{}, BusyError{s.c.name, r.Busy}
	}
	return *r.Server, nil
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
	c, err := start("the clients", cpus)
	if err != nil {
		return nil, err
	}
	return &Clients{c: c}, nil
}

// A Job is what clients are to play.
type Job = load.Job

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
	j := l.job
	limit := max(j.Settle, j.SettleUntilAll) + max(j.Count, j.CountMax) + j.Timeout + answerLimit
	r, err := l.c.ask(ctx, limit, request{Go: &struct{}{}})
	if err != nil {
		return load.Outcome{}, err
	}
	return *r.Outcome, nil
}

// PID is the process's number.
func (l *Clients) PID() int { return l.c.cmd.Process.Pid }

// Stop ends the process and waits for it.
func (l *Clients) Stop() { l.c.stop() }

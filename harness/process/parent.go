package process

import (
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
		return fmt.Errorf("it answered a probe with %.40q: %w", answer, errors.Join(err, errors.New("want status 200")))
	}
	return nil
}

// Begin says that a slice begins: the server is idle, its peaks begin anew.
func (s *Server) Begin(ctx context.Context, w Window) error {
	_, err := s.c.ask(ctx, answerLimit, request{Begin: &w})
	return err
}

// End returns what the server used since Begin, once it is idle. It fails if
// the server still has open connections after patience.
func (s *Server) End(ctx context.Context, patience time.Duration) (result.Server, error) {
	r, err := s.c.ask(ctx, patience+answerLimit, request{End: &Patience{Idle: patience}})
	if err != nil {
		return result.Server{}, err
	}
	return *r.Server, nil
}

// PID is the process's number.
func (s *Server) PID() int { return s.c.cmd.Process.Pid }

// Stop ends the process and waits for it.
func (s *Server) Stop() { s.c.stop() }

// Clients is a process of clients, seen from the parent. Its methods are
// called one at a time.
type Clients struct{ c *child }

// StartClients starts a process of clients on cpus.
func StartClients(cpus CPUs) (*Clients, error) {
	c, err := start("the clients", cpus)
	if err != nil {
		return nil, err
	}
	return &Clients{c}, nil
}

// Play has the clients play a job and returns what they saw. The parent
// sleeps meanwhile.
func (l *Clients) Play(ctx context.Context, engine string, job load.Job) (load.Outcome, error) {
	limit := max(job.Settle, job.SettleUntilAll) + max(job.Count, job.CountMax) + job.Timeout + answerLimit
	r, err := l.c.ask(ctx, limit, request{Play: &Play{engine, job}})
	if err != nil {
		return load.Outcome{}, err
	}
	return *r.Outcome, nil
}

// PID is the process's number.
func (l *Clients) PID() int { return l.c.cmd.Process.Pid }

// Stop ends the process and waits for it.
func (l *Clients) Stop() { l.c.stop() }

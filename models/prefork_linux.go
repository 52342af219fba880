package models

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
	"time"

	"workbench/models/exchange"
)

// preforkServer is several processes that share the listener.
//
//	               ┌──accept──▶ process: hold, then the next   (each=iterative)
//	backlog ───────┼──accept──▶ process: hold, then the next
//	               └──accept──▶ process: a loop of many        (each=reactor)
//	                               ▲
//	parent: starts them, and another where one dies; sees no connection
//
// Who accepts, reads and answers: a child process, all by itself, with the
// iterative model or the reactor. Connections wait in the one backlog that all
// children accept from, so that whoever is free takes the next. The children are
// this program, started anew with the listening socket.
//
// One connection for each process is how Apache began (the NCSA server's
// pre-forking children, 1995; mpm_prefork still), PHP-FPM, PostgreSQL, and
// Gunicorn's sync workers. A loop for each process is nginx, and Node's cluster.
// What they buy is walls: a child that crashes, leaks or corrupts its memory
// takes its own connections with it, and the parent starts another one.
//
// It costs a process for each place: some MiB of memory, and a switch of address
// spaces where a goroutine would be switched. Every child that waits is woken
// for a connection that one of them gets (Stevens' thundering herd).
//
// It breaks, with each=iterative, where iterative breaks, N times later: as many
// silent clients as there are processes stop the service. With each=reactor a
// connection stays with the process that was first to wake, however busy that is
// by now, while others sleep.
type preforkServer struct {
	processes int
	each      string
}

func newPrefork(s Spec) Server {
	return preforkServer{processes: s.Int("processes"), each: s.Text("each")}
}

func (s preforkServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	fd, err := ownDescriptor(ln)
	if err != nil {
		return err
	}
	p := &prefork{each: s.each, x: x, fd: fd}
	defer p.deafen()
	if !runsChildren.Load() {
		return errors.New("prefork starts this program anew: call models.RunChild first thing in its main")
	}
	if s.each == "iterative" {
		x.Declare(exchange.Limit{Name: "processes", Held: int64(s.processes), Open: int64(s.processes)})
	} else {
		x.SpreadOver("processes", s.processes)
	}
	if p.family, err = x.Lead(s.processes); err != nil {
		return err
	}
	defer p.family.Close()

	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(ctx, p.deafen)() // what waits in the backlog is told at once
	var wg sync.WaitGroup
	for i := range s.processes {
		wg.Go(func() {
			if err := p.keep(ctx, i); err != nil {
				x.AcceptFailed(err)
				end() // or the others would hide it
			}
		})
	}
	wg.Wait()
	return x.Err()
}

// keep has a process serve in place i, and another one when that dies: at once,
// but where they die within a second, one after the other, after 5 ms, and twice
// as long each time up to 1 s. It returns nil when ctx is done, and an error when
// no process can serve.
func (p *prefork) keep(ctx context.Context, i int) error {
	const least, most = 5 * time.Millisecond, time.Second
	var pause time.Duration
	for again := false; ctx.Err() == nil; {
		begun := time.Now()
		c, err := p.start(i)
		switch {
		case err == nil:
			if err := p.attend(ctx, i, c); err != nil {
				return err
			}
			if time.Since(begun) >= most {
				again, pause = false, 0
			}
			if again {
				pause = min(max(least, 2*pause), most)
			}
			again = true
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, syscall.EAGAIN): // the user may have no more processes now
			pause = min(max(least, 2*pause), most)
		default:
			if pause, err = p.x.AcceptError(err, pause); err != nil {
				return err
			}
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
	return nil
}

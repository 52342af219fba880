package models

import (
	"context"
	"net"
	"sync"

	"workbench/models/exchange"
)

// acceptorsServer has a fixed number of workers, each of which accepts a
// connection, holds it, and accepts the next.
//
//	            ┌─ worker 0: accept ──▶ hold ─┐     the leader waits in accept
//	backlog ────┼─ worker 1: accept ──▶ hold ─┤
//	   ▲        └─ worker 2: accept ──▶ hold ─┘     its followers wait their turn
//	   │            ▲                         │
//	   │            └─────────────────────────┘
//	   └ while every worker holds one, the rest waits here
//
// Who accepts, reads and answers: the worker, from the accept to the close. One
// of the idle workers is the leader; when a client comes, it becomes the one
// that serves it, and another one the leader. Who that is, a lock decides: in Go
// that of the listener's descriptor, which is taken in accept anyway and wakes
// whoever has waited longest; in C the kernel, which wakes one of those that
// block in accept. No connection is handed over, no queue is passed, and there
// is no loop in the middle that could fall behind.
//
// It is the leader/followers pattern (Schmidt et al., 2000), the prethreaded
// servers of Stevens (UNIX Network Programming, chapter 30), Apache's prefork
// with its accept mutex, where the workers are processes, and its leader MPM
// (2.0), where they are threads.
//
// It costs a goroutine for each worker, whether somebody comes or not, and for
// each connection the waking of the next leader. Since they take turns, that is
// the one whose stack has been cold for longest (see elastic for the opposite).
//
// It breaks like the pool does, with kept-alive clients that keep their worker
// while they are silent. What it can't do is turn anybody away: when all work,
// nobody is left to say so.
type acceptorsServer struct{ workers int }

func newAcceptors(s Spec) Server { return acceptorsServer{workers: s.Int("workers")} }

func (s acceptorsServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	n := int64(s.workers)
	x.Declare(exchange.Limit{Name: "workers", Held: n, Open: n})
	var workers sync.WaitGroup
	for i := range s.workers {
		workers.Go(func() {
			// The first to meet a fault closes the listener, and the exchange
			// stops, which sends the others back to accept to see it too.
			for conn := range x.Accept(ctx, ln) {
				x.HoldBy(ctx, i, conn)
			}
		})
	}
	workers.Wait()
	return x.Err()
}

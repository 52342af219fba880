package models

import (
	"context"
	"net"

	"github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/semaphore"

	"workbench/models/exchange"
)

// poolServer has a fixed number of workers, each holding one connection at a
// time.
//
//	                       queue
//	backlog ──accept──▶ ▒▒▒▒▒▒▒▒▒▒ ──▶ worker: hold
//	   ▲                           ──▶ worker: hold       as many as there are workers
//	   └ when-full=wait: the rest  ──▶ worker: hold
//	     waits here
//
// Who accepts: one loop, once it has a place for the connection: there are
// workers + queue of them, counted by a semaphore. Who reads and answers: a
// worker, from the first byte to the close. Connections wait in the queue, and
// when that is full in the kernel's backlog (when-full=wait) or nowhere
// (reject: 503).
//
// The places are counted apart from the queue, since a queue of zero and a
// send that is given up when no worker is ready would turn connections away
// while workers are still waking up.
//
// It is the classic of bounded servers: Apache's worker threads, Java's
// ThreadPoolExecutor under Tomcat, Python's ThreadPoolExecutor. It bounds
// memory and whatever the workers use downstream.
//
// It breaks with connections that are held but not at work: a keep-alive
// client keeps its worker between requests, so that with more kept-alive
// clients than workers the rest waits for an idle timeout, whatever the CPU
// could do; and one slow request in W delays all that wait behind it.
type poolServer struct {
	workers, queue int
	reject         bool
}

func (s poolServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	places := int64(s.workers + s.queue)
	x.Declare(exchange.Limit{Name: "workers", Held: int64(s.workers), Open: places})
	free := semaphore.NewWeighted(places)
	queue := make(chan *exchange.Conn, places) // a place is taken first, so a send never blocks

	workers := pool.New().WithMaxGoroutines(s.workers)
	for i := range s.workers {
		workers.Go(func() {
			for conn := range queue {
				x.HoldBy(ctx, i, conn)
				free.Release(1)
			}
		})
	}

	if s.reject {
		for conn := range x.Accept(ctx, ln) {
			if free.TryAcquire(1) {
				queue <- conn
			} else {
				x.Reject(ctx, conn)
			}
		}
	} else {
		for conn := range x.AcceptWhen(ctx, ln, func() bool { return free.Acquire(ctx, 1) == nil }) {
			queue <- conn
		}
	}
	close(queue)
	workers.Wait()
	return x.Err()
}

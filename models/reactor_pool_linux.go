package models

import (
	"context"
	"net"
	"sync"

	"workbench/models/exchange"
)

// reactorPoolServer has one event loop that accepts and reads, and a fixed
// number of workers, each of which does one request at a time.
//
//	backlog ──▶ ┌──────┐  a request   requests
//	clients ──▶ │ loop │ ───────────▶ ▒▒▒▒▒▒▒▒▒▒ ──▶ worker: work, answer ─┐
//	timers  ──▶ │      │                         ──▶ worker: work, answer ─┤
//	            └──────┘                                                   │
//	               ▲         the connection, to wait for its next request  │
//	               └───────────────────────────────────────────────────────┘
//
// Who accepts and reads: the loop, which never waits for a client. Who answers: a
// worker, to which the loop hands each request that has been read whole, whether
// it asks for work or not. The worker may block in the work; the answer it sends
// as far as there is room, and the rest is the loop's. Then the connection is the
// loop's again. Requests wait in the queue; a connection that says nothing waits
// in the loop, and holds no worker.
//
// When the queue is full the loop waits too, with one request in its hand: it
// neither accepts nor reads nor sees to timeouts before a worker is free, which
// is when the next work ends, and at a stop by the end of the grace. Workers
// never wait for the loop, so somebody always gets on.
//
// It is half-sync/half-async (Schmidt & Cranor, 1996), and what application
// servers became when connections outnumbered threads: Tomcat's NIO connector,
// Jetty, Netty with an executor of its own.
//
// It costs two hand-overs for each request, through the scheduler: where requests
// are small that is more than the work. It breaks where the work is CPU and the
// workers many, since they take the loop's CPU; and one that is full is deaf.
type reactorPoolServer struct{ workers, queue, batch int }

func newReactorPool(s Spec) Server {
	return reactorPoolServer{workers: s.Int("workers"), queue: s.Int("queue"), batch: s.Int("batch")}
}

func (s reactorPoolServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "workers", Work: int64(s.workers)})
	l, err := newLoopOn(ln, x, s.batch)
	if err != nil {
		return err
	}
	requests := newStage(x, "requests", s.queue)
	l.each = true
	l.hands[exchange.ToWork] = requests.put

	var workers sync.WaitGroup
	requests.staff(ctx, &workers, l, s.workers, func(w *tools, c *conn) {
		w.d.Perform(&c.talk)
		w.sendAll(c)
		w.d.Keep(&c.talk)
		l.back(c)
	})
	l.run(ctx)
	requests.close()
	workers.Wait()
	return x.Err()
}

package models

import (
	"context"
	"net"

	"workbench/models/exchange"
)

// reactorServer is one thread with one event loop, which does everything.
//
//	            ┌─────────────────────────────────────────────┐
//	backlog ──▶ │ epoll: who is ready? ──▶ accept | receive,  │
//	clients ──▶ │   ▲                      answer, send | the │
//	timers  ──▶ │   └──── next ◀────────── timer that is due  │
//	            └─────────────────────────────────────────────┘
//
// Who accepts, reads and answers: the loop, and it never waits for anything but
// the next event. A wait that a request asks for is a timer; what can't be sent
// at once is sent when there is room. So no connection waits for another one's
// silence, and one that is silent costs a hundred bytes: no stack, no buffer.
//
// It is the reactor pattern (Schmidt, 1995), and the answer to the C10K problem
// (Kegel, 1999): Redis, HAProxy and memcached's listener are such loops, Node.js
// and nginx's workers are one for each process. Flash (Pai et al., 1999) named it
// single process, event driven.
//
// It breaks with whatever takes CPU: while one request computes, nobody is
// answered, and there is one CPU's worth in all, however many the machine has.
type reactorServer struct{ batch int }

func newReactor(s Spec) Server { return reactorServer{batch: s.Int("batch")} }

func (s reactorServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	l, err := newLoopOn(ln, x, s.batch)
	if err != nil {
		return err
	}
	l.run(ctx)
	return x.Err()
}

package models

import (
	"context"
	"net"
	"sync"

	"workbench/models/exchange"
)

// stagedServer takes each request through stages, with a bounded queue before
// each and goroutines of its own in each.
//
//	            accept           parse              work              write
//	backlog ──▶ ┌──────┐ ready  ▒▒▒▒▒▒ ─▶ parser ▶ ▒▒▒▒▒▒ ─▶ worker ▶ ▒▒▒▒▒▒ ─▶ writer ─┐
//	clients ──▶ │ loop │ ─────▶        ─▶ parser          ─▶ worker          ─▶ writer ─┤
//	timers  ──▶ └──────┘                     │            ─▶ worker                     │
//	               ▲     not whole yet       │                      answered, or no room│
//	               └─────────────────────────┴──────────────────────────────────────────┘
//
// Who accepts: a loop, which also says which connections are ready. Who reads: a
// parser, and passes on what is whole. Who works: a worker. Who answers: a writer,
// as far as there is room. Then the connection waits in the loop, which alone
// keeps the time and closes. What was sent at once with an earlier request needs
// no receiving: the loop comes upon it as it takes the connection back, and passes
// it to the workers itself.
//
// Whoever finds the next queue full waits. That can't be for ever: writers wait
// for no queue, since giving a connection back never blocks; so their queue moves,
// then the workers', whose work ends by itself or with the grace, then the
// parsers', and then the loop. No one puts anything into a queue before or at its
// own stage, so none waits for itself.
//
// It is SEDA, the staged event-driven architecture (Welsh, Culler & Brewer, SOSP
// 2001), and lives on in Cassandra's stages. What it promises is to be seen and
// set: how long each queue is, how many work behind it.
//
// It costs four hand-overs for each request, and each may be a wait behind others,
// on another CPU with cold caches: Welsh himself said so in 2010, and would put
// stages together. It breaks under load where each queue adds its own delay, and
// where the slowest stage has too few goroutines while others idle.
type stagedServer struct{ parsers, workers, writers, queue int }

func newStaged(s Spec) Server {
	return stagedServer{parsers: s.Int("parsers"), workers: s.Int("workers"), writers: s.Int("writers"), queue: s.Int("queue")}
}

func (s stagedServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "workers", Work: int64(s.workers)})
	l, err := newLoopOn(ln, x, stagedBatch)
	if err != nil {
		return err
	}
	parse, work, write := newStage(x, "parse", s.queue), newStage(x, "work", s.queue), newStage(x, "write", s.queue)
	l.each = true
	l.hands[exchange.ToReceive], l.hands[exchange.ToWork], l.hands[exchange.ToSend] = parse.put, work.put, write.put

	var goroutines sync.WaitGroup
	parse.staff(ctx, &goroutines, l, s.parsers, func(w *tools, c *conn) {
		switch w.receiveAll(c) {
		case exchange.ToWork:
			w.d.Keep(&c.talk)
			work.put(c)
		case exchange.ToSend: // a refusal
			w.d.Keep(&c.talk)
			write.put(c)
		default:
			w.d.Keep(&c.talk)
			l.back(c)
		}
	})
	work.staff(ctx, &goroutines, l, s.workers, func(w *tools, c *conn) {
		w.d.Perform(&c.talk)
		w.d.Keep(&c.talk)
		write.put(c)
	})
	write.staff(ctx, &goroutines, l, s.writers, func(w *tools, c *conn) {
		w.sendAll(c)
		w.d.Keep(&c.talk)
		l.back(c)
	})
	l.run(ctx)
	for _, stage := range []*stage{parse, work, write} {
		stage.close()
	}
	goroutines.Wait()
	return x.Err()
}

// stagedBatch is how many connections the loop accepts in a turn: accepting is
// nearly all that it does.
const stagedBatch = 64

package models

import (
	"context"
	"net"
	"sync"

	"golang.org/x/sync/semaphore"

	"workbench/models/exchange"
)

// semaphoreServer starts a goroutine for each connection, once a semaphore has
// a place for it.
//
//	           acquire             ┌──▶ go hold ──▶ release
//	backlog ─────▒▒▒─────▶ accept ─┼──▶ go hold ──▶ release     at most limit
//	   ▲                           └──▶ go hold ──▶ release
//	   └ when-full=wait: the rest waits here
//
// Who accepts: one loop, after it has taken a place. Who reads and answers: the
// connection's own goroutine, which gives the place back. At the limit the loop
// waits for a place before it accepts (when-full=wait), so that a connection is
// either held or in the kernel's backlog, and never in the loop's hand; or it
// accepts, finds no place, and the client gets 503 (reject).
//
// It is Dijkstra's counting semaphore (1965), and how
// golang.org/x/net/netutil.LimitListener works, which takes its place before it
// accepts as well. From errgroup it differs by this order alone; from pool in
// that no worker is kept while nobody comes.
//
// It costs a lock taken twice for each connection, beside the goroutine. A
// channel with room for limit tokens would do; x/sync/semaphore also has places
// of several sizes, for connections that are known to cost more, which none is
// here.
//
// It breaks like every limit on connections: a kept-alive client keeps its
// place while it is silent. And the limit is a guess: too low, it turns a fast
// server into a slow one; too high, it protects nothing.
type semaphoreServer struct {
	limit  int
	reject bool
}

func newSemaphore(s Spec) Server {
	return semaphoreServer{limit: s.Int("limit"), reject: rejects(s)}
}

func (s semaphoreServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	limit := int64(s.limit)
	x.Declare(exchange.Limit{Name: "goroutines", Held: limit, Open: limit})
	places := semaphore.NewWeighted(limit)
	var wg sync.WaitGroup
	hold := func(conn *exchange.Conn) {
		wg.Go(func() {
			x.Hold(ctx, conn)
			places.Release(1)
		})
	}

	if s.reject {
		for conn := range x.Accept(ctx, ln) {
			if places.TryAcquire(1) {
				hold(conn)
			} else {
				x.Reject(ctx, conn)
			}
		}
	} else {
		for conn := range x.AcceptWhen(ctx, ln, func() bool { return places.Acquire(ctx, 1) == nil }) {
			hold(conn)
		}
	}
	wg.Wait()
	return x.Err()
}

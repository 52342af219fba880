package models

import (
	"context"
	"net"

	"golang.org/x/sync/errgroup"

	"workbench/models/exchange"
)

// errgroupServer starts a goroutine for each connection, but at most limit of
// them at once.
//
//	backlog ──accept──▶ Go ──▶ go hold
//	   ▲                 │ ──▶ go hold        at most limit
//	   │                 └ blocks at the limit, with one connection in its hand
//	   └ when-full=wait: the rest waits here
//
// Who accepts: one loop. Who reads and answers: the connection's own
// goroutine. At the limit the loop blocks in Go (when-full=wait), with one
// accepted connection in its hand, and the others wait in the kernel's
// backlog; or TryGo refuses and the client gets 503 (reject).
//
// It is what Go programs reach for when goroutine-per-connection must be
// bounded: x/sync/errgroup with SetLimit, or a channel used as a semaphore
// around the same loop (golang.org/x/net/netutil.LimitListener). Below its
// limit it is goroutine-per-connection.
//
// It breaks like the pool does: a kept-alive client keeps its place while it
// is silent. Two traps of errgroup itself: Go stays blocked at the limit even
// after the context is done, until somebody returns (here each does, within
// the grace); and a non-nil error would cancel everybody, so what goes wrong
// on one connection is the exchange's to count and the function returns nil.
type errgroupServer struct {
	limit  int
	reject bool
}

func (s errgroupServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	var group errgroup.Group
	group.SetLimit(s.limit)
	inHand := int64(1)
	if s.reject {
		inHand = 0
	}
	x.Declare(exchange.Limit{Name: "goroutines", Held: int64(s.limit), Open: int64(s.limit) + inHand})
	for conn := range x.Accept(ctx, ln) {
		hold := func() error {
			x.Hold(ctx, conn)
			return nil
		}
		switch {
		case !s.reject:
			group.Go(hold)
		case !group.TryGo(hold):
			x.Reject(ctx, conn)
		}
	}
	_ = group.Wait() // no function of the group returns an error
	return x.Err()
}

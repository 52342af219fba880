package models

import (
	"context"
	"net"
	"sync"

	"workbench/models/exchange"
)

// goroutineServer starts a goroutine for each accepted connection.
//
//	backlog ──accept──▶ go hold
//	            │
//	            ├─────▶ go hold        as many as there are connections
//	            └─────▶ go hold
//
// Who accepts: one loop, which never waits for anything but the next
// connection. Who reads and answers: the connection's own goroutine, parked by
// the runtime's poller while there is nothing to do. No connection waits to be
// held, whatever the load; what is unbounded is memory: a goroutine and its
// stack for each connection, some KiB, and buffers for each that isn't silent.
//
// It is how Go servers are written (net/http since its first release), and the
// reference that the others are compared with.
//
// It breaks where there are more connections than memory or descriptors, or
// when what requests do contends for something else that is bounded: then the
// queue has only moved, to a place without a limit.
type goroutineServer struct{}

func (goroutineServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	var wg sync.WaitGroup
	for conn := range x.Accept(ctx, ln) {
		wg.Go(func() { x.Hold(ctx, conn) })
	}
	wg.Wait()
	return x.Err()
}

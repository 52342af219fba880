package models

import (
	"context"
	"net"
	"sync"

	"workbench/models/exchange"
)

// shardsServer has several listeners on one port, each with an accept loop that
// starts a goroutine for each connection.
//
//	         ┌─▶ backlog 0 ──accept──▶ go hold, go hold, …
//	clients ─┼─▶ backlog 1 ──accept──▶ go hold, go hold, …
//	   hash  └─▶ backlog 2 ──accept──▶ go hold, go hold, …
//
// Who accepts: a loop for each listener. Who reads and answers: the
// connection's own goroutine. The kernel puts each new connection into one of
// the backlogs, by a hash of the client's address and port (SO_REUSEPORT), so
// that no lock and no queue is shared by the loops.
//
// It is what SO_REUSEPORT was made for (Linux 3.9, 2013): nginx's
// "listen … reuseport", Envoy's and HAProxy's listeners for each thread.
// Affinity-Accept (Pesterev et al., 2012) and MegaPipe (Han et al., 2012)
// showed why: on many cores a shared accept queue is what stops the rest. With
// few, the accept loop of goroutine isn't the bottleneck, and there is next to
// nothing to gain.
//
// It costs a descriptor and a loop for each listener, and nothing for each
// connection.
//
// It breaks by the hash, which knows nothing of load: 64 connections over 4
// shards come out as 20, 20, 12 and 12. Where the shards share one scheduler,
// as here, that does no harm while each loop keeps up; where each is a thread or
// a process with its share of the connections, some work while others sleep
// (see reactors). A listener that is closed takes what waits in its backlog
// with it, though its siblings could serve it, and a second server started by
// mistake shares the port instead of being told that it is taken.
type shardsServer struct{ shards int }

func newShards(s Spec) Server { return shardsServer{shards: s.Int("shards")} }

func (s shardsServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.SpreadOver("shards", s.shards)
	more, err := siblings(ctx, ln, s.shards)
	if err != nil {
		_ = ln.Close()
		return err
	}
	// With one listener at fault the model can't go on: a share of the clients
	// would find nobody. So the first loop that ends has the others end.
	ctx, end := context.WithCancel(ctx)
	defer end()
	var wg sync.WaitGroup
	for i, ln := range append(more, ln) {
		wg.Go(func() {
			defer end()
			for conn := range x.Accept(ctx, ln) {
				x.TakenBy(i)
				wg.Go(func() { x.Hold(ctx, conn) })
			}
		})
	}
	wg.Wait()
	return x.Err()
}

package models

import (
	"context"
	"net"
	"runtime"
	"sync"

	"workbench/models/exchange"
)

// reactorsServer is an event loop for each CPU, each on a thread of its own and
// with its own share of the connections.
//
//	spread=reuseport                       spread=acceptor
//
//	backlog ──▶ loop: accept, do all       backlog ──▶ loop: accept ──▶ loop: do all
//	backlog ──▶ loop: accept, do all                     in turn  └──▶ loop: do all
//
// Who accepts: with reuseport each loop, from a listener of its own on the common
// port; the kernel spreads connections over them by a hash, so that some loops
// get more than others by chance. With acceptor one more loop, which does nothing
// else and gives each connection to the next one in turn: each gets as many. It is
// a loop of its own, like Netty's boss and memcached's main thread, because one
// that also served would let newcomers wait for its requests, and would have the
// accepting on top of a share that is as large as anybody's.
//
// Who reads and answers: the loop that has the connection, for as long as it
// lives. Nothing is moved and nothing is stolen, and nothing but counters is
// shared. Where connections wait, and what one costs, is as with one loop.
//
// It is nginx's and Envoy's workers (reuseport), Netty's and memcached's
// (acceptor), and the multiple reactors of Java's NIO (Lea, Scalable IO in Java,
// 2003). SO_REUSEPORT came with Linux 3.9 (2013) for it.
//
// It breaks where shares are uneven: connections may be spread evenly and their
// requests not, and a loop that computes keeps its own clients waiting while
// others idle. The one acceptor is a CPU's worth of accepting, and each
// connection costs a hand-over there.
type reactorsServer struct {
	loops, batch int
	acceptor     bool
}

func newReactors(s Spec) Server {
	loops := s.Int("loops")
	if loops == 0 {
		loops = runtime.GOMAXPROCS(0)
	}
	return reactorsServer{loops: loops, batch: s.Int("batch"), acceptor: s.Text("spread") == "acceptor"}
}

func (s reactorsServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.SpreadOver("loops", s.loops)
	loops, err := s.build(ctx, ln, x)
	if err != nil {
		for _, l := range loops {
			l.close()
		}
		return err
	}
	// One that can't accept any more ends them all.
	ctx, fail := context.WithCancel(ctx)
	defer fail()
	var threads sync.WaitGroup
	for _, l := range loops {
		l.failed = fail
		threads.Go(func() { l.run(ctx) })
	}
	threads.Wait()
	return x.Err()
}

// build makes the loops; after an error, those that were made.
func (s reactorsServer) build(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) (loops []*loop, err error) {
	if s.acceptor {
		return s.withAcceptor(ln, x)
	}
	more, err := siblings(ctx, ln, s.loops)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	for i, ln := range append([]*net.TCPListener{ln}, more...) {
		l, e := newLoopOn(ln, x, s.batch) // closes ln, so all are tried
		if e != nil {
			err = e
			continue
		}
		l.give = func(arrival) bool {
			x.TakenBy(i)
			return false
		}
		loops = append(loops, l)
	}
	return loops, err
}

func (s reactorsServer) withAcceptor(ln *net.TCPListener, x *exchange.Exchange) (loops []*loop, err error) {
	acceptor, err := newLoopOn(ln, x, s.batch)
	if err != nil {
		return nil, err
	}
	loops = append(loops, acceptor)
	for range s.loops {
		l, err := newLoop(x, -1, s.batch)
		if err != nil {
			return loops, err
		}
		loops = append(loops, l)
	}
	next := 0
	acceptor.give = func(a arrival) bool {
		i := next
		next = (next + 1) % s.loops
		x.TakenBy(i)
		// A loop that is over, after a stop, takes nobody: then the acceptor
		// holds the connection itself, and so closes it.
		return loops[1+i].take(a)
	}
	return loops, nil
}

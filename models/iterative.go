package models

import (
	"context"
	"net"

	"workbench/models/exchange"
)

// iterativeServer is one loop that holds one connection at a time.
//
//	backlog ──accept──▶ hold: read, work, respond, … close ──▶ accept the next
//	   ▲
//	   └ every other connection waits here, accepted by the kernel, seen by nobody
//
// Who accepts, reads and answers: the one loop. Connections wait in the
// kernel's backlog. It costs less CPU per request than anything else that
// blocks: no goroutine is started, no queue passed, nothing is woken.
//
// It is the first server of every textbook (Stevens, UNIX Network Programming,
// section 1.5: the daytime server) and the right one for short answers that
// need no waiting: inetd's "wait" services, control sockets, test fixtures.
//
// It breaks with the first client that takes its time: while one is silent,
// slow or kept alive, all the others wait, for as long as the exchange's
// timeouts let it. With a mean service time S it can't answer more than 1/S
// requests/s, and with high variance of S the mean wait grows by the second
// moment (Pollaczek–Khinchine).
type iterativeServer struct{}

func (iterativeServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	x.Declare(exchange.Limit{Name: "one at a time", Held: 1, Open: 1})
	for conn := range x.Accept(ctx, ln) {
		x.Hold(ctx, conn)
	}
	return x.Err()
}

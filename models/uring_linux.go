package models

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"

	"workbench/models/eventloop"
	"workbench/models/exchange"
)

// uringServer is one thread with one loop, like reactor, but it makes no system
// calls on sockets: it has the kernel make them, many at a time.
//
//	           ┌─ one system call a turn ─────────────────┐
//	           │ ask:  accept · receive · send · close    │
//	loop ────▶ ├──────────────────────────────────────────┤ ◀── backlog
//	           │ done: a connection · bytes in a buffer · │ ◀── clients
//	timers ──▶ │       what was sent · what is closed     │
//	           └──────────────────────────────────────────┘
//
// Who accepts, reads and writes: the kernel, on the loop's thread, when there is
// something to be had. It has one standing order to accept (multishot), and a
// request to receive from each connection that is listened to, into whichever of
// 256 shared buffers is free when something comes: a connection that is silent has
// no buffer, and costs little more than a reactor's, but the kernel keeps some
// hundred bytes for the request. What the loop wants done during one turn lies in
// a queue that both see, and one io_uring_enter hands all of it over and brings
// back what is done.
//
// That is a proactor (Pyarali et al., 1997): not who is ready, but what is done.
// Windows has had it as completion ports since 1994, Linux as io_uring since 2019
// (Axboe); Netty and Seastar can use it, TigerBeetle is built on it.
//
// It saves system calls where many connections have something to say at the same
// time; where one at a time does, there is a turn for each, as with epoll. It breaks
// with whatever takes CPU, as reactor does. And what is with the kernel belongs to
// the kernel: memory must stay as it is, and a connection can be closed only after
// what it has asked for was called back. Systems that don't trust so large an
// interface switch it off, as many container runtimes do: see Available.
//
// Rejected: a standing order to receive, which saves a request for each answer, but
// reads ahead of a client that sends without waiting for answers; descriptors of
// the ring's own, which no other tool can see, and no other model has; a kernel
// thread that polls the queue, which is a second CPU.
type uringServer struct{ entries int }

func newUring(s Spec) Server { return uringServer{entries: s.Int("entries")} }

func (s uringServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	fd, err := ownDescriptor(ln)
	if err != nil {
		return err
	}
	l, err := newRingLoop(x, fd, s.entries)
	if err != nil {
		eventloop.Close(fd)
		return fmt.Errorf("uring: %w", elsewhere(err))
	}
	l.run(ctx)
	return x.Err()
}

// uringAble says why this system can't run uring; nil if it can.
var uringAble = sync.OnceValue(probeRing)

func probeRing() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ring, err := eventloop.NewRing(8, 8, exchange.OnceRead)
	if err != nil {
		return elsewhere(err)
	}
	ring.Close()
	return nil
}

// elsewhere says what to do about an error, if it is one that another try won't
// mend.
func elsewhere(err error) error {
	if errors.Is(err, eventloop.ErrNoRing) {
		return fmt.Errorf("%w; take model reactor", err)
	}
	return err
}

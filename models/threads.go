package models

import (
	"context"
	"net"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"

	"workbench/models/exchange"
)

// threadsServer has a thread of the operating system for each connection.
//
//	backlog ──accept──▶ clone ──▶ thread: hold ──▶ exit
//	   ▲                      ──▶ thread: hold ──▶ exit     at most limit
//	   └ the rest waits here
//
// Who accepts: one loop, once there is room for another thread. Who reads and
// answers: a goroutine that has locked itself to its thread and never unlocks,
// so that nothing else runs there and the thread ends with the connection.
//
// It is the classic that goroutines replaced: Java's server sockets for twenty
// years, MySQL's thread per connection, the one thread per client of Stevens
// (UNIX Network Programming, chapter 30). Von Behren et al. (2003) defended
// it: "Why events are a bad idea".
//
// It costs a clone and an exit for each connection, some 70 µs here where a
// goroutine is started and ended in 1; some 32 KiB of memory beside the
// goroutine's, half of them the kernel's stack; and with each wake-up a switch
// between threads, where another goroutine would just be resumed (there and back
// 25 µs, against 0.4). A C server's thread waits in read. Here Go's poller still
// does the waiting, and the thread sleeps on a futex until whoever finds that
// its goroutine may go on hands it over: two switches for one, so that this is a
// dear edition of the classic, with costs of the same kind.
//
// It breaks where connections are many and short, since clone is then most of
// the work, and where they are many and idle, by memory and by the limits on
// threads: kernel.threads-max, ulimit -u, and Go's own of 10,000 in a process,
// past which the runtime ends the program. Hence the limit, and a place is taken
// before the accept.
type threadsServer struct{ limit int }

func newThreads(s Spec) Server { return threadsServer{limit: s.Int("limit")} }

func (s threadsServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	limit := int64(s.limit)
	x.Declare(exchange.Limit{Name: "threads", Held: limit, Open: limit})
	places := semaphore.NewWeighted(limit)
	var wg sync.WaitGroup
	for conn := range x.AcceptWhen(ctx, ln, func() bool { return places.Acquire(ctx, 1) == nil }) {
		wg.Go(func() {
			runtime.LockOSThread() // for good: see above
			x.Hold(ctx, conn)
			places.Release(1)
		})
	}
	wg.Wait()
	return x.Err()
}

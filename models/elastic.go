package models

import (
	"context"
	"net"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"workbench/models/exchange"
)

// elasticServer has a pool of workers that grows and shrinks with the load.
//
//	                   ┌──▶ an idle worker, the one that was busy last ─┐
//	backlog ──accept───┤                                                ├▶ hold
//	   ▲               └──▶ a new worker, if nobody is idle ────────────┘    │
//	   │                                                                     ▼
//	   └ at max: the rest waits here                    top  ▒▒▒▒▒▒▒▒▒▒  idle workers
//	                                                 bottom  ▒▒▒▒▒▒▒▒▒▒ ──▶ idle for too long: ends
//
// Who accepts: one loop, while fewer than max connections are held. Who reads
// and answers: a worker, from the first byte to the close. Idle workers are a
// stack: the last one to have been busy has the warmest stack and cache, and is
// used first; the others sink, and those at the bottom have done nothing for
// longest. In a queue each would get its turn, and none would ever end.
//
// It is valyala/fasthttp's worker pool, Java's cached thread pool, Apache's
// spare threads. Against a goroutine for each connection it saves the growing
// of a new stack, which a worker has grown already, and pays for it by handing
// the connection over: a lock taken twice, a channel, and a worker to be woken.
//
// Who ends idle workers is one timer for all. The stack is sorted by time, so
// that only its bottom must be looked at; and the timer is left alone while
// workers come and go, and set again only when it strikes. A timer for each
// worker would be set and stopped with each connection.
//
// It breaks like the pool does, at max. Below, it is goroutine-per-connection
// with a little more to do: what it saves must be worth more than a hand-over,
// which it is where stacks are deep and connections short.
type elasticServer struct {
	max  int
	idle time.Duration
}

func newElastic(s Spec) Server {
	return elasticServer{max: s.Int("max"), idle: time.Duration(s.Int("idle")) * time.Millisecond}
}

func (s elasticServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	most := int64(s.max)
	x.Declare(exchange.Limit{Name: "workers", Held: most, Open: most})
	places := semaphore.NewWeighted(most)
	idle := idleWorkers{patience: s.idle}
	var workers sync.WaitGroup
	for conn := range x.AcceptWhen(ctx, ln, func() bool { return places.Acquire(ctx, 1) == nil }) {
		w, fresh := idle.take()
		if fresh {
			workers.Go(func() {
				for conn := range w.next {
					x.HoldBy(ctx, w.number, conn)
					idle.put(w)
					places.Release(1) // only now: a place means a worker that is idle, or a number for a new one
				}
			})
		}
		w.next <- conn
	}
	idle.dismiss()
	workers.Wait()
	return x.Err()
}

// idleWorkers are a stack.
type idleWorkers struct {
	patience time.Duration // how long a worker may be idle

	mu    sync.Mutex
	stack []*elasticWorker // from the bottom to the top
	free  []int            // numbers of workers that have ended
	made  int              // numbers given out in all
	timer *time.Timer      // that ends workers; nil while nobody is idle
	over  bool
}

// An elasticWorker is what is known of a worker.
type elasticWorker struct {
	number int                 // its own among those that there are
	next   chan *exchange.Conn // its next connection; closed to have it end
	since  time.Time           // when it became idle
}

// take returns the worker that is to have the next connection. A fresh one must
// be started.
func (s *idleWorkers) take() (w *elasticWorker, fresh bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if top := len(s.stack) - 1; top >= 0 {
		w = s.stack[top]
		s.stack = s.stack[:top]
		return w, false
	}
	// There is room for one connection, so that giving it one never blocks,
	// though it may not wait for it yet.
	w = &elasticWorker{next: make(chan *exchange.Conn, 1)}
	if last := len(s.free) - 1; last >= 0 {
		w.number, s.free = s.free[last], s.free[:last]
	} else {
		w.number = s.made
		s.made++
	}
	return w, true
}

// put says that a worker has become idle.
func (s *idleWorkers) put(w *elasticWorker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		close(w.next)
		return
	}
	w.since = time.Now()
	s.stack = append(s.stack, w)
	if s.timer == nil {
		s.timer = time.AfterFunc(s.patience, s.shrink)
	}
}

// shrink ends the workers that have been idle for too long.
func (s *idleWorkers) shrink() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, n := time.Now(), 0
	for n < len(s.stack) && now.Sub(s.stack[n].since) >= s.patience {
		s.end(s.stack[n])
		n++
	}
	s.stack = slices.Delete(s.stack, 0, n)
	s.timer = nil
	if len(s.stack) > 0 {
		s.timer = time.AfterFunc(s.stack[0].since.Add(s.patience).Sub(now), s.shrink)
	}
}

// dismiss ends the idle workers, and the others when they become idle.
func (s *idleWorkers) dismiss() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, w := range s.stack {
		s.end(w)
	}
	s.stack = nil
	if s.timer != nil {
		s.timer.Stop()
	}
}

func (s *idleWorkers) end(w *elasticWorker) {
	close(w.next)
	s.free = append(s.free, w.number)
}

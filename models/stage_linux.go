package models

import (
	"context"
	"sync"

	"workbench/models/exchange"
)

// A stage is a bounded queue of connections that a loop has handed over, and
// goroutines that take from it.
type stage struct {
	queue  chan *conn
	length *exchange.Queue
}

// newStage returns a stage before which size connections may wait; the length of
// its queue is counted under name.
func newStage(x *exchange.Exchange, name string, size int) *stage {
	return &stage{queue: make(chan *conn, size), length: x.Queue(name)}
}

// put puts a connection into the queue. It blocks while that is full; who waits
// at the door is counted as in the queue.
func (s *stage) put(c *conn) {
	s.length.Enters(1)
	s.queue <- c
}

// staff has n goroutines of wg take connections of l from the queue, one after
// the other, and do with each what has to be done, until the stage is closed.
// They must pass it on or give it back.
func (s *stage) staff(ctx context.Context, wg *sync.WaitGroup, l *loop, n int, do func(*tools, *conn)) {
	for range n {
		wg.Go(func() {
			w := l.newTools(ctx)
			for c := range s.queue {
				s.length.Leaves()
				w.d.Tick()
				do(&w, c)
			}
		})
	}
}

// close ends the stage. Nobody may put anything any more.
func (s *stage) close() { close(s.queue) }

// sendAll sends what the connection has to send, as far as there is room, and
// stops behind an answer: what the client has sent behind its request is not the
// business of whoever answers it.
func (w *tools) sendAll(c *conn) {
	for w.d.Next(&c.talk) == exchange.ToSend && c.room {
		w.send(c)
		if !c.talk.Sending() {
			return
		}
	}
}

// receiveAll receives what there is, until something else is to be done, and
// says what that is: ToReceive where there is nothing more, or the connection
// has had its share.
func (w *tools) receiveAll(c *conn) (step exchange.Step) {
	for range share {
		if step = w.d.Next(&c.talk); step != exchange.ToReceive || !c.ready {
			break
		}
		w.receive(c)
	}
	return step
}

package exchange

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats are an exchange's counts so far.
type Stats struct {
	At             time.Time     // when these were the counts
	Accepted       int64         // connections taken from the listener
	Open           int64         // of these, not closed yet
	OpenPeak       int64         // the most at once
	Held           int64         // connections in a conversation
	HeldPeak       int64         // the most at once
	WaitingPeak    int64         // the most that were accepted and neither held nor turned away
	Rejected       int64         // connections answered 503 because the model was full
	Requests       int64         // answers written whole, errors included
	Panics         int64         // of the work
	AcceptBackoffs int64         // times that accept found no descriptor and waited
	Timeouts       int64         // connections that lost their place for being slow
	HeldTime       time.Duration // sum over connections of the time they were held
	Limit          Limit         // as declared
	Workers        []Worker      // as declared
}

// A Limit is a bound that a model keeps; models without one declare none.
type Limit struct {
	Name string // what is bounded: "workers", "goroutines", "one at a time"
	Held int64  // connections held at once; 0 for no limit
	Open int64  // connections accepted and not closed at once, those that are turned away, or about to be, aside; 0 for no limit
}

// A Worker is one of the workers that a model declared.
type Worker struct {
	Holds  uint64 // number of the connection that it holds, 0 for none
	Served int64  // connections that it has finished
}

// counters are what the exchange counts for every model. What belongs together
// is under one lock, taken three times in a connection's life: reading the
// held connections and the time they were held one by one, without a lock,
// would now and then be wrong by the age of the server.
type counters struct {
	mu       sync.Mutex
	accepted int64
	rejected int64
	open     gauge // accepted and not closed
	held     gauge // in a conversation
	turning  int64 // open ones that are being turned away
	waiting  int64 // most ever
	heldArea int64 // ∫ held dt until heldAt, ns
	heldAt   int64 // ns since epoch
	limit    Limit
	workers  []Worker

	requests atomic.Int64
	panics   atomic.Int64
	backoffs atomic.Int64
	timeouts atomic.Int64
}

// A gauge is a number that goes up and down, and the most that it was.
type gauge struct{ now, most int64 }

func (g *gauge) inc() {
	g.now++
	g.most = max(g.most, g.now)
}

func (g *gauge) dec() { g.now-- }

// Declare says what bounds the model keeps. Where l.Name is "workers" there
// are l.Held of them, and HoldBy is told which one it is. A model calls it at
// the beginning of Serve.
func (x *Exchange) Declare(l Limit) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.limit = l
	if l.Name == "workers" {
		x.workers = make([]Worker, l.Held)
	}
}

// Stats returns the counts so far.
func (x *Exchange) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.heldChanges()
	return Stats{
		At:             x.epoch.Add(time.Duration(x.heldAt)),
		Accepted:       x.accepted,
		Open:           x.open.now,
		OpenPeak:       x.open.most,
		Held:           x.held.now,
		HeldPeak:       x.held.most,
		WaitingPeak:    x.waiting,
		Rejected:       x.rejected,
		Requests:       x.requests.Load(),
		Panics:         x.panics.Load(),
		AcceptBackoffs: x.backoffs.Load(),
		Timeouts:       x.timeouts.Load(),
		HeldTime:       time.Duration(x.heldArea),
		Limit:          x.limit,
		Workers:        append([]Worker(nil), x.workers...),
	}
}

// ResetPeaks lets the peaks begin anew, from what is open and held now.
func (x *Exchange) ResetPeaks() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open.most, x.held.most = x.open.now, x.held.now
	x.waiting = x.open.now - x.held.now - x.turning
}

// heldChanges is called, under the lock, before the held connections change.
func (x *Exchange) heldChanges() {
	now := int64(time.Since(x.epoch))
	x.heldArea += x.held.now * (now - x.heldAt)
	x.heldAt = now
}

// opened counts a connection that was accepted, and numbers it.
func (x *Exchange) opened(c *Conn) {
	x.mu.Lock()
	x.accepted++
	c.id = uint64(x.accepted)
	x.all[c] = struct{}{}
	x.open.inc()
	x.waiting = max(x.waiting, x.open.now-x.held.now-x.turning)
	x.mu.Unlock()
}

// holds counts a connection whose conversation begins.
func (x *Exchange) holds(c *Conn) {
	x.mu.Lock()
	x.heldChanges()
	x.held.inc()
	if c.worker >= 0 {
		x.workers[c.worker].Holds = c.id
	}
	x.mu.Unlock()
}

// turns counts a connection that is turned away.
func (x *Exchange) turns() {
	x.mu.Lock()
	x.rejected++
	x.turning++
	x.leaving++
	x.mu.Unlock()
}

// closed counts a connection that was held, or turned away.
func (x *Exchange) closed(c *Conn, held bool) {
	x.mu.Lock()
	delete(x.all, c)
	x.open.dec()
	if held {
		x.heldChanges()
		x.held.dec()
	} else {
		x.turning--
	}
	if c.worker >= 0 {
		x.workers[c.worker].Holds = 0
		x.workers[c.worker].Served++
	}
	x.mu.Unlock()
}

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
	AtWork         int64         // requests whose work is being done, of models that bound them (Limit.Work)
	AtWorkPeak     int64         // the most at once
	WorkTime       time.Duration // sum over these requests of the time that their work took
	Limit          Limit         // as declared
	Workers        []Worker      // as declared
	Queues         []QueueLength // as declared
	Spread         Spread        // as declared
	Processes      []int         // numbers of the child processes that there are now, whose counts are in the figures above; nil of a model that has none
	Starting       int           // child processes that are to serve, and don't yet
}

// A Limit is a bound that a model keeps; models without one declare none.
type Limit struct {
	Name string // what is bounded: "workers", "goroutines", "one at a time"
	Held int64  // connections held at once; 0 for no limit
	Open int64  // connections accepted and not closed at once, those that are turned away, or about to be, aside; 0 for no limit
	Work int64  // requests at work at once; 0 for no limit
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
	work     gauge // requests at work
	workArea int64 // ∫ work dt until workAt, ns
	workAt   int64 // ns since epoch
	queues   []*Queue
	spread   string         // what connections are spread over
	taken    []atomic.Int64 // by each part of it

	*tally

	family *Family // whose leader this is, or nil
	member *member // of a family of processes, or nil
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

// A Queue is a queue inside of a model, such as that between two stages, whose
// length is to be seen. What waits in the listener's backlog, and connections
// that wait to be held, are counted without one.
type Queue struct {
	name      string
	now, most atomic.Int64
}

// Queue declares a queue of that name. A model calls it at the beginning of
// Serve.
func (x *Exchange) Queue(name string) *Queue {
	q := &Queue{name: name}
	x.mu.Lock()
	x.queues = append(x.queues, q)
	x.mu.Unlock()
	return q
}

// Enters counts n that enter the queue. It must be called before whoever takes
// them can call Leaves.
func (q *Queue) Enters(n int) {
	now := q.now.Add(int64(n))
	for most := q.most.Load(); now > most && !q.most.CompareAndSwap(most, now); most = q.most.Load() {
	}
}

// Leaves counts one that leaves it, which is before anything is done with it.
func (q *Queue) Leaves() { q.now.Add(-1) }

// A QueueLength is how long a queue is, and how long it was at most.
type QueueLength struct {
	Name      string
	Now, Peak int64
}

// A Spread is how connections came out spread over parts of a model that don't
// help each other, such as listeners of their own: with some chance unevenly.
type Spread struct {
	Name  string  // of the parts, in the plural: "shards", "loops"; "" for no such parts
	Taken []int64 // connections that each has taken
}

// SpreadOver declares that connections are spread over n parts. A model calls it
// at the beginning of Serve.
func (x *Exchange) SpreadOver(name string, n int) {
	x.mu.Lock()
	x.spread, x.taken = name, make([]atomic.Int64, n)
	x.mu.Unlock()
}

// TakenBy counts a connection that a part has taken.
func (x *Exchange) TakenBy(part int) { x.taken[part].Add(1) }

// Stats returns the counts so far.
func (x *Exchange) Stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	now := x.now() // the two times are sums over the same span
	x.heldUntil(now)
	x.workUntil(now)
	st := Stats{
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
		AtWork:         x.work.now,
		AtWorkPeak:     x.work.most,
		WorkTime:       time.Duration(x.workArea),
		Limit:          x.limit,
		Workers:        append([]Worker(nil), x.workers...),
		Spread:         Spread{Name: x.spread},
	}
	for _, q := range x.queues {
		st.Queues = append(st.Queues, QueueLength{q.name, q.now.Load(), q.most.Load()})
	}
	for i := range x.taken {
		st.Spread.Taken = append(st.Spread.Taken, x.taken[i].Load())
	}
	if x.family != nil {
		x.family.addTo(&st)
	}
	return st
}

// ResetPeaks lets the peaks begin anew, from what is open and held now.
func (x *Exchange) ResetPeaks() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.open.most, x.held.most = x.open.now, x.held.now
	x.waiting = x.open.now - x.held.now - x.turning
	x.work.most = x.work.now
	for _, q := range x.queues {
		q.most.Store(q.now.Load())
	}
	if x.family != nil {
		x.family.resetPeaks()
	}
}

// heldChanges is called, under the lock, before the held connections change.
func (x *Exchange) heldChanges() { x.heldUntil(x.now()) }

func (x *Exchange) heldUntil(now int64) {
	x.heldArea += x.held.now * (now - x.heldAt)
	x.heldAt = now
}

// workChanges is called, under the lock, before the requests at work change.
func (x *Exchange) workChanges() { x.workUntil(x.now()) }

func (x *Exchange) workUntil(now int64) {
	x.workArea += x.work.now * (now - x.workAt)
	x.workAt = now
}

// opened counts a connection that was accepted, and numbers it. c is nil for one
// whose driver keeps its own.
func (x *Exchange) opened(c *Conn) (id uint64) {
	x.mu.Lock()
	x.member.begins()
	x.accepted++
	id = x.number()
	if c != nil {
		x.all[c] = struct{}{}
	}
	x.open.inc()
	x.waiting = max(x.waiting, x.open.now-x.held.now-x.turning)
	x.member.writes(&x.counters, oneOpen)
	x.mu.Unlock()
	return id
}

// number is that of the connection that was counted just now.
func (c *counters) number() uint64 {
	if c.member != nil {
		return c.member.number()
	}
	return uint64(c.accepted)
}

// holds counts a connection whose conversation begins.
func (x *Exchange) holds(id uint64, worker int) {
	x.mu.Lock()
	x.member.begins()
	x.heldChanges()
	x.held.inc()
	x.member.writes(&x.counters, oneHeld)
	if worker >= 0 {
		x.workers[worker].Holds = id
	}
	x.mu.Unlock()
}

// turns counts a connection that is turned away.
func (x *Exchange) turns() {
	x.mu.Lock()
	x.member.begins()
	x.rejected++
	x.turning++
	x.member.writes(&x.counters, oneTurning)
	x.leaving++
	x.mu.Unlock()
}

// closed counts a connection that was held, or turned away. c is nil for one
// whose driver keeps its own.
func (x *Exchange) closed(c *Conn, worker int, held bool) {
	x.mu.Lock()
	if c != nil {
		delete(x.all, c)
	}
	x.member.begins()
	x.open.dec()
	if held {
		x.heldChanges()
		x.held.dec()
		x.member.writes(&x.counters, -oneOpen-oneHeld)
	} else {
		x.turning--
		x.member.writes(&x.counters, -oneOpen-oneTurning)
	}
	if worker >= 0 {
		x.workers[worker].Holds = 0
		x.workers[worker].Served++
	}
	x.mu.Unlock()
}

// worksOn counts a request whose work begins, if the model bounds them.
func (x *Exchange) worksOn() {
	x.mu.Lock()
	if x.limit.Work > 0 {
		x.workChanges()
		x.work.inc()
	}
	x.mu.Unlock()
}

// worksOff counts a request whose work ends.
func (x *Exchange) worksOff() {
	x.mu.Lock()
	if x.limit.Work > 0 {
		x.workChanges()
		x.work.dec()
	}
	x.mu.Unlock()
}

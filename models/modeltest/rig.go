package modeltest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"workbench/models"
	"workbench/models/exchange"
)

// A rig is what a check works with: the subject, and how many connections it
// takes at once.
type rig struct {
	Subject
	ctx   context.Context
	check string // its name

	// What is promised, or where nothing is, what the model declares.
	held, open, work int
	declared         exchange.Limit
}

func (s Subject) rig(ctx context.Context) *rig {
	if s.Patience == 0 {
		s.Patience = 10 * time.Second
	}
	return &rig{Subject: s, ctx: ctx}
}

// speaks reports whether the model can hold a conversation.
func (r *rig) speaks(conversation string) bool { return r.Unable[conversation] == "" }

// excused reports whether the model needn't pass a row of the check.
func (r *rig) excused(row string) bool { return r.Excused[r.check+": "+row] != "" }

// learn starts the subject for one request, to see what it declares.
func (r *rig) learn() error {
	s, err := r.start(r.patient())
	if err != nil {
		return err
	}
	defer s.abandon()
	if err := s.ask(0, ""); err != nil {
		return fmt.Errorf("the first request: %w", err)
	}
	r.declared = s.x.Stats().Limit
	r.held, r.open, r.work = r.Held, r.Open, r.Work
	if r.held == 0 {
		r.held = int(r.declared.Held)
	}
	if r.open == 0 {
		r.open = int(r.declared.Open)
	}
	if r.work == 0 {
		r.work = int(r.declared.Work)
	}
	return nil
}

// room is how many connections the subject holds at once, at most n.
func (r *rig) room(n int) int {
	if r.held > 0 {
		return min(n, r.held)
	}
	return n
}

// roomAtWork is how many requests the subject works on at once, at most n.
func (r *rig) roomAtWork(n int) int {
	if r.work > 0 {
		n = min(n, r.work)
	}
	return r.room(n)
}

// patient are settings with which nobody runs out of time.
func (r *rig) patient() exchange.Options {
	return exchange.Options{
		Conversation:  exchange.HTTP,
		HeadTimeout:   2 * r.Patience,
		BodyTimeout:   2 * r.Patience,
		WriteTimeout:  2 * r.Patience,
		IdleTimeout:   2 * r.Patience,
		Grace:         50 * time.Millisecond,
		LingerTimeout: r.Patience,
		LingerBytes:   4 << 20,
		SpinPerUs:     100, // not calibrated: how much is spun doesn't matter here
	}
}

// hurried are settings in which one timeout is so short that a check can wait
// for it. The others stay long, so that none can pass for it, and nobody is
// late by accident on a busy machine.
func (r *rig) hurried(short timeout) exchange.Options {
	o := r.patient()
	*short(&o) = 500 * time.Millisecond
	o.LingerTimeout = 200 * time.Millisecond
	return o
}

// A timeout is one of an exchange's.
type timeout func(*exchange.Options) *time.Duration

func headTimeout(o *exchange.Options) *time.Duration  { return &o.HeadTimeout }
func bodyTimeout(o *exchange.Options) *time.Duration  { return &o.BodyTimeout }
func idleTimeout(o *exchange.Options) *time.Duration  { return &o.IdleTimeout }
func writeTimeout(o *exchange.Options) *time.Duration { return &o.WriteTimeout }

func inOnce(o exchange.Options) exchange.Options {
	o.Conversation = exchange.Once
	return o
}

// A server is the subject at work, watched.
type server struct {
	*rig
	watch
	x        *exchange.Exchange
	ln       *net.TCPListener
	addr     string
	cancel   context.CancelFunc
	spoil    func() error  // makes the listener fail; of servers that were started to see it
	stopped  time.Time     // when the stop was asked for
	returned chan struct{} // closed when Serve has returned
	err      error         // what it returned
	left     int           // connections that were open then
}

// start starts the subject. It needs no probe to be ready: from when it is
// listening, the kernel connects clients. Those that are given in also are
// told each moment, and may panic.
func (r *rig) start(o exchange.Options, also ...func(exchange.Moment)) (*server, error) {
	return r.startIn(r.ctx, o, also...)
}

// startFragile is start of a server whose listener can be made to fail.
func (r *rig) startFragile(o exchange.Options) (*server, error) {
	ln, err := models.Listen(r.ctx, "127.0.0.1:0", 0)
	if err != nil {
		return nil, err
	}
	spoil, err := spoiler(ln)
	if err != nil {
		return nil, err
	}
	s, err := r.startOn(r.ctx, ln, o)
	if err == nil {
		s.spoil = spoil
	}
	return s, err
}

func (r *rig) startIn(ctx context.Context, o exchange.Options, also ...func(exchange.Moment)) (*server, error) {
	ln, err := models.Listen(r.ctx, "127.0.0.1:0", 0)
	if err != nil {
		return nil, err
	}
	return r.startOn(ctx, ln, o, also...)
}

func (r *rig) startOn(ctx context.Context, ln *net.TCPListener, o exchange.Options, also ...func(exchange.Moment)) (*server, error) {
	x, err := exchange.New(o)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &server{rig: r, x: x, ln: ln, addr: ln.Addr().String(), cancel: cancel, returned: make(chan struct{})}
	x.Observe(func(m exchange.Moment) {
		s.note(m)
		for _, f := range also {
			f(m)
		}
	})
	model := r.New()
	go func() {
		defer close(s.returned)
		defer func() {
			if p := recover(); p != nil {
				s.err = fmt.Errorf("panic in Serve: %v", p)
			}
			s.left = s.count(exchange.Accepted) - s.count(exchange.Closed)
		}()
		s.err = model.Serve(ctx, ln, x)
	}()
	return s, nil
}

// askToStop ends the context.
func (s *server) askToStop() {
	s.stopped = time.Now()
	s.cancel()
}

// stop asks for a stop, if that has not been done, and waits for Serve. It
// says how long the stop took, and fails if Serve doesn't return, returns an
// error, or leaves connections.
func (s *server) stop() (took time.Duration, err error) {
	if s.stopped.IsZero() {
		s.askToStop()
	}
	if !s.ended(s.x.Options().Grace + s.Patience) {
		return 0, fmt.Errorf("Serve has not returned %v after the stop, with a grace of %v", since(s.stopped), s.x.Options().Grace)
	}
	took = time.Since(s.stopped)
	if s.err != nil {
		return took, fmt.Errorf("after a stop Serve returned %q, not nil", s.err)
	}
	if s.left != 0 {
		return took, fmt.Errorf("when Serve returned after the stop, %d connections were still open", s.left)
	}
	return took, nil
}

// ended waits for Serve to return.
func (s *server) ended(within time.Duration) bool {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case <-s.returned:
		return true
	case <-t.C:
		return false
	}
}

// abandon ends a server whose stop is not what the check is about.
func (s *server) abandon() {
	s.cancel()
	s.ended(s.x.Options().Grace + time.Second)
	_ = s.ln.Close() // for one that has missed its stop
}

// gone reports whether Serve has returned.
func (s *server) gone() bool {
	select {
	case <-s.returned:
		return true
	default:
		return false
	}
}

// explain adds to an error that the server is gone, where it is.
func (s *server) explain(err error) error {
	if err != nil && s.gone() {
		return fmt.Errorf("%w (Serve had returned: %v)", err, s.err)
	}
	return err
}

// A watch counts what happens to connections, independently of the exchange's
// own counts.
type watch struct {
	mu      sync.Mutex
	seen    [exchange.Closed + 1]int // by event
	read    int64                    // bytes
	log     []entry                  // all but what was read
	changed chan struct{}            // closed at the next moment; nil while nobody waits
}

// An entry is a moment, without what was read.
type entry struct {
	event  exchange.Event
	conn   uint64
	worker int
	at     time.Time
}

func (w *watch) note(m exchange.Moment) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[m.Event]++
	if m.Event == exchange.Read {
		w.read += int64(len(m.Bytes))
	} else {
		w.log = append(w.log, entry{m.Event, m.Conn, m.Worker, now})
	}
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// await waits until reached, which is called with the watch locked, is true.
func (s *server) await(what string, reached func(*watch) bool) error {
	timeout := time.NewTimer(s.Patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		if reached(&s.watch) {
			s.mu.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed, seen := s.changed, s.seen
		s.mu.Unlock()
		select {
		case <-changed:
		case <-s.ctx.Done():
			return s.ctx.Err()
		case <-timeout.C:
			return s.explain(fmt.Errorf("waited %v in vain for %s (so far: %d connections accepted, %d held, %d closed)",
				s.Patience, what, seen[exchange.Accepted], seen[exchange.Held], seen[exchange.Closed]))
		}
	}
}

// awaitSeen waits until an event has been seen n times.
func (s *server) awaitSeen(e exchange.Event, n int, what string) error {
	return s.await(what, func(w *watch) bool { return w.seen[e] >= n })
}

// awaitEmpty waits until every connection that was accepted is closed.
func (s *server) awaitEmpty() error {
	return s.await("every connection to be closed, since every client has gone", func(w *watch) bool {
		return w.seen[exchange.Accepted] == w.seen[exchange.Closed]
	})
}

// count is how many moments of one kind there were.
func (w *watch) count(e exchange.Event) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[e]
}

// first is when there was the first moment of one kind, but Read, of a
// connection, or of any if conn is 0; the zero time if there was none.
func (w *watch) first(event exchange.Event, conn uint64) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.log {
		if e.event == event && (conn == 0 || e.conn == conn) {
			return e.at
		}
	}
	return time.Time{}
}

// peaks replays the log: how many connections were held, and open, at once.
// Those that were turned away are left out, which is known of a connection
// only afterwards. It fails if a worker held two at once.
func (w *watch) peaks() (held, open int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	turnedAway := map[uint64]bool{}
	for _, e := range w.log {
		if e.event == exchange.TurnedAway {
			turnedAway[e.conn] = true
		}
	}
	var heldNow, openNow int
	isHeld, holds := map[uint64]bool{}, map[int]uint64{}
	for _, e := range w.log {
		if turnedAway[e.conn] {
			continue
		}
		switch e.event {
		case exchange.Accepted:
			openNow++
		case exchange.Held:
			heldNow++
			isHeld[e.conn] = true
			if other := holds[e.worker]; e.worker >= 0 && other != 0 {
				err = fmt.Errorf("worker %d held connections %d and %d at once", e.worker, other, e.conn)
			}
			holds[e.worker] = e.conn
		case exchange.Closed:
			openNow--
			if isHeld[e.conn] {
				heldNow--
			}
			if holds[e.worker] == e.conn {
				holds[e.worker] = 0
			}
		}
		held, open = max(held, heldNow), max(open, openNow)
	}
	return held, open, err
}

// atWork replays the log: how many requests were at work at once.
func (w *watch) atWork() (most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := 0
	for _, e := range w.log {
		switch e.event {
		case exchange.Working:
			now++
			most = max(most, now)
		case exchange.Worked, exchange.Panicked:
			now--
		}
	}
	return most
}

// servers is how many servers may be started at once, at most n.
func (r *rig) servers(n int) int {
	if r.Forks {
		n = min(n, 2)
	}
	return n
}

// parallel calls f with 0 to n-1, at most limit at once, waits for all, and
// returns the first error.
func parallel(n, limit int, f func(i int) error) error {
	var group errgroup.Group
	group.SetLimit(limit)
	for i := range n {
		group.Go(func() error { return f(i) })
	}
	return group.Wait()
}

// since is the time passed, as one says it.
func since(t time.Time) time.Duration { return time.Since(t).Round(time.Millisecond) }

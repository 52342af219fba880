package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Guests is the listener of a server that brings its own reading and writing:
// one that people use, to compare the models with. What the exchange does for
// such a server is little: it accepts, as it does for every model, it counts,
// it does the work that requests ask for, and at a stop it closes connections
// on which no request is at work. How a request is read and an answer is made,
// what is refused and in which words, is the guest's affair.
//
//	guests := x.Invite(ctx, ln)
//	err := server.Serve(guests)
//	return guests.Leave(err, server.Shutdown)
//
// Each connection is a [Guest]. It counts by watching what passes: it costs two
// short locks for a request, and no copy of anything.
type Guests struct {
	// ReadsOn says that the guest reads from a connection while it answers, so
	// that a read doesn't mean that all was written before: it must say Written.
	// It is set before the first Accept.
	ReadsOn bool

	x       *Exchange
	ctx     context.Context
	ln      *net.TCPListener
	backoff time.Duration // of the last try to accept
	woken   func() bool   // takes back what wakes Accept at a stop

	mu   sync.Mutex
	here map[*Guest]struct{} // open connections
	busy sync.WaitGroup      // of connections that are open, and requests at work
}

// Invite returns ln as a listener for a guest. When ctx is done, or the
// listener fails, Accept returns an error from then on.
func (x *Exchange) Invite(ctx context.Context, ln *net.TCPListener) *Guests {
	x.stopWith(ctx)
	return &Guests{
		x: x, ctx: ctx, ln: ln,
		woken: context.AfterFunc(ctx, func() { _ = ln.SetDeadline(past) }),
		here:  make(map[*Guest]struct{}),
	}
}

// Accept returns the next connection, a [*Guest]. Where descriptors have run
// out it waits, as the exchange does for every model, since what servers do
// then differs from a pause to the end of the service. It is for one goroutine.
func (gs *Guests) Accept() (net.Conn, error) {
	if gs.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	nc, err := gs.x.accept(gs.ctx, gs.ln, &gs.backoff)
	switch {
	case err == nil:
		return gs.arrives(nc), nil
	case gs.ctx.Err() != nil:
		return nil, net.ErrClosed
	}
	err = fmt.Errorf("accept on %v: %w", gs.ln.Addr(), err)
	gs.x.AcceptFailed(err)
	return nil, err
}

// Close closes the listener. It may be called again.
func (gs *Guests) Close() error {
	if err := gs.ln.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Addr is the listener's address.
func (gs *Guests) Addr() net.Addr { return gs.ln.Addr() }

func (gs *Guests) arrives(nc stream) *Guest {
	g := &Guest{stream: nc, all: gs}
	gs.busy.Add(1)
	g.id = gs.x.opened(nil)
	gs.mu.Lock()
	gs.here[g] = struct{}{}
	gs.mu.Unlock()
	g.moment(Moment{Event: Accepted})
	gs.x.holds(g.id, -1)
	g.moment(Moment{Event: Held})
	return g
}

// Leave ends the service, and returns what Serve of a model returns. served is
// what the guest's own Serve returned; it matters only if there was neither a
// stop nor a fault of the listener. shutdown is the guest's way to end in
// order, until its context is done. After the grace whatever is open is closed.
// Leave returns when no connection is open and no request at work.
func (gs *Guests) Leave(served error, shutdown func(context.Context) error) error {
	x := gs.x
	if gs.ctx.Err() == nil && x.Err() == nil {
		x.AcceptFailed(fmt.Errorf("the server ended by itself: %v", served))
	}
	x.stop()
	gs.woken()
	_ = gs.ln.Close() // whoever still waits in the backlog is told at once
	for _, g := range gs.open() {
		g.closeAtRest()
	}
	grace, cancel := context.WithDeadline(context.WithoutCancel(gs.ctx), x.epoch.Add(time.Duration(x.graceEnd.Load())))
	defer cancel()
	over := context.AfterFunc(grace, func() {
		<-x.graceOver // the same moment, on another timer
		for _, g := range gs.open() {
			g.cutOff()
		}
	})
	defer over()
	_ = shutdown(grace) // past the grace it knows no more than we do
	gs.busy.Wait()
	return x.Err()
}

// open are the connections that are open.
func (gs *Guests) open() []*Guest {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return slices.Collect(maps.Keys(gs.here))
}

// A Guest is a connection that a guest reads, writes and closes. Its handler
// says Begin when a request was read whole and End when its answer is made;
// what is written between requests is a refusal that the library made by
// itself.
type Guest struct {
	stream
	all *Guests
	id  uint64

	aborted atomic.Bool // the guest ended its own read by a deadline that is long past

	mu       sync.Mutex
	begun    bool  // a request is at work
	made     int64 // answers that may be on their way, and aren't counted yet
	failed   bool  // something could not be written
	rested   bool  // a stop found it without a request
	timedOut bool
	closed   bool
}

// Begin says that a request was read whole. At a stop, connections on which no
// request has begun are closed; it reports false if that has happened: the
// request must then have no effect. Else End must follow.
func (g *Guest) Begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || g.rested {
		return false
	}
	g.begun = true
	g.all.busy.Add(1)
	return true
}

// End says that the answer is made, if not yet written.
func (g *Guest) End() {
	g.mu.Lock()
	g.begun = false
	g.made++
	g.mu.Unlock()
	g.all.busy.Done()
}

// ErrCalledOff says that the grace was over before the work was: the connection
// is closed, and there is nobody to answer to.
var ErrCalledOff = errors.New("the work was called off at the end of the grace")

// Perform does the work that a request asks for, between Begin and End, and
// says how long it took. It blocks for as long. Any error but ErrCalledOff is a
// panic of the work, which costs the connection: the answer is a 500.
func (g *Guest) Perform(w Work) (took time.Duration, err error) {
	if !w.asked() {
		return 0, nil
	}
	x := g.all.x
	defer func() {
		if p := recover(); p != nil {
			x.panics.Add(1)
			err = fmt.Errorf("panic while answering: %v", p)
			g.moment(Moment{Event: Panicked, Err: err})
		}
	}()
	begin := x.now()
	g.moment(Moment{Event: Working, Work: w})
	done := x.waits(w.Wait) && (w.Spin == 0 || x.spin(w.Spin))
	took = time.Duration(x.now() - begin)
	g.moment(Moment{Event: Worked, Work: w})
	if !done {
		g.cutOff()
		return took, ErrCalledOff
	}
	return took, nil
}

// waits blocks for d. It reports false when it was called off.
func (x *Exchange) waits(d time.Duration) bool {
	if d == 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-x.graceOver:
		return false
	}
}

// Read reads, and counts: unless it reads on, a guest that reads has written
// what it had to.
func (g *Guest) Read(b []byte) (int, error) {
	if !g.all.ReadsOn {
		g.Written()
	}
	if g.all.x.stopping.Load() && g.closeAtRest() {
		return 0, io.EOF // no request will be answered any more
	}
	n, err := g.stream.Read(b)
	if n > 0 {
		g.moment(Moment{Event: Read, Bytes: b[:n]})
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && !g.aborted.Load() {
		g.late(err)
	}
	return n, err
}

// interim is what an interim answer begins with.
const interim = "HTTP/1.1 100 "

// Write writes, and counts what is written while no request has begun and no
// answer is on its way: a refusal.
func (g *Guest) Write(b []byte) (int, error) {
	g.mu.Lock()
	refusal := !g.begun && g.made == 0 && (len(b) < len(interim) || string(b[:len(interim)]) != interim)
	g.mu.Unlock()
	n, err := g.stream.Write(b)
	switch {
	case err != nil:
		g.mu.Lock()
		g.failed = true
		g.mu.Unlock()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			g.late(err)
		}
	case refusal:
		g.answered()
	}
	return n, err
}

// Written says that the answers made so far have been written, or could not be.
// Close implies it.
func (g *Guest) Written() {
	g.mu.Lock()
	made := g.made
	if g.made = 0; g.failed {
		made = 0
	}
	g.mu.Unlock()
	for range made {
		g.answered()
	}
}

// closeAtRest closes a connection on which no request is at work, and no answer
// on its way. From then on none begins: it reports whether that is so.
func (g *Guest) closeAtRest() bool {
	g.mu.Lock()
	rests := !g.begun && g.made == 0
	g.rested = g.rested || rests
	g.mu.Unlock()
	if rests {
		_ = g.Close()
	}
	return rests
}

func (g *Guest) answered() {
	g.all.x.requests.Add(1)
	g.moment(Moment{Event: Answered})
}

// late counts a timeout, once.
func (g *Guest) late(err error) {
	g.mu.Lock()
	counted := g.timedOut || g.closed
	g.timedOut = true
	g.mu.Unlock()
	if !counted {
		g.all.x.timeouts.Add(1)
		g.moment(Moment{Event: TimedOut, Err: err})
	}
}

// cutOff closes the connection; answers on their way have not arrived.
func (g *Guest) cutOff() {
	g.mu.Lock()
	g.failed = true
	g.mu.Unlock()
	_ = g.Close()
}

// Close closes the connection, and counts it, once.
func (g *Guest) Close() error {
	g.Written()
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	err := g.stream.Close()
	if again {
		return err
	}
	gs := g.all
	gs.mu.Lock()
	delete(gs.here, g)
	gs.mu.Unlock()
	gs.x.closed(nil, -1, true)
	g.moment(Moment{Event: Closed})
	gs.busy.Done()
	return err
}

// SetReadDeadline notes deadlines by which the guest ends a read of its own
// accord, as net/http does with the read that watches for the client's end.
func (g *Guest) SetReadDeadline(t time.Time) error {
	g.aborted.Store(!t.IsZero() && !t.After(past))
	return g.stream.SetReadDeadline(t)
}

func (g *Guest) moment(m Moment) {
	if f := g.all.x.observe; f != nil {
		m.Conn, m.Worker = g.id, -1
		f(m)
	}
}

// ParseWork reads what a request asks for from its target's query, as it came.
// Its error is for a 400.
func ParseWork(query []byte) (Work, error) {
	w, status, why := parseWork(query)
	if status != "" {
		return Work{}, errors.New(why)
	}
	return w, nil
}

// A Body is the rest of an answer's body, to be read or, cheaper, written.
type Body struct{ from, left int64 }

// NewBody returns a body of n bytes.
func NewBody(n int64) *Body { return &Body{left: n} }

// next is what can be taken in one piece.
func (b *Body) next() []byte {
	from := b.from % int64(len(filler))
	return filler[from:min(int64(len(filler)), from+b.left)]
}

func (b *Body) took(n int) { b.from, b.left = b.from+int64(n), b.left-int64(n) }

// Read implements io.Reader.
func (b *Body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.next())
	b.took(n)
	return n, nil
}

// WriteTo implements io.WriterTo, without a copy.
func (b *Body) WriteTo(w io.Writer) (total int64, err error) {
	for b.left > 0 && err == nil {
		var n int
		n, err = w.Write(b.next())
		b.took(n)
		total += int64(n)
	}
	return total, err
}

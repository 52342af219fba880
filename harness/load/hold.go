package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A Holder opens connections, has each answered once, and holds them, silent,
// while others are active. What a server pays for a connection that does
// nothing shows in its memory and in what the active ones get.
//
// Setting up takes a goroutine for each connection that waits for its answer;
// held ones are a socket and some 500 bytes each and cost no time at all. Its
// methods may be called by several goroutines at once.
type Holder struct {
	// patience is how long nobody may be answered before those that wait are
	// given up: a server that can hold only some has answered these.
	patience time.Duration

	mu   sync.Mutex
	held map[netip.AddrPort][]*holding
}

// A holding is what one call of Hold holds.
type holding struct {
	job   Job // what is asked and expected, as a slice has it
	addr  string
	conns []net.Conn
}

// NewHolder returns a holder of nothing.
func NewHolder() *Holder {
	return &Holder{patience: 2 * time.Second, held: map[netip.AddrPort][]*holding{}}
}

const (
	// asking bounds the connections that wait for their answers at once. More
	// than a few hundred only queue in the kernel, and overflow its backlog,
	// after which a connect takes seconds.
	asking = 256
	// A source address has 28,232 ports for one destination, and connects slow
	// down long before they run out.
	perSource = 4000
	// heldBuffer is for one read of an answer, bytes; a longer one takes several.
	heldBuffer = 512
)

// Validate reports the first thing about j that can't be done.
func (j HoldJob) Validate() error {
	_, err := j.resolve()
	return err
}

func (j HoldJob) resolve() (netip.AddrPort, error) {
	switch {
	case j.Connections < 1 || j.Connections > scenario.MaxIdle:
		return netip.AddrPort{}, fmt.Errorf("connections to hold %d: want 1 to %d", j.Connections, scenario.MaxIdle)
	case j.Within <= 0:
		return netip.AddrPort{}, fmt.Errorf("hold connections within %v: want a time above 0", j.Within)
	case j.Conversation != scenario.ConversationHTTP:
		return netip.AddrPort{}, fmt.Errorf("hold connections in conversation %q: it closes after its answer, take %q", j.Conversation, scenario.ConversationHTTP)
	}
	if err := errors.Join(j.slice().validateRequest(), j.Expect.validate()); err != nil {
		return netip.AddrPort{}, err
	}
	return resolveAddr(j.Addr)
}

// slice is a job with the requests that j asks for.
func (j HoldJob) slice() Job {
	return Job{
		Scenario: scenario.Scenario{Name: "idle", Conversation: j.Conversation},
		Request:  j.Request, Expect: j.Expect,
	}
}

// Hold opens job's connections and returns when each is held or given up:
// when all are answered, when none of those that wait has been for 2 s (or for
// Within, if that is shorter), or after Within in all. Connections that weren't
// answered rightly are closed; that isn't an error but an outcome. When ctx is
// done Hold closes what it opened and returns ctx's error.
func (h *Holder) Hold(ctx context.Context, job HoldJob) (result.Held, error) {
	addr, err := job.resolve()
	if err != nil {
		return result.Held{}, err
	}
	begin := time.Now()
	g := &holding{job: job.slice(), addr: addr.String()}
	seen := result.Held{Asked: int64(job.Connections)}
	within, stop := context.WithTimeout(ctx, job.Within)
	defer stop()
	waits := newWaiting(min(job.Within, h.patience), stop) // who can't be held now can't be later
	defer context.AfterFunc(within, waits.end)()

	var mu sync.Mutex // for seen and g.conns
	fail := func(n int, err error) {
		mu.Lock()
		defer mu.Unlock()
		seen.FirstError = cmp.Or(seen.FirstError, fmt.Sprintf("connection %d to %s: %v", n, addr, err))
	}
	var all sync.WaitGroup
	places := make(chan struct{}, asking)
	for i := range job.Connections {
		places <- struct{}{}
		if within.Err() != nil {
			break
		}
		all.Go(func() {
			defer func() { <-places }()
			conn, err := dialFrom(within, addr, i/perSource)
			if err != nil {
				if within.Err() != nil {
					err = errNotConnected
				}
				fail(i+1, err)
				return
			}
			mu.Lock()
			seen.Connected++
			mu.Unlock()
			if err := newAsker(g).ask(conn, waits); err != nil {
				conn.Close()
				fail(i+1, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen.Answered++
			g.conns = append(g.conns, conn)
		})
	}
	all.Wait()
	seen.TookUs = time.Since(begin).Microseconds()
	if err := ctx.Err(); err != nil {
		closeAll(g.conns)
		return seen, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held[addr] = append(h.held[addr], g)
	return seen, nil
}

// Release has every connection to addr that is held answered once more, closes
// it, and says how many were lost: closed meanwhile, or answered wrongly or
// not at all. It takes no longer than within, and passes over those that wait
// when none of them has been answered for 2 s (or for within).
func (h *Holder) Release(ctx context.Context, addr string, within time.Duration) (result.Held, error) {
	to, err := resolveAddr(addr)
	if err != nil {
		return result.Held{}, err
	}
	h.mu.Lock()
	held := h.held[to]
	delete(h.held, to)
	h.mu.Unlock()

	begin := time.Now()
	bounded, stop := context.WithTimeout(ctx, within)
	defer stop()
	var waits *waiting
	waits = newWaiting(min(within, h.patience), func() { waits.giveUp() })
	defer context.AfterFunc(bounded, waits.end)()

	type asked struct {
		of   *holding
		conn net.Conn
	}
	queue := make(chan asked)
	var mu sync.Mutex // for seen
	var seen result.Held
	var all sync.WaitGroup
	for range asking {
		all.Go(func() {
			for q := range queue {
				err := newAsker(q.of).ask(q.conn, waits)
				q.conn.Close()
				mu.Lock()
				if err == nil {
					seen.Answered++
				} else {
					seen.FirstError = cmp.Or(seen.FirstError, fmt.Sprintf("connection held to %s: %v", to, err))
				}
				mu.Unlock()
			}
		})
	}
	var asks int64
	for _, g := range held {
		for _, conn := range g.conns {
			asks++
			queue <- asked{g, conn}
		}
	}
	close(queue)
	all.Wait()
	seen.Asked, seen.Connected, seen.Lost = asks, asks, asks-seen.Answered
	seen.TookUs = time.Since(begin).Microseconds()
	return seen, ctx.Err()
}

// Close closes all that is held.
func (h *Holder) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, held := range h.held {
		for _, g := range held {
			closeAll(g.conns)
		}
	}
	clear(h.held)
}

// Drop closes what is held to addr without asking: for a server that is ended,
// or begun anew.
func (h *Holder) Drop(addr string) error {
	to, err := resolveAddr(addr)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.held[to] {
		closeAll(g.conns)
	}
	delete(h.held, to)
	return nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// dialFrom connects to addr. To a server on this machine's loopback, source n
// connects from an address of its own, where the system has more than one.
func dialFrom(ctx context.Context, to netip.AddrPort, n int) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	d.SetMultipathTCP(false)
	if spreadsSources && to.Addr().Is4() && to.Addr().IsLoopback() {
		// From 127.0.0.2 on: 127.0.0.1 is for those that are active.
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+n))}
		d.Control = bindNoPort
	}
	return d.DialContext(ctx, "tcp", to.String())
}

// An asker asks on connections and reads the answers, one after the other.
type asker struct {
	request []byte
	judge   judge
	answer  reader
	in      []byte
}

func newAsker(g *holding) *asker {
	request := g.job.fixedRequest(g.addr)
	if request == nil {
		request = appendRequest(nil, g.addr, g.job.Scenario.Conversation, scenario.Request{}, false)
	}
	return &asker{request: request, judge: newJudge(g.job), in: make([]byte, heldBuffer)}
}

var (
	errNotConnected = errors.New("not connected in time")
	errGivenUp      = errors.New("no answer, and the others that waited got none either")
	errNotToHold    = errors.New("the server closes the connection behind its answer, so that it can't be held")
)

// ask has conn answered once, rightly, such that it stays open. It waits as
// long as waits does.
func (a *asker) ask(conn net.Conn, waits *waiting) error {
	if !waits.enter(conn) {
		return errGivenUp
	}
	err := a.converse(conn)
	if !waits.leave(conn, err == nil) { // closed by this side meanwhile, whatever came
		return errGivenUp
	}
	return err
}

func (a *asker) converse(conn net.Conn) error {
	a.answer.begin(&a.judge, scenario.Request{})
	_, writeErr := conn.Write(a.request)
	for {
		n, err := conn.Read(a.in)
		done, _, wrong := a.answer.feed(&a.judge, a.in[:n])
		switch {
		case done && wrong != nil:
			return wrong
		case done && a.answer.last:
			return errNotToHold
		case done:
			return nil
		case err == nil:
			continue
		case a.answer.empty && writeErr != nil:
			err = writeErr
		}
		if _, err = a.answer.end(&a.judge, err); err == nil {
			err = errNotToHold
		}
		return err
	}
}

// waiting is the connections that wait for an answer, while somebody is
// answered now and then.
type waiting struct {
	patience time.Duration
	timer    *time.Timer // runs while anybody waits

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	ended bool
}

// newWaiting calls lost when those that wait have waited in vain for patience.
func newWaiting(patience time.Duration, lost func()) *waiting {
	w := &waiting{patience: patience, conns: map[net.Conn]struct{}{}}
	w.timer = time.AfterFunc(time.Hour, lost)
	w.timer.Stop()
	return w
}

// enter has conn wait, and reports whether it may.
func (w *waiting) enter(conn net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return false
	}
	if len(w.conns) == 0 {
		w.timer.Reset(w.patience)
	}
	w.conns[conn] = struct{}{}
	return true
}

// leave is when conn needn't wait any more. It reports whether conn was still
// waited for.
func (w *waiting) leave(conn net.Conn, answered bool) (patient bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, patient = w.conns[conn]
	delete(w.conns, conn)
	switch {
	case len(w.conns) == 0:
		w.timer.Stop()
	case answered && !w.ended:
		w.timer.Reset(w.patience)
	}
	return patient
}

// giveUp closes the connections that wait.
func (w *waiting) giveUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.conns {
		conn.Close()
	}
	clear(w.conns)
}

// end gives up and lets nobody wait any more.
func (w *waiting) end() {
	w.mu.Lock()
	w.ended = true
	w.timer.Stop()
	w.mu.Unlock()
	w.giveUp()
}

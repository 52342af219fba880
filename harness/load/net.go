package load

import (
	"cmp"
	"context"
	"net"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// netEngine is the portable engine: a goroutine for each client, on package
// net. What a connection costs it is mostly the kernel's; of a request on a
// connection that is kept, Go's scheduler and poller are a good part.
type netEngine struct {
	// At the edge, so that tests can put a clock and pipes of their own here.
	dial func(ctx context.Context, addr string, deadline time.Time) (net.Conn, error)
	cpu  func() time.Duration // CPU time of this process so far

	mu        sync.Mutex
	recorders []*recorder // kept from slice to slice, empty between them
}

func newNetEngine() *netEngine { return &netEngine{dial: dialTCP, cpu: ProcessCPU} }

func (e *netEngine) Name() string { return "net" }

// dialTCP connects by plain TCP with TCP_NODELAY (Go's default) and nothing
// else: no keep-alive probes, which are three more system calls, and no
// multipath TCP. Dialer.DialTCP would save the parsing of an address and spend
// more: it binds every socket to port 0 before it connects.
func dialTCP(ctx context.Context, addr string, deadline time.Time) (net.Conn, error) {
	d := net.Dialer{Deadline: deadline, KeepAlive: -1}
	d.SetMultipathTCP(false)
	return d.DialContext(ctx, "tcp", addr)
}

// A playing is one slice while it is played.
type playing struct {
	job    Job
	closed bool   // the loop is
	addr   string // resolved
	fixed  []byte // the request, where it is the same for all
	plan   scenario.Plan
	engine *netEngine

	// Dialling has a context of its own, which ends when the slice has been
	// marked as abandoned and not before: Play's ends first, and a connect
	// that it cut off would be taken for a failure of the server.
	dialling  context.Context
	interrupt context.CancelFunc

	begin     time.Time // of the slice's clock
	window    window
	over      chan struct{} // closed when the window is: wakes clients that think
	abandoned atomic.Bool   // Play's context is done: what fails now is no failure of the server
	hungUp    chan struct{} // closed when abandoned is set: wakes clients that dribble
	underWay  underWay

	mu      sync.Mutex // for clients, idle and series
	clients []*client  // not closed: as many as there ever were at once
	idle    []*client  // not closed: those without an arrival
	series  *series    // nil where the load doesn't vary

	due, delayed, delayedUnsent, unsent int64 // not closed; written by arrive alone

	yetToFinish atomic.Int64  // clients never answered rightly so far
	allFinished chan struct{} // closed when there are none
	counted     atomic.Int64  // requests in the window; kept only where MinRequests asks
	enough      chan struct{} // closed when MinRequests have been counted
}

// now reads the slice's clock, ns.
func (p *playing) now() int64 { return int64(time.Since(p.begin)) }

// ahead is how long before it comes an end of the window is announced, where
// it isn't known from the start.
const ahead = time.Millisecond

func (e *netEngine) Play(ctx context.Context, job Job, ready func() error) (Outcome, error) {
	addr, err := job.resolve()
	if err != nil {
		return Outcome{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	defer quietCollector()()

	job.Timeout = cmp.Or(job.Timeout, job.Scenario.Patience())
	job.MaxConnections = cmp.Or(job.MaxConnections, DefaultMaxConnections)
	p := &playing{
		job: job, closed: job.Scenario.Loop == scenario.LoopClosed, addr: addr.String(), fixed: job.fixedRequest(addr.String()),
		plan: scenario.NewPlan(job.Scenario, job.Seed), engine: e,
		over: make(chan struct{}), hungUp: make(chan struct{}), allFinished: make(chan struct{}), enough: make(chan struct{}),
		series: newSeries(job.Scenario),
	}
	n := job.Scenario.Clients
	if !p.closed {
		n = 0
		p.job.SettleUntilAll = 0 // it is of clients, and there are none
	}
	p.dialling, p.interrupt = context.WithCancel(context.WithoutCancel(ctx))
	defer p.interrupt()
	p.yetToFinish.Store(int64(n))
	p.window.from.Store(never)
	p.window.to.Store(never)
	// Where nothing has to be waited for, the window is a matter of the clock
	// alone, and doesn't wait for this goroutine to be woken.
	if p.job.SettleUntilAll <= job.Settle {
		p.window.from.Store(int64(job.Settle))
		if job.MinRequests == 0 {
			p.window.to.Store(int64(job.Settle + job.Count))
		}
	}

	most := 2 * runtime.GOMAXPROCS(0)
	if p.closed {
		most = min(most, n)
	}
	for len(e.recorders) < min(most, 16) {
		e.recorders = append(e.recorders, newRecorder())
	}
	for i := range n {
		c := newClient(p, p.plan.Stream(job.Block, job.Round, i), e.recorder(i))
		c.beSlow(i)
		p.clients = append(p.clients, c)
	}
	if ready != nil {
		if err := ready(); err != nil {
			return Outcome{}, err
		}
	}
	start := make(chan struct{})
	var wg sync.WaitGroup
	for _, c := range p.clients {
		wg.Go(func() {
			<-start
			c.live()
		})
	}
	if !p.closed {
		wg.Go(func() {
			<-start
			p.arrive(&wg)
		})
	}
	closed := make(chan struct{})
	go func() {
		wg.Wait()
		close(closed)
	}()

	cpu := e.cpu()
	p.begin = time.Now()
	close(start)
	marks, err := p.conduct(ctx)
	switch {
	case err != nil:
	case job.HangUp:
		p.abandon()
	default:
		select {
		case <-closed:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		p.abandon()
	}
	<-closed
	cpu = e.cpu() - cpu
	return p.outcome(marks, cpu), err
}

func (e *netEngine) recorder(n int) *recorder { return e.recorders[n%len(e.recorders)] }

// arrive sends arrivals out when they are due, in their order, each to a
// client of its own. Timers of package time are late by up to a millisecond,
// and so are the sends: that is measured, and the reason why there is another
// engine.
//
// It waits itself where as many connections are open as may be. What becomes
// due meanwhile thus waits in order, without a queue: its time is in the plan.
func (p *playing) arrive(wg *sync.WaitGroup) {
	arrivals := p.plan.Arrivals(p.job.Block, p.job.Round)
	free := make(chan struct{}, p.job.MaxConnections)
	timer := time.NewTimer(0)
	defer timer.Stop()
	full := int64(-1) // until when there were too many connections, the last time
	for n := 0; ; n++ {
		due := int64(arrivals.Next())
		if ahead := due - p.now(); ahead > 0 {
			timer.Reset(time.Duration(ahead))
			select {
			case <-timer.C:
			case <-p.over:
			}
		}
		to := p.window.to.Load()
		if due >= to {
			return
		}
		counts := p.window.admits(due)
		if counts {
			p.due++
		}
		p.vary(func(s *series, opened int64) { s.due(due - opened) })
		sent := true
		select {
		case free <- struct{}{}:
		default:
			select {
			case free <- struct{}{}:
			case <-p.over:
				sent = false
			}
			full = p.now()
		}
		delayed := counts && due <= full
		if delayed {
			p.delayed++
		}
		if !sent || p.now() >= to {
			p.unsent++
			if delayed {
				p.delayedUnsent++
			}
			if sent {
				<-free
			}
			continue
		}
		c := p.seat()
		p.plan.StreamInto(c.stream, p.job.Block, p.job.Round, n)
		c.beSlow(n)
		wg.Go(func() {
			c.session(due)
			p.unseat(c)
			<-free
		})
	}
}

// seat finds a client for an arrival.
func (p *playing) seat() *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.idle) - 1; last >= 0 {
		c := p.idle[last]
		p.idle = p.idle[:last]
		return c
	}
	c := newClient(p, &scenario.Stream{}, p.engine.recorder(len(p.clients)))
	c.gone = p.abandoned.Load()
	p.clients = append(p.clients, c)
	return c
}

func (p *playing) unseat(c *client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, c)
}

// vary books something in the series of a load that varies; opened is when the
// window did, on the slice's clock.
func (p *playing) vary(book func(s *series, opened int64)) {
	if p.series == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	book(p.series, int64(p.job.Settle))
}

// quietCollector collects garbage now and then not before the function that
// it returns is called: a collection in one slice and none in the next would
// be a difference between servers. Dialling leaves some 20 MB/s of garbage at
// most, so a limit of 1 GiB, past which there are collections after all, is
// met by slices of a minute only.
func quietCollector() (restore func()) {
	const most = 1 << 30 // bytes
	limit := debug.SetMemoryLimit(-1)
	debug.SetMemoryLimit(min(limit, most))
	percent := debug.SetGCPercent(-1)
	runtime.GC()
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// marks are readings of the clocks at the ends of the window. They are taken
// when this process gets round to it, a little late on a busy processor:
// hence a wall clock of their own.
type marks struct {
	cpu  [2]time.Duration
	wall [2]int64
}

// conduct opens and closes the window. It returns early with ctx's error.
func (p *playing) conduct(ctx context.Context) (m marks, err error) {
	job, w := p.job, &p.window
	if w.from.Load() == never {
		if err = p.await(ctx, int64(job.Settle), nil); err != nil {
			return m, err
		}
		if err = p.await(ctx, int64(job.SettleUntilAll), p.allFinished); err != nil {
			return m, err
		}
		w.from.Store(p.now() + int64(ahead))
	}
	from := w.from.Load()
	if job.MinRequests == 0 {
		w.to.Store(from + int64(job.Count))
	}
	if err = p.await(ctx, from, nil); err != nil {
		return m, err
	}
	m.cpu[0], m.wall[0] = p.engine.cpu(), p.now()
	m.cpu[1], m.wall[1] = m.cpu[0], m.wall[0]

	if job.MinRequests > 0 {
		if err = p.await(ctx, from+int64(job.Count), nil); err == nil {
			err = p.await(ctx, from+int64(job.CountMax), p.enough)
		}
		if err == nil {
			w.to.Store(p.now() + int64(ahead))
		}
	}
	if err == nil {
		err = p.await(ctx, w.to.Load(), nil)
	}
	m.cpu[1], m.wall[1] = p.engine.cpu(), p.now()
	if err == nil {
		close(p.over)
	}
	return m, err
}

// await returns when the slice's clock reads t, when early is closed, or, with
// its error, when ctx is done.
func (p *playing) await(ctx context.Context, t int64, early <-chan struct{}) error {
	timer := time.NewTimer(time.Duration(t - p.now()))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-early:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// abandon ends the window, if it hasn't ended, and hangs up for every client.
func (p *playing) abandon() {
	now := p.now()
	p.abandoned.Store(true)
	close(p.hungUp)
	p.window.from.Store(min(p.window.from.Load(), now))
	p.window.to.Store(min(p.window.to.Load(), now))
	select {
	case <-p.over:
	default:
		close(p.over)
	}
	p.interrupt()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.abandon()
	}
}

// outcome adds up what the clients saw, when none of them runs any more.
func (p *playing) outcome(m marks, cpu time.Duration) Outcome {
	from, to := p.window.from.Load(), p.window.to.Load()
	l := result.Load{
		WindowUs: us(to - from),
		Due:      p.due,
		Delayed:  p.delayed, DelayedUnsent: p.delayedUnsent,
		Unfinished: p.unsent,
		Latency:    result.NewHistogram(), FirstByte: result.NewHistogram(), Connect: result.NewHistogram(),
		Service: result.NewHistogram(), Waited: result.NewHistogram(),
		InFlightUs:      us(p.underWay.integral),
		CPUUs:           us(int64(cpu)),
		WindowCPUUs:     us(int64(m.cpu[1] - m.cpu[0])),
		WindowCPUWallUs: us(m.wall[1] - m.wall[0]),
		CPUs:            runtime.GOMAXPROCS(0), // as many as can run Go code at once, which for clients is all that counts
	}
	var recorded, paused int64
	firstErrorAt := int64(never)
	for _, c := range p.clients {
		l.Requests += c.requests
		l.RequestsAll += c.requestsAll
		l.PlanUsed += c.planUsed
		l.ConnectionsAsked += c.asked
		l.Connections += c.connections
		l.Errors.Add(c.errors)
		l.Stale += c.stale
		l.Unfinished += c.unfinished
		l.Sent += c.sent
		if p.closed {
			l.Clients++
			if c.connections > 0 {
				l.ClientsConnected++
			}
			if !c.finished {
				l.Starved++
			}
		}
		if c.firstError != nil && c.firstErrorAt < firstErrorAt {
			l.FirstError, firstErrorAt = c.firstError.Error(), c.firstErrorAt
		}
		recorded += c.recorded
		paused += c.paused
	}
	l.RecordedUs = us(recorded)
	l.LittleResidual = littleResidual(l, us(paused))
	for _, r := range p.engine.recorders {
		r.mergeInto(&l)
	}
	p.series.mergeInto(&l)
	o := Outcome{Load: l, SettledUs: from / int64(time.Microsecond)}
	if to > from {
		o.WindowStart, o.WindowEnd = p.begin.Add(time.Duration(from)), p.begin.Add(time.Duration(to))
	}
	return o
}

func us(ns int64) float64 { return float64(ns) / float64(time.Microsecond) }

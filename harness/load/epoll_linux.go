package load

import (
	"cmp"
	"context"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/models/eventloop"
)

const defaultEngine = "epoll"

// epollEngine is the clients as a loop for each CPU that they may use, on
// threads of their own. A loop shares nothing with the others that changes while
// requests are under way: it has its own share of the clients, or of the
// arrivals, and histograms of its own. What a request costs is the kernel's
// system calls and little else, and none of it is a lock, an allocation or a
// turn of Go's scheduler.
type epollEngine struct {
	loops int // 0: as many as can run Go code at once

	mu        sync.Mutex
	recorders []*recorder // one for each loop; kept from slice to slice, empty between them
}

func newEpollEngine() (Engine, error) { return &epollEngine{}, nil }

func (e *epollEngine) Name() string { return "epoll" }

// A loopedSlice is one slice while loops play it.
type loopedSlice struct {
	job    Job
	closed bool   // the loop of the scenario is
	host   string // of the server, as requests say it
	server eventloop.Address
	local  bool   // the server is on 127.0.0.0/8, of which every address is ours
	fixed  []byte // the request, where it is the same for all
	plan   scenario.Plan
	loops  []*loop

	begin     time.Time // of the slice's clock
	window    window
	abandoned atomic.Bool // the context is done

	yetToFinish atomic.Int64 // clients never answered rightly so far
	counted     atomic.Int64 // requests in the window; kept only where MinRequests asks
}

func (e *epollEngine) Play(ctx context.Context, job Job, ready func() error) (Outcome, error) {
	addr, err := job.resolve()
	if err != nil {
		return Outcome{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	defer quietCollector()()

	p, err := e.newSlice(job, addr)
	if err != nil {
		return Outcome{}, err
	}
	defer p.close()
	if ready != nil {
		if err := ready(); err != nil {
			return Outcome{}, err
		}
	}
	cpu := ProcessCPU()
	p.begin = time.Now()
	stop := p.endWith(ctx)
	var wg sync.WaitGroup
	for _, l := range p.loops {
		wg.Go(l.run)
	}
	wg.Wait()
	cpu = ProcessCPU() - cpu
	err = stop()
	return p.outcome(cpu), err
}

func (e *epollEngine) newSlice(job Job, addr netip.AddrPort) (*loopedSlice, error) {
	job.Timeout = cmp.Or(job.Timeout, job.Scenario.Patience())
	job.MaxConnections = cmp.Or(job.MaxConnections, DefaultMaxConnections)
	p := &loopedSlice{
		job: job, closed: job.Scenario.Loop == scenario.LoopClosed,
		host: addr.String(), server: eventloop.AddressOf(addr),
		local: addr.Addr().Is4() && addr.Addr().IsLoopback(),
		fixed: job.fixedRequest(addr.String()),
		plan:  scenario.NewPlan(job.Scenario, job.Seed),
	}
	if !p.closed {
		p.job.SettleUntilAll = 0 // it is of clients, and there are none
	}
	p.yetToFinish.Store(int64(job.Scenario.Clients))
	p.window.from.Store(never)
	p.window.to.Store(never)
	if p.job.SettleUntilAll <= job.Settle {
		p.window.from.Store(int64(job.Settle))
		if job.MinRequests == 0 {
			p.window.to.Store(int64(job.Settle + job.Count))
		}
	}
	n := cmp.Or(e.loops, runtime.GOMAXPROCS(0))
	if !p.closed {
		n = min(n, job.MaxConnections) // or those of some loop would be too many
	}
	for len(e.recorders) < n {
		e.recorders = append(e.recorders, newRecorder())
	}
	for i := range n {
		l, err := newLoop(p, i, n, e.recorders[i])
		if err != nil {
			p.close()
			return nil, err
		}
		p.loops = append(p.loops, l)
	}
	return p, nil
}

func (p *loopedSlice) close() {
	for _, l := range p.loops {
		l.poller.Close()
	}
}

// endWith has the slice end when ctx is done. stop ends that and returns ctx's
// error, if it was done by then. After it nobody wakes a loop any more.
func (p *loopedSlice) endWith(ctx context.Context) (stop func() error) {
	called := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(called)
		now := int64(time.Since(p.begin))
		lower(&p.window.from, now)
		lower(&p.window.to, now)
		p.abandoned.Store(true)
		p.nudge(nil)
	})
	return func() error {
		if cancel() {
			return nil
		}
		<-called
		return ctx.Err()
	}
}

// lower sets x to t if it is more.
func lower(x *atomic.Int64, t int64) {
	for {
		old := x.Load()
		if old <= t || x.CompareAndSwap(old, t) {
			return
		}
	}
}

// nudge has all loops but one look at what has changed.
func (p *loopedSlice) nudge(but *loop) {
	for _, l := range p.loops {
		if l != but {
			l.nudge()
		}
	}
}

// conduct opens and closes the window, where that isn't a matter of the clock
// alone, and returns when it has to look again. One loop calls it: when that
// time has come, and when there was something that the window waits for.
func (p *loopedSlice) conduct(l *loop, now int64) (again int64) {
	job, w := &p.job, &p.window
	if w.from.Load() == never {
		switch {
		case now < int64(job.Settle):
			return int64(job.Settle)
		case now < int64(job.SettleUntilAll) && p.yetToFinish.Load() > 0:
			return int64(job.SettleUntilAll)
		}
		from := now + int64(ahead)
		if job.MinRequests == 0 {
			w.to.CompareAndSwap(never, from+int64(job.Count))
		}
		w.from.CompareAndSwap(never, from)
		p.nudge(l)
	}
	if w.to.Load() == never {
		from := w.from.Load()
		switch {
		case now < from+int64(job.Count):
			return from + int64(job.Count)
		case now < from+int64(job.CountMax) && p.counted.Load() < job.MinRequests:
			return from + int64(job.CountMax)
		}
		w.to.CompareAndSwap(never, now+int64(ahead))
		p.nudge(l)
	}
	return never
}

// outcome adds up what the loops saw, when none of them runs any more.
func (p *loopedSlice) outcome(cpu time.Duration) Outcome {
	from, to := p.window.from.Load(), p.window.to.Load()
	l := result.Load{
		WindowUs: us(to - from),
		Clients:  p.job.Scenario.Clients,
		Latency:  result.NewHistogram(), FirstByte: result.NewHistogram(), Connect: result.NewHistogram(),
		Service: result.NewHistogram(), Waited: result.NewHistogram(),
		CPUUs: us(int64(cpu)),
		CPUs:  len(p.loops),
	}
	var paused int64
	firstErrorAt := int64(never)
	for _, o := range p.loops {
		l.Requests += o.requests
		l.RequestsAll += o.requestsAll
		l.PlanUsed += o.planUsed
		l.ConnectionsAsked += o.asked
		l.Connections += o.connections
		l.Errors.Add(o.errors)
		l.Stale += o.stale
		l.Unfinished += o.unfinished
		l.Due += o.due
		l.Sent += o.sent
		l.Delayed += o.delayed
		l.DelayedUnsent += o.delayedUnsent
		l.RecordedUs += us(o.edges)
		l.InFlightUs += us(o.integral)
		l.WindowCPUUs += us(int64(o.ends[1].cpu - o.ends[0].cpu))
		l.WindowSpunUs += us(int64(o.ends[1].spun - o.ends[0].spun))
		l.SpunUs += us(int64(o.spun))
		l.WindowCPUWallUs += us(o.ends[1].at-o.ends[0].at) / float64(len(p.loops))
		paused += o.paused
		if o.firstError != nil && o.firstErrorAt < firstErrorAt {
			l.FirstError, firstErrorAt = o.firstError.Error(), o.firstErrorAt
		}
		if p.closed {
			for _, c := range o.customers {
				if c.met {
					l.ClientsConnected++
				}
				if !c.finished {
					l.Starved++
				}
			}
		}
		o.recorder.mergeInto(&l)
		o.series.mergeInto(&l)
	}
	l.RecordedUs += us(int64(l.Latency.Sum())) // as the histogram has it, so that what it lost is missing here
	l.LittleResidual = littleResidual(l, us(paused))
	o := Outcome{Load: l, SettledUs: from / int64(time.Microsecond)}
	if to > from {
		o.WindowStart, o.WindowEnd = p.begin.Add(time.Duration(from)), p.begin.Add(time.Duration(to))
	}
	return o
}

package process

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/metrics"
	"slices"
	"time"

	"workbench/harness/load"
	"workbench/harness/result"
	"workbench/models"
	"workbench/models/exchange"
)

// RunChild does the work of a child process, where this package or a model (see
// models.RunChild) has started this one as such, and returns the code to exit
// with; elsewhere it returns at once. A program that uses this package asks first
// thing in main, and in TestMain, before it looks at its arguments or input.
func RunChild() (code int, child bool) {
	// A model's child has the environment of the server that started it, and so
	// its role as well: models are asked first.
	if code, child := models.RunChild(); child {
		return code, true
	}
	if os.Getenv(roleVar) == "" {
		return 0, false
	}
	return answerRequests(), true
}

// answerRequests answers those from standard input on standard output until the
// input closes. It returns at once then, whatever is still going on: the parent
// is gone, or wants it so. Only a server that is not ours is given time to end.
func answerRequests() (code int) {
	defer endGuarded()
	// Where a child can't have a process group of its own (see apart), a
	// terminal's Ctrl-C reaches it too. What to do about it is for the parent to
	// say.
	signal.Ignore(os.Interrupt)
	in := bufio.NewReader(os.Stdin)
	requests := make(chan request)
	closed := make(chan error, 1)
	go func() {
		for d := json.NewDecoder(in); ; {
			var q request
			if err := d.Decode(&q); err != nil {
				closed <- err
				return
			}
			requests <- q
		}
	}()
	out := json.NewEncoder(os.Stdout)
	unheard := make(chan struct{}) // nobody reads the answers
	go func() {
		var s served
		var l loading
		for q := range requests {
			var r reply
			switch {
			case q.Play != nil:
				r = l.play(*q.Play, func() error {
					if err := out.Encode(reply{Ready: true}); err != nil {
						return err
					}
					if next := <-requests; next.Go == nil {
						return errors.New("clients that are ready wait for Go and nothing else")
					}
					return nil
				})
			case q.Hold != nil || q.Release != nil:
				r = l.hold(q)
			default:
				r = s.answer(q)
			}
			if out.Encode(r) != nil {
				close(unheard)
				return
			}
		}
	}()
	select {
	case err := <-closed:
		if !errors.Is(err, io.EOF) {
			fmt.Fprintln(os.Stderr, "workbench: a request could not be read:", err)
			return 1
		}
	case <-unheard:
	}
	return 0
}

// loading is the state of a child that is the clients. What an engine has
// allocated, histograms above all, serves it again in the next slice.
type loading struct {
	engines map[string]load.Engine // by name
	holder  *load.Holder
}

// play plays a slice once ready returns. What goes wrong before is the answer
// to Play, what goes wrong after that to Go.
func (l *loading) play(p Play, ready func() error) reply {
	engine, ok := l.engines[p.Engine]
	if !ok {
		var err error
		if engine, err = load.New(p.Engine); err != nil {
			return reply{Error: err.Error()}
		}
		if l.engines == nil {
			l.engines = map[string]load.Engine{}
		}
		l.engines[p.Engine] = engine
	}
	o, err := engine.Play(context.Background(), p.Job, ready)
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Outcome: &o}
}

// hold opens connections and holds them while slices are played, or releases
// them.
func (l *loading) hold(q request) reply {
	if l.holder == nil {
		l.holder = load.NewHolder()
	}
	var held result.Held
	var err error
	switch {
	case q.Hold != nil:
		held, err = l.holder.Hold(context.Background(), *q.Hold)
	case q.Release.Drop:
		err = l.holder.Drop(q.Release.Addr)
	default:
		held, err = l.holder.Release(context.Background(), q.Release.Addr, q.Release.Within)
	}
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Held: &held}
}

// served is the state of a child that is a server, or guards one.
type served struct {
	x     *exchange.Exchange
	fault chan error // what Serve returned, if it did
	begin moment
	usage usage          // at the beginning
	watch chan [2]moment // both ends of the window
	held  baseline

	guardian *guardian // of a server that is not ours
}

// answer does what a request asks for.
func (s *served) answer(q request) reply {
	var r reply
	var err error
	g := s.guardian
	switch {
	case q.Calibrate != nil:
		r.SpinPerUs = exchange.CalibrateSpin()
	case q.Serve != nil:
		r.Listening, err = s.serve(*q.Serve)
	case q.Begin != nil && g != nil:
		r.Working, err = g.begin(*q.Begin)
	case q.Begin != nil:
		r.Busy, err = s.beginSlice(*q.Begin)
	case q.End != nil && g != nil:
		r.Server, r.Working, err = g.end(*q.End)
	case q.End != nil:
		r.Server, r.Busy, err = s.endSlice(*q.End)
	case q.Memory != nil && g != nil:
		r.MemoryBytes, err = g.memory()
	case q.Memory != nil:
		if err = s.stopped(); err == nil {
			r.MemoryBytes = readUsage(s.x).rss
		}
	default:
		err = errors.New("a request asks for nothing that is known here: parent and child differ in version")
	}
	if err != nil {
		r = reply{Error: err.Error()}
	}
	return r
}

func (s *served) serve(conf ServerConfig) (*Listening, error) {
	if s.x != nil || s.guardian != nil {
		return nil, errors.New("a process serves once")
	}
	if conf.Foreign != nil {
		g, listening, err := newGuardian(*conf.Foreign)
		s.guardian = g
		return listening, err
	}
	server, spec, err := models.New(conf.Model)
	if err != nil {
		return nil, err
	}
	o := exchange.DefaultOptions()
	o.Conversation, o.SpinPerUs = conf.Conversation, conf.SpinPerUs
	if conf.NoIdleTimeout {
		o.IdleTimeout = 0
	}
	if s.x, err = exchange.New(o); err != nil {
		return nil, err
	}
	ln, err := models.Listen(context.Background(), "127.0.0.1:0", conf.Backlog)
	if err != nil {
		return nil, err
	}
	s.fault = make(chan error, 1)
	go func() {
		err := server.Serve(context.Background(), ln, s.x)
		s.fault <- fmt.Errorf("it stopped serving in the middle: %w", cmp.Or(err, errors.New("nobody had asked it to")))
	}()
	m, _ := models.Find(spec.Model)
	return &Listening{Addr: ln.Addr().String(), GOMAXPROCS: runtime.GOMAXPROCS(0), Forks: m.Forks}, nil
}

// stopped returns why the model has stopped serving, if it has.
func (s *served) stopped() error {
	if s.x == nil {
		return errors.New("it serves nothing yet")
	}
	select {
	case err := <-s.fault:
		s.fault <- err // for the next one who asks
		return err
	default:
		return nil
	}
}

// moment is what the process had used at a point in time.
type moment struct {
	at         time.Time
	cpu        time.Duration
	goroutines int64
	stats      exchange.Stats
}

func now(x *exchange.Exchange) moment {
	m := moment{cpu: load.ProcessCPU(), goroutines: int64(runtime.NumGoroutine()), stats: x.Stats()}
	m.cpu += cpuOfChildren(m.stats.Processes)
	m.at = m.stats.At // what was held until then is over what passed until then
	return m
}

func (s *served) beginSlice(w Window) (busy int64, err error) {
	if err := s.stopped(); err != nil {
		return 0, err
	}
	s.held.begin(w.Held, s.x.Stats)
	if busy := s.awaitIdle(w.Idle); busy > 0 {
		return busy, nil
	}
	s.x.ResetPeaks()
	s.usage, s.begin, s.watch = readUsage(s.x), now(s.x), nil
	if w.Until > w.From {
		s.watch = make(chan [2]moment, 1)
		go func(begin time.Time, out chan<- [2]moment) {
			out <- atBothEnds(w, begin, func() moment { return now(s.x) })
		}(s.begin.at, s.watch)
	}
	return 0, nil
}

// atBothEnds looks at both ends of a window that is counted from begin. Its
// timers may be late on a busy CPU; a look says when it really was.
func atBothEnds[T any](w Window, begin time.Time, look func() T) (ends [2]T) {
	for i, at := range [2]time.Duration{w.From, w.Until} {
		time.Sleep(time.Until(begin.Add(at)))
		ends[i] = look()
	}
	return ends
}

func (s *served) endSlice(patience Patience) (_ *result.Server, busy int64, err error) {
	if err := s.stopped(); err != nil {
		return nil, 0, err
	}
	if !patience.None {
		if busy := s.awaitIdle(patience.Idle); busy > 0 {
			return nil, busy, nil
		}
	}
	b, e := s.begin, now(s.x)
	usage := readUsage(s.x)
	r := &result.Server{
		CPUUs:           us(e.cpu - b.cpu),
		CPUs:            runtime.GOMAXPROCS(0),
		GOMAXPROCS:      runtime.GOMAXPROCS(0),
		RSSPeakBytes:    usage.rssPeak,
		Threads:         usage.threads,
		Goroutines:      max(b.goroutines, e.goroutines),
		ContextSwitches: max(0, usage.switches-s.usage.switches), // those of a child that died are lost
		Processes:       usage.processes,
		GCCPUUs:         us(usage.gc - s.usage.gc),
		Accepted:        e.stats.Accepted - b.stats.Accepted,
		Requests:        e.stats.Requests - b.stats.Requests,
		HeldPeak:        e.stats.HeldPeak,
		WaitingPeak:     e.stats.WaitingPeak,
		Rejected:        e.stats.Rejected - b.stats.Rejected,
		Panics:          e.stats.Panics - b.stats.Panics,
		AcceptBackoffs:  e.stats.AcceptBackoffs - b.stats.AcceptBackoffs,
	}
	r.Limit, r.AtWorkPeak = limitOf(e.stats.Limit), e.stats.AtWorkPeak
	r.Queues, r.Spread = queuesOf(e.stats.Queues), sharesOf(b.stats.Spread, e.stats.Spread)
	if s.watch == nil {
		r.WindowCPUUs, r.WindowCPUWallUs, r.WindowHeldUs = r.CPUUs, us(e.at.Sub(b.at)), us(e.stats.HeldTime-b.stats.HeldTime)
		r.WindowAtWorkUs = us(e.stats.WorkTime - b.stats.WorkTime)
		return r, 0, nil
	}
	ends := <-s.watch // over, or nearly so
	from, until := ends[0], ends[1]
	r.Goroutines = max(r.Goroutines, from.goroutines, until.goroutines)
	r.WindowCPUUs = us(until.cpu - from.cpu)
	r.WindowCPUWallUs = us(until.at.Sub(from.at))
	r.WindowHeldUs = us(until.stats.HeldTime - from.stats.HeldTime)
	r.WindowAtWorkUs = us(until.stats.WorkTime - from.stats.WorkTime)
	return r, 0, nil
}

// limitOf is nil for a model that declares none. Of one that bounds both, the
// connections count: where those have no place, requests never come to be read.
func limitOf(l exchange.Limit) *result.Limit {
	switch {
	case l.Held > 0:
		return &result.Limit{Name: l.Name, Size: l.Held}
	case l.Work > 0:
		return &result.Limit{Name: l.Name, Size: l.Work, Of: result.OfRequests}
	}
	return nil
}

// queuesOf are the most that each queue held. Of several with one name, such as
// that of each loop, it is the longest.
func queuesOf(queues []exchange.QueueLength) map[string]int64 {
	if len(queues) == 0 {
		return nil
	}
	peaks := make(map[string]int64, len(queues))
	for _, q := range queues {
		peaks[q.Name] = max(peaks[q.Name], q.Peak)
	}
	return peaks
}

// sharesOf are the connections that each part took since begin; nil for a model
// that has no parts.
func sharesOf(begin, end exchange.Spread) *result.Shares {
	if end.Name == "" {
		return nil
	}
	s := &result.Shares{Name: end.Name, Taken: slices.Clone(end.Taken)}
	for i, before := range begin.Taken {
		s.Taken[i] -= before
	}
	return s
}

// awaitIdle returns when no connection is open any more but those that are
// held: clients that have closed are gone from here a moment later. Between two
// connections that wait in the backlog none is open either, so it looks twice,
// and nobody may have come in between. A model whose child processes are still
// being started isn't idle either. When patience is over it returns how many
// are open.
func (s *served) awaitIdle(patience time.Duration) (busy int64) {
	deadline := time.Now().Add(patience)
	before := s.x.Stats()
	for pause := time.Millisecond; ; pause = min(2*pause, 5*time.Millisecond) {
		time.Sleep(pause)
		now := s.x.Stats()
		switch {
		case now.Starting == 0 && before.Open <= s.held.open && now.Open <= s.held.open && now.Accepted == before.Accepted:
			s.held.open = now.Open // one that was lost since isn't held any more
			return 0
		case time.Now().After(deadline):
			return max(now.Open-s.held.open, 1)
		}
		before = now
	}
}

// A baseline is what is known of connections that are held: how many are open when
// nobody plays. Whoever holds them can't know that, since a model may have
// accepted connections that it never came to answer, and that are closed by
// now.
type baseline struct {
	on   bool
	open int64
}

// begin takes, when connections begin to be held, as many as are open by then
// for those that are. They have all been answered, or given up, before that; a
// server notices within milliseconds, so that three looks that see the same
// have seen what stays.
func (h *baseline) begin(on bool, stats func() exchange.Stats) {
	switch {
	case !on:
		*h = baseline{}
		return
	case h.on:
		return
	}
	before, same := stats(), 0
	for deadline := time.Now().Add(settleBound); same < 3 && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
		if now := stats(); now.Open == before.Open && now.Accepted == before.Accepted {
			same++
		} else {
			before, same = now, 0
		}
	}
	*h = baseline{on: true, open: before.Open}
}

// settleBound is how long the number of open connections may take to settle.
const settleBound = time.Second

// usage is what the system and the runtime know of this process.
type usage struct {
	processes int64 // of a model that has child processes, else 0
	rss       int64 // bytes, now
	rssPeak   int64 // bytes
	threads   int64
	switches  int64         // voluntary and involuntary context switches
	gc        time.Duration // CPU, as the runtime estimates it at the end of each collection
}

// readUsage adds up this process and its children, where the model has some: of
// memory that they share each has a part, and what their collectors used is in
// their CPU time alone.
func readUsage(x *exchange.Exchange) usage {
	u := systemUsage()
	if children := x.Stats().Processes; children != nil {
		u.processes = 1
		for _, pid := range children {
			u.add(usageOfChild(pid))
		}
	}
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindFloat64 {
		u.gc = time.Duration(sample[0].Value.Float64() * float64(time.Second))
	}
	return u
}

func (u *usage) add(v usage) {
	u.processes += v.processes
	u.rss += v.rss
	u.rssPeak += v.rssPeak
	u.threads += v.threads
	u.switches += v.switches
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

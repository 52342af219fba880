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
	"time"

	"workbench/harness/load"
	"workbench/harness/result"
	"workbench/models"
	"workbench/models/exchange"
)

// IsChild reports whether this process was started as a child. A program that
// uses this package asks first thing in main, and in TestMain, and then does
// nothing but RunChild and exit with its code.
func IsChild() bool { return os.Getenv(roleVar) != "" }

// RunChild answers requests from standard input on standard output until the
// input closes, and returns the code to exit with. It returns at once then,
// whatever is still going on: the parent is gone, or wants it so.
func RunChild() int {
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
		for q := range requests {
			var r reply
			if q.Play != nil {
				r = play(*q.Play, func() error {
					if err := out.Encode(reply{Ready: true}); err != nil {
						return err
					}
					if next := <-requests; next.Go == nil {
						return errors.New("clients that are ready wait for Go and nothing else")
					}
					return nil
				})
			} else {
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

// served is a child's state: the server that it runs, if it runs one.
type served struct {
	x     *exchange.Exchange
	fault chan error // what Serve returned, if it did
	begin moment
	usage usage          // at the beginning
	watch chan [2]moment // both ends of the window
}

// answer does what a request asks for.
func (s *served) answer(q request) reply {
	var r reply
	var err error
	switch {
	case q.Calibrate != nil:
		r.SpinPerUs = exchange.CalibrateSpin()
	case q.Serve != nil:
		r.Listening, err = s.serve(*q.Serve)
	case q.Begin != nil:
		r.Busy, err = s.beginSlice(*q.Begin)
	case q.End != nil:
		r.Server, r.Busy, err = s.endSlice(*q.End)
	default:
		err = errors.New("a request asks for nothing that is known here: parent and child differ in version")
	}
	if err != nil {
		r = reply{Error: err.Error()}
	}
	return r
}

// play plays a slice once ready returns. What goes wrong before is the answer
// to Play, what goes wrong after that to Go.
func play(p Play, ready func() error) reply {
	engine, err := load.New(p.Engine)
	if err != nil {
		return reply{Error: err.Error()}
	}
	o, err := engine.Play(context.Background(), p.Job, ready)
	if err != nil {
		return reply{Error: err.Error()}
	}
	return reply{Outcome: &o}
}

func (s *served) serve(conf ServerConfig) (*Listening, error) {
	if s.x != nil {
		return nil, errors.New("a process serves once")
	}
	server, _, err := models.New(conf.Model)
	if err != nil {
		return nil, err
	}
	o := exchange.DefaultOptions()
	o.Conversation, o.SpinPerUs = conf.Conversation, conf.SpinPerUs
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
	return &Listening{Addr: ln.Addr().String(), GOMAXPROCS: runtime.GOMAXPROCS(0)}, nil
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
	m.at = m.stats.At // what was held until then is over what passed until then
	return m
}

func (s *served) beginSlice(w Window) (busy int64, err error) {
	if err := s.stopped(); err != nil {
		return 0, err
	}
	if busy := s.awaitIdle(w.Idle); busy > 0 {
		return busy, nil
	}
	s.x.ResetPeaks()
	s.usage, s.begin, s.watch = readUsage(), now(s.x), nil
	if w.Until > w.From {
		s.watch = make(chan [2]moment, 1)
		go watch(s.x, s.begin.at, w, s.watch)
	}
	return 0, nil
}

// watch looks at both ends of the window. Its timers may be late on a busy
// CPU; each look says when it really was.
func watch(x *exchange.Exchange, begin time.Time, w Window, out chan<- [2]moment) {
	var ends [2]moment
	for i, at := range [2]time.Duration{w.From, w.Until} {
		time.Sleep(time.Until(begin.Add(at)))
		ends[i] = now(x)
	}
	out <- ends
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
	usage := readUsage()
	r := &result.Server{
		CPUUs:           us(e.cpu - b.cpu),
		CPUs:            runtime.GOMAXPROCS(0),
		GOMAXPROCS:      runtime.GOMAXPROCS(0),
		RSSPeakBytes:    usage.rssPeak,
		Threads:         usage.threads,
		Goroutines:      max(b.goroutines, e.goroutines),
		ContextSwitches: usage.switches - s.usage.switches,
		GCCPUUs:         us(usage.gc - s.usage.gc),
		Accepted:        e.stats.Accepted - b.stats.Accepted,
		Requests:        e.stats.Requests - b.stats.Requests,
		HeldPeak:        e.stats.HeldPeak,
		WaitingPeak:     e.stats.WaitingPeak,
		Rejected:        e.stats.Rejected - b.stats.Rejected,
		Panics:          e.stats.Panics - b.stats.Panics,
		AcceptBackoffs:  e.stats.AcceptBackoffs - b.stats.AcceptBackoffs,
	}
	if l := e.stats.Limit; l.Held > 0 {
		r.Limit = &result.Limit{Name: l.Name, Size: l.Held}
	}
	if s.watch == nil {
		r.WindowCPUUs, r.WindowCPUWallUs, r.WindowHeldUs = r.CPUUs, us(e.at.Sub(b.at)), us(e.stats.HeldTime-b.stats.HeldTime)
		return r, 0, nil
	}
	ends := <-s.watch // over, or nearly so
	from, until := ends[0], ends[1]
	r.Goroutines = max(r.Goroutines, from.goroutines, until.goroutines)
	r.WindowCPUUs = us(until.cpu - from.cpu)
	r.WindowCPUWallUs = us(until.at.Sub(from.at))
	r.WindowHeldUs = us(until.stats.HeldTime - from.stats.HeldTime)
	return r, 0, nil
}

// awaitIdle returns when no connection is open any more: clients that have
// closed are gone from here a moment later. Between two connections that wait
// in the backlog none is open either, so it looks twice, and nobody may have
// come in between. When patience is over it returns how many are open.
func (s *served) awaitIdle(patience time.Duration) (busy int64) {
	deadline := time.Now().Add(patience)
	before := s.x.Stats()
	for pause := time.Millisecond; ; pause = min(2*pause, 5*time.Millisecond) {
		time.Sleep(pause)
		now := s.x.Stats()
		switch {
		case before.Open == 0 && now.Open == 0 && now.Accepted == before.Accepted:
			return 0
		case time.Now().After(deadline):
			return max(now.Open, 1)
		}
		before = now
	}
}

// usage is what the system and the runtime know of this process.
type usage struct {
	rssPeak  int64 // bytes
	threads  int64
	switches int64         // voluntary and involuntary context switches
	gc       time.Duration // CPU, as the runtime estimates it at the end of each collection
}

func readUsage() usage {
	u := systemUsage()
	sample := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() == metrics.KindFloat64 {
		u.gc = time.Duration(sample[0].Value.Float64() * float64(time.Second))
	}
	return u
}

func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// Package exchange is everything that a server does with a connection except
// deciding when: the conversation, the work that requests ask for, the
// timeouts, the error policy and the counting, shared byte for byte by every
// concurrency model.
//
// Its position: between two models only the scheduling may differ. So a model
// never reads, parses, writes or closes by itself. It takes connections from
// [Exchange.Accept] and gives each to [Exchange.Hold], which holds the whole
// conversation and the close; what is left to the model is who calls Hold, and
// when.
//
//	for conn := range x.Accept(ctx, ln) { // back-off, stop and counting are in here
//		wg.Go(func() { x.Hold(ctx, conn) }) // the conversation, and its close
//	}
//
// The conversation itself is a state machine that does no I/O ([Machine]);
// Hold is its blocking driver. An event loop can drive the same machine.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// The conversations.
const (
	HTTP = "http" // HTTP/1.1 and 1.0
	Once = "once" // one read of up to OnceRead bytes, one fixed answer, close
)

// OnceRead is the most bytes that the conversation "once" reads.
const OnceRead = 1024

// Options are an exchange's settings, plain and serialisable: a server in a
// child process gets the same ones. A timeout of 0 is off; a grace, or a bound
// of a lingering close, of 0 means that there is none.
type Options struct {
	Conversation  string        `json:"conversation"`   // HTTP or Once
	HeadTimeout   time.Duration `json:"head_timeout"`   // from the first byte of a head to its last; for the first request from when the connection is held
	BodyTimeout   time.Duration `json:"body_timeout"`   // from a head's last byte to the body's last
	WriteTimeout  time.Duration `json:"write_timeout"`  // for one answer, in all
	IdleTimeout   time.Duration `json:"idle_timeout"`   // from an answer to the next request's first byte
	Grace         time.Duration `json:"grace"`          // that requests already read have after a stop
	LingerTimeout time.Duration `json:"linger_timeout"` // bound of a lingering close
	LingerBytes   int64         `json:"linger_bytes"`   // bound of a lingering close
	SpinPerUs     float64       `json:"spin_per_us"`    // iterations of the spin loop per µs of spin, from CalibrateSpin
}

// DefaultOptions are the settings that servers have unless told otherwise.
// SpinPerUs is left at 0: it must be calibrated before a request may spin.
func DefaultOptions() Options {
	return Options{
		Conversation:  HTTP,
		HeadTimeout:   5 * time.Second,
		BodyTimeout:   5 * time.Second,
		WriteTimeout:  30 * time.Second,
		IdleTimeout:   5 * time.Second,
		Grace:         5 * time.Second,
		LingerTimeout: 500 * time.Millisecond,
		LingerBytes:   256 << 10,
	}
}

// check reports the first setting that makes no sense.
func (o Options) check() error {
	if o.Conversation != HTTP && o.Conversation != Once {
		return fmt.Errorf("no conversation %q (conversations: %s, %s)", o.Conversation, HTTP, Once)
	}
	for _, t := range [...]struct {
		name string
		d    time.Duration
	}{
		{"head timeout", o.HeadTimeout}, {"body timeout", o.BodyTimeout}, {"write timeout", o.WriteTimeout},
		{"idle timeout", o.IdleTimeout}, {"grace", o.Grace}, {"linger timeout", o.LingerTimeout},
	} {
		if t.d < 0 {
			return fmt.Errorf("%s is %v: it must not be negative (0 turns it off)", t.name, t.d)
		}
	}
	if o.LingerBytes < 0 || o.SpinPerUs < 0 {
		return errors.New("linger bytes and spin calibration must not be negative")
	}
	return nil
}

// An Exchange is what one Serve of one model shares over all its connections.
// It serves once: after a stop it answers no more. All its methods may be
// called concurrently.
type Exchange struct {
	opts    Options
	epoch   time.Time
	epochNs int64 // the same, since 1970
	observe func(Moment)
	conns   sync.Pool // of *Conn
	desks   sync.Pool // of *desk
	spare   sync.Pool // of *Machine, that a driver had too many of
	date    atomic.Pointer[dateLine]

	stopping  atomic.Bool // no further request is read
	killed    atomic.Bool // the grace is over
	graceOver chan struct{}
	graceEnd  atomic.Int64 // nanoseconds since epoch, once stopping
	watch     sync.Once
	stopped   sync.Once

	counters                     // and their lock, which guards these too:
	all       map[*Conn]struct{} // open connections
	leaving   int                // goroutines that turn connections away
	left      sync.Cond          // leaving fell to 0
	acceptErr error
}

// New returns an exchange, or an error that says which option is wrong.
func New(o Options) (*Exchange, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	x := &Exchange{
		opts:      o,
		epoch:     time.Now(),
		graceOver: make(chan struct{}),
		all:       make(map[*Conn]struct{}),
		counters:  counters{tally: new(tally)},
	}
	x.epochNs = x.epoch.UnixNano()
	x.left.L = &x.mu
	x.conns.New = func() any { return newConn(x) }
	x.desks.New = func() any { return newDesk(x) }
	return x, nil
}

// Options returns the settings that the exchange was made with.
func (x *Exchange) Options() Options { return x.opts }

// A Moment is something that happened to a connection, for an observer.
type Moment struct {
	Event  Event
	Conn   uint64 // number of the connection, from 1 in order of acceptance
	Worker int    // that holds it, or -1
	Bytes  []byte // Read: what was read; valid only during the call
	Work   Work   // Working, Worked
	Err    error  // Panicked, TimedOut
}

// An Event is the kind of a moment.
type Event uint8

// The moments of a connection, in their order; those from Read to Answered
// repeat for each request.
const (
	Accepted   Event = iota // taken from the listener
	Held                    // a model has begun the conversation
	Read                    // bytes came in
	Working                 // work that was asked for begins
	Worked                  // and ends
	Answered                // an answer was written whole, a refusal or a 500 too
	TimedOut                // the peer was too slow
	Panicked                // the work panicked
	TurnedAway              // answered 503 without being held
	Closed
)

// Observe has f called at every moment of every connection, on the goroutine
// that serves it: f must be quick, and may be called concurrently. A panic in
// f at Working is a panic in the work. Without an observer the moments cost
// nothing. It must be called before Serve.
func (x *Exchange) Observe(f func(Moment)) { x.observe = f }

// stopWith arranges that the end of ctx stops the exchange.
func (x *Exchange) stopWith(ctx context.Context) {
	x.watch.Do(func() {
		context.AfterFunc(ctx, x.stop)
		x.member.serves()
	})
}

// Stopping reports whether the exchange is stopping, since ctx is done or the
// listener failed. It is for drivers of talks, which have to be told.
func (x *Exchange) Stopping(ctx context.Context) bool {
	if ctx.Err() != nil {
		x.stop() // others may do so too; it returns when it is done
	}
	return x.stopping.Load()
}

// stop ends every wait for a request's bytes at once, and everything else when
// the grace is over.
func (x *Exchange) stop() { x.stopped.Do(x.stopNow) }

func (x *Exchange) stopNow() {
	x.graceEnd.Store(int64(time.Now().Add(x.opts.Grace).Sub(x.epoch)))
	x.stopping.Store(true)
	x.mu.Lock()
	for c := range x.all {
		// Both strike at once, and whoever is struck sees for how long it may go
		// on. Whoever arms a deadline looks at stopping afterwards, so one of us
		// sees the other.
		_ = c.nc.SetReadDeadline(past)
		_ = c.nc.SetWriteDeadline(past)
	}
	x.mu.Unlock()
	time.AfterFunc(x.opts.Grace, func() {
		x.killed.Store(true)
		close(x.graceOver)
	})
}

// now is the time on the exchange's clock: nanoseconds since its epoch.
func (x *Exchange) now() int64 { return int64(time.Since(x.epoch)) }

// at is a moment on the exchange's clock as package time has it; 0 is none.
func (x *Exchange) at(moment int64) time.Time {
	if moment == 0 {
		return time.Time{}
	}
	return x.epoch.Add(time.Duration(moment))
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// Err says why Accept ended: nil after a stop, else the listener's fault. A
// model's Serve returns it.
func (x *Exchange) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.acceptErr
}

// dateLine is a Date header, made once a second.
type dateLine struct {
	second int64
	line   []byte
}

// dateAt returns the Date line of a moment on the exchange's clock.
func (x *Exchange) dateAt(now int64) []byte {
	second := (x.epochNs + now) / int64(time.Second)
	d := x.date.Load()
	if d == nil || d.second != second {
		d = &dateLine{second, time.Unix(second, 0).UTC().AppendFormat(nil, "Date: Mon, 02 Jan 2006 15:04:05 GMT\r\n")}
		x.date.Store(d)
	}
	return d.line
}

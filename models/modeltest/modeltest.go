// Package modeltest is the conformance suite that every concurrency model
// passes.
//
// Its position: a comparison of models is worth nothing if one of them is
// faster because it drops what the others keep. So before it is measured, each
// model must do the same for its clients, in good days and bad: whole answers,
// a place lost in time by whoever wastes it, limits kept, a stop that answers
// what was read and leaves nothing behind. What a model does is observed from
// outside, by clients on real sockets and by the moments that the exchange
// reports, never taken from what it says of itself.
//
// Each check carries its reason in words, so that a failure teaches. No check
// judges speed: those with a clock in them assert an order (not before the
// timeout, not after another client) or that something happens at all, within
// a [Subject]'s patience.
//
// Some checks look at the whole process (descriptors, goroutines, CPU), so
// they must run one at a time, and not beside other tests.
package modeltest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"workbench/models"
)

// A Check is one thing that every model must do.
type Check struct {
	Name   string
	Reason string // why a model must, and what usually goes wrong
	run    func(*rig) error
}

// Checks returns every check, in the order in which they are best read and
// failures best mended.
func Checks() []Check {
	return []Check{
		{"answers are whole and in order",
			"a client knows where an answer ends only from its length, so one byte too few or too many spoils all that follow on the connection",
			answers},
		{"requests come in pieces",
			"TCP keeps bytes in order and nothing else: a request may be cut anywhere, and a model that takes one read for one request fails on the first long line",
			pieces},
		{"requests come many at once",
			"pipelined requests arrive in one read, and what is left of it after the first belongs to the next: it must be neither dropped nor answered out of turn",
			pipelined},
		{"keep-alive and close",
			"HTTP/1.1 keeps a connection and HTTP/1.0 closes it unless told otherwise; a client told to expect more waits for ever on a closed connection, and one that waits for the end of file on an open one",
			keepAlive},
		{"half-close",
			"an end of file says that the client will send no more, not that it has stopped reading: what it asked for before must still be answered",
			halfClose},
		{"the conversation once",
			"the classic teaching server answers whatever one read brings and closes, so that telnet and one press of Enter get an answer",
			once},
		{"malformed and oversized input",
			"a client that is refused must be able to read why, and the connection must end there: what follows a request that wasn't understood could be anything",
			refusals},
		{"no answer is lost to a reset",
			"closing a socket with unread bytes in it sends a reset, which can overtake the answer: half-close, drain with a bound, then close",
			lostAnswers},
		{"resets by clients",
			"a client that goes away in the middle must cost its own connection and give back its place",
			resets},
		{"silent clients lose their place",
			"a place kept by a client that says nothing is lost to the others; the timeout is for the whole of a head or a body, or one byte now and then would renew it for ever; and it must not come early either",
			silentClients},
		{"clients that don't read lose their place",
			"an answer that nobody reads fills the socket and then blocks whoever writes it: a write needs a deadline as much as a read does",
			deafClients},
		{"one slow client holds up nobody",
			"a loop that reads, works or writes before it accepts again makes everybody wait for the slowest",
			oneSlowClient},
		{"slow clients hold up nobody for ever",
			"with as many slow clients as there are places everyone else must wait, but only until the first of them runs out of time: this holds even for one loop that does everything",
			slowClients},
		{"a panic costs one connection",
			"work that panics is a bug in one request; if it takes a worker, a place or the process with it, a few such requests end the service",
			panics},
		{"descriptor exhaustion",
			"when descriptors run out, accept fails and the connection stays in the backlog, so that trying again at once spins, and giving up ends the service for a shortage that passes: wait, count it, try again",
			exhaustion},
		{"limits are never exceeded",
			"a limit is what the model promises to whatever its requests use downstream; exceeding it by one is as wrong as having none",
			limits},
		{"every place is used",
			"a limit that is never reached, because a worker never starts or a place is not given back, is a smaller limit than the one that is reported",
			places},
		{"a full server rejects and recovers",
			"turning away is for when every place is taken, and only then; whoever is turned away must be able to read it, and the next client must find the place that came free",
			rejects},
		{"a thousand connections",
			"what goes wrong once in a thousand times goes wrong many times a second under load",
			thousand},
		{"counts agree",
			"tables are made from these counts: a connection that is counted in and never out makes every later figure wrong",
			counts},
		{"stop answers what was read",
			"a request that was read may have had its effect, so its client must learn the outcome; whoever has no whole request with the server is not waited for",
			stopAnswers},
		{"stop closes what waits",
			"connections in a queue or in the backlog belong to the server: at a stop they must be closed, or their clients wait for nobody",
			stopWaiting},
		{"stop cuts off after the grace",
			"the grace is promised to requests at work, so none is cut off before, and to the operator, so none holds up the stop any longer",
			stopGrace},
		{"stop under load",
			"a stop comes in the middle of everything; a client may get no answer, but never half of one",
			stopUnderLoad},
		{"stop while nobody comes",
			"a stop can come before anything else has happened, or while the model is deep in accept, and must wake it: one that looks at its context between connections ends with the next client, or never",
			stopIdle},
		{"stop leaves nothing behind",
			"when Serve has returned there is nobody left to end a goroutine or close a descriptor: what is left is left for ever",
			leaks},
		{"a listener's fault ends Serve",
			"a server that can't accept any more and neither returns nor says so looks healthy to whoever watches it",
			listenerFault},
	}
}

// A Subject is a model under test and what it promises.
type Subject struct {
	// New returns the model; each start gets a new one.
	New func() models.Server

	Held    int  // connections held at once at most; 0 where no limit is promised
	Open    int  // connections accepted and not closed at most, those that are turned away, or may be yet, aside; 0 where no limit is promised
	Work    int  // requests at work at once at most; 0 where no limit is promised
	Rejects bool // answers 503 when Open connections are open; else they wait in the backlog

	// Reference says that the server isn't ours: its refusals may be without
	// a length and end with the connection (RFC 9112, 6.3).
	Reference bool

	// Forks says that the model has child processes, so that starting many
	// servers at once would keep all CPUs busy for longer than timeouts here are.
	Forks bool

	// Unable says what the model can't do by its nature, and why: a
	// conversation in it is left out of every check.
	Unable map[string]string

	// Excused says which checks the model needn't pass, and why: by a check's
	// name, or by that, a colon and one of its rows. It is for servers that
	// aren't ours, which are held to what their library promises.
	Excused map[string]string

	// Patience is how long something that must happen may take before it is
	// taken not to happen. It is for slow machines, not for fast models: 0
	// stands for 10 s.
	Patience time.Duration
}

// Of returns the subject that spec names, with the promises that its
// parameters make.
func Of(spec string) (Subject, error) {
	if _, _, err := models.New(spec); err != nil {
		return Subject{}, err
	}
	parsed, err := models.Parse(spec)
	if err != nil {
		return Subject{}, err
	}
	s := Subject{New: func() models.Server {
		m, _, err := models.New(spec)
		if err != nil {
			panic(err) // it was understood just now
		}
		return m
	}}
	m, _ := models.Find(parsed.Model)
	s.Reference, s.Forks, s.Unable = m.Reference, m.Forks, m.Unable
	promised := parsed.Bounds()
	s.Held, s.Open, s.Work, s.Rejects = promised.Held, promised.Open, promised.Work, promised.Rejects
	return s, nil
}

// Run tries every check on the model that spec names, each in a subtest.
// Checks that don't apply to the model, or to this system, are skipped. A model
// that doesn't answer a first request fails without them.
func Run(t *testing.T, spec string) {
	t.Helper()
	RunExcept(t, spec, nil)
}

// RunExcept is Run for a server that isn't ours, and what it is excused from
// (see [Subject]).
func RunExcept(t *testing.T, spec string, excused map[string]string) {
	t.Helper()
	if _, err := models.Parse(spec); err != nil {
		t.Fatal(err)
	}
	if err := models.Available(spec); err != nil {
		t.Skip(err)
	}
	subject, err := Of(spec)
	if err != nil {
		t.Fatal(err)
	}
	subject.Excused = excused
	if err := subject.answersAtAll(t.Context()); err != nil {
		t.Fatal(err) // once, and not with every check
	}
	for _, c := range Checks() {
		t.Run(c.Name, func(t *testing.T) {
			switch err := c.Try(t.Context(), subject); {
			case errors.Is(err, ErrNotApplicable):
				t.Skip(err) // the model makes no such promise, or this system can't show whether it keeps it
			case err != nil:
				t.Error(err)
			}
		})
	}
}

// ErrNotApplicable is wrapped by what Try returns where the check has no
// meaning for the model, or can't be made on this system.
var ErrNotApplicable = errors.New("does not apply")

func notApplicable(why string) error { return fmt.Errorf("%w: %s", ErrNotApplicable, why) }

// A Failure is a check that a model did not pass.
type Failure struct {
	Check Check
	Fact  error // what was seen
}

// Error is what was seen, and the check's reason.
func (f *Failure) Error() string { return f.Fact.Error() + "\n\t" + f.Check.Reason }

func (f *Failure) Unwrap() error { return f.Fact }

// Try starts the subject, once or several times, and returns nil if it passes
// the check, an error that wraps [ErrNotApplicable], or a [*Failure]. It
// returns when the subject has stopped, or when patience with that is over.
func (c Check) Try(ctx context.Context, s Subject) error {
	if why := s.Excused[c.Name]; why != "" {
		return notApplicable("excused: " + why)
	}
	r := s.rig(ctx)
	r.check = c.Name
	err := r.learn()
	if err == nil {
		err = c.run(r)
	}
	if err == nil || errors.Is(err, ErrNotApplicable) {
		return err
	}
	return &Failure{Check: c, Fact: err}
}

package modeltest

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"workbench/models"
)

// A row is a broken model, and the check that is meant for it.
type row struct {
	is       string
	subject  Subject
	caughtBy string
	says     string   // the failure
	passes   []string // other checks; nil stands for all of them
}

func newServe(f serve) func() models.Server { return func() models.Server { return f } }

var left = leaked{release: make(chan struct{})}

// some are checks that a model passes if it is broken elsewhere.
var some = []string{"answers are whole and in order", "requests come many at once", "keep-alive and close"}

var broken = []row{
	{
		is: "a model that spins on descriptor exhaustion", subject: Subject{New: newServe(spinner)},
		caughtBy: "descriptor exhaustion", says: "of CPU",
	},
	{
		is: "a model that ends on descriptor exhaustion", subject: Subject{New: newServe(quitter)},
		caughtBy: "descriptor exhaustion", says: "descriptors ran out, and Serve returned: accept",
		passes: some,
	},
	{
		is: "a model that loses answers to a reset", subject: Subject{New: func() models.Server { return handmade{} }},
		caughtBy: "no answer is lost to a reset", says: "and then looked for its 431",
		passes: append([]string{"half-close", "stop while nobody comes"}, some...),
	},
	{
		is: "a model that resets instead of closing", subject: Subject{New: newServe(resetter)},
		caughtBy: "keep-alive and close", says: `HTTP/1.1 with Connection: "close": instead of the end of file: the connection was reset`,
		passes: []string{"requests come in pieces", "one slow client holds up nobody", "every place is used"},
	},
	{
		is: "a model that exceeds its limit", subject: Subject{New: newServe(oneTooMany), Held: 4, Open: 5},
		caughtBy: "limits are never exceeded", says: "5 connections were held at once, and the limit is 4",
	},
	{
		is: "a model that works on more requests than it may", subject: Subject{New: newServe(oneTooManyAtWork), Work: 4},
		caughtBy: "limits are never exceeded", says: "5 requests were at work at once, and the limit is 4",
		passes: append([]string{"every place is used"}, some...),
	},
	{
		is: "a model that works on fewer requests than it says", subject: Subject{New: newServe(halfAtWork), Work: 8},
		caughtBy: "every place is used", says: "4 at work: waited 2s in vain for 8 requests to be at work at once",
		passes: append([]string{"limits are never exceeded"}, some...),
	},
	{
		is: "a model that declares another limit of its work than it was given", subject: Subject{New: newServe(oneTooManyAtWork), Work: 5},
		caughtBy: "limits are never exceeded", says: `declares that it has 4 requests at work at once ("workers"), and its parameters say 5`,
		passes: append([]string{"every place is used"}, some...),
	},
	{
		is: "a model that has no limit", subject: Subject{New: newServe(unlimited), Held: 4, Open: 4},
		caughtBy: "limits are never exceeded", says: " connections were held at once, and the limit is 4",
		passes: some,
	},
	{
		is: "a model that declares another limit than it was given", subject: Subject{New: newServe(oneTooMany), Held: 5, Open: 5},
		caughtBy: "limits are never exceeded", says: `declares that it holds 4 connections at once ("goroutines"), and its parameters say 5`,
		passes: append([]string{"every place is used"}, some...),
	},
	{
		is: "a model that leaks a goroutine", subject: Subject{New: newServe(left.goroutine)},
		caughtBy: "stop leaves nothing behind", says: "modeltest.(*leaked).goroutine",
	},
	{
		is: "a model that leaks a descriptor", subject: Subject{New: newServe(left.descriptor)},
		caughtBy: "stop leaves nothing behind", says: "3 more than before",
	},
	{
		is: "a model that doesn't say which worker holds what", subject: Subject{New: newServe(anonymous), Held: 4, Open: 4},
		caughtBy: "counts agree", says: "workers are said to have served 0 connections, and ",
		passes: append([]string{"limits are never exceeded"}, some...),
	},
	{
		is: "a model that reads before it accepts again", subject: Subject{New: newServe(oneLoop)},
		caughtBy: "one slow client holds up nobody", says: "a client that sent half a head held up 49 others for ",
		passes: append([]string{"silent clients lose their place"}, some...),
	},
	{
		is: "a model with half the workers that it was given", subject: Subject{New: newServe(halfTheWorkers), Held: 8, Open: 8},
		caughtBy: "every place is used", says: "4 at work: waited 2s in vain for 8 requests to be at work at once",
		passes: some,
	},
	{
		is: "a model that turns clients away with a place free", subject: Subject{New: newServe(rejectsEarly), Held: 4, Open: 4, Rejects: true},
		caughtBy: "a full server rejects and recovers", says: "no more clients came than there are places, and one of them: the 4th of 4 clients that came at once: got 503",
		passes: append([]string{"a thousand connections"}, some...),
	},
	{
		is: "a model whose workers end with a panic", subject: Subject{New: func() models.Server { return queueing{mortal: true} }, Held: 2, Open: 5},
		caughtBy: "a panic costs one connection", says: "a request whose work panicked: no answer within 2s",
		passes: append([]string{"limits are never exceeded", "every place is used"}, some...),
	},
	{
		is: "a model that forgets connections when its queue is full", subject: Subject{New: newServe(dropper)},
		caughtBy: "a thousand connections", says: "of 50 clients in the conversation http: no answer within 2s",
		passes: some,
	},
	{
		is: "a model that sends wrong bytes", subject: Subject{New: func() models.Server { return handmade{spoils: true} }},
		caughtBy: "answers are whole and in order", says: "asked for 1 bytes, among other lengths on one connection: an answer of 1 bytes has the wrong bytes in it",
		passes: []string{"stop while nobody comes"},
	},
	{
		is: "a model that drops what is left of a read", subject: Subject{New: func() models.Server { return handmade{forgets: true} }},
		caughtBy: "requests come many at once", says: "the answer to request 2 of 101 sent at once: ",
		passes: []string{"answers are whole and in order", "keep-alive and close"},
	},
	{
		is: "a model that hangs up at a stop", subject: Subject{New: newServe(hangUp)},
		caughtBy: "stop answers what was read", says: "that were read before a stop: no answer: the connection was closed",
		passes: append([]string{"stop while nobody comes"}, some...),
	},
	{
		is: "a model that returns before its connections are closed", subject: Subject{New: newServe(leaves)},
		caughtBy: "stop answers what was read", says: "connections were still open",
		passes: append([]string{"stop while nobody comes"}, some...),
	},
	{
		is: "a model that sits out its grace", subject: Subject{New: newServe(sitsOut)},
		caughtBy: "stop answers what was read", says: "waited its whole grace, 2s",
		passes: some,
	},
	{
		is: "a model that leaves its queue at a stop", subject: Subject{New: func() models.Server { return queueing{dropsQueue: true} }, Held: 2, Open: 5},
		caughtBy: "stop closes what waits", says: "a client that waited for a place when the stop came: no answer within 2s",
		passes: append([]string{"limits are never exceeded", "every place is used", "stop answers what was read"}, some...),
	},
	{
		is: "a model that misses a stop while nobody comes", subject: Subject{New: newServe(deafToStop)},
		caughtBy: "stop while nobody comes", says: ": Serve has not returned 2.",
		passes: []string{"answers are whole and in order"},
	},
	{
		is: "a model that takes a fault for a stop", subject: Subject{New: newServe(deafToFaults)},
		caughtBy: "a listener's fault ends Serve", says: "the listener of an idle server failed under it, without a stop, and Serve returned nil",
		passes: append([]string{"stop answers what was read"}, some...),
	},
}

// TestBroken shows of each check that it fails, and says why, for the model
// that is broken in its way; and that it is the model's way of being broken
// that it sees, since other checks pass.
func TestBroken(t *testing.T) {
	t.Cleanup(left.putInOrder)
	for _, row := range broken {
		t.Run(row.is, func(t *testing.T) {
			row.subject.Patience = 2 * time.Second
			var meant bool
			for _, c := range Checks() {
				if c.Name == row.caughtBy {
					meant = true
					err := c.Try(t.Context(), row.subject)
					fail, ok := errors.AsType[*Failure](err)
					switch {
					case errors.Is(err, ErrNotApplicable):
						t.Skip(err) // only descriptor exhaustion, and not on Linux
					case !ok:
						t.Errorf("%q did not catch it: %v", c.Name, err)
					case !strings.Contains(fail.Fact.Error(), row.says):
						t.Errorf("%q says:\n\t%v\nwant in it:\n\t%s", c.Name, fail.Fact, row.says)
					default:
						t.Logf("%s: %v", c.Name, err)
					}
				} else if row.passes == nil && !testing.Short() || slices.Contains(row.passes, c.Name) {
					patient := row.subject
					patient.Patience = 0
					if err := c.Try(t.Context(), patient); err != nil && !errors.Is(err, ErrNotApplicable) {
						t.Errorf("%q, which isn't meant for it: %v", c.Name, err)
					}
				}
			}
			if !meant {
				t.Errorf("there is no check %q", row.caughtBy)
			}
		})
	}
}

func TestChecksTeach(t *testing.T) {
	names := map[string]bool{}
	for _, c := range Checks() {
		if names[c.Name] {
			t.Errorf("two checks are named %q", c.Name)
		}
		names[c.Name] = true
		if len(c.Reason) < 60 || strings.ContainsAny(c.Reason, "\n") || strings.HasSuffix(c.Reason, ".") {
			t.Errorf("%s: the reason %q is not a line that says why, without a full stop", c.Name, c.Reason)
		}
	}
	for _, row := range broken {
		for _, name := range row.passes {
			if !names[name] {
				t.Errorf("%s: there is no check %q", row.is, name)
			}
		}
	}
}

func TestOf(t *testing.T) {
	for _, row := range []struct {
		spec       string
		held, open int
		rejects    bool
	}{
		{"iterative", 0, 0, false},
		{"goroutine", 0, 0, false},
		{"pool", 16, 16, false},
		{"pool:workers=2,queue=3,when-full=reject", 2, 5, true},
		{"errgroup:limit=4", 4, 5, false},
		{"errgroup:limit=4,when-full=reject", 4, 4, true},
	} {
		s, err := Of(row.spec)
		if err != nil || s.Held != row.held || s.Open != row.open || s.Rejects != row.rejects {
			t.Errorf("Of(%q) = held %d, open %d, rejects %v, %v; want %d, %d, %v", row.spec, s.Held, s.Open, s.Rejects, err, row.held, row.open, row.rejects)
		}
		if s.New() == s.New() && s.New() == nil {
			t.Errorf("Of(%q) makes no server", row.spec)
		}
	}
	if _, err := Of("pol"); err == nil || !strings.Contains(err.Error(), `did you mean "pool"?`) {
		t.Errorf(`Of("pol") = %v`, err)
	}
}

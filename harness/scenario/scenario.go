// Package scenario says who the clients of a measurement are and what they
// ask for.
//
// Its position: identical load is a fact, not a hope. What a client asks for
// in its i-th request is a pure function of a [Scenario], a seed and the
// place in the experiment; it does not depend on the server, on the machine,
// or on how fast anything was. A [Plan] can therefore be named by a digest,
// and two measurements whose digests agree put the same questions, in the
// same order, to whatever answered them. For that the values are whole
// microseconds and bytes, the random numbers come from a documented
// generator, and the elementary functions that drawing needs are computed here
// rather than by package math, whose results may differ between processors.
//
// The package refuses to know sockets, clocks and models: playing a plan is
// the business of package load.
package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"
)

// Bounds of a scenario. Those of work are the servers' too: past them a
// server answers 400. They hold for every drawn value: of an exponential or
// lognormal distribution longer draws are cut to the bound, which may take no
// more than mostCut of its mean. An exponential's mean is at most 0.217 of it.
const (
	MaxClients               = 10_000
	MaxRequestsPerConnection = 1_000_000
	MaxThink                 = 60 * time.Second
	MaxWait                  = 60 * time.Second
	MaxSpin                  = 10 * time.Second
	MaxBytes                 = 16 << 20
	MaxRate                  = 1_000_000 // arrivals/s, at the peak of a cycle too
	MaxIdle                  = 100_000
	MaxTimeout               = 60 * time.Second
)

// DefaultTimeout is how long a client waits for an answer unless the scenario
// says otherwise.
const DefaultTimeout = 10 * time.Second

// What clients may not outlast, or the server would hang up on them: package
// exchange, which this one doesn't import, has the same figures as defaults.
const (
	ServerIdleTimeout = 5 * time.Second // between two requests on a connection
	ServerHeadTimeout = 5 * time.Second // from the first byte of a request's head to its last
)

// The loops and conversations that there are.
const (
	LoopClosed     = "closed"      // each client sends its next request when the one before is answered
	LoopOpen       = "open"        // requests arrive at a rate, whatever the server does, each on a connection of its own
	LoopPartlyOpen = "partly-open" // sessions arrive at a rate, each a closed sequence of requests on one connection

	ArrivalsPoisson  = "poisson"
	ArrivalsConstant = "constant"

	ConversationHTTP = "http"
	ConversationOnce = "once" // the classic teaching server: one read, one fixed answer, close
)

// Custom is the name of a load that is of nobody's catalogue.
const Custom = "custom"

// A Scenario says who the clients are and what they ask for. In a closed loop
// there are Clients clients, each of which connects, sends
// RequestsPerConnection requests one after the other, closes, thinks, and
// begins again. In an open loop requests arrive at Rate, each with a connection
// of its own. In a partly open one sessions do, each of which connects, sends
// RequestsPerConnection requests one after the other, thinking between them,
// and closes. Scenarios are comparable with ==.
type Scenario struct {
	Name                  string  `json:"name"`                    // a name of the catalogue, or [Custom]
	Claim                 string  `json:"-"`                       // what it shows, in one line; of the catalogue's alone
	Loop                  string  `json:"loop"`                    // LoopClosed, LoopOpen or LoopPartlyOpen
	Conversation          string  `json:"conversation"`            // ConversationHTTP or ConversationOnce
	Clients               int     `json:"clients"`                 // closed: 1 to MaxClients; else 0
	Rate                  float64 `json:"rate,omitzero"`           // not closed: arrivals/s, of which thousandths count, above 0 and at most MaxRate; closed: 0
	OfCapacity            bool    `json:"of_capacity,omitzero"`    // Rate is what the reference was seen to answer at most: 0 until a pilot has seen that, and [Scenario.Resolve] said so
	Arrivals              string  `json:"arrivals,omitzero"`       // not closed: ArrivalsPoisson or ArrivalsConstant; closed: ""
	Cycle                 Cycle   `json:"cycle,omitzero"`          // not closed: how Rate varies, again and again; zero: it doesn't
	RequestsPerConnection int     `json:"requests_per_connection"` // 1 to MaxRequestsPerConnection; open: 1; partly open: 2 or more
	Think                 Dist    `json:"think"`                   // closed: after a connection's close; partly open: between requests, below ServerIdleTimeout; at most MaxThink; open: 0
	Wait                  Dist    `json:"wait"`                    // the server blocks, without CPU; at most MaxWait
	Spin                  Dist    `json:"spin"`                    // the server burns CPU; at most MaxSpin
	Bytes                 int64   `json:"bytes"`                   // size of a response's body, at most MaxBytes; 0: the server's default body
	Idle                  int     `json:"idle,omitzero"`           // connections that are answered once and then held, silent: 0 to MaxIdle
	Slow                  Slow    `json:"slow,omitzero"`           // the share of clients (not closed: of arrivals) that dribble their requests, in less than ServerHeadTimeout and Patience
	Timeout               Span    `json:"timeout,omitzero"`        // how long a client waits for an answer, at most MaxTimeout; 0: DefaultTimeout
}

// Patience is how long a client waits for an answer: Timeout, or its default.
func (s Scenario) Patience() time.Duration {
	return cmp.Or(s.Timeout.Duration(), DefaultTimeout)
}

// IsSlow reports whether client n (not closed: arrival n), from 0, dribbles
// its requests. Of any so many in a row as make a whole number of slow ones,
// exactly that many are slow.
func (s Scenario) IsSlow(n int) bool {
	ppm := s.Slow.ppm
	return (int64(n)+1)*ppm/1e6 > int64(n)*ppm/1e6
}

// SlowClients is how many of a closed loop's clients dribble their requests.
func (s Scenario) SlowClients() int { return int(int64(s.Clients) * s.Slow.ppm / 1e6) }

// Resolved reports whether s can be played: whether its rate is known.
func (s Scenario) Resolved() bool { return !s.OfCapacity || s.Rate > 0 }

// Resolve is s with what the reference was seen to answer at most, per second,
// as its rate, in whole thousandths. A scenario that isn't of capacity stays as
// it is.
func (s Scenario) Resolve(capacity float64) Scenario {
	if s.OfCapacity {
		s.Rate = math.Round(capacity*1000) / 1000
	}
	return s
}

// Validate reports the first thing about s that no experiment could play.
// Whether this process may open as many descriptors as there are clients is
// another question, which depends on the machine and is asked elsewhere. A rate
// that is of capacity may still be 0: see [Scenario.Resolved].
func (s Scenario) Validate() error {
	_, err := s.problem()
	return err
}

// problem is Validate, and the key of the field that is wrong, or that is
// easiest to put right.
func (s Scenario) problem() (key string, err error) {
	switch {
	case s.Loop != LoopClosed && s.Loop != LoopOpen && s.Loop != LoopPartlyOpen:
		return "loop", fmt.Errorf("loop %q: want %q, %q or %q", s.Loop, LoopClosed, LoopOpen, LoopPartlyOpen)
	case s.Conversation != ConversationHTTP && s.Conversation != ConversationOnce:
		return "conversation", fmt.Errorf("conversation %q: want %q or %q", s.Conversation, ConversationHTTP, ConversationOnce)
	}
	for _, ask := range []func(Scenario) (string, error){
		Scenario.problemOfLoop, Scenario.problemOfWork, Scenario.problemOfManners, Scenario.problemOfOnce,
	} {
		if key, err := ask(s); err != nil {
			return key, err
		}
	}
	return "", nil
}

// problemOfLoop is about who sends, and when.
func (s Scenario) problemOfLoop() (key string, err error) {
	if s.RequestsPerConnection < 1 || s.RequestsPerConnection > MaxRequestsPerConnection {
		return "requests_per_connection", fmt.Errorf("requests per connection %d: want 1 to %d", s.RequestsPerConnection, MaxRequestsPerConnection)
	}
	if s.Loop == LoopClosed {
		const instead = "a closed loop's clients send when they are answered (leave it out, or take clients out and give a rate)"
		switch {
		case s.Clients < 1 || s.Clients > MaxClients:
			return "clients", fmt.Errorf("clients %d: want 1 to %d (a process's limit of descriptors may ask for fewer)", s.Clients, MaxClients)
		case s.OfCapacity:
			return "rate", errors.New("rate capacity: " + instead)
		case s.Rate != 0:
			return "rate", fmt.Errorf("rate %v: %s", s.Rate, instead)
		case s.Arrivals != "":
			return "arrivals", fmt.Errorf("arrivals %q: %s", s.Arrivals, instead)
		case !s.Cycle.IsZero():
			return "cycle", fmt.Errorf("cycle %s: %s", s.Cycle, instead)
		}
		return "", nil
	}
	rate := s.rateThousandths()
	switch {
	case s.Clients != 0:
		return "clients", fmt.Errorf("clients %d: in loop %q requests arrive at a rate, however many clients that takes (leave clients out, or the rate)", s.Clients, s.Loop)
	case !(s.Rate >= 0 && s.Rate <= MaxRate) || rate == 0 && !(s.OfCapacity && s.Rate == 0):
		return "rate", fmt.Errorf("rate %v: want %s", s.Rate, wantRate)
	case s.Arrivals != ArrivalsPoisson && s.Arrivals != ArrivalsConstant:
		return "arrivals", fmt.Errorf("arrivals %q: want %q or %q", s.Arrivals, ArrivalsPoisson, ArrivalsConstant)
	case s.Loop == LoopOpen && s.RequestsPerConnection != 1:
		return "requests_per_connection", fmt.Errorf("requests per connection %d: loop %q has one (take loop %q)", s.RequestsPerConnection, LoopOpen, LoopPartlyOpen)
	case s.Loop == LoopPartlyOpen && s.RequestsPerConnection == 1:
		return "requests_per_connection", fmt.Errorf("requests per connection 1: loop %q has 2 or more (take loop %q)", LoopPartlyOpen, LoopOpen)
	case s.Loop == LoopOpen && !s.Think.IsZero():
		return "think", fmt.Errorf("think %s: loop %q has one request on a connection, and nobody waits after it (leave think out, or give more requests per connection)", s.Think, LoopOpen)
	}
	if s.Cycle.IsZero() || rate == 0 {
		return "", nil
	}
	peak, arrivals, length := int64(0), 0.0, 0.0 // thousandths of the rate; 10⁻¹² arrivals; µs
	for _, p := range s.Cycle.Phases() {
		peak = max(peak, p.Thousandths)
		arrivals += float64(rate) * float64(p.Thousandths) * float64(p.For)
		length += float64(p.For)
	}
	switch {
	case float64(rate)*float64(peak) > MaxRate*1e6:
		return "cycle", fmt.Errorf("cycle %s: at its peak %s times %s arrivals/s, want at most %d", s.Cycle, formatThousandths(peak), formatThousandths(rate), MaxRate)
	case arrivals < 1000*length: // so that a gap is always something that a duration can hold
		return "cycle", fmt.Errorf("cycle %s: at %s arrivals/s it makes fewer than one in 1000 s, want as many or more", s.Cycle, formatThousandths(rate))
	}
	return "", nil
}

// mostCut is the share of a distribution's mean that may be lost because longer
// draws are cut to the bound. Past it, the mean that a header announces and a
// prediction starts from is not that of the requests.
const mostCut = 0.01

// problemOfWork is about what requests ask for.
func (s Scenario) problemOfWork() (key string, err error) {
	for _, d := range []struct {
		name string
		dist Dist
		most time.Duration
	}{{"think", s.Think, MaxThink}, {"wait", s.Wait, MaxWait}, {"spin", s.Spin, MaxSpin}} {
		bound := formatMicros(d.most.Microseconds())
		if d.dist.longest() > d.most {
			return d.name, fmt.Errorf("%s %s: want at most %s", d.name, d.dist, bound)
		}
		if cut := d.dist.cut(d.most); cut > mostCut {
			return d.name, fmt.Errorf("%s %s: no draw is longer than %s, which takes %.3g %% of the mean: want a mean, or a variation, of which that takes at most %g %%",
				d.name, d.dist, bound, 100*cut, 100*mostCut)
		}
	}
	if s.Bytes < 0 || s.Bytes > MaxBytes {
		return "bytes", fmt.Errorf("bytes %d: want 0 (the server's default body) to %s", s.Bytes, FormatBytes(MaxBytes))
	}
	return "", nil
}

// problemOfManners is about how clients treat their connections.
//
// A session that thinks for as long as the server waits for its next request
// is hung up on. Which one that is would be chance, so long thinking is refused.
// Of a distribution without end that can't be asked; there, no more than one
// think time in a million may be so long. Where connections are held the
// server waits for ever.
func (s Scenario) problemOfManners() (key string, err error) {
	switch over := s.Slow.Over(); {
	case s.Loop == LoopPartlyOpen && s.Idle == 0 && s.Think.rare() >= ServerIdleTimeout:
		few := ""
		if s.Think.rare() != s.Think.longest() {
			few = " but for one in a million"
		}
		return "think", fmt.Errorf("think %s: between two requests of a session, want less than the server's idle timeout of %v%s", s.Think, ServerIdleTimeout, few)
	case s.Idle < 0 || s.Idle > MaxIdle:
		return "idle", fmt.Errorf("idle %d: want 0 to %d connections that are held", s.Idle, MaxIdle)
	case s.Timeout < 0 || s.Timeout.Duration() > MaxTimeout:
		return "timeout", fmt.Errorf("timeout %s: want a time up to %s, or 0 for %s", s.Timeout, formatMicros(MaxTimeout.Microseconds()), formatMicros(DefaultTimeout.Microseconds()))
	case over >= ServerHeadTimeout:
		return "slow", fmt.Errorf("slow %s: want less than the server's timeout of %v for a request's head", s.Slow, ServerHeadTimeout)
	case s.Loop == LoopClosed && !s.Slow.IsZero() && s.SlowClients() == 0:
		least := (1_000_000 + int64(s.Clients) - 1) / int64(s.Clients)
		return "slow", fmt.Errorf("slow %s: of %d clients that is not one: want a share of at least %s, or more clients", s.Slow, s.Clients, formatPercent(least))
	case !s.Slow.IsZero() && over >= s.Patience():
		return "slow", fmt.Errorf("slow %s: want less than the %v for which clients wait for an answer, sending included", s.Slow, s.Patience())
	}
	return "", nil
}

// problemOfOnce is about what the teaching server's conversation leaves no
// room for.
func (s Scenario) problemOfOnce() (key string, err error) {
	if s.Conversation != ConversationOnce {
		return "", nil
	}
	instead := fmt.Sprintf("(leave it out, or take conversation %q)", ConversationHTTP)
	switch {
	case !s.Wait.IsZero() || !s.Spin.IsZero() || s.Bytes != 0:
		return "conversation", fmt.Errorf("conversation %q carries no work: leave wait, spin and bytes out, or take conversation %q",
			ConversationOnce, ConversationHTTP)
	case s.RequestsPerConnection != 1:
		return "requests_per_connection", fmt.Errorf("requests per connection %d: conversation %q has one, and closes", s.RequestsPerConnection, ConversationOnce)
	case s.Idle != 0:
		return "idle", fmt.Errorf("idle %d: conversation %q closes when it has answered, so nothing can be held %s", s.Idle, ConversationOnce, instead)
	case !s.Slow.IsZero():
		return "slow", fmt.Errorf("slow %s: conversation %q answers the first byte that it reads, so nobody waits for the others %s", s.Slow, ConversationOnce, instead)
	}
	return "", nil
}

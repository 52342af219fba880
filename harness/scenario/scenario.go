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
// generator, and the one transcendental function needed is computed here
// rather than by package math, whose results may differ between processors.
//
// The package refuses to know sockets, clocks and models: playing a plan is
// the business of package load.
package scenario

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of a scenario. Those of work are the servers' too: past them a
// server answers 400. They hold for every drawn value: of an exponential
// distribution the mean must be within the bound and longer draws are cut to it.
const (
	MaxClients               = 10_000
	MaxRequestsPerConnection = 1_000_000
	MaxThink                 = 60 * time.Second
	MaxWait                  = 60 * time.Second
	MaxSpin                  = 10 * time.Second
	MaxBytes                 = 16 << 20
	MaxRate                  = 1_000_000 // arrivals/s
	MaxIdle                  = 100_000
	MaxTimeout               = 60 * time.Second
)

// DefaultTimeout is how long a client waits for an answer unless the scenario
// says otherwise.
const DefaultTimeout = 10 * time.Second

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
	OfCapacity            bool    `json:"of_capacity,omitzero"`    // Rate is what the reference was seen to answer at most: 0 until a pilot has seen that
	Arrivals              string  `json:"arrivals,omitzero"`       // not closed: ArrivalsPoisson or ArrivalsConstant; closed: ""
	Cycle                 Cycle   `json:"cycle,omitzero"`          // not closed: how Rate varies, again and again; zero: it doesn't
	RequestsPerConnection int     `json:"requests_per_connection"` // 1 to MaxRequestsPerConnection; open: 1
	Think                 Dist    `json:"think"`                   // closed: after a connection's close; partly open: between requests; at most MaxThink
	Wait                  Dist    `json:"wait"`                    // the server blocks, without CPU; at most MaxWait
	Spin                  Dist    `json:"spin"`                    // the server burns CPU; at most MaxSpin
	Bytes                 int64   `json:"bytes"`                   // size of a response's body, at most MaxBytes; 0: the server's default body
	Idle                  int     `json:"idle,omitzero"`           // connections that are answered once and then held, silent: 0 to MaxIdle
	Slow                  Slow    `json:"slow,omitzero"`           // the share of clients (not closed: of arrivals) that dribble their requests
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

// Validate reports the first thing about s that no experiment could play.
// Whether this process may open as many descriptors as there are clients is
// another question, which depends on the machine and is asked elsewhere.
func (s Scenario) Validate() error {
	switch {
	case s.Loop != LoopClosed && s.Loop != LoopOpen && s.Loop != LoopPartlyOpen:
		return fmt.Errorf("loop %q: want %q, %q or %q", s.Loop, LoopClosed, LoopOpen, LoopPartlyOpen)
	case s.Conversation != ConversationHTTP && s.Conversation != ConversationOnce:
		return fmt.Errorf("conversation %q: want %q or %q", s.Conversation, ConversationHTTP, ConversationOnce)
	case s.Loop == LoopClosed && s.Clients < 1 || s.Clients > MaxClients:
		return fmt.Errorf("clients %d: want 1 to %d (a process's limit of descriptors may ask for fewer)", s.Clients, MaxClients)
	case s.RequestsPerConnection < 1 || s.RequestsPerConnection > MaxRequestsPerConnection:
		return fmt.Errorf("requests per connection %d: want 1 to %d", s.RequestsPerConnection, MaxRequestsPerConnection)
	case s.Bytes < 0 || s.Bytes > MaxBytes:
		return fmt.Errorf("bytes %d: want 0 (the server's default body) to %s", s.Bytes, FormatBytes(MaxBytes))
	}
	for _, d := range []struct {
		name string
		dist Dist
		most time.Duration
	}{{"think", s.Think, MaxThink}, {"wait", s.Wait, MaxWait}, {"spin", s.Spin, MaxSpin}} {
		if d.dist.longest() > d.most {
			return fmt.Errorf("%s %s: want at most %s", d.name, d.dist, formatMicros(d.most.Microseconds()))
		}
	}
	if s.Conversation == ConversationOnce {
		switch {
		case !s.Wait.IsZero() || !s.Spin.IsZero() || s.Bytes != 0:
			return fmt.Errorf("conversation %q carries no work: leave wait, spin and bytes out, or take conversation %q",
				ConversationOnce, ConversationHTTP)
		case s.RequestsPerConnection != 1:
			return fmt.Errorf("requests per connection %d: conversation %q has one, and closes", s.RequestsPerConnection, ConversationOnce)
		}
	}
	return nil
}

// Args is s as arguments of `workbench run`, spelled out (a scenario of the
// catalogue also goes by --scenario NAME). What has its default is left out,
// but clients and requests per connection always stand there.
func (s Scenario) Args() []string {
	args := []string{
		"--clients", strconv.Itoa(s.Clients),
		"--requests-per-connection", strconv.Itoa(s.RequestsPerConnection),
	}
	if s.Conversation == ConversationOnce {
		args = append(args, "--conversation", s.Conversation)
	}
	for _, d := range []struct {
		flag string
		dist Dist
	}{{"--think", s.Think}, {"--wait", s.Wait}, {"--spin", s.Spin}} {
		if !d.dist.IsZero() {
			args = append(args, d.flag, d.dist.String())
		}
	}
	if s.Bytes != 0 {
		args = append(args, "--bytes", FormatBytes(s.Bytes))
	}
	return args
}

// Flags is [Scenario.Args] in one line to paste into a shell. A value that a
// shell would take for a pattern is quoted.
func (s Scenario) Flags() string {
	args := s.Args()
	for i, a := range args {
		if strings.Contains(a, "*") {
			args[i] = "'" + a + "'"
		}
	}
	return strings.Join(args, " ")
}

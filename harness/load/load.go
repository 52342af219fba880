// Package load is the clients: they play a plan against one server and record
// what they saw.
//
// Its position: the instrument must not flatter the server. A request's time
// begins before its connect, not after; an answer counts only if its status,
// length and every byte are right; what failed, starved or was still under
// way when the window closed is counted apart, and is neither thrown away nor
// taken for throughput. And the instrument accounts for itself: it reports
// the CPU that it burnt and the share of its clients' time that belongs to no
// recorded request, so that a reader sees when the clients were the limit.
//
// What is asked for comes from package scenario and what was seen goes to
// package result; when to play, against what and how often is decided elsewhere.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A Job is one slice to be played: settle, count, drain. It is plain, so that
// it can travel to a process of its own.
type Job struct {
	Addr     string            `json:"addr"` // of the server: "127.0.0.1:8080"
	Scenario scenario.Scenario `json:"scenario"`
	Seed     uint64            `json:"seed"`
	Block    int               `json:"block"` // from 0; with Round it says which streams of the plan are played
	Round    int               `json:"round"` // from 0

	// Settle is how long the clients run before the window opens; it may be 0.
	Settle time.Duration `json:"settle_ns"`
	// SettleUntilAll, if longer than Settle, goes on settling until every
	// client has been answered rightly once, at most for so long in all.
	SettleUntilAll time.Duration `json:"settle_until_all_ns"`
	// Count is the length of the window.
	Count time.Duration `json:"count_ns"`
	// MinRequests, if above 0, keeps the window open past Count until so many
	// requests have been answered rightly in it, at most for CountMax in all.
	MinRequests int64         `json:"min_requests"`
	CountMax    time.Duration `json:"count_max_ns"`
	// HangUp has the clients hang up when the window is over, instead of
	// collecting what is outstanding: for a server that is ended next.
	HangUp bool `json:"hang_up,omitempty"`
	// Timeout is for one request, its connect included, in an open loop from
	// its intended send; 0 stands for the scenario's.
	Timeout time.Duration `json:"timeout_ns"`

	// MaxConnections bounds, in open loops, the connections that are open at
	// once; 0 stands for [DefaultMaxConnections]. A request that is due when
	// there are so many waits in the client, and is late.
	MaxConnections int `json:"max_connections"`
	// Request, if any, is sent as it is instead of what the scenario asks for;
	// "{host}" in it stands for the server's address.
	Request []byte `json:"request,omitempty"`
	Expect  Expect `json:"expect"`
}

// DefaultMaxConnections is how many connections an open loop has at once
// unless told otherwise.
const DefaultMaxConnections = 10_000

// Expect says what a right answer is. The zero value is one of our own
// servers: status 200, the length that was asked for, every byte as known, and
// X-Service-Us where work was asked for.
type Expect struct {
	// Foreign servers are checked for status and length: their bodies aren't
	// known, their framing may be any (Content-Length, chunked, or the
	// connection's end), and they need not say how long they worked.
	Foreign bool  `json:"foreign,omitempty"`
	Status  int   `json:"status,omitempty"` // 0 stands for 200
	Length  int64 `json:"length,omitempty"` // foreign: bytes of the body where the request asks for no size; 0 for whatever its framing says
}

// Validate reports the first thing about j that can't be played.
func (j Job) Validate() error {
	_, err := j.resolve()
	return err
}

// resolve validates j and looks its address up, once for all connections.
func (j Job) resolve() (netip.AddrPort, error) {
	if err := j.Scenario.Validate(); err != nil {
		return netip.AddrPort{}, fmt.Errorf("scenario %q: %w", j.Scenario.Name, err)
	}
	switch {
	case j.Count <= 0:
		return netip.AddrPort{}, fmt.Errorf("count %v: want a window longer than 0", j.Count)
	case j.Settle < 0 || j.SettleUntilAll < 0 || j.Timeout < 0 || j.MinRequests < 0:
		return netip.AddrPort{}, errors.New("a negative settling, timeout or number of requests: want 0 or more")
	case j.MinRequests > 0 && j.CountMax < j.Count:
		return netip.AddrPort{}, fmt.Errorf("at most %v for %d requests: want no less than the window, %v", j.CountMax, j.MinRequests, j.Count)
	case j.MaxConnections < 0:
		return netip.AddrPort{}, fmt.Errorf("max connections %d: want 0 (for %d) or more", j.MaxConnections, DefaultMaxConnections)
	}
	if err := errors.Join(j.validateLoop(), j.validateRequest(), j.Expect.validate()); err != nil {
		return netip.AddrPort{}, err
	}
	return resolveAddr(j.Addr)
}

// resolveAddr looks a server's address up.
func resolveAddr(text string) (netip.AddrPort, error) {
	addr, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("server's address %q: %w", text, err)
	}
	ap := addr.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// validateLoop validates what only a job knows of its loop: a scenario whose
// rate is yet to be seen by a pilot is valid, but can't be played.
func (j Job) validateLoop() error {
	s := j.Scenario
	if s.Loop == scenario.LoopClosed {
		return nil
	}
	if !(s.Rate > 0) {
		return fmt.Errorf("rate %v: want a rate above 0 to play it", s.Rate)
	}
	// The series has one cycle, which begins where the window opens.
	if cycle := s.Cycle.Length(); cycle > 0 && j.Settle%cycle != 0 {
		return fmt.Errorf("settling of %v under a load that varies: want whole cycles of %v", j.Settle, cycle)
	}
	return nil
}

// validateRequest validates a request that is sent as it is.
func (j Job) validateRequest() error {
	if len(j.Request) == 0 {
		return nil
	}
	s := j.Scenario
	method, _, _ := bytes.Cut(j.Request, []byte(" "))
	switch {
	case !s.Wait.IsZero() || !s.Spin.IsZero() || s.Bytes != 0:
		return fmt.Errorf("a request of one's own under scenario %q: it can't ask for the scenario's wait, spin or bytes, take one without", s.Name)
	case !tokenBytes.holds(method) || len(method) == 0 || len(method) == len(j.Request):
		return fmt.Errorf("a request that begins with %.40q: want a first line like GET / HTTP/1.1", j.Request)
	case string(method) == "HEAD":
		return errors.New("a request with the method HEAD, whose answers have no body to be checked: take GET")
	}
	return nil
}

func (e Expect) validate() error {
	switch {
	case e.Status != 0 && (e.Status < 200 || e.Status > 599):
		return fmt.Errorf("expected status %d: want 200 to 599", e.Status)
	case e.Length < 0:
		return fmt.Errorf("expected length %d: want 0 (whatever the answer says) or more", e.Length)
	}
	return nil
}

// An Outcome is what a slice gave.
type Outcome struct {
	Load        result.Load `json:"load"`
	SettledUs   int64       `json:"settled_us"`   // settling as it really was
	WindowStart time.Time   `json:"window_start"` // zero if the window never opened
	WindowEnd   time.Time   `json:"window_end"`
}

// An Engine is one way of being the clients. All engines play the same plan
// and record the same things, so that a server's figures can be checked with
// another engine.
type Engine interface {
	// Name is what [New] knows it by.
	Name() string

	// Play plays one slice and returns when every connection is closed. ready,
	// unless it is nil, is called when all that takes time beforehand is done;
	// the clock of the slice begins when it returns, unless it returns an error.
	//
	// After the window the clients send no new requests; those under way are
	// answered or time out. When ctx is done Play hangs up at once and returns
	// what it has so far, with ctx's error. A server that can't be reached is
	// no error but an outcome.
	//
	// For its duration Play turns this process's garbage collector off, and
	// it reads this process's CPU clock: play one slice at a time, in a process
	// that does nothing else. Calls of the same engine wait for each other.
	Play(ctx context.Context, job Job, ready func() error) (Outcome, error)
}

// New returns the engine that goes by name: "epoll", loops on raw sockets,
// which costs less than the servers that it loads and is Linux's alone; or
// "net", the portable one on package net.
func New(name string) (Engine, error) {
	switch name {
	case "net":
		return newNetEngine(), nil
	case "epoll":
		return newEpollEngine()
	}
	return nil, fmt.Errorf(`unknown engine %q: want "epoll" or "net"`, name)
}

// DefaultEngine is the name of the best engine that this system has.
func DefaultEngine() string { return defaultEngine }

// A HoldJob is connections to be opened, answered once and held, silent.
type HoldJob struct {
	Addr         string        `json:"addr"`
	Conversation string        `json:"conversation"`
	Connections  int           `json:"connections"`
	Within       time.Duration `json:"within_ns"` // bound of it all; what is not answered by then is closed
	Request      []byte        `json:"request,omitempty"`
	Expect       Expect        `json:"expect"`
}

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
	}
	addr, err := net.ResolveTCPAddr("tcp", j.Addr)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("server's address %q: %w", j.Addr, err)
	}
	ap := addr.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
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

// New returns the engine that goes by name: "net", the portable one on
// package net.
func New(name string) (Engine, error) {
	switch name {
	case "net":
		return newNetEngine(), nil
	case "epoll":
		return nil, errors.New(`engine "epoll" isn't there yet: want "net"`)
	}
	return nil, fmt.Errorf(`unknown engine %q: want "net"`, name)
}

// A HoldJob is connections to be opened, answered once and held, silent.
type HoldJob struct {
	Addr         string        `json:"addr"`
	Conversation string        `json:"conversation"`
	Connections  int           `json:"connections"`
	Within       time.Duration `json:"within_ns"` // bound of it all; what is not answered by then is closed
	Request      []byte        `json:"request,omitempty"`
	Expect       Expect        `json:"expect"`
}

// Package process runs servers and clients as processes of their own, pins
// them to CPUs, and has them report what they used.
//
// Its position: the instrument is never what is measured. A server shares
// neither a scheduler, a heap nor a CPU with the clients that load it, and the
// parent that directs both sleeps while a slice counts. Parent and children
// speak in small requests and replies that are plain structs, one line of JSON
// each; nothing in them depends on the pipe that carries them. A child lives
// as long as its standard input: however its parent dies, the pipe closes and
// the child ends.
//
// A process reads its own CPU clock: another process's can be 4 ms stale while
// that one runs.
package process

import (
	"time"

	"workbench/harness/load"
	"workbench/harness/result"
)

// A request asks a child for one thing: exactly one field is set.
type request struct {
	Calibrate *struct{}     `json:"calibrate,omitempty"` // → reply.SpinPerUs
	Serve     *ServerConfig `json:"serve,omitempty"`     // → reply.Listening
	Begin     *Window       `json:"begin,omitempty"`     // → an empty reply, or reply.Busy
	End       *Patience     `json:"end,omitempty"`       // → reply.Server, or reply.Busy
	Play      *Play         `json:"play,omitempty"`      // → reply.Ready
	Go        *struct{}     `json:"go,omitempty"`        // after Play: begin → reply.Outcome
}

// A reply answers the request before it. Error says, in words, why there is no
// answer.
type reply struct {
	Error     string         `json:"error,omitempty"`
	SpinPerUs float64        `json:"spin_per_us,omitempty"`
	Listening *Listening     `json:"listening,omitempty"`
	Server    *result.Server `json:"server,omitempty"`
	Busy      int64          `json:"busy,omitempty"`  // to Begin and End: connections that are still open after all patience
	Ready     bool           `json:"ready,omitempty"` // all is prepared
	Outcome   *load.Outcome  `json:"outcome,omitempty"`
}

// ServerConfig is what a server's process serves, and how.
type ServerConfig struct {
	Model        string  `json:"model"`        // a spec
	Conversation string  `json:"conversation"` // "http" or "once"
	Backlog      int     `json:"backlog"`      // connections; 0 is the system's limit
	SpinPerUs    float64 `json:"spin_per_us"`  // from Calibrate
}

// Listening says where a server is to be reached.
type Listening struct {
	Addr       string `json:"addr"` // host:port
	GOMAXPROCS int    `json:"gomaxprocs"`
}

// A Window is when, counted from Begin, a slice will count: a server looks at
// its CPU clock and at what it holds at both ends. A window without length
// stands for the whole slice, from Begin to End.
type Window struct {
	From  time.Duration `json:"from_ns"`
	Until time.Duration `json:"until_ns"`
	Patience
}

// Patience is how long to wait for a server to become idle: for its last
// connections to be closed.
type Patience struct {
	Idle time.Duration `json:"idle_ns"`
	None bool          `json:"none,omitempty"` // to End: don't wait, the process is ended next
}

// Play is what a process of clients plays, by which engine.
type Play struct {
	Engine string   `json:"engine"`
	Job    load.Job `json:"job"`
}

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
// that one runs. A server that is not ours can't be asked: a child of ours, its
// guardian, starts it, looks at its processes, and takes them all with it.
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
	Hold      *load.HoldJob `json:"hold,omitempty"`      // open and hold connections → reply.Held
	Release   *Release      `json:"release,omitempty"`   // have them answered once more, and close → reply.Held
	Memory    *struct{}     `json:"memory,omitempty"`    // of a server, now → reply.MemoryBytes
}

// A reply answers the request before it. Error says, in words, why there is no
// answer.
type reply struct {
	Error       string         `json:"error,omitempty"`
	SpinPerUs   float64        `json:"spin_per_us,omitempty"`
	Listening   *Listening     `json:"listening,omitempty"`
	Server      *result.Server `json:"server,omitempty"`  // none of a server of which nothing can be read
	Busy        int64          `json:"busy,omitempty"`    // to Begin and End: connections that are still open after all patience
	Working     bool           `json:"working,omitempty"` // the same of a server that is not ours: it still uses its CPU
	Ready       bool           `json:"ready,omitempty"`   // all is prepared
	Outcome     *load.Outcome  `json:"outcome,omitempty"`
	Held        *result.Held   `json:"held,omitempty"`
	MemoryBytes int64          `json:"memory_bytes,omitempty"`
}

// ServerConfig is what a server's process serves, and how.
type ServerConfig struct {
	Model         string   `json:"model"`                     // a spec
	Conversation  string   `json:"conversation"`              // "http" or "once"
	Backlog       int      `json:"backlog"`                   // connections; 0 is the system's limit
	SpinPerUs     float64  `json:"spin_per_us"`               // from Calibrate
	NoIdleTimeout bool     `json:"no_idle_timeout,omitempty"` // connections may be silent for ever
	Padding       int      `json:"padding,omitempty"`         // bytes, 0 to MaxPadding, that the process has in its environment: see MaxPadding
	Foreign       *Foreign `json:"foreign,omitempty"`         // a server that is not ours, instead of Model
}

// A Foreign server is one that is not ours: a command that a child starts and
// ends, or one that runs already.
type Foreign struct {
	Label   string      `json:"label"`             // what messages call it
	Command string      `json:"command,omitempty"` // as a shell reads it; "{port}" stands for a free port that it is to listen on
	Attach  string      `json:"attach,omitempty"`  // host:port of one that runs already
	PID     int         `json:"pid,omitempty"`     // of that one; 0 where nobody knows: then nothing is read of it
	Request []byte      `json:"request,omitempty"` // what it is probed with: see load.Job
	Expect  load.Expect `json:"expect"`
}

// Release has held connections to an address answered once more and closed.
type Release struct {
	Addr   string        `json:"addr"`
	Within time.Duration `json:"within_ns"`
	Drop   bool          `json:"drop,omitempty"` // close only, without asking
}

// Listening says where a server is to be reached.
type Listening struct {
	Addr       string `json:"addr"` // host:port
	GOMAXPROCS int    `json:"gomaxprocs"`
	Forks      bool   `json:"forks,omitempty"` // one of ours that has child processes
	// ServerCPUs are those that a server which runs already may use, as a list
	// ("0-1"): nobody pinned it. It is "" of others, and where nothing is known.
	ServerCPUs string `json:"server_cpus,omitempty"`
}

// A Window is when, counted from Begin, a slice will count: a server looks at
// its CPU clock and at what it holds at both ends. A window without length
// stands for the whole slice, from Begin to End.
type Window struct {
	From  time.Duration `json:"from_ns"`
	Until time.Duration `json:"until_ns"`
	// Held says that connections are being held: the server is idle when no more
	// are open than were at the first Begin that says so, which therefore comes
	// when Hold is over, and before anybody plays.
	Held bool `json:"held,omitempty"`
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

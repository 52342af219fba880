package models

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"workbench/models/exchange"
)

// A Model is a line of the catalogue.
type Model struct {
	Name   string
	Claim  string // how it schedules, in one line
	Params []Param

	// System is the only one that the model runs on, as runtime.GOOS has it; ""
	// for every one.
	System string

	// Archs are the only architectures that the model runs on, as
	// runtime.GOARCH has them; nil for every one.
	Archs []string

	// Reference says that the model isn't ours: a server that people use, as
	// they use it. It answers the same requests with the same bodies, but as
	// its own library reads and writes them.
	Reference bool

	// Unable holds what the model can't do by its nature: for the name of a
	// scenario or of a conversation, why, in words that continue "can't:". "idle"
	// stands for every load with silent connections.
	Unable map[string]string

	// Forks says that the model has child processes: see exchange.Stats.
	Forks bool

	// bounds are the limits that the parameters promise; nil for none.
	bounds func(Spec) Bounds

	// able says why this system can't run the model, though it is the right one;
	// nil for a model that any such system runs.
	able func() error

	new func(Spec) Server
}

// Bounds are what the parameters of a spec promise.
type Bounds struct {
	Held    int  // connections held at once at most; 0 for no promise
	Open    int  // connections accepted and not closed at most, those that are turned away, or may be yet, aside; 0 for no promise
	Work    int  // requests at work at once at most; 0 for no promise
	Rejects bool // answers 503 when Open connections are open; else they wait in the backlog
}

// Only says where the model runs, "" if that is everywhere: "Linux only", "Linux
// on amd64 or arm64 only".
func (m Model) Only() string {
	if m.System == "" {
		return ""
	}
	where := strings.ToUpper(m.System[:1]) + m.System[1:]
	if m.Archs != nil {
		where += " on " + strings.Join(m.Archs, " or ")
	}
	return where + " only"
}

// builtFor reports whether the model is part of a program for that system and
// architecture.
func (m Model) builtFor(system, arch string) bool {
	return (m.System == "" || m.System == system) && (m.Archs == nil || slices.Contains(m.Archs, arch))
}

// Able says why this system can't run the model, and what to do about it, in
// words that continue "can't:"; nil where it can.
func (m Model) Able() error {
	switch {
	case !m.builtFor(runtime.GOOS, runtime.GOARCH):
		return errors.New(m.Only())
	case m.able != nil:
		return m.able()
	}
	return nil
}

// Catalogue returns every model, sorted by name.
func Catalogue() []Model { return slices.Clone(catalogue) }

// Find returns the model of that name.
func Find(name string) (Model, bool) {
	i := slices.IndexFunc(catalogue, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return Model{}, false
	}
	return catalogue[i], true
}

// New returns the server that spec names, and the spec as it was understood.
func New(spec string) (Server, Spec, error) {
	m, s, err := parse(spec)
	if err != nil {
		return nil, Spec{}, err
	}
	if !m.builtFor(runtime.GOOS, runtime.GOARCH) {
		return nil, Spec{}, fmt.Errorf("model %s: %s", m.Name, m.Only())
	}
	return m.new(s), s, nil
}

// Available says what is wrong with spec, or why the model that it names can't
// run on this system, and what to do about it; nil where it can. New knows
// less: only whether it is the right kind of system.
func Available(spec string) error {
	m, _, err := parse(spec)
	if err != nil {
		return err
	}
	if err := m.Able(); err != nil {
		return fmt.Errorf("model %s: %w", m.Name, err)
	}
	return nil
}

// catalogue is sorted by name; a test sees to it.
var catalogue = []Model{
	{
		Name:  "acceptors",
		Claim: "a fixed number of workers that each accept a connection and serve it (leader/followers)",
		Params: []Param{
			{Name: "workers", Doc: "goroutines that accept and serve", Default: "16", Min: 1, Max: maxAtOnce},
		},
		bounds: func(s Spec) Bounds { return Bounds{Held: s.Int("workers"), Open: s.Int("workers")} },
		new:    newAcceptors,
	},
	{
		Name:  "elastic",
		Claim: "a pool of workers that grows and shrinks; the one that was busy last is used first",
		Params: []Param{
			{Name: "max", Doc: "most workers", Default: "256", Min: 1, Max: maxAtOnce},
			{Name: "idle", Doc: "milliseconds that a worker waits for a connection before it ends", Default: "1000", Min: 1, Max: 3_600_000},
		},
		bounds: func(s Spec) Bounds { return Bounds{Held: s.Int("max"), Open: s.Int("max")} },
		new:    newElastic,
	},
	{
		Name:  "errgroup",
		Claim: "a goroutine per connection, at most limit at once (x/sync/errgroup)",
		Params: []Param{
			{Name: "limit", Doc: "goroutines at once", Default: "32", Min: 1, Max: maxAtOnce},
			whenFull,
		},
		bounds: func(s Spec) Bounds {
			b := Bounds{Held: s.Int("limit"), Open: s.Int("limit"), Rejects: rejects(s)}
			if !b.Rejects {
				b.Open++ // waits in the accepting loop's hand
			}
			return b
		},
		new: func(s Spec) Server { return errgroupServer{limit: s.Int("limit"), reject: rejects(s)} },
	},
	{
		Name:      "fasthttp",
		Claim:     "valyala/fasthttp, as its users run it",
		Reference: true,
		Unable:    map[string]string{exchange.Once: "it serves HTTP and nothing else"},
		new:       newFasthttp,
	},
	{
		Name:  "goroutine",
		Claim: "a goroutine per connection, unbounded: the reference",
		new:   func(Spec) Server { return goroutineServer{} },
	},
	{
		Name:   "iterative",
		Claim:  "one loop: accept, read, respond, next",
		Unable: map[string]string{"idle": "one silent connection holds its only place, so nobody else is answered"},
		new:    func(Spec) Server { return iterativeServer{} },
	},
	{
		Name:      "nethttp",
		Claim:     "the standard library's net/http, as its users run it",
		Reference: true,
		Unable:    map[string]string{exchange.Once: "it serves HTTP and nothing else"},
		new:       newNethttp,
	},
	{
		Name:      "netpoll",
		Claim:     "cloudwego/netpoll: event loops that start a goroutine for each request",
		System:    "linux",
		Archs:     []string{"amd64", "arm64"},
		Reference: true,
		new:       newNetpoll,
	},
	{
		Name:  "pool",
		Claim: "a fixed number of workers, each holding one connection at a time, and a bounded queue (conc)",
		Params: []Param{
			{Name: "workers", Doc: "workers", Default: "16", Min: 1, Max: maxAtOnce},
			{Name: "queue", Doc: "accepted connections that may wait for a worker", Default: "0", Min: 0, Max: maxAtOnce},
			whenFull,
		},
		bounds: func(s Spec) Bounds {
			return Bounds{Held: s.Int("workers"), Open: s.Int("workers") + s.Int("queue"), Rejects: rejects(s)}
		},
		new: func(s Spec) Server {
			return poolServer{workers: s.Int("workers"), queue: s.Int("queue"), reject: rejects(s)}
		},
	},
	{
		Name:   "prefork",
		Claim:  "child processes that share the listener, each serving one connection at a time, or an event loop each",
		System: "linux",
		Forks:  true,
		Params: []Param{
			{Name: "processes", Doc: "child processes", Default: "16", Min: 1, Max: 512},
			{Name: "each", Doc: "how each of them schedules", Default: "iterative", OneOf: []string{"iterative", "reactor"}},
		},
		bounds: func(s Spec) Bounds {
			if s.Text("each") != "iterative" {
				return Bounds{}
			}
			return Bounds{Held: s.Int("processes"), Open: s.Int("processes")}
		},
		new: newPrefork,
	},
	{
		Name:   "reactor",
		Claim:  "one event loop on one thread: accept, read, respond; nothing blocks, waits are timers",
		System: "linux",
		Params: []Param{batch},
		new:    newReactor,
	},
	{
		Name:   "reactor-pool",
		Claim:  "an event loop that reads, and workers that each request is handed to (half-sync/half-async)",
		System: "linux",
		Params: []Param{
			{Name: "workers", Doc: "requests at work at once", Default: "16", Min: 1, Max: maxAtOnce},
			{Name: "queue", Doc: "requests that may wait for a worker before the loop itself waits", Default: "1024", Min: 0, Max: maxAtOnce},
			batch,
		},
		bounds: func(s Spec) Bounds { return Bounds{Work: s.Int("workers")} },
		new:    newReactorPool,
	},
	{
		Name:   "reactors",
		Claim:  "an event loop for each CPU, each with its own share of the connections",
		System: "linux",
		Params: []Param{
			{Name: "loops", Doc: "event loops; 0: one for each CPU", Default: "0", Min: 0, Max: 512},
			{Name: "spread", Doc: "reuseport: the kernel spreads connections; acceptor: one loop accepts, and hands them round", Default: "reuseport", OneOf: []string{"reuseport", "acceptor"}},
			batch,
		},
		new: newReactors,
	},
	{
		Name:  "semaphore",
		Claim: "a goroutine per connection behind a semaphore (x/sync/semaphore)",
		Params: []Param{
			{Name: "limit", Doc: "connections at once", Default: "32", Min: 1, Max: maxAtOnce},
			whenFull,
		},
		bounds: func(s Spec) Bounds {
			return Bounds{Held: s.Int("limit"), Open: s.Int("limit"), Rejects: rejects(s)}
		},
		new: newSemaphore,
	},
	{
		Name:   "shards",
		Claim:  "listeners of their own on one port (SO_REUSEPORT), each with its accept loop and its goroutines",
		System: "linux",
		Params: []Param{
			{Name: "shards", Doc: "listeners", Default: "4", Min: 1, Max: 512},
		},
		new: newShards,
	},
	{
		Name:   "staged",
		Claim:  "stages with queues between them: accept, parse, work, write (SEDA)",
		System: "linux",
		Params: []Param{
			{Name: "workers", Doc: "goroutines of the stage that works", Default: "16", Min: 1, Max: maxAtOnce},
			{Name: "parsers", Doc: "goroutines of the stage that receives and parses", Default: "1", Min: 1, Max: maxAtOnce},
			{Name: "writers", Doc: "goroutines of the stage that sends", Default: "1", Min: 1, Max: maxAtOnce},
			{Name: "queue", Doc: "requests that may wait before each stage", Default: "1024", Min: 1, Max: maxAtOnce},
		},
		bounds: func(s Spec) Bounds { return Bounds{Work: s.Int("workers")} },
		new:    newStaged,
	},
	{
		Name:  "threads",
		Claim: "an operating system's thread per connection (goroutines locked to theirs)",
		Params: []Param{
			{Name: "limit", Doc: "threads at once", Default: "256", Min: 1, Max: 8000},
		},
		bounds: func(s Spec) Bounds { return Bounds{Held: s.Int("limit"), Open: s.Int("limit")} },
		new:    newThreads,
	},
	{
		Name:   "uring",
		Claim:  "one io_uring loop: accept, receive, send and close are handed to the kernel in batches",
		System: "linux",
		Params: []Param{
			{Name: "entries", Doc: "size of the submission queue, in requests to the kernel", Default: "256", Min: 8, Max: 4096},
		},
		able: uringAble,
		new:  newUring,
	},
}

// maxAtOnce bounds parameters that count connections or workers: more than a
// process here has descriptors for.
const maxAtOnce = 100_000

var whenFull = Param{Name: "when-full", Doc: "wait: stop accepting; reject: answer 503", Default: "wait", OneOf: []string{"wait", "reject"}}

func rejects(s Spec) bool { return s.Text("when-full") == "reject" }

// batch is how long an event loop may be busy with new connections before it
// looks after those that it has.
var batch = Param{Name: "batch", Doc: "connections accepted in a turn of the loop", Default: "16", Min: 1, Max: maxAtOnce}

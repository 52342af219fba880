package models

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// A Model is a line of the catalogue.
type Model struct {
	Name   string
	Claim  string // how it schedules, in one line
	Params []Param

	// System is the only one that the model runs on, as runtime.GOOS has it; ""
	// for every one.
	System string

	// Reference says that the model isn't ours: a server that people use, as
	// they use it. It answers the same requests with the same bodies, but as
	// its own library reads and writes them.
	Reference bool

	// Unable holds what the model can't do by its nature: for the name of a
	// scenario or of a conversation, why, in words that continue "can't:".
	Unable map[string]string

	// bounds are the limits that the parameters promise; nil for none.
	bounds func(Spec) Bounds

	new func(Spec) Server
}

// Bounds are what the parameters of a spec promise.
type Bounds struct {
	Held    int  // connections held at once at most; 0 for no promise
	Open    int  // connections accepted and not closed at most, those that are turned away, or may be yet, aside; 0 for no promise
	Work    int  // requests at work at once at most; 0 for no promise
	Rejects bool // answers 503 when Open connections are open; else they wait in the backlog
}

// Only says where the model runs, "" if that is everywhere: "Linux only".
func (m Model) Only() string {
	if m.System == "" {
		return ""
	}
	return strings.ToUpper(m.System[:1]) + m.System[1:] + " only"
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
	if m.System != "" && m.System != runtime.GOOS {
		return nil, Spec{}, fmt.Errorf("model %s: %s", m.Name, m.Only())
	}
	return m.new(s), s, nil
}

// catalogue is sorted by name; a test sees to it.
var catalogue = []Model{
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
		Name:  "goroutine",
		Claim: "a goroutine per connection, unbounded: the reference",
		new:   func(Spec) Server { return goroutineServer{} },
	},
	{
		Name:  "iterative",
		Claim: "one loop: accept, read, respond, next",
		new:   func(Spec) Server { return iterativeServer{} },
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
		Name:   "reactor",
		Claim:  "one event loop on one thread: accept, read, respond; nothing blocks, waits are timers",
		System: "linux",
		Params: []Param{batch},
		new:    newReactor,
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

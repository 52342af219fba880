package models

import "slices"

// A Model is a line of the catalogue.
type Model struct {
	Name   string
	Claim  string // how it schedules, in one line
	Params []Param
	new    func(Spec) Server
}

// Catalogue returns every model, sorted by name.
func Catalogue() []Model { return slices.Clone(catalogue) }

// New returns the server that spec names, and the spec as it was understood.
func New(spec string) (Server, Spec, error) {
	m, s, err := parse(spec)
	if err != nil {
		return nil, Spec{}, err
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
		new: func(s Spec) Server {
			return poolServer{workers: s.Int("workers"), queue: s.Int("queue"), reject: rejects(s)}
		},
	},
}

// maxAtOnce bounds parameters that count connections or workers: more than a
// process here has descriptors for.
const maxAtOnce = 100_000

var whenFull = Param{Name: "when-full", Doc: "wait: stop accepting; reject: answer 503", Default: "wait", OneOf: []string{"wait", "reject"}}

func rejects(s Spec) bool { return s.Text("when-full") == "reject" }

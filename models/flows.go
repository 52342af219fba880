package models

import (
	"fmt"
	"slices"
	"strings"
)

// A Flow is the way of connections through a model, stage by stage. README.md
// is drawn from it.
type Flow []Stage

// A Stage is somebody who does something with connections or requests, or a
// place where these wait.
type Stage struct {
	Name  string // who, or where: "worker", "queue"
	Many  string // how many of them, or how much room; {limit} stands for a parameter; "" for one, or as much as it takes
	Does  string // accept, receive, work, send, or hold: the last three, of one connection at a time, until it is closed
	Waits string // what waits here; "" where somebody acts
	Back  string // where a connection goes that stays open
}

// backlog is where every connection begins, accepted by the kernel, seen by nobody.
var backlog = Stage{Name: "backlog", Waits: "connections"}

// epoll is where the kernel keeps connections until something comes.
var epoll = Stage{Name: "epoll", Waits: "connections, until they are ready"}

// flows are those of the catalogue's models.
var flows = map[string]Flow{
	"acceptors": {backlog, {Name: "worker", Many: "{workers}", Does: "accept, hold"}},
	"elastic":   {backlog, {Name: "loop", Does: "accept"}, {Name: "worker", Many: "≤ {max}", Does: "hold"}},
	"errgroup": {backlog, {Name: "loop", Does: "accept"}, {Name: "the loop's hand", Many: "1", Waits: "connections"},
		{Name: "goroutine", Many: "≤ {limit}", Does: "hold"}},
	"fasthttp":  {backlog, {Name: "loop", Does: "accept"}, {Name: "worker", Many: "connections", Does: "hold"}},
	"goroutine": {backlog, {Name: "loop", Does: "accept"}, {Name: "goroutine", Many: "connections", Does: "hold"}},
	"iterative": {backlog, {Name: "loop", Does: "accept, hold"}},
	"nethttp":   {backlog, {Name: "loop", Does: "accept"}, {Name: "goroutine", Many: "connections", Does: "hold"}},
	"netpoll": {backlog, epoll, {Name: "loop", Many: "(1 + CPUs ÷ 20)", Does: "accept, receive"},
		{Name: "goroutine", Many: "requests", Does: "work, send", Back: "epoll"}},
	"pool": {backlog, {Name: "loop", Does: "accept"}, {Name: "queue", Many: "{queue}", Waits: "connections"},
		{Name: "worker", Many: "{workers}", Does: "hold"}},
	"prefork": {backlog, {Name: "process", Many: "{processes}", Does: "accept, hold"}},
	"reactor": {backlog, epoll, {Name: "loop", Does: "accept, receive, work, send", Back: "epoll"}},
	"reactor-pool": {backlog, epoll, {Name: "loop", Does: "accept, receive"}, {Name: "queue", Many: "{queue}", Waits: "requests"},
		{Name: "worker", Many: "{workers}", Does: "work, send", Back: "epoll"}},
	"reactors": {{Name: "backlog", Many: "loops", Waits: "connections"}, {Name: "epoll", Many: "loops", Waits: "connections, until they are ready"},
		{Name: "loop", Many: "CPUs ({loops})", Does: "accept, receive, work, send", Back: "epoll"}},
	"semaphore": {backlog, {Name: "loop", Does: "accept"}, {Name: "goroutine", Many: "≤ {limit}", Does: "hold"}},
	"shards": {{Name: "backlog", Many: "{shards}", Waits: "connections"}, {Name: "loop", Many: "{shards}", Does: "accept"},
		{Name: "goroutine", Many: "connections", Does: "hold"}},
	"staged": {backlog, epoll, {Name: "loop", Does: "accept"},
		{Name: "parse queue", Many: "{queue}", Waits: "connections"}, {Name: "parser", Many: "{parsers}", Does: "receive"},
		{Name: "work queue", Many: "{queue}", Waits: "requests"}, {Name: "worker", Many: "{workers}", Does: "work"},
		{Name: "write queue", Many: "{queue}", Waits: "answers"}, {Name: "writer", Many: "{writers}", Does: "send", Back: "epoll"}},
	"threads": {backlog, {Name: "loop", Does: "accept"}, {Name: "thread", Many: "≤ {limit}", Does: "hold"}},
	"uring": {backlog, {Name: "kernel", Does: "accept, receive, send"}, {Name: "completion queue", Waits: "what is done"},
		{Name: "loop", Does: "work"}, {Name: "submission queue", Many: "{entries}", Waits: "what is to be done", Back: "kernel"}},
}

// Flow returns the way of connections through the model, nil where nobody has
// described it. Parameters are as they are by default: "workers=16".
func (m Model) Flow() Flow {
	flow := slices.Clone(flows[m.Name])
	for i := range flow {
		for _, p := range m.Params {
			flow[i].Many = strings.ReplaceAll(flow[i].Many, "{"+p.Name+"}", p.Name+"="+p.Default)
		}
	}
	return flow
}

// String is who or where, and how many.
func (s Stage) String() string {
	switch {
	case s.Many == "":
		return s.Name
	case s.Waits != "":
		return s.Name + " (" + s.Many + ")"
	case strings.HasPrefix(s.Many, "≤"):
		return s.Name + " " + s.Many
	}
	return s.Name + " × " + s.Many
}

// Mermaid is a picture: round where somebody acts, with double walls where
// something waits, dotted where connections go back that stay open.
func (f Flow) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for i, s := range f {
		if s.Waits != "" {
			fmt.Fprintf(&b, "    s%d[[\"%v<br/>%s\"]]\n", i, s, s.Waits)
		} else {
			fmt.Fprintf(&b, "    s%d([\"%v<br/><b>%s</b>\"])\n", i, s, s.Does)
		}
	}
	for i, s := range f {
		if i > 0 {
			fmt.Fprintf(&b, "    s%d --> s%d\n", i-1, i)
		}
		if s.Back != "" {
			fmt.Fprintf(&b, "    s%d -.-> s%d\n", i, f.at(s.Back))
		}
	}
	return b.String()
}

// at is the number of the stage of that name, -1 for none.
func (f Flow) at(name string) int {
	return slices.IndexFunc(f, func(s Stage) bool { return s.Name == name })
}

// Who does one of accept, receive, work, send, and how many they are.
func (f Flow) Who(does string) string {
	for _, s := range f {
		steps := strings.Split(s.Does, ", ")
		if slices.Contains(steps, does) || does != "accept" && slices.Contains(steps, "hold") {
			return s.String()
		}
	}
	return ""
}

// Waiting are the places where connections or requests wait.
func (f Flow) Waiting() string {
	var places []string
	for _, s := range f {
		if s.Waits != "" {
			places = append(places, s.String())
		}
	}
	return strings.Join(places, ", ")
}

// Silent is what a connection keeps from the others while its client says
// nothing: "" if nothing.
func (f Flow) Silent() string {
	for _, s := range f {
		if strings.Contains(s.Does, "hold") {
			return s.Name
		}
	}
	return ""
}

package scenario

import (
	"fmt"
	"strings"
	"time"

	"github.com/agext/levenshtein"
)

// Catalogue returns the named scenarios: first what requests ask for, from the
// least work to the most, then what their clients are like.
func Catalogue() []Scenario {
	named := func(name, claim string) Scenario {
		return Scenario{Name: name, Claim: claim, Conversation: ConversationHTTP, RequestsPerConnection: 1}
	}
	closed := func(clients, perConnection int, name, claim string) Scenario {
		s := named(name, claim)
		s.Loop, s.Clients, s.RequestsPerConnection = LoopClosed, clients, perConnection
		return s
	}
	open := func(cycle, name, claim string) Scenario {
		s := named(name, claim)
		s.Loop, s.Arrivals, s.Cycle = LoopOpen, ArrivalsPoisson, mustParseCycle(cycle)
		return s
	}
	hello := closed(64, 1, "hello", "a connection for every request and no work: what accepting and closing cost")
	keepalive := closed(64, 100, "keepalive", "a hundred requests on a connection and no work: what scheduling a request costs")
	io := closed(64, 1, "io", "requests wait 10 ms on average and burn nothing: how many can wait at once")
	io.Wait = Exponential(10 * time.Millisecond)
	cpu := closed(16, 1, "cpu", "requests burn 200 µs of CPU: what a model adds when the processor is the limit")
	cpu.Spin = Constant(200 * time.Microsecond)
	mixed := closed(64, 1, "mixed", "one request in a hundred takes fifty times as long: head-of-line blocking")
	mixed.Wait = mustParseDist("two:99%*2ms,1%*100ms")
	slow := closed(64, 1, "slow-clients", "one client in ten dribbles its requests over 200 ms: who lets the others wait for it")
	slow.Slow = mustParseSlow("10%*200ms")
	idle := closed(64, 100, "idle", "a thousand connections are held and say nothing beside 64 that do: what holding one costs")
	idle.Idle = 1000
	burst := open("250ms*1,750ms*0", "burst", "8,000 requests/s for a quarter of each second, then none: how a queue builds and drains")
	burst.Rate = 8000
	overload := open("1s*0.5,1s*1.5,1s*0.5", "overload", "half of what the reference can answer, half as much again as it can, half: who collapses, who recovers")
	overload.OfCapacity = true
	overload.Spin, overload.Timeout = Constant(200*time.Microsecond), Span(time.Second/time.Microsecond)
	large := closed(64, 10, "large", "answers of 256 KiB, ten on a connection: what writing costs")
	large.Bytes = 256 << 10
	return []Scenario{hello, keepalive, io, cpu, mixed, slow, idle, burst, overload, large}
}

func mustParseCycle(s string) Cycle {
	c, err := ParseCycle(s)
	if err != nil {
		panic("scenario: " + err.Error())
	}
	return c
}

func mustParseSlow(s string) Slow {
	slow, err := ParseSlow(s)
	if err != nil {
		panic("scenario: " + err.Error())
	}
	return slow
}

// Named returns the scenario of the catalogue that goes by name. The error
// for a name that it doesn't have says which ones there are.
func Named(name string) (Scenario, error) {
	var names []string
	for _, s := range Catalogue() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	have := strings.Join(names, ", ")
	if near := nearest(name, names); near != "" {
		return Scenario{}, fmt.Errorf("unknown scenario %q: did you mean %q? (there are %s)", name, near, have)
	}
	return Scenario{}, fmt.Errorf("unknown scenario %q: there are %s", name, have)
}

// nearest returns the one of names that name is most likely a slip of the
// keyboard of, "" if none: at most two edits away, and no more than half of
// its letters, so that "xy" is not taken for "io".
func nearest(name string, names []string) string {
	best, least := "", 3
	for _, n := range names {
		if d := levenshtein.Distance(strings.ToLower(name), n, nil); d < least && 2*d <= len(n) {
			best, least = n, d
		}
	}
	return best
}

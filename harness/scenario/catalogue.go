package scenario

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"
)

// Catalogue returns the named scenarios, from the least work to the most.
func Catalogue() []Scenario {
	named := func(name, claim string, clients, perConnection int) Scenario {
		return Scenario{
			Name: name, Claim: claim, Loop: LoopClosed, Conversation: ConversationHTTP,
			Clients: clients, RequestsPerConnection: perConnection,
		}
	}
	hello := named("hello", "a connection for every request and no work: what accepting and closing cost", 64, 1)
	keepalive := named("keepalive", "a hundred requests on a connection and no work: what scheduling a request costs", 64, 100)
	io := named("io", "requests wait 10 ms on average and burn nothing: how many can wait at once", 64, 1)
	io.Wait = Exponential(10 * time.Millisecond)
	cpu := named("cpu", "requests burn 200 µs of CPU: what a model adds when the processor is the limit", 16, 1)
	cpu.Spin = Constant(200 * time.Microsecond)
	mixed := named("mixed", "one request in a hundred takes fifty times as long: head-of-line blocking", 64, 1)
	mixed.Wait = mustParseDist("two:99%*2ms,1%*100ms")
	return []Scenario{hello, keepalive, io, cpu, mixed}
}

// notYet are scenarios that the design names and that this version cannot play.
var notYet = []string{"slow-clients", "idle", "burst", "overload", "large"}

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
	if slices.Contains(notYet, name) {
		return Scenario{}, fmt.Errorf("scenario %q isn't there yet (there are %s)", name, have)
	}
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

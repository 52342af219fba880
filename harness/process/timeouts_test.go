package process

import (
	"testing"

	"workbench/harness/scenario"
	"workbench/models/exchange"
)

// A scenario is refused for pauses that servers wouldn't wait for. It knows
// nothing of servers and repeats their timeouts, which must stay the same.
func TestScenariosKnowTheServersTimeouts(t *testing.T) {
	o := exchange.DefaultOptions()
	if scenario.ServerIdleTimeout != o.IdleTimeout || scenario.ServerHeadTimeout != o.HeadTimeout {
		t.Errorf("scenarios say idle %v and head %v, servers have %v and %v",
			scenario.ServerIdleTimeout, scenario.ServerHeadTimeout, o.IdleTimeout, o.HeadTimeout)
	}
}

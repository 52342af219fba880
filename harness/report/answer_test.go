package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// Each row is an experiment of a reference, its twin and others, and all that
// may be said of it. The twin's own line is left out where it is not the point.
func TestAnswer(t *testing.T) {
	ref := cell("goroutine", "goroutine")
	two := cell("goroutine#2", "goroutine", twin)
	const fine = "goroutine answers all that the clients ask for: on average a request spends 300 µs beside its work of 10.3 ms."
	const twinFine = "The twin of goroutine, the same server again, came out at 0.99 × in requests/s (rounds: 0.93–1.05 ×): differences of that size mean nothing here."
	noWork := func(c *result.Cell) { c.ServiceUs, c.WaitedUs = nil, nil }
	boundBy := func(by, why string) func(*result.Cell) {
		return func(c *result.Cell) { c.BoundBy, c.BoundByWhy = by, why }
	}
	limit := func(name string, size, peak int64) func(*result.Cell) {
		return func(c *result.Cell) { c.Limit, c.HeldPeak = &result.Limit{Name: name, Size: size}, peak }
	}
	warned := func(w string) func(*result.Cell) { return func(c *result.Cell) { c.Warnings = append(c.Warnings, w) } }
	wrong := func(c *result.Cell) { c.Valid = false }
	rate := func(label string, estimate, low, high float64, rounds int, verdict string) result.Comparison {
		return against(label, metricThroughput, estimate, low, high, rounds, verdict)
	}
	cpu := func(label string, estimate, low, high float64, rounds int, verdict string) result.Comparison {
		return against(label, metricCPU, estimate, low, high, rounds, verdict)
	}

	tests := []struct {
		name        string
		cells       []result.Cell
		comparisons []result.Comparison
		reference   string
		want        []string
	}{
		{"a load with work that is met", []result.Cell{ref}, nil, "goroutine", []string{fine}},
		{"waiting of half the work is not all that was asked for",
			[]result.Cell{cell("goroutine", "goroutine", func(c *result.Cell) { c.WaitedUs.Mean = 5_000 })}, nil, "goroutine",
			[]string{"goroutine: neither its CPU (37 % busy) nor the clients' (42 %) was full; on average a request spends 5.00 ms beside its work of 10.3 ms."}},
		{"a load without work", []result.Cell{cell("goroutine", "goroutine", noWork)}, nil, "goroutine",
			[]string{"goroutine: neither its CPU (37 % busy) nor the clients' (42 %) was full; a request takes 10.6 ms on average."}},
		{"a server that isn't sampled", []result.Cell{cell("mine", "mine", noWork, func(c *result.Cell) { c.ServerCPUUtilisation = nil })}, nil, "mine",
			[]string{"mine: the clients' CPU was not full (42 % busy), its own was not seen; a request takes 10.6 ms on average."}},
		{"a reference whose CPU is full", []result.Cell{cell("goroutine", "goroutine", noWork, boundBy("server", "its CPU 98 % busy"))}, nil, "goroutine",
			[]string{"goroutine has no CPU left (its CPU 98 % busy): a request takes 10.6 ms on average."}},
		{"models that ran alone stand for themselves",
			[]result.Cell{cell("pool", "pool:workers=16", boundBy("limit", "16 of 16 workers busy"), limit("workers", 16, 16))}, nil, "",
			[]string{"pool:workers=16 was at its limit (16 of 16 workers busy): on average a request waits 300 µs for its turn and 10.3 ms for its work."}},

		{"fewer requests/s, and why", []result.Cell{ref, cell("iterative", "iterative", full("one at a time", "one at a time", 1, 97.3, 641_000))},
			[]result.Comparison{rate("iterative", 1/62.0, 1/63.0, 1/61.0, 3, "large")}, "goroutine",
			[]string{fine, "iterative answers 62 × fewer requests/s than goroutine (61–63 × in its 3 rounds; bound by limit: one at a time): on average a request waits 641 ms for its turn and 10.3 ms for its work."}},
		{"more requests/s", []result.Cell{ref, cell("pool", "pool:workers=16", noWork, limit("workers", 16, 16))},
			[]result.Comparison{rate("pool", 3.1, 2.9, 3.2, 20, "large")}, "goroutine",
			[]string{fine, "pool:workers=16 answers 3.1 × as many requests/s as goroutine (2.9–3.2 × in its 20 rounds; bound by load: 64 clients ÷ 10.6 ms): a request takes 10.6 ms on average."}},
		{"nothing answered in some rounds has no upper factor", []result.Cell{ref, cell("iterative", "iterative", noWork)},
			[]result.Comparison{rate("iterative", 0.01, 0, 0.02, 3, "large")}, "goroutine",
			[]string{fine, "iterative answers 100 × fewer requests/s than goroutine (none at all in some of its 3 rounds; bound by load: 64 clients ÷ 10.6 ms): a request takes 10.6 ms on average."}},
		{"nothing answered in most rounds has no factor but the least", []result.Cell{ref, cell("iterative", "iterative", noWork)},
			[]result.Comparison{rate("iterative", 0, 0, 0.02, 3, "large")}, "goroutine",
			[]string{fine, "iterative answers at least 50 × fewer requests/s than goroutine (none at all in some of its 3 rounds; bound by load: 64 clients ÷ 10.6 ms): a request takes 10.6 ms on average."}},
		{"CPU both ways", []result.Cell{ref, cell("epoll", "epoll"), cell("pool", "pool:workers=16")},
			[]result.Comparison{cpu("epoll", 0.4, 0.38, 0.42, 3, "large"), cpu("pool", 2.5, 2.5, 2.5, 3, "large")}, "goroutine",
			[]string{fine, "epoll needs 2.5 × less CPU per request than goroutine (2.4–2.6 × in its 3 rounds).",
				"pool:workers=16 needs 2.5 × as much CPU per request as goroutine (2.5 × in each of its 3 rounds)."}},

		{"a limit of goroutines that never was", []result.Cell{ref, cell("errgroup", "errgroup:limit=128", limit("goroutines", 128, 64))}, nil, "goroutine",
			[]string{fine, "The limit of 128 was never reached (peak 64): here errgroup:limit=128 is goroutine-per-connection."}},
		{"workers that never were all busy", []result.Cell{ref, cell("pool", "pool:workers=128", limit("workers", 128, 64))}, nil, "goroutine",
			[]string{fine, "Of pool:workers=128's 128 workers at most 64 were taken: no connection waited for lack of one."}},
		{"a limit reached at times needs no words", []result.Cell{ref, cell("pool", "pool:workers=64", limit("workers", 64, 64))}, nil, "goroutine", []string{fine}},

		{"models that do the same are told together", []result.Cell{ref, cell("pool", "pool:workers=16"), cell("errgroup", "errgroup:limit=32")},
			[]result.Comparison{rate("pool", 0.93, 0.8, 1.1, 20, "none"), cpu("pool", 1.1, 0.9, 1.3, 20, "none"), rate("errgroup", 1.04, 0.9, 1.3, 20, "none"), cpu("errgroup", 0.98, 0.9, 1, 20, "none")}, "goroutine",
			[]string{fine, "pool:workers=16 and errgroup:limit=32: within 2 × of goroutine in requests/s and CPU per request; no smaller difference is named (median round: 0.93–1.04 × and 0.98–1.10 ×)."}},
		{"twice in the median round and not in every one", []result.Cell{ref, cell("pool", "pool:workers=16")},
			[]result.Comparison{rate("pool", 0.43, 0.4, 0.55, 9, "none"), cpu("pool", 1, 1, 1, 9, "none")}, "goroutine",
			[]string{fine, "pool:workers=16: within 2 × of goroutine in CPU per request; no smaller difference is named (median round: 1.00 ×).",
				"pool:workers=16: 0.43 × goroutine's requests/s in the median of 9 rounds (0.40–0.55 ×), not beyond 2 × in every one: no difference is named."}},
		{"twice in too few rounds", []result.Cell{ref, cell("pool", "pool:workers=16")}, []result.Comparison{rate("pool", 0.3, 0.29, 0.31, 2, "none")}, "goroutine",
			[]string{fine, "pool:workers=16: 0.30 × goroutine's requests/s in the median of 2 rounds (0.29–0.31 ×), too few rounds: no difference is named."}},

		{"the twin shows the noise", []result.Cell{ref, two}, []result.Comparison{rate("goroutine#2", 0.99, 0.93, 1.05, 20, "none")}, "goroutine", []string{fine, twinFine}},
		{"a twin that differs comes first and is the end of it", []result.Cell{ref, two}, []result.Comparison{rate("goroutine#2", 2.4, 2.2, 2.6, 20, "large")}, "goroutine",
			[]string{"The twin of goroutine, the same server again, came out at 2.40 × in requests/s: something disturbs this experiment. Believe no difference in it.", fine}},

		{"clients that bound one", []result.Cell{ref, cell("pool", "pool:workers=16", boundBy("clients", "their CPU 99 % busy"))},
			[]result.Comparison{rate("pool", 1.4, 1.3, 1.5, 20, "none"), cpu("pool", 0.9, 0.8, 1, 20, "none")}, "goroutine",
			[]string{fine, "pool:workers=16: within 2 × of goroutine in CPU per request; no smaller difference is named (median round: 0.90 ×).",
				"The clients were the bottleneck for pool:workers=16: its requests/s are a lower bound (≥) and aren't ranked."}},
		{"a model slower than a lower bound is slower",
			[]result.Cell{cell("goroutine", "goroutine", boundBy("clients", "their CPU 99 % busy")), cell("iterative", "iterative", noWork, boundBy("server", "its CPU 97 % busy"))},
			[]result.Comparison{rate("iterative", 0.25, 0.2, 0.4, 3, "none")}, "goroutine",
			[]string{"The clients were the bottleneck for goroutine: its requests/s are a lower bound (≥) and aren't ranked.",
				"iterative answers at least 4.0 × fewer requests/s than goroutine, whose own are a lower bound (2.5–5.0 × in its 3 rounds; bound by server: its CPU 97 % busy): a request takes 10.6 ms on average."}},
		{"a model faster than a lower bound is nothing yet",
			[]result.Cell{cell("goroutine", "goroutine", boundBy("clients", "their CPU 99 % busy")), cell("pool", "pool:workers=16")},
			[]result.Comparison{rate("pool", 3, 2.5, 4, 3, "none")}, "goroutine",
			[]string{"The clients were the bottleneck for goroutine: its requests/s are a lower bound (≥) and aren't ranked."}},
		{"the host disturbs", []result.Cell{ref, cell("pool", "pool:workers=16", boundBy("host", "it took CPU time from 9 of 9 slices"))}, nil, "goroutine",
			[]string{fine, "The host took CPU time from pool:workers=16 in more than half of the slices: run it again on a quieter machine."}},

		{"a model that didn't start", []result.Cell{ref, {Label: "mine", Display: "mine", Warnings: []string{"1 of 1 slice failed: no such file", "no figures: no round was reached"}}}, nil, "goroutine",
			[]string{"mine was not measured: 1 of 1 slice failed: no such file; no round was reached.", fine}},
		{"figures that are wrong are compared with nothing", []result.Cell{ref, cell("pool", "pool:workers=16", wrong, warned("Little's law is off by 8 %"))},
			[]result.Comparison{rate("pool", 1, 1, 1, 9, "none")}, "goroutine",
			[]string{"pool:workers=16 has no valid figures: Little's law is off by 8 %.", fine}},
		{"a reference without figures", []result.Cell{{Label: "goroutine", Display: "goroutine", Warnings: []string{"no figures: no round was reached"}}, cell("pool", "pool:workers=16")}, nil, "goroutine",
			[]string{"goroutine was not measured: no round was reached.", "Without valid figures of the reference goroutine no difference is named.",
				strings.Replace(fine, "goroutine", "pool:workers=16", 1)}},
		{"a warning is told once of all that it is true of", []result.Cell{cell("goroutine", "goroutine", warned("the server panicked once")), cell("pool", "pool:workers=16", warned("the server panicked once"))}, nil, "goroutine",
			[]string{fine, "Note: goroutine and pool:workers=16: the server panicked once."}},
		{"two of one spec go by their labels", []result.Cell{ref, cell("pool", "pool:workers=16", warned("x")), cell("pool#2", "pool:workers=16", warned("y"))}, nil, "goroutine",
			[]string{fine, "Note: pool: x.", "Note: pool#2: y."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := experiment(named(t, "io"), tt.cells, tt.comparisons...)
			e.Reference = tt.reference
			head, said, _ := strings.Cut(strings.TrimSuffix(Answer(e), "\n"), "\n  ")
			if head != "For this load:" {
				t.Errorf("begins with %q", head)
			}
			if diff := cmp.Diff(tt.want, strings.Split(said, "\n  ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Each row is one server under a load that is not io, and all that is said of it.
func TestAnswerOfOtherLoads(t *testing.T) {
	arriving := func(e *result.Experiment) {
		e.Load.Loop, e.Load.Clients, e.Load.Rate = scenario.LoopOpen, 0, 6000
	}
	sessions := func(e *result.Experiment) {
		arriving(e)
		e.Load.Loop, e.Load.Rate, e.Load.RequestsPerConnection = scenario.LoopPartlyOpen, 1200, 5
	}
	varying := func(e *result.Experiment) { e.Load.Cycle = named(t, "overload").Cycle }
	foreign := func(a *result.Abilities) func(*result.Experiment) {
		return func(e *result.Experiment) { e.Entries[0].Command, e.Entries[0].Abilities = "./mine {port}", a }
	}
	due := func(perS float64) func(*result.Cell) {
		return func(c *result.Cell) {
			c.IntendedPerS = spread(perS, perS, perS)
			c.ThroughputPerS = spread(perS, perS, perS)
			c.Due, c.Requests = 60_120, 60_120
			c.BoundBy, c.BoundByWhy = "load", "6,000/s arrived"
		}
	}
	late := func(us float64) func(*result.Cell) {
		return func(c *result.Cell) { c.SendLatenessUs = &result.Percentiles{N: 600, Mean: us, P50: &us, Max: us} }
	}
	because := func(by, why string) func(*result.Cell) {
		return func(c *result.Cell) { c.BoundBy, c.BoundByWhy = by, why }
	}
	limited := func(size int64, perS, reached float64) func(*result.Cell) {
		return func(c *result.Cell) {
			c.BoundBy, c.BoundByWhy = "limit", "16 of 16 workers busy"
			c.Limit, c.CeilingPerS, c.CeilingReached, c.HeldPeak = &result.Limit{Name: "workers", Size: size}, &perS, &reached, size
		}
	}
	held := func(median, low, high float64) func(*result.Cell) {
		return func(c *result.Cell) {
			c.HeldAsked, c.HeldAnswered, c.BytesPerHeldConnection = 1000, 1000, &result.Spread{Median: median, Low: low, High: high, N: 5}
		}
	}
	const lower = "The clients were the bottleneck for mine: its requests/s are a lower bound (≥) and aren't ranked."
	const split = "on average a request spends 300 µs beside its work of 10.3 ms."
	const turn = "on average a request waits 300 µs for its turn and 10.3 ms for its work."
	all := result.Abilities{Status: 200, Length: 13, KeepAlive: true, Waits: true, Spins: true, Bytes: true, Service: true, AskedUs: 10_000}
	tests := []struct {
		name string
		exp  []func(*result.Experiment)
		cell []func(*result.Cell)
		want []string
	}{
		{"all that arrived", []func(*result.Experiment){arriving}, []func(*result.Cell){due(6020), late(12)},
			[]string{"mine answered all 6,020 requests/s that arrived (sent 12.0 µs late in the median); " + split}},
		{"all but one", []func(*result.Experiment){arriving}, []func(*result.Cell){due(6100), func(c *result.Cell) { c.LatencyUs.N-- }},
			[]string{"mine answered 99.998 % of the 6,100 requests/s that arrived; " + split}},
		{"all but one in twenty-five", []func(*result.Experiment){arriving}, []func(*result.Cell){due(6100), func(c *result.Cell) { c.LatencyUs.N -= 2405 }},
			[]string{"mine answered 95 % of the 6,100 requests/s that arrived; " + split}},
		{"less than arrived, since they gave up", []func(*result.Experiment){arriving}, []func(*result.Cell){due(8000), func(c *result.Cell) { c.LatencyUs.N, c.LatencyUs.Censored, c.LatencyUs.TimedOut = 45_090, .25, .25 }},
			[]string{"mine answered 75 % of the 8,000 requests/s that arrived; on average a request that was answered spends 300 µs beside its work of 10.3 ms."}},
		{"less than arrived, since the window was over", []func(*result.Experiment){arriving}, []func(*result.Cell){due(8000), func(c *result.Cell) { c.LatencyUs.N, c.LatencyUs.Censored = 45_090, .25 }},
			[]string{"mine answered 75 % of the 8,000 requests/s that arrived by the end of the window; on average a request that was answered spends 300 µs beside its work of 10.3 ms."}},
		{"all, and long after it", []func(*result.Experiment){arriving}, []func(*result.Cell){due(8000), because("", "unknown: it fell behind, and nothing was full"), func(c *result.Cell) { c.Requests, c.ThroughputPerS = 30_060, spread(4000, 4000, 4000) }},
			[]string{"mine answered all 8,000 requests/s that arrived in the end, 4,000/s of them while they arrived; neither its CPU (37 % busy) nor the clients' (42 %) was full; " + split}},
		{"none of those who arrived", []func(*result.Experiment){arriving}, []func(*result.Cell){due(109), because("", "nothing was answered"), func(c *result.Cell) { c.Due, c.LatencyUs, c.ServiceUs, c.WaitedUs = 109, nil, nil, nil }},
			[]string{"mine answered 0 % of the 109 requests/s that arrived by the end of the window; neither its CPU (37 % busy) nor the clients' (42 %) was full; none of those that were due was answered."}},
		{"a record that doesn't say what arrived", []func(*result.Experiment){arriving}, nil,
			[]string{"mine met what arrived; " + split}},
		{"sessions", []func(*result.Experiment){sessions}, []func(*result.Cell){due(1210), func(c *result.Cell) { c.ThroughputPerS = spread(6012, 6012, 6012) }},
			[]string{"mine answered 6,010 requests/s of 1,210 sessions/s (6,050 requests/s) that arrived; " + split}},
		{"nobody knows what bound it", []func(*result.Experiment){arriving}, []func(*result.Cell){due(8000), because("", "unknown: requests failed, and nothing was full")},
			[]string{"mine answered all 8,000 requests/s that arrived; neither its CPU (37 % busy) nor the clients' (42 %) was full; " + split}},
		{"a load that varies", []func(*result.Experiment){arriving, varying}, []func(*result.Cell){due(8000), because("", "unknown: its CPU was 37 % busy over the cycle")},
			[]string{"mine answered all 8,000 requests/s that arrived; over the whole cycle its CPU was 37 % busy and the clients' 42 %; " + split}},
		{"and a server that isn't seen", []func(*result.Experiment){arriving, varying}, []func(*result.Cell){due(8000), because("", "unknown"), func(c *result.Cell) { c.ServerCPUUtilisation = nil }},
			[]string{"mine answered all 8,000 requests/s that arrived; over the whole cycle the clients' CPU was 42 % busy, its own was not seen; " + split}},
		{"nor in a closed loop", nil, []func(*result.Cell){because("", "unknown: its CPU was not seen"), func(c *result.Cell) { c.ServerCPUUtilisation = nil }},
			[]string{"mine: the clients' CPU was not full (42 % busy), its own was not seen; " + split}},
		{"clients behind their schedule", []func(*result.Experiment){arriving}, []func(*result.Cell){due(6000), because("clients", "they sent 2.00 ms late, of 10.6 ms in all (medians)")},
			[]string{"The clients could not keep to the schedule for mine (they sent 2.00 ms late, of 10.6 ms in all (medians)): a part of the latencies is theirs, and requests/s are lower bounds (≥) and aren't ranked."}},
		{"how far a limit was used", nil, []func(*result.Cell){limited(16, 1553.4, 0.984)},
			[]string{"mine was at its limit (16 of 16 workers busy; 98 % of the 1,550/s that it allows): " + turn}},
		{"a little more than it allows is a clock's slack", nil, []func(*result.Cell){limited(16, 1553.4, 1.03)},
			[]string{"mine was at its limit (16 of 16 workers busy; about 100 % of the 1,550/s that it allows): " + turn}},
		{"much more is no figure to print", nil, []func(*result.Cell){limited(16, 1553.4, 1.2)},
			[]string{"mine was at its limit (16 of 16 workers busy): " + turn}},
		{"what arrives is not what a limit allows", []func(*result.Experiment){arriving}, []func(*result.Cell){limited(16, 1400, 1)},
			[]string{"mine was at its limit (16 of 16 workers busy): " + turn}},
		{"nor does anybody know without the work's time", nil, []func(*result.Cell){limited(16, 1553.4, 0.984), func(c *result.Cell) { c.ServiceUs, c.WaitedUs = nil, nil }},
			[]string{"mine was at its limit (16 of 16 workers busy): a request takes 10.6 ms on average."}},
		{"silent connections", nil, []func(*result.Cell){held(8000, 7900, 8100), because("clients", "x")},
			[]string{"mine held 1,000 silent connections at 8,000 (7,900–8,100 in 5 restarts) bytes of its resident memory each (without the kernel's).", lower}},
		{"memory that shrank in a restart", nil, []func(*result.Cell){held(80, -16, 90), because("clients", "x")},
			[]string{"mine held 1,000 silent connections at 80 (-16 to 90 in 5 restarts) bytes of its resident memory each (without the kernel's).", lower}},
		{"memory that didn't grow", nil, []func(*result.Cell){held(-12, -16, 90), because("clients", "x")},
			[]string{"mine held 1,000 silent connections, and its resident memory did not grow.", lower}},
		{"other processes disturb", nil, []func(*result.Cell){because("host", "other processes took CPU time from 9 of 9 slices")},
			[]string{"Other processes took CPU time from mine in more than half of the slices: run it again on a quieter machine."}},
		{"the host and other processes do", nil, []func(*result.Cell){because("host", "it and other processes took CPU time from 9 of 9 slices")},
			[]string{"The host and other processes took CPU time from mine in more than half of the slices: run it again on a quieter machine."}},
		{"a server that can't take part", nil, []func(*result.Cell){func(c *result.Cell) {
			*c = result.Cell{Label: c.Label, Display: c.Display, Unable: "asked to wait 10.0 ms, took 200 µs", BoundByWhy: "can't take part: asked to wait 10.0 ms, took 200 µs"}
		}}, []string{"mine can't take part: asked to wait 10.0 ms, took 200 µs."}},
		{"a foreign server that does all", []func(*result.Experiment){foreign(&all)}, []func(*result.Cell){because("clients", "their CPU 99 % busy")},
			[]string{"mine is not one of these models: of its answers status and length were checked, not every byte.",
				"The clients were the bottleneck for mine: its requests/s are a lower bound (≥) and aren't ranked."}},
		{"one that keeps no connections and doesn't say how long it worked", []func(*result.Experiment){foreign(&result.Abilities{Status: 200, Length: -1, Waits: true, Spins: true, Bytes: true, AskedUs: 1})},
			[]func(*result.Cell){because("clients", "their CPU 99 % busy")},
			[]string{"mine is not one of these models: of its answers status and length were checked, not every byte; it doesn't keep connections, which this load doesn't ask for; it doesn't say how long its work took.",
				"The clients were the bottleneck for mine: its requests/s are a lower bound (≥) and aren't ranked."}},
		{"one that nobody probed", []func(*result.Experiment){foreign(nil)}, []func(*result.Cell){because("clients", "their CPU 99 % busy")},
			[]string{"mine is not one of these models: of its answers the status alone was checked.",
				"The clients were the bottleneck for mine: its requests/s are a lower bound (≥) and aren't ranked."}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := experiment(named(t, "io"), []result.Cell{cell("mine", "mine", tt.cell...)})
			e.Reference = ""
			for _, change := range tt.exp {
				change(&e)
			}
			_, said, _ := strings.Cut(strings.TrimSuffix(Answer(e), "\n"), "\n  ")
			if diff := cmp.Diff(tt.want, strings.Split(said, "\n  ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Warnings that differ in one figure are one note.
func TestNotes(t *testing.T) {
	for _, tt := range []struct {
		name     string
		warnings []string // one of each of a, b, c
		want     []string
	}{
		{"the same words", []string{"x 1", "x 1", "x 1"}, []string{"Note: a, b and c: x 1."}},
		{"one figure differs", []string{"listen queue overflowed 312 times: 1 s steps", "listen queue overflowed 1,288 times: 1 s steps", "listen queue overflowed 312 times: 1 s steps"},
			[]string{"Note: a, b and c: listen queue overflowed 312, 1,288 and 312 times: 1 s steps."}},
		{"a share differs", []string{"the host took 3.1 % of it", "the host took 4.0 % of it", "y"},
			[]string{"Note: a and b: the host took 3.1 % and 4.0 % of it.", "Note: c: y."}},
		{"two figures differ", []string{"3 of 4", "5 of 6", "3 of 4"}, []string{"Note: a and c: 3 of 4.", "Note: b: 5 of 6."}},
		{"each in another figure", []string{"3 of 4", "3 of 5", "2 of 4"}, []string{"Note: a and b: 3 of 4 and 5.", "Note: c: 2 of 4."}},
		{"only one is warned of", []string{"12 of 64 clients", "", ""}, []string{"Note: a: 12 of 64 clients."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var cells []result.Cell
			for i, w := range tt.warnings {
				c := cell(string(rune('a'+i)), string(rune('a'+i)), func(c *result.Cell) { c.BoundBy = "x" })
				if w != "" {
					c.Warnings = []string{w}
				}
				cells = append(cells, c)
			}
			e := experiment(named(t, "io"), cells)
			e.Reference = ""
			_, said, _ := strings.Cut(strings.TrimSuffix(Answer(e), "\n"), "\n  ")
			if diff := cmp.Diff(tt.want, strings.Split(said, "\n  ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A load that varies: what was answered in its peak, and after it.
func TestPeaks(t *testing.T) {
	met := func(peak, after []float64) *result.Series {
		s := &result.Series{BinUs: 250_000}
		for _, x := range slices.Concat([]float64{1, 1, 1, 1}, peak, after) {
			s.Intended, s.Answered = append(s.Intended, 1000), append(s.Answered, int64(1000*x))
		}
		return s
	}
	all := []float64{1, 1, 1, 1}
	done := func(s *result.Series, shares ...float64) *result.Series {
		for _, x := range shares {
			s.Done = append(s.Done, int64(1000*x))
		}
		return s
	}
	const at = "In the second at 1.5 × what goroutine answers at most, goroutine answered "
	for _, tt := range []struct {
		name   string
		series *result.Series
		want   string
	}{
		{"it met it", met(all, all), at + "all requests within 1 s."},
		{"it met nearly all", met([]float64{1, 1, 1, .999}, all), at + "99.9 % of the requests within 1 s."},
		{"what came after it was late", met(all, []float64{.5, 1, 1, 1}), at + "all requests within 1 s, and 88 % of those after it."},
		{"it recovered at once", met([]float64{1, .5, .5, .4}, all), at + "60 % of the requests within 1 s, and at least 99 % again as soon as the load had fallen."},
		{"it recovered", met([]float64{1, .5, .5, .4}, []float64{0, 0, 1, 1}), at + "60 % of the requests within 1 s; from 500 ms after the load had fallen it answered at least 99 % again."},
		{"it collapsed", met([]float64{0, 0, 0, 0}, []float64{0, 0, 0, 0}), at + "0.0 % of the requests within 1 s; it had not recovered 1 s after the load had fallen."},
		{"it answered all in time, and was long at it", done(met(all, all), 1, 1, 1, 1, .7, .7, .7, .7, 1.5, 1.5, 1.2, 1), at + "all requests within 1 s; what had piled up was being worked off for 750 ms after it."},
		{"not for longer than a bin", done(met(all, all), 1, 1, 1, 1, 1, 1, 1, .8, 1.2, 1, 1, 1), at + "all requests within 1 s."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := experiment(named(t, "overload"), []result.Cell{cell("goroutine", "goroutine", func(c *result.Cell) { c.GoodputSeries, c.BoundBy = tt.series, "x" })})
			if got := Answer(e); got != "For this load:\n  "+tt.want+"\n" {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
)

// Each row is an experiment of a reference, its twin and others, and all that
// may be said of it. The twin's own line is left out where it is not the point.
func TestAnswer(t *testing.T) {
	ref := cell("goroutine", "goroutine")
	two := cell("goroutine#2", "goroutine", twin)
	const fine = "goroutine answers all that the clients ask for: on average a request waits 300 µs for its turn and 10.3 ms for its work."
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
			[]string{"goroutine: neither its CPU (37 % busy) nor the clients' (42 %) was full; on average a request waits 5.00 ms for its turn and 10.3 ms for its work."}},
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
			[]string{fine, "Of pool:workers=128's 128 workers at most 64 were busy: no connection waited for lack of one."}},
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

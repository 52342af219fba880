package analysis

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A simulation draws experiments whose noise is like that of the machines this
// is measured on: single slices scatter by 15 %, the machine's speed drifts, one
// process of a program differs from the next, and now and then the host takes
// time, which shows in its counters and slows the slice. What the models differ
// by is known, so that what is said of them can be held against it.
type simulation struct {
	models int // beside the reference and its twin
	blocks int
	rounds int                // of a block
	cpu    map[string]float64 // by label: CPU per request, over the reference's; 1 where it has none
	rate   map[string]float64 // ... and throughput

	cpuNoise  float64 // SD of a slice's CPU per request by itself, as a logarithm
	rateNoise float64 // ... and of its throughput
	drift     float64 // SD of the machine's speed, which drifts: AR(1), 0.98 from slice to slice
	process   float64 // SD of what a fresh process is off by
	tied      float64 // how far what slows a slice, or a process, makes it dearer too: 0 to 1
	disturbed float64 // share of slices that the host takes 20 to 60 ms from

	latencies bool // slices have histograms of them, those of a block in its first slices (as result.Condense leaves them)
}

// likeOurs is what slices of 50 to 100 ms show on two shared CPUs: they scatter by
// 15 % in all, two of one server in one round are apart by 12 to 14 % (SD) in
// CPU per request and by 14 to 22 % in throughput, and the two go together (−0.9
// and beyond, but where the load is mostly waiting). It is a run of 50 s: 27
// blocks of 4 rounds where there are three models beside the reference, more
// where there are fewer.
func likeOurs(models int) simulation {
	return simulation{
		models: models, blocks: 27 * 5 / (models + 2), rounds: 4,
		cpuNoise: 0.09, rateNoise: 0.12, drift: 0.12, process: 0.02, tied: 0.9, disturbed: 0.01,
	}
}

func (s simulation) experiment() result.Experiment {
	exp := result.Experiment{
		Name: "sim", Scenario: "keepalive", Reference: "goroutine", Loop: scenario.LoopClosed, Clients: 64,
		RoundsPerBlock: s.rounds, StoppedBy: "budget",
		Load:    scenario.Scenario{Name: "keepalive", Loop: scenario.LoopClosed, Conversation: scenario.ConversationHTTP, Clients: 64, RequestsPerConnection: 100},
		Entries: []result.Entry{{Label: "goroutine", Model: "goroutine"}, {Label: "goroutine#2", Model: "goroutine", Twin: true}},
	}
	for i := range s.models {
		label := fmt.Sprintf("model%d", i+1)
		exp.Entries = append(exp.Entries, result.Entry{Label: label, Model: label})
	}
	return exp
}

// draw is a whole experiment's slices, in the order in which they were begun;
// those of its first n blocks come first.
func (s simulation) draw(r *rand.Rand) (taken []result.Slice) {
	exp := s.experiment()
	taken = make([]result.Slice, 0, s.blocks*s.rounds*len(exp.Entries))
	drift, at := 0.0, time.Unix(0, 0).UTC()
	factor := func(of map[string]float64, label string) float64 {
		if x, ok := of[label]; ok {
			return x
		}
		return 1
	}
	for block := range s.blocks {
		// A process that is off is so in all that it does.
		dear, slowed := make([]float64, len(exp.Entries)), make([]float64, len(exp.Entries))
		kept, left := make([]*result.Slice, len(exp.Entries)), make([]*result.Slice, len(exp.Entries))
		for i := range dear {
			x, y := s.both(r)
			dear[i], slowed[i] = s.process*x, s.process*y
		}
		for in := range s.rounds {
			first := len(taken)
			for place, e := range r.Perm(len(exp.Entries)) {
				drift = 0.98*drift + math.Sqrt(1-0.98*0.98)*s.drift*r.NormFloat64()
				label := exp.Entries[e].Label
				host := result.Host{WallUs: 100_000, OtherCPUUs: int64(10_000 * r.IntN(2))}
				slow := 0.0
				if r.Float64() < s.disturbed {
					host.StealUs = 20_000 + r.Int64N(40_000)
					slow = 2 * float64(host.StealUs) / 100_000
				}
				x, y := s.both(r)
				cpu := math.Log(10*factor(s.cpu, label)) + drift + dear[e] + s.cpuNoise*x + slow/2
				rate := math.Log(40_000*factor(s.rate, label)) - 0.75*drift - slowed[e] - s.rateNoise*y - slow
				at = at.Add(100 * time.Millisecond)
				taken = append(taken, simulated(exp, block, block*s.rounds+in, place, label, at, host, cpu, rate))
			}
			if !s.latencies {
				continue
			}
			out := slices.ContainsFunc(taken[first:], disturbed)
			for i := range taken[first:] {
				one := &taken[first+i]
				e := slices.IndexFunc(exp.Entries, func(e result.Entry) bool { return e.Label == one.Label })
				into := &kept[e]
				if out {
					into = &left[e]
				}
				if *into == nil {
					*into, one.Load.Latency = one, result.NewHistogram()
				}
				// By Little's law, with a tail; each slice has its own.
				mean := 64 / math.Exp(logThroughput(*one)) * float64(time.Second)
				for range 200 {
					(*into).Load.Latency.Record(time.Duration(mean * (0.5 + 0.5*r.ExpFloat64())))
				}
			}
		}
	}
	return taken
}

// both are two standard normals that are tied.
func (s simulation) both(r *rand.Rand) (x, y float64) {
	common, apart := math.Sqrt(s.tied), math.Sqrt(1-s.tied)
	z := r.NormFloat64()
	return common*z + apart*r.NormFloat64(), common*z + apart*r.NormFloat64()
}

// analyse is Analyse with percentiles of latency that are drawn, and not read
// from histograms, which are a thousand times as much work: a p50 that follows
// throughput by Little's law, and a p99 that is mostly its own.
func (s simulation) analyse(exp result.Experiment, taken []result.Slice, r *rand.Rand) result.Experiment {
	byLabel, _ := sortOut(exp, taken)
	l := newLedger(exp, taken)
	l.weighPercentiles(nil)
	for i := range l.blocks {
		b := &l.blocks[i]
		for e := range l.labels {
			for _, all := range []bool{false, true} {
				sum, n := 0.0, 0
				for _, r := range l.rounds {
					if r.block == b.block && (all || !r.out) {
						sum -= r.ln[1][e]
						n++
					}
				}
				if n == 0 {
					continue
				}
				p50 := sum/float64(n) + 0.01*r.NormFloat64()
				ln := b.ln
				if all {
					ln = b.lnAll
				}
				ln[0][e], ln[1][e] = p50, p50+0.1*r.NormFloat64()
			}
		}
	}
	for _, e := range exp.Entries {
		exp.Cells = append(exp.Cells, cellOf(exp, e, byLabel[e.Label]))
	}
	exp.Comparisons, exp.Suspect, exp.Warnings = compare(l, exp.Cells)
	return exp
}

func logThroughput(s result.Slice) float64 {
	x, _ := throughput(s)
	return math.Log(x)
}

func simulated(exp result.Experiment, block, round, place int, label string, at time.Time, host result.Host, lnCPU, lnRate float64) result.Slice {
	const windowUs = 75_000
	n := math.Exp(lnRate) * windowUs / 1e6
	return result.Slice{
		Schema: result.SliceSchema, Experiment: exp.Name, Phase: result.PhaseRound,
		Block: block, Round: round, Place: place, Label: label, Started: at, SettleUs: 15_000, CountUs: windowUs,
		Host: host,
		Load: &result.Load{
			WindowUs: windowUs * math.Round(n) / n, // so that whole requests give any rate
			Clients:  64, Requests: int64(math.Round(n)), RequestsAll: 4000,
			CPUUs: 4000 * 8, WindowCPUUs: 0.7 * windowUs, WindowCPUWallUs: windowUs, CPUs: 1,
		},
		Server: &result.Server{
			CPUUs: 4000 * math.Exp(lnCPU), WindowCPUUs: 0.8 * windowUs, WindowCPUWallUs: windowUs, CPUs: 1,
			Accepted: 40, Requests: 4000, HeldPeak: 64,
		},
	}
}

// stopped plays the stop rule of a trial over slices: from block ten on, after
// each block, until intervals are within precision or the blocks are over.
func (s simulation) stopped(taken []result.Slice, precision float64) (result.Experiment, []result.Slice) {
	exp := s.experiment()
	each := s.rounds * len(exp.Entries)
	exp.StoppedBy = ""
	l := newLedger(exp, taken) // entered once: see TestStoppedIsWhatNarrowSays
	for n := VerdictBlocks; n < s.blocks; n++ {
		soFar := *l
		soFar.rounds, soFar.blocks = l.rounds[:n*s.rounds], l.blocks[:n]
		if soFar.narrow(func(int) bool { return false }).Within(precision) {
			exp.StoppedBy = "precision"
			return exp, taken[:n*each]
		}
	}
	exp.StoppedBy = "budget"
	return exp, taken
}

// falseVerdicts are comparisons of equal models that say otherwise.
func falseVerdicts(exp result.Experiment) (found []result.Comparison) {
	for _, c := range exp.Comparisons {
		switch c.Verdict {
		case result.VerdictMore, result.VerdictLess, result.VerdictLarge:
			found = append(found, c)
		}
	}
	return found
}

package analysis

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// io is an experiment of four entries whose requests wait 10 ms.
func ioExperiment() result.Experiment {
	return result.Experiment{
		Name: "io", Scenario: "io", Reference: "goroutine", Loop: "closed", Clients: 64,
		Load: scenario.Scenario{
			Name: "io", Loop: scenario.LoopClosed, Conversation: scenario.ConversationHTTP,
			Clients: 64, RequestsPerConnection: 1, Wait: scenario.Exponential(10 * time.Millisecond),
		},
		Entries: []result.Entry{
			{Label: "goroutine", Model: "goroutine", Display: "goroutine"},
			{Label: "goroutine#2", Model: "goroutine", Display: "goroutine", Twin: true},
			{Label: "pool", Model: "pool:workers=16,queue=0,when-full=wait", Display: "pool:workers=16"},
			{Label: "iterative", Model: "iterative", Display: "iterative"},
		},
	}
}

// openExperiment is one of the same requests, of which 6,000/s arrive.
func openExperiment() result.Experiment {
	e := ioExperiment()
	e.Load.Loop, e.Load.Clients, e.Load.Rate, e.Load.Arrivals = scenario.LoopOpen, 0, 6000, scenario.ArrivalsPoisson
	e.Loop, e.Clients, e.Rate = e.Load.Loop, 0, e.Load.Rate
	return e
}

func partlyOpen() result.Experiment {
	e := openExperiment()
	e.Load.Loop, e.Load.Rate, e.Load.RequestsPerConnection = scenario.LoopPartlyOpen, 1200, 5
	e.Loop, e.Rate = e.Load.Loop, e.Load.Rate
	return e
}

// foreignExperiment has a server that is not ours where pool is.
func foreignExperiment() result.Experiment {
	e := ioExperiment()
	e.Entries[2].Command = "./pool {port}"
	return e
}

func foreignOpen() result.Experiment {
	e := openExperiment()
	e.Entries[2].Attach = "127.0.0.1:8080"
	return e
}

// slice is a look of 50 ms at a server that answers requests of 10 ms work in
// 10.6 ms, 300 in the window and 400 in all, at 60 µs of CPU each.
func slice(label string, round int, change ...func(*result.Slice)) result.Slice {
	const requests, all = 300, 400
	s := result.Slice{
		Schema: result.SliceSchema, Experiment: "io", Phase: result.PhaseRound,
		Block: round / 4, Round: round, Label: label, SettleUs: 15_000, CountUs: 50_000,
		Load: &result.Load{
			WindowUs: 50_000, Clients: 64, Requests: requests, RequestsAll: all, PlanUsed: all + 64, Connections: all,
			Latency: filled(requests, 10_600*time.Microsecond), FirstByte: filled(requests, 10_500*time.Microsecond),
			Connect: filled(requests, 100*time.Microsecond),
			Service: filled(requests, 10_300*time.Microsecond), Waited: filled(requests, 300*time.Microsecond),
			CPUUs: 70 * all, WindowCPUUs: 21_000, WindowCPUWallUs: 50_000, CPUs: 1,
		},
		Server: &result.Server{
			CPUUs: 60 * all, WindowCPUUs: 20_000, WindowCPUWallUs: 50_000, CPUs: 1, GOMAXPROCS: 1,
			RSSPeakBytes: 9_100_000, Threads: 5, Goroutines: 70, ContextSwitches: 2 * all, GCCPUUs: 6 * all,
			Accepted: all, Requests: all, HeldPeak: 64,
		},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func filled(n int, d time.Duration) *result.Histogram {
	h := result.NewHistogram()
	for range n {
		h.Record(d)
	}
	return h
}

// rounds repeats slice in rounds 0 to n−1.
func rounds(label string, n int, change ...func(*result.Slice)) []result.Slice {
	var ss []result.Slice
	for r := range n {
		ss = append(ss, slice(label, r, change...))
	}
	return ss
}

// Changes to a slice, named so that a row of a table reads as a sentence.
func requests(n int64) func(*result.Slice) {
	return func(s *result.Slice) { s.Load.Requests = n }
}

// cpu sets the server's CPU per request, in µs.
func cpu(us float64) func(*result.Slice) {
	return func(s *result.Slice) { s.Server.CPUUs = us * float64(s.Load.RequestsAll) }
}
func serverBusy(share float64) func(*result.Slice) {
	return func(s *result.Slice) { s.Server.WindowCPUUs = share * s.Server.WindowCPUWallUs }
}
func clientsBusy(share float64) func(*result.Slice) {
	return func(s *result.Slice) { s.Load.WindowCPUUs = share * s.Load.WindowCPUWallUs }
}
func limited(name string, size int64, held float64) func(*result.Slice) {
	return func(s *result.Slice) {
		s.Server.Limit = &result.Limit{Name: name, Size: size}
		s.Server.WindowHeldUs = held * float64(size) * s.Server.WindowCPUWallUs
	}
}

// occupied is a limit of requests, and the share of it that was taken, while all
// 64 connections were held.
func occupied(size int64, share float64) func(*result.Slice) {
	return func(s *result.Slice) {
		s.Server.Limit = &result.Limit{Name: "workers", Size: size, Of: result.OfRequests}
		s.Server.WindowHeldUs = 64 * s.Server.WindowCPUWallUs
		s.Server.WindowAtWorkUs = share * float64(size) * s.Server.WindowCPUWallUs
	}
}

func others(us int64) func(*result.Slice) { return func(s *result.Slice) { s.Host.OtherCPUUs = us } }

// spun is the share of their wall time that the clients spun away.
func spun(share float64) func(*result.Slice) {
	return func(s *result.Slice) { s.Load.WindowSpunUs = share * s.Load.WindowCPUWallUs }
}
func unseen(s *result.Slice) { s.Server = nil }

// quick answers everything within d.
func quick(d time.Duration) func(*result.Slice) {
	return func(s *result.Slice) { s.Load.Latency = filled(int(s.Load.Requests), d) }
}

// scheduled makes a slice one of an open loop, in which n requests were due and
// all of them sent, late by so much.
func scheduled(n int, lateness time.Duration) func(*result.Slice) {
	return func(s *result.Slice) {
		s.Load.Clients, s.Load.Due, s.Load.Sent, s.Load.Lateness = 0, int64(n), int64(n), filled(n, lateness)
	}
}

// delayed has the last n of the scheduled requests wait for a connection, and
// be sent.
func delayed(n int, lateness time.Duration) func(*result.Slice) {
	return func(s *result.Slice) {
		l := s.Load
		l.Delayed = int64(n)
		h := filled(int(l.Due)-n, l.Lateness.Max())
		h.Merge(filled(n, lateness))
		l.Lateness = h
	}
}

// heldBack has more of the scheduled wait for one until the window is over.
func heldBack(n int) func(*result.Slice) {
	return func(s *result.Slice) {
		l := s.Load
		l.Delayed, l.DelayedUnsent, l.Sent = l.Delayed+int64(n), int64(n), l.Sent-int64(n)
		l.Latency = filled(int(l.Sent), 10_600*time.Microsecond)
	}
}

// answering sets how many of those who were due were answered in the end.
func answering(n int) func(*result.Slice) {
	return func(s *result.Slice) { s.Load.Latency = filled(n, 10_600*time.Microsecond) }
}
func working(us int) func(*result.Slice) {
	return func(s *result.Slice) {
		s.Load.Service = filled(int(s.Load.Requests), time.Duration(us)*time.Microsecond)
	}
}
func stolen(us int64) func(*result.Slice) { return func(s *result.Slice) { s.Host.StealUs = us } }
func failed(why string) func(*result.Slice) {
	return func(s *result.Slice) { s.Failed, s.Load, s.Server = why, nil, nil }
}
func phase(p string) func(*result.Slice) { return func(s *result.Slice) { s.Phase = p } }
func inRound(round int, change func(*result.Slice)) func(*result.Slice) {
	return func(s *result.Slice) {
		if s.Round == round {
			change(s)
		}
	}
}
func early(rounds int, change func(*result.Slice)) func(*result.Slice) {
	return func(s *result.Slice) {
		if s.Round < rounds {
			change(s)
		}
	}
}
func late(rounds int, change func(*result.Slice)) func(*result.Slice) {
	return func(s *result.Slice) {
		if s.Round >= 9-rounds {
			change(s)
		}
	}
}
func load(change func(*result.Load)) func(*result.Slice) {
	return func(s *result.Slice) { change(s.Load) }
}
func server(change func(*result.Server)) func(*result.Slice) {
	return func(s *result.Slice) { change(s.Server) }
}

func cell(t *testing.T, taken []result.Slice) result.Cell {
	t.Helper()
	cells := Analyse(ioExperiment(), taken).Cells
	i := slices.IndexFunc(cells, func(c result.Cell) bool { return c.Label == "pool" })
	if len(cells) != 4 || i != 2 {
		t.Fatalf("%d cells, pool at %d; want a cell of each entry in their order", len(cells), i)
	}
	return cells[i]
}

func TestFigures(t *testing.T) {
	taken := slices.Concat(
		rounds("pool", 2, phase(result.PhasePilot), requests(1), cpu(1e6)), // must not show anywhere
		rounds("pool", 2, phase(result.PhaseWarm), requests(1), cpu(1e6)),
		[]result.Slice{
			slice("pool", 0, requests(300), cpu(60), limited("workers", 64, 0.5)),
			slice("pool", 1, requests(200), cpu(90), limited("workers", 64, 0.25), server(func(v *result.Server) { v.HeldPeak, v.Rejected, v.RSSPeakBytes = 8, 2, 9_000_000 }),
				load(func(l *result.Load) { l.Starved, l.Unfinished, l.Stale = 3, 7, 1 })),
			slice("pool", 2, requests(100), cpu(30), limited("workers", 64, 0.75), server(func(v *result.Server) { v.Rejected = 1 }),
				load(func(l *result.Load) { l.Errors = result.Errors{Reset: 2, Timeout: 1}; l.Starved, l.Unfinished = 1, 5 })),
		})
	got := cell(t, taken)

	spread := func(median, low, high float64) *result.Spread {
		return &result.Spread{Median: median, Low: low, High: high, N: 3}
	}
	// 900 requests: enough for p99 (368), too few for p99.9 (3,688).
	percentiles := func(us float64) *result.Percentiles {
		return &result.Percentiles{N: 900, Mean: us, P50: new(us), P90: new(us), P99: new(us), Max: us}
	}
	// Four requests of starved clients, and as many of these that timed out as of
	// all: one of 1,200.
	but := func(p *result.Percentiles) *result.Percentiles {
		p.TimedOut = 0.75 / 904.75
		p.Censored = 4.75 / 904.75
		return p
	}
	want := result.Cell{
		Label: "pool", Model: "pool:workers=16,queue=0,when-full=wait", Display: "pool:workers=16",
		Slices: 3, Requests: 600, PlanUsed: 3 * 464,
		Errors: result.Errors{Reset: 2, Timeout: 1}, Stale: 1, Unfinished: 12, Starved: 3, Rejected: 3,
		ThroughputPerS:            spread(4000, 2000, 6000),
		LatencyUs:                 but(percentiles(10_600)),
		FirstByteUs:               but(percentiles(10_500)),
		ConnectUs:                 percentiles(100),
		ServiceUs:                 percentiles(10_300),
		WaitedUs:                  but(percentiles(300)),
		ServerCPUUsPerRequest:     spread(60, 30, 90),
		ClientCPUUsPerRequest:     spread(70, 70, 70),
		ServerCPUUtilisation:      spread(0.4, 0.4, 0.4),
		ClientCPUUtilisation:      spread(0.42, 0.42, 0.42),
		LimitUtilisation:          spread(0.5, 0.25, 0.75),
		RSSPeakBytes:              9_100_000,
		HeldPeak:                  64,
		GoroutinesPeak:            70,
		ThreadsPeak:               5,
		ContextSwitchesPerRequest: spread(2, 2, 2),
		GCCPUFraction:             spread(0.1, 6.0/90, 0.2),
		LittlesLawResidual:        spread(0, 0, 0),
		CeilingPerS:               new(6213.6), // 64 ÷ 10.3 ms
		CeilingReached:            new(0.6437), // 4,000/s of it
		Limit:                     &result.Limit{Name: "workers", Size: 64},
		BoundBy:                   "load",
		BoundByWhy:                "64 clients ÷ 10.6 ms",
		Valid:                     true,
		Warnings: []string{
			"up to 3 of 64 clients finished nothing in a slice: their waiting is not in the latencies",
			"the server turned away 3 connections with 503",
			"the server closed a connection about to be used again once; the request was sent anew",
		},
	}
	near := cmp.Comparer(func(a, b float64) bool {
		// Percentiles are upper ends of buckets: half a microsecond of the 100 below.
		return a == b || math.Abs(a-b) <= 5e-3*math.Max(math.Abs(a), math.Abs(b))
	})
	if diff := cmp.Diff(want, got, near); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The percentile of two servers' requests together is not the mean of their
// percentiles: here 99 % of 10 ms and 1 % of 1 s in one slice of many.
func TestPercentilesAreMergedAndNotAveraged(t *testing.T) {
	taken := rounds("pool", 10)
	taken[0].Load.Latency = filled(300, time.Second)
	l := cell(t, taken).LatencyUs
	if l.N != 3000 || l.P50 == nil || *l.P50 > 11_000 || l.P99 == nil || *l.P99 < 990_000 {
		t.Errorf("of 2,700 requests at 10.6 ms and 300 at 1 s: %+v", *l)
	}
	if want := 0.9*10_600 + 0.1*1e6; math.Abs(l.Mean-want) > 1e-6*want {
		t.Errorf("mean %v µs, want exactly %v", l.Mean, want)
	}
}

// A percentile above which requests lie that nobody knows the time of is that of
// nothing.
func TestPercentilesAreCensored(t *testing.T) {
	fails := func(e result.Errors) func(*result.Slice) { return load(func(l *result.Load) { l.Errors = e }) }
	open := func(sent, n int, e result.Errors, change ...func(*result.Slice)) []func(*result.Slice) {
		return append([]func(*result.Slice){scheduled(sent, 0), load(func(l *result.Load) { l.Latency = filled(n, time.Millisecond) }), fails(e)}, change...)
	}
	hungUp := func(unfinished int64) func(*result.Slice) {
		return func(s *result.Slice) { s.HungUp, s.Load.Unfinished = true, unfinished }
	}
	tests := []struct {
		name               string
		exp                result.Experiment
		change             []func(*result.Slice)
		p50, p90, p99      bool
		censored, timedOut float64
	}{
		{"all were answered", openExperiment(), open(400, 400, result.Errors{}), true, true, true, 0, 0},
		{"a third timed out", openExperiment(), open(600, 400, result.Errors{Timeout: 200}), true, false, false, 1. / 3, 1. / 3},
		{"more than half did", openExperiment(), open(2000, 400, result.Errors{Timeout: 1600}), false, false, false, .8, .8},
		{"fewer than the percentile leaves above it", openExperiment(), open(404, 400, result.Errors{Timeout: 4}), true, true, true, 4. / 404, 4. / 404},
		{"one more", openExperiment(), open(405, 400, result.Errors{Timeout: 5}), true, true, false, 5. / 405, 5. / 405},
		{"those who were refused have an end", openExperiment(), open(600, 400, result.Errors{Refused: 100, Reset: 50, Rejected: 50}), true, true, true, 0, 0},
		{"of both some timed out", openExperiment(), open(600, 400, result.Errors{Refused: 300, Timeout: 100}), true, false, false, 50. / 450, 50. / 450},
		{"those who were hung up on", openExperiment(), open(600, 400, result.Errors{}, hungUp(200)), true, false, false, 1. / 3, 0},
		{"those of them who arrived before the window are not of these", openExperiment(), open(600, 400, result.Errors{}, hungUp(500)), true, false, false, 1. / 3, 0},
		{"those who were never sent", openExperiment(), open(600, 400, result.Errors{}, load(func(l *result.Load) { l.Sent, l.Delayed, l.DelayedUnsent = 400, 200, 200 })), true, false, false, 1. / 3, 0},
		{"timeouts of a closed loop", ioExperiment(), []func(*result.Slice){load(func(l *result.Load) { l.Latency, l.RequestsAll = filled(400, time.Millisecond), 800 }), fails(result.Errors{Timeout: 400})}, true, false, false, 1. / 3, 1. / 3},
		{"what is under way at its end is what always is", ioExperiment(), []func(*result.Slice){load(func(l *result.Load) { l.Latency, l.Unfinished = filled(400, time.Millisecond), 64 })}, true, true, true, 0, 0},
		{"clients who starved wait for longer", ioExperiment(), []func(*result.Slice){load(func(l *result.Load) { l.Latency, l.Starved = filled(400, time.Millisecond), 48 })}, true, false, false, 48. / 448, 0},
		{"timeouts of sessions", partlyOpen(), []func(*result.Slice){scheduled(100, 0), load(func(l *result.Load) { l.Latency, l.RequestsAll = filled(400, time.Millisecond), 500 }), fails(result.Errors{Timeout: 250})}, true, false, false, 1. / 3, 1. / 3},
		{"what sessions had not begun is nobody's loss", partlyOpen(), []func(*result.Slice){scheduled(100, 0), load(func(l *result.Load) { l.Latency = filled(400, time.Millisecond) })}, true, true, true, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cells := Analyse(tt.exp, []result.Slice{slice("pool", 0, tt.change...)}).Cells
			l := cells[2].LatencyUs
			if got := []bool{l.P50 != nil, l.P90 != nil, l.P99 != nil}; !slices.Equal(got, []bool{tt.p50, tt.p90, tt.p99}) {
				t.Errorf("p50, p90, p99 printed: %v", got)
			}
			if math.Abs(l.Censored-tt.censored) > 1e-9 || math.Abs(l.TimedOut-tt.timedOut) > 1e-9 || l.N != 400 {
				t.Errorf("%d known, %v censored, %v timed out; want 400, %v, %v", l.N, l.Censored, l.TimedOut, tt.censored, tt.timedOut)
			}
			if c := cells[2].ServiceUs; c.Censored != 0 {
				t.Errorf("service is censored: %v", c.Censored)
			}
		})
	}
}

func TestPercentileNeedsItsNumberOfRequests(t *testing.T) {
	tests := []struct {
		n                  int
		p50, p90, p99, p39 bool
	}{
		{5, false, false, false, false},
		{6, true, false, false, false},
		{35, true, false, false, false},
		{36, true, true, false, false},
		{367, true, true, false, false},
		{368, true, true, true, false},
		{3687, true, true, true, false},
		{3688, true, true, true, true},
	}
	for _, tt := range tests {
		l := cell(t, []result.Slice{slice("pool", 0, load(func(l *result.Load) { l.Latency = filled(tt.n, time.Millisecond) }))}).LatencyUs
		if got := []bool{l.P50 != nil, l.P90 != nil, l.P99 != nil, l.P999 != nil}; !slices.Equal(got, []bool{tt.p50, tt.p90, tt.p99, tt.p39}) {
			t.Errorf("of %d requests p50, p90, p99, p99.9 printed: %v", tt.n, got)
		}
	}
}

func TestBoundBy(t *testing.T) {
	one := limited("one at a time", 1, 0.99)
	thinking := ioExperiment()
	thinking.Load.Think = scenario.Constant(10 * time.Millisecond)
	thinking.Load.RequestsPerConnection = 10
	tests := []struct {
		name   string
		exp    result.Experiment
		change []func(*result.Slice)
		by     string
		why    string
	}{
		{"nothing is full: the load asks for no more", ioExperiment(), nil, "load", "64 clients ÷ 10.6 ms"},
		{"both sides busy by turns is nobody's fault", ioExperiment(), []func(*result.Slice){serverBusy(.85), clientsBusy(.9)}, "load", "64 clients ÷ 10.6 ms"},
		{"think time is shared by a connection's requests", thinking, nil, "load", "64 clients ÷ (10.6 ms + 1.00 ms think time)"},
		{"the server's CPU is full", ioExperiment(), []func(*result.Slice){serverBusy(.98), clientsBusy(.6)}, "server", "its CPU 98 % busy"},
		{"a clock's slack is no more than 100 %", ioExperiment(), []func(*result.Slice){serverBusy(1.02)}, "server", "its CPU 100 % busy"},
		{"of several CPUs the number is named", ioExperiment(), []func(*result.Slice){server(func(v *result.Server) { v.CPUs = 4 }), serverBusy(3.9)}, "server", "its 4 CPUs 98 % busy"},
		{"one of several CPUs full is not the server full", ioExperiment(), []func(*result.Slice){server(func(v *result.Server) { v.CPUs = 4 }), serverBusy(1)}, "load", "64 clients ÷ 10.6 ms"},
		{"the clients' CPU is full", ioExperiment(), []func(*result.Slice){serverBusy(.8), clientsBusy(.99)}, "clients", "their CPU 99 % busy"},
		{"a full server comes before full clients", ioExperiment(), []func(*result.Slice){serverBusy(.97), clientsBusy(.99)}, "server", "its CPU 97 % busy"},
		{"all workers are busy", ioExperiment(), []func(*result.Slice){limited("workers", 16, .97)}, "limit", "16 of 16 workers busy"},
		{"all workers are taken, and hardly one works", ioExperiment(), []func(*result.Slice){limited("workers", 16, .97), working(1000)}, "limit", "16 of 16 workers taken"},
		{"all are taken, and nobody says whether they work", ioExperiment(), []func(*result.Slice){limited("workers", 16, .97), load(func(l *result.Load) { l.Service = nil })}, "limit", "16 of 16 workers taken"},
		{"all goroutines are taken", ioExperiment(), []func(*result.Slice){limited("goroutines", 32, 1), working(1000)}, "limit", "32 of 32 goroutines taken"},
		{"all goroutines are at work", ioExperiment(), []func(*result.Slice){limited("goroutines", 32, 1)}, "limit", "32 of 32 at work"},
		{"one at a time is a limit of one", ioExperiment(), []func(*result.Slice){one}, "limit", "one at a time"},
		{"a limit almost full limits nothing for sure", ioExperiment(), []func(*result.Slice){limited("workers", 16, .9)}, "load", "64 clients ÷ 10.6 ms"},
		{"a full CPU comes before a full limit", ioExperiment(), []func(*result.Slice){one, serverBusy(.96)}, "server", "its CPU 96 % busy"},
		{"the host comes before all", ioExperiment(), []func(*result.Slice){one, serverBusy(1), stolen(30_000)}, "host", "it took CPU time from 9 of 9 slices"},
		{"one tick of steal says nothing", ioExperiment(), []func(*result.Slice){stolen(10_000)}, "load", "64 clients ÷ 10.6 ms"},
		{"two ticks in a long slice say nothing", ioExperiment(), []func(*result.Slice){stolen(20_000), load(func(l *result.Load) { l.WindowUs = 640_000 })}, "load", "64 clients ÷ 10.6 ms"},
		{"the host in a few slices is not what bound most", ioExperiment(), []func(*result.Slice){inRound(0, stolen(50_000)), inRound(1, stolen(50_000))}, "load", "64 clients ÷ 10.6 ms"},
		{"one busy slice does not bound a cell", ioExperiment(), []func(*result.Slice){inRound(3, serverBusy(1))}, "load", "64 clients ÷ 10.6 ms"},
		{"other processes are the host's doing too", ioExperiment(), []func(*result.Slice){serverBusy(1), others(30_000)}, "host", "other processes took CPU time from 9 of 9 slices"},
		{"a tick of other processes says nothing", ioExperiment(), []func(*result.Slice){others(10_000)}, "load", "64 clients ÷ 10.6 ms"},
		{"the host and other processes", ioExperiment(), []func(*result.Slice){stolen(20_000), inRound(0, others(20_000))}, "host", "it and other processes took CPU time from 9 of 9 slices"},
		{"half of the slices disturbed, and all of them full: it is the CPU", ioExperiment(), []func(*result.Slice){serverBusy(.97), early(4, stolen(50_000))}, "server", "its CPU 97 % busy"},
		{"full by turns, neither in most slices", ioExperiment(), []func(*result.Slice){early(4, serverBusy(1)), late(4, clientsBusy(1))}, "load", "64 clients ÷ 10.6 ms"},
		{"clients who spin until the next send only look busy", ioExperiment(), []func(*result.Slice){clientsBusy(1), spun(.3)}, "load", "64 clients ÷ 10.6 ms"},
		{"a server that isn't sampled may be full without anybody seeing it", ioExperiment(), []func(*result.Slice){unseen}, "", "unknown: its CPU was not seen"},
		{"nor may one without a CPU clock be said to be idle", ioExperiment(), []func(*result.Slice){server(func(v *result.Server) { v.CPUs = 0 })}, "", "unknown: its CPU was not seen"},
		{"a full server that isn't ours", foreignExperiment(), []func(*result.Slice){serverBusy(.98)}, "server", "its CPU 98 % busy"},
		{"a server that isn't ours may have limits of its own", foreignExperiment(), nil, "", "unknown: no CPU was full, its limits aren't seen"},

		{"an open loop asks for no more than arrives", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond)}, "load", "6,000/s arrived"},
		{"even of a server that nobody sees", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), unseen}, "load", "6,000/s arrived"},
		{"unless it falls behind, and whatever it is full of isn't seen", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), unseen, requests(200)}, "", "unknown: it fell behind, and its limits aren't seen"},
		{"nor does a server that is seen, and falls behind, ask for an answer", openExperiment(), []func(*result.Slice){scheduled(2000, 20*time.Microsecond), requests(1000), answering(2000), serverBusy(.6)}, "", "unknown: it fell behind, and nothing was full"},
		{"who falls behind by a tenth has fallen behind", openExperiment(), []func(*result.Slice){scheduled(2000, 20*time.Microsecond), requests(1800), answering(2000)}, "", "unknown: it fell behind, and nothing was full"},
		{"who has half of it unanswered in the end, too", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), answering(150)}, "", "unknown: it fell behind, and nothing was full"},
		{"a twentieth less is what windows do", openExperiment(), []func(*result.Slice){scheduled(2000, 20*time.Microsecond), requests(1910), answering(2000)}, "load", "40,000/s arrived"},
		{"of few requests some are under way by chance", openExperiment(), []func(*result.Slice){scheduled(2, 20*time.Microsecond), requests(2), inRound(0, requests(1)), inRound(8, requests(1)), answering(2)}, "load", "40.0/s arrived"},
		{"work that takes longer than there was time to settle is not behind", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), working(40_000), quick(40 * time.Millisecond), requests(150)}, "load", "6,000/s arrived"},
		{"unless it takes longer still", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), working(20_000), quick(40 * time.Millisecond), requests(150)}, "", "unknown: it fell behind, and nothing was full"},
		{"of a server that doesn't say how long it worked nobody can tell", foreignOpen(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), load(func(l *result.Load) { l.Service = nil }), requests(150), func(s *result.Slice) { s.Load.Latency = filled(300, 40*time.Millisecond) }}, "", "unknown: slices of 65.0 ms are too short to tell whether it kept up"},
		{"a server that isn't ours, and keeps up", foreignOpen(), []func(*result.Slice){scheduled(300, 20*time.Microsecond)}, "load", "6,000/s arrived"},
		{"a server that isn't ours, and doesn't", foreignOpen(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), requests(200)}, "", "unknown: it fell behind, and its limits aren't seen"},
		{"sessions are what arrives in a partly open one", partlyOpen(), []func(*result.Slice){scheduled(60, 20*time.Microsecond)}, "load", "1,200 sessions/s arrived (6,000 requests/s)"},
		{"sessions longer than there was time for", partlyOpen(), []func(*result.Slice){scheduled(60, 20*time.Microsecond), requests(210), answering(250)}, "", "unknown: slices of 65.0 ms are too short to tell whether it kept up"},
		{"sessions that are short, and not answered", partlyOpen(), []func(*result.Slice){scheduled(60, 20*time.Microsecond), requests(210), quick(time.Millisecond)}, "", "unknown: it fell behind, and nothing was full"},
		{"a record from before there were open loops", openExperiment(), nil, "load", "no more was asked for"},
		{"busy clients that keep to their schedule bound nothing", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), clientsBusy(1)}, "load", "6,000/s arrived"},
		{"late sends, a tenth of the latency", openExperiment(), []func(*result.Slice){scheduled(300, 1200*time.Microsecond)}, "clients", "they sent 1.20 ms late, of 10.6 ms in all (medians)"},
		{"late by less than a tenth of it", openExperiment(), []func(*result.Slice){scheduled(300, 900*time.Microsecond)}, "load", "6,000/s arrived"},
		{"late by a good part of very little", openExperiment(), []func(*result.Slice){scheduled(300, 40*time.Microsecond), quick(100 * time.Microsecond)}, "load", "6,000/s arrived"},
		{"a full server comes before late clients", openExperiment(), []func(*result.Slice){scheduled(300, 1200*time.Microsecond), serverBusy(1)}, "server", "its CPU 100 % busy"},
		{"late for lack of connections is not the clients' doing", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), delayed(200, 5*time.Millisecond), limited("workers", 16, 1)}, "limit", "16 of 16 workers busy"},
		{"where nothing else is full nobody knows who kept them", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), delayed(200, 5*time.Millisecond)}, "", "unknown: all connections that may be open were taken"},
		{"whether they were sent in the end or not", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), heldBack(200)}, "", "unknown: all connections that may be open were taken"},
		{"but a full server does", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), heldBack(200), serverBusy(1)}, "server", "its CPU 100 % busy"},
		{"requests that were held up and sent don't excuse those that weren't", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), delayed(100, 5*time.Millisecond), load(func(l *result.Load) { l.Sent = 280 })}, "clients", "they sent 20.0 µs late, of 10.6 ms in all (medians)"},
		{"those that were held up until the end are excused", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), heldBack(10)}, "load", "6,000/s arrived"},
		{"of those that waited for none half were late", openExperiment(), []func(*result.Slice){scheduled(300, 2*time.Millisecond), delayed(100, 5*time.Millisecond)}, "clients", "they sent 2.00 ms late, of 10.6 ms in all (medians)"},
		{"requests that were never sent", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), load(func(l *result.Load) { l.Sent = 280 })}, "clients", "they sent 20.0 µs late, of 10.6 ms in all (medians)"},
		{"those that were due in the last moment of a window", openExperiment(), []func(*result.Slice){scheduled(300, 900*time.Microsecond), load(func(l *result.Load) { l.Sent = 294 })}, "load", "6,000/s arrived"},
		{"not all that arrived was answered, and nobody was full throughout", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), load(func(l *result.Load) { l.Errors.Timeout = 40 })}, "", "unknown: requests failed, and nothing was full"},
		{"nor did anybody see it", foreignOpen(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), load(func(l *result.Load) { l.Errors.Timeout = 40 })}, "", "unknown: requests failed, and its limits aren't seen"},
		{"nothing was answered", openExperiment(), []func(*result.Slice){scheduled(300, 20*time.Microsecond), load(func(l *result.Load) { l.Requests, l.Latency = 0, nil })}, "", "nothing was answered"},
		{"of a server that isn't sampled the clients still tell", ioExperiment(), []func(*result.Slice){clientsBusy(1), func(s *result.Slice) { s.Server = nil }}, "clients", "their CPU 100 % busy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // of its length most is filling histograms
			taken := rounds("pool", 9, tt.change...)
			cells := Analyse(tt.exp, taken).Cells
			if c := cells[2]; c.BoundBy != tt.by || c.BoundByWhy != tt.why {
				t.Errorf("bound by %q: %q, want %q: %q", c.BoundBy, c.BoundByWhy, tt.by, tt.why)
			}
			// A slice is bound by what a cell of that slice alone would be.
			for _, s := range []result.Slice{taken[0], taken[8]} {
				by, why := SliceBound(tt.exp, s)
				cells := Analyse(tt.exp, []result.Slice{s}).Cells
				if c := cells[2]; by != c.BoundBy || why != c.BoundByWhy {
					t.Fatalf("slice of round %d: bound by %q: %q, and the cell of it by %q: %q", s.Round, by, why, c.BoundBy, c.BoundByWhy)
				}
			}
		})
	}
}

// How busy anything was is a mean over the whole cycle. Whoever fell behind in
// its peak was full of something then, and nobody saw of what.
func TestBoundByOfLoadsThatVary(t *testing.T) {
	const second = 1e6
	varies := func(e result.Experiment, cycle string) result.Experiment {
		e.Load.Cycle = varying(t, cycle).Cycle
		e.Load.Wait, e.Load.Spin = scenario.Dist{}, scenario.Constant(200*time.Microsecond)
		return e
	}
	overload := varies(openExperiment(), "1s*0.5,1s*1.5,1s*0.5")
	burst := varies(openExperiment(), "250ms*1,750ms*0")
	// met is a cycle of so many seconds, bins of 250 ms, and in each so many due
	// and done.
	met := func(seconds float64, due, done []int64) func(*result.Slice) {
		return func(s *result.Slice) {
			s.SettleUs, s.CountUs = 0, int64(seconds*second)
			l := s.Load
			l.WindowUs, s.Server.WindowCPUWallUs = seconds*second, seconds*second
			l.Series = &result.Series{BinUs: second / 4, Intended: due, Answered: due, Done: done, Failed: make([]int64, len(due))}
			l.Requests, l.RequestsAll = sum(done), sum(due)
			scheduled(int(sum(due)), 20*time.Microsecond)(s)
			l.Latency, l.Service = filled(int(l.Due), time.Millisecond), filled(int(l.Due), 200*time.Microsecond)
		}
	}
	due := []int64{400, 400, 400, 400, 1200, 1200, 1200, 1200, 400, 400, 400, 400}
	kept := met(3, due, due)
	behind := met(3, due, []int64{400, 400, 400, 400, 800, 800, 800, 800, 800, 800, 800, 400})
	tests := []struct {
		name    string
		exp     result.Experiment
		change  []func(*result.Slice)
		by, why string
	}{
		{"who answers the peak as it comes is bound by the load", overload, []func(*result.Slice){kept, serverBusy(.6)}, "load", "2,670/s arrived"},
		{"who answers all in the end, and not in the peak, is not", overload, []func(*result.Slice){behind, serverBusy(.85)}, "", "unknown: its CPU was 85 % busy over the cycle; in the peak it answered 3,200/s of 4,800/s that arrived"},
		{"failures are of the peak then", overload, []func(*result.Slice){behind, serverBusy(.85), load(func(l *result.Load) { l.Errors.Timeout = 1000 })}, "", "unknown: its CPU was 85 % busy over the cycle; in the peak it answered 3,200/s of 4,800/s that arrived"},
		{"who was full throughout was full in the peak", overload, []func(*result.Slice){behind, serverBusy(.97)}, "server", "its CPU 97 % busy"},
		{"a limit is told with it", overload, []func(*result.Slice){behind, serverBusy(.4), limited("workers", 16, .7)}, "", "unknown: its CPU was 40 % busy over the cycle, its limit of 16 was 70 % taken; in the peak it answered 3,200/s of 4,800/s that arrived"},
		{"a CPU that nobody saw", overload, []func(*result.Slice){behind, unseen}, "", "unknown: its CPU was not seen; in the peak it answered 3,200/s of 4,800/s that arrived"},
		{"a burst that is worked off in the pause", burst, []func(*result.Slice){met(1, []int64{2000, 0, 0, 0}, []int64{1200, 800, 0, 0}), serverBusy(.3)}, "", "unknown: its CPU was 30 % busy over the cycle; in the peak it answered 4,800/s of 8,000/s that arrived"},
		{"one whose answers take their time", burst, []func(*result.Slice){met(1, []int64{2000, 0, 0, 0}, []int64{1200, 800, 0, 0}), working(100_000), serverBusy(.3)}, "load", "2,000/s arrived"},
		{"a record without answers by the time that they came", overload, []func(*result.Slice){behind, serverBusy(.85), load(func(l *result.Load) { l.Series.Done = nil })}, "load", "2,670/s arrived"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cells := Analyse(tt.exp, rounds("pool", 3, tt.change...)).Cells
			if c := cells[2]; c.BoundBy != tt.by || c.BoundByWhy != tt.why {
				t.Errorf("bound by %q: %q, want %q: %q", c.BoundBy, c.BoundByWhy, tt.by, tt.why)
			}
		})
	}
}

func TestSliceBound(t *testing.T) {
	tests := []struct {
		name    string
		exp     result.Experiment
		slice   result.Slice
		by, why string
	}{
		{"one slice in which nothing was full", ioExperiment(), slice("pool", 0), "load", "64 clients ÷ 10.6 ms"},
		{"what the host took from one slice", ioExperiment(), slice("pool", 0, stolen(30_000)), "host", "it took 30.0 ms of CPU time"},
		{"what others took of it", ioExperiment(), slice("pool", 0, others(40_000)), "host", "other processes took 40.0 ms of CPU time"},
		{"a failed slice", ioExperiment(), slice("pool", 0, failed("x")), "", ""},
		{"connections that are held", ioExperiment(), result.Slice{Label: "pool", Phase: result.PhaseHold, Held: &result.Held{}}, "", ""},
		{"a server that is no entry", ioExperiment(), slice("epoll", 0, serverBusy(1)), "server", "its CPU 100 % busy"},
		{"the warm-up of an open loop has clients who wait", openExperiment(), slice("pool", 0, phase(result.PhaseWarm)), "load", "64 clients ÷ 10.6 ms"},
		{"and so has the look for a capacity", openExperiment(), slice("pool", 0, phase(result.PhaseCapacity), clientsBusy(1)), "clients", "their CPU 100 % busy"},
		{"its pilot has not", openExperiment(), slice("pool", 0, phase(result.PhasePilot), scheduled(300, 0), clientsBusy(1)), "load", "6,000/s arrived"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if by, why := SliceBound(tt.exp, tt.slice); by != tt.by || why != tt.why {
				t.Errorf("bound by %q: %q, want %q: %q", by, why, tt.by, tt.why)
			}
		})
	}
}

func TestValidity(t *testing.T) {
	tests := []struct {
		name    string
		taken   []result.Slice
		valid   bool
		warning string // all of them, "" for none
	}{
		{"a quiet cell is valid and says nothing", rounds("pool", 4), true, ""},
		{"unfinished requests are in the nature of a window", rounds("pool", 4, load(func(l *result.Load) { l.Unfinished = 64 })), true, ""},
		{"a failed slice costs itself only",
			append(rounds("pool", 3), slice("pool", 3, failed("the server died: exit status 2"))), true,
			"1 of 4 slices failed: the server died: exit status 2"},
		{"reasons are told once each",
			append(rounds("pool", 2, failed("the server died")), slice("pool", 2, failed("not ready in 5s")), slice("pool", 3)), true,
			"2 of 4 slices failed: the server died; 1 of 4 slices failed: not ready in 5s"},
		{"a slice without figures and reason is not passed over",
			[]result.Slice{slice("pool", 0), slice("pool", 1, func(s *result.Slice) { s.Load = nil })}, true,
			"1 of 2 slices failed: it has no figures and no reason"},
		{"no slice at all", nil, false, "no figures: no round was reached"},
		{"an interrupt after the pilot", rounds("pool", 1, phase(result.PhasePilot)), false, "no figures: no round was reached"},
		{"a server that never started",
			rounds("pool", 1, phase(result.PhasePilot), failed("no such file")), false,
			"1 of 1 slice failed: no such file | no figures: no round was reached"},
		{"a server that dies in every round",
			append(rounds("pool", 1, phase(result.PhasePilot)), rounds("pool", 3, failed("killed"))...), false,
			"3 of 4 slices failed: killed | no figures: no slice of any round succeeded"},
		{"a server that answers nobody",
			rounds("pool", 2, load(func(l *result.Load) {
				l.Requests, l.RequestsAll, l.Latency = 0, 0, nil
			})), false, "no request was answered rightly in 2 slices"},
		{"few failures need no words", rounds("pool", 1, load(func(l *result.Load) { l.Errors.Reset = 4 })), true, ""}, // 4 of 404
		{"more than 1 % of failures do",
			rounds("pool", 2, load(func(l *result.Load) {
				l.Errors = result.Errors{Reset: 40, Refused: 10}
				l.FirstError = "read: connection reset by peer"
			})), true,
			"11.1 % of requests failed (20 refused, 80 reset; the first: read: connection reset by peer); their CPU counts in CPU per request"},
		{"half is still a minority", rounds("pool", 1, load(func(l *result.Load) { l.Errors.Other = 400 })), true,
			"50.0 % of requests failed (400 failed otherwise); their CPU counts in CPU per request"},
		{"when most fail the rest says nothing", rounds("pool", 1, load(func(l *result.Load) { l.Errors.BadResponse = 1200 })), false,
			"75.0 % of requests failed (1,200 answered wrongly): what was answered says little"},
		{"some time that no request accounts for", rounds("pool", 3, load(func(l *result.Load) { l.LittleResidual = 0.08 })), true,
			"Little's law is off by 8.0 %: so much of the clients' time was their own, between requests; a faster client would ask for more"},
		{"a per cent of it is what clients take", rounds("pool", 3, load(func(l *result.Load) { l.LittleResidual = 0.01 })), true, ""},
		{"latencies that differ from what was under way", rounds("pool", 3, load(func(l *result.Load) { l.InFlightUs, l.RecordedUs, l.LittleResidual = 3_200_000, 3_000_000, .0625 })), false,
			"Little's law fails by 6.2 %: so much does the time that requests were recorded for differ from the time that a separate count saw them under way: some were recorded wrongly, or not at all"},
		{"latencies that differ a little from it", rounds("pool", 3, load(func(l *result.Load) { l.InFlightUs, l.RecordedUs, l.LittleResidual = 3_200_000, 3_136_000, .02 })), true,
			"Little's law is off by 2.0 %: so much does the time that requests were recorded for differ from the time that a separate count saw them under way"},
		{"both: the larger is the clients' own time", rounds("pool", 3, load(func(l *result.Load) { l.InFlightUs, l.RecordedUs, l.LittleResidual = 3_200_000, 3_136_000, .03 })), true,
			"Little's law is off by 2.0 %: so much does the time that requests were recorded for differ from the time that a separate count saw them under way | " +
				"Little's law is off by 3.0 %: so much of the clients' time was their own, between requests; a faster client would ask for more"},
		{"clients that got no connection", rounds("pool", 3, load(func(l *result.Load) { l.ClientsConnected = 60 })), false,
			"only 60 of 64 clients got a connection in the median slice: this is not the load that was asked for"},
		{"one that failed for another reason explains nothing", rounds("pool", 3, load(func(l *result.Load) { l.ClientsConnected, l.Errors.Reset = 60, 1 })), false,
			"only 60 of 64 clients got a connection in the median slice: this is not the load that was asked for"},
		{"where most failed it is that", rounds("pool", 1, load(func(l *result.Load) { l.ClientsConnected, l.Errors.Refused = 60, 1200 })), false,
			"75.0 % of requests failed (1,200 refused): what was answered says little"},
		{"connects that came to nothing", rounds("pool", 2, load(func(l *result.Load) { l.ConnectionsAsked, l.Connections, l.Errors.Other = 410, 400, 4 })), true,
			"only 800 of 820 connections that were begun were established, and no refusal, reset or timeout says why"},
		{"those that were refused are told as such", rounds("pool", 2, load(func(l *result.Load) { l.ConnectionsAsked, l.Connections, l.Errors.Refused = 404, 400, 4 })), true, ""},
		{"those that were under way at the end may have become one", rounds("pool", 2, load(func(l *result.Load) { l.ConnectionsAsked, l.Connections, l.Unfinished = 464, 400, 64 })), true, ""},
		{"clients that got none in one slice", rounds("pool", 3, load(func(l *result.Load) { l.ClientsConnected = 64 }), inRound(1, load(func(l *result.Load) { l.ClientsConnected = 60 }))), true,
			"only 60 of 64 clients got a connection in the worst slice"},
		{"more work than there are clients", rounds("pool", 3, requests(900)), false,
			"it answers more than arithmetic allows: 18,000/s of 10.3 ms work each are 185 at work at once, and the load is 64 clients"},
		{"more work than a limit lets through", rounds("pool", 3, limited("workers", 2, 1)), false,
			"it answers more than arithmetic allows: 6,000/s of 10.3 ms work each are 61.8 at work at once, and its limit is 2"},
		{"the host takes some time from all slices", rounds("pool", 4, inRound(0, stolen(20_000))), true, // of 4 × 65 ms × 2
			"the host took 3.8 % of the time of the CPUs measured"},
		{"so do other processes", rounds("pool", 4, others(10_000)), true, // 7.7 % of each: below what disturbs one
			"other processes used 7.7 % of the CPUs measured"},
		{"as much as the kernel's threads and the parent do in any run", rounds("pool", 4, inRound(0, others(20_000))), true, ""}, // 3.8 % in all
		{"a listening socket that drops connections", rounds("pool", 1, func(s *result.Slice) { s.Host.ListenDrops = 1 }), true,
			"a listening socket dropped a connection once: 1 s steps in the tail are SYN retransmissions, not the server"},
		{"an overflow is a drop and a retransmission too", rounds("pool", 1, func(s *result.Slice) {
			s.Host.ListenOverflow, s.Host.ListenDrops, s.Host.Retransmits = 2, 2, 2
		}), true,
			"listen queue overflowed 2 times: 1 s steps in the tail are SYN retransmissions, not the server"},
		{"segments sent again", rounds("pool", 1, func(s *result.Slice) { s.Host.Retransmits = 7 }), true,
			"7 segments were retransmitted: some of the tail is TCP that sends again, not the server"},
		{"connections held, and answered at the end", append(rounds("pool", 1), held(0, 1000, 1000, 0)...), true, ""},
		{"connections that were to be held", append(rounds("pool", 1), append(held(0, 1000, 16, 0), held(1, 1000, 20, 0)...)...), true,
			"984 of 1,000 connections that were to be held were never answered: they starved"},
		{"connections that were lost", append(rounds("pool", 1), append(held(0, 1000, 1000, 3), held(1, 1000, 1000, 1)...)...), true,
			"4 held connections were not answered once more at the end"},
		{"holding that failed is a failed slice", append(rounds("pool", 1), slice("pool", 0, phase(result.PhaseHold), failed("died"))), true,
			"1 of 2 slices failed: died"},
		{"much of it", rounds("pool", 3, load(func(l *result.Load) { l.LittleResidual = 0.3 })), false,
			"Little's law is off by 30.0 %: the clients spent that share of their time in no request, so the figures are more theirs than the server's"},
		{"too few requests for anything", rounds("pool", 1, load(func(l *result.Load) { l.Requests = 5 })), false,
			"5 requests in all: too few for any figure (longer slices or more time: --slice, --budget)"},
		{"turned away is answered as meant", rounds("pool", 1, server(func(v *result.Server) { v.Rejected = 1200 }), load(func(l *result.Load) { l.Errors.Rejected = 1200 })), true,
			"the server turned away 1,200 connections with 503, 75.0 % of all; requests/s and latencies are of those that were answered"},
		{"one slice with such time is an outlier", rounds("pool", 3, inRound(1, load(func(l *result.Load) { l.LittleResidual = 0.5 }))), true, ""},
		{"durations that no bucket holds", rounds("pool", 1, load(func(l *result.Load) { l.HistogramDropped = 2 })), false,
			"2 durations did not fit the histograms (up to 2 min): percentiles and means are wrong"},
		{"starved clients", rounds("pool", 3, inRound(1, load(func(l *result.Load) { l.Starved = 12 }))), true,
			"up to 12 of 64 clients finished nothing in a slice: their waiting is not in the latencies"},
		{"slices shorter than a response time", rounds("pool", 3, load(func(l *result.Load) { l.Latency = filled(300, 60*time.Millisecond) })), true,
			"slices are short for a response time of 60.0 ms on average: what takes longer than 65.0 ms is missing from the latencies"},
		{"a listen queue that overflows", rounds("pool", 2, func(s *result.Slice) { s.Host.ListenOverflow = 156 }), true,
			"listen queue overflowed 312 times: 1 s steps in the tail are SYN retransmissions, not the server"},
		{"connections turned away", rounds("pool", 1, server(func(v *result.Server) { v.Rejected = 1 })), true,
			"the server turned away 1 connection with 503"},
		{"panics", rounds("pool", 2, server(func(v *result.Server) { v.Panics = 1 })), true, "the server panicked 2 times"},
		{"descriptors run out", rounds("pool", 1, server(func(v *result.Server) { v.AcceptBackoffs = 1 })), true,
			"the server was out of descriptors once and paused accepting"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := cell(t, tt.taken)
			if got := strings.Join(c.Warnings, " | "); c.Valid != tt.valid || got != tt.warning {
				t.Errorf("valid %v, %q\nwant  %v, %q", c.Valid, got, tt.valid, tt.warning)
			}
			if c.Slices == 0 && (c.ThroughputPerS != nil || c.LatencyUs != nil || c.BoundBy != "" || !strings.HasPrefix(c.BoundByWhy, "not measured: ")) {
				t.Errorf("a cell of no slices has figures: %+v", c)
			}
		})
	}
	for _, r := range rules {
		if r.name == "" || r.look == nil {
			t.Errorf("rule %+v is not whole", r)
		}
	}
}

// The same of loads that keep to a schedule.
func TestValidityOfOpenLoops(t *testing.T) {
	tests := []struct {
		name    string
		taken   []result.Slice
		valid   bool
		warning string
	}{
		{"a quiet cell says nothing", rounds("pool", 4), true, ""},
		{"latencies longer than a slice are all there", rounds("pool", 4, quick(200*time.Millisecond)), true, ""},
		{"a residual is of clients that there aren't", rounds("pool", 4, load(func(l *result.Load) { l.LittleResidual = .5 })), true, ""},
		{"a few requests that were not sent", rounds("pool", 4, load(func(l *result.Load) { l.Due, l.Sent = 1000, 990 })), true,
			"the clients sent 99.0 % of the requests that were due"},
		{"many", rounds("pool", 4, load(func(l *result.Load) { l.Due, l.Sent = 1000, 960 })), false,
			"the clients sent 96.0 % of the requests that were due: this is not the load that was asked for"},
		{"one in a thousand is due in the last moment", rounds("pool", 4, load(func(l *result.Load) { l.Due, l.Sent = 1000, 996 })), true, ""},
		{"clients always late by a millisecond send what they should", rounds("pool", 4, scheduled(1000, time.Millisecond), load(func(l *result.Load) { l.Sent = 980 })), true, ""},
		{"those that waited for a connection are another matter", rounds("pool", 4, load(func(l *result.Load) { l.Due, l.Sent, l.Delayed, l.DelayedUnsent = 1000, 900, 250, 100 })), true,
			"1,000 requests waited in the clients for one of the connections that may be open, and count as late, 400 of them were never sent: raise --max-connections, or the server can't keep up"},
		{"one that waited for a connection", rounds("pool", 1, load(func(l *result.Load) { l.Due, l.Sent, l.Delayed = 1000, 1000, 1 })), true,
			"1 request waited in the clients for one of the connections that may be open, and counts as late: raise --max-connections, or the server can't keep up"},
		{"those that waited and were sent excuse nobody", rounds("pool", 4, load(func(l *result.Load) { l.Due, l.Sent, l.Delayed = 1000, 900, 250 })), false,
			"the clients sent 90.0 % of the requests that were due: this is not the load that was asked for | " +
				"1,000 requests waited in the clients for one of the connections that may be open, and count as late: raise --max-connections, or the server can't keep up"},
		{"an overload is no failure", rounds("pool", 1, load(func(l *result.Load) { l.Errors.Timeout = 600 })), true,
			"60.0 % of requests had no answer within 1.00 s; latencies are of those that had, CPU per request counts what all cost"},
		{"what fails besides is", rounds("pool", 1, load(func(l *result.Load) { l.Errors.Timeout, l.Errors.Reset = 500, 100 })), true,
			"10.0 % of requests failed (100 reset); their CPU counts in CPU per request | " +
				"50.0 % of requests had no answer within 1.00 s; latencies are of those that had, CPU per request counts what all cost"},
		{"clients that hung up on those who waited", rounds("pool", 2, func(s *result.Slice) { s.HungUp, s.Load.Unfinished = true, 20 }), true,
			"40 requests were not answered when a slice ended and its clients hung up: how long those would have waited is not in the latencies"},
		{"what is under way at the end is waited for", rounds("pool", 2, load(func(l *result.Load) { l.Unfinished = 200 })), true, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			exp := openExperiment()
			exp.Load.Timeout = scenario.Span(1e6)
			for i, s := range tt.taken {
				if s.Load.Lateness == nil {
					due, sent := s.Load.Due, s.Load.Sent
					scheduled(300, 20*time.Microsecond)(&tt.taken[i])
					if due > 0 {
						s.Load.Due, s.Load.Sent = due, sent
					}
				}
			}
			cells := Analyse(exp, tt.taken).Cells
			c := cells[2]
			if got := strings.Join(c.Warnings, " | "); c.Valid != tt.valid || got != tt.warning {
				t.Errorf("valid %v, %q\nwant  %v, %q", c.Valid, got, tt.valid, tt.warning)
			}
		})
	}
}

// held is what a restart writes down of connections that are held.
func held(block int, asked, answered, lost int64) []result.Slice {
	hold := result.Slice{Label: "pool", Phase: result.PhaseHold, Block: block,
		Held: &result.Held{Asked: asked, Connected: asked, Answered: answered, RSSBeforeBytes: 10_000_000, RSSAfterBytes: 10_000_000 + 8_000*answered}}
	release := result.Slice{Label: "pool", Phase: result.PhaseRelease, Block: block,
		Held: &result.Held{Asked: answered, Connected: answered, Answered: answered - lost, Lost: lost}}
	return []result.Slice{hold, release}
}

func TestHeldConnections(t *testing.T) {
	none := cell(t, rounds("pool", 1))
	if none.HeldAsked != 0 || none.HeldAnswered != 0 || none.BytesPerHeldConnection != nil {
		t.Errorf("of a load that holds none: %+v", none)
	}
	taken := slices.Concat(rounds("pool", 1), held(-1, 1000, 500, 5), held(0, 1000, 990, 2), held(1, 1000, 995, 1), held(2, 1000, 1000, 0))
	taken[3].Held.RSSAfterBytes += 990 * 1_000 // 9,000 each in this restart
	c := cell(t, taken)
	if c.HeldAsked != 1000 || c.HeldAnswered != 990 || c.HeldLost != 3 || c.HeldAnsweredAgain != 2982 {
		t.Errorf("asked %d, answered %d, lost %d, answered again %d; want 1000, the fewest of all restarts 990, and of all 3 and 2982",
			c.HeldAsked, c.HeldAnswered, c.HeldLost, c.HeldAnsweredAgain)
	}
	if diff := cmp.Diff(&result.Spread{Median: 8_000, Low: 8_000, High: 9_000, N: 3}, c.BytesPerHeldConnection); diff != "" {
		t.Errorf("bytes per held connection (-want +got):\n%s", diff)
	}
	unknown := held(0, 1000, 1000, 0)
	unknown[0].Held.RSSBeforeBytes = 0
	if c := cell(t, append(rounds("pool", 1), unknown...)); c.BytesPerHeldConnection != nil {
		t.Errorf("of a server whose memory is unknown: %+v", *c.BytesPerHeldConnection)
	}
}

// A model that can't take part did not fail, and has no figures.
func TestUnable(t *testing.T) {
	const why = "silent connections hold its only place"
	c := cell(t, append(append(rounds("pool", 1, phase(result.PhasePilot), requests(0)), held(-1, 1000, 1, 0)...), result.Slice{Label: "pool", Phase: result.PhasePilot, Unable: why}))
	want := result.Cell{
		Label: "pool", Model: "pool:workers=16,queue=0,when-full=wait", Display: "pool:workers=16",
		HeldAsked: 1000, HeldAnswered: 1, HeldAnsweredAgain: 1,
		Unable: why, BoundByWhy: "can't take part: " + why,
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCeiling(t *testing.T) {
	thinking := ioExperiment()
	thinking.Load.Think, thinking.Load.RequestsPerConnection = scenario.Constant(100*time.Millisecond), 10
	noWork := load(func(l *result.Load) { l.Service, l.Waited = nil, nil })
	tests := []struct {
		name          string
		exp           result.Experiment
		change        []func(*result.Slice)
		perS, reached float64 // 0: there is none
	}{
		{"clients over work", ioExperiment(), nil, 64 / 10.3e-3, 6000 * 10.3e-3 / 64},
		{"without work there is no such bound", ioExperiment(), []func(*result.Slice){noWork}, 0, 0},
		{"think time alone bounds too", thinking, []func(*result.Slice){noWork}, 6400, 6000.0 / 6400},
		{"think time and work", thinking, []func(*result.Slice){requests(100)}, 64 / 20.3e-3, 2000 * 20.3e-3 / 64},
		{"a limit that is below the clients", ioExperiment(), []func(*result.Slice){limited("workers", 16, 1), requests(75)}, 16 / 10.3e-3, 1500 * 10.3e-3 / 16},
		{"a limit that is above them", ioExperiment(), []func(*result.Slice){limited("workers", 128, .5)}, 64 / 10.3e-3, 6000 * 10.3e-3 / 64},
		{"a limit on nothing", ioExperiment(), []func(*result.Slice){noWork, limited("workers", 16, 1)}, 0, 0},
		{"what arrives", openExperiment(), []func(*result.Slice){scheduled(320, 0)}, 6400, 6000.0 / 6400},
		{"what arrives at a limit", openExperiment(), []func(*result.Slice){scheduled(320, 0), limited("workers", 16, 1), requests(75)}, 16 / 10.3e-3, 1500 * 10.3e-3 / 16},
		{"sessions of several requests", partlyOpen(), []func(*result.Slice){scheduled(64, 0)}, 6400, 6000.0 / 6400},
		{"an edge of the window more than there is room for", ioExperiment(), []func(*result.Slice){requests(370)}, 64 / 10.3e-3, 7400 * 10.3e-3 / 64},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cells := Analyse(tt.exp, rounds("pool", 3, tt.change...)).Cells
			c := cells[2]
			near := func(p *float64, want float64) bool {
				return p == nil && want == 0 || p != nil && math.Abs(*p-want) < 1e-6*want
			}
			if !near(c.CeilingPerS, tt.perS) || !near(c.CeilingReached, tt.reached) || !c.Valid {
				t.Errorf("%+v, %+v reached, valid %v %q; want %v, %v", c.CeilingPerS, c.CeilingReached, c.Valid, c.Warnings, tt.perS, tt.reached)
			}
		})
	}
}

// By how much work that began before the windows may exceed them shrinks with
// their number: it is cut off at the other end as often.
func TestEdgesOfWindowsCancel(t *testing.T) {
	many := func(n int, s result.Slice) []result.Slice {
		return slices.Repeat([]result.Slice{s}, n) // of which one histogram's memory is enough
	}
	over := slice("pool", 0, requests(380)) // 1.22 times what 64 clients can have under way
	if c := cell(t, many(3, over)); !c.Valid {
		t.Errorf("3 slices: %q", c.Warnings)
	}
	if c := cell(t, many(100, over)); c.Valid {
		t.Error("100 slices: a fifth more than there can be, and nobody says so")
	}
	if c := cell(t, many(100, slice("pool", 0))); !c.Valid {
		t.Errorf("100 slices of what there can be: %q", c.Warnings)
	}
}

func TestSlicesThatBelongToNobody(t *testing.T) {
	taken := append(rounds("pool", 2), slice("epoll", 0), slice("pool", 2, func(s *result.Slice) { s.Experiment = "hello" }))
	got := Analyse(ioExperiment(), taken)
	if got.Cells[2].Slices != 2 {
		t.Errorf("pool has %d slices, want its own 2", got.Cells[2].Slices)
	}
	want := []string{"1 slice of another experiment left out", "1 slice of a server that is no entry left out", "nothing is compared: the reference goroutine was not measured"}
	if diff := cmp.Diff(want, got.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// A scenario's distributions are its own.
var wholeScenario = cmp.Comparer(func(a, b scenario.Scenario) bool { return reflect.DeepEqual(a, b) })

// What is analysed from disk, a year from now, is what was analysed as the
// run went on.
func TestTheRecordGivesTheSame(t *testing.T) {
	taken := slices.Concat(rounds("goroutine", 5), rounds("goroutine#2", 5), rounds("pool", 5, limited("workers", 16, .97)), rounds("iterative", 3, failed("killed")))
	d, err := result.Create(t.TempDir(), "io", time.Unix(0, 0))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l, err := d.Slices("io")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, s := range taken {
		if err := l.Append(s); err != nil {
			t.Fatal(err)
		}
	}
	read, damage, err := result.ReadSlices(result.SlicesPath(d.Path(), "io"))
	if err != nil || damage != nil {
		t.Fatal(damage, err)
	}
	if diff := cmp.Diff(Analyse(ioExperiment(), taken), Analyse(ioExperiment(), read), wholeScenario); diff != "" {
		t.Errorf("(-live +read):\n%s", diff)
	}
}

// Of a slice that never came to rest, CPU per request is the window's.
func TestASliceThatWasHungUpOn(t *testing.T) {
	hungUp := func(s *result.Slice) {
		s.HungUp = true
		s.Load.Requests, s.Load.RequestsAll, s.Load.WindowUs = 100, 150, 50_000
		s.Load.CPUUs, s.Load.WindowCPUUs, s.Load.WindowCPUWallUs = 9_999, 2_200, 55_000 // read over a tenth more
		s.Server.CPUUs, s.Server.WindowCPUUs, s.Server.WindowCPUWallUs = 9_999, 3_300, 55_000
		s.Server.ContextSwitches, s.Server.Requests = 320, 160
	}
	c := cell(t, rounds("pool", 1, hungUp))
	for _, row := range []struct {
		what string
		got  *result.Spread
		want float64
	}{
		{"server's CPU per request", c.ServerCPUUsPerRequest, 30},
		{"clients' CPU per request", c.ClientCPUUsPerRequest, 20},
		{"context switches per request", c.ContextSwitchesPerRequest, 2},
	} {
		if row.got == nil || math.Abs(row.got.Median-row.want) > 1e-9 {
			t.Errorf("%s: %+v, want %v", row.what, row.got, row.want)
		}
	}
}

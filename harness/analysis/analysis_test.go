package analysis

import (
	"math"
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
func load(change func(*result.Load)) func(*result.Slice) {
	return func(s *result.Slice) { change(s.Load) }
}
func server(change func(*result.Server)) func(*result.Slice) {
	return func(s *result.Slice) { change(s.Server) }
}

func cell(t *testing.T, taken []result.Slice) result.Cell {
	t.Helper()
	cells, _, _ := Analyse(ioExperiment(), taken)
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
			slice("pool", 0, requests(300), cpu(60), limited("workers", 16, 0.5)),
			slice("pool", 1, requests(200), cpu(90), limited("workers", 16, 0.25), server(func(v *result.Server) { v.HeldPeak, v.Rejected, v.RSSPeakBytes = 8, 2, 9_000_000 }),
				load(func(l *result.Load) { l.Starved, l.Unfinished, l.Stale = 3, 7, 1 })),
			slice("pool", 2, requests(100), cpu(30), limited("workers", 16, 0.75), server(func(v *result.Server) { v.Rejected = 1 }),
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
	want := result.Cell{
		Label: "pool", Model: "pool:workers=16,queue=0,when-full=wait", Display: "pool:workers=16",
		Slices: 3, Requests: 600, PlanUsed: 3 * 464,
		Errors: result.Errors{Reset: 2, Timeout: 1}, Stale: 1, Unfinished: 12, Starved: 3, Rejected: 3,
		ThroughputPerS:            spread(4000, 2000, 6000),
		LatencyUs:                 percentiles(10_600),
		FirstByteUs:               percentiles(10_500),
		ConnectUs:                 percentiles(100),
		ServiceUs:                 percentiles(10_300),
		WaitedUs:                  percentiles(300),
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
		Limit:                     &result.Limit{Name: "workers", Size: 16},
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
		{"all goroutines are at work", ioExperiment(), []func(*result.Slice){limited("goroutines", 32, 1)}, "limit", "32 of 32 at work"},
		{"one at a time is a limit of one", ioExperiment(), []func(*result.Slice){one}, "limit", "one at a time"},
		{"a limit almost full limits nothing for sure", ioExperiment(), []func(*result.Slice){limited("workers", 16, .9)}, "load", "64 clients ÷ 10.6 ms"},
		{"a full CPU comes before a full limit", ioExperiment(), []func(*result.Slice){one, serverBusy(.96)}, "server", "its CPU 96 % busy"},
		{"the host comes before all", ioExperiment(), []func(*result.Slice){one, serverBusy(1), stolen(30_000)}, "host", "it took CPU time from 9 of 9 slices"},
		{"one tick of steal says nothing", ioExperiment(), []func(*result.Slice){stolen(10_000)}, "load", "64 clients ÷ 10.6 ms"},
		{"two ticks in a long slice say nothing", ioExperiment(), []func(*result.Slice){stolen(20_000), load(func(l *result.Load) { l.WindowUs = 640_000 })}, "load", "64 clients ÷ 10.6 ms"},
		{"the host in a few slices is not what bound most", ioExperiment(), []func(*result.Slice){inRound(0, stolen(50_000)), inRound(1, stolen(50_000))}, "load", "64 clients ÷ 10.6 ms"},
		{"one busy slice does not bound a cell", ioExperiment(), []func(*result.Slice){inRound(3, serverBusy(1))}, "load", "64 clients ÷ 10.6 ms"},
		{"of a server that isn't sampled the clients still tell", ioExperiment(), []func(*result.Slice){clientsBusy(1), func(s *result.Slice) { s.Server = nil }}, "clients", "their CPU 100 % busy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cells, _, _ := Analyse(tt.exp, rounds("pool", 9, tt.change...))
			if c := cells[2]; c.BoundBy != tt.by || c.BoundByWhy != tt.why {
				t.Errorf("bound by %q: %q, want %q: %q", c.BoundBy, c.BoundByWhy, tt.by, tt.why)
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

func TestSlicesThatBelongToNobody(t *testing.T) {
	taken := append(rounds("pool", 2), slice("epoll", 0), slice("pool", 2, func(s *result.Slice) { s.Experiment = "hello" }))
	cells, _, warnings := Analyse(ioExperiment(), taken)
	if cells[2].Slices != 2 {
		t.Errorf("pool has %d slices, want its own 2", cells[2].Slices)
	}
	want := []string{"1 slice of another experiment left out", "1 slice of a server that is no entry left out", "nothing is compared: the reference goroutine was not measured"}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

// An analysis is a function: of the same slices in another order it says the
// same, and it leaves them as they were.
func TestOrderOfSlicesDoesNotMatter(t *testing.T) {
	taken := slices.Concat(rounds("goroutine", 5), rounds("goroutine#2", 5), rounds("pool", 5, requests(200)), rounds("iterative", 3, requests(5)))
	c1, p1, w1 := Analyse(ioExperiment(), taken)
	slices.Reverse(taken)
	c2, p2, w2 := Analyse(ioExperiment(), taken)
	if diff := cmp.Diff(c1, c2); diff != "" {
		t.Errorf("cells (-forwards +backwards):\n%s", diff)
	}
	if diff := cmp.Diff(p1, p2); diff != "" {
		t.Errorf("comparisons (-forwards +backwards):\n%s", diff)
	}
	if diff := cmp.Diff(w1, w2); diff != "" {
		t.Error(diff)
	}
}

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
	c1, p1, _ := Analyse(ioExperiment(), taken)
	c2, p2, _ := Analyse(ioExperiment(), read)
	if diff := cmp.Diff(c1, c2); diff != "" {
		t.Errorf("cells (-live +read):\n%s", diff)
	}
	if diff := cmp.Diff(p1, p2); diff != "" {
		t.Errorf("comparisons (-live +read):\n%s", diff)
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

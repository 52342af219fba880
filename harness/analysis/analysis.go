// Package analysis makes cells and comparisons from slices.
//
// Its position: one pure function from what was seen to what is said of it,
// which stop rules, reports and comparisons of records all call, so that no
// two of them can disagree. It computes nothing that the slices can't carry:
// percentiles come from merged histograms and never from averages of
// percentiles, and a percentile of too few requests is null. Of two models it
// calls a difference what the restarts agree on: intervals are made of block
// means and hold together, a verdict is what its interval says and takes ten
// restarts, and where the reference differs from itself there are none.
package analysis

import (
	"fmt"
	"slices"

	"workbench/harness/result"
	"workbench/harness/stats"
)

// Analyse fills in all of an experiment that is made from its slices: a cell of
// each of its entries, in their order, each one's comparison with the
// reference (its twin's too), and what is said of the experiment as a whole. Of
// exp it reads what was asked for (name, load, entries, reference) and how it
// ended (an interrupted one has intervals and no verdicts), and nothing that an
// earlier analysis wrote. taken may be in any order; pilots and warm-ups tell
// why an entry has no figures, and are not part of any. Neither exp's nor the
// slices' contents are changed. Warnings are about the experiment; what
// concerns one entry stands in its cell.
//
// The histograms of a block may have been merged into one of its slices (as
// records are that are kept for good): what is made from them is a block's, and
// so the same. To leave rounds out of latencies those of rounds in which the
// host interfered must then have been merged apart from the others; where they
// were not, the block's latencies are not compared.
//
// It costs some merging of histograms for each block and entry, 10 ms for a run
// of a minute; without histograms a microsecond or two for each slice.
func Analyse(exp result.Experiment, taken []result.Slice) result.Experiment {
	byLabel, warnings := sortOut(exp, taken)
	l := newLedger(exp, taken)
	l.weighPercentiles(byLabel)
	exp.Cells = nil
	for _, e := range exp.Entries {
		exp.Cells = append(exp.Cells, cellOf(exp, e, byLabel[e.Label]))
	}
	exp.Blocks, exp.Rounds, exp.RoundsLeftOut = l.completed, len(l.rounds), l.leftOut()
	var cw []string
	exp.Comparisons, exp.Suspect, cw = compare(l, exp.Cells)
	exp.Warnings = append(warnings, cw...)
	return exp
}

// sortOut gives each entry its slices, in the order in which they were begun.
func sortOut(exp result.Experiment, taken []result.Slice) (byLabel map[string][]result.Slice, warnings []string) {
	byLabel = map[string][]result.Slice{}
	for _, e := range exp.Entries {
		byLabel[e.Label] = nil
	}
	foreign, unknown := 0, 0
	for _, s := range inOrder(taken) {
		if s.Experiment != "" && s.Experiment != exp.Name {
			foreign++
			continue
		}
		if _, ok := byLabel[s.Label]; !ok {
			unknown++
			continue
		}
		byLabel[s.Label] = append(byLabel[s.Label], *s)
	}
	if foreign > 0 {
		warnings = append(warnings, fmt.Sprintf("%s of another experiment left out", counted(foreign, "slice")))
	}
	if unknown > 0 {
		warnings = append(warnings, fmt.Sprintf("%s of a server that is no entry left out", counted(unknown, "slice")))
	}
	return byLabel, warnings
}

// good reports whether a slice has figures.
func good(s result.Slice) bool {
	return s.Failed == "" && s.Load != nil && s.Load.WindowUs > 0
}

func cellOf(exp result.Experiment, e result.Entry, taken []result.Slice) result.Cell {
	c := result.Cell{Label: e.Label, Model: e.Model, Display: e.Display, Twin: e.Twin}
	var seen []result.Slice // what the figures are made of
	for _, s := range taken {
		if s.Phase == result.PhaseRound && good(s) {
			seen = append(seen, s)
		}
		if s.Unable != "" {
			c.Unable = s.Unable
		}
	}
	c.Slices = len(seen)
	o := observation{exp: exp, entry: e, taken: taken, seen: seen, cell: &c}
	o.hold()
	switch {
	case c.Unable != "":
		// It did not fail, and nothing that was seen of it before is a figure of
		// this scenario.
		c.Slices, c.BoundByWhy, c.BytesPerHeldConnection = 0, "can't take part: "+c.Unable, nil
		return c
	case len(seen) == 0:
		c.BoundByWhy = "not measured: " + o.unmeasured()
	default:
		o.sum()
		o.utilise()
		o.meet()
		o.measure()
		o.reach()
		o.bound()
	}
	o.judge()
	return c
}

// An observation is a cell in the making.
type observation struct {
	exp   result.Experiment
	entry result.Entry
	taken []result.Slice // every phase, failed ones too
	seen  []result.Slice // of rounds, with figures
	cell  *result.Cell
	open  bool             // the slices were played by a schedule
	late  map[int]lateness // open loops: by block

	// Sums that validity is judged by and a cell has no field for.
	answered      int64 // rightly, idle to idle
	dropped       int64 // values that histograms could not hold
	overflows     int64 // of listen queues
	drops         int64 // of connections that were on their way into one
	retransmits   int64 // segments
	panics        int64
	backoffs      int64
	due           int64   // open loops: in windows
	sent          int64   // of these, before the window's end
	unsent        float64 // of these, not sent for no reason but the clients: see neverSent
	delayed       int64   // of these, held up for lack of a connection that might be opened
	delayedUnsent int64   // of these, never sent in the window
	cutOff        int64   // open loops: hung up on before they were answered, or sent
	starved       int64   // closed loops: clients that finished nothing, all slices together
	asked         int64   // connections, idle to idle
	established   int64   // of these
	fruitless     int64   // of these, neither established, nor accounted for by an error, nor by the end of a slice
	stealUs       int64
	othersUs      int64
	hadUs         float64 // CPU time that both sides might have had
	windowUs      float64
	spanUs        float64 // median of settling and window together: the longest latency that a slice of a closed loop can see
	beyond        string  // why more was answered than can be, "" if it wasn't
	firstError    string
}

// sum adds up what is counted, and takes the peaks.
func (o *observation) sum() {
	c := o.cell
	var spans []float64
	if o.open = len(o.seen) > 0 && isOpen(o.exp, o.seen[0]); o.open {
		o.late = o.latenesses()
	}
	for _, s := range o.seen {
		l := s.Load
		c.Requests += l.Requests
		c.PlanUsed += l.PlanUsed
		c.Errors.Add(l.Errors)
		c.Stale += l.Stale
		c.Unfinished += l.Unfinished
		c.Starved = max(c.Starved, l.Starved)
		o.starved += l.Starved
		o.answered += l.RequestsAll
		if l.ConnectionsAsked > 0 {
			o.asked += l.ConnectionsAsked
			o.established += l.Connections
			o.fruitless += max(0, l.ConnectionsAsked-l.Connections-l.Errors.Refused-l.Errors.Reset-l.Errors.Timeout-l.Unfinished)
		}
		o.dropped += l.HistogramDropped
		o.overflows += s.Host.ListenOverflow
		o.drops += s.Host.ListenDrops
		o.retransmits += s.Host.Retransmits
		o.stealUs += s.Host.StealUs
		o.othersUs += s.Host.OtherCPUUs
		o.hadUs += cpuTime(s)
		o.windowUs += l.WindowUs
		if o.open {
			o.due += l.Due
			o.sent += l.Sent
			o.unsent += neverSent(l, o.late[s.Block])
			o.delayed += l.Delayed
			o.delayedUnsent += l.DelayedUnsent
			if s.HungUp {
				o.cutOff += l.Unfinished
			}
		}
		if o.firstError == "" {
			o.firstError = l.FirstError
		}
		spans = append(spans, float64(s.SettleUs)+l.WindowUs)
		if v := s.Server; v != nil {
			c.RSSPeakBytes = max(c.RSSPeakBytes, v.RSSPeakBytes)
			c.HeldPeak = max(c.HeldPeak, v.HeldPeak)
			c.WaitingPeak = max(c.WaitingPeak, v.WaitingPeak)
			c.GoroutinesPeak = max(c.GoroutinesPeak, v.Goroutines)
			c.ThreadsPeak = max(c.ThreadsPeak, v.Threads)
			c.AtWorkPeak = max(c.AtWorkPeak, v.AtWorkPeak)
			for name, most := range v.Queues {
				if c.Queues == nil {
					c.Queues = map[string]int64{}
				}
				c.Queues[name] = max(c.Queues[name], most)
			}
			c.Rejected += v.Rejected
			o.panics += v.Panics
			o.backoffs += v.AcceptBackoffs
			if v.Limit != nil {
				c.Limit = v.Limit
			}
		}
	}
	o.spanUs = stats.Median(spans)
}

// utilise takes how busy either side was, and how full the model's limit.
func (o *observation) utilise() {
	c := o.cell
	c.ServerCPUUtilisation = spread(o.seen, serverUtilisation)
	c.ClientCPUUtilisation = spread(o.seen, clientUtilisation)
	c.LimitUtilisation = spread(o.seen, limitUtilisation)
	c.Spread = imbalanceOf(o.seen)
}

// meet takes how the clients' requests fared: the schedule that they were to
// keep, and the response time.
func (o *observation) meet() {
	c := o.cell
	c.LatencyUs = o.percentiles(latency, o.lost())
	if !o.open {
		return
	}
	c.Due = o.due
	c.SendLatenessUs = o.percentiles(func(l *result.Load) *result.Histogram { return l.Lateness }, lost{cut: o.neverSent()})
	if o.due > 0 {
		c.IntendedPerS = spread(o.seen, ofLoad(func(l *result.Load) (float64, float64) { return float64(l.Due) * 1e6, l.WindowUs }))
		c.AchievedPerS = spread(o.seen, ofLoad(func(l *result.Load) (float64, float64) { return float64(l.Sent) * 1e6, l.WindowUs }))
	}
}

// measure takes the other figures that have a spread, the other percentiles
// and the series.
func (o *observation) measure() {
	c := o.cell
	c.ThroughputPerS = spread(o.seen, throughput)
	c.ServerCPUUsPerRequest = spread(o.seen, serverCPU)
	c.ClientCPUUsPerRequest = spread(o.seen, clientCPU)
	c.LittlesLawResidual = spread(o.seen, ofLoad(func(l *result.Load) (float64, float64) { return l.LittleResidual, 1 }))
	c.ContextSwitchesPerRequest = spread(o.seen, func(s result.Slice) (float64, bool) {
		if s.Server == nil {
			return 0, false
		}
		if s.HungUp { // the clients don't know of all that the server did
			return ratio(float64(s.Server.ContextSwitches), float64(s.Server.Requests))
		}
		return ratio(float64(s.Server.ContextSwitches), float64(s.Load.RequestsAll))
	})
	if !o.entry.Foreign() { // whose runtime nobody asks
		c.GCCPUFraction = spread(o.seen, ofServer(func(v *result.Server) (float64, float64) { return v.GCCPUUs, v.CPUUs }))
	}
	c.FirstByteUs = o.percentiles(func(l *result.Load) *result.Histogram { return l.FirstByte }, o.lost())
	c.WaitedUs = o.percentiles(func(l *result.Load) *result.Histogram { return l.Waited }, o.lost())
	// To be answered too late makes neither work nor connect longer.
	c.ConnectUs = o.percentiles(func(l *result.Load) *result.Histogram { return l.Connect }, lost{})
	c.ServiceUs = o.percentiles(service, lost{})
	c.GoodputSeries = together(o.exp.Load, o.seen)
}

// A metric is a slice's figure, and whether the slice has it.
type metric func(result.Slice) (float64, bool)

// throughput is in requests/s, over the counted window.
func throughput(s result.Slice) (float64, bool) {
	return ratio(float64(s.Load.Requests)*1e6, s.Load.WindowUs)
}

// serverCPU is in µs per request, from idle to idle on either side of the
// division: the requests of settling and draining cost CPU too. A slice that
// was hung up on never came to rest; of that it is the window's, at whose ends
// as much is under way.
func serverCPU(s result.Slice) (float64, bool) {
	if s.Server == nil {
		return 0, false
	}
	if s.HungUp {
		return inWindow(s, s.Server.WindowCPUUs, s.Server.WindowCPUWallUs)
	}
	return ratio(s.Server.CPUUs, float64(s.Load.RequestsAll))
}

// clientCPU is the clients' side of serverCPU. What they spun away until the
// next send was due is no request's.
func clientCPU(s result.Slice) (float64, bool) {
	l := s.Load
	if s.HungUp {
		return inWindow(s, l.WindowCPUUs-l.WindowSpunUs, l.WindowCPUWallUs)
	}
	return ratio(l.CPUUs-l.SpunUs, float64(l.RequestsAll))
}

// inWindow divides CPU time by the requests of the window. The CPU clock was
// read over a little more or less than that: wall, in µs.
func inWindow(s result.Slice, cpu, wall float64) (float64, bool) {
	share, ok := ratio(cpu, wall)
	each, ok2 := ratio(s.Load.WindowUs, float64(s.Load.Requests))
	return share * each, ok && ok2
}

// serverUtilisation is the share of the server's CPUs that was busy.
func serverUtilisation(s result.Slice) (float64, bool) {
	if s.Server == nil {
		return 0, false
	}
	return ratio(s.Server.WindowCPUUs, s.Server.WindowCPUWallUs*float64(s.Server.CPUs))
}

// clientUtilisation is the share of the clients' CPUs that was busy. Clients
// who spin until the next send is due are idle and only look busy.
func clientUtilisation(s result.Slice) (float64, bool) {
	l := s.Load
	return ratio(max(0, l.WindowCPUUs-l.WindowSpunUs), l.WindowCPUWallUs*float64(l.CPUs))
}

// limitUtilisation is the share of what a model's limit admits that was taken:
// by connections that were held, or by requests that were at work.
func limitUtilisation(s result.Slice) (float64, bool) {
	v := s.Server
	if v == nil || v.Limit == nil {
		return 0, false
	}
	taken := v.WindowHeldUs
	if v.Limit.Requests() {
		taken = v.WindowAtWorkUs
	}
	return ratio(taken, v.WindowCPUWallUs*float64(v.Limit.Size))
}

// imbalanceOf is nil for a model whose connections are not spread over parts, or
// that took none.
func imbalanceOf(seen []result.Slice) *result.Imbalance {
	var of *result.Imbalance
	for _, s := range seen {
		if v := s.Server; v != nil && v.Spread != nil {
			of = &result.Imbalance{Name: v.Spread.Name, Parts: len(v.Spread.Taken)}
		}
	}
	if of == nil {
		return nil
	}
	if of.Imbalance = spread(seen, imbalance); of.Imbalance == nil {
		return nil
	}
	return of
}

// imbalance is what the busiest part of a model took, as a multiple of an even
// share. It depends on how many connections there were: of few, chance alone
// gives one part twice its share.
func imbalance(s result.Slice) (float64, bool) {
	if s.Server == nil || s.Server.Spread == nil {
		return 0, false
	}
	taken := s.Server.Spread.Taken
	var most, all int64
	for _, n := range taken {
		most, all = max(most, n), all+n
	}
	return ratio(float64(most)*float64(len(taken)), float64(all))
}

func ofLoad(parts func(*result.Load) (over, under float64)) metric {
	return func(s result.Slice) (float64, bool) { return ratio(parts(s.Load)) }
}

func ofServer(parts func(*result.Server) (over, under float64)) metric {
	return func(s result.Slice) (float64, bool) {
		if s.Server == nil {
			return 0, false
		}
		return ratio(parts(s.Server))
	}
}

func ratio(over, under float64) (float64, bool) {
	if !(under > 0) {
		return 0, false
	}
	return over / under, true
}

// spread is nil where no slice has the figure.
func spread(seen []result.Slice, of metric) *result.Spread {
	var xs []float64
	for _, s := range seen {
		if x, ok := of(s); ok {
			xs = append(xs, x)
		}
	}
	if len(xs) == 0 {
		return nil
	}
	m := stats.Summarise(xs)
	return &result.Spread{Median: m.Median, Low: m.Low, High: m.High, N: m.N}
}

func latency(l *result.Load) *result.Histogram { return l.Latency }
func service(l *result.Load) *result.Histogram { return l.Service }

// merged is the slices' histograms as one, made only where there is something to
// put into it: an empty one is 220 KB too.
func merged(seen []result.Slice, of func(*result.Load) *result.Histogram) *result.Histogram {
	all := new(result.Histogram)
	for _, s := range seen {
		if h := of(s.Load); h != nil && h.Count() > 0 {
			all.Merge(h)
		}
	}
	return all
}

// lost are requests whose time is in no histogram, and was longer than is known:
// how many timed out, and how many were hung up on, or never sent.
type lost struct{ timedOut, cut float64 }

// lost estimates them for the requests whose latencies are recorded: in an open
// loop those that were due in the windows, in others those that ended in them.
//
// Errors are counted from idle to idle, and so of more requests than these. In
// an open loop it is known how many of these were sent and have no latency; of
// such, as many are taken to have timed out as of all that failed. Elsewhere
// timeouts are taken to be as frequent among these as among all. Who was
// refused, reset or turned away didn't take longer than others: such a request
// is left out, and nothing is known to be hidden behind it.
func (o *observation) lost() lost {
	recorded := 0.0
	for _, s := range o.seen {
		if h := s.Load.Latency; h != nil {
			recorded += float64(h.Count())
		}
	}
	e := o.cell.Errors
	timeouts := float64(e.Timeout)
	switch {
	case !o.open:
		// A client that finished nothing has a request that is longer than a slice.
		share, _ := ratio(timeouts, float64(o.answered))
		return lost{timedOut: share * recorded, cut: float64(o.starved)}
	case o.perArrival() > 1:
		// What a session had not begun by the window's end is nobody's loss.
		share, _ := ratio(timeouts, float64(o.answered))
		return lost{timedOut: share * recorded, cut: float64(o.cutOff) + o.neverSent()}
	}
	missing := max(0, float64(o.sent)-recorded)
	hungUp := max(0, float64(o.cutOff)-float64(o.due-o.sent))
	failed := float64(e.Total()) - timeouts
	all := timeouts + hungUp + failed
	if all == 0 { // nobody says what became of them
		return lost{cut: missing + o.neverSent()}
	}
	return lost{timedOut: missing * timeouts / all, cut: missing*hungUp/all + o.neverSent()}
}

// neverSent is how many requests (sessions) that were due in the windows were
// not sent in them, whoever's doing it was.
func (o *observation) neverSent() float64 { return o.unsent + float64(o.delayedUnsent) }

// percentiles merges the slices' histograms, for the percentile of all is not
// the mean of percentiles. It is nil where nothing was recorded. Those who are
// lost would lie above all that is known of them: a percentile among them is
// null.
func (o *observation) percentiles(of func(*result.Load) *result.Histogram, lost lost) *result.Percentiles {
	all := merged(o.seen, of)
	if all.Count() == 0 {
		return nil
	}
	total := float64(all.Count()) + lost.timedOut + lost.cut
	censored := (lost.timedOut + lost.cut) / total
	const us = 1e3 // nanoseconds
	at := func(q float64) *float64 {
		if all.Count() < int64(stats.MinSamples(q)) || censored > 1-q {
			return nil
		}
		return new(float64(all.Quantile(q)) / us)
	}
	return &result.Percentiles{
		N:    all.Count(),
		Mean: float64(all.Sum()) / float64(all.Count()) / us,
		P50:  at(0.5), P90: at(0.9), P99: at(0.99), P999: at(0.999),
		Max: float64(all.Max()) / us,

		Censored: censored, TimedOut: lost.timedOut / total,
	}
}

// failures lists why slices have no figures, each reason once, in the order
// they came, and how many slices there were that should have some. Holding and
// releasing connections has none by nature.
func (o *observation) failures() (reasons []string, slicesOf map[string]int, all int) {
	slicesOf = map[string]int{}
	for _, s := range o.taken {
		if s.Failed == "" && s.Held != nil {
			continue
		}
		all++
		if good(s) {
			continue
		}
		reason := s.Failed
		if reason == "" {
			reason = "it has no figures and no reason"
		}
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
		slicesOf[reason]++
	}
	return reasons, slicesOf, all
}

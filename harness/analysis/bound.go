package analysis

import (
	"fmt"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// Thresholds of what bound a slice.
const (
	// busy is the share of a CPU, or of a limit, from which it counts as full.
	// A full CPU shows a little less than 1: its clock is read a moment after
	// the window's.
	busy = 0.95

	// A slice is disturbed when the host, or processes that are no part of the
	// measurement, took this much time from it. Either is counted in ticks of
	// 10 ms, so one tick says nothing; and of a long slice two say nothing
	// either, hence the share, of all the CPU time that both sides might have
	// had. Up to 200 ms on two CPUs the first decides; of slices of a second it
	// would find one in almost every round, and leave nothing to compare. It is
	// one rule for what bound a slice and for which rounds are left out.
	takenUs    = 20_000
	takenShare = 0.05

	// An open loop's clients are late when the median of their sends is behind
	// its time by this much and by this share of the median latency. A latency
	// counts from the intended send, so that lateness is a part of it: from a
	// tenth on, what is shown as the server's tells of the clients as well.
	// Below 50 µs it is what a thread takes to wake (clock_nanosleep: 32–82 µs)
	// and not a queue of sends that the clients can't work off.
	lateUs    = 50
	lateShare = 0.10

	// unsent is the share of requests that were due and never sent from which
	// the clients can't keep up, whatever became of the others.
	unsent = 0.02
)

// What bound a slice or a cell, the first that applies.
const (
	byHost    = "host"
	byServer  = "server"
	byClients = "clients"
	byLimit   = "limit"
	byLoad    = "load"
)

// SliceBound names what kept one slice from more requests/s, and says why in
// words. It is what [Analyse] would say of a cell that saw this slice alone,
// and "" of a slice that has no figures, or whose figures don't tell.
func SliceBound(exp result.Experiment, s result.Slice) (by, why string) {
	if !good(s) {
		return "", ""
	}
	o := observation{exp: exp, entry: entryOf(exp, s.Label), seen: []result.Slice{s}, cell: &result.Cell{}}
	o.sum()
	o.utilise()
	o.meet()
	o.bound()
	return o.cell.BoundBy, o.cell.BoundByWhy
}

func entryOf(exp result.Experiment, label string) result.Entry {
	for _, e := range exp.Entries {
		if e.Label == label {
			return e
		}
	}
	return result.Entry{Label: label}
}

// full is what was full of host, server, clients and limit: the first that it
// was in more than half of the slices, "" for none. Of an open loop it must be
// known how late its clients were.
func (o *observation) full() (by string) {
	switch {
	case o.most(disturbed):
		return byHost
	case o.most(serverFull):
		return byServer
	case !o.open && o.most(clientsFull), o.open && o.most(o.clientsLate):
		return byClients
	case o.most(limitFull):
		return byLimit
	}
	return ""
}

// bound names what kept the cell from more requests/s: of host, server,
// clients and limit the first that was it in more than half of the slices, each
// looked at for itself. Where half of the slices were disturbed and all had a
// full CPU, it is the CPU.
//
// Load is what remains: neither CPU nor a limit was full, so it is time that
// passed, the clients' number divided by how long a request takes, which by
// Little's law is the throughput itself, or what arrived. Both processes of a
// conversation of short turns can be at 80 % without either being the
// bottleneck; nothing more is claimed then. And nothing at all is where a
// server fell behind what arrived, or might have been full without anybody
// seeing it, or where as many connections were open as may be: whoever keeps
// them is slow, and that may be anybody.
func (o *observation) bound() {
	c := o.cell
	switch c.BoundBy = o.full(); {
	case c.BoundBy == byHost:
		c.BoundByWhy = o.hostInWords()
	case c.BoundBy == byServer:
		c.BoundByWhy = fmt.Sprintf("its %s %s busy", cpus(o.cpus(serverSide)), percent(c.ServerCPUUtilisation.Median))
	case c.BoundBy == byClients && o.open:
		c.BoundByWhy = o.latenessInWords()
	case c.BoundBy == byClients:
		c.BoundByWhy = fmt.Sprintf("their %s %s busy", cpus(o.cpus(clientSide)), percent(c.ClientCPUUtilisation.Median))
	case c.BoundBy == byLimit:
		c.BoundByWhy = limitInWords(*c.Limit, o.working())
	case o.open && o.most(mostlyDelayed):
		c.BoundByWhy = "unknown: all connections that may be open were taken"
	case c.LatencyUs == nil:
		c.BoundByWhy = "nothing was answered"
	case o.open:
		o.boundOpen()
	case !o.most(serverSeen):
		c.BoundByWhy = "unknown: its CPU was not seen"
	case o.entry.Foreign():
		c.BoundByWhy = "unknown: no CPU was full, its limits aren't seen"
	default:
		c.BoundBy = byLoad
		c.BoundByWhy = o.loadInWords()
	}
}

// boundOpen is what remains of an open loop. It asks for no more than what
// arrives; that is what bound a server that answered it all, and as fast as it
// came. Where one didn't, something was full: unseen, or not all the time.
func (o *observation) boundOpen() {
	c := o.cell
	failed := c.Errors.Total()
	intended := c.IntendedPerS
	unseen := !o.most(serverSeen) || o.entry.Foreign()
	unknown := func(what string) {
		c.BoundByWhy = "unknown: " + what + ", and nothing was full"
		if unseen {
			c.BoundByWhy = "unknown: " + what + ", and its limits aren't seen"
		}
	}
	if why := o.behindInPeak(); why != "" {
		c.BoundByWhy = why
		return
	}
	if float64(failed) > muchFailed*float64(failed+o.answered) {
		unknown("requests failed")
		return
	}
	switch pace := o.pace(); {
	case intended == nil && unseen: // of a record that doesn't say
		c.BoundByWhy = "unknown: its limits aren't seen"
	case intended == nil:
		c.BoundBy, c.BoundByWhy = byLoad, "no more was asked for"
	case pace == fellBehind:
		unknown("it fell behind")
	case pace == untold:
		c.BoundByWhy = fmt.Sprintf("unknown: slices of %s are too short to tell whether it kept up", result.Micros(o.spanUs))
	case o.perArrival() > 1:
		c.BoundBy = byLoad
		c.BoundByWhy = fmt.Sprintf("%s sessions/s arrived (%s requests/s)", result.Significant(intended.Median), result.Significant(intended.Median*float64(o.perArrival())))
	default:
		c.BoundBy, c.BoundByWhy = byLoad, result.Significant(intended.Median)+"/s arrived"
	}
}

// most reports whether p holds for more than half of the slices.
func (o *observation) most(p func(result.Slice) bool) bool { return 2*o.number(p) > len(o.seen) }

func (o *observation) number(p func(result.Slice) bool) (n int) {
	for _, s := range o.seen {
		if p(s) {
			n++
		}
	}
	return n
}

// isOpen reports whether a slice was played by a schedule. What comes before
// an open loop, to look for a capacity and to warm up, is played by clients who
// wait for their answers.
func isOpen(exp result.Experiment, s result.Slice) bool {
	return exp.Load.Loop != scenario.LoopClosed && s.Phase != result.PhaseCapacity && s.Phase != result.PhaseWarm
}

func disturbed(s result.Slice) bool { return robbed(s) || crowded(s) }

// robbed reports whether the host took CPU time from a slice.
func robbed(s result.Slice) bool { return taken(s, s.Host.StealUs) }

// crowded reports whether other processes did.
func crowded(s result.Slice) bool { return taken(s, s.Host.OtherCPUUs) }

func taken(s result.Slice, us int64) bool {
	return us >= takenUs && float64(us) >= takenShare*cpuTime(s)
}

// cpuTime is the CPU time that both sides might have had in a slice, in µs.
func cpuTime(s result.Slice) float64 {
	n := s.Load.CPUs
	if s.Server != nil {
		n += s.Server.CPUs
	}
	over := float64(s.Host.WallUs) // from before the slice until the server was idle again
	if over == 0 {
		over = float64(s.SettleUs) + s.Load.WindowUs // of a record that doesn't say
	}
	return over * float64(max(n, 1))
}

func serverFull(s result.Slice) bool {
	x, ok := serverUtilisation(s)
	return ok && x >= busy
}

func serverSeen(s result.Slice) bool {
	_, ok := serverUtilisation(s)
	return ok
}

func clientsFull(s result.Slice) bool {
	x, ok := clientUtilisation(s)
	return ok && x >= busy
}

func limitFull(s result.Slice) bool {
	x, ok := limitUtilisation(s)
	return ok && x >= busy
}

// A lateness is what is known of sends and answers of an open loop's slices,
// those of a block together: a record's histograms may be merged by block, and
// in the slices of one block it is the same clients that are late.
type lateness struct {
	usualUs  float64 // the lower quartile of lateness; 0 where nobody knows
	late     bool    // the median send was late, by itself and beside the latency
	recorded bool
}

// latenesses are those of the slices' blocks. Of clients that wait for their
// answers there are none.
func (o *observation) latenesses() map[int]lateness {
	byBlock := map[int][]result.Slice{}
	for _, s := range o.seen {
		byBlock[s.Block] = append(byBlock[s.Block], s)
	}
	ls := map[int]lateness{}
	for block, seen := range byBlock {
		ls[block] = latenessOf(seen)
	}
	return ls
}

// latenessOf tells clients who were behind their schedule by themselves from
// those who waited for one of the connections that may be open: that is for a
// server that doesn't give them back. Those who did and were sent after all are
// the latest, so the median of the others lies where half of the others are.
func latenessOf(seen []result.Slice) (l lateness) {
	sends := merged(seen, func(l *result.Load) *result.Histogram { return l.Lateness })
	n := sends.Count()
	if n == 0 {
		return l
	}
	l.recorded = true
	l.usualUs = float64(sends.Quantile(0.25)) / float64(time.Microsecond)
	answers := merged(seen, latency)
	delayed := int64(0) // of those that were sent
	for _, s := range seen {
		delayed += s.Load.Delayed - s.Load.DelayedUnsent
	}
	if answers.Count() == 0 || n <= delayed {
		return l
	}
	typical := sends.Quantile(float64(n-delayed) / float64(2*n))
	l.late = typical >= lateUs*time.Microsecond && float64(typical) >= lateShare*float64(answers.Quantile(0.5))
	return l
}

// clientsLate reports whether the clients of an open loop were behind their
// schedule by themselves.
func (o *observation) clientsLate(s result.Slice) bool {
	late := o.late[s.Block]
	return neverSent(s.Load, late) > max(1, unsent*float64(s.Load.Due)) || late.late
}

// neverSent is how many of the requests that were due in a window the clients
// did not send in it, though they could have: less those that waited for a
// connection until it was over, and less those that were due so shortly before
// its end that even clients who keep up, always late by the same little, are cut
// off. That little is the lower quartile of lateness, for where sends pile up it
// grows.
func neverSent(l *result.Load, late lateness) float64 {
	missing := float64(l.Due - l.Sent - l.DelayedUnsent)
	if late.recorded && l.WindowUs > 0 {
		missing -= float64(l.Due) * min(1, late.usualUs/l.WindowUs)
	}
	return max(0, missing)
}

// mostlyDelayed reports whether half of what was due found all connections
// taken.
func mostlyDelayed(s result.Slice) bool { return s.Load.Delayed > 0 && 2*s.Load.Delayed >= s.Load.Due }

func (o *observation) hostInWords() string {
	who := "it"
	switch steal, others := o.number(robbed), o.number(crowded); {
	case steal == 0:
		who = "other processes"
	case others > 0:
		who = "it and other processes"
	}
	if len(o.seen) == 1 {
		h := o.seen[0].Host
		us := int64(0)
		if robbed(o.seen[0]) {
			us += h.StealUs
		}
		if crowded(o.seen[0]) {
			us += h.OtherCPUUs
		}
		return fmt.Sprintf("%s took %s of CPU time", who, result.Micros(float64(us)))
	}
	return fmt.Sprintf("%s took CPU time from %d of %s", who, o.number(disturbed), counted(len(o.seen), "slice"))
}

// latenessInWords says by how much the clients' sends were late, and beside
// what.
func (o *observation) latenessInWords() string {
	late, of := o.cell.SendLatenessUs, o.cell.LatencyUs
	if late == nil || of == nil || late.P50 == nil || of.P50 == nil {
		return "they were behind their schedule"
	}
	return fmt.Sprintf("they sent %s late, of %s in all (medians)", result.Micros(*late.P50), result.Micros(*of.P50))
}

func serverSide(s result.Slice) int {
	if s.Server == nil {
		return 0
	}
	return s.Server.CPUs
}

func clientSide(s result.Slice) int { return s.Load.CPUs }

func (o *observation) cpus(of func(result.Slice) int) (most int) {
	for _, s := range o.seen {
		most = max(most, of(s))
	}
	return most
}

func cpus(n int) string {
	if n > 1 {
		return fmt.Sprintf("%d CPUs", n)
	}
	return "CPU"
}

// atWork is the share of a limit's places that must have been at work, on
// average, to call them busy. A place is also held by whoever is yet to send
// its request, and by a connection between two: such a one is taken. Those of a
// limit of requests are at work and nothing else.
const atWork = 0.9

// limitInWords says that a limit was full. In most slices it was so for at
// least 95 % of the time. Working is how many places were at work at once, 0
// where nobody knows.
func limitInWords(l result.Limit, working float64) string {
	busy := l.Requests() || working >= atWork*float64(l.Size)
	switch {
	case l.Name == "one at a time":
		return l.Name
	case busy && l.Name == "goroutines":
		return fmt.Sprintf("%d of %d at work", l.Size, l.Size)
	case busy:
		return fmt.Sprintf("%d of %d %s busy", l.Size, l.Size, l.Name)
	}
	return fmt.Sprintf("%d of %d %s taken", l.Size, l.Size, l.Name)
}

// loadInWords is N ÷ (R + Z/k): the clients, over the mean time that a request
// keeps one of them, its share of the think time between connections included.
func (o *observation) loadInWords() string {
	of := result.Micros(o.cell.LatencyUs.Mean)
	if z := o.thinkUs(); z > 0 {
		of = fmt.Sprintf("(%s + %s think time)", of, result.Micros(z))
	}
	return fmt.Sprintf("%s ÷ %s", counted(o.clients(), "client"), of)
}

// thinkUs is Z/k, the think time that falls to a request, in µs.
func (o *observation) thinkUs() float64 {
	return float64(o.exp.Load.Think.Mean()/time.Duration(max(o.exp.Load.RequestsPerConnection, 1))) / 1e3
}

func (o *observation) clients() int {
	for _, s := range o.seen {
		if s.Load.Clients > 0 {
			return s.Load.Clients // as many as there were, not as were asked for
		}
	}
	return o.exp.Load.Clients
}

func counted(n int, of string) string {
	s := result.Thousands(int64(n)) + " " + of
	if n != 1 {
		s += "s"
	}
	return s
}

// percent is of a share, in whole per cent. What exceeds 100 % by a clock's
// slack is 100 %.
func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*min(share, 1)) }

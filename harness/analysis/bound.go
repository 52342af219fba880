package analysis

import (
	"fmt"
	"time"

	"workbench/harness/result"
)

// Thresholds of what bound a cell.
const (
	// busy is the share of a CPU, or of a limit, from which it counts as full.
	// A full CPU shows a little less than 1: its clock is read a moment after
	// the window's.
	busy = 0.95

	// A slice is disturbed when the host took this much time from it. Steal is
	// counted in ticks of 10 ms, so one tick says nothing; and of a long slice
	// two say nothing either, hence the share, of all the CPU time that both
	// sides might have had.
	stolenUs    = 20_000
	stolenShare = 0.05
)

// What bound a cell, the first that applies.
const (
	byHost    = "host"
	byServer  = "server"
	byClients = "clients"
	byLimit   = "limit"
	byLoad    = "load"
)

// bound names what kept the cell from more requests/s. Load is what remains:
// neither CPU nor a limit was full, so it is time that passed, the clients'
// number divided by how long a request takes, which by Little's law is the
// throughput itself. Both processes of a conversation of short turns can be at
// 80 % without either being the bottleneck; nothing more is claimed then.
func (o *observation) bound() {
	c := o.cell
	disturbed := 0
	for _, s := range o.seen {
		if o.disturbed(s) {
			disturbed++
		}
	}
	switch server, clients := c.ServerCPUUtilisation, c.ClientCPUUtilisation; {
	case 2*disturbed > len(o.seen):
		c.BoundBy = byHost
		c.BoundByWhy = fmt.Sprintf("it took CPU time from %d of %s", disturbed, counted(len(o.seen), "slice"))
	case full(server):
		c.BoundBy = byServer
		c.BoundByWhy = fmt.Sprintf("its %s %s busy", cpus(o.cpus(serverSide)), percent(server.Median))
	case full(clients):
		c.BoundBy = byClients
		c.BoundByWhy = fmt.Sprintf("their %s %s busy", cpus(o.cpus(clientSide)), percent(clients.Median))
	case full(c.LimitUtilisation):
		c.BoundBy = byLimit
		c.BoundByWhy = limitInWords(*c.Limit)
	case o.exp.Load.Loop != "closed": // only a closed loop can be divided through
		c.BoundBy = byLoad
		c.BoundByWhy = "no more was asked for"
	case c.LatencyUs == nil:
		c.BoundByWhy = "nothing was answered"
	default:
		c.BoundBy = byLoad
		c.BoundByWhy = o.loadInWords()
	}
}

func full(s *result.Spread) bool { return s != nil && s.Median >= busy }

func (o *observation) disturbed(s result.Slice) bool {
	n := s.Load.CPUs
	if s.Server != nil {
		n += s.Server.CPUs
	}
	had := (float64(s.SettleUs) + s.Load.WindowUs) * float64(max(n, 1))
	return s.Host.StealUs >= stolenUs && float64(s.Host.StealUs) >= stolenShare*had
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

// limitInWords says that a limit was full. On the median slice it was so for
// at least 95 % of the time.
func limitInWords(l result.Limit) string {
	switch l.Name {
	case "one at a time":
		return l.Name
	case "goroutines":
		return fmt.Sprintf("%d of %d at work", l.Size, l.Size)
	}
	return fmt.Sprintf("%d of %d %s busy", l.Size, l.Size, l.Name)
}

// loadInWords is N ÷ (R + Z/k): the clients, over the mean time that a request
// keeps one of them, its share of the think time between connections included.
func (o *observation) loadInWords() string {
	of := result.Micros(o.cell.LatencyUs.Mean)
	if z := o.exp.Load.Think.Mean() / time.Duration(max(o.exp.Load.RequestsPerConnection, 1)); z > 0 {
		of = fmt.Sprintf("(%s + %s think time)", of, result.Micros(float64(z)/1e3))
	}
	return fmt.Sprintf("%s ÷ %s", counted(o.clients(), "client"), of)
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

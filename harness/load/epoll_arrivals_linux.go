package load

import "workbench/harness/scenario"

// Who asks, and when: the three loops of a scenario.

// startSome has clients of a closed loop begin, a few at a time.
func (l *loop) startSome() {
	for range min(l.unstarted, startBatch) {
		c := l.customers[len(l.customers)-l.unstarted]
		l.unstarted--
		l.ask(c, -1)
	}
}

// goOn does what c does after a request that ended at t.
func (l *loop) goOn(c *customer, t int64, ok bool) {
	think := c.request.ThinkUs * int64(1000) // ns
	var pause int64
	switch {
	case l.over:
		l.dismiss(c)
		return
	case !l.play.closed && (!ok || c.last):
		l.leave(c)
		return
	case !l.play.closed: // between the requests of a session
		pause = think
	case c.last: // behind a connection
		c.number, pause = 0, think
	}
	if c.failures++; ok {
		c.failures = 0
	} else {
		pause += int64(backOff(c.failures))
	}
	if pause == 0 {
		l.ask(c, -1)
		return
	}
	c.rested, c.wakes = t, t+pause
	l.timers.Set(c.slot, c.wakes)
	l.soon(c.wakes)
}

// resume goes on where c's timer was set.
func (l *loop) resume(c *customer) {
	if c.underWay {
		l.send(c) // the next byte
		return
	}
	l.rise(c)
	l.ask(c, -1)
}

// rise ends c's pause and accounts for it as it was meant: to wake late is the
// instrument's own time.
func (l *loop) rise(c *customer) {
	l.paused += l.play.window.overlap(c.rested, c.wakes)
	c.rested, c.wakes = 0, 0
}

// turnAway is for who would have sent a request when the window was over.
func (l *loop) turnAway(c *customer, due int64) {
	l.dismiss(c)
	if l.play.closed || c.number > 0 {
		return
	}
	// An arrival that came too late to its turn.
	l.unfinished++
	if c.counts && due <= l.arrivals.full {
		l.delayedUnsent++
	}
	l.free = append(l.free, c)
}

// dismiss is for who sends nothing more.
func (l *loop) dismiss(c *customer) {
	if c.wakes > 0 {
		l.rise(c)
		l.timers.Cancel(c.slot)
	}
	if c.fd >= 0 {
		l.hangUp(c)
	}
}

// A schedule is the arrivals that one loop plays: every so many-th of the
// plan's. Those that are due and can't be sent, since there are as many
// connections as may be, wait here in their order and need no memory: their
// times are in the plan.
type schedule struct {
	arrivals    *scenario.Arrivals
	number      int   // of the next arrival, by the plan
	next        int64 // when it is due
	due         int64 // the same; never if it must wait for a connection
	full        int64 // until when all connections were taken, the last time
	mine, loops int
	mostOpen    int
}

func newSchedule(p *loopedSlice, mine, loops int) *schedule {
	s := &schedule{
		arrivals: p.plan.Arrivals(p.job.Block, p.job.Round),
		number:   -1, full: -1, mine: mine, loops: loops,
		mostOpen: max(1, (p.job.MaxConnections-mine+loops-1)/loops),
	}
	s.advance()
	s.due = s.next
	return s
}

func (s *schedule) advance() {
	for {
		s.next = int64(s.arrivals.Next())
		if s.number++; s.number%s.loops == s.mine {
			return
		}
	}
}

// arrive sends arrivals that are due.
func (l *loop) arrive() {
	s, p := l.arrivals, l.play
	if s == nil || l.over {
		return
	}
	s.due = never
	for range mostArrivals {
		if s.next > l.now || s.next >= p.window.to.Load() {
			break
		}
		c := l.seat()
		if c == nil {
			return
		}
		due := s.next
		c.counts = l.admit(due)
		p.plan.StreamInto(&c.stream, p.job.Block, p.job.Round, s.number)
		c.slow = p.job.Scenario.IsSlow(s.number)
		c.number = 0
		s.advance()
		l.ask(c, due)
	}
	s.due = s.next
}

// admit counts an arrival that is due, and reports whether it is in the window.
func (l *loop) admit(due int64) (counts bool) {
	if counts = l.play.window.admits(due); counts {
		l.due++
		if due <= l.arrivals.full {
			l.delayed++
		}
	}
	l.series.due(due - int64(l.play.job.Settle))
	return counts
}

// endArrivals counts those that were due and never sent.
func (l *loop) endArrivals() {
	s := l.arrivals
	if s == nil {
		return
	}
	if l.isFull() {
		s.full = l.now
	}
	delayed := l.delayed
	for ; s.next < l.play.window.to.Load(); s.advance() {
		l.admit(s.next)
		l.unfinished++
	}
	l.delayedUnsent += l.delayed - delayed
	s.due = never
}

// seat finds a place for an arrival, nil if there are as many as may be.
func (l *loop) seat() *customer {
	if l.isFull() {
		return nil
	}
	if len(l.free) == 0 {
		l.grow(min(len(l.customers)+256, l.arrivals.mostOpen))
	}
	end := len(l.free) - 1
	c := l.free[end]
	l.free = l.free[:end]
	return c
}

func (l *loop) isFull() bool { return len(l.free) == 0 && len(l.customers) == l.arrivals.mostOpen }

// leave gives an arrival's place to the next.
func (l *loop) leave(c *customer) {
	if s := l.arrivals; l.isFull() && !l.over {
		s.full, s.due = l.now, s.next
		l.soon(s.due)
	}
	l.dismiss(c)
	l.free = append(l.free, c)
}

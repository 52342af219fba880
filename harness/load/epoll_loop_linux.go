package load

import (
	"runtime"
	"sync/atomic"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/models/eventloop"
)

// A loop is some of the clients, or of the arrivals, on one thread.
//
//	wait for events, and for the next moment at which something is due
//	for each event: receive, judge and record an answer; its customer's next
//	   request begins, and is sent at once where it takes a new connection
//	between them, when a moment has come: the window's ends, arrivals that are
//	   due, pauses that are over, requests that have timed out
//	send the requests that have begun, on the connections that were kept
//
// The clock is read where a request begins and where bytes of an answer came.
// Between the end of one request and the beginning of its client's next there is
// nothing but the bookkeeping of the first: whatever else a loop does lies
// within requests' times, for users wait for a slow client too. That is also
// why sending may be put off to the end of a batch. A server that gets requests
// in bursts is woken less often, and so are the clients then: to send each at
// once cost them 5 % more.
type loop struct {
	play     *loopedSlice
	poller   *eventloop.Poller
	recorder *recorder
	series   *series // nil where the load doesn't vary
	judge    judge
	buffer   []byte      // every answer is read into this one
	nudged   atomic.Bool // somebody else has changed what this loop must look at

	now  int64 // the slice's clock when it was last read
	next int64 // no moment that something is due at is before this one

	customers []*customer      // by slot
	free      []*customer      // not closed: those without an arrival
	timers    eventloop.Timers // ends of pauses, and the next bytes of slow clients; by slot
	waiting   [2]fifo          // requests under way, by deadline: arrivals', and all others
	outbox    []reference      // requests that have begun and are to be sent, on connections that were kept
	again     []reference      // customers to be looked at though no event says so
	words     [2]words         // the request that most ask, on a connection that goes on, and on one that doesn't
	arrivals  *schedule        // not closed
	unstarted int              // closed: clients, the last ones, that have yet to send a first request
	sources   sources          // addresses that connections come from
	open      int              // connections
	opened    bool             // the window is, or was
	over      bool             // it was
	ends      [2]reading       // at its ends
	spun      time.Duration    // CPU time spent waiting for the next arrival without sleeping

	// An independent count of what is under way: it knows that something began
	// or ended, and when, but no request and no histogram.
	underWay, changed, integral int64

	// What it saw.
	requests, requestsAll, planUsed, asked, connections, stale, unfinished int64
	due, sent, delayed, delayedUnsent                                      int64

	errors       result.Errors
	edges        int64 // ns of the window spent in requests, less what the latencies recorded of them add up to
	paused       int64 // ns of the window that clients mean to spend thinking or backing off
	firstError   error
	firstErrorAt int64
}

// A reading is of the clocks at an end of the window. A busy loop takes it a
// little late: hence the time.
type reading struct {
	at        int64
	cpu, spun time.Duration
}

const (
	// holdProcessor is how long a wait keeps its processor: nobody else in this
	// process has anything to do. Past it Go's scheduler interrupts whoever
	// doesn't let go, and a bound below the system's tick, 1 to 4 ms, would be
	// one more interrupt to be set up for every wait.
	holdProcessor = 10 * time.Millisecond
	// eventBatch bounds the answers that are taken before requests are sent
	// again. Sending after a batch costs less than after each answer, since the
	// server is woken less often; but in a batch as large as the number of
	// clients either side waits for the other to be through with its own. With
	// eight the server always has something to do, and a wait is shared by eight.
	eventBatch = 8
	// readSize holds an answer that is not large, and many pieces of one that is.
	readSize = 64 << 10
	// mostReads is how often a loop reads from one connection in a row: a server
	// that never stops talking mustn't keep it from its other duties.
	mostReads = 16
	// mostArrivals is how many of them are sent in a row. A loop that can't keep
	// up has to take answers too, or its connections only pile up.
	mostArrivals = 4
	// startBatch is how many clients connect in a row at the beginning, for the
	// same reason.
	startBatch = 16
)

func newLoop(p *loopedSlice, number, loops int, r *recorder) (*loop, error) {
	poller, err := eventloop.NewPoller(eventBatch)
	if err != nil {
		return nil, err
	}
	poller.Hold = holdProcessor
	l := &loop{
		play: p, poller: poller, recorder: r, series: newSeries(p.job.Scenario), judge: newJudge(p.job),
		buffer: make([]byte, readSize), sources: newSources(p, number, loops),
	}
	if !p.closed {
		l.arrivals = newSchedule(p, number, loops)
		l.grow(min(l.arrivals.mostOpen, 256))
		return l, nil
	}
	l.grow((p.job.Scenario.Clients - number + loops - 1) / loops)
	for i, c := range l.customers {
		n := number + i*loops
		p.plan.StreamInto(&c.stream, p.job.Block, p.job.Round, n)
		c.slow = p.job.Scenario.IsSlow(n)
	}
	l.unstarted = len(l.customers)
	return l, nil
}

// run plays the loop's part of a slice.
func (l *loop) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	// Without permission the kernel may wake the thread 50 µs later than need be.
	if eventloop.SetTimerSlack(time.Nanosecond) == nil {
		defer func() { _ = eventloop.SetTimerSlack(0) }()
	}
	l.read()
	for {
		if l.nudged.Load() {
			l.nudged.Store(false)
			l.next = 0
		}
		if l.now >= l.next {
			l.attend()
		}
		if l.over && l.underWay == 0 {
			return
		}
		l.startSome()
		l.sendAll()
		events := l.await()
		for i := range events {
			l.handle(&events[i])
			if l.now >= l.next {
				l.attend()
			}
		}
		l.lookAgain()
	}
}

// read reads the slice's clock, ns.
func (l *loop) read() int64 {
	l.now = int64(time.Since(l.play.begin))
	return l.now
}

// nudge has the loop look at what has changed. Any goroutine may call it.
func (l *loop) nudge() {
	l.nudged.Store(true)
	l.poller.Wake()
}

// soon has the loop attend to its duties at t, if not before.
func (l *loop) soon(t int64) { l.next = min(l.next, t) }

// await returns what is ready, or nothing when a moment has come.
func (l *loop) await() []eventloop.Event {
	if len(l.again) > 0 || l.unstarted > 0 {
		return l.poller.Poll()
	}
	wait := l.next - l.read()
	if wait <= 0 { // more is due than is done in a row, and whoever is ready has waited for that
		return l.poller.Poll()
	}
	if l.arrivals != nil && l.arrivals.due != never {
		// A sleeping thread wakes late, an arrival must not be: the last stretch
		// is spent awake. The kernel is late by a part of a long wait, too.
		ahead := l.arrivals.due - l.now
		if wait = min(wait, ahead-ahead/500-int64(awake)); wait <= 0 {
			return l.spin()
		}
	}
	events := l.poller.Wait(time.Duration(max(wait, 0)))
	if len(events) == 0 {
		l.read()
	}
	return events
}

// awake is how long before an arrival a loop is awake. On the virtual machine
// that was looked at, a locked thread with a timer slack of 1 ns woke from waits
// in the kernel 34 µs late in the median, 50 to 70 in one case of ten and 90 to
// 170 in one of a hundred. A wait that leaves the rest to chance costs at most a
// tenth of a CPU for 1,000 arrivals/s.
const awake = 100 * time.Microsecond

// spin is await without sleeping. Its time is counted apart: a loop that waits
// like this is idle, really.
func (l *loop) spin() (events []eventloop.Event) {
	before := eventloop.ThreadCPU()
	for len(events) == 0 && l.read() < l.next && !l.nudged.Load() {
		events = l.poller.Poll()
	}
	l.spun += eventloop.ThreadCPU() - before
	return events
}

// attend does what is due by now, and finds out when the next such moment is.
func (l *loop) attend() {
	p, now := l.play, l.read()
	l.next = never
	if l == p.loops[0] {
		l.next = p.conduct(l, now)
	}
	l.watchWindow()
	for {
		slot, due := l.timers.Pop(now)
		if !due {
			break
		}
		l.resume(l.customers[slot])
	}
	for i := range l.waiting {
		for c := l.waiting[i].first; c != nil && c.due+int64(p.job.Timeout) <= now; c = l.waiting[i].first {
			l.expire(c)
		}
	}
	l.arrive()

	// What was done may have called soon, but not for what was waiting before.
	if when, any := l.timers.Next(); any {
		l.soon(when)
	}
	for i := range l.waiting {
		if c := l.waiting[i].first; c != nil {
			l.soon(c.due + int64(p.job.Timeout))
		}
	}
	switch {
	case !l.opened:
		l.soon(p.window.from.Load())
	case !l.over:
		l.soon(p.window.to.Load())
	}
	if l.arrivals != nil {
		l.soon(l.arrivals.due)
	}
}

// watchWindow is there when the window opens and closes.
func (l *loop) watchWindow() {
	p, now := l.play, l.now
	look := func() reading { return reading{now, eventloop.ThreadCPU(), l.spun} }
	if !l.opened && now >= p.window.from.Load() {
		l.opened = true
		l.ends[0] = look()
	}
	if l.opened && !l.over && now >= p.window.to.Load() {
		l.over = true
		l.ends[1] = look()
		l.unstarted = 0
		l.endArrivals()
		for _, c := range l.customers {
			if !c.underWay {
				l.dismiss(c)
			}
		}
	}
	if l.over && (p.job.HangUp || p.abandoned.Load()) {
		for _, c := range l.customers {
			l.cut(c)
		}
	}
}

// began and ended count what is under way.
func (l *loop) began(t int64) { l.count(t, 1) }
func (l *loop) ended(t int64) { l.count(t, -1) }

func (l *loop) count(t, by int64) {
	l.integral += l.underWay * l.play.window.overlap(l.changed, t)
	l.underWay += by
	l.changed = t
}

// grow makes room for n customers in all.
func (l *loop) grow(n int) {
	const wordsSize = 256 // bytes; appendRequest makes more of it if need be
	more := make([]customer, n-len(l.customers))
	room := make([]byte, len(more)*wordsSize)
	for i := range more {
		c := &more[i]
		c.slot, c.fd = len(l.customers), -1
		c.own, room = room[:0:wordsSize], room[wordsSize:]
		l.customers = append(l.customers, c)
		if l.arrivals != nil {
			l.free = append(l.free, c)
		}
	}
	l.timers.Grow(n)
}

// A fifo is requests in the order of their deadlines. They are all given the
// same time, so the order in which they were due is that order, and no heap is
// needed. Arrivals that had to wait in the client were due before requests
// that began before them: they have a fifo of their own.
type fifo struct{ first, last *customer }

func (f *fifo) push(c *customer) {
	c.before, c.behind = f.last, nil
	if f.last == nil {
		f.first = c
	} else {
		f.last.behind = c
	}
	f.last = c
}

func (f *fifo) remove(c *customer) {
	if c.before == nil {
		f.first = c.behind
	} else {
		c.before.behind = c.behind
	}
	if c.behind == nil {
		f.last = c.before
	} else {
		c.behind.before = c.before
	}
	c.before, c.behind = nil, nil
}

// words are a request and what it asks for.
type words struct {
	asked scenario.Request
	text  []byte
}

// phrase returns the text of what c asks. Where all requests ask for the same,
// it is put together once.
func (l *loop) phrase(c *customer) []byte {
	p := l.play
	if p.fixed != nil {
		return p.fixed
	}
	asked := c.request
	asked.ThinkUs = 0
	w := &l.words[0]
	if c.last {
		w = &l.words[1]
	}
	switch {
	case w.text == nil:
		w.asked, w.text = asked, appendRequest(nil, p.host, p.job.Scenario.Conversation, asked, c.last)
		fallthrough
	case w.asked == asked:
		return w.text
	}
	c.own = appendRequest(c.own[:0], p.host, p.job.Scenario.Conversation, asked, c.last)
	return c.own
}

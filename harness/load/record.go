package load

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"workbench/harness/result"
)

// A window is the counted part of a slice, on the slice's own clock:
// nanoseconds since it began. Either end is never until it is known.
//
// Whoever sets an end that others watch sets it before it comes (see ahead):
// a client that reads its clock, and then the window, can't take a moment
// inside for one outside. So every request is on the right side without a lock.
type window struct {
	from, to atomic.Int64
}

const never = math.MaxInt64

// holds reports whether what ended at t ended within the window.
func (w *window) holds(t int64) bool { return w.from.Load() < t && t <= w.to.Load() }

// admits reports whether an arrival that is due at t is due in the window.
func (w *window) admits(t int64) bool { return w.from.Load() <= t && t < w.to.Load() }

// overlap returns how much of start to end lies in the window.
func (w *window) overlap(start, end int64) int64 {
	return max(0, min(end, w.to.Load())-max(start, w.from.Load()))
}

// underWay counts the requests that are under way, and integrates their number
// over the window. It sees beginnings and ends, on a clock reading of its own,
// and no latencies: a request that is lost on its way into the histograms, or
// that is recorded with a wrong beginning, makes the two differ.
type underWay struct {
	mu       sync.Mutex
	n        int64
	last     int64 // when it changed last
	integral int64 // request × ns
}

func (u *underWay) change(p *playing, by int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := p.now() // under the lock, so that it never goes back
	u.integral += u.n * p.window.overlap(u.last, now)
	u.n += by
	u.last = now
}

// littleResidual is the larger of two shares that Little's law says are 0, for
// the window of l, whose clients (of a closed loop; else none) thought and
// backed off for so long in all.
//
// Number in flight, integrated over time, is the sum of the times in flight:
// what a counter saw and what was recorded differ by what was recorded wrongly
// or not at all. And clients of a closed loop are in a request or pause: what
// is left of their time the instrument spent on itself.
func littleResidual(l result.Load, pausedUs float64) (residual float64) {
	if most := max(l.RecordedUs, l.InFlightUs); most > 0 {
		residual = max(l.RecordedUs-l.InFlightUs, l.InFlightUs-l.RecordedUs) / most
	}
	if clientTime := float64(l.Clients) * l.WindowUs; clientTime > 0 {
		residual = max(residual, 1-(l.RecordedUs+pausedUs)/clientTime)
	}
	return residual
}

// A recorder holds histograms for some of the clients.
//
// A set of histograms takes 750 KB. One for each client would be 375 MB for
// 500 clients, and a miss of the cache for every value; a slice of samples for
// each grows with the rate. So clients share a few sets, about one for each
// processor: the lock is held for some 100 ns a request, and as many sets as
// processors keep it mostly free. An engine whose recorder is one loop's own
// leaves the lock alone.
type recorder struct {
	mu                                                     sync.Mutex
	latency, firstByte, connect, service, waited, lateness *result.Histogram
	dropped                                                int64
}

func newRecorder() *recorder {
	return &recorder{
		latency: result.NewHistogram(), firstByte: result.NewHistogram(), connect: result.NewHistogram(),
		service: result.NewHistogram(), waited: result.NewHistogram(), lateness: result.NewHistogram(),
	}
}

// A sample is what was seen of one request that was answered rightly.
type sample struct {
	latency, firstByte time.Duration // since before its connect, where it made one
	connect            time.Duration // below 0: it made none
	service            time.Duration // as the server reports it; below 0: it was not asked to
}

func (r *recorder) record(s sample) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recordUnlocked(s)
}

// recordUnlocked is record for whoever has r to himself.
func (r *recorder) recordUnlocked(s sample) {
	r.put(r.latency, s.latency)
	r.put(r.firstByte, s.firstByte)
	if s.connect >= 0 {
		r.put(r.connect, s.connect)
	}
	if s.service >= 0 {
		r.put(r.service, s.service)
		r.put(r.waited, max(0, s.latency-s.service))
	}
}

// recordLateness records by how much a send was later than intended. Unlike a
// sample it is taken of every request that was sent, answered or not.
func (r *recorder) recordLateness(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recordLatenessUnlocked(d)
}

// recordLatenessUnlocked is recordLateness for whoever has r to himself.
func (r *recorder) recordLatenessUnlocked(d time.Duration) { r.put(r.lateness, max(0, d)) }

func (r *recorder) put(h *result.Histogram, d time.Duration) {
	if !h.Record(d) {
		r.dropped++
	}
}

// mergeInto adds what r holds to l, and empties r. Of lateness it makes a
// histogram of l's where there is any.
func (r *recorder) mergeInto(l *result.Load) {
	if r.lateness.Count() > 0 && l.Lateness == nil {
		l.Lateness = result.NewHistogram()
	}
	for _, h := range []struct{ to, from *result.Histogram }{
		{l.Latency, r.latency}, {l.FirstByte, r.firstByte}, {l.Connect, r.connect}, {l.Service, r.service}, {l.Waited, r.waited},
		{l.Lateness, r.lateness},
	} {
		if h.from.Count() > 0 { // merging walks through all 19,000 buckets
			l.HistogramDropped += h.to.Merge(h.from)
			h.from.Reset()
		}
	}
	l.HistogramDropped += r.dropped
	r.dropped = 0
}

// A failure is how a request failed; none if it didn't.
type failure uint8

const (
	none failure = iota
	refused
	reset
	timeout
	rejected
	truncated
	badResponse
	other
)

func (f failure) count(e *result.Errors) {
	switch f {
	case refused:
		e.Refused++
	case reset:
		e.Reset++
	case timeout:
		e.Timeout++
	case rejected:
		e.Rejected++
	case truncated:
		e.Truncated++
	case badResponse:
		e.BadResponse++
	case other:
		e.Other++
	}
}

// failureOf says what kind of failure an error from a socket is.
func failureOf(err error) failure {
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case isOneOf(err, errnosRefused):
		return refused
	case isOneOf(err, errnosReset):
		return reset
	case errors.Is(err, io.EOF):
		return truncated
	case errors.Is(err, os.ErrDeadlineExceeded), isNet && netErr.Timeout():
		return timeout
	}
	return other
}

func isOneOf(err error, targets []error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

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

// overlap returns how much of start to end lies in the window.
func (w *window) overlap(start, end int64) int64 {
	return max(0, min(end, w.to.Load())-max(start, w.from.Load()))
}

// A recorder holds histograms for some of the clients.
//
// A set of histograms takes 750 KB. One for each client would be 375 MB for
// 500 clients, and a miss of the cache for every value; a slice of samples for
// each grows with the rate. So clients share a few sets, about one for each
// processor: the lock is held for some 100 ns a request, and as many sets as
// processors keep it mostly free.
type recorder struct {
	mu                                           sync.Mutex
	latency, firstByte, connect, service, waited *result.Histogram
	dropped                                      int64
}

func newRecorder() *recorder {
	return &recorder{
		latency: result.NewHistogram(), firstByte: result.NewHistogram(), connect: result.NewHistogram(),
		service: result.NewHistogram(), waited: result.NewHistogram(),
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

func (r *recorder) put(h *result.Histogram, d time.Duration) {
	if !h.Record(d) {
		r.dropped++
	}
}

// mergeInto adds what r holds to l, and empties r.
func (r *recorder) mergeInto(l *result.Load) {
	for _, h := range []struct{ to, from *result.Histogram }{
		{l.Latency, r.latency}, {l.FirstByte, r.firstByte}, {l.Connect, r.connect}, {l.Service, r.service}, {l.Waited, r.waited},
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

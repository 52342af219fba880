package exchange

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
)

// relayed is a moment on its way from a member of a family to the leader's
// observer.
type relayed struct {
	Event  Event
	Conn   uint64
	Worker int
	Bytes  []byte
	Work   Work
	Err    string
}

// Observed reports whether somebody observes x.
func (x *Exchange) Observed() bool { return x.observe != nil }

// RelayTo has x, a member of a family, tell its moments to who reads at the
// other end of conn (see Relay), one after the other. It waits for the observer at
// two of them: at Accepted, so that whoever was answered has been seen to come,
// and at Working, since the work panics where the observer does. It must be called
// before x serves.
func (x *Exchange) RelayTo(conn io.ReadWriter) {
	var mu sync.Mutex
	out, in := gob.NewEncoder(conn), gob.NewDecoder(conn)
	tell := func(m Moment) (panicked string) {
		mu.Lock()
		defer mu.Unlock()
		r := relayed{Event: m.Event, Conn: m.Conn, Worker: m.Worker, Bytes: m.Bytes, Work: m.Work}
		if m.Err != nil {
			r.Err = m.Err.Error()
		}
		// Where nobody reads the leader is gone, and this process about to end.
		if out.Encode(r) == nil && waitsForObserver(m.Event) {
			_ = in.Decode(&panicked)
		}
		return panicked
	}
	x.observe = func(m Moment) {
		if p := tell(m); p != "" {
			panic(p)
		}
	}
}

// Relay tells the observer of x, the leader, what a member tells by RelayTo,
// until that one ends. Connections that it leaves open are closed by its end: left
// says so to the observer, and is for when they are counted no more.
func (x *Exchange) Relay(conn io.ReadWriter) (left func()) {
	in, out := gob.NewDecoder(conn), gob.NewEncoder(conn)
	open := map[uint64]int{} // who holds each
	for {
		var r relayed
		if in.Decode(&r) != nil {
			break
		}
		m := Moment{Event: r.Event, Conn: r.Conn, Worker: r.Worker, Bytes: r.Bytes, Work: r.Work}
		switch {
		case r.Event == TimedOut:
			m.Err = timedOutThere(r.Err)
		case r.Err != "":
			m.Err = errors.New(r.Err)
		}
		if r.Event == Closed {
			delete(open, r.Conn)
		} else {
			open[r.Conn] = r.Worker
		}
		panicked := ""
		if r.Event == Working {
			panicked = x.observeWork(m)
		} else {
			x.observe(m)
		}
		if waitsForObserver(r.Event) && out.Encode(panicked) != nil {
			break
		}
	}
	return func() {
		for _, id := range slices.Sorted(maps.Keys(open)) {
			x.observe(Moment{Event: Closed, Conn: id, Worker: open[id]})
		}
	}
}

func waitsForObserver(e Event) bool { return e == Accepted || e == Working }

// observeWork returns what the observer panics with, "" if it doesn't.
func (x *Exchange) observeWork(m Moment) (panicked string) {
	defer func() {
		if p := recover(); p != nil {
			panicked = fmt.Sprint(p)
			if panicked == "" {
				panicked = "(it doesn't say why)"
			}
		}
	}()
	x.observe(m)
	return ""
}

// timedOutThere is the error of a deadline that struck in another process.
type timedOutThere string

func (e timedOutThere) Error() string { return string(e) }
func (timedOutThere) Unwrap() error   { return os.ErrDeadlineExceeded }

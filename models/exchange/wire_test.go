package exchange

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A wire is a TCP connection in memory, for tests inside a synctest bubble,
// where time is exact. It is the harshest one that TCP allows: a reset comes
// at once and destroys what the other side has not read yet.
type wire struct {
	mu      sync.Mutex
	changed sync.Cond
	ends    [2]end
}

// An end of a wire is a stream.
type end struct {
	w           *wire
	peer        *end
	inbox       []byte // sent by the peer and not read yet
	room        int    // most bytes in inbox
	fin         bool   // the peer sends no more
	reset       bool
	closed      bool
	read, write strike

	arming    func(*strike)             // if any, is called before a deadline is set
	deadlines struct{ read, write int } // how often they were set
	writes    int                       // calls
}

// A strike is a deadline's.
type strike struct {
	over  bool
	timer *time.Timer
}

// newWire returns the two ends of a connection whose buffers hold room bytes
// each way.
func newWire(room int) (client, server *end) {
	w := new(wire)
	w.changed.L = &w.mu
	for i := range w.ends {
		w.ends[i] = end{w: w, peer: &w.ends[1-i], room: room}
	}
	return &w.ends[0], &w.ends[1]
}

func (e *end) Read(b []byte) (int, error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	for {
		switch {
		case e.closed:
			return 0, net.ErrClosed
		case e.read.over:
			return 0, os.ErrDeadlineExceeded
		case e.reset:
			return 0, syscall.ECONNRESET
		case len(e.inbox) > 0:
			n := copy(b, e.inbox)
			e.inbox = e.inbox[n:]
			e.w.changed.Broadcast()
			return n, nil
		case e.fin:
			return 0, io.EOF
		}
		e.w.changed.Wait()
	}
}

func (e *end) Write(b []byte) (n int, err error) {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	e.writes++
	for {
		switch {
		case e.closed || e.peer.fin:
			return n, net.ErrClosed
		case e.write.over:
			return n, os.ErrDeadlineExceeded
		case e.reset:
			return n, syscall.ECONNRESET
		case e.peer.closed: // nobody will read it: the answer is a reset
			e.reset, e.inbox = true, nil
			e.w.changed.Broadcast()
			return len(b), nil
		case len(b) == n:
			return n, nil
		}
		if k := min(len(b)-n, e.peer.room-len(e.peer.inbox)); k > 0 {
			e.peer.inbox = append(e.peer.inbox, b[n:n+k]...)
			n += k
			e.w.changed.Broadcast()
			continue
		}
		e.w.changed.Wait()
	}
}

func (e *end) CloseWrite() error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.reset || e.closed {
		return syscall.ENOTCONN
	}
	e.peer.fin = true
	e.w.changed.Broadcast()
	return nil
}

// Close with bytes unread sends a reset.
func (e *end) Close() error {
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	e.closed, e.peer.fin = true, true
	if len(e.inbox) > 0 {
		e.peer.reset, e.peer.inbox = true, nil
	}
	for _, s := range []*strike{&e.read, &e.write} {
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	e.w.changed.Broadcast()
	return nil
}

func (e *end) set(s *strike, count *int, t time.Time) error {
	if e.arming != nil {
		e.arming(s)
	}
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	if e.closed {
		return net.ErrClosed
	}
	*count++
	if s.timer != nil {
		s.timer.Stop()
	}
	s.over, s.timer = false, nil
	switch left := time.Until(t); {
	case t.IsZero():
	case left <= 0:
		s.over = true
	default:
		var timer *time.Timer
		timer = time.AfterFunc(left, func() {
			e.w.mu.Lock()
			defer e.w.mu.Unlock()
			if s.timer == timer {
				s.over = true
				e.w.changed.Broadcast()
			}
		})
		s.timer = timer
	}
	e.w.changed.Broadcast()
	return nil
}

func (e *end) SetReadDeadline(t time.Time) error  { return e.set(&e.read, &e.deadlines.read, t) }
func (e *end) SetWriteDeadline(t time.Time) error { return e.set(&e.write, &e.deadlines.write, t) }
func (e *end) SetDeadline(t time.Time) error {
	_ = e.SetReadDeadline(t)
	return e.SetWriteDeadline(t)
}
func (e *end) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (e *end) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// The wire itself keeps its promises.
func TestWire(t *testing.T) {
	client, server := newWire(4)
	if n, err := client.Write([]byte("ab")); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	_ = server.SetWriteDeadline(past)
	if n, err := server.Write([]byte("abcdef")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(n, err)
	}
	_ = server.SetWriteDeadline(time.Time{})
	if n, err := server.Write([]byte("xyz")); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	_ = server.Close() // with "ab" unread
	if n, err := client.Read(make([]byte, 9)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after a close with bytes unread the answer is still there: %d, %v", n, err)
	}
}

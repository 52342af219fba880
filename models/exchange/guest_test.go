package exchange

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// hosting is an exchange with a guest that answers each line with an echo of
// it, through Begin and End, and refuses what begins with '!' by itself.
type hosting struct {
	x      *Exchange
	addr   string
	stop   context.CancelFunc
	served chan error
	mu     sync.Mutex
	seen   []Event
	more   sync.Cond // seen grew
}

// await waits until there were n moments of one kind.
func (h *hosting) await(e Event, n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for h.of(e) < n {
		h.more.Wait()
	}
}

func (h *hosting) count(e Event) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of(e)
}

func (h *hosting) of(e Event) (n int) {
	for _, s := range h.seen {
		if s == e {
			n++
		}
	}
	return n
}

func invite(t *testing.T, o Options, work Work) *hosting {
	t.Helper()
	x, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	h := &hosting{x: x, addr: ln.Addr().String(), stop: stop, served: make(chan error, 1)}
	h.more.L = &h.mu
	x.Observe(func(m Moment) {
		h.mu.Lock()
		h.seen = append(h.seen, m.Event)
		h.more.Broadcast()
		h.mu.Unlock()
		if m.Event == Working && m.Work.Bytes == 666 {
			panic("as it was asked to")
		}
	})
	go func() {
		guests := x.Invite(ctx, ln.(*net.TCPListener))
		var err error
		for {
			var c net.Conn
			if c, err = guests.Accept(); err != nil {
				break
			}
			go echo(c.(*Guest), work)
		}
		h.served <- guests.Leave(err, func(context.Context) error { return nil })
	}()
	t.Cleanup(func() {
		stop()
		if err := <-h.served; err != nil {
			t.Error(err)
		}
		if s := x.Stats(); s.Open != 0 || s.Held != 0 {
			t.Errorf("%d connections open and %d held after Leave", s.Open, s.Held)
		}
	})
	return h
}

func echo(g *Guest, w Work) {
	defer g.Close()
	in := bufio.NewReader(g)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "!") {
			_, _ = io.WriteString(g, "HTTP/1.1 100 Continue\r\n\r\n") // no answer
			_, _ = io.WriteString(g, "refused\n")
			continue
		}
		if !g.Begin() {
			return
		}
		_, err = g.Perform(w)
		if err != nil {
			line = err.Error() + "\n"
		}
		g.End()
		if _, err := io.WriteString(g, line); err != nil {
			return
		}
	}
}

func guestClient(t *testing.T, h *hosting) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // a net
	return c, bufio.NewReader(c)
}

func TestGuestsAreCounted(t *testing.T) {
	h := invite(t, DefaultOptions(), Work{Wait: time.Millisecond})
	c, in := guestClient(t, h)
	for i, sent := range []string{"one\n", "two\nthree\n", "!\n", "four\n"} {
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		for range strings.Count(sent, "\n") {
			line, err := in.ReadString('\n')
			if strings.HasPrefix(line, "HTTP/1.1 100") {
				_, _ = in.ReadString('\n')
				line, err = in.ReadString('\n')
			}
			if err != nil || line == "" {
				t.Fatalf("piece %d: %q, %v", i, line, err)
			}
		}
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	h.stop()
	err := <-h.served
	h.served <- err
	s := h.x.Stats()
	if s.Accepted != 1 || s.Open != 0 || s.Requests != 5 || s.Timeouts != 0 || s.Panics != 0 || s.HeldTime <= 0 {
		t.Errorf("%+v; want one connection with five answers, a refusal among them", s)
	}
	for e, want := range map[Event]int{Accepted: 1, Held: 1, Working: 4, Worked: 4, Answered: 5, Closed: 1} {
		if got := h.count(e); got != want {
			t.Errorf("%d moments of kind %d, want %d", got, e, want)
		}
	}
}

func TestAGuestsPanicIsAnError(t *testing.T) {
	h := invite(t, DefaultOptions(), Work{Wait: time.Millisecond, Bytes: 666})
	c, in := guestClient(t, h)
	_, _ = io.WriteString(c, "x\n")
	if line, err := in.ReadString('\n'); line != "panic while answering: as it was asked to\n" {
		t.Errorf("%q, %v", line, err)
	}
	if n := h.x.Stats().Panics; n != 1 {
		t.Errorf("%d panics are counted, want 1", n)
	}
}

func TestAStopClosesGuestsWithoutARequestAndWaitsForOthers(t *testing.T) {
	h := invite(t, DefaultOptions(), Work{Wait: 50 * time.Millisecond})
	idle, _ := guestClient(t, h)
	busy, in := guestClient(t, h)
	_, _ = io.WriteString(busy, "x\n")
	h.await(Working, 1)
	h.await(Held, 2)
	h.stop()
	if n, err := idle.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("an idle client got %d bytes, %v", n, err)
	}
	if line, err := in.ReadString('\n'); line != "x\n" {
		t.Errorf("one whose request was at work got %q, %v", line, err)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("and then %v, want the end", err)
	}
}

func TestTheGraceEndsAGuestsWork(t *testing.T) {
	o := DefaultOptions()
	o.Grace = 20 * time.Millisecond
	h := invite(t, o, Work{Wait: time.Minute})
	c, in := guestClient(t, h)
	_, _ = io.WriteString(c, "x\n")
	h.await(Working, 1)
	h.stop()
	if line, err := in.ReadString('\n'); err == nil {
		t.Errorf("answered %q after the grace", line)
	}
	err := <-h.served
	h.served <- err
	if n := h.x.Stats().Requests; n != 0 {
		t.Errorf("%d answers are counted, want none", n)
	}
}

func TestGuestTimeoutsAreCountedOnce(t *testing.T) {
	h := invite(t, DefaultOptions(), Work{})
	ours, theirs := net.Pipe()
	defer theirs.Close()
	g := &Guest{stream: pipe{ours}, all: &Guests{x: h.x, here: map[*Guest]struct{}{}}}
	g.all.busy.Add(1)
	h.x.opened(nil)
	h.x.holds(2, -1)
	defer g.Close()
	one := make([]byte, 1)
	_ = g.SetReadDeadline(past) // the guest's own way to end a read
	if _, err := g.Read(one); err == nil {
		t.Fatal("read")
	}
	if n := h.x.Stats().Timeouts; n != 0 {
		t.Errorf("an aborted read is counted as %d timeouts", n)
	}
	_ = g.SetReadDeadline(time.Now())
	for range 3 {
		if _, err := g.Read(one); err == nil {
			t.Fatal("read")
		}
	}
	if n := h.x.Stats().Timeouts; n != 1 {
		t.Errorf("%d timeouts are counted, want 1", n)
	}
}

type pipe struct{ net.Conn }

func (pipe) CloseWrite() error { return nil }

func TestBodies(t *testing.T) {
	period := int64(len(filler))
	for _, n := range []int64{0, 1, 14, period - 1, period, period + 1, 3*period + 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			want := bytes.Repeat(filler, int(n/period)+1)[:n]
			var written bytes.Buffer
			if k, err := NewBody(n).WriteTo(&written); k != n || err != nil || !bytes.Equal(written.Bytes(), want) {
				t.Errorf("wrote %d, %v", k, err)
			}
			if read, err := io.ReadAll(NewBody(n)); err != nil || !bytes.Equal(read, want) {
				t.Errorf("read %d bytes, %v", len(read), err)
			}
		})
	}
}

func TestParseWork(t *testing.T) {
	for _, row := range []struct {
		query string
		want  Work
		err   string
	}{
		{"", Work{Bytes: 14}, ""},
		{"wait=5ms&spin=200us&bytes=4096", Work{5 * time.Millisecond, 200 * time.Microsecond, 4096}, ""},
		{"colour=blue&bytes=0", Work{}, ""},
		{"wait=61s", Work{}, "wait must be one duration of at most 60s, such as 5ms"},
	} {
		got, err := ParseWork([]byte(row.query))
		if got != row.want || (err == nil) != (row.err == "") || err != nil && err.Error() != row.err {
			t.Errorf("%q: %+v, %v; want %+v, %s", row.query, got, err, row.want, row.err)
		}
	}
}

package models

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workbench/models/eventloop"
	"workbench/models/exchange"
)

// handLoop is a loop that is turned by hand, without a listener.
func handLoop(t *testing.T, observe func(exchange.Moment)) *loop {
	t.Helper()
	x, err := exchange.New(exchange.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	x.Observe(observe)
	l, err := newLoop(x, -1, 16)
	if err != nil {
		t.Fatal(err)
	}
	l.tools = l.newTools(t.Context())
	return l
}

// pair returns the two ends of a connection; the test closes the client's.
func pair(t *testing.T) (client, server int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eventloop.Close(fds[0]) })
	return fds[0], fds[1]
}

// joins gives the loop a connection, as another one would.
func (l *loop) joins(fd int) bool {
	a := arrival{fd: fd}
	l.x.NewDriver(context.Background()).Accept(&a.talk)
	return l.take(a)
}

func write(t *testing.T, fd int, s string) {
	t.Helper()
	if n, err := unix.Write(fd, []byte(s)); n != len(s) || err != nil {
		t.Fatalf("wrote %d of %d bytes: %v", n, len(s), err)
	}
}

// drain reads all that is there.
func drain(fd int) (got []byte, ended bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := unix.Read(fd, b)
		if n <= 0 {
			return got, n == 0 && err == nil
		}
		got = append(got, b[:n]...)
	}
}

const plainRequest = "GET /?bytes=1 HTTP/1.1\r\nHost: a\r\n\r\n"

// A client that sends requests without an end has its share of each turn, and
// no more as time goes by, though the poller tells of it each time.
func TestOnePipelinerHasItsShare(t *testing.T) {
	answered := map[uint64]int{}
	l := handLoop(t, func(m exchange.Moment) {
		if m.Event == exchange.Answered {
			answered[m.Conn]++
		}
	})
	defer l.close()
	greedy, server := pair(t)
	l.joins(server)
	l.turn() // the poller knows it now
	write(t, greedy, strings.Repeat(plainRequest, 1500))
	modest, server := pair(t)
	l.joins(server)
	write(t, modest, plainRequest)
	for turn := range 40 {
		before := answered[1]
		write(t, greedy, plainRequest) // which the poller tells of
		l.turn()
		drain(greedy)
		if got := answered[1] - before; got > share {
			t.Fatalf("in turn %d the client that sends without an end had %d answers, want at most %d", turn, got, share)
		}
		if turn == 0 && answered[2] != 1 {
			t.Fatalf("the other one had %d answers in its first turn, want 1", answered[2])
		}
	}
	if answered[1] == 1540 {
		t.Fatal("the client that sends without an end ran out of requests")
	}
	for answered[1] < 1540 {
		l.turn()
		drain(greedy)
	}
}

// A loop's queue are the connections that something has happened to and that it
// hasn't seen to: those that are ready, those that others give it, and those that
// have had their share of the turn before.
func TestTheQueueOfALoop(t *testing.T) {
	l := handLoop(t, nil)
	defer l.close()
	queue := func(is string, now, most int64) {
		t.Helper()
		if got := l.x.Stats().Queues; len(got) != 1 || got[0] != (exchange.QueueLength{Name: "events", Now: now, Peak: most}) {
			t.Fatalf("%s: %+v, want %d and at most %d", is, got, now, most)
		}
	}
	var clients []int
	for range 3 {
		client, server := pair(t)
		clients = append(clients, client)
		l.joins(server)
	}
	queue("before a turn", 0, 0)
	l.turn()
	queue("three that others gave", 0, 3)
	for _, c := range clients {
		write(t, c, plainRequest)
	}
	for range 2 {
		_, server := pair(t)
		l.joins(server)
	}
	l.turn()
	queue("three that are ready and two that others gave", 0, 5)
	for range 3 {
		_, server := pair(t)
		l.joins(server)
	}
	l.turn()
	write(t, clients[0], strings.Repeat(plainRequest, 2*share))
	l.turn()
	for _, c := range clients[1:] {
		write(t, c, plainRequest)
	}
	for range 3 {
		_, server := pair(t)
		l.joins(server)
	}
	l.turn()
	queue("one that has had its share, two that are ready, and three", 0, 6)
}

// What the poller says of a connection that is gone is nothing to the one that
// has its slot now. A closed descriptor is told of as long as somebody has a
// duplicate.
func TestEventsOfTheDead(t *testing.T) {
	seen := map[exchange.Event][]uint64{}
	l := handLoop(t, func(m exchange.Moment) { seen[m.Event] = append(seen[m.Event], m.Conn) })
	defer l.close()
	first, server := pair(t)
	l.joins(server)
	l.turn() // the poller knows it now
	duplicate, err := unix.Dup(server)
	if err != nil {
		t.Fatal(err)
	}
	defer eventloop.Close(duplicate)
	write(t, first, "GET / HTTP/1.0\r\n\r\n")
	l.turn()
	if len(seen[exchange.Closed]) != 1 {
		t.Fatalf("closed: %v", seen[exchange.Closed])
	}
	second, server := pair(t)
	l.joins(server)
	l.turn()
	c := l.at(0)
	if c.fd != int32(server) || c.gen != 2 || l.open != 1 {
		t.Fatalf("the slot has descriptor %d in generation %d, want %d in 2", c.fd, c.gen, server)
	}
	write(t, first, plainRequest)
	if events := l.p.Poll(); len(events) != 1 || events[0].Token() == c.token() {
		t.Fatalf("the poller says %d things", len(events))
	} else {
		c.away = true // so that it isn't seen to at once
		l.happened(&events[0])
		c.away = false
	}
	if c.news != 0 {
		t.Error("what was said of the first connection came to the second")
	}
	write(t, second, plainRequest)
	l.turn()
	if got, _ := drain(second); !bytes.HasPrefix(got, []byte("HTTP/1.1 200")) {
		t.Errorf("the second connection is answered %q", got)
	}
}

// A connection that somebody else has is left alone: what happens meanwhile is
// seen to when it is back.
func TestHandedOver(t *testing.T) {
	l := handLoop(t, func(exchange.Moment) {})
	defer l.close()
	var theirs *conn
	l.hands[exchange.ToWork] = func(c *conn) { theirs = c }
	client, server := pair(t)
	l.joins(server)
	l.turn()
	if l.timers.Len() != 1 {
		t.Fatalf("a silent connection has %d timers, want 1", l.timers.Len())
	}
	write(t, client, "GET /?wait=1ms HTTP/1.1\r\nHost: a\r\n\r\n")
	l.turn()
	if theirs == nil || !theirs.away || l.timers.Len() != 0 {
		t.Fatalf("it was not handed over, or has a timer yet (%d)", l.timers.Len())
	}
	write(t, client, plainRequest)
	if err := unix.Shutdown(client, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	l.turn()
	if theirs.ready || theirs.ended || theirs.news&eventloop.In == 0 {
		t.Errorf("while it was away the loop changed it: ready %v, ended %v, news %x", theirs.ready, theirs.ended, theirs.news)
	}
	w := l.newTools(t.Context())
	w.d.Perform(&theirs.talk)
	w.sendAll(theirs)
	w.d.Keep(&theirs.talk)
	if got, _ := drain(client); bytes.Count(got, []byte("HTTP/1.1 200")) != 1 {
		t.Errorf("the worker answered %q", got)
	}
	l.back(theirs)
	l.turn()
	got, ended := drain(client)
	if bytes.Count(got, []byte("HTTP/1.1 200")) != 1 || !ended || l.open != 0 || l.timers.Len() != 0 {
		t.Errorf("back in the loop it was answered %q, ended %v; %d are open, %d timers", got, ended, l.open, l.timers.Len())
	}
}

// Connections that are handed to a loop while it stops are the loop's, which
// closes them, or still the giver's. None is lost.
func TestTakeAtTheMomentOfAStop(t *testing.T) {
	for range 50 {
		x, err := exchange.New(exchange.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		l, err := newLoop(x, -1, 16)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var loop, givers sync.WaitGroup
		loop.Go(func() { l.run(ctx) })
		var refused atomic.Int64
		const n = 20
		clients := make([]int, n)
		for i := range clients {
			client, server := pair(t)
			clients[i] = client
			givers.Go(func() {
				if i == n/2 {
					cancel()
				}
				if !l.joins(server) {
					refused.Add(1)
					eventloop.Close(server)
				}
			})
		}
		givers.Wait()
		loop.Wait()
		cancel()
		for i, c := range clients {
			if _, ended := drain(c); !ended {
				t.Fatalf("connection %d of %d is still open", i, n)
			}
		}
		// Who was refused is the giver's to count: it was accepted, and nobody held it.
		if st := x.Stats(); st.Held != 0 || st.Open != refused.Load() || l.open != 0 {
			t.Fatalf("%d are held and %d open in the counts, %d in the loop; %d were refused", st.Held, st.Open, l.open, refused.Load())
		}
	}
}

// A loop that stops waits for what it has handed over.
func TestBackAfterAStop(t *testing.T) {
	x, err := exchange.New(exchange.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(x, -1, 16)
	if err != nil {
		t.Fatal(err)
	}
	handed := make(chan *conn, 1)
	l.hands[exchange.ToWork] = func(c *conn) { handed <- c }
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan struct{})
	go func() {
		defer close(over)
		l.run(ctx)
	}()
	client, server := pair(t)
	write(t, client, "GET /?wait=1us HTTP/1.1\r\nHost: a\r\n\r\n")
	l.joins(server)
	c := <-handed
	cancel()
	if !x.Stopping(ctx) {
		t.Fatal("not stopping after the end of the context")
	}
	w := l.newTools(ctx)
	select {
	case <-over:
		t.Fatal("the loop ended without a connection that it had handed over")
	default:
	}
	w.d.Perform(&c.talk)
	w.d.Keep(&c.talk)
	l.back(c)
	// The answer says that it is the last one, so the client is lingered for.
	poll := []unix.PollFd{{Fd: int32(client), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 10_000); n != 1 || err != nil {
		t.Fatalf("no answer: %v", err)
	}
	got, _ := drain(client)
	if !bytes.Contains(got, []byte("HTTP/1.1 200")) || !bytes.Contains(got, []byte("Connection: close")) {
		t.Errorf("answered %q", got)
	}
	_ = unix.Shutdown(client, unix.SHUT_WR)
	<-over
	if l.post(func() { t.Error("somebody looks there yet") }) {
		t.Error("a loop that is over takes something")
	}
}

// An accepting loop gives each of the others as many.
func TestAcceptorDealsEvenly(t *testing.T) {
	server, _, err := New("reactors:loops=3,spread=acceptor")
	if err != nil {
		t.Fatal(err)
	}
	x, err := exchange.New(exchange.DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := Listen(t.Context(), "127.0.0.1:0", 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	addr := ln.Addr().String()
	go func() { done <- server.Serve(ctx, ln, x) }()
	for range 30 {
		c, err := net.DialTimeout("tcp", addr, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(c, plainRequest); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(make([]byte, 512)); err != nil {
			t.Fatal(err)
		}
	}
	st := x.Stats()
	for i, n := range st.Spread.Taken {
		if n != 10 {
			t.Errorf("loop %d was given %d of 30 connections, want 10", i, n)
		}
	}
	if st.Spread.Name != "loops" || len(st.Spread.Taken) != 3 {
		t.Errorf("spread over %d %q", len(st.Spread.Taken), st.Spread.Name)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

package exchange

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// A loop that drives one talk over one end of a wire is an event loop at its
// smallest. It sends in pieces of given sizes, in turn.
type talkLoop struct {
	*bench
	*end
	d, other *Driver // other performs the work, where the loop doesn't
	sizes    []byte
	sent     int
	t        Talk
	seen     func(*Talk) // is called whenever the loop waits
}

var errWouldBlock = errors.New("would block")

func (l *talkLoop) tryRead(b []byte) (int, error) {
	e := l.end
	e.w.mu.Lock()
	defer e.w.mu.Unlock()
	switch {
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
	return 0, errWouldBlock
}

func (l *talkLoop) tryWrite(parts [][]byte) (int, error) {
	b := slices.Concat(parts...)
	if len(l.sizes) > 0 {
		most := int(l.sizes[l.sent%len(l.sizes)]) + 1
		l.sent++
		if l.sent > 200 { // enough of that
			most = len(b)
		}
		b = b[:min(len(b), most)]
	}
	e := l.end
	e.w.mu.Lock()
	room := e.peer.room - len(e.peer.inbox)
	full := room <= 0 && !e.reset && !e.peer.closed
	e.w.mu.Unlock()
	if full {
		return 0, errWouldBlock
	}
	if !e.peer.closed {
		b = b[:min(len(b), room)]
	}
	return e.Write(b)
}

func (l *talkLoop) run() {
	kick := make(chan struct{}, 1)
	l.wg.Go(func() { // tells of what happens on the wire
		w := l.end.w
		w.mu.Lock()
		defer w.mu.Unlock()
		for !l.end.closed {
			w.changed.Wait()
			select {
			case kick <- struct{}{}:
			default:
			}
		}
	})
	stop := l.ctx.Done()
	wait := func() {
		if l.seen != nil {
			l.seen(&l.t)
		}
		var due <-chan time.Time
		if at := l.t.Deadline(); at != 0 {
			timer := time.NewTimer(time.Duration(at - l.d.Tick()))
			defer timer.Stop()
			due = timer.C
		}
		select {
		case <-kick:
		case <-due:
		case <-stop:
			stop = nil
			if !l.x.Stopping(l.ctx) {
				l.Error("not stopping after the end of the context")
			}
			l.d.Stopping(&l.t)
		}
	}
	d, t := l.d, &l.t
	in, parts := make([]byte, l.x.ReadSize()), make([][]byte, 0, 3)
	d.Hold(t, -1)
	for {
		d.Tick()
		switch d.Next(t) {
		case ToReceive:
			n, err := l.tryRead(in)
			switch {
			case n > 0:
				d.Received(t, in[:n])
			case errors.Is(err, errWouldBlock):
				wait()
			case errors.Is(err, io.EOF):
				d.Ended(t)
			default:
				d.Broken(t)
			}
		case ToWork:
			if l.other == nil {
				d.StartWork(t)
				break
			}
			d.Keep(t)
			clear(in)
			l.other.Perform(t)
			l.other.Keep(t)
		case ToWait:
			d.Keep(t)
			clear(in)
			wait()
		case ToSend:
			parts = t.Unsent(parts[:0])
			n, err := l.tryWrite(parts)
			switch {
			case err == nil:
				d.Sent(t, n)
			case errors.Is(err, errWouldBlock):
				d.Keep(t)
				clear(d.out[:cap(d.out)])
				wait()
			default:
				d.Broken(t)
			}
		case ToHalfClose:
			if l.CloseWrite() != nil {
				d.Broken(t)
			}
		case ToClose:
			_ = l.Close()
			d.Closed(t)
			return
		}
	}
}

// dialTalk is dialRoom for a connection that is held by an event loop.
func (b *bench) dialTalk(room int, sizes []byte, blocking bool, seen func(*Talk)) *client {
	c, s := newWire(room)
	peer := &client{bench: b, end: c, server: s, r: bufio.NewReaderSize(c, 16), gone: make(chan struct{})}
	b.dials = append(b.dials, peer)
	l := &talkLoop{bench: b, end: s, d: b.x.NewDriver(b.ctx), sizes: sizes, seen: seen}
	if blocking {
		l.other = b.x.NewDriver(b.ctx)
		l.d.EachRequest, l.other.EachRequest = true, true
	}
	l.d.Accept(&l.t)
	b.wg.Go(func() {
		l.run()
		peer.goneAt = b.since()
		close(peer.gone)
	})
	synctest.Wait()
	return peer
}

// A way is one of holding a connection.
type way struct {
	is   string
	dial func(b *bench, room int, sizes []byte) *client
}

var ways = []way{
	{"held by a goroutine", func(b *bench, room int, _ []byte) *client { return b.dialRoom(room, nil) }},
	{"held by a loop", func(b *bench, room int, sizes []byte) *client { return b.dialTalk(room, sizes, false, nil) }},
	{"held by a loop with workers", func(b *bench, room int, sizes []byte) *client { return b.dialTalk(room, sizes, true, nil) }},
}

// transcript is what can be seen of a connection: each moment with its time, all
// that the client got and how it ended, and the counts afterwards.
func transcript(t *testing.T, w way, change func(*Options), room int, sizes []byte, bad func(Moment) bool, script func(*client)) (said []string) {
	bubble(t, change, func(b *bench) {
		b.x.Observe(func(m Moment) {
			said = append(said, fmt.Sprintf("%v: event %d of %d by %d, %q, %+v, %v", b.since(), m.Event, m.Conn, m.Worker, m.Bytes, m.Work, m.Err))
			if bad != nil && bad(m) {
				panic("as it was asked to")
			}
		})
		c := w.dial(b, room, sizes)
		script(c)
		<-c.gone
		synctest.Wait()
		st := b.x.Stats()
		said = append(said, fmt.Sprintf("gone after %v: %d requests, %d timeouts, %d panics, open %d, held %d for %v", c.goneAt, st.Requests, st.Timeouts, st.Panics, st.Open, st.Held, st.HeldTime))
	})
	return said
}

// A conversation in a loop is the same as on a goroutine: the same bytes, the
// same moments at the same time, the same counts.
func TestTalkIsHold(t *testing.T) {
	const ms = time.Millisecond
	// reads has the client read all from now on, and add it to got.
	reads := func(got *[]byte, end *error) func(*client) {
		return func(c *client) {
			c.wg.Go(func() { *got, *end = io.ReadAll(c.end) })
			synctest.Wait()
		}
	}
	at := func(d time.Duration, f func(*client)) func(*client) {
		return func(c *client) { c.sleepUntil(d); f(c); synctest.Wait() }
	}
	sends := func(s string) func(*client) {
		return func(c *client) { _, _ = io.WriteString(c.end, s); synctest.Wait() }
	}
	stops := func(c *client) { c.stop(); synctest.Wait() }
	ends := func(c *client) { _ = c.CloseWrite(); synctest.Wait() }
	leaves := func(c *client) { _ = c.Close(); synctest.Wait() }
	short := func(o *Options) { o.Grace = 200 * ms }
	once := func(o *Options) { o.Conversation = Once }
	panicsAt := func(e Event) func(Moment) bool { return func(m Moment) bool { return m.Event == e } }
	half := "GET / HTTP/1.1\r\nHost: te"
	much := get("/?bytes=100000")
	expects := "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"

	for _, row := range []struct {
		is     string
		change func(*Options)
		deaf   bool // the client reads nothing, and there is little room
		whole  bool // in one piece: a second one to a client that has left would be told so
		bad    func(Moment) bool
		script []func(*client)
	}{
		{is: "a request", script: []func(*client){sends(get("/")), ends}},
		{is: "requests that come at once", script: []func(*client){sends(get("/") + get("/?bytes=20000") + get("/?wait=1s") + get("/") + with("Connection: close") + "more")}},
		{is: "requests that come while one is at work", script: []func(*client){sends(get("/?wait=1s")), at(100*ms, sends(get("/")+get("/?wait=3ms")+half)), at(2*second, ends)}},
		{is: "an answer of some length", script: []func(*client){sends(get("/?bytes=300000")), ends}},
		{is: "a body that the client asks to send", script: []func(*client){sends(expects), at(second, sends("a")), at(2*second, sends("bc"+get("/"))), ends}},
		{is: "a client that leaves", script: []func(*client){sends(get("/")), at(second, leaves)}},
		{is: "a client that leaves in the middle of a head", whole: true, script: []func(*client){sends(half), at(second, leaves)}},
		{is: "a client that ends in the middle of a body", script: []func(*client){sends(post("Content-Length: 5", "ab")), at(second, ends)}},
		{is: "a client that leaves while its request is at work", whole: true, script: []func(*client){sends(get("/?wait=2s")), at(second, leaves)}},
		{is: "the conversation once", change: once, script: []func(*client){at(second, sends("\r\n"))}},
		{is: "the conversation once, with more than it reads", change: once, script: []func(*client){sends(strings.Repeat("x", 3000)), at(100*ms, leaves)}},

		// Timeouts.
		{is: "silence", script: nil},
		{is: "silence once", change: once, script: nil},
		{is: "half a head", script: []func(*client){at(second, sends(half))}},
		{is: "a head that dribbles", script: []func(*client){sends(half), at(2*second, sends("x")), at(4*second, sends("x"))}},
		{is: "empty lines are no beginning", script: []func(*client){sends(get("/")), at(4*second, sends("\r\n\r\n"))}},
		{is: "silence after an answer", script: []func(*client){at(second, sends(get("/?wait=2s")))}},
		{is: "half a second head", script: []func(*client){sends(get("/")), at(4*second, sends(half))}},
		{is: "half a body", script: []func(*client){sends(half), at(second, sends("st\r\nContent-Length: 5\r\n\r\nabc")), at(3*second, sends("d"))}},
		{is: "an answer that nobody reads", deaf: true, script: []func(*client){at(second, sends(much))}},
		{is: "an answer that nobody reads, after others", deaf: true, script: []func(*client){sends(get("/") + get("/") + much + get("/"))}},
		{is: "no timeouts", change: func(o *Options) { o.HeadTimeout, o.IdleTimeout = 0, 0 }, script: []func(*client){at(100*second, sends(get("/"))), at(200*second, ends)}},

		// Lingering closes.
		{is: "a refusal", script: []func(*client){sends(get("*"))}},
		{is: "a refusal, and the client ends", script: []func(*client){sends(get("*")), at(100*ms, ends)}},
		{is: "a refusal, and the client sends on", script: []func(*client){sends(get("*")), at(100*ms, sends("more")), at(400*ms, sends("more"))}},
		{is: "a refusal, and the client sends too much", change: func(o *Options) { o.LingerBytes = 100 }, script: []func(*client){sends(get("*")), at(100*ms, sends(strings.Repeat("x", 99))), at(200*ms, sends("x"))}},
		{is: "a refusal, and the client resets", script: []func(*client){sends(get("*")), at(100*ms, leaves)}},
		{is: "no lingering", change: func(o *Options) { o.LingerTimeout = 0 }, script: []func(*client){sends(get("*"))}},
		{is: "lingering without bytes", change: func(o *Options) { o.LingerBytes = 0 }, script: []func(*client){sends(get("*"))}},

		// A stop, in each state.
		{is: "a stop before anything came", script: []func(*client){at(second, stops)}},
		{is: "a stop in a head", script: []func(*client){sends(half), at(second, stops)}},
		{is: "a stop in a body", script: []func(*client){sends(post("Content-Length: 5", "ab")), at(second, stops)}},
		{is: "a stop between requests", script: []func(*client){sends(get("/")), at(second, stops)}},
		{is: "a stop at work", script: []func(*client){sends(get("/?wait=2s")), at(second, stops)}},
		{is: "a stop at work, with more requests read", script: []func(*client){sends(get("/?wait=2s") + get("/?wait=1s") + half), at(second, stops)}},
		{is: "a stop while an answer is sent", deaf: true, script: []func(*client){sends(much), at(second, stops)}},
		{is: "a stop in a lingering close", script: []func(*client){sends(get("*")), at(100*ms, stops)}},
		{is: "a stop at work that the grace is too short for", change: short, script: []func(*client){sends(get("/?wait=2s")), at(second, stops)}},
		{is: "a stop while an answer is sent, and a short grace", change: short, deaf: true, script: []func(*client){sends(much), at(second, stops)}},
		{is: "a stop in a lingering close, and a short grace", change: short, script: []func(*client){sends(get("*")), at(100*ms, stops)}},
		{is: "a stop without grace, at work", change: func(o *Options) { o.Grace = 0 }, script: []func(*client){sends(get("/?wait=2s")), at(second, stops)}},
		{is: "a stop before it begins", script: []func(*client){stops}},

		// A panic, in each state.
		{is: "a panic as it is held", bad: panicsAt(Held), script: []func(*client){sends(get("/"))}},
		{is: "a panic in reading", bad: panicsAt(Read), script: []func(*client){sends(get("/"))}},
		{is: "a panic in reading a second head", bad: func(m Moment) bool { return string(m.Bytes) == "st" }, script: []func(*client){sends(get("/") + half), at(second, sends("st"))}},
		{is: "a panic in the work", bad: panicsAt(Working), script: []func(*client){sends(get("/?wait=1s") + get("/"))}},
		{is: "a panic in a second request's work", bad: func(m Moment) bool { return m.Event == Working && m.Work.Wait == 2*second }, script: []func(*client){sends(get("/?wait=1s") + get("/?wait=2s") + get("/"))}},
		{is: "a panic at the end of the work", bad: panicsAt(Worked), script: []func(*client){sends(get("/?wait=1s") + get("/"))}},
		{is: "a panic behind an answer", bad: panicsAt(Answered), script: []func(*client){sends(get("/") + get("/"))}},
		{is: "a panic at half a head's timeout", bad: panicsAt(TimedOut), script: []func(*client){sends(half)}},
		{is: "a panic at an answer's timeout", bad: panicsAt(TimedOut), deaf: true, script: []func(*client){sends(much)}},
	} {
		t.Run(row.is, func(t *testing.T) {
			var want []string
			for i, w := range ways {
				for _, sizes := range [][]byte{nil, {0}, {255, 3}} {
					var got []byte
					var end error
					script := func(c *client) {
						if !row.deaf {
							reads(&got, &end)(c)
						}
						for _, f := range row.script {
							f(c)
						}
					}
					room := 1 << 20
					if row.deaf {
						room = 1000
					}
					said := transcript(t, w, row.change, room, sizes, row.bad, script)
					said = append(said, fmt.Sprintf("the client got %d bytes, %.400q, %v", len(got), got, end))
					if want == nil {
						want = said
					} else if diff := cmp.Diff(want, said); diff != "" {
						t.Errorf("in pieces of %v bytes (-%s +%s):\n%s", sizes, ways[0].is, w.is, diff)
					}
					if i == 0 || row.whole {
						break // a goroutine sends as it can
					}
				}
			}
		})
	}
}

// Whatever a client sends, in whatever pieces, and whatever pieces the answers
// are sent in: a loop's conversation is a goroutine's.
func FuzzTalk(f *testing.F) {
	for _, s := range []string{
		"", get("/"), get("/?wait=5ms&spin=1us&bytes=9") + get("/?bytes=5000"), "\r\n\n" + get("*"), with("Connection: close") + "x",
		"HEAD /?bytes=1000 HTTP/1.1\r\n" + host + "\r\n", "GET / HTTP/1.0\r\n\r\nx", post("Content-Length: 5", "hello") + get("/"),
		"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab" + get("/"), chunked("1;a=b\r\nx\r\n00 \r\nA: b\r\n\r\n") + get("/?wait=1s"),
	} {
		for end := range uint8(4) {
			f.Add([]byte(s), []byte{1, 7, 30}, []byte{0, 50}, end)
		}
	}
	f.Fuzz(func(t *testing.T, data, cuts, sizes []byte, end uint8) {
		if len(data) > 20_000 || bytes.Count(data, []byte("bytes=")) > 3 {
			t.Skip("enough is enough")
		}
		var pieces []string
		rest := string(data)
		for _, c := range cuts {
			n := min(int(c)+1, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		for len(rest) > 0 {
			n := min(readSize, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		if end%4 == 2 {
			sizes = nil // a second piece to a client that has left would be told so
		}
		var want []string
		for _, w := range ways {
			var got []byte
			said := transcript(t, w, nil, 1<<20, sizes, nil, func(c *client) {
				c.wg.Go(func() { got, _ = io.ReadAll(c.end) })
				for _, p := range pieces {
					_, _ = io.WriteString(c.end, p)
					synctest.Wait()
				}
				switch end % 4 {
				case 1:
					_ = c.CloseWrite()
				case 2:
					time.Sleep(2 * time.Millisecond)
					_ = c.Close()
				case 3:
					time.Sleep(2 * time.Millisecond)
					c.stop()
				}
			})
			if end%4 != 2 { // what a client gets that closes is a matter of chance
				said = append(said, fmt.Sprintf("%d bytes: %.2000q", len(got), got))
			}
			if want == nil {
				want = said
			} else if diff := cmp.Diff(want, said); diff != "" {
				t.Fatalf("%q (-%s +%s):\n%s", pieces, ways[0].is, w.is, diff)
			}
		}
	})
}

// A silent connection is a talk and nothing else.
func TestSilentTalksHoldNothing(t *testing.T) {
	if size := unsafe.Sizeof(Talk{}); size > 96 {
		t.Errorf("a talk has %d bytes, want at most 96", size)
	}
	bubble(t, nil, func(b *bench) {
		waits, kept := 0, 0
		c := b.dialTalk(1<<20, nil, false, func(t *Talk) {
			waits++
			if t.m != nil || t.head != nil {
				kept++
			}
		})
		for range 3 {
			c.send(get("/") + get("/?bytes=100000"))
			c.expect("200 14", b.since())
			c.expect("200 100000", b.since())
			c.send("\r\n")
			b.sleepUntil(b.since() + second)
		}
		synctest.Wait()
		if waits == 0 || kept != 0 {
			t.Errorf("while it waited %d times for a client that was silent, it kept a machine or a head %d times", waits, kept)
		}
		c.send("G")
		synctest.Wait()
		if kept == 0 {
			t.Error("the beginning of a head is kept nowhere")
		}
	})
}

// Machines that one driver gains and another loses come round.
func TestMachinesComeRound(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		lender, keeper := b.x.NewDriver(b.ctx), b.x.NewDriver(b.ctx)
		allocations := testing.AllocsPerRun(10*spareMachines, func() {
			var talk Talk
			lender.lend(&talk)
			keeper.takeBack(&talk)
		})
		if len(keeper.spare) != spareMachines || !raceEnabled && allocations > .2 {
			t.Errorf("%d machines are kept, and %.2f are made for each request, want %d and nearly none", len(keeper.spare), allocations, spareMachines)
		}
	})
}

// BenchmarkTalk is what a request costs a loop beside its system calls.
func BenchmarkTalk(b *testing.B) {
	x, err := New(DefaultOptions())
	if err != nil {
		b.Fatal(err)
	}
	d := x.NewDriver(b.Context())
	var t Talk
	d.Accept(&t)
	d.Hold(&t, -1)
	sent := []byte(get("/"))
	parts := make([][]byte, 0, 4)
	b.ReportAllocs()
	for b.Loop() {
		d.Tick()
		d.Received(&t, sent)
		for d.Next(&t) == ToSend {
			parts = t.Unsent(parts[:0])
			d.Sent(&t, len(parts[0]))
		}
	}
}

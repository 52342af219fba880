package exchange

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A bench is an exchange inside a synctest bubble, and its clients.
type bench struct {
	*testing.T
	x     *Exchange
	ctx   context.Context
	stop  context.CancelFunc
	began time.Time
	wg    sync.WaitGroup // everybody that the test started
	dials []*client
}

// bubble runs f with an exchange in a bubble: time passes only while everybody
// waits, so that every moment can be asserted to the nanosecond.
func bubble(t *testing.T, change func(*Options), f func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		o := DefaultOptions()
		if change != nil {
			change(&o)
		}
		x, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		b := &bench{T: t, x: x, ctx: ctx, stop: stop, began: time.Now()}
		f(b)
		for _, c := range b.dials {
			_ = c.Close()
		}
		b.wg.Wait()
	})
}

// since is how long the bubble has lasted.
func (b *bench) since() time.Duration { return time.Since(b.began) }

// A client is a peer of the exchange, and the connection that is held for it.
type client struct {
	*bench
	*end
	server *end
	r      *bufio.Reader
	gone   chan struct{} // closed when the connection is no longer held
	goneAt time.Duration
}

// dial connects a client that hold begins to serve.
func (b *bench) dial(hold func(*Conn)) *client {
	return b.dialRoom(1<<20, hold)
}

func (b *bench) dialRoom(room int, hold func(*Conn)) *client {
	c, s := newWire(room)
	if hold == nil {
		hold = func(conn *Conn) { b.x.Hold(b.ctx, conn) }
	}
	peer := &client{bench: b, end: c, server: s, r: bufio.NewReaderSize(c, 16), gone: make(chan struct{})}
	b.dials = append(b.dials, peer)
	conn := b.x.adopt(s)
	b.wg.Go(func() {
		hold(conn)
		peer.goneAt = b.since()
		close(peer.gone)
	})
	synctest.Wait()
	return peer
}

func (c *client) send(s string) {
	c.Helper()
	if _, err := c.end.Write([]byte(s)); err != nil {
		c.Fatalf("at %v: send %.20q: %v", c.since(), s, err)
	}
}

// answer reads an answer and says it in words, such as "200 14 close".
func (c *client) answer() string {
	c.Helper()
	res, err := http.ReadResponse(c.r, &http.Request{Method: http.MethodGet})
	if err != nil {
		return err.Error()
	}
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil {
		return err.Error()
	}
	words := fmt.Sprint(res.StatusCode)
	if res.StatusCode == http.StatusOK {
		words += fmt.Sprint(" ", n)
	}
	if res.Close {
		words += " close"
	}
	return words
}

// expect asserts an answer and the moment at which it is there.
func (c *client) expect(want string, at time.Duration) {
	c.Helper()
	if got := c.answer(); got != want || c.since() != at {
		c.Errorf("got %q after %v, want %q after %v", got, c.since(), want, at)
	}
}

// expectEnd asserts that the server ends the connection at a moment, without
// a further byte, and cleanly: no reset.
func (c *client) expectEnd(at time.Duration) {
	c.Helper()
	if b, err := c.r.ReadByte(); err != io.EOF || c.since() != at {
		c.Errorf("got %q, %v after %v, want end of file after %v", b, err, c.since(), at)
	}
}

// expectGone asserts the moment at which the connection is no longer held.
func (c *client) expectGone(at time.Duration) {
	c.Helper()
	<-c.gone
	if c.goneAt != at {
		c.Errorf("held until %v, want %v", c.goneAt, at)
	}
}

func (b *bench) sleepUntil(at time.Duration) { time.Sleep(at - b.since()) }

const second = time.Second

// Inside the bubble time.Sleep is not synchronisation but the passing of time.

func TestIdleTimeoutCountsFromEachAnswer(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		c := b.dial(nil)
		for _, at := range []time.Duration{0, 3 * second, 7 * second, 11*second + 999*time.Millisecond, 16*second + 998*time.Millisecond} {
			b.sleepUntil(at) // never 5 s after the one before
			c.send(get("/"))
			c.expect("200 14", at)
		}
		c.expectEnd(21*second + 998*time.Millisecond)
		<-c.gone
		if n := b.x.Stats().Timeouts; n != 1 {
			t.Errorf("%d timeouts counted", n)
		}
	})
}

// A deadline that is early is left alone: a kept-alive connection sets the
// socket's deadlines once, not once with each request.
func TestDeadlinesAreArmedLazily(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		c := b.dial(nil)
		const requests = 100
		for i := range requests {
			b.sleepUntil(time.Duration(i) * 10 * time.Millisecond)
			c.send(get("/"))
			c.expect("200 14", b.since())
		}
		synctest.Wait()
		if got := c.server.deadlines; got.read != 1 || got.write != 1 {
			t.Errorf("%d requests in a second set the read deadline %d times, the write deadline %d times", requests, got.read, got.write)
		}
		if got := c.server.writes; got != requests {
			t.Errorf("%d requests took %d writes", requests, got)
		}
		c.expectEnd(990*time.Millisecond + 5*second)
	})
}

func TestHeadTimeout(t *testing.T) {
	dribble := func(c *client, s string, every time.Duration) {
		for i := range s {
			if _, err := c.end.Write([]byte(s[i : i+1])); err != nil {
				return
			}
			time.Sleep(every)
		}
	}
	t.Run("the first head has it from when the connection is held", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dial(nil)
			b.sleepUntil(3 * second)
			b.wg.Go(func() { dribble(c, get("/"), second) })
			c.expect("408 close", 5*second)
			c.expectEnd(5 * second)
			_ = c.Close()
		})
	})
	t.Run("a further head from its first byte, in all, however it dribbles", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dial(nil)
			c.send(get("/"))
			c.expect("200 14", 0)
			b.sleepUntil(4 * second)
			b.wg.Go(func() { dribble(c, get("/"), second) })
			c.expect("408 close", 9*second)
			_ = c.Close()
		})
	})
	t.Run("a connection that says nothing is told nothing", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dial(nil)
			c.expectEnd(5 * second)
		})
	})
	t.Run("empty lines gain no time", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dial(nil)
			b.wg.Go(func() { dribble(c, strings.Repeat("\r\n", 50), 700*time.Millisecond) })
			c.expectEnd(5 * second)
		})
	})
	t.Run("a longer idle time isn't cut by a head's deadline armed before", func(t *testing.T) {
		bubble(t, func(o *Options) { o.IdleTimeout = time.Hour }, func(b *bench) {
			c := b.dial(nil)
			c.send(get("/"))
			c.expect("200 14", 0)
			b.sleepUntil(30 * time.Minute)
			c.send("G")
			c.expect("408 close", 30*time.Minute+5*second)
			_ = c.Close()
		})
	})
	t.Run("off is off", func(t *testing.T) {
		bubble(t, func(o *Options) { o.HeadTimeout, o.IdleTimeout, o.BodyTimeout, o.WriteTimeout = 0, 0, 0, 0 }, func(b *bench) {
			c := b.dial(nil)
			at := 1000 * time.Hour
			for _, s := range []string{"", "POST / HTTP/1.1\r\nHost: a\r\n", "Content-Length: 1\r\n\r\n"} {
				c.send(s)
				b.sleepUntil(at)
				at += 1000 * time.Hour
			}
			c.send("x")
			c.expect("200 14", 3000*time.Hour)
			if got := c.server.deadlines; got.read+got.write != 0 {
				t.Errorf("deadlines were set: %+v", got)
			}
			_ = c.Close()
		})
	})
	t.Run("idle off, with a head's deadline armed before", func(t *testing.T) {
		bubble(t, func(o *Options) { o.IdleTimeout = 0 }, func(b *bench) {
			c := b.dial(nil)
			c.send(get("/"))
			c.expect("200 14", 0)
			b.sleepUntil(1000 * time.Hour)
			c.send(get("/"))
			c.expect("200 14", 1000*time.Hour)
			_ = c.Close()
		})
	})
}

func TestBodyTimeout(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		c := b.dial(nil)
		b.sleepUntil(2 * second)
		c.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n")
		b.sleepUntil(4 * second)
		c.send("\r\n")
		for i := range 5 {
			b.sleepUntil(time.Duration(4+i) * second)
			c.send("x")
		}
		c.expect("408 close", 9*second)
		_ = c.Close()
	})
}

func TestWriteTimeoutIsForTheAnswerInAll(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		c := b.dialRoom(1000, nil)
		c.send(get("/"))
		c.expect("200 14", 0)
		// The deadline that the first answer armed, at 30 s, is early for the
		// second, which began at 4 s and takes in 1,000 bytes each second.
		b.sleepUntil(4 * second)
		c.send(get("/?bytes=16777216"))
		buf := make([]byte, 1000)
		for err := error(nil); err == nil; _, err = c.end.Read(buf) {
			time.Sleep(second)
		}
		c.expectGone(34 * second)
		if n := b.x.Stats(); n.Timeouts != 1 || n.Requests != 1 {
			t.Errorf("counted %d timeouts and %d answers", n.Timeouts, n.Requests)
		}
	})
}

// What was written before an early deadline struck isn't written again.
func TestAnswersGoOnWhereADeadlineStruckEarly(t *testing.T) {
	for _, bytes := range []int64{3000, 200_000} { // one write, and one that gathers
		bubble(t, func(o *Options) { o.IdleTimeout = 0 }, func(b *bench) {
			c := b.dialRoom(100, nil)
			c.send(get("/?bytes=0"))
			c.expect("200 0", 0) // arms the write deadline at 30 s
			b.sleepUntil(29 * second)
			c.send(get(fmt.Sprintf("/?bytes=%d", bytes)))
			b.sleepUntil(40 * second) // it has struck while 100 bytes were out
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			if want := strings.Repeat(fillerText, int(bytes/fillerPeriod)+1)[:bytes]; err != nil || string(body) != want {
				t.Errorf("a body of %d bytes came as %d bytes, %v; equal: %v", bytes, len(body), err, string(body) == want)
			}
			_ = c.Close()
			<-c.gone
		})
	}
}

func TestStop(t *testing.T) {
	for _, row := range []struct {
		title   string
		sent    string
		answers []string
		at      time.Duration // of the stop
		end     time.Duration // of the connection, as the client sees it
	}{
		{"an idle connection is closed at once", get("/"), []string{"200 14"}, second, second},
		{"one that never spoke too", "", nil, second, second},
		{"half a head isn't answered", get("/") + "GET /", []string{"200 14"}, second, second},
		{"half a body isn't answered", get("/") + post("Content-Length: 2", "x"), []string{"200 14"}, second, second},
		{"a request at work is answered, and told that it was the last", get("/?wait=3s"), []string{"200 14 close"}, second, 3 * second},
		{"as are those that were read behind it", get("/?wait=3s") + get("/?wait=1s") + get("/?bytes=3"), []string{"200 14", "200 14", "200 3 close"}, second, 4 * second},
		{"half of one isn't, and costs nobody an answer", get("/?wait=3s") + "GET /", []string{"200 14 close"}, second, 3 * second},
		{"work longer than the grace is called off", get("/?wait=7s"), nil, second, 6 * second},
		{"work that ends with the grace isn't", get("/?wait=5999ms"), []string{"200 14 close"}, second, 5999 * time.Millisecond},
	} {
		t.Run(row.title, func(t *testing.T) {
			bubble(t, nil, func(b *bench) {
				c := b.dial(nil)
				c.send(row.sent)
				b.sleepUntil(row.at)
				b.stop()
				for _, want := range row.answers {
					if got := c.answer(); got != want {
						t.Errorf("got %q, want %q", got, want)
					}
				}
				c.expectEnd(row.end)
				_ = c.Close()
				c.expectGone(row.end) // a lingering close ends with the client's
			})
		})
	}
	t.Run("a peer that doesn't read has the grace, not the write timeout", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dialRoom(1000, nil)
			c.send(get("/?bytes=100000"))
			b.sleepUntil(second)
			b.stop()
			c.expectGone(6 * second)
		})
	})
	t.Run("nor does an answer begun after the stop", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dialRoom(1000, nil)
			c.send(get("/?wait=3s&bytes=100000"))
			b.sleepUntil(second)
			b.stop()
			c.expectGone(6 * second)
		})
	})
	t.Run("but no more than what is left of the write timeout", func(t *testing.T) {
		for _, bytes := range []int{3000, 100_000} { // one write, and one that gathers
			bubble(t, func(o *Options) { o.WriteTimeout = 3 * second }, func(b *bench) {
				c := b.dialRoom(1000, nil)
				c.send(get(fmt.Sprintf("/?bytes=%d", bytes)))
				b.sleepUntil(second)
				b.stop()
				c.expectGone(3 * second)
				if n := b.x.Stats(); n.Timeouts != 1 {
					t.Errorf("counted %d timeouts", n.Timeouts)
				}
			})
		}
	})
	t.Run("with no grace everything ends at once", func(t *testing.T) {
		bubble(t, func(o *Options) { o.Grace = 0 }, func(b *bench) {
			c, d := b.dial(nil), b.dialRoom(1000, nil)
			c.send(get("/?wait=3s"))
			d.send(get("/?bytes=100000"))
			b.sleepUntil(second)
			b.stop()
			c.expectGone(second)
			d.expectGone(second)
		})
	})
	t.Run("what comes afterwards is closed unread", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			b.dial(nil).Close()
			b.sleepUntil(second)
			b.stop()
			synctest.Wait()
			c := b.dial(nil)
			c.expectGone(second)
			d := b.dial(func(conn *Conn) { b.x.Reject(b.ctx, conn) })
			d.expectEnd(second)
		})
	})
	t.Run("a lingering close goes on", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dial(nil)
			c.send(get("*"))
			b.sleepUntil(100 * time.Millisecond)
			b.stop()
			synctest.Wait()
			c.send("more") // would be answered with a reset
			c.expect("400 close", 100*time.Millisecond)
			c.expectGone(500 * time.Millisecond)
		})
	})
	t.Run("but not beyond the grace", func(t *testing.T) {
		bubble(t, func(o *Options) { o.Grace = 200 * time.Millisecond }, func(b *bench) {
			c := b.dial(nil)
			c.send(get("*"))
			b.sleepUntil(100 * time.Millisecond)
			b.stop()
			c.expectGone(300 * time.Millisecond)
			d := b.dial(nil)
			d.expectGone(300 * time.Millisecond)
		})
	})
}

// Where a stop comes while a deadline is being armed, the arming undoes what
// the stop told the socket: whoever armed must notice.
func TestStopWhileADeadlineIsArmed(t *testing.T) {
	for _, row := range []struct {
		title, sent string
		armed       int // which of the read deadline's armings, 0 for the write deadline's
		end         time.Duration
	}{
		{"of an idle connection", "", 1, 0},
		{"of an answer that nobody reads", get("/?bytes=100000"), 0, 5 * second},
		{"of a lingering close", "GET / HTTP/1.0\r\n\r\nx", 2, 100 * time.Millisecond},
	} {
		t.Run(row.title, func(t *testing.T) {
			bubble(t, func(o *Options) {
				if row.armed == 2 {
					o.Grace = 100 * time.Millisecond
				}
			}, func(b *bench) {
				armings := 0
				c := b.dialRoom(1000, func(conn *Conn) {
					s := conn.nc.(*end)
					s.arming = func(d *strike) {
						if d == &s.read {
							armings++
						}
						if d == &s.read && armings == row.armed || d == &s.write && row.armed == 0 {
							s.arming = nil
							b.x.stop()
						}
					}
					b.x.watch.Do(func() {}) // no other stop than that
					b.x.Hold(b.ctx, conn)
				})
				b.wg.Go(func() { _, _ = c.end.Write([]byte(row.sent)) })
				c.expectGone(row.end)
			})
		})
	}
}

func TestDateFollowsTheClock(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		c := b.dial(nil)
		for range 5 {
			c.send(get("/?bytes=0"))
			res, err := http.ReadResponse(c.r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if want, got := time.Now().UTC().Format(http.TimeFormat), res.Header.Get("Date"); got != want {
				t.Errorf("Date is %q, want %q", got, want)
			}
			time.Sleep(999 * time.Millisecond)
		}
	})
}

func TestLingeringClose(t *testing.T) {
	t.Run("the answer to a request that is too large survives", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dialRoom(1000, nil)
			c.send(post("Content-Length: 2000000", ""))
			c.send(strings.Repeat("x", 100_000)) // blocks unless the server drains it
			c.expect("413 close", 0)
			c.expectEnd(0)
			_ = c.Close()
			c.expectGone(0)
		})
	})
	t.Run("it is bounded in time", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dial(nil)
			c.send(get("*"))
			for i := range 5 {
				b.sleepUntil(time.Duration(i) * 100 * time.Millisecond)
				c.send("x")
			}
			c.expectGone(500 * time.Millisecond)
		})
	})
	t.Run("and in bytes", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dialRoom(1000, nil)
			c.send(get("*"))
			sent := 0
			for {
				n, err := c.end.Write(make([]byte, 1000))
				if sent += n; err != nil {
					break
				}
			}
			// What was sent is what was drained, at most a read more, what was
			// in the buffer, and a write that went nowhere.
			if least := int(b.x.opts.LingerBytes); sent < least || sent > least+readSize+1000+1000 {
				t.Errorf("drained %d bytes, want %d", sent, least)
			}
			c.expectGone(0)
		})
	})
	t.Run("a bound of 0 is no lingering", func(t *testing.T) {
		bubble(t, func(o *Options) { o.LingerTimeout = 0 }, func(b *bench) {
			c := b.dial(nil)
			c.send(get("*"))
			c.expectGone(0)
		})
	})
	t.Run("a peer that said all isn't lingered for", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			c := b.dial(nil)
			c.send(with("Connection: close"))
			c.expectGone(0)
		})
	})
}

func TestReject(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		c := b.dial(func(conn *Conn) {
			b.x.Reject(b.ctx, conn)
			if b.since() != 0 {
				t.Errorf("Reject blocked for %v", b.since())
			}
		})
		c.send(get("/"))
		synctest.Wait()
		if s := b.x.Stats(); s.Open != 1 || s.Held != 0 || s.Rejected != 1 || s.Requests != 0 {
			t.Errorf("while it is being turned away: %+v", s)
		}
		c.send(get("/")) // would be answered with a reset
		c.expect("503 close", 0)
		c.expectEnd(0)
		b.x.waitForLeaving() // as Accept does
		if b.since() != 500*time.Millisecond {
			t.Errorf("turned away for %v, want the lingering timeout", b.since())
		}
		b.x.ResetPeaks()
		if s := b.x.Stats(); s.Open != 0 || s.OpenPeak != 0 || s.WaitingPeak != 0 || s.HeldPeak != 0 {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

func TestPanics(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		var events []Event
		b.x.Observe(func(m Moment) {
			events = append(events, m.Event)
			if m.Event == Working && m.Work.Wait == second {
				panic("nobody expects it")
			}
			if m.Event == Panicked && !strings.Contains(m.Err.Error(), "nobody expects it") {
				t.Errorf("the panic is reported as %v", m.Err)
			}
		})
		c := b.dial(nil)
		c.send(get("/?wait=2s") + get("/?wait=1s") + get("/"))
		c.expect("200 14", 2*second)
		c.expect("500 close", 2*second)
		c.expectEnd(2 * second)
		_ = c.Close()
		<-c.gone
		if s := b.x.Stats(); s.Panics != 1 || s.Requests != 2 || s.Held != 0 || s.Open != 0 {
			t.Errorf("counted: %+v", s)
		}
		want := []Event{Accepted, Held, Read, Working, Worked, Answered, Working, Panicked, Answered, Closed}
		if !slices.Equal(events, want) {
			t.Errorf("moments %v, want %v", events, want)
		}
	})
	t.Run("behind an answer nothing is sent", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			b.x.Observe(func(m Moment) {
				if m.Event == Answered {
					panic("too late")
				}
			})
			c := b.dial(nil)
			c.send(get("/"))
			c.expect("200 14", 0)
			c.expectEnd(0)
			c.expectGone(0)
		})
	})
}

func TestObserve(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		var got []string
		b.x.Declare(Limit{Name: "workers", Held: 3, Open: 3})
		b.x.Observe(func(m Moment) {
			name := [...]string{"accepted", "held", "read", "working", "worked", "answered", "timed out", "panicked", "turned away", "closed"}[m.Event]
			switch m.Event {
			case Read:
				name += fmt.Sprintf(" %d bytes", len(m.Bytes))
			case Working, Worked:
				name += fmt.Sprint(" ", m.Work.Wait)
			case TimedOut:
				name += fmt.Sprint(" ", m.Err)
			}
			got = append(got, fmt.Sprintf("%v: connection %d, worker %d: %s", b.since(), m.Conn, m.Worker, name))
		})
		c := b.dial(func(conn *Conn) { b.x.HoldBy(b.ctx, 2, conn) })
		c.send(get("/"))
		c.expect("200 14", 0)
		b.sleepUntil(second)
		c.send(get("/?wait=2s") + "G")
		c.expect("200 14", 3*second)
		c.expect("408 close", 8*second)
		_ = c.Close()
		<-c.gone
		d := b.dial(func(conn *Conn) { b.x.Reject(b.ctx, conn) })
		d.expect("503 close", 8*second)
		_ = d.Close()
		synctest.Wait()
		want := []string{
			"0s: connection 1, worker -1: accepted",
			"0s: connection 1, worker 2: held",
			"0s: connection 1, worker 2: read 27 bytes",
			"0s: connection 1, worker 2: answered",
			"1s: connection 1, worker 2: read 36 bytes",
			"1s: connection 1, worker 2: working 2s",
			"3s: connection 1, worker 2: worked 2s",
			"3s: connection 1, worker 2: answered",
			"8s: connection 1, worker 2: timed out i/o timeout",
			"8s: connection 1, worker 2: answered",
			"8s: connection 1, worker 2: closed",
			"8s: connection 2, worker -1: accepted",
			"8s: connection 2, worker -1: turned away",
			"8s: connection 2, worker -1: closed",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestStats(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		b.x.Declare(Limit{Name: "workers", Held: 2, Open: 3})
		place := func(w int) func(*Conn) { return func(conn *Conn) { b.x.HoldBy(b.ctx, w, conn) } }
		release := make(chan struct{})
		first := b.dial(place(0))
		first.send(get("/?wait=3s"))
		b.sleepUntil(second)
		other := b.dial(place(1))
		other.send(get("/"))
		third := b.dial(func(conn *Conn) { // waits in a queue for a worker
			<-release
			b.x.HoldBy(b.ctx, 1, conn)
		})
		want := Stats{
			At: time.Now(), Accepted: 3, Open: 3, OpenPeak: 3, Held: 2, HeldPeak: 2, WaitingPeak: 1, Requests: 1, HeldTime: second,
			Limit: Limit{Name: "workers", Held: 2, Open: 3}, Workers: []Worker{{Holds: 1}, {Holds: 2}},
		}
		if diff := cmp.Diff(want, b.x.Stats()); diff != "" {
			t.Errorf("after 1s (-want +got):\n%s", diff)
		}

		b.sleepUntil(2 * second)
		_ = other.Close()
		<-other.gone
		close(release)
		b.sleepUntil(3 * second)
		first.expect("200 14", 3*second)
		_ = first.Close()
		<-first.gone
		b.sleepUntil(4 * second)
		// ∫ held dt: the first was held for 3 s, the second for 1 s, the third
		// for 2 s so far.
		want = Stats{
			At: time.Now(), Accepted: 3, Open: 1, OpenPeak: 3, Held: 1, HeldPeak: 2, WaitingPeak: 1, Requests: 2, HeldTime: 6 * second,
			Limit: Limit{Name: "workers", Held: 2, Open: 3}, Workers: []Worker{{Served: 1}, {Holds: 3, Served: 1}},
		}
		if diff := cmp.Diff(want, b.x.Stats()); diff != "" {
			t.Errorf("after 4s (-want +got):\n%s", diff)
		}

		b.x.ResetPeaks()
		if s := b.x.Stats(); s.OpenPeak != 1 || s.HeldPeak != 1 || s.WaitingPeak != 0 {
			t.Errorf("peaks that began anew: %+v", s)
		}
		_ = third.Close()
		<-third.gone
		b.sleepUntil(10 * second)
		if s := b.x.Stats(); s.HeldTime != 6*second || s.Open != 0 || s.Workers[1].Served != 2 {
			t.Errorf("at the end: %+v", s)
		}
	})
}

// A Conn is used again: nothing of its last connection may show.
func TestConnsAreUsedAgain(t *testing.T) {
	bubble(t, nil, func(b *bench) {
		conn := newConn(b.x)
		for i, before := range []string{"", "GE", get("*"), post("Content-Length: 5", "he"), get("/?bytes=100000") + "HEAD", with("Connection: close")} {
			for _, s := range []string{before, get("/")} {
				c, server := newWire(1 << 20)
				conn.reset(server)
				b.x.opened(conn)
				client := &client{bench: b, end: c, server: server, r: bufio.NewReader(c)}
				client.send(s)
				_ = c.CloseWrite()
				conn.x.holds(conn.id, -1)
				if conn.converse() == CloseLingering {
					conn.linger()
				}
				_ = server.Close()
				b.x.closed(conn, -1, true)
				if conn.desk != nil { // as close does
					conn.rises()
				}
				if s != before {
					if got := client.answer(); got != "200 14" {
						t.Errorf("row %d: after %.40q a request is answered %q", i, before, got)
					}
				}
			}
		}
	})
}

func TestOnceReadsOnce(t *testing.T) {
	bubble(t, func(o *Options) { o.Conversation = Once }, func(b *bench) {
		c := b.dial(nil)
		b.sleepUntil(second)
		c.send("\r\n")
		c.expect("200 13 close", second)
		c.expectEnd(second)
		c.expectGone(second)

		d := b.dial(nil)
		d.send(strings.Repeat("x", 3*OnceRead)) // more than is read: the answer survives
		d.expect("200 13 close", second)
		_ = d.Close()
		d.expectGone(second)

		e := b.dial(nil)
		e.expectEnd(6 * second)
	})
}

// deaf is a listener that is out of descriptors for a while.
type deaf struct {
	errs  []error
	asked []time.Duration
	since func() time.Duration
}

func (d *deaf) AcceptTCP() (*net.TCPConn, error) {
	d.asked = append(d.asked, d.since())
	var err error
	if len(d.errs) > 0 {
		err, d.errs = d.errs[0], d.errs[1:]
	}
	if err != nil {
		return nil, &net.OpError{Op: "accept", Err: err}
	}
	return nil, nil
}

func TestAcceptBacksOff(t *testing.T) {
	const ms = time.Millisecond
	bubble(t, nil, func(b *bench) {
		errs := slices.Repeat([]error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM}, 3)[:10]
		ln := &deaf{errs: slices.Concat(errs, []error{nil, syscall.ECONNABORTED, syscall.EMFILE, nil}), since: b.since}
		var backoff time.Duration
		for range 2 {
			if _, err := b.x.accept(b.ctx, ln, &backoff); err != nil {
				t.Fatal(err)
			}
		}
		// 5 ms, doubled up to 1 s; an accepted connection lets it begin anew;
		// a client that gave up costs no wait.
		want := []time.Duration{0, 5 * ms, 15 * ms, 35 * ms, 75 * ms, 155 * ms, 315 * ms, 635 * ms, 1275 * ms, 2275 * ms, 3275 * ms, 3275 * ms, 3275 * ms, 3280 * ms}
		if diff := cmp.Diff(want, ln.asked); diff != "" {
			t.Errorf("accept was called after (-want +got):\n%s", diff)
		}
		if n := b.x.Stats().AcceptBackoffs; n != 11 {
			t.Errorf("counted %d back-offs, want 11", n)
		}
	})
	t.Run("a stop interrupts it", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			ln := &deaf{errs: slices.Repeat([]error{syscall.EMFILE}, 100), since: b.since}
			time.AfterFunc(2*second, b.stop)
			backoff := backoffMax
			if _, err := b.x.accept(b.ctx, ln, &backoff); !errors.Is(err, context.Canceled) || b.since() != 2*second {
				t.Errorf("got %v after %v", err, b.since())
			}
		})
	})
	t.Run("another fault isn't waited out", func(t *testing.T) {
		bubble(t, nil, func(b *bench) {
			var backoff time.Duration
			if _, err := b.x.accept(b.ctx, &deaf{errs: []error{syscall.EINVAL}, since: b.since}, &backoff); !errors.Is(err, syscall.EINVAL) || b.since() != 0 {
				t.Errorf("got %v after %v", err, b.since())
			}
		})
	})
}

func TestOptions(t *testing.T) {
	if _, err := New(DefaultOptions()); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for want, change := range map[string]func(*Options){
		`no conversation "gopher" (conversations: http, once)`:             func(o *Options) { o.Conversation = "gopher" },
		"head timeout is -1ns: it must not be negative (0 turns it off)":   func(o *Options) { o.HeadTimeout = -1 },
		"body timeout is -1ns: it must not be negative (0 turns it off)":   func(o *Options) { o.BodyTimeout = -1 },
		"write timeout is -1ns: it must not be negative (0 turns it off)":  func(o *Options) { o.WriteTimeout = -1 },
		"idle timeout is -1ns: it must not be negative (0 turns it off)":   func(o *Options) { o.IdleTimeout = -1 },
		"grace is -1ns: it must not be negative (0 turns it off)":          func(o *Options) { o.Grace = -1 },
		"linger timeout is -1ns: it must not be negative (0 turns it off)": func(o *Options) { o.LingerTimeout = -1 },
		"linger bytes and spin calibration must not be negative":           func(o *Options) { o.LingerBytes = -1 },
	} {
		o := DefaultOptions()
		change(&o)
		if _, err := New(o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

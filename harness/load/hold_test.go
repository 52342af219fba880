package load

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

// serveAll answers on a connection as long as it is asked.
func serveAll(c *net.TCPConn) {
	r := bufio.NewReader(c)
	for {
		q, err := readRequest(r)
		if err != nil {
			return
		}
		if _, err := c.Write(q.answer()); err != nil || q.close {
			return
		}
	}
}

func holdJob(addr string, n int) HoldJob {
	return HoldJob{Addr: addr, Conversation: scenario.ConversationHTTP, Connections: n, Within: time.Minute}
}

func hold(t *testing.T, h *Holder, job HoldJob) result.Held {
	t.Helper()
	held, err := h.Hold(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestHeldConnectionsAreAnsweredTwice(t *testing.T) {
	const n = 600
	var accepted, requests atomic.Int64
	addr, shut := listen(t, func(c *net.TCPConn) {
		accepted.Add(1)
		r := bufio.NewReader(c)
		for {
			q, err := readRequest(r)
			if err != nil {
				return
			}
			requests.Add(1)
			c.Write(q.answer())
		}
	})
	h := NewHolder()
	defer h.Close()
	goroutines := runtime.NumGoroutine()
	held := hold(t, h, holdJob(addr, n))
	if held.Asked != n || held.Connected != n || held.Answered != n || held.Lost != 0 || held.FirstError != "" || held.TookUs <= 0 {
		t.Errorf("held %+v, want all %d", held, n)
	}
	if accepted.Load() != n || requests.Load() != n {
		t.Errorf("the server says %d connections, %d requests", accepted.Load(), requests.Load())
	}
	// One of the server's goroutines for each, and none of ours.
	if more := runtime.NumGoroutine() - goroutines; more > n+n/10 {
		t.Errorf("%d goroutines more than before, for %d connections that the server has one for each of", more, n)
	}
	released, err := h.Release(t.Context(), addr, time.Minute)
	if err != nil || released.Asked != n || released.Answered != n || released.Lost != 0 || released.FirstError != "" {
		t.Errorf("released %+v, %v, want all %d", released, err, n)
	}
	if again, err := h.Release(t.Context(), addr, time.Minute); err != nil || again.Asked != 0 || again.Lost != 0 {
		t.Errorf("released again %+v, %v, want nothing", again, err)
	}
	shut() // which waits for every connection's end
	if accepted.Load() != n || requests.Load() != 2*n {
		t.Errorf("the server says %d connections, %d requests; want the same connections, asked twice", accepted.Load(), requests.Load())
	}
}

// Of held connections the server closes some, resets some and answers some
// wrongly: those are lost, and no others.
func TestLostConnectionsAreCounted(t *testing.T) {
	const n, closed, wereReset, wrong = 100, 7, 5, 3
	var accepted atomic.Int64
	release := make(chan struct{})
	var gone sync.WaitGroup
	gone.Add(closed + wereReset)
	addr, shut := listen(t, func(c *net.TCPConn) {
		i := accepted.Add(1)
		r := bufio.NewReader(c)
		if q, err := readRequest(r); err == nil {
			c.Write(q.answer())
		}
		<-release
		switch {
		case i <= closed:
			c.Close()
			gone.Done()
		case i <= closed+wereReset:
			c.SetLinger(0)
			c.Close()
			gone.Done()
		case i <= closed+wereReset+wrong:
			if q, err := readRequest(r); err == nil {
				c.Write([]byte(strings.Replace(string(q.answer()), "World", "Moon!", 1)))
			}
		default:
			if q, err := readRequest(r); err == nil {
				c.Write(q.answer())
			}
		}
	})
	h := NewHolder()
	defer h.Close()
	if held := hold(t, h, holdJob(addr, n)); held.Answered != n {
		t.Fatalf("held %+v, want %d", held, n)
	}
	close(release)
	gone.Wait()
	released, err := h.Release(t.Context(), addr, time.Minute)
	if want := int64(closed + wereReset + wrong); err != nil || released.Lost != want || released.Answered != n-want || released.FirstError == "" {
		t.Errorf("released %+v, %v, want %d lost and a reason", released, err, want)
	}
	shut()
}

// A server that holds 16 and leaves the others waiting: these are given up,
// long before the time is over, and the 16 are held.
func TestServerThatCanHoldOnlySome(t *testing.T) {
	const n, can = 300, 16
	places := make(chan struct{}, can)
	over := make(chan struct{})
	addr, shut := listen(t, func(c *net.TCPConn) {
		select {
		case places <- struct{}{}:
			serveAll(c)
			<-places
		case <-over:
		}
	})
	h := NewHolder()
	h.patience = 700 * ms
	defer h.Close()
	begin := time.Now()
	held := hold(t, h, holdJob(addr, n))
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v, most of the bound of a minute", took)
	}
	// No more are opened than may wait: who isn't answered now won't be later.
	if held.Asked != n || held.Connected != can+asking || held.Answered != can || !strings.Contains(held.FirstError, "no answer") {
		t.Errorf("held %+v, want %d", held, can)
	}
	if released, err := h.Release(t.Context(), addr, time.Minute); err != nil || released.Asked != can || released.Answered != can || released.Lost != 0 {
		t.Errorf("released %+v, %v, want %d", released, err, can)
	}
	close(over)
	shut()
}

// Held connections that all fall silent are lost after a while, not after the
// whole bound.
func TestSilentConnectionsAreLost(t *testing.T) {
	addr, shut := listen(t, func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		if q, err := readRequest(r); err == nil {
			c.Write(q.answer())
			io.Copy(io.Discard, r)
		}
	})
	h := NewHolder()
	defer h.Close()
	if held := hold(t, h, holdJob(addr, 20)); held.Answered != 20 {
		t.Fatalf("held %+v, want 20", held)
	}
	released, err := h.Release(t.Context(), addr, 100*ms)
	if err != nil || released.Lost != 20 || released.Answered != 0 {
		t.Errorf("released %+v, %v, want 20 lost", released, err)
	}
	shut()
}

func TestWhatCannotBeHeldIsClosed(t *testing.T) {
	for _, row := range []struct {
		is     string
		answer string
		expect Expect
		says   string
	}{
		{"a wrong answer", strings.Replace(string(asked{}.answer()), "World", "Moon!", 1), Expect{}, "body"},
		{"503", "HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n", Expect{}, "503"},
		{"a server that closes, and says so", string(asked{close: true}.answer()), Expect{}, "can't be held"},
		{"a server that closes, and means it", "HTTP/1.0 200 OK\r\n\r\nbye", Expect{Foreign: true}, "can't be held"},
		{"no answer", "", Expect{}, "EOF"},
	} {
		addr, shut := listen(t, func(c *net.TCPConn) {
			if _, err := readRequest(bufio.NewReader(c)); err == nil {
				io.WriteString(c, row.answer)
			}
		})
		h := NewHolder()
		job := holdJob(addr, 5)
		job.Expect = row.expect
		held := hold(t, h, job)
		if held.Connected != 5 || held.Answered != 0 || !strings.Contains(held.FirstError, row.says) {
			t.Errorf("%s: held %+v, want none, and an error that says %q", row.is, held, row.says)
		}
		shut()
		h.Close()
	}
}

// A foreign server is held by a request of one's own.
func TestHoldingByARequestOfOnesOwn(t *testing.T) {
	addr, shut := listen(t, func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for range 2 {
			if line, err := r.ReadString('\n'); err != nil || line != "GET /hello HTTP/1.1\r\n" {
				return
			}
			for line := ""; line != "\r\n"; {
				var err error
				if line, err = r.ReadString('\n'); err != nil {
					return
				}
			}
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
		}
	})
	h := NewHolder()
	defer h.Close()
	job := holdJob(addr, 5)
	job.Request, job.Expect = []byte("GET /hello HTTP/1.1\nHost: {host}\n"), Expect{Foreign: true, Length: 2}
	if held := hold(t, h, job); held.Answered != 5 {
		t.Errorf("held %+v, want 5", held)
	}
	if released, err := h.Release(t.Context(), addr, time.Minute); err != nil || released.Answered != 5 {
		t.Errorf("released %+v, %v, want 5", released, err)
	}
	shut()
}

func TestNobodyToHoldAnything(t *testing.T) {
	addr, shut := listen(t, func(*net.TCPConn) {})
	shut()
	h := NewHolder()
	defer h.Close()
	if held := hold(t, h, holdJob(addr, 50)); held.Connected != 0 || held.Answered != 0 || !strings.Contains(held.FirstError, "refused") {
		t.Errorf("held %+v, want none, refused", held)
	}
}

func TestHoldingIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	addr, shut := listen(t, func(c *net.TCPConn) {
		cancel()
		io.Copy(io.Discard, c)
	})
	h := NewHolder()
	defer h.Close()
	if _, err := h.Hold(ctx, holdJob(addr, 50)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the context's error", err)
	}
	shut() // for which no connection may be left
}

func TestHoldJobIsValidated(t *testing.T) {
	for _, row := range []struct {
		is     string
		change func(*HoldJob)
		says   string
	}{
		{"no connections", func(j *HoldJob) { j.Connections = 0 }, "want 1 to"},
		{"too many", func(j *HoldJob) { j.Connections = scenario.MaxIdle + 1 }, "want 1 to"},
		{"no time", func(j *HoldJob) { j.Within = 0 }, "above 0"},
		{"a conversation that closes", func(j *HoldJob) { j.Conversation = scenario.ConversationOnce }, "closes"},
		{"no address", func(j *HoldJob) { j.Addr = "here" }, "server's address"},
		{"a request that is none", func(j *HoldJob) { j.Request = []byte("hello") }, "GET / HTTP/1.1"},
	} {
		j := holdJob("127.0.0.1:80", 1)
		if err := j.Validate(); err != nil {
			t.Fatal(err)
		}
		row.change(&j)
		if err := j.Validate(); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want an error that says %q", row.is, err, row.says)
		}
	}
}

// What is dropped is closed, unasked, and forgotten.
func TestHeldConnectionsAreDropped(t *testing.T) {
	const n = 20
	var ended atomic.Int64
	addr, shut := listen(t, func(c *net.TCPConn) {
		serveAll(c)
		ended.Add(1)
	})
	h := NewHolder()
	defer h.Close()
	if held := hold(t, h, holdJob(addr, n)); held.Answered != n {
		t.Fatalf("held %+v, want %d", held, n)
	}
	if err := h.Drop(addr); err != nil {
		t.Fatal(err)
	}
	if released, err := h.Release(t.Context(), addr, time.Second); err != nil || released.Asked != 0 {
		t.Errorf("released %+v, %v, want none", released, err)
	}
	shut() // waits for those that serve
	if ended.Load() != n {
		t.Errorf("%d connections ended, want %d", ended.Load(), n)
	}
}

package exchange

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serve has an exchange hold every connection to a loopback listener, and
// returns its address. stop stops it and waits for it; only then is everything
// counted. The test's end calls it too.
func serve(t *testing.T, change func(*Options)) (addr string, x *Exchange, stop func()) {
	t.Helper()
	o := DefaultOptions()
	if change != nil {
		change(&o)
	}
	x, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for conn := range x.Accept(ctx, ln) {
			wg.Go(func() { x.Hold(ctx, conn) })
		}
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := x.Err(); err != nil {
			t.Errorf("accept ended with %v", err)
		}
		if s := x.Stats(); s.Open != 0 || s.Held != 0 {
			t.Errorf("connections are left: %+v", s)
		}
	})
	t.Cleanup(stop)
	return ln.Addr().String(), x, stop
}

// browser returns a client of net/http.
func browser(t *testing.T) *http.Client {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// oneRead hides a reader's other methods, so that net/http sends it chunked.
type oneRead struct{ io.Reader }

func TestNetHTTPClient(t *testing.T) {
	addr, _, _ := serve(t, nil)
	client := browser(t)
	megabyte := strings.Repeat("x", MaxBody)
	for _, row := range []struct {
		title, method, target string
		body                  io.Reader
		change                func(*http.Request)
		status                int
		size                  int64
	}{
		{"GET", "GET", "/", nil, nil, 200, 14},
		{"HEAD", "HEAD", "/?bytes=1000", nil, nil, 200, 1000},
		{"POST with a length", "POST", "/", strings.NewReader("hello"), nil, 200, 14},
		{"POST chunked", "POST", "/", oneRead{strings.NewReader("hello")}, nil, 200, 14},
		{"POST of 1 MiB", "POST", "/", strings.NewReader(megabyte), nil, 200, 14},
		{"POST of 1 MiB, chunked", "POST", "/", oneRead{strings.NewReader(megabyte)}, nil, 200, 14},
		{"POST with a trailer", "POST", "/", oneRead{strings.NewReader("hello")}, func(r *http.Request) { r.Trailer = http.Header{"A": {"b"}} }, 200, 14},
		{"POST that asks first", "POST", "/", strings.NewReader("hello"), func(r *http.Request) { r.Header.Set("Expect", "100-continue") }, 200, 14},
		{"PUT of nothing", "PUT", "/", http.NoBody, nil, 200, 14},
		{"a wait", "GET", "/?wait=1ms", nil, nil, 200, 14},
		{"no body", "GET", "/?bytes=0", nil, nil, 200, 0},
		{"16 MiB", "GET", "/?bytes=16777216", nil, nil, 200, 16 << 20},
		{"a body as large as the buffer leaves room for, and around", "GET", "/?bytes=3950", nil, nil, 200, 3950},
		{"a request that is refused", "GET", "/?wait=1h", nil, nil, 400, -1},
		{"POST of more than 1 MiB", "POST", "/", strings.NewReader(megabyte + "x"), nil, 413, -1},
		{"POST of more than 1 MiB, chunked", "POST", "/", oneRead{strings.NewReader(megabyte + "x")}, nil, 413, -1},
		{"and the last connection is still good", "GET", "/", nil, nil, 200, 14},
		{"close", "GET", "/", nil, func(r *http.Request) { r.Close = true }, 200, 14},
	} {
		t.Run(row.title, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), row.method, "http://"+addr+row.target, row.body)
			if err != nil {
				t.Fatal(err)
			}
			if row.change != nil {
				row.change(req)
			}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case res.StatusCode != row.status:
				t.Errorf("status %d, want %d", res.StatusCode, row.status)
			case row.size >= 0 && res.ContentLength != row.size:
				t.Errorf("length %d, want %d", res.ContentLength, row.size)
			case row.size >= 0 && row.method != "HEAD" && !isFiller(body, row.size):
				t.Errorf("a body of %d bytes that isn't %d of filler", len(body), row.size)
			case (res.Header.Get("X-Service-Us") != "") != strings.Contains(row.target, "wait=1ms"):
				t.Errorf("X-Service-Us is %q", res.Header.Get("X-Service-Us"))
			}
			if d, err := http.ParseTime(res.Header.Get("Date")); err != nil || time.Since(d) > time.Minute || time.Since(d) < -time.Minute {
				t.Errorf("Date is %v, %v", d, err)
			}
		})
	}
}

func isFiller(body []byte, size int64) bool {
	for rest := body; len(rest) > 0; rest = rest[min(len(rest), len(filler)):] {
		if !bytes.HasPrefix(filler, rest[:min(len(rest), len(filler))]) {
			return false
		}
	}
	return int64(len(body)) == size
}

func TestKeptConnectionsAreUsedAgain(t *testing.T) {
	addr, x, stop := serve(t, nil)
	client := browser(t)
	const requests = 20
	for i := range requests {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) {
			if c.Reused != (i > 0) {
				t.Errorf("request %d: on a reused connection: %v", i, c.Reused)
			}
		}})
		// A chunked body now and then: its end must be found to the byte.
		req, err := http.NewRequestWithContext(ctx, "POST", fmt.Sprintf("http://%s/?bytes=%d", addr, i*1000), oneRead{strings.NewReader(strings.Repeat("x", i*1000))})
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	stop()
	if s := x.Stats(); s.Accepted != 1 || s.Requests != requests {
		t.Errorf("%d requests on %d connections", s.Requests, s.Accepted)
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	addr, x, stop := serve(t, nil)
	const clients, requests = 16, 50
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			client := browser(t)
			for j := range requests {
				size := int64((i*requests + j) * 37 % 200_000)
				res, err := client.Get(fmt.Sprintf("http://%s/?bytes=%d&wait=%dus", addr, size, j))
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || !isFiller(body, size) {
					t.Errorf("client %d, request %d: %d bytes of %d, %v", i, j, len(body), size, err)
					return
				}
			}
		})
	}
	wg.Wait()
	stop()
	if s := x.Stats(); s.Requests != clients*requests {
		t.Errorf("%d requests were answered, want %d", s.Requests, clients*requests)
	}
}

// On a real socket too, a client that is still sending when it is refused gets
// the answer, not a reset.
func TestRefusalsSurviveOnRealSockets(t *testing.T) {
	addr, _, _ := serve(t, nil)
	for range 20 {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = io.WriteString(nc, post("Content-Length: 1048577", ""))
			_, _ = io.WriteString(nc, strings.Repeat("x", 200_000))
			_ = nc.(*net.TCPConn).CloseWrite()
		})
		answer, err := io.ReadAll(nc)
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 413 ")) {
			t.Errorf("got %.40q, %v", answer, err)
		}
		wg.Wait()
		_ = nc.Close()
	}
}

// After a stop the backlog is closed: whoever waits in it is told at once.
func TestStopOnRealSockets(t *testing.T) {
	x, err := New(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	accepted := make(chan *Conn, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for conn := range x.Accept(ctx, ln) {
			accepted <- conn
		}
	})
	at, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	conn := <-accepted
	working := make(chan struct{})
	x.observe = func(m Moment) {
		if m.Event == Working {
			close(working)
		}
	}
	wg.Go(func() { x.Hold(ctx, conn) })
	_, _ = io.WriteString(at, get("/?wait=50ms"))
	<-working
	stop()
	res, err := http.ReadResponse(bufio.NewReader(at), nil)
	if err != nil || res.StatusCode != 200 || !res.Close {
		t.Errorf("the request at work is answered with %+v, %v", res, err)
	}
	_ = at.Close()
	wg.Wait()
	if err := x.Err(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		t.Error("the listener is still open")
	}
}

// Sockets whose deadlines strike again and again, early each time, lose nothing
// and write nothing twice: neither where a read waits, with something of a
// request there or nothing, nor where there is no room for an answer.
func TestEarlyDeadlinesOnRealSockets(t *testing.T) {
	x, err := New(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := ln.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	_ = nc.SetWriteBuffer(1) // as small as the system allows
	read := make(chan int, 10_000)
	x.observe = func(m Moment) {
		if m.Event == Read {
			read <- len(m.Bytes)
		}
	}
	wg.Go(func() { x.Hold(context.Background(), x.Adopt(nc)) })
	var strikes atomic.Int64
	over := make(chan struct{})
	defer close(over)
	wg.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				_ = nc.SetDeadline(past)
				strikes.Add(1)
				runtime.Gosched()
			}
		}
	})
	struck := func() {
		for enough := strikes.Load() + 100; strikes.Load() < enough; {
			runtime.Gosched()
		}
	}
	r := bufio.NewReader(client)
	expect := func(n int64) {
		t.Helper()
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if want := strings.Repeat(fillerText, int(n/fillerPeriod)+1)[:n]; err != nil || string(body) != want {
			t.Fatalf("an answer has %d bytes, %v; want %d", len(body), err, n)
		}
	}
	for range 10 {
		struck() // nothing of a request is there
		for _, part := range []string{"GET", " /?bytes=7 HTTP/1.1\r\nHo", "st: a\r\n\r\n"} {
			_, _ = io.WriteString(client, part)
			for left := len(part); left > 0; left -= <-read {
			}
			struck()
		}
		expect(7)
	}
	for bytes, n := range map[int64]int{3000: 2000, 200_000: 30} { // one write, and one that gathers
		answers := x.Stats().Requests
		wg.Go(func() { _, _ = io.WriteString(client, strings.Repeat(get(fmt.Sprint("/?bytes=", bytes)), n)) })
		for before := int64(-1); before != answers; answers = x.Stats().Requests { // until there is no room
			before = answers
			struck()
		}
		for range n {
			expect(bytes)
		}
	}
	if n := x.Stats().Timeouts; n != 0 {
		t.Errorf("%d timeouts", n)
	}
}

func TestAcceptReportsTheListenersFault(t *testing.T) {
	x, err := New(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	for range x.Accept(t.Context(), ln) {
		t.Error("a closed listener accepts")
	}
	if err := x.Err(); err == nil || !strings.Contains(err.Error(), "accept on 127.0.0.1:") {
		t.Errorf("got %v", err)
	}
}

func TestOnceOnRealSockets(t *testing.T) {
	addr, _, _ := serve(t, func(o *Options) { o.Conversation = Once })
	for _, sent := range []string{"\r\n", get("/"), "x", strings.Repeat("x", 5000)} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, sent)
		answer, err := io.ReadAll(nc)
		if err != nil || string(answer) != onceAnswer {
			t.Errorf("%.20q is answered with %q, %v", sent, answer, err)
		}
		_ = nc.Close()
	}
}

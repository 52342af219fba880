package load

import (
	"net"
	"testing"
	"time"

	"workbench/harness/result"
	"workbench/harness/scenario"
)

func TestAppendRequest(t *testing.T) {
	for _, row := range []struct {
		r            scenario.Request
		conversation string
		last         bool
		want         string
	}{
		{scenario.Request{}, "http", false, "GET / HTTP/1.1\r\nHost: h:1\r\n\r\n"},
		{scenario.Request{ThinkUs: 5}, "http", true, "GET / HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n"},
		{scenario.Request{WaitUs: 10}, "http", false, "GET /?wait=10us HTTP/1.1\r\nHost: h:1\r\n\r\n"},
		{scenario.Request{SpinUs: 20, Bytes: 4096}, "http", false, "GET /?spin=20us&bytes=4096 HTTP/1.1\r\nHost: h:1\r\n\r\n"},
		{scenario.Request{WaitUs: 10, SpinUs: 20, Bytes: 30}, "http", false, "GET /?wait=10us&spin=20us&bytes=30 HTTP/1.1\r\nHost: h:1\r\n\r\n"},
		{scenario.Request{}, "once", true, "GET / HTTP/1.1\r\nHost: h:1\r\n\r\n"},
	} {
		if got := string(appendRequest(nil, "h:1", row.conversation, row.r, row.last)); got != row.want {
			t.Errorf("%+v: %q, want %q", row.r, got, row.want)
		}
	}
}

// People write requests in an editor.
func TestFixedRequest(t *testing.T) {
	for _, row := range []struct{ is, file, want string }{
		{"as it is sent", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"in lines of Unix", "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"without the empty line", "GET / HTTP/1.1\nHost: x\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
		{"without any line's end", "GET / HTTP/1.1", "GET / HTTP/1.1\r\n\r\n"},
		{"with the server's address", "GET http://{host}/ HTTP/1.1\nHost: {host}\n\n", "GET http://h:1/ HTTP/1.1\r\nHost: h:1\r\n\r\n"},
		{"with a body, which is left as it is", "POST / HTTP/1.1\nContent-Length: 5\n\na\nb\r\n", "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\r\n"},
		{"none", "", ""},
	} {
		if got := string(Job{Request: []byte(row.file)}.fixedRequest("h:1")); got != row.want {
			t.Errorf("%s: %q, want %q", row.is, got, row.want)
		}
	}
}

// A check is worth what it finds.
func TestLittleResidual(t *testing.T) {
	for _, row := range []struct {
		is                 string
		clients            int
		recorded, inFlight float64
		paused             float64
		want               float64
	}{
		{"four clients, always in a request", 4, 4000, 4000, 0, 0},
		{"four clients that think half of the time", 4, 2000, 2000, 2000, 0},
		{"a tenth of the time spent on nothing", 4, 3600, 3600, 0, 0.1},
		{"a tenth of the requests lost on their way to the record", 4, 3600, 4000, 0, 0.1},
		{"arrivals, of which one in five was recorded as too long", 0, 500, 400, 0, 0.2},
		{"nothing at all, of nobody", 0, 0, 0, 0, 0},
	} {
		l := result.Load{Clients: row.clients, WindowUs: 1000, RecordedUs: row.recorded, InFlightUs: row.inFlight}
		if got := littleResidual(l, row.paused); got < row.want-1e-9 || got > row.want+1e-9 {
			t.Errorf("%s: %v, want %v", row.is, got, row.want)
		}
	}
}

// A canned connection answers every request at once, with the same bytes.
type canned struct {
	net.Conn
	answer []byte
	sent   int
}

func (c *canned) Write(b []byte) (int, error) { c.sent = 0; return len(b), nil }
func (c *canned) Read(b []byte) (int, error) {
	n := copy(b, c.answer[c.sent:])
	c.sent += n
	return n, nil
}
func (c *canned) SetReadDeadline(time.Time) error { return nil }
func (c *canned) Close() error                    { return nil }

func TestRequestOnAKeptConnectionDoesNotAllocate(t *testing.T) {
	q := asked{work: true, bytes: 100_000}
	s := closed(1, 1000, "1us", "")
	s.Bytes = q.bytes
	c := cannedClient(s, q.answer())
	if n := testing.AllocsPerRun(1000, func() {
		if !c.request(c.stream.Next(), false, arrival{due: c.play.now(), sent: c.play.now()}) {
			t.Fatal(c.firstError)
		}
	}); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

// cannedClient is a client that is connected, in an open window.
func cannedClient(s scenario.Scenario, answer []byte) *client {
	p := newPlaying(s)
	c := newClient(p, scenario.NewPlan(s, 1).Stream(0, 0, 0), newRecorder())
	c.conn = &canned{answer: answer}
	return c
}

func newPlaying(s scenario.Scenario) *playing {
	p := &playing{
		job: Job{Scenario: s, Timeout: time.Minute}, closed: true, addr: "127.0.0.1:80", engine: newNetEngine(),
		begin: time.Now(), over: make(chan struct{}), allFinished: make(chan struct{}), enough: make(chan struct{}),
	}
	p.window.to.Store(never)
	return p
}

func BenchmarkRequest(b *testing.B) {
	c := cannedClient(closed(1, 1000, "", ""), asked{}.answer())
	b.ReportAllocs()
	for b.Loop() {
		if !c.request(c.stream.Next(), false, arrival{due: c.play.now(), sent: c.play.now()}) {
			b.Fatal(c.firstError)
		}
	}
}

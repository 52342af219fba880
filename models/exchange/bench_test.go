package exchange

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// A tape is a stream without a peer: it plays one request as often as asked,
// and swallows the answers.
type tape struct {
	request []byte
	at      int         // of request
	more    func() bool // asked before each request: whether to play it
}

func (s *tape) Read(b []byte) (int, error) {
	if s.at == 0 && !s.more() {
		return 0, io.EOF
	}
	n := copy(b, s.request[s.at:])
	if s.at += n; s.at == len(s.request) {
		s.at = 0
	}
	return n, nil
}

// times returns a tape's more that plays n requests.
func times(n int) func() bool {
	return func() bool { n--; return n >= 0 }
}

func (*tape) Write(b []byte) (int, error)        { return len(b), nil }
func (*tape) Close() error                       { return nil }
func (*tape) CloseWrite() error                  { return nil }
func (*tape) LocalAddr() net.Addr                { return nil }
func (*tape) RemoteAddr() net.Addr               { return nil }
func (*tape) SetDeadline(time.Time) error        { return nil }
func (*tape) SetReadDeadline(t time.Time) error  { return nil }
func (*tape) SetWriteDeadline(t time.Time) error { return nil }

// paths are the requests whose cost counts.
var paths = []struct{ name, request string }{
	{"plain", get("/")},
	{"as clients send it", "GET /?bytes=14 HTTP/1.1\r\nHost: 127.0.0.1:8888\r\nUser-Agent: workbench\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"},
	{"IPv6 host", "GET / HTTP/1.1\r\nHost: [::1]:8888\r\n\r\n"},
	{"body past the buffer", get("/?bytes=262144")},
	{"posted", post("Content-Length: 5", "hello")},
	{"chunked", chunked("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n")},
	{"work", get("/?wait=1ns&spin=1ns")},
	{"head of 10 KiB in pieces", headOf(10 << 10)},
}

func BenchmarkMachine(b *testing.B) {
	for _, path := range paths {
		b.Run(path.name, func(b *testing.B) {
			b.ReportAllocs()
			var m Machine
			m.Reset(HTTP, testDateOnce)
			request := []byte(path.request)
			for b.Loop() {
				converseOnce(&m, request)
			}
		})
	}
}

var dateLineForTests = testDate()

func testDateOnce() []byte { return dateLineForTests }

// converseOnce has m answer one request.
func converseOnce(m *Machine, request []byte) {
	for answered := false; ; {
		switch m.Next() {
		case NeedMore:
			if answered {
				return
			}
			m.Feed(request[:min(len(request), readSize)])
			request = request[min(len(request), readSize):]
		case DoWork:
			m.Worked(time.Microsecond)
		case Output:
			answered = true
		case Close:
			panic("closed")
		}
	}
}

func BenchmarkHold(b *testing.B) {
	for _, path := range paths {
		b.Run(path.name, func(b *testing.B) {
			b.ReportAllocs()
			// One connection for all requests: what is measured is the
			// kept-alive path.
			x, _ := New(DefaultOptions())
			x.Hold(b.Context(), x.adopt(&tape{request: []byte(path.request), more: b.Loop}))
		})
	}
}

func BenchmarkConnection(b *testing.B) {
	b.ReportAllocs()
	x, _ := New(DefaultOptions())
	s := &tape{request: []byte(get("/"))}
	one := func() bool { s.more = never; return true }
	for b.Loop() {
		s.more = one
		x.Hold(b.Context(), x.adopt(s))
	}
}

func never() bool { return false }

// No request allocates: neither the machine nor the driver.
func TestAllocations(t *testing.T) {
	// A connection costs a few allocations, fewer than this (a new Conn is
	// four); so if a hundredth of the requests cost one each, it would show.
	const requests, perConnection = 5000, 50
	for _, path := range paths {
		t.Run(path.name, func(t *testing.T) {
			var m Machine
			m.Reset(HTTP, testDateOnce)
			request := []byte(path.request)
			if n := testing.AllocsPerRun(100, func() { converseOnce(&m, request) }); n != 0 {
				t.Errorf("the machine allocates %v times per request", n)
			}
			x, err := New(DefaultOptions())
			if err != nil {
				t.Fatal(err)
			}
			s := &tape{request: request}
			if n := testing.AllocsPerRun(3, func() {
				s.more = times(requests)
				x.Hold(t.Context(), x.adopt(s))
			}); n > perConnection {
				t.Errorf("the driver allocates %v times in a connection of %d requests", n, requests)
			}
			if got := x.Stats().Requests; got != 4*requests {
				t.Errorf("%d requests were answered, want %d", got, 4*requests)
			}
		})
	}
}

func TestSpinIsCounted(t *testing.T) {
	o := DefaultOptions()
	o.SpinPerUs = CalibrateSpin()
	if o.SpinPerUs <= 0 {
		t.Fatalf("calibrated %v iterations per µs", o.SpinPerUs)
	}
	x, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if !x.spin(time.Millisecond) {
		t.Error("a spin is called off by nobody")
	}
	x.killed.Store(true)
	if x.spin(time.Hour) { // returns at once, or the test never ends
		t.Error("a spin isn't called off by the end of the grace")
	}
}

func BenchmarkSpin(b *testing.B) {
	o := DefaultOptions()
	o.SpinPerUs = CalibrateSpin()
	x, _ := New(o)
	for _, d := range []time.Duration{10 * time.Microsecond, 200 * time.Microsecond, 2 * time.Millisecond} {
		b.Run(fmt.Sprint(d), func(b *testing.B) {
			for b.Loop() {
				x.spin(d)
			}
		})
	}
}

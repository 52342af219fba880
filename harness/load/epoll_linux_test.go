package load

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workbench/harness/result"
	"workbench/harness/scenario"
	"workbench/models/eventloop"
)

// Black-box tests play with every engine, in a process of its own (see
// eachEngine). Here are those that look inside of this one.

// oneLoop is an engine in this process, which leaves a processor to the server
// of a test.
func oneLoop(t *testing.T) *epollEngine {
	t.Helper()
	before := runtime.GOMAXPROCS(0)
	if before < 3 {
		runtime.GOMAXPROCS(3)
		t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	}
	return &epollEngine{loops: 1}
}

// quickServer answers every request rightly, and allocates nothing once it has
// seen as many connections as there are at once.
func quickServer(t *testing.T) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	poller, err := eventloop.NewPoller(64)
	if err != nil {
		t.Fatal(err)
	}
	listening := int(file.Fd())
	if err := unix.SetNonblock(listening, true); err != nil {
		t.Fatal(err)
	}
	poller.Add(listening, uint64(listening), eventloop.In)
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		keep, last := asked{}.answer(), asked{close: true}.answer()
		b := make([]byte, 4096)
		for {
			select {
			case <-stop:
				return
			default:
			}
			events := poller.Wait(-1)
			for i := range events {
				fd := int(events[i].Token())
				if fd == listening {
					for {
						c, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listening), 0, 0, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
						if errno != 0 {
							break
						}
						poller.Add(int(c), uint64(c), eventloop.In)
					}
					continue
				}
				n, errno := eventloop.Recv(fd, b)
				switch {
				case errno == unix.EAGAIN:
				case n <= 0:
					eventloop.Close(fd)
				case bytes.Contains(b[:n], []byte("Connection: close")):
					eventloop.Send(fd, last)
					eventloop.Close(fd)
				default:
					eventloop.Send(fd, keep)
				}
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		poller.Wake()
		<-done
		poller.Close()
		file.Close()
		ln.Close()
	})
	return ln.Addr().String()
}

// The engine pays with system calls and with nothing of the collector's.
func TestEpollRequestsDontAllocate(t *testing.T) {
	varied := closed(4, 10, "", "")
	varied.Bytes = int64(len(greeting)) // as a request says it
	for _, row := range []struct {
		is string
		s  scenario.Scenario
	}{
		{"on kept connections", closed(4, 1_000_000, "", "")},
		{"on a connection each", closed(4, 1, "", "")},
		{"on connections of ten, that say what they want", varied},
		{"of arrivals", open(2000, scenario.ArrivalsConstant, "")},
		{"of sessions that think", sessions(500, scenario.ArrivalsPoisson, 4, "", "1ms")},
	} {
		t.Run(row.is, func(t *testing.T) {
			e, addr := oneLoop(t), quickServer(t)
			cost := func(atLeast int64) (mallocs, requests int64) {
				var before, after runtime.MemStats
				job := Job{Addr: addr, Scenario: row.s, Count: 10 * ms, MinRequests: atLeast, CountMax: time.Minute}
				o, err := e.Play(t.Context(), job, func() error {
					runtime.ReadMemStats(&before)
					return nil
				})
				runtime.ReadMemStats(&after)
				if l := o.Load; err != nil || l.Requests < atLeast || l.Errors.Total() != 0 {
					t.Fatalf("%d requests, errors %+v (%s), %v", l.Requests, l.Errors, l.FirstError, err)
				}
				return int64(after.Mallocs - before.Mallocs), o.Load.RequestsAll
			}
			cost(100) // the engine's recorders, once and for all
			fewMallocs, few := cost(100)
			manyMallocs, many := cost(1500)
			// The runtime makes a few of its own: when it starts threads, and in ReadMemStats.
			if each := float64(manyMallocs-fewMallocs) / float64(many-few); each > 0.1 {
				t.Errorf("%d allocations for %d requests and %d for %d: %.2f a request, want none", fewMallocs, few, manyMallocs, many, each)
			}
		})
	}
}

// However a slice ends, every descriptor is given back.
func TestEpollGivesDescriptorsBack(t *testing.T) {
	descriptors := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err) // a system without /proc: what is open can't be counted
		}
		return len(fds)
	}
	quick := quickServer(t)
	silent, _ := listen(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	busy, _ := listen(t, func(c *net.TCPConn) { answering(c) })
	e := oneLoop(t)
	for _, row := range []struct {
		is  string
		job Job
		cut bool
	}{
		{"a closed loop", Job{Addr: quick, Scenario: closed(20, 3, "", "1ms"), Count: 30 * ms}, false},
		{"an open loop", Job{Addr: quick, Scenario: open(1000, scenario.ArrivalsPoisson, ""), Count: 30 * ms}, false},
		{"sessions", Job{Addr: quick, Scenario: sessions(500, scenario.ArrivalsPoisson, 3, "", "3ms"), Count: 30 * ms}, false},
		{"sessions in a request and in thought when the window ends", Job{Addr: busy, Scenario: sessions(500, scenario.ArrivalsPoisson, 3, "10ms", "10ms"), Count: 50 * ms}, false},
		{"clients that time out", Job{Addr: silent, Scenario: closed(20, 1, "", ""), Count: 30 * ms, Timeout: 20 * ms}, false},
		{"clients that hang up", Job{Addr: silent, Scenario: closed(20, 1, "", ""), Count: 30 * ms, HangUp: true}, false},
		{"arrivals that are cut", Job{Addr: silent, Scenario: open(1000, scenario.ArrivalsConstant, ""), Count: time.Minute}, true},
	} {
		var before int
		ctx, cancel := context.WithCancel(t.Context())
		o, err := e.Play(ctx, row.job, func() error {
			before = descriptors()
			if row.cut {
				time.AfterFunc(20*ms, cancel)
			}
			return nil
		})
		cancel()
		if row.cut != errors.Is(err, context.Canceled) || o.Load.ConnectionsAsked == 0 {
			t.Errorf("%s: %d connections, %v", row.is, o.Load.ConnectionsAsked, err)
		}
		// The loop's epoll and eventfd were open when it was about to begin. The
		// other ends of connections are this process's too, and close in their own time.
		deadline := time.Now().Add(20 * time.Second)
		for descriptors() > before-2 && time.Now().Before(deadline) {
			runtime.Gosched()
		}
		if after := descriptors(); after > before-2 {
			t.Errorf("%s: %d descriptors afterwards, want %d", row.is, after, before-2)
		}
	}
}

// What is spent awake while an arrival is not due yet is counted, as part of the
// CPU time; loops that have no schedule don't do that at all.
func TestEpollCountsWhatItSpins(t *testing.T) {
	e, addr := oneLoop(t), quickServer(t)
	for _, row := range []struct {
		s     scenario.Scenario
		spins bool
	}{
		{open(400, scenario.ArrivalsConstant, ""), true},
		{sessions(200, scenario.ArrivalsPoisson, 2, "", "1ms"), true},
		{closed(4, 1, "", "3ms"), false},
	} {
		o, err := e.Play(t.Context(), Job{Addr: addr, Scenario: row.s, Seed: 1, Settle: 50 * ms, Count: 250 * ms}, nil)
		l := o.Load
		if err != nil || l.Errors.Total() != 0 || l.CPUs != 1 {
			t.Fatalf("%s: errors %+v (%s) on %d CPUs, %v", row.s.Loop, l.Errors, l.FirstError, l.CPUs, err)
		}
		if row.spins != (l.SpunUs > 0) || row.spins != (l.WindowSpunUs > 0) || l.WindowSpunUs > l.SpunUs || l.WindowSpunUs > l.WindowCPUUs || l.SpunUs > l.CPUUs {
			t.Errorf("%s: %v µs of CPU, %v of them spun; in the window %v, %v of them spun", row.s.Loop, l.CPUUs, l.SpunUs, l.WindowCPUUs, l.WindowSpunUs)
		}
		if l.WindowCPUUs > l.CPUUs || l.WindowCPUWallUs < 0.5*l.WindowUs {
			t.Errorf("%s: %v µs of CPU in %v µs of a window of %v, %v in all", row.s.Loop, l.WindowCPUUs, l.WindowCPUWallUs, l.WindowUs, l.CPUUs)
		}
	}
}

// The count of what is under way and the recorded times agree: in the middle
// of a server's silence, with failures, retries and pauses, whichever way a
// slice ends.
func TestEpollAgreesWithItself(t *testing.T) {
	quick := quickServer(t)
	silent, _ := listen(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) })
	fickle, _ := listen(t, func(c *net.TCPConn) { // closes after the first answer, and is refused a reason
		r := bufio.NewReader(c)
		if _, err := readRequest(r); err == nil {
			c.Write(asked{}.answer())
			r.Peek(1)
		}
	})
	e := oneLoop(t)
	for _, row := range []struct {
		is  string
		job Job
	}{
		{"a closed loop", Job{Addr: quick, Scenario: closed(8, 5, "", ""), Settle: 20 * ms, Count: 60 * ms}},
		{"one that thinks", Job{Addr: quick, Scenario: closed(8, 1, "", "exp:2ms"), Settle: 20 * ms, Count: 60 * ms}},
		{"one whose connections go stale", Job{Addr: fickle, Scenario: closed(8, 5, "", ""), Settle: 20 * ms, Count: 60 * ms}},
		{"one that times out and backs off", Job{Addr: silent, Scenario: closed(8, 1, "", ""), Settle: 20 * ms, Count: 100 * ms, Timeout: 7 * ms}},
		{"one that hangs up", Job{Addr: silent, Scenario: closed(8, 1, "", ""), Settle: 5 * ms, Count: 60 * ms, HangUp: true}},
		{"arrivals", Job{Addr: quick, Scenario: open(500, scenario.ArrivalsPoisson, ""), Settle: 20 * ms, Count: 60 * ms}},
		{"arrivals that nobody answers", Job{Addr: silent, Scenario: open(500, scenario.ArrivalsPoisson, ""), Settle: 20 * ms, Count: 60 * ms, Timeout: 30 * ms, MaxConnections: 5}},
	} {
		o, err := e.Play(t.Context(), row.job, nil)
		if err != nil {
			t.Fatal(err)
		}
		l := o.Load
		if l.RecordedUs <= 0 || max(l.RecordedUs-l.InFlightUs, l.InFlightUs-l.RecordedUs) > 1 {
			t.Errorf("%s: %v µs recorded, %v in flight", row.is, l.RecordedUs, l.InFlightUs)
		}
		if most := float64(row.job.Scenario.Clients) * l.WindowUs; most > 0 && l.RecordedUs > most {
			t.Errorf("%s: %v µs recorded of %v that there are", row.is, l.RecordedUs, most)
		}
		if l.LittleResidual < 0 || l.LittleResidual > 1 {
			t.Errorf("%s: residual %v", row.is, l.LittleResidual)
		}
	}
}

// Three connections, and nobody answers: the first three arrivals have them,
// and all others wait, are counted, and never bother the server.
func TestEpollArrivalsWaitForConnections(t *testing.T) {
	var accepted atomic.Int64
	addr, shut := listen(t, func(c *net.TCPConn) {
		accepted.Add(1)
		io.Copy(io.Discard, c)
	})
	job := Job{Addr: addr, Scenario: open(1000, scenario.ArrivalsConstant, ""), Count: 101 * ms, MaxConnections: 3, HangUp: true}
	o, err := oneLoop(t).Play(t.Context(), job, nil)
	shut()
	l := o.Load
	if err != nil || l.Due != 100 || l.Sent != 3 || l.Delayed != 97 || l.Unfinished != 100 || l.PlanUsed != 3 || l.Lateness.Count() != 3 || accepted.Load() != 3 {
		t.Errorf("%d due, %d sent, %d delayed, %d unfinished, %d drawn, %d connections, %v; want 100, 3, 97, 100, 3, 3",
			l.Due, l.Sent, l.Delayed, l.Unfinished, l.PlanUsed, accepted.Load(), err)
	}
}

// A request that doesn't fit into the socket's buffer is sent as the server
// takes it.
func TestEpollSendsInPieces(t *testing.T) {
	const size = 16 << 20
	var got atomic.Int64
	addr, shut := listen(t, func(c *net.TCPConn) {
		r := bufio.NewReader(c)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if strings.TrimSpace(line) != "" {
				continue
			}
			if n, err := io.CopyN(io.Discard, r, size); err != nil {
				t.Errorf("the body ends after %d bytes: %v", n, err)
				return
			}
			got.Add(1)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	request := fmt.Appendf(nil, "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: %d\r\n\r\n", size)
	job := Job{
		Addr: addr, Scenario: closed(2, 2, "", ""), Count: 10 * ms, MinRequests: 4, CountMax: time.Minute, Timeout: time.Minute,
		Request: append(request, bytes.Repeat([]byte("x"), size)...), Expect: Expect{Foreign: true, Length: 2},
	}
	o, err := oneLoop(t).Play(t.Context(), job, nil)
	shut()
	if l := o.Load; err != nil || l.Requests < 4 || l.RequestsAll != got.Load() || l.Errors.Total() != 0 {
		t.Errorf("%d requests of %d, errors %+v (%s), %v; the server says %d", l.Requests, l.RequestsAll, l.Errors, l.FirstError, err, got.Load())
	}
}

func TestEpollOnIPv6(t *testing.T) {
	ln, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip(err) // a machine without IPv6
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				answering(c)
			})
		}
	})
	o, err := oneLoop(t).Play(t.Context(), Job{Addr: ln.Addr().String(), Scenario: closed(2, 2, "", ""), Count: 50 * ms, MinRequests: 1, CountMax: time.Minute}, nil)
	ln.Close()
	wg.Wait()
	if l := o.Load; err != nil || l.Requests == 0 || l.Errors.Total() != 0 {
		t.Errorf("%d requests, errors %+v (%s), %v", l.Requests, l.Errors, l.FirstError, err)
	}
}

// The window opens and closes when it should, by what is asked of it.
func TestConduct(t *testing.T) {
	const soon = int64(ahead)
	type step struct {
		now              int64
		yet, counted     int64 // clients that have yet to finish; requests in the window
		again, from, tto int64
	}
	for _, row := range []struct {
		is    string
		job   Job
		steps []step
	}{
		{"settling until all have finished", Job{Settle: 10, SettleUntilAll: 100, Count: 50}, []step{
			{0, 2, 0, 10, never, never},
			{9, 0, 0, 10, never, never}, // settling is never cut short
			{12, 1, 0, 100, never, never},
			{60, 0, 0, never, 60 + soon, 110 + soon},
			{99, 0, 0, never, 60 + soon, 110 + soon},
		}},
		{"settling until all have finished, in vain", Job{Settle: 10, SettleUntilAll: 100, Count: 50}, []step{
			{10, 2, 0, 100, never, never},
			{101, 1, 0, never, 101 + soon, 151 + soon},
		}},
		{"counting until there are enough", Job{Settle: 10, SettleUntilAll: 100, Count: 50, MinRequests: 5, CountMax: 500}, []step{
			{20, 0, 0, 70 + soon, 20 + soon, never},
			{60 + soon, 0, 9, 70 + soon, 20 + soon, never}, // nor is counting
			{75 + soon, 0, 4, 520 + soon, 20 + soon, never},
			{90 + soon, 0, 5, never, 20 + soon, 90 + 2*soon},
		}},
		{"counting until there are enough, in vain", Job{Settle: 10, SettleUntilAll: 100, Count: 50, MinRequests: 5, CountMax: 500}, []step{
			{20, 0, 0, 70 + soon, 20 + soon, never},
			{520 + soon, 0, 4, never, 20 + soon, 520 + 2*soon},
		}},
	} {
		p := &loopedSlice{job: row.job}
		p.window.from.Store(never)
		p.window.to.Store(never)
		for _, s := range row.steps {
			p.yetToFinish.Store(s.yet)
			p.counted.Store(s.counted)
			again := p.conduct(nil, s.now)
			if from, to := p.window.from.Load(), p.window.to.Load(); again != s.again || from != s.from || to != s.tto {
				t.Errorf("%s: at %d it looks again at %d, and the window is %d to %d; want %d, %d to %d", row.is, s.now, again, from, to, s.again, s.from, s.tto)
			}
		}
	}
}

// However many loops there are, together they play the plan's arrivals, each
// once, and have as many connections as one may.
func TestLoopsShareTheArrivals(t *testing.T) {
	type arrival struct {
		number int
		due    int64
	}
	job := Job{Scenario: open(1000, scenario.ArrivalsPoisson, ""), Block: 2, Round: 3, MaxConnections: 100}
	p := &loopedSlice{job: job, plan: scenario.NewPlan(job.Scenario, 5)}
	var want []arrival
	arrivals := p.plan.Arrivals(2, 3)
	for n := range 300 {
		want = append(want, arrival{n, int64(arrivals.Next())})
	}
	for _, loops := range []int{1, 2, 3, 7} {
		var got []arrival
		open := 0
		for mine := range loops {
			s := newSchedule(p, mine, loops)
			open += s.mostOpen
			for ; s.number < len(want); s.advance() {
				got = append(got, arrival{s.number, s.next})
			}
		}
		slices.SortFunc(got, func(a, b arrival) int { return cmp.Compare(a.number, b.number) })
		if !slices.Equal(got, want) || open != 100 {
			t.Errorf("%d loops play %d arrivals on %d connections, want the same %d on 100", loops, len(got), open, len(want))
		}
	}
}

// Connections beyond an address's share come from another, and no two loops
// have one in common but the first.
func TestSources(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	to := eventloop.AddressOf(netip.MustParseAddrPort(ln.Addr().String()))
	from := func(s *sources, open int) string {
		fd, errno := s.connect(&to, open)
		if errno != 0 {
			t.Fatal(errno)
		}
		defer eventloop.Close(fd)
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.RemoteAddr().(*net.TCPAddr).IP.String()
	}
	p := &loopedSlice{local: true}
	seen := map[string]int{}
	for mine := range 3 {
		s := newSources(p, mine, 3)
		s.share = 10
		for open := 9; open < 50; open += 10 {
			seen[from(&s, open)]++
		}
		s.skip = 1
		if got := from(&s, 0); got == "127.0.0.1" {
			t.Error("an address that has run out is still taken")
		}
	}
	if len(seen) != 1+3*4 || seen["127.0.0.1"] != 3 {
		t.Errorf("connections come from %v, want 127.0.0.1 thrice and 12 others", seen)
	}
	elsewhere := newSources(&loopedSlice{}, 0, 1)
	if got := from(&elsewhere, 1_000_000); got != "127.0.0.1" {
		t.Errorf("towards a server elsewhere a connection comes from %s: the kernel chooses", got)
	}
}

func TestEpollKeepsNothingFromSliceToSlice(t *testing.T) {
	e, addr := oneLoop(t), quickServer(t)
	for range 3 {
		o, err := e.Play(t.Context(), Job{Addr: addr, Scenario: open(1000, scenario.ArrivalsConstant, ""), Count: 30 * ms}, nil)
		if l := o.Load; err != nil || l.Latency.Count() != l.Sent || l.Lateness.Count() != l.Sent || l.Due != 29 || l.Errors != (result.Errors{}) {
			t.Errorf("%d due, %d sent, %d latencies, %d latenesses, %v", l.Due, l.Sent, l.Latency.Count(), l.Lateness.Count(), err)
		}
	}
}

func TestNewOnLinux(t *testing.T) {
	e, err := New("epoll")
	if err != nil || e.Name() != "epoll" || DefaultEngine() != "epoll" {
		t.Errorf("New(epoll) = %v, %v; the default is %s", e, err, DefaultEngine())
	}
}

// More arrivals than a loop can send must not keep it from the answers that
// are there: else their latencies are the instrument's own.
func TestEpollTakesAnswersWhileArrivalsAreOverdue(t *testing.T) {
	addr := quickServer(t)
	job := Job{Addr: addr, Scenario: open(1_000_000, scenario.ArrivalsConstant, ""), Count: 200 * ms, HangUp: true}
	o, err := oneLoop(t).Play(t.Context(), job, nil)
	l := o.Load
	if err != nil || l.Sent >= l.Due { // a connect takes more than 1 µs
		t.Fatalf("%d of %d sent, %v; want fewer than were due", l.Sent, l.Due, err)
	}
	if l.Requests == 0 {
		t.Errorf("none of %d was answered in the window, errors %+v (%s)", l.Sent, l.Errors, l.FirstError)
	}
}

package eventloop

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newPoller(t *testing.T, batch int) *Poller {
	t.Helper()
	p, err := NewPoller(batch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// pair is a connection: a raw socket, and its other end.
func pair(t *testing.T, network, addr string) (fd int, peer *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Skipf("this machine has no %s: %v", addr, err)
	}
	defer ln.Close()
	to := AddressOf(netip.MustParseAddrPort(ln.Addr().String()))
	fd, errno := Socket(&to)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { Close(fd) })
	if errno := Connect(fd, &to); errno != 0 && errno != unix.EINPROGRESS {
		t.Fatal(errno)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return fd, c.(*net.TCPConn)
}

// await waits until the poller says something, and returns the tokens in order.
func await(t *testing.T, p *Poller) (tokens []uint64, ready Ready) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if events := p.Wait(time.Second); len(events) > 0 {
			for i := range events {
				tokens, ready = append(tokens, events[i].Token()), ready|events[i].Ready()
			}
			slices.Sort(tokens)
			return tokens, ready
		}
	}
	t.Fatal("nothing in 20 s")
	return nil, 0
}

func TestEventsAreEdges(t *testing.T) {
	const token = uint64(0x0123_4567_89ab_cdef)
	for _, at := range []struct{ network, addr string }{{"tcp4", "127.0.0.1:0"}, {"tcp6", "[::1]:0"}} {
		t.Run(at.network, func(t *testing.T) {
			p := newPoller(t, 8)
			fd, peer := pair(t, at.network, at.addr)
			if errno := p.Add(fd, token, In); errno != 0 {
				t.Fatal(errno)
			}
			if events := p.Poll(); len(events) != 0 {
				t.Errorf("%d events before there was anything to read", len(events))
			}
			io.WriteString(peer, "hello")
			if got, ready := await(t, p); !slices.Equal(got, []uint64{token}) || ready&In == 0 || ready&(Out|End) != 0 {
				t.Errorf("tokens %x, ready for %x, want %x for In", got, ready, token)
			}
			if events := p.Poll(); len(events) != 0 {
				t.Error("what was told once is told again, though nothing has changed")
			}
			b := make([]byte, 64)
			if n, errno := Recv(fd, b); n != 5 || errno != 0 || string(b[:n]) != "hello" {
				t.Errorf("received %q, %v", b[:max(n, 0)], errno)
			}
			if _, errno := Recv(fd, b); errno != unix.EAGAIN {
				t.Errorf("an empty socket says %v, want EAGAIN", errno)
			}
			if errno := p.Change(fd, token, In|Out); errno != 0 {
				t.Fatal(errno)
			}
			if _, ready := await(t, p); ready&Out == 0 {
				t.Errorf("ready for %x, want Out: it was the case already", ready)
			}
			if n, errno := Send(fd, []byte("and you")); n != 7 || errno != 0 {
				t.Errorf("sent %d bytes, %v", n, errno)
			}
			got := make([]byte, 7)
			if _, err := io.ReadFull(peer, got); err != nil || string(got) != "and you" {
				t.Errorf("the other side has %q, %v", got, err)
			}
			peer.CloseWrite()
			if _, ready := await(t, p); ready&End == 0 {
				t.Errorf("ready for %x, want End", ready)
			}
			if n, errno := Recv(fd, b); n != 0 || errno != 0 {
				t.Errorf("the end is %d bytes, %v", n, errno)
			}
		})
	}
}

func TestABatchIsNoMoreThanWasAskedFor(t *testing.T) {
	p := newPoller(t, 2)
	var all []uint64
	for token := range uint64(5) {
		fd, peer := pair(t, "tcp4", "127.0.0.1:0")
		p.Add(fd, token, In)
		io.WriteString(peer, "x")
	}
	for len(all) < 5 {
		tokens, _ := await(t, p)
		if len(tokens) > 2 {
			t.Fatalf("%d events at once, want at most 2", len(tokens))
		}
		all = append(all, tokens...)
	}
	if slices.Sort(all); !slices.Equal(all, []uint64{0, 1, 2, 3, 4}) {
		t.Errorf("told of %v, want each once", all)
	}
}

// A loop that is woken returns from its wait, or doesn't enter the next one,
// and isn't told of anything.
func TestWake(t *testing.T) {
	for _, row := range []struct {
		is   string
		hold time.Duration
	}{{"at once among others", 0}, {"holding its processor", 50 * time.Millisecond}} {
		t.Run(row.is, func(t *testing.T) {
			p := newPoller(t, 4)
			p.Hold = row.hold
			p.Wake()
			begin := time.Now()
			events := p.Wait(time.Minute)
			done := make(chan struct{})
			go func() {
				defer close(done)
				p.Wake()
			}()
			// A signal may end a wait before the Wake does; the Wake must end one.
			for len(events) == 0 && !p.woken {
				events = p.Wait(time.Minute)
			}
			<-done
			if took := time.Since(begin); len(events) != 0 || took > 30*time.Second {
				t.Errorf("%d events after %v, want none at once", len(events), took)
			}
		})
	}
}

// A wait may end early, with a signal, but not before its time and without an
// event for ever: and never on time only by rounding down.
func TestWaitIsNoShorterThanAsked(t *testing.T) {
	for _, coarse := range []bool{false, true} {
		p := newPoller(t, 4)
		p.coarse = coarse
		for _, d := range []time.Duration{10 * time.Microsecond, 300 * time.Microsecond, 3 * time.Millisecond} {
			shortest := time.Hour
			for range 20 {
				begin := time.Now()
				p.Wait(d)
				shortest = min(shortest, max(time.Since(begin), 0))
			}
			// Signals of Go's scheduler cut some short, not all of them.
			longest := time.Duration(0)
			for range 20 {
				begin := time.Now()
				p.Wait(d)
				longest = max(longest, time.Since(begin))
			}
			if longest < d {
				t.Errorf("coarse %v: waits of %v took %v to %v", coarse, d, shortest, longest)
			}
		}
	}
}

func TestMillisecondsRoundUp(t *testing.T) {
	for _, row := range []struct {
		in   time.Duration
		want int32
	}{
		{-1, -1}, {0, 0}, {1, 1}, {time.Millisecond, 1}, {time.Millisecond + 1, 2}, {time.Hour * 24 * 365, 1<<31 - 1},
	} {
		if got := milliseconds(row.in); got != row.want {
			t.Errorf("%v is %d ms, want %d", row.in, got, row.want)
		}
	}
}

func TestRefusedAtOnce(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := AddressOf(netip.MustParseAddrPort(ln.Addr().String()))
	ln.Close()
	fd, errno := Socket(&to)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(fd)
	errno = Connect(fd, &to)
	for deadline := time.Now().Add(20 * time.Second); (errno == unix.EINPROGRESS || errno == unix.EAGAIN) && time.Now().Before(deadline); {
		_, errno = Send(fd, []byte("x"))
	}
	if errno != unix.ECONNREFUSED {
		t.Errorf("nobody listens, and sending says %v", errno)
	}
}

func TestSourceAddress(t *testing.T) {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	to, from := AddressOf(netip.MustParseAddrPort(ln.Addr().String())), AddressOf(netip.MustParseAddrPort("127.0.0.77:0"))
	fd, errno := Socket(&to)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer Close(fd)
	if errno := SetBindAddressNoPort(fd); errno != 0 {
		t.Fatal(errno)
	}
	if errno := Bind(fd, &from); errno != 0 {
		t.Fatal(errno)
	}
	if errno := SetNoDelay(fd); errno != 0 {
		t.Fatal(errno)
	}
	Connect(fd, &to)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.RemoteAddr().(*net.TCPAddr).IP.String(); got != "127.0.0.77" {
		t.Errorf("the connection comes from %s", got)
	}
}

func TestThreadCPUIsThisThreads(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, n := ThreadCPU(), 0
	for ThreadCPU() == before {
		n++
	}
	if spent := ThreadCPU() - before; spent <= 0 || before <= 0 {
		t.Errorf("%v after %v, %d calls later", spent, before, n)
	}
	if err := SetTimerSlack(1); err != nil {
		t.Error(err)
	}
	if got, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || got != 1 {
		t.Errorf("slack is %d ns, %v; want 1", got, err)
	}
	if err := SetTimerSlack(0); err != nil {
		t.Error(err)
	}
	if got, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err != nil || got == 1 {
		t.Errorf("slack is %d ns, %v; want what it was", got, err)
	}
}

func TestNothingAllocates(t *testing.T) {
	p := newPoller(t, 4)
	p.Hold = time.Millisecond
	fd, peer := pair(t, "tcp4", "127.0.0.1:0")
	if errno := p.Add(fd, 3, In|Out); errno != 0 {
		t.Fatal(errno)
	}
	go io.Copy(peer, peer)
	ping, buffer := bytes.Repeat([]byte("x"), 100), make([]byte, 4096)
	if n := testing.AllocsPerRun(200, func() {
		Send(fd, ping)
		for {
			p.Wait(time.Second)
			if n, errno := Recv(fd, buffer); errno == 0 && n > 0 {
				return
			}
			p.Poll()
			ThreadCPU()
		}
	}); n != 0 {
		t.Errorf("%v allocations for a request and its answer, want none", n)
	}
	peer.CloseRead()
}

// A poller that is closed leaves nothing open.
func TestDescriptorsAreGivenBack(t *testing.T) {
	count := func() int {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err) // a system without /proc: what is open can't be counted
		}
		return len(fds)
	}
	before := count()
	for range 10 {
		p, err := NewPoller(1)
		if err != nil {
			t.Fatal(err)
		}
		p.Close()
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

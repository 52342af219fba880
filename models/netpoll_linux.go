//go:build amd64 || arm64

package models

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/cloudwego/netpoll"
	"golang.org/x/sys/unix"

	"workbench/models/exchange"
)

// netpollServer is cloudwego/netpoll, as its users run it.
//
//	            ┌─────────────────────────┐   bytes
//	backlog ──▶ │ epoll: accept, read into│ ──────▶ go handler: parse, work, write
//	clients ──▶ │ the connection's buffer │ ──────▶ go handler
//	            └─────────────────────────┘         while there is something to read
//
// Who accepts and reads: event loops, one, and another for each 20 CPUs. Who answers: a
// goroutine from a pool, started when bytes have come and gone when they are
// used up; it writes by itself, and lets the loop finish what the socket has no
// room for. So work may block, and a silent connection has no goroutine: it
// costs its buffers, some KiB, which are lists of blocks that are handed on
// without a copy.
//
// ByteDance built it (2020) under Kitex and Hertz, for calls between services
// over many connections that are mostly idle. Each request pays for being handed
// from one goroutine to another. It takes an end of file for the end of the
// connection, answers owed or not.
//
// It has no HTTP and no timeout for silence (SetIdleTimeout is TCP keep-alive):
// the handler drives the exchange's talk, and a timer for each connection, set
// anew only when it strikes, closes what is late.
type netpollServer struct{}

func newNetpoll(Spec) Server { return netpollServer{} }

func (netpollServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	quiet()
	addr := ln.Addr()
	fd, err := ownDescriptor(ln)
	if err != nil {
		return err
	}
	s := &netpollConns{x: x, open: make(map[*netpollConn]struct{})}
	s.wg.Add(1) // for the listener
	l := &netpollListener{s: s, addr: addr, fd: fd, begun: make(chan struct{}), shut: make(chan struct{})}
	s.drivers.New = func() any { return x.NewDriver(ctx) }
	s.drivers.Put(s.drivers.New()) // a stop is noticed even if nobody comes
	loop, err := netpoll.NewEventLoop(s.request, netpoll.WithOnPrepare(s.prepare), netpoll.WithWriteTimeout(x.Options().WriteTimeout))
	if err != nil {
		_ = l.Close()
		return err
	}
	served := make(chan error, 1)
	go func() { served <- loop.Serve(l) }()
	select {
	case <-ctx.Done():
	case err := <-served:
		x.AcceptFailed(err) // unless the listener has said it better
		served <- err
	}
	<-l.begun
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.Options().Grace)
	defer cancel()
	x.Stopping(ctx)
	_ = loop.Shutdown(grace)
	s.closeAll() // the grace is over; or somebody came while Shutdown looked
	<-l.shut
	s.wg.Done()
	s.wg.Wait()
	if err := <-served; err != nil && x.Err() == nil {
		return err
	}
	return x.Err()
}

// quiet has netpoll print nothing.
var quiet = sync.OnceFunc(func() { _ = netpoll.Configure(netpoll.Config{LoggerOutput: io.Discard}) })

// netpollConns are the connections of a server.
type netpollConns struct {
	x       *exchange.Exchange
	drivers sync.Pool      // of *exchange.Driver
	parts   sync.Pool      // of *[][]byte
	wg      sync.WaitGroup // of connections from when they are accepted
	mu      sync.Mutex
	open    map[*netpollConn]struct{}
}

// netpollConn is a connection's talk. Handlers of a connection run one at a
// time, but its timer may strike beside them.
type netpollConn struct {
	s     *netpollConns
	conn  netpoll.Connection
	mu    sync.Mutex
	talk  exchange.Talk
	over  bool
	timer *time.Timer
	armed int64 // what the timer is set to, on the driver's clock; 0 for none
}

type netpollKey struct{}

// prepare is called by the loop that accepts.
func (s *netpollConns) prepare(conn netpoll.Connection) context.Context {
	c := &netpollConn{s: s, conn: conn}
	s.mu.Lock()
	s.open[c] = struct{}{}
	s.mu.Unlock()
	_ = conn.AddCloseCallback(func(netpoll.Connection) error { c.closed(); return nil })
	c.mu.Lock()
	d := s.drivers.Get().(*exchange.Driver)
	d.Tick()
	d.Accept(&c.talk)
	d.Hold(&c.talk, -1)
	over := c.converse(d)
	s.drivers.Put(d)
	c.mu.Unlock()
	if over { // there is a stop
		_ = conn.Close()
	}
	return context.WithValue(context.Background(), netpollKey{}, c)
}

// request is called, on a goroutine of its own, when bytes have come.
func (s *netpollConns) request(ctx context.Context, conn netpoll.Connection) error {
	ctx.Value(netpollKey{}).(*netpollConn).turn()
	return nil
}

// turn has the connection get on, and closes it if its talk is over.
func (c *netpollConn) turn() {
	c.mu.Lock()
	d := c.s.drivers.Get().(*exchange.Driver)
	d.Tick()
	over := c.over || c.converse(d)
	c.s.drivers.Put(d)
	c.mu.Unlock()
	if over {
		_ = c.conn.Close() // closed is called by it, or when the handler has returned
	}
}

// converse does what there is to do, until bytes are needed that haven't come,
// and reports whether the talk is over.
func (c *netpollConn) converse(d *exchange.Driver) (over bool) {
	for {
		switch step := d.Next(&c.talk); step {
		case exchange.ToReceive:
			r := c.conn.Reader()
			_ = r.Release() // what was received before is used up
			n := min(r.Len(), c.s.x.ReadSize())
			if n == 0 {
				c.setTimer(d)
				return false
			}
			b, err := r.Next(n)
			if err != nil {
				d.Broken(&c.talk)
				continue
			}
			d.Received(&c.talk, b)
		case exchange.ToWork:
			d.Perform(&c.talk)
		case exchange.ToSend:
			n, err := c.send()
			d.Tick()
			switch {
			case err == nil:
				d.Sent(&c.talk, n)
			case !errors.Is(err, netpoll.ErrWriteTimeout): // else the talk is late, and knows it
				d.Broken(&c.talk)
			}
		case exchange.ToHalfClose:
			if fd, ok := c.conn.(netpoll.Conn); !ok || unix.Shutdown(fd.Fd(), unix.SHUT_WR) != nil {
				d.Broken(&c.talk)
			}
		default:
			return true
		}
	}
}

// send writes all that is to be sent. Long parts are not copied.
func (c *netpollConn) send() (n int, err error) {
	p, _ := c.s.parts.Get().(*[][]byte)
	if p == nil {
		most := exchange.MaxBytes/len(exchange.Filler()) + 3
		list := make([][]byte, 0, most)
		p = &list
	}
	defer c.s.parts.Put(p)
	w := c.conn.Writer()
	for _, part := range c.talk.Unsent((*p)[:0]) {
		k, err := w.WriteBinary(part)
		if n += k; err != nil {
			return n, err
		}
	}
	return n, w.Flush()
}

// setTimer sees to it that the talk is asked again at its deadline.
func (c *netpollConn) setTimer(d *exchange.Driver) {
	deadline := c.talk.Deadline()
	if deadline == 0 || c.armed != 0 && c.armed <= deadline {
		return // it strikes early, and is then set anew
	}
	c.armed = deadline
	left := time.Duration(deadline - d.Tick())
	if c.timer == nil {
		c.timer = time.AfterFunc(left, c.strikes)
	} else {
		c.timer.Reset(left)
	}
}

// strikes is called by the timer.
func (c *netpollConn) strikes() {
	c.mu.Lock()
	c.armed = 0
	over := c.over
	c.mu.Unlock()
	if !over {
		c.turn()
	}
}

// closed is called, once, before the descriptor is closed.
func (c *netpollConn) closed() {
	c.mu.Lock()
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
	d := c.s.drivers.Get().(*exchange.Driver)
	d.Closed(&c.talk)
	c.s.drivers.Put(d)
	c.mu.Unlock()
	c.s.mu.Lock()
	delete(c.s.open, c)
	c.s.mu.Unlock()
	c.s.wg.Done()
}

func (s *netpollConns) closeAll() {
	s.mu.Lock()
	var all []*netpollConn
	for c := range s.open {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		_ = c.conn.Close()
	}
}

// netpollListener is the listener that netpoll asks for connections. Its own
// would do, but that it closes its descriptor twice, which in a process of many
// may hit another one.
type netpollListener struct {
	s     *netpollConns
	addr  net.Addr
	mu    sync.Mutex
	fd    int
	over  bool          // no more is accepted
	out   bool          // of descriptors: netpoll tries again from time to time, on a goroutine of its own
	begun chan struct{} // closed when the loop has begun, under the lock that its Shutdown takes
	once  sync.Once
	shut  chan struct{} // closed when fd is
}

// Accept returns the next connection; none, and no error, if nobody waits.
func (l *netpollListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		if l.out {
			l.out = false // this was netpoll's last try
			_ = l.shuts()
		}
		return nil, nil
	}
	fd, sa, err := unix.Accept4(l.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	l.out = false
	if err == nil {
		l.s.wg.Add(1)
		return &netpollSocket{fd: fd, local: l.addr, remote: addrOf(sa)}, nil
	}
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil, nil
	}
	pause, err := l.s.x.AcceptError(err, 0)
	switch {
	case err != nil:
		l.s.x.AcceptFailed(os.NewSyscallError("accept", err))
		return nil, net.ErrClosed // netpoll ends by it
	case pause > 0:
		l.out = true
		return nil, unix.EMFILE // by this one alone it knows what to do
	}
	return nil, nil
}

// Close ends the acceptance. While netpoll tries again, which it can't be told
// to leave, the descriptor is kept until its next try.
func (l *netpollListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return nil
	}
	l.over = true
	if l.out {
		return os.NewSyscallError("shutdown", unix.Shutdown(l.fd, unix.SHUT_RDWR))
	}
	return l.shuts()
}

func (l *netpollListener) shuts() error {
	close(l.shut)
	return os.NewSyscallError("close", unix.Close(l.fd))
}

func (l *netpollListener) Addr() net.Addr { return l.addr }

func (l *netpollListener) Fd() int {
	l.once.Do(func() { close(l.begun) })
	return l.fd
}

func addrOf(sa unix.Sockaddr) net.Addr {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)))
	case *unix.SockaddrInet6:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port)))
	}
	return &net.TCPAddr{}
}

// netpollSocket is a connection as netpoll takes it from a listener: it asks
// for the descriptor and the addresses, and uses them by itself.
type netpollSocket struct {
	net.Conn      // none
	fd            int
	local, remote net.Addr
}

func (s *netpollSocket) Fd() int              { return s.fd }
func (s *netpollSocket) LocalAddr() net.Addr  { return s.local }
func (s *netpollSocket) RemoteAddr() net.Addr { return s.remote }

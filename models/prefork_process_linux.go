package models

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"reflect"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"workbench/models/exchange"
)

// prefork is the parent's side: it starts child processes and hears of their
// ends. A child lives as long as its standard input, which is the parent's to
// close: however the parent dies, the pipe closes, and the child ends. (The
// signal that Linux sends when a parent dies is sent when its thread ends.)
type prefork struct {
	each   string
	x      *exchange.Exchange
	family *exchange.Family

	mu sync.Mutex
	fd int // of the listener; -1 once there is none
}

// What a child finds behind its standard streams.
const (
	childListener = 3
	childFamily   = 4
	childMoments  = 5 // where somebody observes
)

// orders are the first line of a child's standard input; there is one more, stop.
// The only line of its standard output, if any, is why it can't go on.
type orders struct {
	Each     string           `json:"each"`
	Options  exchange.Options `json:"options"`
	Place    int              `json:"place"`
	Observed bool             `json:"observed"`
}

const stopOrder = `"stop"` + "\n"

// stuck is how long, after its grace, a child has to end before it is killed.
const stuck = 5 * time.Second

// A preforked is a child, seen from the parent.
type preforked struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	moments *os.File // nil where nobody observes
}

// start starts this very program anew, even if there is another one by now where
// it was started from.
//
// Each child runs on one thread at a time (GOMAXPROCS 1): with one connection at
// a time, or one loop, there is nothing that a second one could do but the
// collector's work, and processes are what is scheduled here. A session of its
// own keeps the terminal's signals from it: what to do about them is for the
// parent to say.
func (p *prefork) start(i int) (*preforked, error) {
	c := &preforked{cmd: exec.Command("/proc/self/exe")}
	c.cmd.Args = os.Args[:1]
	c.cmd.Env = append(os.Environ(), childVar+"=prefork", "GOMAXPROCS=1")
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.launch(c); err != nil {
		c.abandon()
		return nil, fmt.Errorf("start process %d: %w", i, err)
	}
	p.family.Began(i, c.cmd.Process.Pid)
	return c, nil
}

func (p *prefork) launch(c *preforked) error {
	listener, err := p.listener()
	if err != nil {
		return err
	}
	defer listener.Close()
	c.cmd.ExtraFiles = []*os.File{listener, p.family.File()}
	if p.x.Observed() {
		ours, theirs, err := socketPair()
		if err != nil {
			return err
		}
		defer theirs.Close()
		c.cmd.ExtraFiles = append(c.cmd.ExtraFiles, theirs)
		c.moments = ours
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return err
	}
	if c.out, err = c.cmd.StdoutPipe(); err != nil {
		return err
	}
	return c.cmd.Start()
}

// abandon closes what was opened for a child that wasn't started.
func (c *preforked) abandon() {
	if c.in != nil {
		_ = c.in.Close()
	}
	if c.out != nil {
		_ = c.out.Close()
	}
	if c.moments != nil {
		_ = c.moments.Close()
	}
}

// attend has a child serve until it ends, which it is asked to when ctx is done.
// It returns why no child can serve, or nil where one just died.
func (p *prefork) attend(ctx context.Context, i int, c *preforked) error {
	o, err := json.Marshal(orders{Each: p.each, Options: p.x.Options(), Place: i, Observed: c.moments != nil})
	if err == nil {
		_, _ = c.in.Write(append(o, '\n')) // one that is dead doesn't read
	}
	var killer *time.Timer
	asked := make(chan struct{})
	notAsked := context.AfterFunc(ctx, func() {
		defer close(asked)
		_, _ = io.WriteString(c.in, stopOrder)
		killer = time.AfterFunc(p.x.Options().Grace+stuck, func() { _ = c.cmd.Process.Kill() })
	})
	relayed := make(chan func(), 1)
	if c.moments != nil {
		go func() { relayed <- p.x.Relay(c.moments) }()
	} else {
		relayed <- func() {}
	}
	said, _ := io.ReadAll(c.out)
	_ = c.cmd.Wait() // how it ended makes no difference
	p.family.Ended(i)
	left := <-relayed
	if c.moments != nil {
		_ = c.moments.Close()
	}
	left()
	if !notAsked() {
		<-asked
		killer.Stop()
	}
	if said = bytes.TrimSpace(said); len(said) > 0 && err == nil {
		var why string
		if err = json.Unmarshal(said, &why); err == nil {
			err = errors.New(why)
		}
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", i, err)
	}
	return nil
}

// listener returns a file of the listening socket, to be handed over and closed.
// It is one that doesn't know how to make the socket block, as ln.File() does:
// that would be for all processes, and for good.
func (p *prefork) listener() (*os.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd < 0 {
		return nil, net.ErrClosed
	}
	fd, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

// deafen closes the parent's descriptor of the listener.
func (p *prefork) deafen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fd >= 0 {
		_ = unix.Close(p.fd)
		p.fd = -1
	}
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	return os.NewFile(uintptr(fds[0]), "moments"), os.NewFile(uintptr(fds[1]), "moments"), nil
}

// beChild is a child's side of prefork: it serves until it is told to stop, and
// ends at once when its standard input closes.
func beChild(model string) (code int) {
	in := json.NewDecoder(os.Stdin)
	var o orders
	if model != "prefork" || in.Decode(&o) != nil {
		return 1
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for order := ""; in.Decode(&order) == nil; {
			stop()
		}
	}()
	served := make(chan error, 1)
	go func() { served <- o.obey(ctx) }()
	select {
	case <-gone:
		return 1
	case err := <-served:
		if err != nil {
			_ = json.NewEncoder(os.Stdout).Encode(err.Error())
			return 1
		}
		return 0
	}
}

// obey serves as a member of the family.
func (o orders) obey(ctx context.Context) error {
	server, _, err := New(o.Each)
	if err != nil {
		return err
	}
	x, err := exchange.New(o.Options)
	if err != nil {
		return err
	}
	family := os.NewFile(childFamily, "family")
	if err := x.Join(family, o.Place); err != nil {
		return err
	}
	_ = family.Close() // it is mapped
	if o.Observed {
		x.RelayTo(os.NewFile(childMoments, "moments"))
	}
	ln, err := inherited(os.NewFile(childListener, "listener"))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })() // while a connection is held, too
	return server.Serve(ctx, ln, x)
}

// inherited returns the listener whose socket f is, and closes f.
//
// Package net would have it turn TCP keep-alive probes on for each connection, by
// four system calls that no other model makes (see Listen), and lets only those
// say otherwise who open a socket anew. So its setting is looked for inside;
// should it not be there any more, all works, and connections cost 2 µs more.
func inherited(f *os.File) (*net.TCPListener, error) {
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("inherited listener: %w", err)
	}
	ln, ok := l.(*net.TCPListener)
	if !ok {
		_ = l.Close()
		return nil, fmt.Errorf("inherited listener: %v is not TCP", l.Addr())
	}
	if lc := reflect.ValueOf(ln).Elem().FieldByName("lc"); lc.IsValid() && lc.Type() == reflect.TypeFor[net.ListenConfig]() {
		(*net.ListenConfig)(unsafe.Pointer(lc.UnsafeAddr())).KeepAlive = -1
	}
	return ln, nil
}

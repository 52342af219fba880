package eventloop

import (
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Poller says which descriptors are ready. Edge-triggered: a descriptor is
// reported when something about it changed, once, and whoever is told must read
// or write until the system says that there is no more. A read that fills less
// than its buffer says so, too (epoll(7)): most answers take one.
//
// All methods but [Poller.Wake] are for the thread of the loop alone.
type Poller struct {
	// Hold is for how long a Wait keeps its processor (a P, in the words of
	// Go's scheduler) to itself: events that come within this time cost half as
	// much, since nobody takes the processor away and gives it back. Other
	// goroutines may wait for so long, and so may a collection that has to stop
	// the world: leave it at 0 in a process that has any to speak of.
	Hold time.Duration

	epoll, wake int
	events      []Event
	bound       [2]int64 // of a wait, seconds and nanoseconds: 64 bits each on every platform
	woken       bool     // the last wait ended with a Wake
	coarse      bool     // the kernel has no epoll_pwait2 (before 5.11)
}

// An Event is a descriptor that is ready.
type Event struct {
	raw unix.EpollEvent
}

// Token is what the descriptor was added with.
func (e *Event) Token() uint64 { return uint64(uint32(e.raw.Fd)) | uint64(uint32(e.raw.Pad))<<32 }

// Ready is what it is ready for.
func (e *Event) Ready() Ready { return Ready(e.raw.Events) }

// Ready is what a descriptor is ready for, or is asked about.
type Ready uint32

const (
	In  Ready = unix.EPOLLIN                                    // there is something to read, or to accept
	Out Ready = unix.EPOLLOUT                                   // there is room to write
	End Ready = unix.EPOLLRDHUP | unix.EPOLLHUP | unix.EPOLLERR // the other side will send no more, or something failed: reading says what
)

// wakeToken is the token of the poller's own descriptor; no slot has it.
const wakeToken = ^uint64(0)

// NewPoller returns a poller that reports up to batch events at once. A loop
// that has other duties between events takes a small batch.
func NewPoller(batch int) (*Poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		Close(epoll)
		return nil, os.NewSyscallError("eventfd", err)
	}
	p := &Poller{epoll: epoll, wake: wake, events: make([]Event, max(batch, 1))}
	// Every write to it is an edge, so nobody has to read it.
	if errno := p.Add(wake, wakeToken, In); errno != 0 {
		p.Close()
		return nil, os.NewSyscallError("epoll_ctl", errno)
	}
	return p, nil
}

// Close gives the poller's descriptors back. Nobody may call Wake any more.
func (p *Poller) Close() {
	Close(p.epoll)
	Close(p.wake)
}

// Add reports fd from now on under token, which must not be all ones: when it
// is ready for what is asked (End needs no asking), at once if it is already.
// Closing the descriptor ends it, but events that [Poller.Poll] has returned
// remain: a token that also holds a generation tells them from those of a
// descriptor that came after.
func (p *Poller) Add(fd int, token uint64, ask Ready) unix.Errno {
	return p.control(unix.EPOLL_CTL_ADD, fd, token, ask)
}

// Change asks about something else. What is the case already is reported anew.
func (p *Poller) Change(fd int, token uint64, ask Ready) unix.Errno {
	return p.control(unix.EPOLL_CTL_MOD, fd, token, ask)
}

func (p *Poller) control(op, fd int, token uint64, ask Ready) unix.Errno {
	e := unix.EpollEvent{
		Events: uint32(ask) | unix.EPOLLRDHUP | unix.EPOLLET&(1<<32-1),
		Fd:     int32(uint32(token)), Pad: int32(uint32(token >> 32)),
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.epoll), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// Poll returns what is ready now, and doesn't block. The events are good until
// the next call.
func (p *Poller) Poll() []Event {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), 0, 0, 0)
	if errno != 0 { // EINTR: a signal of Go's scheduler
		return p.events[:0]
	}
	return p.sift(int(n))
}

// Wait returns what is ready, blocking until something is, until timeout has
// passed (below 0: no bound), until it is woken or until a signal comes: no
// events are no promise that the time is over.
//
// The kernel takes the liberty of waking a thread late by a thousandth of the
// timeout (select_estimate_accuracy in fs/select.c), and by its timer slack at
// least: see [SetTimerSlack]. Whoever needs to be punctual after a long wait
// waits for less, and once more for the rest. Kernels before 5.11 count in
// milliseconds, and are up to one late.
func (p *Poller) Wait(timeout time.Duration) []Event {
	if p.Hold > 0 {
		if timeout >= 0 && timeout <= p.Hold {
			return p.wait(timeout, true)
		}
		if events := p.wait(p.Hold, true); len(events) > 0 || p.woken {
			return events
		}
		timeout = max(timeout-p.Hold, -1)
	}
	return p.wait(timeout, false)
}

// wait is Wait that tells Go's scheduler, or doesn't.
func (p *Poller) wait(timeout time.Duration, hold bool) []Event {
	trap, bound := uintptr(unix.SYS_EPOLL_PWAIT), uintptr(milliseconds(timeout))
	if !p.coarse {
		trap, bound = unix.SYS_EPOLL_PWAIT2, 0
		if timeout >= 0 {
			p.bound = [2]int64{int64(timeout / time.Second), int64(timeout % time.Second)}
			bound = uintptr(unsafe.Pointer(&p.bound)) // lives as long as p
		}
	}
	events, most := uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events))
	var n uintptr
	var errno unix.Errno
	if hold {
		n, _, errno = unix.RawSyscall6(trap, uintptr(p.epoll), events, most, bound, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(trap, uintptr(p.epoll), events, most, bound, 0, 0)
	}
	runtime.KeepAlive(p)
	if errno == 0 {
		return p.sift(int(n))
	}
	if (errno == unix.ENOSYS || errno == unix.EPERM) && !p.coarse { // EPERM: a sandbox that doesn't know the call
		p.coarse = true
		return p.wait(timeout, hold)
	}
	return p.events[:0] // EINTR: a signal of Go's scheduler
}

// milliseconds rounds a timeout up: one that was rounded down to 0 would make
// the loop spin until its time comes.
func milliseconds(timeout time.Duration) int32 {
	const most = 1<<31 - 1
	if timeout < 0 {
		return -1
	}
	return int32(min((timeout+time.Millisecond-1)/time.Millisecond, most))
}

// sift leaves the poller's own event out: who was woken need not be told.
func (p *Poller) sift(n int) []Event {
	events := p.events[:n]
	p.woken = false
	for i := range events {
		if events[i].Token() == wakeToken {
			p.woken = true
			events[i] = events[n-1]
			return events[:n-1]
		}
	}
	return events
}

// Wake ends the present Wait, or the next one if there is none. Any goroutine
// may call it.
func (p *Poller) Wake() {
	one := uint64(1)
	// The counter could only be full after 2⁶⁴ calls.
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(p.wake), uintptr(unsafe.Pointer(&one)), 8)
	if errno != 0 && errno != unix.EAGAIN {
		panic(fmt.Sprintf("eventloop: wake: %v (the poller is closed)", errno))
	}
}

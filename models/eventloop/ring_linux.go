package eventloop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Ring hands system calls to the kernel in batches, and takes back what came
// of them (io_uring; Axboe, Efficient IO with io_uring, 2019). Where a [Poller]
// says who is ready, and a call for each does the rest, here the calls
// themselves are asked for, and [Ring.Turn] hands over all that were asked for
// since the last one in one system call, which is the only one there is. What
// can't be done at once the kernel does when it can.
//
// So memory and descriptors belong to the kernel until it says that it is done:
// what is sent must stay alive and unchanged until its completion comes, and a
// descriptor should be closed only when no request for it is left. Memory must
// come from Go's heap, and something must refer to it, as the kernel's own
// reference is one that the garbage collector can't see.
//
// All methods but [Ring.Wake] are for the thread that made the ring, alone.
type Ring struct {
	fd, wake int

	queues, entries  []byte // mapped: the two rings; the submissions
	sqHead, sqTail   *uint32
	cqHead, cqTail   *uint32
	submissions      []submission
	completions      []Completion
	tail             uint32       // of the submissions, ours
	head, end        uint32       // of the completions, ours: of those that Next still has
	late             []submission // that the kernel had no room for
	argument         waitArgument
	bound            [2]int64 // of a wait, seconds and nanoseconds: 64 bits each on every platform
	pool, memory     []byte   // mapped: the ring of buffers that are free to receive into; the buffers
	size             int      // of a buffer
	slots            []buffer
	returned         uint16
	returnedWithName *uint32 // where the kernel reads it, and the name of the first slot's buffer

	mu     sync.Mutex
	closed bool
}

// A Completion is what came of a request: the token that it was asked for with,
// and what the system call would have returned.
type Completion struct {
	Token  uint64
	result int32
	flags  uint32
}

// Result is the result of the system call, where it went well.
func (c *Completion) Result() int { return int(c.result) }

// Errno is the error of the system call, 0 for none.
func (c *Completion) Errno() unix.Errno {
	if c.result < 0 {
		return unix.Errno(-c.result)
	}
	return 0
}

// Last reports that the request is over: nothing more comes of it.
func (c *Completion) Last() bool { return c.flags&completionMore == 0 }

// MoreToReceive reports that a receive has left something.
func (c *Completion) MoreToReceive() bool { return c.flags&completionNonEmpty != 0 }

// wakeToken is the poller's too; cancelToken is that of a cancel that found
// nothing to cancel.
const cancelToken = wakeToken - 1

// What follows is from the kernel's include/uapi/linux/io_uring.h.

type submission struct {
	op        uint8
	flags     uint8
	ioprio    uint16
	fd        int32
	offset    uint64
	address   uint64
	length    uint32
	opFlags   uint32
	token     uint64
	buffers   uint16
	_         uint16
	_         int32
	_, unused uint64
}

type parameters struct {
	submissions, completions, flags uint32
	_, _                            uint32
	features                        uint32
	_, _, _, _                      uint32
	sq                              struct{ head, tail, mask, entries, flags, dropped, array, _, _, _ uint32 }
	cq                              struct{ head, tail, mask, entries, overflow, cqes, flags, _, _, _ uint32 }
}

type waitArgument struct {
	signals     uint64
	signalsSize uint32
	_           uint32
	timeout     uint64
}

type buffer struct {
	address uint64
	length  uint32
	name    uint16
	tail    uint16 // in the first slot, of the whole ring
}

type bufferRegistration struct {
	address uint64
	entries uint32
	group   uint16
	_       uint16
	_       [3]uint64
}

const (
	opPollAdd     = 6
	opSendmsg     = 9
	opAccept      = 13
	opAsyncCancel = 14
	opClose       = 19
	opSend        = 26
	opRecv        = 27

	submitBufferSelect = 1 << 5
	submitSkipSuccess  = 1 << 6

	acceptMultishot = 1 << 0
	pollMultishot   = 1 << 0
	recvPollFirst   = 1 << 0

	completionBuffer   = 1 << 0
	completionMore     = 1 << 1
	completionNonEmpty = 1 << 2

	setupCompletions  = 1 << 3
	setupSubmitAll    = 1 << 7
	setupCoopTaskrun  = 1 << 8
	setupSingleIssuer = 1 << 12
	setupDeferTaskrun = 1 << 13

	enterGetEvents = 1 << 0
	enterArgument  = 1 << 3

	featureSingleMap = 1 << 0

	offsetSubmissions = 0x10000000

	registerBufferRing = 22
)

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// ErrNoRing is wrapped by the error of NewRing where the system has no
// io_uring, or one that is too old, or doesn't allow it.
var ErrNoRing = errors.New("no io_uring")

// noRing says why a system call of the setting up was refused.
func noRing(call string, errno unix.Errno) error {
	why := ""
	switch errno {
	case unix.EPERM, unix.EACCES:
		why = "this system doesn't allow it: kernel.io_uring_disabled, or a container's seccomp profile"
	case unix.ENOSYS:
		why = "this kernel has none, or a container's seccomp profile hides it"
	case unix.EINVAL:
		why = "this kernel's is too old: Linux 6.0 or later is needed"
	case unix.ENOMEM:
		return fmt.Errorf("%w (raise the limit of locked memory, ulimit -l)", os.NewSyscallError(call, errno))
	default:
		return os.NewSyscallError(call, errno)
	}
	return fmt.Errorf("%w: %w (%s)", ErrNoRing, os.NewSyscallError(call, errno), why)
}

// NewRing returns a ring for the calling thread, to which the goroutine must
// be locked. It hands over up to entries requests at once, and receives into
// buffers of size bytes; their number is a power of two, up to 32,768.
//
// An error wraps [ErrNoRing] where another machine is needed, or another
// setting of this one.
func NewRing(entries, buffers, size int) (_ *Ring, err error) {
	r := &Ring{fd: -1, wake: -1, size: size}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	p, err := r.setUp(uint32(entries))
	if err != nil {
		return nil, err
	}
	if err := r.mapQueues(p); err != nil {
		return nil, err
	}
	if err := r.provide(buffers); err != nil {
		return nil, err
	}
	if r.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	r.argument.timeout = uint64(uintptr(unsafe.Pointer(&r.bound))) // lives as long as r
	r.hear()
	return r, nil
}

// setUp makes the ring.
func (r *Ring) setUp(entries uint32) (*parameters, error) {
	// With a single thread that asks, the kernel can leave what it has to do
	// for a request to that thread, until it enters the kernel anyway, and
	// interrupts nobody. Linux 6.1 does that altogether, 6.0 nearly so.
	for _, taskrun := range [...]uint32{setupDeferTaskrun, setupCoopTaskrun} {
		p := &parameters{
			flags:       setupSingleIssuer | setupSubmitAll | setupCompletions | taskrun,
			completions: max(4*entries, 1024), // one that asks for little may still hear of many
		}
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
		switch {
		case errno == 0:
			r.fd = int(fd)
			return p, nil
		case errno != unix.EINVAL || taskrun == setupCoopTaskrun:
			return nil, noRing("io_uring_setup", errno)
		}
	}
	panic("unreachable")
}

// mapQueues makes the queues that are shared with the kernel ours, too.
func (r *Ring) mapQueues(p *parameters) (err error) {
	if p.features&featureSingleMap == 0 {
		return noRing("io_uring_setup", unix.EINVAL)
	}
	size := max(p.sq.array+4*p.submissions, p.cq.cqes+uint32(unsafe.Sizeof(Completion{}))*p.completions)
	const access, kind = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	if r.queues, err = unix.Mmap(r.fd, 0, int(size), access, kind); err != nil {
		return fmt.Errorf("io_uring's queues: %w", os.NewSyscallError("mmap", err))
	}
	if r.entries, err = unix.Mmap(r.fd, offsetSubmissions, int(unsafe.Sizeof(submission{}))*int(p.submissions), access, kind); err != nil {
		return fmt.Errorf("io_uring's submissions: %w", os.NewSyscallError("mmap", err))
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.queues[offset])) }
	r.sqHead, r.sqTail = at(p.sq.head), at(p.sq.tail)
	r.cqHead, r.cqTail = at(p.cq.head), at(p.cq.tail)
	r.submissions = unsafe.Slice((*submission)(unsafe.Pointer(&r.entries[0])), p.submissions)
	r.completions = unsafe.Slice((*Completion)(unsafe.Pointer(&r.queues[p.cq.cqes])), p.completions)
	for i, order := 0, unsafe.Slice(at(p.sq.array), p.submissions); i < len(order); i++ {
		order[i] = uint32(i) // and so it stays
	}
	return nil
}

// provide gives the kernel the buffers to receive into. It takes one when
// something has come, so that a connection that is silent needs none. It takes
// them in turn, so all of their memory is soon in use, and may as well be from
// the beginning.
func (r *Ring) provide(buffers int) (err error) {
	const access, kind = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_POPULATE
	if r.pool, err = unix.Mmap(-1, 0, buffers*int(unsafe.Sizeof(buffer{})), access, kind); err == nil {
		r.memory, err = unix.Mmap(-1, 0, buffers*r.size, access, kind)
	}
	if err != nil {
		return fmt.Errorf("buffers to receive into: %w", os.NewSyscallError("mmap", err))
	}
	r.slots = unsafe.Slice((*buffer)(unsafe.Pointer(&r.pool[0])), buffers)
	r.returnedWithName = (*uint32)(unsafe.Pointer(&r.pool[unsafe.Offsetof(buffer{}.name)]))
	registration := bufferRegistration{address: uint64(uintptr(unsafe.Pointer(&r.pool[0]))), entries: uint32(buffers)}
	if _, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(r.fd), registerBufferRing, uintptr(unsafe.Pointer(&registration)), 1, 0, 0); errno != 0 {
		return noRing("io_uring_register", errno)
	}
	for i := range buffers {
		r.giveBack(uint16(i))
	}
	return nil
}

// Close ends the ring, once. The memory that is received into is gone at once:
// no receive may be left.
func (r *Ring) Close() {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	r.mu.Unlock()
	if closed {
		return
	}
	for _, fd := range [...]int{r.fd, r.wake} {
		if fd >= 0 {
			Close(fd)
		}
	}
	for _, mapped := range [...][]byte{r.queues, r.entries, r.pool, r.memory} {
		if mapped != nil {
			_ = unix.Munmap(mapped)
		}
	}
}

// Accept takes connections from a listening socket until it is cancelled or
// fails: there is a completion for each of them. They are set as [Accept] sets
// them.
//
// The highest descriptor that they may have is that of when it was asked for.
func (r *Ring) Accept(listener int, token uint64) {
	r.ask(submission{op: opAccept, ioprio: acceptMultishot, fd: int32(listener),
		opFlags: unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC, token: token})
}

// Recv receives once, into a buffer of the ring's: see [Ring.Received]. ENOBUFS
// says that all are with the caller. Later says that there is nothing yet, as
// far as the caller knows, so that the kernel need not try first.
func (r *Ring) Recv(fd int, token uint64, later bool) {
	s := submission{op: opRecv, flags: submitBufferSelect, fd: int32(fd), length: uint32(r.size), token: token}
	if later {
		s.ioprio = recvPollFirst
	}
	r.ask(s)
}

// Send sends all of b, unless it is cancelled or fails midway: then the result
// is what was sent, if anything was. b must not be empty.
func (r *Ring) Send(fd int, token uint64, b []byte) {
	r.ask(submission{op: opSend, fd: int32(fd), address: uint64(uintptr(unsafe.Pointer(&b[0]))), length: uint32(len(b)),
		opFlags: unix.MSG_NOSIGNAL | unix.MSG_WAITALL, token: token})
}

// SendMessage is Send for several pieces of memory; m and they must stay as
// they are until the completion.
func (r *Ring) SendMessage(fd int, token uint64, m *Message) {
	r.ask(submission{op: opSendmsg, fd: int32(fd), address: uint64(uintptr(unsafe.Pointer(&m.header))), length: 1,
		opFlags: unix.MSG_NOSIGNAL | unix.MSG_WAITALL, token: token})
}

// A Message is pieces of memory that are sent as one.
type Message struct {
	header  unix.Msghdr
	vectors [MostParts]unix.Iovec
}

// Set makes parts the message: up to MostParts of them, none empty.
func (m *Message) Set(parts [][]byte) {
	for i, p := range parts {
		m.vectors[i].Base = &p[0]
		m.vectors[i].SetLen(len(p))
	}
	m.header.Iov = &m.vectors[0]
	m.header.SetIovlen(len(parts))
}

// CloseDescriptor closes a descriptor.
func (r *Ring) CloseDescriptor(fd int, token uint64) {
	r.ask(submission{op: opClose, fd: int32(fd), token: token})
}

// Cancel has the request that was asked for with a token end. Its own
// completion says how it ended: with ECANCELED, or as if nothing had been said,
// where that came first.
func (r *Ring) Cancel(token uint64) {
	r.ask(submission{op: opAsyncCancel, flags: submitSkipSuccess, fd: -1, address: token, token: cancelToken})
}

// hear has the ring hear of Wake: every write is an edge, so nobody has to read
// what was written.
func (r *Ring) hear() {
	events := uint32(unix.POLLIN)
	if bigEndian {
		events <<= 16 // io_uring has its halves the other way round, then
	}
	r.ask(submission{op: opPollAdd, fd: int32(r.wake), length: pollMultishot, opFlags: events, token: wakeToken})
}

// ask puts a request where the next Turn finds it; if there is no room, it
// hands over those that are there.
func (r *Ring) ask(s submission) {
	if len(r.late) == 0 {
		if r.put(&s) {
			return
		}
		r.release()
		r.enter(0, false)
		if r.put(&s) {
			return
		}
	}
	r.late = append(r.late, s) // the kernel is short of memory
}

func (r *Ring) put(s *submission) bool {
	if r.asked() == uint32(len(r.submissions)) {
		return false
	}
	r.submissions[r.tail&uint32(len(r.submissions)-1)] = *s
	r.tail++
	return true
}

// asked is how many requests are there to be handed over.
func (r *Ring) asked() uint32 { return r.tail - atomic.LoadUint32(r.sqHead) }

// release makes room for completions.
func (r *Ring) release() { atomic.StoreUint32(r.cqHead, r.head) }

// Turn hands over what was asked for, and waits until something has come of
// it, or of what was asked for before, for timeout at most; a negative timeout
// is no bound. It may return early, since a signal of Go's scheduler does that.
//
// It first looks without blocking, and hands over, without a word to Go's
// scheduler. Only a wait that really sleeps tells it: a call that does costs
// more than the rest of it, and under load there is always something.
//
// It returns how many completions there are for Next.
func (r *Ring) Turn(timeout time.Duration) int {
	r.release()
	for more := true; more; {
		r.enter(0, false)
		for more = false; len(r.late) > 0 && r.put(&r.late[0]); more = true {
			r.late = r.late[1:]
		}
	}
	if r.arrived() || timeout == 0 {
		return r.waiting()
	}
	if r.asked() > 0 && (timeout < 0 || timeout > shortOfMemory) {
		timeout = shortOfMemory
	}
	r.enter(timeout, true)
	r.arrived()
	return r.waiting()
}

// shortOfMemory is how long a wait is where the kernel didn't take what was
// asked for, and might have nothing to wait for.
const shortOfMemory = 10 * time.Millisecond

// arrived looks for completions.
func (r *Ring) arrived() bool {
	r.end = atomic.LoadUint32(r.cqTail)
	return r.end != r.head
}

// waiting is how many completions there are that Next will return.
func (r *Ring) waiting() (n int) {
	for i := r.head; i != r.end; i++ {
		if !r.at(i).internal() {
			n++
		}
	}
	return n
}

// at is the completion of that number.
func (r *Ring) at(i uint32) *Completion { return &r.completions[i&uint32(len(r.completions)-1)] }

// internal says that a completion is the ring's own affair.
func (c *Completion) internal() bool { return c.Token == cancelToken || c.Token == wakeToken }

// enter is the system call.
func (r *Ring) enter(timeout time.Duration, wait bool) {
	asked := r.asked()
	atomic.StoreUint32(r.sqTail, r.tail)
	var errno unix.Errno
	switch {
	case !wait:
		_, _, errno = unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(asked), 0, enterGetEvents, 0, 0)
	case timeout < 0:
		_, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(asked), 1, enterGetEvents, 0, 0)
	default:
		r.bound = [2]int64{int64(timeout / time.Second), int64(timeout % time.Second)}
		_, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(asked), 1, enterGetEvents|enterArgument,
			uintptr(unsafe.Pointer(&r.argument)), unsafe.Sizeof(r.argument))
	}
	runtime.KeepAlive(r)
	switch errno {
	case 0, unix.EINTR, unix.ETIME: // EINTR: a signal of Go's scheduler
	case unix.EAGAIN, unix.EBUSY: // no memory for a request: it stays where it is
	default:
		// Another thread than the ring's, or completions that are lost.
		panic(fmt.Sprintf("eventloop: io_uring_enter: %v", errno))
	}
}

// Next returns what came of a request by the end of the last Turn; ok is false
// when that was all.
func (r *Ring) Next() (c Completion, ok bool) {
	for r.head != r.end {
		c = *r.at(r.head)
		r.head++
		if !c.internal() {
			return c, true
		}
		if c.Token == wakeToken && c.Last() {
			r.hear()
		}
	}
	return Completion{}, false
}

// Received is what a receive has brought, until it is given back; nil for one
// that brought nothing.
func (r *Ring) Received(c *Completion) []byte {
	if c.flags&completionBuffer == 0 {
		return nil
	}
	from := int(c.flags>>16) * r.size
	return r.memory[from : from+max(0, int(c.result))]
}

// Return gives the buffer of a receive back, if it has one. It must be done for
// each of them.
func (r *Ring) Return(c *Completion) {
	if c.flags&completionBuffer != 0 {
		r.giveBack(uint16(c.flags >> 16))
	}
}

func (r *Ring) giveBack(name uint16) {
	slot := &r.slots[int(r.returned)&(len(r.slots)-1)]
	slot.address = uint64(uintptr(unsafe.Pointer(&r.memory[int(name)*r.size])))
	slot.length = uint32(r.size)
	if slot != &r.slots[0] { // whose name is stored with the tail
		slot.name = name
	}
	r.returned++
	// The tail has 16 bits, and sync/atomic has nothing for so few; the 16
	// before it are the first slot's name.
	first := uint32(r.slots[0].name)
	if slot == &r.slots[0] {
		first = uint32(name)
	}
	word := first | uint32(r.returned)<<16
	if bigEndian {
		word = first<<16 | uint32(r.returned)
	}
	atomic.StoreUint32(r.returnedWithName, word)
}

// Wake ends the present Turn, or the next one if there is none, and does
// nothing when the ring is closed. Any goroutine may call it.
func (r *Ring) Wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	one := uint64(1)
	// The counter could only be full after 2⁶⁴ calls.
	if _, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(r.wake), uintptr(unsafe.Pointer(&one)), 8); errno != 0 && errno != unix.EAGAIN {
		panic(fmt.Sprintf("eventloop: wake: %v", errno))
	}
}

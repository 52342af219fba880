package eventloop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newRing returns a ring of the test's own thread.
func newRing(t testing.TB, entries, buffers, size int) *Ring {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	r, err := NewRing(entries, buffers, size)
	if errors.Is(err, ErrNoRing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// collect takes turns until n completions have come, and returns them in the
// order in which they came.
func collect(t testing.TB, r *Ring, n int) (all []Completion) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(all) < n; {
		if !time.Now().Before(deadline) {
			t.Fatalf("of %d completions %d came: %+v", n, len(all), all)
		}
		announced, before := r.Turn(time.Second), len(all)
		for c, ok := r.Next(); ok; c, ok = r.Next() {
			all = append(all, c)
		}
		if came := len(all) - before; came != announced {
			t.Fatalf("a turn announced %d completions, and %d came", announced, came)
		}
	}
	if len(all) > n {
		t.Fatalf("more than %d completions came: %+v", n, all)
	}
	return all
}

func one(t testing.TB, r *Ring, token uint64) Completion {
	t.Helper()
	c := collect(t, r, 1)[0]
	if c.Token != token {
		t.Fatalf("%+v came, want token %d", c, token)
	}
	return c
}

func TestLayoutsAreTheKernels(t *testing.T) {
	for _, l := range []struct {
		of        string
		got, want uintptr
	}{
		{"io_uring_sqe", unsafe.Sizeof(submission{}), 64},
		{"io_uring_sqe.user_data", unsafe.Offsetof(submission{}.token), 32},
		{"io_uring_sqe.buf_group", unsafe.Offsetof(submission{}.buffers), 40},
		{"io_uring_cqe", unsafe.Sizeof(Completion{}), 16},
		{"io_uring_params", unsafe.Sizeof(parameters{}), 120},
		{"io_uring_params.sq_off", unsafe.Offsetof(parameters{}.sq), 40},
		{"io_uring_params.cq_off", unsafe.Offsetof(parameters{}.cq), 80},
		{"io_uring_getevents_arg", unsafe.Sizeof(waitArgument{}), 24},
		{"io_uring_buf", unsafe.Sizeof(buffer{}), 16},
		{"io_uring_buf.bid", unsafe.Offsetof(buffer{}.name), 12},
		{"io_uring_buf_reg", unsafe.Sizeof(bufferRegistration{}), 40},
	} {
		if l.got != l.want {
			t.Errorf("%s: %d, want %d", l.of, l.got, l.want)
		}
	}
}

// A whole life: accepted, received from, answered in several pieces, closed.
func TestRingServesAConnection(t *testing.T) {
	r := newRing(t, 8, 4, 64)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) { r.Accept(int(fd), 1) })
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	accepted := one(t, r, 1)
	if accepted.Errno() != 0 || accepted.Last() {
		t.Fatalf("%+v is no connection with more to come", accepted)
	}
	fd := accepted.Result()

	r.Recv(fd, 2, false)
	if _, err := io.WriteString(peer, "question"); err != nil {
		t.Fatal(err)
	}
	got := one(t, r, 2)
	if b := r.Received(&got); string(b) != "question" || !got.Last() {
		t.Fatalf("received %q in %+v", b, got)
	}
	r.Return(&got)

	head, body := []byte("answer: "), bytes.Repeat([]byte("x"), 1<<20) // more than a socket has room for
	m := new(Message)
	m.Set([][]byte{head, body})
	r.SendMessage(fd, 3, m)
	read := make(chan []byte)
	go func() {
		all, err := io.ReadAll(peer)
		if err != nil {
			t.Error(err)
		}
		read <- all
	}()
	if sent := one(t, r, 3); sent.Errno() != 0 || sent.Result() != len(head)+len(body) {
		t.Fatalf("sent %+v of %d bytes", sent, len(head)+len(body))
	}
	r.CloseDescriptor(fd, 4)
	if closed := one(t, r, 4); closed.Errno() != 0 {
		t.Fatal(closed.Errno())
	}
	if all := <-read; !bytes.Equal(all, append(head, body...)) {
		t.Errorf("%d bytes came, or others than were sent", len(all))
	}

	r.Cancel(1)
	if over := one(t, r, 1); over.Errno() != unix.ECANCELED || !over.Last() {
		t.Errorf("the cancelled accept came to %+v", over)
	}
}

// More requests than the submission queue holds go out in one turn, and more
// completions than the completion queue holds all come.
func TestRingLosesNothingWhenItsQueuesAreFull(t *testing.T) {
	r := newRing(t, 8, 4, 64)
	n := 3 * len(r.completions)
	for i := range n {
		r.CloseDescriptor(1<<20, uint64(i)) // EBADF, at once
	}
	seen := make([]bool, n)
	for _, c := range collect(t, r, n) {
		if c.Errno() != unix.EBADF || seen[c.Token] {
			t.Fatalf("%+v, seen before: %v", c, seen[c.Token])
		}
		seen[c.Token] = true
	}
}

// What the kernel didn't take because it was short of memory is handed over
// later, in its order.
func TestRingKeepsWhatTheKernelDidntTake(t *testing.T) {
	r := newRing(t, 8, 4, 64)
	for i := range 20 {
		r.late = append(r.late, submission{op: opClose, fd: 1 << 20, token: uint64(i)})
	}
	r.CloseDescriptor(1<<20, 20)
	for i, c := range collect(t, r, 21) {
		if c.Token != uint64(i) {
			t.Fatalf("completion %d is of request %d", i, c.Token)
		}
	}
	if len(r.late) != 0 {
		t.Errorf("%d requests are left", len(r.late))
	}
}

// Without a free buffer a receive fails, and nothing is lost by it; buffers that
// come back are used again, many times round.
func TestRingRunsOutOfBuffers(t *testing.T) {
	r := newRing(t, 8, 2, 4)
	fd, peer := pair(t, "tcp", "127.0.0.1:0")
	if _, err := io.WriteString(peer, "aaaabbbbcccc"); err != nil {
		t.Fatal(err)
	}
	var held []Completion
	for range 2 {
		r.Recv(fd, 1, false)
		held = append(held, one(t, r, 1))
	}
	if !held[0].MoreToReceive() {
		t.Error("a receive that left something doesn't say so")
	}
	r.Recv(fd, 1, false)
	if c := one(t, r, 1); c.Errno() != unix.ENOBUFS || r.Received(&c) != nil {
		t.Fatalf("with no buffer left: %+v", c)
	}
	if a, b := string(r.Received(&held[0])), string(r.Received(&held[1])); a != "aaaa" || b != "bbbb" {
		t.Fatalf("received %q and %q", a, b)
	}
	for i := range held {
		r.Return(&held[i])
	}
	r.Recv(fd, 1, false)
	c := one(t, r, 1)
	if b := string(r.Received(&c)); b != "cccc" {
		t.Fatalf("received %q", b)
	}
	r.Return(&c)
	for i := range 1 << 17 { // the ring of buffers counts to 2¹⁶
		if i%3 == 0 {
			r.Recv(fd, 1, true)
			if _, err := peer.Write([]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		} else {
			if _, err := peer.Write([]byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
			r.Recv(fd, 1, false)
		}
		c := one(t, r, 1)
		if b := r.Received(&c); len(b) != 1 || b[0] != byte(i) {
			t.Fatalf("receive %d brought %v", i, b)
		}
		r.Return(&c)
		if testing.Short() && i == 1000 {
			break
		}
	}
}

func TestRingReceivesTheEnd(t *testing.T) {
	r := newRing(t, 8, 2, 64)
	fd, peer := pair(t, "tcp", "127.0.0.1:0")
	r.Recv(fd, 1, false)
	_ = peer.CloseWrite()
	c := one(t, r, 1)
	if c.Errno() != 0 || c.Result() != 0 || len(r.Received(&c)) != 0 {
		t.Errorf("the end came as %+v", c)
	}
	r.Return(&c)
	r.Recv(fd, 2, false)
	_ = peer.SetLinger(0)
	_ = peer.Close()
	c = one(t, r, 2)
	r.Return(&c)
}

// A cancel ends what waits, and says how far it came; one that comes too late
// finds nobody, and nobody hears of it.
func TestRingCancels(t *testing.T) {
	r := newRing(t, 8, 2, 64)
	fd, peer := pair(t, "tcp", "127.0.0.1:0")
	r.Recv(fd, 1, false)
	r.Turn(0)
	r.Cancel(1)
	c := one(t, r, 1)
	if c.Errno() != unix.ECANCELED {
		t.Errorf("the cancelled receive came to %+v", c)
	}
	r.Return(&c)
	r.Cancel(1)

	much := make([]byte, 64<<20) // that nobody reads
	r.Send(fd, 2, much)
	r.Turn(0)
	r.Cancel(2)
	if c := one(t, r, 2); c.Errno() != 0 || c.Result() == 0 || c.Result() >= len(much) {
		t.Errorf("the cancelled send came to %+v of %d bytes", c, len(much))
	}
	runtime.KeepAlive(much)
	_ = peer.Close()
	r.Send(fd, 3, much[:1])
	r.Send(fd, 4, much[:1])
	for _, c := range collect(t, r, 2) {
		if errno := c.Errno(); errno != 0 && errno != unix.EPIPE && errno != unix.ECONNRESET {
			t.Errorf("sent to nobody: %+v", c)
		}
	}
}

func TestRingIsWokenUp(t *testing.T) {
	r := newRing(t, 8, 2, 64)
	for i := range 100 {
		if i%2 == 0 {
			r.Wake() // before there is a turn to end
		} else {
			go r.Wake()
		}
		begun := time.Now()
		for woken := false; !woken; {
			head := r.head
			if n := r.Turn(20 * time.Second); n != 0 {
				t.Fatalf("%d completions are announced of nothing", n)
			}
			if c, ok := r.Next(); ok {
				t.Fatalf("%+v came", c)
			}
			woken = r.head != head // else a signal came between
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Fatalf("wake-up %d took %v", i, took)
		}
	}
	r.Close()
	r.Wake() // nobody is there, and no harm is done
}

func TestRingWaitsForItsTimeout(t *testing.T) {
	r := newRing(t, 8, 2, 64)
	const timeout = 30 * time.Millisecond
	begun := time.Now()
	for time.Since(begun) < timeout { // signals may come
		r.Turn(timeout - time.Since(begun))
	}
	r.Turn(0)
	if c, ok := r.Next(); ok {
		t.Errorf("%+v came of nothing", c)
	}
}

func TestRingDoesntAllocate(t *testing.T) {
	r := newRing(t, 8, 2, 64)
	fd, peer := pair(t, "tcp", "127.0.0.1:0")
	raw, err := peer.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	question, answer := []byte("question"), make([]byte, 64)
	_ = raw.Control(func(peer uintptr) {
		if n := testing.AllocsPerRun(100, func() {
			if _, errno := Send(int(peer), question); errno != 0 {
				t.Fatal(errno)
			}
			r.Recv(fd, 1, false)
			for done := 0; done < 2; {
				r.Turn(time.Second)
				for c, ok := r.Next(); ok; c, ok = r.Next() {
					if done++; c.Token == 1 {
						r.Send(fd, 2, question)
					}
					r.Return(&c)
				}
			}
			if _, errno := Recv(int(peer), answer); errno != 0 {
				t.Fatal(errno)
			}
		}); n != 0 {
			t.Errorf("%v allocations, want none", n)
		}
	})
}

// A system that doesn't allow io_uring says so by one error or another, and the
// ring's error says what that means.
func TestRingIsRefused(t *testing.T) {
	for _, tt := range []struct {
		errno unix.Errno
		want  string
	}{
		{unix.EPERM, "no io_uring: io_uring_setup: operation not permitted (this system doesn't allow it: kernel.io_uring_disabled, or a container's seccomp profile)"},
		{unix.ENOSYS, "no io_uring: io_uring_setup: function not implemented (this kernel has none, or a container's seccomp profile hides it)"},
		{unix.EINVAL, "no io_uring: io_uring_setup: invalid argument (this kernel's is too old: Linux 6.0 or later is needed)"},
		{unix.ENOMEM, "io_uring_setup: cannot allocate memory (raise the limit of locked memory, ulimit -l)"},
		{unix.EMFILE, "io_uring_setup: too many open files"},
	} {
		said := make(chan error)
		go func() {
			runtime.LockOSThread() // and never unlocks: the thread ends with what it may not do
			if err := refuse(tt.errno); err != nil {
				said <- fmt.Errorf("seccomp: %w", err)
				return
			}
			_, err := NewRing(8, 8, 64)
			said <- err
		}()
		err := <-said
		switch {
		case err == nil:
			t.Errorf("with %v a ring is made", tt.errno)
		case strings.HasPrefix(err.Error(), "seccomp:"):
			t.Skipf("this system lets nobody refuse anything: %v", err)
		case err.Error() != tt.want || !errors.Is(err, tt.errno):
			t.Errorf("with %v: %v\nwant %s", tt.errno, err, tt.want)
		}
		if lasting := tt.errno != unix.ENOMEM && tt.errno != unix.EMFILE; errors.Is(err, ErrNoRing) != lasting {
			t.Errorf("with %v: is ErrNoRing %v", tt.errno, !lasting)
		}
	}
}

// refuse has the calling thread's io_uring_setup fail from now on.
func refuse(errno unix.Errno) error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_IO_URING_SETUP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

func BenchmarkRing(b *testing.B) {
	r := newRing(b, 256, 2, 64)
	for b.Loop() {
		for i := range 64 {
			r.CloseDescriptor(1<<20, uint64(i))
		}
		r.Turn(0)
		for _, ok := r.Next(); ok; _, ok = r.Next() {
		}
	}
}

package models

import (
	"io"
	"net"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// listening are this process's descriptors that listen on a port.
func listening(t *testing.T, on int) (fds []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		name, err1 := unix.Getsockname(fd)
		listens, err2 := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err1 == nil && err2 == nil && listens == 1 && port(name) == on {
			fds = append(fds, fd)
		}
	}
	return fds
}

// asked asks a server in the conversation's shortest way and reads the answer
// to its end.
func asked(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, err := io.ReadAll(c); err != nil || len(answer) == 0 {
		t.Fatalf("answer %q, %v", answer, err)
	}
}

func TestShardsCountWhatEachHasTaken(t *testing.T) {
	x, ln, ended, stop := served(t, "shards:shards=3", nil)
	const clients = 200
	for range clients {
		asked(t, ln.Addr().String())
	}
	stop()
	if err := ended(); err != nil {
		t.Fatal(err)
	}
	st := x.Stats()
	sum := int64(0)
	for i, n := range st.Spread.Taken {
		if sum += n; n == 0 {
			t.Errorf("shard %d has taken none of %d clients, which chance does once in 10³⁵", i, clients)
		}
	}
	if st.Spread.Name != "shards" || len(st.Spread.Taken) != 3 || sum != clients || sum != st.Accepted {
		t.Errorf("%d clients, %d accepted, spread like this: %+v", clients, st.Accepted, st.Spread)
	}
}

// Whichever listener it is that fails, its share of the clients would find
// nobody: Serve says so and ends.
func TestShardsEndWithAnyListener(t *testing.T) {
	const shards = 3
	for i := range shards {
		_, ln, ended, _ := served(t, "shards:shards=3", nil)
		asked(t, ln.Addr().String()) // so it has begun, with all its listeners
		fds := listening(t, ln.Addr().(*net.TCPAddr).Port)
		if len(fds) != shards {
			t.Fatalf("%d descriptors listen, want %d", len(fds), shards)
		}
		if err := unix.Shutdown(fds[i], unix.SHUT_RDWR); err != nil {
			t.Fatal(err)
		}
		if err := ended(); err == nil {
			t.Errorf("listener %d of %d failed, and Serve returned nil", i+1, shards)
		}
		if left := listening(t, ln.Addr().(*net.TCPAddr).Port); len(left) != 0 {
			t.Errorf("Serve has returned, and %d of its listeners are open", len(left))
		}
	}
}

package models

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"workbench/models/exchange"
)

// Each connection has a thread from its first moment to its last, shares it
// with none, and the thread ends with it.
func TestThreadsAreTheirConnections(t *testing.T) {
	const clients = 20
	var (
		mu      sync.Mutex
		threads = map[uint64]int{} // by connection
		conns   = map[int]uint64{} // by thread
		held    = make(chan struct{}, clients)
	)
	_, ln, ended, stop := served(t, "threads", func(m exchange.Moment) {
		if m.Event == exchange.Accepted {
			return // on the accepting loop
		}
		thread := unix.Gettid()
		mu.Lock()
		defer mu.Unlock()
		if m.Event == exchange.Held {
			if other := conns[thread]; other != 0 {
				t.Errorf("thread %d holds connection %d and %d", thread, other, m.Conn)
			}
			threads[m.Conn], conns[thread] = thread, m.Conn
		}
		if threads[m.Conn] != thread {
			t.Errorf("connection %d began on thread %d and goes on on thread %d", m.Conn, threads[m.Conn], thread)
		}
		if m.Event == exchange.Answered {
			held <- struct{}{}
		}
	})
	for range clients {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET /?wait=1ms HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	for range clients {
		<-held
	}
	stop()
	if err := ended(); err != nil {
		t.Fatal(err)
	}
	// The last thing that a thread does is later than what Serve can wait for,
	// and nothing tells of it.
	patience, again := time.NewTimer(10*time.Second), time.NewTicker(time.Millisecond)
	defer patience.Stop()
	defer again.Stop()
	for thread := range conns {
		if thread == os.Getpid() {
			continue // the first thread of a process stays, without anything to do
		}
		for exists(thread) {
			select {
			case <-patience.C:
				t.Fatalf("thread %d is left, and its connection is closed", thread)
			case <-again.C:
			}
		}
	}
}

func exists(thread int) bool {
	_, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", thread))
	return err == nil
}

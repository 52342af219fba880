package exchange

import (
	"context"
	"io"
	"net"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
)

// A silent connection's goroutine lives on the smallest stack there is, 2 KiB:
// one frame too many on the way to where it waits, or in anything that it does
// for an ordinary request, doubles what a server of silent connections needs.
func TestSilentConnectionsKeepSmallStacks(t *testing.T) {
	if raceEnabled {
		t.Skip("frames are larger with the race detector")
	}
	const n = 2000
	x, err := New(DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	before := stacks()
	ctx, stop := context.WithCancel(t.Context())
	var serving, holding sync.WaitGroup
	serving.Go(func() {
		for conn := range x.Accept(ctx, ln.(*net.TCPListener)) {
			holding.Go(func() { x.Hold(ctx, conn) }) // as models/goroutine.go has it
		}
		holding.Wait()
	})
	defer serving.Wait()
	defer stop()
	clients := make([]net.Conn, n)
	answer := make([]byte, 512)
	for i := range clients {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(answer); err != nil {
			t.Fatal(err)
		}
		clients[i] = c
	}
	runtime.GC()
	if each := (stacks() - before) / n; each > 2300 {
		t.Errorf("%d bytes of stack for each silent connection, want about 2048", each)
	}
}

// stacks is the memory of stacks, in bytes.
func stacks() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}

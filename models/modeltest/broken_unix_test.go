//go:build unix

package modeltest

import (
	"context"
	"net"
	"syscall"

	"workbench/models/exchange"
)

// firstByteFirst waits for a connection's first byte before it gives it to the
// exchange, and with it to the exchange's timeouts.
func firstByteFirst(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	return acceptByHand(ctx, ln, x, func(error) bool { return true }, func(ctx context.Context, nc *net.TCPConn) {
		stop := context.AfterFunc(ctx, func() { _ = nc.CloseRead() })
		raw, err := nc.SyscallConn()
		if err == nil {
			var b [1]byte
			err = raw.Read(func(fd uintptr) bool {
				_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
				return err != syscall.EAGAIN
			})
		}
		stop()
		if err != nil {
			_ = nc.Close()
			return
		}
		x.Hold(ctx, x.Adopt(nc))
	})
}

func init() {
	broken = append(broken, row{
		is: "a model that waits for the first byte before it begins to count the time", subject: Subject{New: newServe(firstByteFirst)},
		caughtBy: "silent clients lose their place",
		says:     "a client that said nothing at all (conversation ",
		passes:   []string{"answers are whole and in order", "requests come in pieces", "clients that don't read lose their place"},
	})
}

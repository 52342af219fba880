// Planted is a server with a known difference planted in it, for finding out
// whether runs find it: scripts/planted.sh.
//
// It is the model goroutine in every respect, and burns --burn iterations of a
// loop after each answer. It belongs to no catalogue, and nothing is to be
// learnt from it about servers: it is there to be told from itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"workbench/models"
	"workbench/models/exchange"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := serve(ctx, os.Args[1:], os.Stderr); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "planted:", err)
		os.Exit(1)
	}
}

// serve serves on a port of the loopback until ctx is done.
func serve(ctx context.Context, args []string, help io.Writer) error {
	flags := flag.NewFlagSet("planted", flag.ContinueOnError)
	flags.SetOutput(help)
	port := flags.Int("port", 8888, "to listen on, on the loopback")
	burn := flags.Int("burn", 0, "`iterations` of a loop after each answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *burn < 0 || flags.NArg() > 0 {
		return fmt.Errorf("--burn %d, and %d words more: want 0 or more, and none", *burn, flags.NArg())
	}
	server, _, err := models.New("goroutine")
	if err != nil {
		return err
	}
	x, err := exchange.New(exchange.DefaultOptions())
	if err != nil {
		return err
	}
	// Without an observer the moments of a connection cost nothing, so that one
	// which burns nothing is the model itself.
	if *burn > 0 {
		x.Observe(func(m exchange.Moment) {
			if m.Event == exchange.Answered && spin(*burn) == 0 {
				panic("xorshift64 came to 0, which it can't")
			}
		})
	}
	ln, err := models.Listen(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(*port)), 0)
	if err != nil {
		return err
	}
	return server.Serve(ctx, ln, x)
}

// spin takes time in proportion to n, a nanosecond or two each: every step
// waits for the one before it (xorshift64).
func spin(n int) uint64 {
	x := uint64(n)
	for range n {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"workbench/models"
	"workbench/models/exchange"
)

// serveCmd runs one model as a server of its own.
type serveCmd struct {
	Model        string        `default:"goroutine" placeholder:"SPEC" help:"Model to serve with, such as ${default} or pool:workers=4 (see workbench models)."`
	Addr         string        `default:"127.0.0.1:8888" placeholder:"HOST:PORT" help:"Address to listen on (${default}). Whoever reaches it may ask for work."`
	Conversation string        `default:"http" placeholder:"http|once" help:"http, or once: one read, one fixed answer, close."`
	Print        bool          `help:"Show what clients send, as it comes."`
	Backlog      int           `placeholder:"N" help:"Connections that may wait to be accepted (the system's limit)."`
	HeadTimeout  time.Duration `default:"5s" placeholder:"D" help:"For a request's head (${default}); 0 is for ever, for the three timeouts below too."`
	BodyTimeout  time.Duration `default:"5s" placeholder:"D" help:"For a request's body (${default})."`
	WriteTimeout time.Duration `default:"30s" placeholder:"D" help:"For writing an answer, in all (${default})."`
	IdleTimeout  time.Duration `default:"5s" placeholder:"D" help:"Between the requests of a connection (${default})."`
	Grace        time.Duration `default:"5s" placeholder:"D" help:"That requests already read have to be answered after Ctrl-C (${default}); 0 is none."`
}

// Run serves until ctx is done, and drains.
func (c serveCmd) Run(ctx context.Context, t terminal) error {
	server, spec, err := models.New(c.Model)
	if err == nil {
		err = takesPart(spec, c.Conversation)
	}
	if err != nil {
		return wrong(err)
	}
	o := exchange.DefaultOptions()
	o.Conversation = c.Conversation
	o.HeadTimeout, o.BodyTimeout, o.WriteTimeout, o.IdleTimeout, o.Grace = c.HeadTimeout, c.BodyTimeout, c.WriteTimeout, c.IdleTimeout, c.Grace
	if o.Conversation == exchange.HTTP {
		o.SpinPerUs = exchange.CalibrateSpin()
	}
	x, err := exchange.New(o)
	if err != nil {
		return wrong(err)
	}
	if err := errors.Join(checkAddr(c.Addr), models.CheckBacklog(c.Backlog)); err != nil {
		return wrong(err)
	}
	// Child processes of a model tell this one what to observe, and wait for it.
	// That costs them something which a run, where nobody observes, doesn't.
	x.Observe(observer(t, c.Print))
	ln, err := models.Listen(ctx, c.Addr, c.Backlog)
	if err != nil {
		return err
	}
	addr := ln.Addr().(*net.TCPAddr)
	fmt.Fprintf(t.out, "Serving HTTP on port %d ...\n", addr.Port)
	if !addr.IP.IsLoopback() {
		fmt.Fprintf(t.err, "workbench: %v is not a loopback address: whoever reaches it may ask this machine for work\n", addr)
	}
	if err := server.Serve(ctx, ln, x); err != nil {
		return fmt.Errorf("serve with %s: %w", c.Model, err)
	}
	s := x.Stats()
	fmt.Fprintf(t.err, "workbench: stopped after %d connections and %d answers\n", s.Accepted, s.Requests)
	return nil
}

// checkAddr tells an address that can't be one from one that can't be had.
func checkAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		return fmt.Errorf("--addr %s: must be HOST:PORT, such as 127.0.0.1:8888", addr)
	}
	return nil
}

// observer prints what clients send, if that is wanted, and panics always.
func observer(t terminal, requests bool) func(exchange.Moment) {
	var mu sync.Mutex
	return func(m exchange.Moment) {
		switch {
		case m.Event == exchange.Panicked:
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(t.err, "workbench: connection %d: %v\n", m.Conn, m.Err)
		case m.Event == exchange.Read && requests:
			mu.Lock()
			defer mu.Unlock()
			printable(t.out, m.Bytes)
		}
	}
}

// printable writes b as it came, but what isn't printable, which is escaped as
// in a Go string: a client must not be able to steer the terminal. Lines end
// where they ended, and the carriage return before is shown.
func printable(w io.Writer, b []byte) {
	var out bytes.Buffer
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == '\n':
			out.WriteByte('\n')
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&out, `\x%02x`, b[0])
		case r == '\\':
			out.WriteString(`\\`)
		case unicode.IsPrint(r):
			out.WriteRune(r)
		default:
			q := strconv.QuoteRune(r)
			out.WriteString(q[1 : len(q)-1])
		}
		b = b[n:]
	}
	if out.Len() > 0 && out.Bytes()[out.Len()-1] != '\n' {
		out.WriteByte('\n')
	}
	_, _ = w.Write(out.Bytes())
}

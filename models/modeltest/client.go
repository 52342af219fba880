package modeltest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"workbench/models/exchange"
)

// A client is one connection, seen from outside.
type client struct {
	conn     *net.TCPConn
	in       *bufio.Reader
	patience time.Duration
	byEnd    bool // a refusal may end with the connection
}

func (s *server) dial() (*client, error) {
	d := net.Dialer{Timeout: s.Patience, KeepAlive: -1}
	conn, err := d.DialContext(s.ctx, "tcp", s.addr)
	if err != nil {
		return nil, s.explain(err)
	}
	c := newClient(conn.(*net.TCPConn), s.Patience)
	c.byEnd = s.Reference
	return c, nil
}

func newClient(conn *net.TCPConn, patience time.Duration) *client {
	return &client{conn: conn, in: bufio.NewReader(conn), patience: patience}
}

// with opens a connection for f and closes it afterwards. Where the model
// turns clients away it may do so while the place of the one before is being
// given back; f must then return the 503 that it met, and is called again.
func (s *server) with(f func(c *client) error) error {
	err := s.retry(func() error {
		c, err := s.dial()
		if err != nil {
			return err
		}
		defer c.close()
		return f(c)
	})
	return s.explain(err)
}

// retry calls f again as long as it meets a 503 that it may meet.
func (s *server) retry(f func() error) error {
	giveUp := time.Now().Add(s.Patience)
	pause := time.NewTicker(5 * time.Millisecond)
	defer pause.Stop()
	for {
		err := f()
		if !s.Rejects || !errors.Is(err, errTurnedAway) || time.Now().After(giveUp) {
			return err
		}
		<-pause.C
	}
}

// ask asks for n bytes on a connection of its own. work is a query, or empty.
func (s *server) ask(n int64, work string) error {
	return s.with(func(c *client) error { return c.ask(n, work, "Connection: close") })
}

// kept returns a connection that is held: it has had an answer.
func (s *server) kept() (*client, error) {
	var c *client
	err := s.retry(func() (err error) {
		if c, err = s.dial(); err != nil {
			return err
		}
		if err = c.ask(1, ""); err != nil {
			c.close()
		}
		return err
	})
	return c, err
}

// refusesClients fails if somebody still listens.
func (s *server) refusesClients() error {
	c, err := s.dial()
	if err == nil {
		c.close()
		return errors.New("Serve has returned, and a client can still connect: a listening socket is left")
	}
	return nil
}

// get is a request for n bytes.
func get(n int64, work string, headers ...string) string {
	query := fmt.Sprintf("bytes=%d", n)
	if work != "" {
		query += "&" + work
	}
	return request("GET /?"+query+" HTTP/1.1", append([]string{"Host: test"}, headers...)...)
}

// request is a head with those lines.
func request(line string, headers ...string) string {
	var b strings.Builder
	b.WriteString(line + "\r\n")
	for _, h := range headers {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("\r\n")
	return b.String()
}

// half is a part of a head.
const half = "GET /?bytes=1 HTTP/1.1\r\nHost: te"

// otherHalf is the rest of it.
const otherHalf = "st\r\nConnection: close\r\n\r\n"

func (c *client) close() { _ = c.conn.Close() }

// reset goes away without a goodbye.
func (c *client) reset() {
	_ = c.conn.SetLinger(0)
	_ = c.conn.Close()
}

func (c *client) send(text string) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(c.patience))
	if n, err := io.WriteString(c.conn, text); err != nil {
		return fmt.Errorf("%s after %d of %d bytes of the request were sent", reason(err, c.patience), n, len(text))
	}
	return nil
}

// ask sends a request for n bytes and reads the answer.
func (c *client) ask(n int64, work string, headers ...string) error {
	if err := c.send(get(n, work, headers...)); err != nil {
		return err
	}
	_, err := c.expect(http.StatusOK, n)
	return err
}

// An answer, without its body.
type answer struct {
	status int
	bytes  int64 // of the body
	header http.Header
	closes bool // says that the connection is closed
}

// errTurnedAway is a 503, read whole.
var errTurnedAway = errors.New("got 503, every place is taken")

// errNoAnswer says that the connection ended without a byte of an answer.
var errNoAnswer = errors.New("no answer")

// expect reads an answer to a GET and fails if it is another than that. A
// negative n stands for any length.
func (c *client) expect(status int, n int64) (answer, error) {
	a, err := c.answer(http.MethodGet)
	switch {
	case err != nil:
	case a.status != status:
		err = fmt.Errorf("got status %d, not %d", a.status, status)
	case n >= 0 && a.bytes != n:
		err = fmt.Errorf("got an answer of %d bytes, not %d", a.bytes, n)
	}
	return a, err
}

// answer reads one answer, whole. A 503 is an error.
func (c *client) answer(method string) (answer, error) {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.patience))
	switch _, err := c.in.Peek(1); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return answer{}, fmt.Errorf("no answer within %v", c.patience)
	case err != nil:
		return answer{}, fmt.Errorf("%w: %s", errNoAnswer, reason(err, c.patience))
	}
	resp, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		return answer{}, fmt.Errorf("%s in the head of the answer", reason(err, c.patience))
	}
	a := answer{status: resp.StatusCode, header: resp.Header, closes: resp.Close}
	var body filled
	a.bytes, err = io.Copy(&body, resp.Body)
	switch {
	case err != nil:
		return a, fmt.Errorf("%s after %d of %d bytes of the answer", reason(err, c.patience), a.bytes, resp.ContentLength)
	case resp.ContentLength < 0 && !(c.byEnd && a.closes && a.status >= 400):
		return a, fmt.Errorf("the answer (status %d) has no length", a.status)
	case a.status == http.StatusServiceUnavailable:
		return a, errTurnedAway
	case a.status == http.StatusOK && body.wrong:
		return a, fmt.Errorf("an answer of %d bytes has the wrong bytes in it", a.bytes)
	}
	return a, nil
}

// end fails unless the server ends the connection here, in order.
func (c *client) end() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.patience))
	_, err := c.in.Peek(1)
	switch {
	case err == nil:
		begin, _ := c.in.Peek(len("HTTP/1.1 503"))
		if bytes.Equal(begin, []byte("HTTP/1.1 503")) {
			return errTurnedAway
		}
		return fmt.Errorf("instead of the end came %q", begin)
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the connection was not closed within %v", c.patience)
	}
	return fmt.Errorf("instead of the end of file: %s", reason(err, c.patience))
}

// over fails unless the server ends the connection here, in whatever way, and
// without an answer.
func (c *client) over() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.patience))
	n, err := io.Copy(io.Discard, c.in)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the connection was not closed within %v", c.patience)
	case n > 0:
		return fmt.Errorf("%d bytes came, where nothing was to be answered", n)
	}
	return nil
}

// gone fails unless the server ends the connection here, in whatever way and
// whatever it says first.
func (c *client) gone() error {
	_ = c.conn.SetReadDeadline(time.Now().Add(c.patience))
	if _, err := io.Copy(io.Discard, c.in); errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("the connection was not closed within %v", c.patience)
	}
	return nil
}

// reason says in words how reading or writing failed.
func reason(err error, patience time.Duration) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Sprintf("nothing for %v", patience)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "the connection was reset"
	}
	return err.Error()
}

// filled compares what is written to it with the text that bodies are made of.
type filled struct {
	n     int
	wrong bool
}

func (f *filled) Write(b []byte) (int, error) {
	filler := exchange.Filler()
	for rest := b; len(rest) > 0; {
		want := filler[f.n%len(filler):]
		k := min(len(rest), len(want))
		f.wrong = f.wrong || !bytes.Equal(rest[:k], want[:k])
		f.n += k
		rest = rest[k:]
	}
	return len(b), nil
}

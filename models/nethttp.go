package models

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"workbench/models/exchange"
)

// nethttpServer is the standard library's server, as its users run it.
//
//	backlog ──accept──▶ go serve ─── read, parse ──▶ handler ──▶ write
//	            │          └ go read: has the client gone?
//	            └─────▶ go serve     as many as there are connections
//
// Who accepts: one loop. Who reads and answers: a goroutine of the connection's
// own, as in the model goroutine; while a handler runs, a second one reads from
// the connection, to notice that the client has gone. No connection waits to be
// held. What it costs beyond the model goroutine is what it does beyond: headers
// as a map, a context for each request, HTTP/2 beside HTTP/1, and every corner
// of the protocol.
//
// It has been in Go since its first release (2009) and is what most Go services
// run on. It breaks where a goroutine per connection breaks, sooner: a
// connection costs two buffers of 4 KiB and two stacks.
//
// Its own knobs carry the exchange's timeouts. A body's is set by its handler,
// since the server has none that begins with a head's end, and a write's is set
// anew after the work, which would use it up.
type nethttpServer struct{}

func newNethttp(Spec) Server { return nethttpServer{} }

// guestKey is the key under which a request's context has its connection.
type guestKey struct{}

func (nethttpServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	o := x.Options()
	guests := x.Invite(ctx, ln)
	guests.ReadsOn = true
	srv := &http.Server{
		Handler:           nethttpHandler(o),
		ReadHeaderTimeout: o.HeadTimeout,
		WriteTimeout:      o.WriteTimeout,
		IdleTimeout:       orNever(o.IdleTimeout),
		MaxHeaderBytes:    exchange.MaxHead - 4096, // it allows for so much more
		ErrorLog:          log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, guestKey{}, c)
		},
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateIdle {
				c.(*exchange.Guest).Written()
			}
		},
	}
	return guests.Leave(srv.Serve(guests), srv.Shutdown)
}

// orNever is what the libraries take for no timeout at all: by 0 they mean
// another one of theirs.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return 100 * 365 * 24 * time.Hour
	}
	return d
}

func nethttpHandler(o exchange.Options) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		status, why := nethttpBody(w, r, o.BodyTimeout)
		g := r.Context().Value(guestKey{}).(*exchange.Guest)
		if !g.Begin() {
			return
		}
		defer g.End()
		if status != 0 {
			refuse(w, status, why)
			return
		}
		work, err := exchange.ParseWork([]byte(r.URL.RawQuery))
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
		h := w.Header()
		if work.Wait > 0 || work.Spin > 0 {
			took, err := g.Perform(work)
			if err != nil {
				refuse(w, http.StatusInternalServerError, "the work for this request failed")
				return
			}
			h.Set("X-Service-Us", strconv.FormatInt(took.Microseconds(), 10))
			if o.WriteTimeout > 0 {
				_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(o.WriteTimeout))
			}
		}
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Content-Length", strconv.FormatInt(work.Bytes, 10))
		if r.Method != http.MethodHead {
			_, _ = exchange.NewBody(work.Bytes).WriteTo(w) // the server sees to a client that has gone
		}
	}
}

// nethttpBody drops a request's body within its bounds, or says what to refuse
// it with.
func nethttpBody(w http.ResponseWriter, r *http.Request, timeout time.Duration) (status int, why string) {
	switch {
	case r.ProtoMajor != 1: // HTTP/2's greeting is left to handlers
		return http.StatusHTTPVersionNotSupported, "the versions that are known here are HTTP/1.1 and HTTP/1.0"
	case r.ContentLength > exchange.MaxBody:
		return http.StatusRequestEntityTooLarge, "the body is over 1 MiB"
	case r.Body == http.NoBody:
		return 0, ""
	}
	if timeout > 0 {
		c := http.NewResponseController(w)
		_ = c.SetReadDeadline(time.Now().Add(timeout))
		defer func() {
			if status == 0 {
				_ = c.SetReadDeadline(time.Time{})
			}
		}()
	}
	_, err := io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, exchange.MaxBody))
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case err == nil:
		return 0, ""
	case tooLarge:
		return http.StatusRequestEntityTooLarge, "the body is over 1 MiB"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return http.StatusRequestTimeout, "the body took too long"
	}
	return http.StatusBadRequest, "the body is malformed or ended before its end"
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Connection", "close")
	http.Error(w, why, status)
}

package models

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"workbench/models/exchange"
)

// fasthttpServer is valyala/fasthttp, as its users run it.
//
//	                   idle workers, a stack
//	backlog ──accept──▶ ▒▒▒ last in, first out ──▶ worker: read, handler, write
//	            │
//	            └─────▶ a new worker, if none is idle, up to 262,144
//
// Who accepts: one loop. Who reads and answers: a worker goroutine that holds
// the connection to its end and is then used again, with its grown stack; so are
// requests, answers and buffers. Nothing is allocated for a request: headers
// stay bytes of the buffer that they were read into, which is what a handler
// must not keep. No connection waits to be held.
//
// Aliaksandr Valialkin wrote it in 2015, for servers of advertising; it leads
// rankings of Go servers since. The model elastic is its pool alone. It breaks
// where a goroutine per connection breaks, and it is stricter with its users
// and laxer with HTTP than net/http: it answers half of the malformed requests
// that the conversation refuses, and closes without waiting for the client to
// read why.
type fasthttpServer struct{}

func newFasthttp(Spec) Server { return fasthttpServer{} }

func (fasthttpServer) Serve(ctx context.Context, ln *net.TCPListener, x *exchange.Exchange) error {
	o := x.Options()
	guests := x.Invite(ctx, ln)
	srv := &fasthttp.Server{
		Handler:      fasthttpHandler,
		ErrorHandler: fasthttpRefuses,
		HeaderReceived: func(*fasthttp.RequestHeader) fasthttp.RequestConfig {
			return fasthttp.RequestConfig{ReadTimeout: o.BodyTimeout}
		},
		ReadTimeout:           o.HeadTimeout,
		WriteTimeout:          o.WriteTimeout,
		IdleTimeout:           orNever(o.IdleTimeout),
		ReadBufferSize:        exchange.MaxHead, // a head must fit in
		MaxRequestBodySize:    exchange.MaxBody,
		MaxIdleWorkerDuration: time.Second, // which its cleaner sleeps on after a stop
		CloseOnShutdown:       true,
		NoDefaultServerHeader: true,
		Logger:                log.New(io.Discard, "", 0),
	}
	return guests.Leave(srv.Serve(guests), srv.ShutdownWithContext)
}

// inOnePiece is the largest body that is handed over as it is, not as a stream.
const inOnePiece = 32 << 10

func fasthttpHandler(ctx *fasthttp.RequestCtx) {
	g := ctx.Conn().(*exchange.Guest)
	if !g.Begin() {
		return
	}
	defer g.End()
	if h := &ctx.Request.Header; !h.IsHTTP11() && string(h.Protocol()) != "HTTP/1.0" { // which the library leaves to handlers
		fasthttpRefuse(ctx, http.StatusHTTPVersionNotSupported, "the versions that are known here are HTTP/1.1 and HTTP/1.0")
		return
	}
	work, err := exchange.ParseWork(ctx.URI().QueryString())
	if err != nil {
		fasthttpRefuse(ctx, http.StatusBadRequest, err.Error())
		return
	}
	if work.Wait > 0 || work.Spin > 0 {
		took, err := g.Perform(work)
		if err != nil {
			fasthttpRefuse(ctx, http.StatusInternalServerError, "the work for this request failed")
			return
		}
		ctx.Response.Header.Set("X-Service-Us", strconv.FormatInt(took.Microseconds(), 10))
	}
	ctx.SetContentType("text/plain; charset=utf-8")
	if work.Bytes <= inOnePiece {
		ctx.Response.SetBodyRaw(exchange.Filler()[:work.Bytes])
	} else {
		ctx.Response.SetBodyStream(exchange.NewBody(work.Bytes), int(work.Bytes))
	}
}

// fasthttpRefuses answers where no handler could be called.
func fasthttpRefuses(ctx *fasthttp.RequestCtx, err error) {
	g := ctx.Conn().(*exchange.Guest)
	if !g.Begin() {
		return
	}
	defer g.End()
	_, headTooLarge := errors.AsType[*fasthttp.ErrSmallBuffer](err)
	timeout, isNet := errors.AsType[net.Error](err)
	switch {
	case headTooLarge:
		fasthttpRefuse(ctx, http.StatusRequestHeaderFieldsTooLarge, "the head is over 16 KiB")
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		fasthttpRefuse(ctx, http.StatusRequestEntityTooLarge, "the body is over 1 MiB")
	case isNet && timeout.Timeout():
		fasthttpRefuse(ctx, http.StatusRequestTimeout, "the request took too long")
	default:
		fasthttpRefuse(ctx, http.StatusBadRequest, "the request is malformed or ended before its end")
	}
}

func fasthttpRefuse(ctx *fasthttp.RequestCtx, status int, why string) {
	ctx.Error(why+"\n", status)
	ctx.SetConnectionClose()
}

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"workbench/harness/scenario"
)

// A judge is what all answers of a slice are held to. It keeps the last head
// that it read: most heads of a server are the same byte for byte, and what is
// the same need not be parsed again. It is not to be used by several
// goroutines at once.
type judge struct {
	expect Expect
	once   bool // the conversation is "once"

	seen []byte // the last head
	head head   // parsed
}

func newJudge(j Job) judge {
	e := j.Expect
	if e.Status == 0 {
		e.Status = 200
	}
	return judge{expect: e, once: j.Scenario.Conversation == scenario.ConversationOnce}
}

// parse is parseHead with a memory of one.
func (j *judge) parse(b []byte) (h head, size int, err error) {
	if len(j.seen) > 0 && bytes.HasPrefix(b, j.seen) {
		return j.head, len(j.seen), nil
	}
	h, size, err = parseHead(b)
	if size > 0 {
		j.seen, j.head = append(j.seen[:0], b[:size]...), h
	}
	return h, size, err
}

// A reader follows one answer at a time from its first byte to its last, as
// they come, in pieces of any size. It does no I/O, so both engines share every
// byte of it, and allocates only where a head comes in pieces or something
// fails.
type reader struct {
	want    int64 // bytes that the body must have; below 0: whatever its framing says
	service bool  // X-Service-Us must be there

	empty   bool // not a byte yet
	inBody  bool
	head    head
	partial []byte // of a head that came in pieces
	got     int64  // bytes of the body
	chunk   chunked

	// Of a whole answer:
	took time.Duration // at work, as the server says; below 0: it doesn't say
	last bool          // the server closes, or has closed, the connection
}

// begin expects the answer to a request.
func (r *reader) begin(j *judge, asked scenario.Request) {
	worked := asked.WaitUs != 0 || asked.SpinUs != 0
	*r = reader{empty: true, took: -1, partial: r.partial[:0], service: worked && !j.expect.Foreign && !j.once}
	switch {
	case j.once:
		r.want = -1
	case asked.Bytes != 0:
		r.want = asked.Bytes
	case !j.expect.Foreign:
		r.want = int64(len(greeting))
	case j.expect.Length > 0:
		r.want = j.expect.Length
	default:
		r.want = -1
	}
}

var (
	errRejected   = errors.New("answered 503")
	errLength     = errors.New("the answer says no Content-Length")
	errSurplus    = errors.New("more bytes came than the answer has")
	errBody       = errors.New("the body is not what was asked for")
	errHeadSize   = errors.New("the answer's head is over 4 KiB")
	errNoService  = errors.New("the answer has no X-Service-Us, though work was asked for")
	errNoGreeting = errors.New(`the answer doesn't begin with "Hello, World!"`)
)

// mostHead bounds the head of an answer, in bytes.
const mostHead = 4 << 10

// feed takes the bytes that came next. An answer that is done, rightly or not,
// takes no more. An error goes with every failure.
func (r *reader) feed(j *judge, b []byte) (done bool, f failure, err error) {
	if len(b) == 0 {
		return false, none, nil
	}
	r.empty = false
	if r.inBody {
		return r.body(j, b)
	}
	if len(r.partial) > 0 {
		r.partial = append(r.partial, b...)
		b = r.partial
	}
	h, size, err := j.parse(b)
	switch {
	case err != nil:
		return true, badResponse, fmt.Errorf("the answer %w", err)
	case size > mostHead || size == 0 && len(b) > mostHead:
		return true, badResponse, errHeadSize
	case size == 0:
		if len(r.partial) == 0 {
			r.partial = append(r.partial, b...)
		}
		return false, none, nil
	}
	r.head, r.inBody, r.last = h, true, h.close
	if f, err := r.framed(j); f != none {
		return true, f, err
	}
	return r.body(j, b[size:])
}

// right reports whether the status is. What a wrong answer says is read all
// the same, so that the close is orderly.
func (r *reader) right(j *judge) bool { return r.head.status == j.expect.Status }

// framed looks at what the head says of the body.
func (r *reader) framed(j *judge) (failure, error) {
	h := &r.head
	if h.status == 204 || h.status == 304 { // RFC 9112, 6.3: no body, whatever the head says
		h.length, h.chunked = 0, false
	}
	switch {
	case h.chunked && !j.expect.Foreign:
		return badResponse, fmt.Errorf("the answer %w", errTransferEncoding)
	case !r.right(j):
	case j.expect.Foreign && h.length < 0:
		r.last = r.last || !h.chunked // the connection's end is the body's
	case h.length < 0:
		return badResponse, errLength
	case j.once:
		// Whatever follows the greeting is the server's own affair.
		if h.length < int64(len("Hello, World!")) {
			return badResponse, errNoGreeting
		}
	case r.want >= 0 && h.length != r.want:
		return badResponse, fmt.Errorf("the answer has Content-Length %d, want %d", h.length, r.want)
	case r.service && h.serviceUs < 0:
		return badResponse, errNoService
	}
	if h.serviceUs >= 0 {
		r.took = time.Duration(min(h.serviceUs, int64(time.Hour/time.Microsecond))) * time.Microsecond
	}
	return none, nil
}

// body takes bytes of the body.
func (r *reader) body(j *judge, b []byte) (done bool, f failure, err error) {
	if r.head.chunked {
		n, whole, err := r.chunk.feed(b)
		r.got = r.chunk.got
		switch {
		case err != nil:
			return true, badResponse, err
		case !whole:
			return false, none, nil
		case n < len(b):
			return true, badResponse, errSurplus
		}
		return r.whole(j)
	}
	length := r.head.length
	if length < 0 && r.right(j) { // foreign, until the connection ends
		r.got += int64(len(b))
		return false, none, nil
	}
	if r.right(j) && !j.expect.Foreign && !r.isRight(j, b[:min(int64(len(b)), length-r.got)]) {
		return true, badResponse, errBody
	}
	r.got += int64(len(b))
	switch {
	case r.got < length:
		return false, none, nil
	case r.got > length && r.right(j):
		return true, badResponse, errSurplus
	}
	return r.whole(j)
}

// isRight reports whether part of the body of a right answer is, as far as it
// is known what it should be.
func (r *reader) isRight(j *judge, part []byte) bool {
	if j.once {
		part = part[:min(int64(len(part)), max(0, int64(len("Hello, World!"))-r.got))]
	}
	for offset := r.got; len(part) > 0; { // a piece may be longer than the pattern
		n := min(len(part), largeBuffer)
		if !isBody(part[:n], offset) {
			return false
		}
		part, offset = part[n:], offset+int64(n)
	}
	return true
}

// whole judges an answer that is there to its last byte.
func (r *reader) whole(j *judge) (done bool, f failure, err error) {
	switch {
	case r.right(j) && r.want >= 0 && r.got != r.want: // of framings that don't say a length
		return true, badResponse, fmt.Errorf("the answer's body has %d bytes, want %d", r.got, r.want)
	case r.right(j):
		return true, none, nil
	case r.head.status == 503:
		return true, rejected, errRejected
	}
	return true, badResponse, fmt.Errorf("the answer has status %d, want %d", r.head.status, j.expect.Status)
}

// end takes the end of the connection, err being io.EOF or what else the
// socket said, and is what the answer comes to.
func (r *reader) end(j *judge, err error) (failure, error) {
	switch {
	case r.inBody && r.right(j) && r.head.length < 0 && !r.head.chunked && errors.Is(err, io.EOF):
		_, f, err := r.whole(j)
		return f, err
	case r.inBody && r.head.status == 503 && !r.right(j):
		return rejected, errRejected
	}
	return failureOf(err), err
}

// chunked follows a body in chunks (RFC 9112, 7.1), trailers included. Lines
// end in CR LF, as everywhere: what is accepted here net/http reads too, which
// a fuzz target checks.
type chunked struct {
	state chunkState
	size  int64 // that is left of the chunk at hand
	got   int64 // bytes of the body
	line  int   // bytes of the line at hand
}

type chunkState uint8

const (
	chunkSize       chunkState = iota // digits of a size
	chunkPadding                      // blanks behind it
	chunkExtension                    // what else is behind it
	chunkSizeEnd                      // LF
	chunkBody                         //
	chunkEnd                          // CR behind a chunk
	chunkEndEnd                       // LF
	chunkTrailer                      // a line behind the last chunk
	chunkTrailerEnd                   // LF of such a line
	chunkLast                         // LF of an empty one
)

const mostDigits = 16 // of a chunk's size

var errChunk = errors.New("the answer's chunks are malformed")

// feed takes bytes, and says how many of them belong to the body and whether
// it is whole.
func (c *chunked) feed(b []byte) (n int, whole bool, err error) {
	for n < len(b) {
		if c.state == chunkBody {
			k := min(c.size, int64(len(b)-n))
			n, c.size, c.got = n+int(k), c.size-k, c.got+k
			if c.size == 0 {
				c.state = chunkEnd
			}
			continue
		}
		next, ok := c.step(b[n])
		n++
		switch {
		case !ok:
			return n, false, errChunk
		case c.state == chunkLast && next == chunkSize:
			return n, true, nil
		}
		c.state = next
	}
	return n, false, nil
}

// step takes a byte that isn't of a chunk, and says what is to follow it.
func (c *chunked) step(x byte) (next chunkState, ok bool) {
	c.line++
	if c.line > mostHead {
		return 0, false
	}
	switch c.state {
	case chunkSize:
		digit := hexDigit(x)
		switch {
		case digit >= 0:
			c.size = c.size<<4 | int64(digit)
			return chunkSize, c.line <= mostDigits && c.size < 1<<40
		case c.line == 1:
			return 0, false
		case x == ';':
			return chunkExtension, true
		}
		return padded(x)
	case chunkPadding:
		return padded(x)
	case chunkExtension:
		return orEnd(x, chunkExtension, chunkSizeEnd)
	case chunkSizeEnd:
		c.line = 0
		if c.size == 0 {
			return chunkTrailer, x == '\n'
		}
		return chunkBody, x == '\n'
	case chunkEnd:
		return chunkEndEnd, x == '\r'
	case chunkTrailer:
		if c.line == 1 {
			return orEnd(x, chunkTrailer, chunkLast)
		}
		return orEnd(x, chunkTrailer, chunkTrailerEnd)
	case chunkTrailerEnd:
		c.line = 0
		return chunkTrailer, x == '\n'
	}
	c.line = 0
	return chunkSize, x == '\n' // chunkEndEnd, chunkLast
}

// padded is behind the digits of a size.
func padded(x byte) (next chunkState, ok bool) {
	if x != ' ' && x != '\t' && x != '\r' {
		return 0, false
	}
	return orEnd(x, chunkPadding, chunkSizeEnd)
}

// orEnd goes on in a line, up to the CR of its end.
func orEnd(x byte, on, end chunkState) (next chunkState, ok bool) {
	if x == '\r' {
		return end, true
	}
	return on, x != '\n'
}

func hexDigit(x byte) int {
	switch {
	case '0' <= x && x <= '9':
		return int(x - '0')
	case 'a' <= x && x <= 'f':
		return int(x-'a') + 10
	case 'A' <= x && x <= 'F':
		return int(x-'A') + 10
	}
	return -1
}

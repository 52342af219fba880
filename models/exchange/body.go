package exchange

// bodyReader reads a request's body and drops it. It remembers where it is in
// a chunked body to the byte, so that it never needs what it has seen.
//
// Lines of a chunked body end with CR LF and nothing else: what lets a head's
// line end with LF alone (RFC 9112, 2.2) doesn't hold here, and two parties
// that disagree on where a body ends are what request smuggling is made of.
type bodyReader struct {
	where  bodyState
	left   int64 // bytes still to come: of the body, or of the chunk
	total  int64 // bytes of chunks so far
	digits int   // of the chunk's size so far
	line   int   // bytes of the size line so far
	excess int64 // bytes of framing so far, past what the chunks' bytes account for
	extra  int   // bytes of trailers so far
}

type bodyState uint8

const (
	bodyDone bodyState = iota
	bodyLength
	chunkSize  // the digits of a chunk's size
	chunkSpace // white space behind them
	chunkExt   // extensions behind them
	chunkSizeLF
	chunkBytes
	chunkEnd // the line end behind a chunk's bytes
	chunkEndLF
	trailer // at the beginning of a trailer line, or of the last, empty line
	trailerName
	trailerValue
	trailerLF
	trailerEndLF
)

// Bounds of what surrounds a chunked body's bytes.
const (
	maxChunkLine = 4<<10 - 1 // of a size line with its extensions, its end aside
	maxTrailers  = MaxHead
	maxExcess    = 16 << 10 // of framing that no chunk's bytes account for
)

func (b *bodyReader) start(r *request) {
	*b = bodyReader{}
	switch {
	case r.chunked:
		b.where = chunkSize
	case r.length > 0:
		b.where, b.left = bodyLength, r.length
	}
}

func (b *bodyReader) done() bool { return b.where == bodyDone }

// read consumes what of in belongs to the body and returns the rest, which is
// empty unless the body is done or refused.
func (b *bodyReader) read(in []byte) (rest []byte, _ status, why string) {
	for len(in) > 0 && !b.done() {
		if b.where == bodyLength || b.where == chunkBytes {
			n := min(b.left, int64(len(in)))
			in, b.left = in[n:], b.left-n
			switch {
			case b.left > 0:
			case b.where == bodyLength:
				b.where = bodyDone
			default:
				b.where = chunkEnd
			}
			continue
		}
		if status, why := b.step(in[0]); status != "" {
			return in, status, why
		}
		in = in[1:]
	}
	return in, "", ""
}

// step takes one byte of a chunked body's framing.
func (b *bodyReader) step(c byte) (status, string) {
	switch {
	case b.where <= chunkExt && c != '\r':
		if b.line++; b.line > maxChunkLine {
			return statusBadRequest, "a line of the chunked body is too long"
		}
	case b.where >= trailer:
		if b.extra++; b.extra > maxTrailers {
			return statusHeadTooLarge, "the trailers are over 16 KiB"
		}
	}
	next := bodyDone // stands for none
	switch b.where {
	case chunkSize:
		v, ok := hexValue(c)
		switch {
		case ok:
			if b.digits++; b.digits > 16 {
				break // an endless row of zeros
			}
			if b.left = b.left<<4 | v; b.total+b.left > MaxBody {
				return statusTooLarge, "the body is over 1 MiB"
			}
			next = chunkSize
		case b.digits == 0:
		case c == '\r':
			next = chunkSizeLF
		case c == ' ' || c == '\t':
			next = chunkSpace
		case c == ';':
			next = chunkExt
		}
	case chunkSpace: // net/http takes it before the line's end, and nowhere else
		switch c {
		case '\r':
			next = chunkSizeLF
		case ' ', '\t':
			next = chunkSpace
		}
	case chunkExt:
		switch {
		case c == '\r':
			next = chunkSizeLF
		case class[c]&inValue != 0:
			next = chunkExt
		}
	case chunkSizeLF:
		if c == '\n' {
			return b.sized()
		}
	case chunkEnd:
		if c == '\r' {
			next = chunkEndLF
		}
	case chunkEndLF:
		if c == '\n' {
			next = chunkSize
		}
	case trailer:
		switch {
		case c == '\r':
			next = trailerEndLF
		case class[c]&inToken != 0:
			next = trailerName
		}
	case trailerName:
		switch {
		case c == ':':
			next = trailerValue
		case class[c]&inToken != 0:
			next = trailerName
		}
	case trailerValue:
		switch {
		case c == '\r':
			next = trailerLF
		case class[c]&inValue != 0:
			next = trailerValue
		}
	case trailerLF:
		if c == '\n' {
			next = trailer
		}
	case trailerEndLF:
		if c == '\n' {
			b.where = bodyDone
			return "", ""
		}
	}
	if next == bodyDone {
		return statusBadRequest, "the chunked body is malformed"
	}
	b.where = next
	return "", ""
}

// sized is called at the end of a chunk's size line.
func (b *bodyReader) sized() (status, string) {
	// A byte of body may cost five of framing ("1\r\nX\r\n"), but extensions
	// must not make it any number: 16 bytes for each chunk and 2 for each of
	// its bytes are free, as in net/http.
	b.excess = max(0, b.excess+int64(b.line)+2-16-2*b.left)
	if b.excess > maxExcess {
		return statusBadRequest, "the chunked body is mostly framing"
	}
	b.total += b.left
	b.line, b.digits = 0, 0
	if b.where = chunkBytes; b.left == 0 {
		b.where = trailer
	}
	return "", ""
}

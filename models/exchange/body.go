package exchange

// bodyReader reads a request's body and drops it. It remembers where it is in
// a chunked body to the byte, so that it never needs what it has seen.
type bodyReader struct {
	where bodyState
	left  int64 // bytes still to come: of the body, or of the chunk
	total int64 // bytes of chunks so far
	line  int   // length of the size line or trailer line so far
	extra int   // bytes of trailers so far
}

type bodyState uint8

const (
	bodyDone bodyState = iota
	bodyLength
	chunkSize // the digits of a chunk's size
	chunkExt  // the rest of its line
	chunkSizeLF
	chunkBytes
	chunkEnd // the line end behind a chunk's bytes
	chunkEndLF
	trailer // at the beginning of a line, or in it
	trailerLF
)

// Bounds of what surrounds a chunked body's bytes.
const (
	maxChunkLine = 4 << 10 // of a size line with its extensions
	maxTrailers  = MaxHead
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
	const malformed = "the chunked body is malformed"
	switch b.where {
	case chunkSize:
		v, ok := hexValue(c)
		switch {
		case ok:
			b.line++
			if b.left = b.left<<4 | v; b.total+b.left > MaxBody {
				return statusTooLarge, "the body is over 1 MiB"
			}
			if b.line > 16 {
				return statusBadRequest, malformed // an endless row of zeros
			}
			return "", ""
		case b.line == 0:
			return statusBadRequest, malformed
		case c == '\r':
			b.where = chunkSizeLF
		case c == '\n':
			b.sized()
		case c == ';' || c == ' ' || c == '\t':
			b.where = chunkExt
		default:
			return statusBadRequest, malformed
		}
	case chunkExt:
		b.line++
		switch {
		case c == '\r':
			b.where = chunkSizeLF
		case c == '\n':
			b.sized()
		case b.line > maxChunkLine || class[c]&inValue == 0:
			return statusBadRequest, malformed
		}
	case chunkSizeLF:
		if c != '\n' {
			return statusBadRequest, malformed
		}
		b.sized()
	case chunkEnd:
		switch c {
		case '\r':
			b.where = chunkEndLF
		case '\n':
			b.where = chunkSize
		default:
			return statusBadRequest, malformed
		}
	case chunkEndLF:
		if c != '\n' {
			return statusBadRequest, malformed
		}
		b.where = chunkSize
	case trailer:
		if b.extra++; b.extra > maxTrailers {
			return statusHeadTooLarge, "the trailers are over 16 KiB"
		}
		switch {
		case c == '\n' && b.line == 0:
			b.where = bodyDone
		case c == '\n':
			b.line = 0
		case c == '\r':
			b.where = trailerLF
		case class[c]&inValue == 0:
			return statusBadRequest, malformed
		default:
			b.line++
		}
	case trailerLF:
		switch {
		case c != '\n':
			return statusBadRequest, malformed
		case b.line == 0:
			b.where = bodyDone
		default:
			b.where, b.line = trailer, 0
		}
	}
	return "", ""
}

// sized is called at the end of a chunk's size line.
func (b *bodyReader) sized() {
	b.line = 0
	b.total += b.left
	if b.where = chunkBytes; b.left == 0 {
		b.where = trailer
	}
}

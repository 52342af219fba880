package load

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// A head is what the clients need to know of a response's head.
type head struct {
	status    int
	length    int64 // of the body, bytes; -1 if not said
	serviceUs int64 // X-Service-Us; -1 if not said
	close     bool  // the server will close the connection
	chunked   bool  // Transfer-Encoding: chunked
}

var errTransferEncoding = errors.New("has a Transfer-Encoding, want a Content-Length")

// parseHead reads the head of an HTTP/1.0 or 1.1 response at the beginning of
// b and returns its size in bytes, 0 if b doesn't hold all of it yet. It
// doesn't allocate, but for an error.
//
// It accepts less than the standard allows: lines end in CR LF, folded lines
// and repeated lengths are refused. A measured server is held to what the
// conversation says; what both accept, net/http reads the same way, which a
// fuzz target checks.
func parseHead(b []byte) (h head, size int, err error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 {
		return head{}, 0, nil
	}
	size = end + 4
	line, rest := cutLine(b[:end+2])
	h = head{length: -1, serviceUs: -1}
	minor, status, ok := parseStatusLine(line)
	if !ok {
		return head{}, 0, fmt.Errorf("begins with %.40q, want HTTP/1.1 200 OK", line)
	}
	h.status = status

	var saysClose, saysKeep bool
	for len(rest) > 0 {
		line, rest = cutLine(rest)
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found || !tokenBytes.holds(name) || !valueBytes.holds(value) || len(name) == 0 {
			return head{}, 0, fmt.Errorf("has a malformed header line %.40q", line)
		}
		value = bytes.Trim(value, " \t")
		switch {
		case isName(name, "content-length"):
			if h.length, err = parseOnce(h.length, value); err != nil {
				return head{}, 0, fmt.Errorf("has Content-Length %.40q: %w", value, err)
			}
		case isName(name, "x-service-us"):
			if h.serviceUs, err = parseOnce(h.serviceUs, value); err != nil {
				return head{}, 0, fmt.Errorf("has X-Service-Us %.40q: %w", value, err)
			}
		case isName(name, "transfer-encoding"):
			if !isName(value, "chunked") || minor == 0 || h.chunked { // of 1.0 it would be a faulty framing (RFC 9112, 6.1)
				return head{}, 0, errTransferEncoding
			}
			h.chunked = true
		case isName(name, "connection"):
			for more := true; more; {
				var token []byte
				token, value, more = bytes.Cut(value, []byte(","))
				token = bytes.Trim(token, " \t")
				saysClose = saysClose || isName(token, "close")
				saysKeep = saysKeep || isName(token, "keep-alive")
			}
		}
	}
	if h.chunked {
		h.length = -1 // overridden (RFC 9112, 6.3)
	}
	h.close = saysClose || minor == 0 && !saysKeep
	return h, size, nil
}

// cutLine cuts b behind its first CR LF; there is one.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.Index(b, []byte("\r\n"))
	return b[:i], b[i+2:]
}

// parseStatusLine reads "HTTP/1.1 200 OK"; the reason may be missing.
func parseStatusLine(line []byte) (minor byte, status int, ok bool) {
	const form = "HTTP/1.1 200"
	if len(line) < len(form) || string(line[:7]) != "HTTP/1." || line[8] != ' ' || !valueBytes.holds(line[8:]) {
		return 0, 0, false
	}
	if minor = line[7] - '0'; minor > 1 {
		return 0, 0, false
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		status = 10*status + int(c-'0')
	}
	return minor, status, status >= 100 && (len(line) == len(form) || line[12] == ' ')
}

// parseOnce reads a decimal number that was not given before.
func parseOnce(before int64, digits []byte) (n int64, err error) {
	switch {
	case before >= 0:
		return 0, errors.New("given twice")
	case len(digits) == 0 || len(digits) > 18: // 18 digits fit, whatever they are
		return 0, errors.New("want a number")
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, errors.New("want a number")
		}
		n = 10*n + int64(c-'0')
	}
	return n, nil
}

// isName reports whether b is the lower-case name, in any case.
func isName(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// A class of bytes: those that may stand in some part of a head.
type class [256]bool

func classOf(in func(c byte) bool) *class {
	var cl class
	for c := range cl {
		cl[c] = in(byte(c))
	}
	return &cl
}

// holds reports whether every byte of b is of the class.
func (cl *class) holds(b []byte) bool {
	for _, c := range b {
		if !cl[c] {
			return false
		}
	}
	return true
}

var (
	tokenBytes = classOf(func(c byte) bool { // RFC 9110, 5.6.2
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	})
	valueBytes = classOf(func(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }) // RFC 9110, 5.5
)

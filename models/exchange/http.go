package exchange

import (
	"bytes"
	"math"
	"net/netip"
	"time"
)

// The limits of the conversation "http". Past them a request is refused.
const (
	MaxHead  = 16 << 10         // bytes of a head, its last line end included: 431
	MaxBody  = 1 << 20          // bytes of a request's body, without chunk framing: 413
	MaxWait  = 60 * time.Second // of work: 400, as are the two below
	MaxSpin  = 10 * time.Second
	MaxBytes = 16 << 20
)

// A status is a status line without the version.
type status string

// The statuses that the exchange gives.
const (
	statusBadRequest     = status("400 Bad Request")
	statusTimeout        = status("408 Request Timeout")
	statusTooLarge       = status("413 Content Too Large")
	statusHeadTooLarge   = status("431 Request Header Fields Too Large")
	statusInternal       = status("500 Internal Server Error")
	statusNotImplemented = status("501 Not Implemented")
	statusVersion        = status("505 HTTP Version Not Supported")
)

// request is what the exchange needs to know of a head. It holds no part of
// the head's memory.
type request struct {
	head           bool // the method is HEAD
	minor          byte // of the version: HTTP/1.minor
	keepAlive      bool
	expectContinue bool
	chunked        bool
	length         int64 // of the body, -1 where none is declared
	work           Work
}

// skipEmptyLines drops leading line ends.
func skipEmptyLines(b []byte) []byte {
	for {
		switch {
		case len(b) >= 1 && b[0] == '\n':
			b = b[1:]
		case len(b) >= 2 && b[0] == '\r' && b[1] == '\n':
			b = b[2:]
		default:
			return b
		}
	}
}

// cutHead splits b behind the empty line that ends a head; head is nil where
// there is none yet. The first seen bytes are known to hold none. A line may
// end with LF alone (RFC 9112, 2.2).
func cutHead(b []byte, seen int) (head, rest []byte) {
	from := max(0, seen-2) // the line end can be cut in two: LF CR | LF
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return nil, b
		}
		end := from + i + 1
		switch {
		case end < len(b) && b[end] == '\n':
			return b[:end+1], b[end+1:]
		case end+1 < len(b) && b[end] == '\r' && b[end+1] == '\n':
			return b[:end+2], b[end+2:]
		}
		from = end
	}
}

// cutLine splits b behind its first line end and strips that.
func cutLine(b []byte) (line, rest []byte) {
	i := bytes.IndexByte(b, '\n')
	line, rest = b[:i], b[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, rest
}

// cut is bytes.Cut for a single byte, without its frames.
func cut(b []byte, at byte) (before, after []byte, found bool) {
	i := bytes.IndexByte(b, at)
	if i < 0 {
		return b, nil, false
	}
	return b[:i], b[i+1:], true
}

// parse reads a whole head, its empty line included. Where the head is not
// acceptable it returns the status to answer and why, in words.
func (r *request) parse(head []byte) (status, string) {
	*r = request{length: -1}
	line, rest := cutLine(head)
	// One after the other, not one within the other: see Conn about stacks.
	target, status, why := r.parseRequestLine(line)
	if status == "" {
		target, status, why = parseTarget(target)
	}
	if status == "" {
		r.work, status, why = parseWork(target)
	}
	if status == "" {
		status, why = r.parseHeaders(rest)
	}
	return status, why
}

// parseHeaders reads what follows the request line.
func (r *request) parseHeaders(rest []byte) (status, string) {
	var line []byte
	var hosts int
	var keepAlive, closing, te bool
	var length []byte // the first Content-Length
	for {
		line, rest = cutLine(rest)
		if len(line) == 0 {
			break
		}
		name, value, ok := cut(line, ':')
		if !ok {
			return statusBadRequest, "a header line has no colon"
		}
		if !isToken(name) {
			return statusBadRequest, "a header's name is malformed" // also white space before the colon and folded lines: RFC 9112, 5.1 and 5.2
		}
		value = bytes.Trim(value, " \t")
		if !isFieldValue(value) {
			return statusBadRequest, "a header's value holds a control character"
		}
		switch {
		case isName(name, "host"):
			hosts++
			if !isHost(value) {
				return statusBadRequest, "the Host header is malformed"
			}
		case isName(name, "connection"):
			for option := range bytes.SplitSeq(value, []byte{','}) {
				option = bytes.Trim(option, " \t")
				closing = closing || isName(option, "close")
				keepAlive = keepAlive || isName(option, "keep-alive")
			}
		case isName(name, "content-length"):
			n, ok := parseDigits(value)
			switch {
			case !ok:
				return statusBadRequest, "Content-Length is not a number"
			case length != nil && !bytes.Equal(length, value): // 5 and 05 differ here: RFC 9112, 6.3, allows to refuse any second one
				return statusBadRequest, "Content-Length is given twice and differs"
			}
			r.length, length = n, value
		case isName(name, "transfer-encoding"):
			if te {
				return statusBadRequest, "Transfer-Encoding is given twice"
			}
			te = true
			if r.chunked = isName(value, "chunked"); !r.chunked {
				return statusNotImplemented, "the only transfer coding that is known here is chunked"
			}
		case isName(name, "expect"):
			r.expectContinue = r.minor >= 1 && isName(value, "100-continue")
		}
	}
	r.keepAlive = !closing && (r.minor >= 1 || keepAlive)
	switch {
	case hosts > 1:
		return statusBadRequest, "the Host header is given more than once"
	case hosts == 0 && r.minor >= 1:
		return statusBadRequest, "the Host header is missing" // RFC 9112, 3.2
	case te && r.length >= 0:
		return statusBadRequest, "both Content-Length and Transfer-Encoding are given" // request smuggling: RFC 9112, 6.1
	case te && r.minor == 0:
		return statusBadRequest, "HTTP/1.0 knows no Transfer-Encoding"
	case r.length > MaxBody:
		return statusTooLarge, "the body is over 1 MiB"
	}
	return "", ""
}

// parseRequestLine reads method, target and version.
func (r *request) parseRequestLine(line []byte) (target []byte, _ status, why string) {
	method, rest, ok := cut(line, ' ')
	if !ok || !isToken(method) {
		return nil, statusBadRequest, "the request line is not METHOD TARGET VERSION"
	}
	r.head = string(method) == "HEAD"
	target, version, ok := cut(rest, ' ')
	if !ok {
		return nil, statusBadRequest, "the request line is not METHOD TARGET VERSION"
	}
	// HTTP/1.1; the digits are one each: RFC 9112, 2.3.
	const form = "HTTP/x.y"
	if len(version) != len(form) || string(version[:5]) != form[:5] || !isDigit(version[5]) || version[6] != '.' || !isDigit(version[7]) {
		return nil, statusBadRequest, "the version is not HTTP/1.1 or HTTP/1.0"
	}
	if version[5] != '1' {
		return nil, statusVersion, "the versions that are known here are HTTP/1.1 and HTTP/1.0"
	}
	r.minor = min(version[7]-'0', 1) // a higher minor version is compatible: RFC 9110, 2.5
	if string(target) == "*" && string(method) == "OPTIONS" {
		return nil, "", ""
	}
	if len(target) == 0 { // nil stands for the asterisk
		return nil, statusBadRequest, "the target is malformed"
	}
	return target, "", ""
}

// parseTarget returns the query of a target that is well formed. The path and
// the host are ignored.
func parseTarget(target []byte) (query []byte, _ status, why string) {
	if target == nil {
		return nil, "", ""
	}
	path, query, _ := cut(target, '?')
	for _, scheme := range [...]string{"http://", "https://"} { // RFC 9112, 3.2.2: absolute form
		if len(path) > len(scheme) && isName(path[:len(scheme)], scheme) {
			host := path[len(scheme):]
			path = []byte{'/'}
			if i := bytes.IndexByte(host, '/'); i >= 0 {
				host, path = host[:i], host[i:]
			}
			if len(host) == 0 || host[0] == ':' || !isHost(host) || !isAddress(host) {
				return nil, statusBadRequest, "the host in the target is malformed"
			}
			break
		}
	}
	if len(path) == 0 || path[0] != '/' || !isPath(path) || !isVisible(query) {
		return nil, statusBadRequest, "the target is malformed"
	}
	return query, "", ""
}

// parseWork reads the work asked for from a query.
func parseWork(query []byte) (w Work, _ status, why string) {
	w.Bytes = fillerPeriod
	var given struct{ wait, spin, bytes bool }
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = cut(query, '&')
		key, value, _ := cut(pair, '=')
		switch string(key) {
		case "wait":
			d, ok := parseDuration(value)
			if !ok || d > MaxWait || given.wait {
				return w, statusBadRequest, "wait must be one duration of at most 60s, such as 5ms"
			}
			w.Wait, given.wait = d, true
		case "spin":
			d, ok := parseDuration(value)
			if !ok || d > MaxSpin || given.spin {
				return w, statusBadRequest, "spin must be one duration of at most 10s, such as 200us"
			}
			w.Spin, given.spin = d, true
		case "bytes":
			n, ok := parseDigits(value)
			if !ok || n > MaxBytes || given.bytes {
				return w, statusBadRequest, "bytes must be one whole number of at most 16777216"
			}
			w.Bytes, given.bytes = n, true
		}
	}
	return w, "", ""
}

// parseDigits reads a decimal number. From 2⁵⁹ on, which is above every limit
// here, they all come out as that.
func parseDigits(b []byte) (n int64, ok bool) {
	for _, c := range b {
		if !isDigit(c) {
			return 0, false
		}
		n = min(10*n+int64(c-'0'), 1<<59)
	}
	return n, len(b) > 0
}

// parseDuration reads a duration of one unit, such as 5ms, 1.5s or 200us, or
// a plain 0. It is time.ParseDuration less what would allocate.
func parseDuration(b []byte) (time.Duration, bool) {
	if string(b) == "0" {
		return 0, true
	}
	i := 0
	for i < len(b) && (isDigit(b[i]) || b[i] == '.') {
		i++
	}
	var unit time.Duration
	switch string(b[i:]) {
	case "ns":
		unit = time.Nanosecond
	case "us", "%C2%B5s", "%c2%b5s":
		unit = time.Microsecond
	case "ms":
		unit = time.Millisecond
	case "s":
		unit = time.Second
	default:
		return 0, false
	}
	whole, fraction, point := bytes.Cut(b[:i], []byte{'.'})
	n, ok := parseDigits(whole)
	if !ok || n > math.MaxInt64/int64(unit)-1 {
		return 0, false
	}
	d := time.Duration(n) * unit
	if point {
		if len(fraction) == 0 || len(fraction) > 9 {
			return 0, false
		}
		for _, c := range fraction {
			if unit /= 10; !isDigit(c) {
				return 0, false
			}
			d += time.Duration(c-'0') * unit
		}
	}
	return d, true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isName reports whether b is name, which is in lower case, letter case aside.
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

// What a byte may be part of.
const (
	inToken   = 1 << iota // RFC 9110, 5.6.2
	inValue               // RFC 9110, 5.5: no control character but tab
	inVisible             // of a target: no white space, no control character
	inHost                // of a host's name: RFC 3986, 3.2.2, less percent-encoding
	inLiteral             // of an IPv6 address
	inPort
)

var class = func() (t [256]byte) {
	for c := range t {
		switch {
		case c == '\t' || c == ' ' || c >= 0x80:
			t[c] |= inValue
		case c > ' ' && c < 0x7f:
			t[c] |= inValue | inVisible
		}
		switch {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			t[c] |= inToken | inHost
		case bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), byte(c)) >= 0:
			t[c] |= inToken
		}
		if bytes.IndexByte([]byte("-._~!$&'()*+,;="), byte(c)) >= 0 {
			t[c] |= inHost
		}
		if isHex(byte(c)) || c == ':' || c == '.' {
			t[c] |= inLiteral
		}
		if isDigit(byte(c)) {
			t[c] |= inPort
		}
	}
	return t
}()

func all(b []byte, in byte) bool {
	for _, c := range b {
		if class[c]&in == 0 {
			return false
		}
	}
	return true
}

func isToken(b []byte) bool      { return len(b) > 0 && all(b, inToken) }
func isFieldValue(b []byte) bool { return all(b, inValue) }
func isVisible(b []byte) bool    { return all(b, inVisible) }

// isHost reports whether b is a host and perhaps a port, or nothing: RFC 3986,
// 3.2.2 and 3.2.3.
func isHost(b []byte) bool {
	var host, port []byte
	if len(b) > 0 && b[0] == '[' {
		literal, rest, ok := bytes.Cut(b[1:], []byte{']'})
		if !ok || !all(literal, inLiteral) {
			return false
		}
		host, port, _ = bytes.Cut(rest, []byte{':'})
		if len(host) > 0 {
			return false
		}
	} else {
		host, port, _ = bytes.Cut(b, []byte{':'})
	}
	return all(host, inHost) && all(port, inPort)
}

// isAddress reports whether b, a host, is an IPv6 address if it has the
// brackets of one. It allocates, so the Host header, which nobody here acts
// upon, is spared.
func isAddress(b []byte) bool {
	if b[0] != '[' {
		return true
	}
	a, err := netip.ParseAddr(string(b[1:bytes.IndexByte(b, ']')]))
	return err == nil && a.Is6()
}

// isPath reports whether b is visible and its percent signs begin an octet.
func isPath(b []byte) bool {
	for i, c := range b {
		if c == '%' && (i+2 >= len(b) || !isHex(b[i+1]) || !isHex(b[i+2])) {
			return false
		}
	}
	return isVisible(b)
}

func isHex(c byte) bool { _, ok := hexValue(c); return ok }

func hexValue(c byte) (v int64, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return int64(c - '0'), true
	case 'a' <= c && c <= 'f':
		return int64(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return int64(c-'A') + 10, true
	}
	return 0, false
}

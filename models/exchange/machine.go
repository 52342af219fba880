package exchange

import (
	"strconv"
	"time"
)

// An Action is what a [Machine] asks its driver to do next.
type Action uint8

const (
	NeedMore Action = iota // wait for bytes and Feed them, or say EOF, Timeout
	DoWork                 // perform Work, then say Worked
	Output                 // write all of Response
	Close                  // end the connection as Closing says; there is no further action
)

// A Closing is how a connection ends.
type Closing uint8

const (
	// CloseNow: the peer has sent all that it will send, or what it may still
	// send doesn't matter. A plain close.
	CloseNow Closing = iota
	// CloseLingering: an answer was written to a peer that may still be
	// sending. Closing at once would answer its next bytes with a reset, and
	// the reset can overtake the answer; so half-close, drain with a bound,
	// then close.
	CloseLingering
)

// A Phase is what a machine that needs more is waiting for: each has a
// timeout of its own.
type Phase uint8

const (
	PhaseIdle Phase = iota // the first byte of a further request
	PhaseHead              // the rest of a head, or the first request of a connection
	PhaseBody              // the rest of a request's body
)

// Work is what a request asks the server to do before it answers.
type Work struct {
	Wait  time.Duration // blocks without CPU, like a call downstream
	Spin  time.Duration // burns CPU
	Bytes int64         // size of the answer's body; without one asked for, that of "Hello, World!\n"
}

// asked reports whether there is anything to perform.
func (w Work) asked() bool { return w.Wait > 0 || w.Spin > 0 }

// A Machine is one connection's conversation without its I/O: bytes go in by
// Feed, and Next says what to do. It knows no clock and no socket, so a
// blocking loop, an event loop and a fuzz test drive the very same code.
//
// Requests are taken strictly one after the other: bytes of a pipelined
// request stay untouched until the answer before it was handed out.
//
// A Machine doesn't allocate, but for a head that arrives in pieces. It is
// for one goroutine at a time. Use Reset before the first Feed.
type Machine struct {
	once    bool
	each    bool          // DoWork for requests that ask for none, too
	date    func() []byte // a whole Date line; nil for none
	state   state
	phase   Phase
	in      []byte // fed and not consumed: the feeder's memory, or part's
	part    []byte // our memory, for a head that arrived in pieces
	seen    int    // bytes of in that were already searched for the head's end
	eof     bool
	late    bool
	stop    bool
	req     request
	body    bodyReader
	work    Work
	service time.Duration
	out     []byte
	outBody int64
	closing Closing
	started int64
}

type state uint8

const (
	stateHead     state = iota // a head, or its beginning, is next
	stateContinue              // 100 Continue is to be written, then the body comes
	stateBody
	stateWork   // work is to be performed
	stateAnswer // the answer is to be written
	stateClose  // nothing but the close is left
	stateClosed
)

// Reset makes the machine ready for a new connection. conversation is [HTTP]
// or [Once]; date returns a whole Date line with its line end, or is nil for
// answers without one.
func (m *Machine) Reset(conversation string, date func() []byte) {
	part, out := m.part, m.out
	if cap(part) > keepBuffer {
		part = nil // a large head came by; don't keep its memory for ever
	}
	*m = Machine{} // in place: a literal with values would be made on the stack, and copied
	m.once, m.date, m.phase, m.part, m.out = conversation == Once, date, PhaseHead, part[:0], out[:0]
}

// keepBuffer is the most memory, in bytes, that a machine keeps for the next
// head that arrives in pieces.
const keepBuffer = 4 << 10

// Feed gives the machine bytes that the peer sent. They must stay unchanged
// until Next returns NeedMore or Close. Feed may be called only when Next
// asked for it, or before the first Next.
func (m *Machine) Feed(b []byte) {
	if len(m.part) > 0 {
		m.part = append(m.part, b...)
		m.in = m.part
		return
	}
	m.in = b
}

// EOF says that the peer will send no more. Requests that arrived whole are
// still answered.
func (m *Machine) EOF() { m.eof = true }

// Timeout says that the peer took too long for the phase the machine is in.
func (m *Machine) Timeout() { m.late = true }

// Stop makes the next answer the last one, unless a further request's head
// was read whole already: what was read is answered.
func (m *Machine) Stop() { m.stop = true }

// Phase says what a machine that needs more is waiting for.
func (m *Machine) Phase() Phase { return m.phase }

// Started is the number of requests whose head was read and accepted.
func (m *Machine) Started() int64 { return m.started }

// Work is what DoWork asks for.
func (m *Machine) Work() Work { return m.work }

// Worked says how long the work really took; the answer reports it.
func (m *Machine) Worked(d time.Duration) { m.service = d }

// Response is what Output asks to write: a head, then n bytes of the filler
// (see [Filler]). The head is valid until the next call of Next.
func (m *Machine) Response() (head []byte, n int64) { return m.out, m.outBody }

// Interim reports whether the Response is not the answer yet, but a 100
// Continue before it.
func (m *Machine) Interim() bool { return m.state == stateBody }

// Closing is how Close asks to end the connection.
func (m *Machine) Closing() Closing { return m.closing }

// Fail replaces the answer to the request at hand by a 500, the last answer of
// the connection. It is for a driver whose work panicked before anything of
// the answer was written.
func (m *Machine) Fail() {
	m.refuse(statusInternal, "the work for this request failed")
	m.state = stateClose
}

// Next says what to do now.
func (m *Machine) Next() Action {
	for {
		switch m.state {
		case stateHead:
			if m.once {
				if act, ok := m.readOnce(); !ok {
					return act
				}
				continue
			}
			if act, ok := m.readHead(); !ok {
				return act
			}
		case stateContinue:
			m.out = append(m.out[:0], "HTTP/1.1 100 Continue\r\n\r\n"...)
			m.outBody = 0
			m.state, m.phase = stateBody, PhaseBody
			return Output
		case stateBody:
			if act, ok := m.readBody(); !ok {
				return act
			}
		case stateWork:
			m.state = stateAnswer
			if m.work.asked() || m.each {
				return DoWork
			}
		case stateAnswer:
			m.answer()
			return Output
		case stateClose:
			m.state = stateClosed
			m.in = nil
			return Close
		default:
			return Close
		}
	}
}

// readHead takes the next head from in. It returns !ok, with the action to
// return, when it can't go on.
func (m *Machine) readHead() (act Action, ok bool) {
	m.req.head = false // what is refused before it is parsed has no known method
	if m.seen == 0 {
		// RFC 9112, 2.2: ignore empty lines before a request line. They don't
		// begin a request: the phase, and so its deadline, stays as it is.
		m.in = skipEmptyLines(m.in)
		if len(m.in) == 0 || len(m.in) == 1 && m.in[0] == '\r' {
			if m.eof || m.late {
				return m.refuseNothing()
			}
			return m.more()
		}
	}
	head, rest := cutHead(m.in, m.seen)
	switch {
	case head == nil && len(m.in) > MaxHead, len(head) > MaxHead:
		return m.refuse(statusHeadTooLarge, "the head is over 16 KiB")
	case head == nil && m.eof:
		return m.refuse(statusBadRequest, "the request ended before its head did")
	case head == nil && m.late:
		return m.refuse(statusTimeout, "the head took too long")
	case head == nil:
		m.seen = len(m.in)
		m.phase = PhaseHead
		return m.more()
	}
	if status, why := m.req.parse(head); status != "" {
		return m.refuse(status, why)
	}
	m.started++
	m.in, m.seen = rest, 0
	m.work, m.service = m.req.work, 0
	m.body.start(&m.req)
	m.state, m.phase = stateBody, PhaseBody
	if m.req.expectContinue && !m.body.done() && len(m.in) == 0 {
		m.state = stateContinue
	}
	return 0, true
}

// refuseNothing ends a connection on which no further request has begun.
func (m *Machine) refuseNothing() (Action, bool) {
	m.closing = CloseNow
	m.state = stateClosed
	return Close, false
}

// more keeps what was not consumed, in our own memory, and asks for more.
func (m *Machine) more() (Action, bool) {
	m.keep()
	return NeedMore, false
}

// keep has what was fed and not consumed lie in our own memory.
func (m *Machine) keep() {
	// Unless part is empty, in is its end (see Feed): of the same length it is
	// part itself, as with each further piece of a head, and stays where it is.
	if len(m.in) != len(m.part) {
		m.part = append(m.part[:0], m.in...)
		m.in = m.part
	}
}

// blank reports whether the machine remembers nothing of any request: one that
// was reset, and told the phase, does as well.
func (m *Machine) blank() bool {
	return m.state == stateHead && len(m.in) == 0 && !m.eof && !m.late && !m.stop
}

func (m *Machine) readBody() (act Action, ok bool) {
	rest, status, why := m.body.read(m.in)
	m.in = rest
	switch {
	case status != "":
		return m.refuse(status, why)
	case m.body.done():
		m.state = stateWork
		return 0, true
	case m.eof:
		return m.refuse(statusBadRequest, "the request ended before its body did")
	case m.late:
		return m.refuse(statusTimeout, "the body took too long")
	}
	m.phase = PhaseBody
	m.part = m.part[:0]
	return NeedMore, false
}

// answer builds the answer to the request at hand.
func (m *Machine) answer() {
	if m.once {
		m.out = append(m.out[:0], onceAnswer...)
		m.outBody = 0
		m.state = stateClose
		return
	}
	m.out = append(m.out[:0], "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"...)
	if m.date != nil {
		m.out = append(m.out, m.date()...)
	}
	n := m.work.Bytes
	m.out = append(m.out, "Content-Length: "...)
	m.out = strconv.AppendInt(m.out, n, 10)
	if m.work.asked() {
		m.out = append(m.out, "\r\nX-Service-Us: "...)
		m.out = strconv.AppendInt(m.out, m.service.Microseconds(), 10)
	}
	m.outBody = n
	if m.req.head {
		m.outBody = 0
	}
	m.state, m.phase = stateHead, PhaseIdle
	switch {
	case !m.req.keepAlive:
		m.out = append(m.out, "\r\nConnection: close\r\n\r\n"...)
		m.state, m.closing = stateClose, CloseNow
		if len(m.in) > 0 {
			m.closing = CloseLingering // it sends on behind its last request
		}
	case m.stop && !m.another():
		m.out = append(m.out, "\r\nConnection: close\r\n\r\n"...)
		m.state, m.closing = stateClose, CloseLingering // the peer doesn't know yet, and may be sending
	case m.req.minor == 0:
		m.out = append(m.out, "\r\nConnection: keep-alive\r\n\r\n"...)
	default:
		m.out = append(m.out, "\r\n\r\n"...)
	}
}

// another reports whether the next head was read whole.
func (m *Machine) another() bool {
	head, _ := cutHead(skipEmptyLines(m.in), 0)
	return head != nil
}

// refuse makes an error answer, the last one of the connection.
func (m *Machine) refuse(status status, why string) (Action, bool) {
	m.out = append(m.out[:0], "HTTP/1.1 "...)
	m.out = append(m.out, status...)
	m.out = append(m.out, "\r\nContent-Type: text/plain; charset=utf-8\r\n"...)
	if m.date != nil {
		m.out = append(m.out, m.date()...)
	}
	m.out = append(m.out, "Connection: close\r\nContent-Length: "...)
	m.out = strconv.AppendInt(m.out, int64(len(why)+1), 10)
	m.out = append(m.out, "\r\n\r\n"...)
	if !m.req.head { // RFC 9110, 9.3.2: no body for HEAD, whatever the status
		m.out = append(m.out, why...)
		m.out = append(m.out, '\n')
	}
	m.outBody = 0
	m.state, m.closing = stateClose, CloseLingering
	if m.eof {
		m.closing = CloseNow
	}
	return Output, false
}

// readOnce takes one read's worth of bytes, whatever they are.
func (m *Machine) readOnce() (act Action, ok bool) {
	if len(m.in) == 0 {
		if m.eof || m.late {
			return m.refuseNothing()
		}
		return NeedMore, false
	}
	// The peer is taken to have said all when it fitted and ended with a line
	// end, as a request without a body does; else it may still be sending.
	m.closing = CloseLingering
	if len(m.in) < OnceRead && m.in[len(m.in)-1] == '\n' {
		m.closing = CloseNow
	}
	m.in = nil
	m.started++
	m.state = stateWork
	return 0, true
}

// onceAnswer is the fixed answer of the conversation "once".
const onceAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	"Content-Length: 13\r\nConnection: close\r\n\r\nHello, World!"

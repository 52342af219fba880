package exchange

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An ending is what becomes of a peer that has nothing more to send.
type ending int

const (
	silent ending = iota // it stays, and the machine is left waiting
	ended                // it half-closes
	late                 // it takes too long
)

// play feeds a machine the pieces one by one and returns what it asked for, in
// words: "work wait=5ms", "200 14", "200 14 close", "idle" (waits for a
// further request), "head", "body" (waits for the rest of one), "close",
// "linger". A piece is overwritten as soon as the machine may no longer use
// it.
func play(t testing.TB, conversation string, end ending, pieces ...string) []string {
	t.Helper()
	var m Machine
	m.Reset(conversation, testDate)
	return playOn(t, &m, end, pieces...)
}

func testDate() []byte { return []byte("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n") }

func playOn(t testing.TB, m *Machine, end ending, pieces ...string) (said []string) {
	t.Helper()
	var fed []byte
	for told := false; ; {
		switch m.Next() {
		case NeedMore:
			for i := range fed {
				fed[i] = '#'
			}
			if len(pieces) > 0 {
				fed, pieces = []byte(pieces[0]), pieces[1:]
				m.Feed(fed)
				continue
			}
			if told {
				t.Fatalf("after %q the machine wants more from a peer that ended", said)
			}
			told = true
			switch end {
			case silent:
				return append(said, [...]string{PhaseIdle: "idle", PhaseHead: "head", PhaseBody: "body"}[m.Phase()])
			case ended:
				m.EOF()
			case late:
				m.Timeout()
			}
		case DoWork:
			w := m.Work()
			said = append(said, fmt.Sprintf("work wait=%v spin=%v", w.Wait, w.Spin))
			m.Worked(1234567 * time.Nanosecond)
		case Output:
			said = append(said, answerIn(t, m))
		case Close:
			if m.Next() != Close {
				t.Error("after Close the machine goes on")
			}
			return append(said, [...]string{CloseNow: "close", CloseLingering: "linger"}[m.Closing()])
		}
	}
}

// answerIn reads the machine's response with net/http and says it in words.
func answerIn(t testing.TB, m *Machine) string {
	t.Helper()
	head, n := m.Response()
	short := min(n, 1000) // of a long body; the rest would tell nothing more
	wire := bytes.NewReader(append(bytes.Clone(head), filler[:short]...))
	r := bufio.NewReader(wire)
	method := http.MethodGet
	if m.req.head {
		method = http.MethodHead
	}
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("net/http can't read the answer %q: %v", head, err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil && n == short {
		t.Fatalf("net/http can't read the body of the answer %q: %v", head, err)
	}
	if wire.Len()+r.Buffered() > 0 {
		t.Fatalf("net/http leaves %d bytes of the answer %q", wire.Len()+r.Buffered(), head)
	}
	if res.StatusCode == http.StatusContinue {
		if !m.Interim() {
			t.Error("a 100 that isn't called interim")
		}
		return "100"
	}
	if m.Interim() {
		t.Errorf("the final answer %q is called interim", head)
	}
	if res.ProtoMinor != 1 || !m.once && res.Header.Get("Date") == "" {
		t.Errorf("answer %q: want HTTP/1.1 and a Date", head)
	}
	words := fmt.Sprintf("%d %d", res.StatusCode, res.ContentLength)
	if res.StatusCode != http.StatusOK {
		words = strconv.Itoa(res.StatusCode)
	}
	if method == http.MethodHead {
		words += " without a body"
		if len(body) > 0 {
			t.Errorf("a HEAD request is answered with a body: %q", body)
		}
	} else if int64(len(body))+n-short != res.ContentLength {
		t.Errorf("answer %q: body of %d bytes", head, int64(len(body))+n-short)
	}
	if us := res.Header.Get("X-Service-Us"); us != "" {
		words += " in " + us + " µs"
	}
	// ReadResponse takes "close" out of the header into res.Close.
	if res.Close {
		words += " close"
	} else if c := res.Header.Get("Connection"); c != "" {
		words += " " + c
	}
	if res.StatusCode != http.StatusOK && !res.Close {
		t.Errorf("refusal %q doesn't close", head)
	}
	return words
}

// splits returns the ways to cut s in two that are tried: all of them, or for
// a long s those near its ends and near multiples of the driver's read size.
func splits(s string) (at []int) {
	near := 100
	if len(s) > 100_000 {
		near = 20
	}
	for i := 1; i < len(s); i++ {
		if len(s) < 1000 || i < near || i > len(s)-near || (i+2)%readSize < 5 && i < 5*readSize {
			at = append(at, i)
		}
	}
	return at
}

const host = "Host: a\r\n"

func get(target string) string { return "GET " + target + " HTTP/1.1\r\n" + host + "\r\n" }

func with(header string) string { return "GET / HTTP/1.1\r\n" + host + header + "\r\n\r\n" }

func post(header, body string) string {
	return "POST / HTTP/1.1\r\n" + host + header + "\r\n\r\n" + body
}

func chunked(body string) string { return post("Transfer-Encoding: chunked", body) }

// headOf returns a request whose head is n bytes long.
func headOf(n int) string {
	s := get("/")
	const field = "X: \r\n"
	return s[:len(s)-2] + "X: " + strings.Repeat("x", n-len(s)-len(field)) + "\r\n\r\n"
}

func TestMachine(t *testing.T) {
	const ok = "200 14"
	for _, row := range []struct {
		title, request, want string // want: what play says, without "idle" behind a kept connection
	}{
		{"a plain GET is greeted and the connection kept", get("/"), ok},
		{"any path will do", get("/a/b%20c;d,e@f:g"), ok},
		{"any method will do", "BREW / HTTP/1.1\r\n" + host + "\r\n", ok},
		{"HEAD gets the head alone", "HEAD /?bytes=1000 HTTP/1.1\r\n" + host + "\r\n", "200 1000 without a body"},
		{"methods are case-sensitive: head isn't HEAD", "head / HTTP/1.1\r\n" + host + "\r\n", ok},
		{"OPTIONS * asks about the server", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n", ok},
		{"* is for OPTIONS alone", get("*"), "400 close, linger"},
		{"absolute form", get("http://example.org:80/?bytes=3"), "200 3"},
		{"absolute form without a path", get("HTTP://example.org?bytes=3"), "200 3"},
		{"absolute form, an IPv6 address", get("https://[::1]:443/"), ok},
		{"absolute form, no IPv6 address", get("http://[1:2]/"), "400 close, linger"},
		{"absolute form, a bracket that isn't closed", get("http://[::1/"), "400 close, linger"},
		{"absolute form without a host", get("http:///"), "400 close, linger"},
		{"absolute form with only a port", get("http://:80/"), "400 close, linger"},
		{"absolute form, the port isn't a number", get("http://a:b/"), "400 close, linger"},
		{"absolute form with user and password", get("http://me:pw@a/"), "400 close, linger"},
		{"another scheme", get("ftp://a/"), "400 close, linger"},
		{"CONNECT is for proxies", "CONNECT a:443 HTTP/1.1\r\n" + host + "\r\n", "400 close, linger"},
		{"a path without a slash", get("a"), "400 close, linger"},
		{"a percent sign that begins no octet", get("/%2"), "400 close, linger"},
		{"a percent sign with other letters", get("/%zz"), "400 close, linger"},
		{"a NUL in the target", get("/\x00"), "400 close, linger"},
		{"bytes beyond ASCII in the target", get("/\xc3\xa4"), "400 close, linger"},
		{"bytes beyond ASCII in the query", get("/?\xc3\xa4"), "400 close, linger"},

		{"lines may end with LF alone", "GET / HTTP/1.1\nHost: a\n\n", ok},
		{"line ends may be mixed", "GET / HTTP/1.1\nHost: a\r\n\n", ok},
		{"and the other way round", "GET / HTTP/1.1\r\nHost: a\n\r\n", ok},
		{"leading empty lines are skipped", "\r\n\n\r\n" + get("/"), ok},
		{"a CR alone before the request isn't an empty line", "\r" + get("/"), "400 close, linger"},
		{"a CR too many in the request line", "GET / HTTP/1.1\r\r\n" + host + "\r\n", "400 close, linger"},
		{"a CR in the middle of a value", with("X: a\rb"), "400 close, linger"},

		{"HTTP/1.0 is closed", "GET / HTTP/1.0\r\n\r\n", ok + " close, close"},
		{"HTTP/1.0 may ask to be kept", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", ok + " keep-alive"},
		{"HTTP/1.0 with both is closed", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", ok + " close, close"},
		{"HTTP/1.1 may ask to be closed", with("connection: CLOSE"), ok + " close, close"},
		{"close in a list", with("Connection: upgrade , close\r\nUpgrade: x"), ok + " close, close"},
		{"close in a second line", with("Connection: keep-alive\r\nConnection:close"), ok + " close, close"},
		{"closed isn't close", with("Connection: closed"), ok},
		{"a later HTTP/1 is compatible", "GET / HTTP/1.2\r\n" + host + "\r\n", ok},
		{"HTTP/2.0 is another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 close, linger"},
		{"HTTP/0.9 too", "GET / HTTP/0.9\r\n\r\n", "505 close, linger"},
		{"HTTP/0.9 as it really was", "GET /\r\n\r\n", "400 close, linger"},
		{"the version has one digit each", "GET / HTTP/1.10\r\n" + host + "\r\n", "400 close, linger"},
		{"the version is in capitals", "GET / http/1.1\r\n" + host + "\r\n", "400 close, linger"},
		{"no version", "GET / \r\n" + host + "\r\n", "400 close, linger"},
		{"two spaces", "GET  / HTTP/1.1\r\n" + host + "\r\n", "400 close, linger"},
		{"a space before the method", " GET / HTTP/1.1\r\n" + host + "\r\n", "400 close, linger"},
		{"a tab for a space", "GET\t/ HTTP/1.1\r\n" + host + "\r\n", "400 close, linger"},
		{"words behind the version", "GET / HTTP/1.1 x\r\n" + host + "\r\n", "400 close, linger"},
		{"a TLS greeting", "\x16\x03\x01\x00\xa5\x01\x00\n\r\n", "400 close, linger"},

		{"HTTP/1.1 needs a Host", "GET / HTTP/1.1\r\n\r\n", "400 close, linger"},
		{"one Host, not two", with("host: a"), "400 close, linger"},
		{"an empty Host is one", "GET / HTTP/1.1\r\nHost:\r\n\r\n", ok},
		{"Host with a port", "GET / HTTP/1.1\r\nHost: a.b-c:8080\r\n\r\n", ok},
		{"Host is an IPv6 address", "GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", ok},
		{"Host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400 close, linger"},
		{"two hosts in one Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400 close, linger"},
		{"Host with a port that is none", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400 close, linger"},

		{"white space around a value", with("Content-Length: \t 0 \t "), ok},
		{"an empty value", with("X:"), ok},
		{"bytes beyond ASCII in a value", with("X: \xc3\xa4\xff"), ok},
		{"a header without a name", with(": x"), "400 close, linger"},
		{"a header without a colon", with("X"), "400 close, linger"},
		{"white space before the colon", with("X : y"), "400 close, linger"},
		{"a folded line", with("X: y\r\n z: a"), "400 close, linger"},
		{"a folded line without a colon", with("X: y\r\n\tz"), "400 close, linger"},
		{"white space before the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400 close, linger"},
		{"a NUL in a value", with("X: a\x00b"), "400 close, linger"},
		{"a DEL in a value", with("X: a\x7fb"), "400 close, linger"},
		{"a NUL in a name", with("X\x00: a"), "400 close, linger"},
		{"a head of 16 KiB", headOf(MaxHead), ok},
		{"a head of one byte more", headOf(MaxHead + 1), "431 close, linger"},
		{"a head without an end", headOf(MaxHead + 100)[:MaxHead+1], "431 close, linger"},

		{"a body by its length", post("Content-Length: 5", "hello"), ok},
		{"a body of length 0", post("Content-Length: 0", ""), ok},
		{"a body with a GET", "GET / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello", ok},
		{"a body with HEAD", "HEAD / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhello", "200 14 without a body"},
		{"a body with HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", "200 14 keep-alive"},
		{"a body that looks like a request", post("Content-Length: 27", get("/")), ok},
		{"a body of 1 MiB", post("Content-Length: 1048576", strings.Repeat("x", MaxBody)), ok},
		{"a body of one byte more is refused unseen", post("Content-Length: 1048577", ""), "413 close, linger"},
		{"a length beyond every number", post("Content-Length: 99999999999999999999999999", ""), "413 close, linger"},
		{"HEAD is refused without a body", "HEAD / HTTP/1.1\r\n" + host + "Content-Length: 1048577\r\n\r\n", "413 without a body close, linger"},
		{"the length twice, the same", post("Content-Length: 5\r\nContent-Length: 5", "hello"), ok},
		{"the length twice, different", post("Content-Length: 5\r\nContent-Length: 6", ""), "400 close, linger"},
		{"the length twice, written differently", post("Content-Length: 5\r\nContent-Length: 05", ""), "400 close, linger"},
		{"the length as a list", post("Content-Length: 5, 5", ""), "400 close, linger"},
		{"a length with a sign", post("Content-Length: +5", ""), "400 close, linger"},
		{"a negative length", post("Content-Length: -5", ""), "400 close, linger"},
		{"a hexadecimal length", post("Content-Length: 0x5", ""), "400 close, linger"},
		{"an empty length", post("Content-Length:", ""), "400 close, linger"},

		{"a chunked body", chunked("5\r\nhello\r\n0\r\n\r\n"), ok},
		{"an empty chunked body", chunked("0\r\n\r\n"), ok},
		{"several chunks", chunked("1\r\na\r\n00002\r\nbc\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), ok},
		{"chunk extensions", chunked("1;a=b;c=\"d e\"\r\na\r\n0;x\r\n\r\n"), ok},
		{"white space behind a chunk's size", chunked("1 \t\r\na\r\n0 \r\n\r\n"), ok},
		{"trailers", chunked("1\r\na\r\n0\r\nA: b\r\nC:\r\n\r\n"), ok},
		{"chunked in capitals", post("Transfer-Encoding: CHUNKED", "0\r\n\r\n"), ok},
		{"a chunked body of 1 MiB", chunked("fffff\r\n" + strings.Repeat("x", MaxBody-1) + "\r\n1\r\nx\r\n0\r\n\r\n"), ok},
		{"a chunked body of one byte more", chunked("fffff\r\n" + strings.Repeat("x", MaxBody-1) + "\r\n2"), "413 close, linger"},
		{"a chunk beyond every number", chunked("ffffffffffffffffffff"), "413 close, linger"},
		{"a chunk's size in 16 digits", chunked("0000000000000001\r\na\r\n0\r\n\r\n"), ok},
		{"a chunk's size in 17 digits", chunked("00000000000000001"), "400 close, linger"},
		{"a chunk without a size", chunked("\r\n"), "400 close, linger"},
		{"a chunk with an extension instead of a size", chunked(";x\r\n"), "400 close, linger"},
		{"a negative chunk", chunked("-1\r\n"), "400 close, linger"},
		{"a chunk's size with 0x", chunked("0x1\r\n"), "400 close, linger"},
		{"a word behind white space behind a size", chunked("1 x\r\n"), "400 close, linger"},
		{"a chunk longer than its size", chunked("1\r\nab\r\n"), "400 close, linger"},
		{"a size line that ends with LF alone", chunked("1\na\r\n0\r\n\r\n"), "400 close, linger"},
		{"a chunk that ends with LF alone", chunked("1\r\na\n0\r\n\r\n"), "400 close, linger"},
		{"a CR in an extension", chunked("1;\rx\r\n"), "400 close, linger"},
		{"a NUL in an extension", chunked("1;\x00\r\n"), "400 close, linger"},
		{"a size line as long as may be", chunked("1;" + strings.Repeat("x", maxChunkLine-2) + "\r\na\r\n0\r\n\r\n"), ok},
		{"a size line of one byte more", chunked("1;" + strings.Repeat("x", maxChunkLine-1)), "400 close, linger"},
		{"extensions without end", chunked(strings.Repeat("1;"+strings.Repeat("x", 4000)+"\r\na\r\n", 5)), "400 close, linger"},
		{"one byte of body per chunk", chunked(strings.Repeat("1\r\na\r\n", 10000) + "0\r\n\r\n"), ok},
		{"a trailer without a name", chunked("0\r\n: x\r\n\r\n"), "400 close, linger"},
		{"a trailer without a colon", chunked("0\r\nx\r\n\r\n"), "400 close, linger"},
		{"a folded trailer", chunked("0\r\na: b\r\n c\r\n\r\n"), "400 close, linger"},
		{"a trailer that ends with LF alone", chunked("0\r\na: b\n\r\n"), "400 close, linger"},
		{"a CR that ends no trailer", chunked("0\r\na: b\rc"), "400 close, linger"},
		{"trailers that end with LF alone", chunked("0\r\na: b\r\n\n"), "400 close, linger"},
		{"a CR that ends no trailers", chunked("0\r\n\ra"), "400 close, linger"},
		{"a NUL in a trailer", chunked("0\r\na: \x00"), "400 close, linger"},
		{"trailers of 16 KiB", chunked("0\r\nX: " + strings.Repeat("x", maxTrailers-7) + "\r\n\r\n"), ok},
		{"trailers of one byte more", chunked("0\r\nX: " + strings.Repeat("x", maxTrailers-6) + "\r\n\r\n"), "431 close, linger"},
		{"another coding", post("Transfer-Encoding: gzip, chunked", ""), "501 close, linger"},
		{"two codings", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", ""), "400 close, linger"},
		{"length and chunked", post("Content-Length: 5\r\nTransfer-Encoding: chunked", ""), "400 close, linger"},
		{"chunked and length", post("Transfer-Encoding: chunked\r\nContent-Length: 0", ""), "400 close, linger"},
		{"chunked with HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400 close, linger"},

		{"a wait", get("/?wait=1.5s"), "work wait=1.5s spin=0s, 200 14 in 1234 µs"},
		{"a spin", get("/?spin=200us"), "work wait=0s spin=200µs, 200 14 in 1234 µs"},
		{"µ as browsers send it", get("/?spin=200%C2%B5s"), "work wait=0s spin=200µs, 200 14 in 1234 µs"},
		{"all three, in any order", get("/?bytes=9&spin=1ms&wait=5ms"), "work wait=5ms spin=1ms, 200 9 in 1234 µs"},
		{"no work and no body", get("/?wait=0&spin=0s&bytes=0"), "200 0"},
		{"other keys are not ours", get("/?waits=1&=&&Bytes&x=y&=5ms"), ok},
		{"empty pairs are nothing", get("/?&&"), ok},
		{"the longest wait", get("/?wait=60s"), "work wait=1m0s spin=0s, 200 14 in 1234 µs"},
		{"a wait of 1 ns more", get("/?wait=60.000000001s"), "400 close, linger"},
		{"the longest spin", get("/?spin=10000ms"), "work wait=0s spin=10s, 200 14 in 1234 µs"},
		{"a spin of 1 ns more", get("/?spin=10.000000001s"), "400 close, linger"},
		{"the largest body", get("/?bytes=16777216"), "200 16777216"},
		{"a body of 1 byte more", get("/?bytes=16777217"), "400 close, linger"},
		{"digits beyond every number", get("/?bytes=99999999999999999999"), "400 close, linger"},
		{"a wait beyond every number", get("/?wait=99999999999999999999s"), "400 close, linger"},
		{"2⁶⁴ ns, which must not wrap around", get("/?wait=18446744073709551616ns"), "400 close, linger"},
		{"2⁶⁴ µs, nor that", get("/?wait=18446744073709551616us"), "400 close, linger"},
		{"a number without a unit", get("/?wait=5"), "400 close, linger"},
		{"a unit without a number", get("/?wait=ms"), "400 close, linger"},
		{"minutes", get("/?wait=1m"), "400 close, linger"},
		{"two points", get("/?wait=1.2.3s"), "400 close, linger"},
		{"a point at the end", get("/?wait=1.s"), "400 close, linger"},
		{"a point at the beginning", get("/?wait=.5s"), "400 close, linger"},
		{"a negative wait", get("/?wait=-1s"), "400 close, linger"},
		{"an empty wait", get("/?wait="), "400 close, linger"},
		{"a wait without a value", get("/?wait"), "400 close, linger"},
		{"two waits", get("/?wait=0&wait=0"), "400 close, linger"},
		{"two spins", get("/?spin=0&spin=0"), "400 close, linger"},
		{"two sizes", get("/?bytes=1&bytes=1"), "400 close, linger"},
		{"a size with a unit", get("/?bytes=4KiB"), "400 close, linger"},
		{"HEAD asking for too much", "HEAD /?bytes=16777217 HTTP/1.1\r\n" + host + "\r\n", "400 without a body close, linger"},
		{"HEAD works too", "HEAD /?wait=5ms HTTP/1.1\r\n" + host + "\r\n", "work wait=5ms spin=0s, 200 14 without a body in 1234 µs"},
	} {
		t.Run(row.title, func(t *testing.T) {
			want := strings.Split(row.want, ", ")
			kept := !strings.Contains(row.want, "close")
			if kept {
				want = append(want, "idle")
			}
			check := func(how string, want []string, pieces ...string) {
				t.Helper()
				if diff := cmp.Diff(want, play(t, HTTP, silent, pieces...)); diff != "" {
					t.Fatalf("%.200q %s (-want +got):\n%s", row.request, how, diff)
				}
			}
			check("whole", want, row.request)
			for _, i := range splits(row.request) {
				check(fmt.Sprintf("cut at byte %d", i), want, row.request[:i], row.request[i:])
			}
			check("byte by byte", want, bytewise(row.request)...)
			if !kept {
				return
			}
			two, want := row.request+get("/?bytes=3")+row.request, slices.Concat(want[:len(want)-1], []string{"200 3"}, want)
			check("twice, with another between", want, two)
			for _, i := range splits(two) {
				check(fmt.Sprintf("twice, cut at byte %d", i), want, two[:i], two[i:])
			}
			check("twice, byte by byte", want, bytewise(two)...)
		})
	}
}

// bytewise cuts s into bytes; the middle of a long s stays in one piece.
func bytewise(s string) []string {
	if len(s) < 100_000 {
		return strings.Split(s, "")
	}
	return slices.Concat(strings.Split(s[:1000], ""), []string{s[1000 : len(s)-1000]}, strings.Split(s[len(s)-1000:], ""))
}

func TestMachineWhenThePeerEnds(t *testing.T) {
	for _, row := range []struct {
		title, request string
		eof, timeout   string
	}{
		{"before the first request", "", "close", "close"},
		{"after an empty line", "\r\n", "close", "close"},
		{"after half an empty line", "\r", "close", "close"},
		{"in the request line", "GET", "400 close, close", "408 close, linger"},
		{"in the last line end", strings.TrimSuffix(get("/"), "\n"), "400 close, close", "408 close, linger"},
		{"after a request", get("/"), "200 14, close", "200 14, close"},
		{"in the second request", get("/") + "G", "200 14, 400 close, close", "200 14, 408 close, linger"},
		{"before a body", post("Content-Length: 1", ""), "400 close, close", "408 close, linger"},
		{"in a body", post("Content-Length: 3", "ab"), "400 close, close", "408 close, linger"},
		{"in a chunk's size", chunked("1"), "400 close, close", "408 close, linger"},
		{"in a chunk", chunked("2\r\na"), "400 close, close", "408 close, linger"},
		{"before the last empty line", chunked("0\r\n"), "400 close, close", "408 close, linger"},
		{"in a trailer", chunked("0\r\na: b\r\n"), "400 close, close", "408 close, linger"},
		{"having been refused", get("*"), "400 close, linger", "400 close, linger"},
		{"before the body it was told to send", post("Expect: 100-continue\r\nContent-Length: 1", ""), "100, 400 close, close", "100, 408 close, linger"},
	} {
		for _, by := range []struct {
			name string
			ending
			want string
		}{{"end of file", ended, row.eof}, {"timeout", late, row.timeout}} {
			t.Run(row.title+", by "+by.name, func(t *testing.T) {
				want := strings.Split(by.want, ", ")
				for _, pieces := range [][]string{{row.request}, strings.Split(row.request, "")} {
					if diff := cmp.Diff(want, play(t, HTTP, by.ending, pieces...)); diff != "" {
						t.Errorf("%q (-want +got):\n%s", pieces, diff)
					}
				}
			})
		}
	}
}

// 100 Continue is the one thing that depends on how the bytes are split: who
// has begun to send the body needn't be told to (RFC 9110, 10.1.1).
func TestMachineExpectContinue(t *testing.T) {
	expect := func(header string) string { return post("Expect: 100-Continue\r\n"+header, "") }
	for _, row := range []struct {
		title  string
		pieces []string
		want   string
	}{
		{"a client that waits is told to go on", []string{expect("Content-Length: 2"), "ab"}, "100, 200 14, idle"},
		{"and waited for", []string{expect("Content-Length: 2")}, "100, body"},
		{"once, not with every piece", []string{expect("Content-Length: 2"), "a", "b"}, "100, 200 14, idle"},
		{"with a chunked body too", []string{expect("Transfer-Encoding: chunked"), "0\r\n\r\n"}, "100, 200 14, idle"},
		{"one that didn't wait isn't", []string{expect("Content-Length: 2") + "a", "b"}, "200 14, idle"},
		{"nor one without a body", []string{expect("Content-Length: 0")}, "200 14, idle"},
		{"nor one whose body is refused", []string{expect("Content-Length: 1048577")}, "413 close, linger"},
		{"nor one of HTTP/1.0", []string{"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "a"}, "200 14 close, close"},
		{"other expectations are not ours", []string{post("Expect: a miracle\r\nContent-Length: 1", ""), "a"}, "200 14, idle"},
		{"a pipelined one waits too", []string{get("/") + expect("Content-Length: 1"), "a"}, "200 14, 100, 200 14, idle"},
	} {
		t.Run(row.title, func(t *testing.T) {
			if diff := cmp.Diff(strings.Split(row.want, ", "), play(t, HTTP, silent, row.pieces...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A client that sends on behind its last request would answer a plain close
// with a reset, which can overtake the answer.
func TestMachineLingersWherePeersSendOn(t *testing.T) {
	got := play(t, HTTP, silent, "GET / HTTP/1.0\r\n\r\n\r\n")
	if diff := cmp.Diff([]string{"200 14 close", "linger"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMachineStop(t *testing.T) {
	for _, row := range []struct {
		title, fed, want string
	}{
		{"the request at hand is the last", get("/"), "200 14 close, linger"},
		{"one that closes by itself needs no lingering", with("Connection: close"), "200 14 close, close"},
		{"what was read is answered", get("/") + get("/?bytes=3"), "200 14, 200 3 close, linger"},
		{"behind an empty line too", get("/") + "\r\n" + get("/?bytes=3"), "200 14, 200 3 close, linger"},
		{"half a request wasn't read", get("/") + "GET / HT", "200 14 close, linger"},
		{"an empty line is no request", get("/") + "\r\n", "200 14 close, linger"},
		{"a refusal stays one", get("*"), "400 close, linger"},
	} {
		t.Run(row.title, func(t *testing.T) {
			var m Machine
			m.Reset(HTTP, testDate)
			m.Stop()
			if diff := cmp.Diff(strings.Split(row.want, ", "), playOn(t, &m, silent, row.fed)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMachineFail(t *testing.T) {
	for _, row := range []struct{ title, request, want string }{
		{"a GET is told", get("/?wait=1ms"), "500 close"},
		{"what is pipelined behind it is not answered", get("/?wait=1ms") + get("/"), "500 close"},
		{"HEAD is told without a body", "HEAD /?wait=1ms HTTP/1.1\r\n" + host + "\r\n", "500 without a body close"},
	} {
		t.Run(row.title, func(t *testing.T) {
			var m Machine
			m.Reset(HTTP, testDate)
			m.Feed([]byte(row.request))
			if m.Next() != DoWork {
				t.Fatal("no work to fail at")
			}
			m.Fail()
			if got := answerIn(t, &m); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if m.Next() != Close || m.Closing() != CloseLingering {
				t.Error("a failed request doesn't end in a lingering close")
			}
		})
	}
}

func TestMachineOnce(t *testing.T) {
	long := strings.Repeat("x", OnceRead-1) + "\n"
	for _, row := range []struct {
		title  string
		end    ending
		pieces []string
		want   string
	}{
		{"a line end is enough", silent, []string{"\r\n"}, "200 13 close, close"},
		{"whatever it is", silent, []string{"\x00\xff\n"}, "200 13 close, close"},
		{"what doesn't end with one may go on", silent, []string{"GET"}, "200 13 close, linger"},
		{"as may what fills the read", silent, []string{long}, "200 13 close, linger"},
		{"one byte less has said all", silent, []string{long[1:]}, "200 13 close, close"},
		{"before the first byte it waits", silent, nil, "head"},
		{"nothing is answered with nothing", ended, nil, "close"},
		{"silence too", late, nil, "close"},
		{"one read, not two", silent, []string{"a\n", "b\n"}, "200 13 close, close"},
	} {
		t.Run(row.title, func(t *testing.T) {
			if diff := cmp.Diff(strings.Split(row.want, ", "), play(t, Once, row.end, row.pieces...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Started tells a driver which request a phase belongs to.
func TestMachinePhases(t *testing.T) {
	var m Machine
	m.Reset(HTTP, nil)
	type place struct {
		Phase   Phase
		Started int64
	}
	var got []place
	feed := func(s string) {
		m.Feed([]byte(s))
		for m.Next() != NeedMore {
		}
		got = append(got, place{m.Phase(), m.Started()})
	}
	if m.Next() != NeedMore {
		t.Fatal("a new machine doesn't ask for bytes")
	}
	feed("\r\n")
	feed("POST / HTTP/1.1\r\n")
	feed("Host: a\r\nContent-Length: 2\r\n\r\n")
	feed("a")
	feed("b")
	feed("\r")
	feed("\nG")
	feed("ET / HTTP/1.1\r\nHost: a\r\n\r\nGE")
	want := []place{
		{PhaseHead, 0}, // a connection's first request is waited for as for the rest of one
		{PhaseHead, 0},
		{PhaseBody, 1},
		{PhaseBody, 1},
		{PhaseIdle, 1},
		{PhaseIdle, 1}, // half an empty line begins no request
		{PhaseHead, 1},
		{PhaseHead, 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A machine is used again for other connections: nothing of one may show in
// the next.
func TestMachineReset(t *testing.T) {
	var m Machine
	for _, before := range []string{"", "GE", "\r", get("*"), post("Content-Length: 5", "he"), chunked("5\r\nhe"), get("/") + "HEAD / HTT", headOf(MaxHead)[:10000],
		"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"} {
		m.Reset(HTTP, testDate)
		playOn(t, &m, silent, before[:len(before)/2], before[len(before)/2:])
		m.Reset(HTTP, testDate)
		if diff := cmp.Diff([]string{"200 14", "idle"}, playOn(t, &m, silent, get("/"))); diff != "" {
			t.Errorf("after %.40q (-want +got):\n%s", before, diff)
		}
	}
	if cap(m.part) > keepBuffer {
		t.Errorf("a machine keeps %d bytes for the next head", cap(m.part))
	}
}

// A refusal without a known method has a body, whatever came before it.
func TestMachineForgetsHEAD(t *testing.T) {
	got := play(t, HTTP, ended, "HEAD / HTTP/1.1\r\n"+host+"\r\nGE")
	if diff := cmp.Diff([]string{"200 14 without a body", "400 close", "close"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBodyIsTheFillerAgainAndAgain(t *testing.T) {
	if len(Filler())%len(fillerText) != 0 || !bytes.HasPrefix(Filler(), []byte(fillerText+fillerText)) {
		t.Error("the filler isn't its text, a whole number of times")
	}
}

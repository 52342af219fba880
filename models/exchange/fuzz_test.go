package exchange

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// strictness lists, by the words of the refusal, where the machine refuses
// what http.ReadRequest accepts, and why. Whatever isn't in here the two must
// judge alike; and what the machine accepts, the oracle must accept too.
var strictness = map[string]string{
	// Limits of this server.
	"the head is over 16 KiB":                                    "RFC 9112, 3; RFC 6585, 5",
	"the trailers are over 16 KiB":                               "RFC 6585, 5",
	"the body is over 1 MiB":                                     "RFC 9110, 15.5.14",
	"wait must be one duration of at most 60s, such as 5ms":      "what a request asks for is this server's to define",
	"spin must be one duration of at most 10s, such as 200us":    "the same",
	"bytes must be one whole number of at most 16777216":         "the same",
	"the versions that are known here are HTTP/1.1 and HTTP/1.0": "RFC 9110, 15.6.6; net/http's server refuses them too, later",

	// What net/http tolerates.
	"the target is malformed":                                "RFC 9112, 3.2: * for OPTIONS alone, no authority but for CONNECT, which is for proxies, no other scheme, no bytes beyond ASCII",
	"the host in the target is malformed":                    "RFC 9110, 4.2.4: no user information; RFC 3986, 3.2.2: no quotes or angle brackets in a host",
	"a header's name is malformed":                           "RFC 9112, 5.1: no white space before the colon; net/http's server refuses it too, later",
	"the Host header is malformed":                           "RFC 9112, 3.2; net/http's server refuses it too, later",
	"the Host header is missing":                             "RFC 9112, 3.2; net/http's server refuses it too, later",
	"both Content-Length and Transfer-Encoding are given":    "RFC 9112, 6.1 and 6.3: request smuggling",
	"HTTP/1.0 knows no Transfer-Encoding":                    "RFC 9112, 6.1: such framing is faulty",
	"Transfer-Encoding is given twice":                       "the same; of HTTP/1.1 the oracle refuses it too",
	"the only transfer coding that is known here is chunked": "the same",
	"the chunked body is malformed":                          "RFC 9112, 7.1: no control characters in extensions, no folded or LF-ended trailers",
	"the chunked body is mostly framing":                     "the oracle doesn't count the last chunk's line",
}

// folded is a head's line that begins with white space. RFC 9112, 5.2: a
// server must refuse it or unfold it. The oracle unfolds; the machine refuses,
// with the words for what it finds in the line or in the one before it.
var folded = regexp.MustCompile(`\n[ \t]+[^ \t\r\n]`)

// badTrailer is the one complaint of the oracle that the machine doesn't
// share: it drops trailers, so it doesn't mind which ones are announced (RFC
// 9110, 6.5.1, forbids some of them to senders).
const badTrailer = "bad trailer key"

// judgement is what matters of a request that was accepted.
type judgement struct {
	Head, KeepAlive bool
	Body            int64
	End             int // where the next request begins
}

// oracle has net/http read the request at data[from:].
func oracle(data []byte, from int) (judgement, error) {
	// Leading empty lines, which a server should skip (RFC 9112, 2.2), are
	// skipped by net/http's server, not by ReadRequest.
	skipped := skipEmptyLines(data[from:])
	wire := bytes.NewReader(skipped)
	r := bufio.NewReaderSize(wire, 64<<10) // trailers must fit
	req, err := http.ReadRequest(r)
	if err != nil {
		return judgement{}, err
	}
	n, err := io.Copy(io.Discard, req.Body)
	if err != nil {
		return judgement{}, err
	}
	return judgement{req.Method == http.MethodHead, !req.Close, n, len(data) - wire.Len() - r.Buffered()}, nil
}

// accepted has a machine read data, whole, and returns what it made of the
// requests that it accepted, and the words with which it refused the next.
func accepted(t *testing.T, data []byte) (all []judgement, refusal string) {
	var m Machine
	m.Reset(HTTP, testDate)
	m.Feed(data)
	for {
		switch m.Next() {
		case NeedMore:
			return all, "more"
		case DoWork:
			m.Worked(0)
		case Output:
			answer := answerIn(t, &m)
			switch {
			case answer == "100":
			case strings.HasPrefix(answer, "200 "):
				body := max(0, m.req.length)
				if m.req.chunked {
					body = m.body.total
				}
				j := judgement{m.req.head, m.req.keepAlive, body, len(data) - len(m.in)}
				if m.work.Wait > MaxWait || m.work.Spin > MaxSpin || m.work.Bytes > MaxBytes || body > MaxBody {
					t.Errorf("accepted past the limits: %+v, %+v", m.work, j)
				}
				all = append(all, j)
			default:
				_, refusal, _ = strings.Cut(string(m.out), "\r\n\r\n")
				return all, strings.TrimSuffix(refusal, "\n")
			}
		case Close:
			return all, "closed"
		}
	}
}

func FuzzMachine(f *testing.F) {
	for _, s := range []string{
		get("/"), get("/?wait=5ms&spin=1us&bytes=9"), get("/") + get("/?bytes=3"), "\r\n\n" + get("/a%20b"), get("*"),
		"HEAD /?bytes=1000 HTTP/1.1\r\n" + host + "\r\n", "OPTIONS * HTTP/1.1\r\n" + host + "\r\n",
		"CONNECT a:443 HTTP/1.1\r\n" + host + "\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + get("/"), "GET / HTTP/1.2\n" + "Host:\n\n",
		get("http://[::1]:80/?bytes=1"), get("http://me@a/"), get("https://a"),
		with("Connection: close"), with("Connection: a, CLOSE"), with("X: y\r\n z"), with("X : y"), with("X: \x00"), with("Host: b"), with(": x"),
		with("Trailer: Content-Length"), with("Content-Length:\r\n 1"),
		post("Content-Length: 5", "hello") + get("/"), post("Content-Length: 5\r\nContent-Length: 05", "hello"), post("Content-Length: 1048577", ""),
		post("Transfer-Encoding: chunked\r\nContent-Length: 3", "0\r\n\r\n"), post("Transfer-Encoding: gzip, chunked", ""),
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\na",
		post("Expect: 100-continue\r\nContent-Length: 2", "ab") + get("/"),
		chunked("5\r\nhello\r\n0\r\n\r\n") + get("/"), chunked("1;a=b\r\nx\r\n00 \r\nA: b\r\n\r\n") + get("/"),
		chunked("1\na\n0\n\n"), chunked("0\r\nA: b\n\r\n") + get("/"), chunked("1 ;x\r\n"), chunked("0\r\nA: b\r\n c\r\n\r\n"),
		chunked("fffff\r\n"), chunked("00000000000000001\r\n"),
	} {
		f.Add([]byte(s), []byte{1, 7, 30})
	}
	f.Fuzz(func(t *testing.T, data, cuts []byte) {
		all, refusal := accepted(t, data)
		at := 0
		for _, got := range all {
			want, err := oracle(data, at)
			if err != nil && strings.Contains(err.Error(), badTrailer) {
				want = got
				err = nil
			}
			if err != nil {
				t.Fatalf("accepted at byte %d, but net/http says: %v", at, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("at byte %d (-net/http +machine):\n%s", at, diff)
			}
			at = got.End
		}
		if refusal != "closed" {
			_, err := oracle(data, at)
			if refusal == "" { // HEAD is refused without words: have them told to another method
				again := bytes.Clone(data[at:])
				copy(skipEmptyLines(again), "FOUR")
				_, refusal = accepted(t, again)
			}
			_, deliberate := strictness[refusal]
			// Only a whole head counts as folded where the machine wants more.
			if deliberate = deliberate || refusal != "more" && folded.Match(data[at:]); err == nil && !deliberate {
				t.Fatalf("refused at byte %d (%s), but net/http accepts it", at, refusal)
			}
		}

		// However the bytes are split, the conversation is the same; only who
		// has sent some of a body isn't told to continue, and who has sent
		// something behind a last request may be lingered for.
		var pieces []string
		rest := string(data)
		for _, c := range cuts {
			n := min(int(c)+1, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		pieces = append(pieces, rest)
		pieces = slices.DeleteFunc(pieces, func(s string) bool { return s == "" })
		for _, end := range []ending{silent, ended, late} {
			if diff := cmp.Diff(essence(play(t, HTTP, end, string(data))), essence(play(t, HTTP, end, pieces...))); diff != "" {
				t.Fatalf("%q (-whole +split):\n%s", pieces, diff)
			}
		}
	})
}

// essence is what a conversation says whatever the split.
func essence(said []string) []string {
	said = slices.DeleteFunc(said, func(s string) bool { return s == "100" })
	if n := len(said); n > 1 && strings.HasPrefix(said[n-2], "200 ") && strings.HasSuffix(said[n-2], " close") {
		said[n-1] = "closed"
	}
	return said
}

var durations = regexp.MustCompile(`^(0|[0-9]+(\.[0-9]{1,9})?(ns|us|%C2%B5s|%c2%b5s|ms|s))$`)

func FuzzParseDuration(f *testing.F) {
	for _, s := range []string{"0", "5ms", "1.5s", "200us", "200%C2%B5s", "60s", "60.000000001s", "0.000000001ms", "1.999999999us", "9223372036854775807ns",
		"18446744073709551616us", "1m", ".5s", "1.s", "-1s", "1h2s", "", "s", "1.2.3s", "00000000000000000000001s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseDuration([]byte(s))
		want, err := time.ParseDuration(strings.NewReplacer("%C2%B5", "µ", "%c2%b5", "µ").Replace(s))
		switch form := durations.MatchString(s); {
		case ok && !form:
			t.Errorf("%q isn't of the form that is taken, but parsed to %v", s, got)
		case !form:
		case err != nil || want > MaxWait: // only that it is past every limit counts
			if ok && got <= MaxWait {
				t.Errorf("%q: got %v, time.ParseDuration %v, %v", s, got, want, err)
			}
		case !ok || got != want:
			t.Errorf("%q: got %v, %v, time.ParseDuration %v", s, got, ok, want)
		}
	})
}

// Every line of the list is still true: there is a request that the machine
// refuses with these words and the oracle accepts.
func TestStrictnessIsStrict(t *testing.T) {
	examples := []string{
		headOf(MaxHead + 1), chunked("0\r\nX: " + strings.Repeat("x", maxTrailers) + "\r\n\r\n"), post("Content-Length: 1048577", strings.Repeat("x", MaxBody+1)),
		get("/?wait=1h"), get("/?spin=1h"), get("/?bytes=1e3"), "GET / HTTP/2.0\r\n" + host + "\r\n",
		get("*"), get("ftp://a/"), get("/\xff"), get("http://me@a/"), get(`http://"<>/`), with("X : y"), "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
		post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "GET / HTTP/1.0\r\nTransfer-Encoding: gzip\r\n\r\n",
		chunked("1;\x01\r\na\r\n0\r\n\r\n"), chunked("0\r\nA: b\r\n c\r\n\r\n"),
		chunked(strings.Repeat("1;"+strings.Repeat("x", 4090)+"\r\na\r\n", 4) + "0;" + strings.Repeat("x", 4000) + "\r\n\r\n"),
	}
	unused := map[string]bool{}
	for why := range strictness {
		unused[why] = true
	}
	for _, s := range examples {
		_, refusal := accepted(t, []byte(s))
		if _, ok := strictness[refusal]; !ok {
			t.Errorf("%.100q: refused with %q", s, refusal)
		}
		if _, err := oracle([]byte(s), 0); err != nil {
			t.Errorf("%.100q: the oracle refuses it too: %v", s, err)
		}
		delete(unused, refusal)
	}
	for why := range unused {
		t.Errorf("no example of %q", why)
	}
}

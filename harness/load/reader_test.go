package load

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"workbench/harness/scenario"
)

// A verdict is what a reader came to.
type verdict struct {
	f    failure
	last bool // of a right answer
	took time.Duration
}

// readIn feeds an answer in the given pieces, and then its connection's end.
func readIn(expect Expect, conversation string, asked scenario.Request, pieces ...[]byte) (v verdict, err error) {
	j := newJudge(Job{Expect: expect, Scenario: scenario.Scenario{Conversation: conversation}})
	var r reader
	r.begin(&j, asked)
	for i, piece := range pieces {
		done, f, err := r.feed(&j, piece)
		if (f != none) != (err != nil) || f != none && !done {
			return v, fmt.Errorf("piece %d: done %v, failure %v, error %v", i, done, f, err)
		}
		if done {
			return verdictOf(&r, f), nil
		}
	}
	f, err := r.end(&j, io.EOF)
	if (f != none) != (err != nil) {
		return v, fmt.Errorf("at the end: failure %v, error %v", f, err)
	}
	return verdictOf(&r, f), nil
}

func verdictOf(r *reader, f failure) verdict {
	if f != none {
		return verdict{f: f}
	}
	return verdict{last: r.last, took: r.took}
}

// An answer means the same wherever it is split.
func TestReaderAtEverySplit(t *testing.T) {
	const (
		http_ = scenario.ConversationHTTP
		once  = scenario.ConversationOnce
		right = "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nHello, World!\n"
	)
	own, foreign := Expect{}, Expect{Foreign: true}
	silent := time.Duration(-1) // nobody said how long it took
	for _, row := range []struct {
		is           string
		expect       Expect
		conversation string
		asked        scenario.Request
		answer       string
		want         verdict
	}{
		{"our greeting", own, http_, scenario.Request{}, right, verdict{none, false, silent}},
		{"our last answer on a connection", own, http_, scenario.Request{},
			"HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\nHello, World!\n", verdict{none, true, silent}},
		{"work, and how long it took", own, http_, scenario.Request{WaitUs: 5},
			"HTTP/1.1 200 OK\r\nX-Service-Us: 7\r\nContent-Length: 14\r\n\r\nHello, World!\n", verdict{none, false, 7 * time.Microsecond}},
		{"a size that was asked for", own, http_, scenario.Request{Bytes: 3}, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nHel", verdict{none, false, silent}},
		{"a body that is ours but for a byte", own, http_, scenario.Request{}, strings.Replace(right, "World", "Worle", 1), verdict{f: badResponse}},
		{"a body too short by a byte", own, http_, scenario.Request{}, right[:len(right)-1], verdict{f: truncated}},
		{"a head and no body", own, http_, scenario.Request{}, right[:len(right)-14], verdict{f: truncated}},
		{"half a head", own, http_, scenario.Request{}, right[:20], verdict{f: truncated}},
		{"503 with a reason", own, http_, scenario.Request{}, "HTTP/1.1 503 Full\r\nContent-Length: 5\r\n\r\nlater", verdict{f: rejected}},
		{"503 without a length", own, http_, scenario.Request{}, "HTTP/1.1 503 Full\r\n\r\n", verdict{f: rejected}},
		{"503 in half", own, http_, scenario.Request{}, "HTTP/1.1 503 Full\r\nContent-Length: 5\r\n\r\nla", verdict{f: rejected}},
		{"404", own, http_, scenario.Request{}, "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", verdict{f: badResponse}},
		{"204, which has no body whatever its length says", Expect{Status: 204}, http_, scenario.Request{},
			"HTTP/1.1 204 None\r\nContent-Length: 14\r\n\r\n", verdict{f: badResponse}},
		{"the teaching server", own, once, scenario.Request{}, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!", verdict{none, false, silent}},
		{"the teaching server, with more to say", own, once, scenario.Request{}, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nHello, World! :)", verdict{none, false, silent}},
		{"a teaching server of another school", own, once, scenario.Request{}, "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, Welt!!", verdict{f: badResponse}},

		{"foreign, with a length", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", verdict{none, false, silent}},
		{"foreign, of the length that is expected", Expect{Foreign: true, Length: 3}, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", verdict{none, false, silent}},
		{"foreign, of another length", Expect{Foreign: true, Length: 4}, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", verdict{f: badResponse}},
		{"foreign, in chunks", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nB;x=y\r\nHello World\r\n0\r\n\r\n", verdict{none, false, silent}},
		{"foreign, in chunks of the length that is expected", Expect{Foreign: true, Length: 14}, http_, scenario.Request{},
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nb\r\nHello World\r\n0\r\n\r\n", verdict{none, false, silent}},
		{"foreign, in chunks of another length", Expect{Foreign: true, Length: 13}, http_, scenario.Request{},
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nb\r\nHello World\r\n0\r\n\r\n", verdict{f: badResponse}},
		{"foreign, in chunks with trailers", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\nC: d\r\n\r\n", verdict{none, false, silent}},
		{"foreign, in no chunks at all", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", verdict{none, false, silent}},
		{"foreign, in chunks that are none", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nHello\r\n0\r\n\r\n", verdict{f: badResponse}},
		{"foreign, in chunks longer than they say", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", verdict{f: badResponse}},
		{"foreign, in chunks whose lines end in LF alone", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\na\n0\n\n", verdict{f: badResponse}},
		{"foreign, in chunks of more bytes than there are", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFF\r\na", verdict{f: badResponse}},
		{"foreign, in chunks without end", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", verdict{f: truncated}},
		{"foreign, until the connection ends", foreign, http_, scenario.Request{}, "HTTP/1.1 200 OK\r\n\r\nabc", verdict{none, true, silent}},
		{"foreign, nothing until the connection ends", foreign, http_, scenario.Request{}, "HTTP/1.0 200 OK\r\nServer: x\r\n\r\n", verdict{none, true, silent}},
		{"foreign, until the connection ends, of the length that is expected", Expect{Foreign: true, Length: 3}, http_, scenario.Request{}, "HTTP/1.0 200 OK\r\n\r\nabc", verdict{none, true, silent}},
		{"foreign, until the connection ends, too soon", Expect{Foreign: true, Length: 4}, http_, scenario.Request{}, "HTTP/1.0 200 OK\r\n\r\nabc", verdict{f: badResponse}},
		{"foreign, the status that is expected", Expect{Foreign: true, Status: 404}, http_, scenario.Request{}, "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", verdict{none, false, silent}},
		{"foreign, another status", foreign, http_, scenario.Request{}, "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno", verdict{f: badResponse}},
		{"foreign, another status in chunks", foreign, http_, scenario.Request{}, "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", verdict{f: badResponse}},
		{"foreign, 204: no body, and it needs no length", Expect{Foreign: true, Status: 204}, http_, scenario.Request{}, "HTTP/1.1 204 None\r\n\r\n", verdict{none, false, silent}},
		{"foreign, 304 with the length of what there would be", Expect{Foreign: true, Status: 304}, http_, scenario.Request{}, "HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n", verdict{none, false, silent}},
		{"foreign, 503", foreign, http_, scenario.Request{}, "HTTP/1.1 503 Full\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", verdict{f: rejected}},
	} {
		b := []byte(row.answer)
		for cut := range len(b) + 1 {
			v, err := readIn(row.expect, row.conversation, row.asked, b[:cut], b[cut:])
			if err != nil || v != row.want {
				t.Errorf("%s, cut behind %d of %d bytes: %+v, %v; want %+v", row.is, cut, len(b), v, err, row.want)
				break
			}
		}
		var bytewise [][]byte
		for i := range b {
			bytewise = append(bytewise, b[i:i+1])
		}
		if v, err := readIn(row.expect, row.conversation, row.asked, bytewise...); err != nil || v != row.want {
			t.Errorf("%s, byte by byte: %+v, %v; want %+v", row.is, v, err, row.want)
		}
	}
}

// More than an answer has is wrong, as far as it comes with it. What comes
// later is the next answer's beginning, and makes that one wrong.
func TestReaderRefusesSurplus(t *testing.T) {
	for _, row := range []struct {
		is, head, body string
		expect         Expect
	}{
		{"of a known length", "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n", "Hello, World!\n", Expect{}},
		{"foreign, of a length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", "ab", Expect{Foreign: true}},
		{"foreign, in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n0\r\n\r\n", Expect{Foreign: true}},
	} {
		for _, pieces := range [][]string{{row.head + row.body + "!"}, {row.head, row.body + "!"}, {row.head + row.body[:1], row.body[1:] + "!"}} {
			var b [][]byte
			for _, piece := range pieces {
				b = append(b, []byte(piece))
			}
			if v, err := readIn(row.expect, scenario.ConversationHTTP, scenario.Request{}, b...); err != nil || v.f != badResponse {
				t.Errorf("%s, in %q: %+v, %v", row.is, pieces, v, err)
			}
		}
	}
}

// The end of a connection before the first byte is what makes it stale: only
// then is the answer empty.
func TestReaderKnowsWhetherAnythingCame(t *testing.T) {
	j := newJudge(Job{Scenario: scenario.Scenario{Conversation: scenario.ConversationHTTP}})
	var r reader
	r.begin(&j, scenario.Request{})
	r.feed(&j, nil)
	if f, _ := r.end(&j, io.EOF); !r.empty || f != truncated {
		t.Errorf("nothing came: empty %v, failure %v", r.empty, f)
	}
	r.feed(&j, []byte("H"))
	if f, _ := r.end(&j, io.EOF); r.empty || f != truncated {
		t.Errorf("a byte came: empty %v, failure %v", r.empty, f)
	}
}

// Whatever comes, however it is split: a reader comes to the same verdict, and
// what it takes for right of a foreign server net/http reads too, with as many
// bytes in its body.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nB;x=y\r\nHello World\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nabc",
		"HTTP/1.1 200\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n00\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3 \nabc\n0\n\r\n",
	} {
		f.Add([]byte(s), 20)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		expect := Expect{Foreign: true}
		whole, err := readIn(expect, scenario.ConversationHTTP, scenario.Request{}, b)
		if err != nil {
			t.Fatal(err)
		}
		cut = max(0, min(cut, len(b)))
		if halves, err := readIn(expect, scenario.ConversationHTTP, scenario.Request{}, b[:cut], b[cut:]); err != nil || whole.f == none && halves != whole {
			t.Errorf("at once %+v, cut behind %d bytes %+v, %v", whole, cut, halves, err)
		}
		if whole.f != none {
			return
		}
		j := newJudge(Job{Expect: expect})
		var r reader
		r.begin(&j, scenario.Request{})
		r.feed(&j, b)

		in := bufio.NewReader(bytes.NewReader(b))
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("a right answer, and net/http says %v", err)
		}
		defer answer.Body.Close()
		n, err := io.Copy(io.Discard, answer.Body)
		if _, isTrailer := errors.AsType[textproto.ProtocolError](err); err != nil && !isTrailer { // nobody reads trailers here
			t.Fatalf("a right answer, and net/http says of its body %v", err)
		}
		if n != r.got {
			t.Errorf("a body of %d bytes, net/http says %d", r.got, n)
		}
	})
}

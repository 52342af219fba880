package load

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"
)

func TestParseHead(t *testing.T) {
	for _, row := range []struct {
		is, in string
		want   head
	}{
		{"what our servers say", "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nX-Service-Us: 10250\r\n\r\n", head{200, 14, 10250, false, false}},
		{"the last of a connection", "HTTP/1.1 200 OK\r\nContent-Length: 14\r\nConnection: close\r\n\r\n", head{200, 14, -1, true, false}},
		{"names and tokens in any case", "HTTP/1.1 200 OK\r\ncontent-LENGTH:14\r\nCONNECTION: Close\r\n\r\n", head{200, 14, -1, true, false}},
		{"a list of tokens", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, close , y\r\n\r\n", head{200, 0, -1, true, false}},
		{"1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", head{200, 1, -1, true, false}},
		{"1.0 that keeps", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\n", head{200, 1, -1, false, false}},
		{"no reason", "HTTP/1.1 503\r\n\r\n", head{503, -1, -1, false, false}},
		{"chunks, which override a length", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: Chunked\r\n\r\n", head{200, -1, -1, false, true}},
		{"other headers", "HTTP/1.1 200 OK\r\nServer: x\r\nDate: now\r\nContent-Length: \t7 \r\n\r\n", head{200, 7, -1, false, false}},
	} {
		for _, more := range []string{"", "Hello, World!\n\r\n\r\n"} {
			h, size, err := parseHead([]byte(row.in + more))
			if err != nil || h != row.want || size != len(row.in) {
				t.Errorf("%s: %+v, size %d, %v; want %+v, size %d", row.is, h, size, err, row.want, len(row.in))
			}
		}
		for cut := range row.in {
			if h, size, err := parseHead([]byte(row.in[:cut])); size != 0 || err != nil {
				t.Errorf("%s, the first %d bytes: %+v, size %d, %v; want more to be asked for", row.is, cut, h, size, err)
			}
		}
	}
}

func TestParseHeadRefuses(t *testing.T) {
	for _, row := range []struct{ is, in, says string }{
		{"nothing at all", "\r\n\r\n", "want HTTP/1.1"},
		{"another protocol", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "want HTTP/1.1"},
		{"another version", "HTTP/2.0 200 OK\r\n\r\n", "want HTTP/1.1"},
		{"a version of 1 that there isn't", "HTTP/1.2 200 OK\r\n\r\n", "want HTTP/1.1"},
		{"a status of four digits", "HTTP/1.1 2000 OK\r\n\r\n", "want HTTP/1.1"},
		{"a status in words", "HTTP/1.1 two OK\r\n\r\n", "want HTTP/1.1"},
		{"a length in words", "HTTP/1.1 200 OK\r\nContent-Length: some\r\n\r\n", "Content-Length"},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"},
		{"no length after its name", "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n", "Content-Length"},
		{"a length beyond all", "HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\n", "Content-Length"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "twice"},
		{"a service time in words", "HTTP/1.1 200 OK\r\nX-Service-Us: 5ms\r\n\r\n", "X-Service-Us"},
		{"an encoding that isn't chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "Transfer-Encoding"},
		{"chunks of a 1.0 answer", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding"},
		{"chunks twice", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding"},
		{"a folded line", "HTTP/1.1 200 OK\r\nServer: x\r\n y\r\n\r\n", "malformed"},
		{"a line without a colon", "HTTP/1.1 200 OK\r\nServer\r\n\r\n", "malformed"},
		{"a name with a space", "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n", "malformed"},
		{"a bare line feed", "HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n", "malformed"},
	} {
		if h, _, err := parseHead([]byte(row.in)); err == nil || !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %+v, %v; want an error that says %q", row.is, h, err, row.says)
		}
	}
}

// What parseHead accepts, net/http reads too, and the same way.
func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 14\r\nX-Service-Us: 10250\r\nConnection: close\r\n\r\nHello, World!\n"))
	f.Add([]byte("HTTP/1.0 503 No\r\nConnection: x,keep-alive\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200\r\nContent-Length: 007\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, size, err := parseHead(b)
		if err != nil || size == 0 {
			if size != 0 || h != (head{}) {
				t.Fatalf("%+v, size %d beside %v", h, size, err)
			}
			return
		}
		if size > len(b) || !bytes.HasSuffix(b[:size], []byte("\r\n\r\n")) {
			t.Fatalf("size %d of %q", size, b)
		}
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(b)), nil)
		if err != nil {
			t.Fatalf("accepted as %+v, and net/http says %v", h, err)
		}
		defer r.Body.Close()
		if r.StatusCode != h.status {
			t.Errorf("status %d, net/http says %d", h.status, r.StatusCode)
		}
		if h.status != 200 { // others may have no body, whatever their length says
			return
		}
		if h.length >= 0 && (r.ContentLength != h.length || r.Close != h.close) {
			t.Errorf("%+v, net/http says length %d, close %v", h, r.ContentLength, r.Close)
		}
	})
}

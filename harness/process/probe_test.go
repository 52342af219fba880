package process

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"workbench/harness/load"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A page is a server that does what requests ask for, but for what it lacks.
type page struct {
	status                             int // 0 is 200
	length                             int // of the plain answer
	grows, closes, slow, chunks, picky bool
	noWait, noSpin, noBytes, noService bool
	asked                              int
}

func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked++
	q, length := r.URL.Query(), p.length
	if p.grows {
		length += p.asked
	}
	begin := time.Now()
	if d, err := time.ParseDuration(q.Get("wait")); err == nil && !p.noWait {
		time.Sleep(d)
	}
	if d, err := time.ParseDuration(q.Get("spin")); err == nil && !p.noSpin {
		for time.Since(begin) < d {
		}
	}
	if p.slow { // as slow as the longest that is asked for, whatever is
		time.Sleep(60 * time.Millisecond)
	}
	if n := q.Get("bytes"); n != "" && !p.noBytes {
		_, _ = fmt.Sscan(n, &length)
	}
	if len(q) > 0 && !p.noService {
		w.Header().Set("X-Service-Us", fmt.Sprint(time.Since(begin).Microseconds()))
	}
	if p.closes {
		w.Header().Set("Connection", "close")
	}
	if p.picky && len(q) > 0 {
		http.Error(w, "no questions", http.StatusBadRequest)
		return
	}
	if p.status != 0 {
		w.WriteHeader(p.status)
	}
	body := []byte(strings.Repeat("x", length))
	if p.chunks {
		w.(http.Flusher).Flush()
	}
	_, _ = w.Write(body)
}

// Each ability is seen by itself: a server that lacks one has all others.
func TestProbe(t *testing.T) {
	all := result.Abilities{Status: 200, Length: 14, KeepAlive: true, Waits: true, AskedUs: 50_000, Spins: true, Bytes: true, Service: true}
	but := func(lack func(a *result.Abilities)) result.Abilities {
		a := all
		lack(&a)
		return a
	}
	for _, tt := range []struct {
		name    string
		page    page
		foreign Foreign
		want    result.Abilities
		err     string
	}{
		{"one that does it all", page{}, Foreign{}, all, ""},
		{"one that waits for nobody", page{noWait: true}, Foreign{}, but(func(a *result.Abilities) { a.Waits = false }), ""},
		{"one that burns nothing", page{noSpin: true}, Foreign{}, but(func(a *result.Abilities) { a.Spins = false }), ""},
		{"one whose answers have one size", page{noBytes: true}, Foreign{}, but(func(a *result.Abilities) { a.Bytes = false }), ""},
		{"one whose only size happens to be asked for", page{noBytes: true, length: 3000}, Foreign{}, but(func(a *result.Abilities) { a.Bytes, a.Length = false, 3000 }), ""},
		{"one that closes after each answer", page{closes: true}, Foreign{}, but(func(a *result.Abilities) { a.KeepAlive = false }), ""},
		{"one that doesn't say how long it worked", page{noService: true}, Foreign{}, but(func(a *result.Abilities) { a.Service = false }), ""},
		{"one whose answers differ in length", page{grows: true}, Foreign{}, but(func(a *result.Abilities) { a.Length = -1 }), ""},
		{"one that answers in chunks", page{chunks: true}, Foreign{}, all, ""},
		{"one that is as slow unasked isn't one that waits", page{slow: true, noWait: true, noSpin: true}, Foreign{}, but(func(a *result.Abilities) { a.Waits, a.Spins = false, false }), ""},
		{"one that refuses questions", page{picky: true}, Foreign{}, but(func(a *result.Abilities) { a.Waits, a.Spins, a.Bytes = false, false, false }), ""},
		{"of one with a request of its own only the answer is looked at", page{}, Foreign{Request: []byte("GET /?bytes=77 HTTP/1.1\nHost: {host}\n")},
			result.Abilities{Status: 200, Length: 77, KeepAlive: true}, ""},
		{"a request that asks for the end of the connection", page{}, Foreign{Request: []byte("GET / HTTP/1.1\nHost: {host}\nConnection: close\n")},
			result.Abilities{Status: 200, Length: 14}, ""},
		{"another status that is expected", page{status: 404}, Foreign{Expect: load.Expect{Status: 404}}, but(func(a *result.Abilities) { a.Status = 404 }), ""},
		{"another status that isn't", page{status: 404}, Foreign{}, result.Abilities{},
			"it answers GET / with status 404, want 200 (if that is right: --expect-status 404; else describe a request that it knows: --request FILE)"},
		{"another status to a request of its own", page{status: 500}, Foreign{Request: []byte("GET / HTTP/1.1\nHost: {host}\n")}, result.Abilities{},
			"it answers the request of --request with status 500, want 200 (if that is right: --expect-status 500; else describe a request that it knows: --request FILE)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.page.length == 0 {
				tt.page.length = 14
			}
			server := httptest.NewServer(&tt.page)
			defer server.Close()
			got, err := Probe(t.Context(), server.Listener.Addr().String(), tt.foreign)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Errorf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			// One that doesn't wait may be as slow for the machine's sake.
			if got.Waits && got.WaitedUs < 45_000 {
				t.Errorf("asked to wait for 50,000 µs it took %d, and is said to wait", got.WaitedUs)
			}
			got.WaitedUs = 0
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestProbeOfNobody(t *testing.T) {
	server := httptest.NewServer(nil)
	addr := server.Listener.Addr().String()
	server.Close()
	if _, err := Probe(t.Context(), addr, Foreign{}); err == nil || !strings.HasPrefix(err.Error(), "its answer to GET / can't be used: dial tcp ") {
		t.Errorf("error %v", err)
	}
}

func TestProbeStopsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- true
		<-r.Context().Done()
	}))
	defer server.Close()
	done := make(chan error, 1)
	go func() {
		_, err := Probe(ctx, server.Listener.Addr().String(), Foreign{})
		done <- err
	}()
	<-asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestWhatIsComparable(t *testing.T) {
	all := result.Abilities{Status: 200, Length: 14, KeepAlive: true, Waits: true, WaitedUs: 50_100, AskedUs: 50_000, Spins: true, Bytes: true, Service: true}
	files := result.Abilities{Status: 200, Length: 1024, WaitedUs: 203, AskedUs: 50_000} // python3 -m http.server
	own := result.Abilities{Status: 200, Length: 1024, KeepAlive: true}
	hello := scenario.Scenario{Name: "hello", Loop: scenario.LoopClosed, Conversation: scenario.ConversationHTTP, Clients: 64, RequestsPerConnection: 1}
	of := func(change func(s *scenario.Scenario)) scenario.Scenario {
		s := hello
		change(&s)
		return s
	}
	keepalive := of(func(s *scenario.Scenario) { s.RequestsPerConnection = 100 })
	idle := of(func(s *scenario.Scenario) { s.Idle = 1000 })
	io := of(func(s *scenario.Scenario) { s.Wait = scenario.Constant(10 * time.Millisecond) })
	cpu := of(func(s *scenario.Scenario) { s.Spin = scenario.Constant(time.Millisecond) })
	large := of(func(s *scenario.Scenario) { s.Bytes = 256 << 10 })
	once := of(func(s *scenario.Scenario) { s.Conversation = scenario.ConversationOnce })
	slow := all
	slow.Waits = false
	grows := files
	grows.Length = -1

	for _, tt := range []struct {
		name string
		s    scenario.Scenario
		a    result.Abilities
		want string
	}{
		{"whoever answers can be asked for nothing", hello, files, ""},
		{"one that does it all waits", io, all, ""},
		{"and burns", cpu, all, ""},
		{"and answers at length", large, all, ""},
		{"and keeps connections", keepalive, all, ""},
		{"even idle ones", idle, all, ""},
		{"one that doesn't wait", io, files, "asked to wait 50.0 ms, took 203 µs"},
		{"one that takes as long anyway", io, slow, "takes 50.1 ms, whether it is asked to wait 50.0 ms, or less, or not at all"},
		{"one that doesn't burn", cpu, files, "does not burn the CPU time that requests ask for"},
		{"one that answers as it likes", large, files, "answers with 1,024 bytes where 262,144 are asked for"},
		{"a bit differently each time", large, grows, "its answers differ in length, where 262,144 bytes are asked for"},
		{"one that closes can't be asked again", keepalive, files, "closes the connection after each answer"},
		{"nor be held on to", idle, files, "closes the connection after each answer"},
		{"a conversation of our own", once, all, `conversation "once" is for our own servers alone: others answer requests in HTTP`},
		{"a request of its own under no work", keepalive, own, ""},
		{"a request of its own can't be told to wait", io, own, "the request of --request doesn't ask for the work of this scenario"},
		{"nor to burn", cpu, own, "the request of --request doesn't ask for the work of this scenario"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Incomparable(tt.s, tt.a); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}

	var names []string
	for _, s := range scenario.Catalogue() {
		names = append(names, s.Name)
	}
	if got := Comparable(all); !slices.Equal(got, names) {
		t.Errorf("one that does it all takes part in %v, want %v", got, names)
	}
	if got := Comparable(files); slices.Contains(got, "io") || slices.Contains(got, "keepalive") || !slices.Contains(got, "hello") {
		t.Errorf("one that does nothing takes part in %v, want hello, and neither io nor keepalive", got)
	}
}

func TestCheckLoopback(t *testing.T) {
	for _, tt := range []struct{ addr, want string }{
		{"127.0.0.1:80", ""},
		{"127.9.9.9:80", ""},
		{"[::1]:80", ""},
		{"[::ffff:127.0.0.1]:80", ""},
		{"localhost:80", ""},
		{"192.0.2.1:80", "192.0.2.1:80 is not on this machine's loopback (to load a server elsewhere, one of your own: --allow-remote)"},
		{"0.0.0.0:80", "0.0.0.0:80 is not on this machine's loopback (to load a server elsewhere, one of your own: --allow-remote)"},
		{"[2001:db8::1]:80", "[2001:db8::1]:80 is not on this machine's loopback (to load a server elsewhere, one of your own: --allow-remote)"},
		{"127.0.0.1", `address "127.0.0.1": want HOST:PORT`},
	} {
		got := ""
		if err := CheckLoopback(tt.addr); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.addr, got, tt.want)
		}
	}
}

package process

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"workbench/harness/load"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// What a probe asks for: long enough to be told from what an answer takes
// anyway, and each at two sizes, so that a server which is slow by itself, or
// has a page of just that length, isn't taken for one that does as it is told.
const (
	probeWait  = 50 * time.Millisecond // and half of it
	probeSpin  = 20 * time.Millisecond // and half of it
	probeBytes = 3000                  // and 5,000
	probeTries = 8                     // of what a busy machine may have delayed
)

// Probe looks what a server that is not ours does of the work that requests
// ask for. Where f has a request of its own, that one asks for no work, and
// nothing but its answer is looked at. An error is one in words: it doesn't
// answer, or not as expected.
func Probe(ctx context.Context, addr string, f Foreign) (result.Abilities, error) {
	p := newProber(ctx, addr, f)
	defer p.hangUp()
	a, err := p.abilities()
	return a, cmp.Or(ctx.Err(), err)
}

// PlainLength asks a server twice for no work and returns the length of its
// answers' bodies in bytes, -1 where they differ. A page may be another after a
// restart, a list of files for one, but must not change under a slice.
func PlainLength(ctx context.Context, addr string, f Foreign) (int64, error) {
	p := newProber(ctx, addr, f)
	defer p.hangUp()
	length := int64(-1)
	for i := range 2 {
		a, err := p.ask(scenario.Request{})
		switch {
		case err != nil:
			return -1, cmp.Or(ctx.Err(), p.unexpected(a, err))
		case i > 0 && a.Length != length:
			return -1, nil
		}
		length = a.Length
	}
	return length, nil
}

func newProber(ctx context.Context, addr string, f Foreign) prober {
	return prober{ctx: ctx, job: load.Job{
		Addr:     addr,
		Scenario: scenario.Scenario{Conversation: scenario.ConversationHTTP},
		Request:  f.Request,
		Expect:   load.Expect{Foreign: true, Status: f.Expect.Status},
	}}
}

// A prober asks one request after the other, on one connection as long as the
// server keeps it.
type prober struct {
	ctx   context.Context
	job   load.Job
	nc    net.Conn
	plain time.Duration // the least that an answer took without work
}

func (p *prober) abilities() (a result.Abilities, err error) {
	first, err := p.ask(scenario.Request{})
	if err != nil {
		return a, p.unexpected(first, err)
	}
	p.plain = first.Took
	a.Status, a.Length = first.Status, first.Length
	kept := p.nc != nil
	second, err := p.ask(scenario.Request{})
	if a.KeepAlive = kept && err == nil; kept && err != nil {
		second, err = p.ask(scenario.Request{}) // on a connection of its own
	}
	if err != nil {
		return a, p.unexpected(second, err)
	}
	p.plain = min(p.plain, second.Took)
	if second.Length != first.Length {
		a.Length = -1
	}
	if len(p.job.Request) > 0 {
		return a, nil
	}

	var waited, spun load.Answer
	a.Waits, waited = p.takes(probeWait, func(us int64) scenario.Request { return scenario.Request{WaitUs: us} })
	a.AskedUs, a.WaitedUs = probeWait.Microseconds(), waited.Took.Microseconds()
	a.Spins, spun = p.takes(probeSpin, func(us int64) scenario.Request { return scenario.Request{SpinUs: us} })
	a.Service = waited.Service >= 0 && spun.Service >= 0
	_, err = p.ask(scenario.Request{Bytes: probeBytes})
	_, err2 := p.ask(scenario.Request{Bytes: 5 * probeBytes / 3})
	a.Bytes = err == nil && err2 == nil
	return a, nil
}

// takes reports whether an answer takes as long as it is asked to, within a
// tenth: a long one, whose answer it returns, and half of that. What should
// take less may be delayed by the machine, and is tried again.
func (p *prober) takes(long time.Duration, of func(us int64) scenario.Request) (yes bool, answer load.Answer) {
	enough := func(d time.Duration) time.Duration { return d / 10 * 9 }
	answer, err := p.ask(of(long.Microseconds()))
	if err != nil || answer.Took < enough(long) {
		return false, answer
	}
	short := long / 2
	for try := 0; p.plain >= enough(short); try++ { // it takes as long without being asked
		if try == probeTries {
			return false, answer
		}
		if plain, err := p.ask(scenario.Request{}); err == nil {
			p.plain = min(p.plain, plain.Took)
		}
	}
	for range probeTries {
		a, err := p.ask(of(short.Microseconds()))
		if err != nil || a.Took < enough(short) {
			return false, answer
		}
		if a.Took < enough(long) {
			return true, answer
		}
	}
	return false, answer
}

// ask asks on the connection that there is, or a new one.
func (p *prober) ask(r scenario.Request) (load.Answer, error) {
	ctx, cancel := context.WithTimeout(p.ctx, answerLimit)
	defer cancel()
	if p.nc == nil {
		var d net.Dialer
		nc, err := d.DialContext(ctx, "tcp", p.job.Addr)
		if err != nil {
			return load.Answer{}, err
		}
		p.nc = nc
	}
	deadline, _ := ctx.Deadline()
	if err := p.nc.SetDeadline(deadline); err != nil {
		return load.Answer{}, err
	}
	defer context.AfterFunc(ctx, func() { _ = p.nc.Close() })()
	a, err := p.job.Ask(p.nc, r)
	if err != nil || a.Last {
		p.hangUp()
	}
	return a, err
}

func (p *prober) hangUp() {
	if p.nc != nil {
		_ = p.nc.Close()
		p.nc = nil
	}
}

// unexpected says what to do about an answer that the clients would take for
// a wrong one.
func (p *prober) unexpected(a load.Answer, err error) error {
	asked := "GET /"
	if len(p.job.Request) > 0 {
		asked = "the request of --request"
	}
	if want := cmp.Or(p.job.Expect.Status, 200); a.Status != 0 && a.Status != want {
		return fmt.Errorf("it answers %s with status %d, want %d (if that is right: --expect-status %d; else describe a request that it knows: --request FILE)",
			asked, a.Status, want, a.Status)
	}
	return fmt.Errorf("its answer to %s can't be used: %w", asked, err)
}

// Incomparable says in words why a server that is not ours can't be compared
// under a scenario, since it doesn't do what that asks for; "" if it can.
func Incomparable(s scenario.Scenario, a result.Abilities) string {
	works := !s.Wait.IsZero() || !s.Spin.IsZero() || s.Bytes > 0
	switch {
	case s.Conversation != scenario.ConversationHTTP:
		return fmt.Sprintf("conversation %q is for our own servers alone: others answer requests in HTTP", s.Conversation)
	case (s.RequestsPerConnection > 1 || s.Idle > 0) && !a.KeepAlive:
		return "closes the connection after each answer"
	case works && a.AskedUs == 0:
		return "the request of --request doesn't ask for the work of this scenario"
	case !s.Wait.IsZero() && !a.Waits && a.WaitedUs < a.AskedUs/10*9:
		return fmt.Sprintf("asked to wait %s, took %s", result.Micros(float64(a.AskedUs)), result.Micros(float64(a.WaitedUs)))
	case !s.Wait.IsZero() && !a.Waits:
		return fmt.Sprintf("takes %s, whether it is asked to wait %s, or less, or not at all", result.Micros(float64(a.WaitedUs)), result.Micros(float64(a.AskedUs)))
	case !s.Spin.IsZero() && !a.Spins:
		return "does not burn the CPU time that requests ask for"
	case s.Bytes > 0 && !a.Bytes && a.Length >= 0:
		return fmt.Sprintf("answers with %s bytes where %s are asked for", result.Thousands(a.Length), result.Thousands(s.Bytes))
	case s.Bytes > 0 && !a.Bytes:
		return fmt.Sprintf("its answers differ in length, where %s bytes are asked for", result.Thousands(s.Bytes))
	}
	return ""
}

// Comparable names the scenarios of the catalogue under which a server that is
// not ours can be compared.
func Comparable(a result.Abilities) (names []string) {
	for _, s := range scenario.Catalogue() {
		if Incomparable(s, a) == "" {
			names = append(names, s.Name)
		}
	}
	return names
}

// CheckLoopback reports an address (HOST:PORT) that is not on this machine's
// loopback: a load on somebody else's server is not to be had by a slip.
func CheckLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: want HOST:PORT", addr)
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(ips) == 0 {
		err = errors.New("no such host")
	}
	if err != nil {
		return fmt.Errorf("look up %q: %w", host, err)
	}
	for _, ip := range ips {
		if ip = ip.Unmap(); !ip.IsLoopback() {
			return fmt.Errorf("%s is not on this machine's loopback%s (to load a server elsewhere, one of your own: --allow-remote)", addr, resolved(host, ip))
		}
	}
	return nil
}

// resolved says what a name stands for.
func resolved(host string, ip netip.Addr) string {
	if host == ip.String() {
		return ""
	}
	return fmt.Sprintf(", its address is %v", ip)
}

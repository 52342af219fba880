package scenario

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"math/bits"
	"math/rand/v2"
)

// A Plan is all that the clients of a scenario will ask for, fixed by a seed.
type Plan struct {
	scenario Scenario
	seed     uint64
}

// NewPlan returns the plan of s under seed. It doesn't validate s.
func NewPlan(s Scenario, seed uint64) Plan { return Plan{s, seed} }

// A Request is what one request asks for, and how long its client thinks
// afterwards if the request was its connection's last.
type Request struct {
	WaitUs  int64 // the server blocks, µs
	SpinUs  int64 // the server burns CPU, µs
	ThinkUs int64 // the client thinks, µs
	Bytes   int64 // size of the response's body; 0: the server's default
}

// A Stream is the endless sequence of one client's requests. It is not to be
// used by several goroutines at once.
type Stream struct {
	scenario Scenario
	random   rand.PCG
}

// Stream returns the requests of one client, or of one arrival, all numbered
// from 0, in one round of one block, from their beginning. The same three
// numbers give the same requests, and any others unrelated ones.
func (p Plan) Stream(block, round, client int) *Stream {
	s := &Stream{}
	p.StreamInto(s, block, round, client)
	return s
}

// StreamInto makes s what [Plan.Stream] returns, without an allocation.
func (p Plan) StreamInto(s *Stream, block, round, client int) {
	s.scenario = p.scenario
	p.seedFor(&s.random, block, round, client)
}

func (p Plan) seedFor(r *rand.PCG, numbers ...int) {
	h := mix(p.seed)
	for _, n := range numbers {
		h = mix(h ^ uint64(int64(n)))
	}
	r.Seed(h, mix(h))
}

// mix is one step of SplitMix64 (Steele, Lea, Flood: Fast Splittable
// Pseudorandom Number Generators, OOPSLA 2014): neighbouring numbers come out
// unrelated, and no two come out the same.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Next returns the stream's next request. It doesn't allocate.
//
// Every request takes three numbers from the generator, whether it needs them
// or not: two scenarios that differ in their spin alone ask for the same
// waits, which makes them comparable pair by pair.
func (s *Stream) Next() Request {
	wait, spin, think := s.random.Uint64(), s.random.Uint64(), s.random.Uint64()
	return Request{
		WaitUs:  s.scenario.Wait.draw(wait, MaxWait.Microseconds()),
		SpinUs:  s.scenario.Spin.draw(spin, MaxSpin.Microseconds()),
		ThinkUs: s.scenario.Think.draw(think, MaxThink.Microseconds()),
		Bytes:   s.scenario.Bytes,
	}
}

// draw maps 64 random bits to a value of d in microseconds.
func (d Dist) draw(random uint64, most int64) int64 {
	switch d.kind {
	case exponential:
		// 53 bits make u, one of 2⁵³ evenly spaced numbers in (0, 1]; −ln u is
		// exponential with mean 1, and at most 36.74. At least a microsecond is
		// asked for, so that every request of such a scenario carries work.
		u := float64(random>>11+1) / (1 << 53)
		return min(max(int64(float64(float64(d.a)*-ln(u))+0.5), 1), most)
	case twoPoints:
		millionth, _ := bits.Mul64(random, 1e6) // random/2⁶⁴ × 10⁶, rounded down
		if millionth >= uint64(d.ppm) {
			return d.b
		}
	}
	return d.a
}

// ln is the natural logarithm of x, for normal x > 0, to within 10⁻¹⁵ of its
// value, and to the bit the same on every platform.
//
// math.Log isn't: it is assembly on some processors, and where it is Go a
// compiler may fuse a product and a sum into one rounding. An explicit
// conversion forbids that (Go specification, "Floating-point operators"), so
// each product here is wrapped in one. The algorithm and its coefficients are
// those of FreeBSD's e_log.c (Sun Microsystems, 1993): x = 2ᵏ(1+f) with
// √½ ≤ 1+f < √2, and ln(1+f) = 2s + s·R(s²) with s = f/(2+f).
func ln(x float64) float64 {
	const (
		ln2Hi = 6.93147180369123816490e-01
		ln2Lo = 1.90821492927058770002e-10
		l1    = 6.666666666666735130e-01
		l2    = 3.999999999940941908e-01
		l3    = 2.857142874366239149e-01
		l4    = 2.222219843214978396e-01
		l5    = 1.818357216161805012e-01
		l6    = 1.531383769920937332e-01
		l7    = 1.479819860511658591e-01
	)
	b := math.Float64bits(x)
	exponent := int(b>>52) - 1023
	fraction := math.Float64frombits(b&(1<<52-1) | 1023<<52) // in [1, 2)
	if fraction >= math.Sqrt2 {
		fraction /= 2
		exponent++
	}
	f, k := fraction-1, float64(exponent)

	s := f / (2 + f)
	s2 := float64(s * s)
	s4 := float64(s2 * s2)
	t1 := float64(s2 * (l1 + float64(s4*(l3+float64(s4*(l5+float64(s4*l7)))))))
	t2 := float64(s4 * (l2 + float64(s4*(l4+float64(s4*l6)))))
	r := t1 + t2
	half := float64(float64(0.5*f) * f)
	return float64(k*ln2Hi) - ((half - (float64(s*(half+r)) + float64(k*ln2Lo))) - f)
}

// digestPrefix is how many requests of each client the digest is taken over.
const digestPrefix = 16

// Digest names the plan: "sha256:" and 64 hexadecimal digits. Plans with the
// same digest ask for the same, whatever the scenario is called. It is the
// SHA-256 of
//
//	"workbench/plan/v1", loop, conversation,
//	clients, requests per connection,
//	of think, wait and spin each: kind (0 constant, 1 exponential, 2 two points),
//	    first and second value in µs, share of the first in millionths,
//	bytes, seed, 16,
//	and of each client in turn the first 16 requests of block 0, round 0:
//	    wait, spin and think in µs, bytes
//
// where a string is its length and its bytes, and every number is 64 bits,
// big-endian, two's complement.
func (p Plan) Digest() string {
	d := digester{Hash: sha256.New()}
	s := p.scenario
	d.string("workbench/plan/v1")
	d.string(s.Loop)
	d.string(s.Conversation)
	d.integers(int64(s.Clients), int64(s.RequestsPerConnection))
	for _, dist := range []Dist{s.Think, s.Wait, s.Spin} {
		d.integers(int64(dist.kind), dist.a, dist.b, dist.ppm)
	}
	d.integers(s.Bytes, int64(p.seed), digestPrefix)
	for client := range s.Clients {
		stream := p.Stream(0, 0, client)
		for range digestPrefix {
			r := stream.Next()
			d.integers(r.WaitUs, r.SpinUs, r.ThinkUs, r.Bytes)
		}
	}
	return "sha256:" + hex.EncodeToString(d.Sum(nil))
}

type digester struct {
	hash.Hash
	b []byte
}

func (d *digester) string(s string) {
	d.integers(int64(len(s)))
	d.Write([]byte(s))
}

func (d *digester) integers(ns ...int64) {
	d.b = d.b[:0]
	for _, n := range ns {
		d.b = binary.BigEndian.AppendUint64(d.b, uint64(n))
	}
	d.Write(d.b)
}

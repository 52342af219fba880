package scenario

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math/rand/v2"
	"time"
)

// A Plan is all that the clients of a scenario will ask for, fixed by a seed.
type Plan struct {
	scenario Scenario
	seed     uint64
}

// NewPlan returns the plan of s under seed. It doesn't validate s.
func NewPlan(s Scenario, seed uint64) Plan { return Plan{s, seed} }

// A Request is what one request asks for, and how long its client thinks
// afterwards: in a closed loop if the request was its connection's last, in a
// partly open one if it wasn't.
type Request struct {
	WaitUs  int64 // the server blocks, µs
	SpinUs  int64 // the server burns CPU, µs
	ThinkUs int64 // the client thinks, µs
	Bytes   int64 // size of the response's body; 0: the server's default
}

// A Stream is the endless sequence of one client's, or one arrival's,
// requests. It is not to be used by several goroutines at once.
type Stream struct {
	wait, spin, think Dist
	bytes             int64
	random            rand.PCG
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
	s.wait, s.spin, s.think, s.bytes = p.scenario.Wait, p.scenario.Spin, p.scenario.Think, p.scenario.Bytes
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
		WaitUs:  s.wait.draw(wait, MaxWait.Microseconds()),
		SpinUs:  s.spin.draw(spin, MaxSpin.Microseconds()),
		ThinkUs: s.think.draw(think, MaxThink.Microseconds()),
		Bytes:   s.bytes,
	}
}

// The digest is taken over so many requests of each client, or, where requests
// arrive, over so many arrivals and so many requests of each.
const (
	digestRequests = 16
	digestArrivals = 64
)

// Digest names the plan: "sha256:" and 64 hexadecimal digits. Plans with the
// same digest ask for the same, whatever the scenario is called. It is the
// SHA-256 of
//
//	"workbench/plan/v2", loop, conversation,
//	clients, requests per connection,
//	rate in thousandths of an arrival/s, 1 if it is of capacity (else 0), arrivals,
//	number of phases of the cycle, and of each: length in µs, thousandths of the rate,
//	of think, wait and spin each: kind (0 constant, 1 exponential, 2 two points,
//	    3 lognormal), first and second value in µs (lognormal: mean in µs,
//	    thousandths of the squared coefficient of variation), share of the first
//	    in millionths,
//	bytes, idle connections,
//	slow share in millionths, time in µs over which they dribble,
//	how long a client waits for an answer in µs (10,000,000 where nothing is said),
//	seed, 16,
//	and in a closed loop of each client in turn, else of each of the first 64
//	arrivals of block 0, round 0: when it is due in µs (not in a closed loop),
//	and the first 16 requests of block 0, round 0: wait, spin and think in µs, bytes
//
// where a string is its length and its bytes, and every number is 64 bits,
// big-endian, two's complement. A scenario that isn't resolved has a digest
// too, but no plan: its rate is 0.
func (p Plan) Digest() string {
	d := digester{Hash: sha256.New()}
	s := p.scenario
	d.string("workbench/plan/v2")
	d.string(s.Loop)
	d.string(s.Conversation)
	d.integers(int64(s.Clients), int64(s.RequestsPerConnection))
	ofCapacity := int64(0)
	if s.OfCapacity {
		ofCapacity = 1
	}
	d.integers(s.rateThousandths(), ofCapacity)
	d.string(s.Arrivals)
	d.integers(int64(s.Cycle.n))
	for _, phase := range s.Cycle.Phases() {
		d.integers(int64(phase.For), phase.Thousandths)
	}
	for _, dist := range []Dist{s.Think, s.Wait, s.Spin} {
		d.integers(int64(dist.kind), dist.a, dist.b, dist.ppm)
	}
	d.integers(s.Bytes, int64(s.Idle), s.Slow.ppm, int64(s.Slow.over), s.Patience().Microseconds())
	d.integers(int64(p.seed), digestRequests)

	streams, arrivals := s.Clients, p.Arrivals(0, 0)
	if s.Loop != LoopClosed {
		streams = digestArrivals
	}
	var stream Stream
	for n := range streams {
		if s.Loop != LoopClosed {
			d.integers(int64(arrivals.Next() / time.Microsecond))
		}
		p.StreamInto(&stream, 0, 0, n)
		for range digestRequests {
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

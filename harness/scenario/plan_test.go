package scenario

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// load is a scenario that draws from every kind of distribution.
var load = Scenario{
	Name: Custom, Loop: LoopClosed, Conversation: ConversationHTTP, Clients: 3, RequestsPerConnection: 5,
	Think: mustParseDist("two:90%*1ms,10%*1s"), Wait: Exponential(10 * time.Millisecond), Spin: Constant(200 * time.Microsecond), Bytes: 4096,
}

func draws(s *Stream, n int) []Request {
	rs := make([]Request, n)
	for i := range rs {
		rs[i] = s.Next()
	}
	return rs
}

// The golden values were written once and hold for ever: a plan that changed
// would make results that were published incomparable under the same digest.
// Run this under GOARCH=386 and arm64 too.
func TestPlanIsTheSameEverywhere(t *testing.T) {
	p := NewPlan(load, 1)
	want := []Request{
		{50222, 200, 1000000, 4096},
		{4574, 200, 1000, 4096},
		{20292, 200, 1000000, 4096},
		{3004, 200, 1000, 4096},
		{1589, 200, 1000, 4096},
		{17649, 200, 1000, 4096},
	}
	if got := draws(p.Stream(0, 0, 0), len(want)); !slices.Equal(got, want) {
		t.Errorf("the first requests are\n%v, want\n%v", got, want)
	}
	if got, want := p.Digest(), "sha256:acbf0cc8c05fe7f86c6821e084dc195d68ce545a1b0d7678311da882bc541fb3"; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
	io, _ := Named("io")
	if got, want := NewPlan(io, 42).Digest(), "sha256:f1568d2e0c407f8c28419137a971644567e1b1d71ad793e181211c843cc9cbde"; got != want {
		t.Errorf("digest of io under seed 42 is %s, want %s", got, want)
	}
	// A million draws, folded into one number: the last bit of one logarithm
	// that rounds another way changes it.
	random, fold := rand.NewPCG(1, 2), uint64(0)
	for range 1_000_000 {
		fold = mix(fold ^ math.Float64bits(ln(float64(random.Uint64()>>11+1)/(1<<53))))
	}
	if want := uint64(0xdebdba22f834660e); fold != want {
		t.Errorf("a million logarithms fold to %#x, want %#x", fold, want)
	}
}

func TestStreams(t *testing.T) {
	const n = 100
	p := NewPlan(load, 7)
	first := draws(p.Stream(1, 2, 3), n)
	if !slices.Equal(first, draws(p.Stream(1, 2, 3), n)) {
		t.Error("the same client in the same round asked for something else")
	}
	if !slices.Equal(first, draws(NewPlan(load, 7).Stream(1, 2, 3), n)) {
		t.Error("the same plan made again asked for something else")
	}
	for _, row := range []struct {
		is     string
		stream *Stream
	}{
		{"another seed", NewPlan(load, 8).Stream(1, 2, 3)},
		{"another block", p.Stream(2, 2, 3)},
		{"another round", p.Stream(1, 1, 3)},
		{"another client", p.Stream(1, 2, 4)},
		{"the same numbers in another order", p.Stream(3, 2, 1)},
		{"block and round swapped", p.Stream(2, 1, 3)},
	} {
		if slices.Equal(first, draws(row.stream, n)) {
			t.Errorf("%s gave the same stream", row.is)
		}
	}
}

// Scenarios that differ in one kind of work ask for the same of the others.
func TestAnotherSpinLeavesTheWaitsAlone(t *testing.T) {
	other := load
	other.Spin = Exponential(time.Millisecond)
	a, b := NewPlan(load, 1).Stream(0, 0, 0), NewPlan(other, 1).Stream(0, 0, 0)
	for i := range 100 {
		x, y := a.Next(), b.Next()
		if x.WaitUs != y.WaitUs || x.ThinkUs != y.ThinkUs {
			t.Fatalf("request %d: %+v and %+v", i, x, y)
		}
	}
}

func TestDigestKnowsEveryField(t *testing.T) {
	digests := map[string]string{NewPlan(load, 1).Digest(): "the plan itself", NewPlan(load, 2).Digest(): "the seed"}
	if len(digests) != 2 {
		t.Error("the seed doesn't change the digest")
	}
	for _, row := range []struct {
		field  string
		change func(*Scenario)
	}{
		{"loop", func(s *Scenario) { s.Loop = "open" }},
		{"conversation", func(s *Scenario) { s.Conversation = ConversationOnce }},
		{"clients", func(s *Scenario) { s.Clients++ }},
		{"requests per connection", func(s *Scenario) { s.RequestsPerConnection++ }},
		{"think", func(s *Scenario) { s.Think = Dist{} }},
		{"think, in what is not drawn in the prefix", func(s *Scenario) { s.Think = mustParseDist("two:90.0001%*1ms,9.9999%*1s") }},
		{"wait", func(s *Scenario) { s.Wait = Exponential(11 * time.Millisecond) }},
		{"wait and spin swapped", func(s *Scenario) { s.Wait, s.Spin = s.Spin, s.Wait }},
		{"spin", func(s *Scenario) { s.Spin = Constant(201 * time.Microsecond) }},
		{"spin, another kind of the same mean", func(s *Scenario) { s.Spin = Exponential(200 * time.Microsecond) }},
		{"bytes", func(s *Scenario) { s.Bytes = 0 }},
	} {
		s := load
		row.change(&s)
		digest := NewPlan(s, 1).Digest()
		if same, found := digests[digest]; found {
			t.Errorf("%s: the same digest as %s", row.field, same)
		}
		digests[digest] = row.field
		if len(digest) != len("sha256:")+64 || !strings.HasPrefix(digest, "sha256:") {
			t.Errorf("digest %q", digest)
		}
	}
	renamed := load
	renamed.Name, renamed.Claim = "mine", "so it says"
	if NewPlan(renamed, 1).Digest() != NewPlan(load, 1).Digest() {
		t.Error("the same load under another name has another digest")
	}
}

// Means within five standard errors, s/√n: a right generator misses that once
// in 1.7 million seeds, and this one is fixed.
func TestDrawsHaveTheirMean(t *testing.T) {
	const n = 200_000
	for _, row := range []struct {
		dist      Dist
		deviation float64 // standard deviation, µs; of an exponential its mean, of two points (b−a)√(p(1−p))
	}{
		{Constant(200 * time.Microsecond), 0},
		{Exponential(10 * time.Millisecond), 10_000},
		{Exponential(200 * time.Microsecond), 200},
		{mustParseDist("two:99%*2ms,1%*100ms"), 98_000 * math.Sqrt(.99*.01)},
		{mustParseDist("two:50%*0,50%*1s"), 1e6 / 2},
	} {
		stream, sum := NewPlan(Scenario{Wait: row.dist}, 3).Stream(0, 0, 0), 0.0
		for range n {
			sum += float64(stream.Next().WaitUs)
		}
		mean, want := sum/n, float64(row.dist.Mean().Microseconds())
		if tolerance := 5 * row.deviation / math.Sqrt(n); math.Abs(mean-want) > tolerance {
			t.Errorf("%s: mean %.1f µs, want %.1f ± %.1f", row.dist, mean, want, tolerance)
		}
	}
}

// Kolmogorov and Smirnov: the largest distance between the empirical and the
// true distribution function exceeds 1.95/√n in one of a thousand samples.
// The mean is a minute in steps of a microsecond, so that whole numbers are
// as good as real ones; it is drawn past the bounds of a scenario, uncut.
func TestExponentialDrawsAreExponential(t *testing.T) {
	const n = 50_000
	dist := Exponential(time.Minute)
	var random rand.PCG
	random.Seed(1, 2)
	xs := make([]float64, n)
	for i := range xs {
		xs[i] = float64(dist.draw(random.Uint64(), math.MaxInt64)) / float64(dist.Mean().Microseconds())
	}
	slices.Sort(xs)
	distance := 0.0
	for i, x := range xs {
		f := -math.Expm1(-x)
		distance = max(distance, f-float64(i)/n, float64(i+1)/n-f)
	}
	if critical := 1.95 / math.Sqrt(n); distance > critical {
		t.Errorf("distance %.5f, want at most %.5f", distance, critical)
	}
}

func TestDrawsKeepToTheBounds(t *testing.T) {
	s := Scenario{Wait: Exponential(MaxWait), Spin: Exponential(MaxSpin), Think: Exponential(MaxThink)}
	stream, atBound := NewPlan(s, 1).Stream(0, 0, 0), 0
	for range 1000 {
		r := stream.Next()
		if r.WaitUs < 1 || r.WaitUs > MaxWait.Microseconds() || r.SpinUs > MaxSpin.Microseconds() || r.ThinkUs > MaxThink.Microseconds() {
			t.Fatalf("%+v is out of bounds", r)
		}
		if r.WaitUs == MaxWait.Microseconds() {
			atBound++
		}
	}
	if atBound == 0 { // e⁻¹ of them should be
		t.Error("no draw was cut to the bound")
	}
	tiny := NewPlan(Scenario{Wait: Exponential(time.Microsecond)}, 1).Stream(0, 0, 0)
	for range 1000 {
		if tiny.Next().WaitUs < 1 {
			t.Fatal("a request of an exponential scenario carries no work")
		}
	}
}

func TestLn(t *testing.T) {
	random := rand.NewPCG(1, 2)
	check := func(x float64) {
		if got, want := ln(x), math.Log(x); math.Abs(got-want) > 1e-14*math.Abs(want) {
			t.Errorf("ln(%v) = %v, want %v", x, got, want)
		}
	}
	for _, x := range []float64{1, 0x1p-53, 0.5, math.Sqrt2 / 2, math.Sqrt2, math.Nextafter(1, 0), math.Nextafter(1, 2), math.Nextafter(math.Sqrt2, 0), 2, math.E, 10, math.MaxFloat64} {
		check(x)
	}
	for range 100_000 {
		check(float64(random.Uint64()>>11+1) / (1 << 53))
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	stream := NewPlan(load, 1).Stream(0, 0, 0)
	if n := testing.AllocsPerRun(1000, func() { stream.Next() }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}

func ExamplePlan() {
	io, err := Named("io")
	if err != nil {
		panic(err)
	}
	stream := NewPlan(io, 42).Stream(0, 0, 0)
	for range 3 {
		fmt.Println(stream.Next().WaitUs, "µs")
	}
	// Output:
	// 8625 µs
	// 1387 µs
	// 13132 µs
}

package load

import (
	"bufio"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"workbench/harness/scenario"
)

// The known answers of queueing theory (facts.md, "Queueing"), in numbers of
// mean service times.

// erlangC is the chance that an arrival finds all c servers busy, in M/M/c
// under a load of a = λS (Erlang B by its recursion, then C = B/(1−ρ(1−B))).
func erlangC(c int, a float64) float64 {
	b := 1.0
	for k := 1; k <= c; k++ {
		b = a * b / (float64(k) + a*b)
	}
	return b / (1 - a/float64(c)*(1-b))
}

// mmc is the mean response time of M/M/c: S + C/(c/S − λ). Where more is asked
// for than c servers can do, there is no end to it.
func mmc(c int, lambda, s float64) float64 {
	if lambda*s >= float64(c) {
		return math.Inf(1)
	}
	return s + erlangC(c, lambda*s)/(float64(c)/s-lambda)
}

// md1 is the mean response time of M/D/1: S + ρS/(2(1−ρ)) (Pollaczek–Khinchine).
func md1(lambda, s float64) float64 {
	rho := lambda * s
	if rho >= 1 {
		return math.Inf(1)
	}
	return s + rho*s/(2*(1-rho))
}

// repairman is the mean response time of n clients that think for z and are
// served by c servers for s, exponentially all of it: the birth-death chain of
// the number in the system, and R = N/X − Z.
func repairman(n, c int, z, s float64) float64 {
	p, sum, served := 1.0, 0.0, 0.0
	for k := 0; k <= n; k++ {
		sum += p
		served += p * float64(min(k, c)) / s
		p *= float64(n-k) / z / (float64(min(k+1, c)) / s)
	}
	return float64(n)/(served/sum) - z
}

// The formulas give the figures that facts.md says were checked by simulation.
func TestKnownAnswersOfQueueing(t *testing.T) {
	for _, row := range []struct {
		is             string
		got, want, off float64
	}{
		{"M/M/4, λ = 320/s, S = 10 ms: the chance of waiting", erlangC(4, 3.2), 0.596432, 1e-6},
		{"M/M/4, λ = 320/s, S = 10 ms: response, ms", mmc(4, 0.320, 10), 17.4554, 1e-4},
		{"M/D/1, λ = 70/s, S = 10 ms: response, ms", md1(0.070, 10), 21.6667, 1e-4},
		{"10 clients that think 90 ms, one server of 10 ms: response, ms", repairman(10, 1, 90, 10), 30.1870, 1e-4},
		{"32 clients that think 40 ms, 4 servers of 10 ms: response, ms", repairman(32, 4, 40, 10), 40.0458, 1e-4},
	} {
		if math.Abs(row.got-row.want) > row.off {
			t.Errorf("%s: %v, want %v", row.is, row.got, row.want)
		}
	}
}

// queueServer serves connections in the order in which they came, by so
// many workers of which each holds one connection at a time: it reads the
// request, waits for as long as it was asked to, and answers.
//
// A service ends where its length is written down, just before the answer is
// sent. The next one of the same worker begins there too, if somebody waits:
// so no time of a busy worker is left out of the service times, neither the
// sending, nor the close, nor Go's scheduler.
func queueServer(t *testing.T, workers int) (addr string, shut func()) {
	type queued struct {
		conn net.Conn
		at   time.Time
		done chan struct{}
	}
	queue := make(chan queued, scenario.MaxClients)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			var end time.Time
			for c := range queue {
				begin := c.at
				if end.After(begin) {
					begin = end
				}
				if q, err := readRequest(bufio.NewReader(c.conn)); err == nil {
					time.Sleep(q.wait)
					end = time.Now()
					q.wait = end.Sub(begin)
					c.conn.Write(q.answer())
				}
				close(c.done)
			}
		})
	}
	addr, hangUp := listen(t, func(c *net.TCPConn) {
		done := make(chan struct{})
		queue <- queued{c, time.Now(), done}
		<-done
	})
	shut = sync.OnceFunc(func() {
		hangUp()
		close(queue)
		all.Wait()
	})
	t.Cleanup(shut)
	return addr, shut
}

// A queue is one of the rows: its load, its theory and what can be simulated
// of it. Times are in ms.
type queue struct {
	is      string
	load    scenario.Scenario
	workers int
	// theory is the mean response time, of a service time S and the think time
	// Z (closed) or the arrivals per ms (open), as they were measured.
	theory func(s, zOrLambda float64) float64
}

const (
	queueSettle = 150 * ms
	queueCount  = 950 * ms
)

func thinking(n int, wait, think string) scenario.Scenario { return closed(n, 1, wait, think) }

// queues are the rows of facts.md. The open ones ask for waits of 9 ms, which
// come out at 10 or more: another millisecond, and the queue would never end.
func queues() []queue {
	const poisson = scenario.ArrivalsPoisson
	return []queue{
		{"closed: 10 clients, one server", thinking(10, "exp:5ms", "exp:45ms"), 1, func(s, z float64) float64 { return repairman(10, 1, z, s) }},
		{"closed: 32 clients, 4 servers", thinking(32, "exp:10ms", "exp:40ms"), 4, func(s, z float64) float64 { return repairman(32, 4, z, s) }},
		{"open: M/M/4", open(320, poisson, "exp:9ms"), 4, func(s, l float64) float64 { return mmc(4, l, s) }},
		{"open: M/D/1", open(70, poisson, "9ms"), 1, func(s, l float64) float64 { return md1(l, s) }},
	}
}

// A measure is what a slice says of a queue: the means of what it recorded.
type measure struct {
	response, service float64 // ms
	zOrLambda         float64 // closed: mean think time, ms; open: arrivals/ms
	n                 int
}

// ratio is the response time over what theory makes of the rest.
func (m measure) ratio(q queue) float64 { return m.response / q.theory(m.service, m.zOrLambda) }

// simulate is one slice of q, begun empty as ours are, with service and think
// times of the given means. It is a FIFO queue for q.workers, event by event:
// whoever comes is served when a worker is free and all before him are.
func (q queue) simulate(r *rand.Rand, s, z float64) (m measure) {
	const settle, count = float64(queueSettle) / float64(ms), float64(queueCount) / float64(ms)
	draw := func(mean float64) float64 { return mean * r.ExpFloat64() }
	service := func() float64 { return draw(s) }
	if q.load.Wait == scenario.Constant(q.load.Wait.Mean()) {
		service = func() float64 { return s }
	}
	free := make([]float64, q.workers) // when each worker is
	serve := func(at float64) (took, end float64) {
		w := 0
		for i := range free {
			if free[i] < free[w] {
				w = i
			}
		}
		took = service()
		free[w] = max(free[w], at) + took
		return took, free[w]
	}
	var response, served float64
	if q.load.Loop == scenario.LoopClosed {
		next := make([]float64, q.load.Clients) // when each client asks
		thought := 0.0
		for {
			c := 0
			for i := range next {
				if next[i] < next[c] {
					c = i
				}
			}
			at := next[c]
			if at > settle+count {
				break
			}
			took, end := serve(at)
			if settle < end && end <= settle+count {
				response += end - at
				served += took
				m.n++
			}
			next[c] = end + draw(z)
			thought += max(0, min(next[c], settle+count)-max(end, settle))
		}
		m.zOrLambda = thought / float64(m.n)
	} else {
		lambda := q.load.Rate / 1000
		for at := draw(1 / lambda); at < settle+count; at += draw(1 / lambda) {
			took, end := serve(at)
			if at >= settle {
				response += end - at
				served += took
				m.n++
			}
		}
		m.zOrLambda = lambda
	}
	m.response, m.service = response/float64(m.n), served/float64(m.n)
	return m
}

// Clients in front of a queue whose answers are known see what theory says
// they will, given the service times that they really got.
//
// What a slice of some hundred requests says of a mean is a noisy figure, and
// one that is skew and correlated from request to request. So the tolerance is
// simulated: of 2,000 slices of the same queue, as long as ours and begun as
// empty, each is put through the same formula with its own mean service time
// (and think time, by Little's law). Ours has to lie between the smallest and
// the largest of these ratios, where another slice of the same queue would
// with a chance of 1,999/2,001, or 99.9 %.
//
// Our clients also pay for what isn't in the model: the way to the worker and
// back, through the kernel and Go's scheduler. That is measured where nobody
// waits for a worker, as the response less the service time of a client on its
// own, and taken off; in a closed loop it is time in which the client doesn't
// ask, and so counts as thinking.
//
// One slice in a thousand is outside by chance, and on a machine that makes
// "9 ms" take more than 12 an open queue never ends. So up to three slices are
// played, of another seed each: an instrument that is off is so in all of them.
func TestClientsInFrontOfAQueueSeeWhatTheorySays(t *testing.T) {
	for _, q := range queues() {
		t.Run(q.is, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, e Engine) {
				const tries = 3
				for seed := uint64(1); ; seed++ {
					wrong := q.tried(t, e, seed)
					if wrong == "" {
						return
					}
					t.Logf("seed %d: %s", seed, wrong)
					if seed == tries {
						t.Fatalf("%d of %d slices are not what theory says, the last: %s", tries, tries, wrong)
					}
				}
			})
		})
	}
}

// tried plays a slice and says in what it isn't as theory has it, "" if it is.
func (q queue) tried(t *testing.T, e Engine, seed uint64) (wrong string) {
	t.Helper()
	addr, shut := queueServer(t, q.workers)
	alone := play(t, e, Job{Addr: addr, Scenario: closed(1, 1, "5ms", ""), Seed: 1, Count: 100 * ms})
	way := alone.Waited.Mean()
	l := play(t, e, Job{Addr: addr, Scenario: q.load, Seed: seed, Settle: queueSettle, Count: queueCount})
	shut()
	if l.Errors.Total() != 0 || l.Latency.Count() == 0 {
		t.Fatalf("errors %+v (%s)", l.Errors, l.FirstError)
	}
	n := float64(l.Latency.Count())
	m := measure{
		response: float64(l.Latency.Mean()-way) / float64(ms), service: float64(l.Service.Mean()) / float64(ms),
		zOrLambda: q.load.Rate / 1000, n: int(n),
	}
	if q.load.Loop == scenario.LoopClosed {
		m.zOrLambda = (float64(l.Clients)*l.WindowUs-l.RecordedUs)/1000/n + float64(way)/float64(ms)
	}
	if q.load.Loop == scenario.LoopOpen && m.zOrLambda*m.service > 0.97*float64(q.workers) {
		return fmt.Sprintf("services of %.2f ms were asked for and took %.2f ms, so that the queue hardly ever ends",
			float64(q.load.Wait.Mean())/float64(ms), m.service)
	}
	random := rand.New(rand.NewPCG(1, 2))
	ratios := make([]float64, 2000)
	for i := range ratios {
		ratios[i] = q.simulate(random, m.service, m.zOrLambda).ratio(q)
	}
	low, high := slices.Min(ratios), slices.Max(ratios)
	got := m.ratio(q)
	t.Logf("%d requests, S %.2f ms, way %v: response %.2f ms, theory %.2f, ratio %.3f, simulated %.3f to %.3f",
		m.n, m.service, way.Round(time.Microsecond), m.response, q.theory(m.service, m.zOrLambda), got, low, high)
	if !(low <= got && got <= high) {
		return fmt.Sprintf("the response time is %.2f ms and by theory %.2f, %.3f times as long; want %.3f to %.3f",
			m.response, q.theory(m.service, m.zOrLambda), got, low, high)
	}
	return ""
}

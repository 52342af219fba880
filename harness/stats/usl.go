package stats

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// A USL is the universal scalability law: throughput over the number N of
// clients,
//
//	           γN
//	─────────────────────────
//	1 + σ(N−1) + κN(N−1)
//
// It describes a curve and is no proof of what bends it: a limit of 16 workers
// looks like contention to it, and a client that saturates does too.
//
// Source: N. J. Gunther, Guerrilla Capacity Planning, Springer 2007, ch. 4–6.
// There γ is what was measured at N = 1, a single point that all others then
// hang from; here it is fitted, as in S. Möding's R package usl.
type USL struct {
	Gamma float64 // throughput of one client alone, above 0
	Sigma float64 // contention, 0 … 1: the share of the work that one does at a time
	Kappa float64 // coherency, 0 or more: what each client costs each other
}

// At is the throughput with n clients.
func (u USL) At(n float64) float64 {
	return u.Gamma * n / (1 + u.Sigma*(n-1) + u.Kappa*n*(n-1))
}

// Peak is the number of clients N* = √((1−σ)/κ) from which on more of them get
// less done; at least 1, since the law is not about fewer. Without κ there is
// none (false): throughput never falls, however slowly it rises.
func (u USL) Peak() (n float64, ok bool) {
	if !(u.Kappa > 0) {
		return 0, false
	}
	return max(1, math.Sqrt((1-u.Sigma)/u.Kappa)), true
}

// MinUSLClients is the least number of different N that a fit of the law is
// made of. Any three would determine it; with fewer than six the curve goes
// where the noise does.
const MinUSLClients = 6

// FitUSL fits the law to throughputs x measured with so many clients each, in
// any order: the least squares of ln x − ln USL, since a server's noise is a
// share of its throughput, and a fit to x itself would hardly look at few
// clients. It holds γ > 0, 0 ≤ σ ≤ 1, for it is a share, and κ ≥ 0, for below
// there is an N at which throughput is infinite; so a server that gains more
// than in proportion is fitted with σ = 0. It refuses fewer than six different
// N, and throughput that falls faster than the law can, as 1/N.
//
// It needs no general optimiser, and so neither a first guess nor luck:
//
//	N/x = (1−σ)/γ · 1  +  σ/γ · N  +  κ/γ · N(N−1)
//
// is linear in three parts of which none is negative, and the least squares of
// logarithms are a few steps of weighted linear ones.
func FitUSL(clients []int, x []float64) (USL, error) {
	if len(clients) != len(x) {
		return USL{}, fmt.Errorf("fit the scalability law: %d numbers of clients, but %d throughputs", len(clients), len(x))
	}
	different := make(map[int]bool)
	for i, n := range clients {
		if n < 1 {
			return USL{}, fmt.Errorf("fit the scalability law: %d clients; it is about 1 and more", n)
		}
		if !(x[i] > 0) || math.IsInf(x[i], 1) {
			return USL{}, fmt.Errorf("fit the scalability law: throughput with %d clients is %v; the law is about throughputs above 0", n, x[i])
		}
		different[n] = true
	}
	if len(different) < MinUSLClients {
		return USL{}, fmt.Errorf("fit the scalability law: %d different numbers of clients; at least %d are needed", len(different), MinUSLClients)
	}
	return fitUSL(clients, x)
}

// Of a fit: it ends when no throughput moves by more than a share of
// uslSettled, which takes some five steps, or after uslSteps.
const (
	uslSettled = 1e-10
	uslSteps   = 100
)

var errUSLTooSteep = errors.New("fit the scalability law: throughput falls faster with clients than it can describe (as 1/N); fit fewer clients")

// fitUSL goes by Gauss and Newton: with y = N/x and a fit ŷ, that of the next
// step ŷ' is the one for which 1 + ln(y/ŷ) − ŷ'/ŷ, all but ln(y/ŷ'), has the
// least squares. The first ŷ is y itself.
func fitUSL(clients []int, x []float64) (USL, error) {
	parts := make([][3]float64, len(x)) // that N/x is a sum of, times coefficients
	y := make([]float64, len(x))
	for i, k := range clients {
		n := float64(k)
		parts[i] = [3]float64{1, n, n * (n - 1)}
		y[i] = n / x[i]
	}
	var now [3]float64
	least := math.Inf(1)
	fit, gaps := slices.Clone(y), make([]float64, len(y)) // gaps are ln(y/fit)
	nextFit, nextGaps := make([]float64, len(y)), make([]float64, len(y))
	squares := func(c [3]float64) (sum float64) {
		for i, p := range parts {
			nextFit[i] = c[0]*p[0] + c[1]*p[1] + c[2]*p[2]
			nextGaps[i] = math.Log(y[i] / nextFit[i])
			sum += nextGaps[i] * nextGaps[i]
		}
		return sum
	}
	for range uslSteps {
		next := uslStep(parts, fit, gaps)
		left := squares(next)
		// A step that leads too far is halved: all between two fits without
		// negative parts has none.
		for range 40 {
			if left <= least {
				break
			}
			for j := range next {
				next[j] = now[j] + (next[j]-now[j])/2
			}
			left = squares(next)
		}
		if !(left <= least) { // as near as numbers get
			break
		}
		moved := 0.0
		for i := range fit {
			moved = max(moved, math.Abs(nextFit[i]/fit[i]-1))
		}
		now, least = next, left
		fit, nextFit = nextFit, fit
		gaps, nextGaps = nextGaps, gaps
		if moved < uslSettled {
			break
		}
	}
	for j := range now {
		share := 0.0 // that the part has at most, of any N
		for i, p := range parts {
			share = max(share, now[j]*p[j]/fit[i])
		}
		if share < 1e-9 { // κ = 2e-17 is rounding, and no reason to see a peak
			now[j] = 0
		}
	}
	first := now[0] + now[1] // 1/γ, the time that one client alone takes
	if !(first > 0) {
		return USL{}, errUSLTooSteep
	}
	return USL{Gamma: 1 / first, Sigma: now[1] / first, Kappa: now[2] / first}, nil
}

// uslStep is the least squares of one step, from its normal equations. They
// lose half of the digits, which the next step makes good.
func uslStep(parts [][3]float64, fit, gaps []float64) [3]float64 {
	var products [3][3]float64
	var right [3]float64
	for i, p := range parts {
		for j := range p {
			p[j] /= fit[i]
			right[j] += p[j] * (1 + gaps[i])
			for k := range j + 1 {
				products[j][k] += p[j] * p[k]
			}
		}
	}
	for j := range right {
		for k := range j {
			products[k][j] = products[j][k]
		}
	}
	return nonNegative(products, right)
}

// nonNegative solves normal equations for the least squares without a negative
// coefficient. These are the least squares of some of the parts, the others
// being 0, so of three parts all seven choices are tried: all of them first,
// for if none comes out negative, that is it.
func nonNegative(products [3][3]float64, right [3]float64) [3]float64 {
	var best [3]float64
	most := math.Inf(-1)
	const all = 0b111
	for chosen := all; chosen > 0; chosen-- {
		c := solve(products, right, chosen)
		if !(min(c[0], c[1], c[2]) >= 0) {
			continue
		}
		if chosen == all {
			return c
		}
		explained := c[0]*right[0] + c[1]*right[1] + c[2]*right[2]
		if explained > most {
			best, most = c, explained
		}
	}
	return best
}

// solve is Gauss's elimination in the equations that are chosen (bits), with 0
// for the others. Products of different parts are positive definite, so it
// needs no pivots. A matrix package does the same at six times the cost of a
// whole bootstrap, which comes here some 10,000 times.
func solve(products [3][3]float64, right [3]float64, chosen int) [3]float64 {
	for j := range 3 {
		if chosen>>j&1 == 0 {
			products[j] = [3]float64{}
			for k := range 3 {
				products[k][j] = 0
			}
			products[j][j], right[j] = 1, 0
		}
	}
	for j := range 3 {
		for k := j + 1; k < 3; k++ {
			share := products[k][j] / products[j][j]
			for l := j; l < 3; l++ {
				products[k][l] -= share * products[j][l]
			}
			right[k] -= share * right[j]
		}
	}
	var c [3]float64
	for j := 2; j >= 0; j-- {
		c[j] = right[j]
		for k := j + 1; k < 3; k++ {
			c[j] -= products[j][k] * c[k]
		}
		c[j] /= products[j][j]
	}
	return c
}

// uslResamples is how many fits a bootstrap makes: at 95 % the 25 outermost on
// either side lie beyond the ends. They cost some 10 ms for ten N.
const uslResamples = 1000

// BootstrapUSL fits the law to what blocks saw, blocks[i] being throughputs of
// the blocks with clients[i] clients, and finds intervals by drawing blocks
// again, with replacement, within each N. The fit is to the geometric mean of
// each N's blocks, of which there must be two or more. The same seed gives the
// same intervals; N of these is the number of points fitted.
//
// Peak is nil where in more than (1 − confidence)/2 of the resamples (2.5 % at
// 95 %) throughput never falls: its interval then has no upper end. It can lie
// beyond the largest N that was measured, and is a guess there.
//
// Two things a plain bootstrap overlooks are made good, both by moving each
// resample further from the mean. Of B blocks drawn again the spread comes out
// too small by √((B−1)/B). And one N is measured after another, while the host
// drifts, and no law bends quite as a server does: where the points lie
// further from the fit than their own blocks explain, all spreads are as many
// times larger (Birge's ratio). A drift of 10 % between eight N leaves 90 of 100
// intervals of 95 % that hold the truth; by their blocks alone 25 would.
//
// Source: B. Efron, The Jackknife, the Bootstrap and Other Resampling Plans,
// SIAM 1982; R. T. Birge, Physical Review 40 (1932).
func BootstrapUSL(clients []int, blocks [][]float64, confidence float64, seed uint64) (gamma, sigma, kappa Interval, peak *Interval, err error) {
	none := func(err error) (Interval, Interval, Interval, *Interval, error) {
		return Interval{}, Interval{}, Interval{}, nil, err
	}
	if len(clients) != len(blocks) {
		return none(fmt.Errorf("fit the scalability law: %d numbers of clients, but blocks of %d", len(clients), len(blocks)))
	}
	logs := make([][]float64, len(blocks))
	means := make([]float64, len(blocks)) // of logarithms
	x := make([]float64, len(blocks))
	for i, of := range blocks {
		if len(of) < 2 {
			return none(fmt.Errorf("fit the scalability law: %d blocks with %d clients; at least 2 are needed", len(of), clients[i]))
		}
		x[i] = GeometricMean(of...)
		for _, v := range of {
			logs[i] = append(logs[i], math.Log(v))
		}
		means[i] = stat.Mean(logs[i], nil)
	}
	fit, err := FitUSL(clients, x)
	if err != nil {
		return none(err)
	}

	wider := birge(fit, clients, logs)
	draw := rand.New(rand.NewPCG(seed, 0))
	var gammas, sigmas, kappas, peaks []float64
	for range uslResamples {
		for i, of := range logs {
			sum := 0.0
			for range of {
				sum += of[draw.IntN(len(of))]
			}
			b := float64(len(of))
			x[i] = math.Exp(means[i] + wider*math.Sqrt(b/(b-1))*(sum/b-means[i]))
		}
		u, err := fitUSL(clients, x)
		if err != nil {
			continue // one that falls too steeply has no γ; a fit that lies there is refused above
		}
		gammas = append(gammas, u.Gamma)
		sigmas = append(sigmas, u.Sigma)
		kappas = append(kappas, u.Kappa)
		n, ok := u.Peak()
		if !ok {
			n = math.Inf(1)
		}
		peaks = append(peaks, n)
	}
	ends := func(estimate float64, xs []float64) Interval {
		slices.Sort(xs)
		tail := (1 - confidence) / 2
		low := stat.Quantile(tail, stat.Empirical, xs, nil)
		high := stat.Quantile(1-tail, stat.Empirical, xs, nil)
		return Interval{Estimate: estimate, Low: min(low, estimate), High: max(high, estimate), N: len(clients)}
	}
	if len(gammas) < uslResamples/2 {
		return none(errUSLTooSteep)
	}
	if n, ok := fit.Peak(); ok {
		if at := ends(n, peaks); !math.IsInf(at.High, 1) {
			peak = &at
		}
	}
	return ends(fit.Gamma, gammas), ends(fit.Sigma, sigmas), ends(fit.Kappa, kappas), peak, nil
}

// birge is how many times further from the fit the points lie than the spread
// of their blocks explains, at least 1: √(χ²/(n − 3)). A squared distance in
// standard errors that are themselves made of B blocks is (B−1)/(B−3) on
// average (Student's t), and is divided by that where there are blocks enough
// for there to be an average.
func birge(fit USL, clients []int, logs [][]float64) float64 {
	square := 0.0
	for i, of := range logs {
		mean, variance, _ := meanAndSquaredError(of)
		if variance == 0 {
			continue
		}
		d := mean - math.Log(fit.At(float64(clients[i])))
		expected := 1.0
		if b := float64(len(of)); b > 3 {
			expected = (b - 1) / (b - 3)
		}
		square += d * d / variance / expected
	}
	return math.Sqrt(max(1, square/float64(len(logs)-3)))
}

package exchange

import (
	"sync/atomic"
	"time"
)

// fillerPeriod is the length of the text that every body repeats.
const fillerPeriod = int64(len(fillerText))

const fillerText = "Hello, World!\n"

// filler is what bodies are cut from: the text again and again, a whole number
// of times, so that a body longer than the filler is the filler again.
var filler = func() []byte {
	b := make([]byte, 0, 4096*fillerPeriod)
	for range 4096 {
		b = append(b, fillerText...)
	}
	return b
}()

// Filler is one shared block of memory that every body is cut from: a body of
// n bytes is the first n bytes of its endless repetition. It must not be
// changed.
func Filler() []byte { return filler }

// spinSlice is how often, in spun time, a spin looks whether it was called off.
const spinSlice = 100 * time.Microsecond

// sink keeps the compiler from removing the spin.
var sink atomic.Uint64

// burn runs the loop that spinning is made of: integer work that stays in
// registers, so that it doesn't depend on caches or memory.
func burn(iterations int64) {
	x := uint64(iterations)
	for range iterations {
		x = x*6364136223846793005 + 1442695040888963407
	}
	sink.Store(x)
}

// CalibrateSpin measures how many iterations of the spin loop this machine
// does in a microsecond. It takes about 20 ms. One calibration serves a whole
// experiment, handed to every process by [Options]: a calibration in each
// process makes them differ by 3 %.
//
// The fastest of many short runs counts: whatever else the machine does can
// only make a run slower.
func CalibrateSpin() float64 {
	const n = 100_000
	best := time.Duration(1<<63 - 1)
	for range 100 {
		t := time.Now()
		burn(n)
		best = min(best, time.Since(t))
	}
	return n / (float64(max(best, 1)) / float64(time.Microsecond))
}

// spin burns CPU for d by count of iterations, not by the clock: a process
// that is not running must not have its work done by the passing of time. It
// reports false when it was called off.
func (x *Exchange) spin(d time.Duration) bool {
	for ; d > 0; d -= spinSlice {
		if x.killed.Load() {
			return false
		}
		burn(int64(float64(min(d, spinSlice)) / float64(time.Microsecond) * x.opts.SpinPerUs))
	}
	return true
}

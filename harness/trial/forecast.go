package trial

import (
	"slices"
	"time"

	"workbench/harness/analysis"
	"workbench/harness/result"
	"workbench/harness/scenario"
)

// A Forecast is how an experiment will go, as far as its pilot tells.
type Forecast struct {
	Entries int           // that take part
	Large   int           // of these, expected to leave after three rounds
	Blocks  int           // that the budget holds, or that were asked for
	Rounds  int           // of a block
	Slice   time.Duration // that an entry takes in a round, on average, settling and draining included
	Takes   time.Duration // all blocks together
	Needs   time.Duration // the budget that a verdict would take, where this one can't hold it; else 0
}

const (
	// leastOverhead is what a slice takes at least beside settling, counting and
	// draining: messages, the server's coming to rest, the line of the record.
	leastOverhead = 5 * time.Millisecond
	// roomFor is the share of the budget that the blocks of a verdict are given
	// room in. A pilot is a single look, and what is foreseen from it is wrong by
	// some per cent.
	roomFor = 0.85
	// overrun is the share of the budget by which blocks may exceed it that were
	// promised: a run of nine restarts has cost as much and says far less.
	overrun = 0.1
	// mostForecast bounds the blocks that are counted out.
	mostForecast = 100_000
)

// plan foresees the blocks, and makes room for those that a verdict takes: with
// fewer rounds in each where the budget doesn't hold them otherwise. A block's
// rounds share its processes, and of two ways to spend the time more processes
// narrow an interval more.
func (t *trial) plan() {
	enough := analysis.VerdictBlocks
	if t.exp.Blocks > 0 {
		enough = min(enough, t.exp.Blocks)
	}
	room := time.Duration(roomFor * float64(t.exp.Budget))
	f := Forecast{Entries: len(t.active()), Rounds: t.exp.Rounds}
	for f.Rounds > 1 && t.foresee(enough, f.Rounds) > room {
		f.Rounds--
	}
	t.hangUp = f.Rounds == 1
	if f.Rounds == 1 {
		t.shortenSettling(enough, room)
	}
	for f.Blocks < mostForecast && (t.exp.Blocks == 0 || f.Blocks < t.exp.Blocks) && (f.Blocks == 0 || t.foresee(f.Blocks+1, f.Rounds) <= t.exp.Budget) {
		f.Blocks++
	}
	if f.Blocks < enough {
		f.Needs = time.Duration(float64(t.foresee(enough, 1)) / roomFor)
	}
	f.Takes = t.foresee(f.Blocks, f.Rounds)
	for _, e := range t.active() {
		f.Slice += t.foreseen(e) / time.Duration(f.Entries)
		if t.looksLarge(e) {
			f.Large++
		}
	}
	t.forecast = &f
	t.out.RoundsPerBlock = f.Rounds
	t.progress("plan", false)
}

// shortenSettling has slices settle for no longer than ten blocks have room for,
// if that makes room for them: of a model that is slow and serves one connection
// to its end before the next, not every client will have had its turn by then,
// which is said where it is so, and the same for all that it is compared with.
func (t *trial) shortenSettling(blocks int, room time.Duration) {
	least := max(pilotSettle, t.exp.Scenario.Slow.Over())
	if t.exp.Scenario.Loop != scenario.LoopClosed {
		return // its settling fills the server as arrivals do
	}
	for most := longestSettle; most > least && t.foresee(blocks, 1) > room; {
		most = max(least, most*4/5)
		t.settleAtMost = most
	}
	if t.foresee(blocks, 1) > room {
		t.settleAtMost = 0 // it is a quick look in any case
	}
}

// foresee is how long so many blocks of so many rounds take. Models that look
// large leave after three rounds.
func (t *trial) foresee(blocks, rounds int) (d time.Duration) {
	for _, e := range t.active() {
		starts, looks := blocks, blocks*rounds
		if t.looksLarge(e) {
			looks = min(looks, largeAfter)
			starts = min(starts, (largeAfter+rounds-1)/rounds)
		}
		d += time.Duration(starts)*t.startCost + time.Duration(looks)*t.foreseen(e)
	}
	return d
}

// foreseen is what a slice of e takes: as long as the last one did, or, before
// the first, as its lengths say.
func (t *trial) foreseen(e result.Entry) time.Duration {
	if took, ok := t.cost[e.Label]; ok {
		return took
	}
	l := t.lengths(e)
	d := l.settle + l.count + t.sliceOverhead()
	if !(t.hangUp && l.drain > longDrain) {
		d += l.drain
	}
	return d
}

// sliceOverhead is what a slice takes beside settling, counting and draining, as
// the median pilot had it.
func (t *trial) sliceOverhead() time.Duration {
	if len(t.overhead) == 0 {
		return leastOverhead
	}
	return max(leastOverhead, slices.Sorted(slices.Values(t.overhead))[len(t.overhead)/2])
}

// looksLarge reports whether e is more than 2 × from the reference in its pilot.
func (t *trial) looksLarge(e result.Entry) bool {
	return t.round < largeAfter && analysis.LooksLarge(*t.out, t.slices, e.Label)
}

// nextBlock foresees how long a block takes, from what the last slice of each
// took that still takes part, and from what each cost to start and warm up.
func (t *trial) nextBlock(rounds int) (d time.Duration) {
	for _, e := range t.active() {
		d += t.startCost + time.Duration(rounds)*t.foreseen(e)
	}
	return d
}

// rounds is how many the next block has: as planned, or fewer where blocks that
// a verdict takes would not fit otherwise. That depends on how long slices take
// and on nothing that they say.
func (t *trial) rounds() int {
	rounds, missing := t.forecast.Rounds, t.promised()-t.out.Blocks
	left := t.exp.Budget - time.Since(t.begun)
	for rounds > 1 && missing > 0 && time.Duration(missing)*t.nextBlock(rounds) > left {
		rounds--
	}
	return rounds
}

// promised is the number of blocks that the plan made room for because a
// verdict takes them, 0 where it could not.
func (t *trial) promised() int {
	if t.forecast.Blocks < analysis.VerdictBlocks {
		return 0
	}
	return analysis.VerdictBlocks
}

// allowed is how long the blocks may take: the budget, and a little more until
// those are complete that were promised.
func (t *trial) allowed() time.Duration {
	if t.out.Blocks < t.promised() {
		return time.Duration((1 + overrun) * float64(t.exp.Budget))
	}
	return t.exp.Budget
}

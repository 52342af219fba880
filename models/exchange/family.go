package exchange

import (
	"math"
	"os"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// A Family is an exchange that several processes serve together: one that
// started the others leads, and each of those has an exchange of its own and has
// joined. The leader's Stats are those of all.
//
// What they count lies in memory that all of them see. Each member has an
// account there, which it alone writes, so that counting a request is what it is
// in one process: an atomic addition. What no sum over accounts could tell, the
// most that were ever open or held at once over all of them, and the order in
// which connections were accepted, is counted on a board, which all write.
// Nobody takes a lock that another process could die with.
//
// It serves models that have child processes. Its methods are the leader's; they
// may be called concurrently, if not otherwise said.
type Family struct {
	x        *Exchange
	mem      []byte
	file     *os.File // that mem is a mapping of; nil for none
	board    *board
	accounts []account
	gone     []atomic.Bool // ended, and not settled yet: what it was about to write, it never will
	pids     []int         // under the exchange's lock; 0 for none
	seen     []reading     // under the exchange's lock: what look saw
	turns    []uint64      // and in which turns
}

// board is what all members write.
type board struct {
	epoch  int64         // the exchange's, nanoseconds on the system's monotonic clock
	number atomic.Uint64 // of the connection that was accepted last
	now    atomic.Int64  // connections of all members: see gauges
	most   struct{ open, held, waiting atomic.Int64 }
	_      [128 - 48]byte
}

// account is what one member writes.
type account struct {
	tally
	// turn is even while the member is not about to write; then entry turn/2 is
	// what it wrote last. While it writes, into the other entry, turn is odd. So
	// one that is killed in the middle leaves what it wrote before.
	turn    atomic.Uint64
	entries [2]entry
	serves  atomic.Int64 // 1 once it does
}

// entry is what of a member's counts belongs together.
type entry struct{ accepted, rejected, gauges, heldArea, heldAt atomic.Int64 }

// last is the entry that is valid in a turn.
func (a *account) last(turn uint64) *entry { return &a.entries[turn/2%2] }

// tally are counts that stand for themselves.
type tally struct{ requests, panics, backoffs, timeouts atomic.Int64 }

// gauges are numbers of connections in one word, 21 bits for each, so that one
// atomic addition changes those that change together, and what it returns was
// true of all of them at one moment: peaks are exact.
type gauges int64

const (
	oneOpen    gauges = 1
	oneHeld    gauges = 1 << 21
	oneTurning gauges = 1 << 42
	gaugeMask         = 1<<21 - 1
)

func (g gauges) open() int64    { return int64(g & gaugeMask) }
func (g gauges) held() int64    { return int64(g >> 21 & gaugeMask) }
func (g gauges) turning() int64 { return int64(g >> 42 & gaugeMask) }
func (g gauges) waiting() int64 { return g.open() - g.held() - g.turning() }

// familySize is how much memory a family of n members shares.
func familySize(n int) int { return int(unsafe.Sizeof(board{})) + n*int(unsafe.Sizeof(account{})) }

// layOut finds what lies where in a family's memory.
func layOut(mem []byte) (*board, []account) {
	b := (*board)(unsafe.Pointer(unsafe.SliceData(mem)))
	size := int(unsafe.Sizeof(board{}))
	n := (len(mem) - size) / int(unsafe.Sizeof(account{}))
	return b, unsafe.Slice((*account)(unsafe.Pointer(&mem[size])), n)
}

// lead makes x the leader of a family that shares mem, which is zero.
func (x *Exchange) lead(mem []byte, file *os.File, epoch int64) *Family {
	f := &Family{x: x, mem: mem, file: file}
	f.board, f.accounts = layOut(mem)
	f.board.epoch = epoch
	f.gone = make([]atomic.Bool, len(f.accounts))
	f.pids, f.seen, f.turns = make([]int, len(f.accounts)), make([]reading, len(f.accounts)), make([]uint64, len(f.accounts))
	x.mu.Lock()
	x.family = f
	x.mu.Unlock()
	return f
}

// join has x count as member i. Its epoch is moved to the leader's. It must be
// called before x serves.
func (x *Exchange) join(mem []byte, i int, epoch time.Duration) {
	b, accounts := layOut(mem)
	x.epoch = x.epoch.Add(epoch)
	x.epochNs = x.epoch.UnixNano()
	x.tally = &accounts[i].tally
	x.member = &member{b, &accounts[i]}
}

// A member is an exchange's part in a family.
type member struct {
	board   *board
	account *account
}

// serves says that the member serves from now on.
func (m *member) serves() {
	if m != nil {
		m.account.serves.Store(1)
	}
}

// begins announces that the counts are about to change. Called under the
// exchange's lock, before it looks at the clock.
func (m *member) begins() {
	if m != nil {
		m.account.turn.Add(1)
	}
}

// writes publishes the counts as they are now, and what has become more, or
// less, of connections.
func (m *member) writes(c *counters, by gauges) {
	if m == nil {
		return
	}
	now := gauges(m.board.now.Add(int64(by)))
	switch by {
	case oneOpen:
		raise(&m.board.most.open, now.open())
		raise(&m.board.most.waiting, now.waiting())
	case oneHeld:
		raise(&m.board.most.held, now.held())
	}
	turn := m.account.turn.Load()
	e := m.account.last(turn + 2)
	e.accepted.Store(c.accepted)
	e.rejected.Store(c.rejected)
	e.gauges.Store(c.open.now*int64(oneOpen) + c.held.now*int64(oneHeld) + c.turning*int64(oneTurning))
	e.heldArea.Store(c.heldArea)
	e.heldAt.Store(c.heldAt)
	m.account.turn.Store(turn + 1)
}

// number is that of the connection that is accepted now.
func (m *member) number() uint64 { return m.board.number.Add(1) }

// raise makes most at least n.
func raise(most *atomic.Int64, n int64) {
	for was := most.Load(); n > was && !most.CompareAndSwap(was, n); was = most.Load() {
	}
}

// File is the memory that members join by; it is the family's to close.
func (f *Family) File() *os.File { return f.file }

// Began says that the process of a member runs.
func (f *Family) Began(i, pid int) {
	f.x.mu.Lock()
	f.pids[i] = pid
	f.x.mu.Unlock()
}

// Ended says that the process of a member has ended and was waited for: what it
// had open isn't any more. Another one may take its place.
func (f *Family) Ended(i int) {
	f.gone[i].Store(true) // or whoever has the lock might wait for it
	x, a := f.x, &f.accounts[i]
	x.mu.Lock()
	defer x.mu.Unlock()
	at, now := f.look(math.MaxInt64) // what it gets wrong would stay wrong
	for k := range f.seen {
		if !f.gone[k].Load() {
			now -= f.seen[k].gauges
		}
	}
	// What is left over is of those that are gone. It isn't always what they
	// wrote last: one may have been killed between the board and its account.
	f.board.now.Add(-int64(now))

	e := &f.seen[i]
	x.accepted += e.accepted
	x.rejected += e.rejected
	x.heldArea += e.area(at)
	if i < len(x.taken) {
		x.taken[i].Add(e.accepted)
	}
	x.requests.Add(a.requests.Load())
	x.panics.Add(a.panics.Load())
	x.backoffs.Add(a.backoffs.Load())
	x.timeouts.Add(a.timeouts.Load())
	size := int(unsafe.Sizeof(*a))
	clear(f.mem[len(f.mem)-(len(f.accounts)-i)*size:][:size])
	f.pids[i] = 0
	f.gone[i].Store(false)
}

// A reading is what an entry said.
type reading struct {
	accepted, rejected int64
	gauges             gauges
	heldArea, heldAt   int64
}

// area is ∫ held dt until at.
func (r *reading) area(at int64) int64 { return r.heldArea + r.gauges.held()*(at-r.heldAt) }

// read reads the entry that is valid, and says in which turn it was. A member
// writes into the other one first.
func (a *account) read() (r reading, turn uint64) {
	for {
		turn = a.turn.Load()
		e := a.last(turn)
		r = reading{e.accepted.Load(), e.rejected.Load(), gauges(e.gauges.Load()), e.heldArea.Load(), e.heldAt.Load()}
		if a.turn.Load() <= turn&^1+2 {
			return r, turn
		}
	}
}

// Close ends the family, when every member has ended. The exchange keeps its
// counts.
func (f *Family) Close() {
	x := f.x
	x.mu.Lock()
	defer x.mu.Unlock()
	m := &f.board.most
	x.open.most, x.held.most, x.waiting = m.open.Load(), m.held.Load(), m.waiting.Load()
	x.family = nil
	unshare(f)
}

// lookBound is how long Stats waits for a member that is about to write. It would
// have to be stopped, by a signal or a debugger, within the hundred nanoseconds
// that this takes; then what it wrote last counts.
const lookBound = 100 * time.Millisecond

// look finds a moment at which nobody was about to write: what f.seen says of
// the accounts, and what it returns of the board, was true then. When it has waited
// for a bound it takes what there is. Called under the exchange's lock.
func (f *Family) look(bound time.Duration) (at int64, now gauges) {
	begun := f.x.now()
	for try := 0; ; try++ {
		busy := false
		for i := range f.accounts {
			f.seen[i], f.turns[i] = f.accounts[i].read()
			busy = busy || f.turns[i]%2 != 0 && !f.gone[i].Load()
		}
		at, now = f.x.now(), gauges(f.board.now.Load())
		for i := range f.accounts {
			busy = busy || f.accounts[i].turn.Load() != f.turns[i]
		}
		switch {
		case !busy, at-begun > int64(bound):
			return at, now
		case try < 20:
			runtime.Gosched()
		default: // one of them needs the CPU that this would keep
			time.Sleep(20 * time.Microsecond)
		}
	}
}

// addTo adds what the members have counted. Called under the exchange's lock.
func (f *Family) addTo(st *Stats) {
	at, _ := f.look(lookBound)
	st.At = f.x.epoch.Add(time.Duration(at))
	st.Processes = make([]int, 0, len(f.pids))
	for i := range f.accounts {
		a, r := &f.accounts[i], &f.seen[i]
		st.Accepted += r.accepted
		st.Rejected += r.rejected
		st.Open += r.gauges.open()
		st.Held += r.gauges.held()
		st.HeldTime += time.Duration(r.area(at))
		st.Requests += a.requests.Load()
		st.Panics += a.panics.Load()
		st.AcceptBackoffs += a.backoffs.Load()
		st.Timeouts += a.timeouts.Load()
		if i < len(st.Spread.Taken) {
			st.Spread.Taken[i] += r.accepted
		}
		if a.serves.Load() == 0 {
			st.Starting++
		}
		if f.pids[i] != 0 {
			st.Processes = append(st.Processes, f.pids[i])
		}
	}
	m := &f.board.most
	st.OpenPeak, st.HeldPeak, st.WaitingPeak = m.open.Load(), m.held.Load(), m.waiting.Load()
}

// resetPeaks lets the peaks begin anew. What is open between the two looks at
// the board counts for the new ones, and what has come and gone between them for
// the old.
func (f *Family) resetPeaks() {
	m := &f.board.most
	now := gauges(f.board.now.Load())
	m.open.Store(now.open())
	m.held.Store(now.held())
	m.waiting.Store(now.waiting())
	now = gauges(f.board.now.Load())
	raise(&m.open, now.open())
	raise(&m.held, now.held())
	raise(&m.waiting, now.waiting())
}

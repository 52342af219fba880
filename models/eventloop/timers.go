package eventloop

// Timers are moments that owners wait for, at most one for each. An owner is a
// small number of the caller's choice, its slot among the connections as a
// rule, and is the handle by which a timer is changed and cancelled. Moments
// are nanoseconds on whatever clock the caller keeps. The zero value has no
// timers; it grows with the largest owner and never allocates otherwise.
//
// They are a heap with four children to a node: as the loop mostly sets timers
// that are later than all others and takes the earliest, what counts is the
// depth on the way up, and that is half of a binary heap's (Johnson, Priority
// queues with update and finding minimum spanning trees, 1975).
type Timers struct {
	heap []timer
	at   []int32 // by owner: its place in the heap, from 1; 0 for none
}

type timer struct {
	when  int64
	owner int32
}

const children = 4

// Grow makes room for owners below n, so that setting their timers doesn't
// allocate.
func (t *Timers) Grow(n int) {
	if n > len(t.at) {
		t.at = append(t.at, make([]int32, n-len(t.at))...)
	}
	if n > cap(t.heap) {
		t.heap = append(make([]timer, 0, n), t.heap...)
	}
}

// Len is the number of timers that are set.
func (t *Timers) Len() int { return len(t.heap) }

// Set sets owner's timer, in the place of the one that it had.
func (t *Timers) Set(owner int, when int64) {
	if owner >= len(t.at) {
		t.Grow(max(owner+1, 2*len(t.at)))
	}
	place := int(t.at[owner]) - 1
	if place < 0 {
		place = len(t.heap)
		t.heap = append(t.heap, timer{})
	}
	x := timer{when, int32(owner)}
	if !t.up(place, x) {
		t.down(place, x)
	}
}

// Cancel takes owner's timer away, if it has one.
func (t *Timers) Cancel(owner int) {
	if owner < len(t.at) && t.at[owner] != 0 {
		t.remove(int(t.at[owner]) - 1)
	}
}

// Next is the earliest moment that somebody waits for; ok is false where
// nobody does.
func (t *Timers) Next() (when int64, ok bool) {
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.heap[0].when, true
}

// Pop takes the earliest timer, if it is due at now, and returns its owner.
// Timers that are due at the same moment come in no particular order.
func (t *Timers) Pop(now int64) (owner int, ok bool) {
	if len(t.heap) == 0 || t.heap[0].when > now {
		return 0, false
	}
	owner = int(t.heap[0].owner)
	t.remove(0)
	return owner, true
}

func (t *Timers) remove(place int) {
	t.at[t.heap[place].owner] = 0
	end := len(t.heap) - 1
	x := t.heap[end]
	t.heap = t.heap[:end]
	if place != end && !t.up(place, x) {
		t.down(place, x)
	}
}

// up puts x at place or further up, and reports whether it went up.
func (t *Timers) up(place int, x timer) (moved bool) {
	for place > 0 {
		parent := (place - 1) / children
		if t.heap[parent].when <= x.when {
			break
		}
		t.put(place, t.heap[parent])
		place, moved = parent, true
	}
	t.put(place, x)
	return moved
}

// down puts x at place or further down.
func (t *Timers) down(place int, x timer) {
	for {
		first := place*children + 1
		if first >= len(t.heap) {
			break
		}
		least := first
		for child := first + 1; child < min(first+children, len(t.heap)); child++ {
			if t.heap[child].when < t.heap[least].when {
				least = child
			}
		}
		if t.heap[least].when >= x.when {
			break
		}
		t.put(place, t.heap[least])
		place = least
	}
	t.put(place, x)
}

func (t *Timers) put(place int, x timer) {
	t.heap[place] = x
	t.at[x.owner] = int32(place) + 1
}

package models

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// ended reports whether a worker was told to end.
func (w *elasticWorker) ended() bool {
	select {
	case _, open := <-w.next:
		return !open
	default:
		return false
	}
}

// hire takes n workers, which must be fresh and have the numbers that are given.
func hire(t *testing.T, idle *idleWorkers, numbers ...int) []*elasticWorker {
	t.Helper()
	var workers []*elasticWorker
	for _, want := range numbers {
		w, fresh := idle.take()
		if !fresh {
			t.Errorf("worker %d was idle, and a fresh one is expected", w.number)
		}
		if w.number != want {
			t.Errorf("a fresh worker has number %d, want %d", w.number, want)
		}
		workers = append(workers, w)
	}
	return workers
}

func TestIdleWorkersLastInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle := idleWorkers{patience: time.Second}
		w := hire(t, &idle, 0, 1, 2)
		for _, i := range []int{1, 2, 0} {
			idle.put(w[i])
		}
		var order []int
		for range w {
			last, fresh := idle.take()
			if fresh {
				t.Error("a fresh worker, though one is idle")
			}
			order = append(order, last.number)
		}
		if want := []int{0, 2, 1}; !slices.Equal(order, want) {
			t.Errorf("workers became idle in the order 1, 2, 0 and are used in the order %v, want %v", order, want)
		}
		hire(t, &idle, 3)
		idle.dismiss()
	})
}

func TestIdleWorkersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle := idleWorkers{patience: time.Second}
		w := hire(t, &idle, 0, 1, 2)
		begun := time.Now()
		at := func(d time.Duration) { // that long after it began, with all done that is due
			time.Sleep(d - time.Since(begun))
			synctest.Wait()
		}
		expect := func(want ...bool) {
			t.Helper()
			for i, w := range w {
				if got := w.ended(); got != want[i] {
					t.Errorf("%v after the first was idle: worker %d has ended: %v, want %v", time.Since(begun), i, got, want[i])
				}
			}
		}
		idle.put(w[0]) // sinks to the bottom
		at(300 * time.Millisecond)
		idle.put(w[1])
		at(600 * time.Millisecond)
		idle.put(w[2])
		if top, _ := idle.take(); top != w[2] {
			t.Errorf("worker %d is used, want 2", top.number)
		}
		at(time.Second - 1)
		expect(false, false, false)
		at(time.Second)
		expect(true, false, false)
		idle.put(w[2]) // idle for the last 0 s, whatever it was before
		at(1300*time.Millisecond - 1)
		expect(true, false, false)
		at(1300 * time.Millisecond)
		expect(true, true, false)
		at(2*time.Second - 1)
		expect(true, true, false)
		at(2 * time.Second)
		expect(true, true, true)
		if idle.timer != nil {
			t.Error("nobody is idle, and a timer is set")
		}
		// Numbers of those that ended are used before new ones.
		w = hire(t, &idle, 2, 1, 0, 3)

		// The timer is set again after there was none.
		begun = time.Now()
		idle.put(w[3])
		at(time.Second)
		expect(false, false, false, true)
	})
}

func TestIdleWorkersAreDismissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle := idleWorkers{patience: time.Second}
		w := hire(t, &idle, 0, 1)
		idle.put(w[0])
		idle.dismiss()
		if !w[0].ended() {
			t.Error("a worker was idle when all were dismissed, and hasn't ended")
		}
		if w[1].ended() {
			t.Error("a worker was told to end while it was busy")
		}
		idle.put(w[1])
		if !w[1].ended() {
			t.Error("a worker became idle after all were dismissed, and hasn't ended")
		}
		time.Sleep(time.Hour) // a timer that is left would close a channel twice
	})
}

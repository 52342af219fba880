//go:build !linux

package process

import "time"

// A tree is the processes of a server that is not ours. What they use is read
// on Linux alone: elsewhere the tree is never known, and nothing else here is
// asked for.
type tree struct{ root int }

func treeOf(int) (tree, error) { return tree{}, nil }

func (tree) known() bool                        { return false }
func (tree) alive() bool                        { return false }
func (tree) look() look                         { return look{at: time.Now()} }
func (tree) idle(time.Duration) bool            { return true }
func (tree) memory() (now, peak int64)          { return 0, 0 }
func (tree) switches() int64                    { return 0 }
func (tree) cpus() int                          { return 0 }
func (tree) affinity() CPUs                     { return nil }
func (tree) holds(pid int) bool                 { return false }
func (tree) listens(port int) (yes, known bool) { return false, false }

type look struct {
	at                 time.Time
	cpu                time.Duration
	processes, threads int64
}

func cpuClock(int) (time.Duration, error) { return 0, nil }

func reap(int) {}

// killBound is how long a killed process may take to be gone.
const killBound = 2 * time.Second

// BeReaper has an effect on Linux alone: see there.
func BeReaper() {}

func endOrphans(string) {}

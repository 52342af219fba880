package exchange

import (
	"fmt"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Lead makes x the leader of a family of n members, each a process that joins.
// It must be called before any of them does.
func (x *Exchange) Lead(n int) (*Family, error) {
	fd, err := unix.MemfdCreate("workbench-family", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), "family")
	if err := file.Truncate(int64(familySize(n))); err != nil {
		_ = file.Close()
		return nil, err
	}
	mem, err := share(file)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return x.lead(mem, file, x.monotonicEpoch()), nil
}

// Join has x count as member i of the family whose memory file is. It must be
// called before x serves.
func (x *Exchange) Join(file *os.File, i int) error {
	mem, err := share(file)
	if err != nil {
		return err
	}
	board, accounts := layOut(mem)
	if i < 0 || i >= len(accounts) {
		return fmt.Errorf("member %d of a family of %d", i, len(accounts))
	}
	x.join(mem, i, time.Duration(board.epoch-x.monotonicEpoch()))
	return nil
}

// share maps a family's memory.
func share(file *os.File) ([]byte, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	mem, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return mem, os.NewSyscallError("mmap", err)
}

// unshare undoes it.
func unshare(f *Family) {
	if f.file != nil {
		_ = unix.Munmap(f.mem)
		_ = f.file.Close()
	}
}

// monotonicEpoch is x's epoch on the system's clock. The two clocks can't be read
// at once, so one is read between two looks at the other; the best of many tries is
// right to a fraction of a microsecond.
func (x *Exchange) monotonicEpoch() (epoch int64) {
	best := int64(math.MaxInt64)
	for range 100 {
		before, now, after := x.now(), monotonic(), x.now()
		if after-before < best {
			best = after - before
			epoch = now - (before + (after-before)/2)
		}
	}
	return epoch
}

// monotonic is the system's clock that package time measures intervals by, in
// nanoseconds. Where it began is the same for all processes; where package time
// lets it begin is not.
func monotonic() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return ts.Nano()
}

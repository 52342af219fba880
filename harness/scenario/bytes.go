package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

var byteUnits = []struct {
	suffix string
	size   int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// ParseBytes reads a size in bytes: 4096, 4096B, 4KiB, 1MiB or 1GiB, whole
// numbers of at most 1024GiB. KB and MB are refused, since half the world means
// 1,000 by the K and the other half 1,024.
func ParseBytes(s string) (int64, error) {
	for _, u := range byteUnits {
		number, found := strings.CutSuffix(s, u.suffix)
		if !found {
			continue
		}
		if !isDigits(number) {
			break
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n > (1<<40)/u.size {
			return 0, fmt.Errorf("size %q is too large: want at most 1024GiB", s)
		}
		return n * u.size, nil
	}
	return 0, fmt.Errorf("size %q: want a whole number with B, KiB, MiB or GiB, as in 4096 or 4KiB", s)
}

// FormatBytes writes n in the largest unit in which it is a whole number, as
// [ParseBytes] reads it.
func FormatBytes(n int64) string {
	if n == 0 {
		return "0"
	}
	for _, u := range byteUnits {
		if n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.suffix
		}
	}
	panic("unreachable: every number is a whole number of bytes")
}

package process

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// CPUs are numbers of CPUs, in order. None stands for any.
type CPUs []int

// ParseCPUs reads a list such as "0", "0,2" or "0-3,8".
func ParseCPUs(s string) (CPUs, error) {
	var cpus CPUs
	for part := range strings.SplitSeq(s, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if !isRange {
			high = low
		}
		a, err := strconv.Atoi(low)
		b, err2 := strconv.Atoi(high)
		if err != nil || err2 != nil || a < 0 || b < a || b >= maxCPUs {
			return nil, fmt.Errorf("%q is no list of CPUs (such as 0, or 0-1,3)", s)
		}
		for n := a; n <= b; n++ {
			cpus = append(cpus, n)
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

// maxCPUs is the most that a mask of the system here holds.
const maxCPUs = 1024

// String is the list in its shortest form: "0-3,8".
func (c CPUs) String() string {
	var parts []string
	for i := 0; i < len(c); {
		j := i
		for j+1 < len(c) && c[j+1] == c[j]+1 {
			j++
		}
		part := strconv.Itoa(c[i])
		if j > i {
			part += "-" + strconv.Itoa(c[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// Without returns the CPUs that are not in o.
func (c CPUs) Without(o CPUs) CPUs {
	return slices.DeleteFunc(slices.Clone(c), func(n int) bool { return slices.Contains(o, n) })
}

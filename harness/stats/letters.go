package stats

import (
	"slices"
	"unicode"
)

// Letters is the compact letter display of a relation between items: two of
// them share a letter if and only if they are not apart, that is, can't be
// told apart. This need not be an equality: of three, the middle one may be
// told apart from neither of the others, and these from each other; it then
// has both their letters.
//
// The items are 0 … len(order)−1, and order holds each once, the best first,
// say; apart is asked once for each pair, with the one that comes first in
// order as i. The answer is by item: the letters of item i, which are single
// runes, so that strings.ContainsAny finds a shared one. Letters start at 'a'
// with what comes first in order and go on after 'z' with 'A' … 'Z' and then
// 'α'. No letter is contained in another, none can be done without, and none
// can be taken from an item.
//
// A relation made of means that lie further or less far apart has no more
// letters than items, and costs next to nothing; the worst of all relations has
// 3^(n/3) of them, which is 81 for 12 items and out of reach for 60.
//
// Source: H.-P. Piepho, An Algorithm for a Letter-Based Representation of
// All-Pairwise Comparisons, Journal of Computational and Graphical Statistics
// 13 (2004): insert, absorb, sweep.
func Letters(order []int, apart func(i, j int) bool) []string {
	n := len(order)
	if n == 0 {
		return nil
	}
	// A column holds who has a letter, by place in order. All have the one to
	// begin with.
	columns := [][]bool{slices.Repeat([]bool{true}, n)}
	for i := range n {
		for j := i + 1; j < n; j++ {
			if apart(order[i], order[j]) {
				columns = insert(columns, i, j)
			}
		}
	}
	slices.SortFunc(columns, byFirstMember)
	columns = sweep(columns, n)
	slices.SortFunc(columns, byFirstMember)

	letters := make([]string, n)
	letter := 'a'
	for _, column := range columns {
		for place, has := range column {
			if has {
				letters[order[place]] += string(letter)
			}
		}
		letter = after(letter)
	}
	return letters
}

// insert parts i and j: a column that both are in becomes two, each without one
// of them. What is then contained in another column is absorbed by it.
func insert(columns [][]bool, i, j int) [][]bool {
	var parted, kept [][]bool
	for _, c := range columns {
		if !c[i] || !c[j] {
			kept = append(kept, c)
			continue
		}
		without := slices.Clone(c)
		without[i] = false
		parted = append(parted, without)
		without = slices.Clone(c)
		without[j] = false
		parted = append(parted, without)
	}
	// The kept were contained in nobody, and the parted have only shrunk; two
	// of them that are equal are impossible, since their originals would then
	// have been contained in each other.
	columns = kept
	for p, c := range parted {
		absorbed := slices.ContainsFunc(kept, func(o []bool) bool { return contains(o, c) })
		for q, o := range parted {
			absorbed = absorbed || p != q && contains(o, c)
		}
		if !absorbed {
			columns = append(columns, c)
		}
	}
	return columns
}

// contains reports whether everybody in b is in a.
func contains(a, b []bool) bool {
	for place, in := range b {
		if in && !a[place] {
			return false
		}
	}
	return true
}

// sweep takes away what nobody needs, from the last column on: whole columns
// first, then single members. What is needed when it is looked at stays needed.
func sweep(columns [][]bool, n int) [][]bool {
	for k := len(columns) - 1; k >= 0; k-- {
		others := slices.Concat(columns[:k], columns[k+1:])
		needed := false
		for place := range n {
			needed = needed || columns[k][place] && needs(columns[k], others, place)
		}
		if !needed {
			columns = others
		}
	}
	for k := len(columns) - 1; k >= 0; k-- {
		others := slices.Concat(columns[:k], columns[k+1:])
		for place := n - 1; place >= 0; place-- {
			if columns[k][place] && !needs(columns[k], others, place) {
				columns[k][place] = false
			}
		}
	}
	return columns
}

// needs reports whether the member at place is with another in this column and
// in none of the others; or in no other column at all.
func needs(column []bool, others [][]bool, place int) bool {
	for mate, in := range column { // itself included: then "together" is having a letter
		together := func(o []bool) bool { return o[place] && o[mate] }
		if in && !slices.ContainsFunc(others, together) {
			return true
		}
	}
	return false
}

// byFirstMember orders columns by the first place that one has and the other
// has not.
func byFirstMember(a, b []bool) int {
	for place := range a {
		if a[place] != b[place] {
			if a[place] {
				return -1
			}
			return 1
		}
	}
	return 0
}

// after is the letter that follows.
func after(letter rune) rune {
	switch {
	case letter == 'z':
		return 'A'
	case letter == 'Z':
		return 'α'
	case letter < 'Z':
		return letter + 1
	}
	letter++
	for !unicode.IsLower(letter) {
		letter++
	}
	return letter
}

package stats

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLetters(t *testing.T) {
	pairs := func(ps ...[2]int) func(i, j int) bool {
		return func(i, j int) bool {
			return slices.Contains(ps, [2]int{i, j}) || slices.Contains(ps, [2]int{j, i})
		}
	}
	everybody := func(i, j int) bool { return true }
	tests := []struct {
		name  string
		order []int
		apart func(i, j int) bool
		want  string // of items 0, 1, 2 …
	}{
		{"nobody gets none", nil, everybody, ""},
		{"one is alone", []int{0}, everybody, "a"},
		{"all alike share one", []int{0, 1, 2}, pairs(), "a a a"},
		{"all apart have each their own", []int{0, 1, 2}, everybody, "a b c"},
		{"the first in order has a", []int{2, 0, 1}, everybody, "b c a"},
		{"the middle one is apart from neither end", []int{0, 1, 2}, pairs([2]int{0, 2}), "a ab b"},
		{"two groups", []int{3, 1, 0, 2}, pairs([2]int{3, 0}, [2]int{3, 2}, [2]int{1, 0}, [2]int{1, 2}), "b a b a"},
		// Insert and absorb alone leave the eight faces of an octahedron: each of
		// its edges lies in two of them, and every second face will do.
		{"letters that others make superfluous are swept", []int{0, 1, 2, 3, 4, 5},
			pairs([2]int{0, 3}, [2]int{1, 4}, [2]int{2, 5}), "ab ac ad cd bd bc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(Letters(tt.order, tt.apart), " ")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if err := display(tt.order, tt.apart, Letters(tt.order, tt.apart)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Relations drawn at random, few pairs apart to nearly all, and such as
// intervals make.
func TestLettersOfAnyRelation(t *testing.T) {
	draw := rand.New(rand.NewPCG(6, 0))
	for k := range 600 {
		n := 1 + draw.IntN(12)
		order := draw.Perm(n)
		relation := make([][]bool, n)
		for i := range relation {
			relation[i] = make([]bool, n)
		}
		share := draw.Float64()
		at := make([]float64, n)
		for i := range at {
			at[i] = draw.Float64()
		}
		for i := range n {
			for j := range i {
				apart := draw.Float64() < share
				if k%2 == 0 {
					apart = max(at[i]-at[j], at[j]-at[i]) > share
				}
				relation[i][j], relation[j][i] = apart, apart
			}
		}
		apart := func(i, j int) bool { return relation[i][j] }
		letters := Letters(order, apart)
		if err := display(order, apart, letters); err != nil {
			t.Fatalf("order %v, relation %v: %v", order, relation, err)
		}
		if again := Letters(order, apart); !slices.Equal(again, letters) {
			t.Fatalf("order %v, relation %v: %v, and another time %v", order, relation, letters, again)
		}
		// Which letter is whose depends on the order, not on the numbers that
		// items happen to have.
		place := make([]int, n)
		for p, item := range order {
			place[item] = p
		}
		straight := make([]int, n)
		for i := range straight {
			straight[i] = i
		}
		renumbered := Letters(straight, func(i, j int) bool { return relation[order[i]][order[j]] })
		for item, p := range place {
			if renumbered[p] != letters[item] {
				t.Fatalf("order %v, relation %v: item %d is %q, and %q where items are numbered in order", order, relation, item, letters[item], renumbered[p])
			}
		}
	}
}

// display says what is wrong with letters.
func display(order []int, apart func(i, j int) bool, letters []string) error {
	if len(letters) != len(order) {
		return fmt.Errorf("%d items have %d sets of letters", len(order), len(letters))
	}
	shows := func(letters []string) error {
		for i := range letters {
			if letters[i] == "" {
				return fmt.Errorf("item %d has no letter", i)
			}
			for j := range i {
				if shared := strings.ContainsAny(letters[i], letters[j]); shared == apart(j, i) {
					return fmt.Errorf("items %d and %d: apart is %v, and they have %q and %q", j, i, apart(j, i), letters[j], letters[i])
				}
			}
		}
		return nil
	}
	if err := shows(letters); err != nil {
		return err
	}
	next := 'a'
	holders := make(map[rune][]int)
	for _, item := range order {
		for _, letter := range letters[item] {
			if len(holders[letter]) == 0 {
				if letter != next {
					return fmt.Errorf("item %d brings %c where %c is next: %v in order %v", item, letter, next, letters, order)
				}
				next = after(next)
			}
			holders[letter] = append(holders[letter], item)
		}
	}
	for a, of := range holders {
		for b, others := range holders {
			within := !slices.ContainsFunc(of, func(i int) bool { return !slices.Contains(others, i) })
			if a != b && within {
				return fmt.Errorf("letter %c is contained in %c: %v", a, b, letters)
			}
		}
		// Neither the letter nor any single holding of it can be done without.
		for _, item := range of {
			less := slices.Clone(letters)
			less[item] = strings.ReplaceAll(less[item], string(a), "")
			if shows(less) == nil {
				return fmt.Errorf("item %d can do without %c: %v", item, a, letters)
			}
		}
	}
	return nil
}

func TestLettersAfterZ(t *testing.T) {
	order := make([]int, 120)
	for i := range order {
		order[i] = i
	}
	letters := Letters(order, func(i, j int) bool { return true })
	for place, want := range map[int]string{0: "a", 25: "z", 26: "A", 51: "Z", 52: "α", 53: "β"} {
		if letters[place] != want {
			t.Errorf("letter %d is %q, want %q", place, letters[place], want)
		}
	}
	seen := make(map[string]bool)
	for _, l := range letters {
		if seen[l] || utf8.RuneCountInString(l) != 1 {
			t.Errorf("letter %q is there twice, or no single rune", l)
		}
		seen[l] = true
	}
}

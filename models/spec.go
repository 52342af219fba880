package models

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/agext/levenshtein"
)

// A Param is a parameter of a model: a whole number between Min and Max, or
// one of the words in OneOf.
type Param struct {
	Name     string
	Doc      string // one line, without a full stop
	Default  string
	Min, Max int
	OneOf    []string
}

// Allowed says in words what values are.
func (p Param) Allowed() string {
	if p.OneOf != nil {
		return strings.Join(p.OneOf, "|")
	}
	return fmt.Sprintf("%d to %d", p.Min, p.Max)
}

// check returns value in its canonical form.
func (p Param) check(value string) (string, error) {
	if p.OneOf != nil {
		if !slices.Contains(p.OneOf, value) {
			return "", fmt.Errorf("%s=%s: must be %s", p.Name, value, p.Allowed())
		}
		return value, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < p.Min || n > p.Max {
		return "", fmt.Errorf("%s=%s: must be a whole number, %s", p.Name, value, p.Allowed())
	}
	return strconv.Itoa(n), nil
}

// A Spec names a model and gives its parameters.
type Spec struct {
	Model  string
	values []string // one for each parameter of the model, in their order, in canonical form
	params []Param
}

// String is the spec in its shortest form: only what differs from the
// defaults. It parses back to the same spec.
func (s Spec) String() string {
	return s.format(func(i int) bool { return s.values[i] != s.params[i].Default })
}

// Whole is the spec with every parameter.
func (s Spec) Whole() string { return s.format(func(int) bool { return true }) }

// Display is the spec as tables show it: with its first parameter, which is
// the one that gives the model its size, and what differs from the defaults.
func (s Spec) Display() string {
	return s.format(func(i int) bool { return i == 0 || s.values[i] != s.params[i].Default })
}

func (s Spec) format(keep func(i int) bool) string {
	var b strings.Builder
	b.WriteString(s.Model)
	sep := ":"
	for i, p := range s.params {
		if keep(i) {
			b.WriteString(sep + p.Name + "=" + s.values[i])
			sep = ","
		}
	}
	return b.String()
}

// Text returns the value of a parameter. A name that the model doesn't have is
// a mistake in the program.
func (s Spec) Text(name string) string {
	i := slices.IndexFunc(s.params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		panic(fmt.Sprintf("model %s has no parameter %q", s.Model, name))
	}
	return s.values[i]
}

// Int returns the value of a parameter that is a number.
func (s Spec) Int(name string) int {
	n, err := strconv.Atoi(s.Text(name))
	if err != nil {
		panic(fmt.Sprintf("parameter %q of model %s is no number", name, s.Model))
	}
	return n
}

// Has reports whether the model has a parameter of that name.
func (s Spec) Has(name string) bool {
	return slices.ContainsFunc(s.params, func(p Param) bool { return p.Name == name })
}

// Bounds are the limits that the parameters promise.
func (s Spec) Bounds() Bounds {
	if m, ok := Find(s.Model); ok && m.bounds != nil {
		return m.bounds(s)
	}
	return Bounds{}
}

// Parse reads a spec, such as "pool:workers=64,queue=128". An unknown model or
// parameter, a value out of bounds and a parameter given twice are errors that
// say what would be right.
func Parse(spec string) (Spec, error) {
	_, s, err := parse(spec)
	return s, err
}

func parse(spec string) (Model, Spec, error) {
	name, list, parameters := strings.Cut(spec, ":")
	i := slices.IndexFunc(catalogue, func(m Model) bool { return m.Name == name })
	if i < 0 {
		return Model{}, Spec{}, unknown("no model", name, "models", names(catalogue, func(m Model) string { return m.Name }))
	}
	m := catalogue[i]
	s := Spec{Model: name, params: m.Params}
	for _, p := range m.Params {
		s.values = append(s.values, p.Default)
	}
	if !parameters {
		return m, s, nil
	}
	given := map[string]bool{}
	for pair := range strings.SplitSeq(list, ",") {
		key, value, ok := strings.Cut(pair, "=")
		j := slices.IndexFunc(m.Params, func(p Param) bool { return p.Name == key })
		switch {
		case len(m.Params) == 0:
			return Model{}, Spec{}, fmt.Errorf("model %s has no parameters, but %q gives one", name, spec)
		case j < 0:
			return Model{}, Spec{}, unknown("model "+name+" has no parameter", key, "parameters", names(m.Params, func(p Param) string { return p.Name }))
		case !ok:
			return Model{}, Spec{}, fmt.Errorf("model %s: %q gives %s no value (%s=%s)", name, spec, key, key, m.Params[j].Default)
		case given[key]:
			return Model{}, Spec{}, fmt.Errorf("model %s: %q gives %s twice", name, spec, key)
		}
		v, err := m.Params[j].check(value)
		if err != nil {
			return Model{}, Spec{}, fmt.Errorf("model %s: %w", name, err)
		}
		s.values[j], given[key] = v, true
	}
	return m, s, nil
}

func names[T any](list []T, name func(T) string) []string {
	var all []string
	for _, v := range list {
		all = append(all, name(v))
	}
	return all
}

// unknown is the error for a name that is none of the right ones. It guesses
// the one that was meant where a name is near.
func unknown(what, name, kind string, right []string) error {
	guess := ""
	if best := slices.MinFunc(right, func(a, b string) int { return cmp.Compare(edits(name, a), edits(name, b)) }); edits(name, best) <= 2 {
		guess = fmt.Sprintf("; did you mean %q?", best)
	}
	return fmt.Errorf("%s %q%s (%s: %s)", what, name, guess, kind, strings.Join(right, ", "))
}

// edits is how many slips of the keyboard lie between a and b.
func edits(a, b string) int { return levenshtein.Distance(a, b, nil) }

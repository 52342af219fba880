package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// notNumbers reports whether an encoding stopped at a figure for which JSON has
// no word.
func notNumbers(err error) bool {
	_, ok := errors.AsType[*json.UnsupportedValueError](err)
	return ok
}

// finite is v without the figures that are NaN or infinite, and names, by key,
// what they were. Such a figure is a fault of ours (a division by nothing, the
// logarithm of 0, an overflow); it must not cost the record that shows it. One
// that may be missing is null, as if it hadn't been measured; so is an interval
// or a spread of which any part is not a number. What can't be missing is 0. v
// is not changed.
func finite[T any](v T, known []string) (T, []string) {
	f := finder{said: slices.Clone(known)}
	out, _, _ := f.clean(reflect.ValueOf(v), "")
	return out.Interface().(T), f.said
}

type finder struct{ said []string }

// figures are those whose parts mean nothing without the others.
var figures = []reflect.Type{reflect.TypeFor[Spread](), reflect.TypeFor[Percentiles](), reflect.TypeFor[Interval](), reflect.TypeFor[Ratio]()}

var marshaler = reflect.TypeFor[json.Marshaler]()

// clean returns v itself where nothing is wrong with it. It is zeroed where it
// is a figure that is no number, or holds one that can't be null.
func (f *finder) clean(v reflect.Value, path string) (out reflect.Value, changed, zeroed bool) {
	if v.Type().Implements(marshaler) { // they write no bare figures
		return v, false, false
	}
	switch v.Kind() {
	case reflect.Float64:
		if x := v.Float(); math.IsNaN(x) || math.IsInf(x, 0) {
			if what := fmt.Sprintf("%s is %v", path, x); !slices.Contains(f.said, what) {
				f.said = append(f.said, what)
			}
			return reflect.Zero(v.Type()), true, true
		}
	case reflect.Pointer:
		if v.IsNil() {
			break
		}
		in, changed, zeroed := f.clean(v.Elem(), path)
		switch {
		case !changed:
			return v, false, false
		case zeroed && (in.Kind() == reflect.Float64 || slices.Contains(figures, in.Type())):
			return reflect.Zero(v.Type()), true, false
		}
		p := reflect.New(in.Type())
		p.Elem().Set(in)
		return p, true, zeroed
	case reflect.Slice:
		out = v
		for i := range v.Len() {
			in, c, z := f.clean(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
			if !c {
				continue
			}
			if !changed {
				out, changed = reflect.MakeSlice(v.Type(), v.Len(), v.Len()), true
				reflect.Copy(out, v)
			}
			out.Index(i).Set(in)
			zeroed = zeroed || z
		}
		return out, changed, zeroed
	case reflect.Struct:
		out = v
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			in, c, z := f.clean(v.Field(i), strings.TrimPrefix(path+"."+key, "."))
			if !c {
				continue
			}
			if !changed {
				out, changed = reflect.New(v.Type()).Elem(), true
				out.Set(v)
			}
			out.Field(i).Set(in)
			zeroed = zeroed || z
		}
		return out, changed, zeroed
	}
	return v, false, false
}

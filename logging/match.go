package logging

import (
	"slices"
	"strings"
	"time"
)

// Match implements Filter.
func (All) Match(*Doc) bool { return true }

// Match implements Filter.
func (None) Match(*Doc) bool { return false }

// Match implements Filter.
func (f And) Match(d *Doc) bool {
	for _, p := range f {
		if !p.Match(d) {
			return false
		}
	}
	return true
}

// Match implements Filter.
func (f Or) Match(d *Doc) bool {
	want := max(f.Min, 1)
	for _, p := range f.Of {
		if p.Match(d) {
			if want--; want == 0 {
				return true
			}
		}
	}
	return false
}

// Match implements Filter.
func (f Not) Match(d *Doc) bool { return !f.Of.Match(d) }

// Match implements Filter.
func (f IDs) Match(d *Doc) bool { return slices.Contains(f, d.Record.ID) }

// Match implements Filter. An object has a value where one of its fields has.
func (f Exists) Match(d *Doc) bool {
	yes := func(string, []Value) bool { return true }
	if f.Field.Name == "" || strings.Contains(f.Field.Name, "*") {
		return d.each(f.Field, yes)
	}
	if len(d.values(f.Field.Name)) > 0 {
		return true
	}
	prefix := f.Field.Name + "."
	return d.each(Field{}, func(name string, _ []Value) bool { return strings.HasPrefix(name, prefix) })
}

// any reports whether fn is true for one value of the field; exact says how the
// field's strings compare.
func (d *Doc) any(f Field, fn func(v Value, exact bool) bool) bool {
	some := func(name string, vals []Value) bool {
		exact := FieldExact(name, f)
		for _, v := range vals {
			if fn(v, exact) {
				return true
			}
		}
		if name == fieldLevel {
			for _, v := range d.spelled() {
				if fn(v, exact) {
					return true
				}
			}
		}
		return false
	}
	if f.Name == "" || strings.Contains(f.Name, "*") {
		return d.each(f, some)
	}
	return some(f.Name, d.values(f.Name))
}

// Match implements Filter.
func (f Term) Match(d *Doc) bool { return d.any(f.Field, f.Test()) }

// Match implements Filter.
func (f Phrase) Match(d *Doc) bool { return d.any(f.Field, f.Test()) }

// Match implements Filter.
func (f Pattern) Match(d *Doc) bool { return d.any(f.Field, f.Test()) }

// Match implements Filter.
func (f Range) Match(d *Doc) bool { return d.any(f.Field, f.Test()) }

// Matcher prepares a filter: it gives what Match does, faster where many
// documents are looked at. Safe for concurrent use, with a Doc for each.
func Matcher(f Filter) func(*Doc) bool {
	switch f := f.(type) {
	case And:
		parts := matchers(f)
		return func(d *Doc) bool {
			for _, p := range parts {
				if !p(d) {
					return false
				}
			}
			return true
		}
	case Or:
		parts := matchers(f.Of)
		return func(d *Doc) bool {
			want := max(f.Min, 1)
			for _, p := range parts {
				if p(d) {
					if want--; want == 0 {
						return true
					}
				}
			}
			return false
		}
	case Not:
		of := Matcher(f.Of)
		return func(d *Doc) bool { return !of(d) }
	case Exists:
		return f.Match
	case Leaf:
		of, test := f.Of(), f.Test()
		return func(d *Doc) bool { return d.any(of, test) }
	}
	return f.Match
}

func matchers(parts []Filter) []func(*Doc) bool {
	out := make([]func(*Doc) bool, len(parts))
	for i, p := range parts {
		out[i] = Matcher(p)
	}
	return out
}

func isTime(b *Bound) bool { return b != nil && b.Value.Kind == KindTime }

// holds reports whether a value is comparable with the bounds and between them.
func (f Range) holds(v Value) bool {
	if f.Min == nil && f.Max == nil {
		return v.Kind != Missing
	}
	if f.Min != nil {
		if c, ok := compareBound(v, f.Min.Value); !ok || c < 0 || c == 0 && !f.Min.Inclusive {
			return false
		}
	}
	if f.Max != nil {
		if c, ok := compareBound(v, f.Max.Value); !ok || c > 0 || c == 0 && !f.Max.Inclusive {
			return false
		}
	}
	return true
}

// compareBound compares a value with a bound; ok is false where the two are of
// kinds that do not compare. A string that is a date compares with a time.
func compareBound(v, bound Value) (c int, ok bool) {
	if v.Kind == KindString && bound.Kind == KindTime {
		var t time.Time
		if t, ok = ParseTime(v.Str); !ok {
			return 0, false
		}
		v = Time(t)
	}
	if v.rank() != bound.rank() || v.Kind == Missing {
		return 0, false
	}
	return Compare(v, bound), true
}

package logging

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what of a document is searchable. What lies beyond stays in the
// source and is returned with it.
const (
	depthMax     = 64
	valuesMax    = 1 << 16
	pathBytesMax = 1 << 10 // of a dotted name: many under one long one would take all memory
)

// flat is the values of a document and, place by place, their dotted names.
type flat struct {
	names []string
	vals  []Value
	cut   bool // there were more than valuesMax
}

// flatten gives the values of a JSON object: nested objects under dotted names,
// the elements of arrays (of objects too) as several values of one name, null
// as no value. A key that stands twice in one object counts where it stands
// last, as JSON readers do; a dotted key beside a nested object adds to it.
// It stops at the first byte that is not JSON, and never panics. The memory of
// into is used again; the strings share that of src.
func flatten(src string, into flat) flat {
	f := flattener{s: src, out: flat{names: into.names[:0], vals: into.vals[:0]}}
	f.space()
	if f.peek() == '{' {
		f.object("", 1)
	}
	if f.dropped {
		kept := 0
		for i, name := range f.out.names {
			if name != "" {
				f.out.names[kept], f.out.vals[kept] = name, f.out.vals[i]
				kept++
			}
		}
		f.out.names, f.out.vals = f.out.names[:kept], f.out.vals[:kept]
	}
	return f.out
}

type flattener struct {
	s       string
	i       int
	out     flat
	keys    []keySpan // of the objects that are open
	dropped bool      // some of out were overtaken by a later key: their name is ""
}

// keySpan is a key of an object and what it put out.
type keySpan struct {
	key      string
	from, to int
}

// linearKeysMax is the size of an object from which on its keys are looked up
// in a map, so that wide objects do not cost quadratic time.
const linearKeysMax = 16

func (f *flattener) object(prefix string, depth int) bool {
	f.i++ // {
	base := len(f.keys)
	defer func() { f.keys = f.keys[:base] }()
	var seen map[string]int
	if f.space(); f.peek() == '}' {
		f.i++
		return true
	}
	for {
		if f.space(); f.peek() != '"' {
			return false
		}
		key, ok := f.str()
		if !ok {
			return false
		}
		if f.space(); f.peek() != ':' {
			return false
		}
		f.i++
		from := len(f.out.names)
		switch {
		case len(key) > pathBytesMax || prefix != "" && len(prefix)+1+len(key) > pathBytesMax:
			ok = f.unnamed()
		case prefix != "":
			ok = f.value(prefix+"."+key, depth)
		default:
			ok = f.value(key, depth)
		}
		f.remember(base, &seen, keySpan{key, from, len(f.out.names)})
		if !ok {
			return false
		}
		f.space()
		c := f.peek()
		f.i++
		if c == '}' {
			return true
		}
		if c != ',' {
			return false
		}
	}
}

// remember notes a key of the innermost object and drops what an equal earlier
// one put out.
func (f *flattener) remember(base int, seen *map[string]int, k keySpan) {
	at := -1
	if *seen != nil {
		if i, ok := (*seen)[k.key]; ok {
			at = i
		}
	} else {
		for i := base; i < len(f.keys); i++ {
			if f.keys[i].key == k.key {
				at = i
				break
			}
		}
	}
	if at >= 0 {
		for i := f.keys[at].from; i < f.keys[at].to; i++ {
			f.out.names[i] = ""
			f.dropped = true
		}
		f.keys[at] = k
		return
	}
	f.keys = append(f.keys, k)
	switch n := len(f.keys) - base; {
	case *seen != nil:
		(*seen)[k.key] = len(f.keys) - 1
	case n > linearKeysMax:
		*seen = make(map[string]int, 2*n)
		for i := base; i < len(f.keys); i++ {
			(*seen)[f.keys[i].key] = i
		}
	}
}

func (f *flattener) value(name string, depth int) bool {
	f.space()
	switch c := f.peek(); {
	case c == '{' && depth < depthMax:
		return f.object(name, depth+1)
	case c == '[' && depth < depthMax:
		return f.array(name, depth+1)
	case c == '{' || c == '[':
		return f.skip()
	case c == '"':
		s, ok := f.str()
		if ok {
			f.emit(name, String(s))
		}
		return ok
	case c == 't':
		return f.literal("true") && f.emit(name, Boolean(true))
	case c == 'f':
		return f.literal("false") && f.emit(name, Boolean(false))
	case c == 'n':
		return f.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		f.emit(name, f.number())
		return true
	}
	return false
}

func (f *flattener) array(name string, depth int) bool {
	f.i++ // [
	if f.space(); f.peek() == ']' {
		f.i++
		return true
	}
	for {
		if !f.value(name, depth) {
			return false
		}
		f.space()
		c := f.peek()
		f.i++
		if c == ']' {
			return true
		}
		if c != ',' {
			return false
		}
	}
}

// emit puts a value out. A document's empty key has no name to search it by.
func (f *flattener) emit(name string, v Value) bool {
	switch {
	case name == "":
	case len(f.out.names) == valuesMax:
		f.out.cut = true
	default:
		f.out.names = append(f.out.names, name)
		f.out.vals = append(f.out.vals, v)
	}
	return true
}

// number reads what looks like a number: an int64 exactly, else a float64; what
// neither can hold is kept as it was written, a string.
func (f *flattener) number() Value {
	from, whole := f.i, true
	for ; f.i < len(f.s); f.i++ {
		switch c := f.s[f.i]; {
		case c == '.' || c == 'e' || c == 'E' || c == '+':
			whole = false
			continue
		case c == '-' || '0' <= c && c <= '9':
			continue
		}
		break
	}
	text := f.s[from:f.i]
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return Int(n)
		}
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil {
		return Float(x)
	}
	return String(text)
}

// str reads a string; without escapes it shares the source's memory.
func (f *flattener) str() (string, bool) {
	from := f.i + 1
	n := strings.IndexByte(f.s[from:], '"')
	if n < 0 {
		return "", false
	}
	if s := f.s[from : from+n]; strings.IndexByte(s, '\\') < 0 {
		f.i = from + n + 1
		return s, true
	}
	var b strings.Builder
	for i := from; i < len(f.s); {
		switch c := f.s[i]; {
		case c == '"':
			f.i = i + 1
			return b.String(), true
		case c != '\\':
			b.WriteByte(c)
			i++
		case i+1 >= len(f.s):
			return "", false
		case f.s[i+1] == 'u':
			r, n := unescapeRune(f.s[i:])
			if n == 0 {
				return "", false
			}
			b.WriteRune(r)
			i += n
		default:
			k := strings.IndexByte(`"\/bfnrt`, f.s[i+1])
			if k < 0 {
				return "", false
			}
			b.WriteByte("\"\\/\b\f\n\r\t"[k])
			i += 2
		}
	}
	return "", false
}

// unescapeRune reads \uXXXX, or two of them that make a pair; n is 0 where it
// is none. A lone half of a pair reads as U+FFFD.
func unescapeRune(s string) (r rune, n int) {
	r1, ok := hex4(s)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r1) {
		return r1, 6
	}
	if r2, ok := hex4(s[6:]); ok {
		if r := utf16.DecodeRune(r1, r2); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// unnamed passes over a value.
func (f *flattener) unnamed() bool {
	f.space()
	if c := f.peek(); c == '{' || c == '[' {
		return f.skip()
	}
	return f.value("", depthMax)
}

// skip passes over an object or array without looking into it.
func (f *flattener) skip() bool {
	open := 0
	for f.i < len(f.s) {
		switch f.s[f.i] {
		case '"':
			if _, ok := f.str(); !ok {
				return false
			}
			continue
		case '{', '[':
			open++
		case '}', ']':
			if open--; open == 0 {
				f.i++
				return true
			}
		}
		f.i++
	}
	return false
}

func (f *flattener) literal(s string) bool {
	if !strings.HasPrefix(f.s[f.i:], s) {
		return false
	}
	f.i += len(s)
	return true
}

func (f *flattener) peek() byte {
	if f.i < len(f.s) {
		return f.s[f.i]
	}
	return 0
}

func (f *flattener) space() {
	for f.i < len(f.s) {
		switch f.s[f.i] {
		case ' ', '\t', '\n', '\r':
			f.i++
		default:
			return
		}
	}
}

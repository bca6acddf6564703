package logging

import (
	"strconv"
	"strings"
	"time"
)

// Leaf is a filter that looks at the values of one field: Term, Phrase,
// Pattern, Range and Exists. A document matches where one value of the field
// does, by Test. Two fields have more to look at than Doc.Values gives:
//
//   - level: what the sender wrote for it is looked at too (Doc.Match does so),
//     where the stamped level was read from it.
//   - Exists on a plain name matches, too, where a field below it ("name.") has a value.
//
// All that is prepared (lower-cased text, compiled patterns) is prepared by the
// call that gives a function; the functions are safe for concurrent use.
type Leaf interface {
	Filter
	// Of is the field; its name may be "" or hold a *, see Doc.Values.
	Of() Field
	// Test gives the meaning for one value. exact says whether a string is
	// compared as a whole or by its tokens: FieldExact of the name the value
	// was found under.
	Test() func(v Value, exact bool) bool
	// TokenTest gives the meaning for one token of an analysed string, in any
	// case: a string that is not exact matches where one of its tokens is
	// accepted. ok is false where single tokens do not tell: then Test decides.
	TokenTest() (accept func(token string) bool, ok bool)
	// Literal tells what every string that matches has in it.
	Literal(exact bool) Literal
}

// Literal is what a string must have in it to match a Leaf.
type Literal struct {
	// Text is in the matching token (not exact) or value (exact) once that is
	// in lower case, character by character as unicode.ToLower does: U+212A
	// becomes an ASCII k, so folding ASCII letters alone decides only ASCII
	// strings. "" where nothing is known.
	Text string
	// Digits tells of the ASCII digits of the matching token or value.
	Digits Digits
}

// Digits tells whether there are ASCII digits in something.
type Digits uint8

// What may be known.
const (
	DigitsUnknown Digits = iota
	DigitsSome           // at least one
	DigitsNone
)

// FieldExact reports whether strings found under a name are compared as a whole
// by a filter on f: "" and patterns among the names find a level in any case.
func FieldExact(name string, f Field) bool {
	return f.Exact || IsKeyword(name) && name != fieldLevel
}

var (
	_ Leaf = Term{}
	_ Leaf = Phrase{}
	_ Leaf = Pattern{}
	_ Leaf = Range{}
	_ Leaf = Exists{}
)

// Of implements Leaf.
func (f Term) Of() Field { return f.Field }

// Of implements Leaf.
func (f Phrase) Of() Field { return f.Field }

// Of implements Leaf.
func (f Pattern) Of() Field { return f.Field }

// Of implements Leaf.
func (f Range) Of() Field { return f.Field }

// Of implements Leaf.
func (f Exists) Of() Field { return f.Field }

// Test implements Leaf.
func (f Term) Test() func(v Value, exact bool) bool {
	text := f.token()
	var other equalTest
	return other.of(f.Text, func(s string, exact bool) bool {
		switch {
		case exact && f.Fold:
			return isLower(s, text)
		case exact:
			return s == f.Text
		}
		return hasToken(s, text)
	})
}

// token is what a token in lower case must be.
func (f Term) token() string {
	if f.Fold {
		return lower(f.Text)
	}
	return f.Text
}

// TokenTest implements Leaf.
func (f Term) TokenTest() (func(token string) bool, bool) {
	text := f.token()
	return func(token string) bool { return isLower(token, text) }, true
}

// Literal implements Leaf.
func (f Term) Literal(bool) Literal {
	text := lower(f.Text)
	return Literal{Text: text, Digits: digitsOf(text)}
}

// Test implements Leaf.
func (f Phrase) Test() func(v Value, exact bool) bool {
	var other equalTest
	return other.of(f.Raw, func(s string, exact bool) bool {
		switch {
		case exact && f.LastPrefix:
			return strings.HasPrefix(s, f.Raw)
		case exact:
			return s == f.Raw
		case len(f.Tokens) == 0:
			return false
		}
		return f.inText(s)
	})
}

// TokenTest implements Leaf: a phrase of one token.
func (f Phrase) TokenTest() (func(token string) bool, bool) {
	if len(f.Tokens) != 1 {
		return nil, false
	}
	want := f.Tokens[0]
	if f.LastPrefix {
		return func(token string) bool { return strings.HasPrefix(lower(token), want) }, true
	}
	return func(token string) bool { return isLower(token, want) }, true
}

// Literal implements Leaf: of a phrase in tokens the longest.
func (f Phrase) Literal(exact bool) Literal {
	if exact {
		text := lower(f.Raw)
		if f.LastPrefix {
			return Literal{Text: text, Digits: digitsIn(text)}
		}
		return Literal{Text: text, Digits: digitsOf(text)}
	}
	var l Literal
	for i, t := range f.Tokens {
		if len(t) <= len(l.Text) {
			continue
		}
		l = Literal{Text: t, Digits: digitsOf(t)}
		if f.LastPrefix && i == len(f.Tokens)-1 {
			l.Digits = digitsIn(t)
		}
	}
	return l
}

// Test implements Leaf.
func (f Pattern) Test() func(v Value, exact bool) bool {
	fits, words := f.fits(), f.ofWords()
	return func(v Value, exact bool) bool {
		switch {
		case v.Kind == Missing:
			return false
		case v.Kind != KindString:
			return f.Kind != Fuzzy && fits(v.Text())
		case exact:
			return fits(v.Str)
		case words:
			for from, to := range Words(v.Str) {
				if fits(lower(v.Str[from:to])) {
					return true
				}
			}
			return false
		}
		for from, to := nextToken(v.Str, 0); from < to; from, to = nextToken(v.Str, to) {
			if fits(lower(v.Str[from:to])) {
				return true
			}
		}
		return false
	}
}

// TokenTest implements Leaf.
func (f Pattern) TokenTest() (func(token string) bool, bool) {
	if f.ofWords() {
		return nil, false
	}
	fits := f.fits()
	return func(token string) bool { return fits(lower(token)) }, true
}

// Test implements Leaf.
func (f Range) Test() func(v Value, exact bool) bool {
	timed := isTime(f.Min) || isTime(f.Max)
	return func(v Value, exact bool) bool {
		if v.Kind != KindString || exact {
			return f.holds(v)
		}
		if timed && f.holds(v) {
			return true
		}
		for from, to := nextToken(v.Str, 0); from < to; from, to = nextToken(v.Str, to) {
			if f.holds(String(lower(v.Str[from:to]))) {
				return true
			}
		}
		return false
	}
}

// TokenTest implements Leaf: where no bound is a time, which whole values
// compare with.
func (f Range) TokenTest() (func(token string) bool, bool) {
	if isTime(f.Min) || isTime(f.Max) {
		return nil, false
	}
	return func(token string) bool { return f.holds(String(lower(token))) }, true
}

// Literal implements Leaf.
func (f Range) Literal(bool) Literal { return Literal{} }

// Test implements Leaf.
func (f Exists) Test() func(v Value, exact bool) bool {
	return func(v Value, _ bool) bool { return v.Kind != Missing }
}

// TokenTest implements Leaf: a string without tokens is a value, too.
func (f Exists) TokenTest() (func(token string) bool, bool) { return nil, false }

// Literal implements Leaf.
func (f Exists) Literal(bool) Literal { return Literal{} }

// equalTest is a text read as whatever a value may be that is not a string.
type equalTest struct {
	text   string
	time   time.Time
	isTime bool
	num    Value // Missing: it is no number
}

// of gives a test of values: strings by str, all others where text reads as an
// equal one.
func (e equalTest) of(text string, str func(s string, exact bool) bool) func(Value, bool) bool {
	e.text = text
	e.time, e.isTime = ParseTime(text)
	if text == "" || strings.IndexByte("+-.0123456789iInN", text[0]) < 0 {
		// No number, and no error made to say so.
	} else if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		e.num = Int(n)
	} else if x, err := strconv.ParseFloat(text, 64); err == nil {
		e.num = Float(x)
	}
	return func(v Value, exact bool) bool {
		if v.Kind == KindString {
			return str(v.Str, exact)
		}
		return e.equals(v)
	}
}

func (e *equalTest) equals(v Value) bool {
	switch {
	case v.Kind == Missing:
		return false
	case v.Kind == KindBool:
		return e.text == strconv.FormatBool(v.Bool)
	case v.Kind == KindTime && e.isTime:
		return e.time.Equal(v.Time)
	}
	return e.num.Kind != Missing && Compare(v, e.num) == 0
}

// digitsOf tells of the whole of a matching string.
func digitsOf(s string) Digits {
	if strings.ContainsAny(s, "0123456789") {
		return DigitsSome
	}
	return DigitsNone
}

// digitsIn tells of a string that has s in it.
func digitsIn(s string) Digits {
	if digitsOf(s) == DigitsSome {
		return DigitsSome
	}
	return DigitsUnknown
}

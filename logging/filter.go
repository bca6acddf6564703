package logging

import (
	"regexp"
	"strings"
)

// Field names what a filter, a sort key or an aggregation looks at.
type Field struct {
	Name  string // dotted path; "" means every field, a * in it any run of characters
	Exact bool   // whole values, as asked for by ".keyword" or by a stamped name
}

// FieldOf reads a field as clients spell it: "f.keyword" is f, exact; a stamped
// name and its aliases are always exact; "*" and "_all" are every field.
func FieldOf(name string) Field {
	switch {
	case name == "*" || name == "_all" || name == "":
		return Field{}
	case strings.HasSuffix(name, ".keyword"):
		return Field{Name: strings.TrimSuffix(name, ".keyword"), Exact: true}
	}
	return Field{Name: name, Exact: IsKeyword(name)}
}

// Filter says which documents match. The set of types is closed: everybody who
// walks over filters must know every one of them.
type Filter interface {
	// Match is the filter's meaning.
	Match(*Doc) bool
	filter()
}

type (
	// All matches every document.
	All struct{}
	// None matches no document.
	None struct{}
	// And matches where every part does; an empty one matches everything.
	And []Filter
	// Or matches where at least Min parts do (1 where Min is 0); an empty one
	// matches nothing.
	Or struct {
		Of  []Filter
		Min int
	}
	// Not matches where the part does not.
	Not struct{ Of Filter }

	// Term compares single values. A string value matches where it is equal
	// (Field.Exact), else where one of its tokens is Text. A number, truth value
	// or date matches where Text reads as an equal one. Fold ignores case.
	Term struct {
		Field Field
		Text  string
		Fold  bool
	}
	// Phrase matches where the tokens stand in a value in this order, with at
	// most Slop moves; with LastPrefix the last one need only be a beginning.
	// On exact fields the Raw text must be equal (or, with LastPrefix, begin the value).
	// On other types than strings Raw is compared as Term does.
	Phrase struct {
		Field      Field
		Tokens     []string
		Raw        string
		Slop       int
		LastPrefix bool
	}
	// Pattern matches where a whole value (Field.Exact) or one of its tokens
	// fits; a pattern with a dot in it (or what else joins tokens) where one of its
	// words does, see Words. Kind says how Text is read.
	Pattern struct {
		Field Field
		Kind  PatternKind
		Text  string
		Fold  bool

		re, folded *regexp.Regexp // of NewRegexp
	}
	// Range matches where a value of a comparable type lies between the bounds. A
	// string that is a date (see ParseTime) compares with a time.
	Range struct {
		Field    Field
		Min, Max *Bound
	}
	// Exists matches where the field has a value.
	Exists struct{ Field Field }
	// IDs matches the documents with one of these ids.
	IDs []string
)

// PatternKind is how a Pattern's text is read.
type PatternKind uint8

// The kinds of patterns. All are anchored at both ends.
const (
	_        PatternKind = iota
	Prefix               // the beginning
	Wildcard             // * any run, ? any one character, \ escapes
	Regexp               // Lucene's regular expressions, as far as they are Go's (RE2); made with NewRegexp
	Fuzzy                // within edit distance 1 (3 to 5 characters) or 2 (more)
)

// Bound is one end of a Range. The value's kind decides what it compares with:
// a time with dates (and with numbers as milliseconds since the epoch), a number
// with numbers (and dates likewise), a string with strings, byte by byte (exact)
// or token by token.
type Bound struct {
	Value     Value
	Inclusive bool
}

func (All) filter()     {}
func (None) filter()    {}
func (And) filter()     {}
func (Or) filter()      {}
func (Not) filter()     {}
func (Term) filter()    {}
func (Phrase) filter()  {}
func (Pattern) filter() {}
func (Range) filter()   {}
func (Exists) filter()  {}
func (IDs) filter()     {}

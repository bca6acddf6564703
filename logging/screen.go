package logging

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/oriel-project/oriel/internal/text"
)

// Screen gives a quick look at records: false where a filter does not match one,
// true where it may. It searches a record's bytes for what every match has in it,
// and parses nothing. nil where the filter names nothing to search for. Safe for
// concurrent use.
func Screen(f Filter) func(*Record) bool {
	switch f := f.(type) {
	case None:
		return func(*Record) bool { return false }
	case And:
		var all []func(*Record) bool
		for _, p := range f {
			if may := Screen(p); may != nil {
				all = append(all, may)
			}
		}
		if len(all) == 0 {
			return nil
		}
		return func(r *Record) bool {
			for _, may := range all {
				if !may(r) {
					return false
				}
			}
			return true
		}
	case Or:
		var some []func(*Record) bool
		for _, p := range f.Of {
			may := Screen(p)
			if may == nil {
				return nil
			}
			some = append(some, may)
		}
		return func(r *Record) bool {
			for _, may := range some {
				if may(r) {
					return true
				}
			}
			return false
		}
	case Leaf:
		return screenLeaf(f)
	}
	return nil
}

// screenLeaf searches for a leaf's literal. Every value of a document stands in
// its JSON or was stamped, but for times of the record's own, and numbers that are
// written in other digits than those they are compared by.
func screenLeaf(f Leaf) func(*Record) bool {
	of := f.Of()
	if strings.HasPrefix(of.Name, "@") || strings.HasPrefix(of.Name, "_") || strings.Contains(of.Name, "*") {
		return nil // what is not in the JSON may be meant
	}
	exact := FieldExact(of.Name, of)
	literals := []string{f.Literal(exact).Text}
	if of.Name == "" && !exact {
		literals = append(literals, f.Literal(true).Text) // of the names that are always exact
	}
	for _, l := range literals {
		if _, err := strconv.ParseFloat(l, 64); err == nil || !text.IsASCII(l) || strings.Trim(l, "0123456789+-.einf") == "" {
			return nil
		}
	}
	return func(r *Record) bool {
		for _, l := range literals {
			if mayHold(r, l) {
				return true
			}
		}
		return false
	}
}

// mayHold reports whether one of the values of a record may hold a literal, which
// is ASCII and in lower case, in any case. Escapes may hide anything.
func mayHold(r *Record, literal string) bool {
	hidden := []byte(`\u`)
	if strings.ContainsFunc(literal, hasShortEscape) {
		hidden = hidden[:1]
	}
	if bytes.Contains(r.Source, hidden) || text.MayHold(r.Source, literal) {
		return true
	}
	for _, s := range [...]string{r.Cluster, r.Region, r.Cloud, r.Namespace, r.Pod, r.Container, r.Node, r.Level, r.Stream, r.Message, r.Original} {
		if text.MayHold(s, literal) {
			return true
		}
	}
	return false
}

// hasShortEscape reports whether JSON may write a character by a backslash and one
// other character; letters and digits are hidden by \u alone.
func hasShortEscape(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
}

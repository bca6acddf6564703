package logging

import "slices"

// What stores of columns need to know to find the values of a field as Doc does.

// StampedNames gives the labels every document has, where known, in the order
// in which Doc lists them.
func StampedNames() []string { return slices.Clone(stampedNames[:]) }

// LevelNames gives the fields a level is looked for in; the first readable one
// wins.
func LevelNames() []string { return slices.Clone(levelNames[:]) }

// NameFits reports whether a field's name fits a name with * in it; "" fits all.
func NameFits(pattern, name string) bool {
	return pattern == "" || wildcardFits(pattern, name, false)
}

// SortValue chooses the value that a document with these values of the key's
// field sorts by.
func (k SortKey) SortValue(vals []Value) Value {
	switch {
	case len(vals) == 0:
		return Value{}
	case k.Desc:
		return slices.MaxFunc(vals, Compare)
	}
	return slices.MinFunc(vals, Compare)
}

// Package shape reads JSON objects as what they have in common and what tells
// them apart: a Shape is the skeleton of a document, its keys, structure, nulls
// and empty objects, with holes where its strings, numbers and truth values
// stand. Logs repeat few shapes very often, so a Scanner reads a document mostly
// by comparing it with shapes it knows; that it matches proves that it is valid.
//
//	var sc shape.Scanner
//	s, spans, _, ok := sc.Scan([]byte(`{"level":"info","took":12,"user":{"id":7}}`))
//	for i, h := range s.Holes() {
//		fmt.Println(h.Path, string(doc[spans[i].From:spans[i].To])) // level info, took 12, user.id 7
//	}
//
// Two documents of one shape with equal tokens in its holes are JSON-equal, keys
// in the same order. What cannot be told that way is irregular and has no shape:
// an object with a key twice, an empty key at the top, containers nested deeper
// than DepthMax, half of a surrogate pair, and what is larger than the bounds.
package shape

import "github.com/cespare/xxhash/v2"

// Bounds of a shape. Documents beyond them are irregular.
const (
	DepthMax         = 64        // of containers in each other, the document being the first
	HolesMax         = 2048      // of a shape
	PathBytesMax     = 1 << 10   // of the path of a value
	SkeletonBytesMax = 128 << 10 // of a skeleton
	pathsBytesMax    = 1 << 20   // of the paths of a shape together
)

// Type is the type of the value in a hole.
type Type uint8

// The types.
const (
	String Type = iota
	Number
	Bool
	typesNum
)

// marks stand for holes in a skeleton, where no JSON value begins with them.
var marks = [typesNum]byte{'$', '#', '?'}

// String names the type.
func (t Type) String() string {
	switch t {
	case String:
		return "string"
	case Number:
		return "number"
	case Bool:
		return "bool"
	}
	return "unknown"
}

// Hole is a place for a value. Path is its dotted name, as package logging names
// fields: the elements of an array have the path of the array. Nth counts the
// holes of that path before this one.
type Hole struct {
	Path string
	Type Type
	Nth  int
}

// Shape is a skeleton and its holes. Immutable, safe for concurrent use.
type Shape struct {
	skeleton string
	holes    []Hole
	marks    []uint32 // where the holes stand in skeleton
	hash     uint64
}

// Holes gives the holes in the order of the document. The caller must not
// change the slice.
func (s *Shape) Holes() []Hole { return s.holes }

// Skeleton gives what the shape is on disk, which Parse reads back: the
// document in compact form with $, # and ? for its strings, numbers and truth
// values. Shapes are equal if their skeletons are.
func (s *Shape) Skeleton() []byte { return []byte(s.skeleton) }

// Hash gives a hash of the skeleton, the same in every process.
func (s *Shape) Hash() uint64 { return s.hash }

// Equal reports whether two shapes have one skeleton. Those of one Cache are
// mostly the same pointer, but for those it had forgotten in between.
func (s *Shape) Equal(o *Shape) bool {
	return s == o || s != nil && o != nil && s.hash == o.hash && s.skeleton == o.skeleton
}

// Append appends a document of the shape to dst, compact. It calls value for
// every hole in turn, to append its token as JSON: a string in quotes and
// escaped (see AppendQuoted), a number as it was written, true or false.
func (s *Shape) Append(dst []byte, value func(dst []byte, hole int) []byte) []byte {
	from := uint32(0)
	for i, at := range s.marks {
		dst = value(append(dst, s.skeleton[from:at]...), i)
		from = at + 1
	}
	return append(dst, s.skeleton[from:]...)
}

// Size is about how many bytes of memory the shape takes.
func (s *Shape) Size() int {
	n := 96 + len(s.skeleton) + 44*len(s.holes)
	for i := range s.holes {
		n += len(s.holes[i].Path)
	}
	return n
}

func newShape(skeleton string, holes []Hole, at []uint32) *Shape {
	return &Shape{skeleton: skeleton, holes: holes, marks: at, hash: xxhash.Sum64String(skeleton)}
}

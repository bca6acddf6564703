// Package shape takes JSON documents apart into a shape, which many documents
// share, and values, which each has for itself.
//
// A shape is the skeleton of an object: its keys in their order, its nesting,
// nulls and empty objects, with a hole for every string, number and truth value.
// The holes of {"a":"x","b":{"c":1},"d":[true,null]} are a, b.c and d.
//
//	var sc shape.Scanner
//	s, spans, escaped, ok := sc.Scan(src)
//	...
//	src[spans[i].From:spans[i].To] // what fills s.Holes()[i]
//	s.Append(dst, fill)            // the document again, without blanks
package shape

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Type is what fills a hole.
type Type uint8

// The types.
const (
	_ Type = iota
	String
	Number
	Bool
)

// Hole is the place of a value. Its path joins the keys above it with dots, as
// searches name fields; elements of an array share the path of the array.
type Hole struct {
	Path string
	Type Type
	Nth  int // of the holes with this path, in the document's order, from 0
}

// Bounds of shapes. A document beyond them has none.
const (
	HolesMax    = 2048
	DepthMax    = 60
	SkeletonMax = 1 << 20 // bytes
)

// Shape is the skeleton of a document. It is immutable and may be shared.
type Shape struct {
	skeleton []byte
	holes    []Hole
	cuts     []int // where each hole's mark stands in the skeleton
}

// Marks of holes in a skeleton. None of these bytes occurs in JSON without being escaped.
const (
	markString = 0x01
	markNumber = 0x02
	markBool   = 0x03
)

// Holes gives the holes in the document's order. The caller must not change it.
func (s *Shape) Holes() []Hole { return s.holes }

// Skeleton gives the bytes that identify the shape: the document without blanks,
// with 01 for a string, 02 for a number and 03 for a truth value. Two shapes are
// equal where their skeletons are. The caller must not change it.
func (s *Shape) Skeleton() []byte { return s.skeleton }

// Append writes a document of the shape: fill is called for each hole in order
// and appends the JSON of its value, strings with their quotes.
func (s *Shape) Append(dst []byte, fill func(dst []byte, hole int) []byte) []byte {
	from := 0
	for i, at := range s.cuts {
		dst = append(dst, s.skeleton[from:at]...)
		dst = fill(dst, i)
		from = at + 1
	}
	return append(dst, s.skeleton[from:]...)
}

var errSkeleton = errors.New("shape: skeleton is damaged")

// Parse reads what Skeleton gave. What it cannot read is an error.
func Parse(skeleton []byte) (*Shape, error) {
	if len(skeleton) > SkeletonMax {
		return nil, fmt.Errorf("shape: skeleton of %d bytes: want at most %d", len(skeleton), SkeletonMax)
	}
	p := parser{src: skeleton, marks: true}
	s, ok := p.parse()
	if !ok || string(s.skeleton) != string(skeleton) {
		return nil, errSkeleton
	}
	return s, nil
}

// Span is where a value stands in its document: a string without its quotes.
type Span struct{ From, To uint32 }

// Unescape appends the text of a JSON string, given without its quotes and known
// to be valid.
func Unescape(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		c := raw[i]
		if c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		switch raw[i+1] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r, n, _ := unescapeRune(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		default: // " \ /
			dst = append(dst, raw[i+1])
		}
		i += 2
	}
	return dst
}

// unescapeRune reads \uXXXX, or two of them that make a pair; n is 0 where it is
// none, and lone tells of half a pair, which reads as U+FFFD.
func unescapeRune(b []byte) (r rune, n int, lone bool) {
	hi, ok := hex4(b)
	if !ok {
		return 0, 0, false
	}
	if hi < 0xd800 || hi > 0xdfff {
		return hi, 6, false
	}
	if hi < 0xdc00 {
		if lo, ok := hex4(b[6:]); ok && lo >= 0xdc00 && lo <= 0xdfff {
			return (hi-0xd800)<<10 + (lo - 0xdc00) + 0x10000, 12, false
		}
	}
	return utf8.RuneError, 6, true
}

func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

const hexDigits = "0123456789abcdef"

// AppendQuoted appends a text as a JSON string, with its quotes. It escapes only
// what must be: text has to be valid UTF-8.
func AppendQuoted[T ~string | ~[]byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(dst, text[from:]...), '"')
}

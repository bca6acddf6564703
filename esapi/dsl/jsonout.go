package dsl

import (
	"math"
	"strconv"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// AppendFloat appends a number as Java's Double.toString writes it, which is
// what Elasticsearch does: 1.0, 1.5E10, 1.0E-5. NaN and infinities become null.
func AppendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	return append(dst, javaFloat(f)...)
}

func javaFloat(f float64) string {
	if a := math.Abs(f); a == 0 || (a >= 1e-3 && a < 1e7) {
		s := strconv.FormatFloat(f, 'f', -1, 64)
		for i := range len(s) {
			if s[i] == '.' {
				return s
			}
		}
		return s + ".0"
	}
	s := strconv.FormatFloat(f, 'E', -1, 64) // d.dddE+07
	mant, exp := s, ""
	for i := range len(s) {
		if s[i] == 'E' {
			mant, exp = s[:i], s[i+1:]
			break
		}
	}
	n, _ := strconv.Atoi(exp)
	if !hasByte(mant, '.') {
		mant += ".0"
	}
	return mant + "E" + strconv.Itoa(n)
}

func hasByte(s string, c byte) bool {
	for i := range len(s) {
		if s[i] == c {
			return true
		}
	}
	return false
}

// Append appends the node as compact JSON.
func (n Node) Append(dst []byte) []byte {
	switch n.Kind {
	case Null:
		return append(dst, "null"...)
	case Bool, Number:
		return append(dst, n.Text...)
	case Text:
		return jsontext.AppendString(dst, n.Text)
	case Array:
		dst = append(dst, '[')
		for i, it := range n.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = it.Append(dst)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i, it := range n.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.AppendString(dst, n.Keys[i]), ':')
		dst = it.Append(dst)
	}
	return append(dst, '}')
}

// AppendIndent appends the node with line breaks and two spaces a level, as
// ?pretty asks for.
func (n Node) AppendIndent(dst []byte, level int) []byte {
	if (n.Kind != Array && n.Kind != Object) || len(n.Items) == 0 {
		if n.Kind == Object {
			return append(dst, "{ }"...)
		}
		if n.Kind == Array {
			return append(dst, "[ ]"...)
		}
		return n.Append(dst)
	}
	open, closing := byte('['), byte(']')
	if n.Kind == Object {
		open, closing = '{', '}'
	}
	dst = append(dst, open)
	for i, it := range n.Items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = newLine(dst, level+1)
		if n.Kind == Object {
			dst = append(jsontext.AppendString(dst, n.Keys[i]), " : "...)
		}
		dst = it.AppendIndent(dst, level+1)
	}
	return append(newLine(dst, level), closing)
}

func newLine(dst []byte, level int) []byte {
	dst = append(dst, '\n')
	for range level {
		dst = append(dst, ' ', ' ')
	}
	return dst
}

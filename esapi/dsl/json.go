package dsl

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind tells what a Node is.
type Kind uint8

// The kinds of JSON values.
const (
	Null Kind = iota
	Bool
	Number
	Text
	Array
	Object
)

var kindNames = [...]string{"null", "boolean", "number", "string", "array", "object"}

// String gives the kind's name in JSON's words.
func (k Kind) String() string { return kindNames[k] }

// Node is one JSON value. Unlike encoding/json's maps it keeps the order of an
// object's keys, which Elasticsearch's sort depends on, and the spelling of
// numbers, so that 64-bit integers pass through unchanged.
type Node struct {
	Kind  Kind
	Text  string // a string's value, a number's literal, "true" or "false"
	Items []Node // an array's elements, an object's values
	Keys  []string
}

// Bounds of what ParseJSON takes.
const (
	jsonDepthMax = 100
	// RequestValuesMax bounds the number of values of a request's body: enough
	// for a terms query of 65,536 values.
	RequestValuesMax = 200_000
)

var errJSONEnd = errors.New("unexpected end of input")

// ParseJSON parses exactly one JSON value. It refuses what is nested deeper
// than 100 levels or has more than valuesMax values.
func ParseJSON(b []byte, valuesMax int) (Node, error) {
	p := jsonParser{in: b, left: valuesMax}
	n, err := p.value(0)
	if err != nil {
		return Node{}, fmt.Errorf("JSON at byte %d: %w", p.at, err)
	}
	p.space()
	if p.at != len(p.in) {
		return Node{}, fmt.Errorf("JSON at byte %d: unexpected %q after the value", p.at, p.in[p.at])
	}
	return n, nil
}

type jsonParser struct {
	in   []byte
	at   int
	left int
}

func (p *jsonParser) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) value(depth int) (Node, error) {
	p.space()
	if depth > jsonDepthMax {
		return Node{}, fmt.Errorf("nested deeper than %d levels", jsonDepthMax)
	}
	if p.left--; p.left < 0 {
		return Node{}, errors.New("too many values")
	}
	if p.at >= len(p.in) {
		return Node{}, errJSONEnd
	}
	switch c := p.in[p.at]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		s, err := p.str()
		return Node{Kind: Text, Text: s}, err
	case c == '-' || (c >= '0' && c <= '9'):
		return p.number()
	case p.word("true"):
		return Node{Kind: Bool, Text: "true"}, nil
	case p.word("false"):
		return Node{Kind: Bool, Text: "false"}, nil
	case p.word("null"):
		return Node{}, nil
	default:
		return Node{}, fmt.Errorf("unexpected %q", c)
	}
}

func (p *jsonParser) word(w string) bool {
	if strings.HasPrefix(string(p.in[p.at:min(p.at+len(w), len(p.in))]), w) {
		p.at += len(w)
		return true
	}
	return false
}

func (p *jsonParser) object(depth int) (Node, error) {
	n := Node{Kind: Object}
	p.at++
	for {
		p.space()
		if p.at >= len(p.in) {
			return n, errJSONEnd
		}
		if p.in[p.at] == '}' && len(n.Keys) == 0 {
			p.at++
			return n, nil
		}
		if p.in[p.at] != '"' {
			return n, fmt.Errorf("unexpected %q, want a key in double quotes", p.in[p.at])
		}
		key, err := p.str()
		if err != nil {
			return n, err
		}
		p.space()
		if p.at >= len(p.in) || p.in[p.at] != ':' {
			return n, errors.New("want ':' after a key")
		}
		p.at++
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.Keys, n.Items = append(n.Keys, key), append(n.Items, v)
		if done, err := p.next('}'); done || err != nil {
			return n, err
		}
	}
}

func (p *jsonParser) array(depth int) (Node, error) {
	n := Node{Kind: Array}
	p.at++
	p.space()
	if p.at < len(p.in) && p.in[p.at] == ']' {
		p.at++
		return n, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return n, err
		}
		n.Items = append(n.Items, v)
		if done, err := p.next(']'); done || err != nil {
			return n, err
		}
	}
}

// next reads a comma, or the closing character (done).
func (p *jsonParser) next(closing byte) (done bool, err error) {
	p.space()
	if p.at >= len(p.in) {
		return false, errJSONEnd
	}
	c := p.in[p.at]
	if c != ',' && c != closing {
		return false, fmt.Errorf("unexpected %q, want ',' or %q", c, closing)
	}
	p.at++
	return c == closing, nil
}

func (p *jsonParser) number() (Node, error) {
	start := p.at
	if p.in[p.at] == '-' {
		p.at++
	}
	switch {
	case p.at < len(p.in) && p.in[p.at] == '0':
		p.at++
	case p.digits() == 0:
		return Node{}, errors.New("number without digits")
	}
	if p.at < len(p.in) && p.in[p.at] == '.' {
		p.at++
		if p.digits() == 0 {
			return Node{}, errors.New("number without digits after the point")
		}
	}
	if p.at < len(p.in) && (p.in[p.at] == 'e' || p.in[p.at] == 'E') {
		p.at++
		if p.at < len(p.in) && (p.in[p.at] == '+' || p.in[p.at] == '-') {
			p.at++
		}
		if p.digits() == 0 {
			return Node{}, errors.New("number without digits in the exponent")
		}
	}
	return Node{Kind: Number, Text: string(p.in[start:p.at])}, nil
}

func (p *jsonParser) digits() int {
	start := p.at
	for p.at < len(p.in) && p.in[p.at] >= '0' && p.in[p.at] <= '9' {
		p.at++
	}
	return p.at - start
}

func (p *jsonParser) str() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.in) {
		switch c := p.in[p.at]; {
		case c == '"':
			s := string(p.in[start:p.at])
			p.at++
			if !utf8.ValidString(s) {
				s = strings.ToValidUTF8(s, "\uFFFD")
			}
			return s, nil
		case c == '\\':
			return p.escaped(start)
		case c < ' ':
			return "", fmt.Errorf("control character %q in a string", c)
		}
		p.at++
	}
	return "", errJSONEnd
}

// escaped reads on in a string that has escapes.
func (p *jsonParser) escaped(start int) (string, error) {
	b := append([]byte(nil), p.in[start:p.at]...)
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		switch {
		case c == '"':
			return strings.ToValidUTF8(string(b), "\uFFFD"), nil
		case c < ' ':
			return "", fmt.Errorf("control character %q in a string", c)
		case c != '\\':
			b = append(b, c)
			continue
		}
		if p.at >= len(p.in) {
			break
		}
		c = p.in[p.at]
		p.at++
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, err := p.hex4()
			if err != nil {
				return "", err
			}
			if utf16.IsSurrogate(r) {
				low := rune(-1)
				if p.at+1 < len(p.in) && p.in[p.at] == '\\' && p.in[p.at+1] == 'u' {
					p.at += 2
					if low, err = p.hex4(); err != nil {
						return "", err
					}
				}
				r = utf16.DecodeRune(r, low)
			}
			b = utf8.AppendRune(b, r)
		default:
			return "", fmt.Errorf("unknown escape \\%c", c)
		}
	}
	return "", errJSONEnd
}

func (p *jsonParser) hex4() (rune, error) {
	if p.at+4 > len(p.in) {
		return 0, errJSONEnd
	}
	v, err := strconv.ParseUint(string(p.in[p.at:p.at+4]), 16, 32)
	if err != nil {
		return 0, errors.New("bad \\u escape")
	}
	p.at += 4
	return rune(v), nil
}

// Get gives the value of an object's key: the last one where it is repeated.
func (n Node) Get(key string) (Node, bool) {
	for i := len(n.Keys) - 1; i >= 0; i-- {
		if n.Keys[i] == key {
			return n.Items[i], true
		}
	}
	return Node{}, false
}

// String gives a scalar as text: a string's value, a number as it is spelled.
func (n Node) String() string {
	if n.Kind == Null {
		return "null"
	}
	return n.Text
}

// Scalar reports whether the node is a string, a number or a truth value.
func (n Node) Scalar() bool { return n.Kind == Bool || n.Kind == Number || n.Kind == Text }

// Int reads an integer, also from a string and from 5.0.
func (n Node) Int() (int64, bool) {
	if n.Kind != Number && n.Kind != Text {
		return 0, false
	}
	if i, err := strconv.ParseInt(n.Text, 10, 64); err == nil {
		return i, true
	}
	f, ok := n.Float()
	if !ok || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// Float reads a finite number, also from a string.
func (n Node) Float() (float64, bool) {
	if n.Kind != Number && n.Kind != Text {
		return 0, false
	}
	return parseFloat(n.Text)
}

// parseFloat is strict where strconv is generous: no hexadecimals, underscores,
// infinities or NaN.
func parseFloat(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.eE+-") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// Bool reads a truth value, also from "true" and "false".
func (n Node) Bool() (v, ok bool) {
	if n.Kind != Bool && n.Kind != Text {
		return false, false
	}
	switch n.Text {
	case "true":
		return true, true
	case "false", "":
		return false, true
	}
	return false, false
}

// Strings reads a string or an array of scalars.
func (n Node) Strings() ([]string, bool) {
	if n.Scalar() {
		return []string{n.Text}, true
	}
	if n.Kind != Array {
		return nil, false
	}
	out := make([]string, 0, len(n.Items))
	for _, it := range n.Items {
		if !it.Scalar() {
			return nil, false
		}
		out = append(out, it.Text)
	}
	return out, true
}

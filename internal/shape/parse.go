package shape

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// parser takes a document apart that the scanner does not know yet. It is as
// strict as RFC 8259, and gives up on what has no shape.
type parser struct {
	src   []byte
	marks bool // src is a skeleton: holes are marks
	i     int

	skeleton []byte
	path     []byte
	holes    []Hole
	cuts     []int
	spans    []Span
	lits     [][]byte // what stands in src between the values, blanks and quotes of strings with it
	from     int      // where the literal under way began
	escaped  bool
	keys     []string // of the objects that are open
	nth      map[string]int
}

// parse gives the shape; ok is false where src is not one JSON object or has none.
func (p *parser) parse() (*Shape, bool) {
	p.space()
	if p.peek() != '{' || !p.object(1) {
		return nil, false
	}
	p.space()
	if p.i != len(p.src) || len(p.skeleton) > SkeletonMax {
		return nil, false
	}
	p.lits = append(p.lits, p.src[p.from:])
	return &Shape{skeleton: p.skeleton, holes: p.holes, cuts: p.cuts}, true
}

func (p *parser) object(depth int) bool {
	p.i++
	p.skeleton = append(p.skeleton, '{')
	base := len(p.keys)
	var seen map[string]bool // of wide objects
	if p.space(); p.peek() == '}' {
		p.i++
		p.skeleton = append(p.skeleton, '}')
		return true
	}
	for {
		p.space()
		key, ok := p.key()
		if !ok || !p.fresh(key, base, &seen) {
			return false
		}
		p.skeleton = append(AppendQuoted(p.skeleton, key), ':')
		if p.space(); p.peek() != ':' {
			return false
		}
		p.i++
		above := len(p.path)
		if above > 0 {
			p.path = append(p.path, '.')
		}
		p.path = append(p.path, key...)
		if !p.value(depth) {
			return false
		}
		p.path = p.path[:above]
		p.space()
		c := p.peek()
		p.i++
		if c == '}' {
			p.skeleton = append(p.skeleton, '}')
			p.keys = p.keys[:base]
			return true
		}
		if c != ',' {
			return false
		}
		p.skeleton = append(p.skeleton, ',')
	}
}

// key reads a key; the empty one has no path.
func (p *parser) key() (string, bool) {
	if p.peek() != '"' {
		return "", false
	}
	end, escaped, ok := scanString(p.src, p.i+1)
	if !ok || end == p.i+1 {
		return "", false
	}
	raw := p.src[p.i+1 : end]
	p.i = end + 1
	if escaped {
		return string(Unescape(nil, raw)), true
	}
	return string(raw), true
}

// wideObject is the number of keys from which on they are looked up in a map.
const wideObject = 16

// fresh reports whether the innermost object has not had the key.
func (p *parser) fresh(key string, base int, seen *map[string]bool) bool {
	if *seen != nil {
		if (*seen)[key] {
			return false
		}
		(*seen)[key] = true
		return true
	}
	for _, k := range p.keys[base:] {
		if k == key {
			return false
		}
	}
	p.keys = append(p.keys, key)
	if n := len(p.keys) - base; n > wideObject {
		*seen = make(map[string]bool, 2*n)
		for _, k := range p.keys[base:] {
			(*seen)[k] = true
		}
	}
	return true
}

func (p *parser) value(depth int) bool {
	p.space()
	c := p.peek()
	switch {
	case c == '{':
		return depth < DepthMax && p.object(depth+1)
	case c == '[':
		return depth < DepthMax && p.array(depth+1)
	case c == 'n':
		p.skeleton = append(p.skeleton, "null"...)
		return p.literal("null")
	case p.marks:
		if c < markString || c > markBool {
			return false
		}
		p.i++
		return p.hole(Type(c), p.i, p.i)
	case c == '"':
		end, escaped, ok := scanString(p.src, p.i+1)
		if !ok {
			return false
		}
		p.escaped = p.escaped || escaped
		from := p.i + 1
		p.i = end
		ok = p.hole(String, from, end)
		p.i = end + 1
		return ok
	case c == 't' || c == 'f':
		from := p.i
		if c == 't' && !p.literal("true") || c == 'f' && !p.literal("false") {
			return false
		}
		return p.hole(Bool, from, p.i)
	}
	end := scanNumber(p.src, p.i)
	if end == p.i {
		return false
	}
	from := p.i
	p.i = end
	return p.hole(Number, from, end)
}

// hole notes a value that stands at src[from:to].
func (p *parser) hole(t Type, from, to int) bool {
	if len(p.holes) == HolesMax {
		return false
	}
	p.lits = append(p.lits, p.src[p.from:from])
	p.from = to
	path := string(p.path)
	nth := 0
	if p.nth == nil {
		p.nth = map[string]int{}
	}
	nth = p.nth[path]
	p.nth[path] = nth + 1
	p.holes = append(p.holes, Hole{path, t, nth})
	p.cuts = append(p.cuts, len(p.skeleton))
	p.spans = append(p.spans, Span{uint32(from), uint32(to)})
	p.skeleton = append(p.skeleton, byte(t))
	return true
}

func (p *parser) array(depth int) bool {
	p.i++
	p.skeleton = append(p.skeleton, '[')
	if p.space(); p.peek() == ']' {
		p.i++
		p.skeleton = append(p.skeleton, ']')
		return true
	}
	for {
		if !p.value(depth) {
			return false
		}
		p.space()
		c := p.peek()
		p.i++
		if c == ']' {
			p.skeleton = append(p.skeleton, ']')
			return true
		}
		if c != ',' {
			return false
		}
		p.skeleton = append(p.skeleton, ',')
	}
}

func (p *parser) literal(s string) bool {
	if len(p.src)-p.i < len(s) || string(p.src[p.i:p.i+len(s)]) != s {
		return false
	}
	p.i += len(s)
	return true
}

func (p *parser) peek() byte {
	if p.i < len(p.src) {
		return p.src[p.i]
	}
	return 0
}

func (p *parser) space() {
	for p.i < len(p.src) {
		switch p.src[p.i] {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// scanString finds the closing quote of a string that begins at i. ok is false
// where there is none, or the string is not valid: a control character, a wrong
// escape, half of a surrogate pair, bytes that are not UTF-8.
func scanString(b []byte, i int) (end int, escaped, ok bool) {
	from, ascii := i, true
	for {
		for i+8 <= len(b) {
			// A byte of the word is of interest where it is a quote, a backslash,
			// below 0x20 or above 0x7f: the usual trick of finding zero bytes.
			w := binary.LittleEndian.Uint64(b[i:])
			q, s := w^(ones*'"'), w^(ones*'\\')
			hit := ((q-ones)&^q | (s-ones)&^s | (w-ones*0x20)&^w | w) & highs
			if hit == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(hit) / 8
			break
		}
		if i >= len(b) {
			return 0, false, false
		}
		switch c := b[i]; {
		case c == '"':
			return i, escaped, ascii || utf8.Valid(b[from:i])
		case c == '\\':
			escaped = true
			n := escapeLen(b[i:])
			if n == 0 {
				return 0, false, false
			}
			i += n
		case c < 0x20:
			return 0, false, false
		default:
			ascii = ascii && c < utf8.RuneSelf
			i++
		}
	}
}

// escapeLen gives the length of the escape at the beginning of b; 0 where it is
// wrong or half of a pair.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, n, lone := unescapeRune(b); !lone {
			return n
		}
	}
	return 0
}

// scanNumber finds the end of a number that begins at i; i where there is none.
func scanNumber(b []byte, i int) int {
	at := i
	if at < len(b) && b[at] == '-' {
		at++
	}
	switch {
	case at < len(b) && b[at] == '0':
		at++
	case at < len(b) && '1' <= b[at] && b[at] <= '9':
		at = digits(b, at)
	default:
		return i
	}
	if at < len(b) && b[at] == '.' {
		end := digits(b, at+1)
		if end == at+1 {
			return i
		}
		at = end
	}
	if at < len(b) && (b[at] == 'e' || b[at] == 'E') {
		at++
		if at < len(b) && (b[at] == '+' || b[at] == '-') {
			at++
		}
		end := digits(b, at)
		if end == at {
			return i
		}
		at = end
	}
	return at
}

func digits(b []byte, i int) int {
	for i < len(b) && '0' <= b[i] && b[i] <= '9' {
		i++
	}
	return i
}

package shape

import (
	"bytes"
	"math"
)

// Span is a token of a document: doc[From:To]. Those of strings are without the
// quotes.
type Span struct{ From, To uint32 }

// Scanner finds the shapes of documents. The zero Scanner has a Cache of its
// own. Not safe for concurrent use.
type Scanner struct {
	cache *Cache
	known trie

	// Of the document in hand.
	src      []byte
	spans    []Span
	escaped  bool
	types    []Type
	skeleton []byte
	scratch  []byte
}

// NewScanner makes a scanner that shares shapes with others.
func NewScanner(c *Cache) *Scanner { return &Scanner{cache: c} }

// Scan finds the shape of a document and the token of each of its holes. escaped
// tells that some string holds a backslash: use Unescape for those that do. ok
// is false where src is not one JSON object in valid UTF-8 (blanks around it are
// allowed), or irregular. The spans are valid until the next call; nothing of
// src is kept.
func (sc *Scanner) Scan(src []byte) (s *Shape, spans []Span, escaped, ok bool) {
	if uint64(len(src)) > math.MaxUint32 {
		return nil, nil, false, false
	}
	if s := sc.walk(src); s != nil {
		return s, sc.spans, sc.escaped, true
	}
	sc.spans, sc.types, sc.skeleton = sc.spans[:0], sc.types[:0], sc.skeleton[:0]
	sc.src, sc.escaped = src, false
	ok = sc.document()
	sc.src = nil
	if !ok {
		return nil, nil, false, false
	}
	if sc.cache == nil {
		sc.cache = new(Cache)
	}
	s, known := sc.cache.get(sc.skeleton)
	if s == nil {
		return nil, nil, false, false
	}
	// What came once may never come again; the walk learns what comes twice.
	if known {
		sc.known.learn(src, s, sc.spans)
	}
	return s, sc.spans, sc.escaped, true
}

// document reads src token by token and writes its skeleton.
func (sc *Scanner) document() bool {
	i := sc.blank(0)
	if i == len(sc.src) || sc.src[i] != '{' {
		return false
	}
	i = sc.object(i, 1)
	return i > 0 && sc.blank(i) == len(sc.src)
}

// The readers below give the place behind what they read; -1 where it is not
// valid or too much.

func (sc *Scanner) object(i, depth int) int {
	sc.skeleton = append(sc.skeleton, '{')
	if i = sc.blank(i + 1); sc.at(i) == '}' {
		sc.skeleton = append(sc.skeleton, '}')
		return i + 1
	}
	for {
		if sc.at(i) != '"' {
			return -1
		}
		end, escaped := stringEnd(sc.src, i+1)
		if end < 0 || len(sc.skeleton) > SkeletonBytesMax {
			return -1
		}
		if escaped {
			sc.scratch = Unescape(sc.scratch[:0], sc.src[i+1:end])
			sc.skeleton = AppendQuoted(sc.skeleton, sc.scratch)
		} else {
			sc.skeleton = append(sc.skeleton, sc.src[i:end+1]...)
		}
		if i = sc.blank(end + 1); sc.at(i) != ':' {
			return -1
		}
		sc.skeleton = append(sc.skeleton, ':')
		if i = sc.value(sc.blank(i+1), depth); i < 0 {
			return -1
		}
		i = sc.blank(i)
		switch sc.at(i) {
		case ',':
			sc.skeleton = append(sc.skeleton, ',')
			i = sc.blank(i + 1)
		case '}':
			sc.skeleton = append(sc.skeleton, '}')
			return i + 1
		default:
			return -1
		}
	}
}

func (sc *Scanner) array(i, depth int) int {
	sc.skeleton = append(sc.skeleton, '[')
	if i = sc.blank(i + 1); sc.at(i) == ']' {
		sc.skeleton = append(sc.skeleton, ']')
		return i + 1
	}
	for {
		if i = sc.value(i, depth); i < 0 || len(sc.skeleton) > SkeletonBytesMax {
			return -1
		}
		i = sc.blank(i)
		switch sc.at(i) {
		case ',':
			sc.skeleton = append(sc.skeleton, ',')
			i = sc.blank(i + 1)
		case ']':
			sc.skeleton = append(sc.skeleton, ']')
			return i + 1
		default:
			return -1
		}
	}
}

func (sc *Scanner) value(i, depth int) int {
	c := sc.at(i)
	switch c {
	case '{', '[':
		if depth == DepthMax {
			return -1
		}
		if c == '{' {
			return sc.object(i, depth+1)
		}
		return sc.array(i, depth+1)
	case 'n':
		if !bytes.HasPrefix(sc.src[i:], []byte("null")) {
			return -1
		}
		sc.skeleton = append(sc.skeleton, "null"...)
		return i + len("null")
	case '"':
		end, escaped := stringEnd(sc.src, i+1)
		if end < 0 {
			return -1
		}
		sc.escaped = sc.escaped || escaped
		return sc.hole(String, i+1, end, end+1)
	case 't', 'f':
		end := boolEnd(sc.src, i)
		return sc.hole(Bool, i, end, end)
	}
	end := numberEnd(sc.src, i)
	return sc.hole(Number, i, end, end)
}

// hole notes a token, and gives next; end is -1 where there is none.
func (sc *Scanner) hole(t Type, from, end, next int) int {
	if end < 0 || len(sc.spans) == HolesMax {
		return -1
	}
	sc.spans = append(sc.spans, Span{uint32(from), uint32(end)})
	sc.types = append(sc.types, t)
	sc.skeleton = append(sc.skeleton, marks[t])
	return next
}

func (sc *Scanner) at(i int) byte {
	if i < len(sc.src) {
		return sc.src[i]
	}
	return 0
}

// blank gives the first place from i on that is no white space.
func (sc *Scanner) blank(i int) int {
	for i < len(sc.src) && (sc.src[i] == ' ' || sc.src[i] == '\t' || sc.src[i] == '\n' || sc.src[i] == '\r') {
		i++
	}
	return i
}

// boolEnd gives the end of the true or false at i; -1 where it is none.
func boolEnd(src []byte, i int) int {
	switch {
	case i+4 <= len(src) && string(src[i:i+4]) == "true":
		return i + 4
	case i+5 <= len(src) && string(src[i:i+5]) == "false":
		return i + 5
	}
	return -1
}

package text

import (
	"encoding/binary"
	"unicode"
	"unicode/utf8"
)

// A column says which three letters follow one another anywhere in it, in two
// sets: of the templates, and of everything else. What is looked for and is not in
// them is not in the column, which then need not be unpacked. (Sets of n-grams as
// a filter before a search: R. Cox, "Regular Expression Matching with a Trigram
// Index", 2012.) Letters are those of ASCII in either case and the underscore;
// digits and everything else part them, since variables have any digits.
const (
	gramLetters = 27
	gramCodes   = gramLetters * gramLetters * gramLetters

	gramShare = 8 // of a column's bytes: a list that takes more is left out

	gramsStatic = 1 // there is a list of those in templates
	gramsOther  = 2 // and one of those elsewhere
)

// gramLetter is the number of a letter from 1 on; 0 is none, gramWide a byte of a
// longer character.
var gramLetter = func() (t [256]uint8) {
	for c := range t {
		switch {
		case 'a' <= c && c <= 'z':
			t[c] = uint8(c-'a') + 1
		case 'A' <= c && c <= 'Z':
			t[c] = uint8(c-'A') + 1
		case c == '_':
			t[c] = gramLetters
		case c >= utf8.RuneSelf:
			t[c] = gramWide
		}
	}
	return t
}()

const gramWide = 0xff

// eachGram calls f with the code of every three letters that follow one another;
// part is raised whenever something else is between them. It folds as Lower does.
func eachGram[T ~string | ~[]byte](s T, f func(code uint16, part int)) {
	code, run, part := uint32(0), 0, 0
	for i := 0; i < len(s); i++ {
		k := gramLetter[s[i]]
		if k == gramWide {
			r, n := utf8.DecodeRuneInString(string(s[i:min(len(s), i+utf8.UTFMax)]))
			i += n - 1
			if k = 0; r != utf8.RuneError {
				if low := unicode.ToLower(r); low < utf8.RuneSelf {
					k = gramLetter[low]
				}
			}
		}
		if k == 0 {
			run = 0
			part++
			continue
		}
		code = (code*gramLetters + uint32(k) - 1) % gramCodes
		if run++; run >= 3 {
			f(uint16(code), part)
		}
	}
}

// gramSet is a set of codes; its zero value is empty.
type gramSet [(gramCodes + 63) / 64]uint64

func (s *gramSet) add(text []byte) {
	if len(text) >= 3 {
		eachGram(text, func(code uint16, _ int) { s[code/64] |= 1 << (code % 64) })
	}
}

func (s *gramSet) union(o *gramSet) {
	for i, w := range o {
		s[i] |= w
	}
}

// appendTo appends the codes as uvarint differences, each less one to the code
// before.
func (s *gramSet) appendTo(dst []byte) []byte {
	next := 0
	for i, w := range s {
		for bit := 0; w != 0; bit, w = bit+1, w>>1 {
			if w&1 != 0 {
				code := i*64 + bit
				dst = binary.AppendUvarint(dst, uint64(code-next))
				next = code + 1
			}
		}
	}
	return dst
}

// appendGrams appends a byte of what is known, and the lists.
func (e *Encoder) appendGrams(dst []byte, size int) []byte {
	at := len(dst)
	dst = append(dst, 0)
	if e.depth > 0 {
		return dst // the column around it has them
	}
	for i, s := range []*gramSet{&e.static, &e.other} {
		if e.packed = s.appendTo(e.packed[:0]); len(e.packed)*gramShare <= size {
			dst[at] |= gramsStatic << i
			dst = appendBytes(dst, e.packed)
		}
	}
	return dst
}

// grams are what a column says of itself.
type grams struct {
	known         byte
	static, other []byte
}

func (r *reader) grams() (g grams) {
	if g.known = r.byte(); g.known&^(gramsStatic|gramsOther) != 0 {
		r.fail("kinds of sets of letters")
	}
	if g.known&gramsStatic != 0 {
		g.static = r.bytes()
	}
	if g.known&gramsOther != 0 {
		g.other = r.bytes()
	}
	return g
}

// wanted are the codes of what is looked for, by the parts that follow one
// another without anything but letters; each part is ascending.
type wanted [][]uint16

const wantedMax = 32 // codes of a part: more tell no more

func gramsOf(literal string) (w wanted) {
	last := -1
	eachGram(literal, func(code uint16, part int) {
		if part != last {
			w = append(w, nil)
			last = part
		}
		k := &w[len(w)-1]
		if len(*k) == wantedMax {
			return
		}
		i := len(*k)
		*k = append(*k, code)
		for ; i > 0 && (*k)[i-1] > code; i-- {
			(*k)[i] = (*k)[i-1]
		}
		(*k)[i] = code
	})
	return w
}

// holds is false only if one of the codes is not in a list.
func holds(list []byte, codes []uint16) bool {
	at := -1
	for i := 0; i < len(codes); {
		switch {
		case at < int(codes[i]):
			if len(list) == 0 {
				return false
			}
			step, n := uint64(list[0]), 1
			if step >= 0x80 {
				if step, n = binary.Uvarint(list); n <= 0 || step > gramCodes {
					return true // it is corrupt: look
				}
			}
			list = list[n:]
			at += int(step) + 1
		case at > int(codes[i]):
			return false
		default:
			i++
		}
	}
	return true
}

// inStatic is false only if no template has all of them.
func (g *grams) inStatic(codes []uint16) bool {
	return g.known&gramsStatic == 0 || holds(g.static, codes)
}

// inOther is false only if no variable, field or raw row has all of them.
func (g *grams) inOther(codes []uint16) bool {
	return g.known&gramsOther == 0 || holds(g.other, codes)
}

// token tells where a token that has these parts may be.
func (g *grams) token(w wanted) (static, other bool) {
	static, other = true, true
	for _, codes := range w {
		static = static && g.inStatic(codes)
		other = other && g.inOther(codes)
	}
	return static, other
}

// anywhere is false only if no row has all the parts.
func (g *grams) anywhere(w wanted) bool {
	for _, codes := range w {
		if !g.inStatic(codes) && !g.inOther(codes) {
			return false
		}
	}
	return true
}

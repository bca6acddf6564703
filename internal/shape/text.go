package shape

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Eight bytes at once: the lowest bit that special leaves set is in the first
// byte that is not plain; above that one a borrow may set others.
const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// special marks the bytes that cannot just be passed over in a JSON string: a
// quote, a backslash, control characters, and what is not ASCII.
func special(w uint64) uint64 {
	return ((w - 0x20*ones) | ((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | w) & highs
}

// toEscape is special without what is not ASCII.
func toEscape(w uint64) uint64 {
	return ((w - 0x20*ones) | ((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones)) &^ w & highs
}

// stringEnd gives the place of the quote that ends the string whose text begins
// at i, and whether there is a backslash in it; -1 where the string is not valid
// JSON, not UTF-8, or holds half of a surrogate pair.
func stringEnd(src []byte, i int) (end int, escaped bool) {
	for i+8 <= len(src) {
		m := special(binary.LittleEndian.Uint64(src[i:]))
		if m == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(m) >> 3
		if src[i] == '"' {
			return i, false
		}
		break
	}
	return stringRest(src, i)
}

func stringRest(src []byte, i int) (end int, escaped bool) {
	for i < len(src) {
		switch c := src[i]; {
		case c == '"':
			return i, escaped
		case c == '\\':
			_, n := escape(src[i:])
			if n == 0 {
				return -1, false
			}
			escaped = true
			i += n
		case c < 0x20:
			return -1, false
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(src[i:])
			if r == utf8.RuneError && n == 1 {
				return -1, false
			}
			i += n
		}
		for i+8 <= len(src) {
			m := special(binary.LittleEndian.Uint64(src[i:]))
			if m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
	}
	return -1, false
}

// escape reads the escape that b begins with, both halves of a surrogate pair
// as one; n is 0 where it is none.
func escape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r1, ok := hex4(b)
		if !ok {
			return 0, 0
		}
		if !utf16.IsSurrogate(r1) {
			return r1, 6
		}
		if r2, ok := hex4(b[6:]); ok {
			if r := utf16.DecodeRune(r1, r2); r != utf8.RuneError {
				return r, 12
			}
		}
	}
	return 0, 0
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
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

// Unescape appends to dst what the text of a JSON string means; raw is the text
// between the quotes, as a Span of a Scanner gives it, in which every escape is
// good. What is no good escape reads as U+FFFD.
func Unescape(dst, raw []byte) []byte {
	for {
		n := bytes.IndexByte(raw, '\\')
		if n < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:n]...)
		raw = raw[n:]
		if len(raw) > 1 && (raw[1] == '"' || raw[1] == '\\') { // most often
			dst = append(dst, raw[1])
			raw = raw[2:]
			continue
		}
		r, n := escape(raw)
		if n == 0 {
			r, n = utf8.RuneError, 1
		}
		dst = utf8.AppendRune(dst, r)
		raw = raw[n:]
	}
}

const hex = "0123456789abcdef"

// Plain reports whether s stands in a JSON string as it is; s is valid UTF-8.
func Plain(s []byte) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if toEscape(binary.LittleEndian.Uint64(s[i:])) != 0 {
			return false
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// AppendQuoted appends s as a JSON string. It escapes what JSON says must be,
// and nothing else; s is valid UTF-8. dst and s must not overlap.
func AppendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	from, i := 0, 0
	for i < len(s) {
		if i+8 <= len(s) {
			m := toEscape(binary.LittleEndian.Uint64(s[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) >> 3
		}
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
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
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// numberEnd gives the end of the JSON number that begins at i; -1 where it is none.
func numberEnd(src []byte, i int) int {
	if i < len(src) && src[i] == '-' {
		i++
	}
	switch {
	case i < len(src) && src[i] == '0':
		i++
	default:
		from := i
		if i = digitsEnd(src, i); i == from {
			return -1
		}
	}
	if i < len(src) && src[i] == '.' {
		from := i + 1
		if i = digitsEnd(src, from); i == from {
			return -1
		}
	}
	if i < len(src) && src[i]|0x20 == 'e' {
		i++
		if i < len(src) && (src[i] == '+' || src[i] == '-') {
			i++
		}
		from := i
		if i = digitsEnd(src, i); i == from {
			return -1
		}
	}
	return i
}

func digitsEnd(src []byte, i int) int {
	for i < len(src) && src[i]-'0' <= 9 {
		i++
	}
	return i
}

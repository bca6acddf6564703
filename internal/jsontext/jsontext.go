// Package jsontext writes JSON strings from bytes that may be anything, for
// those who build documents byte by byte.
package jsontext

import (
	"math/bits"
	"unicode/utf8"
)

const (
	hex  = "0123456789abcdef"
	ones = 0x0101010101010101
)

// AppendString appends b to dst as a JSON string, with U+FFFD for every byte
// that is not part of valid UTF-8. Nothing else is changed: no escaping of what
// only HTML minds.
func AppendString[T ~string | ~[]byte](dst []byte, b T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(b); {
		if i+8 <= len(b) {
			// Eight bytes at once: the lowest bit that is left is in the first byte that
			// is a quote, a backslash, a control character or not ASCII.
			w := uint64(b[i]) | uint64(b[i+1])<<8 | uint64(b[i+2])<<16 | uint64(b[i+3])<<24 |
				uint64(b[i+4])<<32 | uint64(b[i+5])<<40 | uint64(b[i+6])<<48 | uint64(b[i+7])<<56
			w = ((w - 0x20*ones) | ((w ^ '"'*ones) - ones) | ((w ^ '\\'*ones) - ones) | w) & (0x80 * ones)
			if w == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(w) >> 3
		}
		c := b[i]
		if c >= 0x20 && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := decode(b[i:min(i+utf8.UTFMax, len(b))])
			if r != utf8.RuneError || n != 1 {
				i += n
				continue
			}
			dst = append(append(dst, b[start:i]...), "\uFFFD"...)
			i++
			start = i
			continue
		}
		dst = append(dst, b[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		start = i
	}
	return append(append(dst, b[start:]...), '"')
}

// decode reads the first character of at most four bytes.
func decode[T ~string | ~[]byte](b T) (rune, int) {
	var buf [utf8.UTFMax]byte
	return utf8.DecodeRune(buf[:copy(buf[:], b)])
}

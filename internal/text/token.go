package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// What a byte is to the analyser. A byte of a longer character is none of the
// three others: its character has to be looked at.
const (
	classLetter = 1 << iota // a-z A-Z _
	classDigit              // 0-9
	classWide               // part of a character of two bytes or more
)

var classes = func() (t [256]uint8) {
	for c := range t {
		switch {
		case c >= utf8.RuneSelf:
			t[c] = classWide
		case '0' <= c && c <= '9':
			t[c] = classDigit
		case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_':
			t[c] = classLetter
		}
	}
	return t
}()

// NextToken finds the first token of s at or after i; from == to where there is
// none. A token is the longest run of Unicode letters, digits, marks and
// underscores; a Han or Hiragana character is a token of its own. i must not be
// inside a token.
func NextToken(s string, i int) (from, to int) {
	for i < len(s) {
		k := classes[s[i]]
		if k == 0 {
			i++
			continue
		}
		if k != classWide {
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if isTokenRune(r) {
			break
		}
		i += n
	}
	return i, tokenEnd(s, i)
}

// tokenEnd is where the token that begins at i ends.
func tokenEnd(s string, from int) int {
	i := from
	for i < len(s) {
		k := classes[s[i]]
		if k == classWide {
			r, n := utf8.DecodeRuneInString(s[i:])
			if !isTokenRune(r) {
				return i
			}
			if unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hiragana, r) {
				if i == from {
					return i + n
				}
				return i
			}
			i += n
			continue
		}
		if k == 0 {
			return i
		}
		i++
	}
	return i
}

// isTokenRune tells of a character beyond ASCII whether it belongs to a token.
func isTokenRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// HasDigit reports whether the token has an ASCII digit, which makes it a variable.
func HasDigit(token string) bool {
	for i := 0; i < len(token); i++ {
		if classes[token[i]] == classDigit {
			return true
		}
	}
	return false
}

// Lower is strings.ToLower by single characters, which is what folding compares by.
func Lower(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			b := make([]byte, 0, len(s))
			for _, r := range s {
				b = utf8.AppendRune(b, unicode.ToLower(r))
			}
			return string(b)
		}
	}
	return s
}

// IsLower reports whether Lower(s) == want, without making it.
func IsLower(s, want string) bool {
	i, j := 0, 0
	for i < len(s) && j < len(want) {
		c, w := s[i], want[j]
		if c < utf8.RuneSelf && w < utf8.RuneSelf {
			if 'A' <= c && c <= 'Z' {
				c += 'a' - 'A'
			}
			if c != w {
				return false
			}
			i, j = i+1, j+1
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		x, m := utf8.DecodeRuneInString(want[j:])
		if unicode.ToLower(r) != x {
			return false
		}
		i, j = i+n, j+m
	}
	return i == len(s) && j == len(want)
}

// hasLowerPrefix reports whether Lower(s) begins with want.
func hasLowerPrefix(s, want string) bool {
	for i := 0; i < len(want); i++ {
		if i == len(s) {
			return false
		}
		c := s[i]
		if c >= utf8.RuneSelf {
			return strings.HasPrefix(Lower(s[i:]), want[i:])
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

package logging

import (
	"unicode"
	"unicode/utf8"
)

// Analyze cuts a text into tokens, in order, as Elasticsearch's standard
// analyser does for most of what logs hold: a token is the longest run of
// Unicode letters, digits, marks and underscores, in lower case; a Han or
// Hiragana character is a token of its own. Unlike the standard analyser, dots,
// commas and apostrophes always part tokens ("example.com" gives two): a search
// for either part finds the text, and a phrase finds the whole.
func Analyze(text string) []string {
	var tokens []string
	for from, to := nextToken(text, 0); from < to; from, to = nextToken(text, to) {
		tokens = append(tokens, lower(text[from:to]))
	}
	return tokens
}

// nextToken finds the first token at or after i; from == to where there is none.
func nextToken(s string, i int) (from, to int) {
	for i < len(s) {
		r, n := runeAt(s, i)
		if isTokenRune(r) {
			break
		}
		i += n
	}
	from = i
	for i < len(s) {
		r, n := runeAt(s, i)
		if !isTokenRune(r) {
			break
		}
		if r >= utf8.RuneSelf && (unicode.Is(unicode.Han, r) || unicode.Is(unicode.Hiragana, r)) {
			if i == from {
				return from, i + n
			}
			break
		}
		i += n
	}
	return from, i
}

func runeAt(s string, i int) (rune, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return utf8.DecodeRuneInString(s[i:])
}

func isTokenRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
	}
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)
}

// lower is strings.ToLower by single characters, which is what folding compares by.
func lower(s string) string {
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

// isLower reports whether lower(s) == want, without making it.
func isLower(s, want string) bool {
	i, j := 0, 0
	for i < len(s) && j < len(want) {
		r, n := runeAt(s, i)
		w, m := runeAt(want, j)
		if unicode.ToLower(r) != w {
			return false
		}
		i, j = i+n, j+m
	}
	return i == len(s) && j == len(want)
}

// hasToken reports whether one of the tokens of text is the token.
func hasToken(text, token string) bool {
	for from, to := nextToken(text, 0); from < to; from, to = nextToken(text, to) {
		if isLower(text[from:to], token) {
			return true
		}
	}
	return false
}

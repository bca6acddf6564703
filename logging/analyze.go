package logging

import (
	"unicode/utf8"

	"github.com/oriel-project/oriel/internal/text"
)

// Analyze cuts a text into tokens, in order, as Elasticsearch's standard
// analyser does for most of what logs hold: a token is the longest run of
// Unicode letters, digits, marks and underscores, in lower case; a Han or
// Hiragana character is a token of its own. Unlike the standard analyser, dots,
// commas and apostrophes always part tokens ("example.com" gives two): a search
// for either part finds the text, and a phrase finds the whole.
func Analyze(s string) []string {
	var tokens []string
	for from, to := nextToken(s, 0); from < to; from, to = nextToken(s, to) {
		tokens = append(tokens, lower(s[from:to]))
	}
	return tokens
}

// nextToken, lower and isLower are the text codec's, which cuts where the
// analyser does: what it answers about tokens is what Match would say.
func nextToken(s string, i int) (from, to int) { return text.NextToken(s, i) }

func lower(s string) string { return text.Lower(s) }

func isLower(s, want string) bool { return text.IsLower(s, want) }

func runeAt(s string, i int) (rune, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return utf8.DecodeRuneInString(s[i:])
}

// hasToken reports whether one of the tokens of s is the token.
func hasToken(s, token string) bool {
	for from, to := nextToken(s, 0); from < to; from, to = nextToken(s, to) {
		if isLower(s[from:to], token) {
			return true
		}
	}
	return false
}

package logging

import (
	"iter"
	"unicode"
	"unicode/utf8"
)

// Words gives the places of the words of a text, where Elasticsearch's standard
// analyser cuts: tokens (see Analyze) that dots, commas or apostrophes join,
// such as 10.0.0.1 and example.com, are one.
func Words(text string) iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		from, to := nextToken(text, 0)
		for from < to {
			next, end := nextToken(text, to)
			for next < end && joined(text, to, next) {
				to = end
				next, end = nextToken(text, to)
			}
			if !yield(from, to) {
				return
			}
			from, to = next, end
		}
	}
}

// joined reports whether the single character between two tokens holds them
// together: a dot or an apostrophe between letters or between digits, a comma
// between digits (Unicode Standard Annex 29, WB6, WB7, WB11 and WB12).
func joined(text string, from, to int) bool {
	if to-from != 1 {
		return false
	}
	before, _ := utf8.DecodeLastRuneInString(text[:from])
	after, _ := utf8.DecodeRuneInString(text[to:])
	digits := unicode.IsDigit(before) && unicode.IsDigit(after)
	letters := unicode.IsLetter(before) && unicode.IsLetter(after)
	switch text[from] {
	case '.', '\'':
		return digits || letters
	case ',', ';':
		return digits
	case ':':
		return letters
	}
	return false
}

// joins reports whether a character may stand inside a word without belonging
// to a token.
func joins(r rune) bool {
	switch r {
	case '.', '\'', ',', ';', ':':
		return true
	}
	return false
}

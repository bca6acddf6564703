package elastic

import (
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// literalRegexp writes a text as one of Lucene's regular expressions.
func literalRegexp(s string) string {
	var b strings.Builder
	for _, r := range s {
		writeRune(&b, r)
	}
	return b.String()
}

// writeRune writes one character; what could be an operator, behind a backslash.
func writeRune(b *strings.Builder, r rune) {
	if r < utf8.RuneSelf && !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9') {
		b.WriteByte('\\')
	}
	b.WriteRune(r)
}

// foldedRegexp writes a text so that it fits in any case, as filters fold: two
// characters are alike where unicode.ToLower gives the same for both.
func foldedRegexp(s string) string {
	var b strings.Builder
	for _, r := range s {
		writeFolded(&b, r)
	}
	return b.String()
}

func writeFolded(b *strings.Builder, r rune) {
	alike := alikeRunes(r)
	if len(alike) == 1 {
		writeRune(b, r)
		return
	}
	b.WriteByte('(')
	for i, a := range alike {
		if i > 0 {
			b.WriteByte('|')
		}
		writeRune(b, a)
	}
	b.WriteByte(')')
}

// alikeRunes gives the characters that have the same lower case.
func alikeRunes(r rune) []rune {
	low := unicode.ToLower(r)
	out := []rune{r}
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		if unicode.ToLower(o) == low {
			out = append(out, o)
		}
	}
	// The one whose lower case does not fold back to it.
	const dottedI = '\u0130'
	switch {
	case low == 'i' && r != dottedI:
		out = append(out, dottedI)
	case r == dottedI:
		out = append(out, 'i', 'I')
	}
	return out
}

// wildcardRegexp writes a pattern of * and ? as a regular expression.
func wildcardRegexp(pattern string, fold bool) string {
	var b strings.Builder
	for i := 0; i < len(pattern); {
		r, n := utf8.DecodeRuneInString(pattern[i:])
		i += n
		switch {
		case r == '*':
			b.WriteString(".*")
			continue
		case r == '?':
			b.WriteByte('.')
			continue
		case r == '\\' && i < len(pattern):
			r, n = utf8.DecodeRuneInString(pattern[i:])
			i += n
		}
		if fold {
			writeFolded(&b, r)
		} else {
			writeRune(&b, r)
		}
	}
	return b.String()
}

// luceneRegexp writes an expression that logging.NewRegexp took so that Lucene
// reads it as Go does. ok is false where that cannot be done.
func luceneRegexp(pattern string, fold bool) (string, bool) {
	flags := syntax.Perl | syntax.DotNL
	if fold {
		flags |= syntax.FoldCase
	}
	re, err := syntax.Parse(pattern, flags)
	if err != nil {
		return "", false
	}
	var b strings.Builder
	if !writeRegexp(&b, re) || b.Len() > regexpBytesMax/2 {
		return "", false
	}
	return b.String(), true
}

func writeRegexp(b *strings.Builder, re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpNoMatch:
		b.WriteByte('#') // Lucene's empty language
	case syntax.OpEmptyMatch:
		b.WriteString("()")
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase == 0 {
				writeRune(b, r)
				continue
			}
			b.WriteByte('(')
			writeRune(b, r)
			for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
				b.WriteByte('|')
				writeRune(b, o)
			}
			b.WriteByte(')')
		}
	case syntax.OpCharClass:
		if len(re.Rune) == 0 {
			b.WriteByte('#')
			break
		}
		b.WriteByte('[')
		for i := 0; i < len(re.Rune); i += 2 {
			writeRune(b, re.Rune[i])
			if re.Rune[i+1] != re.Rune[i] {
				b.WriteByte('-')
				writeRune(b, re.Rune[i+1])
			}
		}
		b.WriteByte(']')
	case syntax.OpAnyChar:
		b.WriteByte('.')
	case syntax.OpAnyCharNotNL:
		b.WriteString("[^\n]")
	case syntax.OpCapture:
		return group(b, re.Sub[0])
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest, syntax.OpRepeat:
		if !group(b, re.Sub[0]) {
			return false
		}
		switch {
		case re.Op == syntax.OpStar:
			b.WriteByte('*')
		case re.Op == syntax.OpPlus:
			b.WriteByte('+')
		case re.Op == syntax.OpQuest:
			b.WriteByte('?')
		case re.Max < 0:
			fmt.Fprintf(b, "{%d,}", re.Min)
		default:
			fmt.Fprintf(b, "{%d,%d}", re.Min, re.Max)
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if !writeRegexp(b, sub) {
				return false
			}
		}
	case syntax.OpAlternate:
		b.WriteByte('(')
		for i, sub := range re.Sub {
			if i > 0 {
				b.WriteByte('|')
			}
			if !writeRegexp(b, sub) {
				return false
			}
		}
		b.WriteByte(')')
	default:
		return false
	}
	return true
}

func group(b *strings.Builder, re *syntax.Regexp) bool {
	b.WriteByte('(')
	ok := writeRegexp(b, re)
	b.WriteByte(')')
	return ok
}

package logging

import (
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Literal implements Leaf: the longest run of characters that the pattern asks
// for; of a pattern for words that of a single token.
func (f Pattern) Literal(exact bool) Literal {
	l := f.literal()
	if exact || !f.ofWords() {
		return l
	}
	longest := ""
	for part := range strings.FieldsFuncSeq(l.Text, joins) {
		if len(part) > len(longest) {
			longest = part
		}
	}
	return Literal{Text: longest, Digits: digitsIn(longest)}
}

func (f Pattern) literal() Literal {
	switch f.Kind {
	case Prefix:
		text := lower(f.Text)
		return Literal{Text: text, Digits: digitsIn(text)}
	case Wildcard:
		return wildcardLiteral(f.Text)
	case Regexp:
		return regexpLiteral(f.Text, f.Fold)
	}
	return Literal{}
}

// wildcardLiteral cuts a pattern as wildcardFits reads it.
func wildcardLiteral(pattern string) Literal {
	var l runs
	for p := 0; p < len(pattern); {
		r, n := runeAt(pattern, p)
		p += n
		switch {
		case r == '*' || r == '?':
			l.open = true
			l.cut()
			continue
		case r == '\\' && p < len(pattern):
			r, n = runeAt(pattern, p)
			p += n
		}
		l.add(r)
	}
	return l.literal()
}

// regexpLiteral finds what every match of an anchored expression has in it.
func regexpLiteral(pattern string, fold bool) Literal {
	flags := syntax.Perl | syntax.DotNL
	if fold {
		flags |= syntax.FoldCase
	}
	re, err := syntax.Parse(pattern, flags)
	if err != nil {
		return Literal{}
	}
	var l runs
	l.walk(re)
	return l.literal()
}

// runs gathers the characters that must stand beside each other.
type runs struct {
	run    []byte
	best   string
	digits bool // one of the runs had a digit
	open   bool // something is between or around the runs that is not known
}

func (l *runs) add(r rune) {
	r = unicode.ToLower(r)
	l.run = utf8.AppendRune(l.run, r)
	l.digits = l.digits || '0' <= r && r <= '9'
}

func (l *runs) cut() {
	if len(l.run) > len(l.best) {
		l.best = string(l.run)
	}
	l.run = l.run[:0]
}

func (l *runs) literal() Literal {
	l.cut()
	out := Literal{Text: l.best}
	switch {
	case l.digits:
		out.Digits = DigitsSome
	case !l.open:
		out.Digits = DigitsNone
	}
	return out
}

// walk goes through what must match in order; all else cuts the run.
func (l *runs) walk(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpEmptyMatch:
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 && !foldsToOne(r) {
				l.open = true
				l.cut()
				continue
			}
			l.add(r)
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			l.walk(sub)
		}
	case syntax.OpCapture:
		l.walk(re.Sub[0])
	case syntax.OpPlus:
		l.atLeastOnce(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			l.atLeastOnce(re.Sub[0])
			break
		}
		l.open = true
		l.cut()
	default:
		l.open = true
		l.cut()
	}
}

// atLeastOnce takes what is repeated as one run of its own.
func (l *runs) atLeastOnce(re *syntax.Regexp) {
	l.cut()
	l.walk(re)
	l.cut()
}

// foldsToOne reports whether every character that matches r where case is
// ignored has the same lower case; s has not, for there is U+017F.
func foldsToOne(r rune) bool {
	for o := unicode.SimpleFold(r); o != r; o = unicode.SimpleFold(o) {
		if unicode.ToLower(o) != unicode.ToLower(r) {
			return false
		}
	}
	return true
}

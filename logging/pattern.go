package logging

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
	"unicode/utf8"
)

const regexpLenMax = 1000

// NewRegexp makes a Pattern of Kind Regexp. The pattern is Go's (RE2), anchored
// at both ends like Lucene's, and must mean the same in both: Lucene's own
// operators (& ~ < > @ # and quotes) and Go's anchors and special escapes are
// refused by name. A dot fits any character, line ends too. The error wraps ErrQuery.
func NewRegexp(field Field, pattern string) (Pattern, error) {
	f := Pattern{Field: field, Kind: Regexp, Text: pattern}
	if len(pattern) > regexpLenMax {
		return Pattern{}, fmt.Errorf("%w: regular expression of %d characters: shorten it to %d", ErrQuery, len(pattern), regexpLenMax)
	}
	if err := checkLucene(pattern); err != nil {
		return Pattern{}, fmt.Errorf("%w: regular expression /%s/: %w", ErrQuery, pattern, err)
	}
	if _, err := syntax.Parse(pattern, syntax.Perl); err != nil { // before it stands between the anchors
		return Pattern{}, fmt.Errorf("%w: regular expression /%s/: %w", ErrQuery, pattern, err)
	}
	var err error
	if f.re, err = compileRegexp(pattern, false); err != nil {
		return Pattern{}, fmt.Errorf("%w: regular expression /%s/: %w", ErrQuery, pattern, err)
	}
	if f.folded, err = compileRegexp(pattern, true); err != nil {
		return Pattern{}, fmt.Errorf("%w: regular expression /%s/: %w", ErrQuery, pattern, err)
	}
	return f, nil
}

func compileRegexp(pattern string, fold bool) (*regexp.Regexp, error) {
	flags := "(?s)"
	if fold {
		flags = "(?si)"
	}
	begin, end := `\A(?:`, `)\z`
	// What any text may stand before and behind is searched for, which is far
	// quicker than to try whether the text before may end at each place.
	tree, err := syntax.Parse(pattern, syntax.Perl|syntax.DotNL)
	if err == nil && tree.Op == syntax.OpConcat {
		if strings.HasPrefix(pattern, ".*") && isAnything(tree.Sub[0]) && !strings.ContainsAny(pattern[2:3], "?+*{") {
			pattern, begin = pattern[2:], `(?:`
		}
		if rest, ok := strings.CutSuffix(pattern, ".*"); ok && isAnything(tree.Sub[len(tree.Sub)-1]) && !strings.HasSuffix(rest, `\`) && rest != "" {
			pattern, end = rest, `)`
		}
	}
	return regexp.Compile(flags + begin + pattern + end)
}

func isAnything(re *syntax.Regexp) bool {
	return re.Op == syntax.OpStar && re.Sub[0].Op == syntax.OpAnyChar
}

// checkLucene refuses what Lucene and Go would read differently.
func checkLucene(p string) error {
	inClass := false
	for i := 0; i < len(p); i++ {
		c := p[i]
		switch {
		case c == '\\':
			if i++; i == len(p) {
				return fmt.Errorf("it ends in a backslash: double it")
			}
			if c := p[i]; (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') && !strings.ContainsRune("dDsSwW", rune(c)) {
				return fmt.Errorf(`escape \%c is not supported: write the character itself`, c)
			}
		case inClass:
			if c == ']' {
				inClass = false
			} else if c == '[' {
				return fmt.Errorf(`[ inside a class is not supported: write \[`)
			}
		case c == '[':
			inClass = true
			if strings.HasPrefix(p[i+1:], "^]") || strings.HasPrefix(p[i+1:], "]") {
				return fmt.Errorf(`an empty class is not supported: write \] for the bracket`)
			}
		case c == '^' || c == '$':
			return fmt.Errorf(`anchor %c is not needed, the whole value must fit: drop it, or write \%c for the character`, c, c)
		case strings.IndexByte("&~<>@#", c) >= 0:
			return fmt.Errorf(`operator %c is not supported: write \%c for the character`, c, c)
		case c == '"':
			return fmt.Errorf(`operator " is not supported: write \" for the character`)
		case c == '(' && i+1 < len(p) && p[i+1] == '?':
			return fmt.Errorf("groups (?...) are not supported: write (...)")
		}
	}
	return nil
}

// ofWords reports whether the pattern asks for a character that stands between
// tokens, as the dots of 10.0.* do. It is then held against words (see Words), as
// which Elasticsearch analyses what it joins.
func (f Pattern) ofWords() bool {
	switch f.Kind {
	case Prefix, Wildcard:
		return strings.ContainsFunc(f.Text, joins)
	case Regexp:
		return strings.Contains(f.Text, `\.`)
	}
	return false
}

// Equal reports whether two patterns mean the same.
func (f Pattern) Equal(o Pattern) bool {
	return f.Field == o.Field && f.Kind == o.Kind && f.Text == o.Text && f.Fold == o.Fold
}

// fits gives the test for one value or token.
func (f Pattern) fits() func(string) bool {
	text := f.Text
	if f.Fold {
		text = lower(text)
	}
	fold := func(s string) string {
		if f.Fold {
			return lower(s)
		}
		return s
	}
	switch f.Kind {
	case Prefix:
		return func(s string) bool { return strings.HasPrefix(fold(s), text) }
	case Wildcard:
		return func(s string) bool { return wildcardFits(f.Text, s, f.Fold) }
	case Fuzzy:
		want := []rune(text)
		return func(s string) bool { return withinEdits(want, fold(s), fuzziness(len(want))) }
	case Regexp:
		re := f.re
		if f.Fold {
			re = f.folded
		}
		if re == nil { // not made by NewRegexp: slow, but the same
			p, err := NewRegexp(f.Field, f.Text)
			if err != nil {
				break
			}
			if re = p.re; f.Fold {
				re = p.folded
			}
		}
		return re.MatchString
	}
	return func(string) bool { return false }
}

// wildcardFits reports whether s as a whole fits the pattern: * is any run of
// characters, ? any one, \ takes the meaning of the next. Time is at most
// len(pattern) * len(s).
func wildcardFits(pattern, s string, fold bool) bool {
	p, i := 0, 0
	star, mark := -1, 0 // where the last * was, and how far s was then
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			p++
			star, mark = p, i
			continue
		}
		if p < len(pattern) {
			r, n := runeAt(s, i)
			w, m := runeAt(pattern, p)
			any := w == '?'
			if w == '\\' && p+1 < len(pattern) {
				var k int
				w, k = runeAt(pattern, p+1)
				m += k
			}
			if any || w == r && (r != utf8.RuneError || s[i:i+n] == pattern[p:p+m]) || fold && unicode.ToLower(w) == unicode.ToLower(r) {
				p, i = p+m, i+n
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, n := runeAt(s, mark)
		mark += n
		p, i = star, mark
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// fuzziness is Elasticsearch's AUTO: no edits in 1 and 2 characters, one in 3
// to 5, two in more.
func fuzziness(runes int) int {
	switch {
	case runes < 3:
		return 0
	case runes < 6:
		return 1
	}
	return 2
}

const fuzzyLenMax = 256

// withinEdits reports whether s can be made of want with at most the number of
// insertions, deletions, replacements and swaps of neighbours.
func withinEdits(want []rune, text string, edits int) bool {
	if len(text) > 4*fuzzyLenMax || len(want) > fuzzyLenMax {
		return false
	}
	s := []rune(text)
	if d := len(s) - len(want); d > edits || -d > edits {
		return false
	}
	before, last, row := make([]int, len(s)+1), make([]int, len(s)+1), make([]int, len(s)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(want); i++ {
		row[0] = i
		for j := 1; j <= len(s); j++ {
			cost := 1
			if want[i-1] == s[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && want[i-1] == s[j-2] && want[i-2] == s[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(s)] <= edits
}

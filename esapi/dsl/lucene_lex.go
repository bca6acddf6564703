package dsl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// tokenKind tells the tokens of Lucene's classic query language apart.
type tokenKind uint8

const (
	tEnd tokenKind = iota
	tAnd
	tOr
	tNot
	tPlus
	tMinus
	tOpen
	tClose
	tColon
	tQuoted // text without the quotes, escapes kept
	tRegexp // text without the slashes
	tTerm   // escapes kept
	tWild   // a term with * or ? in it
	tRange
	tFuzzy // ~ with its number as text
	tBoost // ^ with its number as text
	tBare  // an operator with a blank behind it, which counts as a word
)

type token struct {
	kind tokenKind
	text string
	at   int // byte offset in the query
	rng  *rangeToken
}

// rangeToken is [low TO high], with { or } where an end is left out.
type rangeToken struct {
	low, high             string // escapes resolved
	lowIn, highIn         bool
	lowQuoted, highQuoted bool
}

type lexer struct {
	s      string
	at     int
	tokens []token
}

const queryTokensMax = 20_000

// lex cuts a query string into tokens.
func lex(s string) ([]token, error) {
	l := lexer{s: strings.ToValidUTF8(s, "\uFFFD")}
	for {
		t, err := l.next()
		if err != nil {
			return nil, err
		}
		if l.tokens = append(l.tokens, t); t.kind == tEnd {
			return l.tokens, nil
		}
		if len(l.tokens) > queryTokensMax {
			return nil, fmt.Errorf("too many terms: more than %d", queryTokensMax)
		}
	}
}

const blank = " \t\n\r\u3000"

// termStart reports whether a term can begin with the character.
func termStart(r rune) bool { return !strings.ContainsRune(blank+`+-!():^[]"{}~*?\/`, r) }

// lexicalError says it in Lucene's words, which clients show to their users.
type lexicalError string

func (e lexicalError) Error() string { return "Lexical error at line 1, " + string(e) }

func (l *lexer) lexical(from int) error {
	if l.at >= len(l.s) {
		return lexicalError(fmt.Sprintf("column %d.  Encountered: <EOF> after : %q", l.at+1, clip(l.s[from:])))
	}
	return lexicalError(fmt.Sprintf("column %d.  Encountered: %q after : %q", l.at+1, l.s[l.at], clip(l.s[from:l.at])))
}

func (l *lexer) next() (token, error) {
	for l.at < len(l.s) {
		r, n := utf8.DecodeRuneInString(l.s[l.at:])
		if !strings.ContainsRune(blank, r) {
			break
		}
		l.at += n
	}
	start := l.at
	if start == len(l.s) {
		return token{kind: tEnd, at: start}, nil
	}
	single := func(k tokenKind) (token, error) {
		l.at++
		return token{kind: k, text: l.s[start:l.at], at: start}, nil
	}
	switch c := l.s[start]; c {
	case '+', '-', '!':
		if start+1 < len(l.s) && strings.ContainsAny(l.s[start+1:start+2], " \t\n\r") {
			return single(tBare)
		}
		switch c {
		case '+':
			return single(tPlus)
		case '-':
			return single(tMinus)
		}
		return single(tNot)
	case '(':
		return single(tOpen)
	case ')':
		return single(tClose)
	case ':':
		return single(tColon)
	case '^':
		l.at++
		return token{kind: tBoost, text: l.decimal(), at: start}, nil
	case '~':
		l.at++
		return token{kind: tFuzzy, text: l.decimal(), at: start}, nil
	case '"':
		text, err := l.delimited('"')
		return token{kind: tQuoted, text: text, at: start}, err
	case '/':
		text, err := l.delimited('/')
		return token{kind: tRegexp, text: text, at: start}, err
	case '[', '{':
		rng, err := l.ranged()
		return token{kind: tRange, rng: rng, at: start}, err
	case ']', '}':
		return token{}, l.lexical(start)
	}
	return l.term()
}

func (l *lexer) decimal() string {
	start := l.at
	for l.at < len(l.s) && (l.s[l.at] >= '0' && l.s[l.at] <= '9' || l.s[l.at] == '.') {
		l.at++
	}
	return l.s[start:l.at]
}

// delimited reads up to the closing delimiter; a backslash takes the next
// character with it.
func (l *lexer) delimited(delim byte) (string, error) {
	start := l.at
	for l.at++; l.at < len(l.s); l.at++ {
		switch l.s[l.at] {
		case '\\':
			l.at++
		case delim:
			l.at++
			return l.s[start+1 : l.at-1], nil
		}
	}
	l.at = len(l.s)
	mend := `close the quote, or write \"`
	if delim == '/' {
		mend = `a slash begins a regular expression: write \/, or put the value in double quotes`
	}
	return "", fmt.Errorf("%w: %s", l.lexical(start), mend)
}

func (l *lexer) term() (token, error) {
	start, wild, first := l.at, false, true
	for l.at < len(l.s) {
		r, n := utf8.DecodeRuneInString(l.s[l.at:])
		switch {
		case r == '\\':
			if l.at+1 == len(l.s) {
				l.at++
				return token{}, l.lexical(start)
			}
			_, m := utf8.DecodeRuneInString(l.s[l.at+1:])
			n += m
		case r == '*' || r == '?':
			wild = true
		case !termStart(r) && (first || (r != '-' && r != '+')):
			n = 0
		}
		if n == 0 {
			break
		}
		first = false
		l.at += n
	}
	t := token{kind: tTerm, text: l.s[start:l.at], at: start}
	switch {
	case l.at == start:
		return token{}, l.lexical(start)
	case wild:
		t.kind = tWild
	case t.text == "AND" || t.text == "&&":
		t.kind = tAnd
	case t.text == "OR" || t.text == "||":
		t.kind = tOr
	case t.text == "NOT":
		t.kind = tNot
	}
	return t, nil
}

// ranged reads [a TO b], {a TO b} and what mixes the two.
func (l *lexer) ranged() (*rangeToken, error) {
	start := l.at
	r := &rangeToken{lowIn: l.s[l.at] == '['}
	l.at++
	var err error
	if r.low, r.lowQuoted, err = l.rangeEnd(start); err != nil {
		return nil, err
	}
	l.skipBlank()
	// Lucene lets the TO be left out.
	if rest := l.s[l.at:]; strings.HasPrefix(rest, "TO") && len(rest) > 2 && strings.ContainsAny(rest[2:3], " \t\n\r\"") {
		l.at += 2
	}
	if r.high, r.highQuoted, err = l.rangeEnd(start); err != nil {
		return nil, err
	}
	l.skipBlank()
	if l.at >= len(l.s) || (l.s[l.at] != ']' && l.s[l.at] != '}') {
		return nil, l.lexical(start)
	}
	r.highIn = l.s[l.at] == ']'
	l.at++
	return r, nil
}

func (l *lexer) skipBlank() {
	for l.at < len(l.s) && strings.IndexByte(" \t\n\r", l.s[l.at]) >= 0 {
		l.at++
	}
}

func (l *lexer) rangeEnd(start int) (text string, quoted bool, err error) {
	l.skipBlank()
	if l.at < len(l.s) && l.s[l.at] == '"' {
		text, err = l.delimited('"')
		return unescape(text), true, err
	}
	from := l.at
	for l.at < len(l.s) && strings.IndexByte(" \t\n\r]}", l.s[l.at]) < 0 {
		if l.s[l.at] == '\\' && l.at+1 < len(l.s) {
			l.at++
		}
		l.at++
	}
	if l.at == from || l.at > len(l.s) {
		l.at = min(l.at, len(l.s))
		return "", false, l.lexical(start)
	}
	return unescape(l.s[from:l.at]), false, nil
}

// unescape resolves backslashes: \x is x, \u0041 is A.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'u' && i+4 < len(s) {
			p := jsonParser{in: []byte(s[i+1 : i+5])}
			if r, err := p.hex4(); err == nil {
				b.WriteRune(r)
				i += 4
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// wildcardText keeps the escapes that logging.Wildcard needs (of *, ? and \)
// and resolves the others.
func wildcardText(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if strings.IndexByte(`*?\`, s[i]) >= 0 {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

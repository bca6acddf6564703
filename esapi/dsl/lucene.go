package dsl

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/oriel-project/oriel/logging"
)

// luceneSettings are those of a query_string clause.
type luceneSettings struct {
	fields    []logging.Field // the default ones; one zero Field: all
	and       bool            // default_operator
	least     string          // minimum_should_match
	slop      int             // phrase_slop
	fuzziness string
	zone      *time.Location
	prefix    bool // type phrase_prefix: terms become beginnings
	phrase    bool // type phrase: neighbouring terms are a phrase
}

// luceneParser parses Lucene's classic query language as Elasticsearch's
// query_string has it. AND and OR are no boolean algebra there: each makes its
// neighbours required or leaves them optional, so a OR b AND c is a +b +c.
type luceneParser struct {
	*parser
	set    luceneSettings
	query  string
	tokens []token
	at     int
}

// occur says what a clause is to its group.
type occur uint8

const (
	should occur = iota
	must
	mustNot
)

type clause struct {
	filter logging.Filter
	occur  occur
}

// ParseQueryString reads a query in Lucene's classic language over all fields,
// as ?q= is read.
func ParseQueryString(query string, env Env) (logging.Filter, error) {
	p := &parser{env: env}
	return p.lucene(query, luceneSettings{fields: []logging.Field{{}}})
}

// lucene parses a query. An empty one finds nothing.
func (p *parser) lucene(query string, set luceneSettings) (logging.Filter, error) {
	tokens, err := lex(query)
	if err != nil {
		return nil, badQueryString(query, err.Error())
	}
	l := &luceneParser{parser: p, set: set, query: query, tokens: tokens}
	if l.peek().kind == tEnd {
		return logging.None{}, nil
	}
	f, err := l.group(set.fields, 0)
	if err == nil && l.peek().kind != tEnd {
		err = l.unexpected()
	}
	if err != nil {
		return nil, err
	}
	if f == nil {
		return logging.None{}, nil
	}
	return f, nil
}

func (l *luceneParser) peek() token { return l.tokens[l.at] }

func (l *luceneParser) peekAfter() tokenKind {
	if l.at+1 < len(l.tokens) {
		return l.tokens[l.at+1].kind
	}
	return tEnd
}

func (l *luceneParser) take() token {
	t := l.tokens[l.at]
	if t.kind != tEnd {
		l.at++
	}
	return t
}

func (l *luceneParser) unexpected() error {
	t := l.peek()
	what := "<EOF>"
	if t.kind != tEnd {
		end := len(l.query)
		if l.at+1 < len(l.tokens) {
			end = min(end, l.tokens[l.at+1].at)
		}
		what = strings.TrimSpace(l.query[min(t.at, end):end])
	}
	return badQueryString(l.query, fmt.Sprintf("Encountered \" %s \" at line 1, column %d.", clip(what), t.at))
}

// group parses clauses up to a closing parenthesis or the end. It gives nil
// where none of the clauses says anything, as with "-" alone.
func (l *luceneParser) group(fields []logging.Field, depth int) (logging.Filter, error) {
	if depth > queryDepthMax {
		return nil, badQueryString(l.query, fmt.Sprintf("nested deeper than %d levels", queryDepthMax))
	}
	var cs []clause
	for first := true; ; first = false {
		if n := l.multiTerm(); n > 1 {
			f, err := l.terms(fields, n)
			if err != nil {
				return nil, err
			}
			cs = l.add(cs, 0, 0, f)
			continue
		}
		conj, mod := tEnd, tEnd
		if k := l.peek().kind; !first && (k == tAnd || k == tOr) {
			conj = l.take().kind
		}
		if !first && conj == tEnd {
			if k := l.peek().kind; k == tEnd || k == tClose {
				break
			}
		}
		if k := l.peek().kind; k == tPlus || k == tMinus || k == tNot {
			mod = l.take().kind
		}
		f, err := l.clause(fields, depth)
		if err != nil {
			return nil, err
		}
		cs = l.add(cs, conj, mod, f)
	}
	least := ""
	if depth == 0 {
		least = l.set.least
	}
	return combine(cs, least)
}

// add is addClause of Lucene's QueryParserBase: the conjunction in front of a
// clause also decides about the one before it.
func (l *luceneParser) add(cs []clause, conj, mod tokenKind, f logging.Filter) []clause {
	if n := len(cs); n > 0 && cs[n-1].occur != mustNot {
		if conj == tAnd {
			cs[n-1].occur = must
		} else if l.set.and && conj == tOr {
			cs[n-1].occur = should
		}
	}
	if f == nil {
		return cs
	}
	c := clause{filter: f}
	switch {
	case mod == tMinus || mod == tNot:
		c.occur = mustNot
	case l.set.and:
		if conj != tOr { // a + behind OR says nothing
			c.occur = must
		}
	case mod == tPlus || conj == tAnd:
		c.occur = must
	}
	return append(cs, c)
}

// combine makes the group's filter. Beside required clauses the optional ones
// only score; excluding clauses alone take from everything.
func combine(cs []clause, least string) (logging.Filter, error) {
	if len(cs) == 0 {
		return nil, nil
	}
	var all logging.And
	var optional []logging.Filter
	required := false
	for _, c := range cs {
		switch c.occur {
		case must:
			required = true
			all = append(all, c.filter)
		case mustNot:
			all = append(all, logging.Not{Of: c.filter})
		default:
			optional = append(optional, c.filter)
		}
	}
	if len(optional) > 0 {
		want := 0
		if !required {
			want = 1
		}
		if least != "" {
			n, err := minimumShouldMatch(least, len(optional))
			if err != nil {
				return nil, err
			}
			want = max(n, want)
		}
		if want > len(optional) {
			return logging.None{}, nil
		}
		if want > 0 {
			all = append(all, anyOf(optional, want))
		}
	}
	return allOf(all), nil
}

// multiTerm counts the plain terms that stand in a row. Elasticsearch does not
// split them before their field's analyser does. With minimum_should_match each
// counts for itself.
func (l *luceneParser) multiTerm() int {
	n := 0
	if l.set.least != "" {
		return n
	}
	for i := l.at; l.tokens[i].kind == tTerm; i++ {
		switch k := l.tokens[i+1]; k.kind {
		case tColon, tFuzzy, tBoost, tAnd, tOr:
			return n
		case tWild:
			if k.text == "*" {
				return n
			}
		}
		n++
	}
	return n
}

// terms reads n plain terms.
func (l *luceneParser) terms(fields []logging.Field, n int) (logging.Filter, error) {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = unescape(l.take().text)
	}
	least := leastOne
	if l.set.and {
		least = leastAll
	}
	return l.over(fields, func(f logging.Field) (logging.Filter, error) {
		switch {
		case l.set.phrase || l.set.prefix:
			return l.phrase(f, strings.Join(parts, " "), l.set.slop, l.set.prefix)
		case !l.set.and && logging.IsKeyword(f.Name):
			return l.oneOf(f, parts)
		}
		return l.fullTexts(f, parts, least)
	})
}

// oneOf finds any of the words in a stamped name, as level:(error warn) means it
// where level is a text. Elasticsearch would look for a keyword of two words.
func (l *luceneParser) oneOf(f logging.Field, words []string) (logging.Filter, error) {
	of := []logging.Filter{whole(f, strings.Join(words, " "))}
	for _, w := range words {
		of = append(of, whole(f, w))
	}
	return anyOf(of, 1), l.count(len(of))
}

// over asks the same of several fields.
func (l *luceneParser) over(fields []logging.Field, make func(logging.Field) (logging.Filter, error)) (logging.Filter, error) {
	if err := l.count(len(fields)); err != nil {
		return nil, err
	}
	var of []logging.Filter
	for _, f := range fields {
		one, err := make(f)
		if err != nil {
			return nil, err
		}
		of = append(of, one)
	}
	return anyOf(of, 1), nil
}

// clause parses [field:] and a term or a group in parentheses.
func (l *luceneParser) clause(fields []logging.Field, depth int) (logging.Filter, error) {
	if t := l.peek(); l.peekAfter() == tColon && (t.kind == tTerm || (t.kind == tWild && t.text == "*")) {
		l.take()
		l.take()
		name := unescape(t.text)
		if name == "_exists_" {
			return l.exists()
		}
		fields = []logging.Field{logging.FieldOf(name)}
	}
	if l.peek().kind != tOpen {
		return l.term(fields)
	}
	l.take()
	f, err := l.group(fields, depth+1)
	if err != nil {
		return nil, err
	}
	if l.peek().kind != tClose {
		return nil, l.unexpected()
	}
	l.take()
	_, _, err = l.suffix()
	return f, err
}

func (l *luceneParser) exists() (logging.Filter, error) {
	t := l.peek()
	if t.kind != tTerm && t.kind != tWild && t.kind != tQuoted {
		return nil, l.unexpected()
	}
	l.take()
	_, _, err := l.suffix()
	return existsFilter(unescape(t.text)), err
}

// suffix reads ~n and ^n behind a term.
func (l *luceneParser) suffix() (edits string, isFuzzy bool, err error) {
	for range 2 {
		switch t := l.peek(); t.kind {
		case tFuzzy:
			edits, isFuzzy = t.text, true
			if _, ok := parseFloat(t.text); !ok && t.text != "" {
				return "", false, l.unexpected()
			}
			l.take()
		case tBoost:
			if _, ok := parseFloat(t.text); !ok {
				return "", false, l.unexpected()
			}
			l.take()
		}
	}
	return edits, isFuzzy, nil
}

func (l *luceneParser) term(fields []logging.Field) (logging.Filter, error) {
	t := l.peek()
	switch t.kind {
	case tTerm, tWild, tQuoted, tRegexp, tRange, tBare:
		l.take()
	default:
		return nil, l.unexpected()
	}
	edits, isFuzzy, err := l.suffix()
	if err != nil {
		return nil, err
	}
	if t.kind == tBare || (t.kind == tTerm && !isFuzzy && t.text != "" && l.silent(fields, t.text)) {
		return nil, nil
	}
	return l.over(fields, func(f logging.Field) (logging.Filter, error) {
		switch t.kind {
		case tRange:
			return l.rangeOver(f, t.rng.lowEnd(), t.rng.highEnd(), dateSettings{zone: l.set.zone})
		case tRegexp:
			return spellings(f, t.text, func(s string) (logging.Filter, error) {
				r, err := logging.NewRegexp(f, s)
				if err != nil {
					return nil, badQueryString(l.query, clip(reason(err)))
				}
				return r, nil
			})
		case tQuoted:
			slop := l.set.slop
			if isFuzzy && edits != "" {
				n, _ := parseFloat(edits)
				slop = int(min(n, 1000))
			}
			return l.phrase(f, unescape(t.text), slop, l.set.prefix)
		case tWild:
			return wildcard(f, t.text), nil
		}
		return l.plain(f, unescape(t.text), edits, isFuzzy)
	})
}

// silent reports whether a term has nothing to search for: it is made of
// punctuation alone, and the fields are all analysed.
func (l *luceneParser) silent(fields []logging.Field, text string) bool {
	for _, f := range fields {
		if f.Exact || isDate(f) {
			return false
		}
	}
	text = unescape(text)
	_, _, isRange := compared(text)
	return !isRange && len(logging.Analyze(text)) == 0 && !anyField(fields[0])
}

func (l *luceneParser) plain(f logging.Field, text, edits string, isFuzzy bool) (logging.Filter, error) {
	// Without a field a word such as the arrow's head in "a -> b" compares nothing.
	if low, high, ok := compared(text); ok && f.Name != "" {
		if low != nil && low.text == "" || high != nil && high.text == "" {
			return nil, badQueryString(l.query, fmt.Sprintf("nothing to compare behind %s: write it without a blank, as in %s:%s500", text, f.Name, text))
		}
		return l.rangeOver(f, low, high, dateSettings{zone: l.set.zone})
	}
	if isFuzzy && !isDate(f) {
		if edits == "" {
			edits = l.set.fuzziness
		}
		return spellings(f, text, func(s string) (logging.Filter, error) { return fuzzy(f, s, edits) })
	}
	if isDate(f) {
		return l.dateRange(f, &end{text, true}, &end{text, true}, dateSettings{zone: l.set.zone})
	}
	if l.set.prefix {
		return l.phrase(f, text, 0, true)
	}
	least := leastOne
	if l.set.and {
		least = leastAll
	}
	return l.fullText(f, text, least)
}

// wildcard finds a term with * or ?. Alone, * means that there is a value.
func wildcard(f logging.Field, text string) logging.Filter {
	if text == "*" {
		if f.Name == "" {
			return logging.All{}
		}
		return existsFilter(f.Name)
	}
	out, _ := spellings(f, wildcardText(text), func(s string) (logging.Filter, error) {
		return logging.Pattern{Field: f, Kind: logging.Wildcard, Text: s}, nil
	})
	return out
}

// spellings asks for a term as the field's analyser would spell it: in lower
// case for analysed fields, as it is for whole values, both for several fields.
func spellings(f logging.Field, text string, make func(string) (logging.Filter, error)) (logging.Filter, error) {
	small := strings.Map(unicode.ToLower, text)
	if f.Exact && f.Name != levelField || small == text {
		return make(text)
	}
	lowered, err := make(small)
	if err != nil || !anyField(f) {
		return lowered, err
	}
	asIs, err := make(text)
	return anyOf([]logging.Filter{lowered, asIs}, 1), err
}

func (r *rangeToken) lowEnd() *end {
	if r.low == "*" && !r.lowQuoted {
		return nil
	}
	return &end{text: r.low, inclusive: r.lowIn}
}

func (r *rangeToken) highEnd() *end {
	if r.high == "*" && !r.highQuoted {
		return nil
	}
	return &end{text: r.high, inclusive: r.highIn}
}

package dsl

import (
	"strings"

	"github.com/oriel-project/oriel/logging"
)

// queryStringIgnored are settings that decide about scores, or about work that
// is bounded otherwise here.
var queryStringIgnored = append([]string{"analyze_wildcard", "allow_leading_wildcard", "enable_position_increments",
	"fuzzy_max_expansions", "fuzzy_prefix_length", "max_determinized_states", "rewrite", "auto_generate_phrase_queries", "split_on_whitespace"}, fullTextIgnored...)

func (p *parser) queryString(n Node) (logging.Filter, error) {
	if err := known("query_string", n, append([]string{"query", "default_field", "fields", "default_operator", "minimum_should_match",
		"phrase_slop", "fuzziness", "time_zone", "type", "analyzer", "quote_analyzer"}, queryStringIgnored...)...); err != nil {
		return nil, err
	}
	if err := standardAnalyzer(n); err != nil {
		return nil, err
	}
	q, ok := n.Get("query")
	if !ok || !q.Scalar() {
		return nil, Parsing("[query_string] must be provided with a [query]")
	}
	set := luceneSettings{}
	var err error
	if set.fields, err = fieldList(n, "fields"); err != nil {
		return nil, err
	}
	if f, ok := n.Get("default_field"); ok && f.Scalar() && len(set.fields) == 0 {
		set.fields = []logging.Field{logging.FieldOf(f.Text)}
	}
	if len(set.fields) == 0 {
		set.fields = []logging.Field{{}}
	}
	if set.and, err = defaultOperator(n); err != nil {
		return nil, err
	}
	if m, ok := n.Get("minimum_should_match"); ok && m.Scalar() {
		set.least = m.Text
	}
	if s, ok := n.Get("phrase_slop"); ok {
		v, ok := s.Int()
		if !ok || v < 0 || v > 1000 {
			return nil, Illegal("[query_string] phrase_slop [%s] is not a number between 0 and 1000", clip(s.Text))
		}
		set.slop = int(v)
	}
	if z, ok := n.Get("fuzziness"); ok {
		set.fuzziness = z.Text
	}
	if z, ok := n.Get("time_zone"); ok {
		if set.zone, err = ParseZone(z.Text); err != nil {
			return nil, err
		}
	}
	switch kind, _ := n.Get("type"); kind.Text {
	case "", "best_fields", "most_fields", "cross_fields":
	case "phrase":
		set.phrase = true
	case "phrase_prefix":
		set.prefix = true
	default:
		return nil, Parsing("[query_string] type [%s] is not supported", clip(kind.Text))
	}
	return p.lucene(q.Text, set)
}

func defaultOperator(n Node) (and bool, err error) {
	op, ok := n.Get("default_operator")
	if !ok || op.Kind == Null {
		return false, nil
	}
	switch strings.ToLower(op.Text) {
	case "and":
		return true, nil
	case "or":
		return false, nil
	}
	return false, Parsing("default_operator [%s] is not known: want [or] or [and]", clip(op.Text))
}

// simpleQueryString reads Elasticsearch's forgiving language: + | - "phrase"
// prefix* ( ) ~n. It has no errors; what cannot be understood is a word.
func (p *parser) simpleQueryString(n Node) (logging.Filter, error) {
	if err := known("simple_query_string", n, append([]string{"query", "fields", "default_operator", "analyzer", "flags", "minimum_should_match"}, queryStringIgnored...)...); err != nil {
		return nil, err
	}
	if err := standardAnalyzer(n); err != nil {
		return nil, err
	}
	q, ok := n.Get("query")
	if !ok || !q.Scalar() {
		return nil, Parsing("[simple_query_string] query text missing")
	}
	fields, err := fieldList(n, "fields")
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		fields = []logging.Field{{}}
	}
	s := simpleParser{parser: p, s: q.Text, fields: fields}
	if s.and, err = defaultOperator(n); err != nil {
		return nil, err
	}
	if s.off, err = simpleFlags(n); err != nil {
		return nil, err
	}
	if m, ok := n.Get("minimum_should_match"); ok && m.Scalar() {
		s.least = func(n int) (int, error) { return minimumShouldMatch(m.Text, n) }
		x, whole := m.Int()
		s.some = whole && x > 0
	}
	f, err := s.group(0)
	if f == nil && err == nil {
		f = logging.None{}
	}
	return f, err
}

type simpleParser struct {
	*parser
	s      string
	at     int
	fields []logging.Field
	and    bool
	off    string                   // operators that are plain characters, see simpleFlags
	least  func(n int) (int, error) // of the alternatives that are not in a group
	some   bool                     // at least one of them is asked for
	joined bool                     // what is left of the next operator are alternatives
}

// simpleFlags reads flags: names with | between, or the sum of their bits. It
// gives the operators that are off; w is white space, f what follows a word's ~
// and s what follows a phrase's.
func simpleFlags(n Node) (off string, err error) {
	names := []struct {
		name, ops string
		bit       int64
	}{{"AND", "+", 1}, {"NOT", "-", 2}, {"OR", "|", 4}, {"PREFIX", "*", 8}, {"PHRASE", "\"", 16}, {"PRECEDENCE", "()", 32},
		{"ESCAPE", "\\", 64}, {"WHITESPACE", "w", 128}, {"FUZZY", "f", 256}, {"NEAR", "s", 512}}
	v, ok := n.Get("flags")
	if !ok || v.Kind == Null {
		return "", nil
	}
	bits := int64(0)
	if v.Kind == Number {
		if bits, ok = v.Int(); !ok {
			return "", Illegal("[simple_query_string] unknown flags [%s]", clip(v.Text))
		}
	} else {
		for word := range strings.SplitSeq(v.Text, "|") {
			switch word = strings.ToUpper(strings.TrimSpace(word)); word {
			case "ALL", "":
				bits = -1
				continue
			case "NONE":
				continue
			case "SLOP":
				word = "NEAR"
			}
			known := false
			for _, of := range names {
				if of.name == word {
					bits |= of.bit
					known = true
				}
			}
			if !known {
				return "", Illegal("Unknown simple_query_string flag [%s]", clip(word))
			}
		}
	}
	for _, of := range names {
		if bits&of.bit == 0 {
			off += of.ops
		}
	}
	return off, nil
}

// is reports whether a character is one of the operators, and that one is on.
func (s *simpleParser) is(c byte, ops string) bool {
	return strings.IndexByte(ops, c) >= 0 && strings.IndexByte(s.off, c) < 0
}

// space reports whether a character parts words.
func (s *simpleParser) space(c byte) bool {
	return strings.IndexByte(" \t\n\r", c) >= 0 && !strings.Contains(s.off, "w")
}

// group parses up to a closing parenthesis. Each operator joins what is left of
// it, as a whole, with the next clause.
func (s *simpleParser) group(depth int) (logging.Filter, error) {
	var left logging.Filter
	op := byte(0)
	not := false
	for s.at < len(s.s) {
		c := s.s[s.at]
		var f logging.Filter
		var err error
		switch {
		case s.space(c):
			s.at++
			continue
		case s.is(c, "+|"):
			if left != nil && !not {
				op = c
			}
			s.at++
			continue
		case s.is(c, "-"):
			not = !not
			s.at++
			continue
		case s.is(c, ")"):
			s.at++
			if depth > 0 {
				return left, nil
			}
			continue
		case s.is(c, "(") && depth < queryDepthMax:
			s.at++
			outer := s.joined
			f, err = s.group(depth + 1)
			s.joined = outer
		case s.is(c, "("):
			return nil, Parsing("[simple_query_string] nested deeper than %d levels", queryDepthMax)
		default:
			f, err = s.word()
		}
		if err != nil {
			return nil, err
		}
		if f != nil {
			left = s.join(left, op, not, f)
		}
		op, not = 0, false
	}
	if or, ok := left.(logging.Or); ok && depth == 0 && s.least != nil && s.joined {
		n, err := s.least(len(or.Of))
		if err != nil {
			return nil, err
		}
		return logging.Or{Of: or.Of, Min: max(n, 1)}, nil
	}
	if _, all := left.(logging.And); all && depth == 0 && s.some {
		return logging.None{}, nil // there are no alternatives of which some could match
	}
	return left, nil
}

func (s *simpleParser) join(left logging.Filter, op byte, not bool, f logging.Filter) logging.Filter {
	if not {
		f = logging.Not{Of: f}
	}
	switch {
	case left == nil:
		s.joined = false
		return f
	case op == '+' || (op == 0 && s.and):
		s.joined = false
		return logging.And{left, f}
	}
	if or, ok := left.(logging.Or); ok && s.joined {
		return logging.Or{Of: append(or.Of, f), Min: 1}
	}
	s.joined = true
	return logging.Or{Of: []logging.Filter{left, f}, Min: 1}
}

func (s *simpleParser) word() (logging.Filter, error) {
	quoted := s.is(s.s[s.at], `"`)
	var b strings.Builder
	prefix := false
	if quoted {
		s.at++
	}
	for ; s.at < len(s.s); s.at++ {
		c := s.s[s.at]
		if s.is(c, `\`) && s.at+1 < len(s.s) {
			s.at++
			b.WriteByte(s.s[s.at])
			continue
		}
		if quoted && c == '"' {
			s.at++
			break
		}
		if !quoted && (s.space(c) || s.is(c, `+|()"`)) {
			break
		}
		b.WriteByte(c)
	}
	text, edits, isFuzzy := b.String(), "", false
	if quoted && s.at < len(s.s) && s.s[s.at] == '~' && !strings.Contains(s.off, "s") {
		from := s.at + 1
		for s.at++; s.at < len(s.s) && s.s[s.at] >= '0' && s.s[s.at] <= '9'; s.at++ {
		}
		edits, isFuzzy = s.s[from:s.at], true
	} else if before, after, ok := strings.Cut(text, "~"); ok && !quoted && !strings.Contains(s.off, "f") && strings.Trim(after, "0123456789") == "" {
		text, edits, isFuzzy = before, after, true
	}
	if !quoted && !isFuzzy && s.is('*', "*") {
		text, prefix = strings.CutSuffix(text, "*")
	}
	if err := s.count(len(s.fields)); err != nil {
		return nil, err
	}
	if text == "" {
		if prefix {
			return logging.All{}, nil
		}
		return nil, nil
	}
	var of []logging.Filter
	for _, f := range s.fields {
		one, err := s.single(f, text, edits, quoted, isFuzzy, prefix)
		if err != nil {
			return nil, err
		}
		of = append(of, one)
	}
	return anyOf(of, 1), nil
}

func (s *simpleParser) single(f logging.Field, text, edits string, quoted, isFuzzy, prefix bool) (logging.Filter, error) {
	switch {
	case isDate(f):
		if one, err := s.oneTerm(f, text, false); err == nil {
			return one, nil
		}
		return logging.None{}, nil // forgiving: what is no date finds nothing
	case quoted:
		n, _ := parseFloat(edits)
		return s.phrase(f, text, int(min(n, 1000)), false)
	case isFuzzy:
		return spellings(f, text, func(t string) (logging.Filter, error) { return fuzzy(f, t, edits) })
	case prefix:
		return spellings(f, text, func(t string) (logging.Filter, error) {
			return logging.Pattern{Field: f, Kind: logging.Prefix, Text: t}, nil
		})
	}
	least := leastOne
	if s.and {
		least = leastAll
	}
	return s.fullText(f, text, least)
}

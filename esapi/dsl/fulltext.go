package dsl

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/oriel-project/oriel/logging"
)

// anyField reports whether the field stands for several ones.
func anyField(f logging.Field) bool { return f.Name == "" || strings.Contains(f.Name, "*") }

// words cuts a text where Elasticsearch's standard analyser does. It keeps
// together what dots, commas and apostrophes join, such as 10.0.0.1, of which
// logging.Analyze makes several tokens: those are then searched as a phrase.
func words(text string) []string {
	var out []string
	for from, to := range logging.Words(text) {
		out = append(out, text[from:to])
	}
	return out
}

// word finds one word. What is more than a plain token keeps its spelling for
// exact fields and for numbers.
func word(f logging.Field, text, raw string) logging.Filter {
	tokens := logging.Analyze(text)
	if len(tokens) == 1 && tokens[0] == raw {
		return logging.Term{Field: f, Text: raw}
	}
	return logging.Phrase{Field: f, Tokens: tokens, Raw: raw}
}

// levelField is compared whatever the case: senders and searchers spell levels
// as they like.
const levelField = "level"

// whole finds a field's whole value.
func whole(f logging.Field, text string) logging.Filter {
	return logging.Term{Field: f, Text: text, Fold: f.Name == levelField}
}

// fullText finds the words of a text: any of them (least 1), some, or all
// (least < 0). Where the field holds whole values, the whole text.
func (p *parser) fullText(f logging.Field, text string, least func(n int) (int, error)) (logging.Filter, error) {
	return p.fullTexts(f, []string{text}, least)
}

// fullTexts is fullText of texts that are one, written with blanks between them,
// where a value that is no text may be one of them, too.
func (p *parser) fullTexts(f logging.Field, texts []string, least func(n int) (int, error)) (logging.Filter, error) {
	text := strings.Join(texts, " ")
	if isDate(f) {
		return p.oneTerm(f, text, false)
	}
	if f.Exact {
		return whole(f, text), nil
	}
	ws := words(text)
	if len(ws) <= 1 {
		return word(f, text, text), nil
	}
	if err := p.count(len(ws)); err != nil {
		return nil, err
	}
	of := make([]logging.Filter, 0, len(ws))
	for _, t := range texts {
		parts := words(t)
		for _, w := range parts {
			if len(parts) == 1 {
				of = append(of, word(f, w, w))
				continue
			}
			// Half of cart-7 is no whole value and no number.
			of = append(of, logging.Phrase{Field: f, Tokens: logging.Analyze(w), Raw: t})
		}
	}
	n, err := least(len(ws))
	if err != nil {
		return nil, err
	}
	var found logging.Filter
	switch {
	case n < 0 || n == len(ws):
		found = allOf(of)
	case n > len(ws):
		found = logging.None{}
	default:
		found = anyOf(of, n)
	}
	if anyField(f) {
		// Among several fields there are such of whole values.
		found = anyOf([]logging.Filter{found, logging.Phrase{Field: f, Tokens: logging.Analyze(text), Raw: text}}, 1)
	}
	return found, nil
}

func leastOne(int) (int, error) { return 1, nil }
func leastAll(int) (int, error) { return -1, nil }

// leastOf reads operator and minimum_should_match.
func leastOf(clause string, body Node) (func(int) (int, error), error) {
	if op, ok := body.Get("operator"); ok {
		switch strings.ToLower(op.Text) {
		case "and":
			return leastAll, nil
		case "or":
		default:
			return nil, Parsing("[%s] operator [%s] is not known: want [or] or [and]", clause, clip(op.Text))
		}
	}
	if m, ok := body.Get("minimum_should_match"); ok && m.Scalar() {
		return func(n int) (int, error) { return minimumShouldMatch(m.Text, n) }, nil
	}
	return leastOne, nil
}

func (p *parser) phrase(f logging.Field, text string, slop int, prefix bool) (logging.Filter, error) {
	switch {
	case isDate(f):
		return p.oneTerm(f, text, false)
	case f.Exact && !prefix:
		return whole(f, text), nil
	}
	return logging.Phrase{Field: f, Tokens: logging.Analyze(text), Raw: text, Slop: slop, LastPrefix: prefix}, nil
}

// Settings of full-text clauses that decide about scores, about expansions that
// are not bounded here, or about being lenient, which is always so here.
var fullTextIgnored = []string{"lenient", "auto_generate_synonyms_phrase_query", "max_expansions",
	"fuzzy_rewrite", "fuzzy_transpositions", "cutoff_frequency", "tie_breaker"}

func (p *parser) match(clause string, n Node) (logging.Filter, error) {
	settings := append([]string{"analyzer", "slop", "zero_terms_query", "operator", "minimum_should_match", "fuzziness"}, fullTextIgnored...)
	f, body, err := fieldBody(clause, n, "query", settings...)
	if err != nil {
		return nil, err
	}
	text, _ := body.Get("query")
	return p.matchText(clause, f, text.Text, body)
}

// matchText is what one of the match clauses means for one field.
func (p *parser) matchText(clause string, f logging.Field, text string, body Node) (logging.Filter, error) {
	if err := standardAnalyzer(body); err != nil {
		return nil, err
	}
	if z, ok := body.Get("zero_terms_query"); ok && strings.EqualFold(z.Text, "all") && !f.Exact && len(logging.Analyze(text)) == 0 {
		return logging.All{}, nil
	}
	slop := 0
	if s, ok := body.Get("slop"); ok {
		v, ok := s.Int()
		if !ok || v < 0 || v > 1000 {
			return nil, Illegal("[%s] slop [%s] is not a number between 0 and 1000", clause, clip(s.Text))
		}
		slop = int(v)
	}
	least, err := leastOf(clause, body)
	if err != nil {
		return nil, err
	}
	switch clause {
	case "match_phrase":
		return p.phrase(f, text, slop, false)
	case "match_phrase_prefix":
		return p.phrase(f, text, slop, true)
	case "match_bool_prefix":
		return p.boolPrefix(f, text, least)
	}
	if z, ok := body.Get("fuzziness"); ok && z.Text != "0" {
		return p.fuzzyText(f, text, z.Text, least)
	}
	return p.fullText(f, text, least)
}

func standardAnalyzer(body Node) error {
	for _, key := range []string{"analyzer", "quote_analyzer"} {
		if a, ok := body.Get(key); ok && a.Kind != Null && a.Text != "standard" {
			return Illegal("analyzer [%s] is not supported: every text is analysed by [standard]", clip(a.Text))
		}
	}
	return nil
}

// boolPrefix finds words, the last one by its beginning.
func (p *parser) boolPrefix(f logging.Field, text string, least func(int) (int, error)) (logging.Filter, error) {
	if f.Exact || isDate(f) {
		return p.fullText(f, text, least)
	}
	tokens := logging.Analyze(text)
	if len(tokens) == 0 {
		return word(f, text, text), nil
	}
	if err := p.count(len(tokens)); err != nil {
		return nil, err
	}
	of := make([]logging.Filter, len(tokens))
	for i, t := range tokens {
		of[i] = logging.Term{Field: f, Text: t}
	}
	of[len(of)-1] = logging.Pattern{Field: f, Kind: logging.Prefix, Text: tokens[len(tokens)-1]}
	n, err := least(len(of))
	if err != nil {
		return nil, err
	}
	if n < 0 || n == len(of) {
		return allOf(of), nil
	}
	return anyOf(of, n), nil
}

func (p *parser) fuzzyText(f logging.Field, text, edits string, least func(int) (int, error)) (logging.Filter, error) {
	tokens := []string{text}
	if !f.Exact {
		tokens = logging.Analyze(text)
	}
	if len(tokens) == 0 {
		return word(f, text, text), nil
	}
	if err := p.count(len(tokens)); err != nil {
		return nil, err
	}
	var of []logging.Filter
	for _, t := range tokens {
		one, err := fuzzy(f, t, edits)
		if err != nil {
			return nil, err
		}
		of = append(of, one)
	}
	n, err := least(len(of))
	if err != nil {
		return nil, err
	}
	if n < 0 || n == len(of) {
		return allOf(of), nil
	}
	return anyOf(of, n), nil
}

// fuzzy finds what is few edits away. The store knows Elasticsearch's AUTO (none
// in up to 2 characters, one in up to 5, two in more); one edit in longer words
// is spelled out as a regular expression. Other distances are refused.
func fuzzy(f logging.Field, text, edits string) (logging.Filter, error) {
	n := utf8.RuneCountInString(text)
	auto := 2
	switch {
	case n < 3:
		auto = 0
	case n < 6:
		auto = 1
	}
	want := auto
	if edits != "" && !strings.EqualFold(edits, "auto") {
		v, ok := parseFloat(edits)
		if !ok || v < 0 || v > 2 {
			return nil, Illegal("Valid edit distances are [0, 1, 2, AUTO] but was [%s]", clip(edits))
		}
		if want = int(v); v < 1 && v > 0 { // the share of the characters that must be equal, of old
			want = min(2, int((1-v)*float64(n)))
		}
	}
	switch {
	case want == 0:
		return logging.Term{Field: f, Text: text}, nil
	case want == auto:
		return logging.Pattern{Field: f, Kind: logging.Fuzzy, Text: text}, nil
	case want == 1 && n <= 15:
		return regexpFilter(f, oneEdit([]rune(text)), false)
	}
	return nil, Illegal("fuzziness [%s] is not supported for [%s]: want AUTO, or 1 for up to 15 characters", strconv.Itoa(want), clip(text))
}

// oneEdit is a regular expression for all that is at most one insertion,
// deletion, replacement or swap away from the text.
func oneEdit(text []rune) string {
	var alts []string
	quote := func(r []rune) string { return quoteRegexp(string(r)) }
	for i := range text {
		alts = append(alts, quote(text[:i])+".?"+quote(text[i+1:]))
		if i+1 < len(text) {
			alts = append(alts, quote(text[:i])+quote([]rune{text[i+1], text[i]})+quote(text[i+2:]))
		}
	}
	for i := range len(text) + 1 {
		alts = append(alts, quote(text[:i])+"."+quote(text[i:]))
	}
	return strings.Join(alts, "|")
}

func quoteRegexp(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf && !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != ' ' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (p *parser) multiMatch(n Node) (logging.Filter, error) {
	settings := append([]string{"query", "fields", "type", "analyzer", "slop", "zero_terms_query", "operator", "minimum_should_match", "fuzziness"}, fullTextIgnored...)
	if err := known("multi_match", n, settings...); err != nil {
		return nil, err
	}
	q, ok := n.Get("query")
	if !ok || !q.Scalar() {
		return nil, Parsing("No text specified for multi_match query")
	}
	fields, err := fieldList(n, "fields")
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		fields = []logging.Field{{}}
	}
	clause := ""
	switch kind, _ := n.Get("type"); kind.Text {
	case "", "best_fields", "most_fields":
		clause = "match"
	case "phrase":
		clause = "match_phrase"
	case "phrase_prefix":
		clause = "match_phrase_prefix"
	case "bool_prefix":
		clause = "match_bool_prefix"
	case "cross_fields":
		return p.crossFields(fields, q.Text, n)
	default:
		return nil, Parsing("[multi_match] failed to find a type for [%s]", clip(kind.Text))
	}
	var of []logging.Filter
	for _, f := range fields {
		one, err := p.matchText(clause, f, q.Text, n)
		if err != nil {
			return nil, err
		}
		of = append(of, one)
	}
	return anyOf(of, 1), nil
}

// crossFields wants each word in any of the fields.
func (p *parser) crossFields(fields []logging.Field, text string, n Node) (logging.Filter, error) {
	if err := standardAnalyzer(n); err != nil {
		return nil, err
	}
	least, err := leastOf("multi_match", n)
	if err != nil {
		return nil, err
	}
	ws := words(text)
	if err := p.count(len(ws) * len(fields)); err != nil {
		return nil, err
	}
	var of []logging.Filter
	for _, w := range ws {
		var any []logging.Filter
		for _, f := range fields {
			any = append(any, word(f, w, w))
		}
		of = append(of, anyOf(any, 1))
	}
	if len(of) == 0 {
		return logging.None{}, nil
	}
	want, err := least(len(of))
	if err != nil {
		return nil, err
	}
	if want < 0 || want == len(of) {
		return allOf(of), nil
	}
	return anyOf(of, want), nil
}

// fieldList reads "fields": names with an optional boost, which only scores.
func fieldList(n Node, key string) ([]logging.Field, error) {
	v, ok := n.Get(key)
	if !ok || v.Kind == Null {
		return nil, nil
	}
	names, ok := v.Strings()
	if !ok || len(names) > 1024 {
		return nil, Parsing("[%s] wants an array of at most 1024 field names", key)
	}
	var out []logging.Field
	for _, name := range names {
		name, _, _ = strings.Cut(name, "^")
		f := logging.FieldOf(name)
		if f.Name == "" {
			return []logging.Field{{}}, nil
		}
		out = append(out, f)
	}
	return out, nil
}

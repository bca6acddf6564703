package elastic

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
)

// place is where a leaf looks: the terms of one field, or with name "" those of
// every field.
type place struct {
	name  string
	exact bool // strings are compared as a whole
}

func (p place) begin() string { return named(p.name) }

// in translates a leaf for the values of one place.
func (t *translator) in(f logging.Leaf, p place, up bool) es.Query {
	switch f := f.(type) {
	case logging.Term:
		return t.term(f, p, up)
	case logging.Phrase:
		return t.phrase(f, p, up)
	case logging.Pattern:
		return t.fits(f, p, up)
	case logging.Range:
		return t.between(f, p, up)
	}
	return t.unclear(up, "a filter that it does not know")
}

// termClauses gives a Term on one plain field as terms; ok is false where it
// takes more than that.
func (t *translator) termClauses(f logging.Term) (clauses, bool) {
	if f.Field.Name == "" && !f.Field.Exact {
		return termIn(f, place{})
	}
	if !plain(f.Field) || always(f.Field.Name) {
		return clauses{}, false
	}
	names := places(f.Field.Name)
	if len(names) > 1 {
		return clauses{}, false
	}
	return termIn(f, place{names[0], logging.FieldExact(f.Field.Name, f.Field)})
}

// termIn gives the terms of which a record has one; ok is false where case is
// ignored.
func termIn(f logging.Term, p place) (c clauses, ok bool) {
	begin := p.begin()
	c.terms = equalTerms(begin, f.Text)
	if p.exact || p.name == "" {
		if f.Fold {
			return c, false
		}
		text, _ := cut(f.Text)
		c.terms = append(c.terms, begin+tagString+text)
	}
	if !p.exact {
		token := f.Text
		if f.Fold {
			token = lower(token)
		}
		if token != "" {
			text, _ := cut(token)
			c.tokens = append(c.tokens, begin+text)
		}
	}
	return c, true
}

func (t *translator) term(f logging.Term, p place, up bool) es.Query {
	c, ok := termIn(f, p)
	if ok {
		if q := c.query(); q != nil {
			return q
		}
		return nothing()
	}
	of := []es.Query{t.doubt(p, es.NewRegexpQuery("x", literalRegexp(p.begin()+tagString)+foldedRegexp(f.Text)), up)}
	if !p.exact { // every field: tokens, too
		f2 := f
		f2.Text, f2.Fold = lower(f.Text), false
		c, _ = termIn(f2, p)
		c.terms = equalTerms(p.begin(), f.Text)
	}
	if q := c.query(); q != nil {
		of = append(of, q)
	}
	return atLeast(1, of...)
}

// equalTerms gives the terms of the values that are no strings and that text
// reads as.
func equalTerms(begin, text string) []string {
	switch text {
	case "":
		return nil
	case "true":
		return []string{begin + tagBool + "1"}
	case "false":
		return []string{begin + tagBool + "0"}
	}
	if n, ok := number(text); ok {
		return []string{begin + tagNumber + encodeNumber(n)}
	}
	return nil
}

// number reads a text as a filter does.
func number(text string) (logging.Value, bool) {
	if text == "" || strings.IndexByte("+-.0123456789iInN", text[0]) < 0 {
		return logging.Value{}, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return logging.Int(n), true
	}
	if x, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(x) {
		return logging.Float(x), true
	}
	return logging.Value{}, false
}

// gapMax is the distance of two values of a field in the engine's positions, see
// mapping.json.
const gapMax = 10_000

func (t *translator) phrase(f logging.Phrase, p place, up bool) es.Query {
	begin := p.begin()
	of := []es.Query{}
	if c := (&clauses{terms: equalTerms(begin, f.Raw)}).query(); c != nil {
		of = append(of, c)
	}
	if p.exact || p.name == "" {
		text, long := cut(f.Raw)
		switch {
		case !f.LastPrefix:
			of = append(of, es.NewTermQuery("x", begin+tagString+text))
		case long:
			of = append(of, t.unclear(up, "a long beginning"))
		default:
			of = append(of, es.NewPrefixQuery("x", begin+tagString+text))
		}
	}
	if !p.exact && len(f.Tokens) > 0 {
		of = append(of, t.tokens(f, begin, up))
	}
	return atLeast(1, of...)
}

func (t *translator) tokens(f logging.Phrase, begin string, up bool) es.Query {
	lines := make([]string, len(f.Tokens))
	twice := false
	seen := map[string]bool{}
	for i, token := range f.Tokens {
		text, long := cut(token)
		if long && f.LastPrefix {
			return t.unclear(up, "a long beginning")
		}
		lines[i] = begin + text
		twice = twice || seen[token]
		seen[token] = true
	}
	switch {
	case len(lines) == 1 && f.LastPrefix:
		return es.NewPrefixQuery("tk", lines[0])
	case len(lines) == 1:
		return es.NewTermQuery("tk", lines[0])
	case f.Slop >= gapMax/2 || len(lines) >= gapMax/2 || f.Slop > 0 && (twice || f.LastPrefix):
		// The engine's idea of moved tokens that come twice is another one.
		return t.unclear(up, "moved words of a phrase that come twice")
	case f.LastPrefix:
		return es.NewMatchPhrasePrefixQuery("tk", strings.Join(lines, "\n")).MaxExpansions(100_000)
	}
	return es.NewMatchPhraseQuery("tk", strings.Join(lines, "\n")).Slop(f.Slop)
}

// fits translates a pattern.
func (t *translator) fits(f logging.Pattern, p place, up bool) es.Query {
	begin := p.begin()
	var of []es.Query
	if f.Kind != logging.Fuzzy {
		of = append(of, t.textFits(f, "x", begin+tagText, f.Fold, p, up))
	}
	if p.exact || p.name == "" {
		of = append(of, t.textFits(f, "x", begin+tagString, f.Fold, p, up))
	}
	if p.exact {
		return atLeast(1, of...)
	}
	if _, ofTokens := f.TokenTest(); ofTokens {
		return atLeast(1, append(of, t.textFits(f, "tk", begin, f.Fold, p, up))...)
	}
	of = append(of, t.textFits(f, "x", begin+tagWord, f.Fold, p, up))
	if f.Kind == logging.Regexp && up {
		// It need not ask for what joins words: a single token may be one.
		t.vague = "an expression with dots"
		of = append(of, t.textFits(f, "tk", begin, f.Fold, p, up))
	} else if f.Kind == logging.Regexp {
		t.vague = "an expression with dots"
	}
	return atLeast(1, of...)
}

// textFits asks for terms of a field of the engine's that begin with begin and
// go on with what fits the pattern.
func (t *translator) textFits(f logging.Pattern, field, begin string, fold bool, p place, up bool) es.Query {
	text := f.Text
	lowered := field == "tk" || strings.HasSuffix(begin, sep+tagWord)
	if fold && lowered && f.Kind != logging.Regexp {
		text, fold = lower(text), false
	}
	if !utf8.ValidString(text) || strings.Contains(text, esc) || len(text) > termBytesMax {
		return t.unclear(up, "a long pattern")
	}
	switch f.Kind {
	case logging.Prefix:
		if !fold {
			return es.NewPrefixQuery(field, begin+text)
		}
		return t.doubt(p, es.NewRegexpQuery(field, literalRegexp(begin)+foldedRegexp(text)+".*"), up)
	case logging.Wildcard:
		return t.doubt(p, es.NewRegexpQuery(field, literalRegexp(begin)+wildcardRegexp(text, fold)), up)
	case logging.Regexp:
		re, ok := luceneRegexp(text, fold)
		if !ok {
			return t.unclear(up, "an expression that it reads in another way")
		}
		return t.doubt(p, es.NewRegexpQuery(field, literalRegexp(begin)+re), up)
	case logging.Fuzzy:
		if fold {
			return t.unclear(up, "nearly equal texts in any case")
		}
		edits := 2
		switch n := utf8.RuneCountInString(text); {
		case n < 3:
			edits = 0
		case n < 6:
			edits = 1
		case n > 256:
			return nothing()
		}
		q := es.NewFuzzyQuery(field, begin+text).Fuzziness(edits).PrefixLength(utf8.RuneCountInString(begin)).Transpositions(true).Rewrite("constant_score")
		return t.doubt(p, q, up)
	}
	return nothing()
}

func (t *translator) between(f logging.Range, p place, up bool) es.Query {
	begin := p.begin()
	lo, hi := f.Min, f.Max
	kinds := map[logging.Kind]bool{}
	for _, b := range []*logging.Bound{lo, hi} {
		switch {
		case b == nil:
		case b.Value.Kind == logging.KindInt || b.Value.Kind == logging.KindFloat:
			kinds[logging.KindInt] = true
		default:
			kinds[b.Value.Kind] = true
		}
	}
	var of []es.Query
	// only says whether all bounds there are have one of these kinds.
	only := func(of ...logging.Kind) bool {
		n := 0
		for _, k := range of {
			if kinds[k] {
				n++
			}
		}
		return n == len(kinds)
	}
	if only(logging.KindInt, logging.KindTime) {
		if q := termRange("x", begin+tagNumber, numberBound(lo), numberBound(hi)); q != nil {
			of = append(of, q)
		}
	}
	if only(logging.KindBool) {
		of = append(of, termRange("x", begin+tagBool, boolBound(lo), boolBound(hi)))
	}
	if only(logging.KindTime) && len(kinds) > 0 {
		of = append(of, termRange("x", begin+tagDate, timeBound(lo), timeBound(hi)))
	}
	if only(logging.KindString) {
		for _, b := range []*logging.Bound{lo, hi} {
			if b == nil {
				continue
			}
			if _, long := cut(b.Value.Str); long {
				return t.unclear(up, "a long bound")
			}
		}
		if p.exact || p.name == "" {
			of = append(of, termRange("x", begin+tagString, stringBound(lo), stringBound(hi)))
		}
		if !p.exact {
			of = append(of, termRange("tk", begin, stringBound(lo), stringBound(hi)))
		}
	}
	if kinds[logging.KindTime] && kinds[logging.KindString] {
		return t.unclear(up, "a bound that is a date and one that is none")
	}
	return atLeast(1, of...)
}

// textBound is one end of a range of terms.
type textBound struct {
	text      string
	inclusive bool
	never     bool // nothing lies within it
}

// termRange asks for the terms that begin with begin and go on within the bounds.
func termRange(field, begin string, lo, hi *textBound) es.Query {
	q := es.NewRangeQuery(field)
	switch {
	case lo != nil && lo.never || hi != nil && hi.never:
		return nothing()
	case lo == nil && hi == nil && begin == "":
		return es.NewMatchAllQuery()
	case lo == nil:
		q.Gte(begin)
	case lo.inclusive:
		q.Gte(begin + lo.text)
	default:
		q.Gt(begin + lo.text)
	}
	switch {
	case hi == nil && begin == "":
	case hi == nil:
		r, n := utf8.DecodeLastRuneInString(begin)
		q.Lt(begin[:len(begin)-n] + string(r+1))
	case hi.inclusive:
		q.Lte(begin + hi.text)
	default:
		q.Lt(begin + hi.text)
	}
	return q
}

func stringBound(b *logging.Bound) *textBound {
	if b == nil {
		return nil
	}
	return &textBound{text: b.Value.Str, inclusive: b.Inclusive}
}

func boolBound(b *logging.Bound) *textBound {
	if b == nil {
		return nil
	}
	text := "0"
	if b.Value.Bool {
		text = "1"
	}
	return &textBound{text: text, inclusive: b.Inclusive}
}

func timeBound(b *logging.Bound) *textBound {
	if b == nil {
		return nil
	}
	return &textBound{text: encodeNanos(nanos(b.Value.Time)), inclusive: b.Inclusive}
}

// numberBound reads a bound as a number: a time as milliseconds since the epoch.
func numberBound(b *logging.Bound) *textBound {
	if b == nil {
		return nil
	}
	v := b.Value
	if v.Kind == logging.KindTime {
		v = millis(v.Time)
	}
	return &textBound{text: encodeNumber(v), inclusive: b.Inclusive, never: v.Kind == logging.KindFloat && math.IsNaN(v.Float)}
}

func millis(t time.Time) logging.Value {
	ms := t.UnixMilli()
	rest := t.Sub(time.UnixMilli(ms))
	if rest == 0 {
		return logging.Int(ms)
	}
	return logging.Float(float64(ms) + float64(rest)/float64(time.Millisecond))
}

package logging

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestLiteral(t *testing.T) {
	f := FieldOf("f")
	for _, c := range []struct {
		leaf  Leaf
		exact bool
		want  Literal
	}{
		{Term{Field: f, Text: "Error5"}, false, Literal{"error5", DigitsSome}},
		{Term{Field: f, Text: "refused"}, true, Literal{"refused", DigitsNone}},
		{Phrase{Field: f, Tokens: []string{"a", "connection", "refused"}, Raw: "a Connection"}, false, Literal{"connection", DigitsNone}},
		{Phrase{Field: f, Tokens: []string{"a", "connec"}, LastPrefix: true}, false, Literal{"connec", DigitsUnknown}},
		{Phrase{Field: f, Raw: "web-", LastPrefix: true}, true, Literal{"web-", DigitsUnknown}},
		{Pattern{Field: f, Kind: Prefix, Text: "blk_3"}, false, Literal{"blk_3", DigitsSome}},
		{Pattern{Field: f, Kind: Wildcard, Text: "*xcepti?n*"}, false, Literal{"xcepti", DigitsUnknown}},
		{Pattern{Field: f, Kind: Wildcard, Text: `a\*b`}, false, Literal{"a*b", DigitsNone}},
		{Pattern{Field: f, Kind: Wildcard, Text: "*"}, false, Literal{}},
		{Pattern{Field: f, Kind: Prefix, Text: "Web.example"}, false, Literal{"example", DigitsUnknown}},
		{Pattern{Field: f, Kind: Prefix, Text: "web.example"}, true, Literal{"web.example", DigitsUnknown}},
		{Pattern{Field: f, Kind: Fuzzy, Text: "abc"}, false, Literal{}},
		{re(t, "f", "(time|out)of.*memory[0-9]").(Leaf), false, Literal{"memory", DigitsUnknown}},
		{re(t, "f", "connect(ion)+s?").(Leaf), false, Literal{"connect", DigitsUnknown}},
		{re(t, "f", "user(42)").(Leaf), false, Literal{"user42", DigitsSome}},
		{re(t, "f", "a{2}").(Leaf), false, Literal{"a", DigitsNone}},
		{Pattern{Field: f, Kind: Regexp, Text: "("}, false, Literal{}},
		{Pattern{Field: f, Kind: Regexp, Text: "ask", Fold: true}, false, Literal{"a", DigitsUnknown}}, // s folds to U+017F
		{Range{Field: f}, false, Literal{}},
		{Exists{f}, false, Literal{}},
	} {
		if got := c.leaf.Literal(c.exact); got != c.want {
			t.Errorf("%#v: got %+v, want %+v", c.leaf, got, c.want)
		}
	}
}

// randomLeaf makes a leaf that has a chance to match what randomText makes.
func randomLeaf(rnd *rand.Rand, f Field) Leaf {
	texts := []string{"a", "b1", "Ab", "ſa", "K", "k", "aé", "É", "1", "5", "b.a", "a b", "", "\xff", "true", "2026-11-22T12:00:00Z"}
	patterns := []string{"a*", "b.?", "*1*", "?b", `\**`, "*é*", "a[b1]+", "(a|b).*", "K", "[Kk]1?", "a+b*", "\xff"}
	text, pattern := texts[rnd.IntN(len(texts))], patterns[rnd.IntN(len(patterns))]
	fold := rnd.IntN(2) == 0
	bound := func() *Bound {
		if rnd.IntN(3) == 0 {
			return nil
		}
		v := []Value{String(text), Int(int64(rnd.IntN(6))), Float(1.5), Time(noon), Boolean(true)}[rnd.IntN(5)]
		return &Bound{v, rnd.IntN(2) == 0}
	}
	switch rnd.IntN(7) {
	case 0:
		return Phrase{Field: f, Tokens: Analyze(text), Raw: text, Slop: rnd.IntN(2), LastPrefix: rnd.IntN(3) == 0}
	case 1:
		return Range{Field: f, Min: bound(), Max: bound()}
	case 2:
		return Pattern{Field: f, Kind: Prefix, Text: text, Fold: fold}
	case 3:
		return Pattern{Field: f, Kind: Fuzzy, Text: text, Fold: fold}
	case 4:
		return Pattern{Field: f, Kind: Wildcard, Text: pattern, Fold: fold}
	case 5:
		p, err := NewRegexp(f, pattern)
		if err != nil {
			return Exists{f}
		}
		p.Fold = fold
		return p
	}
	return Term{Field: f, Text: text, Fold: fold}
}

func randomText(rnd *rand.Rand) string {
	parts := []string{"a", "A", "b", "1", "5", " ", ".", "é", "É", "ſ", "s", "K", "k", "\xff", "*", "_"}
	var b strings.Builder
	for range rnd.IntN(7) {
		b.WriteString(parts[rnd.IntN(len(parts))])
	}
	return b.String()
}

// TestLeafViews holds the views of a leaf against its Test: what tokens and
// literals tell must never exclude what matches.
func TestLeafViews(t *testing.T) {
	for seed := range uint64(20000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		l, text := randomLeaf(rnd, Field{Name: "f"}), randomText(rnd)
		test := l.Test()
		if accept, ok := l.TokenTest(); ok {
			want := false
			for from, to := nextToken(text, 0); from < to; from, to = nextToken(text, to) {
				raw, folded := accept(text[from:to]), accept(lower(text[from:to]))
				if raw != folded {
					t.Fatalf("seed %d: %#v of token %q: %v, in lower case %v", seed, l, text[from:to], raw, folded)
				}
				if lit := l.Literal(false); raw && !lit.allows(text[from:to]) {
					t.Fatalf("seed %d: %#v matches token %q against %+v", seed, l, text[from:to], lit)
				}
				want = want || raw
			}
			if got := test(String(text), false); got != want {
				t.Fatalf("seed %d: %#v of %q: got %v, by tokens %v", seed, l, text, got, want)
			}
		}
		for _, exact := range []bool{true, false} {
			// Of many tokens one that has no digit may match: only the text of the hint is for all.
			lit := l.Literal(exact)
			if !exact {
				lit.Digits = DigitsUnknown
			}
			if test(String(text), exact) && !lit.allows(text) {
				t.Fatalf("seed %d: %#v matches %q (exact %v) against %+v", seed, l, text, exact, lit)
			}
		}
	}
}

func (l Literal) allows(s string) bool {
	some := strings.ContainsAny(s, "0123456789")
	return strings.Contains(lower(s), l.Text) && (l.Digits == DigitsUnknown || some == (l.Digits == DigitsSome))
}

// TestMatcher holds prepared filters against Match.
func TestMatcher(t *testing.T) {
	docs := docsOf(matchDoc, `{"f":"a b1","level":"E"}`, `{"f":[1,"Ab"],"g":{"h":5}}`, `{}`, `{"f":true,"h":"2026-11-22T12:00:00Z"}`)
	names := []string{"f", "*", "g", "g.*", "level", "@timestamp", "h.keyword"}
	for seed := range uint64(3000) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		filter := randomFilter(rnd, names, 2)
		match := Matcher(filter)
		for i, d := range docs {
			if got, want := match(d), filter.Match(d); got != want {
				t.Fatalf("seed %d: %#v of document %d: got %v, want %v", seed, filter, i, got, want)
			}
		}
	}
}

func randomFilter(rnd *rand.Rand, names []string, depth int) Filter {
	some := func() []Filter {
		var out []Filter
		for range rnd.IntN(3) {
			out = append(out, randomFilter(rnd, names, depth-1))
		}
		return out
	}
	k := rnd.IntN(10)
	switch {
	case depth > 0 && k == 0:
		return And(some())
	case depth > 0 && k == 1:
		return Or{Of: some(), Min: rnd.IntN(3)}
	case depth > 0 && k == 2:
		return Not{randomFilter(rnd, names, depth-1)}
	case k == 3:
		return []Filter{All{}, None{}, IDs{"id1"}, Exists{FieldOf(names[rnd.IntN(len(names))])}}[rnd.IntN(4)]
	}
	return randomLeaf(rnd, FieldOf(names[rnd.IntN(len(names))]))
}

package logging

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

const matchDoc = `{"message":"The Quick brown fox, jumps over the lazy dog","status":500,"took":1.5,"ok":true,
	"code":"E-42","at":"2026-11-22T10:00:00Z","tags":["alpha","Beta"],"level":"WARNING","nested":{"user_id":"u7"},"cluster":"mine"}`

func TestMatch(t *testing.T) {
	f := FieldOf
	for _, c := range []struct {
		filter Filter
		want   bool
	}{
		{All{}, true}, {None{}, false}, {And{}, true}, {Or{}, false}, {Not{Of: None{}}, true},
		{And{All{}, None{}}, false}, {Or{Of: []Filter{None{}, All{}}}, true},
		{Or{Of: []Filter{All{}, None{}, All{}}, Min: 2}, true}, {Or{Of: []Filter{All{}, None{}}, Min: 2}, false},
		{IDs{"x", "id1"}, true}, {IDs{"x"}, false}, {IDs{}, false},

		{Term{Field: f("message"), Text: "quick"}, true},
		{Term{Field: f("message"), Text: "Quick"}, false}, // analysed, and the text is not
		{Term{Field: f("message"), Text: "Quick", Fold: true}, true},
		{Term{Field: f("message"), Text: "quic"}, false},
		{Term{Field: f("message.keyword"), Text: "quick"}, false},
		{Term{Field: f("code.keyword"), Text: "E-42"}, true},
		{Term{Field: f("code.keyword"), Text: "e-42"}, false},
		{Term{Field: f("code.keyword"), Text: "e-42", Fold: true}, true},
		{Term{Field: f("tags"), Text: "beta"}, true},
		{Term{Field: f("tags.keyword"), Text: "Beta"}, true},
		{Term{Field: f("status"), Text: "500"}, true},
		{Term{Field: f("status"), Text: "500.0"}, true},
		{Term{Field: f("status"), Text: "50"}, false},
		{Term{Field: f("took"), Text: "1.5"}, true},
		{Term{Field: f("ok"), Text: "true"}, true},
		{Term{Field: f("ok"), Text: "false"}, false},
		{Term{Field: f("@timestamp"), Text: "2026-11-22T12:00:00Z"}, true},
		{Term{Field: f("@timestamp"), Text: fmt.Sprint(noon.UnixMilli())}, true},
		{Term{Field: f("cluster"), Text: "eu"}, true},
		{Term{Field: f("cluster"), Text: "mine"}, false},
		{Term{Field: f("exported.cluster"), Text: "mine"}, true},
		{Term{Field: f("level"), Text: "warn"}, true},
		{Term{Field: f("level"), Text: "WARNING"}, true},
		{Term{Field: f("level"), Text: "warning"}, false},
		{Term{Field: f("level"), Text: "warning", Fold: true}, true},
		{Term{Field: f("pod"), Text: "web"}, false}, // whole values
		{Term{Field: f("_id"), Text: "id1"}, true},
		{Phrase{Field: f("*"), Tokens: []string{"warn"}, Raw: "WARN"}, true}, // the level
		{Phrase{Field: f("level"), Tokens: []string{"warn"}, Raw: "WARN"}, false},
		{Term{Field: f("*"), Text: "lazy"}, true},
		{Term{Field: f("*"), Text: "500"}, true},
		{Term{Field: f("*"), Text: "eu"}, true},
		{Term{Field: f("*"), Text: "web-1"}, true},
		{Term{Field: f("*"), Text: "web"}, true}, // the namespace
		{Term{Field: f("*"), Text: "absent"}, false},
		{Term{Field: f("nested.*"), Text: "u7"}, true},
		{Term{Field: f("none"), Text: "u7"}, false},

		{phrase("message", "quick brown", 0), true},
		{phrase("message", "brown quick", 0), false},
		{phrase("message", "brown quick", 2), true}, // two moves swap neighbours
		{phrase("message", "brown quick", 1), false},
		{phrase("message", "quick fox", 0), false},
		{phrase("message", "quick fox", 1), true},
		{phrase("message", "the the", 4), false},
		{phrase("message", "the the", 5), true},
		{phrase("message", "the the", 10), true},
		{phrase("*", "lazy dog", 0), true},
		{phrase("code", "e-42", 0), true},
		{phrase("code.keyword", "E-42", 0), true},
		{phrase("code.keyword", "E", 0), false},
		{phrase("status", "500", 0), true},
		{Phrase{Field: f("message"), Tokens: []string{"lazy", "do"}, LastPrefix: true}, true},
		{Phrase{Field: f("message"), Tokens: []string{"laz", "dog"}, LastPrefix: true}, false},
		{Phrase{Field: f("pod"), Raw: "web-", LastPrefix: true}, true},
		{Phrase{Field: f("message")}, false},

		{Pattern{Field: f("message"), Kind: Prefix, Text: "jum"}, true},
		{Pattern{Field: f("message"), Kind: Prefix, Text: "Jum"}, false},
		{Pattern{Field: f("message"), Kind: Prefix, Text: "Jum", Fold: true}, true},
		{Pattern{Field: f("pod"), Kind: Prefix, Text: "web"}, true},
		{Pattern{Field: f("message"), Kind: Wildcard, Text: "j*s"}, true},
		{Pattern{Field: f("message"), Kind: Wildcard, Text: "j?s"}, false},
		{Pattern{Field: f("message.keyword"), Kind: Wildcard, Text: "The*dog"}, true},
		{Pattern{Field: f("message.keyword"), Kind: Wildcard, Text: "the*dog"}, false},
		{Pattern{Field: f("message.keyword"), Kind: Wildcard, Text: "the*DOG", Fold: true}, true},
		{Pattern{Field: f("status"), Kind: Wildcard, Text: "5*"}, true},
		{Pattern{Field: f("message"), Kind: Fuzzy, Text: "quikc"}, true},
		{Pattern{Field: f("message"), Kind: Fuzzy, Text: "qiukc"}, false},
		{Pattern{Field: f("message"), Kind: Fuzzy, Text: "fx"}, false},
		{re(t, "message", "jump."), true},
		{re(t, "message", "jump"), false},
		{re(t, "message", "(quick|slow)"), true},
		{re(t, "message.keyword", "The.*dog"), true},
		{re(t, "nested.user_id", "u[0-9]+"), true},
		{Pattern{Field: f("message"), Kind: Regexp, Text: "jump."}, true},
		{Pattern{Field: f("message"), Kind: Regexp, Text: "("}, false},

		{between("status", Int(500), Int(500)), true},
		{above("status", Int(500), false), false},
		{above("status", Int(499), false), true},
		{above("status", Float(499.9), false), true},
		{below("took", Int(2), false), true},
		{above("@timestamp", Time(noon), true), true},
		{above("@timestamp", Time(noon), false), false},
		{below("@timestamp", Int(noon.UnixMilli()), true), true},
		{above("at", Time(noon), false), false},
		{below("at", Time(noon), false), true},
		{between("code.keyword", String("E"), String("F")), true},
		{between("message", String("quick"), String("quick")), true},
		{between("message", String("r"), String("t")), false},
		{above("status", String("4"), true), false},
		{Range{Field: f("status")}, true},
		{Range{Field: f("none")}, false},

		{Exists{f("message")}, true}, {Exists{f("none")}, false}, {Exists{f("nested")}, true}, {Exists{f("nest")}, false},
		{Exists{f("*")}, true}, {Exists{f("kubernetes.pod_name")}, true}, {Exists{f("container")}, false}, {Exists{f("user*")}, false},
		{Exists{f("nested.user*")}, true}, {Exists{f("@timestamp")}, true},
	} {
		if got := c.filter.Match(doc(matchDoc)); got != c.want {
			t.Errorf("%#v: got %v", c.filter, got)
		}
	}
}

func phrase(field, text string, slop int) Filter {
	return Phrase{Field: FieldOf(field), Tokens: Analyze(text), Raw: text, Slop: slop}
}

func re(t *testing.T, field, pattern string) Filter {
	t.Helper()
	p, err := NewRegexp(FieldOf(field), pattern)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func between(field string, from, to Value) Filter {
	return Range{Field: FieldOf(field), Min: &Bound{from, true}, Max: &Bound{to, true}}
}

func above(field string, v Value, inclusive bool) Filter {
	return Range{Field: FieldOf(field), Min: &Bound{v, inclusive}}
}

func below(field string, v Value, inclusive bool) Filter {
	return Range{Field: FieldOf(field), Max: &Bound{v, inclusive}}
}

func TestRegexpRefusals(t *testing.T) {
	for pattern, want := range map[string]string{
		"^a": "anchor ^", "a$": "anchor $", "a&b": "operator &", "~a": "operator ~", "<1-5>": "operator <", "@": "operator @", "#": "operator #",
		`"a"`: `operator "`, `\bx`: `escape \b`, `\pL`: `escape \p`, `\1`: `escape \1`, "(?i)a": "(?...)", "[[:alpha:]]": "[ inside", `a\`: "backslash",
		"a{2000}": "repeat", "(": "missing", strings.Repeat("a", 2000): "shorten",
	} {
		_, err := NewRegexp(Field{}, pattern)
		if err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, ErrQuery) {
			t.Errorf("%q: got %v, want %q", pattern, err, want)
		}
	}
	for _, pattern := range []string{`a\.b`, `[^a-z]+`, `\d+\s\w`, `a{2,3}`, `(ab|cd)?`, `\^\$\&\~`, `[<>&]`, ``} {
		if _, err := NewRegexp(Field{}, pattern); err != nil {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestWildcardFits(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*c", "abc", true}, {"a*c", "abcd", false},
		{"?", "é", true}, {"??", "é", false}, {`\*`, "*", true}, {`\*`, "a", false}, {`a\`, `a\`, true}, {"*a*b*", "xaybz", true},
		{"**", "", true}, {"*ab", "aab", true}, {"a?c*", "abcabc", true}, {strings.Repeat("a*", 50) + "b", strings.Repeat("a", 2000), false},
	} {
		if got := wildcardFits(c.pattern, c.s, false); got != c.want {
			t.Errorf("%q on %.20q: got %v", c.pattern, c.s, got)
		}
	}
}

func TestTimeRange(t *testing.T) {
	a, b := noon, noon.Add(time.Hour)
	for _, c := range []struct {
		f        Filter
		from, to time.Time
	}{
		{All{}, time.Time{}, time.Time{}},
		{between("@timestamp", Time(a), Time(b)), a, b},
		{And{All{}, between("@timestamp", Time(a), Time(b)), above("@timestamp", Int(b.UnixMilli()), true)}, b, b},
		{Or{Of: []Filter{between("@timestamp", Time(a), Time(b))}}, time.Time{}, time.Time{}},
		{above("took", Int(5), true), time.Time{}, time.Time{}},
	} {
		if from, to := TimeRange(c.f); !from.Equal(c.from) || !to.Equal(c.to) {
			t.Errorf("%#v: got %v to %v", c.f, from, to)
		}
	}
}

func TestNormalizeLevel(t *testing.T) {
	for in, want := range map[string]string{
		"INFO": "info", "Warning": "warn", " err ": "error", "CRITICAL": "fatal", "0": "fatal", "3": "error", "4": "warn", "6": "info", "7": "debug",
		"TRACE": "trace", "notice": "info", "E": "error", "": "", "8": "", "30": "", "odd": "", strings.Repeat("info", 9): "",
	} {
		if got := NormalizeLevel(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

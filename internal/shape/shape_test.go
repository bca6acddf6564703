package shape

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// A document, its skeleton, and what stands in its holes.
func TestScan(t *testing.T) {
	for _, c := range []struct{ src, skeleton, holes string }{
		{`{}`, `{}`, ``},
		{` { "a" : "x" , "b":-1.50e+3 } `, `{"a":$,"b":#}`, `a=x b=-1.50e+3`},
		{`{"a":null,"b":{},"c":[],"d":[[],{}]}`, `{"a":null,"b":{},"c":[],"d":[[],{}]}`, ``},
		{`{"a":[1,true,"x",{"b":false}],"c":{"d":0}}`, `{"a":[#,?,$,{"b":?}],"c":{"d":#}}`, `a=1 a#1=true a#2=x a.b=false c.d=0`},
		{`{"a.b":1,"a":{"b":2}}`, `{"a.b":#,"a":{"b":#}}`, `a.b=1 a.b#1=2`},
		{`{"\u0061\/":"\ud83d\ude00\n","é\"":""}`, `{"a/":$,"é\"":$}`, `a/=\ud83d\ude00\n é"=`},
		{`{"a":{"":{"":1}}}`, `{"a":{"":{"":#}}}`, `a..=1`},
		{`{"$":"#"}`, `{"$":$}`, `$=#`},
	} {
		var sc Scanner
		for round := range 3 { // as new, as seen once, along the known path
			s, spans, escaped, ok := sc.Scan([]byte(c.src))
			if !ok || string(s.Skeleton()) != c.skeleton || len(spans) != len(s.Holes()) {
				t.Fatalf("%s: %v, %v", c.src, ok, s)
			}
			var holes []string
			for i, h := range s.Holes() {
				name := h.Path
				if h.Nth > 0 {
					name += fmt.Sprintf("#%d", h.Nth)
				}
				holes = append(holes, name+"="+c.src[spans[i].From:spans[i].To])
			}
			if got := strings.Join(holes, " "); got != c.holes || escaped != strings.Contains(c.holes, `\`) {
				t.Errorf("%s in round %d: got %s (escaped: %v), want %s", c.src, round, got, escaped, c.holes)
			}
			back, err := Parse(s.Skeleton())
			if err != nil || !back.Equal(s) || back.Hash() != s.Hash() || !reflect.DeepEqual(back.Holes(), s.Holes()) {
				t.Errorf("%s: read back as %v, %v", c.skeleton, back, err)
			}
		}
	}
}

func TestIrregular(t *testing.T) {
	many := func(n int, of string) string { return strings.Repeat(of+",", n-1) + of }
	for _, src := range []string{
		`{"a":1,"a":2}`, `{"a":null,"\u0061":null}`, `{"b":{"a":{},"a":[]}}`, `{"":1}`,
		`{"a":"\ud83d"}`, `{"a":"\ude00\ud83d"}`, `{"\udfff":1}`,
		`{"a":` + strings.Repeat("[", DepthMax) + strings.Repeat("]", DepthMax) + `}`,
		`{"a":[` + many(HolesMax+1, "0") + `]}`,
		`{"a":[` + many(SkeletonBytesMax/5, "null") + `]}`,
		// Many paths, each with the same long beginning.
		`{"` + strings.Repeat("x", PathBytesMax+1) + `":1}`,
		`{"a":{"` + strings.Repeat("x", PathBytesMax-1) + `":1}}`,
		`{"` + strings.Repeat("x", 1000) + `":{"a":[` + many(2000, `{"b":1}`) + `]}}`,
	} {
		var sc Scanner
		if !json.Valid([]byte(src)) {
			t.Fatalf("%.60s is not a test", src)
		}
		if s, _, _, ok := sc.Scan([]byte(src)); ok || s != nil {
			t.Errorf("%.60s: regular", src)
		}
	}
	for _, src := range []string{
		`{"a":` + strings.Repeat("[", DepthMax-1) + strings.Repeat("]", DepthMax-1) + `}`,
		`{"a":[` + many(HolesMax, "0") + `]}`,
		`{"a":{"` + strings.Repeat("x", PathBytesMax-2) + `":1}}`,
	} {
		var sc Scanner
		if _, _, _, ok := sc.Scan([]byte(src)); !ok {
			t.Errorf("%.60s: irregular", src)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, skeleton := range []string{
		``, `[]`, `{`, `{}x`, `{} `, `{"a":1}`, `{"a":"x"}`, `{"a":$,}`, `{"a":nul`, `{"a" :$}`, `{"a":$,"a":#}`, `{"":$}`,
		`{"\u0061":$}`, `{"\/":$}`, "{\"\xff\":$}", `{"a":[$}`, `{"a":[`, `{"a":` + strings.Repeat("[", 70), `{"\ud800":$}`,
	} {
		if s, err := Parse([]byte(skeleton)); err == nil {
			t.Errorf("%.40q: %v", skeleton, s)
		}
	}
}

// One shape has one pointer, also between scanners of one cache and after many
// other shapes in between, as long as it is asked for.
func TestCache(t *testing.T) {
	c := new(Cache)
	a, b := NewScanner(c), NewScanner(c)
	s1, _, _, _ := a.Scan([]byte(`{"a":1}`))
	s2, _, _, _ := b.Scan([]byte(`{ "a" : 2 }`))
	if s1 != s2 {
		t.Error("two pointers for one shape")
	}
	for i := range 100_000 {
		a.Scan(fmt.Appendf(nil, `{"k%d":{"a":1,"b":"x"}}`, i))
		if i%1000 == 0 {
			b.Scan(fmt.Appendf(nil, `{"a":1,%*c"x":2}`, i, ' '))
			if s, _, _, _ := b.Scan(fmt.Appendf(nil, `{%*c"a":1}`, i/1000, ' ')); s != s1 {
				t.Fatalf("forgotten after %d others", i)
			}
		}
	}
	if c.bytes > cacheBytesMax+10_000 || a.known.bytes > 0 || b.known.bytes > trieBytesMax+100_000+10_000 {
		t.Errorf("cache of %d bytes, tries of %d and %d", c.bytes, a.known.bytes, b.known.bytes)
	}
}

// A document stays what it is when its scanner has seen others before, whatever
// they were.
func TestScannersAgree(t *testing.T) {
	const seed = 5
	rng := rand.New(rand.NewPCG(seed, 1))
	var used Scanner
	for i := range 30_000 {
		src := randomJSON(rng)
		if rng.IntN(4) == 0 {
			src[rng.IntN(len(src))] ^= byte(1 << rng.IntN(7))
		}
		checkScan(t, &used, src)
		if t.Failed() {
			t.Fatalf("seed %d, document %d", seed, i)
		}
	}
	for range 50_000 { // few shapes, often
		checkScan(t, &used, randomOf(rng, []string{`{"a":%,"b":%}`, `{"a":%,"b":%,"c":null}`, `{"a":%, "b":%}`, `{"a":%,"b":[%,%]}`, `{"a":{"b":%}}`, `{"a":%,"b":%`}))
	}
	if t.Failed() {
		t.Fatalf("seed %d", seed)
	}
}

func randomOf(rng *rand.Rand, forms []string) []byte {
	var b []byte
	for _, c := range []byte(forms[rng.IntN(len(forms))]) {
		if c != '%' {
			b = append(b, c)
			continue
		}
		tokens := []string{`""`, `"x"`, `"a longer one, without escapes"`, `"esc\"aped \u00e9"`, `"ünïcödé 漢字 😀"`, "\"\x01\"", `"\x"`, `0`, `-1`, `01`, `1.5e9`, `1.`, `true`, `false`, `tru`, `null`, `{}`, `"`}
		b = append(b, tokens[rng.IntN(len(tokens))]...)
	}
	return b
}

func randomJSON(rng *rand.Rand) []byte {
	var b []byte
	blank := func() {
		if rng.IntN(10) == 0 {
			b = append(b, " \n\t\r"[rng.IntN(4)])
		}
	}
	var value func(depth int)
	str := func() {
		b = append(b, randomOf(rng, []string{`"a"`, `"b"`, `"c.d"`, `"e\u0061"`, `"é"`, `"key %"`[:4] + `"`})...)
	}
	value = func(depth int) {
		blank()
		switch n := rng.IntN(10); {
		case n < 2 && depth < 6 || depth == 0:
			b = append(b, '{')
			for i := range rng.IntN(4) {
				if i > 0 {
					b = append(b, ',')
				}
				blank()
				str()
				blank()
				b = append(b, ':')
				value(depth + 1)
			}
			b = append(b, '}')
		case n < 4 && depth < 6:
			b = append(b, '[')
			for i := range rng.IntN(4) {
				if i > 0 {
					b = append(b, ',')
				}
				value(depth + 1)
			}
			b = append(b, ']')
		default:
			b = append(b, randomOf(rng, []string{"%"})...)
		}
		blank()
	}
	value(0)
	return b
}

// checkScan compares a scan with encoding/json.
func checkScan(t *testing.T, sc *Scanner, src []byte) {
	t.Helper()
	s, spans, _, ok := sc.Scan(src)
	fresh, freshSpans, _, freshOK := new(Scanner).Scan(src)
	if ok != freshOK || ok && (!s.Equal(fresh) || !reflect.DeepEqual(append([]Span{}, spans...), append([]Span{}, freshSpans...))) {
		t.Errorf("%q: %v %v and fresh %v %v", src, ok, spans, freshOK, freshSpans)
	}
	if want := regular(src); ok != want {
		t.Errorf("%q: got %v, want %v", src, ok, want)
	}
	if !ok {
		return
	}
	back := s.Append(nil, func(dst []byte, hole int) []byte {
		token := src[spans[hole].From:spans[hole].To]
		if s.Holes()[hole].Type == String {
			return AppendQuoted(dst, Unescape(nil, token))
		}
		return append(dst, token...)
	})
	a, _ := tokens(src)
	b, err := tokens(back)
	if err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("%q was rebuilt as %q (%v)", src, back, err)
	}
}

// tokens reads JSON by encoding/json, token by token.
func tokens(src []byte) (out []json.Token, err error) {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, tok)
	}
}

// regular says the slow way what has a shape; of small documents only.
func regular(src []byte) bool {
	if !utf8.Valid(src) || !json.Valid(src) || !strings.HasPrefix(strings.TrimLeft(string(src), " \t\r\n"), "{") {
		return false
	}
	for rest := src; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\\')
		if i < 0 {
			break
		}
		_, n := escape(rest[i:])
		if n == 0 {
			return false // half a pair: everything else json.Valid refuses
		}
		rest = rest[i+n:]
	}
	type open struct {
		keys   map[string]bool // nil: an array
		inside bool            // a value is due
	}
	var stack []open
	toks, _ := tokens(src)
	holes := 0
	for _, tok := range toks {
		if d, ok := tok.(json.Delim); ok && (d == '}' || d == ']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if n := len(stack); n > 0 && stack[n-1].keys != nil {
			top := &stack[n-1]
			if top.inside = !top.inside; top.inside {
				key := tok.(string)
				if top.keys[key] || key == "" && n == 1 {
					return false
				}
				top.keys[key] = true
				continue
			}
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, open{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, open{})
		default:
			holes++
		}
		if len(stack) > DepthMax {
			return false
		}
	}
	return holes <= HolesMax
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{`{}`, ` { "a" : "x" , "b":-1.50e+3 } `, `{"a":[1,true,"x",{"b":false}],"c":{"d":null}}`, `{"\u0061":"\ud83d\ude00\n","é\"":""}`, `{"a":1,"a":2}`, `{"a":01}`, "{\"a\":\"\xff\"}", `{"a":"\ud83d"}`, `{"":0}`} {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, before, src []byte) {
		if len(src) > 1000 {
			return // regular knows nothing of the bounds in bytes
		}
		var sc Scanner
		sc.Scan(before)
		sc.Scan(before)
		for range 3 {
			checkScan(t, &sc, src)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[#,?,$,{"b":?}],"c":{"d":#}}`, `{"é\"\n":null}`, `{"a":$,"a":$}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Parse(b)
		if err != nil {
			return
		}
		if string(s.Skeleton()) != string(b) {
			t.Fatalf("%q became %q", b, s.Skeleton())
		}
		doc := s.Append(nil, func(dst []byte, hole int) []byte {
			return append(dst, []string{`"x"`, `1`, `true`}[s.Holes()[hole].Type]...)
		})
		var sc Scanner
		if got, _, _, ok := sc.Scan(doc); !ok || !got.Equal(s) || !reflect.DeepEqual(got.Holes(), s.Holes()) {
			t.Fatalf("%q makes %q, which is of another shape", b, doc)
		}
	})
}

func FuzzQuoted(f *testing.F) {
	for _, s := range []string{"", "plain and long enough for words", "q\"\\\n\r\t\b\f\x00\x1f\x7f", "é\u2028漢😀", "12345678\"", "1234567\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if s = strings.ToValidUTF8(s, "?"); len(s) > 1<<16 {
			return
		}
		q := AppendQuoted(nil, []byte(s))
		var back string
		if err := json.Unmarshal(q, &back); err != nil || back != s {
			t.Fatalf("%q quoted as %s: %v", s, q, err)
		}
		if end, _ := stringEnd(q, 1); end != len(q)-1 || string(Unescape(nil, q[1:end])) != s {
			t.Fatalf("%q quoted as %s does not read back", s, q)
		}
	})
}

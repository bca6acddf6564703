package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDocValues(t *testing.T) {
	for _, c := range []struct {
		src, field string
		want       []string
	}{
		{`{"a":1}`, "a", []string{"i:1"}},
		{`{"a":1.0}`, "a", []string{"f:1"}},
		{`{"a":9223372036854775807}`, "a", []string{"i:9223372036854775807"}},
		{`{"a":9223372036854775808}`, "a", []string{"f:9.223372036854776e+18"}},
		{`{"a":1e400}`, "a", []string{"s:1e400"}},
		{`{"a":true,"b":null,"c":[]}`, "a", []string{"b:true"}},
		{`{"a":true,"b":null,"c":[]}`, "b", nil},
		{`{"a":true,"b":null,"c":[]}`, "c", nil},
		{`{"a":{"b":{"c":"x"}}}`, "a.b.c", []string{"s:x"}},
		{`{"a":[1,"x",[2.5]]}`, "a", []string{"i:1", "s:x", "f:2.5"}},
		{`{"a":[{"b":1},{"b":2,"c":3}]}`, "a.b", []string{"i:1", "i:2"}},
		{`{"a.b":1,"a":{"b":2}}`, "a.b", []string{"i:1", "i:2"}},
		{`{"a":1,"a":2}`, "a", []string{"i:2"}},
		{`{"a":{"b":1},"a":{"c":2}}`, "a.b", nil},
		{`{"a":"x","b":2,"a":null}`, "a", nil},
		{`{"a":"\u00e9\ud83d\ude00\n\"\\\/\ud800"}`, "a", []string{"s:é😀\n\"\\/\uFFFD"}},
		{`{"cluster":"mine"}`, "cluster", []string{"s:eu"}},
		{`{"cluster":"mine"}`, "exported.cluster", []string{"s:mine"}},
		{`{"cluster":"eu"}`, "exported.cluster", nil},
		{`{"region":"mine"}`, "region", nil},
		{`{}`, "kubernetes.namespace_name", []string{"s:web"}},
		{`{"kubernetes":{"namespace_name":"other"}}`, "exported.kubernetes.namespace_name", []string{"s:other"}},
		{`{}`, "kubernetes.pod_name", []string{"s:web-1"}},
		{`{}`, "kubernetes.host", []string{"s:node-a"}},
		{`{}`, "host", []string{"s:node-a"}},
		{`{"host":"h"}`, "host", []string{"s:h"}},
		{`{"msg":"hello"}`, "log", []string{"s:hello"}},
		{`{"log":"hello\n"}`, "log", []string{"s:hello\n"}},
		{`{"level":"WARNING"}`, "level", []string{"s:warn"}},
		{`{"level":"WARNING"}`, "exported.level", []string{"s:WARNING"}},
		{`{"level":"odd"}`, "level", []string{"s:odd"}},
		{`{"level":"odd"}`, "exported.level", nil},
		{`{}`, "@timestamp", []string{"t:2026-11-22T12:00:00Z"}},
		{`{}`, "@received", []string{"t:2026-11-22T12:00:01Z"}},
		{`{}`, "_index", []string{"s:logs-eu-web"}},
		{`{}`, "_id", []string{"s:id1"}},
		{`{}`, "_seq", []string{"i:7"}},
		{`{"x1":1,"x2":2,"y":3}`, "x*", []string{"i:1", "i:2"}},
		{`{"a":"b"}`, "", []string{"s:eu", "s:web", "s:web-1", "s:node-a", "s:b"}},
	} {
		if got := texts(doc(c.src).Values(FieldOf(c.field))); !slices.Equal(got, c.want) {
			t.Errorf("%s of %s: got %q, want %q", c.field, c.src, got, c.want)
		}
	}
}

func TestDocDepth(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	for n, want := range map[int]int{10: 1, 64: 1, 65: 0, 5000: 0} {
		if got := len(flatten(deep(n), flat{}).names); got != want {
			t.Errorf("%d objects deep: %d values, want %d", n, got, want)
		}
	}
	if got := len(flatten(strings.Repeat("[", 100000), flat{}).names); got != 0 {
		t.Errorf("open brackets gave %d values", got)
	}
}

func TestDocWide(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `,"f%d":%d`, i, i)
	}
	d := doc("{" + b.String()[1:] + `,"f7":"last"}`)
	if got := texts(d.Values(FieldOf("f4999"))); !slices.Equal(got, []string{"i:4999"}) {
		t.Errorf("f4999: %q", got)
	}
	if got := texts(d.Values(FieldOf("f7"))); !slices.Equal(got, []string{"s:last"}) {
		t.Errorf("f7: %q", got)
	}
}

func TestDocFields(t *testing.T) {
	got := map[string]FieldType{}
	for name, typ := range doc(`{"message":"m","n":1,"f":1.5,"b":true,"o":{"s":"x"},"node":"other"}`).Fields() {
		got[name] = typ
	}
	want := map[string]FieldType{
		"@timestamp": Date, "@received": Date, "cluster": Keyword, "namespace": Keyword, "pod": Keyword, "node": Keyword,
		"message": Text, "n": Long, "f": Double, "b": Bool, "o.s": Text, "exported.node": Text,
	}
	for name, typ := range want {
		if got[name] != typ {
			t.Errorf("%s: type %d, want %d", name, got[name], typ)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
}

// reference flattens with encoding/json, as far as order and number kinds do not matter.
func reference(v any, name string, out map[string]int) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			sub := k
			if name != "" {
				sub = name + "." + k
			}
			reference(x, sub, out)
		}
	case []any:
		for _, x := range v {
			reference(x, name, out)
		}
	case nil:
	default:
		if name != "" {
			out[name]++
		}
	}
}

func FuzzFlatten(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,2,{"c":"\u00e9"}]},"a.b":true}`, `{"a":1,"a":{"b":null}}`, `{"":{"":1}}`, `[1]`, `{"a`, `{"a":"\ud83d\ude00"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		pairs := flatten(string(src), flat{})
		if !json.Valid(src) || !bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) || bytes.Count(src, []byte("{"))+bytes.Count(src, []byte("[")) >= depthMax || len(src) > 1<<16 {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(src))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return
		}
		want, got := map[string]int{}, map[string]int{}
		reference(v, "", want)
		for _, name := range pairs.names {
			got[string([]rune(name))]++ // encoding/json mends invalid UTF-8
		}
		for name, n := range want {
			if got[name] != n {
				t.Fatalf("%q: %d values of %q, want %d", src, got[name], name, n)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("%q: got %v, want %v", src, got, want)
		}
		d := doc(string(src))
		d.Values(Field{})
		for range d.Fields() {
		}
	})
}

func TestAnalyze(t *testing.T) {
	for text, want := range map[string][]string{
		"":                               nil,
		"Hello, World!":                  {"hello", "world"},
		"GET /api/v1/users?id=42":        {"get", "api", "v1", "users", "id", "42"},
		"user_id=7 foo-bar a.b":          {"user_id", "7", "foo", "bar", "a", "b"},
		"Straße ÜBER naïve":              {"straße", "über", "naïve"},
		"接続 failed":                      {"接", "続", "failed"},
		"..":                             nil,
		"2026-11-22T12:00:00.000Z error": {"2026", "11", "22t12", "00", "00", "000z", "error"},
	} {
		if got := Analyze(text); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	want := time.Date(2026, 11, 22, 12, 34, 56, 123456789, time.UTC)
	for in, want := range map[string]time.Time{
		"2026-11-22T12:34:56.123456789Z":         want,
		"2026-11-22T13:34:56.123456789+01:00":    want,
		"2026-11-22T13:34:56.123456789+0100":     want,
		"2026-11-22T13:34:56,123456789+01":       want,
		"2026-11-22 12:34:56.123456789":          want,
		"2026-11-22T12:34:56.1234567890000000Z":  want,
		"2026-11-22T12:34:56Z":                   want.Truncate(time.Second),
		"2026-11-22T12:34":                       want.Truncate(time.Minute),
		"2026-11-22":                             {},
		"yesterday, as far as anybody remembers": {},
	} {
		got, ok := ParseTime(in)
		if ok == want.IsZero() || !got.Equal(want) {
			t.Errorf("%s: got %v %v, want %v", in, got, ok, want)
		}
	}
}

func TestCompareIsTotal(t *testing.T) {
	vals := []Value{{}, Boolean(false), Boolean(true), Int(-5), Float(-1.5), Int(0), Int(1 << 53), Int(1<<53 + 1), Float(1 << 53),
		Float(1e300), Int(1795435200000), Time(time.UnixMilli(1795435200000)), Time(time.UnixMilli(1795435200000).Add(1)), Float(1795435200000.5),
		String(""), String("a"), String("b")}
	for _, a := range vals {
		for _, b := range vals {
			if Compare(a, b) != -Compare(b, a) {
				t.Errorf("%v and %v do not turn round", a, b)
			}
			for _, c := range vals {
				if Compare(a, b) <= 0 && Compare(b, c) <= 0 && Compare(a, c) > 0 {
					t.Errorf("%v <= %v <= %v but not %v <= %v", a, b, c, a, c)
				}
			}
		}
	}
	if Compare(Int(1<<53+1), Float(1<<53)) != 1 || Compare(Time(time.UnixMilli(5)), Int(5)) != 0 {
		t.Error("numbers do not compare exactly")
	}
}

// A name that is too long costs its value the search, and nobody the memory: the
// same name before a million keys would be written down a million times.
func TestLongNames(t *testing.T) {
	for _, n := range []int{1, pathBytesMax - len("a..b"), pathBytesMax - len("a..b") + 1, 1 << 20} {
		x := strings.Repeat("x", n)
		want := "a.c d"
		if len("a.b.")+n <= pathBytesMax {
			want = "a." + x + ".b " + want
		}
		if got := strings.Join(flatten(`{"a":{"`+x+`":[{"b":1}],"c":2},"d":[3]}`, flat{}).names, " "); got != want {
			t.Errorf("%d bytes: fields %.100s, want %.100s", n, got, want)
		}
	}
	src := `{"` + strings.Repeat("x", 1<<20) + `":{` + strings.Repeat(`"a":0,`, 1<<18) + `"b":0}}`
	if n := testing.AllocsPerRun(1, func() { flatten(src, flat{}) }); n > 10 {
		t.Errorf("%v allocations", n)
	}
}

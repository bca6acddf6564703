package elastic

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
)

// What is stored of values reads back as the same, and its text orders as
// logging.Compare orders the values.
func TestStored(t *testing.T) {
	vals := []logging.Value{logging.Boolean(false), logging.Boolean(true)}
	for _, n := range []int64{-1 << 63, -1<<63 + 1, -9007199254740993, -9007199254740992, -1, 0, 1, 200, 9007199254740992, 9007199254740993, 9007199254740995, 1<<63 - 2, 1<<63 - 1} {
		vals = append(vals, logging.Int(n))
	}
	for _, x := range []float64{-1e300, -1.5, -1, -1e-300, 0, 1e-300, 0.5, 1, 200, 200.5, 9007199254740992, 9007199254740994, 1 << 63, 1e300} {
		vals = append(vals, logging.Float(x))
	}
	for _, s := range []string{"", " ", "A", "a", "a\x00", "a b", "ab", "a\n", "\x7f", "ä", "漢字"} {
		vals = append(vals, logging.String(s))
	}
	order := func(v logging.Value) string {
		text, long := encodeValue(v)
		if long {
			t.Errorf("%+v is said to be long", v)
		}
		return text
	}
	for _, a := range vals {
		text, _ := stored(a)
		if back, ok := parseStored(text); !ok || back != a {
			t.Errorf("%+v is stored as %q and reads back as %+v %t", a, text, back, ok)
		}
		for _, b := range vals {
			if want, got := logging.Compare(a, b), strings.Compare(order(a), order(b)); want != got {
				t.Errorf("%v and %v compare as %d, their texts as %d", a, b, want, got)
			}
		}
	}
	long := strings.Repeat("ä", 2000)
	if text, is := stored(logging.String(long)); !is || len(text) > termBytesMax+100 {
		t.Errorf("a long string: %d bytes, %t", len(text), is)
	} else if _, ok := parseStored(text); ok {
		t.Error("a string that was cut reads back")
	}
}

// A record comes back as it was, whatever its document is.
func TestDocument(t *testing.T) {
	recs := logtest.Records(rand.New(rand.NewPCG(1, 1)), 300)
	odd := recs[0]
	odd.Source, odd.Original, odd.Message = []byte("{\"message\":\"\xff\"}"), "yesterday", "another"
	for _, r := range append(recs, odd) {
		var b strings.Builder
		if err := (&Store{}).line(&b, "create", &r, nil); err != nil {
			t.Fatal(err)
		}
		got, err := decodeRecord([]byte(strings.SplitN(b.String(), "\n", 2)[1]))
		if err != nil {
			t.Fatal(err)
		}
		if d := logtest.DiffRecord(r, got); d != "" {
			t.Errorf("%s: %s", r.Source, d)
		}
	}
}

func TestRegexps(t *testing.T) {
	for _, c := range []struct {
		pattern string
		fold    bool
		want    string
	}{
		{`abc`, false, `abc`},
		{`a.c`, false, `a.c`},
		{`(web|db)-.`, false, `((web|db))\-.`},
		{`\d+`, false, `([0-9])+`},
		{`[^a]`, false, "[\\\x00-\\`b-\U0010ffff]"},
		{`k`, true, "(K|k|\u212a)"},
		{`x{2,3}y*`, false, `(x){2,3}(y)*`},
		{`a\.b@c`, false, `a\.b\@c`},
	} {
		if got, ok := luceneRegexp(c.pattern, c.fold); !ok || got != c.want {
			t.Errorf("/%s/ (fold %t): %q %t, want %q", c.pattern, c.fold, got, ok, c.want)
		}
	}
	for _, c := range []struct {
		pattern string
		fold    bool
		want    string
	}{
		{`a*b?`, false, `a.*b.`},
		{`\*\?\\`, false, `\*\?\\`},
		{`s`, true, `(s|S)`},
		{`i`, true, "(i|I|\u0130)"},
		{`"<1-2>"`, false, `\"\<1\-2\>\"`},
	} {
		if got := wildcardRegexp(c.pattern, c.fold); got != c.want {
			t.Errorf("%s (fold %t): %q, want %q", c.pattern, c.fold, got, c.want)
		}
	}
}

// A histogram's buckets begin at multiples of its grid.
func TestGrid(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err) // Go brings its own zones
	}
	for want, h := range map[time.Duration]logging.DateHistogram{
		10 * time.Minute: {Fixed: 10 * time.Minute},
		5 * time.Minute:  {Fixed: 10 * time.Minute, Zone: berlin},
		15 * time.Minute: {Calendar: logging.Month, Zone: berlin},
		time.Hour:        {Calendar: logging.Day},
		time.Minute:      {Calendar: logging.Day, Offset: -7 * time.Minute},
		time.Microsecond: {Fixed: time.Second, Offset: time.Microsecond},
	} {
		if got := gridOf(h); got != want {
			t.Errorf("%+v: %v, want %v", h, got, want)
		}
	}
}

// What the engine answers is read without a panic, whatever it is.
func FuzzGroups(f *testing.F) {
	f.Add("=0:2:bx", "n00")
	f.Add("=0:22:nc0690000000000000001i1:3:sa\x1a", "sab")
	f.Add("=0:5:b1\x1a#31:-1:", "")
	f.Add("=1:9:n", "nzzzzzzzzzzzzzzzzzzzi")
	f.Fuzz(func(t *testing.T, rest, text string) {
		p := &projection{fields: []string{"a", "b"}}
		if vals, err := p.parse(rest); err == nil && len(vals) != 2 {
			t.Errorf("%d fields", len(vals))
		}
		if v, ok := parseStored(text); ok && v.Kind == logging.Missing {
			t.Errorf("%q reads as nothing", text)
		}
		_, _ = decodeRecord([]byte(rest))
	})
}

package forward

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
)

// What is not UTF-8 is there twice: readable, and as it came.
func TestBinary(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	big := strings.Repeat("\xff", binaryBytesMax+1)
	many, names := rec{}, []string{}
	for i := range binaryValuesMax + 1 {
		names = append(names, string(rune('A'+i/26))+string(rune('a'+i%26)))
		many = append(many, names[i], bin32([]byte("\xff")))
	}
	for name, c := range map[string]struct {
		record rec
		want   map[string]string // nil: no member
	}{
		"text":             {rec{"log", "grün \"x\"\n"}, nil},
		"a string":         {rec{"log", str32([]byte("a\xffb"))}, map[string]string{"log": "a\xffb"}},
		"bytes, deep":      {rec{"a", rec{"b", arr{1, bin32([]byte("\x80")), bin32([]byte("\x81"))}}, "c", "x"}, map[string]string{"a.b": "\x80"}},
		"a key":            {rec{str32([]byte("k\xff")), "v"}, nil},
		"below such a key": {rec{str32([]byte("k\xff")), bin32([]byte("\xff")), "b", bin32([]byte("\xfe"))}, map[string]string{"b": "\xfe"}},
		"twice":            {rec{"a", bin32([]byte("\xff")), "a", bin32([]byte("\xfe"))}, map[string]string{"a": "\xff"}},
		"there already":    {rec{"a", bin32([]byte("\xff")), "binary", "own"}, nil},
		"too large":        {rec{"a", bin32([]byte(big)), "b", bin32([]byte("\xff"))}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var j jsonWriter
			e, reason := parseEntry(pack(arr{1, c.record}))
			if reason != "" {
				t.Fatal(reason)
			}
			doc, err := j.source(e, []byte("t"))
			if err != nil || !json.Valid(doc) {
				t.Fatalf("%s, %v", doc, err)
			}
			var got struct{ Binary any }
			if err := json.Unmarshal(doc, &got); err != nil {
				t.Fatal(err)
			}
			m, _ := got.Binary.(map[string]any)
			if len(m) != len(c.want) {
				t.Fatalf("%.200s", doc)
			}
			for k, v := range c.want {
				if m[k] != b64([]byte(v)) {
					t.Errorf("%s: %v, want %s", k, m[k], b64([]byte(v)))
				}
			}
		})
	}
	var j jsonWriter
	e, _ := parseEntry(pack(arr{1, many}))
	doc, err := j.source(e, nil)
	var got struct{ Binary map[string]string }
	if err != nil || json.Unmarshal(doc, &got) != nil || len(got.Binary) != binaryValuesMax {
		t.Fatalf("%d of %d values: %v", len(got.Binary), len(names), err)
	}
}

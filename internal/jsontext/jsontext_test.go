package jsontext

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "q\"\\\n\r\t\x00\x1f\x7f", "é\u2028漢😀", "\xff", "x\xed\xa0\x80y", "\xf0\x9f\x98", "\uFFFD"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := AppendString([]byte("x"), s)
		if string(got) != string(AppendString([]byte("x"), []byte(s))) {
			t.Fatal("bytes and strings differ")
		}
		var back string
		if err := json.Unmarshal(got[1:], &back); err != nil {
			t.Fatalf("%v: %q", err, got)
		}
		var want strings.Builder
		for _, r := range s { // ranging gives U+FFFD for each bad byte
			want.WriteRune(r)
		}
		if back != want.String() || !utf8.Valid(got) {
			t.Fatalf("%q became %q", s, back)
		}
	})
}

package logging

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
)

// TestCompileRegexp holds expressions that may have anything at their ends against
// anchored ones.
func TestCompileRegexp(t *testing.T) {
	pieces := []string{".*", "a", "b", ".", "[ab]+", "(a|b)", "(.*)", "(.*a|b)", ".*?", "x*", `\\`, `\.`, `\*`, `\.*`, `\\.*`, "\n", "a{1,2}", "|", "é", "$", "^"}
	texts := []string{"", "a", "b", "ab", "ba", "aab", "xa", "ax", "a\nb", "a.b", `a\b`, `a\`, "a*", "é", "aéb", "\xffa", "a\xff", ".", "*", "$", "A", "AB"}
	tried := 0
	for seed := range uint64(4000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var b strings.Builder
		for range 1 + rnd.IntN(5) {
			b.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		pattern := b.String()
		for _, fold := range []bool{false, true} {
			flags := "(?s)"
			if fold {
				flags = "(?si)"
			}
			want, err := regexp.Compile(flags + `\A(?:` + pattern + `)\z`)
			if err != nil {
				continue
			}
			got, err := compileRegexp(pattern, fold)
			if err != nil {
				t.Fatalf("%q: %v", pattern, err)
			}
			tried++
			for _, s := range texts {
				if got.MatchString(s) != want.MatchString(s) {
					t.Fatalf("%q (fold %v) of %q: %v by %s", pattern, fold, s, got.MatchString(s), got)
				}
			}
		}
	}
	if tried < 2000 {
		t.Errorf("only %d expressions", tried)
	}
}

package text

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// naive answers from the strings alone, as the analyser's definition says.
type naive []string

func (v naive) selection(in []uint32, f func(s string) bool) (out []uint32) {
	for i, s := range v {
		if (in == nil || slices.Contains(in, uint32(i))) && f(s) {
			out = append(out, uint32(i))
		}
	}
	return out
}

func tokens(s string) (out []string) {
	for from, to := NextToken(s, 0); from < to; from, to = NextToken(s, to) {
		out = append(out, s[from:to])
	}
	return out
}

func hasPhrase(s string, want []string, lastPrefix bool) bool {
	have := tokens(s)
	for i := 0; i+len(want) <= len(have); i++ {
		ok := true
		for j, w := range want {
			h := Lower(have[i+j])
			ok = ok && (h == w || lastPrefix && j == len(want)-1 && strings.HasPrefix(h, w))
		}
		if ok && len(want) > 0 {
			return true
		}
	}
	return false
}

// checkSearch compares all searches with naive ones, for needles taken from the
// rows and for others.
func checkSearch(t *testing.T, r *rand.Rand, rows []string, needles int) {
	t.Helper()
	off, data := pack1(rows)
	b := new(Encoder).Encode(nil, off, data)
	v := naive(rows)
	c, err := Decode(b, len(rows))
	if err != nil {
		t.Fatal(err)
	}
	same := func(got, want []uint32, what string, args ...any) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Fatalf("%s %q: %v instead of %v of %d rows", what, args, got, want, len(rows))
		}
	}
	for range needles {
		if r.IntN(3) == 0 {
			if c, err = Decode(b, len(rows)); err != nil { // with nothing unpacked
				t.Fatal(err)
			}
		}
		var in []uint32
		if r.IntN(2) == 0 {
			in = []uint32{}
			for i := range rows {
				if r.IntN(3) > 0 {
					in = append(in, uint32(i))
				}
			}
		}
		from := ""
		if len(rows) > 0 {
			from = rows[r.IntN(len(rows))]
		}
		all := tokens(from)
		if len(all) == 0 {
			all = []string{"error"}
		}
		word := Lower(all[r.IntN(len(all))])
		if r.IntN(8) == 0 {
			word = pick(r, "k", "i", "0", "7", "error", "x1", "é", "中", "refused", "0x1f")
		}
		same(c.SelectWord(word, in, nil), v.selection(in, func(s string) bool {
			return slices.ContainsFunc(tokens(s), func(k string) bool { return Lower(k) == word })
		}), "word", word)

		a := r.IntN(len(word))
		part := word[a : a+1+r.IntN(len(word)-a)]
		accept := func(k string) bool { return strings.Contains(Lower(k), part) }
		hint, literal := DigitsMaybe, part
		if r.IntN(3) == 0 {
			literal = ""
		}
		if r.IntN(3) == 0 {
			hint = DigitsNever
			accept = func(k string) bool { return strings.Contains(Lower(k), part) && !HasDigit(k) }
		} else if HasDigit(part) && r.IntN(2) == 0 {
			hint = DigitsAlways
		}
		same(c.SelectToken(accept, literal, hint, in, nil), v.selection(in, func(s string) bool { return slices.ContainsFunc(tokens(s), accept) }), "part of a token", part, literal)

		i := r.IntN(len(all))
		phrase := slices.Clone(all[i : i+1+r.IntN(min(4, len(all)-i))])
		for i := range phrase {
			phrase[i] = Lower(phrase[i])
		}
		prefix := r.IntN(2) == 0
		if k := len(phrase) - 1; prefix {
			_, n := utf8.DecodeRuneInString(phrase[k])
			phrase[k] = phrase[k][:n+(len(phrase[k])-n)*r.IntN(2)]
		}
		if r.IntN(5) == 0 {
			phrase = append(phrase, word)
		}
		same(c.SelectPhrase(phrase, prefix, in, nil), v.selection(in, func(s string) bool { return hasPhrase(s, phrase, prefix) }), "phrase", phrase, prefix)

		if from != "" {
			a := r.IntN(len(from))
			part := from[a : a+1+r.IntN(min(12, len(from)-a))]
			begins := func(s string) bool { return strings.HasPrefix(s, from[:a]) }
			same(c.SelectValue(func(s string) bool { return strings.Contains(s, part) }, part, in, nil), v.selection(in, func(s string) bool { return strings.Contains(s, part) }), "part", part)
			same(c.SelectValue(begins, "", in, nil), v.selection(in, begins), "beginning", from[:a])
		}
		same(c.SelectEqual(from, in, nil), v.selection(in, func(s string) bool { return s == from }), "value", from)
	}
	codes, values := c.Distinct()
	seen := map[string]bool{}
	for i, s := range rows {
		if values[codes[i]] != s {
			t.Fatalf("row %d has value %q instead of %q", i, values[codes[i]], s)
		}
		seen[s] = true
	}
	if len(seen) != len(values) || len(codes) != len(rows) {
		t.Fatalf("%d values instead of %d", len(values), len(seen))
	}
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestSearchIsNaiveSearch(t *testing.T) {
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 5))
		rows := nasty(r, r.IntN(200))
		if seed%4 == 0 {
			k := corpora[int(seed/4)%len(corpora)]
			off, data := column(k.line, seed, 1+r.IntN(600))
			rows = rows[:0]
			for i := range len(off) - 1 {
				rows = append(rows, string(data[off[i]:off[i+1]]))
			}
		}
		ok := t.Run("", func(t *testing.T) { checkSearch(t, r, rows, 12) })
		if !ok {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestStringsOfAnyCase: what is looked for is found among the strings of a variable
// wherever it stands in them, in either case, beside others that have it and others
// that have not: in dictionaries, in strings one by one, and in fields.
func TestStringsOfAnyCase(t *testing.T) {
	const rows = 200
	spellings := []string{"x7Refused", "REFUSED9", "9refused", "ReFuSeD0", "refuse7", "7used", "Refus3d"}
	few := func(i int) string { return spellings[i%len(spellings)] }
	many := func(i int) string { return few(i) + strings.Repeat("q", i%11) + string(rune('a'+i%23)) + few(i*3+1) }
	for name, line := range map[string]func(i int) string{
		"dictionary": func(i int) string { return "call " + few(i*i) + " took 5 ms" },
		"strings":    func(i int) string { return "call " + many(i) + " took 5 ms" },
		"seldom": func(i int) string {
			return "call " + strings.Repeat("z", i%7) + "1" + []string{"", "REFUSED"}[i/177] + " done"
		},
		"field": func(i int) string { return "call " + strings.Repeat("b", 1+i%50) + "." + few(i) + " by " + many(i) },
		"none":  func(i int) string { return "call 7" + strings.Repeat("rfsd", i%20) + " of refused" },
	} {
		t.Run(name, func(t *testing.T) {
			all := make([]string, rows)
			for i := range all {
				all[i] = line(i)
			}
			off, data := pack1(all)
			b := new(Encoder).Encode(nil, off, data)
			for _, part := range []string{"refused", "fused", "used0", "d9", "7", "sed", "kilo", "ik", "x7refused"} {
				accept := func(k string) bool { return strings.Contains(Lower(k), part) }
				c, err := Decode(b, rows)
				if err != nil {
					t.Fatal(err)
				}
				got := c.SelectToken(accept, part, DigitsMaybe, nil, nil)
				want := naive(all).selection(nil, func(s string) bool { return slices.ContainsFunc(tokens(s), accept) })
				if !slices.Equal(got, want) || c.Err() != nil {
					t.Errorf("%q: %v (%v) instead of %v", part, got, c.Err(), want)
				}
			}
		})
	}
}

package logging

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestSortSteps(t *testing.T) {
	type pair struct{ key, at int }
	byKey := func(a, b pair) int { return cmp.Compare(a.key, b.key) }
	rnd := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 2, sortedPiece - 1, sortedPiece, sortedPiece + 1, 3*sortedPiece + 7, 8 * sortedPiece} {
		all := make([]pair, n)
		for i := range all {
			all[i] = pair{rnd.IntN(n/3 + 1), i}
		}
		want := slices.Clone(all)
		slices.SortStableFunc(want, byKey)
		spent := 0
		if err := sortSteps(all, byKey, func(n int) error { spent += n; return nil }); err != nil || !slices.Equal(all, want) {
			t.Errorf("%d values: %v, in order: %v", n, err, slices.Equal(all, want))
		}
		if spent < n {
			t.Errorf("%d values: told of %d", n, spent)
		}
		enough := errors.New("enough")
		if err := sortSteps(all, byKey, func(int) error { return enough }); n > 0 && !errors.Is(err, enough) {
			t.Errorf("%d values: ended with %v", n, err)
		}
	}
}

// TestUntil counts how often an aggregation asks whether its answer is still wanted,
// in what is not done row by row, and ends it there.
func TestUntil(t *testing.T) {
	f := FieldOf
	numbers := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat("7,", n), ",") + "]"
	}
	distinct := func(from, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, ",%d", from+i)
		}
		return "[" + b.String()[1:] + "]"
	}
	term := func(name string) CompositeSource { return CompositeSource{Of: Terms{Field: f(name)}} }
	for _, c := range []struct {
		name  string
		docs  func(i int) string
		n     int
		agg   Agg
		looks int
	}{
		{"many strings, by key", func(i int) string { return fmt.Sprintf(`{"s":"k%d"}`, i) }, 40_000,
			Agg{Of: Terms{Field: f("s"), Size: 30_000, Order: []TermsOrder{{By: "_key"}}}}, 200},
		{"percentiles of many", func(i int) string { return fmt.Sprintf(`{"s":"k%d","n":%d}`, i%20, i) }, 40_000,
			Agg{Of: Terms{Field: f("s"), Size: 20}, Sub: []Agg{{Name: "p", Of: Metric{Field: f("n"), Kind: Percentiles, Percents: []float64{50}}}}}, 2},
		{"a composite of many", func(i int) string { return fmt.Sprintf(`{"s":"k%d"}`, i) }, 40_000,
			Agg{Of: Composite{Sources: []CompositeSource{term("s")}, Size: 30_000}}, 200},
		{"many combinations in one document", func(int) string {
			return fmt.Sprintf(`{"a":%s,"b":%s,"c":%s}`, distinct(0, 60), distinct(0, 60), distinct(0, 60))
		}, 1, Agg{Of: Composite{Sources: []CompositeSource{term("a"), term("b"), term("c")}, Size: 10}}, 100},
		{"an array of one value", func(int) string { return `{"a":` + numbers(200_000) + `}` }, 1,
			Agg{Of: Terms{Field: f("a")}}, 0},
		{"an array of many values", func(int) string { return `{"a":` + distinct(0, 50_000) + `}` }, 1,
			Agg{Of: Terms{Field: f("a"), Size: 10}}, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.agg.Name = "x"
			var docs []*Doc
			for i := range c.n {
				docs = append(docs, NewDoc(&Record{Source: []byte(c.docs(i))}))
			}
			run := func(ends int) (looks int, err error) {
				a, err := NewAggregator([]Agg{c.agg})
				if err != nil {
					t.Fatal(err)
				}
				ended := errors.New("ended")
				a.Until(func() error {
					if looks++; looks > ends {
						return ended
					}
					return nil
				})
				for _, d := range docs {
					if err := a.Add(d); err != nil {
						if !errors.Is(err, ended) {
							t.Fatal(err)
						}
						return looks, err
					}
				}
				_, err = a.Result()
				if err != nil && !errors.Is(err, ended) {
					t.Fatal(err)
				}
				return looks, err
			}
			looks, err := run(1 << 30)
			if err != nil || looks < c.looks {
				t.Errorf("asked %d times, want %d: %v", looks, c.looks, err)
			}
			for _, ends := range []int{0, looks / 3, looks - 1} {
				if got, err := run(ends); ends >= 0 && looks > ends && (err == nil || got != ends+1) {
					t.Errorf("ended at look %d of %d: asked %d times, %v", ends, looks, got, err)
				}
			}
		})
	}
}

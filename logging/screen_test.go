package logging_test

import (
	"math/rand/v2"
	"testing"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
)

// TestScreenPassesWhatMatches holds the quick look against Match, on random
// filters and records.
func TestScreenPassesWhatMatches(t *testing.T) {
	sure := 0
	for seed := range uint64(400) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		recs := logtest.Records(rnd, 40)
		for range 40 {
			f := logtest.Filter(rnd, 2)
			may := logging.Screen(f)
			if may == nil {
				continue
			}
			for i := range recs {
				switch match := f.Match(logging.NewDoc(&recs[i])); {
				case match && !may(&recs[i]):
					t.Fatalf("seed %d: %#v matches %+v\n%s\nwhich did not pass", seed, f, recs[i], recs[i].Source)
				case !match && !may(&recs[i]):
					sure++
				}
			}
		}
	}
	if sure < 10_000 {
		t.Errorf("of all records only %d were sorted out", sure)
	}
}

func TestScreen(t *testing.T) {
	rec := func(src string) *logging.Record {
		return &logging.Record{Source: []byte(src), Pod: "Cart-1", Level: "warn"}
	}
	f := func(f logging.Filter, r *logging.Record, want bool) {
		t.Helper()
		may := logging.Screen(f)
		if got := may == nil || may(r); got != want {
			t.Errorf("%#v of %s: got %v, want %v", f, r.Source, got, want)
		}
	}
	term := func(field, text string) logging.Filter {
		return logging.Term{Field: logging.FieldOf(field), Text: text}
	}
	plain := rec(`{"series":"Alpha one","n":2e2,"path":"\/api"}`)
	f(term("series", "alpha"), plain, true)
	f(term("series", "beta"), plain, false)
	f(term("pod", "cart-1"), plain, true)
	f(term("n", "200"), plain, true) // a number, written otherwise
	f(term("path", "/api"), plain, true)
	f(term("series", "alpha"), rec(`{"series":"\u0061lpha"}`), true)
	f(term("series", "kilo"), rec(`{"series":"`+"\u212A"+`ilo"}`), true) // the Kelvin sign
	f(logging.And{term("series", "alpha"), term("series", "beta")}, plain, false)
	f(logging.Or{Of: []logging.Filter{term("series", "alpha"), term("series", "beta")}}, plain, true)
	f(logging.Not{Of: term("series", "alpha")}, plain, true)
	f(logging.Exists{Field: logging.FieldOf("nowhere")}, plain, true)
}

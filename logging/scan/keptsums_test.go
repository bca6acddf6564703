package scan_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/oriel-project/oriel/logging"
)

// TestKeptSums holds terms with sums inside against the oracle, asked again and after
// others: blocks keep what all of their rows came to, by the field and the metrics'.
func TestKeptSums(t *testing.T) {
	for seed := uint64(1); seed < 60; seed++ {
		w, _, _ := newWorld(seed)
		rnd := rand.New(rand.NewPCG(seed, 6))
		pick := func(of ...string) logging.Field { return logging.FieldOf(of[rnd.IntN(len(of))]) }
		terms := func(sub ...logging.Agg) logging.Agg {
			of := logging.Terms{Field: pick("status", "level", "pod", "ok", "namespace", "a", "time", "user", "tags"), Size: 1 + rnd.IntN(20), MinDocs: int64(rnd.IntN(3))}
			if missing := logging.Int(200); rnd.IntN(4) == 0 {
				of.Missing = &missing
			}
			if rnd.IntN(5) == 0 {
				of.Include = []string{"200", "error", "web-1", "info", "true"}
			}
			return logging.Agg{Name: "t", Of: of, Sub: sub}
		}
		for range 12 {
			var sub []logging.Agg
			for i := range 1 + rnd.IntN(3) {
				m := logging.Metric{Field: pick("status", "latency", "a", "n.x", "nothing", "time", "size"), Kind: logging.Min}
				switch rnd.IntN(3) {
				case 0:
					m.Kind = logging.Max
				case 1:
					m.Field, m.Kind = logging.FieldOf("size"), logging.ExtendedStats
				}
				sub = append(sub, logging.Agg{Name: fmt.Sprint("m", i), Of: m})
			}
			q := logging.Query{Filter: logging.All{}, TotalMax: -1, Aggs: []logging.Agg{terms(sub...)}}
			switch rnd.IntN(4) {
			case 0:
				q.Aggs = []logging.Agg{terms(terms(sub...))}
			case 1:
				q.Filter = logging.Term{Field: logging.FieldOf("namespace"), Text: "web"}
			case 2:
				q.Filter = logging.Exists{Field: logging.FieldOf("size")}
			}
			w.check(t, q)
		}
	}
}

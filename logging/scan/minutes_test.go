package scan_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
)

// TestByMinutes holds aggregations that whole parts answer by what they know of
// their minutes against the oracle, beside blocks that cannot.
func TestByMinutes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for seed := uint64(1); seed < 60; seed++ {
		w, _, _ := newWorld(seed)
		rnd := rand.New(rand.NewPCG(seed, 3))
		histogram := func() logging.Agg {
			h := logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), MinDocs: 1}
			switch rnd.IntN(6) {
			case 0:
				h.Calendar, h.Zone = logging.Hour, berlin
			case 1:
				h.Calendar = logging.Day
			case 2:
				h.Fixed = 90 * time.Second // no whole minutes
			case 3:
				h.Fixed, h.Offset = 5*time.Minute, time.Minute
			case 4:
				h.Fixed, h.MinDocs = time.Minute, 0
			default:
				h.Fixed = time.Minute
			}
			return logging.Agg{Name: "m", Of: h}
		}
		terms := func(sub ...logging.Agg) logging.Agg {
			names := []string{"namespace", "kubernetes.namespace_name", "container", "cluster", "region", "_index", "level", "level", "level", "stream", "pod", "status"}
			of := logging.Terms{Field: logging.FieldOf(names[rnd.IntN(len(names))]), Size: 1 + rnd.IntN(10)}
			if missing := logging.String("none"); rnd.IntN(3) == 0 {
				of.Missing = &missing
			}
			return logging.Agg{Name: "t", Of: of, Sub: sub}
		}
		for range 12 {
			q := logging.Query{Filter: logging.All{}, TotalMax: rnd.IntN(3) - 1}
			switch rnd.IntN(5) {
			case 0:
				q.Aggs = []logging.Agg{histogram(), terms()}
			case 1:
				q.Aggs = []logging.Agg{terms(terms(histogram()))}
			case 2:
				q.Aggs = []logging.Agg{terms(histogram())}
			default:
				q.Aggs = []logging.Agg{histogram()}
			}
			if rnd.IntN(3) == 0 {
				q.Filter = logging.Range{Field: logging.FieldOf(logging.FieldTime), Min: &logging.Bound{
					Value: logging.Time(logtest.Noon().Add(time.Duration(rnd.IntN(100)-50) * time.Second)), Inclusive: true,
				}}
			}
			switch rnd.IntN(4) {
			case 0: // every row of some labels
				q.Filter = logging.And{q.Filter, logging.Term{Field: logging.FieldOf("kubernetes.namespace_name.keyword"), Text: "web"}}
			case 1:
				q.Filter = logging.And{q.Filter, logging.Not{Of: logging.Term{Field: logging.FieldOf("namespace"), Text: "web"}}}
			case 2:
				q.Indices = []string{w.recs[rnd.IntN(len(w.recs))].Index}
			}
			w.check(t, q)
		}
	}
}

package scan_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/scan"
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

// TestMinutesOfWindows asks for levels a minute in windows that each cover some of the
// blocks with the same labels, one after the other: what is kept of one window must
// not answer for another one with as many blocks.
func TestMinutesOfWindows(t *testing.T) {
	var recs []logging.Record
	for i := range 400 {
		hour := i / 100
		at := logtest.Noon().Add(time.Duration(hour)*time.Hour + time.Duration(i%100)*20*time.Second)
		level := []string{"info", "warn", "error", ""}[(i+hour)%(2+hour%3)]
		recs = append(recs, logging.Record{
			Tenant: logtest.Tenant, Seq: uint64(i + 1), ID: logging.DerivedID(uint64(i + 1)), Index: "logs-eu-web", Time: at, Received: at,
			Cluster: "eu", Namespace: "web", Pod: "web-1", Level: level, Message: "m", Source: fmt.Appendf(nil, `{"h%d":%d}`, hour, i%7), // a block an hour
		})
	}
	rules := scan.Rules{Included: true, Cut: math.MinInt64}
	sources := fileSources(tableSource(rules, recs))
	levels := []logging.Agg{{Name: "l", Of: logging.Terms{Field: logging.FieldOf("level"), Size: 5}, Sub: []logging.Agg{
		{Name: "m", Of: logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), Fixed: time.Minute, MinDocs: 1}},
	}}}
	for range 2 {
		for from := range 4 {
			for to := from + 1; to <= 4; to++ {
				q := logging.Query{Aggs: levels, Filter: logging.Range{Field: logging.FieldOf(logging.FieldTime),
					Min: &logging.Bound{Value: logging.Time(logtest.Noon().Add(time.Duration(from) * time.Hour)), Inclusive: true},
					Max: &logging.Bound{Value: logging.Time(logtest.Noon().Add(time.Duration(to) * time.Hour))},
				}}
				want, err := logging.Run(context.Background(), q, docsOf(recs))
				if err != nil {
					t.Fatal(err)
				}
				got, err := scan.Search(context.Background(), q, sources, scan.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if d := logtest.Diff(want, got); d != "" {
					t.Errorf("hours %d to %d: %s", from, to, d)
				}
			}
		}
	}
}

package tsdb

import (
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/tsdbutil"

	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestStartTimestamps: when a counter began is kept with its samples, over a
// restart; a query takes it into account where it asks to, and readers of chunks
// get encodings that they know.
func TestStartTimestamps(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	start := now.Add(-time.Minute).UnixMilli()
	app := s.Appender(t.Context(), scopetest.Write("a"))
	for i := range 2 {
		at := now.Add(time.Duration(15*i-30) * time.Second).UnixMilli()
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "c_total"), start, at, float64(100+i), nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "h"), start, at, 0, tsdbutil.GenerateTestHistogram(int64(i)), nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		q, err := s.Queryable(scopetest.Read("a")).Querier(0, now.UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		all := labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")
		n := 0
		for set := q.Select(t.Context(), true, nil, all); set.Next(); {
			for it := set.At().Iterator(nil); it.Next() != chunkenc.ValNone; n++ {
				if got := it.AtST(); got != start {
					t.Errorf("%s: a sample of %s at %d began at %d, want %d", when, set.At().Labels(), it.AtT(), got, start)
				}
			}
		}
		if n != 4 {
			t.Errorf("%s: %d samples, want 4", when, n)
		}
		cq, err := s.Queryable(scopetest.Read("a")).ChunkQuerier(0, now.UnixMilli())
		if err != nil {
			t.Fatal(err)
		}
		defer cq.Close()
		var it chunks.Iterator
		for set := cq.Select(t.Context(), true, nil, all); set.Next(); {
			for it = set.At().Iterator(it); it.Next(); {
				if e := it.At().Chunk.Encoding(); e != chunkenc.EncXOR && e != chunkenc.EncHistogram {
					t.Errorf("%s: a chunk of %s is of encoding %s", when, set.At().Labels(), e)
				}
			}
		}
	}
	check("in the head")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	check("after a restart")

	// From 0 at its start to 101: rather than the 1 between the two samples.
	engine := promqltest.NewTestEngine(t, false, 0, 1000)
	for use, want := range map[bool]bool{false: true, true: false} {
		q, err := engine.NewInstantQuery(t.Context(), s.Queryable(scopetest.Read("a")), promql.NewPrometheusQueryOpts(false, 0, &use), `increase(c_total[2m]) < 10`, now)
		if err != nil {
			t.Fatal(err)
		}
		res := q.Exec(t.Context())
		v, err := res.Vector()
		if err != nil || (len(v) == 1) != want {
			t.Errorf("with start timestamps %t the increase is small: %v %v", use, v, err)
		}
		q.Close()
	}
}

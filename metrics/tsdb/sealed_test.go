package tsdb

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func TestSealedLivesDoNotShow(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	w := scopetest.Write("a")
	times := []time.Time{now.Add(-4 * time.Second), now.Add(-3 * time.Second), now.Add(-2 * time.Second), now.Add(-time.Second), now}
	put(t, s, w, map[string]float64{
		`m{namespace="gone"}`:          1,
		`m{namespace="back"}`:          2,
		`m{namespace="live",keep="1"}`: 3,
	}, times...)
	put(t, s, w, map[string]float64{`only_gone{namespace="gone",secret="s"}`: 9}, now)
	r := scopetest.ReadSealed(scopetest.Owners{Lives: map[tenant.ID][]tenant.Life{"a": {
		{Cluster: "test", Namespace: "gone", From: now.Add(-time.Hour), To: now.Add(time.Minute)},
		{Cluster: "test", Namespace: "back", From: now.Add(-time.Hour), To: now.Add(-3*time.Second + time.Microsecond)},
		{Cluster: "test", Namespace: "back", From: now.Add(-time.Second), To: now},
		{Cluster: "other", Namespace: "live", From: now.Add(-time.Hour), To: now.Add(time.Minute)},
	}}}, "a")

	const back = `{__name__="m", cloud="private", cluster="test", namespace="back", region="eu"} =>`
	const live = `{__name__="m", cloud="private", cluster="test", keep="1", namespace="live", region="eu"} =>`
	want(t, "samples", read(t, s, r), live+" -4:3 -3:3 -2:3 -1:3 0:3", back+" -2:2 0:2")

	q, err := s.Queryable(r).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	ctx := context.Background()
	// As the series endpoint asks: no samples needed, yet they decide.
	var series []string
	set := q.Select(ctx, true, &storage.SelectHints{Start: math.MinInt64, End: math.MaxInt64, Func: "series", Limit: 2}, orAll(nil)...)
	for set.Next() {
		series = append(series, set.At().Labels().Get("namespace"))
	}
	want(t, "series", series, "live", "back")
	values, _, err := q.LabelValues(ctx, "namespace", nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "values", values, "back", "live")
	values, _, err = q.LabelValues(ctx, "namespace", &storage.LabelHints{Limit: 1, LimitSmallest: true}, labels.MustNewMatcher(labels.MatchEqual, "keep", "1"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, "values with a matcher", values, "live")
	names, _, err := q.LabelNames(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	want(t, "names", names, "__name__", "cloud", "cluster", "keep", "namespace", "region")

	cq, err := s.Queryable(r).ChunkQuerier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer cq.Close()
	want(t, "chunks", dump(t, storage.NewSeriesSetFromChunkSeriesSet(cq.Select(ctx, true, nil, orAll(nil)...))),
		live+" -4:3 -3:3 -2:3 -1:3 0:3", back+" -2:2 0:2")

	// A range that holds sealed samples only.
	q2, err := s.Queryable(r).Querier(now.Add(-time.Second).UnixMilli(), now.Add(-time.Second).UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q2.Close()
	want(t, "a range within a sealed life", dump(t, q2.Select(ctx, true, nil, orAll(nil)...)), live+" -1:3")
	if u, ok := q2.(storage.Searcher); ok {
		t.Errorf("%T lets searches around the scope", u)
	}
}

package tsdb

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/metrics/metricstest"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// canary is in every label value and metric name that b alone has.
const canary = "hunter2"

// TestGeneratedQueriesSeeOneTenant asks generated queries of a store with two
// tenants, whose series have the same names, and of one that holds a alone: the
// answers are the same, whatever is asked.
func TestGeneratedQueriesSeeOneTenant(t *testing.T) { generated(t, 1, 400) }

func generated(t *testing.T, seed uint64, n int) {
	t.Helper()
	both, alone := open(t, t.TempDir(), Options{OutOfOrder: 3 * time.Hour}), open(t, t.TempDir(), Options{OutOfOrder: 3 * time.Hour})
	from := now.Add(-30 * time.Minute)
	mine := metricstest.MakeSeries(seed, from, now, 30*time.Second, "namespace", "a-ns")
	theirs := metricstest.MakeSeries(seed+1, from, now, 30*time.Second, "namespace", canary, "secret", canary)
	for _, s := range theirs {
		theirs = append(theirs, metricstest.Series{Labels: labels.NewBuilder(s.Labels).Set("__name__", canary+"_"+s.Labels.Get("__name__")).Labels(), Samples: s.Samples})
	}
	appendSeries(t, both, "a", mine)
	appendSeries(t, both, "b", theirs)
	appendSeries(t, alone, "a", mine)

	engine := promqltest.NewTestEngine(t, false, 0, 5_000_000)
	run := func(s *Store, r tenant.Read, query string, ranged bool) string {
		ctx := context.Background()
		var (
			q   promql.Query
			err error
		)
		if ranged {
			q, err = engine.NewRangeQuery(ctx, sorted{s.Queryable(r)}, nil, query, now.Add(-20*time.Minute), now, time.Minute)
		} else {
			q, err = engine.NewInstantQuery(ctx, sorted{s.Queryable(r)}, nil, query, now)
		}
		if err != nil {
			return "error: " + err.Error()
		}
		defer q.Close()
		res := q.Exec(ctx)
		if res.Err != nil {
			return "error: " + res.Err.Error()
		}
		return sortLines(res.String())
	}
	g := metricstest.NewGenerator(seed)
	g.Selectors = append(g.Selectors[:len(g.Selectors):len(g.Selectors)],
		`{secret="`+canary+`"}`, `{secret!=""}`, `{namespace=~".+"}`, canary+"_up", `{__name__=~"`+canary+`.*"}`, `up{namespace!="a-ns"}`, `{namespace="`+canary+`"}`, `up{namespace=~"`+canary+`|a-ns"}`)
	would := 0
	for i := range n {
		query := g.Query()
		ranged := i%2 == 1
		got, want := run(both, scopetest.Read("a"), query, ranged), run(alone, scopetest.Read("a"), query, ranged)
		if got != want && !nearly(got, want) {
			again := func() string { return run(alone, scopetest.Read("a"), query, ranged) }
			if wavers(want, again) && shape(got) == shape(want) {
				continue
			}
			t.Errorf("query %d of seed %d, range %v: %s\n got %.500s\nwant %.500s", i, seed, ranged, query, got, want)
		}
		if leak := strings.Contains(got, canary) && !strings.Contains(query, canary); leak {
			t.Errorf("query %d of seed %d leaks: %s\n%.500s", i, seed, query, got)
		}
		if run(both, scopetest.Read("a", "b"), query, ranged) != want {
			would++
		}
	}
	t.Logf("%d queries; for %d of them the other tenant's series would have changed the answer", n, would)
	if would < n/3 {
		t.Error("most of the queries would not notice the other tenant: the test shows little")
	}
}

var (
	number = regexp.MustCompile(`-?[0-9]+\.[0-9]+(e[-+]?[0-9]+)?`)
	// twins are what an error about duplicates names: of several groups one, and two
	// of its series, as the engine's maps have them.
	twins = regexp.MustCompile(`(found duplicate series for the match group )\{.*\}( on the (?:left|right) hand-side of the operation: )\[.*\];`)
)

// sorted has the engine meet series in the order of their labels: in which order
// it does is not defined, and sums, deviations and errors that name two of several
// series depend on it.
type sorted struct{ storage.Queryable }

func (s sorted) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := s.Queryable.Querier(mint, maxt)
	return sortedQuerier{q}, err
}

type sortedQuerier struct{ storage.Querier }

func (q sortedQuerier) Select(ctx context.Context, _ bool, h *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	return q.Querier.Select(ctx, true, h, ms...)
}

// nearly: sums over series may differ in their last bits, and errors in which
// series they name, since the order in which the engine meets them is not defined.
func nearly(a, b string) bool {
	short := func(s string) string {
		s = twins.ReplaceAllString(s, "${1}{}${2}[];")
		return number.ReplaceAllStringFunc(s, func(n string) string {
			var f float64
			if _, err := fmt.Sscan(n, &f); err != nil {
				return n
			}
			return fmt.Sprintf("%.10g", f)
		})
	}
	return short(a) == short(b)
}

// wavers reports whether the same query over the same series has more than one answer:
// what a deviation of large numbers leaves of them is rounding, in an order that the
// engine's maps choose.
func wavers(answer string, again func() string) bool {
	for range 10 {
		if again() != answer {
			return true
		}
	}
	return false
}

var valueAt = regexp.MustCompile(`(?m)(^|=> )\S+ @\[`)

// shape is an answer without its values.
func shape(answer string) string { return sortLines(valueAt.ReplaceAllString(answer, "${1}? @[")) }

func appendSeries(t *testing.T, s *Store, id tenant.ID, series []metricstest.Series) {
	t.Helper()
	app := s.Appender(context.Background(), scopetest.Write(id))
	for _, one := range series {
		var ref storage.SeriesRef
		for _, sample := range one.Samples {
			var err error
			if ref, err = app.Append(ref, one.Labels, 0, sample.T, sample.V, sample.H, nil, storage.AOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

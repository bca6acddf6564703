package tsdb

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var testParser = parser.NewParser(promqltest.TestParserOpts)

// hostile are queries that try to see another tenant's series ("secret", label
// tenant="b"), or to tell whether there are any.
var hostile = []string{
	`secret`, `{__name__="secret"}`, `{__name__=~"sec.*"}`, `{__name__=~".+"}`, `{__name__!=""}`,
	`secret{tenant="b"}`, `{tenant=~".*",__name__=~".+"}`, `{__name__=~".+",tenant!="a"}`, `{"tenant"="b"}`, `{"secret",tenant="b"}`,
	`secret{tenant="a",tenant="b"}`, `{__name__=~".+",tenant=""}`,
	`visible or secret`, `visible and on() secret`, `visible unless on() secret`, `visible * on(pod) group_left(password) secret`,
	`visible + on(pod) group_right() secret`, `visible + fill(0) secret`,
	`max_over_time(secret[1h:1m])`, `secret offset 1m`, `secret @ 1`, `secret @ end()`, `rate(secret[5m:30s])`,
	`label_replace(visible, "tenant", "b", "", "")`, `label_join(visible, "tenant", "", "pod")`,
	`label_replace(secret, "tenant", "a", "", "")`,
	`absent(secret)`, `absent_over_time(secret[5m])`, `absent(secret{tenant="b"})`, `absent({__name__=~"sec.+"})`,
	`vector(scalar(secret))`, `clamp_max(visible, scalar(secret))`, `round(visible, scalar(secret))`, `visible > bool scalar(secret)`,
	`topk(scalar(secret)/4242, visible)`, `bottomk(scalar(secret)/4242, visible)`, `quantile(scalar(secret)/8484, visible)`,
	`limitk(scalar(secret)/4242, visible)`, `limit_ratio(scalar(secret)/8484, visible)`, `count_values("v", secret)`,
	`info(visible)`, `info(visible, {version=~".+"})`, `info(visible, {__name__=~".+"})`, `info(visible, {__name__="target_info"})`,
	`info(label_replace(label_replace(vector(1), "job", "victim", "", ""), "instance", "v:1", "", ""))`,
	`info(label_replace(label_replace(vector(1), "job", "victim", "", ""), "instance", "v:1", "", ""), {__name__=~".+"})`,
	`{"tenant.x"="b"}`, `{"späh"=~".+"}`, `count({__name__=~".+"}) by (__name__)`, `group by (tenant) ({__name__=~".+"})`,
	`sum(secret[1m])`, `predict_linear(secret[5m], 60)`, `histogram_quantile(0.9, secret)`, `sort_by_label({__name__=~".+"}, "tenant")`,
	`timestamp(secret)`, `secret{cluster="test"}`, `{cluster="test"}`, `{cluster=~".*",__name__=~".*"}`,
	`visible and ignoring(pod) group_left secret`, `last_over_time({tenant="b"}[10m])`, `present_over_time(secret[10m])`,
	`secret[5m] anchored`, `increase(secret[5m] smoothed)`, `secret offset (1m + 1m)`,
}

func TestHostileQueriesEqualAViewOfOneTenant(t *testing.T) {
	seriesOf := map[tenant.ID]map[string]float64{
		"a": {
			`visible{pod="p1",job="mine",instance="m:1",tenant="a"}`:         1,
			`visible{pod="p2",job="mine",instance="m:2",tenant="a"}`:         2,
			`target_info{job="mine",instance="m:1",tenant="a",version="1"}`:  1,
			`{__name__="späh","tenant.x"="a",namespace="n",shared="series"}`: 1,
		},
		"b": {
			`secret{pod="p1",tenant="b",password="hunter2"}`:                     4242,
			`target_info{job="victim",instance="v:1",tenant="b",version="9.9"}`:  1,
			`target_info{job="mine",instance="m:1",tenant="b",version="stolen"}`: 1,
			`visible{pod="p3",job="mine",instance="m:3",tenant="b"}`:             77,
			`{__name__="späh","tenant.x"="b",namespace="n"}`:                     1,
			`{__name__="späh","tenant.x"="a",namespace="n",shared="series"}`:     99,
		},
	}
	times := []time.Time{now.Add(-2 * time.Minute), now.Add(-time.Minute), now}
	both, oracle := open(t, t.TempDir(), Options{}), open(t, t.TempDir(), Options{})
	for id, series := range seriesOf {
		put(t, both, scopetest.Write(id), series, times...)
	}
	put(t, oracle, scopetest.Write("a"), seriesOf["a"], times...)

	engine := promqltest.NewTestEngine(t, false, 0, 50000)
	run := func(s *Store, r tenant.Read, query string, ranged bool) string {
		ctx := context.Background()
		var (
			q   promql.Query
			err error
		)
		if ranged {
			q, err = engine.NewRangeQuery(ctx, s.Queryable(r), nil, query, now.Add(-3*time.Minute), now, 30*time.Second)
		} else {
			q, err = engine.NewInstantQuery(ctx, s.Queryable(r), nil, query, now)
		}
		if err != nil {
			return "error: " + err.Error()
		}
		defer q.Close()
		res := q.Exec(ctx)
		if res.Err != nil {
			return "error: " + res.Err.Error()
		}
		return fmt.Sprint(res.Value.Type(), " ", sortLines(res.String()), " ", res.Warnings.AsErrors())
	}
	leak := regexp.MustCompile(`4242|hunter2|stolen|9\.9|p3|77`)
	differed := 0
	for _, query := range hostile {
		for _, ranged := range []bool{false, true} {
			got, wanted := run(both, scopetest.Read("a"), query, ranged), run(oracle, scopetest.Read("a"), query, ranged)
			if got != wanted {
				t.Errorf("%s (range %v)\n got: %s\nwant: %s", query, ranged, got, wanted)
			}
			if !strings.HasPrefix(got, "error: ") && leak.MatchString(got) {
				t.Errorf("%s (range %v) leaks: %s", query, ranged, got)
			}
			if run(both, scopetest.Read("a", "b"), query, ranged) != got {
				differed++
			}
		}
	}
	t.Logf("%d queries, instant and range; for %d of those the other tenant's series would have changed the answer", len(hostile), differed)
	if differed < len(hostile)/2 {
		t.Error("most of the queries would not notice the other tenant: the test shows little")
	}
}

// sortLines makes the order of an instant vector, which is not defined, the same.
func sortLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		for j := i + 1; j < len(lines); j++ {
			if lines[j] < lines[i] {
				lines[i], lines[j] = lines[j], lines[i]
			}
		}
	}
	return strings.Join(lines, "\n")
}

// TestPromQLScripts runs Prometheus' own acceptance scripts through a store in
// which the series lie in two tenants' databases, by their label namespace.
func TestPromQLScripts(t *testing.T) {
	promqltest.RunBuiltinTestsWithStorage(t, promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery), func(tb testing.TB) storage.Storage {
		s, err := Open(tb.TempDir(), Options{
			OutOfOrder: -1,
			Clock:      func() time.Time { return time.Unix(0, 0) },
			tune: func(o *promtsdb.Options) {
				o.MinBlockDuration = (24 * time.Hour).Milliseconds()
				o.MaxBlockDuration = o.MinBlockDuration
			},
		})
		if err != nil {
			tb.Fatal(err)
		}
		return &scripted{Store: s}
	})
}

// scripted is a Store as the scripts want it: an operator's view of one cluster
// without a name.
type scripted struct{ *Store }

func (s *scripted) Querier(mint, maxt int64) (storage.Querier, error) {
	return s.Queryable(scopetest.Operator()).Querier(mint, maxt)
}

func (s *scripted) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	return s.Queryable(scopetest.Operator()).ChunkQuerier(mint, maxt)
}

func (s *scripted) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return ownPlace{s.Store.Appender(ctx, scopetest.WriteCluster(tenant.Cluster{}, scopetest.Owners{})).(*appender)}
}

func (*scripted) Appender(context.Context) storage.Appender { panic("scripts use the second version") }
func (*scripted) StartTime() (int64, error)                 { return 0, nil }

// ownPlace lets the scripts use the labels that the store overwrites.
type ownPlace struct{ *appender }

func (a ownPlace) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	a.cluster = tenant.Cluster{Name: ls.Get("cluster"), Region: ls.Get("region"), Cloud: ls.Get("cloud")}
	return a.appender.Append(ref, ls, st, t, v, h, fh, opts)
}

package tsdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	eu1 = tenant.Cluster{Name: "eu-1", Region: "eu", Cloud: "private"}
)

func open(t *testing.T, dir string, o Options) *Store {
	t.Helper()
	if o.Clock == nil {
		o.Clock = func() time.Time { return now }
	}
	s, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// put appends "name{labels}" with one value at each time and commits.
func put(t *testing.T, s *Store, w tenant.Write, series map[string]float64, times ...time.Time) {
	t.Helper()
	app := s.Appender(context.Background(), w)
	for text, v := range series {
		for _, at := range times {
			if _, err := app.Append(0, parse(t, text), 0, at.UnixMilli(), v, nil, nil, storage.AOptions{}); err != nil {
				t.Fatalf("%s at %s: %v", text, at, err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

func parse(t testing.TB, text string) labels.Labels {
	t.Helper()
	ms, err := testParser.ParseMetric(text)
	if err != nil {
		t.Fatal(err)
	}
	return ms
}

// read gives "series => t:v t:v" of everything that the scope sees, sorted.
func read(t *testing.T, s *Store, r tenant.Read, ms ...*labels.Matcher) []string {
	t.Helper()
	q, err := s.Queryable(r).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	return dump(t, q.Select(context.Background(), true, nil, orAll(ms)...))
}

func orAll(ms []*labels.Matcher) []*labels.Matcher {
	if len(ms) == 0 {
		return []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")}
	}
	return ms
}

func dump(t *testing.T, set storage.SeriesSet) []string {
	t.Helper()
	out := []string{}
	var it chunkenc.Iterator
	for set.Next() {
		line := strings.Clone(set.At().Labels().String()) + " =>"
		it = set.At().Iterator(it)
		for it.Next() != chunkenc.ValNone {
			ts, v := it.At()
			line += fmt.Sprintf(" %d:%g", time.UnixMilli(ts).Sub(now)/time.Second, v)
		}
		if it.Err() != nil {
			t.Fatal(it.Err())
		}
		out = append(out, line)
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return out
}

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if len(want) == 0 {
		want = []string{}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestEachSeriesGoesToItsOwner(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	w := scopetest.WriteCluster(eu1, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop-prod": "shop", "eu-1/bill": "billing"}})
	put(t, s, w, map[string]float64{
		`m{namespace="shop-prod",cluster="forged",cloud="forged"}`: 1,
		`m{namespace="bill"}`: 2,
		`m{namespace="lost"}`: 3,
		`m{node="n1"}`:        4,
	}, now)
	put(t, s, scopetest.Write("shop"), map[string]float64{`own{namespace="bill"}`: 5}, now)

	check := func(s *Store) {
		t.Helper()
		const at = `cloud="private", cluster="eu-1", `
		want(t, "shop", read(t, s, scopetest.Read("shop")),
			`{__name__="m", `+at+`namespace="shop-prod", region="eu"} => 0:1`,
			`{__name__="own", cloud="private", cluster="test", namespace="bill", region="eu"} => 0:5`)
		want(t, "billing", read(t, s, scopetest.Read("billing")), `{__name__="m", `+at+`namespace="bill", region="eu"} => 0:2`)
		want(t, "unassigned", read(t, s, scopetest.Read(tenant.Unassigned)), `{__name__="m", `+at+`namespace="lost", region="eu"} => 0:3`)
		want(t, "system", read(t, s, scopetest.Read(tenant.System)), `{__name__="m", `+at+`node="n1", region="eu"} => 0:4`)
		if n := len(read(t, s, scopetest.Operator())); n != 5 {
			t.Errorf("the operator sees %d series, want 5", n)
		}
		if n := len(read(t, s, scopetest.Read("shop", "billing", "nobody"))); n != 3 {
			t.Errorf("shop and billing see %d series, want 3", n)
		}
		want(t, "nobody", read(t, s, tenant.Read{}))
	}
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, dir, Options{}))
}

func TestNoScopeWritesNothing(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	app := s.Appender(context.Background(), tenant.Write{})
	if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m"), 0, now.UnixMilli(), 1, nil, nil, storage.AOptions{}); err == nil {
		t.Error("appended without a scope")
	}
	if err := app.Commit(); err != nil {
		t.Error(err)
	}
	if n := len(s.Stats()); n != 0 {
		t.Errorf("%d databases were made", n)
	}
}

// owners is a directory whose answer may change and depends on the time.
type lives []tenant.Life

func (l lives) owner(_, namespace string, at time.Time) (tenant.ID, bool) {
	for _, one := range l {
		if one.Namespace == namespace && one.Covers(at) {
			return tenant.ID(one.UID), true // the UID stands for the owner here
		}
	}
	return "", false
}

type ownersFunc func(cluster, namespace string, at time.Time) (tenant.ID, bool)

func (f ownersFunc) Owner(c, n string, at time.Time) (tenant.ID, bool) { return f(c, n, at) }
func (f ownersFunc) Sealed(tenant.ID) []tenant.Life                    { return nil }

func TestNamespaceThatChangesHands(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	ls := lives{
		{Namespace: "ns", UID: "old", From: now.Add(-3 * time.Hour), To: now.Add(-time.Hour)},
		{Namespace: "ns", UID: "new", From: now.Add(-time.Minute)},
	}
	w := scopetest.WriteClusterOf(eu1, ownersFunc(ls.owner))
	m := labels.FromStrings(model.MetricNameLabel, "m", "namespace", "ns")
	app := s.Appender(context.Background(), w)
	var ref storage.SeriesRef
	for i, at := range []time.Duration{-2 * time.Hour, -90 * time.Minute, -61 * time.Minute, -30 * time.Minute, -2 * time.Minute, 0} {
		var err error
		// The reference of the one owner's series must not write into the other's.
		if ref, err = app.Append(ref, m, 0, now.Add(at).UnixMilli(), float64(i), nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	const series = `{__name__="m", cloud="private", cluster="eu-1", namespace="ns", region="eu"} => `
	want(t, "old", read(t, s, scopetest.Read("old")), series+"-7200:0 -5400:1 -3660:2")
	want(t, "new", read(t, s, scopetest.Read("new")), series+"-120:4 0:5")
	want(t, "nobody's", read(t, s, scopetest.Read(tenant.Unassigned)), series+"-1800:3")
}

func TestRepeatedSamplesAreTakenOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := open(t, t.TempDir(), Options{Registerer: reg})
	w := scopetest.Write("a")
	series := map[string]float64{`m`: 1}
	put(t, s, w, series, now.Add(-time.Minute), now.Add(-30*time.Second), now)
	// Sent again in whole, as after a lost answer; and one from between.
	put(t, s, w, series, now.Add(-time.Minute), now.Add(-30*time.Second), now)
	put(t, s, w, series, now.Add(-45*time.Second))
	want(t, "a", read(t, s, scopetest.Read("a")),
		`{__name__="m", cloud="private", cluster="test", region="eu"} => -60:1 -45:1 -30:1 0:1`)

	app := s.Appender(context.Background(), w)
	m := labels.FromStrings(model.MetricNameLabel, "m")
	_, err := app.Append(0, m, 0, now.UnixMilli(), 2, nil, nil, storage.AOptions{})
	if !errors.Is(err, storage.ErrDuplicateSampleForTimestamp) {
		t.Errorf("another value at the same time: %v", err)
	}
	_, err = app.Append(0, m, 0, now.Add(-time.Hour).UnixMilli(), 2, nil, nil, storage.AOptions{})
	if !errors.Is(err, storage.ErrTooOldSample) {
		t.Errorf("an hour behind: %v", err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := s.Stats()["a"]; got.Series != 1 || got.Refused != 2 || got.Samples != 7 {
		t.Errorf("stats %+v", got)
	}
	err = testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP oriel_metrics_samples_refused_total Samples refused by tenants' databases.
# TYPE oriel_metrics_samples_refused_total counter
oriel_metrics_samples_refused_total{reason="duplicate"} 1
oriel_metrics_samples_refused_total{reason="too_old"} 1
`), "oriel_metrics_samples_refused_total")
	if err != nil {
		t.Error(err)
	}
}

func TestSeriesLimit(t *testing.T) {
	s := open(t, t.TempDir(), Options{SeriesMax: func(id tenant.ID) int {
		if id == "small" {
			return 2
		}
		return 0
	}})
	add := func(id tenant.ID, n int) (refused int) {
		app := s.Appender(context.Background(), scopetest.Write(id))
		for i := range n {
			_, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m", "i", fmt.Sprint(i)), 0, now.UnixMilli(), 1, nil, nil, storage.AOptions{})
			switch {
			case err == nil:
			case errors.Is(err, storage.ErrOutOfBounds) && strings.Contains(err.Error(), "limits.series") && strings.Contains(err.Error(), "m (2)"):
				refused++
			default:
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		return refused
	}
	for _, c := range []struct {
		id      tenant.ID
		refused int
	}{{"small", 8}, {"big", 0}, {"small", 8}} {
		if got := add(c.id, 10); got != c.refused {
			t.Errorf("%s: %d series refused, want %d", c.id, got, c.refused)
		}
	}
}

func TestDeleteAndPurge(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	ctx := context.Background()
	for _, id := range []tenant.ID{"a", "b"} {
		put(t, s, scopetest.Write(id), map[string]float64{`m{namespace="x"}`: 1, `m{namespace="y"}`: 2}, now.Add(-2*time.Second), now.Add(-time.Second), now)
	}
	if err := s.Purge(ctx, "a", "test", "x", now.Add(-time.Second), now); err != nil {
		t.Fatal(err)
	}
	const x, y = `{__name__="m", cloud="private", cluster="test", namespace="x", region="eu"} => `, `{__name__="m", cloud="private", cluster="test", namespace="y", region="eu"} => `
	want(t, "purged", read(t, s, scopetest.Read("a")), x+"-2:1 0:1", y+"-2:2 -1:2 0:2")

	// Deletion waits for a query that is under way.
	q, err := s.Queryable(scopetest.Read("a")).Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := s.Delete(short, "a"); err == nil {
		t.Error("deleted under a query")
	}
	if n := len(dump(t, q.Select(ctx, true, nil, orAll(nil)...))); n != 2 {
		t.Errorf("the query sees %d series", n)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	want(t, "deleted", read(t, s, scopetest.Read("a")))
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
	if n := len(read(t, s, scopetest.Read("b"))); n != 2 {
		t.Errorf("b has %d series", n)
	}
	for _, id := range []tenant.ID{"never", "a"} {
		if err := s.Delete(ctx, id); err != nil {
			t.Errorf("delete %s: %v", id, err)
		}
	}
	if err := s.Delete(ctx, "../b"); err == nil {
		t.Error("took a path for a tenant")
	}
	put(t, s, scopetest.Write("a"), map[string]float64{`again`: 1}, now)
	want(t, "made again", read(t, s, scopetest.Read("a")), `{__name__="again", cloud="private", cluster="test", region="eu"} => 0:1`)
}

func TestOneBrokenDatabaseLeavesTheOthers(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, id := range []tenant.ID{"a", "b"} {
		put(t, s, scopetest.Write(id), map[string]float64{`m`: 1}, now)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// A file where the write-ahead log's directory should be.
	if err := os.RemoveAll(filepath.Join(dir, "a", "wal")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a", "wal"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	var failed []tenant.ID
	s = open(t, dir, Options{OnEvent: func(e Event) {
		if e.Kind == EventOpenFailed {
			failed = append(failed, e.Tenant)
		}
	}})
	if !slices.Contains(failed, "a") {
		t.Error("no event tells of the broken database")
	}
	if n := len(read(t, s, scopetest.Read("b"))); n != 1 {
		t.Errorf("b has %d series", n)
	}
	if n := len(read(t, s, scopetest.Operator())); n != 1 {
		t.Errorf("the operator sees %d series", n)
	}
	if _, err := s.Queryable(scopetest.Read("a")).Querier(0, 1); err == nil {
		t.Error("a broken database answers as if it were empty")
	}
}

func TestMetadata(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	add := func(id tenant.ID, family, name string, typ model.MetricType, help string) {
		app := s.Appender(context.Background(), scopetest.Write(id))
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, name), 0, now.UnixMilli(), 1, nil, nil,
			storage.AOptions{MetricFamilyName: family, Metadata: metadata.Metadata{Type: typ, Help: help}}); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	add("a", "", "h_bucket", model.MetricTypeHistogram, "how long")
	add("a", "", "h_sum", model.MetricTypeHistogram, "how long")
	add("a", "c", "c_total", model.MetricTypeCounter, "how many")
	add("b", "secret", "secret", model.MetricTypeGauge, "hidden")
	got := s.Metadata(scopetest.Read("a"))
	if d := cmp.Diff(map[string][]metrics.Metadata{
		"h": {{Type: "histogram", Help: "how long"}},
		"c": {{Type: "counter", Help: "how many"}},
	}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if n := len(s.Metadata(scopetest.Operator())); n != 3 {
		t.Errorf("the operator sees %d families", n)
	}
	for i := range familiesMax + 10 {
		add("b", fmt.Sprintf("f%d", i), "m", model.MetricTypeGauge, "x")
	}
	if n := len(s.Metadata(scopetest.Read("b"))); n != familiesMax {
		t.Errorf("%d families are kept", n)
	}
}

func TestExemplarsStayWithTheirTenant(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for _, id := range []tenant.ID{"a", "b"} {
		app := s.Appender(context.Background(), scopetest.Write(id)).(storage.ExemplarAppenderV2)
		ls := labels.FromStrings(model.MetricNameLabel, "m", "namespace", "n", "of", string(id))
		ref, err := app.Append(0, ls, 0, now.UnixMilli(), 1, nil, nil, storage.AOptions{})
		if err != nil {
			t.Fatal(err)
		}
		e := []exemplar.Exemplar{{Labels: labels.FromStrings("trace", string(id)), Value: 1, Ts: now.UnixMilli(), HasTs: true}}
		if _, err := app.AppendExemplars(ref, ls, e); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	traces := func(r tenant.Read) (out []string) {
		q, err := s.Queryable(r).ExemplarQuerier(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		found, err := q.Select(0, math.MaxInt64, []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, "m")})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			for _, e := range f.Exemplars {
				out = append(out, e.Labels.Get("trace"))
			}
		}
		return out
	}
	want(t, "a", traces(scopetest.Read("a")), "a")
	want(t, "both", traces(scopetest.Read("a", "b")), "a", "b")
	sealed := scopetest.Owners{Lives: map[tenant.ID][]tenant.Life{"a": {{Cluster: "test", Namespace: "n", To: now.Add(time.Second)}}}}
	want(t, "sealed", traces(scopetest.ReadSealed(sealed, "a", "b")), "b")
}

// Nobody else on the machine reads a tenant's samples, whoever made the directory.
func TestDirectoryMode(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "metrics")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o700 {
		t.Errorf("mode %o, want 700", mode)
	}
}

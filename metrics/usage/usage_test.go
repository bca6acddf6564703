package usage

import (
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestUsage: each tenant is told its own, what is told no more ends, and one
// tenant's scope shows nothing of another's.
func TestUsage(t *testing.T) {
	store, err := tsdb.Open(t.TempDir(), tsdb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	at := time.Now().Truncate(time.Second).Add(-10 * time.Minute)
	began := at
	told := map[tenant.ID][]Point{}
	w := New(Options{
		Appender: store,
		Write:    func(id tenant.ID) tenant.Write { return scopetest.Write(id) },
		Points:   func() map[tenant.ID][]Point { return told },
		Clock:    func() time.Time { return at },
	})
	told["shop"] = []Point{{Used, "resource", Series, 12}, {Limit, "resource", Series, 50}, {Lacks, "what", "logs", 1}}
	told["billing"] = []Point{{Used, "resource", Series, 7}}
	w.write(t.Context())
	if stats := store.Stats(); len(stats) != 0 {
		t.Errorf("databases were made for what is told: %v", stats)
	}
	for _, id := range []tenant.ID{"shop", "billing"} {
		app := store.Appender(t.Context(), scopetest.Write(id))
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "own"), 0, at.UnixMilli(), 1, nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	w.write(t.Context())
	at = at.Add(Every)
	told["shop"] = []Point{{Used, "resource", Series, 13}}
	w.write(t.Context())
	delete(told, "billing")
	at = at.Add(Every)
	w.write(t.Context())

	got, err := metrics.Histories(t.Context(), store.Queryable(scopetest.Read("shop")), began, at, Used, Limit, Lacks)
	if err != nil || len(got) != 3 {
		t.Fatalf("%d series, %v: %+v", len(got), err, got)
	}
	for _, h := range got {
		if h.Labels["tenant"] != "shop" || h.Ended != (h.Name != Used) {
			t.Errorf("%+v", h)
		}
		if h.Name == Used && (len(h.Steps) != 2 || h.Steps[1].Value != 13 || h.Labels["resource"] != Series) {
			t.Errorf("%+v", h)
		}
	}
	all, err := metrics.Histories(t.Context(), store.Queryable(scopetest.Operator()), began, at, Used)
	if err != nil || len(all) != 2 {
		t.Errorf("the operator sees %d tenants, %v", len(all), err)
	}
}

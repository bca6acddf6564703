package tsdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// What a series may look like is asked when it is made, and the answer names the
// limit and what to do.
func TestLabelLimits(t *testing.T) {
	s := open(t, t.TempDir(), Options{LabelsMax: 6, LabelValueBytesMax: 10})
	for _, c := range []struct {
		name string
		ls   []string
		want string // of the error; empty: it is taken
	}{
		{"few and short", []string{"a", "1"}, ""},
		{"too many", []string{"a", "1", "b", "2", "c", "3"}, "the series has 7 labels; limits.labels allows 6"},
		{"too long a value", []string{"a", strings.Repeat("x", 11)}, "the value of the label a has 11 bytes; limits.label_length allows 10"},
		{"too long a name", []string{strings.Repeat("n", 1025), "1"}, "has 1025 bytes; 1024 are the most"},
	} {
		app := s.Appender(context.Background(), scopetest.Write("a"))
		_, err := app.Append(0, labels.FromStrings(append([]string{model.MetricNameLabel, "m"}, c.ls...)...), 0, now.UnixMilli(), 1, nil, nil, storage.AOptions{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, storage.ErrOutOfBounds)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// A tenant may send ten seconds' worth at once, and then waits; the others do not.
func TestRateLimit(t *testing.T) {
	clock := now
	s := open(t, t.TempDir(), Options{
		Clock:            func() time.Time { return clock },
		SamplesPerSecond: func(id tenant.ID) int { return map[tenant.ID]int{"slow": 10}[id] },
	})
	send := func(id tenant.ID, n int) error {
		app := s.Appender(context.Background(), scopetest.Write(id))
		for i := range n {
			if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m", "i", fmt.Sprint(i)), 0, clock.UnixMilli(), 1, nil, nil, storage.AOptions{}); err != nil {
				return errors.Join(err, app.Rollback())
			}
		}
		clock = clock.Add(time.Millisecond)
		return app.Commit()
	}
	for _, c := range []struct {
		id    tenant.ID
		n     int
		wait  time.Duration // before
		after time.Duration // that the refusal asks for; 0: it is taken
	}{
		{"slow", 60, 0, 0},
		{"slow", 100, 0, 0}, // begun with 40 left: it pays afterwards
		{"slow", 1, 0, 6 * time.Second},
		{"quick", 1000, 0, 0},
		{"slow", 1, 3 * time.Second, 3 * time.Second},
		{"slow", 1, 4 * time.Second, 0},
	} {
		clock = clock.Add(c.wait)
		err := send(c.id, c.n)
		limit, is := errors.AsType[*metrics.LimitError](err)
		switch {
		case c.after == 0 && err != nil:
			t.Errorf("%s %d: %v", c.id, c.n, err)
		case c.after != 0 && (!is || limit.After.Round(time.Second) != c.after || !strings.Contains(err.Error(), "limits.samples") || !strings.Contains(err.Error(), "m (")):
			t.Errorf("%s %d: %v, want to wait for %s", c.id, c.n, err, c.after)
		}
	}
}

// A tenant that has enough is told what it has most of. A cluster, whose agent
// sends for it, is not: what the tenant has may come from another cluster.
func TestOffendersAreTheTenantsOwn(t *testing.T) {
	clock := now
	s := open(t, t.TempDir(), Options{
		Clock:     func() time.Time { return clock },
		SeriesMax: func(id tenant.ID) int { return map[tenant.ID]int{"shop": 2}[id] }, SamplesPerSecond: func(tenant.ID) int { return 1 },
	})
	owners := scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop", "eu-2/shop": "shop"}}
	put(t, s, scopetest.WriteCluster(eu1, owners), map[string]float64{`secret_orders_total{namespace="shop",a="1"}`: 1, `secret_orders_total{namespace="shop",a="2"}`: 1}, now)
	eu2 := scopetest.WriteCluster(tenant.Cluster{Name: "eu-2"}, owners)
	try := func(w tenant.Write, limit string) {
		t.Helper()
		app := s.Appender(context.Background(), w)
		_, err := app.Append(0, parse(t, `m{namespace="shop"}`), 0, clock.UnixMilli(), 1, nil, nil, storage.AOptions{})
		_, own := w.Tenant()
		if err == nil || !strings.Contains(err.Error(), limit) || strings.Contains(err.Error(), "secret_orders_total (2)") != own {
			t.Errorf("%s is told: %v", w.Who(), err)
		}
		if err := app.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
	try(eu2, "limits.series")
	try(scopetest.Write("shop"), "limits.series")
	times := []time.Time{}
	for i := range 20 {
		times = append(times, now.Add(time.Duration(i+1)*time.Second))
	}
	put(t, s, scopetest.WriteCluster(eu1, owners), map[string]float64{`secret_orders_total{namespace="shop",a="1"}`: 1}, times...)
	try(eu2, "limits.samples")
	try(scopetest.Write("shop"), "limits.samples")
}

// An agent that was cut off for hours, while another cluster of the tenant wrote
// on, is not too late.
func TestCatchUp(t *testing.T) {
	s := open(t, t.TempDir(), Options{OutOfOrder: 24 * time.Hour})
	owners := scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop", "eu-2/shop": "shop"}}
	eu2 := tenant.Cluster{Name: "eu-2"}
	var here, late []time.Time
	for at := now.Add(-6 * time.Hour); !at.After(now); at = at.Add(time.Minute) {
		here = append(here, at)
		if at.Before(now.Add(-5 * time.Minute)) {
			late = append(late, at)
		}
	}
	series := map[string]float64{`m{namespace="shop"}`: 1}
	put(t, s, scopetest.WriteCluster(eu1, owners), series, here...)
	for _, at := range late { // one request each, in order, as a queue replays
		put(t, s, scopetest.WriteCluster(eu2, owners), series, at)
	}
	for cluster, want := range map[string]int{"eu-1": len(here), "eu-2": len(late)} {
		got := read(t, s, scopetest.Read("shop"), labels.MustNewMatcher(labels.MatchEqual, "cluster", cluster))
		if len(got) != 1 || strings.Count(got[0], ":1") != want {
			t.Errorf("%s: %d samples, want %d", cluster, strings.Count(fmt.Sprint(got), ":1"), want)
		}
	}
}

func TestCardinality(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	for _, id := range []tenant.ID{"a", "b"} {
		put(t, s, scopetest.Write(id), map[string]float64{`m{namespace="x",i="1"}`: 1, `m{namespace="x",i="2"}`: 1, `n{namespace="y"}`: 1}, now)
	}
	put(t, s, scopetest.Write("b"), map[string]float64{`secret{namespace="x"}`: 1}, now)
	show := func(r tenant.Read) string {
		c, err := s.Cardinality(context.Background(), r, 3)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(c.Series, " ", c.LabelPairs, " ", c.SeriesByMetric, c.ValuesByLabel[0], c.SeriesByLabelPair[0], c.MaxTimeMillis == now.UnixMilli())
	}
	sealed := scopetest.Owners{Lives: map[tenant.ID][]tenant.Life{"b": {{Cluster: "test", Namespace: "x", To: now.Add(time.Second)}}}}
	for _, c := range []struct {
		name string
		r    tenant.Read
		want string
	}{
		{"one", scopetest.Read("a"), "3 9 [{m 2} {n 1}] {__name__ 2} {cloud=private 3} true"},
		{"two", scopetest.Read("a", "b"), "7 19 [{m 4} {n 2} {secret 1}] {__name__ 5} {cloud=private 7} true"},
		{"sealed", scopetest.ReadSealed(sealed, "b"), "1 5 [{n 1}] {__name__ 1} {__name__=n 1} true"},
	} {
		if got := show(c.r); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

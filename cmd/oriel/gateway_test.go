package main

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// testGateway opens a gateway in a directory of its own.
func testGateway(t *testing.T, change func(*config.Config)) *gateway {
	t.Helper()
	cfg := config.Default(config.RoleCentral)
	if change != nil {
		change(cfg)
	}
	dir, err := datadir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	g, err := openGateway(cfg, dir, "http://127.0.0.1:7480", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// seededGateway has the tenants alpha and bravo, and something of each kind of
// bravo's that alpha must not see.
func seededGateway(t *testing.T, change func(*config.Config)) *gateway {
	t.Helper()
	g := testGateway(t, change)
	ctx := context.Background()
	for _, id := range []tenant.ID{alpha, bravo} {
		if err := g.directory.Onboard(ctx, id, nil, []registry.NamespaceRef{{Cluster: "east", Name: namespaceOf(id)}}); err != nil {
			t.Fatal(err)
		}
		seed(t, g.series, g, id)
	}
	return g
}

func namespaceOf(id tenant.ID) string {
	if id == bravo {
		return bravo + "-" + secret
	}
	return string(id)
}

func seed(t *testing.T, series *tsdb.Store, g *gateway, id tenant.ID) {
	t.Helper()
	ctx, word := context.Background(), "plain"
	if id == bravo {
		word = secret
	}
	cluster := tenant.Cluster{Name: "east"}
	w := scopetest.WriteCluster(cluster, scopetest.Owners{Of: map[string]tenant.ID{"east/" + namespaceOf(id): id}})
	app := series.Appender(ctx, w)
	appendSample(t, app, word+"_requests_total", namespaceOf(id), word)
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	rec, err := g.stamper.Stamp(w, logging.Raw{
		Source: fmt.Appendf(nil, `{"message":"%s of-%s","level":"info","%s_field":1,"kubernetes":{"namespace_name":%q,"pod_name":"%s-0"}}`, word, id, word, namespaceOf(id), word),
		ID:     "doc-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if rec.Tenant != id {
		t.Fatalf("the seed of %s belongs to %s", id, rec.Tenant)
	}
	if _, err := g.intake.Append(ctx, w, logging.Batch{Records: []logging.Record{rec}}); err != nil {
		t.Fatal(err)
	}
}

var testNow = time.Now()

// Logs of a namespace are kept as long as it asks for, whatever the tenant's
// other namespaces ask for.
func TestNamespaceRetention(t *testing.T) {
	g := testGateway(t, func(c *config.Config) {
		c.Logs.Retention, c.Logs.RetentionMax = config.Duration(48*time.Hour), config.Duration(96*time.Hour)
	})
	claims := []tenant.Claim{
		{Namespace: "most", UID: "1", Tenant: "shop", Groups: []string{"g"}, Retention: tenant.Retention{Logs: 1000 * time.Hour}},
		{Namespace: "least", UID: "2", Tenant: "shop", Groups: []string{"g"}, Retention: tenant.Retention{Logs: time.Hour}},
		{Namespace: "unsaid", UID: "3", Tenant: "shop", Groups: []string{"g"}},
	}
	if _, err := g.directory.Snapshot(context.Background(), tenant.Cluster{Name: "eu"}, 1, claims); err != nil {
		t.Fatal(err)
	}
	if got := g.logRetention("shop"); got != 96*time.Hour {
		t.Errorf("the tenant's retention is %s", got)
	}
	got := fmt.Sprint(g.namespaceRetention("shop"))
	if want := "[{eu least 1h0m0s} {eu unsaid 48h0m0s}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

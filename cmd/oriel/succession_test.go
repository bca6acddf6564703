package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestSuccession gives a team's name to another team: what the first one's own
// tokens wrote, which lies in no namespace's life, is not the second one's.
func TestSuccession(t *testing.T) {
	ctx := context.Background()
	g := testGateway(t, func(c *config.Config) { c.Archive.Keep = config.Duration(time.Nanosecond) })
	if err := g.directory.Onboard(ctx, alpha, []string{"first"}, nil); err != nil {
		t.Fatal(err)
	}
	w := scopetest.Write(alpha)
	rec, err := g.stamper.Stamp(w, logging.Raw{Source: []byte(`{"message":"s3cr3t","s3cr3t_field":1}`), Index: "s3cr3t", ID: "doc-1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.intake.Append(ctx, w, logging.Batch{Records: []logging.Record{rec}}); err != nil {
		t.Fatal(err)
	}
	app := g.series.Appender(ctx, w)
	if _, err := app.Append(0, labels.FromStrings("__name__", "s3cr3t_total"), 0, testNow.UnixMilli(), 42, nil, nil, storage.AOptions{Metadata: metadata.Metadata{Type: "counter", Help: "s3cr3t"}}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	token := func() string {
		secret, _, err := g.tokens.Create(tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: alpha})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	ask := func(path, token string) string {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		g.handler().ServeHTTP(w, r)
		return w.Body.String()
	}
	paths := []string{
		"/es/_search?q=*", "/es/s3cr3t/_doc/doc-1", "/es/_cat/indices", "/es/_field_caps?fields=*", "/es/_mapping",
		"/api/v1/query?query=" + everySeries, "/api/v1/labels", "/api/v1/label/__name__/values", "/api/v1/metadata",
	}
	first := token()
	for _, path := range paths {
		if got := ask(path, first); !strings.Contains(got, "s3cr3t") && !strings.Contains(got, `"found":true`) && path != "/api/v1/labels" {
			t.Fatalf("GET %s does not show the first team its own: %s", path, clip(got))
		}
	}
	if err := g.directory.Offboard(ctx, alpha); err != nil {
		t.Fatal(err)
	}
	if err := g.directory.Onboard(ctx, alpha, []string{"second"}, nil); !errors.Is(err, registry.ErrConflict) {
		t.Fatalf("the name is given away while the telemetry is there: %v", err)
	}
	if err := g.directory.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	if err := g.directory.Onboard(ctx, alpha, []string{"second"}, nil); err != nil {
		t.Fatal(err)
	}
	second := token()
	for _, path := range paths {
		if got := ask(path, second); strings.Contains(strings.ReplaceAll(got, "no such index [s3cr3t]", ""), "s3cr3t_") || strings.Contains(got, `"found":true`) || strings.Contains(got, `"message":"s3cr3t"`) {
			t.Errorf("GET %s shows the second team what the first one wrote: %s", path, clip(got))
		}
		if got := ask(path, first); !strings.Contains(got, "offboarded") {
			t.Errorf("GET %s by the first team's token: %s", path, clip(got))
		}
	}
}

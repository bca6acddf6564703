package main

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// A tenant's receipt goes from nothing to what was made and what came in.
func TestReceipt(t *testing.T) {
	g := seededGateway(t, nil)
	if err := g.tokens.AdminToken(g.dir.Path(adminToken)); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(g.handler())
	t.Cleanup(srv.Close)
	show := func(id string) string {
		t.Helper()
		code, out, errs := oriel(t, "tenants", "show", id, "--url", srv.URL, "--token-file", g.dir.Path(adminToken))
		if code != 0 {
			t.Fatalf("%d: %s", code, errs)
		}
		return strings.Join(strings.Fields(out), " ")
	}
	if out := show(alpha); !strings.Contains(out, "window not whole yet") {
		t.Errorf("before the first run: %s", out)
	}
	if err := g.windows.Reconcile(t.Context(), alpha); err != nil {
		t.Fatal(err)
	}
	out := show(alpha)
	for _, want := range []string{
		`window files "alpha", whole since `,
		"data sources oriel alpha metrics; oriel alpha logs",
		"dashboards Overview; Workloads; ", "alert rules Crash loop", "read token ",
		"metrics ok: 1 metric of its programs",
		"structured logs ok: 1 of the newest 1 log records have a level.",
		"health endpoint missing: ", "See docs/patterns/health-endpoint.md.",
		"alert contact unknown: Not known here",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}

	// Whatever is asked about, a scope that does not hold it tells nothing.
	for _, id := range []string{bravo, ghost} {
		if r := g.receipt(t.Context(), scopetest.Read(alpha), tenant.ID(id)); r.Made != nil || len(r.Checks) > 0 {
			t.Errorf("alpha's receipt of %s: %+v", id, r)
		}
	}
	if err := g.windows.Reconcile(t.Context(), bravo); err != nil {
		t.Fatal(err)
	}
	if r := g.receipt(t.Context(), scopetest.Read(alpha), bravo); r.Made != nil || len(r.Checks) > 0 {
		t.Errorf("alpha's receipt of bravo: %+v", r)
	}
	if r := g.receipt(t.Context(), scopetest.Read(bravo), bravo); r.Made == nil || r.Checks[0].State != dashboards.CheckOK {
		t.Errorf("bravo's own: %+v", r)
	}

	// It goes with the tenant.
	if err := g.directory.Offboard(t.Context(), alpha); err != nil {
		t.Fatal(err)
	}
	if err := g.windows.Reconcile(t.Context(), alpha); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(g.dir.Path(dirGrafana, "receipts")); err != nil || len(left) != 1 {
		t.Errorf("receipts left: %v, %v; want bravo's", left, err)
	}
	if out := show(alpha); strings.Contains(out, "window") || strings.Contains(out, "health endpoint") {
		t.Errorf("a receipt of one that is gone: %s", out)
	}
}

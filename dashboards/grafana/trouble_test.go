package grafana_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafana"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
)

func TestTroubleInTheMiddle(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments")
	w.g.FailNext(500, 429, 503, 502)
	w.reconcile("payments") // within the attempts of one request
	w.quiet("payments")

	// Grafana restarts after it did what it was told and before it said so.
	for _, what := range []string{"POST /api/orgs", "POST /api/folders", "POST /api/datasources", "POST /api/dashboards/db"} {
		w.dir.remove("payments")
		w.reconcile("payments")
		w.dir.add("payments")
		w.g.LoseAnswer(what)
		w.reconcile("payments")
		w.quiet("payments")
	}
	for _, what := range []string{"DELETE /api/dashboards", "DELETE /api/datasources", "DELETE /api/folders", "DELETE /api/orgs"} {
		w.dir.remove("payments")
		w.g.LoseAnswer(what)
		w.reconcile("payments")
		if w.g.OrgID("oriel: payments") != 0 {
			t.Errorf("after a lost answer to %s the organisation is still there", what)
		}
		w.dir.add("payments")
		w.reconcile("payments")
	}

	// Oriel dies at every request there is, and goes on in a new process.
	for i := range 80 {
		if i%2 == 0 {
			w.dir.add("shop")
		} else {
			w.dir.remove("shop")
		}
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		c, err := grafana.New(grafana.Options{
			URL: w.grafana.URL, User: "admin", Password: "pw", RequestsPerSecond: 1e6, Backoff: time.Microsecond, Attempts: 1,
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if n++; n > i/4 {
					cancel()
					return nil, errors.New("killed")
				}
				return http.DefaultTransport.RoundTrip(r)
			}),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.opt.Target = c
		w.restart()
		_ = w.rec.Reconcile(ctx, "shop") // fails wherever it was killed
		cancel()
		w.opt.Target = w.client(dashboards.ByOrg)
		w.restart()
		w.reconcile("shop")
		w.quiet("shop")
		if _, there := w.dir.Lookup("shop"); there != (w.g.OrgID("oriel: shop") != 0) {
			t.Fatalf("round %d: in the directory %v, organisation %d", i, there, w.g.OrgID("oriel: shop"))
		}
	}

	w.g.SetDown(true)
	if err := w.rec.Reconcile(t.Context(), "payments"); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("while Grafana is down: %v", err)
	}
	w.g.SetDown(false)
	w.quiet("payments")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTokens(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments")
	w.reconcile("payments")
	org, n := w.g.OrgID("oriel: payments"), dashboards.NamesOf("payments")
	reaches := func() {
		t.Helper()
		if got := w.must("admin", org, "GET", "/api/datasources/proxy/uid/"+n.Metrics+"/x", ""); !strings.HasSuffix(got, "for payments") {
			t.Errorf("reached %q", got)
		}
		if got := len(w.tokens.List()); got != 1 {
			t.Errorf("%d tokens are good, want 1", got)
		}
	}
	id := w.tokens.List()[0].ID

	w.now = w.now.Add(31 * 24 * time.Hour) // rotated by age
	w.reconcile("payments")
	reaches()
	if w.tokens.List()[0].ID == id {
		t.Error("the token is still the old one")
	}
	w.quiet("payments")

	id = w.tokens.List()[0].ID
	if err := w.tokens.Revoke(id); err != nil { // by the operator
		t.Fatal(err)
	}
	w.reconcile("payments")
	reaches()

	w.opt.Dir = t.TempDir() // the vault was lost
	w.restart()
	w.reconcile("payments")
	reaches()

	// While Grafana cannot be told of a new token, the old one stays good.
	w.now = w.now.Add(31 * 24 * time.Hour)
	w.g.SetDown(true)
	if err := w.rec.Reconcile(t.Context(), "payments"); err == nil {
		t.Error("no error while Grafana is down")
	}
	w.g.SetDown(false)
	if got := w.must("admin", org, "GET", "/api/datasources/proxy/uid/"+n.Metrics+"/x", ""); !strings.HasSuffix(got, "for payments") {
		t.Errorf("with the old token reached %q", got)
	}
	w.reconcile("payments")
	reaches()
}

// TestReservedTenants: the operator's own tenants have no window.
func TestReservedTenants(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add(tenant.System)
	for _, id := range []tenant.ID{tenant.System, tenant.Unassigned, "../x", ""} {
		w.quiet(id)
	}
}

func TestMembershipLost(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments")
	w.reconcile("payments")
	for _, r := range []grafanatest.Role{"", grafanatest.Viewer} {
		w.g.Join("admin", "oriel: payments", r)
		w.now = w.now.Add(31 * 24 * time.Hour) // so that there is a new token to write
		w.reconcile("payments")
		w.quiet("payments")
		w.g.Join("admin", "oriel: payments", r)
		w.dir.remove("payments")
		w.reconcile("payments")
		if w.g.OrgID("oriel: payments") != 0 {
			t.Errorf("as %q: the organisation is still there", r)
		}
		w.dir.add("payments")
		w.reconcile("payments")
	}
}

func TestCheck(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.g.AddUser("ann", "pw", false)
	w.g.Join("ann", "Main Org.", grafanatest.Admin)
	ask := func(o grafana.Options) error {
		o.URL, o.Backoff = w.grafana.URL, time.Microsecond
		c, err := grafana.New(o)
		if err != nil {
			return err
		}
		v, err := c.Check(t.Context())
		if err == nil && v != grafanatest.Version {
			t.Errorf("version %q", v)
		}
		return err
	}
	admin := grafana.Options{User: "admin", Password: "pw"}
	folder := grafana.Options{Token: w.g.Token(1, grafanatest.Admin), Isolation: dashboards.ByFolder}
	for _, o := range []grafana.Options{admin, folder} {
		if err := ask(o); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		o    grafana.Options
		want string
	}{
		{grafana.Options{}, "give grafana.user"},
		{grafana.Options{Token: "x"}, "needs grafana.user"},
		{grafana.Options{Token: "x", User: "u", Password: "p"}, "not both"},
		{grafana.Options{User: "u", Password: "p", Isolation: "room"}, `want "org" or "folder"`},
		{grafana.Options{User: "admin", Password: "wrong"}, "check grafana.user"},
		{grafana.Options{User: "ann", Password: "pw"}, "no server admin"},
		{grafana.Options{Token: "glsa_wrong", Isolation: dashboards.ByFolder}, "401"},
	} {
		if err := ask(c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.o, err, c.want)
		}
	}
	w.g.RemovePlugin("elasticsearch")
	if err := ask(admin); err == nil || !strings.Contains(err.Error(), "grafana cli plugins install elasticsearch") {
		t.Errorf("without the plugin: %v", err)
	}
	for _, u := range []string{"", "grafana:3000", "ftp://x", "http://u:p@x"} {
		if _, err := grafana.New(grafana.Options{URL: u, User: "u", Password: "p"}); err == nil {
			t.Errorf("url %q was taken", u)
		}
	}
}

// TestRedirect: an address that leads elsewhere is said, not followed with the
// credentials.
func TestRedirect(t *testing.T) {
	srv := httptest.NewServer(http.RedirectHandler("https://elsewhere.example/login", http.StatusFound))
	defer srv.Close()
	c, err := grafana.New(grafana.Options{URL: srv.URL, User: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "grafana.url") {
		t.Errorf("%v", err)
	}
}

// TestSecretsStayInside looks for the token where it must not be.
func TestSecretsStayInside(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments")
	w.reconcile("payments")
	org := w.g.OrgID("oriel: payments")
	var secret string
	for s := range w.tokens.live {
		secret = s
	}
	n := dashboards.NamesOf("payments")
	seen := w.must("admin", org, "GET", "/api/datasources", "") + w.must("admin", org, "GET", "/api/datasources/uid/"+n.Metrics, "") +
		w.must("admin", org, "GET", "/api/dashboards/uid/"+n.Dashboards()[0], "") + fmt.Sprint(w.events)
	if strings.Contains(seen, secret) || bytes.Contains([]byte(seen), []byte("Bearer")) {
		t.Errorf("the secret shows: %s", seen)
	}
}

package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// tokens is tenant.Tokens in memory.
type tokens struct {
	list []tenant.TokenInfo
	n    int
}

func (t *tokens) Create(s tenant.TokenSpec) (string, tenant.TokenInfo, error) {
	if err := s.Validate(); err != nil {
		return "", tenant.TokenInfo{}, err
	}
	t.n++
	i := tenant.TokenInfo{ID: fmt.Sprintf("tok-%d", t.n), Kind: s.Kind, Tenant: s.Tenant, Cluster: s.Cluster, Access: s.Access, Name: s.Name, Created: now}
	if s.Expires > 0 {
		i.Expires = now.Add(s.Expires)
	}
	t.list = append(t.list, i)
	return "secret-of-" + i.ID, i, nil
}

func (t *tokens) List() []tenant.TokenInfo { return t.list }

func (t *tokens) Revoke(id string) error {
	n := len(t.list)
	t.list = slices.DeleteFunc(t.list, func(i tenant.TokenInfo) bool { return i.ID == id })
	if len(t.list) == n {
		return tenant.ErrNoToken
	}
	return nil
}

func central(t *testing.T) httpx.API {
	t.Helper()
	reg, err := registry.Open(t.TempDir(), registry.Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	_, err = reg.Snapshot(context.Background(), tenant.Cluster{Name: "eu-1", Region: "eu", Cloud: "private"}, 1, []tenant.Claim{
		{Namespace: "payments-prod", UID: "u-1", Tenant: "payments", Groups: []string{"CN=Payments,OU=Teams,DC=corp"}},
		{Namespace: "stranger", UID: "u-2", Tenant: "payments", Created: now},
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{Tenants: reg, Tokens: &tokens{}, Receipt: receipt(t)})
}

// receipt wants a scope of exactly the tenant that is asked about.
func receipt(t *testing.T) func(context.Context, tenant.Read, tenant.ID) dashboards.Receipt {
	return func(_ context.Context, r tenant.Read, id tenant.ID) dashboards.Receipt {
		if r.All() || !slices.Equal(r.Tenants(), []tenant.ID{id}) {
			t.Errorf("receipt of %s with a scope over %v", id, r.Tenants())
		}
		return dashboards.Receipt{
			Made: &dashboards.Made{
				At: now.Add(2 * time.Second), Changed: now.Add(time.Hour), Isolation: dashboards.ByOrg, Place: "oriel: ops",
				Sources: []string{"oriel ops metrics", "oriel ops logs"}, Boards: []string{"Overview"}, Rules: []string{"Crash loop"},
				Token: dashboards.MadeToken{ID: "tok-9", Created: now.Add(time.Second)},
			},
			Checks: dashboards.Checks(dashboards.Facts{Metrics: []string{"ops_jobs_total"}, Records: 200, Leveled: 3}),
		}
	}
}

func as(r tenant.Read, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		h.ServeHTTP(w, req.WithContext(tenant.WithRead(req.Context(), r)))
	})
}

// mask takes out what is random: the UIDs of namespaces that the operator assigned.
func mask(s string) string {
	return regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(s, "00000000-0000-4000-8000-000000000000")
}

// TestWire goes through one story in order.
func TestWire(t *testing.T) {
	api := as(scopetest.Operator(), central(t))
	for _, tc := range []struct{ golden, method, path, body string }{
		{"tenants", "GET", "/admin/v1/tenants", ""},
		{"onboard", "PUT", "/admin/v1/tenants/ops", `{"groups":["keystone:ops"],"namespaces":[{"cluster":"eu-1","name":"infra"}]}`},
		{"onboard-reserved", "PUT", "/admin/v1/tenants/_system", `{}`},
		{"onboard-taken", "PUT", "/admin/v1/tenants/thief", `{"namespaces":[{"cluster":"eu-1","name":"infra"}]}`},
		{"onboard-bad-body", "PUT", "/admin/v1/tenants/ops", `{"group":"x"}`},
		{"show", "GET", "/admin/v1/tenants/ops", ""},
		{"show-unknown", "GET", "/admin/v1/tenants/nobody", ""},
		{"show-bad-name", "GET", "/admin/v1/tenants/%2e%2e%2fetc", ""},
		{"namespaces", "GET", "/admin/v1/tenants/payments/namespaces", ""},
		{"set-namespaces", "PUT", "/admin/v1/tenants/ops/namespaces", `{"namespaces":[{"cluster":"eu-2","name":"infra"}]}`},
		{"set-namespaces-bad", "PUT", "/admin/v1/tenants/ops/namespaces", `{"namespaces":[{"cluster":"eu-2","name":"In/Fra"}]}`},
		{"token-tenant", "POST", "/admin/v1/tokens", `{"kind":"tenant","tenant":"payments","access":"write","name":"ci","expires_seconds":7776000}`},
		{"token-cluster", "POST", "/admin/v1/tokens", `{"kind":"cluster","cluster":{"name":"eu-1","region":"eu","cloud":"private"}}`},
		{"token-operator", "POST", "/admin/v1/tokens", `{"kind":"operator","name":"alice"}`},
		{"token-unknown-tenant", "POST", "/admin/v1/tokens", `{"kind":"tenant","tenant":"nobody"}`},
		{"token-bad-kind", "POST", "/admin/v1/tokens", `{"kind":"root"}`},
		{"token-bad-expiry", "POST", "/admin/v1/tokens", `{"kind":"operator","expires_seconds":-1}`},
		{"tokens", "GET", "/admin/v1/tokens", ""},
		{"token-revoke", "DELETE", "/admin/v1/tokens/tok-1", ""},
		{"token-revoke-again", "DELETE", "/admin/v1/tokens/tok-1", ""},
		{"offboard", "DELETE", "/admin/v1/tenants/ops", ""},
		{"offboard-again", "DELETE", "/admin/v1/tenants/ops", ""},
		{"show-offboarded", "GET", "/admin/v1/tenants/ops", ""},
		{"wrong-method", "POST", "/admin/v1/tenants", ""},
	} {
		t.Run(tc.golden, func(t *testing.T) {
			golden.Check(t, tc.golden+".golden", golden.Exchange(t, api, httptest.NewRequest(tc.method, tc.path, nil), tc.body, mask))
		})
	}
}

// TestOnlyTheOperator walks every route as everybody else.
func TestOnlyTheOperator(t *testing.T) {
	api := central(t)
	for who, scope := range map[string]tenant.Read{"nobody": {}, "a tenant": scopetest.Read("payments"), "many tenants": scopetest.Read("payments", "ops")} {
		for _, rt := range api.Routes() {
			if rt.Access != httpx.Operator {
				t.Errorf("%s asks for %q", rt, rt.Access)
			}
			path := strings.NewReplacer("{tenant}", "payments", "{id}", "tok-1").Replace(rt.Pattern)
			w := httptest.NewRecorder()
			as(scope, api).ServeHTTP(w, httptest.NewRequest(rt.Methods[0], path, strings.NewReader(`{}`)))
			if w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "payments-prod") {
				t.Errorf("%s as %s: %d %s", rt, who, w.Code, w.Body.String())
			}
		}
	}
}

func TestMergeLogs(t *testing.T) {
	merges := 0
	for _, tt := range []struct {
		name   string
		merge  func(context.Context) error
		status int
	}{
		{"merged", func(context.Context) error { merges++; return nil }, http.StatusNoContent},
		{"no such store", nil, http.StatusNotFound},
		{"it fails", func(context.Context) error { return errors.New("disk full") }, http.StatusInternalServerError},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/admin/v1/logs/merge", nil)
		r = r.WithContext(tenant.WithRead(r.Context(), scopetest.Operator()))
		New(Options{MergeLogs: tt.merge}).ServeHTTP(w, r)
		if w.Code != tt.status || strings.Contains(w.Body.String(), "disk full") {
			t.Errorf("%s: %d %s, want %d", tt.name, w.Code, w.Body, tt.status)
		}
	}
	if merges != 1 {
		t.Errorf("merged %d times", merges)
	}
}

func TestClient(t *testing.T) {
	ctx := context.Background()
	srv := httptest.NewServer(as(scopetest.Operator(), central(t)))
	defer srv.Close()
	c := &Client{URL: srv.URL}

	st, err := c.Onboard(ctx, "ops", []string{"b", "a"}, []registry.NamespaceRef{{Cluster: "eu-1", Name: "infra"}})
	if err != nil || st.Condition != registry.Live || !cmp.Equal(st.Groups, []string{"a", "b"}) {
		t.Fatalf("onboard: %+v, %v", st, err)
	}
	if st, err = c.Onboard(ctx, "ops", nil, nil); err != nil || len(st.Groups) != 2 {
		t.Errorf("onboard again without groups: %+v, %v", st, err)
	}
	if st, err = c.Onboard(ctx, "ops", []string{}, nil); err != nil || len(st.Groups) != 0 {
		t.Errorf("onboard again with no group: %+v, %v", st, err)
	}
	shown, err := c.Tenant(ctx, "ops")
	if err != nil || shown.Namespaces[0].Life.Namespace != "infra" || shown.Receipt == nil || shown.Receipt.Made.Place != "oriel: ops" {
		t.Errorf("show: %+v, %v", shown, err)
	}
	list, err := c.Tenants(ctx)
	if err != nil || len(list.Tenants) != 2 || len(list.Refusals) != 1 || len(list.Clusters) != 1 {
		t.Errorf("list: %+v, %v", list, err)
	}
	ns, err := c.SetNamespaces(ctx, "ops", nil)
	if err != nil || len(ns) != 0 {
		t.Errorf("set namespaces: %+v, %v", ns, err)
	}
	if ns, err = c.Namespaces(ctx, "payments"); err != nil || len(ns) != 1 {
		t.Errorf("namespaces: %+v, %v", ns, err)
	}
	tok, err := c.CreateToken(ctx, tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: "payments", Expires: 90 * 24 * time.Hour})
	if err != nil || tok.Secret != "secret-of-tok-1" || !tok.Token.Expires.Equal(now.Add(90*24*time.Hour)) {
		t.Errorf("create token: %+v, %v", tok, err)
	}
	if all, err := c.Tokens(ctx); err != nil || len(all) != 1 || all[0] != tok.Token {
		t.Errorf("tokens: %+v, %v", all, err)
	}
	if err = c.RevokeToken(ctx, tok.Token.ID); err != nil {
		t.Error(err)
	}
	var status *httpx.StatusError
	if err = c.RevokeToken(ctx, "no/such"); !errors.As(err, &status) || status.Status != 404 {
		t.Errorf("revoke nothing: %v", err)
	}
	if err = c.Offboard(ctx, "ops"); err != nil {
		t.Error(err)
	}
	if err = c.Offboard(ctx, "ops"); !errors.As(err, &status) || status.Status != 404 || !strings.Contains(err.Error(), `"ops"`) {
		t.Errorf("offboard again: %v", err)
	}
}

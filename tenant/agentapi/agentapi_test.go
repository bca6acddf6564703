package agentapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	eu  = tenant.Cluster{Name: "eu-1", Region: "eu", Cloud: "private"}
	now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func central(t *testing.T) *registry.Registry {
	t.Helper()
	reg, err := registry.Open(t.TempDir(), registry.Options{Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	return reg
}

// asCluster stands for the guard that authenticates a cluster's token.
func asCluster(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r.WithContext(tenant.WithWrite(r.Context(), scopetest.WriteCluster(eu, scopetest.Owners{}))))
	})
}

func TestWire(t *testing.T) {
	api := New(Options{Roster: central(t)})
	cluster := scopetest.WriteCluster(eu, scopetest.Owners{})
	for _, tc := range []struct {
		golden, method, path, body string
		scope                      tenant.Write
	}{
		{"snapshot", "PUT", "/agent/v1/namespaces", `{"version":1,"claims":[
			{"namespace":"payments-prod","uid":"5f0c1e8a-0000-4000-8000-000000000001","created":"2026-03-01T11:59:58Z","tenant":"payments",
			 "groups":["CN=Payments,OU=Teams,DC=corp"],"retention":{"logs":604800000000000},"limits":{"series_max":50000,"log_bytes_per_second":5000000},
			 "on_delete":"archive","probes":["https://shop.example/health"],"depends_on":["billing"]},
			{"namespace":"intruder","uid":"5f0c1e8a-0000-4000-8000-000000000002","created":"2026-03-01T11:59:59Z","tenant":"payments"},
			{"namespace":"typo","uid":"5f0c1e8a-0000-4000-8000-000000000003","created":"2026-03-01T11:59:59Z","tenant":"typo",
			 "problems":["oriel/limits \"series=many\": want a number, such as series=50000"]}]}`, cluster},
		{"changes", "POST", "/agent/v1/namespaces/changes", `{"version":2,
			"set":[{"namespace":"shop","uid":"5f0c1e8a-0000-4000-8000-000000000004","created":"2026-03-01T12:00:00Z","tenant":"shop"}],
			"ended":["5f0c1e8a-0000-4000-8000-000000000002","5f0c1e8a-0000-4000-8000-000000000003"]}`, cluster},
		{"stale", "POST", "/agent/v1/namespaces/changes", `{"version":9}`, cluster},
		{"tenants-token", "PUT", "/agent/v1/namespaces", `{"version":1,"claims":[]}`, scopetest.Write("payments")},
		{"no-token", "PUT", "/agent/v1/namespaces", `{"version":1,"claims":[]}`, tenant.Write{}},
		{"unknown-field", "PUT", "/agent/v1/namespaces", `{"version":1,"claims":[{"namespace":"a","cluster":"other"}]}`, cluster},
		{"not-json", "PUT", "/agent/v1/namespaces", `version: 1`, cluster},
		{"two-values", "PUT", "/agent/v1/namespaces", `{"version":1}{"version":2}`, cluster},
		{"not-a-list", "PUT", "/agent/v1/namespaces", `{"version":1,"claims":{"a":1}}`, cluster},
		{"empty-body", "PUT", "/agent/v1/namespaces", ``, cluster},
		{"wrong-method", "GET", "/agent/v1/namespaces", ``, cluster},
		{"wrong-path", "PUT", "/agent/v1/other", ``, cluster},
	} {
		t.Run(tc.golden, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.path, nil)
			r = r.WithContext(tenant.WithWrite(r.Context(), tc.scope))
			golden.Check(t, tc.golden+".golden", golden.Exchange(t, api, r, tc.body, nil))
		})
	}
}

func TestBounds(t *testing.T) {
	api := asCluster(New(Options{Roster: central(t)}))
	for name, tc := range map[string]struct {
		body string
		want int
	}{
		"too many claims": {`{"version":1,"claims":[` + strings.Repeat(`{},`, claimsMax) + `{}]}`, http.StatusBadRequest},
		"too many ends":   {`{"version":1,"claims":[],"ended":[` + strings.Repeat(`"",`, claimsMax) + `""]}`, http.StatusBadRequest},
		"too many bytes":  {`{"version":1,"claims":[` + strings.Repeat(" ", bodyBytesMax) + `]}`, http.StatusRequestEntityTooLarge},
		"trailing bytes":  {`{"version":1}` + strings.Repeat(" ", bodyBytesMax), http.StatusRequestEntityTooLarge},
		"deep":            {`{"version":1,"claims":` + strings.Repeat("[", 100_000), http.StatusBadRequest},
	} {
		r := httptest.NewRequest("PUT", "/agent/v1/namespaces", strings.NewReader(tc.body))
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != tc.want {
			t.Errorf("%s: %d %s, want %d", name, w.Code, w.Body.String(), tc.want)
		}
	}
}

func TestClientAndServer(t *testing.T) {
	ctx := context.Background()
	reg := central(t)
	srv := httptest.NewServer(asCluster(New(Options{Roster: reg})))
	defer srv.Close()
	token := "secret"
	var roster tenant.Roster = &Client{URL: srv.URL + "/", Token: func() (string, error) { return token, nil }}

	if _, err := roster.Changes(ctx, eu, 1, nil, nil); !errors.Is(err, tenant.ErrStaleRoster) {
		t.Fatalf("first word is changes: %v", err)
	}
	claim := tenant.Claim{Namespace: "pay", UID: "u1", Created: now, Tenant: "payments", Groups: []string{"g"},
		Retention: tenant.Retention{Logs: time.Hour, Metrics: 2 * time.Hour}, Limits: tenant.Limits{SeriesMax: 7}, OnDelete: tenant.Purge, Probes: []string{"tcp://db:5432"}, DependsOn: []string{"billing"}}
	got, err := roster.Snapshot(ctx, eu, 1, []tenant.Claim{claim})
	if err != nil {
		t.Fatal(err)
	}
	want := []tenant.Decision{{Namespace: "pay", UID: "u1", Tenant: "payments", Status: tenant.StatusReady, Limits: claim.Limits}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decisions (-want +got):\n%s", diff)
	}
	tn, _ := reg.Lookup("payments")
	ns := tn.Namespaces[0]
	if ns.Retention != claim.Retention || ns.OnDelete != claim.OnDelete || ns.Probes[0] != claim.Probes[0] || ns.DependsOn[0] != "billing" {
		t.Errorf("what arrived: %+v", ns)
	}
	if got, err = roster.Changes(ctx, eu, 2, nil, []string{"u1"}); err != nil || len(got) != 0 {
		t.Errorf("end: %v, %v", got, err)
	}
	if _, ok := reg.Lookup("payments"); ok {
		t.Error("the end did not arrive")
	}
	if got, err = roster.Snapshot(ctx, eu, 3, nil); err != nil || len(got) != 0 {
		t.Errorf("empty snapshot: %v, %v", got, err)
	}
	token = "wrong"
	if _, err = roster.Snapshot(ctx, eu, 4, nil); err == nil || errors.Is(err, tenant.ErrStaleRoster) {
		t.Errorf("wrong token: %v", err)
	}
	srv.Close()
	if _, err = roster.Snapshot(ctx, eu, 5, nil); err == nil {
		t.Error("a central that is away answers")
	}
}

type broken struct{ tenant.Roster }

func (broken) Snapshot(context.Context, tenant.Cluster, uint64, []tenant.Claim) ([]tenant.Decision, error) {
	return nil, errors.New("disk sda1 is on fire")
}

func TestInnerErrorsStayInside(t *testing.T) {
	r := httptest.NewRequest("PUT", "/agent/v1/namespaces", strings.NewReader(`{"version":1}`))
	r.Header.Set("Authorization", "Bearer secret")
	w := httptest.NewRecorder()
	asCluster(New(Options{Roster: broken{}})).ServeHTTP(w, r)
	if w.Code != 500 || strings.Contains(w.Body.String(), "sda1") {
		t.Errorf("%d %s", w.Code, w.Body.String())
	}
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"version":1,"claims":[]}`, `{"version":1,"claims":[{"namespace":"a","uid":"u","tenant":"t"}]}`, `null`, `[]`, `{"claims":null}`} {
		f.Add(s)
	}
	reg, err := registry.Open(f.TempDir(), registry.Options{})
	if err != nil {
		f.Fatal(err)
	}
	api := asCluster(New(Options{Roster: reg}))
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("PUT", "/agent/v1/namespaces", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer secret")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 400 {
			t.Errorf("%d %s", w.Code, w.Body.String())
		}
	})
}

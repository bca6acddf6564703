package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafana"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
)

// TestIsolationThroughGrafana goes the ways that were tried against a real
// Grafana, from people of alpha, through its stand-in, to the gateway's own APIs:
// nothing of bravo's comes back, and the same ways give bravo's people their own.
func TestIsolationThroughGrafana(t *testing.T) {
	g := seededGateway(t, nil)
	gateway := httptest.NewServer(g.handler())
	defer gateway.Close()
	gf := grafanatest.New("admin", "pw")
	front := httptest.NewServer(gf)
	defer front.Close()
	client, err := grafana.New(grafana.Options{URL: front.URL, User: "admin", Password: "pw", RequestsPerSecond: 1e6})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := dashboards.New(dashboards.Options{
		Directory: g.directory, Tokens: g.tokens, Target: client, Dir: t.TempDir(), GatewayURL: gateway.URL,
		Moments: func(_ context.Context, id tenant.ID) ([]dashboards.Moment, error) {
			return []dashboards.Moment{{At: testNow, Text: "web was deployed to " + namespaceOf(id), Kind: dashboards.MomentDeploy, Cluster: "east", Namespace: namespaceOf(id)}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []tenant.ID{alpha, bravo} {
		if err := rec.Reconcile(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if err := rec.ReconcileOperator(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, b, op := dashboards.NamesOf(alpha), dashboards.NamesOf(bravo), dashboards.OperatorNames()
	orgs := []int{0, 1, gf.OrgID(a.Org), gf.OrgID(b.Org), gf.OrgID(op.Org)}
	for login, role := range map[string]grafanatest.Role{"mia": grafanatest.Viewer, "adam": grafanatest.Admin} {
		gf.AddUser(login, "pw", false)
		gf.Join(login, a.Org, role)
	}
	gf.AddUser("bea", "pw", false)
	gf.Join("bea", b.Org, grafanatest.Viewer)
	gf.AddUser("nora", "pw", false) // in the main organisation alone, as a new user is
	gf.Join("nora", "Main Org.", grafanatest.Viewer)

	sent := 0
	ask := func(login, token string, org int, forged http.Header, method, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, front.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range forged {
			req.Header[k] = v
		}
		switch {
		case strings.Contains(path, "_msearch"):
			req.Header.Set("Content-Type", "application/x-ndjson")
		case strings.HasPrefix(body, "{"):
			req.Header.Set("Content-Type", "application/json")
		case body != "":
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		} else {
			req.SetBasicAuth(login, "pw")
		}
		if org != 0 {
			req.Header.Set("X-Grafana-Org-Id", strconv.Itoa(org))
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		sent++
		return res.StatusCode, string(raw)
	}

	at := fmt.Sprint(testNow.Unix() + 1)
	query := "?time=" + at + `&query=%7B__name__%3D~%22.%2B%22%7D`
	type way struct{ name, method, path, body string }
	ways := func(n dashboards.Names) []way {
		m, l := "/api/datasources/proxy/uid/"+n.Metrics, "/api/datasources/proxy/uid/"+n.Logs
		ds := func(uid string) string {
			return fmt.Sprintf(`{"queries":[{"refId":"A","datasource":{"uid":%q},"expr":"{__name__=~\".+\"} @ %s","query":"*"}],"from":"now-5m","to":"now"}`, uid, at)
		}
		return []way{
			{"data source query, metrics", "POST", "/api/ds/query", ds(n.Metrics)},
			{"data source query, logs", "POST", "/api/ds/query", ds(n.Logs)},
			{"proxy, query", "GET", m + "/api/v1/query" + query, ""},
			{"proxy, query by POST", "POST", m + "/api/v1/query", strings.TrimPrefix(query, "?")},
			{"proxy, series", "GET", m + "/api/v1/series?match[]=%7B__name__%3D~%22.%2B%22%7D&start=0&end=" + at, ""},
			{"proxy, labels", "GET", m + "/api/v1/label/namespace/values?start=0&end=" + at, ""},
			{"proxy, another's path", "GET", m + "/t/bravo/api/v1/query" + query, ""},
			{"proxy, another's path, escaped", "GET", m + "/api/%2e%2e/t/bravo/api/v1/query" + query, ""},
			{"proxy, federate", "GET", m + "/federate?match[]=%7B__name__%3D~%22.%2B%22%7D", ""},
			{"proxy, operator's tenants", "GET", m + "/admin/v1/tenants", ""},
			{"proxy, operator's tokens", "GET", m + "/admin/v1/tokens", ""},
			{"proxy, own metrics", "GET", m + "/metrics", ""},
			{"proxy, operator's Home", "GET", m + "/d/home", ""},
			{"proxy, moments", "GET", m + "/moments?from=0&to=2000000000", ""},
			{"proxy, log stream", "GET", m + "/api/v1/logs/tail?wait=0s&after=0", ""},
			{"proxy, search", "GET", l + "/_search?size=100", ""},
			{"proxy, another's index", "GET", l + "/logs-east-bravo-s3cr3t/_search", ""},
			{"proxy, indices", "GET", l + "/_cat/indices", ""},
			{"proxy, fields", "GET", l + "/_field_caps?fields=*", ""},
			{"proxy, document by id", "GET", l + "/logs-east-bravo-s3cr3t/_doc/doc-1", ""},
			{"proxy, multi-search", "POST", l + "/_msearch", "{\"index\":\"*\"}\n{\"query\":{\"match_all\":{}}}\n{\"index\":\"logs-east-bravo-s3cr3t\"}\n{}\n"},
			{"data source", "GET", "/api/datasources/uid/" + n.Metrics, ""},
			{"data sources", "GET", "/api/datasources", ""},
			{"dashboard", "GET", "/api/dashboards/uid/" + n.Dashboards()[0], ""},
			{"search", "GET", "/api/search?limit=5000", ""},
			{"folder", "GET", "/api/folders/" + n.Folder, ""},
			{"annotations", "GET", "/api/annotations?limit=1000", ""},
			{"annotations by tags", "GET", "/api/annotations?tags=oriel&tags=bravo&limit=1000", ""},
			{"alert rules", "GET", "/api/v1/provisioning/alert-rules", ""},
			{"organisation", "GET", "/api/orgs/name/" + strings.ReplaceAll(n.Org, " ", "%20"), ""},
			{"organisations", "GET", "/api/orgs", ""},
		}
	}
	forgeries := []http.Header{
		nil,
		{"X-Scope-Orgid": {"bravo"}},
		{"X-Grafana-User": {"bea"}, "X-Grafana-Id": {"forged"}, "X-Webauth-User": {"bea"}, "X-Webauth-Role": {"Admin"}, "X-Forwarded-User": {"bea"}},
		{"X-Grafana-Org-Id": {strconv.Itoa(gf.OrgID(b.Org))}, "X-Datasource-Uid": {b.Metrics}, "X-Dashboard-Uid": {b.Dashboards()[0]}},
	}
	// An index that is not there is named in the answer, by whoever asked for it.
	echo := regexp.MustCompile(`no such index \[logs-east-bravo-s3cr3t\]|"(resource.id|index|_index)":"logs-east-bravo-s3cr3t"`)
	token := gf.Token(gf.OrgID(a.Org), grafanatest.Admin)
	for _, aim := range []dashboards.Names{a, b, op} {
		for _, w := range ways(aim) {
			for _, org := range orgs {
				for i, forged := range forgeries {
					if i > 0 && org != gf.OrgID(a.Org) {
						continue // a forgery is tried where the rest is right
					}
					for who, secretToken := range map[string]string{"mia": "", "adam": "", "nora": "", "token": token} {
						status, body := ask(who, secretToken, org, forged, w.method, w.path, w.body)
						body = echo.ReplaceAllString(body, "")
						if strings.Contains(body, secret) || status == http.StatusOK && strings.Contains(body, bravo) {
							t.Errorf("%s of %s by %s in organisation %d with %v: %d %s", w.name, aim.Tenant, who, org, forged, status, clip(body))
						}
					}
				}
			}
		}
	}

	// The ways lead somewhere: bravo's own people see their own by them.
	found := map[string]bool{}
	for _, w := range ways(b) {
		if _, body := ask("bea", "", gf.OrgID(b.Org), nil, w.method, w.path, w.body); strings.Contains(body, secret) || strings.Contains(body, bravo) {
			found[w.name] = true
		}
	}
	for _, name := range []string{"data source query, metrics", "data source query, logs", "proxy, query", "proxy, query by POST", "proxy, series", "proxy, search", "proxy, multi-search", "proxy, another's index", "annotations", "data source", "dashboard"} {
		if !found[name] {
			t.Errorf("%s: bravo's own people see nothing, so the way shows nothing", name)
		}
	}
	t.Logf("%d requests", sent)
}

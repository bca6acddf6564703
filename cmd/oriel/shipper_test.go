package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/tenant"
)

// TestShipperStart sends what filebeat sends before and with its first records,
// under the credential that a cluster's shippers have: it writes and reads
// nothing, and is not stopped by a question that shows nothing of anybody's.
func TestShipperStart(t *testing.T) {
	g := seededGateway(t, nil)
	token, _, err := g.tokens.Create(tenant.TokenSpec{Kind: tenant.TokenCluster, Cluster: tenant.Cluster{Name: "east"}})
	if err != nil {
		t.Fatal(err)
	}
	index := "filebeat-9.1.0"
	create := `{"create":{"_index":"` + index + `"}}` + "\n" + `{"message":"first","kubernetes":{"namespace_name":"alpha"}}` + "\n"
	for _, c := range []struct {
		method, path, body string
		code               int
		want               string
	}{
		{"GET", "/", "", 200, `"number"`},
		{"GET", "/_license", "", 200, `"active"`},
		{"GET", "/_nodes/http", "", 200, `"publish_address"`},
		{"GET", "/_cluster/health", "", 200, `"green"`},
		{"GET", "/_cat/health", "", 200, "green"},
		{"GET", "/_ilm/policy/filebeat", "", 404, "not found"},
		{"PUT", "/_ilm/policy/filebeat", "{}", 200, `{"acknowledged":true}`},
		{"HEAD", "/_index_template/" + index, "", 404, ""},
		{"PUT", "/_index_template/" + index, "{}", 200, `{"acknowledged":true}`},
		{"GET", "/_data_stream/" + index, "", 404, "index_not_found_exception"},
		{"PUT", "/_data_stream/" + index, "", 200, `{"acknowledged":true}`},
		{"POST", "/_bulk?filter_path=errors,items.*.error,items.*.status", create, 200, `{"errors":false,"items":[{"create":{"status":201}}]}`},
		{"POST", "/" + index + "/_doc", `{"message":"second","kubernetes":{"namespace_name":"alpha"}}`, 201, `"_index":"logs-east-alpha"`},
		{"GET", "/_search", "", 403, "a cluster's token writes and reads nothing"},
		{"GET", "/" + index, "", 403, "a cluster's token writes and reads nothing"},
		{"GET", "/_stats", "", 403, "a cluster's token writes and reads nothing"},
	} {
		r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		g.esHandler().ServeHTTP(w, r)
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, w.Code, w.Body, c.code, c.want)
		}
	}
	// What it sent is its namespace's team's.
	theirs, _, err := g.tokens.Create(tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: alpha})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/logs-east-alpha/_count?q=message:(first+second)", nil)
	r.Header.Set("Authorization", "Bearer "+theirs)
	w := httptest.NewRecorder()
	g.esHandler().ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), `"count":2`) {
		t.Errorf("the team finds %s", w.Body)
	}
}

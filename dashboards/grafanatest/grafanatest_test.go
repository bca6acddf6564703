package grafanatest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/dashboards/grafanatest"
)

// TestAnswersAsRecorded replays what was asked of a Grafana 12.3.3 and compares
// the statuses and messages with what that one answered.
func TestAnswersAsRecorded(t *testing.T) {
	g := grafanatest.New("admin", "pw")
	g.AddUser("outsider", "pw", false)
	g.Join("outsider", "Main Org.", grafanatest.Viewer)
	srv := httptest.NewServer(g)
	defer srv.Close()
	sa := "Bearer " + g.Token(1, grafanatest.Admin)
	const (
		admin    = "admin"
		outsider = "outsider"
		dash     = `"dashboard":{"uid":"team-a-overview","title":"team-a overview","schemaVersion":41}`
		prom     = `"type":"prometheus","access":"proxy","url":"http://127.0.0.1:1"`
	)
	for _, c := range []struct {
		as, org, method, path, body string
		status                      int
		has                         string
	}{
		{"", "", "GET", "/api/health", "", 200, "stand-in"},
		{"", "", "GET", "/api/org", "", 401, "Invalid username or password"},
		{admin, "", "GET", "/api/plugins/elasticsearch/settings", "", 200, "elasticsearch"},
		{admin, "", "POST", "/api/teams", `{"name":"team-a"}`, 200, "Team created"},
		{admin, "", "POST", "/api/teams", `{"name":"team-a"}`, 409, "Team name taken"},
		{admin, "", "POST", "/api/folders", `{"uid":"ns-team-a","title":"team-a"}`, 200, "ns-team-a"},
		{admin, "", "POST", "/api/folders", `{"uid":"ns-team-a","title":"team-a"}`, 412, "the folder has been changed by someone else"},
		{admin, "", "POST", "/api/folders", `{"uid":"ns-team-a2","title":"team-a"}`, 200, "ns-team-a2"},
		{admin, "", "PUT", "/api/folders/ns-team-a", `{"title":"team-a (prod)"}`, 412, "The dashboard has been changed by someone else"},
		{admin, "", "PUT", "/api/folders/ns-team-a", `{"title":"team-a (prod)","overwrite":true}`, 200, "team-a (prod)"},
		{sa, "", "POST", "/api/datasources", `{"uid":"team-a-metrics","name":"team-a metrics",` + prom + `}`, 200, "team-a-metrics"},
		{sa, "", "POST", "/api/datasources", `{"uid":"x","name":"team-a metrics",` + prom + `}`, 409, "data source with the same name already exists"},
		{sa, "", "POST", "/api/datasources", `{"uid":"team-a-metrics","name":"other",` + prom + `}`, 409, "data source with the same uid already exists"},
		{sa, "", "PUT", "/api/datasources/uid/team-a-metrics", `{"name":"team-a metrics",` + prom + `,"secureJsonData":{"httpHeaderValue1":"s"}}`, 200, `"httpHeaderValue1":true`},
		{sa, "", "PUT", "/api/datasources/uid/team-a-metrics", `{"name":"team-a metrics",` + prom + `}`, 200, `"httpHeaderValue1":true`},
		{sa, "", "GET", "/api/datasources/1", "", 404, "Not found"}, // by numeric id: gone in 13
		{outsider, "", "POST", "/api/datasources", `{"name":"y",` + prom + `}`, 403, "additional permissions"},
		{sa, "", "POST", "/api/dashboards/db", `{` + dash + `,"folderUid":"ns-team-a"}`, 200, `"version":1`},
		{sa, "", "POST", "/api/dashboards/db", `{` + dash + `,"folderUid":"ns-team-a"}`, 412, "version-mismatch"},
		{sa, "", "POST", "/api/dashboards/db", `{` + dash + `,"folderUid":"ns-team-a","overwrite":true}`, 200, "success"},
		{sa, "", "POST", "/api/dashboards/db", `{"dashboard":{"uid":"yyy","title":"q"},"folderUid":"nope"}`, 400, "folder not found"},
		{sa, "", "POST", "/api/dashboards/db", `{"dashboard":{"uid":"` + strings.Repeat("a", 41) + `","title":"long"}}`, 400, "uid too long, max 40 characters"},
		{sa, "", "POST", "/api/dashboards/db", `{"dashboard":{"kind":"Dashboard","spec":{}}}`, 400, "v2 format"},
		{outsider, "", "GET", "/api/dashboards/uid/team-a-overview", "", 200, "team-a overview"}, // a new folder is open
		{admin, "", "POST", "/api/folders/ns-team-a/permissions", `{"items":[{"teamId":3,"permission":2}]}`, 200, "updated"},
		{outsider, "", "GET", "/api/dashboards/uid/team-a-overview", "", 403, "dashboards:read"},
		{outsider, "", "GET", "/api/datasources/proxy/uid/team-a-metrics/x", "", 502, ""}, // let through, and nobody listens there
		{admin, "", "POST", "/api/orgs", `{"name":"team-b"}`, 200, "Organization created"},
		{admin, "", "POST", "/api/orgs", `{"name":"team-b"}`, 409, "taken"},
		{outsider, "", "POST", "/api/orgs", `{"name":"team-c"}`, 403, "additional permissions"},
		{sa, "2", "GET", "/api/datasources", "", 401, "API key does not belong to the requested organization"},
		{outsider, "ORG", "GET", "/api/datasources/proxy/uid/x/y", "", 403, "datasources:query"},
		{admin, "ORG", "GET", "/api/datasources/proxy/uid/team-a-metrics/y", "", 404, "Data source not found"},
		{admin, "ORG", "POST", "/api/folders", `{"uid":"ns-team-a","title":"same uid other org"}`, 200, "same uid other org"},
		{sa, "", "POST", "/api/v1/provisioning/alert-rules", `{"uid":"ar","folderUID":"ns-team-a"}`, 201, "ar"},
		{sa, "", "DELETE", "/api/folders/ns-team-a", "", 400, "Folder cannot be deleted: folder is not empty"},
		{sa, "", "DELETE", "/api/folders/ns-team-a?forceDeleteRules=true", "", 200, "Folder deleted"},
		{sa, "", "GET", "/api/dashboards/uid/team-a-overview", "", 404, "Dashboard not found"},
		{sa, "", "DELETE", "/api/datasources/uid/team-a-metrics", "", 200, "Data source deleted"},
		{sa, "", "DELETE", "/api/datasources/uid/team-a-metrics", "", 404, "Data source not found"},
		{admin, "", "GET", "/api/nothing", "", 404, "Not found"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, srv.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasPrefix(c.as, "Bearer "):
			req.Header.Set("Authorization", c.as)
		case c.as != "":
			req.SetBasicAuth(c.as, "pw")
		}
		switch c.org {
		case "":
		case "ORG":
			req.Header.Set("X-Grafana-Org-Id", fmt.Sprint(g.OrgID("team-b")))
		default:
			req.Header.Set("X-Grafana-Org-Id", c.org)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != c.status || !strings.Contains(string(raw), c.has) {
			t.Errorf("%s %s: %d %s, want %d with %q", c.method, c.path, res.StatusCode, raw, c.status, c.has)
		}
	}
}

package grafana_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafana"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
)

// checkTenant is what a check makes and removes; nobody's team is called so.
const checkTenant tenant.ID = "oriel-grafana-check"

// TestAgainstGrafana makes a tenant's window in a Grafana, twice, edits it, and
// removes it, and prints what it verified: in the stand-in always, and by
//
//	ORIEL_GRAFANA_USER=admin ORIEL_GRAFANA_PASSWORD=... make grafana-check URL=http://grafana:3000
//
// in a real one, as a server admin, with an organisation of its own.
func TestAgainstGrafana(t *testing.T) {
	t.Run("stand-in", func(t *testing.T) {
		srv := httptest.NewServer(grafanatest.New("admin", "pw"))
		defer srv.Close()
		checkGrafana(t, srv.URL, "admin", "pw")
	})
	url := os.Getenv("ORIEL_GRAFANA_URL")
	if url == "" {
		return
	}
	t.Run("real", func(t *testing.T) {
		checkGrafana(t, url, os.Getenv("ORIEL_GRAFANA_USER"), os.Getenv("ORIEL_GRAFANA_PASSWORD"))
	})
}

func checkGrafana(t *testing.T, url, user, password string) {
	c, err := grafana.New(grafana.Options{URL: url, User: user, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	version, err := c.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Grafana %s is there, has both plugins, and takes %s for a server admin", version, user)
	in := dashboards.Input{Tenant: tenant.Tenant{ID: checkTenant}, GatewayURL: "http://127.0.0.1:1"}
	in.Metrics = []string{"up", "container_cpu_usage_seconds_total", "kube_deployment_spec_replicas"}
	w, cred := dashboards.Render(in), dashboards.Credential{ID: "check", Secret: "not-a-token"}
	apply := func(what string, want ...string) {
		t.Helper()
		changes, err := c.Apply(t.Context(), w, cred)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		var got []string
		for _, ch := range changes {
			got = append(got, string(ch.Op)+" "+ch.Object)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s: did %v, want %v", what, got, want)
		}
		t.Logf("%s: %d changes, as wanted", what, len(got))
	}
	if _, err := c.Remove(t.Context(), w.Names); err != nil { // what a check before this one left
		t.Fatal(err)
	}
	defer func() {
		if _, err := c.Remove(t.Context(), w.Names); err != nil {
			t.Errorf("remove what the check made: %v", err)
		}
	}()
	apply("made", append(append([]string{"created org", "created folder", "created data source", "created data source"}, every("created")...), "created alert rules")...)
	apply("made again")

	org := ""
	ask := func(method, path, body string, out any) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimRight(url, "/")+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(user, password)
		req.Header.Set("Content-Type", "application/json")
		if org != "" {
			req.Header.Set("X-Grafana-Org-Id", org)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if out != nil {
			if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
				t.Fatalf("%s %s: %v", method, path, err)
			}
		}
		return resp.StatusCode
	}
	var found struct{ ID json.Number }
	ask("GET", "/api/orgs/name/"+strings.ReplaceAll(w.Org, " ", "%20"), "", &found)
	org = found.ID.String()

	// Somebody edits a dashboard in the browser.
	var shown struct{ Dashboard map[string]any }
	ask("GET", "/api/dashboards/uid/"+w.Boards[0].UID, "", &shown)
	shown.Dashboard["title"] = "Ours, better"
	body, err := json.Marshal(map[string]any{"dashboard": shown.Dashboard, "folderUid": w.Folder, "overwrite": true})
	if err != nil {
		t.Fatal(err)
	}
	if status := ask("POST", "/api/dashboards/db", string(body), nil); status != http.StatusOK {
		t.Fatalf("edit a dashboard: %d", status)
	}
	apply("edited", "copied dashboard", "updated dashboard")
	apply("edited, once more")

	// The copy is somebody's work: it stays, with the folder and the organisation.
	changes, err := c.Remove(t.Context(), w.Names)
	if err != nil {
		t.Fatal(err)
	}
	if last := changes[len(changes)-1]; last.Op != dashboards.Kept {
		t.Errorf("removed: the last change is %v, want the organisation kept", last)
	}
	var left []struct{ UID string }
	ask("GET", "/api/search?type=dash-db", "", &left)
	if len(left) != 1 || w.Owns(left[0].UID) {
		t.Errorf("left are %v, want the copy alone", left)
	}
	var rules []json.RawMessage
	if ask("GET", "/api/v1/provisioning/alert-rules", "", &rules); len(rules) != 0 {
		t.Errorf("left are alert rules %s", rules)
	}
	t.Log("removed: the copy of the edits stays, data sources, dashboards and alert rules are gone")
	for _, l := range left {
		ask("DELETE", "/api/dashboards/uid/"+l.UID, "", nil)
	}
	if _, err := c.Remove(t.Context(), w.Names); err != nil {
		t.Fatal(err)
	}
	org = ""
	if status := ask("GET", "/api/orgs/name/"+strings.ReplaceAll(w.Org, " ", "%20"), "", nil); status != http.StatusNotFound {
		t.Errorf("the organisation is still there: %d", status)
	}
	t.Log("removed: nothing is left")
}

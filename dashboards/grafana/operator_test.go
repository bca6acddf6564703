package grafana_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
)

// TestOperator: the operator's window is made once, healed, and its token, which
// reads all tenants, is renewed as theirs are. People of a team see none of it.
func TestOperator(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	run := func() {
		t.Helper()
		if err := w.rec.ReconcileOperator(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	run()
	want := []string{"created org", "created folder", "created data source", "created data source", "created dashboard", "created alert rules"}
	if got := w.ops(); !slices.Equal(got, want) {
		t.Errorf("did %v, want %v", got, want)
	}
	w.g.Writes()
	run()
	w.restart()
	run()
	if got := w.g.Writes(); len(got) > 0 {
		t.Errorf("a second run wrote %v", got)
	}
	infos := w.tokens.List()
	if len(infos) != 1 || infos[0].Kind != tenant.TokenOperator || infos[0].Access != tenant.AccessRead {
		t.Errorf("tokens %+v", infos)
	}
	org, n := w.g.OrgID(dashboards.OperatorOrg), dashboards.NamesOf(tenant.System)
	home := n.Board(dashboards.HomeKey)
	w.edit("admin", org, home, func(d map[string]any) { d["title"] = "My home" })
	run()
	if got := w.ops(); !slices.Equal(got, []string{"copied dashboard", "updated dashboard"}) {
		t.Errorf("after an edit: did %v", got)
	}
	var rules struct{ Rules []struct{ Title string } }
	if err := json.Unmarshal([]byte(w.must("admin", org, "GET", "/api/v1/provisioning/folder/"+n.Folder+"/rule-groups/Oriel", "")), &rules); err != nil || len(rules.Rules) != len(dashboards.OperatorRules()) {
		t.Errorf("rules %+v, %v", rules, err)
	}
	w.now = w.now.AddDate(0, 0, 31)
	run()
	if got := w.tokens.List(); len(got) != 1 || got[0].ID == infos[0].ID {
		t.Errorf("after 31 days: tokens %+v", got)
	}

	w.dir.add("payments")
	w.reconcile("payments")
	w.g.AddUser("mallory", "pw", false)
	w.g.Join("mallory", dashboards.NamesOf("payments").Org, grafanatest.Admin)
	for _, path := range []string{"/api/dashboards/uid/" + home, "/api/datasources/uid/" + n.Metrics, "/api/datasources/proxy/uid/" + n.Metrics + "/api/v1/query?query=up"} {
		for _, in := range []int{0, org, w.g.OrgID("oriel: payments")} {
			if status, text := w.ask("mallory", in, "GET", path, ""); status == http.StatusOK || strings.Contains(text, "My home") {
				t.Errorf("a team's admin gets %s in organisation %d: %d %s", path, in, status, text)
			}
		}
	}
}

// TestOperatorShared: where tenants share an organisation there is no data source
// over all of them.
func TestOperatorShared(t *testing.T) {
	w := newWorld(t, dashboards.ByFolder)
	if err := w.rec.ReconcileOperator(t.Context()); err != nil || len(w.g.Writes()) > 0 || len(w.tokens.List()) > 0 {
		t.Errorf("%v", err)
	}
}

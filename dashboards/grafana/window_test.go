package grafana_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
)

// every gives what is done to each of a tenant's dashboards.
func every(op string) []string {
	return slices.Repeat([]string{op + " dashboard"}, len(dashboards.NamesOf("payments").Dashboards()))
}

func TestOnboarding(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments")
	w.reconcile("payments")
	want := append([]string{"created org", "created folder", "created data source", "created data source"}, append(every("created"), "created alert rules")...)
	if got := w.ops(); !slices.Equal(got, want) {
		t.Errorf("onboarding did %v, want %v", got, want)
	}
	org, n := w.g.OrgID("oriel: payments"), dashboards.NamesOf("payments")
	if w.title(org, n.Dashboards()[0]) != "Overview" {
		t.Error("no overview")
	}
	if got := w.must("admin", org, "POST", "/api/datasources/proxy/uid/"+n.Metrics+"/api/v1/query", "query=up"); got != "read POST /api/v1/query for payments" {
		t.Errorf("the metrics data source reached %q", got)
	}
	if got := w.must("admin", org, "POST", "/api/datasources/proxy/uid/"+n.Logs+"/_msearch", "{}"); got != "read POST /es/_msearch for payments" {
		t.Errorf("the logs data source reached %q", got)
	}
	w.quiet("payments")
	w.g.Requests()
	w.reconcile("payments")
	if got := w.g.Requests(); len(got) > 10 {
		t.Errorf("a window that is right took %d requests: %v", len(got), got)
	}
	w.restart()
	w.quiet("payments")
	if got := len(w.tokens.List()); got != 1 {
		t.Errorf("%d tokens were minted, want 1", got)
	}
}

func TestHealing(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments")
	w.reconcile("payments")
	org, n := w.g.OrgID("oriel: payments"), dashboards.NamesOf("payments")
	overview := n.Dashboards()[0]
	w.ops()
	for _, c := range []struct {
		what string
		harm func()
		want []string
	}{
		{"dashboard deleted", func() { w.must("admin", org, "DELETE", "/api/dashboards/uid/"+overview, "") }, []string{"created dashboard"}},
		{"data source deleted", func() { w.must("admin", org, "DELETE", "/api/datasources/uid/"+n.Logs, "") }, []string{"created data source"}},
		{"folder deleted", func() { w.must("admin", org, "DELETE", "/api/folders/"+n.Folder+"?forceDeleteRules=true", "") }, append([]string{"created folder"}, append(every("created"), "created alert rules")...)},
		{"data source changed", func() {
			w.must("admin", org, "PUT", "/api/datasources/uid/"+n.Metrics, `{"name":"x","type":"prometheus","access":"proxy","url":"http://elsewhere","jsonData":{"orielTenant":"payments"}}`)
		}, []string{"updated data source"}},
		{"organisation deleted", func() { w.must("admin", 0, "DELETE", fmt.Sprint("/api/orgs/", org), "") },
			append([]string{"created org", "created folder", "created data source", "created data source"}, append(every("created"), "created alert rules")...)},
	} {
		c.harm()
		w.reconcile("payments")
		if got := w.ops(); !slices.Equal(got, c.want) {
			t.Errorf("%s: did %v, want %v", c.what, got, c.want)
		}
		w.quiet("payments")
	}
	org = w.g.OrgID("oriel: payments")
	if got := w.must("admin", org, "GET", "/api/datasources/proxy/uid/"+n.Metrics+"/api/v1/labels", ""); got != "read GET /api/v1/labels for payments" {
		t.Errorf("after healing the data source reaches %q", got)
	}

	w.edit("admin", org, overview, func(d map[string]any) { d["title"] = "Ours, better" })
	w.reconcile("payments")
	if got, want := w.ops(), []string{"copied dashboard", "updated dashboard"}; !slices.Equal(got, want) {
		t.Errorf("after an edit: did %v, want %v", got, want)
	}
	if got := w.title(org, overview); got != "Overview" {
		t.Errorf("the edited dashboard is called %q", got)
	}
	copies := uidsOf(t, w.must("admin", org, "GET", "/api/search?tag="+dashboards.CopyTag, ""))
	if len(copies) != 1 || w.title(org, copies[0]) != "Ours, better (your copy of 2026-11-22 20:00)" {
		t.Errorf("copies %v", copies)
	}
	w.quiet("payments")
	// The same edit again is not copied again.
	w.edit("admin", org, overview, func(d map[string]any) { d["title"] = "Ours, better" })
	w.reconcile("payments")
	if got, want := w.ops(), []string{"updated dashboard"}; !slices.Equal(got, want) {
		t.Errorf("after the same edit: did %v, want %v", got, want)
	}
}

// TestOtherMetrics writes a dashboard anew, without a copy, when the tenant's
// metrics ask for other queries.
func TestOtherMetrics(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	var have []string
	w.opt.Metrics = func(context.Context, tenant.ID) ([]string, []dashboards.Metric) { return have, nil }
	w.restart()
	w.dir.add("payments")
	w.reconcile("payments")
	w.ops()
	for i, name := range []string{"container_cpu_usage_seconds_total", "process_cpu_seconds_total"} {
		w.g.SetMigrating(i == 1)
		w.quiet("payments")
		have = []string{name}
		w.reconcile("payments")
		if got := slices.Compact(w.ops()); !slices.Equal(got, []string{"updated dashboard"}) {
			t.Errorf("%s: did %v, want updates of dashboards alone", name, got)
		}
		w.quiet("payments")
	}
}

func TestOffboarding(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments", "billing")
	w.reconcile("payments")
	w.reconcile("billing")
	w.must("admin", 0, "POST", "/api/dashboards/db", `{"dashboard":{"uid":"theirs","title":"theirs","tags":["oriel"]}}`)
	w.ops()

	w.dir.remove("payments")
	w.reconcile("payments")
	if w.g.OrgID("oriel: payments") != 0 {
		t.Error("the organisation is still there")
	}
	for _, i := range w.tokens.List() {
		if i.Tenant == "payments" {
			t.Errorf("token %s is still good", i.ID)
		}
	}
	w.quiet("payments")
	w.quiet("billing")
	w.title(0, "theirs")
	if known, err := w.rec.Known(); err != nil || !slices.Equal(known, []tenant.ID{"billing"}) {
		t.Errorf("known %v, %v", known, err)
	}

	// An organisation with somebody's work in it stays, with that alone.
	org, n := w.g.OrgID("oriel: billing"), dashboards.NamesOf("billing")
	w.must("admin", org, "POST", "/api/dashboards/db", `{"dashboard":{"uid":"mine","title":"mine"},"folderUid":"`+n.Folder+`"}`)
	w.ops()
	w.dir.remove("billing")
	w.reconcile("billing")
	want := append(every("removed"), "removed alert rules", "removed data source", "removed data source", "kept folder", "kept org")
	if got := w.ops(); !slices.Equal(got, want) {
		t.Errorf("offboarding did %v, want %v", got, want)
	}
	if got := uidsOf(t, w.must("admin", org, "GET", "/api/search?type=dash-db", "")); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("left are %v", got)
	}
	if got := w.must("admin", org, "GET", "/api/datasources", ""); strings.TrimSpace(got) != "[]" {
		t.Errorf("left are data sources %s", got)
	}
	w.quiet("billing")

	// Back again: the same organisation, the work still there.
	w.dir.add("billing")
	w.reconcile("billing")
	if w.g.OrgID("oriel: billing") != org {
		t.Error("a second organisation was made")
	}
	w.title(org, "mine")
}

// TestDeadRules lets alert rules that ask nothing but the tenant's own data
// sources go with the folder, and keeps others.
func TestDeadRules(t *testing.T) {
	for _, c := range []struct {
		source string
		gone   bool
	}{{dashboards.NamesOf("payments").Metrics, true}, {"some-other", false}} {
		w := newWorld(t, dashboards.ByOrg)
		w.dir.add("payments")
		w.reconcile("payments")
		org, n := w.g.OrgID("oriel: payments"), dashboards.NamesOf("payments")
		w.must("admin", org, "POST", "/api/v1/provisioning/alert-rules", `{"uid":"r","folderUID":"`+n.Folder+`","data":[{"datasourceUid":"`+c.source+`"},{"datasourceUid":"__expr__"}]}`)
		w.dir.remove("payments")
		w.reconcile("payments")
		if gone := w.g.OrgID("oriel: payments") == 0; gone != c.gone {
			t.Errorf("rule on %s: organisation gone %v, want %v", c.source, gone, c.gone)
		}
	}
}

func TestForeignObjects(t *testing.T) {
	w := newWorld(t, dashboards.ByFolder)
	w.dir.add("payments")
	n := dashboards.NamesOf("payments")
	w.must("admin", 0, "POST", "/api/dashboards/db", `{"dashboard":{"uid":"`+n.Dashboards()[0]+`","title":"somebody's"}}`)
	w.must("admin", 0, "POST", "/api/datasources", `{"uid":"`+n.Metrics+`","name":"somebody's","type":"prometheus","access":"proxy","url":"http://x"}`)
	w.must("admin", 0, "POST", "/api/datasources", `{"uid":"x","name":"oriel payments logs","type":"elasticsearch","access":"proxy","url":"http://x"}`)
	err := w.rec.Reconcile(t.Context(), "payments")
	for _, part := range []string{n.Dashboards()[0], n.Metrics, `named "oriel payments logs"`, "Oriel makes its own"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if got := w.ops(); !slices.Contains(got, "refused dashboard") || !slices.Contains(got, "refused data source") {
		t.Errorf("did %v", got)
	}
	if got := w.title(0, n.Dashboards()[0]); got != "somebody's" {
		t.Errorf("their dashboard is now called %q", got)
	}
	w.dir.remove("payments")
	w.reconcile("payments")
	w.title(0, n.Dashboards()[0])
	w.must("admin", 0, "GET", "/api/datasources/uid/"+n.Metrics, "")
	w.must("admin", 0, "GET", "/api/datasources/uid/x", "")
}

func TestOrgsIsolate(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	w.dir.add("payments", "billing")
	w.reconcile("payments")
	w.reconcile("billing")
	w.g.AddUser("ann", "pw", false)
	w.g.Join("ann", "oriel: payments", grafanatest.Viewer)
	mine, theirs := w.g.OrgID("oriel: payments"), w.g.OrgID("oriel: billing")
	p, b := dashboards.NamesOf("payments"), dashboards.NamesOf("billing")
	w.must("ann", mine, "GET", "/api/dashboards/uid/"+p.Dashboards()[0], "")
	if got := w.must("ann", mine, "GET", "/api/datasources/proxy/uid/"+p.Metrics+"/api/v1/query", ""); !strings.HasSuffix(got, "for payments") {
		t.Errorf("ann's own data source reached %q", got)
	}
	for _, c := range []struct {
		org  int
		path string
		want int
	}{
		{mine, "/api/dashboards/uid/" + b.Dashboards()[0], 404},
		{mine, "/api/datasources/proxy/uid/" + b.Metrics + "/api/v1/query", 404},
		{theirs, "/api/dashboards/uid/" + b.Dashboards()[0], 403},
		{theirs, "/api/datasources/proxy/uid/" + b.Metrics + "/api/v1/query", 403},
		{theirs, "/api/datasources/proxy/uid/" + b.Logs + "/_mapping", 403},
		{theirs, "/api/search", 403},
	} {
		if status, text := w.ask("ann", c.org, "GET", c.path, ""); status != c.want {
			t.Errorf("%s in organisation %d: %d %s, want %d", c.path, c.org, status, text, c.want)
		}
	}
}

// TestFolders shows what folders isolate, and what they do not: the sentence
// that says so must stay true.
func TestFolders(t *testing.T) {
	w := newWorld(t, dashboards.ByFolder)
	w.dir.add("payments", "billing")
	w.reconcile("payments")
	w.reconcile("billing")
	w.quiet("payments")
	w.g.AddUser("ann", "pw", false)
	w.g.Join("ann", "Main Org.", grafanatest.Viewer)
	w.g.JoinTeam("ann", "oriel: payments")
	p, b := dashboards.NamesOf("payments"), dashboards.NamesOf("billing")
	w.must("ann", 0, "GET", "/api/dashboards/uid/"+p.Dashboards()[0], "")
	w.edit("ann", 0, p.Dashboards()[0], func(d map[string]any) { d["refresh"] = "5s" })
	if status, _ := w.ask("ann", 0, "GET", "/api/dashboards/uid/"+b.Dashboards()[0], ""); status != http.StatusForbidden {
		t.Errorf("another team's dashboard: %d, want 403", status)
	}
	if got := w.must("ann", 0, "GET", "/api/datasources/proxy/uid/"+b.Metrics+"/api/v1/query", ""); !strings.HasSuffix(got, "for billing") {
		t.Errorf("%q: folders isolate data after all, and %q is no longer honest", got, dashboards.HonestSentence)
	}

	// Permissions that somebody widened are set again.
	w.must("admin", 0, "POST", "/api/folders/"+b.Folder+"/permissions", `{"items":[{"role":"Viewer","permission":1}]}`)
	w.ops()
	w.reconcile("billing")
	if got := w.ops(); !slices.Equal(got, []string{"updated folder"}) {
		t.Errorf("did %v", got)
	}

	w.dir.remove("billing")
	w.reconcile("billing")
	if status, _ := w.ask("admin", 0, "GET", "/api/folders/"+b.Folder, ""); status != http.StatusNotFound {
		t.Errorf("the folder is still there: %d", status)
	}
	if got := w.must("admin", 0, "GET", "/api/teams/search?name=oriel:+billing", ""); !strings.Contains(got, `"totalCount":0`) {
		t.Errorf("the team is still there: %s", got)
	}
	w.must("ann", 0, "GET", "/api/dashboards/uid/"+p.Dashboards()[0], "")
}

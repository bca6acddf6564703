package grafana_test

import (
	"testing"
	"time"

	"github.com/oriel-project/oriel/dashboards"
)

// TestContact: a new organisation tells nobody; a contact point alone tells
// nobody either, a policy that leads to it does.
func TestContact(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	want := func(what string, want dashboards.Contact) {
		t.Helper()
		w.now = w.now.Add(time.Minute)
		if got, err := w.rec.Contact(t.Context(), "payments", time.Second); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", what, got, err, want)
		}
	}
	want("no window", dashboards.Contact{})
	w.dir.add("payments")
	w.reconcile("payments")
	org := w.g.OrgID("oriel: payments")
	want("a new window", dashboards.Contact{Known: true})
	w.must("admin", org, "POST", "/api/v1/provisioning/contact-points", `{"name":"pager","type":"webhook","settings":{"url":"http://pager"}}`)
	want("a contact point", dashboards.Contact{Known: true})
	w.must("admin", org, "PUT", "/api/v1/provisioning/policies", `{"receiver":"grafana-default-email","routes":[{"receiver":"pager"}]}`)
	want("a policy that leads to it", dashboards.Contact{Known: true, Name: "pager"})
	w.g.Requests()
	if _, err := w.rec.Contact(t.Context(), "payments", time.Hour); err != nil || len(w.g.Requests()) > 0 {
		t.Error("what is known is asked again")
	}
}

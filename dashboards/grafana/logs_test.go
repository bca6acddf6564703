package grafana_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestLogsThroughTheWindow follows a log line from the store to a viewer's
// eyes: store, gateway, data source, Grafana's proxy. Each of two tenants sees
// its own lines and nobody else's, and none after its offboarding.
func TestLogsThroughTheWindow(t *testing.T) {
	w := newWorld(t, dashboards.ByOrg)
	store := mem.New(mem.Options{})
	defer store.Close()
	for _, id := range []tenant.ID{"payments", "billing"} {
		write := scopetest.Write(id)
		rec, err := (&logging.Stamper{}).Stamp(write, logging.Raw{Source: fmt.Appendf(nil, `{"message":"hello from %s","level":"error","namespace":"%s-prod"}`, id, id)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), write, logging.Batch{Records: []logging.Record{rec}}); err != nil {
			t.Fatal(err)
		}
	}
	// The gateway answers a search with the messages that the token's tenant may see.
	gateway := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		var secret string
		if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer %s", &secret); err != nil || r.URL.Path != "/es/_msearch" {
			rw.WriteHeader(http.StatusBadRequest)
			return
		}
		info, ok := w.tokens.of(secret)
		if !ok {
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		view, err := store.Snapshot(r.Context(), scopetest.Read(info.Tenant))
		if err != nil {
			t.Error(err)
			return
		}
		defer view.Close()
		res, err := view.Search(r.Context(), logging.Query{Limit: 10})
		if err != nil {
			t.Error(err)
			return
		}
		lines := []string{}
		for _, h := range res.Hits {
			lines = append(lines, h.Record.Message)
		}
		if err := json.NewEncoder(rw).Encode(lines); err != nil {
			t.Error(err)
		}
	}))
	defer gateway.Close()
	w.opt.GatewayURL = gateway.URL
	w.restart()

	w.dir.add("payments", "billing")
	for _, id := range []tenant.ID{"payments", "billing"} {
		w.reconcile(id)
		n := dashboards.NamesOf(id)
		user := "viewer-" + string(id)
		w.g.AddUser(user, "pw", false)
		w.g.Join(user, n.Org, grafanatest.Viewer)
		var lines []string
		got := w.must(user, w.g.OrgID(n.Org), "POST", "/api/datasources/proxy/uid/"+n.Logs+"/_msearch", "")
		if err := json.Unmarshal([]byte(got), &lines); err != nil {
			t.Fatal(err)
		}
		if want := []string{"hello from " + string(id)}; !slices.Equal(lines, want) {
			t.Errorf("%s sees %q, want %q", id, lines, want)
		}
	}

	n := dashboards.NamesOf("payments")
	org := w.g.OrgID(n.Org)
	w.dir.remove("payments")
	w.reconcile("payments")
	if status, text := w.ask("viewer-payments", org, "POST", "/api/datasources/proxy/uid/"+n.Logs+"/_msearch", ""); status == http.StatusOK {
		t.Errorf("after offboarding: %d %s", status, text)
	}
}

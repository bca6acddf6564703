package grafana_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
)

// TestAnnotations: each moment is one annotation, however often it is told, over
// restarts of both sides; those of people are left alone, and at the end ours go.
func TestAnnotations(t *testing.T) {
	for _, iso := range []dashboards.Isolation{dashboards.ByOrg, dashboards.ByFolder} {
		t.Run(string(iso), func(t *testing.T) {
			w := newWorld(t, iso)
			happened := []dashboards.Moment{
				{At: w.now.Add(-time.Hour), Text: "web was deployed, generation 7", Kind: dashboards.MomentDeploy, Cluster: "eu", Namespace: "shop"},
				{At: w.now.Add(-time.Minute), Text: "web was removed", Kind: dashboards.MomentTeardown, Cluster: "eu", Namespace: "shop"},
			}
			w.opt.Moments = func(_ context.Context, id tenant.ID) ([]dashboards.Moment, error) {
				if id != "payments" {
					return nil, nil
				}
				return happened, nil
			}
			w.restart()
			w.dir.add("payments", "billing")
			w.reconcile("payments")
			w.reconcile("billing")
			org, n := 1, dashboards.NamesOf("payments")
			if iso == dashboards.ByOrg {
				org = w.g.OrgID(n.Org)
			}
			want := []string{
				"[oriel payments deploy eu shop] web was deployed, generation 7",
				"[oriel payments teardown eu shop] web was removed",
			}
			check := func(when string, want []string) {
				t.Helper()
				if got := w.g.Annotations(org); !slices.Equal(got, want) {
					t.Errorf("%s: annotations %q, want %q", when, got, want)
				}
			}
			check("onboarded", want)
			w.quiet("payments")
			w.restart()
			w.quiet("payments")
			if w.rec.Unmarked(t.Context(), "payments") {
				t.Error("told twice")
			}

			w.must("admin", org, "POST", "/api/annotations", fmt.Sprintf(`{"time":%d,"text":"we drank coffee","tags":["payments"]}`, w.now.UnixMilli()))
			happened = append(happened, dashboards.Moment{At: w.now, Text: "db was deployed, generation 2", Kind: dashboards.MomentDeploy, Cluster: "eu", Namespace: "shop"})
			if !w.rec.Unmarked(t.Context(), "payments") {
				t.Error("what is new is not seen")
			}
			// Two failures on the way, and an answer that got lost.
			w.g.LoseAnswer("POST /api/annotations")
			w.g.FailNext(500, 429)
			_ = w.rec.Reconcile(t.Context(), "payments")
			w.reconcile("payments")
			coffee := "[payments] we drank coffee"
			check("deployed", append(slices.Clone(want), coffee, "[oriel payments deploy eu shop] db was deployed, generation 2"))

			// A member of another team, in the same organisation where there is one.
			w.g.AddUser("mallory", "pw", false)
			w.g.Join("mallory", map[bool]string{true: dashboards.NamesOf("billing").Org, false: "Main Org."}[iso == dashboards.ByOrg], grafanatest.Editor)
			if _, text := w.ask("mallory", 0, "GET", "/api/annotations?tags=oriel&limit=1000", ""); strings.Contains(text, "web was") {
				t.Errorf("another team reads %s", text)
			}
			w.dir.remove("payments")
			w.reconcile("payments")
			if w.g.OrgID(n.Org) != 0 || iso == dashboards.ByFolder {
				check("offboarded", []string{coffee})
			}
		})
	}
}

// TestAnnotationsOfOthers: in an organisation of many tenants one is called as a
// kind, a cluster and a namespace of another's moments are: each has its own, and
// takes its own along.
func TestAnnotationsOfOthers(t *testing.T) {
	w := newWorld(t, dashboards.ByFolder)
	happened := []dashboards.Moment{{At: w.now.Add(-time.Hour), Text: "web was deployed", Kind: dashboards.MomentDeploy, Cluster: "eu", Namespace: "shop"}}
	w.opt.Moments = func(context.Context, tenant.ID) ([]dashboards.Moment, error) { return happened, nil }
	w.restart()
	w.dir.add("payments", "deploy", "eu", "shop")
	for _, id := range []tenant.ID{"payments", "deploy", "eu", "shop"} {
		w.reconcile(id)
	}
	if got := w.g.Annotations(1); len(got) != 4 {
		t.Errorf("annotations %q, want one of each tenant", got)
	}
	for _, id := range []tenant.ID{"deploy", "eu", "shop"} {
		w.dir.remove(id)
		w.reconcile(id)
	}
	if got, want := w.g.Annotations(1), []string{"[oriel payments deploy eu shop] web was deployed"}; !slices.Equal(got, want) {
		t.Errorf("with the others gone: annotations %q, want %q", got, want)
	}
}

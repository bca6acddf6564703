package dashboards

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestLogQueriesMean runs the overview's log queries, as the Elasticsearch
// facade reads them, over known records.
func TestLogQueriesMean(t *testing.T) {
	store := mem.New(mem.Options{})
	defer store.Close()
	write := func(w tenant.Write, source string) {
		t.Helper()
		rec, err := (&logging.Stamper{}).Stamp(w, logging.Raw{Source: []byte(source)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), w, logging.Batch{Records: []logging.Record{rec}}); err != nil {
			t.Fatal(err)
		}
	}
	owners := scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "payments", "us-1/shop": "payments", "us-1/cart": "payments"}}
	eu := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, owners)
	us := scopetest.WriteCluster(tenant.Cluster{Name: "us-1"}, owners)
	write(eu, `{"namespace":"shop","level":"ERROR","message":"a"}`)
	write(us, `{"namespace":"shop","level":"info","message":"b"}`)
	write(us, `{"namespace":"cart","severity":"critical","message":"c"}`)
	write(scopetest.Write("payments"), `{"level":"error","message":"d"}`) // cluster "test", no namespace
	write(scopetest.Write("payments"), `{"message":"level:error"}`)

	view, err := store.Snapshot(t.Context(), scopetest.Read("payments"))
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	all := strings.NewReplacer("${cluster:regex}", ".*", "${namespace:regex}", ".*")
	picked := strings.NewReplacer("${cluster:regex}", "(eu-1|us-1)", "${namespace:regex}", "shop")

	var d board
	if err := json.Unmarshal(Render(input()).Boards[0].JSON, &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			if q.Datasource.Type != typeElasticsearch {
				continue
			}
			wantAll, wantPicked := "a b c d level:error", "a b"
			if strings.HasPrefix(p.Title, "Error") {
				wantAll, wantPicked = "a c d", "a"
			}
			for _, c := range []struct {
				vars *strings.Replacer
				want string
			}{{all, wantAll}, {picked, wantPicked}} {
				f, err := dsl.ParseQueryString(c.vars.Replace(q.Query), dsl.Env{})
				if err != nil {
					t.Fatalf("%s: %v\n%s", p.Title, err, q.Query)
				}
				res, err := view.Search(t.Context(), logging.Query{Filter: f, Limit: 100})
				if err != nil {
					t.Fatalf("%s: %v", p.Title, err)
				}
				var got []string
				for _, h := range res.Hits {
					got = append(got, h.Record.Message)
				}
				slices.Sort(got)
				if strings.Join(got, " ") != c.want {
					t.Errorf("%s found %q, want %q\n%s", p.Title, got, c.want, c.vars.Replace(q.Query))
				}
			}
		}
	}
}

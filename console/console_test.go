package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// directory is a fixed Directory.
type directory []tenant.Tenant

func (d directory) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	for _, t := range d {
		if t.ID == id {
			return t, true
		}
	}
	return tenant.Tenant{}, false
}

func (d directory) All() iter.Seq[tenant.Tenant] {
	return func(yield func(tenant.Tenant) bool) {
		for _, t := range d {
			if !yield(t) {
				return
			}
		}
	}
}
func (d directory) Owner(string, string, time.Time) (tenant.ID, bool) { return "", false }
func (d directory) Sealed(tenant.ID) []tenant.Life                    { return nil }

func namespaces(of ...string) []tenant.Namespace {
	var out []tenant.Namespace
	for _, n := range of {
		c, ns, _ := strings.Cut(n, "/")
		out = append(out, tenant.Namespace{Life: tenant.Life{Cluster: c, Namespace: ns}})
	}
	return out
}

var teams = directory{
	{ID: "billing", Namespaces: namespaces("east/billing")},
	{ID: "shop", Namespaces: namespaces("east/shop", "east/shop-jobs", "west/shop")},
}

const hostile = `<script>alert(1)</script> "quoted" & <img src=x onerror=alert(2)>`

// store holds a few lines of each team.
func store(t *testing.T) logging.Store {
	t.Helper()
	s := mem.New(mem.Options{})
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	for _, r := range []logging.Record{
		{Tenant: "shop", Level: "info", Message: "order accepted", Namespace: "shop", Pod: "web-0", Source: []byte(`{"message":"order accepted"}`)},
		{Tenant: "shop", Level: "error", Message: hostile, Namespace: "shop", Pod: "web-1", Source: []byte(`{"message":"x</pre><script>"}`)},
		{Tenant: "shop", Source: []byte(`{"no":"message"}`)},
		{Tenant: "shop", Level: "warn", Message: strings.Repeat("ü", 4000), Source: []byte(`{}`)},
		{Tenant: "billing", Level: "info", Message: "billing's secret", Namespace: "billing", Source: []byte(`{}`)},
	} {
		r.Time, r.Received, r.Index = at, at, "logs-east-"+string(r.Tenant)
		at = at.Add(time.Second)
		if _, err := s.Append(t.Context(), scopetest.Write(r.Tenant), logging.Batch{Records: []logging.Record{r}}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func options(t *testing.T) Options {
	return Options{
		Directory: teams, Searcher: store(t), Version: "test",
		Rates: func() map[tenant.ID]Rate { return map[tenant.ID]Rate{"shop": {Samples: 1234.5, Records: 7.25}} },
		Onboarding: func(id tenant.ID) (map[string]float64, []string) {
			if id == "shop" {
				return map[string]float64{"scrape": 0.5, "dashboards": 1.26}, nil
			}
			return map[string]float64{"scrape": 0.4}, []string{"dashboards"}
		},
		Cardinality: func(_ context.Context, r tenant.Read, limit int) (metrics.Cardinality, error) {
			c := metrics.Cardinality{Series: 3, LabelPairs: 9}
			for _, id := range []tenant.ID{"billing", "shop"} {
				if r.Includes(id) {
					c.SeriesByMetric = append(c.SeriesByMetric, metrics.Count{Name: "of_" + string(id) + hostile, N: 2})
				}
			}
			return c, nil
		},
		Receipt: func(_ context.Context, r tenant.Read, id tenant.ID) dashboards.Receipt {
			if r.All() || !r.Includes(id) {
				t.Errorf("receipt of %s with a scope over %v", id, r.Tenants())
			}
			return dashboards.Receipt{Checks: dashboards.Checks(dashboards.Facts{Metrics: []string{"shop_orders_total"}, Records: 200, Leveled: 3})}
		},
		Notices: []string{"Everybody on this machine is the operator."},
		Boards: func(_ context.Context, id tenant.ID) []dashboards.Dashboard {
			t, ok := teams.Lookup(id)
			if !ok {
				return nil
			}
			return dashboards.Render(dashboards.Input{Tenant: t, GatewayURL: "http://localhost"}).Boards
		},
	}
}

// get asks as the scope, at the tenant's page where named is not "".
func get(o Options, scope tenant.Read, named tenant.ID, path string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://localhost"+path, nil)
	ctx := tenant.WithRead(r.Context(), scope)
	if named != "" {
		ctx = tenant.WithNamed(ctx, named)
	}
	w := httptest.NewRecorder()
	New(o).ServeHTTP(w, r.WithContext(ctx))
	return w
}

var assetHash = regexp.MustCompile(`assets/[0-9a-f]{12}/`)

func TestPages(t *testing.T) {
	at := func(path, name string, o Options, scope tenant.Read, named tenant.ID) {
		t.Helper()
		w := get(o, scope, named, path)
		got := fmt.Sprintf("%d\n%s", w.Code, assetHash.ReplaceAllString(w.Body.String(), "assets/HASH/"))
		golden.Check(t, name+".golden", []byte(got))
		if csp := w.Header().Get("Content-Security-Policy"); csp != policy {
			t.Errorf("%s: policy %q", name, csp)
		}
	}
	f := func(name string, o Options, scope tenant.Read, named tenant.ID) {
		t.Helper()
		at("/", name, o, scope, named)
	}
	o := options(t)
	at("/d/platform", "dashboard", o, scopetest.Read("shop"), "shop")
	at("/d/nothing", "no_dashboard", o, scopetest.Read("shop"), "shop")
	at("/series", "series", o, scopetest.Operator(), "shop")
	at("/series", "series_of_all", o, scopetest.Operator(), "")
	at("/series", "series_gone", o, scopetest.Operator(), "gone")
	f("operator", o, scopetest.Operator(), "")
	f("one_team", o, scopetest.Read("shop"), "")
	f("tenant", o, scopetest.Read("shop"), "shop")
	f("tenant_without_lines", Options{Directory: teams, Searcher: mem.New(mem.Options{})}, scopetest.Operator(), "billing")
	f("no_tenant_operator", Options{Searcher: o.Searcher, Directory: directory{}}, scopetest.Operator(), "")
	f("no_tenant", Options{Searcher: o.Searcher, Directory: directory{}}, scopetest.Read("gone"), "")
	f("gone", o, scopetest.Operator(), "gone")
	f("store_down", Options{Directory: teams, Searcher: down{}}, scopetest.Operator(), "shop")
}

// down is a store that does not answer.
type down struct{ logging.Searcher }

func (down) Snapshot(context.Context, tenant.Read) (logging.View, error) {
	return nil, errors.New("disk /dev/secret is full")
}

// A scope sees its own tenants, whatever it asks.
func TestForeignTenants(t *testing.T) {
	o := options(t)
	for _, path := range []string{"", "shop", "billing"} {
		w := get(o, scopetest.Read("shop"), tenant.ID(path), "/")
		if strings.Contains(w.Body.String(), "secret") || strings.Contains(w.Body.String(), "east/billing") || (path == "billing") != (w.Code == 404) {
			t.Errorf("%q: %d\n%s", path, w.Code, w.Body)
		}
	}
	if w := get(o, tenant.Read{}, "", "/"); strings.Contains(w.Body.String(), "shop") {
		t.Errorf("nobody's scope sees a tenant:\n%s", w.Body)
	}
}

// A dashboard, and what it is drawn from, is there for who may read the tenant;
// to others it looks as one that does not exist.
func TestForeignDashboards(t *testing.T) {
	o := options(t)
	for _, path := range []string{"/d/overview", "/d/overview/model", "/d/nothing", "/d/nothing/model"} {
		mine := get(o, scopetest.Read("shop"), "shop", path)
		if want := !strings.Contains(path, "nothing"); (mine.Code == 200) != want {
			t.Errorf("%s of one's own: %d", path, mine.Code)
		}
		theirs, nobodys := get(o, scopetest.Read("shop"), "billing", path), get(o, scopetest.Read("shop"), "gone", path)
		if theirs.Code != 404 || theirs.Body.String() != nobodys.Body.String() {
			t.Errorf("%s: of another %d, of nobody %d\n%s", path, theirs.Code, nobodys.Code, theirs.Body)
		}
		if unnamed := get(o, scopetest.Read("shop"), "", path); unnamed.Code != 404 {
			t.Errorf("%s of no tenant: %d", path, unnamed.Code)
		}
	}
	// The dashboard over all tenants is the operator's alone.
	for _, path := range []string{"/d/home", "/d/home/model"} {
		if w := get(o, scopetest.Operator(), "", path); w.Code != 200 {
			t.Errorf("%s of the operator: %d", path, w.Code)
		}
		if w := get(o, scopetest.Read("shop"), "", path); w.Code != 404 {
			t.Errorf("%s of a team: %d", path, w.Code)
		}
		if w := get(o, scopetest.Read("shop"), "shop", path); w.Code != 404 {
			t.Errorf("%s of a team at its own root: %d", path, w.Code)
		}
	}
	model := get(o, scopetest.Read("shop"), "shop", "/d/logs/model")
	if !strings.HasPrefix(model.Header().Get("Content-Type"), "application/json") || !strings.Contains(model.Body.String(), `"title": "Logs"`) {
		t.Errorf("model: %v\n%.200s", model.Header(), model.Body)
	}
}

// Nothing in a page runs or loads but what is Oriel's: neither a log line, nor
// anything that stands in the page itself.
func TestNothingForeign(t *testing.T) {
	o := options(t)
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*>[^<]|[^>]*src="(?:\.\./)*[^a.])|<[^>]+\son[a-z]+\s*=|javascript:|<style|\sstyle=|(?:src|href)="(?:[a-z]+:)?//`)
	for path, named := range map[string]tenant.ID{"/?": "", "/": "shop", "/d/overview": "shop"} {
		page := get(o, scopetest.Operator(), named, path).Body.String()
		if m := inline.FindString(page); m != "" {
			t.Errorf("page of %q holds %q", named, m)
		}
		if strings.Contains(page, "<script>") || strings.Contains(page, "<img src=x") {
			t.Errorf("page of %q holds a log line's markup", named)
		}
	}
	err := fs.WalkDir(files, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, name)
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "https://"} {
			if strings.Contains(string(data), bad) {
				t.Errorf("%s uses %s", name, bad)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAssets(t *testing.T) {
	o := options(t)
	page := get(o, scopetest.Operator(), "shop", "/").Body.String()
	base := assetHash.FindString(page)
	f := func(path string, status int, contentType, cache string) {
		t.Helper()
		w := get(o, tenant.Read{}, "", path)
		if w.Code != status || !strings.HasPrefix(w.Header().Get("Content-Type"), contentType) || !strings.HasPrefix(w.Header().Get("Cache-Control"), cache) {
			t.Errorf("%s: %d %q %q", path, w.Code, w.Header().Get("Content-Type"), w.Header().Get("Cache-Control"))
		}
	}
	f("/"+base+"tenant.js", 200, "text/javascript", "public")
	f("/"+base+"oriel.css", 200, "text/css", "public")
	f("/"+base+"icon.svg", 200, "image/svg+xml", "public")
	f("/assets/000000000000/tenant.js", 200, "text/javascript", "no-cache")
	f("/"+base+"nothing.js", 404, "text/html", "no-store")
	f("/"+base+"..%2fconsole.go", 404, "text/html", "no-store")
	f("/nothing", 404, "text/html", "no-store")
	for _, name := range regexp.MustCompile(`assets/[0-9a-f]{12}/[a-z.]+`).FindAllString(page, -1) {
		f("/"+name, 200, "", "public")
	}
	if w := httptest.NewRecorder(); true {
		New(o).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://localhost/", nil))
		if w.Code != 405 {
			t.Errorf("POST: %d", w.Code)
		}
	}
}

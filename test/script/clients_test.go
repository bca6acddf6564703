//go:build real

package script

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/olivere/elastic/v7"
	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/test/debian"
)

// TestOlivere uses the Elasticsearch listener by olivere/elastic with sniffing
// and health checks on, as its defaults are.
func TestOlivere(t *testing.T) {
	p := newProgram(t)
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "local/payments")
	token := strings.TrimSpace(p.oriel("token", "create", "--tenant", "payments", "--access", "write"))
	ctx := context.Background()
	c, err := elastic.NewClient(elastic.SetURL("http://"+p.es), elastic.SetBasicAuth("any", token), elastic.SetSniff(true), elastic.SetHealthcheck(true))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	bulk := c.Bulk()
	for i := range 100 {
		bulk.Add(elastic.NewBulkCreateRequest().Index("invoices").Id(fmt.Sprint(i)).Doc(map[string]any{
			"@timestamp": time.Now().Add(-time.Duration(i) * time.Second).Format(time.RFC3339Nano),
			"message":    fmt.Sprintf("invoice %d paid", i), "amount": i, "level": "info",
		}))
	}
	res, err := bulk.Do(ctx)
	if err != nil || res.Errors || len(res.Items) != 100 {
		t.Fatalf("bulk: %v, %+v", err, res)
	}
	found, err := c.Search("invoices").Query(elastic.NewBoolQuery().Must(elastic.NewMatchQuery("message", "paid")).Filter(elastic.NewRangeQuery("amount").Gte(90))).
		Sort("amount", false).Size(3).Aggregation("total", elastic.NewSumAggregation().Field("amount")).TrackTotalHits(true).Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sum, _ := found.Aggregations.Sum("total")
	if found.TotalHits() != 10 || len(found.Hits.Hits) != 3 || sum == nil || sum.Value == nil || *sum.Value != 945 {
		t.Errorf("got %d hits, %d returned, sum %+v; want 10, 3, 945", found.TotalHits(), len(found.Hits.Hits), sum)
	}
	n, err := c.Count("invoices").Do(ctx)
	if err != nil || n != 100 {
		t.Errorf("count: %d %v, want 100", n, err)
	}
	_, err = c.Search("somebody-elses").Do(ctx)
	if !elastic.IsNotFound(err) {
		t.Errorf("a foreign index: got %v, want 404", err)
	}
}

// TestKillRemoteWrite kills the process during remote write; each acknowledged
// sample is there afterwards.
func TestKillRemoteWrite(t *testing.T) {
	const requests = 300
	p := newProgram(t)
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "local/payments")
	token := strings.TrimSpace(p.oriel("token", "create", "--tenant", "payments", "--access", "write"))
	api, err := remoteapi.NewAPI("http://"+p.http, remoteapi.WithAPIPath("api/v1/write"), remoteapi.WithAPIHTTPClient(&http.Client{Transport: bearer(token)}))
	if err != nil {
		t.Fatal(err)
	}
	base := time.Now().Add(-requests * 100 * time.Millisecond).UnixMilli()
	for i := range requests {
		if i == requests/3 || i == 2*requests/3 {
			p.kill()
			p.start()
		}
		req := &prompb.WriteRequest{}
		for s := range 20 {
			req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
				Labels:  []prompb.Label{{Name: "__name__", Value: "kill_test"}, {Name: "series", Value: fmt.Sprint(s)}},
				Samples: []prompb.Sample{{Timestamp: base + int64(i)*100, Value: float64(i)}},
			})
		}
		if _, err := api.Write(context.Background(), remoteapi.WriteV1MessageType, req); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	p.kill()
	p.start()
	out := p.get("/t/payments/api/v1/query?query=sum(count_over_time(kill_test[5m]))")
	if want := fmt.Sprintf(`"%d"`, requests*20); !strings.Contains(out, want) {
		t.Errorf("after three kills: got %s, want %s acknowledged samples", out, want)
	}
}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// TestGrafana onboards into a stand-in for Grafana that refuses what the real
// one refuses, and asks through its data sources, as a panel would.
func TestGrafana(t *testing.T) {
	g := grafanatest.New("admin", "secret")
	srv := httptest.NewServer(g)
	defer srv.Close()
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	cfg := write("oriel.yaml", fmt.Sprintf("grafana: {url: %q, user: admin, password_file: %q}\n", srv.URL, write("password", "secret")))
	p := newProgram(t, "--config="+cfg)
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "local/payments")
	p.oriel("tenants", "onboard", "billing", "--namespace", "local/billing")

	org := func(id string) string { return dashboards.NamesOf(tenant.ID(id)).Org }
	err := poll(15*time.Second, func() error {
		for _, id := range []string{"payments", "billing"} {
			if g.OrgID(org(id)) == 0 {
				return fmt.Errorf("no organisation for %s", id)
			}
			if out := p.oriel("tenants", "show", id); !regexp.MustCompile(`status +ready`).MatchString(out) {
				return fmt.Errorf("%s is not ready: %s", id, out)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	g.AddUser("mia", "pw", false)
	g.Join("mia", org("payments"), grafanatest.Editor)
	ask := func(orgOf, ds, path string) (int, string) {
		req, err := http.NewRequest("GET", srv.URL+"/api/datasources/proxy/uid/"+ds+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("mia", "pw")
		req.Header.Set("X-Grafana-Org-Id", fmt.Sprint(g.OrgID(org(orgOf))))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var body json.RawMessage
		_ = json.NewDecoder(resp.Body).Decode(&body) // an empty one is judged by the caller
		return resp.StatusCode, string(body)
	}
	mine, theirs := dashboards.NamesOf("payments"), dashboards.NamesOf("billing")
	if code, body := ask("payments", mine.Metrics, "/api/v1/query?query="+url.QueryEscape("1+1")); code != 200 || !strings.Contains(body, `"2"`) {
		t.Errorf("metrics through Grafana: %d %s", code, body)
	}
	if code, body := ask("payments", mine.Logs, "/_field_caps?fields=*"); code != 200 || !strings.Contains(body, `"fields"`) {
		t.Errorf("logs through Grafana: %d %s", code, body)
	}
	if code, _ := ask("payments", theirs.Metrics, "/api/v1/query?query=1"); code == 200 {
		t.Error("a member of payments asked billing's data source")
	}
	if code, _ := ask("billing", theirs.Metrics, "/api/v1/query?query=1"); code == 200 {
		t.Error("a member of payments asked in billing's organisation")
	}
	p.oriel("tenants", "offboard", "payments")
	if err := poll(15*time.Second, func() error {
		if g.OrgID(org("payments")) != 0 {
			return fmt.Errorf("the organisation of payments is still there")
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if g.OrgID(org("billing")) == 0 {
		t.Error("billing's organisation went with payments'")
	}
}

// TestBrowser looks at the pages as a browser shows them: charts with lines in
// them, log lines, and a tenants' list.
func TestBrowser(t *testing.T) {
	p := newProgram(t, "--demo")
	p.start()
	if err := poll(30*time.Second, func() error {
		out, _, err := request("GET", p.http+"/t/shop/api/v1/query?query=count_over_time(up[1m])>=4", "", "", nil)
		if err == nil && !strings.Contains(out, `"value"`) {
			err = fmt.Errorf("not enough samples yet: %s", out)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	dump := func(path string) string {
		return debian.Chromium(t, "--virtual-time-budget=8000", "--dump-dom", "http://"+p.http+path)
	}
	home := dump("/")
	for _, want := range []string{"shop", "billing"} {
		if !strings.Contains(home, want) {
			t.Errorf("the page / does not show %s", want)
		}
	}
	page := dump("/t/shop/")
	lines := regexp.MustCompile(`<(path|polyline)[^>]+(d|points)="[^"]{40,}"`).FindAllString(page, -1)
	if len(lines) < 4 {
		t.Errorf("/t/shop/ shows %d lines in charts, want at least 4", len(lines))
	}
	if strings.Contains(page, "billing-api-") {
		t.Error("/t/shop/ shows a pod of billing")
	}
	if !regexp.MustCompile(`shop-web-[a-z0-9-]+`).MatchString(page) {
		t.Error("/t/shop/ shows no log line of a pod of shop")
	}
}

//go:build real

package script

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/dashboards/grafanatest"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/test/debian"
)

// panel is what of a panel of a dashboard its queries need.
type panel struct {
	Type    string
	Title   string
	Targets []struct {
		Datasource struct{ UID string }
		Expr       string
		Instant    bool
		Query      string
		Metrics    []struct {
			Type, Field string
			Settings    struct{ Limit string }
		}
		BucketAggs []struct {
			ID, Type, Field string
			Settings        map[string]string
		}
	}
}

// TestDemoPanels asks what every panel of the demo's dashboards asks, as Grafana
// would and through its stand-in: no panel may be empty.
func TestDemoPanels(t *testing.T) {
	g := grafanatest.New("admin", "secret")
	srv := httptest.NewServer(g)
	defer srv.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"password":   "secret",
		"oriel.yaml": fmt.Sprintf("grafana: {url: %q, user: admin, password_file: %q}\n", srv.URL, filepath.Join(dir, "password")),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := newProgram(t, "--demo", "--config="+filepath.Join(dir, "oriel.yaml"))
	p.start()
	g.AddUser("mia", "pw", false)
	for _, names := range []dashboards.Names{dashboards.NamesOf("shop"), dashboards.NamesOf("billing"), dashboards.OperatorNames()} {
		team := names.Tenant
		ask := func(method, path, contentType string, body []byte, answer any) error {
			req, err := http.NewRequest(method, srv.URL+path, bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.SetBasicAuth("mia", "pw")
			req.Header.Set("Content-Type", contentType)
			req.Header.Set("X-Grafana-Org-Id", strconv.Itoa(g.OrgID(names.Org)))
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			out, err := io.ReadAll(resp.Body)
			if err == nil && resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("%s: %s", resp.Status, out)
			}
			if err != nil {
				return err
			}
			return json.Unmarshal(out, answer)
		}
		uids := names.Dashboards()
		if team == tenant.System {
			uids = []string{names.Board(dashboards.HomeKey)}
		}
		for _, uid := range uids {
			type answer struct {
				Dashboard struct {
					Title  string
					Panels []panel
				}
			}
			var shown answer
			get := func() error {
				shown = answer{}
				if g.OrgID(names.Org) == 0 {
					return fmt.Errorf("no organisation for %s", team)
				}
				g.Join("mia", names.Org, grafanatest.Editor)
				return ask("GET", "/api/dashboards/uid/"+uid, "application/json", nil, &shown)
			}
			// The dashboards are made anew as the first metrics come in.
			if err := poll(60*time.Second, func() error {
				if err := get(); err != nil {
					return err
				}
				if want := "Shop orders"; team == "shop" && shown.Dashboard.Title == "Application" && !has(shown.Dashboard.Panels, want) {
					return fmt.Errorf("no panel %q", want)
				}
				for title, want := range map[string]string{"Overview": "Pods not ready", "Workloads": "Memory of its limit", "Platform": "Used of the limit"} {
					if shown.Dashboard.Title == title && !has(shown.Dashboard.Panels, want) {
						return fmt.Errorf("%s has no panel %q", title, want)
					}
				}
				return nil
			}); err != nil {
				t.Fatalf("%s, %s: %v", team, uid, err)
			}
			if team == "shop" && shown.Dashboard.Title == "Application" && !slices.ContainsFunc(shown.Dashboard.Panels, func(p panel) bool {
				return len(p.Targets) > 0 && strings.Contains(p.Targets[0].Expr, "rate(shop_billing_request_duration_seconds{")
			}) {
				t.Error("no panel of the native histogram")
			}
			asked := 0
			for _, panel := range shown.Dashboard.Panels {
				for i, target := range panel.Targets {
					asked++
					proxy := "/api/datasources/proxy/uid/" + target.Datasource.UID
					if err := poll(60*time.Second, func() error {
						if target.Expr != "" {
							return promPanel(target.Expr, target.Instant, func(path string, form url.Values, out any) error {
								return ask("POST", proxy+path, "application/x-www-form-urlencoded", []byte(form.Encode()), out)
							})
						}
						return logsPanel(panel, i, func(body []byte, out any) error {
							return ask("POST", proxy+"/_msearch?max_concurrent_shard_requests=5", "application/x-ndjson", body, out)
						})
					}); err != nil {
						t.Errorf("%s, %s: panel %q, query %d: %v", team, shown.Dashboard.Title, panel.Title, i, err)
					}
				}
			}
			if asked < 8 {
				t.Errorf("%s: %s has %d queries, want 8 or more", team, shown.Dashboard.Title, asked)
			}
		}
	}
	made := "[oriel shop deploy demo shop] shop-web (deployment in demo/shop) was made"
	if err := poll(60*time.Second, func() error {
		if got := g.Annotations(g.OrgID(dashboards.NamesOf("shop").Org)); !slices.Equal(got, []string{made}) {
			return fmt.Errorf("annotations %q", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	pagesOf(t, "http://"+p.http)
}

// pagesOf looks at the demo's dashboards on Oriel's own page, in a browser: every
// panel shows something. Pictures of all of them are left in ORIEL_CACHE/shots.
func pagesOf(t *testing.T, base string) {
	shots := filepath.Join(os.Getenv("ORIEL_CACHE"), "shots")
	if err := os.MkdirAll(shots, 0o777); err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`<path class="series|<rect class="bar-part|<dd class="figure|<meter max=|<tbody><tr|<li class="(?:trace|debug|info|warn|error|fatal)"`)
	section := regexp.MustCompile(`(?s)<section class="card panel.*?</section>`)
	for _, key := range append(dashboards.Keys(), dashboards.HomeKey) {
		url := base + "/t/shop/d/" + key + "?from=now-15m&to=now"
		if key == dashboards.HomeKey {
			url = base + "/d/" + key + "?from=now-15m&to=now"
		}
		dom := debian.Chromium(t, "--virtual-time-budget=15000", "--window-size=1500,4000", "--dump-dom", url)
		panels := section.FindAllString(dom, -1)
		if len(panels) < 5 {
			t.Errorf("%s: %d panels", key, len(panels))
		}
		for _, p := range panels {
			if !shown.MatchString(p) {
				t.Errorf("%s shows a panel without anything in it: %.1500s", key, p)
			}
		}
		if !strings.Contains(dom, `id="trouble" class="trouble" role="status" hidden`) {
			t.Errorf("%s is in trouble", key)
		}
		for look, args := range map[string][]string{
			"wide-light":  {"--window-size=1500,2000", "--blink-settings=preferredColorScheme=1"},
			"wide-dark":   {"--window-size=1500,2000", "--blink-settings=preferredColorScheme=0"},
			"phone-light": {"--window-size=420,2600", "--blink-settings=preferredColorScheme=1"},
			"phone-dark":  {"--window-size=420,2600", "--blink-settings=preferredColorScheme=0"},
		} {
			debian.Chromium(t, append(args, "--virtual-time-budget=15000", "--screenshot="+filepath.Join(shots, key+"-"+look+".png"), url)...)
		}
	}
	t.Logf("pictures of the pages are in %s", shots)
}

func has(panels []panel, title string) bool {
	return slices.ContainsFunc(panels, func(p panel) bool { return p.Title == title })
}

// promPanel asks as Grafana's Prometheus data source does, over 15 minutes in
// steps of 15 seconds with all clusters and namespaces picked.
func promPanel(expr string, instant bool, ask func(string, url.Values, any) error) error {
	expr = strings.NewReplacer("$__rate_interval", "1m0s", "$__interval", "15s", "$__range", "900s", "$cluster", ".*", "$namespace", ".*", "$pod", ".*").Replace(expr)
	now := time.Now().Unix()
	path, form := "/api/v1/query_range", url.Values{"query": {expr}, "step": {"15"}, "start": {fmt.Sprint((now - 900) / 15 * 15)}, "end": {fmt.Sprint(now / 15 * 15)}}
	if instant {
		path, form = "/api/v1/query", url.Values{"query": {expr}, "time": {fmt.Sprint(now)}}
	}
	var answer struct {
		Data     struct{ Result []json.RawMessage }
		Warnings []string
	}
	switch err := ask(path, form, &answer); {
	case err != nil:
		return err
	case len(answer.Data.Result) == 0:
		return errors.New("empty")
	case len(answer.Warnings) > 0:
		return fmt.Errorf("warnings: %q", answer.Warnings)
	}
	return nil
}

// logsPanel asks as Grafana's Elasticsearch data source does.
func logsPanel(panel panel, i int, ask func(body []byte, answer any) error) error {
	target := panel.Targets[i]
	to := time.Now().UnixMilli()
	from := to - 900_000
	type m = map[string]any
	query := strings.NewReplacer("${cluster:regex}", ".*", "${namespace:regex}", ".*", "${search:raw}", "*").Replace(target.Query)
	body := m{"size": 0, "query": m{"bool": m{"filter": []m{
		{"range": m{"@timestamp": m{"gte": from, "lte": to, "format": "epoch_millis"}}},
		{"query_string": m{"analyze_wildcard": true, "query": query}},
	}}}}
	histogram := func(step string) m {
		return m{"date_histogram": m{"field": "@timestamp", "fixed_interval": step, "min_doc_count": 0, "extended_bounds": m{"min": from, "max": to}, "format": "epoch_millis"}}
	}
	metric := target.Metrics[0]
	lines, table := metric.Type == "logs", panel.Type == "table"
	if lines {
		limit, err := strconv.Atoi(target.Metrics[0].Settings.Limit)
		if err != nil {
			return err
		}
		body["size"] = limit
		body["sort"] = m{"@timestamp": m{"order": "desc", "unmapped_type": "boolean"}, "_doc": m{"order": "desc"}}
		body["script_fields"] = m{}
		body["fields"] = []m{{"field": "@timestamp", "format": "strict_date_optional_time_nanos"}}
		body["highlight"] = m{"fields": m{"*": m{}}, "pre_tags": []string{"@HIGHLIGHT@"}, "post_tags": []string{"@/HIGHLIGHT@"}, "fragment_size": 2147483647}
		body["aggs"] = m{"1": histogram("1000ms")}
	}
	if metric.Type == "max" {
		body["aggs"] = m{"1": m{"max": m{"field": metric.Field}}}
	}
	for k := len(target.BucketAggs) - 1; k >= 0; k-- {
		b := target.BucketAggs[k]
		agg := histogram("15000ms")
		if b.Type == "terms" {
			size, err := strconv.Atoi(b.Settings["size"])
			if err != nil {
				return err
			}
			agg = m{"terms": m{"field": b.Field, "size": size, "order": m{b.Settings["orderBy"]: b.Settings["order"]}, "min_doc_count": 1, "missing": b.Settings["missing"]}}
		}
		if inner, ok := body["aggs"]; ok {
			agg["aggs"] = inner
		}
		body["aggs"] = m{b.ID: agg}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var answer struct {
		Responses []struct {
			Error json.RawMessage
			Hits  struct {
				Total struct {
					Value    int
					Relation string
				}
				Hits []json.RawMessage
			}
			Aggregations map[string]struct {
				Buckets []struct {
					Count int `json:"doc_count"`
				}
			}
		}
	}
	if err := ask([]byte(`{"ignore_unavailable":true,"index":"*","search_type":"query_then_fetch"}`+"\n"+string(text)+"\n"), &answer); err != nil {
		return err
	}
	r := answer.Responses[0]
	counted := 0
	for _, a := range r.Aggregations {
		for _, b := range a.Buckets {
			counted += b.Count
		}
	}
	switch {
	case r.Error != nil:
		return fmt.Errorf("%s", r.Error)
	case r.Hits.Total.Value == 0:
		return errors.New("empty")
	case counted == 0, !table && counted != r.Hits.Total.Value && (r.Hits.Total.Relation == "eq" || counted < r.Hits.Total.Value):
		return fmt.Errorf("%d records in buckets, %d found", counted, r.Hits.Total.Value)
	case lines && len(r.Hits.Hits) != min(r.Hits.Total.Value, body["size"].(int)):
		return fmt.Errorf("%d lines of %d", len(r.Hits.Hits), r.Hits.Total.Value)
	}
	return nil
}

//go:build real

package real

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/console"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
	"github.com/oriel-project/oriel/test/debian"
)

var shots = flag.String("shots", "", "directory for pictures of the console's pages")

// TestConsoleInABrowser opens the page in Chromium: the charts are drawn, the
// lines listed, and what a log line holds stays text.
func TestConsoleInABrowser(t *testing.T) {
	srv := consoleServer(t)
	dom := debian.Chromium(t, "--virtual-time-budget=4000", "--dump-dom", srv.URL+"/t/shop/")
	for what, pattern := range map[string]string{
		"a line in every chart":  `(?s)data-chart="requests".*class="series k.*data-chart="latency".*>p95<?.*class="series k.*data-chart="logs".*class="series kerror`,
		"the figure of a chart":  `<output>[0-9.]+ (ms|GiB|MiB)</output>`,
		"a clock under a chart":  `<text [^>]*text-anchor="middle">[0-9]{2}:[0-9]{2}</text>`,
		"log lines":              `<li class="info"><details><summary><time `,
		"hostile text as text":   `&lt;script&gt;document.title="pwned"&lt;/script&gt;`,
		"the search box":         `<form id="search">`,
		"the address of the API": `<code class="url" data-path="/es">http://127.0.0.1:[0-9]+/t/shop/es</code>`,
		"no trouble":             `id="trouble" class="trouble" role="status" hidden`,
		"an unharmed title":      `<title>shop · Oriel</title>`,
	} {
		if !regexp.MustCompile(pattern).MatchString(dom) {
			t.Errorf("%s: the page has nothing like %s", what, pattern)
		}
	}
	if t.Failed() {
		t.Log(dom)
	}
	list := debian.Chromium(t, "--virtual-time-budget=2000", "--dump-dom", srv.URL+"/")
	if !strings.Contains(list, `href="t/shop/"`) || strings.Contains(list, `id="filter" type="search" hidden`) {
		t.Errorf("the list of tenants:\n%s", list)
	}
	if *shots == "" {
		return
	}
	for name, path := range map[string]string{"tenants": "/", "tenant": "/t/shop/", "empty": "/t/empty/", "search": "/t/shop/?q=error&range=3600"} {
		for look, scheme := range map[string]string{"dark": "0", "light": "1"} {
			debian.Chromium(t, "--virtual-time-budget=4000", "--window-size=1500,1150", "--blink-settings=preferredColorScheme="+scheme,
				"--screenshot="+filepath.Join(*shots, name+"-"+look+".png"), srv.URL+path)
		}
	}
	debian.Chromium(t, "--virtual-time-budget=4000", "--window-size=520,1400", "--screenshot="+filepath.Join(*shots, "narrow.png"), srv.URL+"/t/shop/")
}

// consoleServer serves the console over a store with two teams' lines, and
// answers its script in the shapes of Prometheus and Elasticsearch.
func consoleServer(t *testing.T) *httptest.Server {
	t.Helper()
	store := mem.New(mem.Options{})
	start := time.Now()
	for i := range 120 {
		at := start.Add(time.Duration(i-120) * 1700 * time.Millisecond)
		level, message := "info", fmt.Sprintf("order %d accepted in %d ms", 4000+i, 12+i%37)
		switch {
		case i%23 == 0:
			level, message = "error", `payment refused: upstream billing answered 503 Service Unavailable <script>document.title="pwned"</script>`
		case i%11 == 0:
			level, message = "warn", "retry 2 of 5 after 250 ms: connection reset by peer"
		case i%5 == 0:
			level, message = "debug", "cache miss for key cart:"+strconv.Itoa(i*7919)
		}
		source, err := json.Marshal(map[string]any{"message": message, "level": level, "kubernetes": map[string]string{"namespace_name": "shop"}, "order": i})
		if err != nil {
			t.Fatal(err)
		}
		r := logging.Record{
			Tenant: "shop", Index: "logs-east-shop", Time: at, Received: at, Cluster: "east", Namespace: "shop",
			Pod: fmt.Sprintf("web-%d", i%3), Level: level, Message: message, Source: source,
		}
		if _, err := store.Append(t.Context(), scopetest.Write("shop"), logging.Batch{Records: []logging.Record{r}}); err != nil {
			t.Fatal(err)
		}
	}
	page := console.New(console.Options{
		Directory: twoTeams{}, Searcher: store, Version: "0.1.0",
		Rates: func() map[tenant.ID]console.Rate {
			return map[tenant.ID]console.Rate{"shop": {Samples: 812, Records: 14.3}, "empty": {}}
		},
		Onboarding: func(id tenant.ID) (map[string]float64, []string) {
			if id == "empty" {
				return map[string]float64{"scrape": 0.3}, []string{"dashboards"}
			}
			return map[string]float64{"dashboards": 1.4}, nil
		},
		Notices: []string{"Everybody on this machine is the operator (auth.anonymous: operator)."},
	})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := tenant.WithRead(r.Context(), scopetest.Operator())
		for _, id := range []tenant.ID{"shop", "empty"} {
			if rest, ok := strings.CutPrefix(r.URL.Path, "/t/"+string(id)); ok {
				r.URL.Path = rest
				ctx = tenant.WithNamed(ctx, id)
			}
		}
		id, _ := tenant.NamedFrom(ctx)
		switch {
		case strings.HasPrefix(r.URL.Path, "/api/"):
			promReply(w, r, id)
		case r.URL.Path == "/es/_search":
			esReply(t, w, r, store, id)
		default:
			page.ServeHTTP(w, r.WithContext(ctx))
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

type twoTeams struct{}

func (twoTeams) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	life := func(cluster, namespace string) tenant.Namespace {
		return tenant.Namespace{Life: tenant.Life{Cluster: cluster, Namespace: namespace}}
	}
	switch id {
	case "shop":
		return tenant.Tenant{ID: id, Namespaces: []tenant.Namespace{life("east", "shop"), life("east", "shop-jobs"), life("west", "shop")}}, true
	case "empty":
		return tenant.Tenant{ID: id, Namespaces: []tenant.Namespace{life("east", "empty")}}, true
	}
	return tenant.Tenant{}, false
}

func (d twoTeams) All() iter.Seq[tenant.Tenant] {
	return func(yield func(tenant.Tenant) bool) {
		for _, id := range []tenant.ID{"empty", "shop"} {
			if tn, _ := d.Lookup(id); !yield(tn) {
				return
			}
		}
	}
}
func (twoTeams) Owner(string, string, time.Time) (tenant.ID, bool) { return "", false }
func (twoTeams) Sealed(tenant.ID) []tenant.Life                    { return nil }

// promReply answers with waves where the query asks for what it knows.
func promReply(w http.ResponseWriter, r *http.Request, id tenant.ID) {
	var data any = []string{}
	switch {
	case id == "empty":
	case strings.HasSuffix(r.URL.Path, "/__name__/values"):
		data = []string{"http_requests_total", "http_request_duration_seconds_bucket", "process_cpu_seconds_total", "process_resident_memory_bytes"}
	case strings.HasSuffix(r.URL.Path, "/labels"):
		data = []string{"__name__", "code", "namespace"}
	case strings.HasSuffix(r.URL.Path, "/query"): // how often the targets are scraped
		data = map[string]any{"resultType": "matrix", "result": []any{map[string]any{"metric": map[string]string{}, "values": [][2]any{{1000, "1"}, {1015, "1"}}}}}
	default:
		data = map[string]any{"resultType": "matrix", "result": waves(r.URL.Query())}
	}
	writeJSON(w, map[string]any{"status": "success", "data": data})
}

func waves(q url.Values) []any {
	query := q.Get("query")
	number := func(name string) float64 { f, _ := strconv.ParseFloat(q.Get(name), 64); return f }
	wave := func(metric map[string]string, base, swing, phase float64) any {
		var values [][2]any
		for t := number("start"); t <= number("end"); t += number("step") {
			// A gap, as of a process that was away.
			if phase == 2 && t > number("end")-300 && t < number("end")-200 {
				continue
			}
			v := base + swing*math.Sin(t/97+phase) + swing/4*math.Sin(t/13+phase*3)
			values = append(values, [2]any{t, strconv.FormatFloat(v, 'g', -1, 64)})
		}
		return map[string]any{"metric": metric, "values": values}
	}
	switch {
	case strings.Contains(query, "quantile(0.5"):
		return []any{wave(map[string]string{}, 0.031, 0.006, 0)}
	case strings.Contains(query, "quantile(0.95"):
		return []any{wave(map[string]string{}, 0.24, 0.09, 1)}
	case strings.Contains(query, "5.."):
		return []any{wave(map[string]string{"namespace": "shop", "cluster": "east"}, 0.012, 0.009, 1)}
	case strings.Contains(query, "http_requests_total"):
		return []any{
			wave(map[string]string{"namespace": "shop", "cluster": "east", "job": "web"}, 84, 21, 0),
			wave(map[string]string{"namespace": "shop", "cluster": "west", "job": "web"}, 43, 9, 2),
		}
	}
	var out []any
	for i := range 10 {
		m := map[string]string{"namespace": "shop", "cluster": "east", "pod": fmt.Sprintf("web-6c9f7d-%d", i)}
		if strings.Contains(query, "cpu") {
			out = append(out, wave(m, 0.11+0.03*float64(i), 0.04, float64(i)))
		} else {
			out = append(out, wave(m, 160e6+22e6*float64(i), 9e6, float64(i)))
		}
	}
	return out
}

// esReply answers the two searches of the page.
func esReply(t *testing.T, w http.ResponseWriter, r *http.Request, store logging.Store, id tenant.ID) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	view, err := store.Snapshot(r.Context(), scopetest.Read(id))
	if err != nil {
		t.Error(err)
		return
	}
	defer view.Close()
	q := logging.Query{Sort: []logging.SortKey{{Field: logging.Field{Name: logging.FieldTime}, Desc: true}}, Limit: 200}
	if strings.Contains(string(body), `"query":"error"`) {
		q.Filter = logging.Term{Field: logging.FieldOf("level"), Text: "error"}
	}
	res, err := view.Search(r.Context(), q)
	if err != nil {
		t.Error(err)
		return
	}
	if strings.Contains(string(body), `"aggs"`) {
		counts := map[string]map[int64]int{}
		for _, h := range res.Hits {
			if counts[h.Record.Level] == nil {
				counts[h.Record.Level] = map[int64]int{}
			}
			counts[h.Record.Level][h.Record.Time.Unix()/15*15000]++
		}
		buckets := []any{}
		for level, times := range counts {
			inner := []any{}
			for at, n := range times {
				inner = append(inner, map[string]any{"key": at, "doc_count": n})
			}
			buckets = append(buckets, map[string]any{"key": level, "time": map[string]any{"buckets": inner}})
		}
		writeJSON(w, map[string]any{"aggregations": map[string]any{"level": map[string]any{"buckets": buckets}}})
		return
	}
	hits := []any{}
	for _, h := range res.Hits {
		hits = append(hits, map[string]any{
			"_index": h.Record.Index, "_id": h.Record.ID, "_source": json.RawMessage(h.Record.Source),
			"fields": map[string]any{
				"@timestamp": []string{h.Record.Time.Format(time.RFC3339Nano)}, "level": []string{h.Record.Level},
				"namespace": []string{h.Record.Namespace}, "pod": []string{h.Record.Pod}, "message": []string{h.Record.Message},
			},
		})
	}
	writeJSON(w, map[string]any{"hits": map[string]any{"hits": hits}})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

package promapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at() time.Time { return now }

// fill writes two tenants. What is b's alone is called secret or hunter2, or is 4242.
func fill(t testing.TB, only ...tenant.ID) *tsdb.Store {
	t.Helper()
	s, err := tsdb.Open(t.TempDir(), tsdb.Options{Clock: at})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	for _, id := range only {
		app := s.Appender(context.Background(), scopetest.Write(id)).(storage.ExemplarAppenderV2)
		names, extra := []string{"visible"}, []string{"pod", "p1"}
		if id == "b" {
			names, extra = []string{"visible", "secret"}, []string{"pod", "p1", "secretlabel", "hunter2"}
		}
		for i, name := range []string{"up", "scrape_duration_seconds"} {
			v := []float64{1, 0.25}[i]
			if _, err := app.Append(0, labels.FromStrings(append([]string{model.MetricNameLabel, name, "job", "scraped", "namespace", string(id) + "-ns"}, extra...)...), 0, now.UnixMilli(), v, nil, nil, storage.AOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range names {
			ls := labels.FromStrings(append([]string{model.MetricNameLabel, name, "namespace", string(id) + "-ns", "späh", "x"}, extra...)...)
			v := map[tenant.ID]float64{"a": 1, "b": 4242}[id]
			for _, back := range []time.Duration{time.Minute, 0} {
				ts := now.Add(-back).UnixMilli()
				if _, err := app.Append(0, ls, 0, ts, v, nil, nil, storage.AOptions{
					Metadata:  metadata.Metadata{Type: model.MetricTypeGauge, Help: "help of " + name},
					Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("trace", "of-"+string(id)), Value: v, Ts: ts, HasTs: true}},
				}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func newAPI(t testing.TB, s metrics.Store) *API {
	t.Helper()
	a, err := New(Options{Querier: s, Metadata: s.Metadata, Cardinality: s.Cardinality, Clock: at, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

type reply struct {
	code   int
	body   string
	header http.Header
}

func do(a http.Handler, r tenant.Read, method, target, contentType, body string) reply {
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, req.WithContext(tenant.WithRead(req.Context(), r)))
	return reply{rec.Code, rec.Body.String(), rec.Header()}
}

const form = "application/x-www-form-urlencoded"

// TestReplies pins what clients see, byte by byte.
func TestReplies(t *testing.T) {
	a := newAPI(t, fill(t, "a", "b"))
	r := scopetest.Read("a")
	at := fmt.Sprint(now.Unix())
	window := "start=" + fmt.Sprint(now.Unix()-60) + "&end=" + at + "&step=30"
	for _, c := range []struct{ name, method, target, contentType, body string }{
		{"health", "POST", "/api/v1/query", form, "query=1%2B1&time=4"},
		{"query", "GET", "/api/v1/query?query=visible&time=" + at, "", ""},
		{"query_post", "POST", "/api/v1/query", form, "query=visible&time=" + at},
		{"query_bad", "GET", "/api/v1/query?query=visible{&time=" + at, "", ""},
		{"query_range", "POST", "/api/v1/query_range", form, "query=visible&" + window},
		{"query_range_too_fine", "POST", "/api/v1/query_range", form, "query=visible&start=0&end=" + at + "&step=1"},
		{"exemplars", "POST", "/api/v1/query_exemplars", form, "query=visible&" + window},
		{"exemplars_probe_in_millis", "POST", "/api/v1/query_exemplars", form, "query=test&start=" + fmt.Sprint(now.UnixMilli()-3600e3) + "&end=" + fmt.Sprint(now.UnixMilli())},
		{"labels", "GET", "/api/v1/labels?limit=40000", "", ""},
		{"label_values", "GET", "/api/v1/label/__name__/values?limit=40000&match%5B%5D=%7Bnamespace%3D%22a-ns%22%7D", "", ""},
		{"label_values_utf8", "GET", "/api/v1/label/U__sp_e4_h/values", "", ""},
		{"label_values_utf8_raw", "GET", "/api/v1/label/sp%C3%A4h/values", "", ""},
		{"labels_truncated", "GET", "/api/v1/labels?limit=2", "", ""},
		{"series", "POST", "/api/v1/series", form, "match%5B%5D=%7B__name__%21%3D%22%22%7D&limit=40000"},
		{"series_no_match", "GET", "/api/v1/series", "", ""},
		{"metadata", "GET", "/api/v1/metadata", "", ""},
		{"metadata_of_none", "GET", "/api/v1/metadata?metric=secret", "", ""},
		{"metadata_bad_limit", "GET", "/api/v1/metadata?limit=x", "", ""},
		{"rules", "GET", "/api/v1/rules", "", ""},
		{"targets", "GET", "/api/v1/targets?state=any", "", ""},
		{"targets_of_none", "GET", "/api/v1/targets?scrapePool=hunter", "", ""},
		{"status_tsdb", "GET", "/api/v1/status/tsdb?limit=4", "", ""},
		{"status_tsdb_bad_limit", "GET", "/api/v1/status/tsdb?limit=0", "", ""},
		{"alerts", "GET", "/api/v1/alerts", "", ""},
		{"format_query", "GET", "/api/v1/format_query?query=a%2Bb", "", ""},
		{"parse_query", "GET", "/api/v1/parse_query?query=1", "", ""},
		{"federate", "GET", "/federate?match%5B%5D=%7B__name__%3D~%22.%2B%22%7D", "", ""},
		{"federate_no_match", "GET", "/federate", "", ""},
		{"federate_bad_match", "GET", "/federate?match%5B%5D=visible&match%5B%5D=%7B", "", ""},
		{"not_listed", "GET", "/api/v1/status/config", "", ""},
		{"wrong_method", "DELETE", "/api/v1/query", "", ""},
		{"foreign_only", "GET", "/api/v1/query?query=secret&time=" + at, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := do(a, r, c.method, c.target, c.contentType, c.body)
			text := fmt.Sprintf("%s %s\n%s\n%d %s\n%s\n", c.method, c.target, c.body, got.code, got.header.Get("Content-Type"), strings.TrimRight(got.body, "\n"))
			file := filepath.Join("testdata", c.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", text, want)
			}
		})
	}
}

func TestBuildInfo(t *testing.T) {
	got := do(newAPI(t, fill(t)), scopetest.Read("nobody-yet"), "GET", "/api/v1/status/buildinfo", "", "")
	var v struct {
		Status string
		Data   map[string]any
	}
	if err := json.Unmarshal([]byte(got.body), &v); err != nil || v.Status != "success" || v.Data["version"] != engineVersion {
		t.Errorf("%d %s", got.code, got.body)
	}
	if _, has := v.Data["features"]; has {
		t.Error("features make Grafana take this for another product")
	}
}

// TestNothingElseIsServed walks over what Prometheus has and we must not.
func TestNothingElseIsServed(t *testing.T) {
	a := newAPI(t, fill(t, "a", "b"))
	for _, path := range []string{
		"status/config", "status/flags", "status/tsdb/blocks", "status/runtimeinfo", "status/self_metrics", "status/walreplay",
		"targets/metadata", "targets/relabel_steps", "scrape_pools", "scrape_pools/config", "alertmanagers", "notifications", "notifications/live",
		"search/metric_names", "search/label_names", "search/label_values", "query_cost", "query_range_cost", "features", "openapi.yaml",
		"admin/tsdb/delete_series", "admin/tsdb/clean_tombstones", "admin/tsdb/snapshot", "write", "otlp/v1/metrics", "", "query/", "label//values", "label/a/b/values",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "HEAD"} {
			for _, prefix := range []string{"/api/v1/", "//api/v1/", "/api/v1/query/../", "/api/v1/%2e%2e/v1/"} {
				got := do(a, scopetest.Operator(), method, prefix+path, "", "")
				if got.code != http.StatusNotFound || !strings.Contains(got.body, `"status":"error","errorType":"not_found"`) {
					t.Errorf("%s %s%s: %d %s", method, prefix, path, got.code, got.body)
				}
			}
		}
	}
}

var timings = regexp.MustCompile(`"timings":\{[^}]*\}`)

// TestNoRouteTellsOfAnotherTenant asks every route for everything, in every way
// it takes parameters, and compares with a store that holds one tenant alone.
func TestNoRouteTellsOfAnotherTenant(t *testing.T) {
	both, alone := newAPI(t, fill(t, "a", "b")), newAPI(t, fill(t, "a"))
	at := fmt.Sprint(now.Unix())
	params := []string{
		"", "query=secret&time=" + at, "query=%7B__name__%3D~%22.%2B%22%7D&time=" + at, "query=secret&start=0&end=" + at + "&step=1e8",
		"query=%7B__name__%3D~%22.%2B%22%7D&start=" + fmt.Sprint(now.Unix()-60) + "&end=" + at + "&step=30",
		"query=quantile(scalar(secret)/8484,visible)&time=" + at, "query=absent(secret)&time=" + at, "query=visible&query=secret&time=" + at,
		"match%5B%5D=secret", "match%5B%5D=%7B__name__%3D~%22.%2B%22%7D", "match%5B%5D=", "match%5B%5D=visible&match%5B%5D=%7B", "match%5B%5D=%7Bnamespace%3D%22b-ns%22%7D",
		"metric=secret", "limit=1", "tenant=b&namespace=b-ns&X-Scope-OrgID=b&extra_label=tenant%3Db&extra_filters%5B%5D=%7B%7D&match%5B%5D=secret&query=secret",
		"stats=all&query=secret&time=" + at, "query=secret&lookback_delta=1h&time=" + at,
	}
	readBody := remoteRead(t, prompb.ReadRequest_SAMPLES)
	requests := 0
	for _, rt := range both.Routes() {
		for _, label := range []string{"__name__", "secretlabel", "namespace"} {
			if label != "__name__" && !strings.Contains(rt.Pattern, "{name}") {
				continue
			}
			path := strings.ReplaceAll(rt.Pattern, "{name}", label)
			for _, p := range params {
				for _, c := range []struct{ method, target, contentType, body string }{
					{"GET", path + "?" + p, "", ""},
					{"HEAD", path + "?" + p, "", ""},
					{"OPTIONS", path + "?" + p, "", ""},
					{"PUT", path + "?" + p, "", ""},
					{"POST", path, form, p},
					{"POST", path + "?" + p, form, "query=visible&match%5B%5D=visible"},
					{"POST", path + "?query=visible&match%5B%5D=visible", form, p},
					{"POST", path, "application/json", `{"query":"secret"}`},
					{"POST", path, "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nsecret\r\n--x--\r\n"},
					{"POST", path, "application/x-protobuf", readBody},
				} {
					got, want := do(both, scopetest.Read("a"), c.method, c.target, c.contentType, c.body), do(alone, scopetest.Read("a"), c.method, c.target, c.contentType, c.body)
					requests++
					// How long a query took may come back in stats.
					got.body, want.body = timings.ReplaceAllString(got.body, ""), timings.ReplaceAllString(want.body, "")
					if got.code != want.code || got.body != want.body {
						t.Errorf("%s %s %q:\n got %d %s\nwant %d %s", c.method, c.target, c.body, got.code, got.body, want.code, want.body)
					}
					if got.code == 200 {
						for _, s := range []string{"hunter2", "4242", "of-b", "b-ns", "help of secret"} {
							// What the caller wrote may come back; only data can give it away.
							if strings.Contains(got.body, s) && !strings.Contains(p, s) {
								t.Errorf("%s %s leaks %q: %s", c.method, c.target, s, got.body)
							}
						}
					}
				}
			}
		}
	}
	t.Logf("%d requests over %d routes", requests, len(both.Routes()))
}

func TestNoScopeSeesNothing(t *testing.T) {
	a := newAPI(t, fill(t, "a"))
	for _, rt := range a.Routes() {
		method := rt.Methods[0]
		if got := do(a, tenant.Read{}, method, strings.ReplaceAll(rt.Pattern, "{name}", "x"), "", ""); got.code != http.StatusForbidden {
			t.Errorf("%s: %d %s", rt, got.code, got.body)
		}
		if rt.Access != httpx.Read {
			t.Errorf("%s asks for %s", rt, rt.Access)
		}
	}
}

func remoteRead(t testing.TB, typ prompb.ReadRequest_ResponseType) string {
	t.Helper()
	req := &prompb.ReadRequest{
		Queries: []*prompb.Query{{
			StartTimestampMs: now.Add(-time.Hour).UnixMilli(), EndTimestampMs: now.UnixMilli(),
			Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_RE, Name: "__name__", Value: ".+"}},
		}},
		AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{typ},
	}
	b, err := proto.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	return string(snappy.Encode(nil, b))
}

func TestRemoteRead(t *testing.T) {
	srv := httptest.NewServer(scoped{newAPI(t, fill(t, "a", "b")), scopetest.Read("a")})
	defer srv.Close()
	for _, typ := range []prompb.ReadRequest_ResponseType{prompb.ReadRequest_SAMPLES, prompb.ReadRequest_STREAMED_XOR_CHUNKS} {
		resp, err := http.Post(srv.URL+"/api/v1/read", "application/x-protobuf", strings.NewReader(remoteRead(t, typ)))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if typ == prompb.ReadRequest_SAMPLES {
			if b, err = snappy.Decode(nil, b); err != nil {
				t.Fatal(err)
			}
		}
		if resp.StatusCode != 200 || !bytes.Contains(b, []byte("a-ns")) || bytes.Contains(b, []byte("b-ns")) || bytes.Contains(b, []byte("hunter2")) {
			t.Errorf("%s: %d %q", typ, resp.StatusCode, b)
		}
	}
}

type scoped struct {
	h http.Handler
	r tenant.Read
}

func (s scoped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.h.ServeHTTP(w, r.WithContext(tenant.WithRead(r.Context(), s.r)))
}

func TestBodiesAreBounded(t *testing.T) {
	s := fill(t, "a")
	a, err := New(Options{Querier: s, BodyBytesMax: 100, Clock: at})
	if err != nil {
		t.Fatal(err)
	}
	if got := do(a, scopetest.Read("a"), "POST", "/api/v1/query", form, "query="+strings.Repeat("a", 200)); got.code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d %s", got.code, got.body)
	}
	if got := do(a, scopetest.Read("a"), "GET", "/api/v1/query?query="+url.QueryEscape(strings.Repeat("a", 20000)), "", ""); got.code != 200 {
		t.Errorf("a long URL: %d %s", got.code, got.body)
	}
}

// failing is a store that cannot read.
type failing struct{}

func (failing) Queryable(tenant.Read) metrics.Queryable { return failing{} }
func (failing) Querier(int64, int64) (storage.Querier, error) {
	return nil, errors.New("open /var/lib/secret: torn")
}
func (failing) ChunkQuerier(int64, int64) (storage.ChunkQuerier, error) {
	return nil, errors.New("open /var/lib/secret: torn")
}
func (failing) ExemplarQuerier(context.Context) (storage.ExemplarQuerier, error) {
	return nil, errors.New("open /var/lib/secret: torn")
}

func TestErrorsOfTheStoreStayInside(t *testing.T) {
	a, err := New(Options{Querier: failing{}, Clock: at})
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/api/v1/query?query=m", "/api/v1/labels", "/api/v1/series?match%5B%5D=m", "/api/v1/query_exemplars?query=m", "/federate?match%5B%5D=m"} {
		got := do(a, scopetest.Read("a"), "GET", target, "", "")
		if got.code < 500 && got.code != 422 || strings.Contains(got.body, "secret") || !strings.Contains(got.body, "under id") {
			t.Errorf("%s: %d %s", target, got.code, got.body)
		}
	}
}

func TestInstancesAreBoundedAndApart(t *testing.T) {
	made := 0
	c := newInstances(2, func(r tenant.Read) http.Handler {
		made++
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, r.Key()) })
	})
	for _, r := range []tenant.Read{
		scopetest.Read("a"), scopetest.Read("b"), scopetest.Read("a"), scopetest.Read("a", "b"),
		scopetest.ReadAs("x", "a"), scopetest.Read("b"), scopetest.Operator(),
	} {
		rec := httptest.NewRecorder()
		c.get(r).ServeHTTP(rec, nil)
		if rec.Body.String() != r.Key() {
			t.Errorf("scope %q got the handler of %q", r.Key(), rec.Body)
		}
		if c.order.Len() > 2 || len(c.of) > 2 {
			t.Errorf("%d instances are kept", c.order.Len())
		}
	}
	if made != 6 {
		t.Errorf("%d were made", made)
	}
}

func BenchmarkNewInstance(b *testing.B) {
	a := newAPI(b, fill(b, "a"))
	b.ReportAllocs()
	for range b.N {
		a.newInstance(scopetest.Read("a"))
	}
}

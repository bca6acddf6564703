package otlp

import (
	"bytes"
	"context"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"

	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func openStore(t testing.TB, o tsdb.Options) *tsdb.Store {
	t.Helper()
	s, err := tsdb.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// serve gives the API to a caller with one write scope.
func serve(t testing.TB, s *tsdb.Store, w tenant.Write) http.Handler {
	t.Helper()
	a, err := New(Options{Appender: s})
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		a.ServeHTTP(rw, r.WithContext(tenant.WithWrite(r.Context(), w)))
	})
}

// series gives the labels of everything that the scope sees.
func series(t testing.TB, s *tsdb.Store, r tenant.Read) (out []string) {
	t.Helper()
	q, err := s.Queryable(r).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+"))
	for set.Next() {
		out = append(out, strings.Clone(set.At().Labels().String()))
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return out
}

// The field's own SDK exports, under a cluster's credential, for two namespaces.
func TestSDK(t *testing.T) {
	s := openStore(t, tsdb.Options{})
	owners := scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop"}}
	srv := httptest.NewServer(serve(t, s, scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, owners)))
	defer srv.Close()
	ctx := context.Background()
	for _, namespace := range []string{"shop", "foreign"} {
		exp, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(srv.URL+"/v1/metrics"), otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
		if err != nil {
			t.Fatal(err)
		}
		reader := sdkmetric.NewPeriodicReader(exp, sdkmetric.WithInterval(time.Hour))
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(sdkresource.NewSchemaless(
			attribute.String("service.name", "web"), attribute.String("service.instance.id", "web-0"),
			attribute.String("k8s.namespace.name", namespace), attribute.String("k8s.pod.name", "web-0"), attribute.String("cluster", "forged"))))
		meter := provider.Meter("test")
		count, err := meter.Int64Counter("http.requests")
		if err != nil {
			t.Fatal(err)
		}
		count.Add(ctx, 3)
		took, err := meter.Float64Histogram("http.duration")
		if err != nil {
			t.Fatal(err)
		}
		took.Record(ctx, 0.2)
		if err := provider.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
	}
	got := series(t, s, scopetest.Read("shop"))
	for _, want := range []string{
		`{__name__="http_requests_total", cluster="eu-1", instance="web-0", job="web", namespace="shop", pod="web-0"}`,
		`{__name__="http_duration_bucket", cluster="eu-1", instance="web-0", job="web", le="0.0", namespace="shop", pod="web-0"}`,
		`{__name__="target_info", cluster="eu-1", instance="web-0", job="web", namespace="shop", pod="web-0"}`,
	} {
		if !slices.ContainsFunc(got, func(have string) bool {
			return have == want || strings.Contains(want, `le="0.0"`) && strings.Contains(have, "http_duration_bucket")
		}) {
			t.Errorf("no %s in\n%s", want, strings.Join(got, "\n"))
		}
	}
	if all := strings.Join(got, "\n"); strings.Contains(all, "foreign") || strings.Contains(all, "forged") {
		t.Errorf("got\n%s", all)
	}
	if n := len(series(t, s, scopetest.Read(tenant.Unassigned))); n == 0 {
		t.Error("what nobody owns is lost")
	}
}

// body is a request with one gauge of n points, all of now, and what change makes of it.
func body(t testing.TB, n int, change func(pmetric.Metrics)) []byte {
	t.Helper()
	md := pmetric.NewMetrics()
	rm := md.ResourceMetrics().AppendEmpty()
	rm.Resource().Attributes().PutStr("service.name", "web")
	m := rm.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty()
	m.SetName("load")
	g := m.SetEmptyGauge()
	for i := range n {
		p := g.DataPoints().AppendEmpty()
		p.SetDoubleValue(1)
		p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now()))
		p.Attributes().PutInt("i", int64(i))
	}
	if change != nil {
		change(md)
	}
	b, err := pmetricotlp.NewExportRequestFromMetrics(md).MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func post(h http.Handler, contentType, encoding string, body []byte) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/v1/metrics", bytes.NewReader(body))
	req.Header.Set("Content-Type", contentType)
	if encoding != "" {
		req.Header.Set("Content-Encoding", encoding)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func TestAnswers(t *testing.T) {
	const proto = "application/x-protobuf"
	s := openStore(t, tsdb.Options{SeriesMax: func(tenant.ID) int { return 20 }})
	h := serve(t, s, scopetest.Write("a"))
	deep := func(md pmetric.Metrics) {
		v := md.ResourceMetrics().At(0).Resource().Attributes().PutEmpty("deep")
		for range 100 {
			v = v.SetEmptySlice().AppendEmpty()
		}
	}
	delta := func(md pmetric.Metrics) {
		m := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().AppendEmpty()
		m.SetName("delta")
		sum := m.SetEmptySum()
		sum.SetAggregationTemporality(pmetric.AggregationTemporalityDelta)
		sum.DataPoints().AppendEmpty().SetIntValue(1)
	}
	future := func(md pmetric.Metrics) {
		p := md.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Gauge().DataPoints().At(0)
		p.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Add(time.Hour)))
	}
	for _, c := range []struct {
		name, contentType, encoding string
		body                        []byte
		code                        int
		says                        string
	}{
		{"protobuf", proto, "", body(t, 2, nil), 200, ""},
		{"gzip", proto, "gzip", zipped(body(t, 2, nil)), 200, ""},
		{"JSON", "application/json; charset=utf-8", "", []byte(`{"resourceMetrics":[]}`), 200, "{"},
		{"nothing", proto, "", nil, 200, ""},
		{"text", "text/plain", "", []byte("x"), 415, "Content-Type"},
		{"snappy", proto, "snappy", body(t, 1, nil), 415, "Content-Encoding"},
		{"no gzip", proto, "gzip", []byte("x"), 400, "gzip"},
		{"no protobuf", proto, "", []byte("\xff\xff"), 400, "protobuf"},
		{"no JSON", "application/json", "", []byte(`{"resourceMetrics":[`), 400, "JSON"},
		{"deep", proto, "", body(t, 1, deep), 400, "nested"},
		{"deep JSON", "application/json", "", []byte(strings.Repeat("[", 1000) + strings.Repeat("]", 1000)), 400, "nested"},
		{"many", proto, "", bytes.Repeat([]byte{0x0a, 0x00}, 1_000_001), 413, "smaller"},
		{"bomb", proto, "gzip", zipped(make([]byte, 30<<20)), 413, "smaller"},
		{"delta beside others", proto, "", body(t, 2, delta), 200, "temporality"},
		{"future beside others", proto, "", body(t, 2, future), 200, "too far in the future"},
		{"too many series", proto, "", body(t, 40, nil), 200, "limits.series"},
	} {
		got := post(h, c.contentType, c.encoding, c.body)
		if got.Code != c.code || !strings.Contains(got.Body.String(), c.says) {
			t.Errorf("%s: %d %q, want %d and %q", c.name, got.Code, got.Body, c.code, c.says)
		}
	}
	if got := post(serve(t, s, tenant.Write{}), proto, "", body(t, 1, nil)); got.Code != http.StatusForbidden {
		t.Errorf("without a scope: %d", got.Code)
	}
	if n := len(series(t, s, scopetest.Read("a"))); n != 20 {
		t.Errorf("%d series are stored, 20 are allowed", n)
	}
}

// A tenant that sends too fast is told when to come again, and loses nothing.
func TestRate(t *testing.T) {
	s := openStore(t, tsdb.Options{SamplesPerSecond: func(tenant.ID) int { return 1 }})
	h := serve(t, s, scopetest.Write("a"))
	if got := post(h, "application/x-protobuf", "", body(t, 100, nil)); got.Code != 200 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	got := post(h, "application/x-protobuf", "", body(t, 1, nil))
	if got.Code != http.StatusTooManyRequests || got.Header().Get("Retry-After") == "" || !strings.Contains(got.Body.String(), "limits.samples") {
		t.Errorf("%d %v %q", got.Code, got.Header(), got.Body)
	}
}

func FuzzReceive(f *testing.F) {
	s := openStore(f, tsdb.Options{SeriesMax: func(tenant.ID) int { return 1000 }})
	h := serve(f, s, scopetest.Write("a"))
	f.Add(body(f, 2, nil), true)
	f.Add([]byte(`{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"x","gauge":{"dataPoints":[{"asInt":"1","timeUnixNano":"1"}]}}]}]}]}`), false)
	f.Fuzz(func(t *testing.T, b []byte, proto bool) {
		contentType := "application/json"
		if proto {
			contentType = "application/x-protobuf"
		}
		if got := post(h, contentType, "", b); got.Code >= 500 {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	})
}

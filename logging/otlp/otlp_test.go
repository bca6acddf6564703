package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	cluster = tenant.Cluster{Name: "eu", Region: "r", Cloud: "private"}
	owners  = scopetest.Owners{Of: map[string]tenant.ID{"eu/web": "shop", "eu/led": "billing"}}
)

type rig struct {
	http.Handler
	store *mem.Store
	scope tenant.Write
}

func newRig(o Options) *rig {
	r := &rig{store: mem.New(mem.Options{}), scope: scopetest.WriteCluster(cluster, owners)}
	if o.Appender == nil {
		o.Appender = r.store
	}
	o.Stamper = &logging.Stamper{}
	r.Handler = New(o)
	return r
}

func (r *rig) post(body []byte, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/v1/logs", bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/x-protobuf")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req.WithContext(tenant.WithWrite(req.Context(), r.scope)))
	return w
}

// records gives what a tenant sees, in the order in which it came.
func (r *rig) records(t testing.TB, of tenant.Read) (out []logging.Record) {
	t.Helper()
	v, err := r.store.Snapshot(t.Context(), of)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	res, err := v.Search(t.Context(), logging.Query{Limit: 1000, Sort: []logging.SortKey{{Field: logging.FieldOf(logging.FieldSeq)}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range res.Hits {
		out = append(out, h.Record)
	}
	return out
}

// request makes one of a record that has everything, and one that has nothing.
func request(namespace string) plogotlp.ExportRequest {
	logs := plog.NewLogs()
	rl := logs.ResourceLogs().AppendEmpty()
	rl.Resource().Attributes().PutStr("k8s.namespace.name", namespace)
	rl.Resource().Attributes().PutStr("k8s.pod.name", "web-7f-x1")
	rl.Resource().Attributes().PutStr("service.name", "checkout")
	sl := rl.ScopeLogs().AppendEmpty()
	sl.Scope().SetName("http")
	sl.Scope().SetVersion("1.2")
	rec := sl.LogRecords().AppendEmpty()
	rec.SetTimestamp(pcommon.NewTimestampFromTime(time.Now().Truncate(time.Hour).Add(123456789)))
	rec.SetSeverityNumber(plog.SeverityNumberError2)
	rec.SetSeverityText("ERROR")
	rec.Body().SetStr("card was declined")
	rec.SetTraceID([16]byte{0xde, 0xad, 15: 1})
	rec.SetSpanID([8]byte{7: 2})
	a := rec.Attributes()
	a.PutStr("http.method", "POST")
	a.PutInt("http.status", 402)
	a.PutDouble("took", 1.5)
	a.PutBool("retried", true)
	a.PutEmptyBytes("raw").FromRaw([]byte{1, 2})
	a.PutEmptySlice("items").AppendEmpty().SetInt(9223372036854775807)
	a.PutEmptyMap("user").PutStr("name", "a \"b\"\n")
	a.PutEmpty("nothing")
	sl.LogRecords().AppendEmpty().Body().SetEmptyMap().PutStr("msg", "structured")
	return plogotlp.NewExportRequestFromLogs(logs)
}

const wantDocument = `{
	"severity_number": 18, "severity_text": "ERROR", "level": "error", "message": "card was declined",
	"trace_id": "dead0000000000000000000000000001", "span_id": "0000000000000002",
	"attributes": {"http.method": "POST", "http.status": 402, "took": 1.5, "retried": true, "raw": "AQI=",
		"items": [9223372036854775807], "user": {"name": "a \"b\"\n"}, "nothing": null},
	"resource": {"attributes": {"k8s.namespace.name": "web", "k8s.pod.name": "web-7f-x1", "service.name": "checkout"}},
	"kubernetes": {"namespace_name": "web", "pod_name": "web-7f-x1"},
	"scope": {"name": "http", "version": "1.2"}
}`

// TestTake sends the same in every format and compression.
func TestTake(t *testing.T) {
	proto, err := request("web").MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	jsonBody, err := request("web").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body     []byte
		header   []string
		wantType string
	}{
		"protobuf":         {proto, nil, "application/x-protobuf"},
		"protobuf, gzip":   {gzipped(proto), []string{"Content-Encoding", "gzip"}, "application/x-protobuf"},
		"protobuf, zstd":   {zstded(t, proto), []string{"Content-Encoding", "zstd"}, "application/x-protobuf"},
		"JSON":             {jsonBody, []string{"Content-Type", "application/json; charset=utf-8"}, "application/json"},
		"JSON, gzip":       {gzipped(jsonBody), []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, "application/json"},
		"nothing":          {nil, nil, "application/x-protobuf"},
		"nothing, in JSON": {[]byte("{}"), []string{"Content-Type", "application/json"}, "application/json"},
	} {
		r := newRig(Options{})
		w := r.post(c.body, c.header...)
		if w.Code != 200 || w.Header().Get("Content-Type") != c.wantType {
			t.Fatalf("%s: %d %s %s", name, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		recs := r.records(t, scopetest.Read("shop"))
		if strings.HasPrefix(name, "nothing") {
			if len(recs) != 0 {
				t.Errorf("%s: %d records", name, len(recs))
			}
			continue
		}
		if len(recs) != 2 || len(r.records(t, scopetest.Read("billing"))) != 0 {
			t.Fatalf("%s: %d records", name, len(recs))
		}
		first := recs[0]
		if first.Index != "logs-eu-web" || first.Pod != "web-7f-x1" || first.Level != "error" || first.Message != "card was declined" || first.Time.Nanosecond() != 123456789 {
			t.Errorf("%s: %+v", name, first)
		}
		if got, want := normal(t, first.Source), normal(t, []byte(wantDocument)); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
		if recs[1].Message != "structured" || !strings.Contains(string(recs[1].Source), `"body":{"msg":"structured"}`) {
			t.Errorf("%s: %+v %s", name, recs[1], recs[1].Source)
		}
	}
}

// normal gives a document without what is added at the time of receipt.
func normal(t *testing.T, doc []byte) string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	m := map[string]any{}
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	for _, added := range []string{"@timestamp", "cluster", "region", "cloud", "namespace", "pod", "container", "node", "stream"} {
		delete(m, added)
	}
	b, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestExporter lets OpenTelemetry's own exporter send.
func TestExporter(t *testing.T) {
	r := newRig(Options{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.ServeHTTP(w, req.WithContext(tenant.WithWrite(req.Context(), scopetest.Write("shop"))))
	}))
	defer srv.Close()
	exporter, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL(srv.URL+"/v1/logs"), otlploghttp.WithCompression(otlploghttp.GzipCompression))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
	logger := provider.Logger("test")
	for i := range 500 {
		var rec otellog.Record
		rec.SetTimestamp(time.Now())
		rec.SetSeverity(otellog.SeverityWarn)
		rec.SetBody(attribute.StringValue(fmt.Sprintf("record %d", i)))
		rec.AddAttributes(attribute.Int("n", i))
		logger.Emit(t.Context(), rec)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	recs := r.records(t, scopetest.Read("shop"))
	if len(recs) != 500 {
		t.Fatalf("%d records", len(recs))
	}
	for i, rec := range recs {
		if rec.Message != fmt.Sprintf("record %d", i) || rec.Level != "warn" {
			t.Fatalf("record %d: %+v", i, rec)
		}
	}
}

// TestRefused sends what is not taken, and then something good.
func TestRefused(t *testing.T) {
	nested := func(levels int) []byte {
		value := []byte(nil)
		for range levels {
			value = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), value) // of a list
			value = protowire.AppendBytes(protowire.AppendTag(nil, 5, protowire.BytesType), value) // a list
		}
		for _, number := range []protowire.Number{5, 2, 2, 1} { // body, record, scope, resource
			value = protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
		}
		return value
	}
	inScope := func(fields []byte) []byte {
		for _, number := range []protowire.Number{2, 1} {
			fields = protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), fields)
		}
		return fields
	}
	asJSON := []string{"Content-Type", "application/json"}
	for name, c := range map[string]struct {
		body   []byte
		header []string
		status int
		says   string
	}{
		"no protobuf":              {[]byte("hello"), nil, 400, "protobuf"},
		"a torn field":             {[]byte{0x0a, 0x05, 0x01}, nil, 400, "protobuf"},
		"no JSON":                  {[]byte("hello"), asJSON, 400, "JSON"},
		"JSON that does not end":   {[]byte(`{"resourceLogs":[{`), asJSON, 400, "JSON"},
		"protobuf said to be gzip": {[]byte{0x0a, 0x00}, []string{"Content-Encoding", "gzip"}, 400, "gzip"},
		"torn gzip":                {gzipped(bytes.Repeat([]byte("x"), 1000))[:20], []string{"Content-Encoding", "gzip"}, 400, "unpacked"},
		"a coding of nobody's":     {nil, []string{"Content-Encoding", "br"}, 415, "gzip, zstd or none"},
		"text":                     {nil, []string{"Content-Type", "text/plain"}, 415, "application/x-protobuf or application/json"},
		"too large":                {make([]byte, 2<<20), nil, 413, "smaller batches"},
		"a gzip bomb":              {gzipped(make([]byte, 64<<20)), []string{"Content-Encoding", "gzip"}, 413, "smaller batches"},
		"a zstd bomb":              {zstded(t, make([]byte, 64<<20)), []string{"Content-Encoding", "zstd"}, 413, "smaller batches"},
		"deep":                     {nested(5_000), nil, 400, "nested"},
		"deep JSON":                {[]byte(`{"resourceLogs":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}"), asJSON, 400, "nested"},
		"very many records":        {inScope(bytes.Repeat([]byte{0x12, 0x00}, 100_000)), nil, 413, "too many records"},
		"very many attributes":     {inScope(append([]byte{0x12}, protowire.AppendBytes(nil, bytes.Repeat([]byte{0x32, 0x00}, 200_000))...)), nil, 413, "attributes and values"},
		"very many JSON objects":   {[]byte("[" + strings.Repeat("{},", 400_000) + "{}]"), asJSON, 413, "too many"},
	} {
		r := newRig(Options{BodyBytesMax: 1 << 21, RecordsMax: 50_000, MessagesMax: 100_000})
		if name == "too large" {
			c.body = make([]byte, 1<<21+1)
		}
		w := r.post(c.body, c.header...)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: got %d %.200q, want %d with %q", name, w.Code, w.Body, c.status, c.says)
		}
		good, err := request("web").MarshalProto()
		if err != nil {
			t.Fatal(err)
		}
		if w := r.post(good); w.Code != 200 || len(r.records(t, scopetest.Read("shop"))) != 2 {
			t.Errorf("%s: the next request: %d %s", name, w.Code, w.Body)
		}
	}
	if w := newRig(Options{}).post(nested(63)); w.Code != 200 {
		t.Errorf("values nested 63 deep: %d %s", w.Code, w.Body)
	}
}

// failing is a store that does not store.
type failing struct{ err error }

func (f failing) Append(context.Context, tenant.Write, logging.Batch) ([]logging.ItemResult, error) {
	return nil, f.err
}

func TestAppendFails(t *testing.T) {
	body, err := request("web").MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		err    error
		status int
		retry  bool
	}{
		{fmt.Errorf("%w: 5 MB/s", logging.ErrTooMuch), 429, true},
		{fmt.Errorf("%w: no space left on device", logging.ErrUnavailable), 503, true},
		{errors.New("secret detail"), 500, false},
	} {
		w := newRig(Options{Appender: failing{c.err}}).post(body)
		if w.Code != c.status || (w.Header().Get("Retry-After") != "") != c.retry {
			t.Errorf("%v: %d %v", c.err, w.Code, w.Header())
		}
		if b := w.Body.String(); strings.Contains(b, "detail") || strings.Contains(b, "device") {
			t.Errorf("%v: the sender is told %q", c.err, b)
		}
	}
	r := newRig(Options{})
	r.scope = tenant.Write{}
	if w := r.post(body); w.Code != 403 {
		t.Errorf("without write access: %d %s", w.Code, w.Body)
	}
}

// TestPartial: what can never be stored is said to be so, and the rest is there.
func TestPartial(t *testing.T) {
	r := newRig(Options{})
	req := request("web")
	req.Logs().ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr(strings.Repeat("x", logging.SourceBytesMax))
	body, err := req.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	w := r.post(body, "Content-Type", "application/json")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"rejectedLogRecords":"1"`) || !strings.Contains(w.Body.String(), "split it") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if n := len(r.records(t, scopetest.Read("shop"))); n != 2 {
		t.Errorf("%d records are there", n)
	}
}

func FuzzTake(f *testing.F) {
	proto, err := request("web").MarshalProto()
	if err != nil {
		f.Fatal(err)
	}
	jsonBody, err := request("web").MarshalJSON()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(proto, false)
	f.Add(jsonBody, true)
	f.Add([]byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","body":{"kvlistValue":{"values":[{"key":"a"},{"key":"a"}]}}}]}]}]}`), true)
	f.Fuzz(func(t *testing.T, body []byte, asJSON bool) {
		r := newRig(Options{})
		kind := "application/x-protobuf"
		if asJSON {
			kind = "application/json"
		}
		w := r.post(body, "Content-Type", kind)
		if w.Code >= 500 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, rec := range r.records(t, scopetest.Operator()) {
			if !json.Valid(rec.Source) {
				t.Fatalf("stored %q", rec.Source)
			}
		}
	})
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(b, nil)
}

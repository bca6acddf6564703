package bulk

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

type rig struct {
	*Bulk
	store *mem.Store
	scope tenant.Write
}

func newRig(o Options) *rig {
	r := &rig{store: mem.New(mem.Options{}), scope: scopetest.Write("shop")}
	if o.Appender == nil {
		o.Appender = r.store
	}
	o.Repeater = r.store
	o.Stamper = &logging.Stamper{}
	r.Bulk = New(o)
	return r
}

func (r *rig) post(body io.Reader, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/_bulk", body)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeBulk(w, req, r.scope, "")
	return w
}

type reply struct {
	Errors *bool
	Items  []map[string]struct {
		Index  string `json:"_index"`
		ID     string `json:"_id"`
		Status int
		Result string
		Error  *struct{ Type, Reason string }
	}
	Error *struct {
		Type, Reason string
		RootCause    []struct{ Type, Reason string } `json:"root_cause"`
	}
	Status int
}

func parse(t testing.TB, w *httptest.ResponseRecorder) (r reply) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return r
}

func (r *rig) messages(t testing.TB) (out []string) {
	t.Helper()
	v, err := r.store.Snapshot(t.Context(), scopetest.Operator())
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.Search(t.Context(), logging.Query{Limit: 10_000, Sort: []logging.SortKey{{Field: logging.Field{Name: logging.FieldSeq}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range res.Hits {
		out = append(out, h.Record.Message)
	}
	return out
}

// Every answer as a client sees it, one file a case.
func TestAnswers(t *testing.T) {
	took := regexp.MustCompile(`"took":\d+`)
	for name, body := range map[string]string{
		"create":        `{"create":{"_index":"app","_id":"a1"}}` + "\n" + `{"message":"one"}` + "\n",
		"derived-id":    `{"index":{"_index":"app"}}` + "\n" + `{"message":"one"}` + "\n",
		"no-index":      `{"index":{}}` + "\n" + `{"message":"one","namespace":"Web"}` + "\n",
		"conflict":      strings.Repeat(`{"create":{"_index":"app","_id":"é\"1"}}`+"\n"+`{"message":"one"}`+"\n", 2) + `{"index":{"_index":"app","_id":"é\"1"}}` + "\n" + `{"message":"other"}` + "\n",
		"mixed":         `{"index":{"_index":"app","_id":7,"_type":"_doc"}}` + "\n" + `{"a":}` + "\n" + `{"create":{"_index":"app"}}` + "\n[1]\n" + `{"index":{"_index":"Bad Name"}}` + "\n{}\n" + `{"delete":{"_index":"app","_id":"1"}}` + "\n" + `{"update":{"_index":"app","_id":"1"}}` + "\n" + `{"doc":{}}` + "\n" + `{"create":{"_index":"app","_id":"z"}}` + "\n" + `{"message":"last"}`,
		"no-document":   `{"create":{"_index":"app","_id":"1"}}` + "\n{}\n" + `{"create":{"_index":"app","_id":"2"}}` + "\n",
		"empty":         "",
		"blank":         "\n \r\n\n",
		"bad-action":    `{"create":{"_index":"app"}}` + "\n{}\n" + `{"upsert":{}}` + "\n{}\n",
		"not-an-object": `"create"` + "\n{}\n",
		"array-action":  `{"create":["app"]}` + "\n{}\n",
		"two-actions":   `{"create":{},"index":{}}` + "\n{}\n",
		"empty-id":      `{"create":{"_id":""}}` + "\n{}\n",
		"id-is-object":  `{"create":{"_id":{}}}` + "\n{}\n",
		"torn-action":   `{"create":{"_index":"app"`,
		"index-again":   `{"index":{"_index":"app","_id":"1"}}` + "\n" + `{"message":"one","n":1}` + "\n" + `{"index":{"_index":"app","_id":"1"}}` + "\n" + `{"n":1.0,"message":"one"}` + "\n" + `{"create":{"_index":"app","_id":"1"}}` + "\n" + `{"message":"one","n":1}` + "\n",
		"members": `{"index":{"_index":"app","_id":"1","op_type":"create","routing":"r","_type":"_doc","dynamic_templates":{},"retry_on_conflict":3,"require_alias":false,"pipeline":"_none"}}` + "\n{}\n" +
			`{"create":{"_index":"app","pipeline":"geoip"}}` + "\n{}\n" + `{"create":{"_index":"app","pipeline":"geo\u0069p"}}` + "\n{}\n" + `{"index":{"_index":"app","require_alias":true}}` + "\n{}\n" +
			`{"index":{"_index":"app","_id":"1","if_seq_no":3,"if_primary_term":1}}` + "\n{}\n" + `{"index":{"_index":"app","_id":"1","version":3,"version_type":"external"}}` + "\n{}\n",
		"unknown-member": `{"create":{"_index":"app","_id":"1"}}` + "\n{}\n" + `{"create":{"_index":"app","ttl":"1d"}}` + "\n{}\n",
		"document-first": `{"message":"x"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			w := newRig(Options{}).post(strings.NewReader(body))
			if w.Header().Get("Content-Type") != "application/json" {
				t.Fatal(w.Header())
			}
			out := fmt.Sprintf("%d\n%s\n", w.Code, took.ReplaceAllString(w.Body.String(), `"took":0`))
			parse(t, w)
			golden.Check(t, name+".golden", []byte(out))
		})
	}
}

func gz(s string) *bytes.Buffer {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	z.Close()
	return &b
}

func TestBodiesAsClientsSendThem(t *testing.T) {
	for name, tc := range map[string]struct {
		body   io.Reader
		header []string
		want   int
	}{
		"fluent-bit":     {strings.NewReader("{\"create\":{\"_index\":\"a\",\"_id\":\"x\"}}\n{\"@timestamp\":\"2026-01-01T00:00:00.123456789Z\",\"log\":\"m\"}\n\n"), []string{"Content-Type", "application/x-ndjson"}, 1},
		"fluentd":        {strings.NewReader("{\"index\":{\"_index\":\"logs\"}}\n{\"log\":\"m\"}\n{\"index\":{\"_index\":\"logs\"}}\n{\"log\":\"m\"}\n"), []string{"Content-Type", "application/x-ndjson"}, 2},
		"vendor's type":  {strings.NewReader("{\"create\":{\"_index\":\"a\"}}\n{\"message\":\"m\"}\n"), []string{"Content-Type", "application/vnd.elasticsearch+x-ndjson; compatible-with=9"}, 1},
		"rsyslog":        {strings.NewReader("{\"index\":{\"_index\": \"logs\",\"_type\":\"_doc\"}}\n{\"message\":\"m\"}\n\n{\"index\":{\"_index\": \"logs\",\"_type\":\"_doc\"}}\n{\"message\":\"n\"}\n\n"), []string{"Content-Type", "application/json; charset=utf-8"}, 2},
		"CRLF":           {strings.NewReader("{\"index\":{}}\r\n{\"message\":\"m\"}\r\n\r\n{\"index\":{}}\r\n{\"message\":\"n\"}"), nil, 2},
		"gzip":           {gz("{\"index\":{}}\n{\"message\":\"m\"}\n"), []string{"Content-Encoding", "gzip"}, 1},
		"one byte reads": {iotest.OneByteReader(strings.NewReader("{\"index\":{}}\n{\"message\":\"m\"}\n{\"index\":{}}\n{\"message\":\"n\"}")), nil, 2},
		"spaces":         {strings.NewReader(" {\"index\" : {\"routing\":\"r\",\"pipeline\":\"_none\",\"require_alias\":false} } \n\t{\"message\":\"m\"} \n"), nil, 1},
		"long lines":     {strings.NewReader("{\"index\":{}}\n{\"message\":\"" + strings.Repeat("x", 200_000) + "\"}\n{\"index\":{}}\n{\"message\":\"n\"}\n"), nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(Options{})
			w := r.post(tc.body, tc.header...)
			got := parse(t, w)
			if w.Code != 200 || got.Errors == nil || *got.Errors || len(got.Items) != tc.want || len(r.messages(t)) != tc.want {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestOneLargeDocumentIsRefusedAlone(t *testing.T) {
	r := newRig(Options{DocumentBytesMax: 100_000})
	for _, n := range []int{99_900, 100_001, 500_000} {
		body := "{\"create\":{}}\n{\"message\":\"" + strings.Repeat("x", n) + "\"}\n{\"create\":{}}\n{\"message\":\"next\"}\n"
		got := parse(t, r.post(strings.NewReader(body)))
		want := 400
		if n < 100_000 {
			want = 201
		}
		if len(got.Items) != 2 || got.Items[0]["create"].Status != want || got.Items[1]["create"].Status != 201 {
			t.Fatalf("%d: %+v", n, got)
		}
	}
}

type failing struct{ err error }

func (f failing) Append(context.Context, tenant.Write, logging.Batch) ([]logging.ItemResult, error) {
	return nil, f.err
}

func TestWholeRequestRefused(t *testing.T) {
	one := "{\"create\":{}}\n{\"message\":\"m\"}\n"
	for name, tc := range map[string]struct {
		o      Options
		scope  tenant.Write
		body   io.Reader
		header []string
		status int
		kind   string
	}{
		"quota":           {o: Options{Appender: failing{fmt.Errorf("tenant shop: %w", logging.ErrTooMuch)}}, status: 429, kind: "es_rejected_execution_exception"},
		"unavailable":     {o: Options{Appender: failing{logging.ErrUnavailable}}, status: 503, kind: "unavailable_shards_exception"},
		"store fails":     {o: Options{Appender: failing{errors.New("secret path /data/x")}}, status: 500, kind: "exception"},
		"too large":       {o: Options{BodyBytesMax: 10}, status: 413, kind: "content_too_long_exception"},
		"too many":        {o: Options{InFlightBytesMax: 10}, status: 429, kind: "es_rejected_execution_exception"},
		"gzip bomb":       {body: gz(strings.Repeat("\n", 200<<20)), header: []string{"Content-Encoding", "gzip"}, status: 413, kind: "content_too_long_exception"},
		"no gzip":         {header: []string{"Content-Encoding", "gzip"}, status: 400, kind: "parse_exception"},
		"gzip cut short":  {body: io.LimitReader(gz(strings.Repeat(one, 100)), 40), header: []string{"Content-Encoding", "gzip"}, status: 400, kind: "parse_exception"},
		"brotli":          {header: []string{"Content-Encoding", "br"}, status: 415, kind: "content_type_exception"},
		"cut short":       {body: io.MultiReader(strings.NewReader(one), iotest.ErrReader(io.ErrUnexpectedEOF)), status: 400, kind: "parse_exception"},
		"no scope":        {scope: tenant.Write{}, status: 403, kind: "security_exception"},
		"action of 1 MiB": {body: strings.NewReader(one + "{\"create\":{\"_id\":\"" + strings.Repeat("x", 1<<20) + "\"}}\n{}\n"), status: 400, kind: "illegal_argument_exception"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(tc.o)
			if name == "no scope" {
				r.scope = tc.scope
			}
			if tc.body == nil {
				tc.body = strings.NewReader(one)
			}
			w := r.post(tc.body, tc.header...)
			got := parse(t, w)
			if w.Code != tc.status || got.Status != tc.status || got.Error == nil || got.Error.Type != tc.kind || len(got.Error.RootCause) != 1 || got.Items != nil {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), "secret") {
				t.Fatalf("tells what is inside: %s", w.Body)
			}
			if (w.Code == 429 || w.Code == 503) != (w.Header().Get("Retry-After") != "") {
				t.Fatal("Retry-After", w.Header())
			}
			if n := len(r.messages(t)); n != 0 {
				t.Fatalf("%d records stored", n)
			}
			if n := r.inFlight.Load(); n != 0 {
				t.Fatalf("%d bytes held", n)
			}
		})
	}
}

// A cluster's credential writes to the owners of the namespaces its records
// claim, whatever index they ask for; a tenant's writes itself only.
func TestOwners(t *testing.T) {
	r := newRig(Options{})
	body := "{\"create\":{\"_index\":\"logs-eu-1-pay\"}}\n{\"message\":\"m\",\"kubernetes\":{\"namespace_name\":\"web\"}}\n"
	r.scope = scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/web": "shop", "eu-1/pay": "billing"}})
	if got := parse(t, r.post(strings.NewReader(body))); got.Items[0]["create"].Index != "logs-eu-1-web" {
		t.Fatalf("%+v", got)
	}
	r.scope = scopetest.Write("billing")
	if got := parse(t, r.post(strings.NewReader(body))); got.Items[0]["create"].Index != "logs-eu-1-pay" {
		t.Fatalf("%+v", got)
	}
	v, err := r.store.Snapshot(t.Context(), scopetest.Read("billing"))
	if err != nil {
		t.Fatal(err)
	}
	if res, err := v.Search(t.Context(), logging.Query{Limit: 10}); err != nil || len(res.Hits) != 1 || res.Hits[0].Record.Tenant != "billing" {
		t.Fatalf("%+v, %v", res, err)
	}
}

// FuzzBody: whatever comes, there is one well-formed answer, and with 200 as
// many records are stored as items say so.
func FuzzBody(f *testing.F) {
	f.Add([]byte("{\"create\":{\"_index\":\"a\",\"_id\":1}}\n{\"a\":1}\n"))
	f.Add([]byte("{\"index\":{}}\r\n{}\r\n\r\n{\"delete\":{\"_id\":\"x\"}}\n{\"update\":{}}\n{}"))
	f.Add([]byte("{\"create\":{}}\nnull\n[]\n"))
	f.Add([]byte("\n\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := newRig(Options{DocumentBytesMax: 1000})
		w := r.post(bytes.NewReader(b))
		got := parse(t, w)
		created := 0
		for _, it := range got.Items {
			if len(it) != 1 {
				t.Fatalf("%+v", it)
			}
			for _, v := range it {
				if v.Status == 201 {
					created++
				} else if v.Error == nil {
					t.Fatalf("%+v", v)
				}
			}
		}
		if w.Code == 200 && got.Errors == nil || w.Code != 200 && got.Error == nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if n := len(r.messages(t)); n != created {
			t.Fatalf("%d stored, %d answered as created", n, created)
		}
	})
}

// TestQuotaOfTheWhole sends a request that is over its tenant's limit: it is 429
// as a whole, with nothing of it stored, so that shippers which look no further
// than the status send it again.
func TestQuotaOfTheWhole(t *testing.T) {
	store := mem.New(mem.Options{})
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	over := logging.Limited(store, logging.LimitOptions{BytesPerSecond: func(tenant.ID) int64 { return 100 }, Clock: func() time.Time { return now }})
	r := newRig(Options{Appender: over})
	var body strings.Builder
	for range 50 {
		body.WriteString(`{"create":{"_index":"app"}}` + "\n" + `{"message":"` + strings.Repeat("x", 100) + `"}` + "\n")
	}
	small := `{"create":{"_index":"app"}}` + "\n" + `{"message":"x"}` + "\n"
	for range 2 { // beside what a full bucket lets in, whatever its size
		if w := r.post(strings.NewReader(small)); w.Code != http.StatusOK {
			t.Fatalf("within the limit: %d %s", w.Code, w.Body)
		}
	}
	w := r.post(strings.NewReader(body.String()))
	got := parse(t, w)
	if w.Code != http.StatusTooManyRequests || got.Items != nil || got.Error == nil || got.Error.Type != "es_rejected_execution_exception" || got.Status != w.Code {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := r.post(strings.NewReader(small)); w.Code != http.StatusOK || *parse(t, w).Errors {
		t.Errorf("the next request: %d %s", w.Code, w.Body)
	}
	v, err := store.Snapshot(t.Context(), scopetest.Read("shop"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	res, err := v.Search(t.Context(), logging.Query{})
	if err != nil || res.Total != 3 {
		t.Errorf("%d records are stored, %v", res.Total, err)
	}
}

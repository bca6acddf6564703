package promapi

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"
	"github.com/prometheus/prometheus/storage"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/oriel-project/oriel/metrics/tsdb"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// Every stable function of the library is on the list, and what is experimental
// is not: a new version that brings another one fails here, so that somebody
// looks at it.
func TestEveryStableFunctionIsKnown(t *testing.T) {
	for name, f := range parser.Functions {
		if known := slices.Contains(knownFunctions, name); known == f.Experimental {
			t.Errorf("%s: experimental %v, on the list %v: look whether it sees more than the storage shows, and decide", name, f.Experimental, known)
		}
	}
	for _, name := range knownFunctions {
		if _, ok := parser.Functions[name]; !ok {
			t.Errorf("%s is on the list, and there is no such function any more", name)
		}
	}
	a := newAPI(t, fill(t, "a"))
	for _, query := range []string{`info(visible)`, `limitk(1, visible)`, `sort_by_label(visible, "pod")`, `visible + fill(0) visible`, `no_such(visible)`} {
		if got := do(a, scopetest.Read("a"), "POST", "/api/v1/query", form, "query="+strings.ReplaceAll(query, "+", "%2B")); got.code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, got.code, got.body)
		}
	}
}

// stranger is a node that a later version of PromQL might bring.
type stranger struct{ parser.Expr }

func (stranger) String() string                        { return "stranger" }
func (stranger) PositionRange() posrange.PositionRange { return posrange.PositionRange{} }
func (stranger) Type() parser.ValueType                { return parser.ValueTypeVector }
func (stranger) PromQLExpr()                           {}
func (stranger) Pretty(int) string                     { return "stranger" }
func within(e parser.Expr) []parser.Expr {
	return []parser.Expr{
		e,
		&parser.ParenExpr{Expr: e},
		&parser.UnaryExpr{Expr: e},
		&parser.BinaryExpr{LHS: &parser.NumberLiteral{}, RHS: e},
		&parser.BinaryExpr{LHS: e, RHS: &parser.NumberLiteral{}},
		&parser.AggregateExpr{Expr: e},
		&parser.AggregateExpr{Expr: &parser.NumberLiteral{}, Param: e},
		&parser.Call{Args: parser.Expressions{&parser.NumberLiteral{}, e}},
		&parser.SubqueryExpr{Expr: e},
		&parser.MatrixSelector{VectorSelector: e},
		&parser.StepInvariantExpr{Expr: e},
	}
}

func TestUnknownNodeIsRefused(t *testing.T) {
	for _, e := range within(stranger{}) {
		if err := checkNode(e); err == nil || !strings.Contains(err.Error(), "not known") {
			t.Errorf("%T: %v", e, err)
		}
	}
	for _, e := range within(&parser.VectorSelector{}) {
		if err := checkNode(e); err != nil {
			t.Errorf("%T: %v", e, err)
		}
	}
}

// A large matrix is written in pieces, byte by byte as Prometheus' codec would.
func TestStreamedEqualsCodec(t *testing.T) {
	h := &histogram.FloatHistogram{Schema: 1, Count: 3, Sum: 2, PositiveSpans: []histogram.Span{{Length: 2}}, PositiveBuckets: []float64{1, 2}}
	var m promql.Matrix
	for i := range 300 {
		s := promql.Series{Metric: labels.FromStrings(model.MetricNameLabel, "m", "i", fmt.Sprint(i), "esc", "\"<\\\x01ä")}
		for j := range 100 {
			s.Floats = append(s.Floats, promql.FPoint{T: int64(i*1000 + j), F: float64(j) / 3})
		}
		if i%50 == 0 {
			s.Histograms = []promql.HPoint{{T: int64(i), H: h}}
		}
		m = append(m, s)
	}
	for _, resp := range []*v1.Response{
		{Status: "success", Data: &v1.QueryData{ResultType: parser.ValueTypeMatrix, Result: m}},
		{Status: "success", Data: &v1.QueryData{ResultType: parser.ValueTypeMatrix, Result: m}, Warnings: []string{`a "result":[ in a warning`}, Infos: []string{"i"}},
		{Status: "success", Data: &v1.QueryData{ResultType: parser.ValueTypeMatrix, Result: m[:3]}},
	} {
		want, err := v1.JSONCodec{}.Encode(resp)
		if err != nil {
			t.Fatal(err)
		}
		s := &streams{}
		b, err := s.Encode(resp)
		if err != nil {
			t.Fatal(err)
		}
		if small := len(resp.Data.(*v1.QueryData).Result.(promql.Matrix)) < 10; small == strings.HasPrefix(string(b), ticketPrefix) {
			t.Errorf("streamed: %v", !small)
		}
		rec := httptest.NewRecorder()
		if _, err := s.writer(rec).Write(b); err != nil {
			t.Fatal(err)
		}
		if got := rec.Body.Bytes(); !bytes.Equal(got, want) {
			t.Errorf("got %d bytes, want %d:\n%.300s\n%.300s", len(got), len(want), got, want)
		}
		if _, err := s.writer(rec).Write(b); err != nil {
			t.Fatal(err)
		}
		left := 0
		s.pending.Range(func(any, any) bool { left++; return true })
		if left > 0 {
			t.Errorf("%d answers are kept", left)
		}
	}
}

func TestQueryLog(t *testing.T) {
	var out bytes.Buffer
	s := fill(t, "a", "b")
	a, err := New(Options{Querier: s, Clock: at, QueryLog: slog.New(slog.NewJSONHandler(&out, nil)), SamplesMax: 2})
	if err != nil {
		t.Fatal(err)
	}
	window := fmt.Sprintf("&start=%d&end=%d&step=1", now.Unix()-60, now.Unix())
	for _, query := range []string{"query?query=visible&time=" + fmt.Sprint(now.Unix()), "query_range?query=visible" + window, "query?query=visible{"} {
		do(a, scopetest.ReadAs("tenant:a", "a"), "GET", "/api/v1/"+query, "", "")
	}
	type line struct {
		Caller  string
		Tenants []string
		Error   string
		Params  struct {
			Query      string
			Start, End time.Time
			Step       float64
		}
		Stats struct {
			Samples struct{ TotalQueryableSamples int }
		}
	}
	var got []line
	for d := json.NewDecoder(&out); d.More(); {
		var l line
		if err := d.Decode(&l); err != nil {
			t.Fatal(err)
		}
		got = append(got, l)
	}
	if len(got) != 2 || got[0].Params.Query != "visible" || got[0].Caller != "tenant:a" || got[0].Tenants[0] != "a" || got[0].Error != "" || got[0].Stats.Samples.TotalQueryableSamples != 1 {
		t.Fatalf("%+v", got)
	}
	if got[1].Params.Step != 1 || got[1].Params.End.Sub(got[1].Params.Start) != time.Minute || !strings.Contains(got[1].Error, "too many samples") {
		t.Errorf("%+v", got[1])
	}
}

// An answer that a limit cuts off is 422 and names the limit.
func TestQueryLimitsAreNamed(t *testing.T) {
	a, err := New(Options{Querier: fill(t, "a"), Clock: at, SamplesMax: 2})
	if err != nil {
		t.Fatal(err)
	}
	window := fmt.Sprintf("&start=%d&end=%d&step=1", now.Unix()-60, now.Unix())
	got := do(a, scopetest.Read("a"), "GET", "/api/v1/query_range?query=visible"+window, "", "")
	if got.code != http.StatusUnprocessableEntity || !strings.Contains(got.body, "limits.query_samples is 2") {
		t.Errorf("%d %s", got.code, got.body)
	}
	// A query that takes longer than it may, here than no time at all.
	if a, err = New(Options{Querier: fill(t, "a"), Clock: at, Timeout: time.Nanosecond}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/query_range?query=visible" + window, "/api/v1/query?query=visible"} {
		got = do(a, scopetest.Read("a"), "GET", path, "", "")
		if got.code != http.StatusServiceUnavailable || !strings.Contains(got.body, "limits.query_time is 1ns") {
			t.Errorf("%d %s", got.code, got.body)
		}
	}
}

// TestLargeAnswersAreWhole: an answer that is written in pieces is the same however
// the client has it compressed.
func TestLargeAnswersAreWhole(t *testing.T) {
	srv := httptest.NewServer(scoped{newAPI(t, fill(t, "a")), scopetest.Read("a")})
	defer srv.Close()
	params := url.Values{
		"query": {`label_replace(vector(1), "x", "a", "", "") or label_replace(vector(2), "x", "b", "", "")`},
		"start": {fmt.Sprint(now.Unix() - 10_999)}, "end": {fmt.Sprint(now.Unix())}, "step": {"1"},
	}
	var plain []byte
	for _, encoding := range []string{"identity", "gzip", "deflate"} {
		req, err := http.NewRequest(http.MethodGet, srv.URL+"/api/v1/query_range?"+params.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", encoding)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var body io.Reader = resp.Body
		switch got := resp.Header.Get("Content-Encoding"); {
		case encoding == "identity" && got == "":
		case encoding == "gzip" && got == "gzip":
			body, err = gzip.NewReader(body)
		case encoding == "deflate" && got == "deflate":
			body, err = zlib.NewReader(body)
		default:
			t.Errorf("asked for %s and got %q", encoding, got)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(body)
		resp.Body.Close()
		if err != nil || !json.Valid(b) || bytes.Count(b, []byte("],[")) != 2*(11_000-1) {
			t.Fatalf("%s: %d bytes of JSON (%t), %v", encoding, len(b), json.Valid(b), err)
		}
		if plain == nil {
			plain = b
		}
		if !bytes.Equal(b, plain) {
			t.Errorf("%s: another answer than without compression", encoding)
		}
	}
}

// One tenant's queries wait for each other, and never for another's. Too many of
// them are told to come back.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(2, 1)
		a, b := scopetest.ReadAs("one", "a"), scopetest.Read("b")
		var leaves []func()
		for range 2 {
			leave, err := g.enter(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		in := make(chan func())
		go func() {
			leave, err := g.enter(t.Context(), scopetest.ReadAs("another", "a"))
			if err != nil {
				t.Error(err)
			}
			in <- leave
		}()
		synctest.Wait()
		select {
		case <-in:
			t.Fatal("a third query runs")
		default:
		}
		if _, err := g.enter(t.Context(), a); err == nil {
			t.Error("a second one may wait")
		}
		leave, err := g.enter(t.Context(), b)
		if err != nil {
			t.Errorf("another tenant's query: %v", err)
		}
		leave()
		leaves[0]()
		(<-in)()
		leaves[1]()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 2 {
			if leave, err := g.enter(t.Context(), a); err == nil {
				defer leave()
			}
		}
		if _, err := g.enter(ctx, a); err == nil {
			t.Error("waits although the caller is gone")
		}
		if n := len(g.doors); n != 1 {
			t.Errorf("%d doors are kept", n)
		}
	})
}

// TestFloodOfQueries: the answer is 429, names the limit and says when.
func TestFloodOfQueries(t *testing.T) {
	a, err := New(Options{Querier: fill(t, "a"), Clock: at, Queries: 1})
	if err != nil {
		t.Fatal(err)
	}
	a.gate.waiting = 0
	leave, err := a.gate.enter(t.Context(), scopetest.Read("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	for _, target := range []string{"/api/v1/query?query=1", "/api/v1/labels", "/federate?match%5B%5D=m"} {
		got := do(a, scopetest.Read("a"), "GET", target, "", "")
		if got.code != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "limits.queries is 1") {
			t.Errorf("%s: %d %s", target, got.code, got.body)
		}
	}
	if got := do(a, scopetest.Read("b"), "GET", "/api/v1/query?query=1", "", ""); got.code != 200 {
		t.Errorf("another tenant: %d %s", got.code, got.body)
	}
}

// BenchmarkLargeMatrix shows what an answer of a million points takes beside its result.
func BenchmarkLargeMatrix(b *testing.B) {
	s, err := tsdb.Open(b.TempDir(), tsdb.Options{Clock: at})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	app := s.Appender(context.Background(), scopetest.Write("a"))
	for i := range 1000 {
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m", "i", fmt.Sprint(i)), 0, now.UnixMilli(), float64(i)/3, nil, nil, storage.AOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	if err := app.Commit(); err != nil {
		b.Fatal(err)
	}
	a := newAPI(b, s)
	target := fmt.Sprintf("/api/v1/query_range?query=m&start=%d&end=%d&step=0.25", now.Unix(), now.Unix()+250)
	b.ReportAllocs()
	for b.Loop() {
		if got := do(a, scopetest.Read("a"), "GET", target, "", ""); got.code != 200 {
			b.Fatal(got.body)
		}
	}
}

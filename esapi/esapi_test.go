package esapi

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

type searchReply struct {
	ScrollID string `json:"_scroll_id"`
	PitID    string `json:"pit_id"`
	Hits     struct {
		Total struct{ Value int }
		Hits  []struct {
			ID   string `json:"_id"`
			Sort []any
		}
	}
	Aggregations json.RawMessage
}

func decode(t *testing.T, w *httptest.ResponseRecorder) searchReply {
	t.Helper()
	var r searchReply
	d := json.NewDecoder(w.Body)
	d.UseNumber()
	if w.Code != 200 || d.Decode(&r) != nil {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return r
}

func (r searchReply) ids() string {
	var out []string
	for _, h := range r.Hits.Hits {
		out = append(out, h.ID)
	}
	return strings.Join(out, " ")
}

// TestSearchAfter pages one by one through hits of the same millisecond with the
// sort values as they came back: none is lost, none comes twice.
func TestSearchAfter(t *testing.T) {
	h := asShop(testAPI(t))
	for _, order := range []string{"asc", "desc"} {
		for _, tie := range []string{"asc", "desc"} {
			var got []string
			after := ""
			for range 10 {
				r := decode(t, send(t, h, "POST", "/_search", fmt.Sprintf(`{"size":1,"sort":[{"@timestamp":%q},{"_doc":%q}]%s}`, order, tie, after)))
				if len(r.Hits.Hits) == 0 {
					break
				}
				got = append(got, r.ids())
				b, _ := json.Marshal(r.Hits.Hits[0].Sort)
				after = `,"search_after":` + string(b)
			}
			want := []string{"s1", "s2", "s3", "s4", "d1", "a1"}
			if order == "desc" {
				slices.Reverse(want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s %s: got %v, want %v", order, tie, got, want)
			}
		}
	}
}

func TestScroll(t *testing.T) {
	a := testAPI(t)
	h := asShop(a)
	first := decode(t, send(t, h, "POST", "/logs-*/_search?scroll=5m", `{"size":2,"sort":"_doc","query":{"match_all":{}},"aggs":{"n":{"value_count":{"field":"level"}}}}`))
	if first.ids() != "s1 s2" || first.Hits.Total.Value != 5 || first.ScrollID == "" || first.Aggregations == nil {
		t.Fatalf("first page: %+v", first)
	}
	// Somebody else's scroll is not there.
	other := as(a, scopetest.ReadAs("shop-token", "shop", "billing"), tenant.Write{})
	if w := send(t, other, "POST", "/_search/scroll", `{"scroll_id":"`+first.ScrollID+`"}`); w.Code != 404 {
		t.Errorf("another scope reads the scroll: %d %s", w.Code, w.Body)
	}
	if w := send(t, other, "DELETE", "/_search/scroll", `{"scroll_id":"`+first.ScrollID+`"}`); w.Code != 404 {
		t.Errorf("another scope ends the scroll: %d %s", w.Code, w.Body)
	}
	second := decode(t, send(t, h, "POST", "/_search/scroll?scroll=1m", `{"scroll_id":"`+first.ScrollID+`"}`))
	third := decode(t, send(t, h, "GET", "/_search/scroll", `{"scroll":"1m","scroll_id":"`+second.ScrollID+`"}`))
	fourth := decode(t, send(t, h, "GET", "/_search/scroll/"+third.ScrollID, ""))
	if second.ids() != "s3 s4" || third.ids() != "d1" || fourth.ids() != "" || third.Hits.Total.Value != 5 || second.Aggregations != nil {
		t.Errorf("pages: %+v %+v %+v", second, third, fourth)
	}
	if w := send(t, h, "DELETE", "/_search/scroll", `{"scroll_id":["`+first.ScrollID+`"]}`); w.Code != 200 || w.Body.String() != `{"succeeded":true,"num_freed":1}` {
		t.Errorf("end: %d %s", w.Code, w.Body)
	}
	if w := send(t, h, "POST", "/_search/scroll", `{"scroll_id":"`+first.ScrollID+`"}`); w.Code != 404 || !strings.Contains(w.Body.String(), "search_context_missing_exception") {
		t.Errorf("after its end: %d %s", w.Code, w.Body)
	}
	if w := send(t, h, "GET", "/none-*/_search?scroll=1m", ""); decode(t, w).ScrollID == "" {
		t.Errorf("scroll over nothing: %s", w.Body)
	}
}

func TestScrollsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{Searcher: mem.New(mem.Options{})})
		h := asShop(a)
		var last *httptest.ResponseRecorder
		for range contextsMaxCaller + 1 {
			last = send(t, h, "GET", "/_search?scroll=1m", "")
		}
		if last.Code != 429 || last.Header().Get("Retry-After") == "" {
			t.Errorf("one scroll too many: %d %s", last.Code, last.Body)
		}
		time.Sleep(2 * time.Minute) // in the bubble: no real time
		synctest.Wait()
		if n := len(a.contexts.open); n != 0 {
			t.Errorf("%d scrolls are open after their time", n)
		}
		if w := send(t, h, "GET", "/_search?scroll=2d", ""); w.Code != 400 {
			t.Errorf("a scroll of two days: %d", w.Code)
		}
	})
}

func TestPointInTime(t *testing.T) {
	a := testAPI(t)
	h := asShop(a)
	var pit struct{ ID string }
	w := send(t, h, "POST", "/logs-*/_pit?keep_alive=5m", "")
	if json.Unmarshal(w.Body.Bytes(), &pit); pit.ID == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	page := func(after string) searchReply {
		return decode(t, send(t, h, "POST", "/_search", `{"size":3,"query":{"match_all":{}},"sort":[{"@timestamp":"desc"}],"pit":{"id":"`+pit.ID+`","keep_alive":"5m"}`+after+`}`))
	}
	first := page("")
	if first.ids() != "d1 s4 s3" || len(first.Hits.Hits[2].Sort) != 2 || first.PitID != pit.ID {
		t.Fatalf("first page: %+v", first)
	}
	b, _ := json.Marshal(first.Hits.Hits[2].Sort)
	if second := page(`,"search_after":` + string(b)); second.ids() != "s2 s1" {
		t.Errorf("second page: %+v", second)
	}
	if w := send(t, as(a, scopetest.ReadAs("other", "billing"), tenant.Write{}), "POST", "/_search", `{"pit":{"id":"`+pit.ID+`"}}`); w.Code != 404 {
		t.Errorf("another scope reads the point in time: %d %s", w.Code, w.Body)
	}
	if w := send(t, h, "POST", "/logs-*/_search", `{"pit":{"id":"`+pit.ID+`"}}`); w.Code != 400 {
		t.Errorf("with an index: %d", w.Code)
	}
	if w := send(t, h, "DELETE", "/_pit", `{"id":"`+pit.ID+`"}`); w.Code != 200 {
		t.Errorf("end: %d %s", w.Code, w.Body)
	}
	if w := send(t, h, "POST", "/_search", `{"pit":{"id":"`+pit.ID+`"}}`); w.Code != 404 {
		t.Errorf("after its end: %d", w.Code)
	}
}

func TestGzip(t *testing.T) {
	h := asShop(testAPI(t))
	pack := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		io.WriteString(z, s)
		z.Close()
		return b.String()
	}
	w := send(t, h, "POST", "/_search", pack(`{"query":{"term":{"level":"warn"}}}`), "Content-Encoding", "gzip")
	if got := decode(t, w).ids(); got != "s4" {
		t.Errorf("packed body finds %q", got)
	}
	w = send(t, h, "POST", "/_search", pack(strings.Repeat(" ", bodyBytesMax+1)), "Content-Encoding", "gzip")
	if w.Code != 413 {
		t.Errorf("bomb: %d %s", w.Code, w.Body)
	}
	if w = send(t, h, "POST", "/_search", "no", "Content-Encoding", "gzip"); w.Code != 400 {
		t.Errorf("no gzip: %d", w.Code)
	}
	w = send(t, h, "GET", "/_search?pretty", "", "Accept-Encoding", "gzip, deflate")
	if w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("reply is not packed: %v", w.Header())
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || !json.Valid(b) {
		t.Errorf("packed reply: %v %s", err, b)
	}
}

func TestErrorShapes(t *testing.T) {
	a := testAPI(t)
	for status, want := range map[int]string{
		401: "security_exception", 403: "security_exception", 404: "resource_not_found_exception",
		413: "content_too_long_exception", 429: "es_rejected_execution_exception", 503: "unavailable_shards_exception", 500: "exception",
	} {
		w := httptest.NewRecorder()
		a.Error(w, httptest.NewRequest("GET", "/x", nil), status, "because")
		var body struct {
			Error struct {
				Type, Reason string
				RootCause    []struct{ Type string } `json:"root_cause"`
			}
			Status int
		}
		if json.Unmarshal(w.Body.Bytes(), &body); body.Error.Type != want || body.Status != status || w.Code != status || body.Error.RootCause[0].Type != want || w.Header().Get("X-Elastic-Product") == "" {
			t.Errorf("%d: %d %s", status, w.Code, w.Body)
		}
		if (w.Header().Get("Retry-After") != "") != (status == 429 || status == 503) || (w.Header().Get("WWW-Authenticate") != "") != (status == 401) {
			t.Errorf("%d: headers %v", status, w.Header())
		}
	}
}

// endless is a store whose searches end when they are no longer wanted, or when they
// have no time left.
type endless struct{ logging.Searcher }

func (s endless) Snapshot(ctx context.Context, r tenant.Read) (logging.View, error) {
	v, err := s.Searcher.Snapshot(ctx, r)
	return endlessView{v}, err
}

type endlessView struct{ logging.View }

func (endlessView) Search(ctx context.Context, q logging.Query) (*logging.Result, error) {
	if q.Timeout == 0 {
		<-ctx.Done()
		return nil, fmt.Errorf("search: %w", ctx.Err())
	}
	return &logging.Result{TimedOut: true, Total: int64(q.Timeout), TotalAtLeast: true}, nil
}

// TestTimeout: a search that may not take longer is ended with an error that says how
// to mend it; one that brings a time of its own gets what was found.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Options{Searcher: endless{testStore(t)}, SearchTime: time.Minute, Clock: func() time.Time { return testNow }})
		defer a.Close()
		h := asShop(a)
		for _, path := range []string{"/_search", "/_count", "/_search?scroll=1m"} {
			if w := send(t, h, "POST", path, `{}`); w.Code != 400 || !strings.Contains(w.Body.String(), "task_cancelled_exception") || !strings.Contains(w.Body.String(), "limits.query_time") {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		// A page that lacks some would end the scroll, or pass them over.
		if w := send(t, h, "POST", "/_search?scroll=1m", `{"timeout":"7nanos"}`); w.Code != 400 || !strings.Contains(w.Body.String(), "limits.query_time") {
			t.Errorf("a scroll with a timeout: %d %s", w.Code, w.Body)
		}
		if w := send(t, h, "POST", "/_msearch", "{}\n{}\n{}\n{\"timeout\":\"3nanos\"}\n"); w.Code != 200 || !strings.Contains(w.Body.String(), "limits.query_time") || !strings.Contains(w.Body.String(), `"timed_out":true`) {
			t.Errorf("_msearch: %d %s", w.Code, w.Body)
		}
		for body, want := range map[string]string{
			`{"timeout":"7nanos"}`: `"timed_out":true,"_shards":{"total":`,
			`{"timeout":"7"}`:      "failed to parse time value [7]",
		} {
			if w := send(t, h, "POST", "/_search", body); !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: %d %s", body, w.Code, w.Body)
			}
		}
		if w := send(t, h, "GET", "/_search?timeout=7nanos", ""); !strings.Contains(w.Body.String(), `"value":7,"relation":"gte"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

// TestHead asks for everything that can be got without its body.
func TestHead(t *testing.T) {
	h := asShop(testAPI(t))
	for _, path := range []string{"/", "/_nodes/http", "/logs-eu-shop", "/nope", "/logs-eu-shop/_doc/s1", "/logs-eu-shop/_doc/nope", "/_search", "/_cat/indices"} {
		get, head := send(t, h, "GET", path, ""), send(t, h, "HEAD", path, "")
		if head.Code != get.Code || head.Body.Len() != 0 || head.Header().Get("Content-Type") != get.Header().Get("Content-Type") {
			t.Errorf("%s: %d with %d bytes, GET %d", path, head.Code, head.Body.Len(), get.Code)
		}
	}
}

// TestNoAliases asks as exporters and rollovers do.
func TestNoAliases(t *testing.T) {
	h := asShop(testAPI(t))
	for _, c := range []struct {
		method, path string
		code         int
		body         string
	}{
		{"GET", "/logs-eu-shop/_alias", 200, `{"logs-eu-shop":{"aliases":{}}}`},
		{"GET", "/logs-eu-shop/_alias/*", 200, "{}"},
		{"GET", "/_alias/_all", 200, "{}"},
		{"GET", "/logs-eu-shop/_alias/today", 404, `{"error":"alias [today] missing","status":404}`},
		{"HEAD", "/_alias/today", 404, ""},
		{"HEAD", "/_alias/*", 404, ""},
	} {
		if w := send(t, h, c.method, c.path, ""); w.Code != c.code || w.Body.String() != c.body {
			t.Errorf("%s %s: %d %s, want %d %s", c.method, c.path, w.Code, w.Body, c.code, c.body)
		}
	}
	if w := send(t, h, "GET", "/absent/_alias/*", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "index_not_found_exception") {
		t.Errorf("of an absent index: %d %s", w.Code, w.Body)
	}
}

// TestIsolation asks every route, as a team that has nothing, about another
// team's index and about one that never was: nothing foreign may show, and the
// two answers must be the same.
func TestIsolation(t *testing.T) {
	a := testAPI(t)
	lone := as(a, scopetest.ReadAs("lone", "lone"), scopetest.Write("lone"))
	bodies := map[string]string{
		"/_msearch": "{\"index\":\"INDEX\"}\n{\"aggs\":{\"f\":{\"terms\":{\"field\":\"level\"}}}}\n{}\n{}\n",
		"/_mget":    `{"docs":[{"_index":"INDEX","_id":"b1"},{"_index":"INDEX","_id":"s1"}]}`,
		"/_search":  `{"query":{"match_all":{}},"aggs":{"f":{"terms":{"field":"_index"}}}}`,
		"/_pit":     `{"id":"x"}`,
	}
	for _, rt := range a.routes {
		if len(rt.Methods) == 0 || rt.Pattern == "" {
			t.Errorf("route %v names no methods", rt)
		}
		for _, method := range rt.Methods {
			body := ""
			for suffix, b := range bodies {
				if strings.HasSuffix(rt.Pattern, suffix) && method != "DELETE" {
					body = b
				}
			}
			one := func(index string) *httptest.ResponseRecorder {
				path := strings.NewReplacer("{index}", index, "{id}", "b1", "{nodes}", "_all", "{type}", "_all", "{scroll}", "x", "{alias}", "*", "{metrics}", "_all", "{name}", "x").Replace(rt.Pattern)
				query := "?pretty=false"
				for _, p := range []string{"fields=*", "keep_alive=1m", "q=*"} {
					if key, _, _ := strings.Cut(p, "="); slices.Contains(rt.params, key) {
						query += "&" + p
					}
				}
				w := send(t, lone, method, path+query, strings.ReplaceAll(body, "INDEX", index))
				if strings.Contains(w.Body.String(), "unrecognized") {
					t.Errorf("%s %s: %s", method, path, w.Body)
				}
				text := mask(strings.ReplaceAll(w.Body.String(), index, "INDEX"))
				if strings.Contains(text, "FOREIGN") || strings.Contains(text, "foreign_field") {
					t.Errorf("%s %s shows what is not the caller's: %s", method, path, text)
				}
				w.Body = bytes.NewBufferString(text)
				return w
			}
			foreign, absent := one("logs-eu-billing"), one("logs-eu-nothing")
			if foreign.Code != absent.Code || foreign.Body.String() != absent.Body.String() {
				t.Errorf("%s %s tells a foreign index from an absent one:\n%d %s\n%d %s", method, rt.Pattern, foreign.Code, foreign.Body, absent.Code, absent.Body)
			}
		}
	}
	// In an index that both teams have, each sees its own.
	for path, want := range map[string]string{
		"/logs-eu-shop/_count": `"count":4`, "/_count": `"count":6`, "/logs-eu-shop/_search?q=foreign": `"value":0`, "/logs-eu-shop/_doc/b2": `"found":false`,
	} {
		if w := send(t, asShop(a), "GET", path, ""); !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %s, want %s", path, w.Body, want)
		}
	}
	// Without any scope there is nothing at all.
	if w := send(t, a, "GET", "/_count", ""); !strings.Contains(w.Body.String(), `"count":0`) {
		t.Errorf("no scope: %s", w.Body)
	}
}

func TestAccess(t *testing.T) {
	a := testAPI(t)
	for _, c := range []struct {
		method, path string
		want         httpx.Access
		ok           bool
	}{
		{"GET", "/", httpx.Open, true}, {"HEAD", "/", httpx.Open, true}, {"POST", "/", httpx.Open, false},
		{"POST", "/_bulk", httpx.Write, true}, {"PUT", "/x/_bulk", httpx.Write, true}, {"GET", "/_bulk", httpx.Open, false},
		{"POST", "/_search/scroll", httpx.Read, true}, {"POST", "/scroll/_search", httpx.Read, true}, {"GET", "//_search/", httpx.Read, true},
		{"GET", "/%3Clogs-%7Bnow%2Fd%7D%3E/_search", httpx.Read, true}, {"GET", "/_all/_mapping", httpx.Read, true},
		{"GET", "/_nope", httpx.Open, false}, {"GET", "/_nope/_search", httpx.Open, false}, {"GET", "/a/b", httpx.Open, false},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if got, ok := a.Access(r); got != c.want || ok != c.ok {
			t.Errorf("%s %s: %s %t, want %s %t", c.method, c.path, got, ok, c.want, c.ok)
		}
	}
}

func TestPublishAddress(t *testing.T) {
	for _, c := range []struct{ option, host, want string }{
		{"", "127.0.0.1:9200", "127.0.0.1:9200"}, {"", "[::1]:9200", "[::1]:9200"},
		{"", "logs.example:9200", "logs.example:9200"}, {"", "logs.example", "logs.example:80"},
		{"es.example/10.0.0.1:9200", "x", "es.example/10.0.0.1:9200"},
	} {
		a := New(Options{Searcher: mem.New(mem.Options{}), PublishAddress: c.option})
		r := httptest.NewRequest("GET", "/_nodes/http", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), `"publish_address":"`+c.want+`"`) {
			t.Errorf("%+v: %s", c, w.Body)
		}
	}
	srv := httptest.NewServer(New(Options{Searcher: mem.New(mem.Options{})}))
	defer srv.Close()
	res, err := http.Get(strings.Replace(srv.URL, "127.0.0.1", "localhost", 1) + "/_nodes/http")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), `"publish_address":"localhost/127.0.0.1:`) {
		t.Errorf("by name: %s", b)
	}
}

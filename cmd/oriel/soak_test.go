//go:build real && soak

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/registry"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// canary is in everything of bravo's, and in no request: wherever it comes back
// something leaked.
const canary = "c4nary"

// world is a gateway with what alpha's team has in it.
type world struct {
	g         *gateway
	pages, es *httptest.Server
	tokens    map[string]string // alpha's, and of the cluster west
}

// soak sends the same requests to two worlds: in one of them bravo lives, in the
// other one there is no such team. alpha must not be able to tell which it is in.
type soak struct {
	t           *testing.T
	with, empty *world
	theirs      string // bravo's token
	scroll      string // bravo's, as if alpha had read them somewhere
	pit         string
	docID       string
	rnd         *rand.Rand
	sent, told  int
	statuses    map[int]int
}

// TestSoakIsolation sends generated hostile requests to every route of the
// gateway, reading and writing, by alpha's tokens and a cluster's. Nothing of
// bravo's comes back, every answer is the one of a world without bravo, and
// bravo's own view is the same afterwards.
func TestSoakIsolation(t *testing.T) {
	seed, n := uint64(1), 20_000
	for name, set := range map[string]func(string) error{
		"ORIEL_SOAK_SEED":     func(v string) (err error) { seed, err = strconv.ParseUint(v, 10, 64); return err },
		"ORIEL_SOAK_REQUESTS": func(v string) (err error) { n, err = strconv.Atoi(v); return err },
	} {
		if v := os.Getenv(name); v != "" {
			if err := set(v); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	s := newSoak(t, seed)
	before := s.fingerprint()
	if !strings.Contains(before, canary) {
		t.Fatal("bravo does not see its own")
	}
	routes := s.with.g.routes()
	for i := range n {
		s.attack(routes[i%len(routes)])
		if s.told > 20 {
			break
		}
	}
	s.claimAll()
	if after := s.fingerprint(); after != before {
		t.Errorf("bravo's view has changed:\n%s", firstDifference(before, after))
	}
	s.contextsStillOpen()
	t.Logf("seed %d: %d requests over %d routes, statuses %v, %d findings", seed, s.sent, len(routes), s.statuses, s.told)
}

func newWorld(t *testing.T, teams ...tenant.ID) *world {
	w := &world{g: testGateway(t, nil)}
	for _, id := range teams {
		if err := w.g.directory.Onboard(context.Background(), id, []string{"team-" + string(id) + "-" + canary}, []registry.NamespaceRef{{Cluster: "east", Name: namespaceOf(id)}}); err != nil {
			t.Fatal(err)
		}
		seedTenant(t, w.g, id)
	}
	w.pages, w.es = httptest.NewServer(w.g.handler()), httptest.NewServer(w.g.esHandler())
	t.Cleanup(w.pages.Close)
	t.Cleanup(w.es.Close)
	w.tokens = map[string]string{
		"read":    w.token(t, tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: alpha}),
		"write":   w.token(t, tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: alpha, Access: tenant.AccessWrite}),
		"cluster": w.token(t, tenant.TokenSpec{Kind: tenant.TokenCluster, Cluster: tenant.Cluster{Name: "west"}}),
	}
	return w
}

func (w *world) token(t *testing.T, spec tenant.TokenSpec) string {
	secret, _, err := w.g.tokens.Create(spec)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

func newSoak(t *testing.T, seed uint64) *soak {
	s := &soak{
		t: t, with: newWorld(t, alpha, bravo), empty: newWorld(t, alpha),
		rnd: rand.New(rand.NewPCG(seed, seed)), statuses: map[int]int{},
	}
	s.seedCanary()
	s.theirs = s.with.token(t, tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: bravo})
	var got struct {
		ID     string `json:"id"`
		Scroll string `json:"_scroll_id"`
		Hits   struct {
			Hits []struct {
				ID string `json:"_id"`
			} `json:"hits"`
		} `json:"hits"`
	}
	for _, path := range []string{"/es/_search?scroll=1h&size=2&sort=_doc", "/es/logs-*/_pit?keep_alive=1h"} {
		if err := json.Unmarshal([]byte(s.asBravo("POST", path, "")), &got); err != nil {
			t.Fatal(err)
		}
	}
	// The second hit's id is derived from its position.
	s.scroll, s.pit, s.docID = got.Scroll, got.ID, got.Hits.Hits[1].ID
	if _, derived := logging.ParseDerivedID(s.docID); !derived {
		t.Fatalf("id %q is not derived", s.docID)
	}
	return s
}

func seedTenant(t *testing.T, g *gateway, id tenant.ID) { seed(t, g.series, g, id) }

// seedCanary gives bravo telemetry of every kind.
func (s *soak) seedCanary() {
	ctx, id := context.Background(), tenant.ID(bravo)
	// Records have one sequence over all teams (docs/security.md). The empty world
	// gets as many of the operator's own, so that ids derived from it are alike.
	defer func() {
		for range 7 {
			rec := logging.Record{Tenant: tenant.System, Index: "logs-local-_node", Time: testNow, Received: testNow, Cluster: "test", Source: []byte(`{}`)}
			if _, err := s.empty.g.intake.Append(ctx, scopetest.Write(tenant.System), logging.Batch{Records: []logging.Record{rec}}); err != nil {
				s.t.Fatal(err)
			}
		}
	}()
	owners := scopetest.Owners{Of: map[string]tenant.ID{"east/" + namespaceOf(id): id, "east/" + canary: id}}
	cluster := scopetest.WriteCluster(tenant.Cluster{Name: "east"}, owners)
	for i, w := range []tenant.Write{cluster, scopetest.Write(id)} {
		app := s.with.g.series.Appender(ctx, w)
		ls := labels.FromStrings("__name__", "http_requests_total", "namespace", namespaceOf(id), "pod", canary, "job", canary, canary, canary, "n", strconv.Itoa(i))
		_, err := app.Append(0, ls, 0, testNow.UnixMilli(), 42, nil, nil, storage.AOptions{
			MetricFamilyName: "http_requests_total", Metadata: metadata.Metadata{Type: "counter", Help: canary},
			Exemplars: []exemplar.Exemplar{{Labels: labels.FromStrings("trace_id", canary), Value: 1, Ts: testNow.UnixMilli(), HasTs: true}},
		})
		if err != nil {
			s.t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			s.t.Fatal(err)
		}
		var b logging.Batch
		for n, raw := range []logging.Raw{
			{ID: "1", Index: "shared"},
			{ID: "doc-1", Index: "logs-east-" + namespaceOf(id)},
			{Index: canary},
		} {
			raw.Source = fmt.Appendf(nil, `{"message":"payment %s failed","level":"error","n":%d,"%s":"x","user":{"name":"%s"},"namespace":%q,"pod":"%s","@timestamp":%q}`,
				canary, n, canary, canary, namespaceOf(id), canary, testNow.Format(time.RFC3339Nano))
			if i == 0 {
				raw.ID = ""
			}
			rec, err := s.with.g.stamper.Stamp(w, raw)
			if err != nil {
				s.t.Fatal(err)
			}
			b.Records = append(b.Records, rec)
		}
		if _, err := s.with.g.intake.Append(ctx, w, b); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *soak) asBravo(method, path, body string) string {
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+s.theirs)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	s.with.g.handler().ServeHTTP(w, req)
	return w.Body.String()
}

// fingerprint is everything that bravo sees, and what the directory has of it.
func (s *soak) fingerprint() string {
	var b strings.Builder
	at := fmt.Sprint(testNow.Unix() + 1)
	for _, path := range []string{
		"/api/v1/query?time=" + at + "&query=" + everySeries, "/api/v1/labels?end=" + at, "/api/v1/label/namespace/values?end=" + at,
		"/api/v1/series?match[]=" + everySeries + "&end=" + at, "/api/v1/metadata", "/api/v1/query_exemplars?query=http_requests_total&start=0&end=" + at,
		"/es/_search?size=1000&sort=_doc", "/es/_count", "/es/_cat/indices?format=json", "/es/_field_caps?fields=*", "/es/_mapping", "/es/_alias",
		"/es/shared/_doc/1", "/es/logs-east-" + namespaceOf(bravo) + "/_doc/doc-1",
	} {
		fmt.Fprintf(&b, "%s: %s\n", path, normal(s.asBravo("GET", path, ""), ""))
	}
	state, _ := s.with.g.directory.State(bravo)
	state.Status, state.Stages = "", nil
	fmt.Fprintf(&b, "%+v\n", state)
	for _, info := range s.with.g.tokens.List() {
		if info.Tenant == bravo {
			fmt.Fprintf(&b, "%+v\n", info)
		}
	}
	return b.String()
}

func firstDifference(a, b string) string {
	as, bs := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(as), len(bs)) {
		if as[i] != bs[i] {
			return clip(as[i]) + "\n" + clip(bs[i])
		}
	}
	return fmt.Sprintf("%d and %d lines", len(as), len(bs))
}

// attack makes a request out of the route, sends it to both worlds, and compares.
func (s *soak) attack(rt httpx.Route) {
	r := s.generate(rt)
	status, body := s.send(s.with, r)
	emptyStatus, emptyBody := s.send(s.empty, r)
	s.sent += 2
	s.statuses[status]++
	if i := strings.Index(body, canary); i >= 0 {
		s.tell("leak", r, fmt.Sprintf("%d ...%s", status, clip(body[max(0, i-200):])))
	}
	if r.who == "cluster" && rt.Access != httpx.Read {
		return // that a name is taken an agent's claim may learn: it is in the contract
	}
	if status != emptyStatus || alike(body) != alike(emptyBody) {
		s.tell("difference", r, fmt.Sprintf("%d %s\n%d %s", status, clip(alike(body)), emptyStatus, clip(alike(emptyBody))))
	}
}

func (s *soak) tell(what string, r hostile, detail string) {
	s.told++
	s.t.Errorf("%s by %s (flat %v): %s %s\nheader %v\nbody %s\n%s", what, r.who, r.flat, r.method, r.target, r.header, clip(r.body), detail)
}

// alike takes out what differs between two worlds that were made one after the
// other.
func alike(body string) string { return drifting.ReplaceAllString(normal(body, bravo), "N") }

var drifting = regexp.MustCompile(`"(_id|id|pit_id|_scroll_id)" ?: ?"[^"]*"|"_seq_no" ?: ?[0-9]+|"(sort|search_after)" ?: ?\[[^\]]*\]|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|\b[0-9]{10}\b|[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?|\b[0-9a-z]{11}\b|"seq" ?: ?[0-9]+|"timings":\{[^}]*\}`)

type hostile struct {
	who, method, target, body string
	flat                      bool // to the listener without paths of tenants
	header                    http.Header
	credential                func(token string) string
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func (s *soak) chance(percent int) bool { return s.rnd.IntN(100) < percent }

// generate combines a route, a probe's or its own parameters, encodings, names
// and bodies. NAME, SCROLL, PIT and DOC are replaced when it is sent.
func (s *soak) generate(rt httpx.Route) hostile {
	r := hostile{who: pick(s.rnd, "read", "write", "write", "cluster", "none"), header: http.Header{}}
	if s.chance(90) && r.who == "none" {
		r.who = "read"
	}
	p := probe{method: "GET", target: s.fill(rt.Pattern)}
	if known := probes[rt.String()]; len(known) > 0 && s.chance(50) {
		p = pick(s.rnd, known...)
	}
	r.method, r.body = p.method, p.body
	if len(rt.Methods) > 0 {
		r.method = pick(s.rnd, rt.Methods...)
	}
	if s.chance(10) {
		r.method = pick(s.rnd, "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "PROPFIND", "get", "TRACE")
	}
	path, query, _ := strings.Cut(p.target, "?")
	if rest, ok := strings.CutPrefix(path, "/es/"); ok && s.chance(40) {
		r.flat, path = true, "/"+rest
	}
	path = s.bend(path, r.flat)
	for range s.rnd.IntN(4) {
		query += "&" + s.param()
	}
	if r.target = path; query != "" {
		r.target += "?" + strings.TrimPrefix(query, "&")
	}
	if p.contentType != "" {
		r.header.Set("Content-Type", p.contentType)
	}
	if r.body == "" || s.chance(60) {
		var contentType string
		contentType, r.body = s.makeBody(path)
		r.header.Set("Content-Type", contentType)
		if strings.Contains(contentType, "protobuf") {
			r.header.Set("Content-Encoding", "snappy")
		}
	}
	if r.method == "GET" && s.chance(50) {
		r.body = ""
	}
	for range s.rnd.IntN(4) {
		name, value, _ := strings.Cut(pick(s.rnd, hostileHeaders...), ": ")
		r.header.Set(name, value)
	}
	if s.chance(15) {
		r.header.Set("X-Scope-OrgID", pick(s.rnd, "NAME", "alpha|NAME", "NAME|alpha", "alpha", "alpha|alpha", "NAME\talpha", "_system", "*", "", "alpha,NAME", "ALPHA", "alpha|"))
	}
	if len(r.body) > 0 && s.chance(5) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = io.WriteString(z, r.body)
		_ = z.Close()
		r.body = b.String()
		r.header.Set("Content-Encoding", "gzip")
	}
	r.credential = pick(s.rnd, credentials...)
	return r
}

// fill puts names into the places of a pattern.
func (s *soak) fill(pattern string) string {
	return place.ReplaceAllStringFunc(pattern, func(at string) string {
		switch at {
		case "{$}":
			return ""
		case "{index}":
			return pick(s.rnd, "*", "logs-*", "_all", "shared", "logs-east-NAME-s3cr3t", "logs-east-*", "*NAME*", "logs-*,-logs-alpha", "*,shared", "logs-east-alpha,logs-east-NAME-s3cr3t",
				"%3Clogs-east-%7Bnow%2Fd%7D%3E", "*:*", "NAME:logs-*", "-*,logs-east-NAME-s3cr3t", "logs-east-NAME-s3cr3t%2Cshared", ".*", "%2A", "LOGS-EAST-NAME-S3CR3T", "**")
		case "{id}":
			return pick(s.rnd, "1", "doc-1", "DOC", "00000000001", "0000000000%35", "..%2f1")
		case "{scroll}":
			return pick(s.rnd, "SCROLL", "PIT", "_all")
		case "{name}":
			return pick(s.rnd, "namespace", "__name__", "pod", "job", "U__namespace", "cluster", "trace_id", "NAME")
		case "{tenant}":
			return "NAME"
		}
		return pick(s.rnd, "NAME", "_all", "*", "..%2fNAME")
	})
}

var place = regexp.MustCompile(`\{[^}]*\}`)

// bend writes a path in another way.
func (s *soak) bend(path string, flat bool) string {
	if !flat && s.chance(25) {
		path = pick(s.rnd, "/t/NAME", "/t/NAME", "/t/alpha", "/T/NAME", "/t//NAME", "/t/alpha/../NAME", "/t/alpha/%2e%2e/NAME", "/t/alpha%2f..%2fNAME", "/t/%4eAME",
			"/t/NAME%00", "/t/NAME%2f", "/t/alpha;NAME", "/t/alpha/t/NAME", "/t/NAME/t/alpha", "/t/alpha%7CNAME", "/%74/NAME", "//t/NAME", "/./t/NAME", "/t/_system", "/t/_unassigned", "/t/NAME.") + path
	}
	if s.chance(15) {
		switch s.rnd.IntN(6) {
		case 0:
			path = strings.Replace(path, "/", "//", 1)
		case 1:
			path += "/"
		case 2:
			path = strings.ReplaceAll(path, "_", "%5f")
		case 3:
			path = strings.Replace(path, "/es/", "/es/../es/", 1)
		case 4:
			path += "%2f..%2fNAME"
		case 5:
			path = strings.ToUpper(path)
		}
	}
	return path
}

func (s *soak) param() string {
	return pick(s.rnd, "tenant=NAME", "X-Scope-OrgID=NAME", "org_id=NAME", "namespace=NAME-s3cr3t", "extra_label=tenant%3DNAME", "extra_filters[]=%7Btenant%3D%22NAME%22%7D",
		"query="+s.promql(), "match[]="+s.promql(), "match[]="+everySeries, "query="+everySeries, "start=0", "end=99999999999", "time=99999999999", "step=86400", "limit=1000000", "stats=all",
		"q=*", "q=s3cr3t", "q=payment", "q=user.name:*", "q=_exists_:user.name", "q=namespace:NAME*", "q=_index:*NAME*", "q=_id:DOC", "q=tenant:NAME", "size=1000", "from=0", "sort=_doc", "sort=_seq_no", "sort=_id",
		"scroll=1m", "scroll_id=SCROLL", "routing=NAME", "preference=_shards:0", "search_type=dfs_query_then_fetch", "ignore_unavailable=true", "allow_no_indices=true", "expand_wildcards=all",
		"expand_wildcards=all,hidden", "filter_path=**", "filter_path=hits.hits._source", "include_unmapped=true", "fields=*", "format=json", "h=index,docs.count", "v=true", "bytes=b", "pretty", "human",
		"source_content_type=application/json&source="+url.QueryEscape(s.query()), "_source=*", "stored_fields=*", "docvalue_fields=*", "version=true", "seq_no_primary_term=true", "explain=true",
		"keep_alive=1m", "metric=http_requests_total", "refresh=true", "op_type=index", "pipeline=NAME", "rest_total_hits_as_int=true", "typed_keys", "token=TOKEN", "with_limited_by=true", "lookback_delta=1y")
}

func (s *soak) promql() string {
	return url.QueryEscape(pick(s.rnd, `http_requests_total`, `{namespace="NAME-s3cr3t"}`, `count by (namespace, pod) ({__name__=~".+"})`, `absent(http_requests_total{pod!=""})`,
		`label_replace(vector(1),"tenant","NAME","","")`, `group({__name__=~".+"}) by (__name__)`, `info({__name__=~".+"})`, `http_requests_total or s3cr3t_requests_total @ 99999999999`,
		`{__name__=~"s3cr3t.*"} offset -1y`, `max_over_time({__name__=~".+"}[10y:1d])`, `count(count_values("v", {__name__=~".+"}))`, `{"NAME"}`, `topk(100, {__name__!=""})`, `scalar(count({__name__=~".+"}))`,
		`{__tenant__="NAME"}`, `{__name__=~".*",namespace=~"NAME.*"}`, `sort({job!="x"})`, `timestamp({__name__=~"http.+"})`))
}

func (s *soak) clause() string {
	return pick(s.rnd, `{"match_all":{}}`, `{"query_string":{"query":"*"}}`, `{"query_string":{"query":"namespace:NAME* OR pod:*"}}`, `{"exists":{"field":"user.name"}}`, `{"term":{"namespace":"NAME-s3cr3t"}}`,
		`{"terms":{"_index":["logs-east-NAME-s3cr3t","shared"]}}`, `{"ids":{"values":["1","doc-1","DOC"]}}`, `{"prefix":{"namespace":"NAME"}}`, `{"wildcard":{"pod":"*"}}`, `{"match":{"message":"payment failed"}}`,
		`{"match_phrase":{"message":"failed"}}`, `{"range":{"@timestamp":{"gte":0}}}`, `{"term":{"tenant":"NAME"}}`, `{"regexp":{"namespace":".*"}}`, `{"bool":{"must_not":[{"match_none":{}}]}}`, `{"term":{"_id":"DOC"}}`,
		`{"script":{"script":"true"}}`, `{"nested":{"path":"user","query":{"match_all":{}}}}`, `{"more_like_this":{"like":[{"_index":"shared","_id":"1"}]}}`, `{"terms":{"user":{"index":"shared","id":"1","path":"user.name"}}}`, `{"match_none":{}}`)
}

func (s *soak) query() string {
	q := s.clause()
	for range s.rnd.IntN(3) {
		q = `{"bool":{"` + pick(s.rnd, "filter", "should", "must", "must_not") + `":[` + q + "," + s.clause() + `]}}`
	}
	out := `{"query":` + q
	for range s.rnd.IntN(4) {
		out += "," + pick(s.rnd, `"size":1000`, `"from":0`, `"sort":["_doc"]`, `"sort":[{"_seq_no":"asc"}]`, `"sort":[{"@timestamp":"desc"}],"search_after":[99999999999999,99999999]`, `"sort":["_doc"],"search_after":[0]`,
			`"aggs":{"a":{"terms":{"field":"namespace","size":1000}}}`, `"aggs":{"a":{"terms":{"field":"_index"},"aggs":{"b":{"terms":{"field":"pod"}}}}}`, `"aggs":{"a":{"date_histogram":{"field":"@timestamp","fixed_interval":"365d"}}}`,
			`"aggs":{"a":{"composite":{"sources":[{"n":{"terms":{"field":"namespace"}}},{"i":{"terms":{"field":"_index"}}}],"after":{"n":"NAME","i":""}}}}`, `"aggs":{"a":{"composite":{"size":1000,"sources":[{"u":{"terms":{"field":"user.name","missing_bucket":true}}}]}}}`,
			`"aggs":{"a":{"terms":{"field":"namespace","min_doc_count":0,"include":".*","size":1000}}}`, `"aggs":{"a":{"range":{"field":"@timestamp","ranges":[{"from":0},{}]}}}`, `"aggs":{"a":{"geohash_grid":{"field":"user"}}}`,
			`"aggs":{"h":{"date_histogram":{"field":"@timestamp","calendar_interval":"year"},"aggs":{"c":{"cumulative_sum":{"buckets_path":"_count"}},"r":{"rate":{}}}},"m":{"max_bucket":{"buckets_path":"h>_count"}}}`,
			`"aggs":{"a":{"global":{},"aggs":{"b":{"terms":{"field":"user.name"}}}}}`, `"aggs":{"a":{"cardinality":{"field":"user.name"}}}`, `"aggs":{"a":{"value_count":{"field":"_id"}}}`, `"aggs":{"a":{"top_hits":{}}}`,
			`"aggs":{"a":{"significant_terms":{"field":"pod","background_filter":{"match_all":{}}}}}`, `"suggest":{"s":{"text":"pay","term":{"field":"message"}}}`, `"fields":["*"]`, `"_source":true`, `"track_total_hits":true`,
			`"highlight":{"fields":{"*":{}}}`, `"collapse":{"field":"namespace"}`, `"pit":{"id":"PIT","keep_alive":"1m"}`, `"indices_boost":[{"logs-east-NAME-s3cr3t":2}]`, `"runtime_mappings":{"x":{"type":"keyword"}}`,
			`"post_filter":{"match_all":{}}`, `"slice":{"id":0,"max":2}`, `"docvalue_fields":["user.name"]`, `"script_fields":{"x":{"script":"doc"}}`, `"query":{"match_all":{}}`, `"explain":true`, `"profile":true`, `"version":true`, `"seq_no_primary_term":true`)
	}
	return out + "}"
}

func (s *soak) doc() string {
	return pick(s.rnd, `{"message":"planted","namespace":"NAME-s3cr3t"}`, `{"kubernetes":{"namespace_name":"NAME-s3cr3t"},"tenant":"NAME","_tenant":"NAME"}`, `{"cluster":"east","namespace":"NAME-s3cr3t","_index":"logs-east-NAME-s3cr3t"}`,
		`{"kubernetes.namespace_name":"NAME-s3cr3t","kubernetes":{"namespace_name":"alpha"},"@timestamp":"2020-01-01T00:00:00Z"}`, `{"message":"x","_id":"DOC","_seq_no":0}`, `{"@timestamp":"2999-01-01T00:00:00Z","namespace":"NAME-s3cr3t"}`)
}

func (s *soak) makeBody(path string) (contentType, body string) {
	switch {
	case strings.Contains(path, "_bulk"):
		var b strings.Builder
		for range 1 + s.rnd.IntN(4) {
			action := pick(s.rnd, "create", "index", "delete", "update")
			fmt.Fprintf(&b, `{"%s":{%s}}`+"\n", action, pick(s.rnd, `"_index":"shared","_id":"1"`, `"_index":"logs-east-NAME-s3cr3t","_id":"doc-1"`, `"_index":"logs-east-NAME-s3cr3t"`, `"_index":"shared","_id":"DOC"`,
				`"_index":"*"`, `"_index":"NAME","routing":"NAME"`, `"_index":"logs-west-NAME"`, `"_index":"shared","if_seq_no":0,"if_primary_term":1`, ``))
			if action != "delete" {
				b.WriteString(s.doc() + "\n")
			}
		}
		return "application/x-ndjson", b.String()
	case strings.Contains(path, "_msearch"):
		var b strings.Builder
		for range 1 + s.rnd.IntN(3) {
			b.WriteString(pick(s.rnd, `{}`, `{"index":"*"}`, `{"index":["logs-east-NAME-s3cr3t","shared"],"ignore_unavailable":true}`, `{"index":"shared","preference":"NAME"}`) + "\n" + s.query() + "\n")
		}
		return "application/x-ndjson", b.String()
	case strings.Contains(path, "_mget"):
		return "application/json", pick(s.rnd, `{"docs":[{"_index":"shared","_id":"1"},{"_index":"logs-east-NAME-s3cr3t","_id":"DOC"}]}`, `{"ids":["1","doc-1","DOC"]}`)
	case strings.Contains(path, "scroll"):
		return "application/json", pick(s.rnd, `{"scroll":"1h","scroll_id":"SCROLL"}`, `{"scroll_id":["SCROLL","PIT"]}`, `{"scroll_id":"_all"}`)
	case strings.Contains(path, "_pit"):
		return "application/json", `{"id":"` + pick(s.rnd, "PIT", "SCROLL") + `"}`
	case strings.HasSuffix(path, "/api/v1/write"):
		return "application/x-protobuf", s.remoteWrite()
	case strings.HasSuffix(path, "/api/v1/read"):
		return "application/x-protobuf", remoteRead()
	case strings.Contains(path, "/api/v1/") || strings.Contains(path, "federate"):
		return "application/x-www-form-urlencoded", s.param() + "&" + s.param()
	case strings.Contains(path, "/agent/"):
		return "application/json", s.claims()
	case strings.Contains(path, "/admin/"):
		return "application/json", pick(s.rnd, `{"groups":["mine"]}`, `{"namespaces":[{"cluster":"east","name":"NAME-s3cr3t"}]}`, `{"kind":"tenant","tenant":"NAME","access":"write"}`, `{"kind":"operator"}`)
	}
	return pick(s.rnd, "application/json", "application/json", "text/plain", "application/vnd.elasticsearch+json;compatible-with=8"), s.query()
}

// claims are what a hostile agent of the cluster west says.
func (s *soak) claims() string {
	theirs, _ := s.with.g.directory.Lookup(bravo)
	uid := theirs.Namespaces[0].UID
	set := fmt.Sprintf(`{"namespace":%q,"uid":%q,"created":"2000-01-01T00:00:00Z","tenant":"NAME","groups":[%s],"on_delete":"purge"}`,
		pick(s.rnd, "NAME-s3cr3t", "alpha", "east/NAME-s3cr3t", "../east/NAME-s3cr3t"), pick(s.rnd, uid, "11111111-1111-1111-1111-111111111111"), pick(s.rnd, ``, `"mine"`, `"team-NAME"`, `""`))
	return pick(s.rnd, fmt.Sprintf(`{"version":%d,"claims":[%s]}`, s.rnd.IntN(3), set), fmt.Sprintf(`{"version":%d,"set":[%s],"ended":[%q]}`, s.rnd.IntN(3), set, uid),
		`{"version":1,"claims":[],"cluster":{"name":"east"}}`, `{"version":1,"claims":[]}`)
}

func (s *soak) remoteWrite() string {
	// Packed when it is sent, since the names in it are replaced first.
	return "REMOTE-WRITE " + pick(s.rnd, "__name__=http_requests_total,namespace=NAME-s3cr3t,cluster=east,tenant=NAME", "__name__=up,namespace=NAME-s3cr3t,__tenant__=NAME",
		"__name__=s3cr3t_requests_total,job=app,namespace=NAME-s3cr3t,pod=s3cr3t-0,s3cr3t_label=s3cr3t", "__name__=x,cluster=east,region=,cloud=", "__name__=x,exported_namespace=NAME-s3cr3t")
}

func packRemoteWrite(spec string) string {
	var ts prompb.TimeSeries
	for pair := range strings.SplitSeq(strings.TrimPrefix(spec, "REMOTE-WRITE "), ",") {
		name, value, _ := strings.Cut(pair, "=")
		ts.Labels = append(ts.Labels, prompb.Label{Name: name, Value: value})
	}
	slices.SortFunc(ts.Labels, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) })
	ts.Samples = []prompb.Sample{{Value: 666, Timestamp: testNow.UnixMilli() + 1}}
	b, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}}).Marshal()
	if err != nil {
		panic(err)
	}
	return string(snappy.Encode(nil, b))
}

func remoteRead() string {
	b, err := (&prompb.ReadRequest{Queries: []*prompb.Query{{
		EndTimestampMs: 1 << 50, Matchers: []*prompb.LabelMatcher{{Type: prompb.LabelMatcher_RE, Name: "__name__", Value: ".+"}},
	}}}).Marshal()
	if err != nil {
		panic(err)
	}
	return string(snappy.Encode(nil, b))
}

var hostileHeaders = []string{
	"X-Forwarded-For: 127.0.0.1", "X-Forwarded-User: NAME", "X-Remote-User: NAME", "X-WEBAUTH-USER: NAME", "X-Original-URL: /t/NAME/", "X-Rewrite-URL: /t/NAME/es/_search", "X-HTTP-Method-Override: DELETE",
	"X-Grafana-Org-Id: 2", "X-Tenant: NAME", "X-Tenant-ID: NAME", "Host: localhost", "Origin: http://127.0.0.1", "Cookie: tenant=NAME", "Forwarded: for=127.0.0.1", "Via: 1.1 NAME", "Accept: application/json",
	"Accept: application/openmetrics-text", "Accept: application/vnd.google.protobuf", "X-Prometheus-Remote-Read-Version: 0.1.0", "X-Opaque-Id: NAME", "Range: bytes=0-100000", "If-None-Match: *",
	"X-Prometheus-Scrape-Timeout-Seconds: 1", "es-security-runas-user: NAME", "Content-Type: application/json", "Sec-Fetch-Site: none", "Accept-Encoding: identity",
}

// credentials are the ways to present a token.
var credentials = []func(token string) string{
	func(t string) string { return "Bearer " + t },
	func(t string) string { return "Bearer " + t },
	func(t string) string { return "bearer  " + t },
	func(t string) string { return "ApiKey " + t },
	func(t string) string { return "ApiKey " + base64.StdEncoding.EncodeToString([]byte("id:"+t)) },
	func(t string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(bravo+":"+t)) },
}

func (s *soak) send(w *world, r hostile) (int, string) {
	put := strings.NewReplacer("NAME", bravo, "%4eAME", "%62"+bravo[1:], "SCROLL", s.scroll, "PIT", s.pit, "DOC", s.docID, "TOKEN", w.tokens["write"]).Replace
	base := w.pages.URL
	if r.flat {
		base = w.es.URL
	}
	body := put(r.body)
	if strings.HasPrefix(body, "REMOTE-WRITE ") {
		body = packRemoteWrite(body)
	}
	path, query, _ := strings.Cut(put(r.target), "?")
	req, err := http.NewRequestWithContext(context.Background(), r.method, base, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.URL.Opaque, req.URL.RawQuery = path, query // sent as it is, in whatever spelling
	for k, vs := range r.header {
		req.Header[k] = []string{put(vs[0])}
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	if token := w.tokens[r.who]; token != "" {
		req.Header.Set("Authorization", r.credential(token))
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, "" // what Go's own client or server does not let through
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	out := strings.ReplaceAll(strings.ReplaceAll(string(b), w.tokens["write"], "TOKEN"), strings.TrimPrefix(base, "http://"), "HOST")
	if plain, err := snappy.Decode(nil, b); err == nil {
		out = string(plain)
	}
	resp.Header.Del("Date")
	for _, k := range slices.Sorted(maps.Keys(resp.Header)) {
		out += fmt.Sprintf("\n%s: %s", k, lengths.ReplaceAllString(strings.Join(resp.Header[k], ", "), "N"))
	}
	return resp.StatusCode, out
}

var lengths = regexp.MustCompile(`^[0-9]+$`)

// claimAll lets the cluster west send records that name bravo's namespace in
// every way the forward protocol's scope knows.
func (s *soak) claimAll() {
	for _, key := range []config.ForwardKey{{Cluster: "west"}, {Tenant: alpha}, {Cluster: "west", Region: "east"}} {
		w, err := s.with.g.access.KeyScope(key)
		if err != nil {
			s.t.Fatal(err)
		}
		for range 500 {
			name := strings.NewReplacer("NAME", bravo, "DOC", s.docID)
			rec, err := s.with.g.stamper.Stamp(w, logging.Raw{Source: []byte(name.Replace(s.doc())), ID: pick(s.rnd, "", "1", "doc-1", s.docID), Index: pick(s.rnd, "", "shared", "logs-east-bravo-s3cr3t"), AddFields: s.chance(50)})
			if err != nil {
				continue
			}
			if rec.Tenant == bravo {
				s.told++
				s.t.Errorf("key %+v: a record became bravo's: %s", key, rec.Source)
			}
			if _, err := s.with.g.intake.Append(context.Background(), w, logging.Batch{Records: []logging.Record{rec}, Key: fmt.Sprintf("%x", sha256.Sum256(rec.Source))}); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// contextsStillOpen shows that nobody ended bravo's scroll and point in time.
func (s *soak) contextsStillOpen() {
	if got := s.asBravo("POST", "/es/_search/scroll", `{"scroll":"1m","scroll_id":"`+s.scroll+`"}`); !strings.Contains(got, canary) {
		s.t.Errorf("bravo's scroll is gone: %s", clip(got))
	}
	if got := s.asBravo("POST", "/es/_search", `{"pit":{"id":"`+s.pit+`"}}`); !strings.Contains(got, canary) {
		s.t.Errorf("bravo's point in time is gone: %s", clip(got))
	}
}

package esapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// testNow is the clock of all tests.
var testNow = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// testStore holds the logs of two teams: shop with three indices, billing with
// one of its own and one that is named like shop's.
func testStore(t testing.TB) *mem.Store {
	t.Helper()
	s := mem.New(mem.Options{Clock: func() time.Time { return testNow }})
	add := func(id tenant.ID, index string, recs ...logging.Record) {
		for i := range recs {
			recs[i].Tenant, recs[i].Index, recs[i].Received = id, index, testNow
			recs[i].Cluster, recs[i].Namespace = "eu", string(id)
			recs[i].Source = []byte(strings.Replace(string(recs[i].Source), "{", fmt.Sprintf(`{"@timestamp":%q,"message":%q,`, recs[i].Time.Format(time.RFC3339Nano), recs[i].Message), 1))
		}
		if _, err := s.Append(context.Background(), scopetest.Write(id), logging.Batch{Records: recs}); err != nil {
			t.Fatal(err)
		}
	}
	at := func(minutes, nanos int) time.Time {
		return testNow.Add(-time.Duration(minutes)*time.Minute + time.Duration(nanos))
	}
	add("shop", "logs-eu-shop",
		logging.Record{ID: "s1", Time: at(50, 100), Level: "error", Pod: "cart-1", Message: "payment timeout after 30s", Source: []byte(`{"status":500,"took":1.5,"user":{"name":"ann"}}`)},
		logging.Record{ID: "s2", Time: at(40, 100), Level: "info", Pod: "cart-1", Message: "order placed", Source: []byte(`{"status":200,"took":0.25,"user":{"name":"bob"}}`)},
		logging.Record{ID: "s3", Time: at(40, 200), Level: "info", Pod: "cart-2", Message: "order placed", Source: []byte(`{"status":200,"took":0.5}`)},
		logging.Record{ID: "s4", Time: at(40, 300), Level: "warn", Pod: "cart-2", Message: "slow payment", Source: []byte(`{"status":200,"took":3}`)},
	)
	add("shop", "logs-eu-shop-db", logging.Record{ID: "d1", Time: at(10, 0), Level: "error", Pod: "db-0", Message: "deadlock detected", Source: []byte(`{"status":1}`)})
	add("shop", "audit-2024.02.29", logging.Record{ID: "a1", Time: at(5, 0), Level: "info", Message: "login", Source: []byte(`{"user":{"name":"ann"}}`)})
	add("billing", "logs-eu-billing", logging.Record{ID: "b1", Time: at(20, 0), Level: "error", Message: "FOREIGN invoice lost", Source: []byte(`{"foreign_field":1}`)})
	add("billing", "logs-eu-shop", logging.Record{ID: "b2", Time: at(20, 0), Level: "error", Message: "FOREIGN in a like-named index", Source: []byte(`{"foreign_field":2}`)})
	return s
}

func testAPI(t testing.TB) *API {
	a := New(Options{Searcher: testStore(t), Bulk: fakeBulk{}, Clock: func() time.Time { return testNow }})
	t.Cleanup(func() { a.Close() })
	return a
}

// fakeBulk tells what it was given.
type fakeBulk struct{}

func (fakeBulk) ServeBulk(w http.ResponseWriter, r *http.Request, s tenant.Write, index string) {
	body, _ := io.ReadAll(r.Body)
	id, _ := s.Tenant()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"took":1,"errors":false,"items":[{"create":{"_index":%q,"_id":%q,"status":201,"bytes":%d}}]}`, index, id, len(body))
}

func (fakeBulk) ServeDocument(w http.ResponseWriter, r *http.Request, s tenant.Write, raw logging.Raw, create bool) {
	body, _ := io.ReadAll(r.Body)
	id, _ := s.Tenant()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	fmt.Fprintf(w, `{"_index":%q,"_id":%q,"tenant":%q,"create":%t,"bytes":%d}`, raw.Index, raw.ID, id, create, len(body))
}

// as serves the API to a caller with the given scopes, as the guard would.
func as(a *API, read tenant.Read, write tenant.Write) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		switch access, _ := a.Access(r); access {
		case httpx.Read, httpx.Known:
			ctx = tenant.WithRead(ctx, read)
		case httpx.Write:
			ctx = tenant.WithWrite(ctx, write)
		}
		a.ServeHTTP(w, r.WithContext(ctx))
	})
}

func asShop(a *API) http.Handler {
	return as(a, scopetest.ReadAs("shop-token", "shop"), scopetest.Write("shop"))
}

// send sends one request. Every answer must name the product.
func send(t testing.TB, h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got := w.Header().Get("X-Elastic-Product"); got != "Elasticsearch" {
		t.Errorf("%s %s: X-Elastic-Product is %q", method, path, got)
	}
	return w
}

var (
	tookRE   = regexp.MustCompile(`"took": ?\d+(,\s*"(?:timed_out|responses|errors)")`)
	scrollRE = regexp.MustCompile(`"(_scroll_id|pit_id|id|scroll_id)": ?"[A-Za-z0-9_-]{32}"`)
)

// mask hides what differs from run to run.
func mask(s string) string {
	s = tookRE.ReplaceAllString(s, `"took": 0$1`)
	return scrollRE.ReplaceAllString(s, `"$1": "ID"`)
}

//go:build real

package es

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/esapi"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/bulk"
	"github.com/oriel-project/oriel/logging/store"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
	"github.com/oriel-project/oriel/test/opensearch"
)

// side is one of the two that are compared.
type side struct {
	name string
	url  string
}

// sides are Oriel with its own log store and the real engine, both with the
// documents of documents().
type sides struct {
	oriel, real side
	node        string // URL of the real engine
}

func start(t *testing.T) sides {
	t.Helper()
	node := opensearch.Start(t)
	s := sides{oriel: side{"Oriel", serveOriel(t)}, real: side{"OpenSearch", node.URL}, node: node.URL}
	s.real.must(t, "PUT", "/_index_template/logs", template)
	s.real.must(t, "PUT", "/_cluster/settings", `{"persistent":{"search.default_allow_partial_results":false,"search.max_buckets":65536}}`)
	for _, body := range bulks(documents()) {
		s.oriel.must(t, "POST", "/_bulk?refresh=true", body)
		s.real.must(t, "POST", "/_bulk?refresh=true", body)
	}
	return s
}

// serveOriel serves the facade over a log store of its own to one team.
func serveOriel(t *testing.T) string {
	t.Helper()
	logs, err := store.Open(t.TempDir(), store.Options{Durability: store.None})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { logs.Close() })
	return serve(t, logs)
}

// orielStore is what the facade asks of a log store.
type orielStore interface {
	logging.Store
	logging.Repeater
}

// serve serves the facade over a log store to one team.
func serve(t *testing.T, logs orielStore) string {
	t.Helper()
	api := esapi.New(esapi.Options{Searcher: logs, Bulk: bulk.New(bulk.Options{Appender: logs, Repeater: logs, Stamper: &logging.Stamper{}})})
	t.Cleanup(func() { api.Close() })
	read, write := scopetest.Read("shop"), scopetest.Write("shop")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		switch access, _ := api.Access(r); access {
		case httpx.Read:
			ctx = tenant.WithRead(ctx, read)
		case httpx.Write:
			ctx = tenant.WithWrite(ctx, write)
		}
		api.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// answer is a reply; body is nil where it is not JSON.
type answer struct {
	status int
	body   any
	text   string
}

func (s side) do(t testing.TB, method, path, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	a := answer{status: resp.StatusCode, text: string(text)}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&a.body); err != nil {
		a.body = nil
	}
	return a
}

// must fails the test unless the side did what it was asked for.
func (s side) must(t testing.TB, method, path, body string) answer {
	t.Helper()
	a := s.do(t, method, path, body)
	if m, _ := a.body.(map[string]any); a.status >= 300 || m["errors"] == true {
		t.Fatalf("%s: %s %s: %d %.2000s", s.name, method, path, a.status, a.text)
	}
	return a
}

// bulks gives the bodies of _bulk requests that store the documents.
func bulks(docs []document) []string {
	var b strings.Builder
	for _, d := range docs {
		fmt.Fprintf(&b, "{\"create\":{\"_index\":%q,\"_id\":%q}}\n%s\n", d.index, d.id, d.source)
	}
	return []string{b.String()}
}

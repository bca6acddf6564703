package esapi_test

import (
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/esapi"
	"github.com/oriel-project/oriel/logging/store"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var benchData = flag.String("data", "", "folder of a log store for BenchmarkSearch, such as the one that make bench-es leaves; it is copied")

// BenchmarkSearch asks the facade over the log store of make bench-es, without a
// network: what a search costs beside the store's own work.
func BenchmarkSearch(b *testing.B) {
	if *benchData == "" {
		b.Skip("wants -data")
	}
	dir := b.TempDir()
	if err := os.CopyFS(dir, os.DirFS(*benchData)); err != nil {
		b.Fatal(err)
	}
	logs, err := store.Open(dir, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer logs.Close()
	api := esapi.New(esapi.Options{Searcher: logs})
	defer api.Close()
	scope := scopetest.Read("bench")
	for _, q := range []struct{ name, body string }{
		{"count", `{"size":0,"track_total_hits":true}`},
		{"newest", `{"size":500,"track_total_hits":false,"sort":[{"@timestamp":{"order":"desc"}}]}`},
		{"phrase", `{"size":100,"track_total_hits":false,"sort":[{"@timestamp":{"order":"desc"}}],"query":{"query_string":{"query":"message:\"connection refused\""}}}`},
		{"terms-status", `{"size":0,"track_total_hits":false,"aggs":{"t":{"terms":{"field":"status","size":10},"aggs":{"a":{"avg":{"field":"latency_ms"}}}}}}`},
		{"terms-path", `{"size":0,"track_total_hits":false,"aggs":{"t":{"terms":{"field":"path.keyword","size":10},"aggs":{"a":{"avg":{"field":"latency_ms"}}}}}}`},
		{"max-minute", `{"size":0,"track_total_hits":false,"aggs":{"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m"},"aggs":{"a":{"max":{"field":"latency_ms"}}}}}}`},
	} {
		b.Run(q.name, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, "/_search", strings.NewReader(q.body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				api.ServeHTTP(w, r.WithContext(tenant.WithRead(r.Context(), scope)))
				if w.Code != http.StatusOK {
					b.Fatal(w.Body.String())
				}
			}
		})
	}
}

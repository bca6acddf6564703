package esapi_test

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/esapi"
	"github.com/oriel-project/oriel/logging"
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
	const day = `"size":0,"track_total_hits":true,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":"2000-01-01"}}},{"term":{"kubernetes.namespace_name.keyword":"%s"}}]}},"aggs":{`
	var panels strings.Builder // a dashboard about ten namespaces
	for _, ns := range namespaces(b, logs, scope) {
		for _, aggs := range []string{
			`"l":{"terms":{"field":"level.keyword","size":5},"aggs":{"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m","min_doc_count":1}}}}`,
			`"t":{"terms":{"field":"status","size":10},"aggs":{"a":{"avg":{"field":"latency_ms"}}}}`,
		} {
			fmt.Fprintf(&panels, "{}\n{"+day+aggs+"}}\n", ns)
		}
	}
	for _, q := range []struct{ name, body string }{
		{"panels", panels.String()},
		{"count", `{"size":0,"track_total_hits":true}`},
		{"newest", `{"size":500,"track_total_hits":false,"sort":[{"@timestamp":{"order":"desc"}}]}`},
		{"phrase", `{"size":100,"track_total_hits":false,"sort":[{"@timestamp":{"order":"desc"}}],"query":{"query_string":{"query":"message:\"connection refused\""}}}`},
		{"terms-status", `{"size":0,"track_total_hits":false,"aggs":{"t":{"terms":{"field":"status","size":10},"aggs":{"a":{"avg":{"field":"latency_ms"}}}}}}`},
		{"terms-path", `{"size":0,"track_total_hits":false,"aggs":{"t":{"terms":{"field":"path.keyword","size":10},"aggs":{"a":{"avg":{"field":"latency_ms"}}}}}}`},
		{"max-minute", `{"size":0,"track_total_hits":false,"aggs":{"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m"},"aggs":{"a":{"max":{"field":"latency_ms"}}}}}}`},
	} {
		b.Run(q.name, func(b *testing.B) {
			path, kind := "/_search", "application/json"
			if q.name == "panels" {
				path, kind = "/_msearch", "application/x-ndjson"
			}
			b.ReportAllocs()
			before := cpu()
			for b.Loop() {
				r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(q.body))
				r.Header.Set("Content-Type", kind)
				w := httptest.NewRecorder()
				api.ServeHTTP(w, r.WithContext(tenant.WithRead(r.Context(), scope)))
				if w.Code != http.StatusOK {
					b.Fatal(w.Body.String())
				}
			}
			b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
		})
	}
}

// namespaces gives the ten with the most records.
func namespaces(b *testing.B, logs logging.Searcher, scope tenant.Read) (names []string) {
	v, err := logs.Snapshot(b.Context(), scope)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	res, err := v.Search(b.Context(), logging.Query{Aggs: []logging.Agg{{Name: "n", Of: logging.Terms{Field: logging.FieldOf("namespace"), Size: 10}}}})
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range res.Aggs["n"].Buckets {
		names = append(names, n.Key.Str)
	}
	return names
}

// cpu is what this process used of the processors.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

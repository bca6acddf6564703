package bulk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// discard stands in for a store: it answers as one does and keeps nothing.
type discard struct{ ids []string }

func (d *discard) Append(_ context.Context, _ tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	out := make([]logging.ItemResult, len(b.Records))
	for i := range b.Records {
		out[i] = logging.ItemResult{Status: logging.Stored, Seq: uint64(i + 1), ID: d.ids[i%len(d.ids)]}
	}
	return out, nil
}

// nowhere is a client that does not read.
type nowhere struct{ h http.Header }

func (n nowhere) Header() http.Header         { return n.h }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkBulk is everything but the store and the network: ns/op is that of a
// request of 2,000 records of some 474 bytes, ns/record what matters.
func BenchmarkBulk(b *testing.B) {
	const records = 2000
	store := &discard{}
	for i := range records {
		store.ids = append(store.ids, logging.DerivedID(uint64(i+1)))
	}
	scope := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/web": "shop", "eu-1/pay": "billing"}})
	for _, action := range []string{`{"create":{}}`, `{"create":{"_index":"logs-%d","_id":"id-%d"}}`} {
		var body []byte
		for i := range records {
			fields := ""
			if i%3 != 0 {
				fields = fmt.Sprintf(`"level":"info","status":%d,"latency_ms":%d.%03d,"path":"/api/v1/orders/%d","method":"GET","user_id":"u-%05d","trace_id":"%032x",`, 200+i%5, i%90, i%1000, i*7919, i%7000, uint64(i)*0x9e3779b97f4a7c15)
			}
			if action == `{"create":{}}` {
				body = append(body, action...)
			} else {
				body = fmt.Appendf(body, action, i%3, i)
			}
			body = fmt.Appendf(body, "\n"+`{"@timestamp":"2026-11-22T11:%02d:%02d.%09dZ","stream":"stdout","message":"request %d for /api/v1/orders/%d of customer c-%d took %d ms and was answered",%s"kubernetes":{"pod_name":"checkout-7d9c5b8f6c-x%04d","namespace_name":"%s","container_name":"app","host":"node-%03d","labels":{"app":"checkout","version":"1.%d.0","team":"payments","pod-template-hash":"7d9c5b8f6c"}}}`+"\n",
				i/60%60, i%60, i*1_000_003%1_000_000_000, i, i*7919, i%3000, i%90, fields, i%60, []string{"web", "pay", "new"}[i%3], i%40, i%9)
		}
		name := "same action"
		if len(action) > 20 {
			name = "with ids"
		}
		b.Run(name, func(b *testing.B) {
			h := New(Options{Appender: store, Stamper: &logging.Stamper{}})
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			r := bytes.NewReader(nil)
			for b.Loop() {
				r.Reset(body)
				req := httptest.NewRequest(http.MethodPost, "/_bulk", io.NopCloser(r))
				req.ContentLength = int64(len(body))
				h.ServeBulk(nowhere{http.Header{}}, req, scope, "")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
		})
	}
}

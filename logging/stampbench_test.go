package logging_test

import (
	"fmt"
	"testing"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// kubernetesLogs makes documents as Fluent Bit sends them: 474 bytes in the
// middle, of three shapes in turn, of 60 pods.
func kubernetesLogs(n int) (docs [][]byte) {
	for i := range n {
		var fields string
		switch i % 3 {
		case 0:
			fields = fmt.Sprintf(`"level":"info","status":%d,"latency_ms":%d.%03d,"path":"/api/v1/orders/%d","method":"GET","user_id":"u-%05d","trace_id":"%032x",`, 200+i%5, i%90, i%1000, i*7919, i%7000, uint64(i)*0x9e3779b97f4a7c15)
		case 1:
			fields = fmt.Sprintf(`"logger":"orderService","level":"WARN","retry":%v,"attempt":%d,"comment":"\"tried\" again",`, i%2 == 0, i%4)
		}
		docs = append(docs, fmt.Appendf(nil, `{"@timestamp":"2026-11-22T11:%02d:%02d.%09dZ","stream":"stdout","message":"request %d for /api/v1/orders/%d of customer c-%d took %d ms and was answered",%s"kubernetes":{"pod_name":"checkout-7d9c5b8f6c-x%04d","namespace_name":"%s","container_name":"app","host":"node-%03d","labels":{"app":"checkout","version":"1.%d.0","team":"payments","pod-template-hash":"7d9c5b8f6c"}}}`,
			i/60%60, i%60, i*1_000_003%1_000_000_000, i, i*7919, i%3000, i%90, fields, i%60, []string{"web", "pay", "new"}[i%3], i%40, i%9))
	}
	return docs
}

func BenchmarkStamp(b *testing.B) {
	docs := kubernetesLogs(3000)
	size := 0
	for _, d := range docs {
		size += len(d)
	}
	for name, w := range map[string]tenant.Write{"cluster": scopetest.WriteCluster(cluster, owners), "tenant": scopetest.Write("shop")} {
		for _, add := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/add=%v", name, add), func(b *testing.B) {
				s := stamper()
				b.SetBytes(int64(size / len(docs)))
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					if _, err := s.Stamp(w, logging.Raw{Source: docs[i], AddFields: add}); err != nil {
						b.Fatal(err)
					}
					if i++; i == len(docs) {
						i = 0
					}
				}
			})
		}
	}
}

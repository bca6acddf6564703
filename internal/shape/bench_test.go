package shape

import (
	"encoding/json"
	"fmt"
	"testing"
)

// kubernetes makes documents as Fluent Bit sends them, of three shapes in turn.
func kubernetes(n int) (docs [][]byte) {
	for i := range n {
		var fields string
		switch i % 3 {
		case 0:
			fields = fmt.Sprintf(`"level":"info","status":%d,"latency_ms":%d.%03d,"path":"/api/v1/orders/%d","user_id":"u-%05d","trace_id":"%032x",`, 200+i%5, i%90, i%1000, i*7919, i%7000, uint64(i)*0x9e3779b97f4a7c15)
		case 1:
			fields = fmt.Sprintf(`"level":"warn","retry":%v,"attempt":%d,`, i%2 == 0, i%4)
		}
		docs = append(docs, fmt.Appendf(nil, `{"@timestamp":"2026-02-28T12:%02d:%02d.%09dZ","stream":"stdout","message":"request %d for /api/v1/orders/%d of customer c-%d took %d ms",%s"kubernetes":{"pod_name":"checkout-7d9c5b8f6c-x%04d","namespace_name":"payments-prod","container_name":"app","host":"node-%03d","labels":{"app":"checkout","version":"1.%d.0","team":"payments","pod-template-hash":"7d9c5b8f6c"}}}`,
			i/60%60, i%60, i*1_000_003%1_000_000_000, i, i*7919, i%3000, i%90, fields, i%20, i%40, i%9))
	}
	return docs
}

func BenchmarkScan(b *testing.B) {
	docs := kubernetes(999)
	size := 0
	for _, d := range docs {
		size += len(d)
	}
	run := func(name string, docs [][]byte, f func(doc []byte) bool) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(size / len(docs)))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if !f(docs[i]) {
					b.Fatal("not valid")
				}
				if i++; i == len(docs) {
					i = 0
				}
			}
		})
	}
	var sc Scanner
	run("known", docs, func(doc []byte) bool { _, _, _, ok := sc.Scan(doc); return ok })
	cache := new(Cache)
	run("unknown", docs, func(doc []byte) bool {
		sc := Scanner{cache: cache, spans: sc.spans, types: sc.types, skeleton: sc.skeleton}
		_, _, _, ok := sc.Scan(doc)
		return ok
	})
	run("json.Valid", docs, json.Valid)
}

func BenchmarkAppend(b *testing.B) {
	doc := kubernetes(1)[0]
	var sc Scanner
	s, spans, _, _ := sc.Scan(doc)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = s.Append(dst[:0], func(dst []byte, hole int) []byte {
			token := doc[spans[hole].From:spans[hole].To]
			if s.holes[hole].Type == String {
				return AppendQuoted(dst, token)
			}
			return append(dst, token...)
		})
	}
}

package segment_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// kubeRecords makes records of some 450 bytes as a Kubernetes cluster's
// applications write them: 40 streams, structured lines and lines of text.
func kubeRecords(n int) []logging.Record {
	r := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	out := make([]logging.Record, n)
	var trace [2]uint64
	for i := range out {
		seq := uint64(i + 1)
		at := start.Add(time.Duration(i)*7*time.Millisecond + time.Duration(r.IntN(7e6)))
		if r.IntN(100) == 0 {
			at = at.Add(-time.Duration(r.Int64N(int64(2 * time.Second))))
		}
		app := r.IntN(20)
		ns, pod := fmt.Sprintf("team-%d-prod", app/2), fmt.Sprintf("app-%d-7c9f8d6b5-%05d", app, r.IntN(8)*7919)
		node := fmt.Sprintf("node-%03d", (app*31+len(pod))%60)
		if r.IntN(3) > 0 {
			trace = [2]uint64{r.Uint64(), r.Uint64()}
		}
		var message, own string
		if app%2 == 0 {
			message = fmt.Sprintf(`10.%d.%d.%d - - [%s] "GET /api/v1/orders/%d HTTP/1.1" 200 %d "-" "curl/8.%d"`, r.IntN(4), r.IntN(256), r.IntN(256), at.Format("02/Jan/2006:15:04:05 -0700"), r.IntN(50000), r.IntN(9000), r.IntN(4))
			own = fmt.Sprintf(`"message":%q`, message)
		} else {
			message = fmt.Sprintf("order %d of customer %d accepted in %d ms", r.IntN(1e6), r.IntN(1e5), r.IntN(500))
			own = fmt.Sprintf(`"level":"INFO","message":%q,"status":%d,"latency_ms":%.3f,"path":"/api/v1/orders/%d","trace_id":"%016x%016x"`,
				message, 200+r.IntN(3), r.Float64()*300, r.IntN(50000), trace[0], trace[1])
		}
		src := fmt.Appendf(nil, `{"@timestamp":%q,%s,"stream":"stdout","kubernetes":{"namespace_name":%q,"pod_name":%q,"container_name":"app","host":%q,"labels":{"app":"app-%d","team":"team-%d","version":"1.%d"}}}`,
			at.Format("2006-01-02T15:04:05.000000000Z"), own, ns, pod, node, app, app/2, app)
		out[i] = logging.Record{
			Tenant: "t1", Index: "logs-k1-" + ns, Seq: seq, Time: at, Received: start.Add(time.Duration(i/1000) * 10 * time.Millisecond),
			Cluster: "k1", Namespace: ns, Container: "app", Pod: pod, Node: node, Level: "info", Stream: "stdout", Message: message, Source: src,
		}
	}
	return out
}

// perRecord reports what a loop took for each record.
func perRecord(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/record")
}

func BenchmarkAppend(b *testing.B) {
	recs := kubeRecords(50_000)
	tab := segment.NewTable("t1")
	b.ReportAllocs()
	for b.Loop() {
		tab = tab.Next()
		for i := 0; i < len(recs); i += 1000 {
			tab.Append(recs[i : i+1000])
		}
	}
	perRecord(b, len(recs))
	b.ReportMetric(float64(tab.Bytes())/float64(len(recs)), "B/record")
}

func writeTo(b *testing.B, out *memSink, blocks []segment.Block) {
	b.Helper()
	out.b = out.b[:0]
	if _, err := segment.Write(out, parts(blocks), segment.WriteOptions{}); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	recs := kubeRecords(50_000)
	blocks := table(recs).Blocks()
	var out memSink
	for b.Loop() {
		writeTo(b, &out, blocks)
	}
	perRecord(b, len(recs))
	b.ReportMetric(float64(len(out.b))/float64(len(recs)), "B/record")
}

func BenchmarkMerge(b *testing.B) {
	recs := kubeRecords(80_000)
	var sources []segment.PartSource
	for i := 0; i < len(recs); i += 10_000 {
		var out memSink
		writeTo(b, &out, table(recs[i:i+10_000]).Blocks())
		s, err := segment.Open(memFile{b: out.b})
		if err != nil {
			b.Fatal(err)
		}
		p, err := s.Part(0)
		if err != nil {
			b.Fatal(err)
		}
		if sources == nil {
			sources = []segment.PartSource{{Tenant: "t1", Day: p.Info().Day}}
		}
		for k := range p.Len() {
			sources[0].Blocks = append(sources[0].Blocks, p.Block(k))
		}
	}
	var out memSink
	for b.Loop() {
		out.b = out.b[:0]
		if _, err := segment.Write(&out, sources, segment.WriteOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	perRecord(b, len(recs))
	b.ReportMetric(float64(len(out.b))/float64(len(recs)), "B/record")
}

func BenchmarkDecode(b *testing.B) {
	recs := kubeRecords(50_000)
	var out memSink
	writeTo(b, &out, table(recs).Blocks())
	s, err := segment.Open(memFile{b: out.b})
	if err != nil {
		b.Fatal(err)
	}
	p, err := s.Part(0)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for k := range p.Len() {
			blk := p.Block(k)
			for h := range blk.Info().Shape.Holes() {
				if _, err := blk.Own(h); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := blk.Times(); err != nil {
				b.Fatal(err)
			}
		}
	}
	perRecord(b, len(recs))
}

func BenchmarkRecord(b *testing.B) {
	recs := kubeRecords(20_000)
	var out memSink
	writeTo(b, &out, table(recs).Blocks())
	s, err := segment.Open(memFile{b: out.b})
	if err != nil {
		b.Fatal(err)
	}
	p, err := s.Part(0)
	if err != nil {
		b.Fatal(err)
	}
	blk := p.Block(0)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := blk.Record(i % blk.Info().Rows); err != nil {
			b.Fatal(err)
		}
	}
}

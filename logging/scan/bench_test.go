package scan_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/scan"
	"github.com/oriel-project/oriel/logging/segment"
)

var (
	corpus     = flag.String("corpus", "", "a file with a JSON document a line for the benchmarks; made up where empty")
	segments   = flag.String("segments", "", "a folder with segments to ask instead")
	keptBytes  = flag.Int64("kept", 128<<20, "bytes of the cache of columns over -segments; 0: every query is the first")
	corpusRows = flag.Int("corpus-rows", 100_000, "documents of the benchmarks")
)

const needle = "deadbeefcafef00d0123456789abcdef"

// documents are logs as a cluster writes them.
func documents(n int) []string {
	if *corpus != "" {
		f, err := os.Open(*corpus)
		if err != nil {
			panic(err)
		}
		defer f.Close()
		var out []string
		for in := bufio.NewScanner(f); len(out) < n && in.Scan(); {
			out = append(out, in.Text())
		}
		return out
	}
	rnd := rand.New(rand.NewPCG(7, 7))
	start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	var out []string
	for i := range n {
		at := start.Add(time.Duration(i) * 24 * time.Hour / time.Duration(n)).Add(time.Duration(rnd.IntN(1_000_000)))
		ns := int(rnd.ExpFloat64()*8) % 50
		kube := fmt.Sprintf(`"kubernetes":{"namespace_name":"team-%02d","pod_name":"app-%d-%d","container_name":"app%d","host":"node-%d","labels":{"app":"app%d","version":"v1.2.%d"}},"stream":"stdout"`,
			ns, ns, rnd.IntN(20), ns%3, rnd.IntN(12), ns%3, ns%5)
		time := at.Format("2006-01-02T15:04:05.000000000Z")
		trace := fmt.Sprintf("%016x%016x", rnd.Uint64(), rnd.Uint64())
		if i == n*37/100 {
			trace = needle
		}
		switch x := rnd.IntN(100); {
		case x < 56 || trace == needle:
			status := []int{200, 200, 200, 200, 201, 204, 404, 500}[rnd.IntN(8)]
			level, what := "info", "request completed"
			if status == 500 {
				level, what = "error", []string{"upstream error: connection refused", "java.lang.IllegalStateException: pool exhausted"}[rnd.IntN(2)]
			}
			out = append(out, fmt.Sprintf(`{"@timestamp":"%s","level":"%s","message":"%s GET /api/v1/items/%d in %d ms","trace_id":"%s","status":%d,"latency_ms":%d.%d,"path":"/api/v1/items/%d","user_id":"user-%d",%s}`,
				time, level, what, rnd.IntN(5000), rnd.IntN(900), trace, status, rnd.IntN(900), rnd.IntN(9)+1, rnd.IntN(5000), rnd.IntN(2000), kube))
		default:
			out = append(out, fmt.Sprintf(`{"@timestamp":"%s","message":"PacketResponder %d for block blk_%d terminating after %d bytes from 10.2.%d.%d",%s}`,
				time, rnd.IntN(3), rnd.Int64N(1<<40), rnd.IntN(100000), rnd.IntN(256), rnd.IntN(256), kube))
		}
	}
	return out
}

// benchRecords stamps the documents.
func benchRecords() []logging.Record {
	var recs []logging.Record
	for i, src := range documents(*corpusRows) {
		var d struct {
			Time       time.Time `json:"@timestamp"`
			Message    string
			Level      string
			Stream     string
			Kubernetes struct {
				Namespace string `json:"namespace_name"`
				Pod       string `json:"pod_name"`
				Container string `json:"container_name"`
				Host      string
			}
		}
		if err := json.Unmarshal([]byte(src), &d); err != nil {
			panic(err)
		}
		seq := uint64(i + 1)
		recs = append(recs, logging.Record{
			Tenant: logtest.Tenant, Seq: seq, ID: logging.DerivedID(seq), Index: "logs-eu-" + d.Kubernetes.Namespace,
			Time: d.Time.UTC(), Received: d.Time.UTC().Truncate(time.Millisecond), Cluster: "eu", Namespace: d.Kubernetes.Namespace,
			Pod: d.Kubernetes.Pod, Container: d.Kubernetes.Container, Node: d.Kubernetes.Host,
			Level: logging.NormalizeLevel(d.Level), Stream: d.Stream, Message: d.Message, Source: []byte(src),
		})
	}
	return recs
}

var benchWorld = sync.OnceValue(func() map[string][]scan.Source {
	if *segments != "" {
		return map[string][]scan.Source{"segments": segmentSources(*segments)}
	}
	recs := benchRecords()
	rules := scan.Rules{Included: true, Cut: -1 << 63}
	memory := tableSource(rules, recs)
	return map[string][]scan.Source{"memory": {memory}, "file": fileSources(memory)}
})

// segmentSources opens the segments of a folder.
func segmentSources(dir string) []scan.Source {
	names, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		panic(err)
	}
	var out []scan.Source
	var cache *segment.Cache
	if *keptBytes > 0 {
		cache = segment.NewCache(*keptBytes)
	}
	for _, name := range names {
		f, err := vfs.OS{}.Open(name)
		if err != nil {
			panic(err)
		}
		s, err := segment.Open(f)
		if err != nil {
			panic(err)
		}
		for i, in := range s.Parts() {
			out = append(out, scan.Source{
				Rules: scan.Rules{Included: true, Cut: -1 << 63}, TimeMin: in.TimeMin, TimeMax: in.TimeMax, SeqMin: in.SeqMin, SeqMax: in.SeqMax,
				Open: func() (scan.Part, error) {
					p, err := s.Part(i)
					return p.Through(cache), err
				},
			})
		}
	}
	return out
}

// questions are what people ask most.
func questions(newest time.Time, namespace string) []struct {
	name string
	q    logging.Query
} {
	byTime := []logging.SortKey{{Field: logging.FieldOf(logging.FieldTime), Desc: true}, {Field: logging.Field{Name: logging.FieldSeq}, Desc: true}}
	from := newest.Add(-24 * time.Hour).Truncate(24 * time.Hour)
	since := func(t time.Time) logging.Filter {
		return logging.Range{Field: logging.FieldOf(logging.FieldTime), Min: &logging.Bound{Value: logging.Time(t), Inclusive: true}, Max: &logging.Bound{Value: logging.Time(newest.Add(time.Second))}}
	}
	day := since(from)
	inNS := logging.Term{Field: logging.FieldOf("kubernetes.namespace_name.keyword"), Text: namespace}
	word := func(field, text string) logging.Filter {
		return logging.Term{Field: logging.FieldOf(field), Text: text}
	}
	perMinute := logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), Fixed: time.Minute, MinDocs: 1}
	hits := func(n int, f ...logging.Filter) logging.Query {
		return logging.Query{Filter: logging.And(f), Sort: byTime, Limit: n, TotalMax: -1}
	}
	aggs := func(f logging.Filter, of ...logging.Agg) logging.Query {
		return logging.Query{Filter: logging.And{day, f}, TotalMax: -1, Aggs: of}
	}
	avg := []logging.Agg{{Name: "a", Of: logging.Metric{Field: logging.FieldOf("latency_ms"), Kind: logging.Avg}}}
	terms := func(field string) logging.Query {
		return aggs(logging.All{}, logging.Agg{Name: "t", Of: logging.Terms{Field: logging.FieldOf(field), Size: 10}, Sub: avg})
	}
	regexp, err := logging.NewRegexp(logging.FieldOf("message.keyword"), ".*PacketResponder [0-9]+ for block blk_.*")
	if err != nil {
		panic(err)
	}
	phrase := logging.Phrase{Field: logging.FieldOf("message"), Tokens: []string{"connection", "refused"}, Raw: "connection refused"}
	return []struct {
		name string
		q    logging.Query
	}{
		{"needle", hits(10, day, word("trace_id", needle))},
		{"newest 15m", hits(500, since(newest.Add(-15*time.Minute)), inNS)},
		{"newest day", hits(500, day, inNS)},
		{"namespace and word", hits(100, day, inNS, word("message", "error"))},
		{"phrase", hits(100, day, phrase)},
		{"per minute", aggs(logging.All{}, logging.Agg{Name: "m", Of: perMinute})},
		{"per minute and namespace", aggs(logging.All{}, logging.Agg{Name: "n", Of: logging.Terms{Field: logging.FieldOf("kubernetes.namespace_name.keyword"), Size: 45}, Sub: []logging.Agg{{Name: "m", Of: perMinute}}})},
		{"word per minute", aggs(word("message", "error"), logging.Agg{Name: "m", Of: perMinute})},
		{"terms status", terms("status")},
		{"terms pod", terms("kubernetes.pod_name.keyword")},
		{"terms path", terms("path.keyword")},
		{"max minute", aggs(logging.All{}, logging.Agg{Name: "m", Of: logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), Fixed: time.Minute}, Sub: []logging.Agg{{Name: "a", Of: logging.Metric{Field: logging.FieldOf("latency_ms"), Kind: logging.Max}}}})},
		{"volume", aggs(logging.All{}, logging.Agg{Name: "n", Of: logging.Terms{Field: logging.FieldOf("level"), Size: 10}, Sub: []logging.Agg{{Name: "m", Of: logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), Fixed: 10 * time.Minute}}}})},
		{"stats", aggs(logging.All{}, logging.Agg{Name: "t", Of: logging.Terms{Field: logging.FieldOf("status"), Size: 10}, Sub: []logging.Agg{{Name: "a", Of: logging.Metric{Field: logging.FieldOf("latency_ms"), Kind: logging.ExtendedStats}}}})},
		{"percentiles", aggs(logging.All{}, logging.Agg{Name: "m", Of: logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), Fixed: time.Hour}, Sub: []logging.Agg{{Name: "p", Of: logging.Metric{Field: logging.FieldOf("latency_ms"), Kind: logging.Percentiles, Percents: []float64{50, 95, 99}}}}})},
		{"panel of levels", aggs(inNS, logging.Agg{Name: "l", Of: logging.Terms{Field: logging.FieldOf("level"), Size: 5}, Sub: []logging.Agg{{Name: "m", Of: perMinute}}})},
		{"panel of status", aggs(inNS, logging.Agg{Name: "t", Of: logging.Terms{Field: logging.FieldOf("status"), Size: 10}, Sub: avg})},
		{"distinct traces", aggs(logging.All{}, logging.Agg{Name: "c", Of: logging.Metric{Field: logging.FieldOf("trace_id.keyword"), Kind: logging.Cardinality}})},
		{"substring", logging.Query{Filter: logging.And{day, logging.Pattern{Field: logging.FieldOf("message"), Kind: logging.Wildcard, Text: "*xceptio*", Fold: true}}}},
		{"regexp", logging.Query{Filter: logging.And{day, regexp}}},
		{"level", logging.Query{Filter: logging.And{day, word("level", "error")}}},
		{"any field", hits(100, day, logging.Term{Text: "refused"})},
	}
}

func BenchmarkSearch(b *testing.B) {
	for _, where := range []string{"memory", "file", "segments"} {
		sources := benchWorld()[where]
		if sources == nil {
			continue
		}
		newest := int64(0)
		for _, src := range sources {
			newest = max(newest, src.TimeMax)
		}
		for _, question := range questions(time.Unix(0, newest).UTC(), biggest(b, sources)) {
			b.Run(where+"/"+strings.ReplaceAll(question.name, " ", "-"), func(b *testing.B) {
				b.ReportAllocs()
				before := cpu()
				for b.Loop() {
					if _, err := scan.Search(context.Background(), question.q, sources, scan.Options{}); err != nil {
						b.Fatal(err)
					}
				}
				// What others use of the machine does not count.
				b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
			})
		}
	}
}

// cpu is what this process used of the processors.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// biggest gives the namespace with the second most records.
func biggest(b *testing.B, sources []scan.Source) string {
	res, err := scan.Search(context.Background(), logging.Query{Aggs: []logging.Agg{{Name: "n", Of: logging.Terms{Field: logging.FieldOf("namespace"), Size: 2}}}}, sources, scan.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return res.Aggs["n"].Buckets[1].Key.Str
}

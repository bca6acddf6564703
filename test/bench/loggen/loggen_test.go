package loggen

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// The same options make the same bytes, on every machine and in every year: a
// table of last year is comparable with today's.
func TestSameBytes(t *testing.T) {
	const want = "c9e9b7d9b2789c8b97a18eb58c084c265ce0214e396393a6bb33736ea5f5f504"
	h := sha256.New()
	g := New(Options{Seed: 1, Records: 20_000, End: noon})
	for doc, ok := g.Append(nil); ok; doc, ok = g.Append(doc[:0]) {
		h.Write(append(doc, '\n'))
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("hash of the records:\n got %s\nwant %s\nif that is meant, raise Version", got, want)
	}
}

type record struct {
	Time       time.Time `json:"@timestamp"`
	Message    string
	Level      string
	Status     *int
	LatencyMS  *float64 `json:"latency_ms"`
	Path       string
	TraceID    string `json:"trace_id"`
	UserID     string `json:"user_id"`
	Stream     string
	Kubernetes struct {
		Namespace string `json:"namespace_name"`
		Pod       string `json:"pod_name"`
		Container string `json:"container_name"`
		Host      string
		Labels    map[string]string
	}
}

// What the records look like on average.
func TestShape(t *testing.T) {
	const n = 100_000
	g := New(Options{Seed: 7, Records: n, End: noon})
	var bytes, message, withTrace, structured, accessLines, late, errors, refused, exceptions, needles int
	traces, pods, namespaces, streams, paths := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
	var newest time.Time
	i := 0
	for doc, ok := g.Append(nil); ok; doc, ok = g.Append(doc[:0]) {
		var r record
		d := json.NewDecoder(strings.NewReader(string(doc)))
		if err := d.Decode(&r); err != nil {
			t.Fatalf("record %d: %v\n%s", i, err, doc)
		}
		bytes += len(doc)
		message += len(r.Message)
		if r.Time.Before(noon.Add(-24*time.Hour)) || !r.Time.Before(noon) {
			t.Fatalf("record %d: time %s is outside the day", i, r.Time)
		}
		if r.Time.Before(newest.Add(-10 * time.Millisecond)) {
			late++
			if newest.Sub(r.Time) > 3*time.Second {
				t.Fatalf("record %d is %s late", i, newest.Sub(r.Time))
			}
		} else if r.Time.After(newest) {
			newest = r.Time
		}
		if r.TraceID == Needle {
			needles++
			if i != n*37/100 {
				t.Errorf("the needle is record %d", i)
			}
		}
		if r.TraceID != "" {
			withTrace++
			traces[r.TraceID]++
		}
		if r.Level != "" {
			structured++
			if r.Path != "" {
				paths[r.Path]++
			}
		}
		if strings.Contains(r.Message, " HTTP/1.1\" ") {
			accessLines++
		}
		if strings.Contains(r.Message, "error") {
			errors++
		}
		if strings.Contains(r.Message, "connection refused") {
			refused++
		}
		if strings.Contains(r.Message, "xceptio") {
			exceptions++
		}
		// Systems differ about upper case in words; the answers shall not.
		if strings.Contains(r.Message, "Error") || strings.Contains(r.Message, "ERROR") || strings.Contains(strings.ReplaceAll(r.Message, "connection refused", ""), "onnection refused") {
			t.Fatalf("record %d: %s", i, doc)
		}
		k := r.Kubernetes
		namespaces[k.Namespace]++
		pods[k.Pod]++
		streams[k.Namespace+k.Pod+k.Container+r.Stream]++
		i++
	}
	within := func(what string, got, low, high float64) {
		t.Helper()
		t.Logf("%s: %.4g", what, got)
		if got < low || got > high {
			t.Errorf("%s: %.4g, want %g to %g", what, got, low, high)
		}
	}
	share := func(x int) float64 { return float64(x) / n }
	within("bytes", share(bytes), 464, 484)
	within("bytes of the message", share(message), 92, 102)
	within("structured", share(structured), 0.55, 0.57)
	within("access lines", share(accessLines), 0.19, 0.21)
	within("late", share(late), 0.005, 0.012)
	within("needles", float64(needles), 1, 1)
	within("records of a trace", float64(withTrace)/float64(len(traces)), 2.5, 2.9)
	within("word error", share(errors), 0.01, 0.05)
	within("connection refused", share(refused), 0.003, 0.03)
	within("xceptio", share(exceptions), 0.005, 0.04)
	within("namespaces", float64(len(namespaces)), 50, 50)
	within("largest namespace", share(namespaces[g.Namespaces()[0]]), 0.15, 0.3)
	within("pods", float64(len(pods)), 990, 1000)
	within("streams", float64(len(streams)), 1200, 2000)
	within("paths in 1000", share(len(paths))*1000, 100, 400)
}

func BenchmarkAppend(b *testing.B) {
	g := New(Options{Seed: 1, Records: 1e8, End: noon})
	var doc []byte
	for b.Loop() {
		doc, _ = g.Append(doc[:0])
	}
	b.SetBytes(int64(len(doc)))
}

package forward

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/store"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// sink takes everything and keeps nothing.
type sink struct{}

func (sink) Append(_ context.Context, _ tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	out := make([]logging.ItemResult, len(b.Records))
	for i := range out {
		out[i].Status = logging.Stored
	}
	return out, nil
}

// BenchmarkChunk reads, stamps and acknowledges chunks of 1000 records of about
// 200 bytes, without a store behind.
func BenchmarkChunk(b *testing.B) {
	var entries []byte
	var list arr
	for i := range 1000 {
		e := arr{eventTimeExt(now(), uint32(i)), rec{"log", strings.Repeat("x", 100), "stream", "stdout", "n", i, "kubernetes", rec{"namespace_name", "shop", "pod_name", "web-1"}}}
		entries = append(entries, pack(e)...)
		list = append(list, e)
	}
	for name, frame := range map[string][]byte{
		"packed":  pack(arr{"t", bin32(entries), rec{"chunk", "c"}}),
		"gzip":    pack(arr{"t", bin32(gz(entries)), rec{"chunk", "c", "compressed", "gzip"}}),
		"forward": pack(arr{"t", list, rec{"chunk", "c"}}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := start(b, Options{Appender: sink{}, Scope: func(Identity) (tenant.Write, bool) { return scopetest.Write("shop"), true }})
			c := r.dial(b)
			ack := make([]byte, len(ackOf("c")))
			for b.Loop() {
				if _, err := c.Write(frame); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Read(ack); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "records/s")
		})
	}
	b.Run("decode", func(b *testing.B) {
		l := DefaultLimits()
		f, err := parseFrame(pack(arr{"t", bin32(entries)}))
		if err != nil {
			b.Fatal(err)
		}
		var j jsonWriter
		for b.Loop() {
			err := f.each(&l, func(v []byte) error {
				e, reason := parseEntry(v)
				if reason != "" {
					return fmt.Errorf("%s", reason)
				}
				_, err := j.source(e, f.tag)
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "records/s")
	})
}

// BenchmarkChunkStored is BenchmarkChunk with the log store behind, which makes
// every chunk durable before it is acknowledged.
func BenchmarkChunkStored(b *testing.B) {
	s, err := store.Open(b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	w := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/team-0": "a", "eu-1/team-1": "b", "eu-1/team-2": "c"}})
	r := start(b, Options{Appender: s, Scope: func(Identity) (tenant.Write, bool) { return w, true }})
	c := r.dial(b)
	if err := c.SetDeadline(time.Time{}); err != nil {
		b.Fatal(err)
	}
	ack := make([]byte, len(ackOf("c0000000")))
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		var entries []byte
		for i := range 1000 {
			n++
			entries = append(entries, pack(arr{eventTimeExt(now(), uint32(i)), rec{
				"log", fmt.Sprintf("level=info msg=\"request served\" method=GET path=/api/v1/items/%d status=%d duration=%dms trace=%016x", n*7919%10_000, 200+n%3*100, n%500, uint64(n)*0x9e3779b97f4a7c15),
				"stream", "stdout", "kubernetes", rec{"namespace_name", fmt.Sprint("team-", i/20%3), "pod_name", fmt.Sprint("web-", i/10%5), "container_name", "main"},
			}})...)
		}
		frame := pack(arr{"kube.node-1", bin32(entries), rec{"chunk", fmt.Sprintf("c%07d", n/1000)}})
		b.StartTimer()
		if _, err := c.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(ack); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "records/s")
}

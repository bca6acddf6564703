package forward

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/logging"
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

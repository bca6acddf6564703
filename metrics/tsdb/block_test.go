package tsdb

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"

	"github.com/oriel-project/oriel/tenant/scopetest"
)

// BenchmarkBlock prints how many bytes a sample takes in a block of two hours: of
// large and small counters, random gauges and constants, a quarter each, every 15 s.
func BenchmarkBlock(b *testing.B) {
	const series, samples = 2000, 480
	for range b.N {
		dir := b.TempDir()
		begin := time.Now().Add(-6 * time.Hour).Truncate(2 * time.Hour)
		s, err := Open(dir, Options{Clock: func() time.Time { return begin }})
		if err != nil {
			b.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		values := make([]float64, series)
		for i := range samples {
			app := s.Appender(context.Background(), scopetest.Write("a"))
			for j := range values {
				switch j % 4 {
				case 0:
					values[j] += float64(rnd.IntN(100_000))
				case 1:
					values[j] += float64(rnd.IntN(3))
				case 2:
					values[j] = rnd.Float64()
				}
				ls := labels.FromStrings(model.MetricNameLabel, fmt.Sprint("m", j%10), "namespace", "shop", "pod", fmt.Sprint("app-7d9f8b6c5-", j/10), "container", "app", "node", "n1", "job", "app", "instance", "10.0.0.1:8080")
				if _, err := app.Append(0, ls, 0, begin.Add(time.Duration(i)*15*time.Second).UnixMilli(), values[j], nil, nil, storage.AOptions{}); err != nil {
					b.Fatal(err)
				}
			}
			if err := app.Commit(); err != nil {
				b.Fatal(err)
			}
		}
		db, err := s.database("a")
		if err != nil {
			b.Fatal(err)
		}
		if err := db.db.CompactHead(promtsdb.NewRangeHead(db.db.Head(), begin.UnixMilli(), begin.Add(2*time.Hour).UnixMilli()-1)); err != nil {
			b.Fatal(err)
		}
		var chunks, index int64
		for _, block := range db.db.Blocks() {
			err := filepath.WalkDir(block.Dir(), func(path string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				info, err := e.Info()
				if filepath.Base(path) == "index" {
					index += info.Size()
				} else if filepath.Base(filepath.Dir(path)) == "chunks" {
					chunks += info.Size()
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		db.release()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(chunks)/series/samples, "chunk-B/sample")
		b.ReportMetric(float64(index)/series/samples, "index-B/sample")
	}
}

//go:build soak

package store

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// TestSoakKeysMemory prints what batch keys and given ids take in memory before
// and after their records are in segments.
func TestSoakKeysMemory(t *testing.T) {
	const batches = 200_000
	for _, c := range []struct {
		name     string
		key, ids bool
	}{{"neither", false, false}, {"batch keys", true, false}, {"given ids", false, true}} {
		s, err := Open(t.TempDir(), Options{idle: true, Durability: None, MemtableBytesMax: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		heap := func() int64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		empty := heap()
		for i := range batches {
			r := rec("web", noon.Add(time.Duration(i)*time.Millisecond), "one")
			b := logging.Batch{}
			if c.ids {
				r.ID = fmt.Sprintf("id-%020d", i)
			}
			if c.key {
				b.Key = logging.BatchKey("sender", "tag", fmt.Sprint(i), nil)
			}
			b.Records = []logging.Record{r}
			if _, err := s.Append(context.Background(), writer, b); err != nil {
				t.Fatal(err)
			}
		}
		before := heap()
		if err := s.flush(); err != nil {
			t.Fatal(err)
		}
		after := heap()
		t.Logf("%s: %d of one record each: %d bytes a record in memory before the flush, %d after", c.name, batches, (before-empty)/batches, (after-empty)/batches)
		if after-empty > batches*20 {
			t.Errorf("%s: %d bytes stay in memory after the flush", c.name, after-empty)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

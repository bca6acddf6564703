package scan_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/scan"
)

// TestTimeout: a query that has no time left answers with a part, and says so; one
// that has, with everything. A caller who leaves gets the error whatever the time.
func TestTimeout(t *testing.T) {
	for seed := range uint64(50) {
		w, q, _ := newWorld(seed)
		want, err := w.run(w.recs, q)
		if err != nil {
			continue
		}
		sources := w.sources(w.recs)
		q.Timeout = time.Hour
		got, err := scan.Search(t.Context(), q, sources, scan.Options{})
		if err != nil || got.TimedOut || logtest.Diff(want, got) != "" {
			t.Fatalf("seed %d: with an hour: %v %s", seed, err, logtest.Diff(want, got))
		}
		q.Timeout = 1
		if got, err = scan.Search(t.Context(), q, sources, scan.Options{}); err != nil || !got.TimedOut || len(got.Hits) > len(want.Hits) {
			t.Fatalf("seed %d: with a nanosecond: %+v, %v", seed, got, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err = scan.Search(ctx, q, sources, scan.Options{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("seed %d: the caller left: %v", seed, err)
		}
	}
}

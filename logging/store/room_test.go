package store

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestNoRoom: without room nothing is taken in, reads and purges go on, and it
// mends itself.
func TestNoRoom(t *testing.T) {
	full := false
	s, ev := open(t, vfs.NewMem(), Options{Room: func(int64) error {
		if full {
			return datadir.ErrFull
		}
		return nil
	}})
	defer closeStore(t, s)
	ctx := context.Background()
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "before"), rec("cart", noon, "purged")}})
	full = true
	b := logging.Batch{Key: "k", Records: []logging.Record{rec("web", noon, "after")}}
	for range 2 {
		if _, err := s.Append(ctx, writer, b); !errors.Is(err, logging.ErrUnavailable) || !errors.Is(err, datadir.ErrFull) {
			t.Fatalf("append without room: %v", err)
		}
	}
	if err := s.Purge(ctx, "shop", "eu", "cart", time.Time{}, time.Time{}); err != nil {
		t.Errorf("purge without room: %v", err)
	}
	if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, []string{"before"}) {
		t.Errorf("read without room: %q", got)
	}
	full = false
	appendTo(t, s, b)
	if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("with room again: %q", got)
	}
	if ev.count(EventUnavailable) != 1 || ev.count(EventAvailable) != 1 {
		t.Errorf("events: %+v", ev.list)
	}
}

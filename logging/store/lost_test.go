package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestLostSegment has a segment's file gone, and one that the disk cannot read:
// what is left is found, the loss is told, and the others are merged.
func TestLostSegment(t *testing.T) {
	for _, how := range []string{"gone", "unreadable"} {
		var bad atomic.Bool
		mem := vfs.NewMem()
		fs := &vfs.Faulty{FS: mem, Fail: func(op vfs.Op, name string) error {
			if bad.Load() && op == vfs.OpRead && strings.HasSuffix(name, segmentName(2)) {
				return syscall.EIO
			}
			return nil
		}}
		s, _ := open(t, fs, Options{idle: true})
		for i := range 4 {
			appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, fmt.Sprint("m", i)), rec("pay", noon, "other")}})
			flushed(t, s)
		}
		closeStore(t, s)
		if how == "gone" {
			if err := mem.Remove("logs/" + segmentName(2)); err != nil {
				t.Fatal(err)
			}
		} else {
			bad.Store(true)
		}
		s, ev := open(t, fs, Options{idle: true})
		for range 2 {
			if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, []string{"m0", "m2", "m3"}) {
				t.Errorf("%s: %q", how, got)
			}
			merged(t, s)
		}
		if ev.count(EventCorrupt) == 0 || len(s.segments) != 2 {
			t.Errorf("%s: %d segments, events %+v", how, len(s.segments), ev.list)
		}
		closeStore(t, s)
	}
}

// TestLostLog has a file of the log gone: it is told.
func TestLostLog(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs, Options{LogBytesMax: 600, idle: true})
	for i := range 10 {
		appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, fmt.Sprint("m", i))}})
	}
	files := len(s.logs)
	closeStore(t, s)
	for _, n := range []uint64{1, uint64(files) - 1} {
		bad := fs.Crash(nil)
		if err := bad.Remove("logs/" + fileName(n)); err != nil {
			t.Fatal(err)
		}
		s, ev := open(t, bad, Options{LogBytesMax: 600, idle: true})
		if got := messages(t, s, scopetest.Operator()); len(got) == 10 || len(got) == 0 || ev.count(EventCorrupt) != 1 {
			t.Errorf("without file %d of %d: %q, events %+v", n, files, got, ev.list)
		}
		closeStore(t, s)
	}
}

// TestFailingMerge has a merge that fails whenever it is tried: the others are
// carried out, and it is tried again later.
func TestFailingMerge(t *testing.T) {
	ctx := context.Background()
	var bad atomic.Bool
	fs := &vfs.Faulty{FS: vfs.NewMem(), Fail: func(op vfs.Op, name string) error {
		if bad.Load() && op == vfs.OpRead && strings.HasSuffix(name, segmentName(1)) {
			return syscall.EBUSY
		}
		return nil
	}}
	now := noon
	s, _ := open(t, fs, Options{Clock: func() time.Time { return now }, idle: true})
	defer closeStore(t, s)
	for i := range 2*mergeFan + 1 {
		at := noon
		if i > mergeFan {
			at = noon.Add(-36 * time.Hour)
		}
		appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", at, fmt.Sprint("m", i))}})
		flushed(t, s)
	}
	s.files.closeAll()
	bad.Store(true)
	for i, want := range []string{"failed", "did", "nothing"} {
		did, err := s.mergeOnce(ctx, false)
		if got := map[bool]string{true: "did", false: "nothing"}[did]; err != nil && want != "failed" || err == nil && got != want {
			t.Errorf("merge %d: want %s, got %s, %v", i, want, got, err)
		}
	}
	bad.Store(false)
	now = now.Add(mergeAgainAfter)
	if did, err := s.mergeOnce(ctx, false); err != nil || !did {
		t.Errorf("later: %t, %v", did, err)
	}
	if got := messages(t, s, scopetest.Operator()); len(got) != 2*mergeFan+1 {
		t.Errorf("got %q", got)
	}
}

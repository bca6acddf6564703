package tsdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"

	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// write writes one sample of each of the series in one transaction.
func write(s *Store, at int64, from, to int) error {
	app := s.Appender(context.Background(), scopetest.Write("a"))
	for i := from; i < to; i++ {
		ls := labels.FromStrings(model.MetricNameLabel, "m", "pad", strings.Repeat("x", 200), "series", fmt.Sprint(i))
		if _, err := app.Append(0, ls, 0, at, 1, nil, nil, storage.AOptions{}); err != nil {
			return errors.Join(err, app.Rollback())
		}
	}
	return app.Commit()
}

// TestFailedWriteLosesNothing: what is acknowledged after a write that failed
// is there when the process was killed then.
func TestFailedWriteLosesNothing(t *testing.T) {
	dir := t.TempDir()
	full := false
	s := open(t, dir, Options{
		// Enough for a sample, as far as it knows, and not to mend the log.
		Room: func(bytes int64) error {
			if full && bytes > 0 {
				return datadir.ErrFull
			}
			return nil
		},
		tune: func(o *promtsdb.Options) { o.WALSegmentSize = 64 << 10 },
	})
	acked := 0
	send := func(at, from, to int) error {
		err := write(s, now.UnixMilli()+int64(at), from, to)
		if err == nil {
			acked += to - from
		}
		return err
	}
	if err := send(-1000, 0, 100); err != nil {
		t.Fatal(err)
	}
	full = true
	// The log cannot get its next segment.
	inTheWay := filepath.Join(dir, "a", "wal", "00000001")
	if err := os.Mkdir(inTheWay, 0o700); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := range 20 {
		if send(-900+i, i*300, i*300+400) != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Fatal("no write failed")
	}
	if err := os.Remove(inTheWay); err != nil {
		t.Fatal(err)
	}
	full = false
	for i := range 20 {
		if err := send(-800+i, 0, 7000); err != nil {
			t.Fatalf("after the trouble: %v", err)
		}
	}
	count := func(s *Store) (n int) {
		for _, line := range read(t, s, scopetest.Read("a")) {
			n += strings.Count(line[strings.Index(line, "=>"):], ":")
		}
		return n
	}
	if n := count(s); n < acked {
		t.Errorf("before the kill: %d samples, %d are acknowledged", n, acked)
	}
	killed := t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if n := count(open(t, killed, Options{})); n < acked {
		t.Errorf("after the kill: %d samples, %d are acknowledged", n, acked)
	}
}

// TestInterruptedRepair: a process that was killed in the middle of a repair
// costs nothing.
func TestInterruptedRepair(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	if err := write(s, now.UnixMilli(), 0, 500); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segment := filepath.Join(dir, "a", "wal", "00000000")
	if err := os.Rename(segment, segment+repairSuffix); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(segment, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Options{})
	if got := read(t, s, scopetest.Read("a")); len(got) != 500 {
		t.Errorf("%d series are left of 500", len(got))
	}
}

// TestNoRoom: without room nothing is taken in, and what is there is read.
func TestNoRoom(t *testing.T) {
	full := false
	s := open(t, t.TempDir(), Options{Room: func(int64) error {
		if full {
			return datadir.ErrFull
		}
		return nil
	}})
	if err := write(s, now.UnixMilli(), 0, 1); err != nil {
		t.Fatal(err)
	}
	full = true
	if err := write(s, now.UnixMilli()+1, 0, 1); !errors.Is(err, datadir.ErrFull) {
		t.Errorf("on a full disk: %v", err)
	}
	if got := read(t, s, scopetest.Read("a")); len(got) != 1 {
		t.Errorf("read on a full disk: %q", got)
	}
	full = false
	if err := write(s, now.UnixMilli()+2, 0, 1); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func TestDerivedIDs(t *testing.T) {
	for _, first := range []uint64{1, 34, 36*36 - 3, 1 << 40} {
		p := &pending{first: first, derived: derivedIDs(first, 100)}
		for seq := first; seq < first+110; seq++ {
			if got, want := p.derivedID(seq), logging.DerivedID(seq); got != want {
				t.Errorf("seq %d: %s, want %s", seq, got, want)
			}
		}
	}
}

// TestFullAnywhere has the disk full for a while, from any operation on: what
// was acknowledged stays and is seen all the time, the rest is refused as
// unavailable, and it mends itself.
func TestFullAnywhere(t *testing.T) {
	ctx := context.Background()
	for from, total := int64(8), int64(1000); from < total; from++ {
		var n, until atomic.Int64
		until.Store(from + 7)
		mem := vfs.NewMem()
		fs := &vfs.Faulty{FS: mem, Fail: func(op vfs.Op, _ string) error {
			if i := n.Add(1); i > from && i <= until.Load() && (op == vfs.OpWrite || op == vfs.OpSync || op == vfs.OpCreate) {
				return syscall.ENOSPC
			}
			return nil
		}}
		s, err := Open("logs", Options{FS: fs, LogBytesMax: 1500, Clock: func() time.Time { return noon }, idle: true})
		if err != nil {
			until.Store(0)
			if s, err = Open("logs", Options{FS: fs, LogBytesMax: 1500, Clock: func() time.Time { return noon }, idle: true}); err != nil {
				t.Fatalf("from operation %d: it does not open with room again: %v", from, err)
			}
		}
		var acked []string
		send := func(i int) {
			msg := fmt.Sprint("m", i)
			_, err := s.Append(ctx, writer, logging.Batch{Key: msg, Records: []logging.Record{rec("web", noon, msg)}})
			switch {
			case err == nil:
				acked = append(acked, msg)
			case !errors.Is(err, logging.ErrUnavailable):
				t.Errorf("from operation %d: %v", from, err)
			}
			if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, acked) {
				t.Errorf("from operation %d: %q is there, %q was acknowledged", from, got, acked)
			}
		}
		life := func(base int) {
			for i := range 12 {
				send(base + i)
				switch i {
				case 3, 6, 9:
					_ = s.Flush(ctx)
				case 7, 10:
					_ = s.Merge(ctx)
				}
			}
		}
		life(0)
		total = n.Load()
		until.Store(0)
		life(100)
		if err := s.Merge(ctx); err != nil {
			t.Errorf("from operation %d: with room again: %v", from, err)
		}
		if len(acked) < 12 {
			t.Errorf("from operation %d: only %q", from, acked)
		}
		closeStore(t, s)
		s, _ = open(t, mem.Crash(nil), Options{idle: true})
		if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, acked) {
			t.Errorf("from operation %d, after a restart: %q is there, %q was acknowledged", from, got, acked)
		}
		files, _ := s.fs.List("logs")
		if len(files) > 3+2*keyTablesMax { // log, manifest, segment, keys
			t.Errorf("from operation %d, after a restart: %q", from, files)
		}
		closeStore(t, s)
		if t.Failed() {
			return
		}
	}
}

// TestWritersWait: with memory full and no segment written, writers wait as long
// as they want, and get an error at once where segments cannot be written.
func TestWritersWait(t *testing.T) {
	var full atomic.Bool
	fs := &vfs.Faulty{FS: vfs.NewMem(), Fail: func(op vfs.Op, name string) error {
		if full.Load() && op == vfs.OpCreate && strings.HasSuffix(name, segmentSuffix) {
			return syscall.ENOSPC
		}
		return nil
	}}
	s, ev := open(t, fs, Options{MemtableBytesMax: 1 << 10, idle: true})
	defer closeStore(t, s)
	var b logging.Batch
	for i := range 100 {
		b.Records = append(b.Records, rec("web", noon, fmt.Sprint("m", i)))
	}
	appendTo(t, s, b)
	ctx, cancel := context.WithCancel(context.Background())
	waited := make(chan error)
	go func() {
		_, err := s.Append(ctx, writer, b)
		waited <- err
	}()
	cancel()
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Errorf("waited: %v", err)
	}
	full.Store(true)
	for range 2 {
		if err := s.Flush(context.Background()); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("flush to a full disk: %v", err)
		}
	}
	if _, err := s.Append(context.Background(), writer, b); !errors.Is(err, logging.ErrUnavailable) || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("append while nothing can be flushed: %v", err)
	}
	if n := ev.count(EventFlushError); n != 1 {
		t.Errorf("told %d times", n)
	}
	full.Store(false)
	flushed(t, s)
	appendTo(t, s, b)
	if got := messages(t, s, scopetest.Read("shop")); len(got) != 200 {
		t.Errorf("%d records", len(got))
	}
}

// TestDamagedSegment flips bits anywhere in a segment: queries go on without
// what does not read, it is told once, merging leaves the part alone, and verify
// names it.
func TestDamagedSegment(t *testing.T) {
	ctx := context.Background()
	whole := vfs.NewMem()
	s, _ := open(t, whole, Options{idle: true})
	for i := range 40 {
		for _, ns := range []string{"web", "cart", "pay"} {
			r := rec(ns, noon.Add(time.Duration(i)*time.Second), fmt.Sprintf("%s number %d of all", ns, i))
			r.ID = fmt.Sprint(ns, i)
			appendTo(t, s, logging.Batch{Key: r.ID, Records: []logging.Record{r}})
		}
	}
	flushed(t, s)
	info := s.manifest.state.segments[1]
	closeStore(t, s)
	for at := int64(0); at < info.bytes; at += 11 {
		fs := whole.Crash(nil)
		f, err := fs.Open("logs/" + segmentName(1))
		if err != nil {
			t.Fatal(err)
		}
		flip(t, f, at)
		_ = f.Sync()
		var found []Finding
		if err := verify(ctx, fs, "logs", func(f Finding) { found = append(found, f) }); err != nil {
			t.Fatalf("flipped at %d: verify: %v", at, err)
		}
		s, ev := open(t, fs, Options{idle: true})
		got := messages(t, s, scopetest.Operator())
		again := messages(t, s, scopetest.Operator())
		if !slices.Equal(got, again) {
			t.Errorf("flipped at %d: %d and then %d records", at, len(got), len(again))
		}
		v, _ := s.Snapshot(ctx, scopetest.Operator())
		for _, r := range []logging.Record{rec("web", noon, ""), rec("pay", noon, "")} {
			if _, _, err := v.Get(ctx, r.Index, r.Namespace+"7"); err != nil {
				t.Errorf("flipped at %d: get: %v", at, err)
			}
		}
		if _, err := v.Indices(ctx); err != nil {
			t.Errorf("flipped at %d: indices: %v", at, err)
		}
		if _, err := v.Fields(ctx, nil); err != nil {
			t.Errorf("flipped at %d: fields: %v", at, err)
		}
		_ = v.Close()
		lost := len(got) < 120
		if lost && (ev.count(EventCorrupt) == 0 || len(found) == 0) {
			t.Errorf("flipped at %d: %d records; events %+v; verify %v", at, len(got), ev.list, found)
		}
		told := ev.count(EventCorrupt)
		appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "new")}})
		flushed(t, s)
		merged(t, s)
		if after := messages(t, s, scopetest.Operator()); len(after) != len(got)+1 {
			t.Errorf("flipped at %d: %d records, after a merge %d: %+v; verify %v", at, len(got), len(after), ev.list, found)
		}
		if n := ev.count(EventCorrupt); lost && n > told+4 {
			t.Errorf("flipped at %d: told %d and then %d times", at, told, n)
		}
		closeStore(t, s)
		s, _ = open(t, fs, Options{idle: true})
		if after := messages(t, s, scopetest.Operator()); len(after) != len(got)+1 {
			t.Errorf("flipped at %d: %d records, after a restart %d", at, len(got), len(after))
		}
		closeStore(t, s)
		if t.Failed() {
			return
		}
	}
	var out strings.Builder
	if err := dump(&out, whole, "logs", DumpOptions{Segments: true, Segment: segment.DumpOptions{Records: true}}); err != nil || !strings.Contains(out.String(), "tenant shop") || !strings.Contains(out.String(), "web number 7 of all") {
		t.Errorf("dump: %v\n%s", err, out.String())
	}
	if err := verify(ctx, whole, "logs", func(f Finding) { t.Error(f) }); err != nil {
		t.Error(err)
	}
}

// TestManyTenants: with 2,000 tenants and small writes the number of files and
// the memory stay bounded.
func TestManyTenants(t *testing.T) {
	const tenants, rounds = 2000, 40
	of := map[string]tenant.ID{}
	for i := range tenants {
		of[fmt.Sprintf("eu/ns%d", i)] = tenant.ID(fmt.Sprintf("team%d", i))
	}
	w := scopetest.WriteCluster(cluster, scopetest.Owners{Of: of})
	fs := vfs.NewMem()
	s, _ := open(t, fs, Options{idle: true, OpenFilesMax: 4})
	for round := range rounds {
		b := logging.Batch{Key: fmt.Sprint(round)}
		for i := range tenants {
			r := rec("web", noon.Add(time.Duration(round)*time.Second), fmt.Sprintf("line %d of many, as long as lines are", round))
			r.Tenant, r.Namespace = tenant.ID(fmt.Sprintf("team%d", i)), fmt.Sprintf("ns%d", i)
			b.Records = append(b.Records, r)
		}
		if _, err := s.Append(context.Background(), w, b); err != nil {
			t.Fatal(err)
		}
		s.gather()
		if round%2 == 1 {
			flushed(t, s)
			if err := s.maintain(true); err != nil {
				t.Fatal(err)
			}
		}
	}
	names, _ := fs.List("logs")
	if len(names) > 24 {
		t.Errorf("%d files: %q", len(names), names)
	}
	if n := s.files.count(); n > 4 {
		t.Errorf("%d handles", n)
	}
	for _, r := range []tenant.Read{scopetest.Read("team7"), scopetest.Read("team1999")} {
		if got := messages(t, s, r); len(got) != rounds {
			t.Errorf("%d records of a tenant, want %d", len(got), rounds)
		}
	}
	merged(t, s)
	if got := messages(t, s, scopetest.Operator()); len(got) != tenants*rounds {
		t.Errorf("%d records of all, want %d", len(got), tenants*rounds)
	}
	if n := len(s.segments); n != 1 {
		t.Errorf("%d segments after a merge, want 1: the tenants are small", n)
	}
	closeStore(t, s)
}

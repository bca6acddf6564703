package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestGroupApart hands over two batches that are committed together, of which
// one cannot be taken because the disk does not tell which ids there are: the
// other, of another tenant, is taken.
func TestGroupApart(t *testing.T) {
	var unreadable, stuck atomic.Bool
	syncing, goOn := make(chan struct{}), make(chan struct{})
	fs := &vfs.Faulty{FS: vfs.NewMem(), Fail: func(op vfs.Op, name string) error {
		switch {
		case op == vfs.OpSync && stuck.CompareAndSwap(true, false):
			close(syncing)
			<-goOn
		case op == vfs.OpRead && strings.HasSuffix(name, segmentSuffix) && unreadable.Load():
			return syscall.EBUSY
		}
		return nil
	}}
	s, _ := open(t, fs, Options{idle: true})
	defer closeStore(t, s)
	given := rec("web", noon, "given")
	given.ID = "1"
	appendTo(t, s, logging.Batch{Records: []logging.Record{given}})
	flushed(t, s)
	s.files.closeAll()
	unreadable.Store(true)

	send := func(r logging.Record) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := s.Append(context.Background(), writer, logging.Batch{Records: []logging.Record{r}})
			done <- err
		}()
		return done
	}
	stuck.Store(true)
	first := send(rec("pay", noon, "first"))
	<-syncing
	again, other := send(given), send(rec("pay", noon, "other"))
	for len(s.queue) < 2 {
		runtime.Gosched()
	}
	close(goOn)
	if err := errors.Join(<-first, <-other); err != nil {
		t.Errorf("of another tenant: %v", err)
	}
	if err := <-again; !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("an id that cannot be looked up: %v", err)
	}
	if got := messages(t, s, scopetest.Read("billing")); !slices.Equal(got, []string{"first", "other"}) {
		t.Errorf("got %q", got)
	}
}

// TestRefusedAgain hands a batch over again of which a record was refused: it is
// refused again, and not said to be there.
func TestRefusedAgain(t *testing.T) {
	s, _ := open(t, vfs.NewMem(), Options{idle: true})
	defer closeStore(t, s)
	bad := rec("web", noon, "bad")
	bad.ID = strings.Repeat("x", logging.IDBytesMax+1)
	b := logging.Batch{Key: "k", Records: []logging.Record{rec("web", noon, "good"), bad}}
	for _, want := range []logging.ItemStatus{logging.Stored, logging.Duplicate} {
		if got := appendTo(t, s, b); got[0].Status != want || got[1].Status != logging.Refused || got[1].Reason == "" {
			t.Errorf("want %d, got %+v", want, got)
		}
	}
}

// TestGivenOfTheSameBatch has an id twice in a batch, the first time with a time
// that is past the retention: the second is what shows.
func TestGivenOfTheSameBatch(t *testing.T) {
	s, _ := open(t, vfs.NewMem(), Options{idle: true, Retention: func(tenant.ID) time.Duration { return time.Hour }})
	defer closeStore(t, s)
	old, fresh := rec("web", noon.Add(-2*time.Hour), "old"), rec("web", noon, "fresh")
	old.ID, fresh.ID = "1", "1"
	got := appendTo(t, s, logging.Batch{Records: []logging.Record{old, fresh, fresh}})
	if got[1].Status != logging.Stored || got[2].Status != logging.Duplicate {
		t.Errorf("got %+v", got)
	}
	if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, []string{"fresh"}) {
		t.Errorf("got %q", got)
	}
}

// TestCutBehindAnEmptyFile writes to a segment what older log files have, while
// records come into the last one, which was empty: they are there once, also
// after a restart.
func TestCutBehindAnEmptyFile(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs, Options{idle: true})
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "before")}})
	if err := s.ready(true); err != nil { // as a commit does that finds the file full, and then fails
		t.Fatal(err)
	}
	upTo, err := s.cut()
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "meanwhile")}})
	s.gather()
	s.freeze(upTo)
	if err := s.flushed(s.writeFrozen()); err != nil {
		t.Fatal(err)
	}
	want := []string{"before", "meanwhile"}
	if got := messages(t, s, scopetest.Operator()); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	closeStore(t, s)
	s, _ = open(t, fs.Crash(nil), Options{idle: true})
	defer closeStore(t, s)
	if got := messages(t, s, scopetest.Operator()); !slices.Equal(got, want) {
		t.Errorf("after a restart: %q", got)
	}
}

// TestOpenOnAFullDisk starts over a log of many files where nothing can be
// written: what is there is read, and goes on when there is room.
func TestOpenOnAFullDisk(t *testing.T) {
	mem := vfs.NewMem()
	s, _ := open(t, mem, Options{LogBytesMax: 1000, idle: true})
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprint("m", i))
		appendTo(t, s, logging.Batch{Key: want[i], Records: []logging.Record{rec("web", noon, want[i])}})
	}
	closeStore(t, s)
	var full atomic.Bool
	full.Store(true)
	fs := &vfs.Faulty{FS: mem, Fail: func(op vfs.Op, _ string) error {
		if full.Load() && (op == vfs.OpCreate || op == vfs.OpWrite) {
			return syscall.ENOSPC
		}
		return nil
	}}
	s, ev := open(t, fs, Options{LogBytesMax: 1000, MemtableBytesMax: 1000, idle: true})
	check := func(when string) {
		t.Helper()
		if got := messages(t, s, scopetest.Operator()); !slices.Equal(got, want) {
			t.Errorf("%s: %q", when, got)
		}
	}
	check("full")
	if _, err := s.Append(context.Background(), writer, logging.Batch{Records: []logging.Record{rec("web", noon, "x")}}); !errors.Is(err, logging.ErrUnavailable) {
		t.Errorf("append on a full disk: %v", err)
	}
	if ev.count(EventFlushError) != 1 {
		t.Errorf("events %+v", ev.list)
	}
	full.Store(false)
	flushed(t, s)
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "later")}})
	want = append(want, "later")
	check("with room again")
	closeStore(t, s)
	s, _ = open(t, mem.Crash(nil), Options{idle: true})
	defer closeStore(t, s)
	check("after a restart")
}

// BenchmarkManyIndices commits and flushes batches whose every record names
// another index: it costs as much a record as of few, about.
func BenchmarkManyIndices(b *testing.B) {
	for _, n := range []int{1000, 32000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, _ := open(b, vfs.NewMem(), Options{idle: true})
			defer closeStore(b, s)
			batch := logging.Batch{}
			for i := range n {
				r := rec("web", noon, "x")
				r.Index = fmt.Sprint("index-", i)
				batch.Records = append(batch.Records, r)
			}
			b.ResetTimer()
			for range b.N {
				appendTo(b, s, batch)
				flushed(b, s)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
		})
	}
}

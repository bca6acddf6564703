package tsdb

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func TestACommitIsDurableOnceItsGenerationIs(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, scopetest.Write("a"), map[string]float64{"m": 1}, time.Now())
	epoch, generation, durable := s.Durability()
	if durable >= generation || epoch == "" {
		t.Fatalf("generation %d of %q is not synced, and %d is durable", generation, epoch, durable)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if e, next, durable := s.Durability(); e != epoch || durable < generation || next <= durable {
		t.Fatalf("after a sync: epoch %q, generation %d, durable %d", e, next, durable)
	}
	if n := dirty(s); n != 0 {
		t.Errorf("%d databases are to be synced after a sync", n)
	}
	put(t, s, scopetest.Write("a"), map[string]float64{"n": 2}, time.Now())
	if n := dirty(s); n != 1 {
		t.Errorf("%d databases are to be synced after a commit", n)
	}
	// A log that cannot be opened now is synced later.
	wal := filepath.Join(dir, "a", "wal")
	if err := os.Rename(wal, wal+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err = s.Sync()
	if err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a log that is a file: %v", err)
	}
	e, generation, durable := s.Durability()
	if e != epoch || durable >= generation-1 {
		t.Errorf("a log that could not be opened makes epoch %q, and %d of %d durable", e, durable, generation)
	}
	if err := errors.Join(os.Remove(wal), os.Rename(wal+".away", wal)); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if e, _, durable := s.Durability(); e != epoch || durable < generation {
		t.Errorf("once it could, epoch %q, durable %d of %d", e, durable, generation)
	}
}

// TestFailedFsyncConcernsOneTenant: after an fsync that failed the others go on; the
// database is opened anew on logs that were written anew, and senders repeat once.
func TestFailedFsyncConcernsOneTenant(t *testing.T) {
	dir := t.TempDir()
	failing := atomic.Bool{}
	failing.Store(true)
	s := open(t, dir, Options{fsync: func(f *os.File) error {
		if failing.Load() && strings.Contains(f.Name(), "/a/") {
			return errors.New("input/output error")
		}
		return f.Sync()
	}})
	put(t, s, scopetest.Write("a"), map[string]float64{"m": 1}, now)
	put(t, s, scopetest.Write("b"), map[string]float64{"m": 1}, now)
	epoch, generation, _ := s.Durability()
	if err := s.Sync(); !errors.Is(err, errNotSynced) {
		t.Fatalf("a sync of a disk that fails: %v", err)
	}
	if e, _, durable := s.Durability(); e != epoch || durable >= generation {
		t.Errorf("epoch %q, durable %d of %d", e, durable, generation)
	}
	put(t, s, scopetest.Write("b"), map[string]float64{"m": 2}, now.Add(time.Second))
	inode := func() uint64 {
		info, err := os.Stat(filepath.Join(dir, "a", "wal", "00000000"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Ino
	}
	before := inode()
	failing.Store(false)
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	mended, _, durable := s.Durability()
	if mended == epoch || durable < generation || inode() == before {
		t.Errorf("after the disk was mended: epoch %q as before: %t, durable %d of %d, the log is the same file: %t", mended, mended == epoch, durable, generation, inode() == before)
	}
	put(t, s, scopetest.Write("a"), map[string]float64{"m": 3}, now.Add(2*time.Second))
	for id, want := range map[tenant.ID]int{"a": 2, "b": 2} {
		if n := count(t, s, scopetest.Read(id), now.Add(-time.Hour), now.Add(time.Hour)); n != want {
			t.Errorf("%s has %d samples, want %d", id, n, want)
		}
	}
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if e, _, _ := s.Durability(); e != mended {
		t.Error("senders repeat more than once")
	}
}

// A database that failed to close, as on a disk that was full, is synced by its files:
// it holds up the durability of the others for no longer than that.
func TestADatabaseThatFailedToCloseIsSynced(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, scopetest.Write("a"), map[string]float64{"m": 1}, time.Now())
	db, err := s.database("a")
	if err != nil {
		t.Fatal(err)
	}
	db.release()
	s.mu.Lock()
	delete(s.dbs, "a") // as retire does
	s.mu.Unlock()
	if err := db.close(t.Context()); err != nil {
		t.Fatal(err)
	}
	db.closed.Store(false) // it said so
	put(t, s, scopetest.Write("b"), map[string]float64{"m": 1}, time.Now())
	_, generation, _ := s.Durability()
	if err := s.Sync(); err != nil {
		t.Fatal(err)
	}
	if _, _, durable := s.Durability(); durable < generation {
		t.Errorf("%d of %d is durable", durable, generation)
	}
}

func dirty(s *Store) int {
	s.generations.mu.Lock()
	defer s.generations.mu.Unlock()
	return len(s.generations.dirty)
}

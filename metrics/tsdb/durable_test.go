package tsdb

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

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
	// A log that cannot be synced may have lost what it was given.
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
	if e, _, durable := s.Durability(); e == epoch || durable > generation {
		t.Errorf("after a sync that failed the epoch is %q still, durable %d", e, durable)
	}
	if err := errors.Join(os.Remove(wal), os.Rename(wal+".away", wal)); err != nil {
		t.Fatal(err)
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

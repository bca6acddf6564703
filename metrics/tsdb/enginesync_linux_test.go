package tsdb

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/tenant/scopetest"
)

// spoil lets the next fsync of an open file fail.
func spoil(t *testing.T, suffix string) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0) // it cannot be synced
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("needs /proc")
	}
	for _, e := range fds {
		name, _ := os.Readlink(filepath.Join("/proc/self/fd", e.Name()))
		fd, _ := strconv.Atoi(e.Name())
		if strings.HasSuffix(name, suffix) {
			if err := syscall.Dup3(int(null.Fd()), fd, syscall.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("no file %s is open", suffix)
}

// The engine syncs a segment that is full, and the last one as it closes, and only logs
// it where that fails. A sync of ours says nothing of them any more: they are written
// anew, also where the database is open again.
func TestASyncOfTheEngineThatFailed(t *testing.T) {
	for name, reopen := range map[string]bool{"closed": false, "open again": true} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), Options{Clock: func() time.Time { return now }})
			put(t, s, scopetest.Write("a"), map[string]float64{"m": 1}, now)
			epoch, generation, _ := s.Durability()
			spoil(t, "/a/wal/00000000")
			s.closeIdle("a", now.Add(2*time.Hour))
			if _, idle := s.openIDs(); idle != 1 {
				t.Fatal("it is not closed")
			}
			if reopen {
				put(t, s, scopetest.Write("a"), map[string]float64{"m": 2}, now.Add(time.Second))
			}
			if err := s.Sync(); !errors.Is(err, errNotSynced) {
				t.Errorf("a sync: %v", err)
			}
			if _, _, durable := s.Durability(); durable >= generation {
				t.Error("what was not synced counts as durable")
			}
			for range 2 {
				if err := s.Sync(); err != nil {
					t.Fatal(err)
				}
			}
			if e, _, durable := s.Durability(); e == epoch || durable < generation {
				t.Errorf("written anew: epoch as before: %t, durable %d of %d", e == epoch, durable, generation)
			}
			want := map[bool]int{false: 1, true: 2}[reopen]
			if n := count(t, s, scopetest.Read("a"), now.Add(-time.Hour), now.Add(time.Hour)); n != want {
				t.Errorf("%d samples, want %d", n, want)
			}
		})
	}
}

// Of a database that was deleted nothing is left to sync.
func TestADeletedDatabaseHoldsNothingUp(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	put(t, s, scopetest.Write("a"), map[string]float64{"m": 1}, now)
	spoil(t, "/a/wal/00000000")
	if err := s.Delete(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	_, generation, _ := s.Durability()
	if err := s.Sync(); err != nil {
		t.Error(err)
	}
	if _, _, durable := s.Durability(); durable < generation {
		t.Errorf("durable %d of %d", durable, generation)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "a")); err == nil {
		t.Error("it is there again")
	}
}

package tsdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// count gives how many samples of a scope there are from from to to.
func count(t testing.TB, s *Store, r tenant.Read, from, to time.Time) int {
	t.Helper()
	q, err := s.Queryable(r).Querier(from.UnixMilli(), to.UnixMilli())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	n := 0
	set := q.Select(context.Background(), false, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+"))
	for set.Next() {
		for it := set.At().Iterator(nil); it.Next() != 0; {
			n++
		}
	}
	if set.Err() != nil {
		t.Fatal(set.Err())
	}
	return n
}

func (s *Store) openIDs() (open, idle int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.dbs), len(s.asleep)
}

// TestAccountKeepsNobodyAwake: what Oriel tells a tenant of itself is stored, and is
// no sign that the tenant sends anything or that somebody needs its database.
func TestAccountKeepsNobodyAwake(t *testing.T) {
	var clock atomic.Int64
	clock.Store(now.UnixNano())
	at := func() time.Time { return time.Unix(0, clock.Load()) }
	s := open(t, t.TempDir(), Options{Clock: at})
	put(t, s, scopetest.Write("a"), map[string]float64{"m": 1}, at())
	began := at()
	for range 8 {
		clock.Add((10 * time.Minute).Nanoseconds())
		app := s.Appender(metrics.Account(t.Context()), scopetest.Write("a"))
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "told"), 0, at().UnixMilli(), 1, nil, nil, storage.AOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Stats()["a"]; got.Samples != 1 || got.Idle {
		t.Errorf("%+v, want the tenant's one sample", got)
	}
	s.CloseIdle(t.Context())
	if open, idle := s.openIDs(); open != 0 || idle != 1 || !s.Stats()["a"].Idle {
		t.Errorf("%d open and %d idle, 80 minutes after somebody needed it", open, idle)
	}
	app := s.Appender(metrics.Account(t.Context()), scopetest.Write("a"))
	if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "told"), 0, at().UnixMilli(), 1, nil, nil, storage.AOptions{}); !errors.Is(err, metrics.ErrNoDatabase) {
		t.Errorf("told while it sleeps: %v", err)
	}
	if err := app.Rollback(); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, scopetest.Read("a"), began, at()); n != 9 {
		t.Errorf("%d samples are there, want 9", n)
	}
	if s.Stats()["a"].Idle {
		t.Error("it was asked, and is idle")
	}
}

// TestIdleDatabasesAreClosed: what nobody needs costs no open database; every
// question is answered as before, and opens only what holds something of its time.
func TestIdleDatabasesAreClosed(t *testing.T) {
	var clock atomic.Int64
	clock.Store(now.UnixNano())
	at := func() time.Time { return time.Unix(0, clock.Load()) }
	wait := func(d time.Duration) { clock.Add(d.Nanoseconds()) }
	s := open(t, t.TempDir(), Options{Clock: at})
	const tenants = 5
	for i := range tenants {
		id := tenant.ID(fmt.Sprint("t", i))
		put(t, s, scopetest.Write(id), map[string]float64{fmt.Sprint("m", i): 1, fmt.Sprint("n", i): 2}, at())
		app := s.Appender(t.Context(), scopetest.Write(id))
		if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "told", "i", fmt.Sprint(i)), 0, at().UnixMilli(), 1, nil, nil, storage.AOptions{MetricFamilyName: "told", Metadata: metadata.Metadata{Help: "kept"}}); err != nil {
			t.Fatal(err)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	before := s.Stats()
	files := openFiles(t)
	s.CloseIdle(t.Context())
	if open, idle := s.openIDs(); open != tenants || idle != 0 {
		t.Fatalf("%d open and %d idle right after a write", open, idle)
	}
	written := at()
	wait(2 * time.Hour)
	put(t, s, scopetest.Write("t0"), map[string]float64{"m0": 3}, at())
	s.CloseIdle(t.Context())
	if open, idle := s.openIDs(); open != 1 || idle != tenants-1 {
		t.Fatalf("%d open and %d idle two hours later", open, idle)
	}
	if n := openFiles(t); n > files-2*(tenants-1) {
		t.Errorf("%d files are open, and were %d", n, files)
	}
	if got := s.Stats()["t1"]; got.Samples != before["t1"].Samples || got.Series != 0 {
		t.Errorf("an idle tenant's counts are %+v, and were %+v", got, before["t1"])
	}
	if got := s.Metadata(scopetest.Read("t1"))["told"]; len(got) != 1 || got[0].Help != "kept" {
		t.Errorf("an idle tenant's metadata are %v", got)
	}
	// The operator's question about the last hour opens nothing.
	if n := count(t, s, scopetest.Operator(), at().Add(-time.Hour), at()); n != 1 {
		t.Errorf("%d samples of the last hour, want 1", n)
	}
	if open, _ := s.openIDs(); open != 1 {
		t.Errorf("a question about the last hour opened %d databases", open-1)
	}
	// One about the time before opens what it asks for.
	if n := count(t, s, scopetest.Read("t1"), written.Add(-time.Minute), at()); n != 3 {
		t.Errorf("%d samples of an idle tenant, want 3", n)
	}
	if open, _ := s.openIDs(); open != 2 {
		t.Errorf("%d databases are open after a question about one idle tenant", open)
	}
	if n := count(t, s, scopetest.Operator(), written.Add(-time.Minute), at()); n != 3*tenants+1 {
		t.Errorf("%d samples of everybody, want %d", n, 3*tenants+1)
	}
	if got := s.Stats()["t1"]; got.Samples != before["t1"].Samples {
		t.Errorf("an opened tenant's counts are %+v, and were %+v", got, before["t1"])
	}
	// Written to, purged and deleted as if it had been open.
	wait(2 * time.Hour)
	s.CloseIdle(t.Context())
	put(t, s, scopetest.Write("t2"), map[string]float64{"m2": 4}, at())
	if n := count(t, s, scopetest.Read("t2"), written.Add(-time.Minute), at()); n != 4 {
		t.Errorf("%d samples after a write to an idle database, want 4", n)
	}
	if err := s.Delete(t.Context(), "t3"); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, scopetest.Read("t3"), written.Add(-time.Minute), at()); n != 0 {
		t.Errorf("%d samples of a tenant that was deleted while idle", n)
	}
	if n := count(t, s, scopetest.Operator(), written.Add(-time.Minute), at()); n != 3*tenants+2-3 {
		t.Errorf("%d samples of everybody, want %d", n, 3*tenants-1)
	}
	// What sleeps for a day is looked at, and sleeps on.
	wait(2 * time.Hour)
	s.CloseIdle(t.Context())
	slept := s.asleep["t4"].since
	wait(25 * time.Hour)
	s.CloseIdle(t.Context())
	if open, idle := s.openIDs(); open != 0 || idle != tenants-1 || !s.asleep["t4"].since.After(slept) {
		t.Errorf("%d open and %d idle a day later", open, idle)
	}
}

// TestGoneWhileAsleep: a tenant that goes while others are opened for a moment
// leaves nothing, and nobody makes anything of it again who had it on their list.
func TestGoneWhileAsleep(t *testing.T) {
	var clock atomic.Int64
	clock.Store(now.UnixNano())
	var s *Store
	gone := func(id tenant.ID) {
		if err := s.Delete(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	deleted, looking := tenant.ID(""), false
	dir := t.TempDir()
	s = open(t, dir, Options{Clock: func() time.Time { return time.Unix(0, clock.Load()) }, OnEvent: func(e Event) {
		// The first of those that are looked at after a day sleeps again: the other goes.
		if e.Kind == EventIdle && looking && deleted == "" {
			deleted = map[tenant.ID]tenant.ID{"t0": "t1", "t1": "t0"}[e.Tenant]
			gone(deleted)
		}
	}})
	for _, id := range []tenant.ID{"t0", "t1"} {
		put(t, s, scopetest.Write(id), map[string]float64{"m": 1}, now)
	}
	clock.Add((2 * time.Hour).Nanoseconds())
	s.CloseIdle(t.Context())
	clock.Add((25 * time.Hour).Nanoseconds())
	looking = true
	s.CloseIdle(t.Context())
	if deleted == "" {
		t.Fatal("no tenant was looked at")
	}
	if _, err := os.Stat(filepath.Join(dir, string(deleted))); !os.IsNotExist(err) {
		t.Errorf("%s is gone, and its directory is there again: %v", deleted, err)
	}
	if _, is := s.Stats()[deleted]; is {
		t.Errorf("%s is gone, and counted", deleted)
	}
	if db, err := s.present(deleted); db != nil || err != nil {
		t.Errorf("who is gone is woken: %v, %v", db, err)
	}
}

func openFiles(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("no /proc here")
	}
	return len(names)
}

// TestIdleUnderLoad: databases are closed as often as can be while others write
// and read; nothing is lost and nothing fails.
func TestIdleUnderLoad(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{Clock: func() time.Time { return now }, IdleAfter: time.Nanosecond})
	ctx, cancel := context.WithCancel(t.Context())
	var closing, working sync.WaitGroup
	closing.Go(func() {
		for ctx.Err() == nil {
			s.mu.RLock()
			for _, db := range s.dbs {
				db.used.Store(0)
			}
			s.mu.RUnlock()
			s.CloseIdle(ctx)
		}
	})
	const tenants, rounds = 4, 25
	for i := range tenants {
		id := tenant.ID(fmt.Sprint("t", i))
		working.Go(func() {
			for j := range rounds {
				at := now.Add(time.Duration(j-rounds) * time.Second)
				app := s.Appender(ctx, scopetest.Write(id))
				if _, err := app.Append(0, labels.FromStrings(model.MetricNameLabel, "m", "i", fmt.Sprint(i)), 0, at.UnixMilli(), 1, nil, nil, storage.AOptions{}); err != nil {
					t.Error(err)
				}
				if err := app.Commit(); err != nil {
					t.Error(err)
				}
				if n := count(t, s, scopetest.Read(id), now.Add(-time.Hour), now); n != j+1 {
					t.Errorf("%s: %d samples after %d writes", id, n, j+1)
				}
			}
		})
	}
	working.Wait()
	cancel()
	closing.Wait()
	if n := count(t, s, scopetest.Operator(), now.Add(-time.Hour), now); n != tenants*rounds {
		t.Errorf("%d samples, want %d", n, tenants*rounds)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// The ways in which damageBoth damages a manifest and its twin.
const (
	bothGone  = iota
	bothFirst // the first edit of both
	bothApart // the first edit of one, the last of the other
	bothCut
	damages
)

// damageBoth damages the manifest of a directory that nobody has open, and its twin. It
// tells whether every edit is whole in one of them.
func damageBoth(t testing.TB, fs vfs.FS, how int) (whole bool) {
	t.Helper()
	names, err := fs.List("logs")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		n, ok := manifestNumber(name)
		if !ok {
			continue
		}
		m, err := loadOne(fs, "logs", name, n)
		if err != nil {
			t.Fatal(err)
		}
		switch how {
		case bothGone:
			err = fs.Remove("logs/" + name)
		case bothCut:
			err = m.f.Truncate(headerLen + 20)
		case bothApart:
			whole = m.edits > 1
			if at := m.first - 1; name == twinName(n) {
				flip(t, m.f, m.size-1)
			} else {
				flip(t, m.f, at)
			}
		default:
			flip(t, m.f, m.first-1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return whole
}

// TestRecover damages the manifest and its twin after every kind of life: what shows
// is what showed before, and goes on as if nothing had been.
func TestRecover(t *testing.T) {
	ctx := context.Background()
	hours := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	some := func(s *Store, what string, hour int) {
		b := logging.Batch{Key: what}
		for i, ns := range []string{"web", "cart", "pay", "led", "web", "pay"} {
			r := rec(ns, hours(hour).Add(time.Duration(i)*time.Second), what+fmt.Sprint(i))
			if i > 3 {
				r.ID = what + "-given"
			}
			b.Records = append(b.Records, r)
		}
		appendTo(t, s, b)
	}
	purge := func(s *Store, ns string) {
		if err := s.Purge(ctx, owners.Of["eu/"+ns], "eu", ns, time.Time{}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func(s *Store) {
		if err := s.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
	}
	type life struct {
		name string
		do   func(s *Store, clock *time.Time, keep *time.Duration)
		want string // in what is told; "": anything
	}
	lives := []life{
		{"a flush", func(s *Store, _ *time.Time, _ *time.Duration) { some(s, "a", 0); flushed(t, s) }, "3 records: kept"},
		{"flushes, and records in the log", func(s *Store, _ *time.Time, _ *time.Duration) {
			some(s, "a", 0)
			flushed(t, s)
			some(s, "b", -1)
			flushed(t, s)
			some(s, "c", 1)
		}, "6 records"},
		{"a merge", func(s *Store, _ *time.Time, _ *time.Duration) {
			some(s, "a", 0)
			flushed(t, s)
			some(s, "b", -1)
			merged(t, s)
			some(s, "c", 1)
			flushed(t, s)
		}, "kept"},
		{"a tenant's parts merged out of a shared file", func(s *Store, _ *time.Time, _ *time.Duration) {
			// billing has one part a day, shop two: shop's are merged, and billing's keeps
			// the first file alive.
			some(s, "a", 0)
			flushed(t, s)
			appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "b")}})
			merged(t, s)
		}, "aside: merged into"},
		{"a purge carried out in a shared file", func(s *Store, _ *time.Time, _ *time.Duration) {
			some(s, "a", 0)
			flushed(t, s)
			if err := s.Purge(ctx, "billing", "", "", time.Time{}, time.Time{}); err != nil {
				t.Fatal(err)
			}
			flushed(t, s)
			sweep(s)
			sweep(s)
			if len(s.manifest.state.purges) > 0 || len(s.segments) != 1 {
				t.Fatalf("%d purges are left, %d files", len(s.manifest.state.purges), len(s.segments))
			}
			some(s, "b", 1)
		}, "1 deletions of 1 tenants"},
		{"a purge that is in the log", func(s *Store, _ *time.Time, _ *time.Duration) {
			some(s, "a", 0)
			flushed(t, s)
			purge(s, "pay")
			some(s, "b", 1)
		}, "kept"},
		{"a purge merged away", func(s *Store, _ *time.Time, _ *time.Duration) {
			some(s, "a", 0)
			flushed(t, s)
			purge(s, "cart")
			merged(t, s)
			sweep(s)
			some(s, "b", 1)
			flushed(t, s)
		}, "kept"},
		{"retention, made longer again", func(s *Store, clock *time.Time, keep *time.Duration) {
			some(s, "a", 0) // shop keeps less than billing
			flushed(t, s)
			*clock = hours(30)
			some(s, "b", 29)
			sweep(s)
			flushed(t, s)
			*keep = 900 * time.Hour
		}, "1 deletions of 1 tenants"},
		{"retention, made longer, and records that came late", func(s *Store, clock *time.Time, keep *time.Duration) {
			*keep = time.Hour
			appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", hours(-3), "gone")}})
			flushed(t, s)
			*keep = 48 * time.Hour
			appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", hours(-2), "late"), rec("web", hours(-47), "older"), rec("pay", hours(-47), "p")}})
			flushed(t, s)
			*clock = hours(2)
			sweep(s)
			some(s, "b", 1)
		}, "deletions of 1 tenants"},
		{"nothing left but the log", func(s *Store, _ *time.Time, _ *time.Duration) {
			some(s, "a", 0)
			flushed(t, s)
			for _, ns := range []string{"web", "cart", "pay", "led"} {
				purge(s, ns)
			}
			sweep(s)
			some(s, "b", 0)
		}, "batch keys"},
	}
	for _, l := range lives {
		for how := range damages {
			t.Run(fmt.Sprint(l.name, "/", how), func(t *testing.T) {
				fs := vfs.NewMem()
				now, keep := noon, 26*time.Hour
				o := Options{idle: true, Clock: func() time.Time { return now }, Retention: func(id tenant.ID) time.Duration {
					if id == "shop" {
						return keep
					}
					return 900 * time.Hour
				}}
				s, _ := open(t, fs, o)
				l.do(s, &now, &keep)
				closeStore(t, s)
				// What an ordinary start shows: retention that was made longer has it show
				// what its merges and sweeps had left.
				before := fs.Kill()
				s, _ = open(t, before, o)
				want, wantIDs := messages(t, s, scopetest.Operator()), indices(t, s)
				closeStore(t, s)

				var told strings.Builder
				if !damageBoth(t, fs, how) {
					if _, err := Open("logs", Options{FS: fs}); err == nil || !strings.Contains(err.Error(), "oriel segments recover") {
						t.Fatalf("start: %v", err)
					}
					if err := verify(ctx, fs, "logs", func(Finding) {}); err == nil || !strings.Contains(err.Error(), "oriel segments recover") {
						t.Errorf("verify: %v", err)
					}
					names, _ := fs.List("logs")
					if err := rebuild(ctx, fs, "logs", RecoverOptions{}, &told); err != nil {
						t.Fatalf("%v\n%s", err, &told)
					}
					if after, _ := fs.List("logs"); !slices.Equal(names, after) {
						t.Fatalf("it was only asked: had %q, has %q", names, after)
					}
					if err := rebuild(ctx, fs, "logs", RecoverOptions{Write: true}, &told); err != nil {
						t.Fatalf("%v\n%s", err, &told)
					}
					if !strings.Contains(told.String(), l.want) {
						t.Errorf("told, without %q:\n%s", l.want, &told)
					}
				}
				if err := rebuild(ctx, fs, "logs", RecoverOptions{Write: true}, &told); !errors.Is(err, ErrNothingToRecover) {
					t.Errorf("again: %v", err)
				}
				s, ev := open(t, fs, o)
				if n := ev.count(EventCorrupt); n != 0 {
					t.Errorf("%d things are corrupt: %v", n, ev.list)
				}
				same := func(when string) {
					t.Helper()
					got := messages(t, s, scopetest.Operator())
					if d := cmp.Diff(want, got); d != "" {
						t.Errorf("%s (-before +after):\n%s\n%s", when, d, &told)
					}
				}
				same("at once")
				if d := cmp.Diff(wantIDs, indices(t, s)); d != "" {
					t.Errorf("indices (-before +after):\n%s", d)
				}
				key := "a"
				if now.After(noon) {
					key = "b" // the other one is forgotten
				}
				for _, r := range appendTo(t, s, logging.Batch{Key: key, Records: []logging.Record{rec("web", noon, "again")}}) {
					if r.Status != logging.Duplicate {
						t.Errorf("a batch that came before is %v", r.Status)
					}
				}
				merged(t, s)
				sweep(s)
				same("merged")
				res := appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", now, "later")}})
				want = append(want, "later")
				if res[0].Status != logging.Stored {
					t.Errorf("later: %+v", res)
				}
				closeStore(t, s)
				s, _ = open(t, fs, o)
				same("started again")
				closeStore(t, s)
			})
		}
	}
}

// indices gives what is counted of the indices, and every record by its id.
func indices(t *testing.T, s *Store) (out []string) {
	t.Helper()
	ctx := context.Background()
	v, err := s.Snapshot(ctx, scopetest.Operator())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	all, err := v.Indices(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		out = append(out, fmt.Sprintf("%+v", x))
	}
	res, err := v.Search(ctx, logging.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range res.Hits {
		r, ok, err := v.Get(ctx, h.Record.Index, h.Record.ID)
		out = append(out, fmt.Sprintf("%+v %v %v", r, ok, err))
	}
	return out
}

// TestRecoverDoubtful: where nothing tells what was deleted, it asks.
func TestRecoverDoubtful(t *testing.T) {
	ctx := context.Background()
	fs := vfs.NewMem()
	s, _ := open(t, fs, Options{idle: true})
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "w"), rec("pay", noon, "p")}})
	flushed(t, s)
	if err := s.Purge(ctx, "billing", "eu", "pay", time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	flushed(t, s)
	for range 2 {
		if err := s.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	names, _ := fs.List("logs")
	for _, name := range names {
		if _, ok := deletedNumber(name); ok {
			f, _ := fs.Open("logs/" + name)
			flip(t, f, 3)
		}
	}
	damageBoth(t, fs, bothGone)
	for answer, want := range map[Doubtful][]string{
		DoubtfulAsk:        nil,
		DoubtfulKeep:       {"w", "p"}, // the deleted one shows again, as it was said
		DoubtfulQuarantine: {},
	} {
		fs := fs.Kill()
		var told strings.Builder
		err := rebuild(ctx, fs, "logs", RecoverOptions{Write: true, Doubtful: answer}, &told)
		if answer == DoubtfulAsk {
			if !errors.Is(err, ErrDoubtful) || !strings.Contains(told.String(), "what was deleted is not known") {
				t.Errorf("%v\n%s", err, &told)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		s, _ := open(t, fs, Options{idle: true})
		if d := cmp.Diff(want, messages(t, s, scopetest.Operator()), cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", answer, d)
		}
		closeStore(t, s)
	}
}

// TestRecoverHalfDone: what a crash leaves of a flush or a merge makes no record come
// twice, and none go.
func TestRecoverHalfDone(t *testing.T) {
	ctx := context.Background()
	for _, what := range []string{"flush", "merge"} {
		for _, damaged := range []bool{false, true} {
			mem := vfs.NewMem()
			failing := false
			fs := &vfs.Faulty{FS: mem, Fail: func(op vfs.Op, name string) error {
				if failing && op == vfs.OpWrite && strings.Contains(name, manifestPrefix) {
					return errors.New("no")
				}
				return nil
			}}
			s, _ := open(t, fs, Options{idle: true})
			for i := range 3 {
				appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, fmt.Sprint("w", i)), rec("pay", noon, fmt.Sprint("p", i))}})
				if i < 2 {
					flushed(t, s)
				}
			}
			if what == "merge" {
				flushed(t, s)
			}
			want := messages(t, s, scopetest.Operator())
			failing = true
			if err := s.Merge(ctx); err == nil {
				t.Fatal("it did not fail")
			}
			after := mem.Kill()
			if damaged { // its bytes never got to the disk
				names, _ := after.List("logs")
				last := ""
				for _, name := range names {
					if strings.HasSuffix(name, segmentSuffix) {
						last = name
					}
				}
				f, _ := after.Open("logs/" + last)
				for at := int64(headerLen); at < headerLen+20; at++ {
					flip(t, f, at)
				}
			}
			damageBoth(t, after, bothGone)
			var told strings.Builder
			if err := rebuild(ctx, after, "logs", RecoverOptions{Write: true}, &told); err != nil {
				t.Fatal(err)
			}
			again, _ := open(t, after, Options{idle: true})
			if d := cmp.Diff(want, messages(t, again, scopetest.Operator())); d != "" {
				t.Errorf("%s, damaged %v (-want +got):\n%s\n%s", what, damaged, d, &told)
			}
			closeStore(t, again)
		}
	}
}

// TestRecoverLogFilesLeft: files of the log that a flush could not remove, or a crash
// kept it from removing, bring no record twice and no deleted one back, and no record
// goes for them.
func TestRecoverLogFilesLeft(t *testing.T) {
	ctx := context.Background()
	batch := func(s *Store, message string, namespaces ...string) {
		var b logging.Batch
		for _, ns := range namespaces {
			b.Records = append(b.Records, rec(ns, noon, ns+message))
		}
		appendTo(t, s, b)
	}
	purge := func(s *Store, ns string) {
		if err := s.Purge(ctx, owners.Of["eu/"+ns], "eu", ns, time.Time{}, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, life := range map[string]struct {
		left []uint64
		do   func(s *Store)
	}{
		"of the first": {[]uint64{3, 4}, func(s *Store) {
			batch(s, "1", "web")
			batch(s, "2", "web", "pay")
			batch(s, "3", "pay")
			flushed(t, s)
		}},
		"before a deletion": {[]uint64{2}, func(s *Store) {
			batch(s, "1", "web", "pay")
			flushed(t, s)
			purge(s, "pay")
			flushed(t, s)
			batch(s, "2", "web")
		}},
		"beside a deletion": {[]uint64{4}, func(s *Store) {
			batch(s, "1", "web", "pay")
			flushed(t, s)
			batch(s, "2", "web", "pay")
			purge(s, "pay")
			flushed(t, s)
			batch(s, "4", "web")
		}},
		"and nothing else": {[]uint64{2}, func(s *Store) {
			batch(s, "1", "web", "pay")
			purge(s, "pay")
			flushed(t, s)
		}},
	} {
		t.Run(name, func(t *testing.T) { // each batch and deletion is in a log file of its own, from the second on
			mem := vfs.NewMem()
			fs := &vfs.Faulty{FS: mem, Fail: func(op vfs.Op, name string) error {
				if op == vfs.OpRemove && slices.ContainsFunc(life.left, func(n uint64) bool { return strings.HasSuffix(name, fileName(n)) }) {
					return errors.New("no")
				}
				return nil
			}}
			o := Options{idle: true, LogBytesMax: 1}
			s, _ := open(t, fs, o)
			life.do(s)
			want := messages(t, s, scopetest.Operator())
			after := mem.Kill()
			for _, n := range life.left {
				if f, err := after.Open("logs/" + fileName(n)); err != nil {
					t.Fatal(err)
				} else if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			damageBoth(t, after, bothGone)
			var told strings.Builder
			if err := rebuild(ctx, after, "logs", RecoverOptions{Write: true}, &told); err != nil {
				t.Fatalf("%v\n%s", err, &told)
			}
			s, _ = open(t, after, o)
			same := func(when string) {
				t.Helper()
				if d := cmp.Diff(want, messages(t, s, scopetest.Operator()), cmpopts.EquateEmpty()); d != "" {
					t.Errorf("%s (-want +got):\n%s\n%s", when, d, &told)
				}
			}
			same("at once")
			if err := s.Sweep(ctx); err != nil {
				t.Fatal(err)
			}
			same("swept")
			closeStore(t, s)
			damageBoth(t, after, bothGone)
			if err := rebuild(ctx, after, "logs", RecoverOptions{Write: true}, &told); err != nil {
				t.Fatalf("%v\n%s", err, &told)
			}
			s, _ = open(t, after, o)
			same("lost and made again")
			merged(t, s)
			same("merged")
			purge(s, "web")
			purge(s, "pay")
			want = nil
			same("purged")
			merged(t, s)
			closeStore(t, s)
			s, _ = open(t, after, o)
			same("purged, merged and started again")
			closeStore(t, s)
		})
	}
}

// TestRecoverLives loses the manifest again and again in random lives with failures,
// kills and power cuts: what shows is what an ordinary start would have shown.
func TestRecoverLives(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 1))
		var noRemove, noManifest float64
		mem := vfs.NewMem()
		fs := &vfs.Faulty{FS: mem, Fail: func(op vfs.Op, name string) error {
			if op == vfs.OpRemove && strings.HasSuffix(name, ".wal") && r.Float64() < noRemove ||
				(op == vfs.OpWrite || op == vfs.OpSync) && strings.Contains(name, manifestPrefix) && r.Float64() < noManifest {
				return errors.New("no")
			}
			return nil
		}}
		now := noon
		o := Options{idle: true, LogBytesMax: []int64{1, 500, 0}[r.IntN(3)], Clock: func() time.Time { return now }, Retention: func(id tenant.ID) time.Duration {
			return map[tenant.ID]time.Duration{"shop": 40 * time.Hour, "billing": 900 * time.Hour}[id]
		}}
		namespaces := []string{"web", "cart", "pay", "led"}
		s, _ := open(t, fs, o)
		for n := range 40 {
			// What fails is tried again later: flushes, merges and sweeps may.
			switch k := r.IntN(14); {
			case k < 5:
				var b logging.Batch
				for i := range 1 + r.IntN(4) {
					b.Records = append(b.Records, rec(namespaces[r.IntN(4)], now.Add(-time.Duration(r.IntN(50))*time.Hour), fmt.Sprint(n, ".", i)))
				}
				appendTo(t, s, b)
			case k < 8:
				noRemove, noManifest = []float64{0, 0, 0.5}[r.IntN(3)], []float64{0, 0, 0, 0.3}[r.IntN(4)]
				_ = s.Flush(ctx)
			case k < 9:
				_ = s.Merge(ctx)
			case k < 11:
				ns := namespaces[r.IntN(4)]
				if err := s.Purge(ctx, owners.Of["eu/"+ns], "eu", ns, time.Time{}, time.Time{}); err != nil {
					t.Fatal(err)
				}
			case k < 12:
				now = now.Add(time.Duration(r.IntN(10)) * time.Hour)
				_ = s.Sweep(ctx)
			default:
				noRemove, noManifest = 0, 0
				after := mem.Kill()
				if r.IntN(2) == 0 {
					after = mem.Crash(r)
				}
				closeStore(t, s)
				mem, fs.FS = after, after
				ordinary, _ := open(t, after.Kill(), o)
				want := messages(t, ordinary, scopetest.Operator())
				closeStore(t, ordinary)
				var told strings.Builder
				names, _ := mem.List("logs")
				for _, name := range names {
					if _, ok := manifestNumber(name); ok {
						_ = mem.Remove("logs/" + name)
					}
				}
				if err := rebuild(ctx, mem, "logs", RecoverOptions{Write: true}, &told); err != nil {
					t.Fatalf("seed %d, step %d: %v\n%s", seed, n, err, &told)
				}
				s, _ = open(t, fs, o)
				if d := cmp.Diff(want, messages(t, s, scopetest.Operator())); d != "" {
					t.Fatalf("seed %d, step %d (-want +got):\n%s\n%s", seed, n, d, &told)
				}
			}
		}
		noRemove, noManifest = 0, 0
		closeStore(t, s)
	}
}

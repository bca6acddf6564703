package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// life is what TestCrashedLife does: appends with keys and ids, flushes, merges,
// a purge and a sweep past a retention.
type life struct {
	s     *Store
	now   *time.Time
	acked map[string]bool // keys
	sent  map[string]logging.Batch
	base  int  // of the numbers of batches
	upTo  int  // batches up to that one are purged
	short bool // nothing expires, no key is forgotten
}

func (l *life) batch(i int) logging.Batch {
	b := logging.Batch{Key: fmt.Sprint("k", i)}
	for j := range 1 + i%3 {
		r := rec([]string{"web", "pay", "cart"}[(i+j)%3], *l.now, fmt.Sprintf("%d.%d", i, j))
		if (i+j)%2 == 0 {
			r.ID = fmt.Sprintf("id%d.%d", i, j)
		}
		b.Records = append(b.Records, r)
	}
	return b
}

func (l *life) run() {
	ctx := context.Background()
	for i := range 24 {
		b := l.batch(l.base + i)
		l.sent[b.Key] = b
		if _, err := l.s.Append(ctx, writer, b); err == nil {
			l.acked[b.Key] = true
		}
		switch i % 6 {
		case 2:
			l.s.gather()
		case 3:
			_ = l.s.Flush(ctx)
		}
		switch i {
		case 10:
			_ = l.s.Merge(ctx)
		case 13:
			// Everything of cart up to here.
			if l.s.Purge(ctx, "shop", "eu", "cart", time.Time{}, time.Time{}) == nil {
				l.upTo = l.base + i
			}
		case 17:
			if l.short {
				continue
			}
			*l.now = noon.Add(50 * time.Hour) // web and cart are past their retention, pay is not
			_ = l.s.Sweep(ctx)
		case 21:
			_ = l.s.Merge(ctx)
			_ = l.s.mergeKeys()
		}
	}
}

// TestKilledThenCrashed kills the process after any operation on the file system,
// starts it again, which reads what was never synced, sends everything again, and
// cuts the power: what was answered is there, be it as a duplicate.
func TestKilledThenCrashed(t *testing.T) {
	done := false
	for after := int64(0); !done; after++ {
		now := noon
		mem := vfs.NewMem()
		var n atomic.Int64
		fs := &vfs.Faulty{FS: mem, Fail: func(vfs.Op, string) error {
			if n.Add(1) > after {
				return errCrashed
			}
			return nil
		}}
		o := Options{FS: fs, LogBytesMax: 1500, Clock: func() time.Time { return now }, idle: true}
		l := &life{now: &now, short: true, acked: map[string]bool{}, sent: map[string]logging.Batch{}}
		s, err := Open("logs", o)
		if err == nil {
			l.s = s
			l.run()
			_ = s.Close()
		}
		done = n.Load() <= after
		mem = mem.Kill()
		o.FS = mem
		where := fmt.Sprintf("killed after %d operations", after)
		if s, err = Open("logs", o); err != nil {
			t.Fatalf("%s: %v", where, err)
		}
		answered := map[string]bool{}
		for _, b := range l.sent {
			for i, r := range appendTo(t, s, b) {
				answered[b.Records[i].Message] = r.Status == logging.Stored || r.Status == logging.Duplicate
			}
		}
		o.FS = mem.Crash(nil)
		if s, err = Open("logs", o); err != nil {
			t.Fatalf("%s, and then without power: %v", where, err)
		}
		there := map[string]int{}
		for _, m := range messages(t, s, scopetest.Operator()) {
			there[m]++
		}
		for m, ok := range answered {
			if purged := there[m] == 0 && l.mayBePurged(m); ok && there[m] != 1 && !purged {
				t.Fatalf("%s, and then without power: %s was answered, and is there %d times", where, m, there[m])
			}
		}
		closeStore(t, s)
	}
}

// mayBePurged reports whether a message was of the namespace that is purged.
func (l *life) mayBePurged(message string) bool {
	number, _, _ := strings.Cut(message, ".")
	return slices.ContainsFunc(l.sent["k"+number].Records, func(r logging.Record) bool {
		return r.Message == message && r.Namespace == "cart"
	})
}

// TestCrashedLife cuts the power after any operation on the file system, and
// wants what was acknowledged and neither purged nor expired, once.
func TestCrashedLife(t *testing.T) {
	retention := func(id tenant.ID) time.Duration {
		return map[tenant.ID]time.Duration{"shop": 48 * time.Hour, "billing": 96 * time.Hour}[id]
	}
	ops := int64(0)
	done := false
	for after := int64(0); !done; after++ {
		for seed := range uint64(2) {
			now := noon
			mem := vfs.NewMem()
			var n atomic.Int64
			fs := &vfs.Faulty{FS: mem, Fail: func(vfs.Op, string) error {
				if n.Add(1) > after {
					return errCrashed
				}
				return nil
			}}
			o := Options{FS: fs, LogBytesMax: 1500, Retention: retention, Clock: func() time.Time { return now }, idle: true}
			l := &life{now: &now, upTo: -1, acked: map[string]bool{}, sent: map[string]logging.Batch{}}
			s, err := Open("logs", o)
			if err == nil {
				l.s = s
				l.run()
				_ = s.Close()
			}
			ops = n.Load()
			done = ops <= after
			var rnd *rand.Rand
			if seed > 0 {
				rnd = rand.New(rand.NewPCG(seed, uint64(after)))
			}
			where := fmt.Sprintf("crash after %d operations of %d, seed %d", after, ops, seed)
			o.FS = mem.Crash(rnd)
			if s, err = Open("logs", o); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			l.check(t, s, where, retention)
			// It goes on from there, over another restart.
			closeStore(t, s)
			if s, err = Open("logs", o); err != nil {
				t.Fatalf("%s: %v", where, err)
			}
			l.s, l.base = s, 100
			l.run()
			l.check(t, s, where+", and then run again", retention)
			merged(t, s)
			l.check(t, s, where+", run again and merged", retention)
			closeStore(t, s)
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("%d operations", ops)
}

func (l *life) check(t *testing.T, s *Store, where string, retention func(tenant.ID) time.Duration) {
	t.Helper()
	found := map[string]int{}
	for _, m := range messages(t, s, scopetest.Operator()) {
		found[m]++
	}
	for key, b := range l.sent {
		whole, any := true, false
		for _, r := range b.Records {
			n := found[r.Message]
			expired := r.Time.Before(l.now.Add(-retention(r.Tenant)))
			mayBePurged := l.mayBePurged(r.Message)
			if n > 1 {
				t.Errorf("%s: %s is there %d times", where, r.Message, n)
			}
			if expired && n > 0 {
				t.Errorf("%s: %s is past its retention and shows", where, r.Message)
			}
			if !expired && !mayBePurged {
				whole, any = whole && n == 1, any || n > 0
			}
		}
		visible := slices.ContainsFunc(b.Records, func(r logging.Record) bool {
			return r.Namespace != "cart" && !r.Time.Before(l.now.Add(-retention(r.Tenant)))
		})
		if visible && (l.acked[key] && !whole || any && !whole) {
			t.Errorf("%s: of %s (acknowledged: %v) not everything is there: %v", where, key, l.acked[key], found)
		}
	}
	for m := range found {
		number, _, _ := strings.Cut(m, ".")
		i, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range l.sent["k"+number].Records {
			if r.Message == m && r.Namespace == "cart" && i <= l.upTo {
				t.Errorf("%s: %s was purged", where, m)
			}
		}
	}
	names, err := s.fs.List("logs")
	if err != nil {
		t.Fatal(err)
	}
	st := s.manifest.state
	for _, name := range names {
		if n, ok := numbered(name); ok && st.segments[n] == nil {
			if _, ok := st.keys[n]; !ok {
				t.Errorf("%s: %s is in no manifest", where, name)
			}
		}
	}
}

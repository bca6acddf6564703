package tenant_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// fixed is a Directory of tenants that come and go at will.
type fixed struct {
	mu sync.Mutex
	m  map[tenant.ID]tenant.Tenant
}

func (f *fixed) put(id tenant.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m == nil {
		f.m = map[tenant.ID]tenant.Tenant{}
	}
	f.m[id] = tenant.Tenant{ID: id, Since: time.Now()}
}

func (f *fixed) drop(id tenant.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.m, id)
}

func (f *fixed) Lookup(id tenant.ID) (tenant.Tenant, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.m[id]
	return t, ok
}

func (f *fixed) All() iter.Seq[tenant.Tenant] {
	return func(yield func(tenant.Tenant) bool) {
		f.mu.Lock()
		var all []tenant.Tenant
		for _, t := range f.m {
			all = append(all, t)
		}
		f.mu.Unlock()
		slices.SortFunc(all, func(a, b tenant.Tenant) int { return cmpID(a.ID, b.ID) })
		for _, t := range all {
			if !yield(t) {
				return
			}
		}
	}
}

func cmpID(a, b tenant.ID) int {
	if a < b {
		return -1
	}
	return 1
}

func (f *fixed) Owner(string, string, time.Time) (tenant.ID, bool) { return "", false }
func (f *fixed) Sealed(tenant.ID) []tenant.Life                    { return nil }

// outside is a Reconciler over something that takes time and may fail.
type outside struct {
	name string
	dir  *fixed
	took time.Duration

	mu       sync.Mutex
	fails    int // this many times yet
	runs     []time.Time
	ids      []tenant.ID
	has      map[tenant.ID]bool
	active   map[tenant.ID]int
	parallel int // the most tenants at once
	overlap  bool
	panics   bool
}

func (o *outside) Name() string { return o.name }

func (o *outside) Reconcile(ctx context.Context, id tenant.ID) error {
	o.mu.Lock()
	if o.has == nil {
		o.has, o.active = map[tenant.ID]bool{}, map[tenant.ID]int{}
	}
	o.runs, o.ids = append(o.runs, time.Now()), append(o.ids, id)
	o.active[id]++
	o.overlap = o.overlap || o.active[id] > 1
	o.parallel = max(o.parallel, len(o.active))
	o.mu.Unlock()
	select {
	case <-time.After(o.took):
	case <-ctx.Done():
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.active[id]--; o.active[id] == 0 {
		delete(o.active, id)
	}
	if o.panics {
		panic("broken")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.fails > 0 {
		o.fails--
		return errors.New("not now")
	}
	if _, ok := o.dir.Lookup(id); ok {
		o.has[id] = true
	} else {
		delete(o.has, id)
	}
	return nil
}

func (o *outside) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.runs)
}

func start(t *testing.T, o tenant.LoopOptions) (*tenant.Loop, context.CancelFunc) {
	l := tenant.NewLoop(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	synctest.Wait() // it has looked at the directory
	return l, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestLoopDeduplicatesAndNeverOverlaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		o := &outside{name: "a", dir: dir, took: time.Second}
		l, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{o}, Workers: 3})
		for i := range 5 {
			id := tenant.ID(fmt.Sprintf("t%d", i))
			dir.put(id)
			l.Add(id)
		}
		synctest.Wait()
		for range 100 {
			l.Add("t4") // while it waits: no more
			l.Add("t0") // while it runs: once more, afterwards
		}
		time.Sleep(20 * time.Second)
		if o.count() != 6 || o.overlap || o.parallel != 3 {
			t.Errorf("%d runs, overlap %v, %d at once; want 6, false, 3", o.count(), o.overlap, o.parallel)
		}
		stop()
	})
}

func TestLoopRetriesEachReconcilerAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		good, bad := &outside{name: "good", dir: dir}, &outside{name: "bad", dir: dir, fails: 6}
		var told []string
		l, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{bad, good}, Resync: time.Hour,
			OnStage: func(id tenant.ID, stage string, took time.Duration, err error) {
				if err == nil {
					told = append(told, stage)
				}
			}})
		dir.put("a")
		l.Add("a")
		time.Sleep(time.Second / 10)
		if done, missing := l.Stages("a"); len(done) != 1 || !slices.Equal(missing, []string{"bad"}) {
			t.Errorf("stages: %v, missing %v", done, missing)
		}
		time.Sleep(5 * time.Minute)
		if good.count() != 1 || bad.count() != 7 {
			t.Errorf("%d and %d runs, want 1 and 7", good.count(), bad.count())
		}
		for i := 2; i < len(bad.runs); i++ {
			gap, most := bad.runs[i].Sub(bad.runs[i-1]), 500*time.Millisecond<<(i-1)
			if gap < most/2 || gap > most {
				t.Errorf("wait %d: %s, want %s to %s", i, gap, most/2, most)
			}
		}
		if _, missing := l.Stages("a"); len(missing) != 0 || !slices.Equal(told, []string{"good", "bad"}) {
			t.Errorf("missing %v, told %v", missing, told)
		}
		stop()
	})
}

func TestLoopResyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		dir.put("a")
		dir.put("b")
		o := &outside{name: "x", dir: dir}
		_, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{o}})
		time.Sleep(time.Minute)
		if o.count() != 2 {
			t.Errorf("%d runs at the start, want 2", o.count())
		}
		time.Sleep(10 * time.Minute)
		if o.count() != 4 {
			t.Errorf("%d runs after a resync, want 4", o.count())
		}
		stop()
	})
}

func TestLoopForgetsWhoIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		o := &outside{name: "x", dir: dir}
		l, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{o}})
		dir.put("a")
		l.Add("a")
		synctest.Wait()
		l.Mark("a", "logs")
		if done, missing := l.Stages("a"); len(done) != 2 || len(missing) != 0 {
			t.Errorf("stages: %v, missing %v", done, missing)
		}
		o.mu.Lock()
		o.fails = 2
		o.mu.Unlock()
		dir.drop("a")
		l.Add("a")
		time.Sleep(10 * time.Second)
		if o.has["a"] || o.count() != 4 {
			t.Errorf("there: %v after %d runs, want false after 4", o.has["a"], o.count())
		}
		if done, missing := l.Stages("a"); len(done) != 0 || len(missing) != 1 {
			t.Errorf("stages of one that is gone: %v, missing %v", done, missing)
		}
		l.Mark("a", "logs")
		time.Sleep(time.Hour)
		if o.count() != 4 {
			t.Errorf("%d runs: a tenant that is gone is not forgotten", o.count())
		}
		// It comes again: measured from then.
		dir.put("a")
		time.Sleep(3 * time.Second)
		l.Add("a")
		synctest.Wait()
		if done, _ := l.Stages("a"); done["x"] != 3 {
			t.Errorf("stages: %v, want 3 s since it came", done)
		}
		stop()
	})
}

func TestLoopMeasuresFromTheOnboarding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		dir.put("old")
		time.Sleep(time.Hour)
		o := &outside{name: "x", dir: dir, took: 2 * time.Second}
		took := map[string]time.Duration{}
		l, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{o},
			OnStage: func(id tenant.ID, stage string, d time.Duration, err error) { took[string(id)+"/"+stage] = d }})
		time.Sleep(time.Second)
		dir.put("new")
		time.Sleep(time.Second)
		l.Add("new")
		l.Mark("new", "logs")
		time.Sleep(time.Minute)
		l.Mark("new", "logs")
		l.Mark("nobody", "logs")
		want := map[string]time.Duration{"old/x": 2 * time.Second, "new/x": 3 * time.Second, "new/logs": time.Second}
		for k, d := range want {
			if took[k] != d {
				t.Errorf("%s took %s, want %s", k, took[k], d)
			}
		}
		if len(took) != len(want) {
			t.Errorf("told: %v", took)
		}
		stop()
	})
}

// TestLoopNewFirst: a team that comes during a resync, or while many others have
// changed, waits for neither.
func TestLoopNewFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		for i := range 1000 {
			dir.put(tenant.ID(fmt.Sprintf("t%d", i)))
		}
		o := &outside{name: "x", dir: dir, took: time.Second}
		l, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{o}, Workers: 4, Resync: time.Hour})
		time.Sleep(10*time.Second + time.Millisecond)
		if o.count() != 22 {
			t.Errorf("%d runs in 10 s, want those of 2 of 4 workers", o.count())
		}
		dir.put("new")
		l.Add("new")
		l.Add("t999") // waits in another lane already: runs once
		time.Sleep(1100 * time.Millisecond)
		if _, missing := l.Stages("new"); len(missing) != 0 {
			t.Error("the new team waits for the resync")
		}
		time.Sleep(9 * time.Minute)
		if o.count() != 1001 {
			t.Errorf("%d runs, want 1001", o.count())
		}
		for i := range 1000 {
			l.Add(tenant.ID(fmt.Sprintf("t%d", i)))
		}
		time.Sleep(10*time.Second + time.Millisecond)
		dir.put("newer")
		l.Add("newer")
		time.Sleep(2 * time.Second)
		if _, missing := l.Stages("newer"); len(missing) != 0 {
			t.Error("the newer team waits for those that changed")
		}
		stop()
	})
}

// TestLoopGoneAmongNew: who is gone is removed while ever more teams come, also
// where the first try fails.
func TestLoopGoneAmongNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		dir.put("old")
		o := &outside{name: "x", dir: dir, took: time.Second}
		l, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{o}, Workers: 4, Resync: time.Hour})
		time.Sleep(2 * time.Second)
		for i := range 1000 {
			id := tenant.ID(fmt.Sprintf("n%d", i))
			dir.put(id)
			l.Add(id)
		}
		dir.drop("old")
		o.mu.Lock()
		o.fails = 5 // of the new ones under way, and of the removal
		o.mu.Unlock()
		l.Add("old")
		time.Sleep(20 * time.Second)
		stop()
		if o.has["old"] {
			t.Error("who is gone waits for those who come")
		}
	})
}

func TestLoopOutlivesABrokenReconciler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		hangs := &outside{name: "hangs", dir: dir, took: time.Hour}
		panics := &outside{name: "panics", dir: dir, panics: true}
		good := &outside{name: "good", dir: dir}
		l, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{hangs, panics, good}, Timeout: 5 * time.Second})
		dir.put("a")
		l.Add("a")
		time.Sleep(6 * time.Second)
		if _, missing := l.Stages("a"); !slices.Equal(missing, []string{"hangs", "panics"}) {
			t.Errorf("missing %v", missing)
		}
		stop() // while it hangs
	})
}

type told string

func (e told) Error() string { return "inside: " + string(e) }
func (e told) Told() string  { return string(e) }

type refusing struct{ err error }

func (r *refusing) Name() string                               { return "x" }
func (r *refusing) Reconcile(context.Context, tenant.ID) error { return r.err }

// TestLoopTellsWhy: what is meant for the tenant's people stands beside the stage,
// what is not does not.
func TestLoopTellsWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := &fixed{}
		dir.put("shop")
		r := &refusing{fmt.Errorf("apply: %w", errors.Join(told("rename yours")))}
		l, stop := start(t, tenant.LoopOptions{Directory: dir, Reconcilers: []tenant.Reconciler{r}})
		defer stop()
		for _, c := range []struct {
			err  error
			want string
		}{{r.err, "x (rename yours)"}, {errors.New("password wrong"), "x"}} {
			r.err = c.err
			l.Add("shop")
			synctest.Wait()
			if _, missing := l.Stages("shop"); !slices.Equal(missing, []string{c.want}) {
				t.Errorf("missing %q, want %q", missing, c.want)
			}
		}
	})
}

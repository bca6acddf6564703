package tenant

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/oriel-project/oriel/internal/clock"
)

// How long a tenant's reconciler rests after an error, doubled up to the most.
const (
	backoffMin = 500 * time.Millisecond
	backoffMax = 5 * time.Minute
)

// LoopOptions of a Loop. Directory is required; zero of the others means the
// default named beside it.
type LoopOptions struct {
	Directory   Directory
	Reconcilers []Reconciler  // run in this order for one tenant; their names differ
	Resync      time.Duration // every tenant again this often: 10 minutes
	Workers     int           // tenants at once: 8
	Timeout     time.Duration // of one reconciler's run: 1 minute
	Clock       clock.Clock
	// OnStage is told when a stage is done for the first time since the tenant
	// was onboarded (took is the time since then), and of each run that failed
	// (took is the run's). It must not block.
	OnStage func(id ID, stage string, took time.Duration, err error)
}

// Loop brings every outside system in line with the Directory, tenant by
// tenant. It is told IDs, never events: many changes of a tenant in a row are
// one run. A tenant has at most one run at a time, and one that is gone is
// reconciled until that succeeds, then forgotten. Safe for concurrent use.
type Loop struct {
	o     LoopOptions
	began time.Time

	mu    sync.Mutex // guards what follows
	wake  *sync.Cond
	items map[ID]*item
	// Who is new goes before what changed, and that before what is only looked
	// after, so that a team that comes while 2,000 others are looked after does not
	// wait for them.
	waiting [lanes][]ID
	busy    [lanes]int // runs under way, by the lane they came from
	ended   bool
}

type lane uint8

const (
	laneNone lane = iota
	laneIdle
	laneUrgent
	laneNew
	lanes
)

type item struct {
	lane    lane // where it waits
	running bool
	need    []bool        // by reconciler
	fails   []int         // in a row
	retry   []*time.Timer // nil where none is due

	seen     bool      // the Directory was asked, and said:
	exists   bool      //
	since    time.Time // Tenant.Since: another one is another onboarding
	start    time.Time // where stages are measured from
	finished map[string]float64
	told     map[string]string // by stage: why it is not done, in words for the tenant's people
}

// NewLoop makes a loop that does nothing until Run. Add works before.
func NewLoop(o LoopOptions) *Loop {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&o.Resync, 10*time.Minute)
	def(&o.Timeout, time.Minute)
	if o.Workers <= 0 {
		o.Workers = 8
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.OnStage == nil {
		o.OnStage = func(ID, string, time.Duration, error) {}
	}
	l := &Loop{o: o, began: o.Clock(), items: map[ID]*item{}}
	l.wake = sync.NewCond(&l.mu)
	return l
}

// Add asks for a run over every reconciler, soon. It never blocks.
func (l *Loop) Add(id ID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	to := laneNew
	if it := l.items[id]; it != nil && it.seen && len(l.missing(it)) == 0 {
		to = laneUrgent
	}
	l.add(id, to)
}

// add wants l.mu held.
func (l *Loop) add(id ID, to lane) *item {
	it := l.items[id]
	if it == nil {
		n := len(l.o.Reconcilers)
		it = &item{need: make([]bool, n), fails: make([]int, n), retry: make([]*time.Timer, n), start: l.o.Clock(), finished: map[string]float64{}, told: map[string]string{}}
		l.items[id] = it
	}
	for i := range it.need {
		if to == laneIdle && it.retry[i] != nil {
			continue // it failed, and its time comes
		}
		l.want(it, i)
	}
	l.enqueue(id, it, to)
	return it
}

func (l *Loop) want(it *item, i int) {
	it.need[i] = true
	if it.retry[i] != nil {
		it.retry[i].Stop()
		it.retry[i] = nil
	}
}

func (l *Loop) enqueue(id ID, it *item, to lane) {
	if l.ended || it.running || it.lane >= to {
		return // a running one looks for new wants when it is through
	}
	it.lane = to
	l.waiting[to] = append(l.waiting[to], id) // what waits in another lane is skipped there
	l.wake.Signal()
}

// Run works until ctx ends, then waits for the runs under way, which see their
// context end. It may be called once.
func (l *Loop) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = true
		for _, it := range l.items {
			for i := range it.retry {
				if it.retry[i] != nil {
					it.retry[i].Stop()
				}
			}
		}
		l.wake.Broadcast()
	})
	defer stop()
	var wg sync.WaitGroup
	for range l.o.Workers {
		wg.Go(func() {
			for {
				id, it, from, ok := l.next()
				if !ok {
					return
				}
				l.run(ctx, id, it)
				l.mu.Lock()
				l.busy[from]--
				l.wake.Signal()
				l.mu.Unlock()
			}
		})
	}
	tick := time.NewTicker(l.o.Resync)
	defer tick.Stop()
	for {
		for t := range l.o.Directory.All() {
			l.mu.Lock()
			l.add(t.ID, laneIdle)
			l.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			wg.Wait()
			return nil
		case <-tick.C:
		}
	}
}

// next waits for a tenant that wants a run and marks it as running. Half of the
// workers are never with those that are only looked after, and one is not with new
// ones while others that changed wait, such as those that are gone.
func (l *Loop) next() (ID, *item, lane, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.ended {
			return "", nil, laneNone, false
		}
		from := lanes - 1
		if l.busy[laneNew] >= max(1, l.o.Workers-1) && len(l.waiting[laneUrgent]) > 0 {
			from = laneUrgent
		}
		for from > laneNone && (len(l.waiting[from]) == 0 || from == laneIdle && l.busy[laneIdle] >= (l.o.Workers+1)/2) {
			from--
		}
		if from == laneNone {
			l.wake.Wait()
			continue
		}
		id := l.waiting[from][0]
		l.waiting[from] = l.waiting[from][1:]
		if it := l.items[id]; it != nil && it.lane == from && !it.running {
			it.lane, it.running = laneNone, true
			l.busy[from]++
			return id, it, from, true
		}
	}
}

func (l *Loop) run(ctx context.Context, id ID, it *item) {
	for i, rec := range l.o.Reconcilers {
		t, exists := l.o.Directory.Lookup(id)
		l.mu.Lock()
		l.see(it, t, exists)
		need := it.need[i]
		it.need[i] = false
		l.mu.Unlock()
		if !need {
			continue
		}
		began := l.o.Clock()
		err := reconcile(ctx, rec, id, l.o.Timeout)
		if ctx.Err() != nil {
			break
		}
		l.through(id, it, i, t, exists, began, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	it.running = false
	if slices.Contains(it.need, true) {
		l.enqueue(id, it, laneUrgent)
		return
	}
	waits := slices.ContainsFunc(it.retry, func(t *time.Timer) bool { return t != nil })
	if it.seen && !it.exists && !waits {
		delete(l.items, id)
	}
}

// reconcile runs one reconciler. A panic in it is that tenant's error, not
// every tenant's end.
func reconcile(ctx context.Context, r Reconciler, id ID, timeout time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reconciler %s panicked over tenant %s: %v", r.Name(), id, p)
		}
	}()
	return r.Reconcile(ctx, id)
}

// see takes what the Directory says. Where that is another tenant's life than
// the one seen before, every reconciler has to look, and stages begin anew.
func (l *Loop) see(it *item, t Tenant, exists bool) {
	if it.seen && it.exists == exists && it.since.Equal(t.Since) {
		return
	}
	if it.seen {
		for i := range it.need {
			l.want(it, i)
		}
		it.start = l.o.Clock()
	}
	it.seen, it.exists, it.since = true, exists, t.Since
	if exists && t.Since.After(l.began) {
		it.start = t.Since
	}
	clear(it.finished)
}

// through records the end of a run.
func (l *Loop) through(id ID, it *item, i int, t Tenant, exists bool, began time.Time, err error) {
	stage := l.o.Reconcilers[i].Name()
	if err != nil {
		l.o.OnStage(id, stage, l.o.Clock().Sub(began), err)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(it.told, stage)
		if t, ok := errors.AsType[interface {
			error
			Told() string
		}](err); ok {
			it.told[stage] = t.Told()
		}
		if l.ended || it.need[i] {
			return // asked for again meanwhile: no need to wait
		}
		d := l.backoff(it.fails[i])
		it.fails[i]++
		var timer *time.Timer
		timer = time.AfterFunc(d, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if it.retry[i] == timer {
				l.want(it, i)
				to := laneIdle
				if it.seen && !it.exists {
					to = laneUrgent // what is left of who is gone waits for nobody's round
				}
				l.enqueue(id, it, to)
			}
		})
		it.retry[i] = timer
		return
	}
	l.mu.Lock()
	it.fails[i] = 0
	delete(it.told, stage)
	took, first := time.Duration(0), false
	if exists && it.exists && it.since.Equal(t.Since) {
		took, first = l.finish(it, stage)
	}
	l.mu.Unlock()
	if first {
		l.o.OnStage(id, stage, took, nil)
	}
}

func (l *Loop) backoff(fails int) time.Duration {
	d := min(backoffMin<<min(fails, 30), backoffMax)
	return d/2 + rand.N(d/2+1)
}

// finish wants l.mu held.
func (l *Loop) finish(it *item, stage string) (took time.Duration, first bool) {
	if _, done := it.finished[stage]; done {
		return 0, false
	}
	took = max(0, l.o.Clock().Sub(it.start))
	it.finished[stage] = took.Seconds()
	return took, true
}

// Mark records a stage that something else than a reconciler found done, such
// as the first sample or the first record. Only the first mark since the
// onboarding counts, and it does not hold "ready" back: a team may have nothing
// running. It is cheap, and does nothing for a tenant that does not exist.
func (l *Loop) Mark(id ID, stage string) {
	l.mu.Lock()
	it := l.items[id]
	if it != nil && it.seen {
		_, done := it.finished[stage]
		if done || !it.exists {
			l.mu.Unlock()
			return
		}
	}
	l.mu.Unlock()

	t, exists := l.o.Directory.Lookup(id)
	if !exists {
		return
	}
	l.mu.Lock()
	if it = l.items[id]; it == nil {
		it = l.add(id, laneNew)
	}
	l.see(it, t, exists)
	took, first := l.finish(it, stage)
	l.mu.Unlock()
	if first {
		l.o.OnStage(id, stage, took, nil)
	}
}

// Stages gives how many seconds after the onboarding each finished stage was
// done (after the start of the process for a tenant that is older), and the
// reconcilers that have not succeeded yet, in their order, with the reason in
// brackets where the error says one for the tenant's people by a method Told.
func (l *Loop) Stages(id ID) (done map[string]float64, missing []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	done = map[string]float64{}
	if it := l.items[id]; it != nil {
		maps.Copy(done, it.finished)
	}
	missing = l.missing(&item{finished: done})
	if it := l.items[id]; it != nil {
		for i, stage := range missing {
			if why := it.told[stage]; why != "" {
				missing[i] += " (" + why + ")"
			}
		}
	}
	return done, missing
}

// missing gives the reconcilers that have not succeeded yet, in their order.
func (l *Loop) missing(it *item) (names []string) {
	for _, r := range l.o.Reconcilers {
		if _, ok := it.finished[r.Name()]; !ok {
			names = append(names, r.Name())
		}
	}
	return names
}

// Package sim runs random lives of a log store, on a disk that fills up, fails,
// and loses what was not synced, and compares every answer with what was
// acknowledged. A life is made from a seed; one that fails prints the seed and
// the shortest part of it that still fails.
//
//	go test ./test/sim -sim.seed 17
//	go test ./test/sim -sim.lives 5000
package sim

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	seedFlag  = flag.Uint64("sim.seed", 0, "live this one life")
	livesFlag = flag.Int("sim.lives", 40, "lives")
	stepsFlag = flag.Int("sim.steps", 60, "steps of a life")
)

func TestLives(t *testing.T) {
	if *seedFlag != 0 {
		live(t, *seedFlag)
		return
	}
	var group errgroup.Group // lives wait for disks more than they compute
	group.SetLimit(4)
	var failed atomic.Bool
	for seed := range uint64(*livesFlag) {
		if failed.Load() {
			break
		}
		group.Go(func() error {
			if !live(t, seed+1) {
				failed.Store(true)
			}
			return nil
		})
	}
	_ = group.Wait() // live reports
}

func live(t *testing.T, seed uint64) bool {
	steps := plan(seed)
	err := run(steps)
	if err == nil {
		return true
	}
	// What runs beside a step, flushing and merging, is not under the seed: a
	// shorter life counts as failing where it fails once in a few times.
	fails := func(s []step) bool {
		for range 3 {
			if run(s) != nil {
				return true
			}
		}
		return false
	}
	short := shrink(steps, fails)
	if again := run(short); again != nil {
		err = again
	}
	var lines []string
	for _, s := range short {
		lines = append(lines, "\t"+s.String())
	}
	t.Errorf("seed %d (run it alone with -sim.seed %d): %v\n%d of %d steps:\n%s", seed, seed, err, len(short), len(steps), strings.Join(lines, "\n"))
	return false
}

// step is one thing that happens. Its randomness is its own, so that it stays
// the same where others are left out.
type step struct {
	kind kind
	seed uint64
}

type kind string

// The kinds of steps with how often they come.
var kinds = []struct {
	kind  kind
	often int
}{
	{"append", 30}, {"again", 4}, {"query", 20}, {"hold", 4}, {"held", 6}, {"get", 6}, {"purge", 3}, {"seal", 1},
	{"time", 6}, {"flush", 8}, {"merge", 4}, {"sweep", 3}, {"reopen", 3}, {"crash", 4}, {"kill", 4}, {"full", 2}, {"ill", 2}, {"room", 3}, {"check", 4},
	{"crowd", 3},
}

func (s step) String() string { return fmt.Sprintf("%s %d", s.kind, s.seed) }

func plan(seed uint64) []step {
	rnd := rand.New(rand.NewPCG(seed, 1))
	var all []kind
	for _, k := range kinds {
		all = append(all, slices.Repeat([]kind{k.kind}, k.often)...)
	}
	steps := make([]step, 1, *stepsFlag+1)
	steps[0] = step{"sizes", rnd.Uint64()}
	for range *stepsFlag {
		steps = append(steps, step{all[rnd.IntN(len(all))], rnd.Uint64()})
	}
	return steps
}

// run lives a life in a new world.
func run(steps []step) (err error) {
	w, err := newWorld()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	for i, s := range append(slices.Clip(steps), step{kind: "room"}, step{kind: "check"}, step{kind: "reopen"}, step{kind: "check"}) {
		if err := w.do(s, rand.New(rand.NewPCG(s.seed, 2))); err != nil {
			return fmt.Errorf("step %d, %s: %w", i, s, err)
		}
	}
	return nil
}

func (w *world) do(s step, rnd *rand.Rand) error {
	ctx := context.Background()
	switch s.kind {
	case "sizes":
		return w.resize(rnd)
	case "append":
		return w.append(w.batch(rnd))
	case "crowd":
		return w.crowd(rnd)
	case "again":
		if len(w.keyed) == 0 {
			return nil
		}
		k := w.keyed[rnd.IntN(len(w.keyed))]
		return w.append(k.tenant, k.batch)
	case "query", "hold":
		h, err := w.hold(rnd)
		if err != nil {
			return err
		}
		if s.kind == "hold" {
			w.views = append(w.views, h)
			return nil
		}
		defer h.view.Close()
		return w.query(h, logtest.Query(rnd))
	case "held":
		if len(w.views) == 0 {
			return nil
		}
		return w.query(w.views[rnd.IntN(len(w.views))], logtest.Query(rnd))
	case "get":
		return w.get(rnd)
	case "purge":
		return w.doPurge(rnd)
	case "seal":
		id := someone(rnd)
		w.lives[id] = []tenant.Life{{Cluster: "eu", Namespace: "web", From: w.now.Add(-10 * time.Hour), To: w.now.Add(-2 * time.Hour)}}
		return nil
	case "time":
		w.now = w.now.Add(time.Duration(rnd.Int64N(int64(12 * time.Hour))))
		w.clock.Store(w.now.UnixNano())
		return nil
	case "flush":
		return w.unlessIll(w.store.Flush(ctx))
	case "merge":
		return w.unlessIll(w.store.Merge(ctx))
	case "sweep":
		return w.unlessIll(w.store.Sweep(ctx))
	case "reopen":
		if err := w.settled(rnd); err != nil {
			return err
		}
		if err := w.unlessIll(w.close()); err != nil {
			return err
		}
		w.ill.Store(false) // a full disk stays full
		return w.open()
	case "crash", "kill":
		return w.crashDuring(rnd, s.kind == "kill")
	case "full":
		w.full.Store(true)
		return nil
	case "ill":
		w.ill.Store(true)
		return nil
	case "room":
		return w.heal()
	case "check":
		return w.check()
	}
	panic("unknown step " + s.kind)
}

// unlessIll lets errors of a disk pass that is full or fails.
func (w *world) unlessIll(err error) error {
	if w.full.Load() || w.ill.Load() {
		return nil
	}
	return err
}

// heal gives the disk room and health, and the store the second in which it tries
// again what failed.
func (w *world) heal() error {
	sick := w.full.Load() || w.ill.Load()
	w.full.Store(false)
	w.ill.Store(false)
	if !sick {
		return nil
	}
	return w.store.Flush(context.Background())
}

func someone(rnd *rand.Rand) tenant.ID {
	return []tenant.ID{"shop", "shop", "billing", "search"}[rnd.IntN(4)]
}

// batch makes some records of one tenant as they come from an edge.
func (w *world) batch(rnd *rand.Rand) (tenant.ID, logging.Batch) {
	id := someone(rnd)
	n := 1 + rnd.IntN(12)
	if rnd.IntN(8) == 0 {
		n = 200
	}
	b := logging.Batch{Records: logtest.Records(rnd, n)}
	if rnd.IntN(3) == 0 {
		b.Key = fmt.Sprintf("key-%d", rnd.Uint64())
	}
	late := time.Duration(rnd.IntN(3)*rnd.IntN(10)) * time.Hour
	for i := range b.Records {
		r := &b.Records[i]
		r.Tenant, r.Seq, r.ID = id, 0, ""
		r.Source = canonical(r.Source)
		r.Time = w.now.Add(r.Time.Sub(logtest.Noon()) % time.Hour).Add(-late)
		switch rnd.IntN(20) {
		case 0, 1:
			r.ID = fmt.Sprintf("given-%d", rnd.IntN(30))
		case 2:
			r.ID = logging.DerivedID(uint64(1 + rnd.IntN(2000))) // as if the store had made it
		}
	}
	return id, b
}

func (w *world) scope(rnd *rand.Rand) tenant.Read {
	o := scopetest.Owners{Lives: w.lives}
	switch rnd.IntN(5) {
	case 0:
		return scopetest.Operator()
	case 1:
		return scopetest.ReadSealed(o, "billing", "nobody")
	case 2:
		return scopetest.ReadSealed(o, "shop", "billing", "search")
	}
	return scopetest.ReadSealed(o, "shop")
}

func (w *world) hold(rnd *rand.Rand) (heldView, error) {
	h := heldView{scope: w.scope(rnd), model: slices.Clip(w.model), purge: slices.Clip(w.purge), now: w.now}
	var err error
	h.view, err = w.store.Snapshot(context.Background(), h.scope)
	return h, err
}

func (w *world) get(rnd *rand.Rand) error {
	h, err := w.hold(rnd)
	if err != nil {
		return err
	}
	defer h.view.Close()
	index, id := "logs-eu-web", "nothing"
	if len(w.model) > 0 {
		r := w.model[rnd.IntN(len(w.model))]
		index, id = r.Index, r.ID
	}
	var want []logging.Record
	for _, r := range w.visible(h.model, h.purge, h.scope, h.now) {
		if r.Index == index && r.ID == id {
			want = append(want, r)
		}
	}
	got, ok, err := h.view.Get(context.Background(), index, id)
	switch {
	case err != nil:
		return err
	case ok != (len(want) > 0):
		return fmt.Errorf("get %s/%s: found %t, want %d", index, id, ok, len(want))
	}
	got.Source = canonical(got.Source)
	if ok && !slices.ContainsFunc(want, func(r logging.Record) bool { return logtest.DiffRecord(r, got) == "" }) {
		return fmt.Errorf("get %s/%s: %s", index, id, logtest.DiffRecord(want[0], got))
	}
	return nil
}

func (w *world) doPurge(rnd *rand.Rand) error {
	id := someone(rnd)
	life := tenant.Life{Cluster: "eu", Namespace: "web", From: w.now.Add(-time.Duration(rnd.IntN(30)) * time.Hour)}
	if rnd.IntN(2) == 0 {
		life.To = w.now.Add(-time.Duration(rnd.IntN(5)) * time.Hour)
	}
	p := purged{tenant: id, life: life}
	for i := range w.model {
		p.upTo = max(p.upTo, w.model[i].Seq)
	}
	err := w.store.Purge(context.Background(), id, life.Cluster, life.Namespace, life.From, life.To)
	if err != nil {
		return w.unlessIll(err)
	}
	w.purge = append(w.purge, p)
	return nil
}

// settled has something committed where a failed write may have left bytes: they
// could be taken for a batch after the next start.
func (w *world) settled(rnd *rand.Rand) error {
	if !w.unsettled {
		return nil
	}
	if err := w.heal(); err != nil {
		return err
	}
	return w.append(w.batch(rnd))
}

// crashDuring does something and lets the machine lose power, or kills the
// process, in the middle of it or behind it. The disk may be full meanwhile, and
// stay so.
func (w *world) crashDuring(rnd *rand.Rand, kill bool) error {
	if rnd.IntN(2) == 0 {
		if err := w.heal(); err != nil {
			return err
		}
	}
	if err := w.settled(rnd); err != nil {
		return err
	}
	w.ill.Store(false)
	w.closeViews()
	w.crashSoon(rnd, kill)
	id, b := w.batch(rnd)
	b = withoutDerived(b)
	due := w.due(id, b)
	before := w.store
	_, err := before.Append(context.Background(), scopetest.Write(id), b)
	acked := err == nil && w.taken() == nil
	if rnd.IntN(2) == 0 {
		err = errors.Join(err, before.Flush(context.Background()))
	}
	if rnd.IntN(3) == 0 {
		err = errors.Join(err, before.Merge(context.Background()))
	}
	w.crashIn.Store(-1)
	if err := w.unlessIll(err); err != nil {
		return err
	}
	if err := w.unlessIll(before.Close()); err != nil {
		return err
	}
	image := w.taken()
	switch {
	case image != nil:
	case kill:
		image = w.disk
	default:
		image = w.disk.Crash(rnd)
	}
	w.disk, w.unsettled = image, false
	if err := w.open(); err != nil {
		return fmt.Errorf("open after a crash: %w", err)
	}
	stored := len(w.model)
	if err := w.settle(id, b); err != nil {
		return err
	}
	if acked && len(w.model) != stored+len(due) {
		return fmt.Errorf("an acknowledged batch of %d records is lost", len(due))
	}
	return w.check()
}

// crowd has several senders at once, while the store flushes: each batch with
// ids of its own, so that the answers do not depend on who comes first.
func (w *world) crowd(rnd *rand.Rand) error {
	type sent struct {
		id  tenant.ID
		b   logging.Batch
		got []logging.ItemResult
		err error
	}
	batches := make([]sent, 2+rnd.IntN(6))
	for i := range batches {
		s := &batches[i]
		s.id, s.b = w.batch(rnd)
		for j := range s.b.Records {
			s.b.Records[j].ID = ""
			if rnd.IntN(4) == 0 {
				s.b.Records[j].ID = fmt.Sprintf("crowd-%d", rnd.Uint64())
			}
		}
	}
	var group errgroup.Group
	if rnd.IntN(2) == 0 {
		group.Go(func() error { return w.unlessIll(w.store.Flush(context.Background())) })
	}
	for i := range batches {
		s := &batches[i]
		group.Go(func() error {
			s.got, s.err = w.store.Append(context.Background(), scopetest.Write(s.id), s.b)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	failed := false
	for i := range batches {
		s := &batches[i]
		if s.err != nil {
			if err := w.unavailable(s.err); err != nil {
				return err
			}
			failed = true
			continue
		}
		w.unsettled = false
		for j, r := range s.got {
			if r.Status != logging.Stored {
				return fmt.Errorf("crowd: record %d of batch %d has status %d", j, i, r.Status)
			}
			w.add(s.b.Records[j], r.Seq, r.ID)
		}
		w.remember(s.id, s.b)
	}
	w.unsettled = w.unsettled || failed
	slices.SortFunc(w.model, func(a, b stored) int { return cmp.Compare(a.Seq, b.Seq) })
	return w.check() // of a batch that failed nothing is there
}

// shrink looks for a shorter life that still fails.
func shrink(steps []step, fails func([]step) bool) []step {
	for size := len(steps) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(steps); {
			less := slices.Delete(slices.Clone(steps), at, at+size)
			if fails(less) {
				steps = less
			} else {
				at += size
			}
		}
	}
	return steps
}

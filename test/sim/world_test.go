package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
	"github.com/oriel-project/oriel/logging/store"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// tenants of the world, with how long their records are kept.
var retention = map[tenant.ID]time.Duration{"shop": 60 * time.Hour, "billing": 30 * time.Hour, "search": 0}

// world is a store on a disk that can fail and lose power, beside what must be in it.
type world struct {
	now   time.Time
	clock atomic.Int64 // now, for the store's own goroutines
	disk  *vfs.Mem
	store *store.Store
	full  atomic.Bool // the disk takes nothing more
	ill   atomic.Bool // the disk fails now and then, whatever it is asked to do
	turns atomic.Uint64
	sizes store.Options // of what the store keeps where
	// unsettled: what was not acknowledged may be in the log, behind its end, until
	// the next commit.
	unsettled bool
	// crashIn counts down the changes to the disk; at 0 the image is taken of what
	// is left when the machine loses power or the process is killed. Negative: not wanted.
	crashIn atomic.Int64

	imageMu sync.Mutex // guards what follows: the store's own goroutines change the disk, too
	crash   *rand.Rand
	killed  bool // the process ends alone, and the machine goes on
	image   *vfs.Mem

	model []stored // acknowledged, by seq
	purge []purged
	keyed []keyed
	lives map[tenant.ID][]tenant.Life // sealed
	views []heldView
}

// stored is an acknowledged record.
type stored struct{ logging.Record }

// purged is a purge: it hides what was there when it came.
type purged struct {
	tenant tenant.ID
	life   tenant.Life
	upTo   uint64
}

// keyed is a batch that may come again.
type keyed struct {
	tenant tenant.ID
	batch  logging.Batch
	at     time.Time
}

// heldView is a view that was opened some time ago, with what it saw.
type heldView struct {
	view  logging.View
	scope tenant.Read
	model []stored
	purge []purged
	now   time.Time
}

var (
	errDiskFull = fmt.Errorf("write: %w", syscall.ENOSPC)
	errDiskIll  = errors.New("the disk did not answer")
)

func newWorld() (*world, error) {
	w := &world{now: logtest.Noon(), disk: vfs.NewMem(), lives: map[tenant.ID][]tenant.Life{}}
	w.crashIn.Store(-1)
	return w, w.open()
}

// open starts the store on the disk as it is.
func (w *world) open() error {
	disk := w.disk
	fs := &vfs.Faulty{FS: disk, Fail: func(op vfs.Op, _ string) error {
		switch op {
		case vfs.OpOpen, vfs.OpRead, vfs.OpList:
			return nil
		}
		if w.crashIn.Add(-1) == 0 {
			w.take(disk)
		}
		if w.full.Load() && (op == vfs.OpWrite || op == vfs.OpCreate) {
			return errDiskFull
		}
		if w.ill.Load() && w.turns.Add(1)%3 == 0 {
			return errDiskIll
		}
		return nil
	}}
	w.clock.Store(w.now.UnixNano())
	o := w.sizes
	o.FS, o.Clock = fs, func() time.Time { return time.Unix(0, w.clock.Load()).UTC() }
	o.Retention = func(id tenant.ID) time.Duration { return retention[id] }
	var err error
	w.store, err = store.Open("logs", o)
	return err
}

// take takes the image.
func (w *world) take(disk *vfs.Mem) {
	w.imageMu.Lock()
	defer w.imageMu.Unlock()
	if w.killed {
		w.image = disk.Kill()
	} else {
		w.image = disk.Crash(w.crash)
	}
}

// taken gives the image; nil: it was not taken yet.
func (w *world) taken() *vfs.Mem {
	w.imageMu.Lock()
	defer w.imageMu.Unlock()
	return w.image
}

// crashSoon has the image taken at one of the next changes to the disk.
func (w *world) crashSoon(rnd *rand.Rand, kill bool) {
	w.imageMu.Lock()
	defer w.imageMu.Unlock()
	w.crash, w.killed, w.image = rand.New(rand.NewPCG(rnd.Uint64(), 3)), kill, nil
	w.crashIn.Store(int64(1 + rnd.IntN(40)))
}

// resize begins anew with a store that keeps little: many files of the log, small
// tables, few open files, small caches, or some of these.
func (w *world) resize(rnd *rand.Rand) error {
	if err := w.store.Close(); err != nil {
		return err
	}
	small := func(n int64) int64 {
		if rnd.IntN(2) == 0 {
			return 0
		}
		return n
	}
	w.sizes = store.Options{
		LogBytesMax: small(4 << 10), MemtableBytesMax: small(64 << 10), OpenFilesMax: int(small(1)),
		CacheBytesMax: small(1 << 10), ColumnsBytesMax: small(-1), SearchesMax: int(small(1)),
	}
	return w.open()
}

// unavailable lets pass what writers are told of a disk that is full or fails.
func (w *world) unavailable(err error) error {
	if errors.Is(err, logging.ErrUnavailable) {
		err = w.unlessIll(err)
	}
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return nil
}

func (w *world) close() error {
	w.closeViews()
	if w.store == nil {
		return nil // it could not be opened
	}
	return w.store.Close()
}

func (w *world) closeViews() {
	for _, h := range w.views {
		_ = h.view.Close()
	}
	w.views = nil
}

// visible gives what a scope sees of a model at a time.
func (w *world) visible(model []stored, purges []purged, scope tenant.Read, now time.Time) []logging.Record {
	var out []logging.Record
	for i := range model {
		r := &model[i].Record
		if scope.Includes(r.Tenant) && shows(purges, r, now) && !logging.Covered(scope.Sealed(r.Tenant), r) {
			out = append(out, *r)
		}
	}
	return out
}

// shows reports whether neither retention nor a purge hides a record.
func shows(purges []purged, r *logging.Record, now time.Time) bool {
	if keep := retention[r.Tenant]; keep > 0 && r.Time.Before(now.Add(-keep)) {
		return false
	}
	return !slices.ContainsFunc(purges, func(p purged) bool {
		return p.tenant == r.Tenant && r.Seq <= p.upTo && p.life.Cluster == r.Cluster && p.life.Namespace == r.Namespace && p.life.Covers(r.Time)
	})
}

// append hands a batch over and compares the answers with what they must be.
func (w *world) append(id tenant.ID, b logging.Batch) error {
	repeated := w.repeated(id, b)
	if w.full.Load() || w.ill.Load() {
		b = withoutDerived(b)
	}
	got, err := w.store.Append(context.Background(), scopetest.Write(id), b)
	if err != nil {
		if err := w.unavailable(err); err != nil {
			return err
		}
		w.unsettled = true
		return w.settle(id, b)
	}
	w.unsettled = false
	if len(got) != len(b.Records) {
		return fmt.Errorf("append: %d results for %d records", len(got), len(b.Records))
	}
	for i, r := range got {
		want := logging.Stored
		if repeated || b.Records[i].ID != "" && w.has(&b.Records[i]) {
			want = logging.Duplicate
		}
		if r.Status != want {
			return fmt.Errorf("append: record %d (id %q, key %q) has status %d, want %d", i, b.Records[i].ID, b.Key, r.Status, want)
		}
		if r.Status == logging.Stored {
			w.add(b.Records[i], r.Seq, r.ID)
		}
	}
	if !repeated {
		w.remember(id, b)
	}
	return nil
}

// withoutDerived gives a batch without given ids that look like derived ones:
// whether such a one is free depends on positions that only an answer tells.
func withoutDerived(b logging.Batch) logging.Batch {
	b.Records = slices.Clone(b.Records)
	for i := range b.Records {
		if _, ok := logging.ParseDerivedID(b.Records[i].ID); ok {
			b.Records[i].ID = ""
		}
	}
	return b
}

func (w *world) remember(id tenant.ID, b logging.Batch) {
	if b.Key != "" {
		w.keyed = append(w.keyed, keyed{id, b, w.now})
	}
}

func (w *world) add(r logging.Record, seq uint64, id string) {
	r.Seq, r.ID = seq, id
	w.model = append(w.model, stored{r})
}

// repeated reports whether the batch's key is remembered.
func (w *world) repeated(id tenant.ID, b logging.Batch) bool {
	return b.Key != "" && slices.ContainsFunc(w.keyed, func(k keyed) bool {
		return k.tenant == id && k.batch.Key == b.Key && w.now.Sub(k.at) < 24*time.Hour
	})
}

// due gives what a batch without ids like derived ones adds, of what shows.
func (w *world) due(id tenant.ID, b logging.Batch) []logging.Record {
	if w.repeated(id, b) {
		return nil
	}
	var out []logging.Record
	taken := map[string]bool{}
	for _, r := range b.Records {
		name := r.Index + "/" + r.ID
		if r.ID != "" && (taken[name] || w.has(&r)) {
			continue
		}
		r.Seq = 1 << 60 // no purge has seen it
		if shows(w.purge, &r, w.now) {
			taken[name] = true
			out = append(out, r)
		}
	}
	return out
}

// has reports whether a record with this index and id is there and shows.
func (w *world) has(r *logging.Record) bool {
	return slices.ContainsFunc(w.model, func(s stored) bool {
		return s.ID == r.ID && s.Index == r.Index && s.Tenant == r.Tenant && shows(w.purge, &s.Record, w.now)
	})
}

// settle finds out what became of a batch that was not acknowledged: all of it
// is there, or nothing.
func (w *world) settle(id tenant.ID, b logging.Batch) error {
	due := w.due(id, b)
	found, err := w.all()
	if err != nil {
		return err
	}
	known := map[uint64]bool{}
	for i := range w.model {
		known[w.model[i].Seq] = true
	}
	found = slices.DeleteFunc(found, func(r logging.Record) bool { return known[r.Seq] })
	if len(found) == 0 {
		return nil
	}
	if len(found) != len(due) {
		return fmt.Errorf("of a batch of %d records that was not acknowledged %d are there", len(due), len(found))
	}
	for i, r := range found {
		if string(r.Source) != string(due[i].Source) || r.Tenant != id {
			return fmt.Errorf("record %d is there and was never sent so: %s", r.Seq, r.Source)
		}
		w.add(due[i], r.Seq, r.ID)
	}
	w.remember(id, b)
	return nil
}

// all gives every record that shows, by seq.
func (w *world) all() ([]logging.Record, error) {
	v, err := w.store.Snapshot(context.Background(), scopetest.Operator())
	if err != nil {
		return nil, err
	}
	defer v.Close()
	res, err := v.Search(context.Background(), logging.Query{Limit: 1 << 20, Sort: []logging.SortKey{{Field: logging.Field{Name: logging.FieldSeq}}}})
	if err != nil {
		return nil, err
	}
	out := make([]logging.Record, len(res.Hits))
	for i, h := range res.Hits {
		out[i] = h.Record
		out[i].Source = canonical(h.Record.Source)
	}
	return out, nil
}

// canonical writes a document in the one way: it comes back equal, but strings
// may be escaped in another way.
func canonical(src []byte) []byte {
	sc := shape.NewScanner(nil)
	s, spans, _, ok := sc.Scan(src)
	if !ok {
		return src
	}
	return s.Append(nil, func(dst []byte, i int) []byte {
		raw := src[spans[i].From:spans[i].To]
		if s.Holes()[i].Type != shape.String {
			return append(dst, raw...)
		}
		return shape.AppendQuoted(dst, shape.Unescape(nil, raw))
	})
}

// canonicalHits does so to every hit of a result.
func canonicalHits(r *logging.Result) {
	var inAggs func(map[string]logging.AggResult)
	hits := func(hs []logging.Hit) {
		for i := range hs {
			hs[i].Record.Source = canonical(hs[i].Record.Source)
		}
	}
	inAggs = func(m map[string]logging.AggResult) {
		for _, a := range m {
			hits(a.Hits)
			inAggs(a.Sub)
			for _, b := range a.Buckets {
				inAggs(b.Sub)
			}
		}
	}
	hits(r.Hits)
	inAggs(r.Aggs)
}

// check compares every record that shows.
func (w *world) check() error {
	got, err := w.all()
	if err != nil {
		return err
	}
	want := w.visible(w.model, w.purge, scopetest.Operator(), w.now)
	for i := range min(len(want), len(got)) {
		if d := logtest.DiffRecord(want[i], got[i]); d != "" {
			return fmt.Errorf("record %d: %s", want[i].Seq, d)
		}
	}
	if len(want) != len(got) {
		return fmt.Errorf("want %d records, got %d", len(want), len(got))
	}
	return nil
}

// query compares an answer of a view with that of the model it was opened on.
func (w *world) query(h heldView, q logging.Query) error {
	ctx := context.Background()
	seen := w.visible(h.model, h.purge, h.scope, h.now)
	want, err := logging.Run(ctx, q, func(yield func(*logging.Doc) bool) {
		for i := range seen {
			if !yield(logging.NewDoc(&seen[i])) {
				return
			}
		}
	})
	got, gotErr := h.view.Search(ctx, q)
	if err != nil || gotErr != nil {
		if (err != nil) != (gotErr != nil) {
			return fmt.Errorf("query %+v: %w is the model's error or the store's alone", q, errors.Join(err, gotErr))
		}
		return nil // refused by both
	}
	canonicalHits(want)
	canonicalHits(got)
	if d := logtest.Diff(want, got); d != "" {
		return fmt.Errorf("query %+v: %s", q, d)
	}
	return nil
}

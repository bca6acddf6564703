package tsdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// Defaults of Options.
const (
	retentionDefault  = 30 * 24 * time.Hour
	outOfOrderDefault = 10 * time.Minute
)

// deletingSuffix ends the name of a directory that is being removed. No tenant's
// ID holds a dot.
const deletingSuffix = ".deleting"

// Options of a Store. The zero value works.
type Options struct {
	// Retention says how long a tenant's samples are kept, by whole blocks (two
	// hours and more). It is asked again whenever blocks are looked through.
	// nil, or an answer of 0: 30 days.
	Retention func(tenant.ID) time.Duration
	// SeriesMax bounds the active series of a tenant; a sample that needs one
	// more is refused with a LimitError. nil, or an answer of 0: no bound.
	SeriesMax func(tenant.ID) int
	// SamplesPerSecond bounds what a tenant may send; what comes beyond ten
	// seconds' worth is refused with a LimitError that says when to come again.
	// nil, or an answer of 0: no bound.
	SamplesPerSecond func(tenant.ID) int
	// Of a series that is made anew: how many labels it may have, and how many
	// bytes a label's value. 0: no bound. A label's name has 1,024 at most.
	LabelsMax, LabelValueBytesMax int
	// OutOfOrder is how far behind a tenant's newest sample one may come and
	// still be taken. 0: ten minutes; negative: none.
	OutOfOrder time.Duration
	// IdleAfter is how long nobody may need a database before it is closed; see
	// idle.go. 0: an hour.
	IdleAfter time.Duration
	// Room tells whether so many bytes may be written now: with an error no sample
	// is taken in. It is asked at every transaction. nil: always.
	Room func(bytes int64) error
	// Silences gives the clusters that are silent and the time (milliseconds) at
	// which their series end for whoever reads; see silence.go. nil: none is.
	Silences   func() map[string]int64
	Clock      clock.Clock           // nil: the machine's
	OnEvent    func(Event)           // nil: events are dropped; called from any goroutine
	Registerer prometheus.Registerer // nil: no metrics

	tune  func(*promtsdb.Options) // tests alone: what the scripts of PromQL need
	fsync func(*os.File) error    // likewise: a disk that fails
}

// Event is something an operator may want to know.
type Event struct {
	Kind    EventKind
	Tenant  tenant.ID
	Message string // one sentence
	Err     error  // may be nil
}

// EventKind tells events apart.
type EventKind string

// The kinds of events.
const (
	EventOpened     EventKind = "opened"      // a tenant's database was opened or made
	EventOpenFailed EventKind = "open_failed" // it could not be; the others work on
	EventIdle       EventKind = "idle"        // it was closed, since nobody needed it; it opens again when somebody does
	EventDeleted    EventKind = "deleted"     // a tenant's database was removed
	EventPurged     EventKind = "purged"      // a namespace's samples were removed
	EventNotSynced  EventKind = "not_synced"  // what was committed could not be made durable
	EventReopened   EventKind = "reopened"    // a tenant's database was closed after a failed write, to be opened anew
	EventLog        EventKind = "log"         // a warning or an error of the engine itself
)

// Stats is what a tenant's database holds and has taken since the Store was opened.
type Stats struct {
	Series    int    // active series
	Samples   uint64 // samples committed, without those of Oriel's own account
	Exemplars uint64 // exemplars given with them or on their own
	Refused   uint64 // samples refused, for whatever reason
	Idle      bool   // the database is closed, since nobody needs it
}

// Store is a metrics.Store over a directory. Safe for concurrent use. It does
// not lock the directory: the data directory as a whole is.
type Store struct {
	dir  string
	opts Options
	m    *counters

	generations generations
	refusals    refusals

	mu     sync.RWMutex // guards dbs, asleep, broken, suspects, opening, slots, closed
	dbs    map[tenant.ID]*database
	asleep map[tenant.ID]asleep // not in dbs
	broken map[tenant.ID]broken
	// suspects are databases of which an fsync failed, with the segments of their
	// logs from which on they are in doubt.
	suspects map[tenant.ID][2]int
	// opening holds one lock per tenant: who opens or deletes the tenant's
	// database has it.
	opening map[tenant.ID]*sync.Mutex
	slots   uint64
	closed  bool

	leaving sync.WaitGroup // databases that are closed for being idle; begun under mu
}

var _ metrics.Store = (*Store)(nil)

// broken is a database that could not be opened. It is tried again by the first
// write after retryAfter, not by every one.
type broken struct {
	err error
	at  time.Time
}

const retryAfter = 30 * time.Second

// Open opens every database below dir, several at once. A database that cannot
// be opened is reported as an event and answers its own tenant with the error;
// the others work.
func Open(dir string, o Options) (*Store, error) {
	if o.OutOfOrder == 0 {
		o.OutOfOrder = outOfOrderDefault
	}
	if o.IdleAfter <= 0 {
		o.IdleAfter = idleAfterDefault
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.fsync == nil {
		o.fsync = (*os.File).Sync
	}
	s := &Store{
		dir: dir, opts: o,
		dbs:      map[tenant.ID]*database{},
		asleep:   map[tenant.ID]asleep{},
		broken:   map[tenant.ID]broken{},
		suspects: map[tenant.ID][2]int{},
		opening:  map[tenant.ID]*sync.Mutex{},

		generations: generations{epoch: newEpoch(), current: 1},
	}
	s.m = newCounters(o.Registerer, s)
	// The engine's files are everybody's to read: the directory keeps others out,
	// also where an older Oriel or a package made it.
	err := errors.Join(os.MkdirAll(dir, 0o700), os.Chmod(dir, 0o700))
	if err != nil {
		return nil, fmt.Errorf("make the metrics directory: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the metrics directory: %w", err)
	}
	var g errgroup.Group
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // replay is half disk, half processor
	for _, e := range entries {
		name := e.Name()
		if strings.HasSuffix(name, deletingSuffix) {
			// A deletion that a crash interrupted.
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				return nil, fmt.Errorf("finish the deletion of %s: %w", name, err)
			}
			continue
		}
		id, ok := idOf(name)
		if !e.IsDir() || !ok {
			continue
		}
		g.Go(func() error {
			if db, err := s.database(id); err == nil {
				db.release()
			}
			return nil
		})
	}
	_ = g.Wait()
	return s, nil
}

// idOf reads a directory's name.
func idOf(name string) (tenant.ID, bool) {
	if id := tenant.ID(name); id == tenant.System || id == tenant.Unassigned {
		return id, true
	}
	id, err := tenant.ParseID(name)
	return id, err == nil
}

// Close waits for the queries and appenders that are under way and closes every
// database.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	dbs := s.dbs
	s.dbs = map[tenant.ID]*database{}
	s.mu.Unlock()

	s.m.unregister()
	var (
		g    errgroup.Group
		mu   sync.Mutex
		errs []error
	)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for _, db := range dbs {
		g.Go(func() error {
			if err := db.close(context.Background()); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait()
	s.leaving.Wait()
	return errors.Join(errs...)
}

var errClosed = errors.New("metrics store is closed")

// lockOf gives the lock that whoever opens or deletes the tenant's database holds.
func (s *Store) lockOf(id tenant.ID) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.opening[id]
	if l == nil {
		l = new(sync.Mutex)
		s.opening[id] = l
	}
	return l
}

// database gives the tenant's database, made if it is not there. The caller
// releases it.
func (s *Store) database(id tenant.ID) (*database, error) {
	if db, err := s.opened(id); db != nil && !db.torn.Load() || errors.Is(err, errClosed) {
		return db, err
	} else if db != nil {
		db.release()
	}
	l := s.lockOf(id)
	l.Lock()
	defer l.Unlock()
	if db, err := s.opened(id); db != nil && !db.torn.Load() || errors.Is(err, errClosed) {
		return db, err
	} else if db != nil {
		db.release()
		if err := s.retire(db); err != nil {
			return nil, err
		}
	}
	return s.openAnew(id)
}

// openAnew opens a database that is not open, acquired. It wants the tenant's lock
// held.
func (s *Store) openAnew(id tenant.ID) (*database, error) {
	s.mu.Lock()
	if b, is := s.broken[id]; is && s.opts.Clock().Sub(b.at) < retryAfter {
		s.mu.Unlock()
		return nil, b.err
	}
	s.slots++
	slot := s.slots
	s.mu.Unlock()
	db, err := s.openDatabase(id, slot)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.broken[id] = broken{err, s.opts.Clock()}
		s.opts.OnEvent(Event{Kind: EventOpenFailed, Tenant: id, Message: "the tenant's metrics database could not be opened; its metrics are neither stored nor shown until it can be", Err: err})
		return nil, err
	}
	if s.closed {
		_ = db.close(context.Background())
		return nil, errClosed
	}
	if a, is := s.asleep[id]; is {
		db.meta.of = a.meta
		db.samples.Store(a.stats.Samples)
		db.exemplars.Store(a.stats.Exemplars)
		db.refused.Store(a.stats.Refused)
		delete(s.asleep, id)
	}
	delete(s.broken, id)
	s.dbs[id] = db
	db.acquire()
	db.touch(s.opts.Clock())
	s.opts.OnEvent(Event{Kind: EventOpened, Tenant: id, Message: "the tenant's metrics database is open"})
	return db, nil
}

// opened gives the tenant's database if it is open, acquired. Without one: nil,
// and the error that kept it from opening, if there is one.
func (s *Store) opened(id tenant.ID) (*database, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.openedNow(id)
}

// openedNow is opened for who holds s.mu.
func (s *Store) openedNow(id tenant.ID) (*database, error) {
	if s.closed {
		return nil, errClosed
	}
	if db := s.dbs[id]; db != nil && db.acquire() {
		return db, nil
	}
	return nil, s.broken[id].err
}

// Delete removes everything a tenant has: offboarding. It waits for the queries
// and appenders that are under way; a later write makes a new database. A tenant
// without one is no error.
func (s *Store) Delete(ctx context.Context, id tenant.ID) error {
	if _, ok := idOf(string(id)); !ok {
		return fmt.Errorf("delete the metrics of %q: no such tenant name", id)
	}
	l := s.lockOf(id)
	l.Lock()
	defer l.Unlock()
	s.mu.Lock()
	db := s.dbs[id]
	delete(s.dbs, id)
	delete(s.asleep, id)
	delete(s.broken, id)
	s.mu.Unlock()
	if db != nil {
		if err := db.close(ctx); err != nil {
			if ctx.Err() != nil { // still in use: as if nothing had been asked
				s.mu.Lock()
				s.dbs[id] = db
				s.mu.Unlock()
			}
			return fmt.Errorf("delete the metrics of %s: %w", id, err)
		}
	}
	// Renamed first, so that a crash leaves either all of it or a directory that
	// the next start removes.
	gone := filepath.Join(s.dir, string(id)+deletingSuffix)
	if err := os.Rename(filepath.Join(s.dir, string(id)), gone); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("delete the metrics of %s: %w", id, err)
	}
	s.mu.Lock()
	delete(s.suspects, id)
	s.mu.Unlock()
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("delete the metrics of %s: %w", id, err)
	}
	s.opts.OnEvent(Event{Kind: EventDeleted, Tenant: id, Message: "the tenant's metrics were deleted"})
	return nil
}

// Purge removes the samples of one namespace of a tenant from from (inclusive)
// to to (exclusive; zero: without end), also from the blocks on disk. Exemplars
// of the namespace, which are kept in memory and few, go as new ones come.
func (s *Store) Purge(ctx context.Context, id tenant.ID, cluster, namespace string, from, to time.Time) error {
	db, err := s.present(id)
	if db != nil && db.torn.Load() {
		db.release()
		db, err = s.database(id)
	}
	if err != nil {
		return fmt.Errorf("purge namespace %s/%s: %w", cluster, namespace, err)
	}
	if db == nil {
		return nil
	}
	defer db.release()
	span, ok := spanOf(from, to)
	if !ok {
		return nil
	}
	err = db.delete(ctx, span.Mint, span.Maxt,
		labels.MustNewMatcher(labels.MatchEqual, "cluster", cluster),
		labels.MustNewMatcher(labels.MatchEqual, "namespace", namespace))
	if err != nil {
		return fmt.Errorf("purge namespace %s/%s: %w", cluster, namespace, err)
	}
	if err := db.db.CleanTombstones(); err != nil {
		return fmt.Errorf("purge namespace %s/%s from the blocks: %w", cluster, namespace, err)
	}
	s.opts.OnEvent(Event{Kind: EventPurged, Tenant: id, Message: fmt.Sprintf("the metrics of namespace %s/%s were purged", cluster, namespace)})
	return nil
}

// Stats tells of every database that could be opened.
func (s *Store) Stats() map[tenant.ID]Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make(map[tenant.ID]Stats, len(s.dbs))
	for id, db := range s.dbs {
		out[id] = db.stats()
	}
	for id, a := range s.asleep {
		out[id] = a.stats
	}
	return out
}

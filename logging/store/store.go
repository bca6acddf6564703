// Package store is Oriel's log store. Records are durable in one write-ahead log
// for all tenants, with group commit, and are seen from then on; in the
// background they go into columns in memory and from there into segments, which
// are merged as they become many and deleted as they expire.
//
//	s, err := store.Open(dir, store.Options{})
//	...
//	defer s.Close()
//	results, err := s.Append(ctx, w, batch) // durable when it returns
//
// The bytes on disk are those of docs/format: wal.md, segment.md, manifest.md, keys.md.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

var _ logging.Store = (*Store)(nil)

// Options configure a Store. The zero value is usable.
type Options struct {
	Durability Durability
	// Retention says how long a tenant's records show. nil or 0: for ever. It is
	// called often and must be fast and safe for concurrent use.
	Retention func(tenant.ID) time.Duration
	// Namespaces gives the namespaces of a tenant whose records are kept for a
	// shorter time than the tenant's others. nil: none. As Retention, it is called
	// often.
	Namespaces func(tenant.ID) []NamespaceRetention
	// LogBytesMax is the size at which a new file of the log is begun; 0: 64 MiB.
	LogBytesMax int64
	// MemtableBytesMax is how much memory fresh records may take before they are
	// written to a segment; 0: 64 MiB. While that is being written, as much is
	// taken again; beyond three times as much writers wait.
	MemtableBytesMax int64
	// MemtableAgeMax is how old a record gets before it is written to a segment; 0:
	// 10 minutes.
	MemtableAgeMax time.Duration
	// OpenFilesMax bounds the segments that are open at a time; 0: 512.
	OpenFilesMax int
	// CacheBytesMax bounds what is kept in memory of the segments' directories; 0:
	// 64 MiB.
	CacheBytesMax int64
	// ColumnsBytesMax bounds what is kept in memory of columns that searches
	// decoded; 0: 128 MiB; below 0: nothing is kept.
	ColumnsBytesMax int64
	// SearchMemoryMax bounds the memory of one search; 0: as scan has it.
	SearchMemoryMax int64
	// SearchesMax is how many searches run at a time; 0: twice GOMAXPROCS. Those
	// that wait are served in turns over the scopes, of which each has at most
	// half running.
	SearchesMax int
	// Room tells whether so many bytes may be written now: with an error nothing is
	// taken in, as on a full disk. It is asked at every commit, and before a merge.
	// nil: always.
	Room  func(bytes int64) error
	Clock clock.Clock // nil: the machine's
	// OnEvent is told what an operator may want to know. It must not call the
	// store. May be nil.
	OnEvent func(Event)
	// Registerer takes the store's metrics. May be nil.
	Registerer prometheus.Registerer
	// FS is where the files are; nil: the operating system's.
	FS vfs.FS

	idle bool // tests alone set it: nothing is flushed and merged but when asked for
}

// NamespaceRetention says how long the records of one namespace show.
type NamespaceRetention struct {
	Cluster, Namespace string
	Keep               time.Duration // above 0
}

// Store is a log store in a directory. Safe for concurrent use. One directory
// belongs to one Store at a time; the caller sees to that.
type Store struct {
	dir  string
	opts Options
	fs   vfs.FS
	m    *metrics

	queue   chan *request
	closing chan struct{} // closed when nothing more is begun in the background
	ending  chan struct{} // closed when the writer shall end
	done    chan struct{} // closed when the writer has ended
	sending sync.WaitGroup
	working sync.WaitGroup // the goroutines of the background
	tails   logging.Tails
	gate    *gate
	files   *files
	columns *segment.Cache

	// Held while views are made and records are moved; before mu. It guards the
	// tables of memory and frozen, and which those are.
	tables sync.RWMutex
	memory *memory
	frozen *memory // being written to a segment; nil: nothing is
	// Of who flushes: the log file up to which frozen has the records, and the
	// first seq after them.
	frozenTo, frozenNext uint64

	mu         sync.RWMutex // guards what follows
	closed     bool
	logs       []*file // by number; the last is written to
	loose      []loose // in the order of commits
	looseBytes int64
	gatherTo   uint64  // log file up to which loose records go into tables
	purges     []purge // all that may cover something
	versions   []*version
	segments   map[uint64]*segmentFile
	gens       []*generation
	keyTables  keyTables
	likely     map[tenant.ID]bool // tenants with given ids of the form of derived ones, in segments
	relief     chan struct{}      // closed when memory was freed, or a flush failed

	gathering  sync.Mutex   // held by who gathers
	held       atomic.Int64 // bytes of memory
	frozenHeld atomic.Int64
	failing    atomic.Pointer[error] // of the last flush; nil: it worked

	lookups sync.RWMutex // read-held while batch keys are looked up: their tables stay

	nextFile     atomic.Uint64 // number of the next segment or key table
	flushing     sync.Mutex    // held by who flushes; before manifestLock
	merging      sync.Mutex    // held by who merges and sweeps; before manifestLock
	manifestLock sync.Mutex    // guards manifest
	manifest     *manifest
	deletions    *deletions // beside the manifest, which it outlives
	orphans      []string   // files that an edit named that may or may not be durable; guarded by manifestLock
	wakeGather   chan struct{}
	wakeFlush    chan struct{}
	wakeMerge    chan struct{}

	// Only the writer's.
	seeds   seeds
	builder *builder
	nextSeq uint64
	broken  error // the last write failed: repair before the next one
	full    bool  // there was no room for the last commit
	dirty   bool  // written and not synced
}

// Open opens the store in a directory, which it makes where there is none. It
// brings what is there in order as docs/format/wal.md and manifest.md say under
// Opening.
func Open(dir string, o Options) (*Store, error) {
	switch o.Durability {
	case "":
		o.Durability = Sync
	case Sync, Interval, None:
	default:
		return nil, fmt.Errorf("durability %q: want sync, interval or none", o.Durability)
	}
	o.LogBytesMax = min(cmp.Or(max(0, o.LogBytesMax), fileBytesDefault), 1<<31)
	o.MemtableBytesMax = cmp.Or(max(0, o.MemtableBytesMax), memtableBytesDefault)
	o.MemtableAgeMax = cmp.Or(max(0, o.MemtableAgeMax), memtableAgeDefault)
	o.OpenFilesMax = cmp.Or(max(0, o.OpenFilesMax), openFilesDefault)
	o.CacheBytesMax = cmp.Or(max(0, o.CacheBytesMax), cacheBytesDefault)
	o.SearchesMax = cmp.Or(max(0, o.SearchesMax), 2*runtime.GOMAXPROCS(0))
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	s := &Store{
		dir: filepath.Clean(dir), opts: o, fs: o.FS,
		queue: make(chan *request, queueMax), closing: make(chan struct{}), ending: make(chan struct{}), done: make(chan struct{}),
		files: newFiles(o.FS, o.OpenFilesMax, o.CacheBytesMax), memory: newMemory(nil),
		segments: map[uint64]*segmentFile{}, gens: []*generation{newGeneration()}, relief: make(chan struct{}),
		versions:   []*version{{parts: map[tenant.ID][]*part{}}},
		wakeGather: make(chan struct{}, 1), wakeFlush: make(chan struct{}, 1), wakeMerge: make(chan struct{}, 1),
		seeds: newSeeds(), builder: newBuilder(), nextSeq: 1, gatherTo: math.MaxUint64,
	}
	if o.ColumnsBytesMax >= 0 {
		s.columns = segment.NewCache(cmp.Or(o.ColumnsBytesMax, columnsBytesDefault))
	}
	var err error
	if s.m, err = newMetrics(o.Registerer, s); err != nil {
		return nil, fmt.Errorf("open log store %s: %w", dir, err)
	}
	s.gate = newGate(o.SearchesMax, max(1, (o.SearchesMax+1)/2), s.m.gateWaits, s.m.gateSeconds)
	if err := s.recover(); err != nil {
		for _, f := range s.logs {
			err = errors.Join(err, f.f.Close())
		}
		if s.manifest != nil {
			err = errors.Join(err, s.manifest.close())
		}
		if s.deletions != nil {
			err = errors.Join(err, s.deletions.close())
		}
		s.files.closeAll()
		return nil, fmt.Errorf("open log store %s: %w", dir, err)
	}
	s.m.available.Set(1)
	s.measure()
	records := s.memory.rows
	for _, parts := range s.versions[len(s.versions)-1].parts {
		for _, p := range parts {
			records += int64(p.rows)
		}
	}
	o.OnEvent(Event{Kind: EventOpened, File: s.dir, Files: len(s.logs) + len(s.segments), Records: records})
	go s.write()
	if !o.idle {
		s.working.Go(s.gatherAlways)
		s.working.Go(s.flushAlways)
		s.working.Go(s.mergeAlways)
	}
	return s, nil
}

// Append implements logging.Appender. A batch beyond 128 MiB is an error.
func (s *Store) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	req := &request{batch: b, results: make([]logging.ItemResult, len(b.Records)), answer: make(chan error, 1)}
	for i := range b.Records {
		r := &b.Records[i]
		req.bytes += sizeOf(r)
		if why := refuse(w, r); why != "" {
			s.m.refused.WithLabelValues(why).Inc()
			req.results[i] = logging.ItemResult{Status: logging.Refused, ID: r.ID, Reason: reasons[why]}
		}
	}
	if req.bytes > batchBytesMax {
		return nil, fmt.Errorf("batch of %d bytes: split it, the most is %d", req.bytes, batchBytesMax)
	}
	if err := s.pressure(ctx); err != nil {
		return nil, err
	}
	if err := s.send(ctx, req); err != nil {
		return nil, err
	}
	select {
	case err := <-req.answer:
		if err != nil {
			return nil, err
		}
		return req.results, nil
	case <-ctx.Done():
		return nil, ctx.Err() // it may still be stored
	}
}

// send hands a request to the writer.
func (s *Store) send(ctx context.Context, req *request) error {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return fmt.Errorf("%w: it is closing", logging.ErrUnavailable)
	}
	s.sending.Add(1) // Close waits for it before it ends the writer
	s.mu.RUnlock()
	defer s.sending.Done()
	select {
	case s.queue <- req:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reasons why a record is refused, by their label.
var reasons = map[string]string{
	"tenant": "the credential may not write this tenant's logs",
	"size":   fmt.Sprintf("the document is larger than %d bytes", logging.SourceBytesMax),
	"id":     fmt.Sprintf("the id is longer than %d bytes", logging.IDBytesMax),
	"index":  fmt.Sprintf("the index name is empty or longer than %d bytes", indexBytesMax),
	"time":   "the time is out of range",
}

func refuse(w tenant.Write, r *logging.Record) string {
	year := func(t time.Time) bool { return t.Year() > 1679 && t.Year() < 2260 }
	switch {
	case !logging.MayWrite(w, r):
		return "tenant"
	case len(r.Source) > logging.SourceBytesMax || len(r.Message) > logging.SourceBytesMax:
		return "size"
	case len(r.ID) > logging.IDBytesMax:
		return "id"
	case r.Index == "" || len(r.Index) > indexBytesMax:
		return "index"
	case !year(r.Time) || !year(r.Received):
		return "time"
	}
	return ""
}

// Tail implements logging.Searcher.
func (s *Store) Tail(ctx context.Context, r tenant.Read, f logging.Filter) iter.Seq2[logging.Record, error] {
	return s.tails.Follow(ctx, r, f)
}

// Purge removes the records of a tenant's namespace with times in [from, to)
// that are there when it is called; a zero from or to is open. When it returns,
// they are gone for good from every later view; their bytes go with the files
// they are in.
func (s *Store) Purge(ctx context.Context, id tenant.ID, cluster, namespace string, from, to time.Time) error {
	p := &purge{tenant: id, cluster: cluster, namespace: namespace, from: nanos(from, -1<<63), to: nanos(to, 1<<63-1)}
	return s.ask(ctx, &request{purge: p, answer: make(chan error, 1)})
}

// nanos clamps a time to what can be counted.
func nanos(t time.Time, open int64) int64 {
	switch {
	case t.IsZero():
		return open
	case t.Year() < 1680:
		return -1 << 63
	case t.Year() > 2260:
		return 1<<63 - 1
	}
	return t.UnixNano()
}

func (s *Store) ask(ctx context.Context, req *request) error {
	if err := s.send(ctx, req); err != nil {
		return err
	}
	select {
	case err := <-req.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pressure holds writers back while memory is full: what is written to segments
// must keep up with what comes in. With a disk that takes no segments it is an
// error at once.
func (s *Store) pressure(ctx context.Context) error {
	began := time.Time{}
	for {
		s.mu.RLock()
		loose, relief := s.looseBytes, s.relief
		s.mu.RUnlock()
		if loose+s.held.Load()+s.frozenHeld.Load() <= 3*s.opts.MemtableBytesMax {
			if !began.IsZero() {
				s.m.waitSeconds.Add(time.Since(began).Seconds())
			}
			return nil
		}
		if err := s.failing.Load(); err != nil {
			s.m.waits.WithLabelValues("flush_failing").Inc()
			return fmt.Errorf("%w: records cannot be written to segments: %w", logging.ErrUnavailable, *err)
		}
		if began.IsZero() {
			began = time.Now()
			s.m.waits.WithLabelValues("flush").Inc()
			wake(s.wakeGather)
			wake(s.wakeFlush)
		}
		select {
		case <-relief:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing:
			return fmt.Errorf("%w: it is closing", logging.ErrUnavailable)
		}
	}
}

// relieve wakes the writers that wait.
func (s *Store) relieve() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.relief)
	s.relief = make(chan struct{})
}

// wake makes a goroutine of the background look; it never waits.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close ends the store: what waits is written, then nothing more is taken. Open
// views go on until they are closed, but the segments they have not opened.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closed = true
	close(s.closing)
	s.mu.Unlock()
	s.sending.Wait()
	s.working.Wait()
	if !s.opts.idle {
		s.mu.RLock()
		size := s.looseBytes
		s.mu.RUnlock()
		if size+s.held.Load() > s.opts.MemtableBytesMax/8 || s.frozenHeld.Load() > 0 {
			_ = s.flush() // counted and reported; the log has it all
		}
	}
	close(s.ending)
	<-s.done
	s.tails.Close(fmt.Errorf("%w: it is closing", logging.ErrUnavailable))
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.logs {
		errs = append(errs, f.f.Close())
	}
	s.manifestLock.Lock()
	defer s.manifestLock.Unlock()
	errs = append(errs, s.manifest.close(), s.deletions.close())
	if !s.inUse() {
		s.files.closeAll()
	}
	return errors.Join(errs...)
}

// active is the file that is written to. Only the writer changes which.
func (s *Store) active() *file {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.logs[len(s.logs)-1]
}

// measure sets the gauges of the files; the lock is held, or nobody else is there.
func (s *Store) measure() {
	var n int64
	for _, f := range s.logs {
		n += f.size
	}
	s.m.files.WithLabelValues("log").Set(float64(len(s.logs)))
	s.m.fileBytes.WithLabelValues("log").Set(float64(n))
	n = 0
	for _, f := range s.segments {
		n += f.bytes
	}
	s.m.files.WithLabelValues("segment").Set(float64(len(s.segments)))
	s.m.fileBytes.WithLabelValues("segment").Set(float64(n))
	n = 0
	for _, t := range s.keyTables {
		n += t.bytes
	}
	s.m.files.WithLabelValues("keys").Set(float64(len(s.keyTables)))
	s.m.fileBytes.WithLabelValues("keys").Set(float64(n))
}

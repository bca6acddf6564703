// Package store is Oriel's log store: one write-ahead log for all tenants with
// group commit, and searches that read it back. The bytes on disk are those of
// docs/format/wal.md.
//
//	s, err := store.Open(dir, store.Options{})
//	...
//	defer s.Close()
//	results, err := s.Append(ctx, w, batch) // durable when it returns
//
// A search reads the records of the scope's tenants within the query's time
// range; an index in memory holds where they are, not what they are: about 200
// bytes for each tenant in each commit of the file that is written to, and for
// each tenant in each of the others.
package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

var _ logging.Store = (*Store)(nil)

// Options configure a Store. The zero value is usable.
type Options struct {
	Durability Durability
	// Retention says how long a tenant's records show. nil or 0: for ever. It is
	// called often and must be fast and safe for concurrent use.
	Retention func(tenant.ID) time.Duration
	// SegmentBytesMax is the size at which a new file is begun; 0: 64 MiB.
	SegmentBytesMax int64
	// Room tells whether so many bytes may be written now: with an error nothing is
	// taken in, as on a full disk. It is asked at every commit. nil: always.
	Room  func(bytes int64) error
	Clock clock.Clock // nil: the machine's
	// OnEvent is told what an operator may want to know. It must not call the
	// store. May be nil.
	OnEvent func(Event)
	// Registerer takes the store's metrics. May be nil.
	Registerer prometheus.Registerer
	// FS is where the files are; nil: the operating system's.
	FS vfs.FS

	fineSectionsMax int // tests alone set it; 0: as coarse.go says
}

// Store is a log store in a directory. Safe for concurrent use. One directory
// belongs to one Store at a time; the caller sees to that.
type Store struct {
	dir  string
	opts Options
	fs   vfs.FS
	m    *metrics

	queue   chan *request
	closing chan struct{}
	done    chan struct{} // closed when the writer has ended
	sending sync.WaitGroup
	tails   logging.Tails

	mu     sync.RWMutex // guards what follows, and the files' changing parts
	closed bool
	files  []*file // by number; the last is written to
	purges []purge
	ids    ids

	// Only the writer's.
	keys    keys
	nextSeq uint64
	broken  error // the last write failed: repair before the next one
	full    bool  // there was no room for the last commit
	dirty   bool  // written and not synced
}

// Open opens the store in a directory, which it makes where there is none. It
// brings the log in order as docs/format/wal.md says under Opening.
func Open(dir string, o Options) (*Store, error) {
	switch o.Durability {
	case "":
		o.Durability = Sync
	case Sync, Interval, None:
	default:
		return nil, fmt.Errorf("durability %q: want sync, interval or none", o.Durability)
	}
	if o.SegmentBytesMax <= 0 {
		o.SegmentBytesMax = fileBytesDefault
	}
	o.SegmentBytesMax = min(o.SegmentBytesMax, 1<<31)
	if o.fineSectionsMax <= 0 {
		o.fineSectionsMax = fineSectionsMax
	}
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
		queue: make(chan *request, queueMax), closing: make(chan struct{}), done: make(chan struct{}),
		ids: newIDs(), keys: newKeys(), nextSeq: 1,
	}
	var err error
	if s.m, err = newMetrics(o.Registerer); err != nil {
		return nil, fmt.Errorf("open log store %s: %w", dir, err)
	}
	if err := s.recover(); err != nil {
		for _, f := range s.files {
			err = errors.Join(err, f.f.Close())
		}
		return nil, fmt.Errorf("open log store %s: %w", dir, err)
	}
	s.m.available.Set(1)
	s.measure()
	var records int64
	for _, f := range s.files {
		for i := range f.sections {
			records += int64(f.sections[i].count)
		}
	}
	o.OnEvent(Event{Kind: EventOpened, File: s.dir, Files: len(s.files), Records: records})
	go s.write()
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

// Sweep deletes the files whose every record is past its retention, as the
// store does by itself every minute.
func (s *Store) Sweep(ctx context.Context) error {
	return s.ask(ctx, &request{sweep: true, answer: make(chan error, 1)})
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

// Close ends the store: what waits is written, then nothing more is taken. Open
// views go on until they are closed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		<-s.done
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.sending.Wait()
	close(s.closing)
	<-s.done
	s.tails.Close(fmt.Errorf("%w: it is closing", logging.ErrUnavailable))
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.release())
	}
	s.files = nil
	return errors.Join(errs...)
}

// release gives a reference up; the store's lock is held.
func (f *file) release() error {
	if f.refs--; f.refs > 0 {
		return nil
	}
	return f.f.Close()
}

// active is the file that is written to. Only the writer changes which.
func (s *Store) active() *file { return s.files[len(s.files)-1] }

// measure sets the gauges of the files; the lock is held, or nobody else is there.
func (s *Store) measure() {
	var n int64
	for _, f := range s.files {
		n += f.size
	}
	s.m.files.Set(float64(len(s.files)))
	s.m.fileBytes.Set(float64(n))
}

// publish makes a frame seen by searches; the lock is held.
func (s *Store) publish(f *file, fr *frame) {
	f.mark(fr)
	f.size = fr.end()
	f.lastSeq = max(f.lastSeq, fr.last)
	f.committed = max(f.committed, fr.committed)
	f.sections = append(f.sections, fr.sections...)
	if fr.purge != nil {
		f.purges = append(f.purges, *fr.purge)
		s.purges = append(slices.Clip(s.purges), *fr.purge)
	}
}

package tsdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/compression"

	"github.com/oriel-project/oriel/tenant"
)

// A tenant's database is small: thousands of them live in one process. With
// these one with 50 series costs about 450 KB of heap instead of 4 MB; what is
// left is the engine's own (write-ahead log pages, summaries, postings).
const (
	stripeSize       = 64  // of 256 bytes
	exemplarsMax     = 500 // a ring of 70 bytes each
	blockDurationMax = 31 * 24 * time.Hour
)

// database is one tenant's. It is closed only while nobody uses it: queries
// read memory that closing unmaps.
type database struct {
	id   tenant.ID
	slot uint64 // unique over the Store's life; part of every series reference
	db   *promtsdb.DB
	meta families
	rate bucket

	samples, exemplars, refused atomic.Uint64
	used                        atomic.Int64 // when somebody last needed it, in nanoseconds since 1970

	writing sync.Mutex  // one transaction at a time is written; see torn.go
	torn    atomic.Bool // set under writing
	closed  atomic.Bool // its logs are complete on disk
	ended   atomic.Bool // nobody writes to it any more, also where closing it failed
	synced  [2]int      // the last segments of wal and wbl that were synced; Sync's own
	rooted  bool        // and the directories above them; likewise
	// unsynced says that the engine could not sync its logs itself.
	unsynced atomic.Bool

	mu      sync.Mutex // guards refs, closing, idle
	refs    int
	closing bool
	idle    chan struct{} // closed when refs is 0 while closing
}

func (d *database) acquire() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closing {
		return false
	}
	d.refs++
	return true
}

func (d *database) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refs--
	if d.refs == 0 && d.closing {
		close(d.idle)
	}
}

// close waits until nobody uses the database, then closes it. If ctx ends
// before, the database stays open and usable.
func (d *database) close(ctx context.Context) error {
	d.mu.Lock()
	d.closing = true
	d.idle = make(chan struct{})
	if d.refs == 0 {
		close(d.idle)
	}
	idle := d.idle
	d.mu.Unlock()
	select {
	case <-idle:
		return d.end()
	case <-ctx.Done():
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.refs == 0 {
			return d.end()
		}
		d.closing = false
		return fmt.Errorf("still in use: %w", ctx.Err())
	}
}

// end closes the engine, which makes its logs durable.
func (d *database) end() error {
	err := d.db.Close()
	d.closed.Store(err == nil && !d.unsynced.Load())
	d.ended.Store(true)
	return err
}

func (d *database) stats() Stats {
	return Stats{
		Series:    int(d.db.Head().NumSeries()),
		Samples:   d.samples.Load(),
		Exemplars: d.exemplars.Load(),
		Refused:   d.refused.Load(),
	}
}

// A series reference as callers keep it: the database's slot above, the
// database's own reference below (the head packs its references into 40 bits
// itself). A reference of another database counts as none, so a namespace that
// changes hands cannot write into its old owner's series.
const refBits = 40

func (d *database) encodeRef(ref storage.SeriesRef) storage.SeriesRef {
	if ref>>refBits != 0 || d.slot >= 1<<(64-refBits) {
		return 0
	}
	return storage.SeriesRef(d.slot)<<refBits | ref
}

func (d *database) decodeRef(ref storage.SeriesRef) storage.SeriesRef {
	if uint64(ref>>refBits) != d.slot {
		return 0
	}
	return ref & (1<<refBits - 1)
}

func (s *Store) openDatabase(id tenant.ID, slot uint64) (*database, error) {
	d := &database{id: id, slot: slot}
	limit := &seriesLimit{id: id, opts: &s.opts}

	o := promtsdb.DefaultOptions()
	o.NoLockfile = true // the data directory is locked as a whole
	o.StripeSize = stripeSize
	o.HeadChunksWriteBufferSize = chunks.MinWriteBufferSize
	o.WALCompression = compression.Snappy
	// Start timestamps are kept with their samples; a query uses them if it says so.
	o.EnableSTStorage = true
	o.FloatChunkEncoding = chunkenc.EncXOR2
	o.EnableHistogramSTEncoding = true
	o.EnableExemplarStorage = true
	o.MaxExemplars = exemplarsMax
	o.OutOfOrderTimeWindow = max(s.opts.OutOfOrder, 0).Milliseconds()
	o.EnableDelayedCompaction = true // not all tenants in the same second
	o.SeriesLifecycleCallback = limit
	retention := s.retention(id)
	o.RetentionDuration = retention.Milliseconds()
	o.MaxBlockDuration = max(o.MinBlockDuration, min(retention/10, blockDurationMax).Milliseconds())
	o.BlocksToDelete = func(blocks []*promtsdb.Block) map[ulid.ULID]struct{} {
		return s.blocksToDelete(id, blocks)
	}
	if s.opts.tune != nil {
		s.opts.tune(o)
	}
	if err := errors.Join(finishRepairs(filepath.Join(s.dir, string(id))), s.rewrite(id)); err != nil {
		return nil, fmt.Errorf("open the metrics database of %s: %w", id, err)
	}
	db, err := promtsdb.Open(filepath.Join(s.dir, string(id)), slog.New(&eventLog{db: d, emit: s.opts.OnEvent}), nil, o, nil)
	if err != nil {
		return nil, fmt.Errorf("open the metrics database of %s: %w", id, err)
	}
	d.db = db
	limit.head.Store(db.Head())
	return d, nil
}

func (s *Store) retention(id tenant.ID) time.Duration {
	if s.opts.Retention != nil {
		if d := s.opts.Retention(id); d > 0 {
			return d
		}
	}
	return retentionDefault
}

// blocksToDelete gives the blocks that compaction replaced and those that lie
// wholly before the tenant's present retention.
func (s *Store) blocksToDelete(id tenant.ID, blocks []*promtsdb.Block) map[ulid.ULID]struct{} {
	oldest := s.opts.Clock().Add(-s.retention(id)).UnixMilli()
	out := map[ulid.ULID]struct{}{}
	for _, b := range blocks {
		if m := b.Meta(); m.Compaction.Deletable || m.MaxTime <= oldest {
			out[m.ULID] = struct{}{}
		}
	}
	return out
}

// engineNotSynced is what the engine logs where it cannot sync a segment of a log, the
// last one included, and all that it tells of it.
const engineNotSynced = "sync previous segment"

// eventLog turns what the engine logs at warning and above into events.
type eventLog struct {
	db   *database
	emit func(Event)
}

func (*eventLog) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (h *eventLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message == engineNotSynced {
		h.db.unsynced.Store(true)
	}
	e := Event{Kind: EventLog, Tenant: h.db.id, Message: r.Message}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" {
			if err, ok := a.Value.Any().(error); ok {
				e.Err = err
			} else {
				e.Err = errors.New(a.Value.String())
			}
		}
		return true
	})
	h.emit(e)
	return nil
}

func (h *eventLog) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h *eventLog) WithGroup(string) slog.Handler      { return h }

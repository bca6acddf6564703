package tsdb

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// A transaction whose write fails (a full disk) may leave half a record in the
// engine's write-ahead log, and series that are in memory only. The engine goes
// on writing behind it, and at the next start it cuts the log off at the half
// record: everything written after it would be lost, although it was
// acknowledged. So a database whose write failed is torn: it is read, and takes
// nothing more until it was closed and opened again, which cuts off the half
// record while nothing is behind it.

var errTorn = errors.New("an earlier write to the tenant's metrics database failed; it takes samples again once it was opened anew")

// closePatience is how long a torn database waits for its queries to end; after
// that the next write tries again.
const closePatience = 10 * time.Second

// commit writes a transaction, unless the database is torn.
func (d *database) commit(app storage.AppenderV2) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if d.torn.Load() {
		return errors.Join(errTorn, app.Rollback())
	}
	err := app.Commit()
	if err != nil {
		d.torn.Store(true)
	}
	return err
}

// rollback drops a transaction. It writes, too: the series that were made.
func (d *database) rollback(app storage.AppenderV2) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	err := app.Rollback()
	if err != nil {
		d.torn.Store(true)
	}
	return err
}

// delete removes samples, which writes their graves down.
func (d *database) delete(ctx context.Context, mint, maxt int64, ms ...*labels.Matcher) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if d.torn.Load() {
		return errTorn
	}
	err := d.db.Delete(ctx, mint, maxt, ms...)
	if err != nil && ctx.Err() == nil {
		d.torn.Store(true)
	}
	return err
}

// room asks whether so many bytes may be written.
func (s *Store) room(bytes int64) error {
	if s.opts.Room == nil {
		return nil
	}
	return s.opts.Room(bytes)
}

// retire closes a torn database, so that it can be opened again. Whoever calls
// holds the tenant's lock of opening. Meanwhile its readers get an error, not an
// empty answer.
func (s *Store) retire(d *database) error {
	// Opening writes the last part of the log anew.
	if err := s.room(lastSegmentBytes(filepath.Join(s.dir, string(d.id), "wal"))); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.dbs, d.id)
	s.broken[d.id] = broken{err: errTorn} // of long ago: it is opened at once
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	err := d.close(ctx)
	if err != nil && ctx.Err() != nil { // still in use
		s.mu.Lock()
		s.dbs[d.id] = d
		delete(s.broken, d.id)
		s.mu.Unlock()
		return errTorn
	}
	s.opts.OnEvent(Event{Kind: EventReopened, Tenant: d.id, Message: "the tenant's metrics database is opened anew after a write that failed", Err: err})
	return nil
}

func lastSegmentBytes(dir string) (n int64) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && !e.IsDir() {
			n = max(n, info.Size())
		}
	}
	return n
}

const repairSuffix = ".repair"

// finishRepairs puts back what a repair of the engine's log was reading from
// when the process ended: the engine itself would take the half-written copy
// for the whole.
func finishRepairs(dir string) error {
	for _, log := range []string{"wal", "wbl"} {
		entries, err := os.ReadDir(filepath.Join(dir, log))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			segment, ok := strings.CutSuffix(e.Name(), repairSuffix)
			if !ok {
				continue
			}
			if err := os.Rename(filepath.Join(dir, log, e.Name()), filepath.Join(dir, log, segment)); err != nil {
				return fmt.Errorf("finish the repair of an earlier process: %w", err)
			}
		}
	}
	return nil
}

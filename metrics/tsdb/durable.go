package tsdb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// A commit is in the engine's write-ahead log, which survives the death of the
// process, but not a power cut: it is not fsynced. Sync fsyncs the logs of all
// databases that were written to. Senders are told by generations: a commit is a
// part of the generation that Durability gives after it, and safe once that
// generation is durable. Until then a sender keeps it, and sends it again to a
// store of another epoch, which may have lost it.

const (
	syncEvery = 2 * time.Second
	// syncShare is how much longer than a sync the pause behind it is: what
	// syncing thousands of databases costs stays a tenth of the disk's time.
	syncShare = 9
	syncersN  = 8
)

// generations is what of the store is durable.
type generations struct {
	mu               sync.Mutex // guards what follows
	epoch            string
	current, durable uint64
	dirty            map[*database]bool // committed to since they were synced
}

// committed notes that the database is to be synced.
func (g *generations) committed(db *database) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dirty == nil {
		g.dirty = map[*database]bool{}
	}
	g.dirty[db] = true
}

func newEpoch() string { return rand.Text()[:16] }

// Durability gives the generation that what was committed before is a part of at
// the latest, and the last one that is durable. The epoch is another one for each
// Store, and where an fsync failed.
func (s *Store) Durability() (epoch string, generation, durable uint64) {
	g := &s.generations
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.epoch, g.current, g.durable
}

// RunSync makes what was committed durable again and again, until ctx ends.
func (s *Store) RunSync(ctx context.Context) error {
	for pause := syncEvery; ; {
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil
		}
		begin := time.Now()
		if err := s.Sync(); err != nil {
			s.opts.OnEvent(Event{Kind: EventNotSynced, Message: "metrics could not be made durable; agents send again what was not", Err: err})
		}
		pause = max(syncEvery, syncShare*time.Since(begin))
	}
}

// Sync makes everything that was committed before durable. After an error the
// disk may have dropped what it was to write: a new epoch has senders repeat it.
func (s *Store) Sync() error {
	g := &s.generations
	g.mu.Lock()
	generation, dirty := g.current, g.dirty
	g.current++
	g.dirty = nil
	g.mu.Unlock()
	var (
		wg   sync.WaitGroup
		gate = make(chan struct{}, syncersN)
		mu   sync.Mutex
		errs []error
		late []*database // which cannot be synced now, and did not fail
	)
	for db := range dirty {
		used := db.acquire()
		if !used {
			// Its log is synced as it is closed. Where that failed its files are there
			// still, and nobody will write to them as this database.
			switch {
			case db.closed.Load():
				continue
			case !db.ended.Load():
				late = append(late, db)
				continue
			}
		}
		gate <- struct{}{}
		wg.Go(func() {
			defer func() {
				if used {
					db.release()
				}
				<-gate
			}()
			if err := db.sync(filepath.Join(s.dir, string(db.id))); err != nil {
				mu.Lock()
				errs, late = append(errs, fmt.Errorf("sync the metrics of %s: %w", db.id, err)), append(late, db)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, db := range late {
		g.committed(db)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := errors.Join(errs...); err != nil {
		g.epoch = newEpoch()
		return err
	}
	if len(late) == 0 {
		g.durable = generation
	}
	return nil
}

// sync fsyncs the segments of the database's logs that were written since the
// last time: those before are complete and were synced then.
func (d *database) sync(dir string) error {
	if !d.rooted { // a new database's own name may not be on disk yet
		if err := errors.Join(atomicfile.SyncDir(dir), atomicfile.SyncDir(filepath.Dir(dir))); err != nil {
			return err
		}
		d.rooted = true
	}
	for i, log := range [...]string{"wal", "wbl"} {
		from := d.synced[i]
		entries, err := os.ReadDir(filepath.Join(dir, log))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		grew := false
		for _, e := range entries {
			n, err := strconv.Atoi(e.Name())
			if err != nil || n < from { // a checkpoint, which the engine syncs itself
				continue
			}
			if err := syncFile(filepath.Join(dir, log, e.Name())); err != nil {
				return err
			}
			grew = grew || n > d.synced[i] || from == 0
			d.synced[i] = max(d.synced[i], n)
		}
		if grew {
			if err := atomicfile.SyncDir(filepath.Join(dir, log)); err != nil {
				return err
			}
		}
	}
	return nil
}

// syncFile syncs a file that others have open for writing: fsync is of the file,
// not of who opened it. One that is gone was truncated behind a checkpoint.
func syncFile(name string) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

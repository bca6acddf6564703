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
	"github.com/oriel-project/oriel/tenant"
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
// Store, and after an fsync that failed.
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
			s.opts.OnEvent(Event{Kind: EventNotSynced, Message: "metrics could not be made durable; agents keep them until they are", Err: err})
		}
		pause = max(syncEvery, syncShare*time.Since(begin))
	}
}

// Sync makes everything that was committed before durable. What could not be synced
// is not durable before it was, and holds up nothing else. After an fsync that failed
// the system may have dropped what it was to write, and says so once: that database
// is closed, what its log holds is written anew, and a new epoch has senders repeat
// what they were not told to be durable.
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
		if s.suspected(db.id) {
			if err := s.mend(db.id); err != nil {
				mu.Lock()
				errs, late = append(errs, err), append(late, db)
				mu.Unlock()
			}
			continue // all that its logs hold was written anew
		}
		used := db.acquire()
		if !used {
			// Its log is synced as it is closed. Where that failed its files are there
			// still, and nobody will write to them as this database.
			_, gone := os.Stat(filepath.Join(s.dir, string(db.id)))
			switch {
			case db.closed.Load(), errors.Is(gone, os.ErrNotExist): // deleted
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
			if err := db.sync(filepath.Join(s.dir, string(db.id)), s.opts.fsync); err != nil {
				if errors.Is(err, errNotSynced) {
					s.suspect(db)
				}
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
	if len(late) == 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.durable = generation
	}
	return errors.Join(errs...)
}

// errNotSynced is an fsync that failed.
var errNotSynced = errors.New("the disk did not take what was written")

// suspect notes that what was written to the database's logs since they were last
// synced may not be on disk, whatever a later fsync says. It takes nothing more
// before it was opened anew.
func (s *Store) suspect(db *database) {
	db.writing.Lock()
	db.torn.Store(true)
	db.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, is := s.suspects[db.id]; !is {
		s.suspects[db.id] = db.synced
	}
}

func (s *Store) suspected(id tenant.ID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, is := s.suspects[id]
	return is
}

// mend opens a suspected database anew, which writes its logs again.
func (s *Store) mend(id tenant.ID) error {
	db, err := s.database(id)
	if err == nil && s.suspected(id) { // it had been opened before it was suspected
		db.writing.Lock()
		db.torn.Store(true)
		db.writing.Unlock()
		db.release()
		db, err = s.database(id)
	}
	if err != nil {
		return fmt.Errorf("sync the metrics of %s: %w", id, err)
	}
	db.release()
	return nil
}

// rewrite writes the unsynced segments of a suspected database's logs anew, from what
// the system still has of them. Nobody else has them open.
func (s *Store) rewrite(id tenant.ID) error {
	s.mu.RLock()
	from, is := s.suspects[id]
	s.mu.RUnlock()
	if !is {
		return nil
	}
	for i, log := range logs {
		dir := filepath.Join(s.dir, string(id), log)
		err := eachSegment(dir, from[i], func(_ int, name string) error {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			return atomicfile.Write(name, b, 0o666)
		})
		if err != nil {
			return fmt.Errorf("write the log %s anew after a failed fsync: %w", dir, err)
		}
	}
	s.mu.Lock()
	delete(s.suspects, id)
	s.mu.Unlock()
	g := &s.generations
	g.mu.Lock()
	defer g.mu.Unlock()
	g.epoch = newEpoch()
	return nil
}

// logs are the engine's write-ahead logs below a database's directory.
var logs = [...]string{"wal", "wbl"}

// eachSegment calls f for the segments of a log from the number from on, in order. A
// log that is not there has none.
func eachSegment(dir string, from int, f func(n int, name string) error) error {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n < from { // or a checkpoint, which the engine syncs itself
			continue
		}
		if err := f(n, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// sync fsyncs the segments of the database's logs that were written since the
// last time: those before are complete and were synced then. Where the engine could
// not sync one of them, the system has told it so, and tells nobody else.
func (d *database) sync(dir string, fsync func(*os.File) error) (err error) {
	before := d.synced
	defer func() {
		if err == nil && d.unsynced.Load() {
			err = fmt.Errorf("%w: the engine's log says so", errNotSynced)
		}
		if errors.Is(err, errNotSynced) {
			d.synced = before
		}
	}()
	if !d.rooted { // a new database's own name may not be on disk yet
		if err := errors.Join(atomicfile.SyncDir(dir), atomicfile.SyncDir(filepath.Dir(dir))); err != nil {
			return err
		}
		d.rooted = true
	}
	for i, log := range logs {
		from, grew := d.synced[i], false
		err := eachSegment(filepath.Join(dir, log), from, func(n int, name string) error {
			if err := syncFile(name, fsync); err != nil {
				return err
			}
			grew = grew || n > d.synced[i] || from == 0
			d.synced[i] = max(d.synced[i], n)
			return nil
		})
		if err != nil {
			return err
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
func syncFile(name string, fsync func(*os.File) error) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := fsync(f); err != nil {
		return errors.Join(errNotSynced, err, f.Close())
	}
	return f.Close()
}

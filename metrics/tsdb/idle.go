package tsdb

import (
	"context"
	"time"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// A database that nobody writes to or asks for the time of is closed: its samples
// lie in its blocks and its log, and it costs neither memory nor open files. What
// is remembered of it is which time it holds, so that a question about another one
// need not open it. A write, or a question about that time, opens it again.

const (
	idleAfterDefault = time.Hour
	idleEvery        = time.Minute
	// asleepMax is how long a database stays closed: to drop blocks that are older
	// than its retention it has to be open.
	asleepMax = 24 * time.Hour
)

// asleep is what is remembered of a database that was closed for being idle.
type asleep struct {
	since      time.Time
	mint, maxt int64 // of its samples, in milliseconds, inclusive
	meta       map[string][]metrics.Metadata
	stats      Stats // Series is 0: none is active
}

// span gives the time (milliseconds, inclusive) of everything that the database
// holds; mint is above maxt where it holds nothing.
func (d *database) span() (mint, maxt int64) {
	h := d.db.Head()
	mint, maxt = min(h.MinTime(), h.MinOOOTime()), max(h.MaxTime(), h.MaxOOOTime())
	for _, b := range d.db.Blocks() {
		m := b.Meta()
		mint, maxt = min(mint, m.MinTime), max(maxt, m.MaxTime)
	}
	return mint, maxt
}

// touch notes that somebody needs the database.
func (d *database) touch(now time.Time) { d.used.Store(now.UnixNano()) }

// RunIdle closes databases that are idle, again and again, until ctx ends.
func (s *Store) RunIdle(ctx context.Context) error {
	tick := time.NewTicker(idleEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.CloseIdle(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// CloseIdle closes the databases that nobody needed for Options.IdleAfter, and
// opens those for a moment that were closed for a day.
func (s *Store) CloseIdle(ctx context.Context) {
	now := s.opts.Clock()
	var idle, due []tenant.ID
	s.mu.RLock()
	for id, db := range s.dbs {
		if now.UnixNano()-db.used.Load() >= s.opts.IdleAfter.Nanoseconds() && !db.torn.Load() {
			idle = append(idle, id)
		}
	}
	for id, a := range s.asleep {
		if now.Sub(a.since) >= asleepMax {
			due = append(due, id)
		}
	}
	s.mu.RUnlock()
	for _, id := range idle {
		if ctx.Err() != nil {
			return
		}
		s.closeIdle(id, now)
	}
	for _, id := range due {
		if ctx.Err() != nil {
			return
		}
		if db, err := s.wake(id); db != nil && err == nil {
			db.used.Store(0) // it may go at once
			db.release()
			s.closeIdle(id, now)
		}
	}
}

// wake opens a database that was closed for being idle, acquired; nil where that is
// not so any more, since somebody was faster or the tenant is gone, of whom nothing
// must be made again.
func (s *Store) wake(id tenant.ID) (*database, error) {
	l := s.lockOf(id)
	l.Lock()
	defer l.Unlock()
	s.mu.RLock()
	_, idle := s.asleep[id]
	s.mu.RUnlock()
	if !idle {
		return nil, nil
	}
	return s.openAnew(id)
}

// closeIdle closes one database, unless somebody uses it.
func (s *Store) closeIdle(id tenant.ID, now time.Time) {
	l := s.lockOf(id)
	l.Lock()
	defer l.Unlock()
	s.mu.Lock()
	db := s.dbs[id]
	if s.closed || db == nil || db.torn.Load() || now.UnixNano()-db.used.Load() < s.opts.IdleAfter.Nanoseconds() || !db.leave() {
		s.mu.Unlock()
		return
	}
	a := asleep{since: now, meta: db.meta.all(), stats: db.stats()}
	a.mint, a.maxt = db.span()
	a.stats.Series, a.stats.Idle = 0, true
	delete(s.dbs, id)
	s.asleep[id] = a
	s.leaving.Add(1)
	s.mu.Unlock()
	defer s.leaving.Done()
	// Whoever needs it meanwhile waits for the tenant's lock.
	if err := db.end(); err != nil {
		s.opts.OnEvent(Event{Kind: EventLog, Tenant: id, Message: "the tenant's idle metrics database was closed with an error; it is opened again when it is needed", Err: err})
		return
	}
	s.opts.OnEvent(Event{Kind: EventIdle, Tenant: id, Message: "the tenant's metrics database was closed, since nobody needed it"})
}

// leave is close for a database that nobody uses; false where somebody does.
func (d *database) leave() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refs > 0 || d.closing {
		return false
	}
	d.closing = true
	return true
}

package tsdb

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/tenant"
)

// readable gives the databases of a scope, acquired, in the order of their
// tenants. Idle ones that hold nothing of the time from mint to maxt (milliseconds,
// inclusive) stay closed. A database that could not be opened is an error to a scope
// that names its tenant, and left out for the operator, who has seen the event.
func (s *Store) readable(r tenant.Read, mint, maxt int64) ([]*database, error) {
	ids, closed := s.idsOf(r, mint, maxt)
	out := make([]*database, len(ids))
	errs := make([]error, len(ids))
	var g errgroup.Group
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	now := s.opts.Clock()
	for i, id := range ids {
		if closed[id] {
			g.Go(func() error {
				out[i], errs[i] = s.present(id)
				return nil
			})
			continue
		}
		if out[i], errs[i] = s.present(id); out[i] != nil {
			if from, to := out[i].span(); !r.All() || from <= maxt && to >= mint {
				out[i].touch(now)
			}
		}
	}
	_ = g.Wait()
	out = slices.DeleteFunc(out, func(db *database) bool { return db == nil })
	for i, err := range errs {
		if err != nil && !r.All() {
			releaseAll(out)
			return nil, fmt.Errorf("read the metrics of %s: %w", ids[i], err)
		}
	}
	return out, nil
}

// idsOf gives the tenants of a scope, in order, without those whose databases are
// closed for being idle and hold nothing of that time, and which of the others are
// closed.
func (s *Store) idsOf(r tenant.Read, mint, maxt int64) (ids []tenant.ID, closed map[tenant.ID]bool) {
	ids = r.Tenants()
	s.mu.RLock()
	defer s.mu.RUnlock()
	if r.All() {
		ids = slices.AppendSeq(slices.Collect(maps.Keys(s.dbs)), maps.Keys(s.asleep))
		slices.Sort(ids)
	}
	if len(s.asleep) == 0 {
		return ids, nil
	}
	closed = map[tenant.ID]bool{}
	here := make([]tenant.ID, 0, len(ids))
	for _, id := range ids {
		a, is := s.asleep[id]
		if is && (a.mint > maxt || a.maxt < mint) {
			continue
		}
		closed[id] = is
		here = append(here, id)
	}
	return here, closed
}

func releaseAll(dbs []*database) {
	for _, db := range dbs {
		db.release()
	}
}

// present gives the tenant's database, acquired, and opens it where it is closed for
// being idle: whoever saw it open a moment ago must not find none. Without one: as
// opened.
func (s *Store) present(id tenant.ID) (*database, error) {
	for {
		s.mu.RLock()
		db, err := s.openedNow(id)
		_, idle := s.asleep[id]
		s.mu.RUnlock()
		if db != nil || !idle || errors.Is(err, errClosed) {
			return db, err
		}
		if db, err = s.wake(id); db != nil || err != nil {
			return db, err
		}
	}
}

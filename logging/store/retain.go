package store

import (
	"errors"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// cutoff gives the time before which a tenant's records do not show; ok is
// false where all do.
func (s *Store) cutoff(id tenant.ID, now time.Time) (nanos int64, ok bool) {
	if s.opts.Retention == nil {
		return 0, false
	}
	keep := s.opts.Retention(id)
	return now.Add(-keep).UnixNano(), keep > 0
}

// hidden reports whether a record is past its retention or purged.
func (s *Store) hidden(purges []purge, r *logging.Record, now time.Time) bool {
	if cut, ok := s.cutoff(r.Tenant, now); ok && r.Time.UnixNano() < cut {
		return true
	}
	for i := range purges {
		if purges[i].covers(r) {
			return true
		}
	}
	return false
}

// sweep deletes files whose every record is expired. It runs in the writer.
func (s *Store) sweep() error {
	now := s.opts.Clock()
	var errs []error
	for i := 0; i < len(s.files)-1; {
		f := s.files[i]
		if !s.expired(f, now) || len(f.purges) > 0 && i > 0 {
			i++
			continue
		}
		// First the name, durably: a file that is forgotten but there would be
		// back after a restart.
		if err := s.remove(f.name); err != nil {
			s.opts.OnEvent(Event{Kind: EventDeleteError, File: f.name, Err: err})
			errs = append(errs, err)
			i++
			continue
		}
		s.mu.Lock()
		rest := make([]*file, 0, len(s.files)-1)
		s.files = append(append(rest, s.files[:i]...), s.files[i+1:]...)
		if f.lastSeq > 0 {
			s.ids.forget(f.firstSeq, f.lastSeq)
		}
		s.dropPurges()
		err := f.release()
		s.measure()
		s.mu.Unlock()
		errs = append(errs, err)
		s.opts.OnEvent(Event{Kind: EventDeleted, File: f.name, Bytes: f.size})
	}
	return errors.Join(errs...)
}

func (s *Store) expired(f *file, now time.Time) bool {
	if now.Sub(time.Unix(0, f.committed)) < keysKept && f.size > headerLen {
		return false // its batch keys are still needed
	}
	for i := range f.sections {
		if cut, ok := s.cutoff(f.sections[i].tenant, now); !ok || f.sections[i].tMax >= cut {
			return false
		}
	}
	return true
}

// dropPurges forgets the purges of deleted files; the lock is held.
func (s *Store) dropPurges() {
	var kept []purge
	for _, f := range s.files {
		kept = append(kept, f.purges...)
	}
	s.purges = kept
}

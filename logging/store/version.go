package store

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/oriel-project/oriel/tenant"
)

// part is a tenant's records of one day in one file.
type part struct {
	partInfo
	file    *segmentFile
	index   int          // its place in the file
	damaged atomic.Bool  // something of it did not check: it is not merged
	later   atomic.Int64 // nanoseconds since the epoch until which it is not merged: a merge of it failed

	badMu sync.Mutex   // guards bad
	bad   map[int]bool // blocks and other places that did not check
}

// version is which parts there are at one moment. It does not change. Views hold
// one, and the files that only older versions have stay until those are let go.
type version struct {
	parts map[tenant.ID][]*part // by seq
	refs  int                   // of views and of those who look ids up; guarded by Store.mu
	gone  []*segmentFile        // that the next version does not have
}

// next gives the version after an edit that the manifest took. files has the
// open files by number, and is kept in line.
func (v *version) next(e *edit, files map[uint64]*segmentFile, open func(*segmentInfo) *segmentFile) *version {
	n := &version{parts: maps.Clone(v.parts)}
	for number, places := range e.dropParts {
		f := files[number]
		for _, i := range places {
			p := f.parts[i]
			rest := slices.DeleteFunc(slices.Clone(n.parts[p.tenant]), func(q *part) bool { return q == p })
			if len(rest) == 0 {
				delete(n.parts, p.tenant)
			} else {
				n.parts[p.tenant] = rest
			}
			f.dead++
		}
		if f.dead == len(f.parts) {
			v.gone = append(v.gone, f)
			delete(files, number)
		}
	}
	for _, info := range e.addSegments {
		f := open(info)
		files[info.number] = f
		for _, p := range f.parts {
			if p.dead {
				f.dead++
				continue
			}
			n.parts[p.tenant] = append(slices.Clip(n.parts[p.tenant]), p)
		}
	}
	for _, info := range e.addSegments {
		for i := range info.parts {
			slices.SortFunc(n.parts[info.parts[i].tenant], func(a, b *part) int { return cmp.Compare(a.seqMin, b.seqMin) })
		}
	}
	return n
}

// acquire gives the present version, to be released.
func (s *Store) acquire() *version {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hold()
}

// hold is acquire with the lock held.
func (s *Store) hold() *version {
	v := s.versions[len(s.versions)-1]
	v.refs++
	return v
}

// release lets a version go, and removes the files that nobody has any more.
func (s *Store) release(v *version) {
	s.mu.Lock()
	v.refs--
	var files []*segmentFile
	if !s.closed { // what is closed leaves them to the next start
		files = s.unused()
	} else if !s.inUse() {
		s.files.closeAll()
	}
	s.mu.Unlock()
	s.removeSegments(files)
}

// inUse reports whether anybody holds a version; the lock is held.
func (s *Store) inUse() bool {
	return slices.ContainsFunc(s.versions, func(v *version) bool { return v.refs > 0 })
}

// unused forgets versions that nobody holds and gives the files that went with
// them; the lock is held. A version that is held keeps all later ones: a file
// that it has goes with a later one.
func (s *Store) unused() (files []*segmentFile) {
	for len(s.versions) > 1 && s.versions[0].refs == 0 {
		files = append(files, s.versions[0].gone...)
		s.versions = s.versions[1:]
	}
	return files
}

// removeSegments deletes files of which no version has a part.
func (s *Store) removeSegments(files []*segmentFile) {
	for _, f := range files {
		s.files.forget(f)
		if err := s.fs.Remove(f.name); err != nil {
			// It is no more in the manifest, and goes at the next start.
			s.opts.OnEvent(Event{Kind: EventDeleteError, File: f.name, Err: err})
			continue
		}
		s.removeNotes(f)
		s.opts.OnEvent(Event{Kind: EventDeleted, File: f.name, Bytes: f.bytes})
	}
}

// advance makes an edit durable and the present. also changes what else changes
// at the same moment, under both locks. With an error nothing is changed, but
// it is not known whether the edit is durable: the files that it adds stay until
// another one is.
func (s *Store) advance(e *edit, also func()) error {
	s.manifestLock.Lock()
	defer s.manifestLock.Unlock()
	e.nextFile = s.nextFile.Load()
	if err := s.manifest.commit(e); err != nil {
		s.orphans = append(s.orphans, s.namesOf(e)...)
		return err
	}
	s.tables.Lock()
	s.mu.Lock()
	now := s.versions[len(s.versions)-1]
	s.versions = append(s.versions, now.next(e, s.segments, s.newSegmentFile))
	likely := maps.Clone(s.manifest.state.likeDerived)
	s.likely = likely
	also()
	files := s.unused()
	s.measure()
	s.mu.Unlock()
	s.tables.Unlock()
	s.removeSegments(files)
	for _, name := range s.orphans {
		if err := removeIfThere(s.fs, name); err != nil {
			s.opts.OnEvent(Event{Kind: EventDeleteError, File: name, Err: err})
		}
	}
	s.orphans = nil
	return nil
}

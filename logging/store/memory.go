package store

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// The way of a record: a commit makes it durable and loose, gather moves loose
// records into tables, a flush writes the tables into a segment.
//
//	commit ---> loose ---gather---> memory ---freeze---> frozen ---flush---> version
//	            (log file n)        (tables)             (log files to n)
//
// A view takes all four at one moment. It and gather exclude each other by
// Store.tables; commits only take Store.mu, for a moment.

// loose are the records of one commit that are in no table yet.
type loose struct {
	log  uint64 // number of the log file
	recs []logging.Record
	size int64
	at   time.Time // of the commit
}

// memory is the records of some log files, in tables.
type memory struct {
	tables map[tenant.ID]*segment.Table
	ready  map[tenant.ID]*segment.Table // empty ones that know the shapes of the memory before
	bytes  int64
	rows   int64
	oldest time.Time // commit of the first; zero: there is none
}

// newMemory makes the memory after another; nil: the first.
func newMemory(before *memory) *memory {
	m := &memory{tables: map[tenant.ID]*segment.Table{}, ready: map[tenant.ID]*segment.Table{}}
	if before != nil {
		for id, t := range before.tables {
			m.ready[id] = t.Next()
		}
	}
	return m
}

// gatherMax is how many records are moved at a time: views wait that long.
const gatherMax = 512

// add moves records into their tables; the tables' lock is held.
func (m *memory) add(recs []logging.Record, at time.Time) {
	if len(recs) == 0 {
		return
	}
	if m.oldest.IsZero() {
		m.oldest = at
	}
	m.rows += int64(len(recs))
	for len(recs) > 0 {
		n := 1
		for n < len(recs) && recs[n].Tenant == recs[0].Tenant {
			n++
		}
		id := recs[0].Tenant
		t := m.tables[id]
		if t == nil {
			if t = m.ready[id]; t == nil {
				t = segment.NewTable(id)
			}
			m.tables[id] = t
			m.bytes += tableBytes
		}
		before := t.Bytes()
		t.Append(recs[:n])
		m.bytes += t.Bytes() - before
		recs = recs[n:]
	}
}

// tableBytes is what an empty table takes, about.
const tableBytes = 4096

// gather moves what is loose into tables, but not what came after a flush began.
func (s *Store) gather() {
	s.gathering.Lock()
	defer s.gathering.Unlock()
	for {
		s.tables.Lock()
		s.mu.Lock()
		if len(s.loose) == 0 || s.loose[0].log > s.gatherTo {
			s.mu.Unlock()
			s.tables.Unlock()
			return
		}
		// A commit may be larger than what is moved at a time: its rest stays.
		// Views hold the old slice.
		l := &s.loose[0]
		at, recs := l.at, l.recs
		if len(recs) > gatherMax {
			rest := *l
			rest.recs = recs[gatherMax:]
			s.loose = append([]loose{rest}, s.loose[1:]...)
			recs = recs[:gatherMax]
		} else {
			s.looseBytes -= l.size
			if s.loose = s.loose[1:]; len(s.loose) == 0 {
				s.loose = nil // the array holds records
			}
		}
		s.mu.Unlock()
		s.memory.add(recs, at)
		s.held.Store(s.memory.bytes)
		s.tables.Unlock()
	}
}

// bound keeps what is committed to later log files than that loose for now.
func (s *Store) bound(log uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gatherTo = log
}

// freeze makes what came from log files up to a number the next to be written,
// once the writer has begun the file after it. The caller has kept what comes
// from later ones loose.
func (s *Store) freeze(upTo uint64) {
	s.bound(upTo)
	s.gather()
	s.gathering.Lock()
	defer s.gathering.Unlock()
	s.tables.Lock()
	defer s.tables.Unlock()
	s.frozen, s.frozenTo = s.memory, upTo
	s.memory = newMemory(s.frozen)
	s.frozen.ready = nil
	s.held.Store(0)
	s.frozenHeld.Store(s.frozen.bytes)
	s.bound(math.MaxUint64)
}

// blocks gives the blocks of a tenant in memory; the tables' lock is held.
func (s *Store) blocks(id tenant.ID) []segment.Block {
	var out []segment.Block
	for _, m := range [...]*memory{s.frozen, s.memory} {
		if m == nil {
			continue
		}
		if t := m.tables[id]; t != nil {
			out = append(out, t.Blocks()...)
		}
	}
	return out
}

// sortedTenants gives the tenants of tables in order.
func sortedTenants(tables map[tenant.ID]*segment.Table) []tenant.ID {
	return slices.Sorted(maps.Keys(tables))
}

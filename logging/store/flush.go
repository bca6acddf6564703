package store

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// gatherAlways moves records into tables as they come.
func (s *Store) gatherAlways() {
	for {
		select {
		case <-s.wakeGather:
			s.gather()
			if s.due() {
				wake(s.wakeFlush)
			}
		case <-s.closing:
			return
		}
	}
}

// flushAlways writes tables to segments as they are full or old, and again after
// a failure.
func (s *Store) flushAlways() {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.wakeFlush:
		case <-tick.C:
		case <-s.closing:
			return
		}
		if s.due() {
			if s.flush() == nil {
				wake(s.wakeMerge)
			}
		}
	}
}

// due reports whether it is time for a flush.
func (s *Store) due() bool {
	s.tables.RLock()
	defer s.tables.RUnlock()
	if s.frozen != nil {
		return true
	}
	if s.memory.bytes > s.opts.MemtableBytesMax {
		return true
	}
	return !s.memory.oldest.IsZero() && s.opts.Clock().Sub(s.memory.oldest) > s.opts.MemtableAgeMax
}

// flush writes what has been committed up to now to a segment, and deletes the
// log files that had it. What an earlier flush could not write comes first.
func (s *Store) flush() error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	if s.frozen != nil { // only who flushes changes it
		if err := s.flushed(s.writeFrozen()); err != nil {
			return err
		}
		if !s.due() && !s.opts.idle {
			return nil
		}
	}
	upTo, err := s.cut()
	if err != nil || upTo == 0 {
		s.bound(math.MaxUint64)
		return s.flushed(err)
	}
	s.freeze(upTo)
	return s.flushed(s.writeFrozen())
}

// cut has the writer begin a new log file and gives the last one before it; 0
// where there is nothing in them. What comes from now on stays loose.
func (s *Store) cut() (upTo uint64, err error) {
	s.bound(s.active().number)
	req := &request{rotate: true, answer: make(chan error, 1)}
	s.queue <- req // the writer ends after all flushes
	err = <-req.answer
	s.frozenNext = req.next
	return req.upTo, err
}

// flushed notes how a flush went.
func (s *Store) flushed(err error) error {
	if err == nil {
		s.failing.Store(nil)
		s.relieve()
		return nil
	}
	s.m.flushFailures.Inc()
	if s.failing.Swap(&err) == nil {
		s.opts.OnEvent(Event{Kind: EventFlushError, Err: err})
	}
	s.relieve()
	return err
}

// writeFrozen writes the frozen tables to a segment. With an error everything is as
// before, and it may be called again.
func (s *Store) writeFrozen() error {
	began := time.Now()
	now := s.opts.Clock()
	s.mu.RLock()
	purges := s.purges
	gens := s.gens
	s.mu.RUnlock()
	last := slices.IndexFunc(gens, func(g *generation) bool { return g.logTo == 0 || g.logTo > s.frozenTo })
	if last < 0 {
		last = len(gens)
	}
	gens = gens[:last]

	e := &edit{walFloor: s.frozenTo + 1, nextSeq: s.frozenNext}
	var sources []segment.PartSource
	var gone []purge
	for _, id := range sortedTenants(s.frozen.tables) {
		of, cuts, err := s.sources(id, s.frozen.tables[id].Blocks(), purges, now)
		gone = append(gone, cuts...)
		if err != nil {
			return err
		}
		sources = append(sources, of...)
	}
	rows := 0
	if len(sources) > 0 {
		info, err := s.writeSegment(sources, purges, nil)
		if err != nil {
			return err
		}
		for i := range info.parts {
			rows += info.parts[i].rows
		}
		e.addSegments = append(e.addSegments, info)
	}
	keys := map[hash]keyInfo{}
	for _, g := range gens {
		e.addPurges = append(e.addPurges, g.purges...)
		for id := range g.likeDerived {
			e.likeDerived = append(e.likeDerived, id)
		}
		for h, info := range g.keys {
			if old, ok := keys[h]; !ok || old.at < info.at {
				keys[h] = info
			}
		}
	}
	slices.Sort(e.likeDerived)
	e.likeDerived = slices.Compact(e.likeDerived)
	table, err := s.writeKeys(keys, now)
	if err != nil {
		return errors.Join(err, s.discard(e))
	}
	if table != nil {
		e.addKeys = append(e.addKeys, table.keysInfo)
	}
	if err := s.deletions.note(append(gone, e.addPurges...)); err != nil {
		return errors.Join(err, s.discard(e))
	}
	var logs []*file
	err = s.advance(e, func() {
		s.frozen = nil
		s.frozenHeld.Store(0)
		s.gens = slices.Clone(s.gens[len(gens):]) // else the others stay in memory with it
		n := slices.IndexFunc(s.logs, func(f *file) bool { return f.number > s.frozenTo })
		if n < 0 { // while the log is being read
			n = len(s.logs)
		}
		logs, s.logs = s.logs[:n], slices.Clone(s.logs[n:])
		if table != nil {
			s.keyTables = append(slices.Clip(s.keyTables), table)
		}
	})
	if err != nil {
		return err
	}
	for _, f := range logs {
		// A file that stays is known by the floor at the next start.
		if err := errors.Join(f.f.Close(), s.fs.Remove(f.name)); err != nil {
			s.opts.OnEvent(Event{Kind: EventDeleteError, File: f.name, Err: err})
		}
	}
	s.m.flushes.Inc()
	s.m.flushSeconds.Add(time.Since(began).Seconds())
	s.m.flushRows.Add(float64(rows))
	for _, f := range e.addSegments {
		s.m.flushBytes.Add(float64(f.bytes))
	}
	return nil
}

// sources cuts a tenant's blocks into parts by day, without what is purged and
// what is past its retention: of that cuts tells.
func (s *Store) sources(id tenant.ID, blocks []segment.Block, purges []purge, now time.Time) (_ []segment.PartSource, cuts []purge, _ error) {
	by := map[int32]*segment.PartSource{}
	shorter := s.shorter(id, now)
	purges = append(slices.Clip(purges), shorter...)
	rules := tenantRules(id, math.MinInt64, purges)
	if cut, ok := s.cutoff(id, now); ok {
		rules.Cut = cut
	}
	var out []segment.PartSource
	for _, b := range blocks {
		in := b.Info()
		if in.TimeMax < rules.Cut {
			s.m.dropped.WithLabelValues("retention").Add(float64(in.Rows))
			cuts = append(cuts, cutOff(id, rules.Cut, in.SeqMax))
			continue
		}
		for _, p := range shorter {
			if p.touches(in) {
				p.upTo = in.SeqMax
				cuts = append(cuts, p)
			}
		}
		day := in.Day()
		if by[day] == nil {
			by[day] = &segment.PartSource{Tenant: id, Day: day}
		}
		by[day].Blocks = append(by[day].Blocks, b)
	}
	for _, src := range by {
		var err error
		if src.Blocks, err = s.withoutPurged(src.Blocks, purges); err != nil {
			return nil, nil, err
		}
		if len(src.Blocks) > 0 {
			out = append(out, *src)
		}
	}
	slices.SortFunc(out, func(a, b segment.PartSource) int { return int(a.Day) - int(b.Day) })
	return out, cuts, nil
}

// cutOff is what a tenant's retention took, as a purge for the journal of deletions.
func cutOff(id tenant.ID, before int64, upTo uint64) purge {
	return purge{tenant: id, from: math.MinInt64, to: before, upTo: upTo}
}

// withoutPurged gives blocks without the rows that are purged. Mostly a block
// is purged as a whole or not at all, since it is of one namespace.
func (s *Store) withoutPurged(blocks []segment.Block, purges []purge) ([]segment.Block, error) {
	var out []segment.Block
	for _, b := range blocks {
		in := b.Info()
		some := slices.ContainsFunc(purges, func(p purge) bool { return p.touches(in) })
		if !some {
			out = append(out, b)
			continue
		}
		if slices.ContainsFunc(purges, func(p purge) bool { return p.swallows(in) }) {
			s.m.dropped.WithLabelValues("purge").Add(float64(in.Rows))
			continue
		}
		t := segment.NewTable(in.Tenant)
		var recs []logging.Record
		for row := range in.Rows {
			r, err := b.Record(row)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(purges, func(p purge) bool { return p.covers(&r) }) {
				continue
			}
			recs = append(recs, r)
		}
		s.m.dropped.WithLabelValues("purge").Add(float64(in.Rows - len(recs)))
		if len(recs) > 0 {
			t.Append(recs)
			out = append(out, t.Blocks()...)
		}
	}
	return out, nil
}

// touches reports whether a purge may cover rows of a block, swallows whether it
// covers all of them.
func (p *purge) touches(in *segment.Info) bool {
	return p.tenant == in.Tenant && (p.whole() || p.cluster == in.Cluster && p.namespace == in.Namespace) &&
		in.SeqMin <= p.upTo && in.TimeMax >= p.from && (in.TimeMin < p.to || p.to == math.MaxInt64)
}

func (p *purge) swallows(in *segment.Info) bool {
	return p.touches(in) && in.SeqMax <= p.upTo && in.TimeMin >= p.from && (in.TimeMax < p.to || p.to == math.MaxInt64)
}

// writeSegment makes a durable file of parts; wrap may change how it is written.
func (s *Store) writeSegment(sources []segment.PartSource, purges []purge, wrap func(vfs.File) vfs.File) (info *segmentInfo, err error) {
	number := s.nextFile.Add(1) - 1
	name := filepath.Join(s.dir, segmentName(number))
	f, err := s.fs.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create segment: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write segment %s: %w", name, err), s.fs.Remove(name))
		}
	}()
	to := f
	if wrap != nil {
		to = wrap(f)
	}
	parts, err := segment.Write(to, sources, segment.WriteOptions{Created: s.opts.Clock()})
	if err == nil {
		err = f.Sync()
	}
	var size int64
	if err == nil {
		size, err = f.Size()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := s.fs.SyncDir(s.dir); err != nil {
		return nil, err
	}
	info = &segmentInfo{number: number, bytes: size}
	clean := lastOrdinal(purges)
	for i := range parts {
		info.parts = append(info.parts, partOf(&parts[i], clean))
	}
	return info, nil
}

func partOf(p *segment.PartInfo, clean uint64) partInfo {
	out := partInfo{
		tenant: p.Tenant, day: p.Day, rows: p.Rows, blocks: p.Blocks, given: p.Given,
		tMin: p.TimeMin, tMax: p.TimeMax, seqMin: p.SeqMin, seqMax: p.SeqMax, bytes: p.Length, clean: clean,
	}
	for _, i := range p.Indices {
		out.indices = append(out.indices, indexStat{i.Name, i.Cluster, i.Namespace, i.Docs, i.SourceBytes})
	}
	return out
}

func lastOrdinal(purges []purge) (last uint64) {
	for i := range purges {
		last = max(last, purges[i].ordinal)
	}
	return last
}

// writeKeys makes a table of batch keys; nil where none of them is remembered.
func (s *Store) writeKeys(keys map[hash]keyInfo, now time.Time) (*keyTable, error) {
	entries, tMin, tMax := entriesOf(keys, now)
	if len(entries) == 0 {
		return nil, nil
	}
	number := s.nextFile.Add(1) - 1
	i := 0
	return writeKeyTable(s.fs, s.dir, keysInfo{number: number, count: len(entries), tMin: tMin, tMax: tMax}, func() (keyEntry, bool, error) {
		if i++; i > len(entries) {
			return keyEntry{}, false, nil
		}
		return entries[i-1], true, nil
	})
}

// namesOf gives the files that an edit adds.
func (s *Store) namesOf(e *edit) (names []string) {
	for _, f := range e.addSegments {
		names = append(names, filepath.Join(s.dir, segmentName(f.number)))
	}
	for _, k := range e.addKeys {
		names = append(names, filepath.Join(s.dir, keysName(k.number)))
	}
	return names
}

// discard removes the files of an edit that was never handed to the manifest.
func (s *Store) discard(e *edit) error {
	var errs []error
	for _, name := range s.namesOf(e) {
		errs = append(errs, removeIfThere(s.fs, name))
	}
	return errors.Join(errs...)
}

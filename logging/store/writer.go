package store

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// request is something the writer does: a batch, a purge, or the beginning of a
// new log file.
type request struct {
	batch   logging.Batch
	results []logging.ItemResult // Refused ones are filled in already
	bytes   int
	purge   *purge
	rotate  bool
	upTo    uint64     // answer to rotate: the last log file with records; 0: there are none
	next    uint64     // answer to rotate: the first seq after them
	answer  chan error // one; buffered
}

// write is the writer: the only one that changes files. It ends when the store
// closes, after it has answered everybody.
func (s *Store) write() {
	defer close(s.done)
	var syncs <-chan time.Time
	if s.opts.Durability == Interval {
		t := time.NewTicker(syncEvery)
		defer t.Stop()
		syncs = t.C
	}
	for {
		select {
		case req := <-s.queue:
			s.serve(req)
		case <-syncs:
			s.syncActive()
		case <-s.ending:
			for {
				select {
				case req := <-s.queue:
					s.serve(req)
					continue
				default:
				}
				break
			}
			s.syncActive()
			return
		}
	}
}

// serve takes a request and what else waits, and commits it in one frame.
func (s *Store) serve(req *request) {
	var group []*request
	size := 0
	for req != nil {
		switch {
		case req.rotate:
			s.commit(group)
			group, size = nil, 0
			req.answer <- s.rotate(req)
		case req.purge != nil:
			s.commit(group)
			group, size = nil, 0
			req.answer <- s.commitPurge(req.purge)
		default:
			group = append(group, req)
			size += req.bytes
		}
		req = nil
		if size < groupBytesMax {
			select {
			case req = <-s.queue:
			default:
			}
		}
	}
	s.commit(group)
}

// pending is what a commit will have changed once it is durable, and what it
// was decided by.
type pending struct {
	b       *builder
	ids     map[hash]givenID
	keys    map[hash]keyInfo
	records []logging.Record
	first   uint64
	derived string             // the ids derived from first on
	likely  map[tenant.ID]bool // tenants that give ids of the form of derived ones in this commit

	now    time.Time
	gens   []*generation
	tables keyTables
	old    map[tenant.ID]bool // as likely, of segments
	purges []purge
	look   lookups
}

// begin takes what a commit is decided by.
func (s *Store) begin(group []*request) *pending {
	n := 0
	for _, req := range group {
		n += len(req.batch.Records)
	}
	s.builder.begin(s.nextSeq)
	p := &pending{b: s.builder, first: s.nextSeq, derived: derivedIDs(s.nextSeq, n), records: make([]logging.Record, 0, n), ids: map[hash]givenID{}, keys: map[hash]keyInfo{}, likely: map[tenant.ID]bool{}, now: s.opts.Clock()}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p.gens, p.tables, p.old, p.purges = s.gens, s.keyTables, s.likely, s.purges
	return p
}

// commit makes a group of batches durable and answers them.
func (s *Store) commit(group []*request) {
	if len(group) == 0 {
		return
	}
	if err := s.room(); err != nil {
		for _, req := range group {
			req.answer <- err
		}
		return
	}
	s.lookups.RLock()
	p := s.begin(group)
	var err error
	for _, req := range group {
		if err = s.take(p, req); err != nil {
			break
		}
	}
	s.lookups.RUnlock()
	p.look.close(s)
	// A batch that stored nothing but has a key is remembered too.
	if err == nil && (p.b.records > 0 || len(p.b.batches) > 0) {
		err = s.commitFrame(func(f *file) ([]byte, *frame, error) { return p.b.frame(f.number, f.size, p.now) }, func(f *file, _ *frame) {
			g := s.gens[len(s.gens)-1]
			maps.Copy(g.ids, p.ids)
			maps.Copy(g.keys, p.keys)
			maps.Copy(g.likeDerived, p.likely)
			if len(p.records) > 0 {
				size := int64(p.b.bytes + len(p.records)*recordOverhead)
				s.loose = append(s.loose, loose{log: f.number, recs: p.records, size: size, at: p.now})
				s.looseBytes += size
			}
		})
	}
	if err != nil && s.broken == nil && len(group) > 1 {
		// One of them cannot be taken: the others, of other tenants, are.
		for i := range group {
			s.commit(group[i : i+1])
		}
		return
	}
	if err == nil {
		s.m.records.Add(float64(p.b.records))
		s.m.bytes.Add(float64(p.b.bytes))
		s.tails.Push(p.records)
	}
	for _, req := range group {
		req.answer <- err
	}
	if err == nil {
		wake(s.wakeGather)
	}
}

// take decides what becomes of each record of a batch and adds those to store.
func (s *Store) take(p *pending, req *request) error {
	key := storedKey(req.batch.Key)
	var kh hash
	if key != "" {
		kh = keyHash(key)
		old, known, err := s.knownKey(p, kh)
		if err != nil {
			return err
		}
		if known {
			s.duplicates(req, old)
			return nil
		}
	}
	entry := batchEntry{key: key, first: s.nextSeq, items: len(req.batch.Records)}
	for i := range req.batch.Records {
		res := &req.results[i]
		if res.Status == logging.Refused {
			continue
		}
		at := len(p.records)
		p.records = append(p.records, req.batch.Records[i]) // a copy: the caller's is not changed
		r := &p.records[at]
		r.Received = r.Received.Truncate(time.Millisecond)
		given := r.ID != ""
		if given {
			seq, known, err := s.known(p, r, true)
			if err != nil {
				return err
			}
			if known {
				p.records = p.records[:at]
				s.m.duplicates.WithLabelValues("id").Inc()
				*res = logging.ItemResult{Status: logging.Duplicate, Seq: seq, ID: r.ID}
				continue
			}
		}
		for {
			if s.nextSeq > seqMax {
				return fmt.Errorf("%w: all 2^53 positions are used", logging.ErrUnavailable)
			}
			r.Seq = s.nextSeq
			s.nextSeq++
			if given {
				p.ids[s.seeds.hash(r.Tenant, r.Index, r.ID)] = givenOf(r)
				if _, ok := logging.ParseDerivedID(r.ID); ok {
					p.likely[r.Tenant] = true
				}
				break
			}
			r.ID = p.derivedID(r.Seq)
			if !p.likeDerived(r.Tenant) {
				break
			}
			_, known, err := s.known(p, r, false)
			if err != nil {
				return err
			}
			if !known {
				break
			}
		}
		if entry.stored == 0 {
			entry.first = r.Seq
		}
		entry.stored++
		p.b.add(r, given)
		*res = logging.ItemResult{Status: logging.Stored, Seq: r.Seq, ID: r.ID}
	}
	if entry.stored != entry.items || s.nextSeq != entry.first+uint64(entry.stored) {
		entry.items = 0 // seqs are not consecutive: a repetition is not told them
	}
	if key != "" {
		p.keys[kh] = entry.info(p.now)
	}
	p.b.batches = append(p.b.batches, entry)
	return nil
}

// derivedIDs gives the ids derived from n seqs in one piece of memory.
func derivedIDs(first uint64, n int) string {
	id := []byte(logging.DerivedID(first))
	if len(id) != derivedLen || len(logging.DerivedID(first+uint64(n))) != derivedLen {
		return "" // far beyond what a store lives to see
	}
	b := make([]byte, 0, n*derivedLen)
	for range n {
		b = append(b, id...)
		for i := derivedLen - 1; i >= 0; i-- { // one more, in base 36
			switch id[i]++; id[i] {
			case '9' + 1:
				id[i] = 'a'
			case 'z' + 1:
				id[i] = '0'
				continue
			}
			break
		}
	}
	return string(b)
}

const derivedLen = 11

func (p *pending) derivedID(seq uint64) string {
	if at := (seq - p.first) * derivedLen; at+derivedLen <= uint64(len(p.derived)) {
		return p.derived[at : at+derivedLen]
	}
	return logging.DerivedID(seq)
}

// likeDerived reports whether a tenant has given ids of the form of derived
// ones: then derived ids must be checked too.
func (p *pending) likeDerived(id tenant.ID) bool {
	if p.likely[id] || p.old[id] {
		return true
	}
	for _, g := range p.gens {
		if len(g.likeDerived) > 0 && g.likeDerived[id] {
			return true
		}
	}
	return false
}

// knownKey looks for a batch key of the last 24 h.
func (s *Store) knownKey(p *pending, h hash) (keyInfo, bool, error) {
	if info, ok := p.keys[h]; ok {
		return info, true, nil
	}
	for _, g := range slices.Backward(p.gens) {
		if info, ok := g.keys[h]; ok && info.inTime(p.now) {
			return info, true, nil
		}
	}
	return p.tables.get(h, p.now, s.keysDamaged)
}

// duplicates answers a batch whose key is known.
func (s *Store) duplicates(req *request, old keyInfo) {
	consecutive := int(old.items) == len(req.results)
	for i := range req.results {
		if req.results[i].Status == logging.Refused {
			continue // it was not stored then, either
		}
		res := logging.ItemResult{Status: logging.Duplicate, ID: req.batch.Records[i].ID}
		if consecutive {
			res.Seq = old.first + uint64(i)
			if res.ID == "" {
				res.ID = logging.DerivedID(res.Seq)
			}
		}
		req.results[i] = res
	}
	s.m.duplicates.WithLabelValues("batch").Add(float64(len(req.results)))
}

// known looks for a visible record with the tenant, index and id of r: among
// those of this commit and those that are in no segment yet by the hash of the
// id, in segments by their tables of ids. Where the id was given it may also be
// the one derived for an earlier record.
func (s *Store) known(p *pending, r *logging.Record, given bool) (seq uint64, ok bool, err error) {
	h := s.seeds.hash(r.Tenant, r.Index, r.ID)
	if at, ok := p.ids[h]; ok && !s.hidden(p, r.Tenant, at) {
		return at.seq, true, nil
	}
	for _, g := range slices.Backward(p.gens) {
		if at, ok := g.ids[h]; ok && !s.hidden(p, r.Tenant, at) {
			return at.seq, true, nil
		}
	}
	if seq, ok, err = s.inSegments(p, r); err == nil && !ok && given {
		seq, ok, err = s.derivedFrom(p, r)
	}
	if err != nil {
		return 0, false, fmt.Errorf("%w: look up an id: %w", logging.ErrUnavailable, err)
	}
	return seq, ok, nil
}

// hidden reports whether a record is past its retention or purged.
func (s *Store) hidden(p *pending, id tenant.ID, at givenID) bool {
	if cut, ok := s.cutoff(id, p.now); ok && at.time < cut {
		return true
	}
	covers := func(g purge) bool {
		return g.tenant == id && at.seq <= g.upTo && (g.whole() || at.cluster == g.cluster && at.namespace == g.namespace) &&
			at.time >= g.from && (at.time < g.to || g.to == math.MaxInt64)
	}
	return slices.ContainsFunc(p.purges, covers) || slices.ContainsFunc(s.shorter(id, p.now), covers)
}

// rotate begins a new log file, so that those before can be written to a segment.
func (s *Store) rotate(req *request) error {
	f := s.active()
	req.next = s.nextSeq
	if f.size == headerLen && s.broken == nil {
		// Nothing to rotate: the files before, if there are any, are to be written.
		s.mu.RLock()
		before := len(s.logs) > 1
		s.mu.RUnlock()
		if before {
			req.upTo = f.number - 1
			// What is committed to this file from now on is not to be written with
			// them: it would be read again from the log, and be there twice.
			s.bound(req.upTo)
		}
	} else {
		if err := s.ready(true); err != nil {
			return s.fail(err)
		}
		s.recovered()
		req.upTo = s.active().number - 1
	}
	if req.upTo > 0 {
		s.mu.Lock()
		s.gens[len(s.gens)-1].logTo = req.upTo
		s.gens = append(slices.Clip(s.gens), newGeneration())
		s.mu.Unlock()
	}
	return nil
}

// commitPurge makes a purge durable.
func (s *Store) commitPurge(p *purge) error {
	p.upTo = s.nextSeq - 1
	err := s.commitFrame(func(f *file) ([]byte, *frame, error) {
		b, fr := purgeFrame(p, f.number, f.size, s.opts.Clock())
		return b, fr, nil
	}, func(_ *file, fr *frame) {
		g := s.gens[len(s.gens)-1]
		g.purges = append(g.purges, *fr.purge)
		s.purges = append(slices.Clip(s.purges), *fr.purge)
	})
	if err == nil {
		s.opts.OnEvent(Event{Kind: EventPurged, File: s.active().name})
	}
	return err
}

// commitFrame writes one frame durably and then makes it seen; also changes
// what else is seen with it, under the lock. With an error nothing is changed.
func (s *Store) commitFrame(frame func(*file) ([]byte, *frame, error), also func(*file, *frame)) error {
	began := time.Now()
	if err := s.ready(false); err != nil {
		return s.fail(err)
	}
	f := s.active()
	b, fr, err := frame(f)
	if err != nil {
		return err
	}
	if _, err := f.f.WriteAt(b, f.size); err != nil {
		return s.fail(fmt.Errorf("write log file %s: %w", f.name, err))
	}
	s.dirty = true
	if s.opts.Durability == Sync {
		if err := f.f.Sync(); err != nil {
			return s.fail(fmt.Errorf("sync log file %s: %w", f.name, err))
		}
		s.dirty = false
	}
	s.mu.Lock()
	f.size = fr.end()
	f.lastSeq = max(f.lastSeq, fr.last)
	also(f, fr)
	s.measure()
	s.mu.Unlock()
	s.recovered()
	s.m.commits.Inc()
	s.m.commitTime.Observe(time.Since(began).Seconds())
	return nil
}

// recovered notes that the log can be written again.
func (s *Store) recovered() {
	if s.broken != nil {
		s.broken = nil
		s.m.available.Set(1)
		s.opts.OnEvent(Event{Kind: EventAvailable})
	}
}

// room asks whether the disk has room for records, and tells where that changes.
// Purges are not asked about: they are small, and make room.
func (s *Store) room() error {
	if s.opts.Room == nil {
		return nil
	}
	err := s.opts.Room(0)
	switch {
	case err != nil:
		if !s.full {
			s.m.available.Set(0)
			s.opts.OnEvent(Event{Kind: EventUnavailable, Err: err})
		}
		err = fmt.Errorf("%w: %w", logging.ErrUnavailable, err)
	case s.full && s.broken == nil:
		s.m.available.Set(1)
		s.opts.OnEvent(Event{Kind: EventAvailable})
	}
	s.full = err != nil
	return err
}

// fail notes that the log cannot be written, for whatever reason.
func (s *Store) fail(err error) error {
	if s.broken == nil {
		s.m.available.Set(0)
		s.opts.OnEvent(Event{Kind: EventUnavailable, Err: err})
	}
	s.broken = err
	return fmt.Errorf("%w: %w", logging.ErrUnavailable, err)
}

// ready sees to it that the active file can take a frame: one that a failed
// write may have left bytes in is cut back, and a full one is followed by a new
// one, as any is with rotate.
func (s *Store) ready(rotate bool) error {
	f := s.active()
	if s.broken != nil {
		if err := f.f.Truncate(f.size); err != nil {
			return fmt.Errorf("cut log file %s back after a failed write: %w", f.name, err)
		}
		s.dirty = true
	}
	if !rotate && f.size < s.opts.LogBytesMax && (s.broken == nil || f.size == headerLen) {
		return nil
	}
	if s.dirty {
		if err := f.f.Sync(); err != nil {
			return fmt.Errorf("sync log file %s: %w", f.name, err)
		}
		s.dirty = false
	}
	next, err := createFile(s.fs, s.dir, f.number+1, s.nextSeqFloor(), s.opts.Clock())
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.logs = append(slices.Clip(s.logs), next)
	s.mu.Unlock()
	return nil
}

// nextSeqFloor is the first seq that a new file may hold: that of the commit
// under way has been given out already.
func (s *Store) nextSeqFloor() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	floor := uint64(1)
	for _, f := range s.logs {
		floor = max(floor, f.firstSeq, f.lastSeq+1)
	}
	return floor
}

// syncActive makes what was written durable, for the durabilities that do so later.
func (s *Store) syncActive() {
	if !s.dirty {
		return
	}
	f := s.active()
	if err := f.f.Sync(); err != nil {
		_ = s.fail(errors.Join(fmt.Errorf("sync log file %s", f.name), err)) // counted and reported; nobody waits
		return
	}
	s.dirty = false
}

package store

import (
	"errors"
	"fmt"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// request is something the writer does: a batch, a purge or a sweep.
type request struct {
	batch   logging.Batch
	results []logging.ItemResult // Refused ones are filled in already
	bytes   int
	purge   *purge
	sweep   bool
	answer  chan error // one; buffered
}

// write is the writer: the only one that changes files. It ends when the store
// closes, after it has answered everybody.
func (s *Store) write() {
	defer close(s.done)
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
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
		case <-sweep.C:
			s.sweep()
		case <-s.closing:
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
		case req.sweep:
			req.answer <- s.sweep()
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

// pending is what a commit will have changed once it is durable.
type pending struct {
	b       *builder
	ids     map[hash]givenID
	keys    map[string]batchEntry
	records []logging.Record
}

type givenID struct {
	id  string
	seq uint64
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
	now := s.opts.Clock()
	s.keys.expire(now)
	p := &pending{b: newBuilder(s.nextSeq), ids: map[hash]givenID{}, keys: map[string]batchEntry{}}
	var err error
	for _, req := range group {
		if err = s.take(p, req, now); err != nil {
			break
		}
	}
	// A batch that stored nothing but has a key is remembered too.
	if err == nil && (p.b.records > 0 || len(p.b.batches) > 0) {
		err = s.commitFrame(func(f *file) ([]byte, *frame, error) { return p.b.frame(f.number, f.size, now) }, func() {
			for h, g := range p.ids {
				s.ids.set(h, g.id, g.seq)
			}
		})
	}
	if err == nil {
		for _, e := range p.keys {
			s.keys.set(e, now)
		}
		s.m.records.Add(float64(p.b.records))
		s.m.bytes.Add(float64(p.b.bytes))
		s.tails.Push(p.records)
	}
	for _, req := range group {
		req.answer <- err
	}
}

// take decides what becomes of each record of a batch and adds those to store.
func (s *Store) take(p *pending, req *request, now time.Time) error {
	key := storedKey(req.batch.Key)
	if key != "" {
		old, known := s.keys.get(key, now)
		if e, ok := p.keys[key]; ok {
			old, known = e.info(now), true
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
		r := req.batch.Records[i] // a copy: the caller's is not changed
		given := r.ID != ""
		if given {
			seq, known, err := s.known(p, &r, now)
			if err != nil {
				return err
			}
			if known {
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
				h := s.ids.hash(r.Tenant, r.Index, r.ID)
				p.ids[h] = givenID{r.ID, r.Seq}
				if _, ok := logging.ParseDerivedID(r.ID); ok {
					s.ids.likeDerived = true
				}
				break
			}
			r.ID = logging.DerivedID(r.Seq)
			if !s.ids.likeDerived {
				break
			}
			_, known, err := s.known(p, &r, now)
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
		p.b.add(&r, given)
		p.records = append(p.records, r)
		*res = logging.ItemResult{Status: logging.Stored, Seq: r.Seq, ID: r.ID}
	}
	if entry.stored != entry.items || s.nextSeq != entry.first+uint64(entry.stored) {
		entry.items = 0 // seqs are not consecutive: a repetition is not told them
	}
	if key != "" {
		p.keys[key] = entry
	}
	p.b.batches = append(p.b.batches, entry)
	return nil
}

// duplicates answers a batch whose key is known.
func (s *Store) duplicates(req *request, old keyInfo) {
	consecutive := int(old.items) == len(req.results)
	for i := range req.results {
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

// known looks for a visible record with the tenant, index and id of r.
func (s *Store) known(p *pending, r *logging.Record, now time.Time) (seq uint64, ok bool, err error) {
	h := s.ids.hash(r.Tenant, r.Index, r.ID)
	if g, ok := p.ids[h]; ok {
		return g.seq, true, nil
	}
	if seq, ok := s.ids.at[h]; ok {
		f, sec, err := s.findInFiles(seq, r.Tenant)
		if err != nil {
			return 0, false, err
		}
		if sec != nil {
			if cut, ok := s.cutoff(r.Tenant, now); len(s.purges) == 0 && (!ok || sec.tMin >= cut) {
				return seq, true, nil // nothing could hide it: no need to look
			}
		}
		if ok, err := s.is(f, sec, seq, r, now); ok || err != nil {
			return seq, ok, err
		}
	}
	derived, ok := logging.ParseDerivedID(r.ID)
	if !ok || derived >= s.nextSeq {
		return 0, false, nil
	}
	for i := range p.records { // of this commit
		if q := &p.records[i]; q.Seq == derived && q.ID == r.ID && q.Index == r.Index && q.Tenant == r.Tenant {
			return derived, true, nil
		}
	}
	f, sec, err := s.findInFiles(derived, r.Tenant)
	if err != nil {
		return 0, false, err
	}
	ok, err = s.is(f, sec, derived, r, now)
	return derived, ok, err
}

// is reports whether the record at a place is there, shows, and has r's id and index.
func (s *Store) is(f *file, sec *section, seq uint64, r *logging.Record, now time.Time) (bool, error) {
	if sec == nil {
		return false, nil
	}
	old, err := s.lookup(f, sec, seq)
	if err != nil || old == nil {
		return false, err
	}
	return old.ID == r.ID && old.Index == r.Index && !s.hidden(s.purges, old, now), nil
}

// commitPurge makes a purge durable.
func (s *Store) commitPurge(p *purge) error {
	p.upTo = s.nextSeq - 1
	err := s.commitFrame(func(f *file) ([]byte, *frame, error) {
		b, fr := purgeFrame(p, f.number, f.size, s.opts.Clock())
		return b, fr, nil
	}, func() {})
	if err == nil {
		s.opts.OnEvent(Event{Kind: EventPurged, File: s.active().name})
	}
	return err
}

// commitFrame writes one frame durably and then makes it seen; also changes
// what else is seen with it, under the lock. With an error nothing is changed.
func (s *Store) commitFrame(frame func(*file) ([]byte, *frame, error), also func()) error {
	began := time.Now()
	if err := s.ready(); err != nil {
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
	s.publish(f, fr)
	also()
	s.measure()
	s.mu.Unlock()
	if s.broken != nil {
		s.broken = nil
		s.m.available.Set(1)
		s.opts.OnEvent(Event{Kind: EventAvailable})
	}
	s.m.commits.Inc()
	s.m.commitTime.Observe(time.Since(began).Seconds())
	return nil
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
// write may have left bytes in is cut back, and a full one is followed by a new one.
func (s *Store) ready() error {
	f := s.active()
	if s.broken != nil {
		if err := f.f.Truncate(f.size); err != nil {
			return fmt.Errorf("cut log file %s back after a failed write: %w", f.name, err)
		}
		s.dirty = true
	}
	if f.size < s.opts.SegmentBytesMax && (s.broken == nil || f.size == headerLen) {
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
	// Views hold the old slice.
	s.files = append(s.files[:len(s.files):len(s.files)], next)
	f.coarsen(s.opts.fineSectionsMax)
	s.mu.Unlock()
	return nil
}

// nextSeqFloor is the first seq that a new file may hold: that of the commit
// under way has been given out already.
func (s *Store) nextSeqFloor() uint64 {
	floor := uint64(1)
	for _, f := range s.files {
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

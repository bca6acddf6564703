package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// recover brings the directory in order, as docs/format says under Opening.
func (s *Store) recover() error {
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return err
	}
	// A process that was killed may have left names and bytes that are read now and
	// would be gone if the machine lost power: before anything is done because of
	// them, they are made durable, as the manifest and the last log file are below.
	if err := s.fs.SyncDir(s.dir); err != nil {
		return err
	}
	m, torn, err := openManifest(s.fs, s.dir)
	if err != nil {
		return err
	}
	if torn > 0 {
		s.m.tornBytes.Add(float64(torn))
		s.opts.OnEvent(Event{Kind: EventTornTail, File: manifestName(m.number), Offset: m.size, Bytes: torn})
	}
	if m.mended != nil {
		s.opts.OnEvent(Event{Kind: EventMended, File: manifestName(m.number), Err: m.mended})
	}
	s.manifest = m
	s.nextSeq = m.state.nextSeq
	s.nextFile.Store(m.state.nextFile)
	numbers, err := s.leftovers()
	if err != nil {
		return err
	}
	// Files that turn out to be gone are told when they are read.
	v := s.versions[0]
	s.versions[0] = v.next(&edit{addSegments: m.state.whole().addSegments}, s.segments, s.newSegmentFile)
	s.purges = slices.Clone(m.state.purges)
	s.likely = m.state.whole().likely()
	if err := s.readNotes(); err != nil {
		return err
	}
	if err := s.recoverDeletions(); err != nil {
		return err
	}
	if err := s.recoverKeys(); err != nil {
		return err
	}
	intern := newInterner()
	expected := m.state.walFloor
	for i, n := range numbers {
		if n > expected {
			s.corrupt(Event{File: filepath.Join(s.dir, fileName(expected)), Err: fmt.Errorf("%d log files from this one on are gone", n-expected)})
		}
		expected = n
		f, err := s.recoverFile(n, i == len(numbers)-1, intern)
		if err != nil {
			return err
		}
		if f == nil {
			continue // its number is free again
		}
		expected = n + 1
		s.logs = append(s.logs, f)
		s.nextSeq = max(s.nextSeq, f.firstSeq, f.lastSeq+1)
		if s.memory.bytes > s.opts.MemtableBytesMax && i < len(numbers)-1 && s.frozen == nil {
			// A log of many files is written to segments as it is read. Where the
			// disk is full it stays in memory, as it was before the restart: what is
			// there can be read, and the flushes to come try again.
			_ = s.recoverFlush(n) // counted and told
		}
	}
	s.held.Store(s.memory.bytes)
	if s.opts.Durability != Sync && s.nextSeq > 1 {
		s.nextSeq += seqGap
	}
	if len(s.logs) > 0 {
		return nil // the next commit begins a new one where it is full
	}
	f, err := createFile(s.fs, s.dir, expected, s.nextSeq, s.opts.Clock())
	if err != nil {
		return err
	}
	s.logs = append(s.logs, f)
	return nil
}

// likely gives the tenants of an edit that gave ids of the form of derived ones.
func (e *edit) likely() map[tenant.ID]bool {
	out := map[tenant.ID]bool{}
	for _, id := range e.likeDerived {
		out[id] = true
	}
	return out
}

// leftovers removes what a crash left: log files that are in segments, and
// segments and key tables that are not in the manifest. It gives the log files
// that are to be read.
func (s *Store) leftovers() (numbers []uint64, err error) {
	names, err := s.fs.List(s.dir)
	if err != nil {
		return nil, err
	}
	st := s.manifest.state
	removed := false
	for _, name := range names {
		gone := false
		if n, ok := fileNumber(name); ok {
			if gone = n < st.walFloor; !gone {
				numbers = append(numbers, n)
			}
		} else if n, ok := numbered(name); ok {
			switch {
			case name == segmentName(n):
				gone = st.segments[n] == nil
			case name == keysName(n):
				_, known := st.keys[n]
				gone = !known
			}
			s.nextFile.Store(max(s.nextFile.Load(), n+1))
		}
		if gone {
			removed = true
			if err := removeIfThere(s.fs, filepath.Join(s.dir, name)); err != nil {
				return nil, fmt.Errorf("remove what a crash left: %w", err)
			}
		}
	}
	slices.Sort(numbers)
	if removed {
		return numbers, s.fs.SyncDir(s.dir)
	}
	return numbers, nil
}

// recoverKeys opens the tables of batch keys. One that does not read is told,
// and its keys are forgotten.
func (s *Store) recoverKeys() error {
	for _, info := range s.manifest.state.whole().addKeys {
		t, err := openKeyTable(s.fs, s.dir, info)
		if err != nil {
			t = &keyTable{keysInfo: info, name: filepath.Join(s.dir, keysName(info.number)), fs: s.fs, bad: true}
			t.count = 0 // nothing is looked up in it
			s.keysDamaged(t, err)
		}
		s.keyTables = append(s.keyTables, t)
	}
	slices.SortFunc(s.keyTables, func(a, b *keyTable) int { return int(min(1, max(-1, a.tMax-b.tMax))) })
	return nil
}

// recoverFlush writes what was read of log files up to a number to a segment.
func (s *Store) recoverFlush(upTo uint64) error {
	g := s.gens[len(s.gens)-1]
	g.logTo = upTo
	s.gens = append(s.gens, newGeneration())
	s.frozenNext = s.nextSeq
	s.freeze(upTo)
	// A file to come after those that are written: the floor must not pass the
	// last one.
	return s.flushed(s.writeFrozen())
}

// newInterner gives one copy of strings that come again and again.
func newInterner() func([]byte) string {
	strs := map[string]string{}
	return func(b []byte) string {
		if v, ok := strs[string(b)]; ok {
			return v
		}
		v := string(b)
		strs[v] = v
		return v
	}
}

// recoverFile reads one file; nil where there was nothing in it and it is gone.
func (s *Store) recoverFile(number uint64, last bool, intern func([]byte) string) (*file, error) {
	name := filepath.Join(s.dir, fileName(number))
	in, err := s.fs.Open(name)
	if err != nil {
		return nil, err
	}
	size, err := in.Size()
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	f := &file{number: number, name: name, f: in, size: headerLen}
	f.firstSeq, err = readHeader(in, name, number)
	headerOK := err == nil
	if err != nil && !errors.Is(err, errHeader) {
		return nil, errors.Join(err, in.Close())
	}
	r := &reader{f: in, number: number, size: size, intern: intern}
	if !headerOK {
		next, err := r.next(-1)
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
		if last && next == 0 {
			s.m.tornBytes.Add(float64(size))
			s.opts.OnEvent(Event{Kind: EventTornTail, File: name, Bytes: size})
			return nil, errors.Join(in.Close(), s.remove(name))
		}
		s.corrupt(Event{File: name, Bytes: min(headerLen, size), Err: errHeader})
		f.firstSeq = s.nextSeq
	}
	err = s.recoverFrames(f, r, last)
	if err == nil && last {
		err = in.Sync() // those before were synced when the next one was begun
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read log file %s: %w", name, err), in.Close())
	}
	return f, nil
}

func (s *Store) remove(name string) error {
	if err := removeIfThere(s.fs, name); err != nil {
		return err
	}
	return s.fs.SyncDir(s.dir)
}

func (s *Store) corrupt(e Event) {
	e.Kind = EventCorrupt
	s.m.corrupt.WithLabelValues("log").Inc()
	s.opts.OnEvent(e)
}

// recoverFrames reads the frames of a file, goes on behind what is corrupt, and
// cuts off the torn tail of the last one.
func (s *Store) recoverFrames(f *file, r *reader, last bool) error {
	for at := int64(headerLen); at < r.size; {
		fr, err := r.frame(at)
		var sections [][]logging.Record
		if err == nil {
			// The last frame of all is there as a whole or not at all.
			sections, err = s.sections(f, r, fr, last && fr.end() >= r.size)
		}
		if err == nil {
			s.recoverFrame(f, fr, sections)
			at = fr.end()
			continue
		}
		if !errors.Is(err, errFrame) {
			return err
		}
		next, err := r.next(at)
		if err != nil {
			return err
		}
		if next > 0 {
			s.corrupt(Event{File: f.name, Offset: at, Bytes: next - at, Err: errFrame})
			at = next
			continue
		}
		if !last {
			s.corrupt(Event{File: f.name, Offset: at, Bytes: r.size - at, Err: errFrame})
			return nil
		}
		s.m.tornBytes.Add(float64(r.size - at))
		s.opts.OnEvent(Event{Kind: EventTornTail, File: f.name, Offset: at, Bytes: r.size - at})
		// The next frame is written behind the last good one.
		f.size = at
		return f.f.Truncate(at)
	}
	f.size = max(r.size, headerLen)
	return nil
}

// sections reads the records of a frame. A section that does not check is left
// out and told; with whole it is an error.
func (s *Store) sections(f *file, r *reader, fr *frame, whole bool) ([][]logging.Record, error) {
	out := make([][]logging.Record, len(fr.sections))
	for i := range fr.sections {
		sec := &fr.sections[i]
		recs, err := r.records(sec)
		switch {
		case err == nil:
			out[i] = recs
		case !errors.Is(err, errFrame) || whole:
			return nil, err
		default:
			s.corrupt(Event{File: f.name, Offset: sec.offset, Bytes: int64(sec.length), Err: err})
		}
	}
	return out, nil
}

// recoverFrame takes a frame in: its records, its batches, and the ids given in it.
func (s *Store) recoverFrame(f *file, fr *frame, sections [][]logging.Record) {
	g := s.gens[len(s.gens)-1]
	at := time.Unix(0, fr.committed)
	for i, recs := range sections {
		if fr.sections[i].given > 0 {
			for j := range recs {
				if r := &recs[j]; r.ID != logging.DerivedID(r.Seq) {
					g.note(s.seeds.hash(r.Tenant, r.Index, r.ID), r)
				}
			}
		}
		s.memory.add(recs, at)
	}
	now := s.opts.Clock()
	for _, e := range fr.batches {
		if info := e.info(at); e.key != "" && info.inTime(now) {
			g.keys[keyHash(e.key)] = info
		}
	}
	if fr.purge != nil {
		g.purges = append(g.purges, *fr.purge)
		s.purges = append(s.purges, *fr.purge)
	}
	f.size = fr.end()
	f.lastSeq = max(f.lastSeq, fr.last)
	s.m.replayed.Add(float64(fr.records()))
}

// records is the number of records of a frame.
func (f *frame) records() (n int) {
	for i := range f.sections {
		n += f.sections[i].count
	}
	return n
}

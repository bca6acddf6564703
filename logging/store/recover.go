package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// recover reads the directory, as docs/format/wal.md says under Opening.
func (s *Store) recover() error {
	if err := s.fs.MkdirAll(s.dir); err != nil {
		return err
	}
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := fileNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	intern := newInterner()
	for i, n := range numbers {
		f, err := s.recoverFile(n, i == len(numbers)-1, intern)
		if err != nil {
			return err
		}
		if f != nil {
			if i < len(numbers)-1 {
				f.coarsen(s.opts.fineSectionsMax)
			}
			s.files = append(s.files, f)
			s.nextSeq = max(s.nextSeq, f.firstSeq, f.lastSeq+1)
		}
	}
	if s.opts.Durability != Sync && s.nextSeq > 1 {
		s.nextSeq += seqGap
	}
	if len(s.files) > 0 && s.active().size < s.opts.SegmentBytesMax && !s.active().coarse {
		return nil
	}
	number := uint64(1)
	if len(numbers) > 0 {
		number = numbers[len(numbers)-1] + 1
	}
	f, err := createFile(s.fs, s.dir, number, s.nextSeq, s.opts.Clock())
	if err != nil {
		return err
	}
	s.files = append(s.files, f)
	return nil
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
	f := &file{number: number, name: name, f: in, size: headerLen, refs: 1}
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
	if err := s.recoverFrames(f, r, last); err != nil {
		return nil, errors.Join(fmt.Errorf("read log file %s: %w", name, err), in.Close())
	}
	return f, nil
}

func (s *Store) remove(name string) error {
	if err := s.fs.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return s.fs.SyncDir(s.dir)
}

func (s *Store) corrupt(e Event) {
	e.Kind = EventCorrupt
	s.m.corrupt.Inc()
	s.opts.OnEvent(e)
}

// recoverFrames reads the frames of a file, goes on behind what is corrupt, and
// cuts off the torn tail of the last one.
func (s *Store) recoverFrames(f *file, r *reader, last bool) error {
	for at := int64(headerLen); at < r.size; {
		fr, err := r.frame(at, last)
		if err == nil {
			err = s.recoverFrame(f, r, fr)
		}
		if err == nil {
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
			f.damaged.Store(at, true) // it is told
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
		if err := f.f.Truncate(at); err != nil {
			return err
		}
		return f.f.Sync()
	}
	f.size = max(r.size, headerLen)
	return nil
}

// recoverFrame takes a frame in: what it holds, its batches, and the ids given in it.
func (s *Store) recoverFrame(f *file, r *reader, fr *frame) error {
	for i := range fr.sections {
		sec := &fr.sections[i]
		if sec.given == 0 {
			continue
		}
		b, err := r.read(sec.offset, int(sec.length))
		if err != nil {
			return err
		}
		d := newDecoder(b, sec.tenant, sec.frameFirst)
		for d.next() {
			if d.id != nil {
				id := string(d.id)
				s.ids.set(s.ids.hash(sec.tenant, d.shared.Index, id), id, d.seq)
			}
		}
		if d.err() != nil {
			return errFrame
		}
	}
	at := time.Unix(0, fr.committed)
	if s.opts.Clock().Sub(at) < keysKept {
		for _, e := range fr.batches {
			s.keys.set(e, at)
		}
	}
	s.publish(f, fr)
	return nil
}

// readSection gives a section's bytes, checked. What does not check is reported
// once; ok is false then.
func (s *Store) readSection(f *file, sec *section) (b []byte, ok bool, err error) {
	if _, bad := f.damaged.Load(sec.offset); bad {
		return nil, false, nil
	}
	b = make([]byte, sec.length)
	if _, err := f.f.ReadAt(b, sec.offset); err != nil {
		return nil, false, fmt.Errorf("%w: read log file %s: %w", logging.ErrUnavailable, f.name, err)
	}
	if checksum(b) != sec.crc {
		s.damage(f, sec, errFrame)
		return nil, false, nil
	}
	return b, true, nil
}

func (s *Store) damage(f *file, sec *section, err error) {
	if _, known := f.damaged.LoadOrStore(sec.offset, true); !known {
		s.corrupt(Event{File: f.name, Offset: sec.offset, Bytes: int64(sec.length), Err: err})
	}
}

package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/oriel-project/oriel/logging/scan"
	"github.com/oriel-project/oriel/logging/segment"
)

// What does not read is left out: a block, or a part whose index does not read.
// It is told once, counted, and noted in a file of quarantine/, which also keeps
// the part from being merged after a restart, so that what is whole of it stays
// as long as its records do.

const quarantineDir = "quarantine"

// noteName names the note of a part.
func noteName(file uint64, part int) string { return fmt.Sprintf("%08d-%d.txt", file, part) }

func (s *Store) quarantine() string { return filepath.Join(s.dir, quarantineDir) }

// seen is the parts that a search opened.
type seen struct {
	mu    sync.Mutex // guards parts
	parts []*part
}

// openFor opens a part for a search. One whose index is known not to read is
// empty.
func (s *Store) openFor(p *part, seen *seen) (scan.Part, error) {
	seen.mu.Lock()
	seen.parts = append(seen.parts, p)
	seen.mu.Unlock()
	p.badMu.Lock()
	_, whole := p.bad[-1]
	p.badMu.Unlock()
	if whole {
		return scan.Blocks(nil), nil
	}
	of, err := s.openPart(p)
	if err != nil {
		return nil, err
	}
	return scanPart{of, p}, nil
}

func (s *Store) openPart(p *part) (*segment.Part, error) {
	f, err := s.files.open(p.file)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", p.file.name, err)
	}
	if p.index >= len(f.Parts()) {
		return nil, fmt.Errorf("segment %s: %w", p.file.name, &segment.Damage{Part: p.index, Block: -1, Err: fmt.Errorf("%w: it has %d parts", segment.ErrCorrupt, len(f.Parts()))})
	}
	of, err := f.Part(p.index)
	if err != nil {
		return nil, fmt.Errorf("segment %s: %w", p.file.name, err)
	}
	return of, nil
}

// scanPart is a part of a segment without the blocks that do not read.
type scanPart struct {
	*segment.Part
	of *part
}

// nothing is what is left of a block that does not read.
var nothing segment.Info

// BlockInfo implements scan.Part.
func (p scanPart) BlockInfo(i int) *segment.Info {
	if p.of.isBad(i) {
		return &nothing
	}
	return p.Part.BlockInfo(i)
}

// FindGiven implements scan.Part.
func (p scanPart) FindGiven(index, id string) (block, row int, ok bool, err error) {
	block, row, ok, err = p.Part.FindGiven(index, id)
	return block, row, ok && !p.of.isBad(block), err
}

func (p *part) isBad(block int) bool {
	if !p.damaged.Load() {
		return false
	}
	p.badMu.Lock()
	defer p.badMu.Unlock()
	return p.bad[block]
}

// spareBlock finds what of the parts that were opened does not read, where that
// was the error, and notes it: then it is worth trying again.
func (s *Store) spareBlock(seen *seen, err error) bool {
	if !errors.Is(err, segment.ErrCorrupt) {
		return false
	}
	var damage *segment.Damage
	found := false
	for _, p := range seen.parts {
		if errors.As(err, &damage) && damage.Part >= 0 && damage.Part != p.index {
			continue
		}
		for _, bad := range s.unreadable(p) {
			if s.damage(p, bad) {
				found = true
			}
		}
	}
	return found
}

// unreadable gives what is wrong with a part: its index, or blocks of it.
func (s *Store) unreadable(p *part) (out []*segment.Damage) {
	note := func(block int, err error) {
		var d *segment.Damage
		if !errors.Is(err, segment.ErrCorrupt) {
			return
		}
		if !errors.As(err, &d) {
			d = &segment.Damage{Err: err}
		}
		out = append(out, &segment.Damage{Part: p.index, Block: block, Column: d.Column, Err: d.Err})
	}
	of, err := s.openPart(p)
	if err != nil {
		note(-1, err)
		return out
	}
	if p.given > 0 {
		if _, _, _, err := of.FindGiven("", ""); err != nil {
			note(-1, err)
			return out
		}
	}
	for i := range of.Len() {
		if p.isBad(i) {
			continue
		}
		if err := readBlock(of.Block(i)); err != nil {
			note(i, err)
		}
	}
	return out
}

// readBlock decodes all of a block.
func readBlock(b segment.Block) error {
	in := b.Info()
	var errs []error
	_, err := b.Times()
	errs = append(errs, err)
	_, err = b.Seqs()
	errs = append(errs, err)
	_, err = b.Received()
	errs = append(errs, err)
	for s := segment.StampPod; s <= segment.StampID; s++ {
		_, err := b.Stamped(s)
		errs = append(errs, err)
	}
	if in.Shape != nil {
		for i := range in.Shape.Holes() {
			_, err := b.Own(i)
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = b.Counts()
	if err != nil {
		return err
	}
	_, err = b.Record(0)
	return err
}

// damage notes that a block or a whole part does not read; was it known, it
// reports false.
func (s *Store) damage(p *part, d *segment.Damage) bool {
	p.badMu.Lock()
	if p.bad[d.Block] {
		p.badMu.Unlock()
		return false
	}
	if p.bad == nil {
		p.bad = map[int]bool{}
	}
	p.bad[d.Block] = true
	p.damaged.Store(true)
	p.badMu.Unlock()
	s.m.corrupt.WithLabelValues("segment").Inc()
	s.opts.OnEvent(Event{Kind: EventCorrupt, File: p.file.name, Offset: int64(p.index), Err: d})
	// Without the note it is found again after a restart.
	_ = s.note(p, d)
	return true
}

// note writes down what is wrong with a part, for people and for the next start.
func (s *Store) note(p *part, d *segment.Damage) error {
	if err := s.fs.MkdirAll(s.quarantine()); err != nil {
		return err
	}
	name := filepath.Join(s.quarantine(), noteName(p.file.number, p.index))
	f, err := s.fs.Create(name)
	if err != nil {
		if f, err = s.fs.Open(name); err != nil {
			return err
		}
	}
	at, err := f.Size()
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%s: tenant %s, day %d: %v\n", filepath.Base(p.file.name), p.tenant, p.day, d), at)
	}
	return errors.Join(err, f.Sync(), f.Close(), s.fs.SyncDir(s.quarantine()))
}

// readNotes keeps noted parts from being merged.
func (s *Store) readNotes() error {
	names, err := s.fs.List(s.quarantine())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		text, ok := strings.CutSuffix(name, ".txt")
		number, index, ok2 := strings.Cut(text, "-")
		n, err1 := strconv.ParseUint(number, 10, 64)
		i, err2 := strconv.Atoi(index)
		if !ok || !ok2 || err1 != nil || err2 != nil || noteName(n, i) != name {
			continue
		}
		f := s.segments[n]
		if f == nil { // its file is gone
			if err := removeIfThere(s.fs, filepath.Join(s.quarantine(), name)); err != nil {
				return err
			}
			continue
		}
		if i >= 0 && i < len(f.parts) {
			f.parts[i].damaged.Store(true)
		}
	}
	return nil
}

// removeNotes removes the notes of a file that is gone.
func (s *Store) removeNotes(f *segmentFile) {
	for _, p := range f.parts {
		if p.damaged.Load() {
			// One that stays goes at the next start.
			_ = s.fs.Remove(filepath.Join(s.quarantine(), noteName(f.number, p.index)))
		}
	}
}

// keysDamaged tells once that a key table does not read. Its keys are forgotten.
func (s *Store) keysDamaged(t *keyTable, err error) {
	s.mu.Lock()
	known := t.told
	t.told, t.bad = true, t.bad || errors.Is(err, errKeys)
	s.mu.Unlock()
	if known {
		return
	}
	s.m.corrupt.WithLabelValues("keys").Inc()
	s.opts.OnEvent(Event{Kind: EventCorrupt, File: t.name, Err: err})
}

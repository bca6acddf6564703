package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/oriel-project/oriel/internal/colenc"
	"github.com/oriel-project/oriel/internal/iddict"
	"github.com/oriel-project/oriel/internal/text"
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

// Places in a part beside its blocks.
const (
	wholePart = -1 // its index does not read
	beside    = -2 // a table beside the blocks, which a query can do without
)

// seen is the parts that a query opened, and those it goes on without.
type seen struct {
	mu    sync.Mutex // guards what follows
	parts []*part
	skip  map[*part]bool
}

// openFor opens a part for a query. One that cannot be read is empty.
func (s *Store) openFor(p *part, seen *seen) (scan.Part, error) {
	seen.mu.Lock()
	seen.parts = append(seen.parts, p)
	skip := seen.skip[p]
	seen.mu.Unlock()
	if skip || p.isBad(wholePart) {
		return scan.Blocks(nil), nil
	}
	of, err := s.openPart(p)
	if err != nil {
		return nil, err
	}
	return scanPart{of.Through(s.columns), p, s}, nil
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
	*segment.CachedPart
	of *part
	s  *Store
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

// FindID implements scan.Part. Where the dictionary does not say it, any block
// may have the id.
func (p scanPart) FindID(text string) (blocks []uint32, known bool, err error) {
	blocks, known, err = p.Part.FindID(text)
	if !isCorrupt(err) {
		return blocks, known, err
	}
	p.s.damage(p.of, beside, err)
	for i := range p.Len() {
		blocks = append(blocks, uint32(i))
	}
	return blocks, true, nil
}

// FindGiven implements scan.Part. Where the table of ids does not say it, the
// blocks are looked at.
func (p scanPart) FindGiven(index, id string) (block, row int, ok bool, err error) {
	block, row, ok, err = p.Part.FindGiven(index, id)
	if err == nil {
		return block, row, ok && !p.of.isBad(block), nil
	}
	if d := (*segment.Damage)(nil); !isCorrupt(err) || errors.As(err, &d) && d.Block >= 0 && !p.of.isBad(d.Block) {
		return 0, 0, false, err
	}
	p.s.damage(p.of, beside, err)
	for i := range p.Len() {
		in := p.BlockInfo(i)
		if in.Given == 0 || in.Index != index {
			continue
		}
		c, err := p.Block(i).Stamped(segment.StampID)
		if err != nil {
			return 0, 0, false, err
		}
		for row := range c.N {
			if c.String(row) == id {
				return i, row, true, nil
			}
		}
	}
	return 0, 0, false, nil
}

// isCorrupt tells bytes that are not what was written from a disk that cannot be
// read just now.
func isCorrupt(err error) bool {
	for _, corrupt := range [...]error{segment.ErrCorrupt, iddict.ErrCorrupt, text.ErrCorrupt, colenc.ErrCorrupt} {
		if errors.Is(err, corrupt) {
			return true
		}
	}
	return false
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
	if !isCorrupt(err) {
		return false
	}
	var d *segment.Damage
	parts := slices.DeleteFunc(seen.parts, func(p *part) bool {
		return errors.As(err, &d) && d.Part >= 0 && d.Part != p.index
	})
	seen.parts = nil
	found := false
	for _, p := range parts {
		found = s.findDamage(p) || found
	}
	if found {
		return true
	}
	// It is something that only this query needs: it goes on without the parts
	// that it may be in.
	for _, p := range parts {
		if seen.skip[p] {
			continue
		}
		if seen.skip == nil {
			seen.skip = map[*part]bool{}
		}
		seen.skip[p], found = true, true
		s.damage(p, beside, err)
	}
	return found
}

// findDamage reads all of a part, and notes what does not read and was not known.
func (s *Store) findDamage(p *part) (found bool) {
	of, err := s.openPart(p)
	if err != nil {
		return isCorrupt(err) && s.damage(p, wholePart, err)
	}
	for i := range of.Len() {
		if p.isBad(i) {
			continue
		}
		if err := readBlock(of.Block(i)); isCorrupt(err) {
			found = s.damage(p, i, err) || found
		}
	}
	return found
}

// readBlock decodes all of a block.
func readBlock(b segment.Block) error {
	in := b.Info()
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	column := func(c *segment.Column, err error) {
		if err == nil && c.Kind == segment.KindText {
			c.Text.AppendAll(nil, nil)
			err = c.Text.Err()
		}
		note(err)
	}
	_, err := b.Times()
	note(err)
	_, err = b.Seqs()
	note(err)
	_, err = b.Received()
	note(err)
	_, err = b.Counts(nil)
	note(err)
	for s := segment.StampPod; s <= segment.StampID; s++ {
		column(b.Stamped(s))
	}
	if in.Shape != nil {
		for i := range in.Shape.Holes() {
			column(b.Own(i))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for row := range in.Rows { // dictionaries of ids, and the documents
		if _, err := b.Record(row); err != nil {
			return err
		}
	}
	return nil
}

// damage notes what of a part does not read: a block, wholePart, or beside; was
// it known, it reports false.
func (s *Store) damage(p *part, place int, err error) bool {
	p.badMu.Lock()
	if p.bad[place] {
		p.badMu.Unlock()
		return false
	}
	if p.bad == nil {
		p.bad = map[int]bool{}
	}
	p.bad[place] = true
	p.damaged.Store(true)
	p.badMu.Unlock()
	s.m.corrupt.WithLabelValues("segment").Inc()
	s.opts.OnEvent(Event{Kind: EventCorrupt, File: p.file.name, Offset: int64(p.index), Err: err})
	// Without the note it is found again after a restart.
	_ = s.note(p, err)
	return true
}

// note writes down what is wrong with a part, for people and for the next start.
func (s *Store) note(p *part, d error) error {
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

package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// The format of docs/format/deleted.md.
const (
	deletedVersion  = 1
	deletedMagic    = "ORIELDEL"
	deletedPrefix   = "DELETED-"
	deletedSlackMin = 1 << 20 // edits behind the first one before a new file is begun
)

func deletedName(number uint64) string { return fmt.Sprintf("%s%08d", deletedPrefix, number) }

func deletedNumber(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, deletedPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return n, err == nil && n > 0 && deletedName(n) == name
}

// deletions is the journal of what was deleted while its bytes may still lie in a
// file of several parts. Nothing but rebuilding a lost manifest reads it: without it
// a rebuilt one would bring deleted records back. Safe for concurrent use.
type deletions struct {
	fs  vfs.FS
	dir string

	mu     sync.Mutex // guards what follows
	number uint64     // the highest that a file had
	f      vfs.File   // nil: there is none yet
	since  uint64     // deletions in files with a lower number may be missing
	purges map[uint64]purge
	cuts   map[cutOf][]purge // with earlier and earlier to, and higher and higher upTo
	size   int64
	first  int64 // size with the first edit
	edits  uint64
	broken bool // the last write failed: begin anew
}

// cutOf is what retention is of: a tenant, or with a cluster and namespace that.
type cutOf struct {
	tenant             tenant.ID
	cluster, namespace string
}

var errDeleted = errors.New("journal of deletions does not read")

// loadDeletions reads the newest journal of a directory and changes nothing: its
// file is open. The error wraps os.ErrNotExist where there is none.
func loadDeletions(fs vfs.FS, dir string) (d *deletions, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, name := range names {
		if n, ok := deletedNumber(name); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	err = os.ErrNotExist
	for _, n := range slices.Backward(numbers) {
		if d, err = readDeletions(fs, dir, n); !errors.Is(err, errTornManifest) {
			return d, err
		}
		err = os.ErrNotExist // it was being begun when the power went
	}
	return nil, err
}

func readDeletions(fs vfs.FS, dir string, number uint64) (_ *deletions, err error) {
	name := filepath.Join(dir, deletedName(number))
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > editBytesMax {
		return nil, fmt.Errorf("%s: %w: %d bytes", name, errDeleted, size)
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	d := newDeletions(fs, dir)
	if err := d.parse(b[:n], number); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d.f, d.number = f, number
	return d, nil
}

func newDeletions(fs vfs.FS, dir string) *deletions {
	return &deletions{fs: fs, dir: dir, purges: map[uint64]purge{}, cuts: map[cutOf][]purge{}}
}

// parse reads the bytes of a journal; an edit at the end that was not completed is
// left out.
func (d *deletions) parse(b []byte, number uint64) error {
	le := binary.LittleEndian
	if len(b) < headerLen {
		return errTornManifest
	}
	if string(b[:8]) != deletedMagic || le.Uint32(b[60:]) != checksum(b[:60]) || le.Uint64(b[16:]) != number {
		return fmt.Errorf("%w: its header does not check", errDeleted)
	}
	if v := le.Uint32(b[8:]); v > deletedVersion {
		return fmt.Errorf("journal of deletions has format version %d and this Oriel reads up to %d: run the Oriel that wrote it, or a newer one", v, deletedVersion)
	}
	d.since = le.Uint64(b[24:])
	intern := newInterner()
	for at := int64(headerLen); at < int64(len(b)); {
		payload, ok := editAt(b, at, d.edits+1)
		if !ok {
			if nextEdit(b, at+1, d.edits+1) > 0 {
				return fmt.Errorf("%w: the edit at %d does not check", errDeleted, at)
			}
			break
		}
		e, err := decodeEdit(payload, intern)
		if err != nil {
			return fmt.Errorf("%w: the edit at %d: %w", errDeleted, at, err)
		}
		d.take(e.addPurges)
		at += editPreludeLen + int64(len(payload))
		if d.edits++; d.edits == 1 {
			d.first = at
		}
		d.size = at
	}
	if d.edits == 0 {
		return errTornManifest
	}
	return nil
}

// isCut reports whether a purge is what retention left out, and not somebody's wish.
func (p *purge) isCut() bool { return p.ordinal == 0 }

// take adds what is news, and gives it.
func (d *deletions) take(purges []purge) (news []purge) {
	for i := range purges {
		p := purges[i]
		if !p.isCut() {
			if _, known := d.purges[p.ordinal]; !known {
				d.purges[p.ordinal] = p
				news = append(news, p)
			}
			continue
		}
		of := cutOf{p.tenant, p.cluster, p.namespace}
		if slices.ContainsFunc(d.cuts[of], func(old purge) bool { return old.to >= p.to && old.upTo >= p.upTo }) {
			continue
		}
		// What came before an earlier cut had passed this one, too. A later cut is of
		// a retention that was made longer: what came since does not fall under it.
		d.cuts[of] = slices.DeleteFunc(d.cuts[of], func(old purge) bool {
			if old.to <= p.to {
				p.upTo = max(p.upTo, old.upTo)
			}
			return old.to <= p.to
		})
		d.cuts[of] = append(d.cuts[of], p)
		news = append(news, p)
	}
	return news
}

// note makes deletions durable, before they are carried out.
func (d *deletions) note(purges []purge) error {
	if len(purges) == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	news := d.take(purges)
	if d.broken || d.size-d.first > max(deletedSlackMin, d.first) {
		return d.begin()
	}
	if len(news) == 0 {
		return nil
	}
	b := encodeEdit(&edit{addPurges: news}, d.edits+1)
	d.broken = true // what is written down in memory is written with the next attempt
	name := deletedName(d.number)
	if _, err := d.f.WriteAt(b, d.size); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err := d.f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", name, err)
	}
	d.broken = false
	d.size += int64(len(b))
	d.edits++
	return nil
}

// all gives what is known, purges by ordinal and then cuts.
func (d *deletions) all() (out []purge) {
	for _, n := range slices.Sorted(maps.Keys(d.purges)) {
		out = append(out, d.purges[n])
	}
	for _, of := range d.cuts {
		out = append(out, of...)
	}
	slices.SortStableFunc(out[len(d.purges):], func(a, b purge) int {
		return strings.Compare(string(a.tenant)+"\n"+a.cluster+"\n"+a.namespace, string(b.tenant)+"\n"+b.cluster+"\n"+b.namespace)
	})
	return out
}

// begin begins a new file with all that is known, and removes the one before.
func (d *deletions) begin() error {
	number := d.number + 1
	name := filepath.Join(d.dir, deletedName(number))
	h := make([]byte, headerLen)
	le := binary.LittleEndian
	copy(h, deletedMagic)
	le.PutUint32(h[8:], deletedVersion)
	le.PutUint64(h[16:], number)
	le.PutUint64(h[24:], d.since)
	le.PutUint32(h[60:], checksum(h[:60]))
	b := append(h, encodeEdit(&edit{addPurges: d.all()}, 1)...)
	if err := removeIfThere(d.fs, name); err != nil {
		return fmt.Errorf("remove what an attempt left of %s: %w", name, err)
	}
	f, err := d.fs.Create(name)
	if err != nil {
		return fmt.Errorf("begin %s: %w", name, err)
	}
	_, err = f.WriteAt(b, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.fs.SyncDir(d.dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin %s: %w", name, err), f.Close(), removeIfThere(d.fs, name))
	}
	before, beforeName := d.f, filepath.Join(d.dir, deletedName(d.number))
	d.f, d.number, d.size, d.first, d.edits, d.broken = f, number, int64(len(b)), int64(len(b)), 1, false
	if before != nil {
		_ = before.Close()
		// Were it still there at the next start, it would be removed then.
		_ = removeIfThere(d.fs, beforeName)
	}
	return nil
}

func (d *deletions) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.f == nil {
		return nil
	}
	return d.f.Close()
}

// recoverDeletions opens the journal, or begins one, and forgets what cannot
// concern any file that is there. It is no reason not to start: one that does not
// read is begun anew, with what the manifest knows.
func (s *Store) recoverDeletions() error {
	d, err := loadDeletions(s.fs, s.dir)
	known := -1
	if err = lost(err); err == nil {
		known = len(d.all())
	} else {
		switch {
		case errors.Is(err, os.ErrNotExist): // of an Oriel that did not keep one
		case errors.Is(err, errDeleted) || errors.Is(err, segment.ErrCorrupt):
			s.m.corrupt.WithLabelValues("deleted").Inc()
			s.opts.OnEvent(Event{Kind: EventCorrupt, File: deletedPrefix + "*", Err: err})
		default:
			return err
		}
		d = newDeletions(s.fs, s.dir)
		d.since = s.nextFile.Load()
	}
	s.deletions = d
	names, err := s.fs.List(s.dir)
	if err != nil {
		return err
	}
	number := d.number
	var old []string
	for _, name := range names {
		if n, ok := deletedNumber(name); ok && (d.f == nil || n != d.number) {
			number = max(number, n)
			old = append(old, name)
		}
	}
	news := d.take(s.manifest.state.purges)
	d.forget(s.segments, s.manifest.state.purges)
	if d.f != nil && len(news) == 0 && len(d.all()) == known && len(old) == 0 {
		size, err := d.f.Size()
		if err == nil && size > d.size {
			err = d.f.Truncate(d.size)
		}
		if err == nil {
			err = d.f.Sync() // a killed process may have left it unsynced
		}
		return err
	}
	if d.f == nil {
		d.number = number
	}
	if d.broken = d.begin() != nil; d.broken {
		return nil // on a full disk, say: it is tried again with the next deletion
	}
	for _, name := range old {
		if err := removeIfThere(s.fs, filepath.Join(s.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// forget leaves out what has nothing left that it could concern: no part, be it
// dropped, of a file that is there. What the manifest has may concern the log.
func (d *deletions) forget(files map[uint64]*segmentFile, inManifest []purge) {
	concerns := func(p purge) bool {
		for _, f := range files {
			for _, of := range f.parts {
				if of.tenant == p.tenant && (p.isCut() || of.clean < p.ordinal) && of.seqMin <= p.upTo &&
					of.tMax >= p.from && (of.tMin < p.to || p.to == math.MaxInt64) {
					return true
				}
			}
		}
		return false
	}
	maps.DeleteFunc(d.purges, func(n uint64, p purge) bool {
		return !concerns(p) && !slices.ContainsFunc(inManifest, func(q purge) bool { return q.ordinal == n })
	})
	for of, cuts := range d.cuts {
		if d.cuts[of] = slices.DeleteFunc(cuts, func(p purge) bool { return !concerns(p) }); len(d.cuts[of]) == 0 {
			delete(d.cuts, of)
		}
	}
}

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// With thousands of tenants in each commit the sections are small, and an index
// of them in memory would be as large as the log itself. So only the file that
// is written to is indexed section by section. Of the others with many sections
// one is kept for each tenant, which stands for all of its sections there; the
// rest is read from the frames' directories when somebody asks.
const (
	fineSectionsMax = 4096     // a file with no more stays as it is
	markEvery       = 64 << 10 // bytes between the frames whose places are kept
)

// mark is where a frame begins. After a hole in the file there is always one.
type mark struct {
	offset int64
	first  uint64 // seq of the frame
}

// mark notes where the frame begins that is published next; the lock is held.
func (f *file) mark(fr *frame) {
	if n := len(f.marks); n == 0 || fr.offset != f.size || fr.offset-f.marks[n-1].offset >= markEvery {
		f.marks = append(f.marks, mark{fr.offset, fr.first})
	}
}

// coarsen gives the index of more sections than so many up. The file is not
// written to any more; the lock is held.
func (f *file) coarsen(fineMax int) {
	if f.coarse || len(f.sections) <= fineMax {
		return
	}
	by := map[tenant.ID]*section{}
	for i := range f.sections {
		s := &f.sections[i]
		all := by[s.tenant]
		if all == nil {
			one := *s
			one.offset, one.length, one.crc = 0, 0, 0
			one.indices = slices.Clone(s.indices)
			by[s.tenant] = &one
			continue
		}
		all.count += s.count
		all.given += s.given
		all.frameFirst, all.frameLast = min(all.frameFirst, s.frameFirst), max(all.frameLast, s.frameLast)
		all.first, all.last = min(all.first, s.first), max(all.last, s.last)
		all.tMin, all.tMax = min(all.tMin, s.tMin), max(all.tMax, s.tMax)
		for _, x := range s.indices {
			at := slices.IndexFunc(all.indices, func(y indexStat) bool { return y.name == x.name })
			if at < 0 {
				all.indices = append(all.indices, x)
				continue
			}
			all.indices[at].docs += x.docs
			all.indices[at].bytes += x.bytes
		}
	}
	sections := make([]section, 0, len(by))
	for _, s := range by {
		sections = append(sections, *s)
	}
	slices.SortFunc(sections, func(a, b section) int { return cmp.Compare(a.tenant, b.tenant) })
	f.sections, f.coarse = sections, true
}

// moment is what is known of a file at one time.
type moment struct {
	f        *file
	size     int64
	coarse   bool
	sections []section
	marks    []mark
}

// moment gives the present one; the lock is held, or the writer asks.
func (f *file) moment() moment {
	return moment{f: f, size: f.size, coarse: f.coarse, sections: slices.Clip(f.sections), marks: slices.Clip(f.marks)}
}

// frames calls fn with the frames of a moment from the mark on, with the sections
// of the tenants to keep, until it gives false. What does not check is reported
// once and passed over.
func (s *Store) frames(ctx context.Context, m *moment, from int, keep func(tenant []byte) bool, fn func(*frame) bool) error {
	if len(m.marks) == 0 {
		return nil
	}
	r := &reader{f: m.f.f, number: m.f.number, size: m.size, intern: newInterner(), keep: keep}
	for at := m.marks[from].offset; at < m.size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		fr, err := r.directory(at)
		if err == nil {
			if !fn(fr) {
				return nil
			}
			at = fr.end()
			continue
		}
		if !errors.Is(err, errFrame) {
			return fmt.Errorf("%w: read log file %s: %w", logging.ErrUnavailable, m.f.name, err)
		}
		next := sort.Search(len(m.marks), func(i int) bool { return m.marks[i].offset > at })
		end := m.size
		if next < len(m.marks) {
			end = m.marks[next].offset
		}
		s.damage(m.f, &section{offset: at, length: uint32(end - at)}, err)
		at = end
	}
	return nil
}

// find gives the section of a moment in which a tenant's record of that seq
// would be; nil where there is none.
func (s *Store) find(m *moment, seq uint64, id tenant.ID) (*section, error) {
	if !m.coarse {
		return findIn(m.sections, seq, id), nil
	}
	i, ok := slices.BinarySearchFunc(m.sections, id, func(s section, id tenant.ID) int { return cmp.Compare(s.tenant, id) })
	if !ok || seq < m.sections[i].first || seq > m.sections[i].last {
		return nil, nil
	}
	// Frames without records repeat the seq before them: begin before that, too.
	from := max(0, sort.Search(len(m.marks), func(i int) bool { return m.marks[i].first >= seq })-1)
	var found *section
	mine := func(t []byte) bool { return string(t) == string(id) }
	err := s.frames(context.Background(), m, from, mine, func(fr *frame) bool {
		found = findIn(fr.sections, seq, id)
		return found == nil && fr.first <= seq
	})
	return found, err
}

// part is something to read: a section, or those of a coarse moment.
type part struct {
	m          *moment
	sec        *section // nil: those of m that are wanted
	rules      *rules   // of sec
	tMin, tMax int64
}

// wanted says which sections may hold what is asked for: of the scope's tenants,
// of the indices (nil: any), within the times (inclusive).
type wanted struct {
	v        *view
	known    map[tenant.ID]*rules
	indices  []string
	from, to int64
}

// section gives the rules of a section that may hold something, else nil.
func (w *wanted) section(sec *section) *rules {
	if sec.tMax < w.from || sec.tMin > w.to {
		return nil
	}
	r := w.v.rulesOf(w.known, sec.tenant)
	if !r.included || sec.tMax < r.cut {
		return nil
	}
	if w.indices != nil && !slices.ContainsFunc(sec.indices, func(s indexStat) bool { return slices.Contains(w.indices, s.name) }) {
		return nil
	}
	return r
}

// whole reports whether every record of the tenants that are wanted of a coarse
// moment shows.
func (w *wanted) whole(m *moment) bool {
	for i := range m.sections {
		if r := w.section(&m.sections[i]); r != nil && !r.whole(&m.sections[i]) {
			return false
		}
	}
	return true
}

// parts gives what there is to read, in the order of the files.
func (w *wanted) parts() []part {
	var out []part
	for i := range w.v.moments {
		m := &w.v.moments[i]
		lump := -1
		for j := range m.sections {
			sec := &m.sections[j]
			r := w.section(sec)
			switch {
			case r == nil:
			case !m.coarse:
				out = append(out, part{m, sec, r, sec.tMin, sec.tMax})
			case lump < 0:
				lump = len(out)
				out = append(out, part{m, nil, nil, sec.tMin, sec.tMax})
			default:
				out[lump].tMin, out[lump].tMax = min(out[lump].tMin, sec.tMin), max(out[lump].tMax, sec.tMax)
			}
		}
	}
	return out
}

// sections gives the sections of a part, in the order of the file.
func (w *wanted) sections(ctx context.Context, p part) ([]part, error) {
	if p.sec != nil {
		return []part{p}, nil
	}
	owners := map[string]bool{}
	for i := range p.m.sections {
		if sec := &p.m.sections[i]; w.section(sec) != nil {
			owners[string(sec.tenant)] = true
		}
	}
	var out []part
	err := w.v.s.frames(ctx, p.m, 0, func(t []byte) bool { return owners[string(t)] }, func(fr *frame) bool {
		for i := range fr.sections {
			sec := &fr.sections[i]
			if r := w.section(sec); r != nil {
				out = append(out, part{p.m, sec, r, sec.tMin, sec.tMax})
			}
		}
		return true
	})
	return out, err
}

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

var _ logging.View = (*view)(nil)

// view is one moment: the files that were there, how far they were written, and
// the time that retention is reckoned from.
type view struct {
	s       *Store
	scope   tenant.Read
	moments []moment // of each file
	purges  []purge
	now     time.Time
	close   sync.Once
}

// Snapshot implements logging.Searcher. Files stay until the view is closed.
func (s *Store) Snapshot(ctx context.Context, r tenant.Read) (logging.View, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("%w: it is closing", logging.ErrUnavailable)
	}
	v := &view{s: s, scope: r, moments: make([]moment, len(s.files)), purges: slices.Clip(s.purges), now: s.opts.Clock()}
	for i, f := range s.files {
		f.refs++
		v.moments[i] = f.moment()
	}
	return v, nil
}

// Close implements logging.View.
func (v *view) Close() error {
	var errs []error
	v.close.Do(func() {
		v.s.mu.Lock()
		defer v.s.mu.Unlock()
		for i := range v.moments {
			errs = append(errs, v.moments[i].f.release())
		}
		v.moments = nil
	})
	return errors.Join(errs...)
}

// rules say what of one tenant shows, for the time of one call.
type rules struct {
	included bool
	cut      int64 // math.MinInt64: no retention
	sealed   []tenant.Life
	purges   []purge
}

// rulesOf asks the scope anew: a namespace may have been sealed since.
func (v *view) rulesOf(known map[tenant.ID]*rules, id tenant.ID) *rules {
	r := known[id]
	if r != nil {
		return r
	}
	r = &rules{included: v.scope.Includes(id), cut: math.MinInt64}
	known[id] = r
	if !r.included {
		return r
	}
	if cut, ok := v.s.cutoff(id, v.now); ok {
		r.cut = cut
	}
	r.sealed = v.scope.Sealed(id)
	for i := range v.purges {
		if v.purges[i].tenant == id {
			r.purges = append(r.purges, v.purges[i])
		}
	}
	return r
}

// shows reports whether a record of the tenant shows.
func (r *rules) shows(rec *logging.Record) bool {
	if !r.included || rec.Time.UnixNano() < r.cut || logging.Covered(r.sealed, rec) {
		return false
	}
	for i := range r.purges {
		if r.purges[i].covers(rec) {
			return false
		}
	}
	return true
}

// whole reports whether every record of a section shows.
func (r *rules) whole(sec *section) bool {
	return r.included && sec.tMin >= r.cut && len(r.sealed) == 0 &&
		!slices.ContainsFunc(r.purges, func(p purge) bool { return p.upTo >= sec.first })
}

// read calls fn with the records of a section that show and lie within the
// times (inclusive), until it gives an error.
func (v *view) read(ctx context.Context, p part, from, to int64, fn func(*logging.Record) error) error {
	b, ok, err := v.s.readSection(p.m.f, p.sec)
	if err != nil || !ok {
		return err
	}
	d := newDecoder(b, p.sec.tenant, p.sec.frameFirst)
	for n := 0; d.next(); n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if d.time < from || d.time > to || !p.rules.shows(d.peek()) {
			continue
		}
		if err := fn(d.record()); err != nil {
			return err
		}
	}
	if err := d.err(); err != nil {
		v.s.damage(p.m.f, p.sec, err)
	}
	return nil
}

// Search implements logging.View.
func (v *view) Search(ctx context.Context, q logging.Query) (*logging.Result, error) {
	c, err := logging.NewCollector(q)
	if err != nil {
		return nil, err
	}
	from, to := int64(math.MinInt64), int64(math.MaxInt64)
	if q.Filter != nil {
		a, b := logging.TimeRange(q.Filter)
		from, to = nanos(a, from), nanos(b, to)
	}
	w := &wanted{v: v, known: map[tenant.ID]*rules{}, indices: q.Indices, from: from, to: to}
	// By time, the sections are read in the order of the query, and reading ends
	// with the first that cannot change the answer any more.
	order := func([]part) {}
	border := func(p part) time.Time { return time.Unix(0, p.tMax) }
	if len(q.Sort) > 0 && q.Sort[0].Field.Name == logging.FieldTime {
		if q.Sort[0].Desc {
			order = func(ps []part) { slices.SortFunc(ps, func(a, b part) int { return cmp.Compare(b.tMax, a.tMax) }) }
		} else {
			order = func(ps []part) { slices.SortFunc(ps, func(a, b part) int { return cmp.Compare(a.tMin, b.tMin) }) }
			border = func(p part) time.Time { return time.Unix(0, p.tMin) }
		}
	}
	doc := logging.NewDoc(nil)
	parts := w.parts()
	order(parts)
	for _, p := range parts {
		if c.Settled(border(p)) {
			break
		}
		inner, err := w.sections(ctx, p)
		if err != nil {
			return nil, err
		}
		order(inner)
		for _, p := range inner {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if c.Settled(border(p)) {
				break
			}
			if err := v.read(ctx, p, from, to, func(r *logging.Record) error {
				doc.Reset(r)
				return c.Add(doc)
			}); err != nil {
				return nil, err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.Result()
}

// Indices implements logging.View.
func (v *view) Indices(ctx context.Context) ([]logging.IndexInfo, error) {
	by := map[string]*logging.IndexInfo{}
	add := func(name string, docs, bytes int64) {
		if by[name] == nil {
			by[name] = &logging.IndexInfo{Name: name}
		}
		by[name].Docs += docs
		by[name].Bytes += bytes
	}
	w := &wanted{v: v, known: map[tenant.ID]*rules{}, from: math.MinInt64, to: math.MaxInt64}
	stats := func(m *moment, sec *section) {
		if _, bad := m.f.damaged.Load(sec.offset); bad && !m.coarse {
			return
		}
		for _, i := range sec.indices {
			add(i.name, i.docs, i.bytes)
		}
	}
	for _, p := range w.parts() {
		if p.sec == nil && w.whole(p.m) {
			for i := range p.m.sections {
				if sec := &p.m.sections[i]; w.section(sec) != nil {
					stats(p.m, sec)
				}
			}
			continue
		}
		inner, err := w.sections(ctx, p)
		if err != nil {
			return nil, err
		}
		for _, p := range inner {
			if p.rules.whole(p.sec) {
				stats(p.m, p.sec)
				continue
			}
			if err := v.read(ctx, p, math.MinInt64, math.MaxInt64, func(r *logging.Record) error {
				add(r.Index, 1, int64(len(r.Source)))
				return nil
			}); err != nil {
				return nil, err
			}
		}
	}
	out := make([]logging.IndexInfo, 0, len(by))
	for _, i := range by {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b logging.IndexInfo) int { return cmp.Compare(a.Name, b.Name) })
	return out, ctx.Err()
}

// Fields implements logging.View.
func (v *view) Fields(ctx context.Context, indices []string) ([]logging.FieldInfo, error) {
	return logging.FieldsOf(ctx, v, indices)
}

// Get implements logging.View.
func (v *view) Get(ctx context.Context, index, id string) (logging.Record, bool, error) {
	if err := ctx.Err(); err != nil {
		return logging.Record{}, false, err
	}
	known := map[tenant.ID]*rules{}
	for _, owner := range v.tenants() {
		for _, seq := range v.s.seqsOf(owner, index, id) {
			f, sec, err := v.find(seq, owner)
			if err != nil {
				return logging.Record{}, false, err
			}
			if sec == nil {
				continue
			}
			rec, err := v.s.lookup(f, sec, seq)
			if err != nil {
				return logging.Record{}, false, err
			}
			if rec != nil && rec.ID == id && rec.Index == index && v.rulesOf(known, owner).shows(rec) {
				return *rec, true, nil
			}
		}
	}
	return logging.Record{}, false, nil
}

// tenants gives the tenants of the scope; the operator's are all that are there.
func (v *view) tenants() []tenant.ID {
	if !v.scope.All() {
		return v.scope.Tenants()
	}
	seen := map[tenant.ID]bool{}
	var out []tenant.ID
	for _, m := range v.moments {
		for i := range m.sections {
			if id := m.sections[i].tenant; !seen[id] {
				seen[id] = true
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
}

// seqsOf gives where a record of that id may be.
func (s *Store) seqsOf(id tenant.ID, index, docID string) []uint64 {
	h := s.ids.hash(id, index, docID)
	var out []uint64
	s.mu.RLock()
	if seq, ok := s.ids.at[h]; ok {
		out = append(out, seq)
	}
	s.mu.RUnlock()
	if seq, ok := logging.ParseDerivedID(docID); ok {
		out = append(out, seq)
	}
	return out
}

func (v *view) find(seq uint64, id tenant.ID) (*file, *section, error) {
	for i := range v.moments {
		sec, err := v.s.find(&v.moments[i], seq, id)
		if sec != nil || err != nil {
			return v.moments[i].f, sec, err
		}
	}
	return nil, nil, nil
}

// findInFiles gives the section in which a tenant's record of that seq would be,
// for the writer.
func (s *Store) findInFiles(seq uint64, id tenant.ID) (*file, *section, error) {
	for _, f := range s.files {
		m := f.moment()
		sec, err := s.find(&m, seq, id)
		if sec != nil || err != nil {
			return f, sec, err
		}
	}
	return nil, nil, nil
}

// findIn searches sections, which are in the order of their frames.
func findIn(secs []section, seq uint64, id tenant.ID) *section {
	i := sort.Search(len(secs), func(i int) bool { return secs[i].frameLast >= seq })
	for ; i < len(secs) && secs[i].frameFirst <= seq; i++ {
		if s := &secs[i]; s.tenant == id && s.first <= seq && seq <= s.last {
			return s
		}
	}
	return nil
}

// lookup reads the record with that seq from a section; nil where there is none.
func (s *Store) lookup(f *file, sec *section, seq uint64) (*logging.Record, error) {
	b, ok, err := s.readSection(f, sec)
	if err != nil || !ok {
		return nil, err
	}
	d := newDecoder(b, sec.tenant, sec.frameFirst)
	for d.next() {
		if d.seq == seq {
			return d.record(), nil
		}
	}
	if err := d.err(); err != nil {
		s.damage(f, sec, err)
	}
	return nil, nil
}

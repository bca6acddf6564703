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
	s      *Store
	scope  tenant.Read
	files  []*file
	parts  [][]section // of each file
	purges []purge
	now    time.Time
	close  sync.Once
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
	v := &view{s: s, scope: r, files: slices.Clone(s.files), purges: slices.Clip(s.purges), now: s.opts.Clock()}
	v.parts = make([][]section, len(v.files))
	for i, f := range v.files {
		f.refs++
		v.parts[i] = slices.Clip(f.sections)
	}
	return v, nil
}

// Close implements logging.View.
func (v *view) Close() error {
	var errs []error
	v.close.Do(func() {
		v.s.mu.Lock()
		defer v.s.mu.Unlock()
		for _, f := range v.files {
			errs = append(errs, f.release())
		}
		v.files, v.parts = nil, nil
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

// part is a section to read.
type part struct {
	f     *file
	sec   *section
	rules *rules
}

// sections gives the sections that may hold what is asked for: of the scope's
// tenants, of the indices (nil: any), within the times (inclusive).
func (v *view) sections(indices []string, from, to int64) []part {
	known := map[tenant.ID]*rules{}
	var out []part
	for i, f := range v.files {
		for j := range v.parts[i] {
			sec := &v.parts[i][j]
			if sec.tMax < from || sec.tMin > to {
				continue
			}
			r := v.rulesOf(known, sec.tenant)
			if !r.included || sec.tMax < r.cut {
				continue
			}
			if indices != nil && !slices.ContainsFunc(sec.indices, func(s indexStat) bool { return slices.Contains(indices, s.name) }) {
				continue
			}
			out = append(out, part{f, sec, r})
		}
	}
	return out
}

// read calls fn with the records of a section that show and lie within the
// times (inclusive), until it gives an error.
func (v *view) read(ctx context.Context, p part, from, to int64, fn func(*logging.Record) error) error {
	b, ok, err := v.s.readSection(p.f, p.sec)
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
		v.s.damage(p.f, p.sec, err)
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
	parts := v.sections(q.Indices, from, to)
	// By time, the sections are read in the order of the query, and reading ends
	// with the first that cannot change the answer any more.
	border := func(p part) time.Time { return time.Unix(0, p.sec.tMax) }
	if len(q.Sort) > 0 && q.Sort[0].Field.Name == logging.FieldTime {
		if q.Sort[0].Desc {
			slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(b.sec.tMax, a.sec.tMax) })
		} else {
			slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.sec.tMin, b.sec.tMin) })
			border = func(p part) time.Time { return time.Unix(0, p.sec.tMin) }
		}
	}
	doc := logging.NewDoc(nil)
	for _, p := range parts {
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
	for _, p := range v.sections(nil, math.MinInt64, math.MaxInt64) {
		if p.rules.whole(p.sec) {
			if _, bad := p.f.damaged.Load(p.sec.offset); bad {
				continue
			}
			for _, i := range p.sec.indices {
				add(i.name, i.docs, i.bytes)
			}
			continue
		}
		if err := v.read(ctx, p, math.MinInt64, math.MaxInt64, func(r *logging.Record) error {
			add(r.Index, 1, int64(len(r.Source)))
			return nil
		}); err != nil {
			return nil, err
		}
	}
	out := make([]logging.IndexInfo, 0, len(by))
	for _, i := range by {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b logging.IndexInfo) int { return cmp.Compare(a.Name, b.Name) })
	return out, ctx.Err()
}

// Fields implements logging.View, from the newest 5,000 records.
func (v *view) Fields(ctx context.Context, indices []string) ([]logging.FieldInfo, error) {
	res, err := v.Search(ctx, logging.Query{
		Indices: indices, Limit: fieldsDocs, TotalMax: -1,
		Sort: []logging.SortKey{{Field: logging.FieldOf(logging.FieldTime), Desc: true}},
	})
	if err != nil {
		return nil, err
	}
	return logging.CollectFields(func(yield func(*logging.Doc) bool) {
		for i := range res.Hits {
			if !yield(logging.NewDoc(&res.Hits[i].Record)) {
				return
			}
		}
	}), nil
}

// Get implements logging.View.
func (v *view) Get(ctx context.Context, index, id string) (logging.Record, bool, error) {
	if err := ctx.Err(); err != nil {
		return logging.Record{}, false, err
	}
	known := map[tenant.ID]*rules{}
	for _, owner := range v.tenants() {
		for _, seq := range v.s.seqsOf(owner, index, id) {
			f, sec := v.find(seq, owner)
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
	for _, secs := range v.parts {
		for i := range secs {
			if id := secs[i].tenant; !seen[id] {
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

func (v *view) find(seq uint64, id tenant.ID) (*file, *section) {
	for i, f := range v.files {
		if sec := findIn(v.parts[i], seq, id); sec != nil {
			return f, sec
		}
	}
	return nil, nil
}

// find gives the section in which a tenant's record of that seq would be.
func find(files []*file, seq uint64, id tenant.ID) (*file, *section) {
	for _, f := range files {
		if sec := findIn(f.sections, seq, id); sec != nil {
			return f, sec
		}
	}
	return nil, nil
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

package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/scan"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

var _ logging.View = (*view)(nil)

// view is one moment: the segments that were there, the blocks of what was in
// memory, what was loose, and the time that retention is reckoned from.
type view struct {
	s      *Store
	scope  tenant.Read
	owner  tenant.ID // whose records show without a scope: see everythingOf; "" in others
	purges []purge
	now    time.Time

	mu      sync.Mutex // guards what follows
	version *version   // nil: closed
	fresh   map[tenant.ID]*fresh
}

// fresh is what a view has of a tenant beside segments.
type fresh struct {
	blocks []segment.Block
	loose  []*logging.Record
}

// Snapshot implements logging.Searcher. Segments stay until the view is closed.
func (s *Store) Snapshot(ctx context.Context, r tenant.Read) (logging.View, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v := &view{s: s, scope: r}
	s.mu.RLock()
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return nil, fmt.Errorf("%w: it is closing", logging.ErrUnavailable)
	}
	v.take(r.All(), r.Tenants())
	return v, nil
}

// everythingOf gives a view of all of a tenant's records, for those who write
// them: it has no scope, and is not searched.
func (s *Store) everythingOf(id tenant.ID) *view {
	v := &view{s: s, owner: id}
	v.take(false, []tenant.ID{id})
	return v
}

// take makes the view one of now, of all tenants or of those.
func (v *view) take(all bool, ids []tenant.ID) {
	s := v.s
	s.tables.RLock()
	defer s.tables.RUnlock()
	s.mu.Lock()
	v.version = s.hold()
	v.purges, v.now = s.purges, s.opts.Clock()
	loose := slices.Clip(s.loose)
	s.mu.Unlock()
	v.fresh = map[tenant.ID]*fresh{}
	if all {
		for _, m := range [...]*memory{s.frozen, s.memory} {
			if m != nil {
				for id := range m.tables {
					v.fresh[id] = &fresh{}
				}
			}
		}
	} else {
		for _, id := range ids {
			v.fresh[id] = &fresh{}
		}
	}
	for id, f := range v.fresh {
		f.blocks = s.blocks(id)
	}
	for i := range loose {
		recs := loose[i].recs
		for j := range recs {
			r := &recs[j]
			f := v.fresh[r.Tenant]
			if f == nil {
				if !all {
					continue
				}
				f = &fresh{}
				v.fresh[r.Tenant] = f
			}
			f.loose = append(f.loose, r)
		}
	}
}

// Close implements logging.View.
func (v *view) Close() error {
	v.mu.Lock()
	held := v.version
	v.version, v.fresh = nil, nil
	v.mu.Unlock()
	if held != nil {
		v.s.release(held)
	}
	return nil
}

// errViewClosed is what a view says that was closed.
var errViewClosed = errors.New("the view is closed")

// moment gives what the view holds.
func (v *view) moment() (*version, map[tenant.ID]*fresh, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.version == nil {
		return nil, nil, errViewClosed
	}
	return v.version, v.fresh, nil
}

// rulesOf asks the scope anew: a namespace may have been sealed since.
func (v *view) rulesOf(id tenant.ID) scan.Rules {
	r := tenantRules(id, math.MinInt64, append(slices.Clip(v.purges), v.s.shorter(id, v.now)...))
	r.Included = v.scope.Includes(id) || (v.owner != "" && v.owner == id)
	if cut, ok := v.s.cutoff(id, v.now); ok {
		r.Cut = cut
	}
	if r.Included {
		r.Sealed = v.scope.Sealed(id)
	}
	return r
}

// sources gives what may hold something of the indices (nil: any). The parts
// that are opened are noted in seen.
func (v *view) sources(indices []string, seen *seen) ([]scan.Source, error) {
	version, fresh, err := v.moment()
	if err != nil {
		return nil, err
	}
	var out []scan.Source
	for _, id := range v.tenants(version, fresh) {
		rules := v.rulesOf(id)
		if !rules.Included {
			continue
		}
		for _, p := range version.parts[id] {
			if p.tMax < rules.Cut || !p.has(indices) {
				continue
			}
			out = append(out, scan.Source{
				Rules: rules, TimeMin: p.tMin, TimeMax: p.tMax, SeqMin: p.seqMin, SeqMax: p.seqMax,
				Open: func() (scan.Part, error) { return v.s.openFor(p, seen) },
			})
		}
		if src, ok := fresh[id].source(rules); ok {
			out = append(out, src)
		}
	}
	return out, nil
}

func (p *part) has(indices []string) bool {
	return indices == nil || slices.ContainsFunc(p.indices, func(x indexStat) bool { return slices.Contains(indices, x.name) })
}

// source gives what is fresh of a tenant; ok is false where there is nothing.
func (f *fresh) source(rules scan.Rules) (src scan.Source, ok bool) {
	if f == nil || len(f.blocks)+len(f.loose) == 0 {
		return src, false
	}
	src = scan.Source{Rules: rules, Loose: f.loose}
	if len(f.blocks) > 0 {
		src.TimeMin, src.TimeMax, src.SeqMin = math.MaxInt64, math.MinInt64, math.MaxUint64
		for _, b := range f.blocks {
			in := b.Info()
			src.TimeMin, src.TimeMax = min(src.TimeMin, in.TimeMin), max(src.TimeMax, in.TimeMax)
			src.SeqMin, src.SeqMax = min(src.SeqMin, in.SeqMin), max(src.SeqMax, in.SeqMax)
		}
		src.Open = func() (scan.Part, error) { return scan.Blocks(f.blocks), nil }
	}
	return src, true
}

// tenants gives the tenants of the scope that have something, in order.
func (v *view) tenants(version *version, fresh map[tenant.ID]*fresh) []tenant.ID {
	if !v.scope.All() {
		return v.scope.Tenants()
	}
	ids := map[tenant.ID]bool{}
	for id := range version.parts {
		ids[id] = true
	}
	for id := range fresh {
		ids[id] = true
	}
	return slices.Sorted(maps.Keys(ids))
}

// try runs something over the sources, and again without the blocks that turned
// out not to read. It waits for its turn first.
func (v *view) try(ctx context.Context, indices []string, do func([]scan.Source) error) error {
	leave, err := v.s.gate.enter(ctx, scopeKey(v))
	if err != nil {
		return err
	}
	defer leave()
	seen := &seen{}
	for {
		sources, err := v.sources(indices, seen)
		if err != nil {
			return err
		}
		if err = do(sources); err == nil || !v.s.spareBlock(seen, err) {
			return err
		}
	}
}

// Search implements logging.View.
func (v *view) Search(ctx context.Context, q logging.Query) (res *logging.Result, err error) {
	err = v.try(ctx, q.Indices, func(sources []scan.Source) (err error) {
		res, err = scan.Search(ctx, q, sources, scan.Options{MemoryMax: v.s.opts.SearchMemoryMax})
		return err
	})
	return res, err
}

// Fields implements logging.View.
func (v *view) Fields(ctx context.Context, indices []string) (fields []logging.FieldInfo, err error) {
	err = v.try(ctx, indices, func(sources []scan.Source) (err error) {
		fields, err = scan.Fields(ctx, sources, indices)
		return err
	})
	return fields, err
}

// Get implements logging.View.
func (v *view) Get(ctx context.Context, index, id string) (rec logging.Record, ok bool, err error) {
	version, fresh, err := v.moment()
	if err != nil {
		return rec, false, err
	}
	_, like := logging.ParseDerivedID(id)
	for _, owner := range v.tenants(version, fresh) {
		if rec, ok, err = v.find(ctx, owner, index, id, like); ok || err != nil {
			return rec, ok, err
		}
	}
	return logging.Record{}, false, ctx.Err()
}

// find looks a record of a tenant up by index and id; like says that the id may
// be one derived from a seq. Parts are asked that have given ids of that index,
// or that seq.
func (v *view) find(ctx context.Context, id tenant.ID, index, docID string, like bool) (rec logging.Record, ok bool, err error) {
	version, fresh, err := v.moment()
	if err != nil {
		return rec, false, err
	}
	seq, _ := logging.ParseDerivedID(docID)
	seen := &seen{}
	for {
		rules := v.rulesOf(id)
		if !rules.Included {
			return rec, false, nil
		}
		var sources []scan.Source
		if src, ok := fresh[id].source(rules); ok {
			sources = append(sources, src)
		}
		for _, p := range slices.Backward(version.parts[id]) {
			if p.tMax < rules.Cut || (p.given == 0 && (!like || seq < p.seqMin || seq > p.seqMax)) || !p.has([]string{index}) {
				continue
			}
			sources = append(sources, scan.Source{
				Rules: rules, TimeMin: p.tMin, TimeMax: p.tMax, SeqMin: p.seqMin, SeqMax: p.seqMax,
				Open: func() (scan.Part, error) { return v.s.openFor(p, seen) },
			})
		}
		if len(sources) == 0 {
			return rec, false, nil
		}
		rec, ok, err = scan.Get(ctx, sources, index, docID)
		if err == nil || !v.s.spareBlock(seen, err) {
			return rec, ok, err
		}
	}
}

// Indices implements logging.View. Parts of which everything shows are counted
// by what is known of them, the others by their blocks.
func (v *view) Indices(ctx context.Context) ([]logging.IndexInfo, error) {
	version, fresh, err := v.moment()
	if err != nil {
		return nil, err
	}
	by := map[string]*logging.IndexInfo{}
	add := func(name string, docs, bytes int64) {
		if docs == 0 {
			return
		}
		if by[name] == nil {
			by[name] = &logging.IndexInfo{Name: name}
		}
		by[name].Docs += docs
		by[name].Bytes += bytes
	}
	for _, id := range v.tenants(version, fresh) {
		rules := v.rulesOf(id)
		if !rules.Included {
			continue
		}
		for _, p := range version.parts[id] {
			switch {
			case p.tMax < rules.Cut:
			case p.whole(&rules):
				for _, x := range p.indices {
					add(x.name, x.docs, x.bytes)
				}
			default:
				seen := &seen{}
				for again := true; again; {
					of, err := v.s.openFor(p, seen)
					n := map[string]*logging.IndexInfo{}
					if err == nil {
						err = countBlocks(ctx, of, &rules, n)
					}
					if again = err != nil; again && !v.s.spareBlock(seen, err) {
						return nil, err
					}
					if !again {
						for _, x := range n {
							add(x.Name, x.Docs, x.Bytes)
						}
					}
				}
			}
		}
		if f := fresh[id]; f != nil {
			n := map[string]*logging.IndexInfo{}
			if err := countBlocks(ctx, scan.Blocks(f.blocks), &rules, n); err != nil {
				return nil, err
			}
			for _, x := range n {
				add(x.Name, x.Docs, x.Bytes)
			}
			for _, r := range f.loose {
				if rules.Shows(r) {
					add(r.Index, 1, int64(len(r.Source)))
				}
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

// whole reports whether every record of a part shows.
func (p *part) whole(r *scan.Rules) bool {
	return p.tMin >= r.Cut && len(r.Sealed) == 0 && !p.damaged.Load() &&
		!slices.ContainsFunc(r.Purges, func(g scan.Purge) bool { return g.UpTo >= p.seqMin })
}

// countBlocks counts the records of blocks that show, by index.
func countBlocks(ctx context.Context, of scan.Part, rules *scan.Rules, by map[string]*logging.IndexInfo) error {
	for i := range of.Len() {
		if err := ctx.Err(); err != nil {
			return err
		}
		in := of.BlockInfo(i)
		if in.Rows == 0 {
			continue
		}
		x := by[in.Index]
		if x == nil {
			x = &logging.IndexInfo{Name: in.Index}
			by[in.Index] = x
		}
		if all, none := blockShows(rules, in); none {
			continue
		} else if all {
			x.Docs += int64(in.Rows)
			x.Bytes += in.SourceBytes
			continue
		}
		b := of.Block(i)
		times, err := b.Times()
		if err != nil {
			return err
		}
		seqs, err := b.Seqs()
		if err != nil {
			return err
		}
		var src []byte
		r := logging.Record{Tenant: in.Tenant, Cluster: in.Cluster, Namespace: in.Namespace}
		for row := range in.Rows {
			r.Time, r.Seq = time.Unix(0, times[row]).UTC(), seqs[row]
			if !rules.Shows(&r) {
				continue
			}
			if src, err = b.Source(src[:0], row); err != nil {
				return err
			}
			x.Docs++
			x.Bytes += int64(len(src))
		}
	}
	return nil
}

// blockShows reports whether all or none of a block shows, as far as its span tells.
func blockShows(r *scan.Rules, in *segment.Info) (all, none bool) {
	if in.TimeMax < r.Cut {
		return false, true
	}
	mine := func(l *tenant.Life) bool { return l.Cluster == in.Cluster && l.Namespace == in.Namespace }
	all = in.TimeMin >= r.Cut &&
		!slices.ContainsFunc(r.Sealed, func(l tenant.Life) bool { return mine(&l) }) &&
		!slices.ContainsFunc(r.Purges, func(p scan.Purge) bool { return (p.All || mine(&p.Life)) && p.UpTo >= in.SeqMin })
	return all, false
}

// Package mem keeps logs in a slice. It is the naive store: what every other
// one must answer like, and what tests of the edges use.
//
//	s := mem.New(mem.Options{})
//	results, err := s.Append(ctx, w, batch)
package mem

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

var (
	_ logging.Store    = (*Store)(nil)
	_ logging.Repeater = (*Store)(nil)
)

// Options configure a Store. The zero value is usable.
type Options struct {
	Clock     clock.Clock                   // nil: the machine's
	Retention func(tenant.ID) time.Duration // nil or 0: for ever
}

// Store keeps everything in memory. Safe for concurrent use.
type Store struct {
	opts Options

	mu     sync.Mutex // guards what follows
	closed bool
	recs   []logging.Record // by Seq
	keys   map[string]batch
	purges []purge
	seq    uint64

	tails logging.Tails
}

// batch is what is remembered of a batch key.
type batch struct {
	at      time.Time
	results []logging.ItemResult
}

// purge hides the records up to a position.
type purge struct {
	tenant tenant.ID
	life   tenant.Life
	upTo   uint64
}

const keysKept = 24 * time.Hour

// New makes an empty store.
func New(o Options) *Store {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	return &Store{opts: o, keys: map[string]batch{}}
}

// Append implements logging.Appender. Nothing is durable here.
func (s *Store) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, logging.ErrUnavailable
	}
	now := s.opts.Clock()
	out := make([]logging.ItemResult, len(b.Records))
	if old, ok := s.keys[b.Key]; ok && b.Key != "" && now.Sub(old.at) < keysKept {
		for i := range out {
			if r := &b.Records[i]; !logging.MayWrite(w, r) {
				out[i] = refused(r) // it was not stored then, either
				continue
			}
			out[i] = logging.ItemResult{Status: logging.Duplicate, ID: b.Records[i].ID}
			if len(old.results) == len(out) {
				out[i].Seq, out[i].ID = old.results[i].Seq, old.results[i].ID
			}
		}
		return out, nil
	}
	var added []logging.Record
	for i, r := range b.Records {
		if !logging.MayWrite(w, &r) {
			out[i] = refused(&r)
			continue
		}
		if r.ID != "" {
			if old := s.find(&r, now); old != nil {
				out[i] = logging.ItemResult{Status: logging.Duplicate, Seq: old.Seq, ID: old.ID}
				continue
			}
		}
		s.seq++
		r.Seq = s.seq
		for r.ID == "" {
			r.ID = logging.DerivedID(r.Seq)
			if s.find(&r, now) != nil { // a sender gave that id
				s.seq++
				r.Seq, r.ID = s.seq, ""
			}
		}
		s.recs = append(s.recs, r)
		added = append(added, r)
		out[i] = logging.ItemResult{Status: logging.Stored, Seq: r.Seq, ID: r.ID}
	}
	if b.Key != "" {
		s.keys[b.Key] = batch{now, slices.Clone(out)}
	}
	s.tails.Push(added)
	return out, nil
}

func refused(r *logging.Record) logging.ItemResult {
	return logging.ItemResult{Status: logging.Refused, ID: r.ID, Reason: "the credential may not write this tenant's logs"}
}

// Repeats implements logging.Repeater.
func (s *Store) Repeats(ctx context.Context, w tenant.Write, recs []logging.Record) ([]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]bool, len(recs))
	for i := range recs {
		if r := &recs[i]; logging.MayWrite(w, r) {
			old := s.find(r, s.opts.Clock())
			out[i] = old != nil && logging.EqualSources(old.Source, r.Source)
		}
	}
	return out, nil
}

// find gives the visible record of that tenant, index and id.
func (s *Store) find(r *logging.Record, now time.Time) *logging.Record {
	for i := range s.recs {
		old := &s.recs[i]
		if old.ID == r.ID && old.Index == r.Index && old.Tenant == r.Tenant && !s.hidden(old, s.purges, now) {
			return old
		}
	}
	return nil
}

// hidden reports whether a record is past its retention or purged.
func (s *Store) hidden(r *logging.Record, purges []purge, now time.Time) bool {
	if s.opts.Retention != nil {
		if keep := s.opts.Retention(r.Tenant); keep > 0 && r.Time.Before(now.Add(-keep)) {
			return true
		}
	}
	for _, p := range purges {
		if p.tenant == r.Tenant && r.Seq <= p.upTo && logging.Covered([]tenant.Life{p.life}, r) {
			return true
		}
	}
	return false
}

// Purge removes the records of a tenant's namespace with times in [from, to)
// that are there now. A zero to is open.
func (s *Store) Purge(_ context.Context, id tenant.ID, cluster, namespace string, from, to time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.purges = append(s.purges, purge{id, tenant.Life{Cluster: cluster, Namespace: namespace, From: from, To: to}, s.seq})
	return nil
}

// Close implements logging.Store. Open views go on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.tails.Close(logging.ErrUnavailable)
	return nil
}

// Tail implements logging.Searcher.
func (s *Store) Tail(ctx context.Context, r tenant.Read, f logging.Filter) iter.Seq2[logging.Record, error] {
	return s.tails.Follow(ctx, r, f)
}

// Snapshot implements logging.Searcher.
func (s *Store) Snapshot(ctx context.Context, r tenant.Read) (logging.View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, logging.ErrUnavailable
	}
	return &view{s: s, scope: r, recs: slices.Clip(s.recs), purges: slices.Clip(s.purges), now: s.opts.Clock()}, ctx.Err()
}

type view struct {
	s      *Store
	scope  tenant.Read
	recs   []logging.Record
	purges []purge
	now    time.Time
}

// docs yields what the scope sees.
func (v *view) docs() iter.Seq[*logging.Doc] {
	return func(yield func(*logging.Doc) bool) {
		sealed := map[tenant.ID][]tenant.Life{}
		for i := range v.recs {
			r := &v.recs[i]
			if !v.scope.Includes(r.Tenant) || v.s.hidden(r, v.purges, v.now) {
				continue
			}
			lives, ok := sealed[r.Tenant]
			if !ok {
				lives = v.scope.Sealed(r.Tenant)
				sealed[r.Tenant] = lives
			}
			if !logging.Covered(lives, r) && !yield(logging.NewDoc(r)) {
				return
			}
		}
	}
}

func (v *view) Indices(ctx context.Context) ([]logging.IndexInfo, error) {
	by := map[string]*logging.IndexInfo{}
	for d := range v.docs() {
		r := d.Record
		if by[r.Index] == nil {
			by[r.Index] = &logging.IndexInfo{Name: r.Index}
		}
		by[r.Index].Docs++
		by[r.Index].Bytes += int64(len(r.Source))
	}
	out := make([]logging.IndexInfo, 0, len(by))
	for _, i := range by {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b logging.IndexInfo) int { return cmp.Compare(a.Name, b.Name) })
	return out, ctx.Err()
}

func (v *view) Fields(ctx context.Context, indices []string) ([]logging.FieldInfo, error) {
	return logging.FieldsOf(ctx, v, indices)
}

func (v *view) Search(ctx context.Context, q logging.Query) (*logging.Result, error) {
	return logging.Run(ctx, q, v.docs())
}

func (v *view) Get(ctx context.Context, index, id string) (logging.Record, bool, error) {
	for d := range v.docs() {
		if d.Record.Index == index && d.Record.ID == id {
			return *d.Record, true, ctx.Err()
		}
	}
	return logging.Record{}, false, ctx.Err()
}

func (v *view) Close() error { return nil }

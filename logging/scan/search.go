package scan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// search is one query on its way through the sources.
type search struct {
	ctx  context.Context
	q    logging.Query
	root *node
	from int64 // inclusive: what the filter leaves of time
	to   int64

	sources []Source
	parts   []Part // opened; by source

	nodes      int
	compiled   []compiledFilter // of aggregations
	layouts    map[*shape.Shape]*layout
	levelNames []string
	stamped    []string

	idHashes  idHashes
	numbering *logging.Numbering // of the strings of one tenant: the first one's whose strings came by keys
	numbered  tenant.ID

	reopened   *segment.Column // that stringAt looked into last
	reopenedAt columnAt

	minutes []logging.MinuteCount // scratch

	turn time.Time // when others ran last

	counted int64
	top     topK
	aggs    *logging.Aggregator
	eval    eval
}

// candidate is a block that may hold what is looked for.
type candidate struct {
	part  int
	block int
	info  *segment.Info
	gaps  []gap
	kept  segment.Block // opened before
	edge  int64         // where it stands in the order of the query, by time
}

func (c *candidate) open(s *search) segment.Block {
	if c.kept == nil {
		return s.parts[c.part].Block(c.block)
	}
	return c.kept
}

// Search answers a query from sources of disjoint records. The error wraps
// logging.ErrQuery where the query is at fault, and is ctx's where that ended.
func Search(ctx context.Context, q logging.Query, sources []Source, o Options) (*logging.Result, error) {
	if q.Filter == nil {
		q.Filter = logging.All{}
	}
	// The collector checks the query; it is given nothing.
	check, err := logging.NewCollector(q)
	if err != nil {
		return nil, err
	}
	if q.MemoryMax <= 0 {
		q.MemoryMax = o.MemoryMax
	}
	if q.MemoryMax <= 0 {
		q.MemoryMax = logging.MemoryMaxDefault
	}
	s := newSearch(ctx, sources)
	s.q = q
	s.root = s.compile(q.Filter)
	s.top = newTopK(&q)
	if len(q.Aggs) > 0 {
		if s.aggs, err = logging.NewAggregatorWithin(q.Aggs, q.MemoryMax); err != nil {
			return nil, err
		}
		s.aggs.Until(s.wanted)
	}
	from, to := logging.TimeRange(q.Filter)
	if !from.IsZero() {
		s.from = nanos(from)
	}
	if !to.IsZero() {
		s.to = nanos(to)
	}
	timedOut, err := s.allInTime(q.Timeout)
	if err != nil {
		return nil, err
	}
	r, err := s.result(check)
	if err == nil && timedOut {
		r.TimedOut, r.TotalAtLeast = true, q.TotalMax >= 0
	}
	return r, err
}

// errTimeout ends a search whose Query.Timeout passed.
var errTimeout = errors.New("the search's own time has passed")

// allInTime goes through the sources until a time has passed; 0: for ever.
func (s *search) allInTime(most time.Duration) (timedOut bool, err error) {
	if most <= 0 {
		return false, s.all()
	}
	caller := s.ctx
	ctx, cancel := context.WithTimeoutCause(caller, most, errTimeout)
	defer cancel()
	s.ctx = ctx
	err = s.all()
	s.ctx, s.eval.ended = caller, nil // what was found is made into an answer yet
	if err != nil && caller.Err() == nil && errors.Is(context.Cause(ctx), errTimeout) && errors.Is(err, ctx.Err()) {
		return true, nil
	}
	return false, err
}

func newSearch(ctx context.Context, sources []Source) *search {
	s := &search{
		ctx: ctx, sources: sources, parts: make([]Part, len(sources)), from: math.MinInt64, to: math.MaxInt64,
		layouts: map[*shape.Shape]*layout{}, levelNames: logging.LevelNames(), stamped: logging.StampedNames(),
	}
	s.eval.s = s
	return s
}

// open gives a source's part.
func (s *search) open(i int) (Part, error) {
	if s.parts[i] == nil && s.sources[i].Open != nil {
		p, err := s.sources[i].Open()
		if err != nil {
			return nil, err
		}
		s.parts[i] = p
	}
	return s.parts[i], nil
}

// all goes through the sources in the order of the query. Parts are opened, and
// their blocks looked at, only when the time has come that they may matter.
func (s *search) all() error {
	by, desc := s.top.by()
	edge := func(low, high int64) int64 {
		if desc {
			return -high
		}
		return low
	}
	if err := s.loose(); err != nil {
		return err
	}
	var order []int
	for i := range s.sources {
		src := &s.sources[i]
		if src.Open != nil && src.Rules.Included && src.TimeMin <= s.to && src.TimeMax >= s.from && src.TimeMax >= src.Rules.Cut {
			order = append(order, i)
		}
	}
	if by != leadNone {
		slices.SortStableFunc(order, func(a, b int) int {
			return cmp.Compare(edge(by.boundsOf(&s.sources[a])), edge(by.boundsOf(&s.sources[b])))
		})
	}
	var waiting []*candidate // blocks not looked at, in order
	for i := 0; i < len(order) || len(waiting) > 0; {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		// The next source may hold blocks that come before those waiting.
		if i < len(order) {
			low, high := by.boundsOf(&s.sources[order[i]])
			if by == leadNone || len(waiting) == 0 || edge(low, high) <= waiting[0].edge {
				if s.settled(low, high) {
					i++
					continue
				}
				more, err := s.candidates(order[i])
				if err == nil {
					more, err = s.byMinutes(order[i], more)
				}
				if err != nil {
					return err
				}
				for i := range more {
					c := &more[i]
					c.edge = edge(by.bounds(c.info))
					waiting = append(waiting, c)
				}
				if by != leadNone {
					slices.SortStableFunc(waiting, func(a, b *candidate) int { return cmp.Compare(a.edge, b.edge) })
				}
				i++
				continue
			}
		}
		c := waiting[0]
		waiting = waiting[1:]
		if s.settled(by.bounds(c.info)) {
			continue
		}
		if err := s.look(c); err != nil {
			return err
		}
	}
	return s.ctx.Err()
}

// settled reports whether records of that span of times or seqs, whichever the
// query sorts by first, cannot change the result.
func (s *search) settled(low, high int64) bool {
	if s.aggs != nil || s.counting() {
		return false
	}
	return s.top.k == 0 || s.top.beyond(low, high)
}

// counting reports whether the total is still of interest.
func (s *search) counting() bool {
	return s.q.TotalMax == 0 || s.q.TotalMax > 0 && s.counted <= int64(s.q.TotalMax)
}

// candidates gives the blocks of a source that may hold something.
func (s *search) candidates(i int) ([]candidate, error) {
	p, err := s.open(i)
	if err != nil {
		return nil, err
	}
	src := &s.sources[i]
	among, some, err := s.withID(p, i)
	if err != nil {
		return nil, err
	}
	n := p.Len()
	if some {
		n = len(among)
	}
	out := make([]candidate, 0, n)
	for b := range n {
		if some {
			b = int(among[b])
		}
		in := p.BlockInfo(b)
		if in.Rows == 0 || in.TimeMin > s.to || in.TimeMax < s.from || !hasIndex(s.q.Indices, in.Index) {
			continue
		}
		gaps, hidden := src.Rules.gaps(in)
		if hidden {
			continue
		}
		out = append(out, candidate{part: i, block: b, info: in, gaps: gaps})
	}
	return out, nil
}

// loose looks at the records that are in no block.
func (s *search) loose() error {
	doc := logging.NewDoc(nil)
	for i := range s.sources {
		src := &s.sources[i]
		for _, rec := range src.Loose {
			if err := s.eval.tick(4 + len(rec.Source)/bytesTick); err != nil {
				return err
			}
			if !hasIndex(s.q.Indices, rec.Index) || !src.Rules.Shows(rec) {
				continue
			}
			doc.Reset(rec)
			if !s.root.match(doc) {
				continue
			}
			s.counted++
			if s.aggs != nil {
				if err := s.aggs.Add(doc); err != nil {
					return err
				}
			}
			if s.top.k > 0 {
				s.top.addDoc(doc)
			}
		}
	}
	return nil
}

// turnLength is how long a search goes on before it lets others run.
const turnLength = 500 * time.Microsecond

// wanted is asked now and then, everywhere: its error is that of a search that has
// ended. Where searches take all processors, what came in would wait for the
// scheduler to interrupt them, at every step from a request to its answer: they let
// it go first.
func (s *search) wanted() error {
	if now := time.Now(); now.Sub(s.turn) > turnLength {
		runtime.Gosched()
		s.turn = time.Now()
	}
	return s.ctx.Err()
}

// look looks at one block.
func (s *search) look(c *candidate) error {
	if err := s.wanted(); err != nil {
		return err
	}
	e := &s.eval
	v, err := s.verdict(c)
	if err != nil || v == no {
		return err
	}
	by, _ := s.top.by()
	hits := s.top.k > 0 && !s.top.beyond(by.bounds(c.info))
	if v == yes && len(c.gaps) == 0 && !hits && s.aggs == nil {
		s.counted += int64(c.info.Rows)
		return nil
	}
	in, err := e.visible()
	if err != nil {
		return err
	}
	if s.aggs == nil && !s.counting() {
		if in, err = s.near(e, in); err != nil {
			return err
		}
	}
	sel, err := e.run(s.root, in)
	if err != nil {
		return fmt.Errorf("search %s: %w", c.info.Index, err)
	}
	s.counted += int64(len(sel))
	if hits && len(sel) > 0 {
		if err := s.hits(e, c, sel); err != nil {
			return err
		}
	}
	if s.aggs != nil && len(sel) > 0 {
		if err := s.aggregate(e, sel); err != nil {
			return err
		}
	}
	return e.broken(e.cols.err())
}

// near leaves out rows that cannot be among the hits by their time or seq.
func (s *search) near(e *eval, in []uint32) ([]uint32, error) {
	by, _ := s.top.by()
	low, high := s.top.span()
	if from, to := by.bounds(e.info); low <= from && high >= to {
		return in, nil
	}
	if by == leadSeq {
		seqs, err := e.block.Seqs()
		if err != nil {
			return nil, err
		}
		out := e.rows.take(len(in))
		for _, row := range in {
			if x := int64(seqs[row]); low <= x && x <= high {
				out = append(out, row)
			}
		}
		return e.rows.keep(out), nil
	}
	at, err := e.block.Times()
	if err != nil {
		return nil, err
	}
	if e.info.Sorted {
		return between(in, at, low, high), nil
	}
	return e.byTime(&leaf{times: times{ok: true, low: low, high: high}}, in, at, true)
}

// result gives the answer. check is a collector of the query that saw nothing.
func (s *search) result(check *logging.Collector) (*logging.Result, error) {
	r, err := check.Result()
	if err != nil {
		return nil, err
	}
	switch {
	case s.q.TotalMax == 0:
		r.Total = s.counted
	case s.q.TotalMax > 0 && s.counted > int64(s.q.TotalMax):
		r.Total, r.TotalAtLeast = int64(s.q.TotalMax), true
	case s.q.TotalMax > 0:
		r.Total = s.counted
	}
	if s.aggs != nil {
		if r.Aggs, err = s.aggs.Result(); err != nil {
			return nil, err
		}
	}
	r.Hits, err = s.winners()
	return r, err
}

// findID looks a text up in the ids of a part, once a leaf.
func (s *search) findID(l *leaf, part int, text string) (*foundID, error) {
	key := foundKey{part, text}
	if f := l.found[key]; f != nil {
		return f, nil
	}
	f := &foundID{}
	var err error
	f.blocks, f.known, err = s.parts[part].FindID(text)
	l.found[key] = f
	return f, err
}

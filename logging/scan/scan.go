// Package scan answers queries from columns. It gives what logging.Run gives for
// the same records as documents, without making documents of most of them: a
// filter becomes a selection of rows of each block, column by column; hits are
// chosen by the columns they sort by, and only the winners are rebuilt;
// aggregations are fed with columns (logging.Rows).
//
//	sources := []scan.Source{{Rules: rules, Open: func() (scan.Part, error) { return scan.Blocks(table.Blocks()), nil }, ...}}
//	res, err := scan.Search(ctx, q, sources, scan.Options{})
package scan

import (
	"math"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// Part is a number of blocks with an index of their ids. Safe for concurrent use.
type Part interface {
	Len() int
	// BlockInfo describes a block without reading a column of it.
	BlockInfo(i int) *segment.Info
	// Block gives a block with decode state of its own.
	Block(i int) segment.Block
	// FindID looks a text up in the part's dictionary of ids. known: the text has
	// the form of one, and only these blocks (ascending) have it in a column of
	// segment.KindIDs.
	FindID(text string) (blocks []uint32, known bool, err error)
	// FindGiven finds a record by the id its sender gave.
	FindGiven(index, id string) (block, row int, ok bool, err error)
}

// Source is a part of what a query looks at: records of one tenant.
type Source struct {
	Rules Rules
	// TimeMin and TimeMax bound the times of the part's records, inclusive, in
	// nanoseconds since the epoch, SeqMin and SeqMax their places; a query that
	// cannot find anything in between does not open it.
	TimeMin, TimeMax int64
	SeqMin, SeqMax   uint64
	// Open gives the part; nil where there are loose records alone. It is called
	// at most once a query.
	Open func() (Part, error)
	// Loose are records that are in no block. They are looked at one by one.
	Loose []*logging.Record
}

// Rules say what of a tenant's records shows.
type Rules struct {
	Included bool  // false: nothing
	Cut      int64 // records before it are past their retention; math.MinInt64 where they are kept for ever
	Sealed   []tenant.Life
	Purges   []Purge
}

// Purge hides the records of a life up to a place; with All those of every
// namespace, by the life's times.
type Purge struct {
	Life tenant.Life
	UpTo uint64
	All  bool
}

// Shows reports whether a record shows.
func (r *Rules) Shows(rec *logging.Record) bool {
	if !r.Included || rec.Time.UnixNano() < r.Cut || logging.Covered(r.Sealed, rec) {
		return false
	}
	for i := range r.Purges {
		p := &r.Purges[i]
		if rec.Seq <= p.UpTo && (p.All && p.Life.Covers(rec.Time) || logging.Covered([]tenant.Life{p.Life}, rec)) {
			return false
		}
	}
	return true
}

// hole is a span of times in which nothing up to a place shows.
type gap struct {
	from, to int64 // inclusive, exclusive
	upTo     uint64
}

// gaps gives what does not show of a block, for those blocks of which something
// does not; all is true where nothing of it shows.
func (r *Rules) gaps(in *segment.Info) (gaps []gap, all bool) {
	if !r.Included || in.TimeMax < r.Cut {
		return nil, true
	}
	add := func(g gap) {
		if g.from > in.TimeMax || g.to <= in.TimeMin || g.upTo < in.SeqMin {
			return
		}
		if g.from <= in.TimeMin && g.to > in.TimeMax && g.upTo >= in.SeqMax {
			all = true
		}
		gaps = append(gaps, g)
	}
	add(gap{math.MinInt64, r.Cut, math.MaxUint64})
	life := func(l *tenant.Life, upTo uint64, every bool) {
		if !every && (l.Cluster != in.Cluster || l.Namespace != in.Namespace) {
			return
		}
		to := int64(math.MaxInt64)
		if !l.To.IsZero() {
			to = nanos(l.To)
		}
		add(gap{nanos(l.From), to, upTo})
	}
	for i := range r.Sealed {
		life(&r.Sealed[i], math.MaxUint64, false)
	}
	for i := range r.Purges {
		life(&r.Purges[i].Life, r.Purges[i].UpTo, r.Purges[i].All)
	}
	return gaps, all
}

// nanos gives a time in nanoseconds since the epoch, or the nearest that there is.
func nanos(t time.Time) int64 {
	switch sec := t.Unix(); {
	case sec < math.MinInt64/1_000_000_000+1:
		return math.MinInt64
	case sec > math.MaxInt64/1_000_000_000-1:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// Blocks makes a Part of blocks in memory.
func Blocks(of []segment.Block) Part { return memory(of) }

type memory []segment.Block

var (
	_ Part = memory(nil)
	_ Part = (*segment.Part)(nil)
)

func (m memory) Len() int                      { return len(m) }
func (m memory) BlockInfo(i int) *segment.Info { return m[i].Info() }
func (m memory) Block(i int) segment.Block     { return m[i] }

// FindID implements Part: in memory there are no dictionaries of ids.
func (m memory) FindID(string) ([]uint32, bool, error) { return nil, false, nil }

// FindGiven implements Part.
func (m memory) FindGiven(index, id string) (int, int, bool, error) {
	for i, b := range m {
		if in := b.Info(); in.Given == 0 || in.Index != index {
			continue
		}
		c, err := b.Stamped(segment.StampID)
		if err != nil {
			return 0, 0, false, err
		}
		// One that came later stands in for one that no longer shows.
		for row := c.N - 1; row >= 0; row-- {
			if c.String(row) == id {
				return i, row, true, nil
			}
		}
	}
	return 0, 0, false, nil
}

// Options bound one query.
type Options struct {
	// MemoryMax bounds what the query's aggregations hold, and what its hits do,
	// in bytes, where the query does not say; 0 is logging.MemoryMaxDefault.
	MemoryMax int64
}

func hasIndex(indices []string, name string) bool {
	return indices == nil || slices.Contains(indices, name)
}

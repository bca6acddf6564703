package scan

import (
	"slices"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// Hashes implements logging.Rows: of ids, whose hashes are made once a part.
func (r *rows) Hashes(f logging.Field) ([]uint64, bool, error) {
	sources, ok := r.single(f)
	if !ok || len(sources) != 1 || sources[0].only != always || sources[0].kind != fromHole || r.e.block.OwnKind(sources[0].hole) != segment.KindIDs {
		return nil, false, nil
	}
	c, err := r.e.cols.own(r.e, sources[0].hole)
	if err != nil {
		return nil, false, err
	}
	known, err := r.hashesOf(c)
	if err != nil {
		return nil, false, err
	}
	out := r.hashes.take(c.N)
	for i, ordinal := range c.Ordinals[:c.N] {
		out[i] = known[ordinal]
	}
	return out, true, r.e.tick(c.N)
}

// hashKeeper is a block of a part that keeps the hashes of its ids for others.
type hashKeeper interface {
	IDHashes(of *segment.IDs) []uint64
	KeepIDHashes(of *segment.IDs, hashes []uint64)
}

// idHashes are the hashes of a dictionary by ordinal, 0 where not made yet.
type idHashes struct {
	of     *segment.IDs
	hashes []uint64
	made   int
}

// hashesOf makes the hashes of a column's ids that are not there yet. Ids are
// read fastest in order: once a good part of a dictionary was needed, all of the
// rest is made.
func (r *rows) hashesOf(c *segment.Column) ([]uint64, error) {
	h := &r.e.s.idHashes
	keeper, keeps := r.e.block.(hashKeeper)
	if h.of != c.IDs {
		*h = idHashes{of: c.IDs}
		if keeps {
			h.hashes = keeper.IDHashes(c.IDs)
			h.made = len(h.hashes)
		}
		if h.hashes == nil {
			h.hashes = make([]uint64, c.IDs.Len())
		}
	}
	if h.made == len(h.hashes) {
		return h.hashes, nil
	}
	fresh := r.u32.take(0)
	for _, ordinal := range c.Ordinals[:c.N] {
		if h.hashes[ordinal] == 0 {
			h.hashes[ordinal] = 1
			fresh = append(fresh, ordinal)
		}
	}
	if h.made += len(fresh); h.made > len(h.hashes)/16 && h.made < len(h.hashes) {
		for i, v := range h.hashes {
			if v == 0 {
				fresh = append(fresh, uint32(i))
			}
		}
		h.made = len(h.hashes)
	}
	slices.Sort(fresh)
	r.u32.all[r.u32.lent-1] = fresh
	ends := r.u32.take(0)
	for len(fresh) > 0 {
		some := fresh[:min(len(fresh), segment.RowsMax)]
		fresh = fresh[len(some):]
		var err error
		if ends, r.e.buf, err = c.IDs.AppendAll(ends[:0], r.e.buf[:0], some); err != nil {
			return nil, r.e.broken(err)
		}
		from := uint32(0)
		for i, to := range ends {
			h.hashes[some[i]] = logging.HashBytes(r.e.buf[from:to])
			from = to
		}
		if err := r.e.tick(len(some)); err != nil {
			return nil, err
		}
	}
	r.u32.all[r.u32.lent-1] = ends
	if keeps && h.made == len(h.hashes) {
		keeper.KeepIDHashes(c.IDs, h.hashes)
	}
	return h.hashes, nil
}

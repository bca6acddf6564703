package store

import (
	"cmp"
	"errors"
	"slices"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// lookups are what one commit has found out to answer which ids there are: a
// sender that repeats a batch asks for thousands of them, and nobody commits
// while it does.
type lookups struct {
	version *version
	blocks  map[blockAt]*lookedAt
	views   map[tenant.ID]*view // of tenants that give ids of the form of derived ones
}

// blockAt is a block of a part.
type blockAt struct {
	of    *part
	block int
}

// lookedAt is a block with what has been decoded of it.
type lookedAt struct {
	segment.Block
	bySeq bool    // the rows ascend by seq, as they do in memory
	rows  []int32 // else those rows by seq; nil: not needed yet
}

// lookupBlocksMax is how many blocks a commit keeps decoded.
const lookupBlocksMax = 128

func (l *lookups) close(s *Store) {
	if l.version != nil {
		s.release(l.version)
	}
	for _, v := range l.views {
		_ = v.Close() // it has nothing to say
	}
}

func (l *lookups) block(of *part, in *segment.Part, block int) *lookedAt {
	at := blockAt{of, block}
	b := l.blocks[at]
	if b == nil {
		if len(l.blocks) >= lookupBlocksMax || l.blocks == nil {
			l.blocks = map[blockAt]*lookedAt{}
		}
		b = &lookedAt{Block: in.Block(block)}
		l.blocks[at] = b
	}
	return b
}

// inSegments looks a given id up in the parts that have any: the newest record
// that shows.
func (s *Store) inSegments(p *pending, r *logging.Record) (seq uint64, ok bool, err error) {
	if p.look.version == nil {
		p.look.version = s.acquire()
	}
	for _, of := range slices.Backward(p.look.version.parts[r.Tenant]) {
		if of.given == 0 || !of.has([]string{r.Index}) {
			continue
		}
		seq, ok, err := s.inPart(p, of, r)
		if isCorrupt(err) {
			// What does not read cannot be told from what is not there: a record that
			// comes again is stored again rather than refused for ever.
			s.damage(of, beside, err)
			continue
		}
		if ok || err != nil {
			return seq, ok, err
		}
	}
	return 0, false, nil
}

func (s *Store) inPart(p *pending, of *part, r *logging.Record) (seq uint64, ok bool, err error) {
	in, err := s.openPart(of)
	if err != nil {
		return 0, false, err
	}
	var failed error
	err = in.MayBeGiven(r.Index, r.ID, func(block, row int) bool {
		at, id, err := recordAt(p.look.block(of, in, block), row)
		if failed = err; err != nil {
			return false
		}
		if id == r.ID && at.seq >= seq && !s.hidden(p, r.Tenant, at) {
			seq, ok = at.seq, true
		}
		return true
	})
	return seq, ok, errors.Join(err, failed)
}

// recordAt gives the given id of a row, "" where it is derived, and what tells
// whether it shows.
func recordAt(b segment.Block, row int) (at givenID, id string, err error) {
	c, err := b.Stamped(segment.StampID)
	if err != nil {
		return at, "", err
	}
	seqs, err := b.Seqs()
	if err != nil {
		return at, "", err
	}
	times, err := b.Times()
	if err != nil {
		return at, "", err
	}
	in := b.Info()
	return givenID{seqs[row], times[row], in.Cluster, in.Namespace}, c.String(row), nil
}

// derivedFrom looks for the record that shows from whose seq the id of r is
// derived, if it is of that form.
func (s *Store) derivedFrom(p *pending, r *logging.Record) (seq uint64, ok bool, err error) {
	seq, ok = logging.ParseDerivedID(r.ID)
	if !ok || seq >= s.nextSeq {
		return 0, false, nil
	}
	same := func(q *logging.Record) bool {
		return q.Seq == seq && q.ID == r.ID && q.Index == r.Index && q.Tenant == r.Tenant
	}
	if i, ok := slices.BinarySearchFunc(p.records, seq, bySeq); ok { // of this commit
		return seq, same(&p.records[i]), nil
	}
	v := p.look.views[r.Tenant]
	if v == nil {
		if p.look.views == nil {
			p.look.views = map[tenant.ID]*view{}
		}
		v = s.everythingOf(r.Tenant)
		p.look.views[r.Tenant] = v
	}
	version, fresh, err := v.moment()
	if err != nil {
		return 0, false, err
	}
	if f := fresh[r.Tenant]; f != nil {
		i, ok := slices.BinarySearchFunc(f.loose, seq, func(q *logging.Record, seq uint64) int { return cmp.Compare(q.Seq, seq) })
		if ok {
			return seq, same(f.loose[i]) && !s.hidden(p, r.Tenant, givenOf(f.loose[i])), nil
		}
		for _, b := range f.blocks {
			if ok, found, err := s.derivedAt(p, &lookedAt{Block: b, bySeq: true}, r, seq); found || err != nil {
				return seq, ok, err
			}
		}
	}
	for _, of := range version.parts[r.Tenant] {
		if seq < of.seqMin || seq > of.seqMax || !of.has([]string{r.Index}) {
			continue
		}
		in, err := s.openPart(of)
		for block := 0; err == nil && block < in.Len(); block++ {
			if x := in.BlockInfo(block); seq < x.SeqMin || seq > x.SeqMax || x.Index != r.Index {
				continue
			}
			var ok, found bool
			if ok, found, err = s.derivedAt(p, p.look.block(of, in, block), r, seq); found {
				return seq, ok, nil
			}
		}
		if isCorrupt(err) { // as in inSegments
			s.damage(of, beside, err)
			err = nil
		}
		if err != nil {
			return 0, false, err
		}
	}
	return 0, false, nil
}

func bySeq(r logging.Record, seq uint64) int { return cmp.Compare(r.Seq, seq) }

// derivedAt reports whether a block has a seq, and whether that record shows and
// has an id that is derived from it.
func (s *Store) derivedAt(p *pending, b *lookedAt, r *logging.Record, seq uint64) (ok, found bool, err error) {
	in := b.Info()
	if seq < in.SeqMin || seq > in.SeqMax || in.Index != r.Index {
		return false, false, nil
	}
	seqs, err := b.Seqs()
	if err != nil {
		return false, false, err
	}
	row, found := slices.BinarySearch(seqs, seq)
	if !b.bySeq {
		if b.rows == nil {
			b.rows = make([]int32, len(seqs))
			for i := range b.rows {
				b.rows[i] = int32(i)
			}
			slices.SortFunc(b.rows, func(x, y int32) int { return cmp.Compare(seqs[x], seqs[y]) })
		}
		i, ok := slices.BinarySearchFunc(b.rows, seq, func(row int32, seq uint64) int { return cmp.Compare(seqs[row], seq) })
		if found = ok; ok {
			row = int(b.rows[i])
		}
	}
	if !found {
		return false, false, nil
	}
	at, id, err := recordAt(b, row)
	return err == nil && id == "" && !s.hidden(p, r.Tenant, at), true, err
}

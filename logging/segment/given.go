package segment

import (
	"errors"

	"github.com/cespare/xxhash/v2"

	"github.com/oriel-project/oriel/internal/iddict"
)

// givenHash is what a part's table of given ids is asked for. The index is part
// of it, for an id is unique in one.
func givenHash(index string, id []byte) uint64 {
	b := append(make([]byte, 0, 128), index...)
	b = append(b, 0xff) // in no UTF-8 string
	return xxhash.Sum64(append(b, id...))
}

// table opens the table of given ids; nil where the part has none.
func (p *Part) table() (*iddict.Table, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.given == nil && p.info.given.length > 0 {
		t, err := iddict.OpenTable(p.file.f, p.info.given.offset, p.info.given.length)
		if err != nil {
			return nil, p.damage(-1, "given ids", err)
		}
		p.given = t
	}
	return p.given, nil
}

// FindGiven finds the row of an index with an id that its sender gave. Ids that
// are derived from seq are not found here: they say their seq.
func (p *Part) FindGiven(index, id string) (block, row int, ok bool, err error) {
	var failed error
	err = p.MayBeGiven(index, id, func(b, r int) bool {
		c, err := p.Block(b).Stamped(StampID)
		if err != nil {
			failed = err
			return false
		}
		if c.String(r) == id {
			block, row, ok = b, r, true
		}
		return !ok
	})
	return block, row, ok, errors.Join(err, failed)
}

// MayBeGiven calls fn with the rows of an index that may have an id that its
// sender gave, until it gives false: those with the id's hash. For those who look
// up many ids and keep the blocks they have decoded.
func (p *Part) MayBeGiven(index, id string, fn func(block, row int) bool) error {
	t, err := p.table()
	if t == nil || err != nil {
		return err
	}
	x, err := p.loaded()
	if err != nil {
		return err
	}
	var failed error
	err = t.Lookup(givenHash(index, []byte(id)), func(b uint32, r uint16) bool {
		if int(b) >= len(x.blocks) || int(r) >= x.blocks[b].info.Rows {
			failed = p.damage(-1, "given ids", corrupt("row %d of block %d", r, b))
			return false
		}
		return x.blocks[b].info.Index != index || fn(int(b), int(r))
	})
	if err != nil {
		return p.damage(-1, "given ids", err)
	}
	return failed
}

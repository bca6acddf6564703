package iddict

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

const dictMagic = "ORIELIDS"

// AppendTo appends the dictionary, after Build or Merge.
func (b *Builder) AppendTo(dst []byte) []byte {
	starts, blocks := b.postings()
	h := header{magic: dictMagic, width: b.width, count: len(b.keys)}
	for _, v := range blocks {
		h.blocks = max(h.blocks, int(v)+1)
	}
	groups := make([]byte, 0, len(b.keys)*(b.width+1))
	firsts := make([]key, 0, h.groups())
	sizes := make([]uint32, 0, h.groups())
	for from := 0; from < len(b.keys); from += groupSize {
		to := min(from+groupSize, len(b.keys))
		at := len(groups)
		groups = appendIDs(groups, b.keys[from:to])
		groups = appendPostings(groups, starts[from:to+1], blocks)
		groups = binary.LittleEndian.AppendUint32(groups, checksum(groups[at:]))
		firsts = append(firsts, b.keys[from])
		sizes = append(sizes, uint32(len(groups)-at))
	}
	return h.finish(dst, firsts, sizes, groups, nil)
}

// Dict reads a dictionary where it lies. It may be used concurrently. Errors
// are those of the reader, or ErrCorrupt.
type Dict struct {
	p pages
}

// Open reads the header and the first id of each group of the dictionary that
// takes length bytes at off, and keeps some 0.1 bytes for each id.
func Open(r io.ReaderAt, off, length int64) (*Dict, error) {
	d := new(Dict)
	if err := d.p.open(dictMagic, r, off, length); err != nil {
		return nil, err
	}
	if d.p.filter != 0 {
		return nil, fmt.Errorf("open ids at %d: %d bytes after the groups: %w", off, d.p.filter, ErrCorrupt)
	}
	return d, nil
}

// Len returns how many ids there are.
func (d *Dict) Len() int { return d.p.count }

// Width returns how many bytes an id has, 8 or 16.
func (d *Dict) Width() int { return d.p.width }

// Lookup finds an id with one read: its ordinal and the blocks that hold it,
// ascending. ok is false where there is no such id.
func (d *Dict) Lookup(id ID) (ordinal uint32, blocks []uint32, ok bool, err error) {
	k := id.key()
	g := d.p.find(k)
	if g < 0 {
		return 0, nil, false, nil
	}
	pg, err := d.p.read(g, g+1)
	if err != nil {
		return 0, nil, false, err
	}
	defer d.p.put(pg)
	var s ids
	rest, err := d.ids(pg, g, &s)
	if err != nil {
		return 0, nil, false, err
	}
	i := s.search(k)
	if i == s.n || s.at(i) != k {
		return 0, nil, false, nil
	}
	var ps postings
	if !ps.read(rest, s.n, d.p.blocks) {
		return 0, nil, false, d.p.corrupt(g, "postings")
	}
	if blocks, ok = ps.of(i, d.p.blocks); !ok {
		return 0, nil, false, d.p.corrupt(g, "a block beyond the last")
	}
	return uint32(g*groupSize + i), blocks, true, nil
}

// Search returns how many ids are less than id, with one read. The ids with a
// common beginning are those from the Search of the beginning and zeros on.
func (d *Dict) Search(id ID) (uint32, error) {
	k := id.key()
	g := d.p.find(k)
	if g < 0 {
		return 0, nil
	}
	pg, err := d.p.read(g, g+1)
	if err != nil {
		return 0, err
	}
	defer d.p.put(pg)
	var s ids
	if _, err := d.ids(pg, g, &s); err != nil {
		return 0, err
	}
	return uint32(g*groupSize + s.search(k)), nil
}

// At returns the id of an ordinal, with one read.
func (d *Dict) At(ordinal uint32) (ID, error) {
	var one [1]ID
	ids, err := d.Fetch([]uint32{ordinal}, one[:0])
	if err != nil {
		return ID{}, err
	}
	return ids[0], nil
}

// Fetch returns the ids of the ordinals, which come in any order, in into where
// they fit. It reads every group that it needs once.
func (d *Dict) Fetch(ordinals []uint32, into []ID) ([]ID, error) {
	if cap(into) < len(ordinals) {
		into = make([]ID, len(ordinals))
	}
	into = into[:len(ordinals)]
	order := make([]uint64, len(ordinals)) // the ordinal, then its place
	for i, o := range ordinals {
		if int(o) >= d.p.count {
			return nil, fmt.Errorf("ids at %d: ordinal %d of %d: %w", d.p.off, o, d.p.count, ErrCorrupt)
		}
		order[i] = uint64(o)<<32 | uint64(i)
	}
	slices.Sort(order)
	var s ids
	for i := 0; i < len(order); {
		g := int(order[i]>>32) / groupSize
		pg, err := d.p.read(g, g+1)
		if err != nil {
			return nil, err
		}
		if _, err := d.ids(pg, g, &s); err != nil {
			d.p.put(pg)
			return nil, err
		}
		for ; i < len(order) && int(order[i]>>32)/groupSize == g; i++ {
			into[uint32(order[i])] = s.at(int(order[i]>>32) % groupSize).id()
		}
		d.p.put(pg)
	}
	return into, nil
}

// All returns all ids in their order, in into where they fit.
func (d *Dict) All(into []ID) ([]ID, error) {
	if cap(into) < d.p.count {
		into = make([]ID, 0, d.p.count)
	}
	into = into[:0]
	sc := scanner{d: d}
	for {
		keys, err := sc.next()
		if err != nil || len(keys) == 0 {
			return into, err
		}
		for _, k := range keys {
			into = append(into, k.id())
		}
	}
}

// ids reads the ids of group g, which is in pg.
func (d *Dict) ids(pg *page, g int, s *ids) (rest []byte, err error) {
	body, err := d.p.group(pg, g)
	if err != nil {
		return nil, err
	}
	rest, ok := s.read(body, d.p.size(g), d.p.firsts[g])
	if !ok {
		return nil, d.p.corrupt(g, "ids")
	}
	return rest, nil
}

// scanner reads a dictionary from its first id to its last.
type scanner struct {
	d     *Dict
	group int // the next one
	keys  []key
	s     ids
}

// scanGroups is how many groups are read at once, some 64 KiB.
const scanGroups = 16

// next returns the ids of the next groups, until the next call; none at the
// end.
func (sc *scanner) next() ([]key, error) {
	p := &sc.d.p
	to := min(sc.group+scanGroups, p.groups())
	sc.keys = sc.keys[:0]
	if sc.group == to {
		return nil, nil
	}
	pg, err := p.read(sc.group, to)
	if err != nil {
		return nil, err
	}
	defer p.put(pg)
	for ; sc.group < to; sc.group++ {
		if _, err := sc.d.ids(pg, sc.group, &sc.s); err != nil {
			return nil, err
		}
		sc.keys = sc.s.appendAll(sc.keys)
	}
	return sc.keys, nil
}

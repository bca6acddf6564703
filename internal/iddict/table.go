package iddict

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"

	"github.com/oriel-project/oriel/internal/bitpack"
)

const tableMagic = "ORIELIDH"

// TableBuilder collects the hashes of ids and the rows that have them. The
// zero value is ready to use, for one goroutine.
type TableBuilder struct {
	entries []entry // the hash; block and row
}

// Add adds a row of a block, which is below MaxBlocks. The hash is of 64 good
// bits. Hashes may come more than once.
func (b *TableBuilder) Add(hash uint64, block uint32, row uint16) {
	b.entries = append(b.entries, entry{key: key{hash, uint64(block)<<16 | uint64(row)}})
}

// Len returns how many rows were added.
func (b *TableBuilder) Len() int { return len(b.entries) }

// AppendTo sorts what was added and appends the table.
func (b *TableBuilder) AppendTo(dst []byte) []byte {
	es := b.entries
	sortEntries(es, make([]entry, len(es)))
	h := header{magic: tableMagic, width: 8, count: len(es)}
	groups := make([]byte, 0, len(es)*10)
	firsts := make([]key, 0, h.groups())
	sizes := make([]uint32, 0, h.groups())
	for from := 0; from < len(es); from += groupSize {
		g := es[from:min(from+groupSize, len(es))]
		at := len(groups)
		groups = appendRows(groups, g)
		groups = binary.LittleEndian.AppendUint32(groups, checksum(groups[at:]))
		firsts = append(firsts, key{hi: g[0].hi})
		sizes = append(sizes, uint32(len(groups)-at))
		for _, e := range g {
			h.blocks = max(h.blocks, int(e.lo>>16)+1)
		}
	}
	f := newFilter(len(es))
	for _, e := range es {
		f.add(e.hi)
	}
	return h.finish(dst, firsts, sizes, groups, f.lines)
}

// appendRows appends a group: the differences of the hashes but for the first,
// which the fence has, the blocks and the rows.
func appendRows(dst []byte, es []entry) []byte {
	var buf [groupSize]uint64
	pack := func(vals []uint64) {
		all := uint64(0)
		for _, v := range vals {
			all |= v
		}
		width := bits.Len64(all)
		dst = bitpack.Append(append(dst, byte(width)), vals, uint(width))
	}
	for i := range es[1:] {
		buf[i] = es[i+1].hi - es[i].hi
	}
	dst = bitpack.AppendGroup(dst, buf[:len(es)-1])
	for i, e := range es {
		buf[i] = e.lo >> 16
	}
	pack(buf[:len(es)])
	for i, e := range es {
		buf[i] = e.lo & 0xffff
	}
	pack(buf[:len(es)])
	return dst
}

// Table finds rows by hash where they lie. It may be used concurrently. Errors
// are those of the reader, or ErrCorrupt.
type Table struct {
	p pages
}

// OpenTable reads the header and the first hash of each group of the table that
// takes length bytes at off, and keeps some 0.1 bytes for each hash.
func OpenTable(r io.ReaderAt, off, length int64) (*Table, error) {
	t := new(Table)
	if err := t.p.open(tableMagic, r, off, length); err != nil {
		return nil, err
	}
	if t.p.width != 8 || t.p.filter != filterLen(t.p.count) {
		return nil, fmt.Errorf("open ids at %d: a filter of %d bytes for %d hashes: %w", off, t.p.filter, t.p.count, ErrCorrupt)
	}
	return t, nil
}

// Len returns how many rows there are.
func (t *Table) Len() int { return t.p.count }

// Lookup calls yield with every row that was added with the hash, by block and
// row, until it returns false. It reads one group, and more only where as many
// rows have the hash.
func (t *Table) Lookup(hash uint64, yield func(block uint32, row uint16) bool) error {
	last := t.p.find(key{hi: hash})
	// The hash may stand at the end of the group before those that begin with it.
	from := last
	for from > 0 && t.p.firsts[from].hi == hash {
		from--
	}
	for g := max(from, 0); g <= last; g++ {
		more, err := t.lookup(g, hash, yield)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (t *Table) lookup(g int, hash uint64, yield func(uint32, uint16) bool) (more bool, err error) {
	pg, err := t.p.read(g, g+1)
	if err != nil {
		return false, err
	}
	defer t.p.put(pg)
	body, err := t.p.group(pg, g)
	if err != nil {
		return false, err
	}
	n := t.p.size(g)
	var hashes [groupSize]uint64
	body, ok1 := bitpack.UnpackGroup(hashes[1:n], body, 0, 1)
	next := func() (packed []byte, width uint, ok bool) {
		if len(body) == 0 {
			return nil, 0, false
		}
		width = uint(body[0])
		size := 1 + bitpack.Len(n, width)
		if width > 64 || size > len(body) {
			return nil, 0, false
		}
		packed, body = body[1:size+bitpack.Slack], body[size:]
		return packed, width, true
	}
	blocks, blockWidth, ok2 := next()
	rows, rowWidth, ok3 := next()
	if !ok1 || !ok2 || !ok3 || len(body) > 0 || blockWidth > 20 || rowWidth > 16 {
		return false, t.p.corrupt(g, "rows")
	}
	at := t.p.firsts[g].hi
	for i := range n {
		at += hashes[i]
		if at == hash && !yield(uint32(bitpack.Get(blocks, i, blockWidth)), uint16(bitpack.Get(rows, i, rowWidth))) {
			return false, nil
		}
	}
	return true, nil
}

// Filter reads the filter of the table, which is for keeping in memory: 10 bits
// for each hash.
func (t *Table) Filter() (*Filter, error) {
	f := &Filter{lines: make([]byte, t.p.filter)}
	at := t.p.length - int64(t.p.filter)
	if err := readAt(t.p.r, f.lines, t.p.off+at); err != nil {
		return nil, fmt.Errorf("filter of ids at %d: %w", t.p.off, err)
	}
	if checksum(f.lines) != t.p.filterSum {
		return nil, fmt.Errorf("filter of ids at %d: checksum: %w", t.p.off, ErrCorrupt)
	}
	return f, nil
}

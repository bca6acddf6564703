// Package iddict stores ids of 8 or 16 bytes, such as trace ids and UUIDs, of
// which a part of a segment has many and most of them in few rows.
//
// A Dict holds each id once, sorted, in little more than the bits in which
// random ids differ, and with each the blocks that it is in: it is the storage
// of a column and the index to it. Rows refer to ids by ordinal, the place in
// the order.
//
//	b := iddict.NewBuilder(16)
//	for i, id := range ids {
//		b.Add(id, blockOf(i))
//	}
//	ordinals := b.Build()
//	file = b.AppendTo(file)
//
//	d, err := iddict.Open(r, off, length)
//	ordinal, blocks, ok, err := d.Lookup(id)
//
// A Table finds rows by 64-bit hashes of ids that have no fixed form.
//
// Both read one group of 256 at a time, with one read, and keep the first of
// each group in memory. docs/format/ids.md describes the bytes.
package iddict

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"sync"

	"github.com/oriel-project/oriel/internal/bitpack"
)

const (
	version    = 1
	headerSize = 64
	groupSize  = 256

	// MaxLen is the greatest number of ids of a Dict, or hashes of a Table.
	MaxLen = 1 << 27
	// MaxBlocks is how many blocks can be told apart.
	MaxBlocks = 1 << 20
)

// ErrCorrupt is what an error is that is not of the reader below.
var ErrCorrupt = errors.New("corrupt dictionary of ids")

// castagnoli is immutable.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// header is what Dict and Table begin with.
type header struct {
	magic  string // 8 bytes
	width  int    // of what groups are sorted by
	count  int    // of ids or hashes
	blocks int    // the greatest block plus one
	filter int    // bytes of the filter after the groups
	length int64  // of everything

	fenceSum, filterSum uint32
}

func (h *header) groups() int { return (h.count + groupSize - 1) / groupSize }

// fenceLen is how long the fence is: of each group its first and its end.
func (h *header) fenceLen() int { return h.groups() * (h.width + 4) }

func (h *header) append(dst []byte) []byte {
	at := len(dst)
	le := binary.LittleEndian
	dst = append(dst, h.magic...)
	dst = le.AppendUint16(dst, version)
	dst = append(dst, byte(h.width), 0, 0, 0, 0, 0)
	dst = le.AppendUint32(dst, uint32(h.count))
	dst = le.AppendUint32(dst, uint32(h.blocks))
	dst = le.AppendUint64(dst, uint64(h.filter))
	dst = le.AppendUint64(dst, uint64(h.length))
	dst = le.AppendUint32(dst, h.fenceSum)
	dst = le.AppendUint32(dst, h.filterSum)
	dst = append(dst, make([]byte, headerSize-4-(len(dst)-at))...)
	return le.AppendUint32(dst, checksum(dst[at:]))
}

func (h *header) parse(b []byte) error {
	le := binary.LittleEndian
	if string(b[:8]) != h.magic {
		return fmt.Errorf("magic %q, want %q: %w", b[:8], h.magic, ErrCorrupt)
	}
	if checksum(b[:headerSize-4]) != le.Uint32(b[headerSize-4:]) {
		return fmt.Errorf("header: checksum: %w", ErrCorrupt)
	}
	if v := le.Uint16(b[8:]); v != version {
		return fmt.Errorf("version %d, this program reads %d", v, version)
	}
	h.width = int(b[10])
	count, blocks := le.Uint32(b[16:]), le.Uint32(b[20:])
	filter, length := le.Uint64(b[24:]), le.Uint64(b[32:])
	h.fenceSum, h.filterSum = le.Uint32(b[40:]), le.Uint32(b[44:])
	if h.width != 8 && h.width != 16 || count > MaxLen || blocks > MaxBlocks || length > 1<<40 || filter > length {
		return fmt.Errorf("header: width %d, %d ids, %d blocks: %w", h.width, count, blocks, ErrCorrupt)
	}
	h.count, h.blocks, h.filter, h.length = int(count), int(blocks), int(filter), int64(length)
	return nil
}

// pages is what Dict and Table read groups with. It may be used concurrently.
type pages struct {
	header
	r      io.ReaderAt
	off    int64
	firsts []key
	ends   []int64 // of each group, from off
	bufs   sync.Pool
}

// open reads the header and the fence of the length bytes at off.
func (p *pages) open(magic string, r io.ReaderAt, off, length int64) error {
	p.magic, p.r, p.off = magic, r, off
	fail := func(err error) error { return fmt.Errorf("open ids at %d: %w", off, err) }
	var head [headerSize]byte
	if length < headerSize {
		return fail(fmt.Errorf("%d bytes: %w", length, ErrCorrupt))
	}
	if err := readAt(r, head[:], off); err != nil {
		return fail(err)
	}
	if err := p.parse(head[:]); err != nil {
		return fail(err)
	}
	start := int64(headerSize + p.fenceLen())
	if p.length != length || start+int64(p.filter) > length {
		return fail(fmt.Errorf("%d bytes, the header says %d: %w", length, p.length, ErrCorrupt))
	}
	fence := make([]byte, p.fenceLen())
	if err := readAt(r, fence, off+headerSize); err != nil {
		return fail(err)
	}
	if checksum(fence) != p.fenceSum {
		return fail(fmt.Errorf("fence: checksum: %w", ErrCorrupt))
	}
	n := p.groups()
	p.firsts, p.ends = make([]key, n), make([]int64, n)
	end, last := start, length-int64(p.filter)
	for i := range n {
		var id ID
		copy(id[:], fence[:p.width])
		p.firsts[i] = id.key()
		size := binary.LittleEndian.Uint32(fence[p.width:])
		end += int64(size)
		if size < 4 || end > last || i > 0 && p.firsts[i].less(p.firsts[i-1]) {
			return fail(fmt.Errorf("fence: group %d ends at %d of %d: %w", i, end, last, ErrCorrupt))
		}
		p.ends[i] = end
		fence = fence[p.width+4:]
	}
	if end != last {
		return fail(fmt.Errorf("fence: groups end at %d of %d: %w", end, last, ErrCorrupt))
	}
	return nil
}

func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	return fmt.Errorf("read %d bytes at %d: %w", len(b), off, err)
}

// from returns where group i begins.
func (p *pages) from(i int) int64 {
	if i == 0 {
		return int64(headerSize + p.fenceLen())
	}
	return p.ends[i-1]
}

// size returns how many ids group i has.
func (p *pages) size(i int) int { return min(groupSize, p.count-i*groupSize) }

// page is what groups from to to, exclusive, are read into.
type page struct {
	buf  []byte
	from int
}

// read reads groups into memory that is returned with put.
func (p *pages) read(from, to int) (*page, error) {
	pg, ok := p.bufs.Get().(*page)
	if !ok {
		pg = new(page)
	}
	pg.from = from
	size := int(p.ends[to-1] - p.from(from))
	if cap(pg.buf) < size+bitpack.Slack {
		pg.buf = make([]byte, size+bitpack.Slack)
	}
	pg.buf = pg.buf[:size]
	if err := readAt(p.r, pg.buf, p.off+p.from(from)); err != nil {
		p.put(pg)
		return nil, fmt.Errorf("ids at %d, group %d: %w", p.off, from, err)
	}
	return pg, nil
}

func (p *pages) put(pg *page) { p.bufs.Put(pg) }

// group returns the body of group i, which was read, with Slack in its
// capacity, after its checksum was found right.
func (p *pages) group(pg *page, i int) ([]byte, error) {
	start := p.from(pg.from)
	g := pg.buf[p.from(i)-start : p.ends[i]-start]
	body := g[:len(g)-4]
	if checksum(body) != binary.LittleEndian.Uint32(g[len(body):]) {
		return nil, p.corrupt(i, "checksum")
	}
	return body, nil
}

func (p *pages) corrupt(i int, what string) error {
	return fmt.Errorf("ids at %d, group %d at %d: %s: %w", p.off, i, p.off+p.from(i), what, ErrCorrupt)
}

// find returns the last group that begins at or before k, -1 where none does.
func (p *pages) find(k key) int {
	return sort.Search(len(p.firsts), func(i int) bool { return k.less(p.firsts[i]) }) - 1
}

// finish puts the header, the fence and the groups together: groups are the
// bytes of all, sizes how long each is.
func (h *header) finish(dst []byte, firsts []key, sizes []uint32, groups, filter []byte) []byte {
	fence := make([]byte, 0, h.fenceLen())
	for i, k := range firsts {
		id := k.id()
		fence = append(fence, id[:h.width]...)
		fence = binary.LittleEndian.AppendUint32(fence, sizes[i])
	}
	h.filter = len(filter)
	h.length = int64(headerSize + len(fence) + len(groups) + len(filter))
	h.fenceSum, h.filterSum = checksum(fence), checksum(filter)
	dst = h.append(dst)
	dst = append(dst, fence...)
	dst = append(dst, groups...)
	return append(dst, filter...)
}

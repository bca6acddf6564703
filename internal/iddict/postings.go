package iddict

import (
	"encoding/binary"
	"math/bits"

	"github.com/oriel-project/oriel/internal/bitpack"
)

// appendPostings appends the blocks of the ids of a group: starts has one entry
// more than there are ids, blocks[starts[i]:starts[i+1]] are those of id i.
// Most ids are in one block or two: the number of them takes a few bits, and
// what is above follows aside.
func appendPostings(dst []byte, starts, blocks []uint32) []byte {
	n := len(starts) - 1
	countWidth := countBits(starts)
	most := uint32(1)<<countWidth - 1
	var buf [groupSize]uint64
	vals := buf[:0]
	var first, diff uint32
	for i := range n {
		list := blocks[starts[i]:starts[i+1]]
		vals = append(vals, uint64(min(uint32(len(list)), most)))
		for j, b := range list {
			if j == 0 {
				first = max(first, b)
			} else {
				diff = max(diff, b-list[j-1]-1)
			}
		}
	}
	firstWidth, diffWidth := uint(bits.Len32(first)), uint(bits.Len32(diff))
	dst = append(dst, byte(countWidth), byte(firstWidth), byte(diffWidth))
	dst = bitpack.Append(dst, vals, countWidth)
	for i := range n {
		if count := starts[i+1] - starts[i]; count >= most {
			dst = binary.AppendUvarint(dst, uint64(count-most))
		}
	}
	vals = vals[:0]
	for i := range n {
		if starts[i+1] > starts[i] {
			vals = append(vals, uint64(blocks[starts[i]]))
		}
	}
	dst = bitpack.Append(dst, vals, firstWidth)
	vals = vals[:0]
	for i := range n {
		list := blocks[starts[i]:starts[i+1]]
		for j := 1; j < len(list); j++ {
			vals = append(vals, uint64(list[j]-list[j-1]-1))
		}
	}
	return bitpack.Append(dst, vals, diffWidth)
}

// countBits returns how many bits of the counts are best packed.
func countBits(starts []uint32) uint {
	n := len(starts) - 1
	best, width := 1<<30, uint(0)
	for w := uint(1); w <= 6; w++ {
		cost := n * int(w)
		for i := range n {
			if starts[i+1]-starts[i] >= 1<<w-1 {
				cost += 8
			}
		}
		if cost < best {
			best, width = cost, w
		}
	}
	return width
}

// postings are those of a group that was read.
type postings struct {
	counts                [groupSize]uint32
	firsts, diffs         []byte // with slack
	firstWidth, diffWidth uint
}

// read reads the postings of n ids, which g ends with. g has Slack in its
// capacity. No block is to be above blocks, so that no id has more.
func (p *postings) read(g []byte, n, blocks int) bool {
	if len(g) < 3 {
		return false
	}
	countWidth := uint(g[0])
	p.firstWidth, p.diffWidth = uint(g[1]), uint(g[2])
	g = g[3:]
	size := bitpack.Len(n, countWidth)
	if countWidth == 0 || countWidth > 6 || p.firstWidth > 20 || p.diffWidth > 20 || size > len(g) {
		return false
	}
	bitpack.Unpack(p.counts[:n], g[:size+bitpack.Slack], countWidth, 0, 1)
	g = g[size:]
	most := uint32(1)<<countWidth - 1
	some, more := 0, 0
	for i, c := range p.counts[:n] {
		if c == most {
			v, k := binary.Uvarint(g)
			if k <= 0 || v > MaxBlocks {
				return false
			}
			g = g[k:]
			c += uint32(v)
			p.counts[i] = c
		}
		if int(c) > blocks {
			return false
		}
		if c > 0 {
			some++
			more += int(c) - 1
		}
	}
	size = bitpack.Len(some, p.firstWidth)
	if size+bitpack.Len(more, p.diffWidth) != len(g) {
		return false
	}
	p.firsts, p.diffs = g[:size+bitpack.Slack], g[size:len(g)+bitpack.Slack]
	return true
}

// of returns the blocks of id i; false where one is not below blocks.
func (p *postings) of(i, blocks int) ([]uint32, bool) {
	some, more := 0, 0
	for _, c := range p.counts[:i] {
		if c > 0 {
			some++
			more += int(c) - 1
		}
	}
	n := int(p.counts[i])
	if n == 0 {
		return nil, true
	}
	list := make([]uint32, n)
	b := uint32(bitpack.Get(p.firsts, some, p.firstWidth))
	list[0] = b
	for j := 1; j < n && int(b) < blocks; j++ {
		b += uint32(bitpack.Get(p.diffs, more+j-1, p.diffWidth)) + 1
		list[j] = b
	}
	return list, int(b) < blocks
}

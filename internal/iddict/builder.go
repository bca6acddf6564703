package iddict

import (
	"fmt"
	"slices"
)

// Builder collects the ids of a part and the blocks that hold them. It goes
// through two stages: Add, then Build; a builder made by Merge is built. It is
// for one goroutine.
type Builder struct {
	width   int
	entries []entry // until Build
	keys    []key   // from Build on: ascending, each once

	// What stands in which block: id ords[i] in blocks[i].
	ords, blocks []uint32
}

// NewBuilder returns a builder of ids of 8 or 16 bytes.
func NewBuilder(width int) *Builder {
	if width != 8 && width != 16 {
		panic(fmt.Sprintf("iddict: ids of %d bytes", width))
	}
	return &Builder{width: width}
}

// Add adds the id of a row of the block and returns the row's handle: 0 for the
// first, 1 for the next, ...
func (b *Builder) Add(id ID, block uint32) (handle int) {
	b.entries = append(b.entries, entry{id.key(), uint32(len(b.entries))})
	b.blocks = append(b.blocks, block)
	return len(b.entries) - 1
}

// Build sorts what was added and returns the ordinals of the rows by their
// handles. They are the builder's memory, to be read until it is dropped.
func (b *Builder) Build() []uint32 {
	es := b.entries
	tmp := make([]entry, len(es))
	sortEntries(es, tmp)
	b.ords = make([]uint32, len(es))
	b.keys = make([]key, 0, len(es))
	for i := range es {
		if k := es[i].key; i == 0 || k != es[i-1].key {
			b.keys = append(b.keys, k)
		}
		b.ords[es[i].handle] = uint32(len(b.keys) - 1)
	}
	b.entries = nil
	return b.ords[:len(b.ords):len(b.ords)]
}

// Note says that the block holds the id with the ordinal. It is for after Build
// or Merge.
func (b *Builder) Note(ordinal, block uint32) {
	b.ords = append(b.ords, ordinal)
	b.blocks = append(b.blocks, block)
}

// Len returns how many ids there are, after Build or Merge.
func (b *Builder) Len() int { return len(b.keys) }

// Ordinal returns the place of an id, after Build or Merge.
func (b *Builder) Ordinal(id ID) (uint32, bool) {
	i, ok := slices.BinarySearchFunc(b.keys, id.key(), func(k, want key) int {
		switch {
		case k == want:
			return 0
		case k.less(want):
			return -1
		}
		return 1
	})
	return uint32(i), ok
}

// At returns the id of an ordinal, after Build or Merge.
func (b *Builder) At(ordinal uint32) ID { return b.keys[ordinal].id() }

// postings returns, for every ordinal, its blocks: ascending, each once, in
// blocks[starts[i]:starts[i+1]].
func (b *Builder) postings() (starts, blocks []uint32) {
	starts = make([]uint32, len(b.keys)+1)
	for _, o := range b.ords {
		starts[o+1]++
	}
	for i := range b.keys {
		starts[i+1] += starts[i]
	}
	blocks = make([]uint32, len(b.ords))
	for i, o := range b.ords {
		blocks[starts[o]] = b.blocks[i]
		starts[o]++
	}
	// Each start is now where the next one was.
	kept, from := uint32(0), uint32(0)
	for i := range b.keys {
		list := blocks[from:starts[i]]
		from = starts[i]
		if !slices.IsSorted(list) {
			slices.Sort(list)
		}
		starts[i] = kept
		for j, v := range list {
			if j == 0 || v != list[j-1] {
				blocks[kept] = v
				kept++
			}
		}
	}
	starts[len(b.keys)] = kept
	return starts, blocks[:kept]
}

package logging

import (
	"math"
	"sync"
)

// Numbering numbers strings from 0, for those who meet the same ones again and
// again: what they know of a string lies in an array, at its number. A string that
// was numbered keeps its number; one that came when there were too many never gets
// one. Safe for concurrent use.
type Numbering struct {
	most int

	mu      sync.RWMutex // guards what follows
	keys    []StringKey  // by number
	table   keyTable
	refused int
	bounds  aggBounds // none
}

// Unnumbered stands for a string without a number.
const Unnumbered = math.MaxUint32

// NumberedBytes is what a string takes in a Numbering, about.
const NumberedBytes = 32

// NewNumbering makes a Numbering of so many strings at the most.
func NewNumbering(most int) *Numbering { return &Numbering{most: most} }

// Number gives the numbers of strings, Unnumbered where one has none, and tells how
// many of them are new.
func (n *Numbering) Number(keys []StringKey) (out []uint32, fresh int) {
	out = make([]uint32, len(keys))
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, k := range keys {
		slot, number, _ := n.table.find(k, n.keys, &n.bounds)
		switch {
		case slot < 0:
		case len(n.keys) >= n.most:
			n.refused++
		default:
			number = uint32(len(n.keys))
			n.keys = append(n.keys, k)
			fresh++
			n.table.put(slot, number)
		}
		out[i] = number
	}
	return out, fresh
}

// Find gives the number of a string, and makes none.
func (n *Numbering) Find(k StringKey) (number uint32, ok bool) {
	n.mu.Lock() // finding may grow the table
	defer n.mu.Unlock()
	slot, number, _ := n.table.find(k, n.keys, &n.bounds)
	return number, slot < 0
}

// Len is the number of strings that have one.
func (n *Numbering) Len() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.keys)
}

// Spent reports whether the numbers went to strings that are not met any more, it
// seems: many more were refused. It is time for another Numbering.
func (n *Numbering) Spent() bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.refused > 8*n.most
}

// keyTable finds places in a list of keys by open addressing.
type keyTable struct {
	slots []uint32 // the place plus 1; 0 is free
	used  int
}

// find gives the place of a key in the list, or else noID and the slot for it; with an
// error no slot.
func (t *keyTable) find(k StringKey, keys []StringKey, b *aggBounds) (slot int, at uint32, err error) {
	if 2*(t.used+1) > len(t.slots) {
		if err := t.grow(keys, b); err != nil {
			return -1, noID, err
		}
	}
	mask := uint64(len(t.slots) - 1)
	i := k[0] & mask
	for ; t.slots[i] != 0; i = (i + 1) & mask {
		if at := t.slots[i] - 1; keys[at] == k {
			return -1, at, nil
		}
	}
	return int(i), noID, nil
}

func (t *keyTable) put(slot int, at uint32) {
	t.slots[slot] = at + 1
	t.used++
}

// grow makes the table larger. There may be millions of entries: an error says that
// nobody waits for them any more.
func (t *keyTable) grow(keys []StringKey, b *aggBounds) error {
	old := t.slots
	t.slots = make([]uint32, max(16, 4*len(old)))
	mask := uint64(len(t.slots) - 1)
	for _, e := range old {
		if e == 0 {
			continue
		}
		if err := b.step(); err != nil {
			return err
		}
		i := keys[e-1][0] & mask
		for t.slots[i] != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = e
	}
	return nil
}

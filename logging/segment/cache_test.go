package segment

import (
	"fmt"
	"testing"
)

// A cache keeps what was used last, within its bytes, and nothing large.
func TestCache(t *testing.T) {
	c := NewCache(100_000)
	blocks := make([]*blockEntry, 40)
	column := func(rows int) *Column { return &Column{Kind: KindInts, N: rows, Mant: make([]int64, rows)} }
	for i := range blocks {
		blocks[i] = &blockEntry{number: 3}
		c.keep(blocks[i], 1, column(500), false) // some 4,200 bytes
		if c.column(blocks[0], 1) == nil {
			t.Fatalf("what is asked for again and again is gone after %d blocks", i)
		}
	}
	if got := c.Stats(); got.Bytes > 100_000 || got.Bytes < 50_000 {
		t.Errorf("%d bytes are kept, want up to 100000", got.Bytes)
	}
	if c.column(blocks[1], 1) != nil {
		t.Error("what was used least recently is there still")
	}
	if last := blocks[len(blocks)-1]; c.column(last, 1) == nil || c.column(last, 2) != nil {
		t.Error("the last column is not there, or one that never was is")
	}
	c.keep(blocks[5], 2, column(5000), false)
	if c.column(blocks[5], 2) != nil {
		t.Error("a column as large as a good part of the cache is kept")
	}
	c.keep(blocks[5], 2, &Column{Kind: KindPlain, N: 1000, Data: make([]byte, 10)}, false)
	if c.column(blocks[5], 2) != nil {
		t.Error("texts are kept")
	}

	var none *Cache
	none.keep(blocks[0], 1, column(1), false)
	if none.column(blocks[0], 1) != nil || none.Stats().Bytes != 0 {
		t.Error("no cache keeps something")
	}
}

// What was found in a block is kept by its key, for some dozens of keys.
func TestCacheFound(t *testing.T) {
	c, e := NewCache(1_000_000), &blockEntry{}
	key := func(i int) string { return fmt.Sprintf("word %d", i) }
	for i := range 3 * foundMax {
		c.keepRows(e, key(i), make([]uint16, 100))
		if rows, ok := c.rows(e, key(i)); !ok || len(rows) != 100 {
			t.Fatalf("%s: %d rows, %t", key(i), len(rows), ok)
		}
	}
	if _, ok := c.rows(e, key(0)); ok {
		t.Error("the first of very many is there still")
	}
	if got := c.Stats().Bytes; got > foundMax*300 {
		t.Errorf("%d bytes are kept for %d keys", got, foundMax)
	}
	before := c.Stats().Bytes
	c.keepRows(e, key(3*foundMax-1), make([]uint16, 100))
	if got := c.Stats().Bytes; got != before {
		t.Errorf("the same again: %d bytes, then %d", before, got)
	}
	c.keepRows(e, "nothing", nil)
	if rows, ok := c.rows(e, "nothing"); !ok || len(rows) != 0 {
		t.Error("that there is nothing is not remembered")
	}
}

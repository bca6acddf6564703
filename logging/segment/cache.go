package segment

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/oriel-project/oriel/logging"
)

// Cache keeps what queries decoded of blocks in files, for those that come
// again: dashboards ask the same of the same blocks every few seconds. It keeps
// what is small and decoded over and over, which is times and places, codes, numbers
// and ordinals of ids, and not texts, of which one query over everything would push
// out all else; of texts it keeps which rows were found, and those that hits were
// rebuilt from. Blocks that were used least recently go first. What is in it
// belongs to a block, and is reached only through a part that the caller has.
// Safe for concurrent use; a nil Cache keeps nothing.
type Cache struct {
	bytesMax int64

	mu     sync.Mutex // guards what follows
	bytes  int64
	blocks map[any]*list.Element // of *kept, by *blockEntry, *IDs, minutesKey, valuesKey and numberingKey
	order  list.List             // the most recently used first
	hits   int64
	misses int64
}

// kept is what is decoded of one block, of the ids of a part, or counted of a part.
type kept struct {
	key    any
	bytes  int64
	metas  []columnMeta
	cols   []*Column // nil: not decoded
	found  map[string][]uint16
	keyed  map[int]*Keyed // by hole
	made   map[string]made
	counts []byte // rows by minute, as colenc has them

	hashes    []uint64
	minutes   map[Labels]*Minutes
	byValue   *ByValue
	numbering *logging.Numbering // of a tenant
}

// Keyed is the strings of a column by a dictionary of their keys: the string of
// row i has Keys[Of[i]], and is that of row First[Of[i]].
type Keyed struct {
	Of, First []uint16
	Keys      []logging.StringKey

	numbers atomic.Pointer[numbers]
}

// NewCache makes a cache that holds about so many bytes.
func NewCache(bytesMax int64) *Cache {
	return &Cache{bytesMax: bytesMax, blocks: map[any]*list.Element{}}
}

// CacheStats are how a cache does.
type CacheStats struct{ Bytes, Hits, Misses int64 }

// Stats tells how many bytes are kept, and how many columns were found and were
// not since the beginning.
func (c *Cache) Stats() CacheStats {
	if c == nil {
		return CacheStats{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{c.bytes, c.hits, c.misses}
}

// of gives what is kept of a block or ids; c.mu is held.
func (c *Cache) of(key any) *kept {
	el := c.blocks[key]
	if el == nil {
		return nil
	}
	c.order.MoveToFront(el)
	return el.Value.(*kept)
}

// add makes room for more of a block or ids and gives its place; c.mu is held.
func (c *Cache) add(key any, bytes int64) *kept {
	k := c.of(key)
	if k == nil {
		k = &kept{key: key}
		c.blocks[key] = c.order.PushFront(k)
	}
	k.bytes += bytes
	c.bytes += bytes
	for c.bytes > c.bytesMax && c.order.Len() > 1 {
		last := c.order.Back()
		old := last.Value.(*kept)
		c.bytes -= old.bytes
		delete(c.blocks, old.key)
		c.order.Remove(last)
	}
	return k
}

// metas gives what the index says of a block's columns; nil where it is not kept.
func (c *Cache) metas(e *blockEntry) []columnMeta {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil {
		return k.metas
	}
	return nil
}

const metaBytes = 96 // of a columnMeta, about

func (c *Cache) keepMetas(e *blockEntry, metas []columnMeta) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(e, int64(len(metas)*metaBytes)).metas = metas
}

// column gives a column; nil where it is not kept.
func (c *Cache) column(e *blockEntry, number int) *Column {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil && k.cols != nil && k.cols[number] != nil {
		c.hits++
		return k.cols[number]
	}
	c.misses++
	return nil
}

// keep keeps a column, where it is of a kind that is kept; texts says that those
// are, too.
func (c *Cache) keep(e *blockEntry, number int, col *Column, texts bool) {
	if c == nil {
		return
	}
	bytes := col.keptBytes(texts)
	if bytes == 0 || bytes > c.bytesMax/16 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.add(e, bytes)
	if k.cols == nil {
		k.cols = make([]*Column, e.number)
	}
	if k.cols[number] == nil {
		k.cols[number] = col
	}
}

// foundMax bounds how many selections of rows are remembered of a block.
const foundMax = 64

// rows gives the rows of a block that were found for a key.
func (c *Cache) rows(e *blockEntry, key string) ([]uint16, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil {
		rows, ok := k.found[key]
		return rows, ok
	}
	return nil, false
}

func (c *Cache) keepRows(e *blockEntry, key string, rows []uint16) {
	if c == nil {
		return
	}
	size := func(key string, rows []uint16) int64 { return int64(2*cap(rows) + len(key) + 64) }
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil {
		if _, ok := k.found[key]; ok {
			return // two queries looked at once
		}
		if len(k.found) >= foundMax {
			for key, rows := range k.found {
				k.bytes -= size(key, rows)
				c.bytes -= size(key, rows)
			}
			k.found = nil
		}
	}
	k := c.add(e, size(key, rows))
	if k.found == nil {
		k.found = map[string][]uint16{}
	}
	k.found[key] = rows
}

// keyed gives what keepKeyed was told of a column.
func (c *Cache) keyed(e *blockEntry, hole int) *Keyed {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil {
		return k.keyed[hole]
	}
	return nil
}

func (c *Cache) keepKeyed(e *blockEntry, hole int, keyed *Keyed) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil && k.keyed[hole] != nil {
		return // two queries looked at once
	}
	k := c.add(e, int64(2*cap(keyed.Of)+2*cap(keyed.First)+(16+4)*cap(keyed.Keys)+160))
	if k.keyed == nil {
		k.keyed = map[int]*Keyed{}
	}
	k.keyed[hole] = keyed
}

// made is what queries made of a block, beside columns.
type made struct {
	of    any
	bytes int64
}

// madeMax bounds how much of that is kept of a block.
const madeMax = 64

// made gives what keepMade was told of a key; nil where that is not known.
func (c *Cache) made(e *blockEntry, key string) any {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil {
		of := k.made[key].of
		if of != nil {
			c.hits++
		}
		return of
	}
	return nil
}

func (c *Cache) keepMade(e *blockEntry, key string, of any, bytes int64) {
	if c == nil {
		return
	}
	m := made{of, bytes + int64(len(key)) + 64}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil {
		if k.made[key].of != nil {
			return // two queries looked at once
		}
		if len(k.made) >= madeMax {
			for _, m := range k.made {
				k.bytes -= m.bytes
				c.bytes -= m.bytes
			}
			k.made = nil
		}
	}
	k := c.add(e, m.bytes)
	if k.made == nil {
		k.made = map[string]made{}
	}
	k.made[key] = m
}

// counts gives what keepCounts was told.
func (c *Cache) counts(e *blockEntry) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil {
		return k.counts
	}
	return nil
}

func (c *Cache) keepCounts(e *blockEntry, counts []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(e); k != nil && k.counts != nil {
		return // two queries looked at once
	}
	c.add(e, int64(cap(counts))).counts = counts
}

// idHashes gives what keepIDHashes was told of the ids.
func (c *Cache) idHashes(of *IDs) []uint64 {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(of); k != nil {
		return k.hashes
	}
	return nil
}

func (c *Cache) keepIDHashes(of *IDs, hashes []uint64) {
	bytes := int64(8 * len(hashes))
	if c == nil || bytes > c.bytesMax/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(of); k == nil {
		c.add(of, bytes).hashes = hashes
	}
}

// keptRows is the size of blocks of which texts are kept, too: documents that
// have no shape stand in many small blocks.
const keptRows = 64

// keptBytes is what a column takes; 0 where it is not to be kept.
func (c *Column) keptBytes(texts bool) int64 {
	n := int64(200) + int64(cap(c.Codes))*2 + int64(cap(c.Ordinals))*4 + int64(cap(c.Times)+cap(c.Mant))*8 + int64(cap(c.Frac))
	for _, v := range c.Values {
		n += int64(len(v)) + 16
	}
	switch c.Kind {
	case KindText, KindPlain:
		if c.N > keptRows && !texts {
			return 0
		}
		n += int64(cap(c.Off))*4 + int64(cap(c.Data))
		if c.Text != nil {
			n += int64(c.Text.Footprint())
		}
	}
	return n
}

// Through gives the part as queries see it: what they decode is kept for others.
func (p *Part) Through(c *Cache) *CachedPart { return &CachedPart{p, c} }

// memosMax bounds what is remembered of one part.
const memosMax = 64

// memos are what queries worked out of a part, by what they call it.
type memos struct {
	mu    sync.Mutex // guards known
	known map[string][]uint32
}

// Memo gives what work gave for the key at this call or an earlier one. The
// caller must not change it. A part remembers some dozens of them.
func (p *CachedPart) Memo(key string, work func() []uint32) []uint32 {
	m := &p.Part.memos
	m.mu.Lock()
	of, ok := m.known[key]
	m.mu.Unlock()
	if ok {
		return of
	}
	of = work()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil || len(m.known) >= memosMax {
		m.known = map[string][]uint32{}
	}
	m.known[key] = of
	return of
}

// CachedPart is a part with a cache of columns. Safe for concurrent use.
type CachedPart struct {
	*Part
	cache *Cache
}

// Block gives a block with decode state of its own but for what the cache has.
func (p *CachedPart) Block(i int) Block {
	b := p.Part.Block(i)
	if f, ok := b.(*fileBlock); ok {
		f.cache = p.cache
	}
	return b
}

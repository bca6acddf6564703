package segment

import (
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// numbers are those of a column's strings, by code, in one numbering.
type numbers struct {
	in *logging.Numbering
	of []uint32
}

// numberingKey is what is kept of a tenant. Nothing is numbered over tenants: what
// one has does not show in how full or how fast another's is.
type numberingKey struct{ id tenant.ID }

// numberingShare is the part of a cache that the strings of one tenant may take.
const numberingShare = 8

// Numbering gives the numbering of the strings of the block's tenant. It is in the
// cache like all else: it goes when others are used more, or when it is full of
// strings that do not come any more. Then there is another one, and what was
// numbered is numbered again.
func (b *fileBlock) Numbering() *logging.Numbering {
	c := b.cache
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := numberingKey{b.entry.info.Tenant}
	if k := c.of(key); k != nil {
		if k.numbering.Spent() {
			c.bytes -= k.bytes
			k.bytes, k.numbering = 0, c.newNumbering()
		}
		return k.numbering
	}
	k := c.add(key, 0)
	k.numbering = c.newNumbering()
	return k.numbering
}

func (c *Cache) newNumbering() *logging.Numbering {
	return logging.NewNumbering(int(c.bytesMax / numberingShare / logging.NumberedBytes))
}

// Numbers gives the numbers of a column's strings by code, which are looked up once.
func (b *fileBlock) Numbers(of *Keyed, in *logging.Numbering) []uint32 {
	if n := of.numbers.Load(); n != nil && n.in == in {
		return n.of
	}
	out, fresh := in.Number(of.Keys)
	of.numbers.Store(&numbers{in, out})
	c := b.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(numberingKey{b.entry.info.Tenant}); k != nil && k.numbering == in {
		c.add(k.key, int64(fresh)*logging.NumberedBytes)
	}
	return out
}

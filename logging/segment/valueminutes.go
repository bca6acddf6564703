package segment

import "github.com/oriel-project/oriel/logging"

// ValueMinutes are the rows with a value of a field.
type ValueMinutes struct {
	Value  logging.Value // Missing: rows without one
	Rows   int
	Counts []MinuteCount // ascending
}

// ByValue are the rows of the blocks of a part with the same labels, by the value of a
// field and by minute. They are not changed.
type ByValue struct {
	Blocks int
	Values []ValueMinutes
	Others []int // blocks that are not among them, since they cannot be counted so; ascending
}

// valuesKey is what is kept of the blocks of a part with the same labels.
type valuesKey struct {
	part   *Part
	mask   LabelMask
	labels Labels
	field  string
}

// ByValue gives what KeepByValue was told of the blocks with those labels; nil where
// that is not known.
func (p *CachedPart) ByValue(mask LabelMask, l Labels, field string) *ByValue {
	c := p.cache
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(valuesKey{p.Part, mask, l, field}); k != nil {
		return k.byValue
	}
	return nil
}

// KeepByValue keeps the rows of the blocks with those labels by the value of a field,
// for as long as there is room.
func (p *CachedPart) KeepByValue(mask LabelMask, l Labels, field string, of *ByValue) {
	c, bytes := p.cache, int64(400+len(field)+8*cap(of.Others))
	for i := range of.Values {
		bytes += 128 + int64(len(of.Values[i].Value.Str)) + 16*int64(cap(of.Values[i].Counts))
	}
	if c == nil || bytes > c.bytesMax/16 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := valuesKey{p.Part, mask, l, field}
	if k := c.of(key); k == nil {
		c.add(key, bytes).byValue = of
	}
}

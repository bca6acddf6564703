package segment

import "github.com/oriel-project/oriel/logging"

// Sums gives what KeepSums was told of a key; nil where that is not known any more.
func (b *fileBlock) Sums(key string) *logging.Sums {
	s, _ := b.cache.made(b.entry, "sums\x00"+key).(*logging.Sums)
	return s
}

// KeepSums keeps what all rows of the block came to, for as long as there is room.
func (b *fileBlock) KeepSums(key string, s *logging.Sums) {
	b.cache.keepMade(b.entry, "sums\x00"+key, s, s.Bytes())
}

// DocValues are a field of a block whose documents have no shape: the value of each
// row, Missing where it has none. They are not changed.
type DocValues struct {
	Values []logging.Value // nil: some rows have several
}

// DocValues gives what KeepDocValues was told of a field; nil where that is not known.
func (b *fileBlock) DocValues(field string) *DocValues {
	d, _ := b.cache.made(b.entry, "docs\x00"+field).(*DocValues)
	return d
}

// KeepDocValues keeps a field of documents, for as long as there is room.
func (b *fileBlock) KeepDocValues(field string, d *DocValues) {
	bytes := int64(96 + 80*cap(d.Values))
	for i := range d.Values {
		bytes += int64(len(d.Values[i].Str))
	}
	b.cache.keepMade(b.entry, "docs\x00"+field, d, bytes)
}

// Keeps reports whether what is made of the block is kept, for as long as there is
// room.
func (b *fileBlock) Keeps() bool { return b.cache != nil }

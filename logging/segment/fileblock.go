package segment

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"sync"
	"unsafe"

	"github.com/oriel-project/oriel/internal/colenc"
	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/internal/text"
	"github.com/oriel-project/oriel/logging"
)

// fileBlock is a block of a file.
type fileBlock struct {
	part   *Part
	entry  *blockEntry
	number int
	cache  *Cache // of queries; nil: nothing is kept

	mu       sync.Mutex // guards what is read and decoded when first needed
	cols     []columnMeta
	raw      []byte // all of the block, where it was read at once
	times    []int64
	seqs     []uint64
	received []int64
	decoded  []*Column
	texts    bool // texts that are decoded are kept
}

var _ Block = (*fileBlock)(nil)

// Info implements Block.
func (b *fileBlock) Info() *Info { return &b.entry.info }

// columns gives what the index says of the columns.
func (b *fileBlock) columns() ([]columnMeta, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.meta()
}

// meta is called with the lock held.
func (b *fileBlock) meta() ([]columnMeta, error) {
	if b.cols != nil {
		return b.cols, nil
	}
	cols := b.cache.metas(b.entry)
	if cols == nil {
		var err error
		if cols, err = parseMeta(b.entry, b.part.index); err == nil {
			err = checkKinds(cols, b.entry.info.Shape)
		}
		if err != nil {
			return nil, b.part.damage(b.number, "", err)
		}
		b.cache.keepMetas(b.entry, cols)
	}
	b.cols, b.decoded = cols, make([]*Column, len(cols))
	return cols, nil
}

// checkKinds checks that the columns hold what the shape and the record need.
func checkKinds(cols []columnMeta, sh *shape.Shape) error {
	for i := range cols {
		kind := cols[i].kind(cols)
		want := shape.String
		switch {
		case i < colOwn:
			want = shape.Number
			if cols[i].enc != encInts {
				kind = 0
			}
		case sh != nil && i-colOwn < len(sh.Holes()):
			want = sh.Holes()[i-colOwn].Type
		}
		ok := false
		switch want {
		case shape.Number:
			ok = kind.IsNumber()
		case shape.Bool:
			ok = kind == KindBool
		default:
			ok = kind != 0 && kind != KindBool && !kind.IsNumber()
		}
		if !ok {
			return corrupt("column %d: encoding %s does not fit", i, cols[i].enc)
		}
	}
	return nil
}

// kind gives the kind that the column has when it is decoded.
func (m *columnMeta) kind(cols []columnMeta) Kind {
	if m.enc&encSpelled != 0 {
		return KindSpelled
	}
	switch m.enc {
	case encAlias:
		return cols[m.ref].kind(cols)
	case encConst, encDict, encMapped:
		return KindDict
	case encPlain:
		return KindPlain
	case encText:
		return KindText
	case encIDs:
		return KindIDs
	case encRowTime, encTimes:
		return KindTimes
	case encInts, encFew:
		return KindInts
	case encDecimal:
		return KindDecimal
	case encBool:
		return KindBool
	}
	return 0
}

// readAtOnce is the size of the blocks that are read in one piece, whatever is
// asked for first.
const readAtOnce = 32 << 10

// readAll reads every chunk, and checks none.
func (b *fileBlock) readAll() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.raw == nil {
		raw := make([]byte, b.entry.length)
		if err := readAt(b.part.file.f, raw, b.entry.offset); err != nil {
			return nil, b.part.damage(b.number, "", err)
		}
		b.raw = raw
	}
	return b.raw, nil
}

// chunk reads and checks the bytes of a column.
func (b *fileBlock) chunk(m *columnMeta) ([]byte, error) {
	if b.raw == nil && b.entry.length <= readAtOnce {
		raw := make([]byte, b.entry.length)
		if err := readAt(b.part.file.f, raw, b.entry.offset); err != nil {
			return nil, err
		}
		b.raw = raw
	}
	var chunk []byte
	if b.raw != nil {
		chunk = b.raw[m.offset : m.offset+m.length : m.offset+m.length]
	} else {
		chunk = make([]byte, m.length)
		if err := readAt(b.part.file.f, chunk, b.entry.offset+int64(m.offset)); err != nil {
			return nil, err
		}
	}
	if checksum(chunk) != m.crc {
		return nil, corrupt("the checksum of %d bytes", m.length)
	}
	return chunk, nil
}

// name names a column for a message.
func (b *fileBlock) name(number int) string {
	own := b.owns()
	switch {
	case number == colTime:
		return "time"
	case number == colSeq:
		return "seq"
	case number == colReceived:
		return "received"
	case number >= colOwn+own:
		return Stamp(number - colOwn - own).String()
	case b.entry.info.Shape == nil:
		return "document"
	}
	return "field " + strconv.Quote(b.entry.info.Shape.Holes()[number-colOwn].Path)
}

func (b *fileBlock) owns() int { return b.entry.number - colOwn - int(stampCount) }

// ints reads a column of integers.
func (b *fileBlock) ints(number int) ([]int64, error) {
	cols, err := b.meta()
	if err != nil {
		return nil, err
	}
	chunk, err := b.chunk(&cols[number])
	if err == nil {
		var vals []int64
		if vals, err = colenc.DecodeInts(chunk, b.entry.info.Rows, nil); err == nil {
			return vals, nil
		}
	}
	return nil, b.part.damage(b.number, b.name(number), err)
}

// Times implements Block.
func (b *fileBlock) Times() ([]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rowTimes()
}

func (b *fileBlock) rowTimes() ([]int64, error) {
	var err error
	if b.times == nil {
		b.times, err = b.kept(colTime)
	}
	return b.times, err
}

// kept reads a column of integers, which the cache keeps.
func (b *fileBlock) kept(number int) ([]int64, error) {
	if c := b.cache.column(b.entry, number); c != nil {
		return c.Times, nil
	}
	vals, err := b.ints(number)
	if err == nil {
		b.cache.keep(b.entry, number, &Column{Kind: KindTimes, N: len(vals), Times: vals}, false)
	}
	return vals, err
}

// Seqs implements Block.
func (b *fileBlock) Seqs() ([]uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seqs == nil {
		vals, err := b.kept(colSeq)
		if err != nil {
			return nil, err
		}
		// None is negative: the same bits.
		b.seqs = unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(vals))), len(vals))
	}
	return b.seqs, nil
}

// Received implements Block.
func (b *fileBlock) Received() ([]int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var err error
	if b.received == nil {
		b.received, err = b.kept(colReceived)
	}
	return b.received, err
}

// Stamped implements Block.
func (b *fileBlock) Stamped(s Stamp) (*Column, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.column(colOwn + b.owns() + int(s))
}

// Own implements Block.
func (b *fileBlock) Own(hole int) (*Column, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.column(colOwn + hole)
}

// column decodes a column, once. It is called with the lock held.
func (b *fileBlock) column(number int) (*Column, error) {
	cols, err := b.meta()
	if err != nil {
		return nil, err
	}
	if c := b.decoded[number]; c != nil {
		return c, nil
	}
	m := &cols[number]
	var c *Column
	switch m.enc &^ encSpelled {
	case encAlias:
		c, err = b.column(int(m.ref))
	case encRowTime, encConst:
		c, err = b.decode(m)
	default:
		if c = b.cache.column(b.entry, number); c != nil {
			break
		}
		if c, err = b.decode(m); err == nil {
			b.cache.keep(b.entry, number, c, b.texts)
		}
	}
	if err != nil {
		if d := (*Damage)(nil); errors.As(err, &d) {
			return nil, err
		}
		return nil, b.part.damage(b.number, b.name(number), err)
	}
	b.decoded[number] = c
	return c, nil
}

func (b *fileBlock) decode(m *columnMeta) (*Column, error) {
	n := b.entry.info.Rows
	c := &Column{N: n, Kind: m.kind(b.cols), Layout: m.layout}
	if m.enc&^encSpelled == encConst {
		c.Values = []string{b.part.index.strings[m.ref]}
		return c, nil
	}
	if m.enc == encRowTime {
		times, err := b.rowTimes()
		c.Times = times
		return c, err
	}
	chunk, err := b.chunk(m)
	if err != nil {
		return nil, err
	}
	z := b.part.file.z
	switch m.enc &^ encSpelled {
	case encDict, encMapped:
		err = b.decodeDict(c, m, chunk)
	case encPlain:
		c.Off, c.Data, err = colenc.DecodeStrings(chunk, n, z, nil, nil)
	case encText:
		if c.Text, err = text.DecodeAt(chunk, n, b.Times); err == nil {
			err = c.Text.Err()
		}
	case encIDs:
		if c.IDs, err = b.part.idsOf(m.format); err == nil {
			if c.Ordinals, err = colenc.DecodeOrdinals(chunk, n, nil); err == nil {
				err = c.IDs.check(c.Ordinals)
			}
		}
	case encTimes:
		c.Times, err = colenc.DecodeInts(chunk, n, nil)
	case encInts:
		c.Mant, err = colenc.DecodeInts(chunk, n, nil)
	case encFew:
		err = decodeFew(c, m, chunk, z)
	case encDecimal:
		c.Mant, c.Frac, err = colenc.DecodeDecimals(chunk, n, nil, nil)
	case encBool:
		var bits []uint64
		if bits, err = colenc.DecodeBools(chunk, n, nil); err == nil {
			c.Codes = make([]uint16, n)
			for i := range c.Codes {
				c.Codes[i] = uint16(bits[i/64] >> (i % 64) & 1)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func decodeFew(c *Column, m *columnMeta, chunk []byte, z *colenc.Zstd) error {
	vals, err := colenc.DecodeInts(chunk[:m.list], int(m.values), nil)
	if err != nil {
		return err
	}
	codes, err := colenc.DecodeCodes(chunk[m.list:], c.N, uint16(m.values-1), z, nil)
	if err != nil {
		return err
	}
	c.Mant = make([]int64, c.N)
	for i, code := range codes {
		c.Mant[i] = vals[code]
	}
	return nil
}

func (b *fileBlock) decodeDict(c *Column, m *columnMeta, chunk []byte) (err error) {
	z, n := b.part.file.z, int(m.values)
	if c.Values, err = colenc.DecodeStringList(chunk[:m.list], n, z); err != nil {
		return err
	}
	if len(c.Values) != n {
		return corrupt("%d values, want %d", len(c.Values), n)
	}
	rest := chunk[m.list:]
	if m.enc&^encSpelled == encDict {
		c.Codes, err = colenc.DecodeCodes(rest, b.entry.info.Rows, uint16(n-1), z, nil)
		return err
	}
	from, err := b.column(int(m.ref))
	if err != nil {
		return err
	}
	if len(rest) == 0 {
		if len(from.Values) != n {
			return corrupt("%d values for the %d of another column", n, len(from.Values))
		}
		c.Codes = from.Codes
		return nil
	}
	table, err := colenc.DecodeCodes(rest, len(from.Values), uint16(n-1), z, nil)
	if err != nil {
		return err
	}
	c.Codes = make([]uint16, len(from.Codes))
	for i, code := range from.Codes {
		c.Codes[i] = table[code]
	}
	return nil
}

// OwnKind implements Block; it is 0 where the block's index cannot be read.
func (b *fileBlock) OwnKind(hole int) Kind {
	cols, err := b.columns()
	if err != nil {
		return 0
	}
	return cols[colOwn+hole].kind(cols)
}

// NumberRange implements Block.
func (b *fileBlock) NumberRange(hole int) (low, high float64, ok bool) {
	cols, err := b.columns()
	if err != nil {
		return 0, 0, false
	}
	m := &cols[colOwn+hole]
	switch {
	case !m.bounded:
		return 0, 0, false
	case m.enc != encDecimal:
		return float64(m.low), float64(m.high), true
	}
	return math.Float64frombits(uint64(m.low)), math.Float64frombits(uint64(m.high)), true
}

// Counts implements Block.
func (b *fileBlock) Counts(dst []MinuteCount) ([]MinuteCount, error) {
	packed := b.entry.counts
	if len(packed) == 0 && b.cache != nil && b.entry.info.Sorted {
		var err error
		if packed, err = b.keptCounts(); err != nil {
			return nil, err
		}
	}
	if len(packed) == 0 {
		return dst, nil
	}
	counts, err := colenc.DecodeCounts(packed, b.entry.info.Rows, dst)
	if err != nil {
		return nil, b.part.damage(b.number, "minute counts", err)
	}
	return counts, nil
}

// keptCounts counts the rows of each minute of a block that was written without:
// once, as long as the cache has room, since the times take ten times as much.
func (b *fileBlock) keptCounts() ([]byte, error) {
	if packed := b.cache.counts(b.entry); packed != nil {
		return packed, nil
	}
	times, err := b.Times()
	if err != nil {
		return nil, err
	}
	packed := slices.Clip(colenc.AppendCounts(nil, times))
	b.cache.keepCounts(b.entry, packed)
	return packed, nil
}

// Found gives the rows that Remember was told for the key, if they are still
// known. They are read-only.
func (b *fileBlock) Found(key string) (rows []uint16, ok bool) { return b.cache.rows(b.entry, key) }

// Remember keeps the rows of the block, ascending, that were found for a key, for
// as long as there is room. Whoever asks for the same key must find the same rows.
func (b *fileBlock) Remember(key string, rows []uint16) { b.cache.keepRows(b.entry, key, rows) }

// IDHashes gives what KeepIDHashes was told, if it is still known.
func (b *fileBlock) IDHashes(of *IDs) []uint64 { return b.cache.idHashes(of) }

// KeepIDHashes keeps the hashes of all ids of a part, by ordinal, for as long as
// there is room. They are not changed any more.
func (b *fileBlock) KeepIDHashes(of *IDs, hashes []uint64) { b.cache.keepIDHashes(of, hashes) }

// Keyed gives what KeepKeyed was told of a column of the document; nil where that
// is not known any more.
func (b *fileBlock) Keyed(hole int) *Keyed { return b.cache.keyed(b.entry, hole) }

// KeepKeyed keeps the strings of a column of the document, by their keys, for as
// long as the cache has room.
func (b *fileBlock) KeepKeyed(hole int, k *Keyed) { b.cache.keepKeyed(b.entry, hole, k) }

// Source implements Block.
func (b *fileBlock) Source(dst []byte, row int) ([]byte, error) {
	if b.entry.info.Shape != nil {
		return appendSource(b, dst, row)
	}
	c, err := b.Own(0)
	if err != nil {
		return dst, err
	}
	return c.AppendString(dst, row), nil
}

// Record implements Block. Texts that hits are rebuilt from are kept: the newest
// records are asked for again and again.
func (b *fileBlock) Record(row int) (logging.Record, error) {
	b.keepTexts()
	return record(b, row)
}

// Records implements Block.
func (b *fileBlock) Records(rows []int, to []*logging.Record) error {
	b.keepTexts()
	return records(b, rows, to)
}

func (b *fileBlock) keepTexts() {
	b.mu.Lock()
	b.texts = true
	b.mu.Unlock()
}

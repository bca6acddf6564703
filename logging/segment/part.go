package segment

import (
	"encoding/binary"

	"github.com/oriel-project/oriel/internal/colenc"
	"github.com/oriel-project/oriel/internal/iddict"
	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/tenant"
)

// PartInfo describes a part: records of one tenant whose event times are of one
// UTC day.
type PartInfo struct {
	Tenant           tenant.ID
	Day              int32 // days since the epoch
	Rows, Blocks     int
	TimeMin, TimeMax int64  // nanoseconds since the epoch, inclusive
	SeqMin, SeqMax   uint64 // inclusive
	Given            int    // rows with an id that their sender gave
	SourceBytes      int64  // of the documents as they came
	Indices          []IndexStat
	Offset, Length   int64 // in the file: everything of the part

	// What of the part begins where, and how long it is.
	index    piece
	ids      [2]piece // the dictionaries of ids of 8 and of 16 bytes
	given    piece
	indexRaw uint64 // bytes of the index, unpacked
}

// IndexStat says what a part has of an index, cluster and namespace.
type IndexStat struct {
	Name, Cluster, Namespace string
	Docs, SourceBytes        int64
}

// piece is a range of the file with a checksum.
type piece struct {
	offset int64
	length int64
	crc    uint32
}

func appendPiece(dst []byte, p piece, base int64) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.offset-base))
	dst = binary.AppendUvarint(dst, uint64(p.length))
	return binary.LittleEndian.AppendUint32(dst, p.crc)
}

func (r *reader) piece(base, length int64) piece {
	p := piece{offset: int64(r.uvarint()), length: int64(r.uvarint()), crc: r.uint32()}
	if p.offset < 0 || p.length < 0 || p.offset > length || p.length > length-p.offset {
		r.fail()
		return piece{}
	}
	p.offset += base
	return p
}

// appendTo writes the part's entry of the directory.
func (p *PartInfo) appendTo(dst []byte) []byte {
	dst = appendString(dst, string(p.Tenant))
	dst = binary.AppendVarint(dst, int64(p.Day))
	dst = binary.AppendUvarint(dst, uint64(p.Rows))
	dst = binary.AppendUvarint(dst, uint64(p.Blocks))
	dst = binary.AppendVarint(dst, p.TimeMin)
	dst = binary.AppendUvarint(dst, uint64(p.TimeMax-p.TimeMin))
	dst = binary.AppendUvarint(dst, p.SeqMin)
	dst = binary.AppendUvarint(dst, p.SeqMax-p.SeqMin)
	dst = binary.AppendUvarint(dst, uint64(p.Given))
	dst = binary.AppendUvarint(dst, uint64(p.SourceBytes))
	dst = binary.AppendUvarint(dst, uint64(p.Offset))
	dst = binary.AppendUvarint(dst, uint64(p.Length))
	dst = appendPiece(dst, p.index, p.Offset)
	dst = binary.AppendUvarint(dst, p.indexRaw)
	dst = appendPiece(dst, p.ids[0], p.Offset)
	dst = appendPiece(dst, p.ids[1], p.Offset)
	dst = appendPiece(dst, p.given, p.Offset)
	dst = binary.AppendUvarint(dst, uint64(len(p.Indices)))
	for _, s := range p.Indices {
		dst = appendString(dst, s.Name)
		dst = appendString(dst, s.Cluster)
		dst = appendString(dst, s.Namespace)
		dst = binary.AppendUvarint(dst, uint64(s.Docs))
		dst = binary.AppendUvarint(dst, uint64(s.SourceBytes))
	}
	return dst
}

// part reads an entry of the directory of a file of that size.
func (r *reader) part(size int64) PartInfo {
	p := PartInfo{Tenant: tenant.ID(r.string()), Day: int32(r.varint()), Rows: int(r.uvarint()), Blocks: int(r.uvarint()), TimeMin: r.varint()}
	p.TimeMax = p.TimeMin + int64(r.uvarint())
	p.SeqMin = r.uvarint()
	p.SeqMax = p.SeqMin + r.uvarint()
	p.Given, p.SourceBytes = int(r.uvarint()), int64(r.uvarint())
	p.Offset, p.Length = int64(r.uvarint()), int64(r.uvarint())
	if p.Offset < 0 || p.Length < 0 || p.Offset > size || p.Length > size-p.Offset || p.Rows < 0 || p.Blocks < 0 || p.Blocks > p.Rows {
		r.fail()
		return p
	}
	p.index = r.piece(p.Offset, p.Length)
	p.indexRaw = r.uvarint()
	p.ids = [2]piece{r.piece(p.Offset, p.Length), r.piece(p.Offset, p.Length)}
	p.given = r.piece(p.Offset, p.Length)
	if p.indexRaw > indexMax {
		r.fail()
	}
	p.Indices = make([]IndexStat, r.count())
	for i := range p.Indices {
		p.Indices[i] = IndexStat{Name: r.string(), Cluster: r.string(), Namespace: r.string(), Docs: int64(r.uvarint()), SourceBytes: int64(r.uvarint())}
	}
	return p
}

// partIndex is what the index of a part says. Of a block's columns only the
// bytes are kept: they are read when the block is.
type partIndex struct {
	strings []string
	shapes  []*shape.Shape
	streams []streamEntry
	blocks  []blockEntry
}

type streamEntry struct {
	Labels
	shape *shape.Shape
}

type blockEntry struct {
	info   Info
	stream uint32
	offset int64 // in the file
	length int64
	counts []byte
	meta   []byte
	number int // of columns
}

// indexWriter makes the index of a part.
type indexWriter struct {
	place   map[string]uint64
	strings []byte
	shapes  map[string]uint64
	shape   []byte
	streams []byte
	nStream uint64
	blocks  []byte
	nBlock  uint64
}

func newIndexWriter() *indexWriter {
	return &indexWriter{place: make(map[string]uint64), shapes: make(map[string]uint64)}
}

// string gives the place of a string, which is added where it is new.
func (x *indexWriter) string(s string) uint64 {
	at, ok := x.place[s]
	if !ok {
		at = uint64(len(x.place))
		x.place[s] = at
		x.strings = appendString(x.strings, s)
	}
	return at
}

// stream begins a stream: the blocks that are added next are its.
func (x *indexWriter) stream(l Labels, sh *shape.Shape) {
	for _, s := range [...]string{l.Index, l.Cluster, l.Region, l.Cloud, l.Namespace, l.Container} {
		x.streams = binary.AppendUvarint(x.streams, x.string(s))
	}
	x.nStream++
	if sh == nil {
		x.streams = append(x.streams, 0)
		return
	}
	skeleton := string(sh.Skeleton())
	at, ok := x.shapes[skeleton]
	if !ok {
		at = uint64(len(x.shapes)) + 1
		x.shapes[skeleton] = at
		x.shape = appendString(x.shape, skeleton)
	}
	x.streams = binary.AppendUvarint(x.streams, at)
}

// block adds a block; offset is from the part's beginning.
func (x *indexWriter) block(in *Info, offset, length int64, columns int, counts, meta []byte) {
	b := x.blocks
	b = binary.AppendUvarint(b, x.nStream-1)
	b = binary.AppendUvarint(b, uint64(in.Rows))
	b = binary.AppendVarint(b, in.TimeMin)
	b = binary.AppendUvarint(b, uint64(in.TimeMax-in.TimeMin))
	b = binary.AppendUvarint(b, in.SeqMin)
	b = binary.AppendUvarint(b, in.SeqMax-in.SeqMin)
	b = binary.AppendUvarint(b, uint64(in.Given))
	b = binary.AppendUvarint(b, uint64(in.SourceBytes))
	b = binary.AppendUvarint(b, uint64(offset))
	b = binary.AppendUvarint(b, uint64(length))
	b = binary.AppendUvarint(b, uint64(len(counts)))
	b = append(b, counts...)
	b = binary.AppendUvarint(b, uint64(columns))
	b = binary.AppendUvarint(b, uint64(len(meta)))
	x.blocks = append(b, meta...)
	x.nBlock++
}

// bytes gives the index.
func (x *indexWriter) bytes() []byte {
	out := binary.AppendUvarint(nil, uint64(len(x.place)))
	out = append(out, x.strings...)
	out = binary.AppendUvarint(out, uint64(len(x.shapes)))
	out = append(out, x.shape...)
	out = binary.AppendUvarint(out, x.nStream)
	out = append(out, x.streams...)
	out = binary.AppendUvarint(out, x.nBlock)
	return append(out, x.blocks...)
}

// parseIndex reads what indexWriter wrote. It keeps b.
func parseIndex(b []byte, p *PartInfo) (*partIndex, error) {
	r := reader{b: b}
	x := &partIndex{}
	x.strings = make([]string, r.count())
	for i := range x.strings {
		x.strings[i] = r.string()
	}
	x.shapes = make([]*shape.Shape, r.count())
	for i := range x.shapes {
		skeleton := r.bytes(r.uvarint())
		if r.bad {
			break
		}
		sh, err := shape.Parse(skeleton)
		if err != nil {
			return nil, corrupt("shape %d of %d: %v", i, len(x.shapes), err)
		}
		x.shapes[i] = sh
	}
	x.streams = make([]streamEntry, r.count())
	for i := range x.streams {
		s := &x.streams[i]
		for _, to := range [...]*string{&s.Index, &s.Cluster, &s.Region, &s.Cloud, &s.Namespace, &s.Container} {
			if at := r.uvarint(); at < uint64(len(x.strings)) {
				*to = x.strings[at]
			} else {
				r.fail()
			}
		}
		switch at := r.uvarint(); {
		case at > uint64(len(x.shapes)):
			r.fail()
		case at > 0:
			s.shape = x.shapes[at-1]
		}
	}
	n := r.count()
	if r.bad || n != p.Blocks {
		return nil, corrupt("%d blocks in the index, %d in the directory", n, p.Blocks)
	}
	x.blocks = make([]blockEntry, n)
	rows := 0
	for i := range x.blocks {
		if !r.block(&x.blocks[i], x, p) {
			return nil, corrupt("block %d of %d in the index", i, n)
		}
		rows += x.blocks[i].info.Rows
	}
	if len(r.b) > 0 || rows != p.Rows {
		return nil, corrupt("%d rows in the index, %d in the directory", rows, p.Rows)
	}
	return x, nil
}

// block reads a block's entry.
func (r *reader) block(b *blockEntry, x *partIndex, p *PartInfo) bool {
	stream := r.uvarint()
	if stream >= uint64(len(x.streams)) {
		return false
	}
	s := &x.streams[stream]
	b.stream = uint32(stream)
	in := &b.info
	*in = Info{Tenant: p.Tenant, Labels: s.Labels, Shape: s.shape, Sorted: true}
	rows := r.uvarint()
	in.TimeMin = r.varint()
	in.TimeMax = in.TimeMin + int64(r.uvarint())
	in.SeqMin = r.uvarint()
	in.SeqMax = in.SeqMin + r.uvarint()
	given := r.uvarint()
	in.SourceBytes = int64(r.uvarint())
	b.offset, b.length = int64(r.uvarint()), int64(r.uvarint())
	b.counts = r.bytes(r.uvarint())
	columns := r.uvarint()
	b.meta = r.bytes(r.uvarint())
	own := 1
	if s.shape != nil {
		own = len(s.shape.Holes())
	}
	if r.bad || rows == 0 || rows > RowsMax || given > rows || in.SourceBytes < 0 || in.TimeMax < in.TimeMin ||
		b.offset < 0 || b.length < 0 || b.offset > p.Length || b.length > p.Length-b.offset ||
		columns != uint64(colOwn+own)+uint64(stampCount) {
		return false
	}
	in.Rows, in.Given, in.MinuteCounts = int(rows), int(given), len(b.counts) > 0
	b.offset += p.Offset
	b.number = int(columns)
	return true
}

// columnMeta is what the index says of a column.
type columnMeta struct {
	enc     encoding
	layout  colenc.Layout
	format  iddict.Format
	bounded bool
	crc     uint32
	offset  uint32 // in the block
	length  uint32
	ref     uint32 // encConst: the string; encAlias and encMapped: the column
	values  uint32 // encDict and encMapped: how many
	list    uint32 // encDict and encMapped: bytes of the list
	low     int64  // or the bits of a float64
	high    int64
}

// parseMeta reads a block's columns.
func parseMeta(b *blockEntry, x *partIndex) ([]columnMeta, error) {
	r := reader{b: b.meta}
	if b.number > len(b.meta) {
		return nil, corrupt("%d columns in %d bytes", b.number, len(b.meta))
	}
	cols := make([]columnMeta, b.number)
	at := uint64(0)
	for i := range cols {
		m := &cols[i]
		m.enc = encoding(r.byte())
		if !m.enc.inIndex() {
			length := r.uvarint()
			m.offset, m.length, m.crc = uint32(at), uint32(length), r.uint32()
			if at += length; at > uint64(b.length) || at > 1<<32-1 || length > 1<<31 {
				return nil, corrupt("column %d ends at %d of the block's %d bytes", i, at, b.length)
			}
		}
		switch m.enc &^ encSpelled {
		case encConst:
			ref := r.uvarint()
			if ref >= uint64(len(x.strings)) {
				r.fail()
			}
			m.ref = uint32(ref)
		case encAlias:
			ref := r.uvarint()
			if ref >= uint64(i) || ref < colOwn || cols[ref].enc == encAlias {
				return nil, corrupt("column %d is the alias of %d", i, ref)
			}
			m.ref = uint32(ref)
		case encDict, encMapped:
			values, list := r.uvarint(), r.uvarint()
			if values == 0 || values > uint64(b.info.Rows) || list > uint64(m.length) {
				r.fail()
			}
			m.values, m.list = uint32(values), uint32(list)
			if m.enc&^encSpelled == encMapped {
				ref := r.uvarint()
				if ref >= uint64(i) || cols[ref].enc&^encSpelled != encDict {
					return nil, corrupt("column %d follows from %d", i, ref)
				}
				m.ref = uint32(ref)
			}
		case encRowTime, encTimes:
			m.layout = colenc.Layout(r.byte())
			m.layout |= colenc.Layout(r.byte()) << 8
			if !m.layout.Valid() {
				return nil, corrupt("column %d: layout %#x", i, uint16(m.layout))
			}
		case encInts:
			m.low, m.high, m.bounded = r.varint(), r.varint(), true
		case encFew:
			m.low, m.high, m.bounded = r.varint(), r.varint(), true
			values, list := r.uvarint(), r.uvarint()
			if values == 0 || values > fewMost || list > uint64(m.length) {
				r.fail()
			}
			m.values, m.list = uint32(values), uint32(list)
		case encDecimal:
			m.low, m.high, m.bounded = int64(r.uint64()), int64(r.uint64()), true
		case encIDs:
			if m.format = iddict.Format(r.byte()); m.format.Width() == 0 {
				return nil, corrupt("column %d: ids of format %d", i, m.format)
			}
		case encPlain, encText, encBool:
		default:
			return nil, corrupt("column %d: encoding %d", i, m.enc)
		}
		if r.bad {
			return nil, corrupt("column %d of %d", i, b.number)
		}
		if m.enc&encSpelled != 0 {
			switch m.enc &^ encSpelled {
			case encConst, encDict, encMapped, encPlain:
			default:
				return nil, corrupt("column %d: encoding %d", i, m.enc)
			}
		}
	}
	if len(r.b) > 0 {
		return nil, corrupt("%d bytes after the last column", len(r.b))
	}
	return cols, nil
}

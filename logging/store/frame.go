package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// frame is a frame's prelude and directory, read.
type frame struct {
	kind      byte
	offset    int64
	dirLen    int
	bodyLen   int
	first     uint64
	last      uint64
	committed int64
	batches   []batchEntry
	sections  []section
	purge     *purge
}

func (f *frame) end() int64 { return f.offset + preludeLen + int64(f.dirLen) + int64(f.bodyLen) }

// batchEntry is what is remembered of a batch.
type batchEntry struct {
	key    string
	first  uint64
	stored int
	items  int
}

func (e batchEntry) info(at time.Time) keyInfo {
	return keyInfo{first: e.first, at: at.UnixNano(), items: uint32(e.items)}
}

// section is where one tenant's records of one frame are, and what is in them.
type section struct {
	tenant     tenant.ID
	offset     int64 // in the file
	length     uint32
	crc        uint32
	count      int
	given      int
	frameFirst uint64
	frameLast  uint64
	first      uint64
	last       uint64
	tMin, tMax int64 // nanoseconds, inclusive
	indices    []sectionStat
}

type sectionStat struct {
	name  string
	docs  int64
	bytes int64
}

// purge hides a tenant's records of a namespace, by their time, up to a seq;
// without cluster and namespace, those of all of them.
type purge struct {
	tenant             tenant.ID
	cluster, namespace string
	from, to           int64 // nanoseconds, inclusive and exclusive
	upTo               uint64
	ordinal            uint64 // orders purges: number of the log file and offset of the frame
}

// appendTo writes down what a frame and the manifest say alike.
func (p *purge) appendTo(b []byte) []byte {
	b = appendBytes(b, p.tenant)
	b = appendBytes(b, p.cluster)
	b = appendBytes(b, p.namespace)
	b = binary.AppendVarint(b, p.from)
	return binary.AppendVarint(b, p.to)
}

func (c *cursor) purge(intern func([]byte) string) *purge {
	return &purge{tenant: tenant.ID(intern(c.bytes())), cluster: string(c.bytes()), namespace: string(c.bytes()), from: c.varint(), to: c.varint()}
}

func purgeOrdinal(file uint64, offset int64) uint64 { return file<<32 | uint64(offset) }

// whole reports whether the purge is of all of a tenant's namespaces.
func (p *purge) whole() bool { return p.cluster == "" }

func (p *purge) covers(r *logging.Record) bool {
	at := r.Time.UnixNano()
	return r.Seq <= p.upTo && r.Tenant == p.tenant &&
		(p.whole() || r.Cluster == p.cluster && r.Namespace == p.namespace) && at >= p.from && (at < p.to || p.to == math.MaxInt64)
}

// builder gathers the frame of one commit. It is used again for the next one,
// for its memory.
type builder struct {
	first    uint64
	last     uint64
	batches  []batchEntry
	sections map[tenant.ID]*sectionBuilder
	latest   *sectionBuilder // of the record before
	spare    []*sectionBuilder
	records  int
	bytes    int
	dir, out []byte
}

type sectionBuilder struct {
	section
	encoder
	lastIndex int            // place in indices of that of the record before
	places    map[string]int // of many indices; nil: they are few
}

func newBuilder() *builder { return &builder{sections: map[tenant.ID]*sectionBuilder{}} }

// spareBytesMax bounds the memory that is kept for the next commit.
const spareBytesMax = 32 << 20

// begin begins a frame.
func (b *builder) begin(first uint64) {
	b.first, b.last, b.latest = first, first, nil
	b.batches = nil // they are kept
	b.records, b.bytes = 0, 0
	kept := cap(b.out)
	for _, s := range b.spare {
		kept += cap(s.buf)
	}
	for _, s := range b.sections {
		if kept += cap(s.buf); kept <= spareBytesMax {
			b.spare = append(b.spare, s)
		}
	}
	if kept > spareBytesMax {
		b.spare, b.out = nil, nil
	}
	clear(b.sections)
}

// section gives the one of a tenant.
func (b *builder) section(id tenant.ID, seq uint64, at int64) *sectionBuilder {
	if s := b.latest; s != nil && s.tenant == id {
		return s
	}
	s := b.sections[id]
	if s == nil {
		if n := len(b.spare); n > 0 {
			s, b.spare = b.spare[n-1], b.spare[:n-1]
		} else {
			s = &sectionBuilder{}
		}
		s.section = section{tenant: id, first: seq, tMin: at, tMax: at, indices: s.indices[:0]}
		s.encoder = encoder{seq: b.first, buf: s.buf[:0], scratch: s.scratch}
		s.lastIndex, s.places = 0, nil
		b.sections[id] = s
	}
	b.latest = s
	return s
}

// add takes a record, whose Seq and ID are decided; given says that the sender
// gave the id.
func (b *builder) add(r *logging.Record, given bool) {
	at := r.Time.UnixNano()
	s := b.section(r.Tenant, r.Seq, at)
	s.encoder.add(r, given)
	s.count++
	if given {
		s.given++
	}
	s.last, b.last = r.Seq, r.Seq
	s.tMin, s.tMax = min(s.tMin, at), max(s.tMax, at)
	i := s.stat(r.Index)
	i.docs++
	i.bytes += int64(len(r.Source))
	b.records++
	b.bytes += len(r.Source)
}

// fewIndices is how many indices of a section are looked through one by one.
const fewIndices = 16

// stat gives the count of an index: mostly that of the record before. A sender
// may name another one with every record.
func (s *sectionBuilder) stat(index string) *sectionStat {
	n := len(s.indices)
	if n > 0 && s.indices[s.lastIndex].name == index {
		return &s.indices[s.lastIndex]
	}
	at := -1
	if n <= fewIndices {
		at = slices.IndexFunc(s.indices, func(x sectionStat) bool { return x.name == index })
	} else {
		if s.places == nil {
			s.places = make(map[string]int, 2*n)
			for i := range s.indices {
				s.places[s.indices[i].name] = i
			}
		}
		if i, ok := s.places[index]; ok {
			at = i
		}
	}
	if at < 0 {
		at = n
		s.indices = append(s.indices, sectionStat{name: index})
		if s.places != nil {
			s.places[index] = at
		}
	}
	s.lastIndex = at
	return &s.indices[at]
}

// frame writes the frame down as it will stand in the file, and gives its
// prelude. The bytes are good until the next one.
func (b *builder) frame(file uint64, offset int64, committed time.Time) ([]byte, *frame, error) {
	if b.records == 0 { // batches alone: they use no seq
		b.first--
		b.last = b.first
	}
	f := &frame{kind: kindRecords, offset: offset, first: b.first, last: b.last, committed: committed.UnixNano(), batches: b.batches}
	dir := b.dir[:0]
	for _, e := range b.batches {
		dir = appendBytes(dir, e.key)
		dir = binary.AppendUvarint(dir, e.first-b.first)
		dir = binary.AppendUvarint(dir, uint64(e.stored))
		dir = binary.AppendUvarint(dir, uint64(e.items))
	}
	parts := make([]*sectionBuilder, 0, len(b.sections))
	for _, s := range b.sections {
		parts = append(parts, s)
	}
	slices.SortFunc(parts, func(x, y *sectionBuilder) int { return cmp.Compare(x.tenant, y.tenant) })
	for _, s := range parts {
		s.length, s.crc = uint32(len(s.buf)), checksum(s.buf)
		s.frameFirst, s.frameLast = b.first, b.last
		slices.SortFunc(s.indices, func(x, y sectionStat) int { return cmp.Compare(x.name, y.name) })
		dir = s.section.appendTo(dir)
		f.bodyLen += len(s.buf)
	}
	b.dir = dir
	f.dirLen = len(dir)
	if f.dirLen > directoryBytesMax || f.bodyLen > bodyBytesMax {
		return nil, nil, fmt.Errorf("frame of %d and %d bytes: hand over smaller batches", f.dirLen, f.bodyLen)
	}
	out := f.prelude(b.out[:0], file, dir, len(parts))
	at := offset + int64(len(out))
	for _, s := range parts {
		out = append(out, s.buf...)
		s.offset = at
		at += int64(len(s.buf))
	}
	b.out = out
	return out, f, nil
}

// purgeFrame writes a purge down.
func purgeFrame(p *purge, file uint64, offset int64, committed time.Time) ([]byte, *frame) {
	f := &frame{kind: kindPurge, offset: offset, first: p.upTo, last: p.upTo, committed: committed.UnixNano(), purge: p}
	p.ordinal = purgeOrdinal(file, offset)
	dir := p.appendTo(nil)
	f.dirLen = len(dir)
	return f.prelude(nil, file, dir, 0), f
}

// prelude writes the first 64 bytes and the directory.
func (f *frame) prelude(dst []byte, file uint64, dir []byte, sections int) []byte {
	le := binary.LittleEndian
	dst = slices.Grow(dst, preludeLen+len(dir)+f.bodyLen)
	p := dst[:preludeLen]
	clear(p)
	copy(p, frameMagic)
	p[4] = f.kind
	le.PutUint32(p[8:], uint32(file))
	le.PutUint32(p[12:], uint32(f.offset))
	le.PutUint32(p[16:], uint32(f.dirLen))
	le.PutUint32(p[20:], uint32(f.bodyLen))
	le.PutUint64(p[24:], f.first)
	le.PutUint64(p[32:], f.last)
	le.PutUint64(p[40:], uint64(f.committed))
	le.PutUint32(p[48:], uint32(len(f.batches)))
	le.PutUint32(p[52:], uint32(sections))
	le.PutUint32(p[56:], checksum(dir))
	le.PutUint32(p[60:], checksum(p[:60]))
	return append(p, dir...)
}

func (s *section) appendTo(dir []byte) []byte {
	dir = appendBytes(dir, s.tenant)
	dir = binary.AppendUvarint(dir, uint64(s.length))
	dir = binary.LittleEndian.AppendUint32(dir, s.crc)
	dir = binary.AppendUvarint(dir, uint64(s.count))
	dir = binary.AppendUvarint(dir, uint64(s.given))
	dir = binary.AppendUvarint(dir, s.first-s.frameFirst)
	dir = binary.AppendUvarint(dir, s.last-s.first)
	dir = binary.AppendVarint(dir, s.tMin)
	dir = binary.AppendUvarint(dir, uint64(s.tMax-s.tMin))
	dir = binary.AppendUvarint(dir, uint64(len(s.indices)))
	for _, i := range s.indices {
		dir = appendBytes(dir, i.name)
		dir = binary.AppendUvarint(dir, uint64(i.docs))
		dir = binary.AppendUvarint(dir, uint64(i.bytes))
	}
	return dir
}

var errFrame = errors.New("frame does not read")

// parsePrelude reads the first 64 bytes of a frame that should stand at the
// offset of a file of that size.
func parsePrelude(p []byte, file uint64, offset, size int64) (f *frame, batches, sections int, dirCRC uint32, err error) {
	le := binary.LittleEndian
	if len(p) < preludeLen || string(p[:4]) != frameMagic || le.Uint32(p[60:]) != checksum(p[:60]) {
		return nil, 0, 0, 0, errFrame
	}
	f = &frame{
		kind: p[4], offset: offset, dirLen: int(le.Uint32(p[16:])), bodyLen: int(le.Uint32(p[20:])),
		first: le.Uint64(p[24:]), last: le.Uint64(p[32:]), committed: int64(le.Uint64(p[40:])),
	}
	batches, sections = int(le.Uint32(p[48:])), int(le.Uint32(p[52:]))
	switch {
	case f.kind != kindRecords && f.kind != kindPurge,
		le.Uint32(p[8:]) != uint32(file), le.Uint32(p[12:]) != uint32(offset),
		f.dirLen > directoryBytesMax, f.bodyLen > bodyBytesMax, f.end() > size,
		f.first > f.last, f.last > seqMax, batches > f.dirLen, sections > f.dirLen:
		return nil, 0, 0, 0, errFrame
	}
	return f, batches, sections, le.Uint32(p[56:]), nil
}

// parseDirectory reads what follows the prelude. intern gives one copy of
// strings that come again and again.
func (f *frame) parseDirectory(dir []byte, file uint64, batches, sections int, crc uint32, intern func([]byte) string) error {
	if checksum(dir) != crc {
		return errFrame
	}
	c := cursor{b: dir}
	if f.kind == kindPurge {
		f.purge = c.purge(intern)
		f.purge.upTo, f.purge.ordinal = f.first, purgeOrdinal(file, f.offset)
		if c.bad || len(c.b) > 0 || f.bodyLen > 0 {
			return errFrame
		}
		return nil
	}
	for range batches {
		e := batchEntry{key: string(c.bytes()), first: f.first + c.uvarint(), stored: int(c.uvarint()), items: int(c.uvarint())}
		if c.bad {
			return errFrame
		}
		f.batches = append(f.batches, e)
	}
	at, end := f.offset+preludeLen+int64(f.dirLen), f.end()
	for range sections {
		s := section{offset: at, frameFirst: f.first, frameLast: f.last}
		s.tenant = tenant.ID(intern(c.bytes()))
		length := c.uvarint()
		s.crc = c.uint32()
		s.count, s.given = int(c.uvarint()), int(c.uvarint())
		s.first = f.first + c.uvarint()
		s.last = s.first + c.uvarint()
		s.tMin = c.varint()
		s.tMax = s.tMin + int64(c.uvarint())
		for range c.count() {
			name, docs, bytes := c.bytes(), c.uvarint(), c.uvarint()
			if c.bad {
				return errFrame
			}
			s.indices = append(s.indices, sectionStat{intern(name), int64(docs), int64(bytes)})
		}
		if c.bad || length > uint64(end-at) || s.first < f.first || s.last > f.last || s.first > s.last || s.tMax < s.tMin || s.count < 0 || s.given > s.count {
			return errFrame
		}
		s.length = uint32(length)
		at += int64(length)
		f.sections = append(f.sections, s)
	}
	if c.bad || len(c.b) > 0 || at != end {
		return errFrame
	}
	return nil
}

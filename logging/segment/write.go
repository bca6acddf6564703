package segment

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/colenc"
	"github.com/oriel-project/oriel/internal/iddict"
	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// PartSource is what one part is made of: blocks of one tenant and UTC day, in
// memory or of other files. No two rows have the same seq.
type PartSource struct {
	Tenant tenant.ID
	Day    int32
	Blocks []Block
}

// WriteOptions are what a file says of itself.
type WriteOptions struct {
	Created time.Time // zero: the file does not say
}

// Write makes a file of the parts; f is empty. The rows of each stream are
// ordered by (time, seq) and cut into blocks; full blocks of other files that
// overlap no others are taken as they are. The caller syncs f. An error that
// comes of reading a source is a *Damage that names it; f is of no use then.
//
// What is held in memory are the blocks of one stream that overlap, the index
// of a part, and the ids of a part: 20 bytes a different one, about.
func Write(f vfs.File, parts []PartSource, o WriteOptions) ([]PartInfo, error) {
	w := &fileWriter{f: f, z: new(colenc.Zstd)}
	w.write(header(o.Created))
	infos := make([]PartInfo, 0, len(parts))
	for i := range parts {
		info, err := w.part(&parts[i])
		if err != nil {
			return nil, fmt.Errorf("part of %s, day %d: %w", parts[i].Tenant, parts[i].Day, err)
		}
		infos = append(infos, info)
	}
	directory := binary.AppendUvarint(nil, uint64(len(infos)))
	for i := range infos {
		directory = infos[i].appendTo(directory)
	}
	at := w.at
	w.write(directory)
	w.write(trailer(at, directory))
	w.flush()
	return infos, w.err
}

func header(created time.Time) []byte {
	b := make([]byte, 0, headBytes)
	b = append(b, headMagic...)
	b = binary.LittleEndian.AppendUint32(b, Version)
	b = binary.LittleEndian.AppendUint32(b, 0)
	var ns int64
	if !created.IsZero() {
		ns = created.UnixNano()
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(ns))
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint32(b, checksum(b))
}

func trailer(at int64, directory []byte) []byte {
	b := make([]byte, 0, tailBytes)
	b = binary.LittleEndian.AppendUint64(b, uint64(at))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(directory)))
	b = binary.LittleEndian.AppendUint32(b, checksum(directory))
	b = binary.LittleEndian.AppendUint32(b, Version)
	b = binary.LittleEndian.AppendUint64(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, checksum(b))
	return append(b, tailMagic...)
}

// writeBytes is what is written at once.
const writeBytes = 1 << 20

// fileWriter writes from front to back.
type fileWriter struct {
	f   vfs.File
	z   *colenc.Zstd
	at  int64 // where the next byte goes
	buf []byte
	err error

	gather gatherer
	encode blockEncoder
	times  []int64
	seqs   []int64
}

func (w *fileWriter) write(b []byte) {
	w.at += int64(len(b))
	w.buf = append(w.buf, b...)
	if len(w.buf) >= writeBytes {
		w.flush()
	}
}

func (w *fileWriter) flush() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.f.WriteAt(w.buf, w.at-int64(len(w.buf)))
	}
	w.buf = w.buf[:0]
}

// partWriter makes one part.
type partWriter struct {
	*fileWriter
	info    PartInfo
	index   *indexWriter
	indices map[indexKey]int // places in info.Indices: a part may have very many
	ids     *idWriter
	given   iddict.TableBuilder
	strm    *streamSource
}

// streamSource is what one stream of a part is made of.
type streamSource struct {
	labels   Labels
	shape    *shape.Shape
	skeleton string
	inputs   []*input
	rows     int
}

func (w *fileWriter) part(src *PartSource) (PartInfo, error) {
	p := &partWriter{fileWriter: w, index: newIndexWriter(), indices: map[indexKey]int{}}
	p.info = PartInfo{Tenant: src.Tenant, Day: src.Day, Offset: w.at, SeqMin: 1<<64 - 1, TimeMin: 1<<63 - 1, TimeMax: -1 << 63}
	w.encode.z, w.encode.strings = w.z, p.index.string
	streams, err := group(src)
	if err != nil {
		return p.info, err
	}
	if p.ids, err = newIDWriter(streams); err != nil {
		return p.info, err
	}
	for _, s := range streams {
		p.strm = s
		p.index.stream(s.labels, s.shape)
		if err := mergeStream(s.inputs, p); err != nil {
			return p.info, err
		}
		s.inputs = nil
		if w.err != nil {
			return p.info, w.err
		}
	}
	return p.info, p.finish()
}

// finish writes what stands behind the blocks.
func (p *partWriter) finish() error {
	for at := range p.info.ids {
		p.info.ids[at] = p.piece(p.ids.bytes(at))
	}
	if p.given.Len() > 0 {
		p.info.given = p.piece(p.given.AppendTo(nil))
	} else {
		p.info.given = p.piece(nil)
	}
	raw := p.index.bytes()
	p.info.indexRaw = uint64(len(raw))
	if len(raw) > indexMax {
		return fmt.Errorf("index of %d bytes: more than the %d a part may have", len(raw), indexMax)
	}
	p.info.index = p.piece(p.z.Append(nil, raw))
	slices.SortFunc(p.info.Indices, func(a, b IndexStat) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Cluster, b.Cluster), strings.Compare(a.Namespace, b.Namespace))
	})
	p.info.Length = p.at - p.info.Offset
	return p.err
}

// piece writes a piece of the part.
func (p *partWriter) piece(b []byte) piece {
	at := piece{offset: p.at, length: int64(len(b)), crc: checksum(b)}
	p.write(b)
	return at
}

// rareRows is the number of rows below which a shape does not have a stream: its
// documents stand as JSON in the irregular stream of their labels.
const rareRows = 16

// group sorts a part's blocks by stream.
func group(src *PartSource) ([]*streamSource, error) {
	g := grouper{src: src, by: make(map[streamKey]*streamSource), skeletons: make(map[*shape.Shape]string)}
	for _, b := range src.Blocks {
		if in := b.Info(); in.Tenant != src.Tenant || DayOf(in.TimeMin) != src.Day || DayOf(in.TimeMax) != src.Day {
			return nil, fmt.Errorf("a block of %s, day %d, among its blocks", in.Tenant, in.Day())
		}
		g.add(b)
	}
	if err := g.promote(); err != nil {
		return nil, err
	}
	if err := g.demote(); err != nil {
		return nil, err
	}
	out := make([]*streamSource, 0, len(g.by))
	for _, s := range g.by {
		if len(s.inputs) > 0 {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *streamSource) int {
		x, y := &a.labels, &b.labels
		return cmp.Or(strings.Compare(x.Index, y.Index), strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Container, y.Container),
			strings.Compare(x.Cluster, y.Cluster), strings.Compare(x.Region, y.Region), strings.Compare(x.Cloud, y.Cloud),
			strings.Compare(a.skeleton, b.skeleton))
	})
	return out, nil
}

type streamKey struct {
	Labels
	skeleton string
}

type grouper struct {
	src       *PartSource
	by        map[streamKey]*streamSource
	skeletons map[*shape.Shape]string
}

func (g *grouper) add(b Block) {
	in := b.Info()
	if in.Rows == 0 {
		return
	}
	skeleton := ""
	if in.Shape != nil {
		var ok bool
		if skeleton, ok = g.skeletons[in.Shape]; !ok {
			skeleton = string(in.Shape.Skeleton())
			g.skeletons[in.Shape] = skeleton
		}
	}
	if f, ok := b.(*fileBlock); ok {
		b = f.part.Block(f.number) // what is decoded goes with the input, not with the caller's block
	}
	s := g.stream(in.Labels, in.Shape, skeleton)
	s.inputs = append(s.inputs, &input{b: b, info: in})
	s.rows += in.Rows
}

func (g *grouper) stream(l Labels, sh *shape.Shape, skeleton string) *streamSource {
	s := g.by[streamKey{l, skeleton}]
	if s == nil {
		s = &streamSource{labels: l, shape: sh, skeleton: skeleton}
		g.by[streamKey{l, skeleton}] = s
	}
	return s
}

// promote looks at documents that stand as JSON because there were few of their
// shape in an earlier file: together there may be enough.
func (g *grouper) promote() error {
	var few []Block
	for key, s := range g.by {
		if key.skeleton != "" || s.rows < rareRows {
			continue
		}
		kept := s.inputs[:0]
		for _, in := range s.inputs {
			if _, file := in.b.(*fileBlock); file && in.info.Rows < wholeMin {
				few = append(few, in.b)
				s.rows -= in.info.Rows
				continue
			}
			kept = append(kept, in)
		}
		s.inputs = kept
	}
	if len(few) == 0 {
		return nil
	}
	t := NewTable(g.src.Tenant)
	var recs []logging.Record
	for _, b := range few {
		recs = recs[:0]
		size := b.Info().SourceBytes
		for row := range b.Info().Rows {
			rec, err := b.Record(row)
			if err != nil {
				return err
			}
			recs = append(recs, rec)
			size -= int64(len(rec.Source))
		}
		t.Append(recs)
		t.touched[len(t.touched)-1].adjust(size)
	}
	for _, b := range t.Blocks() {
		g.add(b)
	}
	return nil
}

// demote makes JSON of the documents of shapes that are rare.
func (g *grouper) demote() error {
	rows := make(map[Labels]*Rows)
	for _, s := range g.by {
		if s.shape == nil || s.rows >= rareRows {
			continue
		}
		r := rows[s.labels]
		if r == nil {
			r = NewRows(g.src.Tenant, s.labels, nil)
			rows[s.labels] = r
		}
		for _, in := range s.inputs {
			size := in.info.SourceBytes
			for row := range in.info.Rows {
				rec, err := in.b.Record(row)
				if err != nil {
					return err
				}
				r.Append(&rec, nil, false)
				size -= int64(len(rec.Source))
			}
			r.adjust(size)
		}
		s.inputs = nil
	}
	for _, r := range rows {
		for _, b := range r.Blocks() {
			g.add(b)
		}
	}
	return nil
}

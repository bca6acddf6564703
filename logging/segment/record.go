package segment

import (
	"time"
	"unsafe"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
)

// rebuilder makes records of a block's rows again. The columns are looked up once
// for all of them.
type rebuilder struct {
	in       *Info
	times    []int64
	received []int64
	seqs     []uint64
	stamps   [stampCount]*Column
	own      []ownColumn // by hole; where there is no shape, the documents

	row    int // at hand
	doc    []byte
	quoted []byte
	room   []byte // what records hold is cut off its end
	left   int    // rows, with the one at hand
}

// ownColumn is a column of documents.
type ownColumn struct {
	*Column
	text bool // its strings stand in quotes
	// The strings of the rows that are asked for, where they are ids: those are
	// read together.
	off  []uint32
	data []byte
	// Where the string of the row at hand stands in the document; 0 where it stands
	// there with escapes.
	from, to int
}

// records sets *to[i] to the record of rows[i]. What the records hold is theirs
// alone, and no other row's.
func records(b Block, rows []int, to []*logging.Record) error {
	r := rebuilder{in: b.Info()}
	if err := r.open(b, rows); err != nil {
		return err
	}
	for i, row := range rows {
		r.row, r.left = row, len(rows)-i
		r.record(to[i], i)
	}
	return r.err()
}

// open reads the columns.
func (r *rebuilder) open(b Block, rows []int) (err error) {
	if r.times, err = b.Times(); err != nil {
		return err
	}
	if r.seqs, err = b.Seqs(); err != nil {
		return err
	}
	if r.received, err = b.Received(); err != nil {
		return err
	}
	for s := range r.stamps {
		if r.stamps[s], err = b.Stamped(Stamp(s)); err != nil {
			return err
		}
	}
	holes := []shape.Hole{{Type: shape.Number}} // the document, as it is
	if r.in.Shape != nil {
		holes = r.in.Shape.Holes()
	}
	r.own = make([]ownColumn, len(holes))
	var ordinals []uint32
	for i := range r.own {
		c := &r.own[i]
		if c.Column, err = b.Own(i); err != nil {
			return err
		}
		c.text = holes[i].Type == shape.String
		if c.Kind != KindIDs {
			continue
		}
		ordinals = ordinals[:0]
		for _, row := range rows {
			ordinals = append(ordinals, c.Ordinals[row])
		}
		if c.off, c.data, err = c.IDs.AppendAll([]uint32{0}, nil, ordinals); err != nil {
			return err
		}
	}
	r.doc = make([]byte, 0, r.in.SourceBytes/int64(r.in.Rows)+128)
	return nil
}

// record sets *to to the record of the row at hand, the i-th that was asked for.
func (r *rebuilder) record(to *logging.Record, i int) {
	in := r.in
	*to = logging.Record{
		Tenant: in.Tenant, Index: in.Index, Cluster: in.Cluster, Region: in.Region, Cloud: in.Cloud,
		Namespace: in.Namespace, Container: in.Container, Seq: r.seqs[r.row],
		Time: time.Unix(0, r.times[r.row]).UTC(), Received: time.Unix(0, r.received[r.row]).UTC(),
	}
	if in.Shape == nil {
		r.doc = r.own[0].AppendString(r.doc[:0], r.row)
	} else {
		r.doc = in.Shape.Append(r.doc[:0], func(dst []byte, hole int) []byte { return r.own[hole].append(r, dst, i) })
	}
	to.Source = r.piece(r.doc)
	for s, at := range [stampCount]*string{&to.Pod, &to.Node, &to.Level, &to.Stream, &to.Message, &to.Original, &to.ID} {
		*at = r.stamped(r.stamps[s], to.Source)
	}
	if to.ID == "" {
		to.ID = logging.DerivedID(to.Seq)
	}
}

// append appends a hole's value of the row at hand to a document.
func (c *ownColumn) append(r *rebuilder, dst []byte, i int) []byte {
	if !c.text {
		return c.AppendString(dst, r.row)
	}
	at := len(dst)
	dst = append(dst, '"')
	if c.off != nil {
		dst = append(dst, c.data[c.off[i]:c.off[i+1]]...)
	} else {
		dst = c.AppendString(dst, r.row)
	}
	if shape.Plain(dst[at+1:]) {
		c.from, c.to = at+1, len(dst)
		return append(dst, '"')
	}
	c.from = 0
	r.quoted = append(r.quoted[:0], dst[at+1:]...)
	return shape.AppendQuoted(dst[:at], r.quoted)
}

// stamped gives a stamped string of the row at hand. A message mostly stands in
// the document, which is then made but once.
func (r *rebuilder) stamped(c *Column, source []byte) string {
	if c.Kind == KindDict {
		return c.String(r.row)
	}
	for i := range r.own {
		if own := &r.own[i]; own.Column == c && own.text && own.from > 0 {
			return view(source[own.from:own.to])
		}
	}
	r.quoted = c.AppendString(r.quoted[:0], r.row)
	return view(r.piece(r.quoted))
}

// roomBytesMax bounds what one record keeps of the memory that it shares.
const roomBytesMax = 64 << 10

// piece gives a copy, in memory that records of the block share.
func (r *rebuilder) piece(b []byte) []byte {
	if len(b) > cap(r.room)-len(r.room) {
		all := len(r.doc) * r.left
		r.room = make([]byte, 0, max(len(b), min(all+all/8, roomBytesMax)))
	}
	at := len(r.room)
	r.room = append(r.room, b...)
	return r.room[at:len(r.room):len(r.room)]
}

// err tells what could not be read.
func (r *rebuilder) err() error {
	for _, c := range r.stamps {
		if err := c.Err(); err != nil {
			return err
		}
	}
	for i := range r.own {
		if err := r.own[i].Err(); err != nil {
			return err
		}
	}
	return nil
}

// view is a string of bytes that do not change any more.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

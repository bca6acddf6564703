package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"time"
	"unsafe"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Bits of a record beyond those of its repeated fields (see repeated).
const (
	bitID      = 1 << 11
	bitMessage = 1 << 12
	bitsKnown  = 1<<13 - 1
)

// repeated gives the fields that are only written where they differ from the
// record before, in the order of their bits.
func repeated(r *logging.Record) [11]*string {
	return [11]*string{&r.Index, &r.Cluster, &r.Region, &r.Cloud, &r.Namespace, &r.Pod, &r.Container, &r.Node, &r.Level, &r.Stream, &r.Original}
}

var errRecord = errors.New("record does not read")

// appendBytes writes a length and the bytes.
func appendBytes[T ~string | ~[]byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// encoder writes the records of one section.
type encoder struct {
	buf     []byte
	scratch []byte
	seq     uint64 // of the record before
	time    int64
	prev    [11]string
}

func (e *encoder) add(r *logging.Record, given bool) {
	b := e.scratch[:0]
	at := r.Time.UnixNano()
	b = binary.AppendUvarint(b, r.Seq-e.seq)
	b = binary.AppendVarint(b, at-e.time)
	b = binary.AppendVarint(b, r.Received.UnixNano()-at)
	e.seq, e.time = r.Seq, at

	bits := uint64(0)
	fields := repeated(r)
	for i, f := range fields {
		if *f != e.prev[i] {
			bits |= 1 << i
		}
	}
	if given {
		bits |= bitID
	}
	offset := place(r.Source, r.Message)
	if offset < 0 {
		bits |= bitMessage
	}
	b = binary.AppendUvarint(b, bits)
	for i, f := range fields {
		if bits&(1<<i) != 0 {
			b = appendBytes(b, *f)
			e.prev[i] = *f
		}
	}
	if given {
		b = appendBytes(b, r.ID)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Source)))
	e.scratch = b
	// What is large is copied once: its length is known before.
	var tail [2 * binary.MaxVarintLen64]byte
	n := 0
	if offset < 0 {
		n = binary.PutUvarint(tail[:], uint64(len(r.Message)))
	} else {
		n = binary.PutUvarint(tail[:], uint64(offset))
		n += binary.PutUvarint(tail[n:], uint64(len(r.Message)))
	}
	length := len(b) + len(r.Source) + n
	if offset < 0 {
		length += len(r.Message)
	}
	e.buf = binary.AppendUvarint(e.buf, uint64(length))
	e.buf = append(e.buf, b...)
	e.buf = append(e.buf, r.Source...)
	e.buf = append(e.buf, tail[:n]...)
	if offset < 0 {
		e.buf = append(e.buf, r.Message...)
	}
}

// place gives where the message stands in the source as it is; -1: nowhere that was
// looked. Mostly it shares the memory of the source.
func place(source []byte, message string) int {
	if len(message) == 0 {
		return 0
	}
	at := uintptr(unsafe.Pointer(unsafe.StringData(message))) - uintptr(unsafe.Pointer(unsafe.SliceData(source)))
	if at < uintptr(len(source)) && len(message) <= len(source)-int(at) {
		return int(at)
	}
	if strings.IndexByte(message, '"') >= 0 || strings.IndexByte(message, '\\') >= 0 || strings.IndexByte(message, '\n') >= 0 {
		return -1 // escaped there
	}
	return bytes.Index(source, []byte(message))
}

// cursor reads what encoders wrote. After the first thing that does not read,
// it gives nothing but zeros, and bad is set.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) uint32() uint32 {
	if len(c.b) < 4 {
		c.bad, c.b = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint32(c.b)
	c.b = c.b[4:]
	return v
}

// bytes gives a slice of what is read, not a copy.
func (c *cursor) bytes() []byte {
	n := c.uvarint()
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	out := c.b[:n]
	c.b = c.b[n:]
	return out
}

// count reads a number of things that take at least one byte each.
func (c *cursor) count() int {
	n := c.uvarint()
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return 0
	}
	return int(n)
}

// decoder reads the records of one section, in order.
//
//	for d.next() {
//		if wanted(d.seq, d.time) {
//			rec := d.record()
//		}
//	}
//	if d.err() != nil { ... }
type decoder struct {
	cursor
	tenant tenant.ID
	seq    uint64
	time   int64 // nanoseconds

	received int64
	shared   logging.Record // the repeated fields
	id       []byte         // nil: derived
	source   []byte
	message  []byte
}

// newDecoder reads a section whose frame begins with the seq.
func newDecoder(section []byte, id tenant.ID, seq uint64) *decoder {
	return &decoder{cursor: cursor{b: section}, tenant: id, seq: seq, shared: logging.Record{Tenant: id}}
}

func (d *decoder) next() bool {
	if d.bad || len(d.b) == 0 {
		return false
	}
	c := cursor{b: d.bytes()}
	d.seq += c.uvarint()
	d.time += c.varint()
	d.received = d.time + c.varint()
	bits := c.uvarint()
	for i, f := range repeated(&d.shared) {
		if bits&(1<<i) != 0 {
			*f = string(c.bytes())
		}
	}
	d.id = nil
	if bits&bitID != 0 {
		d.id = c.bytes()
	}
	d.source = c.bytes()
	if bits&bitMessage != 0 {
		d.message = c.bytes()
	} else {
		offset, n := c.uvarint(), c.uvarint()
		if offset > uint64(len(d.source)) || n > uint64(len(d.source))-offset {
			c.bad = true
		} else {
			d.message = d.source[offset : offset+n]
		}
	}
	if c.bad || len(c.b) > 0 || bits > bitsKnown || d.seq > seqMax {
		d.bad = true
	}
	return !d.bad
}

func (d *decoder) err() error {
	if d.bad {
		return errRecord
	}
	return nil
}

// record gives the record that next came to. Its source and strings are parts
// of what is read, or copies.
func (d *decoder) record() logging.Record {
	r := d.shared
	r.Seq = d.seq
	r.Time = time.Unix(0, d.time).UTC()
	r.Received = time.Unix(0, d.received).UTC()
	r.Source = d.source
	r.Message = string(d.message)
	if d.id != nil {
		r.ID = string(d.id)
	} else {
		r.ID = logging.DerivedID(d.seq)
	}
	return r
}

package text

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
)

// Column is a column that was encoded. What is needed of it is unpacked when it
// is first asked for. Safe for concurrent use.
type Column struct {
	n     int
	depth int    // of fields in fields
	size  uint64 // bytes of all rows
	grams grams
	count int // of templates, as the header says
	tmpls []tmpl
	caps  []capsule
	raws  int
	bits  []byte
	times func() ([]int64, error) // of the rows

	metaRegion, idsRegion, textRegion, rawRegion region

	spoiled *atomic.Bool // something of the column, or of the one it is a field of, is broken

	mu     sync.Mutex // guards what is unpacked below
	broken error
	opened struct {
		meta, ids, text, raw atomic.Bool
	}
	ids    []uint16 // template of each row, len(tmpls) for raw ones
	ranks  []uint16 // how many rows before have the same template
	text   []byte
	raw    []byte
	rawOff []uint32
	order  []uint16 // rows by template
	starts []uint32 // where those of each template begin
}

// tmpl is a template. Its capsules are caps[from:to] of the column.
type tmpl struct {
	text     string
	rows     int
	from, to int
}

// capsule describes the values of one variable, and has them once unpacked.
type capsule struct {
	at     int // of its mark in the template's text
	tmpl   int
	rows   int
	kind   byte
	field  bool // it stands for a field, whose strings have any tokens
	upper  bool
	clock  byte // flags of the time of day
	mode   byte // of integers
	mask   byte // letters that strings may have
	part   int  // of a time of day, from 1; 0 if it is of none
	planes int  // length of integers or codes in planes, 0 if they are packed
	width  int  // bits of integers or codes; digits of hexadecimal numbers
	digits int  // of numbers with leading zeros
	count  int  // of different ones
	least  uint64
	first  uint64
	prefix string
	suffix string
	one    string // kindConst
	list   []byte // of numbers, uvarint differences
	bits   []byte
	text   int // where its strings begin in the column's text, and how long they are
	length int
	body   atomic.Pointer[body]
}

// body is what a capsule holds once unpacked.
type body struct {
	ints  []uint64 // numbers, or codes
	off   []uint32
	text  string // strings, or different ones: text[off[i]:off[i+1]-1]
	field *Column
}

var emptyBody = &body{}

// Decode opens a column of n rows. The column keeps b, which must not change.
// The error wraps ErrCorrupt. The header is checked here, and what is unpacked
// later is checked then: see Err.
func Decode(b []byte, n int) (*Column, error) { return decode(b, n, 0, new(atomic.Bool)) }

// DecodeAt is Decode for what EncodeAt made: times gives the times of the rows
// when they are first needed.
func DecodeAt(b []byte, n int, times func() ([]int64, error)) (*Column, error) {
	c, err := decode(b, n, 0, new(atomic.Bool))
	if err == nil {
		c.times = times
	}
	return c, err
}

func decode(b []byte, n, depth int, spoiled *atomic.Bool) (*Column, error) {
	r := &reader{b: b}
	version := r.byte()
	if v := version; r.err == nil && (v == 0 || v > Version) {
		return nil, fmt.Errorf("%w: version %d, this program reads up to %d", ErrCorrupt, v, Version)
	}
	if v := r.uvarint(); r.err == nil && (v != uint64(n) || n > RowsMax) {
		r.fail(fmt.Sprintf("it has %d rows instead of %d", v, n))
	}
	c := &Column{n: n, depth: depth, spoiled: spoiled}
	if n == 0 || r.err != nil {
		return c, r.err
	}
	c.size = r.uvarint()
	count := r.uvarint()
	raws := r.uvarint()
	if count > uint64(n) || raws > uint64(n) || c.size >= 1<<32 {
		r.fail("more templates or raw rows than rows, or too many bytes")
		return nil, r.err
	}
	c.count, c.raws = int(count), int(raws)
	if version >= 2 {
		c.grams = r.grams()
	}
	c.metaRegion = r.region()
	c.idsRegion, c.textRegion, c.rawRegion = r.region(), r.region(), r.region()
	if r.err != nil {
		return nil, r.err
	}
	c.bits = r.b
	return c, nil
}

// openMeta reads the templates, and what their capsules are.
func (c *Column) openMeta() {
	if c.n == 0 || c.opened.meta.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened.meta.Load() {
		return
	}
	meta, err := c.metaRegion.open()
	if err == nil {
		err = c.describe(meta)
	}
	if err != nil {
		c.spoil(err)
		c.tmpls, c.caps, c.raws = nil, nil, 0
	}
	c.opened.meta.Store(true)
}

// capsAtOnce bounds the capsules that there is room for before any is read.
const capsAtOnce = 4096

// describe reads the templates and what their capsules are.
func (c *Column) describe(meta []byte) error {
	r, count := &reader{b: meta}, c.count
	if count > len(meta) {
		r.fail("more templates than bytes")
		return r.err
	}
	c.tmpls = make([]tmpl, 0, count)
	// Their marks are bytes that hardly stand anywhere else.
	marks := bytes.Count(meta, []byte{markVar}) + bytes.Count(meta, []byte{markField})
	c.caps = make([]capsule, 0, min(marks, capsAtOnce))
	rows, bitsAt, textAt, size := c.raws, 0, 0, uint64(0)
	for range count {
		t := tmpl{text: view(r.bytes()), from: len(c.caps)}
		k := r.uvarint()
		if k == 0 || k > uint64(c.n-rows) {
			r.fail("rows of templates")
		}
		if r.err != nil {
			return r.err
		}
		t.rows = int(k)
		rows += t.rows
		size += k * uint64(len(t.text))
		for at := nextMark(t.text, 0); at < len(t.text); at = nextMark(t.text, at+1) {
			c.caps = append(c.caps, capsule{})
			p := &c.caps[len(c.caps)-1]
			p.at, p.rows, p.tmpl = at, t.rows, len(c.tmpls)
			size -= k
			var before *capsule
			if i := len(c.caps) - 1; i > t.from {
				before = &c.caps[i-1]
			}
			p.describe(r, t.text[at], before)
			size += k * uint64(len(p.one)+len(p.prefix)+len(p.suffix))
			if p.kind == kindHex {
				size += k * uint64(p.width)
			}
			if len(c.caps)-t.from > varsMax {
				r.fail("too many variables in a template")
			}
			need := p.bitsLen()
			if need > len(c.bits)-bitsAt || p.length > c.textRegion.length-textAt {
				r.fail("values of a variable are beyond the end")
			}
			if p.kind == kindField && c.depth >= depthMax {
				r.fail("fields in fields in fields")
			}
			if r.err != nil {
				return r.err
			}
			p.bits = c.bits[bitsAt : bitsAt+need]
			p.text = textAt
			bitsAt += need
			textAt += p.length
		}
		t.to = len(c.caps)
		c.tmpls = append(c.tmpls, t)
	}
	if rows != c.n || len(r.b) > 0 || bitsAt != len(c.bits) || textAt != c.textRegion.length || size > c.size {
		r.fail("rows, columns and bytes do not add up")
	}
	return r.err
}

// nextMark is where the next mark at or after i is, len(s) if there is none.
func nextMark(s string, i int) int {
	for ; i < len(s); i++ {
		if s[i] >= markField {
			return i
		}
	}
	return i
}

// describe reads what a capsule is.
func (p *capsule) describe(r *reader, mark byte, before *capsule) {
	kind := r.byte()
	p.kind, p.field, p.upper = kind&kindMask, mark == markField, kind&flagUpper != 0
	if p.kind >= kindCount || p.kind == kindField && !p.field || p.field && p.kind != kindField && p.kind != kindDict && p.kind != kindStrings {
		r.fail("kind of a variable")
		return
	}
	if kind&flagAffix != 0 {
		p.prefix, p.suffix = view(r.bytes()), view(r.bytes())
	}
	switch p.kind {
	case kindConst:
		p.one = view(r.bytes())
	case kindDigits:
		if p.digits = int(r.byte()); p.digits > decimalMax {
			r.fail("width of a number")
		}
		p.describeInts(r)
	case kindDecimal:
		p.describeInts(r)
	case kindHex:
		if p.width = int(r.uvarint()); p.width > rowTemplateMax {
			r.fail("width of hexadecimal digits")
		}
	case kindDict:
		p.count = int(r.uvarint())
		if p.count < 1 || p.count > dictMax {
			r.fail("size of a dictionary")
		}
		p.width = widthOf(uint64(p.count - 1))
		p.mask, p.length = r.byte(), p.stored(r)
		p.describePlanes(r, kind)
	case kindStrings:
		p.count = p.rows
		p.mask, p.length = r.byte(), p.stored(r)
	case kindClock:
		p.describeClock(r)
	case kindRest:
		p.describeRest(r, before)
	case kindField:
		p.width = p.stored(r)
	}
}

// stored is a length of bytes that are elsewhere.
func (p *capsule) stored(r *reader) int {
	v := r.uvarint()
	if v > 1<<32 {
		r.fail("a length is too large")
		return 0
	}
	return int(v)
}

func (p *capsule) describeInts(r *reader) {
	mode := r.byte()
	p.mode = mode &^ flagPlanes
	switch p.mode {
	case intsFrame:
		p.width, p.least = int(r.byte()), r.uvarint()
	case intsDelta:
		p.width, p.first, p.least = int(r.byte()), r.uvarint(), r.varint()
	case intsDict:
		p.count = int(r.uvarint())
		if p.count < 1 || p.count > intsDictMax {
			r.fail("size of a dictionary of numbers")
			return
		}
		p.width = widthOf(uint64(p.count - 1))
		all := r.b
		for range p.count {
			r.uvarint()
		}
		p.list = all[:len(all)-len(r.b)]
	default:
		r.fail("kind of numbers")
	}
	if p.width > 64 {
		r.fail("width of numbers")
	}
	p.describePlanes(r, mode)
}

func (p *capsule) describePlanes(r *reader, flags byte) {
	if flags&flagPlanes != 0 {
		if p.planes = p.stored(r); p.planes == 0 {
			r.fail("length of planes")
		}
	}
}

// bitsLen is how many bytes a capsule has in bits.
func (p *capsule) bitsLen() int {
	if p.planes > 0 {
		return p.planes
	}
	if p.part > 1 {
		return 0
	}
	switch p.kind {
	case kindDecimal, kindDigits:
		if p.mode == intsDelta {
			return packedLen(p.rows-1, p.width)
		}
		return packedLen(p.rows, p.width)
	case kindHex:
		return (p.rows*p.width + 1) / 2
	case kindDict:
		return packedLen(p.rows, p.width)
	case kindField:
		return p.width
	}
	return 0
}

// Rows is the number of rows.
func (c *Column) Rows() int { return c.n }

// Size is the length of all rows together, in bytes.
func (c *Column) Size() int { return int(c.size) }

// Footprint bounds the bytes that the column takes when all of it is unpacked.
func (c *Column) Footprint() int {
	c.openMeta()
	n := len(c.bits) + 4*c.n + c.metaRegion.length + c.idsRegion.length + c.textRegion.length + c.rawRegion.length + 200*len(c.caps)
	for i := range c.caps {
		switch p := &c.caps[i]; p.kind {
		case kindField:
			n += 64 * p.rows // its variables are not counted
		default:
			n += 8 * p.rows
		}
	}
	return n
}

// Err tells whether something that was unpacked since Decode was corrupt; what
// was answered is then not to be used. It wraps ErrCorrupt.
func (c *Column) Err() error {
	if !c.spoiled.Load() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	if !c.opened.meta.Load() {
		return nil
	}
	for i := range c.caps {
		if b := c.caps[i].body.Load(); b != nil && b.field != nil {
			if err := b.field.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

// spoil notes what is corrupt. c.mu is held.
func (c *Column) spoil(err error) {
	if c.broken == nil {
		c.broken = err
	}
	c.spoiled.Store(true)
}

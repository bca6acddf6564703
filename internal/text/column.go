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
	meta  []byte
	tmpls []tmpl
	caps  []capsule
	raws  int
	bits  []byte
	times func() ([]int64, error) // of the rows

	idsRegion, textRegion, rawRegion region

	mu     sync.Mutex // guards what is unpacked below
	broken error
	opened struct {
		ids, text, raw atomic.Bool
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
	part   int  // of a time of day, from 1; 0 if it is of none
	clock  byte // flags of the time of day
	mode   byte // of integers
	planes int  // length of integers or codes in planes, 0 if they are packed
	width  int  // bits of integers or codes; digits of hexadecimal numbers
	digits int  // of numbers with leading zeros
	count  int  // of different ones
	mask   byte // letters that strings may have
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
// The error wraps ErrCorrupt. The structure is checked here, and what is
// unpacked later is checked then: see Err.
func Decode(b []byte, n int) (*Column, error) { return decode(b, n, 0) }

// DecodeAt is Decode for what EncodeAt made: times gives the times of the rows
// when they are first needed.
func DecodeAt(b []byte, n int, times func() ([]int64, error)) (*Column, error) {
	c, err := decode(b, n, 0)
	if err == nil {
		c.times = times
	}
	return c, err
}

func decode(b []byte, n, depth int) (*Column, error) {
	r := &reader{b: b}
	if v := r.byte(); r.err == nil && v != Version {
		return nil, fmt.Errorf("%w: version %d, this program reads %d", ErrCorrupt, v, Version)
	}
	if v := r.uvarint(); r.err == nil && (v != uint64(n) || n > RowsMax) {
		r.fail(fmt.Sprintf("it has %d rows instead of %d", v, n))
	}
	c := &Column{n: n, depth: depth}
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
	c.raws = int(raws)
	meta := r.region()
	c.idsRegion, c.textRegion, c.rawRegion = r.region(), r.region(), r.region()
	if r.err != nil {
		return nil, r.err
	}
	c.bits = r.b
	var err error
	if c.meta, err = meta.open(); err != nil {
		return nil, err
	}
	if err := c.describe(int(count)); err != nil {
		return nil, err
	}
	return c, nil
}

// describe reads the templates and what their capsules are.
func (c *Column) describe(count int) error {
	r := &reader{b: c.meta}
	if count > len(c.meta) {
		r.fail("more templates than bytes")
		return r.err
	}
	c.tmpls = make([]tmpl, 0, count)
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

// Err tells whether something that was unpacked since Decode was corrupt; what
// was answered is then not to be used. It wraps ErrCorrupt.
func (c *Column) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
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
}

// openIDs unpacks the templates of the rows.
func (c *Column) openIDs() {
	if c.opened.ids.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened.ids.Load() {
		return
	}
	ids, ranks := make([]uint16, 2*c.n), []uint16(nil)
	ids, ranks = ids[:c.n:c.n], ids[c.n:]
	if err := c.readIDs(ids); err != nil {
		c.spoil(err)
		clear(ids)
	}
	counts := make([]uint32, len(c.tmpls)+1)
	for i, id := range ids {
		if int(id) >= len(counts) {
			c.spoil(fmt.Errorf("%w: row %d has template %d of %d", ErrCorrupt, i, id, len(counts)))
			id = 0
			ids[i] = 0
		}
		ranks[i] = uint16(counts[id])
		counts[id]++
	}
	for id, k := range counts {
		want := c.raws
		if id < len(c.tmpls) {
			want = c.tmpls[id].rows
		}
		if int(k) != want {
			c.spoil(fmt.Errorf("%w: template %d has %d rows instead of %d", ErrCorrupt, id, k, want))
		}
	}
	c.ids, c.ranks = ids, ranks
	c.opened.ids.Store(true)
}

func (c *Column) readIDs(ids []uint16) error {
	b, err := c.idsRegion.open()
	if err != nil {
		return err
	}
	kinds := len(c.tmpls)
	if c.raws > 0 {
		kinds++
	}
	wrong := fmt.Errorf("%w: length of the rows' templates", ErrCorrupt)
	if kinds == 1 {
		if len(b) != 0 {
			return wrong
		}
		return nil
	}
	if len(b) == 0 {
		return wrong
	}
	mode, b := b[0], b[1:]
	switch mode {
	case idsPacked:
		width := widthOf(uint64(kinds - 1))
		if len(b) != packedLen(c.n, width) {
			return wrong
		}
		vals := make([]uint64, c.n)
		unpack(vals, b, 0, width)
		for i, v := range vals {
			ids[i] = uint16(v)
		}
	case idsBytes:
		if len(b) != c.n {
			return wrong
		}
		for i, v := range b {
			ids[i] = uint16(v)
		}
	case idsPlanes:
		if len(b) != 2*c.n {
			return wrong
		}
		low, high := b[:c.n], b[c.n:]
		for i := range ids {
			ids[i] = uint16(low[i]) | uint16(high[i])<<8
		}
	default:
		return fmt.Errorf("%w: kind of the rows' templates", ErrCorrupt)
	}
	return nil
}

// openText unpacks the strings of variables. c.mu is held.
func (c *Column) openText() []byte {
	if !c.opened.text.Load() {
		var err error
		if c.text, err = c.textRegion.open(); err != nil {
			c.spoil(err)
		}
		c.opened.text.Store(true)
	}
	return c.text
}

// openRaw unpacks the rows without template.
func (c *Column) openRaw() {
	if c.opened.raw.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened.raw.Load() {
		return
	}
	b, err := c.rawRegion.open()
	if err != nil {
		c.spoil(err)
	}
	off := make([]uint32, 1, c.raws+1)
	r := &reader{b: b}
	total := uint64(0)
	for range c.raws {
		total += r.uvarint()
		if total > uint64(len(b)) {
			r.fail("lengths of raw rows")
			break
		}
		off = append(off, uint32(total))
	}
	if r.err == nil && total != uint64(len(r.b)) {
		r.fail("length of the raw rows")
	}
	if r.err != nil {
		c.spoil(r.err)
		c.raw, off = nil, make([]uint32, c.raws+1)
	} else {
		c.raw = r.b
	}
	c.rawOff = off
	c.opened.raw.Store(true)
}

// rawRow is the raw row of a rank.
func (c *Column) rawRow(rank int) []byte {
	if rank+1 >= len(c.rawOff) {
		return nil // the ids are corrupt
	}
	return c.raw[c.rawOff[rank]:c.rawOff[rank+1]]
}

// open unpacks a capsule.
func (c *Column) open(p *capsule) *body {
	if b := p.body.Load(); b != nil {
		return b
	}
	var rows []uint16
	var times []int64
	var err error
	if p.clock&clockRelative != 0 && c.times != nil {
		rows = c.rowsOf(p.tmpl)
		times, err = c.times()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := p.body.Load(); b != nil {
		return b
	}
	b := emptyBody
	switch {
	case err != nil:
	case p.part > 0:
		b, err = c.unpackClock(p, c.lead(p), rows, times)
	default:
		b, err = c.unpack(p)
	}
	if err != nil {
		c.spoil(err)
		b = emptyBody
	}
	p.body.Store(b)
	return b
}

// lead is the first capsule of the time of day that p is a part of.
func (c *Column) lead(p *capsule) *capsule {
	t := &c.tmpls[p.tmpl]
	for i := t.from; ; i++ {
		if &c.caps[i] == p {
			return &c.caps[i-p.part+1]
		}
	}
}

func (c *Column) unpack(p *capsule) (*body, error) {
	switch p.kind {
	case kindConst, kindHex:
		return emptyBody, nil
	case kindDecimal, kindDigits:
		return p.unpackInts()
	case kindField:
		f, err := decode(p.bits, p.rows, c.depth+1)
		if err == nil && f.size > c.size {
			err = fmt.Errorf("%w: a field is larger than its column", ErrCorrupt)
		}
		if err != nil {
			return nil, err
		}
		return &body{field: f}, nil
	}
	b := &body{}
	all := c.openText()
	if p.text+p.length > len(all) {
		return nil, fmt.Errorf("%w: strings of a variable are beyond the end", ErrCorrupt)
	}
	text := all[p.text : p.text+p.length]
	if p.count > len(text) {
		return nil, fmt.Errorf("%w: %d strings in %d bytes", ErrCorrupt, p.count, len(text))
	}
	b.text = view(text)
	b.off = make([]uint32, p.count+1)
	at := 0
	for i := range p.count {
		k := bytes.IndexByte(text[at:], '\n')
		if k < 0 {
			return nil, fmt.Errorf("%w: a string has no end", ErrCorrupt)
		}
		at += k + 1
		b.off[i+1] = uint32(at)
	}
	if at != len(text) {
		return nil, fmt.Errorf("%w: more strings than %d", ErrCorrupt, p.count)
	}
	if p.kind == kindDict {
		b.ints = make([]uint64, p.rows)
		if err := readValues(b.ints, p.bits, 0, p.width, p.planes > 0); err != nil {
			return nil, err
		}
		size := uint64(0)
		for _, v := range b.ints {
			if v >= uint64(p.count) {
				return nil, fmt.Errorf("%w: code %d in a dictionary of %d", ErrCorrupt, v, p.count)
			}
			size += uint64(b.off[v+1] - b.off[v] - 1)
		}
		if size > c.size {
			return nil, fmt.Errorf("%w: a variable is longer than its column", ErrCorrupt)
		}
	}
	return b, nil
}

func (p *capsule) unpackInts() (*body, error) {
	ints := make([]uint64, p.rows)
	var err error
	switch p.mode {
	case intsFrame:
		err = readValues(ints, p.bits, p.least, p.width, p.planes > 0)
	case intsDelta:
		ints[0] = p.first
		err = readValues(ints[1:], p.bits, p.least, p.width, p.planes > 0)
		for i := 1; i < len(ints); i++ {
			ints[i] += ints[i-1]
		}
	case intsDict:
		var list [intsDictMax]uint64
		r := &reader{b: p.list}
		last := uint64(0)
		for i := range p.count {
			last += r.uvarint()
			list[i] = last
		}
		if err = readValues(ints, p.bits, 0, p.width, p.planes > 0); err != nil {
			break
		}
		for i, v := range ints {
			if v >= uint64(p.count) {
				return nil, fmt.Errorf("%w: code %d in a dictionary of %d", ErrCorrupt, v, p.count)
			}
			ints[i] = list[v]
		}
	}
	if err != nil {
		return nil, err
	}
	return &body{ints: ints}, nil
}

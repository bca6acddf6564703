package text

import (
	"bytes"
	"fmt"
)

// openIDs unpacks the templates of the rows.
func (c *Column) openIDs() {
	if c.opened.ids.Load() {
		return
	}
	c.openMeta()
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
		var vals [128]uint64 // of any width they fill whole bytes
		for at := 0; at < c.n; at += len(vals) {
			some := vals[:min(len(vals), c.n-at)]
			unpack(some, b[packedLen(at, width):], 0, width)
			for i, v := range some {
				ids[at+i] = uint16(v)
			}
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

// stringsOf gives the strings of a capsule of some, each ended by a line feed.
// c.mu is held.
func (c *Column) stringsOf(p *capsule) (text []byte, ok bool) {
	all := c.openText()
	if p.text+p.length > len(all) {
		return nil, false
	}
	return all[p.text : p.text+p.length], true
}

// lacks reports whether no string of a capsule of strings contains core, before
// the capsule is unpacked.
func (c *Column) lacks(p *capsule, core string) bool {
	if core == "" || p.body.Load() != nil {
		return false
	}
	c.mu.Lock()
	text, ok := c.stringsOf(p)
	c.mu.Unlock()
	return ok && !containsFold(view(text), core)
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
		f, err := decode(p.bits, p.rows, c.depth+1, c.spoiled)
		if err == nil && f.size > c.size {
			err = fmt.Errorf("%w: a field is larger than its column", ErrCorrupt)
		}
		if err != nil {
			return nil, err
		}
		return &body{field: f}, nil
	}
	b := &body{}
	text, ok := c.stringsOf(p)
	if !ok {
		return nil, fmt.Errorf("%w: strings of a variable are beyond the end", ErrCorrupt)
	}
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

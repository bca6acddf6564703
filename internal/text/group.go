package text

import (
	"hash/maphash"
	"math/bits"
)

// Distinct gives the different strings, and for each row which of them it is. The
// strings are memory of their own, in the order of the rows where they are first.
func (c *Column) Distinct() (codes []uint32, values []string) {
	codes, rows := c.DistinctRows()
	var buf []byte
	ends := make([]int, len(rows))
	for i, row := range rows {
		buf = c.Append(buf, int(row))
		ends[i] = len(buf)
	}
	all, last := string(buf), 0
	values = make([]string, len(rows))
	for i, end := range ends {
		values[i] = all[last:end]
		last = end
	}
	return codes, values
}

// DistinctRows is Distinct with the row where each of the strings is first
// instead of the string.
func (c *Column) DistinctRows() (codes, rows []uint32) {
	if c.n == 0 {
		return nil, nil
	}
	c.openIDs()
	codes = make([]uint32, c.n)
	h := c.hashes()
	size := 8
	for size < 2*c.n {
		size *= 2
	}
	shift := 64 - bits.TrailingZeros(uint(size))
	table := make([]uint32, size) // 1 + value, by hash
	rows = make([]uint32, 0, 64)
	for row := range codes {
		at := int(h[row] >> shift)
		for {
			k := table[at]
			if k == 0 {
				rows = append(rows, uint32(row))
				table[at] = uint32(len(rows))
				codes[row] = uint32(len(rows) - 1)
				break
			}
			if o := rows[k-1]; h[o] == h[row] && c.same(int(o), row) {
				codes[row] = k - 1
				break
			}
			if at++; at == size {
				at = 0
			}
		}
	}
	return codes, rows
}

// hashes gives a hash of each row, of its template and its variables: equal rows
// have equal ones.
func (c *Column) hashes() []uint64 {
	h := make([]uint64, c.n)
	byTmpl := make([][]uint64, len(c.tmpls))
	all := make([]uint64, c.n)
	seed := maphash.MakeSeed()
	at := 0
	for id := range c.tmpls {
		t := &c.tmpls[id]
		v := all[at : at+t.rows]
		at += t.rows
		byTmpl[id] = v
		for i := range v {
			v[i] = uint64(id)
		}
		for i := t.from; i < t.to; i++ {
			c.mix(v, &c.caps[i], seed)
		}
	}
	for row, id := range c.ids {
		if int(id) == len(c.tmpls) {
			c.openRaw()
			h[row] = maphash.Bytes(seed, c.rawRow(int(c.ranks[row])))
			continue
		}
		if v, rank := byTmpl[id], int(c.ranks[row]); rank < len(v) {
			h[row] = (v[rank] ^ v[rank]>>29) * spread
		}
	}
	return h
}

// mix adds the values of a capsule to the hashes of its template's rows.
func (c *Column) mix(h []uint64, p *capsule, seed maphash.Seed) {
	if p.kind == kindConst {
		return
	}
	b := c.open(p)
	add := func(i int, v uint64) { h[i] = (h[i]<<7 | h[i]>>57) ^ v*spread }
	switch {
	case p.kind == kindHex:
		for i := range h {
			v := uint64(0)
			for at := i * p.width; at < (i+1)*p.width; at++ {
				d := p.bits[at>>1]
				if at&1 == 0 {
					d >>= 4
				}
				v = (v<<4 | v>>60) ^ uint64(d&15)
			}
			add(i, v)
		}
	case b == emptyBody:
	case p.kind == kindField:
		codes, _ := b.field.DistinctRows()
		for i, v := range codes {
			add(i, uint64(v))
		}
	case p.kind == kindStrings:
		for i := range h {
			add(i, maphash.String(seed, b.text[b.off[i]:b.off[i+1]]))
		}
	default:
		for i, v := range b.ints {
			add(i, v)
		}
	}
}

// same reports whether two rows of equal hash are the same string.
func (c *Column) same(a, b int) bool {
	id := int(c.ids[a])
	if id != int(c.ids[b]) {
		return false
	}
	x, y := int(c.ranks[a]), int(c.ranks[b])
	if id == len(c.tmpls) {
		return string(c.rawRow(x)) == string(c.rawRow(y))
	}
	t := &c.tmpls[id]
	if max(x, y) >= t.rows {
		return false
	}
	for i := t.from; i < t.to; i++ {
		p := &c.caps[i]
		if p.kind == kindConst {
			continue
		}
		v := c.open(p)
		switch {
		case p.kind == kindHex:
			if !p.sameHex(x, y) {
				return false
			}
		case v == emptyBody:
		case p.kind == kindField:
			v.field.openIDs()
			if !v.field.same(x, y) {
				return false
			}
		case p.kind == kindStrings:
			if v.text[v.off[x]:v.off[x+1]] != v.text[v.off[y]:v.off[y+1]] {
				return false
			}
		case v.ints[x] != v.ints[y]:
			return false
		}
	}
	return true
}

func (p *capsule) sameHex(x, y int) bool {
	x, y = x*p.width, y*p.width
	for i := range p.width {
		if p.nibble(x+i) != p.nibble(y+i) {
			return false
		}
	}
	return true
}

func (p *capsule) nibble(at int) byte {
	v := p.bits[at>>1]
	if at&1 == 0 {
		v >>= 4
	}
	return v & 15
}

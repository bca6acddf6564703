package text

import "strconv"

// Append appends the string of a row to dst.
func (c *Column) Append(dst []byte, row int) []byte {
	c.openIDs()
	return c.append(dst, int(c.ids[row]), int(c.ranks[row]))
}

func (c *Column) append(dst []byte, id, rank int) []byte {
	if id == len(c.tmpls) {
		c.openRaw()
		return append(dst, c.rawRow(rank)...)
	}
	t := &c.tmpls[id]
	if rank >= t.rows {
		return dst // the ids are corrupt
	}
	last := 0
	caps := c.caps[t.from:t.to]
	for i := range caps {
		p := &caps[i]
		dst = append(dst, t.text[last:p.at]...)
		dst = c.value(dst, p, rank)
		last = p.at + 1
	}
	return append(dst, t.text[last:]...)
}

// value appends the value of a capsule.
func (c *Column) value(dst []byte, p *capsule, rank int) []byte {
	b := p.body.Load()
	if b == nil {
		b = c.open(p)
	}
	switch p.kind {
	case kindConst:
		return append(dst, p.one...)
	case kindDecimal:
		if b == emptyBody {
			return dst
		}
		if len(p.prefix) > 0 {
			dst = append(dst, p.prefix...)
		}
		dst = appendDecimal(dst, b.ints[rank])
		if len(p.suffix) > 0 {
			dst = append(dst, p.suffix...)
		}
		return dst
	case kindDigits:
		if b == emptyBody {
			return dst
		}
		dst = append(dst, p.prefix...)
		dst = appendDigits(dst, b.ints[rank], p.digits)
		return append(dst, p.suffix...)
	case kindHex:
		dst = append(dst, p.prefix...)
		digits := lowerHex
		if p.upper {
			digits = upperHex
		}
		for at := rank * p.width; at < (rank+1)*p.width; at++ {
			v := p.bits[at>>1]
			if at&1 == 0 {
				v >>= 4
			}
			dst = append(dst, digits[v&15])
		}
		return append(dst, p.suffix...)
	case kindField:
		if b.field == nil {
			return dst
		}
		return b.field.Append(dst, rank)
	}
	if b == emptyBody {
		return dst
	}
	if p.kind == kindDict {
		rank = int(b.ints[rank])
	}
	return append(dst, b.text[b.off[rank]:b.off[rank+1]-1]...)
}

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
	pairs    = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" + "40414243444546474849" +
		"50515253545556575859" + "60616263646566676869" + "70717273747576777879" + "80818283848586878889" + "90919293949596979899"
)

func appendDecimal(dst []byte, v uint64) []byte {
	if v < 10 {
		return append(dst, byte('0'+v))
	}
	if v < 100 {
		return append(dst, pairs[2*v], pairs[2*v+1])
	}
	return strconv.AppendUint(dst, v, 10)
}

// appendDigits appends v with zeros before it up to width digits.
func appendDigits(dst []byte, v uint64, width int) []byte {
	if width == 2 && v < 100 {
		return append(dst, pairs[2*v], pairs[2*v+1])
	}
	var b [decimalMax + 1]byte
	i := len(b)
	for n := 0; n < width; n++ {
		i--
		b[i] = byte('0' + v%10)
		v /= 10
	}
	return append(dst, b[i:]...)
}

// AppendAll appends the strings of all rows to data, and where each of them ends
// to off. Where off is empty, len(data) is appended first, so that row i is
// data[off[i]:off[i+1]].
func (c *Column) AppendAll(off []uint32, data []byte) ([]uint32, []byte) {
	if len(off) == 0 {
		off = append(off, uint32(len(data)))
	}
	if c.n == 0 {
		return off, data
	}
	c.openIDs()
	if need := len(data) + int(c.size); cap(data) < need && c.size <= 64<<20 {
		data = append(make([]byte, 0, need), data...)
	}
	for i, id := range c.ids {
		data = c.append(data, int(id), int(c.ranks[i]))
		off = append(off, uint32(len(data)))
	}
	return off, data
}

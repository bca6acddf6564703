package text

import (
	"encoding/binary"
	"strconv"
)

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
		dst = appendShort(dst, t.text[last:p.at])
		dst = c.value(dst, p, rank)
		last = p.at + 1
	}
	return appendShort(dst, t.text[last:])
}

// value appends the value of a capsule.
func (c *Column) value(dst []byte, p *capsule, rank int) []byte {
	b := p.body.Load()
	if b == nil {
		b = c.open(p)
	}
	switch p.kind {
	case kindConst:
		return appendShort(dst, p.one)
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
		f := b.field
		f.openIDs()
		return f.append(dst, int(f.ids[rank]), int(f.ranks[rank]))
	}
	if b == emptyBody {
		return dst
	}
	if p.kind == kindDict {
		rank = int(b.ints[rank])
	}
	return appendShort(dst, b.text[b.off[rank]:b.off[rank+1]-1])
}

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
	pairs    = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" + "40414243444546474849" +
		"50515253545556575859" + "60616263646566676869" + "70717273747576777879" + "80818283848586878889" + "90919293949596979899"
)

func appendDecimal(dst []byte, v uint64) []byte {
	switch {
	case v < 10:
		return append(dst, byte('0'+v))
	case v < 100:
		return append(dst, pairs[2*v], pairs[2*v+1])
	case v < 1000:
		r := v % 100
		return append(dst, byte('0'+v/100), pairs[2*r], pairs[2*r+1])
	case v < 10000:
		q, r := v/100, v%100
		return append(dst, pairs[2*q], pairs[2*q+1], pairs[2*r], pairs[2*r+1])
	}
	return strconv.AppendUint(dst, v, 10)
}

// appendShort is append for strings that are mostly short: a call of memmove
// costs more than some bytes.
func appendShort(dst []byte, s string) []byte {
	if n := len(dst); len(s) <= 16 && cap(dst)-n >= 16 {
		d := dst[n : n+16]
		switch {
		case len(s) >= 8:
			a, b := load64(s), load64(s[len(s)-8:])
			binary.LittleEndian.PutUint64(d, a)
			binary.LittleEndian.PutUint64(d[len(s)-8:], b)
		case len(s) >= 4:
			a, b := load32(s), load32(s[len(s)-4:])
			binary.LittleEndian.PutUint32(d, a)
			binary.LittleEndian.PutUint32(d[len(s)-4:], b)
		case len(s) > 0:
			d[0], d[len(s)/2], d[len(s)-1] = s[0], s[len(s)/2], s[len(s)-1]
		}
		return dst[:n+len(s)]
	}
	return append(dst, s...)
}

func load64(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func load32(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
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

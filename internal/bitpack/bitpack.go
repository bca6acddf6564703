// Package bitpack writes numbers with as few bits as the greatest of them
// needs, and reads them in less than a nanosecond each.
//
// Value i of width w takes the bits i*w to i*w+w-1, where bit b is bit b%8 of
// byte b/8.
package bitpack

import "encoding/binary"

// Slack is how many bytes beyond the packed values Unpack may look at.
const Slack = 8

// Number is what values are unpacked to.
type Number interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int64
}

// Len returns how many bytes n values of width bits take.
func Len(n int, width uint) int { return (n*int(width) + 7) / 8 }

// Append appends vals, none of which has more than width bits, 0 to 64.
func Append(dst []byte, vals []uint64, width uint) []byte {
	if width == 0 {
		return dst
	}
	var acc uint64
	var have uint // bits in acc, below 64
	for _, v := range vals {
		acc |= v << (have & 63)
		have += width
		if have >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			have -= 64
			acc = v >> ((width - have) & 63)
			if have == 0 {
				acc = 0
			}
		}
	}
	for ; have > 0; have -= min(have, 8) {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// Unpack reads len(out) values of width bits, 0 to 64, from in and sets every
// out[i] to base + mul*value, cut to T. in holds Slack bytes more than the values
// need, which are not used: Padded makes them.
func Unpack[T Number](out []T, in []byte, width uint, base, mul uint64) {
	if width > 0 && width <= 56 && len(out) >= 8 {
		k := len(out) &^ 7
		unpackWhole(out[:k], in, width, base, mul)
		in, out = in[k/8*int(width):], out[k:]
	}
	unpackAny(out, in, width, base, mul)
}

// unpackAny is Unpack for every width and number of values.
func unpackAny[T Number](out []T, in []byte, width uint, base, mul uint64) {
	if width == 0 {
		for i := range out {
			out[i] = T(base)
		}
		return
	}
	mask := ^uint64(0) >> ((64 - width) & 63)
	var bit uint
	for i := range out {
		p := in[bit>>3:]
		v := binary.LittleEndian.Uint64(p) >> (bit & 7)
		if width > 56 {
			v |= uint64(p[8]) << (64 - bit&7)
		}
		out[i] = T(base + mul*(v&mask))
		bit += width
	}
}

// unpack8 is Unpack for a width of len(W) bits and a multiple of 8 values:
// these begin at a byte and fill as many bytes as the width has bits. An array
// type has a shape of its own, so that the compiler makes a function for each
// width, in which len(W) and with it every offset, shift and mask is a
// constant.
func unpack8[T Number, W widths](out []T, in []byte, base, mul uint64) {
	var w W
	mask := uint64(1)<<len(w) - 1
	for len(out) >= 8 && len(in) >= len(w)+Slack {
		o := (*[8]T)(out)
		p := in[:len(w)+Slack]
		o[0] = T(base + mul*(binary.LittleEndian.Uint64(p)&mask))
		o[1] = T(base + mul*(binary.LittleEndian.Uint64(p[len(w)>>3:])>>(len(w)&7)&mask))
		o[2] = T(base + mul*(binary.LittleEndian.Uint64(p[2*len(w)>>3:])>>(2*len(w)&7)&mask))
		o[3] = T(base + mul*(binary.LittleEndian.Uint64(p[3*len(w)>>3:])>>(3*len(w)&7)&mask))
		o[4] = T(base + mul*(binary.LittleEndian.Uint64(p[4*len(w)>>3:])>>(4*len(w)&7)&mask))
		o[5] = T(base + mul*(binary.LittleEndian.Uint64(p[5*len(w)>>3:])>>(5*len(w)&7)&mask))
		o[6] = T(base + mul*(binary.LittleEndian.Uint64(p[6*len(w)>>3:])>>(6*len(w)&7)&mask))
		o[7] = T(base + mul*(binary.LittleEndian.Uint64(p[7*len(w)>>3:])>>(7*len(w)&7)&mask))
		out, in = out[8:], in[len(w):]
	}
}

// Padded returns the first n bytes of b with Slack after them: b itself where it
// goes on, else a copy in buf, which is as long.
func Padded(b []byte, n int, buf []byte) []byte {
	if len(b) >= n+Slack {
		return b
	}
	clear(buf[copy(buf, b[:n]):])
	return buf
}

// Get returns value i of in, of which the same is wanted as by Unpack.
func Get(in []byte, i int, width uint) uint64 {
	if width == 0 {
		return 0
	}
	bit := uint(i) * width
	p := in[bit>>3:]
	v := binary.LittleEndian.Uint64(p) >> (bit & 7)
	if width > 56 {
		v |= uint64(p[8]) << (64 - bit&7)
	}
	return v & (^uint64(0) >> ((64 - width) & 63))
}

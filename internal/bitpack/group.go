package bitpack

import (
	"encoding/binary"
	"math/bits"
)

// GroupMax is the greatest number of values of a group.
const GroupMax = 256

// rice is added to the number of low bits, where values are not packed whole.
const rice = 65

// AppendGroup appends how many bits the values take, in a byte, and then the
// values. Where the greatest would make all of them wide, as it does with
// latencies and with the distances of what happens by chance, only their low
// bits are packed, and what is above is counted out in zeros before a one
// (Rice coding): half a bit a value off what is possible, not two.
func AppendGroup(dst []byte, vals []uint64) []byte {
	var all, sum uint64
	for _, v := range vals {
		all |= v
		sum += v
	}
	width := uint(bits.Len64(all))
	// Below 2^56, the sum did not overflow.
	if n := uint64(len(vals)); width > 1 && width <= 56 && n >= 16 {
		low, size := riceBits(vals, sum/n)
		// It takes longer to read: the gain is to be 0.4 bits a value.
		if size+n*2/5 < n*uint64(width) {
			return appendRice(append(dst, byte(rice+low)), vals, low)
		}
	}
	return Append(append(dst, byte(width)), vals, width)
}

// riceBits returns how many low bits are best packed, and how many bits it all
// takes then.
func riceBits(vals []uint64, mean uint64) (low uint, size uint64) {
	// Of values whose frequency halves with equal steps, a step is 0.7 means.
	low = uint(bits.Len64(mean * 7 / 10))
	below := low - min(low, 1)
	var high, higher uint64
	for _, v := range vals {
		high += v >> (low & 63)
		higher += v >> (below & 63)
	}
	n := uint64(len(vals))
	size = n*uint64(low+1) + high
	if s := n*uint64(below+1) + higher; s < size {
		return below, s
	}
	return low, size
}

func appendRice(dst []byte, vals []uint64, low uint) []byte {
	mask := uint64(1)<<low - 1
	var lows [GroupMax]uint64
	for i, v := range vals {
		lows[i] = v & mask
	}
	dst = Append(dst, lows[:len(vals)], low)
	var acc byte
	var have uint64 // bits in acc
	for _, v := range vals {
		have += v >> low
		for ; have >= 8; have -= 8 {
			dst = append(dst, acc)
			acc = 0
		}
		acc |= 1 << have
		if have++; have == 8 {
			dst = append(dst, acc)
			acc, have = 0, 0
		}
	}
	if have > 0 {
		dst = append(dst, acc)
	}
	return dst
}

// UnpackGroup reads a group of len(out) values, at most GroupMax, as Unpack
// does, and returns what stands after it. ok is false where in ends before the
// group, or holds none.
func UnpackGroup[T Number](out []T, in []byte, base, mul uint64) (rest []byte, ok bool) {
	if len(in) == 0 || len(out) > GroupMax {
		return nil, false
	}
	width := uint(in[0])
	in = in[1:]
	low := width
	if width >= rice {
		low -= rice
	}
	size := Len(len(out), low)
	if low > 64 || width >= rice && low > 56 || size > len(in) {
		return nil, false
	}
	if len(in) >= size+Slack {
		Unpack(out, in, low, base, mul)
	} else {
		unpackEnd(out, in[:size], low, base, mul)
	}
	in = in[size:]
	if width < rice {
		return in, true
	}
	return addHighs(out, in, low, mul)
}

// unpackEnd is Unpack without Slack.
func unpackEnd[T Number](out []T, in []byte, width uint, base, mul uint64) {
	var buf [GroupMax*8 + Slack]byte
	copy(buf[:], in)
	Unpack(out, buf[:], width, base, mul)
}

// addHighs adds to every value what is above its low bits.
func addHighs[T Number](out []T, in []byte, low uint, mul uint64) (rest []byte, ok bool) {
	at, next := 0, 0 // the bits: of the word, and after the last one
	b, i := in, 0
	for i < len(out) {
		var w uint64
		switch {
		case len(b) >= 8:
			w = binary.LittleEndian.Uint64(b)
			b = b[8:]
		case len(b) > 0:
			var buf [8]byte
			copy(buf[:], b)
			w = binary.LittleEndian.Uint64(buf[:])
			b = nil
		default:
			return nil, false
		}
		for ; w != 0 && i < len(out); w &= w - 1 {
			bit := at + bits.TrailingZeros64(w)
			out[i] += T(uint64(bit-next) << (low & 63) * mul)
			next = bit + 1
			i++
		}
		at += 64
	}
	return in[(next+7)/8:], true
}

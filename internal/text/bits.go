package text

import (
	"encoding/binary"
	"math/bits"
)

// packedLen is how many bytes n values of width bits take.
func packedLen(n, width int) int { return (n*width + 7) / 8 }

// widthOf is how many bits the value takes; 0 takes none.
func widthOf(v uint64) int { return bits.Len64(v) }

// pack appends the low width bits of every value less base, the first in the
// lowest bits.
func pack(dst []byte, vals []uint64, base uint64, width int) []byte {
	if width == 0 {
		return dst
	}
	var acc uint64
	have := 0
	for _, v := range vals {
		v -= base
		acc |= v << have
		have += width
		if have >= 64 {
			dst = binary.LittleEndian.AppendUint64(dst, acc)
			have -= 64
			acc = 0
			if have > 0 {
				acc = v >> (width - have)
			}
		}
	}
	for ; have > 0; have -= 8 {
		dst = append(dst, byte(acc))
		acc >>= 8
	}
	return dst
}

// unpack reads len(dst) values of width bits and adds base. src has
// packedLen(len(dst), width) bytes or more.
func unpack(dst []uint64, src []byte, base uint64, width int) {
	if width == 0 {
		for i := range dst {
			dst[i] = base
		}
		return
	}
	mask := ^uint64(0) >> (64 - width)
	i, bit := 0, 0
	if width <= 56 {
		for ; i < len(dst); i++ {
			at := bit >> 3
			if at+8 > len(src) {
				break
			}
			dst[i] = (binary.LittleEndian.Uint64(src[at:])>>(bit&7))&mask + base
			bit += width
		}
	}
	for ; i < len(dst); i++ {
		dst[i] = bitsAt(src, bit)&mask + base
		bit += width
	}
}

// bitsAt is the 64 bits from the bit on, zeros beyond the end.
func bitsAt(src []byte, bit int) uint64 {
	at, shift := bit>>3, bit&7
	var b [9]byte
	copy(b[:], src[at:])
	v := binary.LittleEndian.Uint64(b[:]) >> shift
	if shift > 0 {
		v |= uint64(b[8]) << (64 - shift)
	}
	return v
}

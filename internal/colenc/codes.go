package colenc

import (
	"encoding/binary"
	"math/bits"

	"github.com/oriel-project/oriel/internal/bitpack"
)

// The kinds of a column of codes, in its first byte.
const (
	codesConst  = 0
	codesPacked = 1
	codesRuns   = 2
	codesZstd   = 3 // a byte a code
	codesZstd2  = 4 // the low bytes, then the high bytes
)

// AppendCodes appends codes, all of them at most greatest, which both sides
// know: most often the last index of a dictionary.
func AppendCodes(dst []byte, codes []uint16, greatest uint16, z *Zstd) []byte {
	if len(codes) == 0 {
		return dst
	}
	width := uint(bits.Len16(greatest))
	packed := bitpack.Len(len(codes), width)
	runs, prev := 1, codes[0]
	for _, v := range codes {
		if v != prev {
			runs++
			prev = v
		}
	}
	if runs == 1 {
		return binary.AppendUvarint(append(dst, codesConst), uint64(prev))
	}
	if runs*2 < packed/2 {
		// Two bytes or a few more a run: zstd would find little more.
		return appendCodeRuns(append(dst, codesRuns), codes)
	}
	if packed >= zstdLeast {
		at := len(dst)
		dst = appendCodesZstd(dst, codes, greatest, z)
		if len(dst)-at-1 < packed-packed/16 {
			return dst
		}
		dst = dst[:at]
	}
	dst = append(dst, codesPacked)
	var buf [group]uint64
	for len(codes) > 0 {
		n := min(group, len(codes))
		for i, v := range codes[:n] {
			buf[i] = uint64(v)
		}
		dst = bitpack.Append(dst, buf[:n], width)
		codes = codes[n:]
	}
	return dst
}

func appendCodeRuns(dst []byte, codes []uint16) []byte {
	for len(codes) > 0 {
		v, n := codes[0], 1
		for n < len(codes) && codes[n] == v {
			n++
		}
		dst = binary.AppendUvarint(dst, uint64(v))
		dst = binary.AppendUvarint(dst, uint64(n-1))
		codes = codes[n:]
	}
	return dst
}

func appendCodesZstd(dst []byte, codes []uint16, greatest uint16, z *Zstd) []byte {
	n := len(codes)
	s := z.scratch()
	defer z.buf.Put(s)
	if greatest < 256 {
		s.bytes = resize(s.bytes, n)
		for i, v := range codes {
			s.bytes[i] = byte(v)
		}
		return z.Append(append(dst, codesZstd), s.bytes)
	}
	s.bytes = resize(s.bytes, 2*n)
	low, high := s.bytes[:n], s.bytes[n:]
	for i, v := range codes {
		low[i], high[i] = byte(v), byte(v>>8)
	}
	return z.Append(append(dst, codesZstd2), s.bytes)
}

// DecodeCodes returns the n codes of AppendCodes, in into where they fit. None
// of them is above greatest, which is what it was when they were appended.
func DecodeCodes(b []byte, n int, greatest uint16, z *Zstd, into []uint16) ([]uint16, error) {
	if err := checkRows("codes", n); err != nil {
		return nil, err
	}
	out := resize(into, n)
	c := cursor{b: b}
	if n > 0 {
		switch kind := c.byte(); kind {
		case codesConst:
			v := c.uvarint()
			for i := range out {
				out[i] = uint16(v)
			}
			if v > uint64(greatest) {
				c.fail()
			}
		case codesPacked:
			readCodes(&c, out, uint(bits.Len16(greatest)))
		case codesRuns:
			readCodeRuns(&c, out)
		case codesZstd, codesZstd2:
			if err := readCodesZstd(c.b, out, kind, z); err != nil {
				return nil, err
			}
			c.b = nil
		default:
			return nil, corrupt("codes: kind %d", kind)
		}
	}
	if c.bad || len(c.b) > 0 {
		return nil, corrupt("codes: not as long as %d rows need", n)
	}
	var under uint32 // bit 31 is set by a difference below zero
	for _, v := range out {
		under |= uint32(greatest) - uint32(v)
	}
	if under>>31 != 0 {
		return nil, corrupt("codes: one of %d rows is above %d", n, greatest)
	}
	return out, nil
}

func readCodes(c *cursor, out []uint16, width uint) {
	var buf [group*8 + bitpack.Slack]byte
	for len(out) > 0 {
		n := min(group, len(out))
		size := bitpack.Len(n, width)
		if size > len(c.b) {
			c.fail()
			return
		}
		bitpack.Unpack(out[:n], bitpack.Padded(c.b, size, buf[:]), width, 0, 1)
		out, c.b = out[n:], c.b[size:]
	}
}

func readCodeRuns(c *cursor, out []uint16) {
	for len(out) > 0 && !c.bad {
		v, n := c.uvarint(), c.uvarint()
		if n >= uint64(len(out)) || v > 1<<16-1 {
			c.fail()
			return
		}
		run := out[:n+1]
		for i := range run {
			run[i] = uint16(v)
		}
		out = out[n+1:]
	}
}

func readCodesZstd(b []byte, out []uint16, kind byte, z *Zstd) error {
	s := z.scratch()
	defer z.buf.Put(s)
	size := len(out)
	if kind == codesZstd2 {
		size *= 2
	}
	raw, err := z.Decode(b, size, s.bytes)
	if err != nil {
		return err
	}
	s.bytes = raw
	if kind == codesZstd {
		for i, v := range raw {
			out[i] = uint16(v)
		}
		return nil
	}
	low, high := raw[:len(out)], raw[len(out):]
	for i := range out {
		out[i] = uint16(low[i]) | uint16(high[i])<<8
	}
	return nil
}

// AppendOrdinals appends vals, places in a dictionary of any size.
func AppendOrdinals(dst []byte, vals []uint32) []byte { return appendInts(dst, vals) }

// DecodeOrdinals returns the n values of AppendOrdinals, in into where they fit.
// Whether they are within the dictionary is the caller's to check.
func DecodeOrdinals(b []byte, n int, into []uint32) ([]uint32, error) {
	return decodeInts("ordinals", b, n, into)
}

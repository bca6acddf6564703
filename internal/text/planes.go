package text

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/huff0"
)

// Numbers of which some bytes are far more frequent than others are written
// plane by plane: all their lowest bytes, then the next ones, each plane as short
// as it can be.
const (
	planePacked = iota // in as many bits as it has
	planeHuff          // length, Huffman codes as in zstd literals of four streams
	planeSame          // a byte: all are this

	planesRows = 96 // numbers that are worth a table of codes
)

// values writes the numbers less base, of width bits, to bits: packed, or in
// planes if that is clearly shorter.
func (e *Encoder) values(vals []uint64, base uint64, width int) (planes bool) {
	before := len(e.bits)
	plain := packedLen(len(vals), width)
	if len(vals) >= planesRows && width > 1 && e.planes(vals, base, width) && len(e.bits)-before+plain/32+8 < plain {
		return true
	}
	e.bits = pack(e.bits[:before], vals, base, width)
	return false
}

// planes appends the planes; false if no plane is shorter than packed.
func (e *Encoder) planes(vals []uint64, base uint64, width int) (shorter bool) {
	if e.huff == nil {
		e.huff = &huff0.Scratch{Reuse: huff0.ReusePolicyNone}
	}
	for shift := 0; shift < width; shift += 8 {
		w := min(8, width-shift)
		b := e.plane[:0]
		for _, v := range vals {
			b = append(b, byte((v-base)>>shift))
		}
		e.plane = b
		out, _, err := huff0.Compress4X(b, e.huff)
		switch {
		case err == nil && len(out)+4 < packedLen(len(vals), w):
			e.bits = append(e.bits, planeHuff)
			e.bits = appendBytes(e.bits, out)
			shorter = true
		case errors.Is(err, huff0.ErrUseRLE):
			e.bits = append(e.bits, planeSame, b[0])
			shorter = true
		default:
			e.bits = append(e.bits, planePacked)
			e.planeInts = e.planeInts[:0]
			for _, c := range b {
				e.planeInts = append(e.planeInts, uint64(c))
			}
			e.bits = pack(e.bits, e.planeInts, 0, w)
		}
	}
	return shorter
}

// huffs lends what is needed to read Huffman codes.
var huffs = sync.OnceValue(func() *sync.Pool { return &sync.Pool{New: func() any { return new(huff0.Scratch) }} })

// readValues reads len(dst) numbers that values wrote, and adds base.
func readValues(dst []uint64, src []byte, base uint64, width int, planes bool) error {
	if !planes {
		unpack(dst, src, base, width)
		return nil
	}
	r := &reader{b: src}
	buf := make([]byte, len(dst))
	clear(dst)
	for shift := 0; shift < width; shift += 8 {
		switch r.byte() {
		case planePacked:
			w := min(8, width-shift)
			b := r.take(packedLen(len(dst), w))
			if r.err != nil {
				return r.err
			}
			for i, bit := 0, 0; i < len(dst); i, bit = i+1, bit+w {
				dst[i] |= bitsAt(b, bit) & (1<<w - 1) << shift
			}
		case planeHuff:
			b := r.bytes()
			if r.err != nil {
				return r.err
			}
			var err error
			if buf, err = readHuff(buf[:0], b, len(dst)); err != nil {
				return err
			}
			for i, v := range buf {
				dst[i] |= uint64(v) << shift
			}
		case planeSame:
			v := uint64(r.byte()) << shift
			for i := range dst {
				dst[i] |= v
			}
		default:
			r.fail("kind of a plane")
		}
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("planes are shorter than they say")
	}
	if base != 0 {
		for i := range dst {
			dst[i] += base
		}
	}
	return r.err
}

func readHuff(dst, src []byte, n int) ([]byte, error) {
	s := huffs().Get().(*huff0.Scratch)
	defer huffs().Put(s)
	_, rest, err := huff0.ReadTable(src, s)
	if err == nil {
		dst, err = s.Decoder().Decompress4X(dst[:0:n], rest)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(dst) != n {
		return nil, fmt.Errorf("%w: a plane of %d bytes instead of %d", ErrCorrupt, len(dst), n)
	}
	return dst, nil
}

// appendLength notes how long what is in bits since before is, where that does
// not follow from the number of rows.
func (e *Encoder) appendLength(planes bool, before int) {
	if planes {
		e.meta = binary.AppendUvarint(e.meta, uint64(len(e.bits)-before))
	}
}

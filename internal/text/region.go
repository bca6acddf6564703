package text

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// ErrCorrupt is wrapped by every error about bytes that no Encoder wrote.
var ErrCorrupt = errors.New("corrupt text column")

const (
	regionPlainMax = 48       // shorter regions are not worth a zstd header
	regionZstdMax  = 64 << 20 // longer ones are stored plain, so that a claim is never larger
)

// zstdReader decodes for everybody: it keeps buffers and nothing else, and may
// be called concurrently.
var zstdReader = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(regionZstdMax))
	if err != nil {
		panic(err) // the options are constants
	}
	return d
})

func (e *Encoder) writer() *zstd.Encoder {
	if e.zw != nil {
		return e.zw
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // the options are constants
	}
	e.zw = w
	return w
}

// appendRegion appends a region: the length doubled, plus 1 where compressed;
// the compressed length; the bytes.
func (e *Encoder) appendRegion(dst, b []byte) []byte {
	if len(b) >= regionPlainMax && len(b) <= regionZstdMax {
		e.packed = e.writer().EncodeAll(b, e.packed[:0])
		if len(e.packed)+2 < len(b) {
			dst = binary.AppendUvarint(dst, uint64(len(b))<<1|1)
			dst = binary.AppendUvarint(dst, uint64(len(e.packed)))
			return append(dst, e.packed...)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(b))<<1)
	return append(dst, b...)
}

// region is where a region's bytes are, decompressed when first needed.
type region struct {
	length     int
	compressed bool
	stored     []byte
}

func (r *reader) region() region {
	v := r.uvarint()
	g := region{length: int(v >> 1), compressed: v&1 == 1}
	if v>>1 > 1<<40 {
		r.fail("region length")
		return region{}
	}
	if !g.compressed {
		g.stored = r.take(g.length)
		return g
	}
	if g.length > regionZstdMax {
		r.fail("region length")
		return region{}
	}
	g.stored = r.take(r.length())
	return g
}

func (g *region) open() ([]byte, error) {
	if !g.compressed {
		return g.stored, nil
	}
	var h zstd.Header
	if err := h.Decode(g.stored); err != nil || !h.HasFCS || h.FrameContentSize != uint64(g.length) {
		return nil, fmt.Errorf("%w: compressed region of another length than its own", ErrCorrupt)
	}
	b, err := zstdReader().DecodeAll(g.stored, make([]byte, 0, g.length))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(b) != g.length {
		return nil, fmt.Errorf("%w: region of %d bytes instead of %d", ErrCorrupt, len(b), g.length)
	}
	return b, nil
}

// reader takes bytes apart. After the first thing that does not fit it gives
// zeros, and err says what it was.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrCorrupt, what)
	}
	r.b = nil
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("a number is cut off")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// length is a number of things of a byte or more each that follow.
func (r *reader) length() int {
	v := r.uvarint()
	if v > uint64(len(r.b)) {
		r.fail("a length is beyond the end")
		return 0
	}
	return int(v)
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("a byte is missing")
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail("bytes are missing")
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) bytes() []byte { return r.take(r.length()) }

func (r *reader) varint() uint64 {
	v := r.uvarint()
	x := v >> 1
	if v&1 != 0 {
		x = ^x
	}
	return x
}

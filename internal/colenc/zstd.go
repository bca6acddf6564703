package colenc

import (
	"sync"

	"github.com/klauspost/compress/zstd"
)

const (
	// zstdWindow bounds what an encoder keeps of what went before.
	zstdWindow = 512 << 10
	// zstdLeast is the number of bytes from which on compression is tried.
	zstdLeast = 64
	// zstdBlock is what one block of a frame, of four bytes at least, can hold.
	zstdBlock = 128 << 10
)

// Zstd holds the compressors and decompressors that its users need at the same
// time. Those that are idle are the garbage collector's. The zero value is ready
// to use, concurrently; it must not be copied after the first use.
type Zstd struct {
	enc, dec, buf sync.Pool
}

// scratch is memory for what is between rows and bytes.
type scratch struct {
	bytes []byte
	nums  []uint32
}

func (z *Zstd) scratch() *scratch {
	if s, ok := z.buf.Get().(*scratch); ok {
		return s
	}
	return new(scratch)
}

// Append appends src, compressed, as one frame without a checksum.
func (z *Zstd) Append(dst, src []byte) []byte {
	e, ok := z.enc.Get().(*zstd.Encoder)
	if !ok {
		var err error
		e, err = zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false),
			zstd.WithLowerEncoderMem(true),
			zstd.WithWindowSize(zstdWindow))
		if err != nil {
			panic("colenc: zstd encoder: " + err.Error()) // The options are constants.
		}
	}
	dst = e.EncodeAll(src, dst)
	z.enc.Put(e)
	return dst
}

// Decode returns the size bytes that were compressed to src, in into where they
// fit. A size that src cannot have is refused before memory is taken for it.
func (z *Zstd) Decode(src []byte, size int, into []byte) ([]byte, error) {
	if size < 0 || size > MaxBytes || size > (len(src)/4+1)*zstdBlock {
		return nil, corrupt("zstd: %d bytes of %d", size, len(src))
	}
	d, ok := z.dec.Get().(*zstd.Decoder)
	if !ok {
		var err error
		d, err = zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(MaxBytes),
			zstd.WithDecodeAllCapLimit(true))
		if err != nil {
			panic("colenc: zstd decoder: " + err.Error())
		}
	}
	// The decoder is faster where it may write a few bytes beyond the end.
	const over = 16
	if cap(into) < size {
		into = make([]byte, 0, size+over)
	}
	out, err := d.DecodeAll(src, into[:0:max(size, min(cap(into), size+over))])
	z.dec.Put(d)
	if err != nil {
		return nil, corrupt("zstd: %v", err)
	}
	if len(out) != size {
		return nil, corrupt("zstd: %d bytes, want %d", len(out), size)
	}
	return out, nil
}

// How AppendBytes wrote, in its first byte.
const (
	bytesPlain = 0
	bytesZstd  = 1
)

// AppendBytes appends data, compressed where that saves a sixteenth or more.
func AppendBytes(dst, data []byte, z *Zstd) []byte {
	if len(data) >= zstdLeast {
		at := len(dst)
		dst = z.Append(append(dst, bytesZstd), data)
		if len(dst)-at-1 < len(data)-len(data)/16 {
			return dst
		}
		dst = dst[:at]
	}
	return append(append(dst, bytesPlain), data...)
}

// DecodeBytes returns the size bytes of AppendBytes, in into where they fit.
func DecodeBytes(b []byte, size int, z *Zstd, into []byte) ([]byte, error) {
	switch {
	case len(b) == 0:
		return nil, corrupt("bytes: none")
	case b[0] == bytesZstd:
		return z.Decode(b[1:], size, into)
	case b[0] != bytesPlain:
		return nil, corrupt("bytes: kind %d", b[0])
	case len(b)-1 != size:
		return nil, corrupt("bytes: %d, want %d", len(b)-1, size)
	}
	return append(into[:0], b[1:]...), nil
}

package segment_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging/segment"
)

// memFile is a file of bytes, cheap to make.
type memFile struct {
	vfs.File
	b []byte
}

func (f memFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(f.b)) {
		return 0, errRange
	}
	n := copy(p, f.b[off:])
	if n < len(p) {
		return n, errRange
	}
	return n, nil
}

func (f memFile) Size() (int64, error) { return int64(len(f.b)), nil }

type rangeError struct{}

func (rangeError) Error() string { return "out of the file" }

var errRange = rangeError{}

// FuzzOpen changes a file and mends the checksums of its trailer and directory,
// so that what is behind them is read: nothing may panic.
func FuzzOpen(f *testing.F) {
	m := newMaker(5)
	out := memSink{}
	if _, err := segment.Write(&out, parts(table(m.records(200)).Blocks()), segment.WriteOptions{}); err != nil {
		f.Fatal(err)
	}
	f.Add(out.b, uint32(100), uint8(1))
	f.Add(out.b, uint32(len(out.b)-200), uint8(255))
	f.Add(out.b[:len(out.b)-1], uint32(1), uint8(0))
	f.Add([]byte{}, uint32(0), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, at uint32, x uint8) {
		b = append([]byte(nil), b...)
		if len(b) > 0 {
			b[int(at)%len(b)] ^= x
		}
		mend(b)
		s, err := segment.Open(memFile{b: b})
		if err != nil {
			return
		}
		readAll(s)
		_ = s.Verify(t.Context(), func(segment.Damage) {})
		_ = segment.Dump(discard{}, s, segment.DumpOptions{Columns: true, Records: true})
		for i := range s.Parts() {
			if p, err := s.Part(i); err == nil {
				_, _, _, _ = p.FindGiven("logs-a", "given-1")
				_, _, _ = p.FindID("00112233445566778899aabbccddeeff")
			}
		}
	})
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// mend makes the checksums of header, directory and trailer right.
func mend(b []byte) {
	if len(b) < 80 {
		return
	}
	sum := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	le := binary.LittleEndian
	le.PutUint32(b[28:], sum(b[:28]))
	tail := b[len(b)-48:]
	at, n := le.Uint64(tail), le.Uint64(tail[8:])
	if at < uint64(len(b)) && n <= uint64(len(b))-at {
		le.PutUint32(tail[16:], sum(b[at:at+n]))
	}
	le.PutUint32(tail[36:], sum(tail[:36]))
}

// memSink is a file that is written from front to back.
type memSink struct {
	vfs.File
	b []byte
}

func (s *memSink) WriteAt(p []byte, off int64) (int, error) {
	s.b = append(s.b[:off], p...)
	return len(p), nil
}

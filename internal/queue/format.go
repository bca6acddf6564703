package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// The format is described in docs/format/queue.md; change both together.
const (
	segmentMagic       = "ORLQ"
	segmentVersion     = 1
	segmentHeaderBytes = 20 // magic, version u32, first position u64, CRC u32
	frameHeaderBytes   = 28 // length u32, position u64, time i64, payload CRC u32, header CRC u32
	cursorBytes        = 20 // magic, version u32, position u64, CRC u32
	cursorMagic        = "ORLC"

	itemBytesMax      = 256 << 20
	segmentBytesFloor = 64 << 10
	segmentBytesCeil  = 64 << 20

	segmentSuffix = ".seg"
	cursorFile    = "cursor"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errBad = errors.New("checksum does not match")

func segmentName(first uint64) string { return fmt.Sprintf("%020d%s", first, segmentSuffix) }

func parseSegmentName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 10, 64)
	return first, err == nil && first > 0
}

// appendMark writes the 20 bytes that begin a segment or are a cursor.
func appendMark(dst []byte, magic string, pos uint64) []byte {
	at := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, segmentVersion)
	dst = binary.LittleEndian.AppendUint64(dst, pos)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

func parseMark(b []byte, magic string) (pos uint64, err error) {
	if len(b) < segmentHeaderBytes || string(b[:4]) != magic {
		return 0, errBad
	}
	if crc32.Checksum(b[:16], castagnoli) != binary.LittleEndian.Uint32(b[16:]) {
		return 0, errBad
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != segmentVersion {
		return 0, fmt.Errorf("format version %d is not known to this Oriel, which knows version %d: use the version that wrote it", v, segmentVersion)
	}
	return binary.LittleEndian.Uint64(b[8:]), nil
}

type frameHeader struct {
	length int
	pos    uint64
	nanos  int64
	crc    uint32 // of the payload
}

// appendFrame writes a frame without its position; see setPosition.
func appendFrame(dst []byte, t time.Time, item []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, frameHeaderBytes)...)
	h := dst[at:]
	binary.LittleEndian.PutUint32(h, uint32(len(item)))
	binary.LittleEndian.PutUint64(h[12:], uint64(t.UnixNano()))
	binary.LittleEndian.PutUint32(h[20:], crc32.Checksum(item, castagnoli))
	return append(dst, item...)
}

// setPosition completes the header at the beginning of frame.
func setPosition(frame []byte, pos uint64) {
	binary.LittleEndian.PutUint64(frame[4:], pos)
	binary.LittleEndian.PutUint32(frame[24:], crc32.Checksum(frame[:24], castagnoli))
}

// parseFrameHeader reads the header at the beginning of b, which must be that
// of the item at pos.
func parseFrameHeader(b []byte, pos uint64) (h frameHeader, ok bool) {
	if len(b) < frameHeaderBytes || crc32.Checksum(b[:24], castagnoli) != binary.LittleEndian.Uint32(b[24:]) {
		return frameHeader{}, false
	}
	h = frameHeader{
		length: int(binary.LittleEndian.Uint32(b)),
		pos:    binary.LittleEndian.Uint64(b[4:]),
		nanos:  int64(binary.LittleEndian.Uint64(b[12:])),
		crc:    binary.LittleEndian.Uint32(b[20:]),
	}
	return h, h.pos == pos && h.length <= itemBytesMax
}

package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Version is the version of the file format that is written, and the newest
// that is read. docs/format/segment.md describes it.
const Version = 1

// The fixed pieces of a file.
const (
	headMagic = "ORIELSEG"
	tailMagic = "ORIELEND"
	headBytes = 32
	tailBytes = 48
)

// The limits of what is read: nothing is allocated from a length beyond them.
const (
	directoryMax = 256 << 20 // of the list of parts
	indexMax     = 256 << 20 // of a part's index, unpacked
)

// The columns of a block by number: first three, then the own ones, then those
// that are stamped.
const (
	colTime = iota
	colSeq
	colReceived
	colOwn
)

// encoding says how a column is stored.
type encoding uint8

const (
	encConst   encoding = iota + 1 // strings: one, in the index
	encAlias                       // as another column
	encDict                        // strings: a list and codes
	encMapped                      // strings: a list, and the code of each code of another column
	encPlain                       // strings
	encText                        // strings: templates and variables
	encIDs                         // strings: ordinals of the part's dictionary
	encRowTime                     // strings: the record's time in a layout
	encTimes                       // strings: times in a layout
	encInts                        // numbers
	encDecimal                     // numbers
	encBool                        // truth values
	encFew                         // numbers: integers of which few are different

	encSpelled encoding = 0x80 // with encConst, encDict, encMapped or encPlain: the strings are numbers
)

var encodingNames = [...]string{"none", "const", "alias", "dict", "mapped", "plain", "text", "ids", "rowtime", "times", "ints", "decimal", "bool", "few"}

// String names the encoding.
func (e encoding) String() string {
	name := "unknown"
	if kind := e &^ encSpelled; int(kind) < len(encodingNames) {
		name = encodingNames[kind]
	}
	if e&encSpelled != 0 {
		return "spelled " + name
	}
	return name
}

// inIndex reports whether nothing of the column stands outside the index.
func (e encoding) inIndex() bool {
	switch e &^ encSpelled {
	case encConst, encAlias, encRowTime:
		return true
	}
	return false
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

// ErrCorrupt is wrapped by what reading a file gives when its bytes are not what
// was written.
var ErrCorrupt = errors.New("corrupt segment")

// ErrVersion is wrapped by what opening a file of a newer version gives.
var ErrVersion = errors.New("written by a newer version")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// reader reads from the front of b. After a failed read bad is set, b is empty
// and reads give zeros, so that several need one check.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() { r.b, r.bad = nil, true }

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uint32() uint32 {
	if len(r.b) < 4 {
		r.fail()
		return 0
	}
	v := binary.LittleEndian.Uint32(r.b)
	r.b = r.b[4:]
	return v
}

func (r *reader) uint64() uint64 {
	if len(r.b) < 8 {
		r.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// bytes gives the next n bytes; they share memory with b.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// string reads a length and as many bytes.
func (r *reader) string() string { return string(r.bytes(r.uvarint())) }

// count reads a number of things of which each takes a byte at least.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail()
		return 0
	}
	return int(n)
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

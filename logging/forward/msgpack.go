package forward

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

// Errors of the wire. Each one ends the connection and is counted under its reason.
var (
	errInvalid = wireError{"invalid", "the bytes are not MessagePack"}
	errTooBig  = wireError{"too_big", "the frame is larger than the server takes"}
	errTooDeep = wireError{"too_deep", "values are nested too deeply"}
	errTorn    = wireError{"torn", "the bytes end in the middle of a value"}
)

// wireError is a fault of the sender that cannot be answered in the protocol.
type wireError struct{ reason, text string }

func (e wireError) Error() string { return e.text }

const depthMax = 64

// token reads the head of one value: its length, how many values and how many
// bytes follow that belong to it. ok is false where b is too short to tell.
func token(b []byte) (head int, kids, payload uint64, ok bool, err error) {
	if len(b) == 0 {
		return 0, 0, 0, false, nil
	}
	c := b[0]
	size := func(n int) (uint64, bool) {
		if len(b) < 1+n {
			return 0, false
		}
		switch n {
		case 1:
			return uint64(b[1]), true
		case 2:
			return uint64(binary.BigEndian.Uint16(b[1:])), true
		}
		return uint64(binary.BigEndian.Uint32(b[1:])), true
	}
	switch {
	case c <= 0x7f || c >= 0xe0: // small integers
		return 1, 0, 0, true, nil
	case c <= 0x8f: // map
		return 1, 2 * uint64(c&0x0f), 0, true, nil
	case c <= 0x9f: // array
		return 1, uint64(c & 0x0f), 0, true, nil
	case c <= 0xbf: // str
		return 1, 0, uint64(c & 0x1f), true, nil
	}
	switch c {
	case 0xc0, 0xc2, 0xc3: // nil, false, true
		return 1, 0, 0, true, nil
	case 0xc4, 0xc5, 0xc6: // bin
		n := 1 << (c - 0xc4)
		v, ok := size(n)
		return 1 + n, 0, v, ok, nil
	case 0xc7, 0xc8, 0xc9: // ext
		n := 1 << (c - 0xc7)
		v, ok := size(n)
		return 1 + n, 0, v + 1, ok, nil
	case 0xca, 0xcb: // float32, float64
		return 1, 0, 4 << (c - 0xca), true, nil
	case 0xcc, 0xcd, 0xce, 0xcf: // uint
		return 1, 0, 1 << (c - 0xcc), true, nil
	case 0xd0, 0xd1, 0xd2, 0xd3: // int
		return 1, 0, 1 << (c - 0xd0), true, nil
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8: // fixext
		return 1, 0, 1<<(c-0xd4) + 1, true, nil
	case 0xd9, 0xda, 0xdb: // str
		n := 1 << (c - 0xd9)
		v, ok := size(n)
		return 1 + n, 0, v, ok, nil
	case 0xdc, 0xdd: // array
		n := 2 << (c - 0xdc)
		v, ok := size(n)
		return 1 + n, v, 0, ok, nil
	case 0xde, 0xdf: // map
		n := 2 << (c - 0xde)
		v, ok := size(n)
		return 1 + n, 2 * v, 0, ok, nil
	}
	return 0, 0, 0, false, errInvalid // 0xc1
}

// walk goes over one value as its bytes arrive, keeping only a stack.
type walk struct {
	left  [depthMax + 1]uint64 // values still to come, by depth
	depth int
	skip  uint64 // payload bytes still to come
	used  uint64
	max   uint64 // bytes the value may have
	begun bool
}

// feed goes over b. n bytes were used; with done the value ended there, else
// more is wanted, and what was not used must be handed in again with it. A claim
// that cannot fit under max is an error at once: nobody waits for it.
func (w *walk) feed(b []byte) (n int, done bool, err error) {
	if !w.begun {
		w.begun = true
		w.left[0] = 1
	}
	for {
		if w.skip > 0 {
			k := min(w.skip, uint64(len(b)-n))
			w.skip -= k
			w.used += k
			n += int(k)
			if w.skip > 0 {
				return n, false, nil
			}
		}
		for w.left[w.depth] == 0 {
			if w.depth == 0 {
				return n, true, nil
			}
			w.depth--
		}
		head, kids, payload, ok, err := token(b[n:])
		if err != nil {
			return n, false, err
		}
		if !ok {
			return n, false, nil
		}
		n += head
		w.used += uint64(head)
		if w.used > w.max || payload > w.max-w.used || kids > w.max-w.used {
			return n, false, errTooBig
		}
		w.left[w.depth]--
		if kids > 0 {
			if w.depth == depthMax {
				return n, false, errTooDeep
			}
			w.depth++
			w.left[w.depth] = kids
		}
		w.skip = payload
	}
}

// scanner cuts a stream into values. Its buffer grows with what arrived, never
// with what was claimed.
type scanner struct {
	r          io.Reader // nil: what is in buf is all
	buf        []byte
	start, end int
	bytesMax   uint64 // of one value
	// bytesKept bounds what is kept of one value: a longer one, up to bytesMax,
	// is gone over and errOversize returned for it.
	bytesKept int
	// grow, where set, is asked before the buffer grows to n bytes.
	grow func(n int) error
	// spare, where set, keeps buffers for whoever needs one next.
	spare *sync.Pool
}

// spareBytes is the size of a spare buffer: what most chunks fit in.
const spareBytes = 512 << 10

// errOversize tells that a whole value was passed over because of its length.
var errOversize = errors.New("value passed over")

const bufferBytesMin = 4 << 10

// scanBytes makes a scanner over b, without copying it.
func scanBytes(b []byte) *scanner {
	return &scanner{buf: b, end: len(b), bytesMax: uint64(len(b)), bytesKept: len(b)}
}

// next gives the next value, valid until the following call. io.EOF means that
// the stream ended between two values, errTorn within one.
func (s *scanner) next() ([]byte, error) {
	w := walk{max: s.bytesMax}
	at := s.start
	dropped := false
	for {
		n, done, err := w.feed(s.buf[at:s.end])
		at += n
		if err != nil {
			return nil, err
		}
		if dropped || at-s.start > s.bytesKept {
			dropped = true
			s.start = at
		}
		if done {
			v := s.buf[s.start:at]
			s.start = at
			if dropped {
				return nil, errOversize
			}
			return v, nil
		}
		at -= s.start
		if err := s.fill(); err != nil {
			if errors.Is(err, io.EOF) && (w.used > 0 || s.end > s.start) {
				err = errTorn
			}
			return nil, err
		}
		at += s.start
	}
}

// whole reports whether the next value is in the buffer as a whole, or is known
// to be bad: next will not block.
func (s *scanner) whole() bool {
	if s.start == s.end {
		return false
	}
	w := walk{max: s.bytesMax}
	_, done, err := w.feed(s.buf[s.start:s.end])
	return done || err != nil
}

// fill reads more behind what is there, making room as needed.
func (s *scanner) fill() error {
	if s.r == nil {
		return io.EOF
	}
	if s.start == s.end {
		s.start, s.end = 0, 0
	}
	if s.end == len(s.buf) {
		switch {
		case s.start > len(s.buf)/2:
			s.end = copy(s.buf, s.buf[s.start:s.end])
			s.start = 0
		default:
			n := max(2*len(s.buf), bufferBytesMin)
			if s.grow != nil {
				if err := s.grow(n); err != nil {
					return err
				}
			}
			var b []byte
			if s.spare != nil && n > bufferBytesMin && n <= spareBytes {
				// A chunk is coming: its buffer need not grow step by step.
				if p, _ := s.spare.Get().(*[]byte); p != nil {
					b = *p
				} else {
					b = make([]byte, spareBytes)
				}
			} else {
				b = make([]byte, n)
			}
			s.end = copy(b, s.buf[s.start:s.end])
			s.start = 0
			s.giveBack()
			s.buf = b
		}
	}
	for range 100 {
		n, err := s.r.Read(s.buf[s.end:])
		s.end += n
		if n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// shrink lets a large buffer go when nothing is in it.
func (s *scanner) shrink(keep int) bool {
	if s.start != s.end || len(s.buf) <= keep {
		return false
	}
	s.giveBack()
	s.buf, s.start, s.end = nil, 0, 0
	return true
}

func (s *scanner) giveBack() {
	if b := s.buf; s.spare != nil && len(b) == spareBytes {
		s.spare.Put(&b)
	}
}

// What follows reads values that a walk went over already: they are whole.

// cut splits b behind its first value.
func cut(b []byte) (value, rest []byte, err error) {
	w := walk{max: uint64(len(b))}
	n, done, err := w.feed(b)
	if err != nil {
		return nil, nil, err
	}
	if !done {
		return nil, nil, errTorn
	}
	return b[:n], b[n:], nil
}

func isArray(c byte) bool { return c&0xf0 == 0x90 || c == 0xdc || c == 0xdd }
func isMap(c byte) bool   { return c&0xf0 == 0x80 || c == 0xde || c == 0xdf }
func isStr(c byte) bool   { return c&0xe0 == 0xa0 || c >= 0xd9 && c <= 0xdb }
func isBin(c byte) bool   { return c >= 0xc4 && c <= 0xc6 }
func isExt(c byte) bool   { return c >= 0xc7 && c <= 0xc9 || c >= 0xd4 && c <= 0xd8 }

// items reads the head of an array or map; n counts the pairs of a map.
func items(b []byte) (n int, rest []byte, err error) {
	head, kids, _, ok, err := token(b)
	if err != nil || !ok {
		return 0, nil, errInvalid
	}
	if isMap(b[0]) {
		kids /= 2
	}
	return int(kids), b[head:], nil
}

// text gives the bytes of a str or bin, without copying.
func text(value []byte) ([]byte, bool) {
	if len(value) == 0 || !isStr(value[0]) && !isBin(value[0]) {
		return nil, false
	}
	head, _, payload, ok, err := token(value)
	if err != nil || !ok || uint64(len(value)-head) < payload {
		return nil, false
	}
	return value[head : head+int(payload)], true
}

// integer gives an integer; neg tells that v is to be read as int64.
func integer(value []byte) (v uint64, neg, ok bool) {
	if len(value) == 0 {
		return 0, false, false
	}
	c, p := value[0], value[1:]
	var s int64
	switch {
	case c <= 0x7f:
		return uint64(c), false, true
	case c >= 0xe0:
		s = int64(int8(c))
	case c == 0xcc && len(p) >= 1:
		return uint64(p[0]), false, true
	case c == 0xcd && len(p) >= 2:
		return uint64(binary.BigEndian.Uint16(p)), false, true
	case c == 0xce && len(p) >= 4:
		return uint64(binary.BigEndian.Uint32(p)), false, true
	case c == 0xcf && len(p) >= 8:
		return binary.BigEndian.Uint64(p), false, true
	case c == 0xd0 && len(p) >= 1:
		s = int64(int8(p[0]))
	case c == 0xd1 && len(p) >= 2:
		s = int64(int16(binary.BigEndian.Uint16(p)))
	case c == 0xd2 && len(p) >= 4:
		s = int64(int32(binary.BigEndian.Uint32(p)))
	case c == 0xd3 && len(p) >= 8:
		s = int64(binary.BigEndian.Uint64(p))
	default:
		return 0, false, false
	}
	return uint64(s), s < 0, true
}

// float gives a floating point number.
func float(value []byte) (float64, bool) {
	switch {
	case len(value) == 5 && value[0] == 0xca:
		return float64(math.Float32frombits(binary.BigEndian.Uint32(value[1:]))), true
	case len(value) == 9 && value[0] == 0xcb:
		return math.Float64frombits(binary.BigEndian.Uint64(value[1:])), true
	}
	return 0, false
}

// extension gives the type and the bytes of an ext.
func extension(value []byte) (kind int8, data []byte, ok bool) {
	if len(value) == 0 || !isExt(value[0]) {
		return 0, nil, false
	}
	head, _, payload, ok, err := token(value)
	if err != nil || !ok || payload == 0 || uint64(len(value)-head) < payload {
		return 0, nil, false
	}
	return int8(value[head]), value[head+1 : head+int(payload)], true
}

// Writing, for the few things the server says.

func appendStr(dst []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n < 256:
		dst = append(dst, 0xd9, byte(n))
	case n < 1<<16:
		dst = append(dst, 0xda, byte(n>>8), byte(n))
	default:
		panic(fmt.Sprintf("forward: the server says a string of %d bytes", n))
	}
	return append(dst, s...)
}

func appendBin(dst, b []byte) []byte {
	if len(b) > 255 {
		panic(fmt.Sprintf("forward: the server says %d bytes", len(b)))
	}
	return append(append(dst, 0xc4, byte(len(b))), b...)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

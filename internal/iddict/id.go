package iddict

import (
	"encoding/binary"
	"encoding/hex"
)

// ID is an id of 8 or 16 bytes; of 8, those that follow are zero.
type ID [16]byte

// key is an ID in the order of its bytes.
type key struct{ hi, lo uint64 }

func (id ID) key() key {
	return key{binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])}
}

func (k key) id() (id ID) {
	binary.BigEndian.PutUint64(id[:8], k.hi)
	binary.BigEndian.PutUint64(id[8:], k.lo)
	return id
}

func (k key) less(o key) bool { return k.hi < o.hi || k.hi == o.hi && k.lo < o.lo }

// Format is how an id was written. The values are those on disk.
type Format uint8

// The formats: lower-case hexadecimal digits, with dashes where it is a UUID.
const (
	Hex16 Format = 1 + iota // 8 bytes
	Hex32                   // 16 bytes
	UUID                    // 16 bytes: 8-4-4-4-12 digits
)

// Width returns how many bytes the ids of the format have, 0 of an unknown one.
func (f Format) Width() int {
	switch f {
	case Hex16:
		return 8
	case Hex32, UUID:
		return 16
	}
	return 0
}

// TextLen returns how long the text of the format is, 0 of an unknown one.
func (f Format) TextLen() int {
	switch f {
	case Hex16:
		return 16
	case Hex32:
		return 32
	case UUID:
		return 36
	}
	return 0
}

// dashes are where a UUID has them.
var dashes = [4]int{8, 13, 18, 23}

// Parse reads an id. ok is false of every text that AppendText would not write:
// other lengths, capital letters, dashes elsewhere.
func Parse[T ~string | ~[]byte](s T) (id ID, f Format, ok bool) {
	switch len(s) {
	case 16:
		return id, Hex16, parseHex(id[:8], s)
	case 32:
		return id, Hex32, parseHex(id[:], s)
	case 36:
		for _, at := range dashes {
			if s[at] != '-' {
				return id, UUID, false
			}
		}
		ok = parseHex(id[0:4], s[0:8]) && parseHex(id[4:6], s[9:13]) && parseHex(id[6:8], s[14:18]) &&
			parseHex(id[8:10], s[19:23]) && parseHex(id[10:16], s[24:36])
		return id, UUID, ok
	}
	return id, 0, false
}

// parseHex sets dst from twice as many digits.
func parseHex[T ~string | ~[]byte](dst []byte, s T) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	bad := byte(0)
	for i := range dst {
		a, b := digits[s[2*i]], digits[s[2*i+1]]
		bad |= a | b
		dst[i] = a<<4 | b&15
	}
	return bad < 16
}

// digits are the values of hexadecimal digits, and 16 of everything else.
var digits = func() (t [256]byte) {
	for i := range t {
		switch {
		case '0' <= i && i <= '9':
			t[i] = byte(i - '0')
		case 'a' <= i && i <= 'f':
			t[i] = byte(i - 'a' + 10)
		default:
			t[i] = 16
		}
	}
	return t
}()

// AppendText appends the text of id. An unknown format has none.
func AppendText(dst []byte, id ID, f Format) []byte {
	switch f {
	case Hex16:
		return hex.AppendEncode(dst, id[:8])
	case Hex32:
		return hex.AppendEncode(dst, id[:])
	case UUID:
		dst = append(hex.AppendEncode(dst, id[0:4]), '-')
		dst = append(hex.AppendEncode(dst, id[4:6]), '-')
		dst = append(hex.AppendEncode(dst, id[6:8]), '-')
		dst = append(hex.AppendEncode(dst, id[8:10]), '-')
		return hex.AppendEncode(dst, id[10:16])
	}
	return dst
}

package logging

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// VeilKeyBytes is the length of the key of a Veil.
const VeilKeyBytes = 16

// Veil gives the durable positions of records other numbers, which is what
// everybody outside sees of them. All tenants share one sequence of positions: who
// saw two of its own would know how much all others wrote in between. The numbers
// are a keyed permutation: without the key they tell nothing but which record is
// meant. A nil *Veil leaves everything as it is. Safe for concurrent use.
//
// Positions below the first one, which somebody saw before there was a key, keep
// their number. All other numbers are in [first, 2^53) as positions are, and the
// ids that are derived from them (DerivedID) have the form of those derived from
// positions.
type Veil struct {
	first uint64
	block cipher.Block
}

const (
	numberBits  = 53
	lowBits     = 27
	lowMask     = 1<<lowBits - 1
	highMask    = 1<<(numberBits-lowBits) - 1
	cipherSteps = 6
)

// NewVeil makes the veil of a key, for positions from first on.
func NewVeil(key [VeilKeyBytes]byte, first uint64) *Veil {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // a key of 16 bytes is one
	}
	return &Veil{first: max(first, 1), block: block}
}

// Shown gives the number of a position; what is no position stays.
func (v *Veil) Shown(seq uint64) uint64 { return v.walk(seq, true) }

// Seq gives the position of a number: the inverse of Shown.
func (v *Veil) Seq(shown uint64) uint64 { return v.walk(shown, false) }

// walk permutes until it comes back to where positions from first on are; there
// are hardly any others.
func (v *Veil) walk(x uint64, forth bool) uint64 {
	if v == nil || x < v.first || x >= 1<<numberBits {
		return x
	}
	buf := new([aes.BlockSize]byte)
	for {
		if x = v.permute(x, forth, buf); x >= v.first {
			return x
		}
	}
}

// permute is a Feistel network of two halves, of 26 and 27 bits, with AES as its
// function.
func (v *Veil) permute(x uint64, forth bool, buf *[aes.BlockSize]byte) uint64 {
	high, low := x>>lowBits, x&lowMask
	for i := range cipherSteps {
		step := i
		if !forth {
			step = cipherSteps - 1 - i
		}
		if step%2 == 0 {
			high ^= v.function(step, low, buf) & highMask
		} else {
			low ^= v.function(step, high, buf) & lowMask
		}
	}
	return high<<lowBits | low
}

func (v *Veil) function(step int, half uint64, buf *[aes.BlockSize]byte) uint64 {
	binary.LittleEndian.PutUint64(buf[:], uint64(step))
	binary.LittleEndian.PutUint64(buf[8:], half)
	v.block.Encrypt(buf[:], buf[:])
	return binary.LittleEndian.Uint64(buf[:])
}

// ShownID gives the id under which a record is shown: of an id that is derived
// from a position that of its number. Other ids stay.
func (v *Veil) ShownID(id string) string { return v.mapID(id, v.Shown) }

// StoredID is the inverse of ShownID. A sender may give any id: those of the form
// of derived ones are stored as what they stand for, so that two ids are shown
// alike only if they are.
func (v *Veil) StoredID(id string) string { return v.mapID(id, v.Seq) }

func (v *Veil) mapID(id string, to func(uint64) uint64) string {
	if v == nil {
		return id
	}
	seq, ok := ParseDerivedID(id)
	if !ok {
		return id
	}
	if x := to(seq); x != seq {
		return DerivedID(x)
	}
	return id
}

// Show makes a record of the store one that may be shown.
func (v *Veil) Show(r *Record) {
	if v == nil {
		return
	}
	seq := r.Seq
	r.Seq = v.Shown(seq)
	of, derived := ParseDerivedID(r.ID)
	if !derived {
		return
	}
	x := r.Seq // an id is mostly that of the record's own position
	if of != seq {
		x = v.Shown(of)
	}
	if x != of {
		r.ID = DerivedID(x)
	}
}

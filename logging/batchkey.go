package logging

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// BatchKey makes the key of a batch from who sent it, the protocol's tag and
// chunk id, and the bytes that were sent: two batches have one key only if all
// four are equal. Senders who repeat a batch after a lost answer are recognised by it.
func BatchKey(identity, tag, chunk string, payload []byte) string {
	h := sha256.New()
	var n [8]byte
	for _, part := range [...]string{identity, tag, chunk} {
		binary.LittleEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	h.Write(payload)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// derivedIDLen is enough for 2^53 in base 36.
const derivedIDLen = 11

// DerivedID is the id of a record to which its sender gave none: its durable
// position in base 36, in a fixed width, so that ids order as positions do.
func DerivedID(seq uint64) string {
	var b [derivedIDLen + 2]byte
	return string(appendDerivedID(b[:0], seq))
}

func appendDerivedID(dst []byte, seq uint64) []byte {
	var b [derivedIDLen + 2]byte // of 2^64
	s := strconv.AppendUint(b[:0], seq, 36)
	for n := len(s); n < derivedIDLen; n++ {
		dst = append(dst, '0')
	}
	return append(dst, s...)
}

// ParseDerivedID gives the position that an id is derived from; ok is false for
// ids that are not of that form. A sender may have given such an id too.
func ParseDerivedID(id string) (seq uint64, ok bool) {
	if len(id) != derivedIDLen {
		return 0, false
	}
	seq, err := strconv.ParseUint(id, 36, 53)
	if err != nil {
		return seq, false
	}
	var b [derivedIDLen + 2]byte
	return seq, string(appendDerivedID(b[:0], seq)) == id
}

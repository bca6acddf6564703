// Package colenc encodes the columns of a block: up to MaxRows values of one
// type as few bytes, and back into typed slices.
//
// It knows nothing of logs, files or blocks. The number of rows is known to
// both sides and not stored; neither is a checksum, which belongs to what
// contains the column. Every Append function appends to dst and returns it;
// every Decode function takes exactly the bytes that one Append wrote, fills
// into (grown where its capacity is short, reused where it is not) and shares
// no memory with b. Decoders read what a disk may have changed: they return an
// error that is ErrCorrupt, never panic, and allocate no more than the rows and
// MaxBytes allow.
//
//	b := colenc.AppendInts(nil, times)
//	times, err := colenc.DecodeInts(b, len(times), nil)
//
// docs/format/columns.md describes the bytes.
package colenc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	// MaxRows is the greatest number of rows of a column.
	MaxRows = 65536
	// MaxBytes is the greatest number of bytes that all strings of a column,
	// or of a list, have together. Who encodes must keep to it.
	MaxBytes = 256 << 20
)

// group is how many values share a base and a width.
const group = 128

// ErrCorrupt is what every error of a decoder is.
var ErrCorrupt = errors.New("corrupt column")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), ErrCorrupt)
}

// resize returns s with length n; what it holds is undefined.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func checkRows(what string, n int) error {
	if n < 0 || n > MaxRows {
		return corrupt("%s: %d rows", what, n)
	}
	return nil
}

// cursor reads from the front of b. After a failed read bad is set, b is empty
// and reads return zeros, so that a run of reads needs one check.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) fail() {
	c.b, c.bad = nil, true
}

func (c *cursor) byte() byte {
	if len(c.b) == 0 {
		c.fail()
		return 0
	}
	v := c.b[0]
	c.b = c.b[1:]
	return v
}

func (c *cursor) uvarint() uint64 {
	if len(c.b) > 0 && c.b[0] < 0x80 {
		v := c.b[0]
		c.b = c.b[1:]
		return uint64(v)
	}
	v, k := binary.Uvarint(c.b)
	if k <= 0 {
		c.fail()
		return 0
	}
	c.b = c.b[k:]
	return v
}

func (c *cursor) varint() int64 {
	u := c.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// bytes returns the next n bytes, shared with b.
func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.fail()
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

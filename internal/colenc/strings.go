package colenc

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// AppendStrings appends len(off)-1 strings: string i is data[off[i]:off[i+1]].
// Their lengths stand before their bytes. off has one entry at least.
func AppendStrings(dst []byte, off []uint32, data []byte, z *Zstd) []byte {
	n := len(off) - 1
	if n == 0 {
		return dst
	}
	s := z.scratch()
	s.nums = resize(s.nums, n)
	for i := range s.nums {
		s.nums[i] = off[i+1] - off[i]
	}
	dst = appendInts(dst, s.nums)
	z.buf.Put(s)
	return AppendBytes(dst, data[off[0]:off[n]], z)
}

// DecodeStrings returns the n strings of AppendStrings: their n+1 offsets and
// their bytes, in off and data where they fit.
func DecodeStrings(b []byte, n int, z *Zstd, off []uint32, data []byte) ([]uint32, []byte, error) {
	if err := checkRows("strings", n); err != nil {
		return nil, nil, err
	}
	off = resize(off, n+1)
	off[0] = 0
	if n == 0 {
		if len(b) > 0 {
			return nil, nil, corrupt("strings: bytes of no rows")
		}
		return off, data[:0], nil
	}
	c := cursor{b: b}
	if _, err := readInts("string lengths", &c, n, off[1:]); err != nil {
		return nil, nil, err
	}
	total, ok := addUp(off[1:])
	if !ok {
		return nil, nil, corrupt("strings: longer than %d bytes", MaxBytes)
	}
	data, err := DecodeBytes(c.b, total, z, data)
	if err != nil {
		return nil, nil, err
	}
	return off, data, nil
}

// addUp makes lengths into ends, which are at most MaxBytes.
func addUp(lengths []uint32) (total int, ok bool) {
	var sum uint64
	for i, l := range lengths {
		sum += uint64(l)
		lengths[i] = uint32(sum)
	}
	// 65,536 lengths of 32 bits do not overflow.
	return int(sum), sum <= MaxBytes
}

// The kinds of a list of strings, in its first byte.
const (
	listPlain = 0
	listFront = 1 // ascending; every string without what it shares with the one before
)

// AppendStringList appends vals, at most MaxRows, with their number.
func AppendStringList(dst []byte, vals []string, z *Zstd) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(vals)))
	if len(vals) == 0 {
		return dst
	}
	total, shared := 0, 0
	for i, v := range vals {
		total += len(v)
		if i > 0 {
			shared += sharedLen(vals[i-1], v)
		}
	}
	kind := byte(listPlain)
	// zstd finds what is shared, too, but pays a few bytes each time.
	if shared > total/8+len(vals) && slices.IsSorted(vals) {
		kind = listFront
	}
	dst = append(dst, kind)
	s := z.scratch()
	defer z.buf.Put(s)
	s.nums, s.bytes = resize(s.nums, len(vals)), s.bytes[:0]
	if kind == listFront {
		for i := range vals {
			s.nums[i] = 0
			if i > 0 {
				s.nums[i] = uint32(sharedLen(vals[i-1], vals[i]))
			}
		}
		dst = appendInts(dst, s.nums)
		for i, v := range vals {
			s.bytes = append(s.bytes, v[s.nums[i]:]...)
			s.nums[i] = uint32(len(v)) - s.nums[i]
		}
	} else {
		for i, v := range vals {
			s.bytes = append(s.bytes, v...)
			s.nums[i] = uint32(len(v))
		}
	}
	dst = appendInts(dst, s.nums)
	return AppendBytes(dst, s.bytes, z)
}

func sharedLen(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// DecodeStringList returns the strings of AppendStringList, of which there must
// be at most most. They share one piece of memory, of MaxBytes at most.
func DecodeStringList(b []byte, most int, z *Zstd) ([]string, error) {
	c := cursor{b: b}
	count := c.uvarint()
	if c.bad || count > uint64(min(most, MaxRows)) {
		return nil, corrupt("list: %d strings, want at most %d", count, most)
	}
	if count == 0 {
		if len(c.b) > 0 {
			return nil, corrupt("list: bytes of no strings")
		}
		return nil, nil
	}
	n := int(count)
	kind := c.byte()
	if c.bad || kind > listFront {
		return nil, corrupt("list: kind %d", kind)
	}
	var shared []uint32
	if kind == listFront {
		var err error
		if shared, err = readInts[uint32]("shared lengths", &c, n, nil); err != nil {
			return nil, err
		}
	}
	ends, err := readInts[uint32]("list lengths", &c, n, nil)
	if err != nil {
		return nil, err
	}
	total, ok := addUp(ends)
	if !ok {
		return nil, corrupt("list: longer than %d bytes", MaxBytes)
	}
	data, err := DecodeBytes(c.b, total, z, nil)
	if err != nil {
		return nil, err
	}
	if kind == listFront {
		if data, err = unshare(shared, ends, data); err != nil {
			return nil, err
		}
	}
	vals := make([]string, n)
	all := unsafe.String(unsafe.SliceData(data), len(data)) // data is nobody else's.
	from := uint32(0)
	for i, end := range ends {
		vals[i] = all[from:end]
		from = end
	}
	return vals, nil
}

// unshare returns the whole strings and makes ends theirs.
func unshare(shared, ends []uint32, rest []byte) ([]byte, error) {
	// The lengths first: they say how much memory there is to be.
	sum, length, from := uint64(0), uint64(0), uint32(0)
	for i, end := range ends {
		if uint64(shared[i]) > length {
			return nil, corrupt("list: string %d shares %d of %d bytes", i, shared[i], length)
		}
		length = uint64(shared[i]) + uint64(end-from)
		sum += length
		from = end
	}
	if sum > MaxBytes {
		return nil, corrupt("list: longer than %d bytes", MaxBytes)
	}
	data := make([]byte, 0, sum)
	from = 0
	before := 0 // where the string before begins
	for i, end := range ends {
		at := len(data)
		data = append(data, data[before:before+int(shared[i])]...)
		data = append(data, rest[from:end]...)
		from, ends[i], before = end, uint32(len(data)), at
	}
	return data, nil
}

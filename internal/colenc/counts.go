package colenc

import "encoding/binary"

const minute = 60 * second

// Count is how many rows a minute has.
type Count struct {
	Minute int64 // since 1970-01-01
	Rows   uint32
}

// minuteOf returns the minute that ns is in.
func minuteOf(ns int64) int64 {
	m := ns / minute
	if ns%minute < 0 {
		m--
	}
	return m
}

// AppendCounts appends how many of the ascending times, in nanoseconds, are in
// each minute that has any.
func AppendCounts(dst []byte, times []int64) []byte {
	for i, before := 0, int64(0); i < len(times); {
		m, from := minuteOf(times[i]), i
		// Unsigned, the difference is right where the minute begins before int64s do.
		for i++; i < len(times) && uint64(times[i])-uint64(m*minute) < minute; {
			i++
		}
		rows := uint64(i - from)
		switch {
		case from == 0:
			dst = binary.AppendUvarint(binary.AppendVarint(dst, m), rows<<1)
		case m == before+1:
			dst = binary.AppendUvarint(dst, rows<<1)
		default:
			dst = binary.AppendUvarint(dst, rows<<1|1)
			dst = binary.AppendUvarint(dst, uint64(m-before-2))
		}
		before = m
	}
	return dst
}

// DecodeCounts returns the counts of AppendCounts in ascending order, in into
// where they fit. Together they have n rows.
func DecodeCounts(b []byte, n int, into []Count) ([]Count, error) {
	if err := checkRows("counts", n); err != nil {
		return nil, err
	}
	out := into[:0]
	if n == 0 && len(b) == 0 {
		return out, nil
	}
	c := cursor{b: b}
	m := c.varint() - 1
	least, most := minuteOf(-1<<63), minuteOf(1<<63-1)
	for left := uint64(n); left > 0; {
		head := c.uvarint()
		m++
		if head&1 != 0 {
			gap := c.uvarint()
			if gap > uint64(most-least) {
				c.fail()
			}
			m += int64(gap) + 1
		}
		rows := head >> 1
		if c.bad || rows == 0 || rows > left || m < least || m > most {
			return nil, corrupt("counts: minute %d has %d of %d rows", m, rows, left)
		}
		left -= rows
		out = append(out, Count{m, uint32(rows)})
	}
	if c.bad || len(c.b) > 0 {
		return nil, corrupt("counts: not as long as %d rows need", n)
	}
	return out, nil
}

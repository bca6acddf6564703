package text

import (
	"bytes"
	"encoding/binary"
)

// Kinds of capsules: the values of one variable of one template.
const (
	kindConst   = iota // all the same
	kindDecimal        // prefix, decimal number without leading zeros, suffix
	kindDigits         // prefix, decimal number of fixed width, suffix
	kindHex            // prefix, hexadecimal digits of fixed width
	kindDict           // few different ones
	kindStrings        // one by one
	kindField          // a column of its own; not of a variable but of a field
	kindClock          // a time of day, of this variable and the next ones
	kindRest           // a variable after one of a time of day
	kindCount

	kindMask  = 0x0f
	flagAffix = 0x10 // there are a prefix and a suffix
	flagUpper = 0x20 // hexadecimal digits are upper case

	flagPlanes = 0x40 // of a dictionary's codes, and of integers: they are in planes
)

// How integers are written.
const (
	intsFrame = iota // less the least one, packed
	intsDelta        // differences of neighbours less the least one, packed
	intsDict         // the different ones in ascending order, and packed indices
)

const (
	decimalMax  = 19 // digits of a number below 2^63
	dictMax     = 1 << 12
	intsDictMax = 128
	poolRows    = 16 // a capsule of fewer rows is not worth a description
)

// capsule writes the values in vals: what they are to meta, the values to bits
// or text.
func (e *Encoder) capsule(data []byte) {
	vals := e.vals
	one := data[vals[0].from:vals[0].to]
	same := true
	for _, s := range vals[1:] {
		if !bytes.Equal(data[s.from:s.to], one) {
			same = false
			break
		}
	}
	switch {
	case same:
		e.meta = append(e.meta, kindConst)
		e.meta = appendBytes(e.meta, one)
		e.other.add(one)
	case len(vals) < poolRows:
		e.strings(data)
	case e.decimals(data, one) || e.hexes(data, one) || e.dict(data):
	default:
		e.strings(data)
	}
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// decimals writes the values as numbers between a prefix and a suffix that have
// no digits, if that is what they are.
func (e *Encoder) decimals(data, one []byte) bool {
	p := 0
	for p < len(one) && classes[one[p]] != classDigit {
		p++
	}
	end := len(one)
	for end > p && classes[one[end-1]] != classDigit {
		end--
	}
	prefix, suffix := one[:p], one[end:]
	width := end - p
	zeros, varied := false, false
	e.ints = e.ints[:0]
	for _, s := range e.vals {
		v := data[s.from:s.to]
		d := len(v) - len(prefix) - len(suffix)
		if d < 1 || d > decimalMax {
			return false
		}
		if p > 0 && !bytes.Equal(v[:p], prefix) || len(suffix) > 0 && !bytes.Equal(v[p+d:], suffix) {
			return false
		}
		v = v[p : p+d]
		x := uint64(0)
		for _, c := range v {
			if c -= '0'; c > 9 {
				return false
			}
			x = x*10 + uint64(c)
		}
		if x >= 1<<63 {
			return false
		}
		varied = varied || d != width
		zeros = zeros || d > 1 && v[0] == '0'
		if varied && zeros {
			return false
		}
		e.ints = append(e.ints, x)
	}
	kind := byte(kindDecimal)
	if zeros {
		kind = kindDigits
	}
	if len(prefix)+len(suffix) > 0 {
		kind |= flagAffix
	}
	e.meta = append(e.meta, kind)
	if kind&flagAffix != 0 {
		e.meta = appendBytes(appendBytes(e.meta, prefix), suffix)
		e.other.add(prefix)
		e.other.add(suffix)
	}
	if zeros {
		e.meta = append(e.meta, byte(width))
	}
	e.integers()
	return true
}

// hexes writes the values as hexadecimal digits after what all begin with, if
// they are of one length and case.
func (e *Encoder) hexes(data, one []byte) bool {
	common := len(one)
	for _, s := range e.vals {
		v := data[s.from:s.to]
		if len(v) != len(one) {
			return false
		}
		i := 0
		for i < common && v[i] == one[i] {
			i++
		}
		common = i
	}
	lower, upper := false, false
	for _, s := range e.vals {
		for _, c := range data[s.from+uint32(common) : s.to] {
			k := hexValue[c]
			if k == hexNone {
				return false
			}
			lower = lower || c >= 'a'
			upper = upper || c >= 'A' && c < 'a'
		}
	}
	if lower && upper {
		return false
	}
	kind := byte(kindHex)
	if upper {
		kind |= flagUpper
	}
	if common > 0 {
		kind |= flagAffix
	}
	e.meta = append(e.meta, kind)
	if common > 0 {
		e.meta = appendBytes(appendBytes(e.meta, one[:common]), nil)
	}
	e.meta = binary.AppendUvarint(e.meta, uint64(len(one)-common))
	high := true
	for _, s := range e.vals {
		e.other.add(data[s.from:s.to])
		for _, c := range data[s.from+uint32(common) : s.to] {
			if high {
				e.bits = append(e.bits, hexValue[c]<<4)
			} else {
				e.bits[len(e.bits)-1] |= hexValue[c]
			}
			high = !high
		}
	}
	return true
}

const hexNone = 0xff

var hexValue = func() (t [256]uint8) {
	for c := range t {
		switch {
		case '0' <= c && c <= '9':
			t[c] = uint8(c - '0')
		case 'a' <= c && c <= 'f':
			t[c] = uint8(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			t[c] = uint8(c - 'A' + 10)
		default:
			t[c] = hexNone
		}
	}
	return t
}()

// integers writes ints as they are, as differences or as indices, whichever
// looks shortest.
func (e *Encoder) integers() {
	v := e.ints
	least, most := v[0], v[0]
	dLeast, dMost := int64(v[1]-v[0]), int64(v[1]-v[0])
	steps := uint64(0) // all differences together
	for i, x := range v[1:] {
		least, most = min(least, x), max(most, x)
		d := int64(x - v[i])
		dLeast, dMost = min(dLeast, d), max(dMost, d)
		steps += uint64(max(d, -d)) >> 8
	}
	frame := widthOf(most - least)
	delta := widthOf(uint64(dMost) - uint64(dLeast))
	if min(frame, delta) > 2 && len(v) >= 64 && e.intDict(min(frame, delta)) {
		return
	}
	// Neighbours of random numbers are a third of the range apart on average.
	if delta < frame || delta <= frame+1 && steps/uint64(len(v)) < (most-least)>>12 {
		e.deltas = e.deltas[:0]
		for i, x := range v[1:] {
			e.deltas = append(e.deltas, x-v[i])
		}
		before := len(e.bits)
		planes := e.values(e.deltas, uint64(dLeast), delta)
		if delta < frame || len(e.bits)-before < packedLen(len(v), frame) {
			e.meta = append(e.meta, intsMode(intsDelta, planes), byte(delta))
			e.meta = binary.AppendUvarint(e.meta, v[0])
			e.meta = binary.AppendVarint(e.meta, dLeast)
			e.appendLength(planes, before)
			return
		}
		e.bits = e.bits[:before]
	}
	before := len(e.bits)
	planes := e.values(v, least, frame)
	e.meta = append(e.meta, intsMode(intsFrame, planes), byte(frame))
	e.meta = binary.AppendUvarint(e.meta, least)
	e.appendLength(planes, before)
}

func intsMode(mode byte, planes bool) byte {
	if planes {
		mode |= flagPlanes
	}
	return mode
}

// intDict writes ints as indices of the different ones if that takes fewer bits.
func (e *Encoder) intDict(width int) bool {
	limit := min(intsDictMax, len(e.ints)/8)
	if width < 8 {
		limit = min(limit, 1<<(width-1))
	}
	different, ok := e.distinct.ints(e.ints, limit)
	if !ok {
		return false
	}
	w := widthOf(uint64(len(different) - 1))
	if (width-w)*len(e.ints) < 12*len(different) {
		return false
	}
	e.deltas = e.deltas[:0]
	for _, x := range e.ints {
		e.deltas = append(e.deltas, e.distinct.intCode(x))
	}
	before := len(e.bits)
	planes := e.values(e.deltas, 0, w)
	e.meta = append(e.meta, intsMode(intsDict, planes))
	e.meta = binary.AppendUvarint(e.meta, uint64(len(different)))
	last := uint64(0)
	for _, x := range different {
		e.meta = binary.AppendUvarint(e.meta, x-last)
		last = x
	}
	e.appendLength(planes, before)
	return true
}

// dict writes the values as indices of the different ones, where those are few.
func (e *Encoder) dict(data []byte) bool {
	codes, different, ok := e.distinct.spans(e.vals, data, min(dictMax, len(e.vals)/2))
	if !ok {
		return false
	}
	before := len(e.bits)
	planes := e.values(codes, 0, widthOf(uint64(len(different)-1)))
	e.meta = append(e.meta, intsMode(kindDict, planes))
	e.meta = binary.AppendUvarint(e.meta, uint64(len(different)))
	e.list(different, data)
	e.appendLength(planes, before)
	return true
}

func (e *Encoder) strings(data []byte) {
	e.meta = append(e.meta, kindStrings)
	e.list(e.vals, data)
}

// list writes tokens to text, each ended by a line feed, which is in no token.
func (e *Encoder) list(vals []span, data []byte) {
	before := len(e.text)
	mask := byte(0)
	for _, s := range vals {
		v := data[s.from:s.to]
		for _, c := range v {
			mask |= letters[c]
		}
		e.text = append(append(e.text, v...), '\n')
		e.other.add(v)
	}
	e.meta = append(e.meta, mask)
	e.meta = binary.AppendUvarint(e.meta, uint64(len(e.text)-before))
}

// letters is the class of each byte in the stamp of a list of tokens: what is
// not in the stamp is in none of them, in either case. Digits have no bit.
var letters = func() (t [256]uint8) {
	for c := range t {
		x := c
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		switch {
		case 'a' <= x && x <= 'f':
			t[c] = 1
		case 'g' <= x && x <= 'l':
			t[c] = 2
		case 'm' <= x && x <= 'r':
			t[c] = 4
		case 's' <= x && x <= 'z':
			t[c] = 8
		case x == '_':
			t[c] = 16
		case x >= 0x80:
			t[c] = lettersWide
		}
	}
	return t
}()

const lettersWide = 32

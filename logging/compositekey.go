package logging

import (
	"encoding/binary"
	"math"
	"time"
	"unsafe"
)

// appendKey appends a value such that equal keys, and no others, have equal
// bytes: its kind, then what it is.
func appendKey(dst []byte, v Value) []byte {
	if v.Kind == KindString {
		dst = binary.AppendUvarint(append(dst, byte(KindString)), uint64(len(v.Str)))
		return append(dst, v.Str...)
	}
	k := keyOf(v)
	dst = append(dst, byte(k.kind))
	switch k.kind {
	case Missing:
		return dst
	case KindFloat:
		return binary.BigEndian.AppendUint64(dst, k.bits)
	case KindTime:
		dst = binary.BigEndian.AppendUint64(dst, uint64(k.num))
		return binary.BigEndian.AppendUint32(dst, uint32(k.bits))
	}
	return binary.BigEndian.AppendUint64(dst, uint64(k.num))
}

// parseKeys reads what appendKey appended, any number of times. Strings are
// bytes of code.
func parseKeys(dst []Value, code []byte) []Value {
	for len(code) > 0 {
		kind := Kind(code[0])
		code = code[1:]
		switch kind {
		case Missing:
			dst = append(dst, Value{})
			continue
		case KindString:
			n, size := binary.Uvarint(code)
			code = code[size:]
			s := ""
			if n > 0 {
				s = unsafe.String(&code[0], n)
			}
			dst, code = append(dst, String(s)), code[n:]
			continue
		}
		num := binary.BigEndian.Uint64(code)
		code = code[8:]
		switch kind {
		case KindInt:
			dst = append(dst, Int(int64(num)))
		case KindFloat:
			dst = append(dst, Float(math.Float64frombits(num)))
		case KindBool:
			dst = append(dst, Boolean(num != 0))
		case KindTime:
			dst = append(dst, Time(time.Unix(int64(num), int64(binary.BigEndian.Uint32(code)))))
			code = code[4:]
		}
	}
	return dst
}

// appendStringKey is appendKey of a string.
func appendStringKey(dst, s []byte) []byte {
	dst = binary.AppendUvarint(append(dst, byte(KindString)), uint64(len(s)))
	return append(dst, s...)
}

package forward

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// jsonWriter turns MessagePack into JSON. It may be used again, by one
// goroutine at a time.
type jsonWriter struct {
	pairs    []pair // of all maps that are being written, the inner ones behind
	doc      []byte // of the last document
	replaced bool   // bytes that are not UTF-8 were replaced
}

// pair is where one member of an object stands in the output.
type pair struct {
	start, keyEnd, end int
	dead               bool // a later member has the same key
}

// pairsScanned is up to how many members equal keys are looked for one by one.
const pairsScanned = 16

// value appends the first value of b as JSON. Integers are exact. NaN and the
// infinities become strings, a point in time becomes one too, other extensions
// {"ext":type,"base64":...}. Bytes that are not UTF-8 become U+FFFD. Of members
// with the same key the last one stays.
func (j *jsonWriter) value(dst, b []byte) (out, rest []byte, err error) {
	head, kids, payload, ok, err := token(b)
	if err != nil {
		return dst, nil, err
	}
	if !ok || uint64(len(b)-head) < payload {
		return dst, nil, errTorn
	}
	c := b[0]
	value, rest := b[:head+int(payload)], b[head+int(payload):]
	switch {
	case isMap(c):
		return j.object(dst, rest, int(kids/2))
	case isArray(c):
		dst = append(dst, '[')
		for i := range int(kids) {
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, rest, err = j.value(dst, rest); err != nil {
				return dst, nil, err
			}
		}
		return append(dst, ']'), rest, nil
	case isStr(c), isBin(c):
		from := len(dst)
		dst = jsontext.AppendString(dst, value[head:])
		// What is not UTF-8 becomes longer, as does what is escaped.
		if len(dst)-from-len(`""`) != int(payload) && !utf8.Valid(value[head:]) {
			j.replaced = true
		}
		return dst, rest, nil
	case isExt(c):
		kind, data, _ := extension(value)
		return appendExtension(dst, kind, data), rest, nil
	}
	switch c {
	case 0xc0:
		return append(dst, "null"...), rest, nil
	case 0xc2:
		return append(dst, "false"...), rest, nil
	case 0xc3:
		return append(dst, "true"...), rest, nil
	case 0xca:
		return appendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(value[1:]))), 32), rest, nil
	case 0xcb:
		return appendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(value[1:])), 64), rest, nil
	}
	v, neg, ok := integer(value)
	if !ok {
		return dst, nil, errInvalid
	}
	if neg {
		return strconv.AppendInt(dst, int64(v), 10), rest, nil
	}
	return strconv.AppendUint(dst, v, 10), rest, nil
}

// object appends n members.
func (j *jsonWriter) object(dst, b []byte, n int) (out, rest []byte, err error) {
	base := len(j.pairs)
	dst, rest, err = j.members(append(dst, '{'), b, n)
	if err == nil {
		dst = j.bury(dst, base)
		dst = append(dst, '}')
	}
	j.pairs = j.pairs[:base]
	return dst, rest, err
}

// members appends n members and leaves where they stand in j.pairs.
func (j *jsonWriter) members(dst, b []byte, n int) (out, rest []byte, err error) {
	base := len(j.pairs)
	var seen map[string]int
	rest = b
	for range n {
		if len(dst) > 0 && dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		p := pair{start: len(dst)}
		if dst, rest, err = j.key(dst, rest); err != nil {
			return dst, nil, err
		}
		p.keyEnd = len(dst)
		key := dst[p.start:p.keyEnd]
		if count := len(j.pairs) - base; count < pairsScanned {
			for i := range j.pairs[base:] {
				q := &j.pairs[base+i]
				if string(dst[q.start:q.keyEnd]) == string(key) {
					q.dead = true
				}
			}
		} else {
			if seen == nil {
				seen = make(map[string]int, 2*count)
				for i, q := range j.pairs[base:] {
					seen[string(dst[q.start:q.keyEnd])] = base + i
				}
			}
			if i, ok := seen[string(key)]; ok {
				j.pairs[i].dead = true
			}
			seen[string(key)] = len(j.pairs)
		}
		at := len(j.pairs)
		j.pairs = append(j.pairs, p)
		dst = append(dst, ':')
		if dst, rest, err = j.value(dst, rest); err != nil {
			return dst, nil, err
		}
		j.pairs[at].end = len(dst)
	}
	return dst, rest, nil
}

// bury takes out the dead members of the innermost object, which dst ends with.
func (j *jsonWriter) bury(dst []byte, base int) []byte {
	pairs := j.pairs[base:]
	any := false
	for _, p := range pairs {
		any = any || p.dead
	}
	if !any {
		return dst
	}
	at := pairs[0].start
	first := at
	for _, p := range pairs {
		if p.dead {
			continue
		}
		if at > first {
			dst[at] = ','
			at++
		}
		at += copy(dst[at:], dst[p.start:p.end])
	}
	return dst[:at]
}

// has reports whether the members behind base hold the key, quoted.
func (j *jsonWriter) has(dst []byte, base int, quoted string) bool {
	for _, p := range j.pairs[base:] {
		if !p.dead && string(dst[p.start:p.keyEnd]) == quoted {
			return true
		}
	}
	return false
}

// key appends a member's name: a string as it is, anything else as its JSON text.
func (j *jsonWriter) key(dst, b []byte) (out, rest []byte, err error) {
	if len(b) == 0 {
		return dst, nil, errTorn
	}
	if isStr(b[0]) || isBin(b[0]) {
		return j.value(dst, b)
	}
	name, rest, err := j.value(nil, b)
	if err != nil {
		return dst, nil, err
	}
	if len(name) > 0 && name[0] == '"' {
		return append(dst, name...), rest, nil
	}
	return jsontext.AppendString(dst, name), rest, nil
}

func appendExtension(dst []byte, kind int8, data []byte) []byte {
	if t, ok := extensionTime(kind, data); ok {
		dst = append(dst, '"')
		dst = t.AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"')
	}
	dst = append(dst, `{"ext":`...)
	dst = strconv.AppendInt(dst, int64(kind), 10)
	dst = append(dst, `,"base64":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, `"}`...)
}

// extensionTime reads Forward's EventTime (type 0) and MessagePack's own
// timestamps (type -1). Nanoseconds beyond a second are cut to the last one.
func extensionTime(kind int8, data []byte) (time.Time, bool) {
	var sec int64
	var nsec uint32
	switch {
	case kind == 0 && len(data) == 8:
		sec, nsec = int64(binary.BigEndian.Uint32(data)), binary.BigEndian.Uint32(data[4:])
	case kind == -1 && len(data) == 4:
		sec = int64(binary.BigEndian.Uint32(data))
	case kind == -1 && len(data) == 8:
		v := binary.BigEndian.Uint64(data)
		sec, nsec = int64(v&(1<<34-1)), uint32(v>>34)
	case kind == -1 && len(data) == 12:
		nsec, sec = binary.BigEndian.Uint32(data), int64(binary.BigEndian.Uint64(data[4:]))
	default:
		return time.Time{}, false
	}
	if sec < secondsMin || sec > secondsMax {
		return time.Time{}, false
	}
	return time.Unix(sec, int64(min(nsec, 999_999_999))).UTC(), true
}

// The years 1 to 9999: what RFC 3339 can say.
const (
	secondsMin = -62135596800
	secondsMax = 253402300799
)

func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		// 2.0 stays a floating point number for those who tell them apart.
		return strconv.AppendFloat(dst, f, 'f', 1, bits)
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

package logging

import (
	"bytes"
	"time"
	"unsafe"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// addedNames are the fields that addFields knows, in its order.
var addedNames = [...]string{FieldTime, fieldOriginal, fieldLevel, fieldMessage, "cluster", "region", "cloud", "namespace", "pod", "container", "node"}

// addedSet tells which of addedNames there are, a bit each.
type addedSet uint16

func (s *addedSet) add(name string) {
	for i := range addedNames {
		if addedNames[i] == name {
			*s |= 1 << i
		}
	}
}

// messageRepeatMax is the longest message, in bytes, that addFields adds.
const messageRepeatMax = 64 << 10

// addFields writes the stamped fields into the source where it has no such
// name, and leaves the rest as it is, byte by byte.
func (r *reader) addFields(rec *Record, has addedSet) []byte {
	body := rec.Source[:len(rec.Source)-1] // without the last brace
	message := rec.Message
	// Readers of _source, Grafana's log view among them, know one name for the
	// message; what shippers of containers and journald call it is another one. A
	// long one is not written twice.
	if len(message) > messageRepeatMax {
		message = ""
	}
	values := [len(addedNames)]string{"", rec.Original, rec.Level, message, rec.Cluster, rec.Region, rec.Cloud, rec.Namespace, rec.Pod, rec.Container, rec.Node}
	need := len(body) + len(FieldTime) + len(time.RFC3339Nano) + 8 + len(message)/8 // for escapes
	for i, v := range values {
		if v != "" && has&(1<<i) == 0 {
			need += len(addedNames[i]) + len(v) + 6
		}
	}
	out := append(r.room(need), body...)
	comma := len(bytes.TrimSpace(body)) > 1 // more than the first brace
	add := func(i int) bool {
		if has&(1<<i) != 0 {
			return false
		}
		if comma {
			out = append(out, ',')
		}
		comma = true
		out = append(append(append(out, '"'), addedNames[i]...), '"', ':')
		return true
	}
	if add(0) {
		out = append(r.clock.append(append(out, '"'), rec.Time), '"')
	}
	for i, v := range values {
		if v != "" && add(i) {
			out = jsontext.AppendString(out, v)
		}
	}
	return r.keep(append(out, '}'))
}

// clockface writes times as time.RFC3339Nano does. Most are of the same second as
// the one before.
type clockface struct {
	second int64
	text   []byte // of that second, without a zone; nil: none yet
}

func (c *clockface) append(dst []byte, t time.Time) []byte {
	if s := t.Unix(); c.text == nil || s != c.second {
		c.second, c.text = s, t.UTC().AppendFormat(c.text[:0], "2006-01-02T15:04:05")
	}
	dst = append(dst, c.text...)
	if n := t.Nanosecond(); n != 0 {
		var digits [10]byte
		digits[0] = '.'
		for i := 9; i > 0; i-- {
			digits[i] = byte('0' + n%10)
			n /= 10
		}
		end := len(digits)
		for digits[end-1] == '0' {
			end--
		}
		dst = append(dst, digits[:end]...)
	}
	return append(dst, 'Z')
}

// moved gives part, where it lies in from, at its place in to, which is the same but
// for what was put in at place.
func moved(part string, from, to []byte, place int) string {
	if len(part) == 0 {
		return part
	}
	at := uintptr(unsafe.Pointer(unsafe.StringData(part))) - uintptr(unsafe.Pointer(unsafe.SliceData(from)))
	if at >= uintptr(len(from)) {
		return part
	}
	if at >= uintptr(place) {
		at += uintptr(len(to) - len(from))
	}
	return shared(to[at : at+uintptr(len(part))])
}

// addedIn tells which names stand at the top of a JSON object.
func addedIn(src string) (names addedSet) {
	f := flattener{s: src, i: 1}
	for {
		if f.space(); f.peek() != '"' {
			return names
		}
		name, ok := f.str()
		if f.space(); !ok || f.peek() != ':' {
			return names
		}
		names.add(name)
		f.i++
		f.space()
		switch f.peek() {
		case '{', '[':
			ok = f.skip()
		default:
			ok = f.value("", depthMax)
		}
		if f.space(); !ok || f.peek() != ',' {
			return names
		}
		f.i++
	}
}

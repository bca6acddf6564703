package logging

import (
	"bytes"
	"time"

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
func addFields(rec *Record, has addedSet) []byte {
	body := rec.Source[:len(rec.Source)-1] // without the last brace
	message := rec.Message
	// Readers of _source, Grafana's log view among them, know one name for the
	// message; what shippers of containers and journald call it is another one. A
	// long one is not written twice.
	if len(message) > messageRepeatMax {
		message = ""
	}
	values := [len(addedNames)]string{"", rec.Original, rec.Level, message, rec.Cluster, rec.Region, rec.Cloud, rec.Namespace, rec.Pod, rec.Container, rec.Node}
	need := len(body) + len(FieldTime) + len(time.RFC3339Nano) + 8
	for i, v := range values {
		if v != "" && has&(1<<i) == 0 {
			need += len(addedNames[i]) + len(v) + 6
		}
	}
	out := append(make([]byte, 0, need), body...)
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
		out = append(rec.Time.AppendFormat(append(out, '"'), time.RFC3339Nano), '"')
	}
	for i, v := range values {
		if v != "" && add(i) {
			out = jsontext.AppendString(out, v)
		}
	}
	return append(out, '}')
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

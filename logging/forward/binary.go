package forward

import (
	"encoding/base64"
	"slices"
	"unicode/utf8"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// Bounds of what is kept of bytes that are not UTF-8, of one record.
const (
	binaryValuesMax = 64
	binaryBytesMax  = 1 << 20
	binaryNameMax   = 1 << 10
)

// binaryKey is the member of a document that holds them.
const binaryKey = "binary"

// binary appends a member with the strings of a record that are not UTF-8, as they
// came: {"NAME":"base64"}, with the dotted names of the fields that hold them. Of those
// of one name it is the first; what is beyond the bounds is left out.
func (j *jsonWriter) binary(dst, record []byte) []byte {
	w := binaryWriter{dst: append(dst, `"`+binaryKey+`":{`...)}
	w.value(record, "")
	if len(w.names) == 0 {
		return dst
	}
	return append(w.dst, '}')
}

type binaryWriter struct {
	dst   []byte
	names []string
	bytes int
}

// value looks through a value, and gives what is behind it.
func (w *binaryWriter) value(b []byte, name string) []byte {
	value, rest, err := cut(b)
	if err != nil {
		return nil // it was read before
	}
	switch c := value[0]; {
	case isMap(c):
		n, inner, _ := items(value)
		for range n {
			var key []byte
			if key, inner, err = cut(inner); err != nil {
				return nil
			}
			of, ok := text(key)
			switch {
			case !ok || !utf8.Valid(of) || len(name)+1+len(of) > binaryNameMax:
				_, inner, err = cut(inner)
				if err != nil {
					return nil
				}
			case name == "":
				inner = w.value(inner, string(of))
			default:
				inner = w.value(inner, name+"."+string(of))
			}
		}
	case isArray(c):
		n, inner, _ := items(value)
		for range n {
			inner = w.value(inner, name)
		}
	case isStr(c), isBin(c):
		if of, _ := text(value); !utf8.Valid(of) {
			w.put(name, of)
		}
	}
	return rest
}

func (w *binaryWriter) put(name string, value []byte) {
	if w.bytes += len(value); w.bytes > binaryBytesMax || len(w.names) == binaryValuesMax || slices.Contains(w.names, name) {
		return
	}
	if len(w.names) > 0 {
		w.dst = append(w.dst, ',')
	}
	w.names = append(w.names, name)
	w.dst = append(jsontext.AppendString(w.dst, name), ':', '"')
	w.dst = append(base64.StdEncoding.AppendEncode(w.dst, value), '"')
}

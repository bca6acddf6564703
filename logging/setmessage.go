package logging

import "github.com/oriel-project/oriel/internal/jsontext"

// messageKeys are where a document has its message at its top.
var messageKeys = [...]string{fieldMessage, fieldLog, "msg", "MESSAGE"}

// SetMessage gives a record another message, in its document, too: in the place
// of every string at its top that was the message, with or without an end of line.
// The document is a fresh one.
func (r *Record) SetMessage(text string) {
	src := string(r.Source)
	out := make([]byte, 0, len(src)+len(text)+len(text)/4)
	copied := 0
	f := flattener{s: src}
	f.members(func(key string) bool {
		if f.peek() != '"' || key != messageKeys[0] && key != messageKeys[1] && key != messageKeys[2] && key != messageKeys[3] {
			return f.pass()
		}
		from := f.i
		was, ok := f.str()
		if ok && trimNewlines(was) == r.Message {
			out = append(out, src[copied:from]...)
			out = jsontext.AppendString(out, text+was[len(r.Message):])
			copied = f.i
		}
		return ok
	})
	r.Source = append(out, src[copied:]...)
	r.Message = text
}

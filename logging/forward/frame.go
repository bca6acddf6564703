package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// The four modes of the protocol, as the metric's label spells them.
const (
	modeMessage    = "message"
	modeForward    = "forward"
	modePacked     = "packed"
	modeCompressed = "compressed"
)

const (
	tagBytesMax   = 64 << 10
	chunkBytesMax = 64 << 10
)

// frame is one message of the wire, over the scanner's buffer.
type frame struct {
	mode    string
	tag     []byte
	chunk   []byte // the value as it came, to be echoed; nil: no acknowledgement asked for
	payload []byte // what holds the entries; equal for a frame that is sent again
	packing string // modeCompressed: gzip or zstd
	other   bool   // metrics or traces, which Fluent Bit sends the same way
}

// parseFrame reads a value that a scanner found whole. Every error is a wireError.
func parseFrame(b []byte) (frame, error) {
	var f frame
	n, rest, err := items(b)
	if err != nil {
		return f, err
	}
	if n < 2 || n > 4 {
		return f, wireError{"shape", "a message is an array of 2 to 4 elements"}
	}
	value, rest, err := cut(rest)
	if err != nil {
		return f, err
	}
	var ok bool
	if f.tag, ok = text(value); !ok || len(f.tag) > tagBytesMax {
		return f, wireError{"tag", "the tag is not a string of at most 64 KiB"}
	}
	first := rest
	value, rest, err = cut(rest)
	if err != nil {
		return f, err
	}
	left := n - 2
	switch c := value[0]; {
	case isArray(c):
		f.mode, f.payload = modeForward, value
	case isStr(c), isBin(c):
		f.mode = modePacked
		f.payload, _ = text(value)
	default:
		f.mode = modeMessage
		if left == 0 {
			return f, wireError{"shape", "a message without a record"}
		}
		if _, rest, err = cut(rest); err != nil {
			return f, err
		}
		left--
		f.payload = first[:len(first)-len(rest)]
	}
	switch left {
	case 0:
		return f, nil
	case 1:
		return f, f.options(rest)
	}
	return f, wireError{"shape", "more elements than the mode of the message has"}
}

// options reads the last element: a map, or nil as older Docker sends it.
func (f *frame) options(b []byte) error {
	if len(b) == 0 {
		return errTorn
	}
	if b[0] == 0xc0 {
		return nil
	}
	if !isMap(b[0]) {
		return wireError{"option", "the options are not a map"}
	}
	n, rest, err := items(b)
	if err != nil {
		return err
	}
	for range n {
		var key, value []byte
		if key, rest, err = cut(rest); err != nil {
			return err
		}
		if value, rest, err = cut(rest); err != nil {
			return err
		}
		name, _ := text(key)
		switch string(name) {
		case "chunk":
			if value[0] == 0xc0 {
				break
			}
			if isArray(value[0]) || isMap(value[0]) || len(value) > chunkBytesMax {
				return wireError{"chunk", "the chunk id is not a string of at most 64 KiB"}
			}
			f.chunk = value
		case "compressed":
			how, _ := text(value)
			switch string(how) {
			case "", "text":
			case "gzip", "zstd":
				if f.mode == modePacked {
					f.mode, f.packing = modeCompressed, string(how)
				}
			default:
				return wireError{"compression", "the compression is neither gzip nor zstd nor text"}
			}
		case "fluent_signal":
			v, neg, ok := integer(value)
			f.other = ok && (neg || v != 0)
		}
	}
	return nil
}

// each calls fn with every entry, in order; with nil in place of one that is
// longer than RecordBytesMax. It ends at the first error.
func (f *frame) each(l *Limits, fn func(entry []byte) error) error {
	switch f.mode {
	case modeMessage:
		// An entry without its array head.
		if len(f.payload) > l.RecordBytesMax {
			return fn(nil)
		}
		return fn(append([]byte{0x92}, f.payload...))
	case modeForward:
		n, rest, err := items(f.payload)
		if err != nil {
			return err
		}
		if n > l.EntriesMax {
			return errEntries
		}
		var entry []byte
		for range n {
			if entry, rest, err = cut(rest); err != nil {
				return err
			}
			if len(entry) > l.RecordBytesMax {
				entry = nil
			}
			if err := fn(entry); err != nil {
				return err
			}
		}
		return nil
	case modePacked:
		return eachOf(scanBytes(f.payload), l, fn)
	}
	r, err := f.unpack(l)
	if err != nil {
		return err
	}
	defer r.Close()
	s := &scanner{r: &boundedReader{r: r, left: l.UnpackedBytesMax}, bytesMax: uint64(l.UnpackedBytesMax)}
	return eachOf(s, l, fn)
}

var (
	errEntries  = wireError{"entries", "the frame has more entries than the server takes"}
	errUnpacked = wireError{"bomb", "the frame is larger than the server takes when it is unpacked"}
)

func eachOf(s *scanner, l *Limits, fn func(entry []byte) error) error {
	s.bytesKept = l.RecordBytesMax
	for n := 0; ; n++ {
		entry, err := s.next()
		switch {
		case err == nil && n < l.EntriesMax:
		case errors.Is(err, io.EOF):
			return nil
		case n == l.EntriesMax:
			return errEntries
		case errors.Is(err, errOversize):
			entry = nil
		case errors.As(err, new(wireError)):
			return err
		case err != nil:
			return wireError{"compression", fmt.Sprintf("the compressed entries cannot be unpacked: %v", err)}
		}
		if err := fn(entry); err != nil {
			return err
		}
	}
}

// unpack opens the compressed entries: one or several gzip members or zstd frames.
func (f *frame) unpack(l *Limits) (io.ReadCloser, error) {
	if len(f.payload) == 0 {
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if f.packing == "gzip" {
		r, err := gzip.NewReader(bytes.NewReader(f.payload))
		if err != nil {
			return nil, wireError{"compression", "the entries are said to be gzip and are not"}
		}
		return r, nil
	}
	d, err := zstd.NewReader(bytes.NewReader(f.payload), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(uint64(l.UnpackedBytesMax)), zstd.WithDecoderMaxWindow(32<<20))
	if err != nil {
		return nil, wireError{"compression", "the entries are said to be zstd and are not"}
	}
	return d.IOReadCloser(), nil
}

// boundedReader refuses to give more than left bytes.
type boundedReader struct {
	r    io.Reader
	left int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errUnpacked
	}
	return n, err
}

// entry is one record with its time: [time, record] or [[time, metadata], record].
type entry struct {
	time   time.Time // zero: the receiver's
	meta   []byte    // a map with at least one member, or nil
	record []byte    // a map
}

// parseEntry reads a whole value; reason tells why it is no entry.
func parseEntry(b []byte) (e entry, reason string) {
	if !isArray(b[0]) {
		return e, "not_an_entry"
	}
	n, rest, err := items(b)
	if err != nil || n < 2 {
		return e, "not_an_entry"
	}
	at, rest, err := cut(rest)
	if err != nil {
		return e, "not_an_entry"
	}
	if isArray(at[0]) {
		n, inner, err := items(at)
		if err != nil || n < 1 {
			return e, "not_an_entry"
		}
		if at, inner, err = cut(inner); err != nil {
			return e, "not_an_entry"
		}
		if n > 1 && isMap(inner[0]) && inner[0] != 0x80 {
			if e.meta, _, err = cut(inner); err != nil {
				return e, "not_an_entry"
			}
		}
	}
	e.record = rest
	if n > 2 {
		if e.record, _, err = cut(rest); err != nil {
			return e, "not_an_entry"
		}
	}
	if !isMap(e.record[0]) {
		return e, "not_a_record"
	}
	e.time = eventTime(at)
	return e, ""
}

// eventTime reads the time of an entry. What is no time, and second 0, means
// the time of receipt: a record is not lost for its time.
func eventTime(v []byte) time.Time {
	if kind, data, ok := extension(v); ok {
		if t, ok := extensionTime(kind, data); ok && t.Unix() != 0 {
			return t
		}
		return time.Time{}
	}
	if u, neg, ok := integer(v); ok {
		sec := int64(u)
		if u == 0 || !neg && u > secondsMax || sec < secondsMin {
			return time.Time{}
		}
		return time.Unix(sec, 0).UTC()
	}
	if f, ok := float(v); ok && !math.IsNaN(f) && f != 0 && f >= secondsMin && f <= secondsMax {
		sec, frac := math.Modf(f)
		return time.Unix(int64(sec), int64(frac*1e9)).UTC()
	}
	return time.Time{}
}

// source builds the record's document. The tag and the entry's metadata, which
// the protocol keeps outside of the record, are added where the record has no
// such member, and so are bytes that are not UTF-8 (see binary). The document is valid until the following call.
func (j *jsonWriter) source(e entry, tag []byte) ([]byte, error) {
	doc, err := j.document(j.doc[:0], e, tag)
	if j.doc = doc; cap(doc) > docBytesKept {
		j.doc = nil
	}
	return doc, err
}

func (j *jsonWriter) document(dst []byte, e entry, tag []byte) ([]byte, error) {
	n, rest, err := items(e.record)
	if err != nil {
		return dst, err
	}
	j.replaced = false
	dst, _, err = j.members(append(dst, '{'), rest, n)
	hasTag, hasMeta, hasBinary := j.has(dst, 0, `"tag"`), j.has(dst, 0, `"metadata"`), j.has(dst, 0, `"`+binaryKey+`"`)
	replaced := j.replaced
	if err == nil {
		dst = j.bury(dst, 0)
	}
	j.pairs = j.pairs[:0]
	if err != nil {
		return dst, err
	}
	if len(tag) > 0 && !hasTag {
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(append(dst, `"tag":`...), tag[:min(len(tag), tagBytesShown)])
	}
	if e.meta != nil && !hasMeta {
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		if dst, _, err = j.value(append(dst, `"metadata":`...), e.meta); err != nil {
			return dst, err
		}
	}
	if replaced && !hasBinary {
		at := len(dst)
		if dst = j.binary(append(dst, ','), e.record); len(dst) == at+1 {
			dst = dst[:at]
		}
	}
	return append(dst, '}'), nil
}

// docBytesKept is how large a document's memory may be to be used again.
const docBytesKept = 64 << 10

// tagBytesShown is how much of a tag goes into each record.
const tagBytesShown = 1 << 10

package journal

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Bounds of systemd's own importer, beyond which a stream is refused, and ours,
// beyond which a field is left out and counted.
const (
	fieldBytesClaimed = 768 << 20 // DATA_SIZE_MAX
	fieldsMax         = 1024
	nameBytesMax      = 64
	fieldBytesMax     = 10 << 20
	binaryBytesMax    = 1 << 20  // of a field that is not UTF-8, which grows fourfold in JSON
	entryBytesMax     = 12 << 20 // of all kept fields
)

// exportError is a fault of the stream; what follows it cannot be read.
type exportError struct {
	tooLarge bool
	text     string
}

func (e exportError) Error() string { return e.text }

// errPartial means that the stream ends within an entry.
var errPartial = errors.New("stream ends within an entry")

// field is one of an entry. Names may repeat.
type field struct {
	name  string
	value []byte
}

// exportReader reads the journal export format entry by entry, as it arrives.
// https://systemd.io/JOURNAL_EXPORT_FORMATS
type exportReader struct {
	r       *bufio.Reader
	fields  []field
	kept    int            // bytes of fields
	read    int64          // bytes of the entry so far
	dropped map[string]int // fields left out since the last look, by reason
	buf     bytes.Buffer
}

func newExportReader(r io.Reader) *exportReader {
	return &exportReader{r: bufio.NewReaderSize(r, 64<<10), dropped: map[string]int{}}
}

// next gives the fields of the next entry, valid until the following call; the
// values are fresh. io.EOF means the end between two entries.
func (e *exportReader) next() ([]field, error) {
	e.fields, e.kept, e.read = e.fields[:0], 0, 0
	for {
		blank, err := e.field()
		switch {
		case errors.Is(err, io.EOF) && e.read == 0:
			return nil, io.EOF
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return nil, errPartial
		case err != nil:
			return nil, err
		case blank && len(e.fields) > 0:
			return e.fields, nil
		case blank:
			e.read = 0 // blank lines between entries
		}
	}
}

// field reads one field, or the blank line that ends an entry.
func (e *exportReader) field() (blank bool, err error) {
	line, whole, err := e.head()
	if err != nil {
		return false, err
	}
	if whole && len(line) == 0 {
		return true, nil
	}
	if i := bytes.IndexByte(line, '='); i >= 0 {
		name := string(line[:i])
		if whole {
			e.keep(name, bytes.Clone(line[i+1:]))
			return false, nil
		}
		return false, e.longText(name, line[i+1:])
	}
	if !whole {
		return false, exportError{text: "a line has neither '=' nor an end within 64 KiB: this is not the journal export format"}
	}
	return false, e.binary(string(line))
}

// head reads a line, or the first 64 KiB of a longer one.
func (e *exportReader) head() (line []byte, whole bool, err error) {
	line, err = e.r.ReadSlice('\n')
	e.read += int64(len(line))
	switch {
	case err == nil:
		return line[:len(line)-1], true, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return line, false, nil
	case errors.Is(err, io.EOF) && len(line) > 0:
		return nil, false, io.ErrUnexpectedEOF
	}
	return nil, false, err
}

// longText reads the rest of a line whose value begins with begin.
func (e *exportReader) longText(name string, begin []byte) error {
	e.buf.Reset()
	e.buf.Write(begin)
	for {
		part, err := e.r.ReadSlice('\n')
		e.read += int64(len(part))
		if e.buf.Len() <= fieldBytesMax {
			e.buf.Write(part)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if e.read > fieldBytesClaimed {
				return exportError{tooLarge: true, text: "a field is larger than 768 MiB"}
			}
			continue
		case err != nil:
			return unexpected(err)
		}
		if e.buf.Len() > fieldBytesMax {
			e.dropped["field_too_large"]++
			return nil
		}
		e.keep(name, bytes.Clone(bytes.TrimSuffix(e.buf.Bytes(), []byte("\n"))))
		return nil
	}
}

// binary reads a value of declared length. What is kept grows with what arrives.
func (e *exportReader) binary(name string) error {
	var n [8]byte
	if _, err := io.ReadFull(e.r, n[:]); err != nil {
		return unexpected(err)
	}
	size := binary.LittleEndian.Uint64(n[:])
	if size > fieldBytesClaimed {
		return exportError{tooLarge: true, text: fmt.Sprintf("field %.64q is said to have %d bytes; at most 768 MiB are taken", name, size)}
	}
	e.read += 8
	if size > fieldBytesMax {
		k, err := io.CopyN(io.Discard, e.r, int64(size))
		e.read += k
		if err != nil {
			return unexpected(err)
		}
		e.dropped["field_too_large"]++
	} else {
		e.buf.Reset()
		k, err := io.CopyN(&e.buf, e.r, int64(size))
		e.read += k
		if err != nil {
			return unexpected(err)
		}
		e.keep(name, bytes.Clone(e.buf.Bytes()))
	}
	end, err := e.r.ReadByte()
	if err != nil {
		return unexpected(err)
	}
	e.read++
	if end != '\n' {
		return exportError{text: fmt.Sprintf("field %.64q does not end where its length says", name)}
	}
	return nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// keep adds a field, or counts why not.
func (e *exportReader) keep(name string, value []byte) {
	switch {
	case !validName(name):
		e.dropped["field_name"]++
	case len(value) > binaryBytesMax && !utf8.Valid(value):
		e.dropped["field_binary"]++
	case len(e.fields) == fieldsMax:
		e.dropped["too_many_fields"]++
	case e.kept+len(name)+len(value) > entryBytesMax:
		e.dropped["field_too_large"]++
	default:
		e.kept += len(name) + len(value)
		e.fields = append(e.fields, field{name, value})
	}
}

// validName is journald's rule: capitals, digits and '_', not beginning with a digit.
func validName(s string) bool {
	if len(s) == 0 || len(s) > nameBytesMax || s[0] >= '0' && s[0] <= '9' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}

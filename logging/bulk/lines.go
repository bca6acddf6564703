package bulk

import (
	"bytes"
	"errors"
	"io"
)

// errLong stands for a line that is longer than asked for; it was passed over.
var errLong = errors.New("line is too long")

// A body is read into chunks that the records then share: one allocation for
// hundreds of them. The first is smaller: most requests are, and who says a size
// has not sent it yet.
const (
	chunkBytesFirst = 64 << 10
	chunkBytesMax   = 256 << 10
)

// lines reads a body line by line. A line keeps its memory, and that keeps the
// chunk it stands in.
type lines struct {
	r      io.Reader
	chunk  []byte
	from   int // chunk[from:to] is read and was not given out
	to     int
	size   int   // of the next chunk
	read   int64 // bytes, in all
	err    error
	number int // of the line given out last
	empty  bool
}

// newLines reads r, which is said to hold size bytes; 0 or less where that is
// not known.
func newLines(r io.Reader, size int64) *lines {
	first := int64(chunkBytesFirst)
	if size > 0 {
		// A byte more: so that the end is seen without another chunk.
		first = min(size, first-1) + 1
	}
	return &lines{r: r, size: int(first), empty: true}
}

// given is how many bytes were given out.
func (l *lines) given() int64 { return l.read - int64(l.to-l.from) }

// next gives the next line that is not blank, of at most max bytes, without the
// blanks around it; io.EOF behind the last one, which needs no LF.
func (l *lines) next(max int) ([]byte, error) {
	for {
		line, err := l.line(max)
		if err != nil && !errors.Is(err, errLong) {
			return nil, err
		}
		l.number++
		line = bytes.TrimSpace(line)
		if err != nil || len(line) > max {
			return nil, errLong
		}
		if len(line) > 0 {
			return line, nil
		}
	}
}

// line gives the next line, however blank; errLong if it has more than max bytes
// and two for its end.
func (l *lines) line(max int) ([]byte, error) {
	long := false
	for seen := 0; ; {
		if i := bytes.IndexByte(l.chunk[l.from+seen:l.to], '\n'); i >= 0 {
			from := l.from
			l.from += seen + i + 1
			if long || seen+i+1 > max+2 {
				return nil, errLong
			}
			return l.chunk[from:l.from:l.from], nil
		}
		seen = l.to - l.from
		if seen > max+2 {
			long = true
		}
		if long {
			l.from, seen = l.to, 0 // it will not be given out
		}
		if l.err == nil {
			l.fill()
			continue
		}
		if !errors.Is(l.err, io.EOF) {
			return nil, l.err
		}
		from := l.from
		l.from = l.to
		switch {
		case long:
			return nil, errLong
		case from == l.to:
			return nil, io.EOF
		}
		return l.chunk[from:l.to:l.to], nil
	}
}

// fill reads on. What was not given out moves along where the chunk ends.
func (l *lines) fill() {
	if l.to == len(l.chunk) {
		rest := l.chunk[l.from:l.to]
		chunk := make([]byte, max(l.size, 2*len(rest)))
		l.size = min(2*l.size, chunkBytesMax)
		l.from, l.to = 0, copy(chunk, rest)
		l.chunk = chunk
	}
	// A reader may give nothing, but not for ever: as in package bufio.
	for range 100 {
		var n int
		n, l.err = l.r.Read(l.chunk[l.to:])
		l.to += n
		l.read += int64(n)
		if n > 0 {
			l.empty = false
		}
		if n > 0 || l.err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}

package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
)

// file is one file of the log. What is before size is durable and does not change.
type file struct {
	number uint64
	name   string
	f      vfs.File

	// Guarded by Store.mu.
	size     int64
	firstSeq uint64
	lastSeq  uint64 // of the last frame; 0: none
}

// createFile makes a durable, empty file.
func createFile(fs vfs.FS, dir string, number, firstSeq uint64, now time.Time) (*file, error) {
	name := filepath.Join(dir, fileName(number))
	f, err := fs.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create log file: %w", err)
	}
	h := make([]byte, headerLen)
	le := binary.LittleEndian
	copy(h, fileMagic)
	le.PutUint32(h[8:], formatVersion)
	le.PutUint64(h[16:], number)
	le.PutUint64(h[24:], firstSeq)
	le.PutUint64(h[32:], uint64(now.UnixNano()))
	le.PutUint32(h[60:], checksum(h[:60]))
	_, err = f.WriteAt(h, 0)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fs.SyncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create log file %s: %w", name, err), f.Close(), fs.Remove(name))
	}
	return &file{number: number, name: name, f: f, size: headerLen, firstSeq: firstSeq}, nil
}

var errHeader = errors.New("header does not read")

// readHeader checks a file's header and gives its first seq.
func readHeader(r io.ReaderAt, name string, number uint64) (firstSeq uint64, err error) {
	h := make([]byte, headerLen)
	if _, err := r.ReadAt(h, 0); err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read log file %s: %w", name, err)
	}
	le := binary.LittleEndian
	if string(h[:8]) != fileMagic || le.Uint32(h[60:]) != checksum(h[:60]) {
		return 0, errHeader
	}
	if v := le.Uint32(h[8:]); v > formatVersion {
		return 0, fmt.Errorf("log file %s has format version %d and this Oriel reads up to %d: run the Oriel that wrote it, or a newer one", name, v, formatVersion)
	}
	if le.Uint64(h[16:]) != number {
		return 0, errHeader
	}
	return le.Uint64(h[24:]), nil
}

// reader reads the frames of a file that was there at start.
type reader struct {
	f      io.ReaderAt
	number uint64
	size   int64
	intern func([]byte) string
}

// frame reads the frame at the offset without its sections. The error is
// errFrame where the bytes are no frame, and else one of reading.
func (r *reader) frame(offset int64) (*frame, error) {
	p, err := r.read(offset, preludeLen)
	if err != nil {
		return nil, err
	}
	f, batches, sections, crc, err := parsePrelude(p, r.number, offset, r.size)
	if err != nil {
		return nil, err
	}
	dir, err := r.read(offset+preludeLen, f.dirLen)
	if err != nil {
		return nil, err
	}
	return f, f.parseDirectory(dir, r.number, batches, sections, crc, r.intern)
}

// records reads a section; the error is errFrame where it does not check.
func (r *reader) records(s *section) ([]logging.Record, error) {
	b, err := r.read(s.offset, int(s.length))
	if err != nil {
		return nil, err
	}
	if checksum(b) != s.crc {
		return nil, errFrame
	}
	d := newDecoder(b, s.tenant, s.frameFirst)
	var recs []logging.Record
	for d.next() {
		recs = append(recs, d.record())
	}
	if d.err() != nil {
		return nil, errFrame
	}
	return recs, nil
}

// read gives n bytes at the offset, errFrame where the file has fewer. n is
// checked against the size first.
func (r *reader) read(offset int64, n int) ([]byte, error) {
	if int64(n) > r.size-offset {
		return nil, errFrame
	}
	b := make([]byte, n)
	if _, err := r.f.ReadAt(b, offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if err != nil && n > 0 && offset+int64(n) < r.size {
		return nil, errFrame
	}
	return b, nil
}

// next finds the first whole prelude and directory after the offset; 0 where
// there is none.
func (r *reader) next(offset int64) (int64, error) {
	const window = 1 << 20
	for at := offset + 1; at < r.size; at += window - int64(len(frameMagic)) {
		b, err := r.read(at, int(min(window, r.size-at)))
		if err != nil {
			return 0, err
		}
		for i := 0; ; i++ {
			n := bytes.Index(b[i:], []byte(frameMagic))
			if n < 0 {
				break
			}
			i += n
			p, err := r.read(at+int64(i), preludeLen)
			if errors.Is(err, errFrame) {
				break
			}
			if err != nil {
				return 0, err
			}
			f, batches, sections, crc, err := parsePrelude(p, r.number, at+int64(i), r.size)
			if err != nil {
				continue
			}
			dir, err := r.read(at+int64(i)+preludeLen, f.dirLen)
			if err == nil && f.parseDirectory(dir, r.number, batches, sections, crc, r.intern) == nil {
				return at + int64(i), nil
			}
		}
	}
	return 0, nil
}

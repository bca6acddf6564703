package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/oriel-project/oriel/internal/colenc"
	"github.com/oriel-project/oriel/internal/iddict"
	"github.com/oriel-project/oriel/internal/text"
	"github.com/oriel-project/oriel/internal/vfs"
)

// File is a segment file that is open for reading. Safe for concurrent use.
type File struct {
	f       vfs.File
	z       *colenc.Zstd
	size    int64
	created time.Time
	infos   []PartInfo
	parts   []Part
}

// Open reads the list of parts at the end of a file. The file is the caller's to
// close, when nobody needs a block of it any more. The error wraps ErrVersion
// where a newer program wrote the file, ErrCorrupt where it is not as it was
// written; others are those of reading.
func Open(f vfs.File) (*File, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size < headBytes+tailBytes {
		return nil, corrupt("%d bytes are no segment", size)
	}
	var head [headBytes]byte
	var tail [tailBytes]byte
	if err := readAt(f, head[:], 0); err != nil {
		return nil, err
	}
	if err := readAt(f, tail[:], size-tailBytes); err != nil {
		return nil, err
	}
	if string(head[:8]) != headMagic || binary.LittleEndian.Uint32(head[headBytes-4:]) != checksum(head[:headBytes-4]) {
		return nil, corrupt("the header is not that of a segment")
	}
	if v := binary.LittleEndian.Uint32(head[8:]); v > Version {
		return nil, fmt.Errorf("%w: version %d, this program reads up to %d: start the newer program, or restore a backup from before the upgrade", ErrVersion, v, Version)
	}
	const crcAt = tailBytes - len(tailMagic) - 4
	if string(tail[tailBytes-len(tailMagic):]) != tailMagic || binary.LittleEndian.Uint32(tail[crcAt:]) != checksum(tail[:crcAt]) {
		return nil, corrupt("the last %d bytes are not those of a segment", tailBytes)
	}
	at, length := int64(binary.LittleEndian.Uint64(tail[:])), int64(binary.LittleEndian.Uint64(tail[8:]))
	if at < headBytes || length < 0 || length > directoryMax || at > size-tailBytes || length != size-tailBytes-at {
		return nil, corrupt("the list of parts is said to be %d bytes at %d of %d", length, at, size)
	}
	directory := make([]byte, length)
	if err := readAt(f, directory, at); err != nil {
		return nil, err
	}
	if checksum(directory) != binary.LittleEndian.Uint32(tail[16:]) {
		return nil, corrupt("the checksum of the list of parts")
	}
	s := &File{f: f, z: new(colenc.Zstd), size: size}
	if ns := int64(binary.LittleEndian.Uint64(head[16:])); ns != 0 {
		s.created = time.Unix(0, ns).UTC()
	}
	r := reader{b: directory}
	s.infos = make([]PartInfo, r.count())
	for i := range s.infos {
		if s.infos[i] = r.part(at); r.bad {
			return nil, corrupt("entry %d of the list of parts", i)
		}
	}
	if r.bad || len(r.b) > 0 {
		return nil, corrupt("the list of parts")
	}
	s.parts = make([]Part, len(s.infos))
	for i := range s.parts {
		s.parts[i].file, s.parts[i].info, s.parts[i].number = s, &s.infos[i], i
	}
	return s, nil
}

// readAt fills b.
func readAt(f vfs.File, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return corrupt("%d bytes at %d of a file that ends before", len(b), at)
	}
	return err
}

// Created is when the file was written; zero where it does not say.
func (f *File) Created() time.Time { return f.created }

// Size is the size of the file in bytes.
func (f *File) Size() int64 { return f.size }

// Parts describes the parts, in their order. The slice is the file's.
func (f *File) Parts() []PartInfo { return f.infos }

// Part gives a part; its index is read when it is first needed, and kept. The
// error is that of reading the index.
func (f *File) Part(i int) (*Part, error) {
	p := &f.parts[i]
	if _, err := p.loaded(); err != nil {
		return nil, err
	}
	return p, nil
}

// piece reads a range of the file and checks it.
func (f *File) piece(p piece) ([]byte, error) {
	b := make([]byte, p.length)
	if err := readAt(f.f, b, p.offset); err != nil {
		return nil, err
	}
	if checksum(b) != p.crc {
		return nil, corrupt("the checksum of %d bytes at %d", p.length, p.offset)
	}
	return b, nil
}

// Part is a part of a file. Safe for concurrent use.
type Part struct {
	memos  memos
	file   *File
	info   *PartInfo
	number int

	ids partIDs

	mu    sync.Mutex // guards what is read when first needed
	index *partIndex
	given *iddict.Table
}

// Info describes the part.
func (p *Part) Info() PartInfo { return *p.info }

// loaded gives the index.
func (p *Part) loaded() (*partIndex, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.index != nil {
		return p.index, nil
	}
	b, err := p.file.piece(p.info.index)
	if err == nil {
		b, err = p.file.z.Decode(b, int(p.info.indexRaw), nil)
	}
	if err != nil {
		return nil, p.damage(-1, "index", err)
	}
	x, err := parseIndex(b, p.info)
	if err != nil {
		return nil, p.damage(-1, "index", err)
	}
	p.index = x
	return x, nil
}

// Len is the number of blocks.
func (p *Part) Len() int { return p.info.Blocks }

// BlockInfo describes a block; no column is read.
func (p *Part) BlockInfo(i int) *Info { return &p.index.blocks[i].info }

// Block gives a block with nothing decoded yet. What it decodes is kept by it
// alone.
func (p *Part) Block(i int) Block {
	return &fileBlock{part: p, entry: &p.index.blocks[i], number: i}
}

// Damage is what is wrong with a place in a file.
type Damage struct {
	File   *File  // which one
	Part   int    // its number in the file; -1: the file itself
	Block  int    // its number in the part; -1: the part itself
	Column string // or another piece; "" where it is none
	Err    error
}

// Error implements error.
func (d *Damage) Error() string {
	s := ""
	if d.Part >= 0 {
		s = fmt.Sprintf("part %d: ", d.Part)
	}
	if d.Block >= 0 {
		s += fmt.Sprintf("block %d: ", d.Block)
	}
	if d.Column != "" {
		s += d.Column + ": "
	}
	return s + d.Err.Error()
}

// Unwrap gives the cause.
func (d *Damage) Unwrap() error { return d.Err }

// Is makes ErrCorrupt of what the packages below call so; other causes are those
// of reading, and may pass.
func (d *Damage) Is(target error) bool {
	return target == ErrCorrupt &&
		(errors.Is(d.Err, colenc.ErrCorrupt) || errors.Is(d.Err, text.ErrCorrupt) || errors.Is(d.Err, iddict.ErrCorrupt))
}

func (p *Part) damage(block int, column string, err error) error {
	return &Damage{File: p.file, Part: p.number, Block: block, Column: column, Err: err}
}

package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/oriel-project/oriel/internal/vfs"
)

// The format of docs/format/manifest.md.
const (
	manifestVersion = 1
	manifestMagic   = "ORIELMAN"
	editMagic       = "\xffOM\xfe"
	editPreludeLen  = 24
	manifestPrefix  = "MANIFEST-"
	twinSuffix      = "-twin"

	editBytesMax     = 1 << 30
	manifestSlackMin = 1 << 20 // edits behind the first one before a new file is begun
)

func manifestName(number uint64) string { return fmt.Sprintf("%s%08d", manifestPrefix, number) }

// twinName names the copy of a manifest.
func twinName(number uint64) string { return manifestName(number) + twinSuffix }

// manifestNumber gives the number of a manifest or a twin.
func manifestNumber(name string) (uint64, bool) {
	name = strings.TrimSuffix(name, twinSuffix)
	digits, ok := strings.CutPrefix(name, manifestPrefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return n, err == nil && n > 0 && manifestName(n) == name
}

// manifest is the journal of edits, in two files that say the same: all that is on
// disk hangs on it, and one bad block must not be the end. One goroutine at a time.
type manifest struct {
	fs     vfs.FS
	dir    string
	number uint64
	f      vfs.File
	twin   vfs.File // nil: to be begun anew with f
	mended error    // what did not read when it was opened, and was had from the twin
	state  *state
	size   int64  // of what is good
	first  int64  // size with the first edit, which is the whole state
	edits  uint64 // written to this file
	broken bool   // the last write failed: cut back, or begin anew
}

// errManifest says that a manifest is not whole where it must be.
var errManifest = errors.New("manifest does not read")

// openManifest reads the newest manifest that is whole, or begins one in a
// directory without segments and batch keys. torn is how many bytes of an edit that a crash
// left half written were cut off.
func openManifest(fs vfs.FS, dir string) (m *manifest, torn int64, err error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, 0, err
	}
	var numbers []uint64
	segments := false
	for _, name := range names {
		if n, ok := manifestNumber(name); ok {
			numbers = append(numbers, n)
		}
		segments = segments || needsManifest(name)
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	last := errors.New("there is none")
	for _, n := range slices.Backward(numbers) {
		m, torn, err = readManifest(fs, dir, n)
		if err == nil {
			// Older ones are what a crash left.
			for _, old := range numbers {
				if old == m.number {
					continue
				}
				if err := removeManifest(fs, dir, old); err != nil {
					return nil, 0, errors.Join(err, m.close())
				}
			}
			return m, torn, nil
		}
		// One whose first edit is torn was being begun when the power went: the
		// one before it is still there.
		if !errors.Is(err, errTornManifest) {
			return nil, 0, withMend(err)
		}
		last = err
	}
	if segments {
		return nil, 0, noManifest(dir, last)
	}
	m = &manifest{fs: fs, dir: dir, state: newState()}
	if len(numbers) > 0 {
		m.number = numbers[len(numbers)-1]
	}
	if err := m.rewrite(); err != nil {
		return nil, 0, err
	}
	for _, old := range numbers {
		if err := removeManifest(fs, dir, old); err != nil {
			return nil, 0, errors.Join(err, m.close())
		}
	}
	return m, 0, nil
}

// removeManifest removes a manifest and its twin.
func removeManifest(fs vfs.FS, dir string, number uint64) error {
	for _, name := range [...]string{manifestName(number), twinName(number)} {
		if err := fs.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// close closes both files.
func (m *manifest) close() error {
	err := m.f.Close()
	if m.twin != nil {
		err = errors.Join(err, m.twin.Close())
	}
	return err
}

// needsManifest tells files that say nothing without a manifest.
func needsManifest(name string) bool {
	return strings.HasSuffix(name, segmentSuffix) || strings.HasSuffix(name, keysSuffix)
}

// withMend says what to do about a manifest that does not read.
func withMend(err error) error {
	if errors.Is(err, errManifest) {
		return fmt.Errorf("%w, nor does its twin: make a new one with 'oriel segments recover', or restore the directory from a copy", err)
	}
	return err
}

func noManifest(dir string, why error) error {
	if why == nil {
		why = errors.New("there is none")
	}
	return fmt.Errorf("%s holds segments or batch keys and no whole manifest (%w): make a new one from them with 'oriel segments recover', or restore %s* from a copy of the directory", dir, why, manifestPrefix)
}

// errTornManifest says that a manifest was never completed.
var errTornManifest = errors.New("manifest was not completed")

// readManifest reads a manifest to go on with it.
func readManifest(fs vfs.FS, dir string, number uint64) (m *manifest, torn int64, err error) {
	m, err = loadManifest(fs, dir, number)
	if err != nil {
		return nil, 0, err
	}
	size, err := m.f.Size()
	if err == nil && size > m.size {
		torn = size - m.size
		err = m.f.Truncate(m.size)
	}
	if err == nil {
		err = m.f.Sync() // files are deleted for what it says
	}
	if err == nil && m.twin == nil && m.rewrite() != nil {
		m.broken = true // a full disk is no reason not to start: the next edit tries again
	}
	if err != nil {
		return nil, 0, errors.Join(err, m.close())
	}
	return m, torn, nil
}

// loadManifest reads a manifest and its twin and changes nothing. The one that knows
// more counts: an edit is in both before anything follows from it, but the first one
// has it first. Where they differ there is no twin.
func loadManifest(fs vfs.FS, dir string, number uint64) (*manifest, error) {
	m, err := loadOne(fs, dir, manifestName(number), number)
	other, errTwin := loadOne(fs, dir, twinName(number), number)
	if bad(err) || bad(errTwin) {
		// What is whole of the one may be what is not of the other.
		both, errBoth := loadBoth(fs, dir, number)
		if errBoth == nil && (err != nil || both.edits > m.edits) && (errTwin != nil || both.edits > other.edits) {
			both.mended = cmp.Or(err, errTwin)
			for _, m := range [...]*manifest{m, other} {
				if m != nil {
					errBoth = errors.Join(errBoth, m.f.Close())
				}
			}
			return both, errBoth
		}
		if errBoth == nil {
			err = errors.Join(err, both.f.Close())
		}
	}
	switch {
	case err != nil && errTwin != nil:
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, errTornManifest) && !errors.Is(errTwin, os.ErrNotExist) {
			return nil, errTwin
		}
		return nil, err
	case err != nil:
		m, other = other, nil
		if !errors.Is(err, os.ErrNotExist) && !errors.Is(err, errTornManifest) {
			m.mended = err
		}
	case errTwin != nil:
		if !errors.Is(errTwin, os.ErrNotExist) && !errors.Is(errTwin, errTornManifest) {
			m.mended = errTwin
		}
	case m.edits == other.edits && m.size == other.size && m.whole() && other.whole():
		m.twin = other.f
		return m, nil
	case other.edits > m.edits:
		m, other = other, m
		m.mended = fmt.Errorf("%s: %w: it ends before its twin does", filepath.Join(dir, manifestName(number)), errManifest)
	}
	if other != nil {
		if err := other.f.Close(); err != nil {
			return nil, errors.Join(err, m.f.Close())
		}
	}
	return m, nil
}

// bad tells a manifest of which some bytes are not what was written from one that is
// not there, was not completed, or is of a newer version.
func bad(err error) bool { return errors.Is(err, errManifest) || errors.Is(err, syscall.EIO) }

// loadBoth reads a manifest and its twin, which were written with the same bytes,
// together: each edit from the one in which it is whole. Its file is one of the two.
func loadBoth(fs vfs.FS, dir string, number uint64) (*manifest, error) {
	m := &manifest{fs: fs, dir: dir, number: number, state: newState(), size: headerLen}
	var files [2][]byte
	for i, name := range [...]string{manifestName(number), twinName(number)} {
		f, err := fs.Open(filepath.Join(dir, name))
		if err != nil {
			return nil, errors.Join(err, m.closeOne())
		}
		size, err := f.Size()
		if err == nil && size > editBytesMax {
			err = errManifest
		}
		if err != nil {
			return nil, errors.Join(err, f.Close(), m.closeOne())
		}
		files[i] = make([]byte, size)
		for at := int64(0); at < size; at += 512 {
			_, _ = f.ReadAt(files[i][at:min(at+512, size)], at) // what does not read stays zero
		}
		if m.f == nil || size > int64(len(files[0])) {
			err = m.closeOne()
			m.f = f
		} else {
			err = f.Close()
		}
		if err != nil {
			return nil, errors.Join(err, m.closeOne())
		}
	}
	if checkHeader(files[0], number) != nil {
		if err := checkHeader(files[1], number); err != nil {
			return nil, errors.Join(err, m.closeOne())
		}
	}
	intern := newInterner()
	for {
		payload, ok := editAt(files[0], m.size, m.edits+1)
		if !ok {
			payload, ok = editAt(files[1], m.size, m.edits+1)
		}
		if !ok {
			break
		}
		e, err := decodeEdit(payload, intern)
		if err == nil {
			err = m.state.apply(e)
		}
		if err != nil {
			return nil, errors.Join(err, m.closeOne())
		}
		m.size += editPreludeLen + int64(len(payload))
		if m.edits++; m.edits == 1 {
			m.first = m.size
		}
	}
	for _, b := range files {
		if m.edits == 0 || m.size+1 < int64(len(b)) && nextEdit(b, m.size+1, m.edits+1) > 0 {
			return nil, errors.Join(errManifest, m.closeOne())
		}
	}
	return m, nil
}

func (m *manifest) closeOne() error {
	if m.f == nil {
		return nil
	}
	return m.f.Close()
}

// whole reports whether nothing is behind the edits of the file.
func (m *manifest) whole() bool {
	size, err := m.f.Size()
	return err == nil && size == m.size
}

// loadOne reads one of the two files.
func loadOne(fs vfs.FS, dir, file string, number uint64) (_ *manifest, err error) {
	name := filepath.Join(dir, file)
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > editBytesMax {
		return nil, fmt.Errorf("%s: %w: %d bytes", name, errManifest, size)
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	st, good, first, edits, err := parseManifest(b[:n], number)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &manifest{fs: fs, dir: dir, number: number, f: f, state: st, size: good, first: first, edits: edits}, nil
}

// parseManifest reads a manifest's bytes; what is behind good is an edit that
// was not completed.
func parseManifest(b []byte, number uint64) (st *state, good, first int64, edits uint64, err error) {
	if err := checkHeader(b, number); err != nil {
		return nil, 0, 0, 0, err
	}
	st = newState()
	intern := newInterner()
	for at := int64(headerLen); at < int64(len(b)); {
		payload, ok := editAt(b, at, edits+1)
		if !ok {
			if next := nextEdit(b, at+1, edits+1); next > 0 {
				return nil, 0, 0, 0, fmt.Errorf("%w: the edit at %d does not check, and the one at %d does", errManifest, at, next)
			}
			break
		}
		e, err := decodeEdit(payload, intern)
		if err == nil {
			err = st.apply(e)
		}
		if err != nil {
			return nil, 0, 0, 0, fmt.Errorf("%w: the edit at %d: %w", errManifest, at, err)
		}
		at += editPreludeLen + int64(len(payload))
		if edits++; edits == 1 {
			first = at
		}
		good = at
	}
	if edits == 0 {
		return nil, 0, 0, 0, errTornManifest
	}
	return st, good, first, edits, nil
}

// checkHeader checks that bytes begin as a manifest of that number.
func checkHeader(b []byte, number uint64) error {
	le := binary.LittleEndian
	if len(b) < headerLen {
		return errTornManifest
	}
	if string(b[:8]) != manifestMagic || le.Uint32(b[60:]) != checksum(b[:60]) || le.Uint64(b[16:]) != number {
		if bytes.Contains(b, []byte(editMagic)) {
			return fmt.Errorf("%w: its header does not check", errManifest)
		}
		return errTornManifest
	}
	if v := le.Uint32(b[8:]); v > manifestVersion {
		return fmt.Errorf("manifest has format version %d and this Oriel reads up to %d: run the Oriel that wrote it, or a newer one", v, manifestVersion)
	}
	return nil
}

// editAt gives the payload of the whole edit with that number at an offset.
func editAt(b []byte, at int64, number uint64) ([]byte, bool) {
	le := binary.LittleEndian
	if int64(len(b))-at < editPreludeLen {
		return nil, false
	}
	p := b[at : at+editPreludeLen]
	if string(p[:4]) != editMagic || le.Uint32(p[20:]) != checksum(p[:20]) || le.Uint64(p[8:]) != number {
		return nil, false
	}
	n := int64(le.Uint32(p[4:]))
	if n > int64(len(b))-at-editPreludeLen {
		return nil, false
	}
	payload := b[at+editPreludeLen:][:n]
	return payload, le.Uint32(p[16:]) == checksum(payload)
}

// nextEdit finds a whole edit with a higher number behind an offset.
func nextEdit(b []byte, at int64, above uint64) int64 {
	for {
		i := bytes.Index(b[at:], []byte(editMagic))
		if i < 0 {
			return 0
		}
		at += int64(i)
		if int64(len(b))-at >= editPreludeLen {
			if number := binary.LittleEndian.Uint64(b[at+8:]); number > above {
				if _, ok := editAt(b, at, number); ok {
					return at
				}
			}
		}
		at++
	}
}

func encodeEdit(e *edit, number uint64) []byte {
	le := binary.LittleEndian
	payload := e.encode()
	b := make([]byte, editPreludeLen, editPreludeLen+len(payload))
	copy(b, editMagic)
	le.PutUint32(b[4:], uint32(len(payload)))
	le.PutUint64(b[8:], number)
	le.PutUint32(b[16:], checksum(payload))
	le.PutUint32(b[20:], checksum(b[:20]))
	return append(b, payload...)
}

// commit makes an edit durable and applies it. With an error nothing is changed,
// and it may be tried again.
func (m *manifest) commit(e *edit) error {
	if m.broken || m.size-m.first > max(manifestSlackMin, m.first) {
		if err := m.rewrite(); err != nil {
			return err
		}
	}
	b := encodeEdit(e, m.edits+1)
	if len(b) > editBytesMax {
		return fmt.Errorf("manifest edit of %d bytes", len(b))
	}
	name := manifestName(m.number)
	m.broken = true
	for _, f := range [...]vfs.File{m.f, m.twin} { // the first one first: see loadManifest
		if _, err := f.WriteAt(b, m.size); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		if err := f.Sync(); err != nil {
			return fmt.Errorf("sync %s: %w", name, err)
		}
	}
	m.broken = false
	m.size += int64(len(b))
	m.edits++
	return m.state.apply(e)
}

// rewrite begins a new file with the whole state.
func (m *manifest) rewrite() error {
	number := m.number + 1
	name := filepath.Join(m.dir, manifestName(number))
	h := make([]byte, headerLen)
	le := binary.LittleEndian
	copy(h, manifestMagic)
	le.PutUint32(h[8:], manifestVersion)
	le.PutUint64(h[16:], number)
	le.PutUint32(h[60:], checksum(h[:60]))
	b := append(h, encodeEdit(m.state.whole(), 1)...)
	if err := removeManifest(m.fs, m.dir, number); err != nil {
		return fmt.Errorf("remove what an attempt left of %s: %w", name, err)
	}
	begin := func(name string) (vfs.File, error) {
		f, err := m.fs.Create(name)
		if err != nil {
			return nil, err
		}
		_, err = f.WriteAt(b, 0)
		if err == nil {
			err = f.Sync()
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return f, nil
	}
	f, err := begin(name)
	if err != nil {
		return errors.Join(fmt.Errorf("begin manifest %s: %w", name, err), removeManifest(m.fs, m.dir, number))
	}
	twin, err := begin(filepath.Join(m.dir, twinName(number)))
	if err == nil {
		if err = m.fs.SyncDir(m.dir); err != nil {
			err = errors.Join(err, twin.Close())
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin manifest %s: %w", name, err), f.Close(), removeManifest(m.fs, m.dir, number))
	}
	old, oldTwin, oldNumber := m.f, m.twin, m.number
	m.f, m.twin, m.number, m.size, m.first, m.edits, m.broken = f, twin, number, int64(len(b)), int64(len(b)), 1, false
	for _, f := range [...]vfs.File{old, oldTwin} {
		if f != nil {
			_ = f.Close()
		}
	}
	if old != nil {
		// Were it still there at the next start, it would be removed then.
		_ = removeManifest(m.fs, m.dir, oldNumber)
	}
	return nil
}

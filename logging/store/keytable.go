package store

import (
	"bufio"
	"bytes"
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"path/filepath"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
)

// The format of docs/format/keys.md.
const (
	keysVersion  = 1
	keysMagic    = "ORIELKEY"
	keyPageLen   = 4096
	keyEntryLen  = 32
	keysPerPage  = (keyPageLen - 4) / keyEntryLen
	keysSuffix   = ".keys"
	bloomBlock   = 64 // bytes
	bloomProbes  = 6
	bloomBits    = 10 // a key
	keyTablesMax = 8  // of one hour, before they are merged
)

func keysName(number uint64) string { return fmt.Sprintf("%08d%s", number, keysSuffix) }

// keyEntry is one batch key in a table: its hash, and what a repetition is told.
type keyEntry struct {
	hash hash
	info keyInfo
}

func byHash(a, b keyEntry) int {
	if c := cmp.Compare(a.hash[0], b.hash[0]); c != 0 {
		return c
	}
	return cmp.Compare(a.hash[1], b.hash[1])
}

// bloom is a filter of blocks of 64 bytes: a probe touches one cache line.
type bloom []byte

func newBloom(keys int) bloom {
	return make(bloom, max(1, (keys*bloomBits+bloomBlock*8-1)/(bloomBlock*8))*bloomBlock)
}

// block gives a key's block and its six bits in it, as one number of 9 bits each.
func (b bloom) block(h hash) (block []byte, probes uint64) {
	hi, _ := bits.Mul64(h[1], uint64(len(b)/bloomBlock))
	return b[hi*bloomBlock:][:bloomBlock], h[0] ^ h[0]>>54
}

func (b bloom) add(h hash) {
	block, p := b.block(h)
	for range bloomProbes {
		block[p>>3&63] |= 1 << (p & 7)
		p >>= 9
	}
}

func (b bloom) has(h hash) bool {
	block, p := b.block(h)
	for range bloomProbes {
		if block[p>>3&63]&(1<<(p&7)) == 0 {
			return false
		}
		p >>= 9
	}
	return true
}

// keyTable is an immutable table of batch keys in a file.
type keyTable struct {
	keysInfo
	name  string
	bloom bloom
	fs    vfs.FS
	bad   bool // something of it did not check: it is not merged; guarded by Store.mu
	told  bool // that it did not read; guarded by Store.mu
}

// writeKeyTable makes a durable table of keys that come in order, without two
// of one hash. count, tMin and tMax are those of all of them.
func writeKeyTable(fs vfs.FS, dir string, info keysInfo, next func() (keyEntry, bool, error)) (t *keyTable, err error) {
	name := filepath.Join(dir, keysName(info.number))
	t = &keyTable{keysInfo: info, name: name, bloom: newBloom(info.count), fs: fs}
	f, err := fs.Create(name)
	if err != nil {
		return nil, fmt.Errorf("create key table: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("write key table %s: %w", name, err), f.Close(), fs.Remove(name))
			return
		}
		err = f.Close()
	}()
	at := int64(headerLen + len(t.bloom))
	w := bufio.NewWriterSize(io.NewOffsetWriter(f, at), 1<<18)
	page := make([]byte, 0, keyPageLen)
	flush := func() error {
		page = page[:keyPageLen-4]
		page = binary.LittleEndian.AppendUint32(page, checksum(page))
		_, err := w.Write(page)
		clear(page)
		page = page[:0]
		return err
	}
	n := 0
	for {
		e, ok, err := next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		n++
		t.bloom.add(e.hash)
		page = binary.BigEndian.AppendUint64(page, e.hash[0])
		page = binary.BigEndian.AppendUint64(page, e.hash[1])
		page = binary.LittleEndian.AppendUint64(page, e.info.first)
		page = binary.LittleEndian.AppendUint32(page, e.info.items)
		page = binary.LittleEndian.AppendUint32(page, uint32((e.info.at-info.tMin)/int64(time.Millisecond)))
		if len(page) == keysPerPage*keyEntryLen {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if len(page) > 0 {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	t.count = n
	t.bytes = at + int64((n+keysPerPage-1)/keysPerPage)*keyPageLen
	h := make([]byte, headerLen)
	le := binary.LittleEndian
	copy(h, keysMagic)
	le.PutUint32(h[8:], keysVersion)
	le.PutUint64(h[16:], info.number)
	le.PutUint64(h[24:], uint64(n))
	le.PutUint64(h[32:], uint64(info.tMin))
	le.PutUint64(h[40:], uint64(len(t.bloom)))
	le.PutUint32(h[56:], checksum(t.bloom))
	le.PutUint32(h[60:], checksum(h[:60]))
	if _, err := f.WriteAt(append(h, t.bloom...), 0); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	return t, fs.SyncDir(dir)
}

var errKeys = errors.New("key table does not read")

// openKeyTable reads a table's filter.
func openKeyTable(fs vfs.FS, dir string, info keysInfo) (t *keyTable, err error) {
	t = &keyTable{keysInfo: info, name: filepath.Join(dir, keysName(info.number)), fs: fs}
	f, err := fs.Open(t.name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	h := make([]byte, headerLen)
	if _, err := f.ReadAt(h, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	le := binary.LittleEndian
	if string(h[:8]) != keysMagic || le.Uint32(h[60:]) != checksum(h[:60]) || le.Uint64(h[16:]) != info.number {
		return nil, errKeys
	}
	if v := le.Uint32(h[8:]); v > keysVersion {
		return nil, fmt.Errorf("key table %s has format version %d and this Oriel reads up to %d: run the Oriel that wrote it, or a newer one", t.name, v, keysVersion)
	}
	count, length := le.Uint64(h[24:]), le.Uint64(h[40:])
	if count != uint64(info.count) || size != info.bytes || length%bloomBlock != 0 || length == 0 || length > uint64(size)-headerLen {
		return nil, errKeys
	}
	t.tMin = int64(le.Uint64(h[32:]))
	t.bloom = make(bloom, length)
	if _, err := f.ReadAt(t.bloom, headerLen); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if checksum(t.bloom) != le.Uint32(h[56:]) {
		return nil, errKeys
	}
	if int64(headerLen)+int64(length)+int64(t.pages())*keyPageLen != size {
		return nil, errKeys
	}
	return t, nil
}

// describeKeys gives what a manifest knows of a table, by reading all of it.
func describeKeys(fs vfs.FS, dir string, number uint64) (info keysInfo, err error) {
	f, err := fs.Open(filepath.Join(dir, keysName(number)))
	if err != nil {
		return info, err
	}
	defer f.Close() // it was only read
	h := make([]byte, headerLen)
	if _, err := f.ReadAt(h, 0); err != nil && !errors.Is(err, io.EOF) {
		return info, err
	}
	info.number = number
	if info.bytes, err = f.Size(); err != nil {
		return info, err
	}
	// What the header says is checked against the size when the table is opened.
	info.count = int(min(binary.LittleEndian.Uint64(h[24:]), uint64(info.bytes)))
	t, err := openKeyTable(fs, dir, info)
	if err != nil {
		return info, err
	}
	info.tMin, info.tMax = t.tMin, t.tMin
	c := &keyCursor{t: t, f: f, buf: make([]byte, keyPageLen)}
	for {
		ok, err := c.next()
		if !ok || err != nil {
			return info, err
		}
		info.tMax = max(info.tMax, c.at.info.at)
	}
}

func (t *keyTable) pages() int { return (t.count + keysPerPage - 1) / keysPerPage }

// page reads and checks one page; n is how many entries it has.
func (t *keyTable) page(f io.ReaderAt, i int, buf []byte) (n int, err error) {
	if _, err := f.ReadAt(buf[:keyPageLen], int64(headerLen+len(t.bloom))+int64(i)*keyPageLen); err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	if checksum(buf[:keyPageLen-4]) != binary.LittleEndian.Uint32(buf[keyPageLen-4:]) {
		return 0, errKeys
	}
	return min(keysPerPage, t.count-i*keysPerPage), nil
}

func (t *keyTable) entry(page []byte, i int) keyEntry {
	b := page[i*keyEntryLen:][:keyEntryLen]
	return keyEntry{
		hash{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])},
		keyInfo{
			first: binary.LittleEndian.Uint64(b[16:]), items: binary.LittleEndian.Uint32(b[24:]),
			at: t.tMin + int64(binary.LittleEndian.Uint32(b[28:]))*int64(time.Millisecond),
		},
	}
}

// get looks a hash up: hashes are spread evenly, so that the page is guessed
// from the hash and is a neighbour at worst.
func (t *keyTable) get(h hash) (keyInfo, bool, error) {
	if t.count == 0 || !t.bloom.has(h) {
		return keyInfo{}, false, nil
	}
	f, err := t.fs.Open(t.name)
	if err != nil {
		return keyInfo{}, false, err
	}
	info, ok, err := t.search(f, h)
	return info, ok, errors.Join(err, f.Close())
}

func (t *keyTable) search(f io.ReaderAt, h hash) (keyInfo, bool, error) {
	buf := make([]byte, keyPageLen)
	low, high := 0, t.pages() // the page is in [low, high)
	guess, _ := bits.Mul64(h[0], uint64(high))
	for at := int(guess); low < high; {
		n, err := t.page(f, at, buf)
		if err != nil {
			return keyInfo{}, false, err
		}
		var key [16]byte
		binary.BigEndian.PutUint64(key[:], h[0])
		binary.BigEndian.PutUint64(key[8:], h[1])
		switch {
		case bytes.Compare(key[:], buf[:16]) < 0:
			high = at
			at = max(low, at-1)
		case bytes.Compare(key[:], buf[(n-1)*keyEntryLen:][:16]) > 0:
			low = at + 1
			at = min(high-1, at+1)
		default:
			for i := range n {
				if bytes.Equal(key[:], buf[i*keyEntryLen:][:16]) {
					return t.entry(buf, i).info, true, nil
				}
			}
			return keyInfo{}, false, nil
		}
	}
	return keyInfo{}, false, nil
}

// keyCursor reads a table from its beginning.
type keyCursor struct {
	t    *keyTable
	f    vfs.File
	buf  []byte
	page int
	n, i int
	at   keyEntry
}

func (c *keyCursor) next() (ok bool, err error) {
	if c.i == c.n {
		if c.page == c.t.pages() {
			return false, nil
		}
		if c.n, err = c.t.page(c.f, c.page, c.buf); err != nil {
			return false, err
		}
		c.page, c.i = c.page+1, 0
	}
	c.at = c.t.entry(c.buf, c.i)
	c.i++
	return true, nil
}

type keyHeap []*keyCursor

func (h keyHeap) Len() int { return len(h) }
func (h keyHeap) Less(i, j int) bool {
	if c := byHash(h[i].at, h[j].at); c != 0 {
		return c < 0
	}
	return h[i].at.info.at > h[j].at.info.at // the newest of one key first
}
func (h keyHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *keyHeap) Push(x any)   { *h = append(*h, x.(*keyCursor)) }
func (h *keyHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// mergeKeyTables makes one table of several; of one key the newest stays.
func mergeKeyTables(fs vfs.FS, dir string, number uint64, tables []*keyTable) (*keyTable, error) {
	info := keysInfo{number: number, tMin: tables[0].tMin, tMax: tables[0].tMax}
	var open keyHeap
	defer func() {
		for _, c := range open {
			_ = c.f.Close() // it was only read
		}
	}()
	for _, t := range tables {
		info.count += t.count
		info.tMin, info.tMax = min(info.tMin, t.tMin), max(info.tMax, t.tMax)
		f, err := fs.Open(t.name)
		if err != nil {
			return nil, err
		}
		c := &keyCursor{t: t, f: f, buf: make([]byte, keyPageLen)}
		open = append(open, c)
		if _, err := c.next(); err != nil {
			return nil, fmt.Errorf("read key table %s: %w", t.name, err)
		}
	}
	heap.Init(&open)
	var last hash
	first := true
	return writeKeyTable(fs, dir, info, func() (keyEntry, bool, error) {
		for open.Len() > 0 {
			c := open[0]
			e := c.at
			ok, err := c.next()
			if err != nil {
				return keyEntry{}, false, fmt.Errorf("read key table %s: %w", c.t.name, err)
			}
			if ok {
				heap.Fix(&open, 0)
			} else if err := heap.Pop(&open).(*keyCursor).f.Close(); err != nil {
				return keyEntry{}, false, err
			}
			if first || e.hash != last {
				first, last = false, e.hash
				return e, true, nil
			}
		}
		return keyEntry{}, false, nil
	})
}

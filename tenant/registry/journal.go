package registry

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// The files, and their limits. docs/format/directory.md draws them.
const (
	journalName  = "journal"
	snapshotName = "snapshot"

	formatVersion   = 1
	fileHeaderBytes = 16
	frameHeadBytes  = 8
	payloadBytesMax = 256 << 20
	// A journal is folded into the snapshot when it is longer than this and
	// than the snapshot, so that the bytes written stay within a factor of what
	// is changed.
	compactBytesMin = 1 << 20
)

var (
	journalMagic  = [8]byte{'o', 'r', 'i', 'e', 'l', 'd', 'i', 'r'}
	snapshotMagic = [8]byte{'o', 'r', 'i', 'e', 'l', 'd', 's', 'n'}
	castagnoli    = crc32.MakeTable(crc32.Castagnoli)
)

// entry is the payload of one frame: what one call changed, all or nothing.
type entry struct {
	Seq     uint64    `json:"seq"` // from 1, without gaps
	At      time.Time `json:"at"`
	Changes []change  `json:"changes"`
}

// saved is the payload of the snapshot.
type saved struct {
	Seq        uint64     `json:"seq"` // of the last entry in it
	Tenants    []*team    `json:"tenants"`
	Namespaces []*history `json:"namespaces"`
}

// journal is the open end of the files. Not safe for concurrent use.
type journal struct {
	dir           string
	f             *os.File
	size          int64
	snapshotBytes int64
	broken        error // after a failed fsync nobody knows what is on disk
}

// openJournal reads both files and opens the journal for appending. torn is how
// many bytes were cut off its end.
func openJournal(dir string) (j *journal, st *state, torn int64, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, 0, err
	}
	j = &journal{dir: dir}
	if st, err = j.readSnapshot(); err != nil {
		return nil, nil, 0, err
	}
	path := filepath.Join(dir, journalName)
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// It is made whole, header and all: a shorter one was damaged later, and
		// to take it for a new one would forget every tenant.
		b = fileHeader(journalMagic)
		if err := atomicfile.Write(path, b, 0o600); err != nil {
			return nil, nil, 0, err
		}
	case err != nil:
		return nil, nil, 0, err
	}
	if err := checkHeader(path, b, journalMagic); err != nil {
		return nil, nil, 0, err
	}
	good, err := replay(st, b)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("%s: %w; restore the directory from a backup", path, err)
	}
	if j.f, err = os.OpenFile(path, os.O_RDWR, 0o600); err != nil {
		return nil, nil, 0, err
	}
	if j.size = int64(good); good < len(b) {
		torn += int64(len(b) - good)
		if err := errors.Join(j.f.Truncate(j.size), j.f.Sync()); err != nil {
			return nil, nil, 0, errors.Join(err, j.f.Close())
		}
	}
	return j, st, torn, nil
}

// replay brings st up to date with the frames of b, a whole journal, and gives
// where the last good one ends. What follows it is torn, unless a good frame
// comes after: then something in between was damaged later.
func replay(st *state, b []byte) (good int, err error) {
	x := newTx(st)
	at := fileHeaderBytes
	for at < len(b) {
		payload, ok := frameAt(b, at)
		if !ok {
			for i := at + 1; i+frameHeadBytes < len(b); i++ {
				if _, ok := frameAt(b, i); ok {
					return 0, fmt.Errorf("damaged at byte %d, with good entries after it", at)
				}
			}
			break
		}
		var e entry
		if err := json.Unmarshal(payload, &e); err != nil {
			return 0, fmt.Errorf("entry at byte %d: %w", at, err)
		}
		if e.Seq > st.seq {
			if e.Seq != st.seq+1 {
				return 0, fmt.Errorf("entry at byte %d has number %d where %d is due", at, e.Seq, st.seq+1)
			}
			for _, c := range e.Changes {
				if err := x.apply(c); err != nil {
					return 0, fmt.Errorf("entry at byte %d: %w", at, err)
				}
			}
			st.seq = e.Seq
		}
		at += frameHeadBytes + len(payload)
	}
	x.publish()
	return at, nil
}

// frameAt gives the payload of the good frame that begins at byte at.
func frameAt(b []byte, at int) ([]byte, bool) {
	if len(b)-at < frameHeadBytes {
		return nil, false
	}
	n := binary.LittleEndian.Uint32(b[at:])
	body := b[at+frameHeadBytes:]
	if n < 2 || n > payloadBytesMax || uint64(n) > uint64(len(body)) || body[0] != '{' || body[n-1] != '}' {
		return nil, false
	}
	body = body[:n]
	return body, crc32.Checksum(body, castagnoli) == binary.LittleEndian.Uint32(b[at+4:])
}

func frame(payload any) ([]byte, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return nil, err
	}
	if len(body) > payloadBytesMax {
		return nil, fmt.Errorf("change of %d bytes is over the limit of %d", len(body), payloadBytesMax)
	}
	b := make([]byte, frameHeadBytes, frameHeadBytes+len(body))
	binary.LittleEndian.PutUint32(b, uint32(len(body)))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(body, castagnoli))
	return append(b, body...), nil
}

func fileHeader(magic [8]byte) []byte {
	b := append([]byte(nil), magic[:]...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func checkHeader(path string, b []byte, magic [8]byte) error {
	want := fileHeader(magic)
	switch {
	case bytes.HasPrefix(b, want):
		return nil
	case len(b) >= 12 && bytes.Equal(b[:8], magic[:]) && binary.LittleEndian.Uint32(b[8:]) > formatVersion:
		return fmt.Errorf("%s has format version %d, this program knows %d: use a newer one", path, binary.LittleEndian.Uint32(b[8:]), formatVersion)
	}
	return fmt.Errorf("%s does not begin like a file of this directory: restore it from a backup", path)
}

// append makes e durable. After an error nothing of e is in force, and if that
// cannot be known the journal takes no more entries until it is opened again.
func (j *journal) append(e entry) error {
	if j.broken != nil {
		return j.broken
	}
	b, err := frame(e)
	if err != nil {
		return err
	}
	if _, err := j.f.WriteAt(b, j.size); err != nil {
		// The disk may be full: take back what was written of it.
		if terr := j.f.Truncate(j.size); terr != nil {
			j.broken = fmt.Errorf("journal is closed for changes until the next start: %w", terr)
		}
		return err
	}
	if err := j.f.Sync(); err != nil {
		j.broken = fmt.Errorf("journal is closed for changes until the next start: %w", err)
		return err
	}
	j.size += int64(len(b))
	return nil
}

func (j *journal) wantsCompaction() bool {
	return j.broken == nil && j.size > compactBytesMin && j.size > j.snapshotBytes
}

// compact writes st as the snapshot and empties the journal. A crash between
// the two is harmless: entries that are in the snapshot are skipped.
func (j *journal) compact(st *state) error {
	s := saved{Seq: st.seq}
	for _, t := range st.tenants {
		s.Tenants = append(s.Tenants, t)
	}
	for _, h := range st.hist {
		s.Namespaces = append(s.Namespaces, h)
	}
	slices.SortFunc(s.Tenants, func(a, b *team) int { return strings.Compare(string(a.ID), string(b.ID)) })
	slices.SortFunc(s.Namespaces, func(a, b *history) int {
		return strings.Compare(a.Cluster+"/"+a.Namespace, b.Cluster+"/"+b.Namespace)
	})
	b, err := frame(s)
	if err != nil {
		return fmt.Errorf("write snapshot of the directory: %w", err)
	}
	b = append(fileHeader(snapshotMagic), b...)
	if err := atomicfile.Write(filepath.Join(j.dir, snapshotName), b, 0o600); err != nil {
		return fmt.Errorf("write snapshot of the directory: %w", err)
	}
	j.snapshotBytes = int64(len(b))

	if err := errors.Join(j.f.Truncate(fileHeaderBytes), j.f.Sync()); err != nil {
		j.broken = fmt.Errorf("journal is closed for changes until the next start: %w", err)
		return j.broken
	}
	j.size = fileHeaderBytes
	return nil
}

func (j *journal) readSnapshot() (*state, error) {
	st := newState()
	path := filepath.Join(j.dir, snapshotName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return nil, err
	}
	if err := checkHeader(path, b, snapshotMagic); err != nil {
		return nil, err
	}
	payload, ok := frameAt(b, fileHeaderBytes)
	if !ok || fileHeaderBytes+frameHeadBytes+len(payload) != len(b) {
		return nil, fmt.Errorf("%s is damaged: restore the directory from a backup", path)
	}
	var s saved
	if err := json.Unmarshal(payload, &s); err != nil {
		return nil, fmt.Errorf("%s: %w; restore the directory from a backup", path, err)
	}
	j.snapshotBytes = int64(len(b))
	st.seq = s.Seq
	x := newTx(st)
	for _, t := range s.Tenants {
		if err := x.apply(change{Op: opTenant, Team: t}); err != nil {
			return nil, fmt.Errorf("%s: %w; restore the directory from a backup", path, err)
		}
	}
	for _, h := range s.Namespaces {
		k := key{h.Cluster, h.Namespace}
		own := x.touchHistory(k)
		own.Earlier, own.Last = h.Earlier, h.Last
		for _, l := range h.Lives {
			if err := x.putLife(&l); err != nil {
				return nil, fmt.Errorf("%s: %w; restore the directory from a backup", path, err)
			}
		}
	}
	x.publish()
	return st, nil
}

func (j *journal) close() error { return j.f.Close() }

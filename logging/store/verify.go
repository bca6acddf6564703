package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// Finding is something of a log store's directory that does not check.
type Finding struct {
	File   string // name in the directory
	Offset int64  // log files and key tables: where; -1 where it does not apply
	Bytes  int64  // log files: how many; 0: not known
	Err    error  // of segments it names the part, the block and the column
}

// String names the place and what is wrong.
func (f Finding) String() string {
	if f.Offset >= 0 {
		return fmt.Sprintf("%s at %d: %v", f.File, f.Offset, f.Err)
	}
	return fmt.Sprintf("%s: %v", f.File, f.Err)
}

// Verify checks every checksum of every file of a directory that no Store has
// open, and that everything decodes. Nothing is changed. The error is that of
// reading the directory or its manifest; what does not check is reported.
func Verify(ctx context.Context, dir string, report func(Finding)) error {
	return verify(ctx, vfs.OS{}, dir, report)
}

func verify(ctx context.Context, fs vfs.FS, dir string, report func(Finding)) error {
	return inspect(fs, dir, func(m *manifest, logs []uint64) error {
		if m.mended != nil {
			report(Finding{File: manifestName(m.number), Offset: -1, Err: fmt.Errorf("%w; its twin is whole, and the next start mends it", m.mended)})
		}
		for i, n := range logs {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := verifyLog(fs, dir, n, i == len(logs)-1, report); err != nil {
				return err
			}
		}
		for _, n := range slices.Sorted(maps.Keys(m.state.keys)) {
			verifyKeys(fs, dir, m.state.keys[n], report)
		}
		for _, n := range slices.Sorted(maps.Keys(m.state.segments)) {
			if err := verifySegment(ctx, fs, dir, m.state.segments[n], report); err != nil {
				return err
			}
		}
		return nil
	})
}

// inspect reads a directory's manifest without changing it, and lists the log
// files that count.
func inspect(fs vfs.FS, dir string, do func(m *manifest, logs []uint64) error) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	var manifests, logs []uint64
	segments := false
	for _, name := range names {
		segments = segments || needsManifest(name)
		if n, ok := manifestNumber(name); ok {
			manifests = append(manifests, n)
		}
		if n, ok := fileNumber(name); ok {
			logs = append(logs, n)
		}
	}
	slices.Sort(manifests)
	slices.Sort(logs)
	m := &manifest{state: newState()}
	for _, n := range slices.Backward(manifests) {
		m, err = loadManifest(fs, dir, n)
		if err == nil {
			err = m.close()
			break
		}
		if !errors.Is(err, errTornManifest) {
			return withMend(err)
		}
	}
	if segments && (err != nil || m.number == 0) {
		return noManifest(dir, err)
	}
	if err != nil {
		return err
	}
	return do(m, slices.DeleteFunc(logs, func(n uint64) bool { return n < m.state.walFloor }))
}

func verifyLog(fs vfs.FS, dir string, number uint64, last bool, report func(Finding)) error {
	name := fileName(number)
	f, err := fs.Open(filepath.Join(dir, name))
	if err != nil {
		report(Finding{File: name, Offset: -1, Err: err})
		return nil
	}
	defer f.Close() // it was only read
	size, err := f.Size()
	if err != nil {
		return err
	}
	if _, err := readHeader(f, name, number); err != nil {
		report(Finding{File: name, Bytes: min(size, headerLen), Err: err})
	}
	r := &reader{f: f, number: number, size: size, intern: newInterner()}
	for at := int64(headerLen); at < size; {
		fr, err := r.frame(at)
		if err == nil {
			for i := range fr.sections {
				sec := &fr.sections[i]
				if _, err := r.records(sec); err != nil {
					report(Finding{File: name, Offset: sec.offset, Bytes: int64(sec.length), Err: fmt.Errorf("records of %s: %w", sec.tenant, err)})
				}
			}
			at = fr.end()
			continue
		}
		if !errors.Is(err, errFrame) {
			return err
		}
		next, err := r.next(at)
		if err != nil {
			return err
		}
		what := errFrame
		if next == 0 {
			if next = size; last {
				what = fmt.Errorf("%w: a torn tail, it is cut off at the next start", errFrame)
			}
		}
		report(Finding{File: name, Offset: at, Bytes: next - at, Err: what})
		at = next
	}
	return nil
}

// logRecords gives the tenant and seq of every record of a log file that reads, and
// the purges; how many records, and the first seq that the file may hold.
func logRecords(fs vfs.FS, name string, number uint64, each func(tenant.ID, uint64), purged func(purge)) (records int, first uint64, err error) {
	f, err := fs.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close() // it was only read
	size, err := f.Size()
	if err != nil {
		return 0, 0, err
	}
	if first, err = readHeader(f, name, number); err != nil && !errors.Is(err, errHeader) {
		return 0, 0, err
	}
	r := &reader{f: f, number: number, size: size, intern: newInterner()}
	for at := int64(headerLen); at < size; {
		fr, err := r.frame(at)
		if err == nil {
			for i := range fr.sections {
				recs, err := r.records(&fr.sections[i])
				if err != nil && !errors.Is(err, errFrame) {
					return 0, 0, err
				}
				for j := range recs {
					each(recs[j].Tenant, recs[j].Seq)
				}
				records += len(recs)
			}
			if fr.purge != nil {
				purged(*fr.purge)
			}
			at = fr.end()
			continue
		}
		if errors.Is(err, errFrame) {
			at, err = r.next(at)
		}
		if err != nil {
			return 0, 0, err
		}
		if at == 0 {
			break
		}
	}
	return records, first, nil
}

func verifyKeys(fs vfs.FS, dir string, info keysInfo, report func(Finding)) {
	name := keysName(info.number)
	t, err := openKeyTable(fs, dir, info)
	if err != nil {
		report(Finding{File: name, Offset: -1, Err: err})
		return
	}
	f, err := fs.Open(t.name)
	if err != nil {
		report(Finding{File: name, Offset: -1, Err: err})
		return
	}
	defer f.Close() // it was only read
	buf := make([]byte, keyPageLen)
	for i := range t.pages() {
		if _, err := t.page(f, i, buf); err != nil {
			report(Finding{File: name, Offset: int64(headerLen+len(t.bloom)) + int64(i)*keyPageLen, Bytes: keyPageLen, Err: err})
		}
	}
}

func verifySegment(ctx context.Context, fs vfs.FS, dir string, info *segmentInfo, report func(Finding)) error {
	name := segmentName(info.number)
	f, err := fs.Open(filepath.Join(dir, name))
	if err != nil {
		report(Finding{File: name, Offset: -1, Err: err})
		return nil
	}
	defer f.Close() // it was only read
	s, err := segment.Open(f)
	if err != nil {
		report(Finding{File: name, Offset: -1, Err: err})
		return nil
	}
	if n := len(s.Parts()); n != len(info.parts) {
		report(Finding{File: name, Offset: -1, Err: fmt.Errorf("%w: it has %d parts, the manifest says %d", segment.ErrCorrupt, n, len(info.parts))})
	}
	return s.Verify(ctx, func(d segment.Damage) { report(Finding{File: name, Offset: -1, Err: &d}) })
}

// DumpOptions say how much Dump tells.
type DumpOptions struct {
	Segments bool                // what is in the segment files, too
	Segment  segment.DumpOptions // and how much of it
}

// Dump describes a directory for people: the manifest, the log files, and with
// Segments what is in those. A Store may have it open: then what is described may
// be gone already. The error is that of reading the manifest or of w.
func Dump(w io.Writer, dir string, o DumpOptions) error { return dump(w, vfs.OS{}, dir, o) }

func dump(w io.Writer, fs vfs.FS, dir string, o DumpOptions) error {
	var failed error
	line := func(format string, args ...any) {
		if _, err := fmt.Fprintf(w, format+"\n", args...); failed == nil {
			failed = err
		}
	}
	err := inspect(fs, dir, func(m *manifest, logs []uint64) error {
		st := m.state
		line("%s: %d edits, %d bytes; log floor %d, next seq %d, next file %d", manifestName(m.number), m.edits, m.size, st.walFloor, st.nextSeq, st.nextFile)
		for _, p := range st.purges {
			line("purge %d: tenant %s, cluster %q, namespace %q, times %d to %d, up to seq %d", p.ordinal, p.tenant, p.cluster, p.namespace, p.from, p.to, p.upTo)
		}
		for _, n := range logs {
			line("%s: log", fileName(n))
		}
		for _, n := range slices.Sorted(maps.Keys(st.keys)) {
			k := st.keys[n]
			line("%s: %d batch keys, %d bytes, %s to %s", keysName(n), k.count, k.bytes, moment(k.tMin), moment(k.tMax))
		}
		for _, n := range slices.Sorted(maps.Keys(st.segments)) {
			f := st.segments[n]
			live, bytes := f.live()
			line("%s: %d bytes, %d of %d parts live with %d bytes", segmentName(n), f.bytes, live, len(f.parts), bytes)
			for i := range f.parts {
				p := &f.parts[i]
				if p.dead {
					continue
				}
				line("  part %d: tenant %s, day %s, %d records in %d blocks, %d with given ids, %d bytes, %s to %s, seq %d to %d",
					i, p.tenant, time.Unix(int64(p.day)*86400, 0).UTC().Format(time.DateOnly), p.rows, p.blocks, p.given, p.bytes, moment(p.tMin), moment(p.tMax), p.seqMin, p.seqMax)
				for _, x := range p.indices {
					line("    %s (cluster %q, namespace %q): %d records, %d bytes of sources", x.name, x.cluster, x.namespace, x.docs, x.bytes)
				}
			}
			if o.Segments {
				dumpSegment(w, fs, filepath.Join(dir, segmentName(n)), o.Segment, line)
			}
		}
		return failed
	})
	return errors.Join(err)
}

func dumpSegment(w io.Writer, fs vfs.FS, name string, o segment.DumpOptions, line func(string, ...any)) {
	f, err := fs.Open(name)
	if err != nil {
		line("  %v", err)
		return
	}
	defer f.Close() // it was only read
	s, err := segment.Open(f)
	if err == nil {
		err = segment.Dump(w, s, o)
	}
	if err != nil {
		line("  %v", err)
	}
}

func moment(nanos int64) string { return time.Unix(0, nanos).UTC().Format(time.RFC3339) }

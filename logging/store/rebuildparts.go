package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/tenant"
)

// foundPart is a part of a segment file whose manifest is lost.
type foundPart struct {
	partInfo
	file    *foundFile
	damaged bool     // something of it does not check
	seqs    []uint64 // ascending, of what reads
	why     string   // it is not kept; "": it is
}

func (p *foundPart) drop(format string, args ...any) { p.why = fmt.Sprintf(format, args...) }

type foundFile struct {
	number uint64
	bytes  int64
	parts  []*foundPart
}

// conclude makes the state out of what lies in the directory, and tells how many
// parts are doubtful.
func (r *rebuilding) conclude(ctx context.Context, answer Doubtful) (doubtful int, err error) {
	names, err := r.fs.List(r.dir)
	if err != nil {
		return 0, err
	}
	if err := r.deletions(); err != nil {
		return 0, err
	}
	var files []*foundFile
	var logs []uint64
	st := r.state
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if n, ok := fileNumber(name); ok {
			logs = append(logs, n)
		}
		n, ok := numbered(name)
		if !ok {
			continue
		}
		st.nextFile = max(st.nextFile, n+1)
		if name == keysName(n) {
			err = r.keyTable(n)
		} else {
			var f *foundFile
			if f, err = r.segmentFile(ctx, n); f != nil {
				files = append(files, f)
			}
		}
		if err != nil {
			return 0, err
		}
	}
	slices.Sort(logs)
	byLog, err := r.logs(logs)
	if err != nil {
		return 0, err
	}
	var parts []*foundPart
	for _, f := range files {
		parts = append(parts, f.parts...)
	}
	floor := settleLog(parts, byLog)
	settleMerges(parts)
	st.walFloor = max(1, floor)
	// Files between the floor and the first one that counts were removed before those
	// that stayed behind.
	if first, _ := slices.BinarySearch(logs, floor); first < len(logs) {
		st.walFloor = logs[first]
	} else {
		for _, p := range r.gone {
			st.walFloor = max(st.walFloor, p.ordinal>>32+1)
		}
	}
	for _, n := range logs {
		if n < st.walFloor {
			r.line("%s: aside: its records are in segments", fileName(n))
			r.aside = append(r.aside, fileName(n))
		}
	}
	for _, f := range files {
		doubtful += r.judge(f, answer)
	}
	if !r.ended {
		// Records that are gone may have had higher positions: no id is given twice.
		st.nextSeq = min(st.nextSeq+seqGap, seqMax+1)
	}
	r.carryOut()
	r.line("positions go on at %d", st.nextSeq)
	return doubtful, nil
}

// deletions reads the journal of deletions.
func (r *rebuilding) deletions() error {
	d, err := loadDeletions(r.fs, r.dir)
	switch err = lost(err); {
	case err == nil:
		r.since, r.gone = d.since, d.all()
		return d.close()
	case errors.Is(err, os.ErrNotExist) || errors.Is(err, errDeleted) || isCorrupt(err):
		r.line("the journal of deletions cannot be read (%v): what was deleted is not known", err)
		return nil
	}
	return err
}

// keyTable takes a table of batch keys in.
func (r *rebuilding) keyTable(number uint64) error {
	name := keysName(number)
	info, err := describeKeys(r.fs, r.dir, number)
	switch err = lost(err); {
	case err == nil:
		r.state.keys[number] = info
		r.line("%s: kept: %d batch keys", name, info.count)
		return nil
	case errors.Is(err, errKeys) || isCorrupt(err):
		r.line("%s: aside: %v; a batch whose key was in it alone and that comes again is stored again", name, err)
		r.aside = append(r.aside, name)
		return nil
	}
	return err
}

// segmentFile reads all of a segment; nil where it is none.
func (r *rebuilding) segmentFile(ctx context.Context, number uint64) (*foundFile, error) {
	name := segmentName(number)
	in, err := r.fs.Open(filepath.Join(r.dir, name))
	if err != nil {
		return nil, err
	}
	defer in.Close() // it was only read
	s, err := segment.Open(in)
	if err = lost(err); errors.Is(err, segment.ErrCorrupt) {
		r.line("%s: aside: %v; it was not finished, or its records cannot be had", name, err)
		r.aside = append(r.aside, name)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	f := &foundFile{number: number, bytes: s.Size()}
	for i := range s.Parts() {
		f.parts = append(f.parts, &foundPart{partInfo: partOf(&s.Parts()[i], 0), file: f})
	}
	err = s.Verify(ctx, func(d segment.Damage) {
		r.line("%s: %v", name, &d)
		if d.Part >= 0 {
			f.parts[d.Part].damaged = true
		}
	})
	if err != nil {
		return nil, err
	}
	for i, p := range f.parts {
		r.state.nextSeq = max(r.state.nextSeq, p.seqMax+1)
		of, err := s.Part(i)
		if err = lost(err); isCorrupt(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := r.readPart(of, p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return f, nil
}

// readPart reads which records a part has, and what kind of ids.
func (r *rebuilding) readPart(of *segment.Part, p *foundPart) error {
	p.seqs = make([]uint64, 0, p.rows)
	for k := range of.Len() {
		b := of.Block(k)
		seqs, err := b.Seqs()
		if err = lost(err); err != nil && !isCorrupt(err) {
			return err
		}
		if err == nil {
			p.seqs = append(p.seqs, seqs...)
		}
		if b.Info().Given == 0 || r.state.likeDerived[p.tenant] {
			continue
		}
		ids, err := b.Stamped(segment.StampID)
		if err = lost(err); err != nil {
			if !isCorrupt(err) {
				return err
			}
			r.state.likeDerived[p.tenant] = true // it costs time, and nothing else
			continue
		}
		for row := range ids.N {
			if _, like := logging.ParseDerivedID(ids.String(row)); like {
				r.state.likeDerived[p.tenant] = true
				break
			}
		}
	}
	slices.Sort(p.seqs)
	return nil
}

// logs reads which records the files of the log have.
func (r *rebuilding) logs(numbers []uint64) (by map[uint64]map[tenant.ID][]uint64, err error) {
	by = map[uint64]map[tenant.ID][]uint64{}
	for _, n := range numbers {
		by[n] = map[tenant.ID][]uint64{}
		records, first, err := logRecords(r.fs, filepath.Join(r.dir, fileName(n)), n, func(id tenant.ID, seq uint64) {
			by[n][id] = append(by[n][id], seq)
			r.state.nextSeq = max(r.state.nextSeq, seq+1)
		}, func(p purge) {
			r.gone = append(r.gone, p)
			r.logged[p.ordinal] = true
		})
		if err != nil {
			return nil, err
		}
		r.state.nextSeq = max(r.state.nextSeq, first)
		r.ended = first > 0
		for _, seqs := range by[n] {
			slices.Sort(seqs)
		}
		r.line("%s: %d records", fileName(n), records)
	}
	return by, nil
}

// settleLog finds what is in the log and in a segment too. A segment whose every
// record is in log files that count was being written when the process ended; log
// files with a record that is in another segment were on their way to be removed, and
// so were those before them. It gives the first file that counts; 0: all do.
func settleLog(parts []*foundPart, logs map[uint64]map[tenant.ID][]uint64) (floor uint64) {
	again := func(p *foundPart) bool {
		n := 0
		for number, by := range logs { // a record is in one of them
			if number >= floor {
				n += common(p.seqs, by[p.tenant])
			}
		}
		return len(p.seqs) > 0 && n == len(p.seqs)
	}
	for before := uint64(math.MaxUint64); floor != before; { // a higher floor leaves fewer that count
		before = floor
		for _, p := range parts {
			if again(p) {
				continue
			}
			for n, by := range logs {
				if common(p.seqs, by[p.tenant]) > 0 {
					floor = max(floor, n+1)
				}
			}
		}
	}
	for _, p := range parts {
		if again(p) {
			p.drop("its records are in the log")
		}
	}
	return floor
}

// settleMerges finds what was merged: a part of which a later one has a record has
// gone into that one as a whole, but for what was deleted. A merge that was not
// finished has nothing that the parts before do not have.
func settleMerges(parts []*foundPart) {
	type group struct {
		tenant tenant.ID
		day    int32
	}
	by := map[group][]*foundPart{}
	for _, p := range parts {
		if p.why == "" {
			g := group{p.tenant, p.day}
			by[g] = append(by[g], p)
		}
	}
	for _, of := range by {
		slices.SortFunc(of, func(a, b *foundPart) int { return cmp.Compare(a.file.number, b.file.number) })
		for i, p := range slices.Backward(of) {
			if !p.damaged {
				continue
			}
			var before []uint64
			for _, q := range of[:i] {
				if !q.damaged && q.why == "" {
					before = append(before, q.seqs...)
				}
			}
			slices.Sort(before)
			if len(before) > 0 && common(p.seqs, before) == len(p.seqs) && p.seqMin >= before[0] && p.seqMax <= before[len(before)-1] {
				p.drop("a merge that does not check, of parts that are there")
			}
		}
		for i, p := range of {
			for _, q := range of[i+1:] {
				if p.why == "" && (q.why == "" || q.seqs != nil && !q.damaged) && p.seqMin <= q.seqMax && q.seqMin <= p.seqMax && common(p.seqs, q.seqs) > 0 {
					p.drop("merged into %s", segmentName(q.file.number))
				}
			}
		}
	}
}

// common counts what two ascending lists have in common.
func common(a, b []uint64) (n int) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			at, _ := slices.BinarySearch(a, b[0])
			a = a[at:]
		case a[0] > b[0]:
			at, _ := slices.BinarySearch(b, a[0])
			b = b[at:]
		default:
			n++
			a, b = a[1:], b[1:]
		}
	}
	return n
}

// judge takes a file into the state, or sets it aside, and counts the doubtful parts.
func (r *rebuilding) judge(f *foundFile, answer Doubtful) (doubtful int) {
	info := &segmentInfo{number: f.number, bytes: f.bytes}
	name := segmentName(f.number)
	for i, p := range f.parts {
		if p.why == "" && f.number < r.since {
			doubtful++
			if answer == DoubtfulQuarantine {
				p.drop("it may hold deleted records")
			}
		}
		p.dead = p.why != ""
		info.parts = append(info.parts, p.partInfo)
		what := fmt.Sprintf("part %d: tenant %s, day %s, %d records", i, p.tenant, time.Unix(int64(p.day)*86400, 0).UTC().Format(time.DateOnly), p.rows)
		switch {
		case p.dead:
			r.line("%s: %s: aside: %s", name, what, p.why)
		case f.number < r.since:
			r.line("%s: %s: kept, and doubtful: it may hold deleted records", name, what)
		default:
			r.line("%s: %s: kept", name, what)
		}
	}
	if n, _ := info.live(); n == 0 {
		r.aside = append(r.aside, name)
		return doubtful
	}
	r.state.segments[f.number] = info
	return doubtful
}

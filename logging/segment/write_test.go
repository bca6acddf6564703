package segment_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// files makes segment files in memory.
type files struct {
	t  *testing.T
	fs *vfs.Mem
	n  int
}

func newFiles(t *testing.T) *files {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("d"); err != nil {
		t.Fatal(err)
	}
	return &files{t: t, fs: fs}
}

func (f *files) create() vfs.File {
	f.t.Helper()
	f.n++
	out, err := f.fs.Create(fmt.Sprintf("d/%d", f.n))
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// write makes a file of the blocks, a part for each day, and opens it.
func (f *files) write(blocks []segment.Block) *segment.File {
	f.t.Helper()
	out := f.create()
	if _, err := segment.Write(out, parts(blocks), segment.WriteOptions{}); err != nil {
		f.t.Fatal(err)
	}
	s, err := segment.Open(out)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// parts deals blocks out by day.
func parts(blocks []segment.Block) []segment.PartSource {
	var out []segment.PartSource
	for _, b := range blocks {
		in := b.Info()
		at := slices.IndexFunc(out, func(p segment.PartSource) bool { return p.Tenant == in.Tenant && p.Day == in.Day() })
		if at < 0 {
			at = len(out)
			out = append(out, segment.PartSource{Tenant: in.Tenant, Day: in.Day()})
		}
		out[at].Blocks = append(out[at].Blocks, b)
	}
	return out
}

func (f *files) blocks(s *segment.File) []segment.Block {
	f.t.Helper()
	var out []segment.Block
	for i := range s.Parts() {
		p, err := s.Part(i)
		if err != nil {
			f.t.Fatal(err)
		}
		for k := range p.Len() {
			out = append(out, p.Block(k))
		}
	}
	return out
}

func table(recs []logging.Record) *segment.Table {
	t := segment.NewTable("t1")
	t.Append(recs)
	return t
}

// TestWrite: what is written is what is read, and what is merged is the union.
func TestWrite(t *testing.T) {
	for seed := range uint64(6) {
		m := newMaker(seed)
		f := newFiles(t)
		var sources []segment.Block
		var all []logging.Record
		for range 1 + m.IntN(5) {
			recs := m.records(1 + m.IntN(900))
			all = append(all, recs...)
			s := f.write(table(recs).Blocks())
			holds(t, fmt.Sprintf("seed %d, file of %d", seed, len(recs)), f.blocks(s), bySeq(recs))
			sources = append(sources, f.blocks(s)...)
		}
		fresh := m.records(m.IntN(100))
		all = append(all, fresh...)
		sources = append(sources, table(fresh).Blocks()...)
		merged := f.write(sources)
		holds(t, fmt.Sprintf("seed %d, merged", seed), f.blocks(merged), bySeq(all))
		inOrder(t, f.blocks(merged))
		checkFinds(t, merged, all)
		again := f.write(f.blocks(merged))
		holds(t, fmt.Sprintf("seed %d, merged again", seed), f.blocks(again), bySeq(all))
	}
}

// inOrder checks that the rows of every block ascend, and blocks of one stream too.
func inOrder(t *testing.T, blocks []segment.Block) {
	t.Helper()
	var before *segment.Info
	for _, b := range blocks {
		in := b.Info()
		times, err := b.Times()
		if err != nil {
			t.Fatal(err)
		}
		seqs, err := b.Seqs()
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(times); i++ {
			if times[i] < times[i-1] || times[i] == times[i-1] && seqs[i] <= seqs[i-1] {
				t.Fatalf("row %d is before row %d", i, i-1)
			}
		}
		if times[0] != in.TimeMin || times[len(times)-1] != in.TimeMax || slices.Min(seqs) != in.SeqMin || slices.Max(seqs) != in.SeqMax {
			t.Fatalf("%+v of times %d to %d", in, times[0], times[len(times)-1])
		}
		if before != nil && before.Labels == in.Labels && before.Shape == in.Shape && before.Day() == in.Day() && before.TimeMax > in.TimeMin {
			t.Fatalf("block from %d after one up to %d", in.TimeMin, before.TimeMax)
		}
		before = in
		counts, err := b.Counts(nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, c := range counts {
			sum += int(c.Rows)
		}
		if in.MinuteCounts != (counts != nil) || counts != nil && sum != in.Rows {
			t.Fatalf("minutes have %d of %d rows", sum, in.Rows)
		}
	}
}

// checkFinds checks that needles are found: given ids, and ids in columns.
func checkFinds(t *testing.T, s *segment.File, all []logging.Record) {
	t.Helper()
	ids := 0
	for i := range s.Parts() {
		p, err := s.Part(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if segment.DayOf(r.Time.UnixNano()) != p.Info().Day {
				continue
			}
			block, row, ok, err := p.FindGiven(r.Index, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			given := r.ID != logging.DerivedID(r.Seq)
			if ok != given {
				t.Fatalf("given id %s: found %v", r.ID, ok)
			}
			if ok {
				if got, err := p.Block(block).Record(row); err != nil || got.Seq != r.Seq {
					t.Fatalf("id %s is at seq %d (%v), want %d", r.ID, got.Seq, err, r.Seq)
				}
			}
		}
		for k := range p.Len() {
			b := p.Block(k)
			if b.Info().Shape == nil {
				continue
			}
			for h := range b.Info().Shape.Holes() {
				if b.OwnKind(h) != segment.KindIDs {
					continue
				}
				c, err := b.Own(h)
				if err != nil {
					t.Fatal(err)
				}
				for row := 0; row < c.N; row += 1 + c.N/64 {
					ids++
					blocks, known, err := p.FindID(c.String(row))
					if err != nil || !known || !slices.Contains(blocks, uint32(k)) {
						t.Fatalf("%s is in block %d, FindID says %v, %v, %v", c.String(row), k, blocks, known, err)
					}
					if o, ok, err := c.IDs.Lookup(c.String(row)); err != nil || !ok || o != c.Ordinals[row] {
						t.Fatalf("%s has ordinal %d, Lookup says %d, %v, %v", c.String(row), c.Ordinals[row], o, ok, err)
					}
				}
			}
		}
	}
	t.Logf("%d ids looked up", ids)
}

// TestMergeWhole: full blocks that overlap no others are taken over.
func TestMergeWhole(t *testing.T) {
	m := newMaker(6)
	f := newFiles(t)
	var sources []segment.Block
	var all []logging.Record
	for range 3 {
		recs := make([]logging.Record, 2*segment.RowsMax)
		for i := range recs {
			m.seq++
			r := logging.Record{
				Tenant: "t1", Index: "logs-a", Seq: m.seq, ID: logging.DerivedID(m.seq),
				Time: m.start.Add(time.Duration(m.seq) * time.Millisecond), Received: m.start, Message: fmt.Sprint("row ", m.seq),
			}
			if m.IntN(1000) == 0 {
				r.ID = fmt.Sprint("given ", m.seq)
			}
			r.Source = []byte(fmt.Sprintf(`{"message":"row %d","trace_id":"%016x%016x","c":"same"}`, m.seq, m.Uint64(), m.Uint64()))
			recs[i] = r
		}
		all = append(all, recs...)
		sources = append(sources, f.blocks(f.write(table(recs).Blocks()))...)
	}
	merged := f.write(sources)
	holds(t, "merged", f.blocks(merged), bySeq(all))
	inOrder(t, f.blocks(merged))
	checkFinds(t, merged, all)
	if got := merged.Parts()[0].Blocks; got != 6 {
		t.Errorf("%d blocks, want 6", got)
	}
}

// sample is a small file with columns of every encoding.
func sample(t *testing.T) (*files, vfs.File, []logging.Record) {
	t.Helper()
	m := newMaker(3)
	recs := m.records(900)
	f := newFiles(t)
	out := f.create()
	if _, err := segment.Write(out, parts(table(recs).Blocks()), segment.WriteOptions{Created: m.start}); err != nil {
		t.Fatal(err)
	}
	return f, out, recs
}

func content(t *testing.T, f vfs.File) []byte {
	t.Helper()
	size, err := f.Size()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// file makes a file of bytes.
func (f *files) file(b []byte) vfs.File {
	f.t.Helper()
	out := f.create()
	if _, err := out.WriteAt(b, 0); err != nil {
		f.t.Fatal(err)
	}
	return out
}

// readAll reads everything that can be read; what cannot be is an error.
func readAll(s *segment.File) (records map[uint64]logging.Record, failed []error) {
	records = map[uint64]logging.Record{}
	for i := range s.Parts() {
		p, err := s.Part(i)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		for k := range p.Len() {
			b := p.Block(k)
			for row := range b.Info().Rows {
				rec, err := b.Record(row)
				if err != nil {
					failed = append(failed, err)
					break
				}
				records[rec.Seq] = rec
			}
		}
	}
	return records, failed
}

// TestFlippedByte: a byte that is not what was written is found by Verify, costs
// its block or part at most, and what is read is what was written.
func TestFlippedByte(t *testing.T) {
	f, out, recs := sample(t)
	b := content(t, out)
	want := bySeq(recs)
	rnd := newMaker(99)
	for range 150 {
		at, bit := rnd.IntN(len(b)), byte(1<<rnd.IntN(8))
		bad := slices.Clone(b)
		bad[at] ^= bit
		s, err := segment.Open(f.file(bad))
		if err != nil {
			continue
		}
		damages := 0
		if err := s.Verify(t.Context(), func(segment.Damage) { damages++ }); err != nil {
			t.Fatal(err)
		}
		if damages == 0 {
			t.Fatalf("byte %d of %d, bit %#x: Verify finds nothing", at, len(b), bit)
		}
		got, _ := readAll(s)
		for seq, r := range got {
			same(t, fmt.Sprintf("byte %d, bit %#x", at, bit), r, want[seq])
		}
	}
}

func TestVerify(t *testing.T) {
	f, out, recs := sample(t)
	s, err := segment.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), func(d segment.Damage) { t.Error(d.Error()) }); err != nil {
		t.Fatal(err)
	}
	// A merge of a damaged file says what is damaged.
	p, err := s.Part(0)
	if err != nil {
		t.Fatal(err)
	}
	b := content(t, out)
	b[p.Info().Offset+10] ^= 1 // in the first block
	bad, err := segment.Open(f.file(b))
	if err != nil {
		t.Fatal(err)
	}
	_, err = segment.Write(f.create(), parts(f.blocks(bad)), segment.WriteOptions{})
	d := (*segment.Damage)(nil)
	if !errors.As(err, &d) || d.File != bad || d.Part != 0 || d.Block != 0 || !errors.Is(err, segment.ErrCorrupt) {
		t.Errorf("merge of a damaged file: %v", err)
	}
	_ = recs
}

func TestOpenRefuses(t *testing.T) {
	f, out, _ := sample(t)
	b := content(t, out)
	for name, c := range map[string]struct {
		change func([]byte) []byte
		want   error
	}{
		"empty":     {func([]byte) []byte { return nil }, segment.ErrCorrupt},
		"cut":       {func(b []byte) []byte { return b[:len(b)-1] }, segment.ErrCorrupt},
		"longer":    {func(b []byte) []byte { return append(b, 0) }, segment.ErrCorrupt},
		"no header": {func(b []byte) []byte { b[0] = 'X'; return b }, segment.ErrCorrupt},
		"newer": {func(b []byte) []byte {
			b[8] = segment.Version + 1
			binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[:28], crc32.MakeTable(crc32.Castagnoli)))
			return b
		}, segment.ErrVersion},
	} {
		if _, err := segment.Open(f.file(c.change(slices.Clone(b)))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestLarge: fields of 1 MB, records of 1,000 fields, and blocks that are cut
// for their size.
func TestLarge(t *testing.T) {
	m := newMaker(2)
	f := newFiles(t)
	var recs []logging.Record
	for i := range 40 {
		r := m.record()
		switch i % 4 {
		case 0:
			r.Source = fmt.Appendf(nil, `{"big":%q,"n":%d}`, strings.Repeat("x", 1<<20), i)
		case 1:
			var b strings.Builder
			for k := range 1000 {
				fmt.Fprintf(&b, `,"k%d":%d`, k, k*i)
			}
			r.Source = []byte("{" + b.String()[1:] + "}")
		}
		recs = append(recs, r)
	}
	for i := range recs {
		recs[i].Index, recs[i].Namespace, recs[i].Container = "logs-a", "x", "c"
	}
	first := f.write(table(recs).Blocks())
	holds(t, "written", f.blocks(first), bySeq(recs))
	holds(t, "merged", f.blocks(f.write(f.blocks(first))), bySeq(recs))
}

// TestStatistics: what a part says of its indices is exact, whichever way its
// records took.
func TestStatistics(t *testing.T) {
	m := newMaker(9)
	f := newFiles(t)
	want := map[string]segment.IndexStat{}
	var sources []segment.Block
	for range 4 {
		recs := m.records(60)
		for i := range recs {
			recs[i].Source = append([]byte("  "), recs[i].Source...) // blanks are not kept, but counted
			s := want[recs[i].Index+recs[i].Namespace]
			s.Docs++
			s.SourceBytes += int64(len(recs[i].Source))
			want[recs[i].Index+recs[i].Namespace] = s
		}
		sources = append(sources, f.blocks(f.write(table(recs).Blocks()))...)
	}
	p := f.write(sources).Parts()[0]
	for _, s := range p.Indices {
		w := want[s.Name+s.Namespace]
		if s.Docs != w.Docs || s.SourceBytes != w.SourceBytes {
			t.Errorf("%s %s: %d documents of %d bytes, want %d of %d", s.Name, s.Namespace, s.Docs, s.SourceBytes, w.Docs, w.SourceBytes)
		}
	}
	if len(p.Indices) != len(want) {
		t.Errorf("%d indices, want %d", len(p.Indices), len(want))
	}
}

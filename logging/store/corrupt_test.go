package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// written gives a file system with a log of n frames in one file (or several,
// by max), the file's bytes, and where its frames are.
func written(t testing.TB, n int, fileMax int64) (fs *vfs.Mem, frames []frame) {
	t.Helper()
	fs = vfs.NewMem()
	s, _ := open(t, fs, Options{LogBytesMax: fileMax})
	for i := range n {
		r := rec("web", noon, fmt.Sprint("m", i))
		if i%3 == 0 {
			r.ID = fmt.Sprint("id", i)
		}
		appendTo(t, s, logging.Batch{Key: fmt.Sprint("k", i), Records: []logging.Record{r, rec("pay", noon, fmt.Sprint("p", i))}})
	}
	frames = framesOf(t, s.logs[0])
	closeStore(t, s)
	return fs.Crash(nil), frames
}

// framesOf reads the frames of a log file.
func framesOf(t testing.TB, f *file) (frames []frame) {
	t.Helper()
	r := &reader{f: f.f, number: f.number, size: f.size, intern: func(b []byte) string { return string(b) }}
	for at := int64(headerLen); at < f.size; {
		fr, err := r.frame(at)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, *fr)
		at = fr.end()
	}
	return frames
}

// change changes the bytes of the first log file.
func change(t *testing.T, fs vfs.FS, how func(vfs.File)) {
	t.Helper()
	f, err := fs.Open("logs/" + fileName(1))
	if err != nil {
		t.Fatal(err)
	}
	how(f)
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func flip(t testing.TB, f vfs.File, at int64) {
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// TestTruncated cuts the last file anywhere: what is whole stays, and nothing is
// there by half.
func TestTruncated(t *testing.T) {
	fs, frames := written(t, 4, 1<<20)
	for size := int64(0); size < frames[3].end(); size += 7 {
		cut := fs.Crash(nil)
		change(t, cut, func(f vfs.File) { _ = f.Truncate(size) })
		whole := 0
		for _, fr := range frames {
			if fr.end() <= size {
				whole++
			}
		}
		s, ev := open(t, cut, Options{})
		got := messages(t, s, scopetest.Operator())
		torn := size != headerLen && (whole == 0 || frames[whole-1].end() != size)
		if len(got) != 2*whole || ev.count(EventTornTail) != b2i(torn) || ev.count(EventCorrupt) != 0 {
			t.Errorf("cut at %d: %d records of %d, events %+v", size, len(got), 2*whole, ev.list)
		}
		// It goes on behind the cut, also over a restart.
		appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "new")}})
		closeStore(t, s)
		s, ev = open(t, cut.Crash(nil), Options{})
		if got := messages(t, s, scopetest.Operator()); len(got) != 2*whole+1 || ev.count(EventTornTail)+ev.count(EventCorrupt) != 0 {
			t.Errorf("cut at %d, then written: %q, events %+v", size, got, ev.list)
		}
		closeStore(t, s)
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestFlipped flips a bit anywhere in the second of four frames, in the last
// file and in an earlier one: that frame is lost, and the others are not.
func TestFlipped(t *testing.T) {
	for _, fileMax := range []int64{1 << 20, 900} {
		fs, frames := written(t, 4, fileMax)
		if len(frames) < 3 {
			t.Fatalf("only %d frames in the first file of at most %d bytes", len(frames), fileMax)
		}
		lost := frames[1]
		for at := lost.offset; at < lost.end(); at += 3 {
			bad := fs.Crash(nil)
			change(t, bad, func(f vfs.File) { flip(t, f, at) })
			s, ev := open(t, bad, Options{LogBytesMax: fileMax})
			got := messages(t, s, scopetest.Operator())
			for _, m := range []string{"m0", "p0", "m2", "p2", "m3", "p3"} {
				if !slices.Contains(got, m) {
					t.Errorf("flipped at %d: %s is lost, %q is there; %+v", at, m, got, ev.list)
				}
			}
			if slices.Contains(got, "m1") && slices.Contains(got, "p1") || ev.count(EventCorrupt) != 1 || ev.count(EventTornTail) != 0 {
				t.Errorf("flipped at %d: %q, events %+v", at, got, ev.list)
			}
			v, _ := s.Snapshot(context.Background(), scopetest.Operator())
			if _, err := v.Indices(context.Background()); err != nil {
				t.Error(err)
			}
			_ = v.Close()
			if r := appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "new")}}); r[0].Seq != 9 {
				t.Errorf("flipped at %d: next seq %d", at, r[0].Seq)
			}
			closeStore(t, s)
		}
	}
}

func TestHeader(t *testing.T) {
	fs, _ := written(t, 2, 1<<20)
	newer := fs.Crash(nil)
	change(t, newer, func(f vfs.File) {
		h := make([]byte, headerLen)
		_, _ = f.ReadAt(h, 0)
		binary.LittleEndian.PutUint32(h[8:], formatVersion+1)
		binary.LittleEndian.PutUint32(h[60:], checksum(h[:60]))
		_, _ = f.WriteAt(h, 0)
	})
	if _, err := Open("logs", Options{FS: newer}); err == nil || !strings.Contains(err.Error(), "format version 2") || !strings.Contains(err.Error(), "run the Oriel that wrote it") {
		t.Errorf("newer version: %v", err)
	}
	bad := fs.Crash(nil)
	change(t, bad, func(f vfs.File) { flip(t, f, 20) })
	s, ev := open(t, bad, Options{})
	if got := messages(t, s, scopetest.Operator()); len(got) != 4 || ev.count(EventCorrupt) != 1 {
		t.Errorf("bad header: %q, %+v", got, ev.list)
	}
	closeStore(t, s)
}

// TestForgedFrame stores a document that holds a whole frame, as bytes. It must
// not be taken for one, even when the real frame around it is broken.
func TestForgedFrame(t *testing.T) {
	fs := vfs.NewMem()
	s, _ := open(t, fs, Options{})
	p := &purge{tenant: "shop", cluster: "eu", namespace: "web", from: math.MinInt64, to: math.MaxInt64, upTo: 1}
	forged, _ := purgeFrame(p, 1, 4711, noon)
	r := rec("web", noon, "x")
	r.Source = slices.Concat([]byte(`{"message":"x","evil":"`), forged, []byte(`"}`))
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "good")}})
	appendTo(t, s, logging.Batch{Records: []logging.Record{r}})
	appendTo(t, s, logging.Batch{Records: []logging.Record{rec("web", noon, "last")}})
	second := framesOf(t, s.logs[0])[1].sections[0]
	closeStore(t, s)
	change(t, fs, func(f vfs.File) { flip(t, f, second.offset) })
	s, _ = open(t, fs, Options{})
	defer closeStore(t, s)
	if got := messages(t, s, scopetest.Read("shop")); !slices.Equal(got, []string{"good", "last"}) {
		t.Errorf("got %q", got)
	}
}

// FuzzFrame reads a file of any bytes. It must not panic, and what it reads it
// must be able to write and read again.
func FuzzFrame(f *testing.F) {
	b := newBuilder()
	b.begin(5)
	for i, ns := range []string{"web", "pay", "web"} {
		r := rec(ns, noon.Add(time.Duration(i)), "hello")
		r.Seq = uint64(5 + i)
		b.add(&r, i == 1)
	}
	b.batches = []batchEntry{{key: "k", first: 5, stored: 3, items: 3}}
	records, _, err := b.frame(1, headerLen, noon)
	if err != nil {
		f.Fatal(err)
	}
	purged, _ := purgeFrame(&purge{tenant: "shop", cluster: "eu", namespace: "web", from: 1, to: 2, upTo: 9}, 1, headerLen, noon)
	f.Add(records, true)
	f.Add(purged, true)
	f.Add(append(slices.Clone(records[:100]), purged...), true)
	f.Add([]byte(frameMagic), false)
	f.Fuzz(func(t *testing.T, data []byte, mend bool) {
		file := append(make([]byte, headerLen), data...)
		if p := file[headerLen:]; mend && len(p) >= preludeLen {
			// Mend the checksums, so that what is behind them is reached.
			n := int64(binary.LittleEndian.Uint32(p[16:]))
			if n <= int64(len(p)-preludeLen) {
				binary.LittleEndian.PutUint32(p[56:], checksum(p[preludeLen:preludeLen+n]))
			}
			binary.LittleEndian.PutUint32(p[60:], checksum(p[:60]))
		}
		r := &reader{f: bytes.NewReader(file), number: 1, size: int64(len(file)), intern: func(b []byte) string { return string(b) }}
		if next, err := r.next(headerLen); err != nil || next >= int64(len(file)) {
			t.Fatalf("next: %d, %v", next, err)
		}
		fr, err := r.frame(headerLen)
		if err != nil {
			return
		}
		for _, sec := range fr.sections {
			d := newDecoder(file[sec.offset:sec.offset+int64(sec.length)], sec.tenant, sec.frameFirst)
			e := encoder{seq: sec.frameFirst}
			var recs []logging.Record
			for d.next() {
				recs = append(recs, d.record())
				e.add(&recs[len(recs)-1], d.id != nil)
			}
			again := newDecoder(e.buf, sec.tenant, sec.frameFirst)
			for _, want := range recs {
				if !again.next() {
					t.Fatalf("%+v does not read again: %v", want, again.err())
				}
				if got := again.record(); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
					t.Fatalf("got %+v\nwant %+v", got, want)
				}
			}
		}
	})
}

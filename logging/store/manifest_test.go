package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/tenant"
)

var sameState = []cmp.Option{cmp.AllowUnexported(state{}, segmentInfo{}, partInfo{}, indexStat{}, keysInfo{}, purge{}), cmpopts.EquateEmpty()}

// editOf makes some edit that fits the state.
func editOf(rnd *rand.Rand, st *state) *edit {
	e := &edit{walFloor: st.walFloor + uint64(rnd.IntN(2)), nextSeq: st.nextSeq + uint64(rnd.IntN(100)), dropParts: map[uint64][]int{}}
	next := st.nextFile
	if rnd.IntN(2) == 0 {
		f := &segmentInfo{number: next, bytes: int64(rnd.IntN(1e6))}
		for range 1 + rnd.IntN(3) {
			f.parts = append(f.parts, partInfo{
				tenant: tenant.ID(fmt.Sprint("t", rnd.IntN(5))), day: int32(rnd.IntN(9) - 2), rows: rnd.IntN(1e6), blocks: rnd.IntN(99), given: rnd.IntN(2),
				tMin: rnd.Int64() - 1<<62, seqMin: 5, seqMax: 1000, bytes: 77, clean: rnd.Uint64(),
				indices: []indexStat{{"logs-eu-web", "eu", "web", 5, 700}, {"named", "", "", 1, 2}},
			})
			p := &f.parts[len(f.parts)-1]
			p.tMax = p.tMin + rnd.Int64N(1e12)
		}
		e.addSegments = append(e.addSegments, f)
		next++
	}
	for n, f := range st.segments {
		for i := range f.parts {
			if !f.parts[i].dead && rnd.IntN(4) == 0 {
				e.dropParts[n] = append(e.dropParts[n], i)
			}
		}
	}
	if rnd.IntN(2) == 0 {
		e.addKeys = append(e.addKeys, keysInfo{next, 4096, 9, -5, 7})
	}
	for n := range st.keys {
		if rnd.IntN(3) == 0 {
			e.dropKeys = append(e.dropKeys, n)
		}
	}
	if rnd.IntN(3) == 0 {
		e.addPurges = append(e.addPurges, purge{tenant: "t1", cluster: "eu", namespace: "web", from: -1 << 63, to: 1<<63 - 1, upTo: 7, ordinal: rnd.Uint64()})
		e.likeDerived = append(e.likeDerived, tenant.ID(fmt.Sprint("t", rnd.IntN(5))))
	}
	for _, p := range st.purges {
		if rnd.IntN(3) == 0 {
			e.dropPurges = append(e.dropPurges, p.ordinal)
		}
	}
	return e
}

// TestManifest commits edits with a power cut after each, and with errors in
// between: what was committed is there, whatever became of the rest.
func TestManifest(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		mem := vfs.NewMem()
		_ = mem.MkdirAll("logs")
		fail := -1
		fs := &vfs.Faulty{FS: mem, Fail: func(vfs.Op, string) error {
			if fail--; fail < 0 && fail > -4 {
				return errCrashed
			}
			return nil
		}}
		fail = -10
		m, torn, err := openManifest(fs, "logs")
		if err != nil || torn != 0 {
			t.Fatal(err, torn)
		}
		var maybe *edit
		for step := range 60 {
			e := editOf(rnd, m.state)
			if rnd.IntN(4) == 0 {
				fail = rnd.IntN(4)
			}
			err := m.commit(e)
			fail = -10
			after, _, openErr := openManifest(mem.Crash(rnd), "logs")
			if openErr != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, openErr)
			}
			want := m.state
			if err == nil {
				maybe = nil
			} else {
				// It may have reached the disk or not, and as long as no other one did so may
				// one that failed before.
				if maybe == nil {
					maybe = e
				}
				if d := cmp.Diff(want, after.state, sameState...); d == "" {
					continue
				}
				want = newState()
				if err := errors.Join(want.apply(m.state.whole()), want.apply(maybe)); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(want, after.state, sameState...); d != "" {
				t.Fatalf("seed %d, step %d (commit: %v), -want +got:\n%s", seed, step, err, d)
			}
			if rnd.IntN(10) == 0 {
				if err := m.rewrite(); err != nil {
					t.Fatal(err)
				}
				maybe = nil
			}
		}
	}
}

// edited is a manifest after n edits, the same each time.
func edited(t *testing.T, n int) (*vfs.Mem, *manifest) {
	t.Helper()
	fs := vfs.NewMem()
	_ = fs.MkdirAll("logs")
	m, _, err := openManifest(fs, "logs")
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for range n {
		if err := m.commit(editOf(rnd, m.state)); err != nil {
			t.Fatal(err)
		}
	}
	return fs, m
}

func TestManifestRefusals(t *testing.T) {
	begin := func(t *testing.T) (*vfs.Mem, *manifest) {
		fs, m := edited(t, 5)
		f, _ := fs.Create("logs/" + segmentName(1))
		_ = f.Sync()
		_ = fs.SyncDir("logs")
		return fs, m
	}
	for name, c := range map[string]struct {
		change func(*vfs.Mem, *manifest)
		want   string
	}{
		"newer version": {func(_ *vfs.Mem, m *manifest) {
			h := make([]byte, headerLen)
			_, _ = m.f.ReadAt(h, 0)
			h[8] = manifestVersion + 1
			c := checksum(h[:60])
			h[60], h[61], h[62], h[63] = byte(c), byte(c>>8), byte(c>>16), byte(c>>24)
			_, _ = m.f.WriteAt(h, 0)
			_, _ = m.twin.WriteAt(h, 0)
		}, "run the Oriel that wrote it"},
		"corrupt edit":       {func(_ *vfs.Mem, m *manifest) { flip(t, m.f, m.first+30); flip(t, m.twin, m.first+31) }, "oriel segments recover"},
		"corrupt header":     {func(_ *vfs.Mem, m *manifest) { flip(t, m.f, 3); flip(t, m.twin, 4) }, "header does not check"},
		"corrupt first":      {func(_ *vfs.Mem, m *manifest) { flip(t, m.f, headerLen+6); flip(t, m.twin, headerLen+7) }, "oriel segments recover"},
		"gone, segments not": {func(fs *vfs.Mem, m *manifest) { _ = removeManifest(fs, "logs", m.number) }, "no whole manifest"},
	} {
		fs, m := begin(t)
		c.change(fs, m)
		if _, _, err := openManifest(fs, "logs"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestManifestTwin: whatever happens to one of the two files, the other one has it
// all, and the next start writes both anew.
func TestManifestTwin(t *testing.T) {
	for name, change := range map[string]func(fs *vfs.Mem, f vfs.File, file string, m *manifest){
		"whole":     func(*vfs.Mem, vfs.File, string, *manifest) {},
		"header":    func(_ *vfs.Mem, f vfs.File, _ string, _ *manifest) { flip(t, f, 9) },
		"first":     func(_ *vfs.Mem, f vfs.File, _ string, _ *manifest) { flip(t, f, headerLen+30) },
		"middle":    func(_ *vfs.Mem, f vfs.File, _ string, m *manifest) { flip(t, f, m.first+30) },
		"last edit": func(_ *vfs.Mem, f vfs.File, _ string, m *manifest) { flip(t, f, m.size-1) },
		"cut":       func(_ *vfs.Mem, f vfs.File, _ string, m *manifest) { _ = f.Truncate(m.first + 3) },
		"empty":     func(_ *vfs.Mem, f vfs.File, _ string, m *manifest) { _ = f.Truncate(0) },
		"longer":    func(_ *vfs.Mem, f vfs.File, _ string, m *manifest) { _, _ = f.WriteAt([]byte("half an edit"), m.size) },
		"gone":      func(fs *vfs.Mem, _ vfs.File, file string, _ *manifest) { _ = fs.Remove(file) },
	} {
		for _, first := range []bool{true, false} {
			fs, m := edited(t, 6)
			f, file := m.f, "logs/"+manifestName(m.number)
			if !first {
				f, file = m.twin, "logs/"+twinName(m.number)
			}
			change(fs, f, file, m)
			again, _, err := openManifest(fs, "logs")
			if err != nil {
				t.Errorf("%s, first file: %v: %v", name, first, err)
				continue
			}
			if d := cmp.Diff(m.state, again.state, sameState...); d != "" {
				t.Errorf("%s, first file: %v: -want +got:\n%s", name, first, d)
			}
			third, _, err := openManifest(fs, "logs")
			if err != nil || third.twin == nil || third.number != again.number || third.mended != nil {
				t.Errorf("%s, first file: %v: not mended: %v", name, first, err)
			}
		}
	}
}

// TestManifestTwinLater: a manifest without its twin opens on a full disk, and gets one
// with the next edit.
func TestManifestTwinLater(t *testing.T) {
	mem, m := edited(t, 6)
	if err := mem.Remove("logs/" + twinName(m.number)); err != nil {
		t.Fatal(err)
	}
	full := true
	fs := &vfs.Faulty{FS: mem, Fail: func(op vfs.Op, _ string) error {
		if full && (op == vfs.OpWrite || op == vfs.OpCreate) {
			return errors.New("no space left")
		}
		return nil
	}}
	again, _, err := openManifest(fs, "logs")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m.state, again.state, sameState...); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	e := &edit{nextSeq: again.state.nextSeq + 5}
	if err := again.commit(e); err == nil {
		t.Error("an edit on a full disk was taken")
	}
	full = false
	if err := again.commit(e); err != nil {
		t.Fatal(err)
	}
	third, _, err := openManifest(fs, "logs")
	if err != nil || third.twin == nil || third.number != again.number || third.state.nextSeq != e.nextSeq {
		t.Errorf("%+v, %v", third, err)
	}
}

// FuzzManifest reads a manifest of any bytes; what it reads it can write.
func FuzzManifest(f *testing.F) {
	fs := vfs.NewMem()
	_ = fs.MkdirAll("logs")
	m, _, err := openManifest(fs, "logs")
	if err != nil {
		f.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(2, 2))
	for range 3 {
		e := editOf(rnd, m.state)
		f.Add(e.encode())
		if err := m.commit(e); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _, _, _, _ = parseManifest(data, 1)
		e, err := decodeEdit(data, func(b []byte) string { return string(b) })
		if err != nil {
			return
		}
		again, err := decodeEdit(e.encode(), func(b []byte) string { return string(b) })
		if err != nil {
			t.Fatalf("written again, it does not read: %v", err)
		}
		if d := cmp.Diff(e, again, append(sameState, cmp.AllowUnexported(edit{}))...); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzDeletions reads a journal of deletions of any bytes; what it reads it can write.
func FuzzDeletions(f *testing.F) {
	fs := vfs.NewMem()
	_ = fs.MkdirAll("logs")
	d := newDeletions(fs, "logs")
	if err := d.begin(); err != nil {
		f.Fatal(err)
	}
	for i := range uint64(3) {
		if err := d.note([]purge{{tenant: "shop", cluster: "eu", namespace: "web", upTo: 9, ordinal: i}, {tenant: "pay", to: int64(i), upTo: 3}}); err != nil {
			f.Fatal(err)
		}
	}
	b := make([]byte, d.size)
	if _, err := d.f.ReadAt(b, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Fuzz(func(t *testing.T, data []byte) {
		read := newDeletions(vfs.NewMem(), "logs")
		if read.parse(data, 1) != nil {
			return
		}
		again := newDeletions(vfs.NewMem(), "logs")
		again.take(read.all())
		if d := cmp.Diff(read.all(), again.all(), sameState...); d != "" {
			t.Fatal(d)
		}
	})
}

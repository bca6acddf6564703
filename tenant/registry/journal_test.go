package registry

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/tenant"
)

// TestReopen brings a busy history back from the journal, then from a snapshot.
func TestReopen(t *testing.T) {
	w := newWorld(t)
	busy(w)
	want := look(w.reg)
	w.reopen()
	if diff := cmp.Diff(want, look(w.reg)); diff != "" {
		t.Fatalf("after reopening (-want +got):\n%s", diff)
	}
	w.must(w.reg.journal.compact(w.reg.st))
	if w.reg.journal.size != fileHeaderBytes {
		t.Errorf("journal of %d bytes after it was folded", w.reg.journal.size)
	}
	w.reopen()
	if diff := cmp.Diff(want, look(w.reg)); diff != "" {
		t.Fatalf("after folding (-want +got):\n%s", diff)
	}
	w.must(w.reg.Onboard(context.Background(), "late", nil, nil))
	want = look(w.reg)
	w.reopen()
	if diff := cmp.Diff(want, look(w.reg)); diff != "" {
		t.Fatalf("snapshot and journal (-want +got):\n%s", diff)
	}
}

func busy(w *world) {
	ctx := context.Background()
	w.snapshot(eu, claim("pay", "u1", "payments", "g"), claim("shop", "u2", "shop", "s"))
	w.wait(time.Minute)
	w.must(w.reg.Onboard(ctx, "ops", []string{"admins"}, []NamespaceRef{{"eu-1", "infra"}, {"eu-2", "infra"}}))
	w.wait(time.Minute)
	w.snapshot(tenant.Cluster{Name: "eu-2"}, claim("pay", "v1", "payments", "g"), claim("x", "v2", "shop", "not-s"))
	w.wait(time.Minute)
	w.changes(eu, []tenant.Claim{claim("shop", "u2", "payments", "g")})
	w.wait(time.Minute)
	w.must(w.reg.RemoveNamespace(ctx, "ops", NamespaceRef{"eu-1", "infra"}))
	w.changes(eu, []tenant.Claim{claim("pay", "u3", "payments", "g")}, "u1")
	w.wait(time.Minute)
	w.must(w.reg.Offboard(ctx, "ops"))
}

// TestKilledAtAnyByte opens the journal cut at every length: it always opens,
// with a history that was true at some moment.
func TestKilledAtAnyByte(t *testing.T) {
	w := newWorld(t)
	var moments []sight
	moments = append(moments, look(w.reg))
	grow := w.opts.OnChange
	w.opts.OnChange = func(id tenant.ID) { grow(id); moments = append(moments, look(w.reg)) }
	w.reopen()
	busy(w)
	w.must(w.reg.Close())
	b, err := os.ReadFile(filepath.Join(w.dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	last, seen := -1, map[uint64]bool{}
	for n := 0; n <= len(b); n++ {
		st := newState()
		if n < fileHeaderBytes {
			// The file is made whole: this was somebody else, and who takes it for
			// a new one forgets every tenant.
			if err := os.WriteFile(filepath.Join(dir, journalName), b[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "restore it from a backup") {
				t.Fatalf("cut at byte %d of %d: got %v, want an error that says how to mend it", n, len(b), err)
			}
			continue
		}
		if _, err := replay(st, b[:n]); err != nil {
			t.Fatalf("cut at byte %d of %d: %v", n, len(b), err)
		}
		got := look(&Registry{st: st})
		if n%61 == 0 || n == fileHeaderBytes {
			// The whole opening, with its fsyncs, now and then.
			if err := os.WriteFile(filepath.Join(dir, journalName), b[:n], 0o600); err != nil {
				t.Fatal(err)
			}
			reg, err := Open(dir, Options{})
			if err != nil {
				t.Fatalf("cut at byte %d of %d: %v", n, len(b), err)
			}
			if diff := cmp.Diff(got, look(reg)); diff != "" {
				t.Fatalf("cut at byte %d: %s", n, diff)
			}
			reg.Close()
		} else if seen[st.seq] {
			continue
		}
		i := slices.IndexFunc(moments, func(m sight) bool { return cmp.Equal(m, got) })
		if i < 0 {
			t.Fatalf("cut at byte %d: not a prefix of the history: %+v", n, got.States)
		}
		if i < last {
			t.Fatalf("cut at byte %d: the history goes back", n)
		}
		last, seen[st.seq] = i, true
	}
	if last != len(moments)-1 || len(seen) < 8 {
		t.Errorf("the whole journal gives moment %d of %d, after %d entries", last, len(moments)-1, len(seen))
	}
}

func TestDamage(t *testing.T) {
	w := newWorld(t)
	busy(w)
	w.must(w.reg.journal.compact(w.reg.st))
	w.must(w.reg.Onboard(context.Background(), "a", nil, nil))
	w.must(w.reg.Onboard(context.Background(), "b", nil, nil))
	w.must(w.reg.Close())
	for _, tc := range []struct {
		name, file string
		harm       func([]byte) []byte
		ok         bool
	}{
		{"torn end", journalName, func(b []byte) []byte { return b[:len(b)-3] }, true},
		{"zeros after the end", journalName, func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, true},
		{"last entry flipped", journalName, func(b []byte) []byte { b[len(b)-5] ^= 1; return b }, true},
		{"first entry flipped", journalName, func(b []byte) []byte { b[fileHeaderBytes+20] ^= 1; return b }, false},
		{"length flipped", journalName, func(b []byte) []byte { b[fileHeaderBytes+3] = 0xff; return b }, false},
		{"header flipped", journalName, func(b []byte) []byte { b[0] ^= 1; return b }, false},
		{"from the future", journalName, func(b []byte) []byte { b[8] = 9; return b }, false},
		{"snapshot cut", snapshotName, func(b []byte) []byte { return b[:len(b)-1] }, false},
		{"snapshot flipped", snapshotName, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, false},
		{"snapshot empty", snapshotName, func(b []byte) []byte { return nil }, false},
		{"half a snapshot", "." + snapshotName + ".tmp", func(b []byte) []byte { return []byte("oriel") }, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(w.dir)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, tc.file)
			b, _ := os.ReadFile(path)
			if err := os.WriteFile(path, tc.harm(b), 0o600); err != nil {
				t.Fatal(err)
			}
			torn := 0
			reg, err := Open(dir, Options{OnEvent: func(e Event) { torn += int(e.Bytes) }})
			if (err == nil) != tc.ok {
				t.Fatalf("open: %v", err)
			}
			if err != nil {
				t.Log(err)
				return
			}
			defer reg.Close()
			if (torn > 0) != (tc.file == journalName) {
				t.Errorf("%d bytes told as torn", torn)
			}
			if err := reg.Onboard(context.Background(), "c", nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestJournalIsFolded(t *testing.T) {
	w := newWorld(t)
	var claims []tenant.Claim
	for i := range 4000 {
		claims = append(claims, claim(fmt.Sprintf("ns-%d", i), fmt.Sprintf("uid-%d", i), fmt.Sprintf("team-%d", i), "CN=Group,OU=Teams,DC=corp"))
	}
	w.snapshot(eu, claims...)
	if w.reg.journal.size != fileHeaderBytes || w.reg.journal.snapshotBytes < compactBytesMin/2 {
		t.Errorf("journal of %d bytes, snapshot of %d", w.reg.journal.size, w.reg.journal.snapshotBytes)
	}
	want := look(w.reg)
	w.reopen()
	if diff := cmp.Diff(want, look(w.reg)); diff != "" {
		t.Fatal(diff)
	}
}

func TestClosed(t *testing.T) {
	w := newWorld(t)
	w.must(w.reg.Onboard(context.Background(), "a", nil, nil))
	w.must(w.reg.Close())
	if err := w.reg.Onboard(context.Background(), "b", nil, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("onboard after close: %v", err)
	}
	if _, ok := w.reg.Lookup("a"); !ok {
		t.Error("reads end with Close")
	}
	if _, err := os.Stat(filepath.Join(w.dir, journalName)); err != nil {
		t.Error(err)
	}
	w.reg, _ = Open(w.dir, w.opts)
	w.reg.journal.f.Close() // the disk goes away
	if err := w.reg.Onboard(context.Background(), "b", nil, nil); err == nil {
		t.Error("a change that cannot be written is accepted")
	}
	if _, ok := w.reg.Lookup("b"); ok {
		t.Error("a change that was not written shows")
	}
}

// FuzzReplay feeds any bytes as a journal: no panic, and what is good is good
// again.
func FuzzReplay(f *testing.F) {
	head := fileHeader(journalMagic)
	fr, _ := frame(entry{Seq: 1, Changes: []change{{Op: opTenant, Team: &team{ID: "a"}}, {Op: opLife, Life: &life{Tenant: "a", By: byClaim}}}})
	f.Add(head)
	f.Add(append(slices.Clone(head), fr...))
	bad, _ := frame(map[string]any{"seq": 1, "changes": []map[string]any{{"op": "expire"}, {"op": "life"}, {"op": "tenant"}}})
	f.Add(append(slices.Clone(head), bad...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if checkHeader("journal", b, journalMagic) != nil {
			return
		}
		st := newState()
		good, err := replay(st, b)
		if err != nil {
			return
		}
		again := newState()
		if n, err := replay(again, b[:good]); err != nil || n != good || again.seq != st.seq {
			t.Errorf("the good part is not good again: %d of %d, %v", n, good, err)
		}
	})
}

package vfs_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/oriel-project/oriel/internal/vfs"
)

// TestFS runs the same steps on every file system.
func TestFS(t *testing.T) {
	ok := func(vfs.Op, string) error { return nil }
	for name, fs := range map[string]vfs.FS{"os": vfs.OS{}, "mem": vfs.NewMem(), "faulty": &vfs.Faulty{FS: vfs.NewMem(), Fail: ok}} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "a", "b")
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(fs.MkdirAll(dir))
			f, err := fs.Create(filepath.Join(dir, "x"))
			must(err)
			_, err = f.WriteAt([]byte("hello"), 2)
			must(err)
			must(f.Sync())
			must(f.Truncate(6))
			if n, err := f.Size(); err != nil || n != 6 {
				t.Errorf("size %d, %v", n, err)
			}
			must(fs.SyncDir(dir))
			if _, err := fs.Create(filepath.Join(dir, "x")); !errors.Is(err, os.ErrExist) {
				t.Errorf("created twice: %v", err)
			}
			if _, err := fs.Open(filepath.Join(dir, "y")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("opened nothing: %v", err)
			}
			g, err := fs.Open(filepath.Join(dir, "x"))
			must(err)
			b := make([]byte, 6)
			if n, err := g.ReadAt(b, 0); n != 6 || err != nil || string(b) != "\x00\x00hell" {
				t.Errorf("read %q, %v", b[:n], err)
			}
			if names, err := fs.List(dir); err != nil || !slices.Equal(names, []string{"x"}) {
				t.Errorf("list: %q, %v", names, err)
			}
			must(fs.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "z")))
			if names, err := fs.List(dir); err != nil || !slices.Equal(names, []string{"z"}) {
				t.Errorf("renamed: %q, %v", names, err)
			}
			if err := fs.Rename(filepath.Join(dir, "x"), filepath.Join(dir, "y")); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("renamed nothing: %v", err)
			}
			must(fs.Remove(filepath.Join(dir, "z")))
			if n, err := g.ReadAt(b[:1], 2); n != 1 || err != nil {
				t.Errorf("removed but open: %v", err)
			}
			must(f.Close())
			must(g.Close())
		})
	}
}

func TestCrash(t *testing.T) {
	fs := vfs.NewMem()
	_ = fs.MkdirAll("d")
	write := func(name, s string, sync, dir bool) {
		f, err := fs.Create("d/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteAt([]byte(s), 0)
		if sync {
			_ = f.Sync()
			_, _ = f.WriteAt([]byte("!"), int64(len(s)))
		}
		if dir {
			_ = fs.SyncDir("d")
		}
	}
	write("safe", "abc", true, true)
	write("empty", "abc", false, true)
	write("gone", "abc", true, false)
	after := fs.Crash(nil)
	if names, _ := after.List("d"); !slices.Equal(names, []string{"empty", "safe"}) {
		t.Errorf("names after the crash: %q", names)
	}
	for name, want := range map[string]int64{"safe": 3, "empty": 0} {
		f, _ := after.Open("d/" + name)
		if n, _ := f.Size(); n != want {
			t.Errorf("%s has %d bytes, want %d", name, n, want)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	sizes := map[int64]bool{}
	for range 100 {
		f, _ := fs.Crash(rnd).Open("d/safe")
		n, _ := f.Size()
		sizes[n] = true
	}
	if !sizes[3] || !sizes[4] || len(sizes) != 2 {
		t.Errorf("sizes after random crashes: %v", sizes)
	}
}

func TestFaulty(t *testing.T) {
	full := errors.New("disk full")
	mem := vfs.NewMem()
	_ = mem.MkdirAll("d")
	fs := &vfs.Faulty{FS: mem, Fail: func(op vfs.Op, _ string) error {
		if op == vfs.OpWrite {
			return full
		}
		return nil
	}}
	f, err := fs.Create("d/x")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, full) {
		t.Errorf("wrote %d, %v", n, err)
	}
}
